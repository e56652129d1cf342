/** DataLoader: batches of a dataset in an order. */
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { currentRank } from '../../nn/parallel/collectives.js';
import { Generator } from '../../random/generator.js';
import { Tensor } from '../../tensor/tensor.js';
import { defaultCollate, defaultConvert, type Collated } from './collate.js';
import { IterableDataset, asDataset, type MapDataset } from './dataset.js';
import { BatchSampler, RandomSampler, SequentialSampler, drawSeed } from './sampler.js';
import { Workers, timedOut, type Pass } from './workers.js';

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
  /** Threads that make batches; 0: none, the program's own does. */
  numWorkers?: number;
  /**
   * With numWorkers, the module that has the dataset in each thread: an absolute URL, such as
   * `new URL('./dataset.js', import.meta.url)`. It exports `dataset` (or as default) the dataset or a function that makes it, and
   * may export `collateFn` and `workerInitFn` (called with the worker's id).
   */
  module?: URL | string | null;
  /** Batches that are made ahead, for each worker; 2 where not given. Without workers, with `for await`, of asynchronous samples. */
  prefetchFactor?: number | null;
  /** Threads stay for the next pass. */
  persistentWorkers?: boolean;
  /** Seconds after which a batch of the workers is given up; 0: never. */
  timeout?: number;
  /** There is no device to pin memory for; only false. */
  pinMemory?: false;
}
const OPTIONS = [
  'batchSize',
  'shuffle',
  'sampler',
  'batchSampler',
  'dropLast',
  'collateFn',
  'generator',
  'numWorkers',
  'module',
  'prefetchFactor',
  'persistentWorkers',
  'timeout',
  'pinMemory',
];
const DEFAULT_PREFETCH = 2;

/** Datasets that a loader takes. */
type Source<T> = MapDataset<T> | readonly T[] | IterableDataset<T> | (Tensor extends T ? Tensor : never);

/**
 * Batches of a dataset ([torch.utils.data.DataLoader](https://pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader)).
 * The order is PyTorch's for the same seed.
 *
 * ```ts
 * const loader = new utils.data.DataLoader(new utils.data.TensorDataset(x, y), { batchSize: 64, shuffle: true });
 * for (const [images, labels] of loader) train(images, labels);
 * for await (const [images, labels] of loader) train(images, labels); // lets other events in between, and awaits samples
 * ```
 *
 * With `numWorkers`, batches are made by threads, in the same order. A thread can't be given an object with functions, so the
 * dataset comes from a module there (`module`); the one given here says how many samples there are. Each thread's generator
 * is seeded with PyTorch's seed for it; `getWorkerInfo()` says which one it is. An error in a thread is thrown here with its
 * stack. Threads end with the pass, also where it is broken off.
 */
export class DataLoader<T, B = Collated<Awaited<T>>> implements Iterable<B>, AsyncIterable<B> {
  readonly batchSize: number | null;
  readonly dropLast: boolean;
  readonly sampler: (Iterable<number> & { readonly length?: number }) | null;
  readonly batchSampler: (Iterable<readonly number[]> & { readonly length?: number }) | null;
  readonly generator: Generator | null;
  readonly collateFn: (samples: Awaited<T>[]) => B;
  readonly numWorkers: number;
  readonly prefetchFactor: number;
  readonly persistentWorkers: boolean;
  readonly timeout: number;
  private readonly get: (index: number) => T;
  /** The dataset by index; a tensor's rows. */
  private readonly rows: MapDataset<T>;
  private readonly module: string | null;
  private readonly ownCollate: boolean;
  private workers: Workers | null = null;

