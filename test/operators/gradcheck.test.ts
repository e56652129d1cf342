/**
 * First and second derivatives of every operator against differences, in float64: PyTorch's own samples, and rows for what
 * they don't reach. Each is checked as a function, as a method and in place, with dense and with strided inputs. The last
 * test asks what ran under these checks: an op that no row reaches fails it, or one of whose formulas none reaches.
 */
import { describe as group, expect, it } from 'vitest';
import { CELLS, runSteps } from '../../lib/nn/functional/recurrent.js';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { OpRecord, registry } from '../../lib/op/define.js';
import { spelling, waysOf } from './calls.js';
import { EXCEPTIONS } from './exceptions.js';
import {
  decode, describeCall, isCodedTensor, readOperator, recordedOperators,
  type Coded, type OperatorFile, type Sample,
} from './format.js'; // prettier-ignore

const F = tf.nn.functional;

/** Operators whose recorded samples are not differentiated, with the reason; rows below stand in where they can. */
const NOT_FROM_SAMPLES: Record<string, string> = {
  float: 'differences of float32 numbers are noise',
  half: 'as float',
  bfloat16: 'as float',
  argsort: 'gives positions',
  cholesky: 'the derivative is that of a symmetric matrix, which the samples are not once they are moved',
  'linalg.cholesky': 'as cholesky',
  cholesky_inverse: 'the derivative for the factor is that of a whole matrix, as in PyTorch',
  cholesky_solve: 'as choleskyInverse',
  'linalg.cholesky_ex': 'as cholesky',
  'linalg.eigh':
    'the derivative is that of a symmetric matrix, and of vectors only what their signs leave alone has one',
  'linalg.eigvalsh': 'as eigh',
  'linalg.matrix_sqrth': 'as eigh',
  svd: 'of vectors only what their signs and the choice of the spare ones leave alone has derivatives',
  'linalg.svd': 'as svd',
  'linalg.pinv': 'the derivative is that of a constant rank, and for hermitian that of a symmetric matrix',
  'nn.functional.ctc_loss':
    "the derivative is PyTorch's: that of normalised log-probabilities, which the samples aren't",
  'nn.functional.max_unpool1d':
    'of several elements for one place the last counts, but all get its gradient; as PyTorch',
  'nn.functional.max_unpool2d': 'as maxUnpool1d',
  'nn.functional.max_unpool3d': 'as maxUnpool1d',
};
/** Operators that read memory by its layout: strided inputs are another call. */
const BY_LAYOUT = new Set(['as_strided', 'as_strided_copy']);
/** Operators without second derivative, with the reason. */
const ONCE: Record<string, string> = {};
/** Ops with nothing to differentiate, though made of ops that are. */
const CONSTANT: Record<string, string> = {
  int: 'gives integers',
  short: 'gives integers',
  char: 'gives integers',
  byte: 'gives integers',
  long: 'gives integers',
  bool: 'gives truth values',
};

// ---- what ran --------------------------------------------------------------------------------------------------------

/** Composite ops that were called, and formulas of the others. */
const ran = new Set<string>();
const { backward, run } = OpRecord.prototype;
OpRecord.prototype.run = function (args) {
  ran.add(this.sig.schema);
  return run.call(this, args);
};
OpRecord.prototype.backward = function (node, grads, needs) {
  this.tensorParams.forEach((param, i) => {
    if (this.hasList || needs[i]) ran.add(`${this.sig.schema}: ${this.sig.params[param]!.name}`);
  });
  return backward.call(this, node, grads, needs);
};
/** What must have run of an op: its formulas, or the op itself where it is made of others. */
function duties(op: OpRecord): string[] {
  const rule = op.ready().backward;
  const { schema, params } = op.sig;
  if (rule === undefined) return op.kind === 'composite' && !(op.sig.name in CONSTANT) ? [schema] : [];
  // One function for all inputs doesn't say which of them it serves: the first always.
  if (typeof rule.fn === 'function') return [`${schema}: ${params[op.tensorParams[0]!]!.name}`];
  return Object.keys(rule).map((input) => `${schema}: ${input}`);
}

