/**
 * Who times what happens (lib/profile): launches, rules of the backward pass, plans. Nobody timing costs a comparison with
 * null, and launches nothing at all.
 */

/** Kinds of what is timed. */
export type TimedKind = 'op' | 'backward' | 'plan' | 'range' | 'kernel';

export interface Timer {
  begin(kind: TimedKind, name: string): void;
  end(): void;
  /** Before and after a launch of the kernel with this id; the operands are what it was passed. */
  launchBegins(): void;
  launchEnds(id: number, operands: readonly unknown[]): void;
  /** A kernel within a plan that took so long, the last of them ending now. Milliseconds. */
  kernels(names: readonly string[], bytes: readonly number[], milliseconds: ArrayLike<number>): void;
  /** A plan that ran beside JavaScript, on a thread of its own. Nanoseconds of the monotonic clock. */
  beside(name: string, begin: number, end: number): void;
}

/** The running timer. */
export let timer: Timer | null = null;
const told: ((timer: Timer | null) => void)[] = [];

/** Begins timing, or ends it with null. */
export function setTimer(next: Timer | null): void {
  timer = next;
  for (const tell of told) tell(next);
}
/** Calls `tell` at each beginning and end of timing. */
export function onTimer(tell: (timer: Timer | null) => void): void {
  told.push(tell);
}

/** Runs `fn` as one thing of the running timer's. */
export function timed<T>(by: Timer, kind: TimedKind, name: string, fn: () => T): T {
  by.begin(kind, name);
  try {
    return fn();
  } finally {
    if (timer === by) by.end(); // it may have ended within
  }
}
