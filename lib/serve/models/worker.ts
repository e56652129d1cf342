/** A worker thread of models/workers.ts: makes the model of a file, takes over the shared parameters, computes batches. */
import { parentPort, workerData } from 'node:worker_threads';
import { ServeError } from '../errors.js';
import { Module } from '../../nn/module.js';
import { adoptParameters, buildModel } from './files.js';
import { localRunner, type Runner } from './runner.js';
import { pack, unpack, type FromWorker, type SentError, type ToWorker, type WorkerTask } from './wire.js';

const port = parentPort!;
const running = new Map<number, AbortController>();

const sent = (error: unknown): SentError =>
  error instanceof Error
    ? { name: error.name, message: error.message, status: error instanceof ServeError ? error.status : null }
    : { name: 'Error', message: String(error), status: null };
const tell = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

async function begin(task: WorkerTask): Promise<Runner> {
  const { model } = await buildModel(task.file, Object.keys(task.shared).length > 0 ? null : task.weights);
  if (model instanceof Module) model.eval();
  adoptParameters(model, task.shared);
  return localRunner(model, task);
}

async function run(runner: Runner, message: ToWorker & { kind: 'run' }): Promise<void> {
  const { id, inputs, requests } = message;
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const outputs = await runner.run(unpack(inputs), { signal: controller.signal, requests });
    const { packed, transfer } = pack(outputs);
    tell({ kind: 'done', id, outputs: packed }, transfer);
  } catch (error) {
    tell({ kind: 'failed', id, error: sent(error) });
  } finally {
    running.delete(id);
  }
}

begin(workerData as WorkerTask).then(
  (runner) => {
    port.on('message', (message: ToWorker) => {
      if (message.kind === 'run') void run(runner, message);
      else running.get(message.id)?.abort();
    });
    tell({ kind: 'ready' });
  },
  (error: unknown) => tell({ kind: 'failed', id: null, error: sent(error) }),
);
