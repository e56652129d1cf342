/** Sorting, selecting and counting: sort, topk, median, quantile, unique, searchsorted, histograms, nonzero. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { COMPUTE, Code, DTYPES, isFloatCode } from '../dtype.js';
import { kernel, launchRaw } from '../native/launch.js';
import { formatShape, numelOf, wrapDim, type Shape } from '../tensor/shape.js';
import { Tensor, addressOf } from '../tensor/tensor.js';
import { d, defineOp, overload, type OpDef } from '../op/define.js';
import { promote } from '../op/elementwise.js';
import { countTrue, named, scatterElements } from '../op/indexed.js';
import type { Scalar } from '../op/schema.js';
import { where as whereOp } from './arithmetic.js';
import { positions } from './indexing.js';
import { fullLike, scalarTensor } from './creation.js';

const K = {
  sort: kernel('sort')[Code.i64]!,
  topk: kernel('topk')[Code.i64]!,
  kthvalue: kernel('kthvalue')[Code.i64]!,
  median: kernel('median')[Code.i64]!,
  mode: kernel('mode')[Code.i64]!,
  lexSort: kernel('lexSort')[Code.i64]!,
  runs: kernel('runs')[Code.i64]!,
  searchsorted: kernel('searchsorted'),
};

/** Several results, by position and by name. */
const pair = (values: Tensor, indices: Tensor): Tensor[] => Object.assign([values, indices], { values, indices });

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
const squeezed = (t: Tensor, dim: number, keepdim: boolean): Tensor => (keepdim || t.shape.length === 0 ? t : t.squeeze(dim));

/** Gradient of values that were chosen at `indices` of `dim`: put back where they came from. */
function chosenGrad(grad: Tensor, indices: Tensor, shape: Shape, dim: number, keepdim: boolean): Tensor {
  if (shape.length === 0) return grad;
  const back = (t: Tensor): Tensor => (keepdim ? t : t.unsqueeze(dim));
  return Tensor.zeros(shape, grad.code).scatter(dim, back(indices), back(grad));
}

function sorted(call: string, x: Tensor, dim: number, descending: boolean, wantValues = true): { values: Tensor | null; indices: Tensor } {
  const r = rowsOf(call, x, dim);
  const values = wantValues ? rowResult(x, r, r.n, x.code) : null;
  const indices = rowResult(x, r, r.n, Code.i64);
  launchRaw(
    K.sort,
    r.rows,
    r.n,
    x.code,
    addressOf(r.source),
    values === null ? 0 : addressOf(values.out),
    addressOf(indices.out),
    descending ? 1 : 0,
  );
  return { values: values?.done() ?? null, indices: indices.done() };
}

/**
 * Elements in order along a dim, and the indices (int64) they came from. NaN counts as the greatest. Equal elements keep
 * their order, with or without `stable`. See torch.sort.
 */
export const sort = defineOp('sort(Tensor self, int dim=-1, bool descending=false, *, bool stable=false) -> (values, indices)', (): OpDef => ({
  forward(self: Tensor, dim: number, descending: boolean) {
    const { values, indices } = sorted('sort', self, dim, descending);
    return pair(values!, indices);
  },
  backward: {
    self: d('result1', (grads, indices, call) =>
      chosenGrad(grads[0], indices, call.self.shape, wrapDim('sort', call.dim, call.self.shape.length), true),
    ),
  },
}));

/** Indices (int64) that put a dim in order. See torch.argsort. */
export const argsort = defineOp('argsort(Tensor self, int dim=-1, bool descending=false, *, bool stable=false)', (): OpDef => ({
  forward: (self: Tensor, dim: number, descending: boolean) => sorted('argsort', self, dim, descending, false).indices,
  differentiable: false,
}));

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
      launchRaw(
        K.topk,
        r.rows,
        r.n,
        self.code,
        addressOf(r.source),
        k,
        addressOf(values.out),
        addressOf(indices.out),
        largest ? 1 : 0,
        inOrder ? 1 : 0,
      );
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
function oneOfRow(call: string, id: number, x: Tensor, dim: number, keepdim: boolean, before: number[], after: number[]): Tensor[] {
  const r = rowsOf(call, x, dim);
  if (r.n === 0) throw new RangeError(`${call}: dim ${r.dim} of shape ${formatShape(x.shape)} has no elements`);
  const values = rowResult(x, r, 1, x.code);
  const indices = rowResult(x, r, 1, Code.i64);
  launchRaw(id, r.rows, r.n, x.code, addressOf(r.source), ...before, addressOf(values.out), addressOf(indices.out), ...after);
  return pair(squeezed(values.done(), r.dim, keepdim), squeezed(indices.done(), r.dim, keepdim));
}
const oneGrad = (call: string) => ({
  self: d('result1', (grads, indices, c) =>
    chosenGrad(grads[0], indices, c.self.shape, wrapDim(call, c.dim, c.self.shape.length), c.keepdim),
  ),
});

