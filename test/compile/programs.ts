/** Random programs of tensors: chains with broadcasts, views, casts, changes in place, reductions, products, norms. */
import * as tf from '../../lib/index.js';
import { nn, type Tensor } from '../../lib/index.js';

const F = nn.functional;

/** Numbers from a seed: the same program for the same seed, whatever else draws. */
export class Dice {
  constructor(private state: number) {}
  /** An integer below n. */
  below(n: number): number {
    // Mulberry32.
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) * n) / 2 ** 32 | 0; // prettier-ignore
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

type Step = (registers: Tensor[]) => Tensor;
/** Makes a step for registers as they are, or null where it can't be. */
type Maker = (dice: Dice, registers: readonly Tensor[]) => Step | null;

const pick = (dice: Dice, registers: readonly Tensor[], fits: (t: Tensor) => boolean = () => true): number => {
  const fitting = registers.flatMap((t, i) => (fits(t) ? [i] : []));
  return fitting.length === 0 ? -1 : dice.of(fitting);
};
const floating = (t: Tensor): boolean => t.dtype === 'float32' || t.dtype === 'float64';
const matrix = (t: Tensor): boolean => floating(t) && t.dim() === 2 && t.numel() > 0;
const broadcasts = (a: Tensor, b: Tensor): boolean =>
  Array.from({ length: Math.min(a.dim(), b.dim()) }, (_, i) => [a.size(-1 - i), b.size(-1 - i)]).every(
    ([m, n]) => m === n || m === 1 || n === 1,
  );

const UNARY: ((x: Tensor) => Tensor)[] = [
  (x) => x.tanh(),
  (x) => x.sigmoid(),
  (x) => F.relu(x),
  (x) => F.gelu(x),
  (x) => x.neg(),
  (x) => x.abs().add(1).sqrt(),
  (x) => x.abs().add(0.5).log(),
  (x) => x.clamp(-2, 2).exp(),
  (x) => x.clamp(-1, 1).square(),
  (x) => x.sin(),
  (x) => x.mul(2.5),
  (x) => x.sub(1).div(3),
  (x) => F.softplus(x),
  (x) => x.bfloat16().float(),
  (x) => x.double().float(),
  (x) => x.half().float().mul(0.5),
  (x) => tf.where(x.gt(0), x, x.mul(0.1)),
  (x) => x.gt(0).float().add(x.le(0.5).to('int64')),
];
const BINARY: ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => a.add(b),
  (a, b) => a.sub(b),
  (a, b) => a.mul(b),
  (a, b) => a.div(b.abs().add(1)),
  (a, b) => a.maximum(b),
  (a, b) => a.add(b, { alpha: 0.5 }),
  (a, b) => tf.where(a.lt(b), a, b),
  (a, b) => a.clone().mul_(2).addcmul(b.tanh(), a.sigmoid()),
];
const VIEWS: ((x: Tensor, dice: number) => Tensor)[] = [
  (x) => x.transpose(0, -1),
  (x, k) => x.narrow(-1, 0, 1 + (k % x.size(-1))),
  (x, k) => x.narrow(0, k % x.size(0), 1),
  (x) => x.unsqueeze(0).expand([2, ...x.shape]),
  (x) => x.reshape(-1),
  (x) => x.unsqueeze(-1),
  (x, k) => x.select(0, k % x.size(0)),
  (x) => x.flip([0]),
  (x) => x.t().contiguous(),
];
const REDUCTIONS: ((x: Tensor, dim: number) => Tensor)[] = [
  (x, dim) => x.sum(dim, true),
  (x, dim) => x.mean(dim),
  (x, dim) => x.amax(dim, true),
  (x, dim) => x.logsumexp(dim),
  (x, dim) => x.softmax(dim),
  (x, dim) => x.logSoftmax(dim),
  (x) => F.layerNorm(x, [x.size(-1)]),
  (x, dim) => x.square().sum(dim, true).add(1).rsqrt().mul(x),
  (x, dim) => x.cumsum(dim),
  (x) => x.sum(),
  (x, dim) => x.norm(2, dim, true).add(1),
];
const INPLACE: ((x: Tensor, y: Tensor) => Tensor)[] = [
  (x) => x.add_(1).mul_(0.5),
  (x, y) => x.add_(y),
  (x, y) => x.copy_(y),
  (x) => x.tanh_(),
  (x) => {
    x.select(0, 0).fill_(0.25);
    return x;
  },
];

