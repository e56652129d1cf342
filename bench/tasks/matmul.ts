/** Matrix products: square, batched, and a layer's. */
import { noGrad } from 'tenfold';
import { fill } from '../inputs.js';
import { type Subject, type Tasks } from '../task.js';
import { mean } from './elementwise.js';

/** Shapes of the two factors. */
export const PRODUCTS: Record<string, [number[], number[]]> = {
  ...Object.fromEntries([64, 256, 1024, 2048].map((n) => [`${n}`, [[n, n], [n, n]]])), // prettier-ignore
  'bmm-32x128x64x128': [[32, 128, 64], [32, 64, 128]], // prettier-ignore
  '128x784x512': [[128, 784], [784, 512]], // prettier-ignore
};

function product(left: number[], right: number[]): Subject {
  const a = fill(101, left);
  const b = fill(102, right);
  return { step: () => a.matmul(b), check: () => ({ y: noGrad(() => mean(a.matmul(b))) }), forwardOnly: true };
}

export const matmul: Tasks = Object.fromEntries(
  Object.entries(PRODUCTS).map(([name, shapes]) => [`matmul.${name}`, () => product(...shapes)]),
);
