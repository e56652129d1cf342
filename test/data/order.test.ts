/** Orders of samples and the draws behind them, against torch.utils.data for the same seeds. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Generator, type Tensor, arange, manualSeed, randint, utils } from '../../lib/index.js';

const {
  BatchSampler,
  DataLoader,
  RandomSampler,
  Subset,
  SubsetRandomSampler,
  TensorDataset,
  WeightedRandomSampler,
  randomSplit,
} = utils.data;

const { rows } = JSON.parse(readFileSync(new URL('../fixtures/data_order.json', import.meta.url), 'utf8')) as {
  rows: { name: string; batches: unknown; then: number }[];
};

const data = new TensorDataset(arange(23));
const own = (seed: number): Generator => new Generator().manualSeed(seed);
const batches = (loader: Iterable<unknown>, passes: number): unknown[] =>
  Array.from({ length: passes }, () => Array.from(loader, (b) => (b as Tensor[])[0]!.tolist()));
const weights = [0.1, 0.9, 0.4, 0.7, 3, 0.6];

const cases: Record<string, () => unknown> = {
  plain: () => batches(new DataLoader(data, 5), 2),
  shuffle: () => batches(new DataLoader(data, { batchSize: 5, shuffle: true }), 3),
  'shuffle, dropLast': () => batches(new DataLoader(data, { batchSize: 5, shuffle: true, dropLast: true }), 2),
  'shuffle, whole batches': () => batches(new DataLoader(data, 23, true), 2),
  'shuffle, no batches': () => batches(new DataLoader(data, { batchSize: null, shuffle: true }), 2),
  generator: () => batches(new DataLoader(data, { batchSize: 5, shuffle: true, generator: own(7) }), 3),
  'generator, dropLast': () =>
    batches(new DataLoader(data, { batchSize: 5, shuffle: true, dropLast: true, generator: own(7) }), 3),
  replacement: () =>
    batches(
      new DataLoader(data, { batchSize: 8, sampler: new RandomSampler(data, { replacement: true, numSamples: 77 }) }),
      2,
    ),
  numSamples: () =>
    batches(new DataLoader(data, { batchSize: 8, sampler: new RandomSampler(data, { numSamples: 50 }) }), 2),
  'subset sampler': () =>
    batches(new DataLoader(data, { batchSize: 4, sampler: new SubsetRandomSampler([3, 5, 8, 13, 21]) }), 2),
  weighted: () => batches(new DataLoader(data, { batchSize: 4, sampler: new WeightedRandomSampler(weights, 9) }), 2),
  'weighted, once': () =>
    batches(
      new DataLoader(data, { batchSize: 4, sampler: new WeightedRandomSampler(weights, 6, { replacement: false }) }),
      2,
    ),
  batchSampler: () =>
    batches(new DataLoader(data, { batchSampler: new BatchSampler(new RandomSampler(data), 7, true) }), 2),
  subset: () => batches(new DataLoader(new Subset(data, [4, 2, 9, 17, 1]), { batchSize: 2, shuffle: true }), 2),
  'first batch only': () =>
    Array.from({ length: 3 }, () => {
      for (const [batch] of new DataLoader(data, { batchSize: 5, shuffle: true })) return [batch!.tolist()];
      return null;
    }),
  split: () => randomSplit(data, [10, 8, 5]).map((s) => s.indices),
  'split, fractions': () => randomSplit(data, [0.5, 0.3, 0.2]).map((s) => s.indices),
  'split, generator': () => randomSplit(data, [20, 3], { generator: own(3) }).map((s) => s.indices),
};

it('has a case for every recorded row', () => {
  expect(Object.keys(cases)).toEqual(rows.map((r) => r.name));
});

describe.each(rows.map((r) => [r.name, r] as const))('%s', (name, recorded) => {
  it('gives what PyTorch gives, and leaves the generator as it does', () => {
    manualSeed(42);
    expect(cases[name]!()).toEqual(recorded.batches);
    expect(randint(2 ** 31, []).item()).toBe(recorded.then);
  });
});
