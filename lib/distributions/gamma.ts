/** Gamma distributions and what is made of them: chi-squared, Student's t, beta, Dirichlet. */
import { TenfoldError } from '../errors.js';
import { signature, type Arguments } from '../op/schema.js';
import { Function as AutogradFunction, type FunctionContext } from '../autograd/function.js';
import { arange, fromTypedArray } from '../ops/creation.js';
import { rand, randn } from '../ops/random.js';
import { stack, where, xlogy } from '../ops/index.js';
import { type Tensor } from '../tensor/tensor.js';
import * as constraints from './constraints.js';
import { Distribution, broadcastAll, finfo, standardNormal } from './distribution.js';

/** A gamma number of rate 1: G. Marsaglia, W. Tsang, "A simple method for generating gamma variables", 2000. */
function gammaNumber(shape: number): number {
  const uniform = (): number => 1 - rand([], { dtype: 'float64' }).item<number>();
  if (shape === 0) return 0;
  const boost = shape < 1 ? uniform() ** (1 / shape) : 1;
  const d = (shape < 1 ? shape + 1 : shape) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    let x: number;
    let y: number;
    do {
      x = randn([], { dtype: 'float64' }).item<number>();
      y = 1 + c * x;
    } while (y <= 0);
    const v = y ** 3;
    const u = uniform();
    if (u < 1 - 0.0331 * x ** 4 || Math.log(u) < 0.5 * x * x + d * (1 - v + Math.log(v))) return boost * d * v;
  }
}
/**
 * How a gamma number x of rate 1 moves with its shape a at a fixed probability: −∂P/∂a over the density, from the series of P
 * (DLMF 8.11.4) and its derivative, term by term. psi is digamma(a + 1).
 */
function slope(a: number, x: number, psi: number): number {
  let term = 1;
  let change = 0; // of the term with a
  let sum = 1;
  let changes = 0;
  for (let k = 1; k < 100_000; k++) {
    change = ((change - term / (a + k)) * x) / (a + k);
    term *= x / (a + k);
    sum += term;
    changes += change;
    if (k > x - a && term < 1e-17 * sum) break;
  }
  return (-x / a) * (changes + sum * (Math.log(x) - psi));
}
/** Gamma numbers of rate 1 for shapes; derivatives by the probability that each number has. */
class StandardGamma extends AutogradFunction {
  static override forward(ctx: FunctionContext, shapes: Tensor): Tensor {
    const numbers = Float64Array.from(shapes.double().contiguous().toTypedArray() as Float64Array, gammaNumber);
    const out = fromTypedArray(numbers)
      .reshape([...shapes.shape])
      .to(shapes.dtype)
      .clamp(finfo(shapes).tiny);
    ctx.saveForBackward(shapes, out);
    return out;
  }
  static override backward(ctx: FunctionContext, grad: Tensor): Tensor {
    const [shapes, numbers] = ctx.savedTensors as [Tensor, Tensor];
    const [a, x, psi] = [shapes, numbers, shapes.double().add(1).digamma()].map(
      (t) => t.detach().double().contiguous().toTypedArray() as Float64Array,
    ) as [Float64Array, Float64Array, Float64Array];
    const slopes = a.map((_, i) => slope(a[i]!, x[i]!, psi[i]!));
    return grad.mul(
      fromTypedArray(slopes)
        .reshape([...shapes.shape])
        .to(grad.dtype),
    );
  }
}
const standardGamma = (shapes: Tensor): Tensor => StandardGamma.apply(shapes) as Tensor;

