/** load: a file or bytes of any format, in one call. */
import { dirname, join } from 'node:path';
import * as fs from 'node:fs';
import { checkOptions, isArrayBuffer, isBytes, isMap, show } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { ShardIndex, decode, decodeNotes } from './formats.js';
import { dictOf } from './plain.js';
import { refusing, type Input, type Limits, type Reading } from './reading.js';
import { openChecked, readBytes, readBytesLater, readFile, readFileLater, type Opened } from './source.js';
import { isPlain } from './structure.js';

/** A path, or a file's bytes. */
export type Loadable = string | Uint8Array | ArrayBuffer;

/** Options of load. */
export interface LoadOptions {
  /**
   * The most that a packed file (a .npz of numpy.savez_compressed) may unpack to, in bytes. 100 times the file's size where
   * not given, and at least 1 GiB.
   */
  maxBytes?: number | null;
  /** false: checksums of zip entries aren't compared, for files that PyTorch wrote without computing them. */
  checksums?: boolean;
  /** As in PyTorch; there is no other way here, since nothing of a file is run. */
  weightsOnly?: true | null;
  /** As in PyTorch; all tensors are on the processor, wherever they were. */
  mapLocation?: 'cpu' | null;
}

const PACKED_FACTOR = 100;
const PACKED_LEAST = 2 ** 30;

function limitsOf(options: LoadOptions, size: number): Limits {
  const { maxBytes, checksums = true } = options;
  return { maxBytes: maxBytes ?? Math.max(PACKED_LEAST, PACKED_FACTOR * size), checksums };
}

function checkLoadOptions(call: string, options: LoadOptions): void {
  checkOptions(call, options, ['maxBytes', 'checksums', 'weightsOnly', 'mapLocation']);
  const { maxBytes, checksums, weightsOnly, mapLocation } = options as Record<string, unknown>;
  if (maxBytes !== undefined && maxBytes !== null) {
    if (typeof maxBytes !== 'number') throw new TypeError(`${call}: maxBytes must be a number, got ${show(maxBytes)}`);
    if (!(maxBytes >= 0)) throw new RangeError(`${call}: maxBytes must be at least 0, got ${maxBytes}`);
  }
  if (checksums !== undefined && typeof checksums !== 'boolean')
    throw new TypeError(`${call}: checksums must be a boolean, got ${show(checksums)}`);
  if ((weightsOnly ?? true) !== true)
    throw new TypeError(`${call}: weightsOnly must be true: nothing of a file is run, got ${show(weightsOnly)}`);
  if ((mapLocation ?? 'cpu') !== 'cpu')
    throw new TypeError(`${call}: mapLocation must be 'cpu', got ${show(mapLocation)}`);
}

/** A loadable's kind, checked: bytes, or null for a path. */
function bytesGiven(call: string, file: unknown): Uint8Array | null {
  if (isBytes(file)) return file;
  if (isArrayBuffer(file)) return new Uint8Array(file);
  if (typeof file !== 'string' || file === '')
    throw new TypeError(`${call}: expected a path or a file's bytes, got ${show(file)}`);
  return null;
}
const inputOf = (call: string, path: string | null, size: number, options: LoadOptions): Input => ({
  size,
  path,
  refuse: refusing(call, path === null ? `a file of ${size} bytes` : `'${path}'`),
  limits: limitsOf(options, size),
});

type Codec<T> = (input: Input) => Reading<T>;

function run<T>(call: string, file: Loadable, options: LoadOptions, codec: Codec<T>): T {
  checkLoadOptions(call, options);
  const bytes = bytesGiven(call, file);
  if (bytes !== null) {
    const input = inputOf(call, null, bytes.length, options);
    return readBytes(codec(input), bytes, input.refuse);
  }
  const path = file as string;
  const opened = openChecked(path, refusing(call, `'${path}'`));
  try {
    const input = inputOf(call, path, opened.size, options);
    return readFile(codec(input), opened, input.refuse);
  } finally {
    fs.closeSync(opened.file);
  }
}

