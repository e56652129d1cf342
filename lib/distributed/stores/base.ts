/**
 * What all stores have in common: PyTorch's calls, their arguments checked, on a few operations that each store does in its own way.
 * (https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.Store)
 */
import { TenfoldError, show } from '../../errors.js';
import type { Store } from '../types.js';

/** How long a store waits where nothing else is said: PyTorch's 5 minutes. */
export const DEFAULT_TIMEOUT = 300_000;

const encoder = new TextEncoder();

export function checkTimeout(call: string, timeout: unknown): number {
  if (typeof timeout !== 'number' || Number.isNaN(timeout))
    throw new TypeError(`${call}: timeout must be a number of milliseconds, got ${show(timeout)}`);
  if (timeout < 0) throw new RangeError(`${call}: timeout must not be negative, got ${timeout}`);
  return timeout;
}
function checkKey(call: string, key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new TypeError(`${call}: key must be a string, got ${show(key)}`);
}
function checkKeys(call: string, keys: unknown): string[] {
  if (!Array.isArray(keys)) throw new TypeError(`${call}: keys must be a list of strings, got ${show(keys)}`);
  for (const key of keys) checkKey(call, key);
  return [...(keys as string[])];
}
function bytesOf(call: string, name: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${call}: ${name} must be a string or a Uint8Array, got ${show(value)}`);
}
function checkWhole(call: string, name: string, value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${call}: ${name} must be an integer, got ${show(value)}`);
  return value as number;
}
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** A table of keys and values that several ranks see. Times are in milliseconds; every call blocks, but for those that end in Async. */
export abstract class BaseStore implements Store {
  private limit = DEFAULT_TIMEOUT;

  /** How long `get`, `wait` and what else waits for other ranks does so, unless told otherwise. */
  get timeout(): number {
    return this.limit;
  }
  setTimeout(timeout: number): void {
    this.limit = checkTimeout(this.named('setTimeout'), timeout);
  }

  // ---- what each store does in its own way; keys and values are checked ---------------------------------------------------
  /** @internal */ abstract doSet(call: string, key: string, value: Uint8Array): void;
  /** The value; undefined where the key didn't come within the time. @internal */
  abstract doGet(call: string, key: string, timeout: number): Uint8Array | undefined;
  /** @internal */ abstract doAdd(call: string, key: string, amount: number): number;
  /** Whether all keys came within the time. @internal */
  abstract doWait(call: string, keys: readonly string[], timeout: number): boolean;
  /** @internal */ abstract doCheck(call: string, keys: readonly string[]): boolean;
  /** @internal */ abstract doCompareSet(
    call: string,
    key: string,
    expected: Uint8Array,
    desired: Uint8Array,
  ): Uint8Array;
  /** @internal */ abstract doDelete(call: string, key: string): boolean;
  /** @internal */ abstract doAppend(call: string, key: string, value: Uint8Array): void;
  /** @internal */ abstract doNumKeys(call: string): number;
  /** @internal */ abstract doListKeys(call: string): string[];
  /** @internal */ abstract doPush(call: string, key: string, value: Uint8Array): void;
  /** The next value of a queue, null where it has none. @internal */
  abstract doPop(call: string, key: string): Uint8Array | null;
  /** @internal */ abstract doLength(call: string, key: string): number;
  /** As doGet, while the event loop goes on. @internal */
  abstract doGetLater(call: string, key: string, timeout: number): Promise<Uint8Array | undefined>;
  /** As doWait, while the event loop goes on. @internal */
  abstract doWaitLater(call: string, keys: readonly string[], timeout: number): Promise<boolean>;

  /** @internal */ doMultiSet(call: string, keys: readonly string[], values: readonly Uint8Array[]): void {
    keys.forEach((key, i) => this.doSet(call, key, values[i]!));
  }
  /** The values of keys that are there. @internal */
  doMultiGet(call: string, keys: readonly string[]): Uint8Array[] {
    return keys.map((key) => this.doGet(call, key, this.timeout) ?? new Uint8Array());
  }

  /** Waits for others at a barrier; how many came. @internal */
  doBarrier(call: string, key: string, worldSize: number, timeout: number): number {
    const last = `${key}/last`;
    const here = this.doAdd(call, key, 1);
    if (here >= worldSize) this.doSet(call, last, encoder.encode('1'));
    else if (!this.doWait(call, [last], timeout)) return this.doAdd(call, key, 0);
    return worldSize;
  }

  /** The name of a call, as errors have it. */
  protected named(method: string): string {
    return `${this.constructor.name}.${method}`;
  }
  private missing(call: string, keys: readonly string[], timeout: number): TenfoldError {
    const some =
      keys.length > 4 ? `${keys.slice(0, 4).join("', '")}', … (${keys.length} keys)` : `${keys.join("', '")}'`;
    return new TenfoldError('distributed', `${call}: nobody set '${some} within ${timeout} ms`);
  }

  // ---- PyTorch's calls --------------------------------------------------------------------------------------------------

