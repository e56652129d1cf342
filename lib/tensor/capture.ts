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
  /** What has no launch and is to happen in each replay too, at this place. */
  effect(run: () => void): void;
  /** This call isn't like the following ones (state is made that will be there next time): record the next one. */
  unsettled(): void;
  /** What `call` does can't be replayed. Throws. */
  refuse(call: string, why: string): never;
}

/** The running recording. */
export let capture: Capture | null = null;

/** Begins a recording, or ends it with null; returns the one before. */
export function setCapture(next: Capture | null): Capture | null {
  const before = capture;
  capture = next;
  return before;
}
