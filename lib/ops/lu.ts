/** LU factorizations that users see: with LAPACK's pivots, of any shape, and solutions by them. */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { checkZero } from '../launch/check.js';
import { formatShape, numelOf, sameShape } from '../tensor/shape.js';
import { elementsOf } from '../tensor/elements.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { cat } from './joining.js';
import { checkMatrices, checkSquare, luFactor as factor, solveTriangular, whichMatrix } from './solving.js';

// ---- pivots ----------------------------------------------------------------------------------------------------------

/** LAPACK's pivots (int32, from 1 on): row i was exchanged with row pivots[i]. From permutations [..., m]. */
function pivotsOf(permutation: Tensor, count: number): Tensor {
  const m = permutation.shape.at(-1)!;
  const out = Tensor.raw([...permutation.shape.slice(0, -1), count], Code.i32);
  const from = elementsOf(permutation.rawDense()) as BigInt64Array;
  const to = elementsOf(out) as Int32Array;
  for (let item = 0; item * m < from.length; item++) {
    const rows = Array.from({ length: m }, (_, i) => i);
    const places = rows.slice(); // of each row
    for (let i = 0; i < count; i++) {
      const row = Number(from[item * m + i]);
      const at = places[row]!;
      to[item * count + i] = at + 1;
      places[rows[i]!] = at;
      rows[at] = rows[i]!;
      rows[i] = row;
      places[row] = i;
    }
  }
  return out;
}
/** The permutations [..., m], int64, that pivots [..., k] make of m rows. */
function permutationOf(call: string, pivots: Tensor, m: number): Tensor {
  if (pivots.code !== Code.i32)
    throw new TenfoldError('dtype', `${call}: pivots must be int32, as luFactor gives them, got ${pivots.dtype}`);
  const k = pivots.shape.at(-1)!;
  const out = Tensor.raw([...pivots.shape.slice(0, -1), m], Code.i64);
  const from = elementsOf(pivots.rawDense()) as Int32Array;
  const to = elementsOf(out) as BigInt64Array;
  for (let item = 0; item < numelOf(pivots.shape.slice(0, -1)); item++) {
    const rows = Array.from({ length: m }, (_, i) => i);
    for (let i = 0; i < k; i++) {
      const at = from[item * k + i]! - 1;
      if (at < 0 || at >= m) throw new RangeError(`${call}: pivots must be from 1 to ${m}, got ${at + 1}`);
      [rows[i], rows[at]] = [rows[at]!, rows[i]!];
    }
    rows.forEach((row, i) => (to[item * m + i] = BigInt(row)));
  }
  return out;
}
/** Rows of x in the order of permutations; their batches broadcast. */
function rowsOf(x: Tensor, permutation: Tensor): Tensor {
  const index = permutation.unsqueeze(-1);
  const batch = x.shape.length >= index.shape.length ? x.shape.slice(0, -2) : index.shape.slice(0, -2);
  const shape = [...batch, ...x.shape.slice(-2)];
  return x.expand(shape).gather(-2, index.expand([...batch, index.shape.at(-2)!, x.shape.at(-1)!]));
}
const inverse = (permutation: Tensor): Tensor => permutation.argsort(-1);
/** P of P L U: ones where row permutation[i] is row i of L U. */
function matrixOf(permutation: Tensor, like: Tensor): Tensor {
  const m = permutation.shape.at(-1)!;
  return Tensor.zeros([...permutation.shape, m], like.code).scatter_(-2, permutation.unsqueeze(-2), 1);
}

// ---- factorization ---------------------------------------------------------------------------------------------------

/** Both factors in one [..., m, n], pivots, and the number of the first pivot that is 0 (0: none). No graph. */
function factorize(call: string, a: Tensor, pivot: boolean): [Tensor, Tensor, Tensor] {
  checkMatrices(call, a);
  if (!pivot) throw new TenfoldError('value', `${call}: without pivoting there is no factorization on the CPU`);
  const [m, n] = a.shape.slice(-2) as [number, number];
  const k = Math.min(m, n);
  // Rows are chosen by the first columns: of a wide matrix the others follow by a solution, a tall one gets columns of 0.
  const source = n > m ? a.narrow(-1, 0, m) : m > n ? cat([a, Tensor.zeros([...a.shape.slice(0, -1), m - n], a.code)], -1) : a; // prettier-ignore
  const f = factor(source);
  const pivots = pivotsOf(f.permutation, k);
  const info = f.zeroPivot.to('int32');
  const failed = info.gt(k);
  const found = info.mul(failed.logicalNot().to('int32'));
  if (m >= n) return [f.lu.narrow(-1, 0, n).contiguous(), pivots, found];
  const rest = rowsOf(a.narrow(-1, m, n - m), f.permutation);
  return [cat([f.lu, solveTriangular(f.lu, rest, { upper: false, unitriangular: true })], -1), pivots, found];
}
function checkInfo(call: string, a: Tensor, info: Tensor): void {
  checkZero(
    info,
    (pivot, item) =>
      new TenfoldError('value', `${call}: ${whichMatrix(a, item)} is singular: its pivot ${pivot} is zero`),
  );
}
/**
 * The gradient of A = P L U. Of square factors it is P L⁻ᵀ (lower part of Lᵀ gL + upper part of gU Uᵀ) U⁻ᵀ; further columns
 * are U₂ = L⁻¹ Pᵀ A₂, further rows L₂ = (Pᵀ A)₂ U⁻¹.
 */
