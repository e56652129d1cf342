/** What all optimizers share: groups, options, gradients, closures, checkpoints, memory, and what is refused. */
import { describe, expect, it } from 'vitest';
import { type Tensor, TenfoldError, noGrad, optim, tensor, tidy, zeros, type DType } from '../../lib/index.js';

const leaf = (values: number[], dtype: DType = 'float32'): Tensor => tensor(values, { dtype, requiresGrad: true });
function withGrad(values: number[], grad: number[], dtype: DType = 'float32'): Tensor {
  const p = leaf(values, dtype);
  p.grad = tensor(grad, { dtype });
  return p;
}
type Any = new (params: unknown, ...args: unknown[]) => optim.Optimizer;
const ALL = [
  'SGD',
  'Adam',
  'AdamW',
  'RMSprop',
  'Adagrad',
  'Adadelta',
  'Adamax',
  'NAdam',
  'RAdam',
  'Rprop',
  'ASGD',
] as const;
const make = (name: string, params: unknown, ...args: unknown[]): optim.Optimizer =>
  new (optim as unknown as Record<string, Any>)[name]!(params, ...args);

describe.each(ALL)('%s', (name) => {
  const step = (p: Tensor, options: object = { lr: 0.1 }): number[] => {
    make(name, [p], options).step();
    return p.tolist() as number[];
  };

  it('works in place, on the same memory, and raises the version', () => {
    const p = withGrad([1, 2, 3], [0.5, -1, 2]);
    const view = p.detach();
    const { version } = p;
    step(p);
    expect(p.version).toBe(version + 1);
    expect(view.tolist()).toEqual(p.tolist());
    expect(p.grad!.tolist()).toEqual([0.5, -1, 2]);
    expect(p.isLeaf && p.requiresGrad).toBe(true);
  });

  it('skips parameters without a gradient', () => {
    const [a, b] = [leaf([1, 2]), withGrad([1, 2], [1, 1])];
    const optimizer = make(name, [a, b], { lr: 0.1 });
    optimizer.step();
    expect(a.tolist()).toEqual([1, 2]);
    expect(b.tolist()).not.toEqual([1, 2]);
  });

  it('gives the same in one group, in two, and in any dtype beside others', () => {
    const values = [
      [1, -2, 3],
      [0.5, 0.25],
    ];
    const grads = [
      [0.1, 0.2, -0.3],
      [1, -1],
    ];
    const run = (groups: (p: Tensor[]) => unknown): unknown[] => {
      const params = values.map((v, i) => withGrad(v, grads[i]!, i === 0 ? 'float32' : 'float64'));
      const optimizer = make(name, groups(params), { lr: 0.1 });
      for (let i = 0; i < 3; i++) optimizer.step();
      return params.map((p) => p.tolist());
    };
    const alone = values.flatMap((_, i) => run((p) => [p[i]])[i]);
    expect(run((p) => p).flat()).toEqual(alone);
    expect(run((p) => [{ params: [p[0]] }, { params: p[1] }]).flat()).toEqual(alone);
  });

  it.each(['float16', 'bfloat16'] as const)('steps %s parameters by way of float32', (dtype) => {
    const wide = withGrad([1, -2, 0.5], [0.5, 0.25, -1]);
    const half = withGrad([1, -2, 0.5], [0.5, 0.25, -1], dtype);
    step(wide);
    step(half);
    expect(half.dtype).toBe(dtype);
    expect(half.tolist()).toEqual(wide.to(dtype).tolist());
  });

  it('steps views of other memory and takes expanded gradients', () => {
    const memory = zeros(4, 3);
    const p = memory.t().requiresGrad_();
    p.grad = tensor([1]).expand(3, 4);
    const plain = withGrad([0], [1]);
    step(p);
    expect((p.tolist() as number[][]).flat()).toEqual(Array(12).fill(step(plain)[0]));
    expect(memory.tolist()).toEqual(p.t().tolist());
  });

  it('steps empty and 0-dim parameters', () => {
    const [none, one] = [zeros(0, 3).requiresGrad_(), tensor(2, { requiresGrad: true })];
    none.grad = zeros(0, 3);
    one.grad = tensor(1);
    const optimizer = make(name, [none, one], { lr: 0.1 });
    optimizer.step();
    optimizer.step();
    expect(one.item()).toBeLessThan(2);
  });

  it('takes learning rates as they are at the step', () => {
    const [a, b] = [withGrad([1], [1]), withGrad([1], [1])];
    const optimizer = make(name, [{ params: [a] }, { params: [b], lr: 0.3 }], { lr: 0.1 });
    optimizer.paramGroups[1]!.lr = 0;
    optimizer.step();
    expect(a.item()).not.toBe(1);
    // Rprop's steps start from lr, but are never below the least.
    expect(b.item()).toBe(name === 'Rprop' ? Math.fround(1 - 1e-6) : 1);
  });

  it('keeps its state when a scope ends', () => {
    const p = withGrad([1, 2], [0.5, 0.5]);
    const q = withGrad([1, 2], [0.5, 0.5]);
    const [scoped, plain] = [make(name, [p], { lr: 0.1 }), make(name, [q], { lr: 0.1 })];
    for (let i = 0; i < 3; i++) {
      tidy(() => scoped.step());
      plain.step();
    }
    expect(p.tolist()).toEqual(q.tolist());
  });

  it('refuses what PyTorch refuses', () => {
    const p = [leaf([1])];
    expect(() => make(name, p, { lr: -1 })).toThrow(`${name}: lr must be at least 0, got -1`);
    expect(() => make(name, p, { lr: NaN })).toThrow(`${name}: lr must be at least 0, got NaN`);
    expect(() => make(name, p, { lr: '0.1' })).toThrow(`${name}: lr must be a number, got '0.1'`);
    if (name !== 'Rprop') {
      expect(() => make(name, p, { lr: 0.1, weightDecay: -1 })).toThrow(
        `${name}: weightDecay must be at least 0, got -1`,
      );
      expect(() => make(name, p, { lr: 0.1, weight_decay: 1 })).toThrow(
        `${name}: unknown option 'weight_decay', did you mean 'weightDecay'?`,
      );
    }
    expect(() => make(name, [], { lr: 0.1 })).toThrow(`${name}: the list of parameters is empty`);
    expect(() => make(name, p[0], { lr: 0.1 })).toThrow(
      `${name}: params must be a list of tensors or of groups, got a Tensor`,
    );
    expect(() => make(name, [p[0], p[0]], { lr: 0.1 })).toThrow(
      `${name}: a parameter of shape [1] appears more than once`,
    );
    expect(() => make(name, [{ params: p }, { params: p }], { lr: 0.1 })).toThrow('appears more than once');
    expect(() => make(name, [{ params: p, lrr: 1 }], { lr: 0.1 })).toThrow(
      `${name}: unknown option 'lrr', did you mean 'lr'?`,
    );
    expect(() => make(name, [{ params: p, lr: -1 }], { lr: 0.1 })).toThrow(`${name}: lr must be at least 0, got -1`);
    expect(() => make(name, [{ params: new Set(p) }], { lr: 0.1 })).toThrow('parameters need an order');
    expect(() => make(name, [p[0]!.mul(2)], { lr: 0.1 })).toThrow(
      `${name}: can't optimize a tensor of shape [1] that an op made`,
    );
    expect(() => make(name, [tensor([1n])], { lr: 0.1 })).toThrow(`${name}: can't optimize a int64 tensor`);
    expect(() => make(name, [3], { lr: 0.1 })).toThrow(TypeError);
    expect(() => make(name, p, 0.1, { lr: 0.1 })).toThrow(`${name}: 'lr' is given twice`);
  });

  it('changes nothing where a group fails', () => {
    const [a, b] = [withGrad([1], [1]), withGrad(Array(5000).fill(1) as number[], Array(5000).fill(1) as number[])];
    const optimizer = make(name, [{ params: [a] }, { params: [b] }], { lr: 0.1 });
    b.grad!.dispose();
    expect(() => optimizer.step()).toThrow('freed');
    expect(a.item()).toBe(1);
    const fresh = withGrad([1], [1]);
    b.grad = null;
    optimizer.step();
    expect(a.item()).toBe(step(fresh)[0]);
  });
});

