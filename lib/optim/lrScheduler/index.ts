/** Learning-rate schedules, as torch.optim.lr_scheduler. */
export { LRScheduler, type EpochFunction, type SchedulerStateDict } from './schedule.js';
export {
  LambdaLR,
  MultiplicativeLR,
  StepLR,
  MultiStepLR,
  ExponentialLR,
  ConstantLR,
  LinearLR,
  PolynomialLR,
} from './decay.js';
export { CosineAnnealingLR, CosineAnnealingWarmRestarts } from './cosine.js';
export { OneCycleLR, CyclicLR, type OneCycleOptions, type CyclicOptions } from './cycle.js';
export { SequentialLR, ChainedScheduler } from './combined.js';
export { ReduceLROnPlateau, type PlateauOptions } from './plateau.js';
