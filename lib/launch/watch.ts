/**
 * Seeing every launch: the one hook for whoever records, checks, counts or disturbs launches. Nobody watching costs a
 * comparison with null. While somebody does, each launch is held against its kernel's declaration: how many arguments there
 * are, their kinds, dtypes and sizes, and whether memory is dense where the kernel takes it for dense.
 * `TENFOLD_CHECK=1` in the environment watches from the start, as the tests do.
 */
import type { Tensor } from '../tensor/tensor.js';
import { DTYPES, SIZE, type Code } from '../dtype.js';
import { TenfoldError, show } from '../errors.js';
import {
  AT_NDIM,
  AT_NUMEL,
  AT_OPERAND,
  AT_OPERANDS,
  AT_SIZES,
  AT_STRIDES,
  IMMEDIATE,
  MAX_DIMS,
  MEMORY,
  frame,
  kernelOf,
} from '../native/launch.js';
import type { Storage } from '../tensor/storage.js';
import { Access, slotsOfKernel, type Slot } from './declaration.js';
import type { Argument } from './run.js';
import { stress } from './stress.js';
import { AddressTable } from './table.js';

/** An address in the frame, and what is behind it. */
export interface Place {
  /** Its index in the frame, or in the table. */
  readonly at: number;
  /** The table that it is in, where it isn't in the frame. */
  readonly table: AddressTable | null;
  /** Its name in the declaration. */
  readonly name: string;
  readonly access: Access;
  readonly memory: Tensor | Storage;
}

/** A launch about to happen: its numbers stand in `frame`, up to `length`. */
export interface Launch {
  readonly id: number;
  /** The kernel's name, and the dtype that it computes in. */
  readonly name: string;
  readonly code: Code;
  readonly frame: Float64Array;
  readonly length: number;
  /** Every address among the numbers that isn't 0. */
  readonly places: readonly Place[];
}

export type Watcher = (launch: Launch) => void;

/** What launches tell of themselves, before they happen. */
interface Watching {
  run(id: number, args: readonly Argument[]): void;
  elementwise(id: number, operands: readonly unknown[]): void;
}

/** Null while nobody watches. */
export let watching: Watching | null = null;
const watchers: Watcher[] = [];

/** Calls `watcher` before every launch, until the function that is returned is called. */
export function watch(watcher: Watcher): () => void {
  watchers.push(watcher);
  watching = WATCHING;
  return () => {
    watchers.splice(watchers.indexOf(watcher), 1);
    if (watchers.length === 0) watching = null;
  };
}

const WATCHING: Watching = {
  run: (id, args) => tell(described(id, args)),
  elementwise: (id, operands) => tell(describedElementwise(id, operands)),
};

function tell(launch: Launch): void {
  for (const watcher of [...watchers]) watcher(launch);
}

function fault(id: number, what: string): never {
  const { name, code } = kernelOf(id);
  throw new TenfoldError(
    'native',
    `a launch of the kernel '${name}' (${DTYPES[code]!}) doesn't fit its declaration: ${what}`,
  );
}

const isTensor = (x: Tensor | Storage): x is Tensor => 'storage' in x;
const isMemory = (x: unknown): x is Tensor | Storage =>
  typeof x === 'object' && x !== null && !Array.isArray(x) && !(x instanceof AddressTable);

/** Reads a launch's arguments by the declaration. Sizes are looked at last: they may stand behind what they are of. */
class Reader {
  /** Next place of the frame. */
  at = 1;
  readonly places: Place[] = [];
  /** What lists and integers were, for sizes. */
  private values = new Map<string, number>();
  private readonly sizes: (() => void)[] = [];
  private next = 0;
  constructor(
    readonly id: number,
    private readonly own: Code,
    private readonly args: readonly Argument[],
  ) {}

  /** Reads all of them. */
  all(slots: readonly Slot[]): void {
    for (const slot of slots) this.read(slot);
    const { args, next } = this;
    if (args.length > next) fault(this.id, `${args.length} arguments for ${next} places`);
    for (const check of this.sizes) check();
  }

  private read(slot: Slot): void {
    if (slot.group !== null && slot.access === Access.none) {
      for (let i = this.product(slot.count!); i > 0; i--) for (const inner of slot.group) this.read(inner);
      return;
    }
    const x = this.args[this.next++];
    if (x === undefined) fault(this.id, `'${slot.name}' is missing`);
    if (slot.group !== null) this.table(slot, x);
    else if (slot.access !== Access.none) this.memory(slot, x, this.at++, null);
    else if (slot.count !== null) this.list(slot, x);
    else this.number(slot, x);
  }

