/**
 * PyTorch's checkpoints, read: the zip form of 1.6 and later (a pickle `data.pkl`, and one stored entry for each storage),
 * and the form before it (five pickles one after the other, then the storages). Tensors that share a storage share it here.
 */
import { isBytes, show } from '../errors.js';
import { Code, SIZE } from '../dtype.js';
import { Parameter } from '../nn/parameter.js';
import { allocateOwn, type Storage } from '../tensor/storage.js';
import { internShape, isDense, numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { storageBytes } from './memory.js';
import { NpArray, checkBools, swapBytes } from './numpy.js';
import { PickleEnds, Unpickler } from './pickle.js';
import { toPlain } from './plain.js';
import { take, utf8, type Input, type Reading } from './reading.js';
import { TensorSpec, TorchConstructors, valueOf, type StorageRef } from './torch.js';
import { readContent, type Entry } from './zip.js';

/** Small entries, such as `byteorder`. */
const MAX_NOTE = 1 << 20;
/** Name of the entry that keeps the `metadata` given to save(); PyTorch looks at none of that name. */
export const NOTES = 'metadata.json';

/** The folder in the archive that a checkpoint is in, with its slash; null where the archive is none. */
export function checkpointFolder(entries: ReadonlyMap<string, Entry>): string | null {
  for (const name of entries.keys()) {
    const found = /^([^/]*\/)?data\.pkl$/.exec(name);
    if (found) return found[1] ?? '';
  }
  return null;
}

/** Reads a checkpoint in the zip form. */
export function* readCheckpoint(entries: ReadonlyMap<string, Entry>, folder: string, input: Input): Reading<unknown> {
  const { refuse } = input;
  if (entries.has(`${folder}constants.pkl`)) {
    refuse(
      'it is a TorchScript module, a program; in Python: torch.save(torch.jit.load(path).state_dict(), other), and load that',
    );
  }
  const order = yield* readNote(entries.get(`${folder}byteorder`), input);
  if (order !== null && order !== 'little' && order !== 'big') refuse(`its byte order is ${show(order)}`);
  const pickle = yield* readContent(entries.get(`${folder}data.pkl`)!, input);
  const torch = new TorchConstructors(refuse, pickle.length, (key, nbytes) => {
    const entry = entries.get(`${folder}data/${key}`);
    if (entry === undefined) refuse(`it has no storage ${show(key)}, which a tensor is in`);
    else if (entry.size !== nbytes)
      refuse(`its storage ${show(key)} has ${entry.size} bytes, and should have ${nbytes}`);
  });
  const { value, end } = unpickle(pickle, 0, torch);
  if (end !== pickle.length) refuse('its pickle goes on behind its end');
  const storages = new Map<StorageRef, Storage>();
  for (const ref of torch.storages.values()) {
    const storage = allocateOwn(ref.nbytes);
    storages.set(ref, storage);
    yield* readContent(entries.get(`${folder}data/${ref.key}`)!, input, storageBytes(storage));
  }
  return finish(value, storages, order === 'big', input);
}

/** The text of a small entry; null where there is none. */
function* readNote(entry: Entry | undefined, input: Input): Reading<string | null> {
  if (entry === undefined) return null;
  if (entry.size > MAX_NOTE) return input.refuse(`its zip entry ${show(entry.name)} has ${entry.size} bytes`);
  return utf8(yield* readContent(entry, input)) ?? input.refuse(`its zip entry ${show(entry.name)} is no text`);
}

/** What a checkpoint in the zip form says about itself, and the notes given to save(). */
export function* readCheckpointNotes(
  entries: ReadonlyMap<string, Entry>,
  folder: string,
  input: Input,
): Reading<Record<string, string>> {
  const notes: [string, string][] = [];
  for (const [name, key] of [
    ['version', 'version'],
    ['byteorder', 'byteorder'],
    ['.format_version', 'formatVersion'],
    ['.storage_alignment', 'storageAlignment'],
  ] as const) {
    const text = yield* readNote(entries.get(folder + name), input);
    if (text !== null) notes.push([key, text.trim()]);
  }
  const own = yield* readNote(entries.get(folder + NOTES), input);
  if (own !== null) notes.push(...Object.entries(parseNotes(own, input)));
  return Object.fromEntries(notes);
}

function parseNotes(text: string, { refuse }: Input): Record<string, string> {
  try {
    const notes: unknown = JSON.parse(text);
    if (typeof notes === 'object' && notes !== null && Object.values(notes).every((v) => typeof v === 'string'))
      return notes as Record<string, string>;
  } catch {
    // Told below.
  }
  return refuse('its metadata should be an object of strings');
}

function unpickle(bytes: Uint8Array, at: number, torch: TorchConstructors): { value: unknown; end: number } {
  const machine = new Unpickler(bytes, at, torch);
  try {
    return { value: machine.run(), end: machine.at };
  } catch (error) {
    if (error instanceof PickleEnds) return torch.refuse('its pickle ends too soon; truncated');
    throw error;
  }
}

// ---- the form before 1.6 -------------------------------------------------------------------------------------------

/** The first pickle of the old form: the number 0x1950a86a20f9469cfc6c. */
export const LEGACY_MAGIC = Uint8Array.from([
  0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
]);
const LEGACY_VERSION = 1001;
/** The pickles' length is known only when they have been run; they are read in pieces that grow. */
const FIRST_PIECE = 1 << 20;
const SIZE_BYTES = 8;

interface Legacy {
  readonly value: unknown;
  readonly torch: TorchConstructors;
  readonly keys: readonly unknown[];
  readonly bigEndian: boolean;
  /** Where the storages begin. */
  readonly end: number;
}

/** Reads a checkpoint in the old form. */
export function* readLegacyCheckpoint(input: Input): Reading<unknown> {
  const { refuse, size } = input;
  const { value, torch, keys, bigEndian, end } = yield* readLegacyPickles(input);
  const storages = new Map<StorageRef, Storage>();
  let at = end;
  for (const key of keys) {
    const ref = torch.storages.get(key as string);
    if (ref === undefined || storages.has(ref))
      return refuse(`it has a storage ${show(key)} that no tensor is in, or twice`);
    if (at + SIZE_BYTES > size) return refuse('it ends before its storages; truncated');
    const head = yield* take(at, SIZE_BYTES);
    const count = new DataView(head.buffer).getBigUint64(0, true);
    const elementSize = BigInt(ref.code === null ? 1 : SIZE[ref.code]!);
    if (count * elementSize !== BigInt(ref.nbytes))
      return refuse(
        `its storage ${show(key)} has ${count} elements, and should have ${BigInt(ref.nbytes) / elementSize}`,
      );
    at += SIZE_BYTES;
    if (at + ref.nbytes > size) return refuse(`its storage ${show(key)} goes on behind the file's end; truncated`);
    const storage = allocateOwn(ref.nbytes);
    storages.set(ref, storage);
    if (ref.nbytes > 0) yield { kind: 'read', at, bytes: storageBytes(storage) };
    at += ref.nbytes;
  }
  if (at !== size) return refuse(`its last ${size - at} bytes belong to no storage`);
  for (const ref of torch.storages.values())
    if (!storages.has(ref)) return refuse(`it has no storage ${show(ref.key)}, which a tensor is in`);
  return finish(value, storages, bigEndian, input);
}

function* readLegacyPickles(input: Input): Reading<Legacy> {
  for (let length = Math.min(FIRST_PIECE, input.size); ; length = Math.min(4 * length, input.size)) {
    const bytes = yield* take(0, length);
    try {
      return runLegacyPickles(bytes, input);
    } catch (error) {
      if (!(error instanceof PickleEnds)) throw error;
      if (length === input.size) return input.refuse('its pickle ends too soon; truncated');
    }
  }
}

function runLegacyPickles(bytes: Uint8Array, { refuse, size }: Input): Legacy {
  const torch = new TorchConstructors(refuse, bytes.length, (key, nbytes) => {
    if (nbytes > size) refuse(`its storage ${show(key)} should have ${nbytes} bytes, and the file has ${size}`);
  });
  let at = LEGACY_MAGIC.length;
  const next = (): unknown => {
    const machine = new Unpickler(bytes, at, torch);
    const value = machine.run();
    at = machine.at;
    return value;
  };
  const version = next();
  if (version !== LEGACY_VERSION) refuse(`it is of PyTorch's protocol ${show(version)}; known is ${LEGACY_VERSION}`);
  const system = toPlain(next(), refuse, (v) => v) as { little_endian?: unknown } | null;
  const value = next();
  const keys = next();
  if (!Array.isArray(keys)) return refuse('it has no list of its storages');
  return { value, torch, keys, bigEndian: system?.little_endian === false, end: at };
}

// ---- both ----------------------------------------------------------------------------------------------------------

/** The value, with tensors over the storages that have been read. */
function finish(value: unknown, storages: ReadonlyMap<StorageRef, Storage>, bigEndian: boolean, input: Input): unknown {
  const { refuse } = input;
  const turned = new Map<StorageRef, Code>();
  const tensors = new Map<TensorSpec, Tensor>();
  const copies = new Map<Uint8Array, Uint8Array>();
  const tensorOf = (spec: TensorSpec): Tensor => {
    const before = tensors.get(spec);
    if (before) return before;
    const storage = storages.get(spec.storage)!;
    const first = turned.get(spec.storage);
    if (first === undefined) {
      turned.set(spec.storage, spec.code);
      if (bigEndian) swapBytes(storageBytes(storage), SIZE[spec.code]!);
    } else if (bigEndian && SIZE[first] !== SIZE[spec.code])
      refuse(`its storage ${show(spec.storage.key)} holds elements of two sizes, the highest byte first`);
    const shape = internShape(spec.shape);
    const { strides, offset } = spec;
    if (spec.code === Code.bool)
      checkBools(storageBytes(storage), `storage ${show(spec.storage.key)} of bools`, refuse);
    const t = new Tensor(storage, offset, shape, strides, spec.code, numelOf(shape), isDense(shape, strides), null);
    const made = spec.parameter ? new Parameter(t, spec.requiresGrad) : spec.requiresGrad ? t.requiresGrad_() : t;
    tensors.set(spec, made);
    return made;
  };
  return toPlain(value, refuse, (leaf) => {
    if (leaf instanceof TensorSpec) return tensorOf(leaf);
    if (leaf instanceof NpArray) return leaf.tensor ?? refuse('it holds an array without values');
    if (isBytes(leaf)) {
      const copy = copies.get(leaf) ?? leaf.slice();
      copies.set(leaf, copy);
      return copy;
    }
    if (typeof leaf !== 'object' || leaf === null) return leaf;
    return (
      valueOf(leaf) ??
      refuse(
        'it holds a class, a function or a storage as a value; in Python: save tensors, numbers, strings, lists and dicts',
      )
    );
  });
}
