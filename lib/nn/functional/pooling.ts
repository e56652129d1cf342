/**
 * Pooling. Two pairs of ops are below: maxima with their places, whose gradient puts values at places (and whose own
 * derivative reads them there), and averages with their transpose.
 */
import { TenfoldError, renamed, show } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { mode } from '../../autograd/mode.js';
import { checkInterval } from '../../launch/check.js';
import { run } from '../../launch/run.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { fillElements } from '../../tensor/copy.js';
import { namedTensors } from '../../tensor/namedTensors.js';
import { Tensor } from '../../tensor/tensor.js';
import type { NamedTensors } from '../../op/schema.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { back, computed, placesCode, planeGather, planeScatter, planeUnpool, planesOf, resized } from './planes.js';
import { checkMargin, formatSizes, isBatched, perDim, spatial, three } from './windows.js';

type Ints = readonly number[];
type IntsLike = number | Ints;

const MAX_POOL = kernel('maxPool');
const MAX_POOL_GRADIENT = kernel('maxPoolGradient');
const ADAPTIVE_MAX_POOL = kernel('adaptiveMaxPool');
const AVG_POOL = kernel('avgPool');
const AVG_POOL_GRADIENT = kernel('avgPoolGradient');
const ADAPTIVE_AVG_POOL = kernel('adaptiveAvgPool');
const ADAPTIVE_AVG_POOL_GRADIENT = kernel('adaptiveAvgPoolGradient');

// ---- maxima ----------------------------------------------------------------------------------------------------------

interface MaxWindows {
  kernelSize: Ints;
  stride: Ints;
  padding: Ints;
  dilation: Ints;
}
const maxGeometry = (image: Ints, size: Ints, w: MaxWindows): number[][] => [
  three(image, 1),
  three(w.kernelSize, 1),
  three(size, 1),
  three(w.stride, 1),
  three(w.padding, 0),
  three(w.dilation, 1),
];

/** Integers as float64, which the kernels take and which holds them. */
function comparable(call: string, input: Tensor): Tensor {
  if (isFloatCode(input.code) || input.code === Code.bool) return input;
  const wide = input.to('float64');
  if (input.code === Code.i64) {
    const refusal = (): Error => new TenfoldError('value', `${call}: integers beyond 2^53 can't be compared here`);
    checkInterval(wide, -(2 ** 53), 2 ** 53, refusal);
  }
  return wide;
}

function runMaxPool(call: string, input: Tensor, size: Ints, windows: MaxWindows, withPlaces: boolean): Tensor[] {
  const { t, id } = computed(call, MAX_POOL, comparable(call, input));
  const values = Tensor.raw(resized(input.shape, size), t.code);
  const places = withPlaces ? Tensor.raw(values.shape, placesCode(t)) : null;
  const n = size.length;
  if (values.count > 0) {
    const geometry = maxGeometry(spatial(input.shape, n), size, windows);
    run(id, planesOf(input.shape, n), ...geometry, t, values, places);
  }
  return places === null ? [back(values, input)] : [back(values, input), places];
}

