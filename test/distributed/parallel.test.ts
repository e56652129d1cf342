/** nn.parallel: two ranks train, in one start of two processes; PyTorch's weights are recorded by scripts/record/ddp.py. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nn } from '../../lib/index.js';
import { distributed, end, start, type Rank } from './processes.js';

type Told = Record<string, Record<string, unknown>>;
interface Model {
  weights: number[];
  same: boolean;
  joint: number;
}
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/distributed/ddp.json', import.meta.url), 'utf8'),
) as Record<string, number[]>;

distributed('two ranks', () => {
  let ranks: Rank[] = [];
  const told: Told[] = [];
  beforeAll(async () => {
    ranks = start('parallel', 2);
    for (const rank of ranks) {
      const all: Told = {};
      for (;;) {
        const [name, value] = await rank.next<[string, Told[string]]>();
        all[name] = value;
        if (name === 'last') break;
      }
      told.push(all);
    }
  }, 120_000);
  afterAll(() => end(ranks));
  /** What both ranks told of a scenario, where they must tell the same. */
  const both = (name: string): Record<string, unknown> => {
    expect(told[1]![name], name).toEqual(told[0]![name]);
    return told[0]![name]!;
  };

  describe('have, after 20 steps,', () => {
    it.each(['mlp', 'cnn', 'transformer'])('the weights of PyTorch’s DistributedDataParallel: %s', (name) => {
      const { weights, same } = told[0]!.models![name] as Model;
      expect(same).toBe(true);
      const wanted = recorded[name]!;
      expect(weights.length).toBe(wanted.length);
      const far = weights.map((w, i) => Math.abs(w - wanted[i]!) / Math.max(1, Math.abs(wanted[i]!)));
      expect(Math.max(...far)).toBeLessThan(2e-6);
      expect(Math.max(...weights.map(Math.abs))).toBeGreaterThan(0.3);
    });
    it.each(['mlp', 'transformer'])('those of one process on the joint batch: %s', (name) => {
      for (const rank of told) {
        const { joint } = rank.models![name] as Model;
        expect(joint).toBeGreaterThan(0);
        expect(joint).toBeLessThan(2e-6);
      }
    });
  });
  it('the same whatever the buckets are, and where gradients have memory of their own', () => {
    expect(both('buckets')).toEqual([0, 0]);
  });
  it('add gradients up without an exchange under noSync', () => {
    const { same, joint } = both('accumulation');
    expect(same).toBe(true);
    expect(joint).toBeLessThan(1e-6);
  });
  it('have one norm of gradients, that of the joint batch', () => {
    for (const { clip } of told) {
      const { norms, weights, first, same } = clip as Record<string, number>;
      expect(same).toBe(true);
      expect(first).toBeGreaterThan(0.1);
      expect(Math.max(norms!, weights!)).toBeLessThan(1e-6);
    }
  });
  it('exchange by communication hooks', () => {
    const { allreduce, bf16, fp16 } = both('hooks') as Record<string, { same: boolean; distance: number }>;
    expect([allreduce!.same, bf16!.same, fp16!.same]).toEqual([true, true, true]);
    expect(allreduce!.distance).toBe(0);
    for (const [hook, most] of [
      [bf16!, 1e-2],
      [fp16!, 1e-3],
    ] as const) {
      expect(hook.distance).toBeGreaterThan(0);
      expect(hook.distance).toBeLessThan(most);
    }
  });
  it('may leave parameters out, if told so', () => {
    const { found, strict, static: fixed } = both('unused');
    expect(found).toEqual([[1, 1, 1], [2, 2, 2], null]);
    expect(strict).toBe(
      "DistributedDataParallel.forward: the backward before gave no gradient to 'c.bias', 'c.weight', 'b.bias', 'b.weight', so that gradients were not exchanged. Use all parameters in the loss, or give { findUnusedParameters: true }",
    );
    expect(fixed).toEqual([[9, 9, 9], null]);
  });
  it('go on when one has no data left', () => {
    expect(told.map((t) => t.join!.counts)).toEqual([2, 5]);
    for (const { join } of told) {
      expect(join!.same).toBe(true);
      expect(join!.early).toBe('DistributedDataParallel.join: 1 of 2 ranks have no data left');
    }
  });
  it('refuse what can’t work, on all ranks', () => {
    const { different, frozen, option, device, whole, compiled, keys } = both('refusals');
    expect(different).toBe(
      "DistributedDataParallel: ranks have different modules: at place 0 rank 0 has parameter 'weight', float32 of shape [2,3], rank 1 parameter 'weight', float32 of shape [3,3]",
    );
    expect(frozen).toContain('no parameter of the module requires grad');
    expect(option).toContain("unknown option 'findUnused'");
    expect(device).toContain("device 'cuda:0' doesn't exist here");
    expect(whole).toMatch(/other processes take part in it/);
    expect(compiled).toBeLessThan(1e-6);
    expect(keys).toEqual(['module.weight', 'module.bias']);
  });
  it('normalize by the statistics of all batches together', () => {
    for (const { syncBatchNorm } of told) {
      const { same, joint, gradient, empty, running, printed } = syncBatchNorm as Record<string, number>;
      expect(same).toBe(true);
      expect(joint).toBeGreaterThan(0);
      for (const distance of [joint, gradient, empty, running]) expect(distance).toBeLessThan(5e-6);
      expect(printed).toContain('SyncBatchNorm(2, eps=1e-05, momentum=0.1, affine=true');
    }
  });
  it('divide an optimizer’s state among them', () => {
    const { same, distance, held, before, states, lr, wrong, option } = told[0]!.zero!;
    expect([same, distance], JSON.stringify(told[0]!.zero)).toEqual([true, 0]);
    expect((held as number) + (told[1]!.zero!.held as number)).toBe(4);
    expect(held).toBeLessThan(4);
    expect(before).toContain('call consolidateStateDict(to) on all ranks');
    expect(states).toEqual(['0', '1', '2', '3']);
    expect(lr).toBe(0.00125);
    expect(wrong).toBe("ZeroRedundancyOptimizer: optimizerClass must be an optimizer's class, got 'Adam'");
    expect(option).toContain("SGD: unknown option 'lrr'");
    expect(told[1]!.zero!.distance).toBe(0);
  });
  it('know their share of a dataset', () => {
    expect(told.map((t) => t.sampler)).toEqual([
      [2, 0, [0, 2, 4]],
      [2, 1, [1, 3, 0]],
    ]);
  });
});

it('says what to do where there is no group', () => {
  expect(() => new nn.parallel.DistributedDataParallel(new nn.Linear(1, 1))).toThrow(
    /DistributedDataParallel: (needs a process group|there is no process group)/,
  );
});
