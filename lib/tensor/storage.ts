/**
 * Memory. A storage is a piece of an ArrayBuffer that V8 owns: V8's garbage collector frees those inside a synchronous
 * loop, which nothing with a Node-API finalizer is. Small storages are cut from slabs; large ones have a buffer of their
 * own, or one that another storage had before: it was given back (`release`), or its storage was collected (`reclaim`).
 * See docs/architecture.md, "Memory".
 */
import { TenfoldError } from '../errors.js';
import { SIZE, type Code } from '../dtype.js';
import { address, adviseHuge, collected, launches, unwatch, watch } from '../native/launch.js';
import { capture } from './capture.js';
import { collectYoung } from './collect.js';

const SLAB_BYTES = 256 << 10;
/** Up to here a storage is cut from a slab. Above, the clearing of a fresh buffer costs more than the allocation. */
const SMALL_BYTES = 16 << 10;
const ALIGN = 64;
/** From here huge pages are asked for: a 64 MB result takes 15 ms to touch with them, 35 without. */
const HUGE_BYTES = 4 << 20;
/** What the pool of given-back buffers may hold. */
const POOL_BYTES = 512 << 20;
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
  /** Number of plans that read this memory on a thread of their own; nobody may write to it meanwhile. */
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
      addressedAt = launches;
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
/**
 * A piece that small storages are cut from, or its later part. Each of them refers to it, so that it is collected when
 * they all are.
 */
class Slab {
  slot = -1;
  constructor(readonly piece: Piece) {}
}
let slab: Slab;
let slabTop = 0;
let slabEnd = -1; // even an empty storage asks for the first slab

function newSlab(): void {
  if (lentSince >= budget) reclaim();
  const piece = takePiece(SLAB_BYTES);
  slab = new Slab(piece);
  slab.slot = lend(slab, piece);
  slabTop = 0;
  slabEnd = SLAB_BYTES;
}

// After a collection the rest of the slab is a slab of its own: an object that has seen two grows old, and young
// collections then don't find that it is gone. Beside tensors of megabytes, few small ones fall between two.
function startPart(): void {
  if (slabEnd < 0) return;
  slab = new Slab(slab.piece);
  slab.slot = lend(slab, slab.piece);
}

