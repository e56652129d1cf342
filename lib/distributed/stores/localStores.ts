/** Stores without a server: in a process's own memory, and in a file. */
import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync, rmdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { TenfoldError, show } from '../../errors.js';
import { BaseStore } from './base.js';
import { NotANumberError, Table } from './protocol/table.js';

const POLL_MS = 10;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const sleep = (milliseconds: number): void => void Atomics.wait(sleeper, 0, 0, milliseconds);
const later = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A store over a table that is had before each call. */
abstract class TableStore extends BaseStore {
  /** Whether somebody else may set a key while this thread sleeps. */
  protected abstract readonly others: boolean;
  /** The table as it is now. */
  protected abstract read(call: string): Table;
  /** Runs `change` on the table while nobody else changes it; what it does to `keys` is then there for all. */
  protected abstract change<T>(call: string, keys: readonly string[], change: (table: Table) => T): T;

  /** @internal */ override doSet(call: string, key: string, value: Uint8Array): void {
    this.change(call, [key], (table) => table.set(key, value));
  }
  /** @internal */ override doGet(call: string, key: string, timeout: number): Uint8Array | undefined {
    return this.doWait(call, [key], timeout) ? this.read(call).get(key) : undefined;
  }
  /** @internal */ override doAdd(call: string, key: string, amount: number): number {
    return this.change(call, [key], (table) => {
      try {
        return Number(table.add(key, BigInt(amount)));
      } catch (error) {
        if (error instanceof NotANumberError) throw new TenfoldError('value', `${call}: ${error.message}`);
        throw error;
      }
    });
  }
  /** @internal */ override doWait(call: string, keys: readonly string[], timeout: number): boolean {
    const deadline = Date.now() + timeout;
    while (!this.doCheck(call, keys)) {
      if (!this.others || Date.now() >= deadline) return false;
      sleep(POLL_MS);
    }
    return true;
  }
  /** @internal */ override doCheck(call: string, keys: readonly string[]): boolean {
    const table = this.read(call);
    return keys.every((key) => table.has(key));
  }
  /** @internal */ override doCompareSet(
    call: string,
    key: string,
    expected: Uint8Array,
    desired: Uint8Array,
  ): Uint8Array {
    return this.change(call, [key], (table) => table.compareSet(key, expected, desired));
  }
  /** @internal */ override doDelete(call: string, key: string): boolean {
    return this.change(call, [key], (table) => table.delete(key));
  }
  /** @internal */ override doAppend(call: string, key: string, value: Uint8Array): void {
    this.change(call, [key], (table) => table.append(key, value));
  }
  /** @internal */ override doNumKeys(call: string): number {
    return this.read(call).size;
  }
  /** @internal */ override doListKeys(call: string): string[] {
    return this.read(call).keys();
  }
  /** @internal */ override async doGetLater(
    call: string,
    key: string,
    timeout: number,
  ): Promise<Uint8Array | undefined> {
    return (await this.doWaitLater(call, [key], timeout)) ? this.read(call).get(key) : undefined;
  }
  /** @internal */ override async doWaitLater(
    call: string,
    keys: readonly string[],
    timeout: number,
  ): Promise<boolean> {
    const deadline = Date.now() + timeout;
    while (!this.doCheck(call, keys)) {
      if (Date.now() >= deadline) return false;
      await later(POLL_MS);
    }
    return true;
  }
}

/**
 * A store in this thread's own memory, for one rank alone and for tests. Nobody else can set a key while a call waits for it, so
 * `get` and `wait` fail at once where one is missing; getAsync and waitAsync wait. See torch.distributed.HashStore.
 */
export class HashStore extends TableStore {
  protected override readonly others = false;
  private readonly table = new Table();
  constructor(...more: never[]) {
    super();
    if (more.length > 0) throw new TypeError(`HashStore: takes no arguments, got ${more.length}`);
  }
  protected override read(): Table {
    return this.table;
  }
  protected override change<T>(_call: string, _keys: readonly string[], change: (table: Table) => T): T {
    return change(this.table);
  }
  /** @internal */ override doPush(_call: string, key: string, value: Uint8Array): void {
    this.table.push(key, value);
  }
  /** @internal */ override doPop(_call: string, key: string): Uint8Array | null {
    return this.table.pop(key) ?? null;
  }
  /** @internal */ override doLength(_call: string, key: string): number {
    return this.table.length(key);
  }
}

// Before the keys of users, of those that are deleted, and the key of the number of users: PyTorch's.
const USER = '/';
const DELETED = '-';
const COUNT = 'refcount/';
/** A lock that nobody has touched for so long belongs to a process that is gone. */
const STALE_LOCK_MS = 10_000;

/**
 * A store in a file that all ranks see, on a disk of this machine or on a network's. The file is a list of changes, in PyTorch's
 * format; changes are made one after the other under a lock (a folder beside the file: PyTorch locks otherwise, so its ranks and these
 * can't share a file). Start each run with a file that isn't there, or an empty one. `worldSize` says how many ranks there are; the
 * last one to `close` removes the file. No queues, as in PyTorch. See torch.distributed.FileStore.
 */
export class FileStore extends TableStore {
  protected override readonly others = true;
  readonly path: string;
  readonly worldSize: number;
  private readonly table = new Table();
  /** How many ranks have the file open. */
  private users = 0;
  /** How far the file has been read. */
  private position = 0;
  private closed = false;

