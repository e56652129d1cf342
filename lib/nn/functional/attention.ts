/** Attention: scaled dot products, and several heads of them with their projections. */
import { TenfoldError } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { formatShape, sameShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { cat } from '../../ops/index.js';
import { dropout } from './dropout.js';
import { additive, attendFused, attentionWeights, causalMask } from './fusedAttention.js';
import { linear } from './linear.js';

/** Half types as float32: a sum of products is rounded once, at the end, as PyTorch does. */
const wide = (t: Tensor): Tensor => (t.code >= Code.f16 ? t.float() : t);

/** softmax(q kᵀ · factor + mask) v: by the kernels where they can, else by the formula. */
function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor | null,
  causal: boolean,
  factor: number,
  dropoutP: number,
  grouped: boolean,
): Tensor {
  const fused = dropoutP > 0 ? null : attendFused(q, k, v, mask, causal, factor, grouped);
  if (fused !== null) return fused;
  const [keys, values] = grouped ? [groupedHeads(q, k), groupedHeads(q, v)] : [k, v];
  const kept = causal ? causalMask(q.shape.at(-2)!, k.shape.at(-2)!) : mask;
  let weights = attentionWeights(q, keys, kept, factor);
  if (dropoutP > 0) weights = dropout(weights, dropoutP, true);
  return weights.matmul(values);
}

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

function checkGroups(q: Tensor, t: Tensor): void {
  const [heads, own] = [q.shape.at(-3), t.shape.at(-3)];
  if (q.shape.length < 3 || t.shape.length < 3 || own === 0 || heads! % own! !== 0) {
    throw new TenfoldError(
      'shape',
      `scaledDotProductAttention: with enableGqa, the heads of key and value must divide those of query [..., heads, l, e], got ${formatShape(q.shape)} and ${formatShape(t.shape)}`,
    );
  }
}
/** Keys or values of fewer heads than the queries have, each for a group of neighbouring heads. */
function groupedHeads(q: Tensor, t: Tensor): Tensor {
  const group = q.shape.at(-3)! / t.shape.at(-3)!;
  return group === 1 ? t : t.repeatInterleave(group, -3);
}

function checkMask(q: Tensor, k: Tensor, mask: Tensor): void {
  if (mask.code !== Code.bool && mask.code !== q.code && mask.code !== Code.f32) {
    throw new TenfoldError(
      'dtype',
      `scaledDotProductAttention: attnMask must be bool or ${q.dtype} as the query, got ${mask.dtype}`,
    );
  }
  const [l, s] = [q.shape.at(-2)!, k.shape.at(-2)!];
  if (![1, l].includes(mask.shape.at(-2) ?? 1) || ![1, s].includes(mask.shape.at(-1) ?? 1)) {
    throw new TenfoldError(
      'shape',
      `scaledDotProductAttention: attnMask must broadcast to [..., ${l}, ${s}], got ${formatShape(mask.shape)}`,
    );
  }
}

/**
 * softmax(query keyᵀ · scale + mask) value, for query [..., l, e], key [..., s, e], value [..., s, ev]. A bool attnMask keeps
 * where it is true, any other is added; rows of which nothing is kept are 0. `isCausal` keeps what is not later; scale null is
 * 1 / √e; with `enableGqa` each head of key and value serves a group of heads of the query. See
 * torch.nn.functional.scaled_dot_product_attention.
 */
export const scaledDotProductAttention = defineOp(
  'scaledDotProductAttention(Tensor query, Tensor key, Tensor value, Tensor? attnMask=null, float dropoutP=0, bool isCausal=false, *, float? scale=null, bool enableGqa=false)',
  (): OpDef => ({
    forward(
      q: Tensor,
      k: Tensor,
      v: Tensor,
      attnMask: Tensor | null,
      dropoutP: number,
      isCausal: boolean,
      scale: number | null,
      enableGqa: boolean,
    ) {
      checkAttention('scaledDotProductAttention', q, k, v);
      if (isCausal && attnMask !== null) {
        throw new TenfoldError(
          'value',
          'scaledDotProductAttention: isCausal stands for a mask; give either it or attnMask',
        );
      }
      if (!(dropoutP >= 0 && dropoutP <= 1))
        throw new RangeError(`scaledDotProductAttention: dropoutP must be from 0 to 1, got ${dropoutP}`);
      if (attnMask !== null) checkMask(q, k, attnMask);
      if (enableGqa) for (const t of [k, v]) checkGroups(q, t);
      const factor = scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
      const mask = attnMask === null ? null : wide(attnMask);
      const y = attend(wide(q), wide(k), wide(v), mask, isCausal, factor, dropoutP, enableGqa);
      return y.code === q.code ? y : y.to(q.dtype);
    },
    composite: true,
  }),
);

