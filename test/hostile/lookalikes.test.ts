/**
 * What a tensor's memory rests on can't be assigned, and what only looks like a tensor or a generator is none. A fault here
 * reads or writes memory that is another's.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- what types refuse is called here */
type Any = any;
const { arange, randn, zeros, tensor, nn } = tf;
const spellings: [string, (t: Any, name: string, value: unknown) => unknown][] = [
  ['assignment', (t, name, value) => (t[name] = value)],
  ['Object.assign', (t, name, value) => Object.assign(t, { [name]: value })],
  [
    'a setter of the prototype',
    (t, name, value) => {
      let at = Object.getPrototypeOf(t);
      while (!Object.hasOwn(at, name)) at = Object.getPrototypeOf(at);
      Object.getOwnPropertyDescriptor(at, name)!.set!.call(t, value);
    },
  ],
  ['the prototype', (t, name, value) => Object.defineProperty(Object.getPrototypeOf(t), name, { value })],
];
const FIELDS = { shape: [8], strides: [9], storage: {}, offset: 1e6, code: 1, count: 1e6, dense: false, base: null };

describe('what describes memory', () => {
  it.each(spellings)('is not changed by %s', (_, change) => {
    for (const [name, value] of Object.entries({ ...FIELDS, dtype: 'float64' })) {
      const t = arange(4);
      expect(() => change(t, name, value), name).toThrow(TypeError);
      expect([t.shape, t.dtype, t.stride(), t.storageOffset(), t.tolist()]).toEqual([
        [4],
        'int64',
        [1],
        0,
        [0, 1, 2, 3],
      ]);
    }
  });

  it('is not read from properties of the same names', () => {
    for (const [name, value] of Object.entries(FIELDS)) {
      for (const property of [{ value }, { get: () => value }]) {
        const t = arange(4);
        Object.defineProperty(t, name, property);
        if (['shape', 'strides', 'code', 'count', 'dense'].includes(name)) {
          for (const use of [() => t.add(1), () => t.tolist(), () => String(t), () => t.toTypedArray(), () => t.sum()])
            expect(use, `${name}: ${use}`).toThrow(/can't be redefined|out of memory|not defined for/);
        }
      }
    }
  });

  it('has nothing behind it that can be changed: frozen lists, a storage without fields', () => {
    for (const t of [arange(4), arange(6).view([2, 3]).t(), arange(6).asStrided([2, 2], [3, 1])] as Any[]) {
      expect(() => (t.shape[0] = 9)).toThrow(TypeError);
      expect(() => (t.strides[0] = 9)).toThrow(TypeError);
      expect(() => t.strides.push(9)).toThrow(TypeError);
      expect(() => (t.storage.address = 8)).toThrow(TypeError);
      expect(() => (t.storage.nbytes = 1e9)).toThrow(TypeError);
      expect(() => (t.storage.guarded = false)).toThrow(TypeError);
      expect(t.storage.buffer).toBeUndefined();
      expect(t.storageBuffer).toBeUndefined();
      for (const key of Reflect.ownKeys(t.storage)) expect(['version', 'readers', 'engineRefs', 'kept']).toContain(key);
    }
    expect(Object.keys(arange(2)).sort()).toEqual(['clonable', 'leafGrad', 'meta', 'node', 'nr', 'viewVersion']);
  });

  it("is not the caller's own list", () => {
    const strides = [1];
    const t = arange(4).asStrided([2], strides);
    strides[0] = 1e9;
    expect(t.tolist()).toEqual([0, 1]);
    const shape = [2, 2];
    const z = zeros(shape);
    shape[0] = 1e9;
    expect(z.shape).toEqual([2, 2]);
  });
});

describe('lists that answer otherwise when they are read again', () => {
  const turning = (first: number, then: number): number[] => {
    let reads = 0;
    return Object.defineProperty([0], 0, { get: () => (reads++ === 0 ? first : then), enumerable: true }) as number[];
  };
  it('are read once', () => {
    for (const later of [9, -1, NaN, 'x' as Any]) {
      expect(zeros(turning(2, later)).shape).toEqual([2]);
      expect(arange(4).view(turning(4, later)).tolist()).toEqual([0, 1, 2, 3]);
      expect(arange(4).asStrided(turning(2, later), turning(1, later)).tolist()).toEqual([0, 1]);
      expect(randn(1, 2, 2).expand([turning(3, later)[0]!, 2, 2]).shape).toEqual([3, 2, 2]);
      expect(nn.functional.avgPool1d(zeros(1, 1, 4), turning(2, later)).shape).toEqual([1, 1, 2]);
      expect(nn.functional.pad(zeros(1, 4), [turning(1, later)[0]!, 1]).shape).toEqual([1, 6]);
      expect(zeros(3).roll(turning(1, later), turning(0, later)).shape).toEqual([3]);
    }
  });
});

describe('lookalikes', () => {
  const t = tensor([1, 2]);
  const fakes: [string, Any][] = [
    ['isTensor', { isTensor: true, shape: [2], storage: {}, code: 0, count: 2, dense: true, requiresGrad: false }],
    ['a proxy', new Proxy(t, {})],
    ['an heir of the prototype', Object.create(tf.Tensor.prototype)],
    ['an heir of a tensor', Object.create(t)],
  ];
  it.each(fakes)('%s is no tensor', (_, fake) => {
    expect(() => tf.add(fake, 1)).toThrow(TypeError);
    expect(() => t.add(fake)).toThrow(TypeError);
    expect(() => tf.cat([t, fake])).toThrow(TypeError);
    expect(() => nn.functional.mseLoss(t, fake)).toThrow(TypeError);
    expect(() => tf.where(t.gt(1), fake, t)).toThrow(TypeError);
  });
  it('tensors of a second copy of the package are told from ours', async () => {
    // A query makes another module of the same file: another class, another addon's frame.
    const url = new URL('../../lib/index.ts?second', import.meta.url).href;
    const other = (await import(url)) as typeof tf;
    if (other.Tensor === tf.Tensor) return; // the loader shares modules
    expect(() => t.add(other.zeros(2) as Any)).toThrow(/another copy of tenfold/);
  });
  it('what has manualSeed is no generator', () => {
    for (const generator of [
      { manualSeed() {}, address: 64 },
      Object.create(tf.Generator.prototype),
      new Proxy(new tf.Generator(), {}),
    ] as Any[]) {
      expect(() => tf.rand(2, { generator })).toThrow("rand: 'generator' must be a Generator");
      expect(() => tf.randperm(2, { generator })).toThrow("randperm: 'generator' must be a Generator");
      expect(() => zeros(2).normal_({ generator })).toThrow("normal_: 'generator' must be a Generator");
    }
    const g = new tf.Generator() as Any;
    expect(() => (g.state = 64)).toThrow(TypeError);
    expect(g.address ?? g.memory).toBeUndefined();
  });
  it('what the prototypes are stays as it is', () => {
    expect(() => Object.defineProperty(tf.Tensor.prototype, 'shape', { get: () => [8] })).toThrow(TypeError);
    expect(() => new (tf.Tensor as Any)({}, 0, [8], [1], 0, 8, true, null)).toThrow(/^Tensor: tensors are made by/);
    expect(() => (zeros(2) as Any).turnInto(zeros(1000))).toThrow(/^turnInto: /);
  });
});

describe('empty memory', () => {
  it('of a typed array, and behind the end of a slab', () => {
    const empty = tf.fromTypedArray(new Float32Array(0));
    expect([empty.tolist(), empty.add(1).tolist(), empty.sum().item()]).toEqual([[], [], 0]);
    expect(empty.toTypedArray()).toEqual(new Float32Array(0));
    const far = zeros(0).asStrided([0, 3], [1, 1], 2 ** 40);
    expect([far.tolist(), far.toTypedArray().length, far.clone().shape]).toEqual([[], 0, [0, 3]]);
    expect(far.asTypedArray()).toEqual(new Float32Array(0));
    for (let i = 0; i < 5000; i++) expect(zeros(0).toTypedArray().length).toBe(0);
  });
});
