/** Resize and Upsample: each dim by a map of weighted neighbours. */
import { TenfoldError } from '../../errors.js';
import { isFloatCode } from '../../dtype.js';
import { resample, type Map1 } from '../../nn/functional/resample.js';
import { full, tensor } from '../../ops/creation.js';
import { where } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { numbersOf } from '../integers.js';
import { operator, table } from '../signature.js';
import { wrapAxis } from './shape.js';

interface Resize {
  mode: string;
  nearest_mode: string;
  coordinate_transformation_mode: string;
  cubic_coeff_a: number;
  exclude_outside: number;
  extrapolation_value: number;
  antialias: number;
  keep_aspect_ratio_policy: string;
  axes: readonly number[] | null;
}
/** One dim: sizes, scale, and the part of it that tf_crop_and_resize shows. */
interface Dim {
  from: number;
  to: number;
  scale: number;
  roi: readonly [start: number, end: number];
}

/** Where element o of the result lies in the input. */
function place(mode: string, o: number, { from, to, scale, roi: [start, end] }: Dim): number {
  const length = scale * from;
  switch (mode) {
    case 'align_corners':
      return length === 1 ? 0 : (o * (from - 1)) / (length - 1);
    case 'asymmetric':
      return o / scale;
    case 'half_pixel':
      return (o + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return length === 1 ? -0.5 : (o + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric':
      return (from / 2) * (1 - to / length) + (o + 0.5) / scale - 0.5;
    case 'tf_half_pixel_for_nn':
      return (o + 0.5) / scale;
    case 'tf_crop_and_resize':
      return (
        start * (from - 1) +
        (length === 1 ? ((end - start) * (from - 1)) / 2 : (o * (end - start) * (from - 1)) / (length - 1))
      );
    default:
      throw new TenfoldError('value', `Resize: unknown coordinate_transformation_mode '${mode}'`);
  }
}

const ROUND: Record<string, (x: number) => number> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Weight of a neighbour at a distance: a triangle, or Keys' cubic convolution with the coefficient a. */
const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));
const cubic =
  (a: number) =>
  (x: number): number => {
    const d = Math.abs(x);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  };

/** Neighbours and weights of each element of the result along a dim. */
function mapOf(a: Resize, dim: Dim): Map1 {
  const { from, to, scale } = dim;
  if (a.mode === 'nearest') {
    const round = ROUND[a.nearest_mode];
    if (round === undefined) throw new TenfoldError('value', `Resize: unknown nearest_mode '${a.nearest_mode}'`);
    const index = Int32Array.from({ length: to }, (_, o) =>
      clamp(round(place(a.coordinate_transformation_mode, o, dim)), from),
    );
    return { from, to, taps: 1, index, weight: new Float64Array(to).fill(1) };
  }
  const radius = a.mode === 'cubic' ? 2 : 1;
  const kernel = a.mode === 'cubic' ? cubic(a.cubic_coeff_a) : triangle;
  // Against aliasing the kernel is widened where the image shrinks.
  const narrow = a.antialias ? Math.min(scale, 1) : 1;
  const taps = 2 * Math.ceil(radius / narrow) + 1;
  const map = { from, to, taps, index: new Int32Array(to * taps), weight: new Float64Array(to * taps) };
  for (let o = 0; o < to; o++) {
    const x = place(a.coordinate_transformation_mode, o, dim);
    const first = Math.floor(x) - Math.ceil(radius / narrow);
    let sum = 0;
    for (let t = 0; t < taps; t++) {
      const i = first + t;
      const outside = a.exclude_outside !== 0 && (i < 0 || i >= from);
      const weight = outside ? 0 : kernel((i - x) * narrow);
      map.index[o * taps + t] = clamp(i, from);
      map.weight[o * taps + t] = weight;
      sum += weight;
    }
    if (a.antialias || a.exclude_outside) for (let t = 0; t < taps; t++) map.weight[o * taps + t]! /= sum;
  }
  return map;
}
const clamp = (i: number, n: number): number => Math.min(Math.max(i, 0), n - 1);

/** The maps of all dims: the last three at once, others by turning them to the end. */
function apply(x: Tensor, maps: readonly (Map1 | null)[]): Tensor {
  const first = maps.findIndex((map) => map !== null);
  if (first < 0) return x;
  if (x.ndim - first <= 3 && x.ndim > 1)
    return resample(
      x,
      maps.slice(first).map((map, d) => map ?? identity(x.shape[first + d]!)),
    );
  let y = x.ndim === 1 ? x.unsqueeze(0) : x;
  maps.forEach((map, d) => {
    if (map !== null)
      y = resample(y.movedim(x.ndim === 1 ? 1 : d, -1).contiguous(), [map]).movedim(-1, x.ndim === 1 ? 1 : d);
  });
  return x.ndim === 1 ? y.squeeze(0) : y;
}
const identity = (size: number): Map1 => ({
  from: size,
  to: size,
  taps: 1,
  index: Int32Array.from({ length: size }, (_, i) => i),
  weight: new Float64Array(size).fill(1),
});

