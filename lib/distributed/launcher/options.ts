/** The command line of tenfold-run: torchrun's words where it has them. */
import { availableParallelism } from 'node:os';

export const HELP = `Usage: tenfold-run -n N [options] program.mjs [its arguments]

Starts N processes (ranks) of a program, which find each other by initProcessGroup('gloo'). It keeps the store by which they
meet, sets torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT, …), writes each rank's output with its
number before it, and ends all of them when one fails. TypeScript runs where tsx is installed, or Node strips types itself.

  -n, --nproc-per-node N   ranks on this machine; 'auto': as many as processors (1)
  --nnodes N               machines; the command runs on each of them (1)
  --node-rank R            which of them this one is, from 0
  --rdzv HOST[:PORT]       where the machines meet: an address of machine 0 (port 29500)
  --max-restarts K         how often all ranks begin again after one has failed (0); they go on from their last checkpoint
  --threads N              threads of each rank (processors divided by ranks; TENFOLD_NUM_THREADS does the same)
  --grace SECONDS          what ranks have to end in by themselves before they are killed (10)
  --no-prefix              output as the ranks write it
  --no-node                the program is no file for Node, but a command
  --help                   this text`;

/** The command line can't be understood. */
export class UsageError extends Error {}

export interface LaunchOptions {
  ranksHere: number;
  machines: number;
  machine: number;
  /** Where machines meet; null where there is one. */
  rendezvous: { host: string; port: number } | null;
  maxRestarts: number;
  /** Of each rank; null: processors divided by ranks. */
  threads: number | null;
  graceMs: number;
  prefix: boolean;
  node: boolean;
  program: string;
  args: string[];
}

const ALIASES: Record<string, string> = {
  '-n': 'nproc-per-node',
  '-h': 'help',
  'rdzv-endpoint': 'rdzv',
};
const VALUED = ['nproc-per-node', 'nnodes', 'node-rank', 'rdzv', 'max-restarts', 'threads', 'grace'];
const FLAGS = ['no-prefix', 'no-node', 'help'];
const DEFAULT_PORT = 29500;

/** Options up to the program; all behind it is the program's. */
function split(args: readonly string[]): { given: Map<string, string>; rest: string[] } {
  const given = new Map<string, string>();
  let at = 0;
  for (; at < args.length && args[at]!.startsWith('-'); at++) {
    const word = args[at]!;
    if (word === '--') return { given, rest: args.slice(at + 1) };
    const [, spelled = '', inline] = /^(-\w|--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const long = spelled.replace(/^--/, '').replaceAll('_', '-'); // torchrun takes both
    const name = ALIASES[long] ?? long;
    if (FLAGS.includes(name) && inline === undefined) given.set(name, '');
    else if (VALUED.includes(name)) {
      const value = inline ?? args[++at];
      if (value === undefined) throw new UsageError(`${spelled} needs a value`);
      given.set(name, value);
    } else throw new UsageError(`unknown option '${word}'`);
  }
  return { given, rest: args.slice(at) };
}

function wholeNumber(given: Map<string, string>, name: string, least: number): number | null {
  const text = given.get(name);
  if (text === undefined) return null;
  if (!/^\d{1,6}$/.test(text) || Number(text) < least)
    throw new UsageError(`--${name} must be a whole number from ${least}, got '${text}'`);
  return Number(text);
}

function readRendezvous(text: string): { host: string; port: number } {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[2] ?? DEFAULT_PORT);
  if (match === null || port > 65535 || port === 0) throw new UsageError(`--rdzv must be HOST:PORT, got '${text}'`);
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port };
}

/** What arguments mean; null where help is asked for. @throws UsageError */
export function readLaunchOptions(argv: readonly string[]): LaunchOptions | null {
  const { given, rest } = split(argv);
  if (given.has('help')) return null;
  if (given.get('nproc-per-node') === 'auto') given.set('nproc-per-node', String(availableParallelism()));
  const machines = wholeNumber(given, 'nnodes', 1) ?? 1;
  const machine = wholeNumber(given, 'node-rank', 0);
  const rdzv = given.get('rdzv');
  if (machines > 1 && (machine === null || rdzv === undefined))
    throw new UsageError('several machines need --node-rank and --rdzv too');
  if (machine !== null && machine >= machines)
    throw new UsageError(`--node-rank must be below --nnodes (${machines}), got ${machine}`);
  const [program, ...args] = rest;
  if (program === undefined) throw new UsageError('which program?');
  const grace = given.get('grace') ?? '10';
  if (!/^\d+(\.\d+)?$/.test(grace)) throw new UsageError(`--grace must be a number of seconds, got '${grace}'`);
  return {
    ranksHere: wholeNumber(given, 'nproc-per-node', 1) ?? 1,
    machines,
    machine: machine ?? 0,
    rendezvous: machines > 1 ? readRendezvous(rdzv!) : null,
    maxRestarts: wholeNumber(given, 'max-restarts', 0) ?? 0,
    threads: wholeNumber(given, 'threads', 1),
    graceMs: Number(grace) * 1000,
    prefix: !given.has('no-prefix'),
    node: !given.has('no-node'),
    program,
    args,
  };
}
