/** Pooling layers. */
import { TenfoldError } from '../../errors.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/index.js';
import { Module } from '../module.js';
import { number, tuple } from '../print.js';

type Sizes = number | readonly number[];
type MaybeSizes = number | readonly (number | null)[];

const maxPool = signature(
  'MaxPool(int[] kernelSize, int[]? stride=null, int[] padding=0, int[] dilation=1, bool returnIndices=false, bool ceilMode=false)',
);
abstract class MaxPool extends Module {
  readonly kernelSize: Sizes;
  readonly stride: Sizes;
  readonly padding: Sizes;
  readonly dilation: Sizes;
  readonly returnIndices: boolean;
  readonly ceilMode: boolean;
  constructor(...args: Arguments<typeof maxPool.schema>) {
    super();
    const [kernelSize, stride, padding, dilation, returnIndices, ceilMode] = maxPool.read(args, new.target.name);
    this.kernelSize = kernelSize;
    this.stride = stride ?? kernelSize;
    this.padding = padding;
    this.dilation = dilation;
    this.returnIndices = returnIndices;
    this.ceilMode = ceilMode;
  }
  protected options(): { stride: Sizes; padding: Sizes; dilation: Sizes; ceilMode: boolean; returnIndices: boolean } {
    const { stride, padding, dilation, ceilMode, returnIndices } = this;
    return { stride, padding, dilation, ceilMode, returnIndices };
  }
  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return `kernelSize=${tuple(kernelSize)}, stride=${tuple(stride)}, padding=${tuple(padding)}, dilation=${tuple(dilation)}, ceilMode=${ceilMode}`;
  }
}
/** Largest element of each window of [n, c, l]. See torch.nn.MaxPool1d. */
export class MaxPool1d extends MaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.maxPool1d(input, this.kernelSize, this.options());
  }
}
/** Largest element of each window of [n, c, h, w]. See torch.nn.MaxPool2d. */
export class MaxPool2d extends MaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.maxPool2d(input, this.kernelSize, this.options());
  }
}
/** Largest element of each window of [n, c, d, h, w]. See torch.nn.MaxPool3d. */
export class MaxPool3d extends MaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.maxPool3d(input, this.kernelSize, this.options());
  }
}

const maxUnpool = signature('MaxUnpool(int[] kernelSize, int[]? stride=null, int[] padding=0)');
abstract class MaxUnpool extends Module {
  readonly kernelSize: Sizes;
  readonly stride: Sizes;
  readonly padding: Sizes;
  constructor(...args: Arguments<typeof maxUnpool.schema>) {
    super();
    const [kernelSize, stride, padding] = maxUnpool.read(args, new.target.name);
    this.kernelSize = kernelSize;
    this.stride = stride ?? kernelSize;
    this.padding = padding;
  }
  override extraRepr(): string {
    return `kernelSize=${tuple(this.kernelSize)}, stride=${tuple(this.stride)}, padding=${tuple(this.padding)}`;
  }
}
/** Puts elements back where MaxPool1d found them, zeros elsewhere. See torch.nn.MaxUnpool1d. */
export class MaxUnpool1d extends MaxUnpool {
  override forward(input: Tensor, indices: Tensor, outputSize: readonly number[] | null = null): Tensor {
    const { kernelSize, stride, padding } = this;
    return F.maxUnpool1d(input, indices, kernelSize, { stride, padding, outputSize });
  }
}
/** Puts elements back where MaxPool2d found them, zeros elsewhere. See torch.nn.MaxUnpool2d. */
export class MaxUnpool2d extends MaxUnpool {
  override forward(input: Tensor, indices: Tensor, outputSize: readonly number[] | null = null): Tensor {
    const { kernelSize, stride, padding } = this;
    return F.maxUnpool2d(input, indices, kernelSize, { stride, padding, outputSize });
  }
}
/** Puts elements back where MaxPool3d found them, zeros elsewhere. See torch.nn.MaxUnpool3d. */
export class MaxUnpool3d extends MaxUnpool {
  override forward(input: Tensor, indices: Tensor, outputSize: readonly number[] | null = null): Tensor {
    const { kernelSize, stride, padding } = this;
    return F.maxUnpool3d(input, indices, kernelSize, { stride, padding, outputSize });
  }
}

