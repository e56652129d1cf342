/** Losses. */
import { where } from '../../ops/index.js';
import { zerosLike } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, operators, table } from '../signature.js';

interface Loss {
  ignore_index: number | null;
  reduction: string;
}

/** −weight[target] · input[target], where input is [n, classes, …] of log-probabilities. */
function negativeLikelihood(a: Loss, input: Tensor, target: Tensor, weight: Tensor | null): Tensor {
  const t = target.to('int64');
  const ignored = a.ignore_index === null ? null : t.eq(a.ignore_index);
  const index = ignored === null ? t : where(ignored, 0, t);
  const chosen = input.gather(1, index.unsqueeze(1)).squeeze(1).neg();
  let factor = weight === null ? null : weight.indexSelect(0, index.reshape([index.count])).reshape([...index.shape]);
  if (ignored !== null)
    factor = ignored
      .logicalNot()
      .to(input.dtype)
      .mul(factor ?? 1);
  const loss = factor === null ? chosen : where(factor.eq(0), zerosLike(chosen), chosen.mul(factor));
  if (a.reduction === 'none') return loss;
  if (a.reduction === 'sum' || factor === null) return a.reduction === 'sum' ? loss.sum() : loss.mean();
  return loss.sum().div(factor.sum());
}

export const LOSS = table(
  operator(
    'NegativeLogLikelihoodLoss(Tensor input, Tensor target, setting? weight; int? ignore_index, string reduction=mean)',
    (a, x: Tensor, target: Tensor, weight: Tensor | null) => negativeLikelihood(a, x, target, weight),
  ),
  operators(
    'SoftmaxCrossEntropyLoss(Tensor scores, Tensor labels, setting? weights; int? ignore_index, string reduction=mean)',
    (a, x: Tensor, target: Tensor, weight: Tensor | null) => {
      const log = x.logSoftmax(1);
      return [negativeLikelihood(a, log, target, weight), log];
    },
  ),
);
