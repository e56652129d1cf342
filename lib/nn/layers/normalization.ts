/** Normalization layers. */
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { codeOf, defaultFloat, Code, type DType } from '../../dtype.js';
import { fillElements } from '../../tensor/copy.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor, checkIsTensor } from '../../tensor/tensor.js';
import { mode } from '../../autograd/mode.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/normalization.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { guard } from '../parts.js';
import { float, tuple } from '../print.js';

/** A parameter that starts at one value. */
function filled(shape: readonly number[], value: number, dtype: DType | null): Parameter {
  const p = Parameter.empty(shape, dtype);
  fillElements(p, value);
  return p;
}
function state(shape: readonly number[], value: number, code: Code): Tensor {
  const t = Tensor.raw(shape, code, true);
  fillElements(t, value);
  return t;
}

const layerNorm = signature(
  'LayerNorm(int[] normalizedShape, float eps=1e-5, bool elementwiseAffine=true, bool bias=true, *, dtype? dtype=null)',
);
/**
 * Mean 0 and variance 1 over the last dims, whose sizes are normalizedShape, then times weight plus bias (Ba et al. 2016). See
 * torch.nn.LayerNorm.
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  constructor(...args: Arguments<typeof layerNorm.schema>) {
    super();
    const [shape, eps, affine, bias, dtype] = layerNorm.read(args);
    this.normalizedShape = Object.freeze(typeof shape === 'number' ? [shape] : [...shape]);
    this.eps = eps;
    this.elementwiseAffine = affine;
    this.weight = affine ? filled(this.normalizedShape, 1, dtype) : null;
    this.bias = affine && bias ? filled(this.normalizedShape, 0, dtype) : null;
    guard(this, 'weight', 'bias');
  }
  override forward(input: Tensor): Tensor {
    return F.layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps);
  }
  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine, bias } = this;
    return `${tuple(normalizedShape)}, eps=${float(eps)}, elementwiseAffine=${elementwiseAffine}, bias=${bias !== null}`;
  }
}

const rmsNorm = signature(
  'RMSNorm(int[] normalizedShape, float? eps=null, bool elementwiseAffine=true, *, dtype? dtype=null)',
);
/** x over the root of its mean square over the last dims, times weight (Zhang and Sennrich 2019). See torch.nn.RMSNorm. */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number | null;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;
  constructor(...args: Arguments<typeof rmsNorm.schema>) {
    super();
    const [shape, eps, affine, dtype] = rmsNorm.read(args);
    this.normalizedShape = Object.freeze(typeof shape === 'number' ? [shape] : [...shape]);
    this.eps = eps;
    this.elementwiseAffine = affine;
    this.weight = affine ? filled(this.normalizedShape, 1, dtype) : null;
    guard(this, 'weight');
  }
  override forward(input: Tensor): Tensor {
    return F.rmsNorm(input, this.normalizedShape, this.weight, this.eps);
  }
  override extraRepr(): string {
    const eps = this.eps === null ? 'null' : float(this.eps);
    return `${tuple(this.normalizedShape)}, eps=${eps}, elementwiseAffine=${this.elementwiseAffine}`;
  }
}

const groupNorm = signature(
  'GroupNorm(int numGroups, int numChannels, float eps=1e-5, bool affine=true, *, dtype? dtype=null, bool bias=true)',
);
/** Mean 0 and variance 1 over each group of channels of [n, c, …] (Wu and He 2018). See torch.nn.GroupNorm. */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  readonly affine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  constructor(...args: Arguments<typeof groupNorm.schema>) {
    super();
    const [numGroups, numChannels, eps, affine, dtype, bias] = groupNorm.read(args);
    if (numGroups < 1 || numChannels < 1 || numChannels % numGroups !== 0) {
      throw new TenfoldError('value', `GroupNorm: ${numChannels} channels can't form ${numGroups} groups`);
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.affine = affine;
    this.weight = affine ? filled([numChannels], 1, dtype) : null;
    this.bias = affine && bias ? filled([numChannels], 0, dtype) : null;
    guard(this, 'weight', 'bias');
  }
  override forward(input: Tensor): Tensor {
    return F.groupNorm(input, this.numGroups, this.weight, this.bias, this.eps);
  }
  override extraRepr(): string {
    const { numGroups, numChannels, eps, affine, bias } = this;
    return `${numGroups}, ${numChannels}, eps=${float(eps)}, affine=${affine}, bias=${bias !== null}`;
  }
}

