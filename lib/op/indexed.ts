/**
 * Launches of the kernels in native/kernels/index.cc, which read and write where an index tensor says: the geometry once,
 * for every op. No graph: that is the op's business.
 */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES, SIZE } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel, type Kernel } from '../native/launch.js';
import { copyOf, formatShape, numelOf, viewStrides, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { fitting } from './inplace.js';

const GATHER = kernel('gather')[Code.i64]!;
const SET = kernel('scatterSet')[Code.i64]!;
/** What a scatter does with a value that meets another. */
export const SCATTER = {
  set: null,
  add: kernel('scatterAdd'),
  mul: kernel('scatterMul'),
  amax: kernel('scatterAmax'),
  amin: kernel('scatterAmin'),
} as const;
export type Scatter = keyof typeof SCATTER;

const MAX_DIMS = 16; // kMaxIndexDims

/** How one operand lies along the walk: its stride from index to index, and along the outer and the inner dims. */
interface Walk {
  t: Tensor;
  j: number;
  outer: readonly number[];
  inner: readonly number[];
}
interface Lines {
  outer: Shape;
  j: number;
  inner: Shape;
  /** Sizes and strides of the indexed dims of x. */
  sizes: Shape;
  strides: readonly number[];
  /** Whether negative indices count from the end. */
  wrap: boolean;
  /** The dim in messages; -1 for the whole tensor. */
  label: number;
  index: Walk;
  x: Walk;
  y: Walk;
}

const NO_DIMS: [readonly number[], readonly (readonly number[])[]] = [[], [[], [], []]];

/** Drops dims of size 1, and merges those that lie behind each other in all operands. */
function merge(sizes: Shape, strides: readonly (readonly number[])[]): typeof NO_DIMS {
  if (sizes.length === 0) return NO_DIMS;
  if (sizes.length === 1 && sizes[0] !== 1) return [sizes, strides];
  const out: number[] = [];
  const merged: number[][] = [];
  for (let k = 0; k < strides.length; k++) merged.push([]);
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i]!;
    if (size === 1) continue;
    const last = out.length - 1;
    let joins = last >= 0;
    for (let k = 0; joins && k < strides.length; k++) joins = strides[k]![i]! * size === merged[k]![last];
    if (joins) out[last]! *= size;
    else out.push(size);
    for (let k = 0; k < strides.length; k++) {
      if (joins) merged[k]![last] = strides[k]![i]!;
      else merged[k]!.push(strides[k]![i]!);
    }
  }
  return [out, merged];
}

function launchLines(call: string, id: number, bytes: number, lines: Lines): void {
  const { index, x, y } = lines;
  const [outer, outerStrides] = merge(lines.outer, [index.outer, x.outer, y.outer]);
  const [inner, innerStrides] = merge(lines.inner, [index.inner, x.inner, y.inner]);
  const [sizes, strides] = merge(lines.sizes, [lines.strides]);
  if (Math.max(outer.length, inner.length, sizes.length) > MAX_DIMS) {
    throw new TenfoldError(
      'shape',
      `${call}: tensors of more than ${MAX_DIMS} dimensions that can't be merged are not supported`,
    );
  }
  const count = sizes.length;
  const indexed = count === 0 ? ONE_PLACE : count === 1 ? [sizes[0]!, strides[0]![0]!] : pairsOf(sizes, strides[0]!);
  named(
    call,
    () =>
    run(
      id, bytes, outer.length, inner.length, outer, inner, lines.j, Math.max(count, 1), indexed, lines.wrap, lines.label,
      index.t, index.j, outerStrides[0]!, innerStrides[0]!,
      x.t, outerStrides[1]!, innerStrides[1]!,
      y.t, y.j, outerStrides[2]!, innerStrides[2]!,
    ), // prettier-ignore
  );
}
// Size and stride of an indexed dim that a 0-dim tensor doesn't have.
const ONE_PLACE = [1, 0];
const pairsOf = (a: readonly number[], b: readonly number[]): number[] => a.flatMap((x, i) => [x, b[i]!]);

