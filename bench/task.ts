/**
 * What a benchmark task is on the JavaScript side, and how it is timed. A new task: an entry in one of bench/tasks/, the
 * same entry in bench/peers/pytorch*.py and tfjs.ts, and, where it has them, its bytes or FLOPs in bench/limits.ts.
 */
import { performance } from 'node:perf_hooks';

/** A task that is set up: checked once, then run over and over. */
export interface Subject {
  /**
   * Values that peers must agree on, by name; run before anything is timed. Training tasks take their first five steps
   * here.
   */
  check(): Record<string, number> | Promise<Record<string, number>>;
  /** One iteration. */
  step(): unknown;
  /** Whether one iteration is to run without recording gradients. */
  forwardOnly?: boolean;
}

/** Tasks by name; set-up is not timed. */
export type Tasks = Record<string, () => Subject | Promise<Subject>>;

/** Runs a loop of iterations; a peer wraps it in its own "no gradients". */
export type Loop = (count: number) => void | Promise<void>;

const SAMPLE_SECONDS = 0.005;
const WARM_UP_SECONDS = 0.25;

/** Samples of a loop, in seconds per iteration: on the clock, and of processors, all threads together. */
export interface Samples {
  times: number[];
  busy: number[];
}

const processorSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Takes them. */
export class Sampler {
  private perSample = 0;
  constructor(private readonly loop: Loop) {}

  /** Runs until the code is compiled and the caches are warm, and finds how many iterations make a sample. */
  private async warmUp(): Promise<void> {
    let count = 1;
    let elapsed = 0;
    const begin = performance.now();
    do {
      const start = performance.now();
      await this.loop(count);
      elapsed = (performance.now() - start) / 1e3;
      if (elapsed < SAMPLE_SECONDS / 2) count *= 2;
    } while ((performance.now() - begin) / 1e3 < WARM_UP_SECONDS);
    this.perSample = Math.max(1, Math.round((SAMPLE_SECONDS / elapsed) * count));
  }

  async sample(seconds: number): Promise<Samples> {
    if (this.perSample === 0) await this.warmUp();
    const times: number[] = [];
    const busy: number[] = [];
    const end = performance.now() + seconds * 1e3;
    do {
      const start = performance.now();
      const processor = processorSeconds();
      await this.loop(this.perSample);
      times.push((performance.now() - start) / 1e3 / this.perSample);
      busy.push((processorSeconds() - processor) / this.perSample);
    } while (performance.now() < end || times.length < 3);
    return { times, busy };
  }
}

/** Mean of |y|, in double. */
export function meanAbs(y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += Math.abs(y[i]!);
  return sum / y.length;
}
