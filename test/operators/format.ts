/**
 * Reads test/fixtures: what PyTorch answered, recorded by scripts/record. The format is described in
 * scripts/record/encoding.py and scripts/record/operators.py.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';

const FIXTURES = new URL('../fixtures/', import.meta.url);

export interface CodedTensor {
  dtype: tf.DType;
  shape: number[];
  data: (number | string)[];
  strides?: number[];
  grad?: true;
}
export type Coded =
  | null
  | boolean
  | number
  | string
  | CodedTensor
  | { float: string }
  | { int: string }
  | { torch: string }
  | { slice: (number | null)[] }
  | { ellipsis: true }
  | Coded[];

/** Arguments of a call: by position, and by PyTorch's names. */
export interface Call {
  args: Coded[];
  named: Record<string, Coded>;
}
export interface Sample extends Call {
  /** `named` in positional order; { default } fills a gap. null: PyTorch doesn't tell. */
  order?: (string | { default: Coded })[] | null;
  out?: Coded;
  /** Names of a tuple's parts. */
  fields?: string[];
  grads?: (CodedTensor | null)[];
  after?: Call;
  inplace?: true;
  random?: { dtype: string; shape: number[]; mean?: number; std?: number; zeros?: number; min?: number; max?: number };
}
export type Form = 'function' | 'method' | 'inplace' | 'property';
export interface OperatorFile {
  op: string;
  torch: string;
  forms: Form[];
  samples: Sample[];
  errors: (Call & { message: string })[];
}

/** Names of all recorded operators. */
export function recordedOperators(): string[] {
  return readdirSync(new URL('operators/', FIXTURES))
    .filter((file) => file.endsWith('.json.gz'))
    .map((file) => file.slice(0, -'.json.gz'.length))
    .sort();
}
export function readOperator(op: string): OperatorFile {
  return JSON.parse(gunzipSync(readFileSync(new URL(`operators/${op}.json.gz`, FIXTURES))).toString()) as OperatorFile;
}
/** A fixture that is plain JSON. */
export function readFixture<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, FIXTURES), 'utf8')) as T;
}

/** `index_put` -> `indexPut`; a trailing underscore stays. */
export const camel = (name: string): string => name.replace(/(?<=.)_([a-z0-9])/g, (_, c: string) => c.toUpperCase());

export const isCodedTensor = (c: Coded | undefined): c is CodedTensor =>
  c !== null && typeof c === 'object' && !Array.isArray(c) && 'data' in c;

const SPECIAL: Record<string, number> = { nan: NaN, inf: Infinity, '-inf': -Infinity };
const toNumber = (x: number | string): number => (typeof x === 'number' ? x : (SPECIAL[x] ?? Number(x)));

/** The recorded elements: bigints for int64, else numbers (0 and 1 for bool). */
export function expectedElements(c: CodedTensor): (number | bigint)[] {
  return c.dtype === 'int64' ? c.data.map(BigInt) : c.data.map(toNumber);
}

type TypedArray = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;
const ARRAYS: Record<string, { from(data: Iterable<unknown>): TypedArray }> = {
  float32: Float32Array, float64: Float64Array, float16: Float32Array, bfloat16: Float32Array, int64: BigInt64Array,
  int32: Int32Array, int16: Int16Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
} as never; // prettier-ignore

/** Builds a tensor with the recorded layout. */
export function decodeTensor(c: CodedTensor, withGrad: boolean): Tensor {
  let elements = expectedElements(c);
  let size = elements.length;
  if (c.strides && size > 0) {
    size = 1 + c.shape.reduce((sum, n, dim) => sum + (n - 1) * c.strides![dim]!, 0);
    const memory: (number | bigint)[] = new Array<number | bigint>(size).fill(c.dtype === 'int64' ? 0n : 0);
    const index = c.shape.map(() => 0);
    for (const element of elements) {
      memory[index.reduce((at, i, dim) => at + i * c.strides![dim]!, 0)] = element;
      for (let dim = index.length - 1; dim >= 0; dim--) {
        index[dim]! += 1;
        if (index[dim]! < c.shape[dim]!) break;
        index[dim] = 0;
      }
    }
    elements = memory;
  }
  let t = tf.tensor(ARRAYS[c.dtype]!.from(elements), { dtype: c.dtype });
  t = c.strides && size > 0 ? t.asStrided(c.shape, c.strides) : t.reshape(c.shape);
  t = t.detach();
  return withGrad && c.grad ? t.requiresGrad_() : t;
}

