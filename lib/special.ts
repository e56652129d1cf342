/** Special functions under the names that they have in torch.special. */
export * from './ops/bessel.js';
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
export {
  chebyshevPolynomialT, chebyshevPolynomialU, chebyshevPolynomialV, chebyshevPolynomialW, gammainc, gammaincc,
  hermitePolynomialH, hermitePolynomialHe, laguerrePolynomialL, legendrePolynomialP, mvlgamma as multigammaln,
  shiftedChebyshevPolynomialT, shiftedChebyshevPolynomialU, shiftedChebyshevPolynomialV, shiftedChebyshevPolynomialW, zeta,
} from './ops/polynomials.js'; // prettier-ignore
