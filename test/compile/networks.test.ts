/** Whole networks, compiled: losses, parameters and gradients of training steps are those of the steps themselves, bit for bit. */
import { describe, expect, it } from 'vitest';
import { compile, manualSeed, nn, noGrad, optim, randint, randn, type Tensor } from '../../lib/index.js';

const F = nn.functional;

interface Case {
  model: () => nn.Module;
  batch: () => [Tensor, Tensor];
  loss: (model: nn.Module, x: Tensor, y: Tensor) => Tensor;
}
const first = (out: unknown): Tensor => (Array.isArray(out) ? (out[0] as Tensor) : (out as Tensor));
const classes = (model: nn.Module, x: Tensor, y: Tensor): Tensor => F.crossEntropy(first(model.forward(x)), y);
const squares = (model: nn.Module, x: Tensor, y: Tensor): Tensor => F.mseLoss(first(model.forward(x)), y);

const CASES: Record<string, Case> = {
  'a convolutional network': {
    model: () =>
      new nn.Sequential(
        new nn.Conv2d(1, 4, 3, { padding: 1 }),
        new nn.BatchNorm2d(4),
        new nn.ReLU(),
        new nn.MaxPool2d(2),
        new nn.Conv2d(4, 6, 3, { stride: 2 }),
        new nn.GELU(),
        new nn.AdaptiveAvgPool2d(1),
        new nn.Flatten(),
        new nn.Linear(6, 3),
      ),
    batch: () => [randn(4, 1, 12, 12), randint(0, 3, [4])],
    loss: classes,
  },
  'a U-Net with interpolation and padding': {
    model: () =>
      new nn.Sequential(
        new nn.ReflectionPad2d(1),
        new nn.Conv2d(1, 3, 3),
        new nn.Tanh(),
        new nn.AvgPool2d(2),
        new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }),
        new nn.ConvTranspose2d(3, 1, 3, { padding: 1 }),
      ),
    batch: () => [randn(2, 1, 8, 8), randn(2, 1, 8, 8)],
    loss: squares,
  },
  'a Transformer layer with dropout': {
    model: () => new nn.TransformerEncoderLayer(16, 2, { dimFeedforward: 32, batchFirst: true, dropout: 0.1 }),
    batch: () => [randn(2, 6, 16), randn(2, 6, 16)],
    loss: squares,
  },
  'an LSTM': {
    model: () => new nn.LSTM(5, 7, { numLayers: 2, batchFirst: true, bidirectional: true }),
    batch: () => [randn(3, 6, 5), randn(3, 6, 14)],
    loss: squares,
  },
  'a GRU': {
    model: () => new nn.GRU(5, 7),
    batch: () => [randn(6, 3, 5), randn(6, 3, 7)],
    loss: squares,
  },
  'an embedding with group norm': {
    model: () =>
      new nn.Sequential(new nn.Embedding(10, 8), new nn.LayerNorm(8), new nn.Linear(8, 10), new nn.Flatten(0, 1)),
    batch: () => [randint(0, 10, [3, 4]), randint(0, 10, [12])],
    loss: classes,
  },
};

function trained({ model, batch, loss }: Case, compiled: boolean): unknown {
  manualSeed(1);
  const net = model();
  const optimizer = new optim.AdamW(net.parameters(), { lr: 0.01 });
  const step = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad();
    const out = loss(net, x, y);
    out.backward();
    optimizer.step();
    return out.detach();
  };
  const run = compiled ? compile(step) : step;
  manualSeed(2);
  const losses = Array.from({ length: 6 }, () => run(...batch()).item());
  if (compiled) expect((run as unknown as { plans: { calls: number }[] }).plans[0]!.calls).toBe(4);
  return [losses, Object.values(net.stateDict()).map((t) => t.tolist()), net.parameters().map((p) => p.grad?.tolist())];
}

describe.each(Object.entries(CASES))('%s', (_, network) => {
  it('trains as it does uncompiled', () => expect(trained(network, true)).toEqual(trained(network, false)));

  it('gives the same gradients to a loss outside, and the same results in eval()', () => {
    manualSeed(3);
    const net = network.model();
    const f = compile((x: Tensor) => first(net.forward(x)));
    const grads = (fn: (x: Tensor) => Tensor, x: Tensor): unknown => {
      net.zeroGrad();
      manualSeed(9);
      fn(x).pow(2).mean().backward();
      return net.parameters().map((p) => p.grad?.tolist());
    };
    for (let i = 0; i < 3; i++) {
      const [x] = network.batch();
      expect(grads(f, x)).toEqual(grads((y) => first(net.forward(y)), x));
    }
    net.eval();
    noGrad(() => {
      for (let i = 0; i < 3; i++) {
        const [x] = network.batch();
        expect(f(x).tolist()).toEqual(first(net.forward(x)).tolist());
      }
    });
  });
});