/** Maxima of windows and their places in the input's plane; `size` is the spatial size of the result. */
const maxPoolWithPlaces = defineOp(
  'maxPoolWithPlaces(Tensor input, int[] size, int[] kernelSize, int[] stride, int[] padding, int[] dilation) -> (values, places)',
  (): OpDef => ({
    forward: (input: Tensor, size: Ints, kernelSize: Ints, stride: Ints, padding: Ints, dilation: Ints) =>
      runMaxPool('maxPool', input, size, { kernelSize, stride, padding, dilation }, true),
    backward: {
      input: d('result1', (grads, places, c) =>
        maxPoolGradient(
          grads[0],
          places,
          spatial(c.input.shape, c.size.length),
          c.kernelSize,
          c.stride,
          c.padding,
          c.dilation,
        ),
      ),
    },
    gradName: 'MaxPool2DWithIndicesBackward0',
  }),
);
/** Gradient of a max-pooling's input: that of each maximum at its place. `size` is the spatial size of the input. */
const maxPoolGradient = defineOp(
  'maxPoolGradient(Tensor grad, Tensor places, int[] size, int[] kernelSize, int[] stride, int[] padding, int[] dilation)',
  (): OpDef => ({
    forward(grad: Tensor, places: Tensor, size: Ints, kernelSize: Ints, stride: Ints, padding: Ints, dilation: Ints) {
      const { t, id } = computed('maxPool', MAX_POOL_GRADIENT, grad);
      const n = size.length;
      const out = Tensor.raw(resized(grad.shape, size), t.code);
      if (t.count === 0) fillElements(out, 0);
      else if (out.count > 0) {
        const geometry = maxGeometry(size, spatial(grad.shape, n), { kernelSize, stride, padding, dilation });
        run(id, planesOf(grad.shape, n), ...geometry, t, places, out);
      }
      return back(out, grad);
    },
    backward: { grad: d('places', (grad, places, c) => planeGather(grad, places, c.size.length)) },
  }),
);

// ---- windows ---------------------------------------------------------------------------------------------------------

/** Checks an input whose channels and spatial sizes must not be 0. */
function checkPooled(call: string, input: Tensor, n: number): void {
  const batched = isBatched(call, input, n);
  if (input.shape.slice(batched ? 1 : 0).some((s) => s === 0)) {
    throw new TenfoldError('shape', `${call}: only the batch may be empty, got shape ${formatShape(input.shape)}`);
  }
}

interface PoolWindows extends MaxWindows {
  size: number[];
}
function poolWindows(
  call: string,
  input: Tensor,
  n: number,
  kernelSize: IntsLike,
  stride: IntsLike | null,
  padding: IntsLike,
  dilation: IntsLike,
  ceilMode: boolean,
): PoolWindows {
  const k = perDim(call, 'kernelSize', kernelSize, n, 1);
  const s =
    stride === null || (typeof stride !== 'number' && stride.length === 0) ? k : perDim(call, 'stride', stride, n, 1);
  const p = perDim(call, 'padding', padding, n, 0);
  const w = perDim(call, 'dilation', dilation, n, 1);
  p.forEach((pad, i) => {
    if (pad > k[i]! / 2) {
      throw new RangeError(
        `${call}: 'padding' may be at most half of the kernel, got padding ${pad} with kernel ${formatSizes(k)}`,
      );
    }
  });
  checkPooled(call, input, n);
  const size = spatial(input.shape, n).map((length, i) => {
    const room = length + 2 * p[i]! - w[i]! * (k[i]! - 1) - 1;
    let out = Math.floor((room + (ceilMode ? s[i]! - 1 : 0)) / s[i]!) + 1;
    // The last window must begin inside the image or its left margin.
    if (ceilMode && (out - 1) * s[i]! >= length + p[i]!) out--;
    if (out < 1) {
      throw new TenfoldError(
        'shape',
        `${call}: a kernel of ${formatSizes(k)} doesn't fit the input ${formatShape(input.shape)} with padding ${formatSizes(p)}`,
      );
    }
    return out;
  });
  const padded = spatial(input.shape, n).map((length, i) => length + 2 * p[i]!);
  checkMargin(call, padded);
  // A stride past the last window says nothing, and kernels walk it.
  const steps = s.map((step, i) => Math.min(step, padded[i]!));
  return { size, kernelSize: k, stride: steps, padding: p, dilation: w };
}

const Pair = namedTensors(['values', 'indices']);

/* eslint-disable-next-line @typescript-eslint/no-explicit-any -- the schema types the call */
type Forward = (...args: any[]) => any;