describe('options', () => {
  it('by position in PyTorch’s order, then by name', () => {
    const p = (): Tensor[] => [leaf([1])];
    const options = (o: optim.Optimizer): object => {
      const { params: _, ...rest } = o.paramGroups[0]!;
      return rest;
    };
    expect(options(new optim.SGD(p(), 0.1, 0.9))).toEqual(options(new optim.SGD(p(), { lr: 0.1, momentum: 0.9 })));
    expect(options(new optim.Adam(p(), 0.1, [0.8, 0.9], { amsgrad: true }))).toEqual(
      options(new optim.Adam(p(), { lr: 0.1, betas: [0.8, 0.9], amsgrad: true })),
    );
    expect(() => new optim.SGD(p(), 0.1, 0, 0, 0, false, true as never)).toThrow(
      'SGD: takes at most 5 options by position',
    );
  });
  it('SGD needs a learning rate, from the options or every group', () => {
    expect(() => new optim.SGD([leaf([1])], {})).toThrow("SGD: 'lr' is required: new SGD(params, { lr: … })");
    expect(() => new optim.SGD([{ params: leaf([1]), lr: 1 }], { momentum: 0.5 })).not.toThrow();
  });
  it('refuses what makes no sense together', () => {
    const p = [leaf([1])];
    expect(() => new optim.SGD(p, { lr: 1, nesterov: true })).toThrow(
      'SGD: nesterov needs a momentum and no dampening, got 0 and 0',
    );
    expect(() => new optim.Adam(p, { betas: [0.9, 1] })).toThrow(
      'Adam: betas[1] must be at least 0 and below 1, got 1',
    );
    expect(() => new optim.Adam(p, { betas: 0.9 as never })).toThrow('Adam: betas must be a pair of numbers, got 0.9');
    expect(() => new optim.Adadelta(p, { rho: 2 })).toThrow('Adadelta: rho must be from 0 to 1, got 2');
    for (const etas of [
      [0, 1.2],
      [1, 1.2],
      [0.5, 1],
      [1.2, 0.5],
    ] as [number, number][]) {
      expect(() => new optim.Rprop(p, { etas })).toThrow(
        `Rprop: etas must be one number between 0 and 1 and one above 1, got [${etas.join(', ')}]`,
      );
    }
    expect(() => new optim.Rprop(p, { etas: 0.5 as never })).toThrow('Rprop: etas must be a pair of numbers, got 0.5');
    expect(() => new optim.Rprop(p, 0.1, [0.5, 1.2], [1] as never)).toThrow(
      'stepSizes must be a pair of numbers, got [1]',
    );
    expect(() => new optim.Rprop(p, { stepSizes: [0, '1' as never] })).toThrow(
      "Rprop: stepSizes[1] must be a number, got '1'",
    );
    expect(() => new optim.ASGD(p, { t0: NaN })).toThrow('ASGD: t0 must be a number, got NaN');
    expect(() => new optim.ASGD(p, { lambd: '1' as never })).toThrow("ASGD: lambd must be a number, got '1'");
  });
  it('groups have their own, and their own lists', () => {
    const betas: [number, number] = [0.5, 0.6];
    const o = new optim.Adam([{ params: leaf([1]) }, { params: leaf([2]), betas: [0.1, 0.2] }], { betas });
    betas[0] = 0;
    expect(o.paramGroups.map((g) => g.betas)).toEqual([
      [0.5, 0.6],
      [0.1, 0.2],
    ]);
    o.addParamGroup({ params: leaf([3]), lr: 7 });
    expect(o.paramGroups[2]!.lr).toBe(7);
  });
});

