/**
 * Batching rules: how an op does for all samples at once what it would do for one. A rule gets the call as the function made it and
 * works on the tensors of all samples; null where it doesn't fit, and the op then goes sample by sample.
 *
 * A new rule: the op's name in one of the families below, or a function of its own.
 */
import { wrapDim } from '../tensor/shape.js';
import { NamedTensors, mapNamed } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';
import type { OpRecord } from '../op/define.js';
import type { Level } from './batching.js';

/** null where the rule doesn't fit this call. */
export type Rule = (level: Level, op: OpRecord, args: readonly unknown[]) => unknown;

/** The results of an op on batches, as samples again. */
function samples(level: Level, result: unknown): unknown {
  if (result instanceof Tensor) return level.wrap(result);
  if (result instanceof NamedTensors) return mapNamed(result, (t) => level.wrap(t));
  return Array.isArray(result) ? result.map((t) => level.wrap(t as Tensor)) : null;
}
const call = (level: Level, op: OpRecord, args: unknown[]): unknown =>
  samples(
    level,
    level.outside(() => op.run(args)),
  );
/** Whether only the first argument is one of samples. */
const onlyFirst = (level: Level, args: readonly unknown[]): boolean =>
  level.fullOf(args[0]) !== null &&
  args
    .slice(1)
    .every((a) => level.fullOf(a) === null && !(Array.isArray(a) && a.some((x) => level.fullOf(x) !== null)));

/** Ones behind the dim of samples, up to `rank` dims of a sample. */
const ranked = (full: Tensor, rank: number): Tensor =>
  full.shape.length - 1 === rank
    ? full
    : full.reshape([
        full.shape[0]!,
        ...new Array<number>(rank - full.shape.length + 1).fill(1),
        ...full.shape.slice(1),
      ]);

/** Element by element, with broadcasting. */
const elementwise: Rule = (level, op, args) => {
  const tensors = args.filter((a): a is Tensor => a instanceof Tensor);
  const rank = Math.max(...tensors.map((t) => t.shape.length));
  // A 0-dim sample doesn't widen the dtype of others, as a dim of samples would.
  if (tensors.some((t) => t.code !== tensors[0]!.code) && tensors.some((t) => t.shape.length === 0)) return null;
  return call(
    level,
    op,
    args.map((a) => {
      const full = level.fullOf(a);
      return full === null ? a : level.outside(() => ranked(full, rank));
    }),
  );
};
/** The dims of the first argument's sample that the op names are one further back. */
const alongDims: Rule = (level, op, args) => {
  const rank = (args[0] as Tensor).shape.length;
  if (rank === 0 || !onlyFirst(level, args) || args.slice(1).some((a) => a instanceof Tensor)) return null;
  // linalg's norm counts dims where none is named.
  if (op.sig.name === 'norm' && op.sig.params.some((p) => p.name === 'ord')) return null;
  const out = [level.fullOf(args[0])!, ...args.slice(1)] as unknown[];
  let named = false;
  for (const [i, p] of op.sig.params.entries()) {
    if (!['dim', 'dim0', 'dim1', 'dims', 'source', 'destination', 'startDim', 'endDim'].includes(p.name)) continue;
    named = true;
    const dim = args[i];
    const behind = (d: number): number => wrapDim(op.sig.name, d, rank) + 1;
    if (typeof dim === 'number') out[i] = behind(dim);
    else if (Array.isArray(dim) && dim.length > 0) out[i] = (dim as number[]).map(behind);
    else if (p.kind === 'int[]' && op.sig.name !== 'squeeze' && op.sig.name !== 'roll')
      out[i] = Array.from({ length: rank }, (_, d) => d + 1);
    else return null;
  }
  return named ? call(level, op, out) : null;
};
/** Sizes behind that of samples. */
const sizes: Rule = (level, op, args) => {
  const [self, given] = args as [Tensor, number | readonly number[]];
  const full = level.fullOf(self)!;
  const size = typeof given === 'number' ? [given] : [...given];
  if (op.sig.name === 'expand') {
    const wide = level.outside(() => ranked(full, Math.max(size.length, self.shape.length)));
    return call(level, op, [wide, [level.size, ...size]]);
  }
  // Samples of a batch may lie further apart than a view allows.
  if (size.includes(-1) && level.size === 0) return null;
  return samples(
    level,
    level.outside(() => full.reshape([level.size, ...size])),
  );
};
/** The first argument's leading dims are the op's own affair: one more doesn't matter. */
const leading: Rule = (level, op, args) => {
  if (!onlyFirst(level, args) || (args[0] as Tensor).shape.length === 0) return null;
  return call(level, op, [level.fullOf(args[0])!, ...args.slice(1)]);
};
/** Samples are images, or batches of them, which become one batch; by the number of the op's spatial dims. */
const folded =
  (spatial: number): Rule =>
  (level, op, args) => {
    if (!onlyFirst(level, args)) return null;
    const full = level.fullOf(args[0])!;
    const rank = full.shape.length - 1;
    if (rank === spatial + 1) return call(level, op, [full, ...args.slice(1)]);
    if (rank !== spatial + 2) return null;
    const [size, n] = full.shape as unknown as [number, number];
    const result = level.outside(() => {
      const out = op.run([full.reshape([size * n, ...full.shape.slice(2)]), ...args.slice(1)]);
      const parted = (t: Tensor): Tensor => t.reshape([size, n, ...t.shape.slice(1)]);
      return out instanceof NamedTensors ? mapNamed(out, parted) : parted(out as Tensor);
    });
    return samples(level, result);
  };
