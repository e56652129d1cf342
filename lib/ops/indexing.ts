/**
 * Indexing as Python's brackets have it: `x[0, 1:3, None, ..., mask]` is `x.index(0, slice(1, 3), null, '...', mask)`,
 * and `x[i, 1:3] = v` is `x.indexPut_([i, slice(1, 3)], v)`.
 *
 * Integers, slices, null and '...' give views. Index tensors, masks and lists (advanced indices) give copies: they
 * broadcast against each other, and their dims stand where theirs stood if those are neighbours, else in front. As in
 * PyTorch, and unlike NumPy, an integer is applied before the advanced indices and is none of them.
 */
import { TenfoldError, renamed, show } from '../errors.js';
import { Code, isFloatCode } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { broadcastShapes, broadcastStrides, formatShape, numelOf, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { mode } from '../autograd/mode.js';
import { defineOp, type OpDef } from '../op/define.js';
import { countTrue, named } from '../op/indexed.js';
import { positions, putRowsInplace, takeRows } from '../op/rows.js';
import { checkInplace } from '../op/inplace.js';
import type { Scalar } from '../op/schema.js';
import { tensor } from './creation.js';

/** A range of a dim: what Python writes as start:end:step. Made by slice(). */
export class Slice {
  constructor(
    readonly start: number | null,
    readonly end: number | null,
    readonly step: number,
  ) {}
  toString(): string {
    return `slice(${this.start}, ${this.end}, ${this.step})`;
  }
}

/**
 * A range of a dim for `index` and `indexPut_`: indices start … end − 1, every `step`-th. Negative ones count from the end,
 * null leaves an end open, and both are cut to the dim's size. slice() is the whole dim. RangeError for a step below 1.
 *
 *   x.index(slice(1, 3))       // x[1:3]
 *   x.index(slice(null, -1))   // x[:-1]
 *   x.index(slice(0, 9, 2))    // x[0:9:2]
 */
export function slice(start: number | null = null, end: number | null = null, step: number | null = null): Slice {
  for (const [name, value] of [
    ['start', start],
    ['end', end],
    ['step', step],
  ] as const) {
    if (value !== null && !Number.isInteger(value))
      throw new TypeError(`slice: '${name}' must be an integer or null, got ${show(value)}`);
  }
  if (step !== null && step < 1) throw new RangeError(`slice: step must be at least 1, got ${step}`);
  return new Slice(start, end, step ?? 1);
}

/** Nested lists of integers or booleans, which stand for an index tensor. */
export type IndexList = readonly (number | boolean | bigint | IndexList)[];
/** What one dim (or several, for a mask) can be indexed with. */
export type Index = number | bigint | boolean | null | '...' | Slice | Tensor | IndexList;

// ---- from indices to a view and one index ------------------------------------------------------------------------------

/** An index tensor (int64), or a mask, and the first dim that it stands for: of the view, and (in messages) of the tensor. */
interface Advanced {
  dim: number;
  own: number;
  tensor: Tensor;
}
const isMask = (t: Tensor): boolean => t.code === Code.bool || t.code === Code.u8;
const asBool = (t: Tensor): Tensor => (t.code === Code.bool ? t : t.ne(0));

function asIndex(call: string, at: number, x: unknown): Index {
  if (x === undefined) return null;
  if (Array.isArray(x)) return x.length === 0 ? tensor([], { dtype: 'int64' }) : listTensor(call, at, x as IndexList);
  if (x instanceof Tensor) {
    if (isFloatCode(x.code)) throw badIndex(call, at, `a ${x.dtype} tensor`);
    return isMask(x) || x.code === Code.i64 ? x : x.to('int64');
  }
  if (typeof x === 'bigint') return Number(x);
  const fine = x === null || x === '...' || typeof x === 'boolean' || x instanceof Slice || Number.isInteger(x);
  if (!fine) throw badIndex(call, at, show(x));
  return x as Index;
}
function listTensor(call: string, at: number, list: IndexList): Tensor {
  const t = renamed(call, () => tensor(list as number[]));
  if (t.code === Code.bool || t.code === Code.i64) return t;
  const whole = t.to('int64');
  if (isFloatCode(t.code) && countTrue(whole.ne(t)) > 0) throw badIndex(call, at, show(list));
  return whole;
}
const badIndex = (call: string, at: number, what: string): TypeError =>
  new TypeError(
    `${call}: index ${at} must be an integer, slice(), null, '...', a boolean, or a tensor or list of integers or booleans, got ${what}`,
  );

/** Dims of the tensor that an index stands for. */
function dimsOf(index: Index): number {
  if (index instanceof Tensor) return isMask(index) ? index.shape.length : 1;
  return typeof index === 'number' || index instanceof Slice ? 1 : 0;
}

/** Applies what gives views; what is left over are the advanced indices. */
function applyBasic(call: string, self: Tensor, given: readonly unknown[]): { view: Tensor; advanced: Advanced[] } {
  const indices = given.map((x, i) => asIndex(call, i, x));
  const used = indices.reduce<number>((n, x) => n + dimsOf(x), 0);
  const { length } = self.shape;
  if (used > length) {
    throw new RangeError(
      `${call}: too many indices: ${used} for a tensor of ${length} dimension${length === 1 ? '' : 's'}, shape ${formatShape(self.shape)}`,
    );
  }
  const advanced: Advanced[] = [];
  let view = self;
  let dim = 0;
  let own = 0; // dim of self, for messages
  let skipped = false;
  for (const index of indices) {
    if (index === null) view = view.unsqueeze(dim++);
    else if (index === '...') {
      if (!skipped) {
        dim += length - used;
        own += length - used;
      }
      skipped = true;
    } else if (index instanceof Slice) {
      const { start, end, step } = index;
      if (start !== null || end !== null || step !== 1) view = view.slice(dim, start, end, step);
      dim++;
      own++;
    } else if (typeof index === 'number') view = selectIndex(call, view, dim, index, own++);
    else if (typeof index === 'boolean' || (index instanceof Tensor && index.shape.length === 0)) {
      const scalar = index instanceof Tensor ? index.item() : index;
      if (typeof scalar === 'boolean' || isMask(index as Tensor)) {
        view = view.unsqueeze(dim);
        advanced.push({
          dim: dim++,
          own,
          tensor: scalar ? tensor([0], { dtype: 'int64' }) : tensor([], { dtype: 'int64' }),
        });
      } else view = selectIndex(call, view, dim, Number(scalar), own++);
    } else {
      const t = index as Tensor;
      const span = dimsOf(t);
      if (isMask(t)) {
        t.shape.forEach((size, i) => {
          if (size !== view.shape[dim + i]) {
            throw new RangeError(
              `${call}: a mask of shape ${formatShape(t.shape)} doesn't fit dim ${own + i}, whose size is ${view.shape[dim + i]}; the tensor has shape ${formatShape(self.shape)}`,
            );
          }
        });
      }
      advanced.push({ dim, own, tensor: isMask(t) ? asBool(t) : t });
      dim += span;
      own += span;
    }
  }
  return { view, advanced };
}

function selectIndex(call: string, view: Tensor, dim: number, index: number, own: number): Tensor {
  const size = view.shape[dim]!;
  if (index < -size || index >= size)
    throw new RangeError(`${call}: index ${index} is out of range for dim ${own} of size ${size}`);
  return view.select(dim, index);
}

/** All advanced indices as one, which counts through `dims` as if they were one; `size` is its shape. */
interface Rows {
  rows: Tensor;
  dims: number[];
  size: Shape;
  label: number;
}

const LINEAR = kernel('linearIndex')[Code.i64]!;
/** Index tensors and dims of them that one launch has room for (kMaxIndexDims). */
const ROOM = 16;

function joinAdvanced(call: string, view: Tensor, advanced: readonly Advanced[]): Rows {
  const [first] = advanced as [Advanced];
  if (advanced.length === 1 && isMask(first.tensor)) {
    const rows = positions(first.tensor, [first.tensor.count]);
    return { rows, dims: first.tensor.shape.map((_, i) => first.dim + i), size: [rows.count], label: first.own };
  }
  const tensors: Tensor[] = [];
  const dims: number[] = [];
  const labels: number[] = [];
  for (const { dim, own, tensor: t } of advanced) {
    const columns = isMask(t) ? [...columnsOf(positions(t, t.shape))] : [t];
    columns.forEach((column, i) => {
      tensors.push(column);
      dims.push(dim + i);
      labels.push(own + i);
    });
  }
  if (tensors.length === 1) return { rows: tensors[0]!, dims, size: tensors[0]!.shape, label: labels[0]! };
  let size: Shape = tensors[0]!.shape;
  for (const t of tensors) {
    try {
      size = broadcastShapes(call, size, t.shape);
    } catch (cause) {
      const shapes = tensors.map((x) => formatShape(x.shape)).join(', ');
      throw new TenfoldError('shape', `${call}: index tensors of shapes ${shapes} can't broadcast together`, { cause });
    }
  }
  return { rows: linearIndex(call, view.shape, tensors, dims, labels, size), dims, size, label: -1 };
}
function* columnsOf(table: Tensor): Iterable<Tensor> {
  const [n, k] = table.shape as [number, number];
  for (let i = 0; i < k; i++) yield table.stridedView([n], [k], table.offset + i);
}

/** Index tensors of the shape `size`, broadcast, as one that counts through `dims` of `shape`. */
function linearIndex(
  call: string,
  shape: Shape,
  tensors: readonly Tensor[],
  dims: readonly number[],
  labels: readonly number[],
  size: Shape,
): Tensor {
  if (numelOf(size) === 0) return Tensor.raw(size, Code.i64);
  const flat = size.length > ROOM;
  const given = flat ? tensors.map((t) => t.expand(size as number[]).reshape([-1])) : tensors;
  const lines: Line[] = [];
  let factor = numelOf(dims.map((i) => shape[i]!));
  given.forEach((index, k) => {
    const own = shape[dims[k]!]!;
    factor = own === 0 ? 0 : factor / own;
    lines.push({ index, own, factor, label: labels[k]! });
  });
  const walked = flat ? [numelOf(size)] : size;
  let sum = launchLinear(call, lines.slice(0, ROOM), walked);
  for (let k = ROOM; k < lines.length; k += ROOM) sum = sum.add(launchLinear(call, lines.slice(k, k + ROOM), walked));
  return flat ? sum.view(size as number[]) : sum;
}
/** An index tensor, the size of the dim that it indexes, and how far apart in the count that dim's places are. */
interface Line {
  index: Tensor;
  own: number;
  factor: number;
  label: number;
}
function launchLinear(call: string, lines: readonly Line[], size: Shape): Tensor {
  const out = Tensor.raw(size, Code.i64);
  const all = lines.flatMap(({ index, own, factor, label }) => [
    index,
    own,
    factor,
    label,
    broadcastStrides(index.shape, index.strides, size),
  ]);
  named(call, () => run(LINEAR, size.length, size, out, lines.length, ...all));
  return out;
}

// ---- the ops -----------------------------------------------------------------------------------------------------------

function indexWith(call: string, self: Tensor, indices: readonly unknown[]): Tensor {
  const { view, advanced } = applyBasic(call, self, indices);
  if (advanced.length === 0) return view === self ? self.view(self.shape as number[]) : view;
  const [first] = advanced as [Advanced];
  if (advanced.length === 1 && isMask(first.tensor) && first.tensor.shape.length === view.shape.length) {
    return view.maskedSelect(first.tensor);
  }
  const { rows, dims, size, label } = joinAdvanced(call, view, advanced);
  return takeRows(view, rows, dims, size as number[], call, label);
}

// Dims of size 1 in front of a value that has too many: x[0] = value of shape [1, n] is fine in PyTorch.
function withoutLeadingOnes(value: Tensor, dims: number): Tensor {
  let n = 0;
  while (value.shape.length - n > dims && value.shape[n] === 1) n++;
  return n === 0 ? value : value.view(value.shape.slice(n));
}

/**
 * Writes `values` (a number, or a tensor that broadcasts) where index() reads, and returns the tensor; `accumulate` adds
 * instead, duplicates included. Where advanced indices read, values of a float dtype are not cast to integers. RangeError for an index out of range, before anything is written.
 * See torch.Tensor.index_put_ and assignment to x[…].
 */
export const indexPut_ = defineOp(
  'indexPut_(Tensor self, index[] indices, Tensor|Scalar values, bool accumulate=false)',
  (): OpDef => ({
    forward(self: Tensor, indices: Index[], values: Tensor | Scalar, accumulate: boolean) {
      checkInplace('indexPut_', self, mode.grad);
      const { view, advanced } = applyBasic('indexPut_', self, indices);
      if (advanced.length === 0) {
        const value = values instanceof Tensor ? withoutLeadingOnes(values, view.shape.length) : values;
        if (accumulate) view.add_(value);
        else if (value instanceof Tensor) view.copy_(value);
        else view.fill_(value);
        return self;
      }
      checkValue(self, values);
      const [first] = advanced as [Advanced];
      const whole = advanced.length === 1 && isMask(first.tensor) && first.tensor.shape.length === view.shape.length;
      if (whole && !accumulate && (!(values instanceof Tensor) || values.shape.length === 0)) {
        view.maskedFill_(first.tensor, values);
        return self;
      }
      const { rows, dims, size, label } = joinAdvanced('indexPut_', view, advanced);
      const value = values instanceof Tensor ? values : tensor(values, { dtype: self.dtype });
      const room = view.shape.length - dims.length + size.length;
      putRowsInplace(view, withoutLeadingOnes(value, room), rows, dims, size, accumulate, label);
      return self;
    },
    composite: true,
  }),
);
function checkValue(self: Tensor, values: Tensor | Scalar): void {
  if (values instanceof Tensor && isFloatCode(values.code) && !isFloatCode(self.code)) {
    throw new TenfoldError(
      'dtype',
      `indexPut_: ${values.dtype} values don't go into a ${self.dtype} tensor without a cast; use values.to('${self.dtype}')`,
    );
  }
}

/** A copy with `values` where index() reads; see indexPut_. See torch.index_put. */
export const indexPut = defineOp(
  'indexPut(Tensor self, index[] indices, Tensor|Scalar values, bool accumulate=false)',
  (): OpDef => ({
    forward: (self: Tensor, indices: Index[], values: Tensor | Scalar, accumulate: boolean) =>
      self.clone().indexPut_(indices, values, accumulate),
    composite: true,
  }),
);

declare module '../tensor/tensor.js' {
  interface Tensor {
    /**
     * What Python writes as x[…]: integers, slice(), null (a new dim), '...', booleans, masks, and tensors or lists of
     * integers. A view where only the first four are used, else a copy. RangeError for an index out of range.
     *
     *   x.index(0, slice(1, 3), null, '...', mask)   // x[0, 1:3, None, ..., mask]
     */
    index(...indices: Index[]): Tensor;
    /** What Python writes as x[i]. */
    at(index: Index): Tensor;
  }
}
Tensor.prototype.index = function (this: Tensor, ...indices: Index[]): Tensor {
  return indexWith('index', this, indices);
};
Tensor.prototype.at = function (this: Tensor, index: Index): Tensor {
  return indexWith('at', this, [index]);
};
