/** Normalizations: to mean 0 and variance 1 over rows, groups of channels, or the batch. */
import { TenfoldError } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { mode } from '../../autograd/mode.js';
import { run } from '../../launch/run.js';
import { kernel } from '../../native/launch.js';
import { formatShape, numelOf, sameShape, type Shape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { all, defineOp, type Formula, type OpDef } from '../../op/define.js';
import { throughFormula } from '../../op/formula.js';
import { avgPool2d } from './pooling.js';
import { pad } from './resample.js';

const denseOrNone = (t: Tensor | null): Tensor | null => (t === null ? null : t.rawDense());
function kernelId(k: Int32Array, call: string, x: Tensor): number {
  const id = k[x.code]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: needs a floating-point dtype, got ${x.dtype}`);
  return id;
}

/** The gradients of a normalization, written as a formula. */
type Grads = (grad: Tensor, x: Tensor, weight: Tensor | null, eps: number) => Tensor[];
/**
 * Derivatives of a backward kernel through its formula, for its inputs grad, input and weight. Those between them, the
 * `statistics`, are functions of the input, which the formula takes into account.
 */
const secondDerivative = (formula: Grads, statistics: number): Formula =>
  all(['grad', 'input', 'weight'], (grads, { grad, input, weight }, call) => {
    const [g, x, w] = throughFormula([grad, input, weight], ([a, b, c]) => formula(a!, b!, c ?? null, call.eps), grads);
    return [g!, x!, ...new Array<null>(statistics).fill(null), w!];
  });
/** Derivatives of rowsNorm and channelsNorm, whose backward kernels take and give the same. */
const derivative = (backward: typeof layerNormBackward | typeof batchNormBackward): Formula =>
  all(['input', 'weight', 'result1', 'result2'], (grads, { input, weight, result1, result2 }, call) => {
    const [gradX, gradWeight, gradBias] = backward(grads[0], input, result1, result2, weight, call.eps);
    return [gradX!, call.weight === null ? null : gradWeight!, call.bias === null ? null : gradBias!];
  });

// ---- layer normalization ---------------------------------------------------------------------------------------------

const LAYER_NORM = kernel('layerNorm');
const LAYER_NORM_BACKWARD = kernel('layerNormBackward');

/** The gradients of rowsNorm as a formula: x, grad [rows, n], weight [n]. */
function layerNormGrads(grad: Tensor, x: Tensor, weight: Tensor | null, eps: number): Tensor[] {
  const centred = x.sub(x.mean(1, true));
  const rstd = centred.square().mean(1, true).add(eps).rsqrt();
  const u = centred.mul(rstd);
  const h = weight === null ? grad : grad.mul(weight);
  const gradX = rstd.mul(h.sub(h.mean(1, true)).sub(u.mul(h.mul(u).mean(1, true))));
  return [gradX, grad.mul(u).sum(0), grad.sum(0)];
}
const layerNormBackward = defineOp(
  'layerNormBackward(Tensor grad, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, float eps) -> (gradInput, gradWeight, gradBias)',
  (): OpDef => ({
    forward(grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor | null) {
      const [rows, n] = x.shape as unknown as [number, number];
      const out = [Tensor.rawLike(x, x.code), Tensor.raw([n], x.code), Tensor.raw([n], x.code)];
      const inputs = [grad.rawDense(), x.rawDense(), mean, rstd];
      run(LAYER_NORM_BACKWARD[x.code]!, rows, n, ...inputs, denseOrNone(weight), ...out);
      return out;
    },
    backward: secondDerivative(layerNormGrads, 2),
  }),
);
/** Rows [rows, n] to mean 0 and variance 1, then times weight plus bias [n]. */
export const rowsNorm = defineOp(
  'nativeLayerNorm(Tensor input, Tensor? weight, Tensor? bias, float eps) -> (output, mean, rstd)',
  (): OpDef => ({
    forward(x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number) {
      const [rows, n] = x.shape as unknown as [number, number];
      const out = [Tensor.rawLike(x, x.code), Tensor.raw([rows], x.code), Tensor.raw([rows], x.code)];
      const affine = [denseOrNone(weight), denseOrNone(bias)];
      run(kernelId(LAYER_NORM, 'layerNorm', x), rows, n, x.rawDense(), ...affine, ...out, eps);
      return out;
    },
    backward: derivative(layerNormBackward),
    gradName: 'NativeLayerNormBackward0',
  }),
);

export function checkRows(
  call: string,
  input: Tensor,
  normalizedShape: Shape,
  affine: readonly (Tensor | null)[],
): void {
  const tail = input.shape.slice(input.shape.length - normalizedShape.length);
  if (normalizedShape.length === 0 || !sameShape(tail, normalizedShape)) {
    throw new TenfoldError(
      'shape',
      `${call}: input ${formatShape(input.shape)} doesn't end in normalizedShape ${formatShape(normalizedShape)}`,
    );
  }
  for (const t of affine) {
    if (t === null) continue;
    if (!sameShape(t.shape, normalizedShape)) {
      throw new TenfoldError(
        'shape',
        `${call}: weight and bias must have shape ${formatShape(normalizedShape)}, got ${formatShape(t.shape)}`,
      );
    }
    if (t.code !== input.code) {
      throw new TenfoldError(
        'dtype',
        `${call}: input, weight and bias must have one dtype, got ${input.dtype} and ${t.dtype}`,
      );
    }
  }
}
const sizesOf = (shape: number | readonly number[]): readonly number[] => (typeof shape === 'number' ? [shape] : shape);
export const isHalf = (x: Tensor): boolean => x.code === Code.f16 || x.code === Code.bf16;
export const widen = (t: Tensor | null): Tensor | null => (t === null ? null : t.float());

