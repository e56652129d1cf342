/**
 * A recording: a function runs once as it always does, and what it launches is written down, with what each launch reads and
 * writes. What can't be replayed is refused there and then, so that the error's stack leads to the line.
 */
import { TenfoldError } from '../errors.js';
import { Access } from '../launch/declaration.js';
import type { Refusal } from '../launch/check.js';
import type { AddressTable } from '../launch/table.js';
import { watch, type Launch } from '../launch/watch.js';
import { setCapture, type Capture, type GradientEvent } from '../tensor/capture.js';
import { bufferOf, overlap, type Storage } from '../tensor/storage.js';
import { SIZE } from '../dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Memory, Origin, Slot, Step, Table } from './steps.js';
import { lineOf } from './line.js';

/** A leaf whose gradient the function looked at or changed. */
export interface TouchedLeaf {
  readonly leaf: Tensor;
  /** What happened first, and the gradient that was there. */
  readonly first: GradientEvent;
  readonly before: Tensor | null;
}

export class Recording implements Capture {
  readonly steps: Step[] = [];
  readonly memories = new Map<Storage, Memory>();
  readonly leaves = new Map<Tensor, TouchedLeaf>();
  /** Modules whose mode was asked for. */
  readonly modes = new Map<object, boolean>();
  /** What happens in JavaScript before the step with this number. */
  readonly effects: { at: number; run: () => void }[] = [];
  /** Whether the function ran backward itself. */
  ranBackward = false;
  /** Whether the next call is the one to record. */
  isUnsettled = false;
  private fault: TenfoldError | null = null;
  private readonly madeInside = new Set<Storage>();
  private nextLive: ((frame: Float64Array) => void) | null = null;
  private nextRefusal: Refusal | null = null;
  /** Whether an effect runs, of which nothing is recorded. */
  private paused = false;

  /** Arguments that the function also finds elsewhere, by number: a parameter that was passed as well. */
  readonly pinned = new Set<number>();
  private readonly given: ReadonlySet<Tensor>;

  /** `inputs` stand for the tensors `given`. */
  constructor(
    private readonly call: string,
    private readonly inputs: Tensor[],
    given: readonly Tensor[],
  ) {
    this.given = new Set(given.map(rootOf));
  }

  /** Counts a tensor that was made inside, and holds no values yet, among the arguments; its number. */
  addInput(t: Tensor): number {
    const number = this.inputs.push(t) - 1;
    this.add(t.storage, 'input', number);
    return number;
  }
  /** What JavaScript wrote is put there at each replay anew. */
  fillIn(memory: Memory): void {
    memory.constant = true;
    memory.initial ??= bytesOf(memory.storage);
  }

  /** Runs `fn`, recording. Throws what it throws, or the refusal that it swallowed. */
  run<T>(fn: () => T): T {
    this.inputs.forEach((t, i) => {
      if (!this.memories.has(t.storage)) this.add(t.storage, 'input', i);
    });
    const outer = setCapture(this);
    const end = watch((launch) => this.launched(launch));
    try {
      const result = fn();
      if (this.fault !== null) throw this.fault;
      return result;
    } finally {
      end();
      setCapture(outer);
    }
  }

  /** The memory of a storage. */
  memoryOf(storage: Storage): Memory {
    return this.memories.get(storage) ?? this.add(storage, this.madeInside.has(storage) ? 'inside' : 'outside');
  }

  private add(storage: Storage, origin: Origin, input = -1, leaf: Tensor | null = null): Memory {
    const known = origin === 'inside' ? undefined : this.overlapping(storage);
    if (known !== undefined) {
      known.others.push(storage);
      this.memories.set(storage, known);
      return known;
    }
    const memory: Memory = {
      origin,
      storage,
      size: storage.nbytes,
      input,
      anchor: input < 0 ? 0 : this.inputs[input]!.offset * SIZE[this.inputs[input]!.code]!,
      leaf,
      written: false,
      constant: false,
      others: [],
      initial: null,
      place: 'arena',
    };
    this.memories.set(storage, memory);
    return memory;
  }

  /** Memory from outside that a storage shows a part of: two storages may lie over one buffer. */
  private overlapping(storage: Storage): Memory | undefined {
    for (const memory of this.memories.values())
      if (memory.origin !== 'inside' && overlap(memory.storage, storage)) return memory;
    return undefined;
  }

  // ---- launches --------------------------------------------------------------------------------------------------------

