/** Linear algebra under the names of torch.linalg. */
export { eigh, eigvalsh, matrixSqrth } from './ops/eigen.js';
export { det, linalgCholesky as cholesky, slogdet } from './ops/factorization.js';
export {
  cond, linalgCross as cross, linalgDiagonal as diagonal, linalgVander as vander, matrixNorm, matrixPower, multiDot, norm, vecdot,
} from './ops/linalg.js'; // prettier-ignore
export { matmul } from './ops/matrix.js';
export { vectorNorm } from './ops/norm.js';
export { linalgSvd as svd, matrixRank, pinv, svdvals } from './ops/singular.js';
export { ldlFactor, ldlFactorEx, ldlSolve } from './ops/ldl.js';
export { eig, eigvals } from './ops/spectrum.js';
export { inv, solve, solveTriangular } from './ops/solving.js';
export { linalgLu as lu, luFactor, luFactorEx, linalgLuSolve as luSolve } from './ops/lu.js';
export {
  choleskyEx,
  invEx,
  linalgMatrixExp as matrixExp,
  solveEx,
  tensorinv,
  tensorsolve,
} from './ops/matrixFunctions.js';
export { householderProduct, linalgQr as qr, lstsq, polar } from './ops/orthogonal.js';
