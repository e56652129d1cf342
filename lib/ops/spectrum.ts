/**
 * Eigenvalues and eigenvectors of square matrices whose spectrum is real: reflections to Hessenberg form, QR steps with two shifts
 * at once (Francis 1961; Golub & Van Loan, Matrix Computations, 7.4 and 7.5), back substitution. In float64.
 */
import { TenfoldError } from '../errors.js';
import { numelOf } from '../tensor/shape.js';
import { elementsOf } from '../tensor/elements.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { Code } from '../dtype.js';
import { checkSquare, solve, whichMatrix } from './solving.js';

const EPSILON = 2 ** -52;

/** H and Q of A = Q H Qᵀ, n x n, row by row; H is worked down to triangular form. */
class Schur {
  readonly q: Float64Array;
  constructor(
    readonly h: Float64Array,
    private readonly n: number,
  ) {
    this.q = new Float64Array(n * n);
    for (let i = 0; i < n; i++) this.q[i * n + i] = 1;
  }
  private at(i: number, j: number): number {
    return this.h[i * this.n + j]!;
  }
  /** The reflection I − 2 v vᵀ / vᵀv of rows and columns first … first + v.length − 1; columns from `left` on, rows up to `last`. */
  private reflect(v: readonly number[], first: number, left: number, last: number): void {
    const { n, h, q } = this;
    let norm = 0;
    for (const x of v) norm += x * x;
    if (norm === 0) return;
    const apply = (m: Float64Array, start: number, step: number): void => {
      let sum = 0;
      for (let i = 0; i < v.length; i++) sum += v[i]! * m[start + i * step]!;
      const factor = (2 * sum) / norm;
      for (let i = 0; i < v.length; i++) m[start + i * step]! -= factor * v[i]!;
    };
    for (let j = left; j < n; j++) apply(h, first * n + j, n);
    for (let i = 0; i <= last; i++) apply(h, i * n + first, 1);
    for (let i = 0; i < n; i++) apply(q, i * n + first, 1);
  }
  /** v for which the reflection takes x to a multiple of the first unit vector. */
  private static towardsFirst(x: number[]): number[] {
    const scale = Math.max(...x.map(Math.abs));
    if (scale === 0) return x;
    const v = x.map((y) => y / scale);
    v[0]! += Math.sign(v[0]! || 1) * Math.hypot(...v);
    return v;
  }
  hessenberg(): void {
    const { n, h } = this;
    for (let k = 0; k < n - 2; k++) {
      const column = Array.from({ length: n - k - 1 }, (_, i) => this.at(k + 1 + i, k));
      this.reflect(Schur.towardsFirst(column), k + 1, k, n - 1);
      for (let i = k + 2; i < n; i++) h[i * n + k] = 0;
    }
  }
  /** One step with the eigenvalues of the last two rows of the block as shifts. */
  private step(first: number, last: number, exceptional: boolean): void {
    const a = this.at(last - 1, last - 1);
    const e = this.at(last, last);
    let sum = a + e;
    let product = a * e - this.at(last - 1, last) * this.at(last, last - 1);
    if (exceptional) {
      const w = Math.abs(this.at(last, last - 1)) + Math.abs(this.at(last - 1, Math.max(last - 2, 0)));
      [sum, product] = [1.5 * w, w * w];
    }
    const x = this.at(first, first);
    const below = this.at(first + 1, first);
    let v = [
      x * x + this.at(first, first + 1) * below - sum * x + product,
      below * (x + this.at(first + 1, first + 1) - sum),
      first + 2 <= last ? below * this.at(first + 2, first + 1) : 0,
    ];
    for (let k = first; k < last; k++) {
      const size = Math.min(3, last - k + 1);
      this.reflect(Schur.towardsFirst(v.slice(0, size)), k, Math.max(k - 1, first), Math.min(k + 3, last));
      for (let i = k + 1; k > first && i < k + size; i++) this.h[i * this.n + k - 1] = 0;
      v = [1, 2, 3].map((i) => (k + i <= last ? this.at(k + i, k) : 0));
    }
  }
  /** Turns the two rows that end in `last` so that they are triangular. False where their eigenvalues are complex. */
  private split(last: number): boolean {
    const k = last - 1;
    const [a, b, c, e] = [this.at(k, k), this.at(k, last), this.at(last, k), this.at(last, last)];
    const half = (a - e) / 2;
    const root = half * half + b * c;
    if (root < 0) return false;
    // (lambda − e, c) is an eigenvector.
    const lambda = e + half + Math.sign(half || 1) * Math.sqrt(root);
    const v = Schur.towardsFirst([lambda - e, c]);
    this.reflect(v, k, k, last);
    this.h[last * this.n + k] = 0;
    return true;
  }
  private negligible(i: number): boolean {
    return Math.abs(this.at(i, i - 1)) <= EPSILON * (Math.abs(this.at(i, i)) + Math.abs(this.at(i - 1, i - 1)));
  }
  /** Makes H triangular; a word where it can't be. */
  triangular(): 'complex' | 'slow' | null {
    this.hessenberg();
    let last = this.n - 1;
    for (let round = 0; last > 0;) {
      let first = last;
      while (first > 0 && !this.negligible(first)) first--;
      if (first > 0) this.h[first * this.n + first - 1] = 0;
      if (first === last) [last, round] = [last - 1, 0];
      else if (first === last - 1) {
        if (!this.split(last)) return 'complex';
        [last, round] = [last - 2, 0];
      } else {
        if (++round > 60) return 'slow';
        this.step(first, last, round % 10 === 0);
      }
    }
    return null;
  }
  /** Columns of norm 1: Q times the eigenvectors of the triangle. */
  vectors(out: Float64Array): void {
    const { n, q } = this;
    let size = 0;
    for (const x of this.h) size = Math.max(size, Math.abs(x));
    for (let k = 0; k < n; k++) {
      const y = new Float64Array(n);
      y[k] = 1;
      for (let i = k - 1; i >= 0; i--) {
        let sum = 0;
        for (let j = i + 1; j <= k; j++) sum += this.at(i, j) * y[j]!;
        const gap = this.at(k, k) - this.at(i, i);
        y[i] = sum / (Math.abs(gap) <= EPSILON * size ? EPSILON * (size || 1) : gap);
      }
      let norm = 0;
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j <= k; j++) sum += q[i * n + j]! * y[j]!;
        out[i * n + k] = sum;
        norm += sum * sum;
      }
      for (let i = 0; i < n; i++) out[i * n + k]! /= Math.sqrt(norm);
    }
  }
}