// Buffer.allocUnsafeSlow skips the clearing where Node lets it (Node 20, 22): 4 MB then cost 8 µs instead of 295.
function rawBuffer(bytes: number): { buffer: ArrayBufferLike; byteOffset: number; address: number } {
  let buffer: ArrayBufferLike;
  try {
    buffer = bytes <= 2 ** 31 ? Buffer.allocUnsafeSlow(bytes).buffer : new ArrayBuffer(bytes);
  } catch (cause) {
    throw new TenfoldError('memory', `out of memory: could not allocate ${bytes} bytes`, { cause });
  }
  const start = address(buffer);
  const byteOffset = (ALIGN - (start % ALIGN)) % ALIGN;
  return { buffer, byteOffset, address: start + byteOffset };
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

// ---- pieces: memory that storages use one after the other ------------------------------------------------------------
//
// A fresh buffer costs 0.4 ns a byte in page faults: an exp of 65,536 numbers takes 9 µs into memory that was used before
// and 120 into fresh one. So a piece that nothing refers to any more is used again, and first the one used last, which
// the caches hold. Whether a storage is gone is seen by looking at weak references after a collection of V8's young
// generation, which takes some 40 µs and is asked for after every `budget` bytes.

/** A buffer and its part that is aligned. Lives as long as the buffer: garbage of each use made V8's young space grow. */
class Piece {
  /** The next one on the list that this one is on. */
  next: Piece | null = null;
  /** Storages and slabs that have it: at most one, but for parts of a slab. */
  owners = 0;
  constructor(
    readonly buffer: ArrayBufferLike,
    readonly byteOffset: number,
    readonly address: number,
    readonly size: number,
  ) {}
}

/** The free pieces of one size, the one used last on top. */
class Shelf {
  top: Piece | null = null;
  usedAt = 0;
}

const pool = new Map<number, Shelf>();
let pooledBytes = 0;
/** Pieces in use, by the slot of the storage that has them. */
const lent: (Piece | undefined)[] = [];
/** Bytes lent since the last look, less those given back. */
let lentSince = 0;
const MIN_BUDGET = 12 << 20;
const MAX_BUDGET = 128 << 20;
let budget = MIN_BUDGET;
/** Pieces found free while a launch was under preparation: an address in the frame may still mean them. */
let resting: Piece | null = null;
let restingSince = -1;
let addressedAt = -1;
/** To be called by who takes an address, or a look at the memory: it stays as it is until a launch has been. */
export function addressing(): void {
  addressedAt = launches;
}
const gone = new Int32Array(4096);

const roomFor = (bytes: number): number =>
  bytes <= SMALL_BYTES ? Math.max(bytes, 8) : bytes > 2 ** 30 ? Math.ceil(bytes / 4096) * 4096 : (bytes + 4095) & -4096;

function toPool(piece: Piece): void {
  const { size } = piece;
  if (overwrites) new Uint8Array(piece.buffer, piece.byteOffset, size).fill(OVERWRITTEN);
  if (size > POOL_BYTES) return;
  let shelf = pool.get(size);
  if (shelf === undefined) pool.set(size, (shelf = new Shelf()));
  piece.next = shelf.top;
  shelf.top = piece;
  shelf.usedAt = launches;
  pooledBytes += size;
  if (pooledBytes > POOL_BYTES) dropOldest();
}

/** Makes room in the pool: pieces of the size go first that none has come back of for the longest. */
function dropOldest(): void {
  while (pooledBytes > POOL_BYTES) {
    let oldest: Shelf | null = null;
    for (const [size, shelf] of pool) {
      if (shelf.top === null) pool.delete(size);
      else if (oldest === null || shelf.usedAt < oldest.usedAt) oldest = shelf;
    }
    const { top } = oldest!;
    pooledBytes -= top!.size;
    oldest!.top = top!.next;
  }
}

/** Puts pieces that have rested long enough where they can be had. */
function endRest(): void {
  if (resting === null || launches === restingSince) return;
  for (let piece: Piece | null = resting; piece !== null;) {
    const { next }: Piece = piece;
    toPool(piece);
    piece = next;
  }
  resting = null;
}

function takePiece(size: number): Piece {
  endRest();
  const shelf = pool.get(size);
  if (shelf !== undefined && shelf.top !== null) {
    const piece = shelf.top;
    shelf.top = piece.next;
    piece.next = null;
    pooledBytes -= size;
    return piece;
  }
  const { buffer, byteOffset, address } = rawBuffer(size + ALIGN);
  if (size >= HUGE_BYTES) adviseHuge(address, size);
  return new Piece(buffer, byteOffset, address, size);
}

/** Finds the pieces whose storages have been collected. Returns their bytes. */
function findGone(): number {
  endRest();
  let found = 0;
  let count: number;
  do {
    count = collected(gone);
    // They come the youngest first, and leave the list of those that rest the oldest first.
    for (let i = 0; i < count; i++) {
      const piece = lent[gone[i]!]!;
      lent[gone[i]!] = undefined;
      if (--piece.owners > 0) continue;
      piece.next = resting;
      resting = piece;
      found += piece.size;
    }
  } while (count === gone.length);
  restingSince = addressedAt === launches ? launches : -1;
  return found;
}

/** Looks for memory that can be had again, and decides when to look next. */
function reclaim(): void {
  const asked = lentSince;
  lentSince = 0;
  let milliseconds = 0;
  let found = findGone();
  if (found < asked / 2) {
    milliseconds = collectYoung();
    found += findGone();
    startPart();
  }
  // Worth it while most of what was lent is free again, and found in less than half the time of the page faults.
  const worth = found >= asked / 2 && milliseconds < asked * 0.2e-6;
  budget = worth ? Math.max(MIN_BUDGET, budget / 2) : Math.min(MAX_BUDGET, budget * 2);
}

/** Storages up to here are cut from slabs. */
let smallBytes = SMALL_BYTES;
let exact = false;
/** For AddressSanitizer: from now on every storage has a buffer of its own, of exactly its size, that no other gets. */
export function exactBuffers(): void {
  smallBytes = -1;
  exact = true;
}
let overwrites = false;
/** Every byte of memory that was freed: a float32 of -3e-16, an int64 beyond every size. */
const OVERWRITTEN = 0xa5;
/** For lib/launch/stress.ts: from now on every storage has memory of its own, and memory is overwritten when it is free. */
export function overwriteFreed(): void {
  smallBytes = -1;
  overwrites = true;
}
/** Looks which storages have been collected, and frees their memory at once. */
export function freeCollected(): void {
  findGone();
  restingSince = -1;
  endRest();
}

/** Memory for `bytes` bytes, not cleared, aligned to 64. */
export function allocate(bytes: number): Storage {
  if (bytes <= smallBytes) {
    const room = (bytes + ALIGN - 1) & -ALIGN;
    if (slabTop + room > slabEnd) newSlab();
    const at = slabTop;
    slabTop += room;
    const { buffer, byteOffset, address } = slab.piece;
    const storage = new Storage(buffer, byteOffset + at, bytes, address + at, null, false, slab);
    if (scopeLog !== null) scopeLog.push(storage);
    return storage;
  }
  if (lentSince >= budget) reclaim();
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

/** A thread begins to read the memory. */
export function hold(storage: Storage): void {
  storage.readers++;
}
/** A thread has ended reading it. */
export function letGo(storage: Storage): void {
  storage.readers--;
}
/** Refuses a change of memory that a thread reads. */
export function checkWritable(call: string, storage: Storage): void {
  if (storage.readers > 0) {
    throw new TenfoldError(
      'inplace',
      `${call}: an asynchronous call of a compiled function still reads this tensor; await it before the tensor is changed`,
    );
  }
}

/** Watches the owner of a piece; the slot. */
function lend(owner: Storage | Slab, piece: Piece): number {
  const slot = watch(owner);
  lent[slot] = piece;
  if (piece.owners++ === 0) lentSince += piece.size;
  return slot;
}

/** Ends the watching of an owner. Its piece isn't used again until the caller gives it to the pool. */
function unlend(slot: number): void {
  lentSince -= lent[slot]!.size;
  lent[slot] = undefined;
  unwatch(slot);
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

/** Gives the memory that the pool holds back to the system. */
export function emptyCache(): void {
  findGone();
  resting = null;
  pool.clear();
  pooledBytes = 0;
}

/** Bytes in given-back buffers that wait for reuse. */
export const cachedBytes = (): number => pooledBytes;

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
