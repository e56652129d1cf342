/**
 * The numbers and sizes that every peer computes on, from one hash; bench/peers/pytorch.py has the same. Nothing here
 * loads Tenfold: the processes of other libraries go without it.
 */

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

/** How many numbers a shape holds. */
export const count = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** Numbers of the elementwise tasks. */
export const SIZES: Record<string, number> = { '1e3': 1000, '64k': 65_536, '1m': 1 << 20, '16m': 1 << 24 };

/** Shape of the reductions' input. */
export const MATRIX: readonly number[] = [4096, 1024];

/** Shapes of the two factors of the products. */
export const PRODUCTS: Record<string, [number[], number[]]> = {
  ...Object.fromEntries([64, 256, 512, 1024, 2048].map((n) => [`${n}`, [[n, n], [n, n]]])), // prettier-ignore
  'bmm-32x128x64x128': [[32, 128, 64], [32, 64, 128]], // prettier-ignore
  '128x784x512': [[128, 784], [784, 512]], // prettier-ignore
  '128x384x384': [[128, 384], [384, 384]], // prettier-ignore
  '128x384x1536': [[128, 384], [384, 1536]], // prettier-ignore
  '1024x384x1536': [[1024, 384], [384, 1536]], // prettier-ignore
};

/** Those that are measured with a transposed factor, too: what a layer's gradients are. */
export const TURNED: readonly string[] = ['128x784x512', '128x384x384', '128x384x1536', '1024x384x1536'];

/** Shapes of query, key and value ([n, heads, length, features]) of the attention tasks, and what is masked. */
export const ATTENTION: Record<string, [shape: number[], kind: 'plain' | 'causal' | 'mask']> = {
  '4x6x256x64-causal': [[4, 6, 256, 64], 'causal'],
  '1x1x1024x64': [[1, 1, 1024, 64], 'plain'],
  '1x4x64x32-mask': [[1, 4, 64, 32], 'mask'],
  '2x8x1024x64-causal': [[2, 8, 1024, 64], 'causal'],
  '2x8x1024x64': [[2, 8, 1024, 64], 'plain'],
};
