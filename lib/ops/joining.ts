/** Joining tensors and taking them apart. The parts are views; all the parts of one call share a node. */
import { TenfoldError, renamed } from '../errors.js';
import { Code, SIZE, defaultFloat } from '../dtype.js';
import { tensorOps } from '../autograd/meta.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { formatShape, numelOf, sameShape, wrapDim, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { promote } from '../op/elementwise.js';
import { overload } from '../op/overload.js';
import type { Overload } from '../op/schema.js';
import { tensorsOf, type Tensors } from '../op/schema.js';
import { copyElements } from '../tensor/copy.js';
import { elementsOf } from '../tensor/elements.js';

// ---- joining ---------------------------------------------------------------------------------------------------------

function needTensors(call: string, tensors: readonly Tensor[]): void {
  if (tensors.length === 0) throw new TenfoldError('shape', `${call}: expected at least one tensor, got an empty list`);
}
const withSize = (shape: Shape, dim: number, size: number): number[] => shape.map((s, i) => (i === dim ? size : s));

/** Part of a tensor along a dim: a view, outside any graph. */
const part = (x: Tensor, dim: number, start: number, size: number): Tensor =>
  x.stridedView(withSize(x.shape, dim, size), x.strides, x.offset + start * x.strides[dim]!);

const COPY_ROWS = kernel('copyRows')[Code.i64]!;
/**
 * Copies a source into a dense result, `width` elements behind each other every `stride` of the result from `start` on.
 * `place` gives that part as a view, for sources that must be cast or gathered.
 */
function putBlock(
  out: Tensor,
  start: number,
  stride: number,
  source: Tensor,
  width: number,
  place: () => Tensor,
): void {
  if (source.count === 0) return;
  if (!source.dense || source.code !== out.code) {
    copyElements(place(), source);
    return;
  }
  const bytes = SIZE[out.code]!;
  const row = width * bytes;
  run(COPY_ROWS, source.count / width, row, out, start * bytes, stride * bytes, source, row);
}

// An empty one-dim tensor joins with anything, as in PyTorch (from a time when it stood for "nothing").
const isNothing = (shape: Shape): boolean => shape.length === 1 && shape[0] === 0;

/** Tensors one behind the other along a dim; their other sizes must agree, dtypes promote. See torch.cat. */
export const cat = defineOp('cat(Tensor[] tensors, int dim=0)', (): OpDef => ({
  forward(tensors: Tensor[], dim: number) {
    needTensors('cat', tensors);
    const first = tensors.find((t) => !isNothing(t.shape)) ?? tensors[0]!;
    const { shape } = first;
    if (shape.length === 0) throw new TenfoldError('shape', 'cat: 0-dim tensors can’t be joined; use stack');
    const at = wrapDim('cat', dim, shape.length);
    const parts = tensors.filter((t) => t === first || !isNothing(t.shape));
    let total = 0;
    for (const t of parts) {
      if (t.shape.length !== shape.length || t.shape.some((s, i) => i !== at && s !== shape[i])) {
        throw new TenfoldError(
          'shape',
          `cat: shapes ${formatShape(shape)} and ${formatShape(t.shape)} must agree in all dims but dim ${at}`,
        );
      }
      total += t.shape[at]!;
    }
    const out = Tensor.raw(withSize(shape, at, total), promote(...tensors));
    const inner = numelOf(shape.slice(at + 1));
    let offset = 0;
    for (const t of parts) {
      const size = t.shape[at]!;
      putBlock(out, offset * inner, total * inner, t, size * inner, () => part(out, at, offset, size));
      offset += size;
    }
    return out;
  },
  backward: {
    tensors: d((grad, call) => {
      const shapes = (call.tensors as { shape: Shape }[]).map((t) => t.shape);
      const full = shapes.find((s) => !isNothing(s)) ?? shapes[0]!;
      const at = wrapDim('cat', call.dim, full.length);
      const sizes = shapes.map((s) => (s.length === full.length ? s[at]! : 0));
      return grad
        .splitWithSizes(sizes, at)
        .map((g: Tensor, i: number) => (shapes[i]!.length === full.length ? g : g.reshape([0])));
    }),
  },
}));

