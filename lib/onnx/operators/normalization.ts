/** Normalizations. */
import { isFloatCode, type DType } from '../../dtype.js';
import * as F from '../../nn/functional/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, operators, table, type Value } from '../signature.js';
import { dtypeFor } from '../tensors.js';
import { wrapAxis } from './shape.js';

const dimsFrom = (x: Tensor, first: number): number[] => Array.from({ length: x.ndim - first }, (_, i) => first + i);
/** A vector of channels, to be broadcast over batch and space. */
const channels = (v: Tensor, x: Tensor): Tensor => v.reshape([-1, ...x.shape.slice(2).map(() => 1)]);
/** The dtype that the statistics are computed in. */
const stash = (type: number, x: Tensor): DType => (type === 0 ? x.dtype : dtypeFor('stash_type', type));

/** (x − mean) / √(variance + ε) over dims. */
function standardized(x: Tensor, dims: number[], epsilon: number): { y: Tensor; mean: Tensor; rstd: Tensor } {
  const mean = x.mean(dims, true);
  const centered = x.sub(mean);
  const rstd = centered.square().mean(dims, true).add(epsilon).rsqrt();
  return { y: centered.mul(rstd), mean, rstd };
}

interface Batch {
  epsilon: number;
  momentum: number;
  training_mode: number;
  spatial: number;
}
function batchNorm(a: Batch, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor): Value[] {
  if (!a.training_mode) {
    if (a.spatial && scale.code === x.code && mean.code === x.code)
      return [F.batchNorm(x, mean, variance, scale, bias, { training: false, eps: a.epsilon })];
    const shape = (v: Tensor): Tensor => (a.spatial ? (x.ndim > 1 ? channels(v, x) : v) : v);
    const y = x.to(mean.dtype).sub(shape(mean)).div(shape(variance).add(a.epsilon).sqrt());
    return [y.mul(shape(scale)).add(shape(bias)).to(x.dtype)];
  }
  const dims = Array.from(x.shape.keys()).filter((d) => d !== 1);
  const own = x.to(mean.dtype);
  const now = own.mean(dims);
  const spread = own.sub(channels(now, x)).square().mean(dims);
  const y = own.sub(channels(now, x)).mul(channels(spread.add(a.epsilon).rsqrt(), x));
  const next = (old: Tensor, t: Tensor): Tensor => old.mul(a.momentum).add(t.mul(1 - a.momentum));
  return [y.mul(channels(scale, x)).add(channels(bias, x)).to(x.dtype), next(mean, now), next(variance, spread)];
}

function layerNorm(
  a: { axis: number; epsilon: number; stash_type: number; wants: readonly boolean[] },
  x: Tensor,
  scale: Tensor,
  bias: Tensor | null,
): Tensor[] {
  const axis = wrapAxis('LayerNormalization', a.axis, x.ndim);
  const rest = x.shape.slice(axis);
  const same =
    scale.ndim === rest.length &&
    scale.shape.every((n, d) => n === rest[d]) &&
    (bias === null || (bias.ndim === rest.length && bias.shape.every((n, d) => n === rest[d])));
  if (same && !a.wants[1] && !a.wants[2] && stash(a.stash_type, x) === x.dtype && isFloatCode(x.code))
    return [F.layerNorm(x, [...rest], scale, bias, a.epsilon)];
  const { y, mean, rstd } = standardized(x.to(stash(a.stash_type, x)), dimsFrom(x, axis), a.epsilon);
  const scaled = y.to(x.dtype).mul(scale);
  return [bias === null ? scaled : scaled.add(bias), mean, rstd];
}

function rmsNorm(a: { axis: number; epsilon: number; stash_type: number }, x: Tensor, scale: Tensor): Tensor {
  const own = x.to(stash(a.stash_type, x));
  const dims = dimsFrom(x, wrapAxis('RMSNormalization', a.axis, x.ndim));
  return own.div(own.square().mean(dims, true).add(a.epsilon).sqrt()).to(x.dtype).mul(scale);
}

