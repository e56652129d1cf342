/** Memory in synchronous loops: bounded, and never handed on while anything can still see it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { noGrad, ones, rand, type Tensor } from '../lib/index.js';
import { residentDuring } from '../bench/memory.js';
import { mlpTraining } from '../bench/tasks/networks.js';
import { tiny } from '../bench/tasks/tiny.js';
import { type Subject } from '../bench/task.js';

const MB = 2 ** 20;

setFlagsFromString('--expose-gc');
const collectAll = runInNewContext('gc') as () => void;

/** A call in a frame of its own, so that what it leaves on the stack doesn't hold objects. */
const inside = <T>(f: () => T): T => [f].map((each) => each())[0]!;

/** Makes and drops results, so that whatever is free is used again. */
function churn(elements: number): void {
  for (let i = 0; i < 100; i++) ones([elements]); // a slab's worth, so that x doesn't hold the one of the tensor in question
  collectAll();
  const x = ones([elements]);
  noGrad(() => {
    for (let i = 0; i < (13 * MB) / elements; i++) x.mul(-1);
  });
}

describe('a synchronous loop that drops its tensors keeps its memory', () => {
  test('50,000 steps of eleven numbers', () => {
    const { before, after } = residentDuring(tiny['tiny-loop']!() as Subject, 5_000, 50_000);
    expect(after - before).toBeLessThan(100 * MB);
  });
  test('150 steps of a multilayer perceptron', () => {
    const { before, after } = residentDuring(mlpTraining(), 30, 150);
    expect(after - before).toBeLessThan(100 * MB);
  });
  // Beside other busy processes V8's collections come late now and then, and the resident size with them.
  test('results of 2 MB, with a small one beside each', { retry: 2 }, () => {
    const x = rand([1 << 19]);
    const y = rand([4000]);
    const step = (): void => {
      y.add(1);
      x.add(1);
    };
    const { before, after } = noGrad(() => residentDuring({ step, check: () => ({}) }, 500, 5_000));
    expect(after - before).toBeLessThan(20 * MB);
  });
  test('results of 64 MB', () => {
    const x = rand([1 << 24]);
    const subject = { step: () => x.add(1), check: () => ({}) };
    const { before, after } = noGrad(() => residentDuring(subject, 3, 20));
    expect(after - before).toBeLessThan(300 * MB);
  });
});

// Tensors with a piece of memory of their own, and those that share a slab with others.
describe.each([65_536, 1000])('memory of %d numbers that something still sees is not used again', (n) => {
  const make = (): Tensor => ones([n]).add(1);
  test('a tensor, through a view of it alone', () => {
    const row = inside(() => make().reshape(8, -1).select(0, 7));
    churn(n);
    expect(row.eq(2).all().item()).toBe(true);
  });
  test('what a graph saved', () => {
    const x = ones([n]).requiresGrad_();
    const loss = x.mul(3).pow(2).sum();
    churn(n);
    loss.backward();
    expect(x.grad!.eq(18).all().item()).toBe(true);
  });
  test('asTypedArray', () => {
    const array = inside(() => make().asTypedArray() as Float32Array);
    churn(n);
    expect(array.every((v) => v === 2)).toBe(true);
  });
  test('data', () => {
    const data = inside(() => make().data);
    churn(n);
    expect(data.eq(2).all().item()).toBe(true);
  });
  test('every tenth of many, made while large ones force collections', () => {
    const large = ones([1 << 19]);
    const kept = Array.from({ length: 200 }, (_, i) => {
      for (let k = 0; k < 9; k++) ones([n]).mul(-1);
      noGrad(() => large.mul(-1));
      return ones([n]).mul(i);
    });
    churn(n);
    expect(kept.findIndex((t, i) => !t.eq(i).all().item())).toBe(-1);
  });
  test('a list of more tensors than are looked at between two collections', () => {
    const list = Array.from({ length: (7 * MB) / n }, (_, i) => ones([n]).mul(i));
    churn(n);
    expect(list.findIndex((t, i) => !t.eq(i).all().item())).toBe(-1);
  });
  test('operands of a running op: every step of a long chain is right', () => {
    let y = ones([n]);
    noGrad(() => {
      for (let i = 0; i < 300; i++)
        y = y
          .add(1)
          .mul(ones([n]))
          .sub(0);
    });
    expect(y.eq(301).all().item()).toBe(true);
  });
});

describe('memory that is kept', () => {
  /** Resident megabytes that a program's own process came to, beyond those at its mark. */
  const grown = (program: string): number => {
    const source = fileURLToPath(new URL('../lib/index.ts', import.meta.url));
    const text = `import { readFileSync } from 'node:fs';
      const peak = () => Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
      process.constrainedMemory = () => globalThis.limit ?? 0;
      const { rand, noGrad, tensor, emptyCache, cachedBytes } = await import(${JSON.stringify(source)});
      let before;
      ${program}
      console.log(peak() - before);`;
    const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', text], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, TENFOLD_CHECK: '' },
      encoding: 'utf8',
    });
    expect(child.status, child.stderr).toBe(0);
    return Number(child.stdout);
  };
  const onLinux = test.skipIf(process.platform !== 'linux');

  onLinux('a list of losses holds little more than the losses', () => {
    // 6 MB of activations a step, one number kept: 256 KB a step where it holds the slab of its neighbours.
    const mb = grown(`
      const x = rand(64, 40), w = rand(40, 60);
      const losses = [];
      const step = () => {
        for (let i = 0; i < 200; i++) x.matmul(w).relu().mul(0.5);
        losses.push(x.matmul(w).sum().detach());
      };
      for (let i = 0; i < 100; i++) step();
      before = peak();
      for (let i = 0; i < 600; i++) step();`);
    expect(mb).toBeLessThan(40);
  });
  onLinux('the pool stays within what a container leaves it', () => {
    const sizes = `
      noGrad(() => {
        for (let i = 0; i < 2000; i++) { rand(8).sum(); rand(300_000 + 1100 * i); }
      });`;
    const mb = grown(`globalThis.limit = 400 * 2 ** 20; before = peak(); ${sizes}`);
    expect(mb).toBeLessThan(200);
  });
  onLinux('emptyCache gives memory back, not only to the garbage collector', () => {
    const mb = grown(`
      const list = Array.from({ length: 50 }, () => rand(1 << 20));
      for (const t of list) t.dispose();
      if (cachedBytes() < 100 * 2 ** 20) throw new Error('nothing pooled');
      const rss = process.memoryUsage.rss();
      emptyCache();
      if (cachedBytes() !== 0) throw new Error('something is left');
      // V8 frees buffers on a thread of its own.
      const end = performance.now() + 10_000;
      while (process.memoryUsage.rss() > rss - 160 * 2 ** 20 && performance.now() < end);
      before = peak() - (process.memoryUsage.rss() - rss) / 2 ** 20;`);
    expect(mb).toBeLessThan(-150);
  });
});
