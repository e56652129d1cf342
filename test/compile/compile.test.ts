/** compile: what a replay gives is what the function gives, at every call, whatever changes in between. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import {
  compile,
  explain,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  tensor,
  zeros,
  type Plan,
  type Tensor,
} from '../../lib/index.js';

const F = nn.functional;
const list = (t: Tensor): unknown => t.tolist();
const same = (a: Tensor, b: Tensor): void => expect(list(a)).toEqual(list(b));

/** Runs both with fresh arguments several times; results must agree to the last bit. */
function agrees(fn: (...args: Tensor[]) => Tensor, make: () => Tensor[], calls = 4): void {
  const compiled = compile(fn);
  for (let i = 0; i < calls; i++) {
    const args = make();
    noGrad(() => same(compiled(...args), fn(...args)));
  }
  expect(compiled.plans).toHaveLength(1);
  expect(compiled.plans[0]!.calls).toBe(calls - 1);
}

describe('elementwise chains', () => {
  const chain = (x: Tensor, a: Tensor, b: Tensor): Tensor =>
    x.mul(a).add(b).tanh().mul(x.sigmoid()).add(x.pow(2).mul(0.5));
  const SHAPES: [string, number[], number[], number[]][] = [
    ['of one element', [1], [1], [1]],
    ['of one row', [7], [7], [7]],
    ['with a row for all rows', [33, 65], [65], [65]],
    ['with a number for each row', [33, 65], [33, 1], [65]],
    ['with short rows', [513, 3], [3], [513, 1]],
    ['with long rows', [3, 5000], [5000], [3, 1]],
    ['with 0-dim operands', [40, 50], [], [50]],
    ['of three dims', [4, 5, 600], [600], [1, 1, 600]],
    ['of nothing', [0, 4], [4], [4]],
  ];
  it.each(SHAPES)('%s', (_, x, a, b) => agrees(chain, () => [randn(x), randn(a), randn(b)]));
  it.each(['float64', 'float16', 'bfloat16'] as const)('of %s', (dtype) => {
    agrees(chain, () => [randn(20, 30).to(dtype), randn(30).to(dtype), randn(30).to(dtype)]);
  });
  it('of transposed and sliced operands', () => {
    agrees(
      (x, y) =>
        x
          .t()
          .add(1)
          .mul(y.narrow(1, 1, 3))
          .relu(),
      () => [randn(3, 4), randn(4, 5)],
    );
  });
  it('with comparisons, masks and integers', () => {
    agrees(
      (x, y) => tf.where(x.gt(0).logicalAnd(y.lt(0.5)), x.mul(3), y.neg()).add(x.floor().to('int64')),
      () => [randn(50), randn(50)],
    );
  });
  it('fuses to one launch, without memory of its own', () => {
    const compiled = compile(chain);
    noGrad(() => {
      for (let i = 0; i < 2; i++) compiled(randn(64, 32), randn(32), randn(32));
    });
    const [plan] = compiled.plans;
    expect(plan!.launches).toBe(1);
    expect(plan!.arenaBytes).toBe(0);
    expect(explain(plan!).recorded).toBe(8);
  });
  it('without fusing gives the same', () => {
    const [x, a, b] = [randn(9, 8), randn(8), randn(8)];
    const plain = compile(chain, { fuse: false });
    noGrad(() => {
      plain(x, a, b);
      same(plain(x, a, b), chain(x, a, b));
    });
    expect(plain.plans[0]!.launches).toBe(8);
  });
});

