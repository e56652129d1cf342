/** Gamma and Bessel functions. What has no kernel is summed here in float64, from series of tensor operations. */
import { isFloatCode } from '../dtype.js';
import { kernel } from '../native/launch.js';
import type { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type Formula, type Op, type OpDef } from '../op/define.js';
import { overload } from '../op/overload.js';
import type { Overload } from '../op/schema.js';
import { To, unary } from '../op/elementwise.js';
import { where } from './arithmetic.js';

const withKernel = (name: string, self: Formula): (() => OpDef) => {
  const k = kernel(name);
  return (): OpDef => ({
    forward: (x: Tensor, into?: Tensor) => unary(k, name, x, To.float, undefined, into),
    backward: { self },
  });
};
/** An op that computes in float64 and answers in the input's dtype (float32 for integers). */
const inDouble = (f: (x: Tensor) => Tensor, input: Formula): (() => OpDef) => {
  return (): OpDef => ({
    forward: (x: Tensor) => f(x.double()).to(isFloatCode(x.code) ? x.dtype : 'float32'),
    backward: { input },
  });
};
/** c[0] + c[1] x + c[2] x² + … */
const polynomial = (x: Tensor, c: readonly number[]): Tensor =>
  c.slice(0, -1).reduceRight((sum, factor) => sum.mul(x).add(factor), x.mul(0).add(c.at(-1)!));

// ---- gamma ---------------------------------------------------------------------------------------------------------

/** log Γ(x). See torch.lgamma. */
export const lgamma = defineOp(
  'lgamma[_](Tensor self)',
  withKernel(
    'lgamma',
    d('self', (grad, x) => grad.mul(x.digamma())),
  ),
);
/** Derivative of log Γ(x). See torch.digamma. */
export const digamma = defineOp(
  'digamma[_](Tensor self)',
  withKernel(
    'digamma',
    d('self', (grad, x) => grad.mul(x.polygamma(1))),
  ),
);

const polygammaOf = defineOp('polygamma[_](Tensor self, int n)', (): OpDef => ({
  forward(x: Tensor, n: number) {
    if (n < 0) throw new RangeError(`polygamma: n must not be negative, got ${n}`);
    if (n > 170) throw new RangeError(`polygamma: n must be at most 170, as n! is infinite from 171 on, got ${n}`);
    if (n === 0) return x.digamma();
    return derivativeOfDigamma(x.double(), n).to(isFloatCode(x.code) ? x.dtype : 'float32');
  },
  backward: { self: d('self', (grad, x, call) => grad.mul(x.polygamma(call.n + 1))) },
}));
const polygammaFirst = defineOp('polygamma(int n, Tensor input)', (): OpDef => ({
  forward: (n: number, x: Tensor) => x.polygamma(n),
  composite: true,
}));
/** n-th derivative of digamma, n from 0 to 170: `polygamma(n, x)` or `x.polygamma(n)`. See torch.polygamma. */
export const polygamma: Overload<'polygamma', typeof polygammaFirst, typeof polygammaOf> = overload(
  'polygamma',
  polygammaFirst,
  polygammaOf,
);

/**
 * (−1)ⁿ⁺¹ n! ζ(n + 1, x): terms one by one up to x + 15 + n, the rest by Euler and Maclaurin (Abramowitz & Stegun 6.4.10
 * and 23.1.30). Left of ½ by reflection (6.4.7).
 */
function derivativeOfDigamma(x: Tensor, n: number): Tensor {
  const left = x.lt(0.5);
  const y = where(left, x.neg().add(1), x);
  const s = n + 1;
  const terms = 15 + n;
  let sum = y.pow(-s);
  for (let k = 1; k < terms; k++) sum = sum.add(y.add(k).pow(-s));
  const far = y.add(terms);
  const r = far.reciprocal();
  // factor[j] = B₂ⱼ / (2j)! · s (s + 1) … (s + 2j − 2)
  let rising = s;
  let factorial = 2;
  const tail = BERNOULLI.map((b, j) => {
    const factor = (b / factorial) * rising;
    rising *= (s + 2 * j + 1) * (s + 2 * j + 2);
    factorial *= (2 * j + 3) * (2 * j + 4);
    return factor;
  });
  const series = r.mul(r.mul(polynomial(r.square(), tail)).add(0.5)).add(1 / n);
  let n1 = n % 2 === 0 ? -1 : 1;
  for (let k = 2; k <= n; k++) n1 *= k;
  const right = sum.add(far.pow(-n).mul(series)).mul(n1);
  const mirrored = right.mul(n % 2 === 0 ? 1 : -1).sub(derivativeOfCotangent(x, n));
  const pole = x.le(0).logicalAnd(x.eq(x.floor()));
  return where(pole, n % 2 === 0 ? -Infinity : Infinity, where(left, mirrored, right));
}
/** B₂, B₄, … */
const BERNOULLI = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
  43867 / 798,
  -174611 / 330,
  854513 / 138,
];

