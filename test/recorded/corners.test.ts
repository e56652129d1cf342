/**
 * Corners of operators that PyTorch's own samples leave out, found by running random calls in both: layouts, dtypes,
 * bounds, empty sizes. Results are what PyTorch 1.13 prints for the same call.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { slice, tensor, type Tensor } from '../../lib/index.js';

const F = tf.nn.functional;
const ints = (...values: number[]): Tensor => tensor(values, { dtype: 'int64' });
const seeded = (seed: number, call: () => Tensor): Tensor => {
  tf.manualSeed(seed);
  return call();
};
/** Memory of three rows of two, seen as two rows of three. */
const transposed = (): Tensor => tf.zeros(3, 2).t();
const gradOf = (x: Tensor, call: (x: Tensor) => Tensor, cotangent?: Tensor): Tensor => {
  const leaf = x.detach().requiresGrad_();
  call(leaf).backward(cotangent);
  return leaf.grad!;
};

type Row = [name: string, call: () => Tensor, printed: string];

const ARITHMETIC: Row[] = [
  ['norm of nothing, p infinite', () => tf.zeros(0, 2).norm(Infinity), 'tensor(0.)'],
  ['norm of nothing along a dim, p infinite', () => tf.zeros(0, 2).norm(Infinity, 0), 'tensor([0., 0.])'],
  ['uint8 compared with -1, which is 255', () => ints(3, 6).byte().lt(-1), 'tensor([true, true])'],
  ['uint8 % -1', () => ints(3, 6).byte().remainder(-1), 'tensor([3, 6], dtype=uint8)'],
  ['int8 compared with 300, which is 44', () => ints(1, 50).to('int8').lt(300), 'tensor([ true, false])'],
  [
    'maximum of uint8 and an int16 of no dim',
    () => ints(7, 6).byte().maximum(tensor(-4n).short()),
    'tensor([252, 252], dtype=uint8)',
  ],
  [
    'logaddexp at infinity: gradient',
    () => gradOf(tensor([Infinity, 1]), (x) => x.logaddexp(tensor([2, Infinity])).sum()),
    'tensor([1., 0.])',
  ],
  [
    'cdist by a product, a distance of 0: gradient',
    () => gradOf(tf.eye(2, 3), (x) => tf.cdist(x, tf.eye(2, 3), 2, 'use_mm_for_euclid_dist').mul(2).sum()),
    'tensor([[ 1.4142, -1.4142,  0.0000],\n        [-1.4142,  1.4142,  0.0000]])',
  ],
  [
    'cdist by differences, a distance of 0: gradient',
    () => gradOf(tf.eye(2, 3), (x) => tf.cdist(x, tf.eye(2, 3), 2).mul(2).sum()),
    'tensor([[ 1.4142, -1.4142,  0.0000],\n        [-1.4142,  1.4142,  0.0000]])',
  ],
  ['gt_ of floats', () => tensor([2, 0.5]).gt_(tensor([1, 1])), 'tensor([1., 0.])'],
  [
    'le_ of float64',
    () => tensor([2, 0.5], { dtype: 'float64' }).le_(tensor([1, 1], { dtype: 'float64' })),
    'tensor([0., 1.], dtype=float64)',
  ],
  ['eq_ of int32', () => ints(2, 3).int().eq_(ints(2, 1).int()), 'tensor([1, 0], dtype=int32)'],
  ['logicalNot_ of int64', () => ints(2, 0, 3).logicalNot_(), 'tensor([0, 1, 0])'],
  ['logicalOr_ of floats', () => tensor([0, 0, 3]).logicalOr_(tensor([0, 2, 0])), 'tensor([0., 1., 1.])'],
  ['sub: alpha · a fraction is whole', () => ints(1, 2).int().sub(1.5, { alpha: 2 }), 'tensor([-2., -1.])'],
  [
    'sub: alpha · int64 in float32',
    () => tensor([0, 1]).sub(tensor(2n ** 62n), { alpha: 4 }),
    'tensor([-1.8447e+19, -1.8447e+19])',
  ],
  [
    'add of bools stays bool, whatever alpha',
    () => ints(0, 1).bool().add(ints(1, 0).bool(), { alpha: 2 }),
    'tensor([true, true])',
  ],
  ['clamp: max wins over min', () => tensor([-1, 0.5, 3]).clamp(1, 0), 'tensor([0., 0., 0.])'],
  ['clamp: max wins, integers', () => ints(-1, 3).clamp(2, 1), 'tensor([1, 1])'],
  ['clamp: one bound is a fraction', () => ints(-1, 3).clamp(0, 1.5), 'tensor([0.0000, 1.5000])'],
  ['clamp: the other one is', () => ints(-1, 3).clamp(0.5, 2), 'tensor([0.5000, 2.0000])'],
  ['clamp to NaN', () => ints(1, 2).clamp(NaN, 3), 'tensor([nan, nan])'],
  [
    'maskedFill of bools with a fraction',
    () => ints(0, 0).bool().maskedFill(ints(1, 0).bool(), 0.5),
    'tensor([ true, false])',
  ],
  [
    'maskedFill of bools with a tensor that is a fraction',
    () => ints(0, 0).bool().maskedFill(ints(1, 0).bool(), tensor(-0.5)),
    'tensor([ true, false])',
  ],
  ['cumsum in int8', () => ints(100, 200, 300).cumsum(0, { dtype: 'int8' }), 'tensor([100,  44,  88], dtype=int8)'],
  ['cumprod in uint8', () => ints(100, 200, 3).cumprod(0, { dtype: 'uint8' }), 'tensor([100,  32,  96], dtype=uint8)'],
  ['floatPower of a number', () => tf.floatPower(2, tensor([1, -1])), 'tensor([2.0000, 0.5000], dtype=float64)'],
  [
    'cumsum_ of uint8 stays uint8',
    () => ints(100, 100, 100).to('uint8').cumsum_(0),
    'tensor([100, 200,  44], dtype=uint8)',
  ],
  ['cumprod_ of int32 stays int32', () => ints(1, 2, 3).int().cumprod_(0), 'tensor([1, 2, 6], dtype=int32)'],
  ['floatPower_ of float64', () => tensor([3], { dtype: 'float64' }).floatPower_(2), 'tensor([9.], dtype=float64)'],
  ['bincount of nothing', () => ints().bincount({ weights: tensor([]), minlength: 2 }), 'tensor([0, 0])'],
  [
    'tensordot broadcasts a contracted dim',
    () => tf.tensordot(tf.arange(4).float().view(2, 2), tensor([[1, 10]]), [[1], [0]]),
    'tensor([[ 1., 10.],\n        [ 5., 50.]])',
  ],
  ['bucketize a fraction between integers', () => tf.bucketize(1.5, ints(1, 3, 4)), 'tensor(1)'],
  ['searchsorted ∞ among integers', () => tf.searchsorted(ints(-3, 2, 4).short(), Infinity), 'tensor(3)'],
  ['linspace of integers', () => tf.linspace(7.3, 0.5, 5, { dtype: 'int64' }), 'tensor([7, 5, 3, 1, 0])'],
  ['linspace of one', () => tf.linspace(1, 7, 1, { dtype: 'int64' }), 'tensor([1])'],
];

