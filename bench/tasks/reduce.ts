/** Reductions and row-wise functions of a [4096, 1024] tensor. */
import { nn, type Tensor } from 'tenfold';
import { fill } from '../inputs.js';
import { MATRIX } from '../numbers.js';
import { type Subject, type Tasks } from '../task.js';
import { forward, forwardBackward } from './gradients.js';

const F = nn.functional;

const FORWARD: Record<string, (x: Tensor) => Tensor> = {
  sum: (x) => x.sum(),
  'mean-last': (x) => x.mean(1),
  'max-last': (x) => x.amax(1),
  'max-first': (x) => x.amax(0),
};

const alone = (f: (x: Tensor) => Tensor): Subject => {
  const x = fill(101, MATRIX, 3);
  return forward(() => f(x));
};
function withGradients(f: (x: Tensor) => Tensor, parameters: Record<string, Tensor> = {}): Subject {
  const x = fill(101, MATRIX, 3);
  return forwardBackward(() => f(x), fill(104, MATRIX), { x, ...parameters });
}

const softmax = (x: Tensor): Tensor => F.softmax(x, 1);
function layerNorm(): [f: (x: Tensor) => Tensor, parameters: Record<string, Tensor>] {
  const gamma = fill(1, [1024], 0.1).add(1).requiresGrad_();
  const beta = fill(2, [1024], 0.1).requiresGrad_();
  return [(x) => F.layerNorm(x, [1024], gamma, beta, 1e-5), { gamma, beta }];
}

export const reduce: Tasks = {
  ...Object.fromEntries(Object.entries(FORWARD).map(([name, f]) => [`reduce.${name}`, () => alone(f)])),
  'reduce.softmax': () => alone(softmax),
  'reduce.softmax-fwdbwd': () => withGradients(softmax),
  'reduce.layernorm': () => alone(layerNorm()[0]),
  'reduce.layernorm-fwdbwd': () => withGradients(...layerNorm()),
};
