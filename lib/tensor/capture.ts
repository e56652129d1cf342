/**
 * What a recording (lib/compile) hears of besides the launches themselves (lib/launch/watch.ts): memory that is made, values
 * that JavaScript looks at, gradients that come and go, numbers that are to be read anew by every replay. Nobody recording
 * costs a comparison with null.
 */
import type { Storage } from './storage.js';
import type { Tensor } from './tensor.js';

/** What happens to a leaf's gradient: it is forgotten, added to (or set where there is none), or read. */
export type GradientEvent = 'drop' | 'add' | 'read';

export interface Capture {
  made(storage: Storage): void;
  /** JavaScript is about to look at the values of a storage, or to write them. */
  touches(storage: Storage): void;
  /** Before the event. */
  gradient(leaf: Tensor, event: GradientEvent): void;
  /** The engine has run. */
  backward(): void;
  /** Whether a module trains is asked for. */
  mode(module: object, training: boolean): void;
  /** `write` puts the numbers of the next launch that may change from replay to replay into its frame. */
  live(write: (frame: Float64Array) => void): void;
  /** Runs what has no launch, now and at this place of each replay. Nothing in it is recorded. */
  effect(run: () => void): void;
  /** The error that the next launch ends with where a value is not as it must be. */
  refusal(refusal: (value: number, at: number) => Error): void;
  /** This call isn't like the following ones (state is made that will be there next time): record the next one. */
  unsettled(): void;
  /** What `call` does can't be replayed. Throws. */
  refuse(call: string, why: string): never;
}

/** The running recording. */
export let capture: Capture | null = null;

/** Does what JavaScript alone does, such as setting a learning rate; in a recording it is done by each replay too. */
export function replayed(act: () => void): void {
  if (capture === null) act();
  else capture.effect(act);
}

/** Begins a recording, or ends it with null; returns the one before. */
export function setCapture(next: Capture | null): Capture | null {
  const before = capture;
  capture = next;
  return before;
}