const PLACES: Row[] = [
  [
    'indexAdd of integers cuts off the fraction of alpha',
    () => ints(0, 0, 0).indexAdd(0, ints(0, 2), ints(1, 2), { alpha: 1.5 }),
    'tensor([1, 0, 2])',
  ],
  [
    'indexAdd_ of bools takes any alpha but 0 for 1',
    () => ints(0, 0, 0).bool().indexAdd_(0, ints(0, 2), ints(1, 0).bool(), { alpha: 0.5 }),
    'tensor([ true, false, false])',
  ],
  ['repeatInterleave of repeats alone', () => tf.repeatInterleave(ints(1, 0, 3)), 'tensor([0, 2, 2, 2])'],
  [
    '… of int32',
    () => tf.repeatInterleave(ints(1, 0, 3).int(), { outputSize: 4 }),
    'tensor([0, 2, 2, 2], dtype=int32)',
  ],
  [
    'chainMatmul of matrices one by one',
    () => tf.chainMatmul(tensor([[1, 2]]), tensor([[3], [4]]), tensor([[5, 6]])),
    'tensor([[55., 66.]])',
  ],
  ['movedim of a 0-dim tensor', () => tensor(3).movedim(0, -1), 'tensor(3.)'],
  ['indexFill from the end', () => tf.zeros(3).indexFill(0, ints(-1, 0), 5), 'tensor([5., 0., 5.])'],
  ['indexFill of a 0-dim tensor', () => tensor(1).indexFill(0, ints(0, 0), 5), 'tensor(5.)'],
  [
    'indexFill_ of a 0-dim tensor',
    () => {
      const x = tensor([1, 2]);
      x.at(1).indexFill_(0, ints(0, 0), 5);
      return x;
    },
    'tensor([1., 5.])',
  ],
  [
    "gradient of indexFill's value where an index is given twice",
    () => gradOf(tensor(2), (v) => tf.zeros(3).indexFill(0, ints(1, 1), v), tensor([1, 2, 4])),
    'tensor(2.)',
  ],
  [
    'indexPut_ into a slice casts',
    () => ints(0, 0, 0).indexPut_([slice(1)], tensor([1.9, -2.9])),
    'tensor([ 0,  1, -2])',
  ],
  [
    'indexPut_ of nothing',
    () => tf.zeros(1, 2).indexPut_([ints(0, 0), slice(0, 0)], tf.ones(2, 0)),
    'tensor([[0., 0.]])',
  ],
  [
    'gradient of asStrided of a transposed tensor',
    () => gradOf(tf.zeros(2, 3).t(), (x) => x.asStrided([2, 2], [3, 1], 1), tensor([[1, 2], [3, 4]])), // prettier-ignore
    'tensor([[0., 0.],\n        [1., 3.],\n        [2., 4.]])',
  ],
  [
    'gradient of asStrided of an expanded tensor',
    () => gradOf(tensor([1, 2]).expand(2, 2), (x) => x.asStrided([2], [1], 0), tensor([4, 8])),
    'tensor([[2., 4.],\n        [2., 4.]])',
  ],
];