/** Tensors of one shape along a new dim. See torch.stack. */
export const stack = defineOp('stack(Tensor[] tensors, int dim=0)', (): OpDef => ({
  forward(tensors: Tensor[], dim: number) {
    needTensors('stack', tensors);
    const { shape } = tensors[0]!;
    const at = wrapDim('stack', dim, shape.length + 1);
    tensors.forEach((t, i) => {
      if (!sameShape(t.shape, shape)) {
        throw new TenfoldError(
          'shape',
          `stack: all tensors must have one shape, got ${formatShape(shape)} and, at ${i}, ${formatShape(t.shape)}`,
        );
      }
    });
    const out = Tensor.raw([...shape.slice(0, at), tensors.length, ...shape.slice(at)], promote(...tensors));
    const inner = numelOf(shape.slice(at));
    tensors.forEach((t, i) => {
      putBlock(out, i * inner, tensors.length * inner, t, inner, () => out.select(at, i));
    });
    return out;
  },
  backward: { tensors: d((grad, call) => grad.unbind(wrapDim('stack', call.dim, call.tensors[0].shape.length + 1))) },
}));
tensorOps.stack = (list) => stack([...list]);

const atLeast = (x: Tensor, dims: number): Tensor => {
  if (x.shape.length >= dims) return x;
  if (dims === 1) return x.reshape(1);
  if (dims === 2) return x.shape.length === 0 ? x.reshape(1, 1) : x.unsqueeze(0);
  if (x.shape.length === 0) return x.reshape(1, 1, 1);
  return x.shape.length === 1 ? x.unsqueeze(0).unsqueeze(-1) : x.unsqueeze(-1);
};
function atLeastAll(call: string, dims: number, args: readonly unknown[]): Tensor | Tensor[] {
  const tensors = tensorsOf(call, args);
  const out = tensors.map((t) => atLeast(t, dims));
  return args.length === 1 && !Array.isArray(args[0]) ? out[0]! : out;
}
/** A 0-dim tensor as one of one dim; others as they are. Of several tensors, or a list, a list. See torch.atleast_1d. */
export function atleast1d(input: Tensor): Tensor;
export function atleast1d(...tensors: Tensors): Tensor[];
export function atleast1d(...args: unknown[]): Tensor | Tensor[] {
  return atLeastAll('atleast1d', 1, args);
}
/** A tensor of fewer than two dims as a matrix of one row. Of several tensors, or a list, a list. See torch.atleast_2d. */
export function atleast2d(input: Tensor): Tensor;
export function atleast2d(...tensors: Tensors): Tensor[];
export function atleast2d(...args: unknown[]): Tensor | Tensor[] {
  return atLeastAll('atleast2d', 2, args);
}
/**
 * A tensor of fewer than three dims with dims of size 1 around it. Of several tensors, or a list, a list. See
 * torch.atleast_3d.
 */
export function atleast3d(input: Tensor): Tensor;
export function atleast3d(...tensors: Tensors): Tensor[];
export function atleast3d(...args: unknown[]): Tensor | Tensor[] {
  return atLeastAll('atleast3d', 3, args);
}

