/**
 * Memory. A storage is a piece of an ArrayBuffer that V8 owns: V8's garbage collector frees those inside a synchronous
 * loop, which nothing with a Node-API finalizer is. Small storages are cut from slabs (slabs.ts); large ones have a piece of
 * their own (pieces.ts), one from the pool where another storage had it before: it was given back (`release`), or that storage
 * was collected (reclaiming.ts, which shows the ways of a piece). See docs/architecture.md, "Memory".
 */
import { TenfoldError } from '../errors.js';
import { SIZE, type Code } from '../dtype.js';
import { address } from '../native/launch.js';
import { capture } from './capture.js';
import { ALIGN, overwritePooled, rawBuffer, takePiece, toPool, type Piece } from './pieces.js';
import { addressing, budget, endRest, lend, lentSince, unlend } from './reclaiming.js';
import { SMALL_BYTES, lookForMemory, rackOf, type Slab } from './slabs.js';

export { cachedBytes } from './pieces.js';
export { addressing, emptyCache, freeCollected } from './reclaiming.js';

/** Largest storage: addresses and sizes must be exact as doubles and fit an ArrayBuffer. */
const MAX_BYTES = 2 ** 33;

/** A storage's buffer, for who has looked at `guarded`. */
export let bufferOf: (storage: Storage) => ArrayBufferLike;
/** The address of memory that is there: it stays as it is until a launch has been. */
export let takeAddress: (storage: Storage) => number;
interface Place {
  buffer: ArrayBufferLike;
  byteOffset: number;
  address: number;
}
/** The private parts of a storage, for this file. */
let parts: {
  /** What release() hands on. */
  piece(s: Storage): Piece | null;
  /** The slab that a small storage is cut from. */
  slab(s: Storage): Slab | null;
  /** Where the garbage collector is watched for it, so that its memory can be had again; -1: nowhere. */
  slot(s: Storage): number;
  setSlot(s: Storage, slot: number): void;
  giveUp(s: Storage): void;
  guard(s: Storage): void;
  move(s: Storage, to: Place): void;
};

/**
 * Memory of one or more tensors that alias each other. What says where it lies is private to this file: whoever could
 * assign it could read and write anywhere.
 */
export class Storage {
  /** Raised by every in-place change; backward compares it with what it was when a tensor was saved. */
  version = 0;
  /** Number of plans and calls that use this memory on a thread of their own; nobody may write to it meanwhile. */
  readers = 0;
  /** Number of pending gradients of a running backward that use this memory; see autograd/engine.ts. */
  engineRefs = 0;
  /** Outlives the running scope; see scope.ts. */
  kept = false;
  #guarded = false;
  #slot = -1;
  #slab: Slab | null = null;
  #buffer: ArrayBufferLike;
  #byteOffset: number;
  readonly #nbytes: number;
  #address: number;
  #piece: Piece | null;
  constructor(
    buffer: ArrayBufferLike,
    byteOffset: number,
    nbytes: number,
    address: number,
    piece: Piece | null,
    guarded = false,
    slab: Slab | null = null,
  ) {
    this.#buffer = buffer;
    this.#byteOffset = byteOffset;
    this.#nbytes = nbytes;
    this.#address = address;
    this.#piece = piece;
    this.#guarded = guarded;
    this.#slab = slab;
    if (capture !== null) capture.made(this);
  }
  get byteOffset(): number {
    return this.#byteOffset;
  }
  get nbytes(): number {
    return this.#nbytes;
  }
  get address(): number {
    return this.#address;
  }
  /** Set where `address` may not be used without a look: freed, or memory that the user can transfer or resize. */
  get guarded(): boolean {
    return this.#guarded;
  }
  /** Whether release() hands memory on: it is this storage's alone, and nobody but tensors has ever seen it. */
  get owned(): boolean {
    return this.#piece !== null;
  }