/** [values, vectors] of every matrix; vectors are empty where none are wanted. No graph. */
function decompose(call: string, a: Tensor, vectors: boolean): [Tensor, Tensor] {
  checkSquare(call, a);
  const n = a.shape.at(-1)!;
  const batch = a.shape.slice(0, -2);
  if (!a.isfinite().all().item<boolean>())
    throw new TenfoldError('value', `${call}: the input has NaN or infinities in it`);
  const wide = Tensor.raw(a.shape, Code.f64);
  wide.rawCopy(a);
  const values = Tensor.raw([...batch, n], Code.f64);
  const found = Tensor.raw(vectors ? a.shape : [0], Code.f64);
  const [from, to, columns] = [wide, values, found].map((t) => elementsOf(t)) as [Float64Array, Float64Array, Float64Array]; // prettier-ignore
  for (let item = 0; item < numelOf(batch); item++) {
    const schur = new Schur(from.subarray(item * n * n, (item + 1) * n * n), n);
    const trouble = schur.triangular();
    if (trouble === 'complex')
      throw new TenfoldError('dtype', `${call}: ${whichMatrix(a, item)} has complex eigenvalues, which no dtype here holds; eigh takes symmetric matrices`); // prettier-ignore
    if (trouble === 'slow')
      throw new TenfoldError('value', `${call}: ${whichMatrix(a, item)} has eigenvalues that weren't found in time`);
    for (let i = 0; i < n; i++) to[item * n + i] = schur.h[i * n + i]!;
    if (vectors) schur.vectors(columns.subarray(item * n * n, (item + 1) * n * n));
  }
  return [values.to(a.dtype), found.to(a.dtype)];
}

/**
 * Eigenvalues [..., n] and eigenvectors (columns of norm 1 of [..., n, n]) of square matrices, float32 or float64, in no particular
 * order. PyTorch's are complex; here they are real, and a matrix with complex eigenvalues is refused. Vectors are unique up to
 * their signs where all values differ; their gradients are finite only there. See torch.linalg.eig.
 */
export const eig = defineOp('eig(Tensor A) -> (eigenvalues, eigenvectors)', (): OpDef => ({
  forward: (a: Tensor) => decompose('eig', a, true),
  backward: {
    A: d('result', 'result1', ([gradL, gradV]: [Tensor, Tensor], l: Tensor, v: Tensor) => {
      const turned = v.mT.matmul(gradV);
      const own = turned.diagonal(0, -2, -1).unsqueeze(-2);
      const eye = Tensor.zeros(l.shape, l.code).add(1).diagEmbed();
      const gaps = l.unsqueeze(-2).sub(l.unsqueeze(-1)).add(eye);
      const off = turned
        .sub(v.mT.matmul(v.mul(own)))
        .div(gaps)
        .mul(eye.neg().add(1));
      return solve(v.mT, off.add(gradL.diagEmbed()).matmul(v.mT));
    }),
  },
  gradName: 'LinalgEigBackward0',
}));
/** Eigenvalues of square matrices whose spectrum is real; see eig. See torch.linalg.eigvals. */
export const eigvals = defineOp('eigvals(Tensor A)', (): OpDef => ({
  forward: (a: Tensor) => decompose('eigvals', a, false)[0],
  backward: {
    A: d('A', (grad: Tensor, a: Tensor) => {
      const v = eig(a).eigenvectors;
      return solve(v.mT, v.mT.mul(grad.unsqueeze(-1)));
    }),
  },
  gradName: 'LinalgEigBackward0',
}));
