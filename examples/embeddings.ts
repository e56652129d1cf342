/**
 * Sentence embeddings behind HTTP: MiniLM with its tokenizer, requests batched, and a search by meaning over the lines of this
 * project's documentation.
 *
 *   npm install --no-save @huggingface/tokenizers
 *   npm run example -- embeddings                   a server on port 8000
 *   npm run example -- embeddings "how is memory freed?"    one search, and no server
 *
 *   curl localhost:8000/embed  -d '{"texts": ["a cat", "a kitten"]}'
 *   curl localhost:8000/search -d '{"query": "how is memory freed?", "count": 3}'
 *
 * The same model answers to the Open Inference Protocol under /v2.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, type nn, stack, tensor, type Tensor } from 'tenfold';
import * as tenfold from 'tenfold';
import { Batcher, handler, type Values } from 'tenfold/serve';
import makeBert, { inputs, outputs } from './embeddings/bert.mjs';
import { fetchMiniLM } from './embeddings/fetch.mjs';

/** What is used of @huggingface/tokenizers. */
interface Tokenizer {
  encode(text: string): { ids: number[] };
}
const MAX_TOKENS = 256;

async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const name = '@huggingface/tokenizers';
  try {
    const { Tokenizer } = (await import(name)) as { Tokenizer: new (a: unknown, b: unknown) => Tokenizer };
    return new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
  } catch (cause) {
    throw new Error('the example needs its tokenizer: npm install --no-save @huggingface/tokenizers', { cause });
  }
}

const folder = fetchMiniLM();
const tokenizer = await loadTokenizer(folder);
const model = makeBert(tenfold) as nn.Module;
model.loadStateDict(load(join(folder, 'model.safetensors')), { strict: false });
model.eval();

// Texts of unequal lengths share a batch: ids are padded, and the mask says where.
const batching = { maxBatchSize: 32, padding: { ids: { dim: 1 }, mask: { dim: 1 } } };
const batcher = new Batcher(({ ids, mask }: Values) => model.forward(ids, mask) as Tensor, batching);

async function embed(text: string): Promise<Tensor> {
  const { ids } = tokenizer.encode(text);
  const kept = ids.length > MAX_TOKENS ? [...ids.slice(0, MAX_TOKENS - 1), ids.at(-1)!] : ids;
  const { output } = await batcher.infer({
    ids: tensor([kept], { dtype: 'int64' }),
    mask: tensor([kept.map(() => 1)], { dtype: 'int64' }),
  });
  return (output as Tensor).select(0, 0);
}

/** The documentation's paragraphs, and a matrix of their embeddings. */
async function library(): Promise<{ lines: string[]; matrix: Tensor }> {
  const docs = fileURLToPath(new URL('../docs', import.meta.url));
  const lines = readdirSync(docs)
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => readFileSync(join(docs, file), 'utf8').split('\n\n'))
    .filter((text) => /^[A-Z`*]/.test(text) && text.length > 60)
    .map((text) => text.replaceAll('\n', ' '))
    .slice(0, 300);
  console.error(`reading ${lines.length} paragraphs of the documentation …`);
  // No more at a time than the batcher lets wait.
  const embeddings: Tensor[] = [];
  for (let i = 0; i < lines.length; i += 64) embeddings.push(...(await Promise.all(lines.slice(i, i + 64).map(embed))));
  return { lines, matrix: stack(embeddings) };
}
const { lines, matrix } = await library();

async function search(query: string, count: number): Promise<{ score: number; text: string }[]> {
  const [scores, places] = matrix.matmul(await embed(query)).topk(Math.min(count, lines.length));
  return (places!.tolist() as number[]).map((at, i) => ({
    score: scores!.select(0, i).item(),
    text: lines[at]!,
  }));
}

const answers: Record<string, (body: Record<string, unknown>) => Promise<unknown>> = {
  '/embed': async ({ texts }) => {
    if (!Array.isArray(texts) || texts.length > 256 || !texts.every((t) => typeof t === 'string'))
      throw new TypeError('texts must be a list of up to 256 strings');
    const embeddings = await Promise.all((texts as string[]).map(embed));
    return { embeddings: embeddings.map((t) => t.tolist()) };
  },
  '/search': async ({ query, count = 5 }) => {
    if (typeof query !== 'string' || !Number.isInteger(count)) throw new TypeError('query must be a string');
    return { results: await search(query, count as number) };
  },
};

async function readJson(req: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const piece of req.setEncoding('utf8') as AsyncIterable<string>) {
    text += piece;
    if (text.length > 1 << 20) throw new RangeError('the body is larger than 1 MB');
  }
  return JSON.parse(text) as Record<string, unknown>;
}
async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const send = (status: number, value: unknown): void =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  try {
    send(200, await answers[req.url!]!(await readJson(req)));
  } catch (error) {
    send(400, { error: (error as Error).message });
  }
}

const [query] = process.argv.slice(2);
if (query !== undefined) {
  for (const { score, text } of await search(query, 3)) console.log(`${score.toFixed(3)}  ${text.slice(0, 160)}`);
} else {
  const protocol = handler({ models: { minilm: { model, inputs, outputs, ...batching } } });
  const server = createServer((req, res) => {
    if (req.method === 'POST' && Object.hasOwn(answers, req.url ?? '')) void respond(req, res);
    else protocol(req, res);
  });
  const port = Number(process.env.PORT ?? 8000);
  server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}: /embed, /search, /v2`));
}
