/**
 * Arguments as source text: what a fault's report prints, and what is made smaller when one is found. `h` in it is makers().
 */
import * as tf from '../../lib/index.js';
import type { Parameter } from '../../lib/op/schema.js';

/** Pseudo-random numbers of a seed (mulberry32). */
export class Dice {
  constructor(private state: number) {}
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  chance(p: number): boolean {
    return this.next() < p;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

const DTYPES = ['float32', 'float64', 'int64', 'int32', 'uint8', 'bool', 'int8', 'int16', 'float16', 'bfloat16'];
const LAYOUTS = [
  'dense',
  'dense',
  'dense',
  'turned',
  'expanded',
  'sliced',
  'overlapping',
  'typed',
  'freed',
  'detached',
];

/** What the text of arguments refers to as `h`. */
export interface Makers {
  T(shape: number[], dtype?: string, layout?: string, grad?: boolean): tf.Tensor;
  index(shape: number[], below: number): tf.Tensor;
  turning(first: unknown, then: unknown): unknown[];
  throwing(key: string): object;
  disposing(key: string): object;
  /** Tensors of the call so far. */
  made: tf.Tensor[];
}
export function makers(): Makers {
  const made: tf.Tensor[] = [];
  const keep = (t: tf.Tensor): tf.Tensor => {
    made.push(t);
    return t;
  };
  function T(given: number[], dtype = 'float32', layout = 'dense', grad = false): tf.Tensor {
    const shape = given.slice(0, 64);
    const options = { dtype: dtype as tf.DType };
    let t: tf.Tensor;
    const base = (s: number[]): tf.Tensor => tf.arange(s.reduce((a, b) => a * b, 1)).reshape(s).remainder(7).sub(2).to(options.dtype); // prettier-ignore
    if (layout === 'turned') t = base([...shape].reverse()).permute(shape.map((_, i) => shape.length - 1 - i));
    else if (layout === 'expanded') t = base(shape.map((s, i) => (i === 0 ? 1 : s))).expand(shape);
    else if (layout === 'sliced' && shape.length < 64) t = base([...shape, 2]).select(-1, 1);
    else if (layout === 'overlapping')
      t = tf.zeros([64], options).asStrided(shape.map((s) => Math.min(s, 3)), shape.map(() => 1)); // prettier-ignore
    else if (layout === 'typed' || layout === 'detached') {
      const array = new Float32Array(shape.reduce((a, b) => a * b, 1));
      t = tf.fromTypedArray(array, shape);
      if (layout === 'detached') structuredClone(array.buffer, { transfer: [array.buffer] });
    } else t = base(shape);
    if (layout === 'freed') t.dispose();
    if (grad && t.isFloatingPoint()) t.requiresGrad_();
    return keep(t);
  }
  const getter = (key: string, get: () => unknown): object =>
    Object.defineProperty({}, key, { get, enumerable: true, configurable: true });
  return {
    made,
    T,
    index: (given, below) => {
      const shape = given.slice(0, 64);
      return keep(
        tf
          .arange(shape.reduce((a, b) => a * b, 1))
          .reshape(shape)
          .remainder(below),
      );
    },
    turning: (first, then) => {
      let reads = 0;
      return Object.defineProperty([0], 0, { get: () => (reads++ === 0 ? first : then), enumerable: true });
    },
    throwing: (key) =>
      getter(key, () => {
        throw new Error('thrown by the caller');
      }),
    disposing: (key) =>
      getter(key, () => {
        for (const t of made) t.dispose();
        return 1;
      }),
  };
}

/** Arguments of one call: shapes that have to do with each other, else nothing would get past the first check. */
export class Arguments {
  private readonly shape: number[];
  constructor(private readonly dice: Dice) {
    const dims = dice.chance(0.04) ? dice.pick([16, 17, 20, 63, 64]) : dice.below(6);
    const sizes = dims > 6 ? [1, 1, 1, 1, 1, 2] : [0, 1, 1, 2, 2, 3, 4, 5, 8];
    this.shape = Array.from({ length: dims }, () => dice.pick(sizes));
  }

  shapeOf(): number[] {
    const { dice, shape } = this;
    const s = [...shape];
    const roll = dice.below(12);
    if (roll < 6) return s;
    if (roll === 6) return s.map((n) => (dice.chance(0.4) ? 1 : n));
    if (roll === 7) return s.slice(dice.below(s.length + 1));
    if (roll === 8) return s.reverse();
    if (roll === 9 && s.length > 0) s[dice.below(s.length)] = dice.pick([0, 1, 2, 3, 17]);
    if (roll === 10) s.push(dice.pick([0, 1, 2, 3]));
    if (roll === 11) return Array.from({ length: dice.below(5) }, () => dice.pick([1, 2, 3]));
    return s;
  }
  tensor(grad = 0.5): string {
    const { dice } = this;
    const shape = JSON.stringify(this.shapeOf());
    if (dice.chance(0.12)) return `h.index(${shape}, ${dice.pick([1, 2, 3, 5])})`;
    const dtype = dice.chance(0.6) ? 'float32' : dice.pick(DTYPES);
    const layout = dice.chance(0.03) ? dice.pick(['freed', 'detached']) : dice.pick(LAYOUTS.slice(0, 8));
    return `h.T(${shape}, '${dtype}', '${layout}', ${dice.chance(grad)})`;
  }
  int(): string {
    const { dice } = this;
    if (dice.chance(0.07)) return dice.pick(['2 ** 34', '2 ** 40', '2 ** 52', '2 ** 53', '-(2 ** 40)', '1e300']);
    return String(dice.pick([0, 0, 1, 1, 1, 2, 2, 3, 4, 5, -1, -2, -3, 7, 16]));
  }
  ints(): string {
    const { dice } = this;
    if (dice.chance(0.02)) return `h.turning(${this.int()}, ${this.int()})`;
    const n = dice.chance(0.5) ? this.shape.length : dice.below(5);
    return `[${Array.from({ length: n }, () => this.int()).join(', ')}]`;
  }
  wrong(): string {
    return this.dice.pick([
      'undefined', 'null', 'NaN', 'Infinity', '-1', '1.5', '2 ** 53', '10n', 'true', "''", "'mean'", "'nonsense'", '[]', '[[]]',
      '{}', '[null]', '[1, [2]]', "['a']", '() => 1', 'Symbol.iterator', 'new Map()', 'new Date(0)', 'new Float32Array(3)',
      'new Uint8Array(new SharedArrayBuffer(8))', 'new Float32Array(new ArrayBuffer(8, { maxByteLength: 16 }))', '/x/',
      'Object.create(null)', 'new Proxy([2, 3], {})', 'new Proxy({}, {})', "h.throwing('dim')", "h.disposing('dim')",
      "h.throwing('length')", '{ isTensor: true, shape: [2] }', '{ dtype: 5 }', "{ dtype: 'float31' }", '{ nonsense: 1 }',
      'Object.create(tf.Tensor.prototype)', 'new Proxy(h.T([2]), {})', 'h.T([2])', "h.T([2, 2], 'float32', 'freed')",
      '{ manualSeed() {}, address: 8 }', 'new Array(5)', 'Promise.resolve(1)', '[h.T([2]), 3]', 'new Set([1])',
    ]); // prettier-ignore
  }
  any(): string {
    const { dice } = this;
    const roll = dice.below(10);
    if (roll < 4) return this.tensor();
    if (roll < 6) return this.int();
    if (roll === 6) return this.ints();
    if (roll === 7) return `[${this.tensor()}, ${this.tensor()}]`;
    return roll === 8 ? String(dice.next() * 3) : this.wrong();
  }
  /** A value for a parameter of a schema. */
  forParameter(p: Parameter): string {
    const { dice } = this;
    if (dice.chance(0.06)) return this.wrong();
    if (p.nullable && dice.chance(0.2)) return 'null';
    switch (p.kind) {
      case 'Tensor':
        return this.tensor();
      case 'Tensor[]':
        return `[${Array.from({ length: 1 + dice.below(3) }, () => this.tensor()).join(', ')}]`;
      case 'Tensor|Scalar':
        return dice.chance(0.6) ? this.tensor() : dice.pick(['2', '0', '-1.5', 'true', '3n', '2n ** 60n', 'NaN']);
      case 'Scalar':
        return dice.pick(['2', '0', '-1.5', 'true', '3n', '1e300', 'NaN']);
      case 'int':
        return this.int();
      case 'float':
        return dice.pick(['0', '1', '0.5', '-1', '2', 'Infinity', 'NaN', '1e300', '-0.25']);
      case 'float[]':
        return `[${Array.from({ length: dice.below(4) }, () => dice.pick(['0', '1', '0.5', 'NaN', '-2'])).join(', ')}]`;
      case 'bool':
        return String(dice.chance(0.5));
      case 'string':
        return `'${dice.pick(['mean', 'sum', 'none', 'ij', 'xy', 'bilinear', 'nearest', 'reflect', 'linear', 'area', 'fro', 'ab,bc->ac', 'constant', 'zeros', 'border', 'max', 'amax', 'floor', 'tanh', 'circular', 'replicate'])}'`; // prettier-ignore
      case 'dtype':
        return `'${dice.pick(DTYPES)}'`;
      case 'generator':
        return 'new tf.Generator()';
      case 'index[]':
        return `[${Array.from({ length: dice.below(4) }, () => this.indexOf()).join(', ')}]`;
      case 'int[]|string':
        return dice.chance(0.3) ? "'same'" : dice.chance(0.5) ? this.int() : this.ints();
      default:
        return p.kind.startsWith('int') ? (dice.chance(0.5) ? this.int() : this.ints()) : this.any();
    }
  }
  indexOf(): string {
    return this.dice.pick([this.int(), 'null', "'...'", 'true', 'false', 'tf.slice(1)', 'tf.slice(0, 9, 2)', this.tensor(0), '[0, 1]', `h.index([2], 2)`]); // prettier-ignore
  }
}
