/**
 * TensorFlow.js' side, on its wasm backend: the same tasks, written as its users would. What an iteration makes it
 * disposes of, as that memory is nobody else's to free. Layers are stored as tf.layers has them, weights [in, out] and
 * images with the channel last. A task that needs a kernel which the backend lacks is answered with the library's words.
 */
import { classes, count, floats, MATRIX, PRODUCTS, SIZES } from '../numbers.js';
import { meanAbs, type Subject, type Tasks } from '../task.js';
import { load } from './packages.js';
import { type Optimizer, type Tensor, type Tfjs, type Variable, type WasmBackend } from './tfjs-interface.js';
import { serve } from './worker.js';

const tf = load('@tensorflow/tfjs') as Tfjs;
const wasm = load('@tensorflow/tfjs-backend-wasm') as WasmBackend;
tf.enableProdMode();
wasm.setThreadsCount(Number(process.env.BENCH_THREADS ?? 1));
await tf.setBackend('wasm');

// ---- inputs ----------------------------------------------------------------------------------------------------------

/** What the open task computes on; the next one begins by freeing it. */
let inputs: Tensor[] = [];

function input(make: () => Tensor): Tensor {
  const t = tf.tidy(make);
  inputs.push(t);
  return t;
}

const numbers = (seed: number, shape: readonly number[], scale = 1): Tensor =>
  tf.tensor(floats(seed, count(shape), scale), shape);
const fill = (seed: number, shape: readonly number[], scale = 1): Tensor => input(() => numbers(seed, shape, scale));

const oneHot = (indices: number[], depth: number): Tensor =>
  input(() => tf.oneHot(tf.tensor1d(indices, 'int32'), depth));
const labels = (seed: number, n: number, c: number): Tensor => oneHot([...classes(seed, n, c)].map(Number), c);

/** A variable; disposeVariables frees it. */
function variable(make: () => Tensor): Variable {
  const initial = tf.tidy(make);
  const result = tf.variable(initial);
  initial.dispose();
  return result;
}

type Layer = [weight: Variable, bias: Variable];

const linear = (inputs: number, outputs: number, seed: number, scale = 1 / Math.sqrt(inputs)): Layer => [
  variable(() => numbers(seed, [outputs, inputs], scale).transpose()),
  variable(() => numbers(seed + 1, [outputs], scale)),
];

// ---- kinds of tasks --------------------------------------------------------------------------------------------------

function read<T>(t: Tensor, f: (values: Float32Array) => T): T {
  const result = f(t.dataSync());
  t.dispose();
  return result;
}
const mean = (t: Tensor): number => read(t, meanAbs);
const item = (t: Tensor): number => read(t, (values) => values[0]!);

const forward = (f: () => Tensor): Subject => ({ step: () => f().dispose(), check: () => ({ y: mean(f()) }) });

/** Sends g back through f; its values are the mean of |y| and of every gradient. */
function forwardBackward(f: (...x: Tensor[]) => Tensor, g: Tensor, wrt: Record<string, Tensor>): Subject {
  const both = tf.valueAndGrads(f);
  const run = (): { value: Tensor; grads: Tensor[] } => both(Object.values(wrt), g);
  return {
    step() {
      const { value, grads } = run();
      value.dispose();
      tf.dispose(grads);
    },
    check() {
      const { value, grads } = run();
      const values: Record<string, number> = { y: mean(value) };
      for (const [i, name] of Object.keys(wrt).entries()) values[`d${name}`] = mean(grads[i]!);
      return values;
    },
  };
}

/** Training of all variables; `step` gives the loss. */
function training(step: () => Tensor): Subject {
  return {
    step: () => step().dispose(),
    check() {
      const losses = Array.from({ length: 5 }, () => item(step()));
      return { loss1: losses[0]!, loss5: losses[4]! };
    },
  };
}
const minimizing = (optimizer: Optimizer, loss: () => Tensor): Subject =>
  training(() => optimizer.minimize(loss, true));

const adam = (): Optimizer => tf.train.adam(1e-3, 0.9, 0.999, 1e-8);

// ---- tasks -----------------------------------------------------------------------------------------------------------

const overhead: Tasks = {
  'overhead.create': () => {
    const data = [1, 2, 3, 4];
    return {
      step: () => tf.tensor(data).dispose(),
      check: () => ({ y: item(tf.tidy(() => tf.tensor(data).sum())) }),
    };
  },
  'overhead.add': () => {
    const a = input(() => tf.tensor([1]));
    const b = input(() => tf.tensor([2]));
    return forward(() => a.add(b));
  },
  'overhead.add-grad': () => {
    throw new Error('it records inside tf.grad only, which goes backward, too');
  },
  'overhead.chain16-fwdbwd': () => {
    const a = input(() => tf.tensor([1.5]));
    const b = input(() => tf.tensor([0.97]));
    const gradient = tf.grad((x) => {
      let y = x;
      for (let i = 0; i < 16; i++) y = y.mul(b);
      return y;
    });
    return { step: () => gradient(a).dispose(), check: () => ({ dx: item(gradient(a)) }) };
  },
  'overhead.item': () => {
    const a = input(() => tf.tensor([0.25]));
    return { step: () => a.dataSync()[0], check: () => ({ y: a.dataSync()[0]! }) };
  },
};