describe('relu behind products and convolutions', () => {
  const kernels = (f: { plans: readonly Plan[] }): string[] => explain(f.plans[0]!).launches.map((l) => l.kernel);
  const odd = (): Tensor => tensor([[1, -2, NaN], [-0, 3, -Infinity]]); // prettier-ignore

  it.each([1, 5, 64, 200])('of %d rows is done by them', (rows) => {
    const net = new nn.Sequential(new nn.Linear(24, 40), new nn.ReLU(), new nn.Linear(40, 7), new nn.ReLU());
    const f = compile((x: Tensor) => net.forward(x));
    noGrad(() => {
      for (let i = 0; i < 3; i++) {
        const x = randn(rows, 24);
        same(f(x), net.forward(x));
      }
    });
    expect(kernels(f)).toEqual(['matmul · relu', 'matmul · relu']);
  });
  it('of convolutions, in place and in training', () => {
    const conv = new nn.Conv2d(2, 5, 3);
    const f = compile((x: Tensor) => conv.forward(x).relu_().mean());
    const g = compile((x: Tensor) => F.relu(conv.forward(x)).square().sum());
    for (let i = 0; i < 3; i++) {
      const x = randn(2, 2, 9, 9);
      noGrad(() => same(f(x), conv.forward(x).relu().mean()));
      const grads = [g(x), conv.forward(x).relu().square().sum()].map((loss) =>
        tf.autograd.grad(loss, conv.parameters()),
      );
      grads[0]!.forEach((grad, k) => same(grad!, grads[1]![k]!));
    }
    expect(kernels(f)[0]).toBe('convolution · relu');
    expect(kernels(g)[0]).toBe('convolution · relu');
  });
  it('keeps NaN and signs of zero', () => {
    const linear = new nn.Linear(3, 3);
    noGrad(() => {
      linear.weight.copy_(tf.eye(3));
      linear.bias!.zero_();
    });
    const f = compile((x: Tensor) => F.relu(linear.forward(x)));
    noGrad(() => {
      for (let i = 0; i < 2; i++) same(f(odd()), F.relu(linear.forward(odd())));
    });
  });
  it('not where somebody else reads what was before, or it is another memory by then', () => {
    const linear = new nn.Linear(6, 6);
    const keeps = compile((x: Tensor) => {
      const h = linear.forward(x);
      return [h, F.relu(h)];
    });
    const reads = compile((x: Tensor) => {
      const h = linear.forward(x);
      return F.relu(h).add(h.sum(0));
    });
    const later = compile((x: Tensor) => {
      const h = linear.forward(x);
      h.mul_(-1);
      return F.relu(h);
    });
    noGrad(() => {
      for (let i = 0; i < 2; i++) {
        const x = randn(4, 6);
        const h = linear.forward(x);
        const [a, b] = keeps(x) as [Tensor, Tensor];
        same(a, h);
        same(b, h.relu());
        same(reads(x), h.relu().add(h.sum(0)));
        same(later(x), h.neg().relu());
      }
    });
    for (const f of [keeps, reads, later]) expect(kernels(f)).not.toContain('matmul · relu');
  });
});

