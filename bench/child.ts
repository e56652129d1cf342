/** A peer's process, as run.ts talks to it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Resident } from './memory.js';
import { found } from './peers/packages.js';
import { type Samples } from './task.js';
import { type About } from './peers/worker.js';

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const tsx = ['--import', 'tsx'];

/** Whether a Python has torch and numpy, and which major version; 0 without. */
function torchOf(python: string): number {
  const { status, stdout } = spawnSync(python, ['-c', 'import torch, numpy; print(torch.__version__)'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? parseInt(stdout, 10) : 0;
}

/**
 * The Python whose PyTorch is measured: the one that TENFOLD_PYTHON names, else the first of the usual ones with PyTorch 2,
 * else the first with an older one; null where there is none.
 */
function findPython(): string | null {
  const named = process.env.TENFOLD_PYTHON;
  let older: string | null = null;
  for (const python of named ? [named] : ['python3', 'python', '/usr/bin/python3']) {
    const version = torchOf(python);
    if (version >= 2) return python;
    if (version > 0) older ??= python;
  }
  return older;
}
let python: string | null | undefined;
const pytorch = (): string[] | null => {
  if (python === undefined) python = findPython();
  return python === null ? null : [python, at('peers/pytorch.py')];
};

/** Command line of each peer; null where it can't run here. */
export const PEERS: Record<string, () => string[] | null> = {
  tenfold: () => [process.execPath, ...tsx, at('peers/tenfold.ts')],
  'tenfold compiled': () => [process.execPath, ...tsx, at('peers/tenfold.ts')],
  pytorch,
  'torch.compile': pytorch,
  tfjs: () => (found('tfjs') ? [process.execPath, ...tsx, at('peers/tfjs.ts')] : null),
  onnxruntime: () => (found('onnxruntime') ? [process.execPath, ...tsx, at('peers/onnxruntime.ts')] : null),
};

type Answer = {
  about?: About;
  values?: Record<string, number>;
  absent?: string;
} & Partial<Resident & Samples>;

export class Child {
  private readonly answers: AsyncIterator<string>;
  private constructor(
    private readonly process: ChildProcess,
    readonly peer: string,
  ) {
    this.answers = createInterface({ input: process.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts a peer with so many threads; a string says why it can't run. */
  static async start(peer: string, command: readonly string[], threads: number): Promise<[Child, About] | string> {
    const n = String(threads);
    const env = { ...process.env, BENCH_THREADS: n, TENFOLD_NUM_THREADS: n, OMP_NUM_THREADS: n, BENCH_COMPILE: /compile/.test(peer) ? '1' : '0' }; // prettier-ignore
    const child = new Child(spawn(command[0]!, command.slice(1), { env, stdio: ['pipe', 'pipe', 'inherit'] }), peer);
    const { about, absent } = await child.read();
    return about ? [child, about] : (absent ?? 'did not start');
  }

  private async read(): Promise<Answer> {
    const { value, done } = await this.answers.next();
    return done ? { absent: `the ${this.peer} process ended` } : (JSON.parse(value) as Answer);
  }

  ask(request: object): Promise<Answer> {
    this.process.stdin!.write(`${JSON.stringify(request)}\n`);
    return this.read();
  }

  /** Ends the process and waits for that. */
  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.stdin!.end();
    await ended;
  }
}
