/** Unary functions. To add one: a functor line in native/kernels/unary.cc, a block here, a row in the tests. */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES, holds, isFloatCode } from '../dtype.js';
import { kernel } from '../native/launch.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, zeroGradient, type Formula, type OpDef } from '../op/define.js';
import { To, elementwise, promote, unary, type Operand } from '../op/elementwise.js';
import { where } from './arithmetic.js';

/** Block of a function that makes floats of integers, with the derivative of its one input. */
const float = (name: string, self: Formula): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward: (x: Tensor, into?: Tensor) => unary(k, name, x, To.float, undefined, into),
    backward: { self },
  });
};
/** Block of a function that keeps the dtype. */
const same = (name: string, self: Formula | null): (() => OpDef) => {
  const k = kernel(name);
  const forward = (x: Tensor, into?: Tensor): Tensor => unary(k, name, x, To.same, undefined, into);
  return (): OpDef => (self === null ? { forward, differentiable: false } : { forward, backward: { self } });
};
/** Block of a function that rounds: integers stay as they are, the derivative is 0. */
const rounding = (name: string): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward: (x: Tensor, into?: Tensor) =>
      isFloatCode(x.code) ? unary(k, name, x, To.same, undefined, into) : x.rawClone(),
    backward: { self: zeroGradient },
  });
};
const noBool = (call: string, x: Tensor): void => {
  if (x.code === Code.bool) throw new TenfoldError('dtype', `${call}: not defined for bool`);
};

const NEG = kernel('neg');
const SQUARE = kernel('square');
/** −x. Not for bool. See torch.neg. */
export const neg = defineOp('neg[_](Tensor self)', (): OpDef => ({
  forward(x: Tensor, into?: Tensor) {
    noBool('neg', x);
    return unary(NEG, 'neg', x, To.same, undefined, into);
  },
  backward: { self: d((grad) => grad.neg()) },
}));
/** |x|. The derivative at 0 is 0. See torch.abs. */
export const abs = defineOp(
  'abs[_](Tensor self)',
  same(
    'abs',
    d('self', (grad, x) => grad.mul(x.sign())),
  ),
);
/** −1, 0 or 1. See torch.sign. */
export const sign = defineOp('sign[_](Tensor self)', same('sign', zeroGradient));
/** x². See torch.square. */
export const square = defineOp('square[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor, into?: Tensor) =>
    unary(SQUARE, 'square', x.code === Code.bool ? x.to('int64') : x, To.same, undefined, into),
  backward: { self: d('self', (grad, x) => grad.mul(x.mul(2))) },
  gradName: 'PowBackward0',
}));

/** eˣ. See torch.exp. */
export const exp = defineOp(
  'exp[_](Tensor self)',
  float(
    'exp',
    d('result', (grad, y) => grad.mul(y)),
  ),
);
/** 2ˣ. See torch.exp2. */
export const exp2 = defineOp(
  'exp2[_](Tensor self)',
  float(
    'exp2',
    d('result', (grad, y) => grad.mul(y).mul(Math.LN2)),
  ),
);
/** eˣ − 1, exact for small x. See torch.expm1. */
export const expm1 = defineOp(
  'expm1[_](Tensor self)',
  float(
    'expm1',
    d('result', (grad, y) => grad.mul(y.add(1))),
  ),
);
/** Natural logarithm. See torch.log. */
export const log = defineOp(
  'log[_](Tensor self)',
  float(
    'log',
    d('self', (grad, x) => grad.div(x)),
  ),
);
/** Logarithm to base 2. See torch.log2. */
export const log2 = defineOp(
  'log2[_](Tensor self)',
  float(
    'log2',
    d('self', (grad, x) => grad.div(x.mul(Math.LN2))),
  ),
);
/** Logarithm to base 10. See torch.log10. */
export const log10 = defineOp(
  'log10[_](Tensor self)',
  float(
    'log10',
    d('self', (grad, x) => grad.div(x.mul(Math.LN10))),
  ),
);
/** log(1 + x), exact for small x. See torch.log1p. */
export const log1p = defineOp(
  'log1p[_](Tensor self)',
  float(
    'log1p',
    d('self', (grad, x) => grad.div(x.add(1))),
  ),
);
/** Square root. See torch.sqrt. */
export const sqrt = defineOp(
  'sqrt[_](Tensor self)',
  float(
    'sqrt',
    d('result', (grad, y) => grad.div(y.mul(2))),
  ),
);
/** 1/√x. See torch.rsqrt. */
export const rsqrt = defineOp(
  'rsqrt[_](Tensor self)',
  float(
    'rsqrt',
    d('result', (grad, y) => grad.mul(y.pow(3)).mul(-0.5)),
  ),
);
/** 1/x. See torch.reciprocal. */
export const reciprocal = defineOp(
  'reciprocal[_](Tensor self)',
  float(
    'reciprocal',
    d('result', (grad, y) => grad.neg().mul(y.mul(y))),
  ),
);

