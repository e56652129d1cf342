/** vmap: every op that has a batching rule, and others, beside a loop over samples; gradients; refusals. */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import { func, nn, type Tensor } from '../lib/index.js';
import { batchedOps } from '../lib/vmap/rules.js';
import { waysOf } from './operators/calls.js';
import {
  decode,
  isCodedTensor,
  readOperator,
  recordedOperators,
  camel,
  type Coded,
  type Sample,
} from './operators/format.js';

const { vmap } = func;
const F = nn.functional;
const near = (got: Tensor, want: Tensor, what = ''): void => {
  expect(got.shape, what).toEqual(want.shape);
  expect(got.dtype, what).toBe(want.dtype);
  expect(tf.allclose(got.double(), want.double(), { rtol: 1e-5, atol: 1e-6, equalNan: true }), `${what}: ${String(got)} instead of ${String(want)}`).toBe(true); // prettier-ignore
};
const tensorsIn = (x: unknown): Tensor[] =>
  x instanceof tf.Tensor ? [x]
  : Array.isArray(x) || (typeof x === 'object' && x !== null && Symbol.iterator in x) ? [...(x as Iterable<unknown>)].flatMap(tensorsIn)
  : []; // prettier-ignore

/** Batches of three: a sample's argument, and two others like it. */
function batchOf(t: Tensor): Tensor {
  if (t.dtype === 'bool') return tf.stack([t, t.logicalNot(), t]);
  return t.isFloatingPoint() ? tf.stack([t, t.neg(), t.mul(0.5)]) : tf.stack([t, t.add(1), t.mul(0)]);
}
const LISTS = new Set(['cat', 'stack']);
const RULED = new Set(batchedOps());

