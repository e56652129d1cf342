/** Attention: scaled dot products, and several heads of them with their projections. */
import { TenfoldError } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { cat, where } from '../../ops/index.js';
import { ones } from '../../ops/creation.js';
import { dropout } from './dropout.js';
import { linear } from './linear.js';

/** A mask as what is added to scores: a bool mask (true keeps) as 0 and −∞. */
const additive = (mask: Tensor, like: Tensor, keeps: boolean): Tensor =>
  mask.code === Code.bool ? where(keeps ? mask : mask.logicalNot(), Tensor.zeros([], like.code), -Infinity) : mask;

function checkAttention(call: string, q: Tensor, k: Tensor, v: Tensor): void {
  const shapes = [q, k, v].map((t) => formatShape(t.shape)).join(', ');
  if (Math.min(q.shape.length, k.shape.length, v.shape.length) < 2) {
    throw new TenfoldError('shape', `${call}: query, key and value need at least 2 dims, got ${shapes}`);
  }
  if (q.shape.at(-1) !== k.shape.at(-1) || k.shape.at(-2) !== v.shape.at(-2)) {
    throw new TenfoldError(
      'shape',
      `${call}: expected query [..., l, e], key [..., s, e] and value [..., s, ev], got ${shapes}`,
    );
  }
  if (!isFloatCode(q.code) || q.code !== k.code || q.code !== v.code) {
    throw new TenfoldError(
      'dtype',
      `${call}: query, key and value must have one floating-point dtype, got ${q.dtype}, ${k.dtype} and ${v.dtype}`,
    );
  }
}

/**
 * softmax(query keyᵀ · scale + mask) value, for query [..., l, e], key [..., s, e], value [..., s, ev]. A bool attnMask keeps
 * where it is true, any other is added; `isCausal` keeps what is not later; scale null is 1 / √e. See
 * torch.nn.functional.scaled_dot_product_attention.
 */
export const scaledDotProductAttention = defineOp(
  'scaledDotProductAttention(Tensor query, Tensor key, Tensor value, Tensor? attnMask=null, float dropoutP=0, bool isCausal=false, *, float? scale=null)',
  (): OpDef => ({
    forward(
      q: Tensor,
      k: Tensor,
      v: Tensor,
      attnMask: Tensor | null,
      dropoutP: number,
      isCausal: boolean,
      scale: number | null,
    ) {
      checkAttention('scaledDotProductAttention', q, k, v);
      if (isCausal && attnMask !== null) {
        throw new TenfoldError(
          'value',
          'scaledDotProductAttention: isCausal stands for a mask; give either it or attnMask',
        );
      }
      const [l, s, e] = [q.shape.at(-2)!, k.shape.at(-2)!, q.shape.at(-1)!];
      const factor = scale ?? 1 / Math.sqrt(e);
      // The smaller of two places to scale in: queries have e elements for each s scores.
      let scores = e <= s ? q.mul(factor).matmul(k.transpose(-2, -1)) : q.matmul(k.transpose(-2, -1)).mul(factor);
      if (isCausal) scores = scores.add(additive(ones(l, s, { dtype: 'bool' }).tril(), q, true));
      if (attnMask !== null) scores = scores.add(additive(attnMask, q, true));
      let weights = scores.softmax(-1);
      if (dropoutP > 0) weights = dropout(weights, dropoutP, true);
      return weights.matmul(v);
    },
    composite: true,
  }),
);

/** One column of zeros (nothing masked) behind a mask's last dim. */
const widened = (mask: Tensor | null): Tensor | null =>
  mask === null ? null : cat([mask, Tensor.zeros([...mask.shape.slice(0, -1), 1], mask.code)], -1);

/** query, key, value times their parts of one weight [3e, e]; one product where they are the same tensor. */
function projectPacked(q: Tensor, k: Tensor, v: Tensor, weight: Tensor, bias: Tensor | null): Tensor[] {
  const e = q.shape.at(-1)!;
  if (q === k && k === v) return linear(q, weight, bias).chunk(3, -1);
  const part = (t: Tensor | null, i: number): Tensor | null => (t === null ? null : t.narrow(0, i * e, e));
  return [q, k, v].map((x, i) => linear(x, part(weight, i)!, part(bias, i)));
}

/**
 * Attention of numHeads heads, with its projections: query [l, n, e], key and value [s, n, …] (without n for one sample) →
 * [l, n, e] and, where needWeights, the weights [n, l, s] averaged over heads (or [n, heads, l, s]). Bool masks leave out where
 * they are true. See torch.nn.functional.multi_head_attention_forward.
 */
