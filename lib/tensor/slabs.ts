/**
 * Slabs: pieces that small storages are cut from, by moving an offset. All storages of a slab refer to it, so it is free when
 * they all are, and one of them that is kept keeps it whole. So storages of one kind of size share a slab, which is 16 to 256
 * of them: a list of losses costs at most 4 KB a loss, and where a step makes few numbers that small, hundreds of bytes.
 */
import { ALIGN, takePiece, type Piece } from './pieces.js';
import { budget, endRest, lend, lentSince, reclaim } from './reclaiming.js';

/** Up to here a storage is cut from a slab. Above, the clearing of a fresh buffer costs more than the allocation. */
export const SMALL_BYTES = 16 << 10;

/** A piece that storages are cut from, or its later part. */
export class Slab {
  slot: number;
  constructor(readonly piece: Piece) {
    this.slot = lend(this, piece);
  }
}

/** The slab that storages of one kind of size are cut from now. */
export class Rack {
  slab!: Slab;
  top = 0;
  end = -1; // even an empty storage asks for the first slab
  constructor(
    private readonly bytes: number,
    private readonly step: number,
  ) {}
  /** Takes `bytes` bytes from the slab; their place in its piece. */
  cut(bytes: number): number {
    const room = (bytes + this.step - 1) & -this.step;
    if (this.top + room > this.end) this.refill();
    const at = this.top;
    this.top = at + room;
    return at;
  }
  private refill(): void {
    lookForMemory();
    endRest();
    this.slab = new Slab(takePiece(this.bytes));
    this.top = 0;
    this.end = this.bytes;
  }
  // After a collection the rest of a slab is a slab of its own: an object that has seen two grows old, and young collections
  // then don't find that it is gone. Beside tensors of megabytes, few small ones fall between two.
  startPart(): void {
    if (this.top < this.end) this.slab = new Slab(this.slab.piece);
  }
}

// Single numbers lie closer than a cache line: nothing runs through them in vectors.
const NUMBERS = new Rack(4 << 10, 16);
const TO_256 = new Rack(32 << 10, ALIGN);
const TO_1K = new Rack(128 << 10, ALIGN);
const TO_4K = new Rack(256 << 10, ALIGN);
const TO_16K = new Rack(256 << 10, ALIGN);
const RACKS = [NUMBERS, TO_256, TO_1K, TO_4K, TO_16K];

function startParts(): void {
  for (const rack of RACKS) rack.startPart();
}

/** Looks for memory that can be had again where enough was lent. */
export function lookForMemory(): void {
  if (lentSince >= budget) reclaim(startParts);
}

/** Where `bytes` bytes, at most SMALL_BYTES, are cut from. */
export const rackOf = (bytes: number): Rack =>
  bytes <= 16 ? NUMBERS : bytes <= 256 ? TO_256 : bytes <= 1024 ? TO_1K : bytes <= 4096 ? TO_4K : TO_16K;