const maxPool =
  (call: string, n: number): Forward =>
  (
    input: Tensor,
    kernelSize: IntsLike,
    stride: IntsLike | null,
    padding: IntsLike,
    dilation: IntsLike,
    ceilMode: boolean,
    returnIndices: boolean,
  ): Tensor | WithIndices => {
    const w = poolWindows(call, input, n, kernelSize, stride, padding, dilation, ceilMode);
    if (!returnIndices && !(mode.grad && input.requiresGrad)) return runMaxPool(call, input, w.size, w, false)[0]!;
    const [values, places] = maxPoolWithPlaces(input, w.size, w.kernelSize, w.stride, w.padding, w.dilation);
    return returnIndices ? (new Pair([values, places.to('int64')]) as unknown as WithIndices) : values;
  };

/** What `returnIndices: true` gives: the maxima and their int64 places in the input's plane. */
export type WithIndices = NamedTensors<['values', 'indices']>;

/**
 * Maxima of windows along [n, c, l] or [c, l]. With `returnIndices` also their int64 places: `[values, indices]`. NaN
 * wins; of equal elements the first. See torch.nn.functional.max_pool1d.
 */
export const maxPool1d = defineOp(
  'maxPool1d(Tensor input, int[] kernelSize, int[]? stride=null, int[] padding=0, int[] dilation=1, bool ceilMode=false, bool returnIndices=false)',
  (): OpDef => ({ forward: maxPool('maxPool1d', 1), composite: true }),
);
/**
 * Maxima of windows over [n, c, h, w] or [c, h, w]. With `returnIndices` also their int64 places in the plane:
 * `[values, indices]`. NaN wins; of equal elements the first. See torch.nn.functional.max_pool2d.
 */
export const maxPool2d = defineOp(
  'maxPool2d(Tensor input, int[] kernelSize, int[]? stride=null, int[] padding=0, int[] dilation=1, bool ceilMode=false, bool returnIndices=false)',
  (): OpDef => ({ forward: maxPool('maxPool2d', 2), composite: true }),
);
/**
 * Maxima of windows over [n, c, d, h, w] or [c, d, h, w]. With `returnIndices` also their int64 places in the volume:
 * `[values, indices]`. NaN wins; of equal elements the first. See torch.nn.functional.max_pool3d.
 */
export const maxPool3d = defineOp(
  'maxPool3d(Tensor input, int[] kernelSize, int[]? stride=null, int[] padding=0, int[] dilation=1, bool ceilMode=false, bool returnIndices=false)',
  (): OpDef => ({ forward: maxPool('maxPool3d', 3), composite: true }),
);

/** Sizes of an adaptive pooling's result: null keeps the input's. */
function adaptiveSize(
  call: string,
  input: Tensor,
  n: number,
  outputSize: number | readonly (number | null)[],
): number[] {
  checkPooled(call, input, n);
  const list = typeof outputSize === 'number' ? new Array<number>(n).fill(outputSize) : outputSize;
  if (list.length !== n && !(list.length === 1 && n > 1)) {
    throw new TenfoldError(
      'shape',
      `${call}: 'outputSize' must be a number or a list of ${n}, got ${show(outputSize)}`,
    );
  }
  return spatial(input.shape, n).map((s, i) => {
    const size = list.length === 1 ? list[0] : list[i];
    if (size !== null && size! < 0)
      throw new RangeError(`${call}: 'outputSize' must be at least 0, got ${show(outputSize)}`);
    return size ?? s;
  });
}

