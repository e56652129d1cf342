/** In-place changes and the graph, where programs.test.ts has no answer of PyTorch's: it refuses, or Tenfold differs. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { arange, autograd, noGrad, tensor, zeros, type Tensor } from '../../lib/index.js';

const leaf = (...values: number[]): Tensor => tensor(values, { dtype: 'float64', requiresGrad: true });
const matrix = (): Tensor => arange(6, { dtype: 'float64' }).reshape(2, 3).clone().requiresGrad_();

describe('an operand that is the changed tensor', () => {
  const ROWS: [string, (y: Tensor) => Tensor, (y: Tensor) => Tensor][] = [
    ['mul_(itself)', (y) => y.mul_(y), (y) => y.mul(y)],
    ['div_ by a part of itself', (y) => y.div_(y.at(1)), (y) => y.div(y.at(1))],
    ['addcmul_(itself, itself)', (y) => y.addcmul_(y, y), (y) => y.addcmul(y, y)],
    ['pow_(itself)', (y) => y.pow_(y), (y) => y.pow(y)],
    ['atan2_ of its reverse', (y) => y.atan2_(y.flip(0)), (y) => y.atan2(y.flip(0))],
    ['lerp_ to a view of itself', (y) => y.lerp_(y.view(3), 0.25), (y) => y.lerp(y.view(3), 0.25)],
    ['maximum with a view, composite', (y) => y.hypot_(y.view(3)), (y) => y.hypot(y.view(3))],
  ];
  it.each(ROWS)('%s: gradients are those of the op on a copy', (_, change, copy) => {
    const gradients = [change, copy].map((f) => {
      const x = leaf(1.5, 2, 0.5);
      const y = f(x.mul(2));
      return autograd.grad(y.mul(tensor([1, 2, 3], { dtype: 'float64' })).sum(), x)[0]!;
    });
    expect(tf.allclose(gradients[0]!, gradients[1]!, { rtol: 1e-12 })).toBe(true);
  });
});

describe('results that were reshaped within their op', () => {
  // A dot product is computed as a matrix of one element; nobody else has that matrix.
  it.each([
    ['dot', (x: Tensor, w: Tensor) => x.matmul(w)],
    ['matrix times vector', (x: Tensor, w: Tensor) => tf.stack([x, x]).matmul(w)],
    ['a user’s Function', (x: Tensor, w: Tensor) => Product.apply(x, w) as Tensor],
  ])('%s: changed in place, it keeps its gradients', (_, f) => {
    const [x, w] = [leaf(1, 2, 3), leaf(4, 5, 6)];
    const y = f(x, w);
    y.neg_();
    y.sum().backward();
    const [x2, w2] = [leaf(1, 2, 3), leaf(4, 5, 6)];
    f(x2, w2).neg().sum().backward();
    expect(x.grad!.tolist()).toEqual(x2.grad!.tolist());
    expect(w.grad!.tolist()).toEqual(w2.grad!.tolist());
    expect(x.grad!.tolist()).not.toEqual([0, 0, 0]);
  });
  class Product extends autograd.Function {
    static override forward(ctx: tf.autograd.FunctionContext, x: Tensor, w: Tensor): Tensor {
      ctx.saveForBackward(x, w);
      return x.mul(w).view(1, 3);
    }
    static override backward(ctx: tf.autograd.FunctionContext, grad: Tensor): Tensor[] {
      const [x, w] = ctx.savedTensors as [Tensor, Tensor];
      return [grad.view(3).mul(w), grad.view(3).mul(x)];
    }
  }
});

describe('t_, transpose_, squeeze_, unsqueeze_, asStrided_', () => {
  it('change sizes and strides, raise the version, and return their tensor', () => {
    const x = zeros(2, 1, 3);
    expect(x.squeeze_()).toBe(x);
    expect([x.shape, x.stride(), x.version]).toEqual([[2, 3], [3, 1], 1]);
    expect(x.t_().shape).toEqual([3, 2]);
    expect(x.isContiguous()).toBe(false);
    expect(x.unsqueeze_(-1).transpose_(0, 1).shape).toEqual([2, 3, 1]);
    expect(x.asStrided_([2, 2], [1, 1], 1).stride()).toEqual([1, 1]);
    expect(x.swapdims_(0, 1).swapaxes_(0, 1).shape).toEqual([2, 2]);
  });
  it('expanded tensors can be turned: nothing is written', () => {
    expect(zeros(1, 3).expand(4, 3).t_().stride()).toEqual([1, 0]);
  });
  it('a leaf is refused, inside noGrad it is turned and stays one', () => {
    const x = matrix();
    expect(() => x.t_()).toThrow("t_: a leaf tensor that requires grad can't be changed in place");
    expect(() => x.at(0).unsqueeze_(0)).toThrow("unsqueeze_: a view of a leaf tensor that requires grad can't be");
    noGrad(() => x.t_());
    expect([x.shape, x.isLeaf, x.requiresGrad]).toEqual([[3, 2], true, true]);
    x.mul(x).sum().backward();
    expect(x.grad!.tolist()).toEqual([[0, 6], [2, 8], [4, 10]]); // prettier-ignore
  });
  it('what an op made keeps its gradient inside noGrad, too', () => {
    const x = matrix();
    const y = x.mul(2);
    noGrad(() => y.t_());
    y.mul(tensor([[1, 2], [3, 4], [5, 6]], { dtype: 'float64' })).sum().backward(); // prettier-ignore
    expect(x.grad!.tolist()).toEqual([[2, 6, 10], [4, 8, 12]]); // prettier-ignore
  });
  it('a refused call changes nothing', () => {
    const x = zeros(2, 1, 3);
    expect(() => x.t_()).toThrow('t_: needs at most 2 dims, got [2, 1, 3]');
    expect(() => x.transpose_(0, 3)).toThrow('transpose_: dim 3 is out of range');
    expect(() => x.swapaxes_(0, 3)).toThrow('swapaxes_: dim 3 is out of range');
    expect(() => x.asStrided_([7], [1])).toThrow('asStrided_: size [7], stride [1] and offset 0 reach element 7');
    expect([x.shape, x.version]).toEqual([[2, 1, 3], 0]);
  });
});

describe('a leaf that is a view', () => {
  const view = (): Tensor => arange(6, { dtype: 'float64' }).reshape(2, 3).requiresGrad_();
  it('protects its own views', () => {
    expect(() => view().at(0).mul_(2)).toThrow("mul_: a view of a leaf tensor that requires grad can't be changed");
  });
  it('gathers the gradients of its views after a change inside noGrad', () => {
    const x = view();
    const row = x.at(1);
    noGrad(() => x.mul_(2));
    row.mul(row).sum().backward();
    expect(x.grad!.tolist()).toEqual([[0, 0, 0], [12, 16, 20]]); // prettier-ignore
  });
  it('hands on to its base once it requires no grad', () => {
    const base = zeros(6, { dtype: 'float64' });
    const x = base.view(2, 3).requiresGrad_();
    const row = x.at(1);
    x.requiresGrad_(false);
    const w = leaf(1, 2, 3);
    row.add_(w);
    expect(base.requiresGrad).toBe(true);
    base.mul(base).sum().backward();
    expect(w.grad!.tolist()).toEqual([2, 4, 6]);
  });
});
