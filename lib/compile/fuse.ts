/**
 * Fusion: elementwise steps over the same elements become one pass, a chain (native/plan/chain.h). What only steps of the
 * chain read never reaches memory. Each step runs the kernel that it ran before, so results are the same to the last bit.
 */
import { Code, SIZE } from '../dtype.js';
import { AT_NDIM, AT_NUMEL, AT_OPERAND, AT_OPERANDS, AT_PARAMS, AT_SIZES, AT_STRIDES, IMMEDIATE, MAX_DIMS, ONE_ELEMENT, kernel, tileTypes } from '../native/launch.js'; // prettier-ignore
import { outlives } from './arena.js';
import { plainStep, slotsOf, type Memory, type Slot, type Step } from './steps.js';

// Limits and layout of a chain's frame: native/plan/chain.h.
const MAX_OPERANDS = 32;
const MAX_STEPS = 64;
const MAX_REGISTERS = 16;
const HEAD = 6;
const OPERAND_LENGTH = 5;
const STEP_LENGTH = 16;
const STEP_PARAMS = 8;
const PARAMS = 8;
const enum Mode {
  read,
  write,
  immediate,
}

/** The elements of a chain: rows of dense elements. `null` where any split into rows will do. */
interface Space {
  readonly count: number;
  rows: number | null;
}

/** How an operand lies in rows: its strides in elements. `dense`: as the chain's own elements do. */
interface Layout {
  readonly dense: boolean;
  readonly row: number;
  readonly inner: number;
}

interface Operand {
  readonly slot: Slot | null; // null: a number
  readonly value: number;
  readonly code: Code;
  readonly layout: Layout;
}

/** An elementwise step, looked at as a part of a chain. */
interface Part {
  readonly step: Step;
  readonly out: Operand;
  readonly inputs: readonly Operand[];
  readonly space: Space;
}

const DENSE: Layout = { dense: true, row: 0, inner: 1 };
const ONE: Layout = { dense: false, row: 0, inner: 0 };

/** What a step is as a part of a chain; null where it can't be one. */
function partOf(step: Step): Part | null {
  if (tileTypes(step.id) === null || step.live !== null || step.table !== null) return null;
  const { frame } = step;
  const count = frame[AT_NUMEL]!;
  const operands = frame[AT_OPERANDS]!;
  if (count === 0) return null;
  const layouts = layoutsOf(frame, operands, count);
  if (layouts === null || !layouts.list[0]!.dense) return null;
  const operand = (k: number): Operand => {
    const at = AT_OPERAND + 3 * k;
    const slot = step.slots.find((s) => s.at === at) ?? null;
    return { slot, value: slot === null ? frame[at]! : 0, code: frame[at + 1]! as Code, layout: layouts.list[k]! };
  };
  const all = Array.from({ length: operands }, (_, k) => operand(k));
  return { step, out: all[0]!, inputs: all.slice(1), space: { count, rows: layouts.rows } };
}

