/** Metrics of classes: accuracy, confusion matrix, precision, recall and F1. */
import { TenfoldError, renamed } from '../errors.js';
import { signature, type Arguments } from '../op/schema.js';
import { formatShape } from '../tensor/shape.js';
import { type Tensor } from '../tensor/tensor.js';
import { tensor } from '../ops/creation.js';
import { Metric } from './metric.js';

/** Class numbers [n] of a target. */
function classesOf(call: string, name: string, t: Tensor): Tensor {
  if (t.shape.length !== 1)
    throw new TenfoldError('shape', `${call}: ${name} must be [n], got ${formatShape(t.shape)}`);
  if (t.isFloatingPoint())
    throw new TenfoldError('dtype', `${call}: ${name} must hold class numbers (integers or bool), got ${t.dtype}`);
  return t.to('int64');
}
/** Class numbers [n] of an input: of scores [n, c] the greatest's, of scores [n] whether they reach the threshold. */
function predicted(call: string, input: Tensor, n: number, threshold: number): Tensor {
  const { length } = input.shape;
  if (length < 1 || length > 2 || input.shape[0] !== n || (length === 2 && !input.isFloatingPoint()))
    throw new TenfoldError(
      'shape',
      `${call}: input must be ${n} class numbers or scores [${n}], or scores [${n}, classes], as the target has ${n}; got ${input.dtype} ${formatShape(input.shape)}`,
    );
  if (length === 2) return input.argmax(1);
  return input.isFloatingPoint() ? input.ge(threshold).to('int64') : input.to('int64');
}
/** Refuses class numbers below 0 or beyond the number of classes that was given, and says the greatest, -1 for none. */
function checkClasses(call: string, name: string, classes: Tensor, numClasses: number | null): number {
  if (classes.numel() === 0) return -1;
  const least = Number(classes.min().itemBigInt());
  const greatest = Number(classes.max().itemBigInt());
  if (least < 0) throw new RangeError(`${call}: ${name} has class ${least}; classes begin at 0`);
  if (numClasses !== null && greatest >= numClasses)
    throw new RangeError(`${call}: ${name} has class ${greatest}, and numClasses is ${numClasses}`);
  if (numClasses === null && greatest > 1e4)
    throw new RangeError(`${call}: ${name} has class ${greatest}; where there are so many, say numClasses`);
  return greatest;
}
function checkNumClasses(call: string, numClasses: number | null): void {
  if (numClasses !== null && (numClasses < 2 || numClasses > 46_340))
    throw new RangeError(`${call}: numClasses must be from 2 to 46340, got ${numClasses}`);
}

const accuracySchema = signature('accuracy(Tensor input, Tensor target, *, int k=1, float threshold=0.5)');
const accuracyOptions = signature('Accuracy(*, int k=1, float threshold=0.5)');

/**
 * Share of the samples whose class was found, from 0 to 1. With `k`, a class counts as found if it is among the k greatest scores.
 *
 * `update(input, target)`: input [n, classes] scores, or [n] class numbers, or [n] scores of class 1 that are compared with
 * `threshold`; target [n] class numbers (integers or bool). `k` above 1 needs scores [n, classes].
 */
export class Accuracy extends Metric<number> {
  readonly k: number;
  readonly threshold: number;
  #right = 0;
  constructor(...args: Arguments<typeof accuracyOptions.schema>) {
    super();
    [this.k, this.threshold] = accuracyOptions.read(args);
    if (this.k < 1) throw new RangeError(`Accuracy: k must be at least 1, got ${this.k}`);
  }
  protected take(input: Tensor, target: Tensor): number {
    const right = classesOf(this.call, 'target', target);
    const [n] = right.shape as readonly [number];
    if (this.k === 1) {
      this.#right += Number(predicted(this.call, input, n, this.threshold).eq(right).sum().itemBigInt());
      return n;
    }
    if (input.shape.length !== 2 || input.shape[0] !== n || input.shape[1]! < this.k || !input.isFloatingPoint())
      throw new TenfoldError(
        'shape',
        `${this.call}: the best ${this.k} need scores [${n}, classes] of at least ${this.k} classes, got ${input.dtype} ${formatShape(input.shape)}`,
      );
    const best = input.topk(this.k, 1).indices;
    this.#right += Number(best.eq(right.unsqueeze(1)).any(1).sum().itemBigInt());
    return n;
  }
  protected value(): number {
    return this.#right / this.count;
  }
  protected forget(): void {
    this.#right = 0;
  }
  protected absorb(other: this): void {
    this.#right += other.#right;
  }
}
/**
 * Share of the samples whose class was found, from 0 to 1; see {@link Accuracy} for the arguments.
 *
 * ```ts
 * metrics.accuracy(tensor([[0.1, 0.9], [0.8, 0.2]]), tensor([1n, 1n])); // 0.5
 * ```
 */