// ---- one check -------------------------------------------------------------------------------------------------------

const sizeOf = (tensors: readonly Tensor[]): number => tensors.reduce((n, t) => n + t.numel(), 0);
/** Small ones element by element, others along a direction. */
function check(fn: () => Tensor | Tensor[], inputs: readonly Tensor[], second = true): void {
  const out = fn();
  const fastMode = sizeOf(inputs) > 12 || sizeOf(Array.isArray(out) ? out : [out]) > 12;
  tf.autograd.gradcheck(fn, inputs, { fastMode });
  if (second) tf.autograd.gradgradcheck(fn, inputs, { fastMode });
}

/** The same values where neighbours don't lie side by side, behind an offset. */
const strided = (x: Tensor): Tensor => tf.stack([x, x], -1).select(-1, 1);
const dense = (x: Tensor): Tensor => x;

// ---- PyTorch's samples -----------------------------------------------------------------------------------------------

const FLOATS = new Set(['float32', 'float16', 'bfloat16']);
/**
 * A recorded argument with float64 in the place of every other float, dense. What is differentiated is moved by a
 * thousandth or two, no two by as much, and within [0, 1] where it was: away from corners (0, whole numbers) and ties.
 */
function widen(c: Coded): Coded {
  if (Array.isArray(c)) return c.map(widen);
  if (c !== null && typeof c === 'object' && 'torch' in c && FLOATS.has(c.torch)) return { torch: 'float64' };
  if (!isCodedTensor(c)) return c;
  const moved = (x: number, i: number): number =>
    (Math.abs(x) < 1 ? 0.995 : 1) * x + 0.00125 + 0.00075 * Math.sin(12.9898 * (i + 1));
  const data = c.grad ? c.data.map((x, i) => moved(Number(x), i)) : c.data;
  return { ...c, data, strides: undefined, dtype: FLOATS.has(c.dtype) ? 'float64' : c.dtype } as Coded;
}
const finite = (c: Coded): boolean =>
  Array.isArray(c) ? c.every(finite) : !isCodedTensor(c) || c.data.every((x) => Number.isFinite(Number(x)));
const hasGrad = (c: Coded): boolean => (Array.isArray(c) ? c.some(hasGrad) : isCodedTensor(c) && c.grad === true);
const shapeOf = (c: Coded | undefined): string => (c !== undefined && isCodedTensor(c) ? c.shape.join() : 'none');

/** The samples to differentiate: finite, in float64 where PyTorch has them so. */
function samplesOf(file: OperatorFile): [number, Sample][] {
  const skip: Record<number, string> = EXCEPTIONS[file.op]?.skip ?? {};
  const usable = [...file.samples.entries()].filter(([i, s]) => {
    return !(i in skip) && s.grads && hasGrad(s.out!) && finite([...s.args, s.out!, ...s.grads]);
  });
  const double = usable.filter(([, s]) => JSON.stringify(s.args).includes('"float64"'));
  return double.length > 0 ? double : usable;
}

function replace(value: unknown, leaves: readonly Tensor[], by: (t: Tensor) => Tensor): unknown {
  if (value instanceof tf.Tensor) return leaves.includes(value) ? by(value) : value;
  return Array.isArray(value) ? value.map((v) => replace(v, leaves, by)) : value;
}
const tensorsOf = (result: unknown): Tensor[] =>
  result instanceof tf.Tensor ? [result] : [...(result as Iterable<unknown>)].filter((t) => t instanceof tf.Tensor);

