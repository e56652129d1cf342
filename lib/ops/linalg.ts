/** What torch.linalg has beside factorizations: norms, condition numbers, products, matrices made of vectors. */
import { TenfoldError, renamed, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { formatShape, wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { floatOnly, notEmpty, type Dims } from '../op/reduce.js';
import { where } from './arithmetic.js';
import { chainMatmul, cross } from './contraction.js';
import { eye } from './creation.js';
import { diagonal } from './diagonals.js';
import { cat } from './joining.js';
import { vectorNorm } from './norm.js';
import { planeOf, valuesOf, withPlane } from './singular.js';
import { checkMatrices, checkSquare, inv, inverseOrInfinity } from './solving.js';

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

// ---- products --------------------------------------------------------------------------------------------------------

/**
 * Square matrices [..., n, n] to a whole power: identities for 0, their inverses' for a negative one. See
 * torch.linalg.matrix_power.
 */
export const matrixPower = defineOp('matrixPower(Tensor self, int n)', (): OpDef => ({
  forward(self: Tensor, n: number) {
    const { shape } = self;
    if (shape.length < 2 || shape.at(-1) !== shape.at(-2))
      throw new TenfoldError('shape', `matrixPower: needs square matrices [..., n, n], got ${formatShape(shape)}`);
    if (n === 0) return self.clone().copy_(eye(shape.at(-1)!, { dtype: self.dtype }));
    if (n === 1) return self.clone();
    let square = n < 0 ? renamed('matrixPower', () => inv(self)) : self;
    let result: Tensor | null = null;
    for (let left = Math.abs(n); ; square = square.matmul(square)) {
      if (left % 2 === 1) result = result === null ? square : result.matmul(square);
      left = Math.floor(left / 2);
      if (left === 0) return result!;
    }
  },
  composite: true,
}));

/**
 * Product of a list of at least two matrices, in the order that takes fewest multiplications; the first may be a vector (a
 * row), and the last one (a column). See torch.linalg.multi_dot.
 */
export const multiDot = defineOp('multiDot(Tensor[] tensors)', (): OpDef => ({
  forward(tensors: Tensor[]) {
    if (tensors.length < 2)
      throw new TenfoldError('shape', `multiDot: needs at least two tensors, got ${tensors.length}`);
    const last = tensors.length - 1;
    const matrices = tensors.map((t, i) => {
      const vector = t.shape.length === 1 && (i === 0 || i === last);
      if (t.shape.length !== 2 && !vector) {
        const wanted = i === 0 || i === last ? 'a matrix or a vector' : 'a matrix';
        throw new TenfoldError('shape', `multiDot: tensor ${i} must be ${wanted}, got shape ${formatShape(t.shape)}`);
      }
      return vector ? t.unsqueeze(i === 0 ? 0 : 1) : t;
    });
    matrices.slice(1).forEach((m, i) => {
      if (m.shape[0] !== matrices[i]!.shape[1]) {
        const [a, b] = [tensors[i]!, tensors[i + 1]!].map((t) => formatShape(t.shape));
        throw new TenfoldError('shape', `multiDot: tensors ${i} and ${i + 1}, ${a} @ ${b}, can't be multiplied`);
      }
    });
    let product = renamed('multiDot', () => chainMatmul(matrices));
    if (tensors[last]!.shape.length === 1) product = product.squeeze(1);
    return tensors[0]!.shape.length === 1 ? product.squeeze(0) : product;
  },
  composite: true,
}));

/** Dot products of the vectors along dim; the other dims broadcast. See torch.linalg.vecdot. */
export const vecdot = defineOp('vecdot(Tensor x, Tensor y, *, int dim=-1)', (): OpDef => ({
  forward(x: Tensor, y: Tensor, dim: number) {
    floatOnly('vecdot', x);
    floatOnly('vecdot', y);
    return renamed('vecdot', () => x.mul(y).sum(dim));
  },
  composite: true,
}));

/** Cross products of vectors of size 3 along dim; the other dims broadcast. See torch.linalg.cross. */
export const linalgCross = defineOp('cross(Tensor input, Tensor other, *, int dim=-1)', (): OpDef => ({
  forward(input: Tensor, other: Tensor, dim: number) {
    if (input.shape.length !== other.shape.length) {
      throw new TenfoldError(
        'shape',
        `cross: both must have as many dims as each other, got ${formatShape(input.shape)} and ${formatShape(other.shape)}`,
      );
    }
    const at = wrapDim('cross', dim, input.shape.length);
    if (input.shape[at] !== 3 || other.shape[at] !== 3) {
      throw new TenfoldError(
        'shape',
        `cross: needs size 3 at dim ${dim}, got ${formatShape(input.shape)} and ${formatShape(other.shape)}`,
      );
    }
    return cross(input, other, at);
  },
  composite: true,
}));

// ---- matrices of vectors ---------------------------------------------------------------------------------------------

/** Diagonals of matrices [..., m, n], or of those in two dims: a view. See torch.linalg.diagonal. */
export const linalgDiagonal = defineOp('diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1)', (): OpDef => ({
  forward: (a: Tensor, offset: number, dim1: number, dim2: number) => diagonal(a, offset, dim1, dim2),
  composite: true,
}));

/** Powers 0 to n − 1 of each element, along a new last dim. */
function powers(x: Tensor, n: number): Tensor {
  const base = x.isFloatingPoint() ? x : x.to('int64');
  const shape = [...x.shape, n];
  if (n === 0) return Tensor.zeros(shape, base.code);
  const one = Tensor.zeros([...x.shape, 1], base.code).fill_(1);
  return cat([one, base.unsqueeze(-1).expand([...x.shape, n - 1])], -1).cumprod(-1);
}
/**
 * Vandermonde matrix of a vector: powers N − 1 to 0 of each element as a row, or 0 to N − 1 where `increasing`. N is the number
 * of elements where it isn't given. See torch.vander.
 */
export const vander = defineOp('vander(Tensor x, int? N=null, bool increasing=false)', (): OpDef => ({
  forward(x: Tensor, n: number | null, increasing: boolean) {
    if (x.shape.length !== 1)
      throw new TenfoldError('shape', `vander: expected a vector, got shape ${formatShape(x.shape)}`);
    const columns = n ?? x.count;
    if (columns < 0) throw new RangeError(`vander: N must not be negative, got ${columns}`);
    const rows = powers(x, columns);
    return increasing ? rows : rows.flip(-1);
  },
  composite: true,
}));
/**
 * Vandermonde matrices of vectors [..., n]: powers 0 to N − 1 of each element as a row, where N, at least 2, is n if it isn't
 * given. A 0-dim tensor is a vector of one element. See torch.linalg.vander.
 */
export const linalgVander = defineOp('vander(Tensor x, *, int? N=null)', (): OpDef => ({
  forward(x: Tensor, n: number | null) {
    const vectors = x.shape.length === 0 ? x.reshape([1]) : x;
    const columns = n ?? vectors.shape.at(-1)!;
    if (columns < 2) throw new RangeError(`vander: N must be greater than 1, got ${columns}`);
    return powers(vectors, columns);
  },
  composite: true,
}));