export const multiHeadAttentionForward = defineOp(
  'multiHeadAttentionForward(Tensor query, Tensor key, Tensor value, int embedDimToCheck, int numHeads, Tensor? inProjWeight, Tensor? inProjBias, Tensor? biasK, Tensor? biasV, bool addZeroAttn, float dropoutP, Tensor outProjWeight, Tensor? outProjBias, bool training=true, Tensor? keyPaddingMask=null, bool needWeights=true, Tensor? attnMask=null, bool useSeparateProjWeight=false, Tensor? qProjWeight=null, Tensor? kProjWeight=null, Tensor? vProjWeight=null, Tensor? staticK=null, Tensor? staticV=null, bool averageAttnWeights=true) -> Tensor[]',
  (): OpDef => ({
    forward(
      query: Tensor,
      key: Tensor,
      value: Tensor,
      embedDim: number,
      heads: number,
      inProjWeight: Tensor | null,
      inProjBias: Tensor | null,
      biasK: Tensor | null,
      biasV: Tensor | null,
      addZeroAttn: boolean,
      dropoutP: number,
      outProjWeight: Tensor,
      outProjBias: Tensor | null,
      training: boolean,
      keyPaddingMask: Tensor | null,
      needWeights: boolean,
      attnMask: Tensor | null,
      useSeparateProjWeight: boolean,
      qProjWeight: Tensor | null,
      kProjWeight: Tensor | null,
      vProjWeight: Tensor | null,
      staticK: Tensor | null,
      staticV: Tensor | null,
      averageAttnWeights: boolean,
    ): (Tensor | null)[] /* prettier-ignore */ {
      const call = 'multiHeadAttentionForward';
      const single = query.shape.length === 2;
      if (!single && query.shape.length !== 3) throw new TenfoldError('shape', `${call}: query must be [l, n, e] or [l, e], got ${formatShape(query.shape)}`);
      const batch = (t: Tensor): Tensor => (single ? t.unsqueeze(1) : t);
      const same = query === key && key === value;
      const x = batch(query);
      const [k0, v0] = same ? [x, x] : [batch(key), batch(value)];
      const [l, n, e] = x.shape as unknown as [number, number, number];
      if (e !== embedDim) throw new TenfoldError('shape', `${call}: expected embedDim ${embedDim}, got ${e}`);
      if (e % heads !== 0) throw new TenfoldError('value', `${call}: embedDim ${e} is not divisible by ${heads} heads`);
      const headDim = e / heads;
      let [q, k, v] = projected(x, k0, v0, useSeparateProjWeight, inProjWeight, inProjBias, qProjWeight, kProjWeight, vProjWeight);

      // Masks as [n or 1, heads or 1, l or 1, s].
      let mask = attnMask === null ? null : attnMask.shape.length === 2 ? attnMask.view([1, 1, ...attnMask.shape]) : attnMask.view([n, heads, l, -1]);
      let padding = keyPaddingMask === null ? null : (single ? keyPaddingMask.unsqueeze(0) : keyPaddingMask).view([n, 1, 1, -1]);
      if (biasK !== null && biasV !== null) {
        k = cat([k, biasK.expand([1, n, e])]);
        v = cat([v, biasV.expand([1, n, e])]);
        [mask, padding] = [widened(mask), widened(padding)];
      }
      // [l, n, e] → [n, heads, l, headDim]
      const split = (t: Tensor): Tensor => t.reshape([t.shape[0]!, n, heads, headDim]).permute(1, 2, 0, 3);
      q = split(q);
      k = staticK === null ? split(k) : staticK.view([n, heads, -1, headDim]);
      v = staticV === null ? split(v) : staticV.view([n, heads, -1, headDim]);
      if (addZeroAttn) {
        const zeros = Tensor.zeros([n, heads, 1, headDim], k.code);
        [k, v] = [cat([k, zeros], 2), cat([v, zeros], 2)];
        [mask, padding] = [widened(mask), widened(padding)];
      }
      let scores = q.mul(1 / Math.sqrt(headDim)).matmul(k.transpose(-2, -1));
      if (mask !== null) scores = scores.add(additive(mask, x, false));
      if (padding !== null) scores = scores.add(additive(padding, x, false));
      const weights = scores.softmax(-1);
      const kept = training && dropoutP > 0 ? dropout(weights, dropoutP, true) : weights;
      const y = kept.matmul(v).permute(2, 0, 1, 3).reshape([l * n, e]);
      const out = linear(y, outProjWeight, outProjBias).view(l, n, outProjWeight.shape[0]!);
      let given = needWeights ? kept : null;
      if (given !== null && averageAttnWeights) given = given.mean(1);
      if (given !== null && single) given = given.squeeze(0);
      return [single ? out.squeeze(1) : out, given];
    },
    composite: true,
  }),
);

function projected(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  separate: boolean,
  weight: Tensor | null,
  bias: Tensor | null,
  qWeight: Tensor | null,
  kWeight: Tensor | null,
  vWeight: Tensor | null,
): [
  Tensor,
  Tensor,
  Tensor,
] /* prettier-ignore */ {
  if (!separate) {
    if (weight === null) throw new TenfoldError('value', 'multiHeadAttentionForward: inProjWeight is null; give it, or useSeparateProjWeight');
    return projectPacked(q, k, v, weight, bias) as [Tensor, Tensor, Tensor];
  }
  if (qWeight === null || kWeight === null || vWeight === null) {
    throw new TenfoldError('value', 'multiHeadAttentionForward: useSeparateProjWeight needs qProjWeight, kProjWeight and vProjWeight');
  }
  const parts = bias === null ? [null, null, null] : bias.chunk(3);
  return [linear(q, qWeight, parts[0]), linear(k, kWeight, parts[1]), linear(v, vWeight, parts[2])];
}