/** Sine of an angle in radians. See torch.sin. */
export const sin = defineOp(
  'sin[_](Tensor self)',
  float(
    'sin',
    d('self', (grad, x) => grad.mul(x.cos())),
  ),
);
/** Cosine of an angle in radians. See torch.cos. */
export const cos = defineOp(
  'cos[_](Tensor self)',
  float(
    'cos',
    d('self', (grad, x) => grad.mul(x.sin().neg())),
  ),
);
/** Tangent of an angle in radians. See torch.tan. */
export const tan = defineOp(
  'tan[_](Tensor self)',
  float(
    'tan',
    d('result', (grad, y) => grad.mul(y.square().add(1))),
  ),
);
/** Arcsine, in radians. See torch.asin. */
export const asin = defineOp(
  'asin[_](Tensor self)',
  float(
    'asin',
    d('self', (grad, x) => grad.mul(x.square().neg().add(1).rsqrt())),
  ),
);
/** Arccosine, in radians. See torch.acos. */
export const acos = defineOp(
  'acos[_](Tensor self)',
  float(
    'acos',
    d('self', (grad, x) => grad.mul(x.square().neg().add(1).rsqrt().neg())),
  ),
);
/** Arctangent, in radians. See torch.atan. */
export const atan = defineOp(
  'atan[_](Tensor self)',
  float(
    'atan',
    d('self', (grad, x) => grad.div(x.square().add(1))),
  ),
);
/** Hyperbolic sine. See torch.sinh. */
export const sinh = defineOp(
  'sinh[_](Tensor self)',
  float(
    'sinh',
    d('self', (grad, x) => grad.mul(x.cosh())),
  ),
);
/** Hyperbolic cosine. See torch.cosh. */
export const cosh = defineOp(
  'cosh[_](Tensor self)',
  float(
    'cosh',
    d('self', (grad, x) => grad.mul(x.sinh())),
  ),
);
/** Inverse hyperbolic sine. See torch.asinh. */
export const asinh = defineOp(
  'asinh[_](Tensor self)',
  float(
    'asinh',
    d('self', (grad, x) => grad.mul(x.square().add(1).rsqrt())),
  ),
);
/** Inverse hyperbolic cosine. See torch.acosh. */
export const acosh = defineOp(
  'acosh[_](Tensor self)',
  float(
    'acosh',
    d('self', (grad, x) => grad.mul(x.square().sub(1).rsqrt())),
  ),
);
/** Inverse hyperbolic tangent. See torch.atanh. */
export const atanh = defineOp(
  'atanh[_](Tensor self)',
  float(
    'atanh',
    d('self', (grad, x) => grad.div(x.square().neg().add(1))),
  ),
);

const TANH_BACKWARD = kernel('tanhBackward');
/** grad · (1 − y²), in one pass. */
const tanhBackward = defineOp('tanhBackward(Tensor grad, Tensor result)', (): OpDef => ({
  forward: (grad: Tensor, y: Tensor) => elementwise(TANH_BACKWARD, 'tanhBackward', [grad, y], y.code),
  backward: {
    grad: d('result', (g, y) => tanhBackward(g, y)),
    result: d('grad', 'result', (g, grad, y) => g.mul(grad).mul(y).mul(-2)),
  },
}));
/** Hyperbolic tangent. See torch.tanh. */
export const tanh = defineOp(
  'tanh[_](Tensor self)',
  float(
    'tanh',
    d('result', (grad, y) => tanhBackward(grad, y)),
  ),
);

