/** DistributedSampler: PyTorch's orders (scripts/record/sampler.py), and validation without repeated samples. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { utils } from '../../lib/index.js';

const { DistributedSampler } = utils.data;
interface Row {
  n: number;
  replicas: number;
  rank: number;
  options: { drop_last?: boolean; shuffle?: boolean; seed?: number };
  length: number;
  orders: number[][];
}
const { rows } = JSON.parse(readFileSync(new URL('../fixtures/distributed/sampler.json', import.meta.url), 'utf8')) as {
  rows: Row[];
};
const sized = (length: number): { length: number } => ({ length });

describe('DistributedSampler', () => {
  it('gives PyTorch’s orders', () => {
    expect(rows.length).toBeGreaterThan(20);
    for (const { n, replicas, rank, options, length, orders } of rows) {
      const { drop_last: dropLast = false, ...others } = options;
      const sampler = new DistributedSampler(sized(n), replicas, rank, { dropLast, ...others });
      const got = [0, 3].map((epoch) => (sampler.setEpoch(epoch), [...sampler]));
      expect([sampler.length, got], JSON.stringify({ n, replicas, rank, options })).toEqual([length, orders]);
    }
  });
  it('without padding gives each sample to one rank', () => {
    const ranks = [0, 1, 2].map((rank) => new DistributedSampler(sized(11), { numReplicas: 3, rank, pad: false }));
    const lists = ranks.map((sampler) => [...sampler]);
    expect(lists.map((list) => list.length)).toEqual([4, 4, 3]);
    expect(ranks.map((sampler) => sampler.length)).toEqual([4, 4, 3]);
    expect(lists.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 11 }, (_, i) => i));
    expect([...new DistributedSampler(sized(0), 2, 0)]).toEqual([]);
  });
  it('refuses what is no share', () => {
    expect(() => new DistributedSampler(sized(4), 2, 2)).toThrow('rank must be from 0 to 1, got 2');
    expect(() => new DistributedSampler(sized(4), 0, 0)).toThrow('numReplicas must be at least 1, got 0');
    expect(() => new DistributedSampler(sized(4), 2, 0, { dropLast: true, pad: false })).toThrow('exclude each other');
    expect(() => new DistributedSampler(sized(4), 2, 0, { drop: true } as never)).toThrow("unknown option 'drop'");
    expect(() => new DistributedSampler(sized(4), 2)).toThrow(
      /DistributedSampler: (needs a process group|there is no)/,
    );
    expect(() => new DistributedSampler(sized(4), 2, 0).setEpoch(0.5)).toThrow('epoch must be an integer, got 0.5');
  });
});
