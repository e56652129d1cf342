/**
 * TokenGenerator: tokens one after the other from an autoregressive model, for many at once. Sequences come and go between
 * two steps (continuous batching): a step computes one token for each that is under way, whatever their lengths.
 */
import { setImmediate } from 'node:timers/promises';
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { Module } from '../../nn/module.js';
import { fromTypedArray } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { ServeError, badRequest, overloaded } from '../errors.js';
import { withoutRecording } from '../models/recording.js';
import { KeyValueCache } from './cache.js';
import { chooseToken, randomOf, readSampling, type SamplingOptions } from './sampling.js';

/**
 * A model that reads tokens, [rows, tokens] int64, and gives scores of the next one, [rows, tokens, vocabulary]. Its attention
 * layers hand keys and values to `cache.extend(layer, k, v)` and attend with `cache.mask`; positions are `cache.positions`.
 */
export interface LanguageModel {
  forward(tokens: Tensor, cache: KeyValueCache): Tensor;
}

export interface TokenGeneratorOptions {
  /** Longest sequence, prompt and answer together. */
  maxLength: number;
  /** Sequences at the same time. 8, as it starts. */
  maxSequences?: number;
  /** Sequences that may wait; one more is refused. 64, as it starts. */
  maxQueueSize?: number;
}

/** A sequence under way. */
interface Sequence {
  readonly prompt: readonly number[];
  readonly options: Required<SamplingOptions>;
  readonly signal: AbortSignal | undefined;
  readonly random: () => number;
  readonly seen: Set<number>;
  /** Tokens that were chosen and not yet taken. */
  readonly ready: number[];
  last: number;
  made: number;
  ended: boolean;
  error: unknown;
  wake: () => void;
}

/** Options come from clients: what is wrong with them is theirs. */
function sampling(options: SamplingOptions): Required<SamplingOptions> {
  try {
    return readSampling('generate', options);
  } catch (error) {
    throw new ServeError(400, (error as Error).message, { cause: error });
  }
}

/**
 * Generates tokens with a key/value cache.
 *
 * ```ts
 * const generator = new TokenGenerator(gpt, { maxLength: 256 });
 * for await (const token of generator.generate(prompt, { temperature: 0.8, topK: 20, seed: 1 })) …
 * ```
 */
export class TokenGenerator {
  private readonly cache: KeyValueCache;
  private readonly maxQueueSize: number;
  private readonly waiting: Sequence[] = [];
  /** Those under way, in the order of their rows. */
  private readonly active: Sequence[] = [];
  private running = false;
  private closed = false;

  constructor(
    private readonly model: LanguageModel,
    options: TokenGeneratorOptions,
  ) {
    checkOptions('TokenGenerator', options, ['maxLength', 'maxSequences', 'maxQueueSize']);
    if (typeof (model as Partial<LanguageModel> | null)?.forward !== 'function')
      throw new TypeError(`TokenGenerator: the model needs a forward(tokens, cache), got ${show(model)}`);
    if (model instanceof Module) model.eval();
    this.cache = new KeyValueCache(options.maxSequences ?? 8, options.maxLength);
    this.maxQueueSize = options.maxQueueSize ?? 64;
  }

