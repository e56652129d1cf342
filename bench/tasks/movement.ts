/** What moves numbers rather than computes: lookups, copies, joins; and functions that are mostly lookups. */
import { cat, nn, zeros, type Tensor } from 'tenfold';
import { fill, labels } from '../inputs.js';
import { type Subject, type Tasks } from '../task.js';
import { forward, forwardBackward } from './gradients.js';

const F = nn.functional;
const N = 1024;
const matrix = (seed: number): Tensor => fill(seed, [N, N]);
const indices = (seed: number, shape: number[], c: number): Tensor =>
  labels(seed, shape.reduce((a, b) => a * b), c).reshape(shape); // prettier-ignore

/** A vocabulary of 30,000 in 384 numbers each; 8 rows of 128 words. */
function embedding(train: boolean): Subject {
  const weight = fill(101, [30_000, 384]);
  const words = indices(102, [8, 128], 30_000);
  const f = (): Tensor => F.embedding(words, weight);
  return train ? forwardBackward(f, fill(104, [8, 128, 384]), { weight }) : forward(f);
}

function gridSample(train: boolean): Subject {
  const [x, grid] = [fill(101, [4, 16, 128, 128]), fill(102, [4, 128, 128, 2])];
  const f = (): Tensor => F.gridSample(x, grid, { alignCorners: false });
  return train ? forwardBackward(f, fill(104, [4, 16, 128, 128]), { x, grid }) : forward(f);
}

function ctc(): Subject {
  const [steps, batch, classes, length] = [500, 8, 64, 100];
  const logits = fill(101, [steps, batch, classes], 3);
  const targets = indices(102, [batch, length], classes - 1).add(1);
  const f = (): Tensor =>
    F.ctcLoss(F.logSoftmax(logits, -1), targets, new Array<number>(batch).fill(steps), new Array<number>(batch).fill(length)); // prettier-ignore
  return forwardBackward(f, fill(104, [1]).abs().squeeze(0), { logits });
}

export const movement: Tasks = {
  'move.embedding': () => embedding(false),
  'move.embedding-fwdbwd': () => embedding(true),
  'move.gather': () => {
    const [x, i] = [matrix(101), indices(102, [N, N], N)];
    return forward(() => x.gather(1, i));
  },
  'move.scatter': () => {
    const [x, i, y] = [matrix(101), indices(102, [N, N], N), matrix(103)];
    // Duplicates hit by chance, in the order of memory: values of peers agree in what they don't hit.
    return { step: () => x.scatter(1, i, y), check: () => ({}), forwardOnly: true };
  },
  'move.scatterAdd': () => {
    const [x, i, y] = [matrix(101), indices(102, [N, N], N), matrix(103)];
    return forward(() => x.scatterAdd(1, i, y));
  },
  'move.indexSelect': () => {
    const [x, i] = [matrix(101), indices(102, [N], N)];
    return forward(() => x.indexSelect(0, i));
  },
  'move.add-transposed': () => {
    const [x, y] = [matrix(101), matrix(102).mT];
    return forward(() => x.add(y));
  },
  'move.cat': () => {
    const [x, y] = [matrix(101), matrix(102)];
    return forward(() => cat([x, y], 1));
  },
  'move.clone': () => {
    const x = matrix(101);
    return forward(() => x.clone());
  },
  'move.zeros': () => forward(() => zeros([N, N])),
  'move.roll': () => {
    const x = matrix(101);
    return forward(() => x.roll([3, 5], [0, 1]));
  },
  'move.pad-reflect1d': () => {
    const x = fill(101, [1, 1, 1 << 22]);
    return forward(() => F.pad(x, [100, 100], { mode: 'reflect' }));
  },
  'move.interpolate-linear1d': () => {
    const x = fill(101, [8, 16, 1 << 14]);
    return forward(() => F.interpolate(x, { scaleFactor: 2, mode: 'linear' }));
  },
  'move.gridSample': () => gridSample(false),
  'move.gridSample-fwdbwd': () => gridSample(true),
  'ctc-loss.fwdbwd': ctc,
};
