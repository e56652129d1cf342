/**
 * Transforms by chance. They draw from the default generator, or from their own (`generator`), what torchvision.transforms.v2 draws
 * in its order: a seed gives the same images. In a DataLoader's workers, each worker's generator has its own seed.
 */
import { TenfoldError, show } from '../errors.js';
import { Module } from '../nn/index.js';
import { signature, type Arguments } from '../op/schema.js';
import { empty } from '../ops/creation.js';
import { rand, randint } from '../ops/random.js';
import type { Generator } from '../random/generator.js';
import { halfToEven } from '../tensor/rounding.js';
import { type Tensor } from '../tensor/tensor.js';
import { applied, checkTransform, type Transform } from './fixed.js';
import { sizeOf, pairOf, checkInterpolation, checkPaddingMode, sidesOf, perChannel, type Fill } from './arguments.js';
import * as F from './functional.js';

/** Whether chance says so; draws one number. */
const happens = (p: number, generator: Generator | null): boolean =>
  (rand([1], { generator: generator ?? undefined }).item() as number) < p;
const between = (from: number, to: number, generator: Generator | null): number =>
  empty([1])
    .uniform_(from, to, { generator: generator ?? undefined })
    .item() as number;
const below = (n: number, generator: Generator | null): number =>
  Number(randint(0, n, [1], { generator: generator ?? undefined }).item());
function checkProbability(call: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`${call}: p must be from 0 to 1, got ${p}`);
}
/**
 * Sides of a rectangle by chance: its area drawn from `scale`, a share of `area`, and the ratio of the first side to the second from
 * `ratio`, by its logarithm, in float32 as PyTorch draws it.
 */
function sides(area: number, scale: Range, ratio: Range, generator: Generator | null): [number, number] {
  const part = area * between(...scale, generator);
  const [low, high] = ratio.map((r) => Math.fround(Math.log(Math.fround(r)))) as [number, number];
  const form = Math.fround(Math.exp(between(low, high, generator)));
  return [halfToEven(Math.sqrt(part * form)), halfToEven(Math.sqrt(part / form))];
}
type Range = readonly [number, number];
/** A range [from, to] of numbers above 0. */
function checkRange(call: string, name: string, range: readonly number[]): Range {
  if (range.length !== 2 || !(range[0]! > 0 && range[0]! <= range[1]! && range[1]! < Infinity))
    throw new RangeError(`${call}: ${name} must be [from, to] with 0 < from <= to, got ${show(range)}`);
  return [range[0]!, range[1]!];
}

