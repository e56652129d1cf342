/** parametrize, parametrizations, prune, functionalCall: beside PyTorch 2.15 (scripts/record/parametrized.py), and by hand. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { nn, type Tensor } from '../../lib/index.js';
import { camel, readFixture } from '../operators/format.js';

type Numbers = number | Numbers[];
type State = Record<string, Numbers>;
const recorded = readFixture<{
  parametrized: { kind: string; shape: [number, number]; named: Record<string, unknown>; weight: Numbers; grads: State; state: State; left: State; string: string }[];
  pruned: { steps: [string, (number | 'inf')[]][]; state: State; weight: Numbers; left: State }[];
  globally: { amount: number; masks: Numbers[] }[];
}>('parametrized.json'); // prettier-ignore
const { parametrize, parametrizations, prune } = nn.utils;

/** The formula of scripts/record/optim.py. */
function fill(seed: number, shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, (_, i) => ((seed * 7919 + i * 104729) % 2003) / 1001 - 1);
  return tf.tensor(values, { dtype: 'float64' }).reshape(shape);
}
function layer(m: number, n: number): nn.Linear {
  const module = new nn.Linear(n, m).double();
  tf.noGrad(() => {
    module.weight.copy_(fill(1, [m, n]));
    module.bias!.copy_(fill(2, [m]));
  });
  return module;
}
const flat = (x: unknown): number[] => (Array.isArray(x) ? (x.flat(9) as number[]) : [x as number]);
const near = (got: unknown, want: unknown, what = ''): void => {
  const [a, b] = [flat(got), flat(want)];
  expect(a.length, what).toBe(b.length);
  a.forEach((x, i) => expect(Math.abs(x - b[i]!), `${what}: ${x} instead of ${b[i]}`).toBeLessThan(1e-10));
};
function sameState(module: nn.Module, want: State): void {
  const state = module.stateDict();
  expect(Object.keys(state).sort()).toEqual(Object.keys(want).sort());
  for (const [key, value] of Object.entries(want)) near(state[key]!.tolist(), value, key);
}

