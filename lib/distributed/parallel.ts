/** Tells nn.parallel how ranks exchange tensors, and gives its names here too, as PyTorch has them in several places. */
import { provideCollectives, type Ranks } from '../nn/parallel/collectives.js';
import type { Tensor } from '../tensor/tensor.js';
import { allGather, allReduce, broadcast } from './collectives.js';
import { getRank, groupHere, isInitialized } from './groups.js';
import { TenfoldError } from '../errors.js';
import { allGatherObject } from './objects.js';

const groupOf = (call: string, given: unknown): Ranks => {
  const group = groupHere(call, given);
  if (group === null) throw new TenfoldError('distributed', `${call}: this process isn't in the group`);
  return group;
};

provideCollectives({
  groupOf,
  isInitialized,
  currentRank: () => (isInitialized() ? getRank() : 0),
  allReduce: (tensor: Tensor, group: Ranks) => allReduce(tensor, { group, asyncOp: true })!,
  broadcast: (tensor: Tensor, from: number, group: Ranks) =>
    broadcast(tensor, { groupSrc: from, group, asyncOp: true })!,
  allGather: (list, tensor, group) => allGather(list, tensor, { group, asyncOp: true })!,
  exchange: <T>(value: T, group: Ranks): T[] => {
    const said = Array.from({ length: group.size() }, () => null as T);
    allGatherObject(said, value, { group });
    return said;
  },
});

export * from '../nn/parallel/index.js';
