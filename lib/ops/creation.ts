/** Making tensors: from data, filled, ranges. */
import { TenfoldError, checkDevice, checkOptions, renamed, show } from '../errors.js';
import {
  Code,
  DTYPES,
  codeOf,
  codeOfArray,
  defaultFloat,
  holds,
  isFloatCode,
  promoteCodes,
  type DType,
} from '../dtype.js';
import { fillElements } from '../tensor/copy.js';
import { elementsOf, type TypedArray } from '../tensor/elements.js';
import { MAX_DIMS, checkSizes, formatShape, numelOf, type Shape } from '../tensor/shape.js';
import { Tensor, checkIsTensor, checkTensor, isTensor, type Nested } from '../tensor/tensor.js';
import type { Scalar } from '../op/schema.js';

/** Options of functions that make tensors. */
export interface TensorOptions {
  dtype?: DType | null;
  requiresGrad?: boolean;
  /** Only 'cpu' exists; accepted so that scripts carry over. */
  device?: string | null;
}
const OPTIONS = ['dtype', 'requiresGrad', 'device'];

/** Numbers, booleans or bigints, nested arrays of them, a typed array, or a tensor. */
export type TensorData = Nested | readonly TensorData[] | ArrayBufferView | Tensor;

function readOptions(
  call: string,
  options: TensorOptions | null | undefined,
): { code: Code | null; requiresGrad: boolean } {
  const o = options ?? {};
  if (typeof o !== 'object' || o instanceof Tensor || Array.isArray(o) || ArrayBuffer.isView(o))
    throw new TypeError(`${call}: options must be an object such as { dtype: 'int64' }, got ${show(o)}`);
  checkOptions(call, o, OPTIONS);
  checkDevice(call, o.device);
  const requiresGrad = o.requiresGrad ?? false;
  if (typeof requiresGrad !== 'boolean')
    throw new TypeError(`${call}: requiresGrad must be a boolean, got ${show(requiresGrad)}`);
  return { code: o.dtype === undefined || o.dtype === null ? null : codeOf(call, o.dtype), requiresGrad };
}

function arrayCode(call: string, array: ArrayBufferView): Code {
  const code = codeOfArray(array);
  if (code === null)
    throw new TypeError(`${call}: a ${array.constructor.name} has no dtype of its own; convert it first`);
  return code;
}

// Shape of nested arrays, which must not be ragged; leaves go to `flat`.
function flatten(data: unknown, shape: number[], depth: number, flat: unknown[]): void {
  if (Array.isArray(data)) {
    if (depth === MAX_DIMS) {
      throw new TenfoldError('shape', `tensor: arrays nested more than ${MAX_DIMS} deep, or one that holds itself`);
    }
    if (shape.length === depth) {
      if (flat.length > 0) ragged(data, depth, shape);
      shape.push(data.length);
    } else if (shape[depth] !== data.length) ragged(data, depth, shape);
    for (const x of data) flatten(x, shape, depth + 1, flat);
  } else {
    if (shape.length !== depth) ragged(data, depth, shape);
    flat.push(data);
  }
}
function ragged(data: unknown, depth: number, shape: readonly number[]): never {
  throw new TenfoldError(
    'shape',
    `tensor: ragged nested arrays: at depth ${depth} there is ${Array.isArray(data) ? `an array of ${data.length}` : show(data)} where ${
      depth < shape.length ? `arrays of ${shape[depth]} stood before` : 'numbers stood before'
    }`,
  );
}

function writeElements(out: TypedArray, code: Code, flat: readonly unknown[]): void {
  if (code === Code.i64) {
    const big = out as BigInt64Array;
    flat.forEach((x, i) => (big[i] = typeof x === 'bigint' ? x : BigInt(Math.trunc(Number(x)))));
  } else if (code === Code.bool)
    flat.forEach((x, i) => (out[i] = x || x !== x ? 1 : 0)); // NaN is true
  else for (let i = 0; i < flat.length; i++) (out as Float32Array)[i] = Number(flat[i]);
}

/**
 * A tensor with a copy of the data. Without a dtype: numbers give the default dtype, booleans bool, bigints int64; a typed
 * array keeps its own; tensors inside lists are promoted to one dtype. TenfoldError for ragged arrays, and for numbers
 * that an integer dtype doesn't hold. See torch.tensor.
 */
export function tensor(data: TensorData, options?: TensorOptions): Tensor {
  const { code, requiresGrad } = readOptions('tensor', options);
  const out = fromData(data, code);
  return requiresGrad ? out.requiresGrad_(true) : out;
}