export function accuracy(...args: Arguments<typeof accuracySchema.schema>): number {
  const [input, target, k, threshold] = accuracySchema.read(args);
  return new Accuracy({ k, threshold }).named('accuracy').update(input, target).compute();
}

const matrixSchema = signature(
  'confusionMatrix(Tensor input, Tensor target, *, int? numClasses=null, float threshold=0.5)',
);
const matrixOptions = signature('ConfusionMatrix(*, int? numClasses=null, float threshold=0.5)');

/** Counts of pairs [right class, said class], which grow with the classes seen. */
abstract class Counts<Value> extends Metric<Value> {
  /** Row by row; `size` rows. */
  protected counts = new Float64Array(0);
  protected size = 0;
  protected constructor(
    readonly numClasses: number | null,
    readonly threshold: number,
  ) {
    super();
    checkNumClasses(this.call, numClasses);
    this.grow(numClasses ?? 0);
  }
  protected grow(size: number): void {
    if (size <= this.size) return;
    const counts = new Float64Array(size * size);
    for (let i = 0; i < this.size; i++) counts.set(this.counts.subarray(i * this.size, (i + 1) * this.size), i * size);
    [this.counts, this.size] = [counts, size];
  }
  protected take(input: Tensor, target: Tensor): number {
    const right = classesOf(this.call, 'target', target);
    const said = predicted(this.call, input, right.shape[0]!, this.threshold);
    if (input.shape.length === 2 && this.numClasses !== null && input.shape[1]! > this.numClasses)
      throw new TenfoldError(
        'shape',
        `${this.call}: input ${formatShape(input.shape)} has scores of ${input.shape[1]} classes, and numClasses is ${this.numClasses}`,
      );
    const greatest = Math.max(
      checkClasses(this.call, 'target', right, this.numClasses),
      checkClasses(this.call, 'input', said, this.numClasses),
    );
    this.grow(Math.max(greatest + 1, input.shape.length === 2 ? input.shape[1]! : 2));
    const { size, counts } = this;
    const batch = right
      .mul(size)
      .add(said)
      .bincount({ minlength: size * size })
      .toTypedArray() as BigInt64Array;
    for (let i = 0; i < counts.length; i++) counts[i]! += Number(batch[i]);
    return right.shape[0]!;
  }
  protected forget(): void {
    this.size = 0;
    this.grow(this.numClasses ?? 0);
    this.counts.fill(0);
  }
  protected absorb(other: this): void {
    this.grow(other.size);
    for (let i = 0; i < other.size; i++)
      for (let j = 0; j < other.size; j++) this.counts[i * this.size + j]! += other.counts[i * other.size + j]!;
  }
  /** Sums of class i: found rightly, said, and there. */
  protected sums(i: number): { right: number; said: number; there: number } {
    let [said, there] = [0, 0];
    for (let j = 0; j < this.size; j++) {
      said += this.counts[j * this.size + i]!;
      there += this.counts[i * this.size + j]!;
    }
    return { right: this.counts[i * this.size + i]!, said, there };
  }
}

/**
 * How often each class was taken for each: `compute()` gives an int64 tensor [classes, classes] whose row is the right class and
 * whose column is the one that the model said, as scikit-learn's. Without `numClasses`, as many as were seen (two at least).
 *
 * `update(input, target)`: as {@link Accuracy}'s.
 *
 * @throws RangeError for a class below 0, or not below `numClasses`.
 */
export class ConfusionMatrix extends Counts<Tensor> {
  constructor(...args: Arguments<typeof matrixOptions.schema>) {
    const [numClasses, threshold] = matrixOptions.read(args);
    super(numClasses, threshold);
  }
  protected value(): Tensor {
    return tensor(BigInt64Array.from(this.counts, BigInt)).reshape(this.size, this.size);
  }
}
/** How often each class was taken for each, int64 [classes, classes]; see {@link ConfusionMatrix}. */
export function confusionMatrix(...args: Arguments<typeof matrixSchema.schema>): Tensor {
  const [input, target, numClasses, threshold] = matrixSchema.read(args);
  return new ConfusionMatrix({ numClasses, threshold }).named('confusionMatrix').update(input, target).compute();
}

/** How the classes' values become one: see {@link Precision}. */
export type Average = 'macro' | 'micro' | 'weighted' | 'binary' | 'none';
const AVERAGES: readonly Average[] = ['macro', 'micro', 'weighted', 'binary', 'none'];

