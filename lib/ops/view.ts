/** Views: other sizes and strides over the same memory; nothing here crosses to native code. */
import { TenfoldError, show } from '../errors.js';
import { Code, isFloatCode } from '../dtype.js';
import {
  checkSizes,
  copyOf,
  formatShape,
  inferSize,
  viewStrides,
  wrapDim,
  wrapDims,
  type Shape,
} from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, direct, type OpDef } from '../op/define.js';
import { gradOfStrided } from '../op/inplace.js';
import type { Scalar } from '../op/schema.js';

/**
 * The same elements as another shape; one size may be -1. A view where strides allow it, else a copy. See torch.reshape.
 */
export const reshape = defineOp('reshape(Tensor self, int... shape)', (): OpDef => ({
  forward(self: Tensor, shape: number[]) {
    const size = inferSize('reshape', shape, self.count, self.shape);
    const strides = viewStrides(self.shape, self.strides, size);
    return strides === null ? asView(self.contiguous(), size) : asView(self, size);
  },
  composite: true,
}));

/** The same memory as another shape; refused where that needs a copy. See torch.Tensor.view. */
export const view = defineOp('view(Tensor self, int... size)', (): OpDef => ({
  forward(self: Tensor, size: number[]) {
    const shape = inferSize('view', size, self.count, self.shape);
    const strides = viewStrides(self.shape, self.strides, shape);
    if (strides === null) {
      throw new TenfoldError(
        'shape',
        `view: a ${formatShape(self.shape)} tensor with strides [${self.strides}] can't show as ${formatShape(shape)} without a copy; use reshape`,
      );
    }
    return self.stridedView(shape, strides, self.offset);
  },
  backward: { self: d((grad, call) => grad.reshape(call.self.shape)) },
}));

const asView = direct(view);

/** Repeats along dims of size 1 without copying; -1 keeps a size. See torch.Tensor.expand. */
export const expand = defineOp('expand(Tensor self, int... size)', (): OpDef => ({
  forward(self: Tensor, size: number[]) {
    const shift = size.length - self.shape.length;
    if (shift < 0) {
      throw new TenfoldError(
        'shape',
        `expand: [${size}] has fewer dims than the tensor, whose shape is ${formatShape(self.shape)}`,
      );
    }
    const shape: number[] = [];
    const strides: number[] = [];
    size.forEach((s, i) => {
      const own = i < shift ? 1 : self.shape[i - shift]!;
      if (s === -1 && i < shift)
        throw new TenfoldError('shape', `expand: -1 is not allowed for the new leading dim ${i}`);
      const wanted = s === -1 ? own : s;
      if (wanted < 0) throw new RangeError(`expand: negative size ${s} in [${size}]`);
      if (own !== wanted && own !== 1) {
        throw new TenfoldError(
          'shape',
          `expand: size ${own} at dim ${i} can't become ${wanted}; ${formatShape(self.shape)} to [${size}]`,
        );
      }
      shape.push(wanted);
      strides.push(i < shift || (own === 1 && wanted !== 1) ? 0 : self.strides[i - shift]!);
    });
    return self.stridedView(shape, strides, self.offset);
  },
  backward: { self: d((grad) => grad) }, // the engine sums over what was broadcast
}));

/** Dims in another order. See torch.permute. */
export const permute = defineOp('permute(Tensor self, int... dims)', (): OpDef => ({
  forward(self: Tensor, dims: number[]) {
    const n = self.shape.length;
    if (dims.length !== n) throw new TenfoldError('shape', `permute: ${dims.length} dims for a tensor of ${n}`);
    const order = dims.map((i) => wrapDim('permute', i, n));
    if (new Set(order).size !== n) throw new TenfoldError('value', `permute: a dim appears twice in [${dims}]`);
    return self.stridedView(
      order.map((i) => self.shape[i]!),
      order.map((i) => self.strides[i]!),
      self.offset,
    );
  },
  backward: {
    self: d((grad, call) => {
      const inverse: number[] = [];
      const n = call.dims.length;
      call.dims.forEach((to: number, from: number) => (inverse[wrapDim('permute', to, n)] = from));
      return grad.permute(inverse);
    }),
  },
}));

