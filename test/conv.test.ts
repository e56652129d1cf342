/**
 * Convolution, pooling and image functions beyond PyTorch's samples: first and second derivatives by differences,
 * layouts, refusals.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import type { Tensor } from '../lib/index.js';

const F = tf.nn.functional;
type Fn = (...inputs: Tensor[]) => Tensor;

const leaf = (...shape: number[]): Tensor => tf.randn(shape, { dtype: 'float64', requiresGrad: true });
/** Distinct values, so that no maximum changes its place within a difference. */
function distinct(...shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Float64Array.from({ length: n }, (_, i) => ((i * 7919) % n) / n);
  return tf.tensor(values).reshape(shape).requiresGrad_();
}
/** Points between elements, where interpolation has a derivative. */
const grid = (...shape: number[]): Tensor =>
  tf
    .tensor(
      Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (((i * 31) % 97) / 97) * 2.2 - 1.1),
    )
    .reshape(shape)
    .requiresGrad_();

const differentiable: [string, Fn, Tensor[]][] = [
  [
    'conv1d',
    (x, w, b) => F.conv1d(x!, w!, b!, { stride: 2, padding: 1, dilation: 2 }),
    [leaf(2, 3, 9), leaf(4, 3, 2), leaf(4)],
  ],
  [
    'conv2d',
    (x, w, b) => F.conv2d(x!, w!, b!, { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2 }),
    [leaf(2, 4, 5, 4), leaf(4, 2, 3, 2), leaf(4)],
  ],
  ["conv2d 'same'", (x, w) => F.conv2d(x!, w!, { padding: 'same' }), [leaf(3, 4, 5), leaf(2, 3, 2, 4)]],
  ['conv2d by channels', (x, w) => F.conv2d(x!, w!, { padding: 1, groups: 4 }), [leaf(2, 4, 4, 5), leaf(4, 1, 3, 3)]],
  ['conv3d', (x, w) => F.conv3d(x!, w!, { stride: [1, 2, 1] }), [leaf(1, 2, 3, 3, 4), leaf(2, 2, 2, 2, 3)]],
  [
    'convTranspose2d',
    (x, w, b) => F.convTranspose2d(x!, w!, b!, { stride: 2, padding: 1, outputPadding: [1, 0], groups: 2 }),
    [leaf(2, 4, 3, 2), leaf(4, 2, 3, 2), leaf(4)],
  ],
  ['maxPool1d', (x) => F.maxPool1d(x!, 3, { stride: 2, padding: 1 }), [distinct(2, 2, 9)]],
  ['maxPool2d', (x) => F.maxPool2d(x!, 2), [distinct(2, 2, 5, 6)]],
  [
    'maxPool2d overlapping',
    (x) => F.maxPool2d(x!, 3, { stride: 1, dilation: [2, 1], ceilMode: true }),
    [distinct(1, 2, 6, 5)],
  ],
  ['maxPool3d', (x) => F.maxPool3d(x!, 2, { stride: 1 }), [distinct(1, 1, 3, 3, 4)]],
  [
    'avgPool2d',
    (x) => F.avgPool2d(x!, 3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false }),
    [leaf(2, 2, 6, 5)],
  ],
  ['avgPool3d', (x) => F.avgPool3d(x!, 2, { stride: 1, divisorOverride: 3 }), [leaf(1, 2, 3, 3, 3)]],
  ['adaptiveAvgPool2d', (x) => F.adaptiveAvgPool2d(x!, [3, null]), [leaf(2, 2, 5, 4)]],
  ['adaptiveMaxPool2d', (x) => F.adaptiveMaxPool2d(x!, 3) as Tensor, [distinct(2, 2, 5, 7)]],
  ['lpPool2d', (x) => F.lpPool2d(x!.abs().add(1), 3, 2), [leaf(1, 2, 4, 4)]],
  ['interpolate bilinear', (x) => F.interpolate(x!, { size: [7, 3], mode: 'bilinear' }), [leaf(2, 2, 4, 5)]],
  [
    'interpolate bicubic',
    (x) => F.interpolate(x!, { scaleFactor: 1.6, mode: 'bicubic', alignCorners: true }),
    [leaf(1, 2, 4, 4)],
  ],
  ['interpolate nearest', (x) => F.interpolate(x!, { scaleFactor: 0.7 }), [leaf(1, 2, 5, 4)]],
  ['pad constant', (x) => F.pad(x!, [1, -1, -1, 2], 'constant', 3), [leaf(2, 3, 4)]],
  ['pad reflect', (x) => F.pad(x!, [2, 1, 1, 0], 'reflect'), [leaf(2, 3, 4)]],
  ['pad circular', (x) => F.pad(x!, [2, 1, -1, 1], 'circular'), [leaf(1, 2, 3, 4)]],
  ['unfold', (x) => F.unfold(x!, [2, 3], { dilation: [2, 1], padding: 1, stride: [1, 2] }), [leaf(2, 2, 4, 5)]],
  ['fold', (x) => F.fold(x!, [4, 5], [2, 2], { stride: [2, 1] }), [leaf(1, 8, 8)]],
  ['gridSample', (x, g) => F.gridSample(x!, g!), [leaf(2, 2, 4, 5), grid(2, 3, 2, 2)]],
  ['gridSample bicubic', (x, g) => F.gridSample(x!, g!, 'bicubic', 'reflection'), [leaf(1, 2, 4, 5), grid(1, 3, 2, 2)]],
  [
    'gridSample of volumes',
    (x, g) => F.gridSample(x!, g!, 'bilinear', 'border', true),
    [leaf(1, 2, 3, 4, 3), grid(1, 2, 2, 2, 3)],
  ],
  ['affineGrid', (t) => F.affineGrid(t!, [2, 1, 3, 4]), [leaf(2, 2, 3)]],
  ['pixelShuffle', (x) => F.pixelUnshuffle(F.pixelShuffle(x!, 2).square(), 2), [leaf(1, 8, 2, 3)]],
];

