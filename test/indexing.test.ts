/**
 * x[...] against what PyTorch reads, writes and differentiates (test/fixtures/indexing.json, recorded by
 * scripts/record/indexing.py), and what the samples of test/operators don't tell: which results alias, what in-place
 * writes do to the graph, that refused calls leave everything as it was, and that threads don't change results.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import type { Index, Tensor } from '../lib/index.js';
import { decode, readFixture, type Coded } from './operators/format.js';

interface Row {
  key: Coded[];
  dense: boolean;
  shape: number[];
  data: number[];
  view: boolean;
  grad: number[];
  set?: number[];
  add?: number[];
}
const { rows, refused } = readFixture<{ rows: Row[]; refused: { key: Coded[]; message: string }[] }>('indexing.json');

const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray(), Number);
const keyOf = (row: { key: Coded[] }): Index[] => row.key.map((c) => decode(c, null) as Index);
const range = (...shape: number[]): Tensor =>
  tf
    .arange(
      shape.reduce((a, b) => a * b, 1),
      { dtype: 'float32' },
    )
    .reshape(shape);
/** arange(120) as [3, 4, 2, 5], contiguous or with its dims in reverse order in memory. */
const base = (dense: boolean): Tensor => (dense ? range(3, 4, 2, 5) : range(5, 2, 4, 3).permute(3, 2, 1, 0));
const counting = (shape: readonly number[], sign = 1): Tensor =>
  tf
    .arange(1, shape.reduce((a, b) => a * b, 1) + 1, { dtype: 'float32' })
    .mul(sign)
    .reshape([...shape]);
const int = (...values: number[]): Tensor => tf.tensor(values, { dtype: 'int64' });

describe('index() is PyTorch’s x[...]', () => {
  for (const [i, row] of rows.entries()) {
    const name = `${i}: ${JSON.stringify(row.key)}`;
    it(name, () => {
      const x = base(row.dense);
      const out = x.index(...keyOf(row));
      expect(out.shape).toEqual(row.shape);
      expect(numbers(out)).toEqual(row.data);
      if (out.count > 0) expect(out.storage === x.storage).toBe(row.view);

      const leaf = base(row.dense).detach().requiresGrad_();
      leaf.index(...keyOf(row)).backward(counting(row.shape));
      expect(numbers(leaf.grad!)).toEqual(row.grad);

      if (row.set) {
        const target = base(row.dense);
        expect(target.indexPut_(keyOf(row), counting(row.shape, -1))).toBe(target);
        expect(numbers(target)).toEqual(row.set);
      }
      if (row.add) {
        const target = base(row.dense).detach();
        const before = numbers(target);
        expect(numbers(target.indexPut(keyOf(row), 1, true))).toEqual(row.add);
        expect(numbers(target)).toEqual(before);
        expect(numbers(target.indexPut_(keyOf(row), tf.tensor(1), { accumulate: true }))).toEqual(row.add);
      }
    });
  }
  it('refuses what PyTorch refuses, and writes nothing', () => {
    for (const row of refused) {
      expect(() => base(true).index(...keyOf(row)), row.message).toThrow(/^index: /);
      const target = base(true);
      expect(() => target.indexPut_(keyOf(row), 7), row.message).toThrow(/^indexPut_?: /);
      expect(numbers(target)).toEqual(numbers(base(true)));
      expect(target.version).toBe(0);
    }
  });
  it('counts the dims behind a mask of several', () => {
    const mask = tf.zeros([3, 4], { dtype: 'bool' }).indexPut_([1, 2], true);
    expect(numbers(base(true).index(mask, tf.slice(0, 1), 3))).toEqual([(1 * 4 + 2) * 10 + 3]);
  });
});

