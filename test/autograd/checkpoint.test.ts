/** checkpoint: gradients as without it, memory of the segments alone, errors where the second run is another. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, expectTypeOf, it, test } from 'vitest';
import * as tf from '../../lib/index.js';
import { autograd, manualSeed, nn, noGrad, rand, randn, tensor, type Tensor } from '../../lib/index.js';

const { checkpoint, checkpointSequential } = tf.utils.checkpoint;

const leaf = (...shape: number[]): Tensor => randn(shape, { dtype: 'float64' }).requiresGrad_();
const close = (a: Tensor, b: number[]): void =>
  expect(a.detach().flatten().sub(tensor(b)).abs().max().item()).toBeLessThan(1e-4);

/** Results, gradients of parameters and inputs, and the generator's next number. */
function outcome(run: () => Tensor, leaves: readonly Tensor[]): unknown {
  leaves.forEach((p) => (p.grad = null));
  manualSeed(7);
  const y = run();
  const next = rand(1).item();
  y.pow(2).sum().backward();
  const last = rand(1).item();
  return { y: y.tolist(), next, last, grads: leaves.map((p) => p.grad?.tolist() ?? null) };
}

class Residual extends nn.Module {
  inner = new nn.Sequential(new nn.Linear(4, 4), new nn.LayerNorm(4), new nn.GELU(), new nn.Dropout(0.3));
  gate = new nn.Parameter(tensor([0.5]));
  constructor(private readonly checkpointed: boolean) {
    super();
  }
  override forward(x: Tensor, { scale = 1 }: { scale?: number } = {}): Tensor {
    const step = (z: Tensor): Tensor => this.inner.forward(z).mul(this.gate).mul(scale) as Tensor;
    return x.add(this.checkpointed ? checkpoint(step, x) : step(x));
  }
}
/** The same network twice: without checkpoints, and with. */
function networks(): [plain: nn.Sequential, checkpointed: nn.Sequential] {
  manualSeed(1);
  const make = (on: boolean): nn.Sequential =>
    new nn.Sequential(new nn.Linear(3, 4), ...[1, 2, 3].map(() => new Residual(on)), new nn.Linear(4, 2));
  const plain = make(false);
  const checkpointed = make(true);
  checkpointed.loadStateDict(plain.stateDict());
  return [plain, checkpointed];
}

