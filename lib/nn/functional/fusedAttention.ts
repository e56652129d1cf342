/**
 * Attention by kernels that never have the whole matrix of weights in memory (native/kernels/attention.cc), and the formula
 * that they stand for: what second derivatives, masks with a gradient and dropout go through.
 */
import { Code } from '../../dtype.js';
import { mode } from '../../autograd/mode.js';
import { run, type Argument } from '../../launch/run.js';
import { kernel } from '../../native/launch.js';
import { where } from '../../ops/index.js';
import { all, defineOp, type OpDef } from '../../op/define.js';
import { throughFormula } from '../../op/formula.js';
import { broadcastShapes, denseStrides, internShape, isDense, sameShape, type Shape } from '../../tensor/shape.js';
import { capture } from '../../tensor/capture.js';
import { Tensor } from '../../tensor/tensor.js';

/** A mask as what is added to scores: a bool mask (true keeps) as 0 and −∞. */
export const additive = (mask: Tensor, like: Tensor, keeps: boolean): Tensor =>
  mask.code === Code.bool ? where(keeps ? mask : mask.logicalNot(), Tensor.zeros([], like.code), -Infinity) : mask;

/** Rows of a mask that leave nothing to attend to, as [..., l, 1]; null where there are none. (A replay would not look.) */
function deadRows(mask: Tensor): Tensor | null {
  if (mask.count === 0 || mask.shape.at(-1) === 0) return null;
  const dead = mask.code === Code.bool ? mask.any(-1, true).logicalNot() : mask.detach().amax(-1, true).eq(-Infinity);
  return capture !== null || dead.any().item<boolean>() ? dead : null;
}

/**
 * softmax(q kᵀ · factor + mask). Rows that the mask leaves nothing of have no weights, and so give 0 and have no part in any
 * gradient.
 */
export function attentionWeights(q: Tensor, k: Tensor, mask: Tensor | null, factor: number): Tensor {
  const [s, e] = [k.shape.at(-2)!, q.shape.at(-1)!];
  // The smaller of two places to scale in: queries have e elements for each s scores.
  let scores = e <= s ? q.mul(factor).matmul(k.transpose(-2, -1)) : q.matmul(k.transpose(-2, -1)).mul(factor);
  const dead = mask === null ? null : deadRows(mask);
  if (mask !== null) scores = scores.add(additive(mask, scores, true));
  return dead === null ? scores.softmax(-1) : scores.maskedFill(dead, 0).softmax(-1).maskedFill(dead, 0);
}

/** A bool mask [l, s] that keeps what is not later. */
export const causalMask = (l: number, s: number): Tensor => {
  const mask = Tensor.raw([l, s], Code.bool);
  mask.fill_(1);
  return mask.tril();
};

// ---- kernels ---------------------------------------------------------------------------------------------------------

const ATTENTION = kernel('attention');
const ATTENTION_BACKWARD = kernel('attentionBackward');

/** A tensor [n, heads, l, e] and its strides, whose last dim is dense. */
const strided = (t: Tensor): [Tensor, readonly number[]] => {
  const x = t.strides[3] === 1 || t.shape[3] === 1 ? t : t.rawDense();
  return [x, x.strides.slice(0, 3)];
};

/**
 * Memory for [n, heads, l, e]. With `inRows` the heads of a row lie together: what comes next then joins them without a copy,
 * as PyTorch's result lets it.
 */
function heads([n, h, l, e]: Shape, code: Code, inRows: boolean): Tensor {
  const shape = internShape([n!, h!, l!, e!]);
  const dense = Tensor.raw(inRows ? [n!, l!, h!, e!] : shape, code);
  if (!inRows) return dense;
  const [a, b, c, d] = denseStrides(dense.shape) as [number, number, number, number];
  const strides = [a, c, b, d];
  return new Tensor(dense.storage, 0, shape, strides, code, dense.count, isDense(shape, strides), null);
}
const inRows = (t: Tensor): boolean => t.strides[1]! < t.strides[2]!;

/** The numbers and operands that both kernels begin with. */
function operands(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, causal: boolean, scale: number): Argument[] {
  const [n, h, l, e] = q.shape as unknown as [number, number, number, number];
  const [, kvHeads, s, ev] = v.shape as unknown as [number, number, number, number];
  const kind = mask === null ? 0 : mask.code === Code.bool ? 1 : 2;
  const placed = [q, k, v].flatMap(strided);
  return [n, h, h / kvHeads, l, s, e, ev, causal, scale, ...placed, mask, kind, mask?.strides ?? [0, 0, 0, 0]];
}

/** The gradients of fusedAttention as a formula. */
function attentionGrads(
  grad: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor | null,
  causal: boolean,
  scale: number,
): Tensor[] {
  const group = q.shape[1]! / k.shape[1]!;
  const [keys, values] = [k, v].map((t) => (group === 1 ? t : t.repeatInterleave(group, 1))) as [Tensor, Tensor];
  const p = attentionWeights(q, keys, causal ? causalMask(q.shape[2]!, k.shape[2]!) : mask, scale);
  const dp = grad.matmul(values.transpose(-2, -1));
  const ds = p.mul(dp.sub(dp.mul(p).sum(-1, true))).mul(scale);
  const summed = (t: Tensor): Tensor => (group === 1 ? t : t.unflatten(1, [-1, group]).sum(2));
  return [ds.matmul(keys), summed(ds.transpose(-2, -1).matmul(q)), summed(p.transpose(-2, -1).matmul(grad))];
}

