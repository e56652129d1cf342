/**
 * Convolutions. Three ops are all there is below: the result, the gradient of the input (which is transposed
 * convolution) and that of the weight. Each is linear in both of its tensors, and the derivatives of each are the other
 * two, so that derivatives of any order run on the same kernels.
 */
import { TenfoldError } from '../../errors.js';
import { COMPUTE, Code, DTYPES, isFloatCode } from '../../dtype.js';
import { run } from '../../launch/run.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { formatShape, numelOf, type Shape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { checkMargin, formatSizes, isBatched, perDim, spatial, three } from './windows.js';

const CONVOLUTION = kernel('convolution');
const CONVOLUTION_INPUT = kernel('convolutionInput');
const CONVOLUTION_WEIGHT = kernel('convolutionWeight');
const CHANNEL_SUM = kernel('channelSum');

type Ints = readonly number[];

/** Runs one of the three kernels: of what a convolution has, `image` and `result` are shapes with batch and channels. */
function launchConvolution(
  k: Kernel,
  image: Shape,
  result: Shape,
  kernelSize: Ints,
  stride: Ints,
  padding: Ints,
  dilation: Ints,
  groups: number,
  a: Tensor,
  b: Tensor,
  bias: Tensor | null,
  outShape: Shape,
): Tensor {
  const code = isFloatCode(a.code) ? COMPUTE[a.code]! : Code.i64;
  const cast = (t: Tensor): Tensor => (t.code === code ? t.rawDense() : t.to(DTYPES[code]!));
  const [x, y] = [cast(a), cast(b)];
  const z = bias === null ? null : cast(bias);
  // Sums over nothing (no batch, no channels) are 0; the kernels divide by the sizes of what they add.
  const nothing = x.count === 0 || y.count === 0;
  const out = nothing ? Tensor.zeros(outShape, code) : Tensor.raw(outShape, code);
  if (nothing && z !== null) out.rawCopy(z.view([-1, ...image.slice(2).map(() => 1)]));
  if (!nothing && out.count > 0) {
    run(
      k[code]!,
      image[0]!,
      groups,
      image[1]!,
      result[1]!,
      three(image.slice(2), 1),
      three(kernelSize, 1),
      three(result.slice(2), 1),
      three(stride, 1),
      three(padding, 0),
      three(dilation, 1),
      x,
      y,
      z,
      out,
      0,
    );
  }
  return out.code === a.code ? out : out.to(a.dtype);
}

/** Sums over all dims but the second: the gradient of a bias. */
const sumOfChannels = defineOp('sumOfChannels(Tensor input)', (): OpDef => ({
  forward(input: Tensor) {
    const [outer, channels] = [input.shape[0]!, input.shape[1]!];
    const code = COMPUTE[input.code]!;
    const x = input.code === code ? input.rawDense() : input.to(DTYPES[code]!);
    const out = Tensor.raw([channels], code);
    if (channels > 0) run(CHANNEL_SUM[code]!, outer, channels, numelOf(input.shape.slice(2)), x, out);
    return code === input.code ? out : out.to(input.dtype);
  },
  backward: {
    input: d((grad, call) => grad.view([-1, ...call.input.shape.slice(2).map(() => 1)]).expand(call.input.shape)),
  },
}));

/**
 * Convolution of an [n, c, …] image with a [filters, c / groups, …] weight; `size` is the spatial size of the result,
 * `padding` what lies before the image.
 */
export const convolution = defineOp(
  'convolution(Tensor input, Tensor weight, Tensor? bias, int[] size, int[] stride, int[] padding, int[] dilation, int groups)',
  (): OpDef => ({
    forward(
      input: Tensor,
      weight: Tensor,
      bias: Tensor | null,
      size: Ints,
      stride: Ints,
      padding: Ints,
      dilation: Ints,
      groups: number,
    ) {
      const shape = [input.shape[0]!, weight.shape[0]!, ...size];
      const sizes = weight.shape.slice(2);
      return launchConvolution(
        CONVOLUTION,
        input.shape,
        shape,
        sizes,
        stride,
        padding,
        dilation,
        groups,
        input,
        weight,
        bias,
        shape,
      );
    },
    backward: {
      input: d('weight', (grad, weight, c) =>
        convolutionInput(grad, weight, null, c.input.shape.slice(2), c.stride, c.padding, c.dilation, c.groups),
      ),
      weight: d('input', (grad, input, c) =>
        convolutionWeight(grad, input, c.weight.shape.slice(2), c.stride, c.padding, c.dilation, c.groups),
      ),
      bias: d((grad) => sumOfChannels(grad)),
    },
  }),
);

