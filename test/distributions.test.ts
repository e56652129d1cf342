/** Distributions against PyTorch: samples for a seed, densities, moments, divergences, gradients; refusals. */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import type { Tensor } from '../lib/index.js';
import { difference, readFixture, type CodedTensor } from './operators/format.js';

const d = tf.distributions;
interface Row {
  js: string;
  batch: number[];
  event: number[];
  sample: CodedTensor;
  logProb: CodedTensor;
  logProbGrads: (CodedTensor | null)[];
  rsampleGrads?: (CodedTensor | null)[];
  mean?: CodedTensor;
  variance?: CodedTensor;
  stddev?: CodedTensor;
  mode?: CodedTensor;
  entropy?: CodedTensor;
  enumerate_support?: CodedTensor;
  cdf?: CodedTensor;
  icdf?: CodedTensor;
}
const { distributions, divergences } = readFixture<{
  distributions: Row[];
  divergences: { p: string; q: string; kl: CodedTensor; grads: (CodedTensor | null)[] }[];
}>('distributions.json');

/** Evaluates expressions; the tensors that they make of lists are leaves, in order. */
function made<T>(...expressions: string[]): { values: T[]; leaves: Tensor[] } {
  const leaves: Tensor[] = [];
  const t = (x: tf.Tensor[] | number[]): Tensor => {
    const leaf = tf.tensor(x as number[], { dtype: 'float64' }).requiresGrad_();
    leaves.push(leaf);
    return leaf;
  };
  const values = expressions.map((e) => new Function('d', 't', `return ${e}`)(d, t) as T);
  return { values, leaves };
}
const same = (what: string, got: unknown, want: CodedTensor): void =>
  expect(difference(got, want, 20), what).toBe(null);
function sameGradients(what: string, of: Tensor, leaves: Tensor[], want: (CodedTensor | null)[]): void {
  if (!of.requiresGrad)
    return expect(
      want.every((g) => g === null || g.data.every((x) => x === 0)),
      what,
    ).toBe(true);
  const got = tf.autograd.grad([of.sum()], leaves, { allowUnused: true, retainGraph: true });
  want.forEach((g, i) => {
    if (g !== null) same(`${what}, gradient ${i}`, got[i], g);
    else expect(got[i] === null || got[i]!.abs().sum().item() === 0, `${what}, gradient ${i}`).toBe(true);
  });
}

describe('distributions give PyTorch’s answers', () => {
  it.each(distributions)('$js', (row) => {
    const { values, leaves } = made<tf.distributions.Distribution>(row.js);
    const p = values[0]!;
    expect([[...p.batchShape], [...p.eventShape]]).toEqual([row.batch, row.event]);
    tf.manualSeed(3);
    const x = p.sample([4]);
    expect(x.requiresGrad).toBe(false);
    same('sample', x, row.sample);
    const log = p.logProb(x);
    same('logProb', log, row.logProb);
    sameGradients('logProb', log, leaves, row.logProbGrads);
    if (row.rsampleGrads) {
      tf.manualSeed(3);
      const r = p.rsample([4]);
      const square = r.dim() >= 3 || /Stick|OneHot/.test(row.js);
      sameGradients('rsample', square ? r.square() : r, leaves, row.rsampleGrads);
    }
    for (const name of ['mean', 'variance', 'stddev', 'mode'] as const) if (row[name]) same(name, p[name], row[name]);
    if (row.entropy) same('entropy', p.entropy(), row.entropy);
    if (row.enumerate_support) same('enumerateSupport', p.enumerateSupport(), row.enumerate_support);
    if (row.cdf) same('cdf', p.cdf(x), row.cdf);
    if (row.icdf) same('icdf', p.icdf(p.cdf(x)), row.icdf);
  });
});