// The stack functions are cat on tensors of enough dims; its messages get their names.
function joinAs(call: string, tensors: readonly Tensor[], dim: number): Tensor {
  needTensors(call, tensors);
  return renamed(call, () => cat(tensors, dim));
}
/** Tensors side by side: along dim 1, vectors along dim 0. See torch.hstack. */
export const hstack = defineOp('hstack(Tensor[] tensors)', (): OpDef => ({
  forward: (tensors: Tensor[]) =>
    joinAs(
      'hstack',
      tensors.map((t) => atLeast(t, 1)),
      (tensors[0]?.shape.length ?? 0) < 2 ? 0 : 1,
    ),
  composite: true,
}));
/** Tensors below each other: along dim 0, vectors as rows. See torch.vstack. */
export const vstack = defineOp('vstack(Tensor[] tensors)', (): OpDef => ({
  forward: (tensors: Tensor[]) =>
    joinAs(
      'vstack',
      tensors.map((t) => atLeast(t, 2)),
      0,
    ),
  composite: true,
}));
/** Tensors behind each other: along dim 2. See torch.dstack. */
export const dstack = defineOp('dstack(Tensor[] tensors)', (): OpDef => ({
  forward: (tensors: Tensor[]) =>
    joinAs(
      'dstack',
      tensors.map((t) => atLeast(t, 3)),
      2,
    ),
  composite: true,
}));
/** Tensors side by side, vectors as columns. See torch.column_stack. */
export const columnStack = defineOp('columnStack(Tensor[] tensors)', (): OpDef => ({
  forward: (tensors: Tensor[]) =>
    joinAs(
      'columnStack',
      tensors.map((t) => (t.shape.length < 2 ? t.reshape(-1, 1) : t)),
      1,
    ),
  composite: true,
}));

/**
 * A matrix with matrices one after the other along its diagonal, 0 elsewhere; vectors are rows, 0-dim tensors 1 × 1. See
 * torch.block_diag.
 */
export function blockDiag(...tensors: Tensors): Tensor {
  const blocks = tensorsOf('blockDiag', tensors).map((t) => {
    if (t.shape.length > 2)
      throw new TenfoldError('shape', `blockDiag: expected at most 2 dims, got shape ${formatShape(t.shape)}`);
    return atLeast(t, 2);
  });
  if (blocks.length === 0) return Tensor.zeros([1, 0], defaultFloat());
  const total = blocks.reduce((sum, b) => sum + b.shape[1]!, 0);
  let before = 0;
  const rows = blocks.map((b) => {
    const [height, width] = b.shape as readonly [number, number];
    const zeros = (columns: number): Tensor => Tensor.zeros([height, columns], b.code);
    before += width;
    return cat([zeros(before - width), b, zeros(total - before)], 1);
  });
  return cat(rows);
}

// ---- taking apart ----------------------------------------------------------------------------------------------------

const splitSizes = defineOp('splitSizes(Tensor input, int[] sizes, int dim) -> Tensor[]', (): OpDef => ({
  forward(input: Tensor, sizes: number[], dim: number) {
    let start = 0;
    return sizes.map((size) => {
      start += size;
      return part(input, dim, start - size, size);
    });
  },
  backward: { input: d((grads, call) => cat(grads, call.dim)) },
  gradName: 'SplitBackward0',
}));

function splitDim(call: string, self: Tensor, dim: number): number {
  if (self.shape.length === 0) throw new TenfoldError('shape', `${call}: a 0-dim tensor can't be split`);
  return wrapDim(call, dim, self.shape.length);
}
function splitInto(call: string, self: Tensor, sizes: readonly number[], dim: number): Tensor[] {
  const at = splitDim(call, self, dim);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (sizes.some((s) => s < 0) || total !== self.shape[at]) {
    throw new TenfoldError(
      'shape',
      `${call}: sizes [${sizes}] must not be negative, and add up to ${self.shape[at]}, the size of dim ${at}`,
    );
  }
  return splitSizes(self, sizes, at);
}
function evenly(call: string, self: Tensor, size: number, dim: number): Tensor[] {
  const at = splitDim(call, self, dim);
  const total = self.shape[at]!;
  if (size < 0 || (size === 0 && total > 0))
    throw new RangeError(`${call}: the size of a part must be positive, got ${size}`);
  const count = Math.max(size === 0 ? 1 : Math.ceil(total / size), 1);
  const sizes = Array.from({ length: count }, (_, i) => (i < count - 1 ? size : total - (count - 1) * size));
  return splitSizes(self, sizes, at);
}

