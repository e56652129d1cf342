/** LBFGS against PyTorch on Rosenbrock's function, from a checkpoint, and what it refuses. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Tensor, optim, tensor, tidy } from '../../lib/index.js';

const { lbfgs } = JSON.parse(readFileSync(new URL('../fixtures/optim.json', import.meta.url), 'utf8')) as {
  lbfgs: { options: Record<string, unknown>; steps: { loss: number; x: number[] }[] }[];
};
const camel = (name: string): string => name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());

function problem(start: number[], options: object) {
  const x = tensor(start, { dtype: 'float64', requiresGrad: true });
  const optimizer = new optim.LBFGS([x], options);
  const closure = (): Tensor => {
    optimizer.zeroGrad();
    const [a, b] = [x.select(0, 0), x.select(0, 1)];
    const loss = a
      .rsub(1)
      .pow(2)
      .add(b.sub(a.pow(2)).pow(2).mul(100));
    loss.backward();
    return loss;
  };
  return { x, optimizer, closure };
}

describe.each(lbfgs.map((l) => [JSON.stringify(l.options), l] as const))('%s', (_, { options, steps }) => {
  const named = Object.fromEntries(Object.entries(options).map(([k, v]) => [camel(k), v]));
  // Each step multiplies differences of rounding, so that 1e-16 may have grown to this.
  const close = (got: number, want: number): void =>
    expect(Math.abs(got - want)).toBeLessThan(1e-7 * (1 + Math.abs(want)));

  it('follows PyTorch', () => {
    const { x, optimizer, closure } = problem([-1.5, 1.2], named);
    for (const step of steps) {
      close(optimizer.step(closure).item(), step.loss);
      (x.tolist() as number[]).forEach((v, i) => close(v, step.x[i]!));
    }
  });

  it('goes on from a checkpoint', () => {
    const first = problem([-1.5, 1.2], named);
    for (let i = 0; i < 3; i++) first.optimizer.step(first.closure);
    const second = problem(first.x.tolist() as number[], {});
    second.optimizer.loadStateDict(first.optimizer.stateDict());
    for (const step of steps.slice(3)) {
      second.optimizer.step(second.closure);
      (second.x.tolist() as number[]).forEach((v, i) => close(v, step.x[i]!));
    }
  });
});

it('refuses groups, steps without closure, other line searches', () => {
  const x = tensor([1], { requiresGrad: true });
  expect(() => new optim.LBFGS([{ params: [x] }, { params: [tensor([1])] }] as never)).toThrow(
    "LBFGS: groups of parameters aren't possible",
  );
  expect(() => new optim.LBFGS([x]).step()).toThrow('LBFGS.step: needs a closure');
  expect(() => new optim.LBFGS([x]).step(() => 'high')).toThrow(
    "the closure must return the loss, a tensor of one element or a number; got 'high'",
  );
  expect(() => new optim.LBFGS([x], { lineSearchFn: 'wolfe' as never })).toThrow(
    "LBFGS: lineSearchFn must be 'strong_wolfe' or null, got 'wolfe'",
  );
});

it('goes on inside tidy() as outside', () => {
  const run = (around: <T>(step: () => T) => T): number[] => {
    const x = tensor([-1.5, 2], { dtype: 'float64', requiresGrad: true });
    const optimizer = new optim.LBFGS([x], { lr: 0.5, maxIter: 4, historySize: 3 });
    const step = (): void =>
      void optimizer.step(() => {
        optimizer.zeroGrad();
        const loss = x.pow(4).sum().add(x.prod());
        loss.backward();
        return loss;
      });
    for (let i = 0; i < 8; i++) around(step);
    return x.tolist() as number[];
  };
  expect(run(tidy)).toEqual(run((step) => step()));
});