const two = signature('Gamma(any concentration, any rate, *, bool? validateArgs=null)');
/** Gamma distribution of a shape (concentration) and a rate. See torch.distributions.Gamma. */
export class Gamma extends Distribution {
  readonly concentration: Tensor;
  readonly rate: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof two.schema>) {
    const [c, r, validateArgs] = two.read(args);
    const [concentration, rate] = broadcastAll('Gamma', c, r) as [Tensor, Tensor];
    super(concentration.shape, [], validateArgs);
    this.concentration = concentration;
    this.rate = rate;
    this.checkParameters({ concentration: [concentration, constraints.positive], rate: [rate, constraints.positive] });
  }
  override get support(): constraints.Constraint {
    return constraints.nonnegative;
  }
  override get mean(): Tensor {
    return this.concentration.div(this.rate);
  }
  override get mode(): Tensor {
    return this.concentration.sub(1).div(this.rate).clamp(0);
  }
  override get variance(): Tensor {
    return this.concentration.div(this.rate.square());
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const shape = this.extended(sampleShape);
    const value = standardGamma(this.concentration.expand(shape)).div(this.rate.expand(shape));
    value.detach().clamp_(finfo(value).tiny);
    return value;
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const [a, r] = [this.concentration, this.rate];
    return xlogy(a, r)
      .add(xlogy(a.sub(1), value))
      .sub(r.mul(value))
      .sub(a.lgamma());
  }
  override cdf(value: Tensor): Tensor {
    this.checkValue(value, 'cdf');
    return this.concentration.igamma(this.rate.mul(value));
  }
  override entropy(): Tensor {
    const a = this.concentration;
    return a.sub(this.rate.log()).add(a.lgamma()).add(a.neg().add(1).mul(a.digamma()));
  }
}
const degrees = signature('Chi2(any df, *, bool? validateArgs=null)');
/** Chi-squared distribution of df degrees of freedom. See torch.distributions.Chi2. */
export class Chi2 extends Gamma {
  constructor(...args: Arguments<typeof degrees.schema>) {
    const [given, validateArgs] = degrees.read(args);
    const [df] = broadcastAll('Chi2', given) as [Tensor];
    super(df.mul(0.5), 0.5, { validateArgs });
  }
  /** Degrees of freedom. */
  get df(): Tensor {
    return this.concentration.mul(2);
  }
}

const student = signature('StudentT(any df, any loc=0, any scale=1, *, bool? validateArgs=null)');
/** Student's t distribution of df degrees of freedom, a location and a scale. See torch.distributions.StudentT. */
export class StudentT extends Distribution {
  readonly df: Tensor;
  readonly loc: Tensor;
  readonly scale: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof student.schema>) {
    const [f, l, s, validateArgs] = student.read(args);
    const [df, loc, scale] = broadcastAll('StudentT', f, l, s) as [Tensor, Tensor, Tensor];
    super(df.shape, [], validateArgs);
    this.df = df;
    this.loc = loc;
    this.scale = scale;
    this.checkParameters({
      df: [df, constraints.positive], loc: [loc, constraints.real], scale: [scale, constraints.positive],
    }); // prettier-ignore
  }
  override get support(): constraints.Constraint {
    return constraints.real;
  }
  override get mean(): Tensor {
    return this.loc.maskedFill(this.df.le(1), NaN);
  }
  override get mode(): Tensor {
    return this.loc;
  }
  override get variance(): Tensor {
    const many = this.scale.square().mul(this.df).div(this.df.sub(2));
    return many.maskedFill(this.df.le(2), Infinity).maskedFill(this.df.le(1), NaN);
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const x = standardNormal(this.extended(sampleShape), this.df);
    const z = new Chi2(this.df, { validateArgs: false }).rsample(sampleShape);
    return this.loc.add(this.scale.mul(x.mul(z.div(this.df).rsqrt())));
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const [y, half] = [value.sub(this.loc).div(this.scale), this.df.mul(0.5)];
    const norm = this.scale.log().add(this.df.log().mul(0.5)).add(0.5 * Math.log(Math.PI)).add(half.lgamma()).sub(half.add(0.5).lgamma()); // prettier-ignore
    return half.add(0.5).neg().mul(y.square().div(this.df).log1p()).sub(norm);
  }
  override entropy(): Tensor {
    const half = this.df.mul(0.5);
    const lbeta = half
      .lgamma()
      .add(0.5 * Math.log(Math.PI))
      .sub(half.add(0.5).lgamma());
    return this.scale
      .log()
      .add(half.add(0.5).mul(half.add(0.5).digamma().sub(half.digamma())))
      .add(this.df.log().mul(0.5))
      .add(lbeta);
  }
}

