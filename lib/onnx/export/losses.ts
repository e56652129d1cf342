/** Losses, and bags of embeddings. */
import { isFloatCode } from '../../dtype.js';
import { rankOf, type Arg, type Graph, type Value } from './graph.js';
import { reduced } from './shapes.js';
import { translations, type Args, type Emit, type Table } from './translation.js';

/** The mean or sum of all elements, or all of them. */
function reducedLoss(g: Graph, name: string, reduction: string, rank: number): string {
  if (reduction === 'none') return name;
  const axes = Array.from({ length: rank }, (_, d) => d);
  return rank === 0 ? name : reduced(g, reduction === 'mean' ? 'ReduceMean' : 'ReduceSum', name, axes, false);
}
/** A loss of each pair of elements. */
const pairs =
  (f: (g: Graph, x: string, target: string, number: (n: number) => string, a: Args) => string): Emit =>
  (g, a, [out]) => {
    const dtype = out!.dtype;
    const [x, t] = [a.input, a.target] as [Arg, Arg];
    const name = f(g, g.cast(x, dtype), g.cast(t, dtype), (n) => g.number(n, dtype), a);
    return reducedLoss(g, name, a.reduction ?? 'none', Math.max(rankOf(x), rankOf(t)));
  };
const difference = (g: Graph, x: string, t: string): string => g.node('Sub', [x, t]);
const square = (g: Graph, x: string): string => g.node('Mul', [x, x]);

/** ½ d² up to a distance, a line beyond; `inner` and `outer` are the factors of the two. */
function bent(
  g: Graph,
  x: string,
  t: string,
  n: (v: number) => string,
  delta: number,
  inner: number,
  outer: number,
): string {
  const d = g.node('Abs', [difference(g, x, t)]);
  const near = g.node('Mul', [square(g, d), n(0.5 * inner)]);
  const far = g.node('Mul', [g.node('Sub', [d, n(0.5 * delta)]), n(outer)]);
  return g.node('Where', [g.node('Less', [d, n(delta)]), near, far]);
}
const smoothL1 = pairs((g, x, t, n, a) =>
  a.beta === 0 ? g.node('Abs', [difference(g, x, t)]) : bent(g, x, t, n, a.beta, 1 / a.beta, 1),
);

/** −(t log p + (1 − t) log(1 − p)), logarithms not below −100. */
const binary = pairs((g, p, t, n) => {
  const log = (x: string): string => g.node('Max', [g.node('Log', [x]), n(-100)]);
  const one = (x: string): string => g.node('Sub', [n(1), x]);
  return g.node('Neg', [g.node('Add', [g.node('Mul', [t, log(p)]), g.node('Mul', [one(t), log(one(p))])])]);
});
/** (1 − t) x + (1 + (w − 1) t) softplus(−x). */
const binaryLogits = pairs((g, x, t, n, a) => {
  const weight = a.posWeight
    ? g.node('Add', [n(1), g.node('Mul', [g.node('Sub', [g.of(a.posWeight as Arg), n(1)]), t])])
    : null;
  const soft = g.node('Softplus', [g.node('Neg', [x])]);
  const right = weight === null ? soft : g.node('Mul', [weight, soft]);
  return g.node('Add', [g.node('Mul', [g.node('Sub', [n(1), t]), x]), right]);
});

const likelihood =
  (type: string): Emit =>
  (g, a) =>
    g.node(type, [g.of(a.input as Arg), g.of(a.target as Arg), a.weight && g.of(a.weight as Arg)], {
      ignore_index: a.ignoreIndex,
      reduction: a.reduction,
    });

const REDUCTIONS: Record<string, string> = { sum: 'ReduceSum', mean: 'ReduceMean', max: 'ReduceMax' };
const bag: Emit = (g, a, [out]) => {
  let rows = g.node('Gather', [g.of(a.weight as Arg), g.of(a.input as Arg)], { axis: 0 });
  if (a.perSampleWeights)
    rows = g.node('Mul', [rows, g.node('Unsqueeze', [g.cast(a.perSampleWeights as Arg, dtypeOf(out)), g.ints([2])])]);
  return reduced(g, REDUCTIONS[a.mode]!, rows, [1], false);
};
const dtypeOf = (x: Value | undefined): Value['dtype'] => x!.dtype;

export const LOSSES: Table = translations({
  mseLoss: pairs((g, x, t) => square(g, difference(g, x, t))),
  absoluteDifference: pairs((g, x, t) => g.node('Abs', [difference(g, x, t)])),
  smoothL1,
  smoothL1Loss: smoothL1,
  huberLoss: pairs((g, x, t, n, a) => bent(g, x, t, n, a.delta, 1, a.delta)),
  binaryCrossEntropyPlain: binary,
  binaryCrossEntropyWithLogitsPlain: binaryLogits,
  nllLoss: [(a) => a.input.ndim >= 2, likelihood('NegativeLogLikelihoodLoss')],
  crossEntropy: [
    (a) => a.input.ndim >= 2 && a.labelSmoothing === 0 && !isFloatCode(a.target.code),
    likelihood('SoftmaxCrossEntropyLoss'),
  ],
  embeddingBag: [(a) => a.offsets === null && a.maxNorm === null && a.paddingIdx === null, bag],
});
