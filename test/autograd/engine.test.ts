/**
 * The engine: which gradients arrive, how often hooks are called and in which order, what is kept. The values are small
 * enough to be seen; what is not obvious is what PyTorch answers. In-place changes have their own tests.
 */
import { describe, expect, it } from 'vitest';
import { queueCallback } from '../../lib/autograd/engine.js';
import * as tf from '../../lib/index.js';
import {
  autograd,
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
  tensor,
  type Tensor,
} from '../../lib/index.js';

const f64 = (...values: number[]): Tensor => tensor(values, { dtype: 'float64' });
const leaf = (...values: number[]): Tensor => f64(...values).requiresGrad_();
const list = (t: Tensor | null): unknown => t && t.tolist();

/** y = a · b for two tensors; counts its backward calls and looks at what they get. */
class Product extends autograd.Function {
  static calls: unknown[] = [];
  static override forward(ctx: autograd.FunctionContext, a: Tensor, b: Tensor): Tensor {
    ctx.saveForBackward(a, b);
    return a.mul(b);
  }
  static override backward(ctx: autograd.FunctionContext, grad: Tensor): (Tensor | null)[] {
    const [a, b] = ctx.savedTensors as [Tensor, Tensor];
    Product.calls.push([...ctx.needsInputGrad, isGradEnabled()]);
    return [grad.mul(b), ctx.needsInputGrad[1] ? grad.mul(a) : null];
  }
}
const productCalls = (run: () => void): unknown[] => {
  Product.calls = [];
  run();
  return Product.calls;
};

