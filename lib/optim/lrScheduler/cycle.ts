/** Schedules that go up and down, batch by batch. */
import { TenfoldError } from '../../errors.js';
import type { Optimizer, ParamGroup } from '../optimizer.js';
import {
  LRScheduler,
  checkOptimizer,
  checkPositive,
  checkWithin,
  checkOneOf,
  perGroup,
  readSchedule,
  required,
  type Common,
  type EpochFunction,
  type ScheduleArgs,
} from './schedule.js';
import { camel } from './state.js';

/** Options of OneCycleLR. */
export interface OneCycleOptions extends Common {
  /** Highest rate, for all groups or each. */
  maxLr: number | readonly number[];
  totalSteps?: number | null;
  /** With stepsPerEpoch, in place of totalSteps. */
  epochs?: number | null;
  stepsPerEpoch?: number | null;
  /** Share of the steps in which the rate rises. */
  pctStart?: number;
  annealStrategy?: 'cos' | 'linear';
  /** Move the momentum (beta1) against the rate. */
  cycleMomentum?: boolean;
  baseMomentum?: number | readonly number[];
  maxMomentum?: number | readonly number[];
  /** The first rate is maxLr / divFactor, the last is 1 / finalDivFactor of that. */
  divFactor?: number;
  finalDivFactor?: number;
  /** Down to the first rate, and then in a third phase to the last. */
  threePhase?: boolean;
}
interface Phase {
  readonly end: number;
  readonly lr: readonly [from: string, to: string];
  readonly momentum: readonly [from: string, to: string];
}

/**
 * Up to maxLr and down again in one cycle of totalSteps batches ([Smith and Topin, 2017](https://arxiv.org/abs/1708.07120)).
 * See torch.optim.lr_scheduler.OneCycleLR.
 */
