/** What layers compute, and their gradients, against PyTorch for a seed: recorded by scripts/record/layers.py. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { readFixture } from '../operators/format.js';

interface Values {
  shape: number[];
  /** Sum of the elements, and of their absolute values. */
  sum: number;
  size: number;
  head: number[];
}
interface Row {
  js: string;
  inputs: number[][];
  extra: number[][];
  out: Values;
  inputGrads: Values[];
  grads: Record<string, Values>;
  buffers: Record<string, Values>;
}
const { seeds, layers } = readFixture<{ seeds: number[]; layers: Row[] }>('layers.json');

/** float32 through a few products and sums. */
const TOLERANCE = 2e-5;

function expectValues(what: string, actual: Tensor, want: Values): void {
  expect(actual.shape, what).toEqual(want.shape);
  const flat = (actual.detach().double().reshape([-1]).tolist() as number[]).map(Number);
  const scale = Math.max(want.size / Math.max(flat.length, 1), 1e-2);
  want.head.forEach((x, i) =>
    expect(Math.abs(flat[i]! - x), `${what}[${i}]: ${flat[i]}, not ${x}`).toBeLessThan(
      TOLERANCE * Math.max(scale, Math.abs(x)),
    ),
  );
  const sum = flat.reduce((a, b) => a + b, 0);
  expect(Math.abs(sum - want.sum), `sum of ${what}: ${sum}, not ${want.sum}`).toBeLessThan(
    TOLERANCE * Math.max(want.size, 1),
  );
}

it('lpPool3d is the norm of a window', () => {
  const y = tf.nn.functional.lpPool3d(tf.full([1, 1, 2, 2, 2], 3), 2, 2);
  expect(y.shape).toEqual([1, 1, 1, 1, 1]);
  expect(y.item()).toBeCloseTo(3 * Math.sqrt(8), 5);
});

describe('layers give PyTorch’s results and gradients', () => {
  for (const row of layers) {
    it(row.js, () => {
      tf.manualSeed(seeds[0]!);
      const layer = new Function('nn', `return ${row.js}`)(tf.nn) as tf.nn.Module;
      const inputs = row.inputs.map((shape) => tf.randn(shape).requiresGrad_());
      const extra = row.extra.map((shape) => tf.randn(shape));
      let out = layer.forward(...inputs, ...extra) as Tensor | Tensor[];
      while (Array.isArray(out)) out = out[0]!;
      expectValues('result', out, row.out);
      const count = out.numel();
      out.mul(tf.arange(1, count + 1).float().reshape(out.shape).div(count)).sum().backward(); // prettier-ignore
      inputs.forEach((x, i) => expectValues(`gradient of input ${i}`, x.grad!, row.inputGrads[i]!));
      const parameters = Object.fromEntries(layer.namedParameters());
      expect(Object.keys(parameters)).toEqual(Object.keys(row.grads));
      for (const [key, want] of Object.entries(row.grads))
        expectValues(`gradient of ${key}`, parameters[key]!.grad!, want);
      const buffers = Object.fromEntries(layer.namedBuffers());
      for (const [key, want] of Object.entries(row.buffers)) expectValues(key, buffers[key]!, want);
    });
  }
});
