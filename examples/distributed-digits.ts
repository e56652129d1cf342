/**
 * `npm run example -- distributed-digits`: the digits of `npm start`, learnt by two processes, each on its half of every batch.
 *
 *   npx tenfold-run -n 4 examples/distributed-digits.ts --epochs 8     more of them, where the package is installed
 *
 * Without a launcher around it, it starts itself twice. It exits with 1 where the digits kept back aren't read well enough.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { inferenceMode, manualSeed, nn, optim, tensor, utils, type Tensor } from 'tenfold';
import { allReduce, destroyProcessGroup, getRank, getWorldSize, initProcessGroup } from 'tenfold/distributed';
import { readDigits, varied } from './mnist/digits.js';
import { network } from './mnist/network.js';

const BATCH = 100; // of all ranks together
const ENOUGH = 0.95;

const { values } = parseArgs({ options: { epochs: { type: 'string', default: '4' } } });
const epochs = Number(values.epochs);
if (!Number.isInteger(epochs) || epochs < 1) throw new RangeError(`--epochs: ${values.epochs} is no positive integer`);

if (process.env.RANK === undefined) {
  const launcher = join(
    dirname(createRequire(import.meta.url).resolve('tenfold/package.json')),
    'dist/tenfold-run.cjs',
  );
  const again = [launcher, '-n', '2', fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  spawn(process.execPath, again, { stdio: 'inherit' }).on('exit', (code) => (process.exitCode = code ?? 1));
} else train();

function train(): void {
  initProcessGroup('gloo');
  const [rank, size] = [getRank(), getWorldSize()];
  const say = (text: string): void => void (rank === 0 && console.log(text));
  const digits = readDigits();
  // The same weights everywhere, other shifts of the images on each rank.
  manualSeed(0);
  const model = new nn.parallel.DistributedDataParallel(network());
  manualSeed(rank);

  const sampler = new utils.data.DistributedSampler(digits.train);
  const loader = new utils.data.DataLoader(digits.train, { batchSize: Math.ceil(BATCH / size), sampler });
  const optimizer = new optim.AdamW(model.parameters(), { lr: 0.006 });
  const schedule = new optim.lrScheduler.OneCycleLR(optimizer, 0.006, { totalSteps: epochs * loader.length });
  const begin = performance.now();
  for (let epoch = 0; epoch < epochs; epoch++) {
    sampler.setEpoch(epoch);
    const sum = tensor([0, 0]);
    for (const [images, labels] of loader) {
      optimizer.zeroGrad();
      const loss = nn.functional.crossEntropy(model.forward(varied(images)) as Tensor, labels);
      loss.backward();
      optimizer.step();
      schedule.step();
      sum.add_(tensor([loss.item() as number, 1]));
    }
    allReduce(sum);
    const [total, steps] = sum.tolist() as [number, number];
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    say(`epoch ${epoch + 1}: loss ${(total / steps).toFixed(4)}, ${seconds} s on ${size} ranks`);
  }

  const accuracy = examine(model, digits.test);
  say(`${(100 * accuracy).toFixed(2)} % of ${digits.test.length} digits kept back are read`);
  destroyProcessGroup();
  if (accuracy < ENOUGH) process.exitCode = 1;
}

/** The share that is right: each rank reads its part of the digits, none twice. */
function examine(model: nn.Module, digits: utils.data.TensorDataset<readonly [Tensor, Tensor]>): number {
  const sampler = new utils.data.DistributedSampler(digits, { shuffle: false, pad: false });
  const counts = tensor([0, 0]);
  // The module within: a forward of DistributedDataParallel is for all ranks together, and some have a batch fewer.
  const { module } = model.eval() as nn.parallel.DistributedDataParallel;
  inferenceMode(() => {
    for (const [images, labels] of new utils.data.DataLoader(digits, { batchSize: 250, sampler })) {
      const right = (module.forward(images) as Tensor).argmax(1).eq(labels).sum().item() as number;
      counts.add_(tensor([right, labels.numel()]));
    }
  });
  allReduce(counts);
  const [right, all] = counts.tolist() as [number, number];
  return right / all;
}
