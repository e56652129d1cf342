/** Linear algebra under the names of torch.linalg. */
export { det, linalgCholesky as cholesky, slogdet } from './ops/factorization.js';
export { cond, matrixNorm, norm } from './ops/linalg.js';
export { vectorNorm } from './ops/norm.js';
export { linalgSvd as svd, matrixRank, pinv, svdvals } from './ops/singular.js';
export { inv, solve, solveTriangular } from './ops/solving.js';
