/**
 * Python's spelling of numbers, so that these notebooks print, digit for digit, what their originals print. A tensor needs
 * no such help: it prints as PyTorch's does.
 */

/** What `print(x)` writes for a float: `6.0`, `2.514570951461792e-07`, `inf`. */
export function repr(x: number): string {
  if (Number.isNaN(x)) return 'nan';
  if (!Number.isFinite(x)) return x < 0 ? '-inf' : 'inf';
  const [digits, exponent] = x.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  // JavaScript goes over to the exponent below 1e-6 and from 1e21 on, Python below 1e-4 and from 1e16 on.
  if (x !== 0 && (power < -4 || power >= 16)) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** What `'%f' % x` writes: six decimals, and every digit of a large number. */
export function fixed(x: number): string {
  if (!Number.isFinite(x)) return repr(x);
  // From 1e21 on toFixed gives up; there is no fraction there, so an integer says it all.
  return Math.abs(x) < 1e21 ? x.toFixed(6) : `${BigInt(x)}.000000`;
}