/** Gradient of a convolution's input, of spatial `size`, from that of its result; a bias of [c] is added. */
export const convolutionInput = defineOp(
  'convolutionInput(Tensor input, Tensor weight, Tensor? bias, int[] size, int[] stride, int[] padding, int[] dilation, int groups)',
  (): OpDef => ({
    forward(
      grad: Tensor,
      weight: Tensor,
      bias: Tensor | null,
      size: Ints,
      stride: Ints,
      padding: Ints,
      dilation: Ints,
      groups: number,
    ) {
      const shape = [grad.shape[0]!, weight.shape[1]! * groups, ...size];
      const sizes = weight.shape.slice(2);
      return launchConvolution(
        CONVOLUTION_INPUT,
        shape,
        grad.shape,
        sizes,
        stride,
        padding,
        dilation,
        groups,
        grad,
        weight,
        bias,
        shape,
      );
    },
    backward: {
      input: d('weight', (grad, weight, c) =>
        convolution(grad, weight, null, c.input.shape.slice(2), c.stride, c.padding, c.dilation, c.groups),
      ),
      weight: d('input', (grad, input, c) =>
        convolutionWeight(input, grad, c.weight.shape.slice(2), c.stride, c.padding, c.dilation, c.groups),
      ),
      bias: d((grad) => sumOfChannels(grad)),
    },
    gradName: 'ConvolutionBackward0',
  }),
);

/** Gradient of a convolution's weight, whose kernel has the spatial `size`, from that of its result and its input. */
export const convolutionWeight = defineOp(
  'convolutionWeight(Tensor grad, Tensor input, int[] size, int[] stride, int[] padding, int[] dilation, int groups)',
  (): OpDef => ({
    forward(grad: Tensor, input: Tensor, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: number) {
      const shape = [grad.shape[1]!, input.shape[1]! / groups, ...size];
      return launchConvolution(
        CONVOLUTION_WEIGHT,
        input.shape,
        grad.shape,
        size,
        stride,
        padding,
        dilation,
        groups,
        grad,
        input,
        null,
        shape,
      );
    },
    backward: {
      grad: d('input', (grad, input, c) =>
        convolution(input, grad, null, c.grad.shape.slice(2), c.stride, c.padding, c.dilation, c.groups),
      ),
      input: d('grad', (grad, gradOutput, c) =>
        convolutionInput(gradOutput, grad, null, c.input.shape.slice(2), c.stride, c.padding, c.dilation, c.groups),
      ),
    },
  }),
);

function checkOperands(
  call: string,
  n: number,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  filters: number,
): void {
  if (weight.shape.length !== n + 2) {
    throw new TenfoldError(
      'shape',
      `${call}: 'weight' must have ${n + 2} dims, got shape ${formatShape(weight.shape)}`,
    );
  }
  for (const [name, t] of [['weight', weight] as const, ['bias', bias] as const]) {
    if (t !== null && t.code !== input.code) {
      throw new TenfoldError(
        'dtype',
        `${call}: input, weight and bias must have one dtype, got ${input.dtype} and ${name} ${t.dtype}`,
      );
    }
  }
  if (input.code === Code.bool) throw new TenfoldError('dtype', `${call}: not defined for bool`);
  if (bias !== null && (bias.shape.length !== 1 || bias.shape[0] !== filters)) {
    throw new TenfoldError(
      'shape',
      `${call}: 'bias' must have shape [${filters}], one for each output channel, got ${formatShape(bias.shape)}`,
    );
  }
}
/** Refuses what has no element along a spatial dim, and weights without filters: only batch and channels may be empty. */
function checkNotEmpty(call: string, n: number, input: Tensor, weight: Tensor): void {
  if (spatial(input.shape, n).includes(0))
    throw new TenfoldError(
      'shape',
      `${call}: only batch and channels may be empty, got input ${formatShape(input.shape)}`,
    );
  if (weight.shape[0] === 0 || spatial(weight.shape, n).includes(0))
    throw new TenfoldError(
      'shape',
      `${call}: the weight needs a filter of one element or more, got shape ${formatShape(weight.shape)}`,
    );
}
function checkGroups(call: string, groups: number, what: string, channels: number): void {
  if (groups < 1) throw new RangeError(`${call}: 'groups' must be at least 1, got ${groups}`);
  if (channels % groups !== 0) {
    throw new TenfoldError('shape', `${call}: ${channels} ${what} can't be cut in ${groups} groups of one size`);
  }
}

