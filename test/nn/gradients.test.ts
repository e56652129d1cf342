/** First and second derivatives of the functions of nn.functional against finite differences, in float64. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';

const { autograd } = tf;
const F = tf.nn.functional;
type Fn = (...inputs: Tensor[]) => Tensor;

let seed = 0;
/** Numbers away from the corners at 0, ±0.5, ±1, ±3 and 6, where differences mean nothing. */
function smooth(...shape: number[]): Tensor {
  tf.manualSeed(++seed);
  const x = tf.randn(shape, { dtype: 'float64' }).mul(2);
  const near = [0, 0.5, 1, 3, 6].map((c) => x.abs().sub(c).abs().lt(0.05)).reduce((a, b) => a.logicalOr(b));
  return tf.where(near, x.add(0.11), x).detach().requiresGrad_();
}
function between(low: number, high: number, ...shape: number[]): Tensor {
  tf.manualSeed(++seed);
  return tf.rand(shape, { dtype: 'float64' }).mul(high - low).add(low).detach().requiresGrad_(); // prettier-ignore
}
const classes = (...list: number[]): Tensor => tf.tensor(list.map(BigInt));

const ACTIVATIONS: Record<string, Fn> = {
  relu: (x) => F.relu(x),
  relu6: (x) => F.relu6(x),
  leakyRelu: (x) => F.leakyRelu(x, 0.2),
  elu: (x) => F.elu(x, 1.3),
  celu: (x) => F.celu(x, 0.7),
  selu: (x) => F.selu(x),
  gelu: (x) => F.gelu(x),
  'gelu tanh': (x) => F.gelu(x, { approximate: 'tanh' }),
  silu: (x) => F.silu(x),
  mish: (x) => F.mish(x),
  softplus: (x) => F.softplus(x, 2, 5),
  softsign: F.softsign,
  logsigmoid: F.logsigmoid,
  sigmoid: F.sigmoid,
  tanh: F.tanh,
  tanhshrink: F.tanhshrink,
  hardtanh: (x) => F.hardtanh(x),
  hardsigmoid: (x) => F.hardsigmoid(x),
  hardswish: (x) => F.hardswish(x),
  hardshrink: (x) => F.hardshrink(x),
  softshrink: (x) => F.softshrink(x),
  threshold: (x) => F.threshold(x, 0.2, -3),
  glu: (x) => F.glu(x, 1),
  softmax: (x) => F.softmax(x, 1),
  'softmax of the first dim': (x) => F.softmax(x, 0),
  logSoftmax: (x) => F.logSoftmax(x, -1),
  softmin: (x) => F.softmin(x, 1),
  normalize: (x) => F.normalize(x),
  layerNorm: (x) => F.layerNorm(x, [4]),
  rmsNorm: (x) => F.rmsNorm(x, [4]),
  groupNorm: (x) => F.groupNorm(x, 2),
  localResponseNorm: (x) => F.localResponseNorm(x.unsqueeze(0), 2, 0.5),
};

