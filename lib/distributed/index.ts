/**
 * tenfold/distributed: training on several processes and machines, as torch.distributed on Gloo. A subpath of its own, which the
 * library doesn't load; groups.ts lists its parts.
 */
export {
  GroupMember,
  destroyProcessGroup,
  getBackend,
  getGlobalRank,
  getGroupRank,
  getNodeLocalRank,
  getProcessGroupRanks,
  getRank,
  getWorldSize,
  initProcessGroup,
  isAvailable,
  isBackendAvailable,
  isGlooAvailable,
  isInitialized,
  newGroup,
  type GroupLike,
} from './groups.js';
export {
  allGather,
  allGatherIntoTensor,
  allReduce,
  allToAll,
  allToAllSingle,
  barrier,
  broadcast,
  gather,
  monitoredBarrier,
  reduce,
  reduceScatter,
  reduceScatterTensor,
  scatter,
} from './collectives.js';
export { P2POp, batchIsendIrecv, irecv, isend, recv, send } from './messages.js';
export {
  allGatherObject,
  broadcastObjectList,
  gatherObject,
  recvObjectList,
  scatterObjectList,
  sendObjectList,
} from './objects.js';
export { FileStore, HashStore, PrefixStore, TCPStore } from './stores/index.js';
export { ReduceOp, type CollectiveOptions, type ProcessGroup, type Store, type Work } from './types.js';
export {
  DistributedDataParallel,
  GradBucket,
  allreduceHook,
  bf16CompressHook,
  fp16CompressHook,
  type CommFuture,
  type CommHook,
  type JoinOptions,
} from './parallel.js';
export { ZeroRedundancyOptimizer, type OptimizerClass, type ZeroRedundancyOptions } from './zeroRedundancy.js';