describe('parametrizations', () => {
  it.each(recorded.parametrized)('$kind $shape $named', ({ kind, shape, named, weight, grads, state, left }) => {
    tf.manualSeed(0);
    const module = layer(...shape);
    const apply = (parametrizations as unknown as Record<string, (m: nn.Module, o: object) => nn.Module>)[camel(kind)]!;
    const options = Object.fromEntries(Object.entries(named).map(([k, v]) => [camel(k), v]));
    expect(apply(module, options)).toBe(module);
    const w = module.weight;
    w.mul(fill(5, shape)).sum().backward();
    near(w.tolist(), weight);
    for (const [key, want] of Object.entries(grads)) near(module.getParameter(key).grad!.tolist(), want, key);
    sameState(module, state);
    parametrize.removeParametrizations(module, 'weight');
    sameState(module, left);
    expect(module.constructor).toBe(nn.Linear);
  });

  it('orthogonal: weights stay orthogonal through steps, and can be assigned', () => {
    for (const orthogonalMap of ['matrix_exp', 'cayley', 'householder']) {
      const module = parametrizations.orthogonal(new nn.Linear(4, 4).double(), { orthogonalMap });
      const optimizer = new tf.optim.SGD(module.parameters(), { lr: 0.1 });
      module.weight
        .mul(fill(3, [4, 4]))
        .sum()
        .backward();
      optimizer.step();
      near(module.weight.matmul(module.weight.mT).tolist(), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
      const turned = tf.eye(4, { dtype: 'float64' }).flip(0);
      (module as { weight: Tensor }).weight = turned;
      near(module.weight.tolist(), turned.tolist());
    }
    expect(() => parametrizations.orthogonal(new nn.Linear(2, 2), 'bias')).toThrow(/orthogonal: needs matrices/);
    expect(() => parametrizations.orthogonal(new nn.Linear(2, 2), 'weight', 'qr')).toThrow(
      /orthogonalMap must be one of/,
    );
  });
  it('have gradients of both orders', () => {
    for (const [kind, options] of [
      ['weightNorm', {}],
      ['orthogonal', { orthogonalMap: 'matrix_exp' }],
      ['orthogonal', { orthogonalMap: 'cayley' }],
    ] as const) {
      const module = parametrizations[kind](layer(3, 3), options as never);
      const list = module.parameters().filter((p) => p !== module.bias);
      const at = (...tensors: Tensor[]): Tensor => {
        const names = module.namedParameters().filter(([, p]) => p !== module.bias).map(([key]) => key); // prettier-ignore
        const given = Object.fromEntries(names.map((key, i) => [key, tensors[i]!]));
        return tf.func.functionalCall(module, given, fill(8, [2, 3]));
      };
      const inputs = list.map((p) => p.detach().requiresGrad_());
      expect(tf.autograd.gradcheck(at, inputs)).toBe(true);
      expect(tf.autograd.gradgradcheck(at, inputs)).toBe(true);
    }
  });
});

class Symmetric extends nn.Module {
  override forward(x: Tensor): Tensor {
    return x.triu().add(x.triu(1).mT);
  }
  rightInverse(a: Tensor): Tensor {
    return a.triu();
  }
}
class Doubled extends nn.Module {
  calls = 0;
  override forward(x: Tensor): Tensor {
    this.calls++;
    return x.mul(2);
  }
}

describe('parametrize', () => {
  it('computes at every reading, chains, assigns, prints and travels', () => {
    const module = layer(3, 3);
    const weight = module.weight;
    parametrize.registerParametrization(module, 'weight', new Symmetric());
    expect(module.weight.equal(module.weight.mT)).toBe(true);
    expect(module instanceof nn.Linear).toBe(true);
    expect(module.constructor.name).toBe('ParametrizedLinear');
    expect(parametrize.typeBeforeParametrizations(module)).toBe(nn.Linear);
    expect(parametrize.isParametrized(module)).toBe(true);
    expect(parametrize.isParametrized(module, 'bias')).toBe(false);
    expect(Object.keys(module.stateDict()).sort()).toEqual(['bias', 'parametrizations.weight.original']);
    expect(module.getParameter('parametrizations.weight.original')).toBe(weight);
    const symmetric = fill(4, [3, 3]).add(fill(4, [3, 3]).mT);
    (module as { weight: Tensor }).weight = symmetric;
    near(module.weight.tolist(), symmetric.tolist());
    near(
      module.forward(fill(9, [2, 3])).tolist(),
      nn.functional.linear(fill(9, [2, 3]), symmetric, module.bias).tolist(),
    );
    parametrize.registerParametrization(module, 'weight', new Doubled());
    near(module.weight.tolist(), symmetric.mul(2).tolist());
    expect(() => ((module as { weight: Tensor }).weight = symmetric)).toThrow(/Doubled has no rightInverse/);
    const copy = module.clone();
    tf.noGrad(() => weight.zero_());
    near(copy.weight.tolist(), symmetric.mul(2).tolist());
    expect(module.weight.abs().sum().item()).toBe(0);
    const target = parametrize.transferParametrizationsAndParams(copy, layer(3, 3));
    near(target.weight.tolist(), symmetric.mul(2).tolist());
    parametrize.removeParametrizations(module, 'weight', { leaveParametrized: false });
    expect(module.weight).toBe(weight);
    near(copy.weight.tolist(), symmetric.mul(2).tolist());
  });
  it('cached computes once; other tensors of a module are untouched', () => {
    const module = layer(2, 2);
    const doubled = new Doubled();
    parametrize.registerParametrization(module, 'weight', doubled, { unsafe: true });
    parametrize.registerParametrization(module, 'bias', new Doubled());
    doubled.calls = 0;
    parametrize.cached(() => expect(module.weight).toBe(module.weight));
    expect(doubled.calls).toBe(1);
    expect(module.weight).not.toBe(module.weight);
    parametrize.removeParametrizations(module, 'weight');
    near(module.bias!.tolist(), fill(2, [2]).mul(2).tolist());
    expect(parametrize.isParametrized(module, 'bias')).toBe(true);
  });
  it('refuses what does not fit, and changes nothing', () => {
    class Wrong extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.sum(0);
      }
    }
    const module = layer(2, 2);
    expect(() => parametrize.registerParametrization(module, 'weight', new Wrong())).toThrow(/Wrong.forward makes float64 \[2\] of float64 \[2, 2\]/); // prettier-ignore
    expect(Object.keys(module.stateDict())).toEqual(['weight', 'bias']);
    expect(() => parametrize.registerParametrization(module, 'weigth', new Symmetric())).toThrow(/no parameter or buffer 'weigth', did you mean 'weight'/); // prettier-ignore
    expect(() => parametrize.removeParametrizations(module, 'weight')).toThrow(
      /'weight' of Linear is not parametrized/,
    );
    expect(() => parametrize.registerParametrization(module, 'weight', tf.ones(1) as never)).toThrow(
      /expected a module/,
    );
  });
});

