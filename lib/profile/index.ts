/**
 * profile: where a program's time goes, by op, by kernel, by thread. Namespace of torch.profiler.
 *
 * It sees calls of ops (those that a composite makes, too), rules of the backward pass, replays of compiled functions with
 * each of their launches, kernels, and what the pool's threads and asynchronous calls do meanwhile.
 */
import { writeFileSync } from 'node:fs';
import { show } from '../errors.js';
import { timed, timer } from '../native/timer.js';
import { Recorder, type ProfileEvent } from './recorder.js';
import { readTable, rowsOf, sorted, tableOf, type ProfileRow, type TableOptions } from './table.js';

export type { ProfileEvent, ProfileRow, TableOptions };

/** What a profile found. */
export class Profile<T = unknown> {
  constructor(
    /** What the function returned. */
    readonly result: T,
    /** Everything that happened, by its start. */
    readonly events: readonly ProfileEvent[],
    /** Milliseconds that the function took. */
    readonly duration: number,
  ) {}

  /** One row for each name, sorted. See torch.profiler.profile.key_averages. */
  keyAverages(options: TableOptions = {}): ProfileRow[] {
    const { group, sortBy, rowLimit } = readTable('keyAverages', options);
    return sorted(rowsOf(this.events, this.duration, group), sortBy).slice(0, rowLimit);
  }
  /** The rows as a table. */
  table(options: TableOptions = {}): string {
    const { group, sortBy, rowLimit } = readTable('table', options);
    return tableOf(sorted(rowsOf(this.events, this.duration, group), sortBy), this.duration, rowLimit);
  }
  toString(): string {
    return this.table();
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.table();
  }

  /** Events as Chrome's tracing format has them. */
  toChromeTrace(): { traceEvents: object[]; displayTimeUnit: 'ms' } {
    const pid = process.pid;
    // Threads are told by numbers from 0 on: JavaScript's, the pool's, then those of asynchronous calls.
    const pool = Math.max(0, ...this.events.map((e) => e.thread));
    const tidOf = (thread: number): number => (thread < 0 ? pool - thread : thread);
    const nameOf = (thread: number): string =>
      thread === 0 ? 'JavaScript' : thread < 0 ? `asynchronous calls ${-thread}` : `pool ${thread}`;
    const threads = [...new Set([0, ...this.events.map((e) => e.thread)])].map((thread) => ({
      name: 'thread_name',
      ph: 'M',
      pid,
      tid: tidOf(thread),
      args: { name: nameOf(thread) },
    }));
    const events = this.events.map(({ name, kind, start, duration, thread, bytes }) => ({
      name,
      cat: kind,
      ph: 'X',
      ts: start * 1000,
      dur: duration * 1000,
      pid,
      tid: tidOf(thread),
      ...(bytes > 0 && { args: { bytes } }),
    }));
    return { traceEvents: [...threads, ...events], displayTimeUnit: 'ms' };
  }
  /** Writes a file for chrome://tracing or ui.perfetto.dev. See torch.profiler.profile.export_chrome_trace. */
  exportChromeTrace(file: string | URL): void {
    if (typeof file !== 'string' && !(file instanceof URL))
      throw new TypeError(`exportChromeTrace: expected a path, got ${show(file)}`);
    writeFileSync(file, JSON.stringify(this.toChromeTrace()));
  }
}

/**
 * Runs a function and notes what takes how long; of an async function a promise. What it throws is thrown, and nothing is
 * noted then. Profiles can't be nested; timing an op costs about a microsecond, so look at shares rather than at sums.
 *
 * ```ts
 * const found = profile(() => model.forward(x).sum().backward());
 * console.log(found.table({ sortBy: 'self', rowLimit: 10 }));
 * found.exportChromeTrace('trace.json');
 * ```
 *
 * @throws TypeError for what is no function, TenfoldError 'state' while another profile runs.
 */
export function profile<T>(fn: () => Promise<T>): Promise<Profile<T>>;
export function profile<T>(fn: () => T): Profile<T>;
export function profile<T>(fn: () => T | Promise<T>): Profile<T> | Promise<Profile<T>> {
  if (typeof fn !== 'function') throw new TypeError(`profile: expected a function, got ${show(fn)}`);
  const recorder = new Recorder();
  const found = (result: T): Profile<T> => {
    const duration = recorder.finish();
    return new Profile(result, recorder.events, duration);
  };
  let result: T | Promise<T>;
  try {
    result = fn();
  } catch (error) {
    recorder.finish();
    throw error;
  }
  if (!(result instanceof Promise)) return found(result);
  return result.then(found, (error: unknown) => {
    recorder.finish();
    throw error;
  });
}

/** Runs `fn` as a range of this name in the profile that is running, if one is. See torch.profiler.record_function. */
export function recordFunction<T>(name: string, fn: () => T): T {
  if (typeof name !== 'string') throw new TypeError(`recordFunction: name must be a string, got ${show(name)}`);
  if (typeof fn !== 'function') throw new TypeError(`recordFunction: expected a function, got ${show(fn)}`);
  return timer === null ? fn() : timed(timer, 'range', name, fn);
}
