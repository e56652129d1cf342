/** gridSample of images beyond the recorded samples: its kernels beside the formula that volumes go through, and corners. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { cat, nn, tensor, zerosLike, type Tensor } from '../../lib/index.js';

const F = nn.functional;
const MODES = ['bilinear', 'nearest'] as const;
const PADDINGS = ['zeros', 'border', 'reflection'] as const;
const WAYS = MODES.flatMap((mode) =>
  PADDINGS.flatMap((paddingMode) => [false, true].map((alignCorners) => ({ mode, paddingMode, alignCorners }))),
);
type Way = (typeof WAYS)[number];
type DType = 'float32' | 'float64';

const image = (dtype: DType, ...shape: number[]): Tensor => tf.randn(shape, { dtype, requiresGrad: true });
/** Points of which many lie outside of the image. */
const grid = (dtype: DType, ...shape: number[]): Tensor =>
  tf
    .rand([...shape, 2], { dtype })
    .mul(5)
    .sub(2.5)
    .requiresGrad_();
/** Images as volumes one element deep, sampled in their middle. */
function asVolumes(x: Tensor, points: Tensor, way: Way): Tensor {
  const middle = zerosLike(points.narrow(-1, 0, 1));
  return F.gridSample(x.unsqueeze(2), cat([points, middle], -1).unsqueeze(1), way).squeeze(2);
}
function gradients(call: (x: Tensor, points: Tensor) => Tensor, x: Tensor, points: Tensor): Tensor[] {
  const [a, b] = [x, points].map((t) => t.detach().clone().requiresGrad_()) as [Tensor, Tensor];
  const y = call(a, b);
  y.mul(tf.arange(y.numel()).sin().view(y.shape)).sum().backward();
  return [y, a.grad!, b.grad!];
}

describe.each(WAYS)('$mode, $paddingMode, alignCorners $alignCorners', (way) => {
  it.each(['float32', 'float64'] as const)('%s: what volumes of one layer give, and their gradients', (dtype) => {
    tf.manualSeed(1);
    const sizes = [[2, 3, 6, 5], [1, 2, 1, 7], [1, 1, 3, 1]]; // prettier-ignore
    for (const shape of sizes) {
      const [x, points] = [image(dtype, ...shape), grid(dtype, shape[0]!, 5, 7)];
      const got = gradients((a, b) => F.gridSample(a, b, way), x, points);
      const want = gradients((a, b) => asVolumes(a, b, way), x, points);
      const tolerance = dtype === 'float32' ? 2e-4 : 1e-12;
      got.forEach((t, i) => expect(tf.allclose(t, want[i]!, { rtol: tolerance, atol: tolerance })).toBe(true));
    }
  });
  it('second derivatives', () => {
    tf.manualSeed(2);
    const inputs = [image('float64', 1, 2, 3, 4), grid('float64', 1, 2, 2)];
    const call = (x?: Tensor, points?: Tensor): Tensor => F.gridSample(x!, points!, way);
    expect(tf.autograd.gradcheck(call, inputs)).toBe(true);
    expect(tf.autograd.gradgradcheck(call, inputs)).toBe(true);
  });
});

