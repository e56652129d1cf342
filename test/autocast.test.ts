/** autocast: the dtype of every operator's result, beside PyTorch 2.15's (scripts/record/autocast.py), and what is around it. */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import { nn, type Tensor } from '../lib/index.js';
import { waysOf } from './operators/calls.js';
import { readFixture, readOperator, isCodedTensor, type Coded, type Sample } from './operators/format.js';

type Row = [op: string, single: tf.DType, half: tf.DType];
const { rows } = readFixture<{ rows: Row[] }>('autocast.json');

const recode = (c: Coded, dtype: tf.DType): Coded =>
  isCodedTensor(c)
    ? c.dtype === 'float32' ? { ...c, dtype } : c
    : Array.isArray(c) ? c.map((x) => recode(x, dtype)) : c; // prettier-ignore
const holdsSingle = (c: Coded): boolean =>
  isCodedTensor(c) ? c.dtype === 'float32' : Array.isArray(c) && c.some(holdsSingle);
const first = (x: unknown): Tensor | null =>
  x instanceof tf.Tensor ? x : Array.isArray(x) ? (x.map(first).find((t) => t !== null) ?? null) : null;

/** What the operator's first samples of float32 give in a dtype; null where none can be computed. */
function resultDtype(op: string, dtype: tf.DType): string | null {
  const file = readOperator(op);
  for (const sample of file.samples.filter((s) => !s.random && holdsSingle(s.args)).slice(0, 6)) {
    const named = Object.fromEntries(Object.entries(sample.named).map(([k, v]) => [k, recode(v, dtype)]));
    const given = { ...sample, args: sample.args.map((a) => recode(a, dtype)), named } as Sample;
    const way = waysOf(file, given).find((w) => w.form !== 'inplace');
    try {
      const result = way && first(tf.autocast('cpu', 'bfloat16', () => way.run(given, null).result));
      if (result) return result.dtype;
    } catch {
      continue;
    }
  }
  return null;
}
/** Where the dtype is another one here, and why. */
const OTHERS: Record<string, string> = {
  stft: 'pairs of real numbers here',
  linspace: 'its samples differ in dtype',
  bucketize: 'its samples differ in dtype',
  'nn.functional.max_pool3d': 'PyTorch’s with indices is another operator, which is not cast',
  'nn.functional.pdist': 'the first sample of PyTorch’s is empty',
  inner: 'vectors, which PyTorch multiplies in float32',
  'linalg.matrix_power': 'powers 0 and 1, which PyTorch does not compute',
};

describe('results under autocast', () => {
  it.each(rows)('%s', (op, single, half) => {
    for (const [dtype, want] of [
      ['float32', single],
      ['bfloat16', half],
    ] as const) {
      const got = resultDtype(op, dtype);
      if (got !== null && !(op in OTHERS)) expect(got, `of ${dtype}`).toBe(want);
    }
  });
});

describe('autocast', () => {
  const x = tf.randn([2, 4]);
  it('gradients and parameters keep their dtypes', () => {
    const layer = new nn.Linear(4, 3);
    const loss = tf.autocast('cpu', { dtype: 'bfloat16' }, () => {
      const y = layer.forward(x);
      expect(y.dtype).toBe('bfloat16');
      return nn.functional.mseLoss(y, tf.zeros(2, 3));
    });
    expect(loss.dtype).toBe('float32');
    loss.backward();
    expect([layer.weight.dtype, layer.weight.grad!.dtype]).toEqual(['float32', 'float32']);
    const full = nn.functional.mseLoss(layer.forward(x), tf.zeros(2, 3));
    expect(Math.abs(full.item<number>() - loss.item<number>())).toBeLessThan(0.02);
  });
  it('nests, can be off inside, and ends also by an error', () => {
    tf.autocast('cpu', () => {
      expect([tf.isAutocastEnabled(), tf.getAutocastDtype()]).toEqual([true, 'bfloat16']);
      tf.autocast('cpu', { enabled: false }, () => {
        expect(tf.isAutocastEnabled('cpu')).toBe(false);
        expect(x.matmul(x.t()).dtype).toBe('float32');
      });
      expect(tf.autocast('cpu', 'float16', () => x.matmul(x.t()).dtype)).toBe('float16');
      expect(x.matmul(x.t()).dtype).toBe('bfloat16');
      expect(x.double().matmul(x.t().double()).dtype).toBe('float64');
    });
    expect(() => tf.autocast('cpu', () => x.matmul(x))).toThrow(/matmul/);
    expect(tf.isAutocastCpuEnabled()).toBe(false);
    expect(x.matmul(x.t()).dtype).toBe('float32');
    const scope = tf.autocast('cpu');
    expect(x.mm(x.t()).dtype).toBe('bfloat16');
    scope[Symbol.dispose]();
    expect(x.mm(x.t()).dtype).toBe('float32');
  });
  it('lets ops write in place, with all their options', () => {
    const half = tf.autocast('cpu', () => tf.tensor([3, 5]).div_(2, { roundingMode: 'floor' }));
    expect(half.tolist()).toEqual([1, 2]);
  });
  it('setAutocastDtype sets the default', () => {
    tf.setAutocastDtype('cpu', 'float16');
    expect(tf.autocast('cpu', () => x.mm(x.t()).dtype)).toBe('float16');
    tf.setAutocastDtype('cpu', 'bfloat16');
  });
  it('a layer of a Transformer runs in it', () => {
    const layer = new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 16, dropout: 0, batchFirst: true });
    const input = tf.randn([2, 3, 8]);
    const [low, full] = [tf.autocast('cpu', () => layer.forward(input)), layer.forward(input)];
    expect(low.sub(full).abs().max().item<number>()).toBeLessThan(0.06);
    expect(low.equal(full)).toBe(false);
  });
  it('refuses other devices, dtypes and options', () => {
    expect(() => tf.autocast('cuda' as 'cpu')).toThrow(/autocast: device 'cuda' doesn't exist here/);
    expect(() => tf.autocast('cpu', 'float64' as never)).toThrow(
      /dtype must be 'bfloat16' or 'float16', got 'float64'/,
    );
    expect(() => tf.autocast('cpu', { dytpe: 'bfloat16' } as never)).toThrow(/unknown option 'dytpe'/);
    expect(() => tf.autocast('cpu', async () => Promise.resolve(1))).toThrow(/autocast: the function is async/);
    expect(tf.isAutocastEnabled()).toBe(false);
  });
});
