/**
 * Singular values and what is made of them: singular vectors, pseudoinverses, ranks, the nuclear norm. Decomposed by
 * native/kernels/svd.cc; norms of matrices are in linalg.ts.
 */
import { TenfoldError, renamed, show } from '../errors.js';
import { Code } from '../dtype.js';
import { checkZero } from '../launch/check.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { formatShape, numelOf, wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { maximum, where } from './arithmetic.js';
import { checkMatrices, checkSquare, idFor, whichMatrix } from './solving.js';

const SVD = kernel('svd');

// ---- decomposition ---------------------------------------------------------------------------------------------------

/** Singular vectors to compute besides the values; numbered as the kernel has them. */
enum Vectors {
  none,
  reduced,
  full,
}

/** [U, S, Vh] of matrices; U and Vh are empty where no vectors are wanted. No graph. */
function decompose(call: string, a: Tensor, vectors: Vectors): [Tensor, Tensor, Tensor] {
  checkMatrices(call, a);
  const batch = a.shape.slice(0, -2);
  const [m, n] = a.shape.slice(-2) as [number, number];
  const k = Math.min(m, n);
  const shapes = [[[0], [0]], [[...batch, m, k], [...batch, k, n]], [[...batch, m, m], [...batch, n, n]]] as const; // prettier-ignore
  const [u, vh] = shapes[vectors].map((shape) => Tensor.raw(shape, a.code)) as [Tensor, Tensor];
  const s = Tensor.raw([...batch, k], a.code);
  if (k === 0) {
    // What no value belongs to: any orthonormal vectors.
    for (const t of vectors === Vectors.full ? [u, vh] : []) t.zero_().diagonal(0, -2, -1).fill_(1);
    return [u, s, vh];
  }
  const dense = a.rawDense();
  const trouble = Tensor.raw(batch, Code.i64);
  run(
    idFor(SVD, a), numelOf(batch), m, n, vectors, dense, s, u, vh,
    trouble,
  ); // prettier-ignore
  checkZero(trouble, (kind, item) => {
    const what = kind === 1 ? 'has NaN in it' : "has singular values that weren't found in time";
    return new TenfoldError('value', `${call}: ${whichMatrix(a, item)} ${what}`);
  });
  return [u, s, vh];
}

/** Numbers that broadcast to the rows of matrices; to their columns. */
const asColumn = (t: Tensor): Tensor => t.unsqueeze(-1);
const asRow = (t: Tensor): Tensor => t.unsqueeze(-2);

/**
 * Singular value decomposition A = U diag(S) Vh of [..., m, n], float32 or float64: S is [..., k], falling, where k is
 * the smaller size; the columns of U [..., m, m] and the rows of Vh [..., n, n] are orthonormal. fullMatrices false
 * leaves out those that no value belongs to: [..., m, k] and [..., k, n]. NaN in A is refused, infinities give NaN.
 *
 * Vectors are unique up to their signs where all values differ; gradients of U and Vh are finite there, and where A has
 * full rank; those of what fullMatrices adds are ignored. svdvals is faster where only S is wanted. See torch.linalg.svd.
 */
export const linalgSvd = defineOp('svd(Tensor A, bool fullMatrices=true) -> (U, S, Vh)', (): OpDef => ({
  forward: (a: Tensor, full: boolean) => decompose('svd', a, full ? Vectors.full : Vectors.reduced),
  backward: {
    A: d('result', 'result1', 'result2', (grads, U, S, Vh) => {
      const k = S.shape.at(-1)!;
      const [gradU, gradS, gradVh] = grads as [Tensor, Tensor, Tensor];
      return svdBackward(
        gradU.narrow(-1, 0, k), gradS, gradVh.narrow(-2, 0, k), U.narrow(-1, 0, k), S, Vh.narrow(-2, 0, k),
      ); // prettier-ignore
    }),
  },
  gradName: 'LinalgSvdBackward0',
}));