  constructor(fileName: string, worldSize = -1, ...more: never[]) {
    super();
    if (typeof fileName !== 'string' || fileName === '')
      throw new TypeError(`FileStore: fileName must be a path, got ${show(fileName)}`);
    if (!Number.isInteger(worldSize) || (worldSize < 1 && worldSize !== -1))
      throw new RangeError(`FileStore: worldSize must be a positive integer (-1: not known), got ${show(worldSize)}`);
    if (more.length > 0) throw new TypeError(`FileStore: takes at most 2 arguments, got ${2 + more.length}`);
    this.path = fileName;
    this.worldSize = worldSize;
    this.underLock('FileStore', () => {
      this.refresh('FileStore');
      this.write('FileStore', [record(COUNT, Buffer.from(String(this.users + 1)))]);
    });
  }
  /** Says that this rank is done with the file; the last one removes it. */
  close(): void {
    if (this.closed) return;
    const call = this.named('close');
    this.underLock(call, () => {
      this.refresh(call);
      if (this.users <= 1) rmSync(this.path, { force: true });
      else this.write(call, [record(COUNT, Buffer.from(String(this.users - 1)))]);
    });
    this.closed = true;
  }
  [Symbol.dispose](): void {
    this.close();
  }

  override hasExtendedApi(): boolean {
    return false;
  }
  private noQueues(call: string): TenfoldError {
    return new TenfoldError('value', `${call}: a FileStore has no queues; a TCPStore has`);
  }
  /** @internal */ override doPush(call: string): void {
    throw this.noQueues(call);
  }
  /** @internal */ override doPop(call: string): Uint8Array | null {
    throw this.noQueues(call);
  }
  /** @internal */ override doLength(call: string): number {
    throw this.noQueues(call);
  }
  /** @internal */ override doNumKeys(call: string): number {
    return super.doNumKeys(call) + 1; // with the number of users, as PyTorch counts
  }

  protected override read(call: string): Table {
    if (this.closed) throw new TenfoldError('distributed', `${call}: the store is closed`);
    this.refresh(call);
    return this.table;
  }
  protected override change<T>(call: string, keys: readonly string[], change: (table: Table) => T): T {
    return this.underLock(call, () => {
      const table = this.read(call);
      const before = keys.map((key) => table.get(key));
      const result = change(table);
      const records = keys.flatMap((key, i) => {
        const now = table.get(key);
        if (now === before[i]) return [];
        return [now === undefined ? record(DELETED + USER + key, Buffer.alloc(0)) : record(USER + key, now)];
      });
      this.write(call, records);
      return result;
    });
  }

  /** Takes in what others have written. A record that isn't whole yet stays for the next time. */
  private refresh(call: string): void {
    const fresh = this.failing(call, () => readFrom(this.path, this.position));
    let at = 0;
    for (;;) {
      const key = fieldAt(fresh, at);
      const value = key === null ? null : fieldAt(fresh, key.end);
      if (key === null || value === null) break;
      this.apply(key.bytes.toString('utf8'), value.bytes);
      at = value.end;
    }
    this.position += at;
  }
  private apply(key: string, value: Buffer): void {
    if (key === COUNT) this.users = Number(value.toString('latin1'));
    else if (key.startsWith(USER)) this.table.set(key.slice(USER.length), value);
    else if (key.startsWith(DELETED + USER)) this.table.delete(key.slice(DELETED.length + USER.length));
  }
  /** Under the lock: appends records. What lies behind the last whole one is from a writer that didn't come to its end. */
  private write(call: string, records: readonly Buffer[]): void {
    if (records.length === 0) return;
    const all = Buffer.concat(records);
    this.failing(call, () => {
      truncateSync(this.path, this.position);
      writeFileSync(this.path, all, { flag: 'a' });
    });
    for (const written of records) {
      const key = fieldAt(written, 0)!;
      this.apply(key.bytes.toString('utf8'), fieldAt(written, key.end)!.bytes);
    }
    this.position += all.length;
  }
  private failing<T>(call: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw new TenfoldError('distributed', `${call}: the store's file ${this.path}: ${(error as Error).message}`);
    }
  }

  private underLock<T>(call: string, run: () => T): T {
    const lock = `${this.path}.lock`;
    const deadline = Date.now() + this.timeout;
    while (!this.failing(call, () => makeFolder(lock))) {
      if (removeStale(lock)) continue;
      if (Date.now() >= deadline)
        throw new TenfoldError('distributed', `${call}: ${lock} was not given up within ${this.timeout} ms`);
      sleep(1);
    }
    try {
      return run();
    } finally {
      rmdirSync(lock);
    }
  }
}

// A record is a key and a value, each behind its length in 32 bits.
const record = (key: string, value: Uint8Array): Buffer =>
  Buffer.concat([field(Buffer.from(key, 'utf8')), field(value)]);
function field(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}
function fieldAt(buffer: Buffer, at: number): { bytes: Buffer; end: number } | null {
  if (buffer.length < at + 4) return null;
  const end = at + 4 + buffer.readUInt32LE(at);
  return buffer.length < end ? null : { bytes: buffer.subarray(at + 4, end), end };
}

/** What a file holds from a position on. It is made where it isn't there. */
function readFrom(path: string, position: number): Buffer {
  const file = openSync(path, 'a+');
  try {
    const pieces: Buffer[] = [];
    for (let at = position; ;) {
      const piece = Buffer.alloc(64 * 1024);
      const count = readSync(file, piece, 0, piece.length, at);
      if (count === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, count));
      at += count;
    }
  } finally {
    closeSync(file);
  }
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
/** Removes a lock that was left behind. Renamed first: of several that try, one has it. */
function removeStale(lock: string): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs < STALE_LOCK_MS) return false;
    const mine = `${lock}.${process.pid}`;
    renameSync(lock, mine);
    rmdirSync(mine);
  } catch {
    // Somebody else was first.
  }
  return true;
}
