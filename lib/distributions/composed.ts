/** Distributions made of others: transformed, with more dims as one event, mixed. */
import { TenfoldError, renamed, show } from '../errors.js';
import { noGrad } from '../autograd/mode.js';
import { signature, type Arguments } from '../op/schema.js';
import { rand } from '../ops/random.js';
import { type Tensor } from '../tensor/tensor.js';
import * as constraints from './constraints.js';
import { Exponential, Normal } from './continuous.js';
import { Bernoulli, Categorical } from './discrete.js';
import { Distribution, broadcastAll, clampProbs, sumRightmost } from './distribution.js';
import {
  AffineTransform,
  ComposeTransform,
  ExpTransform,
  PowerTransform,
  SigmoidTransform,
  Transform,
} from './transforms.js';

const needDistribution = (call: string, x: unknown): Distribution => {
  if (x instanceof Distribution) return x;
  throw new TypeError(`${call}: expected a distribution, got ${show(x)}`);
};

/** A distribution whose last batch dims count as dims of the event. See torch.distributions.Independent. */
export class Independent extends Distribution {
  readonly baseDist: Distribution;
  readonly reinterpretedBatchNdims: number;
  override get hasRsample(): boolean {
    return this.baseDist.hasRsample;
  }
  constructor(base: Distribution, dims: number, { validateArgs = null }: { validateArgs?: boolean | null } = {}) {
    const { batchShape, eventShape } = needDistribution('Independent', base);
    if (!Number.isInteger(dims) || dims < 0 || dims > batchShape.length)
      throw new RangeError(
        `Independent: dims must be from 0 to the ${batchShape.length} of the batch, got ${show(dims)}`,
      );
    const kept = batchShape.length - dims;
    super(batchShape.slice(0, kept), [...batchShape.slice(kept), ...eventShape], validateArgs);
    this.baseDist = base;
    this.reinterpretedBatchNdims = dims;
  }
  override get support(): constraints.Constraint {
    return constraints.independent(this.baseDist.support, this.reinterpretedBatchNdims);
  }
  override get mean(): Tensor {
    return this.baseDist.mean;
  }
  override get mode(): Tensor {
    return this.baseDist.mode;
  }
  override get variance(): Tensor {
    return this.baseDist.variance;
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return this.baseDist.sample(sampleShape);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.baseDist.rsample(sampleShape);
  }
  override logProb(value: Tensor): Tensor {
    return sumRightmost(this.baseDist.logProb(value), this.reinterpretedBatchNdims);
  }
  override entropy(): Tensor {
    return sumRightmost(this.baseDist.entropy(), this.reinterpretedBatchNdims);
  }
}

/**
 * What transforms make of a distribution's values, one after the other. See torch.distributions.TransformedDistribution.
 */
