/** Further elementwise functions: special functions, bits, comparisons with a tolerance, fused arithmetic. */
import { TenfoldError } from '../errors.js';
import { Code, getDefaultDtype, isFloatCode } from '../dtype.js';
import { kernel } from '../native/launch.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, zeroGradient, type Formula, type OpDef } from '../op/define.js';
import { overload } from '../op/overload.js';
import { To, binary, elementwise, promote, unary, type Operand } from '../op/elementwise.js';
import type { Overload, Scalar } from '../op/schema.js';
import { pow, where } from './arithmetic.js';
import { sameShape } from '../tensor/shape.js';

const pair = (name: string, backward: Record<string, Formula> | null, to: To = To.same): (() => OpDef) => {
  const k = kernel(name);
  const forward = (self: Operand, other: Operand, into?: Tensor): Tensor => binary(k, name, self, other, to, into);
  return (): OpDef => (backward === null ? { forward, differentiable: false } : { forward, backward });
};

/** −1, 0 or 1, as sign. See torch.sgn. */
export const sgn = defineOp('sgn[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => x.sign(),
  composite: true,
}));
/** +x. See torch.positive. */
export const positive = defineOp('positive(Tensor self)', (): OpDef => ({
  forward(x: Tensor) {
    if (x.code === Code.bool) throw new TenfoldError('dtype', 'positive: not defined for bool');
    return x;
  },
  composite: true,
}));
/** log(x / (1 − x)); with eps, x is limited to [eps, 1 − eps] first. See torch.logit. */
export const logit = defineOp('logit[_](Tensor self, float? eps=null)', (): OpDef => ({
  forward(x: Tensor, eps: number | null, into?: Tensor) {
    if (eps === null) return unary(LOGIT, 'logit', x, To.float, undefined, into);
    const source = isFloatCode(x.code) ? x : x.to(getDefaultDtype());
    // Above 0.5 the lower limit is the greater one, and wins where both apply.
    const limited = eps <= 0.5 ? source.clamp(eps, 1 - eps) : where(source.lt(eps), eps, source.clampMax(1 - eps));
    return unary(LOGIT, 'logit', limited, To.float, undefined, into);
  },
  backward: {
    self: d('self', (grad, x, call) => {
      const g = grad.div(x.mul(x.neg().add(1)));
      if (call.eps === null) return where(x.lt(0).logicalOr(x.gt(1)), NaN, g);
      return where(x.lt(call.eps).logicalOr(x.gt(1 - call.eps)), 0, g);
    }),
  },
}));
const LOGIT = kernel('logit');

