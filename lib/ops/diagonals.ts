/** Diagonals and triangles of matrices, and parts of a tensor (a slice, a diagonal) exchanged in a copy. */
import { TenfoldError, renamed } from '../errors.js';
import { Code, SIZE, codeOf, type DType } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { formatShape, wrapDim, type Shape } from '../tensor/shape.js';
import { elementsOf } from '../tensor/elements.js';
import { copyElements } from '../tensor/copy.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { fitting } from '../op/inplace.js';
import type { Scalar } from '../op/schema.js';

// ---- parts written into a copy ---------------------------------------------------------------------------------------

/** A copy of self with src in the place of a part. */
function withPart(call: string, self: Tensor, src: Tensor, part: (x: Tensor) => Tensor): Tensor {
  const out = self.rawClone();
  const place = renamed(call, () => part(out));
  if (formatShape(place.shape) !== formatShape(src.shape)) {
    throw new TenfoldError(
      'shape',
      `${call}: src must have the part's shape ${formatShape(place.shape)}, got ${formatShape(src.shape)}`,
    );
  }
  copyElements(place, src);
  return out;
}
const zerosFor = (grad: Tensor, src: { shape: Shape }): Tensor => Tensor.zeros(src.shape, grad.code);

/** A copy with src in the place of select(dim, index). See torch.select_scatter. */
export const selectScatter = defineOp('selectScatter(Tensor self, Tensor src, int dim, int index)', (): OpDef => ({
  forward: (self: Tensor, src: Tensor, dim: number, index: number) =>
    withPart('selectScatter', self, src, (x) => x.select(dim, index)),
  backward: {
    self: d((grad, c) => grad.selectScatter(zerosFor(grad, c.src), c.dim, c.index)),
    src: d((grad, c) => grad.select(c.dim, c.index)),
  },
}));
/** A copy with src in the place of a slice of a dim. See torch.slice_scatter. */
export const sliceScatter = defineOp(
  'sliceScatter(Tensor self, Tensor src, int dim=0, int? start=null, int? end=null, int step=1)',
  (): OpDef => ({
    forward: (self: Tensor, src: Tensor, dim: number, start: number | null, end: number | null, step: number) =>
      withPart('sliceScatter', self, src, (x) => x.slice(dim, start, end, step)),
    backward: {
      self: d((grad, c) => grad.sliceScatter(zerosFor(grad, c.src), c.dim, c.start, c.end, c.step)),
      src: d((grad, c) => grad.slice(c.dim, c.start, c.end, c.step)),
    },
  }),
);
/** A copy with src in the place of a diagonal. See torch.diagonal_scatter. */
export const diagonalScatter = defineOp(
  'diagonalScatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1)',
  (): OpDef => ({
    forward: (self: Tensor, src: Tensor, offset: number, dim1: number, dim2: number) =>
      withPart('diagonalScatter', self, src, (x) => x.diagonal(offset, dim1, dim2)),
    backward: {
      self: d((grad, c) => grad.diagonalScatter(zerosFor(grad, c.src), c.offset, c.dim1, c.dim2)),
      src: d((grad, c) => grad.diagonal(c.offset, c.dim1, c.dim2)),
    },
  }),
);

/** `length` indices of a dim from `start` on, as a copy. See torch.narrow_copy. */
export const narrowCopy = defineOp('narrowCopy(Tensor self, int dim, int start, int length)', (): OpDef => ({
  forward: (self: Tensor, dim: number, start: number, length: number) => self.narrow(dim, start, length).clone(),
  composite: true,
}));

// ---- diagonals and triangles -----------------------------------------------------------------------------------------

function plane(call: string, n: number, dim1: number, dim2: number): [number, number] {
  const [a, b] = [wrapDim(call, dim1, n), wrapDim(call, dim2, n)];
  if (a === b) throw new TenfoldError('value', `${call}: the dims must differ, got ${dim1} and ${dim2}`);
  return [a, b];
}

/** The diagonal of the matrices in two dims, `offset` above the main one, as the last dim: a view. See torch.diagonal. */
export const diagonal = defineOp('diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1)', (): OpDef => ({
  forward(self: Tensor, offset: number, dim1: number, dim2: number) {
    const [a, b] = plane('diagonal', self.shape.length, dim1, dim2);
    const [rows, columns] = [self.shape[a]!, self.shape[b]!];
    const length = Math.max(offset >= 0 ? Math.min(rows, columns - offset) : Math.min(rows + offset, columns), 0);
    const keep = <T>(items: readonly T[]): T[] => items.filter((_, i) => i !== a && i !== b);
    const start = length === 0 ? 0 : offset >= 0 ? offset * self.strides[b]! : -offset * self.strides[a]!;
    return self.stridedView(
      [...keep(self.shape), length],
      [...keep(self.strides), self.strides[a]! + self.strides[b]!],
      self.offset + start,
    );
  },
  backward: {
    self: d((grad, c) => Tensor.zeros(c.self.shape, grad.code).diagonalScatter(grad, c.offset, c.dim1, c.dim2)),
  },
}));

/** Matrices in two new dims with the last dim on a diagonal, 0 elsewhere. See torch.diag_embed. */
export const diagEmbed = defineOp('diagEmbed(Tensor self, int offset=0, int dim1=-2, int dim2=-1)', (): OpDef => ({
  forward(self: Tensor, offset: number, dim1: number, dim2: number) {
    const n = self.shape.length + 1;
    if (n < 2) throw new TenfoldError('shape', 'diagEmbed: a 0-dim tensor has no diagonal to embed');
    const [a, b] = plane('diagEmbed', n, dim1, dim2);
    const size = self.shape.at(-1)! + Math.abs(offset);
    const shape = self.shape.slice(0, -1);
    for (const i of [a, b].sort((x, y) => x - y)) shape.splice(i, 0, size);
    return Tensor.zeros(shape, self.code).diagonalScatter(self, offset, a, b);
  },
  composite: true,
}));

