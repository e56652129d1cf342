/** Binary arithmetic, comparisons and logic. To add one: a functor line in native/kernels/binary.cc, a block here, a row in the tests. */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES, defaultFloat, isFloatCode } from '../dtype.js';
import { kernel, type Kernel } from '../native/launch.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { overload } from '../op/overload.js';
import { To, binary, elementwise, promote, type Operand } from '../op/elementwise.js';
import type { Overload, Scalar } from '../op/schema.js';

const K = {
  add: kernel('add'),
  sub: kernel('sub'),
  addScaled: kernel('addScaled'),
  mul: kernel('mul'),
  div: kernel('div'),
  divTrunc: kernel('divTrunc'),
  floorDivide: kernel('floorDivide'),
  remainder: kernel('remainder'),
  fmod: kernel('fmod'),
  pow: kernel('pow'),
  powScalar: kernel('powScalar'),
  atan2: kernel('atan2'),
  maximum: kernel('maximum'),
  minimum: kernel('minimum'),
};

/** self ± alpha · other; rounded once for float32 and float64, as in PyTorch, where halves are rounded in between. */
function addScaled(call: string, sign: 1 | -1, self: Operand, other: Operand, alpha: Scalar, into?: Tensor): Tensor {
  const plain = sign === 1 ? K.add : K.sub;
  if (alpha === 1) return binary(plain, call, self, other, To.same, into);
  const code = promote(self, other);
  if (code <= Code.f64 && typeof alpha !== 'boolean')
    return elementwise(K.addScaled, call, [self, other], code, code, [sign * Number(alpha)], into);
  return binary(plain, call, self, scaled(call, code, other, alpha), To.same, into);
}
/** `other` times alpha, in the dtype of the sum. */
function scaled(call: string, code: Code, other: Operand, alpha: Scalar): Operand {
  if (typeof alpha === 'boolean' && code !== Code.bool)
    throw new TenfoldError('dtype', `${call}: a boolean alpha is only for bool tensors, the result is ${DTYPES[code]}`);
  if (!isFloatCode(code) && !Number.isInteger(Number(alpha)))
    throw new TenfoldError('dtype', `${call}: alpha ${alpha} is no integer, but the result is ${DTYPES[code]}`);
  const wide = other instanceof Tensor ? other.to(DTYPES[code]!) : Tensor.zeros([], code).fill_(other);
  return wide.mul(code === Code.bool ? Boolean(alpha) : alpha);
}

/** Division with a remainder: an integer zero among the divisors is found before anything is written. */
const divide = (k: Kernel, call: string, self: Operand, other: Operand, into?: Tensor): Tensor =>
  binary(k, call, self, other, To.same, isFloatCode(promote(self, other)) ? into : undefined);

const noBool = (call: string, self: Tensor, other: Operand): void => {
  if (self.code === Code.bool || (other instanceof Tensor ? other.code === Code.bool : typeof other === 'boolean')) {
    throw new TenfoldError(
      'dtype',
      `${call}: not defined for bool; use logicalXor, or logicalNot for an inverted mask`,
    );
  }
};

/** Elementwise self + alpha · other; shapes broadcast, dtypes promote. See torch.add. */
export const add = defineOp('add[_](Tensor self, Tensor|Scalar other, *, Scalar alpha=1)', (): OpDef => ({
  forward: (self: Tensor, other: Operand, alpha: Scalar, into?: Tensor) =>
    addScaled('add', 1, self, other, alpha, into),
  backward: {
    self: d((grad) => grad),
    other: d((grad, call) => (call.alpha === 1 ? grad : grad.mul(Number(call.alpha)))),
  },
}));