  /**
   * The tokens that follow a prompt, as they are chosen. Ends with a stop token, at `maxTokens`, or when the sequence is as long as
   * it may be. A ServeError 400 for a prompt that is none, 503 where too many wait.
   */
  async *generate(
    prompt: readonly number[],
    options: SamplingOptions = {},
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<number, void, undefined> {
    const sequence = this.enter(prompt, sampling(options), signal);
    try {
      for (;;) {
        if (sequence.ready.length > 0) yield sequence.ready.shift()!;
        else if (sequence.ended) break;
        else await new Promise<void>((resolve) => (sequence.wake = resolve));
      }
      if (sequence.error !== null) throw sequence.error;
    } finally {
      sequence.ended = true; // also where nobody wants the rest
    }
  }

  private enter(
    prompt: readonly number[],
    options: Required<SamplingOptions>,
    signal: AbortSignal | undefined,
  ): Sequence {
    const { maxLength } = this.cache;
    if (!Array.isArray(prompt) || prompt.length === 0 || !prompt.every((t) => Number.isSafeInteger(t) && t >= 0))
      throw badRequest(`a prompt must be a list of tokens, at least one; got ${show(prompt)}`);
    if (prompt.length >= maxLength)
      throw badRequest(`a prompt of ${prompt.length} tokens leaves no room: a sequence may have ${maxLength}`);
    if (this.closed) throw overloaded('the generator ends', 1);
    if (this.waiting.length >= this.maxQueueSize)
      throw overloaded(`the queue is full: ${this.maxQueueSize} sequences wait`, 1);
    signal?.throwIfAborted();
    const sequence: Sequence = {
      prompt,
      options,
      signal,
      random: randomOf(options.seed),
      seen: new Set(prompt),
      ready: [],
      last: -1,
      made: 0,
      ended: false,
      error: null,
      wake() {},
    };
    this.waiting.push(sequence);
    if (!this.running) void this.run();
    return sequence;
  }

  private async run(): Promise<void> {
    this.running = true;
    await setImmediate();
    while (this.waiting.length > 0 || this.active.length > 0) {
      this.leave();
      while (this.waiting.length > 0 && this.active.length < this.cache.sequences) this.admit(this.waiting.shift()!);
      this.leave();
      if (this.active.length > 0) this.step();
      // Others have their turn, and take their tokens.
      await setImmediate();
    }
    this.running = false;
  }

  /** Takes out those that have ended, or whose reader has gone. */
  private leave(): void {
    for (let row = this.active.length - 1; row >= 0; row--) {
      const sequence = this.active[row]!;
      if (sequence.signal?.aborted && !sequence.ended) this.end(sequence, sequence.signal.reason);
      if (!sequence.ended) continue;
      const used = this.active.length;
      this.cache.release(row, used);
      this.active[row] = this.active[used - 1]!;
      this.active.pop();
    }
  }
  private end(sequence: Sequence, error: unknown): void {
    sequence.ended = true;
    sequence.error = error;
    sequence.wake();
  }

  /** Reads a new sequence's prompt, which gives its first token. */
  private admit(sequence: Sequence): void {
    if (sequence.signal?.aborted) return this.end(sequence, sequence.signal.reason);
    if (sequence.ended) return;
    const row = this.active.push(sequence) - 1;
    try {
      const scores = this.compute(row, [sequence.prompt]);
      this.take(sequence, scores[0]!);
    } catch (error) {
      this.end(sequence, error);
    }
  }
  private step(): void {
    try {
      const scores = this.compute(
        0,
        this.active.map(({ last }) => [last]),
      );
      this.active.forEach((sequence, row) => this.take(sequence, scores[row]!));
    } catch (error) {
      for (const sequence of this.active) this.end(sequence, error);
    }
  }

  /** Scores of the token that follows each of these lists, which are of one length and belong to rows from `from` on. */
  private compute(from: number, tokens: readonly (readonly number[])[]): Float32Array[] {
    const [rows, count] = [tokens.length, tokens[0]!.length];
    return withoutRecording(() => {
      this.cache.begin(from, rows, count);
      const ids = fromTypedArray(BigInt64Array.from(tokens.flat(), BigInt), [rows, count]);
      const out = this.model.forward(ids, this.cache);
      if (out.shape.length !== 3 || out.shape[0] !== rows || out.shape[1] !== count) {
        throw new TenfoldError(
          'shape',
          `TokenGenerator: scores must be [${rows}, ${count}, vocabulary], the model gave [${out.shape.join(', ')}]`,
        );
      }
      this.cache.end();
      const last = out
        .narrow(1, count - 1, 1)
        .to('float32')
        .toTypedArray() as Float32Array;
      const vocabulary = out.shape[2]!;
      return tokens.map((_, row) => last.slice(row * vocabulary, (row + 1) * vocabulary));
    });
  }

  private take(sequence: Sequence, scores: Float32Array): void {
    const { options, seen, random, prompt } = sequence;
    const token = chooseToken(scores, seen, options, random);
    if (options.stopTokens.includes(token)) return this.end(sequence, null);
    seen.add(token);
    sequence.last = token;
    sequence.ready.push(token);
    sequence.made++;
    // The last token that fits needs no place in the cache: nothing follows it.
    if (sequence.made >= options.maxTokens || prompt.length + sequence.made >= this.cache.maxLength)
      this.end(sequence, null);
    else sequence.wake();
  }

  /** Takes no more; what is under way is ended with an error. */
  close(): void {
    this.closed = true;
    for (const sequence of [...this.waiting, ...this.active])
      if (!sequence.ended) this.end(sequence, new ServeError(503, 'the generator ends'));
  }
}
