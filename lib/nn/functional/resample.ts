/**
 * Interpolation, and padding. Interpolated and padded images are planes whose elements are weighted elements of others,
 * one dim at a time; a map says which, and one pair of kernels, each the other's derivative, does all of them.
 */
import { TenfoldError, show } from '../../errors.js';
import { COMPUTE, Code, DTYPES, isFloatCode } from '../../dtype.js';
import { run } from '../../launch/run.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { formatShape } from '../../tensor/shape.js';
import { checkRoom } from '../../tensor/storage.js';
import { Tensor } from '../../tensor/tensor.js';
import { fillElements } from '../../tensor/copy.js';
import { cat } from '../../ops/index.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { back, planesOf, resized } from './planes.js';
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from './pooling.js';
import { spatial } from './windows.js';

type Ints = readonly number[];

const RESAMPLE = kernel('resample');
const RESAMPLE_TRANSPOSED = kernel('resampleTransposed');

// ---- maps -------------------------------------------------------------------------------------------------------------

/** Along one dim: output o is the sum over t of weight[o * taps + t] times input index[o * taps + t]. */
export interface Map1 {
  readonly from: number;
  readonly to: number;
  readonly taps: number;
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

/** Beyond, the result would be larger than a tensor can be. */
const MAX_TAPS = 2 ** 31;

function mapOf(
  from: number,
  to: number,
  taps: number,
  fill: (o: number, set: (t: number, i: number, w: number) => void) => void,
): Map1 {
  if (to * taps > MAX_TAPS) throw new TenfoldError('memory', `out of memory: a dim of ${to} elements`);
  const map = { from, to, taps, index: new Int32Array(to * taps), weight: new Float64Array(to * taps) };
  const { index, weight } = map;
  let first = 0;
  const set = (t: number, i: number, w: number): void => {
    index[first + t] = Math.min(Math.max(i, 0), from - 1);
    weight[first + t] = w;
  };
  for (let o = 0; o < to; o++, first += taps) fill(o, set);
  return map;
}
/** Refuses a result that is too large, before its maps are made. */
function checkResult(call: string, input: Tensor, to: Ints): void {
  const large = to.find((size) => size > MAX_TAPS);
  if (large !== undefined) throw new TenfoldError('memory', `${call}: out of memory: a dim of ${large} elements`);
  checkRoom(call, resized(input.shape, to), input.code);
}
const identity = (size: number): Map1 => mapOf(size, size, 1, (o, set) => set(0, o, 1));

function runResample(k: Kernel, x: Tensor, maps: readonly Map1[], forward: boolean): Tensor {
  const code = isFloatCode(x.code) ? COMPUTE[x.code]! : Code.i64;
  const n = maps.length;
  const t = x.code !== code ? x.to(DTYPES[code]!) : x.rawDense();
  const out = Tensor.raw(
    resized(
      x.shape,
      maps.map((m) => (forward ? m.to : m.from)),
    ),
    code,
  );
  if (out.count > 0) {
    const all = [...new Array<Map1>(3 - n).fill(identity(1)), ...maps];
    const tables = all.flatMap(({ index, weight }) => [
      Tensor.wrap(index, [index.length], Code.i32),
      Tensor.wrap(
        code === Code.f32 ? new Float32Array(weight) : code === Code.f64 ? weight : BigInt64Array.from(weight, BigInt),
        [weight.length],
        code,
      ),
    ]);
    const from = all.map((m) => m.from);
    const to = all.map((m) => m.to);
    const taps = all.map((m) => m.taps);
    run(k[code]!, planesOf(x.shape, n), from, to, taps, ...tables, t, out);
  }
  return back(out, x);
}

/** The last dims through a map each, up to three. */
export const resample = defineOp('resample(Tensor input, any maps)', (): OpDef => ({
  forward: (input: Tensor, maps: Map1[]) => runResample(RESAMPLE, input, maps, true),
  backward: { input: d((grad, c) => resampleTransposed(grad, c.maps)) },
  gradName: 'UpsampleBackward0',
}));
/**
 * Images of bytes: one dim after the other, the last one first, each result rounded to a byte, the weights as integers of
 * as many bits as 16 hold. So PyTorch does (and Pillow), and its values are found only so.
 */
function resampleBytes(input: Tensor, maps: readonly Map1[]): Tensor {
  const size = [...spatial(input.shape, maps.length)];
  let x = input;
  for (let dim = maps.length - 1; dim >= 0; dim--) {
    const map = maps[dim]!;
    const greatest = map.weight.reduce((a, b) => Math.max(a, b), 0);
    let bits = 0;
    while (bits < 22 && 0.5 + greatest * 2 ** (bits + 1) < 2 ** 15) bits++;
    const weight = map.weight.map((w) => Math.trunc(w * 2 ** bits + Math.sign(w) / 2));
    const sum = resample(x.to('int64'), size.map((s, i) => (i === dim ? { ...map, weight } : identity(s)))); // prettier-ignore
    x = sum.add(2 ** (bits - 1)).bitwiseRightShift(bits).clamp(0, 255).to('uint8'); // prettier-ignore
    size[dim] = map.to;
  }
  return x;
}
/** The transpose of `resample`. */
const resampleTransposed = defineOp('resampleTransposed(Tensor grad, any maps)', (): OpDef => ({
  forward: (grad: Tensor, maps: Map1[]) => runResample(RESAMPLE_TRANSPOSED, grad, maps, false),
  backward: { grad: d((grad, c) => resample(grad, c.maps)) },
}));

// ---- interpolation ----------------------------------------------------------------------------------------------------

/** Input elements per output element; `scale` is the factor that the caller gave, if any. */
const stepOf = (from: number, to: number, align: boolean, scale: number | null): number =>
  align ? (to > 1 ? (from - 1) / (to - 1) : 0) : scale !== null && scale > 0 ? 1 / scale : from / to;
const sourceOf = (o: number, step: number, align: boolean): number => (align ? o * step : (o + 0.5) * step - 0.5);

// Steps and places are float32 in PyTorch, which shows where a place is just at an integer.
const nearest = (from: number, to: number, scale: number | null, half: number): Map1 => {
  const step = Math.fround(stepOf(from, to, false, scale));
  return mapOf(from, to, 1, (o, set) => set(0, Math.floor(Math.fround((o + half) * step)), 1));
};
const linear = (from: number, to: number, scale: number | null, align: boolean): Map1 => {
  if (from === to) return identity(from); // whatever the factor, as in PyTorch
  const step = stepOf(from, to, align, scale);
  return mapOf(from, to, 2, (o, set) => {
    const place = Math.max(sourceOf(o, step, align), 0);
    const low = Math.min(Math.floor(place), from - 1);
    const t = Math.min(place - low, 1);
    set(0, low, 1 - t);
    set(1, low + 1, t);
  });
};

const A = -0.75;
/**
 * Keys' cubic convolution: the weights of the elements at -1, 0, 1 and 2 for a place t in [0, 1), as polynomials in t,
 * highest power first.
 */
export const CUBIC: readonly (readonly [number, number, number, number])[] = [
  [A, -2 * A, A, 0],
  [A + 2, -(A + 3), 0, 1],
  [-(A + 2), 2 * A + 3, -A, 0],
  [-A, A, 0, 0],
];
const cubic = (from: number, to: number, scale: number | null, align: boolean): Map1 => {
  const step = stepOf(from, to, align, scale);
  return mapOf(from, to, 4, (o, set) => {
    const place = sourceOf(o, step, align);
    const low = Math.floor(place);
    const t = place - low;
    CUBIC.forEach(([c3, c2, c1, c0], i) => set(i, low - 1 + i, ((c3 * t + c2) * t + c1) * t + c0));
  });
};

type MapOf = (from: number, to: number, scale: number | null, align: boolean) => Map1;
/**
 * Where an image shrinks, an output is the mean of all that it covers: the filter is widened by the step, its weights made to
 * sum to 1. As Pillow resizes.
 */
const antialiased =
  (support: number, filter: (x: number) => number): MapOf =>
  (from, to, scale, align) => {
    const step = stepOf(from, to, align, scale);
    const widened = Math.max(step, 1);
    const reach = support * widened;
    return mapOf(from, to, 2 * Math.ceil(reach) + 1, (o, set) => {
      const center = (o + 0.5) * step;
      const first = Math.max(Math.trunc(center - reach + 0.5), 0);
      const end = Math.min(Math.trunc(center + reach + 0.5), from);
      const weights = Array.from({ length: end - first }, (_, i) => filter((first + i + 0.5 - center) / widened));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((w, i) => set(i, first + i, w / total));
    });
  };
const triangle = (x: number): number => Math.max(1 - Math.abs(x), 0);
/** Keys' filter with a = -1/2, where `cubic` above has -3/4: both as PyTorch. */
const keys = (x: number): number => {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
};

const MODES: Record<string, { dims: Ints; aligns: boolean; map?: MapOf; smooth?: MapOf }> = {
  nearest: { dims: [1, 2, 3], aligns: false, map: (from, to, scale) => nearest(from, to, scale, 0) },
  'nearest-exact': { dims: [1, 2, 3], aligns: false, map: (from, to, scale) => nearest(from, to, scale, 0.5) },
  area: { dims: [1, 2, 3], aligns: false },
  linear: { dims: [1], aligns: true, map: linear },
  bilinear: { dims: [2], aligns: true, map: linear, smooth: antialiased(1, triangle) },
  trilinear: { dims: [3], aligns: true, map: linear },
  bicubic: { dims: [2], aligns: true, map: cubic, smooth: antialiased(2, keys) },
};

/**
 * Images [n, c, l], [n, c, h, w] or [n, c, d, h, w] of another size, given as `size` or as `scaleFactor`. `mode`:
 * 'nearest', 'nearest-exact', 'linear', 'bilinear', 'trilinear', 'bicubic' or 'area'. `antialias` (bilinear and bicubic)
 * averages where an image shrinks. See torch.nn.functional.interpolate.
 */
export const interpolate = defineOp(
  "interpolate(Tensor input, int[]? size=null, float|float[]? scaleFactor=null, 'nearest'|'nearest-exact'|'linear'|'bilinear'|'bicubic'|'trilinear'|'area' mode='nearest', bool? alignCorners=null, bool? recomputeScaleFactor=null, bool antialias=false)",
  (): OpDef => ({
    forward(
      input: Tensor,
      size: number | Ints | null,
      scaleFactor: number | Ints | null,
      mode: string,
      alignCorners: boolean | null,
      recompute: boolean | null,
      antialias: boolean,
    ) {
      const call = 'interpolate';
      const n = input.shape.length - 2;
      const known = MODES[mode];
      if (!known)
        throw new TenfoldError(
          'value',
          `${call}: unknown mode ${show(mode)} (one of ${Object.keys(MODES).join(', ')})`,
        );
      if (!known.dims.includes(n)) {
        const needs = known.dims.map((k) => k + 2).join(', ');
        throw new TenfoldError(
          'shape',
          `${call}: mode '${mode}' is for inputs of ${needs} dims, got shape ${formatShape(input.shape)}`,
        );
      }
      if (alignCorners !== null && !known.aligns) {
        throw new TenfoldError(
          'value',
          `${call}: alignCorners is only for linear, bilinear, trilinear and bicubic, got mode '${mode}'`,
        );
      }
      const map = antialias ? known.smooth : known.map;
      if (antialias && !map)
        throw new TenfoldError('value', `${call}: antialias is only for bilinear and bicubic, got mode '${mode}'`);
      if ((size === null) === (scaleFactor === null)) {
        throw new TenfoldError(
          'value',
          `${call}: give either size or scaleFactor, got ${size === null ? 'neither' : 'both'}`,
        );
      }
      if (recompute === true && size !== null) {
        throw new TenfoldError('value', `${call}: recomputeScaleFactor is only for calls with scaleFactor`);
      }
      const image = spatial(input.shape, n);
      const perDim = (name: string, x: number | Ints): number[] => {
        const list = typeof x === 'number' ? new Array<number>(n).fill(x) : [...x];
        if (list.length !== n)
          throw new TenfoldError('shape', `${call}: '${name}' must be a number or a list of ${n}, got ${show(x)}`);
        return list;
      };
      let scales: number[] | null = scaleFactor === null ? null : perDim('scaleFactor', scaleFactor);
      const to = scales === null ? perDim('size', size!) : scales.map((s, i) => Math.floor(image[i]! * s));
      if (to.some((s) => !(s > 0)) || image.some((s) => s === 0) || input.shape[1] === 0) {
        throw new RangeError(
          `${call}: sizes must be positive, got input ${formatShape(input.shape)} and output ${formatShape(to)}`,
        );
      }
      if (recompute === true) scales = null;
      checkResult(call, input, to);
      const bytes = input.code === Code.u8 && (mode === 'bilinear' || mode === 'bicubic');
      if (!isFloatCode(input.code) && !mode.startsWith('nearest') && !bytes) {
        throw new TenfoldError('dtype', `${call}: mode '${mode}' needs a floating-point dtype, got ${input.dtype}`);
      }
      if (!map) return [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d][n - 1]!(input, to);
      const maps = to.map((s, i) => map(image[i]!, s, scales?.[i] ?? null, alignCorners ?? false));
      if (bytes) return resampleBytes(input, maps);
      if (!antialias) return resample(input, maps);
      // Many taps: one dim after the other.
      const across = resample(input, [identity(image[0]!), maps[1]]);
      return resample(across, [maps[0], identity(to[1]!)]);
    },
    composite: true,
  }),
);

// ---- padding ----------------------------------------------------------------------------------------------------------

/** Wraps, clips or mirrors a place o of the padded image into the image; `before` and `behind` are what is added. */
const OUTSIDE: Record<string, (o: number, size: number, before: number, behind: number) => number> = {
  replicate: (o, size, before) => Math.min(Math.max(o - before, 0), size - 1),
  reflect: (o, size, before) => {
    const i = Math.abs(o - before);
    return i < size ? i : 2 * (size - 1) - i;
  },
  circular: (o, size, before, behind) => {
    // What is cropped is gone before the rest is repeated.
    const first = Math.max(-before, 0);
    const left = size - first - Math.max(-behind, 0);
    return first + ((((o - Math.max(before, 0)) % left) + left) % left);
  },
};

/** An image with `value` around it, or cut off where amounts are negative. `amounts`: [before, behind] of the last dim first. */
const constantPad = defineOp('constantPad(Tensor input, int[] amounts, float value)', (): OpDef => ({
  forward(input: Tensor, amounts: Ints, value: number) {
    const n = input.shape.length;
    const out = Tensor.raw(
      input.shape.map((s, i) => s + (amounts[2 * (n - 1 - i)] ?? 0) + (amounts[2 * (n - 1 - i) + 1] ?? 0)),
      input.code,
    );
    fillElements(out, value);
    const shape: number[] = [];
    let [from, to] = [input.offset, 0];
    input.shape.forEach((s, i) => {
      const before = amounts[2 * (n - 1 - i)] ?? 0;
      const behind = amounts[2 * (n - 1 - i) + 1] ?? 0;
      from += Math.max(-before, 0) * input.strides[i]!;
      to += Math.max(before, 0) * out.strides[i]!;
      shape.push(Math.max(s + Math.min(before, 0) + Math.min(behind, 0), 0));
    });
    out.stridedView(shape, out.strides, to).rawCopy(input.stridedView(shape, input.strides, from));
    return out;
  },
  backward: {
    input: d((grad, c) =>
      constantPad(
        grad,
        c.amounts.map((x: number) => -x),
        0,
      ),
    ),
  },
  gradName: 'ConstantPadNdBackward0',
}));

/** One dim padded: its elements, cut off where amounts are negative, between the ones that are found for places outside. */
function joinedEdges(
  x: Tensor,
  dim: number,
  before: number,
  behind: number,
  place: (o: number, size: number, before: number, behind: number) => number,
): Tensor {
  const size = x.shape[dim]!;
  const [head, tail] = [Math.max(before, 0), Math.max(behind, 0)];
  const cut = Math.max(-before, 0);
  const kept = x.narrow(dim, cut, size - cut - Math.max(-behind, 0));
  const edge = (first: number, count: number): Tensor[] => {
    if (count === 0) return [];
    const at = BigInt64Array.from({ length: count }, (_, o) => BigInt(place(first + o, size, before, behind)));
    return [x.indexSelect(dim, Tensor.wrap(at, [count], Code.i64))];
  };
  const parts = [...edge(0, head), kept, ...edge(head + kept.shape[dim]!, tail)];
  return parts.length === 1 ? parts[0]!.clone() : cat(parts, dim);
}

/**
 * Adds elements around a tensor: `pad` is [before, behind] of the last dim, then of the one before it, …; negative amounts
 * cut off. `mode`: 'constant' (`value`, 0 by default), 'reflect', 'replicate' or 'circular', these for the last one to
 * three dims. See torch.nn.functional.pad.
 */
export const pad = defineOp(
  "pad(Tensor input, int[] pad, 'constant'|'reflect'|'replicate'|'circular' mode='constant', float? value=null)",
  (): OpDef => ({
    forward(input: Tensor, amounts: number | Ints, mode: string, value: number | null) {
      const list = typeof amounts === 'number' ? [amounts] : amounts;
      const dims = input.shape.length;
      if (list.length % 2 !== 0 || list.length > 2 * dims) {
        throw new TenfoldError(
          'shape',
          `pad: 'pad' must hold two amounts for each of the last dims of ${formatShape(input.shape)}, got ${show(list)}`,
        );
      }
      const n = list.length / 2;
      const sizes = input.shape.slice(dims - n);
      const amountsOf = (i: number): [number, number] => [list[2 * (n - 1 - i)]!, list[2 * (n - 1 - i) + 1]!];
      const to = sizes.map((s, i) => s + amountsOf(i)[0] + amountsOf(i)[1]);
      if (to.some((s) => s < 0)) {
        throw new RangeError(
          `pad: ${show(list)} cuts more than there is off ${formatShape(input.shape)}: the result would have sizes ${formatShape(to)}`,
        );
      }
      if (mode === 'constant') return constantPad(input, list, value ?? 0);
      const place = OUTSIDE[mode];
      if (!place)
        throw new TenfoldError(
          'value',
          `pad: unknown mode ${show(mode)} (one of constant, ${Object.keys(OUTSIDE).join(', ')})`,
        );
      if (value !== null && value !== 0)
        throw new TenfoldError('value', `pad: mode '${mode}' takes no value, got ${value}`);
      if (n < 1 || n > 3 || (dims !== n + 1 && dims !== n + 2)) {
        throw new TenfoldError(
          'shape',
          `pad: mode '${mode}' pads the last 1, 2 or 3 dims of inputs with channels, got ${show(list)} for ${formatShape(input.shape)}`,
        );
      }
      sizes.forEach((s, i) => {
        for (const amount of amountsOf(i)) {
          if ((mode === 'reflect' && amount >= s) || (mode === 'circular' && amount > s)) {
            throw new RangeError(
              `pad: mode '${mode}' can add ${mode === 'reflect' ? 'less than' : 'at most'} a dim's size, got ${show(list)} for ${formatShape(input.shape)}`,
            );
          }
        }
        if (s === 0 || to[i] === 0)
          throw new TenfoldError(
            'shape',
            `pad: mode '${mode}' needs elements in each padded dim, got ${formatShape(input.shape)} to ${formatShape(to)}`,
          );
      });
      checkResult('pad', input, to);
      // A map takes longer to make than to use where there are few planes that it serves.
      if (input.count < 16 * to.reduce((a, b) => a + b, 0)) {
        return sizes.reduce((x, _, i) => joinedEdges(x, dims - n + i, ...amountsOf(i), place), input);
      }
      const maps = sizes.map((s, i) => {
        const [before, behind] = amountsOf(i);
        return mapOf(s, to[i]!, 1, (o, set) => set(0, place(o, s, before, behind), 1));
      });
      return resample(input, maps);
    },
    composite: true,
  }),
);