describe('zeroGrad', () => {
  it('drops gradients, or fills them with zeros', () => {
    const p = withGrad([1], [2]);
    const o = new optim.SGD([p], { lr: 1 });
    const { grad } = p;
    o.zeroGrad({ setToNone: false });
    expect(p.grad).toBe(grad);
    expect(grad!.tolist()).toEqual([0]);
    o.zeroGrad();
    expect(p.grad).toBe(null);
    expect(() => o.zeroGrad({ setToNull: true } as object)).toThrow("did you mean 'setToNone'?");
  });
});

describe('step', () => {
  it('runs a closure with recording on, and returns its loss', () => {
    const p = leaf([3]);
    const o = new optim.SGD([p], { lr: 0.25 });
    const loss = noGrad(() =>
      o.step(() => {
        o.zeroGrad();
        const l = p.mul(p).sum();
        l.backward();
        return l;
      }),
    );
    expect(loss.item()).toBe(9);
    expect(p.tolist()).toEqual([1.5]);
    expect(o.step()).toBe(null);
    expect(() => o.step(3 as never)).toThrow('SGD.step: expected a function, got 3');
  });
  it('makes backward through the changed parameter an error', () => {
    const p = withGrad([3], [1]);
    const y = p.mul(p).sum();
    new optim.SGD([p], { lr: 0.25 }).step();
    expect(() => y.backward()).toThrow('changed by an in-place operation');
  });
  it('learns a line', () => {
    const [w, b] = [leaf([0]), leaf([0])];
    const x = tensor([-1, 0, 1, 2]);
    const o = new optim.Adam([w, b], { lr: 0.1 });
    for (let i = 0; i < 400; i++) {
      o.zeroGrad();
      x.mul(w).add(b).sub(x.mul(2).add(1)).pow(2).mean().backward();
      o.step();
    }
    expect(w.item()).toBeCloseTo(2, 2);
    expect(b.item()).toBeCloseTo(1, 2);
  });
  it('refuses a state that does not fit', () => {
    const p = withGrad([1, 2], [1, 1]);
    const o = new optim.Adam([p]);
    o.state.set(p, { exp_avg: zeros(3) });
    expect(() => o.step()).toThrow(
      'Adam.step: the state exp_avg of a float32 parameter of shape [2] is a float32 tensor of shape [3]',
    );
  });
  it('begins a momentum with the whole gradient, also after a step that failed', () => {
    const p = withGrad([1], [1]);
    const bad = withGrad(Array(5000).fill(1) as number[], Array(5000).fill(1) as number[]);
    const o = new optim.SGD([p, bad], { lr: 1, momentum: 0.9, dampening: 0.5 });
    bad.grad!.dispose();
    expect(() => o.step()).toThrow('freed');
    bad.grad = null;
    o.step();
    expect(p.item()).toBe(0);
  });
  it('starts a state anew that the user cleared', () => {
    const [p, q] = [withGrad([1, 2], [1, 1]), withGrad([1, 2], [1, 1])];
    const o = new optim.Adam([p], { lr: 0.1 });
    o.step();
    o.state.clear();
    noGrad(() => p.copy_(tensor([1, 2])));
    o.step();
    new optim.Adam([q], { lr: 0.1 }).step();
    expect(p.tolist()).toEqual(q.tolist());
  });
});