  constructor(
    readonly dataset: Source<T>,
    options: DataLoaderOptions<T, B> | number | null = {},
    shuffle?: boolean | Omit<DataLoaderOptions<T, B>, 'batchSize'>,
  ) {
    const o = readLoaderOptions<T, B>(options, shuffle);
    const streams = dataset instanceof IterableDataset;
    const rows = dataset instanceof Tensor ? asDataset<T>('DataLoader', dataset) : (dataset as MapDataset<T>);
    this.rows = rows;
    checkDataset(rows, streams);
    checkCombination(o, streams);
    this.generator = o.generator ?? null;
    this.dropLast = o.dropLast ?? false;
    this.batchSize = o.batchSampler ? null : o.batchSize === undefined ? 1 : o.batchSize;
    this.sampler = streams ? null : (o.sampler ?? this.ownSampler(rows, o.shuffle ?? false));
    if (this.batchSize !== null) {
      // Refuses a wrong batchSize or dropLast, for streams too.
      const batches = new BatchSampler(this.sampler ?? [], this.batchSize, this.dropLast);
      this.batchSampler = streams ? null : batches;
    } else this.batchSampler = o.batchSampler ?? null;
    const auto = this.batchSize !== null || this.batchSampler !== null;
    this.collateFn = o.collateFn ?? ((auto ? defaultCollate : defaultConvert) as (samples: Awaited<T>[]) => B);
    this.ownCollate = (o.collateFn ?? null) !== null;
    this.numWorkers = o.numWorkers ?? 0;
    this.module = o.module ? String(o.module) : null;
    this.prefetchFactor = o.prefetchFactor ?? DEFAULT_PREFETCH;
    this.persistentWorkers = o.persistentWorkers ?? false;
    this.timeout = o.timeout ?? 0;
    this.get = Array.isArray(dataset) ? (i) => (dataset as readonly T[])[i]! : (i) => rows.get(i);
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
    if (this.numWorkers > 0) return this.threaded(this.seedForPass());
    // PyTorch draws a seed for workers at the start of each pass, before the order; there are none here, but the numbers
    // that come after must be the same.
    drawSeed(this.generator);
    return this.dataset instanceof IterableDataset ? this.streamed(this.dataset) : this.indexed();
  }
  [Symbol.asyncIterator](): AsyncIterableIterator<B> {
    if (this.numWorkers > 0) return this.threadedLater(this.seedForPass());
    drawSeed(this.generator);
    return this.dataset instanceof IterableDataset ? this.streamedLater(this.dataset) : this.indexedLater();
  }

  // ---- with threads --------------------------------------------------------------------------------------------------

  /** Threads that stay keep the seeds that they began with, as in PyTorch. */
  private seedForPass(): bigint {
    return this.workers === null ? drawSeed(this.generator) : 0n;
  }
  private startPass(seed: bigint): { workers: Workers; pass: Pass } {
    this.workers ??= new Workers(
      {
        module: this.module!,
        numWorkers: this.numWorkers,
        batches: this.batchSize !== null || this.batchSampler !== null,
        collateThere: this.ownCollate,
        batchSize: this.batchSize ?? 1,
        dropLast: this.dropLast,
      },
      // Ranks that were seeded alike draw alike; their workers must not (rank 0's are PyTorch's).
      seed + BigInt(currentRank() * this.numWorkers),
    );
    const { workers } = this;
    leftBehind.register(this, workers, workers);
    const order =
      this.dataset instanceof IterableDataset ? null : (this.batchSampler ?? this.sampler!)[Symbol.iterator]();
    return { workers, pass: workers.begin(order, this.prefetchFactor) };
  }
  /** After a pass; `whole`: without an error. */
  private endPass(workers: Workers, whole: boolean): void {
    if (whole && this.persistentWorkers) return;
    workers.end();
    leftBehind.unregister(workers);
    if (this.workers === workers) this.workers = null;
  }
  private received(value: unknown): B {
    return this.ownCollate ? this.collateFn(value as Awaited<T>[]) : (value as B);
  }

  private *threaded(seed: bigint): IterableIterator<B> {
    const { workers, pass } = this.startPass(seed);
    let whole = true;
    try {
      for (;;) {
        whole = false;
        const batch = workers.next(pass, this.timeout * 1000);
        whole = true;
        if (batch === null) return;
        yield this.received(batch.value);
      }
    } finally {
      this.endPass(workers, whole);
    }
  }

  private async *threadedLater(seed: bigint): AsyncIterableIterator<B> {
    const { workers, pass } = this.startPass(seed);
    let wake = (): void => {};
    const stop = workers.listen(pass, () => wake());
    let whole = true;
    try {
      for (;;) {
        whole = false;
        let batch = pass.give();
        while (batch === undefined) {
          await arrival((resolve) => (wake = resolve), this.timeout * 1000);
          batch = pass.give();
        }
        whole = true;
        if (batch === null) return;
        yield this.received(batch.value);
      }
    } finally {
      stop();
      this.endPass(workers, whole);
    }
  }

