/** What draws random numbers on its way, what changes sizes in place, and spectra: beside PyTorch 2.15's numbers for a seed. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';

const { fractionalMaxPool2d, fractionalMaxPool3d } = tf.nn.functional;
const near = (got: Tensor, want: unknown, digits = 12): void => {
  const a = got.reshape([-1]).tolist() as number[];
  const b = (want as number[]).flat(Infinity) as number[];
  expect(a.length).toBe(b.length);
  a.forEach((x, i) => expect(x).toBeCloseTo(b[i]!, digits));
};
const double = (data: number[][]): Tensor => tf.tensor(data, { dtype: 'float64' });

describe('fractional pooling', () => {
  it('takes the windows that PyTorch takes for a seed', () => {
    const x = tf.arange(84).to('float32').reshape(2, 1, 6, 7).sin();
    tf.manualSeed(0);
    const [values, indices] = fractionalMaxPool2d(x, 2, [3, 4], { returnIndices: true }) as unknown as Tensor[];
    expect(indices!.tolist()).toEqual([
      [[[8, 2, 12, 13], [14, 16, 26, 27], [28, 38, 33, 33]]],
      [[[8, 9, 10, 5], [22, 16, 17, 27], [35, 29, 39, 41]]],
    ]); // prettier-ignore
    expect(
      values!.equal(
        x
          .reshape([2, 42])
          .gather(1, indices!.reshape([2, 12]))
          .reshape([2, 1, 3, 4]),
      ),
    ).toBe(true);
    tf.manualSeed(0);
    const volume = tf.arange(250).to('float32').reshape(2, 5, 5, 5).cos();
    const places = (
      fractionalMaxPool3d(volume, [2, 1, 2], { outputRatio: 0.5, returnIndices: true }) as unknown as Tensor[]
    )[1]!;
    expect(places.tolist()).toEqual([
      [[[0, 4], [45, 24]], [[75, 103], [120, 99]]],
      [[[26, 28], [45, 24]], [[76, 103], [120, 99]]],
    ]); // prettier-ignore
  });

  it('gradients go to the maxima', () => {
    const x = tf.randn([1, 2, 6, 6], { dtype: 'float64', requiresGrad: true });
    const samples = tf.rand([1, 2, 2], { dtype: 'float64' });
    const pooled = (t: Tensor): Tensor => fractionalMaxPool2d(t, 2, 3, { _randomSamples: samples });
    expect(tf.autograd.gradcheck(pooled, [x])).toBe(true);
    expect(tf.autograd.gradgradcheck(pooled, [x])).toBe(true);
  });

  it('refuses what does not fit', () => {
    const x = tf.ones(1, 1, 4, 4);
    expect(() => fractionalMaxPool2d(x, 2)).toThrow(/fractionalMaxPool2d: give outputSize or outputRatio/);
    expect(() => fractionalMaxPool2d(x, 3, 3)).toThrow(/fractionalMaxPool2d: 3 windows of 3 don't fit 4 elements/);
    expect(() => fractionalMaxPool2d(x, 2, { outputRatio: 1.5 })).toThrow(/outputRatio must be between 0 and 1/);
    expect(() => fractionalMaxPool2d(x, 2, 2, { _randomSamples: tf.rand(1, 1, 3) })).toThrow(/random samples must be float32 \[1, 1, 2\]/); // prettier-ignore
  });
});

describe('low rank', () => {
  const a = tf.arange(12, { dtype: 'float64' }).reshape(4, 3).sin();

  it('svdLowrank gives PyTorch’s values for a seed', () => {
    tf.manualSeed(0);
    const { U, S, V } = tf.svdLowrank(a, 2);
    near(S, [2.4194229173417217, 0.38445258969671414]);
    near(U.matmul(S.diag()).matmul(V.mT), a.tolist(), 10);
    near(U.mT.matmul(U), [1, 0, 0, 1]);
  });
  it('pcaLowrank takes the mean off', () => {
    tf.manualSeed(0);
    const { S, V } = tf.pcaLowrank(a, 2);
    near(S, [2.4194030243700415, 0.3442131838891668]);
    near(V.abs(), [0.1711566555049263, 0.809332792857045, 0.5791845397571712, 0.5439824705552939, 0.7970261402128801, 0.22150282647129976]); // prettier-ignore
    expect(() => tf.pcaLowrank(a, 5)).toThrow(/pcaLowrank: q must be from 0 to 3 for matrices \[4, 3\], got 5/);
    expect(() => tf.svdLowrank(tf.ones(3))).toThrow(/svdLowrank: needs matrices/);
  });
});

describe('spectra of square matrices', () => {
  it.each([1, 2, 3, 6, 25])('A V = V diag(L) for %i rows', (n) => {
    tf.manualSeed(n);
    const v = tf.randn([n, n], { dtype: 'float64' });
    const l = tf.randn([n], { dtype: 'float64' });
    const a = v.matmul(l.diagEmbed()).matmul(tf.linalg.inv(v));
    const { eigenvalues, eigenvectors } = tf.linalg.eig(a);
    near(eigenvalues.sort()[0]!, l.sort()[0]!.tolist(), 8);
    near(a.matmul(eigenvectors).sub(eigenvectors.mul(eigenvalues.unsqueeze(0))), tf.zeros(n, n).tolist(), 9);
    near(eigenvectors.square().sum(0), tf.ones(n).tolist());
    near(tf.linalg.eigvals(a), eigenvalues.tolist());
  });
  it('has gradients of both orders', () => {
    const a = double([[4, 1, 0.5], [0.3, 2, 0.2], [0.1, 0.4, -1]]).requiresGrad_(); // prettier-ignore
    const parts = (x: Tensor): Tensor[] => {
      const { eigenvalues, eigenvectors } = tf.linalg.eig(x);
      return [eigenvalues, eigenvectors.abs()];
    };
    expect(tf.autograd.gradcheck(parts, [a])).toBe(true);
    expect(tf.autograd.gradgradcheck(parts, [a])).toBe(true);
    expect(tf.autograd.gradgradcheck((x: Tensor) => tf.linalg.eigvals(x), [a])).toBe(true);
  });
  it('refuses complex spectra, NaN and what is not square', () => {
    expect(() => tf.linalg.eig(tf.tensor([[0, 1], [-1, 0]]))).toThrow(/eig: the matrix has complex eigenvalues/); // prettier-ignore
    expect(() => tf.linalg.eigvals(tf.tensor([[1, 0], [0, NaN]]))).toThrow(/eigvals: the input has NaN/); // prettier-ignore
    expect(() => tf.linalg.eig(tf.ones(2, 3))).toThrow(/eig: needs square matrices/);
  });
  it('a defective matrix has finite vectors', () => {
    expect(tf.linalg.eig(tf.zeros(3, 3)).eigenvectors.isfinite().all().item()).toBe(true);
    expect(tf.linalg.eigvals(tf.tensor([[2, 1], [0, 2]])).tolist()).toEqual([2, 2]); // prettier-ignore
  });
});

describe('ldlFactor and ldlSolve', () => {
  it.each([1, 2, 5, 20])('solve indefinite systems of %i rows', (n) => {
    tf.manualSeed(n);
    const half = tf.randn([2, n, n], { dtype: 'float64' });
    const a = half.add(half.mT);
    const b = tf.randn([2, n, 3], { dtype: 'float64' });
    const { LD, pivots } = tf.linalg.ldlFactor(a);
    near(a.matmul(tf.linalg.ldlSolve(LD, pivots, b)).sub(b), tf.zeros(2, n, 3).tolist(), 9);
  });
  it('refuse singular matrices and foreign pivots', () => {
    expect(() => tf.linalg.ldlFactor(tf.zeros(2, 2))).toThrow(/ldlFactor: the matrix is singular: its pivot 1 is zero/);
    expect(tf.linalg.ldlFactorEx(tf.zeros(2, 2)).info.item()).toBe(1);
    expect(() => tf.linalg.ldlFactorEx(tf.zeros(2, 2), { checkErrors: true })).toThrow(/singular/);
    const wrong = tf.tensor(Int32Array.of(-3, 9));
    expect(() => tf.linalg.ldlSolve(tf.ones(2, 2), wrong, tf.ones(2, 1))).toThrow(
      /ldlSolve: pivots must be as ldlFactor/,
    );
  });
});

describe('resize_', () => {
  it('keeps the first elements, grows with zeros, and views keep their memory', () => {
    const x = tf.arange(6);
    const view = x.narrow(0, 0, 2);
    expect(x.resize_(2, 2).tolist()).toEqual([[0, 1], [2, 3]]); // prettier-ignore
    expect(x.resize_([2, 4]).tolist()).toEqual([[0, 1, 2, 3], [4, 5, 0, 0]]); // prettier-ignore
    expect(x.resizeAs_(tf.ones(3)).tolist()).toEqual([0, 1, 2]);
    expect(view.tolist()).toEqual([0, 1]);
    expect(() => view.resize_(100)).toThrow(/resize_: this view shows 6 elements of another tensor's memory/);
    expect(() => tf.ones(2, { requiresGrad: true }).resize_(3)).toThrow(/resize_: a leaf tensor that requires grad/);
    const leaf = tf.ones(2, { requiresGrad: true });
    expect(() => tf.noGrad(() => leaf.resize_(3))).toThrow(/resize_: a tensor that requires grad can't be resized/);
    expect(() => x.resize_(-1)).toThrow(/resize_/);
  });
});

it('fftfreq and rfftfreq', () => {
  near(tf.fft.fftfreq(5, 0.5), [0, 0.4, 0.8, -0.8, -0.4], 6);
  near(tf.fft.rfftfreq(6), [0, 1 / 6, 1 / 3, 0.5], 6);
  expect(tf.fft.fftfreq(1, { dtype: 'float64' }).tolist()).toEqual([0]);
  expect(() => tf.fft.fftfreq(0)).toThrow(/fftfreq: n must be at least 1/);
});

it('long transforms are split: 1,000 and a prime', () => {
  for (const n of [1000, 130, 67]) {
    const half = tf.randn([Math.floor(n / 2) + 1], { dtype: 'float64' });
    const signal = tf.fft.irfft(half, n);
    // The sum at j = 0 and the signal's sum are known.
    const ends = n % 2 === 0 ? half.at(0).add(half.at(-1)) : half.at(0);
    near(signal.at(0), [half.sum().mul(2).sub(ends).div(n).item()], 9);
    near(signal.sum(), [half.at(0).item()], 9);
  }
});

it('upsample, gridSampler: other names of interpolate and gridSample', () => {
  const x = tf.randn(1, 1, 3, 3);
  const { upsample, interpolate, gridSample } = tf.nn.functional;
  expect(upsample(x, 5, null, 'bilinear', true).equal(interpolate(x, 5, null, 'bilinear', true))).toBe(true);
  const grid = tf.rand(1, 2, 2, 2);
  expect(tf.gridSampler(x, grid, 1, 2, false).equal(gridSample(x, grid, 'nearest', 'reflection', false))).toBe(true);
  expect(tf.gridSampler2d(x, grid, 0, 1, true).equal(gridSample(x, grid, 'bilinear', 'border', true))).toBe(true);
  expect(() => tf.gridSampler(x, grid, 3, 0, false)).toThrow(/gridSampler: interpolationMode must be from 0 to 2/);
});
