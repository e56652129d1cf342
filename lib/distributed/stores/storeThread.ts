/**
 * A process has one thread for all its TCPStores, their servers included. Calls block as PyTorch's do: they sleep (Atomics.wait)
 * until the thread has answered. (A server on the calling thread would answer nobody meanwhile; connecting and adding took 1.5 s so,
 * 11 ms with a thread.)
 */
import { MessageChannel, Worker, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { TenfoldError } from '../../errors.js';
import type { FromThread, Order, ThreadTask, ToThread } from './messages.js';

/** How much longer than a call's own time the thread itself may take to say so: to begin, and to ask a server that is busy. */
const GRACE_MS = 30_000;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** In the published package the thread's code is a file beside this one; in a checkout it is TypeScript, which tsx reads. */
function startThread(task: ThreadTask): Worker {
  const options = { workerData: task, transferList: [task.port], name: 'tenfold store' };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('store-thread.js', import.meta.url), options);
  const source = JSON.stringify(new URL('thread.ts', import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${source})));`, {
    ...options,
    eval: true,
    execArgv: ['--conditions=tenfold-source'],
  });
}

class StoreThread {
  private readonly port: MessagePort;
  private readonly signal = new Int32Array(new SharedArrayBuffer(4));
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  ended: string | null = null;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    const worker = startThread({ port: port2, signal: this.signal });
    worker.on('error', (error) => this.end(error.message));
    worker.on('exit', (code) => this.end(`it ended with code ${code}`));
    port1.on('message', (answer: FromThread) => this.take(answer));
    // Stores keep no process alive.
    worker.unref();
    port1.unref();
  }
  private end(why: string): void {
    this.ended ??= why;
    for (const { reject } of this.waiting.values()) reject(new Error(`the store thread has ended: ${why}`));
    this.waiting.clear();
  }
  private take(answer: FromThread): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (this.waiting.size === 0) this.port.unref();
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.value);
  }
  private post(store: number, order: Order): number {
    if (this.ended !== null) throw new Error(`the store thread has ended: ${this.ended}`);
    const id = this.nextId++;
    this.port.postMessage({ id, store, order } satisfies ToThread);
    return id;
  }

  /** Does it and sleeps until it is done. */
  call(store: number, order: Order, timeout: number): unknown {
    const id = this.post(store, order);
    const deadline = Date.now() + timeout + GRACE_MS;
    for (;;) {
      const seen = Atomics.load(this.signal, 0);
      for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) {
        const answer = m.message as FromThread;
        if (answer.id !== id) this.take(answer);
        else if ('error' in answer) throw new Error(answer.error);
        else return answer.value;
      }
      const left = timeout > 0 ? deadline - Date.now() : Infinity;
      if (left <= 0 || Atomics.wait(this.signal, 0, seen, left) === 'timed-out')
        throw new Error(`the store thread doesn't answer (${timeout + GRACE_MS} ms)`);
    }
  }
  /** Does it while the event loop goes on. */
  callLater(store: number, order: Order): Promise<unknown> {
    const id = this.post(store, order);
    this.port.ref();
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}

let thread: StoreThread | null = null;
let nextStore = 1;

const running = (): StoreThread => {
  if (thread === null || thread.ended !== null) thread = new StoreThread();
  return thread;
};

/** A store's line to the thread. Errors begin with the name of the call. */
export class StoreLine {
  private readonly id = nextStore++;
  private readonly thread = running();

  call(name: string, order: Order, timeout: number): unknown {
    try {
      return this.thread.call(this.id, order, timeout);
    } catch (error) {
      throw new TenfoldError('distributed', `${name}: ${(error as Error).message}`);
    }
  }
  async callLater(name: string, order: Order): Promise<unknown> {
    try {
      return await this.thread.callLater(this.id, order);
    } catch (error) {
      throw new TenfoldError('distributed', `${name}: ${(error as Error).message}`);
    }
  }
}