describe('prune', () => {
  it.each(recorded.pruned)('$steps', ({ steps, state, weight, left }) => {
    tf.manualSeed(0);
    const module = layer(4, 6);
    for (const [name, args] of steps) {
      const method = (prune as unknown as Record<string, (...a: unknown[]) => unknown>)[camel(name)]!;
      expect(method(module, 'weight', ...args.map((a) => (a === 'inf' ? Infinity : a)))).toBe(module);
    }
    sameState(module, state);
    near(module.weight.tolist(), weight);
    expect(prune.isPruned(module)).toBe(true);
    near(module.forward(fill(3, [1, 6])).tolist(), nn.functional.linear(fill(3, [1, 6]), tf.tensor(weight as number[][], { dtype: 'float64' }), module.bias).tolist()); // prettier-ignore
    prune.remove(module, 'weight');
    sameState(module, left);
    expect(prune.isPruned(module)).toBe(false);
  });
  it.each(recorded.globally)('globally $amount', ({ amount, masks }) => {
    const [first, second] = [layer(3, 2), layer(2, 3)];
    prune.globalUnstructured([[first, 'weight'], [second, 'weight'], [second, 'bias']], prune.L1Unstructured, { amount }); // prettier-ignore
    const got = [first.getBuffer('weight_mask'), second.getBuffer('weight_mask'), second.getBuffer('bias_mask')];
    got.forEach((mask, i) => near(mask.tolist(), masks[i]));
  });
  it('gradients reach what is left, and the mask goes on in a copy', () => {
    const module = prune.customFromMask(layer(2, 2), 'weight', tf.tensor([[1, 0], [0, 1]])); // prettier-ignore
    const copy = module.clone();
    copy
      .forward(tf.ones(1, 2, { dtype: 'float64' }))
      .sum()
      .backward();
    expect(copy.getParameter('weight_orig').grad!.tolist()).toEqual([[1, 0], [0, 1]]); // prettier-ignore
    expect(prune.isPruned(new nn.Sequential(copy))).toBe(true);
    expect(prune.isPruned(layer(2, 2))).toBe(false);
  });
  it('refuses bad amounts, names and masks, and leaves the module as it was', () => {
    const module = layer(2, 2);
    expect(() => prune.l1Unstructured(module, 'weight', 1.5)).toThrow(/amount must be a number of elements/);
    expect(() => prune.l1Unstructured(module, 'weight', 5)).toThrow(/amount 5 is more than the 4/);
    expect(() => prune.lnStructured(module, 'bias', 1, 2, 0)).toThrow(/tensors of at least two dims, got \[2\]/);
    expect(() => prune.l1Unstructured(1 as never, 'weight', 1)).toThrow(/l1Unstructured: expected a module, got 1/);
    expect(() => prune.identity(module, 'x')).toThrow(/no parameter 'x'/);
    expect(() => prune.remove(module, 'weight')).toThrow(/'weight' of Linear is not pruned/);
    expect(() => prune.customFromMask(module, 'weight', tf.ones(3))).toThrow(/customFromMask: mask must be \[2, 2\]/);
    expect(() => prune.l1Unstructured(module, 'weight', 1, tf.ones(3))).toThrow(/importanceScores must have/);
    expect(Object.keys(module.stateDict())).toEqual(['weight', 'bias']);
  });
});

