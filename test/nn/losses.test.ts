/** Losses at their edges. */
import { describe, expect, it, vi } from 'vitest';
import * as tf from '../../lib/index.js';

const F = tf.nn.functional;

describe('ctcLoss of samples without steps', () => {
  const targets = tf.tensor([[1, 2], [1, 2]], { dtype: 'int64' }); // prettier-ignore
  const logs = (): tf.Tensor => {
    tf.manualSeed(0);
    return tf.randn(3, 2, 4).logSoftmax(2).detach().requiresGrad_();
  };
  it('is 0 where nothing is to be spelt, and has no gradient', () => {
    const lp = logs();
    const loss = F.ctcLoss(lp, targets, [0, 3], [0, 2], { reduction: 'none' });
    const alone = F.ctcLoss(lp.narrow(1, 1, 1), targets.narrow(0, 1, 1), [3], [2], { reduction: 'none' });
    expect(loss.at(0).item()).toBe(0);
    expect(loss.at(1).item()).toBeCloseTo(alone.item(), 5);
    loss.sum().backward();
    expect(lp.grad!.select(1, 0).abs().sum().item()).toBe(0);
    expect(lp.grad!.select(1, 1).abs().sum().item()).toBeGreaterThan(0);
  });
  it('is infinite where something is, or 0 with zeroInfinity; its gradient is finite', () => {
    const lp = logs();
    expect(F.ctcLoss(lp, targets, [0, 3], [1, 2], { reduction: 'none' }).at(0).item()).toBe(Infinity);
    const loss = F.ctcLoss(lp, targets, [0, 3], [1, 2], { reduction: 'none', zeroInfinity: true });
    expect(loss.at(0).item()).toBe(0);
    loss.sum().backward();
    expect(lp.grad!.isfinite().all().item()).toBe(true);
    expect(lp.grad!.select(1, 0).abs().sum().item()).toBe(0);
  });
  it('refuses log-probabilities without time steps', () => {
    expect(() => F.ctcLoss(tf.zeros(0, 2, 4), targets, [0, 0], [0, 0])).toThrow(
      'ctcLoss: logProbs has no time steps, got [0, 2, 4]',
    );
  });
});

describe('LinearCrossEntropyLoss', () => {
  it('checks its options, and says once that it computes the whole', () => {
    const make = (options: object): tf.nn.Module => new tf.nn.LinearCrossEntropyLoss(3, 4, { options });
    expect(() => make({ batchChunkSize: 0 })).toThrow('batchChunkSize must be a positive integer, got 0');
    expect(() => make({ chunkingMethod: 'aspect' })).toThrow("chunkingMethod must be 'auto'");
    expect(() => make({ chunkSize: 2 })).toThrow("unknown option 'chunkSize'");
    const said = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    try {
      const loss = make({ batchChunkSize: 2 });
      for (let i = 0; i < 2; i++) loss.forward(tf.ones(2, 3), tf.zeros(2, { dtype: 'int64' }));
      expect(said).toHaveBeenCalledTimes(1);
    } finally {
      said.mockRestore();
    }
  });
});

describe('texts of errors', () => {
  it('name what was given', () => {
    expect(() => tf.tensor((function* () { yield 1; })() as never)).toThrow('got a Generator'); // prettier-ignore
    expect(() => (tf.fromTypedArray as (...args: unknown[]) => unknown)(new Float32Array(2), [2], { dtype: 'int64' })).toThrow('fromTypedArray: takes at most 2 arguments, got 3'); // prettier-ignore
    const index = tf.tensor([0, 1], { dtype: 'int64' });
    expect(() => F.embeddingBag(index, tf.ones(3, 2), tf.tensor([0.5, 1]))).toThrow('embeddingBag: offsets must be int64 of one dim'); // prettier-ignore
  });
});
