/** Arithmetic of shapes, strides and dims. Nothing here touches memory. */
import { TenfoldError, show } from '../errors.js';

export type Shape = readonly number[];

/** Most dims that a tensor may have, as in PyTorch; kernels have room for no more (kMaxMaskDims). */
export const MAX_DIMS = 64;

// Every shape in use, once, as a trie: freezing an array costs 400 ns, finding it here 10 ns a dim; and equal shapes are
// mostly the same object. Dropped when it has grown large.
interface ShapeNode {
  shape: Shape | null;
  next: Map<number, ShapeNode> | null;
}
const MAX_SHAPES = 20_000;
let shapes: ShapeNode = { shape: null, next: null };
let shapeCount = 0;

/** The frozen shape of these sizes, at most MAX_DIMS: every tensor's shape comes from here. */
export function internShape(sizes: readonly number[]): Shape {
  if (sizes.length > MAX_DIMS)
    throw new TenfoldError('shape', `tensors have at most ${MAX_DIMS} dims, this one would have ${sizes.length}`);
  let node = shapes;
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i]!;
    node.next ??= new Map();
    let next = node.next.get(size);
    if (next === undefined) {
      if (!(Number.isInteger(size) && size >= 0))
        throw new RangeError(`a size must be an integer >= 0, got ${show(size)}`);
      next = { shape: null, next: null };
      node.next.set(size, next);
      if (++shapeCount > MAX_SHAPES) {
        shapes = { shape: null, next: null };
        shapeCount = 0;
      }
    }
    node = next;
  }
  return (node.shape ??= Object.freeze(sizes.slice()));
}

export const SCALAR_SHAPE: Shape = internShape([]);

export function numelOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i]!;
  return n;
}

/** Strides, in elements, of a row-major tensor. */
export function denseStrides(shape: Shape): number[] {
  const n = shape.length;
  if (n === 1) return [1];
  const strides = new Array<number>(n);
  let step = 1;
  for (let i = n - 1; i >= 0; i--) {
    strides[i] = step;
    const size = shape[i]!;
    if (size > 1) step *= size;
  }
  return strides;
}

/** Whether elements of these sizes and strides, the first of them at `offset`, lie among `length` elements. */
export function liesWithin(shape: Shape, strides: readonly number[], offset: number, length: number): boolean {
  let low = offset;
  let high = offset;
  for (let i = 0; i < shape.length; i++) {
    const size = shape[i]!;
    if (size === 0) return true;
    const reach = (size - 1) * strides[i]!;
    if (reach < 0) low += reach;
    else high += reach;
  }
  return low >= 0 && high < length;
}

export function isDense(shape: Shape, strides: readonly number[]): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size === 0) return true;
    if (size !== 1) {
      if (strides[i] !== step) return false;
      step *= size;
    }
  }
  return true;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A shape as messages show it: [2, 3]. */
export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/** Shape that both broadcast to; a TenfoldError that names the call where they can't. */
export function broadcastShapes(call: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const ndim = Math.max(a.length, b.length);
  const out = new Array<number>(ndim);
  for (let i = 1; i <= ndim; i++) {
    const x = i <= a.length ? a[a.length - i]! : 1;
    const y = i <= b.length ? b[b.length - i]! : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new TenfoldError(
        'shape',
        `${call}: shapes ${formatShape(a)} and ${formatShape(b)} can't broadcast: sizes ${x} and ${y} at dim ${ndim - i} differ and neither is 1`,
      );
    }
    out[ndim - i] = x === 1 ? y : x;
  }
  return out;
}

/** Strides that present a tensor as `target`, which its shape broadcasts to: 0 along broadcast dims. */
export function broadcastStrides(shape: Shape, strides: readonly number[], target: Shape): number[] {
  const out = new Array<number>(target.length).fill(0);
  const shift = target.length - shape.length;
  for (let i = 0; i < shape.length; i++) out[i + shift] = shape[i] === 1 ? 0 : strides[i]!;
  return out;
}

/** A dim in [-ndim, ndim) as one in [0, ndim). A 0-dim tensor has dims 0 and -1, as in PyTorch. */
export function wrapDim(call: string, dim: number, ndim: number): number {
  if (ndim > MAX_DIMS)
    throw new TenfoldError('shape', `${call}: tensors have at most ${MAX_DIMS} dims, this one has ${ndim}`);
  const n = Math.max(ndim, 1);
  if (!Number.isInteger(dim) || dim < -n || dim >= n) {
    throw new RangeError(
      `${call}: dim ${show(dim)} is out of range for a tensor of ${ndim} dimension${ndim === 1 ? '' : 's'} (expected ${-n} to ${n - 1})`,
    );
  }
  return dim < 0 ? dim + n : dim;
}

