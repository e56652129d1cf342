/**
 * save. A file is written beside its target and renamed over it when it is complete and on disk, so that a crash
 * in the middle, or a full disk, leaves the old file whole.
 */
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TenfoldError, checkOptions, show } from '../errors.js';
import { writerOf, type FormatName } from './formats.js';

/** Options of save. */
export interface SaveOptions {
  /** Notes kept in the file, such as a version or an accuracy; loadMetadata() reads them. NumPy's formats take none. */
  metadata?: Record<string, string>;
  /** What to write; by the path's extension where it isn't given. */
  format?: FormatName | null;
}

/** The most that one write call is given; the system's limit is 2^31 - 1. */
const CALL_BYTES = 1 << 30;

/** A file's content in pieces, ready to be written. `copy`: tensors as they are now, whatever becomes of them. */
function compose(call: string, value: unknown, path: string | null, options: SaveOptions, copy: boolean): Uint8Array[] {
  checkOptions(call, options, ['metadata', 'format']);
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(options.metadata ?? {})) {
    if (typeof text !== 'string')
      throw new TypeError(`${call}: metadata ${show(key)} must be a string, got ${show(text)}`);
    metadata[key] = text;
  }
  return writerOf(call, options.format, path).encode(call, value, metadata, copy);
}

/** The value and the path of a call, which come in either order; two strings in PyTorch's. */
function argumentsOf(first: unknown, second: unknown): { value: unknown; path: string } {
  const turned = typeof first === 'string' && typeof second !== 'string';
  return turned ? { value: second, path: first } : { value: first, path: second as string };
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
 * Writes a value to a file, as `torch.save`. The format is that of the path's extension, or `format`:
 *
 * - `safetensors` (also where the extension says nothing): a state dict, or any object of tensors, typed arrays, numbers,
 *   strings, lists and objects. The `safetensors` package for Python reads it too.
 * - `pt` (`.pt`, `.pth`, `.bin`, `.ckpt`): any value. `torch.load(path, weights_only=True, mmap=True)` reads it; tensors that
 *   share a storage share it there.
 * - `npy`: one tensor, for `numpy.load`. `npz`: tensors by name.
 *
 * A file that is there already stays whole until the new one is complete. The value may also come second, after the path.
 * TypeError for what can't be saved, TenfoldError 'state' where the file can't be written, 'dtype' for bfloat16 in NumPy's.
 *
 * ```ts
 * save(model.stateDict(), 'model.safetensors', { metadata: { epoch: '12' } });
 * model.loadStateDict(load('model.safetensors'));
 * save({ model: model.stateDict(), optimizer: optimizer.stateDict() }, 'checkpoint.pt');
 * ```
 */
export function save(value: unknown, path: string, options?: SaveOptions): void;
export function save(path: string, value: object, options?: SaveOptions): void;
export function save(first: unknown, second: unknown, options: SaveOptions = {}): void {
  const { value, path } = argumentsOf(first, second);
  const pieces = compose('save', value, path, options, false);
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
export async function saveAsync(value: unknown, path: string, options?: SaveOptions): Promise<void>;
export async function saveAsync(path: string, value: object, options?: SaveOptions): Promise<void>;
export async function saveAsync(first: unknown, second: unknown, options: SaveOptions = {}): Promise<void> {
  const { value, path } = argumentsOf(first, second);
  const pieces = compose('saveAsync', value, path, options, true);
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

/**
 * The bytes that save() would write, for pipes and requests; `format` is safetensors where it isn't given.
 *
 * ```ts
 * process.stdout.write(toBytes(t, { format: 'npy' })); // numpy.load(sys.stdin.buffer)
 * load(toBytes({ w })); // { w }
 * ```
 */
export function toBytes(value: unknown, options: SaveOptions = {}): Uint8Array<ArrayBuffer> {
  const pieces = compose('toBytes', value, null, options, false);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
