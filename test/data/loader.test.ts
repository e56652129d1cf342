/** Datasets, collation, the loader's ways of iterating, and what they refuse. */
import { describe, expect, it } from 'vitest';
import { Tensor, TenfoldError, arange, manualSeed, tensor, utils } from '../../lib/index.js';

const {
  BatchSampler,
  ChainDataset,
  ConcatDataset,
  DataLoader,
  Dataset,
  IterableDataset,
  RandomSampler,
  SequentialSampler,
  Subset,
  TensorDataset,
  WeightedRandomSampler,
  defaultCollate,
  randomSplit,
} = utils.data;

const plain = (x: unknown): unknown => {
  if (x instanceof Tensor) return { [x.dtype]: x.tolist() };
  if (Array.isArray(x)) return x.map(plain);
  return typeof x === 'object' && x !== null ? Object.fromEntries(Object.entries(x).map(([k, v]) => [k, plain(v)])) : x;
};

class Squares extends Dataset<[Tensor, number]> {
  readonly length = 5;
  get(i: number): [Tensor, number] {
    return [tensor([i, i * i]), i % 2];
  }
}
class Slow extends Dataset<Promise<number>> {
  readonly length = 5;
  async get(i: number): Promise<number> {
    await new Promise((r) => setTimeout(r, 5 - i));
    return i;
  }
}
class Stream extends IterableDataset<number> {
  readonly length = 5;
  override *[Symbol.iterator](): IterableIterator<number> {
    yield* [0, 1, 2, 3, 4];
  }
}
class AsyncStream extends IterableDataset<number> {
  override async *[Symbol.asyncIterator](): AsyncIterableIterator<number> {
    yield* [0, 1, 2];
  }
}
const all = async <T>(loader: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const batch of loader) list.push(batch);
  return list;
};

describe('datasets', () => {
  const a = new TensorDataset(arange(6).reshape(3, 2), tensor([7, 8, 9]));
  it('TensorDataset gives rows', () => {
    expect(a.length).toBe(3);
    expect(a.get(1).map((t) => t.tolist())).toEqual([[2, 3], 8]);
    expect(a.get(-1)[1]!.item()).toBe(9);
    expect(() => a.get(3)).toThrow(new RangeError('TensorDataset.get: index 3 is out of range for 3 samples'));
    expect(() => a.get(0.5)).toThrow('TensorDataset.get: the index must be an integer, got 0.5');
    expect([...a].length).toBe(3);
  });
  it('TensorDataset refuses tensors of different lengths', () => {
    expect(() => new TensorDataset(arange(3), arange(4))).toThrow('TensorDataset: first dims 3, 4 differ');
    expect(() => new TensorDataset(tensor(1))).toThrow('tensor 0 is 0-dim');
    expect(() => new TensorDataset([1] as never)).toThrow(TypeError);
  });
  it('ConcatDataset, Subset, concat', () => {
    const both = a.concat(a);
    expect(both.length).toBe(6);
    expect([0, 2, 3, 5, -1].map((i) => both.get(i)[1]!.item())).toEqual([7, 9, 7, 9, 9]);
    expect(new ConcatDataset([a, new Subset(a, [2])]).get(3)[1]!.item()).toBe(9);
    expect(() => new ConcatDataset([])).toThrow('ConcatDataset: expected at least one dataset');
    expect([...new ChainDataset([new Stream(), new Stream()])]).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
  });
  it('randomSplit checks its lengths', () => {
    expect(randomSplit(a, [0.5, 0.5]).map((s) => s.length)).toEqual([2, 1]);
    expect(() => randomSplit(a, [1, 1])).toThrow('randomSplit: the lengths sum to 2, the dataset has 3 samples');
    expect(() => randomSplit(a, [1.5, 1.5])).toThrow(
      'randomSplit: lengths must be integers, or fractions that sum to 1',
    );
    expect(() => randomSplit(a, [1.5, -0.5])).toThrow('randomSplit: fraction 0 must be from 0 to 1, got 1.5');
  });
});