const target = [0.3, 0.9, 0.1, 0.6, 0.2, 0.7, 0.4, 0.8, 0.5, 0.15, 0.35, 0.55];
const y = tf.tensor(target, { dtype: 'float64' }).reshape(3, 4);
const reductions = ['none', 'mean', 'sum'] as const;
const LOSSES: Record<string, (reduction: (typeof reductions)[number]) => [Fn, Tensor[]]> = {
  mseLoss: (reduction) => [(a, b) => F.mseLoss(a, b, { reduction }), [smooth(3, 4), smooth(3, 4)]],
  'mseLoss, broadcast': (reduction) => [(a, b) => F.mseLoss(a, b, { reduction }), [smooth(3, 4), smooth(4)]],
  l1Loss: (reduction) => [(a, b) => F.l1Loss(a, b, { reduction }), [smooth(3, 4), smooth(3, 4)]],
  smoothL1Loss: (reduction) => [(a, b) => F.smoothL1Loss(a, b, { reduction, beta: 0.7 }), [smooth(3, 4), smooth(3, 4)]],
  huberLoss: (reduction) => [(a, b) => F.huberLoss(a, b, { reduction, delta: 0.7 }), [smooth(3, 4), smooth(3, 4)]],
  binaryCrossEntropy: (reduction) => [
    (a, b) => F.binaryCrossEntropy(a, b, { reduction }),
    [between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4)],
  ],
  'binaryCrossEntropy, weighted': (reduction) => [
    (a) => F.binaryCrossEntropy(a, y, y, { reduction }),
    [between(0.1, 0.9, 3, 4)],
  ],
  binaryCrossEntropyWithLogits: (reduction) => [
    (a, b) => F.binaryCrossEntropyWithLogits(a, b, { reduction }),
    [smooth(3, 4), between(0.1, 0.9, 3, 4)],
  ],
  'binaryCrossEntropyWithLogits, weighted': (reduction) => [
    (a) => F.binaryCrossEntropyWithLogits(a, y, y, { reduction, posWeight: y.select(0, 0) }),
    [smooth(3, 4)],
  ],
  klDiv: (reduction) => [(a, b) => F.klDiv(a, b, { reduction }), [smooth(3, 4), between(0.1, 0.9, 3, 4)]],
  poissonNllLoss: (reduction) => [(a) => F.poissonNllLoss(a, y, { reduction, full: true }), [smooth(3, 4)]],
  gaussianNllLoss: (reduction) => [
    (a, b, v) => F.gaussianNllLoss(a, b, v, { reduction }),
    [smooth(3, 4), smooth(3, 4), between(0.5, 2, 3, 4)],
  ],
  softMarginLoss: (reduction) => [(a) => F.softMarginLoss(a, y.gt(0.4).double().mul(2).sub(1), { reduction }), [smooth(3, 4)]], // prettier-ignore
  cosineEmbeddingLoss: (reduction) => [
    (a, b) => F.cosineEmbeddingLoss(a, b, tf.tensor([1, -1, 1]), { reduction, margin: -1 }),
    [smooth(3, 4), smooth(3, 4)],
  ],
  marginRankingLoss: (reduction) => [
    (a, b) => F.marginRankingLoss(a, b, tf.tensor([1, -1, 1]), { reduction, margin: 0.3 }),
    [smooth(3), smooth(3)],
  ],
  tripletMarginLoss: (reduction) => [
    (a, p, n) => F.tripletMarginLoss(a, p, n, { reduction, margin: 5 }),
    [smooth(3, 4), smooth(3, 4), smooth(3, 4)],
  ],
  crossEntropy: (reduction) => [(a) => F.crossEntropy(a, classes(1, 3, 0), { reduction }), [smooth(3, 4)]],
  'crossEntropy, smoothed, one ignored': (reduction) => [
    (a) => F.crossEntropy(a, classes(1, 3, 0), { reduction, labelSmoothing: 0.2, ignoreIndex: 3 }),
    [smooth(3, 4)],
  ],
  'crossEntropy of images': (reduction) => [
    (a) => F.crossEntropy(a, classes(1, 0, 0, 2).reshape(2, 2), { reduction }),
    [smooth(2, 3, 2)],
  ],
  'crossEntropy of probabilities': (reduction) => [
    (a, b) => F.crossEntropy(a, b, { reduction }),
    [smooth(3, 4), smooth(3, 4)],
  ],
  'crossEntropy, weighted': (reduction) => [
    (a) => F.crossEntropy(a, classes(1, 3, 0), y.select(0, 0), { reduction, labelSmoothing: 0.1 }),
    [smooth(3, 4)],
  ],
  nllLoss: (reduction) => [(a) => F.nllLoss(a, classes(1, 3, 0), { reduction }), [smooth(3, 4)]],
  multiMarginLoss: (reduction) => [
    (a) => F.multiMarginLoss(a, classes(1, 3, 0), { reduction, margin: 3.3 }),
    [smooth(3, 4)],
  ],
  ctcLoss: (reduction) => [
    (a) => F.ctcLoss(a.logSoftmax(2), classes(1, 2, 2, 1).reshape(2, 2), [5, 4], [2, 1], { reduction }),
    [smooth(5, 2, 3)],
  ],
};

const weight = smooth(4).detach();
// More than a slice of what lies between the two products.
it('bilinear of many rows is that of each, and so are its gradients', () => {
  const [x, y, w] = [smooth(1100, 20), smooth(1100, 19), smooth(70, 20, 19)].map((t) => t.detach());
  const run = (f: Fn): Tensor[] => {
    const leaves = [x!, y!, w!].map((t) => t.detach().clone().requiresGrad_());
    const out = f(...leaves) as Tensor;
    out.backward(out.detach().cos());
    return [out.detach(), ...leaves.map((t) => t.grad!)];
  };
  const whole = run((a, b, c) => F.bilinear(a, b, c));
  const plain = run((a, b, c) => tf.einsum('ni,oij,nj->no', a, c, b));
  whole.forEach((t, i) => expect(tf.allclose(t, plain[i]!, { rtol: 1e-10, atol: 1e-9 })).toBe(true));
});