function luBackward(grads: Tensor[], lu: Tensor, pivots: Tensor): Tensor {
  const [m, n] = lu.shape.slice(-2) as [number, number];
  const k = Math.min(m, n);
  const [square, grad] = [lu, grads[0]!].map((x) => x.narrow(-1, 0, k).narrow(-2, 0, k)) as [Tensor, Tensor];
  const lower = square.tril(-1).add(Tensor.zeros([k, k], lu.code).fillDiagonal_(1));
  const upper = square.triu();
  const left = lower.mT.matmul(grad.tril(-1));
  const right = grad.triu().matmul(upper.mT);
  const byL = (x: Tensor): Tensor => solveTriangular(lower.mT, x, { upper: true, unitriangular: true });
  const byU = (x: Tensor): Tensor => solveTriangular(upper.mT, x, { upper: false, left: false });
  const [beside, gradBeside] = [lu, grads[0]!].map((x) => x.narrow(-1, k, n - k).narrow(-2, 0, k)) as [Tensor, Tensor];
  const [below, gradBelow] = [lu, grads[0]!].map((x) => x.narrow(-2, k, m - k)) as [Tensor, Tensor];
  const strict = (n > k ? left.sub(gradBeside.matmul(beside.mT)) : left).tril(-1);
  const whole = (m > k ? right.sub(below.mT.matmul(gradBelow)) : right).triu();
  let out = byU(byL(strict.add(whole)));
  if (n > k) out = cat([out, byL(gradBeside)], -1);
  if (m > k) out = cat([out, byU(gradBelow)], -2);
  return rowsOf(out, inverse(permutationOf('luFactor', pivots, m)));
}
/**
 * P A = L U of [..., m, n], float32 or float64, as luFactor, and `info` (int32): the number of the first pivot that is
 * zero, 0 where none is. See torch.linalg.lu_factor_ex.
 */
export const luFactorEx = defineOp(
  'luFactorEx(Tensor A, *, bool pivot=true, bool checkErrors=false) -> (LU, pivots, info)',
  (): OpDef => ({
    forward(a: Tensor, pivot: boolean, check: boolean) {
      const parts = factorize('luFactorEx', a, pivot);
      if (check) checkInfo('luFactorEx', a, parts[2]);
      return parts;
    },
    backward: { A: d('result', 'result1', luBackward) },
    gradName: 'LinalgLuFactorExBackward0',
  }),
);
/**
 * P A = L U of [..., m, n], float32 or float64: `LU` holds U in its upper triangle and below it L without its diagonal of
 * ones; `pivots` (int32, from 1 on) say with which row each was exchanged. A zero pivot of a square matrix is refused. See
 * torch.linalg.lu_factor.
 */
export const luFactor = defineOp('luFactor(Tensor A, *, bool pivot=true) -> (LU, pivots)', (): OpDef => ({
  forward(a: Tensor, pivot: boolean) {
    checkMatrices('luFactor', a);
    if (!pivot) throw new TenfoldError('value', 'luFactor: without pivoting there is no factorization on the CPU');
    const { LU, pivots, info } = luFactorEx(a);
    checkInfo('luFactor', a, info);
    return [LU, pivots];
  },
  composite: true,
}));
/** A = P L U of [..., m, n], float32 or float64, as three matrices. See torch.linalg.lu. */
export const linalgLu = defineOp('lu(Tensor A, *, bool pivot=true) -> (P, L, U)', (): OpDef => ({
  forward(a: Tensor, pivot: boolean) {
    checkMatrices('lu', a);
    if (!pivot) throw new TenfoldError('value', 'lu: without pivoting there is no factorization on the CPU');
    const { LU, pivots } = luFactorEx(a);
    return luUnpack(LU, pivots);
  },
  composite: true,
}));
/** [LU, pivots], and with getInfos a third tensor of infos: linalg.luFactorEx. See torch.lu. */
export const lu = defineOp('lu(Tensor self, bool pivot=true, bool getInfos=false) -> Tensor[]', (): OpDef => ({
  forward(a: Tensor, pivot: boolean, infos: boolean) {
    checkMatrices('lu', a);
    if (!pivot) throw new TenfoldError('value', 'lu: without pivoting there is no factorization on the CPU');
    const { LU, pivots, info } = luFactorEx(a);
    if (!infos) checkInfo('lu', a, info);
    return infos ? [LU, pivots, info] : [LU, pivots];
  },
  composite: true,
}));

