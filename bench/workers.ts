/**
 * DataLoader's throughput with a transform of 2 ms a sample, by number of workers: samples a second after the threads have
 * started. `node --import tsx bench/workers.ts [workers …]`
 */
import { Dataset } from '../lib/utils/data/dataset.js';
import { type Tensor, rand, utils } from '../lib/index.js';

class Slow extends Dataset<Tensor> {
  readonly length = 2000;
  get(): Tensor {
    const end = performance.now() + 2;
    while (performance.now() < end);
    return rand(3, 32, 32);
  }
}
export const dataset = (): Slow => new Slow();

if (utils.data.getWorkerInfo() === null && process.argv[1]?.endsWith('workers.ts')) {
  const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 1, 2];
  for (const numWorkers of counts) {
    const options = numWorkers > 0 ? { numWorkers, module: import.meta.url, persistentWorkers: true } : {};
    const loader = new utils.data.DataLoader(new Slow(), { batchSize: 32, ...options });
    let samples = 0;
    let start = 0;
    for await (const batch of loader) {
      if (start > 0) samples += batch.shape[0]!;
      else start = performance.now();
    }
    console.log(`${numWorkers} workers: ${(samples / ((performance.now() - start) / 1e3)).toFixed(0)} samples/s`);
  }
}