const avgPool1d = signature(
  'AvgPool1d(int[] kernelSize, int[]? stride=null, int[] padding=0, bool ceilMode=false, bool countIncludePad=true)',
);
const one = (x: Sizes): readonly number[] => (typeof x === 'number' ? [x] : x);
/** Mean of each window of [n, c, l]. See torch.nn.AvgPool1d. */
export class AvgPool1d extends Module {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  constructor(...args: Arguments<typeof avgPool1d.schema>) {
    super();
    const [kernelSize, stride, padding, ceilMode, countIncludePad] = avgPool1d.read(args);
    this.kernelSize = one(kernelSize);
    this.stride = one(stride ?? kernelSize);
    this.padding = one(padding);
    this.ceilMode = ceilMode;
    this.countIncludePad = countIncludePad;
  }
  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return F.avgPool1d(input, kernelSize, stride, padding, ceilMode, countIncludePad);
  }
  override extraRepr(): string {
    return `kernelSize=${tuple(this.kernelSize)}, stride=${tuple(this.stride)}, padding=${tuple(this.padding)}`;
  }
}

const avgPool = signature(
  'AvgPool(int[] kernelSize, int[]? stride=null, int[] padding=0, bool ceilMode=false, bool countIncludePad=true, int? divisorOverride=null)',
);
abstract class AvgPool extends Module {
  readonly kernelSize: Sizes;
  readonly stride: Sizes;
  readonly padding: Sizes;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;
  constructor(...args: Arguments<typeof avgPool.schema>) {
    super();
    const [kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride] = avgPool.read(
      args,
      new.target.name,
    );
    this.kernelSize = kernelSize;
    this.stride = stride ?? kernelSize;
    this.padding = padding;
    this.ceilMode = ceilMode;
    this.countIncludePad = countIncludePad;
    this.divisorOverride = divisorOverride;
  }
  override extraRepr(): string {
    return `kernelSize=${tuple(this.kernelSize)}, stride=${tuple(this.stride)}, padding=${tuple(this.padding)}`;
  }
}
/** Mean of each window of [n, c, h, w]. See torch.nn.AvgPool2d. */
export class AvgPool2d extends AvgPool {
  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return F.avgPool2d(input, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }
}
/** Mean of each window of [n, c, d, h, w]. See torch.nn.AvgPool3d. */
export class AvgPool3d extends AvgPool {
  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return F.avgPool3d(input, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }
}

const adaptiveMean = signature('AdaptiveAvgPool(int?[] outputSize)');
const adaptive = signature('AdaptivePool(int?[] outputSize, *, bool returnIndices=false)');
abstract class AdaptiveAvgPool extends Module {
  readonly outputSize: MaybeSizes;
  constructor(...args: [outputSize: MaybeSizes]) {
    super();
    [this.outputSize] = adaptiveMean.read(args, new.target.name);
  }
  override extraRepr(): string {
    return `outputSize=${tuple(this.outputSize)}`;
  }
}
abstract class AdaptiveMaxPool extends Module {
  readonly outputSize: MaybeSizes;
  readonly returnIndices: boolean;
  constructor(...args: Arguments<typeof adaptive.schema>) {
    super();
    [this.outputSize, this.returnIndices] = adaptive.read(args, new.target.name);
  }
  override extraRepr(): string {
    return `outputSize=${tuple(this.outputSize)}`;
  }
}
/** Means over windows that give outputSize; null keeps a size. See torch.nn.AdaptiveAvgPool1d. */
export class AdaptiveAvgPool1d extends AdaptiveAvgPool {
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool1d(input, this.outputSize);
  }
}
/** Means over windows that give outputSize; null keeps a size. See torch.nn.AdaptiveAvgPool2d. */
export class AdaptiveAvgPool2d extends AdaptiveAvgPool {
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool2d(input, this.outputSize);
  }
}
/** Means over windows that give outputSize; null keeps a size. See torch.nn.AdaptiveAvgPool3d. */
export class AdaptiveAvgPool3d extends AdaptiveAvgPool {
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool3d(input, this.outputSize);
  }
}
/** Maxima over windows that give outputSize; null keeps a size. See torch.nn.AdaptiveMaxPool1d. */
export class AdaptiveMaxPool1d extends AdaptiveMaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.adaptiveMaxPool1d(input, this.outputSize, { returnIndices: this.returnIndices });
  }
}
/** Maxima over windows that give outputSize; null keeps a size. See torch.nn.AdaptiveMaxPool2d. */
export class AdaptiveMaxPool2d extends AdaptiveMaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.adaptiveMaxPool2d(input, this.outputSize, { returnIndices: this.returnIndices });
  }
}
/** Maxima over windows that give outputSize; null keeps a size. See torch.nn.AdaptiveMaxPool3d. */
export class AdaptiveMaxPool3d extends AdaptiveMaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.adaptiveMaxPool3d(input, this.outputSize, { returnIndices: this.returnIndices });
  }
}

