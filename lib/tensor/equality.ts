/**
 * What `expect(a).toEqual(b)` means for tensors. Jest and Vitest compare objects property by property, iterables element by
 * element: equal tensors would differ by their addresses, and 0-dim ones can't be iterated. Both keep their testers under
 * one well-known symbol; where that is there, one for tensors is added.
 */
import { sameShape } from './shape.js';
import { Tensor } from './tensor.js';

/** Same shape, dtype and elements, NaN equal to NaN; undefined for what isn't two tensors. */
export function tensorsEqual(a: unknown, b: unknown): boolean | undefined {
  if (!(a instanceof Tensor) || !(b instanceof Tensor)) return undefined;
  if (a.code !== b.code || !sameShape(a.shape, b.shape)) return false;
  const y = b.toTypedArray();
  return a.toTypedArray().every((x: number | bigint, i: number) => x === y[i] || (x !== x && y[i] !== y[i]));
}

interface Matchers {
  customEqualityTesters?: unknown[];
}
const matchers = (globalThis as Record<symbol, Matchers | undefined>)[Symbol.for('$$jest-matchers-object')];
matchers?.customEqualityTesters?.push(tensorsEqual);