describe('checkpoint changes no number', () => {
  test('of nested modules with dropout, and the generator goes on as without', () => {
    const [plain, checkpointed] = networks();
    const x = randn(5, 3).requiresGrad_();
    const expected = outcome(() => plain.forward(x) as Tensor, [...plain.parameters(), x]);
    const run = (): Tensor => checkpointed.forward(x) as Tensor;
    expect(outcome(run, [...checkpointed.parameters(), x])).toEqual(expected);
    // Checkpoints inside of checkpoints.
    const leaves = [...checkpointed.parameters(), x];
    expect(outcome(() => checkpoint(checkpointed, x) as Tensor, leaves)).toEqual(expected);
    expect(outcome(() => checkpoint(() => checkpoint(run)), leaves)).toEqual(expected);
    expect(outcome(() => checkpointSequential(checkpointed, 2, x), leaves)).toEqual(expected);
  });
  test('where gradients accumulate over batches', () => {
    const nets = networks();
    const gradients = nets.map((net) => {
      manualSeed(3);
      for (let i = 0; i < 3; i++) (net.forward(randn(2, 3)) as Tensor).sum().backward();
      return net.parameters().map((p) => p.grad!.tolist());
    });
    expect(gradients[1]).toEqual(gradients[0]);
  });
  test('of inputs that are views, results that are several, and changes in place', () => {
    const fn = (a: Tensor, b: Tensor): Tensor[] => {
      const y = a.mul(b).clone();
      y.at(0).mul_(b.at(0));
      y.add_(b);
      return [y.relu(), ...y.sort(1)];
    };
    const x = leaf(3, 4);
    const run = (call: (a: Tensor, b: Tensor) => Tensor[]) => (): Tensor =>
      call(x.t().index(tf.slice(1)), x.t().index(tf.slice(null, -1))).reduce((sum, t) => sum.add(t), tensor(0));
    expect(outcome(run((a, b) => checkpoint(fn, a, b)), [x])).toEqual(outcome(run(fn), [x])); // prettier-ignore
  });
  test('beside those that PyTorch 1.13 gave', () => {
    manualSeed(0);
    const norm = new nn.BatchNorm1d(4);
    const first = new nn.Linear(3, 4);
    const model = new nn.Sequential(first, norm, new nn.Dropout(0.5), new nn.Tanh(), new nn.Linear(4, 2));
    const x = randn(4, 3);
    manualSeed(7);
    const y = checkpoint(model, x) as Tensor;
    close(y, [0.40907, 0.63946, -0.4189, -0.04979, -0.01993, 0.48888, 0.46486, 0.50699]);
    close(rand(2), [0.6267, 0.5691]);
    y.pow(2).sum().backward();
    close(rand(2), [0.7437, 0.9592]);
    const grad = [-0.72664, -0.76468, -0.49179, 0.10911, 0.06652, 0.39548, -0.12745, -0.06232, -0.52948, 0.32629, 0.1135, 0.26439]; // prettier-ignore
    close(first.weight.grad!, grad);
    // A batch counts once; PyTorch averages it in twice, which is what its own numbers [-0.13395, -0.03804, -0.08356, 0.01254] say:
    // of a momentum of 0.1 they hold 0.19 of the batch's mean.
    close(norm.runningMean!, [-0.13395, -0.03804, -0.08356, 0.01254].map((mean) => (mean * 0.1) / 0.19)); // prettier-ignore
    expect(norm.numBatchesTracked!.item()).toBe(1);
    // Without the state of the first run the second drops other elements.
    manualSeed(7);
    model.zeroGrad();
    checkpoint(model, x, { preserveRngState: false }).pow(2).sum().backward(); // prettier-ignore
    close(rand(2), [0.3305, 0.5196]);
    const other = [-0.72664, -0.76468, -0.49179, 0, 0, 0, 0.67872, 0.10584, 0.79319, -0.46136, -0.41324, 0.01398]; // prettier-ignore
    close(first.weight.grad!, other);
  });
  test('of first and second derivatives held to differences', () => {
    manualSeed(0);
    const [x, w] = [leaf(2, 3), leaf(3, 2)];
    const fns: Record<string, (a: Tensor, b: Tensor) => Tensor | Tensor[]> = {
      plain: (a, b) => checkpoint((c, d) => c.matmul(d).tanh().mul(c.sum()).exp(), a, b),
      captured: (a, b) => checkpoint(() => a.matmul(b).tanh().mul(a.sum())),
      nested: (a, b) =>
        checkpoint((c) => checkpoint((d, e) => d.sin().matmul(e).exp(), c, b).tanh().mul(c.sum()), a), // prettier-ignore
      several: (a, b) => checkpoint((c, d) => [c.matmul(d).sigmoid(), c.mul(c)], a, b),
      'one behind the other': (a, b) =>
        checkpoint((c) => c.matmul(b).exp(), checkpoint((c) => c.sin().mul(c), a)), // prettier-ignore
    };
    for (const [name, fn] of Object.entries(fns)) {
      expect(autograd.gradcheck(fn, [x, w]), name).toBe(true);
      expect(autograd.gradgradcheck(fn, [x, w]), name).toBe(true);
    }
  });
});

