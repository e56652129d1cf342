/**
 * The formats: how each is recognised by its content, read and written. A further one is a row of FORMATS, and a name of
 * FormatName. What is recognised but not read is a row of FOREIGN, with what to do.
 *
 * Codecs are pure: bytes and requests for bytes in, tensors out; source.ts and file.ts do the I/O.
 */
import { extname } from 'node:path';
import { TenfoldError, didYouMean, isMap, show } from '../errors.js';
import { codeOfArray } from '../dtype.js';
import { fromTypedArray } from '../ops/creation.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { bytesOf } from './memory.js';
import { NPY_MAGIC, encodeNpy, isNpz, npzEntry, readNpy, readNpyNotes, readNpz, readNpzNotes } from './npy.js';
import { dictOf } from './plain.js';
import { LEGACY_MAGIC, checkpointFolder, readCheckpoint, readCheckpointNotes, readLegacyCheckpoint } from './pt.js';
import { encodeCheckpoint } from './ptWriter.js';
import { take, utf8, type Input, type Reading } from './reading.js';
import { encodeSafetensors, readSafetensors, readSafetensorsNotes } from './safetensorsFile.js';
import { isPlain } from './structure.js';
import { encodeZip, readDirectory, type Entry } from './zip.js';

/** Formats that save() writes. */
export type FormatName = 'safetensors' | 'pt' | 'npy' | 'npz';
/** Notes beside the tensors. */
export type Notes = Readonly<Record<string, string>>;

interface Writer {
  readonly extensions: readonly string[];
  /** A value's file in pieces. `copy`: the values as they are now, whatever becomes of the tensors. */
  readonly encode: (call: string, value: unknown, metadata: Notes, copy: boolean) => Uint8Array[];
}

const WRITERS: Readonly<Record<FormatName, Writer>> = {
  safetensors: { extensions: ['.safetensors'], encode: encodeSafetensors },
  pt: { extensions: ['.pt', '.pth', '.bin', '.ckpt'], encode: encodeCheckpoint },
  npy: { extensions: ['.npy'], encode: encodeArray },
  npz: { extensions: ['.npz'], encode: encodeArrays },
};

/** The format of a name, or of a path's extension; safetensors where that says nothing. */
export function writerOf(call: string, format: unknown, path: unknown): Writer {
  if (format !== undefined && format !== null) {
    const known = Object.hasOwn(WRITERS, format as string) ? WRITERS[format as FormatName] : undefined;
    if (known) return known;
    const names = Object.keys(WRITERS);
    throw new TypeError(
      `${call}: unknown format ${show(format)}${(typeof format === 'string' && didYouMean(format, names)) || ` (one of ${names.join(', ')})`}`,
    );
  }
  const extension = typeof path === 'string' ? extname(path).toLowerCase() : '';
  const found = Object.values(WRITERS).find((w) => w.extensions.includes(extension));
  return found ?? WRITERS.safetensors;
}

// ---- reading -------------------------------------------------------------------------------------------------------

interface Reader {
  readonly is: (head: Uint8Array, size: number) => boolean;
  readonly read: (input: Input) => Reading<unknown>;
  readonly notes: (input: Input) => Reading<Record<string, string>>;
}

const startsWith = (head: Uint8Array, magic: Uint8Array | string, at = 0): boolean => {
  const bytes = typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic;
  return head.length >= at + bytes.length && bytes.every((byte, i) => head[at + i] === byte);
};
// eslint-disable-next-line require-yield -- says what the file's first bytes say
function* noNotes(): Reading<Record<string, string>> {
  return {};
}