/** Elementwise self − alpha · other. Not for bool. See torch.sub. */
export const sub = defineOp('sub[_](Tensor self, Tensor|Scalar other, *, Scalar alpha=1)', (): OpDef => ({
  forward(self: Tensor, other: Operand, alpha: Scalar, into?: Tensor) {
    noBool('sub', self, other);
    return addScaled('sub', -1, self, other, alpha, into);
  },
  backward: {
    self: d((grad) => grad),
    other: d((grad, call) => (call.alpha === 1 ? grad.neg() : grad.mul(-Number(call.alpha)))),
  },
}));

/** other − alpha · self. See torch.rsub. */
export const rsub = defineOp('rsub(Tensor self, Tensor|Scalar other, *, Scalar alpha=1)', (): OpDef => ({
  forward(self: Tensor, other: Operand, alpha: Scalar) {
    noBool('rsub', self, other);
    return addScaled('rsub', -1, other, self, alpha);
  },
  backward: {
    self: d((grad, call) => (call.alpha === 1 ? grad.neg() : grad.mul(-Number(call.alpha)))),
    other: d((grad) => grad),
  },
}));

/** Elementwise product; shapes broadcast, dtypes promote. See torch.mul. */
export const mul = defineOp('mul[_](Tensor self, Tensor|Scalar other)', (): OpDef => ({
  forward: (self: Tensor, other: Operand, into?: Tensor) => binary(K.mul, 'mul', self, other, To.same, into),
  backward: {
    self: d('other', (grad, other) => grad.mul(other)),
    other: d('self', (grad, self) => grad.mul(self)),
  },
}));

/**
 * Elementwise quotient. roundingMode null divides truly (integers become floats), 'trunc' rounds towards zero, 'floor'
 * down. See torch.div.
 */
export const div = defineOp(
  "div[_](Tensor self, Tensor|Scalar other, *, 'trunc'|'floor'? roundingMode=null)",
  (): OpDef => ({
    forward(self: Tensor, other: Operand, roundingMode: string | null, into?: Tensor) {
      if (roundingMode === null) return binary(K.div, 'div', self, other, To.float, into);
      if (roundingMode === 'trunc') return divide(K.divTrunc, 'div', self, other, into);
      return divide(K.floorDivide, 'div', self, other, into);
    },
    backward: {
      self: d('other', (grad, other, call) =>
        call.roundingMode === null ? grad.div(other) : Tensor.zeros(grad.shape, grad.code),
      ),
      other: d('self', 'other', (grad, self, other, call) =>
        call.roundingMode === null
          ? grad.neg().mul(other.reciprocal().mul(self).div(other))
          : Tensor.zeros(grad.shape, grad.code),
      ),
    },
  }),
);

/** Quotient rounded down. See torch.floor_divide. */
export const floorDivide = defineOp('floorDivide[_](Tensor self, Tensor|Scalar other)', (): OpDef => ({
  forward(self: Tensor, other: Operand) {
    if (promote(self, other) === Code.bool) throw new TenfoldError('dtype', 'floorDivide: not defined for bool');
    return divide(K.floorDivide, 'floorDivide', self, other);
  },
  differentiable: false,
}));

/** Remainder with the sign of the divisor, as Python's %. See torch.remainder. */
export const remainder = defineOp('remainder[_](Tensor self, Tensor|Scalar other)', (): OpDef => ({
  forward: (self: Tensor, other: Operand, into?: Tensor) => divide(K.remainder, 'remainder', self, other, into),
  backward: {
    self: d((grad) => grad),
    other: d('self', 'other', (grad, self, other) => grad.neg().mul(self.div(other, { roundingMode: 'floor' }))),
  },
}));

/** Remainder with the sign of the dividend, as C's fmod. See torch.fmod. */
export const fmod = defineOp('fmod[_](Tensor self, Tensor|Scalar other)', (): OpDef => ({
  forward: (self: Tensor, other: Operand, into?: Tensor) => divide(K.fmod, 'fmod', self, other, into),
  backward: {
    self: d((grad) => grad),
    other: d('self', 'other', (grad, self, other) => grad.neg().mul(self.div(other, { roundingMode: 'trunc' }))),
  },
}));

