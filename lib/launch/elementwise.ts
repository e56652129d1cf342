/**
 * Launches of elementwise kernels. They share one frame of fixed places (native/loops/elementwise.h), which is written without
 * looking at a declaration: with it, an op on one element takes 20 ns.
 */
import { Code } from '../dtype.js';
import { TenfoldError } from '../errors.js';
import {
  AT_NDIM,
  AT_NUMEL,
  AT_OPERAND,
  AT_OPERANDS,
  AT_PARAMS,
  AT_SIZES,
  AT_STRIDES,
  IMMEDIATE,
  MAX_DIMS,
  MEMORY,
  ONE_ELEMENT,
  frame,
  launch,
} from '../native/launch.js';
import { broadcastStrides, sameShape, type Shape } from '../tensor/shape.js';
import { Tensor, storageBuffer } from '../tensor/tensor.js';
import { addressOf } from './run.js';
import { watching } from './watch.js';

/** A tensor, or the number that stands in for one. */
export type Operand = Tensor | number | boolean | bigint;

/** A number as the frame takes it: a bigint beyond 2^53 is an int64 tensor of one element. */
export const exact = (x: Operand): Operand =>
  typeof x === 'bigint' && !Number.isSafeInteger(Number(x)) ? bigScalar(x) : x;
function bigScalar(x: bigint): Tensor {
  const t = Tensor.raw([], Code.i64, true);
  new BigInt64Array(storageBuffer(t), t.byteStart(t.offset), 1)[0] = x;
  return t;
}

function writeOperand(at: number, x: Operand): void {
  const base = AT_OPERAND + 3 * at;
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

const isFlat = (out: Tensor, x: Operand, shape: Shape): boolean =>
  !(x instanceof Tensor) || (x.count === 1 ? out.count >= 1 : x.dense && sameShape(x.shape, shape));

function writeStrides(out: Tensor, operands: readonly Operand[]): void {
  let shape = out.shape;
  let all = [
    out.strides,
    ...operands.map((x) => (x instanceof Tensor ? broadcastStrides(x.shape, x.strides, out.shape) : null)),
  ];
  if (shape.length > MAX_DIMS) [shape, all] = coalesce(shape, all);
  frame[AT_NDIM] = Math.max(shape.length, 1);
  if (shape.length === 0) frame[AT_SIZES] = 1;
  for (let i = 0; i < shape.length; i++) frame[AT_SIZES + i] = shape[i]!;
  all.forEach((strides, k) => {
    const base = AT_STRIDES + MAX_DIMS * k;
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

/** out = f(a): `params` are the kernel's scalars. */
export function runUnary(id: number, out: Tensor, a: Tensor, params?: readonly number[]): void {
  frame[0] = id;
  frame[AT_NUMEL] = out.count;
  frame[AT_OPERANDS] = 2;
  frame[AT_OPERAND] = addressOf(out);
  frame[AT_OPERAND + 1] = out.code;
  frame[AT_OPERAND + 2] = MEMORY;
  frame[AT_OPERAND + 3] = addressOf(a);
  frame[AT_OPERAND + 4] = a.code;
  frame[AT_OPERAND + 5] = MEMORY;
  if (params) for (let i = 0; i < params.length; i++) frame[AT_PARAMS + i] = params[i]!;
  if (a.dense && out.dense) frame[AT_NDIM] = 0;
  else writeStrides(out, [a]);
  if (watching !== null) watching.elementwise(id, [out, a]);
  launch(out, a);
}

/** out = f(a, b) for dense tensors of out's shape; out may have other strides. */
export function runDense(id: number, out: Tensor, a: Tensor, b: Tensor): void {
  frame[0] = id;
  frame[AT_NDIM] = 0;
  frame[AT_NUMEL] = out.count;
  frame[AT_OPERANDS] = 3;
  frame[AT_OPERAND] = addressOf(out);
  frame[AT_OPERAND + 1] = out.code;
  frame[AT_OPERAND + 2] = MEMORY;
  frame[AT_OPERAND + 3] = addressOf(a);
  frame[AT_OPERAND + 4] = a.code;
  frame[AT_OPERAND + 5] = MEMORY;
  frame[AT_OPERAND + 6] = addressOf(b);
  frame[AT_OPERAND + 7] = b.code;
  frame[AT_OPERAND + 8] = MEMORY;
  if (!out.dense) writeStrides(out, [a, b]);
  if (watching !== null) watching.elementwise(id, [out, a, b]);
  launch(out, a, b);
}

/** out = f(a, b) for operands that broadcast to out's shape; none of them a bigint beyond 2^53. */
export function runBinary(id: number, out: Tensor, a: Operand, b: Operand): void {
  frame[0] = id;
  frame[AT_NUMEL] = out.count;
  frame[AT_OPERANDS] = 3;
  frame[AT_OPERAND] = addressOf(out);
  frame[AT_OPERAND + 1] = out.code;
  frame[AT_OPERAND + 2] = MEMORY;
  writeOperand(1, a);
  writeOperand(2, b);
  if (isFlat(out, a, out.shape) && isFlat(out, b, out.shape) && out.dense) frame[AT_NDIM] = 0;
  else writeStrides(out, [a, b]);
  if (watching !== null) watching.elementwise(id, [out, a, b]);
  launch(out, a, b);
}

/** out = f(…operands), up to MAX_INPUTS of them, that broadcast to out's shape. */
export function runElementwise(id: number, out: Tensor, given: readonly Operand[], params?: readonly number[]): void {
  const operands = given.some(isBig) ? given.map(exact) : given;
  frame[0] = id;
  frame[AT_NUMEL] = out.count;
  frame[AT_OPERANDS] = operands.length + 1;
  frame[AT_OPERAND] = addressOf(out);
  frame[AT_OPERAND + 1] = out.code;
  frame[AT_OPERAND + 2] = MEMORY;
  let flat = out.dense;
  for (let i = 0; i < operands.length; i++) {
    const x = operands[i]!;
    writeOperand(i + 1, x);
    flat &&= isFlat(out, x, out.shape);
  }
  if (params) for (let i = 0; i < params.length; i++) frame[AT_PARAMS + i] = params[i]!;
  if (flat) frame[AT_NDIM] = 0;
  else writeStrides(out, operands);
  if (watching !== null) watching.elementwise(id, [out, ...operands]);
  launch(out, operands);
}
const isBig = (x: Operand): boolean => typeof x === 'bigint';
