/**
 * Whether a synchronous loop keeps its memory: nothing awaited, no scope, no dispose. `npm run bench -- memory` runs both
 * loops beside PyTorch's; test/memory.test.ts runs them shorter.
 */
import { mlpTraining } from './tasks/networks.js';
import { tiny } from './tasks/tiny.js';
import { type Subject } from './task.js';

/** Resident bytes after the warm-up, at the end, and the most. */
export interface Resident {
  before: number;
  after: number;
  peak: number;
}

export function residentDuring(subject: Subject, warmUp: number, steps: number): Resident {
  for (let i = 0; i < warmUp; i++) subject.step();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < steps; i++) subject.step();
  return { before, after: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 };
}

/** Loops by name, with their numbers of steps. */
export const MEMORY: Record<string, { warmUp: number; steps: number; subject: () => Subject }> = {
  memory: { warmUp: 50, steps: 2000, subject: mlpTraining },
  'memory-tiny': { warmUp: 10_000, steps: 1_000_000, subject: () => tiny['tiny-loop']!() as Subject },
};
