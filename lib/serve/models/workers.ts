/**
 * Workers: a model computed on threads of its own, so that the event loop stays free. Each makes the module from its file; the
 * parameters lie in memory that all share, so weights are there once. A worker that crashes takes its own batch along, which
 * is answered with an error, and another one takes its place. (What ends the process, ends all: a thread is no sandbox.)
 */
import { Worker } from 'node:worker_threads';
import { TenfoldError } from '../../errors.js';
import { ServeError, overloaded, type RefusalStatus } from '../errors.js';
import type { Values } from '../values.js';
import type { RunContext, Runner } from './runner.js';
import { pack, unpack, type FromWorker, type SentError, type ToWorker, type WorkerTask } from './wire.js';

/** A worker that can't even begin is tried again after so long, doubled each time. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;

interface Batch {
  readonly id: number;
  resolve(outputs: Values): void;
  reject(error: unknown): void;
}

/** One thread with the batch that it computes. */
interface Thread {
  readonly worker: Worker;
  batch: Batch | null;
  ready: boolean;
}

const received = ({ name, message, status }: SentError): Error => {
  if (status !== null) return new ServeError(status as RefusalStatus, message);
  return Object.assign(new Error(message), { name });
};

/** In the published package the worker is a file beside this one; in a checkout it is TypeScript, which tsx reads. */
function startThread(task: WorkerTask): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('serve-worker.js', import.meta.url), { workerData: task });
  const source = JSON.stringify(new URL('worker.ts', import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${source})));`, {
    eval: true,
    workerData: task,
    execArgv: ['--conditions=tenfold-source'],
  });
}

export class WorkerPool implements Runner {
  private readonly threads = new Set<Thread>();
  private readonly waiting: ((thread: Thread) => void)[] = [];
  private closing = false;
  private nextId = 1;
  private pause = FIRST_PAUSE_MS;
  private retry: NodeJS.Timeout | undefined;
  /** How many threads came in place of one that ended. */
  replaced = 0;

  private constructor(
    private readonly task: WorkerTask,
    readonly concurrency: number,
  ) {}

  /** Resolves when all workers are ready; what is wrong with the model is thrown. */
  static async start(task: WorkerTask, workers: number): Promise<WorkerPool> {
    const pool = new WorkerPool(task, workers);
    try {
      await Promise.all(Array.from({ length: workers }, () => pool.add()));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  private add(): Promise<void> {
    return new Promise((resolve, reject) => {
      const thread: Thread = { worker: startThread(this.task), batch: null, ready: false };
      this.threads.add(thread);
      thread.worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          thread.ready = true;
          this.pause = FIRST_PAUSE_MS;
          this.free(thread);
          resolve();
        } else if (message.id === null) reject(received((message as FromWorker & { kind: 'failed' }).error));
        else this.answered(thread, message);
      });
      // 'error' says why, 'exit' follows.
      thread.worker.on('error', (error) => {
        this.ended(thread, `a worker of the model crashed: ${error.message}`);
        reject(error);
      });
      thread.worker.on('exit', () => {
        this.ended(thread, 'a worker of the model ended');
        reject(new TenfoldError('state', 'a worker of the model ended before it was ready'));
      });
    });
  }

  private answered(thread: Thread, message: Exclude<FromWorker, { kind: 'ready' }>): void {
    const { batch } = thread;
    if (batch?.id !== message.id) return;
    thread.batch = null;
    if (message.kind === 'done') batch!.resolve(unpack(message.outputs));
    else batch!.reject(received(message.error));
    this.free(thread);
  }
  private free(thread: Thread): void {
    this.waiting.shift()?.(thread);
  }

  private ended(thread: Thread, why: string): void {
    if (!this.threads.delete(thread)) return;
    thread.batch?.reject(new ServeError(500, why));
    thread.batch = null;
    if (this.closing) return;
    if (thread.ready) this.replace();
    else {
      // It never worked: no hurry.
      this.retry = setTimeout(() => this.replace(), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
    }
  }
  private replace(): void {
    if (this.closing) return;
    this.replaced++;
    this.add().catch(() => {}); // 'exit' follows, and tries again
  }

  run(inputs: Values, context: RunContext): Promise<Values> {
    return new Promise((resolve, reject) => {
      if (this.closing) return reject(overloaded('the model is being unloaded', 1));
      const begin = (thread: Thread): void => {
        const id = this.nextId++;
        thread.batch = { id, resolve, reject };
        const { packed, transfer } = pack(inputs);
        const requests = context.requests.map(({ rows, parameters }) => ({ rows, parameters: { ...parameters } }));
        const say = (message: ToWorker, list: ArrayBuffer[] = []): void => thread.worker.postMessage(message, list);
        say({ kind: 'run', id, inputs: packed, requests }, transfer);
        context.signal.addEventListener('abort', () => say({ kind: 'abort', id }), { once: true });
      };
      const idle = [...this.threads].find(({ ready, batch }) => ready && batch === null);
      if (idle !== undefined) begin(idle);
      else this.waiting.push(begin);
    });
  }

  async close(): Promise<void> {
    this.closing = true;
    clearTimeout(this.retry);
    await Promise.all([...this.threads].map(({ worker }) => worker.terminate()));
  }
}
