/**
 * Buckets: pieces of memory that hold the gradients of several parameters, so that one all-reduce serves them all. In reverse order,
 * as gradients come; the first one is small, so that the exchange begins early (Li et al. 2020, section 3.2).
 */
import { SIZE } from '../../dtype.js';
import { Tensor } from '../../tensor/tensor.js';
import type { Parameter } from '../parameter.js';

/** A parameter's place. */
export interface Slot {
  readonly parameter: Parameter;
  /** As users know it. */
  readonly name: string;
  /** Its part of the bucket, in its shape. */
  view: Tensor;
}

export interface Bucket {
  readonly slots: Slot[];
  /** All gradients, one after the other. */
  readonly memory: Tensor;
}

const MB = 1024 * 1024;
/** The first bucket's size: PyTorch's. */
const FIRST_BYTES = MB;

/** Which parameters share a bucket: of one dtype, up to the limit, never none. */
export function planBuckets(parameters: readonly [string, Parameter][], capBytes: number): [string, Parameter][][] {
  const open = new Map<number, { list: [string, Parameter][]; bytes: number }>();
  const plan: [string, Parameter][][] = [];
  for (const entry of [...parameters].reverse()) {
    const [, p] = entry;
    let bucket = open.get(p.code);
    if (bucket === undefined) {
      bucket = { list: [], bytes: 0 };
      open.set(p.code, bucket);
      plan.push(bucket.list);
    }
    bucket.list.push(entry);
    bucket.bytes += p.count * SIZE[p.code]!;
    const limit = plan[0] === bucket.list ? Math.min(FIRST_BYTES, capBytes) : capBytes;
    if (bucket.bytes >= limit) open.delete(p.code);
  }
  return plan;
}

/** The memory of a bucket. Other memory than parameters': an all-reduce holds it, and nothing else lies beside it. */
export function makeBucket(entries: readonly [string, Parameter][]): Bucket {
  const count = entries.reduce((sum, [, p]) => sum + p.count, 0);
  const memory = Tensor.zeros([count], entries[0]![1].code);
  memory.storage.kept = true;
  let at = 0;
  const slots = entries.map(([name, parameter]): Slot => {
    const view = memory
      .narrow(0, at, parameter.count)
      .view([...parameter.shape])
      .detach();
    at += parameter.count;
    return { parameter, name, view };
  });
  return { slots, memory };
}
