/** Every collective × dtype × 1 to 4 ranks, in one start of four processes. */
import { afterEach, expect, it } from 'vitest';
import { distributed, end, start, type Rank } from './processes.js';

let ranks: Rank[] = [];
afterEach(() => end(ranks));

distributed('collectives', { timeout: 240_000 }, () => {
  it('give on every rank what it computes by itself', async () => {
    ranks = start('collectives', 4);
    const told = await Promise.all(ranks.map((rank) => rank.next<{ checks: number; failures: string[] }>()));
    expect(told.flatMap(({ failures }) => failures).slice(0, 20)).toEqual([]);
    // Ranks that are in fewer groups compare less.
    const counts = told.map(({ checks }) => checks);
    expect(Math.min(...counts)).toBeGreaterThan(300);
    expect(counts[0]).toBeGreaterThan(3 * 300);
    expect(await Promise.all(ranks.map((rank) => rank.ended))).toEqual(ranks.map(() => ({ code: 0, signal: null })));
  });
});
