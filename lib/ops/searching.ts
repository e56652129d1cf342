/** What is there, where, and how often: unique, isin, searchsorted, histograms, nonzero. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { COMPUTE, Code, DTYPES, isFloatCode } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { formatShape, numelOf, wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { defineOp, type OpDef } from '../op/define.js';
import { promote } from '../op/elementwise.js';
import { named, scatterElements } from '../op/indexed.js';
import type { Scalar } from '../op/schema.js';
import { positions } from '../op/rows.js';
import { scalarTensor } from './creation.js';

const LEX_SORT = kernel('lexSort')[Code.i64]!;
const RUNS = kernel('runs')[Code.i64]!;
const SEARCHSORTED = kernel('searchsorted');

// ---- distinct elements -----------------------------------------------------------------------------------------------

/** Runs of equal rows of a dense [rows, n] tensor, taken in `order`. */
function runsOf(rows: number, n: number, x: Tensor, order: Tensor | null): { starts: Tensor; inverse: Tensor } {
  const inverse = Tensor.raw([rows], Code.i64);
  const starts = Tensor.raw([rows], Code.i64);
  const count = Tensor.raw([1], Code.f64);
  const isFloat = isFloatCode(x.code) ? 1 : 0;
  run(RUNS, rows, n, x.code, x, order, isFloat, inverse, starts, count);
  return { starts: starts.narrow(0, 0, count.item()), inverse };
}

