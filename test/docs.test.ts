/** The examples of the documentation, run: a `ts` block must print what the next `text` block says, if one follows it. */
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'node:util';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as tenfold from '../lib/index.js';
import * as serving from '../lib/serve/index.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs')).flatMap((f) => (f.endsWith('.md') ? [`docs/${f}`] : [])),
];

interface Example {
  line: number;
  code: string;
  output: string | null;
}

/** The `ts` blocks that stand on their own: those that import the package. Others are fragments. */
function examples(page: string): Example[] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap((block, i) => {
    if (block[1] !== 'ts' || !block[2]!.includes("from 'tenfold'")) return [];
    const next = blocks[i + 1];
    const output = next?.[1] === 'text' ? next[2]!.trimEnd() : null;
    return [{ line: text.slice(0, block.index).split('\n').length, code: block[2]!, output }];
  });
}

async function run(code: string): Promise<string> {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(code, { compilerOptions });
  const printed: string[] = [];
  const console = { log: (...args: unknown[]) => printed.push(format(...args)) };
  const nodes = createRequire(import.meta.url);
  const own: Record<string, unknown> = { tenfold, 'tenfold/serve': serving };
  const require = (name: string): unknown => own[name] ?? nodes(name);
  const body = new Function('require', 'exports', 'console', `return (async () => {${outputText}\n})()`);
  await (body as (...args: unknown[]) => Promise<void>)(require, {}, console);
  return printed.join('\n');
}

describe.each(pages)('%s', (page) => {
  const found = examples(page);
  it.each(found.map((e) => [e.line, e] as const))('line %i', async (_, { code, output }) => {
    const printed = await run(code);
    if (output !== null) expect(printed).toBe(output);
  });
  it.skipIf(found.length > 0)('has no example', () => undefined);
});

it('README.md and docs/getting-started.md have examples', () => {
  for (const page of ['README.md', 'docs/getting-started.md']) expect(examples(page).length, page).toBeGreaterThan(0);
});