/** Operands' layouts in at most two dims; null where there are more. */
function layoutsOf(
  frame: Float64Array,
  operands: number,
  count: number,
): { rows: number | null; list: Layout[] } | null {
  const kind = (k: number): number => frame[AT_OPERAND + 3 * k + 2]!;
  const single = (k: number): boolean => kind(k) === IMMEDIATE || (kind(k) === ONE_ELEMENT && count > 1);
  const dims = frame[AT_NDIM]!;
  const numbers = Array.from({ length: operands }, (_, k) => k);
  if (dims === 0) return { rows: null, list: numbers.map((k) => (single(k) ? ONE : DENSE)) };
  const sizes: number[] = [];
  const strides: number[][] = numbers.map(() => []);
  for (let d = 0; d < dims; d++) {
    const size = frame[AT_SIZES + d]!;
    if (size === 1) continue;
    const own = numbers.map((k) => (single(k) ? 0 : frame[AT_STRIDES + MAX_DIMS * k + d]!));
    const last = sizes.length - 1;
    if (last >= 0 && numbers.every((k) => strides[k]![last] === own[k]! * size)) {
      sizes[last]! *= size;
      numbers.forEach((k) => (strides[k]![last] = own[k]!));
    } else {
      sizes.push(size);
      numbers.forEach((k) => strides[k]!.push(own[k]!));
    }
  }
  if (sizes.length > 2) return null;
  if (sizes.length < 2) {
    const list = numbers.map((k): Layout => {
      const stride = sizes.length === 0 ? 1 : strides[k]![0]!;
      return single(k) || (stride === 0 && count > 1)
        ? ONE
        : stride === 1
          ? DENSE
          : { dense: false, row: 0, inner: stride };
    });
    return { rows: list.every((l) => l.dense || l === ONE) ? null : 1, list };
  }
  const [rows, inner] = sizes as [number, number];
  const list = numbers.map((k): Layout => {
    const [row, step] = strides[k]! as [number, number];
    if (single(k)) return ONE;
    return { dense: step === 1 && row === inner, row, inner: step };
  });
  return { rows, list };
}

/** Steps that will be one. */
class Group {
  readonly parts: Part[] = [];
  space: Space;
  constructor(first: Part) {
    this.space = { ...first.space };
    this.parts.push(first);
  }

  /** Whether a part can run in the same pass. */
  admits(part: Part): boolean {
    const { space } = this;
    if (part.space.count !== space.count || this.parts.length >= MAX_STEPS) return false;
    if (part.space.rows !== null && space.rows !== null && part.space.rows !== space.rows) return false;
    return this.samePlaces(part) && this.operandsWith(part) <= MAX_OPERANDS;
  }

  /** What one step writes, others must read (or write) element by element at the same place. */
  private samePlaces(part: Part): boolean {
    const all = [...this.parts, part];
    const written = new Map<Memory, Operand>();
    for (const { out } of all) if (!written.has(out.slot!.memory)) written.set(out.slot!.memory, out);
    return all.every((p) =>
      [p.out, ...p.inputs].every((o) => {
        if (o.slot === null) return true;
        const w = written.get(o.slot.memory);
        return w === undefined || (o.layout.dense && o.slot.offset === w.slot!.offset && o.code === w.code);
      }),
    );
  }

  private operandsWith(part: Part): number {
    return new Set([...this.parts, part].flatMap((p) => [p.out, ...p.inputs].map(keyOf))).size;
  }

  add(part: Part): void {
    this.parts.push(part);
    this.space.rows ??= part.space.rows;
  }
}

const idOf = new WeakMap<Memory, number>();
let nextId = 0;
/** One word for each operand that a chain has once. */
function keyOf({ slot, value, code, layout }: Operand): string {
  if (slot === null) return `${Object.is(value, -0) ? '-0' : value}:${code}`;
  let id = idOf.get(slot.memory);
  if (id === undefined) idOf.set(slot.memory, (id = nextId++));
  return `m${id}+${slot.offset}:${code}:${layout.dense ? 'dense' : `${layout.row},${layout.inner}`}`;
}

/** Whether two steps must stay in their order. */
export function conflicts(a: Step, b: Step): boolean {
  for (const x of slotsOf(a)) {
    for (const y of slotsOf(b)) if (x.memory === y.memory && (x.writes || y.writes)) return true;
  }
  return false;
}

/** Groups that a step may still join; the oldest is closed when there are more. */
const MOST_OPEN = 8;