  // ---- without -------------------------------------------------------------------------------------------------------

  private *indexed(): IterableIterator<B> {
    for (const index of this.batchSampler ?? this.sampler!) {
      const quick = this.quick(index);
      if (quick !== null) yield quick;
      else if (typeof index === 'number') yield this.collateFn(settled(this.get(index)) as never);
      else yield this.collateFn(index.map((i) => settled(this.get(i))));
    }
  }

  /** Samples that are promises are asked for `prefetchFactor` batches ahead. */
  private async *indexedLater(): AsyncIterableIterator<B> {
    const ahead: Promise<unknown>[] = [];
    for (const index of this.batchSampler ?? this.sampler!) {
      const quick = this.quick(index);
      if (quick !== null) {
        yield quick;
        await otherEvents();
        continue;
      }
      const samples = typeof index === 'number' ? this.get(index) : index.map((i) => this.get(i));
      const all = Array.isArray(samples) && typeof index !== 'number' ? samples : [samples];
      if (!all.some((s) => s instanceof Promise)) {
        yield this.collateFn(samples as never);
        await otherEvents();
        continue;
      }
      const arriving =
        Array.isArray(samples) && typeof index !== 'number' ? Promise.all(samples) : Promise.resolve(samples);
      arriving.catch(() => {}); // thrown where it is awaited
      ahead.push(arriving);
      if (ahead.length > this.prefetchFactor) yield this.collateFn((await ahead.shift()!) as never);
    }
    for (const arriving of ahead) yield this.collateFn((await arriving) as never);
  }

  /** A batch that the dataset collates by itself. */
  private quick(index: number | readonly number[]): B | null {
    if (typeof index === 'number' || (this.collateFn as unknown) !== defaultCollate) return null;
    return (this.rows.batch?.(index) ?? null) as B | null;
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

/** Threads of loaders that nobody has any more. */
const leftBehind = new FinalizationRegistry((workers: Workers) => workers.end());

/** Waits until something has come from the workers. */
async function arrival(listen: (resolve: () => void) => void, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      listen(resolve);
      if (milliseconds > 0) timer = setTimeout(() => reject(timedOut(milliseconds)), milliseconds);
    });
  } finally {
    clearTimeout(timer);
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
  checkWorkerOptions(o);
  return o;
}

function checkWorkerOptions<T, B>(o: DataLoaderOptions<T, B>): void {
  const { numWorkers = 0, module = null, prefetchFactor = null, persistentWorkers = false, timeout = 0 } = o;
  if (!Number.isInteger(numWorkers) || numWorkers < 0)
    throw new RangeError(`DataLoader: numWorkers must be an integer from 0, got ${show(numWorkers)}`);
  if (prefetchFactor !== null && !(Number.isInteger(prefetchFactor) && prefetchFactor > 0))
    throw new RangeError(`DataLoader: prefetchFactor must be a positive integer, got ${show(prefetchFactor)}`);
  if (typeof persistentWorkers !== 'boolean')
    throw new TypeError(`DataLoader: persistentWorkers must be a boolean, got ${show(persistentWorkers)}`);
  if (typeof timeout !== 'number' || !(timeout >= 0))
    throw new RangeError(`DataLoader: timeout must be a number of seconds from 0, got ${show(timeout)}`);
  if ((o.pinMemory as unknown) !== undefined && (o.pinMemory as unknown) !== false)
    throw new TypeError('DataLoader: there is no device to pin memory for; leave pinMemory out');
  if (numWorkers === 0 && (module !== null || persistentWorkers || timeout > 0))
    throw new TenfoldError(
      'value',
      'DataLoader: module, persistentWorkers and timeout are for workers; give numWorkers too',
    );
  if (numWorkers === 0) return;
  if (!(module instanceof URL) && (typeof module !== 'string' || !URL.canParse(module))) {
    throw new TypeError(
      `DataLoader: numWorkers needs the URL of the module that exports the dataset, such as new URL('./dataset.js', import.meta.url), got ${show(module)}`,
    );
  }
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