describe('functions', () => {
  it('results are new tensors at each call', () => {
    const f = compile((x: Tensor) => x.add(1));
    f(zeros(3));
    const first = f(zeros(3));
    const second = f(ones(3));
    expect(list(first)).toEqual([1, 1, 1]);
    expect(list(second)).toEqual([2, 2, 2]);
  });
  it('take and give lists and objects, arguments themselves and views of them', () => {
    const f = compile(({ x, y }: { x: Tensor; y: Tensor[] }) => ({
      x,
      sum: x.add(y[0]!),
      parts: [y[1]!.narrow(0, 0, 1)],
    }));
    for (let i = 0; i < 3; i++) {
      const x = randn(2);
      const y = [randn(2), randn(4)];
      const out = f({ x, y });
      expect(out.x).toBe(x);
      same(out.sum, x.add(y[0]!));
      same(out.parts[0]!, y[1]!.narrow(0, 0, 1));
      expect(out.parts[0]!.dataPtr()).toBe(y[1]!.dataPtr());
    }
  });
  it('constants that the function makes are as they were', () => {
    const f = compile((x: Tensor) => x.add(tensor([1, 2, 3])).mul(tf.arange(3)));
    for (let i = 0; i < 3; i++) expect(list(f(zeros(3)))).toEqual([0, 2, 6]);
    const g = compile(() => tensor([1, 2, 3]));
    g().add_(5);
    const second = g();
    second.add_(5);
    expect(list(g())).toEqual([1, 2, 3]);
  });
  it('memory that is filled in and then written starts as it did', () => {
    const f = compile((x: Tensor) => tensor([1, 2, 3]).add_(x));
    for (let i = 0; i < 3; i++) expect(list(f(ones(3)))).toEqual([2, 3, 4]);
  });
  it('changes arguments and tensors from outside in place', () => {
    const state = zeros(2);
    const f = compile((x: Tensor) => {
      x.mul_(2);
      state.add_(x);
    });
    const x = ones(2);
    const { version } = state;
    for (let i = 0; i < 3; i++) f(x);
    expect(list(x)).toEqual([8, 8]);
    expect(list(state)).toEqual([14, 14]);
    expect(state.version).toBeGreaterThan(version + 2);
  });
  it('arguments at other places of their memory', () => {
    const all = tf.arange(0, 12, 1).to('float32').reshape(4, 3);
    const f = compile((x: Tensor) => x.mul(10));
    for (let i = 0; i < 4; i++) same(f(all.select(0, i)), all.select(0, i).mul(10));
    expect(f.plans).toHaveLength(1);
  });
  it('arguments that share memory are another call', () => {
    const f = compile((x: Tensor, y: Tensor) => x.add_(1).mul(y));
    expect(list(f(ones(2), ones(2)))).toEqual([2, 2]);
    expect(list(f(ones(2), ones(2)))).toEqual([2, 2]);
    const x = ones(2);
    expect(list(f(x, x))).toEqual([4, 4]);
    expect(f.plans).toHaveLength(2);
  });
  it('random numbers go on', () => {
    const f = (x: Tensor): Tensor => F.dropout(x, 0.5).add(randn(4));
    const compiled = compile(f);
    const run = (fn: (x: Tensor) => Tensor): unknown[] => {
      manualSeed(7);
      return Array.from({ length: 5 }, () => list(fn(ones(4))));
    };
    expect(run(compiled)).toEqual(run(f));
  });
  it('inside another compiled function they are part of it', () => {
    const inner = compile((x: Tensor) => x.mul(2));
    const outer = compile((x: Tensor) => inner(x).add(1));
    for (let i = 0; i < 3; i++) expect(list(outer(ones(1)))).toEqual([3]);
    expect(inner.plans).toHaveLength(0);
  });
  it('what throws leaves nothing recorded', () => {
    let fail = true;
    const f = compile((x: Tensor) => {
      if (fail) throw new Error('not now');
      return x.neg();
    });
    expect(() => f(ones(1))).toThrow('not now');
    fail = false;
    expect(list(f(ones(1)))).toEqual([-1]);
    expect(list(f(ones(1)))).toEqual([-1]);
  });
  it('a check of values in a kernel names the call and the line', () => {
    const f = compile(function lookup(x: Tensor) {
      return F.embedding(x, ones(3, 2));
    });
    f(tensor([0, 1], { dtype: 'int64' }));
    expect(() => f(tensor([0, 9], { dtype: 'int64' }))).toThrow(/^lookup: .*9.*compile\.test\.ts/);
    expect(list(f(tensor([2, 1], { dtype: 'int64' })))).toEqual([[1, 1], [1, 1]]); // prettier-ignore
  });
});