/** The k-th smallest element of a dim (counted from 1), and its index. See torch.kthvalue. */
export const kthvalue = defineOp('kthvalue(Tensor self, int k, int dim=-1, bool keepdim=false) -> (values, indices)', (): OpDef => ({
  forward(self: Tensor, k: number, dim: number, keepdim: boolean) {
    const size = self.shape[wrapDim('kthvalue', dim, self.shape.length)] ?? 1;
    if (k < 1 || k > size) throw new RangeError(`kthvalue: k = ${k} is out of range for dim ${dim} of size ${size}`);
    return oneOfRow('kthvalue', K.kthvalue, self, dim, keepdim, [k - 1], []);
  },
  backward: oneGrad('kthvalue'),
}));

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
/** median as a function: of all elements, or of a dim. */
interface Median {
  (self: Tensor): Tensor;
  (self: Tensor, dim: number, keepdim?: boolean | { keepdim?: boolean }): Tensor[] & { values: Tensor; indices: Tensor };
  (self: Tensor, options: { dim: number; keepdim?: boolean }): Tensor[] & { values: Tensor; indices: Tensor };
}
/**
 * The middle element (the lower of two): median(x) of all elements, median(x, dim, keepdim) of a dim with its index. NaN
 * where there is one. See torch.median.
 */
export const median: Median = overload(
  'median',
  defineOp('median(Tensor self)', medianAll('median')),
  defineOp('median(Tensor self, int dim, bool keepdim=false) -> (values, indices)', medianOf('median')),
);
/** median that leaves NaN out. See torch.nanmedian. */
export const nanmedian: Median = overload(
  'nanmedian',
  defineOp('nanmedian(Tensor self)', medianAll('nanmedian')),
  defineOp('nanmedian(Tensor self, int dim, bool keepdim=false) -> (values, indices)', medianOf('nanmedian')),
);

// ---- quantiles -------------------------------------------------------------------------------------------------------

const INTERPOLATIONS = ['linear', 'lower', 'higher', 'midpoint', 'nearest'];

function quantileOf(
  call: string,
  self: Tensor,
  q: Tensor | Scalar,
  dim: number | null,
  keepdim: boolean,
  interpolation: string,
  ignoreNaN: boolean,
): Tensor {
  if (self.code !== Code.f32 && self.code !== Code.f64) throw new TenfoldError('dtype', `${call}: needs float32 or float64, got ${self.dtype}`);
  if (self.count === 0) throw new TenfoldError('shape', `${call}: an empty tensor has no quantiles`);
  if (!INTERPOLATIONS.includes(interpolation)) {
    throw new TypeError(`${call}: interpolation must be one of ${INTERPOLATIONS.join(', ')}, got '${interpolation}'`);
  }
  const at = q instanceof Tensor ? q : scalarTensor(q, { dtype: self.dtype });
  if (at.shape.length > 1) throw new TenfoldError('shape', `${call}: q must be a number or have one dim, got shape ${formatShape(at.shape)}`);
  if (at.code !== self.code) throw new TenfoldError('dtype', `${call}: q must have self's dtype ${self.dtype}, got ${at.dtype}`);
  if (countTrue(at.lt(0).logicalOr(at.gt(1)).contiguous()) > 0) throw new RangeError(`${call}: q must lie in [0, 1], got ${show(at.tolist())}`);

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
    ranks = whereOp(missing.narrow(-1, size - 1, 1), size - 1, flat.mul(size - 1).expand([...order.shape.slice(0, -1), flat.count])).to(self.dtype);
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
  "quantile(Tensor self, Tensor|Scalar q, int? dim=null, bool keepdim=false, *, string interpolation='linear')",
  (): OpDef => ({
    forward: (self: Tensor, q: Tensor | Scalar, dim: number | null, keepdim: boolean, interpolation: string) =>
      quantileOf('quantile', self, q, dim, keepdim, interpolation, false),
    composite: true,
  }),
);
/** quantile that leaves NaN out. See torch.nanquantile. */
export const nanquantile = defineOp(
  "nanquantile(Tensor self, Tensor|Scalar q, int? dim=null, bool keepdim=false, *, string interpolation='linear')",
  (): OpDef => ({
    forward: (self: Tensor, q: Tensor | Scalar, dim: number | null, keepdim: boolean, interpolation: string) =>
      quantileOf('nanquantile', self, q, dim, keepdim, interpolation, true),
    composite: true,
  }),
);

