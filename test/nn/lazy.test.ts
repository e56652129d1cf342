/** Lazy layers: uninitialized, then plain ones. Their numbers are PyTorch's, see moduleSamples.test.ts. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';

const { nn, ones, randn } = tf;

describe('lazy layers', () => {
  it('become plain ones at the first input, with parameters that keep their identity', () => {
    const net = new nn.Sequential(new nn.LazyLinear(4), new nn.ReLU(), new nn.LazyLinear(1, { bias: false }));
    expect(String(net)).toBe(
      'Sequential(\n  (0): LazyLinear(inFeatures=0, outFeatures=4, bias=true)\n  (1): ReLU()\n  (2): LazyLinear(inFeatures=0, outFeatures=1, bias=false)\n)',
    );
    const parameters = net.parameters();
    expect(parameters.map(String)).toEqual(['<UninitializedParameter>', '<UninitializedParameter>', '<UninitializedParameter>']); // prettier-ignore
    expect(() => parameters[0]!.shape).toThrow(
      'UninitializedParameter: an UninitializedParameter has no shape and no elements yet',
    );
    expect(() => parameters[0]!.mul(2)).toThrow('UninitializedParameter');
    net.double().train();
    expect(net.forward(ones(5, 3).double()).shape).toEqual([5, 1]);
    expect(String(net)).toContain('(0): Linear(inFeatures=3, outFeatures=4, bias=true)');
    expect(net[0]).toBeInstanceOf(nn.Linear);
    expect(net[0]).not.toBeInstanceOf(nn.LazyLinear);
    expect(net.parameters().map((p) => [p.shape, p.dtype])).toEqual([[[4, 3], 'float64'], [[4], 'float64'], [[1, 4], 'float64']]); // prettier-ignore
    net.parameters().forEach((p, i) => expect(p === parameters[i]).toBe(true));
    expect(parameters[0]).toBeInstanceOf(nn.Parameter);
    expect(parameters[0]).not.toBeInstanceOf(nn.UninitializedParameter);
    net.forward(ones(2, 3).double()).sum().backward();
    expect(parameters[0]!.grad!.shape).toEqual([4, 3]);
  });

  it('load state dicts of initialized and uninitialized layers', () => {
    const full = new nn.LazyBatchNorm2d();
    full.forward(randn(2, 3, 4, 4));
    const state = full.stateDict();
    const lazy = new nn.LazyBatchNorm2d();
    lazy.loadStateDict(state);
    expect(lazy.constructor.name).toBe('LazyBatchNorm2d');
    expect(lazy.runningMean!.tolist()).toEqual(full.runningMean!.tolist());
    lazy.eval().forward(randn(1, 3, 2, 2));
    expect(lazy.numFeatures).toBe(3);
    expect(lazy.constructor.name).toBe('BatchNorm2d');
    expect(lazy.runningMean!.tolist()).toEqual(full.runningMean!.tolist()); // not drawn anew
    const waiting = new nn.LazyLinear(2);
    waiting.loadStateDict(new nn.LazyLinear(2).stateDict());
    expect(waiting.hasUninitializedParams()).toBe(true);
    expect(() => new nn.Linear(3, 2).loadStateDict(waiting.stateDict())).toThrow(
      "'weight' is not initialized, and the module's is",
    );
    const copy = waiting.clone();
    copy.forward(ones(1, 5));
    expect(waiting.hasUninitializedParams()).toBe(true);
    expect(copy.weight.shape).toEqual([2, 5]);
  });

  it('run hooks, and leave a derived class what it is', () => {
    class Mine extends nn.LazyConv1d {
      doubled(x: tf.Tensor): tf.Tensor {
        return (this.forward(x) as tf.Tensor).mul(2);
      }
    }
    const mine = new Mine(2, 3);
    const seen: string[] = [];
    mine.registerForwardHook((m: tf.nn.Module) => void seen.push(m.constructor.name));
    mine.doubled(ones(1, 4, 5));
    mine.doubled(ones(1, 4, 5));
    expect(seen).toEqual(['Mine', 'Mine']);
    expect(mine.weight.shape).toEqual([2, 4, 3]);
  });

  it('refuse inputs that tell nothing, and stay as they were', () => {
    const conv = new nn.LazyConv2d(4, 3, { groups: 2 });
    expect(() => conv.forward(ones(3, 5, 5)) as unknown).toThrow("LazyConv2d: 3 channels in can't form 2 groups");
    expect(() => conv.forward(ones(5)) as unknown).toThrow(
      'LazyConv2d: expected an input of 3 dims, or 4 with a batch, got [5]',
    );
    expect(() => conv.forward(3 as never) as unknown).toThrow(TypeError);
    expect(conv.hasUninitializedParams()).toBe(true);
    expect(() => new nn.LazyConv2d(3, 3, { groups: 2 })).toThrow("3 channels out can't form 2 groups");
    expect(() => new nn.LazyLinear(2).forward(tf.tensor(1)) as unknown).toThrow('LazyLinear: input must be');
    expect(() => new nn.LazyLinear(2, { bais: false } as never)).toThrow("unknown option 'bais'");
  });
});
