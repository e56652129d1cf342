/**
 * npm run bench -- [filter …] [--json FILE] [--threads N] [--trials N] [--seconds S] [--hog]
 *
 * Tenfold beside its peers and beside what the machine can do. Each trial has one process per peer; within a trial the
 * peers take turns, task by task and slice by slice, so that whatever else the machine does falls on all of them. Before
 * anything is timed their values are compared. docs/benchmarks.md says what is measured and how to read the table.
 */
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Child, PEERS } from './child.js';
import { limitOf, TASKS, type Machine } from './limits.js';
import { describeMachine, printMemory, printTable, type MemoryResult, type Row } from './report.js';
import { MEMORY } from './memory.js';
import { INSTALL, PACKAGES } from './peers/packages.js';
import { type About } from './peers/worker.js';

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    trials: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '0.3' },
    peers: { type: 'string', default: Object.keys(PEERS).join(',') },
    hog: { type: 'boolean', default: false },
  },
});

function positive(name: 'threads' | 'trials' | 'seconds'): number {
  const n = Number(options[name]);
  if (!(n > 0) || (name !== 'seconds' && !Number.isInteger(n))) throw new RangeError(`--${name}: got ${options[name]}`);
  return n;
}
const threads = positive('threads');
const trials = positive('trials');
const seconds = positive('seconds');
const SLICES = 3;
/** How far apart the values of two peers may be. */
const TOLERANCE = 1e-3;

const matches = (task: string): boolean => filters.length === 0 || filters.some((f) => task.includes(f));
const tasks = TASKS.filter(matches);
const memoryTasks = Object.keys(MEMORY).filter((name) => (filters.length === 0 ? name === 'memory' : matches(name)));
const probes = ['limit.copy.64k', 'limit.copy.1m', 'limit.copy.16m', 'limit.gemm'];

interface Seat {
  /** Column in the table: a peer, or 'tenfold, 1 thread'. */
  name: string;
  peer: string;
  command: string[];
  threads: number;
  /** Whether the hog runs while this one does. */
  hogged: boolean;
}

function seats(): Seat[] {
  const list: Seat[] = [];
  const absent: string[] = [];
  for (const peer of options.peers.split(',')) {
    if (!Object.hasOwn(PEERS, peer))
      throw new RangeError(`--peers: one of ${Object.keys(PEERS).join(', ')}; got ${peer}`);
    const command = PEERS[peer]!();
    if (command) list.push({ name: peer, peer, command, threads, hogged: options.hog });
    else absent.push(peer);
  }
  for (const peer of absent) console.log(`without ${peer}: not found`);
  if (absent.some((peer) => Object.hasOwn(PACKAGES, peer))) console.log(`to measure these too: ${INSTALL}`);
  if (options.hog) list.splice(1, 0, { ...list[0]!, name: 'tenfold, 1 thread', threads: 1, hogged: false });
  return list;
}

class Hog {
  private readonly child = options.hog ? fork(fileURLToPath(new URL('hog.ts', import.meta.url))) : null;
  private running = false;
  async set(on: boolean): Promise<void> {
    if (this.child === null || on === this.running) return;
    this.running = on;
    this.child.send(on ? 'start' : 'stop');
    await sleep(20);
  }
  end(): void {
    this.child?.disconnect();
  }
}

const hog = new Hog();
const rows = new Map<string, Row>();
const about: Record<string, About> = {};
const missing = new Set<string>();
const resident: Record<string, MemoryResult[]> = {};

const median = (list: readonly number[]): number => {
  const sorted = [...list].sort((a, b) => a - b);
  const mid = sorted.length >> 1;
  return sorted.length % 2 ? sorted[mid]! : (sorted[mid - 1]! + sorted[mid]!) / 2;
};

function compare(task: string, seat: string, values: Record<string, number>, row: Row): void {
  row.values[seat] = values;
  const reference = row.values.pytorch ?? row.values.tenfold;
  if (!reference) return;
  for (const [other, theirs] of Object.entries(row.values)) {
    for (const [name, value] of Object.entries(theirs)) {
      const wanted = reference[name];
      if (wanted !== undefined && !(Math.abs(value - wanted) <= TOLERANCE * Math.abs(wanted) + 1e-12)) {
        row.disagree.add(`${task}: ${name} is ${value} in ${other}, ${wanted} elsewhere`);
      }
    }
  }
}

