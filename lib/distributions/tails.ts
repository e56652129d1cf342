/** Distributions of positive numbers with heavy tails. */
import { signature, type Arguments } from '../op/schema.js';
import { rand } from '../ops/random.js';
import { where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { TransformedDistribution } from './composed.js';
import * as constraints from './constraints.js';
import { Distribution, broadcastAll, finfo } from './distribution.js';
import { Gamma } from './gamma.js';
import { PowerTransform } from './transforms.js';

const degrees = signature('FisherSnedecor(any df1, any df2, *, bool? validateArgs=null)');
/** F distribution of two degrees of freedom: a ratio of chi-squared numbers over theirs. See torch.distributions.FisherSnedecor. */
export class FisherSnedecor extends Distribution {
  readonly df1: Tensor;
  readonly df2: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof degrees.schema>) {
    const [one, two, validateArgs] = degrees.read(args);
    const [df1, df2] = broadcastAll('FisherSnedecor', one, two) as [Tensor, Tensor];
    super(df1.shape, [], validateArgs);
    this.df1 = df1;
    this.df2 = df2;
    this.checkParameters({ df1: [df1, constraints.positive], df2: [df2, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.positive;
  }
  override get mean(): Tensor {
    const df2 = this.df2.maskedFill(this.df2.le(2), NaN);
    return df2.div(df2.sub(2));
  }
  override get mode(): Tensor {
    const mode = this.df1.sub(2).div(this.df1).mul(this.df2).div(this.df2.add(2));
    return mode.maskedFill(this.df1.le(2), NaN);
  }
  override get variance(): Tensor {
    const [a, b] = [this.df1, this.df2.maskedFill(this.df2.le(4), NaN)];
    return b
      .square()
      .mul(2)
      .mul(a.add(b).sub(2))
      .div(a.mul(b.sub(2).square()).mul(b.sub(4)));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const draw = (df: Tensor): Tensor => new Gamma(df.mul(0.5), df, { validateArgs: false }).rsample(sampleShape);
    const [above, below] = [draw(this.df1), draw(this.df2)];
    const { tiny } = finfo(below);
    return above.div(below.clamp(tiny)).clamp(tiny);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const [a, b, ratio] = [this.df1.mul(0.5), this.df2.mul(0.5), this.df1.div(this.df2)];
    const norm = a.add(b).lgamma().sub(a.lgamma()).sub(b.lgamma());
    return norm.add(a.mul(ratio.log())).add(a.sub(1).mul(value.log())).sub(a.add(b).mul(ratio.mul(value).log1p())); // prettier-ignore
  }
}

const pair = signature('InverseGamma(any concentration, any rate, *, bool? validateArgs=null)');
/** One over a gamma number. See torch.distributions.InverseGamma. */
export class InverseGamma extends TransformedDistribution {
  declare readonly baseDist: Gamma;
  constructor(...args: Arguments<typeof pair.schema>) {
    const [concentration, rate, validateArgs] = pair.read(args);
    super(new Gamma(concentration, rate, { validateArgs }), new PowerTransform(-1), { validateArgs });
  }
  override get support(): constraints.Constraint {
    return constraints.positive;
  }
  get concentration(): Tensor {
    return this.baseDist.concentration;
  }
  get rate(): Tensor {
    return this.baseDist.rate;
  }
  override get mean(): Tensor {
    const a = this.concentration;
    return where(a.gt(1), this.rate.div(a.sub(1)), Infinity);
  }
  override get mode(): Tensor {
    return this.rate.div(this.concentration.add(1));
  }
  override get variance(): Tensor {
    const a = this.concentration;
    return where(a.gt(2), this.rate.square().div(a.sub(1).square().mul(a.sub(2))), Infinity);
  }
  override entropy(): Tensor {
    const a = this.concentration;
    return a.add(this.rate.log()).add(a.lgamma()).sub(a.add(1).mul(a.digamma()));
  }
}

const three = signature('GeneralizedPareto(any loc, any scale, any concentration, *, bool? validateArgs=null)');
/**
 * What exceeds a high threshold loc: exponential at concentration 0, heavier above, bounded below. See
 * torch.distributions.GeneralizedPareto.
 */
export class GeneralizedPareto extends Distribution {
  readonly loc: Tensor;
  readonly scale: Tensor;
  readonly concentration: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof three.schema>) {
    const [l, s, c, validateArgs] = three.read(args);
    const [loc, scale, concentration] = broadcastAll('GeneralizedPareto', l, s, c) as [Tensor, Tensor, Tensor];
    super(loc.shape, [], validateArgs);
    this.loc = loc;
    this.scale = scale;
    this.concentration = concentration;
    this.checkParameters({
      loc: [loc, constraints.real], scale: [scale, constraints.positive], concentration: [concentration, constraints.real],
    }); // prettier-ignore
  }
  override get support(): constraints.Constraint {
    const { loc, scale, concentration } = this;
    return constraints.interval(loc, where(concentration.lt(0), loc.sub(scale.div(concentration)), Infinity));
  }
  /** Where the concentration is 0, and it without zeros. */
  private parts(): [zero: Tensor, safe: Tensor] {
    const zero = this.concentration.abs().le(1e-8);
    return [zero, this.concentration.maskedFill(zero, 1)];
  }
  private standardized(value: Tensor): Tensor {
    return value.sub(this.loc).div(this.scale);
  }
  override get mean(): Tensor {
    const c = this.concentration;
    return where(c.lt(1), this.loc.add(this.scale.div(where(c.lt(1), c, 0.5).neg().add(1))), NaN);
  }
  override get mode(): Tensor {
    return this.loc;
  }
  override get variance(): Tensor {
    const fits = this.concentration.lt(0.5);
    const c = where(fits, this.concentration, 0.25);
    return where(fits, this.scale.square().div(c.neg().add(1).square().mul(c.mul(-2).add(1))), NaN);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.icdf(rand(this.extended(sampleShape), { dtype: this.loc.dtype }));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const z = this.standardized(value);
    const [zero, c] = this.parts();
    const y = c.reciprocal().add(1);
    const decay = where(zero, z, where(y.eq(0), y, y.mul(c.mul(z).log1p())));
    return this.scale.log().neg().sub(decay);
  }
  /** Logarithm of the probability of greater values. */
  logSurvivalFunction(value: Tensor): Tensor {
    this.checkValue(value, 'logSurvivalFunction');
    const z = this.standardized(value);
    const [zero, c] = this.parts();
    return where(zero, z.neg(), c.mul(z).log1p().neg().div(c));
  }
  /** Logarithm of cdf. */
  logCdf(value: Tensor): Tensor {
    return this.logSurvivalFunction(value).exp().neg().log1p();
  }
  override cdf(value: Tensor): Tensor {
    return this.logCdf(value).exp();
  }
  override icdf(value: Tensor): Tensor {
    const [zero, c] = this.parts();
    const log = value.neg().log1p();
    const grown = this.loc.add(this.scale.div(c).mul(c.neg().mul(log).expm1()));
    return where(zero, this.loc.sub(this.scale.mul(log)), grown);
  }
  override entropy(): Tensor {
    return this.scale.log().add(this.concentration).add(1);
  }
}
