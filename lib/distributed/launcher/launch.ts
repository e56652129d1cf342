/** tenfold-run: attempts, one after the other, until one succeeds or none is left. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import { StoreServer } from '../stores/protocol/server.js';
import { alone, meetMachines, type Machines } from './machines.js';
import type { LaunchOptions } from './options.js';
import { Ranks, commandFor, type Failure } from './ranks.js';

/** End the ranks, and the launcher with them. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Are the ranks' business alone: Slurm sends such a one before a job's time is over. */
const PASSING = ['SIGUSR1', 'SIGUSR2'] as const;

/** Something that isn't a rank's failure: a signal, or the other machines. */
interface Broken {
  readonly code: number;
  readonly how: string;
  /** What ranks are told; SIGTERM where nothing is said. */
  readonly signal?: NodeJS.Signals;
}

const say = (text: string): void => void process.stderr.write(`tenfold-run: ${text}\n`);

/** Runs a program on ranks; resolves with the exit code. */
export async function launch(options: LaunchOptions): Promise<number> {
  commandFor(options); // refuses what can't be started, before machines wait for each other
  const { rendezvous, machine, machines: count } = options;
  const machines = rendezvous === null ? alone : await meetMachines(rendezvous.host, rendezvous.port, machine, count);
  let ranks: Ranks | null = null;
  let stop: (broken: Broken) => void = () => {};
  const stopped = new Promise<Broken>((resolve) => (stop = resolve));
  const end = (signal: NodeJS.Signals): void =>
    stop({ code: 128 + constants.signals[signal], how: `got ${signal}`, signal });
  const pass = (signal: NodeJS.Signals): void => ranks?.signal(signal);
  for (const signal of ENDING) process.on(signal, end);
  for (const signal of PASSING) process.on(signal, pass);
  try {
    const runId = randomUUID();
    for (let restarts = 0; ; restarts++) {
      const result = await attempt(options, machines, restarts, runId, stopped, (started) => (ranks = started));
      if (result === null) return 0;
      const { final, code, how } = result;
      const left = options.maxRestarts - restarts;
      if (final || left <= 0) {
        say(`${how}; all ranks have ended`);
        return code;
      }
      say(`${how}; all ranks begin again (${left} ${left === 1 ? 'restart' : 'restarts'} left)`);
    }
  } finally {
    for (const signal of ENDING) process.off(signal, end);
    for (const signal of PASSING) process.off(signal, pass);
    machines.close();
  }
}

const textOf = ({ rank, how }: Failure): string => `rank ${rank} ${how}`;

/** One attempt: null where all went well. `final`: no other one makes sense. */
async function attempt(
  options: LaunchOptions,
  machines: Machines,
  restarts: number,
  runId: string,
  stopped: Promise<Broken>,
  started: (ranks: Ranks) => void,
): Promise<(Broken & { final: boolean }) | null> {
  const host = options.rendezvous?.host ?? '127.0.0.1';
  // A store of its own for each attempt: none sees the keys of one before.
  const server = options.machine === 0 ? await StoreServer.listen({ host, port: 0 }) : null;
  let ranks: Ranks | null = null;
  let signal: NodeJS.Signals | undefined;
  try {
    const lost = (error: Error): Broken => ({ code: 1, how: error.message });
    const stop = stopped.then((broken) => ({ ...broken, final: true }));
    const meeting = machines.meet(restarts, server?.port ?? null).catch(lost);
    const met = await Promise.race([meeting, stop]);
    if (typeof met !== 'number') return { ...met, final: true };
    ranks = new Ranks(options, { host, port: met, restarts, runId });
    started(ranks);
    const elsewhere = machines
      .failure(restarts)
      .then((how) => ({ code: 1, how, final: false }), (error: Error) => ({ ...lost(error), final: true })); // prettier-ignore
    const here = ranks.outcome.then(async (failure) => {
      if (failure === null) return machines.done(restarts).then(() => null);
      await machines.failed(restarts, textOf(failure));
      return { code: failure.code, how: textOf(failure), final: false };
    });
    const lostHere = here.catch((error: Error) => ({ ...lost(error), final: true }));
    const result: (Broken & { final: boolean }) | null = await Promise.race([lostHere, elsewhere, stop]);
    signal = result?.signal;
    return result;
  } finally {
    await ranks?.end(options.graceMs, signal);
    server?.close();
  }
}