/** The sizes and scales of the axes: from scales, or from sizes under a policy for the aspect ratio. */
function dimsOf(
  a: Resize,
  x: Tensor,
  axes: readonly number[],
  scales: readonly number[] | null,
  sizes: readonly number[] | null,
  roi: readonly number[],
): Dim[] {
  const have = axes.map((d) => x.shape[d]!);
  const given = scales ?? sizes;
  if (given === null || given.length !== axes.length)
    throw new TenfoldError(
      'value',
      `Resize: ${given === null ? 'neither scales nor sizes' : `${given.length} scales or sizes for ${axes.length} axes`}`,
    );
  const range = (i: number): [number, number] => [roi[i] ?? 0, roi[i + axes.length] ?? 1];
  if (scales !== null)
    return have.map((from, i) => ({ from, to: Math.floor(from * scales[i]!), scale: scales[i]!, roi: range(i) }));
  const ratios = have.map((from, i) => sizes![i]! / from);
  if (a.keep_aspect_ratio_policy === 'stretch')
    return have.map((from, i) => ({ from, to: sizes![i]!, scale: ratios[i]!, roi: range(i) }));
  const scale = a.keep_aspect_ratio_policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return have.map((from, i) => ({ from, to: Math.floor(scale * from + 0.5), scale, roi: range(i) }));
}

function resize(
  a: Resize,
  x: Tensor,
  scales: readonly number[] | null,
  sizes: readonly number[] | null,
  roi: readonly number[],
): Tensor {
  const axes = (a.axes ?? Array.from(x.shape.keys())).map((d) => wrapAxis('Resize', d, x.ndim));
  const dims = dimsOf(a, x, axes, scales, sizes, roi);
  const maps = new Array<Map1 | null>(x.ndim).fill(null);
  const crops = a.coordinate_transformation_mode === 'tf_crop_and_resize';
  dims.forEach((dim, i) => {
    if (dim.from !== dim.to || dim.scale !== 1 || crops) maps[axes[i]!] = mapOf(a, dim);
  });
  let y = a.mode === 'nearest' || isFloatCode(x.code) ? apply(x, maps) : apply(x.to('float32'), maps).to(x.dtype);
  if (!crops) return y;
  dims.forEach((dim, i) => {
    const outside = Array.from({ length: dim.to }, (_, o) => {
      const at = place('tf_crop_and_resize', o, dim);
      return at < 0 || at > dim.from - 1;
    });
    if (!outside.includes(true)) return;
    const mask = tensor(outside).reshape(y.shape.map((_, d) => (d === axes[i] ? dim.to : 1)));
    y = where(mask, full([], a.extrapolation_value, { dtype: y.dtype }), y);
  });
  return y;
}

/** Numbers of an input that may be left out, also by an empty tensor. */
const numbers = (t: Tensor | null): number[] | null => (t === null || t.count === 0 ? null : numbersOf(t));

/** What versions before 11 do. */
const OLD = { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
const UPSAMPLE: Omit<Resize, 'mode'> = {
  ...OLD,
  cubic_coeff_a: -0.75,
  exclude_outside: 0,
  extrapolation_value: 0,
  antialias: 0,
  keep_aspect_ratio_policy: 'stretch',
  axes: null,
};

export const RESIZE = table(
  operator(
    'Resize(Tensor X, setting? roi, setting? scales, setting? sizes; string mode=nearest, string nearest_mode=round_prefer_floor, string coordinate_transformation_mode=half_pixel, float cubic_coeff_a=-0.75, int exclude_outside=0, float extrapolation_value=0, int antialias=0, string keep_aspect_ratio_policy=stretch, ints? axes)',
    (a, x: Tensor, roi: Tensor | null, scales: Tensor | null, sizes: Tensor | null) =>
      a.opset < 11
        ? resize({ ...a, ...OLD }, x, numbers(roi), null, [])
        : resize(a, x, numbers(sizes) === null ? numbers(scales) : null, numbers(sizes), numbers(roi) ?? []),
  ),
  operator(
    'Upsample(Tensor X, setting? scales; string mode=nearest, floats? scales)',
    (a, x: Tensor, scales: Tensor | null) =>
      resize({ ...UPSAMPLE, mode: a.mode }, x, numbers(scales) ?? [...(a.scales ?? [])], null, []),
  ),
);