const tiny: Tasks = {
  'tiny-loop': () => {
    const x = input(() => tf.tensor(Array.from({ length: 11 }, (_, i) => i / 10)));
    const y = input(() => x.mul(2).add(1));
    const w = variable(() => tf.tensor([0]));
    const b = variable(() => tf.tensor([0]));
    return minimizing(tf.train.sgd(0.01), () => w.mul(x).add(b).sub(y).square().mean());
  },
  'adam-tiny': () => {
    const [w, b] = linear(4, 2, 1);
    const x = fill(101, [2, 4]);
    const target = oneHot([0, 1], 2);
    return minimizing(adam(), () => tf.losses.softmaxCrossEntropy(target, tf.fused.matMul({ a: x, b: w, bias: b })));
  },
};

const OPS: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  add: (x, y) => x.add(y),
  mul: (x, y) => x.mul(y),
  relu: (x) => x.relu(),
  exp: (x) => x.exp(),
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
  gelu: (x) => tf.tidy(() => x.mul(Math.SQRT1_2).erf().add(1).mul(x).mul(0.5)),
};

function single(op: string, n: number): Subject {
  const x = fill(101, [n], 3);
  const y = op === 'add' || op === 'mul' ? fill(102, [n], 3) : x;
  return forward(() => OPS[op]!(x, y));
}

function chain(train: boolean): Subject {
  const n = SIZES['1m']!;
  const [x, a, b, g] = [fill(101, [n], 2), fill(102, [n]), fill(103, [n]), fill(104, [n])] as const;
  const f = (x: Tensor, a: Tensor, b: Tensor): Tensor =>
    x.mul(a).add(b).tanh().mul(x.sigmoid()).add(x.square().mul(0.5));
  return train ? forwardBackward(f, g, { x, a, b }) : forward(() => tf.tidy(() => f(x, a, b)));
}

const elementwise: Tasks = {
  'chain.fwd': () => chain(false),
  'chain.fwdbwd': () => chain(true),
};
for (const op of Object.keys(OPS)) {
  for (const [size, n] of Object.entries(SIZES)) elementwise[`elementwise.${op}.${size}`] = () => single(op, n);
}

function reduction(f: (x: Tensor) => Tensor): Subject {
  const x = fill(101, MATRIX, 3);
  return forward(() => f(x));
}

function normalize(x: Tensor, gamma: Tensor, beta: Tensor): Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(gamma).add(beta);
}

function layerNorm(train: boolean): Subject {
  const x = fill(101, MATRIX, 3);
  const gamma = input(() => numbers(1, [1024], 0.1).add(1));
  const beta = fill(2, [1024], 0.1);
  if (!train) return forward(() => tf.tidy(() => normalize(x, gamma, beta)));
  return forwardBackward(normalize, fill(104, MATRIX), { x, gamma, beta });
}

const reduce: Tasks = {
  'reduce.sum': () => reduction((x) => x.sum()),
  'reduce.mean-last': () => reduction((x) => x.mean(1)),
  'reduce.max-last': () => reduction((x) => x.max(1)),
  'reduce.max-first': () => reduction((x) => x.max(0)),
  'reduce.softmax': () => reduction((x) => x.softmax(1)),
  'reduce.softmax-fwdbwd': () => forwardBackward((x) => x.softmax(1), fill(104, MATRIX), { x: fill(101, MATRIX, 3) }),
  'reduce.layernorm': () => layerNorm(false),
  'reduce.layernorm-fwdbwd': () => layerNorm(true),
};

const products: Tasks = Object.fromEntries(
  Object.entries(PRODUCTS).map(([name, [left, right]]) => [
    `matmul.${name}`,
    () => {
      const a = fill(101, left);
      const b = fill(102, right);
      return forward(() => tf.matMul(a, b));
    },
  ]),
);

function mlp(): (x: Tensor) => Tensor {
  const [w1, b1] = linear(784, 512, 1);
  const [w2, b2] = linear(512, 512, 3);
  const [w3, b3] = linear(512, 10, 5);
  return (x) => {
    const h1 = tf.fused.matMul({ a: x, b: w1, bias: b1, activation: 'relu' });
    const h2 = tf.fused.matMul({ a: h1, b: w2, bias: b2, activation: 'relu' });
    return tf.fused.matMul({ a: h2, b: w3, bias: b3 });
  };
}

