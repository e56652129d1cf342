/** The schedule that follows a measured value. */
import { show } from '../../errors.js';
import { capture } from '../../tensor/capture.js';
import { signature, type Arguments } from '../../op/schema.js';
import type { Optimizer, AnyOptions } from '../optimizer.js';
import { checkOptimizer, checkStateDict, perGroup, type SchedulerStateDict } from './schedule.js';
import { fieldsOf, keyOf } from './state.js';

const plateauCall = signature(
  "ReduceLROnPlateau('min'|'max' mode='min', float factor=0.1, int patience=10, float threshold=1e-4, 'rel'|'abs' thresholdMode='rel', int cooldown=0, float|float[] minLr=0, float eps=1e-8)",
);
/**
 * Options of ReduceLROnPlateau: `patience` steps without improvement are borne; `threshold`, relative or absolute, is what
 * counts as one; after a reduction nothing is counted for `cooldown` steps; changes of the rate below `eps` are not made.
 */
export type PlateauOptions = Extract<Arguments<typeof plateauCall.schema>[0], object>;

/** Lowers the rate when a measured value stops getting better. See torch.optim.lr_scheduler.ReduceLROnPlateau. */
export class ReduceLROnPlateau {
  best: number;
  lastEpoch = 0;
  cooldownCounter = 0;
  numBadEpochs = 0;
  private readonly mode: 'min' | 'max';
  private readonly factor: number;
  private readonly patience: number;
  private readonly threshold: number;
  private readonly thresholdMode: 'rel' | 'abs';
  private readonly cooldown: number;
  private readonly minLrs: number[];
  private readonly eps: number;
  private lastLr: number[] = [];

  constructor(
    readonly optimizer: Optimizer,
    ...args: Arguments<typeof plateauCall.schema>
  ) {
    const call = 'ReduceLROnPlateau';
    checkOptimizer(call, optimizer);
    const [mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps] = plateauCall.read(args);
    if (!(factor < 1)) throw new RangeError(`${call}: factor must be below 1, got ${factor}`);
    this.mode = mode as 'min' | 'max';
    this.factor = factor;
    this.thresholdMode = thresholdMode;
    this.patience = patience;
    this.threshold = threshold;
    this.cooldown = cooldown;
    this.eps = eps;
    this.minLrs = perGroup(call, 'minLr', minLr, optimizer.paramGroups.length);
    this.best = mode === 'min' ? Infinity : -Infinity;
    this.lastLr = optimizer.paramGroups.map((g) => g.lr as number);
  }

  /** Counts a value (a number, or a tensor of one element), and lowers the rates where there were too many bad ones. */
  step(metrics: number | { item(): number }): void {
    if (capture !== null)
      capture.refuse('ReduceLROnPlateau.step', 'it looks at a measured value; return the value, and call step outside');
    const given: unknown = metrics;
    const current: unknown =
      typeof given === 'object' && given !== null && 'item' in given && typeof given.item === 'function'
        ? (given as { item(): unknown }).item()
        : given;
    if (typeof current !== 'number') {
      throw new TypeError(
        `ReduceLROnPlateau.step: expected the measured value, a number or a tensor of one element, got ${show(metrics)}`,
      );
    }
    this.lastEpoch++;
    if (this.isBetter(current)) {
      this.best = current;
      this.numBadEpochs = 0;
    } else this.numBadEpochs++;
    if (this.cooldownCounter > 0) {
      this.cooldownCounter--;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > this.patience) {
      this.reduce();
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this.lastLr = this.optimizer.paramGroups.map((g) => g.lr as number);
  }
  private reduce(): void {
    this.optimizer.paramGroups.forEach((group, i) => {
      const old = group.lr as number;
      const lr = Math.max(old * this.factor, this.minLrs[i]!);
      if (old - lr > this.eps) group.lr = lr;
    });
  }
  private isBetter(value: number): boolean {
    const { best, threshold } = this;
    const relative = this.thresholdMode === 'rel';
    if (this.mode === 'min') return value < (relative ? best * (1 - threshold) : best - threshold);
    return value > (relative ? best * (threshold + 1) : best + threshold);
  }

  /** Rates after the last step. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }
  private fields(): string[] {
    return Object.keys(this).filter((name) => name !== 'optimizer');
  }
  /** Everything but the optimizer, under PyTorch's names. */
  stateDict(): SchedulerStateDict {
    const state: SchedulerStateDict = {};
    for (const field of this.fields()) state[keyOf(field)] = structuredClone((this as unknown as AnyOptions)[field]);
    return { ...state, default_min_lr: this.minLrs[0], mode_worse: this.mode === 'min' ? Infinity : -Infinity };
  }
  /** Goes on from what stateDict() gave, here or in PyTorch; JSON made null of an infinite `best`. */
  loadStateDict(stateDict: SchedulerStateDict): void {
    checkStateDict('ReduceLROnPlateau', stateDict);
    const read = fieldsOf('ReduceLROnPlateau.loadStateDict', stateDict, this.fields());
    if (read.best === null) read.best = (read.mode ?? this.mode) === 'min' ? Infinity : -Infinity;
    Object.assign(this, read);
  }
}
