/** A stream that its workers divide among themselves: 0 to 10, worker by worker. */
import { utils } from '../../../lib/index.js';

export class Counting extends utils.data.IterableDataset<number> {
  override *[Symbol.iterator](): IterableIterator<number> {
    const { id, numWorkers } = utils.data.getWorkerInfo() ?? { id: 0, numWorkers: 1 };
    for (let i = id; i < 11; i += numWorkers) yield i;
  }
}
export default new Counting();
export const collateFn = (samples: number[]): string => samples.join('+');