describe('checkpoint', () => {
  /** A function that counts its runs. */
  function counted<A extends unknown[], R>(fn: (...args: A) => R): ((...args: A) => R) & { runs: number } {
    const count = Object.assign((...args: A) => (count.runs++, fn(...args)), { runs: 0 });
    return count;
  }

  it('runs the function again once in each backward that needs it', () => {
    const x = leaf(3);
    const fn = counted((a: Tensor) => a.exp().sin().mul(a));
    const y = checkpoint(fn, x);
    expect(fn.runs).toBe(1);
    y.sum().backward({ retainGraph: true });
    expect(fn.runs).toBe(2);
    const expected = x.grad!.clone();
    y.sum().backward();
    expect(fn.runs).toBe(3);
    expect(x.grad!.equal(expected.mul(2))).toBe(true);
    expect(() => y.sum().backward()).toThrow('has already run and its saved tensors are gone');
    expect(fn.runs).toBe(3);
  });
  it('does without where backward needs nothing, or records nothing', () => {
    const x = leaf(3);
    const fn = counted((a: Tensor) => a.add(1).sum());
    checkpoint(fn, x).backward();
    noGrad(() => checkpoint(fn, x));
    checkpoint(fn, x.detach());
    expect(fn.runs).toBe(3);
    expect(noGrad(() => checkpoint(fn, x)).requiresGrad).toBe(false);
  });
  it('stops the second run behind the last saved tensor, unless earlyStop is false', () => {
    for (const earlyStop of [true, false]) {
      const x = leaf(3);
      const ends = counted(() => undefined);
      checkpoint((a: Tensor) => {
        const y = a.exp().sum();
        ends();
        return y;
      }, x, { earlyStop }).backward(); // prettier-ignore
      expect(ends.runs).toBe(earlyStop ? 1 : 2);
      expect(x.grad!.equal(x.exp())).toBe(true);
    }
  });
  it('can be stopped inside a try of the function', () => {
    const x = leaf(3);
    const fn = (a: Tensor): Tensor => {
      try {
        return a.exp();
      } catch {
        return a.sin(); // what it then saves is of no interest
      }
    };
    checkpoint(fn, x).sum().backward();
    expect(x.grad!.equal(x.exp())).toBe(true);
  });
  it('works with autograd.grad, of some inputs, and with no input that requires grad', () => {
    const [x, w] = [leaf(2, 3), leaf(3, 2)];
    const y = checkpoint((a: Tensor) => a.detach().matmul(w).tanh(), x);
    const [g] = autograd.grad(y.sum(), w);
    const [expected] = autograd.grad(x.detach().matmul(w).tanh().sum(), w);
    expect(g!.equal(expected!)).toBe(true);
    const z = checkpoint((a, b) => a.matmul(b).tanh(), x, w);
    expect(autograd.grad(z.sum(), x)[0]!.shape).toEqual([2, 3]);
  });
  it('takes and gives tensors in lists and objects, and named results', () => {
    const [x, w] = [leaf(2, 3), leaf(3, 2)];
    interface Batch {
      pair: readonly [Tensor, { weight: Tensor }];
      name: string;
    }
    const fn = (
      { pair: [a, { weight }], name }: Batch,
      sorted: { values: Tensor },
    ): { out: Tensor[]; name: string } => ({
      out: [a.matmul(weight).exp(), sorted.values.sin()],
      name,
    });
    const run = (call: typeof fn): Tensor => {
      const { out, name } = call({ pair: [x, { weight: w }], name: 'n' }, x.sort(1));
      expect(name).toBe('n');
      return out[0]!.sum().add(out[1]!.sum());
    };
    expect(outcome(() => run((...args) => checkpoint(fn, ...args)), [x, w])).toEqual(outcome(() => run(fn), [x, w]));
  });
  it('takes a last object with names of options for the options, any other for an argument', () => {
    const x = leaf(2);
    const fn = (...args: unknown[]): Tensor => x.mul(args.length);
    const lengths = [[], [{}], [{ mask: x }], [{ earlyStop: false }], [{ mask: x }, { useReentrant: false }]];
    const got = lengths.map((args) => checkpoint(fn, ...args).div(x)[Symbol.iterator]().next().value!.item()); // prettier-ignore
    expect(got).toEqual([0, 1, 1, 0, 1]);
    // Types: the result is fn's, arguments are checked.
    const layer = new nn.Linear(2, 2, { dtype: 'float64' });
    expectTypeOf(checkpoint((a: Tensor, n: number) => [a, n] as const, x, 3)).toEqualTypeOf<
      readonly [Tensor, number]
    >();
    expectTypeOf(checkpoint(layer, x, { earlyStop: true })).toEqualTypeOf<Tensor>();
    // @ts-expect-error -- a string is no tensor
    expect(() => checkpoint(layer, 'x')).toThrow(TypeError);
  });
  it('lets a function differentiate within itself', () => {
    const x = leaf(3);
    const penalty = (a: Tensor): Tensor => {
      const y = a.pow(3).sum();
      const [g] = autograd.grad(y, a, { createGraph: true });
      return y.add(g!.pow(2).sum());
    };
    for (const earlyStop of [true, false]) {
      const run = (): Tensor => checkpoint(penalty, x, { earlyStop });
      expect(outcome(run, [x])).toEqual(outcome(() => penalty(x), [x]));
    }
  });
  it('hands on to functions of the user, whose ctx has its tensors as often as asked', () => {
    class Cube extends autograd.Function {
      static override forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.pow(3);
      }
      static override backward(ctx: autograd.FunctionContext, grad: Tensor): Tensor {
        return grad.mul(ctx.savedTensors[0]!).mul(ctx.savedTensors[0]!).mul(3);
      }
    }
    const x = leaf(3);
    const run = (a: Tensor): Tensor => Cube.apply(a.sin()) as Tensor;
    const fn = counted(run);
    expect(outcome(() => checkpoint(fn, x), [x])).toEqual(outcome(() => run(x), [x]));
    expect(fn.runs).toBe(2);
  });
  it('stands under the hooks of tensors and modules, and in tidy', () => {
    const layer = new nn.Linear(3, 3);
    const seen: string[] = [];
    layer.registerFullBackwardHook(() => void seen.push('module'));
    const x = randn(2, 3).requiresGrad_();
    const fn = (a: Tensor): Tensor => {
      const y = layer.forward(a).exp();
      y.registerHook(() => void seen.push('tensor'));
      return y;
    };
    tf.tidy(() => checkpoint(fn, x).sum().backward());
    expect(seen).toEqual(['tensor', 'module']);
    expect(x.grad!.shape).toEqual([2, 3]);
  });
});