const STATE_NAMES: Record<string, string> = {
  runningMean: 'running_mean',
  runningVar: 'running_var',
  numBatchesTracked: 'num_batches_tracked',
};

/** Options of batch and instance normalization. */
export interface NormOptions {
  /** Added to the variance; 1e-5. */
  eps?: number;
  /** How far the running statistics follow a batch; null: their plain average. 0.1. */
  momentum?: number | null;
  /** Whether there are weight and bias for each channel. */
  affine?: boolean;
  /** Whether running statistics are kept for evaluation. */
  trackRunningStats?: boolean;
  /** Whether there is a bias beside the weight of an affine layer. */
  bias?: boolean;
  dtype?: DType | null;
  /** Only 'cpu' exists. */
  device?: string | null;
}

export type NormSettings = Required<Omit<NormOptions, 'device'>>;

/** What batch and instance normalization have in common: channels, weight and bias, running statistics. */
abstract class ChannelNorm extends Module {
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  declare runningMean: Tensor | null;
  declare runningVar: Tensor | null;
  declare numBatchesTracked: Tensor | null;

  static override stateName(property: string): string {
    return STATE_NAMES[property] ?? property;
  }
  static override stateMayLack(key: string): boolean {
    return key === 'num_batches_tracked';
  }

  constructor(
    readonly numFeatures: number,
    defaults: NormSettings,
    given: readonly unknown[],
  ) {
    super();
    const call = this.constructor.name;
    if (!Number.isInteger(numFeatures) || numFeatures < 0) {
      throw new TypeError(`${call}: numFeatures must be a non-negative integer, got ${show(numFeatures)}`);
    }
    const o = readNormOptions(call, defaults, given);
    this.eps = o.eps;
    this.momentum = o.momentum;
    this.affine = o.affine;
    this.trackRunningStats = o.trackRunningStats;
    this.weight = o.affine ? filled([numFeatures], 1, o.dtype) : null;
    this.bias = o.affine && o.bias ? filled([numFeatures], 0, o.dtype) : null;
    guard(this, 'weight', 'bias');
    const code = o.dtype === null ? defaultFloat() : codeOf(call, o.dtype);
    const tracked = o.trackRunningStats;
    this.registerBuffer('runningMean', tracked ? state([numFeatures], 0, code) : null);
    this.registerBuffer('runningVar', tracked ? state([numFeatures], 1, code) : null);
    this.registerBuffer('numBatchesTracked', tracked ? state([], 0, Code.i64) : null);
  }
  /** Running mean 0 and variance 1, as before the first batch. */
  resetRunningStats(): void {
    if (this.runningMean !== null) fillElements(this.runningMean, 0);
    if (this.runningVar !== null) fillElements(this.runningVar, 1);
    if (this.numBatchesTracked !== null) fillElements(this.numBatchesTracked, 0);
  }
  /** Weight 1, bias 0, running statistics as before the first batch. */
  resetParameters(): void {
    this.resetRunningStats();
    if (this.weight !== null) fillElements(this.weight, 1);
    if (this.bias !== null) fillElements(this.bias, 0);
  }
  override extraRepr(): string {
    const { numFeatures, eps, momentum, affine, trackRunningStats } = this;
    const m = momentum === null ? 'null' : float(momentum);
    const parts = `affine=${affine}, bias=${this.bias !== null}, trackRunningStats=${trackRunningStats}`;
    return `${numFeatures}, eps=${float(eps)}, momentum=${m}, ${parts}`;
  }
}