function checkSample(file: OperatorFile, sample: Sample): void {
  for (const way of waysOf(file, sample)) {
    if (!way.name.endsWith('(named)')) continue;
    // What resizes its tensor in place is refused.
    if (way.form === 'inplace' && shapeOf(sample.args[0]) !== shapeOf(sample.out)) continue;
    const layouts = BY_LAYOUT.has(file.op) ? [dense] : [dense, strided];
    for (const layout of way.form === 'inplace' ? [(x: Tensor) => x.clone()] : layouts) {
      const leaves: Tensor[] = [];
      const args = sample.args.map((a) => decode(widen(a), leaves));
      const named = Object.entries(sample.named).map(([k, v]) => [k, decode(widen(v), leaves)] as const);
      const fn = (): Tensor[] => {
        tf.manualSeed(0);
        const options = Object.fromEntries(named.map(([k, v]) => [k, replace(v, leaves, layout)]));
        const given = args.map((a) => replace(a, leaves, layout));
        return tensorsOf(way.call(given, options));
      };
      check(fn, leaves, !(file.op in ONCE));
    }
  }
}

group('PyTorch’s samples', () => {
  for (const file of recordedOperators().map(readOperator)) {
    const samples = file.op in NOT_FROM_SAMPLES ? [] : samplesOf(file);
    if (samples.length === 0) continue;
    it(spelling(file.op, file.forms[0]!), () => {
      const problems = samples.flatMap(([i, sample]) => {
        try {
          checkSample(file, sample);
          return [];
        } catch (error) {
          return [`#${i} of ${describeCall(sample)}\n     ${(error as Error).message}`];
        }
      });
      if (problems.length > 0)
        expect.fail(`${problems.length} of ${samples.length} samples\n${problems.slice(0, 4).join('\n')}`);
    });
  }
});

// ---- rows ------------------------------------------------------------------------------------------------------------

/** Numbers between low and high, no two alike. */
function between(low: number, high: number, ...shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: n }, (_, i) => low + (high - low) * ((0.37 + 0.618034 * i) % 1));
  return tf.tensor(data).reshape(shape).requiresGrad_();
}
const int = (...values: number[]): Tensor => tf.tensor(values.map(BigInt));
const x = (...shape: number[]): Tensor => between(-2, 2, ...shape);
type Row = [fn: (...inputs: Tensor[]) => Tensor | Tensor[], ...inputs: Tensor[]];

const positive = (a: Tensor): Tensor => a.matmul(a.mT).add(tf.eye(3, { dtype: 'float64' }));
/** Matrices whose singular values are apart from each other and from 0. */
function generic(...shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return tf
    .tensor(Float64Array.from({ length: n }, (_, i) => Math.sin((i + 2) ** 2)))
    .reshape(shape)
    .requiresGrad_();
}
/** What doesn't change with the signs of singular vectors. */
const withoutSigns = (U: Tensor, S: Tensor, V: Tensor): Tensor[] => {
  const [u, v] = [U, V].map((x) => x.narrow(-1, 0, S.shape.at(-1)!)) as [Tensor, Tensor];
  return [S, u.matmul(v.mT), u.square(), v.square()];
};
/** A 3 × 3 matrix whose rows behind the first `rank` are multiples of the first: exactly, as numbers of a few bits. */
const singular = (rank: 1 | 2): Tensor =>
  tf.tensor([[1, 2, -1], rank === 1 ? [2, 4, -2] : [0.5, 3, 2], [-1, -2, 1]], { dtype: 'float64' }).requiresGrad_();

/** A 3 × 3 matrix whose eigenvalues are real, and apart. */
const spectrum = (a: Tensor): Tensor => a.mul(0.1).add(tf.diag(tf.tensor([1, 2, 4], { dtype: 'float64' })));

