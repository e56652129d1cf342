/** Generating: the key/value cache against computing all anew, sampling, sequences that come and go, events over HTTP. */
import { describe, expect, it } from 'vitest';
import { arange, manualSeed, nn, tensor, tensor as make, type Tensor } from '../../lib/index.js';
import { chooseToken, randomOf, readSampling, type SamplingOptions } from '../../lib/serve/generation/sampling.js';
import { type KeyValueCache, TokenGenerator, type LanguageModel } from '../../lib/serve/index.js';
import { ask, start } from './client.js';

const { functional: F } = nn;
const VOCABULARY = 19;
const WIDTH = 8;

class Block extends nn.Module {
  readonly qkv = new nn.Linear(WIDTH, 3 * WIDTH);
  readonly out = new nn.Linear(WIDTH, WIDTH);
  /** With a cache: only the new tokens. Without: all of them, causally. */
  override forward(x: Tensor, layer: number, cache: KeyValueCache | null): Tensor {
    const [rows, count] = x.shape as [number, number];
    const heads = this.qkv.forward(x).reshape(rows, count, 3, 2, WIDTH / 2).permute(2, 0, 3, 1, 4); // prettier-ignore
    const [q, k, v] = [heads.select(0, 0), heads.select(0, 1), heads.select(0, 2)];
    let mixed: Tensor;
    if (cache === null) mixed = F.scaledDotProductAttention(q, k, v, { isCausal: true });
    else {
      const [keys, values] = cache.extend(layer, k, v);
      mixed = F.scaledDotProductAttention(q, keys, values, { attnMask: cache.mask });
    }
    return x.add(this.out.forward(mixed.transpose(1, 2).reshape(rows, count, WIDTH)));
  }
}
class Gpt extends nn.Module {
  readonly tokens = new nn.Embedding(VOCABULARY, WIDTH);
  readonly places = new nn.Embedding(32, WIDTH);
  readonly blocks = new nn.ModuleList([new Block(), new Block()]);
  readonly head = new nn.Linear(WIDTH, VOCABULARY);
  /** Rows of each step. */
  readonly steps: (readonly number[])[] = [];
  override forward(ids: Tensor, cache: KeyValueCache | null = null): Tensor {
    this.steps.push(ids.shape);
    const positions = cache === null ? arange(ids.shape[1]!) : cache.positions;
    let x = this.tokens.forward(ids).add(this.places.forward(positions));
    [...this.blocks].forEach((block, layer) => (x = (block as Block).forward(x, layer, cache)));
    return this.head.forward(x).mul(4);
  }
}
function gpt(): Gpt {
  manualSeed(3);
  return new Gpt().eval();
}

