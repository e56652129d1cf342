/** A tensor's elements in JSON and as bytes, both ways. */
import { Code, DTYPES, SIZE, holds, isFloatCode } from '../../dtype.js';
import { show } from '../../errors.js';
import { elementsOf } from '../../tensor/elements.js';
import { expose } from '../../tensor/storage.js';
import { Tensor, storageBuffer } from '../../tensor/tensor.js';
import { badRequest } from '../errors.js';
import { withoutRecording } from '../models/recording.js';
import { DATATYPES, Strings, tensorOfBytes, type Value } from '../values.js';

/** Tensors have few dims; a client that nests deeper means something else. */
const MAX_DIMS = 32;

/** A value from the numbers, booleans or strings of a JSON array, flat or nested by rows. */
export function fromJson(data: unknown, shape: readonly number[], code: Code | 'string', where: string): Value {
  if (!Array.isArray(data)) throw badRequest(`${where}: data must be an array, got ${show(data)}`);
  const count = shape.reduce((n, size) => n * size, 1);
  if (code === 'string') {
    const strings: string[] = [];
    const add = (x: unknown): void => {
      if (typeof x !== 'string') throw badRequest(`${where}: data of BYTES must be strings, got ${show(x)}`);
      strings.push(x);
    };
    checkCount(walk(data, count, where, add), count, shape, where);
    return new Strings(strings, shape);
  }
  // Halves come to be in float32: they have no arithmetic of their own.
  const half = code >= Code.f16;
  const t = Tensor.raw(shape, half ? Code.f32 : code);
  const elements = elementsOf(t) as unknown as Record<number, number | bigint>;
  const convert = converter(code, where);
  let at = 0;
  const written = walk(data, count, where, (x) => (elements[at++] = convert(x)));
  checkCount(written, count, shape, where);
  return half ? withoutRecording(() => t.to(DTYPES[code]!)) : t;
}

function checkCount(got: number, count: number, shape: readonly number[], where: string): void {
  if (got !== count) throw badRequest(`${where}: shape [${shape.join(', ')}] needs ${count} elements, data has ${got}`);
}

/** Hands each element on; returns how many there were, and stops where there are more than there should be. */
function walk(data: readonly unknown[], limit: number, where: string, visit: (x: unknown) => void): number {
  let seen = 0;
  const enter = (list: readonly unknown[], depth: number): void => {
    if (depth > MAX_DIMS) throw badRequest(`${where}: data is nested deeper than ${MAX_DIMS} levels`);
    for (let i = 0; i < list.length && seen <= limit; i++) {
      const x = list[i];
      if (Array.isArray(x)) enter(x, depth + 1);
      else if (seen++ < limit) visit(x);
    }
  };
  enter(data, 1);
  return seen;
}

const FLOAT_WORDS = new Map<unknown, number>([
  [null, NaN], // what orjson writes for NaN
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function converter(code: Code, where: string): (x: unknown) => number | bigint {
  const refuse = (x: unknown): never => {
    throw badRequest(`${where}: ${typeof x === 'bigint' ? String(x) : show(x)} is no ${DATATYPES[code]} value`);
  };
  if (isFloatCode(code)) {
    return (x) => {
      const value = typeof x === 'number' ? x : typeof x === 'bigint' ? Number(x) : FLOAT_WORDS.get(x);
      if (value === undefined || !holds(code, value)) return refuse(x);
      return value;
    };
  }
  if (code === Code.bool) {
    return (x) => (x === true || x === 1 ? 1 : x === false || x === 0 ? 0 : refuse(x));
  }
  const wide = code === Code.i64;
  return (x) => {
    if (typeof x !== 'bigint' && !(typeof x === 'number' && Number.isSafeInteger(x))) return refuse(x);
    if (!holds(code, x) || (code === Code.u8 && x < 0)) return refuse(x);
    return wide ? BigInt(x) : Number(x);
  };
}

/** A value from its bytes: little-endian, row by row. */
export function fromBytes(bytes: Uint8Array, shape: readonly number[], code: Code | 'string', where: string): Value {
  const count = shape.reduce((n, size) => n * size, 1);
  if (code === 'string') return stringsOf(bytes, count, shape, where);
  const expected = count * SIZE[code]!;
  if (bytes.length !== expected) {
    throw badRequest(
      `${where}: ${DATATYPES[code]} of shape [${shape.join(', ')}] has ${expected} bytes, got ${bytes.length}`,
    );
  }
  if (code === Code.bool && bytes.some((byte) => byte > 1)) throw badRequest(`${where}: BOOL bytes must be 0 or 1`);
  return tensorOfBytes(bytes, shape, code);
}

// Each string is four bytes of length and its bytes.
function stringsOf(bytes: Uint8Array, count: number, shape: readonly number[], where: string): Strings {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const strings: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at, true) : Infinity;
    if (end > bytes.length) throw badRequest(`${where}: the BYTES end inside of string ${strings.length}`);
    if (strings.length === count) throw badRequest(`${where}: more than the ${count} strings of its shape`);
    try {
      strings.push(decoder.decode(bytes.subarray(at + 4, end)));
    } catch {
      throw badRequest(`${where}: string ${strings.length} is not UTF-8`);
    }
    at = end;
  }
  checkCount(strings.length, count, shape, where);
  return new Strings(strings, shape);
}

/** A value's bytes; a tensor's own memory where it lies densely, which is then not used for anything else. */
export function toBytes(value: Value): Uint8Array {
  if (value instanceof Tensor) {
    const t = value.rawDense();
    expose(t.storage);
    return new Uint8Array(storageBuffer(t), t.byteStart(t.offset), t.count * SIZE[t.code]!);
  }
  const pieces = value.data.flatMap((s) => {
    const text = Buffer.from(s, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return [length, text];
  });
  return Buffer.concat(pieces);
}

/**
 * A value's elements as a flat JSON array. NaN and infinities are the strings "NaN", "Infinity" and "-Infinity": every JSON
 * parser reads those, and numpy makes numbers of them (bare words stop orjson and browsers, null loses the infinities).
 */
export function toJson(value: Value): string {
  if (value instanceof Strings) return JSON.stringify(value.data);
  const elements = value.toTypedArray();
  if (value.code === Code.bool) return `[${Array.from(elements as Uint8Array, (x) => x !== 0).join()}]`;
  if (isFloatCode(value.code) && !(elements as Float32Array).every(Number.isFinite)) {
    return `[${Array.from(elements as Float32Array, (x) => (Number.isFinite(x) ? x : `"${x}"`)).join()}]`;
  }
  return `[${elements.join()}]`;
}
