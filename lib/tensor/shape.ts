/** Arithmetic of shapes, strides and dims. Nothing here touches memory. */
import { TenfoldError, show } from '../errors.js';

export type Shape = readonly number[];

/** Most dims that a tensor may have, as in PyTorch; kernels have room for no more (kMaxMaskDims). */
export const MAX_DIMS = 64;

/** A shape with what follows from it, all frozen. */
export interface Layout {
  readonly shape: Shape;
  /** Strides, in elements, of a row-major tensor. */
  readonly strides: readonly number[];
  readonly count: number;
}

// Every shape in use, once, as a trie: freezing an array costs 400 ns, finding it here 10 ns a dim; and equal shapes are
// mostly the same object. Dropped when it has grown large.
interface TrieNode<T> {
  found: T | null;
  next: Map<number, TrieNode<T>> | null;
}
const emptyTrie = <T>(): TrieNode<T> => ({ found: null, next: null });
const MAX_SHAPES = 20_000;
let layouts = emptyTrie<Layout>();
let layoutCount = 0;

/** The layout of a row-major tensor of these sizes, at most MAX_DIMS: every tensor's shape comes from here. */
export function layoutOf(sizes: readonly number[]): Layout {
  if (sizes.length > MAX_DIMS)
    throw new TenfoldError('shape', `tensors have at most ${MAX_DIMS} dims, this one would have ${sizes.length}`);
  let node = layouts;
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i]!;
    node.next ??= new Map();
    let next = node.next.get(size);
    if (next === undefined) {
      if (!(Number.isInteger(size) && size >= 0))
        throw new RangeError(`a size must be an integer >= 0, got ${show(size)}`);
      next = emptyTrie();
      node.next.set(size, next);
      if (++layoutCount > MAX_SHAPES) {
        layouts = emptyTrie();
        layoutCount = 0;
      }
    }
    node = next;
  }
  return node.found ?? addLayout(sizes);
}
// Walked once more by a copy of its own: a list with accessors may answer otherwise each time.
function addLayout(sizes: readonly number[]): Layout {
  const shape = copyOf(sizes);
  let node = layouts;
  for (const size of shape) {
    const next = node.next?.get(size);
    if (next === undefined) throw new TypeError(`sizes changed while they were read: ${show(shape)}`);
    node = next;
  }
  return (node.found ??= newLayout(Object.freeze(shape)));
}
/** A list's numbers, read once each. (Copies of frozen lists by `slice` and `...` take 100 ns more.) */
export function copyOf(list: readonly number[]): number[] {
  const copy: number[] = [];
  for (let i = 0; i < list.length; i++) copy.push(list[i]!);
  return copy;
}
const newLayout = (shape: Shape): Layout => ({
  shape,
  strides: Object.freeze(denseStrides(shape)),
  count: numelOf(shape),
});

/** The frozen shape of these sizes. */
export const internShape = (sizes: readonly number[]): Shape => layoutOf(sizes).shape;

// Strides in use, once each, in the same way.
let strides = emptyTrie<readonly number[]>();
let stridesCount = 0;

/** These strides, frozen: nobody can change those of a tensor, not who made it from a list of his own either. */
export function internStrides(list: readonly number[]): readonly number[] {
  let node = strides;
  for (let i = 0; i < list.length; i++) {
    const step = list[i]!;
    node.next ??= new Map();
    let next = node.next.get(step);
    if (next === undefined) {
      if (!Number.isSafeInteger(step)) throw new RangeError(`a stride must be an integer, got ${show(step)}`);
      next = emptyTrie();
      node.next.set(step, next);
      if (++stridesCount > MAX_SHAPES) {
        strides = emptyTrie();
        stridesCount = 0;
      }
    }
    node = next;
  }
  return node.found ?? addStrides(list);
}

function addStrides(list: readonly number[]): readonly number[] {
  const copy = copyOf(list);
  let node = strides;
  for (const step of copy) {
    const next = node.next?.get(step);
    if (next === undefined) throw new TypeError(`strides changed while they were read: ${show(copy)}`);
    node = next;
  }
  return (node.found ??= Object.freeze(copy));
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
  const own = copyOf(sizes);
  let n = 1;
  for (const size of own) {
    if (!Number.isInteger(size) || size < 0) {
      throw new RangeError(
        `${call}: sizes must be non-negative integers, got ${show(size)} in [${own.map((x) => show(x))}]`,
      );
    }
    n *= size;
  }
  if (n > Number.MAX_SAFE_INTEGER) throw new TenfoldError('memory', `${call}: ${formatShape(own)} is too large`);
  return own;
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