// Differences in the gradient's dtype: bools have none.
/** Base-e logarithm of eᵃ + eᵇ. See torch.logaddexp. */
export const logaddexp = defineOp(
  'logaddexp(Tensor self, Tensor other)',
  pair(
    'logaddexp',
    {
      self: d('self', 'other', (grad, a, b) => grad.mul(a.to(grad.dtype).sub(b.to(grad.dtype)).sigmoid())),
      other: d('self', 'other', (grad, a, b) => grad.mul(b.to(grad.dtype).sub(a.to(grad.dtype)).sigmoid())),
    },
    To.float,
  ),
);
/** Base-2 logarithm of 2ᵃ + 2ᵇ. See torch.logaddexp2. */
export const logaddexp2 = defineOp(
  'logaddexp2(Tensor self, Tensor other)',
  pair(
    'logaddexp2',
    {
      self: d('self', 'other', (grad, a, b) =>
        grad.mul(a.to(grad.dtype).sub(b.to(grad.dtype)).mul(Math.LN2).sigmoid()),
      ),
      other: d('self', 'other', (grad, a, b) =>
        grad.mul(b.to(grad.dtype).sub(a.to(grad.dtype)).mul(Math.LN2).sigmoid()),
      ),
    },
    To.float,
  ),
);
/** x · log(y), 0 where x is 0. See torch.xlogy. */
const xlogyTensor = defineOp(
  'xlogy[_](Tensor self, Tensor|Scalar other)',
  pair(
    'xlogy',
    {
      self: d('self', 'other', (grad, x, y) => {
        const zero = x.eq(0).logicalAnd(x.mul(0).add(y).le(0)); // y may be a number
        return where(zero, 0, xlogy(grad, y));
      }),
      other: d('self', 'other', (grad, x, y) => grad.mul(x).div(y)),
    },
    To.float,
  ),
);
/** A number times the logarithm of a tensor. */
const xlogyScalar = defineOp('xlogy(Scalar input, Tensor other)', (): OpDef => ({
  forward: (x: Scalar, y: Tensor) => binary(XLOGY, 'xlogy', x, y, To.float),
  backward: { other: d('input', 'other', (grad, x, y) => grad.mul(Number(x)).div(y)) },
}));
const XLOGY = kernel('xlogy');
/** x · log(y), 0 where x is 0; either may be a number. See torch.xlogy. */
export const xlogy: Overload<'xlogy', typeof xlogyTensor, typeof xlogyScalar> = overload(
  'xlogy',
  xlogyTensor,
  xlogyScalar,
);
/** √(a² + b²) without overflow. See torch.hypot. */
export const hypot = defineOp(
  'hypot[_](Tensor self, Tensor other)',
  pair('hypot', {
    self: d('self', 'result', (grad, a, y) => grad.mul(a.div(y))),
    other: d('other', 'result', (grad, b, y) => grad.mul(b.div(y))),
  }),
);
/** 0 below 0, `values` at 0, 1 above. See torch.heaviside. */
export const heaviside = defineOp('heaviside[_](Tensor self, Tensor values)', (): OpDef => ({
  forward(self: Tensor, values: Tensor) {
    if (self.code !== values.code) {
      throw new TenfoldError(
        'dtype',
        `heaviside: self and values must have one dtype, got ${self.dtype} and ${values.dtype}`,
      );
    }
    const wide = isFloatCode(self.code) ? self : self.to('float64');
    return binary(HEAVISIDE, 'heaviside', wide, values.to(wide.dtype)).to(self.dtype);
  },
  differentiable: false,
}));
const HEAVISIDE = kernel('heaviside');
/** Magnitude of a with the sign of b. See torch.copysign. */
export const copysign = defineOp('copysign[_](Tensor self, Tensor|Scalar other)', (): OpDef => ({
  forward: (self: Tensor, other: Operand, into?: Tensor) => binary(COPYSIGN, 'copysign', self, other, To.float, into),
  backward: {
    self: d('self', 'result', (grad, x, y) => where(x.eq(0), 0, grad.mul(y.div(x)))),
    other: zeroGradient,
  },
}));
const COPYSIGN = kernel('copysign');
/** Next number after self towards other. The gradient goes to self, where the two differ. See torch.nextafter. */
export const nextafter = defineOp(
  'nextafter[_](Tensor self, Tensor other)',
  pair('nextafter', {
    self: d('self', 'other', (grad, a, b) => where(a.eq(b), 0, grad)),
    other: zeroGradient,
  }),
);

const winner = (name: 'fmax' | 'fmin', beats: 'gt' | 'lt'): (() => OpDef) =>
  pair(name, {
    self: d('self', 'other', (grad, a, b) =>
      where(a[beats](b).logicalOr(b.isnan()), grad, where(a.eq(b), grad.mul(0.5), 0)),
    ),
    other: d('self', 'other', (grad, a, b) =>
      where(a[beats](b).logicalOr(b.isnan()), 0, where(a.eq(b), grad.mul(0.5), grad)),
    ),
  });
/** Elementwise maximum; a number wins over NaN. See torch.fmax. */
export const fmax = defineOp('fmax(Tensor self, Tensor other)', winner('fmax', 'gt'));
/** Elementwise minimum; a number wins over NaN. See torch.fmin. */
export const fmin = defineOp('fmin(Tensor self, Tensor other)', winner('fmin', 'lt'));