const FORMATS: readonly Reader[] = [
  {
    is: (head) => startsWith(head, 'PK\x03\x04') || startsWith(head, 'PK\x05\x06'),
    read: readZip,
    notes: readZipNotes,
  },
  { is: (head) => startsWith(head, LEGACY_MAGIC), read: readLegacyCheckpoint, notes: noNotes },
  { is: (head) => startsWith(head, NPY_MAGIC), read: readNpy, notes: readNpyNotes },
  { is: (head) => /^\s*\{/.test(String.fromCharCode(...head.subarray(0, 8))), read: readIndex, notes: readIndexNotes },
  { is: () => true, read: readSafetensors, notes: readSafetensorsNotes },
];

/** Files that are known by their first bytes and not read, and what to do. */
const FOREIGN: readonly { is: (head: Uint8Array) => boolean; what: string }[] = [
  {
    is: (head) => startsWith(head, 'GGUF'),
    what: 'it is a GGUF file, whose tensors are quantised in blocks; convert it to safetensors',
  },
  {
    is: (head) => startsWith(head, '\x89HDF\r\n\x1a\n'),
    what: 'it is an HDF5 file (Keras); in Python: numpy.savez(path, **arrays), and load that',
  },
  {
    is: (head) => startsWith(head, 'ustar', 257),
    what: 'it is a tar archive: a checkpoint of PyTorch before 0.1.10, or an archive to unpack; in Python: torch.save(torch.load(path, weights_only=False), other)',
  },
  { is: (head) => startsWith(head, '\x1f\x8b'), what: 'it is packed by gzip; load(zlib.gunzipSync(bytes))' },
  { is: (head) => startsWith(head, 'TFL3', 4), what: 'it is a TensorFlow Lite model, a program' },
  {
    // ModelProto: its version, then the name of who made it or a field after it.
    is: (head) =>
      head[0] === 8 && head[1]! > 0 && head[1]! < 32 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(head[2]!),
    what: 'it is an ONNX model, a program and not tensors alone; onnx.load(path) makes a module of it',
  },
  {
    is: (head) => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5 && !startsWith(head, LEGACY_MAGIC),
    what: 'it is a pickle, and none that torch.save made; in Python: torch.save(object, path), or numpy.save for an array',
  },
];

const HEAD_BYTES = 512;

function* recognise(input: Input): Reading<Reader> {
  const head = yield* take(0, Math.min(input.size, HEAD_BYTES));
  // A safetensors file begins with its header's length, which can look like anything; then comes a brace.
  const braced = head[8] === 0x7b && head[7] === 0;
  const foreign = braced ? undefined : FOREIGN.find((f) => f.is(head));
  if (foreign) return input.refuse(foreign.what);
  return FORMATS.find((f) => f.is(head, input.size))!;
}

/** Reads a file of any format. */
export function* decode(input: Input): Reading<unknown> {
  return yield* (yield* recognise(input)).read(input);
}

/** Reads what a file says about itself, and no tensor. */
export function* decodeNotes(input: Input): Reading<Record<string, string>> {
  return yield* (yield* recognise(input)).notes(input);
}

/** Which format an archive's entries make. */
function* openZip(input: Input): Reading<{ entries: Map<string, Entry>; folder: string | null }> {
  const entries = yield* readDirectory(input);
  const folder = checkpointFolder(entries);
  if (folder !== null || isNpz(entries)) return { entries, folder };
  const some = [...entries.keys()].slice(0, 3).join(', ');
  return input.refuse(`it is a zip archive of ${entries.size} entries (${some}, …), and neither a .pt nor a .npz file`);
}
function* readZip(input: Input): Reading<unknown> {
  const { entries, folder } = yield* openZip(input);
  return folder !== null ? yield* readCheckpoint(entries, folder, input) : dictOf(yield* readNpz(entries, input));
}
function* readZipNotes(input: Input): Reading<Record<string, string>> {
  const { entries, folder } = yield* openZip(input);
  return folder !== null ? yield* readCheckpointNotes(entries, folder, input) : yield* readNpzNotes(entries, input);
}

// ---- indices of sharded files --------------------------------------------------------------------------------------

/** A file that says in which files tensors are (`model.safetensors.index.json`), before those are read. */
export class ShardIndex {
  constructor(
    /** Names of tensors, in the index's order, and the file of each. */
    readonly files: ReadonlyMap<string, string>,
    readonly metadata: Record<string, string>,
  ) {}
}

/** The longest index; one of 100,000 tensors takes 10 MB. */
const MAX_INDEX = 100_000_000;
/** A name of a file in the index's own folder. */
const PLAIN_NAME = /^[^/\\:\0]+$/;

function* readIndex({ size, refuse }: Input): Reading<ShardIndex> {
  if (size > MAX_INDEX) return refuse(`it is JSON of ${size} bytes; an index of files has at most ${MAX_INDEX}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8(yield* take(0, size)) ?? refuse('it is no UTF-8'));
  } catch (error) {
    if (error instanceof TenfoldError) throw error;
    return refuse(`it begins as JSON and is none: ${(error as Error).message}`);
  }
  const { weight_map: map, metadata = {} } = parsed as Record<string, unknown>;
  if (!isPlain(map) || !isPlain(metadata))
    return refuse('it is JSON without a weight_map, so no index of sharded files');
  const files = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !PLAIN_NAME.test(file) || file === '.' || file === '..')
      return refuse(`tensor ${show(name)} should be in ${show(file)}; files must lie beside the index`);
    files.set(name, file);
  }
  const notes = Object.entries(metadata).map(([k, v]): [string, string] => [
    k,
    typeof v === 'string' ? v : JSON.stringify(v),
  ]);
  return new ShardIndex(files, Object.fromEntries(notes));
}
function* readIndexNotes(input: Input): Reading<Record<string, string>> {
  return (yield* readIndex(input)).metadata;
}

// ---- writing of arrays ---------------------------------------------------------------------------------------------

function arrayFor(call: string, where: string, value: unknown): Tensor {
  const t = ArrayBuffer.isView(value) && codeOfArray(value) !== null ? fromTypedArray(value) : value;
  if (!(t instanceof Tensor)) throw new TypeError(`${call}: ${where} must be a tensor, got ${show(value)}`);
  checkTensor(call, t);
  return t;
}
const contentOf = (t: Tensor, copy: boolean): Uint8Array =>
  t.count === 0 ? new Uint8Array(0) : bytesOf(t.dense && !copy ? t : t.rawClone());

function withoutNotes(call: string, metadata: Notes): void {
  if (Object.keys(metadata).length > 0)
    throw new TypeError(`${call}: NumPy's files have no place for metadata; safetensors and pt have`);
}

function encodeArray(call: string, value: unknown, metadata: Notes, copy: boolean): Uint8Array[] {
  withoutNotes(call, metadata);
  const t = arrayFor(call, 'the value of a .npy file', value);
  return encodeNpy(call, t, contentOf(t, copy));
}

function encodeArrays(call: string, value: unknown, metadata: Notes, copy: boolean): Uint8Array[] {
  withoutNotes(call, metadata);
  const entries = isMap(value) ? [...(value as Map<unknown, unknown>)] : isPlain(value) ? Object.entries(value) : null;
  if (entries === null) throw new TypeError(`${call}: a .npz file holds tensors by name; got ${show(value)}`);
  return encodeZip(
    entries.map(([name, v]) => {
      if (typeof name !== 'string') throw new TypeError(`${call}: arrays have strings as names, got ${show(name)}`);
      const t = arrayFor(call, `array ${show(name)}`, v);
      return npzEntry(call, name, t, contentOf(t, copy));
    }),
    64,
  );
}
