/** Averages of a model's parameters over training, as torch.optim.swa_utils. */
import { TenfoldError, show } from '../errors.js';
import { isFloatCode } from '../dtype.js';
import { noGrad } from '../autograd/mode.js';
import { Module } from '../nn/module.js';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../nn/layers/normalization.js';
import { signature, type Arguments } from '../op/schema.js';
import { scalarTensor } from '../ops/creation.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  LRScheduler,
  checkOneOf,
  perGroup,
  readSchedule,
  required,
  type ScheduleArgs,
} from './lrScheduler/schedule.js';
import type { Optimizer } from './optimizer.js';

/** The new average of one parameter, from the old one, the model's value, and how many values are in it. */
export type AverageFunction = (averaged: Tensor, current: Tensor, count: Tensor | number) => Tensor;
/** The same for lists of one dtype, in place. */
export type MultiAverageFunction = (
  averaged: readonly Tensor[],
  current: readonly Tensor[],
  count: Tensor | number,
) => void;

const numberOf = (count: Tensor | number): number => (typeof count === 'number' ? count : Number(count.item()));
function checkDecay(call: string, decay: number): void {
  if (typeof decay !== 'number') throw new TypeError(`${call}: decay must be a number, got ${show(decay)}`);
  if (!(decay >= 0 && decay <= 1)) throw new RangeError(`${call}: decay must be from 0 to 1, got ${decay}`);
}

/** decay · average + (1 − decay) · value. See torch.optim.swa_utils.get_ema_avg_fn. */
export function getEmaAvgFn(decay = 0.999): AverageFunction {
  checkDecay('getEmaAvgFn', decay);
  return (averaged, current) => noGrad(() => averaged.mul(decay).add(current.mul(1 - decay)));
}
/** average + (value − average) / (count + 1): the mean. See torch.optim.swa_utils.get_swa_avg_fn. */
export function getSwaAvgFn(): AverageFunction {
  return (averaged, current, count) => noGrad(() => averaged.add(current.sub(averaged).div(numberOf(count) + 1)));
}
/** getEmaAvgFn for lists. See torch.optim.swa_utils.get_ema_multi_avg_fn. */
export function getEmaMultiAvgFn(decay = 0.999): MultiAverageFunction {
  checkDecay('getEmaMultiAvgFn', decay);
  return (averaged, current) =>
    noGrad(() => {
      averaged.forEach((a, i) => {
        const x = current[i]!;
        if (isFloatCode(a.code)) a.lerp_(x, 1 - decay);
        else a.copy_(a.mul(decay).add(x.mul(1 - decay)));
      });
    });
}
/** getSwaAvgFn for lists. See torch.optim.swa_utils.get_swa_multi_avg_fn. */
export function getSwaMultiAvgFn(): MultiAverageFunction {
  return (averaged, current, count) =>
    noGrad(() => {
      const weight = 1 / (numberOf(count) + 1);
      averaged.forEach((a, i) => {
        const x = current[i]!;
        if (isFloatCode(a.code)) a.lerp_(x, weight);
        else a.copy_(a.add(x.sub(a).mul(weight)));
      });
    });
}

const options = signature('AveragedModel(any device=null, any avgFn=null, any multiAvgFn=null, bool useBuffers=false)');
/** Options of AveragedModel. */
export interface AveragedModelOptions {
  device?: 'cpu' | null;
  avgFn?: AverageFunction | null;
  multiAvgFn?: MultiAverageFunction | null;
  /** Whether buffers are averaged too; otherwise they are the model's last ones. */
  useBuffers?: boolean;
}

/**
 * A copy of a model that holds averages of its parameters: the mean of all `updateParameters(model)` so far, or what `avgFn` or
 * `multiAvgFn` make of them. Use `forward` as the model's; batch norms need `updateBn` first. See
 * torch.optim.swa_utils.AveragedModel.
 *
 * ```ts
 * const model = new nn.Linear(4, 2);
 * const average = new optim.swaUtils.AveragedModel(model, { multiAvgFn: optim.swaUtils.getEmaMultiAvgFn(0.99) });
 * average.updateParameters(model); // after every step of the optimizer
 * ```
 */
