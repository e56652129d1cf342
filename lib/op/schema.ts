/**
 * The schema of an op: one string in PyTorch's notation that its types, argument parsing, defaults, option names and
 * error messages all come from.
 *
 *   'sum(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)'
 *
 * - Kinds: Tensor, Tensor[], Scalar, Tensor|Scalar, int, int[] (a number or a list), int[]|string, int?[] (with nulls in
 *   the list), int... (variadic or a list), float, float[], float|float[], bool, string, dtype, generator, index[] (what
 *   Tensor.index takes), any. A trailing ? admits null.
 * - A first parameter named `self` makes the op a method of Tensor too. `name[_](…)` adds the in-place method `name_`.
 * - From the first parameter with a default on, arguments go by position or by name in one trailing options object;
 *   those behind `*` by name only.
 * - Results: nothing for a Tensor, else `-> Tensor[]`, `-> (values, indices)`, `-> bool`, `-> number`.
 */
import { TenfoldError, checkOptions, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { isTensor, type Tensor } from '../tensor/tensor.js';
import { isGenerator, type Generator } from '../random/generator.js';
import type { Index } from '../ops/indexing.js';

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
  'int[]|string': number | readonly number[] | string;
  float: number;
  'float[]': readonly number[];
  'float|float[]': number | readonly number[];
  bool: boolean;
  string: string;
  'string|function': string | ((x: Tensor) => Tensor);
  dtype: DType;
  generator: Generator;
  'index[]': readonly Index[];
  any: unknown;
}
type KindOf<K extends string> = K extends keyof Kinds ? Kinds[K] : K extends `${infer B}?` ? KindOf<B> | null : never;

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
  [X in Extract<Named<ParamList<S>>, { optional: true }> as X['name']]?: X['kind'];
};
/** Where a dtype is an option, so is the one device that there is. */
type Device<S extends string> = S extends `${string} dtype=${string}` ? { device?: string | null } : unknown;
type ArgsOf<L extends AnyParam[], O> = L extends [infer H extends AnyParam, ...infer R extends AnyParam[]]
  ? H['kind'] extends '...'
    ? [...size: number[]] | [size: readonly number[]]
    : H['optional'] extends true
      ? [a?: H['kind'] | O, ...ArgsOf<R, O>]
      : [H['kind'], ...ArgsOf<R, O>]
  : [options?: O];
type Args<S extends string> = ArgsOf<Positional<ParamList<S>>, Options<S> & Device<S>>;
type Behind<T extends unknown[]> = T extends [unknown, ...infer R] ? R : [];
type NamedTensors<S extends string> = S extends `${infer A}, ${infer B}`
  ? { [K in A]: Tensor } & NamedTensors<B>
  : { [K in S]: Tensor };
type Result<S extends string> = S extends `${string}-> (${infer N})`
  ? Tensor[] & NamedTensors<N>
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

type SchemaOf<X> = X extends { readonly schema: infer S extends string } ? S : never;
type MethodName<S extends string> = S extends `${infer N}(Tensor self${string}`
  ? N extends `${infer B}[_]`
    ? B
    : N
  : never;
type InplaceName<S extends string> = S extends `${infer N}[_](Tensor self${string}` ? `${N}_` : never;

/** The methods that a module of ops gives to Tensor. */
export type Methods<M> = {
  [K in keyof M as MethodName<SchemaOf<M[K]>>]: (...args: Behind<Args<SchemaOf<M[K]>>>) => Result<SchemaOf<M[K]>>;
} & {
  [K in keyof M as InplaceName<SchemaOf<M[K]>>]: (...args: Behind<Args<SchemaOf<M[K]>>>) => Tensor;
};

// ---- parsing the notation ------------------------------------------------------------------------------------------