  private table({ name, count, group }: Slot, x: Argument): void {
    if (!(x instanceof AddressTable)) fault(this.id, `'${name}' must be a table, got ${show(x)}`);
    this.places.push({ at: this.at++, table: null, name, access: Access.both, memory: x.storage });
    const rows = this.product(count!);
    for (let row = 0; row < rows; row++) {
      const own = new Reader(this.id, this.own, []);
      let column = 0;
      for (const slot of group!) {
        const at = row * x.columns + column;
        if (slot.access !== Access.none) own.memory(slot, x.operands[at] ?? null, at, x);
        else if (slot.count === null) own.values.set(slot.name, x.numbers[at]!);
        column += slot.access === Access.none && slot.count !== null ? own.product(slot.count) : 1;
      }
      if (column !== x.columns) fault(this.id, `rows of '${name}' have ${column} places, and the table's ${x.columns}`);
      for (const check of own.sizes) check();
      this.places.push(...own.places);
    }
  }

  private number({ name, real }: Slot, x: Argument): void {
    if (typeof x !== 'number' && typeof x !== 'boolean') fault(this.id, `'${name}' must be a number, got ${show(x)}`);
    if (!real && !Number.isInteger(Number(x))) fault(this.id, `'${name}' must be an integer, got ${x}`);
    this.values.set(name, Number(x));
    this.at++;
  }

  private list({ name, count }: Slot, x: Argument): void {
    const length = this.product(count!);
    if (!Array.isArray(x) || x.length !== length || !x.every((n) => Number.isInteger(n)))
      fault(this.id, `'${name}' must be a list of ${length} integers, got ${show(x)}`);
    this.values.set(
      name,
      (x as readonly number[]).reduce((a, b) => a * b, 1),
    );
    this.at += length;
  }

  private memory(slot: Slot, x: Argument, at: number, table: AddressTable | null): void {
    const { name, access, optional } = slot;
    if (x === null) {
      if (!optional) fault(this.id, `'${name}' is null`);
      return;
    }
    if (!isMemory(x)) fault(this.id, `'${name}' must be ${slot.bytes ? 'a storage' : 'a tensor'}, got ${show(x)}`);
    if (isTensor(x)) this.tensor(slot, x);
    else if (!slot.bytes) fault(this.id, `'${name}' must be a tensor, got a storage`);
    this.places.push({ at, table, name, access, memory: x });
  }

  private tensor({ name, bytes, codes, strided, count }: Slot, t: Tensor): void {
    if (bytes) fault(this.id, `'${name}' must be a storage, got a tensor`);
    if (codes === null ? t.code !== this.own : !codes.includes(t.code)) fault(this.id, `'${name}' is ${t.dtype}`);
    if (!strided && !t.dense) fault(this.id, `'${name}' is not dense: shape [${t.shape}], strides [${t.strides}]`);
    if (count === null) return;
    this.sizes.push(() => {
      const least = this.product(count);
      if (!(t.count >= least)) fault(this.id, `'${name}' has ${t.count} elements, and ${least} are used`);
    });
  }

  private product(factors: readonly (string | number)[]): number {
    return factors.reduce<number>((product, f) => product * (typeof f === 'number' ? f : this.valueOf(f)), 1);
  }
  private valueOf(name: string): number {
    return this.values.get(name) ?? fault(this.id, `no place before is named '${name}'`);
  }
}

function described(id: number, args: readonly Argument[]): Launch {
  const { name, code } = kernelOf(id);
  const slots = slotsOfKernel(id);
  if (slots === null) fault(id, 'it is elementwise');
  const reader = new Reader(id, code, args);
  reader.all(slots);
  return { id, name, code, frame, length: reader.at, places: reader.places };
}

/** Operands, the output first, as they were written into the frame: numbers stand there themselves. */
function describedElementwise(id: number, operands: readonly unknown[]): Launch {
  const { name, code } = kernelOf(id);
  if (slotsOfKernel(id) !== null) fault(id, 'it is not elementwise');
  const count = frame[AT_OPERANDS]!;
  if (operands.length !== count) fault(id, `${operands.length} operands, and ${count} in the frame`);
  const places = operands.flatMap((x, k): Place[] => {
    const at = AT_OPERAND + 3 * k;
    const label = k === 0 ? 'out' : `input ${k}`;
    if (!isMemory(x)) return frame[at + 2] === IMMEDIATE ? [] : fault(id, `${label} is ${show(x)}`);
    const t = x as Tensor;
    if (frame[at] !== t.storage.address + t.offset * SIZE[t.code]!) fault(id, `${label} has another address`);
    if (frame[at + 1] !== t.code) fault(id, `${label} is ${t.dtype}`);
    if (frame[AT_NDIM] === 0 && frame[at + 2] === MEMORY && (!t.dense || t.count < frame[AT_NUMEL]!))
      fault(id, `${label} is not dense, or has ${t.count} of ${frame[AT_NUMEL]!} elements`);
    return [{ at, table: null, name: label, access: k === 0 ? Access.write : Access.read, memory: t }];
  });
  const length = frame[AT_NDIM] === 0 ? AT_SIZES : AT_STRIDES + MAX_DIMS * count;
  return { id, name, code, frame, length, places };
}

// From the start, where the environment asks for it.
const { TENFOLD_CHECK } = process.env;
if (TENFOLD_CHECK === '1' || TENFOLD_CHECK === 'stress') watch(() => undefined);
if (TENFOLD_CHECK === 'stress') stress();