describe('hooks', () => {
  it('a leaf’s is called once a backward, with the whole gradient', () => {
    const x = leaf(3);
    const seen: unknown[] = [];
    x.registerHook((g) => void seen.push(list(g)));
    const y = x.mul(2).add(x.mul(5)).sum();
    y.backward(null, true);
    expect(seen).toEqual([[7]]);
    y.backward();
    expect(seen).toEqual([[7], [7]]);
    expect(list(x.grad)).toEqual([14]);
  });
  it('run in the order of their registration, each on what the one before gave', () => {
    const x = leaf(3);
    const seen: unknown[] = [];
    for (const step of [1, 10, 100]) {
      x.registerHook((g) => {
        seen.push(list(g));
        return step === 10 ? undefined : g.add(step);
      });
    }
    x.mul(2).sum().backward();
    expect(seen).toEqual([[2], [3], [3]]);
    expect(list(x.grad)).toEqual([103]);
  });
  it('of a non-leaf: on the sum of what comes from its uses, before its makers’, and the replacement goes on', () => {
    const x = leaf(3);
    const log: unknown[] = [];
    const y = x.mul(2);
    const z = y.mul(y);
    x.registerHook((g) => void log.push(['x', list(g)]));
    y.registerHook((g) => {
      log.push(['y', list(g)]);
      return g.mul(10);
    });
    z.registerHook((g) => void log.push(['z', list(g)]));
    z.add(y).sum().backward();
    expect(log).toEqual([
      ['z', [1]],
      ['y', [13]],
      ['x', [260]],
    ]);
  });
  it('remove() ends one and leaves the others; twice does no harm', () => {
    const x = leaf(1);
    const seen: string[] = [];
    const [a, b] = ['a', 'b'].map((name) => x.registerHook(() => void seen.push(name)));
    a!.remove();
    a!.remove();
    x.sum().backward();
    const y = x.mul(2);
    y.registerHook(() => void seen.push('y')).remove();
    b!.remove();
    y.sum().backward();
    expect(seen).toEqual(['b']);
  });
  it('may remove itself while it runs', () => {
    const x = leaf(1);
    let calls = 0;
    const hook = x.registerHook(() => {
      calls++;
      hook.remove();
    });
    for (let i = 0; i < 3; i++) x.sum().backward();
    expect(calls).toBe(1);
  });
  it('of several outputs of one op see their own; none is called where no gradient comes', () => {
    const x = leaf(1, 2, 3);
    const [a, b, c] = x.mul(1).unbind(0);
    const seen: unknown[] = [];
    [a!, b!, c!].forEach((part, i) => part.registerHook((g) => void seen.push([i, list(g)])));
    a!.mul(2).add(c!.mul(4)).backward();
    expect(seen.sort()).toEqual([
      [0, 2],
      [2, 4],
    ]);
    expect(list(x.grad)).toEqual([2, 0, 4]);
  });
  it('of another tensor of the same op stay with it', () => {
    const x = leaf(3, 1, 2);
    const { values } = x.max(0);
    const again = x.max(0).values;
    let calls = 0;
    values.registerHook(() => void calls++);
    again.backward();
    expect(calls).toBe(0);
  });
  it('take part in autograd.grad, also of the inputs themselves; nothing goes to .grad', () => {
    const x = leaf(3);
    const y = x.mul(2);
    let after = 0;
    y.registerHook((g) => g.mul(10));
    x.registerHook((g) => g.add(1));
    x.registerPostAccumulateGradHook(() => void after++);
    const [gx, gy] = autograd.grad(y.mul(y), [x, y]);
    expect([list(gx!), list(gy!), x.grad, after]).toEqual([[241], [120], null, 0]);
  });
  it('see a gradient with a graph under createGraph', () => {
    const x = leaf(3);
    const graphs: boolean[] = [];
    x.registerHook((g) => {
      graphs.push(g.requiresGrad);
      return g.mul(x);
    });
    x.pow(3).sum().backward({ createGraph: true });
    expect(list(x.grad)).toEqual([81]);
    expect(list(autograd.grad(x.grad!, x)[0]!)).toEqual([81 * 3]); // ∂3x³/∂x, through the hook once more
    expect(graphs).toEqual([true, false]);
    x.grad = null;
  });
  it('that throw end the backward; the next one runs as ever', () => {
    const x = leaf(3);
    const hook = x.mul(1).registerHook(() => {});
    hook.remove();
    const y = x.mul(2);
    const failing = y.registerHook(() => {
      throw new Error('stop');
    });
    const total = y.mul(y).sum();
    expect(() => total.backward(null, true)).toThrow('stop');
    expect([isGradEnabled(), x.grad]).toEqual([true, null]);
    failing.remove();
    x.mul(x).sum().backward();
    expect(list(x.grad)).toEqual([6]);
  });
  it('may keep the gradient: its memory is not used again', () => {
    const x = tf.ones(1000).requiresGrad_();
    const y = x.mul(2);
    const kept: Tensor[] = [];
    y.registerHook((g) => void kept.push(g));
    y.mul(3).mul(5).sum().backward();
    for (let i = 0; i < 20; i++) x.mul(i).mul(2).sum().backward();
    expect(kept[0]!.eq(15).all().item()).toBe(true);
  });
  it('after accumulation: called with the leaf once its .grad is there, for the sum', () => {
    const x = leaf(3);
    const log: unknown[] = [];
    x.registerHook(() => void log.push(['before', list(x.grad)]));
    const hook = x.registerPostAccumulateGradHook((t) => void log.push(['after', t === x, list(x.grad)]));
    x.mul(2).add(x).sum().backward();
    x.mul(2).sum().backward();
    expect(log).toEqual([
      ['before', null],
      ['after', true, [3]],
      ['before', [3]],
      ['after', true, [5]],
    ]);
    hook.remove();
    x.sum().backward();
    expect(log.length).toBe(5);
  });
  it('after accumulation: in the midst of backward, once nothing more can come to the leaf; callbacks behind all', () => {
    const [first, last, shared] = [leaf(1), leaf(1), leaf(1)];
    const log: string[] = [];
    first.registerPostAccumulateGradHook(() => void log.push('first'));
    last.registerPostAccumulateGradHook(() => {
      log.push('last');
      queueCallback(() => void log.push(`done: ${String(list(first.grad))}`));
    });
    shared.registerPostAccumulateGradHook((t) => void log.push(`shared: ${String(list(t.grad))}`));
    const watched = first.mul(1).mul(shared);
    watched.registerHook(() => void log.push('between'));
    watched.mul(last).mul(shared).sum().backward();
    expect(log).toEqual(['last', 'between', 'shared: 2', 'first', 'done: 1']);
    expect(() => queueCallback(() => {})).toThrow('queueCallback: no backward runs now');
    first.mul(1).mul(shared).mul(last).sum().backward();
    expect(log.slice(5)).toEqual(['last', 'shared: 3', 'first', 'done: 2']);
  });
  it('after accumulation: a step and an empty .grad, as an optimizer within backward', () => {
    const x = leaf(3);
    x.registerPostAccumulateGradHook((t) => {
      noGrad(() => t.sub_(t.grad!));
      t.grad = null;
    });
    for (let i = 0; i < 2; i++) x.mul(0.5).sum().backward();
    expect([list(x), x.grad]).toEqual([[2], null]);
  });
});