describe('derivatives by differences', () => {
  for (const [name, fn, inputs] of differentiable) {
    it(`${name}: first`, () => expect(tf.autograd.gradcheck(fn, inputs)).toBe(true));
    it(`${name}: second`, () => expect(tf.autograd.gradgradcheck(fn, inputs)).toBe(true));
  }
});

describe('layouts', () => {
  const close = (a: Tensor, b: Tensor): boolean => Number(a.sub(b).abs().amax().item()) <= 1e-5;

  it('transposed, sliced and expanded operands give what their copies give', () => {
    const x = tf.randn([6, 7, 2, 4]).permute([2, 3, 0, 1]);
    const w = tf.randn([3, 3, 5, 4]).transpose(0, 2).transpose(1, 3);
    expect(close(F.conv2d(x, w), F.conv2d(x.contiguous(), w.contiguous()))).toBe(true);
    expect(close(F.maxPool2d(x, 2), F.maxPool2d(x.contiguous(), 2))).toBe(true);
    expect(close(F.avgPool2d(x, 2), F.avgPool2d(x.contiguous(), 2))).toBe(true);
    const row = tf.randn([1, 1, 1, 4]).expand([2, 4, 3, 4]);
    expect(close(F.conv2d(row, tf.ones([2, 4, 2, 2])), F.conv2d(row.contiguous(), tf.ones([2, 4, 2, 2])))).toBe(true);
  });

  it('an empty batch gives an empty result and zero gradients', () => {
    const w = tf.randn([3, 2, 3, 3], { requiresGrad: true });
    const y = F.conv2d(tf.zeros([0, 2, 5, 5]), w);
    expect(y.shape).toEqual([0, 3, 3, 3]);
    y.sum().backward();
    expect(w.grad!.abs().sum().item()).toBe(0);
    expect(F.maxPool2d(tf.zeros([0, 2, 4, 4]), 2).shape).toEqual([0, 2, 2, 2]);
  });

  it('the gradient of the weight does not depend on the number of threads', () => {
    const x = tf.randn([40, 3, 9, 9]);
    const w = tf.randn([8, 3, 3, 3], { requiresGrad: true });
    const run = (threads: number): Float32Array => {
      tf.setNumThreads(threads);
      return tf.autograd.grad(F.conv2d(x, w, { padding: 1 }).square().sum(), [w])[0]!.toTypedArray() as Float32Array;
    };
    const before = tf.getNumThreads();
    const [one, three] = [run(1), run(3)];
    tf.setNumThreads(before);
    expect(three).toEqual(one);
  });
});

