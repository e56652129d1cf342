/** What one call costs: tensors of one element. */
import { tensor, type Tensor } from 'tenfold';
import { type Tasks } from '../task.js';

const one = (value: number, requiresGrad = false): Tensor => tensor([value], { requiresGrad });

export const overhead: Tasks = {
  'overhead.create': () => {
    const data = [1, 2, 3, 4];
    return { step: () => tensor(data), check: () => ({ y: tensor(data).sum().item() }) };
  },
  'overhead.add': () => {
    const a = one(1);
    const b = one(2);
    return { step: () => a.add(b), check: () => ({ y: a.add(b).item() }), forwardOnly: true };
  },
  'overhead.add-grad': () => {
    const a = one(1, true);
    const b = one(2, true);
    return { step: () => a.add(b), check: () => ({ y: a.add(b).item() }) };
  },
  'overhead.chain16-fwdbwd': () => {
    const a = one(1.5, true);
    const b = one(0.97);
    const step = (): void => {
      let y = a;
      for (let i = 0; i < 16; i++) y = y.mul(b);
      a.grad = null;
      y.backward();
    };
    return {
      step,
      check() {
        step();
        return { dx: a.grad!.item() };
      },
    };
  },
  'overhead.item': () => {
    const a = one(0.25);
    return { step: () => a.item(), check: () => ({ y: a.item() }) };
  },
};