/** Whether nobody asked for this gradient: then zeros stand in its place, which must not meet a division by zero. */
const absent = (grad: Tensor): boolean => !grad.requiresGrad && !grad.any().item<boolean>();

// J. Townsend, "Differentiating the singular value decomposition", 2016. With F_ij = 1 / (s_j² - s_i²) off the diagonal:
// gradA = U [(F ∘ skew(Uᵀ gradU)) S + S (F ∘ skew(Vᵀ gradV)) + diag(gradS)] Vᵀ, and where U or V has more rows than
// columns what of gradU S⁻¹ Vᵀ and of U S⁻¹ gradVᵀ is orthogonal to U and to V.
function svdBackward(gradU: Tensor, gradS: Tensor, gradVh: Tensor, U: Tensor, S: Tensor, Vh: Tensor): Tensor {
  const m = U.shape.at(-2)!;
  const n = Vh.shape.at(-1)!;
  const noU = absent(gradU);
  const noV = absent(gradVh);
  if (noU && noV) return U.mul(asRow(gradS)).matmul(Vh);
  const skew = (x: Tensor): Tensor => x.sub(x.mT);
  const squares = S.square();
  const gaps = asRow(squares).sub(asColumn(squares));
  const differences = gaps.add(Tensor.zeros(S.shape, S.code).add(1).diagEmbed());
  let core = gradS.diagEmbed();
  if (!noU) core = core.add(skew(U.mT.matmul(gradU)).mul(asRow(S)).div(differences));
  if (!noV) core = core.add(skew(Vh.matmul(gradVh.mT)).mul(asColumn(S)).div(differences));
  let gradA = U.matmul(core).matmul(Vh);
  if (m > n && !noU) {
    const scaled = gradU.div(asRow(S));
    gradA = gradA.add(scaled.sub(U.matmul(U.mT.matmul(scaled))).matmul(Vh));
  }
  if (m < n && !noV) {
    const scaled = gradVh.div(asColumn(S));
    gradA = gradA.add(U.matmul(scaled.sub(scaled.matmul(Vh.mT).matmul(Vh))));
  }
  return gradA;
}

/**
 * Singular values of [..., m, n], float32 or float64, falling; [..., k] where k is the smaller size. NaN is refused,
 * infinities give NaN. See torch.linalg.svdvals.
 */
export const svdvals = defineOp('svdvals(Tensor A)', (): OpDef => ({
  forward: (a: Tensor) => decompose('svdvals', a, Vectors.none)[1],
  backward: {
    A: d('A', (grad, a) => {
      const { U, Vh } = linalgSvd(a, { fullMatrices: false });
      return U.mul(asRow(grad)).matmul(Vh);
    }),
  },
  gradName: 'LinalgSvdBackward0',
}));

/**
 * Singular value decomposition self = U diag(S) Vᵀ; `some` false gives all of U [..., m, m] and V [..., n, n], computeUv
 * false only S, and zeros for them. linalg.svd gives Vᵀ, as Vh. See torch.svd.
 */
export const svd = defineOp('svd(Tensor self, bool some=true, bool computeUv=true) -> (U, S, V)', (): OpDef => ({
  forward(a: Tensor, some: boolean, computeUv: boolean) {
    if (computeUv) {
      const { U, S, Vh } = linalgSvd(a, { fullMatrices: !some });
      return [U, S, Vh.mT];
    }
    checkMatrices('svd', a);
    const square = (n: number): Tensor => Tensor.zeros([...a.shape.slice(0, -2), n, n], a.code);
    return [square(a.shape.at(-2)!), svdvals(a), square(a.shape.at(-1)!)];
  },
  composite: true,
}));

// ---- the nuclear norm ------------------------------------------------------------------------------------------------

/** The dims of a tensor that hold matrices: their rows and their columns. */
export type Plane = readonly [number, number];

