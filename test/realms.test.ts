/** Typed arrays and objects of another realm (a vm's context, as under Jest) are as any others. */
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';

/** Values made in another realm, whose constructors and prototypes are others. */
const there = <T>(expression: string): T => runInNewContext(expression) as T;

describe('values of another realm', () => {
  it('are typed arrays', () => {
    for (const [name, dtype] of Object.entries({
      Float32Array: 'float32',
      Float64Array: 'float64',
      BigInt64Array: 'int64',
      Int32Array: 'int32',
      Int16Array: 'int16',
      Int8Array: 'int8',
      Uint8Array: 'uint8',
      Uint8ClampedArray: 'uint8',
    })) {
      const array = there<ArrayBufferView>(name === 'BigInt64Array' ? 'BigInt64Array.of(1n, 2n)' : `${name}.of(1, 2)`);
      expect(tf.tensor(array as never).dtype, name).toBe(dtype);
      expect(tf.fromTypedArray(array as never).tolist(), name).toEqual([1, 2]);
      expect(tf.tensor([array, array] as never).shape, name).toEqual([2, 2]);
    }
    const array = there<Float32Array>('new Float32Array([1, 2])');
    const shared = tf.fromTypedArray(array);
    array[0] = 7;
    expect(shared.tolist()).toEqual([7, 2]);
    expect(() => tf.tensor(there('new Uint16Array(2)') as never)).toThrow('Uint16Array has no dtype of its own');
  });

  it('are arrays and options', () => {
    expect(tf.tensor(there('[[1, 2], [3, 4]]')).shape).toEqual([2, 2]);
    const options = there<object>("({ dtype: 'int64' })");
    expect(tf.zeros(2, options as never).dtype).toBe('int64');
    expect(tf.ones(2, 3).sum(there<object>('({ dim: 1, keepdim: true })') as never).shape).toEqual([2, 1]);
    expect(() => tf.ones(2).sum(there<object>('({ dmi: 1 })') as never)).toThrow("unknown option 'dmi'");
    expect(new tf.nn.Linear(2, 3, there<object>('({ bias: false })') as never).bias).toBe(null);
    const net = new tf.nn.Sequential(
      there<(l: tf.nn.Module) => object>('(l) => ({ only: l })')(new tf.nn.ReLU()) as never,
    );
    expect(net.namedChildren().map(([name]) => name)).toEqual(['only']);
    expect(new tf.optim.SGD([tf.ones(2).requiresGrad_()], there('({ lr: 0.5 })')).paramGroups[0]!.lr).toBe(0.5);
  });

  it('are state dicts, samples, files and promises', async () => {
    const layer = new tf.nn.Linear(1, 1);
    const state = there<(entries: unknown) => Map<string, tf.Tensor>>('(entries) => new Map(entries)')(
      Object.entries(layer.stateDict()),
    );
    expect(layer.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    const samples = there<{ x: number }[]>('[{ x: 1 }, { x: 2 }]');
    const [batch] = [...new tf.utils.data.DataLoader(samples, { batchSize: 2 })] as { x: tf.Tensor }[];
    expect(batch!.x.tolist()).toEqual([1, 2]);
    const bytes = tf.toBytes({ a: tf.ones(2) });
    const copy = there<(b: Uint8Array) => Uint8Array>('(b) => Uint8Array.from(b)')(bytes);
    expect((tf.load(copy) as { a: tf.Tensor }).a.tolist()).toEqual([1, 1]);
    expect((tf.load(copy.buffer as never) as { a: tf.Tensor }).a.tolist()).toEqual([1, 1]);
    const later = there<Promise<number>>('Promise.resolve(1)');
    expect(() => tf.noGrad((() => later) as never)).toThrow('the function is async');
    expect(await later).toBe(1);
    const saved = there<(b: Uint8Array) => Uint8Array>('(b) => Uint8Array.from(b)')(
      tf.getRngState().toTypedArray() as Uint8Array,
    );
    tf.setRngState(saved);
    const kept = tf.tidy(() =>
      there<(t: tf.Tensor) => Map<string, tf.Tensor>>("(t) => new Map([['t', t]])")(tf.ones(2)),
    );
    expect(kept.get('t')!.tolist()).toEqual([1, 1]);
  });
});