describe('retainGrad', () => {
  it('keeps a non-leaf’s gradient, adds up over runs, and does nothing to a leaf', () => {
    const x = leaf(1, 2);
    x.retainGrad();
    const y = x.mul(2);
    y.retainGrad();
    y.retainGrad();
    const z = y.mul(y).sum();
    z.backward(null, true);
    expect([list(y.grad), y.retainsGrad, y.isLeaf, x.retainsGrad]).toEqual([[4, 8], true, false, false]);
    z.backward();
    expect([list(y.grad), list(x.grad)]).toEqual([
      [8, 16],
      [16, 32],
    ]);
  });
  it('without it a non-leaf has none', () => {
    const y = leaf(1).mul(2);
    y.sum().backward();
    expect([y.grad, y.retainsGrad]).toEqual([null, false]);
  });
  it('keeps what the hooks made of it', () => {
    const y = leaf(1).mul(2);
    y.retainGrad();
    y.registerHook((g) => g.mul(7));
    y.sum().backward();
    expect(list(y.grad)).toEqual([7]);
  });
  it('of the root, of one output of several, and of a view', () => {
    const x = leaf(1, 2, 3);
    const [a, b] = x.mul(2).split([1, 2]) as [Tensor, Tensor];
    const total = b.pow(2).sum();
    for (const t of [a, b, total]) t.retainGrad();
    total.backward();
    expect([a.grad, list(b.grad), list(total.grad)]).toEqual([null, [8, 12], 1]);
  });
  it('changed in place: that of the present value', () => {
    const x = leaf(1, 2);
    const y = x.mul(3);
    y.retainGrad();
    y.mul_(2);
    y.sum().backward();
    expect([y.grad, x.grad].map(list)).toEqual([
      [1, 1],
      [6, 6],
    ]);
  });
  it('within autograd.grad too', () => {
    const x = leaf(2);
    const y = x.mul(3);
    y.retainGrad();
    autograd.grad(y.mul(y), x);
    expect([list(y.grad), x.grad]).toEqual([[12], null]);
  });
});

describe('roots', () => {
  it('several at once: their gradients add up, what they share runs once', () => {
    const [x, w] = [leaf(2), leaf(5)];
    const calls = productCalls(() => {
      const shared = Product.apply(x, w) as Tensor;
      autograd.backward([shared.mul(3), shared.mul(4).sum()], [f64(1), null]);
    });
    expect([list(x.grad), list(w.grad), calls.length]).toEqual([[35], [14], 1]);
  });
  it('one of which leads to the other', () => {
    const x = leaf(2);
    const y = x.mul(3);
    autograd.backward([y, y.mul(y)], [f64(100), f64(1)]);
    expect(list(x.grad)).toEqual([336]);
  });
  it('the same one twice counts twice', () => {
    const x = leaf(3);
    const y = x.mul(x);
    autograd.backward([y, y]);
    expect(list(x.grad)).toEqual([12]);
  });
  it('a leaf is its own root; the gradient given is not aliased', () => {
    const x = leaf(1, 2);
    const given = f64(3, 4);
    x.backward(given);
    given.zero_();
    expect([list(x.grad), x.grad!.requiresGrad]).toEqual([[3, 4], false]);
  });
  it('a gradient given in another dtype arrives in the root’s', () => {
    const x = leaf(1, 2);
    x.mul(2).backward(tensor([1, 10]));
    expect([x.grad!.dtype, list(x.grad)]).toEqual(['float64', [2, 20]]);
  });
});