async function runLater<T>(call: string, file: Loadable, options: LoadOptions, codec: Codec<T>): Promise<T> {
  checkLoadOptions(call, options);
  const bytes = bytesGiven(call, file);
  if (bytes !== null) {
    const input = inputOf(call, null, bytes.length, options);
    return readBytesLater(codec(input), bytes, input.refuse);
  }
  const path = file as string;
  const opened: Opened = openChecked(path, refusing(call, `'${path}'`));
  try {
    const input = inputOf(call, path, opened.size, options);
    return await readFileLater(codec(input), opened, input.refuse);
  } finally {
    fs.closeSync(opened.file);
  }
}

/**
 * Reads a file of tensors, or its bytes. The format is recognised by content:
 *
 * - safetensors, also sharded: `load('model.safetensors.index.json')` reads the files that it names as one;
 * - checkpoints of PyTorch, of 1.6 and later and from before. Nothing of them is run. Dicts come back as objects (as a Map
 *   where a key isn't a string, or where an object would give the keys back in another order), lists and tuples as arrays,
 *   a torch.Size as an array, dtypes as strings, bytes as Uint8Array, integers beyond 2^53 as bigint, NumPy's arrays as
 *   tensors. Tensors that share memory share it here, parameters are nn.Parameter;
 * - .npy: a tensor. .npz: tensors by name.
 *
 * Everything in a file is checked before it is believed; TenfoldError 'state' says what is wrong with it, names what can't
 * be read and says what to do, and then nothing is returned.
 *
 * ```ts
 * model.loadStateDict(load('model.pt'));
 * const { model, optimizer, epoch } = load<Checkpoint>('checkpoint.pt');
 * ```
 */
export function load<T = Record<string, Tensor>>(file: Loadable, options: LoadOptions = {}): T {
  const value = run('load', file, options, decode);
  if (!(value instanceof ShardIndex)) return value as T;
  const { place, shards } = openIndex('load', file, value);
  const parts = new Map(shards.map((shard) => [shard, run('load', join(place, shard), options, decode)]));
  return joinShards(value, parts) as T;
}

/** As load(), without holding the event loop while the file is read. */
export async function loadAsync<T = Record<string, Tensor>>(file: Loadable, options: LoadOptions = {}): Promise<T> {
  const value = await runLater('loadAsync', file, options, decode);
  if (!(value instanceof ShardIndex)) return value as T;
  const { place, shards } = openIndex('loadAsync', file, value);
  const parts = new Map<string, unknown>();
  for (const shard of shards) parts.set(shard, await runLater('loadAsync', join(place, shard), options, decode));
  return joinShards(value, parts) as T;
}

/**
 * What a file says about itself. Reads no tensor. Of safetensors: the notes in the header, from save() or from Python's
 * save_file. Of a checkpoint of PyTorch: its version and byte order, and the notes given to save(). Of NumPy's files: dtype
 * and shape. Of an index: its metadata.
 */
export function loadMetadata(file: Loadable): Record<string, string> {
  return run('loadMetadata', file, {}, decodeNotes);
}

// ---- sharded files -------------------------------------------------------------------------------------------------

function openIndex(call: string, file: Loadable, index: ShardIndex): { place: string; shards: string[] } {
  if (typeof file !== 'string')
    throw new TypeError(`${call}: these bytes are an index of files beside it; give the index's path`);
  return { place: dirname(file), shards: [...new Set(index.files.values())] };
}

function joinShards(index: ShardIndex, parts: ReadonlyMap<string, unknown>): unknown {
  return dictOf(
    [...index.files].map(([name, shard]): [string, unknown] => {
      const part = parts.get(shard);
      const tensors = isMap(part)
        ? (part as Map<string, unknown>)
        : isPlain(part) && Object.hasOwn(part, name)
          ? new Map([[name, part[name]]])
          : null;
      if (!tensors?.has(name))
        refusing('load', `'${shard}'`)(`it has no tensor ${show(name)}, which the index says is in it`);
      return [name, tensors!.get(name)];
    }),
  );
}
