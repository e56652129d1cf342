/** NumPy's dtypes and arrays, as .npy files and pickles describe them. */
import { show } from '../errors.js';
import { Code, DTYPES, SIZE } from '../dtype.js';
import { MAX_DIMS, numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { bytesOf } from './memory.js';
import { PyTuple } from './pickle.js';
import type { Refuse } from './reading.js';

/** Kind and bytes of each dtype's element, by code; bfloat16 has none. */
const DESCRIPTORS = ['f4', 'f8', 'i8', 'i4', 'u1', 'b1', 'i1', 'i2', 'f2'] as const;
const CODES = new Map<string, Code>(DESCRIPTORS.map((d, code) => [d, code as Code]));

/** How .npy files name a dtype, such as '<f4'; null for bfloat16. */
export function descriptorOf(code: Code): string | null {
  const d = (DESCRIPTORS as readonly string[])[code];
  return d === undefined ? null : `${SIZE[code] === 1 ? '|' : '<'}${d}`;
}

/** A dtype and whether its bytes come the highest first. */
export interface Described {
  readonly code: Code;
  readonly bigEndian: boolean;
}

/** What a descriptor such as '>i4' means; refused by name where there is no such dtype here. */
export function readDescriptor(descriptor: string, refuse: Refuse): Described {
  const found = /^([<>=|]?)([a-zA-Z?])(\d*)/.exec(descriptor);
  const [, order = '', letter = '', bytes = ''] = found ?? [];
  const code = CODES.get(letter === '?' ? 'b1' : letter + bytes);
  if (found?.[0] === descriptor && code !== undefined) return { code, bigEndian: order === '>' && SIZE[code]! > 1 };
  return refuse(`it holds an array of NumPy's ${named(descriptor, letter, bytes)}`);
}

/** A dtype without a counterpart, and what to do before saving. */
function named(descriptor: string, letter: string, bytes: string): string {
  switch (letter) {
    case 'c':
      return `complex${8 * Number(bytes)}, which has no dtype here; in Python: save a.real and a.imag`;
    case 'u':
      return `uint${8 * Number(bytes)}, which has no dtype here; in Python: a.astype(numpy.int64)`;
    case 'f':
      return `float${8 * Number(bytes)}, which has no dtype here; in Python: a.astype(numpy.float64)`;
    case 'O':
      return 'object, which only Python can make; in Python: an array of numbers, such as a.astype(float)';
    case 'U':
    case 'S':
    case 'a':
      return `${letter === 'U' ? 'unicode' : 'bytes'} (${descriptor}), which is text; save it as JSON`;
    case 'M':
    case 'm':
      return `${letter === 'M' ? 'datetime64' : 'timedelta64'}, which has no dtype here; in Python: a.astype(numpy.int64)`;
    case 'V':
      return 'void (structured, or bfloat16 of ml_dtypes), which has no dtype here; in Python: save its fields one by one';
    default:
      return `${show(descriptor)}, which is no dtype here; known are ${DTYPES.slice(0, DESCRIPTORS.length).join(', ')}`;
  }
}

/** Turns the bytes of each element about, in place. */
export function swapBytes(bytes: Uint8Array, elementSize: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (elementSize === 2) buffer.swap16();
  else if (elementSize === 4) buffer.swap32();
  else if (elementSize === 8) buffer.swap64();
}

/** Shape of an array as files state it, checked: sizes and their product are exact. */
export function checkArrayShape(shape: readonly unknown[], code: Code, refuse: Refuse): number[] {
  const good = shape.length <= MAX_DIMS && shape.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
  const sizes = shape as number[];
  if (!good || !(numelOf(sizes) * SIZE[code]! <= Number.MAX_SAFE_INTEGER))
    return refuse(`it holds an array of shape (${shape.map((n) => show(n)).join(', ')})`);
  return sizes;
}

/** A tensor of an array whose elements lie in Fortran's order: the first dim is the innermost. */
export function fromFortran(t: Tensor, shape: readonly number[]): Tensor {
  const strides: number[] = [];
  let stride = 1;
  for (const n of shape) {
    strides.push(stride);
    stride *= Math.max(n, 1);
  }
  const view = t.stridedView(shape, strides, 0);
  return new Tensor(view.storage, 0, view.shape, view.strides, view.code, view.count, view.dense, null);
}

/** Refuses bool bytes other than 0 and 1, which no kernel expects. */
export function checkBools(bytes: Uint8Array, what: string, refuse: Refuse): void {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 1) refuse(`${what} holds bytes other than 0 and 1`);
}