function checkFactors(call: string, factors: Tensor, pivots: Tensor): void {
  checkMatrices(call, factors);
  const want = [...factors.shape.slice(0, -2), Math.min(...factors.shape.slice(-2))];
  if (!sameShape(pivots.shape, want))
    throw new TenfoldError('shape', `${call}: for factors ${formatShape(factors.shape)} pivots must be ${formatShape(want)}, got ${formatShape(pivots.shape)}`); // prettier-ignore
}
/**
 * P, L and U of what luFactor gives; `unpackData` false leaves L and U empty, `unpackPivots` false P. See torch.lu_unpack.
 */
export const luUnpack = defineOp(
  'luUnpack(Tensor LUData, Tensor LUPivots, bool unpackData=true, bool unpackPivots=true) -> (P, L, U)',
  (): OpDef => ({
    forward(factors: Tensor, pivots: Tensor, data: boolean, order: boolean) {
      if (order && pivots.code !== Code.i32)
        throw new TenfoldError('dtype', `luUnpack: pivots must be int32, as luFactor gives them, got ${pivots.dtype}`);
      checkFactors('luUnpack', factors, pivots);
      const [m, n] = factors.shape.slice(-2) as [number, number];
      const k = Math.min(m, n);
      const none = Tensor.raw([0], factors.code);
      const p = order ? matrixOf(permutationOf('luUnpack', pivots, m), factors) : none;
      if (!data) return [p, none, none];
      const ones = Tensor.zeros([m, k], factors.code).fillDiagonal_(1);
      return [p, factors.narrow(-1, 0, k).tril(-1).add(ones), factors.narrow(-2, 0, k).triu()];
    },
    composite: true,
  }),
);

/** The X of A X = B, or of Aᵀ X = B, from A's factors. */
function solveFactors(call: string, factors: Tensor, pivots: Tensor, b: Tensor, adjoint: boolean): Tensor {
  const permutation = permutationOf(call, pivots, factors.shape.at(-1)!);
  if (!adjoint) {
    const y = solveTriangular(factors, rowsOf(b, permutation), { upper: false, unitriangular: true });
    return solveTriangular(factors, y, { upper: true });
  }
  const y = solveTriangular(factors.mT, b, { upper: false });
  const x = solveTriangular(factors.mT, y, { upper: true, unitriangular: true });
  return rowsOf(x, inverse(permutation));
}
/**
 * The X of A X = B (X A = B where `left` is false; Aᵀ for A with `adjoint`) from what luFactor gives of A [..., n, n], for B
 * [..., n, k], float32 or float64; batches broadcast. See torch.linalg.lu_solve.
 */
export const linalgLuSolve = defineOp(
  'luSolve(Tensor LU, Tensor pivots, Tensor B, *, bool left=true, bool adjoint=false)',
  (): OpDef => ({
    forward(factors: Tensor, pivots: Tensor, b: Tensor, left: boolean, adjoint: boolean) {
      checkSolve('luSolve', factors, pivots, b, left);
      return left
        ? solveFactors('luSolve', factors, pivots, b, adjoint)
        : solveFactors('luSolve', factors, pivots, b.mT, !adjoint).mT;
    },
    composite: true,
  }),
);
/** The X of A X = self from what luFactor gives of A: linalg.luSolve. See torch.lu_solve. */
export const luSolve = defineOp('luSolve(Tensor self, Tensor LUData, Tensor LUPivots)', (): OpDef => ({
  forward(b: Tensor, factors: Tensor, pivots: Tensor) {
    checkSolve('luSolve', factors, pivots, b, true);
    return solveFactors('luSolve', factors, pivots, b, false);
  },
  composite: true,
}));
function checkSolve(call: string, factors: Tensor, pivots: Tensor, b: Tensor, left: boolean): void {
  checkSquare(call, factors);
  if (pivots.code !== Code.i32)
    throw new TenfoldError('dtype', `${call}: pivots must be int32, as luFactor gives them, got ${pivots.dtype}`);
  checkFactors(call, factors, pivots);
  if (b.code !== factors.code)
    throw new TenfoldError('dtype', `${call}: LU and B must have one dtype, got ${factors.dtype} and ${b.dtype}`);
  const n = factors.shape.at(-1)!;
  if (b.shape.length < 2 || b.shape.at(left ? -2 : -1) !== n)
    throw new TenfoldError('shape', `${call}: B must be ${left ? `[..., ${n}, k]` : `[..., k, ${n}]`}, got ${formatShape(b.shape)}`); // prettier-ignore
}