describe('checkpoints', () => {
  const trained = (): optim.Adam => {
    const o = new optim.Adam([withGrad([1, 2], [1, 1]), withGrad([3], [1])], { lr: 0.1 });
    o.step();
    return o;
  };
  it('are laid out as PyTorch’s', () => {
    const { state, param_groups } = trained().stateDict();
    expect(Object.keys(state)).toEqual(['0', '1']);
    expect(Object.keys(state['0']!).sort()).toEqual(['exp_avg', 'exp_avg_sq', 'step']);
    expect((state['0']!.step as Tensor).item()).toBe(1);
    expect(param_groups).toEqual([
      { lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0, amsgrad: false, maximize: false, params: [0, 1] },
    ]);
  });
  it('are copied, cast to the parameter, and keep options of PyTorch that mean nothing here', () => {
    const source = trained();
    const saved = source.stateDict();
    saved.param_groups[0]!.foreach = null;
    const p = [withGrad([1, 2], [1, 1], 'float64'), withGrad([3], [1], 'float64')];
    const o = new optim.Adam(p);
    o.loadStateDict(saved);
    expect((o.state.get(p[0]!)!.exp_avg as Tensor).dtype).toBe('float64');
    expect((o.state.get(p[0]!)!.step as Tensor).dtype).toBe('float32');
    o.step();
    expect((saved.state['0']!.step as Tensor).item()).toBe(1);
    expect(o.stateDict().param_groups[0]!.foreach).toBe(null);
  });
  it.each<[string, (s: optim.OptimizerStateDict) => void, string]>([
    [
      'a group too many',
      (s) => s.param_groups.push(s.param_groups[0]!),
      '2 parameter groups for an optimizer that has 1',
    ],
    [
      'a parameter too few',
      (s) => s.param_groups[0]!.params.pop(),
      'group 0 has [0] as parameters, the optimizer has 2',
    ],
    ['a parameter of no group', (s) => (s.state['9'] = {}), 'state for parameter 9, which is in no group'],
    [
      'another shape',
      (s) => (s.state['1'] = { exp_avg: zeros(4) }),
      'state[1].exp_avg has shape [4], its parameter [1]',
    ],
    ['a state that is null', (s) => (s.state['1'] = null as never), 'state[1] is null'],
    ['a learning rate below 0', (s) => (s.param_groups[0]!.lr = -1), 'lr must be at least 0, got -1'],
    ['no groups', (s) => delete (s as Partial<typeof s>).param_groups, 'expected { state, param_groups }'],
  ])('with %s are refused, and nothing changes', (_, spoil, message) => {
    const saved = trained().stateDict();
    spoil(saved);
    const o = trained();
    const before = JSON.stringify(o.stateDict());
    expect(() => o.loadStateDict(saved)).toThrow(`Adam.loadStateDict: `);
    expect(() => o.loadStateDict(saved)).toThrow(message);
    expect(JSON.stringify(o.stateDict())).toBe(before);
  });
  it('null is no checkpoint', () => {
    expect(() => trained().loadStateDict(null as never)).toThrow(TenfoldError);
  });
});

it('prints as in PyTorch', () => {
  expect(String(new optim.SGD([leaf([1])], { lr: 0.1 }))).toBe(
    'SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1\n    maximize: false\n    momentum: 0\n    nesterov: false\n    weightDecay: 0\n)',
  );
});