describe('a second run that is another is an error', () => {
  const graph = (message: string): object => expect.objectContaining({ code: 'graph', message: expect.stringContaining(message) as string }) as object; // prettier-ignore
  function thrown(run: () => unknown): unknown {
    try {
      run();
    } catch (error) {
      return error;
    }
    return null;
  }
  /** A function that does something else each time. */
  const each = (...fns: ((a: Tensor) => Tensor)[]): ((a: Tensor) => Tensor) => {
    let n = 0;
    return (a) => fns[n++ % fns.length]!(a);
  };

  test('an input that was changed in place', () => {
    const x = leaf(3).mul(1);
    const y = checkpoint((a: Tensor) => a.exp(), x);
    x.mul_(2);
    expect(thrown(() => y.sum().backward())).toEqual(
      graph('a float64 tensor of shape [3] that <checkpoint> saved was changed by an in-place operation'),
    );
  });
  test('a parameter that was changed in place, itself or under a view', () => {
    const w = leaf(3, 3);
    const x = leaf(3, 3);
    const fns = [
      () => x.mul(w),
      () => x.matmul(w.t()),
      () => w.exp(), // which saves its result alone
      () => w.add(1).exp(),
      () => checkpoint(() => w.exp()),
      () => checkpoint((a: Tensor) => a.exp(), w.add(1)),
    ];
    for (const fn of fns) {
      const y = checkpoint(fn);
      noGrad(() => w.sub_(0.1));
      expect(thrown(() => y.sum().backward())).toEqual(
        graph('checkpoint: a parameter that the function uses was changed in place after its forward'),
      );
    }
  });
  test('not a parameter that was used before, for an argument', () => {
    const w = leaf(3);
    const y = checkpoint((a: Tensor) => a.exp(), w.add(1));
    noGrad(() => w.sub_(0.1));
    y.sum().backward();
    expect(w.grad!.sub(w.add(1.1).exp()).abs().max().item()).toBeLessThan(1e-12);
  });
  test('not one that the function itself sets', () => {
    const w = leaf(3);
    const x = leaf(3);
    const y = checkpoint((a: Tensor) => {
      noGrad(() => w.clamp_(-1, 1));
      return a.mul(w);
    }, x);
    y.sum().backward({ retainGraph: true });
    y.sum().backward();
    expect(w.grad!.equal(x.mul(2))).toBe(true);
  });
  test('a saved tensor that a later step changes', () => {
    const fn = (a: Tensor): Tensor => {
      const y = a.exp();
      y.add_(1);
      return y.sin();
    };
    const x = leaf(3);
    expect(thrown(() => fn(x).sum().backward())).toEqual(graph('was changed by an in-place operation'));
    expect(thrown(() => checkpoint(fn, x).sum().backward())).toEqual(
      graph(
        'checkpoint: a [3] float64 tensor that the function saved for backward is changed in place by a later step',
      ),
    );
  });
  test('fewer saved tensors, or more', () => {
    const [one, two] = [(a: Tensor) => a.exp(), (a: Tensor) => a.exp().sin()];
    const x = leaf(3);
    expect(thrown(() => checkpoint(each(two, one), x).sum().backward())).toEqual(
      graph('checkpoint: the second run saved 1 tensors, the first one 2: the function must do the same both times'),
    );
    const more = checkpoint(each(one, two), x, { earlyStop: false });
    expect(thrown(() => more.sum().backward())).toEqual(
      graph('checkpoint: the second run saved more than the 1 tensors that the first one saved'),
    );
  });
  test('other shapes, other dtypes; not where determinismCheck is none', () => {
    const x = leaf(2, 3);
    const shapes = (): ((a: Tensor) => Tensor) => each((a) => a.exp().sum(), (a) => a.t().exp().sum()); // prettier-ignore
    expect(thrown(() => checkpoint(shapes(), x).backward())).toEqual(
      graph('checkpoint: saved tensor 0 is [3, 2] float64 in the second run, [2, 3] float64 in the first'),
    );
    const dtypes = each((a) => a.exp().sum(), (a) => a.to('float32').exp().sum()); // prettier-ignore
    expect(thrown(() => checkpoint(dtypes, x).backward())).toEqual(
      graph('saved tensor 0 is [2, 3] float32 in the second run'),
    );
    const unchecked = each((a) => a.exp().sum(), (a) => a.to('float32').to('float64').exp().sum()); // prettier-ignore
    checkpoint(unchecked, x, { determinismCheck: 'none' }).backward();
    expect(x.grad!.sub(x.exp()).abs().max().item()).toBeLessThan(1e-6);
  });
  test('an error of the function in the second run comes through, and leaves all as it was', () => {
    const x = leaf(3);
    const fn = each(
      (a) => a.exp(),
      () => {
        rand(1);
        throw new Error('the second time');
      },
    );
    const y = checkpoint(fn, x);
    manualSeed(3);
    expect(() => y.sum().backward()).toThrow('the second time');
    const next = rand(1);
    manualSeed(3);
    expect(next.equal(rand(1))).toBe(true);
    expect(tf.isGradEnabled()).toBe(true);
    x.grad = null;
    y.sum().backward(); // the node has not run: it may be tried again
    expect(x.grad!.equal(x.exp())).toBe(true);
  });
});

