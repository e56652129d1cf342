/**
 * Gradients through a compiled function: its backward pass is recorded with it, as the second part of the program, and one node
 * of the graph stands for both. What the first part leaves for the second lies in an arena that the node holds, so several calls
 * may wait for their backward.
 */
import { TenfoldError } from '../errors.js';
import { edgeOf, runBackward } from '../autograd/engine.js';
import { Node, unpack, type BackwardRule, type Edge } from '../autograd/graph.js';
import { mode } from '../autograd/mode.js';
import { allocate, bufferOf, release, type Storage } from '../tensor/storage.js';
import { Tensor } from '../tensor/tensor.js';
import { shown, type Entry, type Outputs } from './entry.js';
import type { Recording } from './recording.js';
import { isPlain, replaced, type Flat } from './signature.js';

/** What a gradient is for: an argument, by number, or a leaf that the function found elsewhere. */
export type Target = number | Tensor;

/** The second part of a program. */
export interface Gradients {
  /** The recorded step that it begins with. */
  readonly split: number;
  /** Results that require grad, as they were recorded. */
  readonly outs: readonly Tensor[];
  /** The first of the further arguments that their gradients come in. */
  readonly seeds: number;
  readonly targets: readonly Target[];
  /** The targets' gradients, as they were recorded. */
  readonly results: readonly (Tensor | null)[];
}

/** Every tensor in a result: lists and plain objects are looked through. */
export function tensorsIn(x: unknown, found: Tensor[] = []): Tensor[] {
  if (x instanceof Tensor) found.push(x);
  else if (Array.isArray(x)) for (const y of x) tensorsIn(y, found);
  else if (isPlain(x)) for (const y of Object.values(x)) tensorsIn(y, found);
  return found;
}

/** Records the backward pass of a result; null where nothing in it requires grad, or the function has run backward itself. */
export function recordGradients(recording: Recording, result: unknown, inner: readonly Tensor[]): Gradients | null {
  if (!mode.grad || recording.ranBackward) return null;
  const outs = [...new Set(tensorsIn(result).filter((t) => t.requiresGrad && !t.isLeaf))];
  if (outs.length === 0) return null;
  const leaves = leavesOf(outs);
  const split = recording.steps.length;
  const seeds = outs.map((o) => {
    const seed = Tensor.raw(o.shape, o.code);
    new Uint8Array(bufferOf(seed.storage), seed.storage.byteOffset, seed.storage.nbytes).fill(0);
    return { seed, number: recording.addInput(seed) };
  });
  const options = { retainGraph: true, createGraph: false, inputs: leaves, accumulate: false };
  const results = runBackward(outs, seeds.map((s) => s.seed), options); // prettier-ignore
  const targets = leaves.map((leaf): Target => {
    const argument = inner.indexOf(leaf);
    return argument >= 0 ? argument : leaf;
  });
  return { split, outs, seeds: seeds[0]!.number, targets, results };
}

function leavesOf(outs: readonly Tensor[]): Tensor[] {
  const leaves = new Set<Tensor>();
  const seen = new Set<Node>();
  const stack: Node[] = outs.map((o) => o.gradFn!);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const e of node.edges) {
      if (e === null) continue;
      if (e.node !== null) stack.push(e.node);
      else if (e.leaf !== null) leaves.add(e.leaf);
    }
  }
  return [...leaves];
}

const edgesOf = (targets: readonly Target[], tensors: readonly Tensor[]): (Edge | null)[] =>
  targets.map((t) => edgeOf(typeof t === 'number' ? tensors[t]! : t));

function join(rule: BackwardRule, edges: (Edge | null)[], saved: unknown[], results: readonly Tensor[]): void {
  const node = new Node(rule, edges);
  node.saved = saved;
  node.outputs = results.map((t) => ({ shape: t.shape, code: t.code }));
  results.forEach((t, nr) => t.setNode(node, nr));
}

const refuseSecond = (call: string): void => {
  if (mode.grad)
    throw new TenfoldError(
      'graph',
      `backward: ${call} is compiled, and has no second derivative: run it uncompiled for that`,
    );
};

/** The call that was recorded, joined to the graph of its arguments: its gradients run through what was recorded. */
export function connectFirst(call: string, gradients: Gradients, result: unknown, tensors: readonly Tensor[]): unknown {
  const { outs, targets } = gradients;
  const shownAs = new Map<Tensor, Tensor>(outs.map((o) => [o, o.alias()]));
  const rule: BackwardRule = {
    gradName: 'CompiledBackward0',
    escapes: true,
    backward(node, grads) {
      refuseSecond(call);
      unpack(node, 0);
      const given = grads.map((g, i) => g ?? Tensor.zeros(outs[i]!.shape, outs[i]!.code));
      // In the order of the targets: the graph is the one that they were found in.
      const options = { retainGraph: true, createGraph: false, inputs: leavesOf(outs), accumulate: false };
      return runBackward(outs, given, options);
    },
  };
  join(rule, edgesOf(targets, tensors), [outs, -1], [...shownAs.values()]);
  return replaced(result, (t) => shownAs.get(t) ?? t);
}

/** The backward pass of one replayed call. */
class CompiledBackward implements BackwardRule {
  readonly gradName = 'CompiledBackward0';
  readonly escapes = false;
  constructor(
    private readonly call: string,
    private readonly entry: Entry,
    private readonly gradients: Gradients,
    private readonly tensors: readonly Tensor[],
    private readonly outputs: Outputs,
    private arena: Storage | null,
  ) {}

  backward(node: Node, grads: (Tensor | null)[]): (Tensor | null)[] {
    const { entry, gradients, tensors, outputs } = this;
    refuseSecond(this.call);
    for (let i = 0; i < (node.saved?.length ?? 1); i += 2) unpack(node, i);
    const seeds = grads.map((g, i) => {
      const out = gradients.outs[i]!;
      return g === null ? Tensor.zeros(out.shape, out.code) : g.rawDense();
    });
    const made: Outputs = new Map(outputs);
    for (const memory of entry.gradientOutputs) if (!made.has(memory)) made.set(memory, allocate(memory.size));
    const all = [...tensors];
    seeds.forEach((s, i) => (all[gradients.seeds + i] = s));
    entry.execute(all, this.arena, entry.program.split, entry.program.steps.length, made);
    return entry.gradientResults.map((r) => (r === null ? null : shown(r, all, made)));
  }

  done(): void {
    if (this.arena !== null) release(this.arena);
    this.arena = null;
  }
}

/** A replayed call: runs the first part, and leaves a node for the second. */
export function connect(call: string, entry: Entry, gradients: Gradients, flat: Flat, outputs: Outputs): unknown {
  const { tensors } = flat;
  const arena = entry.newArena;
  entry.execute(tensors, arena, 0, entry.program.split, outputs);
  entry.leaveGradients();
  const made = new Map<Tensor, Tensor>();
  const result = entry.results(flat, outputs, (recorded, built) => void made.set(recorded, built));
  const rule = new CompiledBackward(call, entry, gradients, tensors, outputs, arena);
  const saved: unknown[] = [rule, -1];
  for (const t of [...tensors, ...gradients.targets.filter((x): x is Tensor => typeof x !== 'number')]) {
    saved.push(t, t.storage.version);
  }
  join(rule, edgesOf(gradients.targets, tensors), saved, gradients.outs.map((o) => made.get(o)!)); // prettier-ignore
  return result;
}
