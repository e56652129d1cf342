/** Attention beyond the recorded samples: rows with nothing to attend to, half types, grouped heads, hints and refusals. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { full, nn, ones, tensor, type Tensor } from '../../lib/index.js';

const F = nn.functional;
const hasNaN = (t: Tensor): boolean => t.isnan().any().item<boolean>();
const NEVER = -Infinity;

describe('a row that its mask leaves nothing of', () => {
  const MASKS: [string, Tensor, number][] = [
    ['bool', tensor([[true, true], [false, false]]), 1],
    ['added', tensor([[0, 0], [NEVER, NEVER]]), 1],
    ['for all heads', tensor([[[true, true], [false, false]]]), 1],
  ]; // prettier-ignore
  it.each(MASKS)('%s: is 0, and PyTorch’s gradients', (_, mask) => {
    const q = tensor([[1, 2], [3, 4]], { requiresGrad: true }); // prettier-ignore
    const y = F.scaledDotProductAttention(q, q, q, mask).reshape(2, 2);
    y.sum().backward();
    expect(y.at(1).tolist()).toEqual([0, 0]);
    const want = tensor([[0.05366671, 0.01416693], [1.0253341, 1.06483436]]); // prettier-ignore
    expect(tf.allclose(q.grad!, want, { rtol: 1e-5 })).toBe(true);
  });
  it('dropout leaves it 0', () => {
    const q = ones(2, 4);
    const mask = tensor([[true, true], [false, false]]); // prettier-ignore
    expect(F.scaledDotProductAttention(q, q, q, mask, 0.5).at(1).tolist()).toEqual([0, 0, 0, 0]);
  });
  it('no keys at all: 0', () => {
    const y = F.scaledDotProductAttention(ones(3, 2), ones(0, 2), ones(0, 4));
    expect(y.tolist()).toEqual(tf.zeros(3, 4).tolist());
  });
  it('MultiheadAttention: the output’s bias without weights, NaN with them, as PyTorch', () => {
    const attention = new nn.MultiheadAttention(4, 2, { batchFirst: true });
    tf.noGrad(() => attention.outProj.bias!.fill_(0.5));
    const x = tf.randn(2, 3, 4);
    const keyPaddingMask = tensor([[true, true, true], [false, false, true]]); // prettier-ignore
    const [y] = attention.forward(x, x, x, { keyPaddingMask, needWeights: false });
    expect(y.at(0).tolist()).toEqual(full([3, 4], 0.5).tolist());
    expect(hasNaN(y)).toBe(false);
    const [withWeights] = attention.forward(x, x, x, { keyPaddingMask });
    expect(hasNaN(withWeights.at(0))).toBe(true);
    expect(hasNaN(withWeights.at(1))).toBe(false);
  });
  it('padding and mask that leave nothing only together', () => {
    const attention = new nn.MultiheadAttention(4, 2);
    const x = tf.randn(2, 1, 4);
    const [y] = attention.forward(x, x, x, tensor([[true, false]]), false, tensor([[false, true], [false, false]])); // prettier-ignore
    expect(hasNaN(y)).toBe(false);
  });
  it('a TransformerEncoder trains on a sequence that is all padding', () => {
    const layer = new nn.TransformerEncoderLayer(8, 2, { batchFirst: true, dimFeedforward: 16 });
    const encoder = new nn.TransformerEncoder(layer, 2);
    const srcKeyPaddingMask = tensor([[true, true, true], [false, false, true]]); // prettier-ignore
    encoder
      .forward(tf.randn(2, 3, 8), { srcKeyPaddingMask })
      .sum()
      .backward();
    expect(encoder.parameters().filter((p) => hasNaN(p.grad!))).toEqual([]);
  });
});

describe('half types', () => {
  it.each(['float16', 'bfloat16'] as const)('%s: scores beyond the dtype’s range', (dtype) => {
    const q = full([2, 64], 40, { dtype });
    const y = F.scaledDotProductAttention(q, q, ones(2, 64, { dtype }));
    expect([y.dtype, y.tolist()]).toEqual([dtype, ones(2, 64).tolist()]);
  });
  it('MultiheadAttention, with and without weights', () => {
    const attention = new nn.MultiheadAttention(64, 1, { dtype: 'float16' });
    for (const p of attention.parameters()) tf.noGrad(() => p.fill_(p.shape.length > 1 ? 0.625 : 0));
    const x = ones(2, 1, 64, { dtype: 'float16' });
    for (const needWeights of [true, false]) {
      const [y, weights] = attention.forward(x, x, x, { needWeights });
      expect(hasNaN(y)).toBe(false);
      expect(weights === null || weights.dtype === 'float16').toBe(true);
    }
  });
});

describe('enableGqa', () => {
  it('each head of key and value serves its group, as PyTorch', () => {
    const q = tf.arange(16).reshape(1, 4, 2, 2).div(16);
    const k = tf.arange(8).reshape(1, 2, 2, 2).div(8);
    const y = F.scaledDotProductAttention(q, k, k.add(1), { enableGqa: true });
    const again = F.scaledDotProductAttention(q, k.repeatInterleave(2, 1), k.add(1).repeatInterleave(2, 1));
    expect(y.tolist()).toEqual(again.tolist());
    expect(y.index(0, 0, 0, 0).item()).toBeCloseTo(1.1256905794143677, 6);
    expect(y.index(0, 3, 1, 1).item()).toBeCloseTo(1.7698558568954468, 6);
  });
  it('refuses heads that don’t divide, and needs its name', () => {
    const of = (heads: number): Tensor => ones(1, heads, 2, 2);
    expect(() => F.scaledDotProductAttention(of(4), of(3), of(3), { enableGqa: true })).toThrow(/enableGqa/);
    expect(() => F.scaledDotProductAttention(of(4), of(2), of(2))).toThrow();
  });
});

describe('hints and refusals', () => {
  const x = ones(3, 2, 4);
  const attention = new nn.MultiheadAttention(4, 2);
  it('isCausal needs its mask, and then stands for it', () => {
    expect(() => attention.forward(x, x, x, { isCausal: true })).toThrow(/isCausal is a hint about attnMask/);
    const attnMask = nn.Transformer.generateSquareSubsequentMask(3);
    const [plain] = attention.forward(x, x, x, { attnMask, needWeights: false });
    const [hinted] = attention.forward(x, x, x, { attnMask, needWeights: false, isCausal: true });
    expect(tf.allclose(plain, hinted)).toBe(true);
  });
  it('masks of another shape or kind, keys of another batch', () => {
    expect(() => attention.forward(x, x, x, { attnMask: ones(3, 2) })).toThrow(
      /attnMask must be \[3, 3\] or \[4, 3, 3\]/,
    );
    expect(() => attention.forward(x, x, x, { keyPaddingMask: ones(2, 3, { dtype: 'int64' }) })).toThrow(
      /bool or floating/,
    );
    expect(() => attention.forward(x, ones(3, 1, 4), ones(3, 1, 4))).toThrow(/don't fit/);
    const q = ones(2, 2);
    expect(() => F.scaledDotProductAttention(q, q, q, ones(2, 2, { dtype: 'float64' }))).toThrow(
      /attnMask must be bool/,
    );
    expect(() => F.scaledDotProductAttention(q, q, q, ones(2, 3))).toThrow(/attnMask must broadcast to \[..., 2, 2\]/);
  });
  it('Transformer: masks by place and by name, no unknown ones; without biases', () => {
    const model = new nn.Transformer(4, 2, 1, 1, 8, { bias: false, dropout: 0 });
    expect(model.namedParameters().filter(([name]) => name.includes('bias'))).toEqual([]);
    const [src, tgt] = [tf.randn(3, 1, 4), tf.randn(2, 1, 4)];
    const tgtMask = nn.Transformer.generateSquareSubsequentMask(2);
    const byName = model.forward(src, tgt, { tgtMask, tgtIsCausal: true });
    expect(tf.allclose(byName, model.forward(src, tgt, null, tgtMask))).toBe(true);
    expect(() => model.forward(src, tgt, { targetMask: tgtMask } as never)).toThrow(/unknown option 'targetMask'/);
    expect(() => model.forward(src, tf.randn(2, 2, 4))).toThrow(/one number of samples/);
  });
});
