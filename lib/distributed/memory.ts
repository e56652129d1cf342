/**
 * Tensors' memory while another thread reads or writes it. Until it is given back the storage is held, so that nobody disposes
 * of it, writes to it or uses it again; what the user can transfer away, and what isn't dense, is copied there and back.
 */
import { SIZE } from '../dtype.js';
import { TenfoldError } from '../errors.js';
import { capture } from '../tensor/capture.js';
import { checkWritable, bufferOf, hold, letGo, type Storage } from '../tensor/storage.js';
import { checkTensor, Tensor } from '../tensor/tensor.js';

/** The tensors of one call. */
export class Loan {
  private readonly held: Storage[] = [];
  private readonly copies: [to: Tensor, from: Tensor][] = [];
  /** What the call writes. */
  readonly written: Tensor[] = [];

  constructor(private readonly call: string) {
    if (capture !== null) capture.refuse(call, 'other processes take part in it');
  }

  /** Memory to read from. */
  input(t: Tensor): Uint8Array {
    checkTensor(this.call, t);
    return this.bytes(t.dense && !t.storage.guarded ? t : t.rawClone());
  }

  /** Memory to write to; `read`: what is there counts. */
  output(t: Tensor, read: boolean): Uint8Array {
    this.checkTarget(t);
    this.written.push(t);
    if (t.dense && !t.storage.guarded) return this.bytes(t);
    const dense = read ? t.rawClone() : Tensor.raw(t.shape, t.code);
    this.copies.push([t, dense]);
    hold(t.storage);
    this.held.push(t.storage);
    return this.bytes(dense);
  }

  /** One piece of memory for `targets`, one after the other, which get their parts at the end. */
  outputs(targets: readonly Tensor[]): Uint8Array {
    for (const t of targets) this.checkTarget(t);
    const whole = flat(targets);
    forParts(whole, targets, (part, t) => this.copies.push([t, part]));
    for (const t of targets) {
      this.written.push(t);
      hold(t.storage);
      this.held.push(t.storage);
    }
    return this.bytes(whole);
  }

  /** Tensors, one after the other, in one piece of memory. */
  inputs(tensors: readonly Tensor[]): Uint8Array {
    for (const t of tensors) checkTensor(this.call, t);
    const whole = flat(tensors);
    forParts(whole, tensors, (part, t) => part.rawCopy(t));
    return this.bytes(whole);
  }

  /** The call is over; `done`: and has written. */
  end(done: boolean): void {
    for (const storage of this.held) letGo(storage);
    this.held.length = 0;
    if (!done) return;
    for (const [to, from] of this.copies) {
      checkTensor(this.call, to);
      to.rawCopy(from);
    }
    for (const t of this.written) t.storage.version++;
  }

  private bytes(t: Tensor): Uint8Array {
    hold(t.storage);
    this.held.push(t.storage);
    if (t.count === 0) return new Uint8Array(0);
    return new Uint8Array(bufferOf(t.storage), t.byteStart(t.offset), t.count * SIZE[t.code]!);
  }

  private checkTarget(t: Tensor): void {
    checkTensor(this.call, t);
    if (t.storage.readers > 0) checkWritable(this.call, t.storage);
    if (t.shape.some((size, i) => size > 1 && t.strides[i] === 0)) {
      throw new TenfoldError(
        'inplace',
        `${this.call}: several elements of this [${t.shape}] tensor are the same memory (it was expanded); clone() it first`,
      );
    }
  }
}

/** Memory for all of them, which are of one dtype. */
function flat(tensors: readonly Tensor[]): Tensor {
  const count = tensors.reduce((sum, t) => sum + t.count, 0);
  return Tensor.raw([count], tensors[0]!.code);
}

function forParts(whole: Tensor, tensors: readonly Tensor[], act: (part: Tensor, t: Tensor) => void): void {
  let at = 0;
  for (const t of tensors) {
    const strides: number[] = [];
    let step = 1;
    for (let i = t.shape.length - 1; i >= 0; i--) {
      strides[i] = step;
      step *= t.shape[i]!;
    }
    act(whole.stridedView(t.shape, strides, at), t);
    at += t.count;
  }
}
