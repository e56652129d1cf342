/**
 * Rows at a linear index: the pair of ops, each the other's derivative, that indexing, indexSelect, take and embedding
 * come down to. The index counts through the indexed dims as if they were one; see gatherRows.
 */
import { Code } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { Tensor } from '../tensor/tensor.js';
import type { Shape } from '../tensor/shape.js';
import { d, defineOp, type OpDef } from './define.js';
import { countTrue, gatherRows, scatterRows, scattered } from './indexed.js';

/** input at `rows`, an index that counts through `dims`; see gatherRows. */
export const takeRows = defineOp(
  'takeRows(Tensor input, Tensor rows, int[] dims, int[] size, string call, int label)',
  (): OpDef => ({
    forward: (input: Tensor, rows: Tensor, dims: number[], size: number[], call: string, label: number) =>
      gatherRows(call, input, dims, rows, size, label),
    backward: {
      input: d('rows', (grad, rows, call) => sumRows(grad, rows, call.dims, call.size, call.input.shape, call.call)),
    },
    gradName: 'IndexBackward0',
  }),
);

/** Transpose of takeRows: zeros of `shape` with the rows of `values` added where they came from. */
export const sumRows = defineOp(
  'sumRows(Tensor values, Tensor rows, int[] dims, int[] size, int[] shape, string call)',
  (): OpDef => ({
    forward: (values: Tensor, rows: Tensor, dims: number[], size: number[], shape: number[], call: string) =>
      scattered(Tensor.zeros(shape, values.code), 'add', rows, values, undefined, (out) =>
        scatterRows(call, 'add', out, dims, rows, size, values.to(out.dtype)),
      ),
    backward: {
      values: d('rows', (grad, rows, call) => takeRows(grad, rows, call.dims, call.size, call.call, -1)),
    },
  }),
);

const putRows = defineOp(
  'indexPut[_](Tensor input, Tensor values, Tensor rows, int[] dims, int[] size, bool accumulate, int label)',
  (): OpDef => ({
    forward(
      input: Tensor,
      values: Tensor,
      rows: Tensor,
      dims: number[],
      size: number[],
      accumulate: boolean,
      label: number,
      into?: Tensor,
    ) {
      const how = accumulate ? 'add' : 'set';
      return scattered(input, how, values, rows, into, (out) =>
        scatterRows('indexPut', how, out, dims, rows, size, values, label),
      );
    },
    backward: {
      input: d('rows', (grad, rows, call) =>
        call.accumulate
          ? grad
          : putRows(grad, Tensor.zeros([], grad.code), rows, call.dims, call.size, false, call.label),
      ),
      values: d('rows', (grad, rows, call) => takeRows(grad, rows, call.dims, call.size, 'indexPut', call.label)),
    },
  }),
);

/** Overwrites (or adds to) a tensor at a linear index over `dims`, in place. */
export function putRowsInplace(
  self: Tensor,
  values: Tensor,
  rows: Tensor,
  dims: readonly number[],
  size: Shape,
  accumulate: boolean,
  label: number,
): void {
  (putRows as unknown as { op: { callInplace(args: unknown[]): Tensor } }).op.callInplace([
    self,
    values,
    rows,
    dims,
    size,
    accumulate,
    label,
  ]);
}

const NONZERO = kernel('nonzero')[Code.bool]!;
/** Positions of what is true, in a dense bool tensor seen as `sizes`: int64 [count, dims]. */
export function positions(mask: Tensor, sizes: Shape): Tensor {
  const dense = mask.rawDense();
  const out = Tensor.raw([countTrue(dense), sizes.length], Code.i64);
  if (out.count === 0) return out;
  run(NONZERO, dense, dense.count, sizes.length, sizes, out);
  return out;
}
