/** Batches between threads: tensors' memory is handed over, not copied again. */
import type { Code } from '../../dtype.js';
import { isPlainObject } from '../../errors.js';
import { Tensor, storageBuffer } from '../../tensor/tensor.js';

/** A tensor under way. */
class Sent {
  readonly tenfoldTensor = true;
  constructor(
    readonly buffer: ArrayBuffer,
    readonly shape: readonly number[],
    readonly code: Code,
  ) {}
}

/** A value with the memory of its tensors, which goes along. */
export interface Parcel {
  readonly value: unknown;
  readonly transfer: ArrayBuffer[];
}

/** Takes the tensors of a value apart. What holds none of them goes as structuredClone() would have it. */
export function pack(value: unknown): Parcel {
  const transfer: ArrayBuffer[] = [];
  const walk = (v: unknown): unknown => {
    if (v instanceof Tensor) {
      const t = v.rawClone();
      const buffer = new ArrayBuffer(t.count * t.elementSize());
      new Uint8Array(buffer).set(new Uint8Array(storageBuffer(t), t.byteStart(t.offset), buffer.byteLength));
      transfer.push(buffer);
      return new Sent(buffer, v.shape, v.code);
    }
    if (Array.isArray(v)) return v.map(walk);
    return isPlainObject(v) ? Object.fromEntries(Object.entries(v).map(([key, inner]) => [key, walk(inner)])) : v;
  };
  return { value: walk(value), transfer };
}

/** Puts it together again; the tensors lie in the memory that came. */
export function unpack(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unpack);
  if (!isPlainObject(value)) return value;
  if ((value as Partial<Sent>).tenfoldTensor === true) {
    const { buffer, shape, code } = value as unknown as Sent;
    return Tensor.wrap(new Uint8Array(buffer), shape, code);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpack(inner)]));
}
