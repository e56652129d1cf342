/**
 * What learning-rate schedules have in common: each sets the groups' `lr` when it is made and at every step(). A new
 * one: a subclass with getLr(), and closedForm() where the rate at an epoch doesn't depend on the one before.
 */
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { replayed } from '../../tensor/capture.js';
import { Optimizer, type ParamGroup } from '../optimizer.js';
import { fieldsOf, keyOf } from './state.js';

/** What every schedule that takes options accepts besides its own. */
export interface Common {
  /** The epoch to resume at; -1 starts afresh. */
  lastEpoch?: number;
}
export const COMMON = ['lastEpoch'];

/** A function of the epoch. */
export type EpochFunction = (epoch: number) => number;

/** A schedule's checkpoint: its fields by PyTorch's names. Functions are null. */
export type SchedulerStateDict = Record<string, unknown>;

export const isScheduler = (v: unknown): v is LRScheduler => v instanceof LRScheduler;

export function checkOptimizer(call: string, optimizer: unknown): asserts optimizer is Optimizer {
  if (!(optimizer instanceof Optimizer)) throw new TypeError(`${call}: expected an optimizer, got ${show(optimizer)}`);
}
export function checkPositive(call: string, name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw new RangeError(`${call}: ${name} must be a positive integer, got ${show(value)}`);
  }
}
export function checkWithin(call: string, name: string, value: unknown, low: number, high: number): void {
  if (typeof value !== 'number') throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
  if (!(value >= low && value <= high)) {
    throw new RangeError(`${call}: ${name} must be from ${low} to ${high}, got ${value}`);
  }
}
export function checkOneOf(call: string, name: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) {
    throw new TenfoldError(
      'value',
      `${call}: ${name} must be ${known.map((k) => `'${k}'`).join(' or ')}, got ${show(value)}`,
    );
  }
}
/** One value for each group, from one for all or a list. */
export function perGroup<T>(call: string, name: string, value: T | readonly T[], groups: number): T[] {
  if (!Array.isArray(value)) return Array.from({ length: groups }, () => value as T);
  if (value.length !== groups) {
    throw new TenfoldError('value', `${call}: ${name} has ${value.length} values for ${groups} parameter groups`);
  }
  return [...(value as T[])];
}

/** Options by position in PyTorch's order, or by name in one trailing object, over defaults. */
export function readSchedule<O extends object>(
  call: string,
  defaults: O,
  args: readonly unknown[],
): O & Required<Common> {
  const names = [...Object.keys(defaults), ...COMMON];
  const last = args.at(-1);
  const named = typeof last === 'object' && last !== null && !Array.isArray(last) ? last : null;
  const given = named ? args.slice(0, -1) : args;
  if (named) checkOptions(call, named, names);
  if (given.length > names.length)
    throw new TypeError(`${call}: takes at most ${names.length} options, got ${given.length}`);
  const values: Record<string, unknown> = { ...defaults, lastEpoch: -1 };
  given.forEach((value, i) => {
    if (value !== undefined && value !== null) values[names[i]!] = value;
  });
  for (const [name, value] of Object.entries(named ?? {}))
    if (value !== undefined && value !== null) values[name] = value;
  for (const name of names) {
    if (values[name] === undefined) throw new TypeError(`${call}: missing option '${name}'`);
    const known = typeof (defaults as Record<string, unknown>)[name];
    if ((known === 'number' || known === 'boolean') && typeof values[name] !== known && !Array.isArray(values[name]))
      throw new TypeError(`${call}: ${name} must be a ${known}, got ${show(values[name])}`);
  }
  return values as O & Required<Common>;
}
/** Stands for an option that must be given. */
export const required = undefined as never;

/**
 * Base of the schedules ([torch.optim.lr_scheduler](https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate)).
 * Call `step()` after the optimizer's, once per epoch (per batch, for OneCycleLR and CyclicLR).
 *
 * ```ts
 * const schedule = new optim.lrScheduler.StepLR(optimizer, { stepSize: 30, gamma: 0.1 });
 * for (let epoch = 0; epoch < 100; epoch++) {
 *   train();
 *   schedule.step();
 * }
 * ```
 */
export abstract class LRScheduler {
  /** Epoch that the current rates are for. */
  lastEpoch: number;
  protected baseLrs: number[];
  protected lastLr: number[] = [];
  /** Steps taken, the one of the constructor included. */
  protected stepCount = 0;
  /** Optimizer steps before this schedule was made. */
  private readonly stepsBefore: number;

  constructor(
    readonly optimizer: Optimizer,
    lastEpoch: number,
  ) {
    const call = new.target.name;
    checkOptimizer(call, optimizer);
    optimizer.paramGroups.forEach((group, i) => {
      if (lastEpoch === -1) group.initialLr ??= group.lr as number;
      else if (group.initialLr === undefined) {
        throw new TenfoldError(
          'state',
          `${call}: group ${i} has no initialLr to resume from; load the optimizer's state dict first`,
        );
      }
    });
    this.baseLrs = optimizer.paramGroups.map((g) => g.initialLr!);
    this.lastEpoch = lastEpoch;
    this.stepsBefore = optimizer.stepCount;
  }

