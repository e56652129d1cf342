/** Training steps of whole networks, and inference. */
import { nn, noGrad, ones, optim, zeros, type Tensor } from 'tenfold';
import { fill, labels, linear } from '../inputs.js';
import { type Subject, type Tasks } from '../task.js';
import { mean } from './elementwise.js';
import { firstLosses } from './training.js';

const F = nn.functional;

function train(optimizer: optim.Optimizer, lossOf: () => Tensor): Subject & { step(): Tensor } {
  const step = (): Tensor => {
    optimizer.zeroGrad();
    const loss = lossOf();
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { step, check: () => firstLosses(step) };
}

function mlp(): { parameters: Tensor[]; forward: (x: Tensor) => Tensor } {
  const [w1, b1] = linear(784, 512, 1);
  const [w2, b2] = linear(512, 512, 3);
  const [w3, b3] = linear(512, 10, 5);
  return {
    parameters: [w1, b1, w2, b2, w3, b3],
    forward(x) {
      const h = F.relu(F.linear(x, w1, b1));
      return F.linear(F.relu(F.linear(h, w2, b2)), w3, b3);
    },
  };
}

/** One training step of the multilayer perceptron, as a function. */
export function mlpTraining(): Subject & { step(): Tensor } {
  const { parameters, forward } = mlp();
  const x = fill(101, [128, 784]);
  const target = labels(102, 128, 10);
  return train(new optim.Adam(parameters, { lr: 1e-3 }), () => F.crossEntropy(forward(x), target));
}

function convolution(inputs: number, outputs: number, seed: number): [Tensor, Tensor] {
  const scale = 1 / Math.sqrt(9 * inputs);
  const weight = fill(seed, [outputs, inputs, 3, 3], scale);
  return [weight.requiresGrad_(), fill(seed + 1, [outputs], scale).requiresGrad_()];
}

function cnnTraining(): Subject {
  const [w1, b1] = convolution(1, 32, 1);
  const [w2, b2] = convolution(32, 64, 3);
  const [w3, b3] = linear(3136, 10, 5);
  const x = fill(101, [64, 1, 28, 28]);
  const target = labels(102, 64, 10);
  const optimizer = new optim.Adam([w1, b1, w2, b2, w3, b3], { lr: 1e-3 });
  return train(optimizer, () => {
    let h = F.maxPool2d(F.relu(F.conv2d(x, w1, b1, { padding: 1 })), 2);
    h = F.maxPool2d(F.relu(F.conv2d(h, w2, b2, { padding: 1 })), 2);
    return F.crossEntropy(F.linear(h.flatten(1), w3, b3), target);
  });
}

function transformerTraining(): Subject {
  const qkv = [fill(1, [768, 256], 1 / 16).requiresGrad_(), fill(2, [768], 1 / 16).requiresGrad_()] as const;
  const out = linear(256, 256, 3);
  const ff1 = linear(256, 1024, 5);
  const ff2 = linear(1024, 256, 7);
  const norm = (): [Tensor, Tensor] => [ones([256], { requiresGrad: true }), zeros([256], { requiresGrad: true })];
  const ln1 = norm();
  const ln2 = norm();
  const x = fill(101, [8, 128, 256]);
  const t = fill(102, [8, 128, 256]);
  const attention = (x: Tensor): Tensor => {
    const [q, k, v] = F.linear(x, ...qkv)
      .reshape(8, 128, 3, 4, 64)
      .permute(2, 0, 3, 1, 4);
    const weights = F.softmax(q!.matmul(k!.transpose(-2, -1)).mul(1 / 8), -1);
    return F.linear(weights.matmul(v!).transpose(1, 2).reshape(8, 128, 256), ...out);
  };
  const optimizer = new optim.AdamW([...qkv, ...out, ...ff1, ...ff2, ...ln1, ...ln2], { lr: 1e-3, weightDecay: 0.01 });
  return train(optimizer, () => {
    const h = F.layerNorm(x.add(attention(x)), [256], ...ln1);
    const y = F.layerNorm(h.add(F.linear(F.relu(F.linear(h, ...ff1)), ...ff2)), [256], ...ln2);
    return F.mseLoss(y, t);
  });
}

function mlpInference(batch: number): Subject {
  const { forward } = mlp();
  const x = fill(101, [batch, 784]);
  return { step: () => forward(x), check: () => ({ y: noGrad(() => mean(forward(x))) }), forwardOnly: true };
}

export const networks: Tasks = {
  'mlp-train': mlpTraining,
  'cnn-train': cnnTraining,
  'transformer-train': transformerTraining,
  'infer-mlp.b1': () => mlpInference(1),
  'infer-mlp.b64': () => mlpInference(64),
};
