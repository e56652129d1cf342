/** What autograd knows about a tensor beyond its node, and the few tensor operations that the engine itself needs. */
import type { Tensor } from '../tensor/tensor.js';
import type { Shape } from '../tensor/shape.js';
import type { Hook, Node } from './graph.js';

/** Rarely needed autograd state of a tensor: gradient and hooks. */
export interface AutogradMeta {
  grad: Tensor | null;
  /** Whether anybody but the library has seen `grad`: else its memory can be reused when it is dropped. */
  gradExposed: boolean;
  hooks: Map<number, Hook> | null;
  postHooks: Map<number, (leaf: Tensor) => void> | null;
  retainsGrad: boolean;
  /**
   * Of a view that a user's Function or a module's backward hooks gave out: its gradient goes through what they do, which
   * a node made anew from the base would leave out. The name of what made it.
   */
  opaque: string | null;
}

/** How many hooks there are on leaves behind their accumulation: a backward that may meet none doesn't look for them. */
export const postHooks = { count: 0 };

export function leafMeta(t: Tensor): AutogradMeta {
  return (t.meta ??= {
    grad: null,
    gradExposed: false,
    hooks: null,
    postHooks: null,
    retainsGrad: false,
    opaque: null,
  });
}

/** Operations that this room calls; tensor.ts, lib/op and lib/ops fill them in, so that it imports no op. */
export const tensorOps = {} as {
  isTensor(x: unknown): x is Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  /** a += b, without a graph. */
  addInto(a: Tensor, b: Tensor): Tensor;
  cast(a: Tensor, code: number): Tensor;
  clone(a: Tensor): Tensor;
  /** The same memory as a new tensor outside any graph. */
  alias(a: Tensor): Tensor;
  sumTo(a: Tensor, shape: Shape): Tensor;
  hasNaN(a: Tensor): boolean;
  stack(list: readonly Tensor[]): Tensor;
  /** Makes a view's node again from its base's, after an in-place change of either; refused where it is opaque. */
  regenerateView(view: Tensor): Node | null;
  /** Refuses an in-place change that the graph forbids. */
  checkLeaf(call: string, self: Tensor): void;
  /** After an in-place change: self's value comes from output `nr` of `node`, and so does what its base shows of it. */
  rebaseHistory(self: Tensor, node: Node, nr: number): void;
};

/** A tensor's node. A view's is made anew when its base has been changed in place since. */
export function gradFnOf(t: Tensor): Node | null {
  return t.base === null || t.viewVersion === t.storage.version ? t.node : tensorOps.regenerateView(t);
}

/** Sums a gradient down to a shape that broadcasts to its own; null where that isn't so. */
export function sumToShape(grad: Tensor, shape: Shape): Tensor | null {
  const shift = grad.shape.length - shape.length;
  if (shift < 0) return null;
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] !== grad.shape[i + shift] && shape[i] !== 1) return null;
  }
  return tensorOps.sumTo(grad, shape);
}