function fromData(data: TensorData, code: Code | null): Tensor {
  if (data instanceof Tensor) {
    checkTensor('tensor', data);
    const copy = data.rawClone();
    return code === null || code === copy.code ? copy : copy.to(DTYPES[code]!);
  }
  if (ArrayBuffer.isView(data)) {
    const own = arrayCode('tensor', data);
    const array = data as unknown as TypedArray;
    const out = Tensor.raw([array.length], own);
    (elementsOf(out) as Float32Array).set(array as Float32Array);
    return code === null || code === own ? out : out.to(DTYPES[code]!);
  }
  const shape: number[] = [];
  const flat: unknown[] = [];
  flatten(data, shape, 0, flat);
  if (flat.some((x) => x instanceof Tensor || ArrayBuffer.isView(x))) return stackData(flat, shape, code);
  let own = code;
  let guess = -1;
  for (const x of flat) {
    const kind = typeof x;
    if (kind !== 'number' && kind !== 'boolean' && kind !== 'bigint') {
      throw new TypeError(`tensor: elements must be numbers, booleans or bigints, got ${show(x)}`);
    }
    const c = kind === 'number' ? defaultFloat() : kind === 'bigint' ? Code.i64 : Code.bool;
    if (guess < 0) guess = c;
    else if (guess !== c) guess = isFloatCode(guess) || isFloatCode(c) ? defaultFloat() : Code.i64;
  }
  own ??= guess < 0 ? defaultFloat() : (guess as Code);
  const odd = isFloatCode(own) ? -1 : flat.findIndex((x) => !holds(own!, x as Scalar));
  if (odd >= 0) throw new TenfoldError('value', `tensor: ${show(flat[odd])} has no ${DTYPES[own]!} value`);
  if (
    own >= Code.f16 ||
    (own !== Code.i64 && own !== Code.bool && !isFloatCode(own) && flat.some((x) => !Number.isInteger(Number(x))))
  ) {
    const wide = Tensor.raw(shape, Code.f64);
    writeElements(elementsOf(wide), Code.f64, flat);
    return wide.to(DTYPES[own]!);
  }
  const out = Tensor.raw(shape, own);
  writeElements(elementsOf(out), own, flat);
  return out;
}

// Arrays that hold tensors or typed arrays: their values, stacked.
function stackData(flat: readonly unknown[], shape: readonly number[], code: Code | null): Tensor {
  const parts = flat.map((x) => fromData(x as TensorData, null));
  const out = stackRaw(parts).reshape([...shape, ...parts[0]!.shape]);
  return code === null ? out : out.to(DTYPES[code]!);
}
function stackRaw(parts: readonly Tensor[]): Tensor {
  const first = parts[0]!;
  for (const p of parts) {
    if (formatShape(p.shape) !== formatShape(first.shape)) {
      throw new TenfoldError(
        'shape',
        `tensor: parts of shapes ${formatShape(first.shape)} and ${formatShape(p.shape)} can't stack`,
      );
    }
  }
  const code = parts.map((p) => p.code).reduce(promoteCodes);
  const out = Tensor.raw([parts.length, ...first.shape], code);
  parts.forEach((p, i) => out.select(0, i).rawCopy(p));
  return out;
}

/** As tensor(), but without a copy where data is a tensor of that dtype already. See torch.as_tensor. */
export function asTensor(data: TensorData, options?: TensorOptions): Tensor {
  const { code } = readOptions('asTensor', options);
  if (data instanceof Tensor) return code === null ? data : data.to(DTYPES[code]!);
  return ArrayBuffer.isView(data) && (code === null || code === codeOfArray(data))
    ? fromTypedArray(data)
    : renamed('asTensor', () => tensor(data, options));
}

/** A tensor over a typed array's own memory, which both then share. Without a shape it has one dim. See torch.from_numpy. */
export function fromTypedArray(array: ArrayBufferView, shape?: readonly number[], ...more: never[]): Tensor {
  if (more.length > 0)
    throw new TypeError(
      `fromTypedArray: takes at most 2 arguments, got ${2 + more.length}; the array's kind is the dtype, to('int64') casts`,
    );
  if (!ArrayBuffer.isView(array)) throw new TypeError(`fromTypedArray: expected a typed array, got ${show(array)}`);
  const code = arrayCode('fromTypedArray', array);
  const { length } = array as unknown as TypedArray;
  const size = checkSizes('fromTypedArray', shape ?? [length]);
  if (numelOf(size) !== length) {
    throw new TenfoldError(
      'shape',
      `fromTypedArray: shape ${formatShape(size)} doesn't hold the array's ${length} elements`,
    );
  }
  return Tensor.wrap(array, size, code);
}

