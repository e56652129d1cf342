/** What a version of a model has done since it was loaded. */
import { SECONDS, ROWS, Histogram, Recent } from './histogram.js';
import type { BatchReport } from '../batching/batcher.js';

/** Count and time of something, in nanoseconds as the protocol's statistics have it. */
export interface Duration {
  count: number;
  ns: number;
}

export class ModelStats {
  /** Answered requests. */
  succeeded = 0;
  /** Others, by status. */
  readonly failed = new Map<number, number>();
  readonly request = new Histogram(SECONDS);
  readonly queue = new Histogram(SECONDS);
  readonly compute = new Histogram(SECONDS);
  readonly batchRows = new Histogram(ROWS);
  readonly latency = new Recent();
  /** Rows computed, and batches. */
  rows = 0;
  batches = 0;
  /** Milliseconds since 1970; 0: never. */
  lastInference = 0;
  /** Batches by their size, for the protocol's statistics. */
  readonly bySize = new Map<number, Duration>();

  /** A request that ended, well or with a status, after so many milliseconds. */
  ended(status: number, milliseconds: number): void {
    if (status === 200) {
      this.succeeded++;
      this.request.add(milliseconds / 1000);
      this.latency.add(milliseconds);
    } else this.failed.set(status, (this.failed.get(status) ?? 0) + 1);
  }
  batch({ rows, waits, compute, error }: BatchReport): void {
    for (const wait of waits) this.queue.add(wait / 1000);
    this.compute.add(compute / 1000);
    if (error !== null) return;
    this.batchRows.add(rows);
    this.rows += rows;
    this.batches++;
    this.lastInference = Date.now();
    const size = this.bySize.get(rows) ?? { count: 0, ns: 0 };
    size.count++;
    size.ns += Math.round(compute * 1e6);
    this.bySize.set(rows, size);
  }
  get failures(): number {
    return [...this.failed.values()].reduce((a, b) => a + b, 0);
  }
}

const ns = (histogram: Histogram): Duration => ({ count: histogram.count, ns: Math.round(histogram.sum * 1e9) });
const NONE: Duration = { count: 0, ns: 0 };

/** The protocol's statistics (Triton's statistics extension). */
export function statisticsOf(name: string, version: string, stats: ModelStats): object {
  return {
    name,
    version,
    last_inference: stats.lastInference,
    inference_count: stats.rows,
    execution_count: stats.batches,
    inference_stats: {
      success: ns(stats.request),
      fail: { count: stats.failures, ns: 0 },
      queue: ns(stats.queue),
      compute_input: NONE,
      compute_infer: ns(stats.compute),
      compute_output: NONE,
      cache_hit: NONE,
      cache_miss: NONE,
    },
    batch_stats: [...stats.bySize]
      .sort(([a], [b]) => a - b)
      .map(([size, duration]) => ({
        batch_size: size,
        compute_input: NONE,
        compute_infer: duration,
        compute_output: NONE,
      })),
  };
}
