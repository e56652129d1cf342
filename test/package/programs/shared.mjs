// Eight threads with one model of some 90 MB: its parameters are there once. Prints by how many megabytes the process grew.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { nn, noGrad, ones } from 'tenfold';

const SIZE = 3430; // two matrices of 47 MB
const make = () => new nn.Sequential(new nn.Linear(SIZE, SIZE), new nn.ReLU(), new nn.Linear(SIZE, SIZE));

if (isMainThread) {
  const before = process.memoryUsage.rss();
  const model = make().shareMemory();
  const shared = model.toShared();
  const want = noGrad(() => model.forward(ones(1, SIZE)).sum().item());
  const workers = Array.from({ length: 8 }, () => new Worker(new URL(import.meta.url), { workerData: shared }));
  // One after the other: what a worker makes before it adopts the shared parameters is there only for so long.
  for (const worker of workers) {
    const sum = await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
      worker.postMessage('begin');
    });
    if (sum !== want) throw new Error(`a worker computes ${sum}, not ${want}`);
  }
  console.log(Math.round((process.memoryUsage.rss() - before) / 2 ** 20));
  process.exit(0);
} else {
  // Stays for as long as it listens.
  parentPort.on('message', () => {
    const model = make().fromShared(workerData);
    parentPort.postMessage(noGrad(() => model.forward(ones(1, SIZE)).sum().item()));
  });
}
