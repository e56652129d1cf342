/** Vector norms. */
import { TenfoldError, renamed, show } from '../errors.js';
import { Code, type DType } from '../dtype.js';
import { kernel, type Kernel } from '../native/launch.js';
import { formatShape, wrapDim, wrapDims } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { floatOnly, notEmpty, reduce, withDims, type Dims } from '../op/reduce.js';
import { where } from './arithmetic.js';
import { nuclearBackward, planeOf, valuesOf, withPlane, type Plane } from './singular.js';

const K = {
  norm: kernel('norm'),
  sumAbs: kernel('sumAbs'),
  sumPow: kernel('sumPow'),
  maxAbs: kernel('maxAbs'),
  minAbs: kernel('minAbs'),
};

/**
 * Vector norm over all elements or dims: ord 2 (Euclidean), 1, ±Infinity, 0 (number of non-zeros), or any p. See
 * torch.linalg.vector_norm.
 */
export const vectorNorm = defineOp(
  'vectorNorm(Tensor input, float ord=2, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, ord: number, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const source = dtype === null ? x : x.to(dtype);
      floatOnly('vectorNorm', source);
      const dims = wrapDims('vectorNorm', dim, x.shape.length);
      const run = (k: Kernel, params: number[] = []): Tensor =>
        reduce(k, 'vectorNorm', source, dims, keepdim, source.code, source.code, params);
      if (ord === 2) return run(K.norm);
      if (ord === 1) return run(K.sumAbs);
      if (ord === Infinity || ord === -Infinity) {
        notEmpty('vectorNorm', x, dims);
        return run(ord > 0 ? K.maxAbs : K.minAbs);
      }
      if (ord === 0) return source.ne(0).sum(dims, keepdim).to(source.dtype);
      // In half types the sum of powers is beyond the range where its root isn't.
      if (source.code >= Code.f16)
        return vectorNorm(source.float(), ord, dim, keepdim).to(source.dtype); // prettier-ignore
      return run(K.sumPow, [ord]).pow(1 / ord);
    },
    backward: {
      input: d('input', 'result', (grad, x, y, call) => normBackward(grad, x, y, call.ord, call.dim, call.keepdim)),
    },
    gradName: 'LinalgVectorNormBackward0',
  }),
);
function normBackward(grad: Tensor, x: Tensor, y: Tensor, p: number, dim: Dims, keepdim: boolean): Tensor {
  const g = withDims(grad, x.shape, dim, keepdim);
  const n = withDims(y, x.shape, dim, keepdim);
  if (p === 0) return x.mul(0);
  if (p === 1) return g.mul(x.sign());
  if (p === 2) return where(n.eq(0), 0, x.mul(g.div(n)));
  if (Math.abs(p) === Infinity) {
    const mask = x.abs().eq(n).logicalOr(x.isnan().logicalAnd(n.isnan()));
    return x
      .sign()
      .mul(mask)
      .mul(g.div(mask.sum(wrapDims('norm', dim, x.shape.length), true)));
  }
  const scale = g.div(n.pow(p - 1));
  if (p >= 2) return where(n.eq(0), 0, x.mul(x.abs().pow(p - 2)).mul(scale));
  const slope = x
    .sign()
    .mul(x.abs().pow(p - 1))
    .mul(scale);
  return where(p < 1 ? x.eq(0).logicalOr(n.eq(0)) : n.eq(0), 0, slope);
}

/** The order that a name stands for. */
function orderOf(p: unknown): number {
  const order = p === 'fro' || p === null ? 2 : p === 'inf' ? Infinity : p === '-inf' ? -Infinity : p;
  if (typeof order !== 'number') throw new TypeError(`norm: p must be a number, 'fro' or 'nuc', got ${show(p)}`);
  return order;
}
/** The dims of the matrices whose nuclear norm is wanted. */
function nuclearPlane(x: Tensor, dim: Dims): Plane {
  if (dim === null && x.shape.length !== 2)
    throw new TenfoldError('shape', `norm: 'nuc' without dim needs a matrix, got ${formatShape(x.shape)}`);
  return planeOf('norm', x, dim ?? [0, 1]);
}
function nuclear(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null): Tensor {
  if (dtype !== null) throw new TenfoldError('value', "norm: 'nuc' takes no dtype; use linalg.matrixNorm");
  const plane = nuclearPlane(x, dim);
  const sums = valuesOf('norm', x, plane).sum(-1);
  return keepdim ? withPlane(sums, plane) : sums;
}
/**
 * Norm of all elements or over dims; p is a number, 'fro' (2), Infinity or -Infinity, or 'nuc', the sum of the singular
 * values of a matrix or of those that two dims hold. See torch.norm.
 */
export const norm = defineOp(
  "norm(Tensor self, any p='fro', int[]? dim=null, bool keepdim=false, dtype? dtype=null)",
  (): OpDef => ({
    forward(x: Tensor, p: unknown, dim: Dims, keepdim: boolean, dtype: DType | null) {
      if (p === 'nuc') return nuclear(x, dim, keepdim, dtype);
      const order = orderOf(p);
      // The greatest of no magnitudes is 0 here; vectorNorm refuses it.
      const none = x.count === 0 && Math.abs(order) === Infinity;
      return vectorNorm(x, none ? 1 : order, dim, keepdim, { dtype });
    },
    backward: {
      self: d('self', 'result', (grad, x, y, call) =>
        call.p === 'nuc'
          ? nuclearBackward(grad, x, nuclearPlane(x, call.dim), call.keepdim)
          : normBackward(grad, x, y, orderOf(call.p), call.dim, call.keepdim),
      ),
    },
    gradName: 'LinalgVectorNormBackward0',
  }),
);

/** Norm of self − other, all elements together. See torch.dist. */
export const dist = defineOp('dist(Tensor self, Tensor other, float p=2)', (): OpDef => ({
  forward: (self: Tensor, other: Tensor, p: number) => renamed('dist', () => vectorNorm(self.sub(other), p)),
  composite: true,
}));

/**
 * The tensor with slices along dim whose p-norm is above maxnorm scaled down to it. See torch.renorm.
 */
export const renorm = defineOp('renorm[_](Tensor self, float p, int dim, float maxnorm)', (): OpDef => ({
  forward(self: Tensor, p: number, dim: number, maxnorm: number) {
    if (!(p > 0)) throw new TenfoldError('value', `renorm: p must be positive, got ${p}`);
    if (!(maxnorm >= 0)) throw new TenfoldError('value', `renorm: maxnorm must not be negative, got ${maxnorm}`);
    const n = self.shape.length;
    if (n < 2) throw new TenfoldError('shape', `renorm: needs at least 2 dims, got ${formatShape(self.shape)}`);
    const at = wrapDim('renorm', dim, n);
    const others = self.shape.map((_, i) => i).filter((i) => i !== at);
    const norms = renamed('renorm', () => vectorNorm(self, p, others, true));
    return self.mul(where(norms.gt(maxnorm), norms.add(1e-7).reciprocal().mul(maxnorm), 1));
  },
  composite: true,
}));
