/**
 * The kernels of native/random and the Generator against PyTorch's CPU generator, value for value, as
 * scripts/record/random_numbers.py recorded it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codeOf, SIZE } from '../../lib/dtype.js';
import { run } from '../../lib/launch/run.js';
import { kernel, nativeInfo } from '../../lib/native/launch.js';
import { defaultGenerator, Generator, halves } from '../../lib/random/generator.js';
import { Tensor } from '../../lib/tensor/tensor.js';

interface Call {
  op: string;
  dtype: string;
  n: number;
  args?: (number | string)[];
  strided?: boolean;
  scale?: number;
  rows?: number;
  categories?: number;
  samples?: number;
  replacement?: boolean;
  head: (number | string)[];
  last: (number | string)[];
  sha256: string;
}
interface Sequence {
  seed: string;
  state: string;
  calls: Call[];
}
const { sequences } = JSON.parse(readFileSync(new URL('../fixtures/random.json', import.meta.url), 'utf8')) as {
  sequences: Sequence[];
};

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;
type Elements = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;
const arrayOf = (dtype: string, n: number): Elements =>
  new ARRAYS[dtype as keyof typeof ARRAYS](new ArrayBuffer(Math.max(1, n) * SIZE[codeOf('test', dtype)]!), 0, n);
const wrap = (array: Elements, dtype: string): Tensor => Tensor.wrap(array, [array.length], codeOf('test', dtype));
const sha256 = (bytes: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest('hex');

const weights = (n: number, dtype: string, scale = 1): Elements => {
  const w = arrayOf(dtype, n) as Float64Array<ArrayBuffer>;
  for (let i = 0; i < n; i++) w[i] = ((i * 37) % 101) / 101;
  if (scale !== 1) for (let i = 0; i < n; i++) w[i] = w[i]! * scale;
  return w;
};

/** Range of random_() without bounds. */
const RANGES: Record<string, bigint> = {
  int64: 1n << 63n,
  int32: 1n << 31n,
  int16: 1n << 15n,
  int8: 1n << 7n,
  uint8: 1n << 8n,
  bool: 2n,
  float32: (1n << 24n) + 1n,
  float64: (1n << 53n) + 1n,
};

function draw(generator: Generator, call: Call): Elements {
  const integers = call.op === 'multinomial' || call.op === 'randperm';
  const out = arrayOf(integers ? 'int64' : call.dtype, call.n);
  const to = wrap(out, integers ? 'int64' : call.dtype);
  const drawn = (name: string, ...args: (number | Tensor)[]): Elements => {
    run(kernel(name)[codeOf('test', call.dtype)]!, generator.state, to, call.n, ...args);
    return out;
  };
  const numbers = (call.args ?? []).map(Number);
  switch (call.op) {
    case 'normal_':
      return drawn('normal', ...numbers, call.strided ? 1 : 0);
    case 'uniform_':
      return drawn('uniform', ...numbers);
    case 'log_normal_':
      return drawn('logNormal', ...numbers);
    case 'exponential_':
      return drawn('exponential', ...numbers);
    case 'cauchy_':
      return drawn('cauchy', ...numbers);
    case 'geometric_':
      return drawn('geometric', ...numbers);
    case 'bernoulli_':
      return drawn('bernoulli', ...numbers, 1);
    case 'random_': {
      const bounds = (call.args ?? []).map(BigInt);
      const [low, high] = bounds.length > 0 ? bounds : [0n, RANGES[call.dtype]!];
      const range = high! - low!;
      const wide = range >= 1n << (bounds.length > 0 ? 28n : 32n); // without bounds, int32 takes one word
      return drawn('random', ...halves(low!), ...halves(range), wide ? 2 : 1);
    }
    case 'randperm':
      return drawn('randperm');
    case 'bernoulli':
      return drawn('bernoulliTensor', wrap(weights(call.n, call.dtype), call.dtype));
    case 'poisson':
      return drawn('poisson', wrap(weights(call.n, call.dtype, call.scale), call.dtype));
    case 'multinomial': {
      const { rows, categories, samples, replacement } = call;
      const p = weights(rows! * categories!, call.dtype);
      return drawn(
        'multinomial',
        wrap(p, call.dtype),
        rows!,
        categories!,
        samples!,
        replacement && samples! > 1 ? 1 : 0,
        0,
      );
    }
    default:
      throw new Error(`no op ${call.op}`);
  }
}

// SSE4 has no FMA: last bits may differ there. Doubles come from the C library's log, sin and cos: glibc's is PyTorch's.
const exact = nativeInfo().target !== 'sse4' && process.platform === 'linux';

