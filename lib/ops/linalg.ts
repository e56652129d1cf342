/** Norms as torch.linalg has them: of vectors and of matrices. */
import { TenfoldError, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { formatShape, wrapDim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import type { Dims } from '../op/reduce.js';
import { vectorNorm } from './norm.js';

type Order = number | 'fro' | 'nuc';

/**
 * Norm of the matrices that two dims hold: 'fro' (Frobenius), 1 and -1 (largest and smallest sum of a column's
 * magnitudes), Infinity and -Infinity (of a row's). Those of singular values ('nuc', 2, -2) are refused. See
 * torch.linalg.matrix_norm.
 */
export const matrixNorm = defineOp(
  "matrixNorm(Tensor A, any ord='fro', int[] dim=[-2,-1], bool keepdim=false, *, dtype? dtype=null)",
  (): OpDef => ({
    forward(a: Tensor, ord: Order, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const n = a.shape.length;
      const plane = typeof dim === 'number' ? [dim] : dim!;
      if (n < 2 || plane.length !== 2) {
        throw new TenfoldError(
          'shape',
          `matrixNorm: needs two dims of a matrix, got dims [${plane}] of ${formatShape(a.shape)}`,
        );
      }
      const [rows, columns] = plane.map((i) => wrapDim('matrixNorm', i, n)) as [number, number];
      if (rows === columns) throw new TenfoldError('value', `matrixNorm: the dims must differ, got [${plane}]`);
      if (ord === 'fro') return vectorNorm(a, 2, [rows, columns], keepdim, { dtype });
      if (ord === 'nuc' || Math.abs(ord) === 2)
        throw new TenfoldError('value', `matrixNorm: the norm ${show(ord)} needs singular values, which are not there`);
      if (Math.abs(ord) !== 1 && Math.abs(ord) !== Infinity)
        throw new TenfoldError('value', `matrixNorm: ord must be 'fro', ±1 or ±Infinity, got ${show(ord)}`);
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
      if (dims.length === 2) return matrixNorm(a, ord, dims, keepdim, { dtype });
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