/** Elementwise power. Integers to a negative integer power are refused. See torch.pow. */
const powTensor = defineOp('pow[_](Tensor self, Tensor|Scalar exponent)', (): OpDef => ({
  forward(self: Tensor, exponent: Operand, into?: Tensor) {
    if (!(exponent instanceof Tensor) && Number(exponent) < 0 && !isFloatCode(promote(self, exponent))) {
      throw new TenfoldError('value', 'pow: integers to negative integer powers are not allowed');
    }
    if (exponent instanceof Tensor) return binary(K.pow, 'pow', self, exponent, To.same, into);
    const code = promote(self, exponent);
    return elementwise(
      K.powScalar,
      'pow',
      [self],
      code === Code.bool && typeof exponent !== 'boolean' ? Code.i64 : code,
      undefined,
      [Number(exponent)],
      into,
    );
  },
  backward: {
    self: d('self', 'exponent', (grad, self, exponent) => {
      if (!(exponent instanceof Tensor)) {
        const p = Number(exponent);
        if (p === 0) return Tensor.zeros(grad.shape, grad.code);
        return p === 2 ? grad.mul(self.mul(2)) : grad.mul(self.pow(p - 1).mul(p));
      }
      return grad.mul(where(exponent.eq(0), 0, exponent.mul(self.pow(exponent.sub(1)))));
    }),
    exponent: d('self', 'exponent', 'result', (grad, self, exponent, result) => {
      const zero = self.eq(0).logicalAnd(exponent.ge(0));
      return grad.mul(where(zero, 0, result.mul(self.log())));
    }),
  },
}));

/** A number to elementwise powers; pow(2, t). */
const powScalar = defineOp('pow(Scalar input, Tensor exponent)', (): OpDef => ({
  forward: (input: Scalar, exponent: Tensor) => binary(K.pow, 'pow', input, exponent),
  backward: {
    exponent: d('exponent', 'result', (grad, exponent, result, call) =>
      Number(call.input) === 0
        ? where(exponent.ge(0), 0, grad.mul(result.mul(-Infinity)))
        : grad.mul(result.mul(Math.log(Number(call.input)))),
    ),
  },
}));

/** A power: pow(t, exponent) or pow(2, t). */
export const pow: Overload<'pow', typeof powTensor, typeof powScalar> = overload('pow', powTensor, powScalar);

/** Angle of (other, self), in radians, in (−π, π]. See torch.atan2. */
export const atan2 = defineOp('atan2[_](Tensor self, Tensor other)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor, into?: Tensor) => binary(K.atan2, 'atan2', self, other, To.float, into),
  backward: {
    self: d('self', 'other', (grad, self, other) => grad.mul(other.to(grad.dtype).mul(inverseSquare(self, other)))),
    other: d('self', 'other', (grad, self, other) =>
      grad.neg().mul(self.to(grad.dtype).mul(inverseSquare(self, other))),
    ),
  },
}));
/** 1 / (a² + b²), and 0 at the origin, where the angle has no derivative. */
function inverseSquare(a: Tensor, b: Tensor): Tensor {
  const squares = a.square().add(b.square());
  return squares.reciprocal().maskedFill(squares.eq(0), 0);
}

// Gradient of the larger (smaller) of two; equal ones share it, as PyTorch does.
const chosen = (grad: Tensor, equal: Tensor, loses: Tensor): Tensor => where(loses, 0, where(equal, grad.div(2), grad));
const extremum = (name: 'maximum' | 'minimum', loses: 'lt' | 'gt'): (() => OpDef) => {
  return (): OpDef => ({
    forward: (self: Tensor, other: Tensor) => binary(K[name], name, self, other),
    backward: {
      self: d('self', 'other', (grad, self, other) => chosen(grad, self.eq(other), self[loses](other))),
      other: d('self', 'other', (grad, self, other) => chosen(grad, self.eq(other), other[loses](self))),
    },
  });
};

