/** PrefixStore: a part of another store. */
import { show } from '../../errors.js';
import { BaseStore } from './base.js';

/**
 * Another store in which every key has `prefix/` before it, so that groups don't see each other's keys. `numKeys` counts all keys of
 * the store below. See torch.distributed.PrefixStore.
 */
export class PrefixStore extends BaseStore {
  readonly prefix: string;
  /** The store below. */
  readonly underlyingStore: BaseStore;

  constructor(prefix: string, store: BaseStore, ...more: never[]) {
    super();
    if (typeof prefix !== 'string') throw new TypeError(`PrefixStore: prefix must be a string, got ${show(prefix)}`);
    if (!(store instanceof BaseStore)) throw new TypeError(`PrefixStore: expected a store, got ${show(store)}`);
    if (more.length > 0) throw new TypeError(`PrefixStore: takes 2 arguments, got ${2 + more.length}`);
    this.prefix = prefix;
    this.underlyingStore = store;
  }
  override get timeout(): number {
    return this.underlyingStore.timeout;
  }
  override setTimeout(timeout: number): void {
    this.underlyingStore.setTimeout(timeout);
  }
  /** The store below all prefixes. */
  get underlyingNonPrefixStore(): BaseStore {
    const { underlyingStore } = this;
    return underlyingStore instanceof PrefixStore ? underlyingStore.underlyingNonPrefixStore : underlyingStore;
  }
  private key(key: string): string {
    return `${this.prefix}/${key}`;
  }

  /** @internal */ override doSet(call: string, key: string, value: Uint8Array): void {
    this.underlyingStore.doSet(call, this.key(key), value);
  }
  /** @internal */ override doGet(call: string, key: string, timeout: number): Uint8Array | undefined {
    return this.underlyingStore.doGet(call, this.key(key), timeout);
  }
  /** @internal */ override doAdd(call: string, key: string, amount: number): number {
    return this.underlyingStore.doAdd(call, this.key(key), amount);
  }
  /** @internal */ override doWait(call: string, keys: readonly string[], timeout: number): boolean {
    return this.underlyingStore.doWait(
      call,
      keys.map((key) => this.key(key)),
      timeout,
    );
  }
  /** @internal */ override doCheck(call: string, keys: readonly string[]): boolean {
    return this.underlyingStore.doCheck(
      call,
      keys.map((key) => this.key(key)),
    );
  }
  /** @internal */ override doCompareSet(
    call: string,
    key: string,
    expected: Uint8Array,
    desired: Uint8Array,
  ): Uint8Array {
    return this.underlyingStore.doCompareSet(call, this.key(key), expected, desired);
  }
  /** @internal */ override doDelete(call: string, key: string): boolean {
    return this.underlyingStore.doDelete(call, this.key(key));
  }
  /** @internal */ override doAppend(call: string, key: string, value: Uint8Array): void {
    this.underlyingStore.doAppend(call, this.key(key), value);
  }
  /** @internal */ override doNumKeys(call: string): number {
    return this.underlyingStore.doNumKeys(call);
  }
  /** @internal */ override doListKeys(call: string): string[] {
    const prefix = this.key('');
    return this.underlyingStore
      .doListKeys(call)
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
  }
  /** @internal */ override doPush(call: string, key: string, value: Uint8Array): void {
    this.underlyingStore.doPush(call, this.key(key), value);
  }
  /** @internal */ override doPop(call: string, key: string): Uint8Array | null {
    return this.underlyingStore.doPop(call, this.key(key));
  }
  /** @internal */ override doLength(call: string, key: string): number {
    return this.underlyingStore.doLength(call, this.key(key));
  }
  /** @internal */ override doGetLater(call: string, key: string, timeout: number): Promise<Uint8Array | undefined> {
    return this.underlyingStore.doGetLater(call, this.key(key), timeout);
  }
  /** @internal */ override doWaitLater(call: string, keys: readonly string[], timeout: number): Promise<boolean> {
    return this.underlyingStore.doWaitLater(
      call,
      keys.map((key) => this.key(key)),
      timeout,
    );
  }
  /** @internal */ override doMultiGet(call: string, keys: readonly string[]): Uint8Array[] {
    return this.underlyingStore.doMultiGet(
      call,
      keys.map((key) => this.key(key)),
    );
  }
  /** @internal */ override doMultiSet(call: string, keys: readonly string[], values: readonly Uint8Array[]): void {
    this.underlyingStore.doMultiSet(
      call,
      keys.map((key) => this.key(key)),
      values,
    );
  }
  /** @internal */ override doBarrier(call: string, key: string, worldSize: number, timeout: number): number {
    return this.underlyingStore.doBarrier(call, this.key(key), worldSize, timeout);
  }
}
