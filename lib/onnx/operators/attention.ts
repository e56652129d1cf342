/** Attention and its relatives. */
import { TenfoldError } from '../../errors.js';
import { Code } from '../../dtype.js';
import { cat, stack, where } from '../../ops/index.js';
import { arange, full, zeros, zerosLike } from '../../ops/creation.js';
import * as F from '../../nn/functional/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, operators, table } from '../signature.js';
import { dtypeFor } from '../tensors.js';
import { softmax } from './activation.js';

interface Attention {
  is_causal: number;
  q_num_heads: number | null;
  kv_num_heads: number | null;
  scale: number | null;
  softcap: number;
  softmax_precision: number | null;
  qk_matmul_output_mode: number;
  left_window_size: number;
  right_window_size: number;
  opset: number;
  wants: readonly boolean[];
}
interface AttentionInputs {
  q: Tensor;
  k: Tensor;
  v: Tensor;
  mask: Tensor | null;
  pastKey: Tensor | null;
  pastValue: Tensor | null;
  lengths: Tensor | null;
}

/** [batch, length, heads × size] as [batch, heads, length, size]. */
function heads(call: string, x: Tensor, count: number | null): Tensor {
  if (x.ndim === 4) return x;
  if (count === null || count <= 0)
    throw new TenfoldError('value', `${call}: inputs of 3 dims need the number of heads`);
  return x.reshape([x.shape[0]!, x.shape[1]!, count, -1]).transpose(1, 2);
}
/** Each head of k or v for as many heads of q. */
const shared = (x: Tensor, count: number): Tensor =>
  x.shape[1] === count ? x : x.repeatInterleave(count / x.shape[1]!, 1);

/** Which keys a query may see, as a bool tensor that broadcasts to [batch, heads, queries, keys]; null for all. */
function visible(
  a: Attention,
  { mask, pastKey, lengths }: AttentionInputs,
  queries: number,
  keys: number,
): Tensor | null {
  let seen: Tensor | null = null;
  const also = (t: Tensor): void => void (seen = seen === null ? t : seen.logicalAnd(t));
  const key = arange(keys).reshape(1, 1, 1, keys);
  if (a.is_causal || a.left_window_size >= 0 || a.right_window_size >= 0) {
    // Keys before the first query: those of the past, or of a cache that is kept outside.
    const offset =
      lengths !== null && pastKey === null
        ? lengths.to('int64').sub(queries).reshape(-1, 1, 1, 1)
        : full([1, 1, 1, 1], pastKey?.shape[2] ?? 0, { dtype: 'int64' });
    const query = arange(queries).reshape(1, 1, queries, 1).add(offset);
    if (a.is_causal) also(key.le(query));
    if (a.left_window_size >= 0) also(key.ge(query.sub(a.left_window_size)));
    if (a.right_window_size >= 0) also(key.le(query.add(a.right_window_size)));
  }
  if (lengths !== null) also(key.lt(lengths.to('int64').reshape(-1, 1, 1, 1)));
  if (mask !== null && mask.code === Code.bool)
    also(mask.shape.at(-1)! < keys ? F.pad(mask.to('uint8'), [0, keys - mask.shape.at(-1)!]).to('bool') : mask);
  return seen;
}

function attention(a: Attention, inputs: AttentionInputs): Tensor[] {
  const q = heads('Attention', inputs.q, a.q_num_heads);
  const newKey = heads('Attention', inputs.k, a.kv_num_heads);
  const newValue = heads('Attention', inputs.v, a.kv_num_heads);
  const key = inputs.pastKey === null ? newKey : cat([inputs.pastKey, newKey], 2);
  const value = inputs.pastValue === null ? newValue : cat([inputs.pastValue, newValue], 2);
  const [batch, count, queries] = q.shape as [number, number, number];
  const keys = key.shape[2]!;
  // Rounded to the operands' dtype, as the operator's definition by others does.
  const scale = full([], Math.sqrt(a.scale ?? 1 / Math.sqrt(q.shape[3]!)), { dtype: q.dtype });
  const product = q.mul(scale).matmul(shared(key, count).mul(scale).to(q.dtype).transpose(2, 3));
  const capped = a.softcap ? product.div(a.softcap).tanh().mul(a.softcap).to(q.dtype) : product;
  let scores = capped;
  let { mask } = inputs;
  if (mask !== null && mask.code !== Code.bool) {
    if (mask.shape.at(-1)! < keys) mask = F.pad(mask, [0, keys - mask.shape.at(-1)!], 'constant', -Infinity);
    scores = scores.add(mask);
  }
  const seen = visible(a, inputs, queries, keys);
  if (seen !== null) scores = where(seen, scores, full([], -Infinity, { dtype: scores.dtype }));
  const exact = a.softmax_precision === null ? scores : scores.to(dtypeFor('Attention', a.softmax_precision));
  let weights = softmax(exact, -1).to(q.dtype);
  // A query that sees no key gets zeros.
  if (seen !== null || mask !== null)
    weights = where(scores.eq(-Infinity).to('uint8').amin(-1, true).to('bool'), zerosLike(weights), weights);
  let y = weights.matmul(shared(value, count));
  if (inputs.q.ndim === 3) y = y.transpose(1, 2).reshape([batch, queries, -1]);
  const stages = [product, capped, scores, weights];
  return [y, key, value, stages[a.qk_matmul_output_mode]!.expand(batch, count, queries, keys)];
}