describe('a call that differs', () => {
  const double = (x: Tensor, factor: unknown = 2): Tensor => x.mul(factor as number);
  it.each<[string, unknown[], unknown[]]>([
    ['in shape', [ones(2)], [ones(3)]],
    ['in dtype', [ones(2)], [ones(2, { dtype: 'float64' })]],
    ['in strides', [ones(2, 3)], [ones(3, 2).t()]],
    ['in a number', [ones(2), 2], [ones(2), 3]],
    ['in how many there are', [ones(2)], [ones(2), 2]],
    ['in whether it requires grad', [ones(2)], [ones(2).requiresGrad_()]],
  ])('%s is recorded anew', (_, a, b) => {
    const f = compile(double);
    for (let i = 0; i < 2; i++) {
      same(f(...(a as [Tensor])), double(...(a as [Tensor])));
      same(f(...(b as [Tensor])), double(...(b as [Tensor])));
    }
    expect(f.plans).toHaveLength(2);
  });
  it('too often runs uncompiled, and says why once', async () => {
    const warnings: string[] = [];
    const listen = (w: Error): void => void warnings.push(w.message);
    process.on('warning', listen);
    const f = compile(double, { maxPlans: 2 });
    for (let n = 1; n <= 5; n++) expect(list(f(ones(n)))).toHaveLength(n);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(f.plans).toHaveLength(2);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/double has 2 plans.*shape \[3\] instead of \[2\]/);
  });
  it('because a module is in another mode', () => {
    const net = new nn.Sequential(new nn.Linear(3, 3), new nn.Dropout(0.9));
    const f = compile((x: Tensor) => net.forward(x));
    noGrad(() => {
      for (const training of [true, false, true, false]) {
        net.train(training);
        manualSeed(1);
        const a = f(ones(1, 3));
        manualSeed(1);
        same(a, net.forward(ones(1, 3)));
      }
    });
    expect(f.plans).toHaveLength(2);
  });
  it('because a parameter was replaced, or is gone', () => {
    const layer = new nn.Linear(2, 2, { bias: false });
    const f = compile((x: Tensor) => layer.forward(x));
    noGrad(() => {
      f(ones(1, 2));
      f(ones(1, 2));
      layer.weight = new nn.Parameter(ones(2, 2));
      expect(list(f(ones(1, 2)))).toEqual([[2, 2]]);
      layer.weight.dispose();
      expect(() => f(ones(1, 2))).toThrow(/freed/);
    });
  });
});

describe('refused with the line', () => {
  it.each<[string, (x: Tensor) => unknown]>([
    ['item', (x) => (x.sum().item() > 0 ? x : x.neg())],
    ['tolist', (x) => x.tolist()],
    ['printing', (x) => `${x.add(1)}`],
    ['nonzero', (x) => x.nonzero()],
    ['a mask', (x) => x.index(x.gt(0))],
  ])('%s', (_, fn) => {
    const f = compile(fn);
    try {
      f(ones(3));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'capture',
        message: expect.stringMatching(/can't be compiled: the values of/) as string,
      });
      expect((error as Error).message).toContain('compile.test.ts');
    }
    expect(f.plans).toHaveLength(0);
  });
  it('arguments that change their own sizes', () => {
    for (const change of [(x: Tensor) => x.t_(), (x: Tensor) => x.resize_(3)])
      expect(() => compile(change)(ones(2, 3))).toThrow(/argument 0 was given other sizes in place/);
  });
  it('an async function', () => {
    expect(() => compile(async (x: Tensor) => Promise.resolve(x))(ones(1))).toThrow(/is async/);
  });
  it('wrong options', () => {
    expect(() => compile(1 as never)).toThrow(new TypeError('compile: expected a function, got 1'));
    expect(() => compile((x: Tensor) => x, { maxPlan: 1 } as never)).toThrow(/maxPlan.*did you mean 'maxPlans'/);
    expect(() => compile((x: Tensor) => x, { maxPlans: 0 })).toThrow(RangeError);
  });
});

