/**
 * An operator's signature, one string that its inputs, attributes and their types all come from:
 *
 *   'Gemm(Tensor A, Tensor B, Tensor? C; float alpha=1, float beta=1, int transA=0, int transB=0)'
 *
 * - Inputs: Tensor; ints (a list of integers: shapes, axes; what computes them stays plain numbers); setting (a tensor that
 *   no training changes, such as a clip's bounds); value (a tensor, a list of them, or null). A trailing ? admits that it is left
 *   out, a trailing * stands for any number.
 * - Attributes, behind the semicolon: int, float, string, ints, floats, strings, tensor, graph, type. With a default, or with a
 *   trailing ? (null where it is not given); without either it is required. What is no attribute of any version of the operator
 *   is refused when the model is loaded.
 */
import type { Tensor } from '../tensor/tensor.js';
import type { Integers } from './integers.js';

/** What passes between nodes: a tensor, plain whole numbers, a sequence of tensors, or null for an empty optional. */
export type Value = Tensor | Integers | Value[] | null;
/** A subgraph, bound to the values around it. */
export type Subgraph = (...inputs: Value[]) => Value[];

interface AttributeKinds {
  int: number;
  float: number;
  string: string;
  ints: readonly number[];
  floats: readonly number[];
  strings: readonly string[];
  tensor: Tensor;
  graph: Subgraph;
  /** An optional's type, which nothing here depends on. */
  type: null;
}
export type AttributeKind = keyof AttributeKinds;
type Split<S extends string> = S extends `${infer A}, ${infer B}` ? A | Split<B> : S;
type NameOf<S extends string> = S extends `${string} ${infer N}=${string}`
  ? N
  : S extends `${string} ${infer N}`
    ? N
    : never;
type TypeOf<S extends string> = S extends `${infer K}? ${string}`
  ? K extends AttributeKind
    ? AttributeKinds[K] | null
    : never
  : S extends `${infer K} ${string}`
    ? K extends AttributeKind
      ? AttributeKinds[K]
      : never
    : never;
/** The attributes that a signature declares, by name. */
export type Attributes<S extends string> = S extends `${string}; ${infer L})`
  ? { readonly [X in Split<L> as NameOf<X>]: TypeOf<X> }
  : object;

/** What a body knows besides attributes and inputs. */
export interface Context {
  /** Version of the operator set that the model (or function) asks for. */
  readonly opset: number;
  /** Number of outputs; `wants[i]` says whether output i is used. */
  readonly outputs: number;
  readonly wants: readonly boolean[];
}

/** The result of a body: a tensor, or a list where there are several outputs. */
export type Result = Value | readonly Value[];
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the inputs are of the kinds that the signature says
type Inputs = any[];

export interface InputSpec {
  readonly name: string;
  readonly kind: 'Tensor' | 'ints' | 'setting' | 'value';
  readonly optional: boolean;
  readonly variadic: boolean;
}
export interface AttributeSpec {
  readonly kind: AttributeKind;
  readonly required: boolean;
  readonly default: unknown;
}

/** An operator: how it is called, and what it computes, written with public ops. */
export interface Operator {
  readonly name: string;
  readonly inputs: readonly InputSpec[];
  readonly attributes: ReadonlyMap<string, AttributeSpec>;
  /** Whether the body gives a list of outputs, not the one. */
  readonly several: boolean;
  readonly body: (attributes: never, ...inputs: Inputs) => Result;
  /** What it computes on plain whole numbers, where all inputs are such; null sends it to the body. */
  readonly whole: ((attributes: never, ...inputs: Integers[]) => Integers | null) | null;
}

/** An operator with one output. */
export function operator<S extends string>(
  signature: S,
  body: (attributes: Attributes<S> & Context, ...inputs: Inputs) => Value,
  whole: ((attributes: Attributes<S> & Context, ...inputs: Integers[]) => Integers | null) | null = null,
): Operator {
  return parse(signature, false, body as Operator['body'], whole as Operator['whole']);
}
/** An operator whose body gives the list of its outputs. */
export function operators<S extends string>(
  signature: S,
  body: (attributes: Attributes<S> & Context, ...inputs: Inputs) => readonly Value[],
): Operator {
  return parse(signature, true, body as Operator['body'], null);
}

function parse(signature: string, several: boolean, body: Operator['body'], whole: Operator['whole']): Operator {
  const match = /^(\w+)\(([^;)]*)(?:; (.*))?\)$/.exec(signature);
  if (!match) throw new Error(`unreadable signature: ${signature}`);
  const list = (text: string | undefined): string[] => (text ? text.split(', ') : []);
  const inputs = list(match[2]).map((text): InputSpec => {
    const [kind, name] = text.split(' ') as [string, string];
    return {
      name,
      kind: kind.replace(/[?*]$/, '') as InputSpec['kind'],
      optional: /[?*]$/.test(kind),
      variadic: kind.endsWith('*'),
    };
  });
  const attributes = list(match[3]).map((text): [string, AttributeSpec] => {
    const [, kind, optional, name, value] = /^(\w+)(\?)? (\w+)(?:=(.*))?$/.exec(text)!;
    const preset = value === undefined ? null : kind === 'string' ? value : (JSON.parse(value) as unknown);
    return [name!, { kind: kind as AttributeKind, required: !optional && value === undefined, default: preset }];
  });
  return { name: match[1]!, inputs, attributes: new Map(attributes), several, body, whole };
}

/** Operators by name. */
export const table = (...list: Operator[]): Map<string, Operator> => new Map(list.map((one) => [one.name, one]));
