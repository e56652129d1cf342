/**
 * Connections to a TCPStore's server. A connection does one request after the other, and a request that waits for a key keeps it; so
 * who waits beside others has one of their own.
 */
import { connect, type Socket } from 'node:net';
import {
  Command,
  Incoming,
  MAGIC,
  ProtocolError,
  Reading,
  STOP_WAITING,
  WAIT_CANCELED,
  Writer,
  readByte,
  readUint32,
  type Reader,
} from './wire.js';

/** The other side didn't answer, or didn't in time. `text`: what happened, to follow the name of the call. */
export class StoreError extends Error {}

/** Between two tries to connect; the first is short, for a server that is about to begin. */
const PAUSES_MS = [10, 20, 50, 100, 200, 500, 1000];
/** For how long a server may take to confirm that a wait is over. */
const CANCEL_MS = 5000;

const later = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

class Connection {
  private readonly incoming = new Incoming();
  private reading: { advance(): boolean; fail(error: Error): void } | null = null;
  private ended: Error | null = null;

  private constructor(
    private readonly socket: Socket,
    private readonly address: string,
  ) {
    socket.on('data', (piece: Buffer) => {
      this.incoming.push(piece);
      if (this.reading?.advance() === true) this.reading = null;
    });
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end(null));
  }
  get usable(): boolean {
    return this.ended === null;
  }

  /** Tries until there is a server or the time is over. */
  static async open(host: string, port: number, timeout: number): Promise<Connection> {
    const deadline = Date.now() + timeout;
    const address = `${host}:${port}`;
    for (let attempt = 0; ; attempt++) {
      const left = deadline - Date.now();
      try {
        return await Connection.attempt(host, port, address, Math.max(left, 1));
      } catch (error) {
        const pause = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)]!;
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'ENOTFOUND' || Date.now() + pause >= deadline)
          throw new StoreError(`no store answers at ${address} (${code ?? message}), tried for ${timeout} ms`);
        await later(pause);
      }
    }
  }
  private static async attempt(host: string, port: number, address: string, timeout: number): Promise<Connection> {
    const socket = connect({ host, port, noDelay: true });
    const connection = new Connection(socket, address);
    const nonce = process.pid & 0x7fffffff;
    const hello = new Writer().byte(Command.VALIDATE).uint32(MAGIC).byte(Command.PING).uint32(nonce).end();
    if ((await connection.request(hello, readUint32, timeout)) !== nonce)
      throw new ProtocolError('it answers, but not as a store');
    return connection;
  }

  close(): void {
    this.socket.destroy();
  }
  private end(error: Error | null): void {
    const { code } = (error ?? {}) as NodeJS.ErrnoException;
    this.ended ??=
      error instanceof StoreError
        ? error
        : Object.assign(new StoreError(`the store at ${this.address} is gone (${code ?? 'it ended the connection'})`), {
            code,
          });
    this.socket.destroy();
    this.reading?.fail(this.ended);
    this.reading = null;
  }

  /** Sends a request that has no answer. */
  send(request: Buffer): void {
    if (this.ended !== null) throw this.ended;
    this.socket.write(request);
  }
  /** Sends a request and reads its answer. Where that doesn't come in time, the connection is of no use any more. */
  async request<T>(request: Buffer, answer: () => Reader<T>, timeout: number): Promise<T> {
    const value = await this.exchange(request, answer, timeout);
    if (value !== null) return value.value;
    this.end(new StoreError(`the store at ${this.address} doesn't answer (${timeout} ms)`));
    throw this.ended as unknown as Error;
  }
  private exchange<T>(request: Buffer, answer: () => Reader<T>, timeout: number): Promise<{ value: T } | null> {
    this.send(request);
    return this.receive(answer, timeout);
  }
  /** An answer; null where it didn't come in time. */
  private receive<T>(answer: () => Reader<T>, timeout: number): Promise<{ value: T } | null> {
    return new Promise((resolve, reject) => {
      const reading = new Reading(answer());
      let timer: NodeJS.Timeout | undefined;
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        this.reading = null;
        done();
      };
      const advance = (): boolean => {
        try {
          const value = reading.advance(this.incoming);
          if (value !== null) settle(() => resolve(value));
          return value !== null;
        } catch (error) {
          settle(() => reject(error as Error));
          return true;
        }
      };
      this.reading = { advance, fail: (error) => settle(() => reject(error)) };
      if (this.ended !== null) return this.reading.fail(this.ended);
      if (!advance() && timeout > 0 && Number.isFinite(timeout))
        timer = setTimeout(() => settle(() => resolve(null)), Math.min(timeout, 2 ** 31 - 1));
    });
  }

  /** Sends a WAIT or a BARRIER; whether what it waits for came in time. */
  async wait(request: Buffer, timeout: number): Promise<boolean> {
    const answer = await this.exchange(request, readByte, timeout);
    if (answer !== null) return true;
    // What is waited for may come while this is on its way: then both are answered.
    const cancel = new Writer().byte(Command.CANCEL_WAIT).end();
    const first = await this.request(cancel, readByte, CANCEL_MS);
    if (first === WAIT_CANCELED) return false;
    const second = first === STOP_WAITING ? await this.receive(readByte, CANCEL_MS) : null;
    if (second?.value !== WAIT_CANCELED) throw new ProtocolError('an unexpected answer to CANCEL_WAIT');
    return true;
  }
}

/** A server as its clients see it. */
export class StoreClient {
  private readonly all = new Set<Connection>();
  private readonly idle: Connection[] = [];
  private constructor(
    readonly host: string,
    readonly port: number,
    private readonly timeout: number,
    private readonly main: Connection,
  ) {
    this.all.add(main);
  }

  static async connect(host: string, port: number, timeout: number): Promise<StoreClient> {
    return new StoreClient(host, port, timeout, await Connection.open(host, port, timeout));
  }
  close(): void {
    for (const connection of this.all) connection.close();
  }

  /** Calls that block come one after the other, so that one connection serves them, and in order. */
  send(request: Buffer): void {
    this.main.send(request);
  }
  request<T>(request: Buffer, answer: () => Reader<T>, timeout: number): Promise<T> {
    return this.main.request(request, answer, timeout);
  }
  wait(request: Buffer, timeout: number): Promise<boolean> {
    return this.main.wait(request, timeout);
  }
  /** What may take long beside the calls that block: on a connection of its own. */
  async beside<T>(use: (connection: Pick<StoreClient, 'request' | 'wait'>) => Promise<T>): Promise<T> {
    const connection = this.idle.pop() ?? (await Connection.open(this.host, this.port, this.timeout));
    this.all.add(connection);
    try {
      return await use(connection);
    } finally {
      if (connection.usable && this.main.usable) this.idle.push(connection);
      else {
        connection.close();
        this.all.delete(connection);
      }
    }
  }
}
