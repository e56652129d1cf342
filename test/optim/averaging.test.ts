/** Averaged models, SWALR, Muon and Lion: beside PyTorch 2.15 (scripts/record/averaging.py) and Lion's paper. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { nn, optim, type Tensor } from '../../lib/index.js';
import { readFixture } from '../operators/format.js';

type Numbers = number | Numbers[];
const recorded = readFixture<{
  rates: { strategy: 'cos' | 'linear'; epochs: number; lrs: number[][] }[];
  averages: { kind: string; state: Record<string, Numbers> }[];
  batchNorms: number[][];
  muon: { dtype: 'float32' | 'float64'; adjust: optim.AdjustLr; shape: number[]; steps: Numbers[] }[];
}>('averaging.json');
const { swaUtils } = optim;

/** The formula of scripts/record/optim.py. */
function fill(seed: number, shape: number[], dtype: tf.DType = 'float64'): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, (_, i) => ((seed * 7919 + i * 104729) % 2003) / 1001 - 1);
  return tf.tensor(values, { dtype }).reshape(shape);
}
const flat = (x: unknown): number[] => (Array.isArray(x) ? (x.flat(9) as number[]) : [x as number]);
const near = (got: unknown, want: unknown, bound = 1e-12): void => {
  const [a, b] = [flat(got), flat(want)];
  expect(a.length).toBe(b.length);
  a.forEach((x, i) => expect(Math.abs(x - b[i]!), `${x} instead of ${b[i]}`).toBeLessThanOrEqual(bound));
};

describe('AveragedModel', () => {
  const kinds: Record<string, optim.swaUtils.AveragedModelOptions> = {
    swa: {},
    ema: { multiAvgFn: swaUtils.getEmaMultiAvgFn(0.9) },
    emaOne: { avgFn: swaUtils.getEmaAvgFn(0.7) },
  };
  it.each(recorded.averages)('$kind: the parameters of PyTorch, under its names', ({ kind, state: want }) => {
    const model = new nn.Linear(2, 2).double();
    const averaged = new swaUtils.AveragedModel(model, kinds[kind]!);
    for (let i = 0; i < 4; i++) {
      tf.noGrad(() => {
        model.weight.copy_(fill(i + 1, [2, 2]));
        model.bias!.copy_(fill(i + 9, [2]));
      });
      averaged.updateParameters(model);
    }
    const state = averaged.stateDict();
    expect(Object.keys(state).sort()).toEqual(Object.keys(want).sort());
    for (const [key, value] of Object.entries(want)) near(state[key]!.tolist(), value);
  });
  it('single and list functions agree; integers are averaged too', () => {
    const a = tf.tensor(BigInt64Array.of(10n, 20n));
    swaUtils.getSwaMultiAvgFn()([a], [tf.tensor(BigInt64Array.of(20n, 20n))], 1);
    expect(a.tolist()).toEqual([15, 20]);
    const [x, y] = [fill(1, [3]), fill(2, [3])];
    const list = x.clone();
    swaUtils.getSwaMultiAvgFn()([list], [y], 4);
    near(swaUtils.getSwaAvgFn()(x, y, 4).tolist(), list.tolist());
  });
  it('useBuffers averages buffers, else they are the last ones', () => {
    for (const useBuffers of [false, true]) {
      const model = new nn.BatchNorm1d(2);
      const averaged = new swaUtils.AveragedModel(model, { useBuffers });
      for (const mean of [0, 4]) {
        model.runningMean!.fill_(mean);
        averaged.updateParameters(model);
      }
      expect(averaged.module.runningMean!.tolist()).toEqual(useBuffers ? [2, 2] : [4, 4]);
    }
  });
  it('computes as the model does, and refuses another model', () => {
    const model = new nn.Linear(3, 2);
    const averaged = new swaUtils.AveragedModel(model);
    averaged.updateParameters(model);
    const x = tf.ones(1, 3);
    expect(averaged.forward(x).equal(model.forward(x))).toBe(true);
    expect(() => averaged.updateParameters(new nn.Linear(3, 4))).toThrow(
      /AveragedModel.updateParameters: .* aren't those/,
    );
    expect(() => new swaUtils.AveragedModel(model, { avgFn: swaUtils.getSwaAvgFn(), multiAvgFn: swaUtils.getSwaMultiAvgFn() })).toThrow(/not both/); // prettier-ignore
    expect(() => swaUtils.getEmaAvgFn(1.5)).toThrow(/getEmaAvgFn: decay must be from 0 to 1, got 1.5/);
    expect(() => new swaUtils.AveragedModel(model, { ema: 1 } as never)).toThrow(/unknown option 'ema'/);
  });
});

