/** A peer's process, as run.ts talks to it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Resident } from './memory.js';
import { found } from './peers/packages.js';
import { type About } from './peers/worker.js';

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const tsx = ['--import', 'tsx'];

/** The Python that has torch, or null; TENFOLD_BENCH_PYTHON names one. */
function findPython(): string | null {
  const override = process.env.TENFOLD_BENCH_PYTHON;
  for (const python of override ? [override] : ['python3', '/usr/bin/python3', 'python']) {
    if (spawnSync(python, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status === 0) return python;
  }
  return null;
}

/** Command line of each peer; null where it can't run here. */
export const PEERS: Record<string, () => string[] | null> = {
  tenfold: () => [process.execPath, ...tsx, at('peers/tenfold.ts')],
  pytorch() {
    const python = findPython();
    return python === null ? null : [python, at('peers/pytorch.py')];
  },
  tfjs: () => (found('tfjs') ? [process.execPath, ...tsx, at('peers/tfjs.ts')] : null),
  onnxruntime: () => (found('onnxruntime') ? [process.execPath, ...tsx, at('peers/onnxruntime.ts')] : null),
};

type Answer = {
  about?: About;
  values?: Record<string, number>;
  times?: number[];
  absent?: string;
} & Partial<Resident>;

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
    const env = { ...process.env, BENCH_THREADS: n, TENFOLD_NUM_THREADS: n, OMP_NUM_THREADS: n };
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
