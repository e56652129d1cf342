/** func: derivatives of functions, against closed forms. */
import { expect, it } from 'vitest';
import * as tf from '../lib/index.js';

const { func, tensor } = tf;
const cube = (x: tf.Tensor): tf.Tensor => x.pow(3).sum();

it('grad, of grad, and of several arguments', () => {
  const x = tensor([1, 2]);
  const g = func.grad(cube)(x) as tf.Tensor;
  expect([g.tolist(), g.requiresGrad]).toEqual([[3, 12], false]);
  const second = func.grad((y: tf.Tensor) => (func.grad(cube)(y) as tf.Tensor).sum());
  expect((second(x) as tf.Tensor).tolist()).toEqual([6, 12]);
  const [a, b] = func.grad((p: tf.Tensor, q: tf.Tensor) => p.mul(q).sum(), [0, -1])(x, tensor([5, 7])) as tf.Tensor[];
  expect([a!.tolist(), b!.tolist()]).toEqual([[5, 7], [1, 2]]); // prettier-ignore
  const [gradient, value] = func.gradAndValue(cube)(x) as tf.Tensor[];
  expect([gradient!.tolist(), value!.item()]).toEqual([[3, 12], 9]);
  expect((func.grad(() => tensor(1))(x) as tf.Tensor).tolist()).toEqual([0, 0]);
});

it('vjp, jvp, jacrev, jacfwd, hessian', () => {
  const x = tensor([1, 2]);
  const square = (y: tf.Tensor): tf.Tensor => y.square();
  const [value, product] = func.vjp(square, x);
  expect([value.tolist(), (product(tensor([1, 10])) as tf.Tensor).tolist()]).toEqual([[1, 4], [2, 40]]); // prettier-ignore
  expect((product(tensor([0, 1])) as tf.Tensor).tolist()).toEqual([0, 4]);
  const [out, along] = func.jvp(square, [x], [tensor([1, 10])]);
  expect([out.tolist(), along.tolist()]).toEqual([[1, 4], [2, 40]]); // prettier-ignore
  for (const of of [func.jacrev, func.jacfwd]) expect((of(square)(x) as tf.Tensor).tolist()).toEqual([[2, 0], [0, 4]]); // prettier-ignore
  expect((func.hessian(cube)(x) as tf.Tensor).tolist()).toEqual([[6, 0], [0, 12]]); // prettier-ignore
});

it('what is no function, no number or no float is refused', () => {
  expect(() => func.grad(3 as never)).toThrow(/grad: expected a function/);
  expect(() => func.grad((x: tf.Tensor) => x)(tensor([1, 2]))).toThrow(/grad: the function must return one number/);
  expect(() => func.grad(cube)(tensor([1n]))).toThrow(/grad: argument 0 must be a floating-point tensor/);
  expect(() => func.grad(cube, 1)(tensor([1]))).toThrow(RangeError);
});
