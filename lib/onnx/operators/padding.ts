/** Padding of any dims, in all of ONNX's modes. */
import { TenfoldError } from '../../errors.js';
import { Code } from '../../dtype.js';
import * as F from '../../nn/functional/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Integers } from '../integers.js';

/** x with `before` and `after` more elements along each of `dims`; negative counts cut. */
export function padded(
  x: Tensor,
  dims: readonly number[],
  before: readonly number[],
  after: readonly number[],
  mode: string,
  value: number,
): Tensor {
  if (mode !== 'constant') return dims.reduce((y, dim, i) => copied(y, dim, before[i]!, after[i]!, mode), x);
  const amounts = new Array<number>(2 * x.ndim).fill(0);
  dims.forEach((dim, i) => {
    amounts[2 * (x.ndim - 1 - dim)] = before[i]!;
    amounts[2 * (x.ndim - 1 - dim) + 1] = after[i]!;
  });
  if (amounts.every((n) => n === 0)) return x;
  if (x.code === Code.bool) return F.pad(x.to('uint8'), amounts, 'constant', value).to('bool');
  return F.pad(x, amounts, 'constant', value);
}

/** Elements copied from elsewhere along a dim: mirrored, repeated from the edge, or taken round. */
function copied(x: Tensor, dim: number, before: number, after: number, mode: string): Tensor {
  if (before === 0 && after === 0) return x;
  const all = x.shape[dim]!;
  const cut = x.narrow(dim, Math.max(0, -before), Math.max(0, all - Math.max(0, -before) - Math.max(0, -after)));
  const n = cut.shape[dim]!;
  const [low, high] = [Math.max(0, before), Math.max(0, after)];
  if (low === 0 && high === 0) return cut;
  if (n === 0) throw new TenfoldError('shape', `Pad: mode '${mode}' of an empty dim`);
  const source = (i: number): number => {
    if (mode === 'edge') return Math.min(Math.max(i, 0), n - 1);
    if (mode === 'wrap') return ((i % n) + n) % n;
    if (mode !== 'reflect') throw new TenfoldError('value', `Pad: unknown mode '${mode}'`);
    const period = Math.max(1, 2 * (n - 1));
    const at = ((i % period) + period) % period;
    return at < n ? at : period - at;
  };
  const index = Array.from({ length: low + n + high }, (_, i) => source(i - low));
  return cut.indexSelect(dim, new Integers(index).tensor);
}
