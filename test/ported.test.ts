/** What programs ported from PyTorch ran into: each row is a call that such a program makes. */
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import { nn, optim, tensor, utils, type Tensor } from '../lib/index.js';

const sgd = (): optim.SGD => new optim.SGD([tf.ones(2).requiresGrad_()], { lr: 0.1 });
const { lrScheduler } = optim;

describe('batches', () => {
  it('have one dtype, whatever the values of their numbers', () => {
    const rows = [[0.5, 1.25], [1.5, 2], [2, 3], [4, 5]]; // prettier-ignore
    const dtypes = [...new utils.data.DataLoader(rows, { batchSize: 2 })].map((batch) =>
      (batch as Tensor[]).map((t) => t.dtype),
    );
    expect(dtypes).toEqual([['float32', 'float32'], ['float32', 'float32']]); // prettier-ignore
  });
  it('samplers take PyTorch’s arguments by place', () => {
    const generator = new tf.Generator().manualSeed(1);
    expect([...new utils.data.WeightedRandomSampler([1, 2, 3], 3, false)].sort()).toEqual([0, 1, 2]);
    expect(new utils.data.SubsetRandomSampler([1, 2], generator).generator).toBe(generator);
    expect(new utils.data.RandomSampler([1, 2], true, 5).length).toBe(5);
    expect(() => new utils.data.WeightedRandomSampler([1, 2], 1, { replacment: true } as never)).toThrow(
      "did you mean 'replacement'?",
    );
  });
});

describe('clone() of a module', () => {
  class Arrow extends nn.Module {
    fc = new nn.Linear(2, 2);
    override forward = (x: Tensor): Tensor => this.fc.forward(x);
  }
  class Method extends nn.Module {
    fc = new nn.Linear(2, 2);
    override forward(x: Tensor): Tensor {
      return this.fc.forward(x);
    }
  }
  it('is refused where forward belongs to the original, hooked or not', () => {
    const refused = /clone: Arrow.forward is an arrow function or bound/;
    expect(() => new Arrow().clone()).toThrow(refused);
    const hooked = new Arrow();
    hooked.registerForwardHook(() => undefined);
    expect(() => hooked.clone()).toThrow(refused);
  });
  it('with hooks computes with its own weights, and calls them', () => {
    const original = new Method();
    let calls = 0;
    original.registerForwardHook(() => void calls++);
    const copy = original.clone();
    tf.noGrad(() => original.parameters().forEach((p) => p.zero_()));
    expect(copy.forward(tf.ones(1, 2)).abs().sum().item()).toBeGreaterThan(0);
    expect(calls).toBe(1);
  });
});

describe('optimizers and schedules', () => {
  it('accept what says how PyTorch computes a step, and refuse what isn’t here', () => {
    const p = (): Tensor[] => [tf.ones(1).requiresGrad_()];
    const options = { fused: true, foreach: false, capturable: false } as never;
    expect(new optim.Adam(p(), options).paramGroups[0]).not.toHaveProperty('fused');
    expect(() => new optim.Adam(p(), { differentiable: true } as never)).toThrow(/can't be differentiated/);
    expect(() => new optim.Adam(p(), { foreach: 'yes' } as never)).toThrow(/foreach must be a boolean/);
  });
  it('take named parameters', () => {
    const model = new nn.Linear(2, 2);
    expect(new optim.AdamW(model.namedParameters()).paramGroups[0]!.params).toEqual(model.parameters());
    expect(new optim.SGD([{ params: model.namedParameters() }], { lr: 1 }).paramGroups[0]!.params.length).toBe(2);
  });
  it('ReduceLROnPlateau by place', () => {
    expect(new lrScheduler.ReduceLROnPlateau(sgd(), 'max', 0.5).best).toBe(-Infinity);
    expect(() => new lrScheduler.ReduceLROnPlateau(sgd(), 'mix' as never)).toThrow(/mode must be 'min' or 'max'/);
  });
  it('a rate that is no number is refused where it is set, and nothing has moved', () => {
    expect(() => new lrScheduler.StepLR(sgd(), 2, 'gamma' as never)).toThrow('StepLR: gamma must be a number, got');
    expect(() => new lrScheduler.LambdaLR(sgd(), () => NaN)).toThrow(
      'LambdaLR: the learning rate of group 0 would be NaN',
    );
    const optimizer = sgd();
    const schedule = new lrScheduler.LambdaLR(optimizer, (epoch) => (epoch < 2 ? 1 : NaN));
    optimizer.step();
    schedule.step();
    expect(() => schedule.step()).toThrow(/would be NaN/);
    expect([schedule.lastEpoch, optimizer.paramGroups[0]!.lr]).toEqual([1, 0.1]);
  });
});

describe('corners', () => {
  it('atan2 at the origin has gradients of 0', () => {
    const [y, x] = [tensor([0, 1], { requiresGrad: true }), tensor([0, 0], { requiresGrad: true })];
    tf.atan2(y, x).sum().backward();
    expect(tf.allclose(tf.stack([y.grad!, x.grad!]), tensor([[0, 0], [0, -1]]))).toBe(true); // prettier-ignore
  });
  it('multinomial without replacement doesn’t draw what is impossible', () => {
    expect(() => tf.multinomial(tensor([1, 0, 0]), 2)).toThrow(
      'multinomial: 2 samples without replacement from 1 categories',
    );
    expect(tf.multinomial(tensor([1, 0, 0]), 2, true).tolist()).toEqual([0, 0]);
  });
  it('an empty typed array makes an empty tensor', () => {
    expect(tf.fromTypedArray(new Float32Array(0), [0]).exp().tolist()).toEqual([]);
  });
  it('clamp at ties: 0 at numbers, one half at tensors', () => {
    const gradient = (f: (x: Tensor) => Tensor): unknown => {
      const x = tensor([0, 6, 3], { requiresGrad: true });
      f(x).sum().backward();
      return x.grad!.tolist();
    };
    expect(gradient((x) => x.clamp(0, 6))).toEqual([0, 0, 1]);
    expect(gradient((x) => x.clamp(tensor([0, 0, 3]), tensor([6, 6, 3])))).toEqual([0.5, 0.5, 1]);
    expect(gradient((x) => tf.fmax(x, tensor([0, 6, 4])))).toEqual([0.5, 0.5, 0]);
  });
  it('the gradient of an extremum is shared by what counts', () => {
    const src = tensor([2, 2], { requiresGrad: true });
    const index = tf.zeros(2, { dtype: 'int64' });
    tensor([2]).scatterReduce(0, index, src, 'amax', { includeSelf: false }).sum().backward();
    expect(src.grad!.tolist()).toEqual([0.5, 0.5]);
  });
  it('a scatter of nothing has a gradient of zeros for its source', () => {
    const src = tf.ones(3, 3).requiresGrad_();
    tf.zeros(3, 3)
      .scatter(0, tf.zeros(0, { dtype: 'int64' }), src)
      .sum()
      .backward();
    expect(src.grad!.sum().item()).toBe(0);
  });
  it('padding and interpolation to what no memory holds are refused at once', () => {
    const x = tf.ones(1, 1, 1, 1, 1);
    expect(() => nn.functional.pad(x, new Array<number>(6).fill(2e7), 'replicate')).toThrow(/pad: out of memory/);
    expect(() => nn.functional.interpolate(x, { size: [2e7, 2e7, 2e7] })).toThrow(/interpolate: out of memory/);
  });
});
