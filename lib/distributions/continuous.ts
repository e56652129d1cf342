/** Distributions of numbers with a density. */
import { signature, type Arguments } from '../op/schema.js';
import { rand } from '../ops/random.js';
import { where, xlogy } from '../ops/index.js';
import { TenfoldError } from '../errors.js';
import { noGrad } from '../autograd/mode.js';
import { type Tensor } from '../tensor/tensor.js';
import { i0e, i1e } from '../ops/gamma.js';
import * as constraints from './constraints.js';
import { Distribution, broadcastAll, drawn, finfo, standardNormal } from './distribution.js';

const HALF_LOG_TAU = 0.5 * Math.log(2 * Math.PI);

/** A distribution of a location and a positive scale. */
abstract class LocationScale extends Distribution {
  readonly loc: Tensor;
  readonly scale: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(call: string, loc: unknown, scale: unknown, validateArgs: boolean | null) {
    const [l, s] = broadcastAll(call, loc, scale) as [Tensor, Tensor];
    super(l.shape, [], validateArgs);
    this.loc = l;
    this.scale = s;
    this.checkParameters({ loc: [l, constraints.real], scale: [s, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.real;
  }
  override get mode(): Tensor {
    return this.loc;
  }
  protected standardized(value: Tensor): Tensor {
    return value.sub(this.loc).div(this.scale);
  }
}
const locScale = signature('Normal(any loc, any scale, *, bool? validateArgs=null)');
type LocScale = Arguments<typeof locScale.schema>;

/** Normal distribution of mean loc and standard deviation scale. See torch.distributions.Normal. */
export class Normal extends LocationScale {
  constructor(...args: LocScale) {
    super('Normal', ...locScale.read(args, 'Normal'));
  }
  override get mean(): Tensor {
    return this.loc;
  }
  override get stddev(): Tensor {
    return this.scale;
  }
  override get variance(): Tensor {
    return this.scale.square();
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.loc.add(standardNormal(this.extended(sampleShape), this.loc).mul(this.scale));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return value.sub(this.loc).square().neg().div(this.scale.square().mul(2)).sub(this.scale.log()).sub(HALF_LOG_TAU);
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.standardized(value).mul(Math.SQRT1_2).erf().add(1).mul(0.5);
  }
  override icdf(value: Tensor): Tensor {
    return this.loc.add(this.scale.mul(value.mul(2).sub(1).erfinv()).mul(Math.SQRT2));
  }
  override entropy(): Tensor {
    return this.scale.log().add(0.5 + HALF_LOG_TAU);
  }
}

/** Laplace distribution of location loc and scale. See torch.distributions.Laplace. */
export class Laplace extends LocationScale {
  constructor(...args: LocScale) {
    super('Laplace', ...locScale.read(args, 'Laplace'));
  }
  override get mean(): Tensor {
    return this.loc;
  }
  override get variance(): Tensor {
    return this.scale.square().mul(2);
  }
  override get stddev(): Tensor {
    return this.scale.mul(Math.SQRT2);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const u = drawn(this.extended(sampleShape), this.loc).uniform_(finfo(this.loc).eps - 1, 1);
    return this.loc.sub(this.scale.mul(u.sign()).mul(u.abs().neg().log1p()));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return this.scale.mul(2).log().neg().sub(value.sub(this.loc).abs().div(this.scale));
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    const z = this.standardized(value);
    return z.sign().mul(z.abs().neg().expm1()).mul(-0.5).add(0.5);
  }
  override icdf(value: Tensor): Tensor {
    const term = value.sub(0.5);
    return this.loc.sub(this.scale.mul(term.sign()).mul(term.abs().mul(-2).log1p()));
  }
  override entropy(): Tensor {
    return this.scale.mul(2).log().add(1);
  }
}

/** Cauchy distribution of median loc and half width scale. See torch.distributions.Cauchy. */
export class Cauchy extends LocationScale {
  constructor(...args: LocScale) {
    super('Cauchy', ...locScale.read(args, 'Cauchy'));
  }
  override get mean(): Tensor {
    return this.loc.mul(0).add(NaN);
  }
  override get variance(): Tensor {
    return this.loc.mul(0).add(Infinity);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.loc.add(drawn(this.extended(sampleShape), this.loc).cauchy_().mul(this.scale));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return this.standardized(value).square().log1p().add(Math.log(Math.PI)).add(this.scale.log()).neg();
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.standardized(value).atan().div(Math.PI).add(0.5);
  }
  override icdf(value: Tensor): Tensor {
    return value.sub(0.5).mul(Math.PI).tan().mul(this.scale).add(this.loc);
  }
  override entropy(): Tensor {
    return this.scale.log().add(Math.log(4 * Math.PI));
  }
}

/** Gumbel's distribution of greatest values. See torch.distributions.Gumbel. */
export class Gumbel extends LocationScale {
  constructor(...args: LocScale) {
    super('Gumbel', ...locScale.read(args, 'Gumbel'));
  }
  override get mean(): Tensor {
    return this.loc.add(this.scale.mul(0.5772156649015329));
  }
  override get stddev(): Tensor {
    return this.scale.mul(Math.PI / Math.sqrt(6));
  }
  override get variance(): Tensor {
    return this.stddev.square();
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const { eps, tiny } = finfo(this.loc);
    const u = rand(this.extended(sampleShape), { dtype: this.loc.dtype })
      .mul(1 - eps - tiny)
      .add(tiny);
    return this.loc.sub(this.scale.mul(u.log().neg().log()));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const y = this.loc.sub(value).div(this.scale);
    return y.sub(y.exp()).sub(this.scale.log());
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.standardized(value).neg().exp().neg().exp();
  }
  override icdf(value: Tensor): Tensor {
    return this.loc.sub(this.scale.mul(value.log().neg().log()));
  }
  override entropy(): Tensor {
    return this.scale.log().add(1 + 0.5772156649015329);
  }
}

const ends = signature('Uniform(any low, any high, *, bool? validateArgs=null)');
/** Uniform distribution from low up to high. See torch.distributions.Uniform. */
export class Uniform extends Distribution {
  readonly low: Tensor;
  readonly high: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof ends.schema>) {
    const [l, h, validateArgs] = ends.read(args);
    const [low, high] = broadcastAll('Uniform', l, h) as [Tensor, Tensor];
    super(low.shape, [], validateArgs);
    this.low = low;
    this.high = high;
    if (this.validateArgs && !noGrad(() => low.lt(high).all().item<boolean>()))
      throw new TenfoldError('value', `Uniform: low must be below high, got ${String(low)} and ${String(high)}`);
  }
  override get support(): constraints.Constraint {
    return constraints.interval(this.low, this.high);
  }
  override get mean(): Tensor {
    return this.high.add(this.low).div(2);
  }
  override get mode(): Tensor {
    return this.high.mul(NaN);
  }
  override get stddev(): Tensor {
    return this.high.sub(this.low).div(Math.sqrt(12));
  }
  override get variance(): Tensor {
    return this.high.sub(this.low).square().div(12);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.low.add(rand(this.extended(sampleShape), { dtype: this.low.dtype }).mul(this.high.sub(this.low)));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const inside = this.low.le(value).logicalAnd(this.high.gt(value)).to(this.low.dtype);
    return inside.log().sub(this.high.sub(this.low).log());
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return value.sub(this.low).div(this.high.sub(this.low)).clamp(0, 1);
  }
  override icdf(value: Tensor): Tensor {
    return value.mul(this.high.sub(this.low)).add(this.low);
  }
  override entropy(): Tensor {
    return this.high.sub(this.low).log();
  }
}

const oneRate = signature('Exponential(any rate, *, bool? validateArgs=null)');
/** Exponential distribution of a rate. See torch.distributions.Exponential. */
export class Exponential extends Distribution {
  readonly rate: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof oneRate.schema>) {
    const [given, validateArgs] = oneRate.read(args);
    const [rate] = broadcastAll('Exponential', given) as [Tensor];
    super(rate.shape, [], validateArgs);
    this.rate = rate;
    this.checkParameters({ rate: [rate, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.nonnegative;
  }
  override get mean(): Tensor {
    return this.rate.reciprocal();
  }
  override get mode(): Tensor {
    return this.rate.mul(0);
  }
  override get stddev(): Tensor {
    return this.rate.reciprocal();
  }
  override get variance(): Tensor {
    return this.rate.pow(-2);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return drawn(this.extended(sampleShape), this.rate).exponential_().div(this.rate);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return this.rate.log().sub(this.rate.mul(value));
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.rate.neg().mul(value).exp().neg().add(1);
  }
  override icdf(value: Tensor): Tensor {
    return value.neg().log1p().div(this.rate).neg();
  }
  override entropy(): Tensor {
    return this.rate.log().neg().add(1);
  }
}

/** A distribution of magnitudes: of another's values, which is symmetric around 0. */
abstract class Half<B extends Distribution & { scale: Tensor }> extends Distribution {
  protected readonly base: B;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(base: B, validateArgs: boolean | null) {
    super(base.batchShape, [], validateArgs);
    this.base = base;
    this.checkParameters({ scale: [base.scale, constraints.positive] });
  }
  /** Its only parameter. */
  get scale(): Tensor {
    return this.base.scale;
  }
  override get support(): constraints.Constraint {
    return constraints.nonnegative;
  }
  override get mode(): Tensor {
    return this.scale.mul(0);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.base.rsample(sampleShape).abs();
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return where(value.ge(0), this.base.logProb(value).add(Math.LN2), -Infinity);
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.base.cdf(value).mul(2).sub(1);
  }
  override icdf(value: Tensor): Tensor {
    return this.base.icdf(value.add(1).div(2));
  }
  override entropy(): Tensor {
    return this.base.entropy().sub(Math.LN2);
  }
}
const oneScale = signature('HalfNormal(any scale, *, bool? validateArgs=null)');
/** Magnitudes of Normal(0, scale). See torch.distributions.HalfNormal. */
export class HalfNormal extends Half<Normal> {
  constructor(...args: Arguments<typeof oneScale.schema>) {
    const [scale, validateArgs] = oneScale.read(args);
    super(new Normal(0, scale, { validateArgs: false }), validateArgs);
  }
  override get mean(): Tensor {
    return this.scale.mul(Math.sqrt(2 / Math.PI));
  }
  override get variance(): Tensor {
    return this.scale.square().mul(1 - 2 / Math.PI);
  }
}
/** Magnitudes of Cauchy(0, scale). See torch.distributions.HalfCauchy. */
export class HalfCauchy extends Half<Cauchy> {
  constructor(...args: Arguments<typeof oneScale.schema>) {
    const [scale, validateArgs] = oneScale.read(args, 'HalfCauchy');
    super(new Cauchy(0, scale, { validateArgs: false }), validateArgs);
  }
  override get mean(): Tensor {
    return this.scale.mul(0).add(Infinity);
  }
  override get variance(): Tensor {
    return this.base.variance;
  }
}

const angles = signature('VonMises(any loc, any concentration, *, bool? validateArgs=null)');
/** Von Mises' distribution of angles around loc. See torch.distributions.VonMises. */
export class VonMises extends Distribution {
  readonly loc: Tensor;
  readonly concentration: Tensor;
  constructor(...args: Arguments<typeof angles.schema>) {
    const [l, c, validateArgs] = angles.read(args);
    const [loc, concentration] = broadcastAll('VonMises', l, c) as [Tensor, Tensor];
    super(loc.shape, [], validateArgs);
    this.loc = loc;
    this.concentration = concentration;
    this.checkParameters({ loc: [loc, constraints.real], concentration: [concentration, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.real;
  }
  override get mean(): Tensor {
    return this.loc;
  }
  override get mode(): Tensor {
    return this.loc;
  }
  /** One less the length of the mean direction. */
  override get variance(): Tensor {
    return i1e(this.concentration).div(i0e(this.concentration)).neg().add(1);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const k = this.concentration;
    const scaled = i0e(k).log().add(k);
    return k
      .mul(value.sub(this.loc).cos())
      .sub(Math.log(2 * Math.PI))
      .sub(scaled);
  }
  // D. Best, N. Fisher, "Efficient simulation of the von Mises distribution", 1979; in float64 for every dtype.
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => {
      const shape = this.extended(sampleShape);
      const k = this.concentration.double();
      const tau = k.square().mul(4).add(1).sqrt().add(1);
      const rho = tau.sub(tau.mul(2).sqrt()).div(k.mul(2));
      const r = where(k.lt(1e-5), k.reciprocal().add(k), rho.square().add(1).div(rho.mul(2)));
      let x = drawn(shape, k);
      let done = x.ne(x);
      while (!done.all().item<boolean>()) {
        const [u1, u2, u3] = rand([3, ...shape], { dtype: 'float64' }).unbind() as [Tensor, Tensor, Tensor];
        const z = u1.mul(Math.PI).cos();
        const f = r.mul(z).add(1).div(r.add(z));
        const c = k.mul(r.sub(f));
        const accept = c.mul(c.neg().add(2)).sub(u2).gt(0).logicalOr(c.div(u2).log().add(1).sub(c).ge(0));
        x = where(accept, u3.sub(0.5).sign().mul(f.acos()), x);
        done = done.logicalOr(accept);
      }
      return x
        .add(Math.PI)
        .add(this.loc.double())
        .remainder(2 * Math.PI)
        .sub(Math.PI)
        .to(this.loc.dtype);
    });
  }
}

const shapeRate = signature('Pareto(any scale, any alpha, *, bool? validateArgs=null)');
/** Pareto's distribution from scale on, of exponent alpha. See torch.distributions.Pareto. */
export class Pareto extends Distribution {
  readonly scale: Tensor;
  readonly alpha: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof shapeRate.schema>) {
    const [s, a, validateArgs] = shapeRate.read(args);
    const [scale, alpha] = broadcastAll('Pareto', s, a) as [Tensor, Tensor];
    super(scale.shape, [], validateArgs);
    this.scale = scale;
    this.alpha = alpha;
    this.checkParameters({ scale: [scale, constraints.positive], alpha: [alpha, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.greaterThanEq(this.scale);
  }
  override get mean(): Tensor {
    const a = this.alpha.clamp(1);
    return a.mul(this.scale).div(a.sub(1));
  }
  override get mode(): Tensor {
    return this.scale;
  }
  override get variance(): Tensor {
    const a = this.alpha.clamp(2);
    return this.scale
      .square()
      .mul(a)
      .div(a.sub(1).square().mul(a.sub(2)));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const e = drawn(this.extended(sampleShape), this.alpha).exponential_();
    return this.scale.mul(e.div(this.alpha).exp());
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return this.alpha
      .log()
      .add(xlogy(this.alpha, this.scale))
      .sub(xlogy(this.alpha.add(1), value));
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.scale.div(value).pow(this.alpha).neg().add(1);
  }
  override icdf(value: Tensor): Tensor {
    return this.scale.mul(value.neg().add(1).pow(this.alpha.reciprocal().neg()));
  }
  override entropy(): Tensor {
    return this.scale.div(this.alpha).log().add(this.alpha.reciprocal().add(1));
  }
}
