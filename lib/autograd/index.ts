/** Automatic differentiation: gradients as values, user-defined functions, checks, hooks. Namespace `autograd`. */
export { grad, backward } from './gradients.js';
export * as functional from './functional.js';
export * as forwardAd from './forwardAd.js';
export { jacobian, hessian, vjp } from './functional.js';
export { Function, FunctionContext } from './function.js';
export { gradcheck, gradgradcheck, type GradcheckOptions } from './gradcheck.js';
export { detectAnomaly, inferenceMode, noGrad, enableGrad, setGradEnabled } from './mode.js';
export * as graph from './hooks.js';
export type { Node, Hook } from './graph.js';
