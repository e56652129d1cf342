/** The numbers that every peer computes on, from one hash; bench/peers/pytorch.py has the same. */
import { tensor, type Tensor } from 'tenfold';

function hash(i: number, seed: number): number {
  let x = (Math.imul(i, 0x9e3779b1) + Math.imul(seed, 0x85ebca77)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Floats in [-scale, scale), row-major. */
export function floats(seed: number, count: number, scale = 1): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = (hash(i, seed) / 2 ** 31 - 1) * scale;
  return out;
}

/** Classes in [0, classes). */
export function classes(seed: number, count: number, classes: number): BigInt64Array {
  const out = new BigInt64Array(count);
  for (let i = 0; i < count; i++) out[i] = BigInt(Math.floor((hash(i, seed) / 2 ** 32) * classes));
  return out;
}

/** A float32 tensor of hashed numbers. */
export const fill = (seed: number, shape: readonly number[], scale = 1): Tensor =>
  tensor(
    floats(
      seed,
      shape.reduce((n, size) => n * size, 1),
      scale,
    ),
  ).reshape([...shape]);

/** An int64 tensor of hashed classes. */
export const labels = (seed: number, count: number, c: number): Tensor => tensor(classes(seed, count, c));

/** Weight [out, in] and bias [out] of a layer, as parameters. */
export function linear(inputs: number, outputs: number, seed: number, scale = 1 / Math.sqrt(inputs)): [Tensor, Tensor] {
  return [fill(seed, [outputs, inputs], scale).requiresGrad_(), fill(seed + 1, [outputs], scale).requiresGrad_()];
}
