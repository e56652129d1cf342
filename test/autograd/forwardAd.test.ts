/** Forward derivatives over backward passes, func.linearize, random.forkRng, config. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';

const { dualLevel, makeDual, unpackDual, enterDualLevel, exitDualLevel } = tf.autograd.forwardAd;
const double = (...x: number[]): Tensor => tf.tensor(x, { dtype: 'float64' });
const near = (got: Tensor, want: number[]): void =>
  (got.reshape([-1]).tolist() as number[]).forEach((x, i) => expect(x).toBeCloseTo(want[i]!, 12));

describe('autograd.forwardAd', () => {
  it('gives J · v, over several duals', () => {
    dualLevel(() => {
      const x = makeDual(double(1, 2), double(3, 5));
      const y = makeDual(double(2, 7), double(1, -1));
      const { primal, tangent } = unpackDual(x.mul(y).sin());
      near(primal, [Math.sin(2), Math.sin(14)]);
      near(tangent!, [Math.cos(2) * (3 * 2 + 1), Math.cos(14) * (5 * 7 - 2)]);
      expect(primal.requiresGrad).toBe(false);
      const [own, direction] = unpackDual(x);
      expect([own.tolist(), direction!.tolist()]).toEqual([[1, 2], [3, 5]]); // prettier-ignore
      expect(unpackDual(double(4)).tangent).toBe(null);
      near(unpackDual(x.sum().add(double(1))).tangent!, [8]);
      // Twice from one graph.
      const z = x.exp();
      near(unpackDual(z).tangent!, [3 * Math.E, 5 * Math.E ** 2]);
      near(unpackDual(z.mul(2)).tangent!, [6 * Math.E, 10 * Math.E ** 2]);
    });
  });
  it('agrees with func.jvp for a network, and can be differentiated backwards', () => {
    const f = (x: Tensor): Tensor => x.tanh().matmul(x.t()).softmax(-1);
    const [x, v] = [tf.randn([3, 4], { dtype: 'float64' }), tf.randn([3, 4], { dtype: 'float64' })];
    const tangent = dualLevel(() => unpackDual(f(makeDual(x, v))).tangent!);
    near(tangent, tf.func.jvp(f, [x], [v])[1].reshape([-1]).tolist() as number[]);
    const leaf = double(2).requiresGrad_();
    const slope = dualLevel(() => unpackDual(makeDual(leaf, double(1)).pow(3)).tangent!);
    slope.sum().backward();
    near(leaf.grad!, [12]);
  });
  it('levels open and close', () => {
    expect(() => makeDual(double(1), double(1))).toThrow(/makeDual: no level is open/);
    enterDualLevel();
    expect(() => enterDualLevel()).toThrow(/enterDualLevel: a level is open already/);
    exitDualLevel();
    expect(() => exitDualLevel()).toThrow(/exitDualLevel: no level is open/);
    expect(() => dualLevel(() => makeDual(double(1), double(1, 2)))).toThrow(/makeDual: tangent must be float64 \[1\], got float64 \[2\]/); // prettier-ignore
    expect(() => dualLevel(() => makeDual(tf.tensor([1n]), tf.tensor([1n])))).toThrow(/must be floating-point/);
    const scope = dualLevel();
    near(unpackDual(makeDual(double(3), double(1)).square()).tangent!, [6]);
    scope[Symbol.dispose]();
    expect(() => unpackDual(double(1))).toThrow(/unpackDual: no level is open/);
  });
});

it('func.linearize: J · v for many v from one run', () => {
  let runs = 0;
  const f = (x: Tensor, y: Tensor): Tensor => {
    runs++;
    return x.mul(y).cumsum(0);
  };
  const [value, product] = tf.func.linearize(f, double(1, 2), double(3, 4));
  near(value, [3, 11]);
  near(product(double(1, 0), double(0, 0)), [3, 3]);
  near(product(double(0, 1), double(1, 1)), [1, 7]);
  expect(runs).toBe(1);
  near(tf.func.linearize((x: Tensor) => x.mul(0).detach(), double(1))[1](double(5)), [0]);
  expect(() => product(double(1, 0))).toThrow(/linearize: expected 2 directions, got 1/);
});

describe('random.forkRng', () => {
  it('leaves no trace', () => {
    tf.manualSeed(0);
    const first = tf.rand(3).tolist();
    tf.manualSeed(0);
    expect(tf.random.forkRng(() => tf.rand(1000).shape)).toEqual([1000]);
    const scope = tf.random.forkRng();
    tf.randn(7);
    scope[Symbol.dispose]();
    expect(() => tf.random.forkRng(() => { tf.rand(1); throw new Error('x'); })).toThrow('x'); // prettier-ignore
    expect(tf.rand(3).tolist()).toEqual(first);
    tf.manualSeed(0);
    tf.random.forkRng(() => tf.rand(3), { enabled: false });
    expect(tf.rand(3).tolist()).not.toEqual(first);
    expect(() => tf.random.forkRng({ enable: false } as never)).toThrow(
      /unknown option 'enable', did you mean 'enabled'/,
    );
    expect(() => tf.random.forkRng(async () => Promise.resolve())).toThrow(/forkRng: the function is async/);
  });
  it('random has the generator’s functions', () => {
    tf.random.manualSeed(7);
    expect(tf.random.initialSeed()).toBe(7);
    const state = tf.random.getRngState();
    const x = tf.rand(2).tolist();
    tf.random.setRngState(state);
    expect(tf.rand(2).tolist()).toEqual(x);
  });
});

it('version and config say what runs', () => {
  const c = tf.config();
  expect(c.pytorch).toBe('2.15');
  expect(c.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(`${tf.version}`).toBe(c.version);
  expect(c.threads).toBe(tf.getNumThreads());
  expect(tf.__config__.show()).toContain(c.instructionSet);
  expect(tf.__config__.parallelInfo()).toContain(String(c.threads));
});
