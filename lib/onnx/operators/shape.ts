/** Shapes: what changes where elements stand, not what they are. */
import { TenfoldError } from '../../errors.js';
import { arange, eye, zeros } from '../../ops/creation.js';
import { cat } from '../../ops/index.js';
import { Code } from '../../dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import { broadcastShapes } from '../../tensor/shape.js';
import { Integers, MOST, numberOf } from '../integers.js';
import { operator, operators, table, type Value } from '../signature.js';
import { dtypeFor } from '../tensors.js';
import { padded } from './padding.js';

/** A dim counted from the end where negative. */
export function wrapAxis(call: string, axis: number, ndim: number): number {
  const at = axis < 0 ? axis + ndim : axis;
  if (!(at >= 0 && at < ndim)) throw new RangeError(`${call}: axis ${axis} of a tensor of ${ndim} dims`);
  return at;
}
const product = (list: readonly number[]): number => list.reduce((n, m) => n * m, 1);
const indices = (list: readonly number[]): Tensor => new Integers(list).tensor;

function reshape(x: Tensor, shape: readonly number[], allowZero: boolean): Tensor {
  const sizes = shape.map((n, d) => {
    if (n !== 0 || allowZero) return n;
    if (d >= x.ndim)
      throw new TenfoldError('shape', `Reshape: [${shape}] copies dim ${d} of a tensor of ${x.ndim} dims`);
    return x.shape[d]!;
  });
  // PyTorch finds no size for -1 beside a 0; here all others decide.
  const rest = product(sizes.filter((n) => n !== -1));
  if (sizes.includes(-1) && x.count === 0)
    return x.reshape(sizes.map((n) => (n === -1 ? (rest === 0 ? 0 : x.count / rest) : n)));
  return x.reshape(sizes);
}

/** Elements from start to end, as Python's slices are: any step but 0, positions from the end, beyond it cut off. */
function sliceAxis(x: Tensor, axis: number, start: number, end: number, step: number): Tensor {
  const n = x.shape[axis]!;
  const { first, count } = range(n, start, end, step);
  if (step > 0) return x.slice(axis, first, count === 0 ? first : first + (count - 1) * step + 1, step);
  // Backwards: the same elements forwards, then turned.
  const low = first + (count - 1) * step;
  return count === 0 ? x.slice(axis, 0, 0, 1) : x.slice(axis, low, first + 1, -step).flip(axis);
}
function range(n: number, start: number, end: number, step: number): { first: number; count: number } {
  if (step === 0) throw new RangeError('Slice: a step is 0');
  const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + n : at, low), high);
  const first = step > 0 ? clamp(start) : Math.max(clamp(start), -1);
  return { first, count: Math.max(0, Math.ceil((clamp(end) - first) / step)) };
}

function split(
  a: { num_outputs: number | null; outputs: number },
  x: Tensor,
  dim: number,
  sizes: readonly number[] | null,
): Tensor[] {
  if (sizes !== null) return x.splitWithSizes(sizes, dim);
  const parts = a.num_outputs ?? a.outputs;
  const size = Math.ceil(x.shape[dim]! / parts);
  const list = Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(size, x.shape[dim]! - i * size)));
  return x.splitWithSizes(list, dim);
}

/** Blocks of b × b elements from depth to space; DCR: depth, column, row. */
function depthToSpace(x: Tensor, b: number, mode: string): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const depth = c / (b * b);
  const y =
    mode === 'DCR'
      ? x.reshape(n, b, b, depth, h, w).permute(0, 3, 4, 1, 5, 2)
      : x.reshape(n, depth, b, b, h, w).permute(0, 1, 4, 2, 5, 3);
  return y.reshape(n, depth, h * b, w * b);
}
function spaceToDepth(x: Tensor, b: number, mode: string): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const y = x.reshape(n, c, h / b, b, w / b, b);
  return (mode === 'DCR' ? y.permute(0, 3, 5, 1, 2, 4) : y.permute(0, 1, 3, 5, 2, 4)).reshape(
    n,
    c * b * b,
    h / b,
    w / b,
  );
}

/** start, start + delta, … below limit, in their dtype. */
function rangeOf(start: Tensor, limit: Tensor, delta: Tensor): Tensor {
  const [from, to, step] = [start, limit, delta].map(numberOf) as [number, number, number];
  if (step === 0) throw new RangeError('Range: delta is 0');
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!Number.isSafeInteger(count)) throw new RangeError(`Range: from ${from} to ${to} in steps of ${step}`);
  // In double precision, as each element is start + i delta there.
  return start.code === Code.i64
    ? arange(count).mul(step).add(from)
    : arange(count, { dtype: 'float64' }).mul(step).add(from).to(start.dtype);
}