/** One parameter of a schema. */
export interface Parameter {
  readonly name: string;
  readonly kind: string;
  readonly nullable: boolean;
  readonly optional: boolean;
  readonly keywordOnly: boolean;
  readonly default: unknown;
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
  'int[]|string': (v) => typeof v === 'string' || (typeof v === 'number' ? Number.isInteger(v) : isIntegerList(v)),
  'int...': (v) => (typeof v === 'number' ? Number.isInteger(v) : isIntegerList(v)),
  float: (v) => typeof v === 'number',
  'float[]': isNumberList,
  'float|float[]': (v) => typeof v === 'number' || isNumberList(v),
  bool: (v) => typeof v === 'boolean',
  string: (v) => typeof v === 'string',
  'string|function': (v) => typeof v === 'string' || typeof v === 'function',
  dtype: (v) => typeof v === 'string',
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
  'int[]|string': "an integer, a list of integers, or a word such as 'same'",
  'int...': 'integers or a list of integers',
  float: 'a number',
  'float[]': 'a list of numbers',
  'float|float[]': 'a number or a list of numbers',
  bool: 'a boolean',
  string: 'a string',
  'string|function': 'a name or a function',
  dtype: 'a dtype',
  generator: 'a Generator',
  'index[]': 'a list of indices',
};

/** Reads a schema; a mistake in it is an error at load. */
export function parseSchema(schema: string): Signature {
  const match = /^(\w+)(\[_\])?\(([^)]*)\)(?: -> (.+))?$/.exec(schema);
  if (!match) throw new Error(`unreadable schema: ${schema}`);
  const params: Parameter[] = [];
  let known = PARAMETERS;
  for (const text of match[3]!.split(', ')) {
    if (text === '*') known = KEYWORD_ONLY;
    else if (text !== '') params.push(known.get(text) ?? parseParameter(text, schema, known));
  }
  const results = /^\((.*)\)$/.exec(match[4] ?? '');
  return {
    name: match[1]!,
    inplace: match[2] !== undefined,
    params,
    positional: params.filter((p) => !p.keywordOnly).length,
    optionNames: params.filter((p) => p.optional).map((p) => p.name),
    results: results ? results[1]!.split(', ') : [],
    schema,
  };
}

// Most parameters stand in many schemas, and all schemas are read when the library loads.
const PARAMETERS = new Map<string, Parameter>();
const KEYWORD_ONLY = new Map<string, Parameter>();

function parseParameter(text: string, schema: string, known: Map<string, Parameter>): Parameter {
  const p = /^(\S+?)(\?)? (\w+)(?:=(.+))?$/.exec(text);
  const accepts = p && ACCEPTS[p[1]!];
  if (!p || !accepts) throw new Error(`unreadable parameter '${text}' in schema ${schema}`);
  const parameter = {
    name: p[3]!,
    kind: p[1]!,
    nullable: p[2] === '?',
    optional: p[4] !== undefined,
    keywordOnly: known === KEYWORD_ONLY,
    default: p[4] === undefined ? undefined : readDefault(p[4]),
    list: p[1]!.includes('[]') || p[1] === 'int...',
    accepts,
  };
  known.set(text, parameter);
  return parameter;
}

function readDefault(text: string): unknown {
  if (/^'.*'$/.test(text)) return text.slice(1, -1);
  return JSON.parse(text === 'inf' ? '1e999' : text);
}

// ---- parsing a call ------------------------------------------------------------------------------------------------

const isOptions = (v: unknown): v is Record<string, unknown> => {
  if (typeof v !== 'object' || v === null) return false;
  const { constructor } = v;
  return constructor === Object || (constructor === undefined && Object.getPrototypeOf(v) === null);
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
        throw new TypeError(`${call}: missing argument '${p.name}' (${EXPECTED[p.kind] ?? p.kind}); ${sig.schema}`);
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

function badArgument(call: string, p: Parameter, value: unknown): never {
  if (p.kind === 'Tensor' && Array.isArray(value)) {
    throw new TypeError(`${call}: '${p.name}' must be a tensor, got ${show(value)}; wrap it in tensor(…)`);
  }
  throw new TypeError(
    `${call}: '${p.name}' must be ${EXPECTED[p.kind]}${p.nullable ? ' or null' : ''}, got ${show(value)}`,
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
