/**
 * What the parts of tenfold/distributed know of each other: stores, groups, work. Times are in milliseconds everywhere. All
 * calls block the calling thread until they are done, as PyTorch's do; collectives with `asyncOp` return a Work instead.
 */
import type { Tensor } from '../tensor/tensor.js';

/**
 * A table of keys and values that all ranks see, by which they find each other.
 * (https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.Store)
 *
 * Strings are written as UTF-8; what is read is bytes. Where a key or an answer doesn't come in time: TenfoldError
 * 'distributed', naming the call, the key and the time.
 */
export interface Store {
  /** How long `get` and `wait` wait for a key that isn't there. */
  readonly timeout: number;
  setTimeout(timeout: number): void;
  set(key: string, value: string | Uint8Array): void;
  /** The value; waits until somebody sets the key. */
  get(key: string): Uint8Array;
  /** Adds to a decimal number under `key` (0 where there is none) and returns the sum. */
  add(key: string, amount: number): number;
  /** Waits until all keys are there. */
  wait(keys: readonly string[], timeout?: number | null): void;
  /** Sets `desired` where the value is `expected`, or where there is none and `expected` is empty; returns what is there then. */
  compareSet(key: string, expected: string | Uint8Array, desired: string | Uint8Array): Uint8Array;
  /** Whether the key was there. */
  deleteKey(key: string): boolean;
  numKeys(): number;
  /** Whether all keys are there; doesn't wait. */
  check(keys: readonly string[]): boolean;
}

/** How the values of ranks become one; PyTorch's names, and as in PyTorch `AVG` is for floats. */
export const ReduceOp = Object.freeze({
  SUM: 'sum',
  AVG: 'avg',
  PRODUCT: 'product',
  MIN: 'min',
  MAX: 'max',
  BAND: 'band',
  BOR: 'bor',
  BXOR: 'bxor',
} as const);
export type ReduceOp = (typeof ReduceOp)[keyof typeof ReduceOp];

/** A call under way. It holds its tensors: disposing of them meanwhile is an error, and so is writing to them. */
export interface Work extends PromiseLike<void> {
  /** Blocks until done; throws what the call failed with. `timeout`: how long to wait here, else the call's own. Returns true. */
  wait(timeout?: number | null): boolean;
  isCompleted(): boolean;
  isSuccess(): boolean;
  /** What the call failed with, or null. */
  exception(): Error | null;
  /** Where a `recv` from anybody came from. */
  sourceRank(): number;
  /** The tensors that the call wrote. */
  result(): Tensor[];
  /** The same as the work itself, as a promise of the tensors that it wrote. */
  getFuture(): Promise<Tensor[]>;
}

/** Ranks that exchange tensors. */
export interface ProcessGroup {
  /** This process's place in the group. */
  rank(): number;
  /** How many processes it has. */
  size(): number;
  /** 'gloo'. */
  name(): string;
  /** The group's name, the same on all ranks. */
  readonly groupName: string;
  /** For how long a call of this group waits for the other ranks by default. */
  readonly timeout: number;
}

/** Which group, and whether to wait: the last arguments of every collective. */
export interface CollectiveOptions {
  /** The group; all ranks by default. */
  group?: ProcessGroup | null;
  /** Return a Work at once instead of blocking. */
  asyncOp?: boolean;
  /** For how long to wait for the other ranks; the group's by default. */
  timeout?: number | null;
}