const scoreOptions = signature(
  "Precision(*, string average='macro', int? numClasses=null, float threshold=0.5, float zeroDivision=0)",
);
/** Options of {@link Precision}, {@link Recall} and {@link F1Score}. */
export interface ScoreOptions<A extends Average = Average> {
  /** How the classes' values become one (default 'macro'). */
  average?: A;
  /** Number of classes; without it, as many as were seen. */
  numClasses?: number | null;
  /** From which score on class 1 is said, where the input holds one score a sample (default 0.5). */
  threshold?: number;
  /** Value of a class that has none, because it was never said, or never there (default 0). */
  zeroDivision?: number;
}
/** A list of values with 'none', else one. */
type Averaged<A extends Average> = A extends 'none' ? number[] : number;
type ScoreArguments<A extends Average> = [options?: ScoreOptions<A>];

abstract class Score<A extends Average> extends Counts<Averaged<A>> {
  readonly average: Average;
  readonly zeroDivision: number;
  constructor(...args: ScoreArguments<A>) {
    const [average, numClasses, threshold, zeroDivision] = scoreOptions.read(args, new.target.name);
    super(numClasses, threshold);
    if (!AVERAGES.includes(average as Average))
      throw new TenfoldError('value', `${this.call}: average must be one of ${AVERAGES.map((a) => `'${a}'`).join(', ')}, got '${average}'`); // prettier-ignore
    this.average = average as Average;
    this.zeroDivision = zeroDivision;
  }
  /** The score of one class, or of several classes' sums. */
  protected abstract score(right: number, said: number, there: number): number;
  protected ratio(part: number, whole: number): number {
    return whole === 0 ? this.zeroDivision : part / whole;
  }
  protected value(): Averaged<A> {
    return this.averaged() as Averaged<A>;
  }
  private averaged(): number | number[] {
    const sums = Array.from({ length: this.size }, (_, i) => this.sums(i));
    const each = sums.map((s) => this.score(s.right, s.said, s.there));
    if (this.average === 'none') return each;
    if (this.average === 'binary') {
      if (this.size !== 2)
        throw new TenfoldError(
          'value',
          `${this.call}: average 'binary' is for two classes, and there are ${this.size}`,
        );
      return each[1]!;
    }
    const total = (f: (s: (typeof sums)[number]) => number): number => sums.reduce((a, s) => a + f(s), 0);
    if (this.average === 'micro') return this.score(total((s) => s.right), total((s) => s.said), total((s) => s.there)); // prettier-ignore
    // A class that was neither there nor said is none.
    const seen = each.flatMap((value, i) => (sums[i]!.said + sums[i]!.there > 0 ? [{ value, weight: sums[i]!.there }] : [])); // prettier-ignore
    if (this.average === 'macro') return seen.reduce((a, c) => a + c.value, 0) / seen.length;
    return seen.reduce((a, c) => a + c.value * c.weight, 0) / this.count;
  }
}

/**
 * Share of a class's samples among those that were taken for it.
 *
 * `average`: 'macro', the mean over the classes that were there or were said; 'weighted', the same by how often each was there;
 * 'micro', all classes' counts together; 'binary', class 1's alone; 'none', a list with each class's.
 *
 * `update(input, target)`: as {@link Accuracy}'s. Numbers are scikit-learn's.
 */
export class Precision<A extends Average = 'macro'> extends Score<A> {
  protected score(right: number, said: number): number {
    return this.ratio(right, said);
  }
}
/** Share of a class's samples that were found; options as {@link Precision}'s. */
export class Recall<A extends Average = 'macro'> extends Score<A> {
  protected score(right: number, _: number, there: number): number {
    return this.ratio(right, there);
  }
}
/** Harmonic mean of precision and recall; options as {@link Precision}'s. */
export class F1Score<A extends Average = 'macro'> extends Score<A> {
  protected score(right: number, said: number, there: number): number {
    return this.ratio(2 * right, said + there);
  }
}
type ScoreCall<A extends Average> = [input: Tensor, target: Tensor, ...ScoreArguments<A>];
/** The object of a score, made for one call. */
function scored<A extends Average>(
  call: string,
  make: (options: ScoreOptions<A>) => Score<A>,
  args: ScoreCall<A>,
): Averaged<A> {
  if (args.length > 3) throw new TypeError(`${call}: expected at most 3 arguments, got ${args.length}`);
  const [input, target, options = {}] = args;
  return renamed(call, () => make(options))
    .named(call)
    .update(input, target)
    .compute();
}
/** Share of a class's samples among those that were taken for it; see {@link Precision}. */
export function precision<A extends Average = 'macro'>(...args: ScoreCall<A>): Averaged<A> {
  return scored('precision', (options) => new Precision<A>(options), args);
}
/** Share of a class's samples that were found; see {@link Precision} for the options. */
export function recall<A extends Average = 'macro'>(...args: ScoreCall<A>): Averaged<A> {
  return scored('recall', (options) => new Recall<A>(options), args);
}
/** Harmonic mean of precision and recall; see {@link Precision} for the options. */
export function f1Score<A extends Average = 'macro'>(...args: ScoreCall<A>): Averaged<A> {
  return scored('f1Score', (options) => new F1Score<A>(options), args);
}