/** π times the n-th derivative of cot(πx), a polynomial in c = cot(πx): each p(c) becomes −π (1 + c²) p′(c). */
function derivativeOfCotangent(x: Tensor, n: number): Tensor {
  let p = [0, Math.PI];
  for (let i = 0; i < n; i++) {
    const slope = p.slice(1).map((factor, k) => -Math.PI * factor * (k + 1));
    p = [...slope, 0, 0].map((factor, k) => factor + (k >= 2 ? slope[k - 2]! : 0));
  }
  return polynomial(x.sub(x.round()).mul(Math.PI).tan().reciprocal(), p);
}

// ---- modified Bessel functions of the first kind ---------------------------------------------------------------------

/** exp(−|x|) Iᵥ(x) for v 0 or 1: its power series up to 30 (DLMF 10.25.2), its expansion in 1/x beyond (10.40.1). */
function scaledBessel(x: Tensor, v: 0 | 1): Tensor {
  const y = x.abs();
  const near: number[] = [1];
  for (let k = 1; k < 64; k++) near.push(near[k - 1]! / (k * (k + v)));
  const far: number[] = [1];
  for (let k = 1; k < 22; k++) far.push((far[k - 1]! * ((2 * k - 1) ** 2 - 4 * v * v)) / (8 * k));
  const half = y.clamp(null, 30).mul(0.5);
  const series = polynomial(half.square(), near).mul(y.clamp(null, 30).neg().exp());
  const large = y.clamp(30);
  const expansion = polynomial(large.reciprocal(), far).mul(large.mul(2 * Math.PI).rsqrt());
  const value = where(y.le(30), v === 0 ? series : series.mul(half), expansion);
  return where(y.isnan(), x, v === 0 ? value : value.copysign(x));
}

/** Modified Bessel function of the first kind, order 0. See torch.i0. */
export const i0 = defineOp(
  'i0[_](Tensor self)',
  withKernel(
    'i0',
    d('self', (grad, x) => grad.mul(i1(x))),
  ),
);
/** exp(−|x|) I₀(x). See torch.special.i0e. */
export const i0e = defineOp(
  'i0e(Tensor input)',
  inDouble(
    (x) => scaledBessel(x, 0),
    d('input', 'result', (grad, x, y) => grad.mul(i1e(x).sub(x.sign().mul(y)))),
  ),
);
/** Modified Bessel function of the first kind, order 1. See torch.special.i1. */
export const i1: Op<'i1(Tensor input)'> = defineOp(
  'i1(Tensor input)',
  inDouble(
    (x) => {
      const root = x.abs().mul(0.5).exp(); // exp(x) overflows before I₁ does
      return scaledBessel(x, 1).mul(root).mul(root);
    },
    d('input', 'result', (grad, x, y) => grad.mul(x.i0().sub(ratio(y, x)))),
  ),
);
/** exp(−|x|) I₁(x). See torch.special.i1e. */
export const i1e: Op<'i1e(Tensor input)'> = defineOp(
  'i1e(Tensor input)',
  inDouble(
    (x) => scaledBessel(x, 1),
    d('input', 'result', (grad, x, y) => grad.mul(i0e(x).sub(x.sign().mul(y)).sub(ratio(y, x)))),
  ),
);
/** I₁(x) / x, which is ½ at 0. */
const ratio = (y: Tensor, x: Tensor): Tensor => where(x.eq(0), 0.5, y.div(where(x.eq(0), 1, x)));
