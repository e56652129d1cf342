/**
 * What the transforms do, without chance: functions of images [..., channels, height, width], of any number of leading dims and
 * any dtype unless said otherwise. Numbers are those of torchvision.transforms.v2.functional.
 */
import { TenfoldError, show } from '../errors.js';
import type { DType } from '../dtype.js';
import * as F from '../nn/functional/index.js';
import { signature, type Arguments } from '../op/schema.js';
import { linspace, ones, tensor } from '../ops/creation.js';
import { cat, where } from '../ops/index.js';
import { halfToEven } from '../tensor/rounding.js';
import { type Tensor } from '../tensor/tensor.js';
import {
  INTERPOLATIONS,
  checkInterpolation,
  channelsOf,
  checkPaddingMode,
  pairOf,
  perChannel,
  sidesOf,
  sizeOf,
  type Fill,
} from './arguments.js';

const cropSchema = signature('crop(Tensor image, int top, int left, int height, int width)');
/**
 * A part of an image, as a view of it; what lies outside of it is 0 (then a copy).
 *
 * @throws RangeError for a height or width below 1.
 */
export function crop(...args: Arguments<typeof cropSchema.schema>): Tensor {
  const [image, top, left, height, width] = cropSchema.read(args);
  const [h, w] = sizeOf('crop', image);
  if (height < 1 || width < 1) throw new RangeError(`crop: height and width must be at least 1, got ${height} and ${width}`); // prettier-ignore
  const [bottom, right] = [top + height, left + width];
  if (top >= 0 && left >= 0 && bottom <= h && right <= w) return image.narrow(-2, top, height).narrow(-1, left, width);
  return F.pad(image, [-left, right - w, -top, bottom - h]);
}

const centerSchema = signature('centerCrop(Tensor image, int[] size)');
/** The middle of an image; a size beyond the image's is filled up with 0. `size`: a number for both, or [height, width]. */
export function centerCrop(...args: Arguments<typeof centerSchema.schema>): Tensor {
  const [image, size] = centerSchema.read(args);
  const [height, width] = pairOf('centerCrop', size);
  const [h, w] = sizeOf('centerCrop', image);
  const [down, across] = [Math.max(height - h, 0), Math.max(width - w, 0)];
  const sides = [across >> 1, (across + 1) >> 1, down >> 1, (down + 1) >> 1];
  const whole = down + across > 0 ? F.pad(image, sides) : image;
  return crop(whole, halfToEven((h + down - height) / 2), halfToEven((w + across - width) / 2), height, width);
}

const imageSchema = signature('hflip(Tensor image)');
/** The image mirrored, left and right exchanged. */
export function hflip(...args: Arguments<typeof imageSchema.schema>): Tensor {
  const [image] = imageSchema.read(args, 'hflip');
  sizeOf('hflip', image);
  return image.flip(-1);
}
/** The image turned over, top and bottom exchanged. */
export function vflip(...args: Arguments<typeof imageSchema.schema>): Tensor {
  const [image] = imageSchema.read(args, 'vflip');
  sizeOf('vflip', image);
  return image.flip(-2);
}

const resizeSchema = signature(
  "resize(Tensor image, int[] size, string interpolation='bilinear', int? maxSize=null, bool antialias=true)",
);
/**
 * The image in another size: `size` [height, width], or a number for the shorter edge (the longer one follows, `maxSize` at most).
 * 'nearest', 'nearest-exact', 'bilinear' (the default), 'bicubic'; `antialias` smooths what is made smaller.
 *
 * uint8 images give what torchvision's give; other integers are computed in float32 and rounded.
 */
