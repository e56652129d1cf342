/**
 * The safetensors format (https://huggingface.co/docs/safetensors): eight bytes with the header's length, a header in
 * JSON, and the tensors' bytes without gaps. Here the header is written and read; a file's bytes come from outside, so
 * nothing in it is believed before it is checked, and nothing is allocated that the file could not fill.
 */
import { TenfoldError, show } from '../errors.js';
import { type Code, DTYPES, SIZE } from '../dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Refuse } from './reading.js';

/** Name of each dtype in the format, by code. */
const NAMES = ['F32', 'F64', 'I64', 'I32', 'U8', 'BOOL', 'I8', 'I16', 'F16', 'BF16'] as const;
const CODES = new Map<string, Code>(NAMES.map((name, code) => [name, code as Code]));

/** The format's own limit. */
const MAX_HEADER = 100_000_000;
export const LENGTH_BYTES = 8;
export const METADATA = '__metadata__';

/** Where a tensor's bytes are, counted from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly code: Code;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

/** What a header says. */
export interface Header {
  readonly entries: Entry[];
  readonly metadata: Record<string, string>;
}

/** A header for tensors in this order, and where each will lie. The tensors' bytes begin at a multiple of 8. */
export function encodeHeader(
  tensors: readonly { name: string; code: Code; shape: Shape; count: number }[],
  metadata: Readonly<Record<string, string>>,
): { bytes: Uint8Array; entries: Entry[] } {
  // Wide dtypes first, so that every tensor is aligned to its element.
  const order = [...tensors].sort((a, b) => SIZE[b.code]! - SIZE[a.code]! || (a.name < b.name ? -1 : 1));
  let end = 0;
  const entries = order.map(({ name, code, shape, count }) => ({
    name,
    code,
    shape,
    begin: end,
    end: (end += count * SIZE[code]!),
  }));
  const fields: [string, unknown][] = entries.map((e) => [
    e.name,
    { dtype: NAMES[e.code]!, shape: e.shape, data_offsets: [e.begin, e.end] },
  ]);
  if (Object.keys(metadata).length > 0) fields.unshift([METADATA, metadata]);
  // Not through an object: one would put names that look like integers first, and the order is part of the file.
  const json = `{${fields.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER)
    throw new TenfoldError('state', `save: the header would take ${length} bytes; the format allows ${MAX_HEADER}`);
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, LENGTH_BYTES);
  return { bytes, entries };
}

/** The header's length from a file's first bytes, checked against the file's size. */
export function headerLength(first: Uint8Array, fileBytes: number, refuse: Refuse): number {
  if (first.length < LENGTH_BYTES) refuse(`it has ${fileBytes} bytes, which is too short for a safetensors file`);
  const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  const room = fileBytes - LENGTH_BYTES;
  if (length > BigInt(room))
    refuse(`its header should take ${length} bytes, and only ${room} follow; truncated, or no safetensors file`);
  if (length > BigInt(MAX_HEADER)) refuse(`its header should take ${length} bytes; the format allows ${MAX_HEADER}`);
  return Number(length);
}

/** Reads and checks a header; `dataBytes` is what follows it. */
export function decodeHeader(bytes: Uint8Array, dataBytes: number, refuse: Refuse): Header {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (error) {
    return refuse(`its header is no JSON: ${(error as Error).message}`);
  }
  if (!isObject(parsed)) return refuse(`its header is ${show(parsed)}, and should be an object`);
  const twice = duplicateKey(text);
  if (twice !== null) refuse(`its header has the key ${show(twice)} twice`);
  const metadata = Object.hasOwn(parsed, METADATA) ? parsed[METADATA] : {};
  if (!isObject(metadata) || Object.values(metadata).some((v) => typeof v !== 'string')) {
    return refuse('its metadata should be an object of strings');
  }
  const entries = Object.entries(parsed)
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => readEntry(name, value, dataBytes, refuse));
  checkTiling(entries, dataBytes, refuse);
  return { entries, metadata: metadata as Record<string, string> };
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);
const isSize = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;

function readEntry(name: string, value: unknown, dataBytes: number, refuse: Refuse): Entry {
  const where = `tensor ${show(name)}`;
  if (!isObject(value)) return refuse(`${where} is described by ${show(value)}, and should be by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const other = Object.keys(value).find((key) => key !== 'dtype' && key !== 'shape' && key !== 'data_offsets');
  if (other !== undefined) return refuse(`${where} has an unknown field ${show(other)}`);
  const code = CODES.get(dtype as string);
  if (code === undefined) return refuse(`${where} has dtype ${show(dtype)}; known are ${NAMES.join(', ')}`);
  if (!Array.isArray(shape) || !shape.every(isSize))
    return refuse(`${where} has shape ${show(shape)}; sizes must be integers from 0`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    return refuse(`${where} has data_offsets ${show(offsets)}; expected [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    return refuse(`${where} should lie in bytes ${begin} to ${end} of the data, which has ${dataBytes}`);
  }
  // Sizes are multiplied until they exceed what is there, so that no product is inexact.
  let bytes = SIZE[code]!;
  if (shape.includes(0)) bytes = 0;
  else for (const size of shape as number[]) if ((bytes *= size) > dataBytes) break;
  if (bytes !== end - begin) {
    return refuse(
      `${where} of shape [${shape.join(', ')}] and dtype ${DTYPES[code]} doesn't fill its ${end - begin} bytes`,
    );
  }
  return { name, code, shape: shape as number[], begin, end };
}

// Every byte of the data belongs to exactly one tensor.
function checkTiling(entries: Entry[], dataBytes: number, refuse: Refuse): void {
  const order = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  let before = '';
  for (const entry of order) {
    if (entry.begin < end) refuse(`tensors ${show(before)} and ${show(entry.name)} overlap`);
    if (entry.begin > end) refuse(`bytes ${end} to ${entry.begin} of the data belong to no tensor`);
    end = entry.end;
    before = entry.name;
  }
  if (end !== dataBytes) refuse(`the last ${dataBytes - end} bytes of the data belong to no tensor`);
}

/** A key that an object in this JSON text (known to be valid) has twice: JSON.parse would take the last one silently. */
function duplicateKey(text: string): string | null {
  const stack: (Set<string> | null)[] = []; // the keys of each open object, null for an array
  let isKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '{':
        stack.push(new Set());
        isKey = true;
        break;
      case '[':
        stack.push(null);
        isKey = false;
        break;
      case '}':
      case ']':
        stack.pop();
        isKey = false;
        break;
      case ',':
        isKey = stack.at(-1) !== null;
        break;
      case '"': {
        const from = i++;
        while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
        if (!isKey) break;
        const key = JSON.parse(text.slice(from, i + 1)) as string;
        const keys = stack.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
        isKey = false;
      }
    }
  }
  return null;
}
