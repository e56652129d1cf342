/** Linear algebra under the names of torch.linalg. */
export { det, linalgCholesky as cholesky, slogdet } from './ops/factorization.js';
export {
  cond, linalgCross as cross, linalgDiagonal as diagonal, linalgVander as vander, matrixNorm, matrixPower, multiDot, norm, vecdot,
} from './ops/linalg.js'; // prettier-ignore
export { matmul } from './ops/matrix.js';
export { vectorNorm } from './ops/norm.js';
export { linalgSvd as svd, matrixRank, pinv, svdvals } from './ops/singular.js';
export { inv, solve, solveTriangular } from './ops/solving.js';
