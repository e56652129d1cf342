/** The ranks on this machine: processes of one attempt. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, constants } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { UsageError, type LaunchOptions } from './options.js';

/** How a rank ended that didn't end well. */
export interface Failure {
  readonly rank: number;
  /** As a shell has it: 128 and the signal's number where one ended it. */
  readonly code: number;
  /** "ended with code 1". */
  readonly how: string;
}
/** Where the ranks of an attempt meet, and who they are. */
export interface Attempt {
  readonly host: string;
  readonly port: number;
  readonly restarts: number;
  readonly runId: string;
}

/** After a rank has ended, its last output may still be on its way; a child that it left behind may hold the pipe for good. */
const LAST_OUTPUT_MS = 1000;

/** The words that start the program: Node, with what it needs for TypeScript. */
export function commandFor({ node, program, args }: LaunchOptions): string[] {
  if (!node) return [program, ...args];
  if (!existsSync(program)) throw new UsageError(`there is no file ${program}`);
  if (!/\.[cm]?tsx?$/.test(program)) return [process.execPath, program, ...args];
  for (const from of [resolve(program), join(process.cwd(), 'x')]) {
    try {
      const loader = pathToFileURL(createRequire(from).resolve('tsx')).href;
      return [process.execPath, '--import', loader, program, ...args];
    } catch {
      // Not there.
    }
  }
  if ((process.features as { typescript?: string | false }).typescript) return [process.execPath, program, ...args];
  throw new UsageError(
    `${program} is TypeScript, which Node ${process.version} can't run: npm install tsx, or take Node 22.18 or newer`,
  );
}

/** torchrun's variables, and the number of threads, for a rank on this machine. */
export function environmentOf(options: LaunchOptions, attempt: Attempt, localRank: number): Record<string, string> {
  const { ranksHere, machines, machine, maxRestarts } = options;
  const rank = machine * ranksHere + localRank;
  const size = machines * ranksHere;
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / ranksHere));
  const own = (name: string): string =>
    options.threads === null && process.env[name] ? process.env[name] : String(threads);
  return {
    RANK: String(rank),
    WORLD_SIZE: String(size),
    LOCAL_RANK: String(localRank),
    LOCAL_WORLD_SIZE: String(ranksHere),
    GROUP_RANK: String(machine),
    GROUP_WORLD_SIZE: String(machines),
    ROLE_NAME: 'default',
    ROLE_RANK: String(rank),
    ROLE_WORLD_SIZE: String(size),
    MASTER_ADDR: attempt.host,
    MASTER_PORT: String(attempt.port),
    TORCHELASTIC_RESTART_COUNT: String(attempt.restarts),
    TORCHELASTIC_MAX_RESTARTS: String(maxRestarts),
    TORCHELASTIC_RUN_ID: attempt.runId,
    TORCHELASTIC_USE_AGENT_STORE: 'True',
    TENFOLD_NUM_THREADS: own('TENFOLD_NUM_THREADS'),
    OMP_NUM_THREADS: own('OMP_NUM_THREADS'),
  };
}

/** Passes on whole lines with something before each, so that those of several ranks don't mix. */
function passOn(from: Readable, to: Writable, prefix: string): void {
  let rest = '';
  from.setEncoding('utf8');
  from.on('data', (piece: string) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    if (lines.length > 0) to.write(lines.map((line) => `${prefix}${line}\n`).join(''));
  });
  from.on('end', () => {
    if (rest !== '') to.write(`${prefix}${rest}\n`);
    rest = '';
  });
}

export class Ranks {
  private readonly children: ChildProcess[] = [];
  private readonly running = new Set<ChildProcess>();
  /** The first rank that failed, once one has; null when all have ended well. */
  readonly outcome: Promise<Failure | null>;

  constructor(options: LaunchOptions, attempt: Attempt) {
    const [file, ...args] = commandFor(options) as [string, ...string[]];
    const { promise, resolve: settle } = withResolvers<Failure | null>();
    this.outcome = promise;
    for (let local = 0; local < options.ranksHere; local++) {
      const rank = options.machine * options.ranksHere + local;
      const child = spawn(file, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...environmentOf(options, attempt, local) },
        // A group of their own: a terminal's Ctrl-C comes once, through us, and what a rank starts ends with it.
        detached: true,
      });
      this.children.push(child);
      this.running.add(child);
      const prefix = options.prefix ? `[${rank}] ` : '';
      passOn(child.stdout, process.stdout, prefix);
      passOn(child.stderr, process.stderr, prefix);
      child.on('error', (error) => {
        this.running.delete(child);
        settle({ rank, code: 127, how: `could not be started: ${error.message}` });
      });
      child.on('exit', (code, signal) => {
        this.running.delete(child);
        if (signal !== null) {
          settle({ rank, code: 128 + constants.signals[signal], how: `was ended by ${signal}` });
        } else if (code !== 0) settle({ rank, code: code!, how: `ended with code ${code}` });
        else if (this.running.size === 0) settle(null);
      });
    }
  }

  /** Sends a signal to all that still run, with what they have started. */
  signal(signal: NodeJS.Signals): void {
    for (const { pid } of this.running) {
      try {
        if (pid !== undefined) process.kill(-pid, signal);
      } catch {
        // It has just ended.
      }
    }
  }
  /** Ends all that still run, by force after the time of grace; resolves when they and their output have ended. */
  async end(graceMs: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.signal(signal);
    const force = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await Promise.all(this.children.map(ended));
    clearTimeout(force);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
  const streams = [child.stdout!, child.stderr!].filter((stream) => !stream.readableEnded);
  const last = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([last, new Promise((resolve) => (timer = setTimeout(resolve, LAST_OUTPUT_MS)))]);
  clearTimeout(timer);
}

function withResolvers<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((r) => (resolve = r));
  return { promise, resolve };
}