describe('an op on samples is the op on each of them', () => {
  const ops = recordedOperators().filter((op) => RULED.has(camel(op.split('.').at(-1)!)) && !LISTS.has(op));
  it('there are many', () => expect(ops.length).toBeGreaterThan(100));
  it.each(ops)('%s', (op) => {
    const file = readOperator(op);
    let compared = 0;
    for (const sample of file.samples.slice(0, 12)) {
      if (sample.random) continue;
      const firsts = sample.args
        .map((a, i) => (isCodedTensor(a) && (op.startsWith('bitwise') || a.dtype.startsWith('float')) ? i : -1))
        .filter((i) => i >= 0);
      const way = waysOf(file, sample).find((w) => w.form !== 'inplace');
      if (!way || firsts.length === 0) continue;
      for (const batched of [firsts, firsts.slice(0, 1)]) {
        const named = Object.fromEntries(Object.entries(sample.named).map(([k, v]) => [k, decode(v as Coded, [])]));
        const args = sample.args.map((a, i) => {
          const t = decode(a, []);
          return batched.includes(i) ? batchOf((t as Tensor).detach()) : t;
        });
        const one = (...xs: Tensor[]): unknown =>
          tensorsIn(
            way.call(
              args.map((a, i) => (batched.includes(i) ? xs[batched.indexOf(i)] : a)),
              { ...named },
            ),
          );
        const inputs = batched.map((i) => args[i] as Tensor);
        let want: Tensor[][];
        try {
          want = [0, 1, 2].map((k) => one(...inputs.map((x) => x.select(0, k))) as Tensor[]);
        } catch {
          continue; // the changed values are refused
        }
        // A result whose size depends on values has no batch.
        if (want[0]!.some((t, p) => want.some((w) => String(w[p]!.shape) !== String(t.shape)))) continue;
        const got = vmap(one)(...inputs) as Tensor[];
        got.forEach((t, p) =>
          near(t, tf.stack(want.map((w) => w[p]!)), `${op} ${JSON.stringify((sample as Sample).named)}`),
        );
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe('vmap', () => {
  const x = tf.randn([4, 3], { dtype: 'float64' });
  const y = tf.randn([4, 3], { dtype: 'float64' });

  it('dims of arguments and results, nested ones', () => {
    near(vmap((a: Tensor, b: Tensor) => a.dot(b))(x, y) as Tensor, x.mul(y).sum(1));
    near(vmap((a: Tensor, b: Tensor) => a.mul(b), [1, null])(x, y.select(1, 0)) as Tensor, x.t().mul(y.select(1, 0)));
    near(vmap((a: Tensor) => a.exp(), 0, { outDims: 1 })(x) as Tensor, x.exp().t());
    near(vmap((a: Tensor) => a.exp(), { inDims: -1, outDims: -1 })(x) as Tensor, x.exp());
    const [sum, parts] = vmap((a: Tensor, o: { w: Tensor; list: Tensor[] }) => [a.mul(o.w).sum(), { first: o.list[0]!.add(a) }], [0, { w: null, list: [0] }], { outDims: [0, 1] })(x, { w: y.select(0, 0), list: [y] }) as [Tensor, { first: Tensor }]; // prettier-ignore
    near(sum, x.mul(y.select(0, 0)).sum(1));
    near(parts.first, x.add(y).t());
    near(vmap(() => tf.ones(2), [0])(x) as Tensor, tf.ones(4, 2));
  });
  it('lists of samples are joined', () => {
    const y0 = y.select(0, 0);
    near(vmap((a: Tensor, b: Tensor) => tf.cat([a, y0, b]))(x, y) as Tensor, tf.cat([x, y0.expand([4, 3]), y], 1));
    near(vmap((a: Tensor, b: Tensor) => tf.stack([a, b], -1))(x, y) as Tensor, tf.stack([x, y], -1));
    near(vmap((a: Tensor) => tf.stack([a.sum(), a.prod()]))(x) as Tensor, tf.stack([x.sum(1), x.prod(1)], 1));
  });
  it('nests', () => {
    const outer = vmap((a: Tensor) => vmap((b: Tensor) => a.dot(b))(y));
    near(outer(x) as Tensor, x.matmul(y.t()));
    near(vmap(vmap((a: Tensor) => a.square().add(1)))(x) as Tensor, x.square().add(1));
  });
  it('gradients flow through it', () => {
    const leaf = x.clone().requiresGrad_();
    (vmap((a: Tensor, b: Tensor) => a.mul(b).tanh().sum())(leaf, y) as Tensor).sum().backward();
    near(leaf.grad!, y.mul(x.mul(y).tanh().square().neg().add(1)));
    const f = (a: Tensor, b: Tensor): Tensor =>
      vmap((p: Tensor, q: Tensor) => p.softmax(0).matmul(q).sin())(a, b) as Tensor;
    const inputs = [x.clone().requiresGrad_(), y.clone().requiresGrad_()];
    expect(tf.autograd.gradcheck(f, inputs)).toBe(true);
    expect(tf.autograd.gradgradcheck(f, inputs)).toBe(true);
  });
  it('gradients of each sample: vmap of grad, also for what samples share', () => {
    const loss = (w: Tensor, a: Tensor, t: Tensor): Tensor => a.matmul(w).sub(t).square().sum();
    const w = tf.randn([3, 2], { dtype: 'float64' });
    const t = tf.randn([4, 2], { dtype: 'float64' });
    const got = vmap(func.grad(loss), [null, 0, 0])(w, x, t) as Tensor;
    near(got, tf.stack([0, 1, 2, 3].map((i) => func.grad(loss)(w, x.select(0, i), t.select(0, i)) as Tensor)));
    const [grads, values] = vmap(func.gradAndValue((a: Tensor) => a.pow(3).sum()))(x) as [Tensor, Tensor];
    near(grads, x.square().mul(3));
    near(values, x.pow(3).sum(1));
    near(vmap(func.grad(func.grad((a: Tensor) => a.pow(3).sum())))(x.select(1, 0)) as Tensor, x.select(1, 0).mul(6));
    near(vmap(func.jacrev((a: Tensor) => a.square()))(x) as Tensor, x.mul(2).diagEmbed());
    near(vmap(func.hessian((a: Tensor) => a.pow(3).sum()))(x) as Tensor, x.mul(6).diagEmbed());
  });
  it('an ensemble: stackModuleState and functionalCall', () => {
    const models = [0, 1, 2].map(() =>
      new nn.Sequential(new nn.Linear(3, 8), new nn.Tanh(), new nn.Linear(8, 2)).double(),
    );
    const [params, buffers] = func.stackModuleState(models);
    const all = vmap((p: Record<string, Tensor>, b: Record<string, Tensor>, a: Tensor) => func.functionalCall(models[0]!, [p, b], a), [0, 0, null]); // prettier-ignore
    const out = all(params, buffers, x) as Tensor;
    near(out, tf.stack(models.map((m) => m.forward(x))));
    out.square().sum().backward();
    models[1]!.forward(x).square().sum().backward();
    near(params['0.weight']!.grad!.select(0, 1), models[1]!.getParameter('0.weight').grad!);
  });
  it('layers and losses', () => {
    const images = tf.randn([2, 3, 2, 6, 6]);
    const conv = new nn.Conv2d(2, 4, 3);
    near(vmap((a: Tensor) => conv.forward(a))(images) as Tensor, tf.stack([conv.forward(images.select(0, 0)), conv.forward(images.select(0, 1))])); // prettier-ignore
    const single = images.select(1, 0);
    near(vmap((a: Tensor) => F.maxPool2d(conv.forward(a), 2))(single) as Tensor, F.maxPool2d(conv.forward(single), 2));
    const labels = tf.tensor([0n, 2n, 1n, 0n]);
    near(vmap((a: Tensor, c: Tensor) => F.crossEntropy(a, c))(x, labels) as Tensor, F.crossEntropy(x, labels, { reduction: 'none' })); // prettier-ignore
    const norm = new nn.LayerNorm(3).double();
    near(vmap((a: Tensor) => norm.forward(a))(x) as Tensor, norm.forward(x));
    near(vmap((a: Tensor) => F.mseLoss(a, tf.zeros(3, { dtype: 'float64' })))(x) as Tensor, x.square().mean(1));
    near(vmap((a: Tensor) => a.index(tf.slice(0, 2)))(x) as Tensor, x.narrow(1, 0, 2));
  });
  it('writes in place, and knows dtypes of 0-dim samples', () => {
    near(vmap((a: Tensor) => a.clone().add_(1).mul_(2))(x) as Tensor, x.add(1).mul(2));
    const z = x.clone();
    vmap((a: Tensor) => a.zero_())(z);
    expect(z.abs().sum().item()).toBe(0);
    expect(() => vmap((a: Tensor) => tf.zeros(3, { dtype: 'float64' }).add_(a))(x)).toThrow(
      /add_: vmap can't write samples/,
    );
    const halves = tf.ones(4, { dtype: 'float64' });
    expect((vmap((a: Tensor) => tf.ones(2).mul(a))(halves) as Tensor).dtype).toBe(
      tf.ones(2).mul(halves.select(0, 0)).dtype,
    );
  });
  it('chunks give the same', () => {
    for (const chunkSize of [1, 3, 4, 9])
      near(vmap((a: Tensor) => a.cumsum(0), { chunkSize, outDims: 1 })(x) as Tensor, x.cumsum(1).t());
  });
  it('random numbers: refused, different, the same', () => {
    const f = (a: Tensor): Tensor => a.add(tf.rand(3, { dtype: 'float64' }));
    tf.manualSeed(5);
    const first = tf.rand(1).item();
    tf.manualSeed(5);
    expect(() => vmap(f)(x)).toThrow(/vmap: random numbers were drawn inside/);
    expect(tf.rand(1).item()).toBe(first);
    const same = (vmap(f, 0, { randomness: 'same' })(x) as Tensor).sub(x);
    near(same, same.select(0, 0).expand([4, 3]));
    const different = (vmap(f, 0, { randomness: 'different' })(x) as Tensor).sub(x);
    expect(different.select(0, 0).equal(different.select(0, 1))).toBe(false);
    expect(() => vmap((a: Tensor) => F.dropout(a, 0.5, true))(x)).toThrow(/random numbers were drawn inside/);
  });
  it('refuses what can’t be', () => {
    expect(() => vmap((a: Tensor) => (a.sum().item<number>() > 0 ? a : a.neg()))(x)).toThrow(/vmap: item\(\) would read one sample's values/); // prettier-ignore
    expect(() => vmap((a: Tensor) => a.add(1))(tf.ones([]))).toThrow(
      /inDims says 0 for argument 0, which is a 0-dim tensor/,
    );
    expect(() => vmap((a: Tensor, b: number) => a.add(b))(x, 2)).toThrow(/inDims says 0 for argument 1, which is no tensor but 2/); // prettier-ignore
    expect(() => vmap((a: Tensor, b: Tensor) => a.add(b))(x, tf.ones(3, 3))).toThrow(/arguments have 4 and 3 samples/);
    expect(() => vmap((a: Tensor) => a, [null])(x)).toThrow(/no argument has samples/);
    expect(() => vmap((a: Tensor) => a, [0, 0])(x)).toThrow(/inDims has 2 entries for 1 arguments/);
    expect(() => vmap(() => 3)(x)).toThrow(/vmap: the function must return tensors, got 3/);
    expect(() => vmap((a: Tensor) => a, 0, { outDim: 1 } as never)(x)).toThrow(/unknown option 'outDim'/);
    expect(() => vmap((a: Tensor) => a, { randomness: 'none' as never })(x)).toThrow(/randomness must be one of/);
    expect(() => vmap((a: Tensor) => a.matmul(tf.ones(7, 7, { dtype: 'float64' })))(x)).toThrow(/matmul/);
    expect(() => vmap(async (a: Tensor) => Promise.resolve(a))(x)).toThrow(/vmap: the function is async/);
    near(x.add(0), x); // nothing is left switched on
  });
});
