/** Calls of compiled functions beside JavaScript. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { AsyncOptions, compile, nn, noGrad, ones, profile, randn, tensor, type Tensor } from '../../lib/index.js';

const F = nn.functional;
const network = (): nn.Sequential => {
  const net = new nn.Sequential(new nn.Linear(64, 256), new nn.GELU(), new nn.LayerNorm(256), new nn.Linear(256, 16));
  return net.eval();
};

describe('async', () => {
  it('gives what the function gives, for several calls at once and arguments that change', async () => {
    const net = network();
    const f = compile((x: Tensor) => F.softmax(net.forward(x), -1), { concurrency: 2 });
    const inputs = Array.from({ length: 12 }, () => randn(8, 64));
    const wanted = noGrad(() => inputs.map((x) => F.softmax(net.forward(x), -1).tolist()));
    const pending = inputs.map(async (x) => {
      const y = f.async(x);
      x.zero_(); // it has been copied
      return (await y).tolist();
    });
    expect(await Promise.all(pending)).toEqual(wanted);
    expect(f.plans).toHaveLength(1);
  });
  it('results are asked for by the kind of arguments, also transposed ones', async () => {
    const f = compile((x: Tensor) => x.matmul(ones(4, 2)));
    expect((await f.async(ones(3, 4))).tolist()).toEqual(ones(3, 2).mul(4).tolist());
    expect((await f.async(ones(4, 5).t())).shape).toEqual([5, 2]);
  });
  it('leaves the event loop free', async () => {
    const net = new nn.Sequential(...Array.from({ length: 6 }, () => new nn.Linear(512, 512))).eval();
    const f = compile((x: Tensor) => net.forward(x));
    await f.async(randn(512, 512));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    let turns = 0;
    let running = true;
    const turn = (): void => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    for (let i = 0; i < 5; i++) await f.async(randn(512, 512));
    running = false;
    delay.disable();
    expect(turns).toBeGreaterThan(20);
  });
  it('calls of two functions run at the same time', async () => {
    const square = (x: Tensor): Tensor => x.matmul(x).matmul(x);
    const [f, g] = [compile(square), compile(square)];
    const x = randn(700, 700);
    await Promise.all([f.async(x), g.async(x)]);
    // On a machine that is busy one may be late; one thread for both would never do two at once.
    let together = false;
    for (let i = 0; i < 40 && !together; i++) {
      const { events } = await profile(() => Promise.all([f.async(x), g.async(x)]));
      const [a, b] = events.filter((e) => e.kind === 'plan');
      together = a!.start < b!.start + b!.duration && b!.start < a!.start + a!.duration;
    }
    expect(together).toBe(true);
  });
  it('parameters may not change meanwhile, and may afterwards', async () => {
    const w = randn(64, 64);
    const f = compile((x: Tensor) => x.matmul(w).matmul(w));
    await f.async(ones(2048, 64));
    const pending = f.async(ones(2048, 64));
    expect(() => w.add_(1)).toThrow(/^add_: an asynchronous call .* still uses this tensor/);
    expect(() => w.dispose()).toThrow(/still uses/);
    await pending;
    w.add_(1);
  });
  it('is cancelled by a signal, before it runs or while it does', async () => {
    const w = randn(256, 256);
    const f = compile((x: Tensor) => {
      for (let i = 0; i < 20; i++) x = x.matmul(w);
      return x;
    });
    const x = randn(256, 256);
    await f.async(x);
    const abort = new AbortController();
    const options = new AsyncOptions({ signal: abort.signal });
    const both = [f.async(x, options), f.async(x, options)];
    const settled = Promise.allSettled(both);
    abort.abort();
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
    await expect(f.async(x, options)).rejects.toMatchObject({ name: 'AbortError' });
    expect((await f.async(x)).shape).toEqual([256, 256]);
  });
  it('errors of kernels are rejections that name the call', async () => {
    const f = compile(function lookup(i: Tensor) {
      return F.embedding(i, ones(3, 2));
    });
    await f.async(tensor([0, 1], { dtype: 'int64' }));
    await expect(f.async(tensor([0, 7], { dtype: 'int64' }))).rejects.toThrow(/^lookup: .*7/);
    expect((await f.async(tensor([2, 2], { dtype: 'int64' }))).shape).toEqual([2, 2]);
  });
  it('what changes tensors from outside is refused', async () => {
    const f = compile((x: Tensor) => F.dropout(x, 0.5));
    await expect(f.async(ones(4))).rejects.toThrow(/changes tensors from outside/);
    const norm = new nn.BatchNorm1d(4);
    await expect(norm.forwardAsync(ones(2, 4))).rejects.toThrow(/changes tensors from outside/);
  });
  it('of modules: forwardAsync and compile()', async () => {
    const net = network();
    const x = randn(3, 64);
    const wanted = noGrad(() => net.forward(x).tolist() as unknown);
    expect(((await net.forwardAsync(x)) as Tensor).tolist()).toEqual(wanted);
    net.compile();
    for (let i = 0; i < 3; i++) expect(noGrad(() => (net.forward(x) as Tensor).tolist())).toEqual(wanted);
    expect(((await net.forwardAsync(x)) as Tensor).tolist()).toEqual(wanted);
  });
});