export type PositionalNorm = [eps?: number | NormOptions, momentum?: number | null | NormOptions, affine?: boolean | NormOptions, trackRunningStats?: boolean | NormOptions, options?: NormOptions]; // prettier-ignore

const normCall = signature(
  'Norm(float? eps=null, float? momentum=null, bool? affine=null, bool? trackRunningStats=null, *, dtype? dtype=null, bool? bias=null)',
);
/** Options by position or by name; a momentum of null is a value of its own. */
export function readNormOptions(call: string, defaults: NormSettings, given: readonly unknown[]): NormSettings {
  const last = given.at(-1);
  const named = typeof last === 'object' && last !== null ? (last as NormOptions) : {};
  checkOptions(call, named, Object.keys(defaults));
  const positional = last === named ? given.slice(0, -1) : given;
  const [eps, , affine, trackRunningStats, dtype, bias] = normCall.read(given, call);
  const momentum =
    positional[1] !== undefined ? positional[1] : named.momentum !== undefined ? named.momentum : defaults.momentum;
  return {
    eps: eps ?? defaults.eps,
    momentum: momentum as number | null,
    affine: affine ?? defaults.affine,
    trackRunningStats: trackRunningStats ?? defaults.trackRunningStats,
    dtype: dtype ?? defaults.dtype,
    bias: bias ?? defaults.bias,
  };
}

export const BATCH_DEFAULTS = {
  eps: 1e-5,
  momentum: 0.1,
  affine: true,
  trackRunningStats: true,
  dtype: null,
  bias: true,
};
/** Batch normalization for inputs of some numbers of dims. */
abstract class BatchNorm extends ChannelNorm {
  /** How many dims an input may have. */
  protected abstract get dims(): readonly number[];
  constructor(numFeatures: number, ...options: PositionalNorm) {
    super(numFeatures, BATCH_DEFAULTS, options);
  }
  override forward(input: Tensor): Tensor {
    const call = this.constructor.name;
    checkIsTensor(call, 'input', input);
    if (!this.dims.includes(input.shape.length)) {
      throw new TenfoldError(
        'shape',
        `${call}: expected an input of ${this.dims.join(' or ')} dims, got ${formatShape(input.shape)}`,
      );
    }
    if (input.shape[1] !== this.numFeatures) {
      throw new TenfoldError(
        'shape',
        `${call}: expected ${this.numFeatures} channels at dim 1, got ${formatShape(input.shape)}`,
      );
    }
    const { training, runningMean, runningVar, weight, bias } = this;
    if (training && !(this.eps > 0))
      throw new TenfoldError('value', `${call}: eps must be positive in training, got ${this.eps}`);
    const counts = training && this.trackRunningStats;
    const factor = counts ? nextMomentum(this) : (this.momentum ?? 0);
    const ownStatistics = training || runningMean === null;
    const follow = !training || this.trackRunningStats;
    const y = F.batchNorm(
      input,
      follow ? runningMean : null,
      follow ? runningVar : null,
      weight,
      bias,
      ownStatistics,
      factor,
      this.eps,
    );
    if (counts && !mode.again) countBatch(this); // what was refused isn't counted
    return y;
  }
}
/** The momentum that the next batch's statistics enter with: its share of the plain average where there is none. */
function nextMomentum({ numBatchesTracked, momentum }: ChannelNorm): number {
  return momentum ?? (numBatchesTracked === null ? 0 : 1 / (Number(numBatchesTracked.item()) + 1));
}
function countBatch({ numBatchesTracked }: ChannelNorm): void {
  if (numBatchesTracked === null) return;
  const before = mode.grad;
  mode.grad = false;
  numBatchesTracked.add_(1);
  mode.grad = before;
}

