/**
 * Reclaiming: whether a storage is gone is seen by looking at weak references after a collection of V8's young generation,
 * which takes some 40 µs and is asked for after every `budget` bytes.
 *
 *   system ──takePiece──▶ in hand ──lend──▶ lent ──collected──▶ resting ──a launch has been──▶ pooled ──takePiece──▶ in hand
 *                                            │                                                   ▲ │
 *                                            ├──release: nobody can see it────────────────────────┘ └──the pool is too large─▶ system
 *                                            └──expose: somebody else sees it──▶ V8's alone ──collected──▶ system
 */
import { collected, launches, unwatch, watch } from '../native/launch.js';
import { collectYoung } from './collect.js';
import { emptyPool, toPool, type Piece } from './pieces.js';

/** Pieces in use, by the slot of the storage or slab that has them. */
const lent: (Piece | undefined)[] = [];
/** Bytes lent since the last look, less those given back. */
export let lentSince = 0;
const MIN_BUDGET = 12 << 20;
const MAX_BUDGET = 128 << 20;
/** How many bytes are lent before it is looked which are free again. */
export let budget = MIN_BUDGET;
/** Pieces found free while a launch was under preparation: an address in the frame may still mean them. */
let resting: Piece | null = null;
let restingSince = -1;
let addressedAt = -1;
/** To be called by who takes an address, or a look at the memory: it stays as it is until a launch has been. */
export function addressing(): void {
  addressedAt = launches;
}
const gone = new Int32Array(4096);

/** Watches the owner of a piece; the slot. */
export function lend(owner: object, piece: Piece): number {
  const slot = watch(owner);
  lent[slot] = piece;
  if (piece.owners++ === 0) lentSince += piece.size;
  return slot;
}
/** Ends the watching of an owner. Its piece isn't used again until the caller gives it to the pool. */
export function unlend(slot: number): void {
  lentSince -= lent[slot]!.size;
  lent[slot] = undefined;
  unwatch(slot);
}

/** Puts pieces that have rested long enough where they can be had. */
export function endRest(): void {
  if (resting === null || launches === restingSince) return;
  for (let piece: Piece | null = resting; piece !== null;) {
    const { next }: Piece = piece;
    toPool(piece);
    piece = next;
  }
  resting = null;
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

/** Looks for memory that can be had again, and decides when to look next. `collectionDone` follows each collection. */
export function reclaim(collectionDone: () => void): void {
  const asked = lentSince;
  lentSince = 0;
  let milliseconds = 0;
  let found = findGone();
  if (found < asked / 2) {
    milliseconds = collectYoung();
    found += findGone();
    collectionDone();
  }
  // Worth it while most of what was lent is free again, and found in less than half the time of the page faults.
  const worth = found >= asked / 2 && milliseconds < asked * 0.2e-6;
  budget = worth ? Math.max(MIN_BUDGET, budget / 2) : Math.min(MAX_BUDGET, budget * 2);
}

/** Looks which storages have been collected, and frees their memory at once. */
export function freeCollected(): void {
  findGone();
  restingSince = -1;
  endRest();
}

/** Gives the memory that the pool holds back to the system. */
export function emptyCache(): void {
  findGone();
  endRest();
  emptyPool();
}
