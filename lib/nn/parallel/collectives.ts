/**
 * What data parallelism needs of tenfold/distributed, which stands above the library and tells it here that it is loaded: who doesn't
 * train on several processes doesn't load it.
 */
import { TenfoldError } from '../../errors.js';
import type { Tensor } from '../../tensor/tensor.js';

/** Ranks that exchange tensors. */
export interface Ranks {
  rank(): number;
  size(): number;
}
/** A call under way. */
export interface Pending {
  wait(timeout?: number | null): boolean;
}

/** Calls of tenfold/distributed. Ranks are the group's own. */
export interface Collectives {
  /** The group that is given, or the default one. */
  groupOf(call: string, group: unknown): Ranks;
  /** Whether there is a default group. */
  isInitialized(): boolean;
  /** This process's rank in the default group; 0 where there is none. */
  currentRank(): number;
  /** Sums a tensor over all ranks, in place. */
  allReduce(tensor: Tensor, group: Ranks): Pending;
  broadcast(tensor: Tensor, from: number, group: Ranks): Pending;
  allGather(list: readonly Tensor[], tensor: Tensor, group: Ranks): Pending;
  /** What each rank says, for all. */
  exchange<T>(value: T, group: Ranks): T[];
}

let loaded: Collectives | null = null;

/** Called by tenfold/distributed. @internal */
export function provideCollectives(collectives: Collectives): void {
  loaded = collectives;
}
/** This process's rank; 0 where it trains alone. */
export const currentRank = (): number => loaded?.currentRank() ?? 0;

/** Collectives where a group was made, else null: for what also works alone. */
export const collectivesIfAny = (): Collectives | null => (loaded?.isInitialized() ? loaded : null);

export function collectives(call: string): Collectives {
  if (loaded === null)
    throw new TenfoldError(
      'distributed',
      `${call}: needs a process group: import { initProcessGroup } from 'tenfold/distributed' and call it first`,
    );
  return loaded;
}