describe('messages name the call, the index, the dim and its size', () => {
  const x = range(3, 4);
  it.each<[string, () => unknown, new (...args: never[]) => Error]>([
    ['index: index 3 is out of range for dim 0 of size 3', () => x.index(3), RangeError],
    ['at: index -4 is out of range for dim 0 of size 3', () => x.at(-4), RangeError],
    ['index: index 4 is out of range for dim 1 of size 4', () => x.index(0, int(1, 4)), RangeError],
    ['index: index -5 is out of range for dim 1 of size 4', () => x.index([0, 1], [1, -5]), RangeError],
    ['index: too many indices: 3 for a tensor of 2 dimensions, shape [3, 4]', () => x.index(0, 0, 0), RangeError],
    ['indexSelect: index -1 is out of range for dim 1 of size 4', () => x.indexSelect(1, int(0, -1)), RangeError],
    [
      'gather: index 4 is out of range for dim 1 of size 4',
      () => x.gather(1, tf.tensor([[4]], { dtype: 'int64' })),
      RangeError,
    ],
    ['take: index 12 is out of range for a tensor of 12 elements', () => x.take(int(12)), RangeError],
    ['slice: step must be at least 1, got -1', () => tf.slice(null, null, -1), RangeError],
    ["slice: 'start' must be an integer or null, got 0.5", () => tf.slice(0.5), TypeError],
    ['embedding: index 3 is out of range for dim 0 of size 3', () => tf.nn.functional.embedding(int(3), x), RangeError],
    ['cat: shapes [3, 4] and [4, 3] must agree in all dims but dim 0', () => tf.cat([x, x.t()]), tf.TenfoldError],
    [
      'maskedScatter: the mask selects 12 elements, but the source has only 4',
      () => x.maskedScatter(x.ge(0), x.at(0)),
      tf.TenfoldError,
    ],
  ])('%s', (message, call, kind) => {
    expect(call).toThrow(kind);
    expect(call).toThrow(message);
  });
  it('checks every index before it writes', () => {
    const t = tf.zeros([3]);
    const ones = tf.ones([2]);
    expect(() => t.scatter_(0, int(0, 3), 1)).toThrow(/scatter_: index 3 is out of range for dim 0 of size 3/);
    expect(() => t.indexAdd_(0, int(0, 3), ones)).toThrow(/indexAdd_: index 3/);
    expect(() => t.indexCopy_(0, int(0, -1), ones)).toThrow(/indexCopy_: index -1/);
    expect(() => t.put_(int(0, -4), ones)).toThrow(/index -4/);
    expect(() => t.indexPut_([int(0, 3)], ones)).toThrow(/index 3/);
    expect(numbers(t)).toEqual([0, 0, 0]);
  });
});

describe('views alias', () => {
  const x = range(4, 6);
  it.each<[string, Tensor | Tensor[]]>([
    ['index', x.index(tf.slice(1, 3), null, '...', 2)],
    ['split', x.split(4, 1)],
    ['chunk', x.chunk(3)],
    ['tensorSplit', x.tensorSplit([1, 3], 1)],
    ['unbind', x.unbind(1)],
    ['diagonal', x.diagonal(1)],
    ['unfold', x.unfold(1, 3, 2)],
    ['movedim', x.movedim(0, 1)],
    ['swapaxes', x.swapaxes(0, 1)],
    ['T', x.T],
    ['mT', x.mT],
    ['flatten', x.flatten()],
    ['ravel', x.ravel()],
    ['unflatten', x.unflatten(1, [2, 3])],
    ['broadcastTo', x.broadcastTo(2, 4, 6)],
    ['meshgrid', tf.meshgrid(x.at(0))],
  ])('%s', (_, parts) => {
    for (const part of Array.isArray(parts) ? parts : [parts]) expect(part.storage).toBe(x.storage);
  });
  it('a write through a part is seen by the whole', () => {
    const whole = tf.zeros([4, 6]);
    whole.split([1, 3])[1]!.unbind(1)[2]!.fill_(1);
    whole.diagonal().add_(5);
    whole.unfold(0, 2, 2).at(0).index('...', 1).mul_(10);
    expect(whole.tolist()).toEqual([
      [5, 0, 0, 0, 0, 0],
      [0, 50, 10, 0, 0, 0],
      [0, 0, 6, 0, 0, 0],
      [0, 0, 1, 5, 0, 0],
    ]);
  });
});

