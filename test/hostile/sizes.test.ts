/**
 * Sizes that kernels divide by, walk, or have a fixed room for: 0, one too many, and more than memory holds. What is wrong
 * here ends the process, so a fault shows as a crash of this file.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

const { nn, randn, zeros, arange, tensor } = tf;
const F = nn.functional;
const ones = (n: number): number[] => new Array<number>(n).fill(1);
const gradOf = (x: tf.Tensor): number[] => [...(x.grad!.toTypedArray() as Float32Array)];

describe('more dims or operands than a frame has room for', () => {
  it.each([16, 17, 20, 33, 64])('%i index tensors', (n) => {
    const x = arange(2 ** 3).view([...ones(n - 3), 2, 2, 2]);
    const at = ones(n).map((_, i) => tensor(i < n - 3 ? [0, 0] : [0, 1], { dtype: 'int64' }));
    expect(x.index(...at).tolist()).toEqual([0, 7]);
    const y = x.clone();
    y.indexPut_(at, -1);
    expect(y.view([-1]).tolist()).toEqual([-1, 1, 2, 3, 4, 5, 6, -1]);
    expect(() => x.index(...at.slice(0, -1), tensor([2], { dtype: 'int64' }))).toThrow(
      new RangeError(`index: index 2 is out of range for dim ${n - 1} of size 2`),
    );
  });

  it('index tensors of more than 16 dims', () => {
    const x = arange(6).view([2, 3]);
    const shape = [...ones(28), 2, 2];
    const i = tensor([0, 1, 1, 0], { dtype: 'int64' }).view(shape);
    const j = tensor([2, 1], { dtype: 'int64' }).view([1, 2]);
    expect(x.index(i, j).shape).toEqual(shape);
    expect(x.index(i, j).view([-1]).tolist()).toEqual([2, 4, 5, 1]);
  });

  it('at most 64 dims, by every road', () => {
    const x = zeros(ones(64), { requiresGrad: true });
    const most = /^\w+: tensors have at most 64 dims, /;
    for (const road of [
      () => x.unsqueeze(0),
      () => x.index(null),
      () => x.index(true),
      () => x.detach().indexPut([true, zeros(ones(64), { dtype: 'int64' })], 1),
      () => x.reshape(ones(65)),
      () => x.view(ones(65)),
      () => x.expand(ones(65)),
      () => tf.stack([x, x]),
      () => x.unfold(0, 1, 1),
      () => x.index(zeros([1, 1], { dtype: 'int64' })),
      () => x.asStrided(ones(65), ones(65)),
      () => zeros(ones(65)),
      () => tf.fromTypedArray(new Float32Array(1), ones(65)),
      () => tf.tensordot(x, x, 0),
      () => x.at(null),
    ]) {
      expect(road, String(road)).toThrow(most);
    }
    expect(zeros(ones(64)).nonzero().shape).toEqual([0, 64]);
    expect(zeros(ones(64)).add(1).nonzero().shape).toEqual([1, 64]);
  });
});

describe('sizes of zero', () => {
  it('maxUnpool into planes without an element refuses every index', () => {
    const x = randn(3, 5, 4, 1, { requiresGrad: true });
    const at = zeros([3, 5, 4, 1], { dtype: 'int64' });
    expect(() => F.maxUnpool2d(x, at, 2, { padding: 1 })).toThrow(
      new RangeError('maxUnpool2d: index out of range for a plane of 0 elements'),
    );
    expect(() =>
      F.maxUnpool2d(randn(2, 17, 2, 7), zeros([2, 17, 2, 7], { dtype: 'int64' }), [1, 1], { padding: [1, 0] }),
    ).toThrow(RangeError);
    expect(() => F.maxUnpool2d(x, at, 2, { padding: 9 })).toThrow(/^maxUnpool2d: the result would have the sizes/);
    expect(() =>
      F.maxUnpool3d(randn(1, 3, 5, 4, 1), zeros([1, 3, 5, 4, 1], { dtype: 'int64' }), 2, { padding: [0, 0, 1] }),
    ).toThrow(/^maxUnpool3d: index out of range/);
  });

  it('convolutions have something along each spatial dim', () => {
    for (const dtype of ['float32', 'float16', 'bfloat16', 'float64'] as const) {
      const weight = zeros([4, 3, 3, 3], { dtype, requiresGrad: true });
      expect(() => F.conv2d(zeros([2, 3, 0, 5], { dtype }), weight, { padding: 'same' })).toThrow(
        'conv2d: only batch and channels may be empty, got input [2, 3, 0, 5]',
      );
    }
    expect(() => F.convTranspose3d(zeros([2, 2, 0, 8, 9]), zeros([2, 2, 3, 3, 3]))).toThrow(
      'convTranspose3d: only batch and channels may be empty, got input [2, 2, 0, 8, 9]',
    );
    expect(() => F.conv2d(zeros([2, 3, 4, 5]), zeros([4, 3, 0, 1]))).toThrow(
      'conv2d: the weight needs a filter of one element or more, got shape [4, 3, 0, 1]',
    );
    expect(() => F.conv2d(zeros([2, 3, 4, 5]), zeros([0, 3, 1, 1]))).toThrow(/^conv2d: the weight needs a filter/);
  });

  it('convolutions of no batch and of no channels are their bias, with gradients of 0', () => {
    for (const [shape, filters] of [
      [
        [0, 3, 4, 4],
        [2, 3, 3, 3],
      ],
      [
        [2, 0, 4, 4],
        [2, 0, 3, 3],
      ],
    ] as const) {
      const x = zeros(shape, { requiresGrad: true });
      const w = zeros(filters, { requiresGrad: true });
      const b = tensor([1, 2], { requiresGrad: true });
      const y = F.conv2d(x, w, b);
      expect(y.shape).toEqual([shape[0], 2, 2, 2]);
      y.sum().backward();
      expect(w.grad!.abs().sum().item()).toBe(0);
      expect(gradOf(b)).toEqual([shape[0] * 4, shape[0] * 4]);
      expect(y.detach().sum().item()).toBe(shape[0] * 12);
      if (shape[1] === 0) continue; // as in PyTorch
      const t = F.convTranspose2d(x, zeros([shape[1], 2, 3, 3], { requiresGrad: true }), b);
      t.sum().backward();
      expect(t.detach().sum().item()).toBe(shape[0] * 36 * 3);
    }
  });

  it('poolings of what holds nothing have a gradient', () => {
    const x = randn(1, 2, 3, 3, { requiresGrad: true });
    F.adaptiveAvgPool2d(x, [2 ** 32, 0])
      .sum()
      .backward();
    F.adaptiveMaxPool2d(x, [0, 4]).sum().backward();
    expect(gradOf(x)).toEqual(new Array(18).fill(0));
  });
});

describe('windows', () => {
  it('a window of maxPool without an element of the input has no place, and takes no gradient', () => {
    const x = randn(2, 4, 1, { requiresGrad: true });
    const [values, places] = F.maxPool1d(x, 3, null, 1, 2, true, true) as unknown as tf.Tensor[];
    expect(values!.view([-1]).tolist()).toEqual(new Array(8).fill(-Infinity));
    expect(places!.view([-1]).tolist()).toEqual(new Array(8).fill(-1));
    values!.sum().backward();
    expect(gradOf(x)).toEqual(new Array(8).fill(0));
    const [g] = tf.autograd.grad(F.maxPool1d(x, 3, null, 1, 2, true).sum(), x, { createGraph: true });
    expect(g!.sum().item()).toBe(0);
    for (const n of [1, 2, 3]) {
      const y = randn([1, 2, ...ones(n)], { requiresGrad: true });
      const pool = [F.maxPool1d, F.maxPool2d, F.maxPool3d][n - 1]! as typeof F.maxPool2d;
      (pool(y, 2, null, 1, 2) as tf.Tensor).sum().backward();
      expect(gradOf(y)).toEqual([0, 0]);
    }
  });

  it('are refused before they are walked where no memory holds them, or are cut to the input', () => {
    const x = randn(1, 1, 4, 4);
    const w = randn(1, 1, 2, 2);
    const memory = /^\w+: out of memory: with its padding/;
    expect(() => F.maxPool2d(x, 2 ** 52, { padding: 2 ** 51 })).toThrow(memory);
    expect(() => F.avgPool2d(x, 2 ** 52, { padding: 2 ** 51 })).toThrow(memory);
    expect(() => F.conv2d(x, w, { dilation: 2 ** 52, padding: 2 ** 51 })).toThrow(memory);
    expect(() => F.conv2d(x, w, { dilation: 2 ** 52, padding: 'same' })).toThrow(memory);
    expect(() => F.conv2d(x, w, { dilation: 2 ** 52 })).toThrow(/^conv2d: the kernel,/);
    expect(() => F.convTranspose2d(x, w, { dilation: 2 ** 52 })).toThrow(memory);
    expect(() => F.adaptiveAvgPool2d(x, 2 ** 40)).toThrow(/^adaptiveAvgPool2d: out of memory/);
    expect((F.maxPool2d(x, 4, 2 ** 52) as tf.Tensor).item()).toBe(x.max().item());
    expect(F.avgPool2d(x, 4, 2 ** 52).item()).toBeCloseTo(x.mean().item(), 6);
    expect(F.conv2d(x, w, { stride: 2 ** 52 }).shape).toEqual([1, 1, 1, 1]);
    const y = randn(1, 1, 1, 1, { requiresGrad: true });
    F.convTranspose2d(y, w, { stride: 2 ** 52 })
      .sum()
      .backward();
    expect(y.grad!.item()).toBeCloseTo(w.sum().item(), 5);
  });
});

describe('halves through buffers of another dtype', () => {
  // torch 2.15: torch.manual_seed(0); torch.poisson(torch.tensor([1., 20., 3.], dtype=torch.half))
  it.each(['float16', 'bfloat16', 'float32', 'float64'] as const)('poisson of %s', (dtype) => {
    tf.manualSeed(0);
    const counts = tf.poisson(tensor([1, 20, 3], { dtype }));
    expect(counts.dtype).toBe(dtype);
    expect(counts.tolist()).toEqual([2, 28, 2]);
    expect(() => tf.poisson(tensor([1], { dtype: 'int64' }))).toThrow(
      'poisson: rates must be floating-point, got int64',
    );
  });
});
