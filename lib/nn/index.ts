/** Neural networks, as torch.nn: modules, their functional forms, initial values. Namespace `nn`. */
export * as functional from './functional/index.js';
export * as init from './init.js';
export * as utils from './utils/index.js';
export { Module, type StateDict } from './module.js';
export type { HookHandle } from './hooks.js';
export * as parallel from './parallel/index.js';
export { SyncBatchNorm } from './parallel/syncBatchNorm.js';
export { Parameter } from './parameter.js';
export { UninitializedBuffer, UninitializedParameter } from './uninitialized.js';
export { ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential } from './containers.js';
export * from './layers/activation.js';
export { MultiheadAttention } from './layers/attention.js';
export * from './layers/convolution.js';
export * from './layers/distance.js';
export * from './layers/dropout.js';
export * from './layers/embedding.js';
export { Bilinear, Identity, Linear } from './layers/linear.js';
export * from './layers/lazy.js';
export * from './layers/loss.js';
export {
  BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm,
  LocalResponseNorm, RMSNorm, type NormOptions,
} from './layers/normalization.js'; // prettier-ignore
export * from './layers/padding.js';
export * from './layers/pooling.js';
export {
  GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell,
} from './layers/recurrent.js'; // prettier-ignore
export * from './layers/shape.js';
export * from './layers/transformer.js';
