/** QR factorizations and products of Householder reflections (native/kernels/qr.cc), and least squares by them. */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { broadcastShapes, formatShape, numelOf, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { all, d, defineOp, type OpDef } from '../op/define.js';
import { throughFormula } from '../op/formula.js';
import { cat } from './joining.js';
import { matmul } from './matrix.js';
import { linalgSvd, pinv, svdvals } from './singular.js';
import { checkMatrices, idFor, solveTriangular } from './solving.js';

const K = { geqrf: kernel('geqrf'), householder: kernel('householder') };

// ---- QR --------------------------------------------------------------------------------------------------------------

/** R in the upper triangle, reflections below it, and their factors [..., k]. No graph. */
function reflectionsOf(a: Tensor): [Tensor, Tensor] {
  const [m, n] = a.shape.slice(-2) as [number, number];
  const batch = a.shape.slice(0, -2);
  const out = a.rawClone();
  const tau = Tensor.raw([...batch, Math.min(m, n)], a.code);
  if (tau.count > 0) run(idFor(K.geqrf, a), numelOf(batch), m, n, out, tau);
  return [out, tau];
}
/** The first columns of the product of reflections, as reflectionsOf leaves them. No graph. */
function productOf(v: Tensor, tau: Tensor, width: number): Tensor {
  const [m, columns] = v.shape.slice(-2) as [number, number];
  const batch = v.shape.slice(0, -2);
  const out = Tensor.raw([...batch, m, width], v.code);
  if (out.count === 0) return out;
  const [dense, factors] = [v.rawDense(), tau.rawDense()];
  run(
    idFor(K.householder, v), numelOf(batch), m, columns, tau.shape.at(-1)!, width, dense, factors,
    out,
  ); // prettier-ignore
  return out;
}

/** [Q, R]; Q is [0] for mode 'r'. No graph. */
function factorize(call: string, a: Tensor, how: string): Tensor[] {
  checkMatrices(call, a);
  const [m, n] = a.shape.slice(-2) as [number, number];
  const [packed, tau] = reflectionsOf(a);
  const rows = how === 'complete' ? m : Math.min(m, n);
  const r = packed.narrow(-2, 0, rows).triu();
  return [how === 'r' ? Tensor.raw([0], a.code) : productOf(packed, tau, rows), r];
}
/**
 * The gradient of A = Q R, Q [m, k]. For square R: (gQ + Q S) R⁻ᵀ, where S is the upper triangle of gR Rᵀ − Qᵀ gQ made
 * symmetric. Where A is wide, its first columns are that, with what the others' R = Qᵀ A send to Q.
 */
function qrBackward(grads: Tensor[], a: Tensor, q: Tensor, r: Tensor, call: { mode: string }): Tensor {
  const [m, n] = a.shape.slice(-2) as [number, number];
  if (call.mode === 'r')
    throw new TenfoldError('graph', "qr: the derivative needs Q, which mode 'r' doesn't compute; use 'reduced'");
  if (call.mode === 'complete' && m > n) {
    throw new TenfoldError(
      'graph',
      `qr: the derivative isn't defined for mode 'complete' where there are more rows than columns, got ${formatShape(a.shape)}`,
    );
  }
  const k = Math.min(m, n);
  const [gradR, square] = [grads[1]!.narrow(-1, 0, k), r.narrow(-1, 0, k)];
  const [others, gradOthers] = [a.narrow(-1, k, n - k), grads[1]!.narrow(-1, k, n - k)];
  const gradQ = n > k ? grads[0]!.add(others.matmul(gradOthers.mT)) : grads[0]!;
  const upper = gradR.matmul(square.mT).sub(q.mT.matmul(gradQ)).triu();
  const symmetric = upper.add(upper.triu(1).mT);
  const first = solveTriangular(square.mT, gradQ.add(q.matmul(symmetric)), { upper: false, left: false });
  return n > k ? cat([first, q.matmul(gradOthers)], -1) : first;
}
/**
 * A = Q R of [..., m, n], float32 or float64: the columns of Q are orthonormal, R is upper triangular. Mode 'reduced' gives
 * Q [..., m, k] and R [..., k, n], where k is the smaller size, 'complete' Q [..., m, m] and R [..., m, n], and 'r' only R,
 * with an empty Q. Derivatives need full rank of the first k columns, and Q; 'complete' has none for m > n. See
 * torch.linalg.qr.
 */
export const linalgQr = defineOp("qr(Tensor A, 'reduced'|'complete'|'r' mode='reduced') -> (Q, R)", (): OpDef => ({
  forward: (a: Tensor, how: string) => factorize('qr', a, how),
  backward: { A: d('A', 'result', 'result1', qrBackward) },
  gradName: 'LinalgQrBackward0',
}));
/** QR factorization: linalg.qr, with mode 'reduced' where `some` is true, else 'complete'. See torch.qr. */
export const qr = defineOp('qr(Tensor self, bool some=true) -> (Q, R)', (): OpDef => ({
  forward: (a: Tensor, some: boolean) => linalgQr(a, some ? 'reduced' : 'complete'),
  composite: true,
}));
/**
 * The QR factorization as LAPACK keeps it: R in the upper triangle of `a`, and below it the vectors of reflections
 * 1 − tau v vᵀ without their leading ones. Without derivative; use linalg.qr for one. See torch.geqrf.
 */
export const geqrf = defineOp('geqrf(Tensor self) -> (a, tau)', (): OpDef => ({
  forward(a: Tensor) {
    checkMatrices('geqrf', a);
    return reflectionsOf(a);
  },
  differentiable: false,
}));

// ---- products of reflections -----------------------------------------------------------------------------------------

function checkReflections(call: string, v: Tensor, tau: Tensor, tall: boolean): void {
  checkMatrices(call, v);
  if (v.code !== tau.code)
    throw new TenfoldError('dtype', `${call}: input and tau must have one dtype, got ${v.dtype} and ${tau.dtype}`);
  const [m, n] = v.shape.slice(-2) as [number, number];
  if (tall && m < n)
    throw new TenfoldError('shape', `${call}: input needs at least as many rows as columns, got [${v.shape}]`);
  const fits = tau.shape.length === v.shape.length - 1 && sameShape(tau.shape.slice(0, -1), v.shape.slice(0, -2));
  if (!fits || tau.shape.at(-1)! > Math.min(m, n)) {
    throw new TenfoldError(
      'shape',
      `${call}: for input ${formatShape(v.shape)} tau must be [..., k] of the same batch with k up to ${Math.min(m, n)}, got ${formatShape(tau.shape)}`,
    );
  }
}
/** Products with H₀ H₁ …, or with its transpose, from the left, one after the other: for derivatives. */
function reflect(v: Tensor, tau: Tensor, x: Tensor, transposed: boolean): Tensor {
  const k = tau.shape.at(-1)!;
  const order = Array.from({ length: k }, (_, i) => (transposed ? i : k - 1 - i));
  const unit = v.tril(-1).add(Tensor.zeros(v.shape.slice(-2), v.code).fillDiagonal_(1));
  return order.reduce((y, i) => {
    const u = unit.narrow(-1, i, 1);
    return y.sub(u.mul(tau.narrow(-1, i, 1).unsqueeze(-1)).matmul(u.mT.matmul(y)));
  }, x);
}
const product =
  (call: string, [v, tau]: readonly [string, string]) =>
  (): OpDef => ({
    forward(vectors: Tensor, factors: Tensor) {
      checkReflections(call, vectors, factors, true);
      return productOf(vectors, factors, vectors.shape.at(-1)!);
    },
    backward: all([v, tau], (grad, saved) =>
      throughFormula(
        [saved[v] as Tensor, saved[tau] as Tensor],
        ([a, t]) => {
          const identity = Tensor.zeros(a!.shape.slice(-2), a!.code).fillDiagonal_(1);
          return [reflect(a!, t!, identity.expand(a!.shape), false)];
        },
        [grad as Tensor],
      ),
    ),
    gradName: 'LinalgHouseholderProductBackward0',
  });
/**
 * The first n columns of the product of k reflections 1 − tau v vᵀ, whose vectors stand below the diagonal of the input
 * [..., m, n] and whose factors are tau [..., k], k ≤ n ≤ m: the Q of what geqrf gives. See
 * torch.linalg.householder_product.
 */
export const householderProduct = defineOp(
  'householderProduct(Tensor A, Tensor tau)',
  product('householderProduct', ['A', 'tau']),
);
/** linalg.householderProduct. See torch.orgqr. */
export const orgqr = defineOp('orgqr(Tensor self, Tensor input2)', product('orgqr', ['self', 'input2']));
/**
 * Q other, or with `left` false other Q, where Q [..., m, m] is the whole product of the reflections (see
 * householderProduct); `transpose` takes Qᵀ. See torch.ormqr.
 */
export const ormqr = defineOp(
  'ormqr(Tensor self, Tensor input2, Tensor input3, bool left=true, bool transpose=false)',
  (): OpDef => ({
    forward(v: Tensor, tau: Tensor, other: Tensor, left: boolean, transpose: boolean) {
      checkReflections('ormqr', v, tau, false);
      const m = v.shape.at(-2)!;
      if (other.shape.length !== v.shape.length || !sameShape(other.shape.slice(0, -2), v.shape.slice(0, -2)))
        throw new TenfoldError('shape', `ormqr: other must have the input's batch, got ${formatShape(other.shape)}`);
      if (other.shape.at(left ? -2 : -1) !== m) {
        throw new TenfoldError(
          'shape',
          `ormqr: other must have ${m} ${left ? 'rows' : 'columns'} for reflections of ${m}, got ${formatShape(other.shape)}`,
        );
      }
      if (other.code !== v.code)
        throw new TenfoldError('dtype', `ormqr: other must be ${v.dtype} as the input, got ${other.dtype}`);
      return left ? reflected(v, tau, other, transpose) : reflected(v, tau, other.mT, !transpose).mT;
    },
    backward: all(['self', 'input2', 'input3'], (grad, { self, input2, input3 }, { left, transpose }) =>
      throughFormula(
        [self, input2, input3],
        ([v, t, x]) => [left ? reflect(v!, t!, x!, transpose) : reflect(v!, t!, x!.mT, !transpose).mT],
        [grad as Tensor],
      ),
    ),
  }),
);
function reflected(v: Tensor, tau: Tensor, x: Tensor, transpose: boolean): Tensor {
  const q = productOf(v, tau, v.shape.at(-2)!);
  return (transpose ? q.mT : q).matmul(x);
}

// ---- least squares ---------------------------------------------------------------------------------------------------

/**
 * The X [..., n, k] of least ‖A X − B‖, and among several the smallest, for A [..., m, n] and B [..., m, k] (or [..., m]),
 * float32 or float64; batches broadcast. Driver 'gels' takes A to have full rank (by QR); 'gelsy', the default, 'gelsd' and
 * 'gelss' take singular values up to rcond times the largest for 0 (by SVD; rcond null is max(m, n) times the dtype's
 * epsilon), and give the rank (int64); the last two give the singular values. residuals are the squared distances where
 * there are more rows than columns and A has full rank, except for 'gelsy'. What a driver doesn't give is empty. See
 * torch.linalg.lstsq.
 */
export const lstsq = defineOp(
  "lstsq(Tensor A, Tensor B, float? rcond=null, *, 'gels'|'gelsy'|'gelsd'|'gelss'? driver=null) -> (solution, residuals, rank, singularValues)",
  (): OpDef => ({
    forward(a: Tensor, b: Tensor, rcond: number | null, given: string | null) {
      const driver = given ?? 'gelsy';
      const right = checkSquares(a, b);
      const [m, n] = a.shape.slice(-2) as [number, number];
      const x =
        driver === 'gels' ? byQr(a, right) : matmul(pinv(a, { rtol: rcond, atol: rcond === null ? null : 0 }), right);
      const values = driver === 'gels' ? null : svdvals(a.detach());
      const limit = rcond ?? Math.max(m, n) * (a.code === Code.f64 ? 2 ** -52 : 2 ** -23);
      const rank =
        values &&
        (values.shape.at(-1) === 0
          ? Tensor.zeros(a.shape.slice(0, -2), Code.i64)
          : values.gt(values.narrow(-1, 0, 1).mul(limit)).sum(-1));
      const full = rank === null || rank.eq(n).all().item<boolean>();
      const distances =
        m > n && full && driver !== 'gelsy'
          ? matmul(a, x).sub(right).square().sum(-2)
          : x.reshape([-1]).narrow(0, 0, 0);
      const vector = right !== b;
      return [
        vector ? x.squeeze(-1) : x,
        distances,
        rank ?? Tensor.raw([0], Code.i64),
        driver === 'gelsd' || driver === 'gelss' ? values! : Tensor.raw([0], a.code),
      ];
    },
    composite: true,
  }),
);
/** Checks the arguments; B as matrices. */
function checkSquares(a: Tensor, b: Tensor): Tensor {
  checkMatrices('lstsq', a);
  if (a.code !== b.code)
    throw new TenfoldError('dtype', `lstsq: A and B must have one dtype, got ${a.dtype} and ${b.dtype}`);
  const vector =
    b.shape.length > 0 && b.shape.length === a.shape.length - 1 && sameShape(b.shape, a.shape.slice(0, -1));
  const right = vector ? b.unsqueeze(-1) : b;
  if (right.shape.length < 2 || right.shape.at(-2) !== a.shape.at(-2)) {
    throw new TenfoldError(
      'shape',
      `lstsq: for A ${formatShape(a.shape)} B must be [..., ${a.shape.at(-2)}, k] or vectors, got ${formatShape(b.shape)}`,
    );
  }
  broadcastShapes('lstsq', a.shape.slice(0, -2), right.shape.slice(0, -2));
  return right;
}
function byQr(a: Tensor, b: Tensor): Tensor {
  const wide = a.shape.at(-2)! < a.shape.at(-1)!;
  const { Q, R } = linalgQr(wide ? a.mT : a);
  return wide
    ? Q!.matmul(solveTriangular(R!.mT, b, { upper: false }))
    : solveTriangular(R!, Q!.mT.matmul(b), { upper: true });
}

// ---- polar decomposition ---------------------------------------------------------------------------------------------

/**
 * A = U H of [..., m, n], m ≥ n, float32 or float64: the columns of U are orthonormal, H [..., n, n] is symmetric and
 * positive semidefinite. The derivative needs full rank. See torch.linalg.polar.
 */
export const polar = defineOp('polar(Tensor A) -> (U, H)', (): OpDef => ({
  forward(a: Tensor) {
    checkMatrices('polar', a);
    if (a.shape.at(-2)! < a.shape.at(-1)!)
      throw new TenfoldError('shape', `polar: needs at least as many rows as columns, got ${formatShape(a.shape)}`);
    const { U, S, Vh } = linalgSvd(a, false);
    return [U!.matmul(Vh!), Vh!.mT.matmul(S!.unsqueeze(-1).mul(Vh!))];
  },
  backward: { A: d('A', polarBackward) },
  gradName: 'LinalgPolarBackward0',
}));
// In the bases of A = W S Vᵀ: dU is (M − Mᵀ) / (sᵢ + sⱼ) and what leaves the columns' span, dH is
// (sᵢ Mᵢⱼ + sⱼ Mⱼᵢ) / (sᵢ + sⱼ), where M = Wᵀ dA V.
function polarBackward([gradU, gradH]: [Tensor, Tensor], a: Tensor): Tensor {
  const { U: w, S: s, Vh: vh } = linalgSvd(a, { fullMatrices: false }) as unknown as Record<string, Tensor>;
  const sums = s!.unsqueeze(-1).add(s!.unsqueeze(-2));
  const turn = w!.mT.matmul(gradU).matmul(vh!.mT);
  const stretch = vh!.matmul(gradH).matmul(vh!.mT);
  const inside = turn
    .sub(turn.mT)
    .add(s!.unsqueeze(-1).mul(stretch.add(stretch.mT)))
    .div(sums);
  const outside = gradU.matmul(vh!.mT).div(s!.unsqueeze(-2));
  return w!
    .matmul(inside)
    .add(outside.sub(w!.matmul(w!.mT.matmul(outside))))
    .matmul(vh!);
}
