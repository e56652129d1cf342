/** Copying and filling of strided memory: the elementwise driver with nothing between load and store. */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES, holds } from '../dtype.js';
import { kernel } from '../native/launch.js';
import { runElementwise, type Operand } from '../launch/elementwise.js';
import type { Tensor } from './tensor.js';

const COPY = kernel('copy')[Code.f32]!;

/** Copies `source`, broadcast and cast, into `out`. No graph, no version. */
export function copyElements(out: Tensor, source: Operand): void {
  if (out.count > 0) runElementwise(COPY, out, [source]);
}

/** Sets every element; refuses a number that the dtype can't hold. */
export function fillElements(out: Tensor, value: number | boolean | bigint, call = 'fill'): void {
  if (!holds(out.code, value)) throw new TenfoldError('value', `${call}: ${value} has no ${DTYPES[out.code]!} value`);
  if (out.count > 0) runElementwise(COPY, out, [value]);
}
