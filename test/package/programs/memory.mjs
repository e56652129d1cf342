// A synchronous loop that drops its tensors, in the main thread and in a worker: prints how many MB the process grew by, and
// whether collections of the young generation were had on request (lib/tensor/collect.ts).
import { once } from 'node:events';
import { PerformanceObserver, constants } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { noGrad, rand } from 'tenfold';

/** Makes and drops 8 GB of results of 256 KB. */
function churn() {
  const x = rand([65_536]);
  noGrad(() => {
    for (let i = 0; i < 32_768; i++) x.mul(0.5);
  });
}

async function measure() {
  const collections = new Promise((resolve) => {
    try {
      new PerformanceObserver((list) => resolve(list.getEntries())).observe({ entryTypes: ['gc'] });
    } catch {
      resolve([]);
    }
  });
  churn();
  const before = process.memoryUsage().rss;
  churn();
  const grown = Math.round((process.memoryUsage().rss - before) / 2 ** 20);
  const { NODE_PERFORMANCE_GC_MINOR: minor, NODE_PERFORMANCE_GC_FLAGS_FORCED: forced } = constants;
  const told = await Promise.race([collections, wait(1000, [])]); // Bun and Deno don't tell
  return { grown, asked: told.some(({ detail }) => detail.kind === minor && (detail.flags & forced) !== 0) };
}

const result = await measure();
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  const [inWorker] = await once(worker, 'message');
  console.log(JSON.stringify({ main: result, worker: inWorker }));
} else {
  parentPort.postMessage(result);
}
