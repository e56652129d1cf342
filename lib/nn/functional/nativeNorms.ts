/**
 * Normalizations that also give the statistics they used, under the names that they have in torch itself. Of the statistics only
 * nativeGroupNorm's have gradients, as in PyTorch.
 */
import { TenfoldError } from '../../errors.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { batchNorm, channelsNorm, checkRows, groupNorm, isHalf, rowsNorm, widen } from './normalization.js';

/**
 * [output, mean, rstd] of layerNorm; mean and rstd (1 / standard deviation) have ones for the normalized dims. See
 * torch.native_layer_norm.
 */
export const nativeLayerNorm = defineOp(
  'nativeLayerNorm(Tensor input, int[] normalizedShape, Tensor? weight, Tensor? bias, float eps) -> Tensor[]',
  (): OpDef => ({
    forward(x: Tensor, size: number | number[], weight: Tensor | null, bias: Tensor | null, eps: number) {
      const sizes = typeof size === 'number' ? [size] : size;
      if (isHalf(x)) {
        const parts = nativeLayerNorm(x.float(), sizes, widen(weight), widen(bias), eps);
        return [...parts].map((t) => t.to(x.dtype));
      }
      checkRows('nativeLayerNorm', x, sizes, [weight, bias]);
      const n = numelOf(sizes);
      const rows = x.reshape([n === 0 ? 0 : x.count / n, n]);
      const [y, mean, rstd] = rowsNorm(rows, weight?.reshape([n]) ?? null, bias?.reshape([n]) ?? null, eps);
      const kept = [...x.shape.slice(0, x.shape.length - sizes.length), ...sizes.map(() => 1)];
      return [y!.view([...x.shape]), mean!.detach().view(kept), rstd!.detach().view(kept)];
    },
    composite: true,
  }),
);
/**
 * [output, mean, rstd] of groupNorm, for an input of N · C · HxW elements in `group` groups of channels; mean and rstd are
 * [N, group]. See torch.native_group_norm.
 */
export const nativeGroupNorm = defineOp(
  'nativeGroupNorm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> Tensor[]',
  (): OpDef => ({
    forward(
      x: Tensor,
      weight: Tensor | null,
      bias: Tensor | null,
      n: number,
      c: number,
      size: number,
      group: number,
      eps: number,
    ) {
      if (x.count !== n * c * size || x.shape[0] !== n || x.shape[1] !== c)
        throw new TenfoldError('shape', `nativeGroupNorm: input ${formatShape(x.shape)} doesn't have N ${n}, C ${c} and HxW ${size}`); // prettier-ignore
      if (group < 1 || c % group !== 0)
        throw new TenfoldError('shape', `nativeGroupNorm: ${c} channels can't form ${group} groups`);
      if (isHalf(x)) {
        const parts = nativeGroupNorm(x.float(), widen(weight), widen(bias), n, c, size, group, eps);
        return [...parts].map((t) => t.to(x.dtype));
      }
      const rows = x.reshape([n * group, n === 0 ? 0 : (c / group) * size]);
      const mean = rows.mean(1);
      const rstd = rows.sub(mean.unsqueeze(1)).square().mean(1).add(eps).rsqrt();
      const y = x.count === group ? scaledAlone(rows, x, weight, bias, eps) : groupNorm(x, group, weight, bias, eps);
      return [y, mean.view(n, group), rstd.view(n, group)];
    },
    composite: true,
  }),
);
/** Groups of one element, which groupNorm refuses. */
function scaledAlone(rows: Tensor, x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number): Tensor {
  const y = rowsNorm(rows, null, null, eps)[0].view([...x.shape]);
  const along = (t: Tensor): Tensor => t.view([1, -1, ...x.shape.slice(2).map(() => 1)]);
  const scaled = weight === null ? y : y.mul(along(weight));
  return bias === null ? scaled : scaled.add(along(bias));
}
/**
 * [output, mean, rstd] of batchNorm, whose running statistics follow where `training`; without it mean and rstd are empty. No
 * gradients flow to the statistics. See torch.native_batch_norm.
 */
export const nativeBatchNorm = defineOp(
  'nativeBatchNorm(Tensor input, Tensor? weight, Tensor? bias, Tensor? runningMean, Tensor? runningVar, bool training, float momentum, float eps) -> Tensor[]',
  (): OpDef => ({
    forward(
      x: Tensor,
      weight: Tensor | null,
      bias: Tensor | null,
      runningMean: Tensor | null,
      runningVar: Tensor | null,
      training: boolean,
      momentum: number,
      eps: number,
    ) {
      if (isHalf(x) && training) {
        const [y, ...statistics] = nativeBatchNorm(x.float(), widen(weight), widen(bias), runningMean, runningVar, true, momentum, eps); // prettier-ignore
        return [y!, ...statistics].map((t) => t.to(x.dtype));
      }
      const y = batchNorm(x, runningMean, runningVar, weight, bias, training, momentum, eps);
      if (!training) return [y, Tensor.raw([0], x.code), Tensor.raw([0], x.code)];
      const [, mean, rstd] = channelsNorm(x.detach(), null, null, eps);
      return [y, mean!, rstd!];
    },
    composite: true,
  }),
);
