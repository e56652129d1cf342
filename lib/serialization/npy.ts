/**
 * NumPy's files. A .npy is a header (a Python dict in text: dtype, order, shape) and the elements; a .npz is a zip archive of
 * such files, stored or deflated. See numpy.lib.format.
 */
import { TenfoldError, show } from '../errors.js';
import { DTYPES, SIZE, Code } from '../dtype.js';
import { numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { bytesOf } from './memory.js';
import {
  checkArrayShape,
  checkBools,
  descriptorOf,
  fromFortran,
  readDescriptor,
  swapBytes,
  type Described,
} from './numpy.js';
import { take, utf8, type Input, type Reading, type Refuse } from './reading.js';
import { contentAt, readContent, readStart, checkContent, type Content, type Entry } from './zip.js';

/** '\x93NUMPY'. */
export const NPY_MAGIC = Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);
const VERSION_AT = NPY_MAGIC.length;
/** Magic, version, and the header's length: in two bytes in version 1, in four later. */
const prefixBytes = (major: number): number => VERSION_AT + (major === 1 ? 4 : 6);
const MAX_PREFIX = prefixBytes(3);
/** NumPy's own limit for what it parses. */
const MAX_HEADER = 10_000;
/** Elements begin at a multiple of it. */
const ALIGNMENT = 64;

/** What a header says. */
interface Header extends Described {
  readonly version: string;
  readonly descriptor: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly dataAt: number;
  readonly dataBytes: number;
}

/** Where a header ends, from a file's first bytes; `size`: all of its bytes. */
function headerEnd(first: Uint8Array, size: number, refuse: Refuse): number {
  if (!NPY_MAGIC.every((byte, i) => first[i] === byte)) return refuse('it has no header of an array');
  const major = first[VERSION_AT] ?? 0;
  if (first.length < prefixBytes(major)) return refuse('its header is cut off; truncated');
  if (major < 1 || major > 3 || first[VERSION_AT + 1] !== 0)
    return refuse(`it is of version ${major}.${first[VERSION_AT + 1]} of the format; known are 1.0 to 3.0`);
  const view = new DataView(first.buffer, first.byteOffset);
  const length = major === 1 ? view.getUint16(VERSION_AT + 2, true) : view.getUint32(VERSION_AT + 2, true);
  const end = prefixBytes(major) + length;
  if (length > MAX_HEADER) return refuse(`its header should have ${length} bytes; ${MAX_HEADER} are the most`);
  return end <= size ? end : refuse(`its header should end at byte ${end} of ${size}; truncated`);
}

