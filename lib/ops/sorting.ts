/** Order along a dim: sort, topk, kthvalue, median, mode, quantiles. */
import { TenfoldError } from '../errors.js';
import { Code, isFloatCode } from '../dtype.js';
import { checkInterval } from '../launch/check.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { formatShape, numelOf, wrapDim, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { overload } from '../op/overload.js';
import { countTrue } from '../op/indexed.js';
import type { Overload, Scalar } from '../op/schema.js';
import { where as whereOp } from './arithmetic.js';
import { fullLike, scalarTensor } from './creation.js';

const K = {
  sort: kernel('sort')[Code.i64]!,
  topk: kernel('topk')[Code.i64]!,
  kthvalue: kernel('kthvalue')[Code.i64]!,
  median: kernel('median')[Code.i64]!,
  mode: kernel('mode')[Code.i64]!,
};

/** Several results, which the schemas name. */
const pair = (values: Tensor, indices: Tensor): Tensor[] => [values, indices];

// ---- along a dim -----------------------------------------------------------------------------------------------------

/** A tensor with a dim brought to the end, dense: rows of n. A 0-dim tensor is one row of one. */
interface RowsOf {
  source: Tensor;
  rows: number;
  n: number;
  dim: number;
}
function rowsOf(call: string, x: Tensor, dim: number): RowsOf {
  const at = wrapDim(call, dim, x.shape.length);
  const n = x.shape[at] ?? 1;
  const last = x.shape.length === 0 || at === x.shape.length - 1 ? x : x.movedim(at, -1);
  return { source: last.contiguous(), rows: numelOf(last.shape.slice(0, -1)), n, dim: at };
}
/** A result of k elements a row, and where it goes in the dims of x: `done` gives it. */
function rowResult(x: Tensor, { dim }: RowsOf, k: number, code: Code): { out: Tensor; done: () => Tensor } {
  if (x.shape.length === 0) {
    const out = Tensor.raw([], code);
    return { out, done: () => out };
  }
  const others = x.shape.filter((_, i) => i !== dim);
  const out = Tensor.raw([...others, k], code);
  return { out, done: () => (dim === x.shape.length - 1 ? out : out.movedim(-1, dim).contiguous()) };
}
const squeezed = (t: Tensor, dim: number, keepdim: boolean): Tensor =>
  keepdim || t.shape.length === 0 ? t : t.squeeze(dim);

/** Gradient of values that were chosen at `indices` of `dim`: put back where they came from. */
function chosenGrad(grad: Tensor, indices: Tensor, shape: Shape, dim: number, keepdim: boolean): Tensor {
  if (shape.length === 0) return grad;
  const back = (t: Tensor): Tensor => (keepdim ? t : t.unsqueeze(dim));
  return Tensor.zeros(shape, grad.code).scatter(dim, back(indices), back(grad));
}

/** A sort of a dim outside any graph; without values where only the order is wanted. */
function sorted(
  call: string,
  x: Tensor,
  dim: number,
  descending: boolean,
  wantValues = true,
): { values: Tensor | null; indices: Tensor } {
  const r = rowsOf(call, x, dim);
  const values = wantValues ? rowResult(x, r, r.n, x.code) : null;
  const indices = rowResult(x, r, r.n, Code.i64);
  run(K.sort, r.rows, r.n, x.code, r.source, values === null ? null : values.out, indices.out, descending ? 1 : 0);
  return { values: values?.done() ?? null, indices: indices.done() };
}

/**
 * Elements in order along a dim, and the indices (int64) they came from. NaN counts as the greatest. Equal elements keep
 * their order, with or without `stable`. See torch.sort.
 */
export const sort = defineOp(
  'sort(Tensor self, int dim=-1, bool descending=false, *, bool stable=false) -> (values, indices)',
  (): OpDef => ({
    forward(self: Tensor, dim: number, descending: boolean) {
      const { values, indices } = sorted('sort', self, dim, descending);
      return pair(values!, indices);
    },
    backward: {
      self: d('result1', (grads, indices, call) =>
        chosenGrad(grads[0], indices, call.self.shape, wrapDim('sort', call.dim, call.self.shape.length), true),
      ),
    },
  }),
);

/** Indices (int64) that put a dim in order. See torch.argsort. */
export const argsort = defineOp(
  'argsort(Tensor self, int dim=-1, bool descending=false, *, bool stable=false)',
  (): OpDef => ({
    forward: (self: Tensor, dim: number, descending: boolean) =>
      sorted('argsort', self, dim, descending, false).indices,
    differentiable: false,
  }),
);

/** The first dim in order. See torch.msort. */
export const msort = defineOp('msort(Tensor self)', (): OpDef => ({
  forward: (self: Tensor) => self.sort(0)[0]!,
  composite: true,
}));

/**
 * The k greatest (or smallest) elements of a dim, with their indices (int64), in order where `sorted`. See torch.topk.
 */
