/** Reading and writing where a mask holds. */
import { TenfoldError } from '../errors.js';
import { Code, SIZE, holds } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { broadcastShapes, formatShape, sameShape, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { elementwise, type Operand } from '../op/elementwise.js';
import { countTrue, named, sameDtype } from '../op/indexed.js';
import { fitting } from '../op/inplace.js';
import { where } from './arithmetic.js';
import { cat } from './joining.js';

const WHERE = kernel('where');
const MOVE_MASKED = kernel('moveMasked')[Code.bool]!;

function boolMask(call: string, mask: Tensor): Tensor {
  if (mask.code === Code.bool) return mask;
  if (mask.code === Code.u8) return mask.ne(0);
  throw new TenfoldError('dtype', `${call}: the mask must be bool, got ${mask.dtype}; use mask.bool()`);
}
const denseAs = (t: Tensor, shape: Shape): Tensor =>
  (sameShape(t.shape, shape) ? t : t.expand([...shape])).contiguous();

/** self with a number or 0-dim tensor where the mask (bool, broadcast) holds. See torch.masked_fill. */
export const maskedFill = defineOp('maskedFill[_](Tensor self, Tensor mask, Tensor|Scalar value)', (): OpDef => ({
  forward(self: Tensor, mask: Tensor, value: Operand, into?: Tensor) {
    if (value instanceof Tensor && value.shape.length > 0) {
      throw new TenfoldError(
        'shape',
        `maskedFill: the value must be a number or a 0-dim tensor, got shape ${formatShape(value.shape)}`,
      );
    }
    if (!(value instanceof Tensor) && !holds(self.code, value))
      throw new TenfoldError('value', `maskedFill: ${value} has no ${self.dtype} value`);
    // A fraction is true, though its integer part may be 0.
    const truth = (): Operand => (value instanceof Tensor ? value.to('bool') : Boolean(value));
    const own = self.code === Code.bool ? truth() : value;
    const operands = [boolMask('maskedFill', mask), own, self];
    return elementwise(WHERE, 'maskedFill', operands, self.code, undefined, undefined, into);
  },
  backward: {
    self: d('mask', (grad, mask) => grad.maskedFill(mask, 0)),
    value: d('mask', (grad, mask) => where(mask, grad, 0).sum()),
  },
}));

/** Elements where the mask (bool) holds, in one dim; self and mask broadcast. See torch.masked_select. */
export const maskedSelect = defineOp('maskedSelect(Tensor self, Tensor mask)', (): OpDef => ({
  forward(self: Tensor, mask: Tensor) {
    const own = boolMask('maskedSelect', mask);
    const shape = broadcastShapes('maskedSelect', self.shape, own.shape);
    const bits = denseAs(own, shape);
    const source = denseAs(self, shape);
    const out = Tensor.raw([countTrue(bits)], self.code);
    if (out.count > 0) {
      run(MOVE_MASKED, SIZE[self.code]!, bits, bits.count, source, out, out.count, 1);
    }
    return out;
  },
  backward: {
    self: d('mask', (grad, mask, call) => {
      const shape = broadcastShapes('maskedSelect', call.self.shape, mask.shape);
      return Tensor.zeros(shape, grad.code).maskedScatter(mask, grad);
    }),
  },
}));

/** self with source's elements, in order, where the mask (bool, broadcast) holds. See torch.masked_scatter. */
export const maskedScatter = defineOp('maskedScatter[_](Tensor self, Tensor mask, Tensor source)', (): OpDef => ({
  forward(self: Tensor, mask: Tensor, source: Tensor, into?: Tensor) {
    if (mask.code !== Code.bool)
      throw new TenfoldError('dtype', `maskedScatter: the mask must be bool, got ${mask.dtype}; use mask.bool()`);
    const own = mask;
    sameDtype('maskedScatter', self, 'source', source);
    const shape = broadcastShapes('maskedScatter', self.shape, own.shape);
    const bits = denseAs(own, shape);
    const values = source.contiguous();
    const target = self.dense ? fitting(into, shape, self.code, source, mask) : null;
    const out = target ?? (sameShape(shape, self.shape) ? self : self.expand([...shape])).rawClone();
    named('maskedScatter', () => run(MOVE_MASKED, SIZE[self.code]!, bits, bits.count, out, values, values.count, 0));
    return out;
  },
  backward: {
    self: d('mask', (grad, mask) => grad.maskedFill(mask, 0)),
    source: d('mask', (grad, mask, call) => {
      const read = grad.maskedSelect(mask);
      const count = call.source.shape.reduce((a: number, b: number) => a * b, 1);
      const all = read.count === count ? read : cat([read, Tensor.zeros([count - read.count], read.code)]);
      return all.view([...call.source.shape]);
    }),
  },
}));
