/** Kullback-Leibler divergences, pair by pair. */
import { TenfoldError, show } from '../errors.js';
import { softplus } from '../nn/functional/activation.js';
import { where } from '../ops/index.js';
import { solveTriangular } from '../ops/solving.js';
import type { Tensor } from '../tensor/tensor.js';
import { Independent, LogNormal, TransformedDistribution } from './composed.js';
import { Cauchy, Exponential, HalfNormal, Laplace, Normal, Uniform } from './continuous.js';
import { Bernoulli, Binomial, Categorical, Geometric, OneHotCategorical, Poisson } from './discrete.js';
import { Distribution, sumRightmost } from './distribution.js';
import { Beta, Dirichlet, Gamma } from './gamma.js';
import { MultivariateNormal, mahalanobis } from './multivariate.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- a pair is registered with functions of its own two classes */
type Class<D> = new (...args: any[]) => D;
type Rule = (p: any, q: any) => Tensor;
/* eslint-enable @typescript-eslint/no-explicit-any */
const rules: [Class<Distribution>, Class<Distribution>, Rule][] = [];

/** Says how the divergence of two classes of distributions is computed; later rules go before earlier ones. */
export function registerKl<P extends Distribution, Q extends Distribution>(
  p: Class<P>,
  q: Class<Q>,
  rule: (p: P, q: Q) => Tensor,
): void {
  rules.unshift([p, q, rule]);
}
/**
 * What is lost where values of p are taken for values of q: the mean of ln p(x) − ln q(x) under p, one number for each item of
 * the batch. TenfoldError where no formula is known for the two. See torch.distributions.kl_divergence.
 */
export function klDivergence(p: Distribution, q: Distribution): Tensor {
  for (const d of [p, q])
    if (!(d instanceof Distribution)) throw new TypeError(`klDivergence: expected two distributions, got ${show(d)}`);
  const rule = rules.find(([a, b]) => p instanceof a && q instanceof b);
  if (!rule)
    throw new TenfoldError('value', `klDivergence: no formula is known from ${p.constructor.name} to ${q.constructor.name}`); // prettier-ignore
  return rule[2](p, q);
}

