/**
 * Pieces: memory that storages use one after the other, and the pool of those that nobody has. A fresh buffer costs 0.4 ns a
 * byte in page faults: an exp of 65,536 numbers takes 9 µs into memory that was used before and 120 into fresh one. So a piece
 * that nothing refers to any more is used again, and first the one used last, which the caches hold.
 */
import { TenfoldError } from '../errors.js';
import { address, adviseHuge, launches } from '../native/launch.js';
import { collectYoung } from './collect.js';

export const ALIGN = 64;
/** From here huge pages are asked for: a 64 MB result takes 15 ms to touch with them, 35 without. */
const HUGE_BYTES = 4 << 20;
/** What the pool may hold at most, however much memory there is. */
const POOL_BYTES = 512 << 20;
/** After so many bytes of fresh memory it is looked how much there is left (20 µs, and the bytes' page faults take 12 ms). */
const LOOK_BYTES = 32 << 20;

/** A buffer and its part that is aligned. Lives as long as the buffer: garbage of each use made V8's young space grow. */
export class Piece {
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
/** What the pool may hold, as much memory as there was at the last look. */
let allowance = POOL_BYTES;
let freshSince = 0;

/** Bytes in given-back buffers that wait for reuse. */
export const cachedBytes = (): number => pooledBytes;

let overwrites = false;
/** Every byte of memory that was freed: a float32 of -3e-16, an int64 beyond every size. */
const OVERWRITTEN = 0xa5;
/** From now on memory is overwritten when it is free. */
export function overwritePooled(): void {
  overwrites = true;
}

// Buffer.allocUnsafeSlow skips the clearing where Node lets it (Node 20, 22): 4 MB then cost 8 µs instead of 295.
const unclearedBuffer = (bytes: number): ArrayBufferLike =>
  bytes <= 2 ** 31 ? Buffer.allocUnsafeSlow(bytes).buffer : new ArrayBuffer(bytes);

/** Memory that nobody has had, aligned; it has `bytes` bytes less what the aligning takes. */
export function rawBuffer(bytes: number): { buffer: ArrayBufferLike; byteOffset: number; address: number } {
  let buffer: ArrayBufferLike;
  try {
    buffer = unclearedBuffer(bytes);
  } catch {
    // What the pool holds may be what is missing.
    emptyPool();
    try {
      buffer = unclearedBuffer(bytes);
    } catch (cause) {
      throw new TenfoldError('memory', `out of memory: could not allocate ${bytes} bytes`, { cause });
    }
  }
  const start = address(buffer);
  const byteOffset = (ALIGN - (start % ALIGN)) % ALIGN;
  return { buffer, byteOffset, address: start + byteOffset };
}

/** A piece of the size, from the pool where it has one. */
export function takePiece(size: number): Piece {
  const shelf = pool.get(size);
  if (shelf !== undefined && shelf.top !== null) {
    const piece = shelf.top;
    shelf.top = piece.next;
    piece.next = null;
    pooledBytes -= size;
    return piece;
  }
  if ((freshSince += size) >= LOOK_BYTES) lookAtMemory();
  const { buffer, byteOffset, address } = rawBuffer(size + ALIGN);
  if (size >= HUGE_BYTES) adviseHuge(address, size);
  return new Piece(buffer, byteOffset, address, size);
}

/** Gives the pool a piece that nobody has any more. */
export function toPool(piece: Piece): void {
  const { size } = piece;
  if (overwrites) new Uint8Array(piece.buffer, piece.byteOffset, size).fill(OVERWRITTEN);
  if (size > POOL_BYTES) return discard(piece);
  let shelf = pool.get(size);
  if (shelf === undefined) pool.set(size, (shelf = new Shelf()));
  piece.next = shelf.top;
  shelf.top = piece;
  shelf.usedAt = launches;
  pooledBytes += size;
  if (pooledBytes > allowance) shrinkTo(allowance);
}

/** Makes room in the pool: pieces of the size go first that none has come back of for the longest. */
function shrinkTo(bytes: number): void {
  while (pooledBytes > bytes) {
    let oldest: Shelf | null = null;
    for (const [size, shelf] of pool) {
      if (shelf.top === null) pool.delete(size);
      else if (oldest === null || shelf.usedAt < oldest.usedAt) oldest = shelf;
    }
    const { top } = oldest!;
    pooledBytes -= top!.size;
    oldest!.top = top!.next;
    discard(top!);
  }
}

/** Gives all that the pool holds back to the system. */
export function emptyPool(): void {
  if (pooledBytes === 0) return;
  shrinkTo(0);
  pool.clear();
  // Where a buffer's memory can't be given up by itself, it goes with the object that it was moved to.
  if (!('transfer' in ArrayBuffer.prototype)) collectYoung();
}

// A buffer that is merely dropped keeps its memory until V8 collects all of its heap, which it has little reason to do.
function discard({ buffer }: Piece): void {
  const own = buffer as ArrayBuffer & { transfer?: (size: number) => ArrayBuffer };
  if (own.transfer !== undefined) own.transfer(0);
  else structuredClone(own, { transfer: [own] });
}

// The pool may have a quarter of the memory that isn't in use: of the machine's, or of what the container leaves us.
function lookAtMemory(): void {
  freshSince = 0;
  const left = memoryLeft();
  if (left === null) return;
  allowance = Math.min(POOL_BYTES, Math.max(0, left + pooledBytes) / 4);
  if (pooledBytes > allowance) shrinkTo(allowance);
}

/** What the container's limit is, or all memory there is; 0: not yet asked. */
let limit = 0;
/** Bytes that this process may still take; null where the engine doesn't say. */
function memoryLeft(): number | null {
  if (typeof process?.getBuiltinModule !== 'function') return null;
  const { freemem, totalmem } = process.getBuiltinModule('node:os');
  if (limit === 0) limit = Math.min(totalmem(), process.constrainedMemory?.() || Infinity);
  return Math.min(limit - process.memoryUsage.rss(), freemem());
}
