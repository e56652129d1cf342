/** Schedules of schedules. */
import { TenfoldError, checkOptions, show } from '../../errors.js';
import type { Optimizer } from '../optimizer.js';
import {
  LRScheduler, checkOptimizer, checkStateDict, COMMON, isScheduler, type Common, type SchedulerStateDict,
} from './schedule.js'; // prettier-ignore
import { keyOf } from './state.js';

function checkSchedulers(
  call: string,
  schedulers: unknown,
  optimizer?: Optimizer,
): asserts schedulers is LRScheduler[] {
  if (!Array.isArray(schedulers) || schedulers.length === 0 || !schedulers.every(isScheduler)) {
    throw new TypeError(`${call}: expected a list of schedulers, got ${show(schedulers)}`);
  }
  const own = optimizer ?? (schedulers[0] as LRScheduler).optimizer;
  const other = schedulers.findIndex((s: LRScheduler) => s.optimizer !== own);
  if (other >= 0) throw new TenfoldError('value', `${call}: scheduler ${other} belongs to another optimizer`);
}

abstract class Combined extends LRScheduler {
  protected abstract readonly schedulers: readonly LRScheduler[];
  override getLr(): number[] {
    return this.groupLrs((lr) => lr);
  }
  override stateDict(): SchedulerStateDict {
    const state = Object.fromEntries(this.fields().map((field) => [this.key(field), this.write(field)]));
    return { ...state, _schedulers: this.schedulers.map((s) => s.stateDict()) };
  }
  private key(field: string): string {
    return field === 'milestones' ? '_milestones' : keyOf(field);
  }
  override loadStateDict(stateDict: SchedulerStateDict): void {
    checkStateDict(this.constructor.name, stateDict);
    const { schedulers: earlier, _schedulers: given, _milestones: milestones, ...rest } = stateDict;
    const schedulers = given ?? earlier;
    const states = schedulers as SchedulerStateDict[] | undefined;
    if (!Array.isArray(states) || states.length !== this.schedulers.length) {
      throw new TenfoldError(
        'state',
        `${this.constructor.name}.loadStateDict: expected the states of ${this.schedulers.length} schedulers, got ${show(schedulers)}`,
      );
    }
    super.loadStateDict(milestones === undefined ? rest : { ...rest, milestones });
    this.schedulers.forEach((s, i) => s.loadStateDict(states[i]!));
  }
}

/**
 * One schedule after the other, the next from each milestone on. With `lastEpoch` it goes on behind that epoch, with the schedule
 * whose turn it is: its own and those before it are run again from their beginning. See torch.optim.lr_scheduler.SequentialLR.
 */
export class SequentialLR extends Combined {
  protected override readonly schedulers: readonly LRScheduler[];
  protected readonly milestones: readonly number[];
  constructor(
    optimizer: Optimizer,
    schedulers: readonly LRScheduler[],
    milestones: readonly number[],
    options: Common = {},
  ) {
    checkOptions('SequentialLR', options, COMMON);
    checkOptimizer('SequentialLR', optimizer);
    checkSchedulers('SequentialLR', schedulers, optimizer);
    if (milestones.length !== schedulers.length - 1) {
      throw new TenfoldError(
        'value',
        `SequentialLR: ${schedulers.length} schedulers need ${schedulers.length - 1} milestones, got ${milestones.length}`,
      );
    }
    const lastEpoch = options.lastEpoch ?? -1;
    super(optimizer, lastEpoch);
    this.schedulers = [...schedulers];
    this.milestones = [...milestones];
    this.lastEpoch = 0;
    // The others' first steps are undone; only the first one's counts.
    for (const group of optimizer.paramGroups) group.lr = group.initialLr!;
    for (const s of schedulers) s.lastEpoch = lastEpoch === -1 ? s.lastEpoch - 1 : -1;
    const first = schedulers[this.turn(0)]!;
    first.restart();
    this.lastLr = first.getLastLr();
    while (this.lastEpoch <= lastEpoch) this.advance();
  }
  protected override fields(): string[] {
    return ['milestones', 'lastEpoch', 'lastLr'];
  }
  /** Whose turn an epoch is. */
  private turn(epoch: number): number {
    return this.milestones.filter((m) => m <= epoch).length;
  }
  protected override advance(): void {
    this.lastEpoch++;
    const k = this.turn(this.lastEpoch);
    const scheduler = this.schedulers[k]!;
    if (k > 0 && this.milestones[k - 1] === this.lastEpoch) scheduler.step(0);
    else scheduler.step();
    this.lastLr = scheduler.getLastLr();
  }
}

/** Several schedules at once, each on what the one before made of the rate. See torch.optim.lr_scheduler.ChainedScheduler. */
export class ChainedScheduler extends Combined {
  protected override readonly schedulers: readonly LRScheduler[];
  constructor(schedulers: readonly LRScheduler[]) {
    checkSchedulers('ChainedScheduler', schedulers);
    super(schedulers[0]!.optimizer, -1);
    this.schedulers = [...schedulers];
    this.lastLr = this.groupLrs((lr) => lr);
  }
  protected override fields(): string[] {
    return ['lastLr'];
  }
  protected override advance(): void {
    for (const s of this.schedulers) s.step();
    this.lastLr = this.groupLrs((lr) => lr);
  }
}