/**
 * Mean 0 and variance 1 over the last dims (normalizedShape), then times weight plus bias of that shape. See
 * torch.nn.functional.layer_norm.
 */
export const layerNorm = defineOp(
  'layerNorm(Tensor input, int[] normalizedShape, Tensor? weight=null, Tensor? bias=null, float eps=1e-5)',
  (): OpDef => ({
    forward(
      input: Tensor,
      normalizedShape: number | number[],
      weight: Tensor | null,
      bias: Tensor | null,
      eps: number,
    ): Tensor {
      const sizes = sizesOf(normalizedShape);
      checkRows('layerNorm', input, sizes, [weight, bias]);
      if (isHalf(input)) return layerNorm(input.float(), sizes, widen(weight), widen(bias), eps).to(input.dtype);
      const n = numelOf(sizes);
      const rows =
        input.shape.length === 2 && sizes.length === 1 ? input : input.reshape([n === 0 ? 0 : input.count / n, n]);
      const y = rowsNorm(rows, weight?.reshape([n]) ?? null, bias?.reshape([n]) ?? null, eps)[0]!;
      return rows === input ? y : y.view([...input.shape]);
    },
    composite: true,
  }),
);

// ---- RMS normalization -----------------------------------------------------------------------------------------------

const RMS_NORM = kernel('rmsNorm');
const RMS_NORM_BACKWARD = kernel('rmsNormBackward');

function rmsNormGrads(grad: Tensor, x: Tensor, weight: Tensor | null, eps: number): Tensor[] {
  const rstd = x.square().mean(1, true).add(eps).rsqrt();
  const u = x.mul(rstd);
  const h = weight === null ? grad : grad.mul(weight);
  return [rstd.mul(h.sub(u.mul(h.mul(u).mean(1, true)))), grad.mul(u).sum(0)];
}
const rmsNormBackward = defineOp(
  'rmsNormBackward(Tensor grad, Tensor input, Tensor rstd, Tensor? weight, float eps) -> (gradInput, gradWeight)',
  (): OpDef => ({
    forward(grad: Tensor, x: Tensor, rstd: Tensor, weight: Tensor | null) {
      const [rows, n] = x.shape as unknown as [number, number];
      const out = [Tensor.rawLike(x, x.code), Tensor.raw([n], x.code)];
      const inputs = [grad.rawDense(), x.rawDense(), rstd];
      run(RMS_NORM_BACKWARD[x.code]!, rows, n, ...inputs, denseOrNone(weight), ...out);
      return out;
    },
    backward: secondDerivative(rmsNormGrads, 1),
  }),
);
const nativeRmsNorm = defineOp(
  'nativeRmsNorm(Tensor input, Tensor? weight, float eps) -> (output, rstd)',
  (): OpDef => ({
    forward(x: Tensor, weight: Tensor | null, eps: number) {
      const [rows, n] = x.shape as unknown as [number, number];
      const out = [Tensor.rawLike(x, x.code), Tensor.raw([rows], x.code)];
      run(kernelId(RMS_NORM, 'rmsNorm', x), rows, n, x.rawDense(), denseOrNone(weight), ...out, eps);
      return out;
    },
    backward: all(['input', 'weight', 'result1'], (grads, { input, weight, result1 }, call) => {
      const [gradX, gradWeight] = rmsNormBackward(grads[0], input, result1, weight, call.eps);
      return [gradX!, call.weight === null ? null : gradWeight!];
    }),
    gradName: 'RmsNormBackward0',
  }),
);
/** x over the root of its mean square over the last dims (normalizedShape), times weight. eps null is the dtype's epsilon. See torch.nn.functional.rms_norm. */
export const rmsNorm = defineOp(
  'rmsNorm(Tensor input, int[] normalizedShape, Tensor? weight=null, float? eps=null)',
  (): OpDef => ({
    forward(input: Tensor, normalizedShape: number | number[], weight: Tensor | null, eps: number | null): Tensor {
      const sizes = sizesOf(normalizedShape);
      checkRows('rmsNorm', input, sizes, [weight]);
      const small = eps ?? EPSILON[input.code] ?? EPSILON[Code.f32]!;
      if (isHalf(input)) return rmsNorm(input.float(), sizes, widen(weight), small).to(input.dtype);
      const n = numelOf(sizes);
      const rows = input.reshape([n === 0 ? 0 : input.count / n, n]);
      return nativeRmsNorm(rows, weight?.reshape([n]) ?? null, small)[0]!.view([...input.shape]);
    },
    composite: true,
  }),
);
/** Distance from 1 to the next number. */
const EPSILON: Partial<Record<Code, number>> = {
  [Code.f32]: 2 ** -23,
  [Code.f64]: 2 ** -52,
  [Code.f16]: 2 ** -10,
  [Code.bf16]: 2 ** -7,
};

