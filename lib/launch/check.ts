/**
 * Checks of values. A kernel looks, and says which element isn't as it must be; the sentence is the caller's. Nothing is read
 * back into JavaScript, so what checks can be compiled: a replay looks again, and ends with the same sentence.
 */
import { Code } from '../dtype.js';
import { kernel } from '../native/launch.js';
import { capture } from '../tensor/capture.js';
import { Tensor } from '../tensor/tensor.js';
import { run } from './run.js';

/** The error for an element with this value, at this place among the elements in their order. */
export type Refusal = (value: number, at: number) => Error;

/** What passes besides the interval. */
export interface Passing {
  /** One more value. */
  except?: number;
  /** Whether NaN is refused. */
  finite?: boolean;
}

const INTERVAL = kernel('checkInterval');

/**
 * Refuses a tensor with an element outside [low, high], both included. NaN passes,
 * unless `finite`.
 */
export function checkInterval(x: Tensor, low: number, high: number, refusal: Refusal, passing: Passing = {}): void {
  const { except = NaN, finite = false } = passing;
  if (x.count === 0) return;
  const dense = INTERVAL[x.code]! < 0 ? widened(x) : x.rawDense();
  if (capture !== null) capture.refusal(refusal);
  try {
    run(INTERVAL[dense.code]!, x.count, dense, low, high, except, finite);
  } catch (error) {
    throw refused(error, refusal);
  }
}
/** Refuses integers of which one isn't 0. */
export const checkZero = (x: Tensor, refusal: Refusal): void => checkInterval(x, 0, 0, refusal);

/** A kernel's error as the sentence that belongs to it. */
export function refused(error: unknown, refusal: Refusal): unknown {
  const { code, message } = error as { code?: string; message: string };
  if (code !== 'check') return error;
  const [at, value] = message.replace('inf', 'Infinity').split(' ').map(Number) as [number, number];
  return refusal(value, at);
}

/** A copy in a dtype that every value of a half, an int8, an int16 or a bool has a place in. */
function widened(x: Tensor): Tensor {
  const wide = Tensor.raw(x.shape, Code.f32);
  wide.rawCopy(x);
  return wide;
}
