/** Orthogonal polynomials, the Hurwitz zeta function and incomplete gamma functions (native/kernels/special.cc). */
import { TenfoldError } from '../errors.js';
import { kernel } from '../native/launch.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type Formula, type OpDef } from '../op/define.js';
import { To, binary, type Operand } from '../op/elementwise.js';
import { arange } from './creation.js';

function of(call: string, name: string, backward: Record<string, Formula> | null = null): () => OpDef {
  const k = kernel(name);
  const forward = (a: Operand, b: Operand): Tensor => {
    if (!(a instanceof Tensor || b instanceof Tensor))
      throw new TypeError(`${call}: one of the arguments must be a tensor, got two numbers`);
    return binary(k, call, a, b, To.float);
  };
  return (): OpDef => (backward === null ? { forward, differentiable: false } : { forward, backward });
}

/** Chebyshev polynomial of the first kind Tₙ(x); 0 for negative n. See torch.special.chebyshev_polynomial_t. */
export const chebyshevPolynomialT = defineOp(
  'chebyshevPolynomialT(Tensor|Scalar input, Tensor|Scalar n)',
  of('chebyshevPolynomialT', 'chebyshevT'),
);
/** Chebyshev polynomial of the second kind Uₙ(x); 0 for negative n. See torch.special.chebyshev_polynomial_u. */
export const chebyshevPolynomialU = defineOp(
  'chebyshevPolynomialU(Tensor|Scalar input, Tensor|Scalar n)',
  of('chebyshevPolynomialU', 'chebyshevU'),
);
/** Chebyshev polynomial of the third kind Vₙ(x); 0 for negative n. See torch.special.chebyshev_polynomial_v. */
export const chebyshevPolynomialV = defineOp(
  'chebyshevPolynomialV(Tensor|Scalar input, Tensor|Scalar n)',
  of('chebyshevPolynomialV', 'chebyshevV'),
);
/** Chebyshev polynomial of the fourth kind Wₙ(x); 0 for negative n. See torch.special.chebyshev_polynomial_w. */
export const chebyshevPolynomialW = defineOp(
  'chebyshevPolynomialW(Tensor|Scalar input, Tensor|Scalar n)',
  of('chebyshevPolynomialW', 'chebyshevW'),
);
/** Tₙ(2x − 1). See torch.special.shifted_chebyshev_polynomial_t. */
export const shiftedChebyshevPolynomialT = defineOp(
  'shiftedChebyshevPolynomialT(Tensor|Scalar input, Tensor|Scalar n)',
  of('shiftedChebyshevPolynomialT', 'shiftedChebyshevT'),
);
/** Uₙ(2x − 1). See torch.special.shifted_chebyshev_polynomial_u. */
export const shiftedChebyshevPolynomialU = defineOp(
  'shiftedChebyshevPolynomialU(Tensor|Scalar input, Tensor|Scalar n)',
  of('shiftedChebyshevPolynomialU', 'shiftedChebyshevU'),
);
/** Vₙ(2x − 1). See torch.special.shifted_chebyshev_polynomial_v. */
export const shiftedChebyshevPolynomialV = defineOp(
  'shiftedChebyshevPolynomialV(Tensor|Scalar input, Tensor|Scalar n)',
  of('shiftedChebyshevPolynomialV', 'shiftedChebyshevV'),
);
/** Wₙ(2x − 1). See torch.special.shifted_chebyshev_polynomial_w. */
export const shiftedChebyshevPolynomialW = defineOp(
  'shiftedChebyshevPolynomialW(Tensor|Scalar input, Tensor|Scalar n)',
  of('shiftedChebyshevPolynomialW', 'shiftedChebyshevW'),
);
/** Physicists' Hermite polynomial Hₙ(x); 0 for negative n. See torch.special.hermite_polynomial_h. */
export const hermitePolynomialH = defineOp(
  'hermitePolynomialH(Tensor|Scalar input, Tensor|Scalar n)',
  of('hermitePolynomialH', 'hermiteH'),
);
/** Probabilists' Hermite polynomial Heₙ(x); 0 for negative n. See torch.special.hermite_polynomial_he. */
export const hermitePolynomialHe = defineOp(
  'hermitePolynomialHe(Tensor|Scalar input, Tensor|Scalar n)',
  of('hermitePolynomialHe', 'hermiteHe'),
);
/** Laguerre polynomial Lₙ(x); 0 for negative n. See torch.special.laguerre_polynomial_l. */
export const laguerrePolynomialL = defineOp(
  'laguerrePolynomialL(Tensor|Scalar input, Tensor|Scalar n)',
  of('laguerrePolynomialL', 'laguerreL'),
);
/** Legendre polynomial Pₙ(x); 0 for negative n. See torch.special.legendre_polynomial_p. */
export const legendrePolynomialP = defineOp(
  'legendrePolynomialP(Tensor|Scalar input, Tensor|Scalar n)',
  of('legendrePolynomialP', 'legendreP'),
);