describe('functionalCall', () => {
  it('computes with other tensors, to which gradients flow', () => {
    const module = layer(2, 3);
    const x = fill(3, [4, 3]);
    const weight = fill(7, [2, 3]).requiresGrad_();
    const out = tf.func.functionalCall(module, { weight, bias: tf.zeros(2, { dtype: 'float64' }) }, x);
    near(out.tolist(), x.matmul(weight.t()).tolist());
    out.sum().backward();
    near(weight.grad!.tolist(), [x.sum(0).tolist(), x.sum(0).tolist()]);
    expect(module.weight.grad).toBe(null);
    expect(module.weight instanceof nn.Parameter).toBe(true);
    near(nn.utils.stateless.functionalCall(module, { weight }, [x]).tolist(), out.add(module.bias!).tolist());
  });
  it('reaches nested modules, options, buffers and tied weights', () => {
    class Tied extends nn.Module {
      first = new nn.Linear(2, 2, { bias: false });
      second = new nn.Linear(2, 2, { bias: false });
      constructor() {
        super();
        this.second.weight = this.first.weight;
      }
      override forward(x: Tensor, { scale = 1 }: { scale?: number } = {}): Tensor {
        return this.second.forward(this.first.forward(x)).mul(scale);
      }
    }
    const module = new Tied();
    const weight = tf.tensor([[2, 0], [0, 3]]); // prettier-ignore
    const x = tf.ones(1, 2);
    expect(tf.func.functionalCall(module, { 'first.weight': weight }, x, { scale: 10 }).tolist()).toEqual([[40, 90]]);
    const one = tf.func.functionalCall(module, { 'first.weight': weight }, x, null, { tieWeights: false });
    expect(one.equal(x.matmul(weight.t()).matmul(module.first.weight.t()))).toBe(true);
    const norm = new nn.BatchNorm1d(2);
    const buffers = { running_mean: tf.zeros(2), running_var: tf.ones(2) };
    tf.func.functionalCall(norm, buffers, tf.tensor([[0, 2], [2, 6]])); // prettier-ignore
    near(buffers.running_mean.mul(10).round().tolist(), [1, 4]);
    expect(norm.runningMean!.tolist()).toEqual([0, 0]);
  });
  it('puts parameters back also after an error, and refuses keys that do not fit', () => {
    const module = layer(2, 3);
    const { weight } = module;
    expect(() => tf.func.functionalCall(module, { weight: tf.ones(7, 7) }, fill(1, [1, 3]))).toThrow();
    expect(module.weight).toBe(weight);
    expect(() => tf.func.functionalCall(module, { wieght: tf.ones(1) }, fill(1, [1, 3]))).toThrow(/functionalCall: the module has no parameter or buffer 'wieght', did you mean 'weight'/); // prettier-ignore
    expect(() => tf.func.functionalCall(module, { weight }, fill(1, [1, 3]), null, { strict: true })).toThrow(/strict, and 'bias' is not given/); // prettier-ignore
    expect(() => tf.func.functionalCall(module, { weight: 3 } as never)).toThrow(/'weight' must be a tensor/);
  });
  it('stackModuleState stacks an ensemble', () => {
    const models = [layer(2, 3), layer(2, 3), layer(2, 3)];
    const [params, buffers] = tf.func.stackModuleState(models);
    expect([params.weight!.shape, params.bias!.requiresGrad, Object.keys(buffers)]).toEqual([[3, 2, 3], true, []]);
    expect(() => tf.func.stackModuleState([layer(2, 3), new nn.ReLU()])).toThrow(/of one class/);
  });
});