/** Two dims exchanged. See torch.transpose. */
export const transpose = defineOp('transpose[_](Tensor self, int dim0, int dim1)', (): OpDef => ({
  forward(self: Tensor, dim0: number, dim1: number) {
    const a = wrapDim('transpose', dim0, self.shape.length);
    const b = wrapDim('transpose', dim1, self.shape.length);
    if (self.shape.length === 0) return self.stridedView([], [], self.offset);
    const shape = copyOf(self.shape);
    const strides = copyOf(self.strides);
    [shape[a], shape[b]] = [shape[b]!, shape[a]!];
    [strides[a], strides[b]] = [strides[b]!, strides[a]!];
    return self.stridedView(shape, strides, self.offset);
  },
  turns: true,
  backward: { self: d((grad, call) => grad.transpose(call.dim0, call.dim1)) },
}));

/** Transposed matrix; tensors of one or no dim stay. See torch.t. */
export const t = defineOp('t[_](Tensor self)', (): OpDef => ({
  forward(self: Tensor) {
    if (self.shape.length > 2)
      throw new TenfoldError('shape', `t: needs at most 2 dims, got ${formatShape(self.shape)}; use transpose or mT`);
    return self.stridedView(copyOf(self.shape).reverse(), copyOf(self.strides).reverse(), self.offset);
  },
  turns: true,
  backward: { self: d((grad) => grad.t()) },
  gradName: 'TBackward0',
}));

/** A dim of size 1 put in. See torch.unsqueeze. */
export const unsqueeze = defineOp('unsqueeze[_](Tensor self, int dim)', (): OpDef => ({
  forward(self: Tensor, dim: number) {
    const at = wrapDim('unsqueeze', dim, self.shape.length + 1);
    const shape = copyOf(self.shape);
    const strides = copyOf(self.strides);
    strides.splice(at, 0, at < shape.length ? shape[at]! * strides[at]! : 1);
    shape.splice(at, 0, 1);
    return self.stridedView(shape, strides, self.offset);
  },
  turns: true,
  backward: { self: d((grad, call) => grad.squeeze(wrapDim('unsqueeze', call.dim, call.self.shape.length + 1))) },
}));

/** Dims of size 1 taken out: all of them, or those of `dim` that are 1. See torch.squeeze. */
export const squeeze = defineOp('squeeze[_](Tensor self, int[]? dim=null)', (): OpDef => ({
  forward(self: Tensor, dim: number | number[] | null) {
    const dims =
      dim !== null && typeof dim !== 'number' && dim.length === 0 ? [] : wrapDims('squeeze', dim, self.shape.length);
    const kept = self.shape.map((_, i) => i).filter((i) => self.shape[i] !== 1 || !dims.includes(i));
    return self.stridedView(
      kept.map((i) => self.shape[i]!),
      kept.map((i) => self.strides[i]!),
      self.offset,
    );
  },
  turns: true,
  backward: { self: d((grad, call) => grad.reshape(call.self.shape)) },
}));

/** One index of a dim, which disappears. See torch.select. */
export const select = defineOp('select(Tensor self, int dim, int index)', (): OpDef => ({
  forward(self: Tensor, dim: number, index: number) {
    if (self.shape.length === 0) throw new RangeError('select: a 0-dim tensor has no dim to select from');
    const at = wrapDim('select', dim, self.shape.length);
    const size = self.shape[at]!;
    if (index < -size || index >= size) {
      throw new RangeError(`select: index ${index} is out of range for dim ${at} of size ${size}`);
    }
    const i = index < 0 ? index + size : index;
    return self.stridedView(without(self.shape, at), without(self.strides, at), self.offset + i * self.strides[at]!);
  },
  backward: { self: d((grad, call) => intoZeros(grad, call.self.shape, (z) => z.select(call.dim, call.index))) },
}));
function without(list: readonly number[], at: number): number[] {
  const rest: number[] = [];
  for (let i = 0; i < list.length; i++) if (i !== at) rest.push(list[i]!);
  return rest;
}

/** Gradient of a part: zeros of the whole with the gradient in its place. */
function intoZeros(grad: Tensor, shape: Shape, part: (zeros: Tensor) => Tensor): Tensor {
  const zeros = Tensor.zeros(shape, grad.code);
  part(zeros).copy_(grad);
  return zeros;
}

