/**
 * The wire of PyTorch's TCPStore (its libuv backend, as of 2.15), both ways. A connection begins with VALIDATE; then a request is
 * one byte of command and its fields: numbers are little-endian, strings and bytes have their length before them as 64 bits. Replies
 * have no header: what they consist of follows from the request, and SET, APPEND, MULTI_SET and QUEUE_PUSH have none.
 */

export const Command = {
  VALIDATE: 0,
  SET: 1,
  COMPARE_SET: 2,
  GET: 3,
  ADD: 4,
  CHECK: 5,
  WAIT: 6,
  GETNUMKEYS: 7,
  DELETE_KEY: 8,
  APPEND: 9,
  MULTI_GET: 10,
  MULTI_SET: 11,
  CANCEL_WAIT: 12,
  PING: 13,
  QUEUE_PUSH: 14,
  QUEUE_POP: 15,
  QUEUE_LEN: 16,
  LIST_KEYS: 17,
  BARRIER: 18,
} as const;

/** Follows VALIDATE: who doesn't send it is no store's client. */
export const MAGIC = 0x3c85f7ce;
/** Answers to CHECK. */
export const READY = 0;
export const NOT_READY = 1;
/** Answers to WAIT and BARRIER, and to CANCEL_WAIT. */
export const STOP_WAITING = 0;
export const WAIT_CANCELED = 1;

/** What one request may hold, as in PyTorch: a server must not be made to take more. */
export const MAX_KEYS = 128 * 1024;
export const MAX_KEY_BYTES = 8 * 1024;
export const MAX_VALUE_BYTES = 8 * 1024 * 1024;

/** Writes the fields of a request or a reply. */
export class Writer {
  private readonly parts: Uint8Array[] = [];

  byte(value: number): this {
    this.parts.push(Uint8Array.of(value));
    return this;
  }
  uint32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.parts.push(bytes);
    return this;
  }
  int64(value: bigint | number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    this.parts.push(bytes);
    return this;
  }
  bytes(value: Uint8Array): this {
    this.int64(value.length);
    this.parts.push(value);
    return this;
  }
  /** Keys are bytes; here each stands as one character. */
  key(value: string): this {
    return this.bytes(Buffer.from(value, 'latin1'));
  }
  keys(values: readonly string[]): this {
    this.int64(values.length);
    for (const key of values) this.key(key);
    return this;
  }
  end(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** Yields how many bytes it wants next, and is given them. */
export type Reader<T> = Generator<number, T, Buffer>;

/** The other side sent what the protocol doesn't have. */
export class ProtocolError extends Error {}

export function* readByte(): Reader<number> {
  return (yield 1)[0]!;
}
export function* readUint32(): Reader<number> {
  return (yield 4).readUInt32LE();
}
export function* readInt64(): Reader<bigint> {
  return (yield 8).readBigInt64LE();
}
function* readLength(what: string, limit: number): Reader<number> {
  const length = yield* readInt64();
  if (length < 0n || length > BigInt(limit)) throw new ProtocolError(`${what} of ${length}, at most ${limit}`);
  return Number(length);
}
export function* readBytes(limit = MAX_VALUE_BYTES): Reader<Buffer> {
  const length = yield* readLength('a value with a length', limit);
  return length === 0 ? Buffer.alloc(0) : yield length;
}
export function* readKey(): Reader<string> {
  return (yield* readBytes(MAX_KEY_BYTES)).toString('latin1');
}
export function* readKeys(): Reader<string[]> {
  const count = yield* readLength('a list of keys with a length', MAX_KEYS);
  const keys: string[] = [];
  for (let i = 0; i < count; i++) keys.push(yield* readKey());
  return keys;
}

/** Feeds readers with what arrives in pieces. */
export class Incoming {
  private pieces: Buffer[] = [];
  private length = 0;

  push(piece: Buffer): void {
    this.pieces.push(piece);
    this.length += piece.length;
  }
  /** The next `count` bytes, or null where they haven't come. */
  take(count: number): Buffer | null {
    if (this.length < count) return null;
    const all = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces);
    this.pieces = all.length === count ? [] : [all.subarray(count)];
    this.length -= count;
    return all.subarray(0, count);
  }
}

/** A reader under way over bytes that arrive in pieces. */
export class Reading<T> {
  private step: IteratorResult<number, T>;
  constructor(private readonly reader: Reader<T>) {
    this.step = reader.next();
  }
  /** Goes on as far as the bytes reach; what was read, once it is whole. */
  advance(incoming: Incoming): { value: T } | null {
    while (!this.step.done) {
      const bytes = incoming.take(this.step.value);
      if (bytes === null) return null;
      this.step = this.reader.next(bytes);
    }
    return { value: this.step.value };
  }
}
