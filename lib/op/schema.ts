/**
 * The schema of an op: one string in PyTorch's notation that its types, argument parsing, defaults, option names and
 * error messages all come from.
 *
 *   'sum(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)'
 *
 * - Kinds: Tensor, Tensor[], Scalar, Tensor|Scalar, int, int[] (a number or a list), int?[] (with nulls in the list), int...
 *   (variadic or a list), float, float[], float|float[], bool, string, function (of a tensor), dtype, generator, index[] (what
 *   Tensor.index takes), any; one of a few words, 'none'|'tanh', alone or beside a kind, int[]|'same'. A trailing ? admits null.
 * - A first parameter named `self` makes the op a method of Tensor too. `name[_](…)` adds the in-place method `name_`.
 * - From the first parameter with a default on, arguments go by position or by name in one trailing options object;
 *   those behind `*` by name only.
 * - Results: nothing for a Tensor, else `-> Tensor[]`, `-> (values, indices)`, `-> bool`, `-> number`.
 */
import { TenfoldError, checkOptions, didYouMean, isPlainObject, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { isGenerator, type Generator } from '../random/generator.js';
import type { Index } from '../ops/indexing.js';
import { alternatives, readNotation, readParameter, type NotedParameter } from './notation.js';

// ---- types ---------------------------------------------------------------------------------------------------------

/** A scalar operand. */
export type Scalar = number | boolean | bigint;

interface Kinds {
  Tensor: Tensor;
  'Tensor[]': readonly Tensor[];
  Scalar: Scalar;
  'Tensor|Scalar': Tensor | Scalar;
  int: number;
  'int[]': number | readonly number[];
  'int?[]': number | readonly (number | null)[];
  float: number;
  'float[]': readonly number[];
  'float|float[]': number | readonly number[];
  bool: boolean;
  string: string;
  function: (x: Tensor) => Tensor;
  dtype: DType;
  'dtype|Tensor': DType | Tensor;
  generator: Generator;
  'index[]': readonly Index[];
  any: unknown;
}
type KindOf<K extends string> = K extends keyof Kinds
  ? Kinds[K]
  : K extends `${infer B}?`
    ? KindOf<B> | null
    : K extends `${infer A}|${infer B}`
      ? KindOf<A> | KindOf<B>
      : K extends `'${infer Word}'`
        ? Word
        : never;

interface AnyParam {
  kind: unknown;
  name: string;
  optional: boolean;
}
type Param<S extends string> = S extends `int... ${infer N}`
  ? { kind: '...'; name: N; optional: false }
  : S extends `${infer K} ${infer N}=${string}`
    ? { kind: KindOf<K>; name: N; optional: true }
    : S extends `${infer K} ${infer N}`
      ? { kind: KindOf<K>; name: N; optional: false }
      : never;
type Split<S extends string> = S extends `${infer A}, ${infer B}` ? [A, ...Split<B>] : S extends '' ? [] : [S];
type Positional<L extends string[]> = L extends [infer H extends string, ...infer R extends string[]]
  ? H extends '*'
    ? []
    : [Param<H>, ...Positional<R>]
  : [];
type Named<L extends string[]> = L extends [infer H extends string, ...infer R extends string[]]
  ? H extends '*'
    ? Named<R>
    : Param<H> | Named<R>
  : never;
type ParamList<S extends string> = S extends `${string}(${infer A})${string}` ? Split<A> : never;
type Options<S extends string> = {
  [X in Extract<Named<ParamList<S>>, { optional: true }> as X['name']]?: X['kind'] | undefined;
};
/** Where a dtype is an option, so is the one device that there is. */
type Device<S extends string> = S extends `${string} dtype=${string}`
  ? { device?: string | null | undefined }
  : unknown;
type Last<O> = keyof O extends never ? [] : [options?: O];
/** Arguments by position, as far as they are given, and behind them those given by name: a tuple for each number of them. */
type ArgsOf<L extends AnyParam[], O> = L extends [infer H extends AnyParam, ...infer R extends AnyParam[]]
  ? H['kind'] extends '...'
    ? [...size: number[]] | [size: readonly number[]]
    : H['optional'] extends true
      ? Last<O> | [H['kind'] | undefined, ...ArgsOf<R, O>]
      : [H['kind'], ...ArgsOf<R, O>]
  : Last<O>;
type Args<S extends string> = ArgsOf<Positional<ParamList<S>>, Options<S> & Device<S>>;
type Behind<T extends unknown[]> = T extends [unknown, ...infer R] ? R : [];

/** Results with names, as PyTorch's named tuples: by name, by position, and one after the other; no array. */
export type NamedTensors<N extends readonly string[]> = Iterable<Tensor> &
  Readonly<Record<keyof N & `${number}`, Tensor>> &
  Readonly<Record<N[number], Tensor>> & { readonly length: N['length'] };
type Result<S extends string> = S extends `${string}-> (${infer N})`
  ? NamedTensors<Split<N>>
  : S extends `${string}-> ${infer R}`
    ? R extends 'Tensor[]'
      ? Tensor[]
      : R extends 'bool'
        ? boolean
        : R extends 'number'
          ? number
          : never
    : Tensor;

/** Arguments that a schema admits, as a tuple: for calls that are no ops, such as constructors of modules. */
export type Arguments<S extends string> = Args<S>;
type ValuesOf<L extends string[]> = L extends [infer H extends string, ...infer R extends string[]]
  ? H extends '*'
    ? ValuesOf<R>
    : [Param<H>['kind'] extends '...' ? readonly number[] : Param<H>['kind'], ...ValuesOf<R>]
  : [];
/** All arguments of a parsed call, in the order of the schema. */
export type Values<S extends string> = ValuesOf<ParamList<S>>;

/** An op as users call it. Its schema is its type. */
export interface Op<S extends string = string> {
  (...args: Args<S>): Result<S>;
  readonly schema: S;
}

/** A schema with another name. */
export type Renamed<S extends string, N extends string> = S extends `${infer Name}(${infer Rest}`
  ? Name extends `${string}[_]`
    ? `${N}[_](${Rest}`
    : `${N}(${Rest}`
  : never;
type AsMethod<L extends readonly string[]> = L extends readonly [
  infer S extends string,
  ...infer R extends readonly string[],
]
  ? S extends `${string}(Tensor self${string}`
    ? ((...args: Behind<Args<S>>) => Result<S>) & AsMethod<R>
    : AsMethod<R>
  : unknown;
interface Schema {
  readonly schema: string;
}
/**
 * Two or three ops under the name N: what overload() makes of them, and is annotated with, for the type of an op must not hang
 * on its body. `asMethod` is the type as a method; no value has it.
 */
export interface Overload<N extends string, A extends Schema, B extends Schema, C extends Schema = B> {
  (...args: Args<A['schema']>): Result<A['schema']>;
  (...args: Args<B['schema']>): Result<B['schema']>;
  (...args: Args<C['schema']>): Result<C['schema']>;
  readonly schema: Renamed<(A | B | C)['schema'], N>;
  readonly asMethod: AsMethod<[A['schema'], B['schema'], C['schema']]>;
}

type SchemaOf<X> = X extends { readonly schema: infer S extends string } ? S : never;
type MethodName<S extends string> = S extends `${infer N}(Tensor self${string}`
  ? N extends `${infer B}[_]`
    ? B
    : N
  : never;
type InplaceName<S extends string> = S extends `${infer N}[_](Tensor self${string}` ? `${N}_` : never;
type Method<X> = X extends { readonly asMethod: infer F }
  ? F
  : X extends { readonly schema: infer S extends string }
    ? (...args: Behind<Args<S>>) => Result<S>
    : never;
type Inplace<S extends string> = S extends `${string}[_](Tensor self${string}`
  ? (...args: Behind<Args<S>>) => Tensor
  : never;

/** The methods that a module of ops gives to Tensor. */
export type Methods<M> = {
  [K in keyof M as MethodName<SchemaOf<M[K]>>]: Method<M[K]>;
} & {
  [K in keyof M as InplaceName<SchemaOf<M[K]>>]: Inplace<SchemaOf<M[K]>>;
};

// ---- parsing the notation ------------------------------------------------------------------------------------------

/** One parameter of a schema. */
export interface Parameter extends NotedParameter {
  /** The words that a string may be, where they are a few. */
  readonly words: readonly string[];
  /** Whether it takes lists, which are copied. */
  readonly list: boolean;
  readonly accepts: (value: unknown) => boolean;
}

/** A schema, read. */
export interface Signature {
  readonly name: string;
  readonly inplace: boolean;
  readonly params: readonly Parameter[];
  readonly positional: number;
  readonly optionNames: readonly string[];
  readonly results: readonly string[];
  readonly schema: string;
}

export { isTensor };

const isScalar = (v: unknown): boolean => typeof v === 'number' || typeof v === 'boolean' || typeof v === 'bigint';
const isNumberList = (v: unknown): boolean => Array.isArray(v) && v.every((x) => typeof x === 'number');
const isIntegerList = (v: unknown): boolean => {
  if (!Array.isArray(v)) return false;
  for (let i = 0; i < v.length; i++) if (!Number.isInteger(v[i])) return false;
  return true;
};
const ACCEPTS: Record<string, (v: unknown) => boolean> = {
  Tensor: isTensor,
  'Tensor[]': (v) => Array.isArray(v) && v.every(isTensor),
  Scalar: isScalar,
  'Tensor|Scalar': (v) => isScalar(v) || isTensor(v),
  int: (v) => Number.isInteger(v),
  'int[]': (v) => (typeof v === 'number' ? Number.isInteger(v) : isIntegerList(v)),
  'int?[]': (v) => Number.isInteger(v) || (Array.isArray(v) && v.every((x) => x === null || Number.isInteger(x))),
  'int...': (v) => (typeof v === 'number' ? Number.isInteger(v) : isIntegerList(v)),
  float: (v) => typeof v === 'number',
  'float[]': isNumberList,
  'float|float[]': (v) => typeof v === 'number' || isNumberList(v),
  bool: (v) => typeof v === 'boolean',
  string: (v) => typeof v === 'string',
  function: (v) => typeof v === 'function',
  dtype: (v) => typeof v === 'string',
  'dtype|Tensor': () => true, // to() says what is wrong
  generator: isGenerator,
  'index[]': (v) => Array.isArray(v),
  any: () => true,
};
const EXPECTED: Record<string, string> = {
  Tensor: 'a tensor',
  'Tensor[]': 'a list of tensors',
  Scalar: 'a number, boolean or bigint',
  'Tensor|Scalar': 'a tensor or a number',
  int: 'an integer',
  'int[]': 'an integer or a list of integers',
  'int?[]': 'an integer or a list of integers (or null)',
  'int...': 'integers or a list of integers',
  float: 'a number',
  'float[]': 'a list of numbers',
  'float|float[]': 'a number or a list of numbers',
  bool: 'a boolean',
  string: 'a string',
  function: 'a function',
  dtype: 'a dtype',
  generator: 'a Generator',
  'index[]': 'a list of indices',
};

/** The same beside words, in short. */
const BESIDE_WORDS: Record<string, string> = { 'int[]': 'numbers' };

/** Reads a schema; a mistake in it is an error at load. */
export function parseSchema(schema: string): Signature {
  const { name, inplace, params, results } = readNotation(schema, readKnown);
  return {
    name,
    inplace,
    params,
    positional: params.filter((p) => !p.keywordOnly).length,
    optionNames: params.filter((p) => p.optional).map((p) => p.name),
    results,
    schema,
  };
}

// Most parameters stand in many schemas, and all schemas are read when the library loads.
const PARAMETERS = new Map<string, Parameter>();
const KEYWORD_ONLY = new Map<string, Parameter>();

function readKnown(text: string, keywordOnly: boolean): Parameter {
  const known = keywordOnly ? KEYWORD_ONLY : PARAMETERS;
  const found = known.get(text);
  if (found !== undefined) return found;
  const noted = readParameter(text, keywordOnly);
  const { words, kinds } = alternatives(noted.kind);
  // One literal: objects made by a spread are slower to read, in every call that is parsed.
  const parameter: Parameter = {
    name: noted.name,
    kind: noted.kind,
    nullable: noted.nullable,
    optional: noted.optional,
    keywordOnly: noted.keywordOnly,
    default: noted.default,
    words,
    list: noted.kind.includes('[]') || noted.kind === 'int...',
    accepts: acceptor(words.length > 0, kinds),
  };
  known.set(text, parameter);
  return parameter;
}

/** Whether a value is of one of these kinds; which words a string may be is looked at where it is one. */
function acceptor(hasWords: boolean, kinds: readonly string[]): (value: unknown) => boolean {
  const tests = kinds.map((kind) => {
    const accepts = ACCEPTS[kind];
    if (!accepts) throw new Error(`unknown kind '${kind}' in a schema`);
    return accepts;
  });
  if (hasWords) tests.push((v) => typeof v === 'string');
  return tests.length === 1 ? tests[0]! : (v) => tests.some((accepts) => accepts(v));
}

// ---- parsing a call ------------------------------------------------------------------------------------------------

const isOptions = (v: unknown): v is Record<string, unknown> => {
  if (typeof v !== 'object' || v === null) return false;
  const { constructor } = v;
  // The first for all, the second for literals of another realm.
  return constructor === Object || ((constructor === undefined || constructor.name === 'Object') && isPlainObject(v));
};

/** The arguments of a call in the order of the schema, checked and with defaults filled in. */
export function parseArguments(sig: Signature, args: readonly unknown[], call = sig.name): unknown[] {
  const { params, positional } = sig;
  const out = new Array<unknown>(params.length);
  let count = args.length;
  let options: Record<string, unknown> | null = null;
  if (count > 0 && isOptions(args[count - 1])) {
    options = args[--count] as Record<string, unknown>;
    // Any parameter may be named here; only the optional ones are advertised.
    checkOptions(
      call,
      options,
      params.map((p) => p.name),
      sig.optionNames,
    );
  }
  let at = 0; // next positional argument
  for (let i = 0; i < params.length; i++) {
    const p = params[i]!;
    let value: unknown;
    let own = !p.list; // whether it is ours alone
    if (p.kind === 'int...' && !p.keywordOnly) {
      own = !(count - at === 1 && Array.isArray(args[at]));
      value = count - at === 1 && Array.isArray(args[at]) ? args[at] : args.slice(at, count);
      if (options && p.name in options) {
        value = options[p.name];
        own = false;
      }
      at = count;
    } else if (!p.keywordOnly && at < count) {
      value = args[at++];
      if (options && options[p.name] !== undefined) {
        throw new TypeError(`${call}: '${p.name}' is given twice, by position and by name`);
      }
    } else {
      value = options?.[p.name];
    }
    if (value === undefined) {
      if (!p.optional && !p.nullable) {
        throw new TypeError(`${call}: missing argument '${p.name}' (${expected(p)}); ${sig.schema}`);
      }
      out[i] = p.optional ? p.default : null;
    } else if (value === null) {
      // null stands for Python's None: what a parameter without one takes it for is its default.
      if (!p.nullable && !p.optional) badArgument(call, p, value);
      out[i] = p.nullable ? null : p.default;
    } else {
      // A list is read once: one with accessors might answer otherwise after the check.
      if (!own && Array.isArray(value)) value = ownList(call, p, value);
      if (!p.accepts(value)) badArgument(call, p, value);
      if (typeof value === 'string' && p.words.length > 0) checkWord(call, p, value);
      out[i] = value;
    }
  }
  if (at < count) {
    throw new TypeError(`${call}: takes at most ${positional} arguments, got ${count}; ${sig.schema}`);
  }
  return out;
}

/** Longest list of numbers that a call takes: no op walks one of its own accord. */
const MAX_LIST = 2 ** 24;
function ownList(call: string, p: Parameter, list: readonly unknown[]): unknown[] {
  const { length } = list;
  if (length > MAX_LIST)
    throw new RangeError(`${call}: '${p.name}' may have ${MAX_LIST} elements, got a list of ${length}`);
  const copy: unknown[] = [];
  for (let i = 0; i < length; i++) copy.push(list[i]);
  return copy;
}

const either = (parts: readonly string[]): string =>
  parts.length === 1 ? parts[0]! : `${parts.slice(0, -1).join(', ')} or ${parts.at(-1)!}`;
/** What a parameter takes, as a message says it: a word once, however it may be spelt. */
function expected(p: Parameter): string {
  if (p.words.length === 0) return EXPECTED[p.kind] ?? p.kind;
  const spelling = (part: string): string => part.toLowerCase().replaceAll('_', '');
  const parts = p.kind.split('|').map((part) => BESIDE_WORDS[part] ?? EXPECTED[part] ?? part);
  return either(parts.filter((part, i) => parts.findIndex((other) => spelling(other) === spelling(part)) === i));
}
function checkWord(call: string, p: Parameter, word: string): void {
  if (p.words.includes(word)) return;
  throw new TenfoldError(
    'value',
    `${call}: ${p.name} must be ${expected(p)}, got ${show(word)}${didYouMean(word, p.words)}`,
  );
}

function badArgument(call: string, p: Parameter, value: unknown): never {
  if (p.kind === 'Tensor' && Array.isArray(value)) {
    throw new TypeError(`${call}: '${p.name}' must be a tensor, got ${show(value)}; wrap it in tensor(…)`);
  }
  const wordsOnly = p.words.length > 0 && alternatives(p.kind).kinds.length === 0;
  throw new TypeError(
    `${call}: '${p.name}' must be ${wordsOnly ? EXPECTED.string : expected(p)}${p.nullable ? ' or null' : ''}, got ${show(value)}`,
  );
}

/** Whether arguments fit a schema, for ops with several. */
export function fits(sig: Signature, args: readonly unknown[]): boolean {
  try {
    parseArguments(sig, args);
    return true;
  } catch (error) {
    if (error instanceof TypeError || error instanceof TenfoldError) return false;
    throw error;
  }
}

/** A schema for what isn't an op, such as a module's constructor: reads a call's arguments into schema order. */
export function signature<S extends string>(
  schema: S,
): { readonly schema: S; read(args: readonly unknown[], call?: string): Values<S> } {
  const sig = parseSchema(schema);
  return { schema, read: (args, call) => parseArguments(sig, args, call) as Values<S> };
}

/** Arguments of a function that takes tensors one by one or in a list. */
export type Tensors = [...tensors: Tensor[]] | [tensors: readonly Tensor[]];
/** Those tensors. */
export function tensorsOf(call: string, args: readonly unknown[]): Tensor[] {
  const given = args.length === 1 && Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  given.forEach((t, i) => {
    if (!isTensor(t)) throw new TypeError(`${call}: argument ${i} must be a tensor, got ${show(t)}`);
  });
  return given as Tensor[];
}