  /** Sets a key; what was there is replaced. */
  set(key: string, value: string | Uint8Array): void {
    const call = this.named('set');
    checkKey(call, key);
    this.doSet(call, key, bytesOf(call, 'value', value));
  }
  /** The value of a key; waits for it up to `timeout`. @throws TenfoldError 'distributed' where nobody sets it in that time. */
  get(key: string): Uint8Array {
    const call = this.named('get');
    checkKey(call, key);
    const value = this.doGet(call, key, this.timeout);
    if (value === undefined) throw this.missing(call, [key], this.timeout);
    return plain(value);
  }
  /** As `get`, while the event loop goes on. */
  async getAsync(key: string): Promise<Uint8Array> {
    const call = this.named('getAsync');
    checkKey(call, key);
    const { timeout } = this;
    const value = await this.doGetLater(call, key, timeout);
    if (value === undefined) throw this.missing(call, [key], timeout);
    return plain(value);
  }
  /** Adds to the decimal number under a key (0 where there is none); the sum. All ranks may add at once. */
  add(key: string, amount: number): number {
    const call = this.named('add');
    checkKey(call, key);
    return this.doAdd(call, key, checkWhole(call, 'amount', amount));
  }
  /** Waits until all keys are there. @throws TenfoldError 'distributed' where they aren't within the time. */
  wait(keys: readonly string[], timeout?: number | null): void {
    const call = this.named('wait');
    const list = checkKeys(call, keys);
    const limit = checkTimeout(call, timeout ?? this.timeout);
    if (list.length > 0 && !this.doWait(call, list, limit)) throw this.missing(call, list, limit);
  }
  /** As `wait`, while the event loop goes on. */
  async waitAsync(keys: readonly string[], timeout?: number | null): Promise<void> {
    const call = this.named('waitAsync');
    const list = checkKeys(call, keys);
    const limit = checkTimeout(call, timeout ?? this.timeout);
    if (list.length > 0 && !(await this.doWaitLater(call, list, limit))) throw this.missing(call, list, limit);
  }
  /** Whether all keys are there; doesn't wait. */
  check(keys: readonly string[]): boolean {
    const call = this.named('check');
    const list = checkKeys(call, keys);
    return list.length === 0 || this.doCheck(call, list);
  }
  /**
   * Sets `desired` where the value is `expected`, or where there is none and `expected` is empty. Returns what is there then;
   * `expected` where nothing is (PyTorch's answer).
   */
  compareSet(key: string, expected: string | Uint8Array, desired: string | Uint8Array): Uint8Array {
    const call = this.named('compareSet');
    checkKey(call, key);
    return plain(this.doCompareSet(call, key, bytesOf(call, 'expected', expected), bytesOf(call, 'desired', desired)));
  }
  /** Whether the key was there. */
  deleteKey(key: string): boolean {
    const call = this.named('deleteKey');
    checkKey(call, key);
    return this.doDelete(call, key);
  }
  /** How many keys there are, those that the store itself needs included. */
  numKeys(): number {
    return this.doNumKeys(this.named('numKeys'));
  }
  /** All keys that were set here. */
  listKeys(): string[] {
    return this.doListKeys(this.named('listKeys'));
  }
  /** Adds bytes to the end of a value. */
  append(key: string, value: string | Uint8Array): void {
    const call = this.named('append');
    checkKey(call, key);
    this.doAppend(call, key, bytesOf(call, 'value', value));
  }
  /** The values of several keys; waits for them as `get` does. */
  multiGet(keys: readonly string[]): Uint8Array[] {
    const call = this.named('multiGet');
    const list = checkKeys(call, keys);
    const { timeout } = this;
    if (list.length > 0 && !this.doWait(call, list, timeout)) throw this.missing(call, list, timeout);
    return this.doMultiGet(call, list).map(plain);
  }
  /** Sets several keys. */
  multiSet(keys: readonly string[], values: readonly (string | Uint8Array)[]): void {
    const call = this.named('multiSet');
    const list = checkKeys(call, keys);
    if (!Array.isArray(values) || values.length !== list.length)
      throw new RangeError(`${call}: needs a value for each of ${list.length} keys, got ${show(values)}`);
    const all = values.map((value) => bytesOf(call, 'a value', value));
    this.doMultiSet(call, list, all);
  }
  /** Appends a value to a queue. */
  queuePush(key: string, value: string | Uint8Array): void {
    const call = this.named('queuePush');
    checkKey(call, key);
    this.doPush(call, key, bytesOf(call, 'value', value));
  }
  /** Takes the first value of a queue; where it has none, waits for one, or without `block` throws. */
  queuePop(key: string, block = true): Uint8Array {
    const call = this.named('queuePop');
    checkKey(call, key);
    if (typeof block !== 'boolean') throw new TypeError(`${call}: block must be a boolean, got ${show(block)}`);
    const deadline = Date.now() + this.timeout;
    for (;;) {
      // Another one may take what this one was told of.
      const left = Math.max(deadline - Date.now(), 1);
      if (block && !this.doWait(call, [key], left)) throw this.missing(call, [key], this.timeout);
      const value = this.doPop(call, key);
      if (value !== null) return plain(value);
      if (!block) throw new TenfoldError('distributed', `${call}: the queue '${key}' is empty`);
    }
  }
  /** How many values a queue has. */
  queueLen(key: string): number {
    const call = this.named('queueLen');
    checkKey(call, key);
    return this.doLength(call, key);
  }
  /**
   * Waits until `worldSize` ranks have come here with the same key. A key is for one barrier.
   * @throws TenfoldError 'distributed' that says how many came within the time.
   */
  barrier(key: string, worldSize: number, timeout?: number | null): void {
    const call = this.named('barrier');
    checkKey(call, key);
    if (checkWhole(call, 'worldSize', worldSize) < 1)
      throw new RangeError(`${call}: worldSize must be at least 1, got ${worldSize}`);
    const limit = checkTimeout(call, timeout ?? this.timeout);
    const here = this.doBarrier(call, key, worldSize, limit);
    if (here < worldSize)
      throw new TenfoldError('distributed', `${call}: ${here} of ${worldSize} came to '${key}' within ${limit} ms`);
  }
  /** Whether append, multiGet, multiSet and queues are there. */
  hasExtendedApi(): boolean {
    return true;
  }
}