it('updateBn: means over all batches', () => {
  const linear = new nn.Linear(2, 3);
  const norm = new nn.BatchNorm1d(3);
  const net = new nn.Sequential(linear, norm).double().eval();
  tf.noGrad(() => {
    linear.weight.copy_(fill(3, [3, 2]));
    linear.bias!.copy_(fill(4, [3]));
  });
  swaUtils.updateBn(
    [0, 1, 2].map((i) => [fill(i, [4, 2]), 'label']),
    net,
  );
  near([norm.runningMean!.tolist(), norm.runningVar!.tolist()], recorded.batchNorms);
  expect([norm.momentum, norm.training]).toEqual([0.1, false]);
});

describe('SWALR', () => {
  it.each(recorded.rates)('$strategy over $epochs epochs', ({ strategy, epochs, lrs }) => {
    const [p, q] = [tf.zeros(2, { requiresGrad: true }), tf.zeros(2, { requiresGrad: true })];
    const optimizer = new optim.SGD([{ params: [p] }, { params: [q], lr: 0.5 }], { lr: 0.1 });
    const schedule = new swaUtils.SWALR(optimizer, { swaLr: [0.05, 0.2], annealEpochs: epochs, annealStrategy: strategy }); // prettier-ignore
    for (const want of lrs) {
      near(optimizer.paramGroups.map((g) => g.lr), want); // prettier-ignore
      optimizer.step();
      schedule.step();
    }
  });
  it('refuses bad options', () => {
    const optimizer = new optim.SGD([tf.zeros(1, { requiresGrad: true })], { lr: 1 });
    expect(() => new swaUtils.SWALR(optimizer, { swaLr: -1 })).toThrow(/swaLr must be at least 0/);
    expect(() => new swaUtils.SWALR(optimizer, { swaLr: 1, annealStrategy: 'x' as never })).toThrow(/annealStrategy must be 'cos' or 'linear'/); // prettier-ignore
    expect(() => new swaUtils.SWALR(optimizer, { swaLr: 1, annealEpochs: 1.5 })).toThrow(
      /annealEpochs must be an integer/,
    );
  });
});

describe('Muon', () => {
  it.each(recorded.muon)('$dtype, $adjust, $shape', ({ dtype, adjust, shape, steps }) => {
    const p = fill(1, shape, dtype).requiresGrad_();
    const optimizer = new optim.Muon([p], { lr: 0.05, adjustLrFn: adjust, nesterov: adjust !== 'original' });
    steps.forEach((want, t) => {
      p.grad = fill(50 + t, shape, dtype);
      optimizer.step();
      // The iteration is in bfloat16, whose rounding it magnifies: in float64 its elements, of size ½, are up to 0.04 from PyTorch's.
      near(p.tolist(), want, 0.05 * (t + 1) * 0.08 * Math.max(1, Math.sqrt(shape[0]! / shape[1]!)));
    });
  });
  it('refuses what is no matrix, and goes on from its state dict', () => {
    expect(() => new optim.Muon([tf.zeros(3, { requiresGrad: true })])).toThrow(/Muon: parameters must be matrices, got one of shape \[3\]/); // prettier-ignore
    const p = fill(1, [3, 4]).requiresGrad_();
    const first = new optim.Muon([p]);
    p.grad = fill(2, [3, 4]);
    first.step();
    const second = new optim.Muon([p]);
    second.loadStateDict(first.stateDict());
    near((second.state.get(p)!.momentum_buffer as Tensor).tolist(), fill(2, [3, 4]).mul(0.05).tolist(), 1e-9);
    expect(() => new optim.Muon([p], { nsSteps: 100 })).toThrow(/nsSteps must be at least 0 and below 100/);
  });
});

it('Lion: algorithm 2 of its paper', () => {
  const p = fill(1, [4]).requiresGrad_();
  const optimizer = new optim.Lion([p], { lr: 0.1, betas: [0.8, 0.9], weightDecay: 0.5 });
  let [theta, m] = [flat(p.tolist()), [0, 0, 0, 0]];
  for (let t = 0; t < 3; t++) {
    const g = flat(fill(60 + t, [4]).tolist());
    p.grad = tf.tensor(g, { dtype: 'float64' });
    optimizer.step();
    theta = theta.map((x, i) => x - 0.1 * (Math.sign(0.8 * m[i]! + 0.2 * g[i]!) + 0.5 * x));
    m = m.map((x, i) => 0.9 * x + 0.1 * g[i]!);
    near(p.tolist(), theta);
  }
  expect(() => new optim.Lion([p], { betas: [1, 0.9] })).toThrow(/betas/);
});