function reverseSequence(x: Tensor, lengths: readonly number[], batchAxis: number, timeAxis: number): Tensor {
  const steps = x.shape[timeAxis]!;
  const order = lengths.flatMap((length) => Array.from({ length: steps }, (_, t) => (t < length ? length - 1 - t : t)));
  const shape = x.shape.map((n, d) => (d === batchAxis || d === timeAxis ? n : 1));
  let index = indices(order).reshape(lengths.length, steps);
  if (batchAxis > timeAxis) index = index.t();
  return x.gather(timeAxis, index.reshape(shape).expand([...x.shape]));
}

/** Cut from, or filled with zeros around, its middle. */
function centerCropPad(x: Tensor, sizes: readonly number[], axes: readonly number[]): Tensor {
  let y = x;
  axes.forEach((axis, i) => {
    const have = x.shape[axis]!;
    const want = sizes[i]!;
    if (want < have) y = y.narrow(axis, Math.floor((have - want) / 2), want);
    else if (want > have) {
      const before = Math.floor((want - have) / 2);
      y = padded(y, [axis], [before], [want - have - before], 'constant', 0);
    }
  });
  return y;
}

/** New values at the positions from each sample's write index on. */
function tensorScatter(
  cache: Tensor,
  update: Tensor,
  starts: readonly number[] | null,
  axis: number,
  circular: boolean,
): Tensor {
  const n = cache.shape[axis]!;
  const length = update.shape[axis]!;
  const samples = cache.shape[0]!;
  const places = Array.from({ length: samples }, (_, b) =>
    Array.from({ length }, (__, t) => {
      const at = (starts?.[b] ?? 0) + t;
      if (!circular && !(at >= 0 && at < n)) throw new RangeError(`TensorScatter: position ${at} of ${n}`);
      return ((at % n) + n) % n;
    }),
  );
  const shape = update.shape.map((m, d) => (d === 0 || d === axis ? m : 1));
  return cache.scatter(
    axis,
    indices(places.flat())
      .reshape(shape)
      .expand([...update.shape]),
    update,
  );
}

const squeezeAll = (x: Tensor): Tensor => x.squeeze();
const withAxes = (x: Integers, axes: readonly number[]): boolean => axes.length === 1 && !x.scalar && axes[0] === 0;