  /** The constructor's own step; subclasses call it when their fields are set. */
  protected begin(): void {
    this.stepCount = 0;
    this.step();
  }
  /** Does again what making the schedule did, for SequentialLR. */
  restart(): void {
    this.begin();
  }

  /** Rates for `lastEpoch`, from those of the epoch before. */
  abstract getLr(): number[];
  /** Rates for `lastEpoch` by themselves, or null where there is no formula. */
  protected closedForm(): number[] | null {
    return null;
  }
  protected groupLrs(f: (lr: number, group: ParamGroup) => number): number[] {
    return this.optimizer.paramGroups.map((group) => f(group.lr as number, group));
  }

  /**
   * Goes to the next epoch, or to a given one, and sets the groups' rates. Within a compiled function every replay does so;
   * an epoch is the number that it was.
   */
  step(epoch?: number | null): void {
    replayed(() => this.advance(epoch));
  }
  /** What step() does. */
  protected advance(epoch?: number | null): void {
    if (this.stepCount === 1 && this.optimizer.stepCount === this.stepsBefore) warnOrder(this.constructor.name);
    const before = this.lastEpoch;
    const next = epoch === undefined || epoch === null;
    if (!next && typeof epoch !== 'number')
      throw new TypeError(`${this.constructor.name}.step: epoch must be a number, got ${show(epoch)}`);
    this.lastEpoch = next ? before + 1 : epoch;
    try {
      this.setLrs((next ? null : this.closedForm()) ?? this.getLr());
    } catch (error) {
      this.lastEpoch = before;
      throw error;
    }
    this.stepCount++;
  }
  protected setLrs(lrs: readonly number[]): void {
    lrs.forEach((lr, i) => {
      if (typeof lr !== 'number' || !Number.isFinite(lr))
        throw new TenfoldError(
          'value',
          `${this.constructor.name}: the learning rate of group ${i} would be ${show(lr)}`,
        );
    });
    this.optimizer.paramGroups.forEach((group, i) => {
      if (i < lrs.length) group.lr = lrs[i]!;
    });
    this.lastLr = this.groupLrs((lr) => lr);
  }

  /** Rates that the last step set. */
  getLastLr(): number[] {
    return [...this.lastLr];
  }

  /** Everything but the optimizer and functions, under PyTorch's names: `last_epoch`, `base_lrs`, `_last_lr`, … */
  stateDict(): SchedulerStateDict {
    const state: SchedulerStateDict = {};
    for (const field of this.fields()) state[keyOf(field)] = this.write(field);
    return { ...state, _is_initial: false, _get_lr_called_within_step: false };
  }
  /** Goes on from what stateDict() gave, here or in PyTorch. A state that doesn't fit is refused, and nothing has changed. */
  loadStateDict(stateDict: SchedulerStateDict): void {
    checkStateDict(this.constructor.name, stateDict);
    const read = fieldsOf(`${this.constructor.name}.loadStateDict`, stateDict, this.fields());
    for (const [field, value] of Object.entries(read)) read[field] = this.read(field, value);
    Object.assign(this, read);
  }
  /** Fields that a checkpoint holds. */
  protected fields(): string[] {
    return Object.keys(this).filter((name) => name !== 'optimizer' && name !== 'stepsBefore' && name !== 'schedulers');
  }
  /** A field as a checkpoint holds it; null for functions, as in PyTorch. */
  protected write(field: string): unknown {
    const value = (this as unknown as Record<string, unknown>)[field];
    if (typeof value === 'function') return null;
    if (Array.isArray(value) && value.some((x) => typeof x === 'function')) return value.map(() => null);
    return structuredClone(value);
  }
  /** A field from a checkpoint; functions stay as they are. */
  protected read(field: string, value: unknown): unknown {
    const own = (this as unknown as Record<string, unknown>)[field];
    return typeof own === 'function' || (Array.isArray(own) && own.some((x) => typeof x === 'function')) ? own : value;
  }
}

export function checkStateDict(call: string, stateDict: unknown): void {
  if (typeof stateDict !== 'object' || stateDict === null)
    throw new TypeError(`${call}.loadStateDict: expected what stateDict() gave, got ${show(stateDict)}`);
}
let warned = false;
function warnOrder(name: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    `${name}.step() came before the first optimizer.step(), so the first learning rate is skipped; call it after the optimizer's`,
    'TenfoldWarning',
  );
}

/** Options in one object, or by position in PyTorch's order. */
export type ScheduleArgs<O extends object, First> = [options: O & Common] | [] | [first: First, ...rest: unknown[]];
