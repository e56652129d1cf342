/** Functions of ops without recorded samples of their own. */
import { expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

it('asStridedScatter writes what asStrided shows, in a copy; gradients go where the elements came from', () => {
  // PyTorch 2.15 sends the input's gradient to the elements that were overwritten.
  const x = tf.arange(9, { dtype: 'float64' }).reshape(3, 3).detach().requiresGrad_();
  const src = tf.ones(2, 2, { dtype: 'float64' }).requiresGrad_();
  const y = x.asStridedScatter(src, [2, 2], [2, 1], 0);
  expect(y.tolist()).toEqual([[1, 1, 1], [1, 4, 5], [6, 7, 8]]); // prettier-ignore
  y.mul(tf.arange(1, 10, { dtype: 'float64' }).reshape(3, 3))
    .sum()
    .backward();
  expect(x.grad!.tolist()).toEqual([[0, 0, 0], [0, 5, 6], [7, 8, 9]]); // prettier-ignore
  expect(src.grad!.tolist()).toEqual([[1, 2], [3, 4]]); // prettier-ignore
  expect(() => x.asStridedScatter(src, [2, 2], [200, 200])).toThrow(/asStridedScatter: .*of a storage of 9/);
});

it('copies of views have memory of their own', () => {
  const x = tf.arange(6).reshape(2, 3);
  const parts = [x.detachCopy(), x.selectCopy(0, 1), ...x.splitCopy(1), x.aliasCopy()];
  for (const part of parts) part.add_(100);
  expect(x.tolist()).toEqual([[0, 1, 2], [3, 4, 5]]); // prettier-ignore
  expect(x.selectCopy(1, 2).tolist()).toEqual([2, 5]);
  expect(() => x.selectCopy(0, 2)).toThrow(/^selectCopy: /);
});

it('real numbers as complex ones: real, conj, isComplex, H', () => {
  const x = tf.tensor([[1, -2, 3]]);
  expect(x.real()).toBe(x);
  expect(x.conj()).toBe(x);
  expect(x.isComplex()).toBe(false);
  expect(x.H.shape).toEqual([3, 1]);
  expect(() => tf.ones(2, 2, 2).H).toThrow(/H: needs a matrix, got \[2, 2, 2\]/);
});

it('special functions far out: values of DLMF and of arbitrary precision', () => {
  const value = (f: (x: tf.Tensor) => tf.Tensor, x: number): number => f(tf.tensor(Float64Array.of(x))).item<number>();
  const { special } = tf;
  const close = (got: number, want: number): void => expect(Math.abs(got / want - 1)).toBeLessThan(1e-12);
  close(value(special.airyAi, -8), -0.0527050503563862);
  close(value(special.airyAi, -4), -0.07026553294928951);
  close(value(special.airyAi, 2), 0.03492413042327438);
  close(value(special.modifiedBesselK0, 1e-3), 7.023688800562382);
  close(value(special.scaledModifiedBesselK0, 1000), 0.03962832160075422);
  close(value(special.erfcx, 30), 0.01879588886141675);
  close(
    value((x) => special.logNdtr(special.ndtri(x)), 1e-300),
    Math.log(1e-300),
  );
  close(
    value((x) => special.zeta(x, 1), 3),
    1.2020569031595942,
  );
});

it('newEmptyStrided, emptyStrided: memory under strides', () => {
  const x = tf.ones(2, { dtype: 'int32' }).newEmptyStrided([2, 3], [1, 2]);
  expect([x.dtype, x.stride(), x.fill_(7).tolist()]).toEqual(['int32', [1, 2], [[7, 7, 7], [7, 7, 7]]]); // prettier-ignore
  expect(() => tf.emptyStrided([2, 3], [1])).toThrow(/emptyStrided: 2 sizes but 1 strides/);
  expect(() => tf.emptyStrided([2], [-1])).toThrow(/emptyStrided: strides must not be negative/);
});