/** Maxima of `size` parts of the input that cover it, and their places. */
const adaptiveMaxPoolWithPlaces = defineOp(
  'adaptiveMaxPoolWithPlaces(Tensor input, int[] size) -> (values, places)',
  (): OpDef => ({
    forward(input: Tensor, size: Ints) {
      const { t, id } = computed('adaptiveMaxPool', ADAPTIVE_MAX_POOL, input);
      const n = size.length;
      const values = Tensor.raw(resized(input.shape, size), t.code);
      const places = Tensor.raw(values.shape, placesCode(t));
      if (values.count > 0) {
        const sizes = [three(spatial(input.shape, n), 1), three(size, 1)];
        run(id, planesOf(input.shape, n), ...sizes, t, values, places);
      }
      return [back(values, input), places];
    },
    backward: {
      input: d('result1', (grads, places, c) => planeScatter(grads[0], places, spatial(c.input.shape, c.size.length))),
    },
    gradName: 'AdaptiveMaxPool2DBackward0',
  }),
);
const adaptiveMaxPool =
  (call: string, n: number): Forward =>
  (input: Tensor, outputSize: number | readonly (number | null)[], returnIndices: boolean): Tensor | WithIndices => {
    const [values, places] = adaptiveMaxPoolWithPlaces(input, adaptiveSize(call, input, n, outputSize));
    return returnIndices ? (new Pair([values, places.to('int64')]) as unknown as WithIndices) : values;
  };
/** Maxima of `outputSize` parts of [n, c, l] or [c, l]. See torch.nn.functional.adaptive_max_pool1d. */
export const adaptiveMaxPool1d = defineOp(
  'adaptiveMaxPool1d(Tensor input, int?[] outputSize, bool returnIndices=false)',
  (): OpDef => ({ forward: adaptiveMaxPool('adaptiveMaxPool1d', 1), composite: true }),
);
/** Maxima of `outputSize` parts of [n, c, h, w] or [c, h, w]; null keeps a size. See torch.nn.functional.adaptive_max_pool2d. */
export const adaptiveMaxPool2d = defineOp(
  'adaptiveMaxPool2d(Tensor input, int?[] outputSize, bool returnIndices=false)',
  (): OpDef => ({ forward: adaptiveMaxPool('adaptiveMaxPool2d', 2), composite: true }),
);
/** Maxima of `outputSize` parts of [n, c, d, h, w] or [c, d, h, w]. See torch.nn.functional.adaptive_max_pool3d. */
export const adaptiveMaxPool3d = defineOp(
  'adaptiveMaxPool3d(Tensor input, int?[] outputSize, bool returnIndices=false)',
  (): OpDef => ({ forward: adaptiveMaxPool('adaptiveMaxPool3d', 3), composite: true }),
);

const maxUnpool =
  (call: string, n: number): Forward =>
  (
    input: Tensor,
    indices: Tensor,
    kernelSize: IntsLike,
    stride: IntsLike | null,
    padding: IntsLike,
    outputSize: Ints | null,
  ): Tensor => {
    checkPooled(call, input, n);
    const k = perDim(call, 'kernelSize', kernelSize, n, 1);
    const s =
      stride === null || (typeof stride !== 'number' && stride.length === 0) ? k : perDim(call, 'stride', stride, n, 1);
    const p = perDim(call, 'padding', padding, n, 0);
    if (indices.code !== Code.i64)
      throw new TenfoldError('dtype', `${call}: 'indices' must be int64, got ${indices.dtype}`);
    if (indices.shape.length !== input.shape.length || indices.shape.some((x, i) => x !== input.shape[i])) {
      throw new TenfoldError(
        'shape',
        `${call}: 'indices' must have the input's shape ${formatShape(input.shape)}, got ${formatShape(indices.shape)}`,
      );
    }
    const usual = spatial(input.shape, n).map((x, i) => (x - 1) * s[i]! - 2 * p[i]! + k[i]!);
    let size = usual;
    if (outputSize !== null) {
      size = outputSize.slice(-n);
      if (outputSize.length !== n && outputSize.length !== n + 2 && outputSize.length !== input.shape.length) {
        throw new TenfoldError(
          'shape',
          `${call}: 'outputSize' must have ${n} or ${input.shape.length} numbers, got ${show(outputSize)}`,
        );
      }
      size.forEach((x, i) => {
        if (x <= usual[i]! - s[i]! || x >= usual[i]! + s[i]!) {
          throw new RangeError(
            `${call}: 'outputSize' ${show(outputSize)} is not within a stride of ${formatShape(usual)}`,
          );
        }
      });
    }
    if (size.some((x) => x < 0)) {
      throw new RangeError(
        `${call}: the result would have the sizes ${formatShape(size)}; kernel ${formatSizes(k)} and padding ${formatSizes(p)} don't fit the input ${formatShape(input.shape)}`,
      );
    }
    return renamed(call, () => planeUnpool(input, indices, size));
  };
