/**
 * Elementwise launches: promotion, broadcasting and the frame of the elementwise driver, once for every op. No graph:
 * that is the op's business.
 */
import { TenfoldError } from '../errors.js';
import {
  COMPUTE,
  Code,
  DTYPES,
  SIZE,
  defaultFloat,
  isFloatCode,
  promoteCodes as joined,
  promoteStandings,
  scalarCode,
} from '../dtype.js';
import { frame, launch, type Kernel } from '../native/launch.js';
import { broadcastShapes, broadcastStrides, sameShape, type Shape } from '../tensor/shape.js';
import { Tensor, addressOf } from '../tensor/tensor.js';
import { takeTarget } from './inplace.js';
import type { Scalar } from './schema.js';

/** A tensor, or the number that stands in for one. */
export type Operand = Tensor | Scalar;

// Places in the frame; see native/loops/elementwise.h.
const OPERAND = 4;
const PARAM = 24;
const SIZES = 32;
const STRIDES = 48;
const MAX_DIMS = 16;
const MEMORY = 0;
const ONE_ELEMENT = 1;
const IMMEDIATE = 2;

/** dtype of a result of these operands, by PyTorch's promotion. */
export function promote(...operands: Operand[]): Code {
  let dimmed = -1;
  let zeroDim = -1;
  let scalar = -1;
  for (const x of operands) {
    if (x instanceof Tensor) {
      if (x.shape.length > 0) dimmed = dimmed < 0 ? x.code : joined(dimmed, x.code);
      else zeroDim = zeroDim < 0 ? x.code : joined(zeroDim, x.code);
    } else {
      const code = scalarCode(x);
      scalar = scalar < 0 ? code : joined(scalar, code);
    }
  }
  return promoteStandings(dimmed, zeroDim, scalar);
}
/** promote() of two, without a list. */
function promoteTwo(a: Operand, b: Operand): Code {
  if (a instanceof Tensor) {
    if (b instanceof Tensor) return a.code === b.code ? a.code : promote(a, b);
    if (typeof b === 'number' && isFloatCode(a.code)) return a.code;
  }
  return promote(a, b);
}

/** The kernel's id for a dtype; a TenfoldError that names the call where it has none. */
export function kernelFor(call: string, k: Kernel, code: Code): number {
  const id = k[COMPUTE[code]!]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${DTYPES[code]}`);
  return id;
}

function writeOperand(at: number, x: Operand): void {
  const base = OPERAND + 3 * at;
  if (typeof x === 'number') {
    frame[base] = x;
    frame[base + 1] = Code.f64;
    frame[base + 2] = IMMEDIATE;
  } else if (x instanceof Tensor) {
    frame[base] = addressOf(x);
    frame[base + 1] = x.code;
    frame[base + 2] = x.count === 1 ? ONE_ELEMENT : MEMORY;
  } else {
    frame[base] = Number(x);
    frame[base + 1] = Code.f64;
    frame[base + 2] = IMMEDIATE;
  }
}

/** out = f(a, b), for operands whose kernel and result dtype are known. */
function launchBinary(id: number, out: Tensor, a: Operand, b: Operand): void {
  frame[0] = id;
  frame[2] = out.count;
  frame[3] = 3;
  frame[OPERAND] = addressOf(out);
  frame[OPERAND + 1] = out.code;
  frame[OPERAND + 2] = MEMORY;
  writeOperand(1, a);
  writeOperand(2, b);
  if (isFlat(out, a, out.shape) && isFlat(out, b, out.shape) && out.dense) frame[1] = 0;
  else writeStrides(out, [a, b]);
  launch();
}

const isFlat = (out: Tensor, x: Operand, shape: Shape): boolean =>
  !(x instanceof Tensor) || (x.count === 1 ? out.count >= 1 : x.dense && sameShape(x.shape, shape));

function writeStrides(out: Tensor, operands: readonly Operand[]): void {
  let shape = out.shape;
  let all = [
    out.strides,
    ...operands.map((x) => (x instanceof Tensor ? broadcastStrides(x.shape, x.strides, out.shape) : null)),
  ];
  if (shape.length > MAX_DIMS) [shape, all] = coalesce(shape, all);
  frame[1] = Math.max(shape.length, 1);
  if (shape.length === 0) frame[SIZES] = 1;
  for (let i = 0; i < shape.length; i++) frame[SIZES + i] = shape[i]!;
  all.forEach((strides, k) => {
    const base = STRIDES + 16 * k;
    if (shape.length === 0) frame[base] = 0;
    for (let i = 0; i < shape.length; i++) frame[base + i] = strides === null ? 0 : strides[i]!;
  });
}

// Merges dims that lie behind each other in every operand; PyTorch allows 64, the frame has room for 16.
function coalesce(shape: Shape, strides: (readonly number[] | null)[]): [Shape, (readonly number[] | null)[]] {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] === 1) continue;
    const last = sizes.length - 1;
    const joins = last >= 0 && strides.every((s, k) => (s === null ? 0 : s[i]! * shape[i]!) === merged[k]![last]);
    if (joins) {
      sizes[last]! *= shape[i]!;
      strides.forEach((s, k) => (merged[k]![last] = s === null ? 0 : s[i]!));
    } else {
      sizes.push(shape[i]!);
      strides.forEach((s, k) => merged[k]!.push(s === null ? 0 : s[i]!));
    }
  }
  if (sizes.length > MAX_DIMS) {
    throw new TenfoldError(
      'shape',
      `tensors of more than ${MAX_DIMS} dimensions that can't be merged are not supported, got ${shape.length}`,
    );
  }
  return [sizes, merged];
}

/** Memory for a result: the in-place target, else a new dense tensor. */
function resultFor(shape: Shape, code: Code, a: unknown, b?: unknown, c?: unknown): Tensor {
  return takeTarget(shape, code, a, b, c) ?? Tensor.raw(shape, code);
}