/** A matrix's diagonal as a copy, or a matrix with a vector on it. See torch.diag. */
export const diag = defineOp('diag(Tensor self, int diagonal=0)', (): OpDef => ({
  forward(self: Tensor, offset: number) {
    if (self.shape.length === 1) return self.diagEmbed(offset);
    if (self.shape.length === 2) return self.diagonal(offset).clone();
    throw new TenfoldError('shape', `diag: expected a vector or a matrix, got shape ${formatShape(self.shape)}`);
  },
  composite: true,
}));
/** A matrix with the flattened tensor on a diagonal. See torch.diagflat. */
export const diagflat = defineOp('diagflat(Tensor self, int offset=0)', (): OpDef => ({
  forward: (self: Tensor, offset: number) => self.reshape(-1).diagEmbed(offset),
  composite: true,
}));

/**
 * Writes a number onto the main diagonal, in place: of a matrix, or of more dims that are all of one size. With `wrap` a
 * diagonal begins again below a tall matrix's first, one row left out. See torch.Tensor.fill_diagonal_.
 */
export const fillDiagonal_ = defineOp('fillDiagonal_(Tensor self, Scalar fillValue, bool wrap=false)', (): OpDef => ({
  forward(self: Tensor, value: Scalar, wrap: boolean) {
    const { shape } = self;
    const n = shape.length;
    if (n < 2 || (n > 2 && shape.some((s) => s !== shape[0]))) {
      throw new TenfoldError(
        'shape',
        `fillDiagonal_: needs a matrix, or more dims of one size, got ${formatShape(shape)}`,
      );
    }
    const height = wrap && n === 2 ? shape[1]! + 1 : Math.max(shape[0]!, 1);
    for (let row = 0; row < shape[0]!; row += height) {
      let line = self.narrow(0, row, Math.min(height, shape[0]! - row));
      while (line.shape.length > 1) line = line.diagonal(0, 0, -1);
      line.fill_(value);
    }
    return self;
  },
  composite: true,
}));

const TRIANGLE = kernel('triangle')[Code.i64]!;
const triangle = (name: 'tril' | 'triu') => (): OpDef => ({
  forward(self: Tensor, offset: number, into?: Tensor) {
    if (self.shape.length < 2)
      throw new TenfoldError('shape', `${name}: needs at least 2 dims, got ${formatShape(self.shape)}`);
    const source = self.contiguous();
    const target = self.dense ? fitting(into, self.shape, self.code, null) : null;
    const out = target ?? Tensor.raw(self.shape, self.code);
    const [rows, columns] = self.shape.slice(-2) as [number, number];
    if (out.count > 0) {
      const upper = name === 'triu' ? 1 : 0;
      run(TRIANGLE, SIZE[self.code]!, out.count / (rows * columns), rows, columns, offset, upper, source, out);
    }
    return out;
  },
  backward: { self: d((grad, call) => grad[name](call.diagonal)) },
});
/** Elements on and below a diagonal of the last two dims, 0 above it. See torch.tril. */
export const tril = defineOp('tril[_](Tensor self, int diagonal=0)', triangle('tril'));
/** Elements on and above a diagonal of the last two dims, 0 below it. See torch.triu. */
export const triu = defineOp('triu[_](Tensor self, int diagonal=0)', triangle('triu'));

function triangleIndices(
  call: string,
  row: number,
  col: number,
  inRow: (i: number) => [number, number],
  /** Before the first row and after the last one that can hold anything. */
  rows: [number, number],
  dtype: DType,
): Tensor {
  if (row < 0 || col < 0) throw new RangeError(`${call}: sizes must not be negative, got ${row} and ${col}`);
  const code = codeOf(call, dtype);
  const within = (i: number): [number, number] => {
    const [from, to] = inRow(i);
    return [Math.max(from, 0), Math.min(to, col)];
  };
  const first = Math.max(rows[0], 0);
  const end = col === 0 ? first : Math.min(rows[1], row);
  // Counted before anything is made; what is too many for memory need not be counted out. No row is empty.
  let count = end - first > 2 ** 30 ? end - first : 0;
  for (let i = first; i < end && count < 2 ** 30; i++) count += Math.max(within(i)[1] - within(i)[0], 0);
  const out = Tensor.raw([2, count], Code.i64);
  const memory = elementsOf(out) as BigInt64Array;
  let at = 0;
  for (let i = first; i < end; i++) {
    const [from, to] = within(i);
    for (let k = from; k < to; k++) {
      memory[at] = BigInt(i);
      memory[count + at++] = BigInt(k);
    }
  }
  return code === Code.i64 ? out : out.to(dtype);
}
/** Rows and columns of the lower triangle of a row × col matrix: int64 [2, n]. See torch.tril_indices. */
export const trilIndices = defineOp(
  "trilIndices(int row, int col, int offset=0, *, dtype dtype='int64')",
  (): OpDef => ({
    forward: (row: number, col: number, offset: number, dtype: DType) =>
      triangleIndices('trilIndices', row, col, (i) => [0, i + offset + 1], [-offset, row], dtype),
    differentiable: false,
  }),
);
/** Rows and columns of the upper triangle of a row × col matrix: int64 [2, n]. See torch.triu_indices. */
export const triuIndices = defineOp(
  "triuIndices(int row, int col, int offset=0, *, dtype dtype='int64')",
  (): OpDef => ({
    forward: (row: number, col: number, offset: number, dtype: DType) =>
      triangleIndices('triuIndices', row, col, (i) => [i + offset, col], [0, col - offset], dtype),
    differentiable: false,
  }),
);
