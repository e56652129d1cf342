/**
 * Whole numbers that compute shapes: int64 of no or one dim, as plain numbers. `Shape → Gather → Concat → Reshape` runs on
 * these, without a tensor; whoever wants one gets it, made once.
 */
import { Code } from '../dtype.js';
import { fromTypedArray, zeros } from '../ops/creation.js';
import type { Tensor } from '../tensor/tensor.js';

/** The most elements that are kept as plain numbers. */
export const MOST = 1024;

export class Integers {
  private made: Tensor | null = null;
  constructor(
    readonly values: readonly number[],
    /** Whether it has no dim. */
    readonly scalar = false,
  ) {}

  get tensor(): Tensor {
    if (this.made === null) {
      const { values, scalar } = this;
      const shape = scalar ? [] : [values.length];
      this.made =
        values.length > 0
          ? fromTypedArray(BigInt64Array.from(values, BigInt), shape)
          : zeros(shape, { dtype: 'int64' });
    }
    return this.made;
  }
  get shape(): readonly number[] {
    return this.scalar ? [] : [this.values.length];
  }

  /** A tensor's numbers, where it is one of this kind and they are exact. */
  static of(t: Tensor): Integers | null {
    if (t.code !== Code.i64 || t.ndim > 1 || t.count > MOST) return null;
    const values = numbersOf(t);
    return values.every(Number.isSafeInteger) ? new Integers(values, t.ndim === 0) : null;
  }
}

/** The elements of a tensor as numbers; int64 beyond 2^53 loses digits. */
export function numbersOf(t: Tensor | Integers): number[] {
  if (t instanceof Integers) return t.values.slice();
  const array = t.detach().toTypedArray();
  return t.code === Code.f16 || t.code === Code.bf16
    ? numbersOf(t.detach().to('float32'))
    : Array.from(array as ArrayLike<number | bigint>, Number);
}
/** The one number of a tensor. */
export const numberOf = (t: Tensor | Integers): number => numbersOf(t)[0]!;

/** A binary function on whole numbers, broadcast; null where a result isn't exact. */
export const elementwise =
  (fn: (x: number, y: number) => number) =>
  (_: unknown, a: Integers, b: Integers): Integers | null => {
    const length = a.scalar || a.values.length === 1 ? b.values.length : a.values.length;
    if (!b.scalar && b.values.length !== 1 && b.values.length !== length) return null;
    const at = ({ values }: Integers, i: number): number => values[values.length === 1 ? 0 : i]!;
    const values = Array.from({ length }, (_, i) => fn(at(a, i), at(b, i)));
    return values.every(Number.isSafeInteger) ? new Integers(values, a.scalar && b.scalar) : null;
  };
