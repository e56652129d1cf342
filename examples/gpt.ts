/**
 * `npm run example gpt`: a small GPT learns to write like this project's documentation, letter by letter, and then writes.
 *
 *   npm run example -- gpt [--steps 2000] [--seed 0] [--tokens 400] [--prompt "## "]
 *   npm run example -- gpt --serve            and answers at /v2/models/gpt/generate_stream, PORT or 8000
 *
 *   curl -N localhost:8000/v2/models/gpt/generate_stream -d '{"text_input": "## Mem", "parameters": {"maxTokens": 200}}'
 *
 * The training step is compiled: recorded once, then replayed without JavaScript. Generating keeps keys and values of what was read.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile, fromTypedArray, getNumThreads, manualSeed, nn, optim, randint, stack, type Tensor } from 'tenfold';
import { TokenGenerator, serve } from 'tenfold/serve';
import { Gpt } from './gpt/model.js';

const { values: given } = parseArgs({
  options: {
    steps: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '0' },
    tokens: { type: 'string', default: '400' },
    prompt: { type: 'string', default: '## ' },
    serve: { type: 'boolean', default: false },
  },
});
const [steps, seed, count] = [given.steps, given.seed, given.tokens].map(Number) as [number, number, number];
if (![steps, seed, count].every((n) => Number.isInteger(n) && n >= 0)) throw new RangeError('--steps, --seed and --tokens are integers'); // prettier-ignore

// ---- the text, as numbers -------------------------------------------------------------------------------------------------

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const text = readdirSync(docs)
  .filter((file) => file.endsWith('.md'))
  .map((file) => readFileSync(docs + file, 'utf8').replaceAll(/[^\n -~]/g, ''))
  .join('\n');
const letters = [...new Set(text)].sort();
const numbers = new Map(letters.map((letter, i) => [letter, i]));
const encode = (words: string): number[] => [...words].flatMap((letter) => numbers.get(letter) ?? []);
const decode = (token: number): string => letters[token]!;

// ---- training ---------------------------------------------------------------------------------------------------------------

const [LENGTH, BATCH] = [96, 16];
manualSeed(seed);
const data = fromTypedArray(BigInt64Array.from(encode(text), BigInt));
const model = new Gpt({ vocabulary: letters.length, length: 256, layers: 3, heads: 4, width: 96 });
const optimizer = new optim.AdamW(model.parameters(), { lr: 3e-3, weightDecay: 0.01 });
const parameters = model.parameters().reduce((sum, p) => sum + p.numel(), 0);
console.log(`${text.length.toLocaleString('en')} letters of documentation, a GPT of ${parameters.toLocaleString('en')} parameters, ${getNumThreads()} threads`); // prettier-ignore

const step = compile((ids: Tensor, next: Tensor): Tensor => {
  optimizer.zeroGrad();
  const scores = model.forward(ids);
  const loss = nn.functional.crossEntropy(scores.reshape(-1, letters.length), next.reshape(-1));
  loss.backward();
  nn.utils.clipGradNorm_(model.parameters(), 1);
  optimizer.step();
  return loss.detach();
});
const begin = performance.now();
for (let i = 0; i < steps; i++) {
  const starts = randint(data.shape[0]! - LENGTH - 1, [BATCH]).tolist() as number[];
  const [ids, next] = [0, 1].map((ahead) => stack(starts.map((at) => data.narrow(0, at + ahead, LENGTH)))) as [
    Tensor,
    Tensor,
  ];
  optimizer.paramGroups[0]!.lr = 3e-3 * Math.min(1, (i + 1) / 20) * (1 - (0.9 * i) / steps);
  const loss = step(ids, next);
  if (i % 100 === 0 || i === steps - 1) console.log(`step ${i}: loss ${loss.item().toFixed(3)}`);
}
const seconds = (performance.now() - begin) / 1000;
console.log(`${((steps * BATCH * LENGTH) / seconds).toFixed(0)} letters a second\n`);

// ---- writing ----------------------------------------------------------------------------------------------------------------

// Sequences grow beyond what training showed at once; positions above LENGTH were never trained, so none goes there.
const generator = new TokenGenerator(model, { maxLength: LENGTH + 1, maxSequences: 16 });
/** Writes on, and where the sequence is full, from its latest half. */
async function* write(prompt: string, most: number, signal?: AbortSignal): AsyncGenerator<string> {
  let context = encode(prompt).slice(-LENGTH / 2);
  if (context.length === 0) context = encode('\n');
  for (let made = 0; made < most;) {
    const options = {
      maxTokens: Math.min(most - made, LENGTH - context.length),
      temperature: 0.7,
      topK: 12,
      seed: seed + made,
    };
    for await (const token of generator.generate(context, options, signal ? { signal } : {})) {
      context.push(token);
      made++;
      yield decode(token);
    }
    context = context.slice(-LENGTH / 2);
  }
}
process.stdout.write(given.prompt);
const start = performance.now();
for await (const letter of write(given.prompt, count)) process.stdout.write(letter);
console.log(`\n\n${(count / ((performance.now() - start) / 1000)).toFixed(0)} letters a second`);

if (given.serve) {
  const server = await serve({
    models: {
      gpt: {
        generate: ({ text, parameters, signal }) => write(text, Number(parameters.maxTokens ?? 200), signal),
      },
    },
    port: Number(process.env.PORT ?? 8000),
  });
  console.log(`${server.url}/v2/models/gpt/generate_stream`);
}