const SIGMOID_BACKWARD = kernel('sigmoidBackward');
/** grad · y · (1 − y), in one pass. */
const sigmoidBackward = defineOp('sigmoidBackward(Tensor grad, Tensor result)', (): OpDef => ({
  forward: (grad: Tensor, y: Tensor) => elementwise(SIGMOID_BACKWARD, 'sigmoidBackward', [grad, y], y.code),
  backward: {
    grad: d('result', (g, y) => sigmoidBackward(g, y)),
    result: d('grad', 'result', (g, grad, y) => g.mul(grad).mul(y.mul(-2).add(1))),
  },
}));
/** 1 / (1 + e⁻ˣ). See torch.sigmoid. */
export const sigmoid = defineOp(
  'sigmoid[_](Tensor self)',
  float(
    'sigmoid',
    d('result', (grad, y) => sigmoidBackward(grad, y)),
  ),
);

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
/** Error function. See torch.erf. */
export const erf = defineOp(
  'erf[_](Tensor self)',
  float(
    'erf',
    d('self', (grad, x) => grad.mul(x.square().neg().exp()).mul(TWO_OVER_SQRT_PI)),
  ),
);
/** 1 − erf(x), exact for large x. See torch.erfc. */
export const erfc = defineOp(
  'erfc[_](Tensor self)',
  float(
    'erfc',
    d('self', (grad, x) => grad.mul(x.square().neg().exp()).mul(-TWO_OVER_SQRT_PI)),
  ),
);
/** Inverse of the error function. See torch.erfinv. */
export const erfinv = defineOp(
  'erfinv[_](Tensor self)',
  float(
    'erfinv',
    d('result', (grad, y) => grad.mul(y.square().exp()).mul(Math.sqrt(Math.PI) / 2)),
  ),
);

/** Largest integer not above x. See torch.floor. */
export const floor = defineOp('floor[_](Tensor self)', rounding('floor'));
/** Smallest integer not below x. See torch.ceil. */
export const ceil = defineOp('ceil[_](Tensor self)', rounding('ceil'));
/** The integer part. See torch.trunc. */
export const trunc = defineOp('trunc[_](Tensor self)', rounding('trunc'));
/** The part behind the point, with x's sign. See torch.frac. */
export const frac = defineOp(
  'frac[_](Tensor self)',
  same(
    'frac',
    d((grad) => grad),
  ),
);

const ROUND = kernel('round');
/** Nearest integer, halves to even; or to `decimals` digits behind the point. See torch.round. */
export const round = defineOp('round[_](Tensor self, *, int decimals=0)', (): OpDef => ({
  forward(x: Tensor, decimals: number, into?: Tensor) {
    if (!isFloatCode(x.code)) {
      if (decimals !== 0)
        throw new TenfoldError('dtype', `round: decimals is only for floating-point tensors, got ${x.dtype}`);
      return x.rawClone();
    }
    if (decimals === 0) return unary(ROUND, 'round', x, To.same, undefined, into);
    const scale = 10 ** Math.abs(decimals);
    return decimals > 0 ? x.mul(scale).round().div(scale) : x.div(scale).round().mul(scale);
  },
  backward: { self: zeroGradient },
}));

const CLAMP = kernel('clampScalar');
/**
 * Limits elements to [min, max]; either may be null. NaN stays. Where an element is at a limit that is a number, its
 * gradient is 0; at one that is a tensor both have half of it (the least of the subgradients). See torch.clamp.
 */