/** ctcLoss of a word that is longer than its two steps, and of one that has room. */
const misfit = (options: object): ((x: Tensor) => Tensor) => {
  return (x) => F.ctcLoss(x, ints(1, 2, 1, 1, 2, 0).view(2, 3), [2, 3], [3, 2], { reduction: 'sum', ...options });
};
const even = (): Tensor => tf.zeros(3, 2, 3).logSoftmax(2);
/** dtype and values of a loss, and the dtypes of its gradients. */
const mixed = (name: 'huberLoss' | 'smoothL1Loss' | 'mseLoss' | 'l1Loss', from: tf.DType, to: tf.DType): string => {
  const x = tensor([0.5, 3], { dtype: from }).requiresGrad_();
  const y = tensor([1.25, 0], { dtype: to }).requiresGrad_();
  const loss = F[name](x, y, { reduction: 'none' });
  loss.sum().backward();
  return `${String(loss.detach())} ${x.grad!.dtype} ${y.grad!.dtype}`;
};

const NETWORKS: Row[] = [
  [
    'embedding: sparse says nothing where there is no gradient',
    () => F.embedding(ints(1, 0), tensor([[1, 2], [3, 4]]), { sparse: true }), // prettier-ignore
    'tensor([[3., 4.],\n        [1., 2.]])',
  ],
  ['ctcLoss of a word that does not fit', () => misfit({})(even()), 'tensor(inf)'],
  [
    'its gradient: NaN for the steps of that word alone',
    () => gradOf(even(), misfit({})).select(2, 1),
    'tensor([[    nan, -0.4667],\n        [    nan, -0.0667],\n        [ 0.0000,  0.3333]])',
  ],
  [
    'its gradient with zeroInfinity',
    () => gradOf(even(), misfit({ zeroInfinity: true })).select(2, 1),
    'tensor([[ 0.0000, -0.4667],\n        [ 0.0000, -0.0667],\n        [ 0.0000,  0.3333]])',
  ],
  [
    'gradient of nllLoss where all is ignored',
    () => gradOf(tf.ones(2, 2), (x) => F.nllLoss(x, ints(1, 1), { ignoreIndex: 1 })),
    'tensor([[0., 0.],\n        [0., 0.]])',
  ],
  [
    'linear without features',
    () => F.linear(tf.zeros(2, 1, 0), tf.zeros(3, 0), tensor([1, 2, 3])),
    'tensor([[[1., 2., 3.]],\n\n        [[1., 2., 3.]]])',
  ],
  [
    'interpolate: a dim that keeps its size is copied',
    () => F.interpolate(tf.arange(6).float().reshape(1, 1, 2, 3), { scaleFactor: [1.3, 2], mode: 'bilinear' }),
    'tensor([[[[0.0000, 0.2500, 0.7500, 1.2500, 1.7500, 2.0000],\n          [3.0000, 3.2500, 3.7500, 4.2500, 4.7500, 5.0000]]]])',
  ],
];

/** Losses of two dtypes. (PyTorch 1.13 gives mseLoss and huberLoss no gradient there; ours has each input's dtype.) */
const MIXED: [...Parameters<typeof mixed>, printed: string][] = [
  ['huberLoss', 'float32', 'float64', 'tensor([0.2812, 2.5000]) float32 float64'],
  ['huberLoss', 'float64', 'float32', 'tensor([0.2812, 2.5000], dtype=float64) float64 float32'],
  ['huberLoss', 'float16', 'float32', 'tensor([0.2812, 2.5000], dtype=float16) float16 float32'],
  ['smoothL1Loss', 'float32', 'float64', 'tensor([0.2812, 2.5000], dtype=float64) float32 float64'],
  ['mseLoss', 'float32', 'float64', 'tensor([0.5625, 9.0000], dtype=float64) float32 float64'],
  ['l1Loss', 'bfloat16', 'float64', 'tensor([0.7500, 3.0000], dtype=float64) bfloat16 float64'],
];