/** Runs a launch; what native code finds wrong gets the call's name. */
export function named(call: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${call}: ${error.message}`, { cause: error });
    if (error instanceof TenfoldError)
      throw new TenfoldError(error.code, `${call}: ${error.message}`, { cause: error });
    throw error;
  }
}

// ---- whole rows: one index for all the other dims ------------------------------------------------------------------

/** How `dims` of a shape are replaced by `size`, the shape of the index, as PyTorch's indexing places it. */
interface Rows {
  outer: number[];
  inner: number[];
  shape: number[];
}
/** The index's dims stand where the indexed ones stood, if those are neighbours, else in front. */
function rowsOf(shape: Shape, dims: readonly number[], size: Shape): Rows {
  const neighbours = dims.every((dim, i) => i === 0 || dim === dims[i - 1]! + 1);
  const rest = shape.map((_, i) => i).filter((i) => !dims.includes(i));
  const outer = neighbours && dims.length > 0 ? rest.filter((i) => i < dims[0]!) : [];
  const inner = rest.slice(outer.length);
  return { outer, inner, shape: [...outer.map((i) => shape[i]!), ...size, ...inner.map((i) => shape[i]!)] };
}
/** Shape of indexing `shape` at `dims` with an index of shape `size`. */
export const rowsShape = (shape: Shape, dims: readonly number[], size: Shape): number[] =>
  rowsOf(shape, dims, size).shape;

const pick = (list: readonly number[], at: readonly number[]): number[] => at.map((i) => list[i]!);
const zeros = (n: number): number[] => new Array<number>(n).fill(0);

function rowLines(
  x: Tensor,
  dims: readonly number[],
  index: Tensor,
  y: Tensor,
  size: Shape,
  label: number,
  wrap: boolean,
): Lines {
  const { outer, inner } = rowsOf(x.shape, dims, size);
  const at = outer.length;
  const flat = index.rawDense();
  const stepY = viewStrides(size, copyOf(y.strides).slice(at, at + size.length), [numelOf(size)])![0]!;
  return {
    outer: pick(x.shape, outer),
    j: numelOf(size),
    inner: pick(x.shape, inner),
    sizes: pick(x.shape, dims),
    strides: pick(x.strides, dims),
    wrap,
    label,
    index: { t: flat, j: 1, outer: zeros(outer.length), inner: zeros(inner.length) },
    x: { t: x, j: 0, outer: pick(x.strides, outer), inner: pick(x.strides, inner) },
    y: { t: y, j: stepY, outer: copyOf(y.strides).slice(0, at), inner: copyOf(y.strides).slice(at + size.length) },
  };
}

/** x at `index`, which counts through `dims` as if they were one; its result has `size` in their place. */
export function gatherRows(
  call: string,
  x: Tensor,
  dims: readonly number[],
  index: Tensor,
  size: Shape,
  label = dims[0] ?? 0,
  wrap = true,
): Tensor {
  const out = Tensor.raw(rowsShape(x.shape, dims, size), x.code);
  launchLines(call, GATHER, SIZE[x.code]!, rowLines(x, dims, index, out, size, label, wrap));
  return out;
}

/** Puts y, which broadcasts to what gatherRows gives, into x. */
export function scatterRows(
  call: string,
  how: Scatter,
  x: Tensor,
  dims: readonly number[],
  index: Tensor,
  size: Shape,
  y: Tensor,
  label = dims[0] ?? 0,
  wrap = true,
): void {
  const shape = rowsShape(x.shape, dims, size);
  if (numelOf(shape) === 0) {
    y.expand(shape); // refused where it doesn't fit
    return;
  }
  let full = sameCode(y, x).expand(shape);
  const at = rowsOf(x.shape, dims, size).outer.length;
  if (viewStrides(size, copyOf(full.strides).slice(at, at + size.length), [numelOf(size)]) === null)
    full = full.rawClone();
  const [id, bytes] = scatterKernel(call, how, x.code);
  launchLines(call, id, bytes, rowLines(x, dims, index, full, size, label, wrap));
}
const sameCode = (y: Tensor, x: Tensor): Tensor => (y.code === x.code ? y : y.to(x.dtype));

const OF_BOOL: Record<Scatter, Scatter> = { set: 'set', add: 'amax', mul: 'amin', amax: 'amax', amin: 'amin' };
function scatterKernel(call: string, how: Scatter, code: Code): [id: number, bytes: number] {
  // Of booleans: or is the larger, and the smaller.
  const k: Kernel | null = SCATTER[code === Code.bool ? OF_BOOL[how] : how];
  if (k === null) return [SET, SIZE[code]!];
  const id = k[code === Code.bool ? Code.u8 : code]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${DTYPES[code]}`);
  return [id, 0];
}

// ---- one index for every element ---------------------------------------------------------------------------------------

