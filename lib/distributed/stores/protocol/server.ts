/**
 * The server of a TCPStore: PyTorch's ranks and ours meet in it. It runs in the launcher or in a store's thread, never on a thread
 * that trains: there it would answer between two steps. Nobody is asked who they are (as in PyTorch): bind it to loopback or to a
 * network that is trusted.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { Table } from './table.js';
import {
  Command,
  Incoming,
  MAGIC,
  NOT_READY,
  ProtocolError,
  READY,
  Reading,
  STOP_WAITING,
  WAIT_CANCELED,
  Writer,
  readByte,
  readBytes,
  readInt64,
  readKey,
  readKeys,
  readUint32,
  type Reader,
} from './wire.js';

/** One connection. */
interface Client {
  readonly socket: Socket;
  /** Keys that it waits for; it is told when the last one is there. */
  awaited: Set<string>;
}

/** Where a server listens. */
export interface ListenOptions {
  host: string;
  /** 0: one that is free. */
  port: number;
  /** A socket that listens already, by its file descriptor, in place of host and port. */
  fd?: number | null;
}

export class StoreServer {
  private readonly table = new Table();
  private readonly clients = new Set<Client>();
  private readonly waiting = new Map<string, Set<Client>>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  /** Starts to listen. Rejects with the system's error where it can't. */
  static listen({ host, port, fd = null }: ListenOptions): Promise<StoreServer> {
    const store = new StoreServer();
    return new Promise((resolve, reject) => {
      store.server.once('error', reject);
      store.server.listen(fd === null ? { host, port, backlog: 16_384 } : { fd }, () => {
        store.server.off('error', reject);
        resolve(store);
      });
    });
  }
  get port(): number {
    return (this.server.address() as { port: number }).port;
  }
  /** Ends all connections. */
  close(): void {
    this.server.close();
    for (const { socket } of this.clients) socket.destroy();
  }
  /** Sets a key from where the server runs. */
  set(key: string, value: Uint8Array): void {
    this.table.set(key, value);
    this.arrived(key);
  }

  private accept(socket: Socket): void {
    const client: Client = { socket, awaited: new Set() };
    this.clients.add(client);
    const incoming = new Incoming();
    const session = new Reading(this.session(client));
    socket.on('data', (piece: Buffer) => {
      incoming.push(piece);
      try {
        session.advance(incoming);
      } catch {
        socket.destroy(); // a stranger, or a value that is no number: as PyTorch's server does
      }
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.clients.delete(client);
      this.stopWaiting(client);
    });
  }

  private *session(client: Client): Reader<never> {
    if ((yield* readByte()) !== Command.VALIDATE || (yield* readUint32()) !== MAGIC)
      throw new ProtocolError('the connection is no store client’s');
    for (;;) {
      const reply = yield* this.obey(yield* readByte(), client);
      if (reply !== null) client.socket.write(reply.end());
    }
  }

  /** Reads the rest of a command and does it; returns the reply, null where there is none (yet). */
  private *obey(command: number, client: Client): Reader<Writer | null> {
    const { table } = this;
    switch (command) {
      case Command.PING:
        return new Writer().uint32(yield* readUint32());
      case Command.SET:
        this.set(yield* readKey(), yield* readBytes());
        return null;
      case Command.APPEND: {
        const key = yield* readKey();
        table.append(key, yield* readBytes());
        this.arrived(key);
        return null;
      }
      case Command.COMPARE_SET: {
        const key = yield* readKey();
        const result = table.compareSet(key, yield* readBytes(), yield* readBytes());
        if (table.has(key)) this.arrived(key);
        return new Writer().bytes(result);
      }
      case Command.GET:
        return new Writer().bytes(table.get(yield* readKey()) ?? Buffer.alloc(0));
      case Command.ADD: {
        const key = yield* readKey();
        const sum = table.add(key, yield* readInt64());
        this.arrived(key);
        return new Writer().int64(sum);
      }
      case Command.CHECK: {
        const keys = yield* readKeys();
        return new Writer().byte(keys.every((key) => table.has(key)) ? READY : NOT_READY);
      }
      case Command.WAIT:
        return this.wait(client, yield* readKeys());
      case Command.CANCEL_WAIT:
        this.stopWaiting(client);
        return new Writer().byte(WAIT_CANCELED);
      case Command.GETNUMKEYS:
        return new Writer().int64(table.size);
      case Command.LIST_KEYS:
        return new Writer().keys(table.keys());
      case Command.DELETE_KEY:
        return new Writer().int64(table.delete(yield* readKey()) ? 1 : 0);
      default:
        return yield* this.obeyMore(command, client);
    }
  }
  /** Commands on several keys, queues, and the barrier. */
  private *obeyMore(command: number, client: Client): Reader<Writer | null> {
    const { table } = this;
    switch (command) {
      case Command.MULTI_GET: {
        const reply = new Writer();
        for (const key of yield* readKeys()) reply.bytes(table.get(key) ?? Buffer.alloc(0));
        return reply;
      }
      case Command.MULTI_SET: {
        const count = Number(yield* readInt64());
        for (let i = 0; i < count; i++) this.set(yield* readKey(), yield* readBytes());
        return null;
      }
      case Command.QUEUE_PUSH: {
        const key = yield* readKey();
        table.push(key, yield* readBytes());
        this.arrived(key, 1);
        return null;
      }
      case Command.QUEUE_POP: {
        const key = yield* readKey();
        const reply = new Writer().int64(table.length(key));
        const value = table.pop(key);
        return value === undefined ? reply : reply.bytes(value);
      }
      case Command.QUEUE_LEN:
        return new Writer().int64(table.length(yield* readKey()));
      case Command.BARRIER: {
        const key = yield* readKey();
        const size = yield* readInt64();
        const here = table.add(key, 1n);
        // The last one calls all; who comes later goes through, as in PyTorch: a key is for one barrier.
        if (here < size) return this.await(client, [BARRIER + key]);
        this.arrived(BARRIER + key);
        return new Writer().byte(STOP_WAITING);
      }
      default:
        throw new ProtocolError(`unknown command ${command}`);
    }
  }

  private wait(client: Client, keys: readonly string[]): Writer | null {
    const missing = keys.filter((key) => !this.table.has(key));
    return missing.length === 0 ? new Writer().byte(STOP_WAITING) : this.await(client, missing);
  }
  private await(client: Client, keys: readonly string[]): null {
    client.awaited = new Set(keys);
    for (const key of client.awaited) {
      const clients = this.waiting.get(key);
      if (clients === undefined) this.waiting.set(key, new Set([client]));
      else clients.add(client);
    }
    return null;
  }
  /** Tells those who wait for a key: all, or `most` of them where what came can be taken once only. */
  private arrived(key: string, most = Infinity): void {
    const clients = this.waiting.get(key);
    if (clients === undefined) return;
    let told = 0;
    for (const client of clients) {
      if (told++ === most) return;
      clients.delete(client);
      client.awaited.delete(key);
      if (client.awaited.size === 0) client.socket.write(new Writer().byte(STOP_WAITING).end());
    }
    this.waiting.delete(key);
  }
  private stopWaiting(client: Client): void {
    for (const key of client.awaited) {
      const clients = this.waiting.get(key);
      clients?.delete(client);
      if (clients?.size === 0) this.waiting.delete(key);
    }
    client.awaited = new Set();
  }
}

/** Stands before a barrier's key where clients wait for it; longer than any key, so that it is none. */
const BARRIER = 'b'.repeat(8 * 1024 + 1);