describe('autograd.grad', () => {
  it('an unused input: null under allowUnused, refused otherwise', () => {
    const [x, w] = [leaf(2), leaf(5)];
    const y = x.mul(x);
    expect(() => autograd.grad(y, [x, w], { retainGraph: true })).toThrow('input 1 was not used');
    const [gx, gw] = autograd.grad(y, [x, w], { allowUnused: true });
    expect([list(gx!), gw]).toEqual([[4], null]);
  });
  it('the same input twice, an output as an input, leaves and what was made of them', () => {
    const x = leaf(2);
    const y = x.mul(3);
    const z = y.mul(y);
    const all = autograd.grad(z, [x, y, x, z, y]);
    expect(all.map(list)).toEqual([[36], [12], [36], [1], [12]]);
    expect(x.grad).toBe(null);
  });
  it('gradOutputs, with null for 1, by name and by place', () => {
    const x = leaf(2);
    const outputs = [x.mul(x), x.mul(5)];
    const named = autograd.grad(outputs, x, { gradOutputs: [f64(10), null], retainGraph: true });
    const placed = autograd.grad(outputs, x, [f64(10), null], { allowUnused: true });
    expect([named, placed].map(([g]) => list(g!))).toEqual([[45], [45]]);
  });
  it('runs only what leads to the inputs', () => {
    const [x, w] = [leaf(2), leaf(5)];
    const calls = productCalls(() => {
      const side = Product.apply(w, w) as Tensor;
      autograd.grad(x.mul(3).add(side), x);
    });
    expect(calls).toEqual([]);
  });
  it('createGraph to the fourth order', () => {
    const x = leaf(2);
    let y = x.pow(4).sum();
    const orders: unknown[] = [];
    for (let order = 1; order <= 4; order++) {
      const [g] = autograd.grad(y, x, { createGraph: true });
      orders.push(list(g!));
      y = g!.sum();
    }
    expect(orders).toEqual([[32], [48], [48], [24]]);
  });
  it('third order of a mixed function, as PyTorch', () => {
    // sin(x·y)·eˣ at (0.5, 2): ∂³/∂x²∂y
    const [x, y] = [leaf(0.5), leaf(2)];
    const f = x.mul(y).sin().mul(x.exp()).sum();
    const [fx] = autograd.grad(f, x, { createGraph: true });
    const [fxx] = autograd.grad(fx!, x, { createGraph: true });
    const [fxxy] = autograd.grad(fxx!, y);
    expect(fxxy!.item()).toBeCloseTo(-7.878702715832016, 12);
  });
  it('without createGraph the gradients have no graph', () => {
    const x = leaf(2);
    expect(autograd.grad(x.pow(3), x)[0]!.requiresGrad).toBe(false);
  });
});