describe('points that are not in any image', () => {
  const x = tf.arange(1, 13, { dtype: 'float32' }).view(1, 1, 3, 4);
  const far = [[NaN, 0], [Infinity, 0], [-Infinity, 0], [1e30, 0.2], [-3e9, 0.3], [1e38, 1e38], [0.3, NaN]]; // prettier-ignore
  // As PyTorch 2.15 gives them. Its gradients for NaN with a border are undefined, and end the process.
  it.each([
    ['bilinear', 'zeros', [NaN, NaN, NaN, 0, 0, 0, NaN]],
    ['bilinear', 'border', [5, 8, 5, 9.2, 6.8, 12, 3.1]],
    ['nearest', 'zeros', [0, 0, 0, 0, 0, 0, 0]],
    ['nearest', 'border', [5, 8, 5, 8, 5, 12, 3]],
    ['nearest', 'reflection', [5, 5, 5, 5, 5, 1, 3]],
  ] as const)('%s, %s', (mode, paddingMode, want) => {
    // In float64 1e30 is another whole number, which is reflected elsewhere.
    const dtypes = paddingMode === 'reflection' ? (['float32'] as const) : (['float32', 'float64'] as const);
    for (const dtype of dtypes) {
      const leaf = x.to(dtype).detach().requiresGrad_();
      const points = tensor(far, { dtype, requiresGrad: true });
      // Enough of them to fill vectors, and not.
      const y = F.gridSample(leaf, points.repeat(3, 1).view(1, 3, 7, 2), { mode, paddingMode, alignCorners: false });
      (y.flatten().tolist() as number[]).forEach((v, i) => {
        const wanted = want[i % 7]!;
        if (Number.isNaN(wanted)) expect(v).toBeNaN();
        else expect(v).toBeCloseTo(wanted, 5);
      });
      y.sum().backward();
      if (paddingMode !== 'zeros') expect(points.grad!.isfinite().all().item()).toBe(true);
      expect(leaf.grad!.isfinite().all().item()).toBe(true);
    }
  });
  it('zeros: PyTorch’s gradient of NaN', () => {
    const points = tensor([[[[NaN, 0], [0.1, -0.4]]]], { requiresGrad: true }); // prettier-ignore
    F.gridSample(x, points).sum().backward();
    const got = points.grad!.flatten().tolist() as number[];
    expect(got[0]).toBe(0);
    expect(got[1]).toBeNaN();
    expect(got.slice(2)).toEqual([2, 6]);
  });
  it('halves and bicubic samples take NaN likewise', () => {
    const points = tensor([[[[NaN, 0], [0.3, NaN]]]], { dtype: 'float16' }); // prettier-ignore
    const options = { paddingMode: 'border', alignCorners: false } as const;
    expect(F.gridSample(x.to('float16'), points, options).flatten().tolist()).toEqual([5, 3.099609375]);
    expect(
      F.gridSample(x.to('float16'), points, { ...options, mode: 'nearest' })
        .flatten()
        .tolist(),
    ).toEqual([5, 3]);
    expect(
      F.gridSample(x, points.float(), { ...options, mode: 'bicubic' })
        .isnan()
        .all()
        .item(),
    ).toBe(true);
  });
  it('an infinite element outside of what a point reads doesn’t reach it', () => {
    const y = F.gridSample(tensor([[[[Infinity, 1]]]]), tensor([[[[3, 0]]]])); // prettier-ignore
    expect(y.item()).toBe(0);
  });
});

it('gridSample: transposed images, expanded grids, part of a tensor', () => {
  tf.manualSeed(3);
  const x = tf.randn([5, 6, 3, 2]).permute([3, 2, 0, 1]);
  const points = grid('float32', 1, 4, 6).detach().transpose(1, 2).expand([2, 6, 4, 2]);
  for (const way of WAYS) {
    const got = gradients((a, b) => F.gridSample(a, b, way), x, points);
    const want = gradients((a, b) => F.gridSample(a, b, way), x.contiguous(), points.contiguous());
    got.forEach((t, i) => expect(t.equal(want[i]!)).toBe(true));
    const part = F.gridSample(x.narrow(0, 1, 1), points.narrow(0, 1, 1), way);
    expect(part.equal(got[0]!.narrow(0, 1, 1))).toBe(true);
  }
});

it('gridSample: no images, no channels, no points', () => {
  const cases = [[[0, 2, 3, 3], [0, 2, 2, 2]], [[2, 0, 3, 3], [2, 2, 2, 2]], [[2, 2, 3, 3], [2, 0, 2, 2]]]; // prettier-ignore
  for (const [shape, points] of cases as [number[], number[]][]) {
    const [x, at] = [tf.ones(shape, { requiresGrad: true }), tf.zeros(points, { requiresGrad: true })];
    const y = F.gridSample(x, at);
    expect(y.shape).toEqual([shape[0], shape[1], points[1], points[2]]);
    y.sum().backward();
    expect(x.grad!.equal(tf.zeros(shape))).toBe(true);
    expect(at.grad!.equal(tf.zeros(points))).toBe(true);
  }
});

it('gridSample: any number of threads gives the same bits', () => {
  tf.manualSeed(4);
  const [x, points] = [image('float32', 3, 5, 40, 40), grid('float32', 3, 70, 70)];
  const before = tf.getNumThreads();
  try {
    const runs = [1, 2, 5].map((threads) => {
      tf.setNumThreads(threads);
      return gradients((a, b) => F.gridSample(a, b), x, points);
    });
    for (const other of runs.slice(1)) other.forEach((t, i) => expect(t.equal(runs[0]![i]!)).toBe(true));
  } finally {
    tf.setNumThreads(before);
  }
});
