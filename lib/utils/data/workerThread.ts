/**
 * A worker thread of a DataLoader (workers.ts): makes the dataset that a module exports, and batches of it as it is asked.
 * Everything is caught and sent: the loader may be waiting without an event loop, which would hear of nothing else.
 */
import { workerData, type MessagePort } from 'node:worker_threads';
import { defaultGenerator } from '../../random/generator.js';
import { defaultCollate, defaultConvert } from './collate.js';
import { IterableDataset, type MapDataset } from './dataset.js';
import { setWorkerInfo } from './workerInfo.js';
import { pack } from './wire.js';

/** What a worker is given. */
export interface Task {
  readonly port: MessagePort;
  /** Raised with each message, for a loader that waits. */
  readonly signal: Int32Array;
  /** URL of the module with the dataset. */
  readonly module: string;
  readonly id: number;
  readonly numWorkers: number;
  readonly seed: bigint;
  /** Batches are made; else single samples. */
  readonly batches: boolean;
  /** The loader collates, with a function of its own. */
  readonly collateThere: boolean;
  readonly batchSize: number;
  readonly dropLast: boolean;
}

/** To the worker: begin a pass; make batch `index` of these samples, or of a stream's next ones. */
export type Order =
  | { readonly kind: 'pass'; readonly pass: number }
  | {
      readonly kind: 'fetch';
      readonly pass: number;
      readonly index: number;
      readonly samples: number | number[] | null;
    };

/** From the worker. `end`: a stream has no more. */
export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'batch'; readonly pass: number; readonly index: number; readonly value: unknown }
  | { readonly kind: 'end'; readonly pass: number; readonly index: number }
  | {
      readonly kind: 'failed';
      readonly pass: number;
      readonly index: number;
      readonly name: string;
      readonly message: string;
      readonly stack: string;
    };

interface DatasetModule {
  readonly dataset?: unknown;
  readonly default?: unknown;
  readonly collateFn?: (samples: unknown) => unknown;
  readonly workerInitFn?: (id: number) => unknown;
}

const task = workerData as Task;
const { port, signal } = task;

function tell(answer: Answer, transfer: ArrayBuffer[] = []): void {
  port.postMessage(answer, transfer);
  Atomics.add(signal, 0, 1);
  Atomics.notify(signal, 0);
}
function fail(pass: number, index: number, error: unknown): void {
  const { name = 'Error', message = String(error), stack = '' } = error instanceof Error ? error : {};
  tell({ kind: 'failed', pass, index, name, message, stack });
}

/** What the module exports as `dataset` or as its default; a function is called for it. */
async function makeDataset(module: DatasetModule): Promise<unknown> {
  const made = module.dataset ?? module.default;
  const dataset: unknown = typeof made === 'function' ? await (made as () => unknown)() : await made;
  if (typeof dataset !== 'object' || dataset === null)
    throw new TypeError(
      `DataLoader: ${task.module} must export a dataset, or a function that makes one, as 'dataset' or default`,
    );
  return dataset;
}

async function begin(): Promise<(order: Order) => Promise<void>> {
  defaultGenerator.manualSeed(task.seed);
  const module = (await import(task.module)) as DatasetModule;
  const dataset = await makeDataset(module);
  setWorkerInfo({ id: task.id, numWorkers: task.numWorkers, seed: task.seed, dataset });
  await module.workerInitFn?.(task.id);
  const own = module.collateFn ?? (task.batches ? defaultCollate : defaultConvert);
  const collate = task.collateThere ? (samples: unknown) => samples : (own as (samples: unknown) => unknown);
  const quick = !task.collateThere && own === defaultCollate;
  let stream: AsyncIterator<unknown> | Iterator<unknown> | null = null;
  let pass = -1;

  const ofStream = async (): Promise<{ value: unknown } | null> => {
    const samples: unknown[] = [];
    const wanted = task.batches ? task.batchSize : 1;
    while (samples.length < wanted) {
      const step = await stream!.next();
      if (step.done) break;
      samples.push(await step.value);
    }
    if (samples.length === 0 || (task.batches && task.dropLast && samples.length < wanted)) return null;
    return { value: collate(task.batches ? samples : samples[0]) };
  };
  const get = (i: number): unknown =>
    Array.isArray(dataset) ? (dataset as unknown[])[i] : (dataset as MapDataset<unknown>).get(i);
  const ofIndices = async (samples: number | number[]): Promise<unknown> => {
    if (typeof samples === 'number') return collate(await get(samples));
    const whole = quick ? (dataset as MapDataset<unknown>).batch?.(samples) : null;
    return whole ?? collate(await Promise.all(samples.map(get)));
  };

  return async (order) => {
    if (order.kind === 'pass') {
      pass = order.pass;
      if (dataset instanceof IterableDataset) {
        const source = dataset as AsyncIterable<unknown> & Iterable<unknown>;
        stream = source[Symbol.asyncIterator]?.() ?? source[Symbol.iterator]();
      }
      return;
    }
    if (order.pass !== pass) return;
    const { index, samples } = order;
    const made = samples === null ? await ofStream() : { value: await ofIndices(samples) };
    if (made === null) return tell({ kind: 'end', pass, index });
    const { value, transfer } = pack(made.value);
    tell({ kind: 'batch', pass, index, value }, transfer);
  };
}

begin().then(
  (obey) => {
    // One after the other: a dataset's own state and random numbers must not depend on how promises interleave.
    let before = Promise.resolve();
    let latest = 0;
    port.on('message', (order: Order) => {
      latest = order.pass;
      // What belongs to a pass that was broken off isn't made any more.
      before = before
        .then(() => (order.pass === latest ? obey(order) : undefined))
        .catch((error: unknown) => fail(order.pass, order.kind === 'fetch' ? order.index : -1, error));
    });
    tell({ kind: 'ready' });
  },
  (error: unknown) => fail(-1, -1, error),
);
process.on('exit', (code) => fail(-1, -1, new Error(`it ended with code ${code}`)));