// ---- groups, instances, batches --------------------------------------------------------------------------------------

/** Channels' weight and bias as they broadcast against [n, c, …]. */
const perChannel = (t: Tensor, dims: number): Tensor =>
  t.view([1, -1, ...new Array<number>(Math.max(dims - 2, 0)).fill(1)]);
function scaleChannels(y: Tensor, weight: Tensor | null, bias: Tensor | null): Tensor {
  const factor = weight && perChannel(weight, y.shape.length);
  const term = bias && perChannel(bias, y.shape.length);
  if (factor !== null && term !== null) return term.addcmul(y, factor);
  return factor !== null ? y.mul(factor) : term !== null ? y.add(term) : y;
}
function checkChannels(call: string, channels: number, tensors: Record<string, Tensor | null>): void {
  for (const [name, t] of Object.entries(tensors)) {
    if (t !== null && (t.shape.length !== 1 || t.count !== channels)) {
      throw new TenfoldError(
        'shape',
        `${call}: ${name} must have one element for each of ${channels} channels, got shape ${formatShape(t.shape)}`,
      );
    }
  }
}

/** Mean 0 and variance 1 over each of numGroups groups of channels of [n, c, …]. See torch.nn.functional.group_norm. */
export const groupNorm = defineOp(
  'groupNorm(Tensor input, int numGroups, Tensor? weight=null, Tensor? bias=null, float eps=1e-5)',
  (): OpDef => ({
    forward(input: Tensor, numGroups: number, weight: Tensor | null, bias: Tensor | null, eps: number): Tensor {
      const { shape } = input;
      if (shape.length < 2)
        throw new TenfoldError('shape', `groupNorm: input must be [n, c, …], got ${formatShape(shape)}`);
      const channels = shape[1]!;
      if (channels === 0 || shape.slice(2).includes(0))
        throw new TenfoldError('shape', `groupNorm: only the batch may be empty, got ${formatShape(shape)}`);
      if (numGroups < 1 || channels % numGroups !== 0) {
        throw new TenfoldError('shape', `groupNorm: ${channels} channels can't form ${numGroups} groups`);
      }
      if (input.count === numGroups) {
        throw new TenfoldError(
          'shape',
          `groupNorm: more than one value per group is needed, got ${formatShape(shape)} in ${numGroups} groups`,
        );
      }
      checkChannels('groupNorm', channels, { weight, bias });
      if (isHalf(input)) return groupNorm(input.float(), numGroups, widen(weight), widen(bias), eps).to(input.dtype);
      const rows = shape[0]! * numGroups;
      const y = rowsNorm(input.reshape([rows, rows === 0 ? 0 : input.count / rows]), null, null, eps)[0]!;
      return scaleChannels(y.view([...shape]), weight, bias);
    },
    composite: true,
  }),
);

/** A tensor in the dtype that the kernel works in. */
const like = (t: Tensor | null, x: Tensor): Tensor | null => (t === null || t.code === x.code ? t : t.to(x.dtype));

