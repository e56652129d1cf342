/**
 * A plan: the frames of a recording in one piece of memory, bound to what they read and write, and run natively. Addresses
 * of arguments and results change from call to call and are written into the frames before each; what lives only inside lies
 * in the plan's arena, parameters and the like where they are.
 */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES, SIZE } from '../dtype.js';
import { refused } from '../launch/check.js';
import { kernel, planCreate, planRun, planTime, type NativePlan } from '../native/launch.js';
import { timer, type Timer } from '../native/timer.js';
import { allocateOwn, bufferOf, checkStorage, expose, type Storage } from '../tensor/storage.js';
import type { Tensor } from '../tensor/tensor.js';
import { outlives, withoutDead, type Arena } from './arena.js';
import { foldEpilogues } from './epilogue.js';
import { countUses, fuse } from './fuse.js';
import type { Recording } from './recording.js';
import { bytesOf, plainStep, title, type Memory, type Slot, type Step } from './steps.js';

const COPY = kernel('copy')[Code.f32]!;
const AT_CANCEL = 0; // frames begin with a word that another thread looks at
const HEAD = 8;

/** Steps and what JavaScript does between them. */
export interface Program {
  readonly steps: readonly Step[];
  readonly effects: readonly { at: number; run: () => void }[];
  /** Where the backward pass begins, of a plan that computes gradients of what it returned. */
  readonly split: number;
}

/** Places in the frames where an address of a piece of memory stands. */
export interface Binding {
  readonly memory: Memory;
  readonly at: number[];
  readonly offsets: number[];
}

/** What is to be done with a recording's steps: drop, fuse, and put what JavaScript wrote where replays find it. */
export function optimized(recording: Recording, steps: readonly Step[], split: number, fusing: boolean): Program {
  const marks = new Set(recording.effects.map((e) => e.at));
  marks.add(split);
  // Marks are step numbers, which dropping and fusing change: pieces between them are worked on one by one.
  const cuts = [...marks, 0, steps.length].filter((m) => m >= 0 && m <= steps.length).sort((a, b) => a - b);
  const alive = new Set(withoutDead(steps));
  const out: Step[] = initials(recording);
  const moved = new Map<number, number>([[0, out.length]]);
  const uses = countUses([...out, ...alive]);
  for (let c = 0; c + 1 < cuts.length; c++) {
    const piece = steps.slice(cuts[c], cuts[c + 1]).filter((s) => alive.has(s));
    out.push(...(fusing ? fuse(foldEpilogues(piece, uses), uses) : piece));
    moved.set(cuts[c + 1]!, out.length);
  }
  return {
    steps: out,
    effects: recording.effects.map((e) => ({ at: moved.get(e.at)!, run: e.run })),
    split: split < 0 ? out.length : moved.get(split)!,
  };
}

/** Copies of what JavaScript wrote into memory that launches write to later. */
function initials(recording: Recording): Step[] {
  const steps: Step[] = [];
  for (const memory of recording.memories.values()) {
    if (memory.initial === null) continue;
    const storage = allocateOwn(memory.size);
    new Uint8Array(bufferOf(storage), storage.byteOffset, memory.size).set(memory.initial);
    const source: Memory = { ...memory, storage, place: 'constant', initial: null };
    const frame = new Float64Array(32);
    // [id, dims, count, operands, (address, dtype, kind) each]: bytes, one after the other.
    frame.set([COPY, 0, memory.size, 2, 0, Code.u8, 0, 0, Code.u8, 0]);
    const slot = (at: number, m: Memory, writes: boolean): Slot => ({
      at,
      name: writes ? 'out' : 'in',
      memory: m,
      offset: 0,
      reads: !writes,
      writes,
    });
    const slots = [slot(4, memory, true), slot(7, source, false)];
    steps.push(plainStep(COPY, 'copy', frame, slots));
  }
  return steps;
}

/** Frames at work: one for calls on JavaScript's thread, more where several calls run at once. */
export class Instance {
  readonly frames: Float64Array;
  readonly native: NativePlan;
  arena: Storage | null = null;
  private readonly starts: Int32Array;
  /** Where each binding's memory was at the last call. */
  private readonly bound: number[];
  readonly bindings: readonly Binding[];
  private readonly arenaAt: number[] = [];
  private readonly arenaOffsets: number[] = [];
  private arenaBase = 0;
  constructor(
    readonly program: Program,
    private readonly layout: Arena,
  ) {
    const { steps } = program;
    let length = HEAD;
    const starts = steps.map((s) => {
      const at = length;
      length += s.frame.length;
      return at;
    });
    const tables = steps.map((s) => {
      const at = length;
      if (s.table !== null) length += s.table.rows.length;
      return at;
    });
    const memory = allocateOwn(8 * length);
    expose(memory);
    this.frames = new Float64Array(bufferOf(memory), memory.byteOffset, length);
    const bindings = new Map<Memory, Binding>();
    steps.forEach((step, i) => {
      this.frames.set(step.frame, starts[i]);
      for (const slot of step.slots) this.bind(bindings, slot, starts[i]! + slot.at);
      if (step.table === null) return;
      this.frames.set(step.table.rows, tables[i]);
      this.frames[starts[i]! + step.table.at] = memory.address + 8 * tables[i]!;
      for (const slot of step.table.slots) this.bind(bindings, slot, tables[i]! + slot.at);
    });
    this.bindings = [...bindings.values()];
    this.bound = this.bindings.map(() => 0);
    this.starts = Int32Array.from(starts);
    this.native = planCreate(this.frames, this.starts);
  }