const noDerivative = (call: string, name: string): Formula =>
  d(() => {
    throw new TenfoldError('graph', `${call}: the derivative for '${name}' isn't defined; detach() it`);
  });
/**
 * Hurwitz zeta function: the sum of (q + k)⁻ˣ over k ≥ 0, for x above 1. Only q, the second argument, has a derivative. See
 * torch.special.zeta.
 */
export const zeta = defineOp(
  'zeta(Tensor|Scalar input, Tensor|Scalar other)',
  of('zeta', 'zeta', {
    input: noDerivative('zeta', 'input'),
    other: d('input', 'other', (grad, x, q) =>
      grad.mul(x instanceof Tensor ? x.neg() : -Number(x)).mul(zeta(x instanceof Tensor ? x.add(1) : Number(x) + 1, q)),
    ),
  }),
);

/** xᵃ⁻¹ e⁻ˣ / Γ(a): how the lower function grows with x. */
const density = (a: Tensor, x: Tensor): Tensor => a.sub(1).mul(x.log()).sub(x).sub(a.lgamma()).exp();
const lower = (call: string): (() => OpDef) =>
  of(call, 'igamma', {
    [call === 'igamma' ? 'self' : 'input']: noDerivative(call, call === 'igamma' ? 'self' : 'input'),
    other: d(call === 'igamma' ? 'self' : 'input', 'other', (grad, a, x) =>
      grad.mul(density(a.to(grad.dtype), x.to(grad.dtype))),
    ),
  });
const upper = (call: string): (() => OpDef) =>
  of(call, 'igammac', {
    [call === 'igammac' ? 'self' : 'input']: noDerivative(call, call === 'igammac' ? 'self' : 'input'),
    other: d(call === 'igammac' ? 'self' : 'input', 'other', (grad, a, x) =>
      grad.mul(density(a.to(grad.dtype), x.to(grad.dtype))).neg(),
    ),
  });
/**
 * Regularized lower incomplete gamma function P(a, x), for a and x not below 0. Only x, the second argument, has a derivative.
 * See torch.igamma.
 */
export const igamma = defineOp('igamma[_](Tensor self, Tensor other)', lower('igamma'));
/** Regularized upper incomplete gamma function Q(a, x) = 1 − P(a, x). See torch.igammac. */
export const igammac = defineOp('igammac[_](Tensor self, Tensor other)', upper('igammac'));
/** igamma under the name that it has in torch.special. */
export const gammainc = defineOp('gammainc(Tensor input, Tensor other)', lower('gammainc'));
/** igammac under the name that it has in torch.special. */
export const gammaincc = defineOp('gammaincc(Tensor input, Tensor other)', upper('gammaincc'));
/**
 * Logarithm of the multivariate gamma function of dimension p, for x above (p − 1) / 2. See torch.mvlgamma.
 */
export const mvlgamma = defineOp('mvlgamma[_](Tensor self, int p)', (): OpDef => ({
  forward(x: Tensor, p: number) {
    if (p < 1) throw new RangeError(`mvlgamma: p must be at least 1, got ${p}`);
    const float = x.isFloatingPoint() ? x : x.float();
    return float
      .unsqueeze(-1)
      .add(arange(p, { dtype: float.dtype }).mul(-0.5))
      .lgamma()
      .sum(-1)
      .add((p * (p - 1) * Math.log(Math.PI)) / 4);
  },
  composite: true,
}));
