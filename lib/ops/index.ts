/** Every op. A family's file is listed here once; its schemas make Tensor's methods. */
export * from './activation.js';
export * from './arithmetic.js';
export * from './contraction.js';
export * from './convert.js';
export * from './matrix.js';
export * from './random.js';
export * from './reduction.js';
export * from './special.js';
export * from './unary.js';
export * from './view.js';