  static {
    bufferOf = (s) => s.#buffer;
    takeAddress = (s) => {
      if (s.#guarded) checkStorage(s);
      addressing();
      return s.#address;
    };
    parts = {
      piece: (s) => s.#piece,
      slab: (s) => s.#slab,
      slot: (s) => s.#slot,
      setSlot: (s, slot) => (s.#slot = slot),
      giveUp: (s) => (s.#piece = null),
      guard: (s) => (s.#guarded = true),
      move(s, { buffer, byteOffset, address }) {
        s.#piece = null;
        s.#slab = null;
        s.#buffer = buffer;
        s.#byteOffset = byteOffset;
        s.#address = address;
      },
    };
  }
}
/** Storages made since, for whoever wants to give them back: the engine per node, tidy() per scope. */
export let allocations: Storage[] | null = null;
/** Starts (or ends, with null) the recording of allocations; returns the list that was recorded into before. */
export function recordAllocations(list: Storage[] | null): Storage[] | null {
  const before = allocations;
  allocations = list;
  return before;
}

let scopeLog: Storage[] | null = null;
/** Starts (or ends, with null) a scope's list of all storages made; returns the list before. */
export function recordScope(list: Storage[] | null): Storage[] | null {
  const before = scopeLog;
  scopeLog = list;
  return before;
}

const roomFor = (bytes: number): number =>
  bytes <= SMALL_BYTES ? Math.max(bytes, 8) : bytes > 2 ** 30 ? Math.ceil(bytes / 4096) * 4096 : (bytes + 4095) & -4096;

/** Storages up to here are cut from slabs. */
let smallBytes = SMALL_BYTES;
let exact = false;
/** For AddressSanitizer: from now on every storage has a buffer of its own, of exactly its size, that no other gets. */
export function exactBuffers(): void {
  smallBytes = -1;
  exact = true;
}
/** For lib/launch/stress.ts: from now on every storage has memory of its own, and memory is overwritten when it is free. */
export function overwriteFreed(): void {
  smallBytes = -1;
  overwritePooled();
}
/** Memory for `bytes` bytes, not cleared, aligned to 64. */
export function allocate(bytes: number): Storage {
  if (bytes <= smallBytes) {
    const rack = rackOf(bytes);
    const at = rack.cut(bytes);
    const { slab } = rack;
    const { buffer, byteOffset, address } = slab.piece;
    const storage = new Storage(buffer, byteOffset + at, bytes, address + at, null, false, slab);
    if (scopeLog !== null) scopeLog.push(storage);
    return storage;
  }
  if (lentSince >= budget) lookForMemory();
  const storage = allocateOwn(bytes);
  const piece = parts.piece(storage);
  if (piece !== null) parts.setSlot(storage, lend(storage, piece));
  if (allocations !== null) allocations.push(storage);
  if (scopeLog !== null) scopeLog.push(storage);
  return storage;
}

/** Refuses a result that no memory can hold, before any work goes into it. */
export function checkRoom(call: string, shape: readonly number[], code: Code): void {
  const bytes = shape.reduce((n, size) => n * size, SIZE[code]!);
  if (!(bytes <= MAX_BYTES))
    throw new TenfoldError('memory', `${call}: out of memory: a tensor of ${bytes} bytes; the largest is ${MAX_BYTES}`);
}

/** Memory of its own, for what outlives a step (parameters, optimizer state): it must not pin a slab. */
export function allocateOwn(bytes: number): Storage {
  if (!(bytes <= MAX_BYTES)) {
    throw new TenfoldError('memory', `out of memory: a tensor of ${bytes} bytes; the largest is ${MAX_BYTES}`);
  }
  if (exact) {
    const buffer = new ArrayBuffer(bytes);
    return new Storage(buffer, 0, bytes, address(buffer) || ALIGN, null);
  }
  endRest();
  const piece = takePiece(roomFor(bytes));
  return new Storage(piece.buffer, piece.byteOffset, bytes, piece.address, bytes > smallBytes ? piece : null);
}

/** Somebody else sees the memory from now on: it is the garbage collector's alone. */
export function expose(storage: Storage): void {
  parts.giveUp(storage);
  const slab = parts.slab(storage);
  if (slab !== null) {
    if (slab.slot >= 0) unlend(slab.slot);
    slab.slot = -1;
  } else endWatch(storage);
}

/**
 * The user gets the memory itself, and may transfer it away: each use looks from now on whether it is still there. A piece
 * of a slab moves to a buffer of its own first, or its neighbours would go with it.
 */
export function handOut(storage: Storage): void {
  if (capture !== null) capture.touches(storage);
  checkWritable('asTypedArray', storage);
  if (storage.guarded) return;
  if (parts.slab(storage) === null) expose(storage);
  else {
    const { byteOffset, nbytes } = storage;
    const own = rawBuffer(Math.max(nbytes, 8) + ALIGN);
    new Uint8Array(own.buffer, own.byteOffset, nbytes).set(new Uint8Array(bufferOf(storage), byteOffset, nbytes));
    parts.move(storage, own);
  }
  parts.guard(storage);
}

/** A second storage over handed-out memory, with a version of its own. */
export function secondStorage(storage: Storage): Storage {
  handOut(storage);
  return new Storage(bufferOf(storage), storage.byteOffset, storage.nbytes, storage.address, null, true);
}

/** Whether two storages have bytes in common: the same one, or two over one buffer. */
export const overlap = (a: Storage, b: Storage): boolean =>
  a === b || (a.address < b.address + b.nbytes && b.address < a.address + a.nbytes);

/** A thread begins to read the memory, or to write it for a call under way. */
export function hold(storage: Storage): void {
  storage.readers++;
}
/** A thread has ended that. */
export function letGo(storage: Storage): void {
  storage.readers--;
}
/** Refuses a change of memory that a thread uses. */
export function checkWritable(call: string, storage: Storage): void {
  if (storage.readers > 0) {
    throw new TenfoldError(
      'inplace',
      `${call}: an asynchronous call (of a compiled function, or with other processes) still uses this tensor; await it before the tensor is changed`,
    );
  }
}

function endWatch(storage: Storage): void {
  const slot = parts.slot(storage);
  if (slot < 0) return;
  parts.setSlot(storage, -1);
  unlend(slot);
}

/**
 * Gives a storage's memory back at once; any later use of it is an error. The caller must know that nobody reads it any
 * more.
 */
export function release(storage: Storage): void {
  if (storage.guarded && storage.address === 0) return;
  if (storage.readers > 0) return; // a thread uses it: the garbage collector frees it, later
  endWatch(storage);
  const piece = parts.piece(storage);
  if (piece !== null) {
    piece.owners = 0;
    toPool(piece);
  }
  parts.move(storage, NOWHERE);
  parts.guard(storage);
}
const NOWHERE: Place = { buffer: new ArrayBuffer(0), byteOffset: 0, address: 0 };

/** Whether other threads may have the memory. */
export const isShared = (storage: Storage): boolean => bufferOf(storage) instanceof SharedArrayBuffer;

/** Moves a storage's memory to where other threads may have it too. All tensors that show it follow. */
export function shareStorage(storage: Storage): void {
  if (isShared(storage)) return;
  if (storage.guarded) checkStorage(storage);
  if (capture !== null) capture.touches(storage);
  checkWritable('shareMemory_', storage);
  const { nbytes, byteOffset } = storage;
  let buffer: SharedArrayBuffer;
  try {
    buffer = new SharedArrayBuffer(nbytes + ALIGN);
  } catch (cause) {
    throw new TenfoldError('memory', `out of memory: could not allocate ${nbytes} shared bytes`, { cause });
  }
  // Node-API has no address of a SharedArrayBuffer itself.
  const start = address(new Uint8Array(buffer));
  const place = (ALIGN - (start % ALIGN)) % ALIGN;
  new Uint8Array(buffer, place, nbytes).set(new Uint8Array(bufferOf(storage), byteOffset, nbytes));
  endWatch(storage);
  parts.move(storage, { buffer, byteOffset: place, address: start + place });
}

/** Storage over shared memory from a byte on. */
export function sharedStorage(memory: SharedArrayBuffer, byteOffset: number): Storage {
  const bytes = new Uint8Array(memory, byteOffset);
  return new Storage(memory, byteOffset, bytes.byteLength, address(bytes) || ALIGN, null);
}

/** Storage over a typed array's memory, which it shares. */
export function wrapMemory(view: ArrayBufferView): Storage {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  } catch (cause) {
    throw new TenfoldError('freed', "fromTypedArray: the array's ArrayBuffer was transferred away", { cause });
  }
  // Guarded: the user may transfer the buffer away, or make it smaller. (0 is the address of what is gone, and of nothing.)
  return new Storage(view.buffer, view.byteOffset, view.byteLength, address(bytes) || ALIGN, null, true);
}

/** Throws where a guarded storage is freed, or its buffer has gone or shrunk. */
export function checkStorage(storage: Storage): void {
  if (storage.address === 0) {
    throw new TenfoldError('freed', 'tensor used after it was freed (by dispose(), or when its scope ended)');
  }
  if (bufferOf(storage).byteLength < storage.byteOffset + storage.nbytes) {
    throw new TenfoldError(
      'freed',
      'tensor used after its ArrayBuffer was taken away (transferred to another thread, or made smaller)',
    );
  }
}