  private bind(bindings: Map<Memory, Binding>, slot: Slot, at: number): void {
    const { memory, offset } = slot;
    if (!outlives(memory)) {
      this.arenaAt.push(at);
      this.arenaOffsets.push(this.layout.at.get(memory)! + offset);
      return;
    }
    let binding = bindings.get(memory);
    if (binding === undefined) bindings.set(memory, (binding = { memory, at: [], offsets: [] }));
    binding.at.push(at);
    binding.offsets.push(offset);
  }

  /** Puts the arena where it is needed; it may be another one at each call. */
  useArena(arena: Storage | null): void {
    this.arena = arena;
    const base = arena === null ? 0 : arena.address;
    if (base === this.arenaBase) return;
    this.arenaBase = base;
    const { frames, arenaAt, arenaOffsets } = this;
    for (let i = 0; i < arenaAt.length; i++) frames[arenaAt[i]!] = base + arenaOffsets[i]!;
  }

  /** Writes where a binding's memory is. */
  place(i: number, address: number): void {
    if (this.bound[i] === address) return;
    this.bound[i] = address;
    const { at, offsets } = this.bindings[i]!;
    const { frames } = this;
    for (let k = 0; k < at.length; k++) frames[at[k]!] = address + offsets[k]!;
  }

  /** Reads the numbers that may have changed. */
  refresh(): void {
    const { steps } = this.program;
    for (let i = 0; i < steps.length; i++) {
      const { live, frame } = steps[i]!;
      if (live !== null) live(this.frames.subarray(this.starts[i]!, this.starts[i]! + frame.length));
    }
  }

  /** Runs steps on this thread, with what JavaScript does between them. */
  run(call: string, begin: number, end: number): void {
    let from = begin;
    for (const { at, run } of this.program.effects) {
      // What happens where the backward pass begins belongs to the pass before.
      if (at > end || (begin === 0 ? at < 0 : at <= begin)) continue;
      if (at > from) this.launch(call, from, at);
      from = at;
      run();
      this.refresh();
    }
    if (end > from) this.launch(call, from, end);
  }

  private launch(call: string, begin: number, end: number): void {
    try {
      if (timer === null) planRun(this.native, begin, end);
      else this.timed(timer, begin, end);
    } catch (error) {
      throw explained(call, error, this.program.steps);
    }
  }
  private timed(by: Timer, begin: number, end: number): void {
    const { steps } = this.program;
    const times = new Float64Array(steps.length);
    planTime(this.native, times, begin, end);
    const part = steps.slice(begin, end);
    by.kernels(part.map((s) => `${title(s)} (${DTYPES[s.code]!})`), part.map(bytesOf), times.subarray(begin, end).map((t) => t / 1e6)); // prettier-ignore
  }
  get cancel(): Float64Array {
    return this.frames.subarray(AT_CANCEL, 1);
  }
}

/** An error of a launch, with the call and the line that the launch comes from. */
export function explained(call: string, error: unknown, steps: readonly Step[]): unknown {
  const { code, message, launch } = error as { code?: string; message: string; launch?: number };
  if (launch === undefined) return error;
  const step = steps[launch];
  const at = step === undefined || step.line === '' ? '' : ` (at ${step.line})`;
  if (step !== undefined && step.refusal !== null) {
    const refusal = refused(error, step.refusal) as Error;
    if (refusal !== error) refusal.message = `${call}: ${refusal.message}${at}`;
    return refusal;
  }
  const text = `${call}: ${step?.name ?? 'launch'}: ${message}${at}`;
  if (code === 'RangeError') return new RangeError(text);
  if (code === 'TypeError') return new TypeError(text);
  return new TenfoldError((code ?? 'native') as 'native', text);
}

/** Address of a tensor's first element; refuses freed memory. */
export function addressIn(call: string, t: Tensor): number {
  const { storage } = t;
  if (storage.guarded) {
    try {
      checkStorage(storage);
    } catch (cause) {
      throw new TenfoldError('freed', `${call}: ${(cause as Error).message}`, { cause });
    }
  }
  return storage.address + t.offset * SIZE[t.code]!;
}