describe('gradients', () => {
  it('all parts of a split share a node, and parts without a gradient count as zeros', () => {
    const x = range(4).requiresGrad_();
    const [a, , b] = x.split([1, 2, 1]) as [Tensor, Tensor, Tensor];
    expect(a.gradFn).toBe(b.gradFn);
    expect(a.gradFn!.name).toBe('SplitBackward0');
    b.mul(3).sum().backward();
    expect(numbers(x.grad!)).toEqual([0, 0, 0, 3]);
  });
  it('flow around what indexPut_ overwrites, and into what it writes', () => {
    const x = range(3, 2).requiresGrad_();
    const v = tf.ones([2], { requiresGrad: true });
    const y = x.mul(2);
    y.indexPut_([int(0, 2), 1], v);
    y.indexPut_([1], v.mul(3));
    y.sum().backward();
    expect(numbers(x.grad!)).toEqual([2, 0, 0, 0, 2, 0]);
    expect(numbers(v.grad!)).toEqual([4, 4]);
  });
  it('add up where an index repeats', () => {
    const w = range(3, 2).requiresGrad_();
    tf.nn.functional
      .embedding(
        tf.tensor(
          [
            [0, 2],
            [2, 2],
          ],
          { dtype: 'int64' },
        ),
        w,
        { paddingIdx: 0 },
      )
      .sum()
      .backward();
    expect(numbers(w.grad!)).toEqual([0, 0, 0, 0, 3, 3]);
  });
  it('refuses in-place writes into leaves, and into saved tensors', () => {
    const leaf = tf.ones([3], { requiresGrad: true });
    expect(() => leaf.indexPut_([0], 1)).toThrow(/indexPut_: a leaf tensor/);
    expect(() => leaf.indexPut_([int(0)], 1)).toThrow(/indexPut_: a leaf tensor/);
    const saved = leaf.mul(1);
    const out = saved.mul(saved);
    saved.indexPut_([int(1)], 5);
    expect(() => out.sum().backward()).toThrow(/changed by an in-place operation/);
  });

  const x = tf.tensor(
    [
      [0.3, -1.2, 0.7],
      [2.1, 0.4, -0.6],
    ],
    { dtype: 'float64', requiresGrad: true },
  );
  const src = tf.tensor([[1.5, -0.2, 0.9]], { dtype: 'float64', requiresGrad: true });
  const index = tf.tensor([[0, 1, 1]], { dtype: 'int64' });
  const mask = x.detach().gt(0);
  it.each<[string, (x: Tensor, src: Tensor) => Tensor | Tensor[]]>([
    ['index', (x) => x.index(int(1, 0, 1), int(0, 2, 0))],
    ['index with a mask', (x) => x.index(mask)],
    ['indexPut', (x, s) => x.indexPut([int(1), tf.slice()], s)],
    ['indexPut, accumulated', (x, s) => x.indexPut([int(1, 1)], s, true)],
    ['indexSelect', (x) => x.indexSelect(1, int(2, 2, 0))],
    ['indexAdd', (x, s) => x.indexAdd(0, int(1), s, { alpha: 2 })],
    ['indexCopy', (x, s) => x.indexCopy(0, int(1), s)],
    ['gather', (x) => x.gather(0, index)],
    ['scatter', (x, s) => x.scatter(0, index, s)],
    ['scatterAdd', (x, s) => x.scatterAdd(1, index, s)],
    ['scatterReduce prod', (x, s) => x.scatterReduce(1, index, s, 'prod')],
    ['scatterReduce mean', (x, s) => x.scatterReduce(1, index, s, 'mean', { includeSelf: false })],
    ['scatterReduce amax', (x, s) => x.scatterReduce(0, index, s, 'amax')],
    ['take', (x) => x.take(int(0, -1, 0))],
    ['maskedFill', (x, s) => x.maskedFill(mask, s.sum())],
    ['maskedSelect', (x) => x.maskedSelect(mask)],
    ['maskedScatter', (x, s) => x.maskedScatter(mask, tf.cat([s, s], 1))],
    ['cat', (x, s) => tf.cat([x, s, x])],
    ['stack', (x) => tf.stack([x, x.mul(2)], 1)],
    ['split', (x) => x.split([1, 2], 1)],
    ['unbind', (x) => x.unbind(1)],
    ['repeat', (x) => x.repeat(2, 1, 2)],
    ['flip', (x) => x.flip(0, 1)],
    ['roll', (x) => x.roll([1, 2], [0, 1])],
    ['unfold', (x) => x.unfold(1, 2, 1)],
    ['diagonal', (x) => x.diagonal(1)],
    ['diagEmbed', (x) => x.diagEmbed(-1)],
    ['tril', (x) => x.tril(-1)],
    ['selectScatter', (x, s) => x.selectScatter(s.at(0), 0, 1)],
    ['sliceScatter', (x, s) => x.sliceScatter(s, 0, 1, 2)],
    ['sort', (x) => x.sort(0)[0]!],
    ['topk', (x) => x.topk(2)[0]!],
    ['kthvalue', (x) => x.kthvalue(2)[0]!],
    ['median', (x) => x.median()],
    ['quantile', (x) => x.quantile(0.4, 1)],
    ['embedding', (x) => tf.nn.functional.embedding(int(1, 0, 1), x)],
    ['embeddingBag', (x) => tf.nn.functional.embeddingBag(int(1, 0, 1), x, int(0, 2))],
  ])('%s, once and twice', (_, fn) => {
    const out = (a: Tensor, b: Tensor): Tensor => {
      const y = fn(a, b);
      // A factor that depends on the inputs, so that second derivatives are not all 0.
      const total = (Array.isArray(y) ? y : [y]).reduce(
        (sum, t, i) =>
          sum.add(
            t
              .mul(t)
              .mul(i + 1)
              .sum(),
          ),
        a.sum(),
      );
      return b.sum().mul(0).add(total);
    };
    expect(tf.autograd.gradcheck(out, [x, src])).toBe(true);
    expect(tf.autograd.gradgradcheck(out, [x, src])).toBe(true);
  });
});