export class AveragedModel<M extends Module = Module> extends Module {
  module: M;
  /** How many values are in the average: int64, 0-dim. */
  nAveraged: Tensor;
  readonly avgFn: AverageFunction | null;
  readonly multiAvgFn: MultiAverageFunction | null;
  readonly useBuffers: boolean;
  static override stateName(property: string): string {
    return property === 'nAveraged' ? 'n_averaged' : property;
  }
  constructor(model: M, ...args: [options?: AveragedModelOptions] | Arguments<typeof options.schema>) {
    super();
    if (!(model instanceof Module)) throw new TypeError(`AveragedModel: expected a module, got ${show(model)}`);
    const [device, avgFn, multiAvgFn, useBuffers] = options.read(args as Arguments<typeof options.schema>);
    for (const [name, fn] of Object.entries({ avgFn, multiAvgFn })) {
      if (fn !== null && typeof fn !== 'function')
        throw new TypeError(`AveragedModel: ${name} must be a function or null, got ${show(fn)}`);
    }
    if (avgFn !== null && multiAvgFn !== null)
      throw new TenfoldError('value', 'AveragedModel: give avgFn or multiAvgFn, not both');
    this.module = model.clone();
    if (device !== null) this.module.to(device as 'cpu');
    this.nAveraged = scalarTensor(0, { dtype: 'int64' });
    this.registerBuffer('nAveraged', this.nAveraged);
    this.avgFn = avgFn as AverageFunction | null;
    this.multiAvgFn = multiAvgFn as MultiAverageFunction | null;
    this.useBuffers = useBuffers;
  }
  override forward(...args: Parameters<M['forward']>): ReturnType<M['forward']> {
    return this.module.forward(...args) as ReturnType<M['forward']>;
  }
  /** Takes the model's parameters into the average; the first ones are copied. */
  updateParameters(model: Module): void {
    if (!(model instanceof Module))
      throw new TypeError(`AveragedModel.updateParameters: expected a module, got ${show(model)}`);
    const partsOf = (m: Module): Tensor[] => [...m.parameters(), ...(this.useBuffers ? m.buffers() : [])];
    const averaged = partsOf(this.module).map((p) => p.detach());
    const current = partsOf(model).map((p) => p.detach());
    checkAlike(averaged, current);
    const buffers = this.useBuffers ? [] : this.module.buffers();
    checkAlike(buffers, this.useBuffers ? [] : model.buffers());
    noGrad(() => {
      const count = this.nAveraged;
      if (Number(count.item()) === 0) averaged.forEach((a, i) => a.copy_(current[i]!));
      else if (this.avgFn !== null) averaged.forEach((a, i) => a.copy_(this.avgFn!(a, current[i]!, count)));
      else byDtype(averaged, current, (a, c) => (this.multiAvgFn ?? getSwaMultiAvgFn())(a, c, count));
      buffers.forEach((b, i) => b.detach().copy_(model.buffers()[i]!));
      count.add_(1);
    });
  }
}
function checkAlike(a: readonly Tensor[], b: readonly Tensor[]): void {
  const at = a.findIndex((t, i) => String(t.shape) !== String(b[i]?.shape));
  if (a.length !== b.length || at >= 0)
    throw new TenfoldError('state', "AveragedModel.updateParameters: the model's parameters and buffers aren't those of the one that was copied"); // prettier-ignore
}
function byDtype(averaged: Tensor[], current: Tensor[], fn: (a: Tensor[], c: Tensor[]) => void): void {
  for (const code of new Set(averaged.map((t) => t.code))) {
    const same = averaged.flatMap((t, i) => (t.code === code ? [i] : []));
    fn(same.map((i) => averaged[i]!), same.map((i) => current[i]!)); // prettier-ignore
  }
}

