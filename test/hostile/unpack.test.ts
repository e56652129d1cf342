/** What a hook gives back for a saved tensor is what the formulas and their kernels take it for, or it is refused. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

const { nn, rand, tensor, linalg } = tf;
const F = nn.functional;
const labels = tensor([1, 0, 2], { dtype: 'int64' });

/** Losses whose backward is a kernel that walks what was saved. */
const CASES: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  conv2d: (x) => F.conv2d(x.reshape(1, 1, 3, 4), rand(2, 1, 2, 2)),
  crossEntropy: (x) => F.crossEntropy(x, labels),
  logSoftmax: (x) => F.logSoftmax(x, 1),
  layerNorm: (x) => F.layerNorm(x, [4]),
  solve: (x) => linalg.solve(x.mm(x.t()).add(tf.eye(3)), rand(3, 2)),
  attention: (x) => F.scaledDotProductAttention(x.reshape(1, 3, 4), rand(1, 3, 4), rand(1, 3, 4)),
  maxPool2d: (x) => F.maxPool2d(x.reshape(1, 3, 4), 2) as tf.Tensor,
  gather: (x) => x.gather(1, tensor([[0], [3], [1]], { dtype: 'int64' })),
  mul: (x) => x.mul(rand(3, 4)),
};

describe.each(Object.entries(CASES))('unpack for %s', (_, loss) => {
  const run = (unpack: (t: tf.Tensor) => tf.Tensor): tf.Tensor => {
    tf.manualSeed(1);
    const x = rand(3, 4, { requiresGrad: true });
    const y = tf.autograd.graph.savedTensorsHooks(
      (t) => t,
      (t) => unpack(t as tf.Tensor),
      () => loss(x),
    );
    y.sum().backward();
    return x.grad!;
  };
  it('another shape or dtype is refused', () => {
    const refused = /^savedTensorsHooks: unpack must return a \w+ tensor of shape \[[\d,]*\], as pack was given/;
    expect(() => run(() => tensor(0))).toThrow(refused);
    expect(() => run(() => tf.zeros(0))).toThrow(refused);
    expect(() => run((t) => t.unsqueeze(0))).toThrow(refused);
    expect(() => run((t) => t.to(t.dtype === 'float16' ? 'float32' : 'float16'))).toThrow(refused);
    expect(() => run(() => 5 as unknown as tf.Tensor)).toThrow(/^savedTensorsHooks: unpack must return a tensor/);
  });
  it('the same values in another layout give the same gradient', () => {
    const plain = run((t) => t);
    const turned = run((t) => (t.dim() < 2 ? t : t.transpose(0, 1).contiguous().transpose(0, 1)));
    const spread = run((t) => tf.stack([t, t], -1).select(-1, 0));
    expect(turned.tolist()).toEqual(plain.tolist());
    expect(spread.tolist()).toEqual(plain.tolist());
  });
});
