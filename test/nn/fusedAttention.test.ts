/** Attention by kernels against its formula made of ops, which is written out here; recorded values are in attention.test.ts. */
import { describe, expect, test } from 'vitest';
import { autograd, manualSeed, nn, randn, tensor, where, type Tensor } from '../../lib/index.js';

const F = nn.functional;

interface Case {
  q: number[];
  k: number[];
  v: number[];
  mask?: number[];
  bool?: boolean;
  causal?: boolean;
  gqa?: boolean;
  scale?: number;
  rows?: boolean;
}
const CASES: Record<string, Case> = {
  plain: { q: [2, 3, 37, 16], k: [2, 3, 53, 16], v: [2, 3, 53, 24] },
  'long, causal': { q: [1, 2, 300, 8], k: [1, 2, 270, 8], v: [1, 2, 270, 8], causal: true },
  'heads within rows': { q: [2, 4, 33, 16], k: [2, 4, 33, 16], v: [2, 4, 33, 16], causal: true, rows: true },
  'a row, keys from a cache': { q: [1, 4, 1, 32], k: [1, 4, 77, 32], v: [1, 4, 77, 32] },
  'bool mask [l, s]': { q: [1, 4, 64, 32], k: [1, 4, 64, 32], v: [1, 4, 64, 32], mask: [64, 64], bool: true },
  'bool mask of keys': { q: [3, 2, 9, 8], k: [3, 2, 11, 8], v: [3, 2, 11, 8], mask: [3, 1, 1, 11], bool: true },
  'bool mask of queries': { q: [3, 2, 9, 8], k: [3, 2, 11, 8], v: [3, 2, 11, 8], mask: [9, 1], bool: true },
  'number mask of heads': { q: [2, 3, 9, 5], k: [2, 3, 11, 5], v: [2, 3, 11, 7], mask: [3, 9, 11] },
  'groups of heads': { q: [2, 6, 20, 8], k: [2, 2, 30, 8], v: [2, 2, 30, 8], gqa: true, causal: true },
  'groups of heads and a mask': { q: [2, 6, 20, 8], k: [2, 2, 30, 8], v: [2, 2, 30, 8], gqa: true, mask: [20, 30] },
  'three dims, a scale': { q: [5, 7, 4], k: [5, 9, 4], v: [5, 9, 3], scale: -0.7 },
  'two dims': { q: [7, 4], k: [9, 4], v: [9, 3], mask: [7, 9], bool: true },
  'a batch that broadcasts': { q: [2, 3, 7, 4], k: [3, 9, 4], v: [2, 1, 9, 3] },
};

/** A leaf of a shape; `rows`: the heads of a row lie together in memory. */
function leaf(shape: number[], dtype: 'float32' | 'float64', rows = false): Tensor {
  if (!rows) return randn(shape, { dtype, requiresGrad: true });
  const [n, h, l, e] = shape as [number, number, number, number];
  return randn([n, l, h, e], { dtype }).transpose(1, 2).requiresGrad_();
}

function formula(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, c: Case): Tensor {
  const group = c.gqa ? q.shape[1]! / k.shape[1]! : 1;
  const [keys, values] = [k, v].map((t) => (group === 1 ? t : t.repeatInterleave(group, 1))) as [Tensor, Tensor];
  let scores = q.matmul(keys.transpose(-2, -1)).mul(c.scale ?? 1 / Math.sqrt(q.shape.at(-1)!));
  if (c.causal)
    mask = randn([q.shape.at(-2)!, k.shape.at(-2)!])
      .isfinite()
      .tril();
  if (mask !== null && mask.dtype === 'bool') scores = where(mask, scores, -1e30);
  else if (mask !== null) scores = scores.add(mask);
  let weights = scores.softmax(-1);
  if (mask?.dtype === 'bool') weights = weights.mul(mask.any(-1, true).to(weights.dtype));
  return weights.matmul(values);
}

const worst = (a: Tensor, b: Tensor): number => a.sub(b).abs().max().item<number>();

describe('scaledDotProductAttention by kernels', () => {
  for (const [name, c] of Object.entries(CASES)) {
    for (const dtype of ['float64', 'float32'] as const) {
      test(`${name}, ${dtype}`, () => {
        manualSeed(3);
        const inputs = [leaf(c.q, dtype, c.rows), leaf(c.k, dtype, c.rows), leaf(c.v, dtype, c.rows)] as const;
        let mask = c.mask ? randn(c.mask, { dtype }) : null;
        if (mask !== null && c.bool) mask = mask.gt(-0.5);
        const { causal = false, gqa = false, scale = null } = c;
        const y = F.scaledDotProductAttention(...inputs, { attnMask: mask, isCausal: causal, enableGqa: gqa, scale });
        expect(y.gradFn?.name).toMatch(/Flash|View|Unsqueeze/);
        const want = formula(...inputs, mask, c);
        expect(y.shape).toEqual(want.shape);
        const tolerance = dtype === 'float64' ? 1e-13 : 1e-5;
        expect(worst(y, want)).toBeLessThan(tolerance);
        const g = randn([...y.shape], { dtype });
        const got = autograd.grad([y], inputs, { gradOutputs: [g] });
        const wanted = autograd.grad([want], inputs, { gradOutputs: [g] });
        got.forEach((t, i) => expect(worst(t!, wanted[i]!)).toBeLessThan(tolerance * 10));
      });
    }
  }
  test('second derivatives', () => {
    manualSeed(4);
    const shape = { dtype: 'float64', requiresGrad: true } as const;
    const [q, k, v] = [randn([1, 4, 5, 3], shape), randn([1, 2, 6, 3], shape), randn([1, 2, 6, 2], shape)];
    const attend = (a: Tensor, b: Tensor, c: Tensor): Tensor =>
      F.scaledDotProductAttention(a, b, c, { isCausal: true, enableGqa: true });
    expect(autograd.gradcheck(attend, [q, k, v])).toBe(true);
    expect(autograd.gradgradcheck(attend, [q, k, v])).toBe(true);
  });
  test('rows of which nothing is kept are 0 and have no part in gradients', () => {
    const q = randn([1, 1, 2, 4], { requiresGrad: true });
    const mask = tensor([[true, true], [false, false]]); // prettier-ignore
    const y = F.scaledDotProductAttention(q, q, q, { attnMask: mask });
    expect(y.select(2, 1).abs().max().item()).toBe(0);
    y.sum().backward();
    expect(q.grad!.isfinite().all().item()).toBe(true);
  });
  test('a mask that wants a gradient gets it', () => {
    const q = randn([2, 3, 4]);
    const mask = randn([3, 3], { requiresGrad: true });
    F.scaledDotProductAttention(q, q, q, { attnMask: mask }).sum().backward();
    expect(mask.grad!.shape).toEqual([3, 3]);
  });
  test('the result lets heads be joined without a copy', () => {
    const q = randn([2, 3, 5, 4]);
    expect(F.scaledDotProductAttention(q, q, q).transpose(1, 2).isContiguous()).toBe(true);
  });
});
