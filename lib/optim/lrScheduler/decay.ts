/** Schedules by epoch: functions of it, steps, lines, powers. */
import { checkOptions, show } from '../../errors.js';
import type { Optimizer } from '../optimizer.js';
import {
  LRScheduler,
  checkPositive,
  checkWithin,
  perGroup,
  readSchedule,
  COMMON,
  required,
  type Common,
  type EpochFunction,
  type ScheduleArgs,
} from './schedule.js';
import { countsOf, listOfCounts } from './state.js';

abstract class FunctionSchedule extends LRScheduler {
  protected readonly lrLambdas: EpochFunction[];
  constructor(optimizer: Optimizer, lrLambda: EpochFunction | readonly EpochFunction[], options: Common = {}) {
    checkOptions(new.target.name, options, COMMON);
    super(optimizer, options.lastEpoch ?? -1);
    this.lrLambdas = perGroup(new.target.name, 'lrLambda', lrLambda, optimizer.paramGroups.length);
    for (const f of this.lrLambdas) {
      if (typeof f !== 'function')
        throw new TypeError(`${new.target.name}: lrLambda must be a function of the epoch, got ${show(f)}`);
    }
    this.begin();
  }
  /** What the function of a group gives for the epoch. */
  protected factor(group: number): number {
    const factor: unknown = this.lrLambdas[group]!(this.lastEpoch);
    if (typeof factor !== 'number') {
      throw new TypeError(
        `${this.constructor.name}: lrLambda must return a number, it returned ${show(factor)} for epoch ${this.lastEpoch}`,
      );
    }
    return factor;
  }
}

/** The initial rate times a function of the epoch, one for all groups or one each. See torch.optim.lr_scheduler.LambdaLR. */
export class LambdaLR extends FunctionSchedule {
  override getLr(): number[] {
    return this.baseLrs.map((lr, i) => lr * this.factor(i));
  }
}

/** The rate times a function of the epoch, at each epoch. See torch.optim.lr_scheduler.MultiplicativeLR. */
export class MultiplicativeLR extends FunctionSchedule {
  override getLr(): number[] {
    return this.groupLrs((lr) => lr).map((lr, i) => (this.lastEpoch > 0 ? lr * this.factor(i) : lr));
  }
}

/** gamma times less every stepSize epochs. See torch.optim.lr_scheduler.StepLR. */
export class StepLR extends LRScheduler {
  protected readonly stepSize: number;
  protected readonly gamma: number;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<{ stepSize: number; gamma?: number }, number>) {
    const o = readSchedule('StepLR', { stepSize: required, gamma: 0.1 }, args);
    checkPositive('StepLR', 'stepSize', o.stepSize);
    super(optimizer, o.lastEpoch);
    this.stepSize = o.stepSize;
    this.gamma = o.gamma;
    this.begin();
  }
  override getLr(): number[] {
    const keep = this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0;
    return this.groupLrs((lr) => (keep ? lr : lr * this.gamma));
  }
  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** Math.floor(this.lastEpoch / this.stepSize));
  }
}

/** gamma times less at each of the milestones. See torch.optim.lr_scheduler.MultiStepLR. */
export class MultiStepLR extends LRScheduler {
  protected readonly milestones: number[];
  protected readonly gamma: number;
  constructor(
    optimizer: Optimizer,
    ...args: ScheduleArgs<{ milestones: readonly number[]; gamma?: number }, readonly number[]>
  ) {
    const o = readSchedule('MultiStepLR', { milestones: required as readonly number[], gamma: 0.1 }, args);
    if (!Array.isArray(o.milestones) || !o.milestones.every(Number.isInteger)) {
      throw new TypeError(`MultiStepLR: milestones must be a list of epochs, got ${show(o.milestones)}`);
    }
    super(optimizer, o.lastEpoch);
    this.milestones = [...o.milestones].sort((a, b) => a - b);
    this.gamma = o.gamma;
    this.begin();
  }
  protected override write(field: string): unknown {
    return field === 'milestones' ? countsOf(this.milestones) : super.write(field);
  }
  protected override read(field: string, value: unknown): unknown {
    return field === 'milestones' ? listOfCounts(value) : super.read(field, value);
  }
  override getLr(): number[] {
    const times = this.milestones.filter((m) => m === this.lastEpoch).length;
    return this.groupLrs((lr) => (times > 0 ? lr * this.gamma ** times : lr));
  }
  protected override closedForm(): number[] {
    const times = this.milestones.filter((m) => m <= this.lastEpoch).length;
    return this.baseLrs.map((lr) => lr * this.gamma ** times);
  }
}