describe('threads don’t change results', () => {
  const atOneThread = (run: () => Tensor): number[] => {
    const threads = tf.getNumThreads();
    tf.setNumThreads(1);
    try {
      return numbers(run());
    } finally {
      tf.setNumThreads(threads);
    }
  };
  const many = 50_000;
  const index = tf.arange(many).mul(7919).remainder(97);
  const values = tf.arange(many, { dtype: 'float32' }).mul(0.37).sin();
  it.each<[string, () => Tensor]>([
    ['scatterAdd', () => tf.zeros([97]).scatterAdd(0, index, values)],
    ['scatter: the last of equal indices wins', () => tf.zeros([97]).scatter(0, index, values)],
    ['indexAdd of narrow rows', () => tf.zeros([97, 3]).indexAdd(0, index, values.unsqueeze(1).expand(many, 3))],
    [
      'indexAdd of wide rows',
      () =>
        tf.zeros([97, 80]).indexAdd(0, index.slice(0, 0, 2000), values.slice(0, 0, 2000).unsqueeze(1).expand(2000, 80)),
    ],
    ['nonzero', () => values.gt(0).nonzero()],
    ['maskedSelect', () => values.maskedSelect(values.gt(0))],
    ['sort', () => values.repeat(2).sort(0)[1]!],
  ])('%s', (_, run) => {
    expect(numbers(run())).toEqual(atOneThread(run));
  });
});

describe('order', () => {
  const special = [NaN, 0, -0, -Infinity, 3, Infinity, NaN, -2, 0];
  it.each<tf.DType>(['float32', 'float64', 'float16', 'bfloat16'])(
    '%s: NaN is greatest, ties keep their order',
    (dtype) => {
      const x = tf.tensor(special, { dtype });
      expect(numbers(x.sort(0, false)[1]!)).toEqual([3, 7, 1, 2, 8, 4, 5, 0, 6]);
      expect(numbers(x.sort(0, true)[1]!)).toEqual([0, 6, 5, 4, 1, 2, 8, 7, 3]);
    },
  );
  it.each<tf.DType>(['int64', 'int32', 'int16', 'int8', 'uint8', 'bool'])('%s', (dtype) => {
    const x = tf.tensor([1, 0, 1, 0], { dtype });
    expect(numbers(x.argsort(0))).toEqual([1, 3, 0, 2]);
    const signed = dtype === 'bool' || dtype === 'uint8' ? x : tf.tensor([5, -3, 2, -7], { dtype });
    const sorted = numbers(signed.sort(0)[0]!);
    expect(sorted).toEqual([...sorted].sort((a, b) => a - b));
  });
  // Around the size from which rows are sorted by radix, and where several threads share a row.
  it.each([1, 2, 2047, 2048, 2049, 140_001])('%i elements', (n) => {
    const x = tf.arange(n).mul(48271).remainder(65537).to('float32').sub(30_000);
    for (const t of [x, x.to('float64'), x.to('int64')]) {
      const { values, indices } = t.sort(0);
      const expected = numbers(t).map((v, i) => [v, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]); // prettier-ignore
      expect(numbers(values)).toEqual(expected.map((e) => e[0]));
      expect(numbers(indices)).toEqual(expected.map((e) => e[1]));
    }
  });
  it('where(condition), nonzero as a tuple, and unique with inverse and counts', () => {
    const x = tf.tensor([
      [0, 2, 0],
      [3, 0, 2],
    ]);
    const [rows, columns] = tf.where(x.ne(0)) as [Tensor, Tensor];
    expect([numbers(rows), numbers(columns)]).toEqual([
      [0, 1, 1],
      [1, 0, 2],
    ]);
    expect(numbers(x.index(...x.nonzero({ asTuple: true })))).toEqual([2, 3, 2]);
    const [values, inverse, counts] = tf.unique(x, { returnInverse: true, returnCounts: true });
    expect([numbers(values!), inverse!.tolist(), numbers(counts!)]).toEqual([
      [0, 2, 3],
      [
        [0, 1, 0],
        [2, 0, 1],
      ],
      [3, 2, 1],
    ]);
    expect(
      tf
        .unique(
          tf.tensor([
            [1, 0],
            [0, 1],
            [1, 0],
          ]),
          { dim: 0 },
        )
        .tolist(),
    ).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(numbers(tf.uniqueConsecutive(tf.tensor([1, 1, 2, 1])))).toEqual([1, 2, 1]);
  });
});
