/**
 * Linear systems: their solutions, triangular ones, and inverses. Of factorizations (native/kernels/linalg.cc) only what
 * solves is here; determinants and Cholesky are in factorization.ts.
 */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { checkZero } from '../launch/check.js';
import { run } from '../launch/run.js';
import { kernel, type Kernel } from '../native/launch.js';
import { broadcastShapes, formatShape, numelOf, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { all, d, defineOp, type OpDef } from '../op/define.js';
import { floatOnly } from '../op/reduce.js';
import { where } from './arithmetic.js';

const K = { luFactor: kernel('luFactor'), luSolve: kernel('luSolve'), solveTriangular: kernel('solveTriangular') };

// ---- checks ----------------------------------------------------------------------------------------------------------

/** Refuses what is no batch of matrices in float32 or float64. */
export function checkMatrices(call: string, a: Tensor): void {
  if (a.shape.length < 2)
    throw new TenfoldError('shape', `${call}: needs matrices [..., m, n], got ${formatShape(a.shape)}`);
  floatOnly(call, a);
  if (a.code !== Code.f32 && a.code !== Code.f64)
    throw new TenfoldError('dtype', `${call}: needs float32 or float64, got ${a.dtype}; use float()`);
}
/** Refuses what is no batch of square matrices in float32 or float64. */
export function checkSquare(call: string, a: Tensor): void {
  const n = a.shape.length;
  if (n < 2 || a.shape[n - 1] !== a.shape[n - 2])
    throw new TenfoldError('shape', `${call}: needs square matrices [..., n, n], got ${formatShape(a.shape)}`);
  checkMatrices(call, a);
}
function checkSystem(call: string, a: Tensor, b: Tensor, left: boolean): void {
  checkSquare(call, a);
  if (a.code !== b.code)
    throw new TenfoldError('dtype', `${call}: A and B must have one dtype, got ${a.dtype} and ${b.dtype}`);
  const rows = b.shape.at(left ? -2 : -1);
  if (b.shape.length < 2 || rows !== a.shape.at(-1)) {
    const wanted = left ? `[..., ${a.shape.at(-1)}, k]` : `[..., k, ${a.shape.at(-1)}]`;
    throw new TenfoldError(
      'shape',
      `${call}: for A ${formatShape(a.shape)} B must be ${wanted}, got ${formatShape(b.shape)}`,
    );
  }
}
const batchOf = (t: Tensor): Shape => t.shape.slice(0, -2);
/** Which matrix of a batch an error is about. */
export const whichMatrix = (a: Tensor, item: number): string =>
  a.shape.length === 2 ? 'the matrix' : `matrix ${item} of the batch`;

/** The kernel's id for a tensor that checkSquare let through. */
export const idFor = (k: Kernel, a: Tensor): number => k[a.code]!;

// ---- LU --------------------------------------------------------------------------------------------------------------

/** P A = L U: `lu` holds both (L's diagonal is ones); row i of P A is row permutation[i] of A. */
export interface Factors {
  lu: Tensor;
  permutation: Tensor;
  /** Of the permutation: 1 or -1, [...]. */
  parity: Tensor;
  /** Number of the first pivot that is 0, from 1 on; 0 where there is none. int64 [...]. */
  zeroPivot: Tensor;
}

/** LU factorization with partial pivoting of [..., n, n]. No graph. */
export function luFactor(a: Tensor): Factors {
  const batch = batchOf(a);
  const f: Factors = {
    lu: a.rawClone(),
    permutation: Tensor.raw(a.shape.slice(0, -1), Code.i64),
    parity: Tensor.raw(batch, a.code),
    zeroPivot: Tensor.raw(batch, Code.i64),
  };
  run(
    idFor(K.luFactor, a), numelOf(batch), a.shape.at(-1)!, f.lu, f.permutation,
    f.parity, f.zeroPivot,
  ); // prettier-ignore
  return f;
}

function checkRegular(call: string, { lu, zeroPivot }: Factors): void {
  checkZero(
    zeroPivot,
    (pivot, item) =>
      new TenfoldError('value', `${call}: ${whichMatrix(lu, item)} is singular: its pivot ${pivot} is zero`),
  );
}

/** The inverse from the factors. No graph. */
function invertFactors(f: Factors): Tensor {
  const n = f.lu.shape.at(-1)!;
  const out = Tensor.raw(f.lu.shape, f.lu.code);
  run(
    idFor(K.luSolve, f.lu), numelOf(batchOf(f.lu)), n, n, f.lu, n * n, f.permutation, n, null, 0,
    out,
  ); // prettier-ignore
  return out;
}
/** The inverse; `call` is who asks. No graph. */
function inverseOf(call: string, a: Tensor): Tensor {
  checkSquare(call, a);
  const f = luFactor(a);
  checkRegular(call, f);
  return invertFactors(f);
}
const inversion = (call: string, input: string) => (): OpDef => ({
  forward: (a: Tensor) => inverseOf(call, a),
  backward: { [input]: d('result', (grad, y) => y.mT.neg().matmul(grad).matmul(y.mT)) },
  gradName: 'LinalgInvExBackward0',
});
/**
 * Inverses of square matrices [..., n, n], float32 or float64; a singular one is refused. solve(A, B) is faster and more
 * accurate than inv(A).matmul(B). See torch.linalg.inv.
 */
export const inv = defineOp('inv(Tensor A)', inversion('inv', 'A'));
/** Inverses of square matrices; of singular ones infinities, without gradient. */
export const inverseOrInfinity = defineOp('inverseOrInfinity(Tensor A)', (): OpDef => ({
  forward(a: Tensor) {
    checkSquare('inverseOrInfinity', a);
    const f = luFactor(a);
    return where(f.zeroPivot.ne(0).unsqueeze(-1).unsqueeze(-1), Infinity, invertFactors(f));
  },
  backward: {
    A: d('result', (grad, y) => {
      const regular = where(y.eq(Infinity), 0, y);
      return regular.mT.neg().matmul(grad).matmul(regular.mT);
    }),
  },
  gradName: 'LinalgInvExBackward0',
}));
/** Inverses of square matrices: linalg.inv. See torch.inverse. */
export const inverse = defineOp('inverse(Tensor self)', inversion('inverse', 'self'));

// ---- systems ---------------------------------------------------------------------------------------------------------

/** One [n, k] matrix for all of a batch, or a dense tensor of as many: with the stride from one to the next. */
function spread(t: Tensor, batch: Shape): { t: Tensor; stride: number } {
  const matrix = t.shape.slice(-2);
  const size = numelOf(matrix);
  if (numelOf(batchOf(t)) === 1) return { t: t.rawDense(), stride: 0 };
  const full = numelOf(batchOf(t)) === numelOf(batch) ? t : t.expand([...batch, ...matrix]);
  return { t: full.rawDense(), stride: size };
}

/** A⁻¹ B of matrices, whose batches broadcast. */
const solveMatrices = defineOp('solveMatrices(Tensor A, Tensor B)', (): OpDef => ({
  forward(a: Tensor, b: Tensor) {
    const batch = broadcastShapes('solve', batchOf(a), batchOf(b));
    const out = Tensor.raw([...batch, ...b.shape.slice(-2)], a.code);
    const from = spread(a, batch);
    const f = luFactor(from.t);
    checkRegular('solve', f);
    if (out.count === 0) return out;
    const n = a.shape.at(-1)!;
    const right = spread(b, batch);
    run(
      idFor(K.luSolve, a), numelOf(batch), n, b.shape.at(-1)!, f.lu, from.stride, f.permutation,
      from.stride === 0 ? 0 : n, right.t, right.stride, out,
    ); // prettier-ignore
    return out;
  },
  backward: all(['A', 'result'], (grad, { A, result }, _call, needs) => {
    const gradB = solveMatrices(A.mT, grad);
    return [needs[0] ? gradB.matmul(result.mT).neg() : null, needs[1] ? gradB : null];
  }),
  gradName: 'LinalgSolveExBackward0',
}));

/** Whether B is one vector, or a batch of as many vectors as A has matrices: PyTorch's rule. */
const isVector = (a: Shape, b: Shape): boolean =>
  b.length === 1 || (b.length === a.length - 1 && b.every((size, i) => size === a[i]));

/**
 * The X of A X = B, or of X A = B where `left` is false. A is [..., n, n], float32 or float64, and not singular. B is
 * [..., n, k]; or vectors: [n], or [..., n] of exactly A's batch. Batches broadcast. See torch.linalg.solve.
 */
export const solve = defineOp('solve(Tensor A, Tensor B, *, bool left=true)', (): OpDef => ({
  forward(a: Tensor, b: Tensor, left: boolean) {
    checkSquare('solve', a);
    if (b.shape.length > 0 && isVector(a.shape, b.shape)) {
      if (!left)
        throw new TenfoldError(
          'shape',
          `solve: with left: false B must be matrices, got vectors ${formatShape(b.shape)}`,
        );
      const columns = b.unsqueeze(-1);
      checkSystem('solve', a, columns, true);
      return solveMatrices(a, columns).squeeze(-1);
    }
    checkSystem('solve', a, b, left);
    return left ? solveMatrices(a, b) : solveMatrices(a.mT, b.mT).mT;
  },
  composite: true,
}));

/** A triangle as the kernel takes it: as it lies, where its rows or its columns lie side by side. */
function lying(a: Tensor, batch: Shape): { t: Tensor; stride: number; turned: boolean } {
  if (!a.dense && a.mT.dense) return { ...spread(a.mT, batch), turned: true };
  return { ...spread(a, batch), turned: false };
}

const solveTriangles = defineOp('solveTriangles(Tensor A, Tensor B, bool upper, bool unitriangular)', (): OpDef => ({
  forward(a: Tensor, b: Tensor, upper: boolean, unit: boolean) {
    const batch = broadcastShapes('solveTriangular', batchOf(a), batchOf(b));
    const out = Tensor.raw([...batch, ...b.shape.slice(-2)], a.code);
    if (out.count === 0) return out;
    out.rawCopy(b);
    const n = a.shape.at(-1)!;
    const { t, stride, turned } = lying(a, batch);
    run(
        idFor(K.solveTriangular, a), numelOf(batch), n, b.shape.at(-1)!, t, stride, n, Number(turned),
        Number(upper), Number(unit), out,
      ); // prettier-ignore
    return out;
  },
  backward: all(['A', 'result'], (grad, { A, result }, { upper, unitriangular }, needs) => {
    const gradB = solveTriangles(A.mT, grad, !upper, unitriangular);
    if (!needs[0]) return [null, gradB];
    const full = gradB.matmul(result.mT).neg();
    const outer = unitriangular ? 1 : 0;
    return [upper ? full.triu(outer) : full.tril(-outer), needs[1] ? gradB : null];
  }),
  gradName: 'LinalgSolveTriangularBackward0',
}));
/**
 * The X of A X = B, or of X A = B where `left` is false, for triangular A [..., n, n], float32 or float64: only its upper
 * or lower triangle is read, and with `unitriangular` the diagonal is taken for ones. B is [..., n, k]; batches
 * broadcast. `upper` must be given. A zero on the diagonal gives infinities. See torch.linalg.solve_triangular.
 */
export const solveTriangular = defineOp(
  'solveTriangular(Tensor A, Tensor B, *, bool? upper=null, bool left=true, bool unitriangular=false)',
  (): OpDef => ({
    forward(a: Tensor, b: Tensor, upper: boolean | null, left: boolean, unit: boolean) {
      if (upper === null)
        throw new TypeError('solveTriangular: missing option upper: which triangle A is, true or false');
      checkSystem('solveTriangular', a, b, left);
      return left ? solveTriangles(a, b, upper, unit) : solveTriangles(a.mT, b.mT, !upper, unit).mT;
    },
    composite: true,
  }),
);
