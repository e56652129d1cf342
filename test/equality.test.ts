/** toEqual and its relatives on tensors: shape, dtype and elements decide, not the memory that they lie in. */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';

const matrix = (): tf.Tensor => tf.tensor([[1, 2], [3, NaN]]); // prettier-ignore

describe('toEqual', () => {
  it('of equal tensors, whatever their layout', () => {
    expect(matrix()).toEqual(matrix());
    expect(matrix()).toStrictEqual(matrix().t().contiguous().t());
    expect(tf.tensor(3)).toEqual(tf.tensor(3));
    expect({ weight: [tf.zeros(0)] }).toEqual({ weight: [tf.zeros(0)] });
  });

  it.each<[string, tf.Tensor]>([
    ['an element', tf.tensor([[1, 2], [3, 4]])], // prettier-ignore
    ['the shape', matrix().reshape(4)],
    ['the dtype', matrix().double()],
  ])('not where %s differs', (_, other) => {
    expect(matrix()).not.toEqual(other);
    expect([matrix()]).not.toEqual([other]);
  });

  it('of a tensor and something else is an ordinary failure', () => {
    expect(tf.tensor(1)).not.toEqual(1);
    expect(tf.tensor([1])).not.toEqual([1]);
  });
});

it('a 0-dim tensor is not iterable, as in PyTorch', () => {
  expect(() => [...tf.tensor(1)]).toThrow('a 0-dim tensor is not iterable; use item()');
});

it('item() has the type that is asked for', () => {
  const sum: number = tf.ones(3).sum().item();
  const any: boolean = tf.ones(3).gt(2).any().item<boolean>();
  expect([sum, any]).toEqual([3, false]);
});