export class TransformedDistribution extends Distribution {
  readonly baseDist: Distribution;
  readonly transforms: readonly Transform[];
  override get hasRsample(): boolean {
    return this.baseDist.hasRsample;
  }
  constructor(
    base: Distribution,
    transforms: Transform | readonly Transform[],
    { validateArgs = null }: { validateArgs?: boolean | null } = {},
  ) {
    needDistribution('TransformedDistribution', base);
    const list = transforms instanceof Transform ? [transforms] : [...transforms];
    if (!list.every((t) => t instanceof Transform))
      throw new TypeError(`TransformedDistribution: expected transforms, got ${show(transforms)}`);
    const whole = new ComposeTransform(list);
    const given = [...base.batchShape, ...base.eventShape];
    if (given.length < whole.domainDim)
      throw new TenfoldError('shape', `TransformedDistribution: the transforms take events of ${whole.domainDim} dims, got ${show(given)}`); // prettier-ignore
    const missing = Math.max(whole.domainDim - base.eventShape.length, 0);
    const inner = missing > 0 ? new Independent(base, missing) : base;
    const shape = whole.forwardShape(given);
    const event = whole.codomainDim + Math.max(base.eventShape.length - whole.domainDim, 0);
    super(shape.slice(0, shape.length - event), shape.slice(shape.length - event), validateArgs);
    this.baseDist = inner;
    this.transforms = list;
  }
  override get support(): constraints.Constraint {
    return constraints.independent(constraints.real, this.eventShape.length);
  }
  private apply(x: Tensor): Tensor {
    return this.transforms.reduce((y, t) => t.call(y), x);
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => this.apply(this.baseDist.sample(sampleShape)));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.apply(this.baseDist.rsample(sampleShape));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    let dim = this.eventShape.length;
    let y = value;
    let sum: Tensor | null = null;
    for (const t of [...this.transforms].reverse()) {
      const x = t.invert(y);
      dim += t.domainDim - t.codomainDim;
      const term = sumRightmost(t.logAbsDetJacobian(x, y), dim - t.domainDim);
      sum = sum === null ? term : sum.add(term);
      y = x;
    }
    const base = sumRightmost(this.baseDist.logProb(y), dim - this.baseDist.eventShape.length);
    return sum === null ? base : base.sub(sum);
  }
  private turned(value: Tensor): Tensor {
    const sign = new ComposeTransform(this.transforms).sign;
    return typeof sign === 'number' ? (sign < 0 ? value.neg().add(1) : value) : sign.mul(value.sub(0.5)).add(0.5);
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.turned(this.baseDist.cdf(this.transforms.reduceRight((y, t) => t.invert(y), value)));
  }
  override icdf(value: Tensor): Tensor {
    return this.apply(this.baseDist.icdf(this.turned(value)));
  }
}
/** The values of a transformed distribution lie in this. */
abstract class Positive extends TransformedDistribution {
  override get support(): constraints.Constraint {
    return constraints.positive;
  }
}
const two = signature('LogNormal(any loc, any scale, *, bool? validateArgs=null)');
/** e to the power of Normal(loc, scale). See torch.distributions.LogNormal. */
export class LogNormal extends Positive {
  declare readonly baseDist: Normal;
  constructor(...args: Arguments<typeof two.schema>) {
    const [loc, scale, validateArgs] = two.read(args);
    super(new Normal(loc, scale, { validateArgs }), new ExpTransform(), { validateArgs });
  }
  /** Mean of the logarithm. */
  get loc(): Tensor {
    return this.baseDist.loc;
  }
  /** Standard deviation of the logarithm. */
  get scale(): Tensor {
    return this.baseDist.scale;
  }
  override get mean(): Tensor {
    return this.loc.add(this.scale.square().div(2)).exp();
  }
  override get mode(): Tensor {
    return this.loc.sub(this.scale.square()).exp();
  }
  override get variance(): Tensor {
    const square = this.scale.square();
    return square.expm1().mul(this.loc.mul(2).add(square).exp());
  }
  override entropy(): Tensor {
    return this.baseDist.entropy().add(this.loc);
  }
}
/** Weibull's distribution of a scale and a shape (concentration). See torch.distributions.Weibull. */
export class Weibull extends Positive {
  readonly scale: Tensor;
  readonly concentration: Tensor;
  constructor(...args: Arguments<typeof two.schema>) {
    const [s, c, validateArgs] = two.read(args, 'Weibull');
    const [scale, concentration] = broadcastAll('Weibull', s, c) as [Tensor, Tensor];
    const base = new Exponential(scale.mul(0).add(1), { validateArgs });
    const transforms = [new PowerTransform(concentration.reciprocal()), new AffineTransform(0, scale)];
    super(base, transforms, { validateArgs });
    this.scale = scale;
    this.concentration = concentration;
    this.checkParameters({
      scale: [scale, constraints.positive],
      concentration: [concentration, constraints.positive],
    });
  }
  override get mean(): Tensor {
    return this.scale.mul(this.concentration.reciprocal().add(1).lgamma().exp());
  }
  override get mode(): Tensor {
    const c = this.concentration;
    return this.scale.mul(c.sub(1).div(c).pow(c.reciprocal()));
  }
  override get variance(): Tensor {
    const r = this.concentration.reciprocal();
    return this.scale.square().mul(r.mul(2).add(1).lgamma().exp().sub(r.add(1).lgamma().mul(2).exp()));
  }
  override entropy(): Tensor {
    const r = this.concentration.reciprocal();
    return r.neg().add(1).mul(0.5772156649015329).add(this.scale.mul(r).log()).add(1);
  }
}

