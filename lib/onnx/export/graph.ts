/** The graph that is being written: nodes, constants, and sizes that depend on open dims. */
import { TenfoldError } from '../../errors.js';
import { Code, type DType } from '../../dtype.js';
import { scalarTensor } from '../../ops/creation.js';
import { Tensor } from '../../tensor/tensor.js';
import { Integers } from '../integers.js';
import type { AttributeMessage, NodeMessage, TensorMessage } from '../messages.js';
import { OPERATORS } from '../operators/index.js';
import { elementOf, tensorMessage } from '../tensors.js';

/** A value of the graph: its shape in each of the runs that were watched. */
export interface Value {
  readonly id: number;
  readonly dtype: DType;
  readonly shapes: readonly (readonly number[])[];
}
/** A number that differs between the runs, because it depends on an open dim. */
export class Size {
  constructor(readonly values: readonly number[]) {}
}
export type Int = number | Size;
/** What a translation gets as a tensor: a value, or a constant. */
export type Arg = Value | Tensor;

export const isValue = (x: unknown): x is Value => typeof x === 'object' && x !== null && 'shapes' in x;
/** Sizes of a value or constant; open ones as Size. */
export const sizesOf = (x: Arg): Int[] =>
  x instanceof Tensor ? [...x.shape] : x.shapes[0]!.map((n, d) => (x.shapes.every((shape) => shape[d] === n) ? n : new Size(x.shapes.map((shape) => shape[d]!)))); // prettier-ignore
export const rankOf = (x: Arg): number => (x instanceof Tensor ? x.ndim : x.shapes[0]!.length);
export const sameSize = (a: Int, b: Int): boolean =>
  a instanceof Size ? b instanceof Size && a.values.every((n, i) => n === b.values[i]) : a === b;

/** Ends of slices that reach to the end. */
export const TO_END = 2 ** 53 - 1;

export class Graph {
  readonly nodes: NodeMessage[] = [];
  readonly initializers: TensorMessage[] = [];
  private readonly names = new Map<number, string>();
  private readonly taken = new Set<string>();
  private readonly constants = new Map<Tensor, string>();
  private readonly numbers = new Map<string, string>();
  /** Values whose dims a size may be computed from: the model's inputs, then the operands of the call at hand. */
  readonly inputs: Value[] = [];
  operands: Value[] = [];

  constructor(readonly opset: number) {}

  /** A name that nothing has yet. */
  fresh(base: string): string {
    let name = base;
    for (let i = 1; this.taken.has(name); i++) name = `${base}_${i}`;
    this.taken.add(name);
    return name;
  }
  bind(value: { id: number }, name: string): void {
    this.taken.add(name);
    this.names.set(value.id, name);
  }
  has(value: { id: number }): boolean {
    return this.names.has(value.id);
  }

  /** Name of a value or constant. */
  of(x: Arg): string {
    if (x instanceof Tensor) return this.constant(x);
    const name = this.names.get(x.id);
    if (name === undefined) throw new TenfoldError('value', 'onnx.export: a value is used that nothing computed');
    return name;
  }
  constant(t: Tensor, base = 'constant'): string {
    let name = this.constants.get(t);
    if (name === undefined) {
      name = this.fresh(base);
      this.constants.set(t, name);
      this.initializers.push(tensorMessage(t, name));
    }
    return name;
  }
  /** A weight, under its own name; written where it is used. */
  state(t: Tensor, name: string): void {
    this.initializers.push(tensorMessage(t, name));
  }
  /** The constants and weights that nodes read. */
  used(): TensorMessage[] {
    const read = new Set(this.nodes.flatMap(({ inputs }) => inputs ?? []));
    return this.initializers.filter(({ name }) => read.has(name!));
  }
  /** A number as a tensor without dims. */
  number(value: number | boolean | bigint, dtype: DType): string {
    const key = `${dtype} ${value}${Object.is(value, -0) ? '-' : ''}`;
    let name = this.numbers.get(key);
    if (name === undefined) this.numbers.set(key, (name = this.constant(scalarTensor(value, { dtype }))));
    return name;
  }

  node(type: string, inputs: readonly (string | null)[], attributes: Record<string, unknown> = {}): string {
    return this.several(type, inputs, attributes, 1)[0]!;
  }
  several(
    type: string,
    inputs: readonly (string | null)[],
    attributes: Record<string, unknown>,
    outputs: number,
  ): string[] {
    const list = inputs.map((name) => name ?? '');
    while (list.at(-1) === '') list.pop();
    const names = Array.from({ length: outputs }, () => this.fresh(type.toLowerCase()));
    const messages = Object.entries(attributes).flatMap(([name, value]) => attributeOf(type, name, value));
    this.nodes.push({ inputs: list, outputs: names, name: names[0]!, opType: type, attributes: messages });
    return names;
  }