// ---- distinct elements -----------------------------------------------------------------------------------------------

/** Runs of equal rows of a dense [rows, n] tensor, taken in `order`. */
function runsOf(rows: number, n: number, x: Tensor, order: Tensor | null): { starts: Tensor; inverse: Tensor } {
  const inverse = Tensor.raw([rows], Code.i64);
  const starts = Tensor.raw([rows], Code.i64);
  const count = Tensor.raw([1], Code.f64);
  const isFloat = isFloatCode(x.code) ? 1 : 0;
  launchRaw(
    K.runs,
    rows,
    n,
    x.code,
    addressOf(x),
    order === null ? 0 : addressOf(order),
    isFloat,
    addressOf(inverse),
    addressOf(starts),
    addressOf(count),
  );
  return { starts: starts.narrow(0, 0, count.item()), inverse };
}

function distinct(call: string, self: Tensor, dim: number | null, inOrder: boolean, wantInverse: boolean, wantCounts: boolean): Tensor | Tensor[] {
  let x = self;
  let rows = self.count;
  let n = 1;
  const axis = dim === null ? 0 : wrapDim(call, dim, self.shape.length);
  if (dim === null || self.shape.length === 0) x = self.reshape(-1).contiguous();
  else {
    x = self.movedim(axis, 0).contiguous();
    rows = self.shape[axis]!;
    n = rows === 0 ? 1 : x.count / rows;
    if (x.count === 0 && rows > 0) {
      throw new TenfoldError('shape', `${call}: there are no elements to compare along dim ${axis} of shape ${formatShape(self.shape)}`);
    }
  }
  let order: Tensor | null = null;
  if (inOrder) {
    if (n === 1) order = sorted(call, x.reshape(-1), 0, false, false).indices;
    else {
      order = Tensor.raw([rows], Code.i64);
      launchRaw(K.lexSort, rows, n, x.code, addressOf(x), addressOf(order));
    }
  }
  const { starts, inverse } = runsOf(rows, n, x, order);
  const first = order === null ? starts : order.indexSelect(0, starts);
  const picked = x.indexSelect(0, first);
  const values = dim === null || self.shape.length === 0 ? picked : picked.movedim(0, axis).contiguous();
  if (!wantInverse && !wantCounts) return values;
  const out = [values];
  if (wantInverse) out.push(dim === null ? inverse.view(self.shape as number[]) : inverse);
  if (wantCounts) {
    const counts = Tensor.zeros([starts.count], Code.i64);
    scatterElements(call, 'add', counts, 0, inverse, scalarTensor(1, { dtype: 'int64' }));
    out.push(counts);
  }
  return out;
}

/** Options of unique(). */
interface UniqueFlags {
  returnInverse?: boolean;
  returnCounts?: boolean;
}
type OneOrSeveral<O> = O extends { returnInverse: true } | { returnCounts: true } ? Tensor[] : Tensor;

const uniqueOp = defineOp(
  'unique(Tensor input, bool sorted=true, bool returnInverse=false, bool returnCounts=false, int? dim=null) -> Tensor[]',
  (): OpDef => ({
    forward: (input: Tensor, _sorted: boolean, inverse: boolean, counts: boolean, dim: number | null) =>
      distinct('unique', input, dim, true, inverse, counts),
    differentiable: false,
  }),
);
const consecutiveOp = defineOp(
  'uniqueConsecutive(Tensor input, bool returnInverse=false, bool returnCounts=false, int? dim=null) -> Tensor[]',
  (): OpDef => ({
    forward: (input: Tensor, inverse: boolean, counts: boolean, dim: number | null) =>
      distinct('uniqueConsecutive', input, dim, false, inverse, counts),
    differentiable: false,
  }),
);

