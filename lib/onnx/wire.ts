/**
 * Protocol buffers' wire format, as far as ONNX uses it. What a message consists of stands in tables (messages.ts), which
 * both directions read: `decode` makes plain objects of bytes, `encode` bytes of plain objects.
 *
 * Payloads (`span`) are not read but noted, with their place in the file: weights go from the disk into the tensor's own
 * memory in one read, whatever the size of the file.
 */
import * as fs from 'node:fs';

/**
 * What a field holds. `int`: a signed varint, a bigint beyond 2^53. `span`: bytes, or packed numbers, left where they are;
 * numbers that aren't packed are gathered. A table: a message of its own.
 */
export type Kind = 'int' | 'float' | 'double' | 'string' | 'bytes' | 'span' | Table;
export interface Field {
  readonly name: string;
  readonly kind: Kind | (() => Table);
  readonly repeated?: boolean;
}
/** The fields of a message by number. */
export interface Table {
  readonly message: string;
  readonly fields: Readonly<Record<number, Field>>;
}
/** A message, read. */
export type Message = Record<string, unknown>;
/** A payload: where it lies, or the numbers of one that wasn't packed. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

/** Ends the reading of a file that is not what it should be. */
export type Refuse = (what: string) => never;

/** The most that a message may be nested in others: real models stay below 30. */
const DEEPEST = 100;
/** Bytes of a file held at a time; what lies between large weights is small. */
const WINDOW = 1 << 14;

/** The bytes of a model: in memory, or those of an open file, of which a window is held. */
export class Source {
  private window: Uint8Array;
  private start = 0;
  private room: Uint8Array | null = null;
  constructor(
    private readonly from: Uint8Array | number,
    readonly length: number,
    readonly refuse: Refuse,
  ) {
    this.window = typeof from === 'number' ? new Uint8Array(0) : from;
  }

  /** `count` bytes from a place that the caller knows to lie inside. The view is good until the next call. */
  view(at: number, count: number): Uint8Array {
    if (at < this.start || at + count > this.start + this.window.length) this.fill(at, count);
    const offset = at - this.start;
    return this.window.subarray(offset, offset + count);
  }
  byte(at: number): number {
    if (at < this.start || at >= this.start + this.window.length) this.fill(at, 1);
    return this.window[at - this.start]!;
  }
  private fill(at: number, count: number): void {
    const size = Math.min(this.length - at, Math.max(WINDOW, count));
    const room = size <= WINDOW ? (this.room ??= new Uint8Array(WINDOW)).subarray(0, size) : new Uint8Array(size);
    this.window = this.read(at, room);
    this.start = at;
  }
  /** Copies bytes from a place that the caller knows to lie inside. */
  read(at: number, into: Uint8Array): Uint8Array {
    const { from } = this;
    if (typeof from !== 'number') {
      into.set(from.subarray(at, at + into.length));
      return into;
    }
    for (let done = 0; done < into.length;) {
      const n = fs.readSync(from, into, done, Math.min(into.length - done, 1 << 30), at + done);
      if (n === 0) this.refuse('it ended while it was being read');
      done += n;
    }
    return into;
  }
}

/** One message of a source, from `begin` to `end`. */
export function decode(source: Source, table: Table, begin = 0, end = source.length): Message {
  return new Reader(source, begin).message(table, end, 0);
}

class Reader {
  constructor(
    private readonly source: Source,
    private at: number,
  ) {}

  message({ message, fields }: Table, end: number, depth: number): Message {
    if (depth > DEEPEST) this.source.refuse(`messages are nested deeper than ${DEEPEST}`);
    const out: Message = {};
    while (this.at < end) {
      const tag = this.integer(end);
      const wire = tag & 7;
      if (tag > 0xffffffff || tag < 8) this.source.refuse(`a field of ${message} has the tag ${tag}`);
      const field = fields[tag >>> 3];
      if (field === undefined) this.skip(wire, end, message);
      else this.field(out, field, wire, end, depth);
    }
    return out;
  }

  private field(out: Message, field: Field, wire: number, end: number, depth: number): void {
    const kind = typeof field.kind === 'function' ? field.kind() : field.kind;
    if (wire === 2) {
      const length = this.length(end);
      const stop = this.at + length;
      if (kind === 'span') ((out[field.name] ??= []) as Span[]).push({ at: this.at, length });
      else if (typeof kind === 'object') this.put(out, field, this.message(kind, stop, depth + 1));
      else if (kind === 'string') this.put(out, field, text(this.source.view(this.at, length)));
      else if (kind === 'bytes') this.put(out, field, this.source.view(this.at, length).slice());
      else {
        if (!field.repeated) this.mismatch(field, wire);
        while (this.at < stop) this.put(out, field, this.number(kind, stop));
      }
      this.at = stop;
      return;
    }
    if (kind === 'span') {
      const numbers = (out[`${field.name}Unpacked`] ??= []) as (number | bigint)[];
      numbers.push(
        this.number(
          wire === 0 ? 'int' : wire === 5 ? 'float' : wire === 1 ? 'double' : this.mismatch(field, wire),
          end,
        ),
      );
    } else if (wire === (kind === 'int' ? 0 : kind === 'float' ? 5 : kind === 'double' ? 1 : -1)) {
      this.put(out, field, this.number(kind as 'int', end));
    } else this.mismatch(field, wire);
  }

