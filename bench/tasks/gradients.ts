/** Tasks that are one function: alone, and with its gradients. */
import { noGrad, type Tensor } from 'tenfold';
import { type Subject } from '../task.js';
import { mean } from './elementwise.js';

/** Without gradients; the value that peers compare is the mean of |y|. */
export const forward = (f: () => Tensor): Subject => ({
  step: f,
  check: () => ({ y: noGrad(() => mean(f())) }),
  forwardOnly: true,
});

/** Sends g back through f(); the values are the means of |y| and of the gradient of every input. */
export function forwardBackward(f: () => Tensor, g: Tensor, inputs: Record<string, Tensor>): Subject {
  const all = Object.values(inputs);
  for (const t of all) t.requiresGrad_();
  const step = (): Tensor => {
    for (const t of all) t.grad = null;
    const y = f();
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
