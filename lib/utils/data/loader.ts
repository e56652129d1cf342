/** DataLoader: batches of a dataset in an order. */
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { Generator } from '../../random/generator.js';
import { defaultCollate, defaultConvert, type Collated } from './collate.js';
import { IterableDataset, type MapDataset } from './dataset.js';
import { BatchSampler, RandomSampler, SequentialSampler, drawSeed } from './sampler.js';

/** Options of DataLoader. */
export interface DataLoaderOptions<T, B> {
  /** Samples per batch; null gives single samples. */
  batchSize?: number | null;
  /** A new random order in each pass. */
  shuffle?: boolean | null;
  /** The order, in place of shuffle. */
  sampler?: (Iterable<number> & { readonly length?: number }) | null;
  /** The batches' indices, in place of batchSize, shuffle, sampler and dropLast. */
  batchSampler?: (Iterable<readonly number[]> & { readonly length?: number }) | null;
  /** Leave out a last batch that is not full. */
  dropLast?: boolean;
  /** Makes a batch of a list of samples; of one sample where batchSize is null. */
  collateFn?: ((samples: Awaited<T>[]) => B) | null;
  /** Source of the order; the default generator where not given. */
  generator?: Generator | null;
}
const OPTIONS = ['batchSize', 'shuffle', 'sampler', 'batchSampler', 'dropLast', 'collateFn', 'generator'];

/** Datasets that a loader takes. */
type Source<T> = MapDataset<T> | readonly T[] | IterableDataset<T>;

/**
 * Batches of a dataset ([torch.utils.data.DataLoader](https://pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader)).
 * The order is PyTorch's for the same seed.
 *
 * ```ts
 * const loader = new utils.data.DataLoader(new utils.data.TensorDataset(x, y), { batchSize: 64, shuffle: true });
 * for (const [images, labels] of loader) train(images, labels);
 * for await (const [images, labels] of loader) train(images, labels); // lets other events in between, and awaits samples
 * ```
 */
export class DataLoader<T, B = Collated<Awaited<T>>> implements Iterable<B>, AsyncIterable<B> {
  readonly batchSize: number | null;
  readonly dropLast: boolean;
  readonly sampler: (Iterable<number> & { readonly length?: number }) | null;
  readonly batchSampler: (Iterable<readonly number[]> & { readonly length?: number }) | null;
  readonly generator: Generator | null;
  readonly collateFn: (samples: Awaited<T>[]) => B;
  private readonly get: (index: number) => T;

  constructor(
    readonly dataset: Source<T>,
    options: DataLoaderOptions<T, B> | number | null = {},
    shuffle?: boolean | Omit<DataLoaderOptions<T, B>, 'batchSize'>,
  ) {
    const o = readLoaderOptions<T, B>(options, shuffle);
    const streams = dataset instanceof IterableDataset;
    checkDataset(dataset, streams);
    checkCombination(o, streams);
    this.generator = o.generator ?? null;
    this.dropLast = o.dropLast ?? false;
    this.batchSize = o.batchSampler ? null : o.batchSize === undefined ? 1 : o.batchSize;
    this.sampler = streams ? null : (o.sampler ?? this.ownSampler(dataset as MapDataset<T>, o.shuffle ?? false));
    if (this.batchSize !== null) {
      // Refuses a wrong batchSize or dropLast, for streams too.
      const batches = new BatchSampler(this.sampler ?? [], this.batchSize, this.dropLast);
      this.batchSampler = streams ? null : batches;
    } else this.batchSampler = o.batchSampler ?? null;
    const auto = this.batchSize !== null || this.batchSampler !== null;
    this.collateFn = o.collateFn ?? ((auto ? defaultCollate : defaultConvert) as (samples: Awaited<T>[]) => B);
    this.get = Array.isArray(dataset) ? (i) => (dataset as readonly T[])[i]! : (i) => (dataset as MapDataset<T>).get(i);
  }

  private ownSampler(dataset: MapDataset<T>, shuffle: boolean): Iterable<number> & { readonly length?: number } {
    return shuffle ? new RandomSampler(dataset, { generator: this.generator }) : new SequentialSampler(dataset);
  }

  /** Number of batches in a pass. */
  get length(): number {
    const { dataset, batchSize } = this;
    if (dataset instanceof IterableDataset) {
      const { length } = dataset as { length?: number };
      if (length === undefined) throw new TypeError('DataLoader.length: the iterable dataset has no length');
      if (batchSize === null) return length;
      return this.dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
    }
    const { length } = this.batchSampler ?? this.sampler!;
    if (length === undefined) throw new TypeError('DataLoader.length: the sampler has no length');
    return length;
  }

  [Symbol.iterator](): IterableIterator<B> {
    // PyTorch draws a seed for workers at the start of each pass, before the order; there are none here, but the numbers
    // that come after must be the same.
    drawSeed(this.generator);
    return this.dataset instanceof IterableDataset ? this.streamed(this.dataset) : this.indexed();
  }
  [Symbol.asyncIterator](): AsyncIterableIterator<B> {
    drawSeed(this.generator);
    return this.dataset instanceof IterableDataset ? this.streamedLater(this.dataset) : this.indexedLater();
  }

  private *indexed(): IterableIterator<B> {
    for (const index of this.batchSampler ?? this.sampler!) {
      const quick = this.quick(index);
      if (quick !== null) yield quick;
      else if (typeof index === 'number') yield this.collateFn(settled(this.get(index)) as never);
      else yield this.collateFn(index.map((i) => settled(this.get(i))));
    }
  }