// Sizes by position or as a list, then options.
function readSizes(call: string, args: readonly unknown[]): { shape: Shape; options: TensorOptions | undefined } {
  let rest = args;
  let options: TensorOptions | undefined;
  const last = args.at(-1);
  if (typeof last === 'object' && last !== null && !Array.isArray(last)) {
    options = last as TensorOptions;
    rest = args.slice(0, -1);
  } else if (last === null || last === undefined) rest = args.slice(0, -1);
  const shape = rest.length === 1 && Array.isArray(rest[0]) ? (rest[0] as number[]) : (rest as number[]);
  return { shape: checkSizes(call, shape), options };
}

type Sizes =
  | [...size: number[]]
  | [...size: number[], options: TensorOptions]
  | [size: readonly number[], options?: TensorOptions];

function filled(
  call: string,
  shape: Shape,
  value: Scalar | null,
  options: TensorOptions | undefined,
  code?: Code,
): Tensor {
  const o = readOptions(call, options);
  const out = Tensor.rawFor(call, shape, o.code ?? code ?? defaultFloat());
  if (value !== null) fillElements(out, value, call);
  return o.requiresGrad ? out.requiresGrad_(true) : out;
}

/** Zeros of a shape, given as `zeros(2, 3)` or `zeros([2, 3])`. See torch.zeros. */
export function zeros(...args: Sizes): Tensor {
  const { shape, options } = readSizes('zeros', args);
  return filled('zeros', shape, 0, options);
}
/** Ones of a shape. See torch.ones. */
export function ones(...args: Sizes): Tensor {
  const { shape, options } = readSizes('ones', args);
  return filled('ones', shape, 1, options);
}
/** Memory of a shape, with whatever it holds. See torch.empty. */
export function empty(...args: Sizes): Tensor {
  const { shape, options } = readSizes('empty', args);
  return filled('empty', shape, null, options);
}
/** A shape filled with a value: float32 for a number, bool for a boolean, int64 for a bigint. See torch.full. */
export function full(size: readonly number[], fillValue: Scalar, options?: TensorOptions): Tensor {
  if (!Array.isArray(size)) throw new TypeError(`full: size must be a list of integers, got ${show(size)}`);
  const shape = checkSizes('full', size as number[]);
  checkScalar('full', fillValue);
  return filled('full', shape, fillValue, options, valueCode(fillValue));
}
const valueCode = (v: Scalar): Code =>
  typeof v === 'boolean' ? Code.bool : typeof v === 'bigint' ? Code.i64 : defaultFloat();
function checkScalar(call: string, v: unknown): asserts v is Scalar {
  if (typeof v !== 'number' && typeof v !== 'boolean' && typeof v !== 'bigint') {
    throw new TypeError(`${call}: the value must be a number, boolean or bigint, got ${show(v)}`);
  }
}

const like =
  (call: string, value: Scalar | null) =>
  (input: Tensor, options?: TensorOptions): Tensor => {
    checkIsTensor(call, 'input', input);
    return filled(call, input.shape, value, options, input.code);
  };
/** Zeros of another tensor's shape and dtype. See torch.zeros_like. */
export const zerosLike = like('zerosLike', 0);
/** Ones of another tensor's shape and dtype. See torch.ones_like. */
export const onesLike = like('onesLike', 1);
/** Memory of another tensor's shape and dtype, with whatever it holds. See torch.empty_like. */
export const emptyLike = like('emptyLike', null);
/** A value in another tensor's shape and dtype. See torch.full_like. */
export function fullLike(input: Tensor, fillValue: Scalar, options?: TensorOptions): Tensor {
  checkIsTensor('fullLike', 'input', input);
  checkScalar('fullLike', fillValue);
  return filled('fullLike', input.shape, fillValue, options, input.code);
}

function range(call: string, args: readonly unknown[]): { numbers: number[]; options: TensorOptions | undefined } {
  const last = args.at(-1);
  const options = typeof last === 'object' && last !== null ? (last as TensorOptions) : undefined;
  const given = (options ? args.slice(0, -1) : args).filter((x) => x !== undefined && x !== null);
  for (const x of given) {
    if ((typeof x !== 'number' && typeof x !== 'bigint' && typeof x !== 'boolean') || !Number.isFinite(Number(x))) {
      throw new TypeError(`${call}: expected finite numbers, got ${show(x)}`);
    }
  }
  return { numbers: given.map(Number), options };
}

