/** Every op. A family's file is listed here once; its schemas make Tensor's methods. */
export * from './activation.js';
export * from './arithmetic.js';
export * from './contraction.js';
export * from './convert.js';
export * from './gathering.js';
export * from './indexing.js';
export * from './joining.js';
export * from './matrix.js';
export * from './random.js';
export * from './rearrange.js';
export * from './reduction.js';
export * from './sorting.js';
export * from './special.js';
export * from './unary.js';
export * from './view.js';
