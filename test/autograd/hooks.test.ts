/** savedTensorsHooks: what pack and unpack see, in which order, and that gradients come out right. */
import { describe, expect, it, test } from 'vitest';
import * as tf from '../../lib/index.js';
import { autograd, tensor, type Tensor } from '../../lib/index.js';

const { savedTensorsHooks, disableSavedTensorsHooks } = autograd.graph;
const F = tf.nn.functional;

/** 0.1, 0.2, … as a leaf. */
const leaf = (...shape: number[]): Tensor =>
  tf.arange(1, shape.reduce((a, b) => a * b, 1) + 1).div(10).reshape(shape).detach().requiresGrad_(); // prettier-ignore
const constant = (...shape: number[]): Tensor => leaf(...shape).detach();
const same = (t: Tensor): Tensor => t;

class Square extends autograd.Function {
  static override forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
    const y = x.mul(x);
    ctx.saveForBackward(x, null, y);
    return y;
  }
  static override backward(ctx: autograd.FunctionContext, grad: Tensor): Tensor {
    const [x, none, y] = ctx.savedTensors;
    expect([none, y!.shape]).toEqual([null, [3]]);
    return grad.mul(x!).mul(2);
  }
}

describe('hooks see what those of PyTorch 1.13 see', () => {
  // Recorded there: what pack got (an input by its letter, else shape, node and sum), and unpack's order.
  type Case = [name: string, fn: (...t: Tensor[]) => Tensor, inputs: Tensor[], packed: string[], unpacked: number[]];
  const CASES: Case[] = [
    ['x * x', (a) => a.mul(a), [leaf(3)], ['a', 'a'], [1, 2]],
    ['a product, broadcast', (a, b) => a.mul(b!), [leaf(3), leaf(1, 3)], ['a', 'b'], [1, 2]],
    ['a product of which one factor requires grad', (a, b) => a.mul(b!), [leaf(3), constant(3)], ['b'], [1]],
    ['a quotient', (a, b) => a.div(b!), [leaf(3), leaf(3)], ['a', 'b'], [1, 2]],
    ['atan2', (a, b) => tf.atan2(a, b!), [leaf(3), leaf(3)], ['a', 'b'], [1, 2]],
    ['sigmoid: its result', (a) => a.sigmoid(), [leaf(3)], ['[3] SigmoidBackward0 1.6493'], [1]],
    ['relu: its result', (a) => a.relu(), [leaf(3)], ['[3] ReluBackward0 0.6000'], [1]],
    ['softmax', (a) => a.softmax(0), [leaf(3)], ['[3] SoftmaxBackward0 1.0000'], [1]],
    ['pow', (a) => a.pow(2), [leaf(3)], ['a'], [1]],
    ['a sum of exponentials', (a) => a.logsumexp(0), [leaf(3)], ['a', '[] LogsumexpBackward0 1.3019'], [1, 2]],
    ['a chain', (a) => a.exp().sin(), [leaf(3)], ['[3] ExpBackward0 3.6764', '[3] ExpBackward0 3.6764'], [2, 1]],
    ['a matrix product', (a, b) => a.mm(b!), [leaf(2, 3), leaf(3, 2)], ['a', 'b'], [1, 2]],
    ['behind cat', (a, b) => tf.cat([a, b!]).exp(), [leaf(3), leaf(3)], ['[6] ExpBackward0 7.3529'], [1]],
    [
      'views',
      (a) =>
        a
          .view(3, 1)
          .index(tf.slice(1))
          .mul(a.index(tf.slice(0, 2)).view(2, 1)),
      [leaf(3)],
      ['[2,1] SliceBackward0 0.5000', '[2,1] ViewBackward0 0.3000'],
      [1, 2],
    ],
    ['in place: the result', (a) => a.clone().exp_(), [leaf(3)], ['[3] ExpBackward0 3.6764'], [1]],
    [
      'in place, on a view',
      (a) => {
        const x = a.clone();
        x.at(0).exp_();
        return x;
      },
      [leaf(3)],
      ['[] AsStridedBackward0 1.1052'],
      [1],
    ],
    [
      'in place: the value before',
      (a, b) => a.clone().mul_(b!),
      [leaf(3), leaf(3)],
      ['[3] CloneBackward0 0.6000', 'b'],
      [1, 2],
    ],
    ['a Function', (a) => Square.apply(a) as Tensor, [leaf(3)], ['a', '[3] SquareBackward 0.1400'], [1, 2]],
    // Here a linear layer saves its weight, PyTorch's the transposed one.
    ['linear', (a, w, b) => F.linear(a, w!, b!), [leaf(2, 3), leaf(4, 3), leaf(4)], ['a', 'b'], [1, 2]],
    ['a sum: nothing', (a, b) => a.add(b!).sum(), [leaf(3), leaf(3)], [], []],
  ];

  test.each(CASES)('%s', (_, fn, inputs, packed, unpacked) => {
    fn(...inputs).sum().backward(); // prettier-ignore
    const expected = inputs.map((x) => x.grad?.clone());
    inputs.forEach((x) => (x.grad = null));
    const seen: string[] = [];
    const order: number[] = [];
    const name = (t: Tensor): string =>
      inputs.includes(t)
        ? 'ab'[inputs.indexOf(t)]!
        : `[${t.shape}] ${t.gradFn!.name} ${tf.noGrad(() => t.sum()).item().toFixed(4)}`; // prettier-ignore
    const y = savedTensorsHooks(
      (t) => {
        expect(tf.isGradEnabled()).toBe(false);
        return { n: seen.push(name(t)), t: t.detach() };
      },
      ({ n, t }) => {
        order.push(n);
        return t;
      },
      () => fn(...inputs),
    );
    expect(seen).toEqual(packed);
    y.sum().backward();
    expect(order).toEqual(unpacked);
    inputs.forEach((x, i) => expect(x.grad?.equal(expected[i]!)).toBe(expected[i] && true));
  });

  const logged = (log: string[], name = ''): [(t: Tensor) => Tensor, (t: Tensor) => Tensor] => [
    (t) => (log.push(`${name}pack`), t.clone()),
    (t) => (log.push(`${name}unpack`), t),
  ];

  it('of nested hooks the innermost run alone', () => {
    const log: string[] = [];
    const w = savedTensorsHooks(...logged(log, 'outer '), () => {
      const y = leaf(3).exp();
      savedTensorsHooks(...logged(log, 'inner '), () => y.sin()).sum().backward(); // prettier-ignore
      return y.cos();
    });
    w.sum();
    expect(log).toEqual(['outer pack', 'inner pack', 'inner unpack', 'outer unpack', 'outer pack']);
  });
  it('unpack runs in each backward again', () => {
    const log: string[] = [];
    const a = leaf(3);
    const y = savedTensorsHooks(...logged(log), () => a.mul(a));
    y.sum().backward({ retainGraph: true });
    y.sum().backward();
    expect(log.join(' ')).toBe('pack pack unpack unpack unpack unpack');
    expect(() => y.sum().backward()).toThrow('has already run and its saved tensors are gone');
    expect(a.grad!.equal(a.mul(4))).toBe(true);
  });
  it('second derivatives through copies are those without', () => {
    const log: string[] = [];
    const a = tensor([1, 2, 3], { requiresGrad: true });
    const y = savedTensorsHooks(...logged(log), () => a.exp().mul(a));
    const [g] = autograd.grad(y.sum(), a, { createGraph: true });
    expect(log.join(' ')).toBe('pack pack pack unpack unpack unpack');
    const [h] = autograd.grad(g!.sum(), a);
    expect(log.length).toBe(7); // exp's result: the product's node isn't run again
    const recorded = [[5.4366, 22.1672, 80.3421], [8.1548, 29.5562, 100.4277]]; // prettier-ignore
    [g!, h!].forEach((t, i) => expect(t.sub(tensor(recorded[i]!)).abs().max().item()).toBeLessThan(1e-4));
  });
});

