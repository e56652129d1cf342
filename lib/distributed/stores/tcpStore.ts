/** TCPStore: a server that one process has, and clients of it. */
import { TenfoldError } from '../../errors.js';
import { signature, type Arguments } from '../../op/schema.js';
import { BaseStore, checkTimeout } from './base.js';
import type { Order } from './messages.js';
import { Command, READY, Writer } from './protocol/wire.js';
import { StoreLine } from './storeThread.js';

/** Stands before users' keys on the server: PyTorch's, so that its ranks and ours see the same keys. */
const PREFIX = '/';

const call = signature(
  'TCPStore(string hostName, int port, int? worldSize=null, bool isMaster=false, float timeout=300000, bool waitForWorkers=true, bool multiTenant=false, int? masterListenFd=null, bool useLibuv=true)',
);

/** Keys are UTF-8 on the wire; the protocol's code has a character for each byte. */
const wireKey = (key: string): string => Buffer.from(PREFIX + key, 'utf8').toString('latin1');
const request = (command: number): Writer => new Writer().byte(command);

/**
 * A store in a server that one process has (`isMaster`) and that all connect to, by PyTorch's protocol: PyTorch's ranks and these meet
 * in it, whoever has the server. The server runs on a thread of its own and ends with its process (or `close`); it binds to `hostName`
 * alone. `port` 0 takes one that is free (the property `port` says which). With `waitForWorkers` and `worldSize` the master waits until
 * all have connected. `multiTenant` shares a server of the same port in this process; `masterListenFd` is a socket that listens
 * already. `useLibuv` chooses a server inside PyTorch and means nothing here: the protocol is the same.
 *
 *     const store = new TCPStore('127.0.0.1', 29500, { worldSize: 2, isMaster: rank === 0 });
 *     store.set('model', 'resnet');
 *     new TextDecoder().decode(store.get('model'));
 *
 * @throws TenfoldError 'distributed' where nobody answers within `timeout` milliseconds, or the port is in use.
 * See torch.distributed.TCPStore.
 */
export class TCPStore extends BaseStore {
  readonly host: string;
  readonly port: number;
  /** Whether the server is in this process. */
  readonly isMaster: boolean;
  private readonly line: StoreLine;
  private closed = false;

  constructor(...args: Arguments<typeof call.schema>) {
    super();
    const [host, port, worldSize, isMaster, timeout, waitForWorkers, multiTenant, masterListenFd] = call.read(args);
    if (host === '') throw new TypeError('TCPStore: hostName must not be empty');
    if (port < 0 || port > 65535) throw new RangeError(`TCPStore: port must be from 0 to 65535, got ${port}`);
    if (port === 0 && !isMaster) throw new RangeError('TCPStore: port 0 is for the master, who chooses one');
    if (worldSize !== null && worldSize < 1)
      throw new RangeError(`TCPStore: worldSize must be at least 1, got ${worldSize}`);
    this.setTimeout(checkTimeout('TCPStore', timeout));
    this.host = host;
    this.isMaster = isMaster;
    this.line = new StoreLine();
    const opening = { host, port, worldSize, isMaster, timeout, waitForWorkers, multiTenant, masterListenFd };
    this.port = this.line.call('TCPStore', { op: 'open', opening }, 2 * timeout) as number;
  }

  /** Another connection to the same server. */
  clone(): TCPStore {
    const { host, port, timeout } = this;
    return new TCPStore(host, port, { timeout, waitForWorkers: false });
  }
  /** Ends the connection, and the server where this store is the master. */
  close(): void {
    if (!this.closed) this.line.call(this.named('close'), { op: 'close' }, this.timeout);
    this.closed = true;
  }
  [Symbol.dispose](): void {
    this.close();
  }

  private order(name: string, order: Order & { timeout?: number }): unknown {
    if (this.closed) throw new TenfoldError('distributed', `${name}: the store is closed`);
    return this.line.call(name, order, order.timeout ?? this.timeout);
  }
  private ask(name: string, op: 'bytes' | 'byte' | 'int64' | 'keys' | 'pop', writer: Writer): unknown {
    return this.order(name, { op, request: writer.end(), timeout: this.timeout });
  }
  private send(name: string, writer: Writer): void {
    this.order(name, { op: 'send', request: writer.end() });
  }
  private waiting(keys: readonly string[]): Uint8Array {
    return request(Command.WAIT).keys(keys.map(wireKey)).end();
  }

