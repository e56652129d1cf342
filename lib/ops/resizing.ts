/** Tensors that change their own sizes. */
import { TenfoldError } from '../errors.js';
import { fillElements } from '../tensor/copy.js';
import { checkSizes, denseStrides, formatShape, numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';

function resize(call: string, self: Tensor, size: number | readonly number[]): Tensor {
  const shape = checkSizes(call, typeof size === 'number' ? [size] : size);
  if (self.requiresGrad)
    throw new TenfoldError('inplace', `${call}: a tensor that requires grad can't be resized; resize detach() of it`);
  const room = self.storage.nbytes / self.elementSize() - self.offset;
  const count = numelOf(shape);
  if (count <= room) return self.turnInto(self.stridedView(shape, denseStrides(shape), self.offset));
  if (self.base !== null)
    throw new TenfoldError('inplace', `${call}: this view shows ${Math.floor(room)} elements of another tensor's memory, which can't grow to ${formatShape(shape)}; clone() it first`); // prettier-ignore
  const grown = Tensor.rawFor(call, shape, self.code);
  fillElements(grown, 0);
  const kept = Math.floor(room);
  grown.stridedView([kept], [1], 0).rawCopy(self.stridedView([kept], [1], self.offset));
  self.become(grown);
  return self;
}
/**
 * Gives the tensor other sizes, dense ones, in place: its memory's first elements stay, more are 0 (PyTorch leaves them to chance).
 * Where the memory doesn't suffice the tensor gets its own, and views of it keep the old. Refused for tensors that require grad, and
 * for views that would have to grow. See torch.Tensor.resize_.
 */
export const resize_ = defineOp('resize_(Tensor self, int... size)', (): OpDef => ({
  forward: (self: Tensor, size: readonly number[]) => resize('resize_', self, size),
  differentiable: false,
}));
/** resize_ to the sizes of another tensor. See torch.Tensor.resize_as_. */
export const resizeAs_ = defineOp('resizeAs_(Tensor self, Tensor theTemplate)', (): OpDef => ({
  forward: (self: Tensor, template: Tensor) => resize('resizeAs_', self, template.shape),
  differentiable: false,
}));