/** The steps with elementwise ones fused. `uses`: how often each piece of memory is used in the whole plan. */
export function fuse(steps: readonly Step[], uses: ReadonlyMap<Memory, number>): Step[] {
  const items: (Group | Step)[] = [];
  const open: Group[] = [];
  for (const step of steps) {
    const part = partOf(step);
    const group = part === null ? null : latest(open, (g) => g.admits(part) && reaches(items, g, step));
    if (part !== null && group) group.add(part);
    else if (part !== null) {
      const made = new Group(part);
      items.push(made);
      open.push(made);
      if (open.length > MOST_OPEN) open.shift();
    } else items.push(step);
  }
  return items.flatMap((item) => {
    if (!(item instanceof Group)) return item;
    if (item.parts.length === 1) return item.parts[0]!.step;
    return chainOf(item, uses) ?? item.parts.map((p) => p.step);
  });
}

function latest<T>(list: readonly T[], fits: (x: T) => boolean): T | null {
  for (let i = list.length - 1; i >= 0; i--) if (fits(list[i]!)) return list[i]!;
  return null;
}

/** Whether a step can move up to a group, past what stands behind it. */
function reaches(items: readonly (Group | Step)[], group: Group, step: Step): boolean {
  for (let i = items.length - 1; items[i] !== group; i--) {
    const item = items[i]!;
    const between = item instanceof Group ? item.parts.map((p) => p.step) : [item];
    if (between.some((b) => conflicts(b, step))) return false;
  }
  return true;
}

/** How often each piece of memory stands in a step. */
export function countUses(steps: readonly Step[]): Map<Memory, number> {
  const uses = new Map<Memory, number>();
  for (const step of steps) for (const { memory } of slotsOf(step)) uses.set(memory, (uses.get(memory) ?? 0) + 1);
  return uses;
}

// ---- a group as a chain ------------------------------------------------------------------------------------------------

const CHAIN = kernel('chain')[Code.f32]!;
const COPY = kernel('copy')[Code.f32]!;

interface ChainStep {
  id: number;
  out: number;
  inputs: number[];
  params: number[];
}

/** Writes a chain: operands are numbered, what stays inside goes through registers. */
class ChainWriter {
  readonly operands: { operand: Operand; writes: boolean; reads: boolean }[] = [];
  private readonly numbers = new Map<string, number>();
  readonly steps: ChainStep[] = [];
  /** Register of memory that stays inside, and of operands that were cast. */
  private readonly held = new Map<string, number>();
  private readonly free: number[] = [];
  registers = 0;

  constructor(
    private readonly stays: (memory: Memory) => boolean,
    private readonly lastUse: Map<Memory, number>,
  ) {}

  private take(): number {
    return this.free.pop() ?? this.registers++;
  }

  private place(operand: Operand, writes: boolean): number {
    const key = keyOf(operand);
    let at = this.numbers.get(key);
    if (at === undefined) {
      at = this.operands.push({ operand, writes: false, reads: false }) - 1;
      this.numbers.set(key, at);
    }
    const entry = this.operands[at]!;
    if (writes) entry.writes = true;
    else entry.reads = true;
    return -1 - at;
  }

  private keep(operand: Operand): string | null {
    return operand.slot !== null && this.stays(operand.slot.memory) ? keyOf(operand) : null;
  }

  /** Where an input is, in the dtype that the kernel wants. */
  private input(operand: Operand, code: Code, temporary: number[]): number {
    const key = this.keep(operand);
    const at = key === null ? this.place(this.asRead(operand, code), false) : this.held.get(key)!;
    if (operand.slot === null || operand.code === code) return at;
    const to = this.take();
    temporary.push(to);
    this.steps.push({ id: COPY, out: to, inputs: [at], params: [code] });
    return to;
  }
  // A number is made in the dtype that it is wanted in.
  private asRead(operand: Operand, code: Code): Operand {
    return operand.slot === null ? { ...operand, code } : operand;
  }