describe('defaultCollate', () => {
  it.each<[string, unknown[], unknown]>([
    [
      'tensors',
      [tensor([1, 2]), tensor([3, 4])],
      {
        float32: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
    ['0-dim tensors of int64', [tensor(1n), tensor(2n)], { int64: [1, 2] }],
    ['integers', [1, 2], { float32: [1, 2] }],
    ['numbers', [1, 2.5], { float32: [1, 2.5] }],
    ['booleans', [true, false], { bool: [true, false] }],
    ['bigints', [1n, 2n], { int64: [1, 2] }],
    ['strings', ['a', 'b'], ['a', 'b']],
    [
      'typed arrays',
      [new Float64Array([1, 2]), new Float64Array([3, 4])],
      {
        float64: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
    [
      'tuples',
      [
        [1, 'a'],
        [2, 'b'],
      ],
      [{ float32: [1, 2] }, ['a', 'b']],
    ],
    [
      'objects',
      [
        { x: tensor([1]), y: 0 },
        { x: tensor([2]), y: 1 },
      ],
      { x: { float32: [[1], [2]] }, y: { float32: [0, 1] } },
    ],
  ])('%s', (_, samples, want) => {
    expect(plain(defaultCollate(samples))).toEqual(want);
  });
  it('refuses what makes no batch', () => {
    expect(() => defaultCollate([tensor([1]), tensor([1, 2])])).toThrow(TenfoldError);
    expect(() => defaultCollate([[1, 2], [1]])).toThrow("samples of 2 and of 1 entries can't be one batch");
    expect(() => defaultCollate([{ a: 1 }, { b: 1 }])).toThrow("sample 1 of the batch has no 'a'");
    expect(() => defaultCollate([null])).toThrow('got null; give the loader a collateFn');
  });
});

describe('DataLoader', () => {
  it('stacks samples', () => {
    const loader = new DataLoader(new Squares(), { batchSize: 2 });
    expect(loader.length).toBe(3);
    expect([...loader].map(plain)).toEqual([
      [
        {
          float32: [
            [0, 0],
            [1, 1],
          ],
        },
        { float32: [0, 1] },
      ],
      [
        {
          float32: [
            [2, 4],
            [3, 9],
          ],
        },
        { float32: [0, 1] },
      ],
      [{ float32: [[4, 16]] }, { float32: [0] }],
    ]);
  });
  it('takes a plain array, dropLast, collateFn, a sampler', () => {
    expect([...new DataLoader([5, 6, 7], { batchSize: 2, dropLast: true })].map(plain)).toEqual([{ float32: [5, 6] }]);
    expect([...new DataLoader([5, 6, 7], { batchSize: 2, collateFn: (s) => s.join() })]).toEqual(['5,6', '7']);
    expect([...new DataLoader([5, 6, 7], { batchSize: 2, sampler: [2, 0] })].map(plain)).toEqual([{ float32: [7, 5] }]);
    expect([...new DataLoader([5, 6, 7], { batchSampler: [[2, 0], [1]] })].map(plain)).toEqual([
      { float32: [7, 5] },
      { float32: [6] },
    ]);
    expect([...new DataLoader([5, 6, 7], { batchSize: null })]).toEqual([5, 6, 7]);
  });
  it('gathers from tensors what it would stack', () => {
    const data = new TensorDataset(arange(24).reshape(6, 2, 2).transpose(1, 2), arange(6));
    const slow = { length: data.length, get: (i: number) => data.get(i) };
    const batches = (source: typeof slow): unknown[] => {
      manualSeed(3);
      return [...new DataLoader(source, { batchSize: 4, shuffle: true })].map(plain);
    };
    expect(batches(data)).toEqual(batches(slow));
    expect(batches(new Subset(data, [5, 4, 3, 2, 1, 0]))).toEqual(batches({ length: 6, get: (i) => data.get(5 - i) }));
    const [first] = new DataLoader(data, 2);
    expect(first![0].isContiguous()).toBe(true);
  });
  it('lets gradients through', () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const rows = [...new DataLoader([x, x], 2)][0]!;
    rows.sum().backward();
    expect(x.grad!.tolist()).toEqual([2, 2, 2]);
  });
  it('awaits samples, and lets other events in between', async () => {
    let events = 0;
    const timer = setInterval(() => events++, 0);
    expect((await all(new DataLoader(new Slow(), { batchSize: 2 }))).map(plain)).toEqual([
      { float32: [0, 1] },
      { float32: [2, 3] },
      { float32: [4] },
    ]);
    clearInterval(timer);
    expect(events).toBeGreaterThan(0);
    expect(() => [...new DataLoader(new Slow())]).toThrow('the dataset gives promises; iterate with `for await`');
  });
  it('gives the same order asynchronously', async () => {
    const loader = new DataLoader(new TensorDataset(arange(10)), { batchSize: 3, shuffle: true });
    manualSeed(1);
    const now = [...loader].map(plain);
    manualSeed(1);
    expect((await all(loader)).map(plain)).toEqual(now);
  });
  it('streams', async () => {
    const loader = new DataLoader(new Stream(), { batchSize: 2 });
    expect(loader.length).toBe(3);
    expect([...loader].map(plain)).toEqual([{ float32: [0, 1] }, { float32: [2, 3] }, { float32: [4] }]);
    expect([...new DataLoader(new Stream(), { batchSize: 2, dropLast: true })]).toHaveLength(2);
    expect((await all(new DataLoader(new AsyncStream(), { batchSize: 2 }))).map(plain)).toEqual([
      { float32: [0, 1] },
      { float32: [2] },
    ]);
    expect(() => [...new DataLoader(new AsyncStream())]).toThrow('this dataset is asynchronous; use `for await`');
    expect(() => new DataLoader(new AsyncStream()).length).toThrow('the iterable dataset has no length');
  });
  it('refuses options that exclude each other', () => {
    const data = [1, 2, 3];
    const make =
      (o: object, d: unknown = data) =>
      () =>
        new DataLoader(d as number[], o);
    expect(make({ batchsize: 2 })).toThrow("DataLoader: unknown option 'batchsize', did you mean 'batchSize'?");
    expect(make({ batchSize: 0 })).toThrow('batchSize must be a positive integer, got 0');
    expect(make({ sampler: [1], shuffle: true })).toThrow('sampler and shuffle exclude each other');
    expect(make({ batchSampler: [[1]], batchSize: 2 })).toThrow('batchSampler excludes batchSize');
    expect(make({ batchSize: null, dropLast: true })).toThrow('batchSize null makes no batches');
    expect(make({ shuffle: true }, new Stream())).toThrow('an IterableDataset has its own order; it takes no shuffle');
    expect(make({ shuffle: true }, [])).toThrow(
      "RandomSampler: the dataset's length must be a positive integer, got 0",
    );
    expect(make({}, 3)).toThrow('a dataset has get(index) and length, or is an array or an IterableDataset; got 3');
    expect([...new DataLoader([], 2)]).toEqual([]);
  });
});

it('samplers check their arguments', () => {
  expect(() => new RandomSampler([1], { numSamples: 0 })).toThrow(
    'RandomSampler: numSamples must be a positive integer, got 0',
  );
  expect(() => new RandomSampler([1], { replacment: true } as object)).toThrow("did you mean 'replacement'?");
  expect(() => new WeightedRandomSampler(tensor([[1]]), 1)).toThrow('weights must have one dim, got shape [1,1]');
  expect(() => new BatchSampler([1], 2, 1 as never)).toThrow('BatchSampler: dropLast must be a boolean, got 1');
  expect([...new SequentialSampler({ length: 3 })]).toEqual([0, 1, 2]);
  expect(new BatchSampler(new SequentialSampler([1, 2, 3]), 2, true).length).toBe(1);
});