/** What the samples leave out: the name of the op, and calls of it. */
const ROWS: Record<string, Row[]> = {
  'pow of a number': [[(e) => tf.pow(2.5, e), x(2, 3)], [(e) => tf.pow(0.3, e), x()]],
  'floatPower of a number': [[(e) => tf.floatPower(2.5, e), x(2, 3)]],
  'xlogy of a number': [[(y) => tf.xlogy(1.5, y), between(0.2, 3, 5)]],
  chainMatmul: [[(a, b, c) => tf.chainMatmul([a, b, c]), x(2, 3), x(3, 4), x(4, 2)]],
  fill: [
    [(a, v) => a.fill(v), x(2, 2), x()],
    [(a, v) => a.clone().fill_(v), x(2, 2), x()],
  ],
  sliceScatter: [[(a, b) => a.sliceScatter(b, 1, 0, 3, 2), x(2, 4), x(2, 2)]],
  narrowCopy: [[(a) => a.narrowCopy(1, 1, 2), x(2, 4)]],
  'concat, concatenate': [[(a, b) => [tf.concat([a, b]), tf.concatenate([a, b], 0)], x(2, 2), x(1, 2)]],
  'moveaxis, swapaxes, swapdims': [[(a) => [a.moveaxis(0, 1), a.swapaxes(0, 1), a.swapdims(-1, 0)], x(2, 3)]],
  indexFill: [
    [(a, v) => a.indexFill(1, int(0, 2), v), x(2, 3), x()],
    [(a, v) => a.indexFill(-1, int(-1, 0), v), x(2, 3), x()],
    [(a, v) => a.indexFill(0, int(0), v), x(), x()],
  ],
  indexReduce: (['prod', 'mean', 'amax', 'amin'] as const).flatMap((how): Row[] => [
    [(a, b) => a.indexReduce(0, int(0, 0, 2), b, how), x(3, 2), between(-1.7, 2.1, 3, 2)],
    [(a, b) => a.indexReduce(0, int(1, 1), b, how, { includeSelf: false }), x(3), between(-1.7, 2.1, 2)],
    [(a, b) => a.indexReduce(0, int(0), b, how), x(), between(-1.7, 2.1)],
  ]),
  aminmax: [[(a) => [...tf.aminmax(a)], x(2, 3)], [(a) => [...a.aminmax({ dim: 1, keepdim: true })], x(2, 3)]],
  'unbiased by position': [
    [(a) => [tf.var(a, false), tf.std(a, true), ...tf.varMean(a, false), ...tf.stdMean(a, true)], x(4)],
  ],
  cholesky: [false, true].flatMap((upper): Row[] => [
    [(a) => tf.linalg.cholesky(positive(a), { upper }), x(3, 3)],
    [(a) => positive(a).cholesky(upper), x(2, 3, 3)],
  ]),
  choleskySolve: [false, true].flatMap((upper): Row[] => [
    [(b, l) => tf.choleskySolve(b, upper ? l.triu() : l.tril(), upper), x(3, 2), between(0.7, 2, 3, 3)],
    [(l) => tf.choleskyInverse(upper ? l.triu() : l.tril(), upper), between(0.7, 2, 3, 3)],
    [(a) => tf.linalg.choleskyEx(positive(a), { upper }).L, x(3, 3)],
  ]),
  eigh: (['L', 'U'] as const).flatMap((uplo): Row[] => [
    [(a) => { const { eigenvalues, eigenvectors } = tf.linalg.eigh(positive(a), uplo); return [eigenvalues, eigenvectors.square()]; }, generic(3, 3)],
    [(a) => tf.linalg.eigvalsh(positive(a), uplo), generic(3, 3)],
    [(a) => tf.linalg.matrixSqrth(positive(a)), generic(3, 3)],
  ]),
  householderProduct: [
    [(v, t) => tf.linalg.householderProduct(v, t), x(4, 3), x(2)], [(v, t) => tf.orgqr(v, t), x(2, 3, 2), x(2, 2)],
    [(v, t, y) => tf.ormqr(v, t, y, false, true), x(3, 2), x(2), x(2, 3)],
  ],
  qr: [[(a) => [...tf.qr(a)], generic(4, 3)], [(a) => [...tf.qr(a, false)], generic(2, 2, 3)]],
  'linalg.luSolve, lu': [
    [(a, b) => tf.linalg.luSolve(...(tf.linalg.luFactor(a) as unknown as [Tensor, Tensor]), b), generic(3, 3), x(3, 2)],
    [(a) => tf.linalg.lu(a).L.add(0), generic(4, 2)], [(a) => tf.linalg.lu(a).U.add(0), generic(2, 4)],
  ],
  'igamma, gammainc': [
    [(y) => [tf.special.gammainc(between(0.5, 3, 4).detach(), y), tf.special.gammaincc(between(0.5, 3, 4).detach(), y)], between(0.4, 4, 4)],
  ],
  'igamma, igammac, zeta': [
    [(y) => { const a = between(0.5, 3, 4).detach(); return [tf.igamma(a, y), tf.igammac(a, y), tf.special.zeta(a.add(1.5), y)]; }, between(0.4, 4, 4)],
  ],
  'scaled Bessel functions': [
    [(a) => [tf.special.scaledModifiedBesselK0(a), tf.special.scaledModifiedBesselK1(a)], between(0.4, 4, 4)],
  ],
  'copies of views': [
    [(a) => [a.mul(tf.ones(3, { dtype: 'float64' }).detachCopy()), a.selectCopy(0, 1), ...a.splitCopy(1), a.real(), a.asStridedScatter(a.select(0, 0), [3], [2], 0)], x(2, 3)],
  ],
  'linalg.matrixExp': [[(a) => tf.linalg.matrixExp(a), x(2, 3, 3)]],
  'det of singular matrices': [
    [(a) => a.det(), singular(1)], [(a) => tf.linalg.det(a), singular(2)],
    [(a, b) => tf.stack([a, b]).det(), singular(1), x(3, 3)], // x: an arithmetic progression, almost singular
    [(a) => a.det(), tf.zeros(2, 2, { dtype: 'float64' }).requiresGrad_()],
    [(a) => a.det(), tf.tensor([[0, 1], [0, 0]], { dtype: 'float64' }).requiresGrad_()],
  ],
  svd: [[3, 3], [2, 4, 2], [2, 4]].flatMap((shape): Row[] => [
    [(a) => { const { U, S, Vh } = tf.linalg.svd(a, { fullMatrices: false }); return withoutSigns(U, S, Vh.mT); }, generic(...shape)],
    [(a) => { const { U, S, Vh } = tf.linalg.svd(a); return withoutSigns(U, S, Vh.mT); }, generic(...shape)],
    [(a) => { const { U, S, V } = a.svd({ some: false }); return withoutSigns(U, S, V); }, generic(...shape)],
    [(a) => { const { U } = tf.linalg.svd(a, false); return U.square(); }, generic(...shape)],
    [(a) => { const { Vh } = tf.linalg.svd(a, false); return Vh.square(); }, generic(...shape)],
    [(a) => a.svd({ computeUv: false }).S.square(), generic(...shape)],
  ]),
  pinv: [
    [(a) => tf.linalg.pinv(a), generic(4, 2)], [(a) => tf.linalg.pinv(a), generic(2, 2, 3)],
    [(a) => tf.linalg.pinv(a.add(a.mT), { hermitian: true }), generic(3, 3)],
    [(a) => tf.linalg.pinv(a.matmul(tf.diag(tf.tensor(Float64Array.of(1, 0)))), { atol: 1e-9 }), generic(3, 2)], // of rank 1
  ],
  cond: [null, 2, -2, 'nuc', 'fro', 1, -1, Infinity, -Infinity].flatMap((p): Row[] => [
    [(a) => tf.linalg.cond(a, p), generic(2, 3, 3)],
  ]),
  'norms of singular values': (['nuc', 2, -2] as const).flatMap((ord): Row[] => [
    [(a) => tf.linalg.matrixNorm(a, ord, [2, 0]), generic(2, 2, 3)],
    [(a) => tf.linalg.norm(a, ord, [0, 1], true), generic(3, 2)],
  ]),
  solveTriangular: [
    [(a, b) => tf.linalg.solveTriangular(a, b, { upper: true }), between(0.7, 2, 3, 3), x(2, 3, 2)],
    [(a, b) => tf.linalg.solveTriangular(a, b, { upper: false, left: false, unitriangular: true }), x(2, 1, 3, 3), x(2, 3)],
  ],
  cdist: [0, 0.5, 1, 1.5, 2, 2.5, 3, Infinity].flatMap((p): Row[] => [
    [(a, b) => tf.cdist(a, b, p, 'donot_use_mm_for_euclid_dist'), generic(3, 2), x(1, 4, 2)],
    [(a, b) => tf.cdist(a, b, p), generic(2, 1, 2, 3), x(3, 2, 3)],
  ]),
  'cdist by a product': [
    [(a, b) => tf.cdist(a, b, 2, 'use_mm_for_euclid_dist'), generic(3, 2), x(4, 2)],
    [(a, b) => tf.cdist(a, b), generic(2, 26, 2), x(3, 2)],
  ],
  vectorNorm: [2, 1, 3, 1.5, 0.5, Infinity, -Infinity, -2].flatMap((ord): Row[] => [
    [(a) => tf.vectorNorm(a, ord), x(2, 3)],
    [(a) => tf.vectorNorm(a, ord, [1], true), x(2, 3)],
  ]),
  norm: (['fro', 1, 3, 0.5, Infinity, -Infinity, 'inf', '-inf'] as const).flatMap((p): Row[] => [
    [(a) => a.norm(p), x(2, 3)],
    [(a) => a.norm(p, 0), x(2, 3)],
    [(a) => a.norm(p), x()],
  ]),
  'nn.functional.sigmoid, tanh': [[(a) => [F.sigmoid(a), F.tanh(a)], x(3)]],
  'nn.functional.softmax, logSoftmax': [[(a) => [F.softmax(a, 0), F.logSoftmax(a, 1)], x(2, 3)]],
  threshold: [[(a) => F.threshold(a, 0.2, -3), x(5)]],
  vander: [[(a) => [tf.vander(a), tf.vander(a, { N: 4, increasing: true })], x(3)]],
  fillDiagonal_: [[(a) => a.clone().fillDiagonal_(2), x(2, 3)], [(a) => a.clone().fillDiagonal_(2, true), x(5, 2)]],
  gumbelSoftmax: [
    [(a) => (tf.manualSeed(0), F.gumbelSoftmax(a, 0.7)), x(2, 3)], [(a) => (tf.manualSeed(0), F.gumbelSoftmax(a, { dim: 0 })), x(3)],
  ],
  rrelu: [[(a) => (tf.manualSeed(0), F.rrelu(a, 0.1, 0.9, true)), x(2, 3)]],
  dropout1d: [[(a) => (tf.manualSeed(0), F.dropout1d(a, 0.5, true)), x(2, 3, 2)]],
  'binaryCrossEntropyWithLogits, posWeight': (['none', 'mean', 'sum'] as const).map((reduction): Row => [
    (a, b, w) => F.binaryCrossEntropyWithLogits(a, b, { posWeight: w, reduction }), x(2, 3), between(0.1, 0.9, 2, 3),
    between(0.5, 2, 3),
  ]), // prettier-ignore
  'to, a device before the dtype': [[(a) => tf.to(a, 'cpu', 'float64'), x(3)]],
  softMarginLoss: [[(a) => F.softMarginLoss(a, tf.tensor(Float64Array.of(1, -1, 1))), x(3)]],
  'losses of logits that are 0': [
    [(a) => F.softMarginLoss(a, tf.tensor(Float64Array.of(1, -1))), tf.zeros(2, { dtype: 'float64' }).requiresGrad_()],
    [(a, b) => F.binaryCrossEntropyWithLogits(a, b, { posWeight: tf.tensor(Float64Array.of(2, 0.5)) }),
      tf.zeros(2, { dtype: 'float64' }).requiresGrad_(), between(0.1, 0.9, 2)],
  ],
  ctcLoss: (['none', 'mean', 'sum'] as const).map((reduction): Row => [
    (a) => F.ctcLoss(a.logSoftmax(-1), tf.tensor([[1n, 2n], [2n, 2n]]), [4, 4], [2, 1], { reduction }), x(4, 2, 3),
  ]), // prettier-ignore
  maxUnpool: [
    [(a) => F.maxUnpool1d(a, tf.tensor([[[1n, 2n, 5n]]]), 2), x(1, 1, 3)],
    [(a) => F.maxUnpool2d(a, tf.tensor([[[[0n, 3n], [9n, 14n]]]]), 2), x(1, 1, 2, 2)],
    [(a) => F.maxUnpool3d(a, tf.tensor([[[[[3n, 4n]]]]]), [2, 1, 2]), x(1, 1, 1, 1, 2)],
  ], // prettier-ignore
  lpPool: [
    [(a) => F.lpPool1d(a, 3, 2), between(0.2, 2, 1, 2, 4)],
    [(a) => F.lpPool2d(a, 2, [2, 1]), between(0.2, 2, 1, 1, 4, 2)],
  ],
  fold: [[(a) => F.fold(a, [3, 3], [2, 2]), x(1, 4, 4)]],
  pixelUnshuffle: [[(a) => F.pixelUnshuffle(a, 2), x(1, 1, 4, 2)]],
  affineGrid: [[(a) => F.affineGrid(a, [1, 1, 2, 2], { alignCorners: false }), x(1, 2, 3)]],
  digamma: [[(a) => a.digamma(), between(-2.7, 3, 5)], [(a) => a.clone().digamma_(), x()]],
  polygamma: [1, 2, 4].map((n): Row => [(a) => [tf.polygamma(n, a), a.polygamma(n)], between(0.4, 4, 4)]),
  'polygamma left of 0': [[(a) => tf.polygamma(1, a), between(-0.7, -0.3, 3)]],
  'Bessel functions': [
    [(a) => [a.i0(), tf.special.i1(a), tf.special.i0e(a), tf.special.i1e(a)], x(5)],
    [(a) => [tf.special.i0e(a), tf.special.i1e(a)], between(29, 31.1, 4)],
  ],
  'recurrent layers': Object.values(CELLS).flatMap((cell) =>
    [false, true].map((reverse): Row => [
      (i, weightIh, weightHh, biasIh, biasHh, ...state) => {
        const direction = { cell, reverse, weightIh: weightIh!, weightHh: weightHh!, biasIh: biasIh!, biasHh: biasHh!, project: null };
        const [y, last] = runSteps(i!, state, direction);
        return [y, ...last];
      },
      x(3, 2, 3), x(2 * cell.gates, 3), x(2 * cell.gates, 2), x(2 * cell.gates), x(2 * cell.gates),
      ...Array.from({ length: cell.states }, () => x(2, 2)),
    ]),
  ),
  // In-place ops on a view change their base through it.
  'in place on a view': [
    [(a, b) => { const y = a.clone(); y.select(0, 1).mul_(b); return y; }, x(2, 3), x(3)],
    [(a) => { const y = a.clone(); y.slice(1, 0, 3, 2).sin_(); return y; }, x(2, 3)],
    [(a, b) => { const y = a.clone(); y.t().copy_(b); y.exp_(); return y; }, x(2, 3), x(3, 1)],
  ],
  // The base may have been transposed itself.
  'in place on a view of a detached one': [
    [(a) => { const y = tf.zeros(3, 2, { dtype: 'float64' }).t().detach(); y.select(1, 2).copy_(a); y.narrow(1, 1, 2).sin_(); return [y, y.t().mul(2)]; }, x(2)],
  ],
  // Random projections, the same ones each time.
  'low rank': [
    [(a) => { tf.manualSeed(0); const [U, S, V] = tf.svdLowrank(a, 3); return withoutSigns(U!, S!, V!); }, generic(4, 3)],
    [(a) => { tf.manualSeed(0); const [U, S, V] = tf.pcaLowrank(a, 3); return withoutSigns(U!, S!, V!); }, generic(5, 3)],
  ],
  // In the order of the eigenvalues: which comes first is anybody's choice, and so are the vectors' signs.
  'real spectra': [
    [(a) => { const [values, vectors] = tf.linalg.eig(spectrum(a)); const order = values!.argsort(); return [values!.index(order), vectors!.indexSelect(1, order).square()]; }, x(3, 3)],
    [(a) => tf.linalg.eigvals(spectrum(a)).sort().values, x(3, 3)],
  ],
  'pools of chance, pools of powers, other names': [
    [(a) => { tf.manualSeed(0); return F.fractionalMaxPool2d(a, 2, [3, 2]) as Tensor; }, x(1, 2, 6, 5)],
    [(a) => { tf.manualSeed(0); return F.fractionalMaxPool3d(a, 2, [2, 2, 2]) as Tensor; }, x(1, 1, 4, 5, 4)],
    [(a) => F.lpPool3d(a, 2, 2), between(0.5, 2, 1, 2, 4, 4, 2)],
    [(a) => F.upsample(a, { scaleFactor: 2, mode: 'bilinear' }), x(1, 2, 3, 2)],
    [(a, g) => tf.gridSampler(a, g, 0, 0, false), x(1, 2, 4, 4), between(-0.8, 0.8, 1, 2, 2, 2)],
    [(a, g) => tf.gridSampler2d(a, g, 0, 1, true), x(1, 2, 4, 4), between(-0.8, 0.8, 1, 2, 2, 2)],
  ],
  // … and forget what they overwrite.
  'in place without derivative': [
    [(a) => { const y = a.clone(); y.select(0, 1).normal_(0, 0); return y; }, x(2, 3)],
    [(a) => { const y = a.mul(2); y.floorDivide_(3); return [y, a.mul(1)]; }, x(3)],
    [(a) => { const y = a.mul(2); y.gt_(0.1); return [y, a.mul(1)]; }, x(3)],
  ],
}; // prettier-ignore