/** Puts the values of a maxPool1d back at their indices, zeros elsewhere. See torch.nn.functional.max_unpool1d. */
export const maxUnpool1d = defineOp(
  'maxUnpool1d(Tensor input, Tensor indices, int[] kernelSize, int[]? stride=null, int[] padding=0, int[]? outputSize=null)',
  (): OpDef => ({ forward: maxUnpool('maxUnpool1d', 1), composite: true }),
);
/** Puts the values of a maxPool2d back at their indices, zeros elsewhere. See torch.nn.functional.max_unpool2d. */
export const maxUnpool2d = defineOp(
  'maxUnpool2d(Tensor input, Tensor indices, int[] kernelSize, int[]? stride=null, int[] padding=0, int[]? outputSize=null)',
  (): OpDef => ({ forward: maxUnpool('maxUnpool2d', 2), composite: true }),
);
/** Puts the values of a maxPool3d back at their indices, zeros elsewhere. See torch.nn.functional.max_unpool3d. */
export const maxUnpool3d = defineOp(
  'maxUnpool3d(Tensor input, Tensor indices, int[] kernelSize, int[]? stride=null, int[] padding=0, int[]? outputSize=null)',
  (): OpDef => ({ forward: maxUnpool('maxUnpool3d', 3), composite: true }),
);

// ---- averages --------------------------------------------------------------------------------------------------------

interface AvgWindows {
  kernelSize: Ints;
  stride: Ints;
  padding: Ints;
  countIncludePad: boolean;
  divisor: number;
}
function runAverage(k: Kernel, input: Tensor, image: Ints, size: Ints, w: AvgWindows, outSize: Ints): Tensor {
  const { t, id } = computed('avgPool', k, input);
  const n = size.length;
  const out = Tensor.raw(resized(input.shape, outSize), t.code);
  if (t.count === 0) fillElements(out, 0);
  else if (out.count > 0) {
    run(
      id,
      planesOf(input.shape, n),
      three(image, 1),
      three(w.kernelSize, 1),
      three(size, 1),
      three(w.stride, 1),
      three(w.padding, 0),
      w.countIncludePad,
      w.divisor,
      t,
      out,
    );
  }
  return back(out, input);
}
/** Averages of windows; `size` is the spatial size of the result, a divisor of 0 stands for the windows' own. */
const averages = defineOp(
  'averages(Tensor input, int[] size, int[] kernelSize, int[] stride, int[] padding, bool countIncludePad, int divisor)',
  (): OpDef => ({
    forward: (
      input: Tensor,
      size: Ints,
      kernelSize: Ints,
      stride: Ints,
      padding: Ints,
      countIncludePad: boolean,
      divisor: number,
    ) =>
      runAverage(
        AVG_POOL,
        input,
        spatial(input.shape, size.length),
        size,
        { kernelSize, stride, padding, countIncludePad, divisor },
        size,
      ),
    backward: {
      input: d((grad, c) =>
        averagesGradient(
          grad,
          spatial(c.input.shape, c.size.length),
          c.kernelSize,
          c.stride,
          c.padding,
          c.countIncludePad,
          c.divisor,
        ),
      ),
    },
    gradName: 'AvgPool2DBackward0',
  }),
);
/** The transpose of `averages`; `size` is the spatial size of the averages' input. */
const averagesGradient = defineOp(
  'averagesGradient(Tensor grad, int[] size, int[] kernelSize, int[] stride, int[] padding, bool countIncludePad, int divisor)',
  (): OpDef => ({
    forward: (
      grad: Tensor,
      size: Ints,
      kernelSize: Ints,
      stride: Ints,
      padding: Ints,
      countIncludePad: boolean,
      divisor: number,
    ) =>
      runAverage(
        AVG_POOL_GRADIENT,
        grad,
        size,
        spatial(grad.shape, size.length),
        { kernelSize, stride, padding, countIncludePad, divisor },
        size,
      ),
    backward: {
      grad: d((grad, c) =>
        averages(
          grad,
          spatial(c.grad.shape, c.size.length),
          c.kernelSize,
          c.stride,
          c.padding,
          c.countIncludePad,
          c.divisor,
        ),
      ),
    },
  }),
);

