/** What a run prints: the machine, the table of ratios, and the memory of long loops. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { type Machine } from './limits.js';
import { type Resident } from './memory.js';
import { PACKAGES } from './peers/packages.js';
import { UNKNOWN, type About } from './peers/worker.js';

/** All that was measured of a task; keys are columns (peers). */
export interface Row {
  task: string;
  values: Record<string, Record<string, number>>;
  /** Seconds per iteration of every sample of every trial. */
  times: Record<string, number[]>;
  /** Seconds of processors, all threads together, likewise. */
  busy: Record<string, number[]>;
  /** Median of each trial. */
  trials: Record<string, number[]>;
  absent: Record<string, string>;
  disagree: Set<string>;
  limit?: number | null;
}

/** Memory of one peer's loop. */
export interface MemoryResult extends Resident {
  name: string;
}

export interface MachineInfo {
  date: string;
  cpu: string;
  cores: number;
  memoryGB: number;
  system: string;
  load: number;
  commit: string;
  threads: number;
  hog: boolean;
  peers: Record<string, About>;
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(); // prettier-ignore
  } catch {
    return 'unknown';
  }
}

export function describeMachine(peers: Record<string, About>, threads: number, hog: boolean): MachineInfo {
  const list = cpus();
  return {
    date: new Date().toISOString(),
    cpu: list[0]?.model.trim() ?? 'unknown',
    cores: list.length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    load: loadavg()[0]!,
    commit: commit(),
    threads,
    hog,
    peers,
  };
}

function duration(seconds: number): string {
  for (const [unit, scale] of [
    ['s', 1],
    ['ms', 1e-3],
    ['µs', 1e-6],
  ] as const) {
    // prettier-ignore
    if (seconds >= scale) return `${(seconds / scale).toPrecision(3)} ${unit}`;
  }
  return `${(seconds * 1e9).toPrecision(3)} ns`;
}

const middle = (list: readonly number[]): number => {
  const sorted = list.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};
const least = (list: readonly number[]): number => list.reduce((a, b) => Math.min(a, b), Infinity);

function print(header: string[], lines: string[][]): void {
  const widths = header.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i]!.length)));
  const format = (cells: string[]): string =>
    `| ${cells.map((c, i) => (i === 0 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join(' | ')} |`;
  console.log(format(header));
  console.log(`| ${widths.map((w, i) => (i === 0 ? '-'.repeat(w) : `${'-'.repeat(w - 1)}:`)).join(' | ')} |`);
  for (const line of lines) console.log(format(line));
}

/** What others are held against: PyTorch, or under --hog Tenfold's own single thread. */
const SINGLE = 'tenfold, 1 thread';

export function printTable(rows: readonly Row[], machine: MachineInfo, limits: Machine, hog: boolean): void {
  const about = Object.entries(machine.peers).map(([name, a]) => `${name} (${Object.entries(a).map(([k, v]) => `${k} ${v}`).join(', ')})`); // prettier-ignore
  console.log(
    `\n${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB, ${machine.system}; load ${machine.load.toFixed(1)}`,
  );
  console.log(`${about.join('; ')}; commit ${machine.commit}, ${machine.date.slice(0, 10)}`);
  const copies = limits.copies.map(
    (c) => `${(c.bytesPerSecond / 1e9).toFixed(0)} GB/s at ${duration(c.bytes / c.bytesPerSecond)}`,
  );
  console.log(`limits: copy ${copies.join(', ')}; matrix product ${(limits.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s`);
  console.log(
    `${machine.threads} thread${machine.threads === 1 ? '' : 's'}${hog ? ', one core kept busy by another process' : ''}\n`,
  );

  const columns = [...new Set(rows.flatMap((r) => Object.keys(r.times)))];
  const base = hog ? SINGLE : 'pytorch';
  const further = columns.filter((c) => c === 'torch.compile' || Object.hasOwn(PACKAGES, c));
  const others = columns.filter((c) => c !== 'tenfold' && c !== base && !further.includes(c));
  const shown = [...columns.filter((c) => c === 'tenfold' || c === base), ...others];
  const header = [
    'task',
    ...shown,
    `tenfold / ${hog ? 'own 1 thread' : 'pytorch'}`,
    'by minimum',
    'by processor time',
    'its minimum',
    'of the limit',
  ];
  header.push(...further.flatMap((c) => [c, `tenfold / ${c}`]));
  const lines = rows.map((row) => {
    const mine = row.times.tenfold;
    const ratio = (f: (list: readonly number[]) => number, name = base, of = row.times): string => {
      const [ours, theirs] = [of.tenfold, of[name]];
      return ours && theirs ? (f(ours) / f(theirs)).toFixed(2) : '–';
    };
    const time = (name: string): string => (row.times[name] ? duration(middle(row.times[name])) : '–');
    return [
      row.task,
      ...shown.map(time),
      ratio(middle),
      ratio(least),
      ratio(middle, base, row.busy),
      ratio(least, base, row.busy),
      row.limit && mine ? `${((100 * row.limit) / least(mine)).toFixed(0)} %` : '–',
      ...further.flatMap((c) => [time(c), ratio(middle, c)]),
    ];
  });
  print(header, lines);
  for (const row of rows) {
    for (const [name, why] of Object.entries(row.absent)) {
      if (name === 'tenfold' || name === 'pytorch' || why !== UNKNOWN)
        console.log(`${row.task}: not in ${name}: ${why}`);
    }
  }
}

export function printMemory(task: string, results: readonly MemoryResult[]): void {
  console.log(`\n${task}: resident MB`);
  const mb = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  print(
    ['', 'after warm-up', 'at the end', 'peak'],
    results.map((r) => [r.name, mb(r.before), mb(r.after), mb(r.peak)]),
  );
}
