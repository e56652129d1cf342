/** Samples for the tests of DataLoader's workers: [i, a random number] and the worker that made it. */
import { type Tensor, rand, tensor, utils } from '../../../lib/index.js';

interface Square {
  x: Tensor;
  worker: number;
  random: Tensor;
  flag: boolean;
}
export class Squares extends utils.data.Dataset<Square> {
  readonly length = 23;
  get(i: number): Square {
    const worker = utils.data.getWorkerInfo()?.id ?? -1;
    return { x: tensor([i, i * i]), worker, random: rand(1), flag: i % 2 === 0 };
  }
}
export const dataset = (): Squares => new Squares();
/** Draws once, which shows in the numbers of the samples. */
export function workerInitFn(id: number): void {
  rand(id + 1);
}
