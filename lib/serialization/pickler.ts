/** Values as a pickle of protocol 2, with the constructors that `torch.load(weights_only=True)` knows. */
import { TenfoldError, isBytes, isMap, isSet, show } from '../errors.js';
import { DTYPES, SIZE, codeOfArray, type Code } from '../dtype.js';
import { Parameter } from '../nn/parameter.js';
import { fromTypedArray } from '../ops/creation.js';
import type { Storage } from '../tensor/storage.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { MAX_DEPTH, isPlain } from './structure.js';
import { STORAGE_NAMES } from './torch.js';

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const encoder = new TextEncoder();

/** Bytes that grow. */
class Output {
  private bytes = Buffer.alloc(1024);
  private length = 0;

  /** Room for `n` more bytes; where they begin. */
  private grow(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.bytes.length) {
      const larger = Buffer.alloc(2 * this.length);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return at;
  }
  code(text: string): void {
    const at = this.grow(text.length); // may replace the buffer, so before it
    this.bytes.write(text, at, 'latin1');
  }
  byte(value: number): void {
    const at = this.grow(1);
    this.bytes[at] = value;
  }
  int32(value: number): void {
    const at = this.grow(4);
    this.bytes.writeInt32LE(value, at);
  }
  uint32(value: number): void {
    const at = this.grow(4);
    this.bytes.writeUInt32LE(value, at);
  }
  float64(value: number): void {
    const at = this.grow(8);
    this.bytes.writeDoubleBE(value, at);
  }
  raw(bytes: Uint8Array): void {
    const at = this.grow(bytes.length);
    this.bytes.set(bytes, at);
  }
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** A storage that a pickle refers to. */
export interface StoredAs {
  readonly key: string;
  readonly code: Code;
}

/** Writes one value. What is one object stays one: tensors, lists and dicts that are met again are referred to. */
export class Pickler {
  /** The storages of all tensors, in the order in which they were met. */
  readonly storages = new Map<Storage, StoredAs>();
  private readonly out = new Output();
  private readonly memo = new Map<unknown, number>();
  private readonly stack = new Set<object>();

  constructor(private readonly call: string) {}

  /** The pickle of a value. */
  run(value: unknown): Uint8Array {
    this.out.byte(0x80);
    this.out.byte(2);
    this.write(value, '');
    this.out.code('.');
    return this.out.finish();
  }

  /** Writes what has been written before by its place in the memo. */
  private again(object: unknown): boolean {
    const index = this.memo.get(object);
    if (index === undefined) return false;
    if (index < 256) {
      this.out.code('h');
      this.out.byte(index);
    } else {
      this.out.code('j');
      this.out.uint32(index);
    }
    return true;
  }
  private remember(object: unknown): void {
    const index = this.memo.size;
    this.memo.set(object, index);
    if (index < 256) {
      this.out.code('q');
      this.out.byte(index);
    } else {
      this.out.code('r');
      this.out.uint32(index);
    }
  }

  private text(text: string): void {
    if (this.again(text)) return;
    if (LONE_SURROGATE.test(text)) throw new TypeError(`${this.call}: the string ${show(text)} has half a character`);
    const bytes = encoder.encode(text);
    this.out.code('X');
    this.out.uint32(bytes.length);
    this.out.raw(bytes);
    this.remember(text);
  }
  private global(module: string, name: string): void {
    const key = `global ${module}.${name}`;
    if (this.globals.has(key)) {
      this.again(this.globals.get(key));
      return;
    }
    const token = { key };
    this.globals.set(key, token);
    this.out.code(`c${module}\n${name}\n`);
    this.remember(token);
  }
  private readonly globals = new Map<string, object>();