/** Moves a running statistic a step towards a new one. */
function follow(running: Tensor, value: Tensor, momentum: number): void {
  if (mode.again) return; // a checkpoint's second run: the batch has been counted
  const before = mode.grad;
  mode.grad = false;
  try {
    running.mul_(1 - momentum).add_(value.to(running.dtype), { alpha: momentum });
  } finally {
    mode.grad = before;
  }
}

/** Mean 0 and variance 1 over each channel of each sample. See torch.nn.functional.instance_norm. */
export const instanceNorm = defineOp(
  'instanceNorm(Tensor input, Tensor? runningMean=null, Tensor? runningVar=null, Tensor? weight=null, Tensor? bias=null, bool useInputStats=true, float momentum=0.1, float eps=1e-5)',
  (): OpDef => ({
    forward(
      input: Tensor,
      runningMean: Tensor | null,
      runningVar: Tensor | null,
      weight: Tensor | null,
      bias: Tensor | null,
      useInputStats: boolean,
      momentum: number,
      eps: number,
    ): Tensor {
      const { shape } = input;
      if (shape.length < 3)
        throw new TenfoldError(
          'shape',
          `instanceNorm: input must be [n, c, …] with something behind c, got ${formatShape(shape)}`,
        );
      const [n, channels] = shape as unknown as [number, number];
      checkChannels('instanceNorm', channels, { runningMean, runningVar, weight, bias });
      if (!useInputStats) return batchNorm(input, runningMean, runningVar, weight, bias, false, momentum, eps);
      const size = input.count / (n * channels);
      if (size === 1)
        throw new TenfoldError(
          'shape',
          `instanceNorm: more than one value per channel is needed in training, got ${formatShape(shape)}`,
        );
      if (isHalf(input)) {
        return instanceNorm(input.float(), runningMean, runningVar, widen(weight), widen(bias), true, momentum, eps).to(
          input.dtype,
        );
      }
      const rows = input.reshape([n * channels, size]);
      if (runningMean !== null) follow(runningMean, rows.detach().mean(1).view(n, channels).mean(0), momentum);
      if (runningVar !== null) follow(runningVar, rows.detach().var(1).view(n, channels).mean(0), momentum);
      const y = rowsNorm(rows, null, null, eps)[0]!;
      return scaleChannels(y.view([...shape]), weight, bias);
    },
    composite: true,
  }),
);

const BATCH_NORM = kernel('batchNorm');
const BATCH_NORM_BACKWARD = kernel('batchNormBackward');
/** [n, c, …] as the kernels see it. */
const channelBlock = (x: Tensor): [number, number, number] => [x.shape[0]!, x.shape[1]!, numelOf(x.shape.slice(2))];

/** The gradients of channelsNorm as a formula. */
function batchNormGrads(grad: Tensor, x: Tensor, weight: Tensor | null, eps: number): Tensor[] {
  const dims = [0, ...Array.from({ length: x.shape.length - 2 }, (_, i) => i + 2)];
  const centred = x.sub(x.mean(dims, true));
  const rstd = centred.square().mean(dims, true).add(eps).rsqrt();
  const u = centred.mul(rstd);
  const scale = weight === null ? rstd : rstd.mul(perChannel(weight, x.shape.length));
  const gradX = scale.mul(grad.sub(grad.mean(dims, true)).sub(u.mul(grad.mul(u).mean(dims, true))));
  return [gradX, grad.mul(u).sum(dims), grad.sum(dims)];
}
const batchNormBackward = defineOp(
  'batchNormBackward(Tensor grad, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, float eps) -> (gradInput, gradWeight, gradBias)',
  (): OpDef => ({
    forward(grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor | null) {
      const block = channelBlock(x);
      const out = [Tensor.rawLike(x, x.code), Tensor.zeros([block[1]], x.code), Tensor.zeros([block[1]], x.code)];
      const inputs = [grad.rawDense(), x.rawDense(), mean, rstd];
      run(BATCH_NORM_BACKWARD[x.code]!, ...block, ...inputs, denseOrNone(weight), ...out);
      return out;
    },
    backward: secondDerivative(batchNormGrads, 2),
  }),
);
/** (x − mean) · rstd · weight + bias by the batch's own statistics. */
export const channelsNorm = defineOp(
  'nativeBatchNorm(Tensor input, Tensor? weight, Tensor? bias, float eps) -> (output, mean, rstd)',
  (): OpDef => ({
    forward(x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number) {
      const block = channelBlock(x);
      const out = [Tensor.rawLike(x, x.code), Tensor.zeros([block[1]], x.code), Tensor.zeros([block[1]], x.code)];
      const affine = [denseOrNone(weight), denseOrNone(bias)];
      run(kernelId(BATCH_NORM, 'batchNorm', x), ...block, x.rawDense(), ...affine, ...out, eps);
      return out;
    },
    backward: derivative(batchNormBackward),
    gradName: 'NativeBatchNormBackward0',
  }),
);

