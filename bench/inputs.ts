/** The tasks' numbers (bench/numbers.ts) as Tenfold's tensors. */
import { tensor, type Tensor } from 'tenfold';
import { classes, count, floats } from './numbers.js';

/** A float32 tensor of hashed numbers. */
export const fill = (seed: number, shape: readonly number[], scale = 1): Tensor =>
  tensor(floats(seed, count(shape), scale)).reshape([...shape]);

/** An int64 tensor of hashed classes. */
export const labels = (seed: number, count: number, c: number): Tensor => tensor(classes(seed, count, c));

/** Weight [out, in] and bias [out] of a layer, as parameters. */
export function linear(inputs: number, outputs: number, seed: number, scale = 1 / Math.sqrt(inputs)): [Tensor, Tensor] {
  return [fill(seed, [outputs, inputs], scale).requiresGrad_(), fill(seed + 1, [outputs], scale).requiresGrad_()];
}
