/**
 * Batcher: requests that arrive one by one are computed together. What the options mean is what they mean in Triton's dynamic
 * batcher (https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html).
 *
 * A batch is put together at the last moment, when there is a place to compute it, so that it takes along what has come
 * until then: under load batches grow by themselves, without any delay.
 */
import { setImmediate } from 'node:timers/promises';
import { checkOptions, show } from '../../errors.js';
import { Tensor } from '../../tensor/tensor.js';
import { ServeError, badRequest, overloaded } from '../errors.js';
import { checkModel, localRunner, type ModelLike, type RunContext, type Runner } from '../models/runner.js';
import { Strings, type Values } from '../values.js';
import { batchKey, collate, divide, type Padding, type Trimming } from './collate.js';
import { Gate } from './gate.js';
import { readBatching, type BatchingOptions } from './options.js';
import { Queue, type Waiting } from './queue.js';

/** What one request may say. */
export interface InferOptions {
  /** Aborted: the request leaves the queue, and is not computed. */
  signal?: AbortSignal;
  /** Milliseconds that it may wait; the batcher's `timeout` where that is shorter. */
  timeout?: number;
  /** 1 is the highest. */
  priority?: number;
  /** Handed to the model's function in `context.requests`. */
  parameters?: Readonly<Record<string, unknown>>;
}
const INFER_OPTIONS = ['signal', 'timeout', 'priority', 'parameters'];

/** A batch that was computed, for statistics. Times in milliseconds. */
export interface BatchReport {
  rows: number;
  /** What each of its requests waited. */
  waits: readonly number[];
  compute: number;
  error: unknown;
}

/** What the server's own batchers share and report to; users' have a gate of their own. @internal */
export interface Surroundings {
  gate?: Gate;
  runner?: Runner;
  onBatch?(report: BatchReport): void;
}

/**
 * Collects requests into batches for a model. `model`: an nn.Module, a compiled plan, or a function
 * `(inputs, { signal, requests }) → outputs`, sync or async, that computes rows independently of each other.
 *
 * ```ts
 * const batcher = new Batcher(model, { maxBatchSize: 32, maxQueueDelay: 2 });
 * const { output } = await batcher.infer({ x });   // x: [rows, …]
 * await batcher.close();
 * ```
 */
export class Batcher {
  readonly options: Readonly<Required<BatchingOptions>>;
  private readonly queue: Queue;
  private readonly runner: Runner;
  private readonly gate: Gate;
  private readonly onBatch: ((report: BatchReport) => void) | undefined;
  private asked = false;
  private running = 0;
  private timer: NodeJS.Timeout | undefined;
  private closing = false;
  private readonly aborts = new Set<AbortController>();
  private idle: (() => void)[] = [];
  /** Milliseconds that a row has taken of late, for Retry-After. */
  private perRow = 0;

  /** TypeError, RangeError for options that are none. */
  constructor(model: ModelLike, options: BatchingOptions = {}, surroundings: Surroundings = {}) {
    this.options = readBatching('Batcher', options);
    if (surroundings.runner === undefined) checkModel('Batcher', model);
    this.runner = surroundings.runner ?? localRunner(model, { inputs: [], outputs: [] });
    this.gate = surroundings.gate ?? new Gate(this.runner.concurrency);
    this.onBatch = surroundings.onBatch;
    this.queue = new Queue(this.options.priorityLevels);
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.queue.size;
  }
  /** Batches that are being computed. */
  get computing(): number {
    return this.running;
  }

  /**
   * The outputs for a request's inputs: its rows of the batch that it came into. A ServeError 503 where the queue is full, the
   * time is up or the batcher closes, 400 where the inputs don't fit a batch; else what the model throws.
   */
  infer(inputs: Values, options: InferOptions = {}): Promise<Values> {
    return new Promise((resolve, reject) => {
      checkOptions('Batcher.infer', options, INFER_OPTIONS);
      this.enter(this.admit(inputs, options, resolve, reject), options);
    });
  }

