/** Rounding as Python's and PyTorch's `round` do it. */

/** The nearest integer, a half to the even one. */
export function halfToEven(x: number): number {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down % 2 === 0 ? 0 : 1) : Math.round(x);
}
