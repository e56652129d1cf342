/** Convolutions and pooling: windows that slide over the dims behind batch and channel. */
import { TenfoldError } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import * as F from '../../nn/functional/index.js';
import { arange, fromTypedArray, ones, zeros } from '../../ops/creation.js';
import { cat } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, operators, table } from '../signature.js';
import { padded } from './padding.js';
import { boundOf } from './reduction.js';

type Ints = readonly number[];
/** What all operators of windows have in common. */
export interface Windows {
  auto_pad?: string;
  pads: Ints | null;
  strides: Ints | null;
  dilations?: Ints | null;
  kernel_shape?: Ints | null;
  ceil_mode?: number;
}
/** The windows along each dim. */
interface Geometry {
  readonly kernel: Ints;
  readonly stride: Ints;
  readonly dilation: Ints;
  readonly before: Ints;
  readonly after: Ints;
  /** Number of windows. */
  readonly out: Ints;
}

const spatialDims = (x: Tensor): number[] => Array.from({ length: x.ndim - 2 }, (_, d) => d + 2);

export function geometry(call: string, a: Windows, x: Tensor, kernel: Ints): Geometry {
  const n = x.ndim - 2;
  const stride = a.strides ?? kernel.map(() => 1);
  const dilation = a.dilations ?? kernel.map(() => 1);
  if (
    kernel.length !== n ||
    stride.length !== n ||
    dilation.length !== n ||
    (a.pads !== null && a.pads.length !== 2 * n)
  )
    throw new TenfoldError('shape', `${call}: a kernel of ${kernel.length} dims, input of shape [${x.shape}]`);
  const auto = a.auto_pad ?? 'NOTSET';
  const size = x.shape.slice(2);
  const extent = kernel.map((k, d) => (k - 1) * dilation[d]! + 1);
  let before = size.map((_, d) => a.pads?.[d] ?? 0);
  let after = size.map((_, d) => a.pads?.[d + n] ?? 0);
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const total = size.map((m, d) => Math.max(0, (Math.ceil(m / stride[d]!) - 1) * stride[d]! + extent[d]! - m));
    const less = total.map((t) => Math.floor(t / 2));
    const more = total.map((t, d) => t - less[d]!);
    [before, after] = auto === 'SAME_UPPER' ? [less, more] : [more, less];
  } else if (auto === 'VALID') [before, after] = [size.map(() => 0), size.map(() => 0)];
  const out = size.map((m, d) => {
    const room = m + before[d]! + after[d]! - extent[d]!;
    if (room < 0)
      throw new TenfoldError(
        'shape',
        `${call}: a window of ${extent[d]} on a dim of ${m} padded by ${before[d]! + after[d]!}`,
      );
    if (!a.ceil_mode) return Math.floor(room / stride[d]!) + 1;
    const count = Math.ceil(room / stride[d]!) + 1;
    // A window that would begin in the padding behind is none.
    return (count - 1) * stride[d]! >= m + before[d]! ? count - 1 : count;
  });
  return { kernel, stride, dilation, before, after, out };
}

/** x with the padding of its windows, and no element more or less than they cover. */
function cover(x: Tensor, { kernel, stride, dilation, before, out }: Geometry, value: number): Tensor {
  const after = out.map(
    (o, d) => (o - 1) * stride[d]! + (kernel[d]! - 1) * dilation[d]! + 1 - x.shape[d + 2]! - before[d]!,
  );
  return padded(x, spatialDims(x), before, after, 'constant', value);
}

// ---- convolution -------------------------------------------------------------------------------------------------------

const CONV = [F.conv1d, F.conv2d, F.conv3d] as const;
const CONV_TRANSPOSE = [F.convTranspose1d, F.convTranspose2d, F.convTranspose3d] as const;
function family<T>(call: string, list: readonly T[], x: Tensor): T {
  const f = list[x.ndim - 3];
  if (f === undefined)
    throw new TenfoldError(
      'shape',
      `${call}: input of shape [${x.shape}]; 1 to 3 dims behind batch and channel are known`,
    );
  return f;
}

