/** Datasets: samples by index (Dataset), or one after the other (IterableDataset). */
import { TenfoldError, checkCount, checkIterable, checkOptions, show } from '../../errors.js';
import type { Generator } from '../../random/generator.js';
import { randperm } from '../../ops/random.js';
import { Tensor, checkTensor } from '../../tensor/tensor.js';
import { stackRows } from './collate.js';

/** What a loader needs of a dataset with an index; a plain array will do too. */
export interface MapDataset<T> {
  readonly length: number;
  get(index: number): T;
  /**
   * The samples at these indices, collated as defaultCollate would, where the dataset has a quicker way than one by one.
   * Optional; null says that it has none.
   */
  batch?(indices: readonly number[]): unknown;
}

/**
 * Samples by index ([torch.utils.data.Dataset](https://pytorch.org/docs/stable/data.html#map-style-datasets)): write `get`
 * and `length`. `get` may return a promise, if the loader is iterated with `for await`.
 *
 * ```ts
 * class Squares extends utils.data.Dataset<[Tensor, number]> {
 *   readonly length = 100;
 *   get(i: number): [Tensor, number] {
 *     return [tensor([i, i * i]), i % 2];
 *   }
 * }
 * ```
 */
export abstract class Dataset<T> implements MapDataset<T> {
  abstract readonly length: number;
  abstract get(index: number): T;
  *[Symbol.iterator](): IterableIterator<T> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }
  /** This dataset, and then another, as `a + b` in PyTorch. */
  concat(other: MapDataset<T>): ConcatDataset<T> {
    return new ConcatDataset([this, other]);
  }
}

/**
 * Samples one after the other, for streams: write `[Symbol.iterator]`, or `[Symbol.asyncIterator]` for `for await`. A
 * `length`, where it is known, gives the loader its own.
 */
export abstract class IterableDataset<T> {
  [Symbol.iterator]?(): Iterator<T>;
  [Symbol.asyncIterator]?(): AsyncIterator<T>;
}

/** Refuses what has no length. */
export function checkSized(call: string, what: string, given: unknown): void {
  if (typeof given !== 'object' || given === null || !Number.isInteger((given as { length?: unknown }).length))
    throw new TypeError(`${call}: expected ${what} with a length, got ${show(given)}`);
}
/** Refuses what has no samples to be had by index: a dataset has a length and get(), and an array will do. */
export function checkDataset(call: string, given: unknown): void {
  checkSized(call, 'a dataset', given);
  if (!Array.isArray(given) && typeof (given as { get?: unknown }).get !== 'function')
    throw new TypeError(`${call}: expected a dataset with get(index) and a length, got ${show(given)}`);
}
/** Refuses what is no list of integers. */
export function checkIndices(call: string, given: unknown): void {
  if (!Array.isArray(given)) throw new TypeError(`${call}: expected a list of indices, got ${show(given)}`);
  for (const index of given as unknown[])
    if (!Number.isInteger(index)) throw new TypeError(`${call}: indices must be integers, got ${show(index)}`);
}

/** Index from the end where negative; RangeError where there is no such sample. */
export function checkIndex(call: string, index: number, length: number): number {
  if (!Number.isInteger(index)) throw new TypeError(`${call}: the index must be an integer, got ${show(index)}`);
  if (index < -length || index >= length)
    throw new RangeError(`${call}: index ${index} is out of range for ${length} samples`);
  return index < 0 ? index + length : index;
}

/**
 * Rows of tensors with one first dim ([torch.utils.data.TensorDataset](https://pytorch.org/docs/stable/data.html#torch.utils.data.TensorDataset)):
 * `new TensorDataset(images, labels)`. Its batches are gathered at once, not stacked from samples.
 */
export class TensorDataset<const T extends readonly Tensor[] = Tensor[]> extends Dataset<T> {
  readonly tensors: T;
  readonly length: number;
  constructor(...tensors: T) {
    super();
    if (tensors.length === 0) throw new TypeError('TensorDataset: expected at least one tensor');
    tensors.forEach((t, i) => {
      if (!(t instanceof Tensor)) throw new TypeError(`TensorDataset: argument ${i} must be a tensor, got ${show(t)}`);
    });
    tensors.forEach((t, i) => {
      if (t.shape.length === 0)
        throw new TenfoldError('shape', `TensorDataset: tensor ${i} is 0-dim; the first dim counts the samples`);
      if (t.shape[0] !== tensors[0]!.shape[0]) {
        throw new TenfoldError(
          'shape',
          `TensorDataset: first dims ${tensors.map((x) => x.shape[0]).join(', ')} differ; they count the samples`,
        );
      }
    });
    this.tensors = tensors;
    this.length = tensors[0]!.shape[0]!;
  }
  get(index: number): T {
    const at = checkIndex('TensorDataset.get', index, this.length);
    return this.tensors.map((t) => t.select(0, at)) as unknown as T;
  }
  batch(indices: readonly number[]): Tensor[] | null {
    if (this.tensors.some((t) => t.requiresGrad)) return null;
    const rows = indices.map((i) => checkIndex('TensorDataset.get', i, this.length));
    return this.tensors.map((t) => stackRows(t, rows));
  }
}

