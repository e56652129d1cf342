/** Linear algebra under the names of torch.linalg. */
export { matrixNorm, norm } from './ops/linalg.js';
export { vectorNorm } from './ops/norm.js';
