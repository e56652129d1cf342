/** Distributions of whole numbers and categories. */
import { TenfoldError } from '../errors.js';
import { noGrad } from '../autograd/mode.js';
import { signature, type Arguments } from '../op/schema.js';
import { arange, eye, fromTypedArray, zeros } from '../ops/creation.js';
import { bernoulli, multinomial, poisson, rand } from '../ops/random.js';
import { where, xlogy } from '../ops/index.js';
import { softplus } from '../nn/functional/activation.js';
import { binaryCrossEntropyWithLogits } from '../nn/functional/loss.js';
import { type Tensor } from '../tensor/tensor.js';
import * as constraints from './constraints.js';
import { Distribution, broadcastAll, clampProbs, finfo } from './distribution.js';

/** The one of probs and logits that was given. */
export function either(call: string, probs: unknown, logits: unknown): 'probs' | 'logits' {
  if ((probs === null) === (logits === null)) throw new TenfoldError('value', `${call}: give either probs or logits`);
  return logits === null ? 'probs' : 'logits';
}
const probsOf = (logits: Tensor): Tensor => logits.sigmoid();
const logitsOf = (probs: Tensor): Tensor => {
  const p = clampProbs(probs);
  return p.log().sub(p.neg().log1p());
};

/** A distribution of one probability for each number, given as such or as its log-odds. */
export abstract class OfProbability extends Distribution {
  /** What was given: probabilities, or log-odds. */
  protected readonly given: Tensor;
  protected readonly isLogits: boolean;
  constructor(given: Tensor, isLogits: boolean, validateArgs: boolean | null) {
    super(given.shape, [], validateArgs);
    this.given = given;
    this.isLogits = isLogits;
    this.checkParameters(
      isLogits ? { logits: [given, constraints.real] } : { probs: [given, constraints.unitInterval] },
    );
  }
  /** Probabilities. */
  get probs(): Tensor {
    return this.isLogits ? probsOf(this.given) : this.given;
  }
  /** Log-odds. */
  get logits(): Tensor {
    return this.isLogits ? this.given : logitsOf(this.given);
  }
}
const odds = signature('Bernoulli(any probs=null, any logits=null, *, bool? validateArgs=null)');
type Odds = Arguments<typeof odds.schema>;
function readOdds(call: string, args: Odds): [Tensor, boolean, boolean | null] {
  const [probs, logits, validateArgs] = odds.read(args, call);
  const isLogits = either(call, probs, logits) === 'logits';
  return [broadcastAll(call, isLogits ? logits : probs)[0]!, isLogits, validateArgs];
}

/** 1 with a probability, else 0. See torch.distributions.Bernoulli. */
export class Bernoulli extends OfProbability {
  constructor(...args: Odds) {
    super(...readOdds('Bernoulli', args));
  }
  override get support(): constraints.Constraint {
    return constraints.boolean;
  }
  override get mean(): Tensor {
    return this.probs;
  }
  override get mode(): Tensor {
    const { probs } = this;
    return where(probs.eq(0.5), NaN, probs.ge(0.5).to(probs.dtype));
  }
  override get variance(): Tensor {
    return this.probs.mul(this.probs.neg().add(1));
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => bernoulli(this.probs.expand(this.extended(sampleShape))));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const logits = this.logits.add(value.mul(0));
    return binaryCrossEntropyWithLogits(logits, value.expand([...logits.shape]).to(logits.dtype), { reduction: 'none' }).neg(); // prettier-ignore
  }
  override entropy(): Tensor {
    return binaryCrossEntropyWithLogits(this.logits, this.probs, { reduction: 'none' });
  }
  override enumerateSupport(expand = true): Tensor {
    return values(arange(2, { dtype: this.given.dtype }), this.batchShape, expand);
  }
}
/** Numbers along the first dim, for every item of a batch. */
function values(numbers: Tensor, batchShape: readonly number[], expand: boolean): Tensor {
  const column = numbers.reshape([-1, ...batchShape.map(() => 1)]);
  return expand ? column.expand([numbers.count, ...batchShape]) : column;
}

