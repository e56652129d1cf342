/** Ranks as processes of their own, on the loopback interface: how tests start them, talk to them and end them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, '..', '..');
const built = existsSync(join(root, 'build', 'Release', 'tenfold_distributed.node'));

if (!built && !process.env.CI) {
  console.warn('distributed: the native part is not built (libgloo-dev is missing?); its tests are left out');
}
/** Tests that need the addon: left out where it isn't built, but never in CI. */
export const distributed = describe.skipIf(!built && !process.env.CI);

/** A path where ranks can meet. */
export const meeting = (): string => join(mkdtempSync(join(tmpdir(), 'tenfold-meeting-')), 'store');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process of test/distributed/programs. It tells by lines of JSON; it is told by lines on its standard input. */
export class Rank {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stderr = '';
  private readonly lines: unknown[] = [];
  private waiting: (() => void) | null = null;
  private over = false;

  constructor(program: string, env: Record<string, string> = {}) {
    const file = join(here, 'programs', `${program}.ts`);
    this.child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line));
      this.waiting?.();
    });
    this.child.stderr!.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        this.over = true;
        this.waiting?.();
        resolve({ code, signal });
      });
    });
  }

  /** What it tells next. */
  async next<T>(): Promise<T> {
    while (this.lines.length === 0) {
      if (this.over) throw new Error(`the process ended without a word: ${this.stderr}`);
      await new Promise<void>((resolve) => (this.waiting = resolve));
    }
    return this.lines.shift() as T;
  }

  say(word: string): void {
    this.child.stdin!.write(`${word}\n`);
  }
}

/** Starts a program as each rank of a world, meeting in a file. */
export function start(program: string, worldSize: number, env: Record<string, string> = {}): Rank[] {
  const file = meeting();
  return Array.from(
    { length: worldSize },
    (_, rank) =>
      new Rank(program, {
        RANK: String(rank),
        WORLD_SIZE: String(worldSize),
        MEETING: `file://${file}`,
        TENFOLD_NUM_THREADS: '1',
        ...env,
      }),
  );
}

/** Ends what a test has left. */
export function end(ranks: readonly Rank[]): void {
  for (const { child } of ranks) child.kill('SIGKILL');
}