interface Window {
  size: number[];
  padding: number[];
}
/** Sizes of the result and the padding before the image. */
function windowOf(
  call: string,
  image: Ints,
  kernelSize: Ints,
  stride: Ints,
  padding: number | Ints | string,
  dilation: Ints,
): Window {
  const n = image.length;
  const span = kernelSize.map((k, i) => dilation[i]! * (k - 1) + 1);
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) {
      throw new TenfoldError(
        'value',
        `${call}: padding 'same' is only for stride 1, got stride ${formatSizes(stride)}`,
      );
    }
    checkMargin(
      call,
      image.map((s, i) => s + span[i]! - 1),
    );
    return { size: [...image], padding: span.map((s) => Math.floor((s - 1) / 2)) };
  }
  const before = typeof padding === 'string' ? new Array<number>(n).fill(0) : perDim(call, 'padding', padding, n, 0);
  const padded = image.map((s, i) => s + 2 * before[i]!);
  if (padded.some((s, i) => s < span[i]!)) {
    throw new TenfoldError(
      'shape',
      `${call}: the kernel, ${formatSizes(span)} with its dilation, is larger than the padded input, ${formatSizes(padded)}`,
    );
  }
  checkMargin(call, padded);
  return { size: padded.map((s, i) => Math.floor((s - span[i]!) / stride[i]!) + 1), padding: before };
}

type Convolve = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  stride: number | Ints,
  padding: number | Ints | string,
  dilation: number | Ints,
  groups: number,
) => Tensor;

const convolve =
  (call: string, n: number): Convolve =>
  (input, weight, bias, stride, padding, dilation, groups) => {
    const batched = isBatched(call, input, n);
    checkOperands(call, n, input, weight, bias, weight.shape[0]!);
    const channels = input.shape[batched ? 1 : 0]!;
    checkGroups(call, groups, 'input channels', channels);
    checkGroups(call, groups, 'output channels', weight.shape[0]!);
    if (weight.shape[1] !== channels / groups) {
      throw new TenfoldError(
        'shape',
        `${call}: a weight of shape ${formatShape(weight.shape)} with ${groups} group${groups === 1 ? '' : 's'} needs ` +
          `${weight.shape[1]! * groups} input channels, got ${channels} in ${formatShape(input.shape)}`,
      );
    }
    const strides = perDim(call, 'stride', stride, n, 1);
    const dilations = perDim(call, 'dilation', dilation, n, 1);
    checkNotEmpty(call, n, input, weight);
    const window = windowOf(call, spatial(input.shape, n), weight.shape.slice(2), strides, padding, dilations);
    const x = batched ? input : input.unsqueeze(0);
    // A stride past the only result says nothing, and kernels sort columns by it.
    const steps = strides.map((step, i) => (window.size[i] === 1 ? 1 : step));
    const y = convolution(x, weight, bias, window.size, steps, window.padding, dilations, groups);
    return batched ? y : y.squeeze(0);
  };

/**
 * Convolution (cross-correlation) over one dim: input [n, c, l] or [c, l], weight [filters, c / groups, k].
 * `padding` may be 'same' or 'valid'. See torch.nn.functional.conv1d.
 */
export const conv1d = defineOp(
  "conv1d(Tensor input, Tensor weight, Tensor? bias=null, int[] stride=1, 'same'|'valid'|int[] padding=0, int[] dilation=1, int groups=1)",
  (): OpDef => ({ forward: convolve('conv1d', 1), composite: true }),
);
/**
 * Convolution (cross-correlation) over two dims: input [n, c, h, w] or [c, h, w], weight [filters, c / groups, kh, kw].
 * `padding` may be 'same' or 'valid'. See torch.nn.functional.conv2d.
 */
export const conv2d = defineOp(
  "conv2d(Tensor input, Tensor weight, Tensor? bias=null, int[] stride=1, 'same'|'valid'|int[] padding=0, int[] dilation=1, int groups=1)",
  (): OpDef => ({ forward: convolve('conv2d', 2), composite: true }),
);
/**
 * Convolution (cross-correlation) over three dims: input [n, c, d, h, w] or [c, d, h, w], weight
 * [filters, c / groups, kd, kh, kw]. `padding` may be 'same' or 'valid'. See torch.nn.functional.conv3d.
 */