describe('refused', () => {
  const x = leaf(3);
  const fn = (a: Tensor): Tensor => a.exp();
  const wrong: [string, () => unknown, object | string][] = [
    ['no function', () => checkpoint(3 as never, x), 'checkpoint: expected a function or a module, got 3'],
    ['an async function', () => checkpoint(async (a) => Promise.resolve(a), x), 'checkpoint: the function is async'],
    [
      '… under noGrad',
      () => noGrad((() => checkpoint(async (a) => Promise.resolve(a), x)) as never),
      'checkpoint: the function is',
    ],
    ['a generator', () => checkpoint(function* (a: Tensor) { yield a; }, x), 'is a generator'], // prettier-ignore
    [
      'PyTorch’s older form',
      () => checkpoint(fn, x, { useReentrant: true } as never),
      'checkpoint: useReentrant: true is not supported',
    ],
    [
      'a misspelled option',
      () => checkpoint(fn, x, { preserveRngStat: false } as never),
      "checkpoint: unknown option 'preserveRngStat', did you mean 'preserveRngState'?",
    ],
    [
      'options and arguments in one object',
      () => checkpoint(fn, x, { mask: x, earlyStop: true } as never),
      "checkpoint: unknown option 'mask' (options: preserveRngState, useReentrant, determinismCheck, earlyStop)",
    ],
    ['', () => checkpoint(fn, x, { earlyStop: 1 } as never), "checkpoint: 'earlyStop' must be a boolean, got 1"],
    [
      '',
      () => checkpoint(fn, x, { determinismCheck: 'all' } as never),
      "'determinismCheck' must be 'default' or 'none'",
    ],
    ['', () => checkpointSequential([fn], 1, x, { segment: 2 } as never), "unknown option 'segment'"],
    ['', () => checkpointSequential([fn], 2, x), "'segments' must be from 1 to the number of functions, 1; got 2"],
    ['', () => checkpointSequential([fn], 0, x), "'segments' must be from 1 to the number of functions, 1; got 0"],
    ['', () => checkpointSequential(fn as never, 1, x), 'expected a list of functions or a Sequential, got a function'],
    [
      '',
      () => checkpointSequential([3 as never], 1, x),
      'checkpointSequential: expected a function or a module, got 3',
    ],
    ['', () => checkpointSequential([fn, async (a: never) => Promise.resolve(a)], 1, x), 'is async'],
    [
      'where hooks can’t be',
      () => autograd.graph.disableSavedTensorsHooks('no hooks here', () => checkpoint(fn, x)),
      'no hooks here',
    ],
  ];
  test.each(wrong)('%s', (_, call, message) => expect(call).toThrow(message as string));
});

