/** Reductions: sum, mean, extrema and their like over all elements or some dims. */
import { TenfoldError } from '../errors.js';
import { COMPUTE, Code, DTYPES, codeOf, isFloatCode, type DType } from '../dtype.js';
import { kernel, launchRaw, type Kernel } from '../native/launch.js';
import { numelOf, wrapDims, type Shape } from '../tensor/shape.js';
import { Tensor, addressOf } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';

type Dims = number | readonly number[] | null;

const K = {
  sum: kernel('sum'),
  mean: kernel('mean'),
};

/** A dense tensor seen as [outer, reduce, inner]. */
interface Block {
  source: Tensor;
  outer: number;
  reduce: number;
  inner: number;
}

/** Shape after a reduction over sorted dims. */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): number[] {
  const out: number[] = [];
  shape.forEach((s, i) => {
    if (!dims.includes(i)) out.push(s);
    else if (keepdim) out.push(1);
  });
  return out;
}

/**
 * Brings the reduced dims together. Dims that lie behind each other in a dense tensor need no copy; else the tensor is
 * copied with the reduced dims last.
 */
export function asBlock(x: Tensor, dims: readonly number[]): Block {
  const { shape } = x;
  const adjacent = dims.every((dim, i) => i === 0 || between(shape, dims[i - 1]!, dim));
  if (adjacent) {
    const source = x.dense ? x : x.rawClone();
    const first = dims[0] ?? shape.length;
    const last = dims.at(-1) ?? shape.length - 1;
    return {
      source,
      outer: numelOf(shape.slice(0, first)),
      reduce: numelOf(dims.map((i) => shape[i]!)),
      inner: numelOf(shape.slice(last + 1)),
    };
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
  launchRaw(
    id,
    block.outer,
    block.reduce,
    block.inner,
    addressOf(block.source),
    block.source.code,
    addressOf(out),
    index === null ? 0 : addressOf(index),
    ...params,
  );
  return kernelOut === outCode ? out : out.to(DTYPES[outCode]!);
}

/** A reduced tensor's gradient with its dims back, so that it broadcasts to the input. */
export function withDims(grad: Tensor, shape: Shape, dim: Dims, keepdim: boolean): Tensor {
  if (keepdim || shape.length === 0) return grad;
  let out = grad;
  for (const i of wrapDims('backward', dim, shape.length)) out = out.unsqueeze(i);
  return out;
}

const sumCode = (x: Tensor, dtype: DType | null, call: string): Code =>
  dtype !== null ? codeOf(call, dtype) : isFloatCode(x.code) ? x.code : Code.i64;

/**
 * Sum of all elements, or over `dim`. Integers and bool give int64; `dtype` casts first. Adds in PyTorch's order, so
 * float32 results agree to the last digit. See torch.sum.
 */
export const sum = defineOp('sum(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)', (): OpDef => ({
  forward(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null) {
    const code = sumCode(x, dtype, 'sum');
    const source = dtype !== null && x.code !== code && isFloatCode(x.code) && !isFloatCode(code) ? x.to(dtype) : x;
    const compute = isFloatCode(code) ? code : Code.i64;
    const out = reduce(K.sum, 'sum', source, wrapDims('sum', dim, x.shape.length), keepdim, compute, compute);
    return out.code === code ? out : out.to(DTYPES[code]!);
  },
  backward: {
    self: d((grad, call) => withDims(grad, call.self.shape, call.dim, call.keepdim).expand(call.self.shape)),
  },
}));

/** Mean of all elements, or over `dim`; floating-point dtypes, or give `dtype`. See torch.mean. */
export const mean = defineOp('mean(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)', (): OpDef => ({
  forward(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null) {
    const code = dtype === null ? x.code : codeOf('mean', dtype);
    if (!isFloatCode(code)) {
      throw new TenfoldError('dtype', `mean: needs a floating-point dtype, got ${DTYPES[code]}; give { dtype: 'float32' }`);
    }
    return reduce(K.mean, 'mean', x, wrapDims('mean', dim, x.shape.length), keepdim, code, code);
  },
  backward: {
    self: d((grad, call) => {
      const { shape } = call.self;
      const n = numelOf(wrapDims('mean', call.dim, shape.length).map((i: number) => shape[i]));
      return withDims(grad, shape, call.dim, call.keepdim).expand(shape).div(n);
    }),
  },
}));