describe('gradients outside', () => {
  const net = (): nn.Sequential =>
    new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.LayerNorm(8), new nn.Linear(8, 2));
  it('of parameters and arguments are those of the function', () => {
    manualSeed(0);
    const model = net();
    const compiled = compile((x: Tensor) => model.forward(x));
    for (let i = 0; i < 4; i++) {
      const x = randn(5, 4);
      const grads = (fn: (x: Tensor) => Tensor): unknown => {
        const input = x.clone().requiresGrad_();
        model.zeroGrad();
        fn(input.mul(2)).pow(2).sum().backward();
        return [input.grad, ...model.parameters().map((p) => p.grad)].map((g) => g!.tolist());
      };
      expect(grads(compiled)).toEqual(grads((y) => model.forward(y)));
    }
    expect(compiled.plans).toHaveLength(1);
    expect(compiled.plans[0]!.calls).toBe(3);
  });
  it('of several calls that wait, in any order', () => {
    const w = randn(3, 3).requiresGrad_();
    const f = compile((x: Tensor) => x.matmul(w).tanh());
    f(randn(2, 3));
    const [a, b] = [randn(2, 3), randn(2, 3)];
    const [ya, yb] = [f(a), f(b)];
    const [ga] = tf.autograd.grad(ya.sum(), [w]);
    const [gb] = tf.autograd.grad(yb.sum(), [w]);
    same(ga!, tf.autograd.grad(a.matmul(w).tanh().sum(), [w])[0]!);
    same(gb!, tf.autograd.grad(b.matmul(w).tanh().sum(), [w])[0]!);
  });
  it('add up', () => {
    const w = ones(2).requiresGrad_();
    const f = compile((x: Tensor) => x.mul(w).sum());
    for (let i = 0; i < 3; i++) f(tensor([1, 2])).backward();
    expect(list(w.grad!)).toEqual([3, 6]);
  });
  it('need what they were computed from: a change in place is noticed', () => {
    const w = ones(2).requiresGrad_();
    const f = compile((x: Tensor) => x.mul(w).sum());
    f(ones(2));
    const y = f(ones(2));
    noGrad(() => w.add_(1));
    expect(() => y.backward()).toThrow(/changed by an in-place operation/);
  });
  it('are had once, and have no second derivative', () => {
    const w = ones(2).requiresGrad_();
    const f = compile((x: Tensor) => x.mul(w).exp().sum());
    f(ones(2)).backward();
    const y = f(ones(2));
    y.backward();
    expect(() => y.backward()).toThrow(/already run/);
    expect(() => tf.autograd.grad(f(ones(2)), [w], { createGraph: true })).toThrow(/no second derivative/);
  });
});

describe('whole steps', () => {
  const OPTIMIZERS: [string, (p: nn.Parameter[]) => optim.Optimizer][] = [
    ['SGD', (p) => new optim.SGD(p, { lr: 0.1 })],
    ['SGD with momentum', (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true })],
    ['Adam', (p) => new optim.Adam(p, { lr: 0.01 })],
    ['AdamW, amsgrad', (p) => new optim.AdamW(p, { lr: 0.01, amsgrad: true })],
    ['RMSprop', (p) => new optim.RMSprop(p, { lr: 0.01 })],
  ];
  const model = (): nn.Sequential => {
    manualSeed(3);
    return new nn.Sequential(
      new nn.Linear(4, 16),
      new nn.BatchNorm1d(16),
      new nn.ReLU(),
      new nn.Dropout(0.1),
      new nn.Linear(16, 3),
    );
  };
  function train(
    make: (p: nn.Parameter[]) => optim.Optimizer,
    compiled: boolean,
  ): { losses: number[]; state: unknown } {
    const net = model();
    const optimizer = make(net.parameters());
    const scheduler = new optim.lrScheduler.ExponentialLR(optimizer, 0.9);
    const step = (x: Tensor, y: Tensor): Tensor => {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(net.forward(x), y);
      loss.backward();
      nn.utils.clipGradNorm_(net.parameters(), 1);
      optimizer.step();
      return loss.detach();
    };
    const run = compiled ? compile(step) : step;
    manualSeed(4);
    const losses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const y = tf.randint(0, 3, [8]);
      losses.push(run(randn(8, 4), y).item());
      scheduler.step();
    }
    if (compiled) expect((run as tf.Compiled<typeof step>).plans[0]!.calls).toBeGreaterThan(8);
    const state = Object.values(net.stateDict()).map((t) => t.tolist());
    return { losses, state: [state, net.parameters().map((p) => p.grad?.tolist())] };
  }
  it.each(OPTIMIZERS)('with %s, a live learning rate, dropout, batch norm and clipping', (_, make) => {
    expect(train(make, true)).toEqual(train(make, false));
  });
  it('that leave gradients, which others clear', () => {
    const w = ones(2).requiresGrad_();
    const step = compile((x: Tensor) => {
      x.mul(w).sum().backward();
    });
    for (let i = 1; i <= 3; i++) {
      w.grad = null;
      step(tensor([i, 2 * i]));
      expect(list(w.grad!)).toEqual([i, 2 * i]);
    }
    step(tensor([1, 1])); // adds
    step(tensor([1, 1]));
    expect(list(w.grad!)).toEqual([5, 8]);
  });
});