/** Views of `splitSize` indices of a dim each (the last may have fewer), or of the sizes in a list. See torch.split. */
export const split = defineOp('split(Tensor self, int[] splitSize, int dim=0) -> Tensor[]', (): OpDef => ({
  forward: (self: Tensor, splitSize: number | number[], dim: number) =>
    typeof splitSize === 'number' ? evenly('split', self, splitSize, dim) : splitInto('split', self, splitSize, dim),
  composite: true,
}));
/** Views of these sizes along a dim. See torch.split_with_sizes. */
export const splitWithSizes = defineOp(
  'splitWithSizes(Tensor self, int[] splitSizes, int dim=0) -> Tensor[]',
  (): OpDef => ({
    forward: (self: Tensor, sizes: number | number[], dim: number) =>
      splitInto('splitWithSizes', self, typeof sizes === 'number' ? [sizes] : sizes, dim),
    composite: true,
  }),
);
/** At most `chunks` views of equal size along a dim; the last may be smaller. See torch.chunk. */
export const chunk = defineOp('chunk(Tensor self, int chunks, int dim=0) -> Tensor[]', (): OpDef => ({
  forward(self: Tensor, chunks: number, dim: number) {
    if (chunks < 1) throw new RangeError(`chunk: the number of chunks must be positive, got ${chunks}`);
    const at = splitDim('chunk', self, dim);
    const total = self.shape[at]!;
    if (total === 0) return splitSizes(self, new Array<number>(chunks).fill(0), at);
    return evenly('chunk', self, Math.ceil(total / chunks), at);
  },
  composite: true,
}));

/** Most parts of tensorSplit; each is a tensor. */
const MAX_SECTIONS = 2 ** 24;

/**
 * Views along a dim: a number of almost equal ones, or cut before each index of a list (or of a 1-dim int64 tensor).
 * See torch.tensor_split.
 */
export const tensorSplit = defineOp(
  'tensorSplit(Tensor self, any indicesOrSections, int dim=0) -> Tensor[]',
  (): OpDef => ({
    forward(self: Tensor, cuts: unknown, dim: number) {
      const at = splitDim('tensorSplit', self, dim);
      const total = self.shape[at]!;
      const given = cuts instanceof Tensor ? (cuts.to('int64').tolist() as unknown) : cuts;
      if (typeof given === 'number') {
        if (!Number.isInteger(given) || given < 1 || given > MAX_SECTIONS)
          throw new RangeError(`tensorSplit: the number of sections must be from 1 to ${MAX_SECTIONS}, got ${given}`);
        const small = Math.floor(total / given);
        const sizes = Array.from({ length: given }, (_, i) => small + (i < total % given ? 1 : 0));
        return splitSizes(self, sizes, at);
      }
      if (!Array.isArray(given) || !given.every(Number.isInteger)) {
        throw new TypeError(
          "tensorSplit: 'indicesOrSections' must be an integer, a list of integers, or a tensor of at most one dim",
        );
      }
      const cut = (i: number): number => Math.min(Math.max(i < 0 ? i + total : i, 0), total);
      const ends = [...(given as number[]).map(cut), total];
      // A cut before the one in front of it gives an empty part; the parts then overlap, as slices do.
      const parts = ends.map((end, i) => [i === 0 ? 0 : ends[i - 1]!, end] as const);
      if (parts.every(([start, end]) => start <= end))
        return splitSizes(
          self,
          parts.map(([start, end]) => end - start),
          at,
        );
      return parts.map(([start, end]) => self.slice(at, start, Math.max(start, end)));
    },
    composite: true,
  }),
);