function groupNorm(
  a: { num_groups: number; epsilon: number; stash_type: number; opset: number },
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
): Tensor {
  const groups = x.to(a.opset >= 21 ? stash(a.stash_type, x) : x.dtype).reshape([x.shape[0]!, a.num_groups, -1]);
  const y = standardized(groups, [2], a.epsilon).y.to(x.dtype);
  // Before version 21 there is a scale and a bias for each group.
  if (a.opset < 21)
    return y
      .mul(scale.reshape([-1, 1]))
      .add(bias.reshape([-1, 1]))
      .reshape([...x.shape]);
  return y
    .reshape([...x.shape])
    .mul(channels(scale, x))
    .add(channels(bias, x));
}

/** x / (k + α/size Σ x²)^β, the sum over neighbouring channels. */
function localResponse(a: { size: number; alpha: number; beta: number; bias: number }, x: Tensor): Tensor {
  const c = x.shape[1]!;
  const before = Math.floor((a.size - 1) / 2);
  const square = F.pad(x.square().reshape([x.shape[0]!, c, -1]), [0, 0, before, a.size - 1 - before]);
  let sum = square.narrow(1, 0, c);
  for (let i = 1; i < a.size; i++) sum = sum.add(square.narrow(1, i, c));
  return x.div(
    sum
      .mul(a.alpha / a.size)
      .add(a.bias)
      .pow(a.beta)
      .reshape([...x.shape]),
  );
}

export const NORMALIZATION = table(
  operators(
    'BatchNormalization(Tensor X, Tensor scale, Tensor B, setting mean, setting var; float epsilon=1e-5, float momentum=0.9, int training_mode=0, int spatial=1)',
    (a, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) =>
      batchNorm(a, x, scale, bias, mean, variance),
  ),
  operator(
    'InstanceNormalization(Tensor input, Tensor scale, Tensor B; float epsilon=1e-5)',
    (a, x: Tensor, scale: Tensor, bias: Tensor) =>
      standardized(x, dimsFrom(x, 2), a.epsilon).y.mul(channels(scale, x)).add(channels(bias, x)),
  ),
  operators(
    'LayerNormalization(Tensor X, Tensor Scale, Tensor? B; int axis=-1, float epsilon=1e-5, int stash_type=1)',
    (a, x: Tensor, scale: Tensor, bias: Tensor | null) => layerNorm(a, x, scale, bias),
  ),
  operator(
    'RMSNormalization(Tensor X, Tensor scale; int axis=-1, float epsilon=1e-5, int stash_type=1)',
    (a, x: Tensor, scale: Tensor) => rmsNorm(a, x, scale),
  ),
  operator(
    'GroupNormalization(Tensor X, Tensor scale, Tensor bias; int num_groups, float epsilon=1e-5, int stash_type=1)',
    (a, x: Tensor, scale: Tensor, bias: Tensor) => groupNorm(a, x, scale, bias),
  ),
  operator('LRN(Tensor X; int size, float alpha=0.0001, float beta=0.75, float bias=1)', (a, x: Tensor) =>
    localResponse(a, x),
  ),
  operator('LpNormalization(Tensor input; int p=2, int axis=-1)', (a, x: Tensor) => {
    const size = a.p === 1 ? x.abs().sum(a.axis, true) : x.square().sum(a.axis, true).sqrt();
    // A vector of zeros stays one.
    return x.div(size.add(size.eq(0).to(x.dtype)));
  }),
  operator('MeanVarianceNormalization(Tensor X; ints axes=[0,2,3])', (a, x: Tensor) => {
    const centered = x.sub(x.mean([...a.axes], true));
    return centered.div(
      centered
        .square()
        .mean([...a.axes], true)
        .sqrt()
        .add(1e-9),
    );
  }),
);
