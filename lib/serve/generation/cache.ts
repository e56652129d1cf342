/**
 * Keys and values of the tokens that were read already, so that the next one attends to them without computing them again.
 * Several sequences of different lengths lie in it, each in a row of its own; those in use are the first rows, so that a step
 * for all of them looks at one view.
 */
import { TenfoldError, show } from '../../errors.js';
import { fromTypedArray, zeros } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';

/** What a model's attention layers take part in: see TokenGenerator. */
export class KeyValueCache {
  private readonly keys: Tensor[] = [];
  private readonly values: Tensor[] = [];
  /** Tokens of each row. */
  private readonly lengths: number[];
  private from = 0;
  private rows = 0;
  private count = 0;
  private stepMask: Tensor | null = null;
  private stepPositions: Tensor | null = null;

  /** Room for `sequences` sequences of up to `maxLength` tokens. */
  constructor(
    readonly sequences: number,
    readonly maxLength: number,
  ) {
    for (const [name, value] of Object.entries({ sequences, maxLength })) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new RangeError(`KeyValueCache: ${name} must be an integer from 1, got ${show(value)}`);
    }
    this.lengths = new Array<number>(sequences).fill(0);
  }

  /** Tokens that a row has. */
  lengthOf(row: number): number {
    return this.lengths[row]!;
  }
  /** Begins a step: rows `from` to `from + rows` get `count` more tokens each. @internal */
  begin(from: number, rows: number, count: number): void {
    Object.assign(this, { from, rows, count });
    const before = this.lengths.slice(from, from + rows);
    const longest = Math.max(...before) + count;
    if (longest > this.maxLength)
      throw new TenfoldError('value', `KeyValueCache: ${longest} tokens are more than its maxLength ${this.maxLength}`);
    const positions = BigInt64Array.from(before.flatMap((n) => Array.from({ length: count }, (_, i) => BigInt(n + i))));
    this.stepPositions = fromTypedArray(positions, [rows, count]);
    this.stepMask = null;
    if (count === 1 && before.every((n) => n === before[0])) return; // all attend to all
    const mask = new Uint8Array(rows * count * longest);
    before.forEach((n, row) => {
      for (let i = 0; i < count; i++) {
        const at = (row * count + i) * longest;
        mask.fill(1, at, at + n + i + 1);
      }
    });
    this.stepMask = fromTypedArray(mask, [rows, 1, count, longest]).to('bool');
  }
  /** Ends a step: the tokens count from now on. @internal */
  end(): void {
    for (let row = this.from; row < this.from + this.rows; row++) this.lengths[row]! += this.count;
  }
  /** Gives a row's place to another sequence: the last of `used` rows moves there. @internal */
  release(row: number, used: number): void {
    const last = used - 1;
    if (row !== last) {
      for (const store of [...this.keys, ...this.values]) store.select(0, row).copy_(store.select(0, last));
      this.lengths[row] = this.lengths[last]!;
    }
    this.lengths[last] = 0;
  }

  /** Places of the step's tokens in their sequences, [rows, tokens], int64: for embeddings of positions. */
  get positions(): Tensor {
    return this.stepPositions!;
  }
  /** Which tokens each of the step's may attend to, [rows, 1, tokens, length], bool; null where it is all of them. */
  get mask(): Tensor | null {
    return this.stepMask;
  }

  /**
   * Takes a layer's keys and values of the step's tokens, [rows, heads, tokens, dim], and gives those of all tokens so far,
   * [rows, heads, length, dim]. To be called once a step for each layer, in their order from 0.
   */
  extend(layer: number, key: Tensor, value: Tensor): readonly [key: Tensor, value: Tensor] {
    const [rows, heads, count] = key.shape as readonly number[];
    if (rows !== this.rows || count !== this.count || key.shape.length !== 4) {
      throw new TenfoldError(
        'shape',
        `KeyValueCache.extend: keys of shape [${key.shape.join(', ')}] in a step of ${this.rows} rows of ${this.count} tokens`,
      );
    }
    const make = (t: Tensor): Tensor =>
      zeros([this.sequences, heads!, this.maxLength, t.shape[3]!], { dtype: t.dtype });
    const [keys, values] = [(this.keys[layer] ??= make(key)), (this.values[layer] ??= make(value))];
    let longest = 0;
    for (let i = 0; i < rows; i++) {
      const at = this.lengths[this.from + i]!;
      longest = Math.max(longest, at + count);
      keys
        .select(0, this.from + i)
        .narrow(1, at, count)
        .copy_(key.select(0, i));
      values
        .select(0, this.from + i)
        .narrow(1, at, count)
        .copy_(value.select(0, i));
    }
    const view = (store: Tensor): Tensor => store.narrow(0, this.from, rows).narrow(2, 0, longest);
    return [view(keys), view(values)];
  }
}
