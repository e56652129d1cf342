/** What parameters and values of distributions may be, as torch.distributions.constraints. */
import { show } from '../errors.js';
import { type Tensor } from '../tensor/tensor.js';

/** A set of tensors: `check` tells for each value (over its last `eventDim` dims) whether it lies in it. */
export interface Constraint {
  readonly name: string;
  readonly eventDim: number;
  check(value: Tensor): Tensor;
}
const constraint = (name: string, check: (value: Tensor) => Tensor, eventDim = 0): Constraint => ({
  name,
  eventDim,
  check,
});

/** Numbers that aren't NaN. */
export const real = constraint('a number', (x) => x.eq(x));
/** Vectors of numbers. */
export const realVector = constraint('a vector of numbers', (x) => x.eq(x).all(-1), 1);
/** Above 0. */
export const positive = constraint('positive', (x) => x.gt(0));
/** From 0 on. */
export const nonnegative = constraint('at least 0', (x) => x.ge(0));
/** 0 or 1. */
export const boolean = constraint('0 or 1', (x) => x.eq(0).logicalOr(x.eq(1)));
/** From 0 to 1. */
export const unitInterval = constraint('from 0 to 1', (x) => x.ge(0).logicalAnd(x.le(1)));
/** Whole numbers from 0 on. */
export const nonnegativeInteger = constraint('a whole number from 0 on', (x) => x.ge(0).logicalAnd(x.eq(x.floor())));
/** Vectors of numbers from 0 on whose sum is 1. */
export const simplex = constraint(
  'a vector of probabilities whose sum is 1',
  (x) => x.ge(0).all(-1).logicalAnd(x.sum(-1).sub(1).abs().lt(1e-6)),
  1,
);
/** Vectors of a one and zeros. */
export const oneHot = constraint(
  'a vector of a one and zeros',
  (x) => x.eq(0).logicalOr(x.eq(1)).all(-1).logicalAnd(x.sum(-1).eq(1)),
  1,
);
/** Lower triangular matrices with a positive diagonal. */
export const lowerCholesky = constraint(
  'a lower triangular matrix with a positive diagonal',
  (x) => x.tril().eq(x).all(-1).all(-1).logicalAnd(x.diagonal(0, -2, -1).gt(0).all(-1)), // prettier-ignore
  2,
);
/** Symmetric positive definite matrices. */
export const positiveDefinite = constraint(
  'a symmetric positive definite matrix',
  (x) => x.sub(x.mT).abs().le(1e-6).all(-1).all(-1), // the factorization refuses the rest
  2,
);
/** Between two numbers, which count. */
export const interval = (low: Tensor | number, high: Tensor | number): Constraint =>
  constraint('in its interval', (x) => x.ge(low).logicalAnd(x.le(high)));
/** From a number up to another, which doesn't count. */
export const halfOpenInterval = (low: Tensor | number, high: Tensor | number): Constraint =>
  constraint('in its interval', (x) => x.ge(low).logicalAnd(x.lt(high)));
/** Whole numbers between two, which count. */
export const integerInterval = (low: Tensor | number, high: Tensor | number): Constraint =>
  constraint('a whole number in its interval', (x) => x.ge(low).logicalAnd(x.le(high)).logicalAnd(x.eq(x.floor())));
/** From a number on. */
export const greaterThanEq = (low: Tensor | number): Constraint =>
  constraint('at least its lower end', (x) => x.ge(low));
/** A constraint of a number for each of the last dims. */
export function independent(base: Constraint, dims: number): Constraint {
  if (typeof base?.check !== 'function') throw new TypeError(`independent: expected a constraint, got ${show(base)}`);
  if (!Number.isInteger(dims) || dims < 0 || dims > 64)
    throw new RangeError(`independent: dims must be an integer from 0 to 64, got ${show(dims)}`);
  return constraint(
    base.name,
    (x) => {
      let ok = base.check(x);
      for (let i = 0; i < dims; i++) ok = ok.all(-1);
      return ok;
    },
    base.eventDim + dims,
  );
}
