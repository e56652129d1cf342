/**
 * Python's pickles, read without running anything. A pickle is a program for a machine with a stack; this is the machine,
 * with all of its instructions that build data. Those that name a class or call one ask `Constructors`, an allowlist, and
 * what isn't on it is refused by name. There is no recursion, and no instruction allocates more than the pickle has bytes.
 *
 * See pickletools.py of CPython for the instructions. Strings in protocol 0's notation, and what refers to a process
 * (EXT, NEXT_BUFFER), nobody writes into files of tensors; they are refused too.
 */
import { utf8 } from './reading.js';

/** A dict. Its keys are looked at when it is complete; its attributes, where a subclass has some, are dropped. */
export class PyDict {
  readonly entries = new Map<unknown, unknown>();
}
/** A set or a frozen one. */
export class PySet {
  readonly items: unknown[] = [];
}
/** A tuple; lists are arrays. */
export class PyTuple {
  constructor(readonly items: readonly unknown[]) {}
}
/** A class or function that a pickle names. */
export class PyGlobal {
  constructor(readonly name: string) {}
}

/** What a pickle may name and call. Each function refuses what it doesn't know. */
export interface Constructors {
  /** The class or function of this name, `module.name`. */
  global(name: string): unknown;
  /** What calling it gives. */
  call(callable: unknown, args: readonly unknown[]): unknown;
  /** Sets the state of an object that `call` gave. */
  build(object: unknown, state: unknown): void;
  /** What stands outside of the pickle under this id. */
  persistent(id: unknown): unknown;
  refuse(what: string): never;
}

/** Thrown where a pickle goes on behind the bytes that are there: the caller may have more of them. */
export class PickleEnds extends Error {}

/** Lists, dicts, sets and tuples of one pickle. */
const MAX_CONTAINERS = 4_000_000;
/** Bytes of an integer. */
const MAX_LONG = 1024;
const MAX_NAME = 1024;
const latin1 = new TextDecoder('latin1');

/** One instruction at a time. */
export class Unpickler {
  /** Where the next instruction is; behind STOP when run() has returned. */
  at: number;
  private readonly stack: unknown[] = [];
  /** Where marks stand in the stack. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private readonly view: DataView;
  private containers = 0;
  private stopped = false;

  constructor(
    private readonly bytes: Uint8Array,
    at: number,
    private readonly constructors: Constructors,
  ) {
    this.at = at;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Runs to the end and returns the object. */
  run(): unknown {
    while (!this.stopped) {
      const code = this.byte();
      const instruction = INSTRUCTIONS[code];
      if (instruction === undefined)
        return this.broken(`has the instruction 0x${code.toString(16)} at byte ${this.at - 1}`);
      instruction(this);
    }
    const value = this.pop();
    if (this.stack.length > 0) return this.broken('leaves values behind');
    return value;
  }

  private broken(what: string): never {
    return this.constructors.refuse(`its pickle ${what}`);
  }

  /** Where `length` bytes of an argument begin. */
  private skip(length: number): number {
    const from = this.at;
    if (length > this.bytes.length - from) throw new PickleEnds();
    this.at = from + length;
    return from;
  }
  byte(): number {
    return this.bytes[this.skip(1)]!;
  }
  uint16(): number {
    return this.view.getUint16(this.skip(2), true);
  }
  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }
  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }
  uint64(): number {
    return Number(this.view.getBigUint64(this.skip(8), true)); // beyond 2^53 inexact, and longer than any pickle
  }
  float64(): number {
    return this.view.getFloat64(this.skip(8), false);
  }
  raw(length: number): Uint8Array {
    const from = this.skip(length);
    return this.bytes.subarray(from, from + length);
  }
  text(length: number): string {
    return utf8(this.raw(length)) ?? this.broken('has a string that is no UTF-8');
  }
  /** A string of Python 2: text where it is some, bytes of Latin-1 else. */
  oldText(length: number): string {
    const bytes = this.raw(length);
    return utf8(bytes) ?? latin1.decode(bytes);
  }
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw new PickleEnds();
    if (end - this.at > MAX_NAME) return this.broken(`has a name of ${end - this.at} bytes`);
    const text = this.text(end - this.at);
    this.at = end + 1;
    return text;
  }
  /** Two's complement, the lowest byte first. */
  long(length: number): number | bigint {
    if (length > MAX_LONG) return this.broken(`has an integer of ${length} bytes`);
    let value = 0n;
    const bytes = this.raw(length);
    for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    value = BigInt.asIntN(8 * bytes.length, value);
    const exact = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= -BigInt(Number.MAX_SAFE_INTEGER);
    return exact ? Number(value) : value;
  }

  push(value: unknown): void {
    this.stack.push(value);
  }
  pop(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) return this.broken('takes more than it has');
    return this.stack.pop();
  }
  top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) return this.broken('takes more than it has');
    return this.stack.at(-1);
  }
  mark(): void {
    this.marks.push(this.stack.length);
  }
  /** What has been pushed since the last mark. */
  popMark(): unknown[] {
    const from = this.marks.pop();
    return from === undefined ? this.broken('has no mark where it needs one') : this.stack.splice(from);
  }
  popSome(count: number): unknown[] {
    if (this.stack.length - count < (this.marks.at(-1) ?? 0)) return this.broken('takes more than it has');
    return this.stack.splice(this.stack.length - count);
  }
  /** Either the mark, if it is the last thing on the stack, or a value. */
  drop(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  made<T>(container: T): T {
    if (++this.containers > MAX_CONTAINERS) return this.broken(`has more than ${MAX_CONTAINERS} containers`);
    return container;
  }
  tuple(items: unknown[]): void {
    this.push(this.made(new PyTuple(items)));
  }
  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) return this.broken('appends to what is no list');
    for (const item of items) list.push(item);
  }
  add(items: readonly unknown[]): void {
    const set = this.top();
    if (!(set instanceof PySet)) return this.broken('adds to what is no set');
    for (const item of items) set.items.push(item);
  }
  setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof PyDict)) return this.broken('sets entries of what is no dict');
    this.fill(dict, items);
  }
  private fill(dict: PyDict, items: readonly unknown[]): void {
    if (items.length % 2 !== 0) return this.broken('has a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.entries.set(this.key(items[i]), items[i + 1]);
  }
  dict(items: readonly unknown[]): void {
    const dict = this.made(new PyDict());
    this.fill(dict, items);
    this.push(dict);
  }
  /** Keys that JavaScript can look up: text, numbers, booleans, null. */
  private key(key: unknown): unknown {
    if (key === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof key)) return key;
    return this.broken(
      `has a dict with ${key instanceof PyTuple ? 'a tuple' : 'an object'} as key; here keys are strings, numbers, booleans or null`,
    );
  }

  put(index: number): void {
    this.memo.set(index, this.top());
  }
  memoize(): void {
    this.memo.set(this.memo.size, this.top());
  }
  get(index: number): void {
    if (!this.memo.has(index)) return this.broken(`refers to a value ${index} that it hasn't`);
    this.push(this.memo.get(index));
  }

  global(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string')
      return this.broken('names a class by other than strings');
    this.push(this.constructors.global(`${module}.${name}`));
  }
  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (!(args instanceof PyTuple)) return this.broken('calls with what is no tuple');
    this.push(this.made(this.constructors.call(callable, args.items)));
  }
  build(): void {
    const state = this.pop();
    this.constructors.build(this.top(), state);
  }
  persistent(id: unknown): void {
    this.push(this.constructors.persistent(id));
  }
  stop(): void {
    this.stopped = true;
  }
  protocol(version: number): void {
    if (version > 5) return this.broken(`is of protocol ${version}; known are 2 to 5`);
  }
}