describe.each(sequences)('generator from seed $seed', ({ seed, calls, state }) => {
  it('draws what PyTorch draws, call after call', () => {
    const generator = new Generator().manualSeed(BigInt(seed));
    for (const [i, call] of calls.entries()) {
      const label = `call ${i}: ${call.op} ${call.dtype} [${call.n}] ${call.args ?? ''}`;
      const out = draw(generator, call);
      const got = [...out.slice(0, 6), ...out.slice(call.n - 1)].map(Number);
      const want = [...call.head, ...call.last].map(Number);
      const epsilon = call.dtype === 'float32' ? 2 ** -20 : 2 ** -48;
      expect(got.length, label).toBe(want.length);
      got.forEach((x, k) =>
        expect(Math.abs(x - want[k]!), label).toBeLessThanOrEqual(epsilon * Math.max(1, Math.abs(want[k]!))),
      );
      // PyTorch's logarithm and exponential of doubles round the last place otherwise here and there.
      const lastPlace = /^(exponential|log_normal)_$/.test(call.op) && call.dtype === 'float64';
      if (exact && !lastPlace) expect(sha256(out), label).toBe(call.sha256);
    }
    if (exact) expect(sha256(generator.getState())).toBe(state);
  });
});

describe('Generator', () => {
  const next = (g: Generator, n = 3, name = 'normal'): number[] => {
    const out = new Float64Array(n);
    run(
      kernel(name)[codeOf('test', 'float64')]!,
      g.state,
      wrap(out, 'float64'),
      n,
      0,
      1,
      ...(name === 'normal' ? [0] : []),
    );
    return [...out];
  };

  it('begins with the seed that PyTorch begins with', () => {
    expect(new Generator().initialSeed()).toBe(67280421310721);
  });

  it('takes every seed that PyTorch takes, and keeps all 64 bits of it', () => {
    const g = new Generator();
    expect(g.manualSeed(-1).initialSeed()).toBe(2n ** 64n - 1n);
    expect(g.manualSeed(2 ** 53 - 1).initialSeed()).toBe(2 ** 53 - 1);
    expect(g.manualSeed(-(2n ** 63n)).initialSeed()).toBe(2n ** 63n);
    expect(next(g.manualSeed(2 ** 32 + 5))).toEqual(next(g.manualSeed(5))); // the low 32 bits start mt19937
  });

  it('refuses what is no seed', () => {
    const g = new Generator();
    expect(() => g.manualSeed(1.5)).toThrow(new TypeError('manualSeed: expected an integer, got 1.5'));
    expect(() => g.manualSeed(NaN)).toThrow(new TypeError('manualSeed: expected an integer, got NaN'));
    expect(() => g.manualSeed(2n ** 64n)).toThrow(
      new RangeError('manualSeed: expected an integer from -2^63 to 2^64 - 1, got 18446744073709551616'),
    );
    expect(() => new Generator('cuda' as 'cpu')).toThrow(new TypeError("Generator: expected device 'cpu', got 'cuda'"));
  });

  it('goes on from a saved state, the other half of a pair of normals included', () => {
    const g = new Generator().manualSeed(3);
    next(g, 3);
    const saved = g.getState();
    const want = [...next(g, 700, 'uniform'), ...next(g, 5)];
    g.setState(saved);
    expect(next(new Generator().setState(saved), 1)).toEqual(next(new Generator().setState(saved), 1));
    expect([...next(g, 700, 'uniform'), ...next(g, 5)]).toEqual(want);
    const other = new Generator();
    other.setState(saved);
    expect(other.getState()).toEqual(saved);
    expect(other.initialSeed()).toBe(3);
  });

  it('refuses bytes that are no state, and stays as it was', () => {
    const g = new Generator().manualSeed(3);
    const before = g.getState();
    expect(() => g.setState(new Uint8Array(100))).toThrow(
      new TypeError('setState: expected the 5056 bytes of a saved generator, got 100 bytes'),
    );
    expect(() => g.setState(new Uint8Array(5056))).toThrow('these bytes are no state of mt19937 (left 0, next 0)');
    const wild = g.getState();
    new DataView(wild.buffer).setUint32(16, 600, true); // next, with 623 words left
    new DataView(wild.buffer).setInt32(8, 624, true);
    expect(() => g.setState(wild)).toThrow('(left 624, next 600)');
    expect(g.getState()).toEqual(before);
  });

  it('seeds itself differently each time', () => {
    const g = new Generator();
    const seed = g.seed();
    expect(g.initialSeed()).toBe(seed);
    expect(g.seed()).not.toBe(seed);
    expect(defaultGenerator.initialSeed()).not.toBe(new Generator().initialSeed());
  });
});
