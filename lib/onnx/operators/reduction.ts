/** Reductions, and sums and products that run along a dim. */
import { Code, isFloatCode } from '../../dtype.js';
import { cat } from '../../ops/index.js';
import { full, ones, zeros } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { numberOf } from '../integers.js';
import { operator, table, type Operator } from '../signature.js';

interface Axes {
  axes: readonly number[] | null;
  keepdims: number;
  noop_with_empty_axes: number;
}
type Reduce = (x: Tensor, dims: number[], keepdim: boolean) => Tensor;

/** A reduction over the axes that are given as an attribute or, in later versions, as an input. */
const reduction = (name: string, f: Reduce): Operator =>
  operator(
    `${name}(Tensor data, ints? axes; int keepdims=1, ints? axes, int noop_with_empty_axes=0)` as 'R(Tensor data, ints? axes; int keepdims=1, ints? axes, int noop_with_empty_axes=0)',
    (a: Axes, x: Tensor, given: number[] | null) => {
      const axes = given ?? a.axes ?? [];
      if (axes.length === 0 && a.noop_with_empty_axes) return elementwise(name, f, x);
      const dims = axes.length > 0 ? axes.map((d) => (d < 0 ? d + x.ndim : d)) : Array.from(x.shape.keys());
      if (dims.some((d) => !(d >= 0 && d < x.ndim)))
        throw new RangeError(`${name}: axes [${axes}] of a tensor of ${x.ndim} dims`);
      // No dims are none here, and all of them in PyTorch.
      if (dims.length === 0) return f(x.reshape([1]), [0], false);
      return f(x, dims, a.keepdims !== 0);
    },
  );
/** Without axes and with noop_with_empty_axes each element is a set of its own. */
const elementwise = (_: string, f: Reduce, x: Tensor): Tensor => f(x.unsqueeze(-1), [x.ndim], false);

/** In float64 where the dtype is an integer, and back. */
const asFloat =
  (f: Reduce): Reduce =>
  (x, dims, keepdim) =>
    isFloatCode(x.code) ? f(x, dims, keepdim) : f(x.to('float64'), dims, keepdim).to(x.dtype);

const sum: Reduce = (x, dims, keepdim) => x.sum(dims, keepdim, { dtype: x.dtype });
const prod: Reduce = (x, dims, keepdim) => {
  const kept = dims.reduce((y, dim) => y.prod(dim, true, { dtype: x.dtype }), x);
  return keepdim ? kept : kept.squeeze(dims);
};
/** The least and the greatest element; of an empty set, the greatest and the least number. */
const extreme =
  (name: 'amax' | 'amin'): Reduce =>
  (x, dims, keepdim) => {
    if (x.code === Code.bool) return extreme(name)(x.to('uint8'), dims, keepdim).to('bool');
    if (dims.some((d) => x.shape[d] === 0)) {
      const shape = x.shape.flatMap((n, d) => (dims.includes(d) ? (keepdim ? [1] : []) : [n]));
      return full(shape, boundOf(x.code, name === 'amin'), { dtype: x.dtype });
    }
    return x[name](dims, keepdim);
  };
/** The greatest (or least) value of a dtype. */
export function boundOf(code: Code, greatest: boolean): number | bigint {
  if (isFloatCode(code)) return greatest ? Infinity : -Infinity;
  const bits = { [Code.i64]: 63n, [Code.i32]: 31n, [Code.i16]: 15n, [Code.i8]: 7n }[code as Code.i64];
  if (bits === undefined) return greatest ? 255 : 0;
  return greatest ? 2n ** bits - 1n : -(2n ** bits);
}
const logSumExp: Reduce = (x, dims, keepdim) =>
  dims.some((d) => x.shape[d] === 0) ? sum(x, dims, keepdim).log() : x.logsumexp(dims, keepdim);

/** Index of the greatest or least element; the last of equal ones where asked for. */
const arg = (name: 'ArgMax' | 'ArgMin', f: (x: Tensor, dim: number) => Tensor): Operator =>
  operator(
    `${name}(Tensor data; int axis=0, int keepdims=1, int select_last_index=0)` as 'A(Tensor data; int axis=0, int keepdims=1, int select_last_index=0)',
    (a, x: Tensor) => {
      const dim = a.axis < 0 ? a.axis + x.ndim : a.axis;
      const y = a.select_last_index
        ? f(x.flip(dim), dim)
            .neg()
            .add(x.shape[dim]! - 1)
        : f(x, dim);
      return a.keepdims ? y : y.squeeze(dim);
    },
  );

/** Sums (or products) of the elements so far, also from the end, also without the element itself. */
function running(
  a: { exclusive: number; reverse: number },
  x: Tensor,
  axis: Tensor,
  name: 'cumsum' | 'cumprod',
): Tensor {
  const dim = numberOf(axis) < 0 ? numberOf(axis) + x.ndim : numberOf(axis);
  let y = a.reverse ? x.flip(dim) : x;
  y = y[name](dim, { dtype: x.dtype });
  if (a.exclusive) {
    const length = x.shape[dim]!;
    const shape = x.shape.map((n, d) => (d === dim ? 1 : n));
    const start = (name === 'cumprod' ? ones : zeros)(shape, { dtype: x.dtype });
    y = length > 0 ? cat([start, y.narrow(dim, 0, length - 1)], dim) : y;
  }
  return a.reverse ? y.flip(dim) : y;
}

export const REDUCTION = table(
  reduction('ReduceSum', sum),
  reduction(
    'ReduceMean',
    asFloat((x, dims, keepdim) => x.mean(dims, keepdim)),
  ),
  reduction('ReduceProd', prod),
  reduction('ReduceMax', extreme('amax')),
  reduction('ReduceMin', extreme('amin')),
  reduction('ReduceL1', (x, dims, keepdim) => sum(x.abs(), dims, keepdim)),
  reduction(
    'ReduceL2',
    asFloat((x, dims, keepdim) => x.square().sum(dims, keepdim).sqrt()),
  ),
  reduction('ReduceSumSquare', (x, dims, keepdim) => sum(x.mul(x), dims, keepdim)),
  reduction(
    'ReduceLogSum',
    asFloat((x, dims, keepdim) => x.sum(dims, keepdim).log()),
  ),
  reduction('ReduceLogSumExp', asFloat(logSumExp)),
  arg('ArgMax', (x, dim) => x.argmax(dim, true)),
  arg('ArgMin', (x, dim) => x.argmin(dim, true)),
  operator('CumSum(Tensor x, Tensor axis; int exclusive=0, int reverse=0)', (a, x: Tensor, axis: Tensor) =>
    running(a, x, axis, 'cumsum'),
  ),
  operator('CumProd(Tensor x, Tensor axis; int exclusive=0, int reverse=0)', (a, x: Tensor, axis: Tensor) =>
    running(a, x, axis, 'cumprod'),
  ),
);
