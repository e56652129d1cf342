/** Cross entropy of a linear layer's results. */
import { TenfoldError } from '../../errors.js';
import { isFloatCode } from '../../dtype.js';
import { formatShape, sameShape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { crossEntropy } from './classification.js';
import { linear } from './linear.js';

function checkLayer(x: Tensor, weight: Tensor, bias: Tensor | null): void {
  const call = 'linearCrossEntropy';
  const refuse = (message: string): never => {
    throw new TenfoldError('shape', `${call}: ${message}`);
  };
  const dims = x.shape.length;
  if (dims !== 1 && dims !== 2) refuse(`input must be [features] or [n, features], got ${formatShape(x.shape)}`);
  if (weight.shape.length < 2) refuse(`linearWeight must be [classes, …, features], got ${formatShape(weight.shape)}`);
  if (x.shape.at(-1) !== weight.shape.at(-1))
    refuse(
      `input ${formatShape(x.shape)} and linearWeight ${formatShape(weight.shape)} must end in one number of features`,
    );
  if (weight.shape.length > 2 && dims !== 2)
    refuse(`linearWeight ${formatShape(weight.shape)} needs an input [n, features], got ${formatShape(x.shape)}`);
  if (bias !== null && !sameShape(bias.shape, weight.shape.slice(0, -1)))
    refuse(`linearBias must be ${formatShape(weight.shape.slice(0, -1))}, got ${formatShape(bias.shape)}`);
}
/**
 * crossEntropy(input · linearWeightᵀ + linearBias, target): input [n, features] or [features], linearWeight
 * [classes, d1, …, features], linearBias [classes, d1, …], target as crossEntropy's for logits [n, classes, d1, …].
 * `ignoreIndex`, −100 where it is null, is only for classes. PyTorch's `options`, which cut the rows into parts to save memory,
 * aren't here. See torch.nn.functional.linear_cross_entropy.
 */
export const linearCrossEntropy = defineOp(
  "linearCrossEntropy(Tensor input, Tensor linearWeight, Tensor target, *, Tensor? linearBias=null, Tensor? weight=null, 'none'|'mean'|'sum' reduction='mean', int? ignoreIndex=null, float labelSmoothing=0)",
  (): OpDef => ({
    forward(
      x: Tensor,
      layer: Tensor,
      target: Tensor,
      bias: Tensor | null,
      weight: Tensor | null,
      reduction: 'none' | 'mean' | 'sum',
      ignoreIndex: number | null,
      labelSmoothing: number,
    ) {
      checkLayer(x, layer, bias);
      if (ignoreIndex !== null && isFloatCode(target.code))
        throw new TenfoldError('value', 'linearCrossEntropy: ignoreIndex is for classes; a target of probabilities has none to ignore'); // prettier-ignore
      const flat = linear(x, layer.reshape([-1, layer.shape.at(-1)!]), bias?.reshape([-1]) ?? null);
      const logits = flat.reshape([...x.shape.slice(0, -1), ...layer.shape.slice(0, -1)]);
      return crossEntropy(logits, target, { weight, reduction, labelSmoothing, ignoreIndex: ignoreIndex ?? -100 });
    },
    composite: true,
  }),
);