/** Refuses an index for gather or scatter whose dtype, dims or sizes don't fit. Gives it as int64. */
export function checkLines(call: string, x: Tensor, dim: number, index: Tensor, src: Tensor | null): Tensor {
  if (index.count > 0 && index.code !== Code.i64 && index.code !== Code.i32) {
    throw new TenfoldError('dtype', `${call}: the index must be int64, got ${index.dtype}; int32 does as well`);
  }
  const dims = (t: Tensor): number => Math.max(t.shape.length, 1);
  for (const [name, t] of [
    ['self', x],
    ['src', src],
  ] as const) {
    if (t === null || index.count === 0) continue;
    if (dims(t) !== dims(index)) {
      throw new TenfoldError(
        'shape',
        `${call}: the index must have as many dims as '${name}', got shapes ${formatShape(index.shape)} and ${formatShape(t.shape)}`,
      );
    }
    index.shape.forEach((size, d) => {
      if (size > (t.shape[d] ?? 1) && (d !== dim || t === src)) {
        throw new TenfoldError(
          'shape',
          `${call}: index ${formatShape(index.shape)} is larger than '${name}' ${formatShape(t.shape)} at dim ${d}`,
        );
      }
    });
  }
  return index.code === Code.i64 ? index : index.to('int64');
}

/** Refuses values whose dtype is not that of the tensor they go into. */
export function sameDtype(call: string, self: Tensor, name: string, other: Tensor): void {
  if (other.code !== self.code) {
    throw new TenfoldError('dtype', `${call}: '${name}' must have self's dtype ${self.dtype}, got ${other.dtype}`);
  }
}

// PyTorch counts a 0-dim tensor as one of one dim here.
const atLeast1d = (t: Tensor): Tensor => (t.shape.length === 0 ? t.stridedView([1], [1], t.offset) : t);

function elementLines(x: Tensor, dim: number, index: Tensor, y: Tensor): Lines {
  const behind = dim + 1;
  const walk = (t: Tensor): Walk => ({
    t,
    j: t.strides[dim]!,
    outer: copyOf(t.strides).slice(0, dim),
    inner: copyOf(t.strides).slice(behind),
  });
  return {
    outer: copyOf(index.shape).slice(0, dim),
    j: index.shape[dim]!,
    inner: copyOf(index.shape).slice(behind),
    sizes: [x.shape[dim]!],
    strides: [x.strides[dim]!],
    wrap: false,
    label: dim,
    index: walk(index),
    x: walk(x),
    y: walk(y),
  };
}

/** x at `index` along `dim`, for checked arguments. */
export function gatherElements(call: string, x: Tensor, dim: number, index: Tensor): Tensor {
  const out = Tensor.raw(index.shape, x.code);
  if (out.count > 0) {
    launchLines(call, GATHER, SIZE[x.code]!, elementLines(atLeast1d(x), dim, atLeast1d(index), atLeast1d(out)));
  }
  return out;
}

/** Puts y (a tensor of at least the index's shape, or one element for all) into x at `index` along `dim`. */
export function scatterElements(call: string, how: Scatter, x: Tensor, dim: number, index: Tensor, y: Tensor): void {
  if (index.count === 0) return;
  const values = sameCode(y, x);
  const one = values.shape.length === 0;
  const [id, bytes] = scatterKernel(call, how, x.code);
  const at = atLeast1d(index);
  const source = one ? values.expand(at.shape) : atLeast1d(values);
  launchLines(call, id, bytes, elementLines(atLeast1d(x), dim, at, source));
}

// ---- results -------------------------------------------------------------------------------------------------------------

/**
 * x with something scattered into it: `into`, what an in-place op writes, where that can be written directly (the other
 * inputs, a and b, don't overlap it), else a copy. Halves are accumulated in float32.
 */
export function scattered(
  x: Tensor,
  how: Scatter,
  a: unknown,
  b: unknown,
  into: Tensor | undefined,
  write: (out: Tensor) => void,
): Tensor {
  if (how !== 'set' && x.code >= Code.f16) {
    const wide = x.to('float32');
    write(wide);
    return wide.to(x.dtype);
  }
  const out = fitting(into, x.shape, x.code, a, b) ?? x.rawClone();
  write(out);
  return out;
}

const COUNT = kernel('countTrue')[Code.bool]!;
/** Number of true elements of a dense bool tensor. */
export function countTrue(mask: Tensor): number {
  const count = Tensor.raw([1], Code.f64);
  run(COUNT, mask, mask.count, count);
  return count.item();
}