/**
 * Distinct elements in ascending order, or distinct slices of `dim`. With returnInverse also where each went, with
 * returnCounts how many there were, as a list. NaN equals nothing. See torch.unique.
 */
export function unique<const O extends UniqueFlags & { sorted?: boolean; dim?: number | null }>(input: Tensor, options: O): OneOrSeveral<O>;
export function unique(input: Tensor): Tensor;
export function unique(input: Tensor, sorted: boolean, returnInverse?: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
export function unique(...args: unknown[]): unknown {
  return (uniqueOp as (...args: unknown[]) => unknown)(...args);
}
/** Runs of equal elements (or of equal slices of `dim`) as one each; see unique. See torch.unique_consecutive. */
export function uniqueConsecutive<const O extends UniqueFlags & { dim?: number | null }>(input: Tensor, options: O): OneOrSeveral<O>;
export function uniqueConsecutive(input: Tensor): Tensor;
export function uniqueConsecutive(input: Tensor, returnInverse: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
export function uniqueConsecutive(...args: unknown[]): unknown {
  return (consecutiveOp as (...args: unknown[]) => unknown)(...args);
}

/** Which elements are (with `invert`: are not) among testElements, as bool. See torch.isin. */
export const isin = defineOp(
  'isin(Tensor|Scalar elements, Tensor|Scalar testElements, *, bool assumeUnique=false, bool invert=false)',
  (): OpDef => ({
    forward(elements: Tensor | Scalar, testElements: Tensor | Scalar, _assumeUnique: boolean, invert: boolean) {
      const code = promote(elements, testElements);
      const cast = (x: Tensor | Scalar): Tensor => (x instanceof Tensor ? x : scalarTensor(x)).to(DTYPES[code]!);
      const x = cast(elements);
      const test = cast(testElements).reshape(-1);
      let found: Tensor;
      if (test.count === 0) found = Tensor.zeros(x.shape, Code.bool);
      else {
        const order = test.sort(0)[0]!;
        const place = searchsorted(order, x).clamp(0, test.count - 1);
        found = order.take(place).eq(x);
      }
      return invert ? found.logicalNot() : found;
    },
    differentiable: false,
  }),
);

// ---- searching and counting ------------------------------------------------------------------------------------------

function search(call: string, boundaries: Tensor, values: Tensor, right: boolean, int32: boolean, sorter: Tensor | null): Tensor {
  const { shape } = boundaries;
  if (shape.length === 0) throw new TenfoldError('shape', `${call}: the sorted sequence needs at least one dim`);
  const shared = shape.length === 1;
  const fits = shared || (shape.length === values.shape.length && shape.slice(0, -1).every((s, i) => s === values.shape[i]));
  if (!fits) {
    throw new TenfoldError(
      'shape',
      `${call}: sequence ${formatShape(shape)} and values ${formatShape(values.shape)} must agree in all dims but the last, or the sequence have one dim`,
    );
  }
  if (sorter !== null && (sorter.code !== Code.i64 || formatShape(sorter.shape) !== formatShape(shape))) {
    throw new TenfoldError('shape', `${call}: the sorter must be int64 of shape ${formatShape(shape)}, got ${sorter.dtype} ${formatShape(sorter.shape)}`);
  }
  const code = COMPUTE[promote(boundaries, values)]!;
  const id = K.searchsorted[code]!;
  const [seq, x, by] = [boundaries.to(DTYPES[code]!).contiguous(), values.to(DTYPES[code]!).contiguous(), sorter?.contiguous() ?? null];
  const out = Tensor.raw(values.shape, Code.i64);
  const n = shape.at(-1)!;
  const rows = shared ? 1 : numelOf(shape.slice(0, -1));
  if (out.count > 0) {
    named(call, () =>
      launchRaw(id, rows, n, addressOf(seq), shared ? 1 : 0, by === null ? 0 : addressOf(by), x.count / rows, addressOf(x), addressOf(out), right ? 1 : 0),
    );
  }
  return int32 ? out.to('int32') : out;
}

/**
 * Where each value goes in a sorted sequence (of the last dim, row by row, or one for all) so that it stays sorted: before
 * equal elements, with `right` (or side: 'right') behind them. `sorter` holds the order of an unsorted sequence. int64, or
 * int32 with outInt32. See torch.searchsorted.
 */
export const searchsorted = defineOp(
  'searchsorted(Tensor sortedSequence, Tensor|Scalar values, *, bool outInt32=false, bool? right=null, string? side=null, Tensor? sorter=null)',
  (): OpDef => ({
    forward(sequence: Tensor, values: Tensor | Scalar, outInt32: boolean, right: boolean | null, side: string | null, sorter: Tensor | null) {
      if (side !== null && side !== 'left' && side !== 'right') throw new TypeError(`searchsorted: side must be 'left' or 'right', got '${side}'`);
      if (side === 'left' && right === true) throw new TenfoldError('value', "searchsorted: side: 'left' and right: true contradict each other");
      const x = values instanceof Tensor ? values : scalarTensor(values, { dtype: sequence.dtype });
      return search('searchsorted', sequence, x, side === 'right' || right === true, outInt32, sorter);
    },
    differentiable: false,
  }),
);
/** Numbers of the buckets, between sorted boundaries, that elements fall into. See torch.bucketize. */
export const bucketize = defineOp('bucketize(Tensor|Scalar input, Tensor boundaries, *, bool outInt32=false, bool right=false)', (): OpDef => ({
  forward(input: Tensor | Scalar, boundaries: Tensor, outInt32: boolean, right: boolean) {
    if (boundaries.shape.length !== 1) {
      throw new TenfoldError('shape', `bucketize: the boundaries must have one dim, got shape ${formatShape(boundaries.shape)}`);
    }
    const x = input instanceof Tensor ? input : scalarTensor(input, { dtype: boundaries.dtype });
    return search('bucketize', boundaries, x, right, outInt32, null);
  },
  differentiable: false,
}));

/** How often each of 0, 1, … occurs in a vector of non-negative integers, or the sums of their weights. See torch.bincount. */
export const bincount = defineOp('bincount(Tensor self, Tensor? weights=null, int minlength=0)', (): OpDef => ({
  forward(self: Tensor, weights: Tensor | null, minlength: number) {
    if (self.shape.length !== 1 || isFloatCode(self.code) || self.code === Code.bool) {
      throw new TenfoldError('dtype', `bincount: expected a vector of integers, got ${self.dtype} of shape ${formatShape(self.shape)}`);
    }
    if (minlength < 0) throw new RangeError(`bincount: minlength must not be negative, got ${minlength}`);
    if (weights !== null && formatShape(weights.shape) !== formatShape(self.shape)) {
      throw new TenfoldError('shape', `bincount: ${formatShape(self.shape)} elements and ${formatShape(weights.shape)} weights`);
    }
    const index = self.to('int64').contiguous();
    let length = minlength;
    if (index.count > 0) {
      const [low, high] = [Number(index.amin().item()), Number(index.amax().item())];
      if (low < 0) throw new RangeError(`bincount: elements must not be negative, got ${low}`);
      length = Math.max(minlength, high + 1);
    }
    const code = weights === null ? Code.i64 : weights.code === Code.f32 ? Code.f32 : Code.f64;
    const out = Tensor.zeros([length], code);
    scatterElements('bincount', 'add', out, 0, index, weights?.to(DTYPES[code]!) ?? scalarTensor(1, { dtype: 'int64' }));
    return out;
  },
  differentiable: false,
}));

/** Counts of elements in `bins` equal intervals of [min, max]; both 0: of the data's range. See torch.histc. */
export const histc = defineOp('histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0)', (): OpDef => ({
  forward(self: Tensor, bins: number, min: Scalar, max: Scalar) {
    if (!isFloatCode(self.code)) throw new TenfoldError('dtype', `histc: needs a floating-point dtype, got ${self.dtype}`);
    if (bins < 1) throw new RangeError(`histc: the number of bins must be positive, got ${bins}`);
    let [low, high] = [Number(min), Number(max)];
    if (low > high) throw new RangeError(`histc: max must not be less than min, got ${low} and ${high}`);
    const x = self.reshape(-1);
    if (low === high && x.count > 0) [low, high] = [Number(x.amin().item()), Number(x.amax().item())];
    if (low === high) [low, high] = [low - 1, high + 1];
    if (!Number.isFinite(low) || !Number.isFinite(high)) throw new RangeError(`histc: the range [${low}, ${high}] is not finite`);
    const inside = x.maskedSelect(x.ge(low).logicalAnd(x.le(high)));
    const bin = inside.sub(low).mul(bins).div(high - low).to('int64').clampMax(bins - 1);
    const out = Tensor.zeros([bins], self.code === Code.f64 ? Code.f64 : Code.f32);
    scatterElements('histc', 'add', out, 0, bin, scalarTensor(1, { dtype: out.dtype }));
    return out.to(self.dtype);
  },
  differentiable: false,
}));

// ---- what is not zero ------------------------------------------------------------------------------------------------

const nonzeroTable = defineOp('nonzero(Tensor input)', (): OpDef => ({
  forward: (input: Tensor) => positions(input.code === Code.bool ? input : input.ne(0), input.shape),
  differentiable: false,
}));
const nonzeroColumns = (input: Tensor): Tensor[] =>
  nonzeroTable(input.shape.length === 0 ? input.reshape(1) : input).unbind(1);

/**
 * Positions of the elements that are not zero: int64 [count, dims]; with asTuple a list of one vector for each dim, which
 * indexes them. See torch.nonzero.
 */
export function nonzero(input: Tensor, options: { asTuple: true }): Tensor[];
export function nonzero(input: Tensor, options?: { asTuple?: false }): Tensor;
export function nonzero(input: Tensor, options: { asTuple?: boolean } = {}): Tensor | Tensor[] {
  if (!(input instanceof Tensor)) throw new TypeError(`nonzero: 'input' must be a tensor, got ${show(input)}`);
  if (options === null || typeof options !== 'object') throw new TypeError(`nonzero: options must be an object, got ${show(options)}`);
  checkOptions('nonzero', options, ['asTuple']);
  return options.asTuple ? nonzeroColumns(input) : nonzeroTable(input);
}
/** Positions of the elements that are not zero: int64 [count, dims]. See torch.argwhere. */
export const argwhere = defineOp('argwhere(Tensor self)', (): OpDef => ({
  forward: (self: Tensor) => nonzeroTable(self),
  differentiable: false,
}));

declare module '../tensor/tensor.js' {
  interface Tensor {
    /** Positions of the elements that are not zero: see nonzero(). */
    nonzero(options: { asTuple: true }): Tensor[];
    nonzero(options?: { asTuple?: false }): Tensor;
    /** Distinct elements: see unique(). */
    unique<const O extends UniqueFlags & { sorted?: boolean; dim?: number | null }>(options: O): OneOrSeveral<O>;
    unique(): Tensor;
    unique(sorted: boolean, returnInverse?: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
    /** Runs of equal elements as one each: see uniqueConsecutive(). */
    uniqueConsecutive<const O extends UniqueFlags & { dim?: number | null }>(options: O): OneOrSeveral<O>;
    uniqueConsecutive(): Tensor;
    uniqueConsecutive(returnInverse: boolean, returnCounts?: boolean, dim?: number | null): Tensor | Tensor[];
    /** The middle element of all, or of a dim: see median(). */
    median(): Tensor;
    median(dim: number, keepdim?: boolean | { keepdim?: boolean }): Tensor[] & { values: Tensor; indices: Tensor };
    median(options: { dim: number; keepdim?: boolean }): Tensor[] & { values: Tensor; indices: Tensor };
    /** median that leaves NaN out. */
    nanmedian(): Tensor;
    nanmedian(dim: number, keepdim?: boolean | { keepdim?: boolean }): Tensor[] & { values: Tensor; indices: Tensor };
    nanmedian(options: { dim: number; keepdim?: boolean }): Tensor[] & { values: Tensor; indices: Tensor };
  }
}
const methods = { nonzero, unique, uniqueConsecutive } as Record<string, unknown>;
for (const [name, fn] of Object.entries(methods)) {
  (Tensor.prototype as unknown as Record<string, unknown>)[name] = function (this: Tensor, ...args: unknown[]) {
    return (fn as (...args: unknown[]) => unknown)(this, ...args);
  };
}
