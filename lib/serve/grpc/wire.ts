/**
 * Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/) for messages of a request's size: tables say
 * what a message consists of, `decode` makes plain objects, `encode` bytes. Unknown fields are skipped, absent ones have
 * their default, as protobuf 3 has it.
 */
import { badRequest } from '../errors.js';

type Scalar = 'bool' | 'int32' | 'int64' | 'uint32' | 'uint64' | 'float' | 'double' | 'string' | 'bytes';
/** A field: its number, what it holds, and whether it is repeated or a map from strings. */
export interface Field {
  readonly no: number;
  readonly kind: Scalar | Table;
  readonly many?: 'list' | 'map';
}
/** A message's fields by name. */
export type Table = Readonly<Record<string, Field>>;
/** A message, read. Numbers beyond 2^53 are bigints; a message that is absent is null. */
export type Message = Record<string, unknown>;

const MAX_DEPTH = 16;
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function wireType(kind: Field['kind']): number {
  if (kind === 'float') return FIXED32;
  if (kind === 'double') return FIXED64;
  return typeof kind === 'object' || kind === 'string' || kind === 'bytes' ? BYTES : VARINT;
}

function defaultOf({ kind, many }: Field): unknown {
  if (many === 'list') return [];
  if (many === 'map') return new Map<string, unknown>();
  if (typeof kind === 'object') return null;
  if (kind === 'string') return '';
  if (kind === 'bytes') return new Uint8Array(0);
  return kind === 'bool' ? false : 0;
}

// ---- reading -------------------------------------------------------------------------------------------------------

class Reader {
  private at = 0;
  private readonly view: DataView;
  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get done(): boolean {
    return this.at >= this.bytes.length;
  }
  private advance(count: number): number {
    const from = this.at;
    if (count > this.bytes.length - from) throw badRequest('a message of protocol buffers is cut off');
    this.at += count;
    return from;
  }
  /** An unsigned integer of up to 64 bits, as a bigint only where it must be. */
  varint(): number | bigint {
    let low = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.bytes[this.advance(1)]!;
      low += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return low;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.advance(1)]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw badRequest('a number of protocol buffers is too long');
  }
  piece(): Uint8Array {
    const length = Number(this.varint());
    const from = this.advance(length);
    return this.bytes.subarray(from, from + length);
  }
  scalar(kind: Scalar): unknown {
    switch (kind) {
      case 'float':
        return this.view.getFloat32(this.advance(4), true);
      case 'double':
        return this.view.getFloat64(this.advance(8), true);
      case 'string':
        return text(this.piece());
      case 'bytes':
        return this.piece();
      case 'bool':
        return Number(this.varint()) !== 0;
      case 'uint32':
      case 'uint64':
        return exact(this.varint());
      default: {
        const value = this.varint();
        return typeof value === 'number' && value < 2 ** 31 ? value : exact(BigInt.asIntN(64, BigInt(value)));
      }
    }
  }
  skip(type: number): void {
    if (type === VARINT) this.varint();
    else if (type === FIXED64) this.advance(8);
    else if (type === BYTES) this.piece();
    else if (type === FIXED32) this.advance(4);
    else throw badRequest(`protocol buffers have no wire type ${type}`);
  }
}

const exact = (value: number | bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value;

function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badRequest('a string of protocol buffers is not UTF-8');
  }
}

/** A message of this table. A 400 for bytes that are none. */
export function decode(bytes: Uint8Array, table: Table, depth = 0): Message {
  if (depth > MAX_DEPTH) throw badRequest('a message of protocol buffers is nested too deep');
  const message = Object.fromEntries(Object.entries(table).map(([name, field]) => [name, defaultOf(field)])) as Message;
  const names = new Map(Object.entries(table).map(([name, { no }]) => [no, name]));
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const [no, type] = [Math.floor(tag / 8), tag % 8];
    const name = names.get(no);
    if (name === undefined) reader.skip(type);
    else readField(reader, message, name, table[name]!, type, depth);
  }
  return message;
}

function readField(
  reader: Reader,
  message: Message,
  name: string,
  { kind, many }: Field,
  type: number,
  depth: number,
): void {
  const one = (): unknown => (typeof kind === 'object' ? decode(reader.piece(), kind, depth + 1) : reader.scalar(kind));
  const expected = wireType(kind);
  if (many === 'map') {
    if (type !== BYTES) throw badRequest(`field ${name} has wire type ${type}`);
    const entry = decode(reader.piece(), { key: { no: 1, kind: 'string' }, value: { no: 2, kind } }, depth + 1);
    (message[name] as Map<string, unknown>).set(entry.key as string, entry.value);
  } else if (many === 'list' && type === BYTES && expected !== BYTES) {
    const packed = new Reader(reader.piece());
    const list = message[name] as unknown[];
    while (!packed.done) list.push(packed.scalar(kind as Scalar));
  } else if (type !== expected) throw badRequest(`field ${name} has wire type ${type}, expected ${expected}`);
  else if (many === 'list') (message[name] as unknown[]).push(one());
  else message[name] = one();
}

// ---- writing -------------------------------------------------------------------------------------------------------

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(out);
}

function scalarBytes(kind: Scalar, value: unknown): Uint8Array {
  if (kind === 'string') return Buffer.from(value as string);
  if (kind === 'bytes') return value as Uint8Array;
  if (kind === 'bool') return varint(value ? 1 : 0);
  if (kind !== 'float' && kind !== 'double') return varint(value as number | bigint);
  const bytes = Buffer.alloc(kind === 'float' ? 4 : 8);
  if (kind === 'float') bytes.writeFloatLE(value as number);
  else bytes.writeDoubleLE(value as number);
  return bytes;
}

/** A message's bytes, in pieces; large `bytes` fields are not copied. Absent and null fields are left out. */
export function encode(message: Message, table: Table): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const put = (no: number, kind: Field['kind'], value: unknown): void => {
    const inner = typeof kind === 'object' ? encode(value as Message, kind) : [scalarBytes(kind, value)];
    const type = wireType(kind);
    pieces.push(varint(no * 8 + type));
    if (type === BYTES) pieces.push(varint(inner.reduce((n, piece) => n + piece.length, 0)));
    pieces.push(...inner);
  };
  for (const [name, { no, kind, many }] of Object.entries(table)) {
    const value = message[name];
    if (value === undefined || value === null) continue;
    if (many === 'map') {
      const entry = { key: { no: 1, kind: 'string' as const }, value: { no: 2, kind } };
      for (const [key, one] of value as Map<string, unknown>) put(no, entry, { key, value: one });
    } else if (many !== 'list') put(no, kind, value);
    else if (wireType(kind) === BYTES) for (const one of value as unknown[]) put(no, kind, one);
    else if ((value as unknown[]).length > 0) {
      const packed = Buffer.concat(Array.from(value as unknown[], (one) => scalarBytes(kind as Scalar, one)));
      put(no, 'bytes', packed);
    }
  }
  return pieces;
}
