/** Ops that are another one under a second name, and small ones that PyTorch has no samples of. */
import { expect, it } from 'vitest';
import * as tf from '../lib/index.js';

const x = (): tf.Tensor => tf.arange(24, { dtype: 'float32' }).reshape(2, 3, 4);
const same = (a: tf.Tensor, b: tf.Tensor): void => {
  expect(a.shape).toEqual(b.shape);
  expect(a.dtype).toBe(b.dtype);
  expect(a.tolist()).toEqual(b.tolist());
};

it('moveaxis is movedim, swapdims is transpose', () => {
  same(x().moveaxis(0, 2), x().permute(1, 2, 0));
  same(x().swapdims(0, -1), x().transpose(0, 2));
});

it('cat, vstack and outer have other names', () => {
  same(tf.concatenate([x(), x()], 1), tf.cat([x(), x()], 1));
  same(tf.concat([x(), x()], 2), tf.cat([x(), x()], 2));
  same(tf.rowStack([x(), x()]), tf.vstack([x(), x()]));
  same(tf.arange(3).ger(tf.arange(4)), tf.outer(tf.arange(3), tf.arange(4)));
});

it.each([
  ['absolute', 'abs'],
  ['arcsin', 'asin'],
  ['arccos', 'acos'],
  ['arctan', 'atan'],
  ['arcsinh', 'asinh'],
  ['arctanh', 'atanh'],
  ['negative', 'neg'],
  ['fix', 'trunc'],
] as const)('%s is %s', (name, first) => {
  const input = tf.tensor([-0.75, -0.25, 0.5], { requiresGrad: true });
  const out = tf[name](input);
  same(out, input[first]());
  same(input[name](), out);
  expect(out.gradFn?.name).toBe(input[first]().gradFn?.name);
  out.sum().backward();
  const other = input.detach().requiresGrad_();
  other[first]().sum().backward();
  same(input.grad!, other.grad!);
  same(input.detach().clone()[`${name}_`](), out);
});

it.each([
  ['multiply', 'mul'],
  ['divide', 'div'],
  ['trueDivide', 'div'],
  ['subtract', 'sub'],
  ['arctan2', 'atan2'],
  ['greater', 'gt'],
  ['greaterEqual', 'ge'],
  ['less', 'lt'],
  ['lessEqual', 'le'],
  ['notEqual', 'ne'],
] as const)('%s is %s', (name, first) => {
  const [a, b] = [tf.tensor([1, 5, -3]), tf.tensor([2, 5, -4])];
  same(a[name](b), tf[first](a, b));
  same(a.clone()[`${name}_`](b), a.clone()[`${first}_`](b));
});

it('an alias takes the options of the first name, and errors say its own', () => {
  same(tf.divide(tf.tensor([7, -7]), 2, { roundingMode: 'floor' }), tf.tensor([3, -4]));
  same(tf.subtract(tf.tensor([7]), 2, { alpha: 3 }), tf.tensor([1]));
  same(x().clip(3, { max: 5 }), x().clamp(3, 5));
  same(tf.tensor([1]).arccosh(), tf.tensor([0]));
  expect(() => tf.multiply(x(), 'two' as never)).toThrow(/^multiply: /);
  expect(() => x().multiply(tf.ones(2, 5))).toThrow(/^multiply: shapes/);
  expect(() => tf.concat([x(), tf.ones(1)])).toThrow(/^concat: /);
  expect(() => tf.concatenate([x(), x()], 9)).toThrow(/^concatenate: dim 9/);
  const freed = tf.ones(3);
  freed.dispose();
  expect(() => freed.negative()).toThrow(/^negative: tensor used after it was freed/);
  expect(() => freed.negative_()).toThrow(/^negative_: tensor used after it was freed/);
});

it('chainMatmul multiplies from whichever end is cheaper', () => {
  const [a, b, c] = [tf.ones(2, 3), tf.ones(3, 4).mul(2), tf.ones(4, 5)];
  same(tf.chainMatmul([a, b, c]), a.matmul(b).matmul(c));
});

it('typeAs casts to the other tensor’s dtype', () => {
  same(tf.tensor([1.7, -2.5]).typeAs(tf.arange(1)), tf.tensor([1, -2], { dtype: 'int64' }));
});

it('copy_ casts and broadcasts into place', () => {
  const target = tf.zeros(2, 3, { dtype: 'int32' });
  expect(target.copy_(tf.tensor([1.9, 2.9, -3.9]))).toBe(target);
  expect(target.tolist()).toEqual([
    [1, 2, -3],
    [1, 2, -3],
  ]);
  expect(() => target.copy_(tf.ones(2))).toThrow(/\[2\].*\[2, 3\]|\[2, 3\].*\[2\]/);
});

it('zero_ clears a view of its tensor', () => {
  const t = x();
  t.select(1, 1).zero_();
  expect(t.sum().item()).toBe(276 - 22 - 70);
});

it('dropout1d drops whole channels', () => {
  tf.manualSeed(0);
  const out = tf.nn.functional.dropout1d(tf.ones(50, 8, 3), 0.5, true);
  const channels = out.sum(2).flatten().tolist() as number[];
  expect(new Set(channels)).toEqual(new Set([0, 6]));
  expect(tf.nn.functional.dropout1d(x(), 0.5, false).equal(x())).toBe(true);
});

it('lpPool1d is the root of the sum of powers', () => {
  same(tf.nn.functional.lpPool1d(tf.tensor([[[3, 4, 6, 8]]]), 2, 2), tf.tensor([[[5, 10]]]));
});