const bits = (name: string): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward(self: Operand, other: Operand, into?: Tensor) {
      const code = promote(self, other);
      if (isFloatCode(code))
        throw new TenfoldError('dtype', `${name}: needs integers or bool, got a floating-point operand`);
      return binary(k, name, self, other, To.same, into);
    },
    differentiable: false,
  });
};
/** Bitwise and; logical for bool. See torch.bitwise_and. */
export const bitwiseAnd = defineOp('bitwiseAnd[_](Tensor self, Tensor|Scalar other)', bits('bitwiseAnd'));
/** Bitwise or; logical for bool. See torch.bitwise_or. */
export const bitwiseOr = defineOp('bitwiseOr[_](Tensor self, Tensor|Scalar other)', bits('bitwiseOr'));
/** Bitwise exclusive or; logical for bool. See torch.bitwise_xor. */
export const bitwiseXor = defineOp('bitwiseXor[_](Tensor self, Tensor|Scalar other)', bits('bitwiseXor'));
/** Bits shifted left. See torch.bitwise_left_shift. */
export const bitwiseLeftShift = defineOp(
  'bitwiseLeftShift[_](Tensor self, Tensor|Scalar other)',
  bits('bitwiseLeftShift'),
);
/** Bits shifted right, with the sign. See torch.bitwise_right_shift. */
export const bitwiseRightShift = defineOp(
  'bitwiseRightShift[_](Tensor self, Tensor|Scalar other)',
  bits('bitwiseRightShift'),
);
/** Greatest common divisor. See torch.gcd. */
export const gcd = defineOp('gcd[_](Tensor self, Tensor other)', bits('gcd'));
/** Least common multiple. See torch.lcm. */
export const lcm = defineOp('lcm[_](Tensor self, Tensor other)', bits('lcm'));
/** All bits inverted; logical not for bool. See torch.bitwise_not. */
export const bitwiseNot = defineOp('bitwiseNot[_](Tensor self)', (): OpDef => ({
  forward(x: Tensor, into?: Tensor) {
    if (isFloatCode(x.code)) throw new TenfoldError('dtype', `bitwiseNot: needs integers or bool, got ${x.dtype}`);
    return x.code === Code.bool ? x.logicalNot() : unary(BITWISE_NOT, 'bitwiseNot', x, To.same, undefined, into);
  },
  differentiable: false,
}));
const BITWISE_NOT = kernel('bitwiseNot');

const NAN_TO_NUM = kernel('nanToNum');
const LARGEST: Partial<Record<Code, number>> = {
  [Code.f32]: 3.4028234663852886e38,
  [Code.f64]: Number.MAX_VALUE,
  [Code.f16]: 65504,
  [Code.bf16]: 3.3895313892515355e38,
};
/** NaN, ∞ and −∞ replaced: by 0 and the dtype's largest and smallest numbers where not given. See torch.nan_to_num. */
export const nanToNum = defineOp(
  'nanToNum[_](Tensor self, float? nan=null, float? posinf=null, float? neginf=null)',
  (): OpDef => ({
    forward(x: Tensor, nan: number | null, posinf: number | null, neginf: number | null, into?: Tensor) {
      if (!isFloatCode(x.code)) return x.rawClone();
      const top = LARGEST[x.code]!;
      return unary(NAN_TO_NUM, 'nanToNum', x, To.same, [nan ?? 0, posinf ?? top, neginf ?? -top], into);
    },
    backward: { self: d('self', (grad, x) => where(x.isfinite(), grad, 0)) },
  }),
);
/** Whether elements are +∞. See torch.isposinf. */
export const isposinf = defineOp('isposinf(Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => x.eq(Infinity),
  differentiable: false,
}));
/** Whether elements are −∞. See torch.isneginf. */
export const isneginf = defineOp('isneginf(Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => x.eq(-Infinity),
  differentiable: false,
}));
/** Whether elements are negative, −0 included. See torch.signbit. */
export const signbit = defineOp('signbit(Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => (isFloatCode(x.code) ? unary(SIGNBIT, 'signbit', x, To.bool) : x.lt(0)),
  differentiable: false,
}));
const SIGNBIT = kernel('signbit');

const ADDCMUL = kernel('addcmul');
/** self + value · tensor1 · tensor2. See torch.addcmul. */
export const addcmul = defineOp(
  'addcmul[_](Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)',
  (): OpDef => ({
    forward: (self: Tensor, a: Tensor, b: Tensor, value: Scalar, into?: Tensor) =>
      elementwise(ADDCMUL, 'addcmul', [self, a, b], promote(self, a, b), undefined, [Number(value)], into),
    backward: {
      self: d((grad) => grad),
      tensor1: d('tensor2', (grad, b, call) => grad.mul(b).mul(Number(call.value))),
      tensor2: d('tensor1', (grad, a, call) => grad.mul(a).mul(Number(call.value))),
    },
  }),
);
const ADDCDIV = kernel('addcdiv');
/** self + value · tensor1 / tensor2. Floating-point only. See torch.addcdiv. */
export const addcdiv = defineOp(
  'addcdiv[_](Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)',
  (): OpDef => ({
    forward(self: Tensor, a: Tensor, b: Tensor, value: Scalar, into?: Tensor) {
      if (!isFloatCode(promote(a, b)))
        throw new TenfoldError('dtype', 'addcdiv: integer division is not supported; use floats, or addcmul');
      return elementwise(ADDCDIV, 'addcdiv', [self, a, b], promote(self, a, b), undefined, [Number(value)], into);
    },
    backward: {
      self: d((grad) => grad),
      tensor1: d('tensor2', (grad, b, call) => grad.mul(Number(call.value)).div(b)),
      tensor2: d('tensor1', 'tensor2', (grad, a, b, call) => grad.neg().mul(a.mul(Number(call.value)).div(b.mul(b)))),
    },
  }),
);
const LERP = kernel('lerp');
const LERP_SCALAR = kernel('lerpScalar');
/** self + weight · (end − self). See torch.lerp. */
export const lerp = defineOp('lerp[_](Tensor self, Tensor end, Tensor|Scalar weight)', (): OpDef => ({
  forward(self: Tensor, end: Tensor, weight: Operand, into?: Tensor) {
    const operands = weight instanceof Tensor ? [self, end, weight] : [self, end];
    for (const t of operands) {
      if (t.code !== self.code || !isFloatCode(t.code)) {
        throw new TenfoldError(
          'dtype',
          `lerp: needs floating-point tensors of one dtype, got ${operands.map((o) => o.dtype).join(', ')}`,
        );
      }
    }
    if (weight instanceof Tensor) return elementwise(LERP, 'lerp', operands, self.code, undefined, undefined, into);
    return elementwise(LERP_SCALAR, 'lerp', operands, self.code, undefined, [Number(weight)], into);
  },
  backward: {
    self: d('weight', (grad, w) => grad.mul(w instanceof Tensor ? w.neg().add(1) : 1 - Number(w))),
    end: d('weight', (grad, w) => grad.mul(w)),
    weight: d('self', 'end', (grad, self, end) => grad.mul(end.sub(self))),
  },
}));