  cast(x: Arg, dtype: DType): string {
    return x.dtype === dtype ? this.of(x) : this.convert(this.of(x), dtype);
  }
  convert(name: string, dtype: DType): string {
    return this.node('Cast', [name], { to: elementOf(dtype) });
  }

  /** A list of whole numbers as a tensor; those that depend on open dims are computed. */
  ints(list: readonly Int[]): string {
    const whole = list.map((n) => (n === TO_END ? Infinity : n));
    if (whole.every((n) => typeof n === 'number')) {
      const key = `ints ${whole}`;
      let name = this.numbers.get(key);
      if (name === undefined) {
        const numbers = whole.map((n) => (n === Infinity ? 2n ** 63n - 1n : BigInt(n)));
        const t =
          numbers.length > 0
            ? Tensor.wrap(BigInt64Array.from(numbers), [numbers.length], Code.i64)
            : new Integers([]).tensor;
        this.numbers.set(key, (name = this.constant(t)));
      }
      return name;
    }
    const parts = list.map((n) => (n instanceof Size ? this.size(n) : this.ints([n])));
    return parts.length === 1 ? parts[0]! : this.node('Concat', parts, { axis: 0 });
  }

  /** A size from the dims of what is at hand: one of them, a multiple or part, so much more or less, or a product of two. */
  private size(size: Size): string {
    const sources = [...this.operands, ...this.inputs].flatMap((value) =>
      sizesOf(value).flatMap((n, axis) => (n instanceof Size ? [{ value, axis, n: n.values }] : [])),
    );
    const dim = ({ value, axis }: { value: Value; axis: number }): string =>
      this.node('Shape', [this.of(value)], { start: axis, end: axis + 1 });
    for (const source of sources) {
      const scaled = this.scaled(size.values, source.n, () => dim(source));
      if (scaled !== null) return scaled;
    }
    for (const source of sources) {
      const more = size.values.map((v, i) => v - source.n[i]!);
      if (more.every((m) => m === more[0])) return this.node('Add', [dim(source), this.ints([more[0]!])]);
    }
    for (const [i, a] of sources.entries()) {
      for (const b of sources.slice(i + 1)) {
        const product = a.n.map((n, k) => n * b.n[k]!);
        const scaled = this.scaled(size.values, product, () => this.node('Mul', [dim(a), dim(b)]));
        if (scaled !== null) return scaled;
      }
    }
    throw new TenfoldError('value', `onnx.export: a size that was ${size.values.join(', then ')} as open dims grew can't be told from them`); // prettier-ignore
  }
  private scaled(values: readonly number[], of: readonly number[], make: () => string): string | null {
    if (values[0] === 0 || values.some((v, i) => v * of[0]! !== values[0]! * of[i]!)) return null;
    const divisor = gcd(values[0]!, of[0]!);
    const [times, over] = [values[0]! / divisor, of[0]! / divisor];
    const name = make();
    const more = times === 1 ? name : this.node('Mul', [name, this.ints([times])]);
    return over === 1 ? more : this.node('Div', [more, this.ints([over])]);
  }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** An attribute of the kind that the operator's signature says; none for what is null or the default. */
function attributeOf(type: string, name: string, value: unknown): AttributeMessage[] {
  const spec = OPERATORS.get(type)?.attributes.get(name);
  if (spec === undefined) throw new Error(`onnx.export: ${type} has no attribute '${name}'`);
  if (value === null || value === undefined || value === spec.default) return [];
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  switch (spec.kind) {
    case 'int':
      return [{ name, type: 2, i: Number(value) }];
    case 'float':
      return [{ name, type: 1, f: value as number }];
    case 'string':
      return [{ name, type: 3, s: bytes(value as string) }];
    case 'ints':
      return [{ name, type: 7, ints: [...(value as number[])] }];
    case 'floats':
      return [{ name, type: 6, floats: [...(value as number[])] }];
    case 'strings':
      return [{ name, type: 8, strings: (value as string[]).map(bytes) }];
    case 'tensor':
      return [{ name, type: 4, t: tensorMessage(value as Tensor, '') }];
    default:
      throw new Error(`onnx.export: ${type}.${name} is of kind ${spec.kind}`);
  }
}