/** Logarithm of binary Concrete numbers: what RelaxedBernoulli takes the sigmoid of. */
export class LogitRelaxedBernoulli extends Distribution {
  private readonly of: Bernoulli;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(
    readonly temperature: Tensor | number,
    probs: Tensor | number | null,
    logits: Tensor | number | null,
    validateArgs: boolean | null,
  ) {
    const of = new Bernoulli({ probs, logits, validateArgs });
    super(of.batchShape, [], validateArgs);
    this.of = of;
  }
  /** Log-odds. */
  get logits(): Tensor {
    return this.of.logits;
  }
  /** Probabilities. */
  get probs(): Tensor {
    return this.of.probs;
  }
  override get support(): constraints.Constraint {
    return constraints.real;
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const shape = this.extended(sampleShape);
    const probs = clampProbs(this.probs.expand(shape));
    const u = clampProbs(rand(shape, { dtype: probs.dtype }));
    const odds = u.log().sub(u.neg().log1p()).add(probs.log()).sub(probs.neg().log1p());
    return odds.div(this.temperature);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const difference = this.logits.sub(value.mul(this.temperature));
    const log = typeof this.temperature === 'number' ? Math.log(this.temperature) : this.temperature.log();
    return difference.add(log).sub(difference.exp().log1p().mul(2));
  }
}
const relaxed = signature(
  'RelaxedBernoulli(any temperature, any probs=null, any logits=null, *, bool? validateArgs=null)',
);
type Relaxed = Arguments<typeof relaxed.schema>;
/** Numbers between 0 and 1 that become Bernoulli's as the temperature falls. See torch.distributions.RelaxedBernoulli. */
export class RelaxedBernoulli extends TransformedDistribution {
  declare readonly baseDist: LogitRelaxedBernoulli;
  constructor(...args: Relaxed) {
    const [temperature, probs, logits, validateArgs] = relaxed.read(args) as [Tensor, Tensor, Tensor, boolean | null];
    const base = renamed('RelaxedBernoulli', () => new LogitRelaxedBernoulli(temperature, probs, logits, validateArgs));
    super(base, new SigmoidTransform(), {
      validateArgs,
    });
  }
  override get support(): constraints.Constraint {
    return constraints.unitInterval;
  }
  get temperature(): Tensor | number {
    return this.baseDist.temperature;
  }
}
/** Logarithm of Concrete vectors: what RelaxedOneHotCategorical exponentiates. */
export class ExpRelaxedCategorical extends Distribution {
  private readonly of: Categorical;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(
    readonly temperature: Tensor | number,
    probs: Tensor | null,
    logits: Tensor | null,
    validateArgs: boolean | null,
  ) {
    const of = new Categorical({ probs, logits, validateArgs });
    super(of.batchShape, [of.logits.shape.at(-1)!], validateArgs);
    this.of = of;
  }
  get logits(): Tensor {
    return this.of.logits;
  }
  get probs(): Tensor {
    return this.of.probs;
  }
  override get support(): constraints.Constraint {
    return constraints.realVector;
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const u = clampProbs(rand(this.extended(sampleShape), { dtype: this.logits.dtype }));
    const scores = this.logits.add(u.log().neg().log().neg()).div(this.temperature);
    return scores.sub(scores.logsumexp(-1, true));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const k = this.logits.shape.at(-1)!;
    const log = typeof this.temperature === 'number' ? Math.log(this.temperature) : this.temperature.log();
    let factorial = 0;
    for (let i = 2; i < k; i++) factorial += Math.log(i);
    const score = this.logits.sub(value.mul(this.temperature));
    const scale = typeof log === 'number' ? (k - 1) * log + factorial : log.mul(k - 1).add(factorial);
    return score.sub(score.logsumexp(-1, true)).sum(-1).add(scale);
  }
}
/** Probability vectors that become one-hot as the temperature falls. See torch.distributions.RelaxedOneHotCategorical. */
export class RelaxedOneHotCategorical extends TransformedDistribution {
  declare readonly baseDist: ExpRelaxedCategorical;
  constructor(...args: Relaxed) {
    const [t, probs, logits, validateArgs] = relaxed.read(args, 'RelaxedOneHotCategorical') as [Tensor, Tensor, Tensor, boolean | null]; // prettier-ignore
    super(new ExpRelaxedCategorical(t, probs, logits, validateArgs), new ExpTransform(), { validateArgs });
  }
  override get support(): constraints.Constraint {
    return constraints.simplex;
  }
  get temperature(): Tensor | number {
    return this.baseDist.temperature;
  }
}

