/** Convolutional layers. */
import { TenfoldError, show } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import type { DType } from '../../dtype.js';
import * as F from '../functional/index.js';
import { kaimingUniform_ } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { guard } from '../parts.js';
import { tuple } from '../print.js';
import { drawBias } from './linear.js';

type Sizes = number | readonly number[];
type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

/** One number for each of n dims. */
function each(call: string, name: string, x: Sizes, n: number): readonly number[] {
  const list = typeof x === 'number' ? new Array<number>(n).fill(x) : [...x];
  if (list.length !== n)
    throw new TenfoldError('value', `${call}: ${name} must be one integer or ${n}, got [${list.join(', ')}]`);
  return Object.freeze(list);
}

interface ConvFields {
  inChannels: number;
  outChannels: number;
  kernelSize: Sizes;
  stride: Sizes;
  padding: Sizes | 'same' | 'valid';
  dilation: Sizes;
  outputPadding: Sizes;
  groups: number;
  bias: boolean;
  paddingMode: PaddingMode;
  dtype: DType | null;
}

/** What all convolutions have in common: sizes, weight and bias, the way they print. */
abstract class ConvNd extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | 'same' | 'valid';
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  weight: Parameter;
  bias: Parameter | null;

  constructor(dims: number, transposed: boolean, o: ConvFields) {
    super();
    const call = this.constructor.name;
    const { inChannels, outChannels, groups } = o;
    if (groups < 1) throw new TenfoldError('value', `${call}: groups must be positive, got ${groups}`);
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new TenfoldError(
        'value',
        `${call}: ${inChannels} channels in and ${outChannels} out can't form ${groups} groups`,
      );
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = each(call, 'kernelSize', o.kernelSize, dims);
    this.stride = each(call, 'stride', o.stride, dims);
    this.padding = typeof o.padding === 'string' ? o.padding : each(call, 'padding', o.padding, dims);
    this.dilation = each(call, 'dilation', o.dilation, dims);
    this.outputPadding = each(call, 'outputPadding', o.outputPadding, dims);
    this.groups = groups;
    this.paddingMode = o.paddingMode;
    if (this.padding === 'same' && this.stride.some((s) => s !== 1)) {
      throw new TenfoldError(
        'value',
        `${call}: padding 'same' goes with stride 1 only, got [${this.stride.join(', ')}]`,
      );
    }
    const channels = transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    this.weight = Parameter.empty([...channels, ...this.kernelSize], o.dtype);
    this.bias = o.bias ? Parameter.empty([outChannels], o.dtype) : null;
    guard(this, 'weight', 'bias');
    this.resetParameters();
  }
  /** Draws weight and bias anew. */
  resetParameters(): void {
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    const fanIn = this.weight.shape.slice(1).reduce((a, b) => a * b, 1);
    if (this.bias !== null && fanIn > 0) drawBias(this.bias, fanIn);
  }
  override extraRepr(): string {
    const { padding, dilation, outputPadding, groups, paddingMode } = this;
    let s = `${this.inChannels}, ${this.outChannels}, kernelSize=${tuple(this.kernelSize)}, stride=${tuple(this.stride)}`;
    if (typeof padding === 'string' || padding.some((p) => p !== 0)) s += `, padding=${tuple(padding)}`;
    if (dilation.some((d) => d !== 1)) s += `, dilation=${tuple(dilation)}`;
    if (outputPadding.some((p) => p !== 0)) s += `, outputPadding=${tuple(outputPadding)}`;
    if (groups !== 1) s += `, groups=${groups}`;
    if (this.bias === null) s += ', bias=false';
    if (paddingMode !== 'zeros') s += `, paddingMode=${paddingMode}`;
    return s;
  }
  /** The input padded as paddingMode says, which isn't by zeros. */
  protected padded(input: Tensor): Tensor {
    const { padding, dilation, kernelSize } = this;
    const sides: number[] = [];
    for (let i = kernelSize.length - 1; i >= 0; i--) {
      if (typeof padding !== 'string') sides.push(padding[i]!, padding[i]!);
      else {
        const total = padding === 'same' ? dilation[i]! * (kernelSize[i]! - 1) : 0;
        sides.push(Math.floor(total / 2), total - Math.floor(total / 2));
      }
    }
    return F.pad(input, sides, { mode: this.paddingMode as Exclude<PaddingMode, 'zeros'> });
  }
}

const conv = signature(
  "Conv(int inChannels, int outChannels, int[] kernelSize, int[] stride=1, int[]|'same'|'valid' padding=0, int[] dilation=1, int groups=1, bool bias=true, 'zeros'|'reflect'|'replicate'|'circular' paddingMode='zeros', *, dtype? dtype=null)",
);
type ConvArguments = Arguments<typeof conv.schema>;
function convFields(call: string, args: ConvArguments): ConvFields {
  const [inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias, paddingMode, dtype] = conv.read(
    args,
    call,
  );
  return {
    inChannels,
    outChannels,
    kernelSize,
    stride,
    padding,
    dilation,
    outputPadding: 0,
    groups,
    bias,
    paddingMode,
    dtype,
  };
}