const avgPool =
  (call: string, n: number): Forward =>
  (
    input: Tensor,
    kernelSize: IntsLike,
    stride: IntsLike | null,
    padding: IntsLike,
    ceilMode: boolean,
    countIncludePad: boolean,
    divisorOverride: number | null = null,
  ): Tensor => {
    if (divisorOverride === 0) throw new RangeError(`${call}: 'divisorOverride' must not be 0`);
    const w = poolWindows(call, input, n, kernelSize, stride, padding, 1, ceilMode);
    return averages(input, w.size, w.kernelSize, w.stride, w.padding, countIncludePad, divisorOverride ?? 0);
  };
/** Averages of windows along [n, c, l] or [c, l]. See torch.nn.functional.avg_pool1d. */
export const avgPool1d = defineOp(
  'avgPool1d(Tensor input, int[] kernelSize, int[]? stride=null, int[] padding=0, bool ceilMode=false, bool countIncludePad=true)',
  (): OpDef => ({ forward: avgPool('avgPool1d', 1), composite: true }),
);
/** Averages of windows over [n, c, h, w] or [c, h, w]. See torch.nn.functional.avg_pool2d. */
export const avgPool2d = defineOp(
  'avgPool2d(Tensor input, int[] kernelSize, int[]? stride=null, int[] padding=0, bool ceilMode=false, bool countIncludePad=true, int? divisorOverride=null)',
  (): OpDef => ({ forward: avgPool('avgPool2d', 2), composite: true }),
);
/** Averages of windows over [n, c, d, h, w] or [c, d, h, w]. See torch.nn.functional.avg_pool3d. */
export const avgPool3d = defineOp(
  'avgPool3d(Tensor input, int[] kernelSize, int[]? stride=null, int[] padding=0, bool ceilMode=false, bool countIncludePad=true, int? divisorOverride=null)',
  (): OpDef => ({ forward: avgPool('avgPool3d', 3), composite: true }),
);

function runAdaptive(k: Kernel, input: Tensor, image: Ints, size: Ints, outSize: Ints): Tensor {
  const { t, id } = computed('adaptiveAvgPool', k, input);
  const out = Tensor.raw(resized(input.shape, outSize), t.code);
  // Sizes of what holds nothing may be any: they are not walked.
  if (t.count === 0) fillElements(out, 0);
  else if (out.count > 0) run(id, planesOf(input.shape, size.length), three(image, 1), three(size, 1), t, out);
  return back(out, input);
}
/** Averages of `size` parts of the input that cover it. */
const adaptiveAverages = defineOp('adaptiveAverages(Tensor input, int[] size)', (): OpDef => ({
  forward: (input: Tensor, size: Ints) =>
    runAdaptive(ADAPTIVE_AVG_POOL, input, spatial(input.shape, size.length), size, size),
  backward: { input: d((grad, c) => adaptiveAveragesGradient(grad, spatial(c.input.shape, c.size.length))) },
  gradName: 'AdaptiveAvgPool2DBackward0',
}));
/** The transpose of `adaptiveAverages`; `size` is the spatial size of its input. */
const adaptiveAveragesGradient = defineOp('adaptiveAveragesGradient(Tensor grad, int[] size)', (): OpDef => ({
  forward: (grad: Tensor, size: Ints) =>
    runAdaptive(ADAPTIVE_AVG_POOL_GRADIENT, grad, size, spatial(grad.shape, size.length), size),
  backward: { grad: d((grad, c) => adaptiveAverages(grad, spatial(c.grad.shape, c.size.length))) },
}));
const adaptiveAvgPool =
  (call: string, n: number): Forward =>
  (input: Tensor, outputSize: number | readonly (number | null)[]): Tensor => {
    const size = adaptiveSize(call, input, n, outputSize);
    if (isFloatCode(input.code) && size.every((s) => s === 1)) {
      return input.mean(
        size.map((_, i) => i - n),
        true,
      );
    }
    return adaptiveAverages(input, size);
  };