describe('checkpointSequential', () => {
  it('runs all segments again but the last', () => {
    const runs = [0, 0, 0, 0, 0];
    const list = runs.map((_, i) => (a: Tensor) => (runs[i]!++, a.sin()));
    const x = leaf(3);
    const plain = outcome(() => list.reduce((a, f) => f(a), x), [x]);
    const counts = (segments: number): number[] => {
      runs.fill(0);
      expect(outcome(() => checkpointSequential(list, segments, x, { earlyStop: false }), [x])).toEqual(plain);
      return [...runs];
    };
    expect(counts(1)).toEqual([1, 1, 1, 1, 1]);
    expect(counts(2)).toEqual([2, 2, 1, 1, 1]);
    expect(counts(5)).toEqual([2, 2, 2, 2, 1]);
  });
  it('takes a module as often as it stands there', () => {
    const relu = new nn.ReLU();
    const model = new nn.Sequential(new nn.Linear(3, 3), relu, new nn.Linear(3, 3), relu);
    const x = randn(2, 3).requiresGrad_();
    const leaves = [x, ...model.parameters()];
    const expected = outcome(() => model.forward(x) as Tensor, leaves);
    expect(outcome(() => checkpointSequential(model, 2, x, { preserveRngState: false }), leaves)).toEqual(expected);
  });
});