group('rows', () => {
  it.each(Object.entries(ROWS))('%s', (_, rows) => {
    for (const [fn, ...inputs] of rows) {
      check(() => fn(...inputs), inputs);
      check(() => fn(...inputs.map(strided)), inputs);
    }
  });
});

it('casts', () => {
  // Multiples of the step, which every dtype holds exactly.
  const exact = tf.tensor(Float64Array.of(0.5, -1.25, 1.5)).requiresGrad_();
  const other = tf.zeros([], { dtype: 'float32' });
  for (const cast of [
    (t: Tensor) => t.float(),
    (t: Tensor) => t.half(),
    (t: Tensor) => t.bfloat16(),
    (t: Tensor) => t.typeAs(other),
    (t: Tensor) => t.to('float16'),
  ]) {
    const fn = (t: Tensor): Tensor => cast(t).double();
    tf.autograd.gradcheck(fn, exact, { eps: 1 / 64 });
    tf.autograd.gradgradcheck(fn, exact, { eps: 1 / 64 });
  }
});

it('derivatives that are not defined are refused', () => {
  const { zeta, gammainc, gammaincc } = tf.special;
  for (const f of [zeta, gammainc, gammaincc, tf.igamma, tf.igammac] as ((a: Tensor, b: Tensor) => Tensor)[])
    expect(() =>
      f(between(1.5, 3, 2), between(1, 2, 2))
        .sum()
        .backward(),
    ).toThrow(/the derivative for '\w+' isn't defined/);
});

it('every op was reached, and each of its formulas', () => {
  const left = [...registry.values()].flatMap(duties).filter((duty) => !ran.has(duty));
  expect(left, left.join('; ')).toEqual([]);
});
