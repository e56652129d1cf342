/** Recurrent layers over 100 steps of a batch of 32, forward, and with all gradients. */
import { nn, noGrad, type Tensor } from 'tenfold';
import { fill } from '../inputs.js';
import { type Subject, type Tasks } from '../task.js';
import { forward, forwardBackward } from './gradients.js';

const LAYERS = {
  lstm: () => new nn.LSTM(128, 256),
  gru: () => new nn.GRU(128, 256),
  rnn: () => new nn.RNN(128, 256),
  'lstm-2-both-ways': () => new nn.LSTM(128, 256, 2, { bidirectional: true }),
};

function task(name: keyof typeof LAYERS, train: boolean): Subject {
  const layer = LAYERS[name]() as nn.LSTM; // one signature for all: the sequence comes first
  // By name, as the two libraries may keep their parameters in another order.
  const parameters = [...layer.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  noGrad(() => parameters.forEach(([, p], i) => p.copy_(fill(i + 1, p.shape, 1 / 16))));
  const x = fill(101, [100, 32, 128]);
  const f = (): Tensor => layer.forward(x)[0];
  if (!train) return forward(f);
  const w = Object.fromEntries(parameters);
  const inputs = { x, wih: w.weight_ih_l0!, whh: w.weight_hh_l0!, b: w.bias_hh_l0! };
  return forwardBackward(f, fill(104, [100, 32, name.endsWith('both-ways') ? 512 : 256]), inputs);
}

export const recurrent: Tasks = {};
for (const name of Object.keys(LAYERS) as (keyof typeof LAYERS)[]) {
  recurrent[`${name}.fwd`] = () => task(name, false);
  recurrent[`${name}.fwdbwd`] = () => task(name, true);
}