export const clamp = defineOp('clamp[_](Tensor self, Tensor|Scalar? min=null, Tensor|Scalar? max=null)', (): OpDef => ({
  forward(x: Tensor, min: Operand | null, max: Operand | null, into?: Tensor) {
    if (min === null && max === null) throw new TenfoldError('value', 'clamp: give min or max, both are null');
    if (min instanceof Tensor || max instanceof Tensor) {
      let y = x;
      // As torch.clamp with tensors: min first, then max, so that max wins where min > max.
      if (min !== null) y = min instanceof Tensor ? y.maximum(min) : y.clamp(min, null);
      if (max !== null) y = max instanceof Tensor ? y.minimum(max) : y.clamp(null, max);
      return y;
    }
    const code = promote(x, ...[min, max].filter((bound) => bound !== null));
    const high = max === null ? Infinity : Number(max);
    const low = Math.min(min === null ? -Infinity : Number(min), high); // max wins where min > max
    if (Number.isNaN(low)) return Tensor.zeros(x.shape, code).fill_(NaN);
    // A bound beyond the integers of the dtype is as good as none, but not where it would be the result.
    const fits = (bound: number): boolean => holds(code, bound) && !(code === Code.u8 && bound < 0);
    for (const bound of [high < 0 ? high : 0, low > 0 ? low : 0]) {
      if (Number.isFinite(bound) && !fits(bound))
        throw new TenfoldError('value', `clamp: ${bound} has no ${DTYPES[code]!} value`);
    }
    return elementwise(CLAMP, 'clamp', [x], code, code, [low, high], into);
  },
  backward: {
    self: d('self', 'min', 'max', (grad, x, min, max) => {
      if (!(min instanceof Tensor) && !(max instanceof Tensor)) return where(between(x, min, max), grad, 0);
      const [low, high] = [boundLike(x, min), boundLike(x, max)];
      if (low === null || high === null) return extremeGrad(grad, x, (low ?? high)!, low !== null);
      const inside = x.lt(low).logicalOr(x.gt(high)).logicalNot();
      return where(inside, where(atLimit(x, low, high), grad.mul(0.5), grad), 0);
    }),
    min: d('self', 'min', 'max', (grad, x, min, max) => {
      const high = boundLike(x, max);
      if (high === null) return extremeGrad(grad, min, x, true);
      const half = where(x.eq(min).logicalAnd(min.lt(high)), grad.mul(0.5), 0);
      return where(x.lt(min).logicalAnd(min.le(high)), grad, half);
    }),
    max: d('self', 'min', 'max', (grad, x, min, max) => {
      const low = boundLike(x, min);
      if (low === null) return extremeGrad(grad, max, x, false);
      const half = where(x.eq(max).logicalAnd(low.lt(max)), grad.mul(0.5), 0);
      return where(x.gt(max).logicalAnd(low.le(max)).logicalOr(max.lt(low)), grad, half);
    }),
  },
}));
/** Strictly between two numbers. */
function between(x: Tensor, min: Operand | null, max: Operand | null): Tensor {
  if (min === null) return x.lt(max!);
  const above = x.gt(min);
  return max === null ? above : above.logicalAnd(x.lt(max));
}
/** A bound as a tensor, also where it is a number. */
const boundLike = (x: Tensor, bound: Operand | null): Tensor | null =>
  bound === null || bound instanceof Tensor ? bound : Tensor.zeros([], x.code).add(Number(bound));
const atLimit = (x: Tensor, low: Tensor, high: Tensor): Tensor =>
  x.eq(low).logicalOr(x.eq(high)).logicalAnd(low.lt(high));
/** Gradient of `a` in the greater of a and b (else the smaller), as of maximum and minimum. */
function extremeGrad(grad: Tensor, a: Tensor, b: Tensor, greater: boolean): Tensor {
  const loses = greater ? a.lt(b) : a.gt(b);
  return where(loses, 0, where(a.eq(b), grad.mul(0.5), grad));
}
/** clamp(min, null). See torch.clamp_min. */
export const clampMin = defineOp('clampMin[_](Tensor self, Tensor|Scalar min)', (): OpDef => ({
  forward: (x: Tensor, min: Operand) => x.clamp(min, null),
  composite: true,
}));
/** clamp(null, max). See torch.clamp_max. */
export const clampMax = defineOp('clampMax[_](Tensor self, Tensor|Scalar max)', (): OpDef => ({
  forward: (x: Tensor, max: Operand) => x.clamp(null, max),
  composite: true,
}));

const test = (name: string, integers: boolean): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward: (x: Tensor) => (isFloatCode(x.code) ? unary(k, name, x, To.bool) : constant(x, integers)),
    differentiable: false,
  });
};
const constant = (x: Tensor, value: boolean): Tensor => x.eq(x).logicalXor(value ? x.ne(x) : x.eq(x));
/** Whether elements are NaN. See torch.isnan. */
export const isnan = defineOp('isnan(Tensor self)', test('isnan', false));
/** Whether elements are ±∞. See torch.isinf. */
export const isinf = defineOp('isinf(Tensor self)', test('isinf', false));
/** Whether elements are neither infinite nor NaN. See torch.isfinite. */
export const isfinite = defineOp('isfinite(Tensor self)', test('isfinite', true));

const LOGICAL_NOT = kernel('logicalNot');
/** Whether elements are zero, as bool. See torch.logical_not. */
export const logicalNot = defineOp('logicalNot[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor, into?: Tensor) => unary(LOGICAL_NOT, 'logicalNot', x, To.bool, undefined, into),
  differentiable: false,
}));
