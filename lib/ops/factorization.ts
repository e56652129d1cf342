/** What factorizations of square matrices give: determinants (by LU) and Cholesky factors. Solutions: solving.ts. */
import { TenfoldError } from '../errors.js';
import { mode } from '../autograd/mode.js';
import { Code } from '../dtype.js';
import { checkZero } from '../launch/check.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { Generator } from '../random/generator.js';
import { numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { where } from './arithmetic.js';
import { checkSquare, idFor, inv, luFactor, solveTriangular, whichMatrix, type Factors } from './solving.js';

const CHOLESKY = kernel('cholesky');

// ---- determinants ----------------------------------------------------------------------------------------------------

const diagonalOf = ({ lu }: Factors): Tensor => lu.diagonal(0, -2, -1);
/** A number for each matrix, so that it broadcasts to them. */
const each = (t: Tensor): Tensor => t.unsqueeze(-1).unsqueeze(-1);

/**
 * Determinants of square matrices [..., n, n], float32 or float64; 0 of a singular one, 1 of an empty one. See
 * torch.linalg.det.
 */
export const det = defineOp('det(Tensor self)', (): OpDef => ({
  forward(a: Tensor) {
    checkSquare('det', a);
    const f = luFactor(a);
    return diagonalOf(f).prod(-1).mul(f.parity);
  },
  backward: { self: d('self', 'result', detBackward) },
  gradName: 'LinalgDetBackward0',
}));
// The gradient is det(A) A⁻ᵀ: the cofactors, which are polynomials in A, and so have values at singular matrices too.
function detBackward(grad: Tensor, a: Tensor, result: Tensor): Tensor {
  const singular = mode.grad ? nearlySingular(a.detach()) : result.eq(0);
  const any = singular.any().item<boolean>();
  return (any ? cofactorsNear(a, singular) : inv(a).mT.mul(each(result))).mul(each(grad));
}
/** Where a second derivative by A⁻¹ would lose half of its digits, though the first keeps them: a pivot almost vanishes. */
function nearlySingular(a: Tensor): Tensor {
  const pivots = diagonalOf(luFactor(a)).abs();
  if (a.shape.at(-1) === 0) return pivots.sum(-1).ne(0);
  return pivots.amin(-1).le(pivots.amax(-1).mul(a.code === Code.f64 ? 2 ** -26 : 2 ** -12));
}
/**
 * Cofactors of matrices of which some are singular, float64: of those the mean of two regular matrices' on either side,
 * which differs from theirs by the square of the distance.
 */
function cofactorsNear(a: Tensor, singular: Tensor): Tensor {
  const wide = a.to('float64');
  const step = stepOffSingular(wide.detach(), singular);
  const [above, below] = [wide.add(step), wide.sub(step)].map((x) => inv(x).mT.mul(each(det(x))));
  return above!.add(below!).mul(0.5);
}
/**
 * What makes singular matrices (float64) regular: a little of one that has nothing to do with them, so that each
 * vanishing singular value becomes as large as it. 0 for regular ones.
 */
function stepOffSingular(a: Tensor, singular: Tensor): Tensor {
  const n = a.shape.at(-1)!;
  const size = a.abs().amax([-2, -1], true);
  const direction = Tensor.raw([n, n], Code.f64).uniform_(-1, 1, { generator: new Generator() });
  return direction.mul(where(each(singular), where(size.eq(0), 1, size).mul(2 ** -26), 0));
}

/**
 * Sign and logarithm of the magnitude of determinants of [..., n, n], float32 or float64, where the determinant itself
 * would overflow; 0 and -Infinity of a singular matrix, whose gradient is not finite. See torch.linalg.slogdet.
 */
export const slogdet = defineOp('slogdet(Tensor self) -> (sign, logabsdet)', (): OpDef => ({
  forward(a: Tensor) {
    checkSquare('slogdet', a);
    const f = luFactor(a);
    const diagonal = diagonalOf(f);
    const sign = diagonal.sign().prod(-1).mul(f.parity);
    return [sign, diagonal.abs().log().sum(-1)];
  },
  backward: { self: d('self', 'result1', slogdetBackward) },
  gradName: 'LinalgSlogdetBackward0',
}));
// A⁻ᵀ; of a singular matrix the cofactors divided by 0.
function slogdetBackward(grads: readonly Tensor[], a: Tensor, logabsdet: Tensor): Tensor {
  const singular = logabsdet.detach().eq(-Infinity);
  const factor = each(grads[1]!);
  if (!singular.any().item<boolean>()) return inv(a).mT.mul(factor);
  const wide = a.to('float64');
  const regular = inv(wide.add(stepOffSingular(wide.detach(), singular))).mT;
  return where(each(singular), cofactorsNear(a, singular).div(each(det(wide))), regular).mul(factor);
}
/** Logarithm of determinants of [..., n, n]; NaN where it is negative, -Infinity where it is 0. See torch.logdet. */
export const logdet = defineOp('logdet(Tensor self)', (): OpDef => ({
  forward(a: Tensor) {
    checkSquare('logdet', a);
    const { sign, logabsdet } = slogdet(a);
    return where(sign.eq(-1), NaN, logabsdet);
  },
  composite: true,
}));

// ---- Cholesky --------------------------------------------------------------------------------------------------------

/** The triangle of [..., n, n] that `upper` says, factored, and the first minor that isn't positive. No graph. */
function triangleOf(a: Tensor, upper: boolean): { out: Tensor; minor: Tensor } {
  const out = a.rawClone();
  const batch = a.shape.slice(0, -2);
  const minor = Tensor.raw(batch, Code.i64);
  run(idFor(CHOLESKY, a), numelOf(batch), a.shape.at(-1)!, Number(upper), out, minor);
  return { out, minor };
}
/** Orders of the first leading minors that aren't positive, 0 where all are, as int32. No graph. */
export const minorOf = (a: Tensor, upper: boolean): Tensor => triangleOf(a.detach(), upper).minor.to('int32');
/** The factor of the triangle; the other one is not read. No graph. */
function choleskyOf(a: Tensor, upper: boolean): Tensor {
  checkSquare('cholesky', a);
  const { out, minor } = triangleOf(a, upper);
  checkZero(
    minor,
    (order, item) =>
      new TenfoldError(
        'value',
        `cholesky: ${whichMatrix(a, item)} is not positive definite: its leading minor of order ${order} isn't positive`,
      ),
  );
  return out;
}
// I. Murray, "Differentiation of the Cholesky decomposition", 2016: L⁻ᵀ Φ(Lᵀ Ḡ) L⁻¹, made symmetric, where Φ takes the
// lower triangle and half of the diagonal.
function choleskyBackward(grad: Tensor, result: Tensor, upper: boolean): Tensor {
  const l = upper ? result.mT : result;
  const phi = l.mT.matmul(upper ? grad.mT : grad);
  const symmetric = phi.tril().add(phi.tril(-1).mT).mul(0.5);
  return solveTriangular(l, solveTriangular(l.mT, symmetric, { upper: true }), { upper: false, left: false });
}
const choleskyRule = (input: string, gradName: string) => (): OpDef => ({
  forward: choleskyOf,
  backward: { [input]: d('result', (grad, result, call) => choleskyBackward(grad, result, call.upper)) },
  gradName,
});
/**
 * The lower triangular L of A = L Lᵀ, or with `upper` the U of A = Uᵀ U, for symmetric positive definite matrices
 * [..., n, n], float32 or float64; only the triangle that is asked for is read of A. Others are refused. See
 * torch.linalg.cholesky.
 */
export const linalgCholesky = defineOp(
  'cholesky(Tensor A, *, bool upper=false)',
  choleskyRule('A', 'LinalgCholeskyExBackward0'),
);
/** Cholesky factors of symmetric positive definite matrices: linalg.cholesky. See torch.cholesky. */
export const cholesky = defineOp('cholesky(Tensor self, bool upper=false)', choleskyRule('self', 'CholeskyBackward0'));
