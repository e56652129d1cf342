/** Transforms that do the same each time, as modules: what transforms.functional does, with its arguments kept. */
import { TenfoldError, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { Module } from '../nn/index.js';
import { signature, type Arguments } from '../op/schema.js';
import { type Tensor } from '../tensor/tensor.js';
import { pairOf, checkPaddingMode, sidesOf, type Fill } from './arguments.js';
import * as F from './functional.js';

/** What changes an image: a module or a function. */
export type Transform = Module | ((image: Tensor) => Tensor);
/** Refuses what is neither a module nor a function. */
export function checkTransform(call: string, given: unknown): void {
  if (!(given instanceof Module) && typeof given !== 'function')
    throw new TypeError(`${call}: expected a transform (a module or a function), got ${show(given)}`);
}
export const applied = (transform: Transform, image: Tensor): Tensor =>
  typeof transform === 'function' ? transform(image) : (transform.forward(image) as Tensor);

/**
 * Transforms one after the other ([torchvision.transforms.v2.Compose](https://docs.pytorch.org/vision/stable/transforms.html)).
 * `call` is `forward` as a function, for what takes one.
 *
 * ```ts
 * const augment = new transforms.Compose([
 *   new transforms.RandomCrop(28, { padding: 2 }),
 *   new transforms.Normalize([0.13], [0.31]),
 * ]);
 * augment.forward(image);
 * ```
 */
export class Compose extends Module {
  readonly transforms: readonly Transform[];
  constructor(transforms: readonly Transform[]) {
    super();
    if (!Array.isArray(transforms))
      throw new TypeError(`Compose: expected a list of transforms, got ${show(transforms)}`);
    transforms.forEach((t) => checkTransform('Compose', t));
    this.transforms = Object.freeze([...(transforms as readonly Transform[])]);
  }
  override forward(image: Tensor): Tensor {
    return this.transforms.reduce((x, t) => applied(t, x), image);
  }
}
/** A function as a transform. */
export class Lambda extends Module {
  constructor(readonly lambda: (image: Tensor) => Tensor) {
    super();
    if (typeof lambda !== 'function') throw new TypeError(`Lambda: expected a function, got ${show(lambda)}`);
  }
  override forward(image: Tensor): Tensor {
    return this.lambda(image);
  }
}

const resize = signature("Resize(int[] size, string interpolation='bilinear', int? maxSize=null, bool antialias=true)");
/** Another size: see `transforms.functional.resize`. */
export class Resize extends Module {
  readonly #args: readonly [size: number | readonly number[], string, number | null, boolean];
  constructor(...args: Arguments<typeof resize.schema>) {
    super();
    this.#args = resize.read(args);
  }
  override forward(image: Tensor): Tensor {
    const [size, interpolation, maxSize, antialias] = this.#args;
    return F.resize(image, size, { interpolation, maxSize, antialias });
  }
}
const centerCrop = signature('CenterCrop(int[] size)');
/** The middle of the image: see `transforms.functional.centerCrop`. */
export class CenterCrop extends Module {
  readonly size: readonly [number, number];
  constructor(...args: Arguments<typeof centerCrop.schema>) {
    super();
    this.size = pairOf('CenterCrop', centerCrop.read(args)[0]);
  }
  override forward(image: Tensor): Tensor {
    return F.centerCrop(image, this.size);
  }
}
const pad = signature("Pad(int[] padding, float|float[] fill=0, string paddingMode='constant')");
/** A border: see `transforms.functional.pad`. */
export class Pad extends Module {
  readonly padding: readonly number[];
  readonly fill: Fill;
  readonly paddingMode: string;
  constructor(...args: Arguments<typeof pad.schema>) {
    super();
    const [padding, fill, mode] = pad.read(args);
    this.padding = sidesOf('Pad', padding);
    checkPaddingMode('Pad', mode);
    [this.fill, this.paddingMode] = [fill, mode];
  }
  override forward(image: Tensor): Tensor {
    return F.pad(image, this.padding, { fill: this.fill, paddingMode: this.paddingMode });
  }
}
const normalize = signature('Normalize(float|float[] mean, float|float[] std, bool inplace=false)');
/** (image − mean) / std, channel by channel: see `transforms.functional.normalize`. */
export class Normalize extends Module {
  readonly mean: Fill;
  readonly std: Fill;
  readonly inplace: boolean;
  constructor(...args: Arguments<typeof normalize.schema>) {
    super();
    [this.mean, this.std, this.inplace] = normalize.read(args);
    const all = [this.std].flat();
    if (all.some((s) => s === 0)) throw new RangeError(`Normalize: std must not be 0, got ${show(this.std)}`);
    if (all.length === 0 || [this.mean].flat().length === 0)
      throw new TenfoldError('value', 'Normalize: mean and std must have a value for all channels, or one for each');
  }
  override forward(image: Tensor): Tensor {
    return F.normalize(image, this.mean, this.std, this.inplace);
  }
}
const toDtype = signature("ToDtype(dtype dtype='float32', bool scale=false)");
/** Another dtype: see `transforms.functional.toDtype`. */
export class ToDtype extends Module {
  readonly dtype: DType;
  readonly scale: boolean;
  constructor(...args: Arguments<typeof toDtype.schema>) {
    super();
    [this.dtype, this.scale] = toDtype.read(args);
  }
  override forward(image: Tensor): Tensor {
    return F.toDtype(image, this.dtype, this.scale);
  }
}
