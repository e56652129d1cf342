/** DistributedSampler: each rank's share of a dataset. */
import { TenfoldError } from '../../errors.js';
import { collectives } from '../../nn/parallel/collectives.js';
import { signature, type Arguments } from '../../op/schema.js';
import { randperm } from '../../ops/random.js';
import { Generator } from '../../random/generator.js';
import { indicesOf } from './dataset.js';
import { Sampler, type Sized } from './sampler.js';

const CALL = 'DistributedSampler';
const samplerCall = signature(
  'DistributedSampler(int? numReplicas=null, int? rank=null, bool shuffle=true, int seed=0, bool dropLast=false, *, bool pad=true)',
);

/**
 * Every `numReplicas`th sample, from `rank` on, of an order that all ranks agree on: PyTorch's for `seed` and epoch. Ranks and their
 * number are the process group's where not given. So that all have as many, the order is filled up with its first samples, or, with
 * `dropLast`, cut. With `pad: false` it is neither (not in PyTorch): no sample is seen twice, as validation wants it, and some ranks have one
 * fewer. Call `setEpoch` before each epoch, or all have the same order.
 *
 *     const sampler = new utils.data.DistributedSampler(dataset);
 *     const loader = new utils.data.DataLoader(dataset, { batchSize: 32, sampler });
 *     for (let epoch = 0; epoch < 10; epoch++) {
 *       sampler.setEpoch(epoch);
 *       for (const [x, y] of loader) step(x, y);
 *     }
 *
 * @throws RangeError for a rank that isn't below numReplicas. See torch.utils.data.distributed.DistributedSampler.
 */
export class DistributedSampler extends Sampler {
  readonly numReplicas: number;
  readonly rank: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly dropLast: boolean;
  readonly pad: boolean;
  private current = 0;

  constructor(
    readonly dataset: Sized,
    ...args: Arguments<typeof samplerCall.schema>
  ) {
    super();
    const [numReplicas, rank, shuffle, seed, dropLast, pad] = samplerCall.read(args);
    const group = numReplicas === null || rank === null ? collectives(CALL).groupOf(CALL, null) : null;
    this.numReplicas = numReplicas ?? group!.size();
    this.rank = rank ?? group!.rank();
    if (this.numReplicas < 1) throw new RangeError(`${CALL}: numReplicas must be at least 1, got ${this.numReplicas}`);
    if (this.rank < 0 || this.rank >= this.numReplicas)
      throw new RangeError(`${CALL}: rank must be from 0 to ${this.numReplicas - 1}, got ${this.rank}`);
    if (dropLast && !pad) throw new TenfoldError('value', `${CALL}: dropLast and pad: false exclude each other`);
    this.shuffle = shuffle;
    this.seed = seed;
    this.dropLast = dropLast;
    this.pad = pad;
  }

  /** The epoch, from which the order is made. */
  get epoch(): number {
    return this.current;
  }
  /** Makes the next pass another order, the same on all ranks. */
  setEpoch(epoch: number): void {
    if (!Number.isInteger(epoch))
      throw new TypeError(`${CALL}.setEpoch: epoch must be an integer, got ${String(epoch)}`);
    this.current = epoch;
  }

  /** Samples that a rank gets where all get as many. */
  private get even(): number {
    const { numReplicas } = this;
    const { length } = this.dataset;
    return this.dropLast ? Math.floor(length / numReplicas) : Math.ceil(length / numReplicas);
  }
  get length(): number {
    return this.pad ? this.even : Math.max(0, Math.ceil((this.dataset.length - this.rank) / this.numReplicas));
  }
  *[Symbol.iterator](): IterableIterator<number> {
    const { length } = this.dataset;
    const generator = new Generator().manualSeed(this.seed + this.current);
    const order = this.shuffle ? indicesOf(randperm(length, { generator })) : Array.from({ length }, (_, i) => i);
    const end = this.pad ? this.even * this.numReplicas : length;
    // Beyond its end the order begins again.
    for (let i = this.rank; i < end; i += this.numReplicas) yield order[i % length]!;
  }
}
