/**
 * save. A file is written beside its target and renamed over it when it is complete and on disk, so that a crash
 * in the middle, or a full disk, leaves the old file whole.
 */
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TenfoldError, checkOptions, isMap, renamed, show } from '../errors.js';
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
  const given: unknown = options.metadata ?? {};
  if (typeof given !== 'object' || given === null || Array.isArray(given) || isMap(given))
    throw new TypeError(`${call}: metadata must be an object of strings, got ${show(given)}`);
  const metadata = Object.create(null) as Record<string, string>; // where '__proto__' is a key as others are
  for (const [key, text] of Object.entries(given)) {
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
  const there = fs.lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined) {
    target = resolved(call, path);
    const file = fs.statSync(target);
    mode = file.mode & 0o777;
    // Renaming would make a file of whatever is there, and needs the folder's permission only.
    if (!file.isFile()) throw refused(call, path, `it is ${file.isDirectory() ? 'a folder' : 'no regular file'}`);
    if ((mode & 0o222) === 0 || !writable(target)) throw refused(call, path, 'the file there may not be written');
  }
  const prefix = join(dirname(target), `.${basename(target)}.`);
  removeLeftovers(dirname(target), basename(prefix));
  return { target, temporary: `${prefix}${process.pid}.${namespace()}.${crypto.randomUUID().slice(-12)}.tmp`, mode };
}
function resolved(call: string, path: string): string {
  try {
    return fs.realpathSync(path);
  } catch (cause) {
    throw refused(call, path, 'it is a link that leads nowhere', cause);
  }
}
function writable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
const refused = (call: string, path: string, why: string, cause?: unknown): TenfoldError =>
  new TenfoldError('state', `${call}: could not write '${path}': ${why}`, { cause });

let ownNamespace: string | null = null;
/** Where this process's id means this process: containers that share a folder have their own. */
function namespace(): string {
  if (ownNamespace === null) {
    try {
      ownNamespace = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
    } catch {
      ownNamespace = '0';
    }
  }
  return ownNamespace;
}
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
/** Removes what saves of this file have left that were killed: of processes that are no more. */
function removeLeftovers(folder: string, prefix: string): void {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return; // opening the new file will tell
  }
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const left = /^(\d+)\.(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length));
    if (left !== null && left[2] === namespace() && !lives(Number(left[1])))
      fs.rmSync(join(folder, name), { force: true });
  }
}

// Saves of one file may overlap: what was called last stays, whichever is written first.
let saves = 0;
const running = new Map<string, { pending: number; newest: number }>();
function begin(target: string): number {
  const entry = running.get(target);
  if (entry === undefined) running.set(target, { pending: 1, newest: 0 });
  else entry.pending++;
  return ++saves;
}
/** Puts a complete file in its place, unless a later save has put its own there. */
function put(order: number, temporary: string, target: string): void {
  const entry = running.get(target)!;
  if (entry.newest > order) return fs.rmSync(temporary, { force: true });
  fs.renameSync(temporary, target);
  entry.newest = order;
}
function finish(target: string): void {
  const entry = running.get(target)!;
  if (--entry.pending === 0) running.delete(target);
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
  const order = begin(target);
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
    put(order, temporary, target);
  } catch (cause) {
    fs.rmSync(temporary, { force: true });
    throw failed('save', path, cause);
  } finally {
    finish(target);
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
  const order = begin(target);
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
    put(order, temporary, target);
  } catch (cause) {
    await fs.promises.rm(temporary, { force: true });
    throw failed('saveAsync', path, cause);
  } finally {
    finish(target);
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
  const pieces = renamed('toBytes', () => compose('toBytes', value, null, options, false));
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
