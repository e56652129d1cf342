/**
 * Divergences between distributions of different kinds, as −H(p) − E[ln q(x)] under p: what of p each q needs (a mean, a variance, means of
 * ln x, ln(1 − x), e^(−x/β)) is below. Where p gives values that q can't, the divergence is infinite. The pairs are PyTorch's.
 */
import { where } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { Exponential, Gumbel, Laplace, Normal, Pareto, Uniform } from './continuous.js';
import { Bernoulli, Binomial, Poisson } from './discrete.js';
import type { Distribution } from './distribution.js';
import { Beta, Gamma } from './gamma.js';
import { registerKl } from './kl.js';
import { LowRankMultivariateNormal, divergenceToLowRank } from './matrices.js';
import { MultivariateNormal, mahalanobis } from './multivariate.js';
import { solveTriangular } from '../ops/solving.js';
import { ContinuousBernoulli } from './unitInterval.js';

const EULER = 0.5772156649015329;
/* eslint-disable @typescript-eslint/no-explicit-any -- a pair is registered with functions of its own two classes */
type Class<D = Distribution> = new (...args: any[]) => D;
/* eslint-enable @typescript-eslint/no-explicit-any */

// ---- means under p -----------------------------------------------------------------------------------------------------

const xLogX = (x: Tensor): Tensor => where(x.eq(0), 0, x.mul(where(x.eq(0), 1, x).log()));
/** The mean of ln x, between two ends. */
const meanLog = (low: Tensor, high: Tensor): Tensor => xLogX(high).sub(xLogX(low)).div(high.sub(low)).sub(1); // prettier-ignore
function logMean(p: Distribution): Tensor {
  if (p instanceof Beta) return p.concentration1.digamma().sub(p.concentration1.add(p.concentration0).digamma());
  if (p instanceof Gamma) return p.concentration.digamma().sub(p.rate.log());
  if (p instanceof Exponential) return p.rate.log().neg().sub(EULER);
  if (p instanceof Pareto) return p.scale.log().add(p.alpha.reciprocal());
  const { low, high } = p as Uniform;
  return meanLog(low, high);
}
/** The mean of e^(−x/β). */
function decayMean(p: Distribution, beta: Tensor): Tensor {
  if (p instanceof Exponential) return p.rate.div(p.rate.add(beta.reciprocal()));
  if (p instanceof Gamma) return p.rate.div(p.rate.add(beta.reciprocal())).pow(p.concentration);
  if (p instanceof Normal) return p.scale.div(beta).square().mul(0.5).sub(p.loc.div(beta)).exp();
  const { low, high } = p as Uniform;
  return low.div(beta).neg().exp().sub(high.div(beta).neg().exp()).mul(beta).div(high.sub(low));
}

// ---- minus the mean of ln q(x) -------------------------------------------------------------------------------------------

const toNormal = (p: Distribution, q: Normal): Tensor =>
  p.variance.add(p.mean.sub(q.loc).square()).div(q.scale.square().mul(2)).add(q.scale.log()).add(0.5 * Math.log(2 * Math.PI)); // prettier-ignore
const toExponential = (p: Distribution, q: Exponential): Tensor => q.rate.mul(p.mean).sub(q.rate.log());
const toGamma = (p: Distribution, q: Gamma): Tensor =>
  q.concentration.lgamma().sub(q.concentration.mul(q.rate.log())).sub(q.concentration.sub(1).mul(logMean(p))).add(q.rate.mul(p.mean)); // prettier-ignore
const toGumbel = (p: Distribution, q: Gumbel): Tensor => {
  const shift = q.loc.div(q.scale);
  return q.scale
    .log()
    .add(p.mean.div(q.scale))
    .sub(shift)
    .add(shift.exp().mul(decayMean(p, q.scale)));
};
const toContinuousBernoulli = (p: Distribution, q: ContinuousBernoulli): Tensor =>
  p.mean.mul(q.logits).add(q.probs.neg().log1p()).add(q.logNorm()).neg(); // prettier-ignore
const toUniform = (_: Distribution, q: Uniform): Tensor => q.high.sub(q.low).log();

/** Registers a pair; where `outside` is true for the parameters, the divergence is infinite. */
function crossed<P extends Distribution, Q extends Distribution>(
  p: Class<P>,
  q: Class<Q>,
  cross: (p: P, q: Q) => Tensor,
  outside?: (p: P, q: Q) => Tensor,
): void {
  registerKl<P, Q>(p, q, (a, b) => {
    const divergence = cross(a, b).sub(a.entropy());
    return outside === undefined ? divergence : where(outside(a, b), Infinity, divergence);
  });
}