/** The same without a cache: everything is computed anew for each token. */
function slowly(model: Gpt, prompt: readonly number[], options: SamplingOptions): number[] {
  const all = readSampling('test', options);
  const random = randomOf(all.seed);
  const tokens = [...prompt];
  while (tokens.length < prompt.length + all.maxTokens) {
    const scores = model.forward(tensor([tokens], { dtype: 'int64' })).select(1, -1);
    const token = chooseToken(scores.toTypedArray() as Float32Array, new Set(tokens), all, random);
    if (all.stopTokens.includes(token)) break;
    tokens.push(token);
  }
  return tokens.slice(prompt.length);
}
async function collect<T>(pieces: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

describe('TokenGenerator', () => {
  const ASKED: [number[], SamplingOptions][] = [
    [[1, 2, 3], { maxTokens: 10 }],
    [[4], { maxTokens: 12, temperature: 1, seed: 7 }],
    [[5, 6, 7, 8, 9, 10], { maxTokens: 3, temperature: 0.7, topK: 5, seed: 1 }],
    [[11, 12], { maxTokens: 9, temperature: 1.5, topP: 0.8, seed: 2 }],
    [[1, 1, 1, 1], { maxTokens: 8, repetitionPenalty: 1.8 }],
    [[3, 2, 1], { maxTokens: 10, temperature: 2, seed: 5, stopTokens: [0, 1, 2, 3, 4, 5] }],
  ];
  it('gives what computing all anew gives, alone and together', async () => {
    const model = gpt();
    const wanted = ASKED.map(([prompt, options]) => slowly(model, prompt, options));
    expect(new Set(wanted.map(String)).size).toBe(ASKED.length);
    for (const maxSequences of [1, 2, 8]) {
      const generator = new TokenGenerator(model, { maxLength: 32, maxSequences });
      const got = await Promise.all(ASKED.map(([prompt, options]) => collect(generator.generate(prompt, options))));
      expect(got).toEqual(wanted);
    }
  });
  it('computes those under way in one step, and new ones join', async () => {
    const model = gpt();
    const generator = new TokenGenerator(model, { maxLength: 32, maxSequences: 3 });
    model.steps.length = 0;
    const first = generator.generate([1, 2], { maxTokens: 6 });
    await first.next();
    await first.next();
    const later = collect(generator.generate([3, 4, 5], { maxTokens: 3 }));
    await Promise.all([later, collect(first)]);
    expect(model.steps).toContainEqual([1, 2]);
    expect(model.steps).toContainEqual([1, 3]);
    expect(model.steps).toContainEqual([2, 1]);
  });
  it('ends with the room, with its reader, and when it is closed', async () => {
    const model = gpt();
    const generator = new TokenGenerator(model, { maxLength: 8, maxSequences: 1, maxQueueSize: 1 });
    expect(await collect(generator.generate([1, 2, 3], { maxTokens: 100 }))).toHaveLength(5);
    const leaving = generator.generate([1], { maxTokens: 7 });
    await leaving.next();
    await leaving.return();
    const controller = new AbortController();
    const aborted = generator.generate([1], { maxTokens: 7 }, { signal: controller.signal });
    await aborted.next();
    controller.abort(new Error('gone'));
    await expect(collect(aborted)).rejects.toThrow('gone');
    expect(await collect(generator.generate([1], { maxTokens: 2 }))).toHaveLength(2);
    const last = collect(generator.generate([1], { maxTokens: 7 }));
    generator.close();
    await expect(last).rejects.toThrow('the generator ends');
    await expect(collect(generator.generate([1]))).rejects.toThrow('the generator ends');
  });
  it('a failure ends those of its step, and no later ones', async () => {
    let broken = true;
    const model: LanguageModel = {
      forward(ids, cache) {
        if (broken) throw new RangeError('no');
        return gpt().forward(ids, cache);
      },
    };
    const generator = new TokenGenerator(model, { maxLength: 8 });
    await expect(collect(generator.generate([1]))).rejects.toThrow('no');
    broken = false;
    expect(await collect(generator.generate([1], { maxTokens: 2 }))).toHaveLength(2);
  });
  it.each([
    [[], {}, 'a prompt must be a list of tokens, at least one; got []'],
    [[1.5], {}, 'a prompt must be a list of tokens, at least one; got [1.5]'],
    [[1, 2, 3, 4], {}, 'a prompt of 4 tokens leaves no room: a sequence may have 4'],
    [[1], { topK: -1 }, 'generate: topK must be an integer from 0, got -1'],
    [[1], { topP: 1.1 }, 'generate: topP must be from 0 to 1, got 1.1'],
    [[1], { temprature: 1 }, "generate: unknown option 'temprature', did you mean 'temperature'?"],
    [[1], { stopTokens: 3 }, 'generate: stopTokens must be a list of integers, got 3'],
  ])('refuses %o %o', async (prompt, options, message) => {
    const generator = new TokenGenerator(gpt(), { maxLength: 4 });
    const error = await collect(generator.generate(prompt, options as SamplingOptions)).catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 400, message });
  });
  it('refuses what is no model, and scores that are none', async () => {
    expect(() => new TokenGenerator({} as never, { maxLength: 4 })).toThrow('the model needs a forward(tokens, cache)');
    expect(() => new TokenGenerator(gpt(), { maxLength: 0 })).toThrow('maxLength must be an integer from 1, got 0');
    const generator = new TokenGenerator({ forward: () => make([1]) }, { maxLength: 4 });
    await expect(collect(generator.generate([1]))).rejects.toThrow(
      'scores must be [1, 1, vocabulary], the model gave [1]',
    );
  });
});