const FIELD =
  /\s*(['"])(\w+)\1\s*:\s*(?:(True|False)|'([^']*)'|"([^"]*)"|\(([\d\s,L]*)\)|(\[.*\])|(\(.*\)))\s*(?:,|(?=\}))/y;

/** Parses the dict of a header; `bytes` end with it. */
function readHeader(bytes: Uint8Array, size: number, refuse: Refuse): Header {
  const major = bytes[VERSION_AT]!;
  const raw = bytes.subarray(prefixBytes(major));
  const text = (major === 3 ? utf8(raw) : Buffer.from(raw).toString('latin1')) ?? refuse('its header is no UTF-8');
  const fields = new Map<string, RegExpExecArray>();
  const dict = /^\s*\{([^]*)\}\s*$/.exec(text);
  if (dict === null) return refuse(`its header is no dict: ${show(text.trim())}`);
  const body = text.slice(0, text.lastIndexOf('}') + 1);
  FIELD.lastIndex = body.indexOf('{') + 1;
  while (!/^\s*\}$/.test(body.slice(FIELD.lastIndex))) {
    const field = FIELD.exec(body);
    if (field === null) return refuse(`its header can't be parsed: ${show(body)}`);
    if (fields.has(field[2]!)) return refuse(`its header has the key ${show(field[2])} twice`);
    fields.set(field[2]!, field);
  }
  const [descr, order, shape] = ['descr', 'fortran_order', 'shape'].map((key) => fields.get(key));
  if (!descr || !order?.[3] || shape?.[6] === undefined || fields.size !== 3)
    return refuse(`its header should have descr, fortran_order and shape: ${show(body)}`);
  if (descr[7] ?? descr[8]) return refuse('it holds a structured array; in Python: save its fields one by one');
  const descriptor = descr[4] ?? descr[5] ?? refuse(`its header has the dtype ${show(body)}`);
  const { code, bigEndian } = readDescriptor(descriptor, refuse);
  const list = shape[6].split(',').map((n) => n.trim().replace(/L$/, ''));
  if (list.at(-1) === '') list.pop();
  // A tuple of one has a comma, or it would be a number.
  if (list.includes('') || (list.length === 1 && !shape[6].includes(',')))
    return refuse(`its header has the shape (${shape[6]})`);
  const sizes = checkArrayShape(list.map(Number), code, refuse);
  const dataBytes = numelOf(sizes) * SIZE[code]!;
  const dataAt = bytes.length;
  if (size - dataAt !== dataBytes) {
    return refuse(
      `an array of shape (${sizes.join(', ')}) and ${DTYPES[code]} has ${dataBytes} bytes, and ${size - dataAt} follow its header`,
    );
  }
  const version = `${major}.0`;
  return { code, bigEndian, version, descriptor, fortran: order[3] === 'True', shape: sizes, dataAt, dataBytes };
}

/** The header of a .npy file. */
function* fileHeader(input: Input): Reading<Header> {
  const { size, refuse } = input;
  const first = yield* take(0, Math.min(size, MAX_PREFIX));
  const end = headerEnd(first, size, refuse);
  return readHeader(yield* take(0, end), size, refuse);
}

function arrayOf(header: Header, t: Tensor, refuse: Refuse): Tensor {
  const bytes = bytesOf(t);
  if (header.bigEndian) swapBytes(bytes, SIZE[header.code]!);
  if (header.code === Code.bool) checkBools(bytes, 'an array of bools', refuse);
  return header.fortran ? fromFortran(t, header.shape) : t;
}

/** Reads a .npy file. */
export function* readNpy(input: Input): Reading<Tensor> {
  const header = yield* fileHeader(input);
  const t = Tensor.raw(header.shape, header.code, true);
  if (header.dataBytes > 0) yield { kind: 'read', at: header.dataAt, bytes: bytesOf(t) };
  return arrayOf(header, t, input.refuse);
}

const notesOf = ({ version, descriptor, fortran, shape }: Header): Record<string, string> => ({
  version,
  descr: descriptor,
  fortranOrder: String(fortran),
  shape: `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`,
});

/** What the header of a .npy file says. */
export function* readNpyNotes(input: Input): Reading<Record<string, string>> {
  return notesOf(yield* fileHeader(input));
}

// ---- .npz ----------------------------------------------------------------------------------------------------------

const NPY_NAME = /\.npy$/;
/** Whether an archive is NumPy's: it holds arrays and nothing else. */
export const isNpz = (entries: ReadonlyMap<string, Entry>): boolean =>
  [...entries.keys()].every((name) => NPY_NAME.test(name));

/** The header of an entry, from its first bytes: what it says is compared with the entry's size before more is unpacked. */
function* entryHeader(entry: Entry, input: Input): Reading<Header> {
  const refuse: Refuse = (what) => input.refuse(`array ${show(entry.name.replace(NPY_NAME, ''))}: ${what}`);
  const start = yield* readStart(entry, MAX_HEADER + MAX_PREFIX, input);
  const end = headerEnd(start.subarray(0, MAX_PREFIX), entry.size, refuse);
  if (end > start.length) return refuse('its header is cut off; truncated');
  return readHeader(start.subarray(0, end), entry.size, refuse);
}

/** Reads a .npz archive: tensors by name, in the archive's order. */
export function* readNpz(entries: ReadonlyMap<string, Entry>, input: Input): Reading<[string, Tensor][]> {
  const arrays: [string, Tensor][] = [];
  for (const entry of entries.values()) {
    const header = yield* entryHeader(entry, input);
    const t = Tensor.raw(header.shape, header.code, true);
    const into = bytesOf(t);
    if (entry.method === 0) {
      // The header's bytes again, for the checksum is of all.
      const at = yield* contentAt(entry, input);
      const head = yield* take(at, header.dataAt);
      if (into.length > 0) yield { kind: 'read', at: at + header.dataAt, bytes: into };
      checkContent(entry, [head, into], input);
    } else into.set((yield* readContent(entry, input)).subarray(header.dataAt));
    arrays.push([entry.name.replace(NPY_NAME, ''), arrayOf(header, t, input.refuse)]);
  }
  return arrays;
}

/** What the headers of the arrays in a .npz archive say, as `dtype (shape)` by name. */
export function* readNpzNotes(entries: ReadonlyMap<string, Entry>, input: Input): Reading<Record<string, string>> {
  const notes: [string, string][] = [];
  for (const entry of entries.values()) {
    const { descr, shape } = notesOf(yield* entryHeader(entry, input));
    notes.push([entry.name.replace(NPY_NAME, ''), `${descr} ${shape}`]);
  }
  return Object.fromEntries(notes);
}

// ---- writing -------------------------------------------------------------------------------------------------------

/** A .npy file of a tensor: its header, and its elements as `bytes` has them. */
export function encodeNpy(call: string, t: Tensor, bytes: Uint8Array): Uint8Array[] {
  const descriptor = descriptorOf(t.code);
  if (descriptor === null) {
    throw new TenfoldError(
      'dtype',
      `${call}: NumPy has no bfloat16; give t.to('float32'), or save as safetensors or pt`,
    );
  }
  const shape = `(${t.shape.join(', ')}${t.shape.length === 1 ? ',' : ''})`;
  const dict = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': ${shape}, }`;
  const end = Math.ceil((prefixBytes(1) + dict.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(end, 0x20);
  header.set(NPY_MAGIC);
  header[VERSION_AT] = 1;
  header[VERSION_AT + 1] = 0;
  header.writeUInt16LE(end - prefixBytes(1), VERSION_AT + 2);
  header.write(dict, prefixBytes(1), 'latin1');
  header[end - 1] = 0x0a;
  return [header, bytes];
}

/** The entries of a .npz archive. */
export const npzEntry = (call: string, name: string, t: Tensor, bytes: Uint8Array): Content => ({
  name: `${name}.npy`,
  pieces: encodeNpy(call, t, bytes),
});
