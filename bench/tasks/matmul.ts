/** Matrix products: square, batched, and a layer's. */
import { noGrad } from 'tenfold';
import { fill } from '../inputs.js';
import { PRODUCTS } from '../numbers.js';
import { type Subject, type Tasks } from '../task.js';
import { mean } from './elementwise.js';

function product(left: number[], right: number[]): Subject {
  const a = fill(101, left);
  const b = fill(102, right);
  return { step: () => a.matmul(b), check: () => ({ y: noGrad(() => mean(a.matmul(b))) }), forwardOnly: true };
}

export const matmul: Tasks = Object.fromEntries(
  Object.entries(PRODUCTS).map(([name, shapes]) => [`matmul.${name}`, () => product(...shapes)]),
);