const asTensor = (x: Operand): Operand =>
  typeof x === 'bigint' && !Number.isSafeInteger(Number(x)) ? bigScalar(x) : x;
function bigScalar(x: bigint): Tensor {
  const t = Tensor.raw([], Code.i64, true);
  new BigInt64Array(t.storage.buffer, t.storage.byteOffset, 1)[0] = x;
  return t;
}

/** An integer operand as the dtype that it is computed in holds it: in uint8, -1 is 255. (Wider ones are cast by the driver.) */
function wrapped(x: Operand, code: Code): Operand {
  if (x instanceof Tensor) return x.code === code || x.code === Code.bool ? x : x.to(DTYPES[code]!);
  if (typeof x === 'boolean' || (x >= 0 && x < 128)) return x;
  const bits = 8 * SIZE[code]!;
  return Number(code === Code.u8 ? BigInt.asUintN(bits, BigInt(x)) : BigInt.asIntN(bits, BigInt(x)));
}

/** What a binary op makes of the promoted dtype of its operands. */
export const enum To {
  same, // add, mul
  float, // div: integers become the default float dtype
  bool, // comparisons
}

/** A binary op on broadcast operands; `call` names it in errors. */
export function binary(k: Kernel, call: string, a: Operand, b: Operand, to: To = To.same): Tensor {
  // The common case: two dense tensors of one shape and a dtype with a kernel of its own.
  if (
    a instanceof Tensor &&
    b instanceof Tensor &&
    a.code === b.code &&
    a.dense &&
    b.dense &&
    sameShape(a.shape, b.shape)
  ) {
    const { code } = a;
    const id = k[code]!;
    if (id >= 0 && (to !== To.float || code <= Code.f64)) {
      const outCode = to === To.bool ? Code.bool : code;
      const out = takeTarget(a.shape, outCode, a, b) ?? Tensor.rawLike(a, outCode);
      frame[0] = id;
      frame[1] = 0;
      frame[2] = out.count;
      frame[3] = 3;
      frame[4] = addressOf(out);
      frame[5] = out.code; // of the target, where there is one
      frame[6] = MEMORY;
      frame[7] = addressOf(a);
      frame[8] = code;
      frame[9] = MEMORY;
      frame[10] = addressOf(b);
      frame[11] = code;
      frame[12] = MEMORY;
      if (!out.dense) writeStrides(out, [a, b]);
      launch();
      return out;
    }
  }
  a = asTensor(a);
  b = asTensor(b);
  let code = promoteTwo(a, b);
  if (to === To.float && !isFloatCode(code)) code = defaultFloat();
  if (COMPUTE[code] === Code.i32 && code !== Code.i32) [a, b] = [wrapped(a, code), wrapped(b, code)];
  const id = kernelFor(call, k, code);
  const shape =
    a instanceof Tensor
      ? b instanceof Tensor
        ? broadcastShapes(call, a.shape, b.shape)
        : a.shape
      : (b as Tensor).shape;
  const out = resultFor(shape, to === To.bool ? Code.bool : code, a, b);
  launchBinary(id, out, a, b);
  return out;
}

/** A unary op; `params` are its scalars. Integers become the default float dtype where `to` says so. */
export function unary(k: Kernel, call: string, a: Tensor, to: To = To.same, params?: readonly number[]): Tensor {
  let code = a.code;
  if (to === To.float && !isFloatCode(code)) code = defaultFloat();
  const id = kernelFor(call, k, code);
  const outCode = to === To.bool ? Code.bool : code;
  const out = resultFor(a.shape, outCode, a);
  frame[0] = id;
  frame[2] = out.count;
  frame[3] = 2;
  frame[OPERAND] = addressOf(out);
  frame[OPERAND + 1] = out.code;
  frame[OPERAND + 2] = MEMORY;
  frame[OPERAND + 3] = addressOf(a);
  frame[OPERAND + 4] = a.code;
  frame[OPERAND + 5] = MEMORY;
  if (params) for (let i = 0; i < params.length; i++) frame[PARAM + i] = params[i]!;
  if (a.dense && out.dense) frame[1] = 0;
  else writeStrides(out, [a]);
  launch();
  return out;
}

/** An op of up to five broadcast operands that computes in `code` and gives `outCode`. */
export function elementwise(
  k: Kernel,
  call: string,
  operands: readonly Operand[],
  code: Code,
  outCode: Code = code,
  params?: readonly number[],
): Tensor {
  const id = kernelFor(call, k, code);
  let shape: Shape | null = null;
  for (const x of operands)
    if (x instanceof Tensor) shape = shape === null ? x.shape : broadcastShapes(call, shape, x.shape);
  const out = resultFor(shape ?? [], outCode, operands[0], operands[1], operands[2]);
  launchElementwise(id, out, operands, params);
  return out;
}

/** Runs an elementwise kernel into `out`, which has the broadcast shape. */
export function launchElementwise(
  id: number,
  out: Tensor,
  operands: readonly Operand[],
  params?: readonly number[],
): void {
  frame[0] = id;
  frame[2] = out.count;
  frame[3] = operands.length + 1;
  frame[OPERAND] = addressOf(out);
  frame[OPERAND + 1] = out.code;
  frame[OPERAND + 2] = MEMORY;
  let flat = out.dense;
  for (let i = 0; i < operands.length; i++) {
    const x = asTensor(operands[i]!);
    writeOperand(i + 1, x);
    flat &&= isFlat(out, x, out.shape);
  }
  if (params) for (let i = 0; i < params.length; i++) frame[PARAM + i] = params[i]!;
  if (flat) frame[1] = 0;
  else writeStrides(out, operands);
  launch();
}
