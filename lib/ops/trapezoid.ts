/** Integrals of sampled functions by the trapezoidal rule. */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { alias, defineOp, type OpDef } from '../op/define.js';

/** All but the first and all but the last index of a dim. */
function neighbours(t: Tensor, dim: number): [left: Tensor, right: Tensor] {
  const n = Math.max((t.shape[dim] ?? 1) - 1, 0);
  return [t.narrow(dim, 0, n), t.narrow(dim, Math.min(1, t.shape[dim]!), n)];
}
/** Widths of the intervals, to be multiplied with what lies along `dim` of y. */
function widths(call: string, y: Tensor, x: Tensor | null, dx: number | null, dim: number): Tensor | number {
  if (y.code === Code.bool || x?.code === Code.bool) throw new TenfoldError('dtype', `${call}: not defined for bool`);
  if (x === null) return dx ?? 1;
  if (dx !== null) throw new TenfoldError('value', `${call}: give either x or dx`);
  const n = y.shape.length;
  if (x.shape.length === 1 && x.count !== y.shape[dim]) {
    throw new TenfoldError(
      'shape',
      `${call}: x must have an element for each of the ${y.shape[dim]} samples, got ${x.count}`,
    );
  }
  const ones = (count: number): number[] => new Array<number>(Math.max(count, 0)).fill(1);
  const places =
    x.shape.length === 1
      ? x.reshape([...ones(dim), x.count, ...ones(n - dim - 1)])
      : x.reshape([...ones(n - x.shape.length), ...x.shape]);
  const [left, right] = neighbours(places, dim);
  return right.sub(left);
}

/**
 * Integral along dim of a function with the values y at the places x, which are those of y's dim or broadcast with y, or
 * dx apart (1 where neither is given). 0 of fewer than two samples. See torch.trapezoid.
 */
export const trapezoid = defineOp('trapezoid(Tensor y, Tensor? x=null, *, float? dx=null, int dim=-1)', (): OpDef => ({
  forward(y: Tensor, x: Tensor | null, dx: number | null, given: number) {
    if (y.shape.length === 0) throw new RangeError('trapezoid: a 0-dim tensor has no dim to integrate along');
    const dim = wrapDim('trapezoid', given, y.shape.length);
    if (y.shape[dim] === 0)
      return Tensor.zeros(
        y.shape.filter((_, i) => i !== dim),
        y.code,
      );
    const width = widths('trapezoid', y, x, dx, dim);
    if (typeof width === 'number')
      return y
        .sum(dim)
        .sub(y.select(dim, 0).add(y.select(dim, -1)).mul(0.5))
        .mul(width);
    const [left, right] = neighbours(y, dim);
    return left.add(right).mul(width).sum(dim).div(2);
  },
  composite: true,
}));
/** trapezoid by another name. See torch.trapz. */
export const trapz = alias('trapz', trapezoid);

/**
 * Integrals along dim up to each sample but the first, which has none: one element fewer. Arguments as trapezoid's. See
 * torch.cumulative_trapezoid.
 */
export const cumulativeTrapezoid = defineOp(
  'cumulativeTrapezoid(Tensor y, Tensor? x=null, *, float? dx=null, int dim=-1)',
  (): OpDef => ({
    forward(y: Tensor, x: Tensor | null, dx: number | null, given: number) {
      if (y.shape.length === 0)
        throw new RangeError('cumulativeTrapezoid: a 0-dim tensor has no dim to integrate along');
      const dim = wrapDim('cumulativeTrapezoid', given, y.shape.length);
      const width = widths('cumulativeTrapezoid', y, x, dx, dim);
      const [left, right] = neighbours(y, dim);
      return left.add(right).mul(width).cumsum(dim).div(2);
    },
    composite: true,
  }),
);