  private put(out: Message, { name, repeated }: Field, value: unknown): void {
    if (repeated) ((out[name] ??= []) as unknown[]).push(value);
    else if (typeof value === 'object' && name in out) this.source.refuse(`the field ${name} stands twice`);
    else out[name] = value;
  }
  private mismatch(field: Field, wire: number): never {
    return this.source.refuse(`the field ${field.name} is written as wire type ${wire}`);
  }

  private number(kind: 'int' | 'float' | 'double', end: number): number | bigint {
    if (kind === 'int') return this.varint(end);
    const size = kind === 'float' ? 4 : 8;
    if (this.at + size > end) this.source.refuse('it ends within a number');
    const bytes = this.source.view(this.at, size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, size);
    this.at += size;
    return kind === 'float' ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }

  /** A varint that must be a small natural number: a tag or a length. */
  private integer(end: number): number {
    const value = this.varint(end);
    if (typeof value !== 'number' || value < 0) this.source.refuse(`a length or tag of ${value}`);
    return Number(value);
  }
  private length(end: number): number {
    const length = this.integer(end);
    if (length > end - this.at) this.source.refuse(`a length of ${length} where ${end - this.at} bytes are left`);
    return length;
  }
  private varint(end: number): number | bigint {
    let value = 0;
    for (let i = 0, unit = 1; i < 7; i++, unit *= 128) {
      if (this.at >= end) this.source.refuse('it ends within a number');
      const byte = this.source.byte(this.at++);
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
    let long = BigInt(value);
    for (let shift = 49n; ; shift += 7n) {
      if (this.at >= end) this.source.refuse('it ends within a number');
      if (shift > 63n) this.source.refuse('a number has more than 10 bytes');
      const byte = this.source.byte(this.at++);
      long |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    long = BigInt.asIntN(64, long);
    const short = Number(long);
    return Number.isSafeInteger(short) ? short : long;
  }

  private skip(wire: number, end: number, message: string): void {
    if (wire === 0) this.varint(end);
    else if (wire === 2) {
      const length = this.length(end);
      this.at += length;
    } else if (wire === 1 || wire === 5) {
      this.at += wire === 1 ? 8 : 4;
      if (this.at > end) this.source.refuse('it ends within a number');
    } else this.source.refuse(`a field of ${message} has the wire type ${wire}`);
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');

/** All varints of a packed payload. */
export function* varints(source: Source, { at, length }: Span): Generator<bigint> {
  const bytes = source.view(at, length);
  for (let i = 0; i < length;) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (i >= length || shift > 63n) source.refuse('a packed number has no end');
      const byte = bytes[i++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    yield BigInt.asIntN(64, value);
  }
}

// ---- writing -------------------------------------------------------------------------------------------------------

/**
 * A message in pieces, in the order of the table's fields. Bytes given for a `span` or `bytes` field become a piece of
 * their own, uncopied, so that weights are written from where they lie.
 */
export function encode(table: Table, message: Message): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (const [number, field] of Object.entries(table.fields)) {
    const value = message[field.name];
    if (value === undefined || value === null) continue;
    for (const one of field.repeated ? (value as unknown[]) : [value]) encodeField(pieces, Number(number), field, one);
  }
  return pieces;
}

function encodeField(pieces: Uint8Array[], number: number, field: Field, value: unknown): void {
  const kind = typeof field.kind === 'function' ? field.kind() : field.kind;
  const tag = (wire: number): number[] => varint(BigInt(number * 8 + wire));
  if (kind === 'int') pieces.push(Uint8Array.from([...tag(0), ...varint(BigInt(value as number))]));
  else if (kind === 'float' || kind === 'double') {
    const bytes = kind === 'float' ? new Float32Array([value as number]) : new Float64Array([value as number]);
    pieces.push(Uint8Array.from([...tag(kind === 'float' ? 5 : 1), ...new Uint8Array(bytes.buffer)]));
  } else {
    const parts =
      typeof kind === 'object'
        ? encode(kind, value as Message)
        : [kind === 'string' ? new TextEncoder().encode(value as string) : (value as Uint8Array)];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    pieces.push(Uint8Array.from([...tag(2), ...varint(BigInt(length))]));
    for (const part of parts) pieces.push(part);
  }
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return bytes;
}