/** gamma times less at each epoch. See torch.optim.lr_scheduler.ExponentialLR. */
export class ExponentialLR extends LRScheduler {
  protected readonly gamma: number;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<{ gamma: number }, number>) {
    const o = readSchedule('ExponentialLR', { gamma: required as number }, args);
    super(optimizer, o.lastEpoch);
    this.gamma = o.gamma;
    this.begin();
  }
  override getLr(): number[] {
    return this.groupLrs((lr) => (this.lastEpoch === 0 ? lr : lr * this.gamma));
  }
  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** this.lastEpoch);
  }
}

/** `factor` of the rate for the first totalIters epochs, then all of it. See torch.optim.lr_scheduler.ConstantLR. */
export class ConstantLR extends LRScheduler {
  protected readonly factor: number;
  protected readonly totalIters: number;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<{ factor?: number; totalIters?: number }, number>) {
    const o = readSchedule('ConstantLR', { factor: 1 / 3, totalIters: 5 }, args);
    checkWithin('ConstantLR', 'factor', o.factor, 0, 1);
    super(optimizer, o.lastEpoch);
    this.factor = o.factor;
    this.totalIters = o.totalIters;
    this.begin();
  }
  override getLr(): number[] {
    const { lastEpoch, factor, totalIters } = this;
    return this.groupLrs((lr) => (lastEpoch === 0 ? lr * factor : lastEpoch === totalIters ? lr * (1 / factor) : lr));
  }
  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * (this.factor + (this.lastEpoch >= this.totalIters ? 1 - this.factor : 0)));
  }
}

/** From startFactor to endFactor of the rate, in a line of totalIters epochs. See torch.optim.lr_scheduler.LinearLR. */
export class LinearLR extends LRScheduler {
  protected readonly startFactor: number;
  protected readonly endFactor: number;
  protected readonly totalIters: number;
  constructor(
    optimizer: Optimizer,
    ...args: ScheduleArgs<{ startFactor?: number; endFactor?: number; totalIters?: number }, number>
  ) {
    const o = readSchedule('LinearLR', { startFactor: 1 / 3, endFactor: 1, totalIters: 5 }, args);
    checkWithin('LinearLR', 'startFactor', o.startFactor, 0, 1);
    checkWithin('LinearLR', 'endFactor', o.endFactor, 0, 1);
    super(optimizer, o.lastEpoch);
    this.startFactor = o.startFactor;
    this.endFactor = o.endFactor;
    this.totalIters = o.totalIters;
    this.begin();
  }
  override getLr(): number[] {
    const { lastEpoch, startFactor, endFactor, totalIters } = this;
    if (lastEpoch === 0) return this.groupLrs((lr) => lr * startFactor);
    if (lastEpoch > totalIters) return this.groupLrs((lr) => lr);
    const rise = endFactor - startFactor;
    return this.groupLrs((lr) => lr * (1 + rise / (totalIters * startFactor + (lastEpoch - 1) * rise)));
  }
  protected override closedForm(): number[] {
    const { startFactor, endFactor, totalIters } = this;
    const share = ((endFactor - startFactor) * Math.min(totalIters, this.lastEpoch)) / totalIters;
    return this.baseLrs.map((lr) => lr * (startFactor + share));
  }
}

/** Down to 0 in totalIters epochs along (1 - t)^power. See torch.optim.lr_scheduler.PolynomialLR. */
export class PolynomialLR extends LRScheduler {
  protected readonly totalIters: number;
  protected readonly power: number;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<{ totalIters?: number; power?: number }, number>) {
    const o = readSchedule('PolynomialLR', { totalIters: 5, power: 1 }, args);
    super(optimizer, o.lastEpoch);
    this.totalIters = o.totalIters;
    this.power = o.power;
    this.begin();
  }
  override getLr(): number[] {
    const { lastEpoch, totalIters, power } = this;
    if (lastEpoch === 0 || lastEpoch > totalIters) return this.groupLrs((lr) => lr);
    const decay = ((1 - lastEpoch / totalIters) / (1 - (lastEpoch - 1) / totalIters)) ** power;
    return this.groupLrs((lr) => lr * decay);
  }
  protected override closedForm(): number[] {
    const left = 1 - Math.min(this.totalIters, this.lastEpoch) / this.totalIters;
    return this.baseLrs.map((lr) => lr * left ** this.power);
  }
}
