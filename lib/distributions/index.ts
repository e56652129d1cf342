/** Probability distributions, as torch.distributions. Namespace `distributions`. */
export * as constraints from './constraints.js';
export * as transforms from './transforms.js';
export { Distribution } from './distribution.js';
export {
  Cauchy, Exponential, Gumbel, HalfCauchy, HalfNormal, Laplace, Normal, Pareto, Uniform, VonMises,
} from './continuous.js'; // prettier-ignore
export {
  Bernoulli, Binomial, Categorical, Geometric, Multinomial, OneHotCategorical, OneHotCategoricalStraightThrough, Poisson,
} from './discrete.js'; // prettier-ignore
export { Beta, Chi2, Dirichlet, Gamma, StudentT } from './gamma.js';
export { MultivariateNormal } from './multivariate.js';
export {
  Independent, LogNormal, MixtureSameFamily, RelaxedBernoulli, RelaxedOneHotCategorical, TransformedDistribution, Weibull,
} from './composed.js'; // prettier-ignore
export { NegativeBinomial } from './counts.js';
export { LKJCholesky, LowRankMultivariateNormal, Wishart } from './matrices.js';
export { FisherSnedecor, GeneralizedPareto, InverseGamma } from './tails.js';
export { ContinuousBernoulli, Kumaraswamy, LogisticNormal } from './unitInterval.js';
import './crossedKl.js';
export { klDivergence, registerKl } from './kl.js';
export {
  AbsTransform, AffineTransform, ComposeTransform, ExpTransform, PowerTransform, ReshapeTransform, SigmoidTransform,
  SoftmaxTransform, SoftplusTransform, StickBreakingTransform, TanhTransform, Transform,
} from './transforms.js'; // prettier-ignore