/**
 * Mean 0 and variance 1 over each channel of [n, c, …]: by the batch's own statistics where `training` (which the running ones
 * then follow), else by the running ones. See torch.nn.functional.batch_norm.
 */
export const batchNorm = defineOp(
  'batchNorm(Tensor input, Tensor? runningMean, Tensor? runningVar, Tensor? weight=null, Tensor? bias=null, bool training=false, float momentum=0.1, float eps=1e-5)',
  (): OpDef => ({
    forward(
      input: Tensor,
      runningMean: Tensor | null,
      runningVar: Tensor | null,
      weight: Tensor | null,
      bias: Tensor | null,
      training: boolean,
      momentum: number,
      eps: number,
    ): Tensor {
      const { shape } = input;
      if (shape.length < 2) {
        if (shape[0] === 0) return input.clone(); // as PyTorch
        throw new TenfoldError('shape', `batchNorm: input must be [n, c, …], got ${formatShape(shape)}`);
      }
      if (!isFloatCode(input.code))
        throw new TenfoldError('dtype', `batchNorm: needs a floating-point dtype, got ${input.dtype}`);
      if (training && !(eps > 0))
        throw new TenfoldError('value', `batchNorm: eps must be positive in training, got ${eps}`);
      const channels = shape[1]!;
      checkChannels('batchNorm', channels, { runningMean, runningVar, weight, bias });
      if (isHalf(input)) {
        return batchNorm(
          input.float(),
          runningMean,
          runningVar,
          widen(weight),
          widen(bias),
          training,
          momentum,
          eps,
        ).to(input.dtype);
      }
      if (training) {
        const count = channels === 0 ? 0 : input.count / channels;
        if (count === 1)
          throw new TenfoldError(
            'shape',
            `batchNorm: more than one value per channel is needed in training, got ${formatShape(shape)}`,
          );
        const [output, mean, rstd] = channelsNorm(input, like(weight, input), like(bias, input), eps);
        if (runningMean !== null) follow(runningMean, mean.detach(), momentum);
        if (runningVar !== null) {
          const unbiased = rstd.detach().pow(-2).sub(eps).mul(count / (count - 1)); // prettier-ignore
          follow(runningVar, unbiased, momentum);
        }
        return output;
      }
      if (runningMean === null || runningVar === null) {
        throw new TenfoldError('value', 'batchNorm: without training, runningMean and runningVar must be given');
      }
      const rstd = runningVar.add(eps).rsqrt();
      const scale = weight === null ? rstd : rstd.mul(weight);
      const shift = runningMean.mul(scale).neg();
      return input
        .mul(perChannel(scale, shape.length))
        .add(perChannel(bias === null ? shift : shift.add(bias), shape.length));
    },
    composite: true,
  }),
);

/**
 * x over (k + alpha · mean of squares of `size` neighbouring channels)^beta (Krizhevsky et al. 2012). See
 * torch.nn.functional.local_response_norm.
 */
export const localResponseNorm = defineOp(
  'localResponseNorm(Tensor input, int size, float alpha=1e-4, float beta=0.75, float k=1)',
  (): OpDef => ({
    forward(input: Tensor, size: number, alpha: number, beta: number, k: number) {
      if (input.shape.length < 3)
        throw new TenfoldError(
          'shape',
          `localResponseNorm: input must be [n, c, …] with something behind c, got ${formatShape(input.shape)}`,
        );
      if (size < 1) throw new RangeError(`localResponseNorm: size must be at least 1, got ${size}`);
      if (input.count === 0) return input;
      // Channels as rows of an image: channel c gathers c − ⌊size / 2⌋ … c + ⌊(size − 1) / 2⌋.
      const rows = input.square().reshape([input.shape[0]!, 1, input.shape[1]!, -1]);
      const around = pad(rows, [0, 0, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
      const means = avgPool2d(around, [size, 1], 1).reshape(input.shape);
      return input.div(means.mul(alpha).add(k).pow(beta));
    },
    composite: true,
  }),
);
