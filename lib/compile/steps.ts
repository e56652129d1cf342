/** What a recording consists of: launches as data, and the pieces of memory that they read and write. */
import { Code } from '../dtype.js';
import type { Refusal } from '../launch/check.js';
import type { Storage } from '../tensor/storage.js';
import type { Tensor } from '../tensor/tensor.js';

/** Where a piece of memory comes from: an argument of the call, a leaf's gradient, elsewhere; or it was made inside. */
export type Origin = 'input' | 'gradient' | 'outside' | 'inside';

/** Where memory that was made inside lies in a replay. */
export type Place =
  | 'arena' // among what lives for a part of the replay only
  | 'output' // new at each call, for the caller
  | 'kept' // the same at each replay: gradients
  | 'constant'; // what JavaScript wrote while it was recorded

/** A piece of memory, which is what a storage was while it was recorded. */
export interface Memory {
  readonly origin: Origin;
  readonly storage: Storage;
  /** Bytes. */
  readonly size: number;
  /** Of an input: the first argument that shows it. Addresses count from that tensor's first element. */
  readonly input: number;
  /** Bytes from the storage's beginning to that tensor's first element, when it was recorded. */
  readonly anchor: number;
  /** Of a gradient: whose. */
  readonly leaf: Tensor | null;
  /** Whether a launch has written it. */
  written: boolean;
  /** Whether it was read before a launch had written it: what is in it is JavaScript's. */
  constant: boolean;
  /** Other storages that show some of it: two tensors over one typed array, `data`. */
  readonly others: Storage[];
  /** What it held then, where a launch writes to it later. */
  initial: Uint8Array | null;
  place: Place;
}

/** An address among a frame's numbers. */
export interface Slot {
  readonly at: number;
  readonly name: string;
  readonly memory: Memory;
  /** Bytes from the memory's beginning. */
  readonly offset: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

/** Addresses that stand in a table of their own, whose address is in the frame. */
export interface Table {
  readonly at: number;
  readonly rows: Float64Array;
  readonly slots: Slot[];
}

/** One launch. */
export interface Step {
  readonly id: number;
  /** The kernel's name, and the dtype that it computes in. */
  readonly name: string;
  readonly code: Code;
  /** The numbers, the kernel's id first; addresses stand in as what they were. */
  readonly frame: Float64Array;
  readonly slots: readonly Slot[];
  readonly table: Table | null;
  /** Writes the numbers that may change from replay to replay. */
  readonly live: ((frame: Float64Array) => void) | null;
  /** The error that it ends with where it checks values. */
  readonly refusal: Refusal | null;
  /** Steps that were fused into this one. */
  readonly parts: readonly Step[];
  /** Where in the user's code it comes from; '' where that can't be told. */
  readonly line: string;
}

/** A step that is its frame and nothing else, of a kernel that goes by none of the dtypes. */
export const plainStep = (id: number, name: string, frame: Float64Array, slots: readonly Slot[]): Step => ({
  id,
  name,
  code: Code.f32,
  frame,
  slots,
  table: null,
  live: null,
  refusal: null,
  parts: [],
  line: '',
});

/** Every address of a step. */
export function* slotsOf(step: Step): Iterable<Slot> {
  yield* step.slots;
  if (step.table !== null) yield* step.table.slots;
}

/** The kernel of a step, or the kernels that were fused into it. */
export const title = (step: Step): string =>
  step.parts.length === 0 ? step.name : step.parts.map((p) => p.name).join(' · ');
/** Bytes of the memory that a step reads and writes. */
export const bytesOf = (step: Step): number => [...slotsOf(step)].reduce((sum, s) => sum + s.memory.size, 0);