const fusedAttentionBackward = defineOp(
  'fusedAttentionBackward(Tensor grad, Tensor query, Tensor key, Tensor value, Tensor? mask, Tensor output, Tensor logsumexp, bool causal, float scale) -> (gradQuery, gradKey, gradValue)',
  (): OpDef => ({
    forward(
      grad: Tensor,
      q: Tensor,
      k: Tensor,
      v: Tensor,
      mask: Tensor | null,
      y: Tensor,
      lse: Tensor,
      causal: boolean,
      scale: number,
    ) {
      const out = [q, k, v].map((t) => heads(t.shape, t.code, inRows(t)));
      const first = operands(q, k, v, mask, causal, scale);
      run(ATTENTION_BACKWARD[q.code]!, ...first, ...strided(grad), ...strided(y), lse, ...out.flatMap(strided));
      return out;
    },
    backward: all(['grad', 'query', 'key', 'value', 'mask'], (grads, { grad, query, key, value, mask }, call) => {
      const formula = ([g, q, k, v]: (Tensor | null)[]): Tensor[] =>
        attentionGrads(g!, q!, k!, v!, mask, call.causal, call.scale);
      return [...throughFormula([grad, query, key, value], formula, grads), null, null, null];
    }),
  }),
);

/**
 * Attention of query [n, heads, l, e] to key [n, kvHeads, s, e] and value [n, kvHeads, s, ev], kvHeads a divisor of heads, under
 * an expanded mask [n, heads, l, s] that has no gradient. The logarithms of the sums [n, heads, l] are the backward pass's.
 */
const fusedAttention = defineOp(
  'fusedAttention(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, float scale) -> (output, logsumexp)',
  (): OpDef => ({
    forward(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, causal: boolean, scale: number) {
      const [n, h, l] = q.shape as unknown as [number, number, number];
      const y = heads([n, h, l, v.shape[3]!], q.code, true);
      const lse = Tensor.raw([n, h, l], q.code);
      run(ATTENTION[q.code]!, ...operands(q, k, v, mask, causal, scale), ...strided(y), lse);
      return [y, lse];
    },
    backward: all(
      ['query', 'key', 'value', 'mask', 'result', 'result1'],
      (grads, { query, key, value, mask, result, result1 }, call) => [
        ...(fusedAttentionBackward(
          grads[0], query, key, value, mask, result, result1, call.causal, call.scale,
        ) as unknown as Tensor[]),
        null,
      ], // prettier-ignore
    ),
    gradName: 'ScaledDotProductFlashAttentionForCpuBackward0',
  }),
);

/** A mask as the kernels read it, expanded to [n, heads, l, s]. */
function expandedMask(mask: Tensor, code: Code, shape: Shape): Tensor {
  const own = mask.code === Code.bool || mask.code === code ? mask : mask.to(code === Code.f64 ? 'float64' : 'float32');
  const step = own.strides.at(-1) ?? 0;
  const readable = own.shape.length === 0 || own.shape.at(-1) === 1 || step === 1 ? own : own.rawDense();
  return readable.detach().expand([...shape]);
}

/**
 * Scaled dot product attention by the kernels; null where they can't, as the batch has more than two dims, there is nothing to
 * compute or the mask wants a gradient. Batches broadcast; with fewer heads of key and value than of query each serves a group.
 */
export function attendFused(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor | null,
  causal: boolean,
  scale: number,
  grouped: boolean,
): Tensor | null {
  const dims = Math.max(q.shape.length, k.shape.length, v.shape.length, mask?.shape.length ?? 0);
  if (dims > 4 || q.count === 0 || k.count === 0 || v.count === 0) return null;
  if (mask !== null && mode.grad && mask.requiresGrad) return null;
  const four = (t: Tensor): Tensor =>
    t.shape.length === 4 ? t : t.view([...new Array<number>(4 - t.shape.length).fill(1), ...t.shape]);
  let [x, y, z] = [four(q), four(k), four(v)];
  const call = 'scaledDotProductAttention';
  if (grouped && y.shape[1] !== z.shape[1]) return null;
  const from = grouped ? 1 : 2; // how many dims of the batch must be equal
  const common = [x, y, z]
    .map((t): Shape => t.shape.slice(0, from))
    .reduce((a, b) => (sameShape(a, b) ? a : broadcastShapes(call, a, b)));
  const expand = (t: Tensor): Tensor =>
    sameShape(t.shape.slice(0, from), common) ? t : t.expand(...common, ...t.shape.slice(from));
  [x, y, z] = [expand(x), expand(y), expand(z)];
  const shape = [x.shape[0]!, x.shape[1]!, x.shape[2]!, y.shape[2]!];
  const m = mask === null ? null : expandedMask(mask, q.code, shape);
  const out = (fusedAttention(x, y, z, m, causal, scale) as unknown as Tensor[])[0]!;
  if (dims === 4) return out;
  return out.view([...out.shape.slice(4 - dims)]);
}