/** Whatever the shape. */
const alone: Rule = (level, op, args) =>
  onlyFirst(level, args) ? call(level, op, [level.fullOf(args[0])!, ...args.slice(1)]) : null;
const joining: Rule = (level, op, args) => {
  const [list, dim] = args as [Tensor[], number];
  const rank = list[0]!.shape.length + (op.sig.name === 'stack' ? 1 : 0);
  if (rank === 0) return null;
  return call(level, op, [list.map((t) => level.expanded(t)), wrapDim(op.sig.name, dim, rank) + 1]);
};
/** Both of samples, or one of them: products of the last two dims. */
const product: Rule = (level, op, args) => {
  const [a, b] = args as [Tensor, Tensor];
  const [left, right] = [a.shape.length, b.shape.length];
  const wrong = { mm: left !== 2 || right !== 2, bmm: left !== 3 || right !== 3, mv: left !== 2 || right !== 1, dot: left !== 1 || right !== 1 }; // prettier-ignore
  if (left === 0 || right === 0 || (wrong as Record<string, boolean>)[op.sig.name] === true) return null;
  if (a.shape.at(-1) !== b.shape.at(right === 1 ? -1 : -2)) return null;
  return level.wrap(
    level.outside(() => {
      const rank = Math.max(left, right, 2);
      const [x, y] = [level.fullOf(a) ?? a.unsqueeze(0), level.fullOf(b) ?? b.unsqueeze(0)];
      const matrix = left === 1 ? x.unsqueeze(1) : x;
      const other = right === 1 ? y.unsqueeze(-1) : y;
      let out = ranked(matrix, rank).matmul(ranked(other, rank));
      if (left === 1) out = out.squeeze(-2);
      return right === 1 ? out.squeeze(-1) : out;
    }),
  );
};
const linear: Rule = (level, op, args) => {
  const [input, weight, bias] = args as [Tensor, Tensor, Tensor | null];
  if (onlyFirst(level, args) && input.shape.length > 0) return call(level, op, [level.fullOf(input)!, weight, bias]);
  if (weight.shape.length !== 2 || input.shape.length === 0) return null;
  return level.inside(() => {
    const out = input.matmul(weight.t());
    return bias === null ? out : out.add(bias);
  });
};
const attention: Rule = (level, op, args) =>
  args.slice(0, 3).some((t) => (t as Tensor).shape.length < 2) || level.fullOf(args[3]) !== null
    ? null
    : call(level, op, [...args.slice(0, 3).map((t) => level.expanded(t as Tensor)), ...args.slice(3)]);
const unsqueezed: Rule = (level, op, args) => {
  const rank = (args[0] as Tensor).shape.length;
  return call(level, op, [level.fullOf(args[0])!, wrapDim('unsqueeze', args[1] as number, rank + 1) + 1]);
};
const permuted: Rule = (level, op, args) => {
  const rank = (args[0] as Tensor).shape.length;
  const dims = (args[1] as number[]).map((d) => wrapDim('permute', d, rank) + 1);
  return call(level, op, [level.fullOf(args[0])!, [0, ...dims]]);
};
const transposedMatrix: Rule = (level, _, args) => {
  const rank = (args[0] as Tensor).shape.length;
  if (rank > 2) return null;
  const full = level.fullOf(args[0])!;
  return level.wrap(level.outside(() => (rank < 2 ? full.alias() : full.transpose(1, 2))));
};
/** Rows at indices: both of samples. */
const gathered: Rule = (level, op, args) => {
  const [self, dim, index, ...rest] = args as [Tensor, number, Tensor];
  if (self.shape.length === 0 || !(index instanceof Tensor)) return null;
  const at = wrapDim(op.sig.name, dim, self.shape.length) + 1;
  return call(level, op, [level.expanded(self), at, level.expanded(index), ...rest]);
};