const flip = signature('RandomHorizontalFlip(float p=0.5, *, generator? generator=null)');
abstract class RandomFlip extends Module {
  readonly p: number;
  readonly #generator: Generator | null;
  constructor(...args: Arguments<typeof flip.schema>) {
    super();
    [this.p, this.#generator] = flip.read(args, new.target.name);
    checkProbability(new.target.name, this.p);
  }
  protected abstract flipped(image: Tensor): Tensor;
  override forward(image: Tensor): Tensor {
    return happens(this.p, this.#generator) ? this.flipped(image) : image;
  }
}
/** Mirrors with probability p, left and right exchanged. */
export class RandomHorizontalFlip extends RandomFlip {
  protected flipped(image: Tensor): Tensor {
    return F.hflip(image);
  }
}
/** Turns over with probability p, top and bottom exchanged. */
export class RandomVerticalFlip extends RandomFlip {
  protected flipped(image: Tensor): Tensor {
    return F.vflip(image);
  }
}

const apply = signature('RandomApply(any transforms, float p=0.5, *, generator? generator=null)');
/** Transforms one after the other, all of them with probability p, or none. */
export class RandomApply extends Module {
  readonly transforms: readonly Transform[];
  readonly p: number;
  readonly #generator: Generator | null;
  constructor(
    ...args:
      | [transforms: readonly Transform[], options?: { p?: number; generator?: Generator | null }]
      | [transforms: readonly Transform[], p?: number, options?: { generator?: Generator | null }]
  ) {
    super();
    const [transforms, p, generator] = apply.read(args);
    if (!Array.isArray(transforms)) throw new TypeError(`RandomApply: expected a list of transforms, got ${show(transforms)}`); // prettier-ignore
    transforms.forEach((t) => checkTransform('RandomApply', t));
    checkProbability('RandomApply', p);
    [this.transforms, this.p, this.#generator] = [[...(transforms as Transform[])], p, generator];
  }
  override forward(image: Tensor): Tensor {
    return happens(this.p, this.#generator) ? this.transforms.reduce((x, t) => applied(t, x), image) : image;
  }
}

const randomCrop = signature(
  "RandomCrop(int[] size, int[]? padding=null, bool padIfNeeded=false, float|float[] fill=0, string paddingMode='constant', *, generator? generator=null)",
);
/**
 * A part of `size` (a number for both, or [height, width]) at a random place, of the image with a border as `transforms.functional.pad`
 * makes it. `padIfNeeded` widens an image that is too small.
 */
export class RandomCrop extends Module {
  readonly size: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly padIfNeeded: boolean;
  readonly #border: { fill: Fill; paddingMode: string };
  readonly #generator: Generator | null;
  constructor(...args: Arguments<typeof randomCrop.schema>) {
    super();
    const [size, padding, padIfNeeded, fill, paddingMode, generator] = randomCrop.read(args);
    this.size = pairOf('RandomCrop', size);
    this.padding = sidesOf('RandomCrop', padding ?? 0);
    checkPaddingMode('RandomCrop', paddingMode);
    this.padIfNeeded = padIfNeeded;
    this.#border = { fill, paddingMode };
    this.#generator = generator;
  }
  override forward(image: Tensor): Tensor {
    const [height, width] = this.size;
    let [left, top, right, bottom] = this.padding;
    const before = sizeOf('RandomCrop', image);
    let [h, w] = [before[0] + top + bottom, before[1] + left + right];
    if (this.padIfNeeded) {
      const [down, across] = [Math.max(height - h, 0), Math.max(width - w, 0)];
      [top, bottom, h] = [top + down, bottom + down, h + 2 * down];
      [left, right, w] = [left + across, right + across, w + 2 * across];
    }
    if (h < height || w < width)
      throw new TenfoldError('shape', `RandomCrop: ${height} x ${width} is more than the image's ${h} x ${w}; padIfNeeded widens it`); // prettier-ignore
    const at = (room: number): number => (room > 0 ? below(room + 1, this.#generator) : 0);
    const y = at(h - height);
    const x = at(w - width);
    const border = [left, top, right, bottom];
    return F.crop(border.some((n) => n > 0) ? F.pad(image, border, this.#border) : image, y, x, height, width);
  }
}

const resizedCrop = signature(
  "RandomResizedCrop(int[] size, float[]? scale=null, float[]? ratio=null, string interpolation='bilinear', bool antialias=true, *, generator? generator=null)",
);
/**
 * A part of random area and form at a random place, in a size: `scale` [0.08, 1] of the image's area, `ratio` [3/4, 4/3] of width to
 * height (Szegedy et al. 2014). After ten tries that don't fit, the largest middle part whose ratio does.
 */
export class RandomResizedCrop extends Module {
  readonly size: readonly [number, number];
  readonly scale: Range;
  readonly ratio: Range;
  readonly #how: { interpolation: string; antialias: boolean };
  readonly #generator: Generator | null;
  constructor(...args: Arguments<typeof resizedCrop.schema>) {
    super();
    const [size, scale, ratio, interpolation, antialias, generator] = resizedCrop.read(args);
    this.size = pairOf('RandomResizedCrop', size);
    this.scale = checkRange('RandomResizedCrop', 'scale', scale ?? [0.08, 1]);
    this.ratio = checkRange('RandomResizedCrop', 'ratio', ratio ?? [3 / 4, 4 / 3]);
    checkInterpolation('RandomResizedCrop', interpolation, ['nearest', 'nearest-exact', 'bilinear', 'bicubic']);
    this.#how = { interpolation, antialias };
    this.#generator = generator;
  }
  override forward(image: Tensor): Tensor {
    const [top, left, height, width] = this.part(sizeOf('RandomResizedCrop', image));
    return F.resize(F.crop(image, top, left, height, width), this.size, this.#how);
  }
  private part([h, w]: readonly [number, number]): [top: number, left: number, height: number, width: number] {
    const g = this.#generator;
    for (let i = 0; i < 10; i++) {
      const [width, height] = sides(h * w, this.scale, this.ratio, g);
      if (width > 0 && width <= w && height > 0 && height <= h) {
        const top = below(h - height + 1, g);
        return [top, below(w - width + 1, g), height, width];
      }
    }
    const [narrowest, widest] = this.ratio;
    let [height, width] = [h, w];
    if (w / h < narrowest) height = halfToEven(w / narrowest);
    else if (w / h > widest) width = halfToEven(h * widest);
    return [(h - height) >> 1, (w - width) >> 1, height, width];
  }
}

const rotation = signature(
  "RandomRotation(float|float[] degrees, string interpolation='nearest', bool expand=false, float[]? center=null, float|float[] fill=0, *, generator? generator=null)",
);
/** Turns by an angle from −degrees to degrees, or from [from, to]: see `transforms.functional.rotate`. */
export class RandomRotation extends Module {
  readonly degrees: readonly [number, number];
  readonly #how: { interpolation: string; expand: boolean; center: readonly number[] | null; fill: Fill };
  readonly #generator: Generator | null;
  constructor(...args: Arguments<typeof rotation.schema>) {
    super();
    const [degrees, interpolation, expand, center, fill, generator] = rotation.read(args);
    const range = typeof degrees === 'number' ? [-degrees, degrees] : [...degrees];
    if (range.length !== 2 || !range.every(Number.isFinite) || range[0]! > range[1]!)
      throw new RangeError(`RandomRotation: degrees must be a number from 0 on, or [from, to], got ${show(degrees)}`);
    checkInterpolation('RandomRotation', interpolation, ['nearest', 'bilinear']);
    this.degrees = range as [number, number];
    this.#how = { interpolation, expand, center, fill };
    this.#generator = generator;
  }
  override forward(image: Tensor): Tensor {
    return F.rotate(image, between(...this.degrees, this.#generator), this.#how);
  }
}

const erasing = signature(
  'RandomErasing(float p=0.5, float[]? scale=null, float[]? ratio=null, any value=0, bool inplace=false, *, generator? generator=null)',
);
/**
 * Sets a rectangle of an image [..., channels, height, width] to a value with probability p (Zhong et al. 2017): `scale` [0.02, 0.33]
 * of its area, `ratio` [0.3, 3.3] of height to width; `value` a number, one for each channel, or 'random', normal ones.
 */
export class RandomErasing extends Module {
  readonly p: number;
  readonly scale: Range;
  readonly ratio: Range;
  readonly value: Fill | 'random';
  readonly inplace: boolean;
  readonly #generator: Generator | null;
  constructor(...args: Arguments<typeof erasing.schema>) {
    super();
    const [p, scale, ratio, value, inplace, generator] = erasing.read(args);
    checkProbability('RandomErasing', p);
    this.scale = checkRange('RandomErasing', 'scale', scale ?? [0.02, 0.33]);
    if (this.scale[1] > 1) throw new RangeError(`RandomErasing: scale must be at most 1, got ${show(scale)}`);
    this.ratio = checkRange('RandomErasing', 'ratio', ratio ?? [0.3, 3.3]);
    const numbers = Array.isArray(value) ? value : [value];
    if (value !== 'random' && !numbers.every((v) => typeof v === 'number'))
      throw new TypeError(`RandomErasing: value must be a number, a number for each channel, or 'random', got ${show(value)}`); // prettier-ignore
    [this.p, this.value, this.inplace, this.#generator] = [p, value as Fill | 'random', inplace, generator];
  }
  override forward(image: Tensor): Tensor {
    const [h, w] = sizeOf('RandomErasing', image);
    const channels = image.shape.at(-3) ?? 1;
    if (Array.isArray(this.value) && this.value.length !== 1 && this.value.length !== channels)
      throw new TenfoldError('shape', `RandomErasing: value must have 1 or ${channels} numbers, as the image has channels; got ${this.value.length}`); // prettier-ignore
    const g = this.#generator;
    if (!happens(this.p, g)) return image;
    for (let i = 0; i < 10; i++) {
      const [height, width] = sides(h * w, this.scale, this.ratio, g);
      if (height >= h || width >= w) continue;
      const value = this.filling([channels, height, width]);
      const top = below(h - height + 1, g);
      return F.erase(image, top, below(w - width + 1, g), height, width, value, this.inplace);
    }
    return image;
  }
  private filling(size: number[]): Tensor | number {
    const { value } = this;
    if (value === 'random') return empty(size).normal_(0, 1, { generator: this.#generator ?? undefined });
    if (typeof value === 'number') return value;
    return perChannel(value);
  }
}