export const SHAPE = table(
  operator(
    'Identity(value input)',
    (_, x: Value) => x,
    (_, x) => x,
  ),
  operator('Shape(value data; int start=0, int? end)', (a, x: Tensor | Integers) => {
    const n = x.shape.length;
    const at = (d: number): number => Math.min(Math.max(d < 0 ? d + n : d, 0), n);
    return new Integers(x.shape.slice(at(a.start), at(a.end ?? n)));
  }),
  operator('Size(value data)', (_, x: Tensor | Integers) => new Integers([product(x.shape)], true)),
  operator(
    'Reshape(Tensor data, ints shape; int allowzero=0)',
    (a, x: Tensor, shape: number[]) => reshape(x, shape, a.allowzero !== 0),
    (_, x, shape) =>
      shape.values.length === 0 && x.values.length === 1
        ? new Integers(x.values, true)
        : shape.values.length === 1 && [-1, x.values.length].includes(shape.values[0]!)
          ? new Integers(x.values)
          : null,
  ),
  operator('Flatten(Tensor input; int axis=1)', (a, x: Tensor) => {
    const axis = a.axis < 0 ? a.axis + x.ndim : a.axis;
    return x.reshape([product(x.shape.slice(0, axis)), product(x.shape.slice(axis))]);
  }),
  operator(
    'Squeeze(Tensor data, ints? axes; ints? axes)',
    (a, x: Tensor, given: number[] | null) => {
      const axes = given ?? a.axes;
      if (axes === null) return squeezeAll(x);
      const bad = axes.find((d) => x.shape[wrapAxis('Squeeze', d, x.ndim)] !== 1);
      if (bad !== undefined) throw new TenfoldError('shape', `Squeeze: dim ${bad} of [${x.shape}] is not 1`);
      return axes.length === 0 ? x : x.squeeze(axes);
    },
    (a, x, given) =>
      x.values.length === 1 && withAxes(x, given?.values ?? a.axes ?? [0]) ? new Integers(x.values, true) : null,
  ),
  operator(
    'Unsqueeze(Tensor data, ints? axes; ints? axes)',
    (a, x: Tensor, given: number[] | null) => {
      const axes = given ?? a.axes ?? [];
      const n = x.ndim + axes.length;
      const wrapped = axes.map((d) => wrapAxis('Unsqueeze', d, n)).sort((p, q) => p - q);
      if (new Set(wrapped).size < axes.length) throw new RangeError(`Unsqueeze: an axis of [${axes}] stands twice`);
      return wrapped.reduce((y, d) => y.unsqueeze(d), x);
    },
    (a, x, given) => {
      const axes = given?.values ?? a.axes ?? [];
      return x.scalar && axes.length === 1 && (axes[0] === 0 || axes[0] === -1) ? new Integers(x.values) : null;
    },
  ),
  operator('Transpose(Tensor data; ints? perm)', (a, x: Tensor) =>
    x.permute(a.perm === null ? Array.from(x.shape.keys()).reverse() : [...a.perm]),
  ),
  operator(
    'Concat(Tensor* inputs; int axis)',
    (a, ...xs: Tensor[]) => cat(xs, a.axis),
    (a, ...xs) => {
      const values = xs.flatMap((x) => x.values);
      return (a.axis === 0 || a.axis === -1) && xs.every((x) => !x.scalar) && values.length <= MOST
        ? new Integers(values)
        : null;
    },
  ),
  operators(
    'Split(Tensor input, ints? split; ints? split, int axis=0, int? num_outputs)',
    (a, x: Tensor, given: number[] | null) => split(a, x, wrapAxis('Split', a.axis, x.ndim), given ?? a.split),
  ),
  operator(
    'Slice(Tensor data, ints? starts, ints? ends, ints? axes, ints? steps; ints? ends, ints? starts, ints? axes)',
    (a, x: Tensor, starts: number[] | null, ends: number[] | null, axes: number[] | null, steps: number[] | null) => {
      const from = starts ?? a.starts ?? [];
      const to = ends ?? a.ends ?? [];
      const dims = axes ?? a.axes ?? Array.from(from.keys());
      if (to.length !== from.length || dims.length !== from.length || (steps && steps.length !== from.length))
        throw new TenfoldError('value', `Slice: ${from.length} starts, ${to.length} ends, ${dims.length} axes`);
      return dims.reduce((y, d, i) => sliceAxis(y, wrapAxis('Slice', d, x.ndim), from[i]!, to[i]!, steps?.[i] ?? 1), x);
    },
    (_, x, starts, ends, axes, steps) => {
      if (x.scalar || starts?.values.length !== 1 || ends === undefined || (axes && axes.values[0] !== 0)) return null;
      const step = steps?.values[0] ?? 1;
      if (step === 0) return null;
      const { first, count } = range(x.values.length, starts.values[0]!, ends.values[0]!, step);
      return new Integers(Array.from({ length: count }, (__, i) => x.values[first + i * step]!));
    },
  ),
  operator('Expand(Tensor input, ints shape)', (_, x: Tensor, shape: number[]) =>
    x.expand([...broadcastShapes('Expand', x.shape, shape)]),
  ),
  operator('Tile(Tensor input, ints repeats)', (_, x: Tensor, repeats: number[]) =>
    repeats.length === 0 ? x : x.repeat(repeats),
  ),
  operator(
    'Pad(Tensor data, ints? pads, setting? constant_value, ints? axes; ints? pads, string mode=constant, float value=0)',
    (a, x: Tensor, given: number[] | null, value: Tensor | null, axes: number[] | null) => {
      const pads = given ?? a.pads ?? [];
      const dims = (axes ?? Array.from(x.shape.keys())).map((d) => wrapAxis('Pad', d, x.ndim));
      if (pads.length !== 2 * dims.length)
        throw new TenfoldError('value', `Pad: ${pads.length} pads for ${dims.length} axes`);
      return padded(
        x,
        dims,
        pads.slice(0, dims.length),
        pads.slice(dims.length),
        a.mode,
        value === null ? a.value : numberOf(value),
      );
    },
  ),
  operator('DepthToSpace(Tensor input; int blocksize, string mode=DCR)', (a, x: Tensor) =>
    depthToSpace(x, a.blocksize, a.mode),
  ),
  operator('SpaceToDepth(Tensor input; int blocksize, string mode=DCR)', (a, x: Tensor) =>
    spaceToDepth(x, a.blocksize, a.mode),
  ),
  operator('ConstantOfShape(ints input; tensor? value)', (a, shape: number[]) => {
    if (a.value === null) return zeros(shape);
    return shape.length === 0 ? a.value.reshape([]).clone() : a.value.reshape([]).expand(shape).clone();
  }),
  operator('EyeLike(Tensor input; int? dtype, int k=0)', (a, x: Tensor) => {
    const dtype = a.dtype === null ? x.dtype : dtypeFor('EyeLike', a.dtype);
    const [n, m] = x.shape as [number, number];
    // The identity with |k| more rows and columns, of which those before the diagonal are left out.
    const wide = eye(n + Math.abs(a.k), m + Math.abs(a.k), { dtype });
    return wide.narrow(0, Math.max(0, a.k), n).narrow(1, Math.max(0, -a.k), m).clone();
  }),
  operator(
    'Range(Tensor start, Tensor limit, Tensor delta; int stash_type=1)',
    (_, start: Tensor, limit: Tensor, delta: Tensor) => rangeOf(start, limit, delta),
    (_, start, limit, delta) => {
      const [from, to, step] = [start.values[0]!, limit.values[0]!, delta.values[0]!];
      const count = Math.max(0, Math.ceil((to - from) / step));
      return step !== 0 && count <= MOST
        ? new Integers(Array.from({ length: count }, (__, i) => from + i * step))
        : null;
    },
  ),
  operator('Trilu(Tensor input, ints? k; int upper=1)', (a, x: Tensor, k: number[] | null) =>
    a.upper ? x.triu(k?.[0] ?? 0) : x.tril(k?.[0] ?? 0),
  ),
  operator(
    'ReverseSequence(Tensor input, ints sequence_lens; int batch_axis=1, int time_axis=0)',
    (a, x: Tensor, lengths: number[]) => reverseSequence(x, lengths, a.batch_axis, a.time_axis),
  ),
  operator('CenterCropPad(Tensor input_data, ints shape; ints? axes)', (a, x: Tensor, shape: number[]) =>
    centerCropPad(
      x,
      shape,
      (a.axes ?? Array.from(x.shape.keys())).map((d) => wrapAxis('CenterCropPad', d, x.ndim)),
    ),
  ),
  operator(
    'TensorScatter(Tensor past_cache, Tensor update, ints? write_indices; string mode=linear, int axis=-2)',
    (a, cache: Tensor, update: Tensor, starts: number[] | null) =>
      tensorScatter(cache, update, starts, wrapAxis('TensorScatter', a.axis, cache.ndim), a.mode === 'circular'),
  ),
  operator(
    'Col2Im(Tensor input, ints image_shape, ints block_shape; ints? dilations, ints? pads, ints? strides)',
    (a, x: Tensor, image: number[], block: number[]) => {
      const one = block.map(() => 1);
      return col2im(x, image, block, a.dilations ?? one, a.pads ?? [...one, ...one].map(() => 0), a.strides ?? one);
    },
  ),
);

