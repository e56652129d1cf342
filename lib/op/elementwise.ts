/**
 * Elementwise results: promotion, broadcasting and memory for the result, once for every op. No graph: that is the op's
 * business.
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
import { exact, runBinary, runDense, runElementwise, runUnary, type Operand } from '../launch/elementwise.js';
import type { Kernel } from '../native/launch.js';
import { broadcastShapes, sameShape, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { fitting } from './inplace.js';

export type { Operand };

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

/** Memory for a result: what an in-place op writes into, else a new dense tensor. */
function resultFor(into: Tensor | undefined, shape: Shape, code: Code, a: unknown, b?: unknown, c?: unknown): Tensor {
  return fitting(into, shape, code, a, b, c) ?? Tensor.raw(shape, code);
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

/** A binary op on broadcast operands; `call` names it in errors, `into` is what an in-place op writes. */
export function binary(k: Kernel, call: string, a: Operand, b: Operand, to: To = To.same, into?: Tensor): Tensor {
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
      const out = fitting(into, a.shape, outCode, a, b) ?? Tensor.rawLike(a, outCode);
      runDense(id, out, a, b);
      return out;
    }
  }
  a = exact(a);
  b = exact(b);
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
  const out = resultFor(into, shape, to === To.bool ? Code.bool : code, a, b);
  runBinary(id, out, a, b);
  return out;
}

/** A unary op; `params` are its scalars. Integers become the default float dtype where `to` says so. */
export function unary(
  k: Kernel,
  call: string,
  a: Tensor,
  to: To = To.same,
  params?: readonly number[],
  into?: Tensor,
): Tensor {
  let code = a.code;
  if (to === To.float && !isFloatCode(code)) code = defaultFloat();
  const id = kernelFor(call, k, code);
  const outCode = to === To.bool ? Code.bool : code;
  const out = resultFor(into, a.shape, outCode, a);
  runUnary(id, out, a, params);
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
  into?: Tensor,
): Tensor {
  const id = kernelFor(call, k, code);
  let shape: Shape | null = null;
  for (const x of operands)
    if (x instanceof Tensor) shape = shape === null ? x.shape : broadcastShapes(call, shape, x.shape);
  const out = resultFor(into, shape ?? [], outCode, operands[0], operands[1], operands[2]);
  runElementwise(id, out, operands, params);
  return out;
}
