/** Metrics of numbers: mean squared error, mean absolute error, coefficient of determination. */
import { TenfoldError } from '../errors.js';
import { signature, type Arguments } from '../op/schema.js';
import { formatShape } from '../tensor/shape.js';
import { type Tensor } from '../tensor/tensor.js';
import { Metric, checkSameShape, numbersOf } from './metric.js';

const pair = '(Tensor input, Tensor target)';
const readSquared = signature(`meanSquaredError${pair}`);
const readAbsolute = signature(`meanAbsoluteError${pair}`);
const readR2 = signature(`r2Score${pair}`);
const none = signature('MeanSquaredError()');
type Pair = Arguments<typeof readSquared.schema>;
type None = Arguments<typeof none.schema>;

/** Mean over elements of what an error costs, summed in float64. */
abstract class MeanError extends Metric<number> {
  #sum = 0;
  constructor(...args: None) {
    super();
    none.read(args, this.call);
  }
  protected abstract cost(difference: Tensor): Tensor;
  protected take(input: Tensor, target: Tensor): number {
    checkSameShape(this.call, input, target);
    this.#sum += this.cost(input.to('float64').sub(target.to('float64')))
      .sum()
      .item() as number;
    return input.numel();
  }
  protected value(): number {
    return this.#sum / this.count;
  }
  protected forget(): void {
    this.#sum = 0;
  }
  protected absorb(other: this): void {
    this.#sum += other.#sum;
  }
}
/** Mean of the squared differences. `update(input, target)`: two tensors of one shape, of any real dtype. */
export class MeanSquaredError extends MeanError {
  protected cost(difference: Tensor): Tensor {
    return difference.square();
  }
}
/** Mean of the absolute differences. `update(input, target)`: two tensors of one shape, of any real dtype. */
export class MeanAbsoluteError extends MeanError {
  protected cost(difference: Tensor): Tensor {
    return difference.abs();
  }
}

/**
 * Coefficient of determination: 1 for perfect predictions, 0 for what the mean of the targets does, negative below that.
 *
 * `update(input, target)`: [n], or [n, outputs]: then the mean over the outputs, each by itself. An output whose targets are all
 * the same has 1 where the predictions are perfect, else 0, as scikit-learn's.
 *
 * `compute()` needs two samples. Means and squares are merged batch by batch (Chan, Golub, LeVeque 1979), so that large numbers
 * with small differences stay right.
 */
export class R2Score extends Metric<number> {
  /** Per output: mean of the targets, sum of their squared distances to it, sum of the squared errors. */
  #mean = new Float64Array(0);
  #spread = new Float64Array(0);
  #error = new Float64Array(0);
  constructor(...args: None) {
    super();
    none.read(args, this.call);
  }
  protected take(input: Tensor, target: Tensor): number {
    checkSameShape(this.call, input, target);
    if (input.shape.length < 1 || input.shape.length > 2)
      throw new TenfoldError('shape', `${this.call}: expected [n] or [n, outputs], got ${formatShape(input.shape)}`);
    const [n, outputs = 1] = input.shape as readonly [number, number?];
    if (this.#mean.length > 0 && this.#mean.length !== outputs)
      throw new TenfoldError('shape', `${this.call}: ${outputs} outputs after batches of ${this.#mean.length}`);
    if (n === 0) return 0;
    const right = target.to('float64').reshape(n, outputs);
    const mean = right.mean(0);
    this.add(n, {
      mean: numbersOf(mean),
      spread: numbersOf(right.sub(mean).square().sum(0)),
      error: numbersOf(input.to('float64').reshape(n, outputs).sub(right).square().sum(0)),
    });
    return n;
  }
  /** Joins n samples to those there are. */
  private add(n: number, batch: { mean: Float64Array; spread: Float64Array; error: Float64Array }): void {
    if (this.#mean.length === 0) {
      [this.#mean, this.#spread, this.#error] = [batch.mean.slice(), batch.spread.slice(), batch.error.slice()];
      return;
    }
    const all = this.count + n;
    for (let i = 0; i < this.#mean.length; i++) {
      const apart = batch.mean[i]! - this.#mean[i]!;
      this.#spread[i]! += batch.spread[i]! + (apart * apart * this.count * n) / all;
      this.#mean[i]! += (apart * n) / all;
      this.#error[i]! += batch.error[i]!;
    }
  }
  protected value(): number {
    if (this.count < 2) throw new TenfoldError('value', `${this.call}: needs at least two samples, got ${this.count}`);
    const each = Array.from(this.#mean, (_, i) => {
      const [spread, error] = [this.#spread[i]!, this.#error[i]!];
      if (spread === 0) return error === 0 ? 1 : 0;
      return 1 - error / spread;
    });
    return each.reduce((a, b) => a + b, 0) / each.length;
  }
  protected forget(): void {
    this.#mean = this.#spread = this.#error = new Float64Array(0);
  }
  protected absorb(other: this): void {
    if (other.count === 0) return;
    if (this.#mean.length > 0 && this.#mean.length !== other.#mean.length)
      throw new TenfoldError('value', `${this.call}.merge: ${other.#mean.length} outputs to ${this.#mean.length}`);
    this.add(other.count, { mean: other.#mean, spread: other.#spread, error: other.#error });
  }
}

/** Mean of the squared differences of two tensors of one shape, in float64. */
export function meanSquaredError(...args: Pair): number {
  const [input, target] = readSquared.read(args);
  return new MeanSquaredError().named('meanSquaredError').update(input, target).compute();
}
/** Mean of the absolute differences of two tensors of one shape, in float64. */
export function meanAbsoluteError(...args: Pair): number {
  const [input, target] = readAbsolute.read(args);
  return new MeanAbsoluteError().named('meanAbsoluteError').update(input, target).compute();
}
/** Coefficient of determination; see {@link R2Score}. */
export function r2Score(...args: Pair): number {
  const [input, target] = readR2.read(args);
  return new R2Score().named('r2Score').update(input, target).compute();
}