/** Averages of `outputSize` parts of [n, c, l] or [c, l]. See torch.nn.functional.adaptive_avg_pool1d. */
export const adaptiveAvgPool1d = defineOp('adaptiveAvgPool1d(Tensor input, int?[] outputSize)', (): OpDef => ({
  forward: adaptiveAvgPool('adaptiveAvgPool1d', 1),
  composite: true,
}));
/** Averages of `outputSize` parts of [n, c, h, w] or [c, h, w]; null keeps a size. See torch.nn.functional.adaptive_avg_pool2d. */
export const adaptiveAvgPool2d = defineOp('adaptiveAvgPool2d(Tensor input, int?[] outputSize)', (): OpDef => ({
  forward: adaptiveAvgPool('adaptiveAvgPool2d', 2),
  composite: true,
}));
/** Averages of `outputSize` parts of [n, c, d, h, w] or [c, d, h, w]. See torch.nn.functional.adaptive_avg_pool3d. */
export const adaptiveAvgPool3d = defineOp('adaptiveAvgPool3d(Tensor input, int?[] outputSize)', (): OpDef => ({
  forward: adaptiveAvgPool('adaptiveAvgPool3d', 3),
  composite: true,
}));

// ---- power averages ----------------------------------------------------------------------------------------------------

/** (Σ xᵖ over the window)^(1/p). */
const lpPool =
  (call: string, n: number): Forward =>
  (input: Tensor, normType: number, kernelSize: IntsLike, stride: IntsLike | null, ceilMode: boolean): Tensor => {
    const k = perDim(call, 'kernelSize', kernelSize, n, 1);
    const mean = avgPool(call, n)(input.pow(normType), k, stride, 0, ceilMode, true) as Tensor;
    return mean
      .sign()
      .mul(mean.abs())
      .mul(numelOf(k))
      .pow(1 / normType);
  };
/** The `normType`-norm of windows along [n, c, l] or [c, l]. See torch.nn.functional.lp_pool1d. */
export const lpPool1d = defineOp(
  'lpPool1d(Tensor input, float normType, int[] kernelSize, int[]? stride=null, bool ceilMode=false)',
  (): OpDef => ({ forward: lpPool('lpPool1d', 1), composite: true }),
);
/** The `normType`-norm of windows over [n, c, h, w] or [c, h, w]. See torch.nn.functional.lp_pool2d. */
export const lpPool2d = defineOp(
  'lpPool2d(Tensor input, float normType, int[] kernelSize, int[]? stride=null, bool ceilMode=false)',
  (): OpDef => ({ forward: lpPool('lpPool2d', 2), composite: true }),
);
/** The `normType`-norm of windows over [n, c, d, h, w] or [c, d, h, w]. See torch.nn.functional.lp_pool3d. */
export const lpPool3d = defineOp(
  'lpPool3d(Tensor input, float normType, int[] kernelSize, int[]? stride=null, bool ceilMode=false)',
  (): OpDef => ({ forward: lpPool('lpPool3d', 3), composite: true }),
);
