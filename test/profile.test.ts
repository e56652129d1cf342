/** profile: what it sees, how it adds up, and what becomes of it. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compile, nn, noGrad, ones, optim, profile, randn, recordFunction, type Tensor } from '../lib/index.js';

const by = (rows: readonly { name: string }[], name: string): Record<string, number> =>
  (rows.find((r) => r.name === name) ?? expect.fail(`no row '${name}'`)) as unknown as Record<string, number>;

describe('profile', () => {
  const model = new nn.Sequential(new nn.Linear(8, 16), new nn.Tanh(), new nn.Linear(16, 1));
  const optimizer = new optim.Adam(model.parameters());
  const x = randn(32, 8);
  const step = (): Tensor => {
    optimizer.zeroGrad();
    const loss = recordFunction('forward', () => model.forward(x).square().mean());
    loss.backward();
    optimizer.step();
    return loss.detach();
  };

  it('counts ops, rules of the backward pass, ranges and kernels, within each other', () => {
    step();
    const found = profile(() => [step(), step()]);
    expect(found.result).toHaveLength(2);
    const rows = found.keyAverages();
    expect(by(rows, 'tanh')).toMatchObject({ kind: 'op', calls: 2, bytes: 2 * 2 * 4 * 32 * 16 });
    expect(by(rows, 'TanhBackward0')).toMatchObject({ kind: 'backward', calls: 2 });
    expect(by(rows, 'Adam.step').calls).toBe(2);
    expect(by(rows, 'forward')).toMatchObject({ kind: 'range', calls: 2 });
    const forward = by(rows, 'forward');
    expect(forward.total).toBeGreaterThan(by(rows, 'tanh').total!);
    expect(forward.self).toBeLessThan(forward.total!);
    const kernels = found.keyAverages({ group: 'kernel' });
    expect(by(kernels, 'tanh (float32)').calls).toBe(2);
    expect(by(kernels, 'adamStep (float32)').calls).toBe(2);
    // Everything on JavaScript's thread lies within the whole.
    expect(rows.reduce((sum, r) => sum + r.self, 0)).toBeLessThanOrEqual(found.duration);
    for (const e of found.events) expect(e.self).toBeLessThanOrEqual(e.duration + 1e-9);
  });

  it('sees in-place calls, and counts what calls itself once', () => {
    const nested = (n: number): unknown => recordFunction('nested', () => (n === 0 ? ones(3).mul_(2) : nested(n - 1)));
    const found = profile(() => nested(3));
    const row = by(found.keyAverages(), 'nested');
    expect(row.calls).toBe(4);
    expect(row.total).toBeLessThanOrEqual(found.duration);
    expect(by(found.keyAverages(), 'mul_').calls).toBe(1);
  });

  it('sees replays with their launches, and asynchronous ones beside', async () => {
    const f = compile(function chain(t: Tensor) {
      return t.mul(2).add(1).sum();
    });
    const t = randn(100);
    noGrad(() => f(t));
    const found = profile(() => noGrad(() => f(t)));
    const row = by(found.keyAverages(), 'chain (compiled)');
    expect(row).toMatchObject({ kind: 'plan', calls: 1 });
    expect(row.bytes).toBeGreaterThan(0);
    expect(found.keyAverages({ group: 'kernel' }).map((r) => r.name)).toContain('sum (float32)');
    const beside = await profile(async () => {
      const results = await Promise.all([f.async(t), f.async(t)]);
      return results.length;
    });
    expect(beside.result).toBe(2);
    const plans = beside.events.filter((e) => e.kind === 'plan');
    expect(plans).toHaveLength(2);
    for (const e of plans) expect(e.thread).toBeLessThan(0);
  });

  it('gives tables that are sorted, cut and grouped as asked', () => {
    const found = profile(step);
    const lines = found.table({ sortBy: 'calls', rowLimit: 3 }).split('\n');
    expect(lines[0]).toMatch(/^name +self % +self +total % +total +mean +calls +bytes$/);
    expect(lines).toHaveLength(7);
    for (const sortBy of ['self', 'total', 'mean', 'calls', 'bytes'] as const) {
      const values = found.keyAverages({ sortBy }).map((r) => r[sortBy]);
      expect(values).toEqual([...values].sort((a, b) => b - a));
    }
    const names = found.keyAverages({ sortBy: 'name' }).map((r) => r.name);
    expect(names).toEqual([...names].sort());
    expect(String(found)).toBe(found.table());
    // @ts-expect-error no such order
    expect(() => found.table({ sortBy: 'time' })).toThrow(/sortBy must be one of self, total/);
    // @ts-expect-error no such option
    expect(() => found.table({ limit: 3 })).toThrow(/unknown option 'limit'/);
    expect(() => found.keyAverages({ rowLimit: 0 })).toThrow(RangeError);
  });

  it("writes Chrome's trace", () => {
    const file = join(mkdtempSync(join(tmpdir(), 'tenfold-profile-')), 'trace.json');
    const found = profile(step);
    found.exportChromeTrace(file);
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: Record<string, unknown>[] };
    const spans = traceEvents.filter((e) => e.ph === 'X');
    expect(spans).toHaveLength(found.events.length);
    expect(traceEvents.filter((e) => e.ph === 'M')[0]).toMatchObject({
      name: 'thread_name',
      args: { name: 'JavaScript' },
    });
    const [first] = spans;
    expect(Object.keys(first!)).toEqual(expect.arrayContaining(['name', 'cat', 'ts', 'dur', 'pid', 'tid']));
  });

  it('ends with what it runs, also where that throws, and can’t be nested', async () => {
    expect(() =>
      profile(() => {
        throw new Error('within');
      }),
    ).toThrow('within');
    await expect(profile(() => Promise.reject(new Error('later')))).rejects.toThrow('later');
    expect(() => profile(() => profile(() => 1))).toThrow(/a profile is running already/);
    expect(profile(() => 1).result).toBe(1);
    expect(profile(() => 1).events).toEqual([]);
    // @ts-expect-error no function
    expect(() => profile(3)).toThrow(TypeError);
    expect(recordFunction('alone', () => 7)).toBe(7);
  });
});