const MAKERS: Maker[] = [
  (dice, r) => {
    const [i, f] = [pick(dice, r, floating), dice.of(UNARY)];
    return i < 0 ? null : (s) => f(s[i]!);
  },
  (dice, r) => {
    const i = pick(dice, r, floating);
    const j = i < 0 ? -1 : pick(dice, r, (t) => floating(t) && broadcasts(r[i]!, t));
    const f = dice.of(BINARY);
    return j < 0 ? null : (s) => f(s[i]!, s[j]!);
  },
  (dice, r) => {
    const i = pick(dice, r, (t) => t.dim() > 0 && t.dim() < 3 && t.numel() > 0);
    const [f, k] = [dice.of(VIEWS), dice.below(8)];
    return i < 0 ? null : (s) => f(s[i]!, k);
  },
  (dice, r) => {
    const i = pick(dice, r, (t) => floating(t) && t.dim() > 0 && t.numel() > 0);
    if (i < 0) return null;
    const [f, dim] = [dice.of(REDUCTIONS), dice.below(r[i]!.dim())];
    return (s) => f(s[i]!, dim);
  },
  (dice, r) => {
    const i = pick(dice, r, matrix);
    const j = i < 0 ? -1 : pick(dice, r, (t) => matrix(t) && t.dtype === r[i]!.dtype && t.size(1) === r[i]!.size(1));
    const scale = j < 0 ? 1 : 1 / r[i]!.size(1);
    const bias = dice.below(2) === 0;
    return j < 0
      ? null
      : (s) => {
          const product = s[i]!.matmul(s[j]!.t()).mul(scale);
          return bias ? F.relu(product.add(s[j]!.sum(1))) : product;
        };
  },
  (dice, r) => {
    const i = pick(dice, r, floating);
    const j = i < 0 ? -1 : pick(dice, r, (t) => t.dtype === r[i]!.dtype && String(t.shape) === String(r[i]!.shape));
    const f = dice.of(INPLACE);
    return j < 0 ? null : (s) => f(s[i]!.clone(), s[j]!);
  },
  (dice, r) => {
    const i = pick(dice, r, (t) => floating(t) && t.dim() > 0);
    const dim = i < 0 ? 0 : dice.below(r[i]!.dim());
    return i < 0 ? null : (s) => tf.cat([s[i]!, s[i]!.mul(-1)], dim);
  },
  (dice, r) => {
    const i = pick(dice, r, floating);
    return i < 0 ? null : (s) => F.dropout(s[i]!, 0.25);
  },
];

/** A program of `length` steps on inputs; what it gives is a number and its registers' sums. */
export function randomProgram(
  seed: number,
  inputs: readonly Tensor[],
  length: number,
): (...inputs: Tensor[]) => Tensor {
  const dice = new Dice(seed);
  const steps: Step[] = [];
  const registers: Tensor[] = [...inputs];
  while (steps.length < length) {
    const step = dice.of(MAKERS)(dice, registers);
    if (step === null) continue;
    try {
      const made = tf.noGrad(() => step(registers));
      if (made.numel() > 20_000) continue;
      registers.push(made);
    } catch {
      continue; // a view of a shape that it can't be taken of
    }
    steps.push(step);
  }
  return (...given) => {
    const all = [...given];
    for (const step of steps) all.push(step(all));
    return all
      .slice(given.length)
      .filter((t) => t.isFloatingPoint())
      .map((t) => t.float().clamp(-100, 100).mean())
      .reduce((a, b) => a.add(b));
  };
}