  private admit(
    inputs: Values,
    options: InferOptions,
    resolve: (outputs: Values) => void,
    reject: (error: unknown) => void,
  ): Waiting {
    const { maxQueueSize, priorityLevels, defaultPriority, padding } = this.options;
    const rows = this.rowsOf(inputs);
    options.signal?.throwIfAborted();
    if (this.closing) throw overloaded('the model is being unloaded', 1);
    if (this.queue.size >= maxQueueSize) {
      throw overloaded(`the queue is full: ${maxQueueSize} requests wait`, (this.perRow * this.queue.size) / 1000);
    }
    const priority = options.priority || defaultPriority;
    if (!Number.isInteger(priority) || priority < 1 || priority > priorityLevels)
      throw badRequest(`priority must be an integer from 1 to ${priorityLevels}, got ${show(priority)}`);
    return {
      inputs,
      rows,
      key: batchKey(inputs, padding),
      priority,
      since: performance.now(),
      signal: options.signal,
      parameters: options.parameters ?? {},
      resolve,
      reject,
      settle() {},
    };
  }

  private rowsOf(inputs: Values): number {
    if (typeof inputs !== 'object' || (inputs as unknown) === null || inputs instanceof Tensor)
      throw new TypeError(`Batcher.infer: expected tensors by name, got ${show(inputs)}`);
    const { maxBatchSize, padding } = this.options;
    let rows: number | null = null;
    for (const [name, value] of Object.entries(inputs)) {
      if (!(value instanceof Tensor || value instanceof Strings))
        throw new TypeError(`Batcher.infer: input '${name}' must be a tensor or Strings, got ${show(value)}`);
      if (maxBatchSize <= 1) continue;
      if (value.shape.length === 0) throw badRequest(`input '${name}' has no dim for a batch`);
      if (rows !== null && value.shape[0] !== rows)
        throw badRequest(`input '${name}' has ${value.shape[0]} rows, another input ${rows}`);
      rows = value.shape[0]!;
      if (Object.hasOwn(padding, name) && !(padding[name]!.dim < value.shape.length))
        throw badRequest(`input '${name}' of shape [${value.shape.join(', ')}] has no dim ${padding[name]!.dim}`);
    }
    if (maxBatchSize <= 1) return 1;
    if (rows === null) throw badRequest('a request without inputs');
    if (rows < 1 || rows > maxBatchSize) throw badRequest(`a request must have 1 to ${maxBatchSize} rows, got ${rows}`);
    return rows;
  }

  private enter(item: Waiting, { signal, timeout = Infinity }: InferOptions): void {
    const limit = Math.min(timeout > 0 ? timeout : Infinity, this.options.timeout);
    const leave = (error: unknown): void => {
      if (!this.queue.remove(item)) return;
      item.settle();
      item.reject(error);
      this.whenIdle();
    };
    const onAbort = (): void => leave(signal!.reason);
    const timer = Number.isFinite(limit)
      ? setTimeout(() => leave(overloaded(`the request waited longer than its ${limit} ms`, 1)), limit)
      : undefined;
    signal?.addEventListener('abort', onAbort, { once: true });
    item.settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    this.queue.push(item);
    this.pump();
  }

