/** Optimizers and learning-rate schedules, as torch.optim. */
export { Optimizer, type OptimizerStateDict, type ParamGroup, type ParamState } from './optimizer.js';
export { SGD, type SGDOptions } from './sgd.js';
export { Adam, AdamW, type AdamOptions } from './adam.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { Adagrad, type AdagradOptions } from './adagrad.js';
export { Adadelta, type AdadeltaOptions } from './adadelta.js';
export { Adamax, type AdamaxOptions } from './adamax.js';
export { NAdam, type NAdamOptions } from './nadam.js';
export { RAdam, type RAdamOptions } from './radam.js';
export { ASGD, type ASGDOptions } from './asgd.js';
export { Rprop, type RpropOptions } from './rprop.js';
export * as lrScheduler from './lrScheduler/index.js';
export { LBFGS, type LBFGSOptions } from './lbfgs.js';
export { Muon, type AdjustLr, type MuonOptions } from './muon.js';
export { Lion, type LionOptions } from './lion.js';
export * as swaUtils from './averaging.js';
