/** The same elements in another order or shape: flips and rolls, dims moved, grids, windows. */
import { TenfoldError, checkOptions, renamed, show } from '../errors.js';
import { Code } from '../dtype.js';
import { broadcastShapes, copyOf, formatShape, numelOf, wrapDim, wrapDims, type Shape } from '../tensor/shape.js';
import { elementsOf } from '../tensor/elements.js';
import { copyElements } from '../tensor/copy.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { tensorsOf, type Tensors } from '../op/schema.js';
import { stack } from './joining.js';

// ---- order -----------------------------------------------------------------------------------------------------------

/** Elements in reverse order along dims: a copy. See torch.flip. */
export const flip = defineOp('flip(Tensor self, int... dims)', (): OpDef => ({
  forward(self: Tensor, dims: number[]) {
    const out = Tensor.raw(self.shape, self.code);
    if (out.count === 0 || dims.length === 0) {
      if (dims.length > 0) wrapDims('flip', dims, self.shape.length);
      copyElements(out, self);
      return out;
    }
    const strides = copyOf(self.strides);
    let { offset } = self;
    for (const i of wrapDims('flip', dims, self.shape.length)) {
      offset += (self.shape[i]! - 1) * strides[i]!;
      strides[i] = -strides[i]!;
    }
    copyElements(out, self.stridedView(self.shape, strides, offset));
    return out;
  },
  backward: { self: d((grad, call) => grad.flip(call.dims)) },
}));
/** Left to right: flip of dim 1. See torch.fliplr. */
export const fliplr = defineOp('fliplr(Tensor self)', (): OpDef => ({
  forward(self: Tensor) {
    if (self.shape.length < 2)
      throw new TenfoldError('shape', `fliplr: needs at least 2 dims, got ${formatShape(self.shape)}`);
    return self.flip(1);
  },
  composite: true,
}));
/** Up to down: flip of dim 0. See torch.flipud. */
export const flipud = defineOp('flipud(Tensor self)', (): OpDef => ({
  forward(self: Tensor) {
    if (self.shape.length < 1) throw new TenfoldError('shape', 'flipud: needs at least 1 dim, got a 0-dim tensor');
    return self.flip(0);
  },
  composite: true,
}));

const list = (x: number | readonly number[]): readonly number[] => (typeof x === 'number' ? [x] : x);

/** Elements moved along dims by shifts; what leaves at one end comes in at the other. Without dims, of the flattened tensor. See torch.roll. */
export const roll = defineOp('roll(Tensor self, int[] shifts, int[] dims=[])', (): OpDef => ({
  forward(self: Tensor, shifts: number | number[], dims: number | number[]) {
    const [by, along] = [list(shifts), list(dims)];
    if (by.length === 0) throw new TenfoldError('value', 'roll: shifts is empty');
    if (along.length === 0 && by.length === 1)
      return self
        .reshape(-1)
        .roll(by as number[], 0)
        .view(self.shape as number[]);
    if (by.length !== along.length)
      throw new TenfoldError('value', `roll: ${by.length} shifts for ${along.length} dims`);
    if (self.shape.length === 0) throw new RangeError(`roll: a 0-dim tensor has no dim ${along[0]}`);
    const dense = along.map((i) => wrapDim('roll', i, self.shape.length));
    let from = self;
    dense.forEach((dim, k) => {
      const size = from.shape[dim]!;
      const out = Tensor.raw(from.shape, from.code);
      const shift = size === 0 ? 0 : ((by[k]! % size) + size) % size;
      copyElements(out.slice(dim, shift, size), from.slice(dim, 0, size - shift));
      copyElements(out.slice(dim, 0, shift), from.slice(dim, size - shift, size));
      from = out;
    });
    return from;
  },
  backward: {
    self: d((grad, call) =>
      grad.roll(
        list(call.shifts).map((s) => -s),
        list(call.dims),
      ),
    ),
  },
}));

/** Rotated by 90 degrees k times in the plane of two dims, from the first towards the second. See torch.rot90. */
export const rot90 = defineOp('rot90(Tensor self, int k=1, int[] dims=[0,1])', (): OpDef => ({
  forward(self: Tensor, k: number, dims: number | number[]) {
    const plane = list(dims);
    if (plane.length !== 2) throw new TenfoldError('value', `rot90: expected two dims, got [${plane}]`);
    if (self.shape.length < 2)
      throw new TenfoldError('shape', `rot90: needs at least 2 dims, got ${formatShape(self.shape)}`);
    const [a, b] = plane.map((i) => wrapDim('rot90', i, self.shape.length)) as [number, number];
    if (a === b) throw new TenfoldError('value', `rot90: the dims must differ, got [${plane}]`);
    switch (((k % 4) + 4) % 4) {
      case 1:
        return self.flip(b).transpose(a, b);
      case 2:
        return self.flip(a, b);
      case 3:
        return self.flip(a).transpose(a, b);
      default:
        return self.clone();
    }
  },
  composite: true,
}));