/** The block of tensorSplit along a dim that the tensor's number of dims says, with equal parts only. */
const equalParts = (call: string, least: number, dimOf: (dims: number) => number) => (): OpDef => ({
  forward(self: Tensor, cuts: number | readonly number[]) {
    const dims = self.shape.length;
    if (dims < least) throw new TenfoldError('shape', `${call}: needs at least ${least} dims, got ${dims}`);
    const dim = dimOf(dims);
    const size = self.shape[dim]!;
    if (typeof cuts === 'number' && (cuts < 1 || size % cuts !== 0)) {
      throw new TenfoldError(
        'shape',
        `${call}: dim ${dim} of size ${size} can't be split in ${cuts} equal parts; use tensorSplit`,
      );
    }
    return renamed(call, () => tensorSplit(self, cuts, dim));
  },
  composite: true,
});
/** Views along dim 1, of a vector along dim 0: a number of equal ones, or cut before each index. See torch.hsplit. */
export const hsplit = defineOp(
  'hsplit(Tensor self, int[] indicesOrSections) -> Tensor[]',
  equalParts('hsplit', 1, (dims) => (dims === 1 ? 0 : 1)),
);
/** Views along dim 0: a number of equal ones, or cut before each index. See torch.vsplit. */
export const vsplit = defineOp(
  'vsplit(Tensor self, int[] indicesOrSections) -> Tensor[]',
  equalParts('vsplit', 2, () => 0),
);
/** Views along dim 2: a number of equal ones, or cut before each index. See torch.dsplit. */
export const dsplit = defineOp(
  'dsplit(Tensor self, int[] indicesOrSections) -> Tensor[]',
  equalParts('dsplit', 3, () => 2),
);

/** Views of each index of a dim, which disappears. See torch.unbind. */
export const unbind = defineOp('unbind(Tensor self, int dim=0) -> Tensor[]', (): OpDef => ({
  forward(self: Tensor, dim: number) {
    if (self.shape.length === 0) throw new RangeError('unbind: a 0-dim tensor has no dim to unbind');
    const at = wrapDim('unbind', dim, self.shape.length);
    const other = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== at);
    const [shape, strides] = [other(self.shape), other(self.strides)];
    return Array.from({ length: self.shape[at]! }, (_, i) =>
      self.stridedView(shape, strides, self.offset + i * self.strides[at]!),
    );
  },
  backward: {
    self: d((grads, call) =>
      grads.length === 0
        ? Tensor.zeros(call.self.shape, call.self.code)
        : stack(grads, wrapDim('unbind', call.dim, call.self.shape.length)),
    ),
  },
}));

// ---- repeating -------------------------------------------------------------------------------------------------------

/** The tensor repeated along each dim; more repeats than dims put new dims in front. A copy. See torch.Tensor.repeat. */
export const repeat = defineOp('repeat(Tensor self, int... repeats)', (): OpDef => ({
  forward(self: Tensor, repeats: number[]) {
    const added = repeats.length - self.shape.length;
    if (added < 0) {
      throw new TenfoldError(
        'shape',
        `repeat: ${repeats.length} repeats for a tensor of ${self.shape.length} dims, shape ${formatShape(self.shape)}`,
      );
    }
    if (repeats.some((r) => r < 0)) throw new RangeError(`repeat: repeats must not be negative, got [${repeats}]`);
    // [r0, s0, r1, s1, …]: the source broadcasts over the repeats.
    const out = Tensor.raw(
      repeats.map((r, i) => r * (self.shape[i - added] ?? 1)),
      self.code,
    );
    const { shape, repeated } = repeatShapes(self.shape, repeats);
    copyElements(out.view(repeated), self.reshape(shape));
    return out;
  },
  backward: {
    self: d((grad, call) => {
      const { repeated } = repeatShapes(call.self.shape, call.repeats);
      const axes = call.repeats.map((_: number, i: number) => 2 * i);
      if (call.repeats.includes(0)) return Tensor.zeros(call.self.shape, grad.code);
      const summed = axes.length > 0 ? grad.reshape(repeated).sum(axes) : grad;
      return summed.reshape(call.self.shape);
    }),
  },
}));
function repeatShapes(shape: Shape, repeats: readonly number[]): { shape: number[]; repeated: number[] } {
  const added = repeats.length - shape.length;
  const sizes = repeats.map((_, i) => shape[i - added] ?? 1);
  return { shape: sizes.flatMap((s) => [1, s]), repeated: repeats.flatMap((r, i) => [r, sizes[i]!]) };
}

