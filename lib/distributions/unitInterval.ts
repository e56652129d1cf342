/** Distributions between 0 and 1: Kumaraswamy's, the continuous Bernoulli, and the logistic normal of probabilities. */
import { signature, type Arguments } from '../op/schema.js';
import { rand } from '../ops/random.js';
import { where } from '../ops/index.js';
import { binaryCrossEntropyWithLogits } from '../nn/functional/loss.js';
import type { Tensor } from '../tensor/tensor.js';
import { TransformedDistribution, type Independent } from './composed.js';
import * as constraints from './constraints.js';
import { Normal, Uniform } from './continuous.js';
import { OfProbability, either } from './discrete.js';
import { broadcastAll, clampProbs } from './distribution.js';
import { AffineTransform, PowerTransform, StickBreakingTransform } from './transforms.js';

const EULER = 0.5772156649015329;

const pair = signature('Kumaraswamy(any concentration1, any concentration0, *, bool? validateArgs=null)');
/** Kumaraswamy's distribution, near Beta's, with a cdf of powers. See torch.distributions.Kumaraswamy. */
export class Kumaraswamy extends TransformedDistribution {
  readonly concentration1: Tensor;
  readonly concentration0: Tensor;
  constructor(...args: Arguments<typeof pair.schema>) {
    const [one, zero, validateArgs] = pair.read(args);
    const [a, b] = broadcastAll('Kumaraswamy', one, zero) as [Tensor, Tensor];
    const base = new Uniform(b.detach().mul(0), b.detach().mul(0).add(1), { validateArgs });
    const transforms = [
      new PowerTransform(b.reciprocal()),
      new AffineTransform(1, -1),
      new PowerTransform(a.reciprocal()),
    ];
    super(base, transforms, { validateArgs });
    this.concentration1 = a;
    this.concentration0 = b;
    this.checkParameters({ concentration1: [a, constraints.positive], concentration0: [b, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.unitInterval;
  }
  /** Mean of the n-th power. */
  private moment(n: number): Tensor {
    const [a, b] = [this.concentration1, this.concentration0];
    const c = a.reciprocal().mul(n).add(1);
    const log = c.lgamma().add(b.lgamma()).sub(c.add(b).lgamma());
    return b.mul(log.exp());
  }
  override get mean(): Tensor {
    return this.moment(1);
  }
  override get mode(): Tensor {
    const [a, b] = [this.concentration1, this.concentration0];
    const log = b.reciprocal().mul(b.neg().log1p()).sub(b.mul(a).neg().log1p());
    return log.maskedFill(b.lt(1).logicalOr(a.lt(1)), NaN).exp();
  }
  override get variance(): Tensor {
    return this.moment(2).sub(this.mean.square());
  }
  override entropy(): Tensor {
    const [a, b] = [this.concentration1, this.concentration0];
    const harmonic = b.add(1).digamma().add(EULER);
    const [t1, t0] = [a.reciprocal().neg().add(1), b.reciprocal().neg().add(1)];
    return t0.add(t1.mul(harmonic)).sub(a.log()).sub(b.log());
  }
}

const odds = signature('ContinuousBernoulli(any probs=null, any logits=null, *, float[] lims=[0.499,0.501], bool? validateArgs=null)'); // prettier-ignore
/**
 * Numbers from 0 to 1 whose density is a power of a probability, as images' pixels are taken for
 * ([Loaiza-Ganem and Cunningham, 2019](https://arxiv.org/abs/1907.06845)). Between `lims` a series stands for formulas that divide by
 * nearly 0. See torch.distributions.ContinuousBernoulli.
 */
export class ContinuousBernoulli extends OfProbability {
  private readonly low: number;
  private readonly high: number;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof odds.schema>) {
    const [probs, logits, lims, validateArgs] = odds.read(args);
    const kind = either('ContinuousBernoulli', probs, logits);
    const [given] = broadcastAll('ContinuousBernoulli', kind === 'logits' ? logits : probs) as [Tensor];
    super(given, kind === 'logits', validateArgs);
    [this.low, this.high] = lims as unknown as [number, number];
  }
  override get support(): constraints.Constraint {
    return constraints.unitInterval;
  }
  override get probs(): Tensor {
    return clampProbs(super.probs);
  }
  private get stable(): Tensor {
    const { probs } = this;
    return probs.le(this.low).logicalOr(probs.gt(this.high));
  }
  private get cut(): Tensor {
    return where(this.stable, this.probs, this.low);
  }
  /** Logarithm of what the density is divided by… to be multiplied with. */
  logNorm(): Tensor {
    const { cut } = this;
    const half = cut.le(0.5);
    const below = where(half, cut, 0);
    const above = where(cut.ge(0.5), cut, 1);
    const ratio = cut.neg().log1p().sub(cut.log()).abs().log();
    const log = ratio.sub(where(half, below.mul(-2).log1p(), above.mul(2).sub(1).log()));
    const x = this.probs.sub(0.5).square();
    return where(this.stable, log, x.mul(104 / 45).add(4 / 3).mul(x).add(Math.log(2))); // prettier-ignore
  }
  override get mean(): Tensor {
    const { cut } = this;
    const mean = cut.div(cut.mul(2).sub(1)).add(cut.neg().log1p().sub(cut.log()).reciprocal());
    const x = this.probs.sub(0.5);
    return where(this.stable, mean, x.square().mul(16 / 45).add(1 / 3).mul(x).add(0.5)); // prettier-ignore
  }
  override get variance(): Tensor {
    const { cut } = this;
    const squares = cut.mul(cut.sub(1)).div(cut.mul(-2).add(1).square());
    const variance = squares.add(cut.neg().log1p().sub(cut.log()).square().reciprocal());
    const x = this.probs.sub(0.5).square();
    return where(this.stable, variance, x.mul(-128 / 945).add(1 / 15).mul(x).neg().add(1 / 12)); // prettier-ignore
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.icdf(rand(this.extended(sampleShape), { dtype: this.probs.dtype }));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const logits = this.logits.add(value.mul(0));
    const cross = binaryCrossEntropyWithLogits(logits, value.expand([...logits.shape]), { reduction: 'none' });
    return cross.neg().add(this.logNorm());
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    const { cut } = this;
    const powers = cut.pow(value).mul(cut.neg().add(1).pow(value.neg().add(1)));
    const inside = where(this.stable, powers.add(cut).sub(1).div(cut.mul(2).sub(1)), value);
    return where(value.le(0), 0, where(value.ge(1), 1, inside));
  }
  override icdf(value: Tensor): Tensor {
    const { cut } = this;
    const none = cut.neg().log1p();
    const log = cut.neg().add(value.mul(cut.mul(2).sub(1))).log1p(); // prettier-ignore
    return where(this.stable, log.sub(none).div(cut.log().sub(none)), value);
  }
  override entropy(): Tensor {
    const zero = this.probs.neg().log1p();
    return this.mean.mul(zero.sub(this.probs.log())).sub(this.logNorm()).sub(zero);
  }
}

const locScale = signature('LogisticNormal(any loc, any scale, *, bool? validateArgs=null)');
/** Probabilities that StickBreakingTransform makes of normal numbers; one more than there are. See torch.distributions.LogisticNormal. */
export class LogisticNormal extends TransformedDistribution {
  constructor(...args: Arguments<typeof locScale.schema>) {
    const [loc, scale, validateArgs] = locScale.read(args);
    const base = new Normal(loc, scale, { validateArgs });
    super(base.batchShape.length === 0 ? base.expand([1]) : base, new StickBreakingTransform(), { validateArgs });
  }
  override get support(): constraints.Constraint {
    return constraints.simplex;
  }
  private get normal(): Normal {
    return (this.baseDist as Independent).baseDist as Normal;
  }
  get loc(): Tensor {
    return this.normal.loc;
  }
  get scale(): Tensor {
    return this.normal.scale;
  }
}
