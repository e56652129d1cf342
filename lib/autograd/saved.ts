/**
 * Hooks around what nodes save. A node that is recorded under them keeps what `pack` made of each tensor, with the
 * tensor's place in the graph, and has the tensors that `unpack` gives back while its backward runs. To a node without
 * hooks all of this costs a comparison with null.
 */
import { TenfoldError, show } from '../errors.js';
import { DTYPES, type Code } from '../dtype.js';
import { sameShape, type Shape } from '../tensor/shape.js';
import { recordAllocations } from '../tensor/storage.js';
import type { Tensor } from '../tensor/tensor.js';
import { edgeOf } from './engine.js';
import { Node, type BackwardRule, type Edge } from './graph.js';
import { tensorOps } from './meta.js';
import { mode } from './mode.js';

/** What is made of a saved tensor, and the tensor that is made of it. */
export interface SavedTensorsHooks {
  pack(tensor: Tensor, node: Node): unknown;
  unpack(packed: unknown): Tensor;
}

/** What stands in a node's list for a saved tensor. */
class Packed {
  constructor(
    readonly hooks: SavedTensorsHooks,
    readonly value: unknown,
    /** The tensor's place in the graph. */
    readonly edge: Edge | null,
    readonly shape: Shape,
    readonly code: Code,
    readonly dense: boolean,
  ) {}
}

/** The rule of a node whose list holds what hooks made of its tensors. */
class PackedRule implements BackwardRule {
  readonly gradName: string;
  readonly escapes: boolean;
  constructor(private readonly rule: BackwardRule) {
    this.gradName = rule.gradName;
    this.escapes = rule.escapes;
  }
  backward(node: Node, grads: (Tensor | null)[], needs: readonly boolean[]): (Tensor | null)[] {
    return withSaved(node, () => this.rule.backward(node, grads, needs));
  }
}

/**
 * The hooks that run, those of the innermost scope. Only for the core: what another file of dist/ imports becomes a
 * property of `exports`, and this is read for every recorded op.
 */
export let activeHooks: SavedTensorsHooks | null = null;
/** Scopes that have not ended, outermost first. */
const scopes: HookScope[] = [];
/** Why no hooks may be set, where that is so. */
const refusals: { message: string }[] = [];

const refuse = (): void => {
  const last = refusals.at(-1);
  if (last !== undefined) throw new TenfoldError('graph', last.message);
};

/** A block's hooks. Scopes may end in any order. */
export class HookScope implements Disposable {
  constructor(readonly hooks: SavedTensorsHooks) {
    refuse();
    scopes.push(this);
    activeHooks = hooks;
  }
  [Symbol.dispose](): void {
    const at = scopes.indexOf(this);
    if (at < 0) return;
    scopes.splice(at, 1);
    activeHooks = scopes.at(-1)?.hooks ?? null;
  }
}

/** Runs a function under hooks. */
export function underHooks<T>(hooks: SavedTensorsHooks, fn: () => T): T {
  const scope = new HookScope(hooks);
  try {
    return fn();
  } finally {
    scope[Symbol.dispose]();
  }
}

/** A block in which hooks can't be set. */
export class RefusalScope implements Disposable {
  private readonly own: { message: string };
  constructor(message: string) {
    this.own = { message };
    refusals.push(this.own);
    if (activeHooks === null) return;
    this[Symbol.dispose]();
    throw new TenfoldError('graph', message);
  }
  [Symbol.dispose](): void {
    const at = refusals.indexOf(this.own);
    if (at >= 0) refusals.splice(at, 1);
  }
}

/** Gives the tensors of a node that has just been recorded, if it has, to the hooks that run, if any. */
export function packSaved(node: Node | null): void {
  const hooks = activeHooks;
  if (hooks === null || node === null) return;
  const saved = node.saved!;
  node.rule = new PackedRule(node.rule);
  for (let at = 0; at < saved.length; at += 2) {
    const tensor = saved[at];
    if (!tensorOps.isTensor(tensor)) continue;
    const { shape, code, dense } = tensor;
    saved[at] = new Packed(hooks, pack(hooks, tensor, node), edgeOf(tensor), shape, code, dense);
    saved[at + 1] = -1;
  }
}

function pack(hooks: SavedTensorsHooks, tensor: Tensor, node: Node): unknown {
  const { version } = tensor.storage;
  const before = mode.grad;
  mode.grad = false;
  let value: unknown;
  try {
    value = hooks.pack(tensor, node);
  } finally {
    mode.grad = before;
  }
  if (tensor.storage.version !== version) {
    throw new TenfoldError(
      'graph',
      'savedTensorsHooks: pack changed its tensor in place, which others use as well; change a clone()',
    );
  }
  return value;
}

/** Runs `fn` while the node's list holds its tensors, not what hooks made of them. */
export function withSaved<T>(node: Node, fn: () => T): T {
  const { saved } = node;
  if (saved === null || !saved.some((value) => value instanceof Packed)) return fn();
  // What hooks make and keep is not the running formula's, whose memory the engine frees.
  const allocations = recordAllocations(null);
  const outer = enterBackward(running ?? {});
  try {
    node.saved = saved.map((value) => (value instanceof Packed ? unpackOne(value) : value));
  } finally {
    enterBackward(outer);
    recordAllocations(allocations);
  }
  try {
    return fn();
  } finally {
    node.saved = saved;
  }
}

function unpackOne({ hooks, value, edge, shape, code, dense }: Packed): Tensor {
  const tensor: unknown = hooks.unpack(value);
  if (!tensorOps.isTensor(tensor))
    throw new TypeError(`savedTensorsHooks: unpack must return a tensor, it returned ${show(tensor)}`);
  // Formulas and their kernels rely on what was saved.
  if (!sameShape(tensor.shape, shape) || tensor.code !== code) {
    throw new TenfoldError(
      tensor.code === code ? 'shape' : 'dtype',
      `savedTensorsHooks: unpack must return a ${DTYPES[code]!} tensor of shape [${shape}], as pack was given, it returned a ${tensor.dtype} tensor of shape [${tensor.shape}]`,
    );
  }
  if (edge !== null && tensor === edge.leaf) return tensor;
  const placed = dense ? tensorOps.alias(tensor).rawDense() : tensorOps.alias(tensor);
  if (edge === null) return placed;
  if (edge.node !== null) placed.setNode(edge.node, edge.nr);
  else {
    // The leaf's value in other memory: its gradient is the leaf's.
    const node = new Node(STANDS_FOR_LEAF, [edge]);
    node.saved = [];
    placed.setNode(node, 0);
  }
  return placed;
}
const STANDS_FOR_LEAF: BackwardRule = {
  gradName: 'AliasBackward0',
  escapes: false,
  backward: (_node, grads) => [...grads],
};

let running: object | null = null;
/** The run of the engine that asks for saved tensors, an object of its own; read it in `unpack`. */
export const runningBackward = (): object | null => running;
/** Says which run is on; returns the one before. */
export function enterBackward(run: object | null): object | null {
  const before = running;
  running = run;
  return before;
}