function mlpTraining(): Subject {
  const model = mlp();
  const x = fill(101, [128, 784]);
  const target = labels(102, 128, 10);
  return minimizing(adam(), () => tf.losses.softmaxCrossEntropy(target, model(x)));
}

function mlpInference(batch: number): Subject {
  const model = mlp();
  const x = fill(101, [batch, 784]);
  return forward(() => tf.tidy(() => model(x)));
}

function convolution(inputs: number, outputs: number, seed: number): Layer {
  const scale = 1 / Math.sqrt(9 * inputs);
  return [
    variable(() => numbers(seed, [outputs, inputs, 3, 3], scale).transpose([2, 3, 1, 0])),
    variable(() => numbers(seed + 1, [outputs], scale)),
  ];
}

function cnnTraining(): Subject {
  const convolutions = [convolution(1, 32, 1), convolution(32, 64, 3)];
  const scale = 1 / Math.sqrt(3136);
  // The channel comes last here, so the rows of the last layer are in another order.
  const w = variable(() => numbers(5, [10, 64, 7, 7], scale).transpose([2, 3, 1, 0]).reshape([3136, 10]));
  const b = variable(() => numbers(6, [10], scale));
  const x = fill(101, [64, 28, 28, 1]);
  const target = labels(102, 64, 10);
  return minimizing(adam(), () => {
    let h = x;
    for (const [filter, bias] of convolutions) {
      h = tf.fused.conv2d({ x: h, filter, strides: 1, pad: 'same', bias, activation: 'relu' }).maxPool(2, 2, 'valid');
    }
    const logits = tf.fused.matMul({ a: h.reshape([64, 3136]), b: w, bias: b });
    return tf.losses.softmaxCrossEntropy(target, logits);
  });
}

/** Products are of [1024, 256], all tokens; attention is over [batch, head, token, feature]. */
function transformerTraining(): Subject {
  const qkv = linear(256, 768, 1, 1 / 16);
  const out = linear(256, 256, 3);
  const ff1 = linear(256, 1024, 5);
  const ff2 = linear(1024, 256, 7);
  const norm = (): Layer => [
    variable(() => tf.tensor(new Float32Array(256).fill(1))),
    variable(() => tf.tensor(new Float32Array(256))),
  ];
  const ln1 = norm();
  const ln2 = norm();
  const x = fill(101, [1024, 256]);
  const t = fill(102, [1024, 256]);
  const dense = (a: Tensor, [b, bias]: Layer, activation: 'linear' | 'relu' = 'linear'): Tensor =>
    tf.fused.matMul({ a, b, bias, activation });
  const attention = (x: Tensor): Tensor => {
    const [q, k, v] = tf
      .split(dense(x, qkv), 3, -1)
      .map((part) => part.reshape([8, 128, 4, 64]).transpose([0, 2, 1, 3]));
    const weights = tf.matMul(q!, k!, false, true).mul(1 / 8).softmax(); // prettier-ignore
    return dense(tf.matMul(weights, v!).transpose([0, 2, 1, 3]).reshape([1024, 256]), out);
  };
  const loss = (): Tensor => {
    const h = normalize(x.add(attention(x)), ...ln1);
    const y = normalize(h.add(dense(dense(h, ff1, 'relu'), ff2)), ...ln2);
    return tf.losses.meanSquaredError(t, y);
  };
  // There is no AdamW: its decay by hand.
  const parameters = [qkv, out, ff1, ff2, ln1, ln2].flat();
  const optimizer = adam();
  return training(() => {
    const { value, grads } = tf.variableGrads(loss);
    tf.tidy(() => {
      for (const p of parameters) p.assign(p.mul(1 - 1e-3 * 0.01));
    });
    optimizer.applyGradients(grads);
    tf.dispose(grads);
    return value;
  });
}

const networks: Tasks = {
  'mlp-train': mlpTraining,
  'cnn-train': cnnTraining,
  'transformer-train': transformerTraining,
  'infer-mlp.b1': () => mlpInference(1),
  'infer-mlp.b64': () => mlpInference(64),
};

/** Tasks that begin with freeing what the last one held. */
const tasks = Object.fromEntries(
  Object.entries({ ...overhead, ...tiny, ...elementwise, ...reduce, ...products, ...networks }).map(([name, make]) => [
    name,
    () => {
      tf.dispose(inputs);
      tf.disposeVariables();
      inputs = [];
      return make();
    },
  ]),
);

const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) ? 'with SIMD' : 'without SIMD';
await serve(
  { tfjs: tf.version.tfjs, backend: `wasm ${simd}`, node: process.version, threads: wasm.getThreadsCount() },
  tasks,
);
