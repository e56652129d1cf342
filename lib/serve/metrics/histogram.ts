/** Counts of values in ranges, as Prometheus' histograms, with percentiles for the status page. */

/** Upper bounds in seconds: 0.1 ms to 30 s, about three to a decade. */
export const SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;
/** Upper bounds of batch sizes. */
export const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const;

export class Histogram {
  /** One more than bounds: what is beyond the last. */
  readonly counts: number[];
  sum = 0;
  count = 0;
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }
  add(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += value;
    this.count++;
  }
}

/** The last values, for exact percentiles of what happened of late. */
export class Recent {
  private readonly values: Float64Array;
  private count = 0;
  constructor(size = 2048) {
    this.values = new Float64Array(size);
  }
  add(value: number): void {
    this.values[this.count++ % this.values.length] = value;
  }
  /** Values below which these shares lie; NaN where there is none yet. */
  percentiles(shares: readonly number[]): number[] {
    const n = Math.min(this.count, this.values.length);
    const sorted = this.values.slice(0, n).sort();
    return shares.map((share) => (n === 0 ? NaN : sorted[Math.min(n - 1, Math.floor(share * n))]!));
  }
}