crossed(Beta, ContinuousBernoulli, toContinuousBernoulli);
crossed(Beta, Exponential, toExponential);
crossed(Beta, Gamma, toGamma);
crossed(Beta, Normal, toNormal);
crossed(Beta, Uniform, toUniform, (_, q) => q.low.gt(0).logicalOr(q.high.lt(1)));
crossed(ContinuousBernoulli, Exponential, toExponential);
crossed(ContinuousBernoulli, Normal, toNormal);
// PyTorch's: also where the ends are those of the support.
crossed(ContinuousBernoulli, Uniform, toUniform, (_, q) => q.low.ge(0).logicalOr(q.high.le(1)));
crossed(Exponential, Gamma, toGamma);
crossed(Exponential, Gumbel, toGumbel);
crossed(Exponential, Normal, toNormal);
crossed(Gamma, Exponential, toExponential);
crossed(Gamma, Gumbel, toGumbel);
crossed(Gamma, Normal, toNormal);
crossed(Gumbel, Normal, toNormal);
crossed(Laplace, Normal, toNormal);
crossed(Normal, Gumbel, toGumbel);
crossed(Normal, Laplace, (p, q) => {
  const apart = p.loc.sub(q.loc);
  const ratio = apart.div(p.scale);
  const mean = p.scale.mul(Math.sqrt(2 / Math.PI)).mul(ratio.square().mul(-0.5).exp()).add(apart.mul(ratio.mul(Math.SQRT1_2).erf())); // prettier-ignore
  return mean.div(q.scale).add(q.scale.mul(2).log());
});
crossed(Pareto, Exponential, toExponential, (p) => p.alpha.le(1));
crossed(Pareto, Gamma, toGamma, (p) => p.alpha.le(1));
crossed(Pareto, Normal, toNormal, (p) => p.alpha.le(2));
crossed(
  Uniform,
  Beta,
  (p, q) => {
    const [a, b] = [q.concentration1, q.concentration0];
    const norm = a.lgamma().add(b.lgamma()).sub(a.add(b).lgamma());
    const other = meanLog(p.high.neg().add(1), p.low.neg().add(1));
    return norm.sub(a.sub(1).mul(logMean(p))).sub(b.sub(1).mul(other));
  },
  (p) => p.high.gt(1).logicalOr(p.low.lt(0)),
);
crossed(Uniform, ContinuousBernoulli, toContinuousBernoulli, (p) => p.high.ge(1).logicalOr(p.low.le(0)));
crossed(Uniform, Exponential, toExponential, (p) => p.low.lt(0));
crossed(Uniform, Gamma, toGamma, (p) => p.low.lt(0));
crossed(Uniform, Gumbel, toGumbel);
crossed(Uniform, Normal, toNormal);
crossed(
  Uniform,
  Pareto,
  (p, q) => q.alpha.add(1).mul(logMean(p)).sub(q.alpha.log()).sub(q.alpha.mul(q.scale.log())),
  (p, q) => p.low.lt(q.scale),
);
registerKl(Bernoulli, Poisson, (p, q) => q.rate.sub(p.probs.mul(q.rate.log())).sub(p.entropy()));

// ---- what is infinite whatever the parameters --------------------------------------------------------------------------

const infinite = (p: Class, ...others: Class[]): void => {
  for (const q of others)
    registerKl(p, q, (a, b) => a.mean.detach().mul(0).nanToNum(0, 0, 0).add(b.mean.detach().mul(0).nanToNum(0, 0, 0)).add(Infinity)); // prettier-ignore
};
infinite(Beta, Pareto);
infinite(ContinuousBernoulli, Pareto);
infinite(Exponential, Beta, ContinuousBernoulli, Pareto, Uniform);
infinite(Gamma, Beta, ContinuousBernoulli, Pareto, Uniform);
infinite(Gumbel, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform);
infinite(Laplace, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform);
infinite(Normal, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform);
infinite(Pareto, Beta, ContinuousBernoulli, Uniform);
infinite(Poisson, Bernoulli, Binomial);

// ---- of one kind -----------------------------------------------------------------------------------------------------

registerKl(Gumbel, Gumbel, (p, q) => {
  const [ratio, shift] = [p.scale.div(q.scale), q.loc.sub(p.loc).div(q.scale)];
  const grown = shift.add(ratio.add(1).lgamma()).exp();
  return ratio
    .mul(EULER)
    .sub(ratio.log())
    .sub(shift)
    .add(grown)
    .sub(1 + EULER);
});
registerKl(Pareto, Pareto, (p, q) => {
  const ratio = q.alpha.div(p.alpha);
  const divergence = q.alpha.mul(p.scale.div(q.scale).log()).sub(ratio.log()).add(ratio).sub(1);
  return where(p.scale.lt(q.scale), Infinity, divergence);
});
registerKl(ContinuousBernoulli, ContinuousBernoulli, (p, q) => {
  const own = p.logNorm().add(p.probs.neg().log1p());
  return p.mean.mul(p.logits.sub(q.logits)).add(own).sub(q.logNorm()).sub(q.probs.neg().log1p());
});
registerKl(LowRankMultivariateNormal, LowRankMultivariateNormal, (p, q) =>
  divergenceToLowRank(p, [p.covFactor, p.covDiag.sqrt().diagEmbed()], p.logDet(), q),
);
registerKl(MultivariateNormal, LowRankMultivariateNormal, (p, q) =>
  divergenceToLowRank(p, [p.scaleTril], p.halfLogDet().mul(2), q),
);
registerKl(LowRankMultivariateNormal, MultivariateNormal, (p, q) => {
  const spread = [p.covFactor, p.covDiag.sqrt().diagEmbed()]
    .map((f) => solveTriangular(q.scaleTril, f, { upper: false }).square().sum([-2, -1]))
    .reduce((a, b) => a.add(b));
  const distance = mahalanobis(q.scaleTril, q.loc.sub(p.loc));
  return q.halfLogDet().mul(2).sub(p.logDet()).add(spread).add(distance).sub(p.eventShape[0]!).mul(0.5); // prettier-ignore
});
