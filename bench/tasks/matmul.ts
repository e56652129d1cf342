/** Matrix products: square, batched, a layer's, and those of its gradients. */
import { noGrad } from 'tenfold';
import { fill } from '../inputs.js';
import { PRODUCTS, TURNED } from '../numbers.js';
import { type Subject, type Tasks } from '../task.js';
import { mean } from './elementwise.js';

/** `turned`: the factor, 'tn' the left and 'nt' the right one, that is stored transposed. */
function product(left: number[], right: number[], turned: '' | 'tn' | 'nt' = ''): Subject {
  let [a, b] = [fill(101, left), fill(102, right)];
  if (turned === 'tn') a = a.mT.contiguous().mT;
  if (turned === 'nt') b = b.mT.contiguous().mT;
  return { step: () => a.matmul(b), check: () => ({ y: noGrad(() => mean(a.matmul(b))) }), forwardOnly: true };
}

export const matmul: Tasks = Object.fromEntries(
  Object.entries(PRODUCTS).map(([name, shapes]) => [`matmul.${name}`, () => product(...shapes)]),
);
for (const name of TURNED) {
  for (const turned of ['tn', 'nt'] as const)
    matmul[`matmul.${name}-${turned}`] = () => product(...PRODUCTS[name]!, turned);
}
