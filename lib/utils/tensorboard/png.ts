/** Images as PNG: 8 bits a channel, one filter (none), packed by node:zlib. See the PNG specification, third edition. */
import { deflateSync } from 'node:zlib';
import { crc32 } from '../../serialization/checksum.js';

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Colour type by number of channels: grey, grey and alpha, RGB, RGBA. */
const COLOUR_TYPES = [0, 4, 2, 6];

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

/** `pixels` (height, width, channels), each from 0 to 255; 1 to 4 channels. */
export function encodePng(pixels: Uint8Array, height: number, width: number, channels: number): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = COLOUR_TYPES[channels - 1]!;
  const row = width * channels;
  const rows = new Uint8Array(height * (row + 1)); // each begins with its filter, 0
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array(0)),
  ]);
}