export function conv(a: Windows & { group: number }, x: Tensor, w: Tensor, b: Tensor | null): Tensor {
  const f = family('Conv', CONV, x);
  const g = geometry('Conv', a, x, w.shape.slice(2));
  const even = g.before.every((n, d) => n >= 0 && n === g.after[d]);
  const y = even ? x : padded(x, spatialDims(x), g.before, g.after, 'constant', 0);
  const padding = even ? [...g.before] : 0;
  return f(y, w, b, { stride: [...g.stride], padding, dilation: [...g.dilation], groups: a.group });
}

interface Transposed extends Windows {
  group: number;
  output_padding: Ints | null;
  output_shape: Ints | null;
}
function convTranspose(a: Transposed, x: Tensor, w: Tensor, b: Tensor | null): Tensor {
  const f = family('ConvTranspose', CONV_TRANSPOSE, x);
  const n = x.ndim - 2;
  const kernel = w.shape.slice(2);
  const stride = a.strides ?? kernel.map(() => 1);
  const dilation = a.dilations ?? kernel.map(() => 1);
  const extra = a.output_padding ?? kernel.map(() => 0);
  const auto = a.auto_pad ?? 'NOTSET';
  const full = kernel.map((k, d) => (x.shape[d + 2]! - 1) * stride[d]! + (k - 1) * dilation[d]! + 1);
  let before = kernel.map((_, d) => a.pads?.[d] ?? 0);
  let size = full.map((m, d) => m + extra[d]! - before[d]! - (a.pads?.[d + n] ?? 0));
  const wanted =
    a.output_shape?.slice(-n) ?? (auto.startsWith('SAME') ? kernel.map((_, d) => x.shape[d + 2]! * stride[d]!) : null);
  if (wanted !== null) {
    size = [...wanted];
    const total = full.map((m, d) => m + extra[d]! - size[d]!);
    before = total.map((t) => (auto === 'SAME_UPPER' ? Math.floor(t / 2) : t - Math.floor(t / 2)));
  } else if (auto === 'VALID') [before, size] = [kernel.map(() => 0), full.map((m, d) => m + extra[d]!)];
  let y = f(x, w, null, { stride: [...stride], dilation: [...dilation], groups: a.group });
  const after = size.map((m, d) => m + before[d]! - full[d]!);
  y = padded(
    y,
    spatialDims(x),
    before.map((p) => -p),
    after,
    'constant',
    0,
  );
  return b === null ? y : y.add(b.reshape([-1, ...kernel.map(() => 1)]));
}

// ---- pooling -----------------------------------------------------------------------------------------------------------

const MAX_POOL = [F.maxPool1d, F.maxPool2d, F.maxPool3d] as const;
const AVG_POOL = [F.avgPool1d, F.avgPool2d, F.avgPool3d] as const;

/** Greatest elements of windows, and their places in the whole tensor, in rows or (storage_order 1) in columns. */
function maxPool(
  a: Windows & { storage_order: number; kernel_shape: Ints; wants: readonly boolean[] },
  x: Tensor,
): Tensor[] {
  const f = family('MaxPool', MAX_POOL, x);
  const g = geometry('MaxPool', a, x, a.kernel_shape);
  // Of 8 bits, float32 holds all; the kernels are floating-point.
  const small = !isFloatCode(x.code);
  const low = Number(boundOf(small ? Code.f32 : x.code, false));
  const y = cover(small ? x.to('float32') : x, g, low);
  const options = { stride: [...g.stride], dilation: [...g.dilation] };
  if (!a.wants[1]) {
    const values = f(y, [...g.kernel], options);
    return [small ? values.to(x.dtype) : values];
  }
  const [values, places] = f(y, [...g.kernel], { ...options, returnIndices: true }) as unknown as [Tensor, Tensor];
  return [small ? values.to(x.dtype) : values, inWhole(places, x, y, g.before, a.storage_order === 1)];
}