const lpPool = signature('LPPool(float normType, int[] kernelSize, int[]? stride=null, bool ceilMode=false)');
abstract class LPPool extends Module {
  readonly normType: number;
  readonly kernelSize: Sizes;
  readonly stride: Sizes | null;
  readonly ceilMode: boolean;
  constructor(...args: Arguments<typeof lpPool.schema>) {
    super();
    [this.normType, this.kernelSize, this.stride, this.ceilMode] = lpPool.read(args, new.target.name);
  }
  override extraRepr(): string {
    const { normType, kernelSize, stride, ceilMode } = this;
    return `normType=${number(normType)}, kernelSize=${tuple(kernelSize)}, stride=${tuple(stride)}, ceilMode=${ceilMode}`;
  }
}
/** Norm of each window of [n, c, l]. See torch.nn.LPPool1d. */
export class LPPool1d extends LPPool {
  override forward(input: Tensor): Tensor {
    return F.lpPool1d(input, this.normType, this.kernelSize, this.stride, this.ceilMode);
  }
}
/** Norm of each window of [n, c, h, w]. See torch.nn.LPPool2d. */
export class LPPool2d extends LPPool {
  override forward(input: Tensor): Tensor {
    return F.lpPool2d(input, this.normType, this.kernelSize, this.stride, this.ceilMode);
  }
}
/** Norm of each window of [n, c, d, h, w]. See torch.nn.LPPool3d. */
export class LPPool3d extends LPPool {
  override forward(input: Tensor): Tensor {
    return F.lpPool3d(input, this.normType, this.kernelSize, this.stride, this.ceilMode);
  }
}

const fractionalMaxPool = signature(
  'FractionalMaxPool(int[] kernelSize, int[]? outputSize=null, float|float[]? outputRatio=null, bool returnIndices=false, Tensor? _randomSamples=null)',
);
abstract class FractionalMaxPool extends Module {
  readonly kernelSize: Sizes;
  readonly outputSize: Sizes | null;
  readonly outputRatio: Sizes | null;
  readonly returnIndices: boolean;
  declare _randomSamples: Tensor | null;
  constructor(...args: Arguments<typeof fractionalMaxPool.schema>) {
    super();
    const call = this.constructor.name;
    const [kernelSize, outputSize, outputRatio, returnIndices, samples] = fractionalMaxPool.read(args, call);
    if ((outputSize === null) === (outputRatio === null))
      throw new TenfoldError('value', `${call}: give outputSize or outputRatio, one of them`);
    const ratios = typeof outputRatio === 'number' ? [outputRatio] : (outputRatio ?? []);
    if (!ratios.every((r) => r > 0 && r < 1))
      throw new RangeError(`${call}: outputRatio must be between 0 and 1, got ${tuple(ratios)}`);
    this.kernelSize = kernelSize;
    this.outputSize = outputSize;
    this.outputRatio = outputRatio;
    this.returnIndices = returnIndices;
    this.registerBuffer('_randomSamples', samples);
  }
  static override stateName(property: string): string {
    return property === '_randomSamples' ? '_random_samples' : property;
  }
  protected options(): {
    outputSize: Sizes | null;
    outputRatio: Sizes | null;
    returnIndices: boolean;
    _randomSamples: Tensor | null;
  } {
    const { outputSize, outputRatio, returnIndices, _randomSamples } = this;
    return { outputSize, outputRatio, returnIndices, _randomSamples };
  }
}
/**
 * Largest elements of windows over [n, c, h, w] that begin at random distances, so that there are outputSize of them, or
 * outputRatio times the input's size (Graham 2014). See torch.nn.FractionalMaxPool2d.
 */
export class FractionalMaxPool2d extends FractionalMaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.fractionalMaxPool2d(input, this.kernelSize, this.options());
  }
}
/** FractionalMaxPool2d over [n, c, d, h, w]. See torch.nn.FractionalMaxPool3d. */
export class FractionalMaxPool3d extends FractionalMaxPool {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- with returnIndices it is [values, indices]
  override forward(input: Tensor): any {
    return F.fractionalMaxPool3d(input, this.kernelSize, this.options());
  }
}