/** The dims of matrices as a call gives them, checked. */
export function planeOf(call: string, a: Tensor, dim: number | readonly number[]): Plane {
  const n = a.shape.length;
  const plane = typeof dim === 'number' ? [dim] : dim;
  if (n < 2 || plane.length !== 2) {
    throw new TenfoldError(
      'shape',
      `${call}: needs two dims of a matrix, got dims [${plane}] of ${formatShape(a.shape)}`,
    );
  }
  const [rows, columns] = plane.map((i) => wrapDim(call, i, n)) as [number, number];
  if (rows === columns) throw new TenfoldError('value', `${call}: the dims must differ, got [${plane}]`);
  return [rows, columns];
}
/** Singular values of the matrices in a plane, in the last dim; `call` is who asks. */
export const valuesOf = (call: string, a: Tensor, plane: Plane): Tensor =>
  renamed(call, () => svdvals(a.movedim(plane, [-2, -1])));
/** A number for each matrix, with the dims of the plane back in their places. */
export const withPlane = (t: Tensor, plane: Plane): Tensor =>
  t.unsqueeze(Math.min(...plane)).unsqueeze(Math.max(...plane));

/** The gradient of the sum of singular values. */
export function nuclearBackward(grad: Tensor, a: Tensor, plane: Plane, keepdim: boolean): Tensor {
  const { U, Vh } = linalgSvd(a.movedim(plane, [-2, -1]), { fullMatrices: false });
  const each = (keepdim ? grad : withPlane(grad, plane)).movedim(plane, [-2, -1]);
  return U.mul(each).matmul(Vh).movedim([-2, -1], plane);
}

// ---- pseudoinverse and rank ------------------------------------------------------------------------------------------

/** A tolerance as a call gives it: for all matrices, or one for each. */
type Tolerance = number | Tensor | null;

function toleranceOf(call: string, name: string, given: unknown): Tensor | null {
  if (given === null) return null;
  if (given instanceof Tensor) return given.detach().to('float64');
  if (typeof given !== 'number')
    throw new TypeError(`${call}: ${name} must be a number or a tensor, got ${show(given)}`);
  return Tensor.zeros([], Code.f64).add(given);
}

/**
 * Which singular values s [..., k] of matrices a count: those above atol and above rtol of the largest. rtol is
 * max(m, n) times the dtype's epsilon where it is null, and 0 where atol is positive.
 */
function countedValues(call: string, a: Tensor, s: Tensor, atol: Tolerance, rtol: Tolerance): Tensor {
  const epsilon = a.code === Code.f64 ? 2 ** -52 : 2 ** -23;
  const zero = Tensor.zeros([], Code.f64);
  const absolute = toleranceOf(call, 'atol', atol);
  const usual = zero.add(epsilon * Math.max(a.shape.at(-1)!, a.shape.at(-2)!));
  const relative =
    toleranceOf(call, 'rtol', rtol) ?? (absolute === null ? usual : where(absolute.gt(0), 0, usual).to('float64'));
  const values = s.to('float64');
  const threshold = maximum((absolute ?? zero).unsqueeze(-1), relative.unsqueeze(-1).mul(values.narrow(-1, 0, 1)));
  return values.gt(threshold);
}

/** The matrices of which only the lower triangles are read. */
const symmetric = (a: Tensor): Tensor => a.tril().add(a.tril(-1).mT);

