/** Module: its tree, state dict, modes, conversions, copies, hooks; containers and parameters. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { Tensor } from '../../lib/index.js';

const { nn, tensor, zeros, ones, randn } = tf;

class Net extends nn.Module {
  fc1 = new nn.Linear(3, 4);
  act = new nn.ReLU();
  scale = new nn.Parameter(ones(1));
  fc2 = new nn.Linear(4, 2, { bias: false });
  constructor() {
    super();
    this.registerBuffer('steps', zeros(1));
    this.registerBuffer('cache', zeros(2), { persistent: false });
  }
  override forward(x: Tensor): Tensor {
    return this.fc2.forward(this.act.forward(this.fc1.forward(x))).mul(this.scale);
  }
}
const values = (t: Tensor): unknown => t.tolist();

describe('the tree', () => {
  it('finds parameters, buffers and children among the properties', () => {
    const net = new Net();
    expect(net.namedParameters().map(([name]) => name)).toEqual(['scale', 'fc1.weight', 'fc1.bias', 'fc2.weight']);
    expect(net.namedBuffers().map(([name]) => name)).toEqual(['steps', 'cache']);
    expect(net.namedChildren().map(([name]) => name)).toEqual(['fc1', 'act', 'fc2']);
    expect(net.namedModules().map(([name]) => name)).toEqual(['', 'fc1', 'act', 'fc2']);
    expect(net.parameters(false)[0] === net.scale).toBe(true);
    expect(net.getParameter('fc1.weight') === net.fc1.weight).toBe(true);
    expect(net.getSubmodule('fc2')).toBe(net.fc2);
    expect(() => net.getParameter('fc1.wieght')).toThrow(
      "Net has no parameter 'fc1.wieght', did you mean 'fc1.weight'?",
    );
  });

  it('counts what is shared once, but names it everywhere in the state dict', () => {
    class Tied extends nn.Module {
      a = new nn.Linear(2, 2, { bias: false });
      b = new nn.Linear(2, 2, { bias: false });
      c = this.a;
      constructor() {
        super();
        this.b.weight = this.a.weight;
      }
    }
    const tied = new Tied();
    expect(tied.parameters()).toHaveLength(1);
    expect(Object.keys(tied.stateDict())).toEqual(['a.weight', 'b.weight', 'c.weight']);
    const copy = tied.clone();
    expect(copy.a.weight === copy.b.weight).toBe(true);
    expect(copy.c).toBe(copy.a);
    expect(copy.a.weight !== tied.a.weight).toBe(true);
  });

  it('leaves every name but those of its methods to the subclass', () => {
    class Agent extends nn.Module {
      state = new nn.Linear(2, 2);
      hooks = new nn.Linear(2, 2);
      entries = new nn.Parameter(zeros(1));
    }
    expect(Object.keys(new Agent().stateDict())).toHaveLength(5);
  });

  it('refuses names and values that can’t be', () => {
    const net = new Net();
    expect(() => net.registerParameter('a.b', null)).toThrow(
      "registerParameter: the name 'a.b' must not contain a dot",
    );
    expect(() => net.registerModule('forward', new nn.ReLU())).toThrow("registerModule: 'forward' is a method of Net");
    expect(() => net.registerParameter('w', zeros(2) as never)).toThrow('must be a Parameter or null, got a Tensor');
    expect(() => net.registerBuffer('w', 3 as never)).toThrow("registerBuffer: 'w' must be a tensor or null, got 3");
    expect(() => new nn.Module().forward()).toThrow('Module.forward: this module has no forward of its own');
  });

  it('runs forward and trains', () => {
    tf.manualSeed(1);
    const net = new Net();
    const loss = net.forward(randn(5, 3)).square().mean();
    loss.backward();
    expect(net.parameters().every((p) => p.grad !== null)).toBe(true);
    net.zeroGrad();
    expect(net.parameters().every((p) => p.grad === null)).toBe(true);
    net.forward(randn(5, 3)).sum().backward();
    net.zeroGrad({ setToNone: false });
    expect(values(net.scale.grad!)).toEqual([0]);
  });
});

describe('state dict', () => {
  it('shares memory, leaves the graph, and holds persistent buffers only', () => {
    const net = new Net();
    const state = net.stateDict();
    expect(Object.keys(state)).toEqual(['scale', 'steps', 'fc1.weight', 'fc1.bias', 'fc2.weight']);
    expect(state.scale!.requiresGrad).toBe(false);
    state.scale!.fill_(3);
    expect(values(net.scale)).toEqual([3]);
    expect(net.stateDict({ keepVars: true, prefix: 'net.' })['net.scale'] === net.scale).toBe(true);
    expect(() => net.stateDict({ keepvars: true } as never)).toThrow(
      "unknown option 'keepvars', did you mean 'keepVars'?",
    );
  });

  it('loads what it gave', () => {
    const [a, b] = [new Net(), new Net()];
    expect(b.loadStateDict(a.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(values(b.fc1.weight)).toEqual(values(a.fc1.weight));
    expect(b.fc1.weight.requiresGrad).toBe(true);
    expect(b.fc1.weight.isLeaf).toBe(true);
    b.loadStateDict(new Map(Object.entries(new Net().double().stateDict())));
    expect(b.fc1.weight.dtype).toBe('float32');
  });

  it('names everything that doesn’t fit, and changes nothing', () => {
    const net = new Net();
    const before = values(net.scale);
    const bad = {
      scale: tensor([9]),
      steps: zeros(3),
      'fc1.wieght': zeros(4, 3),
      'fc1.bias': zeros(4),
      'fc2.weight': 3 as never,
    };
    expect(() => net.loadStateDict(bad)).toThrow(
      "Net.loadStateDict: the state dict doesn't fit: missing key 'fc1.weight'; unexpected key 'fc1.wieght', did you mean 'fc1.weight'?; " +
        "'steps' has shape [3] where the module's has [1]; 'fc2.weight' must be a tensor, got 3",
    );
    expect(values(net.scale)).toEqual(before);
    expect(net.loadStateDict({ scale: tensor([9]), other: zeros(1) }, { strict: false })).toEqual({
      missingKeys: ['steps', 'fc1.weight', 'fc1.bias', 'fc2.weight'],
      unexpectedKeys: ['other'],
    });
    expect(values(net.scale)).toEqual([9]);
    expect(() => net.loadStateDict({ scale: zeros(2) }, false)).toThrow(
      "'scale' has shape [2] where the module's has [1]",
    );
    expect(() => net.loadStateDict({}, { strct: false } as never)).toThrow(
      "unknown option 'strct', did you mean 'strict'?",
    );
    expect(() => net.loadStateDict(3 as never)).toThrow('expected an object of tensors by key, got 3');
  });
});

describe('modes and conversions', () => {
  it('train and eval reach every module', () => {
    const net = new nn.Sequential(new nn.Dropout(0.5), new nn.Sequential(new nn.Dropout(0.5)));
    expect(
      net
        .eval()
        .modules()
        .map((m) => m.training),
    ).toEqual([false, false, false, false]);
    const x = ones(10);
    expect(values(net.forward(x) as Tensor)).toEqual(values(x));
    expect(
      net
        .train()
        .modules()
        .every((m) => m.training),
    ).toBe(true);
  });

  it('to() converts floating-point tensors in place, gradients included', () => {
    const net = new nn.BatchNorm1d(2);
    const { weight } = net;
    net.forward(randn(4, 2)).sum().backward();
    expect(net.double()).toBe(net);
    expect(net.weight === weight).toBe(true);
    expect([weight!.dtype, weight!.grad!.dtype, net.runningMean!.dtype, net.numBatchesTracked!.dtype]).toEqual([
      'float64', 'float64', 'float64', 'int64',
    ]); // prettier-ignore
    expect(net.forward(randn(4, 2, { dtype: 'float64' })).dtype).toBe('float64');
    expect(net.to({ dtype: 'float32' }).weight!.dtype).toBe('float32');
    expect(net.half().weight!.dtype).toBe('float16');
    expect(() => net.to('int64')).toThrow("to: a module's dtype must be a floating-point one, got 'int64'");
  });

  it('apply calls children first; requiresGrad_ freezes', () => {
    const seen: string[] = [];
    new nn.Sequential(new nn.ReLU(), new nn.Tanh()).apply((m) => seen.push(m.constructor.name));
    expect(seen).toEqual(['ReLU', 'Tanh', 'Sequential']);
    const net = new Net().requiresGrad_(false);
    expect(net.forward(ones(1, 3)).requiresGrad).toBe(false);
  });

  it('clone() shares nothing', () => {
    const net = new Net();
    net.registerForwardHook((_m, _a, y: Tensor) => y.mul(2));
    const copy = net.clone();
    expect(copy).toBeInstanceOf(Net);
    expect(Object.keys(copy.stateDict())).toEqual(Object.keys(net.stateDict()));
    const x = ones(1, 3);
    expect(values(copy.forward(x))).toEqual(values(net.forward(x)));
    tf.noGrad(() => copy.scale.fill_(0));
    expect(values(net.scale)).toEqual([1]);
    expect(copy.scale.requiresGrad).toBe(true);
  });
});

describe('hooks', () => {
  it('see and replace arguments and results, in order, until removed', () => {
    const layer = new nn.Identity();
    const calls: string[] = [];
    const first = layer.registerForwardPreHook((_m, [x]: Tensor[]) => (calls.push('pre'), x!.add(1)));
    const second = layer.registerForwardHook(
      (_m, [x]: Tensor[], y: Tensor) => (calls.push(`post ${x!.item()}`), y.mul(10)),
    );
    const early = layer.registerForwardHook(() => void calls.push('early'), { prepend: true });
    expect(layer.forward(tensor(1)).item()).toBe(20);
    expect(calls).toEqual(['pre', 'early', 'post 2']);
    for (const handle of [first, second, early]) handle.remove();
    expect(layer.forward(tensor(1)).item()).toBe(1);
    expect(Object.hasOwn(layer, 'forward')).toBe(false);
    expect(() => layer.registerForwardHook(3 as never)).toThrow('registerForwardHook: expected a function, got 3');
  });

  it('run inside containers', () => {
    const net = new nn.Sequential(new nn.Identity(), new nn.Identity());
    net[1]!.registerForwardHook((_m, _a, y: Tensor) => y.add(5));
    expect((net.forward(tensor(1)) as Tensor).item()).toBe(6);
  });

  it('see the gradients of arguments and results, and replace the former', () => {
    const layer = new nn.Linear(2, 1);
    tf.noGrad(() => layer.weight.copy_(tensor([[2, 3]])));
    const seen: unknown[] = [];
    const handle = layer.registerFullBackwardHook((_m, gradInput, gradOutput) => {
      seen.push(values(gradInput[0]!), values(gradOutput[0]!));
      return [gradInput[0]!.mul(10)];
    });
    const x = ones(1, 2).requiresGrad_();
    layer.forward(x).backward();
    expect(seen).toEqual([[[2, 3]], [[1]]]);
    expect(values(x.grad!)).toEqual([[20, 30]]);
    handle.remove();
    x.grad = null;
    layer.forward(x).backward();
    expect(values(x.grad!)).toEqual([[2, 3]]);
  });

  it('see the gradient of the result where no argument needs one', () => {
    const layer = new nn.Linear(2, 1);
    const seen: unknown[] = [];
    layer.registerFullBackwardPreHook((_m, gradOutput) => [gradOutput[0]!.mul(3)]);
    layer.registerFullBackwardHook((_m, gradInput, gradOutput) => void seen.push(gradInput[0], values(gradOutput[0]!)));
    layer.forward(ones(1, 2)).backward();
    expect(seen).toEqual([null, [[3]]]);
    expect(values(layer.bias!.grad!)).toEqual([3]);
  });
});

describe('containers', () => {
  it('Sequential: by position, by name, indexable, iterable', () => {
    const net = new nn.Sequential({ hidden: new nn.Linear(2, 3), act: new nn.ReLU() });
    expect(Object.keys(net.stateDict())).toEqual(['hidden.weight', 'hidden.bias']);
    expect(net.length).toBe(2);
    expect(net.at(-1)).toBeInstanceOf(nn.ReLU);
    const grown = new nn.Sequential(new nn.ReLU()).append(new nn.Tanh());
    expect([...grown].map((m) => m.constructor.name)).toEqual(['ReLU', 'Tanh']);
    expect(grown[1]).toBeInstanceOf(nn.Tanh);
    expect(() => grown.at(2)).toThrow('Sequential.at: index 2 is out of range for 2 items');
    expect(() => new nn.Sequential(3 as never)).toThrow('Sequential: expected a module, got 3');
  });

  it('ModuleList and ModuleDict', () => {
    const list = new nn.ModuleList([new nn.ReLU(), new nn.Tanh()]).insert(1, new nn.Sigmoid());
    expect([...list].map((m) => m.constructor.name)).toEqual(['ReLU', 'Sigmoid', 'Tanh']);
    const dict = new nn.ModuleDict({ a: new nn.Linear(1, 1) }).set('b', new nn.ReLU());
    expect(dict.keys()).toEqual(['a', 'b']);
    expect(dict.has('c')).toBe(false);
    expect(dict.pop('b')).toBeInstanceOf(nn.ReLU);
    expect(() => dict.get('c')).toThrow("ModuleDict.get: there is no module 'c' (there are: a)");
    expect(() => dict.set('keys', new nn.ReLU())).toThrow("'keys' is a method of ModuleDict");
  });

  it('ParameterList and ParameterDict', () => {
    const list = new nn.ParameterList([zeros(2), ones(3)]);
    expect(list.parameters()).toHaveLength(2);
    expect(list[1] === list.at(-1)).toBe(true);
    const dict = new nn.ParameterDict({ w: zeros(2) });
    expect(Object.keys(dict.stateDict())).toEqual(['w']);
    expect(dict.get('w')).toBeInstanceOf(nn.Parameter);
  });

  it('says so where a plain array hides modules', async () => {
    class Hidden extends nn.Module {
      layers = [new nn.ReLU()];
    }
    const warning = new Promise<Error>((resolve) => process.once('warning', resolve));
    new Hidden().parameters();
    expect((await warning).message).toContain('Hidden.layers is a plain array');
  });
});

describe('Parameter', () => {
  it('is a leaf that shares memory, and prints as PyTorch’s', () => {
    const data = tensor([1, 2]);
    const p = new nn.Parameter(data);
    data.fill_(5);
    expect(String(p)).toBe('Parameter containing:\ntensor([5., 5.], requiresGrad=true)');
    expect(p).toBeInstanceOf(Tensor);
    expect(p.mul(2)).not.toBeInstanceOf(nn.Parameter);
    p.data = zeros(3);
    expect(values(p)).toEqual([0, 0, 0]);
    expect(() => new nn.Parameter(tensor([1n]))).toThrow('only floating-point tensors can require grad, got int64');
    expect(new nn.Parameter(tensor([1n]), false).requiresGrad).toBe(false);
    expect(() => new nn.Parameter([1] as never)).toThrow('Parameter: data must be a tensor');
  });
});

describe('constructors', () => {
  it('take arguments by position and by name, and refuse unknown ones', () => {
    expect(new nn.Linear(2, 3, false).bias).toBe(null);
    expect(new nn.Linear(2, 3, { bias: false, dtype: 'float64' }).weight.dtype).toBe('float64');
    expect(() => new nn.Linear(2, 3, { bia: false } as never)).toThrow(
      "Linear: unknown option 'bia', did you mean 'bias'?",
    );
    expect(() => new nn.Linear(2.5, 3)).toThrow("Linear: 'inFeatures' must be an integer, got 2.5");
    expect(() => new nn.Conv2d(3, 4, 3, { groups: 2 })).toThrow("3 channels in and 4 out can't form 2 groups");
    expect(() => new nn.Conv2d(2, 4, 3, { padding: 'smae' as never })).toThrow(
      "padding must be numbers, 'same' or 'valid', got 'smae'",
    );
    expect(() => new nn.BatchNorm2d(3, { momentm: 1 } as never)).toThrow(
      "unknown option 'momentm', did you mean 'momentum'?",
    );
    expect(() => new nn.Dropout(1.5)).toThrow('Dropout: p must be between 0 and 1, got 1.5');
    expect(() => new nn.MSELoss({ reduction: 'avg' as never })).toThrow(
      "MSELoss: reduction must be 'none', 'mean' or 'sum', got 'avg'",
    );
  });
});

describe('utils', () => {
  it('clipGradNorm_, clipGradValue_', () => {
    const p = new nn.Parameter(zeros(2));
    p.grad = tensor([3, 4]);
    expect(nn.utils.clipGradNorm_([p], 1).item()).toBe(5);
    expect((values(p.grad) as number[])[0]).toBeCloseTo(0.6, 5);
    p.grad = tensor([3, -4]);
    nn.utils.clipGradValue_([p], 2);
    expect(values(p.grad)).toEqual([2, -2]);
    p.grad = tensor([NaN, 1]);
    expect(() => nn.utils.clipGradNorm_([p], 1, { errorIfNonfinite: true })).toThrow(
      "clipGradNorm_: the gradients' norm is NaN",
    );
  });
  it('clipGradNorm_: half types are summed in float32, PyTorch’s arguments by place', () => {
    const p = new nn.Parameter(zeros(2, { dtype: 'float16' }));
    p.grad = tf.full([2], 300, { dtype: 'float16' });
    expect(nn.utils.clipGradNorm_([p], 1).item()).toBe(424.25);
    expect(p.grad.tolist()).toEqual([0.70703125, 0.70703125]);
    const q = new nn.Parameter(zeros(2));
    q.grad = tensor([3, Infinity]);
    expect(() => nn.utils.clipGradNorm_([q], 1, 2, true)).toThrow(
      "the gradients' norm is Infinity; nothing was changed",
    );
    expect(q.grad.tolist()).toEqual([3, Infinity]);
    q.grad = tensor([3, -4]);
    expect(nn.utils.clipGradNorm_([q], 1, 0).item()).toBe(1);
    expect(tf.allclose(q.grad, tensor([3, -4]))).toBe(true);
    expect(nn.utils.clipGradNorm_([q], 2, 'inf').item()).toBeCloseTo(4, 5);
    nn.utils.clipGradsWithNorm_([q], 1, tensor(4), { foreach: true });
    expect(tf.allclose(q.grad, tensor([0.375, -0.5]))).toBe(true);
    expect(nn.utils.getTotalNorm([q.grad, q.grad], 1).item()).toBeCloseTo(1.75, 5);
    expect(() => nn.utils.getTotalNorm([tensor([NaN])], { errorIfNonfinite: true })).toThrow('getTotalNorm: ');
    expect(() => nn.utils.clipGradNorm_([q], 1, { normtype: 1 } as never)).toThrow("did you mean 'normType'?");
  });
});

describe('fromPretrained', () => {
  const w = (): Tensor => tensor([[1, 2], [3, 4], [5, 6]]); // prettier-ignore
  it('Embedding: PyTorch’s arguments, by place and by name', () => {
    expect(nn.Embedding.fromPretrained(w()).weight.requiresGrad).toBe(false);
    const e = nn.Embedding.fromPretrained(w(), false, -1, 2, 1, true);
    expect([e.weight.requiresGrad, e.paddingIdx, e.maxNorm, e.normType, e.scaleGradByFreq]).toEqual([
      true,
      2,
      2,
      1,
      true,
    ]);
    expect(nn.Embedding.fromPretrained(w(), { freeze: false, maxNorm: 1 }).maxNorm).toBe(1);
    expect(() => nn.Embedding.fromPretrained(w(), { freez: false } as never)).toThrow("did you mean 'freeze'?");
    expect(() => nn.Embedding.fromPretrained(tensor([1, 2]))).toThrow('expected a matrix of vectors, got [2]');
  });
  it('EmbeddingBag', () => {
    const bag = nn.EmbeddingBag.fromPretrained(w(), false, { mode: 'sum' });
    expect([bag.weight.requiresGrad, bag.mode]).toEqual([true, 'sum']);
    expect(bag.forward(tensor([[0, 2]], { dtype: 'int64' })).tolist()).toEqual([[6, 8]]);
    expect(() => nn.EmbeddingBag.fromPretrained(w(), { paddingidx: 0 } as never)).toThrow("did you mean 'paddingIdx'?");
  });
});
