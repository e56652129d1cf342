/**
 * save and load. A file is written beside its target and renamed over it when it is complete and on disk, so that a crash
 * in the middle, or a full disk, leaves the old file whole.
 */
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TenfoldError, checkOptions, show } from '../errors.js';
import { Code, SIZE } from '../dtype.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { expose } from '../tensor/storage.js';
import { LENGTH_BYTES, decodeHeader, encodeHeader, headerLength, type Header, type Refuse } from './safetensors.js';
import { STRUCTURE, putTogether, takeApart } from './structure.js';

/** Options of save. */
export interface SaveOptions {
  /** Notes kept in the file's header, such as a version or an accuracy. */
  metadata?: Record<string, string>;
}

/** The most that one read or write call is given; the system's limit is 2^31 - 1. */
const CALL_BYTES = 1 << 30;

// ---- writing -------------------------------------------------------------------------------------------------------

/** A file's content in pieces, ready to be written. `copy`: tensors as they are now, whatever becomes of them. */
function compose(call: string, value: unknown, options: SaveOptions, copy: boolean): Uint8Array[] {
  checkOptions(call, options, ['metadata']);
  const { tensors, structure } = takeApart(value);
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(options.metadata ?? {})) {
    if (typeof text !== 'string')
      throw new TypeError(`${call}: metadata ${show(key)} must be a string, got ${show(text)}`);
    if (key === STRUCTURE) throw new TypeError(`${call}: the metadata key ${show(key)} is the library's own`);
    metadata[key] = text;
  }
  if (structure !== null) metadata[STRUCTURE] = structure;
  const list = [...tensors].map(([name, t]) => ({ name, code: t.code, shape: t.shape, count: t.count }));
  const { bytes, entries } = encodeHeader(list, metadata);
  const pieces = [bytes];
  for (const { name } of entries) {
    const t = tensors.get(name)!;
    checkTensor('save', t);
    if (t.count > 0) pieces.push(bytesOf(t.dense && !copy ? t : t.rawClone()));
  }
  return pieces;
}

/** A dense tensor's memory, which the view may outlive. */
function bytesOf(t: Tensor): Uint8Array {
  expose(t.storage);
  return new Uint8Array(t.storageBuffer(), t.byteStart(t.offset), t.count * SIZE[t.code]!);
}

/** The file that a path stands for (behind links), a name beside it, and the mode of the file that is there. */
function placesOf(call: string, path: string): { target: string; temporary: string; mode: number | null } {
  if (typeof path !== 'string' || path === '') throw new TypeError(`${call}: expected a path, got ${show(path)}`);
  let target = path;
  let mode: number | null = null;
  try {
    target = fs.realpathSync(path);
    mode = fs.statSync(target).mode & 0o777;
  } catch {
    // There is no such file yet; what is wrong with its folder, opening the new one will tell.
  }
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${crypto.randomUUID().slice(-12)}.tmp`);
  return { target, temporary, mode };
}

const failed = (call: string, path: string, cause: unknown): TenfoldError =>
  new TenfoldError('state', `${call}: could not write '${path}': ${(cause as Error).message}`, { cause });

/**
 * Writes a state dict, or any object of tensors, numbers, strings, lists and objects, as a safetensors file, which the
 * `safetensors` package for Python reads too. A file that is there already stays whole until the new one is complete.
 * TypeError for what can't be saved, TenfoldError 'state' where the file can't be written.
 *
 * ```ts
 * save(model.stateDict(), 'model.safetensors', { metadata: { epoch: '12' } });
 * model.loadStateDict(load('model.safetensors'));
 * save({ model: model.stateDict(), optimizer: optimizer.stateDict() }, 'checkpoint.safetensors');
 * ```
 */
export function save(value: object, path: string, options: SaveOptions = {}): void {
  const pieces = compose('save', value, options, false);
  const { target, temporary, mode } = placesOf('save', path);
  try {
    const file = fs.openSync(temporary, 'wx');
    try {
      if (mode !== null) fs.fchmodSync(file, mode);
      for (const piece of pieces) {
        for (let at = 0; at < piece.length;)
          at += fs.writeSync(file, piece, at, Math.min(piece.length - at, CALL_BYTES));
      }
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(temporary, target);
  } catch (cause) {
    fs.rmSync(temporary, { force: true });
    throw failed('save', path, cause);
  }
  syncFolder(dirname(target));
}

/** As save(), without holding the event loop. What is written are the values at the time of the call. */
export async function saveAsync(value: object, path: string, options: SaveOptions = {}): Promise<void> {
  const pieces = compose('saveAsync', value, options, true);
  const { target, temporary, mode } = placesOf('saveAsync', path);
  try {
    const file = await fs.promises.open(temporary, 'wx');
    try {
      if (mode !== null) await file.chmod(mode);
      for (const piece of pieces) {
        for (let at = 0; at < piece.length;) {
          at += (await file.write(piece, at, Math.min(piece.length - at, CALL_BYTES))).bytesWritten;
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.promises.rename(temporary, target);
  } catch (cause) {
    await fs.promises.rm(temporary, { force: true });
    throw failed('saveAsync', path, cause);
  }
  syncFolder(dirname(target));
}

/** Puts the rename itself on disk, where the system can. */
function syncFolder(folder: string): void {
  try {
    const handle = fs.openSync(folder, 'r');
    try {
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
  } catch {
    // Windows opens no folders; there a rename is journaled.
  }
}

// ---- reading -------------------------------------------------------------------------------------------------------

const refusing =
  (call: string, path: string): Refuse =>
  (what) => {
    throw new TenfoldError('state', `${call}: '${path}' can't be read: ${what}`);
  };

