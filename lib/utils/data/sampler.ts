/**
 * Samplers: the order in which a loader takes samples. Random orders are PyTorch's for a seed: what each of them draws
 * from a generator, and when, is torch 1.13's, the draw after the last sample included.
 */
import { TenfoldError, checkCount, checkIterable, renamed, show } from '../../errors.js';
import { Code, DTYPES } from '../../dtype.js';
import { signature, type Arguments } from '../../op/schema.js';
import { asTensor, empty } from '../../ops/creation.js';
import { multinomial, randint, randperm } from '../../ops/random.js';
import { Generator } from '../../random/generator.js';
import { type Tensor } from '../../tensor/tensor.js';
import { checkIndices, checkSized, indicesOf } from './dataset.js';

/** What has a length: datasets, arrays. */
export interface Sized {
  readonly length: number;
}

/** An order of samples. One that has a `length` lets the loader know its own. */
export abstract class Sampler<I = number> implements Iterable<I> {
  abstract [Symbol.iterator](): Iterator<I>;
}

function checkPositive(call: string, name: string, value: unknown): asserts value is number {
  if (!Number.isInteger(value) || (value as number) <= 0) {
    throw new RangeError(`${call}: ${name} must be a positive integer, got ${show(value)}`);
  }
}

/** One int64 of a generator, as `torch.empty((), dtype=torch.int64).random_()`. */
export function drawSeed(generator: Generator | null): bigint {
  return empty([], { dtype: DTYPES[Code.i64]! }).random_({ generator }).itemBigInt();
}

/** 0, 1, 2, … See torch.utils.data.SequentialSampler. */
export class SequentialSampler extends Sampler {
  constructor(readonly dataSource: Sized) {
    super();
    checkCount('SequentialSampler', arguments, 1);
    checkSized('SequentialSampler', 'a dataset', dataSource);
  }
  get length(): number {
    return this.dataSource.length;
  }
  *[Symbol.iterator](): IterableIterator<number> {
    for (let i = 0; i < this.dataSource.length; i++) yield i;
  }
}

/** Options of RandomSampler. */
export interface RandomSamplerOptions {
  /** Draw every sample from all of them. */
  replacement?: boolean;
  /** How many to draw; as many as there are where not given. */
  numSamples?: number | null;
  generator?: Generator | null;
}

const randomCall = signature('RandomSampler(bool replacement=false, int? numSamples=null, generator? generator=null)');
/**
 * A random order, or draws with replacement. Without a generator, each pass draws a seed from the default one. See
 * torch.utils.data.RandomSampler.
 */
export class RandomSampler extends Sampler {
  readonly replacement: boolean;
  readonly generator: Generator | null;
  private readonly count: number | null;
  constructor(
    readonly dataSource: Sized,
    ...args: Arguments<typeof randomCall.schema>
  ) {
    super();
    checkSized('RandomSampler', 'a dataset', dataSource);
    [this.replacement, this.count, this.generator] = randomCall.read(args);
    checkPositive('RandomSampler', this.count === null ? "the dataset's length" : 'numSamples', this.numSamples);
  }
  get numSamples(): number {
    return this.count ?? this.dataSource.length;
  }
  get length(): number {
    return this.numSamples;
  }
  *[Symbol.iterator](): IterableIterator<number> {
    const n = this.dataSource.length;
    const count = this.numSamples;
    const generator = this.generator ?? new Generator().manualSeed(drawSeed(null));
    if (this.replacement) {
      const draw = (size: number): number[] => indicesOf(randint(n, [size], { generator }));
      for (let i = 0; i < Math.floor(count / 32); i++) yield* draw(32);
      yield* draw(count % 32);
    } else {
      for (let i = 0; i < Math.floor(count / n); i++) yield* indicesOf(randperm(n, { generator }));
      yield* indicesOf(randperm(n, { generator })).slice(0, count % n);
    }
  }
}

const subsetCall = signature('SubsetRandomSampler(generator? generator=null)');
const weightedCall = signature('WeightedRandomSampler(bool replacement=true, generator? generator=null)');

/** These indices in a random order. See torch.utils.data.SubsetRandomSampler. */
export class SubsetRandomSampler extends Sampler {
  readonly generator: Generator | null;
  constructor(
    readonly indices: readonly number[],
    ...args: Arguments<typeof subsetCall.schema>
  ) {
    super();
    checkIndices('SubsetRandomSampler', indices);
    [this.generator] = subsetCall.read(args);
  }
  get length(): number {
    return this.indices.length;
  }
  *[Symbol.iterator](): IterableIterator<number> {
    for (const i of indicesOf(randperm(this.indices.length, { generator: this.generator ?? undefined })))
      yield this.indices[i]!;
  }
}

/** Draws with these weights, which need not sum to 1. See torch.utils.data.WeightedRandomSampler. */
export class WeightedRandomSampler extends Sampler {
  readonly weights: Tensor;
  readonly replacement: boolean;
  readonly generator: Generator | null;
  constructor(
    weights: Tensor | readonly number[],
    readonly numSamples: number,
    ...args: Arguments<typeof weightedCall.schema>
  ) {
    super();
    [this.replacement, this.generator] = weightedCall.read(args);
    checkPositive('WeightedRandomSampler', 'numSamples', numSamples);
    this.weights = renamed('WeightedRandomSampler', () => asTensor(weights as number[], { dtype: 'float64' }));
    if (this.weights.shape.length !== 1) {
      throw new TenfoldError(
        'shape',
        `WeightedRandomSampler: weights must have one dim, got shape [${this.weights.shape}]`,
      );
    }
  }
  get length(): number {
    return this.numSamples;
  }
  *[Symbol.iterator](): IterableIterator<number> {
    yield* indicesOf(multinomial(this.weights, this.numSamples, this.replacement, { generator: this.generator }));
  }
}

/** Lists of batchSize indices of another sampler; the last one may be short unless dropLast. See torch.utils.data.BatchSampler. */
export class BatchSampler extends Sampler<number[]> {
  constructor(
    readonly sampler: Iterable<number> & { readonly length?: number },
    readonly batchSize: number,
    readonly dropLast: boolean,
  ) {
    super();
    checkCount('BatchSampler', arguments, 3);
    checkIterable('BatchSampler', 'a sampler', sampler);
    checkPositive('BatchSampler', 'batchSize', batchSize);
    if (typeof dropLast !== 'boolean')
      throw new TypeError(`BatchSampler: dropLast must be a boolean, got ${show(dropLast)}`);
  }
  get length(): number {
    const { length } = this.sampler;
    if (length === undefined) throw new TypeError('BatchSampler.length: the sampler has no length');
    return this.dropLast ? Math.floor(length / this.batchSize) : Math.ceil(length / this.batchSize);
  }
  *[Symbol.iterator](): IterableIterator<number[]> {
    let batch: number[] = [];
    for (const index of this.sampler) {
      batch.push(index);
      if (batch.length === this.batchSize) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0 && !this.dropLast) yield batch;
  }
}