const RANDOM: Row[] = [
  [
    'rand of float16',
    () => seeded(7, () => tf.rand(4, { dtype: 'float16' })),
    'tensor([0.0854, 0.5957, 0.2622, 0.2451], dtype=float16)',
  ],
  [
    'rand of bfloat16',
    () => seeded(7, () => tf.rand(4, { dtype: 'bfloat16' })),
    'tensor([0.6836, 0.7656, 0.0977, 0.9609], dtype=bfloat16)',
  ],
  [
    'randn of float16, from 16 elements on',
    () => seeded(7, () => tf.randn(18, { dtype: 'float16' })),
    'tensor([-0.2031, -1.1348, -1.2861, -2.4121,  0.8887, -1.5752,  1.7549, -0.1348,\n' +
      '        -1.0986,  0.9189, -0.3003,  1.7080,  0.8569, -0.0292, -1.5654, -0.6367,\n' +
      '        -0.1500, -1.3887], dtype=float16)',
  ],
  [
    'randn of bfloat16, from 16 elements on',
    () => seeded(7, () => tf.randn(18, { dtype: 'bfloat16' })),
    'tensor([-0.9727, -0.3066, -0.3926,  0.4668,  0.7773,  1.5078,  1.0469, -0.1074,\n' +
      '         0.7070,  0.0000,  1.3984,  2.0938, -0.1235,  0.2236,  0.5273, -1.2188,\n' +
      '         1.3203,  0.0000], dtype=bfloat16)',
  ],
  [
    'uniform_ of a transposed tensor',
    () => seeded(3, () => transposed().uniform_()),
    'tensor([[0.0043, 0.2858, 0.4716],\n        [0.1056, 0.0270, 0.0601]])',
  ],
  [
    'exponential_ of a transposed tensor',
    () => seeded(3, () => transposed().exponential_()),
    'tensor([[0.0347, 1.4824, 1.4080],\n        [0.3379, 0.1923, 0.9371]])',
  ],
  [
    'bernoulli_ of a transposed tensor',
    () => seeded(3, () => transposed().bernoulli_(0.5)),
    'tensor([[1., 0., 0.],\n        [1., 1., 0.]])',
  ],
  [
    'random_ of a transposed tensor',
    () => seeded(3, () => transposed().random_(100)),
    'tensor([[86., 37., 60.],\n        [48., 67., 80.]])',
  ],
  [
    'randLike of a transposed tensor',
    () => seeded(3, () => tf.randLike(transposed())),
    'tensor([[0.0043, 0.2858, 0.4716],\n        [0.1056, 0.0270, 0.0601]])',
  ],
  [
    'randintLike of a transposed tensor',
    () => seeded(3, () => tf.randintLike(transposed(), 100)),
    'tensor([[86., 37., 60.],\n        [48., 67., 80.]])',
  ],
  [
    'multinomial of transposed weights',
    () => seeded(3, () => tf.arange(1, 21).float().view(4, 5).t().multinomial(2)),
    'tensor([[3, 2],\n        [3, 1],\n        [3, 2],\n        [2, 0],\n        [3, 1]])',
  ],
  [
    'multinomial of some columns of them',
    () => seeded(3, () => tf.arange(1, 1001).float().view(50, 20).t().narrow(0, 0, 2).multinomial(4)),
    'tensor([[16, 39, 31, 33],\n        [42, 39, 31, 15]])',
  ],
  [
    'multinomial of transposed weights, with replacement',
    () => seeded(3, () => tf.arange(1, 21).float().view(4, 5).t().multinomial(2, true)),
    'tensor([[1, 2],\n        [3, 1],\n        [3, 3],\n        [1, 2],\n        [2, 3]])',
  ],
  [
    'randint beyond 2^53',
    () => seeded(3, () => tf.randint(-(2n ** 62n), 2n ** 62n, [2])),
    'tensor([-3674630076619880808,  -772036409551296893])',
  ],
];

describe('corners, as PyTorch prints them', () => {
  describe.each([
    ['arithmetic', ARITHMETIC],
    ['places', PLACES],
    ['networks', NETWORKS],
    ['random numbers', RANDOM],
  ])('%s', (_, rows) => {
    it.each(rows)('%s', (_name, call, printed) => {
      expect(String(call().detach())).toBe(printed);
    });
  });
  it.each(MIXED)('%s of %s and %s', (name, from, to, printed) => {
    expect(mixed(name, from, to)).toBe(printed);
  });
});