  /** @internal */ override doSet(name: string, key: string, value: Uint8Array): void {
    this.send(name, request(Command.SET).key(wireKey(key)).bytes(value));
  }
  /** @internal */ override doGet(name: string, key: string, timeout: number): Uint8Array | undefined {
    if (!this.doWait(name, [key], timeout)) return undefined;
    return this.ask(name, 'bytes', request(Command.GET).key(wireKey(key))) as Uint8Array;
  }
  /** @internal */ override doAdd(name: string, key: string, amount: number): number {
    return Number(this.ask(name, 'int64', request(Command.ADD).key(wireKey(key)).int64(amount)));
  }
  /** @internal */ override doWait(name: string, keys: readonly string[], timeout: number): boolean {
    return this.order(name, { op: 'wait', request: this.waiting(keys), timeout }) as boolean;
  }
  /** @internal */ override doCheck(name: string, keys: readonly string[]): boolean {
    return this.ask(name, 'byte', request(Command.CHECK).keys(keys.map(wireKey))) === READY;
  }
  /** @internal */ override doCompareSet(
    name: string,
    key: string,
    expected: Uint8Array,
    desired: Uint8Array,
  ): Uint8Array {
    const writer = request(Command.COMPARE_SET).key(wireKey(key)).bytes(expected).bytes(desired);
    return this.ask(name, 'bytes', writer) as Uint8Array;
  }
  /** @internal */ override doDelete(name: string, key: string): boolean {
    return this.ask(name, 'int64', request(Command.DELETE_KEY).key(wireKey(key))) === 1n;
  }
  /** @internal */ override doAppend(name: string, key: string, value: Uint8Array): void {
    this.send(name, request(Command.APPEND).key(wireKey(key)).bytes(value));
  }
  /** @internal */ override doNumKeys(name: string): number {
    return Number(this.ask(name, 'int64', request(Command.GETNUMKEYS)));
  }
  /** @internal */ override doListKeys(name: string): string[] {
    const keys = this.ask(name, 'keys', request(Command.LIST_KEYS)) as string[];
    return keys
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => Buffer.from(key, 'latin1').toString('utf8').slice(PREFIX.length));
  }
  /** @internal */ override doPush(name: string, key: string, value: Uint8Array): void {
    this.send(name, request(Command.QUEUE_PUSH).key(wireKey(key)).bytes(value));
  }
  /** @internal */ override doPop(name: string, key: string): Uint8Array | null {
    return this.ask(name, 'pop', request(Command.QUEUE_POP).key(wireKey(key))) as Uint8Array | null;
  }
  /** @internal */ override doLength(name: string, key: string): number {
    return Number(this.ask(name, 'int64', request(Command.QUEUE_LEN).key(wireKey(key))));
  }
  private later(name: string, keys: readonly string[], then: Writer | null, timeout: number): Promise<unknown> {
    if (this.closed) throw new TenfoldError('distributed', `${name}: the store is closed`);
    const order = { op: 'waitBeside', request: this.waiting(keys), then: then?.end() ?? null, timeout } as const;
    return this.line.callLater(name, order);
  }
  /** @internal */ override async doGetLater(
    name: string,
    key: string,
    timeout: number,
  ): Promise<Uint8Array | undefined> {
    const value = await this.later(name, [key], request(Command.GET).key(wireKey(key)), timeout);
    return value === false ? undefined : (value as Uint8Array);
  }
  /** @internal */ override async doWaitLater(
    name: string,
    keys: readonly string[],
    timeout: number,
  ): Promise<boolean> {
    return (await this.later(name, keys, null, timeout)) as boolean;
  }

  /** @internal */ override doMultiGet(name: string, keys: readonly string[]): Uint8Array[] {
    const writer = request(Command.MULTI_GET).keys(keys.map(wireKey));
    const order = { op: 'values', request: writer.end(), count: keys.length, timeout: this.timeout } as const;
    return this.order(name, order) as Uint8Array[];
  }
  /** @internal */ override doMultiSet(name: string, keys: readonly string[], values: readonly Uint8Array[]): void {
    const writer = request(Command.MULTI_SET).int64(keys.length);
    keys.forEach((key, i) => writer.key(wireKey(key)).bytes(values[i]!));
    this.send(name, writer);
  }

  /** The server counts those who came, as PyTorch's. @internal */
  override doBarrier(name: string, key: string, worldSize: number, timeout: number): number {
    const writer = request(Command.BARRIER).key(wireKey(key)).int64(worldSize);
    return this.order(name, { op: 'wait', request: writer.end(), timeout }) ? worldSize : this.doAdd(name, key, 0);
  }
}
