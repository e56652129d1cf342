/**
 * Reading and writing at an index tensor: indexSelect and its like (whole slices), gather and scatter (one index for each
 * element), take and put (positions of the flattened tensor). Masks are in masking.ts.
 *
 * Duplicates in what is written are taken in the index's order, on any number of threads: the last one wins, sums add up
 * in that order. Every index is checked before anything is written.
 */
import { TenfoldError } from '../errors.js';
import { Code, holds, isFloatCode } from '../dtype.js';
import { broadcastShapes, formatShape, sameShape, wrapDim, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import {
  checkLines,
  countTrue,
  gatherElements,
  gatherRows,
  sameDtype,
  scatterElements,
  scatterRows,
  scattered,
  type Scatter,
} from '../op/indexed.js';
import type { Scalar } from '../op/schema.js';
import { where } from './arithmetic.js';
import { putRowsInplace, sumRows, takeRows } from '../op/rows.js';
import { onesLike, scalarTensor, zerosLike } from './creation.js';
import { cat } from './joining.js';
import { unique } from './searching.js';

const allDims = (x: { shape: Shape }): number[] => x.shape.map((_, i) => i);
const scalarLike = (x: Tensor, value: Scalar): Tensor => scalarTensor(value, { dtype: x.dtype });

// ---- slices: one index for each --------------------------------------------------------------------------------------

/** The index of indexSelect and its like as int64, checked; a 0-dim one counts as one of one element. */
function sliceIndex(call: string, index: Tensor): Tensor {
  if (index.code !== Code.i64 && index.code !== Code.i32) {
    throw new TenfoldError('dtype', `${call}: the index must be int64 or int32, got ${index.dtype}`);
  }
  if (index.shape.length > 1)
    throw new TenfoldError('shape', `${call}: the index must have one dim, got shape ${formatShape(index.shape)}`);
  const flat = index.code === Code.i64 ? index : index.to('int64');
  return flat.shape.length === 1 ? flat : flat.stridedView([1], [1], flat.offset);
}
/** A 0-dim tensor has one slice here: dims that are indexed, and the index's place in the result. */
function sliceDims(call: string, self: Tensor, dim: number, index: Tensor): { dims: number[]; size: number[] } {
  const at = wrapDim(call, dim, self.shape.length);
  if (self.shape.length > 0) return { dims: [at], size: [index.count] };
  if (index.count !== 1)
    throw new TenfoldError('shape', `${call}: a 0-dim tensor takes an index of one element, got ${index.count}`);
  return { dims: [], size: [] };
}
/** Slices of `dim` at an index of one dim (int64 or int32): a copy. RangeError for an index out of range. See torch.index_select. */
export const indexSelect = defineOp('indexSelect(Tensor self, int dim, Tensor index)', (): OpDef => ({
  forward(self: Tensor, dim: number, index: Tensor) {
    const rows = sliceIndex('indexSelect', index);
    const { dims, size } = sliceDims('indexSelect', self, dim, rows);
    return gatherRows('indexSelect', self, dims, rows, size, dims[0] ?? 0, false);
  },
  backward: {
    self: d('index', (grad, index, call) => {
      const rows = sliceIndex('indexSelect', index);
      const { dims, size } = sliceDims('indexSelect', call.self, call.dim, rows);
      return sumRows(grad, rows, dims, size, call.self.shape, 'indexSelect');
    }),
  },
}));

/** self with slices of `source` put into it at an index of `dim`; `keep` is what else is read, `into` what may be written. */
function putSlices(
  call: string,
  how: Scatter,
  self: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  into: Tensor | undefined,
  keep?: Tensor,
): Tensor {
  const rows = sliceIndex(call, index);
  const { dims, size } = sliceDims(call, self, dim, rows);
  if (source.shape.length > 0 || source.count === 0) checkSlices(call, self, dims[0] ?? 0, rows.count, source);
  return scattered(self, how, keep ?? source, index, into, (out) =>
    scatterRows(call, how, out, dims, rows, size, dims.length === 0 ? source.reshape([]) : source, dims[0] ?? 0, false),
  );
}
function checkSlices(call: string, self: Tensor, dim: number, count: number, source: Tensor): void {
  const wanted = self.shape.length === 0 ? [1] : self.shape.map((s, i) => (i === dim ? count : s));
  if (!sameShape(source.shape, wanted)) {
    throw new TenfoldError(
      'shape',
      `${call}: the source must have shape ${formatShape(wanted)}, got ${formatShape(source.shape)}`,
    );
  }
}
// Gradient of a source that indexSelect reads back; a 0-dim source stands for a slice of one.
const sourceGrad = (grad: Tensor, dim: number, index: Tensor, shape: Shape): Tensor =>
  grad.indexSelect(dim, index).reshape([...shape]);

// A factor in the tensor's own dtype: integers cut off its fraction, bool takes all but 0 for 1.
function alphaFor(self: Tensor, alpha: Scalar): Scalar {
  if (isFloatCode(self.code)) return alpha;
  if (self.code === Code.bool) return Boolean(alpha);
  if (!holds(self.code, alpha)) throw new TenfoldError('value', `indexAdd: alpha ${alpha} has no ${self.dtype} value`);
  return typeof alpha === 'bigint' ? alpha : Math.trunc(Number(alpha));
}
/**
 * Adds alpha · source to the slices of `dim` at `index`, duplicates included. An alpha for integers loses its fraction. See
 * torch.index_add.
 */
export const indexAdd = defineOp(
  'indexAdd[_](Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1)',
  (): OpDef => ({
    forward(self: Tensor, dim: number, index: Tensor, source: Tensor, alpha: Scalar, into?: Tensor) {
      sameDtype('indexAdd', self, 'source', source);
      const factor = alphaFor(self, alpha);
      const scaled = factor === 1 ? source : source.mul(factor);
      return putSlices('indexAdd', 'add', self, dim, index, scaled, into, source);
    },
    backward: {
      self: d((grad) => grad),
      source: d('index', (grad, index, call) => {
        const picked = sourceGrad(grad, call.dim, index, call.source.shape);
        return call.alpha === 1 ? picked : picked.mul(call.alpha);
      }),
    },
  }),
);

/** Overwrites the slices of `dim` at `index` with those of `source`. See torch.index_copy. */
export const indexCopy = defineOp('indexCopy[_](Tensor self, int dim, Tensor index, Tensor source)', (): OpDef => ({
  forward(self: Tensor, dim: number, index: Tensor, source: Tensor, into?: Tensor) {
    sameDtype('indexCopy', self, 'source', source);
    return putSlices('indexCopy', 'set', self, dim, index, source, into);
  },
  backward: {
    self: d('index', (grad, index, call) => grad.indexFill(call.dim, index, 0)),
    source: d('index', (grad, index, call) => sourceGrad(grad, call.dim, index, call.source.shape)),
  },
}));

/** An index whose negative entries count from the end of a dim of this shape. */
const fromEnd = (index: Tensor, dim: number, shape: Shape): Tensor => {
  const size = shape.length === 0 ? 1 : shape[wrapDim('indexFill', dim, shape.length)]!;
  return where(index.lt(0), index.add(size), index);
};
/**
 * Sets the slices of `dim` at `index` to a number or a 0-dim tensor. Negative indices count from the end. See
 * torch.index_fill.
 */
export const indexFill = defineOp(
  'indexFill[_](Tensor self, int dim, Tensor index, Tensor|Scalar value)',
  (): OpDef => ({
    forward(self: Tensor, dim: number, index: Tensor, value: Tensor | Scalar, into?: Tensor) {
      if (value instanceof Tensor && value.shape.length > 0) {
        throw new TenfoldError(
          'shape',
          `indexFill: the value must be a number or a 0-dim tensor, got shape ${formatShape(value.shape)}`,
        );
      }
      const whole = self.shape.length === 0 ? self.reshape([1]) : self; // takes an index of any length
      const slices = fromEnd(sliceIndex('indexFill', index), dim, whole.shape);
      const filling = value instanceof Tensor ? value.to(self.dtype) : scalarLike(self, value);
      const out = putSlices('indexFill', 'set', whole, dim, slices, filling, into);
      return whole === self ? out : out.view(self.shape as number[]);
    },
    backward: {
      self: d('index', (grad, index, call) => grad.indexFill(call.dim, index, 0)),
      value: d('index', (grad, index, call) => {
        const whole = grad.reshape(grad.shape.length === 0 ? [1] : grad.shape);
        // A slice that is named twice is set once.
        const rows = unique(fromEnd(index, call.dim, whole.shape));
        return whole.indexSelect(call.dim, rows).sum();
      }),
    },
  }),
);

/**
 * Combines the slices of `source` into those of `dim` at `index` by 'prod', 'mean', 'amax' or 'amin'; without includeSelf
 * what was there doesn't count. See torch.Tensor.index_reduce.
 */
export const indexReduce = defineOp(
  "indexReduce[_](Tensor self, int dim, Tensor index, Tensor source, 'prod'|'mean'|'amax'|'amin' reduce, *, bool includeSelf=true)",
  (): OpDef => ({
    forward(
      self: Tensor,
      dim: number,
      index: Tensor,
      source: Tensor,
      reduce: 'prod' | 'mean' | 'amax' | 'amin',
      includeSelf: boolean,
    ) {
      const rows = sliceIndex('indexReduce', index);
      const at = wrapDim('indexReduce', dim, self.shape.length);
      // A 0-dim source is a slice of one, a 0-dim self has one.
      const slices = source.shape.length === 0 && self.shape.length <= 1 ? source.reshape([1]) : source;
      const whole = self.shape.length === 0 ? self.reshape([1]) : self;
      checkSlices('indexReduce', whole, at, rows.count, slices);
      const shape = slices.shape.map((_, i) => (i === at ? rows.count : 1));
      const places = rows.view(shape).expand(slices.shape as number[]);
      return whole.scatterReduce(at, places, slices, reduce, { includeSelf }).reshape(self.shape as number[]);
    },
    composite: true,
  }),
);

// ---- elements: one index for each ------------------------------------------------------------------------------------

/** Zeros around a gradient up to `shape`, for an argument of which only the corner was read. */
function padCorner(grad: Tensor, shape: Shape): Tensor {
  let out = grad;
  for (let i = 0; i < shape.length; i++) {
    const missing = shape[i]! - out.shape[i]!;
    if (missing > 0)
      out = cat(
        [
          out,
          Tensor.zeros(
            out.shape.map((s, k) => (k === i ? missing : s)),
            out.code,
          ),
        ],
        i,
      );
  }
  return out;
}

/** Gradient of a source of which an index took the corner: an index of nothing may have any number of dims. */
const picked = (grad: Tensor, dim: number, index: Tensor, shape: Shape): Tensor =>
  index.count === 0 ? Tensor.zeros(shape, grad.code) : padCorner(grad.gather(dim, index), shape);

/**
 * Elements of self at `index` (int64 or int32) along `dim`: out[i][j][k] = self[i][index[i][j][k]][k] for dim 1. The result has the
 * index's shape. RangeError for an index out of range. See torch.gather.
 */
export const gather = defineOp('gather(Tensor self, int dim, Tensor index, *, bool sparseGrad=false)', (): OpDef => ({
  forward(self: Tensor, dim: number, index: Tensor, sparseGrad: boolean) {
    if (sparseGrad && self.requiresGrad)
      throw new TenfoldError('value', 'gather: sparse gradients do not exist here; leave sparseGrad out');
    const at = wrapDim('gather', dim, self.shape.length);
    return gatherElements('gather', self, at, checkLines('gather', self, at, index, null));
  },
  backward: { self: d('index', (grad, index, call) => sumElements(grad, call.dim, index, call.self.shape)) },
}));

/** Transpose of gather: zeros of `shape` with the elements added where they came from. */
const sumElements = defineOp('sumElements(Tensor input, int dim, Tensor index, int[] shape)', (): OpDef => ({
  forward: (input: Tensor, dim: number, index: Tensor, shape: number[]) =>
    scattered(Tensor.zeros(shape, input.code), 'add', input, index, undefined, (out) =>
      scatterElements(
        'gather',
        'add',
        out,
        wrapDim('gather', dim, shape.length),
        index.to('int64'),
        input.to(out.dtype),
      ),
    ),
  backward: { input: d('index', (grad, index, call) => grad.gather(call.dim, index)) },
}));

const putElements = (
  call: string,
  how: Scatter,
  self: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  into: Tensor | undefined,
): Tensor => {
  const at = wrapDim(call, dim, self.shape.length);
  const one = src.shape.length === 0 && index.shape.length > 0;
  const places = checkLines(call, self, at, index, one ? null : src);
  return scattered(self, how, src, index, into, (out) => scatterElements(call, how, out, at, places, src));
};

/**
 * Writes elements of src (or one number) into self at `index` (int64) along `dim`: what gather reads. `reduce`: 'add' or
 * 'multiply' instead. RangeError for an index out of range, before anything is written. See torch.scatter.
 */
export const scatter = defineOp(
  "scatter[_](Tensor self, int dim, Tensor index, Tensor|Scalar src, *, 'add'|'multiply'? reduce=null)",
  (): OpDef => ({
    forward(self: Tensor, dim: number, index: Tensor, src: Tensor | Scalar, reduce: string | null, into?: Tensor) {
      if (src instanceof Tensor) sameDtype('scatter', self, 'src', src);
      const how = reduce === null ? 'set' : reduce === 'add' ? 'add' : 'mul';
      const values = src instanceof Tensor ? src : scalarLike(self, src);
      return putElements('scatter', how, self, dim, index, values, into);
    },
    backward: {
      self: d('index', 'src', (grad, index, src, call) => {
        if (call.reduce === 'add') return grad;
        return call.reduce === null
          ? grad.scatter(call.dim, index, 0)
          : grad.scatter(call.dim, index, src, { reduce: 'multiply' });
      }),
      src: d('index', 'self', (grad, index, self, call) => {
        if (index.count === 0) return Tensor.zeros(call.src.shape, grad.code);
        if (call.reduce === 'multiply') {
          const counts = Tensor.zeros(self.shape, Code.i64).scatterAdd(call.dim, index, onesLike(index));
          if (countTrue(counts.gt(1)) > 0) {
            throw new TenfoldError(
              'graph',
              "scatter: reduce: 'multiply' has no gradient for src where an index appears twice; use scatterReduce with 'prod'",
            );
          }
          return padCorner(grad.mul(self).gather(call.dim, index), call.src.shape);
        }
        return picked(grad, call.dim, index, call.src.shape);
      }),
    },
  }),
);

/** Adds elements of src to self at `index` along `dim`, duplicates included. See torch.scatter_add. */
export const scatterAdd = defineOp('scatterAdd[_](Tensor self, int dim, Tensor index, Tensor src)', (): OpDef => ({
  forward(self: Tensor, dim: number, index: Tensor, src: Tensor, into?: Tensor) {
    sameDtype('scatterAdd', self, 'src', src);
    return putElements('scatterAdd', 'add', self, dim, index, src, into);
  },
  backward: {
    self: d((grad) => grad),
    src: d('index', (grad, index, call) => picked(grad, call.dim, index, call.src.shape)),
  },
}));

const REDUCE: Record<string, { how: Scatter; identity: (code: Code) => number | bigint }> = {
  sum: { how: 'add', identity: () => 0 },
  mean: { how: 'add', identity: () => 0 },
  prod: { how: 'mul', identity: () => 1 },
  amax: { how: 'amax', identity: (code) => extreme(code, false) },
  amin: { how: 'amin', identity: (code) => extreme(code, true) },
};
const INTEGER_MAX: Partial<Record<Code, bigint>> = {
  2: 2n ** 63n - 1n,
  3: 2n ** 31n - 1n,
  4: 255n,
  5: 1n,
  6: 127n,
  7: 32767n,
};
function extreme(code: Code, greatest: boolean): number | bigint {
  if (isFloatCode(code)) return greatest ? Infinity : -Infinity;
  const max = INTEGER_MAX[code]!;
  return greatest ? max : code === Code.u8 || code === Code.bool ? 0n : -max - 1n;
}

/**
 * Combines elements of src into self at `index` along `dim` by 'sum', 'prod', 'mean', 'amax' or 'amin'. Without
 * includeSelf, what was there before doesn't count. See torch.scatter_reduce.
 */
export const scatterReduce = defineOp(
  "scatterReduce[_](Tensor self, int dim, Tensor index, Tensor src, 'sum'|'prod'|'mean'|'amax'|'amin' reduce, *, bool includeSelf=true)",
  (): OpDef => ({
    forward(
      self: Tensor,
      dim: number,
      index: Tensor,
      src: Tensor,
      reduce: string,
      includeSelf: boolean,
      into?: Tensor,
    ) {
      const rule = REDUCE[reduce]!;
      sameDtype('scatterReduce', self, 'src', src);
      const at = wrapDim('scatterReduce', dim, self.shape.length);
      const places = checkLines('scatterReduce', self, at, index, src);
      const out = scattered(self, rule.how, src, index, into, (x) => {
        if (!includeSelf)
          scatterElements('scatterReduce', 'set', x, at, places, scalarLike(x, rule.identity(self.code)));
        scatterElements('scatterReduce', rule.how, x, at, places, src.to(x.dtype));
      });
      if (reduce !== 'mean') return out;
      const counts = countsOf(self, dim, index, includeSelf);
      return isFloatCode(self.code) ? out.div_(counts) : out.div_(counts, { roundingMode: 'floor' });
    },
    backward: {
      self: d('self', 'index', 'src', 'result', (grad, self, index, src, result, call) => {
        if (index.count === 0) return grad;
        const { dim, reduce, includeSelf } = call;
        let out = grad;
        if (reduce === 'prod') {
          const masked = self.maskedFill(self.eq(0), 1);
          out = grad.mul(masked.scatterReduce(dim, index, src, 'prod', { includeSelf })).div(masked);
        } else if (reduce === 'mean') out = grad.div(countsOf(grad, dim, index, includeSelf));
        else if (reduce !== 'sum') out = shareOf(grad, self, index, src, result, dim, includeSelf).mul(self.eq(result));
        return includeSelf ? out : out.scatter(dim, index, 0);
      }),
      src: d('self', 'index', 'src', 'result', (grad, self, index, src, result, call) => {
        // Its shape need not fit, as nothing is read at it.
        if (index.count === 0) return Tensor.zeros(call.src.shape, grad.code);
        const { dim, reduce, includeSelf } = call;
        const part = corner(src, index.shape);
        let out: Tensor;
        if (reduce === 'sum') out = grad.gather(dim, index);
        else if (reduce === 'mean') out = grad.div(countsOf(grad, dim, index, includeSelf)).gather(dim, index);
        else if (reduce === 'prod') out = prodGrad(grad, self, index, part, result, dim, includeSelf);
        else
          out = shareOf(grad, self, index, part, result, dim, includeSelf)
            .gather(dim, index)
            .mul(part.eq(result.gather(dim, index)));
        return padCorner(out, call.src.shape);
      }),
    },
  }),
);
const corner = (x: Tensor, shape: Shape): Tensor =>
  shape.reduce<Tensor>((t, size, i) => (t.shape[i] === size ? t : t.narrow(i, 0, size)), x);

/** How many elements each mean is of, at least 1. */
function countsOf(self: Tensor, dim: number, index: Tensor, includeSelf: boolean): Tensor {
  const start = includeSelf ? onesLike(self) : zerosLike(self);
  return start.scatterAdd(dim, index, onesLike(index, { dtype: self.dtype })).clampMin(1);
}
/** Gradient of an extremum, shared among the elements that equal it; what was there before counts where it may. */
function shareOf(
  grad: Tensor,
  self: Tensor,
  index: Tensor,
  src: Tensor,
  result: Tensor,
  dim: number,
  includeSelf: boolean,
): Tensor {
  const ties = corner(src, index.shape).eq(result.gather(dim, index)).to(self.dtype);
  const before = self.eq(result).to(self.dtype);
  return grad.div((includeSelf ? before : before.scatter(dim, index, 0)).scatterAdd(dim, index, ties));
}
// d prod / d src = the product without that element: divided out, except where the element is the only 0.
function prodGrad(
  grad: Tensor,
  self: Tensor,
  index: Tensor,
  src: Tensor,
  result: Tensor,
  dim: number,
  includeSelf: boolean,
): Tensor {
  const zero = src.eq(0);
  const zeros = zerosLike(self).scatterAdd(dim, index, zero.to(self.dtype)).gather(dim, index);
  const single = zero.logicalAnd(zeros.eq(1));
  const without = self.scatterReduce(dim, index, src.maskedFill(single, 1), 'prod', { includeSelf });
  const plain = grad.mul(result).gather(dim, index).div(src.maskedFill(zero, 1));
  return where(single, grad.mul(without).gather(dim, index), plain);
}

/**
 * Elements of self at `indices` (int64) along `dim`, where both broadcast outside of dim; without a dim, of the flattened
 * tensor. Along a dim indices are taken modulo its size, as in PyTorch. See torch.take_along_dim.
 */
export const takeAlongDim = defineOp('takeAlongDim(Tensor self, Tensor indices, int? dim=null)', (): OpDef => ({
  forward(self: Tensor, indices: Tensor, dim: number | null) {
    if (dim === null) return self.reshape(-1).gather(0, indices.reshape(-1));
    const at = wrapDim('takeAlongDim', dim, self.shape.length);
    if (indices.code !== Code.i64)
      throw new TenfoldError('dtype', `takeAlongDim: the indices must be int64, got ${indices.dtype}`);
    if (indices.shape.length !== self.shape.length) {
      throw new TenfoldError(
        'shape',
        `takeAlongDim: self and indices must have as many dims, got ${formatShape(self.shape)} and ${formatShape(indices.shape)}`,
      );
    }
    const others = (t: Tensor): number[] => t.shape.map((s, i) => (i === at ? 1 : s));
    const shape = [...broadcastShapes('takeAlongDim', others(self), others(indices))];
    const sized = (t: Tensor): Tensor => t.expand(shape.map((s, i) => (i === at ? t.shape[at]! : s)));
    const size = self.shape[at]!;
    return sized(self).gather(at, sized(size === 0 ? indices : indices.remainder(size)));
  },
  composite: true,
}));

// ---- positions of the flattened tensor -------------------------------------------------------------------------------

function flatIndex(call: string, self: Tensor, index: Tensor): void {
  if (index.code !== Code.i64) throw new TenfoldError('dtype', `${call}: the index must be int64, got ${index.dtype}`);
  if (self.count === 0 && index.count > 0) throw new RangeError(`${call}: an empty tensor has no elements to take`);
}

/** Elements at positions (int64) of the flattened tensor; the result has the index's shape. Negative ones count from the end. See torch.take. */
export const take = defineOp('take(Tensor self, Tensor index)', (): OpDef => ({
  forward(self: Tensor, index: Tensor) {
    flatIndex('take', self, index);
    return takeRows(self, index, allDims(self), index.shape as number[], 'take', -1);
  },
  composite: true,
}));

/** Writes source's elements at positions of the flattened tensor, in place; `accumulate` adds. See torch.Tensor.put_. */
export const put_ = defineOp('put_(Tensor self, Tensor index, Tensor source, bool accumulate=false)', (): OpDef => ({
  forward(self: Tensor, index: Tensor, source: Tensor, accumulate: boolean) {
    flatIndex('put_', self, index);
    sameDtype('put_', self, 'source', source);
    if (source.count !== index.count) {
      throw new TenfoldError('shape', `put_: ${source.count} elements for an index of ${index.count}`);
    }
    putRowsInplace(self, source.reshape([...index.shape]), index, allDims(self), index.shape, accumulate, -1);
    return self;
  },
  composite: true,
}));
/** A copy with source's elements at positions of the flattened tensor. See torch.put. */
export const put = defineOp('put(Tensor self, Tensor index, Tensor source, bool accumulate=false)', (): OpDef => ({
  forward: (self: Tensor, index: Tensor, source: Tensor, accumulate: boolean) =>
    self.clone().put_(index, source, accumulate),
  composite: true,
}));
