/**
 * The threads of a DataLoader, and the order of their batches: PyTorch's. Batch i is made by worker i modulo their number
 * (of those that still have samples, for streams), `prefetchFactor` batches a worker ahead, and given in order.
 *
 * A pass runs with or without the event loop. Without it, messages are taken from the ports directly, and a counter in shared
 * memory, which workers raise with each, is what the loader sleeps on.
 */
import { MessageChannel, Worker, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { TenfoldError } from '../../errors.js';
import type { Answer, Order, Task } from './workerThread.js';
import { unpack } from './wire.js';

/** What all workers of a loader are given. */
export type Common = Omit<Task, 'port' | 'signal' | 'id' | 'seed'>;

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
}
type Batch = Extract<Answer, { kind: 'batch' | 'failed' | 'end' }>;

/** In the published package the thread's code is a file beside this one; in a checkout it is TypeScript, which tsx reads. */
function startThread(task: Task): Worker {
  const options = { workerData: task, transferList: [task.port] };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('data-worker.js', import.meta.url), options);
  const source = JSON.stringify(new URL('workerThread.ts', import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${source})));`, {
    ...options,
    eval: true,
    execArgv: ['--conditions=tenfold-source'],
  });
}

/** Threads that make batches, for one pass or for many. */
export class Workers {
  private readonly threads: Thread[];
  private readonly signal = new Int32Array(new SharedArrayBuffer(4));
  private pass = 0;
  private ended = false;

  constructor(common: Common, baseSeed: bigint) {
    this.threads = Array.from({ length: common.numWorkers }, (_, id) => {
      const { port1, port2 } = new MessageChannel();
      const seed = BigInt.asIntN(64, baseSeed + BigInt(id));
      const worker = startThread({ ...common, port: port2, signal: this.signal, id, seed });
      worker.on('error', () => {}); // what goes wrong in the thread is sent; this is for what goes wrong with it
      worker.unref();
      port1.unref();
      return { worker, port: port1 };
    });
  }

  /** Ends the threads, whatever they do. */
  end(): void {
    this.ended = true;
    for (const { worker, port } of this.threads) {
      port.close();
      void worker.terminate();
    }
  }

  /**
   * The plan of a pass: `samples` gives each batch's indices, null for a stream. Returns who takes in answers and hands out
   * batches in order.
   */
  begin(samples: Iterator<number | readonly number[]> | null, ahead: number): Pass {
    if (this.ended) throw new TenfoldError('value', 'DataLoader: its workers have ended');
    const pass = ++this.pass;
    const post = (id: number, order: Order): void => this.threads[id]!.port.postMessage(order);
    this.threads.forEach((_, id) => post(id, { kind: 'pass', pass }));
    return new Pass(pass, this.threads.length, samples, ahead, post);
  }

  /** Waits for the next batch of a pass without the event loop; null at the end. */
  next(pass: Pass, timeout: number): { value: unknown } | null {
    for (;;) {
      const seen = Atomics.load(this.signal, 0);
      this.threads.forEach(({ port }, id) => {
        for (let m = receiveMessageOnPort(port); m; m = receiveMessageOnPort(port)) pass.take(id, m.message as Answer);
      });
      const batch = pass.give();
      if (batch !== undefined) return batch;
      if (Atomics.wait(this.signal, 0, seen, timeout || Infinity) === 'timed-out') throw timedOut(timeout);
    }
  }

  /** Listens for a pass; the function returned ends that. `wake` is called with each message. */
  listen(pass: Pass, wake: () => void): () => void {
    const listeners = this.threads.map(({ port, worker }, id) => {
      const onMessage = (answer: Answer): void => {
        pass.take(id, answer);
        wake();
      };
      const onExit = (code: number): void => {
        // What it said before is told first; the news of its end can be quicker.
        for (let m = receiveMessageOnPort(port); m; m = receiveMessageOnPort(port)) pass.take(id, m.message as Answer);
        pass.take(id, {
          kind: 'failed',
          pass: -1,
          index: -1,
          name: 'Error',
          message: `it ended with code ${code}`,
          stack: '',
        });
        wake();
      };
      port.on('message', onMessage);
      worker.on('exit', onExit);
      return { onMessage, onExit };
    });
    return () =>
      this.threads.forEach(({ port, worker }, id) => {
        port.off('message', listeners[id]!.onMessage);
        worker.off('exit', listeners[id]!.onExit);
      });
  }
}

export const timedOut = (timeout: number): TenfoldError =>
  new TenfoldError('value', `DataLoader: no batch came from its workers in ${timeout} ms`);

/** One pass: which batch was asked of whom, and what has come. */
export class Pass {
  /** Batches asked for and not yet given: which worker has them. */
  private readonly asked = new Map<number, number>();
  private readonly come = new Map<number, Batch>();
  private readonly active: boolean[];
  private nextIndex = 0;
  private nextGiven = 0;
  private nextWorker = 0;
  private exhausted = false;
  private failure: Error | null = null;

  constructor(
    private readonly number: number,
    count: number,
    private readonly samples: Iterator<number | readonly number[]> | null,
    ahead: number,
    private readonly post: (id: number, order: Order) => void,
  ) {
    this.active = Array.from({ length: count }, () => true);
    for (let i = 0; i < ahead * count; i++) this.ask();
  }

  /** Asks the next worker for the next batch. */
  private ask(): void {
    const id = this.pickWorker();
    if (id === null || this.exhausted) return;
    const step = this.samples?.next();
    if (step?.done) {
      this.exhausted = true;
      return;
    }
    const index = this.nextIndex++;
    this.asked.set(index, id);
    const value = step?.value;
    const samples = value === undefined ? null : typeof value === 'number' ? value : [...value];
    this.post(id, { kind: 'fetch', pass: this.number, index, samples });
  }
  private pickWorker(): number | null {
    for (let tries = 0; tries < this.active.length; tries++) {
      const id = this.nextWorker;
      this.nextWorker = (id + 1) % this.active.length;
      if (this.active[id]) return id;
    }
    return null;
  }

  /** Takes an answer in. What belongs to a pass before, which was broken off, is dropped. */
  take(id: number, answer: Answer): void {
    if (answer.kind === 'ready') return;
    if (answer.kind === 'failed' && answer.pass === -1) this.failure ??= failed(id, answer);
    else if (answer.pass === this.number) this.come.set(answer.index, answer);
  }

  /** The next batch in order, null at the end; undefined where it hasn't come. */
  give(): { value: unknown } | null | undefined {
    while (this.nextGiven < this.nextIndex) {
      const index = this.nextGiven;
      const answer = this.come.get(index);
      const id = this.asked.get(index)!;
      if (answer === undefined) {
        if (this.failure) throw this.failure;
        return undefined;
      }
      this.come.delete(index);
      this.asked.delete(index);
      this.nextGiven++;
      if (answer.kind === 'failed') throw failed(id, answer);
      if (answer.kind === 'end') this.active[id] = false;
      this.ask();
      if (answer.kind === 'batch') return { value: unpack(answer.value) };
    }
    return null;
  }
}

function failed(id: number, { name, message, stack }: Extract<Answer, { kind: 'failed' }>): TenfoldError {
  const error = new TenfoldError('value', `DataLoader: worker ${id} failed: ${name}: ${message}`);
  if (stack !== '')
    error.stack = `${error.name}: ${error.message}\n    in worker ${id}: ${stack.replaceAll('\n', '\n    ')}`;
  return error;
}
