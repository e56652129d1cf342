// Two workers at once train beside the main thread; each has its own graph, generator and memory. `--end` ends them while
// they are at it.
import assert from 'node:assert';
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { manualSeed, nn, optim, randn } from 'tenfold';

function train(steps) {
  manualSeed(3);
  const model = new nn.Sequential(new nn.Linear(64, 256), new nn.ReLU(), new nn.Linear(256, 64));
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
  const x = randn([128, 64]);
  let loss;
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    loss = nn.functional.mseLoss(model.forward(x), x);
    loss.backward();
    optimizer.step();
  }
  return loss.item();
}

if (isMainThread) {
  const ending = process.argv.includes('--end');
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url), { workerData: ending ? Infinity : 200 }));
  const exits = workers.map((worker) => once(worker, 'exit'));
  if (ending) {
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    train(20);
    await Promise.all(workers.map((worker) => worker.terminate()));
  } else {
    const answers = workers.map((worker) => once(worker, 'message'));
    const mine = train(200);
    for (const [loss] of await Promise.all(answers)) assert.strictEqual(loss, mine);
  }
  await Promise.all(exits);
  // The library is still good after they have gone.
  assert(train(10) > 0);
  console.log('two workers');
} else {
  if (workerData === Infinity) parentPort.postMessage('started');
  parentPort.postMessage(train(workerData));
}