type Instruction = (m: Unpickler) => void;
const INSTRUCTIONS: readonly (Instruction | undefined)[] = (() => {
  const table = new Array<Instruction | undefined>(256);
  const set = (code: string | number, run: Instruction): void => {
    table[typeof code === 'string' ? code.charCodeAt(0) : code] = run;
  };
  set(0x80, (m) => m.protocol(m.byte()));
  set(0x95, (m) => void m.raw(8)); // FRAME: how much follows at once
  set('.', (m) => m.stop());
  set('(', (m) => m.mark());
  set('0', (m) => m.drop());
  set('1', (m) => void m.popMark());
  set('2', (m) => m.push(m.top()));
  set('q', (m) => m.put(m.byte()));
  set('r', (m) => m.put(m.uint32()));
  set(0x94, (m) => m.memoize());
  set('h', (m) => m.get(m.byte()));
  set('j', (m) => m.get(m.uint32()));
  set('N', (m) => m.push(null));
  set(0x88, (m) => m.push(true));
  set(0x89, (m) => m.push(false));
  set('J', (m) => m.push(m.int32()));
  set('K', (m) => m.push(m.byte()));
  set('M', (m) => m.push(m.uint16()));
  set(0x8a, (m) => m.push(m.long(m.byte())));
  set(0x8b, (m) => m.push(m.long(m.uint32())));
  set('G', (m) => m.push(m.float64()));
  set('X', (m) => m.push(m.text(m.uint32())));
  set(0x8c, (m) => m.push(m.text(m.byte())));
  set(0x8d, (m) => m.push(m.text(m.uint64())));
  set('U', (m) => m.push(m.oldText(m.byte())));
  set('T', (m) => m.push(m.oldText(m.uint32())));
  set('C', (m) => m.push(m.raw(m.byte())));
  set('B', (m) => m.push(m.raw(m.uint32())));
  set(0x8e, (m) => m.push(m.raw(m.uint64())));
  set(0x96, (m) => m.push(m.raw(m.uint64())));
  set(']', (m) => m.push(m.made([])));
  set('l', (m) => m.push(m.made(m.popMark())));
  set('a', (m) => m.append([m.pop()]));
  set('e', (m) => m.append(m.popMark()));
  set(')', (m) => m.tuple([]));
  set('t', (m) => m.tuple(m.popMark()));
  set(0x85, (m) => m.tuple(m.popSome(1)));
  set(0x86, (m) => m.tuple(m.popSome(2)));
  set(0x87, (m) => m.tuple(m.popSome(3)));
  set('}', (m) => m.dict([]));
  set('d', (m) => m.dict(m.popMark()));
  set('s', (m) => m.setItems(m.popSome(2)));
  set('u', (m) => m.setItems(m.popMark()));
  set(0x8f, (m) => m.push(m.made(new PySet())));
  set(0x90, (m) => m.add(m.popMark()));
  set(0x91, (m) => {
    const items = m.popMark();
    m.push(m.made(new PySet()));
    m.add(items);
  });
  set('c', (m) => m.global(m.line(), m.line()));
  set(0x93, (m) => m.global(...(m.popSome(2) as [unknown, unknown])));
  set('R', (m) => m.reduce());
  set(0x81, (m) => m.reduce()); // NEWOBJ: a class is called as a function is
  set('b', (m) => m.build());
  set('Q', (m) => m.persistent(m.pop()));
  return table;
})();