const RULES = new Map<string, Rule>();
const family = (rule: Rule, names: string): void => {
  for (const name of names.split(/\s+/)) if (name !== '') RULES.set(name, rule);
};
family(elementwise, `
  abs acos acosh add addcdiv addcmul angle asin asinh atan atan2 atanh  bitwiseAnd bitwiseNot bitwiseOr bitwiseXor 
  ceil celu clamp clampMax clampMin  copysign cos cosh deg2rad digamma div  elu eq erf erfc erfinv exp exp2 expit expm1
   floatPower floor floorDivide fmax fmin fmod frac ge gelu gt  hardshrink hardsigmoid hardswish hardtanh heaviside hypot
   isfinite isinf isnan ldexp le leakyRelu lerp lgamma log log10 log1p log2 logaddexp logaddexp2 logicalAnd logicalNot logicalOr
  logicalXor logit logsigmoid  lt maximum minimum mish mul nanToNum ne neg nextafter positive pow rad2deg reciprocal relu relu6
  remainder round rsqrt rsub selu sigmoid sign signbit silu sin sinc sinh softplus softshrink softsign sqrt square sub tan tanh
  tanhshrink threshold  trueDivide trunc where xlogy   
`); // prettier-ignore
family(alongDims, `
  all amax amin any argsort chunk cummax cummin cumprod cumsum diff flatten flip kthvalue logSoftmax logcumsumexp logsumexp mean
  median movedim nanmean nansum narrow norm roll select softmax softmin sort split squeeze std sum swapaxes swapdims topk transpose
  unbind unflatten var vectorNorm
`); // prettier-ignore
family(alone, 'bfloat16 bool clone contiguous double float half int long to');
family(sizes, 'expand reshape view');
family(leading, 'embedding layerNorm mT rmsNorm tril triu');
for (const n of [1, 2, 3])
  family(folded(n), [
    `conv${n}d convTranspose${n}d avgPool${n}d maxPool${n}d adaptiveAvgPool${n}d adaptiveMaxPool${n}d lpPool${n}d`,
  ].join(' ')); // prettier-ignore
family(joining, 'cat stack');
family(product, 'bmm dot matmul mm mv');
family(linear, 'linear');
family(attention, 'scaledDotProductAttention');
family(unsqueezed, 'unsqueeze');
family(permuted, 'permute');
family(transposedMatrix, 't');
family(gathered, 'gather takeAlongDim');
/** Reductions of a single dim or of everything. */
for (const name of ['argmax', 'argmin', 'max', 'min', 'prod'])
  RULES.set(name, (level, op, args) => {
    const at = op.sig.params.findIndex((p) => p.name === 'dim');
    if (args.slice(1).some((a) => a instanceof Tensor)) return elementwise(level, op, args);
    if (at >= 0 && typeof args[at] === 'number') return alongDims(level, op, args);
    if (args.some((a) => a === true) || !onlyFirst(level, args)) return null;
    const self = args[0] as Tensor;
    if (self.count === 0 || name === 'max' || name === 'min') {
      if (self.count === 0 || self.shape.length === 0) return null;
      const all = Array.from({ length: self.shape.length }, (_, i) => i + 1);
      const full = level.fullOf(self)!;
      return level.wrap(level.outside(() => (name === 'max' ? full.amax(all) : full.amin(all))));
    }
    const flat = level.outside(() => level.fullOf(self)!.reshape([level.size, self.count]));
    const out = [flat, ...args.slice(1)];
    out[at] = 1;
    return call(level, op, out);
  });

/** The rule of an op; null where it has none. */
export const ruleOf = (op: OpRecord): Rule | null => RULES.get(op.sig.name) ?? null;
/** Names of the ops that have one. */
export const batchedOps = (): string[] => [...RULES.keys()].sort();
