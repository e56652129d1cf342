/** Switches of recording: noGrad, enableGrad, inferenceMode, detectAnomaly. */

import { isPromise, show } from '../errors.js';

/** Whether ops record a graph. Read it through the module (`mode.grad`), so that it is always the current value. */
export const mode = {
  grad: true,
  inference: false,
  anomaly: false,
  /** Whether a checkpoint runs its function for the second time: what the first run has changed stays as it is. */
  again: false,
};

type Mode = Exclude<keyof typeof mode, 'again'>;
/** Who switches it, for messages. */
const SWITCH = { grad: 'noGrad', inference: 'inferenceMode', anomaly: 'detectAnomaly' };

/** What recording is switched to: inside inferenceMode it stays off. */
const recording = (value: boolean): boolean => value && !mode.inference;

function withMode<T>(name: Mode, value: boolean, fn: () => T, call = SWITCH[name]): T {
  if (typeof fn !== 'function') throw new TypeError(`${call}: expected a function, got ${show(fn)}`);
  const before = mode[name];
  mode[name] = name === 'grad' ? recording(value) : value;
  let result: T;
  try {
    result = fn();
  } catch (error) {
    mode[name] = before;
    throw error;
  }
  mode[name] = before;
  return checkEnded(call, fn, result);
}

/** What `fn` returned in a scope. Refuses a function that goes on later, when the scope has ended. */
export function checkEnded<T>(call: string, fn: unknown, result: T): T {
  if (isPromise(result)) {
    // The mode of an async function would leak into whatever runs between its awaits.
    result.catch(() => {});
    throw new TypeError(`${call}: the function is async; await outside and put the synchronous part inside`);
  }
  if (isGenerator(result) && typeof fn === 'function' && isGenerator(fn.prototype)) {
    throw new TypeError(`${call}: the function is a generator, whose body would run later; put ${call} inside it`);
  }
  return result;
}

const isGenerator = (x: unknown): boolean =>
  typeof x === 'object' &&
  x !== null &&
  Symbol.toStringTag in x &&
  /^(Async)?Generator$/.test(String(x[Symbol.toStringTag]));

/** A block's switch of recording, to be held with `using` until the block's end. */
class GradScope implements Disposable {
  private before = mode.grad;
  constructor(value: boolean) {
    mode.grad = recording(value);
    open.push(this);
  }
  [Symbol.dispose](): void {
    const at = open.indexOf(this);
    if (at < 0) return;
    open.splice(at, 1);
    // Two tasks with an await in their blocks end out of order: the scope that began next hands on what was before.
    const next = open[at];
    if (next === undefined) mode.grad = this.before;
    else next.before = this.before;
  }
}
/** Those that have not ended, outermost first. */
const open: GradScope[] = [];

/** What a function may give that a mode holds for: no promise, whose work would go on without the mode. */
export type Synchronous<T> = T extends PromiseLike<unknown> ? 'an async function runs on after the mode has ended' : T;

/**
 * Runs `fn` without recording a graph, as `with torch.no_grad()`. Without a function it returns a scope for `using`:
 * `using _ = noGrad();`. The mode is the thread's, not a task's: no `await` may stand between its beginning and its end, and
 * an async function or a generator is refused. See torch.no_grad.
 */
export function noGrad(): Disposable;
export function noGrad<T>(fn: () => Synchronous<T>): T;
export function noGrad<T>(fn?: () => unknown): T | Disposable {
  return fn !== undefined ? withMode('grad', false, fn as () => T) : new GradScope(false);
}

/** Runs `fn` with recording on, also inside noGrad, as `with torch.enable_grad()`. */
export function enableGrad(): Disposable;
export function enableGrad<T>(fn: () => Synchronous<T>): T;
export function enableGrad<T>(fn?: () => unknown): T | Disposable {
  return fn !== undefined ? withMode('grad', true, fn as () => T, 'enableGrad') : new GradScope(true);
}

/** enableGrad for the library's own generic functions, which can't know that T is no promise. */
export const recordingOn = <T>(fn: () => T): T => withMode('grad', true, fn, 'enableGrad');

/** Whether ops record a graph now. */
export const isGradEnabled = (): boolean => mode.grad;

/**
 * Switches recording on or off until it is called again, or for a block with `using`. TypeError for anything but a boolean.
 * See torch.set_grad_enabled.
 */
export function setGradEnabled(enabled: boolean): Disposable {
  if (typeof enabled !== 'boolean') throw new TypeError(`setGradEnabled: expected a boolean, got ${show(enabled)}`);
  const before = mode.grad;
  mode.grad = recording(enabled);
  return { [Symbol.dispose]: () => void (mode.grad = before) };
}

/**
 * Runs `fn` without recording, which enableGrad inside doesn't switch on, as torch.inference_mode; for serving. What is made
 * inside are tensors like others, which may take part in a graph later: there is nothing to be saved by forbidding it.
 */
export function inferenceMode<T>(fn: () => T): T {
  return withMode('inference', true, () => withMode('grad', false, fn));
}

/** Whether inferenceMode is on. */
export const isInferenceModeEnabled = (): boolean => mode.inference;

/**
 * Runs `fn` with checks: a backward that makes a NaN throws, with the op's name and the stack of its forward. Slow.
 */
export function detectAnomaly<T>(fn: () => T): T {
  return withMode('anomaly', true, fn);
}
