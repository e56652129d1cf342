/**
 * All-reduce of 64 MB, and of one number, by two processes on this machine: Tenfold beside PyTorch, one after the other in turn.
 *
 *   TENFOLD_PYTHON=/path/to/python node --import tsx bench/distributed/allReduce.ts [--ranks 2] [--rounds 10] [--trials 3]
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort } from './freePort.js';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: { ranks: { type: 'string' }, rounds: { type: 'string' }, trials: { type: 'string' } },
});
const ranks = Number(values.ranks ?? 2);
const trials = Number(values.trials ?? 3);

interface Told {
  large: number[];
  small: number[];
  processor: number;
  waiting: number;
}

async function world(command: string, args: string[]): Promise<Told[]> {
  const port = await freePort();
  const env = {
    ...process.env,
    WORLD_SIZE: String(ranks),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
    GLOO_SOCKET_IFNAME: 'lo',
    ROUNDS: values.rounds ?? '10',
    OMP_NUM_THREADS: '1',
    TENFOLD_NUM_THREADS: '1',
  };
  const one = (rank: number): Promise<Told> =>
    new Promise((resolve, reject) => {
      const child = spawn(command, args, { env: { ...env, RANK: String(rank) }, stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk) => (text += String(chunk)));
      child.on('error', reject);
      child.on('close', (code) =>
        code === 0 ? resolve(JSON.parse(text) as Told) : reject(new Error(`rank ${rank}: ${code}`)),
      );
    });
  return Promise.all(Array.from({ length: ranks }, (_, rank) => one(rank)));
}

const peers: Record<string, () => Promise<Told[]>> = {
  tenfold: () => world(process.execPath, ['--import', 'tsx', join(here, 'rank.ts')]),
  pytorch: () => world(process.env.TENFOLD_PYTHON ?? 'python3', [join(here, 'rank.py')]),
};
const found: Record<string, Told[]> = { tenfold: [], pytorch: [] };
for (let trial = 0; trial < trials; trial++) {
  for (const [name, run] of Object.entries(peers)) found[name]!.push(...(await run()));
}
const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
const rows = Object.entries(found).map(([name, told]) => {
  const [large, small] = [told.flatMap((t) => t.large), told.flatMap((t) => t.small)];
  return {
    name,
    '64 MB, least (ms)': Math.min(...large).toFixed(1),
    'median (ms)': median(large).toFixed(1),
    'processor (s)': Math.min(...told.map((t) => t.processor)).toFixed(3),
    'one number, least (µs)': (1000 * Math.min(...small)).toFixed(0),
    '1 s of waiting (s of processor)': Math.min(...told.map((t) => t.waiting)).toFixed(3),
  };
});
console.table(rows);