function checkPath(call: string, path: unknown): void {
  if (typeof path !== 'string' || path === '') throw new TypeError(`${call}: expected a path, got ${show(path)}`);
}

/** Tensors with memory for a header's entries. */
const makeRoom = (header: Header): Map<string, Tensor> =>
  new Map(header.entries.map((e) => [e.name, Tensor.raw(e.shape, e.code, true)]));

function finish(header: Header, tensors: Map<string, Tensor>, refuse: Refuse): unknown {
  for (const [name, t] of tensors) {
    if (t.code === Code.bool && bytesOf(t).some((byte) => byte > 1))
      refuse(`bool tensor ${show(name)} holds bytes other than 0 and 1`);
  }
  return putTogether(tensors, header.metadata[STRUCTURE], refuse);
}

/** Fills `bytes` from a position of the file. */
function readFully(file: number, bytes: Uint8Array, position: number, refuse: Refuse): Uint8Array {
  for (let at = 0; at < bytes.length;) {
    const n = fs.readSync(file, bytes, at, Math.min(bytes.length - at, CALL_BYTES), position + at);
    if (n === 0) refuse('it ended while it was being read');
    at += n;
  }
  return bytes;
}

function openChecked(path: string, refuse: Refuse): { file: number; size: number } {
  let file: number;
  try {
    file = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  } catch (error) {
    return refuse((error as Error).message);
  }
  const stat = fs.fstatSync(file);
  if (!stat.isFile()) {
    fs.closeSync(file);
    return refuse('it is not a file');
  }
  return { file, size: stat.size };
}

function readHeader(file: number, size: number, refuse: Refuse): { header: Header; dataAt: number } {
  const first = readFully(file, new Uint8Array(Math.min(size, LENGTH_BYTES)), 0, refuse);
  const length = headerLength(first, size, refuse);
  const dataAt = LENGTH_BYTES + length;
  return {
    header: decodeHeader(readFully(file, new Uint8Array(length), LENGTH_BYTES, refuse), size - dataAt, refuse),
    dataAt,
  };
}

/**
 * Reads what save() wrote, or any safetensors file: a record of tensors by name, or the object that was saved. Everything
 * is checked before it is believed; TenfoldError 'state' says what is wrong with a file, and then nothing is returned.
 */
export function load<T = Record<string, Tensor>>(path: string): T {
  checkPath('load', path);
  const refuse = refusing('load', path);
  const { file, size } = openChecked(path, refuse);
  try {
    const { header, dataAt } = readHeader(file, size, refuse);
    const tensors = makeRoom(header);
    for (const e of header.entries) {
      if (e.end > e.begin) readFully(file, bytesOf(tensors.get(e.name)!), dataAt + e.begin, refuse);
    }
    return finish(header, tensors, refuse) as T;
  } finally {
    fs.closeSync(file);
  }
}

/** As load(), without holding the event loop while the file is read. */
export async function loadAsync<T = Record<string, Tensor>>(path: string): Promise<T> {
  checkPath('loadAsync', path);
  const refuse = refusing('loadAsync', path);
  const { file, size } = openChecked(path, refuse);
  fs.closeSync(file);
  const handle = await fs.promises.open(path, 'r');
  try {
    const { header, dataAt } = readHeader(handle.fd, size, refuse);
    const tensors = makeRoom(header);
    for (const e of header.entries) {
      const bytes = e.end > e.begin ? bytesOf(tensors.get(e.name)!) : new Uint8Array(0);
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await handle.read(
          bytes,
          at,
          Math.min(bytes.length - at, CALL_BYTES),
          dataAt + e.begin + at,
        );
        if (bytesRead === 0) refuse('it ended while it was being read');
        at += bytesRead;
      }
    }
    return finish(header, tensors, refuse) as T;
  } finally {
    await handle.close();
  }
}

/** The notes in a file's header: what save() was given as metadata, or Python's save_file. Reads no tensor. */
export function loadMetadata(path: string): Record<string, string> {
  checkPath('loadMetadata', path);
  const refuse = refusing('loadMetadata', path);
  const { file, size } = openChecked(path, refuse);
  try {
    const { [STRUCTURE]: _, ...notes } = readHeader(file, size, refuse).header.metadata;
    return notes;
  } finally {
    fs.closeSync(file);
  }
}
