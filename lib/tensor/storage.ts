/**
 * Memory. A storage is a piece of an ArrayBuffer that V8 owns: V8's garbage collector frees those inside a synchronous
 * loop, which nothing with a Node-API finalizer is. Small storages are cut from slabs; large ones have a buffer of their
 * own, or one that something gave back (`release`). See docs/architecture.md, "Memory".
 */
import { TenfoldError } from '../errors.js';
import { address, adviseHuge } from '../native/launch.js';

const SLAB_BYTES = 1 << 20;
/** Up to here a storage is cut from a slab. Above, the clearing of a fresh buffer costs more than the allocation. */
const SMALL_BYTES = 16 << 10;
const ALIGN = 64;
/** From here huge pages are asked for: a 64 MB result takes 15 ms to touch with them, 35 without. */
const HUGE_BYTES = 4 << 20;
/** What the pool of given-back buffers may hold. */
const POOL_BYTES = 512 << 20;
/** Largest storage: addresses and sizes must be exact as doubles and fit an ArrayBuffer. */
const MAX_BYTES = 2 ** 33;

/** Memory of one or more tensors that alias each other. */
export class Storage {
  /** Raised by every in-place change; backward compares it with what it was when a tensor was saved. */
  version = 0;
  /** Set where `address` may not be used without a look: freed, or memory that the user can detach. */
  guarded = false;
  /** Number of pending gradients of a running backward that use this memory; see autograd/engine.ts. */
  engineRefs = 0;
  /** Outlives the running scope; see scope.ts. */
  kept = false;
  constructor(
    public buffer: ArrayBufferLike,
    public byteOffset: number,
    public readonly nbytes: number,
    public address: number,
    /** Whether release() may hand the memory on: nobody but tensors has ever seen it. */
    public recyclable: boolean,
  ) {}
}

let slab: ArrayBufferLike = new ArrayBuffer(0);
let slabAddress = 0;
let slabOffset = 0;
let slabTop = 0;
let slabEnd = 0;

function newSlab(): void {
  const fresh = rawBuffer(SLAB_BYTES + ALIGN);
  slab = fresh.buffer;
  slabOffset = fresh.byteOffset;
  slabAddress = fresh.address;
  slabTop = 0;
  slabEnd = SLAB_BYTES;
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

const pool = new Map<number, Storage[]>();
let pooledBytes = 0;

/** Memory for `bytes` bytes, not cleared, aligned to 64. */
export function allocate(bytes: number): Storage {
  if (bytes <= SMALL_BYTES) {
    const room = (bytes + ALIGN - 1) & -ALIGN;
    if (slabTop + room > slabEnd) newSlab();
    const at = slabTop;
    slabTop += room;
    const storage = new Storage(slab, slabOffset + at, bytes, slabAddress + at, false);
    if (scopeLog !== null) scopeLog.push(storage);
    return storage;
  }
  const storage = allocateOwn(bytes);
  if (allocations !== null) allocations.push(storage);
  if (scopeLog !== null) scopeLog.push(storage);
  return storage;
}

/** Memory of its own, for what outlives a step (parameters, optimizer state): it must not pin a slab. */
export function allocateOwn(bytes: number): Storage {
  if (!(bytes <= MAX_BYTES)) {
    throw new TenfoldError('memory', `out of memory: a tensor of ${bytes} bytes; the largest is ${MAX_BYTES}`);
  }
  const room = bytes <= SMALL_BYTES ? Math.max(bytes, 8) : (bytes + 4095) & -4096;
  const size = bytes > 2 ** 30 ? Math.ceil(bytes / 4096) * 4096 : room;
  let storage: Storage | undefined;
  const free = pool.get(size);
  if (free !== undefined && free.length > 0) {
    const old = free.pop()!;
    pooledBytes -= size;
    storage = new Storage(old.buffer, old.byteOffset, bytes, old.address, true);
  } else {
    const fresh = rawBuffer(size + ALIGN);
    if (size >= HUGE_BYTES) adviseHuge(fresh.address, size);
    storage = new Storage(fresh.buffer, fresh.byteOffset, bytes, fresh.address, bytes > SMALL_BYTES);
  }
  return storage;
}

/**
 * Gives a storage's memory back at once; any later use of it is an error. The caller must know that nobody reads it any
 * more.
 */
export function release(storage: Storage): void {
  if (storage.guarded && storage.address === 0) return;
  if (storage.recyclable && storage.nbytes > SMALL_BYTES) {
    const size = storage.nbytes > 2 ** 30 ? Math.ceil(storage.nbytes / 4096) * 4096 : (storage.nbytes + 4095) & -4096;
    if (pooledBytes + size <= POOL_BYTES) {
      let free = pool.get(size);
      if (!free) pool.set(size, (free = []));
      free.push(new Storage(storage.buffer, storage.byteOffset, storage.nbytes, storage.address, true));
      pooledBytes += size;
    }
  }
  storage.buffer = EMPTY;
  storage.address = 0;
  storage.guarded = true;
}
const EMPTY = new ArrayBuffer(0);

/** Gives the memory that the pool holds back to the system. */
export function emptyCache(): void {
  pool.clear();
  pooledBytes = 0;
}

/** Bytes in given-back buffers that wait for reuse. */
export const cachedBytes = (): number => pooledBytes;

/** Storage over a typed array's memory, which it shares. */
export function wrapMemory(view: ArrayBufferView): Storage {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const storage = new Storage(view.buffer, view.byteOffset, view.byteLength, address(bytes), false);
  storage.guarded = true; // the user may transfer the buffer away
  return storage;
}

/** Throws where a guarded storage is freed or detached. */
export function checkStorage(storage: Storage): void {
  if (storage.address === 0) {
    throw new TenfoldError('freed', 'tensor used after it was freed (by dispose(), or when its scope ended)');
  }
  if (storage.nbytes > 0 && storage.buffer.byteLength === 0) {
    throw new TenfoldError('freed', 'tensor used after its ArrayBuffer was detached (transferred to another thread)');
  }
}
