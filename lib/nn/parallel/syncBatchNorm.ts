/** SyncBatchNorm: batch normalization by the statistics of all ranks' batches. */
import { TenfoldError, show } from '../../errors.js';
import { Function, type FunctionContext } from '../../autograd/function.js';
import { noGrad } from '../../autograd/mode.js';
import { isFloatCode } from '../../dtype.js';
import { cat } from '../../ops/joining.js';
import { tensor, zeros } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../layers/normalization.js';
import { Module } from '../module.js';
import { collectivesIfAny, type Collectives, type Ranks } from './collectives.js';

/** Where the other ranks are. */
interface Others {
  readonly all: Collectives;
  readonly group: Ranks;
}

/** Dims that are averaged over: all but the channels'. */
const averaged = (x: Tensor): number[] => [0, ...Array.from({ length: x.shape.length - 2 }, (_, i) => i + 2)];
/** [c] as it broadcasts against [n, c, …]. */
const perChannel = (t: Tensor, x: Tensor): Tensor => t.view([1, -1, ...new Array<number>(x.shape.length - 2).fill(1)]);

/** Mean, variance and number of elements of each channel over all ranks' batches. */
function jointStatistics(x: Tensor, { all, group }: Others): { mean: Tensor; variance: Tensor; count: number } {
  const channels = x.shape[1]!;
  const own = channels === 0 ? 0 : x.count / channels;
  const dims = averaged(x);
  const mean = own === 0 ? zeros([channels], { dtype: x.dtype }) : x.mean(dims);
  const spread = own === 0 ? mean : x.sub(perChannel(mean, x)).square().mean(dims);
  const sent = cat([mean, spread, tensor([own], { dtype: x.dtype })]);
  const list = Array.from({ length: group.size() }, () => sent.clone());
  all.allGather(list, sent, group).wait();
  const parts = list.map((part) => ({
    mean: part.narrow(0, 0, channels),
    spread: part.narrow(0, channels, channels),
    count: part.narrow(0, 2 * channels, 1).item() as number,
  }));
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  let joint = mean.mul(0);
  for (const part of parts) joint = joint.add(part.mean.mul(part.count / count));
  // Within the ranks and between them: no difference of large squares.
  let variance = mean.mul(0);
  for (const part of parts) {
    variance = variance.add(part.spread.add(part.mean.sub(joint).square()).mul(part.count / count));
  }
  return { mean: joint, variance, count };
}

class SyncBatchNormFunction extends Function {
  static override forward(
    ctx: FunctionContext,
    x: Tensor,
    weight: Tensor | null,
    bias: Tensor | null,
    mean: Tensor,
    rstd: Tensor,
    count: number,
    others: Others,
  ): Tensor {
    ctx.saveForBackward(x, weight, mean, rstd);
    Object.assign(ctx, { count, others });
    const normal = x.sub(perChannel(mean, x)).mul(perChannel(rstd, x));
    const scaled = weight === null ? normal : normal.mul(perChannel(weight, x));
    return bias === null ? scaled : scaled.add(perChannel(bias, x));
  }
  static override backward(ctx: FunctionContext, grad: Tensor): (Tensor | null)[] {
    const [x, weight, mean, rstd] = ctx.savedTensors as [Tensor, Tensor | null, Tensor, Tensor];
    const { count, others } = ctx as unknown as { count: number; others: Others };
    const channels = x.shape[1]!;
    const dims = averaged(x);
    const normal = x.sub(perChannel(mean, x)).mul(perChannel(rstd, x));
    const [sum, sumNormal] = [grad.sum(dims), grad.mul(normal).sum(dims)];
    let gradX: Tensor | null = null;
    if (ctx.needsInputGrad[0]) {
      // The statistics depend on all ranks' inputs, and so do the gradients' means.
      const sums = cat([sum, sumNormal]);
      others.all.allReduce(sums, others.group).wait();
      const means = sums.div(count);
      const centred = grad
        .sub(perChannel(means.narrow(0, 0, channels), x))
        .sub(normal.mul(perChannel(means.narrow(0, channels, channels), x)));
      gradX = centred.mul(perChannel(weight === null ? rstd : rstd.mul(weight), x));
    }
    // Weight and bias have their own rank's: DistributedDataParallel averages them.
    return [
      gradX,
      ctx.needsInputGrad[1] ? sumNormal : null,
      ctx.needsInputGrad[2] ? sum : null,
      null,
      null,
      null,
      null,
    ];
  }
}

const groupOfModule = new WeakMap<SyncBatchNorm, unknown>();

