/** Choosing the next token from a model's scores. */
import { checkOptions, show } from '../../errors.js';

/** How tokens are chosen, and when it ends. */
export interface SamplingOptions {
  /** Tokens at most. 64, as it starts. */
  maxTokens?: number;
  /** 0, as it starts: the best token always. Above: scores are divided by it, and a token is drawn. */
  temperature?: number;
  /** Only so many of the best tokens are drawn from. All, as it starts. */
  topK?: number;
  /** Only the best tokens that together have this probability are drawn from. 1, as it starts. */
  topP?: number;
  /** Scores of tokens that occurred are divided (multiplied, if negative) by it. 1, as it starts. */
  repetitionPenalty?: number;
  /** The same seed gives the same tokens, whoever else is served. */
  seed?: number;
  /** Tokens that end it; they are not given out. */
  stopTokens?: readonly number[];
}
const RANGES = {
  maxTokens: [1, Number.MAX_SAFE_INTEGER, true],
  temperature: [0, 1000, false],
  topK: [0, Number.MAX_SAFE_INTEGER, true],
  topP: [0, 1, false],
  repetitionPenalty: [1e-3, 1e3, false],
  seed: [0, Number.MAX_SAFE_INTEGER, true],
} as const;

export function readSampling(call: string, options: SamplingOptions): Required<SamplingOptions> {
  checkOptions(call, options, [...Object.keys(RANGES), 'stopTokens']);
  for (const [name, [low, high, whole]] of Object.entries(RANGES)) {
    const value = options[name as keyof typeof RANGES];
    if (value === undefined) continue;
    if (typeof value !== 'number') throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
    if (!(value >= low && value <= high) || (whole && !Number.isSafeInteger(value))) {
      const range = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
      throw new RangeError(`${call}: ${name} must be ${whole ? 'an integer ' : ''}${range}, got ${value}`);
    }
  }
  const { stopTokens = [] } = options;
  if (!Array.isArray(stopTokens) || !stopTokens.every((t) => Number.isSafeInteger(t)))
    throw new TypeError(`${call}: stopTokens must be a list of integers, got ${show(stopTokens)}`);
  return {
    maxTokens: options.maxTokens ?? 64,
    temperature: options.temperature ?? 0,
    topK: options.topK ?? 0,
    topP: options.topP ?? 1,
    repetitionPenalty: options.repetitionPenalty ?? 1,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
    stopTokens,
  };
}

/** A sequence's own source of numbers in [0, 1): Mulberry32 (public domain, T. Ettinger). */
export function randomOf(seed: number): () => number {
  let state = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The next token. `scores` are changed. */
export function chooseToken(
  scores: Float32Array,
  seen: ReadonlySet<number>,
  options: Required<SamplingOptions>,
  random: () => number,
): number {
  const { temperature, topK, topP, repetitionPenalty } = options;
  if (repetitionPenalty !== 1) {
    for (const token of seen) {
      const score = scores[token]!;
      scores[token] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
    }
  }
  if (temperature === 0) return scores.reduce((best, score, i) => (score > scores[best]! ? i : best), 0);
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept = topK > 0 ? order.slice(0, topK) : order;
  const most = scores[kept[0]!]!;
  const weights = kept.map((token) => Math.exp((scores[token]! - most) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  // The fewest best ones that reach topP, at least one.
  let end = 0;
  let mass = 0;
  do mass += weights[end++]!;
  while (end < kept.length && mass < topP * total);
  let left = random() * mass;
  for (let i = 0; i < end; i++) if ((left -= weights[i]!) < 0) return kept[i]!;
  return kept[end - 1]!;
}
