/** The least that a task must move and compute, and what the machine could do that in. */
import { MATRIX, PRODUCTS, SIZES, count } from './numbers.js';
import { attention } from './tasks/attention.js';
import { OPS, elementwise } from './tasks/elementwise.js';
import { matmul } from './tasks/matmul.js';
import { models } from './tasks/models.js';
import { movement } from './tasks/movement.js';
import { networks } from './tasks/networks.js';
import { overhead } from './tasks/overhead.js';
import { recurrent } from './tasks/recurrent.js';
import { reduce } from './tasks/reduce.js';
import { tiny } from './tasks/tiny.js';

/** Every task that is timed, in the table's order. */
export const TASKS: readonly string[] = [
  overhead, tiny, elementwise, reduce, movement, matmul, attention, recurrent, networks, models,
].flatMap(Object.keys); // prettier-ignore

interface Work {
  /** Bytes read and written, with everything fused that can be. */
  bytes?: number;
  flops?: number;
}

const WORK: Record<string, Work> = {
  // x, a, b in, y out; and x, a, b, g in, three gradients out.
  'chain.fwd': { bytes: 16 * 2 ** 20 },
  'chain.fwdbwd': { bytes: 28 * 2 ** 20 },
};
for (const op of Object.keys(OPS)) {
  for (const [size, n] of Object.entries(SIZES)) {
    WORK[`elementwise.${op}.${size}`] = { bytes: (op === 'add' || op === 'mul' ? 12 : 8) * n };
  }
}
const MATRIX_BYTES = 4 * count(MATRIX);
for (const name of ['sum', 'mean-last', 'max-last', 'max-first']) WORK[`reduce.${name}`] = { bytes: MATRIX_BYTES };
for (const name of ['softmax', 'layernorm']) {
  WORK[`reduce.${name}`] = { bytes: 2 * MATRIX_BYTES };
  // x and g in, y and dx out.
  WORK[`reduce.${name}-fwdbwd`] = { bytes: 4 * MATRIX_BYTES };
}
for (const [name, [left, right]] of Object.entries(PRODUCTS)) {
  for (const turned of ['', '-tn', '-nt'])
    WORK[`matmul.${name}${turned}`] = { flops: 2 * left.reduce((a, b) => a * b) * right.at(-1)! };
}
// Forward, gradient of the weights, and of the inputs of all layers but the first.
WORK['mlp-train'] = { flops: 2 * 128 * (2 * 784 * 512 + 3 * 512 * 512 + 3 * 512 * 10) };
for (const n of [1, 64]) WORK[`infer-mlp.b${n}`] = { flops: 2 * n * (784 * 512 + 512 * 512 + 512 * 10) };

/** What the probes gave: bytes a second of a copy of so many bytes, FLOP/s of a product. */
export interface Machine {
  copies: { bytes: number; bytesPerSecond: number }[];
  flopsPerSecond: number;
}

/** Seconds that the machine needs for a task at least, or null where nobody has counted. */
export function limitOf(task: string, machine: Machine): number | null {
  const work = WORK[task];
  if (!work) return null;
  let seconds = 0;
  if (work.bytes !== undefined) {
    const { bytes } = work;
    if (bytes < machine.copies[0]!.bytes / 2) return null; // all overhead
    // A copy of about as many bytes runs in the same level of the memory.
    const near = machine.copies.reduce((a, b) =>
      Math.abs(Math.log(b.bytes / bytes)) < Math.abs(Math.log(a.bytes / bytes)) ? b : a,
    );
    seconds = bytes / near.bytesPerSecond;
  }
  if (work.flops !== undefined) seconds = Math.max(seconds, work.flops / machine.flopsPerSecond);
  return seconds;
}
