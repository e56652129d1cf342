/** Layers that move elements without changing them. */
import { TenfoldError } from '../../errors.js';
import { formatShape, wrapDim } from '../../tensor/shape.js';
import { checkIsTensor, type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/index.js';
import { Module } from '../module.js';
import { float, tuple } from '../print.js';

const flatten = signature('Flatten(int startDim=1, int endDim=-1)');
/** Dims startDim to endDim as one; [n, c, h, w] → [n, c · h · w]. See torch.nn.Flatten. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;
  constructor(...args: Arguments<typeof flatten.schema>) {
    super();
    [this.startDim, this.endDim] = flatten.read(args);
  }
  override forward(input: Tensor): Tensor {
    checkIsTensor('Flatten', 'input', input);
    return input.flatten(this.startDim, this.endDim);
  }
  override extraRepr(): string {
    return `startDim=${this.startDim}, endDim=${this.endDim}`;
  }
}

const unflatten = signature('Unflatten(int dim, int[] unflattenedSize)');
/** One dim as several; one size may be −1. See torch.nn.Unflatten. */
export class Unflatten extends Module {
  readonly dim: number;
  readonly unflattenedSize: readonly number[];
  constructor(...args: Arguments<typeof unflatten.schema>) {
    super();
    const [dim, size] = unflatten.read(args);
    this.dim = dim;
    this.unflattenedSize = typeof size === 'number' ? [size] : [...size];
  }
  override forward(input: Tensor): Tensor {
    checkIsTensor('Unflatten', 'input', input);
    const at = wrapDim('Unflatten', this.dim, input.shape.length);
    const inner = this.unflattenedSize;
    const known = inner.reduce((n, s) => (s === -1 ? n : n * s), 1);
    const size = input.shape[at]!;
    if (inner.includes(-1) ? known === 0 || size % known !== 0 : size !== known) {
      throw new TenfoldError(
        'shape',
        `Unflatten: dim ${at} of ${formatShape(input.shape)} can't be ${formatShape(inner)}`,
      );
    }
    const sizes = inner.map((s) => (s === -1 ? size / known : s));
    return input.reshape([...input.shape.slice(0, at), ...sizes, ...input.shape.slice(at + 1)]);
  }
  override extraRepr(): string {
    return `dim=${this.dim}, unflattenedSize=${tuple(this.unflattenedSize)}`;
  }
}

const pixelShuffle = signature('PixelShuffle(int upscaleFactor)');
/** [n, c · r², h, w] → [n, c, h · r, w · r] (Shi et al. 2016). See torch.nn.PixelShuffle. */
export class PixelShuffle extends Module {
  readonly upscaleFactor: number;
  constructor(...args: Arguments<typeof pixelShuffle.schema>) {
    super();
    [this.upscaleFactor] = pixelShuffle.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.pixelShuffle(input, this.upscaleFactor);
  }
  override extraRepr(): string {
    return `upscaleFactor=${this.upscaleFactor}`;
  }
}
const pixelUnshuffle = signature('PixelUnshuffle(int downscaleFactor)');
/** [n, c, h · r, w · r] → [n, c · r², h, w]. See torch.nn.PixelUnshuffle. */
export class PixelUnshuffle extends Module {
  readonly downscaleFactor: number;
  constructor(...args: Arguments<typeof pixelUnshuffle.schema>) {
    super();
    [this.downscaleFactor] = pixelUnshuffle.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.pixelUnshuffle(input, this.downscaleFactor);
  }
  override extraRepr(): string {
    return `downscaleFactor=${this.downscaleFactor}`;
  }
}
const channelShuffle = signature('ChannelShuffle(int groups)');
/** Channels of `groups` groups dealt out one after the other. See torch.nn.ChannelShuffle. */
export class ChannelShuffle extends Module {
  readonly groups: number;
  constructor(...args: Arguments<typeof channelShuffle.schema>) {
    super();
    [this.groups] = channelShuffle.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.channelShuffle(input, this.groups);
  }
  override extraRepr(): string {
    return `groups=${this.groups}`;
  }
}

const unfold = signature('Unfold(int[] kernelSize, int[] dilation=1, int[] padding=0, int[] stride=1)');
/** Sliding blocks of [n, c, h, w] as columns [n, c · kernel, blocks]. See torch.nn.Unfold. */
export class Unfold extends Module {
  readonly kernelSize: number | readonly number[];
  readonly dilation: number | readonly number[];
  readonly padding: number | readonly number[];
  readonly stride: number | readonly number[];
  constructor(...args: Arguments<typeof unfold.schema>) {
    super();
    [this.kernelSize, this.dilation, this.padding, this.stride] = unfold.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.unfold(input, this.kernelSize, this.dilation, this.padding, this.stride);
  }
  override extraRepr(): string {
    return `kernelSize=${tuple(this.kernelSize)}, dilation=${tuple(this.dilation)}, padding=${tuple(this.padding)}, stride=${tuple(this.stride)}`;
  }
}
const fold = signature('Fold(int[] outputSize, int[] kernelSize, int[] dilation=1, int[] padding=0, int[] stride=1)');
/** Columns [n, c · kernel, blocks] added up into [n, c, h, w]. See torch.nn.Fold. */
export class Fold extends Module {
  readonly outputSize: number | readonly number[];
  readonly kernelSize: number | readonly number[];
  readonly dilation: number | readonly number[];
  readonly padding: number | readonly number[];
  readonly stride: number | readonly number[];
  constructor(...args: Arguments<typeof fold.schema>) {
    super();
    [this.outputSize, this.kernelSize, this.dilation, this.padding, this.stride] = fold.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.fold(input, this.outputSize, this.kernelSize, this.dilation, this.padding, this.stride);
  }
  override extraRepr(): string {
    return `outputSize=${tuple(this.outputSize)}, kernelSize=${tuple(this.kernelSize)}, dilation=${tuple(this.dilation)}, padding=${tuple(this.padding)}, stride=${tuple(this.stride)}`;
  }
}

const upsample = signature(
  "Upsample(int[]? size=null, float|float[]? scaleFactor=null, 'nearest'|'nearest-exact'|'linear'|'bilinear'|'bicubic'|'trilinear'|'area' mode='nearest', bool? alignCorners=null, bool? recomputeScaleFactor=null)",
);
/** An image (or line, or volume) at another size. See torch.nn.Upsample. */
export class Upsample extends Module {
  readonly size: number | readonly number[] | null;
  readonly scaleFactor: number | readonly number[] | null;
  readonly mode: 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'bicubic' | 'trilinear' | 'area';
  readonly alignCorners: boolean | null;
  readonly recomputeScaleFactor: boolean | null;
  constructor(...args: Arguments<typeof upsample.schema>) {
    super();
    [this.size, this.scaleFactor, this.mode, this.alignCorners, this.recomputeScaleFactor] = upsample.read(args);
  }
  override forward(input: Tensor): Tensor {
    const { size, scaleFactor, mode, alignCorners, recomputeScaleFactor } = this;
    return F.interpolate(input, { size, scaleFactor, mode, alignCorners, recomputeScaleFactor });
  }
  override extraRepr(): string {
    const { size, scaleFactor, mode } = this;
    const factor =
      typeof scaleFactor === 'number' ? float(scaleFactor) : scaleFactor && `(${scaleFactor.map(float).join(', ')})`;
    return `${scaleFactor === null ? `size=${tuple(size)}` : `scaleFactor=${factor}`}, mode='${mode}'`;
  }
}

const upsamplingNearest = signature('UpsamplingNearest2d(int[]? size=null, float|float[]? scaleFactor=null)');
/** Upsample of [n, c, h, w] to the nearest pixel. See torch.nn.UpsamplingNearest2d. */
export class UpsamplingNearest2d extends Upsample {
  constructor(...args: Arguments<typeof upsamplingNearest.schema>) {
    const [size, scaleFactor] = upsamplingNearest.read(args);
    super(size, scaleFactor, 'nearest');
  }
}
const upsamplingBilinear = signature('UpsamplingBilinear2d(int[]? size=null, float|float[]? scaleFactor=null)');
/** Upsample of [n, c, h, w] between four pixels, with the corners' centres aligned. See torch.nn.UpsamplingBilinear2d. */
export class UpsamplingBilinear2d extends Upsample {
  constructor(...args: Arguments<typeof upsamplingBilinear.schema>) {
    const [size, scaleFactor] = upsamplingBilinear.read(args);
    super(size, scaleFactor, 'bilinear', true);
  }
}