/** The rows of one tensor: what a tensor is as a dataset. */
class TensorRows extends Dataset<Tensor> {
  readonly length: number;
  constructor(
    call: string,
    private readonly tensor: Tensor,
  ) {
    super();
    checkTensor(call, tensor);
    if (tensor.shape.length === 0)
      throw new TenfoldError('shape', `${call}: a 0-dim tensor is no dataset; the first dim counts the samples`);
    this.length = tensor.shape[0]!;
  }
  get(index: number): Tensor {
    return this.tensor.select(0, checkIndex('DataLoader', index, this.length));
  }
  batch(indices: readonly number[]): Tensor | null {
    if (this.tensor.requiresGrad) return null;
    return stackRows(this.tensor, indices.map((i) => checkIndex('DataLoader', i, this.length))); // prettier-ignore
  }
}
/** A dataset as it is, a tensor as its rows. */
export function asDataset<T>(call: string, dataset: MapDataset<T> | Tensor): MapDataset<T> {
  if (dataset instanceof Tensor) return new TensorRows(call, dataset) as unknown as MapDataset<T>;
  checkDataset(call, dataset);
  return dataset;
}

/** Several datasets one behind the other. See torch.utils.data.ConcatDataset. */
export class ConcatDataset<T> extends Dataset<T> {
  readonly datasets: readonly MapDataset<T>[];
  /** Where each dataset ends. */
  readonly cumulativeSizes: readonly number[];
  constructor(datasets: Iterable<MapDataset<T>>) {
    super();
    checkCount('ConcatDataset', arguments, 1);
    checkIterable('ConcatDataset', 'a list of datasets', datasets);
    this.datasets = [...datasets].map((d, i) => {
      if (d instanceof IterableDataset)
        throw new TypeError(`ConcatDataset: dataset ${i} has no index; use ChainDataset`);
      return asDataset('ConcatDataset', d);
    });
    if (this.datasets.length === 0) throw new TypeError('ConcatDataset: expected at least one dataset');
    let end = 0;
    this.cumulativeSizes = this.datasets.map((d) => (end += d.length));
  }
  get length(): number {
    return this.cumulativeSizes.at(-1)!;
  }
  get(index: number): T {
    const at = checkIndex('ConcatDataset.get', index, this.length);
    const k = upperBound(this.cumulativeSizes, at);
    return this.datasets[k]!.get(k === 0 ? at : at - this.cumulativeSizes[k - 1]!);
  }
}

/** First position whose value is greater than `x`, in a rising list. */
export function upperBound(list: readonly number[], x: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Several iterable datasets one after the other. See torch.utils.data.ChainDataset. */
export class ChainDataset<T> extends IterableDataset<T> {
  constructor(readonly datasets: Iterable<Iterable<T>>) {
    super();
    checkCount('ChainDataset', arguments, 1);
    checkIterable('ChainDataset', 'a list of datasets', datasets);
  }
  override *[Symbol.iterator](): IterableIterator<T> {
    for (const dataset of this.datasets) yield* dataset;
  }
}

/** The samples of a dataset at these indices. See torch.utils.data.Subset. */
export class Subset<T> extends Dataset<T> {
  readonly dataset: MapDataset<T>;
  constructor(
    dataset: MapDataset<T> | (Tensor extends T ? Tensor : never),
    readonly indices: readonly number[],
  ) {
    super();
    checkCount('Subset', arguments, 2);
    checkIndices('Subset', indices);
    this.dataset = asDataset<T>('Subset', dataset);
  }
  get length(): number {
    return this.indices.length;
  }
  get(index: number): T {
    return this.dataset.get(this.indices[checkIndex('Subset.get', index, this.length)]!);
  }
  batch(indices: readonly number[]): unknown {
    return this.dataset.batch?.(indices.map((i) => this.indices[checkIndex('Subset.get', i, this.length)]!)) ?? null;
  }
}

/**
 * Splits a dataset at random into parts of these lengths, or of these fractions of it; the same parts as PyTorch for a
 * generator's seed. See torch.utils.data.random_split.
 */
export function randomSplit<T>(
  given: MapDataset<T> | (Tensor extends T ? Tensor : never),
  lengths: readonly number[],
  options: { generator?: Generator | null } | null = {},
): Subset<T>[] {
  checkCount('randomSplit', arguments, 3);
  const dataset = asDataset<T>('randomSplit', given);
  checkOptions('randomSplit', options ?? {}, ['generator']);
  if (!Array.isArray(lengths)) throw new TypeError(`randomSplit: lengths must be a list, got ${show(lengths)}`);
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  let counts = [...(lengths as readonly number[])];
  const total = sum(counts);
  if (total <= 1 && Math.abs(total - 1) <= 1e-9) {
    counts = counts.map((fraction, i) => {
      if (!(fraction >= 0 && fraction <= 1))
        throw new RangeError(`randomSplit: fraction ${i} must be from 0 to 1, got ${fraction}`);
      return Math.floor(dataset.length * fraction);
    });
    const rest = dataset.length - sum(counts);
    for (let i = 0; i < rest; i++) counts[i % counts.length]!++;
  }
  if (counts.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new RangeError(`randomSplit: lengths must be integers, or fractions that sum to 1, got ${show(lengths)}`);
  }
  if (sum(counts) !== dataset.length) {
    throw new TenfoldError(
      'value',
      `randomSplit: the lengths sum to ${sum(counts)}, the dataset has ${dataset.length} samples`,
    );
  }
  const order = indicesOf(randperm(dataset.length, { generator: options?.generator ?? undefined }));
  let at = 0;
  return counts.map((n) => new Subset(dataset, order.slice(at, (at += n))));
}

/** Elements of an int64 tensor as plain numbers. */
export const indicesOf = (t: Tensor): number[] => Array.from(t.toTypedArray() as BigInt64Array, Number);
