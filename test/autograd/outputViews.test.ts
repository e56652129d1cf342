/**
 * Views that a user's Function or a module's hooks gave out. Their gradient goes through what stands behind them; a change in
 * place would be recorded past it, and is refused, as PyTorch does. What markDirty names is changed in place with a gradient.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { autograd, nn, noGrad, tensor, type Tensor } from '../../lib/index.js';

const leaf = (...values: number[]): Tensor => tensor(values, { dtype: 'float64', requiresGrad: true });
type Ctx = autograd.FunctionContext;

class TenTimes extends autograd.Function {
  static override backward(_ctx: Ctx, ...grads: Tensor[]): Tensor {
    return tf.cat(grads.map((g) => g.reshape(-1))).mul(10);
  }
}
class Flat extends TenTimes {
  static override forward(_ctx: Ctx, x: Tensor): Tensor {
    return x.view(-1);
  }
}
class Chunks extends TenTimes {
  static override forward(_ctx: Ctx, x: Tensor): Tensor[] {
    return x.chunk(2);
  }
}
class Same extends TenTimes {
  static override forward(_ctx: Ctx, x: Tensor): Tensor {
    return x;
  }
}
class Outside extends TenTimes {
  static weight = leaf(1, 2).mul(1);
  static override forward(_ctx: Ctx, _x: Tensor): Tensor {
    return Outside.weight.view(-1);
  }
}
class Overlapping extends autograd.Function {
  static override forward(_ctx: Ctx, x: Tensor): Tensor[] {
    const y = x.mul(2);
    return [y, y.view(-1)];
  }
  static override backward(_ctx: Ctx, a: Tensor, b: Tensor): Tensor {
    return a.add(b).mul(2);
  }
}

describe('a result of a user’s Function that is a view', () => {
  const ROWS: [string, (h: Tensor) => Tensor][] = [
    ['of an argument', (h) => Flat.apply(h) as Tensor],
    ['and a view of it', (h) => (Flat.apply(h) as Tensor).view(2, 1)],
    ['one of several', (h) => (Chunks.apply(h) as Tensor[])[1]!],
    ['an argument as it was', (h) => Same.apply(h) as Tensor],
    ['an argument as it was, itself a view', (h) => Same.apply(h.view(2)) as Tensor],
    ['of a tensor of the graph that is no argument', (h) => Outside.apply(h) as Tensor],
    ['of another result', (h) => (Overlapping.apply(h) as Tensor[])[1]!],
  ];
  it.each(ROWS)('%s: is not changed in place, nor used after its memory was', (_, make) => {
    const y = make(leaf(1, 2).mul(1));
    expect(() => y.mul_(2)).toThrow(/mul_: this view is a result of \w+Backward, .*clone\(\)/);
    noGrad(() => y.mul_(2));
    expect(() => y.sum().backward()).toThrow(/\w+Backward: its result is a view, and its memory was changed in place/);
  });
  it.each(ROWS)('%s: has the gradient that backward gives, also of a clone changed in place', (_, make) => {
    const x = leaf(1, 2);
    const h = x.mul(1);
    make(h).clone().mul_(2);
    const y = make(h);
    const other = make(x.mul(1)).clone();
    expect(String(y.gradFn)).toMatch(/Backward/);
    other.mul_(2);
    expect(other.gradFn!.name).toBe('MulBackward0');
  });
  it('the base changed in place: the view can’t go on either', () => {
    const h = leaf(1, 2).mul(1);
    const y = Flat.apply(h) as Tensor;
    h.mul_(2);
    expect(() => y.sum().backward()).toThrow(/FlatBackward/);
  });
  it('an argument that is returned keeps its own place in the graph', () => {
    const x = leaf(1, 2);
    const h = x.mul(1).view(2);
    (Same.apply(h) as Tensor).sum().backward();
    expect(h.gradFn!.name).toBe('ViewBackward0');
    expect(x.grad!.tolist()).toEqual([10, 10]);
  });
});

class Twice extends autograd.Function {
  static override forward(ctx: Ctx, x: Tensor): Tensor {
    x.mul_(2);
    ctx.markDirty(x);
    return x;
  }
  static override backward(_ctx: Ctx, grad: Tensor): Tensor {
    return grad.mul(10); // not 2: so that it is seen who ran
  }
}

describe('markDirty', () => {
  it('the argument is the result, and both have the gradient', () => {
    const x = leaf(1, 2);
    const h = x.mul(1);
    const y = Twice.apply(h) as Tensor;
    expect(y).toBe(h);
    expect(h.gradFn!.name).toBe('TwiceBackward');
    h.add(y).sum().backward();
    expect(h.tolist()).toEqual([2, 4]);
    expect(x.grad!.tolist()).toEqual([20, 20]);
  });
  it('of a view: its base shows the change and its gradient', () => {
    const x = leaf(1, 2);
    const h = x.mul(1);
    Twice.apply(h.select(0, 1));
    h.sum().backward();
    expect(h.tolist()).toEqual([1, 4]);
    expect(x.grad!.tolist()).toEqual([1, 10]);
  });
  it('refuses leaves, tensors that are no arguments or aren’t returned, and what is no tensor', () => {
    expect(() => void Twice.apply(leaf(1))).toThrow(
      /Twice: a leaf tensor that requires grad can't be changed in place/,
    );
    const make = (mark: (ctx: Ctx, x: Tensor) => void, result = (x: Tensor): Tensor => x.mul(1)): (() => void) => {
      class Marks extends TenTimes {
        static override forward(ctx: Ctx, x: Tensor): Tensor {
          mark(ctx, x);
          return result(x);
        }
      }
      return () => void Marks.apply(leaf(1).mul(1));
    };
    expect(make((ctx, x) => ctx.markDirty(x))).toThrow(
      'Marks: forward must return every argument that it marks as dirty',
    );
    expect(make((ctx) => ctx.markDirty(tf.ones(1)))).toThrow('Marks: markDirty was given a tensor that is no argument');
    expect(make((ctx) => ctx.markDirty(1 as never))).toThrow('markDirty: expected tensors, got 1');
  });
});

describe('backward hooks of a module', () => {
  const hooked = <M extends nn.Module>(module: M, kind: 'full' | 'pre'): M => {
    if (kind === 'full') module.registerFullBackwardHook(() => undefined);
    else module.registerFullBackwardPreHook(() => undefined);
    return module;
  };
  it.each(['full', 'pre'] as const)('%s: an argument that the module would change in place is refused', (kind) => {
    const h = leaf(-1, 2).mul(3);
    const relu = hooked(new nn.ReLU({ inplace: true }), kind);
    expect(() => void relu.forward(h)).toThrow(/relu_: this view is a result of BackwardHookFunctionBackward/);
    expect(h.tolist()).toEqual([-3, 6]);
  });
  it('a result, and what the module was given and returned, can’t be changed either', () => {
    const y = hooked(new nn.Linear(2, 2), 'full').forward(tensor([1, 2])) as Tensor;
    expect(() => y.add_(1)).toThrow(/BackwardHookFunctionBackward/);
    const z = hooked(new nn.Identity(), 'full').forward(leaf(1).mul(1)) as Tensor;
    expect(() => z.add_(1)).toThrow(/BackwardHookFunctionBackward/);
  });
});