/** Places in padded planes as places in the whole tensor. */
function inWhole(places: Tensor, x: Tensor, y: Tensor, before: Ints, columns: boolean): Tensor {
  const dims = x.ndim - 2;
  let rest = places;
  let out = places.mul(0);
  const unit = new Array<number>(dims).fill(1);
  if (columns) for (let d = 1; d < dims; d++) unit[d] = unit[d - 1]! * x.shape[d + 1]!;
  else for (let d = dims - 2; d >= 0; d--) unit[d] = unit[d + 1]! * x.shape[d + 3]!;
  for (let d = dims - 1; d >= 0; d--) {
    const n = y.shape[d + 2]!;
    out = out.add(rest.remainder(n).sub(before[d]!).mul(unit[d]!));
    rest = rest.div(n, { roundingMode: 'floor' });
  }
  const plane = x.shape.slice(2).reduce((n, m) => n * m, 1);
  const planes = arange(x.shape[0]! * x.shape[1]!).mul(plane);
  return out.add(planes.reshape([x.shape[0]!, x.shape[1]!, ...unit.map(() => 1)]));
}

/** Sums of windows. */
function sums(x: Tensor, g: Geometry): Tensor {
  const y = cover(x, g, 0);
  if (g.dilation.every((n) => n === 1)) {
    const f = family('AveragePool', AVG_POOL, x);
    return f(y, [...g.kernel], { stride: [...g.stride] }).mul(g.kernel.reduce((n, m) => n * m, 1));
  }
  // Pooling has no dilation; a convolution of each plane with ones does.
  const f = family('AveragePool', CONV, x);
  const planes = y.reshape([-1, 1, ...y.shape.slice(2)]);
  const out = f(planes, ones([1, 1, ...g.kernel], { dtype: x.dtype }), null, {
    stride: [...g.stride],
    dilation: [...g.dilation],
  });
  return out.reshape([...x.shape.slice(0, 2), ...out.shape.slice(2)]);
}

/** Number of elements of each window that count: those of the image, or of the image and its padding. */
function counts(x: Tensor, g: Geometry, padding: boolean): Tensor {
  const dims = g.kernel.length;
  let all = ones([1], { dtype: x.dtype });
  g.kernel.forEach((k, d) => {
    const size = x.shape[d + 2]!;
    const [low, high] = padding ? [-g.before[d]!, size + g.after[d]!] : [0, size];
    const list = Float64Array.from({ length: g.out[d]! }, (_, o) => {
      let count = 0;
      for (let i = 0; i < k; i++) {
        const at = o * g.stride[d]! - g.before[d]! + i * g.dilation[d]!;
        if (at >= low && at < high) count++;
      }
      return count;
    });
    all = all.mul(
      fromTypedArray(list)
        .to(x.dtype)
        .reshape(Array.from({ length: dims }, (_, e) => (e === d ? list.length : 1))),
    );
  });
  return all;
}

function averagePool(a: Windows & { kernel_shape: Ints; count_include_pad: number }, x: Tensor): Tensor {
  const g = geometry('AveragePool', a, x, a.kernel_shape);
  return sums(x, g).div(counts(x, g, a.count_include_pad !== 0));
}

/** (Σ |x|ᵖ)^(1/p). */
const norm = (p: number, x: Tensor, sum: (x: Tensor) => Tensor): Tensor => {
  const y = sum(p === 2 ? x.square() : p === 1 ? x.abs() : x.abs().pow(p));
  return p === 1 ? y : p === 2 ? y.clampMin(0).sqrt() : y.clampMin(0).pow(1 / p);
};

function maxUnpool(a: Windows & { kernel_shape: Ints }, x: Tensor, places: Tensor, shape: Ints | null): Tensor {
  const n = x.ndim - 2;
  const stride = a.strides ?? a.kernel_shape.map(() => 1);
  const usual = x.shape.map((m, d) =>
    d < 2 ? m : (m - 1) * stride[d - 2]! + a.kernel_shape[d - 2]! - (a.pads?.[d - 2] ?? 0) - (a.pads?.[d - 2 + n] ?? 0),
  );
  const total = usual.reduce((p, m) => p * m, 1);
  const out = zeros([total], { dtype: x.dtype })
    .scatter(0, places.reshape([places.count]), x.reshape([x.count]))
    .reshape(usual);
  if (shape === null) return out;
  // Places are those of the usual size; what is larger has zeros behind.
  return padded(
    out,
    spatialDims(x),
    a.kernel_shape.map(() => 0),
    shape.slice(2).map((m, d) => m - usual[d + 2]!),
    'constant',
    0,
  );
}

