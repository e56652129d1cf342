/** Linear algebra under the names of torch.linalg. */
export { det, linalgCholesky as cholesky, slogdet } from './ops/factorization.js';
export { matrixNorm, norm } from './ops/linalg.js';
export { vectorNorm } from './ops/norm.js';
export { inv, solve, solveTriangular } from './ops/solving.js';
