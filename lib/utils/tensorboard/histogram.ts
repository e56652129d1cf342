/** Histograms as TensorBoard's summaries hold them: the right ends of the bins that hold something, and their counts. */
import { TenfoldError, show } from '../../errors.js';
import { double, doubles, inner, type Field } from './events.js';

/** TensorFlow's bins: they grow by a tenth from 10⁻¹² to 10²⁰, on both sides of 0. */
function growingBins(): Float64Array {
  const ends: number[] = [];
  for (let v = 1e-12; v < 1e20; v *= 1.1) ends.push(v);
  return Float64Array.from([...ends.map((v) => -v).reverse(), 0, ...ends]);
}

function limitsOf(bins: unknown, values: Float64Array): Float64Array {
  if (bins === 'tensorflow') return growingBins();
  if (typeof bins === 'number' && Number.isInteger(bins) && bins > 0) {
    let low = Infinity;
    let high = -Infinity;
    for (const v of values) {
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    return Float64Array.from({ length: bins + 1 }, (_, i) => (i === bins ? high : low + (i * (high - low)) / bins));
  }
  if (
    Array.isArray(bins) &&
    bins.length > 1 &&
    bins.every((b, i) => typeof b === 'number' && (i === 0 || b >= (bins[i - 1] as number)))
  )
    return Float64Array.from(bins as number[]);
  throw new TypeError(
    `addHistogram: bins must be 'tensorflow', a number of bins or a rising list of their ends, got ${show(bins)}`,
  );
}

/** The last bin that begins at or before `v`; the last bin has its end too. -1 where it is outside. */
function binOf(limits: Float64Array, v: number): number {
  const last = limits.length - 1;
  if (!(v >= limits[0]! && v <= limits[last]!)) return -1;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (limits[middle]! <= v) low = middle;
    else high = middle;
  }
  return low;
}

/** Summary.Value's field of a histogram. `maxBins`: bins are joined until there are no more. */
export function histogram(values: Float64Array, bins: unknown, maxBins: number | null): Field {
  if (values.length === 0) throw new TenfoldError('value', 'addHistogram: there are no values');
  let limits = limitsOf(bins, values);
  let counts = new Float64Array(limits.length - 1);
  let [min, max, sum, squares] = [Infinity, -Infinity, 0, 0];
  for (const v of values) {
    if (!Number.isFinite(v)) throw new TenfoldError('value', `addHistogram: the values must be finite, got ${v}`);
    min = Math.min(min, v);
    max = Math.max(max, v);
    sum += v;
    squares += v * v;
    const bin = binOf(limits, v);
    if (bin >= 0) counts[bin]!++;
  }
  if (maxBins !== null && counts.length > maxBins) {
    const step = Math.ceil(counts.length / maxBins);
    const joined = new Float64Array(Math.ceil(counts.length / step));
    counts.forEach((n, i) => (joined[Math.floor(i / step)]! += n));
    const ends = Array.from(joined, (_, i) => limits[i * step]!);
    limits = Float64Array.from([...ends, limits.at(-1)!]);
    counts = joined;
  }
  const first = counts.findIndex((n) => n > 0);
  const last = counts.findLastIndex((n) => n > 0);
  if (first < 0) throw new TenfoldError('value', 'addHistogram: no value lies in a bin');
  // An empty bin in front, so that the left end of the first one is told.
  const kept = Float64Array.from([0, ...counts.subarray(first, last + 1)]);
  const ends = limits.slice(first, last + 2);
  return inner(
    5,
    double(1, min),
    double(2, max),
    double(3, values.length),
    double(4, sum),
    double(5, squares),
    doubles(6, ends),
    doubles(7, kept),
  );
}