/** Builds arguments; the tensors that require a gradient are added to `leaves`, in order of appearance. */
export function decode(c: Coded, leaves: Tensor[] | null): unknown {
  if (c === null || typeof c !== 'object') return c;
  if (Array.isArray(c)) return c.map((x) => decode(x, leaves));
  if ('data' in c) {
    const t = decodeTensor(c, leaves !== null);
    if (t.requiresGrad) leaves!.push(t);
    return t;
  }
  if ('float' in c) return toNumber(c.float);
  if ('int' in c) return BigInt(c.int);
  if ('torch' in c) return c.torch;
  if ('slice' in c) return (tf.slice as unknown as (...range: (number | null)[]) => unknown)(...c.slice);
  return '...';
}

/** rtol and atol for each dtype, as torch.testing.assert_close has them. Integers and bool are exact. */
const TOLERANCE: Record<string, readonly [number, number]> = {
  float64: [1e-7, 1e-7],
  float32: [1.3e-6, 1e-5],
  float16: [1e-3, 1e-5],
  bfloat16: [1.6e-2, 1e-5],
};

/** How two tensors differ, in words, or null. `slack` widens the tolerance. */
export function difference(actual: unknown, expected: CodedTensor, slack = 1): string | null {
  if (!(actual instanceof tf.Tensor)) return `is ${describe(actual)}, not a tensor`;
  if (actual.dtype !== expected.dtype) return `has dtype ${actual.dtype}, not ${expected.dtype}`;
  if (actual.shape.join() !== expected.shape.join()) return `has shape [${actual.shape}], not [${expected.shape}]`;
  const got = actual.toTypedArray();
  const want = expectedElements(expected);
  const [rtol, atol] = TOLERANCE[expected.dtype] ?? [0, 0];
  let wrong = 0;
  let first = '';
  for (let i = 0; i < want.length; i++) {
    const a = got[i]!;
    const b = want[i]!;
    if (a === b || (a !== a && b !== b)) continue;
    const gap = Math.abs(Number(a) - Number(b));
    if (gap <= slack * (atol + rtol * Math.abs(Number(b))) && Number.isFinite(gap)) continue;
    if (wrong++ === 0) first = `element [${unravel(i, expected.shape)}] is ${a}, not ${b}`;
  }
  return wrong === 0 ? null : `${first} (${wrong} of ${want.length} differ)`;
}

function unravel(i: number, shape: readonly number[]): number[] {
  const out = shape.map(() => 0);
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    out[dim] = i % shape[dim]!;
    i = Math.floor(i / shape[dim]!);
  }
  return out;
}

/** A value in a few words: for messages. */
export function describe(value: unknown): string {
  if (value instanceof tf.Tensor) return `${value.dtype}[${value.shape}]`;
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value).map(([k, v]) => `${k}: ${describe(v)}`).join(', ')} }`; // prettier-ignore
  }
  return typeof value === 'string' ? `'${value}'` : String(value);
}
/** A recorded argument in a few words; short tensors with their elements. */
export function describeCoded(c: Coded): string {
  if (Array.isArray(c)) return `[${c.map(describeCoded).join(', ')}]`;
  if (c === null || typeof c !== 'object') return typeof c === 'string' ? `'${c}'` : String(c);
  if (isCodedTensor(c)) {
    const layout = c.strides ? ` strides [${c.strides}]` : '';
    return `${c.dtype}[${c.shape}]${layout}${c.data.length <= 8 ? ` = ${c.data.join(' ')}` : ''}`;
  }
  if ('slice' in c) return `slice(${c.slice.join(', ')})`;
  if ('ellipsis' in c) return `'...'`;
  return String(Object.values(c)[0]);
}
export function describeCall(call: Call): string {
  const named = Object.entries(call.named).map(([k, v]) => `${camel(k)}: ${describeCoded(v)}`);
  return [...call.args.map(describeCoded), ...(named.length ? [`{ ${named.join(', ')} }`] : [])].join(', ');
}

/** The cotangent of an output: the recorder's formula. */
export function cotangent(shape: readonly number[], dtype: tf.DType, k: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: size }, (_, i) => (((7 * i + 3 * k) % 11) - 5) / 4);
  return tf.tensor(data, { dtype }).reshape([...shape]);
}
