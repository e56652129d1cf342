/** Pooling by windows at random distances (Graham 2014, Fractional Max-Pooling). */
import { TenfoldError, show } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { noGrad } from '../../autograd/mode.js';
import { formatShape, numelOf, sameShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { rand } from '../../ops/random.js';
import { planeGather } from './planes.js';
import { isBatched, perDim, spatial } from './windows.js';

type Numbers = number | readonly number[];

/** Sizes of the result, from outputSize or as a part of the input's. */
function resultSize(call: string, x: Tensor, n: number, size: Numbers | null, ratio: Numbers | null): number[] {
  if (size !== null) return perDim(call, 'outputSize', size, n, 1);
  if (ratio === null) throw new TenfoldError('value', `${call}: give outputSize or outputRatio`);
  const ratios = typeof ratio === 'number' ? new Array<number>(n).fill(ratio) : [...ratio];
  if (ratios.length !== n || ratios.some((r) => !(r > 0 && r < 1)))
    throw new RangeError(`${call}: outputRatio must be between 0 and 1, one number or ${n}, got ${show(ratio)}`);
  return spatial(x.shape, n).map((s, i) => Math.trunc(s * ratios[i]!));
}
/** Where windows of size k begin along a dim: at ⌊(i + u) a⌋ − ⌊u a⌋, the last one at its end; u is a random number of the dtype. */
function starts(size: number, count: number, k: number, u: number, single: boolean): number[] {
  const round = single ? Math.fround : (x: number): number => x;
  const alpha = round(round(size - k) / round(count - 1));
  return Array.from({ length: count }, (_, i) =>
    i === count - 1 ? size - k : Math.trunc(round(round(i + u) * alpha)) - Math.trunc(round(u * alpha)),
  );
}
/** Places in its plane of all elements of all windows: int64 [planes, windows, elements]. */
function windowPlaces(image: number[], size: number[], k: number[], samples: Tensor): Tensor {
  const n = size.length;
  const draws = samples.reshape([-1, n]).tolist() as number[][];
  const [windows, elements] = [numelOf(size), numelOf(k)];
  const out = new BigInt64Array(draws.length * windows * elements);
  const inside = Array.from({ length: elements }, (_, e) => {
    let [rest, place, step] = [e, 0, 1];
    for (let i = n - 1; i >= 0; i--) {
      place += (rest % k[i]!) * step;
      rest = Math.floor(rest / k[i]!);
      step *= image[i]!;
    }
    return place;
  });
  let at = 0;
  for (const draw of draws) {
    // PyTorch's samples belong to w and h of planes, but to t, h and w of volumes.
    const rows = size.map((s, i) => starts(image[i]!, s, k[i]!, draw[n === 2 ? 1 - i : i]!, samples.code !== Code.f64));
    for (let w = 0; w < windows; w++) {
      let [rest, place, step] = [w, 0, 1];
      for (let i = n - 1; i >= 0; i--) {
        place += rows[i]![rest % size[i]!]! * step;
        rest = Math.floor(rest / size[i]!);
        step *= image[i]!;
      }
      for (let e = 0; e < elements; e++) out[at++] = BigInt(place + inside[e]!);
    }
  }
  return Tensor.wrap(out, [draws.length, windows, elements], Code.i64);
}

const fractional =
  (call: string, n: number) =>
  (
    x: Tensor,
    kernel: Numbers,
    outputSize: Numbers | null,
    ratio: Numbers | null,
    indices: boolean,
    samples: Tensor | null,
  ): Tensor | Tensor[] => {
    const batched = isBatched(call, x, n);
    if (!isFloatCode(x.code)) throw new TenfoldError('dtype', `${call}: needs a floating-point dtype, got ${x.dtype}`);
    const k = perDim(call, 'kernelSize', kernel, n, 1);
    const size = resultSize(call, x, n, outputSize, ratio);
    const image = spatial(x.shape, n);
    image.forEach((s, i) => {
      if (size[i]! < 1 || size[i]! + k[i]! - 1 > s)
        throw new TenfoldError('shape', `${call}: ${size[i]} windows of ${k[i]} don't fit ${s} elements, in an input ${formatShape(x.shape)}`); // prettier-ignore
    });
    if (x.shape.slice(batched ? 1 : 0).includes(0))
      throw new TenfoldError('shape', `${call}: only the batch may be empty, got ${formatShape(x.shape)}`);
    const [batch, channels] = [batched ? x.shape[0]! : 1, x.shape.at(-n - 1)!];
    const want = [batch, channels, n];
    // There may be samples of more images than there are, as in PyTorch.
    const spare = samples !== null && samples.shape.length === 3 && samples.shape[0]! > batch;
    const draws = spare ? samples.narrow(0, 0, batch) : (samples ?? rand(want, { dtype: x.dtype }));
    if (!sameShape(draws.shape, want) || draws.code !== x.code)
      throw new TenfoldError('shape', `${call}: random samples must be ${x.dtype} ${formatShape(want)}, got ${draws.dtype} ${formatShape(draws.shape)}`); // prettier-ignore
    if (!draws.isfinite().all().item<boolean>())
      throw new TenfoldError('value', `${call}: random samples must be finite numbers, of [0, 1)`);
    const planes = x.reshape([batch * channels, numelOf(image)]);
    const places = noGrad(() => {
      const all = windowPlaces(image, size, k, draws.detach());
      const [planeCount, windows, elements] = all.shape as unknown as [number, number, number];
      const values = planeGather(planes.detach(), all.reshape([planeCount, windows * elements]), 1).view([
        ...all.shape,
      ]);
      return all.gather(2, values.argmax(2, true)).squeeze(2);
    });
    const shape = [...x.shape.slice(0, -n), ...size];
    const values = planeGather(planes, places, 1).view(shape);
    return indices ? Object.assign([values, places.view(shape)], { values, indices: places.view(shape) }) : values;
  };
/**
 * Maxima of windows of `kernelSize` over [n, c, h, w] or [c, h, w], which begin at random distances so that there are `outputSize`
 * of them, or `outputRatio` times the input's size. With `returnIndices` also their int64 places in the plane. The windows come
 * from `_randomSamples` [n, c, 2], numbers in [0, 1) drawn where not given. See torch.nn.functional.fractional_max_pool2d.
 */
export const fractionalMaxPool2d = defineOp(
  'fractionalMaxPool2d(Tensor input, int[] kernelSize, int[]? outputSize=null, float|float[]? outputRatio=null, bool returnIndices=false, Tensor? _randomSamples=null)',
  (): OpDef => ({ forward: fractional('fractionalMaxPool2d', 2), composite: true }),
);
/** fractionalMaxPool2d over [n, c, d, h, w] or [c, d, h, w]. See torch.nn.functional.fractional_max_pool3d. */
export const fractionalMaxPool3d = defineOp(
  'fractionalMaxPool3d(Tensor input, int[] kernelSize, int[]? outputSize=null, float|float[]? outputRatio=null, bool returnIndices=false, Tensor? _randomSamples=null)',
  (): OpDef => ({ forward: fractional('fractionalMaxPool3d', 3), composite: true }),
);