export function resize(...args: Arguments<typeof resizeSchema.schema>): Tensor {
  const [image, size, interpolation, maxSize, antialias] = resizeSchema.read(args);
  checkInterpolation('resize', interpolation, INTERPOLATIONS);
  const before = sizeOf('resize', image);
  const to = resizedTo(before, size, maxSize);
  if (to[0] === before[0] && to[1] === before[1]) return image;
  const { shape } = image;
  const smooth = interpolation === 'bilinear' || interpolation === 'bicubic';
  const direct = image.isFloatingPoint() || image.dtype === 'uint8';
  const planes = image.reshape(-1, channelsOf(image), ...before);
  const given = direct ? planes : planes.to('float32');
  const found = F.interpolate(given, {
    size: to,
    mode: interpolation as 'bilinear',
    ...(smooth ? { alignCorners: false, antialias } : {}),
  });
  return (direct ? found : found.round().to(image.dtype)).reshape(...shape.slice(0, -2), ...to);
}
function resizedTo(
  [h, w]: readonly [number, number],
  size: number | readonly number[],
  maxSize: number | null,
): [number, number] {
  if (typeof size !== 'number' && size.length === 2) {
    if (maxSize !== null) throw new TypeError('resize: maxSize is for a size of one number, the shorter edge');
    return pairOf('resize', size);
  }
  const [wanted] = pairOf('resize', size);
  if (maxSize !== null && maxSize <= wanted)
    throw new RangeError(`resize: maxSize must be above the shorter edge's size ${wanted}, got ${maxSize}`);
  let [short, long] = [wanted, Math.trunc((wanted * Math.max(h, w)) / Math.min(h, w))];
  if (maxSize !== null && long > maxSize) [short, long] = [Math.trunc((maxSize * short) / long), maxSize];
  if (short < 1) throw new RangeError(`resize: an image of ${h} x ${w} within ${maxSize} has no pixel on its shorter edge`); // prettier-ignore
  return w <= h ? [long, short] : [short, long];
}

const padSchema = signature("pad(Tensor image, int[] padding, float|float[] fill=0, string paddingMode='constant')");
/**
 * The image with a border. `padding`: a number for all sides, two (left and right, top and bottom), or [left, top, right, bottom].
 * 'constant' fills with `fill`, 'edge' with the outermost pixel, 'reflect' mirrors without it, 'symmetric' with it.
 */
export function pad(...args: Arguments<typeof padSchema.schema>): Tensor {
  const [image, padding, fill, mode] = padSchema.read(args);
  const [h, w] = sizeOf('pad', image);
  const [left, top, right, bottom] = sidesOf('pad', padding);
  checkPaddingMode('pad', mode);
  if (mode !== 'constant') {
    const rows = borderIndices(mode, h, top, bottom);
    return image.indexSelect(-2, rows).indexSelect(-1, borderIndices(mode, w, left, right));
  }
  const sides = [left, right, top, bottom];
  if (typeof fill === 'number') return F.pad(image, sides, { value: fill });
  const inside = F.pad(ones([1, h, w], { dtype: 'bool' }), sides, { value: 0 });
  return where(inside, F.pad(image, sides), colour('pad', fill, image));
}
/** Where along a dim the pixels of a bordered one come from. */
function borderIndices(mode: string, size: number, before: number, after: number): Tensor {
  const most = mode === 'reflect' ? size - 1 : mode === 'symmetric' ? size : Infinity;
  if (size < 1 || Math.max(before, after) > most)
    throw new RangeError(
      `pad: paddings ${before} and ${after} of '${mode}' must be at most ${most} for ${size} pixels`,
    );
  const last = size - 1;
  const mirror = mode === 'reflect' ? 0 : 1;
  const from = (i: number): number => {
    if (mode === 'edge') return Math.min(Math.max(i, 0), last);
    return i < 0 ? -i - mirror : i > last ? 2 * last - i + mirror : i;
  };
  return tensor(BigInt64Array.from({ length: before + size + after }, (_, i) => BigInt(from(i - before))));
}
/** A fill as [channels, 1, 1]. */
function colour(call: string, fill: Fill, image: Tensor): Tensor {
  const list = typeof fill === 'number' ? [fill] : [...fill];
  const channels = channelsOf(image);
  if (list.length !== 1 && list.length !== channels)
    throw new TenfoldError('shape', `${call}: fill must have 1 or ${channels} values, as the image has channels; got ${list.length}`); // prettier-ignore
  return perChannel(list).to(image.dtype);
}
const rotateSchema = signature(
  "rotate(Tensor image, float angle, string interpolation='nearest', bool expand=false, float[]? center=null, float|float[]? fill=null)",
);
/**
 * The image turned by `angle` degrees against the clock around its middle, or around `center` [x, y] in pixels. 'nearest' or
 * 'bilinear'; `expand` makes the image large enough for all of it; what comes from outside is `fill` (0).
 */
