/** The graph: nodes that ops leave behind, and what they saved. The engine walks it; ops only build it. */
import { TenfoldError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Shape } from '../tensor/shape.js';
import { mode } from './mode.js';

/** What a node does in backward. Ops (op/define.ts), user Functions and CopySlices implement it. */
export interface BackwardRule {
  /** Name as it prints: MulBackward0. */
  readonly gradName: string;
  /** Whether formulas may keep or hand out tensors they get, so that the engine may not reuse their memory. */
  readonly escapes: boolean;
  /**
   * One gradient per input (null where there is none), given one per output. `needs[i]` says whether input i's is wanted.
   */
  backward(node: Node, grads: (Tensor | null)[], needs: readonly boolean[]): (Tensor | null)[];
  /** Called when the node has run for the last time and what it saved is given up. */
  done?(): void;
}

let nextId = 1;

/** Where a gradient goes: an output of the node that made the input, or a leaf. */
export interface Edge {
  readonly node: Node | null; // null: `leaf` is the tensor itself
  readonly leaf: Tensor | null;
  readonly nr: number;
  readonly shape: Shape;
  readonly code: number;
}

/** Called with a gradient; what it returns, if anything, replaces it. */
export type Hook = (grad: Tensor) => Tensor | void | null | undefined;

/** A recorded op. Ids rise with creation, so a higher id never feeds a lower one. */
export class Node {
  readonly id = nextId++;
  /** Tensors and values that formulas asked for; tensors are followed by their version. Null once released. */
  saved: unknown[] | null = null;
  /** The call's arguments, tensors replaced by their shape and dtype; only where a formula looks at them. */
  args: unknown[] | null = null;
  /** Shape and dtype of each output, to stand in zeros where no gradient came. */
  outputs: { shape: Shape; code: number }[] | null = null;
  hooks: Map<number, Hook>[] | null = null; // by output
  retain: (Tensor | undefined)[] | null = null; // outputs whose .grad is kept
  readonly stack: string | undefined;
  constructor(
    /** Hooks on saved tensors put another around it. */
    public rule: BackwardRule,
    readonly edges: readonly (Edge | null)[],
  ) {
    this.stack = mode.anomaly ? new Error('forward').stack : undefined;
  }

  /** Name of the backward function, as PyTorch has it. */
  get name(): string {
    return this.rule.gradName;
  }

  /** Nodes that this one sends gradients to, as PyTorch's next_functions. */
  get nextFunctions(): (readonly [Node | string, number] | null)[] {
    return this.edges.map((e) => (e === null ? null : ([e.node ?? 'AccumulateGrad', e.nr] as const)));
  }

  toString(): string {
    return `<${this.rule.gradName}>`;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** The saved tensor at `at` of a node's list, checked to be unchanged since. */
export function unpack(node: Node, at: number): unknown {
  const saved = node.saved;
  if (saved === null) {
    throw new TenfoldError(
      'graph',
      `backward: ${node} has already run and its saved tensors are gone; call the first backward with { retainGraph: true } to run it twice`,
    );
  }
  const value = saved[at];
  const version = saved[at + 1] as number;
  if (version >= 0 && (value as Tensor).storage.version !== version) {
    const t = value as Tensor;
    throw new TenfoldError(
      'graph',
      `backward: a ${t.dtype} tensor of shape [${t.shape}] that ${node} saved was changed by an in-place operation: it is at version ${t.storage.version}, expected version ${version}`,
    );
  }
  return value;
}