const weights = signature('Dirichlet(Tensor concentration, *, bool? validateArgs=null)');
/**
 * Dirichlet's distribution of probabilities, of concentrations [..., k]. rsample normalizes gamma numbers; so the numbers are
 * PyTorch's, and the derivatives those of the gamma numbers. See torch.distributions.Dirichlet.
 */
export class Dirichlet extends Distribution {
  readonly concentration: Tensor;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof weights.schema>) {
    const [concentration, validateArgs] = weights.read(args);
    if (concentration.shape.length < 1)
      throw new TenfoldError('shape', 'Dirichlet: concentration must have at least one dim');
    super(concentration.shape.slice(0, -1), concentration.shape.slice(-1), validateArgs);
    this.concentration = concentration;
    this.checkParameters({ concentration: [concentration, constraints.independent(constraints.positive, 1)] });
  }
  override get support(): constraints.Constraint {
    return constraints.simplex;
  }
  override get mean(): Tensor {
    return this.concentration.div(this.concentration.sum(-1, true));
  }
  override get mode(): Tensor {
    const low = this.concentration.sub(1).clamp(0);
    const mode = low.div(low.sum(-1, true));
    // Where all are below 1 every corner is as likely as its neighbours; PyTorch names the first.
    const first = arange(low.shape.at(-1)!).eq(0).to(low.dtype);
    return where(this.concentration.lt(1).all(-1, true), first, mode);
  }
  override get variance(): Tensor {
    const total = this.concentration.sum(-1, true);
    return this.concentration.mul(total.sub(this.concentration)).div(total.square().mul(total.add(1)));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    const shape = this.extended(sampleShape);
    const wide = standardGamma(this.concentration.expand(shape).double());
    return wide.div(wide.sum(-1, true)).to(this.concentration.dtype);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    const a = this.concentration;
    return xlogy(a.sub(1), value).sum(-1).add(a.sum(-1).lgamma()).sub(a.lgamma().sum(-1));
  }
  override entropy(): Tensor {
    const a = this.concentration;
    const [k, total] = [a.shape.at(-1)!, a.sum(-1)];
    return a.lgamma().sum(-1).sub(total.lgamma()).sub(total.neg().add(k).mul(total.digamma())).sub(a.sub(1).mul(a.digamma()).sum(-1)); // prettier-ignore
  }
}

const pair = signature('Beta(any concentration1, any concentration0, *, bool? validateArgs=null)');
/** Beta distribution: the first of two numbers that Dirichlet's distribution gives. See torch.distributions.Beta. */
export class Beta extends Distribution {
  private readonly dirichlet: Dirichlet;
  override get hasRsample(): boolean {
    return true;
  }
  constructor(...args: Arguments<typeof pair.schema>) {
    const [a, b, validateArgs] = pair.read(args);
    const [one, zero] = broadcastAll('Beta', a, b) as [Tensor, Tensor];
    super(one.shape, [], validateArgs);
    this.dirichlet = new Dirichlet(stack([one, zero], -1), { validateArgs: false });
    this.checkParameters({ concentration1: [one, constraints.positive], concentration0: [zero, constraints.positive] });
  }
  /** The first concentration, alpha. */
  get concentration1(): Tensor {
    return this.dirichlet.concentration.select(-1, 0);
  }
  /** The second concentration, beta. */
  get concentration0(): Tensor {
    return this.dirichlet.concentration.select(-1, 1);
  }
  override get support(): constraints.Constraint {
    return constraints.unitInterval;
  }
  override get mean(): Tensor {
    return this.concentration1.div(this.concentration1.add(this.concentration0));
  }
  override get mode(): Tensor {
    return this.dirichlet.mode.select(-1, 0);
  }
  override get variance(): Tensor {
    const [a, total] = [this.concentration1, this.concentration1.add(this.concentration0)];
    return a.mul(this.concentration0).div(total.square().mul(total.add(1)));
  }
  override rsample(sampleShape: readonly number[] = []): Tensor {
    return this.dirichlet.rsample(sampleShape).select(-1, 0);
  }
  override logProb(value: Tensor): Tensor {
    this.checkValue(value);
    return this.dirichlet.logProb(stack([value, value.neg().add(1)], -1));
  }
  override entropy(): Tensor {
    return this.dirichlet.entropy();
  }
}
