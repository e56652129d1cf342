/** Results with names: objects by name, by position and one after the other, and no arrays. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';

const x = tf.tensor([[3, 1, 2], [4, 6, 5]]); // prettier-ignore

describe('results with names', () => {
  it('are taken apart, by name, by position', () => {
    const [values, indices] = x.max(1);
    expect(values.tolist()).toEqual([3, 6]);
    expect(indices.tolist()).toEqual([0, 1]);
    const sorted = x.sort(1);
    expect(sorted.values.tolist()).toEqual([[1, 2, 3], [4, 5, 6]]); // prettier-ignore
    expect(sorted[1]).toBe(sorted.indices);
    expect(sorted.length).toBe(2);
    const { U, S, Vh } = tf.linalg.svd(x, false);
    expect([U.shape, S.shape, Vh.shape]).toEqual([[2, 2], [2], [2, 3]]); // prettier-ignore
  });
  it('are no arrays, and have their names as keys', () => {
    const top = x.topk(1);
    expect(Array.isArray(top)).toBe(false);
    expect(Object.keys(top)).toEqual(['values', 'indices']);
    expect(JSON.stringify(tf.median(x, 1))).toBe('{"values":[2,5],"indices":[2,2]}');
  });
  it('print each tensor once', () => {
    expect(inspect(x.min(1))).toBe('NamedTensors { values: tensor([1., 4.]), indices: tensor([1, 0]) }');
  });
  it('carry gradients, through compile, checkpoint, hooks and scopes too', () => {
    const leaf = x.clone().requiresGrad_();
    const squares = tf.compile((t: tf.Tensor) => t.mul(t).sort(1));
    for (let run = 0; run < 2; run++) {
      const { values, indices } = squares(leaf);
      expect(values.tolist()).toEqual([[1, 4, 9], [16, 25, 36]]); // prettier-ignore
      expect(indices.dtype).toBe('int64');
    }
    const out = tf.utils.checkpoint.checkpoint((t: tf.Tensor) => t.mul(t).max(1), leaf) as { values: tf.Tensor };
    out.values.sum().backward();
    expect(leaf.grad!.tolist()).toEqual([[6, 0, 0], [0, 12, 0]]); // prettier-ignore
    const kept = tf.tidy(() => x.add(1).max(1));
    expect(kept.values.tolist()).toEqual([4, 7]);
    class Top extends tf.nn.Module {
      override forward(t: tf.Tensor): { values: tf.Tensor } {
        return t.mul(2).max(1);
      }
    }
    const top = new Top();
    top.registerFullBackwardHook(() => undefined);
    expect(top.forward(leaf).values.tolist()).toEqual([6, 12]);
  });
});

describe('words', () => {
  it('that a call doesn’t know are refused, with the nearest', () => {
    const image = tf.zeros(1, 1, 4, 4);
    expect(() => tf.nn.functional.mseLoss(x, x, { reduction: 'men' as never })).toThrow(
      "mseLoss: reduction must be 'none', 'mean' or 'sum', got 'men', did you mean 'mean'?",
    );
    expect(() => tf.nn.functional.interpolate(image, { size: 2, mode: 'bilinaer' as never })).toThrow(
      "got 'bilinaer', did you mean 'bilinear'?",
    );
    expect(() => tf.nn.functional.conv2d(image, image, { padding: 'smae' as never })).toThrow(
      "conv2d: padding must be 'same', 'valid' or numbers, got 'smae'",
    );
    expect(() => tf.linalg.eigh(tf.eye(2), 'M' as never)).toThrow("UPLO must be 'L' or 'U', got 'M'");
  });
});
