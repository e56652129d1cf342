/**
 * Addresses in a table in memory, for kernels that work on any number of tensors at once: a row of numbers and addresses for
 * each. What is behind the addresses is kept until `clear`, which its user calls after the launch.
 */
import { allocateOwn, bufferOf, type Storage } from '../tensor/storage.js';
import type { Tensor } from '../tensor/tensor.js';
import { addressOf } from './run.js';

/** A table of doubles. */
export class AddressTable {
  readonly storage: Storage;
  readonly numbers: Float64Array;
  /** The tensors whose addresses stand in the table, by place. */
  readonly operands: (Tensor | null)[];
  constructor(
    readonly rows: number,
    readonly columns: number,
  ) {
    this.storage = allocateOwn(8 * rows * columns);
    this.operands = new Array<Tensor | null>(rows * columns).fill(null);
    this.numbers = new Float64Array(bufferOf(this.storage), this.storage.byteOffset, rows * columns);
  }

  /** Writes the address of a tensor. */
  set(at: number, t: Tensor): void {
    this.numbers[at] = addressOf(t);
    this.operands[at] = t;
  }

  /** Begins with the rows of a smaller table. */
  takeOver(smaller: AddressTable): void {
    this.numbers.set(smaller.numbers);
    smaller.operands.forEach((t, at) => (this.operands[at] = t));
  }

  /** Forgets the tensors. */
  clear(): void {
    this.operands.fill(null);
  }
}