/** Dims moved to other places, the rest in their order: a view. See torch.movedim. */
export const movedim = defineOp('movedim(Tensor self, int[] source, int[] destination)', (): OpDef => ({
  forward(self: Tensor, source: number | number[], destination: number | number[]) {
    const n = self.shape.length;
    const [from, to] = [list(source), list(destination)];
    if (from.length !== to.length)
      throw new TenfoldError('value', `movedim: ${from.length} source dims for ${to.length} destinations`);
    const own = from.map((i) => wrapDim('movedim', i, n));
    const places = to.map((i) => wrapDim('movedim', i, n));
    if (new Set(own).size !== own.length || new Set(places).size !== places.length) {
      throw new TenfoldError('value', `movedim: a dim appears twice in [${from}] or [${to}]`);
    }
    if (n === 0) return self.view([]); // whose one dim may be called 0 or -1
    const order = new Array<number>(n).fill(-1);
    own.forEach((dim, i) => (order[places[i]!] = dim));
    const rest = order.map((_, i) => i).filter((i) => !own.includes(i));
    return self.permute(order.map((dim) => (dim < 0 ? rest.shift()! : dim)));
  },
  composite: true,
}));
/** transpose by another name. See torch.swapaxes. */
export const swapaxes = defineOp('swapaxes[_](Tensor self, int axis0, int axis1)', (): OpDef => ({
  forward: (self: Tensor, axis0: number, axis1: number) => self.transpose(axis0, axis1),
  turns: true,
  composite: true,
}));

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Dims in reverse order: the transposed matrix. A view. */
    readonly T: Tensor;
    /** The last two dims exchanged: each matrix of a batch transposed. A view. */
    readonly mT: Tensor;
    /** A matrix, transposed; a number stays. A view. */
    readonly H: Tensor;
    /** mT: no dtype is complex. A view. */
    readonly mH: Tensor;
  }
}
Object.defineProperty(Tensor.prototype, 'T', {
  configurable: true,
  get(this: Tensor): Tensor {
    return this.permute(this.shape.map((_, i) => this.shape.length - 1 - i));
  },
});
Object.defineProperty(Tensor.prototype, 'mT', {
  configurable: true,
  get(this: Tensor): Tensor {
    if (this.shape.length === 0) return this.permute([]);
    if (this.shape.length < 2)
      throw new TenfoldError('shape', `mT: needs at least 2 dims, got ${formatShape(this.shape)}`);
    return this.transpose(-2, -1);
  },
});
Object.defineProperty(Tensor.prototype, 'H', {
  configurable: true,
  get(this: Tensor): Tensor {
    if (this.shape.length !== 0 && this.shape.length !== 2)
      throw new TenfoldError(
        'shape',
        `H: needs a matrix, got ${formatShape(this.shape)}; use mH for the last two dims`,
      );
    return this.T;
  },
});
Object.defineProperty(Tensor.prototype, 'mH', {
  configurable: true,
  get(this: Tensor): Tensor {
    return this.mT;
  },
});

// ---- shape -----------------------------------------------------------------------------------------------------------

/** Dims startDim … endDim as one: a view where strides allow it. A 0-dim tensor gets one dim. See torch.flatten. */
export const flatten = defineOp('flatten(Tensor self, int startDim=0, int endDim=-1)', (): OpDef => ({
  forward(self: Tensor, startDim: number, endDim: number) {
    const n = self.shape.length;
    const [start, end] = [wrapDim('flatten', startDim, n), wrapDim('flatten', endDim, n)];
    if (start > end) throw new RangeError(`flatten: startDim ${startDim} comes after endDim ${endDim}`);
    if (n === 0) return self.reshape(1);
    if (start === end) return self;
    const { shape } = self;
    return self.reshape([...shape.slice(0, start), numelOf(shape.slice(start, end + 1)), ...shape.slice(end + 1)]);
  },
  composite: true,
}));
/** All elements in one dim: a view where the tensor is contiguous. See torch.ravel. */
export const ravel = defineOp('ravel(Tensor self)', (): OpDef => ({
  forward: (self: Tensor) => self.reshape(-1),
  composite: true,
}));