describe('what a backward leaves', () => {
  it('a second one needs retainGraph where tensors were saved, and not where none were', () => {
    const x = leaf(1, 2);
    const product = x.mul(x).sum();
    product.backward();
    expect(() => product.backward()).toThrow('{ retainGraph: true }');
    const total = x.add(1).sum();
    total.backward();
    total.backward();
    expect(list(x.grad)).toEqual([4, 6]);
  });
  it('.grad gathers in place over runs, and starts anew after null', () => {
    const x = leaf(1, 2);
    x.mul(3).sum().backward();
    const first = x.grad!;
    x.mul(x).sum().backward();
    expect([x.grad === first, list(first)]).toEqual([true, [5, 7]]);
    x.grad = null;
    x.sum().backward();
    expect([list(x.grad), list(first)]).toEqual([
      [1, 1],
      [5, 7],
    ]);
  });
  it('two leaves that get the same gradient don’t share it', () => {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    x.add(w).sum().backward();
    x.grad!.mul_(10);
    expect([list(x.grad), list(w.grad)]).toEqual([
      [10, 10],
      [1, 1],
    ]);
  });
  it('inputs: only theirs, also of a non-leaf', () => {
    const [x, w] = [leaf(2), leaf(5)];
    const y = x.mul(w);
    const z = y.mul(y).sum();
    z.backward({ inputs: [x], retainGraph: true });
    expect([list(x.grad), w.grad]).toEqual([[100], null]);
    z.backward({ inputs: y });
    expect([list(x.grad), w.grad, list(y.grad)]).toEqual([[100], null, [20]]);
  });
  it('nothing in a leaf that was frozen after its use', () => {
    const [x, w] = [leaf(2), leaf(5)];
    let after = 0;
    x.registerPostAccumulateGradHook(() => void after++);
    const y = x.mul(w);
    x.requiresGrad_(false);
    y.backward();
    expect([x.grad, list(w.grad), after]).toEqual([null, [2], 0]);
  });
  it('inputs: the same one twice counts once', () => {
    const x = leaf(2);
    x.mul(3)
      .sum()
      .backward({ inputs: [x, x] });
    expect(list(x.grad)).toEqual([3]);
  });
  it('createGraph into .grad: it can be differentiated', () => {
    const x = leaf(2);
    x.pow(3).sum().backward({ createGraph: true });
    const penalty = x.grad!.pow(2).sum();
    x.grad = null;
    penalty.backward();
    expect(list(x.grad)).toEqual([2 * 12 * 12]);
  });
});

describe('graphs', () => {
  it('a chain of 100,000 ops, and its second derivative', () => {
    const x = leaf(1);
    let y = x;
    for (let i = 0; i < 100_000; i++) y = i % 2 ? y.mul(2) : y.mul(0.5);
    y = y.mul(x).sum();
    const [first] = autograd.grad(y, x, { createGraph: true });
    expect([list(first!), list(autograd.grad(first!, x)[0]!)]).toEqual([[2], [2]]);
  });
  it('shared subgraphs run once: sixty doublings', () => {
    const [x, w] = [leaf(1), leaf(3)];
    const calls = productCalls(() => {
      let y = Product.apply(x, w) as Tensor;
      for (let i = 0; i < 60; i++) y = y.add(y);
      y.backward();
    });
    expect([list(x.grad), calls.length]).toEqual([[3 * 2 ** 60], 1]);
  });
  it('ops run by falling age: nothing before all its users', () => {
    const x = leaf(2);
    const order: string[] = [];
    const watch = (name: string, t: Tensor): Tensor => {
      t.registerHook(() => void order.push(name));
      return t;
    };
    const a = watch('a', x.mul(2));
    const late = watch('late', a.mul(3));
    const early = watch('early', a.mul(5));
    watch('sum', early.add(late)).backward();
    expect(order).toEqual(['sum', 'early', 'late', 'a']);
    expect(list(x.grad)).toEqual([16]);
  });
  it('unused outputs of an op with several count as zeros', () => {
    const x = leaf(3, 1, 2);
    const parts: [Tensor, number[]][] = [
      [x.topk(2).values.at(0), [1, 0, 0]],
      [x.sort().values.at(2).mul(4), [4, 0, 0]],
      [x.unbind(0)[1]!, [0, 1, 0]],
      [x.split(2)[1]!.sum(), [0, 0, 1]],
      [tf.varMean(x)[1]!, [1 / 3, 1 / 3, 1 / 3]],
      [tf.varMean(x)[0]!, [1, -1, 0]],
      [x.max(0).values, [1, 0, 0]],
    ];
    for (const [part, expected] of parts) expect(list(autograd.grad(part, x)[0]!)).toEqual(expected);
  });
  it('parts that don’t require grad are left out', () => {
    const [x, constant] = [leaf(2), f64(5)];
    const y = x.mul(constant).add(constant.mul(3));
    y.backward();
    expect([list(x.grad), constant.grad, constant.requiresGrad]).toEqual([[5], null, false]);
    expect(y.gradFn!.nextFunctions[1]).toBe(null);
  });
  it('detach() cuts, and the value goes on', () => {
    const x = leaf(3);
    const y = x.mul(x);
    y.detach().mul(x).sum().backward();
    expect([list(x.grad), y.detach().requiresGrad]).toEqual([[9], false]);
  });
  it('float32 and float64 meet: each gets its own gradient', () => {
    const [x, w] = [tensor([1.5], { requiresGrad: true }), leaf(2)];
    x.mul(w).sum().backward();
    expect([x.grad!.dtype, list(x.grad), w.grad!.dtype, list(w.grad)]).toEqual(['float32', [2], 'float64', [1.5]]);
  });
});

