/**
 * Serving, measured: MiniLM behind servers of several kinds, the load from a process of its own on loopback. Rounds are interleaved,
 * figures are medians of the rounds.
 *
 *   npm run bench:serving -- [--kinds "tenfold,onnxruntime"] [--clients 64] [--seconds 5] [--rounds 3]
 *
 * onnxruntime-node is measured where it is found (npm install --no-save --ignore-scripts onnxruntime-node), PyTorch where
 * TENFOLD_PYTHON, or python3, has torch, uvicorn and safetensors.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getNumThreads } from 'tenfold';
import { fetchMiniLM } from '../../examples/embeddings/fetch.mjs';
import { load as loadPackage } from '../peers/packages.js';
import { KINDS, type Kind, type Measured } from './kinds.js';

const { values } = parseArgs({
  options: {
    kinds: { type: 'string', default: Object.keys(KINDS).join(',') },
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
  },
});
const kinds = values.kinds.split(',').map((kind) => kind.trim());
const unknown = kinds.find((kind) => !Object.hasOwn(KINDS, kind));
if (unknown !== undefined) throw new RangeError(`--kinds: no '${unknown}' among ${Object.keys(KINDS).join(', ')}`);
const [clients, seconds, rounds] = [values.clients, values.seconds, values.rounds].map(Number) as [number, number, number]; // prettier-ignore
if (![clients, rounds].every((n) => Number.isInteger(n) && n > 0) || !(seconds > 0 && seconds <= 60) || clients > 256)
  throw new RangeError('--clients: 1 to 256; --seconds: up to 60; --rounds: from 1');

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const flags = [...process.execArgv, '--import', 'tsx'];
const python = process.env.TENFOLD_PYTHON ?? 'python3';

/** Why a kind can't be measured here; null where it can. */
function missing(kind: Kind): string | null {
  if (kind === 'pytorch') {
    const asked = spawnSync(python, ['-c', 'import torch, uvicorn, safetensors']);
    return asked.status === 0 ? null : `${python} has no torch, uvicorn and safetensors`;
  }
  if (!kind.startsWith('onnxruntime')) return null;
  try {
    loadPackage('onnxruntime-node');
    return null;
  } catch {
    return 'onnxruntime-node is not installed';
  }
}
function start(kind: Kind): ChildProcess {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const threads = kind === 'tenfold workers' ? 1 : getNumThreads();
  if (kind === 'pytorch')
    return spawn(python, [here('server.py'), fetchMiniLM(), String(threads)], { stdio: [...stdio] });
  const env = { ...process.env, TENFOLD_NUM_THREADS: String(threads) };
  return spawn(process.execPath, [...flags, here('server.ts'), kind], { stdio: [...stdio], env });
}
async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error(`${child.spawnargs.slice(-1)[0]} ended without a word`);
}
interface Round extends Measured {
  delay: number;
  rss: number;
}
async function measure(kind: Kind): Promise<Round> {
  const server = start(kind);
  try {
    const url = await firstLine(server);
    const load = spawn(process.execPath, [...flags, here('load.ts'), url, String(clients), String(seconds)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const found = JSON.parse(await firstLine(load)) as Measured;
    const about = (await (await fetch(`${url}/delay`)).json()) as { p99?: number; rss?: number };
    return { ...found, delay: about.p99 ?? NaN, rss: about.rss ?? NaN };
  } finally {
    server.kill('SIGKILL');
  }
}

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
const found = new Map<Kind, Round[]>();
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, ${clients} clients, ${rounds} rounds of ${seconds} s\n`); // prettier-ignore
for (let round = 0; round < rounds; round++)
  for (const kind of kinds as Kind[]) {
    const why = missing(kind);
    if (why !== null) {
      if (round === 0) console.log(`${kind}: ${why}`);
      continue;
    }
    found.set(kind, [...(found.get(kind) ?? []), await measure(kind)]);
  }

const number = (x: number, digits = 1): string => (Number.isFinite(x) ? x.toFixed(digits) : '–');
console.log('| server | requests a second | p50 ms | p99 ms | event-loop delay p99 ms | live p99 ms | MB | failed | check |\n|---|---|---|---|---|---|---|---|---|'); // prettier-ignore
for (const [kind, list] of found) {
  const of = (f: (round: Round) => number): number => median(list.map(f));
  console.log(`| ${kind} | ${number(of((r) => r.requests / r.seconds), 0)} | ${number(of((r) => r.p50))} | ${number(of((r) => r.p99))} | ${number(of((r) => r.delay))} | ${number(of((r) => r.liveP99 ?? NaN))} | ${number(of((r) => r.rss / 2 ** 20), 0)} | ${of((r) => r.failed)} | ${number(of((r) => r.check), 4)} |`); // prettier-ignore
}
console.log(`\n${[...found.keys()].map((kind) => `${kind}: ${KINDS[kind]}.`).join('\n')}`);