  /** Asks for a place to compute if there is something to compute now, or sets the clock. */
  private pump(): void {
    if (this.asked || this.queue.size === 0 || this.running >= this.runner.concurrency) return;
    const wait = this.delayLeft();
    if (wait <= 0) {
      this.asked = true;
      // What arrives in this same turn of the event loop comes along.
      void setImmediate().then(() =>
        this.gate.ask(() => {
          this.asked = false;
          this.start();
        }),
      );
    } else if (this.timer === undefined) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.pump();
      }, wait);
    }
  }

  /** Milliseconds for which the next batch still waits for more requests. */
  private delayLeft(): number {
    const { maxQueueDelay, maxBatchSize } = this.options;
    if (maxQueueDelay === 0 || this.closing) return 0;
    const rows = this.queue.companions(maxBatchSize).reduce((n, item) => n + item.rows, 0);
    const preferred = this.options.preferredBatchSizes;
    if (rows >= maxBatchSize || preferred.some((size) => size <= rows)) return 0;
    return this.queue.head()!.since + maxQueueDelay - performance.now();
  }

  /** The next batch: the largest preferred size that there is, else all that fit. */
  private take(): Waiting[] {
    const { maxBatchSize, preferredBatchSizes } = this.options;
    if (this.queue.size === 0) return [];
    let batch = maxBatchSize <= 1 ? [this.queue.head()!] : this.queue.companions(maxBatchSize);
    let rows = 0;
    let best = 0;
    batch.forEach((item, i) => {
      rows += item.rows;
      if (preferredBatchSizes.includes(rows)) best = i + 1;
    });
    if (best > 0 && rows < maxBatchSize) batch = batch.slice(0, best);
    for (const item of batch) {
      this.queue.remove(item);
      item.settle();
    }
    return batch;
  }

  private start(): void {
    const batch = this.take();
    if (batch.length === 0) {
      this.gate.leave();
      this.whenIdle();
      return;
    }
    this.running++;
    this.pump();
    void this.compute(batch).finally(async () => {
      // A batch on this thread has held the event loop: now others have their turn, before the next one.
      await setImmediate();
      this.running--;
      this.gate.leave();
      this.pump();
      this.whenIdle();
    });
  }

  private async compute(batch: readonly Waiting[]): Promise<void> {
    const { padding, trimming, maxBatchSize } = this.options;
    const begun = performance.now();
    const rows = batch.reduce((n, item) => n + item.rows, 0);
    const { context, end } = this.contextOf(batch);
    let error: unknown = null;
    try {
      const outputs = await this.runner.run(
        collate(
          batch.map((item) => item.inputs),
          padding,
        ),
        context,
      );
      const parts = maxBatchSize <= 1 ? [outputs] : divide(outputs, batch, padding, trimming);
      batch.forEach((item, i) => item.resolve(parts[i]!));
    } catch (caught) {
      error = caught;
      for (const item of batch) item.reject(caught);
    }
    end();
    const compute = performance.now() - begun;
    this.perRow = this.perRow === 0 ? compute / rows : this.perRow * 0.8 + (compute / rows) * 0.2;
    this.onBatch?.({ rows, waits: batch.map((item) => begun - item.since), compute, error });
  }

  /** The context of a batch, whose signal is aborted when all of its requests' are. */
  private contextOf(batch: readonly Waiting[]): { context: RunContext; end: () => void } {
    const controller = new AbortController();
    this.aborts.add(controller);
    let left = batch.length;
    const onAbort = (): void => {
      if (--left === 0) controller.abort(new ServeError(499, 'nobody waits for the result any more'));
    };
    for (const { signal } of batch) signal?.addEventListener('abort', onAbort, { once: true });
    return {
      context: { signal: controller.signal, requests: batch.map(({ rows, parameters }) => ({ rows, parameters })) },
      end: () => {
        this.aborts.delete(controller);
        for (const { signal } of batch) signal?.removeEventListener('abort', onAbort);
      },
    };
  }

  private whenIdle(): void {
    if (this.queue.size > 0 || this.running > 0) return;
    for (const tell of this.idle.splice(0)) tell();
  }

  /**
   * Takes no more requests, computes those that wait, and ends the model's workers. After `deadline` milliseconds (30,000) what
   * still waits is refused, and what is being computed is told by its signal.
   */
  async close(options: { deadline?: number } = {}): Promise<void> {
    checkOptions('Batcher.close', options, ['deadline']);
    this.closing = true;
    this.pump();
    const done = new Promise<void>((resolve) => this.idle.push(resolve));
    this.whenIdle();
    const timer = setTimeout(() => {
      const reason = overloaded('the server ends', 1);
      for (const item of this.queue.clear()) {
        item.settle();
        item.reject(reason);
      }
      for (const controller of this.aborts) controller.abort(reason);
      for (const tell of this.idle.splice(0)) tell();
    }, options.deadline ?? 30_000);
    await done;
    clearTimeout(timer);
    clearTimeout(this.timer);
    await this.runner.close();
  }
}

export type { BatchingOptions, Padding, Trimming };