/** How many failures there are before the first success. See torch.distributions.Geometric. */
export class Geometric extends OfProbability {
  constructor(...args: Odds) {
    super(...readOdds('Geometric', args));
    if (!this.isLogits) this.checkParameters({ probs: [this.given, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.nonnegativeInteger;
  }
  override get mean(): Tensor {
    return this.probs.reciprocal().sub(1);
  }
  override get mode(): Tensor {
    return this.probs.mul(0);
  }
  override get variance(): Tensor {
    return this.probs.reciprocal().sub(1).div(this.probs);
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => {
      const u = rand(this.extended(sampleShape), { dtype: this.given.dtype }).clamp(finfo(this.given).tiny);
      return u.log().div(this.probs.neg().log1p()).floor();
    });
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const p = this.probs.add(value.mul(0));
    const rest = where(p.eq(1).logicalAnd(value.eq(0)), 0, p);
    return value.mul(rest.neg().log1p()).add(this.probs.log());
  }
  override entropy(): Tensor {
    return binaryCrossEntropyWithLogits(this.logits, this.probs, { reduction: 'none' }).div(this.probs);
  }
}

/** ln k! less Stirling's formula for it. */
function stirlingTail(k: number): number {
  const n = k + 1;
  if (k > 9) return (1 / 12 - (1 / 360 - 1 / 1260 / (n * n)) / (n * n)) / n;
  let factorial = 1;
  for (let i = 2; i <= k; i++) factorial *= i;
  return Math.log(factorial) - ((k + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI));
}
const uniform = (): number => rand([], { dtype: 'float64' }).item<number>();
/** W. Hörmann, "The generation of binomial random variates", 1993: for means from 10 on. */
function transformedRejection(count: number, p: number): number {
  const deviation = Math.sqrt(count * p * (1 - p));
  const b = 1.15 + 2.53 * deviation;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const c = count * p + 0.5;
  const vr = 0.92 - 4.2 / b;
  const r = p / (1 - p);
  const alpha = (2.83 + 5.1 / b) * deviation;
  const m = Math.floor((count + 1) * p);
  for (;;) {
    const u = uniform() - 0.5;
    const v = uniform();
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + c);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || k > count) continue;
    const bound =
      (m + 0.5) * Math.log((m + 1) / (r * (count - m + 1))) +
      (count + 1) * Math.log((count - m + 1) / (count - k + 1)) +
      (k + 0.5) * Math.log((r * (count - k + 1)) / (k + 1)) +
      stirlingTail(m) + stirlingTail(count - m) - stirlingTail(k) - stirlingTail(count - k); // prettier-ignore
    if (Math.log((v * alpha) / (a / (us * us) + b)) <= bound) return k;
  }
}
/** Successes counted by the failures between them: for smaller means. */
function byGaps(count: number, p: number): number {
  const log = Math.log1p(-p);
  let passed = 0;
  for (let found = 0; ; found++) {
    passed += Math.ceil(Math.log(uniform()) / log);
    if (passed > count) return found;
  }
}
function binomialNumber(count: number, p: number): number {
  if (count !== count || p !== p) return NaN;
  if (count <= 0 || p <= 0) return 0;
  if (p >= 1) return count;
  const small = Math.min(p, 1 - p);
  const found = count * small >= 10 ? transformedRejection(count, small) : byGaps(count, small);
  return p <= 0.5 ? found : count - found;
}

const trials = signature('Binomial(any totalCount=1, any probs=null, any logits=null, *, bool? validateArgs=null)');
/** How many of totalCount trials succeed, each with a probability. See torch.distributions.Binomial. */
export class Binomial extends OfProbability {
  readonly totalCount: Tensor;
  constructor(...args: Arguments<typeof trials.schema>) {
    const [count, probs, logits, validateArgs] = trials.read(args);
    const isLogits = either('Binomial', probs, logits) === 'logits';
    const [total, given] = broadcastAll('Binomial', count, isLogits ? logits : probs) as [Tensor, Tensor];
    super(given, isLogits, validateArgs);
    this.totalCount = total.to(given.dtype);
    this.checkParameters({ totalCount: [total, constraints.nonnegativeInteger] });
  }
  override get support(): constraints.Constraint {
    return constraints.integerInterval(0, this.totalCount);
  }
  override get mean(): Tensor {
    return this.totalCount.mul(this.probs);
  }
  override get mode(): Tensor {
    return this.totalCount.add(1).mul(this.probs).floor().minimum(this.totalCount);
  }
  override get variance(): Tensor {
    return this.totalCount.mul(this.probs).mul(this.probs.neg().add(1));
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => {
      const shape = this.extended(sampleShape);
      const [n, p] = [this.totalCount, this.probs].map((t) => t.expand(shape).double().contiguous().toTypedArray()) as [Float64Array, Float64Array]; // prettier-ignore
      return fromTypedArray(n.map((count, i) => binomialNumber(count, p[i]!)))
        .reshape(shape)
        .to(this.given.dtype);
    });
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const n = this.totalCount;
    const logits = this.logits;
    const choices = n.add(1).lgamma().sub(value.add(1).lgamma()).sub(n.sub(value).add(1).lgamma());
    const rest = softplus(logits);
    return choices.add(value.mul(logits)).sub(n.mul(rest));
  }
  override entropy(): Tensor {
    const most = this.totalCount.max().item<number>();
    if (this.totalCount.min().item<number>() !== most)
      throw new TenfoldError('value', 'Binomial: the entropy needs one totalCount for the whole batch');
    const log = this.logProb(this.enumerateSupport(false));
    return log.exp().mul(log).sum(0).neg();
  }
  override enumerateSupport(expand = true): Tensor {
    const most = this.totalCount.max().item<number>();
    if (this.totalCount.min().item<number>() !== most)
      throw new TenfoldError('value', 'Binomial: enumerateSupport needs one totalCount for the whole batch');
    return values(arange(most + 1, { dtype: this.given.dtype }), this.batchShape, expand);
  }
}