  private async *indexedLater(): AsyncIterableIterator<B> {
    for (const index of this.batchSampler ?? this.sampler!) {
      const quick = this.quick(index);
      if (quick !== null) yield quick;
      else if (typeof index === 'number') yield this.collateFn((await this.get(index)) as never);
      else yield this.collateFn(await Promise.all(index.map((i) => this.get(i))));
      await otherEvents();
    }
  }

  /** A batch that the dataset collates by itself. */
  private quick(index: number | readonly number[]): B | null {
    if (typeof index === 'number' || (this.collateFn as unknown) !== defaultCollate) return null;
    return ((this.dataset as MapDataset<T>).batch?.(index) ?? null) as B | null;
  }

  private *streamed(dataset: IterableDataset<T>): IterableIterator<B> {
    if (!dataset[Symbol.iterator]) throw new TypeError('DataLoader: this dataset is asynchronous; use `for await`');
    let samples: T[] = [];
    for (const sample of dataset as Iterable<T>) {
      settled(sample);
      if (this.batchSize === null) yield this.collateFn(sample as never);
      else if (samples.push(sample) === this.batchSize) {
        yield this.collateFn(samples as never);
        samples = [];
      }
    }
    if (samples.length > 0 && !this.dropLast) yield this.collateFn(samples as never);
  }

  private async *streamedLater(dataset: IterableDataset<T>): AsyncIterableIterator<B> {
    let samples: T[] = [];
    for await (const sample of dataset as AsyncIterable<T>) {
      if (this.batchSize === null) yield this.collateFn(sample as never);
      else if (samples.push(sample) === this.batchSize) {
        yield this.collateFn(samples as never);
        samples = [];
        await otherEvents();
      }
    }
    if (samples.length > 0 && !this.dropLast) yield this.collateFn(samples as never);
  }
}

const otherEvents = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function settled<T>(sample: T): Awaited<T> {
  if (sample instanceof Promise) {
    sample.catch(() => {});
    throw new TypeError('DataLoader: the dataset gives promises; iterate with `for await`');
  }
  return sample as Awaited<T>;
}

function readLoaderOptions<T, B>(
  options: DataLoaderOptions<T, B> | number | null,
  rest?: boolean | Omit<DataLoaderOptions<T, B>, 'batchSize'>,
): DataLoaderOptions<T, B> {
  const tail = typeof rest === 'boolean' ? { shuffle: rest } : (rest ?? {});
  const o = typeof options === 'number' ? { batchSize: options, ...tail } : { ...options, ...tail };
  checkOptions('DataLoader', o, OPTIONS);
  if (o.batchSize !== undefined && o.batchSize !== null && !(Number.isInteger(o.batchSize) && o.batchSize > 0))
    throw new RangeError(
      `DataLoader: batchSize must be a positive integer, got ${show(o.batchSize)} (null: no batches)`,
    );
  for (const flag of ['shuffle', 'dropLast'] as const) {
    if (o[flag] !== undefined && o[flag] !== null && typeof o[flag] !== 'boolean')
      throw new TypeError(`DataLoader: ${flag} must be a boolean, got ${show(o[flag])}`);
  }
  for (const order of ['sampler', 'batchSampler'] as const) {
    const given: unknown = o[order];
    if (given !== undefined && given !== null && !(typeof given === 'object' && Symbol.iterator in given))
      throw new TypeError(`DataLoader: ${order} must be iterable, got ${show(given)}`);
  }
  if (o.collateFn !== undefined && o.collateFn !== null && typeof o.collateFn !== 'function')
    throw new TypeError(`DataLoader: collateFn must be a function, got ${show(o.collateFn)}`);
  if (o.generator !== undefined && o.generator !== null && !(o.generator instanceof Generator))
    throw new TypeError(`DataLoader: generator must be a Generator, got ${show(o.generator)}`);
  return o;
}

function checkDataset(dataset: unknown, streams: boolean): void {
  if (streams || Array.isArray(dataset)) return;
  const d = dataset as Partial<MapDataset<unknown>> | null;
  if (typeof d !== 'object' || d === null || typeof d.get !== 'function' || typeof d.length !== 'number') {
    throw new TypeError(
      `DataLoader: a dataset has get(index) and length, or is an array or an IterableDataset; got ${show(dataset)}`,
    );
  }
}

function checkCombination<T, B>(o: DataLoaderOptions<T, B>, streams: boolean): void {
  const clash = (text: string): never => {
    throw new TenfoldError('value', `DataLoader: ${text}`);
  };
  if (streams) {
    if (o.shuffle) clash('an IterableDataset has its own order; it takes no shuffle');
    if (o.sampler) clash('an IterableDataset has its own order; it takes no sampler');
    if (o.batchSampler) clash('an IterableDataset has its own order; it takes no batchSampler');
  }
  if (o.sampler && o.shuffle) clash('sampler and shuffle exclude each other');
  if (o.batchSampler) {
    if ((o.batchSize !== undefined && o.batchSize !== 1) || o.shuffle || o.sampler || o.dropLast) {
      clash('batchSampler excludes batchSize, shuffle, sampler and dropLast');
    }
  } else if (o.batchSize === null && o.dropLast)
    clash('batchSize null makes no batches, so there is no last one to drop');
}