/**
 * Batch normalization of [n, c, …] by the statistics of all ranks' batches together, in training where there is a process group;
 * everything else is BatchNorm's. With DistributedDataParallel, training is then that of the joint batch. Ranks may have batches of
 * different sizes. `processGroup`: the default group where not given. No second derivatives. See torch.nn.SyncBatchNorm.
 */
export class SyncBatchNorm extends BatchNorm1d {
  protected override get dims(): readonly number[] {
    return [2, 3, 4, 5];
  }
  constructor(
    numFeatures: number,
    options: ConstructorParameters<typeof BatchNorm1d>[1] & { processGroup?: unknown } = {},
    ...more: never[]
  ) {
    if (typeof options !== 'object' || options === null || more.length > 0)
      throw new TypeError(`SyncBatchNorm: takes numFeatures and options, got ${show(options)}`);
    const { processGroup = null, ...rest } = options;
    super(numFeatures, rest);
    groupOfModule.set(this, processGroup);
  }

  override forward(input: Tensor): Tensor {
    const others = this.training ? this.others() : null;
    if (others === null) return super.forward(input);
    this.check(input);
    const { mean, variance, count } = noGrad(() => jointStatistics(input.detach(), others));
    if (count <= 1)
      throw new TenfoldError('shape', `SyncBatchNorm: more than one value per channel is needed in training`);
    this.follow(mean, variance.mul(count / (count - 1)));
    const rstd = noGrad(() => variance.add(this.eps).rsqrt());
    return SyncBatchNormFunction.apply(input, this.weight, this.bias, mean, rstd, count, others) as Tensor;
  }
  private others(): Others | null {
    const all = collectivesIfAny();
    if (all === null) return null;
    const group = all.groupOf('SyncBatchNorm', groupOfModule.get(this));
    return group.size() > 1 ? { all, group } : null;
  }
  private check(input: Tensor): void {
    if (!isFloatCode(input.code))
      throw new TenfoldError('dtype', `SyncBatchNorm: needs a floating-point dtype, got ${input.dtype}`);
    if (!this.dims.includes(input.shape.length) || input.shape[1] !== this.numFeatures)
      throw new TenfoldError(
        'shape',
        `SyncBatchNorm: expected [n, ${this.numFeatures}, …] of 2 to 5 dims, got [${input.shape}]`,
      );
  }
  /** The running statistics come a step nearer. */
  private follow(mean: Tensor, variance: Tensor): void {
    const { runningMean, runningVar, numBatchesTracked } = this;
    if (runningMean === null || runningVar === null) return;
    noGrad(() => {
      numBatchesTracked?.add_(1);
      const momentum = this.momentum ?? 1 / Number(numBatchesTracked?.item() ?? 1);
      runningMean.mul_(1 - momentum).add_(mean.to(runningMean.dtype), { alpha: momentum });
      runningVar.mul_(1 - momentum).add_(variance.to(runningVar.dtype), { alpha: momentum });
    });
  }

  /**
   * The module with a SyncBatchNorm in place of each BatchNorm1d, 2d or 3d in it; they take over parameters and statistics. Returns
   * the module, or what stands for it. See torch.nn.SyncBatchNorm.convert_sync_batchnorm.
   */
  static convertSyncBatchnorm<M extends Module>(module: M, processGroup: unknown = null): M {
    if (!(module instanceof Module))
      throw new TypeError(`convertSyncBatchnorm: expected a module, got ${show(module)}`);
    if (isBatchNorm(module)) return synchronized(module, processGroup) as unknown as M;
    for (const [name, child] of module.namedChildren()) {
      const converted = SyncBatchNorm.convertSyncBatchnorm(child, processGroup);
      if (converted !== child) (module as unknown as Record<string, Module>)[name] = converted;
    }
    return module;
  }
}

type AnyBatchNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d;
const isBatchNorm = (m: Module): m is AnyBatchNorm =>
  !(m instanceof SyncBatchNorm) && [BatchNorm1d, BatchNorm2d, BatchNorm3d].some((kind) => m instanceof kind);

function synchronized(norm: AnyBatchNorm, processGroup: unknown): SyncBatchNorm {
  const { eps, momentum, affine, trackRunningStats, bias } = norm;
  const options = { eps, momentum, affine, trackRunningStats, bias: bias !== null, processGroup };
  const made = new SyncBatchNorm(norm.numFeatures, options);
  if (affine) {
    made.weight = norm.weight;
    made.bias = norm.bias;
  }
  made.runningMean = norm.runningMean;
  made.runningVar = norm.runningVar;
  made.numBatchesTracked = norm.numBatchesTracked;
  made.training = norm.training;
  return made;
}
