/**
 * Threads that collect at once: each makes results that are dropped, so that it asks V8 for a collection again and again, and
 * objects of JavaScript's own in between; what it computes must be right. `node --import tsx test/stress/workers.ts SECONDS`.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import * as tf from '../../lib/index.js';

const THREADS = 4;

/** Rounds within the time; throws where a result is wrong. */
function work(seconds: number, seed: number): number {
  const n = 32768;
  const x = tf.arange(n).float().add(seed);
  const end = performance.now() + 1000 * seconds;
  let rounds = 0;
  while (performance.now() < end) {
    const garbage = Array.from({ length: 200 }, (_, i) => ({ i, text: `object ${i}` }));
    let y = x;
    for (let i = 0; i < 20; i++) y = y.add(1);
    const want = (n * (n - 1)) / 2 + n * (seed + 20);
    const sum = y.double().sum().item();
    if (sum !== want || garbage[199]!.text !== 'object 199') throw new Error(`thread ${seed}: ${sum}, not ${want}`);
    rounds++;
  }
  return rounds;
}

if (isMainThread) {
  const seconds = Number(process.argv[2] ?? 10);
  // A worker knows nothing of TypeScript before it has been told.
  const start = `import('tsx/esm/api').then(({ register }) => (register(), import(${JSON.stringify(import.meta.url)})))`;
  const others = Array.from({ length: THREADS - 1 }, (_, i) => {
    const worker = new Worker(start, { eval: true, workerData: { seconds, seed: i + 1 } });
    return new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  });
  const own = work(seconds, 0);
  const rounds = [own, ...(await Promise.all(others))];
  console.log(`${THREADS} threads, ${rounds.reduce((a, b) => a + b, 0)} rounds`);
  process.exit(rounds.every((n) => n > 0) ? 0 : 1);
} else {
  const { seconds, seed } = workerData as { seconds: number; seed: number };
  parentPort!.postMessage(work(seconds, seed));
}