/** Elementwise maximum; NaN wins. See torch.maximum. */
export const maximum = defineOp('maximum(Tensor self, Tensor other)', extremum('maximum', 'lt'));
/** Elementwise minimum; NaN wins. See torch.minimum. */
export const minimum = defineOp('minimum(Tensor self, Tensor other)', extremum('minimum', 'gt'));

const comparison = (name: string): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward: (self: Tensor, other: Operand, into?: Tensor) => binary(k, name, self, other, To.bool, into),
    differentiable: false,
  });
};

/** Elementwise self = other, as bool. See torch.eq. */
export const eq = defineOp('eq[_](Tensor self, Tensor|Scalar other)', comparison('eq'));
/** Elementwise self ≠ other, as bool. See torch.ne. */
export const ne = defineOp('ne[_](Tensor self, Tensor|Scalar other)', comparison('ne'));
/** Elementwise self < other, as bool. See torch.lt. */
export const lt = defineOp('lt[_](Tensor self, Tensor|Scalar other)', comparison('lt'));
/** Elementwise self ≤ other, as bool. See torch.le. */
export const le = defineOp('le[_](Tensor self, Tensor|Scalar other)', comparison('le'));
/** Elementwise self > other, as bool. See torch.gt. */
export const gt = defineOp('gt[_](Tensor self, Tensor|Scalar other)', comparison('gt'));
/** Elementwise self ≥ other, as bool. See torch.ge. */
export const ge = defineOp('ge[_](Tensor self, Tensor|Scalar other)', comparison('ge'));

/** Elementwise logical and of what is not zero, as bool. See torch.logical_and. */
export const logicalAnd = defineOp('logicalAnd[_](Tensor self, Tensor other)', comparison('logicalAnd'));
/** Elementwise logical or of what is not zero, as bool. See torch.logical_or. */
export const logicalOr = defineOp('logicalOr[_](Tensor self, Tensor other)', comparison('logicalOr'));
/** Elementwise exclusive or of what is not zero, as bool. See torch.logical_xor. */
export const logicalXor = defineOp('logicalXor[_](Tensor self, Tensor other)', comparison('logicalXor'));

const WHERE = kernel('where');
const choose = defineOp('where(Tensor condition, Tensor|Scalar self, Tensor|Scalar other)', (): OpDef => ({
  forward(condition: Tensor, self: Operand, other: Operand) {
    if (condition.code !== Code.bool && condition.code !== Code.u8) {
      throw new TenfoldError('dtype', `where: the condition must be bool, got ${condition.dtype}`);
    }
    let code = promote(self, other);
    if (!(self instanceof Tensor) && !(other instanceof Tensor) && isFloatCode(code)) code = defaultFloat();
    return elementwise(WHERE, 'where', [condition, self, other], code);
  },
  backward: {
    self: d('condition', (grad, condition) => where(condition, grad, 0)),
    other: d('condition', (grad, condition) => where(condition, 0, grad)),
  },
}));
const holds = defineOp('where(Tensor condition) -> Tensor[]', (): OpDef => ({
  forward: (condition: Tensor) => condition.nonzero({ asTuple: true }),
  differentiable: false,
}));
/**
 * Elements of self where condition holds, of other elsewhere; all three broadcast. With the condition alone, the
 * positions where it holds, as one vector for each dim. See torch.where.
 */
export function where(condition: Tensor): Tensor[];
export function where(condition: Tensor, self: Tensor | Scalar, other: Tensor | Scalar): Tensor;
export function where(...args: unknown[]): Tensor | Tensor[] {
  return args.length === 1 ? holds(args[0] as Tensor) : choose(...(args as [Tensor, Operand, Operand]));
}

/** self where condition holds, other elsewhere: the method's order of arguments. */
export const whereMethod = defineOp('where(Tensor self, Tensor condition, Tensor|Scalar other)', (): OpDef => ({
  forward: (self: Tensor, condition: Tensor, other: Operand) => where(condition, self, other),
  composite: true,
}));