type BatchNorm = Module & { momentum: number | null; resetRunningStats(): void };
const isBatchNorm = (m: Module): m is BatchNorm => [BatchNorm1d, BatchNorm2d, BatchNorm3d].some((k) => m instanceof k);
/**
 * Sets the running statistics of all batch norms to the means over the loader's batches (of lists the first element is the input), by
 * one pass in training mode. See torch.optim.swa_utils.update_bn.
 */
export function updateBn(loader: Iterable<unknown>, model: Module, device: 'cpu' | null = null): void {
  if (!(model instanceof Module)) throw new TypeError(`updateBn: expected a module, got ${show(model)}`);
  if (typeof (loader as Iterable<unknown> | null)?.[Symbol.iterator] !== 'function')
    throw new TypeError(`updateBn: expected a loader or another iterable of batches, got ${show(loader)}`);
  void device;
  const norms = model.modules().filter(isBatchNorm);
  if (norms.length === 0) return;
  const momenta = norms.map((norm) => norm.momentum);
  const training = model.training;
  norms.forEach((norm) => norm.resetRunningStats());
  model.train();
  try {
    norms.forEach((norm) => (norm.momentum = null));
    noGrad(() => {
      for (const batch of loader) model.forward(Array.isArray(batch) ? batch[0] : batch);
    });
  } finally {
    norms.forEach((norm, i) => (norm.momentum = momenta[i]!));
    model.train(training);
  }
}

const ANNEAL: Record<string, (t: number) => number> = {
  cos: (t) => (1 - Math.cos(Math.PI * t)) / 2,
  linear: (t) => t,
};
const clip = (t: number): number => Math.max(0, Math.min(1, t));

/** Options of SWALR. */
export interface SwaOptions {
  /** The rate to arrive at; a list for groups. */
  swaLr: number | readonly number[];
  /** Epochs until then: 10. */
  annealEpochs?: number;
  annealStrategy?: 'cos' | 'linear';
}
/** Brings the learning rates to `swaLr` in `annealEpochs` epochs and keeps them there. See torch.optim.swa_utils.SWALR. */
export class SWALR extends LRScheduler {
  protected readonly annealEpochs: number;
  protected readonly annealStrategy: 'cos' | 'linear';
  constructor(optimizer: Optimizer, ...args: ScheduleArgs<SwaOptions, number>) {
    const defaults = {
      swaLr: required as number | number[],
      annealEpochs: 10,
      annealStrategy: 'cos' as 'cos' | 'linear',
    };
    const o = readSchedule('SWALR', defaults, args);
    checkOneOf('SWALR', 'annealStrategy', o.annealStrategy, Object.keys(ANNEAL));
    if (!Number.isInteger(o.annealEpochs) || o.annealEpochs < 0)
      throw new RangeError(`SWALR: annealEpochs must be an integer of at least 0, got ${show(o.annealEpochs)}`);
    super(optimizer, o.lastEpoch);
    const rates = perGroup('SWALR', 'swaLr', o.swaLr as number | number[], optimizer.paramGroups.length);
    for (const rate of rates)
      if (typeof rate !== 'number' || !(rate >= 0))
        throw new RangeError(`SWALR: swaLr must be at least 0, got ${show(rate)}`);
    optimizer.paramGroups.forEach((group, i) => (group.swaLr = rates[i]!));
    this.annealEpochs = o.annealEpochs;
    this.annealStrategy = o.annealStrategy;
    this.begin();
  }
  override getLr(): number[] {
    const { annealEpochs } = this;
    const anneal = ANNEAL[this.annealStrategy]!;
    const step = annealEpochs === 0 ? Math.max(1, this.stepCount) : this.stepCount;
    const before = anneal(clip((step - 1) / Math.max(1, annealEpochs)));
    const now = anneal(clip(step / Math.max(1, annealEpochs)));
    return this.groupLrs((lr, group) => {
      const goal = group.swaLr as number;
      const start = before === 1 ? goal : (lr - before * goal) / (1 - before);
      return goal * now + start * (1 - now);
    });
  }
}