describe('maxima', () => {
  it('NaN wins, and of equal elements the first', () => {
    const x = tf.tensor([
      [
        [
          [1, NaN, 3, 3],
          [2, 0, 3, 3],
        ],
      ],
    ]);
    const [values, indices] = F.maxPool2d(x, 2, { returnIndices: true }) as unknown as [Tensor, Tensor];
    expect(values.tolist()).toEqual([[[[NaN, 3]]]]);
    expect(indices.dtype).toBe('int64');
    expect(indices.tolist()).toEqual([[[[1, 2]]]]);
  });

  it('maxUnpool2d puts them back, and refuses indices that are not in the plane', () => {
    const x = tf.arange(16).to('float32').reshape([1, 1, 4, 4]);
    const [values, indices] = F.maxPool2d(x, 2, { returnIndices: true }) as unknown as [Tensor, Tensor];
    expect(F.maxUnpool2d(values, indices, 2).reshape(16).tolist()).toEqual([
      0, 0, 0, 0, 0, 5, 0, 7, 0, 0, 0, 0, 0, 13, 0, 15,
    ]);
    expect(() => F.maxUnpool2d(values, indices.add(1), 2)).toThrow(/index 16 is out of range/);
  });
});

describe('refusals', () => {
  const image = tf.zeros([2, 4, 5, 5]);
  const cases: [string, () => unknown, RegExp][] = [
    [
      'channels',
      () => F.conv2d(image, tf.zeros([3, 2, 3, 3])),
      /conv2d: a weight of shape \[3, 2, 3, 3\] with 1 group needs 2 input channels, got 4/,
    ],
    [
      'groups',
      () => F.conv2d(image, tf.zeros([3, 2, 3, 3]), { groups: 2 }),
      /conv2d: 3 output channels can't be cut in 2 groups/,
    ],
    [
      'dims',
      () => F.conv2d(tf.zeros([4, 5]), tf.zeros([3, 4, 3, 3])),
      /conv2d: expected \[batch, channels, height, width\]/,
    ],
    [
      'kernel',
      () => F.conv2d(image, tf.zeros([3, 4, 6, 3])),
      /conv2d: the kernel, 6 x 3 with its dilation, is larger than the padded input, 5 x 5/,
    ],
    ['bias', () => F.conv2d(image, tf.zeros([3, 4, 3, 3]), tf.zeros([4])), /conv2d: 'bias' must have shape \[3\]/],
    [
      'dtype',
      () => F.conv2d(image, tf.zeros([3, 4, 3, 3], { dtype: 'float64' })),
      /conv2d: input, weight and bias must have one dtype, got float32 and weight float64/,
    ],
    [
      "'same'",
      () => F.conv2d(image, tf.zeros([3, 4, 3, 3]), { stride: 2, padding: 'same' }),
      /conv2d: padding 'same' is only for stride 1/,
    ],
    [
      'word',
      () => F.conv2d(image, tf.zeros([3, 4, 3, 3]), { padding: 'full' as never }),
      /conv2d: padding must be 'same', 'valid' or numbers, got 'full'/,
    ],
    [
      'outputPadding',
      () => F.convTranspose2d(image, tf.zeros([4, 4, 3, 3]), { outputPadding: 1 }),
      /convTranspose2d: 'outputPadding' must be smaller/,
    ],
    [
      'pool padding',
      () => F.maxPool2d(image, 2, { padding: 2 }),
      /maxPool2d: 'padding' may be at most half of the kernel/,
    ],
    ['pool kernel', () => F.avgPool2d(image, 6), /avgPool2d: a kernel of 6 x 6 doesn't fit/],
    ['divisor', () => F.avgPool2d(image, 2, { divisorOverride: 0 }), /avgPool2d: 'divisorOverride' must not be 0/],
    [
      'interpolate both',
      () => F.interpolate(image, { size: 3, scaleFactor: 2 }),
      /interpolate: give either size or scaleFactor, got both/,
    ],
    [
      'antialias',
      () => F.interpolate(image, { size: 3, mode: 'area', antialias: true }),
      /interpolate: antialias is only for bilinear and bicubic, got mode 'area'/,
    ],
    [
      'mode',
      () => F.interpolate(image, { size: 3, mode: 'linear' }),
      /interpolate: mode 'linear' is for inputs of 3 dims/,
    ],
    [
      'reflect',
      () => F.pad(image, [5, 0], 'reflect'),
      /pad: mode 'reflect' pads the last 1, 2 or 3 dims|pad: mode 'reflect' can add less/,
    ],
    ['pixelShuffle', () => F.pixelShuffle(image, 3), /pixelShuffle: 4 channels are no multiple of upscaleFactor² = 9/],
    ['fold', () => F.fold(tf.zeros([1, 8, 7]), [4, 5], [2, 2]), /fold: an image of 4 x 5 with kernel 2 x 2/],
    ['gridSample', () => F.gridSample(image, tf.zeros([2, 3, 3, 3])), /gridSample: expected/],
  ];
  for (const [name, call, message] of cases) it(name, () => expect(call).toThrow(message));
});