function pseudoinverse(call: string, a: Tensor, atol: Tolerance, rtol: Tolerance, hermitian: boolean): Tensor {
  checkMatrices(call, a);
  if (hermitian) checkSquare(call, a);
  if (a.count === 0) return Tensor.zeros(a.mT.shape, a.code);
  const [u, s, vh] = decompose(call, hermitian ? symmetric(a) : a, Vectors.reduced);
  const inverse = where(countedValues(call, a, s, atol, rtol), s.reciprocal(), 0).to(a.dtype);
  return vh.mT.mul(asRow(inverse)).matmul(u.mT);
}
// G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
// separate", 1973: dP = -P dA P + P Pᵀ dAᵀ (1 - A P) + (1 - P A) dAᵀ Pᵀ P. Products of the smaller sizes come first.
function pinvBackward(grad: Tensor, a: Tensor, p: Tensor): Tensor {
  const wide = a.shape.at(-2)! <= a.shape.at(-1)!;
  const g = grad.mT;
  const fromLeft = wide ? g.matmul(p).matmul(p.mT) : g.matmul(p.matmul(p.mT));
  const fromRight = wide ? p.mT.matmul(p).matmul(g) : p.mT.matmul(p.matmul(g));
  return fromLeft
    .sub(a.matmul(p.matmul(fromLeft)))
    .add(fromRight.sub(fromRight.matmul(p).matmul(a)))
    .sub(p.mT.matmul(grad).matmul(p.mT));
}

/**
 * Moore-Penrose pseudoinverses [..., n, m] of [..., m, n], float32 or float64. Singular values up to atol, or up to rtol
 * times the largest, count as 0; both are numbers, or tensors with one for each matrix. Without rtol it is max(m, n)
 * times the dtype's epsilon, or 0 where atol is positive. `hermitian`: of a symmetric matrix only the lower triangle is
 * read. `rcond` is another name of rtol. The derivative is that of a constant rank. See torch.linalg.pinv.
 */
export const pinv = defineOp(
  'pinv(Tensor A, any rcond=null, bool hermitian=false, *, any atol=null, any rtol=null)',
  (): OpDef => ({
    forward(a: Tensor, rcond: Tolerance, hermitian: boolean, atol: Tolerance, rtol: Tolerance) {
      if (rcond !== null && (atol !== null || rtol !== null))
        throw new TenfoldError('value', 'pinv: give rcond, or atol and rtol, not both');
      return pseudoinverse('pinv', a, rcond === null ? atol : 0, rcond ?? rtol, hermitian);
    },
    backward: { A: d('A', 'result', pinvBackward) },
    gradName: 'LinalgPinvBackward0',
  }),
);
/** Pseudoinverses; singular values up to rcond times the largest count as 0: linalg.pinv. See torch.pinverse. */
export const pinverse = defineOp('pinverse(Tensor self, float rcond=1e-15)', (): OpDef => ({
  forward: (a: Tensor, rcond: number) => pseudoinverse('pinverse', a, 0, rcond, false),
  backward: { self: d('self', 'result', pinvBackward) },
  gradName: 'LinalgPinvBackward0',
}));

/**
 * Ranks of [..., m, n], float32 or float64, as int64: how many singular values are above atol and above rtol times the
 * largest. Both are numbers, or tensors with one for each matrix. Without rtol it is max(m, n) times the dtype's epsilon,
 * or 0 where atol is positive. `hermitian`: of a symmetric matrix only the lower triangle is read. `tol` alone is atol,
 * with an rtol of 0. See torch.linalg.matrix_rank.
 */
export const matrixRank = defineOp(
  'matrixRank(Tensor A, any tol=null, bool hermitian=false, *, any atol=null, any rtol=null)',
  (): OpDef => ({
    forward(a: Tensor, tol: Tolerance, hermitian: boolean, atol: Tolerance, rtol: Tolerance) {
      if (tol !== null && (atol !== null || rtol !== null))
        throw new TenfoldError('value', 'matrixRank: give tol, or atol and rtol, not both');
      checkMatrices('matrixRank', a);
      if (hermitian) checkSquare('matrixRank', a);
      if (a.count === 0) return Tensor.zeros(a.shape.slice(0, -2), Code.i64);
      const s = decompose('matrixRank', hermitian ? symmetric(a) : a, Vectors.none)[1];
      return countedValues('matrixRank', a, s, tol ?? atol, tol === null ? rtol : 0).sum(-1);
    },
    differentiable: false,
  }),
);
