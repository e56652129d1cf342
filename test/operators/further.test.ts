/** Public functions that the recorded samples don't reach: values from scripts/record/further.py, and what is random. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { camel, readFixture } from './format.js';

interface Recorded {
  data: (number | null)[];
  dtype: tf.DType;
  shape: number[];
}
type Row = [name: string, args: unknown[], kwargs: Record<string, unknown>, result: Recorded];
const { rows } = readFixture<{ rows: Row[] }>('further.json');

const isRecorded = (x: unknown): x is Recorded => typeof x === 'object' && x !== null && 'dtype' in x;
const build = (x: Recorded): tf.Tensor =>
  tf
    .tensor(
      x.data.map((v) => v ?? NaN),
      { dtype: x.dtype },
    )
    .reshape(x.shape);
const decode = (x: unknown): unknown => (isRecorded(x) ? build(x) : Array.isArray(x) ? x.map(decode) : x);

describe('further functions', () => {
  it('zero_ clears in place', () => {
    const t = tf.ones(2);
    expect(t.zero_()).toBe(t);
    expect(t.tolist()).toEqual([0, 0]);
  });

  it('put is put_ on a copy', () => {
    const t = tf.zeros(3);
    expect(t.put(tf.tensor([1], { dtype: 'int64' }), tf.tensor([5])).tolist()).toEqual([0, 5, 0]);
    expect(t.tolist()).toEqual([0, 0, 0]);
  });

  it.each(rows)('%s', (name, args, kwargs, result) => {
    const path = name.split('.').map(camel);
    const key = path.pop()!;
    const owner = path.reduce(
      (o, part) => o[part] as Record<string, unknown>,
      tf as unknown as Record<string, unknown>,
    );
    const given = args.map(decode);
    const call =
      (owner[key] as ((...a: unknown[]) => tf.Tensor) | undefined) ??
      ((self: unknown, ...rest: unknown[]) => (self as Record<string, (...a: unknown[]) => tf.Tensor>)[key]!(...rest));
    tf.manualSeed(0);
    const got = call(...given, ...(Object.keys(kwargs).length > 0 ? [kwargs] : []));
    expect(got.shape).toEqual(result.shape);
    expect(got.dtype).toBe(result.dtype);
    const close = tf.allclose(got.double(), build(result).double(), { rtol: 1e-6, atol: 1e-7, equalNan: true });
    expect(close, `${String(got)} instead of ${String(build(result))}`).toBe(true);
  });

  it('put_ writes by position in the flattened tensor', () => {
    const t = tf.zeros(2, 3);
    t.put_(tf.tensor([1, 4], { dtype: 'int64' }), tf.tensor([7, 8]));
    expect(t.tolist()).toEqual([
      [0, 7, 0],
      [0, 8, 0],
    ]);
    expect(() => t.put_(tf.tensor([6], { dtype: 'int64' }), tf.tensor([1]))).toThrow(/index 6 is out of range/);
  });

  it.each(['dropout1d', 'dropout3d', 'featureAlphaDropout'] as const)('%s drops whole channels', (name) => {
    tf.manualSeed(0);
    const x = tf.ones(name === 'dropout3d' ? [4, 8, 2, 2, 2] : [4, 8, 6]);
    const y = tf.nn.functional[name](x, 0.5, true);
    const channels = y.reshape([32, -1]);
    expect(channels.amax(1).sub(channels.amin(1)).abs().max().item()).toBe(0);
    expect(new Set(channels.select(1, 0).tolist() as number[]).size).toBe(2);
    expect(tf.nn.functional[name](x, 0.5, false).equal(x)).toBe(true);
  });

  it('maxUnpool3d puts maxima back where they were', () => {
    const x = tf.arange(64, { dtype: 'float32' }).reshape(1, 1, 4, 4, 4);
    const [values, indices] = tf.nn.functional.maxPool3d(x, 2, { returnIndices: true }) as unknown as [
      tf.Tensor,
      tf.Tensor,
    ];
    const back = tf.nn.functional.maxUnpool3d(values, indices, 2);
    expect(back.sum().item()).toBe(values.sum().item());
    expect(back.reshape([-1]).at(63).item()).toBe(63);
  });
});