const ISCLOSE = kernel('isclose');
/** Whether |self − other| ≤ atol + rtol · |other|, elementwise. See torch.isclose. */
export const isclose = defineOp(
  'isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equalNan=false)',
  (): OpDef => ({
    forward(self: Tensor, other: Tensor, rtol: number, atol: number, equalNan: boolean) {
      if (self.code !== other.code)
        throw new TenfoldError('dtype', `isclose: dtypes ${self.dtype} and ${other.dtype} differ`);
      if (rtol < 0 || atol < 0)
        throw new RangeError(`isclose: rtol and atol must not be negative, got ${rtol} and ${atol}`);
      return elementwise(ISCLOSE, 'isclose', [self, other], self.code, Code.bool, [rtol, atol, equalNan ? 1 : 0]);
    },
    differentiable: false,
  }),
);
/** Whether all elements are close; see isclose. See torch.allclose. */
export const allclose = defineOp(
  'allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equalNan=false) -> bool',
  (): OpDef => ({
    forward: (self: Tensor, other: Tensor, rtol: number, atol: number, equalNan: boolean) =>
      self.isclose(other, rtol, atol, equalNan).all().item(),
    differentiable: false,
  }),
);
/** Whether shapes and all elements are equal. See torch.equal. */
export const equal = defineOp('equal(Tensor self, Tensor other) -> bool', (): OpDef => ({
  forward: (self: Tensor, other: Tensor) =>
    sameShape(self.shape, other.shape) && (self.numel() === 0 || self.eq(other).all().item()),
  differentiable: false,
}));
const double = (x: Operand): Operand => (x instanceof Tensor ? x.double() : x);
const floatPowerTensor = defineOp('floatPower[_](Tensor self, Tensor|Scalar exponent)', (): OpDef => ({
  forward: (self: Tensor, exponent: Operand) => self.double().pow(double(exponent)),
  composite: true,
  sameDtype: true,
}));
const floatPowerScalar = defineOp('floatPower(Scalar input, Tensor exponent)', (): OpDef => ({
  forward: (input: Scalar, exponent: Tensor) => pow(input, exponent.double()),
  composite: true,
}));
/** Powers in float64; either may be a number. See torch.float_power. */
export const floatPower: Overload<'floatPower', typeof floatPowerTensor, typeof floatPowerScalar> = overload(
  'floatPower',
  floatPowerTensor,
  floatPowerScalar,
);
/** Degrees as radians. See torch.deg2rad. */
export const deg2rad = defineOp('deg2rad[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => x.mul(Math.PI / 180),
  composite: true,
}));
/** Radians as degrees. See torch.rad2deg. */
export const rad2deg = defineOp('rad2deg[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => x.mul(180 / Math.PI),
  composite: true,
}));
/** sin(x) / x with x = π self; 1 at 0. See torch.sinc. */
export const sinc = defineOp('sinc[_](Tensor self)', (): OpDef => ({
  forward(x: Tensor) {
    const y = (isFloatCode(x.code) ? x : x.to('float32')).mul(Math.PI);
    return where(x.eq(0), 1, y.sin().div(where(x.eq(0), 1, y)));
  },
  composite: true,
}));
