/** Numbers and tuples as Python prints them, for modules that print as PyTorch's do. */

/** A float as Python's repr: 1e-05, 0.1, 1.0. */
export function float(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  if (x === 0) return Object.is(x, -0) ? '-0.0' : '0.0';
  const [mantissa, exponent] = x.toExponential().split('e') as [string, string];
  const e = Number(exponent);
  if (e >= -4 && e < 16) {
    const text = x.toString();
    return text.includes('.') ? text : `${text}.0`;
  }
  return `${mantissa}e${e < 0 ? '-' : '+'}${String(Math.abs(e)).padStart(2, '0')}`;
}

/** A number as it was written: without a point where it has no fraction. */
export const number = (x: number): string => (Number.isInteger(x) ? String(x) : float(x));

/** A list as a tuple: (3,), (3, 5); a number as it is. */
export function tuple(x: number | null | string | readonly (number | null)[]): string {
  if (!Array.isArray(x)) return String(x);
  return x.length === 1 ? `(${x[0]},)` : `(${x.map(String).join(', ')})`;
}
