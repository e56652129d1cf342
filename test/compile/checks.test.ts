/** Checks of values are launches: functions with them can be compiled, and a replay refuses what the function refuses. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { compile, manualSeed, nn, noGrad, optim, rand, randint, randn, tensor, type Tensor } from '../../lib/index.js';

const F = nn.functional;
const classes = (n: number, of: number): Tensor => randint(0, of, [n]);

/** A function with good arguments, and bad ones that end with an error. */
interface Row {
  fn: (...args: Tensor[]) => Tensor;
  good: () => Tensor[];
  bad: () => Tensor[];
  kind: string;
  message: RegExp;
}
const ROWS: Record<string, Row> = {
  nllLoss: {
    fn: (x, y) => F.nllLoss(x, y),
    good: () => [randn(4, 3), tensor([0, -100, 2, 1], { dtype: 'int64' })],
    bad: () => [randn(4, 3), tensor([0, 1, 3, 9], { dtype: 'int64' })],
    kind: 'RangeError',
    message: /nllLoss: class 3 in row 2 is out of range for 3 classes \(0 to 2\)/,
  },
  'crossEntropy with weights': {
    fn: (x, y, w) => F.crossEntropy(x, y, w, { labelSmoothing: 0.1 }),
    good: () => [randn(4, 3), classes(4, 3), rand(3)],
    bad: () => [randn(4, 3), tensor([0, -1, 1, 1], { dtype: 'int64' }), rand(3)],
    kind: 'RangeError',
    message: /crossEntropy: class -1 in row 1 is out of range/,
  },
  multiMarginLoss: {
    fn: (x, y) => F.multiMarginLoss(x, y),
    good: () => [randn(4, 3), classes(4, 3)],
    bad: () => [randn(4, 3), tensor([0, 1, 1, 3], { dtype: 'int64' })],
    kind: 'RangeError',
    message: /multiMarginLoss: class 3 in row 3/,
  },
  binaryCrossEntropy: {
    fn: (x, y) => F.binaryCrossEntropy(x, y),
    good: () => [rand(1500), rand(1500)],
    bad: () => [rand(1500).add(0.5), rand(1500)],
    kind: 'TenfoldError',
    message: /input must hold probabilities between 0 and 1/,
  },
  'binaryCrossEntropy of bfloat16': {
    fn: (x, y) => F.binaryCrossEntropy(x, y),
    good: () => [rand(2).bfloat16(), rand(2).bfloat16()],
    bad: () => [tensor([0.5, -1]).bfloat16(), rand(2).bfloat16()],
    kind: 'TenfoldError',
    message: /input must hold probabilities between 0 and 1/,
  },
  gaussianNllLoss: {
    fn: (x, y, v) => F.gaussianNllLoss(x, y, v),
    good: () => [randn(2), randn(2), rand(2)],
    bad: () => [randn(2), randn(2), tensor([1, -1])],
    kind: 'TenfoldError',
    message: /gaussianNllLoss: var has negative elements/,
  },
  oneHot: {
    fn: (x) => F.oneHot(x, 4),
    good: () => [classes(2, 4)],
    bad: () => [tensor([1, 4], { dtype: 'int64' })],
    kind: 'RangeError',
    message: /oneHot: class 4 is out of range for 4 classes/,
  },
  'oneHot of what is negative': {
    fn: (x) => F.oneHot(x, 4),
    good: () => [classes(2, 4)],
    bad: () => [tensor([1, -2], { dtype: 'int64' })],
    kind: 'RangeError',
    message: /oneHot: classes must not be negative, got -2/,
  },
  quantile: {
    fn: (x, q) => x.quantile(q),
    good: () => [randn(9), rand(2)],
    bad: () => [randn(9), tensor([0.5, 1.5])],
    kind: 'RangeError',
    message: /quantile: q must lie in \[0, 1\], got 1.5/,
  },
  'the inverse of a matrix': {
    fn: (x) => tf.linalg.inv(x),
    good: () => [randn(2, 3, 3).add(tf.eye(3).mul(5))],
    bad: () => [tf.stack([tf.eye(3), tf.zeros(3, 3)])],
    kind: 'TenfoldError',
    message: /inv: matrix 1 .*singular: its pivot 1 is zero/,
  },
  cholesky: {
    fn: (x) => tf.linalg.cholesky(x),
    good: () => [tf.eye(3).mul(2)],
    bad: () => [tf.eye(3).neg()],
    kind: 'TenfoldError',
    message: /cholesky: the matrix is not positive definite: its leading minor of order 1/,
  },
  'embedding with a largest norm': {
    fn: (i, w) => F.embedding(i, w.clone(), { maxNorm: 0.5 }),
    good: () => [tensor([[0, 2], [2, 1]], { dtype: 'int64' }), randn(3, 4)], // prettier-ignore
    bad: () => [tensor([[0, 3], [2, 1]], { dtype: 'int64' }), randn(3, 4)], // prettier-ignore
    kind: 'RangeError',
    message: /3/,
  },
};

