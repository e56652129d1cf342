/**
 * Communication hooks: what is done with a bucket of gradients in place of a sum over all ranks.
 * (https://docs.pytorch.org/docs/stable/ddp_comm_hooks.html)
 */
import type { DType } from '../../dtype.js';
import { noGrad } from '../../autograd/mode.js';
import type { Tensor } from '../../tensor/tensor.js';
import { collectives, type Ranks } from './collectives.js';
import type { Bucket } from './buckets.js';

/** Gradients on their way, as a hook sees them. See torch.distributed.GradBucket. */
export class GradBucket {
  constructor(
    private readonly bucket: Bucket,
    private readonly number: number,
    private readonly last: boolean,
    /** The group of the module. @internal */
    readonly ranks: Ranks,
  ) {}
  /** Which bucket: they come in this order. */
  index(): number {
    return this.number;
  }
  /** Whether it is the last one of this backward. */
  isLast(): boolean {
    return this.last;
  }
  /** All gradients of the bucket, one after the other; this rank's own, not divided by the number of ranks. */
  buffer(): Tensor {
    return this.bucket.memory;
  }
  /** Replaces what `buffer` has. */
  setBuffer(tensor: Tensor): void {
    noGrad(() => void this.bucket.memory.copy_(tensor));
  }
  /** The parts of `buffer` that belong to the parameters. */
  gradients(): Tensor[] {
    return this.bucket.slots.map((slot) => slot.view);
  }
  parameters(): Tensor[] {
    return this.bucket.slots.map((slot) => slot.parameter);
  }
}

/** What a hook returns: the result, for which the end of the backward waits. */
export interface CommFuture {
  wait(): Tensor;
}
/** Begins the exchange of a bucket. What it promises is a tensor of the buffer's shape: the gradients' mean. */
export type CommHook<S = unknown> = (state: S, bucket: GradBucket) => CommFuture;

const groupFor = (state: unknown, bucket: GradBucket): Ranks =>
  state === null || state === undefined ? bucket.ranks : collectives('a communication hook').groupOf('a communication hook', state); // prettier-ignore

/** The mean over all ranks: what happens without a hook. `state`: a process group, null for the module's. */
export function allreduceHook(state: unknown, bucket: GradBucket): CommFuture {
  const group = groupFor(state, bucket);
  const buffer = bucket.buffer();
  noGrad(() => void buffer.div_(group.size()));
  const work = collectives('allreduceHook').allReduce(buffer, group);
  return { wait: () => (work.wait(), buffer) };
}

function compressed(dtype: DType, state: unknown, bucket: GradBucket): CommFuture {
  const group = groupFor(state, bucket);
  const half = noGrad(() => bucket.buffer().to(dtype).div_(group.size()));
  const work = collectives(`${dtype} hook`).allReduce(half, group);
  return { wait: () => (work.wait(), half) };
}
/** Sends gradients as float16, half the bytes. Small gradients become 0: scale the loss. */
export const fp16CompressHook: CommHook = (state, bucket) => compressed('float16', state, bucket);
/** Sends gradients as bfloat16, half the bytes, with 8 bits of precision. */
export const bf16CompressHook: CommHook = (state, bucket) => compressed('bfloat16', state, bucket);
