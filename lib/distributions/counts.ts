/** Negative binomial numbers. */
import { noGrad } from '../autograd/mode.js';
import { signature, type Arguments } from '../op/schema.js';
import { poisson } from '../ops/random.js';
import { logsigmoid } from '../nn/functional/activation.js';
import type { Tensor } from '../tensor/tensor.js';
import * as constraints from './constraints.js';
import { OfProbability, either } from './discrete.js';
import { broadcastAll } from './distribution.js';
import { Gamma } from './gamma.js';

const trials = signature(
  'NegativeBinomial(any totalCount, any probs=null, any logits=null, *, bool? validateArgs=null)',
);
/**
 * How many successes, each of a probability, there are before `totalCount` failures. See torch.distributions.NegativeBinomial.
 */
export class NegativeBinomial extends OfProbability {
  readonly totalCount: Tensor;
  constructor(...args: Arguments<typeof trials.schema>) {
    const [count, probs, logits, validateArgs] = trials.read(args);
    const kind = either('NegativeBinomial', probs, logits);
    const [given, total] = broadcastAll('NegativeBinomial', kind === 'logits' ? logits : probs, count) as [
      Tensor,
      Tensor,
    ];
    super(given, kind === 'logits', validateArgs);
    this.totalCount = total.to(given.dtype);
    this.checkParameters({ totalCount: [this.totalCount, constraints.nonnegative] });
    if (kind === 'probs') this.checkParameters({ probs: [given, constraints.halfOpenInterval(0, 1)] });
  }
  override get support(): constraints.Constraint {
    return constraints.nonnegativeInteger;
  }
  override get mean(): Tensor {
    return this.totalCount.mul(this.logits.exp());
  }
  override get mode(): Tensor {
    return this.totalCount.sub(1).mul(this.logits.exp()).floor().clamp(0);
  }
  override get variance(): Tensor {
    return this.mean.div(this.logits.neg().sigmoid());
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => {
      const rates = new Gamma(this.totalCount, this.logits.neg().exp(), { validateArgs: false });
      return poisson(rates.sample(sampleShape));
    });
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const [n, logits] = [this.totalCount, this.logits];
    const ways = n.add(value).lgamma().neg().add(value.add(1).lgamma()).add(n.lgamma());
    const certain = n.add(value).eq(0);
    return n.mul(logsigmoid(logits.neg())).add(value.mul(logsigmoid(logits))).sub(ways.maskedFill(certain, 0)); // prettier-ignore
  }
}
