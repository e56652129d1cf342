/** What a worker of a DataLoader knows of itself. */

/** See getWorkerInfo. */
export interface WorkerInfo {
  /** From 0. */
  readonly id: number;
  readonly numWorkers: number;
  /** What `manualSeed` was called with: the pass's base seed and the id. */
  readonly seed: bigint;
  /** This worker's own dataset. */
  readonly dataset: unknown;
}

let info: WorkerInfo | null = null;

/** Set by the thread itself. @internal */
export function setWorkerInfo(value: WorkerInfo): void {
  info = value;
}

/**
 * In a worker of a DataLoader: which one it is. Null elsewhere. An IterableDataset divides its samples by it, or each worker
 * gives all of them. See torch.utils.data.get_worker_info.
 *
 * ```ts
 * override *[Symbol.iterator]() {
 *   const { id, numWorkers } = utils.data.getWorkerInfo() ?? { id: 0, numWorkers: 1 };
 *   for (let i = id; i < this.count; i += numWorkers) yield read(i);
 * }
 * ```
 */
export const getWorkerInfo = (): WorkerInfo | null => info;
