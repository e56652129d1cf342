/**
 * Reductions and normalizations that leave out what a mask says, under the names of torch.masked: `mask` is bool, true where an
 * element counts, and broadcasts to the input; null counts all. `dim` null stands for all dims.
 */
import { TenfoldError, renamed } from '../errors.js';
import { Code, type DType } from '../dtype.js';
import { broadcastShapes, formatShape, numelOf, sameShape, wrapDims } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { signature, type Arguments } from '../op/schema.js';
import type { Dims } from '../op/reduce.js';
import { logaddexp as logaddexpOf } from './special.js';
import { maximum, where } from './arithmetic.js';
import { vectorNorm } from './norm.js';

function wholeMask(call: string, input: Tensor, mask: Tensor): Tensor {
  if (mask.code !== Code.bool) throw new TenfoldError('dtype', `${call}: mask must be bool, got ${mask.dtype}`);
  if (!sameShape(broadcastShapes(call, mask.shape, input.shape), input.shape))
    throw new TenfoldError('shape', `${call}: mask ${formatShape(mask.shape)} doesn't broadcast to ${formatShape(input.shape)}`); // prettier-ignore
  return mask.expand([...input.shape]);
}
/** The input with what doesn't count replaced by a number that changes nothing. */
function filled(call: string, input: Tensor, mask: Tensor | null, fill: number | bigint | boolean): Tensor {
  if (mask === null) return input;
  return where(wholeMask(call, input, mask), input, Tensor.zeros([], input.code).fill_(fill));
}
const dimsOf = (call: string, input: Tensor, dim: Dims): number[] => [...wrapDims(call, dim, input.shape.length)];
const LOWEST: Partial<Record<DType, number | bigint | boolean>> = {
  int64: -(2n ** 63n), int32: -(2 ** 31), int16: -(2 ** 15), int8: -128, uint8: 0, bool: false,
}; // prettier-ignore
const HIGHEST: Partial<Record<DType, number | bigint | boolean>> = {
  int64: 2n ** 63n - 1n, int32: 2 ** 31 - 1, int16: 2 ** 15 - 1, int8: 127, uint8: 255, bool: true,
}; // prettier-ignore
const least = (x: Tensor): number | bigint | boolean => LOWEST[x.dtype] ?? -Infinity;
const greatest = (x: Tensor): number | bigint | boolean => HIGHEST[x.dtype] ?? Infinity;
const summed = (input: Tensor, dtype: DType | null): DType =>
  dtype ?? (input.isFloatingPoint() ? input.dtype : 'int64');

const reduction = '(Tensor input, int[]? dim=null, *, bool keepdim=false, dtype? dtype=null, Tensor? mask=null)';
const along = '(Tensor input, int dim, *, dtype? dtype=null, Tensor? mask=null)';
const place = '(Tensor input, int? dim=null, *, bool keepdim=false, dtype? dtype=null, Tensor? mask=null)';
const spread =
  '(Tensor input, int[]? dim=null, bool? unbiased=null, *, float? correction=null, bool keepdim=false, dtype? dtype=null, Tensor? mask=null)';
const read = signature(`masked${reduction}`);
const readAlong = signature(`masked${along}`);
const readPlace = signature(`masked${place}`);
const readSpread = signature(`masked${spread}`);
type Reduction = Arguments<typeof read.schema>;
type Along = Arguments<typeof readAlong.schema>;

