/**
 * LDLᵀ factorizations of symmetric matrices, definite or not, with the pivots of Bunch and Kaufman (1977; LAPACK's sytrf and
 * sytrs, lower triangle): D has blocks of one and two rows. Numbers are worked on in float64 and rounded once at the end.
 */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { formatShape, numelOf, sameShape, broadcastShapes } from '../tensor/shape.js';
import { elementsOf } from '../tensor/elements.js';
import { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { checkSquare, whichMatrix } from './solving.js';

/** Above this share of the largest element beside it, an element of the diagonal is a good pivot. */
const ALPHA = (1 + Math.sqrt(17)) / 8;

/** One matrix, n x n, row by row: the lower triangle is overwritten. */
class Factorization {
  constructor(
    private readonly a: Float64Array,
    private readonly n: number,
    private readonly pivots: Int32Array,
  ) {}
  private at(i: number, j: number): number {
    return this.a[i * this.n + j]!;
  }
  private set(i: number, j: number, x: number): void {
    this.a[i * this.n + j] = x;
  }
  private swap(i: number, j: number, k: number, l: number): void {
    const x = this.at(i, j);
    this.set(i, j, this.at(k, l));
    this.set(k, l, x);
  }
  /** The row to exchange with, and the size of the block at k; -1 where the column is 0. */
  private choose(k: number): [row: number, size: number] {
    const { n } = this;
    const own = Math.abs(this.at(k, k));
    let [largest, row] = [0, k];
    for (let i = k + 1; i < n; i++)
      if (Math.abs(this.at(i, k)) > largest) [largest, row] = [Math.abs(this.at(i, k)), i];
    if (Math.max(own, largest) === 0 || Number.isNaN(own)) return [-1, 1];
    if (own >= ALPHA * largest) return [k, 1];
    let beside = 0;
    for (let j = k; j < row; j++) beside = Math.max(beside, Math.abs(this.at(row, j)));
    for (let i = row + 1; i < n; i++) beside = Math.max(beside, Math.abs(this.at(i, row)));
    if (own >= ALPHA * largest * (largest / beside)) return [k, 1];
    return Math.abs(this.at(row, row)) >= ALPHA * beside ? [row, 1] : [row, 2];
  }
  private exchange(at: number, row: number): void {
    for (let i = row + 1; i < this.n; i++) this.swap(i, at, i, row);
    for (let i = at + 1; i < row; i++) this.swap(i, at, row, i);
    this.swap(at, at, row, row);
  }
  private eliminateOne(k: number): void {
    const inverse = 1 / this.at(k, k);
    for (let j = k + 1; j < this.n; j++) {
      const factor = this.at(j, k) * inverse;
      for (let i = j; i < this.n; i++) this.set(i, j, this.at(i, j) - this.at(i, k) * factor);
    }
    for (let i = k + 1; i < this.n; i++) this.set(i, k, this.at(i, k) * inverse);
  }
  private eliminateTwo(k: number): void {
    const off = this.at(k + 1, k);
    const [d11, d22] = [this.at(k + 1, k + 1) / off, this.at(k, k) / off];
    const scale = 1 / (d11 * d22 - 1) / off;
    for (let j = k + 2; j < this.n; j++) {
      const first = scale * (d11 * this.at(j, k) - this.at(j, k + 1));
      const second = scale * (d22 * this.at(j, k + 1) - this.at(j, k));
      for (let i = j; i < this.n; i++)
        this.set(i, j, this.at(i, j) - this.at(i, k) * first - this.at(i, k + 1) * second);
      this.set(j, k, first);
      this.set(j, k + 1, second);
    }
  }
  /** The number of the first pivot that is 0, counted from 1; 0 where there is none. */
  run(): number {
    let info = 0;
    for (let k = 0; k < this.n;) {
      const [row, size] = this.choose(k);
      if (row < 0) {
        info ||= k + 1;
        this.pivots[k] = k + 1;
        k++;
        continue;
      }
      const at = k + size - 1;
      if (row !== at) {
        this.exchange(at, row);
        if (size === 2) this.swap(k + 1, k, row, k);
      }
      if (size === 1) this.eliminateOne(k);
      else this.eliminateTwo(k);
      for (let i = k; i <= at; i++) this.pivots[i] = size === 1 ? row + 1 : -(row + 1);
      k += size;
    }
    return info;
  }
}

function factorize(call: string, a: Tensor, hermitian: boolean): Tensor[] {
  void hermitian; // the same for real numbers
  checkSquare(call, a);
  const batch = a.shape.slice(0, -2);
  const n = a.shape.at(-1)!;
  const wide = a.detach().tril().double();
  const pivots = Tensor.raw([...batch, n], Code.i32);
  const info = Tensor.raw(batch, Code.i32);
  const [values, order, infos] = [elementsOf(wide), elementsOf(pivots), elementsOf(info)] as [Float64Array, Int32Array, Int32Array]; // prettier-ignore
  for (let item = 0; item < numelOf(batch); item++) {
    const own = values.subarray(item * n * n, (item + 1) * n * n);
    infos[item] = new Factorization(own, n, order.subarray(item * n, (item + 1) * n)).run();
  }
  return [wide.to(a.dtype), pivots, info];
}
function checkInfo(call: string, a: Tensor, info: Tensor): void {
  const item = Array.from(info.toTypedArray(), Number).findIndex((x) => x !== 0);
  if (item < 0) return;
  const pivot = Number(info.reshape([-1]).at(item).item());
  throw new TenfoldError('value', `${call}: ${whichMatrix(a, item)} is singular: its pivot ${pivot} is zero`);
}
/**
 * ldlFactor that refuses no singular matrix: `info` (int32) is the number of the first pivot that is zero, 0 where none is. No
 * gradients. See torch.linalg.ldl_factor_ex.
 */
export const ldlFactorEx = defineOp(
  'ldlFactorEx(Tensor self, *, bool hermitian=false, bool checkErrors=false) -> (LD, pivots, info)',
  (): OpDef => ({
    forward(a: Tensor, hermitian: boolean, check: boolean) {
      const parts = factorize('ldlFactorEx', a, hermitian);
      if (check) checkInfo('ldlFactorEx', a, parts[2]!);
      return parts;
    },
    differentiable: false,
  }),
);
/**
 * A = L D Lᵀ of symmetric matrices [..., n, n], float32 or float64, of which the lower triangle is read: `LD` holds both, `pivots`
 * (int32, from 1 on) the exchanges, twice the same negative one for a block of two rows. `hermitian` means nothing for real
 * numbers. No gradients. See torch.linalg.ldl_factor.
 */
export const ldlFactor = defineOp('ldlFactor(Tensor self, *, bool hermitian=false) -> (LD, pivots)', (): OpDef => ({
  forward(a: Tensor, hermitian: boolean) {
    const [factors, pivots, info] = factorize('ldlFactor', a, hermitian) as [Tensor, Tensor, Tensor];
    checkInfo('ldlFactor', a, info);
    return [factors, pivots];
  },
  differentiable: false,
}));

/** B, n x k, overwritten with the solution of one matrix. */
function solveOne(a: Float64Array, n: number, pivots: Int32Array, b: Float64Array, k: number): void {
  const take = (to: number, from: number, factor: number): void => {
    for (let j = 0; j < k; j++) b[to * k + j]! -= factor * b[from * k + j]!;
  };
  const swap = (x: number, y: number): void => {
    if (x !== y) for (let j = 0; j < k; j++) [b[x * k + j], b[y * k + j]] = [b[y * k + j]!, b[x * k + j]!];
  };
  for (let i = 0; i < n;) {
    const pivot = pivots[i]!;
    if (pivot > 0) {
      swap(i, pivot - 1);
      for (let row = i + 1; row < n; row++) take(row, i, a[row * n + i]!);
      for (let j = 0; j < k; j++) b[i * k + j]! /= a[i * n + i]!;
      i++;
      continue;
    }
    swap(i + 1, -pivot - 1);
    for (let row = i + 2; row < n; row++) {
      take(row, i, a[row * n + i]!);
      take(row, i + 1, a[row * n + i + 1]!);
    }
    const off = a[(i + 1) * n + i]!;
    const [first, second] = [a[i * n + i]! / off, a[(i + 1) * n + i + 1]! / off];
    const denominator = first * second - 1;
    for (let j = 0; j < k; j++) {
      const [x, y] = [b[i * k + j]! / off, b[(i + 1) * k + j]! / off];
      b[i * k + j] = (second * x - y) / denominator;
      b[(i + 1) * k + j] = (first * y - x) / denominator;
    }
    i += 2;
  }
  for (let i = n - 1; i >= 0;) {
    const pivot = pivots[i]!;
    for (let row = i + 1; row < n; row++) take(i, row, a[row * n + i]!);
    if (pivot < 0) for (let row = i + 1; row < n; row++) take(i - 1, row, a[row * n + i - 1]!);
    swap(i, Math.abs(pivot) - 1);
    i -= pivot > 0 ? 1 : 2;
  }
}
function checkPivots(pivots: Tensor, n: number): void {
  const list = elementsOf(pivots.rawDense()) as Int32Array;
  for (let at = 0; at < list.length; at++) {
    const pivot = list[at]!;
    const row = at % n;
    const paired = pivot > 0 || (row < n - 1 && list[at + 1] === pivot);
    if (!(Math.abs(pivot) > row && Math.abs(pivot) <= n && paired))
      throw new RangeError(`ldlSolve: pivots must be as ldlFactor gives them, got ${pivot} at row ${row} of ${n}`);
    if (pivot < 0) at++;
  }
}
/**
 * The X of A X = B from what ldlFactor gives of A [..., n, n], for B [..., n, k] of one dtype with it; batches broadcast. No
 * gradients. See torch.linalg.ldl_solve.
 */
export const ldlSolve = defineOp(
  'ldlSolve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=false)',
  (): OpDef => ({
    forward(factors: Tensor, pivots: Tensor, b: Tensor) {
      checkSquare('ldlSolve', factors);
      const n = factors.shape.at(-1)!;
      if (pivots.code !== Code.i32 || !sameShape(pivots.shape, factors.shape.slice(0, -1)))
        throw new TenfoldError('shape', `ldlSolve: pivots must be int32 ${formatShape(factors.shape.slice(0, -1))}, got ${pivots.dtype} ${formatShape(pivots.shape)}`); // prettier-ignore
      if (b.code !== factors.code)
        throw new TenfoldError('dtype', `ldlSolve: LD and B must have one dtype, got ${factors.dtype} and ${b.dtype}`);
      if (b.shape.length < 2 || b.shape.at(-2) !== n)
        throw new TenfoldError('shape', `ldlSolve: B must be [..., ${n}, k], got ${formatShape(b.shape)}`);
      checkPivots(pivots, n);
      const k = b.shape.at(-1)!;
      const batch = broadcastShapes('ldlSolve', factors.shape.slice(0, -2), b.shape.slice(0, -2));
      const whole = factors
        .expand([...batch, n, n])
        .double()
        .contiguous();
      const order = pivots.expand([...batch, n]).contiguous();
      const out = b
        .expand([...batch, n, k])
        .to('float64', { copy: true })
        .contiguous();
      const [a, p, x] = [elementsOf(whole), elementsOf(order), elementsOf(out)] as [Float64Array, Int32Array, Float64Array]; // prettier-ignore
      for (let item = 0; item < numelOf(batch); item++) {
        const own = x.subarray(item * n * k, (item + 1) * n * k);
        solveOne(a.subarray(item * n * n, (item + 1) * n * n), n, p.subarray(item * n, (item + 1) * n), own, k);
      }
      return out.to(b.dtype);
    },
    differentiable: false,
  }),
);