export function rotate(...args: Arguments<typeof rotateSchema.schema>): Tensor {
  const [image, angle, interpolation, expand, center, fill] = rotateSchema.read(args);
  const [h, w] = sizeOf('rotate', image);
  checkInterpolation('rotate', interpolation, ['nearest', 'bilinear']);
  if (!Number.isFinite(angle)) throw new RangeError(`rotate: angle must be a finite number of degrees, got ${angle}`);
  if (center !== null && center.length !== 2) throw new TypeError(`rotate: center must be [x, y], got ${show(center)}`);
  if (expand && center !== null) throw new TypeError('rotate: with expand, the image turns around its middle');
  const turn = ((angle % 360) + 360) % 360;
  if (center === null) {
    if (turn === 0) return image.clone();
    if (turn === 180 || ((turn === 90 || turn === 270) && (expand || h === w))) return image.rot90(turn / 90, [-2, -1]);
  }
  const matrix = inverseRotation(turn, center === null ? [0, 0] : [center[0]! - w / 2, center[1]! - h / 2]);
  const [outW, outH] = expand ? turnedSize(matrix, w, h) : [w, h];
  return sampled(image, gridOf(matrix, image, [w, h], [outW, outH]), interpolation as 'nearest' | 'bilinear', fill);
}
type Affine = readonly [number, number, number, number, number, number];
/** Where a pixel of the turned image comes from; x and y from the middle. */
function inverseRotation(degrees: number, [cx, cy]: readonly number[]): Affine {
  const angle = (-degrees * Math.PI) / 180;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [c, s, cx! - c * cx! - s * cy!, -s, c, cy! + s * cx! - c * cy!];
}
/** Width and height that hold all corners. Beyond a ten-thousandth of a pixel, sizes go up. */
function turnedSize([a, b, , d, e]: Affine, w: number, h: number): [number, number] {
  const f = Math.fround;
  const span = (x: number, y: number, half: number): number => {
    const reach = Math.abs(f(x) * (w / 2)) + Math.abs(f(y) * (h / 2));
    const cut = (at: number): number => Math.trunc(f(at * 1e4)) * 1e-4;
    return Math.ceil(f(cut(half + reach))) - Math.floor(f(cut(half - reach)));
  };
  return [span(a, b, w / 2), span(d, e, h / 2)];
}
/** The grid [1, h', w', 2] of an affine map for gridSample. */
function gridOf(matrix: Affine, image: Tensor, [w, h]: number[], [outW, outH]: number[]): Tensor {
  const dtype: DType = image.isFloatingPoint() ? image.dtype : 'float32';
  const line = (n: number): Tensor => linspace((1 - n) / 2, (n - 1) / 2, n).to(dtype);
  const x = line(outW!).expand(outH!, outW!);
  const y = line(outH!).unsqueeze(-1).expand(outH!, outW!);
  const places = cat([x, y, ones([outH!, outW!], { dtype })].map((t) => t.unsqueeze(-1)), -1); // prettier-ignore
  const scaled = tensor([...matrix], { dtype }).reshape(2, 3).t().div(tensor([w! / 2, h! / 2], { dtype })); // prettier-ignore
  return places.reshape(-1, 3).matmul(scaled).reshape(1, outH!, outW!, 2);
}
function sampled(image: Tensor, grid: Tensor, mode: 'nearest' | 'bilinear', fill: Fill | null): Tensor {
  const { shape } = image;
  const out = [...shape.slice(0, -2), grid.shape[1]!, grid.shape[2]!];
  if (image.numel() === 0) return image.reshape(out);
  const planes = image.to(grid.dtype).reshape(-1, channelsOf(image), ...shape.slice(-2));
  const [n] = planes.shape as readonly [number];
  const sample = (x: Tensor): Tensor =>
    F.gridSample(x, grid.expand(n, -1, -1, -1), { mode, paddingMode: 'zeros', alignCorners: false });
  let found = sample(planes);
  if (fill !== null) {
    const inside = sample(ones([n, 1, ...shape.slice(-2)], { dtype: grid.dtype }));
    const value = colour('rotate', fill, planes);
    found = mode === 'nearest' ? where(inside.lt(0.5), value, found) : found.sub(value).mul(inside).add(value);
  }
  return (image.isFloatingPoint() ? found : found.round().to(image.dtype)).reshape(out);
}