// ---- arrays in pickles ---------------------------------------------------------------------------------------------

type Spend = (bytes: number) => void;

/** `numpy.dtype`, with its byte order set by its state. */
export class NpDtype {
  private described: Described;
  constructor(descriptor: unknown, refuse: Refuse) {
    if (typeof descriptor !== 'string') refuse('it holds a structured dtype of NumPy');
    this.described = readDescriptor(descriptor as string, refuse);
  }
  get code(): Code {
    return this.described.code;
  }
  get bigEndian(): boolean {
    return this.described.bigEndian;
  }
  /** (version, byte order, subtype, names, …). */
  setState(state: unknown, refuse: Refuse): void {
    const [, order, ...rest] = state instanceof PyTuple ? state.items : [];
    if (typeof order !== 'string' || !/^[<>=|]$/.test(order) || rest[0] !== null || rest[1] !== null)
      refuse('it holds a structured dtype of NumPy');
    this.described = { code: this.code, bigEndian: order === '>' && SIZE[this.code]! > 1 };
  }
}

/** `numpy.ndarray`: a tensor, once its state is set. */
export class NpArray {
  tensor: Tensor | null = null;

  /** (version, shape, dtype, whether in Fortran's order, bytes). */
  setState(state: unknown, refuse: Refuse, spend: Spend): void {
    const [, shape, dtype, fortran, data] = state instanceof PyTuple ? state.items : [];
    if (this.tensor !== null) refuse("its pickle sets an array's state twice");
    if (Array.isArray(data)) refuse('it holds an array of Python objects; in Python: a.astype(float)');
    this.tensor = arrayOf(shape, dtype, fortran === true, data, refuse, spend);
  }
}

function arrayOf(
  shape: unknown,
  dtype: unknown,
  fortran: boolean,
  data: unknown,
  refuse: Refuse,
  spend: Spend,
): Tensor {
  if (!(shape instanceof PyTuple) || !(dtype instanceof NpDtype) || !(data instanceof Uint8Array))
    return refuse('it holds an array that is described by other than a shape, a dtype and bytes');
  const sizes = checkArrayShape(shape.items, dtype.code, refuse);
  if (numelOf(sizes) * SIZE[dtype.code]! !== data.length)
    return refuse(`it holds an array of shape (${sizes.join(', ')}) and ${DTYPES[dtype.code]} in ${data.length} bytes`);
  spend(data.length);
  const t = Tensor.raw(sizes, dtype.code, true);
  const bytes = bytesOf(t);
  bytes.set(data);
  if (dtype.bigEndian) swapBytes(bytes, SIZE[dtype.code]!);
  if (t.code === Code.bool) checkBools(bytes, 'an array of bools', refuse);
  return fortran ? fromFortran(t, sizes) : t;
}

/** `_frombuffer(bytes, dtype, shape, order)`, as protocol 5 writes arrays. */
export function npArrayFrom(args: readonly unknown[], refuse: Refuse, spend: Spend): NpArray {
  const [data, dtype, shape, order] = args;
  const array = new NpArray();
  array.tensor = arrayOf(shape, dtype, order === 'F', data, refuse, spend);
  return array;
}

/** `scalar(dtype, bytes)`: a number, a boolean, or a bigint beyond 2^53. */
export function scalarOf(dtype: unknown, data: unknown, refuse: Refuse): unknown {
  const t = arrayOf(new PyTuple([]), dtype, false, data, refuse, () => {});
  if (t.code !== Code.i64) return t.item();
  const value = t.itemBigInt();
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