const convTranspose = signature(
  "ConvTranspose(int inChannels, int outChannels, int[] kernelSize, int[] stride=1, int[] padding=0, int[] outputPadding=0, int groups=1, bool bias=true, int[] dilation=1, 'zeros' paddingMode='zeros', *, dtype? dtype=null)",
);
type ConvTransposeArguments = Arguments<typeof convTranspose.schema>;
function transposeFields(call: string, args: ConvTransposeArguments): ConvFields {
  const [
    inChannels,
    outChannels,
    kernelSize,
    stride,
    padding,
    outputPadding,
    groups,
    bias,
    dilation,
    paddingMode,
    dtype,
  ] = convTranspose.read(args, call);
  return {
    inChannels,
    outChannels,
    kernelSize,
    stride,
    padding,
    dilation,
    outputPadding,
    groups,
    bias,
    paddingMode,
    dtype,
  };
}

/** Transposed convolutions: the size that they give, where several are possible. */
type TransposedConvolution = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  stride: readonly number[],
  padding: readonly number[],
  outputPadding: readonly number[],
  groups: number,
  dilation: readonly number[],
) => Tensor;

abstract class ConvTransposeNd extends ConvNd {
  protected transposed(f: TransposedConvolution, input: Tensor, outputSize: readonly number[] | null): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    const outputPadding = this.paddingFor(input, outputSize);
    return f(input, weight, bias, stride, padding as readonly number[], outputPadding, groups, dilation);
  }
  /** outputPadding that gives `outputSize`. */
  private paddingFor(input: Tensor, outputSize: readonly number[] | null): readonly number[] {
    if (outputSize === null) return this.outputPadding;
    if (!Array.isArray(outputSize) || !outputSize.every((n) => Number.isInteger(n)))
      throw new TypeError(`${this.constructor.name}: outputSize must be a list of integers, got ${show(outputSize)}`);
    const { kernelSize, stride, dilation } = this;
    const padding = this.padding as readonly number[];
    const dims = kernelSize.length;
    const size = outputSize.length === dims + 2 ? outputSize.slice(2) : outputSize;
    if (size.length !== dims) {
      throw new TenfoldError(
        'shape',
        `${this.constructor.name}: outputSize must have ${dims} sizes, got ${formatShape(outputSize)}`,
      );
    }
    return size.map((wanted, i) => {
      const input_ = input.shape[input.shape.length - dims + i]!;
      const least = (input_ - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (kernelSize[i]! - 1) + 1;
      const most = least + stride[i]! - 1;
      if (wanted < least || wanted > most) {
        throw new TenfoldError(
          'shape',
          `${this.constructor.name}: outputSize ${wanted} at dim ${i} must be between ${least} and ${most}`,
        );
      }
      return wanted - least;
    });
  }
}

/** Convolution of [n, in, l] by weight [out, in / groups, …]; padding by numbers, 'same' or 'valid'. See torch.nn.Conv1d. */
export class Conv1d extends ConvNd {
  constructor(...args: ConvArguments) {
    super(1, false, convFields('Conv1d', args));
  }
  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.paddingMode === 'zeros') return F.conv1d(input, weight, bias, stride, padding, dilation, groups);
    return F.conv1d(this.padded(input), weight, bias, stride, 0, dilation, groups);
  }
}

/** Convolution of [n, in, h, w] by weight [out, in / groups, …]; padding by numbers, 'same' or 'valid'. See torch.nn.Conv2d. */
export class Conv2d extends ConvNd {
  constructor(...args: ConvArguments) {
    super(2, false, convFields('Conv2d', args));
  }
  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.paddingMode === 'zeros') return F.conv2d(input, weight, bias, stride, padding, dilation, groups);
    return F.conv2d(this.padded(input), weight, bias, stride, 0, dilation, groups);
  }
}

/** Convolution of [n, in, d, h, w] by weight [out, in / groups, …]; padding by numbers, 'same' or 'valid'. See torch.nn.Conv3d. */
export class Conv3d extends ConvNd {
  constructor(...args: ConvArguments) {
    super(3, false, convFields('Conv3d', args));
  }
  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.paddingMode === 'zeros') return F.conv3d(input, weight, bias, stride, padding, dilation, groups);
    return F.conv3d(this.padded(input), weight, bias, stride, 0, dilation, groups);
  }
}

/** Transposed convolution of [n, in, l] by weight [in, out / groups, …]. See torch.nn.ConvTranspose1d. */
export class ConvTranspose1d extends ConvTransposeNd {
  constructor(...args: ConvTransposeArguments) {
    super(1, true, transposeFields('ConvTranspose1d', args));
  }
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.transposed(F.convTranspose1d, input, outputSize);
  }
}

/** Transposed convolution of [n, in, h, w] by weight [in, out / groups, …]. See torch.nn.ConvTranspose2d. */
export class ConvTranspose2d extends ConvTransposeNd {
  constructor(...args: ConvTransposeArguments) {
    super(2, true, transposeFields('ConvTranspose2d', args));
  }
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.transposed(F.convTranspose2d, input, outputSize);
  }
}

/** Transposed convolution of [n, in, d, h, w] by weight [in, out / groups, …]. See torch.nn.ConvTranspose3d. */
export class ConvTranspose3d extends ConvTransposeNd {
  constructor(...args: ConvTransposeArguments) {
    super(3, true, transposeFields('ConvTranspose3d', args));
  }
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.transposed(F.convTranspose3d, input, outputSize);
  }
}
