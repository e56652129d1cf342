/** Functions of probabilities that only torch.special has. */
import { renamed } from '../errors.js';
import { defaultFloat, isFloatCode } from '../dtype.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import type { Scalar } from '../op/schema.js';
import { where } from './arithmetic.js';
import { xlogy } from './special.js';

/** −x · log(x), the entropy of a part: 0 at 0, −∞ below. See torch.special.entr. */
export const entr = defineOp('entr(Tensor input)', (): OpDef => ({
  forward: (x: Tensor) => where(x.eq(0), 0, where(x.lt(0), -Infinity, xlogy(x, x).neg())),
  backward: { input: d('input', (grad, x) => grad.mul(x.log().add(1).neg())) },
  gradName: 'SpecialEntrBackward0',
}));
/** Probability of a standard normal number below x. See torch.special.ndtr. */
export const ndtr = defineOp('ndtr(Tensor input)', (): OpDef => ({
  forward: (x: Tensor) => x.mul(-Math.SQRT1_2).erfc().mul(0.5),
  composite: true,
}));
const xlog1pyOf = defineOp('xlog1pyOf(Tensor input, Tensor other)', (): OpDef => ({
  forward: (x: Tensor, y: Tensor) => where(x.eq(0).logicalAnd(y.isnan().logicalNot()), 0, x.mul(y.log1p())),
  backward: {
    input: d('input', 'other', (grad, x, y) => where(x.eq(0).logicalAnd(y.le(-1)), 0, grad.mul(y.log1p()))),
    other: d('input', 'other', (grad, x, y) => grad.mul(x).div(y.add(1))),
  },
  gradName: 'SpecialXlog1PyBackward0',
}));
/** x · log(1 + y), 0 where x is 0; one of them may be a number. See torch.special.xlog1py. */
export const xlog1py = defineOp('xlog1py(Tensor|Scalar input, Tensor|Scalar other)', (): OpDef => ({
  forward(x: Tensor | Scalar, y: Tensor | Scalar) {
    if (!(x instanceof Tensor) && !(y instanceof Tensor))
      throw new TypeError('xlog1py: at least one of input and other must be a tensor');
    const asTensor = (t: Tensor | Scalar, beside: Tensor | Scalar): Tensor => {
      if (t instanceof Tensor) return t;
      const { code } = beside as Tensor;
      return Tensor.zeros([], isFloatCode(code) ? code : defaultFloat()).fill_(t);
    };
    return renamed('xlog1py', () => xlog1pyOf(asTensor(x, y), asTensor(y, x)));
  },
  composite: true,
}));
