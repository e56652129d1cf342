/** What reductions share: bringing the reduced dims together, the launch, and the way back in a gradient. */
import { TenfoldError } from '../errors.js';
import { COMPUTE, Code, DTYPES, codeOf, isFloatCode, type DType } from '../dtype.js';
import { run } from '../launch/run.js';
import type { Kernel } from '../native/launch.js';
import { SCALAR_SHAPE, numelOf, wrapDims, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/** Dims as a call gives them: one, several, or null for all. */
export type Dims = number | readonly number[] | null;

/** A dense tensor seen as [outer, reduce, inner]. */
interface Block {
  source: Tensor;
  outer: number;
  reduce: number;
  inner: number;
}

/** Shape after a reduction over sorted dims. */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): readonly number[] {
  if (dims.length === shape.length && !keepdim) return SCALAR_SHAPE;
  const out: number[] = [];
  let next = 0; // dims are sorted
  for (let i = 0; i < shape.length; i++) {
    if (next < dims.length && dims[next] === i) {
      next++;
      if (keepdim) out.push(1);
    } else out.push(shape[i]!);
  }
  return out;
}

/**
 * Brings the reduced dims together. Dims that lie behind each other in a dense tensor need no copy; else the tensor is
 * copied with the reduced dims last.
 */
export function asBlock(x: Tensor, dims: readonly number[]): Block {
  const { shape } = x;
  const n = shape.length;
  if (dims.length === n) return { source: x.rawDense(), outer: 1, reduce: x.count, inner: 1 };
  let adjacent = true;
  for (let i = 1; i < dims.length && adjacent; i++) adjacent = between(shape, dims[i - 1]!, dims[i]!);
  if (adjacent) {
    const block: Block = { source: x.rawDense(), outer: 1, reduce: 1, inner: 1 };
    const first = dims.length > 0 ? dims[0]! : n;
    const last = dims.length > 0 ? dims[dims.length - 1]! : n - 1;
    for (let i = 0; i < first; i++) block.outer *= shape[i]!;
    for (let i = 0; i < dims.length; i++) block.reduce *= shape[dims[i]!]!;
    for (let i = last + 1; i < n; i++) block.inner *= shape[i]!;
    return block;
  }
  const kept = shape.map((_, i) => i).filter((i) => !dims.includes(i));
  const source = x.stridedView(
    [...kept, ...dims].map((i) => shape[i]!),
    [...kept, ...dims].map((i) => x.strides[i]!),
    x.offset,
  );
  return {
    source: source.rawClone(),
    outer: numelOf(kept.map((i) => shape[i]!)),
    reduce: numelOf(dims.map((i) => shape[i]!)),
    inner: 1,
  };
}
// Whether only dims of size 1 lie between two dims.
function between(shape: Shape, a: number, b: number): boolean {
  for (let i = a + 1; i < b; i++) if (shape[i] !== 1) return false;
  return true;
}

/** Runs a reduction; `compute` is the dtype the kernel works in, `outCode` that of the result. */
export function reduce(
  k: Kernel,
  call: string,
  x: Tensor,
  dims: readonly number[],
  keepdim: boolean,
  compute: Code,
  outCode: Code,
  params: readonly number[] = [],
  index: Tensor | null = null,
): Tensor {
  const id = k[COMPUTE[compute]!]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${DTYPES[compute]}`);
  const kernelOut = outCode === Code.f16 || outCode === Code.bf16 ? Code.f32 : outCode;
  const block = asBlock(x, dims);
  const out = Tensor.raw(reducedShape(x.shape, dims, keepdim), kernelOut);
  const { outer, reduce: n, inner, source } = block;
  if (params.length === 0) run(id, outer, n, inner, source, source.code, out, index);
  else run(id, outer, n, inner, source, source.code, out, index, ...params);
  return kernelOut === outCode ? out : out.to(DTYPES[outCode]!);
}

/** A reduced tensor's gradient with its dims back, so that it broadcasts to the input. */
export function withDims(grad: Tensor, shape: Shape, dim: Dims, keepdim: boolean): Tensor {
  if (keepdim || shape.length === 0) return grad;
  let out = grad;
  for (const i of wrapDims('backward', dim, shape.length)) out = out.unsqueeze(i);
  return out;
}

/** dtype of a sum: the one asked for, else the input's, int64 for integers and bool. */
export const sumCode = (x: Tensor, dtype: DType | null, call: string): Code =>
  dtype !== null ? codeOf(call, dtype) : isFloatCode(x.code) ? x.code : Code.i64;

/** Refuses integers and bool. */
export const floatOnly = (call: string, x: Tensor): void => {
  if (!isFloatCode(x.code)) throw new TenfoldError('dtype', `${call}: needs a floating-point dtype, got ${x.dtype}`);
};
/** Refuses a reduction of nothing where no identity exists. */
export const notEmpty = (call: string, x: Tensor, dims: readonly number[]): void => {
  if (dims.some((i) => x.shape[i] === 0)) {
    throw new RangeError(
      `${call}: nothing to reduce: shape [${x.shape}] has size 0 at a reduced dim, and no identity exists`,
    );
  }
};
