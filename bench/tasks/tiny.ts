/** Training where all is overhead: a line through eleven points, and Adam on Linear(4, 2). */
import { nn, noGrad, optim, tensor, zeros } from 'tenfold';
import { fill, linear } from '../inputs.js';
import { type Tasks } from '../task.js';
import { firstLosses } from './training.js';

const F = nn.functional;

export const tiny: Tasks = {
  'tiny-loop': () => {
    const x = tensor(Array.from({ length: 11 }, (_, i) => i / 10));
    const y = x.mul(2).add(1);
    const w = zeros([1], { requiresGrad: true });
    const b = zeros([1], { requiresGrad: true });
    const step = () => {
      const loss = w.mul(x).add(b).sub(y).pow(2).mean();
      loss.backward();
      noGrad(() => {
        w.sub_(w.grad!.mul(0.01));
        b.sub_(b.grad!.mul(0.01));
      });
      w.grad = null;
      b.grad = null;
      return loss;
    };
    return { step, check: () => firstLosses(step) };
  },
  'adam-tiny': () => {
    const parameters = linear(4, 2, 1);
    const [w, b] = parameters;
    const x = fill(101, [2, 4]);
    const target = tensor([0, 1], { dtype: 'int64' });
    const optimizer = new optim.Adam(parameters, { lr: 1e-3 });
    const step = () => {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(F.linear(x, w, b), target);
      loss.backward();
      optimizer.step();
      return loss;
    };
    return { step, check: () => firstLosses(step) };
  },
};