describe.each(Object.entries(ROWS))('%s', (_, { fn, good, bad, kind, message }) => {
  it('uncompiled refuses', () => {
    const error = caught(() => fn(...bad()));
    expect(error.constructor.name).toBe(kind);
    expect(error.message).toMatch(message);
  });
  it('compiled gives what it gives, refuses what it refuses, with the line, and goes on', () => {
    const compiled = compile(fn);
    noGrad(() => {
      for (let i = 0; i < 3; i++) {
        const args = good();
        expect(compiled(...args).tolist()).toEqual(fn(...args).tolist());
      }
      const error = caught(() => compiled(...bad()));
      expect(error.constructor.name).toBe(kind);
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/checks\.test\.ts:\d+/);
      const args = good();
      expect(compiled(...args).tolist()).toEqual(fn(...args).tolist());
    });
    expect(compiled.plans).toHaveLength(1);
    expect(compiled.plans[0]!.calls).toBeGreaterThan(2);
  });
});

function caught(fn: () => unknown): Error {
  try {
    fn();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

it('a check stands before what follows it: a step that is refused changes nothing', () => {
  manualSeed(0);
  const model = new nn.Sequential(new nn.Linear(3, 4), new nn.LogSoftmax(1));
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
  const step = compile((x: Tensor, y: Tensor) => {
    optimizer.zeroGrad();
    const loss = F.nllLoss(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss.detach();
  });
  const x = randn(2, 3);
  for (let i = 0; i < 3; i++) step(x, classes(2, 4));
  const before = model.parameters().map((p) => p.tolist());
  expect(() => step(x, tensor([0, 4], { dtype: 'int64' }))).toThrow(/nllLoss: class 4 in row 1/);
  expect(model.parameters().map((p) => p.tolist())).toEqual(before);
  expect(step.plans[0]!.calls).toBeGreaterThan(1);
});

it('clipping that refuses norms that are no numbers can be compiled', () => {
  const p = new nn.Parameter(tf.ones(2));
  const clip = compile((x: Tensor) => {
    p.grad = null;
    p.mul(x).sum().backward();
    return nn.utils.clipGradNorm_([p], 1, { errorIfNonfinite: true });
  });
  for (let i = 0; i < 3; i++) expect(clip(tensor([3, 4])).item()).toBe(5);
  expect(() => clip(tensor([3, Infinity]))).toThrow(/the gradients' norm is Infinity; nothing was changed/);
  expect(() => clip(tensor([3, NaN]))).toThrow(/the gradients' norm is NaN/);
});

describe('schedulers inside a step', () => {
  const SCHEDULES: Record<string, (o: optim.Optimizer) => { step(): void; getLastLr(): number[] }> = {
    StepLR: (o) => new optim.lrScheduler.StepLR(o, { stepSize: 2, gamma: 0.5 }),
    SequentialLR: (o) =>
      new optim.lrScheduler.SequentialLR(
        o,
        [new optim.lrScheduler.ConstantLR(o, { factor: 0.1, totalIters: 3 }), new optim.lrScheduler.ExponentialLR(o, { gamma: 0.5 })], // prettier-ignore
        [3],
      ),
    ChainedScheduler: (o) =>
      new optim.lrScheduler.ChainedScheduler([
        new optim.lrScheduler.ExponentialLR(o, { gamma: 0.9 }),
        new optim.lrScheduler.StepLR(o, { stepSize: 2 }),
      ]),
    CosineAnnealingWarmRestarts: (o) => new optim.lrScheduler.CosineAnnealingWarmRestarts(o, { T0: 3 }),
  };
  it.each(Object.entries(SCHEDULES))('%s is stepped by every call', (_, make) => {
    const train = (wrap: (f: (x: Tensor) => Tensor) => (x: Tensor) => Tensor): unknown => {
      manualSeed(0);
      const model = new nn.Linear(3, 1);
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.5, momentum: 0.9 });
      const schedule = make(optimizer);
      const step = wrap((x) => {
        optimizer.zeroGrad();
        const loss = model.forward(x).square().mean();
        loss.backward();
        optimizer.step();
        schedule.step();
        return loss.detach();
      });
      const seen = [];
      for (let i = 0; i < 8; i++) seen.push([step(randn(4, 3)).item(), ...schedule.getLastLr()]);
      return seen;
    };
    expect(train(compile)).toEqual(train((f) => f));
  });
  it('one that looks at a measured value is refused', () => {
    const optimizer = new optim.SGD([new nn.Parameter(tf.ones(1))], { lr: 1 });
    const schedule = new optim.lrScheduler.ReduceLROnPlateau(optimizer);
    const step = compile((x: Tensor) => {
      schedule.step(0.5);
      return x.add(1);
    });
    expect(() => step(tf.ones(1))).toThrow(
      /ReduceLROnPlateau.step: can't be compiled.*outside \(at .*checks\.test\.ts/,
    );
  });
});
