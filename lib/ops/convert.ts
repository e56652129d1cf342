/** Conversion and copying between tensors. */
import { DTYPES, codeOf, isFloatCode, type DType } from '../dtype.js';
import { Tensor } from '../tensor/tensor.js';
import { copyElements, fillElements } from '../tensor/copy.js';
import { broadcastShapes, sameShape } from '../tensor/shape.js';
import { TenfoldError, checkDevice, isDevice } from '../errors.js';
import { d, defineOp, zeroGradient, type AnyOp, type OpDef } from '../op/define.js';
import { checkInplace, fitting, rebaseHistory } from '../op/inplace.js';
import { mode } from '../autograd/mode.js';
import { overload } from '../op/overload.js';
import type { Op, Overload, Scalar } from '../op/schema.js';

const toCopy = defineOp('toCopy(Tensor input, dtype dtype)', (): OpDef => ({
  forward(x: Tensor, dtype: DType) {
    const out = Tensor.rawLike(x, codeOf('to', dtype));
    copyElements(out, x);
    return out;
  },
  backward: { input: d((grad) => grad) }, // the engine casts back
  gradName: 'ToCopyBackward0',
}));

const toDtype = defineOp(
  'to(Tensor self, dtype|Tensor dtype=null, bool nonBlocking=false, bool copy=false)',
  (): OpDef => ({
    forward(self: Tensor, dtype: unknown, _nonBlocking: boolean, copy: boolean) {
      const name = dtype instanceof Tensor ? dtype.dtype : dtype === null ? self.dtype : DTYPES[codeOf('to', dtype)]!;
      if (name === self.dtype) return copy ? self.clone() : self;
      return toCopy(self, name);
    },
    composite: true,
  }),
);
const toDevice = defineOp(
  "to(Tensor self, 'cpu' device, dtype? dtype=null, bool nonBlocking=false, bool copy=false)",
  (): OpDef => ({
    forward: (self: Tensor, _device: string, dtype: DType | null, nonBlocking: boolean, copy: boolean) =>
      toDtype(self, dtype ?? self.dtype, nonBlocking, copy),
    composite: true,
  }),
);
/**
 * The tensor as another dtype; itself where nothing changes, unless `copy`. Floats to integers truncate. A tensor instead of
 * a dtype stands for its dtype. A device may stand before the dtype, or for it: 'cpu', which changes nothing. See
 * torch.Tensor.to.
 * @throws TenfoldError 'value' for a device that doesn't exist here, such as 'cuda'.
 */
export const to: Overload<'to', typeof toDevice, typeof toDtype> = overload('to', toDevice, toDtype);
const convert = (toDtype as unknown as AnyOp).op;
// Not by trying one after the other: every cast goes this way.
(Tensor.prototype as unknown as Record<string, unknown>).to = function (this: Tensor, ...args: unknown[]) {
  if (typeof args[0] === 'string' && isDevice(args[0])) checkDevice('to', args.shift());
  return convert.call([this, ...args]);
};

const shorthand = (dtype: DType) => (): OpDef => ({ forward: (self: Tensor) => self.to(dtype), composite: true });
/** As float32. */
export const float = defineOp('float(Tensor self)', shorthand('float32'));
/** As float64. */
export const double = defineOp('double(Tensor self)', shorthand('float64'));
/** As float16. */
export const half = defineOp('half(Tensor self)', shorthand('float16'));
/** As bfloat16. */
export const bfloat16 = defineOp('bfloat16(Tensor self)', shorthand('bfloat16'));
/** As int64. */
export const long = defineOp('long(Tensor self)', shorthand('int64'));
/** As int32. */
export const int = defineOp('int(Tensor self)', shorthand('int32'));
/** As int16. */
export const short = defineOp('short(Tensor self)', shorthand('int16'));
/** As int8. */
export const char = defineOp('char(Tensor self)', shorthand('int8'));
/** As uint8. */
export const byte = defineOp('byte(Tensor self)', shorthand('uint8'));
/** As bool: whether elements are not zero. */
export const bool = defineOp('bool(Tensor self)', shorthand('bool'));
/** As the dtype of `other`. */
export const typeAs = defineOp('typeAs(Tensor self, Tensor other)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor) => self.to(other.dtype),
  composite: true,
}));

const copy = defineOp('copy(Tensor self, Tensor src, bool nonBlocking=false)', (): OpDef => ({
  forward: (_self: Tensor, src: Tensor) => src.clone(),
  backward: { self: zeroGradient, src: d((grad) => grad) },
  gradName: 'CopyBackwards',
}));

/** Overwrites the tensor with another's elements, broadcast and cast; returns it. See torch.Tensor.copy_. */
export const copy_: Op<'copy_(Tensor self, Tensor src, bool nonBlocking=false)'> = defineOp(
  'copy_(Tensor self, Tensor src, bool nonBlocking=false)',
  (): OpDef => ({
    forward(self: Tensor, src: Tensor) {
      checkInplace('copy_', self, mode.grad);
      if (!sameShape(broadcastShapes('copy_', self.shape, src.shape), self.shape)) {
        throw new TenfoldError('shape', `copy_: a tensor of shape [${src.shape}] doesn't broadcast to [${self.shape}]`);
      }
      const source = src.storage === self.storage && src !== self ? src.rawClone() : src;
      if (source !== self) copyElements(self, source);
      self.storage.version++;
      if (mode.grad && isFloatCode(self.code) && (self.requiresGrad || src.requiresGrad)) {
        const node = (copy as unknown as { op: { ready(): void; record(a: unknown[], o: Tensor, s: Tensor): never } })
          .op;
        node.ready();
        const recorded = node.record([self, src, false], self, self);
        if (recorded !== null) rebaseHistory(self, recorded);
      }
      return self;
    },
    composite: true,
  }),
);

/** Sets every element to a value, in place. See torch.Tensor.fill_. */
export const fill = defineOp('fill[_](Tensor self, Tensor|Scalar value)', (): OpDef => ({
  forward(self: Tensor, value: Tensor | Scalar, into?: Tensor) {
    if (value instanceof Tensor && value.shape.length > 0) {
      throw new TenfoldError('shape', `fill: the value must be a number or a 0-dim tensor, got shape [${value.shape}]`);
    }
    const out = fitting(into, self.shape, self.code, value) ?? Tensor.rawLike(self, self.code);
    if (value instanceof Tensor) copyElements(out, value);
    else fillElements(out, value);
    return out;
  },
  backward: { self: zeroGradient, value: d((grad) => grad.sum()) },
}));

/** Sets every element to 0, in place. See torch.Tensor.zero_. */
export const zero_ = defineOp('zero_(Tensor self)', (): OpDef => ({
  forward: (self: Tensor) => self.fill_(0),
  composite: true,
}));