/** Sum of what counts, 0 where nothing does. See torch.masked.sum. */
export function sum(...args: Reduction): Tensor {
  const [input, dim, keepdim, dtype, mask] = read.read(args, 'sum');
  const dims = dimsOf('sum', input, dim);
  const x = filled('sum', input, mask, 0);
  return dims.length === 0 ? x.to(summed(input, dtype)) : x.sum(dims, keepdim, { dtype: summed(input, dtype) });
}
/** Product of what counts, 1 where nothing does. See torch.masked.prod. */
export function prod(...args: Reduction): Tensor {
  const [input, dim, keepdim, dtype, mask] = read.read(args, 'prod');
  let x = filled('prod', input, mask, 1).to(summed(input, dtype));
  for (const i of dimsOf('prod', input, dim).reverse()) x = x.prod(i, keepdim);
  return x;
}
/** Greatest of what counts, the dtype's lowest number where nothing does. See torch.masked.amax. */
export function amax(...args: Reduction): Tensor {
  const [input, dim, keepdim, dtype, mask] = read.read(args, 'amax');
  const x = dtype === null ? input : input.to(dtype);
  return filled('amax', x, mask, least(x)).amax(dimsOf('amax', x, dim), keepdim);
}
/** Least of what counts, the dtype's highest number where nothing does. See torch.masked.amin. */
export function amin(...args: Reduction): Tensor {
  const [input, dim, keepdim, dtype, mask] = read.read(args, 'amin');
  const x = dtype === null ? input : input.to(dtype);
  return filled('amin', x, mask, greatest(x)).amin(dimsOf('amin', x, dim), keepdim);
}
/** Where the greatest of what counts is; as PyTorch has it, in the input's dtype. See torch.masked.argmax. */
export function argmax(...args: Arguments<typeof readPlace.schema>): Tensor {
  const [input, dim, keepdim, dtype, mask] = readPlace.read(args, 'argmax');
  const x = dtype === null ? input : input.to(dtype);
  return filled('argmax', x, mask, least(x)).argmax(dim, keepdim).to(x.dtype);
}
/** Where the least of what counts is; as PyTorch has it, in the input's dtype. See torch.masked.argmin. */
export function argmin(...args: Arguments<typeof readPlace.schema>): Tensor {
  const [input, dim, keepdim, dtype, mask] = readPlace.read(args, 'argmin');
  const x = dtype === null ? input : input.to(dtype);
  return filled('argmin', x, mask, greatest(x)).argmin(dim, keepdim).to(x.dtype);
}
/** How many elements count, with the reduced dims kept. */
function countOf(call: string, input: Tensor, dims: number[], mask: Tensor | null): Tensor {
  if (mask !== null) return wholeMask(call, input, mask).sum(dims, true);
  return Tensor.zeros([], Code.i64).fill_(numelOf(dims.map((i) => input.shape[i]!)));
}
/** Mean of what counts, NaN where nothing does. See torch.masked.mean. */
export function mean(...args: Reduction): Tensor {
  const [input, dim, keepdim, dtype, mask] = read.read(args, 'mean');
  const x = dtype === null ? input : input.to(dtype);
  if (!x.isFloatingPoint())
    throw new TenfoldError('dtype', `mean: needs a floating-point dtype, got ${x.dtype}; pass { dtype }`);
  const dims = dimsOf('mean', x, dim);
  if (mask === null) return dims.length === 0 ? x.clone() : x.mean(dims, keepdim);
  const total = dims.length === 0 ? filled('mean', x, mask, 0) : filled('mean', x, mask, 0).sum(dims, true);
  const out = total.div(dims.length === 0 ? wholeMask('mean', x, mask).to('int64') : countOf('mean', x, dims, mask));
  return keepdim || dims.length === 0 ? out : out.squeeze(dims);
}
const middle = signature(
  'median(Tensor input, int dim=-1, *, bool keepdim=false, dtype? dtype=null, Tensor? mask=null)',
);
/** The lower median of what counts, NaN where nothing does. See torch.masked.median. */
export function median(...args: Arguments<typeof middle.schema>): Tensor {
  const [input, dim, keepdim, dtype, mask] = middle.read(args);
  const x = dtype === null ? input : input.to(dtype);
  if (!x.isFloatingPoint()) throw new TenfoldError('dtype', `median: needs a floating-point dtype, got ${x.dtype}`);
  if (mask === null) return x.median(dim, keepdim).values;
  return filled('median', x, mask, NaN).nanmedian(dim, keepdim).values;
}
const readNorm = signature(
  'norm(Tensor input, any ord=2, int[]? dim=null, *, bool keepdim=false, dtype? dtype=null, Tensor? mask=null)',
);
/** Norm of order `ord` of what counts. See torch.masked.norm. */
export function norm(...args: Arguments<typeof readNorm.schema>): Tensor {
  const [input, ord, dim, keepdim, dtype, mask] = readNorm.read(args);
  const p = Number(ord ?? 2);
  const counted = filled('norm', input, mask, p < 0 ? Infinity : 0);
  return renamed('norm', () => vectorNorm(counted, p, dim, keepdim, { dtype }));
}
function spreadOf(call: string, args: Arguments<typeof readSpread.schema>): Tensor {
  const [input, dim, unbiased, given, keepdim, dtype, mask] = readSpread.read(args, call);
  if (unbiased !== null && given !== null)
    throw new TenfoldError('value', `${call}: give unbiased or correction, not both`);
  const correction = given ?? (unbiased === false ? 0 : 1);
  const x = dtype !== null ? input.to(dtype) : input.isFloatingPoint() ? input : input.float();
  const dims = dimsOf(call, x, dim);
  const all = mask === null ? null : wholeMask(call, x, mask);
  const count = dims.length === 0 ? (all ?? x.eq(x)).to('int64') : countOf(call, x, dims, all);
  const total = (t: Tensor): Tensor => (dims.length === 0 ? t : t.sum(dims, true));
  const center = total(filled(call, x, all, 0)).div(count);
  const squares = total(filled(call, x.sub(center).square(), all, 0));
  const divisor = correction === 0 ? count : maximum(count.to(x.dtype).sub(correction), Tensor.zeros([], x.code));
  const out = squares.div(divisor);
  return keepdim || dims.length === 0 ? out : out.squeeze(dims);
}
/** Variance of what counts; divided by its number less `correction`: 1, or 0 where `unbiased` is false. See torch.masked.var. */
const variance = (...args: Arguments<typeof readSpread.schema>): Tensor => spreadOf('var', args);
export { variance as var };
/** Standard deviation of what counts: the root of var. See torch.masked.std. */
export const std = (...args: Arguments<typeof readSpread.schema>): Tensor => spreadOf('std', args).sqrt();

