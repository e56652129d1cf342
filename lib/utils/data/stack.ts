/** StackDataset: samples of several datasets beside each other. */
import { TenfoldError, show } from '../../errors.js';
import { Tensor } from '../../tensor/tensor.js';
import { Dataset, checkIndex, type MapDataset } from './dataset.js';

type Sources = readonly MapDataset<unknown>[] | Readonly<Record<string, MapDataset<unknown>>>;
/** A list of the datasets' samples, or an object of them. */
export type Stacked<S extends Sources> = {
  -readonly [K in keyof S]: S[K] extends MapDataset<infer T> ? T : unknown;
};

/**
 * Samples of several datasets of one length ([torch.utils.data.StackDataset](https://pytorch.org/docs/stable/data.html#torch.utils.data.StackDataset)):
 * `new StackDataset(images, texts)` gives lists, `new StackDataset({ image: images, text: texts })` objects.
 *
 * @throws TypeError for what is no dataset, TenfoldError 'value' where their lengths differ.
 */
export class StackDataset<const S extends Sources> extends Dataset<Stacked<S>> {
  readonly datasets: S;
  readonly length: number;
  constructor(...datasets: S extends readonly unknown[] ? S : [S]) {
    super();
    const [first] = datasets as readonly unknown[];
    const named = datasets.length === 1 && typeof first === 'object' && first !== null && !isDataset(first);
    const list = Object.entries((named ? first : datasets) as object) as [string, unknown][];
    if (list.length === 0) throw new TypeError('StackDataset: expected at least one dataset');
    for (const [name, d] of list)
      if (!isDataset(d))
        throw new TypeError(`StackDataset: ${name} must be a dataset, with get(index) and length, got ${show(d)}`);
    const lengths = list.map(([, d]) => (d as MapDataset<unknown>).length);
    if (lengths.some((n) => n !== lengths[0]))
      throw new TenfoldError(
        'value',
        `StackDataset: the datasets have ${lengths.join(', ')} samples, and must have as many`,
      );
    this.datasets = (named ? { ...first } : [...(datasets as readonly unknown[])]) as unknown as S;
    this.length = lengths[0]!;
  }
  get(index: number): Stacked<S> {
    const { datasets } = this;
    const at = checkIndex('StackDataset.get', index, this.length);
    if (Array.isArray(datasets)) return (datasets as MapDataset<unknown>[]).map((d) => d.get(at)) as Stacked<S>;
    const entries = Object.entries(datasets as Readonly<Record<string, MapDataset<unknown>>>);
    return Object.fromEntries(entries.map(([name, d]) => [name, d.get(at)])) as Stacked<S>;
  }
}

const isDataset = (d: unknown): d is MapDataset<unknown> =>
  typeof d === 'object' &&
  d !== null &&
  !(d instanceof Tensor) &&
  typeof (d as { get?: unknown }).get === 'function' &&
  typeof (d as { length?: unknown }).length === 'number';
