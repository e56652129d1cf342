/** The launcher's room: declarations, what a watcher sees, what doesn't fit, and that operands live until a launch has ended. */
import { describe, expect, it } from 'vitest';
import { Code } from '../lib/dtype.js';
import { nn, tensor, zeros } from '../lib/index.js';
import { Access, slotsOf, slotsOfKernel } from '../lib/launch/declaration.js';
import { run } from '../lib/launch/run.js';
import { watch, type Launch } from '../lib/launch/watch.js';
import { kernel, kernelNames } from '../lib/native/launch.js';

const F = nn.functional;

/** The launches of a function. */
function launchesOf(fn: () => unknown): (Launch & { numbers: number[] })[] {
  const seen: (Launch & { numbers: number[] })[] = [];
  const end = watch((launch) => seen.push({ ...launch, numbers: [...launch.frame.subarray(0, launch.length)] }));
  try {
    fn();
  } finally {
    end();
  }
  return seen;
}

describe('declarations', () => {
  it('are read as they are written', () => {
    const slots = slotsOf('rows, sizes[2*rows], in? x[rows*sizes]: i64|i32 strided, inout s: bytes, out y, eps: f64');
    expect(slots.map((s) => [s.name, s.access, s.optional, s.count, s.codes, s.strided, s.bytes, s.real])).toEqual([
      ['rows', Access.none, false, null, null, false, false, false],
      ['sizes', Access.none, false, [2, 'rows'], null, false, false, false],
      ['x', Access.read, true, ['rows', 'sizes'], [Code.i64, Code.i32], true, false, false],
      ['s', Access.both, false, null, null, false, true, false],
      ['y', Access.write, false, null, null, false, false, false],
      ['eps', Access.none, false, null, null, false, false, true],
    ]);
  });
  it('that are none are refused', () => {
    expect(() => slotsOf('rows,n')).toThrow("a kernel declares 'rows,n', which is no place");
    expect(() => slotsOf('into x')).toThrow("'into x', which is no place");
    expect(() => slotsOf('in x: f23')).toThrow("unknown dtype in 'in x: f23'");
  });
  it('of all kernels can be read, and name each place once', () => {
    let declared = 0;
    for (const name of kernelNames()) {
      const id = kernel(name).find((i) => i >= 0)!;
      const slots = slotsOfKernel(id);
      if (slots === null) continue;
      declared++;
      expect(new Set(slots.map((s) => s.name)).size, name).toBe(slots.length);
    }
    expect(declared).toBeGreaterThan(80);
  });
});

describe('a watcher', () => {
  it('sees every address of a launch, and what is behind it', () => {
    const x = tensor([[[1, 2, 3]]]);
    let y = x;
    const [resample] = launchesOf(() => (y = F.interpolate(x, { size: 5 }))).filter((l) => l.name === 'resample');
    const { places, numbers, length, code } = resample!;
    expect(code).toBe(Code.f32);
    expect(length).toBe(1 + 1 + 9 + 6 + 2);
    expect(places.map((p) => [p.at, p.name, p.access])).toEqual([
      [11, 'indexD', Access.read],
      [12, 'weightD', Access.read],
      [13, 'indexH', Access.read],
      [14, 'weightH', Access.read],
      [15, 'indexW', Access.read],
      [16, 'weightW', Access.read],
      [17, 'from', Access.read],
      [18, 'to', Access.write],
    ]);
    expect(places[6]!.memory).toBe(x);
    expect(numbers[17]).toBe(x.dataPtr());
    expect(numbers[18]).toBe(y.dataPtr());
  });
  it('sees elementwise launches, with numbers and strides', () => {
    const x = zeros(2, 3);
    const [add] = launchesOf(() => x.t().add(2));
    expect([add!.name, add!.length]).toEqual(['add', 48 + 16 * 3]);
    expect(add!.places.map((p) => [p.at, p.access])).toEqual([
      [4, Access.write],
      [7, Access.read],
    ]);
    const [dense] = launchesOf(() => x.add(x));
    expect([dense!.length, dense!.places.length]).toEqual([32, 3]);
    const [big] = launchesOf(() => tensor([1n], { dtype: 'int64' }).add(2n ** 60n)).filter((l) => l.name === 'add');
    expect(big!.places.length).toBe(3); // the number is a tensor
  });
  it('sees nothing more once it has ended', () => {
    const seen: Launch[] = [];
    const end = watch((launch) => seen.push(launch));
    end();
    zeros(2).add(1);
    expect(seen).toEqual([]);
  });
});

describe('a launch that doesn’t fit its declaration', () => {
  const id = kernel('planeGather')[Code.f32]!;
  const from = zeros(2, 4);
  const index = zeros(2, 3, { dtype: 'int64' });
  const to = zeros(2, 3);
  it.each([
    ['one that does', [2, 3, 4, from, index, true, 1, to], null],
    ['too few', [2, 3, 4, from, index, true, 1], "'to' is missing"],
    ['too many', [2, 3, 4, from, index, true, 1, to, 1], '9 arguments for 8 places'],
    ['a tensor for a number', [from, 3, 4, from, index, true, 1, to], "'planes' must be a number, got "],
    ['a number for a tensor', [2, 3, 4, 5, index, true, 1, to], "'from' must be a tensor, got 5"],
    ['half a number', [2, 3.5, 4, from, index, true, 1, to], "'few' must be an integer, got 3.5"],
    ['nothing', [2, 3, 4, null, index, true, 1, to], "'from' is null"],
    ['another dtype', [2, 3, 4, from.double(), index, true, 1, to], "'from' is float64"],
    ['an index of floats', [2, 3, 4, from, to, true, 1, to], "'index' is float32"],
    ['not dense', [2, 3, 4, from, index, true, 1, zeros(3, 2).t()], "'to' is not dense"],
    ['too small', [2, 3, 4, from, index, true, 1, zeros(5)], "'to' has 5 elements, and 6 are used"],
    ['a storage', [2, 3, 4, from.storage, index, true, 1, to], "'from' must be a tensor, got a storage"],
  ] as const)('%s', (_, args, message) => {
    if (message === null) expect(() => run(id, ...args)).not.toThrow();
    else expect(() => run(id, ...args)).toThrow(message);
  });
});