/** Sums columns of blocks into an image of any number of dims. */
function col2im(
  x: Tensor,
  image: readonly number[],
  block: readonly number[],
  dilations: readonly number[],
  pads: readonly number[],
  strides: readonly number[],
): Tensor {
  const dims = image.length;
  const [n, rows, columns] = x.shape as [number, number, number];
  const c = rows / product(block);
  const sizes = image.map((size, d) => size + pads[d]! + pads[d + dims]!);
  const counts = sizes.map((size, d) => Math.floor((size - (block[d]! - 1) * dilations[d]! - 1) / strides[d]!) + 1);
  if (product(counts) !== columns)
    throw new TenfoldError('shape', `Col2Im: ${columns} columns where the image has ${product(counts)} blocks`);
  // Place of each (offset in the block, block) in the padded image.
  const places: number[] = [];
  for (let k = 0; k < product(block); k++) {
    for (let l = 0; l < columns; l++) {
      let at = 0;
      let unit = 1;
      for (let d = dims - 1, i = k, j = l; d >= 0; d--) {
        at += unit * ((i % block[d]!) * dilations[d]! + (j % counts[d]!) * strides[d]!);
        unit *= sizes[d]!;
        i = Math.floor(i / block[d]!);
        j = Math.floor(j / counts[d]!);
      }
      places.push(at);
    }
  }
  const index = indices(places).reshape(1, 1, places.length).expand(n, c, places.length);
  let out = zeros([n, c, product(sizes)], { dtype: x.dtype })
    .scatterAdd(2, index, x.reshape(n, c, places.length))
    .reshape([n, c, ...sizes]);
  image.forEach((size, d) => (out = out.narrow(d + 2, pads[d]!, size)));
  return out;
}