/**
 * start, start + step, … below end (above, for a negative step). Integral arguments give int64. Called as arange(end),
 * arange(start, end) or arange(start, end, step). See torch.arange.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(options: TensorOptions & { start?: number; end: number; step?: number }): Tensor;
export function arange(...args: unknown[]): Tensor {
  const last = args.at(-1);
  const named =
    typeof last === 'object' && last !== null
      ? (last as TensorOptions & { start?: number; end?: number; step?: number })
      : null;
  const { start: from, end: until, step: by, ...rest } = named ?? {};
  const given = named ? args.slice(0, -1) : args;
  const byName = from !== undefined || until !== undefined || by !== undefined;
  const all = byName
    ? [from ?? (given.length > 1 || until !== undefined ? (given[0] ?? 0) : 0), until ?? given.at(-1), by ?? 1]
    : given;
  const { numbers, options } = range('arange', [...all, ...(named ? [rest] : [])]);
  if (numbers.length < 1 || numbers.length > 3)
    throw new TypeError(`arange: takes 1 to 3 numbers, got ${numbers.length}`);
  const wanted = readOptions('arange', options).code;
  // Integer dtypes cut start and step, but only once the elements are counted: as PyTorch does.
  const integer = wanted !== null && !isFloatCode(wanted);
  const cut = (x: number): number => (integer ? Math.trunc(x) : x);
  const [start, end, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  if (step === 0) throw new RangeError('arange: step must not be 0');
  if ((end - start) / step < 0)
    throw new RangeError(`arange: end ${end} can't be reached from start ${start} by step ${step}`);
  const count = Math.ceil((end - start) / step);
  const integral = numbers.every(Number.isInteger);
  return sequence('arange', count, (i) => cut(start) + i * cut(step), options, integral ? Code.i64 : defaultFloat());
}
/** A number, or a tensor of no dims with one. */
export type Bound = number | Tensor;
function boundOf(call: string, bound: Bound): number {
  if (!isTensor(bound)) {
    if (typeof (bound as unknown) === 'object')
      throw new TypeError(`${call}: start and end must be numbers or 0-dim tensors, got ${show(bound)}`);
    return bound;
  }
  if (bound.shape.length > 0)
    throw new TenfoldError(
      'shape',
      `${call}: start and end must be numbers or 0-dim tensors, got ${formatShape(bound.shape)}`,
    );
  return bound.item();
}
/** `steps` evenly spaced numbers from start to end, both included. See torch.linspace. */
export function linspace(from: Bound, to: Bound, steps: number, options?: TensorOptions): Tensor {
  const [start, end] = [boundOf('linspace', from), boundOf('linspace', to)];
  range('linspace', [start, end, steps]);
  if (!Number.isInteger(steps) || steps < 0)
    throw new RangeError(`linspace: steps must be a non-negative integer, got ${show(steps)}`);
  // From both ends, as PyTorch does: symmetric, and the last one is exactly `end`.
  const o = readOptions('linspace', options);
  const single = (o.code ?? defaultFloat()) === Code.f32;
  // The ends are numbers of the result's dtype: integers are cut off first.
  const whole = o.code !== null && !isFloatCode(o.code);
  const near = (x: number): number => (single ? Math.fround(x) : x);
  const f = (x: number): number => (whole ? Math.trunc(x) : near(x));
  const step = steps > 1 ? near((f(end) - f(start)) / (steps - 1)) : 0;
  const half = Math.floor(steps / 2);
  return sequence(
    'linspace',
    steps,
    (i) => (i < half || steps === 1 ? f(start) + step * i : f(end) - step * (steps - i - 1)),
    options,
    defaultFloat(),
  );
}
/** `steps` numbers base^x for x evenly spaced from start to end. See torch.logspace. */
export function logspace(
  start: Bound,
  end: Bound,
  steps: number,
  base: number | (TensorOptions & { base?: number }) = 10,
  options?: TensorOptions,
): Tensor {
  const named = typeof base === 'object' ? base : options;
  const { base: byName = 10, ...rest } = (named ?? {}) as TensorOptions & { base?: number };
  const from = typeof base === 'number' ? base : byName;
  if (typeof from !== 'number') throw new TypeError(`logspace: 'base' must be a number, got ${show(from)}`);
  const o = readOptions('logspace', rest);
  // The ends are numbers of the result's dtype: integers are cut off first, and so are the powers.
  const whole = o.code !== null && !isFloatCode(o.code);
  const [first, last] = [start, end].map((x) => (whole ? Math.trunc(boundOf('logspace', x)) : x)) as [Bound, Bound];
  const exponents = renamed('logspace', () => linspace(first, last, steps, { dtype: 'float64' }));
  const out = tensor(from, { dtype: 'float64' }).pow(exponents).to(DTYPES[o.code ?? defaultFloat()]!); // prettier-ignore
  return o.requiresGrad ? out.requiresGrad_(true) : out;
}

