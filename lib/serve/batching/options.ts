/** Options of a batcher, checked. */
import { checkOptions, show } from '../../errors.js';
import type { Padding, Trimming } from './collate.js';

/** How requests become batches. Times in milliseconds. */
export interface BatchingOptions {
  /** Most rows of a batch. 1, as it starts: each request is computed alone, as it came. */
  maxBatchSize?: number;
  /** How long a request may wait for others, where there would be a place to compute it. 0, as it starts: not at all. */
  maxQueueDelay?: number;
  /** Sizes at which a batch needn't wait for more rows; the largest one that can be had is taken. */
  preferredBatchSizes?: readonly number[];
  /** Requests that may wait; one more is refused at once. 256, as it starts. */
  maxQueueSize?: number;
  /** How long a request may wait; then it is refused. Infinity, as it starts. */
  timeout?: number;
  /** Number of priorities; 1 is the highest and goes first. 1, as it starts. */
  priorityLevels?: number;
  /** Priority of requests that say none: the middle one, as it starts. */
  defaultPriority?: number;
  /** Inputs of unequal lengths: which dim (1, …) is padded to the longest of the batch, and with what value (0). */
  padding?: Readonly<Record<string, Padding>>;
  /** Outputs that are cut back to the request's own length, as the input `like` had it along its padded dim. */
  trimming?: Readonly<Record<string, Trimming>>;
}

export const BATCHING_OPTIONS = [
  'maxBatchSize',
  'maxQueueDelay',
  'preferredBatchSizes',
  'maxQueueSize',
  'timeout',
  'priorityLevels',
  'defaultPriority',
  'padding',
  'trimming',
] as const;

function integer(call: string, name: string, value: unknown, low: number, high = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    const range = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
    throw new RangeError(`${call}: ${name} must be an integer ${range}, got ${value}`);
  }
  return value;
}

/** A time in milliseconds that a timer can keep, or Infinity. */
export function duration(call: string, name: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
  if (!(value >= 0) || (value > 2 ** 31 - 1 && value !== Infinity))
    throw new RangeError(`${call}: ${name} must be from 0 to ${2 ** 31 - 1} milliseconds, got ${value}`);
  return value;
}

/** Options with what they start as; TypeError, RangeError for what is none. */
export function readBatching(call: string, options: BatchingOptions): Required<BatchingOptions> {
  checkOptions(call, options, BATCHING_OPTIONS);
  const levels = integer(call, 'priorityLevels', options.priorityLevels ?? 1, 1, 1000);
  const maxBatchSize = integer(call, 'maxBatchSize', options.maxBatchSize ?? 1, 1);
  const sizes = options.preferredBatchSizes ?? [];
  if (!Array.isArray(sizes)) throw new TypeError(`${call}: preferredBatchSizes must be a list, got ${show(sizes)}`);
  for (const size of sizes) integer(call, 'a preferred batch size', size, 1, maxBatchSize);
  const maxQueueDelay = duration(call, 'maxQueueDelay', options.maxQueueDelay ?? 0);
  if (maxQueueDelay === Infinity) throw new RangeError(`${call}: maxQueueDelay must be finite`);
  const padding = entries(call, 'padding', options.padding, ['dim', 'value']);
  const trimming = entries(call, 'trimming', options.trimming, ['dim', 'like']);
  for (const [name, { value }] of Object.entries(padding as Record<string, Padding>)) {
    if (value !== undefined && typeof value !== 'number')
      throw new TypeError(`${call}: padding.${name}.value must be a number, got ${show(value)}`);
  }
  for (const [name, { like }] of Object.entries(trimming as Record<string, Trimming>)) {
    if (!Object.hasOwn(padding, like))
      throw new RangeError(`${call}: trimming.${name}.like must be an input of padding, got ${show(like)}`);
  }
  if (maxBatchSize === 1 && Object.keys(padding).length > 0)
    throw new RangeError(`${call}: padding needs a maxBatchSize above 1`);
  return {
    maxBatchSize,
    maxQueueDelay,
    preferredBatchSizes: sizes as readonly number[],
    maxQueueSize: integer(call, 'maxQueueSize', options.maxQueueSize ?? 256, 1),
    timeout: duration(call, 'timeout', options.timeout ?? Infinity),
    priorityLevels: levels,
    defaultPriority: integer(call, 'defaultPriority', options.defaultPriority ?? Math.ceil(levels / 2), 1, levels),
    padding: padding as Record<string, Padding>,
    trimming: trimming as Record<string, Trimming>,
  };
}

function entries(call: string, what: string, given: unknown, keys: readonly string[]): Record<string, { dim: number }> {
  const object = given ?? {};
  if (typeof object !== 'object' || Array.isArray(object))
    throw new TypeError(`${call}: ${what} must be an object by name, got ${show(object)}`);
  for (const [name, entry] of Object.entries(object as Record<string, unknown>)) {
    checkOptions(`${call}: ${what}.${name}`, entry as object, keys);
    integer(call, `${what}.${name}.dim`, (entry as { dim: unknown }).dim, 1);
  }
  return object as Record<string, { dim: number }>;
}