const rates = signature('Poisson(any rate, *, bool? validateArgs=null)');
/** How many events of a rate there are. See torch.distributions.Poisson. */
export class Poisson extends Distribution {
  readonly rate: Tensor;
  constructor(...args: Arguments<typeof rates.schema>) {
    const [given, validateArgs] = rates.read(args);
    const [rate] = broadcastAll('Poisson', given) as [Tensor];
    super(rate.shape, [], validateArgs);
    this.rate = rate;
    this.checkParameters({ rate: [rate, constraints.nonnegative] });
  }
  override get support(): constraints.Constraint {
    return constraints.nonnegativeInteger;
  }
  override get mean(): Tensor {
    return this.rate;
  }
  override get mode(): Tensor {
    return this.rate.floor();
  }
  override get variance(): Tensor {
    return this.rate;
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => poisson(this.rate.expand(this.extended(sampleShape))));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return xlogy(value, this.rate).sub(this.rate).sub(value.add(1).lgamma());
  }
}

/** A distribution over categories: probabilities [..., k], or unnormalized logarithms of them. */
abstract class OfCategories extends Distribution {
  /** What was given, normalized. */
  protected readonly given: Tensor;
  protected readonly isLogits: boolean;
  constructor(call: string, probs: unknown, logits: unknown, oneHot: boolean, validateArgs: boolean | null) {
    const isLogits = either(call, probs, logits) === 'logits';
    const [given] = broadcastAll(call, isLogits ? logits : probs) as [Tensor];
    if (given.shape.length < 1)
      throw new TenfoldError('shape', `${call}: ${isLogits ? 'logits' : 'probs'} must have at least one dim`);
    super(given.shape.slice(0, -1), oneHot ? given.shape.slice(-1) : [], validateArgs);
    const kind = isLogits ? constraints.realVector : constraints.independent(constraints.nonnegative, 1);
    this.checkParameters({ [isLogits ? 'logits' : 'probs']: [given, kind] });
    this.given = isLogits ? given.sub(given.logsumexp(-1, true)) : given.div(given.sum(-1, true));
    this.isLogits = isLogits;
  }
  /** Probabilities, whose sums are 1. */
  get probs(): Tensor {
    return this.isLogits ? this.given.softmax(-1) : this.given;
  }
  /** Logarithms of the probabilities. */
  get logits(): Tensor {
    return this.isLogits ? this.given : clampProbs(this.given).log();
  }
  protected get categories(): number {
    return this.given.shape.at(-1)!;
  }
  /** Indices [*sampleShape, *batchShape]. */
  protected indices(sampleShape: readonly number[]): Tensor {
    const count = sampleShape.reduce((a, b) => a * b, 1);
    const shape = [...sampleShape, ...this.batchShape];
    if (shape.includes(0)) return zeros(shape, { dtype: 'int64' });
    return noGrad(() =>
      multinomial(this.probs.reshape([-1, this.categories]), count, true)
        .t()
        .reshape(shape),
    );
  }
  override entropy(): Tensor {
    const lowest = this.given.dtype === 'float64' ? -Number.MAX_VALUE : -3.4028234663852886e38;
    return this.logits.clamp(lowest).mul(this.probs).sum(-1).neg();
  }
}
const classes = signature('Categorical(any probs=null, any logits=null, *, bool? validateArgs=null)');
/** Indices of categories (int64) of probabilities [..., k]. See torch.distributions.Categorical. */
export class Categorical extends OfCategories {
  constructor(...args: Arguments<typeof classes.schema>) {
    const [probs, logits, validateArgs] = classes.read(args);
    super('Categorical', probs, logits, false, validateArgs);
  }
  override get support(): constraints.Constraint {
    return constraints.integerInterval(0, this.categories - 1);
  }
  override get mean(): Tensor {
    return this.given.select(-1, 0).mul(NaN);
  }
  override get mode(): Tensor {
    return this.probs.argmax(-1);
  }
  override get variance(): Tensor {
    return this.mean;
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return this.indices(sampleShape);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const shape = value.add(zeros(this.batchShape as number[], { dtype: 'int64' })).shape;
    const index = value
      .to('int64')
      .expand([...shape])
      .unsqueeze(-1);
    return this.logits
      .expand([...shape, this.categories])
      .gather(-1, index)
      .squeeze(-1);
  }
  override enumerateSupport(expand = true): Tensor {
    return values(arange(this.categories), this.batchShape, expand);
  }
}
/** Categories as vectors of a one and zeros. See torch.distributions.OneHotCategorical. */
export class OneHotCategorical extends OfCategories {
  constructor(...args: Arguments<typeof classes.schema>) {
    const [probs, logits, validateArgs] = classes.read(args, new.target.name);
    super(new.target.name, probs, logits, true, validateArgs);
  }
  override get support(): constraints.Constraint {
    return constraints.oneHot;
  }
  override get mean(): Tensor {
    return this.probs;
  }
  override get mode(): Tensor {
    return this.vectors(this.probs.argmax(-1));
  }
  override get variance(): Tensor {
    return this.probs.mul(this.probs.neg().add(1));
  }
  private vectors(indices: Tensor): Tensor {
    return zeros([...indices.shape, this.categories], { dtype: this.given.dtype }).scatter_(
      -1,
      indices.unsqueeze(-1),
      1,
    );
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    return this.vectors(this.indices(sampleShape));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return this.logits.mul(value.eq(1).to(this.given.dtype)).sum(-1);
  }
  override enumerateSupport(expand = true): Tensor {
    const k = this.categories;
    const all = eye(k, { dtype: this.given.dtype }).reshape([k, ...this.batchShape.map(() => 1), k]);
    return expand ? all.expand([k, ...this.batchShape, k]) : all;
  }
}
/** OneHotCategorical whose rsample passes derivatives straight through to the probabilities. */
export class OneHotCategoricalStraightThrough extends OneHotCategorical {
  override get hasRsample(): boolean {
    return true;
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const { probs } = this;
    return this.sample(sampleShape).add(probs.sub(probs.detach()));
  }
}
const counts = signature('Multinomial(int totalCount=1, any probs=null, any logits=null, *, bool? validateArgs=null)');
/** How often each category comes among totalCount draws. See torch.distributions.Multinomial. */
export class Multinomial extends OfCategories {
  readonly totalCount: number;
  constructor(...args: Arguments<typeof counts.schema>) {
    const [totalCount, probs, logits, validateArgs] = counts.read(args);
    if (totalCount < 0) throw new RangeError(`Multinomial: totalCount must not be negative, got ${totalCount}`);
    super('Multinomial', probs, logits, true, validateArgs);
    this.totalCount = totalCount;
  }
  override get support(): constraints.Constraint {
    const each = constraints.independent(constraints.nonnegativeInteger, 1);
    return {
      ...each,
      name: `a vector of whole numbers whose sum is ${this.totalCount}`,
      check: (x) => each.check(x).logicalAnd(x.sum(-1).eq(this.totalCount)),
    };
  }
  override get mean(): Tensor {
    return this.probs.mul(this.totalCount);
  }
  override get variance(): Tensor {
    return this.probs.mul(this.probs.neg().add(1)).mul(this.totalCount);
  }
  override sample(sampleShape: readonly number[] = []): Tensor {
    const draws = this.indices([this.totalCount, ...sampleShape]).movedim(0, -1);
    const out = zeros(this.extended(sampleShape), { dtype: this.given.dtype });
    return out.scatterAdd_(-1, draws, zeros([...draws.shape], { dtype: this.given.dtype }).add(1));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const logits = where(value.eq(0).logicalAnd(this.logits.eq(-Infinity)), 0, this.logits);
    const factorials = value.sum(-1).add(1).lgamma().sub(value.add(1).lgamma().sum(-1));
    return factorials.add(logits.mul(value).sum(-1));
  }
  override entropy(): Tensor {
    const n = this.totalCount;
    const one = new Binomial(n, this.probs, { validateArgs: false });
    const support = one.enumerateSupport(true);
    const weights = one.logProb(support).exp();
    const choices = n === 0 ? 0 : Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
    const sum = weights.mul(support.add(1).lgamma()).sum([0, -1]);
    return super.entropy().mul(n).sub(choices).add(sum);
  }
}
