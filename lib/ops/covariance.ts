/** Covariances and correlations of variables, which are the rows of a matrix; its columns are observations. */
import { TenfoldError } from '../errors.js';
import { Code, isFloatCode, isIntegralCode } from '../dtype.js';
import { checkInterval } from '../launch/check.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';

function checkVariables(call: string, x: Tensor): void {
  if (x.shape.length > 2) {
    throw new TenfoldError(
      'shape',
      `${call}: expected [variables, observations] or one variable, got ${formatShape(x.shape)}`,
    );
  }
  if (x.code === Code.bool) throw new TenfoldError('dtype', `${call}: not defined for bool`);
}
function checkWeights(name: 'fweights' | 'aweights', weights: Tensor, observations: number): void {
  if (name === 'fweights' ? !isIntegralCode(weights.code) : !isFloatCode(weights.code)) {
    const wanted = name === 'fweights' ? 'integers' : 'floating-point';
    throw new TenfoldError('dtype', `cov: ${name} must be ${wanted}, got ${weights.dtype}`);
  }
  if (weights.shape.length > 1 || weights.count !== observations) {
    throw new TenfoldError(
      'shape',
      `cov: ${name} must have one element for each of ${observations} observations, got shape ${formatShape(weights.shape)}`,
    );
  }
  checkInterval(weights, 0, Infinity, () => new TenfoldError('value', `cov: ${name} must not be negative`));
}
const noWeight = (): Error => new TenfoldError('value', "cov: the weights sum to 0 and can't be normalized");

/**
 * Covariance matrix of the rows of [variables, observations], or the variance of one variable [observations], with
 * observations − correction in the denominator. fweights says how often each observation was made (integers), aweights how
 * much it counts. See torch.cov.
 */
export const cov = defineOp(
  'cov(Tensor self, *, int correction=1, Tensor? fweights=null, Tensor? aweights=null)',
  (): OpDef => ({
    forward(self: Tensor, correction: number, fweights: Tensor | null, aweights: Tensor | null) {
      checkVariables('cov', self);
      const x = self.shape.length < 2 ? self.reshape([1, -1]) : self;
      const n = x.shape[1]!;
      if (fweights !== null) checkWeights('fweights', fweights, n);
      if (aweights !== null) checkWeights('aweights', aweights, n);
      const weights = fweights === null ? aweights : aweights === null ? fweights : fweights.mul(aweights);
      const total = weights === null ? n : weights.sum();
      if (typeof total !== 'number') checkInterval(total.ne(0), 1, 1, noWeight);
      const weighted = (t: Tensor): Tensor => (weights === null ? t : t.mul(weights));
      const centred = x.sub(weighted(x).sum(1).div(total).unsqueeze(1));
      const products = centred.mm(weighted(centred).t());
      let freedom: Tensor | number;
      if (typeof total === 'number') freedom = Math.max(total - correction, 0);
      else {
        const lost =
          aweights === null || correction === 0 ? correction : weights!.mul(aweights).sum().mul(correction).div(total);
        freedom = total.sub(lost).clamp({ min: 0 });
      }
      return products.div(freedom).squeeze();
    },
    composite: true,
  }),
);

/**
 * Correlation coefficients of the rows of [variables, observations], each from −1 to 1; of one variable with itself 1. See
 * torch.corrcoef.
 */
export const corrcoef = defineOp('corrcoef(Tensor self)', (): OpDef => ({
  forward(self: Tensor) {
    checkVariables('corrcoef', self);
    const c = self.cov();
    if (c.shape.length === 0) return c.div(c);
    const deviations = c.diagonal().sqrt();
    return c.div(deviations.unsqueeze(1)).div(deviations).clamp(-1, 1);
  },
  composite: true,
}));
