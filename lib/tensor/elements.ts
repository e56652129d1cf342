/** Typed-array views of a tensor's memory, and the reading and writing of single elements. */
import { TenfoldError } from '../errors.js';
import { Code, SIZE } from '../dtype.js';
import { capture } from './capture.js';
import { bufferOf, checkStorage, type Storage } from './storage.js';
import { storageBuffer, type Tensor } from './tensor.js';

export type TypedArray =
  Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Int16Array | Uint16Array;

type ArrayKind = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray;
/** Typed array of each dtype by code; the halves show as their bits. */
export const ARRAY_OF: readonly ArrayKind[] = [
  Float32Array,
  Float64Array,
  BigInt64Array,
  Int32Array,
  Uint8Array,
  Uint8Array,
  Int8Array,
  Int16Array,
  Uint16Array,
  Uint16Array,
] as ArrayKind[];

/** A dense tensor's elements, sharing its memory. */
export function elementsOf(t: Tensor): TypedArray {
  if (capture !== null) capture.touches(t.storage);
  // What has no elements may begin anywhere, also behind its memory.
  if (t.count === 0) return new ARRAY_OF[t.code]!(new ArrayBuffer(0), 0, 0);
  return new ARRAY_OF[t.code]!(storageBuffer(t), t.byteStart(t.offset), t.count);
}

// Views over whole buffers, kept for the buffer used last: a loop that reads one loss per step makes no garbage.
let lastBuffer: ArrayBufferLike | null = null;
let views: (TypedArray | null)[] = [];

function viewOf(storage: Storage, code: Code): TypedArray {
  if (storage.guarded) checkStorage(storage);
  const buffer = bufferOf(storage);
  if (lastBuffer !== buffer) {
    lastBuffer = buffer;
    views = [];
  }
  return (views[code] ??= new ARRAY_OF[code]!(buffer, 0, Math.floor(buffer.byteLength / SIZE[code]!)));
}

/** Element at a position of the storage: a number, or a boolean for bool. `call` and what it offers name what asks for it. */
export function readElement(
  t: Tensor,
  element: number,
  call = 'item',
  instead = 'itemBigInt() reads it',
): number | boolean {
  if (capture !== null) capture.touches(t.storage);
  const start = t.byteStart(element);
  const size = SIZE[t.code]!;
  const value = start % size === 0 ? viewOf(t.storage, t.code)[start / size]! : readUnaligned(t, start);
  switch (t.code) {
    case Code.bool:
      return value !== 0;
    case Code.i64: {
      const n = Number(value);
      if (!Number.isSafeInteger(n)) {
        throw new TenfoldError(
          'value',
          `${call}: ${String(value)} is beyond 2^53 and not exact as a number; ${instead}`,
        );
      }
      return n;
    }
    case Code.f16:
      return halfToNumber(value as number);
    case Code.bf16:
      return bfloatToNumber(value as number);
    default:
      return value as number;
  }
}

// A buffer that the user gave may start anywhere.
function readUnaligned(t: Tensor, start: number): number | bigint {
  const bytes = new Uint8Array(storageBuffer(t), start, SIZE[t.code]!).slice();
  return new ARRAY_OF[t.code]!(bytes.buffer, 0, 1)[0]!;
}

const bits = new Uint32Array(1);
const bitsAsFloat = new Float32Array(bits.buffer);

/** Value of bfloat16 bits: the upper half of a float32. */
export function bfloatToNumber(half: number): number {
  bits[0] = half << 16;
  return bitsAsFloat[0]!;
}
/** Value of IEEE float16 bits. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
