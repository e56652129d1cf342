/** Packed sequences, alone and through recurrent layers, against PyTorch: recorded by scripts/record/packed.py. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { difference, readFixture, type CodedTensor } from '../operators/format.js';

interface Row {
  lengths: number[];
  batchFirst: boolean;
  packed: (CodedTensor | null)[];
  padded: CodedTensor;
  sizes: CodedTensor;
  right: CodedTensor;
  left: CodedTensor;
  grad: CodedTensor;
}
interface LayerRow {
  js: string;
  lengths: number[];
  given: boolean;
  start: number[][];
  out: CodedTensor[];
  grads: CodedTensor[];
}
const fixture = readFixture<{ seeds: number[]; sequences: Row[]; layers: LayerRow[] }>('packed.json');
const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence, padSequence, unpackSequence, unpadSequence } =
  tf.nn.utils.rnn; // prettier-ignore

/** Sum of all elements times 1, 2, 3, …, as the recorder weighs them. */
const weighted = (tensors: Tensor[]): Tensor =>
  tensors
    .map((t) =>
      t
        .mul(
          tf
            .arange(1, t.numel() + 1, { dtype: t.dtype })
            .div(t.numel())
            .reshape(t.shape),
        )
        .sum(),
    )
    .reduce((a, b) => a.add(b));
const same = (what: string, got: unknown, want: CodedTensor): void => expect(difference(got, want, 4), what).toBe(null);

describe('sequences of different lengths', () => {
  it.each(fixture.sequences)('$lengths, batchFirst $batchFirst', (row) => {
    const { lengths, batchFirst } = row;
    const grid = tf.arange(40, { dtype: 'float64' }).reshape(5, 4, 2);
    const x = (batchFirst ? grid.transpose(0, 1).contiguous() : grid).detach().requiresGrad_();
    const packed = packPaddedSequence(x, lengths, batchFirst, false);
    [...packed].forEach((t, i) =>
      row.packed[i] === null ? expect(t).toBe(null) : same(`part ${i}`, t, row.packed[i]!),
    );
    const [padded, sizes] = padPackedSequence(packed, { batchFirst, paddingValue: -1, totalLength: 7 });
    same('padded', padded, row.padded);
    same('lengths', sizes, row.sizes);
    const items = unpadSequence(x, tf.tensor(lengths, { dtype: 'int64' }), { batchFirst });
    expect(items.map((t) => t.shape[0])).toEqual(lengths);
    const right = padSequence(items, batchFirst, 0.5);
    const left = padSequence(items, { batchFirst, paddingSide: 'left' });
    same('padded at the end', right, row.right);
    same('padded at the beginning', left, row.left);
    const back = unpackSequence(packSequence(items, { enforceSorted: false }));
    back.forEach((t, i) => expect(t.equal(items[i]!)).toBe(true));
    weighted([packed.data, padded, right, left, ...back]).backward();
    same('gradient', x.grad, row.grad);
  });

  it('carries its data to another dtype', () => {
    const packed = packSequence([tf.ones(3, 2), tf.zeros(1, 2)]);
    expect(packed.double().data.dtype).toBe('float64');
    expect(packed.to('float16').batchSizes).toBe(packed.batchSizes);
    expect(packed.float()).toBe(packed);
    const [data, batchSizes, sorted, unsorted] = packed;
    expect([data!.shape, batchSizes!.tolist(), sorted, unsorted]).toEqual([[4, 2], [2, 1, 1], null, null]);
  });

  it('refuses what is no batch of sequences', () => {
    const x = tf.ones(5, 2, 3);
    expect(() => packPaddedSequence(x, [2, 5])).toThrow(/packPaddedSequence: lengths must fall.*enforceSorted: false/);
    expect(() => packPaddedSequence(x, [5, 0])).toThrow(RangeError);
    expect(() => packPaddedSequence(x, [6, 1])).toThrow(/packPaddedSequence: lengths must be from 1 to the 5 steps/);
    expect(() => packPaddedSequence(x, [5, 2, 1])).toThrow(/3 lengths for a batch of 2/);
    expect(() => packPaddedSequence(x, 'ab' as never)).toThrow(TypeError);
    expect(() => packPaddedSequence(x, [5, 2], { batch: true } as never)).toThrow(/unknown option 'batch'/);
    const packed = packPaddedSequence(x, [5, 2]);
    expect(() => padPackedSequence(packed, { totalLength: 4 })).toThrow(
      /totalLength must be at least the longest length 5/,
    );
    expect(() => padPackedSequence(x as never)).toThrow(/sequence must be a PackedSequence/);
    expect(() => padSequence([])).toThrow(/padSequence: needs at least one sequence/);
    expect(() => padSequence([tf.ones(2, 3), tf.ones(2, 4)])).toThrow(/may differ in their first size only/);
    expect(() => padSequence([tf.ones(2)], { paddingSide: 'middle' as never })).toThrow(/'left' or 'right'/);
    expect(() => packSequence([tf.ones(1), tf.ones(2)])).toThrow(/packSequence: lengths must fall/);
    expect(() => unpadSequence(x, [6, 1])).toThrow(/unpadSequence: lengths must be from 0 to 5/);
    expect(() => new PackedSequence(tf.ones(3, 2), tf.tensor([2n, 2n]))).toThrow(
      /batchSizes make 4 rows, data is \[3, 2\]/,
    );
    expect(() => new PackedSequence(tf.ones(3, 2), tf.tensor([1n, 2n]))).toThrow(
      /batchSizes must be positive and not rise/,
    );
    expect(() => new tf.nn.GRU(4, 2).forward(packed)).toThrow(/GRU: a packed sequence's data must be \[rows, 4\]/);
    expect(() => new tf.nn.GRU(3, 2).forward(packed, tf.ones(1, 3, 2))).toThrow(/hidden state must be \[1, 2, 2\]/);
  });
});

describe('recurrent layers over packed sequences', () => {
  it.each(fixture.layers)('$js, lengths $lengths, states given: $given', (row) => {
    tf.manualSeed(fixture.seeds[0]!);
    const layer = new Function('nn', `return ${row.js}`)(tf.nn) as tf.nn.LSTM;
    const x = tf.randn(5, 4, 3).requiresGrad_();
    const start = row.start.map((shape) => tf.randn(shape).requiresGrad_());
    const packed = packPaddedSequence(x, row.lengths, { enforceSorted: false });
    const state = (layer instanceof tf.nn.LSTM ? start : start[0]) as [Tensor, Tensor];
    const [y, last] = layer.forward(packed, row.given ? state : null);
    const out = [y.data, ...(Array.isArray(last) ? last : [last as Tensor])];
    out.forEach((t, i) => same(`result ${i}`, t, row.out[i]!));
    weighted(out).backward();
    const leaves = [x, ...(row.given ? start : []), ...layer.parameters()];
    leaves.forEach((p, i) => same(`gradient ${i}`, p.grad, row.grads[i]!));
  });
});