interface Rotary {
  num_heads: number | null;
  rotary_embedding_dim: number;
  interleaved: number;
}
/** Pairs of elements turned by the angles of their positions. */
function rotary(a: Rotary, input: Tensor, cosines: Tensor, sines: Tensor, positions: Tensor | null): Tensor {
  // [batch, length, heads, size]
  const x =
    input.ndim === 4 ? input.transpose(1, 2) : input.reshape([input.shape[0]!, input.shape[1]!, a.num_heads ?? 1, -1]);
  const size = x.shape[3]!;
  const dim = a.rotary_embedding_dim || size;
  const half = dim / 2;
  const angles = (t: Tensor): Tensor => {
    const rows =
      positions === null
        ? t
        : t.indexSelect(0, positions.to('int64').reshape([positions.count])).reshape([...positions.shape, t.shape[1]!]);
    return rows.narrow(-1, 0, half).unsqueeze(2);
  };
  const [cos, sin] = [angles(cosines), angles(sines)];
  const turned = x.narrow(3, 0, dim);
  const even = a.interleaved ? turned.slice(3, 0, dim, 2) : turned.narrow(3, 0, half);
  const odd = a.interleaved ? turned.slice(3, 1, dim, 2) : turned.narrow(3, half, half);
  const real = cos.mul(even).sub(sin.mul(odd));
  const imaginary = sin.mul(even).add(cos.mul(odd));
  const pairs = a.interleaved ? stack([real, imaginary], -1).reshape([...turned.shape]) : cat([real, imaginary], 3);
  const y = dim < size ? cat([pairs, x.narrow(3, dim, size - dim)], 3) : pairs;
  return input.ndim === 4 ? y.transpose(1, 2) : y.reshape([...input.shape]);
}

interface Linear {
  q_num_heads: number;
  kv_num_heads: number;
  scale: number;
  update_rule: string;
}
/** A state of keys × values for each head, updated step by step. */
function linearAttention(
  a: Linear,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  past: Tensor | null,
  decay: Tensor | null,
  beta: Tensor | null,
): Tensor[] {
  const [batch, length] = query.shape as [number, number];
  const { q_num_heads: count, kv_num_heads: n, update_rule: rule } = a;
  const split = (x: Tensor, h: number): Tensor => x.reshape([batch, length, h, -1]);
  const q = split(query, count);
  const k = split(key, n);
  const v = split(value, n);
  const gates = rule === 'gated' || rule === 'gated_delta';
  const corrects = rule === 'delta' || rule === 'gated_delta';
  if (!gates && !corrects && rule !== 'linear')
    throw new TenfoldError('value', `LinearAttention: unknown update_rule '${rule}'`);
  if ((gates && decay === null) || (corrects && beta === null))
    throw new TenfoldError(
      'value',
      `LinearAttention: update_rule '${rule}' needs ${gates && decay === null ? 'decay' : 'beta'}`,
    );
  const scale = a.scale || 1 / Math.sqrt(q.shape[3]!);
  let state = past ?? zeros([batch, n, k.shape[3]!, v.shape[3]!], { dtype: query.dtype });
  const outputs: Tensor[] = [];
  for (let t = 0; t < length; t++) {
    // [batch, n, keys, 1] and [batch, n, 1, values]
    const kt = k.select(1, t).unsqueeze(3);
    let vt = v.select(1, t).unsqueeze(2);
    if (gates) state = state.mul(split(decay!, n).select(1, t).exp().unsqueeze(3));
    if (corrects) {
      const rate = beta!.select(1, t).reshape([batch, -1, 1, 1]);
      vt = vt.sub(kt.transpose(2, 3).matmul(state)).mul(rate);
    }
    state = state.add(kt.mul(vt));
    const qt = q.select(1, t).unsqueeze(2);
    outputs.push(qt.matmul(shared(state, count)).mul(scale).to(query.dtype).reshape([batch, -1]));
  }
  return [
    outputs.length > 0 ? stack(outputs, 1) : zeros([batch, 0, count * v.shape[3]!], { dtype: query.dtype }),
    state,
  ];
}

export const ATTENTION = table(
  operators(
    'Attention(Tensor Q, Tensor K, Tensor V, Tensor? attn_mask, Tensor? past_key, Tensor? past_value, Tensor? nonpad_kv_seqlen; int is_causal=0, int? q_num_heads, int? kv_num_heads, float? scale, float softcap=0, int? softmax_precision, int qk_matmul_output_mode=0, int left_window_size=-1, int right_window_size=-1)',
    (
      a,
      q: Tensor,
      k: Tensor,
      v: Tensor,
      mask: Tensor | null,
      pastKey: Tensor | null,
      pastValue: Tensor | null,
      lengths: Tensor | null,
    ) => attention(a, { q, k, v, mask, pastKey, pastValue, lengths }),
  ),
  operator(
    'RotaryEmbedding(Tensor X, setting cos_cache, setting sin_cache, Tensor? position_ids; int? num_heads, int rotary_embedding_dim=0, int interleaved=0)',
    (a, x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | null) => rotary(a, x, cos, sin, positions),
  ),
  operators(
    'LinearAttention(Tensor query, Tensor key, Tensor value, Tensor? past_state, Tensor? decay, Tensor? beta; int q_num_heads, int kv_num_heads, float scale=0, string update_rule=gated_delta, int chunk_size=64)',
    (a, q: Tensor, k: Tensor, v: Tensor, past: Tensor | null, decay: Tensor | null, beta: Tensor | null) =>
      linearAttention(a, q, k, v, past, decay, beta),
  ),
);
