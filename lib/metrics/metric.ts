/**
 * What every metric is: a running object. It takes batches (`update`), says its value over all of them (`compute`), begins
 * anew (`reset`), and takes in what another one has seen (`merge`), so that workers or ranks can each count their share.
 *
 * What has been seen is kept in plain numbers, not in tensors: a metric may live across `tidy` and through a million batches.
 * The function of a metric is its object, used once. To add one: a class here, a function beside it, a row in test/metrics.
 */
import { TenfoldError, show } from '../errors.js';
import { noGrad } from '../autograd/mode.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { tidy } from '../tensor/scope.js';
import { checkIsTensor, type Tensor } from '../tensor/tensor.js';

/** A value over batches. `Value` is what `compute` gives. */
export abstract class Metric<Value> {
  /** Name in messages: the class's, or the function's whose work it does. */
  protected call: string;
  /** Samples seen since the last reset. */
  count = 0;

  constructor(call?: string) {
    this.call = call ?? new.target.name;
  }

  /**
   * Takes in a batch: what the model said, and what was right. Nothing of the tensors is held afterwards (but by `AUROC`, which
   * keeps their numbers).
   *
   * @returns the metric itself.
   */
  update(input: Tensor, target: Tensor): this {
    checkIsTensor(this.call, 'input', input);
    checkIsTensor(this.call, 'target', target);
    this.count += noGrad(() => tidy(() => this.take(input, target)));
    return this;
  }
  /**
   * The value over everything since the last reset.
   *
   * @throws TenfoldError 'value' where nothing was seen.
   */
  compute(): Value {
    if (this.count === 0)
      throw new TenfoldError('value', `${this.call}: no samples yet; call update(input, target) first`);
    return this.value();
  }
  /** Forgets all batches. */
  reset(): this {
    this.count = 0;
    this.forget();
    return this;
  }
  /** Takes in what other metrics of the same kind have seen; they stay as they are. */
  merge(...others: readonly this[]): this {
    for (const other of others)
      if (Object.getPrototypeOf(other) !== Object.getPrototypeOf(this))
        throw new TypeError(`${this.call}.merge: expected a ${this.constructor.name}, got ${show(other)}`);
    for (const other of others) {
      this.absorb(other);
      this.count += other.count;
    }
    return this;
  }

  /** Gives messages another name. @internal */
  named(call: string): this {
    this.call = call;
    return this;
  }
  /** Takes in a batch and says how many samples it had; all its checks come before anything is changed. */
  protected abstract take(input: Tensor, target: Tensor): number;
  protected abstract value(): Value;
  protected abstract forget(): void;
  protected abstract absorb(other: this): void;
}

/** Refuses batches whose sizes don't fit. */
export function checkSameShape(call: string, input: Tensor, target: Tensor): void {
  if (!sameShape(input.shape, target.shape))
    throw new TenfoldError(
      'shape',
      `${call}: input ${formatShape(input.shape)} and target ${formatShape(target.shape)} must have one shape`,
    );
}

/** The elements as JavaScript's numbers. */
export const numbersOf = (t: Tensor): Float64Array => t.reshape(-1).to('float64').toTypedArray() as Float64Array;