  private number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.out.code('G');
      this.out.float64(value);
    } else if (value >= 0 && value < 256) {
      this.out.code('K');
      this.out.byte(value);
    } else if (value >= -(2 ** 31) && value < 2 ** 31) {
      this.out.code('J');
      this.out.int32(value);
    } else this.long(BigInt(value));
  }
  private long(value: bigint): void {
    const bytes: number[] = [];
    let rest = value;
    do {
      bytes.push(Number(rest & 255n));
      rest >>= 8n;
    } while (rest !== (bytes.at(-1)! & 128 ? -1n : 0n));
    if (bytes.length > 255) throw new TypeError(`${this.call}: an integer of ${bytes.length} bytes is too long`);
    this.out.byte(0x8a);
    this.out.byte(bytes.length);
    this.out.raw(Uint8Array.from(bytes));
  }

  private write(value: unknown, path: string): void {
    if (value === null || value === undefined) return this.out.code('N');
    switch (typeof value) {
      case 'boolean':
        return this.out.byte(value ? 0x88 : 0x89);
      case 'number':
        return this.number(value);
      case 'bigint':
        return this.long(value);
      case 'string':
        return this.text(value);
    }
    if (this.stack.has(value)) return this.tooDeep(path);
    if (this.again(value)) return;
    if (value instanceof Tensor) return this.tensor(value);
    if (isBytes(value)) return this.bytes(value);
    if (ArrayBuffer.isView(value) && codeOfArray(value) !== null) return this.tensor(fromTypedArray(value));
    this.container(value, path);
  }

  private container(value: object, path: string): void {
    if (this.stack.size > MAX_DEPTH) return this.tooDeep(path);
    this.stack.add(value);
    if (Array.isArray(value)) this.list(value as unknown[], path);
    else if (isSet(value)) this.set(value, path);
    else if (isMap(value)) this.dict([...(value as Map<unknown, unknown>)], path, value);
    else if (isPlain(value)) this.object(value, path);
    else {
      throw new TypeError(
        `${this.call}: ${path || 'the value'} is ${show(value)}, which can't be saved; tensors, typed arrays, numbers, strings, lists, Maps, Sets and plain objects can`,
      );
    }
    this.stack.delete(value);
  }

  private tooDeep(path: string): never {
    throw new TenfoldError(
      'value',
      `${this.call}: ${path.slice(0, 60)}… is nested deeper than ${MAX_DEPTH} levels, or in itself`,
    );
  }

  private list(list: readonly unknown[], path: string): void {
    this.out.code(']');
    this.remember(list);
    if (list.length === 0) return;
    this.out.code('(');
    list.forEach((item, i) => this.write(item, join(path, i)));
    this.out.code('e');
  }
  private set(set: ReadonlySet<unknown>, path: string): void {
    this.global('__builtin__', 'set');
    this.out.code('](');
    [...set].forEach((item, i) => this.write(item, join(path, i)));
    this.out.code('e\x85R');
    this.remember(set);
  }
  private dict(entries: readonly (readonly [unknown, unknown])[], path: string, source: object): void {
    this.out.code('}');
    this.remember(source);
    const kept = entries.filter(([, v]) => v !== undefined);
    if (kept.length === 0) return;
    this.out.code('(');
    for (const [key, v] of kept) {
      if (typeof key === 'object' ? key !== null : !['string', 'number', 'bigint', 'boolean'].includes(typeof key))
        throw new TypeError(
          `${this.call}: ${path || 'the value'} has ${show(key)} as a key; keys are strings or numbers`,
        );
      this.write(key, path);
      this.write(v, join(path, key as string | number));
    }
    this.out.code('u');
  }

  /**
   * A plain object is a dict of strings, but for an optimizer's state dict: PyTorch looks for its state under integers,
   * which JavaScript's objects don't have as keys, and would start anew without a word where it found strings.
   */
  private object(value: Record<string, unknown>, path: string): void {
    if (!isOptimizerState(value)) return this.dict(Object.entries(value), path, value);
    const state = value.state as Record<string, unknown>;
    this.dict(
      Object.entries(value).map(([key, v]) => [
        key,
        key === 'state' ? new Map(Object.entries(state).map(([k, s]): [number, unknown] => [Number(k), s])) : v,
      ]),
      path,
      value,
    );
  }

  private bytes(bytes: Uint8Array): void {
    this.global('_codecs', 'encode');
    this.text(Buffer.from(bytes).toString('latin1'));
    this.text('latin1');
    this.out.code('\x86R');
    this.remember(bytes);
  }

  private tensor(t: Tensor): void {
    checkTensor(this.call, t);
    if (t instanceof Parameter) this.global('torch._utils', '_rebuild_parameter');
    this.global('torch._utils', '_rebuild_tensor_v2');
    this.out.code('(');
    this.storage(t);
    this.number(t.offset);
    this.sizes(t.shape);
    this.sizes(t.strides);
    this.out.byte(t.requiresGrad ? 0x88 : 0x89);
    this.ordered();
    this.out.code('tR');
    if (t instanceof Parameter) {
      this.out.byte(t.requiresGrad ? 0x88 : 0x89);
      this.ordered();
      this.out.code('\x87R');
    }
    this.remember(t);
  }
  private ordered(): void {
    this.global('collections', 'OrderedDict');
    this.out.code(')R');
  }
  private sizes(sizes: readonly number[]): void {
    this.out.code('(');
    for (const n of sizes) this.number(n);
    this.out.code('t');
  }
  private storage(t: Tensor): void {
    const { storage, code } = t;
    const known = this.storages.get(storage);
    if (known && known.code !== code) {
      throw new TenfoldError(
        'dtype',
        `${this.call}: two tensors show the same memory as ${DTYPES[known.code]} and as ${DTYPES[code]}, which a checkpoint can't hold; clone() one of them`,
      );
    }
    const stored = known ?? { key: String(this.storages.size), code };
    this.storages.set(storage, stored);
    this.out.code('(');
    this.text('storage');
    this.global('torch', STORAGE_NAMES[code]!);
    this.text(stored.key);
    this.text('cpu');
    this.number(Math.floor(storage.nbytes / SIZE[code]!));
    this.out.code('tQ');
  }
}

const join = (path: string, key: unknown): string => (path === '' ? String(key) : `${path}.${String(key)}`);

function isOptimizerState(value: Record<string, unknown>): boolean {
  const { state, param_groups: groups } = value;
  return (
    isPlain(state) &&
    Object.keys(state).every((key) => /^\d+$/.test(key)) &&
    Array.isArray(groups) &&
    groups.every((g) => isPlain(g) && Array.isArray(g.params) && (g.params as unknown[]).every(Number.isInteger))
  );
}
