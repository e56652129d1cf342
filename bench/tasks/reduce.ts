/** Reductions and row-wise functions of a [4096, 1024] tensor. */
import { nn, noGrad, type Tensor } from 'tenfold';
import { fill } from '../inputs.js';
import { MATRIX } from '../numbers.js';
import { type Subject, type Tasks } from '../task.js';
import { mean } from './elementwise.js';

const F = nn.functional;

const FORWARD: Record<string, (x: Tensor) => Tensor> = {
  sum: (x) => x.sum(),
  'mean-last': (x) => x.mean(1),
  'max-last': (x) => x.amax(1),
  'max-first': (x) => x.amax(0),
};

function forward(f: (x: Tensor) => Tensor): Subject {
  const x = fill(101, MATRIX, 3);
  return { step: () => f(x), check: () => ({ y: noGrad(() => mean(f(x))) }), forwardOnly: true };
}

function forwardBackward(f: (x: Tensor) => Tensor, extra: Record<string, Tensor> = {}): Subject {
  const x = fill(101, MATRIX, 3).requiresGrad_();
  const g = fill(104, MATRIX);
  const inputs: Record<string, Tensor> = { x, ...extra };
  const step = (): Tensor => {
    for (const t of Object.values(inputs)) t.grad = null;
    const y = f(x);
    y.backward(g);
    return y;
  };
  return {
    step,
    check() {
      const values: Record<string, number> = { y: mean(step().detach()) };
      for (const [name, t] of Object.entries(inputs)) values[`d${name}`] = mean(t.grad!);
      return values;
    },
  };
}

const softmax = (x: Tensor): Tensor => F.softmax(x, 1);
function layerNorm(): [f: (x: Tensor) => Tensor, parameters: Record<string, Tensor>] {
  const gamma = fill(1, [1024], 0.1).add(1).requiresGrad_();
  const beta = fill(2, [1024], 0.1).requiresGrad_();
  return [(x) => F.layerNorm(x, [1024], gamma, beta, 1e-5), { gamma, beta }];
}

export const reduce: Tasks = {
  ...Object.fromEntries(Object.entries(FORWARD).map(([name, f]) => [`reduce.${name}`, () => forward(f)])),
  'reduce.softmax': () => forward(softmax),
  'reduce.softmax-fwdbwd': () => forwardBackward(softmax),
  'reduce.layernorm': () => forward(layerNorm()[0]),
  'reduce.layernorm-fwdbwd': () => forwardBackward(...layerNorm()),
};
