/** What programs ask of complex numbers, of real ones: their parts, conjugates and angles. */
import { Code } from '../dtype.js';
import { kernel } from '../native/launch.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { unary } from '../op/elementwise.js';
import { floatOnly } from '../op/reduce.js';
import { where } from './arithmetic.js';

const itself = (): OpDef => ({ forward: (x: Tensor) => x, composite: true });

/** The tensor itself: all dtypes are real. See torch.real. */
export const real = defineOp('real(Tensor self)', itself);
/** The tensor itself: all dtypes are real. See torch.conj. */
export const conj = defineOp('conj(Tensor self)', itself);
/** The tensor itself: all dtypes are real. See torch.resolve_conj. */
export const resolveConj = defineOp('resolveConj(Tensor self)', itself);
/** The tensor itself: no negation is pending. See torch.resolve_neg. */
export const resolveNeg = defineOp('resolveNeg(Tensor self)', itself);
/** A copy: all dtypes are real. See torch.conj_physical. */
export const conjPhysical = defineOp('conjPhysical[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => x.clone(),
  composite: true,
}));
/** True everywhere: all dtypes are real. See torch.isreal. */
export const isreal = defineOp('isreal(Tensor self)', (): OpDef => ({
  forward: (x: Tensor) => Tensor.zeros(x.shape, Code.bool).fill_(true),
  differentiable: false,
}));
/** 0 of numbers from 0 on, π of negative ones, NaN of NaN; integers give the default dtype. See torch.angle. */
export const angle = defineOp('angle(Tensor self)', (): OpDef => ({
  forward(x: Tensor) {
    const float = x.isFloatingPoint() ? x : x.float();
    return where(float.isnan(), float, where(float.lt(0), Math.PI, 0).to(float.dtype));
  },
  backward: { self: d((grad: Tensor) => Tensor.zeros(grad.shape, grad.code)) },
}));

/** Whether the dtype is complex: never. See torch.is_complex. */
export const isComplex = defineOp('isComplex(Tensor self) -> bool', (): OpDef => ({
  forward: () => false,
  differentiable: false,
}));
/**
 * Mantissas, from ½ up to 1 in magnitude, and exponents (int32) of 2, whose product the input is; of 0, infinities and NaN the
 * mantissa is the number itself and the exponent 0. See torch.frexp.
 */
export const frexp = defineOp('frexp(Tensor self) -> (mantissa, exponent)', (): OpDef => ({
  forward(x: Tensor) {
    floatOnly('frexp', x);
    return [frexpMantissa(x), frexpExponent(x)];
  },
  backward: {
    self: d('result1', (grads: Tensor[], exponent: Tensor) => grads[0]!.div(exponent.to(grads[0]!.dtype).exp2())),
  },
}));
const mantissaKernel = kernel('frexpMantissa');
const exponentKernel = kernel('frexpExponent');
const frexpMantissa = (x: Tensor): Tensor => unary(mantissaKernel, 'frexp', x);
const frexpExponent = (x: Tensor): Tensor =>
  unary(exponentKernel, 'frexp', x.code === Code.f64 ? x : x.float()).to('int32');
/** self · 2ᵒᵗʰᵉʳ; integers give the default dtype. See torch.ldexp. */
export const ldexp = defineOp('ldexp[_](Tensor self, Tensor other)', (): OpDef => ({
  forward(x: Tensor, other: Tensor) {
    const power = (other.isFloatingPoint() ? other : other.to(x.isFloatingPoint() ? x.dtype : 'float32')).exp2();
    return x.mul(power);
  },
  composite: true,
}));