export const topk = defineOp(
  'topk(Tensor self, int k, int dim=-1, bool largest=true, bool sorted=true) -> (values, indices)',
  (): OpDef => ({
    forward(self: Tensor, k: number, dim: number, largest: boolean, inOrder: boolean) {
      const r = rowsOf('topk', self, dim);
      if (k < 0 || k > r.n) throw new RangeError(`topk: k = ${k} is out of range for dim ${r.dim} of size ${r.n}`);
      const values = rowResult(self, r, k, self.code);
      const indices = rowResult(self, r, k, Code.i64);
      if (self.shape.length === 0 && k === 0) return pair(Tensor.raw([0], self.code), Tensor.raw([0], Code.i64));
      run(K.topk, r.rows, r.n, self.code, r.source, k, values.out, indices.out, largest ? 1 : 0, inOrder ? 1 : 0);
      return pair(values.done(), indices.done());
    },
    backward: {
      self: d('result1', (grads, indices, call) =>
        chosenGrad(grads[0], indices, call.self.shape, wrapDim('topk', call.dim, call.self.shape.length), true),
      ),
    },
  }),
);

/** One element a row by a kernel that gives values and indices. */
function oneOfRow(
  call: string,
  id: number,
  x: Tensor,
  dim: number,
  keepdim: boolean,
  before: number[],
  after: number[],
): Tensor[] {
  const r = rowsOf(call, x, dim);
  if (r.n === 0) throw new RangeError(`${call}: dim ${r.dim} of shape ${formatShape(x.shape)} has no elements`);
  const values = rowResult(x, r, 1, x.code);
  const indices = rowResult(x, r, 1, Code.i64);
  run(id, r.rows, r.n, x.code, r.source, ...before, values.out, indices.out, ...after);
  return pair(squeezed(values.done(), r.dim, keepdim), squeezed(indices.done(), r.dim, keepdim));
}
const oneGrad = (call: string) => ({
  self: d('result1', (grads, indices, c) =>
    chosenGrad(grads[0], indices, c.self.shape, wrapDim(call, c.dim, c.self.shape.length), c.keepdim),
  ),
});

/** The k-th smallest element of a dim (counted from 1), and its index. See torch.kthvalue. */
export const kthvalue = defineOp(
  'kthvalue(Tensor self, int k, int dim=-1, bool keepdim=false) -> (values, indices)',
  (): OpDef => ({
    forward(self: Tensor, k: number, dim: number, keepdim: boolean) {
      const size = self.shape[wrapDim('kthvalue', dim, self.shape.length)] ?? 1;
      if (k < 1 || k > size) throw new RangeError(`kthvalue: k = ${k} is out of range for dim ${dim} of size ${size}`);
      return oneOfRow('kthvalue', K.kthvalue, self, dim, keepdim, [k - 1], []);
    },
    backward: oneGrad('kthvalue'),
  }),
);

/** The most frequent element of a dim (the smallest of several), and an index of it. See torch.mode. */
export const mode = defineOp('mode(Tensor self, int dim=-1, bool keepdim=false) -> (values, indices)', (): OpDef => ({
  forward: (self: Tensor, dim: number, keepdim: boolean) => oneOfRow('mode', K.mode, self, dim, keepdim, [], []),
  backward: oneGrad('mode'),
}));

const medianAll = (name: 'median' | 'nanmedian') => (): OpDef => ({
  forward(self: Tensor) {
    if (self.count === 0) return fullLike(self.sum(), isFloatCode(self.code) ? NaN : 0).to(self.dtype);
    const [value] = oneOfRow(name, K.median, self.reshape(-1), 0, false, [], [name === 'nanmedian' ? 1 : 0]);
    return value;
  },
  backward: {
    // Shared among the elements that equal it, as PyTorch does.
    self: d('self', 'result', (grad, self, result) => {
      const mine = self.eq(result).logicalOr(self.ne(self).logicalAnd(result.ne(result)));
      return whereOp(mine, grad.div(Math.max(countTrue(mine.contiguous()), 1)), 0);
    }),
  },
});
const medianOf = (name: 'median' | 'nanmedian') => (): OpDef => ({
  forward: (self: Tensor, dim: number, keepdim: boolean) =>
    oneOfRow(name, K.median, self, dim, keepdim, [], [name === 'nanmedian' ? 1 : 0]),
  backward: oneGrad(name),
});
const medianOfAll = defineOp('median(Tensor self)', medianAll('median'));
const medianAlong = defineOp(
  'median(Tensor self, int dim, bool keepdim=false) -> (values, indices)',
  medianOf('median'),
);
/**
 * The middle element (the lower of two): median(x) of all elements, median(x, dim, keepdim) of a dim with its index. NaN
 * where there is one. See torch.median.
 */
