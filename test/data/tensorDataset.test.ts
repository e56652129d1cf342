/** A tensor as a dataset: its rows. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

const { DataLoader, Subset, ConcatDataset, randomSplit, TensorDataset } = tf.utils.data;
const rows = (): tf.Tensor => tf.arange(10).view(5, 2);

describe('a tensor as a dataset', () => {
  it('gives batches of its rows', () => {
    const loader = new DataLoader(rows(), { batchSize: 2 });
    expect(loader.length).toBe(3);
    const batches = [...loader] as tf.Tensor[];
    expect(batches.map((b) => b.tolist())).toEqual([[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9]]]); // prettier-ignore
    expect(batches[0]!.dtype).toBe('int64');
    const singles = [...new DataLoader(rows(), { batchSize: null })] as tf.Tensor[];
    expect(singles.map((t) => t.shape)).toEqual(Array.from({ length: 5 }, () => [2]));
    const odd = [...new DataLoader(rows(), { batchSize: 2, collateFn: (list: tf.Tensor[]) => list.length })];
    expect(odd).toEqual([2, 2, 1]);
  });

  it('is shuffled, split and joined as others are', () => {
    tf.manualSeed(1);
    const a = [...new DataLoader(rows(), { batchSize: 5, shuffle: true })] as tf.Tensor[];
    tf.manualSeed(1);
    const b = [...new DataLoader(new TensorDataset(rows()), { batchSize: 5, shuffle: true })] as tf.Tensor[][];
    expect(a[0]!.tolist()).toEqual(b[0]![0]!.tolist());
    expect(new Subset<tf.Tensor>(rows(), [4, 0]).get(0).tolist()).toEqual([8, 9]);
    expect(randomSplit(rows(), [3, 2]).map((s) => s.length)).toEqual([3, 2]);
    expect(new ConcatDataset([new Subset(rows(), [1]), new TensorDataset(rows())] as never).length).toBe(6);
  });

  it('must have a first dim', () => {
    expect(() => new DataLoader(tf.tensor(1))).toThrow('DataLoader: a 0-dim tensor is no dataset');
    const freed = tf.ones(2, 2);
    freed.dispose();
    expect(() => new DataLoader(freed)).toThrow('DataLoader');
  });
});

describe('int64 beyond 2^53', () => {
  it('is named by who reads it, and given as bigints where asked', () => {
    const t = tf.tensor([[1n, 2n ** 60n]]);
    expect(() => t.tolist()).toThrow('tolist: 1152921504606846976 is beyond 2^53 and not exact as a number; tolist({ bigint: true }) gives bigints'); // prettier-ignore
    expect(() => JSON.stringify({ t })).toThrow('toJSON: 1152921504606846976 is beyond 2^53');
    expect(t.tolist({ bigint: true })).toEqual([[1n, 2n ** 60n]]);
    expect(t.t().tolist({ bigint: true })).toEqual([[1n], [2n ** 60n]]);
    expect(tf.tensor(2n ** 60n).tolist({ bigint: true })).toBe(2n ** 60n);
    expect(tf.ones(2).tolist({ bigint: true })).toEqual([1, 1]);
    expect(() => tf.ones(1).tolist({ bigints: true } as never)).toThrow("did you mean 'bigint'");
  });
});
