/** Matrix exponentials, solutions from Cholesky factors, inverses and solutions of tensors, factorizations with an info. */
import { TenfoldError, renamed } from '../errors.js';
import { isFloatCode, type Code } from '../dtype.js';
import { formatShape, numelOf, sameShape, wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { all, d, defineOp, type OpDef } from '../op/define.js';
import { floatOnly } from '../op/reduce.js';
import { where } from './arithmetic.js';
import { linalgCholesky, minorOf } from './factorization.js';
import { cat } from './joining.js';
import { checkMatrices, checkSquare, inv, inverseOrInfinity, luFactor, solve, solveTriangular } from './solving.js';

const eye = (n: number, code: Code): Tensor => Tensor.zeros([n, n], code).fillDiagonal_(1);

// ---- the exponential -------------------------------------------------------------------------------------------------

/**
 * Taylor's series of A / 2ˢ, whose norm is at most ½, squared s times (N. Higham, "Functions of Matrices", 2008, chapter 10);
 * each matrix of a batch as often as it needs. In float64 for every dtype, as squaring doubles errors.
 */
function exponential(given: Tensor): Tensor {
  const a = given.to('float64');
  const n = a.shape.at(-1)!;
  if (a.count === 0) return given.rawClone();
  const norms = a.abs().sum(-2).amax(-1);
  const squarings = where(norms.gt(0.5), norms.mul(2).log2().ceil(), 0).to('float64');
  const scale = squarings.neg().exp2().unsqueeze(-1).unsqueeze(-1);
  const x = a.mul(scale);
  const one = eye(n, a.code);
  const terms = 15; // ½ⁿ / n! is below a quarter of float64's epsilon
  let y = x.div(terms).add(one);
  for (let k = terms - 1; k >= 1; k--) y = x.matmul(y).div(k).add(one);
  const most = squarings.amax().item() as number;
  if (!Number.isFinite(most)) return where(squarings.isfinite().unsqueeze(-1).unsqueeze(-1), y, NaN).to(given.dtype);
  for (let step = 0; step < most; step++) y = where(squarings.gt(step).unsqueeze(-1).unsqueeze(-1), y.matmul(y), y);
  return y.to(given.dtype);
}
// exp of (Aᵀ G; 0 Aᵀ) has the derivative in its upper right: N. Higham, chapter 3.2.
function exponentialBackward(grad: Tensor, a: Tensor, of: (a: Tensor) => Tensor): Tensor {
  const n = a.shape.at(-1)!;
  const top = cat([a.mT, grad], -1);
  const bottom = cat([Tensor.zeros(a.shape, a.code), a.mT], -1);
  return of(cat([top, bottom], -2))
    .narrow(-2, 0, n)
    .narrow(-1, n, n);
}
/** e to the power of square matrices [..., n, n] of a floating-point dtype. See torch.linalg.matrix_exp. */
export const linalgMatrixExp = defineOp('matrixExp(Tensor A)', (): OpDef => ({
  forward(a: Tensor) {
    if (a.shape.length < 2 || a.shape.at(-1) !== a.shape.at(-2))
      throw new TenfoldError('shape', `matrixExp: needs square matrices [..., n, n], got ${formatShape(a.shape)}`);
    floatOnly('matrixExp', a);
    return exponential(a);
  },
  backward: { A: d('A', (grad, a) => exponentialBackward(grad, a, linalgMatrixExp)) },
  gradName: 'LinalgMatrixExpBackward0',
}));
/** e to the power of square matrices: linalg.matrixExp. See torch.matrix_exp. */
export const matrixExp = defineOp('matrixExp(Tensor self)', (): OpDef => ({
  forward: (a: Tensor) => linalgMatrixExp(a),
  composite: true,
}));

// ---- Cholesky --------------------------------------------------------------------------------------------------------

const byFactor = (b: Tensor, factor: Tensor, upper: boolean): Tensor => {
  const l = upper ? factor.mT : factor;
  return solveTriangular(l.mT, solveTriangular(l, b, { upper: false }), { upper: true });
};
/** −(C + Cᵀ) L, or −U (C + Cᵀ): what the gradient C of A sends to its factor. */
function toFactor(c: Tensor, factor: Tensor, upper: boolean): Tensor {
  const both = c.add(c.mT);
  return (upper ? factor.matmul(both) : both.matmul(factor)).neg();
}
/**
 * The X of A X = self from the Cholesky factor of A [..., n, n]: L of A = L Lᵀ, or with `upper` U of A = Uᵀ U. self is
 * [..., n, k], float32 or float64; batches broadcast. See torch.cholesky_solve.
 */
export const choleskySolve = defineOp('choleskySolve(Tensor self, Tensor input2, bool upper=false)', (): OpDef => ({
  forward(b: Tensor, factor: Tensor, upper: boolean) {
    checkSquare('choleskySolve', factor);
    checkMatrices('choleskySolve', b);
    return renamed('choleskySolve', () => byFactor(b, factor, upper));
  },
  backward: all(['input2', 'result'], (grad, { input2, result }, { upper }, needs) => {
    const gradB = choleskySolve(grad, input2, upper);
    return [gradB, needs[1] ? toFactor(gradB.matmul(result.mT), input2, upper) : null];
  }),
}));
/** The inverse of A from its Cholesky factor (see choleskySolve). See torch.cholesky_inverse. */
export const choleskyInverse = defineOp('choleskyInverse(Tensor self, bool upper=false)', (): OpDef => ({
  forward(factor: Tensor, upper: boolean) {
    checkSquare('choleskyInverse', factor);
    return byFactor(eye(factor.shape.at(-1)!, factor.code), factor, upper);
  },
  backward: {
    self: d('self', 'result', (grad, factor, result, call) =>
      toFactor(result.matmul(grad).matmul(result), factor, call.upper),
    ),
  },
}));

// ---- with an info instead of an error --------------------------------------------------------------------------------

const infoOf = (a: Tensor): Tensor => luFactor(a.detach()).zeroPivot.to('int32');
const regular = (a: Tensor, info: Tensor): Tensor => where(info.eq(0).unsqueeze(-1).unsqueeze(-1), a, eye(a.shape.at(-1)!, a.code)); // prettier-ignore

/**
 * linalg.cholesky, and `info` (int32): the order of the first leading minor that isn't positive, 0 where all are. The factor
 * of such a matrix is NaN; `checkErrors` refuses it. See torch.linalg.cholesky_ex.
 */
export const choleskyEx = defineOp(
  'choleskyEx(Tensor A, *, bool upper=false, bool checkErrors=false) -> (L, info)',
  (): OpDef => ({
    forward(a: Tensor, upper: boolean, check: boolean) {
      checkSquare('choleskyEx', a);
      const info = minorOf(a, upper);
      const failed = info.ne(0);
      if (check || !failed.any().item<boolean>())
        return [renamed('choleskyEx', () => linalgCholesky(a, { upper })), info];
      const l = linalgCholesky(regular(a, info), { upper });
      return [where(failed.unsqueeze(-1).unsqueeze(-1), NaN, l), info];
    },
    composite: true,
  }),
);
/**
 * linalg.inv, and `info` (int32): the number of the first pivot that is zero, 0 where none is. The inverse of such a matrix is
 * infinite; `checkErrors` refuses it. See torch.linalg.inv_ex.
 */
export const invEx = defineOp('invEx(Tensor A, *, bool checkErrors=false) -> (inverse, info)', (): OpDef => ({
  forward(a: Tensor, check: boolean) {
    checkSquare('invEx', a);
    const info = infoOf(a);
    return [check ? renamed('invEx', () => inv(a)) : inverseOrInfinity(a), info];
  },
  composite: true,
}));
/** linalg.solve, and `info` as invEx has it; the solution with a singular matrix is NaN. See torch.linalg.solve_ex. */
export const solveEx = defineOp(
  'solveEx(Tensor A, Tensor B, *, bool left=true, bool checkErrors=false) -> (result, info)',
  (): OpDef => ({
    forward(a: Tensor, b: Tensor, left: boolean, check: boolean) {
      checkSquare('solveEx', a);
      const info = infoOf(a);
      if (check || !info.ne(0).any().item<boolean>()) return [renamed('solveEx', () => solve(a, b, { left })), info];
      const x = renamed('solveEx', () => solve(regular(a, info), b, { left }));
      let failed = info.ne(0);
      while (failed.shape.length < x.shape.length) failed = failed.unsqueeze(-1);
      return [where(failed, NaN, x), info];
    },
    composite: true,
  }),
);
/**
 * The X of A X = self for triangular A [..., n, n] (Aᵀ with `transpose`), and A: linalg.solveTriangular's older form. Batches
 * broadcast. See torch.triangular_solve.
 */
export const triangularSolve = defineOp(
  'triangularSolve(Tensor self, Tensor A, bool upper=true, bool transpose=false, bool unitriangular=false) -> (solution, clonedCoefficient)',
  (): OpDef => ({
    forward(b: Tensor, a: Tensor, upper: boolean, transpose: boolean, unitriangular: boolean) {
      const options = { upper: transpose ? !upper : upper, unitriangular };
      const x = renamed('triangularSolve', () => solveTriangular(transpose ? a.mT : a, b, options));
      return [x, a.expand([...x.shape.slice(0, -2), ...a.shape.slice(-2)]).clone()]; // prettier-ignore
    },
    composite: true,
  }),
);

// ---- tensors as matrices ---------------------------------------------------------------------------------------------

/**
 * The inverse of a tensor as a linear map from its last dims to its first `ind` ones, whose sizes have one product; see
 * tensorsolve. See torch.linalg.tensorinv.
 */
export const tensorinv = defineOp('tensorinv(Tensor A, int ind=2)', (): OpDef => ({
  forward(a: Tensor, ind: number) {
    if (ind < 1) throw new RangeError(`tensorinv: ind must be at least 1, got ${ind}`);
    const [first, last] = [a.shape.slice(0, ind), a.shape.slice(ind)];
    if (numelOf(first) !== numelOf(last)) {
      throw new TenfoldError(
        'shape',
        `tensorinv: the first ${ind} sizes and the others must have one product, got ${formatShape(a.shape)}`,
      );
    }
    return renamed('tensorinv', () => inv(a.reshape([numelOf(first), numelOf(last)]))).reshape([...last, ...first]);
  },
  composite: true,
}));
/**
 * The X of tensordot(A, X, X's dims) = B: A has B's sizes first and then X's; `dims` of A are moved to its end before. See
 * torch.linalg.tensorsolve.
 */
export const tensorsolve = defineOp('tensorsolve(Tensor A, Tensor B, int[]? dims=null)', (): OpDef => ({
  forward(given: Tensor, b: Tensor, dims: number | readonly number[] | null) {
    const moved = (typeof dims === 'number' ? [dims] : (dims ?? [])).map((dim) => wrapDim('tensorsolve', dim, given.shape.length)); // prettier-ignore
    const a = moved.length > 0 ? given.movedim(moved, moved.map((_, i) => given.shape.length - moved.length + i)) : given; // prettier-ignore
    const n = b.count;
    const unknown = a.shape.slice(b.shape.length);
    if (
      (!sameShape(a.shape.slice(0, b.shape.length), b.shape) && numelOf(a.shape) !== n * n) ||
      numelOf(unknown) !== n
    ) {
      throw new TenfoldError(
        'shape',
        `tensorsolve: A must have B's ${n} elements twice, first in B's sizes, got A ${formatShape(given.shape)} and B ${formatShape(b.shape)}`,
      );
    }
    if (!isFloatCode(b.code)) throw new TenfoldError('dtype', `tensorsolve: needs float32 or float64, got ${b.dtype}`);
    return renamed('tensorsolve', () => solve(a.reshape([n, n]), b.reshape([n]))).reshape(unknown);
  },
  composite: true,
}));
