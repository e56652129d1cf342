/** Tensors by their sizes: broadcast shapes, sums to a shape, margins of a constant, memory of other layouts. */
import { TenfoldError, show } from '../errors.js';
import { Code } from '../dtype.js';
import { broadcastShapes as broadcastTwo, checkSizes, formatShape, numelOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { signature, type Arguments, type Scalar } from '../op/schema.js';
import { empty, full, type TensorOptions } from './creation.js';
import { cat } from './joining.js';

/** The shape that all of these broadcast to; numbers stand for shapes of one dim. See torch.broadcast_shapes. */
export function broadcastShapes(...shapes: (number | readonly number[])[]): readonly number[] {
  return shapes
    .map((s) => checkSizes('broadcastShapes', typeof s === 'number' ? [s] : s))
    .reduce((a, b) => broadcastTwo('broadcastShapes', a, b), [] as readonly number[]);
}

/**
 * The sum over what broadcasting added: of the shape `size`, which must broadcast to the tensor's. See
 * torch.Tensor.sum_to_size.
 */
export const sumToSize = defineOp('sumToSize(Tensor self, int... size)', (): OpDef => ({
  forward(x: Tensor, size: readonly number[]) {
    const lead = x.shape.length - size.length;
    if (lead < 0 || size.some((n, i) => n !== 1 && n !== x.shape[i + lead])) {
      throw new TenfoldError(
        'shape',
        `sumToSize: size ${formatShape(size)} doesn't broadcast to ${formatShape(x.shape)}`,
      );
    }
    if (size.length === 0) return x.sum();
    const dims = x.shape.flatMap((n, i) => (i < lead || (size[i - lead] === 1 && n !== 1) ? [i] : []));
    return dims.length === 0 ? x : x.sum(dims, true).reshape([...size]);
  },
  composite: true,
}));

/**
 * Margins of a constant: `pad` are pairs of sizes before and after, from the last dim on; negative ones cut off. See
 * torch.constant_pad_nd.
 */
export const constantPadNd = defineOp('constantPadNd(Tensor self, int[] pad, Scalar value=0)', (): OpDef => ({
  forward(self: Tensor, given: number | readonly number[], value: Scalar) {
    const pad = typeof given === 'number' ? [given] : given;
    if (pad.length % 2 !== 0 || pad.length / 2 > self.shape.length) {
      throw new TenfoldError(
        'shape',
        `constantPadNd: pad must have a pair of sizes for each of up to ${self.shape.length} dims, got ${show(pad)}`,
      );
    }
    let x = self;
    for (let i = 0; i < pad.length / 2; i++) {
      const dim = x.shape.length - 1 - i;
      const [before, after] = [pad[2 * i]!, pad[2 * i + 1]!];
      const kept = x.shape[dim]! + Math.min(before, 0) + Math.min(after, 0);
      if (x.shape[dim]! + before + after < 0 || kept < 0)
        throw new RangeError(`constantPadNd: pad ${show(pad)} leaves less than nothing of dim ${dim} of ${formatShape(self.shape)}`); // prettier-ignore
      if (kept !== x.shape[dim]) x = x.narrow(dim, Math.max(-before, 0), kept);
      const margin = (n: number): Tensor[] =>
        n > 0 ? [full(x.shape.map((s, k) => (k === dim ? n : s)), value as number, { dtype: x.dtype })] : []; // prettier-ignore
      const parts = [...margin(before), x, ...margin(after)];
      if (parts.length > 1) x = cat(parts, dim);
    }
    return x === self || x.storage === self.storage ? x.clone() : x;
  },
  composite: true,
}));

const strided = signature('emptyStrided(int[] size, int[] stride, *, dtype? dtype=null, bool requiresGrad=false)');
/** Uninitialized memory under these strides, in elements, which must not be negative. See torch.empty_strided. */
export function emptyStrided(...args: Arguments<typeof strided.schema>): Tensor {
  const [size, stride, dtype, requiresGrad] = strided.read(args);
  return inMemory('emptyStrided', size, stride, { dtype, requiresGrad });
}
function inMemory(
  call: string,
  given: number | readonly number[],
  steps: number | readonly number[],
  o: TensorOptions,
): Tensor {
  const size = checkSizes(call, typeof given === 'number' ? [given] : given);
  const stride = typeof steps === 'number' ? [steps] : steps;
  if (size.length !== stride.length)
    throw new TenfoldError('shape', `${call}: ${size.length} sizes but ${stride.length} strides`);
  if (stride.some((s) => s < 0)) throw new RangeError(`${call}: strides must not be negative, got ${show(stride)}`);
  const room = numelOf(size) === 0 ? 0 : 1 + size.reduce((sum, n, i) => sum + (n - 1) * stride[i]!, 0);
  const out = empty([room], { dtype: o.dtype ?? null })
    .asStrided([...size], [...stride])
    .detach();
  return o.requiresGrad ? out.requiresGrad_() : out;
}
const permuted = signature(
  'emptyPermuted(int[] size, int[] physicalLayout, *, dtype? dtype=null, bool requiresGrad=false)',
);
/** Uninitialized memory whose dims lie in the order of `physicalLayout`, outermost first. See torch.empty_permuted. */
export function emptyPermuted(...args: Arguments<typeof permuted.schema>): Tensor {
  const [given, order, dtype, requiresGrad] = permuted.read(args);
  const size = checkSizes('emptyPermuted', typeof given === 'number' ? [given] : given);
  const layout = typeof order === 'number' ? [order] : order;
  if (layout.length !== size.length || [...layout].sort((a, b) => a - b).some((dim, i) => dim !== i))
    throw new TenfoldError('value', `emptyPermuted: physicalLayout must name each of ${size.length} dims once, got ${show(layout)}`); // prettier-ignore
  const stride = new Array<number>(size.length);
  let step = 1;
  for (const dim of [...layout].reverse()) {
    stride[dim] = step;
    step *= Math.max(size[dim]!, 1);
  }
  return inMemory('emptyPermuted', size, stride, { dtype, requiresGrad });
}
/** Uninitialized memory of the tensor's dtype under these strides: emptyStrided. See torch.Tensor.new_empty_strided. */
export const newEmptyStrided = defineOp(
  'newEmptyStrided(Tensor self, int[] size, int[] stride, *, dtype? dtype=null)',
  (): OpDef => ({
    forward: (x: Tensor, size: number[], stride: number[], dtype: typeof x.dtype | null) =>
      inMemory('newEmptyStrided', size, stride, { dtype: dtype ?? x.dtype }),
    differentiable: false,
  }),
);

const unravel = signature('unravelIndex(Tensor indices, any shape)');
type WideSizes = number | bigint | readonly (number | bigint)[];
/** Sizes as bigints, of which one may be beyond what a number holds. */
function wideSizes(given: unknown): bigint[] {
  const list: unknown[] = Array.isArray(given) ? given : [given];
  return list.map((size) => {
    if (typeof size !== 'bigint' && !Number.isInteger(size))
      throw new TypeError(`unravelIndex: 'shape' must be an integer or a list of integers, got ${show(given)}`);
    const value = BigInt(size as bigint);
    if (value < 0n) throw new RangeError(`unravelIndex: sizes must not be negative, got ${show(given)}`);
    return value;
  });
}
/**
 * Positions in a flattened tensor of a shape as a list of indices, one tensor for each dim; sizes are numbers or bigints, and their
 * product below 2^63. See torch.unravel_index.
 */
export function unravelIndex(
  ...args: [indices: Tensor, shape: WideSizes | { shape: WideSizes }] | [options: { indices: Tensor; shape: WideSizes }]
): Tensor[] {
  const [places, given] = unravel.read(args as Arguments<typeof unravel.schema>);
  if (places.isFloatingPoint() || places.code === Code.bool)
    throw new TypeError(`unravelIndex: indices must be integers, got ${places.dtype}`);
  const sizes = wideSizes(given);
  const steps: bigint[] = [];
  let step = 1n;
  for (const size of [...sizes].reverse()) {
    steps.unshift(step);
    step *= size > 0n ? size : 1n;
  }
  if (step >= 1n << 63n) throw new RangeError(`unravelIndex: 'shape' has more elements than 2^63: ${show(given)}`);
  const wide = places.to('int64');
  return sizes.map((size, i) => wide.floorDivide(steps[i]!).remainder(size > 0n ? size : 1n));
}

/**
 * nonzero with a fixed number of rows: the first `size` positions, filled up with `fillValue`. See torch.nonzero_static.
 */
export const nonzeroStatic = defineOp('nonzeroStatic(Tensor self, *, int size=-1, int fillValue=-1)', (): OpDef => ({
  forward(x: Tensor, size: number, fillValue: number) {
    if (size < 0) throw new RangeError(`nonzeroStatic: option size must be given and not negative, got ${size}`);
    const found = x.nonzero() as Tensor;
    const rows = found.narrow(0, 0, Math.min(size, found.shape[0]!));
    const rest = size - rows.shape[0]!;
    return rest === 0 ? rows.clone() : cat([rows, full([rest, x.shape.length], fillValue, { dtype: 'int64' })], 0);
  },
  differentiable: false,
}));