/** Indices start … end − 1 of a dim, every `step`-th; negative ones count from the end, and both are cut to the size. */
export const sliceOp = defineOp(
  'slice(Tensor self, int dim=0, int? start=null, int? end=null, int step=1)',
  (): OpDef => ({
    forward(self: Tensor, dim: number, start: number | null, end: number | null, step: number) {
      if (step < 1) throw new RangeError(`slice: step must be at least 1, got ${step}`);
      const at = wrapDim('slice', dim, self.shape.length);
      const size = self.shape[at]!;
      const cut = (i: number): number => Math.min(Math.max(i < 0 ? i + size : i, 0), size);
      const first = start === null ? 0 : cut(start);
      const last = Math.max(end === null ? size : cut(end), first);
      const shape = copyOf(self.shape);
      const strides = copyOf(self.strides);
      shape[at] = Math.ceil((last - first) / step);
      strides[at] = strides[at]! * step;
      return self.stridedView(shape, strides, self.offset + first * self.strides[at]!);
    },
    backward: {
      self: d((grad, call) =>
        intoZeros(grad, call.self.shape, (z) => z.slice(call.dim, call.start, call.end, call.step)),
      ),
    },
  }),
);

/** `length` indices of a dim from `start` on. See torch.narrow. */
export const narrow = defineOp('narrow(Tensor self, int dim, Tensor|Scalar start, int length)', (): OpDef => ({
  forward(self: Tensor, dim: number, from: Tensor | Scalar, length: number) {
    if (from instanceof Tensor && (from.shape.length > 0 || isFloatCode(from.code) || from.code === Code.bool)) {
      throw new TypeError(
        `narrow: 'start' must be an integer or a 0-dim tensor of one, got ${from.dtype} of shape ${formatShape(from.shape)}`,
      );
    }
    const start = Number(from instanceof Tensor ? from.item() : from);
    if (!Number.isInteger(start)) throw new TypeError(`narrow: 'start' must be an integer, got ${show(from)}`);
    if (self.shape.length === 0) throw new RangeError('narrow: a 0-dim tensor has no dim to narrow');
    const at = wrapDim('narrow', dim, self.shape.length);
    const size = self.shape[at]!;
    const first = start < 0 ? start + size : start;
    if (length < 0 || first < 0 || first + length > size) {
      throw new RangeError(
        `narrow: start ${start} and length ${length} are out of range for dim ${at} of size ${size}`,
      );
    }
    return self.slice(at, first, first + length);
  },
  composite: true,
}));

/** Any sizes and strides over the memory, in elements of the storage. See torch.as_strided. */
export const asStrided = defineOp(
  'asStrided[_](Tensor self, int[] size, int[] stride, int? storageOffset=null)',
  (): OpDef => ({
    forward(self: Tensor, size: number[], stride: number[], storageOffset: number | null) {
      const offset = storageOffset ?? self.offset;
      checkSizes('asStrided', size);
      if (stride.length !== size.length)
        throw new TenfoldError('shape', `asStrided: ${size.length} sizes but ${stride.length} strides`);
      if (stride.some((s) => s < 0))
        throw new RangeError(`asStrided: negative strides are not supported, got [${stride}]`);
      const last = size.includes(0) ? 0 : size.reduce((sum, s, i) => sum + (s - 1) * stride[i]!, offset + 1);
      const room = Math.floor(self.storage.nbytes / self.elementSize());
      if (offset < 0 || last > room) {
        throw new RangeError(
          `asStrided: size [${size}], stride [${stride}] and offset ${offset} reach element ${last} of a storage of ${room}`,
        );
      }
      return self.stridedView(size, stride, offset);
    },
    turns: true,
    backward: {
      self: d((grad, { self, size, stride, storageOffset }) =>
        gradOfStrided(grad, self, { shape: size, strides: stride, offset: storageOffset ?? self.offset }),
      ),
    },
  }),
);

/** The tensor itself where it is contiguous, else a dense copy. See torch.Tensor.contiguous. */
export const contiguous = defineOp('contiguous(Tensor self)', (): OpDef => ({
  forward: (self: Tensor) => (self.dense ? self : self.clone()),
  composite: true,
}));

/** A copy in memory of its own. See torch.clone. */
export const clone = defineOp('clone(Tensor self)', (): OpDef => ({
  forward: (self: Tensor) => self.rawClone(),
  backward: { self: d((grad) => grad) },
}));