// [0, 1, …, n − 1] for small n.
const ALL_DIMS: readonly (readonly number[])[] = Array.from({ length: 65 }, (_, n) =>
  Object.freeze(Array.from({ length: n }, (_, i) => i)),
);
/** Dims as a sorted list without repeats; null or [] stand for all of them. */
export function wrapDims(call: string, dims: number | readonly number[] | null, ndim: number): readonly number[] {
  if (ndim > MAX_DIMS)
    throw new TenfoldError('shape', `${call}: tensors have at most ${MAX_DIMS} dims, this one has ${ndim}`);
  if (dims === null || (typeof dims !== 'number' && dims.length === 0)) return ALL_DIMS[ndim]!;
  if (typeof dims === 'number' || dims.length === 1) {
    const dim = wrapDim(call, typeof dims === 'number' ? dims : dims[0]!, ndim);
    return ndim === 0 ? ALL_DIMS[0]! : [dim];
  }
  const list = dims.map((d) => wrapDim(call, d, ndim));
  list.sort((x, y) => x - y);
  for (let i = 1; i < list.length; i++) {
    if (list[i] === list[i - 1]) throw new TenfoldError('value', `${call}: dim ${list[i]} appears twice in [${dims}]`);
  }
  return ndim === 0 ? ALL_DIMS[0]! : list;
}

/** Checks a list of sizes: non-negative integers whose product is exact, one for each of at most MAX_DIMS dims. */
export function checkSizes(call: string, sizes: readonly number[]): Shape {
  if (!Array.isArray(sizes)) throw new TypeError(`${call}: expected a list of sizes, got ${show(sizes)}`);
  if (sizes.length > MAX_DIMS)
    throw new TenfoldError('shape', `${call}: tensors have at most ${MAX_DIMS} dims, got ${sizes.length} sizes`);
  let n = 1;
  for (const size of sizes) {
    if (!Number.isInteger(size) || size < 0) {
      throw new RangeError(`${call}: sizes must be non-negative integers, got ${show(size)} in [${sizes.map(show)}]`);
    }
    n *= size;
  }
  if (n > Number.MAX_SAFE_INTEGER) throw new TenfoldError('memory', `${call}: ${formatShape(sizes)} is too large`);
  return sizes;
}

/**
 * Strides under which a strided tensor shows as `target` without a copy, or null where it can't: dims may be split, and
 * merged where they lie behind each other in memory.
 */
export function viewStrides(shape: Shape, strides: readonly number[], target: Shape): number[] | null {
  const n = numelOf(shape);
  if (n === 0) return denseStrides(target);
  const out = new Array<number>(target.length);
  let view = target.length - 1;
  let chunkBase = shape.length > 0 ? strides[shape.length - 1]! : 1;
  let tensorNumel = 1;
  let viewNumel = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    tensorNumel *= shape[dim]!;
    const ends = dim === 0 || (shape[dim - 1] !== 1 && strides[dim - 1] !== tensorNumel * chunkBase);
    if (!ends) continue;
    while (view >= 0 && (viewNumel < tensorNumel || target[view] === 1)) {
      out[view] = viewNumel * chunkBase;
      viewNumel *= target[view]!;
      view--;
    }
    if (viewNumel !== tensorNumel) return null;
    if (dim > 0) {
      chunkBase = strides[dim - 1]!;
      tensorNumel = 1;
      viewNumel = 1;
    }
  }
  while (view >= 0) {
    if (target[view] !== 1) return null;
    out[view--] = 1;
  }
  return out;
}

/** Fills in a -1 among `sizes` from the number of elements. */
export function inferSize(call: string, sizes: readonly number[], numel: number, from: Shape): number[] {
  const out = sizes.slice();
  let infer = -1;
  let known = 1;
  for (let i = 0; i < out.length; i++) {
    const s = out[i]!;
    if (s === -1) {
      if (infer >= 0) throw new TenfoldError('shape', `${call}: only one size can be -1, got [${sizes}]`);
      infer = i;
    } else {
      if (!Number.isInteger(s) || s < 0) throw new RangeError(`${call}: invalid size ${show(s)} in [${sizes}]`);
      known *= s;
    }
  }
  if (infer >= 0 && known > 0 && numel % known === 0) out[infer] = numel / known;
  else if (infer >= 0 && known === 0) {
    throw new TenfoldError(
      'shape',
      `${call}: the size for -1 in [${sizes}] is ambiguous, because the others hold 0 elements`,
    );
  }
  if (numelOf(out) !== numel) {
    throw new TenfoldError(
      'shape',
      `${call}: shape [${sizes}] doesn't hold the ${numel} elements of ${formatShape(from)}`,
    );
  }
  return out;
}
