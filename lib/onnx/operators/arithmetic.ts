/** Elementwise arithmetic, comparison, logic and bits. */
import { type Code, codeOf, isFloatCode } from '../../dtype.js';
import { where } from '../../ops/index.js';
import { scalarTensor } from '../../ops/creation.js';
import { SIZE } from '../../dtype.js';
import { Tensor } from '../../tensor/tensor.js';
import { elementwise } from '../integers.js';
import { operator, table, type Operator } from '../signature.js';
import { dtypeFor } from '../tensors.js';

/** f over all inputs in turn. */
const fold =
  (f: (x: Tensor, y: Tensor) => Tensor) =>
  (_: unknown, ...xs: Tensor[]): Tensor =>
    xs.reduce(f);
const unary = (name: string, f: (x: Tensor) => Tensor): Operator =>
  operator(`${name}(Tensor X)`, (_, x: Tensor) => f(x));
type Whole = Parameters<typeof operator>[2];
const binary = (name: string, f: (x: Tensor, y: Tensor) => Tensor, whole: Whole = null): Operator =>
  operator(`${name}(Tensor A, Tensor B)`, (_, x: Tensor, y: Tensor) => f(x, y), whole);

/** Quotient; of integers, cut towards zero. */
const divide = (x: Tensor, y: Tensor): Tensor =>
  isFloatCode(x.code) ? x.div(y) : x.div(y, { roundingMode: 'trunc' }).to(x.dtype);

/** x to the power y, in x's dtype. */
function power(x: Tensor, y: Tensor): Tensor {
  if (x.code === y.code || isFloatCode(x.code)) return x.pow(x.code === y.code ? y : y.to(x.dtype));
  if (isFloatCode(y.code)) return x.to('float64').pow(y.to('float64')).to(x.dtype);
  return x.to('int64').pow(y.to('int64')).to(x.dtype);
}

/** The bits of a tensor as another dtype of the same size. */
export function bitCast(x: Tensor, to: Code): Tensor {
  if (SIZE[x.code] !== SIZE[to]) throw new TypeError(`BitCast: ${x.dtype} and the wanted dtype differ in size`);
  const array = x.detach().toTypedArray();
  return Tensor.wrap(array, x.shape, to);
}

const toDtype = (x: Tensor, to: number): Tensor => x.to(dtypeFor('Cast', to));

/** x between bounds, each of them optional; an upper bound below the lower one wins. */
function clip(x: Tensor, low: Tensor | number | null, high: Tensor | number | null): Tensor {
  const min = typeof low === 'number' ? scalarTensor(low, { dtype: x.dtype }) : low;
  const max = typeof high === 'number' ? scalarTensor(high, { dtype: x.dtype }) : high;
  if (min === null && max === null) return x;
  return x.clamp(min?.reshape([]) ?? null, max?.reshape([]) ?? null);
}

