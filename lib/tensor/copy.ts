/** Copying and filling of strided memory: the elementwise driver with nothing between load and store. */
import { Code } from '../dtype.js';
import { kernel } from '../native/launch.js';
import { launchElementwise, type Operand } from '../op/elementwise.js';
import type { Tensor } from './tensor.js';

const COPY = kernel('copy')[Code.f32]!;

/** Copies `source`, broadcast and cast, into `out`. No graph, no version. */
export function copyElements(out: Tensor, source: Operand): void {
  if (out.count > 0) launchElementwise(COPY, out, [source]);
}

/** Sets every element. */
export function fillElements(out: Tensor, value: number | boolean | bigint): void {
  if (out.count > 0) launchElementwise(COPY, out, [value]);
}
