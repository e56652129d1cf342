/** Hooks with the call's options, and hooks that are always called. */
import { describe, expect, it, vi } from 'vitest';
import * as tf from '../../lib/index.js';

const { nn, ones } = tf;

class Scaled extends nn.Module {
  override forward(x: tf.Tensor, options: { by?: number; fail?: boolean } = {}): tf.Tensor {
    if (options.fail) throw new RangeError('failed');
    return x.mul(options.by ?? 1);
  }
}

describe('withKwargs', () => {
  it('gives the trailing options object apart, and lets a hook replace it', () => {
    const module = new Scaled();
    const seen: unknown[] = [];
    module.registerForwardPreHook((_, args, kwargs: object) => [args, { ...kwargs, by: 5 }], { withKwargs: true });
    module.registerForwardHook((_, args, kwargs, output: tf.Tensor) => {
      seen.push([args.length, kwargs, output.tolist()]);
      return output.add(1);
    }, { withKwargs: true }); // prettier-ignore
    expect(module.forward(ones(2), { by: 2 }).tolist()).toEqual([6, 6]);
    expect(module.forward(ones(1)).tolist()).toEqual([6]);
    expect(seen).toEqual([
      [1, { by: 5 }, [5, 5]],
      [1, { by: 5 }, [5]],
    ]);
    expect(module.clone().forward(ones(1)).tolist()).toEqual([6]);
  });

  it('refuses what is no pair, and unknown or wrong options', () => {
    const module = new Scaled();
    const handle = module.registerForwardPreHook((_, args) => args, { withKwargs: true });
    expect(() => module.forward(ones(1))).toThrow('with withKwargs a hook must return [args, kwargs] or nothing');
    handle.remove();
    expect(module.forward(ones(1)).tolist()).toEqual([1]);
    expect(() => module.registerForwardHook(() => null, { withKwarg: true } as never)).toThrow(
      "did you mean 'withKwargs'",
    );
    expect(() => module.registerForwardHook(() => null, { alwaysCall: 1 } as never)).toThrow(
      "'alwaysCall' must be a boolean",
    );
    expect(() => module.registerForwardPreHook(() => null, { alwaysCall: true } as never)).toThrow('unknown option');
  });
});

describe('alwaysCall', () => {
  it('calls a forward hook where forward throws, with null, and throws what it threw', () => {
    const module = new Scaled();
    const seen: unknown[] = [];
    module.registerForwardHook((_, __, output) => void seen.push(['plain', output === null]));
    module.registerForwardHook((_, __, output) => void seen.push(['always', output === null]), { alwaysCall: true });
    expect(() => module.forward(ones(1), { fail: true })).toThrow(RangeError);
    expect(seen).toEqual([['always', true]]);
    module.forward(ones(1));
    expect(seen.slice(1)).toEqual([['plain', false], ['always', false]]); // prettier-ignore
  });

  it('says what such a hook throws, and does not call it twice', () => {
    const module = new Scaled();
    let calls = 0;
    module.registerForwardHook(() => {
      calls++;
      throw new TypeError('of the hook');
    }, { alwaysCall: true }); // prettier-ignore
    const said = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    try {
      expect(() => module.forward(ones(1))).toThrow('of the hook');
      expect(calls).toBe(1);
      expect(() => module.forward(ones(1), { fail: true })).toThrow('failed');
      expect(calls).toBe(2);
      expect(said.mock.calls[0]![0]).toContain('of the hook');
    } finally {
      said.mockRestore();
    }
  });
});

describe('a checkpoint’s second run', () => {
  it('counts no batch, moves no running statistic and no power iteration again', () => {
    const batches = [0, 1, 2].map((i) => tf.arange(6).float().add(i * i).view(2, 3)); // prettier-ignore
    for (const momentum of [null, 0.1]) {
      const plain = new nn.BatchNorm1d(3, { momentum });
      const again = new nn.BatchNorm1d(3, { momentum });
      for (const x of batches) {
        plain.forward(x);
        tf.utils.checkpoint.checkpoint(again, x.clone().requiresGrad_()).sum().backward(); // prettier-ignore
      }
      expect(again.numBatchesTracked!.item()).toBe(3);
      expect(again.runningMean!.tolist()).toEqual(plain.runningMean!.tolist());
      expect(again.runningVar!.tolist()).toEqual(plain.runningVar!.tolist());
      const means = again.runningMean!.tolist() as number[];
      if (momentum === null) [1.5, 2.5, 3.5].forEach((m, k) => expect(means[k]).toBeCloseTo(m + 5 / 3, 5));
    }
    const instance = new nn.InstanceNorm1d(3, { trackRunningStats: true });
    tf.utils.checkpoint.checkpoint(instance, tf.arange(12).float().view(2, 3, 2).requiresGrad_()).sum().backward(); // prettier-ignore
    const once = new nn.InstanceNorm1d(3, { trackRunningStats: true });
    once.forward(tf.arange(12).float().view(2, 3, 2));
    expect(instance.runningMean!.tolist()).toEqual(once.runningMean!.tolist());
    const make = (): tf.nn.Linear => {
      tf.manualSeed(3);
      return nn.utils.spectralNorm(new nn.Linear(3, 4));
    };
    const [layer, other] = [make(), make()];
    tf.utils.checkpoint.checkpoint(layer, tf.ones(2, 3).requiresGrad_()).sum().backward();
    other.forward(tf.ones(2, 3)).sum().backward();
    expect(layer.getBuffer('weight_u').tolist()).toEqual(other.getBuffer('weight_u').tolist());
    expect(layer.getParameter('weight_orig').grad!.tolist()).toEqual(other.getParameter('weight_orig').grad!.tolist());
  });
});