export class OneCycleLR extends LRScheduler {
  readonly totalSteps: number;
  protected readonly phases: readonly Phase[];
  protected readonly annealStrategy: 'cos' | 'linear';
  protected readonly cycleMomentum: boolean;
  protected readonly useBeta1: boolean;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<OneCycleOptions, number | readonly number[]>) {
    checkOptimizer('OneCycleLR', optimizer);
    const o = readSchedule(
      'OneCycleLR',
      {
        maxLr: required as number | readonly number[], totalSteps: null as number | null, epochs: null as number | null,
        stepsPerEpoch: null as number | null, pctStart: 0.3, annealStrategy: 'cos' as 'cos' | 'linear', cycleMomentum: true,
        baseMomentum: 0.85 as number | readonly number[], maxMomentum: 0.95 as number | readonly number[], divFactor: 25,
        finalDivFactor: 1e4, threePhase: false,
      },
      args,
    ); // prettier-ignore
    const total = stepsOf(o);
    checkWithin('OneCycleLR', 'pctStart', o.pctStart, 0, 1);
    checkOneOf('OneCycleLR', 'annealStrategy', o.annealStrategy, ['cos', 'linear']);
    const { paramGroups: groups, defaults } = optimizer;
    const maxLrs = perGroup('OneCycleLR', 'maxLr', o.maxLr, groups.length);
    if (o.cycleMomentum && !('momentum' in defaults) && !('betas' in defaults)) {
      throw new TenfoldError('value', 'OneCycleLR: this optimizer has no momentum; give { cycleMomentum: false }');
    }
    const useBeta1 = 'betas' in defaults;
    const maxMomentums = perGroup('OneCycleLR', 'maxMomentum', o.maxMomentum, groups.length);
    const baseMomentums = perGroup('OneCycleLR', 'baseMomentum', o.baseMomentum, groups.length);
    if (o.lastEpoch === -1) {
      groups.forEach((group, i) => {
        const initialLr = maxLrs[i]! / o.divFactor;
        Object.assign(group, { initialLr, maxLr: maxLrs[i], minLr: initialLr / o.finalDivFactor });
        if (!o.cycleMomentum) return;
        setMomentum(group, maxMomentums[i]!, useBeta1);
        Object.assign(group, { maxMomentum: maxMomentums[i], baseMomentum: baseMomentums[i] });
      });
    }
    super(optimizer, o.lastEpoch);
    this.totalSteps = total;
    this.annealStrategy = o.annealStrategy;
    this.cycleMomentum = o.cycleMomentum;
    this.useBeta1 = useBeta1;
    this.phases = phasesOf(total, o.pctStart, o.threePhase);
    this.begin();
  }
  protected override write(field: string): unknown {
    if (field !== 'phases') return super.write(field);
    return this.phases.map(({ end, lr, momentum }) => ({
      end_step: end,
      start_lr: snake(lr[0]),
      end_lr: snake(lr[1]),
      start_momentum: snake(momentum[0]),
      end_momentum: snake(momentum[1]),
    }));
  }
  protected override read(field: string, value: unknown): unknown {
    if (field !== 'phases' || !Array.isArray(value)) return super.read(field, value);
    return value.map((phase: Record<string, unknown>) => {
      const name = (key: string): string => camel(String(phase[key]));
      if (!('end_step' in phase)) return phase;
      const momentum = [name('start_momentum'), name('end_momentum')];
      return { end: phase.end_step, lr: [name('start_lr'), name('end_lr')], momentum };
    });
  }
  private anneal(from: number, to: number, share: number): number {
    if (this.annealStrategy === 'linear') return (to - from) * share + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * share) + 1);
  }
  override getLr(): number[] {
    const at = this.lastEpoch;
    if (at > this.totalSteps) {
      throw new RangeError(`OneCycleLR.step: step ${at} of a schedule of ${this.totalSteps}`);
    }
    const k = Math.min(this.phases.findIndex((p) => at <= p.end) >>> 0, this.phases.length - 1);
    const start = k === 0 ? 0 : this.phases[k - 1]!.end;
    const { end, lr, momentum } = this.phases[k]!;
    const share = (at - start) / (end - start);
    return this.groupLrs((_, group) => {
      if (this.cycleMomentum) {
        setMomentum(
          group,
          this.anneal(group[momentum[0]] as number, group[momentum[1]] as number, share),
          this.useBeta1,
        );
      }
      return this.anneal(group[lr[0]] as number, group[lr[1]] as number, share);
    });
  }
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
function setMomentum(group: ParamGroup, value: number, useBeta1: boolean): void {
  if (useBeta1) group.betas = [value, ...(group.betas as number[]).slice(1)];
  else group.momentum = value;
}
function stepsOf(o: { totalSteps: number | null; epochs: number | null; stepsPerEpoch: number | null }): number {
  if (o.totalSteps !== null) {
    checkPositive('OneCycleLR', 'totalSteps', o.totalSteps);
    return o.totalSteps;
  }
  if (o.epochs === null && o.stepsPerEpoch === null) {
    throw new TypeError('OneCycleLR: give totalSteps, or epochs and stepsPerEpoch');
  }
  checkPositive('OneCycleLR', 'epochs', o.epochs);
  checkPositive('OneCycleLR', 'stepsPerEpoch', o.stepsPerEpoch);
  return o.epochs! * o.stepsPerEpoch!;
}
function phasesOf(total: number, pctStart: number, three: boolean): Phase[] {
  const up: Phase = {
    end: pctStart * total - 1,
    lr: ['initialLr', 'maxLr'],
    momentum: ['maxMomentum', 'baseMomentum'],
  };
  if (!three) return [up, { end: total - 1, lr: ['maxLr', 'minLr'], momentum: ['baseMomentum', 'maxMomentum'] }];
  return [
    up,
    { end: 2 * pctStart * total - 2, lr: ['maxLr', 'initialLr'], momentum: ['baseMomentum', 'maxMomentum'] },
    { end: total - 1, lr: ['initialLr', 'minLr'], momentum: ['maxMomentum', 'maxMomentum'] },
  ];
}

/** Options of CyclicLR. */
export interface CyclicOptions extends Common {
  /** Lowest and highest rate, for all groups or each. */
  baseLr: number | readonly number[];
  maxLr: number | readonly number[];
  /** Batches in the rising half, and in the falling one (as many where not given). */
  stepSizeUp?: number;
  stepSizeDown?: number | null;
  mode?: 'triangular' | 'triangular2' | 'exp_range';
  /** Base of mode 'exp_range'. */
  gamma?: number;
  /** Height of a cycle, in place of mode; of the cycle's number, or of the batch's for scaleMode 'iterations'. */
  scaleFn?: EpochFunction | null;
  scaleMode?: 'cycle' | 'iterations';
  /** Move the momentum against the rate. */
  cycleMomentum?: boolean;
  baseMomentum?: number | readonly number[];
  maxMomentum?: number | readonly number[];
}

/**
 * Up and down between two rates ([Smith, 2015](https://arxiv.org/abs/1506.01186)). Step per batch. See
 * torch.optim.lr_scheduler.CyclicLR.
 */
