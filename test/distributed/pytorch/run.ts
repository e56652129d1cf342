/**
 * Two ranks of PyTorch's and one of Tenfold's in one group, over PyTorch's TCPStore and Gloo: experimental.
 *
 *   TENFOLD_PYTHON=/path/to/python node --import tsx test/distributed/pytorch/run.ts [--tenfold 0] [--seconds 60]
 *
 * All three do the same calls; each is right where it gives what three ranks of PyTorch's give, which run first. `--tenfold` is
 * Tenfold's rank: with 0 its store is the one that all meet in. Gloo's messages for meeting changed in July 2023: Debian 12's
 * is older, and PyTorch's ranks don't understand it; Debian 13's fits.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort } from '../../../bench/distributed/freePort.js';

const here = dirname(fileURLToPath(import.meta.url));
const { values: given } = parseArgs({ options: { tenfold: { type: 'string' }, seconds: { type: 'string' } } });
const own = Number(given.tenfold ?? 2);
const seconds = given.seconds ?? '60';
const python = process.env.TENFOLD_PYTHON ?? 'python3';
const WORLD = 3;

interface Ended {
  rank: number;
  lines: [what: string, values: number[]][];
  code: number | null;
  stderr: string;
}

function start(rank: number, port: number, tenfold: boolean): Promise<Ended> {
  const [command, args] = tenfold
    ? [process.execPath, ['--import', 'tsx', join(here, 'rank.ts')]]
    : [python, [join(here, 'rank.py')]];
  const env = {
    ...process.env,
    RANK: String(rank),
    WORLD_SIZE: String(WORLD),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
    SECONDS_AT_MOST: seconds,
    GLOO_SOCKET_IFNAME: 'lo',
    OMP_NUM_THREADS: '1',
  };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const lines = stdout
        .split('\n')
        .flatMap((line) => (line.startsWith('[') ? [JSON.parse(line) as [string, number[]]] : []));
      resolve({ rank, lines, code, stderr });
    });
  });
}

async function world(tenfold: number | null): Promise<Ended[]> {
  const port = await freePort();
  return Promise.all(Array.from({ length: WORLD }, (_, rank) => start(rank, port, rank === tenfold)));
}

const wanted = await world(null);
const failed = wanted.find(({ code }) => code !== 0);
if (failed) throw new Error(`ranks of PyTorch's alone don't work here (TENFOLD_PYTHON=${python}): ${failed.stderr}`);
const got = await world(own);
let right = 0;
const wrong: string[] = [];
for (const { rank, lines } of wanted) {
  lines.forEach(([what, values], i) => {
    const answer = got[rank]!.lines[i];
    const near = answer?.[1].every((x, k) => Math.abs(x - values[k]!) <= 1e-6 * (1 + Math.abs(values[k]!)));
    if (answer?.[0] === what && answer[1].length === values.length && near) right++;
    else
      wrong.push(
        `rank ${rank}: ${what}: ${JSON.stringify(answer?.[1] ?? 'nothing')} instead of ${JSON.stringify(values)}`,
      );
  });
}
for (const line of wrong.slice(0, 10)) console.log(line);
for (const { rank, code, stderr } of got) {
  if (code !== 0)
    console.log(`rank ${rank} (${rank === own ? 'Tenfold' : 'PyTorch'}) ended with ${code}: ${stderr.trim()}`);
}
console.log(`Tenfold as rank ${own} among PyTorch's: ${right} of ${right + wrong.length} results as PyTorch's alone`);
process.exit(wrong.length > 0 || right === 0 ? 1 : 0);