describe('memory', () => {
  const MB = 2 ** 20;
  const DEPTH = 48;
  const layers = Array.from({ length: DEPTH }, () => (a: Tensor) => a.sin());
  const chain = (x: Tensor, segments: number | null): Tensor =>
    (segments === null ? layers.reduce((a, f) => f(a), x) : checkpointSequential(layers, segments, x)).sum();

  /** Bytes that a graph holds: tensors that its nodes saved, and those in what hooks made of them. */
  function heldBy(root: Tensor): number {
    const storages = new Set<Tensor['storage']>();
    const seen = new Set<object>();
    const stack: unknown[] = [root.gradFn];
    for (let at = stack.pop(); stack.length > 0 || at !== undefined; at = stack.pop()) {
      if (typeof at !== 'object' || at === null || seen.has(at)) continue;
      seen.add(at);
      if (at instanceof tf.Tensor) {
        storages.add(at.storage);
        stack.push(at.node);
      } else if (!ArrayBuffer.isView(at)) stack.push(...(at instanceof Map ? at.entries() : Object.values(at)));
    }
    return [...storages].reduce((sum, s) => sum + s.nbytes, 0);
  }

  test('a graph holds what stands between the segments, and those of the last', () => {
    const x = rand(1000).requiresGrad_();
    expect(heldBy(chain(x, null))).toBe(4000 * DEPTH);
    expect(heldBy(chain(x, 8))).toBe(4000 * (7 + DEPTH / 8));
    expect(heldBy(chain(x, DEPTH))).toBe(4000 * DEPTH); // each by itself gains nothing
    // A checkpoint around them: its own input and the last segment's are all.
    expect(heldBy(checkpoint((a: Tensor) => chain(a, 8), x))).toBe(4000);
  });
  test('nor does a function of the user hold what it saved', () => {
    class Sine extends autograd.Function {
      static override forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.sin();
      }
      static override backward(ctx: autograd.FunctionContext, grad: Tensor): Tensor {
        return ctx.savedTensors[0]!.cos().mul(grad);
      }
    }
    const x = rand(1000).requiresGrad_();
    const fn = (a: Tensor): Tensor => Sine.apply(Sine.apply(Sine.apply(a))) as Tensor;
    expect(heldBy(fn(x))).toBe(3 * 4000);
    expect(heldBy(checkpoint(fn, x))).toBe(4000);
  });
  test('a graph that has run holds nothing', () => {
    const x = rand(1000).requiresGrad_();
    const y = chain(x, 8);
    y.backward();
    expect(heldBy(y)).toBeLessThanOrEqual(4000); // x itself, the leaf
  });
  test('all that is in use after forward, and in backward', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const x = rand(MB / 4).requiresGrad_(); // 1 MB, 48 in the whole chain
    const inUse = (): number => {
      collect();
      tf.emptyCache();
      // V8 counts what a collection frees when the next one begins.
      collect();
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    function growth(segments: number | null, retainGraph = false): number {
      const before = inUse();
      let most = 0;
      const look = (): void => void (most = Math.max(most, inUse() - before));
      const watched = layers.map((f, i) => (a: Tensor) => {
        if (i % 3 === 1) a.registerHook(look);
        return f(a);
      });
      const y = segments === null ? watched.reduce((a, f) => f(a), x) : checkpointSequential(watched, segments, x);
      look();
      (y as Tensor).sum().backward({ retainGraph });
      x.grad = null;
      return most;
    }
    expect(growth(null)).toBeGreaterThan(47.9 * MB);
    expect(growth(8)).toBeLessThan(14 * MB); // 7 between segments, 6 in the one that was run again: 13.02
    expect(growth(8, true)).toBeLessThan(20 * MB); // and those of the last one, which stay
  });
});