export class CyclicLR extends LRScheduler {
  protected readonly maxLrs: number[];
  protected readonly totalSize: number;
  protected readonly stepRatio: number;
  protected readonly mode: string;
  protected readonly gamma: number;
  protected readonly scaleFn: EpochFunction | null;
  protected readonly scaleMode: string;
  protected readonly cycleMomentum: boolean;
  protected readonly useBeta1: boolean;
  protected readonly baseMomentums: number[] = [];
  protected readonly maxMomentums: number[] = [];
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<CyclicOptions, number | readonly number[]>) {
    checkOptimizer('CyclicLR', optimizer);
    const o = readSchedule(
      'CyclicLR',
      {
        baseLr: required as number | readonly number[], maxLr: required as number | readonly number[], stepSizeUp: 2000,
        stepSizeDown: null as number | null, mode: 'triangular', gamma: 1, scaleFn: null as EpochFunction | null,
        scaleMode: 'cycle', cycleMomentum: true, baseMomentum: 0.8 as number | readonly number[],
        maxMomentum: 0.9 as number | readonly number[],
      },
      args,
    ); // prettier-ignore
    const { paramGroups: groups } = optimizer;
    if (o.scaleFn === null) checkOneOf('CyclicLR', 'mode', o.mode, ['triangular', 'triangular2', 'exp_range']);
    checkOneOf('CyclicLR', 'scaleMode', o.scaleMode, ['cycle', 'iterations']);
    const useBeta1 = 'betas' in optimizer.defaults;
    if (o.cycleMomentum && !('momentum' in optimizer.defaults) && !useBeta1) {
      throw new TenfoldError('value', 'CyclicLR: this optimizer has no momentum; give { cycleMomentum: false }');
    }
    const baseLrs = perGroup('CyclicLR', 'baseLr', o.baseLr, groups.length);
    const maxLrs = perGroup('CyclicLR', 'maxLr', o.maxLr, groups.length);
    const baseMomentums = perGroup('CyclicLR', 'baseMomentum', o.baseMomentum, groups.length);
    const maxMomentums = perGroup('CyclicLR', 'maxMomentum', o.maxMomentum, groups.length);
    if (o.lastEpoch === -1) {
      groups.forEach((group, i) => {
        group.lr = baseLrs[i]!;
        if (o.cycleMomentum) setMomentum(group, baseMomentums[i]!, useBeta1);
      });
    }
    super(optimizer, o.lastEpoch);
    this.maxLrs = maxLrs;
    const down = o.stepSizeDown ?? o.stepSizeUp;
    this.totalSize = o.stepSizeUp + down;
    this.stepRatio = o.stepSizeUp / this.totalSize;
    this.mode = o.mode;
    this.gamma = o.gamma;
    this.scaleFn = o.scaleFn;
    this.scaleMode = o.scaleFn !== null ? o.scaleMode : o.mode === 'exp_range' ? 'iterations' : 'cycle';
    this.cycleMomentum = o.cycleMomentum;
    this.useBeta1 = useBeta1;
    this.baseMomentums = o.cycleMomentum
      ? groups.map((g) => (useBeta1 ? (g.betas as number[])[0] : (g.momentum as number | undefined)) ?? 0)
      : [];
    this.maxMomentums = o.cycleMomentum ? maxMomentums : [];
    this.begin();
    this.baseLrs = baseLrs;
  }
  private scale(x: number): number {
    if (this.scaleFn !== null) return this.scaleFn(x);
    return this.mode === 'triangular' ? 1 : this.mode === 'triangular2' ? 1 / 2 ** (x - 1) : this.gamma ** x;
  }
  override getLr(): number[] {
    const cycle = Math.floor(1 + this.lastEpoch / this.totalSize);
    const x = 1 + this.lastEpoch / this.totalSize - cycle;
    const height = x <= this.stepRatio ? x / this.stepRatio : (x - 1) / (this.stepRatio - 1);
    const scale = this.scale(this.scaleMode === 'cycle' ? cycle : this.lastEpoch);
    const { paramGroups: groups } = this.optimizer;
    if (this.cycleMomentum) {
      groups.forEach((group, i) => {
        const max = this.maxMomentums[i]!;
        setMomentum(group, max - (max - this.baseMomentums[i]!) * height * scale, this.useBeta1);
      });
    }
    return this.baseLrs.map((lr, i) => lr + (this.maxLrs[i]! - lr) * height * scale);
  }
}
