/** dtypes: names for users, small codes for kernels (the order is native/dtype.h's), and PyTorch's type promotion. */
import { didYouMean, show } from './errors.js';

/** Element type of a tensor. */
export type DType =
  'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool' | 'int8' | 'int16' | 'float16' | 'bfloat16';

/** Codes of the dtypes, as native code knows them. */
export const enum Code {
  f32 = 0,
  f64 = 1,
  i64 = 2,
  i32 = 3,
  u8 = 4,
  bool = 5,
  i8 = 6,
  i16 = 7,
  f16 = 8,
  bf16 = 9,
}

export const DTYPES: readonly DType[] = [
  'float32',
  'float64',
  'int64',
  'int32',
  'uint8',
  'bool',
  'int8',
  'int16',
  'float16',
  'bfloat16',
];

/** Bytes per element, by code. */
export const SIZE: readonly number[] = [4, 8, 8, 4, 1, 1, 1, 2, 2, 2];

const CODES = new Map<string, Code>(DTYPES.map((name, code) => [name, code as Code]));
// PyTorch's short names, accepted wherever a dtype is.
for (const [alias, name] of [
  ['float', 'float32'],
  ['double', 'float64'],
  ['long', 'int64'],
  ['int', 'int32'],
  ['short', 'int16'],
  ['half', 'float16'],
] as const) {
  CODES.set(alias, CODES.get(name)!);
}

/** Code of a dtype's name; a TypeError where there is none of that name. */
export function codeOf(call: string, dtype: unknown): Code {
  const code = CODES.get(dtype as string);
  if (code === undefined) {
    throw new TypeError(
      `${call}: unknown dtype ${show(dtype)}${(typeof dtype === 'string' && didYouMean(dtype, DTYPES)) || ` (one of ${DTYPES.join(', ')})`}`,
    );
  }
  return code;
}

export const isFloatCode = (c: Code): boolean => c <= Code.f64 || c >= Code.f16;
// Bits of the integer dtypes, by code; 0 for the others.
const BITS: readonly number[] = [0, 0, 64, 32, 8, 0, 8, 16, 0, 0];
// Largest finite numbers of the others, by code.
const LARGEST: readonly number[] = [
  (2 - 2 ** -23) * 2 ** 127,
  Infinity,
  0,
  0,
  0,
  Infinity,
  0,
  0,
  65504,
  (2 - 2 ** -7) * 2 ** 127,
];
/**
 * Whether a number can be written into a dtype. Floats take what doesn't become infinite, bool everything; integers take
 * what lies in their range once its fraction is cut off, and uint8 also -1 to -255, which wrap, as in PyTorch.
 */
export function holds(code: Code, x: number | boolean | bigint): boolean {
  const bits = BITS[code]!;
  if (bits === 0) return !(Math.abs(Number(x)) > LARGEST[code]!) || !Number.isFinite(Number(x));
  const end = code === Code.u8 ? 2 ** bits : 2 ** (bits - 1);
  const low = code === Code.u8 ? 1 - end : -end;
  if (typeof x === 'bigint') return x >= BigInt(low) && x < BigInt(end);
  const n = Math.trunc(Number(x));
  return n >= low && n < end;
}
export const isIntegralCode = (c: Code): boolean => !isFloatCode(c) && c !== Code.bool;

let defaultCode: Code = Code.f32;
/** dtype that floating-point tensors get where none is given. */
export const getDefaultDtype = (): DType => DTYPES[defaultCode]!;
export const defaultFloat = (): Code => defaultCode;
/** Sets the dtype that floating-point tensors get where none is given: 'float32' (as it starts) or 'float64'. */
export function setDefaultDtype(dtype: DType): void {
  const code = codeOf('setDefaultDtype', dtype);
  if (!isFloatCode(code)) throw new TypeError(`setDefaultDtype: '${dtype}' is not a floating-point dtype`);
  defaultCode = code;
}

// Result of two dtypes of equal standing. Rows and columns in the order of the codes.
const PROMOTE: readonly (readonly Code[])[] = (() => {
  const order = [Code.u8, Code.i8, Code.i16, Code.i32, Code.i64];
  const pair = (a: Code, b: Code): Code => {
    if (a === b) return a;
    if (a === Code.bool) return b;
    if (b === Code.bool) return a;
    const fa = isFloatCode(a);
    const fb = isFloatCode(b);
    if (fa && fb) return a === Code.f64 || b === Code.f64 ? Code.f64 : Code.f32; // f16 with bf16 is f32 too
    if (fa !== fb) return fa ? a : b;
    if (a === Code.u8 || b === Code.u8) {
      const other = a === Code.u8 ? b : a;
      return other === Code.i8 ? Code.i16 : other;
    }
    return order.indexOf(a) > order.indexOf(b) ? a : b;
  };
  return DTYPES.map((_, a) => DTYPES.map((_, b) => pair(a as Code, b as Code)));
})();

/** dtype that holds both, as torch.promote_types. */
export const promoteCodes = (a: Code, b: Code): Code => PROMOTE[a]![b]!;

/** Kind of a scalar operand in promotion: an integral number counts as an integer, any other as a float. */
export function scalarCode(value: number | boolean | bigint): Code {
  if (typeof value === 'boolean') return Code.bool;
  return typeof value === 'bigint' || Number.isInteger(value) ? Code.i64 : defaultCode;
}

const category = (c: Code): number => (isFloatCode(c) ? 2 : c === Code.bool ? 0 : 1);

/**
 * PyTorch's promotion: among operands with dims, 0-dim tensors and plain numbers, a lower standing changes the dtype
 * only when its category (bool < integer < float) is higher. -1 stands for "none of this standing".
 */
export function promoteStandings(dimmed: number, zeroDim: number, scalar: number): Code {
  let result = dimmed;
  if (zeroDim >= 0) {
    if (result < 0) result = zeroDim;
    else if (category(zeroDim) > category(result)) result = zeroDim;
  }
  if (scalar >= 0) {
    if (result < 0) result = scalar;
    else if (category(scalar) > category(result)) result = isFloatCode(scalar) ? defaultCode : scalar;
  }
  return result;
}

/** dtype in which elementwise kernels compute a dtype that has none of its own: halves in f32, small integers in i32. */
export const COMPUTE: readonly Code[] = [
  Code.f32,
  Code.f64,
  Code.i64,
  Code.i32,
  Code.i32,
  Code.i32,
  Code.i32,
  Code.i32,
  Code.f32,
  Code.f32,
];

const FOREIGN: Record<string, Code> = {
  Float32Array: Code.f32, Float64Array: Code.f64, BigInt64Array: Code.i64, Int32Array: Code.i32, Uint8Array: Code.u8,
  Uint8ClampedArray: Code.u8, Int8Array: Code.i8, Int16Array: Code.i16,
}; // prettier-ignore
/** dtype of a typed array; null for kinds that have none. */
export function codeOfArray(array: unknown): Code | null {
  if (array instanceof Float32Array) return Code.f32;
  if (array instanceof Float64Array) return Code.f64;
  if (array instanceof BigInt64Array) return Code.i64;
  if (array instanceof Int32Array) return Code.i32;
  if (array instanceof Uint8Array || array instanceof Uint8ClampedArray) return Code.u8;
  if (array instanceof Int8Array) return Code.i8;
  if (array instanceof Int16Array) return Code.i16;
  // Another realm's arrays (a vm's context, Jest's) are told by their tag.
  return ArrayBuffer.isView(array)
    ? (FOREIGN[(array as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? ''] ?? null)
    : null;
}
