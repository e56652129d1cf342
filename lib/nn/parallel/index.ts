/** Training on several processes, as torch.nn.parallel. Namespace `nn.parallel`. */
export { DistributedDataParallel, type JoinOptions } from './distributed.js';
export { GradBucket, allreduceHook, bf16CompressHook, fp16CompressHook, type CommFuture, type CommHook } from './commHooks.js'; // prettier-ignore
