/** Scaled dot product attention, forward, and with the gradients of its three inputs. */
import { nn, type Tensor } from 'tenfold';
import { fill } from '../inputs.js';
import { ATTENTION } from '../numbers.js';
import { type Subject, type Tasks } from '../task.js';
import { forward, forwardBackward } from './gradients.js';

function task(name: string, train: boolean): Subject {
  const [shape, kind] = ATTENTION[name]!;
  const [q, k, v] = [101, 102, 103].map((seed) => fill(seed, shape)) as [Tensor, Tensor, Tensor];
  const s = shape[2]!;
  // A key in five is left out of each row.
  const attnMask = kind === 'mask' ? fill(105, [s, s]).gt(-0.6) : null;
  const f = (): Tensor => nn.functional.scaledDotProductAttention(q, k, v, { attnMask, isCausal: kind === 'causal' });
  return train ? forwardBackward(f, fill(104, shape), { q, k, v }) : forward(f);
}

export const attention: Tasks = {};
for (const name of Object.keys(ATTENTION)) {
  attention[`attention.${name}`] = () => task(name, false);
  attention[`attention.${name}-fwdbwd`] = () => task(name, true);
}