const normalizeSchema = signature('normalize(Tensor image, float|float[] mean, float|float[] std, bool inplace=false)');
/**
 * (image − mean) / std, channel by channel: one number for all, or one for each. Floating-point images only.
 *
 * @throws TenfoldError 'dtype' for integers (`toDtype(image, 'float32', { scale: true })` first), RangeError for a std of 0.
 */
export function normalize(...args: Arguments<typeof normalizeSchema.schema>): Tensor {
  const [image, mean, std, inplace] = normalizeSchema.read(args);
  sizeOf('normalize', image);
  if (!image.isFloatingPoint())
    throw new TenfoldError('dtype', `normalize: expected a floating-point image, got ${image.dtype}; toDtype(image, 'float32', { scale: true }) makes one`); // prettier-ignore
  const [m, s] = [colour('normalize', mean, image), colour('normalize', std, image)];
  if (s.eq(0).any().item()) throw new RangeError(`normalize: std must not be 0 in ${image.dtype}, got ${show(std)}`); // prettier-ignore
  return inplace ? image.sub_(m).div_(s) : image.sub(m).div(s);
}

const eraseSchema = signature(
  'erase(Tensor image, int top, int left, int height, int width, Tensor|Scalar value, bool inplace=false)',
);
/** The image with a rectangle set to a value: a number, or a tensor that broadcasts to [channels, height, width]. */
export function erase(...args: Arguments<typeof eraseSchema.schema>): Tensor {
  const [image, top, left, height, width, value, inplace] = eraseSchema.read(args);
  const [h, w] = sizeOf('erase', image);
  if (top < 0 || left < 0 || height < 0 || width < 0 || top + height > h || left + width > w)
    throw new RangeError(`erase: ${height} x ${width} at ${top}, ${left} lies outside an image of ${h} x ${w}`);
  const result = inplace ? image : image.clone();
  const place = result.narrow(-2, top, height).narrow(-1, left, width);
  if (typeof value === 'object') place.copy_(value);
  else place.fill_(value);
  return result;
}

const BITS: Partial<Record<DType, number>> = { uint8: 8, int8: 7, int16: 15, int32: 31, int64: 63, bool: 1 };
const dtypeSchema = signature("toDtype(Tensor image, dtype dtype='float32', bool scale=false)");
/**
 * The image in another dtype. With `scale`, a dtype's whole range stands for the other's: integers 0 to their greatest, floats 0 to 1.
 *
 * @throws TenfoldError 'dtype' where the range can't be had: float32 to int32 and int64, float64 to int64.
 */
export function toDtype(...args: Arguments<typeof dtypeSchema.schema>): Tensor {
  const [image, dtype, scale] = dtypeSchema.read(args);
  if (image.dtype === dtype || !scale) return image.to(dtype);
  const [from, to] = [image.isFloatingPoint() ? null : BITS[image.dtype]!, BITS[dtype] ?? null];
  const greatest = (bits: number): number => 2 ** bits - 1;
  if (from === null && to === null) return image.to(dtype);
  if (from !== null && to === null) return image.to(dtype).mul(1 / greatest(from));
  if (from === null) {
    if ((image.dtype === 'float32' && to! > 30) || to === 63)
      throw new TenfoldError('dtype', `toDtype: ${image.dtype} can't hold ${dtype}'s range exactly; go by float64 or int16`); // prettier-ignore
    return image.mul(greatest(to!) + 1 - 1e-3).to(dtype);
  }
  return from > to! ? image.bitwiseRightShift(from - to!).to(dtype) : image.to(dtype).bitwiseLeftShift(to! - from);
}
