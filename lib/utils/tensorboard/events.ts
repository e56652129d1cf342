/**
 * TensorBoard's event files: protobuf messages (event.proto, summary.proto) in records with checksums, as TFRecord has them:
 * length, masked CRC-32C of the length, bytes, masked CRC-32C of the bytes.
 */

// ---- protobuf ------------------------------------------------------------------------------------------------------

/** One field of a message. */
export type Field = readonly [
  number: number,
  kind: 'varint' | 'double' | 'float' | 'bytes',
  value: number | Uint8Array,
];

/** Field that counts in 64 bits; negative ones as two's complement. */
export const varint = (number: number, value: number): Field => [number, 'varint', value];
export const double = (number: number, value: number): Field => [number, 'double', value];
export const float = (number: number, value: number): Field => [number, 'float', value];
export const bytes = (number: number, value: Uint8Array): Field => [number, 'bytes', value];
export const text = (number: number, value: string): Field => [number, 'bytes', Buffer.from(value)];
/** A message in a message. */
export const inner = (number: number, ...fields: Field[]): Field => [number, 'bytes', message(...fields)];
/** Doubles one behind the other. */
export const doubles = (number: number, values: Float64Array): Field => [
  number,
  'bytes',
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
];

const WIRE = { varint: 0, double: 1, bytes: 2, float: 5 } as const;

function encodeVarint(value: number): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return out;
}

/** A message of these fields. */
export function message(...fields: readonly Field[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [number, kind, value] of fields) {
    parts.push(Uint8Array.from(encodeVarint(number * 8 + WIRE[kind])));
    if (typeof value !== 'number') parts.push(Uint8Array.from(encodeVarint(value.length)), value);
    else if (kind === 'varint') parts.push(Uint8Array.from(encodeVarint(value)));
    else {
      const part = Buffer.alloc(kind === 'double' ? 8 : 4);
      if (kind === 'double') part.writeDoubleLE(value);
      else part.writeFloatLE(value);
      parts.push(part);
    }
  }
  return Buffer.concat(parts);
}

// ---- records -------------------------------------------------------------------------------------------------------

const CASTAGNOLI = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? CASTAGNOLI ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32C, turned and shifted: a checksum of bytes that hold checksums would be a weak one. */
export function maskedCrc(data: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < data.length; i++) c = TABLE[(c ^ data[i]!) & 255]! ^ (c >>> 8);
  c = ~c >>> 0;
  return (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0;
}

/** A record of an event file. */
export function record(data: Uint8Array): Uint8Array {
  const out = Buffer.alloc(16 + data.length);
  out.writeBigUInt64LE(BigInt(data.length));
  out.writeUInt32LE(maskedCrc(out.subarray(0, 8)), 8);
  out.set(data, 12);
  out.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return out;
}

// ---- events --------------------------------------------------------------------------------------------------------

/** When an event happened: seconds since 1970, and the step, if there is one. */
export interface Moment {
  readonly wallTime: number;
  readonly step: number | null;
}
const at = ({ wallTime, step }: Moment): Field[] => [double(1, wallTime), ...(step ? [varint(2, step)] : [])];

/** The first event of a file. */
export const versionEvent = (moment: Moment): Uint8Array => message(...at(moment), text(3, 'brain.Event:2'));
/** Tells TensorBoard to forget what other files of the run have from this step on. */
export const restartEvent = (moment: Moment): Uint8Array => message(...at(moment), inner(7, varint(1, 1)));
export const graphEvent = (moment: Moment, graph: Uint8Array): Uint8Array => message(...at(moment), bytes(4, graph));
/** An event with one value; `fields` are those of Summary.Value beside the tag. */
export const valueEvent = (moment: Moment, tag: string, ...fields: Field[]): Uint8Array =>
  message(...at(moment), inner(5, inner(1, text(1, tag), ...fields)));

/** SummaryMetadata for a plugin of TensorBoard's. */
export const pluginData = (name: string, content: Uint8Array): Field =>
  inner(9, inner(1, text(1, name), bytes(2, content)));

/** Summary.Value's field of a tensor that holds one text. */
export const textTensor = (value: string): Field =>
  inner(8, varint(1, 7), inner(2, inner(2, varint(1, 1))), text(8, value));