describe('a user’s Function', () => {
  const F = autograd.Function;
  type Context = autograd.FunctionContext;
  const seen: unknown[] = [];
  class SumAndProduct extends F {
    static override forward(ctx: Context, a: Tensor, b: Tensor, factor: number): Tensor[] {
      ctx.saveForBackward(a, b);
      ctx.factor = factor;
      return [a.add(b), a.mul(b).mul(factor)];
    }
    static override backward(ctx: Context, sum: Tensor, product: Tensor): (Tensor | null)[] {
      seen.push([list(sum), list(product), ctx.needsInputGrad, isGradEnabled()]);
      const [a, b] = ctx.savedTensors as [Tensor, Tensor];
      const scaled = product.mul(ctx.factor as number);
      return [sum.add(scaled.mul(b)), sum.add(scaled.mul(a)), null];
    }
  }
  const run = (a: Tensor, b: Tensor): [Tensor, Tensor] => SumAndProduct.apply(a, b, 10) as [Tensor, Tensor];

  it('with several outputs: zeros stand in for the gradient of an unused one', () => {
    seen.length = 0;
    const a = leaf(2);
    run(a, f64(5))[0].backward();
    expect(seen).toEqual([[[1], [0], [true, false, false], false]]);
    expect(list(a.grad)).toEqual([1]);
  });
  it('… whose gradients add up, and whose backward runs once', () => {
    seen.length = 0;
    const [a, b] = [leaf(2), leaf(5)];
    const [sum, product] = run(a, b);
    expect([list(sum), list(product), sum.gradFn!.name]).toEqual([[7], [100], 'SumAndProductBackward']);
    expect(sum.gradFn).toBe(product.gradFn);
    sum.mul(3).add(product).backward();
    expect(seen.length).toBe(1);
    expect([list(a.grad), list(b.grad)]).toEqual([[53], [23]]);
  });
  it('differentiates twice through what backward does under createGraph', () => {
    seen.length = 0;
    const [a, b] = [leaf(2), leaf(5)];
    const [first] = autograd.grad(run(a, b)[1].mul(a), a, { createGraph: true }); // 10·a²·b
    expect(seen).toEqual([[[0], [2], [true, true, false], true]]);
    const [byA, byB] = autograd.grad(first!, [a, b]);
    expect([first!, byA!, byB!].map(list)).toEqual([[200], [100], [40]]);
    expect(autograd.gradgradcheck((x, y) => run(x, y), [a, b])).toBe(true);
  });
  it('setMaterializeGrads(false): null for a gradient that didn’t come', () => {
    class Lazy extends F {
      static override forward(ctx: Context, x: Tensor): Tensor[] {
        ctx.setMaterializeGrads(false);
        return [x.mul(2), x.mul(3)];
      }
      static override backward(_: Context, a: Tensor | null, b: Tensor | null): Tensor | null {
        seen.push([a === null, b === null]);
        return b!.mul(3);
      }
    }
    seen.length = 0;
    const x = leaf(1);
    (Lazy.apply(x) as Tensor[])[1]!.backward();
    expect([seen, list(x.grad)]).toEqual([[[true, false]], [3]]);
  });
  it('markNonDifferentiable, and outputs of integers: no graph, zeros in backward', () => {
    class Ranked extends F {
      static override forward(ctx: Context, x: Tensor): Tensor[] {
        const [rank, third] = [x.argsort(), x.mul(3)];
        ctx.markNonDifferentiable(rank, third);
        return [x.mul(2), rank, third];
      }
      static override backward(_: Context, ...grads: Tensor[]): Tensor {
        seen.push(grads.map((g) => [g.dtype, list(g)]));
        return grads[0]!.mul(2);
      }
    }
    seen.length = 0;
    const x = leaf(3, 1);
    const outputs = Ranked.apply(x) as Tensor[];
    expect(outputs.map((t) => t.requiresGrad)).toEqual([true, false, false]);
    outputs[0]!.sum().backward();
    const zeros = (dtype: string): unknown => [dtype, [0, 0]];
    expect(seen).toEqual([[['float64', [1, 1]], zeros('int64'), zeros('float64')]]);
    expect(list(x.grad)).toEqual([2, 2]);
  });
  it('needsInputGrad says what is wanted; the inside of forward is not recorded', () => {
    class Inner extends F {
      static override forward(ctx: Context, x: Tensor, w: Tensor | null): Tensor {
        const inside = x.mul(2);
        seen.push([ctx.needsInputGrad, isGradEnabled(), inside.requiresGrad, w === null]);
        return inside;
      }
      static override backward(_: Context, grad: Tensor): (Tensor | null)[] {
        return [grad.mul(2), null];
      }
    }
    seen.length = 0;
    const y = Inner.apply(leaf(1), null) as Tensor;
    const z = noGrad(() => Inner.apply(leaf(1), null) as Tensor);
    expect([y.requiresGrad, z.requiresGrad, (Inner.apply(f64(1), f64(1)) as Tensor).requiresGrad]).toEqual([
      true,
      false,
      false,
    ]);
    expect(seen).toEqual([
      [[true, false], false, false, true],
      [[true, false], false, false, true],
      [[false, false], false, false, false],
    ]);
  });
  it('that returns its input gives another tensor with a gradient of its own', () => {
    class Reversed extends F {
      static override forward(_: Context, x: Tensor): Tensor {
        return x;
      }
      static override backward(_: Context, grad: Tensor): Tensor {
        return grad.neg();
      }
    }
    const x = leaf(2);
    const y = Reversed.apply(x) as Tensor;
    y.mul(3).backward();
    expect([y === x, x.isLeaf, list(x.grad)]).toEqual([false, true, [-3]]);
  });
  it('what it saved is gone after backward, and kept under retainGraph', () => {
    const y = Product.apply(leaf(2), leaf(5)) as Tensor;
    y.backward(null, true);
    y.backward();
    expect(() => y.backward()).toThrow('ProductBackward');
  });
  it('an error in forward or backward passes on, and the mode is as before', () => {
    class Failing extends F {
      static override forward(_: Context, x: Tensor, where: string): Tensor {
        if (where === 'forward') throw new Error('in forward');
        return x.mul(1);
      }
      static override backward(): Tensor {
        throw new Error('in backward');
      }
    }
    const x = leaf(1);
    expect(() => void Failing.apply(x, 'forward')).toThrow('in forward');
    const y = Failing.apply(x, 'backward') as Tensor;
    expect(() => y.backward()).toThrow('in backward');
    expect([isGradEnabled(), x.grad]).toEqual([true, null]);
  });
});