/** One column of zeros (nothing masked) behind a mask's last dim. */
const widened = (mask: Tensor | null): Tensor | null =>
  mask === null ? null : cat([mask, Tensor.zeros([...mask.shape.slice(0, -1), 1], mask.code)], -1);

/** Masks of the heads, bool or added, as what is added to scores: [n or 1, heads or 1, l or 1, s]. */
function checkedMasks(
  call: string,
  [l, n, s, heads]: readonly [number, number, number, number],
  like: Tensor,
  attnMask: Tensor | null,
  keyPaddingMask: Tensor | null,
): [mask: Tensor | null, padding: Tensor | null] {
  for (const [
    name,
    mask,
    shapes,
  ] of [
    ['attnMask', attnMask, [[l, s], [n * heads, l, s]]],
    ['keyPaddingMask', keyPaddingMask, [[n, s]]],
  ] as const /* prettier-ignore */) {
    if (mask === null) continue;
    if (mask.code !== Code.bool && !isFloatCode(mask.code))
      throw new TenfoldError('dtype', `${call}: ${name} must be bool or floating-point, got ${mask.dtype}`);
    if (!shapes.some((shape) => sameShape(shape, mask.shape))) {
      throw new TenfoldError(
        'shape',
        `${call}: ${name} must be ${shapes.map(formatShape).join(' or ')}, got ${formatShape(mask.shape)}`,
      );
    }
  }
  return [
    attnMask === null ? null : additive(attnMask.shape.length === 2 ? attnMask.view([1, 1, l, s]) : attnMask.view([n, heads, l, s]), like, false),
    keyPaddingMask === null ? null : additive(keyPaddingMask.view([n, 1, 1, s]), like, false),
  ]; // prettier-ignore
}

/** Keys or values given as they are, [n · heads, s, headDim]. */
function staticHeads(call: string, name: string, t: Tensor, n: number, heads: number, headDim: number): Tensor {
  if (t.shape.length !== 3 || t.shape[0] !== n * heads || t.shape[2] !== headDim) {
    throw new TenfoldError(
      'shape',
      `${call}: ${name} must be [${n * heads}, s, ${headDim}], got ${formatShape(t.shape)}`,
    );
  }
  return t.view([n, heads, -1, headDim]);
}

function checkHeads(call: string, query: Tensor, key: Tensor, value: Tensor, sameProjection: boolean): void {
  const dims = query.shape.length;
  const shapes = [query, key, value].map((t) => formatShape(t.shape)).join(', ');
  if ((dims !== 2 && dims !== 3) || key.shape.length !== dims || value.shape.length !== dims) {
    throw new TenfoldError(
      'shape',
      `${call}: query, key and value must be [l, n, e], or [l, e] for one sample, got ${shapes}`,
    );
  }
  const of = (t: Tensor): readonly number[] => (sameProjection ? t.shape : t.shape.slice(0, -1));
  if (!sameShape(of(key), of(value)) || (dims === 3 && query.shape[1] !== key.shape[1]))
    throw new TenfoldError('shape', `${call}: query, key and value don't fit each other: ${shapes}`);
}

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
 * they are true. `isCausal` says that attnMask, which must be there, is causal. Where everything is masked a row is 0, with
 * needWeights NaN, as in PyTorch. See torch.nn.functional.multi_head_attention_forward.
 */