function sequence(
  call: string,
  count: number,
  at: (i: number) => number,
  options: TensorOptions | undefined,
  code: Code,
): Tensor {
  const o = readOptions(call, options);
  checkSizes(call, [count]);
  const own = o.code ?? code;
  const wide = own === Code.i64 || own <= Code.f64 ? own : Code.f64;
  const out = Tensor.rawFor(call, [count], wide);
  const memory = elementsOf(out);
  if (wide === Code.i64) for (let i = 0; i < count; i++) (memory as BigInt64Array)[i] = BigInt(Math.trunc(at(i)));
  else for (let i = 0; i < count; i++) (memory as Float64Array)[i] = at(i);
  const result = wide === own ? out : out.to(DTYPES[own]!);
  return o.requiresGrad ? result.requiresGrad_(true) : result;
}

/** The n × m identity matrix; m is n where not given. See torch.eye. */
export function eye(n: number, m?: number | TensorOptions | null, options?: TensorOptions): Tensor {
  const columns = typeof m === 'number' ? m : n;
  const o = typeof m === 'object' && m !== null ? m : options;
  checkSizes('eye', [n, columns]);
  const out = filled('eye', [n, columns], 0, { ...o, requiresGrad: false });
  const count = Math.min(n, columns);
  if (count > 0) fillElements(out.asStrided([count], [columns + 1], out.offset), 1);
  return o?.requiresGrad ? out.requiresGrad_(true) : out;
}

/** A 0-dim tensor of a number. See torch.scalar_tensor. */
export function scalarTensor(value: Scalar, options?: TensorOptions): Tensor {
  checkScalar('scalarTensor', value);
  return filled('scalarTensor', [], value, options, defaultFloat());
}

const news =
  (call: string, value: Scalar) =>
  (self: Tensor, ...args: Sizes): Tensor => {
    const { shape, options } = readSizes(call, args);
    return filled(call, shape, value, options, self.code);
  };
/** Methods that make a tensor of this one's dtype. */
const creationMethods = {
  newZeros: news('newZeros', 0),
  newOnes: news('newOnes', 1),
  newEmpty: news('newEmpty', 0),
  newFull: (self: Tensor, size: readonly number[], fillValue: Scalar, options?: TensorOptions): Tensor => {
    checkScalar('newFull', fillValue);
    const shape = checkSizes('newFull', size);
    return filled('newFull', shape, fillValue, options, self.code);
  },
  newTensor: (self: Tensor, data: TensorData, options?: TensorOptions): Tensor =>
    renamed('newTensor', () => {
      checkOptions('newTensor', options ?? {}, ['dtype', 'requiresGrad']);
      return tensor(data, { dtype: self.dtype, ...options });
    }),
};
declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Zeros of these sizes, of this tensor's dtype. See torch.Tensor.new_zeros. */
    newZeros(...size: number[]): Tensor;
    newZeros(size: readonly number[], options?: TensorOptions): Tensor;
    /** Ones of these sizes, of this tensor's dtype. See torch.Tensor.new_ones. */
    newOnes(...size: number[]): Tensor;
    newOnes(size: readonly number[], options?: TensorOptions): Tensor;
    /** A tensor of these sizes, of this tensor's dtype, with any elements. See torch.Tensor.new_empty. */
    newEmpty(...size: number[]): Tensor;
    newEmpty(size: readonly number[], options?: TensorOptions): Tensor;
    /** A tensor of these sizes, of this tensor's dtype, full of a value. See torch.Tensor.new_full. */
    newFull(size: readonly number[], fillValue: Scalar, options?: TensorOptions): Tensor;
    /** A copy of data, of this tensor's dtype. See torch.Tensor.new_tensor. */
    newTensor(data: TensorData, options?: TensorOptions): Tensor;
  }
}
for (const [name, make] of Object.entries(creationMethods)) {
  (Tensor.prototype as unknown as Record<string, unknown>)[name] = function (this: Tensor, ...args: unknown[]) {
    return (make as (self: Tensor, ...args: unknown[]) => Tensor)(this, ...args);
  };
}
