/** Special functions under the names that they have in torch.special. */
export { i0e, i1, i1e } from './ops/gamma.js';
export {
  digamma,
  digamma as psi,
  erf,
  erfc,
  erfinv,
  exp2,
  expm1,
  i0,
  lgamma as gammaln,
  log1p,
  logSoftmax,
  logit,
  logsumexp,
  polygamma,
  round,
  sigmoid as expit,
  sinc,
  softmax,
  xlogy,
} from './ops/index.js';
export { entr, ndtr, xlog1py } from './ops/probability.js';
