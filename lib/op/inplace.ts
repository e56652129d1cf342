/** In-place ops: what may be written, where the result goes, and what becomes of the graph. */
import { TenfoldError } from '../errors.js';
import { DTYPES, isFloatCode, Code } from '../dtype.js';
import { Node, type BackwardRule, type Edge } from '../autograd/graph.js';
import { edgeOf } from '../autograd/engine.js';
import { gradFnOf, tensorOps } from '../autograd/meta.js';
import { checkWritable } from '../tensor/storage.js';
import { sameShape, formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * The tensor whose history holds a view's: its base, or where that is a view itself (a leaf, when this view was made)
 * and no leaf any more, its base's.
 */
function rootOf(view: Tensor): Tensor | null {
  let { base } = view;
  while (base !== null && base.base !== null && !base.leafGrad) base = base.base;
  return base;
}

/** Refuses an in-place change of a leaf, of a part of one, or of a view that has to keep its node. */
export function checkLeaf(call: string, self: Tensor): void {
  if (self.meta !== null && self.meta.opaque !== null) {
    throw new TenfoldError(
      'inplace',
      `${call}: this view is a result of ${self.meta.opaque}, whose gradient a change in place would leave out; change a clone() of it`,
    );
  }
  if (self.leafGrad) {
    throw new TenfoldError(
      'inplace',
      `${call}: a leaf tensor that requires grad can't be changed in place; do it inside noGrad(() => …), or on a copy`,
    );
  }
  if (rootOf(self)?.leafGrad) {
    throw new TenfoldError(
      'inplace',
      `${call}: a view of a leaf tensor that requires grad can't be changed in place; do it inside noGrad(() => …)`,
    );
  }
}

/** Refuses an in-place change that autograd or the memory layout forbids, before anything is written. */
export function checkInplace(call: string, self: Tensor, gradEnabled: boolean): void {
  if (gradEnabled) checkLeaf(call, self);
  if (self.storage.readers > 0) checkWritable(call, self.storage);
  for (let i = 0; i < self.shape.length; i++) {
    if (self.strides[i] === 0 && self.shape[i]! > 1) {
      throw new TenfoldError(
        'inplace',
        `${call}: several elements of this ${formatShape(self.shape)} tensor are the same memory (it was expanded); clone() it first`,
      );
    }
  }
}

/** Runs an op's forward so that its result lands in `self`, which it is given as its last argument, `into`. */
export function writeInto(
  call: string,
  self: Tensor,
  forward: (...args: never[]) => Tensor,
  args: readonly unknown[],
  sameDtype = false,
): void {
  const result =
    args.length === 2
      ? forward(args[0] as never, args[1] as never, self as never)
      : forward(...(args as never[]), self as never);
  if (result === self) return;
  checkResult(call, self, result.shape, result.code, sameDtype);
  self.rawCopy(result);
}

// Whether a result can't be written into a tensor of dtype `own` without changing its kind.
const lossy = (own: Code, code: Code): boolean =>
  isFloatCode(code) ? !isFloatCode(own) : own === Code.bool && code !== Code.bool;

/** Refuses a result that doesn't fit into `self`; with `sameDtype` also one that would have to be cast. */
export function checkResult(call: string, self: Tensor, shape: readonly number[], code: Code, sameDtype = false): void {
  if (!sameShape(self.shape, shape)) {
    throw new TenfoldError(
      'shape',
      `${call}: the result's shape ${formatShape(shape)} is not self's ${formatShape(self.shape)}`,
    );
  }
  if (sameDtype ? self.code !== code : lossy(self.code, code)) {
    throw new TenfoldError(
      'dtype',
      `${call}: a ${DTYPES[code]} result can't be written into a ${DTYPES[self.code]} tensor`,
    );
  }
}

/**
 * Where a result of this shape and dtype goes: into what an in-place op writes, if it fits, else null (a new tensor). Inputs
 * that overlap it otherwise than element by element make the result go through a new tensor.
 */
export function fitting(
  into: Tensor | undefined,
  shape: readonly number[],
  code: Code,
  a: unknown,
  b?: unknown,
  c?: unknown,
): Tensor | null {
  if (into === undefined) return null;
  if (!sameShape(into.shape, shape)) return null; // reported by writeInto
  if (overlaps(into, a) || overlaps(into, b) || overlaps(into, c)) return null;
  return lossy(into.code, code) ? null : into; // converted later, or refused by writeInto
}

function overlaps(self: Tensor, x: unknown): boolean {
  if (!(x instanceof Tensor) || x.storage !== self.storage || x === self) return false;
  return x.offset !== self.offset || x.code !== self.code || !sameShape(x.strides, self.strides);
}

/** After an in-place op: `self`'s value now comes from `node`, and so does the part of its base that it shows. */
export function rebaseHistory(self: Tensor, node: Node, nr = 0): void {
  const base = rootOf(self);
  if (base === null) {
    self.leafGrad = false;
    self.setNode(node, nr);
    return;
  }
  const baseEdge: Edge = edgeOf(base) ?? { node: null, leaf: null, nr: 0, shape: base.shape, code: base.code };
  const slices = new Node(new CopySlices(self, base, node), [edgeOrNull(baseEdge), ...node.edges.slice(1)]);
  slices.saved = [];
  base.setNode(slices, 0);
  self.viewVersion = -1; // made anew from the base when it is asked for
}

const edgeOrNull = (e: Edge): Edge | null => (e.node === null && e.leaf === null ? null : e);

interface Geometry {
  shape: readonly number[];
  strides: readonly number[];
  offset: number;
}
const geometry = ({ shape, strides, offset }: Geometry): Geometry => ({ shape, strides, offset });
/** First element behind those of a strided view. */
const endOf = ({ shape, strides, offset }: Geometry): number =>
  shape.includes(0) ? offset : shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, offset + 1);
