/** Area under the receiver operating characteristic. */
import { TenfoldError } from '../errors.js';
import { signature, type Arguments } from '../op/schema.js';
import { formatShape } from '../tensor/shape.js';
import { type Tensor } from '../tensor/tensor.js';
import { Metric, numbersOf } from './metric.js';

const none = signature('AUROC()');
const both = signature('auroc(Tensor input, Tensor target)');

/**
 * Probability that a sample of a class is given a higher score for it than a sample of another class, ties counted half: the
 * area under the receiver operating characteristic. 1 is perfect, 0.5 is chance.
 *
 * `update(input, target)`: input [n] scores of class 1 and target [n] with 0 and 1 (integers or bool), or input [n, classes]
 * and target [n] class numbers: then the mean over the classes, each against the rest. All scores are kept (16 bytes each).
 *
 * `compute()` throws TenfoldError 'value' where a class, or its counterpart, has no sample. NaN scores are refused.
 */
export class AUROC extends Metric<number> {
  #scores: Float64Array[] = [];
  #targets: Float64Array[] = [];
  /** Scores a sample has; 0 before the first batch. */
  #classes = 0;
  constructor(...args: Arguments<typeof none.schema>) {
    super();
    none.read(args);
  }
  protected take(input: Tensor, target: Tensor): number {
    const [n, classes = 1] = input.shape;
    if (input.shape.length < 1 || input.shape.length > 2 || target.shape.length !== 1 || target.shape[0] !== n)
      throw new TenfoldError(
        'shape',
        `${this.call}: expected scores [n] or [n, classes] and a target [n], got ${formatShape(input.shape)} and ${formatShape(target.shape)}`,
      );
    if (this.#classes > 0 && classes !== this.#classes)
      throw new TenfoldError('shape', `${this.call}: scores of ${classes} classes after batches of ${this.#classes}`);
    if (target.isFloatingPoint())
      throw new TenfoldError('dtype', `${this.call}: target must hold class numbers (integers or bool), got ${target.dtype}`); // prettier-ignore
    const scores = numbersOf(input);
    const targets = numbersOf(target);
    if (scores.some(Number.isNaN)) throw new TenfoldError('value', `${this.call}: the scores hold NaN`);
    const last = Math.max(classes - 1, 1);
    const wrong = targets.find((c) => c < 0 || c > last);
    if (wrong !== undefined) throw new RangeError(`${this.call}: target has class ${wrong}, and the classes are 0 to ${last}`); // prettier-ignore
    this.#scores.push(scores);
    this.#targets.push(targets);
    this.#classes = classes;
    return n!;
  }
  protected value(): number {
    const targets = joined(this.#targets);
    const scores = joined(this.#scores);
    const classes = this.#classes;
    if (classes === 1) return this.area(scores, targets, 1);
    let sum = 0;
    for (let c = 0; c < classes; c++)
      sum += this.area(
        targets.map((_, i) => scores[i * classes + c]!),
        targets,
        c,
      );
    return sum / classes;
  }
  /** By ranks (Mann and Whitney 1947): the area is the share of pairs, one of the class and one not, in the right order. */
  private area(scores: Float64Array, targets: Float64Array, wanted: number): number {
    const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
    let positives = 0;
    let ranks = 0;
    for (let begin = 0, end = 0; begin < order.length; begin = end) {
      let tied = 0;
      for (end = begin; end < order.length && scores[order[end]!] === scores[order[begin]!]; end++)
        tied += Number(targets[order[end]!] === wanted);
      positives += tied;
      ranks += tied * ((begin + 1 + end) / 2); // places begin + 1 to end, shared
    }
    const negatives = order.length - positives;
    if (positives === 0 || negatives === 0)
      throw new TenfoldError('value', `${this.call}: of ${order.length} samples ${positives} are of class ${wanted}; there must be some of it and some others`); // prettier-ignore
    return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
  }
  protected forget(): void {
    [this.#scores, this.#targets, this.#classes] = [[], [], 0];
  }
  protected absorb(other: this): void {
    if (other.#classes === 0) return;
    if (this.#classes > 0 && other.#classes !== this.#classes)
      throw new TenfoldError('value', `${this.call}.merge: scores of ${other.#classes} classes to those of ${this.#classes}`); // prettier-ignore
    this.#scores.push(...other.#scores);
    this.#targets.push(...other.#targets);
    this.#classes = other.#classes;
  }
}
/** Area under the receiver operating characteristic; see {@link AUROC}. */
export function auroc(...args: Arguments<typeof both.schema>): number {
  const [input, target] = both.read(args);
  return new AUROC().named('auroc').update(input, target).compute();
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