  private launched(launch: Launch): void {
    if (this.paused) return;
    const frame = launch.frame.slice(0, launch.length);
    const { nextLive: live, nextRefusal: refusal } = this;
    this.nextLive = null;
    this.nextRefusal = null;
    const { id, name, code, places } = launch;
    const tables = new Map<Storage, AddressTable>();
    for (const { table } of places) if (table !== null) tables.set(table.storage, table);
    const slots: Slot[] = [];
    let table: Table | null = null;
    for (const { at, name: label, access, memory, table: within } of places) {
      const storage = 'storage' in memory ? memory.storage : memory;
      if ('storage' in memory && this.given.has(rootOf(memory))) this.pin(storage);
      const reads = access !== Access.write;
      const writes = access !== Access.read;
      if (within !== null) table!.slots.push(this.slot(storage, at, within.numbers[at]!, label, reads, writes));
      else if (tables.has(storage)) table = { at, rows: tables.get(storage)!.numbers.slice(), slots: [] };
      else slots.push(this.slot(storage, at, frame[at]!, label, reads, writes));
    }
    this.noteAccess(slots);
    if (table !== null) this.noteAccess(table.slots);
    this.steps.push({ id, name, code, frame, slots, table, live, refusal, parts: [], line: lineOf() });
  }

  private pin(storage: Storage): void {
    const { origin, input } = this.memoryOf(storage);
    if (origin === 'input') this.pinned.add(input);
  }

  private slot(storage: Storage, at: number, address: number, name: string, reads: boolean, writes: boolean): Slot {
    const memory = this.memoryOf(storage);
    return { at, name, memory, offset: address - memory.storage.address - memory.anchor, reads, writes };
  }

  // Reads count first: what a launch both reads and writes must have been there.
  private noteAccess(slots: readonly Slot[]): void {
    for (const { reads, memory } of slots) {
      if (reads && memory.origin === 'inside' && !memory.written) memory.constant = true;
    }
    for (const { writes, memory } of slots) {
      if (!writes) continue;
      if (memory.constant && memory.initial === null) memory.initial = bytesOf(memory.storage);
      memory.written = true;
    }
  }

  // ---- what else happens -------------------------------------------------------------------------------------------------

  made(storage: Storage): void {
    this.madeInside.add(storage);
  }

  touches(storage: Storage): void {
    const memory = this.memories.get(storage);
    const inside = this.madeInside.has(storage);
    if (inside && memory?.written !== true) return; // JavaScript fills in what it made
    const whose = inside ? 'a result' : memory?.origin === 'input' ? 'an argument' : 'a tensor';
    this.refuse(
      this.call,
      `the values of ${whose} are looked at in JavaScript, and a replay would not look again: ` +
        'return the tensor and read it outside (item, tolist, toTypedArray, printing, and what depends on values, such as ' +
        'nonzero, masks as indices and checks of values, do so)',
    );
  }

  gradient(leaf: Tensor, event: GradientEvent): void {
    if (this.leaves.has(leaf) || this.madeInside.has(leaf.storage)) return;
    const before = leaf.meta?.grad ?? null;
    this.leaves.set(leaf, { leaf, first: event, before });
    if (before !== null && event !== 'drop' && !this.memories.has(before.storage)) {
      this.add(before.storage, 'gradient', -1, leaf);
    }
  }

  backward(): void {
    this.ranBackward = true;
  }
  mode(module: object, training: boolean): void {
    if (!this.modes.has(module)) this.modes.set(module, training);
  }
  live(write: (frame: Float64Array) => void): void {
    this.nextLive = write;
  }
  effect(run: () => void): void {
    this.effects.push({ at: this.steps.length, run });
    this.paused = true;
    const outer = setCapture(null);
    try {
      run();
    } finally {
      setCapture(outer);
      this.paused = false;
    }
  }
  refusal(refusal: Refusal): void {
    this.nextRefusal = refusal;
  }
  unsettled(): void {
    this.isUnsettled = true;
  }
  refuse(call: string, why: string): never {
    if (this.fault === null) {
      const line = lineOf();
      this.fault = new TenfoldError(
        'capture',
        `${call}: can't be compiled: ${why}${line === '' ? '' : ` (at ${line})`}`,
      );
    }
    throw this.fault;
  }
}

/** What a tensor is a view of. */
function rootOf(t: Tensor): Tensor {
  let root = t;
  while (root.base !== null) root = root.base;
  return root;
}

const bytesOf = (storage: Storage): Uint8Array =>
  new Uint8Array(bufferOf(storage), storage.byteOffset, storage.nbytes).slice();