describe('chooseToken', () => {
  const scores = (): Float32Array => Float32Array.of(0, 3, 2, 1);
  const shares = (options: SamplingOptions): number[] => {
    const all = readSampling('test', options);
    const random = randomOf(1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) counts[chooseToken(scores(), new Set(), all, random)]! += 1 / 20_000;
    return counts;
  };
  it('draws by the scores', () => {
    const total = 1 + Math.exp(3) + Math.exp(2) + Math.exp(1);
    shares({ temperature: 1 }).forEach((share, i) => expect(share).toBeCloseTo(Math.exp(scores()[i]!) / total, 1.7));
    expect(shares({ temperature: 1, topK: 2 }).map((s) => s > 0)).toEqual([false, true, true, false]);
    expect(shares({ temperature: 1, topP: 0.6 })).toEqual([0, expect.closeTo(1, 6), 0, 0]);
    expect(shares({ temperature: 1, topP: 0 })[1]).toBeCloseTo(1, 6);
  });
  it('likes less what occurred', () => {
    const all = readSampling('test', { repetitionPenalty: 2 });
    expect(chooseToken(scores(), new Set([1]), all, Math.random)).toBe(2);
    expect(chooseToken(Float32Array.of(-1, -1.5), new Set([0]), all, Math.random)).toBe(1);
  });
});

describe('over HTTP', () => {
  const models = {
    words: {
      generate: async function* ({
        text,
        parameters,
      }: {
        text: string;
        parameters: Readonly<Record<string, unknown>>;
      }) {
        if (text === '') throw new RangeError('nothing');
        for (const word of text.split(' ')) {
          await Promise.resolve();
          if (word === 'fail') throw new Error('in the middle');
          yield word.repeat(Number(parameters.times ?? 1));
        }
      },
    },
  };
  it('whole, as events, and by infer', async () => {
    const server = await start({ models });
    const body = { text_input: 'a b c', parameters: { times: 2 } };
    expect((await ask(server, '/v2/models/words/generate', { body })).json).toEqual({
      model_name: 'words',
      model_version: '1',
      text_output: 'aabbcc',
    });
    const streamed = await ask(server, '/v2/models/words/generate_stream', { body: { text_input: 'a b', times: 2 } });
    expect(streamed.headers['content-type']).toBe('text/event-stream');
    const events = streamed.body.toString().split('\n\n').filter((e) => e !== ''); // prettier-ignore
    expect(events.map((e) => (JSON.parse(e.slice('data: '.length)) as { text_output: string }).text_output)).toEqual(['aa', 'bb']); // prettier-ignore
    const inputs = [{ name: 'text_input', datatype: 'BYTES', shape: [1], data: ['a b'] }];
    const inferred = await ask(server, '/v2/models/words/infer', { body: { inputs } });
    expect(inferred.json.outputs[0].data).toEqual(['ab']);
    const stats = (await ask(server, '/v2/models/words/stats')).json.model_stats[0].inference_stats;
    expect(stats.success.count).toBe(3);
  });
  it('what fails: before the first piece with a status, after it as an event', async () => {
    const server = await start({ models: { ...models, plain: { model: () => ({}), inputs: [{ name: 'x', dtype: 'float32', shape: [1] }] } } }); // prettier-ignore
    const of = async (model: string, body: object): Promise<unknown> => {
      const { status, body: bytes } = await ask(server, `/v2/models/${model}/generate_stream`, { body });
      return [status, bytes.toString()];
    };
    expect(await of('words', { text_input: '' })).toEqual([500, '{"error":"the model failed: nothing"}']);
    expect(await of('words', { text_input: 3 })).toEqual([400, '{"error":"text_input must be a string, got 3"}']);
    expect(await of('plain', { text_input: 'x' })).toEqual([400, `{"error":"model 'plain' doesn't generate; ask it by infer"}`]); // prettier-ignore
    expect(await of('words', { text_input: 'a fail' })).toEqual([
      200,
      'data: {"model_name":"words","model_version":"1","text_output":"a"}\n\ndata: {"error":"the model failed: in the middle"}\n\n',
    ]);
  });
  it('ends with the client', async () => {
    let ended = false;
    const endless = async function* ({ signal }: { signal: AbortSignal }): AsyncGenerator<string> {
      try {
        while (!signal.aborted) {
          yield 'x';
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      } finally {
        ended = true;
      }
    };
    const server = await start({ models: { m: { generate: endless } } });
    const controller = new AbortController();
    const body = JSON.stringify({ text_input: '' });
    const response = await fetch(`${server.url}/v2/models/m/generate_stream`, {
      method: 'POST',
      body,
      signal: controller.signal,
    });
    await response.body!.getReader().read();
    controller.abort();
    while (!ended) await new Promise((resolve) => setTimeout(resolve, 2));
  });
});