/**
 * Mean 0 and variance 1 over each channel of [n, c] or [n, c, l], by the batch in training and by running statistics in
 * evaluation (Ioffe and Szegedy 2015). See torch.nn.BatchNorm1d.
 */
export class BatchNorm1d extends BatchNorm {
  protected override get dims(): readonly number[] {
    return [2, 3];
  }
}
/** Mean 0 and variance 1 over each channel of [n, c, h, w]. See torch.nn.BatchNorm2d. */
export class BatchNorm2d extends BatchNorm {
  protected override get dims(): readonly number[] {
    return [4];
  }
}
/** Mean 0 and variance 1 over each channel of [n, c, d, h, w]. See torch.nn.BatchNorm3d. */
export class BatchNorm3d extends BatchNorm {
  protected override get dims(): readonly number[] {
    return [5];
  }
}

const INSTANCE_DEFAULTS = {
  eps: 1e-5,
  momentum: 0.1,
  affine: false,
  trackRunningStats: false,
  dtype: null,
  bias: true,
};
/** Instance normalization for inputs of `dims` dims, or one fewer without a batch. */
abstract class InstanceNorm extends ChannelNorm {
  /** How many dims a batch has. */
  protected abstract get dims(): number;
  constructor(numFeatures: number, ...options: PositionalNorm) {
    super(numFeatures, INSTANCE_DEFAULTS, options);
  }
  override forward(input: Tensor): Tensor {
    const call = this.constructor.name;
    checkIsTensor(call, 'input', input);
    const { dims } = this;
    if (input.shape.length !== dims && input.shape.length !== dims - 1) {
      throw new TenfoldError(
        'shape',
        `${call}: expected an input of ${dims - 1} or ${dims} dims, got ${formatShape(input.shape)}`,
      );
    }
    const batch = input.shape.length === dims ? input : input.unsqueeze(0);
    if (batch.shape[1] !== this.numFeatures && this.affine) {
      throw new TenfoldError(
        'shape',
        `${call}: expected ${this.numFeatures} channels, got ${formatShape(input.shape)}`,
      );
    }
    const { runningMean, runningVar, weight, bias, training, trackRunningStats } = this;
    const y = F.instanceNorm(batch, {
      runningMean,
      runningVar,
      weight,
      bias,
      useInputStats: training || !trackRunningStats,
      momentum: this.momentum ?? 0,
      eps: this.eps,
    });
    return batch === input ? y : y.squeeze(0);
  }
}
/** Mean 0 and variance 1 over each channel of each sample of [n, c, l] (Ulyanov et al. 2016). See torch.nn.InstanceNorm1d. */
export class InstanceNorm1d extends InstanceNorm {
  protected override get dims(): number {
    return 3;
  }
}
/** Mean 0 and variance 1 over each channel of each sample of [n, c, h, w]. See torch.nn.InstanceNorm2d. */
export class InstanceNorm2d extends InstanceNorm {
  protected override get dims(): number {
    return 4;
  }
}
/** Mean 0 and variance 1 over each channel of each sample of [n, c, d, h, w]. See torch.nn.InstanceNorm3d. */
export class InstanceNorm3d extends InstanceNorm {
  protected override get dims(): number {
    return 5;
  }
}

const localResponseNorm = signature('LocalResponseNorm(int size, float alpha=1e-4, float beta=0.75, float k=1)');
/** x over a power of the squares of neighbouring channels. See torch.nn.LocalResponseNorm. */
export class LocalResponseNorm extends Module {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  constructor(...args: Arguments<typeof localResponseNorm.schema>) {
    super();
    [this.size, this.alpha, this.beta, this.k] = localResponseNorm.read(args);
  }
  override forward(input: Tensor): Tensor {
    return F.localResponseNorm(input, this.size, this.alpha, this.beta, this.k);
  }
  override extraRepr(): string {
    return `${this.size}, alpha=${float(this.alpha)}, beta=${float(this.beta)}, k=${float(this.k)}`;
  }
}
