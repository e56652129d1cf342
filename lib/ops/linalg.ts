/** Norms as torch.linalg has them, of vectors and of matrices, and condition numbers. */
import { TenfoldError, renamed, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { notEmpty, type Dims } from '../op/reduce.js';
import { where } from './arithmetic.js';
import { vectorNorm } from './norm.js';
import { planeOf, valuesOf, withPlane } from './singular.js';
import { checkMatrices, checkSquare, inverseOrInfinity } from './solving.js';

type Order = number | 'fro' | 'nuc';

const matrixOrders = new Set<unknown>(['fro', 'nuc', 1, -1, 2, -2, Infinity, -Infinity]);
function checkOrder(what: string, ord: unknown): asserts ord is Order {
  if (!matrixOrders.has(ord))
    throw new TenfoldError('value', `${what} must be 'fro', 'nuc', ±1, ±2 or ±Infinity, got ${show(ord)}`);
}

/**
 * Norm of the matrices that two dims hold: 'fro' (Frobenius), 'nuc' (the sum of the singular values), 2 and -2 (the
 * largest and the smallest one), 1 and -1 (largest and smallest sum of a column's magnitudes), Infinity and -Infinity
 * (of a row's). Those of singular values are of float32 or float64. See torch.linalg.matrix_norm.
 */
export const matrixNorm = defineOp(
  "matrixNorm(Tensor A, any ord='fro', int[] dim=[-2,-1], bool keepdim=false, *, dtype? dtype=null)",
  (): OpDef => ({
    forward(a: Tensor, ord: unknown, dim: number | readonly number[], keepdim: boolean, dtype: DType | null) {
      const plane = planeOf('matrixNorm', a, dim);
      const [rows, columns] = plane;
      checkOrder('matrixNorm: ord', ord);
      if (ord === 'fro') return vectorNorm(a, 2, plane, keepdim, { dtype });
      if (ord === 'nuc' || Math.abs(ord) === 2) {
        const values = valuesOf('matrixNorm', dtype === null ? a : a.to(dtype), plane);
        if (ord !== 'nuc') notEmpty('matrixNorm', values, [values.shape.length - 1]);
        const result = ord === 'nuc' ? values.sum(-1) : ord > 0 ? values.amax(-1) : values.amin(-1);
        return keepdim ? withPlane(result, plane) : result;
      }
      const [along, over] = Math.abs(ord) === 1 ? [rows, columns] : [columns, rows];
      const sums = vectorNorm(a, 1, along, true, { dtype });
      const result = ord > 0 ? sums.amax(over, true) : sums.amin(over, true);
      return keepdim ? result : result.squeeze([rows, columns]);
    },
    composite: true,
  }),
);

/**
 * Norm of a vector or of matrices. Without ord the 2-norm of all elements or over dims; with ord the norm of that order
 * of one dim, or of the matrices of two (matrixNorm). See torch.linalg.norm.
 */
export const norm = defineOp(
  'norm(Tensor A, any ord=null, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(a: Tensor, ord: Order | null, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const dims = dim === null ? a.shape.map((_, i) => i) : typeof dim === 'number' ? [dim] : dim;
      if (dim !== null && dims.length !== 1 && dims.length !== 2)
        throw new TenfoldError('shape', `norm: dim must be one dim or two, got [${dims}]`);
      if (ord === null) return vectorNorm(a, 2, dim, keepdim, { dtype });
      const word = typeof ord === 'string';
      if (word ? ord !== 'fro' && ord !== 'nuc' : typeof ord !== 'number')
        throw new TypeError(`norm: ord must be a number, 'fro' or 'nuc', got ${show(ord)}`);
      if (dims.length === 2) return renamed('norm', () => matrixNorm(a, ord, dims, keepdim, { dtype }));
      if (word || dims.length !== 1) {
        const needs = word ? 'two dims' : 'one dim or two';
        throw new TenfoldError(
          'shape',
          `norm: ord ${show(ord)} needs ${needs}, got ${dims.length} of shape ${formatShape(a.shape)}`,
        );
      }
      return vectorNorm(a, ord as number, dims, keepdim, { dtype });
    },
    composite: true,
  }),
);

/**
 * Condition numbers of matrices [..., m, n], float32 or float64: with p null or 2 the largest singular value over the
 * smallest, with -2 the inverse of that; else the norm of order p ('fro', 'nuc', ±1, ±Infinity) of square matrices times
 * that of their inverses, infinite for singular ones. 0 of empty ones. See torch.linalg.cond.
 */
export const cond = defineOp('cond(Tensor A, any p=null)', (): OpDef => ({
  forward(a: Tensor, p: unknown) {
    checkMatrices('cond', a);
    const ord: unknown = p ?? 2;
    checkOrder('cond: p', ord);
    const two = ord === 2 || ord === -2;
    if (!two) checkSquare('cond', a);
    if (a.count === 0) return Tensor.zeros(a.shape.slice(0, -2), a.code);
    if (ord === 'nuc' || two) {
      const s = valuesOf('cond', a, [-2, -1]);
      if (ord === 'nuc') return s.sum(-1).mul(s.reciprocal().sum(-1));
      const [largest, smallest] = [s.select(-1, 0), s.select(-1, -1)];
      return ord === 2 ? largest.div(smallest) : smallest.div(largest);
    }
    const product = matrixNorm(a, ord).mul(matrixNorm(inverseOrInfinity(a), ord));
    return where(product.isnan(), Infinity, product);
  },
  composite: true,
}));