describe('klDivergence', () => {
  it.each(divergences)('$p, $q', ({ p, q, kl, grads }) => {
    const { values, leaves } = made<tf.distributions.Distribution>(p, q);
    const got = d.klDivergence(values[0]!, values[1]!);
    same('divergence', got, kl);
    sameGradients('divergence', got, leaves, grads);
  });
  it('of Independent distributions sums over what is an event', () => {
    const [p, q] = [new d.Normal(tf.zeros(3, 2), 1), new d.Normal(tf.ones(3, 2), 1)];
    expect(d.klDivergence(new d.Independent(p, 1), new d.Independent(q, 1)).tolist()).toEqual([1, 1, 1]);
    expect(() => d.klDivergence(new d.Independent(p, 1), new d.Independent(q, 2))).toThrow(/as many dims/);
    expect(() => d.klDivergence(p, new d.Poisson(1))).toThrow(/no formula is known from Normal to Poisson/);
  });
});

describe('gamma numbers', () => {
  it('move with their shape as their probability says', () => {
    const shapes = tf.tensor(Float64Array.of(0.3, 1, 2.5, 40)).requiresGrad_();
    tf.manualSeed(1);
    const x = new d.Gamma(shapes, tf.ones(4, { dtype: 'float64' })).rsample();
    x.sum().backward();
    // −∂P/∂a over the density, by differences of igamma.
    const [a, y, h] = [shapes.detach(), x.detach(), 1e-5];
    const change = a
      .add(h)
      .igamma(y)
      .sub(a.sub(h).igamma(y))
      .div(2 * h);
    const density = a.sub(1).mul(y.log()).sub(y).sub(a.lgamma()).exp();
    expect(shapes.grad!.div(change.neg().div(density)).sub(1).abs().max().item<number>()).toBeLessThan(1e-6);
  });
});

describe('distributions refuse', () => {
  it('parameters and values that mean nothing', () => {
    expect(() => new d.Normal(0, -1)).toThrow(/Normal: scale must be positive, got tensor\(-1\.\)/);
    expect(() => new d.Normal('0' as never, 1)).toThrow(/Normal: parameters must be tensors or numbers/);
    expect(() => new d.Normal(0, 1, { validate: true } as never)).toThrow(/unknown option 'validate'/);
    expect(() => new d.Bernoulli()).toThrow(/Bernoulli: give either probs or logits/);
    expect(() => new d.Bernoulli(0.5, tf.zeros(1))).toThrow(/give either/);
    expect(() => new d.Categorical(tf.tensor([-1, 2]))).toThrow(/Categorical: probs must be at least 0/);
    expect(() => new d.Uniform(1, 1)).toThrow(/Uniform: low must be below high/);
    expect(() => new d.Normal(tf.zeros(2), 1).logProb(tf.zeros(3))).toThrow(/Normal.logProb: value \[3\] doesn't fit/);
    expect(() => new d.Exponential(1).logProb(tf.tensor([-1]))).toThrow(
      /Exponential.logProb: value must be at least 0/,
    );
    expect(() => new d.Categorical(tf.ones(3)).logProb(tf.tensor([3n]))).toThrow(/whole number in its interval/);
    expect(() => new d.Poisson(1).rsample()).toThrow(/Poisson: rsample isn't defined/);
    expect(() => new d.Poisson(1).icdf(tf.ones(1))).toThrow(/Poisson: icdf isn't defined/);
    expect(new d.Exponential(1, { validateArgs: false }).logProb(tf.tensor([-1])).item()).toBe(1);
  });
});

it('expand shows the same distribution for a larger batch', () => {
  const p = new d.Categorical(tf.tensor([[0.25, 0.75]])).expand([3, 1]);
  expect([p.batchShape, p.sample([2]).shape]).toEqual([[3, 1], [2, 3, 1]]); // prettier-ignore
  expect(
    p
      .logProb(tf.ones(3, 1, { dtype: 'int64' }))
      .exp()
      .tolist(),
  ).toEqual([[0.75], [0.75], [0.75]]);
});
