/** A profile as rows, one for each name, and as a table. */
import { checkOptions, show } from '../errors.js';
import type { ProfileEvent } from './recorder.js';

/** All events of one name. Times in milliseconds. */
export interface ProfileRow {
  readonly name: string;
  readonly kind: ProfileEvent['kind'];
  readonly calls: number;
  /** Without what they called; kernels count as the caller's own. */
  readonly self: number;
  readonly total: number;
  readonly mean: number;
  /** Part of the time of the profile that `self` is. */
  readonly share: number;
  /** Bytes of the tensors that their own kernels were given. */
  readonly bytes: number;
}

/** What rows may be sorted by, the greatest first; `name` from A on. */
const ORDERS = ['self', 'total', 'mean', 'calls', 'bytes', 'name'] as const;
const GROUPS = ['op', 'kernel', 'thread'] as const;

/** What is shown of a profile. */
export interface TableOptions {
  /** 'op' (calls, rules of the backward pass, plans, ranges; the default), 'kernel' or 'thread'. */
  group?: (typeof GROUPS)[number];
  /** 'self' without. */
  sortBy?: (typeof ORDERS)[number];
  /** How many rows; 100 without. */
  rowLimit?: number;
}

/** Options with what they are without; TypeError, RangeError for what they can't be. */
export function readTable(call: string, options: TableOptions): Required<TableOptions> {
  checkOptions(call, options, ['group', 'sortBy', 'rowLimit']);
  const { group = 'op', sortBy = 'self', rowLimit = 100 } = options;
  if (!GROUPS.includes(group)) throw new TypeError(`${call}: group must be one of ${GROUPS.join(', ')}, got ${show(group)}`); // prettier-ignore
  if (!ORDERS.includes(sortBy)) throw new TypeError(`${call}: sortBy must be one of ${ORDERS.join(', ')}, got ${show(sortBy)}`); // prettier-ignore
  if (!(Number.isInteger(rowLimit) && rowLimit > 0))
    throw new RangeError(`${call}: rowLimit must be a positive integer, got ${show(rowLimit)}`);
  return { group, sortBy, rowLimit };
}

const groupOf = ({ kind }: ProfileEvent): string => (kind === 'kernel' || kind === 'thread' ? kind : 'op');

/** Rows of a group of events. What calls itself counts once in its total. */
export function rowsOf(events: readonly ProfileEvent[], duration: number, group: string): ProfileRow[] {
  const rows = new Map<string, { -readonly [K in keyof ProfileRow]: ProfileRow[K] }>();
  // Events come by their start: those that are still open are the ones around the present one.
  const around: ProfileEvent[] = [];
  for (const e of events) {
    if (groupOf(e) !== group) continue;
    while (around.length > 0 && (around.at(-1)!.depth >= e.depth || around.at(-1)!.thread !== e.thread)) around.pop();
    const key = `${e.kind} ${e.name} ${group === 'thread' ? e.thread : ''}`;
    let row = rows.get(key);
    if (row === undefined) {
      const name = group === 'thread' ? `${e.name} ${e.thread}` : e.name;
      rows.set(key, (row = { name, kind: e.kind, calls: 0, self: 0, total: 0, mean: 0, share: 0, bytes: 0 }));
    }
    row.calls++;
    row.self += e.self;
    row.bytes += e.bytes;
    if (!around.some((a) => a.name === e.name && a.kind === e.kind)) row.total += e.duration;
    around.push(e);
  }
  for (const row of rows.values()) {
    row.mean = row.total / row.calls;
    row.share = duration > 0 ? row.self / duration : 0;
  }
  return [...rows.values()];
}

export function sorted(rows: ProfileRow[], by: (typeof ORDERS)[number]): ProfileRow[] {
  return rows.sort((a, b) => (by === 'name' ? (a.name < b.name ? -1 : 1) : b[by] - a[by]));
}

const time = (ms: number): string =>
  ms >= 1000 ? `${(ms / 1000).toFixed(3)} s` : ms >= 1 ? `${ms.toFixed(3)} ms` : `${(ms * 1000).toFixed(1)} us`;
const size = (bytes: number): string => {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let x = bytes;
  for (; x >= 1024 && unit < units.length - 1; unit++) x /= 1024;
  return `${unit === 0 ? x : x.toFixed(1)} ${units[unit]}`;
};

/** The table, with the sum of what stands in it. */
export function tableOf(rows: readonly ProfileRow[], duration: number, limit: number): string {
  const head = ['name', 'self %', 'self', 'total %', 'total', 'mean', 'calls', 'bytes'];
  const percent = (x: number): string => `${((100 * x) / duration || 0).toFixed(1)}%`;
  const cells = rows
    .slice(0, limit)
    .map((r) => [
      r.name.length > 60 ? `${r.name.slice(0, 59)}…` : r.name,
      percent(r.self),
      time(r.self),
      percent(r.total),
      time(r.total),
      time(r.mean),
      String(r.calls),
      size(r.bytes),
    ]);
  const widths = head.map((h, c) => Math.max(h.length, ...cells.map((row) => row[c]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((x, c) => (c === 0 ? x.padEnd(widths[c]!) : x.padStart(widths[c]!))).join('  ');
  const rule = widths.map((w) => '-'.repeat(w)).join('  ');
  const own = rows.reduce((sum, r) => sum + r.self, 0);
  return [line(head), rule, ...cells.map(line), rule, `self: ${time(own)} of ${time(duration)}`].join('\n');
}
