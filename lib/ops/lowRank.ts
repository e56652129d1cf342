/** Approximate singular values of large matrices, from products with few random vectors (Halko, Martinsson & Tropp 2011). */
import { TenfoldError } from '../errors.js';
import { formatShape } from '../tensor/shape.js';
import { noGrad } from '../autograd/mode.js';
import type { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { linalgQr as qr } from './orthogonal.js';
import { randn } from './random.js';
import { linalgSvd as svd } from './singular.js';
import { checkMatrices } from './solving.js';

/** q orthonormal columns that span nearly what A's columns span. */
function basis(a: Tensor, q: number, rounds: number): Tensor {
  const start = noGrad(() => randn([a.shape.at(-1)!, q], { dtype: a.dtype }));
  let found = qr(a.matmul(start)).Q;
  for (let i = 0; i < rounds; i++) found = qr(a.matmul(qr(a.mT.matmul(found)).Q)).Q;
  return found;
}
function decompose(call: string, a: Tensor, q: number, rounds: number): Tensor[] {
  const [m, n] = a.shape.slice(-2) as [number, number];
  if (q < 0 || q > Math.min(m, n))
    throw new RangeError(
      `${call}: q must be from 0 to ${Math.min(m, n)} for matrices ${formatShape(a.shape)}, got ${q}`,
    );
  if (rounds < 0 || rounds > 1e4) throw new RangeError(`${call}: niter must be from 0 to 10000, got ${rounds}`);
  const tall = m < n ? a.mT : a;
  const found = basis(tall, q, rounds);
  const { U, S, Vh } = svd(found.mT.matmul(tall), false);
  const [left, right] = [found.matmul(U), Vh.mT];
  return m < n ? [right, S, left] : [left, S, right];
}

/**
 * [U, S, V] with A − M (M: null stands for 0) nearly U diag(S) Vᵀ, for matrices [..., m, n]: the `q` largest singular values (6),
 * better with every round `niter` (2). Random: see manualSeed. See torch.svd_lowrank.
 */
export const svdLowrank = defineOp(
  'svdLowrank(Tensor A, int? q=6, int? niter=2, Tensor? M=null) -> (U, S, V)',
  (): OpDef => ({
    forward(a: Tensor, q: number | null, niter: number | null, mean: Tensor | null) {
      checkMatrices('svdLowrank', a);
      return decompose('svdLowrank', mean === null ? a : a.sub(mean.broadcastTo(a.shape)), q ?? 6, niter ?? 2);
    },
    composite: true,
  }),
);
/**
 * Principal components of m samples [..., m, n]: svdLowrank of the samples less their mean (as they are without `center`). The
 * columns of V are directions, S² / (m − 1) the variances along them; `q` is min(6, m, n) by default. See torch.pca_lowrank.
 */
export const pcaLowrank = defineOp(
  'pcaLowrank(Tensor A, int? q=null, bool center=true, int niter=2) -> (U, S, V)',
  (): OpDef => ({
    forward(a: Tensor, q: number | null, center: boolean, niter: number) {
      checkMatrices('pcaLowrank', a);
      if (q !== null && q < 0) throw new TenfoldError('value', `pcaLowrank: q must not be negative, got ${q}`);
      const rank = q ?? Math.min(6, ...a.shape.slice(-2));
      return decompose('pcaLowrank', center ? a.sub(a.mean(-2, true)) : a, rank, niter);
    },
    composite: true,
  }),
);