/** A dim as several, whose sizes (one may be -1) multiply to its size: a view. See torch.unflatten. */
export const unflatten = defineOp('unflatten(Tensor self, int dim, int[] sizes)', (): OpDef => ({
  forward(self: Tensor, dim: number, sizes: number | number[]) {
    if (self.shape.length === 0) throw new TenfoldError('shape', 'unflatten: a 0-dim tensor has no dim to unflatten');
    const at = wrapDim('unflatten', dim, self.shape.length);
    const own = self.shape[at]!;
    const into = [...list(sizes)];
    const known = into.reduce((n, s) => (s === -1 ? n : n * s), 1);
    const infer = into.indexOf(-1);
    if (infer >= 0 && known > 0 && own % known === 0 && !into.includes(-1, infer + 1)) into[infer] = own / known;
    if (into.length === 0 || into.some((s) => s < 0) || numelOf(into) !== own) {
      throw new TenfoldError(
        'shape',
        `unflatten: sizes [${list(sizes)}] don't multiply up to ${own}, the size of dim ${at}`,
      );
    }
    return self.view([...self.shape.slice(0, at), ...into, ...self.shape.slice(at + 1)]);
  },
  composite: true,
}));

/** expand to another tensor's shape. See torch.Tensor.expand_as. */
export const expandAs = defineOp('expandAs(Tensor self, Tensor other)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor) => self.expand([...other.shape]),
  composite: true,
}));
/** reshape to another tensor's shape. See torch.Tensor.reshape_as. */
export const reshapeAs = defineOp('reshapeAs(Tensor self, Tensor other)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor) => renamed('reshapeAs', () => self.reshape([...other.shape])),
  composite: true,
}));
/** view with another tensor's shape. See torch.Tensor.view_as. */
export const viewAs = defineOp('viewAs(Tensor self, Tensor other)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor) => renamed('viewAs', () => self.view([...other.shape])),
  composite: true,
}));
/** expand by its other name. See torch.broadcast_to. */
export const broadcastTo = defineOp('broadcastTo(Tensor self, int... size)', (): OpDef => ({
  forward: (self: Tensor, size: number[]) => renamed('broadcastTo', () => self.expand(size)),
  composite: true,
}));
/** Tensors expanded to the shape that all of them broadcast to: views. See torch.broadcast_tensors. */
export function broadcastTensors(...tensors: Tensors): Tensor[] {
  const all = tensorsOf('broadcastTensors', tensors);
  let shape: Shape = [];
  for (const t of all) shape = broadcastShapes('broadcastTensors', shape, t.shape);
  return all.map((t) => t.expand([...shape]));
}

/**
 * Grids of coordinates of vectors: the i-th result varies along dim i only. `indexing`: 'ij', or 'xy' with the first two
 * dims exchanged. Views. See torch.meshgrid.
 */
export function meshgrid(
  ...args:
    | [...Tensors]
    | [...tensors: Tensor[], options: { indexing?: 'ij' | 'xy' }]
    | [tensors: readonly Tensor[], options: { indexing?: 'ij' | 'xy' }]
): Tensor[] {
  const last = args.at(-1);
  const named = typeof last === 'object' && last !== null && !(last instanceof Tensor) && !Array.isArray(last);
  const options = (named ? last : {}) as { indexing?: 'ij' | 'xy' };
  checkOptions('meshgrid', options, ['indexing']);
  const { indexing = 'ij' } = options;
  if (indexing !== 'ij' && indexing !== 'xy')
    throw new TypeError(`meshgrid: indexing must be 'ij' or 'xy', got ${show(indexing)}`);
  const tensors = tensorsOf('meshgrid', named ? args.slice(0, -1) : args);
  if (tensors.length === 0) throw new TenfoldError('shape', 'meshgrid: expected at least one tensor');
  tensors.forEach((t) => {
    if (t.shape.length > 1)
      throw new TenfoldError(
        'shape',
        `meshgrid: expected tensors of at most one dim, got shape ${formatShape(t.shape)}`,
      );
    if (t.code !== tensors[0]!.code)
      throw new TenfoldError(
        'dtype',
        `meshgrid: all tensors must have one dtype, got ${tensors[0]!.dtype} and ${t.dtype}`,
      );
  });
  const swap = indexing === 'xy' && tensors.length > 1;
  const order = swap ? [tensors[1]!, tensors[0]!, ...tensors.slice(2)] : tensors;
  const shape = order.map((t) => t.count);
  const grids = order.map((t, i) => t.reshape(shape.map((s, k) => (k === i ? s : 1))).expand(shape));
  if (!swap) return grids;
  return [grids[1]!, grids[0]!, ...grids.slice(2)];
}