export const ARITHMETIC = table(
  unary('Abs', (x) => x.abs()),
  unary('Acos', (x) => x.acos()),
  unary('Acosh', (x) => x.acosh()),
  unary('Asin', (x) => x.asin()),
  unary('Asinh', (x) => x.asinh()),
  unary('Atan', (x) => x.atan()),
  unary('Atanh', (x) => x.atanh()),
  unary('Ceil', (x) => x.ceil()),
  unary('Cos', (x) => x.cos()),
  unary('Cosh', (x) => x.cosh()),
  unary('Erf', (x) => x.erf()),
  unary('Exp', (x) => x.exp()),
  unary('Floor', (x) => x.floor()),
  unary('IsNaN', (x) => x.isnan()),
  unary('Log', (x) => x.log()),
  operator('Neg(Tensor X)', (_, x: Tensor) => x.neg()),
  unary('Not', (x) => x.logicalNot()),
  unary('Reciprocal', (x) => x.reciprocal()),
  unary('Round', (x) => x.round()),
  unary('Sign', (x) => x.sign()),
  unary('Sin', (x) => x.sin()),
  unary('Sinh', (x) => x.sinh()),
  unary('Sqrt', (x) => x.sqrt()),
  unary('Tan', (x) => x.tan()),
  unary('BitwiseNot', (x) => x.bitwiseNot()),
  operator('IsInf(Tensor X; int detect_negative=1, int detect_positive=1)', (a, x: Tensor) => {
    const positive = x.isposinf();
    const negative = x.isneginf();
    if (a.detect_negative && a.detect_positive) return positive.logicalOr(negative);
    return a.detect_positive ? positive : a.detect_negative ? negative : positive.logicalAnd(negative);
  }),

  binary(
    'Add',
    (x, y) => x.add(y),
    elementwise((x, y) => x + y),
  ),
  binary(
    'Sub',
    (x, y) => x.sub(y),
    elementwise((x, y) => x - y),
  ),
  binary(
    'Mul',
    (x, y) => x.mul(y),
    elementwise((x, y) => x * y),
  ),
  // A quotient by 0 is no integer, so that the tensors' division says what it says.
  binary(
    'Div',
    divide,
    elementwise((x, y) => (y === 0 ? NaN : Math.trunc(x / y) + 0)),
  ),
  binary('Pow', power),
  operator('Mod(Tensor A, Tensor B; int fmod=0)', (a, x: Tensor, y: Tensor) => (a.fmod ? x.fmod(y) : x.remainder(y))),
  binary('And', (x, y) => x.logicalAnd(y)),
  binary('Or', (x, y) => x.logicalOr(y)),
  binary('Xor', (x, y) => x.logicalXor(y)),
  binary('Equal', (x, y) => x.eq(y)),
  binary('Greater', (x, y) => x.gt(y)),
  binary('GreaterOrEqual', (x, y) => x.ge(y)),
  binary('Less', (x, y) => x.lt(y)),
  binary('LessOrEqual', (x, y) => x.le(y)),
  binary('BitwiseAnd', (x, y) => x.bitwiseAnd(y)),
  binary('BitwiseOr', (x, y) => x.bitwiseOr(y)),
  binary('BitwiseXor', (x, y) => x.bitwiseXor(y)),
  operator('BitShift(Tensor X, Tensor Y; string direction)', (a, x: Tensor, y: Tensor) =>
    a.direction === 'LEFT' ? x.bitwiseLeftShift(y) : x.bitwiseRightShift(y),
  ),
  operator(
    'Max(Tensor* data)',
    fold((x, y) => x.maximum(y)),
  ),
  operator(
    'Min(Tensor* data)',
    fold((x, y) => x.minimum(y)),
  ),
  operator(
    'Sum(Tensor* data)',
    fold((x, y) => x.add(y)),
  ),
  operator('Mean(Tensor* data)', (_, ...xs: Tensor[]) => xs.reduce((x, y) => x.add(y)).div(xs.length)),
  operator('Where(Tensor condition, Tensor X, Tensor Y)', (_, condition: Tensor, x: Tensor, y: Tensor) =>
    where(condition, x, y),
  ),
  operator(
    'Clip(Tensor input, setting? min, setting? max; float? max, float? min)',
    (a, x: Tensor, low: Tensor | null, high: Tensor | null) => clip(x, low ?? a.min, high ?? a.max),
  ),

  operator(
    'Cast(Tensor input; int to, int saturate=1, string round_mode=up)',
    (a, x: Tensor) => toDtype(x, a.to),
    (a, x) => (a.to === 7 ? x : null),
  ),
  operator(
    'CastLike(Tensor input, Tensor target_type; int saturate=1, string round_mode=up)',
    (_, x: Tensor, like: Tensor) => x.to(like.dtype),
  ),
  operator('BitCast(Tensor input; int to)', (a, x: Tensor) => bitCast(x, codeOf('BitCast', dtypeFor('BitCast', a.to)))),
);
