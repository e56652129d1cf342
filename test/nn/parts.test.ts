/** What a module consists of can't be lost by an assignment; what nobody can see is said. */
import { describe, expect, it, vi } from 'vitest';
import * as tf from '../../lib/index.js';

const { nn, ones, zeros, tensor } = tf;
type Loose = Record<string, unknown>;

describe('a value put over a part of a module', () => {
  it('is refused where it would take the part out', () => {
    const layer = new nn.Linear(2, 1);
    expect(() => ((layer as unknown as Loose).weight = ones(1, 2))).toThrow(TypeError);
    expect(() => ((layer as unknown as Loose).weight = ones(1, 2))).toThrow(
      'Linear.weight: it is a parameter, which takes a Parameter (new nn.Parameter(…)), or null; copy_() within noGrad() changes its values; got a',
    );
    expect(() => ((layer as unknown as Loose).bias = 3)).toThrow(TypeError);
    expect(Object.keys(layer.stateDict())).toEqual(['weight', 'bias']);
    const free = new nn.Linear(2, 1, { bias: false });
    expect(() => ((free as unknown as Loose).bias = ones(1))).toThrow(TypeError); // as PyTorch: None is a parameter's place
    const norm = new nn.BatchNorm1d(3);
    expect(() => ((norm as unknown as Loose).runningMean = [1, 2, 3])).toThrow(
      'BatchNorm1d.runningMean: it is a buffer',
    );
    norm.runningMean = tensor([1, 2, 3]);
    expect(norm.stateDict().running_mean!.tolist()).toEqual([1, 2, 3]);
    const net = new nn.Sequential(new nn.Linear(1, 1));
    expect(() => ((net as unknown as Loose)['0'] = zeros(1))).toThrow('Sequential.0: it is a module');
    expect(() => ((layer as unknown as Loose).weight = new nn.ReLU())).toThrow(TypeError);
    for (const [name, layer] of Object.entries({
      attention: new nn.MultiheadAttention(4, 2),
      encoder: new nn.TransformerEncoderLayer(4, 2, 8),
      cell: new nn.GRUCell(2, 2),
      lstm: new nn.LSTM(2, 2),
      table: new nn.Embedding(3, 2),
      bag: new nn.EmbeddingBag(3, 2),
      prelu: new nn.PReLU(),
      bilinear: new nn.Bilinear(1, 2, 3),
      conv: new nn.Conv2d(1, 1, 1),
      norm: new nn.LayerNorm(2),
      rms: new nn.RMSNorm(2),
      group: new nn.GroupNorm(1, 2),
      loss: new nn.BCELoss(ones(2)),
    })) {
      const own = Object.keys(layer).filter((k) => (layer as unknown as Loose)[k] instanceof tf.Tensor || (layer as unknown as Loose)[k] instanceof nn.Module); // prettier-ignore
      expect(own.length, name).toBeGreaterThan(0);
      for (const key of own) expect(() => ((layer as unknown as Loose)[key] = 1), `${name}.${key}`).toThrow(TypeError);
    }
  });

  it('may be another part, or null; delete takes it out', () => {
    const layer = new nn.Linear(2, 1);
    const weight = new nn.Parameter(ones(1, 2));
    layer.weight = weight;
    layer.bias = null;
    expect(layer.parameters()).toEqual([weight]);
    expect(layer.forward(ones(2)).tolist()).toEqual([2]);
    layer.bias = new nn.Parameter(ones(1));
    expect(layer.forward(ones(2)).tolist()).toEqual([3]);
    expect(Object.keys(layer.clone().stateDict())).toEqual(['weight', 'bias']);
    const copy = layer.clone();
    expect(() => ((copy as unknown as Loose).weight = 1)).toThrow(TypeError);
    const members = layer as unknown as Loose;
    delete members.bias;
    expect(Object.keys(layer.stateDict())).toEqual(['weight']);
    members.bias = 7; // an ordinary property now
    expect(members.bias).toBe(7);
  });

  it('is refused in a class of the user’s own from the first look at it', () => {
    class Scale extends nn.Module {
      factor = new nn.Parameter(ones(1));
      head = new nn.Linear(1, 1);
      note: unknown = null;
    }
    const scale = new Scale();
    expect(scale.parameters()).toHaveLength(3);
    expect(() => ((scale as unknown as Loose).factor = ones(1))).toThrow('Scale.factor: it is a parameter');
    expect(() => ((scale as unknown as Loose).head = 3)).toThrow('Scale.head: it is a module');
    scale.note = ones(1); // what was no part before becomes none
    expect(scale.namedParameters().map(([name]) => name)).toEqual(['factor', 'head.weight', 'head.bias']);
  });
});

describe('what is private', () => {
  it('is said, once for a class', () => {
    class Hidden extends nn.Module {
      #head = new nn.Linear(2, 2);
      #size = new Map<string, number>();
      override forward(x: tf.Tensor): tf.Tensor {
        void this.#size;
        return this.#head.forward(x);
      }
    }
    class Open extends nn.Module {
      #count = 0;
      head = new nn.Linear(2, 2);
      next(): number {
        return this.#count++;
      }
    }
    const said = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    try {
      new Hidden().parameters();
      new Hidden().stateDict();
      new Open().parameters();
      expect(said.mock.calls.map(([text]) => text)).toEqual([
        "Hidden.#head is private: parameters() and stateDict() can't see it, and it won't train; make it a plain property",
      ]);
    } finally {
      said.mockRestore();
    }
  });
});

describe('loading a state dict', () => {
  it('does without num_batches_tracked, which old files lack', () => {
    const net = new nn.Sequential(new nn.BatchNorm1d(2));
    const state = net.stateDict();
    delete state['0.num_batches_tracked'];
    expect(net.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    delete state['0.running_mean'];
    expect(() => net.loadStateDict(state)).toThrow("missing key '0.running_mean'");
  });

  it('takes the tensors themselves with assign', () => {
    const net = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2)).requiresGrad_(false);
    const state = { ...net.double().stateDict() };
    const other = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2));
    const before = other.parameters();
    other.loadStateDict(state, { assign: true });
    expect(other.parameters()[0]).not.toBe(before[0]);
    expect(other.parameters().map((p) => [p.dtype, p.requiresGrad])).toEqual(
      Array.from({ length: 4 }, () => ['float64', true]),
    );
    (state['0.weight'] as tf.Tensor).fill_(3);
    expect((other.stateDict()['0.weight'] as tf.Tensor).tolist()).toEqual([[3, 3], [3, 3]]); // prettier-ignore
    expect(() => other.loadStateDict({ ...state, '0.weight': ones(3) }, true, true)).toThrow(
      "'0.weight' has shape [3]",
    );
  });
});