const WITH_PARAMETERS: Record<string, [Fn, Tensor[]]> = {
  linear: [(x, w, b) => F.linear(x, w, b), [smooth(3, 4), smooth(2, 4), smooth(2)]],
  'linear of three dims': [(x, w, b) => F.linear(x, w, b), [smooth(2, 3, 4), smooth(2, 4), smooth(2)]],
  'linear without bias': [(x, w) => F.linear(x, w), [smooth(3, 4), smooth(2, 4)]],
  bilinear: [(x, z, w, b) => F.bilinear(x, z, w, b), [smooth(3, 2), smooth(3, 4), smooth(2, 2, 4), smooth(2)]],
  prelu: [(x, w) => F.prelu(x, w), [smooth(3, 4), smooth(4)]],
  'prelu with one weight': [(x, w) => F.prelu(x, w), [smooth(3, 4), smooth(1)]],
  layerNorm: [(x, w, b) => F.layerNorm(x, [4], w, b), [smooth(3, 4), smooth(4), smooth(4)]],
  rmsNorm: [(x, w) => F.rmsNorm(x, [4], w, 0.1), [smooth(3, 4), smooth(4)]],
  groupNorm: [(x, w, b) => F.groupNorm(x, 2, w, b), [smooth(2, 4, 3), smooth(4), smooth(4)]],
  instanceNorm: [(x, w, b) => F.instanceNorm(x, { weight: w, bias: b }), [smooth(2, 3, 4), smooth(3), smooth(3)]],
  'batchNorm in training': [
    (x, w, b) => F.batchNorm(x, null, null, w, b, { training: true }),
    [smooth(3, 4, 2), smooth(4), smooth(4)],
  ],
  'batchNorm of rows': [
    (x, w, b) => F.batchNorm(x, null, null, w, b, { training: true }),
    [smooth(5, 9), smooth(9), smooth(9)],
  ],
  'batchNorm of long runs': [(x) => F.batchNorm(x, null, null, { training: true }), [smooth(2, 2, 19)]],
  'batchNorm in evaluation': [
    (x, w, b) => F.batchNorm(x, weight, weight.abs(), w, b),
    [smooth(3, 4), smooth(4), smooth(4)],
  ],
  cosineSimilarity: [(a, b) => F.cosineSimilarity(a, b), [smooth(3, 4), smooth(3, 4)]],
  pairwiseDistance: [(a, b) => F.pairwiseDistance(a, b), [smooth(3, 4), smooth(3, 4)]],
};

function check(fn: Fn, inputs: Tensor[]): void {
  expect(autograd.gradcheck(fn, inputs)).toBe(true);
  expect(autograd.gradgradcheck(fn, inputs)).toBe(true);
}

describe('activations and normalizations', () => {
  for (const [name, fn] of Object.entries(ACTIVATIONS)) it(name, () => check(fn, [smooth(3, 4)]));
});
describe('losses', () => {
  for (const [name, make] of Object.entries(LOSSES)) it(name, () => reductions.forEach((r) => check(...make(r))));
});
describe('functions with parameters', () => {
  for (const [name, [fn, inputs]] of Object.entries(WITH_PARAMETERS)) it(name, () => check(fn, inputs));
});

describe('batchNorm’s kernel', () => {
  // Whole vectors, tails, one row, sums longer than a block of 512.
  for (const shape of [
    [3, 1],
    [2, 8],
    [600, 5],
    [1, 3, 700],
    [4, 17, 1],
    [3, 2, 1, 1],
    [2, 3, 5, 7],
  ]) {
    it(`of [${shape}] is its formula`, () => {
      tf.manualSeed(3);
      const x = tf.randn(shape).add(100);
      const dims = shape.map((_, i) => i).filter((i) => i !== 1);
      const y = F.batchNorm(x, null, null, { training: true });
      const wide = x.double();
      const want = wide.sub(wide.mean(dims, true)).div(wide.var(dims, false, true).add(1e-5).sqrt()); // prettier-ignore
      expect(y.double().sub(want).abs().max().item()).toBeLessThan(5e-4);
    });
  }
});