/** y(t) = bias + Σ w(i) x(t − k + 1 + i), each channel by itself; the last k − 1 elements are handed on. */
function causalConv(activation: string, x: Tensor, w: Tensor, b: Tensor | null, past: Tensor | null): Tensor[] {
  const k = w.shape[2]!;
  const before = past ?? zeros([x.shape[0]!, x.shape[1]!, k - 1], { dtype: x.dtype });
  const all = cat([before, x], 2);
  const y = F.conv1d(all, w, b, { groups: x.shape[1]! });
  const state = all.narrow(2, all.shape[2]! - (k - 1), k - 1);
  if (activation === 'none') return [y, state];
  if (activation !== 'silu' && activation !== 'swish')
    throw new TenfoldError('value', `unknown activation '${activation}'`);
  return [F.silu(y), state];
}

export const WINDOWS = table(
  operator(
    'Conv(Tensor X, Tensor W, Tensor? B; int group=1, ints? pads, string auto_pad=NOTSET, ints? strides, ints? dilations, ints? kernel_shape)',
    (a, x: Tensor, w: Tensor, b: Tensor | null) => conv(a, x, w, b),
  ),
  operator(
    'ConvTranspose(Tensor X, Tensor W, Tensor? B; int group=1, string auto_pad=NOTSET, ints? strides, ints? pads, ints? output_padding, ints? dilations, ints? output_shape, ints? kernel_shape)',
    (a, x: Tensor, w: Tensor, b: Tensor | null) => convTranspose(a, x, w, b),
  ),
  operators(
    'MaxPool(Tensor X; ints kernel_shape, ints? pads, string auto_pad=NOTSET, ints? strides, ints? dilations, int storage_order=0, int ceil_mode=0)',
    (a, x: Tensor) => maxPool(a, x),
  ),
  operator(
    'AveragePool(Tensor X; ints kernel_shape, ints? pads, string auto_pad=NOTSET, ints? strides, ints? dilations, int ceil_mode=0, int count_include_pad=0)',
    (a, x: Tensor) => averagePool(a, x),
  ),
  operator(
    'LpPool(Tensor X; ints kernel_shape, int p=2, ints? pads, string auto_pad=NOTSET, ints? strides, ints? dilations, int ceil_mode=0)',
    (a, x: Tensor) => {
      const g = geometry('LpPool', a, x, a.kernel_shape);
      return norm(a.p, x, (y) => sums(y, g));
    },
  ),
  operator('GlobalAveragePool(Tensor X)', (_, x: Tensor) => (x.ndim > 2 ? x.mean(spatialDims(x), true) : x)),
  operator('GlobalMaxPool(Tensor X)', (_, x: Tensor) => (x.ndim > 2 ? x.amax(spatialDims(x), true) : x)),
  operator('GlobalLpPool(Tensor X; int p=2)', (a, x: Tensor) =>
    norm(a.p, x, (y) => (x.ndim > 2 ? y.sum(spatialDims(x), true) : y)),
  ),
  operator(
    'MaxUnpool(Tensor X, Tensor I, ints? output_shape; ints kernel_shape, ints? pads, ints? strides)',
    (a, x: Tensor, places: Tensor, shape: number[] | null) => maxUnpool(a, x, places, shape),
  ),
  operators(
    'CausalConvWithState(Tensor input, Tensor weight, Tensor? bias, Tensor? past_state; string activation=none)',
    (a, x: Tensor, w: Tensor, b: Tensor | null, past: Tensor | null) => causalConv(a.activation, x, w, b, past),
  ),
);