  add(part: Part, number: number): void {
    const { step, out, inputs } = part;
    const temporary: number[] = [];
    const copies = step.name === 'copy';
    const types = copies
      ? { inputs: [inputs[0]!.slot === null ? out.code : inputs[0]!.code], output: out.code }
      : tileTypes(step.id)!;
    const places = inputs.map((x, k) => this.input(x, types.inputs[k]!, temporary));
    const params = Array.from(step.frame.subarray(AT_PARAMS, AT_PARAMS + PARAMS));
    const key = this.keep(out);
    const casts = !copies && types.output !== out.code;
    // A register whose last use this is may take the result: a tile function's output may be its input, of elements of one size.
    const size = SIZE[types.output];
    for (const x of inputs) if (SIZE[x.code] === size) this.releaseAfter(x, number, out);
    let result: number;
    if (casts) temporary.push((result = this.take()));
    else result = key === null ? this.place(out, true) : this.register(key);
    this.steps.push({ id: step.id, out: result, inputs: places, params: copies ? [out.code] : params });
    if (casts) {
      const to = key === null ? this.place(out, true) : this.register(key);
      this.steps.push({ id: COPY, out: to, inputs: [result], params: [out.code] });
    }
    for (const x of inputs) if (SIZE[x.code] !== size) this.releaseAfter(x, number, out);
    this.free.push(...temporary);
  }

  private register(key: string): number {
    let r = this.held.get(key);
    if (r === undefined) this.held.set(key, (r = this.take()));
    return r;
  }
  private releaseAfter(x: Operand, number: number, out: Operand): void {
    const key = this.keep(x);
    if (key === null || x.slot!.memory === out.slot!.memory) return;
    const r = this.held.get(key);
    if (r !== undefined && this.lastUse.get(x.slot!.memory) === number) {
      this.held.delete(key);
      this.free.push(r);
    }
  }
}

/** The group as one step; null where it has more than a chain has room for. */
function chainOf(group: Group, uses: ReadonlyMap<Memory, number>): Step | null {
  const { parts, space } = group;
  const within = countUses(parts.map((p) => p.step));
  const firstWrites = new Set<Memory>();
  const readBefore = new Set<Memory>();
  for (const { inputs, out } of parts) {
    for (const { slot } of inputs) if (slot !== null && !firstWrites.has(slot.memory)) readBefore.add(slot.memory);
    firstWrites.add(out.slot!.memory);
  }
  const stays = (m: Memory): boolean =>
    !outlives(m) && within.get(m) === uses.get(m) && firstWrites.has(m) && !readBefore.has(m);
  const lastUse = new Map<Memory, number>();
  parts.forEach((p, i) => {
    for (const { slot } of [p.out, ...p.inputs]) if (slot !== null) lastUse.set(slot.memory, i);
  });
  const writer = new ChainWriter(stays, lastUse);
  parts.forEach((p, i) => writer.add(p, i));
  const { operands, steps, registers } = writer;
  if (operands.length > MAX_OPERANDS || steps.length > MAX_STEPS || registers > MAX_REGISTERS) return null;
  const rows = space.rows ?? 1;
  const inner = space.count / rows;
  const frame = new Float64Array(HEAD + OPERAND_LENGTH * operands.length + STEP_LENGTH * steps.length);
  frame.set([CHAIN, rows, inner, operands.length, steps.length, registers]);
  const slots = operands.flatMap(({ operand, writes, reads }, m): Slot[] => {
    const at = HEAD + OPERAND_LENGTH * m;
    const { slot, layout, code, value } = operand;
    const mode = slot === null ? Mode.immediate : writes ? Mode.write : Mode.read;
    frame.set([value, code, layout.dense ? inner : layout.row, layout.inner, mode], at);
    return slot === null ? [] : [{ ...slot, at, name: `operand ${m}`, reads, writes }];
  });
  steps.forEach(({ id, out, inputs, params }, s) => {
    const at = HEAD + OPERAND_LENGTH * operands.length + STEP_LENGTH * s;
    frame.set([id, out, inputs.length, ...inputs], at);
    frame.set(params, at + STEP_PARAMS);
  });
  const line = parts.at(-1)!.step.line;
  return { ...plainStep(CHAIN, 'chain', frame, slots), parts: parts.map((p) => p.step), line };
}
