/** Schedules along a cosine. */
import type { Optimizer } from '../optimizer.js';
import { LRScheduler, checkPositive, readSchedule, required, type ScheduleArgs } from './schedule.js';

/** Along half a cosine to etaMin in TMax epochs, and back. See torch.optim.lr_scheduler.CosineAnnealingLR. */
export class CosineAnnealingLR extends LRScheduler {
  protected readonly TMax: number;
  protected readonly etaMin: number;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<{ TMax: number; etaMin?: number }, number>) {
    const o = readSchedule('CosineAnnealingLR', { TMax: required as number, etaMin: 0 }, args);
    checkPositive('CosineAnnealingLR', 'TMax', o.TMax);
    super(optimizer, o.lastEpoch);
    this.TMax = o.TMax;
    this.etaMin = o.etaMin;
    this.begin();
  }
  override getLr(): number[] {
    const { lastEpoch, TMax, etaMin } = this;
    if (lastEpoch === 0) return this.groupLrs((lr) => lr);
    if (this.stepCount === 1) {
      return this.baseLrs.map((lr) => etaMin + ((lr - etaMin) * (1 + Math.cos((lastEpoch * Math.PI) / TMax))) / 2);
    }
    if ((lastEpoch - 1 - TMax) % (2 * TMax) === 0) {
      const rise = 1 - Math.cos(Math.PI / TMax);
      return this.groupLrs((lr) => lr).map((lr, i) => lr + ((this.baseLrs[i]! - etaMin) * rise) / 2);
    }
    const ratio = (1 + Math.cos((Math.PI * lastEpoch) / TMax)) / (1 + Math.cos((Math.PI * (lastEpoch - 1)) / TMax));
    return this.groupLrs((lr) => ratio * (lr - etaMin) + etaMin);
  }
  protected override closedForm(): number[] {
    const { etaMin } = this;
    const high = 1 + Math.cos((Math.PI * this.lastEpoch) / this.TMax);
    return this.baseLrs.map((lr) => etaMin + ((lr - etaMin) * high) / 2);
  }
}

/**
 * Half a cosine over T0 epochs, begun again and again, TMult times longer each time. `step(epoch)` takes fractions, to be
 * called per batch. See torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
 */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  protected readonly T0: number;
  protected readonly TMult: number;
  protected readonly etaMin: number;
  /** Length of the running cosine, and where in it we are. */
  protected Ti: number;
  protected TCur: number;
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<{ T0: number; TMult?: number; etaMin?: number }, number>) {
    const o = readSchedule('CosineAnnealingWarmRestarts', { T0: required as number, TMult: 1, etaMin: 0 }, args);
    checkPositive('CosineAnnealingWarmRestarts', 'T0', o.T0);
    checkPositive('CosineAnnealingWarmRestarts', 'TMult', o.TMult);
    super(optimizer, o.lastEpoch);
    this.T0 = this.Ti = o.T0;
    this.TMult = o.TMult;
    this.etaMin = o.etaMin;
    this.TCur = o.lastEpoch;
    this.begin();
  }
  override getLr(): number[] {
    const { etaMin } = this;
    const high = 1 + Math.cos((Math.PI * this.TCur) / this.Ti);
    return this.baseLrs.map((lr) => etaMin + ((lr - etaMin) * high) / 2);
  }
  protected override advance(epoch?: number | null): void {
    let at = epoch ?? (this.lastEpoch < 0 ? 0 : null);
    if (at === null) {
      at = this.lastEpoch + 1;
      if (++this.TCur >= this.Ti) {
        this.TCur -= this.Ti;
        this.Ti *= this.TMult;
      }
    } else this.jump(at);
    this.stepCount++;
    this.lastEpoch = Math.floor(at);
    this.setLrs(this.getLr());
  }
  private jump(epoch: number): void {
    const { T0, TMult } = this;
    if (!(epoch >= 0)) throw new RangeError(`CosineAnnealingWarmRestarts.step: epoch must be at least 0, got ${epoch}`);
    if (epoch < T0) [this.Ti, this.TCur] = [T0, epoch];
    else if (TMult === 1) this.TCur = epoch % T0;
    else {
      const n = Math.floor(Math.log((epoch / T0) * (TMult - 1) + 1) / Math.log(TMult));
      this.TCur = epoch - (T0 * (TMult ** n - 1)) / (TMult - 1);
      this.Ti = T0 * TMult ** n;
    }
  }
}
