/** Neural networks, as torch.nn: modules, their functional forms, initial values. Namespace `nn`. */
export * as functional from './functional/index.js';
export * as init from './init.js';
export * as utils from './utils/index.js';
export { Module, type StateDict } from './module.js';
export { Parameter } from './parameter.js';
export { ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential } from './containers.js';
export * from './layers/activation.js';
export { Bilinear, Identity, Linear } from './layers/linear.js';
export * from './layers/loss.js';
