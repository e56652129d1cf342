// Leaves in the middle of work: the way is the argument. Worker threads compute meanwhile, and the pool is awake.
import { once } from 'node:events';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { rand, saveAsync } from 'tenfold';

const a = rand([512, 512]);
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  await once(worker, 'message');
  const product = a.matmul(a);
  const saving = saveAsync({ product }, `${process.argv[3]}/left.safetensors`);
  saving.catch(() => {});
  console.log('leaving');
  if (process.argv[2] === 'exit') process.exit(0);
  if (process.argv[2] === 'throw') throw new Error('thrown');
  if (process.argv[2] === 'kill') process.kill(process.pid, 'SIGTERM');
  worker.unref(); // 'end': the event loop has nothing left to wait for but the file
} else {
  parentPort.postMessage('started');
  for (;;) a.matmul(a).add(1).sum().item();
}