/** All tuples of one element of each vector, as rows. See torch.cartesian_prod. */
export function cartesianProd(...tensors: Tensors): Tensor {
  const all = tensorsOf('cartesianProd', tensors);
  if (all.length === 0) throw new TypeError('cartesianProd: expected at least one tensor');
  if (all.length === 1) return all[0]!;
  return stack(
    renamed('cartesianProd', () => meshgrid(all)).map((g) => g.flatten()),
    1,
  );
}

/** All choices of r elements of a vector, as rows, in order; withReplacement, with repeats. See torch.combinations. */
export const combinations = defineOp('combinations(Tensor input, int r=2, bool withReplacement=false)', (): OpDef => ({
  forward(input: Tensor, r: number, withReplacement: boolean) {
    if (input.shape.length !== 1)
      throw new TenfoldError('shape', `combinations: expected one dim, got shape ${formatShape(input.shape)}`);
    if (r < 0) throw new RangeError(`combinations: r must not be negative, got ${r}`);
    if (r === 0) return Tensor.raw([0], input.code);
    // Of n, or of n + r − 1 with repeats: n (n − 1) … / r!, and as many for n − r.
    const from = withReplacement ? input.count + r - 1 : input.count;
    const factors = Math.min(r, from - r);
    let rows = factors < 0 ? 0 : 1;
    for (let k = 0; k < factors && rows < Number.MAX_SAFE_INTEGER; k++)
      rows = Math.round((rows * (from - k)) / (k + 1));
    const index = Tensor.rawFor('combinations', [rows * r], Code.i64);
    const memory = elementsOf(index) as BigInt64Array;
    const chosen = Array.from({ length: rows === 0 ? 0 : r }, (_, k) => (withReplacement ? 0 : k));
    for (let row = 0; row < rows; row++) {
      chosen.forEach((i, k) => (memory[row * r + k] = BigInt(i)));
      // The last position that can go on does, and those behind it start from there.
      let k = r - 1;
      while (k >= 0 && chosen[k] === input.count - (withReplacement ? 1 : r - k)) k--;
      for (let next = (chosen[k] ?? 0) + 1; k >= 0 && k < r; k++) chosen[k] = withReplacement ? next : next++;
    }
    return input.indexSelect(0, index).view(rows, r);
  },
  composite: true,
}));

// ---- windows ---------------------------------------------------------------------------------------------------------

/** Windows of `size` indices of a dim, every `step`: a view with a new last dim. See torch.Tensor.unfold. */
export const unfold = defineOp('unfold(Tensor self, int dimension, int size, int step)', (): OpDef => ({
  forward(self: Tensor, dimension: number, size: number, step: number) {
    const dim = wrapDim('unfold', dimension, self.shape.length);
    const own = self.shape[dim] ?? 1;
    if (size < 0 || size > own)
      throw new RangeError(`unfold: size ${size} is out of range for dim ${dim} of size ${own}`);
    if (step < 1) throw new RangeError(`unfold: step must be positive, got ${step}`);
    const stride = self.strides[dim] ?? 1;
    const shape = [...self.shape, size];
    const strides = [...self.strides, stride];
    if (self.shape.length > 0) {
      shape[dim] = Math.floor((own - size) / step) + 1;
      strides[dim] = stride * step;
    }
    return self.stridedView(shape, strides, self.offset);
  },
  backward: {
    self: d((grad, call) => foldWindows(grad, call.self.shape, call.dimension, call.size, call.step)),
  },
}));
/** Transpose of unfold: windows added up where they came from. */
const foldWindows = defineOp(
  'foldWindows(Tensor input, int[] shape, int dimension, int size, int step)',
  (): OpDef => ({
    forward(input: Tensor, shape: number[], dimension: number, size: number, step: number) {
      if (shape.length === 0) return size === 0 ? Tensor.zeros([], input.code) : input.reshape([]);
      const out = Tensor.zeros(shape, input.code);
      const dim = wrapDim('unfold', dimension, shape.length);
      const windows = input.shape[dim]!;
      // Windows of one offset don't overlap, nor do the elements of one window.
      if (size <= windows) {
        for (let s = 0; s < size; s++) out.slice(dim, s, s + (windows - 1) * step + 1, step).add_(input.select(-1, s));
      } else {
        for (let w = 0; w < windows; w++) out.narrow(dim, w * step, size).add_(input.select(dim, w).movedim(-1, dim));
      }
      return out;
    },
    backward: { input: d((grad, call) => grad.unfold(call.dimension, call.size, call.step)) },
  }),
);