/**
 * A mixture: a category is drawn, then a value of the component that the category names; components lie along the last dim of
 * the batch. See torch.distributions.MixtureSameFamily.
 */
export class MixtureSameFamily extends Distribution {
  readonly mixtureDistribution: Categorical;
  readonly componentDistribution: Distribution;
  constructor(
    mixture: Categorical,
    components: Distribution,
    { validateArgs = null }: { validateArgs?: boolean | null } = {},
  ) {
    if (!(mixture instanceof Categorical))
      throw new TypeError(`MixtureSameFamily: the mixture must be a Categorical, got ${show(mixture)}`);
    const { batchShape, eventShape } = needDistribution('MixtureSameFamily', components);
    const k = mixture.logits.shape.at(-1);
    if (batchShape.length < 1 || batchShape.at(-1) !== k)
      throw new TenfoldError('shape', `MixtureSameFamily: the components' batch must end in ${k}, as there are categories, got ${show(batchShape)}`); // prettier-ignore
    super(batchShape.slice(0, -1), eventShape, validateArgs);
    this.mixtureDistribution = mixture;
    this.componentDistribution = components;
  }
  override get support(): constraints.Constraint {
    return constraints.independent(constraints.real, this.eventShape.length);
  }
  private get componentDim(): number {
    return -1 - this.eventShape.length;
  }
  private weights(): Tensor {
    return this.eventShape.reduce((w) => w.unsqueeze(-1), this.mixtureDistribution.probs);
  }
  override get mean(): Tensor {
    return this.weights().mul(this.componentDistribution.mean).sum(this.componentDim);
  }
  override get variance(): Tensor {
    const w = this.weights();
    const { mean, variance } = this.componentDistribution;
    const apart = mean.sub(this.mean.unsqueeze(this.componentDim)).square();
    return w.mul(variance).sum(this.componentDim).add(w.mul(apart).sum(this.componentDim));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const log = this.componentDistribution.logProb(value.unsqueeze(this.componentDim));
    return log.add(this.mixtureDistribution.logits.logSoftmax(-1)).logsumexp(-1);
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    const each = this.componentDistribution.cdf(value.unsqueeze(this.componentDim));
    return each.mul(this.mixtureDistribution.probs).sum(-1);
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => {
      const at = sampleShape.length + this.batchShape.length;
      const chosen = this.mixtureDistribution.sample(sampleShape);
      const values = this.componentDistribution.sample(sampleShape);
      const index = chosen.reshape([...chosen.shape, 1, ...this.eventShape.map(() => 1)]);
      const shape = [...values.shape];
      shape[at] = 1;
      return values.gather(at, index.expand(shape)).squeeze(at);
    });
  }
}
