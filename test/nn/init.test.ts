/** Initial weights and nn.init, after manualSeed, against PyTorch's: recorded by scripts/record/initial_values.py. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { readFixture } from '../operators/format.js';

interface Values {
  shape: number[];
  sum: number;
  head: number[];
}
interface Fixture {
  seeds: number[];
  modules: { js: string; state: (Values & { key: string })[]; next: number }[];
  inits: ({ js: string; next: number } & Values)[];
}
const { seeds, modules, inits } = readFixture<Fixture>('initial_values.json');
const { nn } = tf;

/** Evaluates a fixture's expression; `t` and `c` are the tensors that it fills. */
const evaluate = (js: string, t?: Tensor, c?: Tensor): unknown =>
  new Function('nn', 't', 'c', `return ${js}`)(nn, t, c) as unknown;

function expectValues(actual: Tensor, want: Values, digits = 6): void {
  expect(actual.shape).toEqual(want.shape);
  const flat = (actual.reshape([-1]).double().tolist() as number[]).map(Number);
  want.head.forEach((x, i) => expect(flat[i]).toBeCloseTo(x, digits));
  const sum = flat.reduce((a, b) => a + b, 0);
  expect(Math.abs(sum - want.sum)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(want.sum)));
}

describe('a layer starts as PyTorch’s does for a seed', () => {
  for (const row of modules) {
    it(row.js, () => {
      tf.manualSeed(seeds[0]!);
      const state = (evaluate(row.js) as tf.nn.Module).stateDict();
      expect(Object.keys(state)).toEqual(row.state.map((s) => s.key));
      for (const want of row.state) expectValues(state[want.key]!, want);
      expect(tf.rand(1).item()).toBe(row.next);
    });
  }
});

describe('nn.init gives PyTorch’s numbers for a seed', () => {
  for (const row of inits) {
    it(row.js, () => {
      const t = tf.full([6, 5], 9);
      const c = tf.full([6, 5, 3, 3], 9);
      tf.manualSeed(seeds[0]!);
      const made = evaluate(row.js, t, c) as Tensor;
      expect(made === t || made === c).toBe(true);
      // Values that go through erfinv or a QR decomposition are equal but for rounding.
      expectValues(made, row, /truncNormal|orthogonal/.test(row.js) ? 5 : 6);
      expect(tf.rand(1).item()).toBe(row.next);
    });
  }

  it('fills parameters outside the graph', () => {
    const p = new nn.Parameter(tf.zeros(3));
    nn.init.normal_(p);
    expect(p.isLeaf).toBe(true);
    expect(p.requiresGrad).toBe(true);
  });

  it('calculateGain', () => {
    expect(nn.init.calculateGain('relu')).toBe(Math.SQRT2);
    expect(nn.init.calculateGain('leakyRelu', 0.2)).toBeCloseTo(Math.sqrt(2 / 1.04), 15);
    expect(nn.init.calculateGain('tanh')).toBe(5 / 3);
    expect(() => nn.init.calculateGain('rellu')).toThrow(
      "calculateGain: unknown nonlinearity 'rellu', did you mean 'relu'?",
    );
  });

  it('refuses what has no fans', () => {
    expect(() => nn.init.xavierUniform_(tf.zeros(3))).toThrow(
      'xavierUniform_: needs at least 2 dims to know its fans, got shape [3]',
    );
    expect(() => nn.init.kaimingNormal_(tf.zeros(2, 2), { mode: 'fan' as never })).toThrow(
      "mode must be 'fan_in' or 'fan_out', got 'fan'",
    );
    expect(() => nn.init.eye_(tf.zeros(3))).toThrow('eye_: needs a matrix, got shape [3]');
  });
});
