/** Checks and sizes that convolutions, poolings and unfold share: lists of one number for each spatial dim. */
import { TenfoldError, show } from '../../errors.js';
import { formatShape, numelOf, type Shape } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';

/** A number, or a list of them, for each of `n` spatial dims; each at least `least`. */
export function perDim(
  call: string,
  name: string,
  value: number | readonly number[],
  n: number,
  least: number,
): number[] {
  const list = typeof value === 'number' ? [value] : value;
  if (list.length !== 1 && list.length !== n) {
    throw new TenfoldError('shape', `${call}: '${name}' must be a number or a list of ${n}, got ${show(list)}`);
  }
  for (const x of list) {
    if (x < least) throw new RangeError(`${call}: '${name}' must be at least ${least}, got ${show(value)}`);
  }
  return list.length === n ? [...list] : new Array<number>(n).fill(list[0]!);
}

/** Elements of a padded image, one channel of it, that kernels may be asked to lay out. */
const MAX_MARGIN = 2 ** 31;
/** Refuses padded sizes that no memory holds, before kernels take them. */
export function checkMargin(call: string, padded: readonly number[]): void {
  if (!(numelOf(padded) <= MAX_MARGIN)) {
    throw new TenfoldError(
      'memory',
      `${call}: out of memory: with its padding the input would be ${formatSizes(padded)}, of at most ${MAX_MARGIN} elements`,
    );
  }
}

/** Whether there is a batch dim in front of [channels, ...spatial]; refuses other numbers of dims. */
export function isBatched(call: string, input: Tensor, n: number): boolean {
  const dims = input.shape.length;
  if (dims !== n + 1 && dims !== n + 2) {
    const spatial = ['length', 'height, width', 'depth, height, width'][n - 1]!;
    throw new TenfoldError(
      'shape',
      `${call}: expected [batch, channels, ${spatial}] or [channels, ${spatial}], got ${dims} dims: ${formatShape(input.shape)}`,
    );
  }
  return dims === n + 2;
}

/** The last `n` sizes. */
export const spatial = (shape: Shape, n: number): number[] => shape.slice(shape.length - n);

/** Three numbers as kernels take them, with what a missing leading dim has. */
export const three = (list: readonly number[], missing: number): number[] => [
  ...new Array<number>(3 - list.length).fill(missing),
  ...list,
];

/** Shapes as messages show spatial sizes: 3 x 3. */
export const formatSizes = (list: readonly number[]): string => list.join(' x ');
