/** CRC-32, as zip entries carry it. */
import * as zlib from 'node:zlib';

// Node has it natively from 20.15 and 22.2 on.
const native = (zlib as { crc32?: (data: Uint8Array, value?: number) => number }).crc32;

/** Eight tables of 256: the effect of a byte that stands 0 to 7 bytes before the end of eight. */
function tables(): Uint32Array {
  const t = new Uint32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    t[n] = c;
  }
  for (let i = 256; i < t.length; i++) t[i] = t[t[i - 256]! & 255]! ^ (t[i - 256]! >>> 8);
  return t;
}
let table: Uint32Array | null = null;

/** Eight bytes at a time ("slicing by 8"). For Nodes without their own; exported for its test. */
export function crc32Portable(bytes: Uint8Array, value = 0): number {
  const t = (table ??= tables());
  let c = ~value;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c =
      t[1792 + (c & 255)]! ^
      t[1536 + ((c >>> 8) & 255)]! ^
      t[1280 + ((c >>> 16) & 255)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = t[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** CRC-32 of bytes; `value` is the one of what stands before them. */
export function crc32(bytes: Uint8Array, value = 0): number {
  return native ? native(bytes, value) >>> 0 : crc32Portable(bytes, value);
}
