/** Tensors' memory as bytes. */
import { SIZE } from '../dtype.js';
import { bufferOf, expose, type Storage } from '../tensor/storage.js';
import { storageBuffer, type Tensor } from '../tensor/tensor.js';

/** A dense tensor's memory, which the view may outlive. */
export function bytesOf(t: Tensor): Uint8Array {
  expose(t.storage);
  return new Uint8Array(storageBuffer(t), t.byteStart(t.offset), t.count * SIZE[t.code]!);
}

/** A storage's memory, likewise. */
export function storageBytes(storage: Storage): Uint8Array {
  expose(storage);
  return new Uint8Array(bufferOf(storage), storage.byteOffset, storage.nbytes);
}