async function measure(task: string, children: readonly [Seat, Child][], takes: number): Promise<void> {
  let row = rows.get(task);
  if (!row)
    rows.set(task, (row = { task, values: {}, times: {}, busy: {}, trials: {}, absent: {}, disagree: new Set() }));
  const able: [Seat, Child][] = [];
  for (const [seat, child] of children) {
    const { values, absent } = await child.ask({ open: task });
    if (values) {
      compare(task, seat.name, values, row);
      able.push([seat, child]);
    } else row.absent[seat.name] = absent ?? '';
  }
  const times: Record<string, number[]> = {};
  const busy: Record<string, number[]> = {};
  for (let slice = 0; slice < takes; slice++) {
    // Alternately forwards and backwards, so that nobody always comes first.
    for (const [seat, child] of slice % 2 ? able.toReversed() : able) {
      await hog.set(seat.hogged);
      const answer = await child.ask({ sample: seconds / takes });
      if (answer.times) {
        (times[seat.name] ??= []).push(...answer.times);
        (busy[seat.name] ??= []).push(...answer.busy!);
      } else row.absent[seat.name] = answer.absent ?? '';
    }
  }
  await hog.set(false);
  for (const [name, list] of Object.entries(times)) {
    (row.times[name] ??= []).push(...list);
    (row.busy[name] ??= []).push(...busy[name]!);
    (row.trials[name] ??= []).push(median(list));
  }
}

async function trial(list: readonly Seat[]): Promise<void> {
  const children: [Seat, Child][] = [];
  for (const seat of list) {
    const started = await Child.start(seat.peer, seat.command, seat.threads);
    if (typeof started === 'string') {
      if (!missing.has(seat.name)) console.log(`without ${seat.name}: ${started}`);
      missing.add(seat.name);
      continue;
    }
    children.push([seat, started[0]]);
    about[seat.name] = started[1];
  }
  try {
    // Peers may be opened from outside: probes run with every peer that knows them.
    for (const task of [...probes, ...tasks]) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${task}`);
      await measure(task, children, SLICES);
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  } finally {
    for (const [, child] of children) await child.end();
  }
}

async function memory(list: readonly Seat[]): Promise<void> {
  for (const task of memoryTasks) {
    const results: MemoryResult[] = [];
    for (const seat of list) {
      if (missing.has(seat.name) || seat.name === 'tenfold, 1 thread') continue;
      const started = await Child.start(seat.peer, seat.command, seat.threads);
      if (typeof started === 'string') continue;
      about[seat.name] = started[1];
      const { warmUp, steps } = MEMORY[task]!;
      const answer = await started[0].ask({ memory: task, warmUp, steps });
      if (answer.peak !== undefined) results.push({ name: seat.name, ...(answer as Required<typeof answer>) });
      await started[0].end();
    }
    printMemory(task, results);
    resident[task] = results;
  }
}

function machineLimits(): Machine {
  const best = (task: string): number => Math.min(...Object.values(rows.get(task)?.times ?? {}).flat());
  return {
    copies: [['64k', 2 ** 16], ['1m', 2 ** 20], ['16m', 2 ** 24]].map(([size, n]) => ({ bytes: 8 * (n as number), bytesPerSecond: (8 * (n as number)) / best(`limit.copy.${size}`) })), // prettier-ignore
    flopsPerSecond: (2 * 1024 ** 3) / best('limit.gemm'),
  };
}

const list = seats();
if (tasks.length === 0 && memoryTasks.length === 0) {
  console.error(`no task matches ${filters.join(' ')}; tasks: ${[...TASKS, ...Object.keys(MEMORY)].join(', ')}`);
  process.exit(1);
}
if (tasks.length > 0) for (let i = 0; i < trials; i++) await trial(list);
hog.end();
const machine = describeMachine(about, threads, options.hog);
const limits = tasks.length > 0 ? machineLimits() : null;
for (const row of rows.values()) row.limit = limits && limitOf(row.task, limits);
if (limits) printTable([...rows.values()].filter((r) => !probes.includes(r.task)), machine, limits, options.hog); // prettier-ignore
await memory(list);
const disagreements = [...rows.values()].flatMap((r) => [...r.disagree]);
for (const line of disagreements) console.log(`values differ: ${line}`);
if (options.json) {
  mkdirSync(dirname(options.json), { recursive: true });
  const summary = (lists: Record<string, number[]>): object =>
    Object.fromEntries(
      Object.entries(lists).map(([name, t]) => [name, { median: median(t), min: Math.min(...t), samples: t.length }]),
    );
  const measured = [...rows.values()].map(({ times, busy, disagree, ...row }) => ({
    ...row,
    seconds: summary(times),
    processorSeconds: summary(busy),
    disagree: [...disagree],
  }));
  writeFileSync(options.json, `${JSON.stringify({ machine, limits, tasks: measured, memory: resident }, null, 2)}\n`);
  console.log(`written to ${options.json}`);
}
process.exit(disagreements.length > 0 ? 1 : 0);