registerKl(Normal, Normal, (p, q) => {
  const ratio = p.scale.div(q.scale).square();
  return ratio.add(p.loc.sub(q.loc).div(q.scale).square()).sub(1).sub(ratio.log()).mul(0.5);
});
registerKl(HalfNormal, HalfNormal, (p, q) => {
  const ratio = p.scale.div(q.scale).square();
  return ratio.sub(1).sub(ratio.log()).mul(0.5);
});
registerKl(Laplace, Laplace, (p, q) => {
  const ratio = p.scale.div(q.scale);
  const apart = p.loc.sub(q.loc).abs();
  return ratio
    .log()
    .neg()
    .add(apart.div(q.scale))
    .add(ratio.mul(apart.neg().div(p.scale).exp()))
    .sub(1);
});
registerKl(Cauchy, Cauchy, (p, q) => {
  const both = p.scale.add(q.scale).square().add(p.loc.sub(q.loc).square());
  return both.log().sub(p.scale.mul(q.scale).mul(4).log());
});
registerKl(Exponential, Exponential, (p, q) => {
  const ratio = q.rate.div(p.rate);
  return ratio.sub(ratio.log()).sub(1);
});
registerKl(Uniform, Uniform, (p, q) => {
  const out = q.high.sub(q.low).div(p.high.sub(p.low)).log();
  return where(q.low.gt(p.low).logicalOr(q.high.lt(p.high)), Infinity, out);
});
registerKl(Bernoulli, Bernoulli, (p, q) => {
  const one = p.probs.mul(softplus(q.logits.neg()).sub(softplus(p.logits.neg())));
  const zero = p.probs
    .neg()
    .add(1)
    .mul(softplus(q.logits).sub(softplus(p.logits)));
  return one.add(zero);
});
registerKl(Binomial, Binomial, (p, q) => {
  const less = p.totalCount.lt(q.totalCount).any().item<boolean>();
  if (less) throw new TenfoldError('value', 'klDivergence: of Binomials p must have at least as many trials as q');
  const kl = p.totalCount.mul(
    p.probs.mul(p.logits.sub(q.logits)).add(p.probs.neg().log1p()).sub(q.probs.neg().log1p()),
  );
  return where(p.totalCount.gt(q.totalCount), Infinity, kl);
});
registerKl(Geometric, Geometric, (p, q) => p.entropy().neg().sub(q.probs.neg().log1p().div(p.probs)).sub(q.logits));
registerKl(Poisson, Poisson, (p, q) => p.rate.mul(p.rate.log().sub(q.rate.log())).sub(p.rate.sub(q.rate)));
const categories = (p: { probs: Tensor; logits: Tensor }, q: { probs: Tensor; logits: Tensor }): Tensor => {
  const terms = p.probs.mul(p.logits.sub(q.logits));
  const open = q.probs.eq(0).expand([...terms.shape]);
  return where(p.probs.eq(0).expand([...terms.shape]), 0, where(open, Infinity, terms)).sum(-1);
};
registerKl(Categorical, Categorical, categories);
registerKl(OneHotCategorical, OneHotCategorical, categories);
registerKl(Gamma, Gamma, (p, q) => {
  const [a, b] = [p.concentration, q.concentration];
  return b.mul(p.rate.div(q.rate).log()).add(b.lgamma().sub(a.lgamma())).add(a.sub(b).mul(a.digamma())).add(q.rate.sub(p.rate).mul(a.div(p.rate))); // prettier-ignore
});
registerKl(Dirichlet, Dirichlet, (p, q) => {
  const [a, b] = [p.concentration, q.concentration];
  const [total, other] = [a.sum(-1), b.sum(-1)];
  const lead = total.lgamma().sub(other.lgamma()).sub(a.lgamma().sub(b.lgamma()).sum(-1));
  return lead.add(
    a
      .sub(b)
      .mul(a.digamma().sub(total.digamma().unsqueeze(-1)))
      .sum(-1),
  );
});
registerKl(Beta, Beta, (p, q) => {
  const [a1, a0, b1, b0] = [p.concentration1, p.concentration0, q.concentration1, q.concentration0];
  const [a, b] = [a1.add(a0), b1.add(b0)];
  const lead = b1.lgamma().add(b0.lgamma()).add(a.lgamma()).sub(a1.lgamma().add(a0.lgamma()).add(b.lgamma()));
  return lead.add(a1.sub(b1).mul(a1.digamma())).add(a0.sub(b0).mul(a0.digamma())).add(b.sub(a).mul(a.digamma()));
});
registerKl(MultivariateNormal, MultivariateNormal, (p, q) => {
  if (p.eventShape.join() !== q.eventShape.join())
    throw new TenfoldError('shape', `klDivergence: events differ: [${p.eventShape}] and [${q.eventShape}]`);
  const spread = solveTriangular(q.scaleTril, p.scaleTril, { upper: false }).square().sum([-2, -1]);
  const distance = mahalanobis(q.scaleTril, q.loc.sub(p.loc));
  return q.halfLogDet().sub(p.halfLogDet()).add(spread.add(distance).sub(p.eventShape[0]!).mul(0.5));
});
registerKl(TransformedDistribution, TransformedDistribution, (p, q) => {
  if (
    p.transforms.length !== q.transforms.length ||
    p.transforms.some((t, i) => t.constructor !== q.transforms[i]!.constructor)
  )
    // prettier-ignore
    throw new TenfoldError('value', 'klDivergence: of transformed distributions the transforms must be the same');
  const extra = p.eventShape.length - p.baseDist.eventShape.length;
  return sumRightmost(klDivergence(p.baseDist, q.baseDist), Math.max(extra, 0));
});
registerKl(LogNormal, LogNormal, (p, q) => klDivergence(p.baseDist, q.baseDist));
registerKl(Independent, Independent, (p, q) => {
  if (p.reinterpretedBatchNdims !== q.reinterpretedBatchNdims)
    throw new TenfoldError('shape', 'klDivergence: of Independent distributions as many dims must be events');
  return sumRightmost(klDivergence(p.baseDist, q.baseDist), p.reinterpretedBatchNdims);
});
