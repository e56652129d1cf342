/**
 * Random programs, compiled: values, gradients and training steps are those of the programs themselves, bit for bit, at every
 * call. More of them: COMPILE_PROGRAMS=2000 npx vitest run test/compile/programs.test.ts
 */
import { describe, expect, it } from 'vitest';
import { compile, manualSeed, noGrad, optim, randn, type Tensor } from '../../lib/index.js';
import { randomProgram } from './programs.js';

const COUNT = Number(process.env.COMPILE_PROGRAMS ?? 24);
const SHAPES = [
  [[4, 6], [6], [4, 1], [5, 6]],
  [[17, 33], [33], [17, 1], [9, 33]],
  [[3, 2, 5], [5], [2, 5], [4, 5]],
  [[64, 100], [1], [], [100, 100]],
]; // prettier-ignore

const bits = (t: Tensor): string =>
  Buffer.from((t.detach().toTypedArray() as Float32Array).slice().buffer).toString('hex');
const inputs = (seed: number): Tensor[] => SHAPES[seed % SHAPES.length]!.map((shape) => randn(shape));

/** Runs `use` with the same draws, plain and compiled, three times each, and compares all that it gives. */
function compare(
  seed: number,
  program: (...x: Tensor[]) => Tensor,
  use: (f: typeof program) => (...x: Tensor[]) => Tensor[],
): void {
  const run = (f: typeof program): string[][] => {
    manualSeed(seed);
    const call = use(f);
    return Array.from({ length: 3 }, () => call(...inputs(seed)).map(bits));
  };
  const compiled = compile(program);
  expect(run(compiled)).toEqual(run(program));
  expect(compiled.plans[0]!.calls).toBeGreaterThan(0);
}

describe.each(Array.from({ length: COUNT }, (_, i) => i))('program %i', (seed) => {
  manualSeed(seed);
  const program = randomProgram(seed, inputs(seed), 6 + (seed % 14));
  it('forward', () => {
    compare(seed, program, (f) => (...x) => [noGrad(() => f(...x))]);
  });
  it('gradients outside', () => {
    compare(seed, program, (f) => (...x) => {
      const leaves = x.map((t) => t.requiresGrad_(true));
      const out = f(...leaves);
      if (!out.requiresGrad) return [out];
      out.backward();
      return [out, ...leaves.map((t) => t.grad ?? t)];
    });
  });
  it('training steps', () => {
    const run = (wrap: (f: () => Tensor) => () => Tensor): string[][] => {
      manualSeed(seed);
      const leaves = inputs(seed).map((t) => t.requiresGrad_(true));
      const optimizer = new optim.Adam(leaves, { lr: 0.01 });
      const step = wrap(() => {
        optimizer.zeroGrad();
        const loss = program(...leaves);
        if (loss.requiresGrad) loss.backward();
        optimizer.step();
        return loss.detach();
      });
      return Array.from({ length: 4 }, () => [step(), ...leaves].map(bits));
    };
    expect(run(compile)).toEqual(run((f) => f));
  });
});