/** The memory that two views lie in, as a shape, and where they lie there. */
function together(a: Geometry, b: Geometry): { room: number[]; within: (g: Geometry) => Geometry } {
  const first = Math.min(a.offset, b.offset);
  return {
    room: [Math.max(endOf(a), endOf(b)) - first],
    within: (g) => ({ ...g, offset: g.offset - first }),
  };
}
/** Elements of `memory`, which together() describes. */
const viewOf = (memory: Tensor, { shape, strides, offset }: Geometry): Tensor =>
  memory.asStrided(shape, strides, memory.offset + offset);

/** Backward of an in-place op on a view: the gradient of the part goes through the op, the rest passes. */
class CopySlices implements BackwardRule {
  readonly gradName = 'CopySlices';
  readonly escapes = true;
  private readonly part: Geometry;
  private readonly whole: Geometry;
  constructor(
    view: Tensor,
    base: Tensor,
    private readonly inner: Node,
  ) {
    this.part = geometry(view);
    this.whole = geometry(base);
  }
  backward(_node: Node, grads: (Tensor | null)[], needs: readonly boolean[]): (Tensor | null)[] {
    const { inner, part, whole } = this;
    const { room, within } = together(whole, part);
    const memory = scatterStrided(grads[0]!, room, within(whole));
    const rest = viewOf(memory, within(whole));
    const gradPart = viewOf(memory, within(part));
    const innerNeeds = inner.edges.map((e, i) => e !== null && (i === 0 || needs[i]!));
    const results = inner.rule.backward(inner, [tensorOps.clone(gradPart)], innerNeeds);
    const first = results[0];
    if (first) gradPart.copy_(first);
    else gradPart.zero_();
    return [rest, ...results.slice(1)];
  }
}

/** Node of a view as a piece of its base's memory. */
class AsStridedView implements BackwardRule {
  readonly gradName = 'AsStridedBackward0';
  readonly escapes = false;
  private readonly part: Geometry;
  private readonly whole: Geometry;
  constructor(view: Tensor, base: Tensor) {
    this.part = geometry(view);
    this.whole = geometry(base);
  }
  backward(_node: Node, grads: (Tensor | null)[]): (Tensor | null)[] {
    return [gradOfStrided(grads[0]!, this.whole, this.part)];
  }
}

/**
 * Gradient of a part of memory for `whole`, another view of it: into the memory that both lie in, and from there to
 * where whole's elements lie. Those of them that are one share.
 */
export function gradOfStrided(grad: Tensor, whole: Geometry, part: Geometry): Tensor {
  const { room, within } = together(whole, part);
  const own = within(whole);
  const memory = scatterStrided(grad, room, within(part));
  if (!whole.shape.some((size, i) => size > 1 && whole.strides[i] === 0)) return viewOf(memory, own);
  const one = Tensor.zeros([], grad.code).add(1);
  const sharers = scatterStrided(one.expand([...whole.shape]), room, own);
  return viewOf(memory.div(sharers.clampMin(1)), own);
}

/** Gradient of a strided view for the dense memory that it lies in: zeros, with the gradient added where it belongs. */
function scatterStrided(grad: Tensor, room: number[], part: Geometry): Tensor {
  const out = Tensor.zeros(room, grad.code);
  // Along expanded dims several elements are one: their gradients add up.
  const repeated = part.strides.flatMap((s, i) => (s === 0 && part.shape[i]! > 1 ? [i] : []));
  const summed = repeated.length > 0 ? grad.sum(repeated, true) : grad;
  if (!overlapping(summed.shape, part.strides)) {
    out.asStrided(summed.shape, part.strides, part.offset).copy_(summed);
    return out;
  }
  // Elements that share memory otherwise: added at their places.
  let places: Tensor = Tensor.zeros([], Code.i64);
  summed.shape.forEach((size, i) => {
    const steps = Tensor.zeros([size], Code.i64);
    (steps.asTypedArray() as BigInt64Array).forEach((_, k, all) => (all[k] = BigInt(k * part.strides[i]!)));
    places = places.unsqueeze(-1).add(steps);
  });
  const flat = places.add(part.offset).reshape([-1]);
  return out.scatterAdd(0, flat, summed.reshape([-1]));
}

// Whether two indices of these strides can meet: sorted by stride, each must step over all before it.
function overlapping(shape: readonly number[], strides: readonly number[]): boolean {
  const dims = shape.map((size, i) => ({ size, stride: strides[i]! })).filter((x) => x.size > 1);
  dims.sort((a, b) => a.stride - b.stride);
  let reach = 0;
  for (const { size, stride } of dims) {
    if (stride <= reach) return true;
    reach += (size - 1) * stride;
  }
  return false;
}

tensorOps.checkLeaf = checkLeaf;
tensorOps.rebaseHistory = rebaseHistory;
tensorOps.regenerateView = (view: Tensor): Node | null => {
  if (view.meta !== null && view.meta.opaque !== null) {
    throw new TenfoldError(
      'inplace',
      `${view.meta.opaque}: its result is a view, and its memory was changed in place since: the gradient would leave ${view.meta.opaque} out; use a clone() of the result, or of what is changed`,
    );
  }
  const base = rootOf(view)!;
  if (base.leafGrad || gradFnOf(base) !== null) {
    const node = new Node(new AsStridedView(view, base), [edgeOf(base)]);
    node.saved = [];
    view.setNode(node, 0);
  }
  return view.node;
};
