/** Which launches a plan needs, and where what they make lies: one piece of memory for all that lives in a replay only. */
import { slotsOf, type Memory, type Step } from './steps.js';

const ALIGN = 64;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

/** The steps without those whose results nobody reads. What outlives the replay counts as read. */
export function withoutDead(steps: readonly Step[]): Step[] {
  const read = new Set<Memory>();
  const needed: Step[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i]!;
    let lives = step.refusal !== null; // a check writes nothing
    for (const { memory, writes } of slotsOf(step)) if (writes && (outlives(memory) || read.has(memory))) lives = true;
    if (!lives) continue;
    for (const { memory, reads } of slotsOf(step)) if (reads) read.add(memory);
    needed.push(step);
  }
  return needed.reverse();
}

/** Whether somebody sees the memory after the replay. */
export const outlives = (memory: Memory): boolean => memory.origin !== 'inside' || memory.place !== 'arena';

interface Life {
  readonly memory: Memory;
  readonly size: number;
  readonly begin: number;
  end: number;
  at: number;
}

/** Where each piece of the arena begins, and the size of all. */
export interface Arena {
  readonly at: ReadonlyMap<Memory, number>;
  readonly bytes: number;
}

/**
 * Gives memory whose lives don't overlap the same place: largest first, each at the lowest place that is free all its life.
 * (Shortest sum of sizes isn't sought: that is NP-hard, and this comes within a few percent of the largest moment.)
 */
export function planArena(steps: readonly Step[]): Arena {
  const lives = new Map<Memory, Life>();
  steps.forEach((step, i) => {
    for (const { memory } of slotsOf(step)) {
      if (outlives(memory)) continue;
      const life = lives.get(memory);
      if (life === undefined) lives.set(memory, { memory, size: aligned(memory.size), begin: i, end: i, at: -1 });
      else life.end = i;
    }
  });
  const placed: Life[] = []; // by place
  let bytes = 0;
  for (const life of [...lives.values()].sort((a, b) => b.size - a.size || a.begin - b.begin)) {
    let at = 0;
    for (const other of placed) {
      if (other.end < life.begin || other.begin > life.end) continue;
      if (other.at >= at + life.size) break;
      at = Math.max(at, other.at + other.size);
    }
    life.at = at;
    bytes = Math.max(bytes, at + life.size);
    const behind = placed.findIndex((p) => p.at > at);
    placed.splice(behind < 0 ? placed.length : behind, 0, life);
  }
  return { at: new Map([...lives.values()].map((l) => [l.memory, l.at])), bytes };
}