/** Running sum of what counts. See torch.masked.cumsum. */
export function cumsum(...args: Along): Tensor {
  const [input, dim, dtype, mask] = readAlong.read(args, 'cumsum');
  return filled('cumsum', input, mask, 0).cumsum(dim, { dtype: dtype ?? input.dtype });
}
/** Running product of what counts. See torch.masked.cumprod. */
export function cumprod(...args: Along): Tensor {
  const [input, dim, dtype, mask] = readAlong.read(args, 'cumprod');
  return filled('cumprod', input, mask, 1).cumprod(dim, { dtype: dtype ?? input.dtype });
}
/** Softmax over what counts, 0 elsewhere; NaN where nothing does. See torch.masked.softmax. */
export function softmax(...args: Along): Tensor {
  const [input, dim, dtype, mask] = readAlong.read(args, 'softmax');
  return filled('softmax', input, mask, least(input)).softmax(dim, { dtype });
}
/** Logarithm of softmax over what counts. See torch.masked.log_softmax. */
export function logSoftmax(...args: Along): Tensor {
  const [input, dim, dtype, mask] = readAlong.read(args, 'logSoftmax');
  return filled('logSoftmax', input, mask, least(input)).logSoftmax(dim, { dtype });
}
/** Softmax of the negative of what counts. See torch.masked.softmin. */
export function softmin(...args: Along): Tensor {
  const [input, dim, dtype, mask] = readAlong.read(args, 'softmin');
  return filled('softmin', input, mask, greatest(input)).neg().softmax(dim, { dtype });
}
const scale = signature(
  'normalize(Tensor input, any ord, int dim, *, float eps=1e-12, dtype? dtype=null, Tensor? mask=null)',
);
/** What counts divided by its norm of order `ord`, 0 elsewhere. See torch.masked.normalize. */
export function normalize(...args: Arguments<typeof scale.schema>): Tensor {
  const [input, ord, dim, eps, dtype, mask] = scale.read(args);
  const x = dtype === null ? input : input.to(dtype);
  const size = norm(x, ord, dim, { keepdim: true, mask });
  return filled('normalize', x, mask, 0).div(maximum(size, Tensor.zeros([], size.code).fill_(eps)));
}
/** Logarithm of the sum of exponentials of what counts, -Infinity where nothing does. See torch.masked.logsumexp. */
export function logsumexp(...args: Reduction): Tensor {
  const [input, dim, keepdim, dtype, mask] = read.read(args, 'logsumexp');
  const x = dtype !== null ? input.to(dtype) : input;
  return filled('logsumexp', x, mask, least(x))
    .logsumexp(dimsOf('logsumexp', x, dim), keepdim)
    .to(x.dtype);
}
const pair = signature(
  'logaddexp(Tensor input, Tensor other, *, dtype? dtype=null, Tensor? inputMask=null, Tensor? otherMask=null)',
);
/** logaddexp of what counts of each. See torch.masked.logaddexp. */
export function logaddexp(...args: Arguments<typeof pair.schema>): Tensor {
  const [input, other, dtype, inputMask, otherMask] = pair.read(args);
  const [a, b] = [input, other].map((x) => (dtype === null ? x : x.to(dtype))) as [Tensor, Tensor];
  return renamed('logaddexp', () =>
    logaddexpOf(filled('logaddexp', a, inputMask, -Infinity), filled('logaddexp', b, otherMask, -Infinity)),
  );
}