describe('savedTensorsHooks', () => {
  it('holds second derivatives to differences, whatever it makes of the tensors', () => {
    const x = leaf(2, 3).to('float64').detach().requiresGrad_();
    const w = leaf(3, 2).to('float64').detach().requiresGrad_();
    const fn = (a: Tensor, b: Tensor): Tensor =>
      savedTensorsHooks(
        (t) => ({ values: t.toTypedArray() as Float64Array, shape: t.shape }),
        ({ values, shape }) => tf.fromTypedArray(values, [...shape]),
        () => a.matmul(b).tanh().mul(a.sum()).exp(),
      );
    expect(autograd.gradcheck(fn, [x, w])).toBe(true);
    expect(autograd.gradgradcheck(fn, [x, w])).toBe(true);
  });
  it('keeps float32 in bfloat16, and whole numbers as they are', () => {
    const pack = (t: Tensor): Tensor => (t.dtype === 'float32' ? t.to('bfloat16') : t);
    const unpack = (t: Tensor): Tensor => (t.dtype === 'bfloat16' ? t.to('float32') : t);
    tf.manualSeed(0);
    const w = tf.randn(5, 4).requiresGrad_();
    const x = tf.randn(3, 5);
    const loss = (): Tensor => F.crossEntropy(x.matmul(w), tensor([0, 3, 1], { dtype: 'int64' }));
    const [exact] = autograd.grad(loss(), w);
    const [near] = autograd.grad(savedTensorsHooks(pack, unpack, loss), w);
    const off = near!.sub(exact!).abs().max().item();
    expect(off).toBeGreaterThan(0);
    expect(off).toBeLessThan(0.01 * exact!.abs().max().item());
  });
  it('with `using` runs to the end of the block; blocks may end in any order', () => {
    const log: string[] = [];
    const begin = (name: string): Disposable => savedTensorsHooks((t) => (log.push(name), t), same);
    const a = leaf(3);
    const first = begin('first');
    const second = begin('second');
    a.exp();
    first[Symbol.dispose]();
    a.exp();
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    a.exp();
    expect(log).toEqual(['second', 'second']);
  });
  it('ends with an error of the function, or of pack', () => {
    const a = leaf(3);
    const failing = (): never => {
      throw new Error('no');
    };
    expect(() => savedTensorsHooks(failing, same, () => a.exp())).toThrow('no');
    expect(() => savedTensorsHooks(same, same, failing)).toThrow('no');
    expect(tf.isGradEnabled()).toBe(true);
    a.exp().sum().backward();
    expect(a.grad).not.toBeNull();
  });
  it('what unpack keeps is not freed with what the formula makes', () => {
    const a = tf.ones(10_000).requiresGrad_(); // large enough for memory of its own, which the engine gives back
    const kept: Tensor[] = [];
    const y = savedTensorsHooks(
      same,
      (t) => {
        kept.push(t.detach().mul(3));
        return kept.at(-1)!;
      },
      () => a.mul(a),
    );
    y.sum().backward();
    expect(kept.map((t) => t.eq(3).all().item())).toEqual([true, true]);
    expect(a.grad!.eq(6).all().item()).toBe(true);
  });
  it('nothing is asked for where nothing is recorded', () => {
    const none = (): never => expect.unreachable();
    savedTensorsHooks(none, none, () => tf.noGrad(() => leaf(3).exp()));
    savedTensorsHooks(none, none, () => constant(3).exp());
  });
  it('what pack made is dropped where saved tensors are', () => {
    const a = leaf(3);
    const y = savedTensorsHooks(same, same, () => a.mul(a));
    y.sum().backward();
    expect(y.gradFn!.saved).toBeNull();
  });

  describe('refuses', () => {
    const a = leaf(3);
    const wrong: [string, () => unknown, string][] = [
      ['hooks that are no functions', () => savedTensorsHooks(1 as never, same), "'pack' must be a function, got 1"],
      ['', () => savedTensorsHooks(same, null as never), "'unpack' must be a function, got null"],
      ['no function', () => savedTensorsHooks(same, same, 3 as never), 'expected a function, got 3'],
      ['an async function', () => savedTensorsHooks(same, same, async () => Promise.resolve(a)), 'is async'],
      [
        'a pack that changes its tensor',
        () => savedTensorsHooks((t) => t.detach().add_(1), same, () => a.clone().exp()), // prettier-ignore
        'savedTensorsHooks: pack changed its tensor in place',
      ],
      [
        'an unpack that gives no tensor',
        () => savedTensorsHooks(() => 1, same as never, () => a.exp()).sum().backward(), // prettier-ignore
        'savedTensorsHooks: unpack must return a tensor, it returned 1',
      ],
      [
        'hooks inside disableSavedTensorsHooks',
        () => disableSavedTensorsHooks('no hooks here', () => savedTensorsHooks(same, same)),
        'no hooks here',
      ],
      [
        'disableSavedTensorsHooks inside hooks',
        () => savedTensorsHooks(same, same, () => disableSavedTensorsHooks('no hooks here', () => a.exp())),
        'no hooks here',
      ],
      ['a message that is none', () => disableSavedTensorsHooks(3 as never), "'errorMessage' must be a string, got 3"],
    ];
    test.each(wrong)('%s', (_, call, message) => {
      expect(call).toThrow(message);
      expect(savedTensorsHooks(same, same, () => 1)).toBe(1);
    });
    it('an async function in disableSavedTensorsHooks, and ends', () => {
      expect(() => disableSavedTensorsHooks('no', async () => Promise.resolve(1))).toThrow('is async');
      disableSavedTensorsHooks('no')[Symbol.dispose]();
      expect(savedTensorsHooks(same, same, () => 1)).toBe(1);
    });
  });
});