describe('detectAnomaly', () => {
  function theRootOfSomething(x: Tensor): Tensor {
    return x.sqrt();
  }
  it('names the op whose backward makes a NaN, and the place of its forward', () => {
    const x = leaf(0, 1);
    const total = detectAnomaly(() => theRootOfSomething(x).mul(0).sum()); // 0 · ∞
    let message = '';
    try {
      detectAnomaly(() => total.backward());
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(/^backward: <SqrtBackward0> returned NaN in gradient 0/);
    expect(message).toContain('theRootOfSomething');
    expect(message).toContain('engine.test.ts');
  });
  it('says so where the forward was outside; without it the NaN goes through; finite gradients pass', () => {
    const x = leaf(0);
    const make = (): Tensor => theRootOfSomething(x).mul(0).sum();
    const outside = make();
    expect(() => detectAnomaly(() => outside.backward())).toThrow('recorded outside detectAnomaly');
    make().backward();
    expect(list(x.grad)).toEqual([NaN]);
    const y = leaf(4);
    detectAnomaly(() => theRootOfSomething(y).sum().backward());
    expect(list(y.grad)).toEqual([0.25]);
  });
  it('ends with its function, also after an error', () => {
    expect(() => detectAnomaly(() => detectAnomaly(() => leaf(1).view(7)))).toThrow();
    const x = leaf(0);
    theRootOfSomething(x).mul(0).sum().backward();
    expect(list(x.grad)).toEqual([NaN]);
  });
});

describe('modes', () => {
  const x = leaf(1);
  const records = (): boolean => x.mul(2).requiresGrad;

  it('noGrad and enableGrad nest, and give back what their functions give', () => {
    const states = noGrad(() => [records(), enableGrad(() => [records(), noGrad(records), records()]), records()]);
    expect([states, records()]).toEqual([[false, [true, false, true], false], true]);
  });
  it('each restores what was before it when its function throws', () => {
    const failing = (): never => {
      throw new Error('inside');
    };
    for (const scope of [noGrad, enableGrad, inferenceMode, detectAnomaly] as ((fn: () => void) => void)[]) {
      expect(() => scope(failing)).toThrow('inside');
      expect([isGradEnabled(), isInferenceModeEnabled()]).toEqual([true, false]);
      noGrad(() => {
        expect(() => scope(failing)).toThrow('inside');
        expect(isGradEnabled()).toBe(false);
      });
    }
  });
  it('setGradEnabled holds until it is set again, within a scope until its end', () => {
    setGradEnabled(false);
    const off = records();
    setGradEnabled(true);
    const within = enableGrad(() => {
      setGradEnabled(false);
      return records();
    });
    expect([off, within, records()]).toEqual([false, false, true]);
  });
  it('setGradEnabled as a scope, with using', () => {
    const before = setGradEnabled(false);
    expect(records()).toBe(false);
    before[Symbol.dispose]();
    expect(records()).toBe(true);
  });
  it('a graph made outside runs backward inside noGrad; createGraph records even there', () => {
    const w = leaf(3);
    const y = w.pow(3).sum();
    const [second] = noGrad(() => {
      const [first] = autograd.grad(y, w, { createGraph: true });
      return autograd.grad(first!, w);
    });
    expect(list(second!)).toEqual([18]);
  });
  it('a leaf made inside noGrad requires grad and is recorded outside', () => {
    const w = noGrad(() => leaf(2));
    w.mul(w).backward();
    expect(list(w.grad)).toEqual([4]);
  });
  it('inferenceMode: enableGrad inside changes nothing', () => {
    const y = inferenceMode(() => enableGrad(() => x.mul(2)));
    expect([y.requiresGrad, x.mul(2).requiresGrad]).toEqual([false, true]);
  });
  it('inferenceMode: no recording, and its tensors are like others afterwards', () => {
    const [inside, y] = inferenceMode(() => [isInferenceModeEnabled(), x.mul(5)]);
    expect([inside, isInferenceModeEnabled(), y.requiresGrad]).toEqual([true, false, false]);
    const w = leaf(2);
    w.mul(y).backward();
    expect(list(w.grad)).toEqual([5]);
  });
  it('views and in-place changes inside noGrad leave a leaf a leaf', () => {
    const w = leaf(1, 2);
    noGrad(() => w.at(0).fill_(7));
    expect([list(w), w.isLeaf, w.requiresGrad]).toEqual([[7, 2], true, true]);
    w.mul(w).sum().backward();
    expect(list(w.grad)).toEqual([14, 4]);
  });
});