export const multiHeadAttentionForward = defineOp(
  'multiHeadAttentionForward(Tensor query, Tensor key, Tensor value, int embedDimToCheck, int numHeads, Tensor? inProjWeight, Tensor? inProjBias, Tensor? biasK, Tensor? biasV, bool addZeroAttn, float dropoutP, Tensor outProjWeight, Tensor? outProjBias, bool training=true, Tensor? keyPaddingMask=null, bool needWeights=true, Tensor? attnMask=null, bool useSeparateProjWeight=false, Tensor? qProjWeight=null, Tensor? kProjWeight=null, Tensor? vProjWeight=null, Tensor? staticK=null, Tensor? staticV=null, bool averageAttnWeights=true, bool isCausal=false) -> Tensor[]',
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
      isCausal: boolean,
    ): (Tensor | null)[] /* prettier-ignore */ {
      const call = 'multiHeadAttentionForward';
      checkHeads(call, query, key, value, !useSeparateProjWeight);
      const single = query.shape.length === 2;
      const batch = (t: Tensor): Tensor => (single ? t.unsqueeze(1) : t);
      const same = query === key && key === value;
      const x = batch(query);
      const [k0, v0] = same ? [x, x] : [batch(key), batch(value)];
      const [l, n, e] = x.shape as unknown as [number, number, number];
      if (e !== embedDim) throw new TenfoldError('shape', `${call}: expected embedDim ${embedDim}, got ${e}`);
      if (e % heads !== 0) throw new TenfoldError('value', `${call}: embedDim ${e} is not divisible by ${heads} heads`);
      if ((biasK === null) !== (biasV === null)) throw new TenfoldError('value', `${call}: biasK and biasV are given together or not at all`);
      if (isCausal && attnMask === null) throw new TenfoldError('value', `${call}: isCausal is a hint about attnMask, which is null`);
      const headDim = e / heads;
      const sizes = [l, n, k0.shape[0]!, heads] as const;
      let [mask, padding] = checkedMasks(call, sizes, x, attnMask, single && keyPaddingMask?.shape.length === 1 ? keyPaddingMask.unsqueeze(0) : keyPaddingMask);
      let [q, k, v] = projected(x, k0, v0, useSeparateProjWeight, inProjWeight, inProjBias, qProjWeight, kProjWeight, vProjWeight);
      if (biasK !== null && biasV !== null) {
        k = cat([k, biasK.expand([1, n, e])]);
        v = cat([v, biasV.expand([1, n, e])]);
        [mask, padding] = [widened(mask), widened(padding)];
      }
      // [l, n, e] → [n, heads, l, headDim]
      const split = (t: Tensor): Tensor => t.reshape([t.shape[0]!, n, heads, headDim]).permute(1, 2, 0, 3);
      q = split(q);
      k = staticK === null ? split(k) : staticHeads(call, 'staticK', staticK, n, heads, headDim);
      v = staticV === null ? split(v) : staticHeads(call, 'staticV', staticV, n, heads, headDim);
      if (addZeroAttn) {
        const zeros = Tensor.zeros([n, heads, 1, headDim], k.code);
        [k, v] = [cat([k, zeros], 2), cat([v, zeros], 2)];
        [mask, padding] = [widened(mask), widened(padding)];
      }
      const causal = isCausal && padding === null && !needWeights;
      const both = padding === null ? mask : mask === null ? padding : mask.add(padding);
      const drop = training ? dropoutP : 0;
      let [y, given]: [Tensor, Tensor | null] = needWeights
        ? weighted(q, k, v, both, drop)
        : [scaledDotProductAttention(q, k, v, causal ? null : both, drop, causal), null];
      y = y.permute(2, 0, 1, 3).reshape([l * n, e]);
      const out = linear(y, outProjWeight, outProjBias).view(l, n, outProjWeight.shape[0]!);
      if (given !== null && averageAttnWeights) given = given.mean(1);
      if (given !== null && single) given = given.squeeze(0);
      return [single ? out.squeeze(1) : out, given];
    },
    composite: true,
  }),
);

/** Attention whose weights are wanted as well. */
function weighted(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, dropoutP: number): [Tensor, Tensor] {
  let scores = wide(q).mul(1 / Math.sqrt(q.shape.at(-1)!)).matmul(wide(k).transpose(-2, -1)); // prettier-ignore
  if (mask !== null) scores = scores.add(mask);
  let weights = scores.softmax(-1);
  if (dropoutP > 0) weights = dropout(weights, dropoutP, true);
  const y = weights.matmul(wide(v));
  return q.code === y.code ? [y, weights] : [y.to(q.dtype), weights.to(q.dtype)];
}

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