export const conv3d = defineOp(
  "conv3d(Tensor input, Tensor weight, Tensor? bias=null, int[] stride=1, 'same'|'valid'|int[] padding=0, int[] dilation=1, int groups=1)",
  (): OpDef => ({ forward: convolve('conv3d', 3), composite: true }),
);

type ConvolveTranspose = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  stride: number | Ints,
  padding: number | Ints,
  outputPadding: number | Ints,
  groups: number,
  dilation: number | Ints,
) => Tensor;

const convolveTranspose =
  (call: string, n: number): ConvolveTranspose =>
  (input, weight, bias, stride, padding, outputPadding, groups, dilation) => {
    const batched = isBatched(call, input, n);
    checkOperands(call, n, input, weight, bias, (weight.shape[1] ?? 0) * groups);
    const channels = input.shape[batched ? 1 : 0]!;
    checkGroups(call, groups, 'input channels', channels);
    if (weight.shape[0] !== channels) {
      throw new TenfoldError(
        'shape',
        `${call}: a weight of shape ${formatShape(weight.shape)} needs ${weight.shape[0]} input channels, got ${channels} in ${formatShape(input.shape)}`,
      );
    }
    checkNotEmpty(call, n, input, weight);
    const strides = perDim(call, 'stride', stride, n, 1);
    const before = perDim(call, 'padding', padding, n, 0);
    const behind = perDim(call, 'outputPadding', outputPadding, n, 0);
    const dilations = perDim(call, 'dilation', dilation, n, 1);
    const size = spatial(input.shape, n).map((s, i) => {
      if (behind[i]! >= Math.max(strides[i]!, dilations[i]!)) {
        throw new RangeError(
          `${call}: 'outputPadding' must be smaller than stride or dilation, got ${behind[i]} with stride ${strides[i]} and dilation ${dilations[i]}`,
        );
      }
      const out = (s - 1) * strides[i]! - 2 * before[i]! + dilations[i]! * (weight.shape[i + 2]! - 1) + behind[i]! + 1;
      if (out < 1) {
        throw new TenfoldError(
          'shape',
          `${call}: the result would have size ${out} at spatial dim ${i}; input ${formatShape(input.shape)}, weight ${formatShape(weight.shape)}`,
        );
      }
      return out;
    });
    checkMargin(
      call,
      size.map((s, i) => s + 2 * before[i]!),
    );
    const x = batched ? input : input.unsqueeze(0);
    const steps = strides.map((step, i) => (input.shape.at(i - n) === 1 ? 1 : step));
    const y = convolutionInput(x, weight, bias, size, steps, before, dilations, groups);
    return batched ? y : y.squeeze(0);
  };

/**
 * Transposed convolution over one dim, the gradient of conv1d as an op: input [n, c, l] or [c, l], weight
 * [c, filters / groups, k]. See torch.nn.functional.conv_transpose1d.
 */
export const convTranspose1d = defineOp(
  'convTranspose1d(Tensor input, Tensor weight, Tensor? bias=null, int[] stride=1, int[] padding=0, int[] outputPadding=0, int groups=1, int[] dilation=1)',
  (): OpDef => ({ forward: convolveTranspose('convTranspose1d', 1), composite: true }),
);
/**
 * Transposed convolution over two dims, the gradient of conv2d as an op: input [n, c, h, w] or [c, h, w], weight
 * [c, filters / groups, kh, kw]. See torch.nn.functional.conv_transpose2d.
 */
export const convTranspose2d = defineOp(
  'convTranspose2d(Tensor input, Tensor weight, Tensor? bias=null, int[] stride=1, int[] padding=0, int[] outputPadding=0, int groups=1, int[] dilation=1)',
  (): OpDef => ({ forward: convolveTranspose('convTranspose2d', 2), composite: true }),
);
/**
 * Transposed convolution over three dims, the gradient of conv3d as an op: input [n, c, d, h, w] or [c, d, h, w], weight
 * [c, filters / groups, kd, kh, kw]. See torch.nn.functional.conv_transpose3d.
 */
export const convTranspose3d = defineOp(
  'convTranspose3d(Tensor input, Tensor weight, Tensor? bias=null, int[] stride=1, int[] padding=0, int[] outputPadding=0, int groups=1, int[] dilation=1)',
  (): OpDef => ({ forward: convolveTranspose('convTranspose3d', 3), composite: true }),
);