export const median: Overload<'median', typeof medianOfAll, typeof medianAlong> = overload(
  'median',
  medianOfAll,
  medianAlong,
);
const nanmedianOfAll = defineOp('nanmedian(Tensor self)', medianAll('nanmedian'));
const nanmedianAlong = defineOp(
  'nanmedian(Tensor self, int dim, bool keepdim=false) -> (values, indices)',
  medianOf('nanmedian'),
);
/** median that leaves NaN out. See torch.nanmedian. */
export const nanmedian: Overload<'nanmedian', typeof nanmedianOfAll, typeof nanmedianAlong> = overload(
  'nanmedian',
  nanmedianOfAll,
  nanmedianAlong,
);

// ---- quantiles -------------------------------------------------------------------------------------------------------

function quantileOf(
  call: string,
  self: Tensor,
  q: Tensor | Scalar,
  dim: number | null,
  keepdim: boolean,
  interpolation: string,
  ignoreNaN: boolean,
): Tensor {
  if (self.code !== Code.f32 && self.code !== Code.f64)
    throw new TenfoldError('dtype', `${call}: needs float32 or float64, got ${self.dtype}`);
  if (self.count === 0) throw new TenfoldError('shape', `${call}: an empty tensor has no quantiles`);
  const at = q instanceof Tensor ? q : scalarTensor(q, { dtype: self.dtype });
  if (at.shape.length > 1)
    throw new TenfoldError('shape', `${call}: q must be a number or have one dim, got shape ${formatShape(at.shape)}`);
  if (at.code !== self.code)
    throw new TenfoldError('dtype', `${call}: q must have self's dtype ${self.dtype}, got ${at.dtype}`);
  checkInterval(at, 0, 1, (found) => new RangeError(`${call}: q must lie in [0, 1], got ${found}`));

  const n = self.shape.length;
  const axis = dim === null ? 0 : wrapDim(call, dim, n);
  const rows = dim === null ? self.reshape(-1) : n === 0 ? self.reshape(1) : self.movedim(axis, -1);
  const order = rows.sort(-1)[0]!;
  const size = order.shape.at(-1)!;
  const flat = at.reshape(-1);
  const missing = order.ne(order);
  let ranks: Tensor;
  if (ignoreNaN) ranks = missing.logicalNot().to('int64').sum(-1, true).sub(1).clampMin(0).to(self.dtype).mul(flat);
  else {
    // A row with a NaN has it at its end: that is its every quantile.
    ranks = whereOp(
      missing.narrow(-1, size - 1, 1),
      size - 1,
      flat.mul(size - 1).expand([...order.shape.slice(0, -1), flat.count]),
    ).to(self.dtype);
  }
  if (interpolation === 'lower') ranks = ranks.floor();
  else if (interpolation === 'higher') ranks = ranks.ceil();
  else if (interpolation === 'nearest') ranks = ranks.round();
  const below = ranks.to('int64');
  let out = order.gather(-1, below);
  if (interpolation === 'linear' || interpolation === 'midpoint') {
    const weights = interpolation === 'midpoint' ? fullLike(ranks, 0.5) : ranks.sub(below);
    out = out.lerp(order.gather(-1, ranks.ceil().to('int64')), weights);
  }
  // out is [...others, q]; the dim that was reduced, if kept, then q in front.
  if (keepdim) {
    if (dim === null) out = out.reshape([...new Array<number>(n).fill(1), flat.count]);
    else if (n > 0) out = out.unsqueeze(axis);
  }
  return at.shape.length === 0 ? out.squeeze(-1) : out.movedim(-1, 0);
}

/**
 * Quantiles q (a number in [0, 1], or a vector of them, which becomes the first dim) of all elements or along a dim, by
 * `interpolation` between the two nearest: 'linear', 'lower', 'higher', 'midpoint', 'nearest'. See torch.quantile.
 */
export const quantile = defineOp(
  "quantile(Tensor self, Tensor|Scalar q, int? dim=null, bool keepdim=false, *, 'linear'|'lower'|'higher'|'midpoint'|'nearest' interpolation='linear')",
  (): OpDef => ({
    forward: (self: Tensor, q: Tensor | Scalar, dim: number | null, keepdim: boolean, interpolation: string) =>
      quantileOf('quantile', self, q, dim, keepdim, interpolation, false),
    composite: true,
  }),
);
/** quantile that leaves NaN out. See torch.nanquantile. */
export const nanquantile = defineOp(
  "nanquantile(Tensor self, Tensor|Scalar q, int? dim=null, bool keepdim=false, *, 'linear'|'lower'|'higher'|'midpoint'|'nearest' interpolation='linear')",
  (): OpDef => ({
    forward: (self: Tensor, q: Tensor | Scalar, dim: number | null, keepdim: boolean, interpolation: string) =>
      quantileOf('nanquantile', self, q, dim, keepdim, interpolation, true),
    composite: true,
  }),
);