function distinct(
  call: string,
  self: Tensor,
  dim: number | null,
  inOrder: boolean,
  wantInverse: boolean,
  wantCounts: boolean,
): Tensor | Tensor[] {
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
      throw new TenfoldError(
        'shape',
        `${call}: there are no elements to compare along dim ${axis} of shape ${formatShape(self.shape)}`,
      );
    }
  }
  let order: Tensor | null = null;
  if (inOrder) {
    if (n === 1) order = x.reshape(-1).argsort(0);
    else {
      order = Tensor.raw([rows], Code.i64);
      run(LEX_SORT, rows, n, x.code, x, order);
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
export function unique<const O extends UniqueFlags & { sorted?: boolean; dim?: number | null }>(
  input: Tensor,
  options: O,
): OneOrSeveral<O>;
export function unique(input: Tensor): Tensor;
export function unique(
  input: Tensor,
  sorted: boolean,
  returnInverse?: boolean,
  returnCounts?: boolean,
  dim?: number | null,
): Tensor | Tensor[];
export function unique(...args: unknown[]): unknown {
  return (uniqueOp as unknown as (...args: unknown[]) => unknown)(...args);
}
/** Runs of equal elements (or of equal slices of `dim`) as one each; see unique. See torch.unique_consecutive. */
export function uniqueConsecutive<const O extends UniqueFlags & { dim?: number | null }>(
  input: Tensor,
  options: O,
): OneOrSeveral<O>;
export function uniqueConsecutive(input: Tensor): Tensor;
export function uniqueConsecutive(
  input: Tensor,
  returnInverse: boolean,
  returnCounts?: boolean,
  dim?: number | null,
): Tensor | Tensor[];
export function uniqueConsecutive(...args: unknown[]): unknown {
  return (consecutiveOp as unknown as (...args: unknown[]) => unknown)(...args);
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

function search(
  call: string,
  boundaries: Tensor,
  values: Tensor,
  right: boolean,
  int32: boolean,
  sorter: Tensor | null,
): Tensor {
  const { shape } = boundaries;
  if (shape.length === 0) throw new TenfoldError('shape', `${call}: the sorted sequence needs at least one dim`);
  const shared = shape.length === 1;
  const fits =
    shared || (shape.length === values.shape.length && shape.slice(0, -1).every((s, i) => s === values.shape[i]));
  if (!fits) {
    throw new TenfoldError(
      'shape',
      `${call}: sequence ${formatShape(shape)} and values ${formatShape(values.shape)} must agree in all dims but the last, or the sequence have one dim`,
    );
  }
  if (sorter !== null && (sorter.code !== Code.i64 || formatShape(sorter.shape) !== formatShape(shape))) {
    throw new TenfoldError(
      'shape',
      `${call}: the sorter must be int64 of shape ${formatShape(shape)}, got ${sorter.dtype} ${formatShape(sorter.shape)}`,
    );
  }
  const code = COMPUTE[promote(boundaries, values)]!;
  const id = SEARCHSORTED[code]!;
  const [seq, x, by] = [
    boundaries.to(DTYPES[code]!).contiguous(),
    values.to(DTYPES[code]!).contiguous(),
    sorter?.contiguous() ?? null,
  ];
  const out = Tensor.raw(values.shape, Code.i64);
  const n = shape.at(-1)!;
  const rows = shared ? 1 : numelOf(shape.slice(0, -1));
  if (out.count > 0) {
    named(call, () => run(id, rows, n, seq, shared ? 1 : 0, by, x.count / rows, x, out, right ? 1 : 0));
  }
  return int32 ? out.to('int32') : out;
}

/**
 * Where each value goes in a sorted sequence (of the last dim, row by row, or one for all) so that it stays sorted: before
 * equal elements, with `right` (or side: 'right') behind them. `sorter` holds the order of an unsorted sequence. int64, or
 * int32 with outInt32. See torch.searchsorted.
 */
export const searchsorted = defineOp(
  "searchsorted(Tensor sortedSequence, Tensor|Scalar values, *, bool outInt32=false, bool? right=null, 'left'|'right'? side=null, Tensor? sorter=null)",
  (): OpDef => ({
    forward(
      sequence: Tensor,
      values: Tensor | Scalar,
      outInt32: boolean,
      right: boolean | null,
      side: string | null,
      sorter: Tensor | null,
    ) {
      if (side === 'left' && right === true)
        throw new TenfoldError('value', "searchsorted: side: 'left' and right: true contradict each other");
      const x = values instanceof Tensor ? values : scalarTensor(values, { dtype: DTYPES[promote(sequence, values)]! });
      return search('searchsorted', sequence, x, side === 'right' || right === true, outInt32, sorter);
    },
    differentiable: false,
  }),
);
/** Numbers of the buckets, between sorted boundaries, that elements fall into. See torch.bucketize. */
export const bucketize = defineOp(
  'bucketize(Tensor|Scalar input, Tensor boundaries, *, bool outInt32=false, bool right=false)',
  (): OpDef => ({
    forward(input: Tensor | Scalar, boundaries: Tensor, outInt32: boolean, right: boolean) {
      if (boundaries.shape.length !== 1) {
        throw new TenfoldError(
          'shape',
          `bucketize: the boundaries must have one dim, got shape ${formatShape(boundaries.shape)}`,
        );
      }
      const x = input instanceof Tensor ? input : scalarTensor(input, { dtype: DTYPES[promote(boundaries, input)]! });
      return search('bucketize', boundaries, x, right, outInt32, null);
    },
    differentiable: false,
  }),
);

/** How often each of 0, 1, … occurs in a vector of non-negative integers, or the sums of their weights. See torch.bincount. */
export const bincount = defineOp('bincount(Tensor self, Tensor? weights=null, int minlength=0)', (): OpDef => ({
  forward(self: Tensor, weights: Tensor | null, minlength: number) {
    if (self.shape.length !== 1 || isFloatCode(self.code) || self.code === Code.bool) {
      throw new TenfoldError(
        'dtype',
        `bincount: expected a vector of integers, got ${self.dtype} of shape ${formatShape(self.shape)}`,
      );
    }
    if (minlength < 0) throw new RangeError(`bincount: minlength must not be negative, got ${minlength}`);
    if (weights !== null && formatShape(weights.shape) !== formatShape(self.shape)) {
      throw new TenfoldError(
        'shape',
        `bincount: ${formatShape(self.shape)} elements and ${formatShape(weights.shape)} weights`,
      );
    }
    if (self.count === 0) return Tensor.zeros([minlength], Code.i64); // with weights, too
    const index = self.to('int64').contiguous();
    const [low, high] = [index.amin().itemBigInt(), index.amax().itemBigInt()];
    if (low < 0) throw new RangeError(`bincount: elements must not be negative, got ${low}`);
    const length = Math.max(minlength, Number(high) + 1);
    const code = weights === null ? Code.i64 : weights.code === Code.f32 ? Code.f32 : Code.f64;
    const out = Tensor.zeros([length], code);
    scatterElements(
      'bincount',
      'add',
      out,
      0,
      index,
      weights?.to(DTYPES[code]!) ?? scalarTensor(1, { dtype: 'int64' }),
    );
    return out;
  },
  differentiable: false,
}));

/** Counts of elements in `bins` equal intervals of [min, max]; both 0: of the data's range. See torch.histc. */
export const histc = defineOp('histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0)', (): OpDef => ({
  forward(self: Tensor, bins: number, min: Scalar, max: Scalar) {
    if (!isFloatCode(self.code))
      throw new TenfoldError('dtype', `histc: needs a floating-point dtype, got ${self.dtype}`);
    if (bins < 1) throw new RangeError(`histc: the number of bins must be positive, got ${bins}`);
    let [low, high] = [Number(min), Number(max)];
    if (low > high) throw new RangeError(`histc: max must not be less than min, got ${low} and ${high}`);
    const x = self.reshape(-1);
    if (low === high && x.count > 0) [low, high] = [Number(x.amin().item()), Number(x.amax().item())];
    if (low === high) [low, high] = [low - 1, high + 1];
    if (!Number.isFinite(low) || !Number.isFinite(high))
      throw new RangeError(`histc: the range [${low}, ${high}] is not finite`);
    const inside = x.maskedSelect(x.ge(low).logicalAnd(x.le(high)));
    const bin = inside
      .sub(low)
      .mul(bins)
      .div(high - low)
      .to('int64')
      .clampMax(bins - 1);
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
  if (options === null || typeof options !== 'object')
    throw new TypeError(`nonzero: options must be an object, got ${show(options)}`);
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
  }
}
const methods = { nonzero, unique, uniqueConsecutive } as Record<string, unknown>;
for (const [name, fn] of Object.entries(methods)) {
  (Tensor.prototype as unknown as Record<string, unknown>)[name] = function (this: Tensor, ...args: unknown[]) {
    return (fn as (...args: unknown[]) => unknown)(this, ...args);
  };
}