/** The tensor repeated along its last dims, or all of them. See torch.tile. */
export const tile = defineOp('tile(Tensor self, int... dims)', (): OpDef => ({
  forward: (self: Tensor, dims: number[]) =>
    self.repeat([...new Array<number>(Math.max(self.shape.length - dims.length, 0)).fill(1), ...dims]),
  composite: true,
}));

const repeatElements = defineOp(
  'repeatInterleave(Tensor self, any repeats, int? dim=null, *, int? outputSize=null)',
  (): OpDef => ({
    forward(self: Tensor, repeats: unknown, dim: number | null, outputSize: number | null) {
      const x = dim === null ? self.reshape(-1) : self;
      const at = dim === null ? 0 : wrapDim('repeatInterleave', dim, self.shape.length);
      const size = x.shape[at] ?? 1;
      const counts = readRepeats(repeats, size);
      return x.indexSelect(at, placesOf(counts, outputSize));
    },
    composite: true,
  }),
);
const repeatPlaces = defineOp('repeatInterleave(Tensor repeats, *, int? outputSize=null)', (): OpDef => ({
  forward(repeats: Tensor, outputSize: number | null) {
    if (repeats.shape.length !== 1) {
      throw new TenfoldError(
        'shape',
        `repeatInterleave: repeats alone must have one dim, got ${formatShape(repeats.shape)}`,
      );
    }
    return placesOf(readRepeats(repeats, repeats.count), outputSize).to(repeats.dtype);
  },
  differentiable: false,
}));
/**
 * Each element (or, with a dim, each slice) repeated a number of times: one number, or one per slice in an int64 tensor.
 * Without a dim, of the flattened tensor. With a tensor of repeats alone: each of its indices as often as it says. See
 * torch.repeat_interleave.
 */
export const repeatInterleave: Overload<'repeatInterleave', typeof repeatElements, typeof repeatPlaces> = overload(
  'repeatInterleave',
  repeatElements,
  repeatPlaces,
);

/** Each index as often as its count says. */
function placesOf(counts: readonly number[], outputSize: number | null): Tensor {
  const total = counts.reduce((a, b) => a + b, 0);
  if (outputSize !== null && outputSize !== total) {
    throw new TenfoldError(
      'value',
      `repeatInterleave: outputSize is ${outputSize}, but the repeats add up to ${total}`,
    );
  }
  const index = Tensor.rawFor('repeatInterleave', [total], Code.i64);
  const memory = elementsOf(index) as BigInt64Array;
  let next = 0;
  counts.forEach((n, i) => {
    memory.fill(BigInt(i), next, next + n);
    next += n;
  });
  return index;
}
function readRepeats(repeats: unknown, size: number): number[] {
  const list =
    repeats instanceof Tensor ? repeats.reshape(-1).tolist() : typeof repeats === 'number' ? [repeats] : repeats;
  if (
    repeats instanceof Tensor &&
    (repeats.shape.length > 1 || (repeats.code !== Code.i64 && repeats.code !== Code.i32))
  ) {
    throw new TypeError(
      `repeatInterleave: 'repeats' must be an int64 or int32 tensor of at most one dim, got ${repeats.dtype} of shape ${formatShape(repeats.shape)}`,
    );
  }
  if (!Array.isArray(list) || !list.every(Number.isInteger)) {
    throw new TypeError("repeatInterleave: 'repeats' must be an integer, a list of integers, or an int64 tensor");
  }
  const counts = (list.length === 1 ? new Array<number>(size).fill(list[0] as number) : list) as number[];
  if (counts.length !== size)
    throw new TenfoldError('shape', `repeatInterleave: ${counts.length} repeats for a dim of size ${size}`);
  if (counts.some((n) => n < 0))
    throw new RangeError(`repeatInterleave: repeats must not be negative, got [${counts}]`);
  return counts;
}
