/** What a plan consists of, for people: a table, JSON, and the graph as Graphviz's language or as an SVG picture. */
import { DTYPES } from '../dtype.js';
import { show } from '../errors.js';
import { planTime } from '../native/launch.js';
import type { Entry } from './entry.js';
import { bytesOf, slotsOf, title, type Memory, type Step } from './steps.js';

/** One launch of a plan. */
export interface PlanLaunch {
  /** The kernel; of a chain, the kernels in it. */
  readonly kernel: string;
  readonly dtype: string;
  /** How many launches of the recording it does the work of. */
  readonly fused: number;
  /** Bytes that it reads and writes. */
  readonly bytes: number;
  /** Where in the program it comes from, as file:line:column. */
  readonly line: string;
  /** Milliseconds in the last `explain(plan, { time: true })`. */
  readonly milliseconds?: number;
}

/** What `explain` gives. */
export interface Explanation {
  readonly name: string;
  readonly launches: readonly PlanLaunch[];
  /** Launches that were recorded, before fusing and dropping. */
  readonly recorded: number;
  /** Bytes of the memory that lives only inside. */
  readonly arenaBytes: number;
  readonly calls: number;
  /** The table. */
  toString(): string;
  toJSON(): object;
  /** Graphviz's language. */
  toDot(): string;
  toSVG(): string;
}

const entries = new WeakMap<Plan, Entry>();

/** A recorded way through a compiled function. */
export class Plan {
  constructor(
    /** The function's name. */
    readonly name: string,
    entry: Entry,
  ) {
    entries.set(this, entry);
  }
  /** How often it has been replayed. */
  get calls(): number {
    return entries.get(this)!.calls;
  }
  /** Number of launches of a replay. */
  get launches(): number {
    return entries.get(this)!.program.steps.length;
  }
  /** Bytes of the memory that lives only inside a replay. */
  get arenaBytes(): number {
    return entries.get(this)!.arena.bytes;
  }
  toString(): string {
    return `Plan(${this.name}, ${this.launches} launches, ${this.arenaBytes} bytes)`;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * Describes a plan: its launches with what was fused, bytes, and where in the program they come from, as a table
 * (`String(explain(plan))`), as JSON, and as a graph. With `time: true` it is run once more as it was last, and each launch
 * timed: that changes what a call changes. TypeError for what is no plan.
 */
export function explain(plan: Plan, options: { time?: boolean } = {}): Explanation {
  const entry = plan instanceof Plan ? entries.get(plan) : undefined;
  if (entry === undefined) throw new TypeError(`explain: expected a plan (of compiled.plans), got ${show(plan)}`);
  const { program, arena, recorded } = entry;
  const { steps } = program;
  const times = options.time === true && entry.calls > 0 ? new Float64Array(steps.length) : null;
  if (times !== null) planTime(entry.instance.native, times, 0, steps.length);
  const launches = steps.map((step, i): PlanLaunch => ({
    kernel: title(step),
    dtype: DTYPES[step.code]!,
    fused: Math.max(1, step.parts.length),
    bytes: bytesOf(step),
    line: step.line,
    ...(times === null ? {} : { milliseconds: times[i]! / 1e6 }),
  }));
  const json = { name: plan.name, recorded, arenaBytes: arena.bytes, calls: entry.calls, launches };
  return {
    ...json,
    toString: () => table(json),
    toJSON: () => json,
    toDot: () => dot(steps),
    toSVG: () => svg(steps),
  };
}

function table({
  name,
  recorded,
  arenaBytes,
  launches,
}: {
  name: string;
  recorded: number;
  arenaBytes: number;
  launches: readonly PlanLaunch[];
}): string {
  const timed = launches.some((l) => l.milliseconds !== undefined);
  const head = ['#', 'kernel', 'dtype', 'fused', 'bytes', ...(timed ? ['ms'] : []), 'line'];
  const rows = launches.map((l, i) => [
    String(i),
    l.kernel.length > 60 ? `${l.kernel.slice(0, 59)}…` : l.kernel,
    l.dtype,
    String(l.fused),
    String(l.bytes),
    ...(timed ? [(l.milliseconds ?? 0).toFixed(4)] : []),
    l.line,
  ]);
  const widths = head.map((h, c) => Math.max(h.length, ...rows.map((r) => r[c]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((x, c) => x.padEnd(widths[c]!))
      .join('  ')
      .trimEnd();
  return [
    `${name}: ${launches.length} launches of ${recorded} recorded, ${arenaBytes} bytes of its own`,
    line(head),
    ...rows.map(line),
  ].join('\n');
}

/** Which step each step takes something from. */
function arrows(steps: readonly Step[]): [from: number, to: number][] {
  const writer = new Map<Memory, number>();
  const found: [number, number][] = [];
  steps.forEach((step, i) => {
    const from = new Set<number>();
    for (const { memory, reads } of slotsOf(step)) {
      const w = writer.get(memory);
      if (reads && w !== undefined && w !== i) from.add(w);
    }
    for (const w of from) found.push([w, i]);
    for (const { memory, writes } of slotsOf(step)) if (writes) writer.set(memory, i);
  });
  return found;
}

function dot(steps: readonly Step[]): string {
  const quoted = (s: string): string => `"${s.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const nodes = steps.map((s, i) => `  n${i} [label=${quoted(`${i} ${title(s)}`)}];`);
  const edges = arrows(steps).map(([a, b]) => `  n${a} -> n${b};`);
  return ['digraph plan {', '  node [shape=box, fontname="sans-serif"];', ...nodes, ...edges, '}', ''].join('\n');
}

/** Steps from top to bottom, each as far down as the longest way to it; arrows between them. */
function svg(steps: readonly Step[]): string {
  const links = arrows(steps);
  const level = steps.map(() => 0);
  for (const [a, b] of links) level[b] = Math.max(level[b]!, level[a]! + 1); // writers come before readers
  const inLevel = new Map<number, number>();
  const place = steps.map((_, i) => {
    const column = inLevel.get(level[i]!) ?? 0;
    inLevel.set(level[i]!, column + 1);
    return { x: 20 + 240 * column, y: 20 + 60 * level[i]! };
  });
  const width = 40 + 240 * Math.max(1, ...inLevel.values());
  const height = 60 + 60 * (Math.max(0, ...level) + 1);
  const escaped = (s: string): string => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const boxes = steps.map((s, i) => {
    const { x, y } = place[i]!;
    const text = title(s);
    return (
      `<rect x="${x}" y="${y}" width="220" height="34" rx="5" fill="#e8f0fe" stroke="#4a6fa5"/>` +
      `<text x="${x + 10}" y="${y + 22}">${escaped(text.length > 28 ? `${text.slice(0, 27)}…` : text)}</text>`
    );
  });
  const lines = links.map(([a, b]) => {
    const from = place[a]!;
    const to = place[b]!;
    return `<path d="M${from.x + 110} ${from.y + 34} C${from.x + 110} ${from.y + 50} ${to.x + 110} ${to.y - 16} ${to.x + 110} ${to.y}" fill="none" stroke="#888"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    ...lines,
    ...boxes,
    '</svg>',
    '',
  ].join('\n');
}
