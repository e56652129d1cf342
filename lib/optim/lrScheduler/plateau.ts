/** The schedule that follows a measured value. */
import { checkOptions, show } from '../../errors.js';
import type { Optimizer, AnyOptions } from '../optimizer.js';
import { checkOptimizer, checkOneOf, checkStateDict, perGroup, type SchedulerStateDict } from './schedule.js';

/** Options of ReduceLROnPlateau. */
export interface PlateauOptions {
  /** Whether a lower or a higher value is better. */
  mode?: 'min' | 'max';
  factor?: number;
  /** Steps without improvement that are borne. */
  patience?: number;
  /** What counts as one: relative to the best so far, or absolute. */
  threshold?: number;
  thresholdMode?: 'rel' | 'abs';
  /** Steps after a reduction in which nothing is counted. */
  cooldown?: number;
  minLr?: number | readonly number[];
  /** Smaller changes of the rate are not made. */
  eps?: number;
}

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
    options: PlateauOptions = {},
  ) {
    const call = 'ReduceLROnPlateau';
    checkOptimizer(call, optimizer);
    const { mode = 'min', factor = 0.1, thresholdMode = 'rel', minLr = 0 } = options;
    checkOptions(call, options, [
      'mode',
      'factor',
      'patience',
      'threshold',
      'thresholdMode',
      'cooldown',
      'minLr',
      'eps',
    ]);
    checkOneOf(call, 'mode', mode, ['min', 'max']);
    checkOneOf(call, 'thresholdMode', thresholdMode, ['rel', 'abs']);
    if (!(factor < 1)) throw new RangeError(`${call}: factor must be below 1, got ${factor}`);
    this.mode = mode;
    this.factor = factor;
    this.thresholdMode = thresholdMode;
    this.patience = options.patience ?? 10;
    this.threshold = options.threshold ?? 1e-4;
    this.cooldown = options.cooldown ?? 0;
    this.eps = options.eps ?? 1e-8;
    this.minLrs = perGroup(call, 'minLr', minLr, optimizer.paramGroups.length);
    this.best = mode === 'min' ? Infinity : -Infinity;
    this.lastLr = optimizer.paramGroups.map((g) => g.lr as number);
  }

  /** Counts a value (a number, or a tensor of one element), and lowers the rates where there were too many bad ones. */
  step(metrics: number | { item(): number }): void {
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
  /** Everything but the optimizer. */
  stateDict(): SchedulerStateDict {
    const { optimizer: _, ...state } = this as unknown as AnyOptions;
    return structuredClone(state) as SchedulerStateDict;
  }
  /** Goes on from what stateDict() gave. */
  loadStateDict(stateDict: SchedulerStateDict): void {
    checkStateDict('ReduceLROnPlateau', stateDict);
    checkOptions('ReduceLROnPlateau.loadStateDict', stateDict, Object.keys(this));
    Object.assign(this, structuredClone(stateDict));
  }
}
