/**
 * `npm start`: a small convolutional network learns to read handwritten digits, shows what it can, and is saved.
 *
 *   npm start -- --epochs 4        a shorter run
 *   npm start -- --help            all options
 *
 * It exits with 1 where the digits kept back aren't read well enough, and with 130 after Ctrl-C.
 */
import { mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { setImmediate as otherEvents } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inferenceMode, getNumThreads, load, manualSeed, nn, optim, save, utils, type Tensor } from 'tenfold';
import { readDigits, varied, type Digits } from './mnist/digits.js';
import { network } from './mnist/network.js';
import { Progress, confusionTable, drawCurve, drawDigits, percent } from './mnist/report.js';

const USAGE = `npm start -- [options]
  --epochs N       passes over the digits (16)
  --steps N        stop after so many steps, whatever the epoch
  --batch N        digits in a step (100)
  --lr X           highest learning rate (0.006)
  --seed N         of the weights, the order and the shifts (0)
  --accuracy X     share of the digits kept back that must be read (0.98; 0 where --steps is given)
  --out FOLDER     where the model and the picture go (out)`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      epochs: { type: 'string', default: '16' },
      steps: { type: 'string' },
      batch: { type: 'string', default: '100' },
      lr: { type: 'string', default: '0.006' },
      seed: { type: 'string', default: '0' },
      accuracy: { type: 'string' },
      out: { type: 'string', default: 'out' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const number = (
    name: 'epochs' | 'steps' | 'batch' | 'lr' | 'seed' | 'accuracy',
    least: number,
    integer = true,
  ): number => {
    const value = Number(values[name]);
    if (values[name]?.trim() && value >= least && value < Infinity && (!integer || Number.isInteger(value)))
      return value;
    throw new RangeError(
      `--${name}: ${values[name]} is not ${integer ? 'an integer' : 'a number'} of at least ${least}`,
    );
  };
  return {
    epochs: number('epochs', 1),
    steps: values.steps === undefined ? Infinity : number('steps', 1),
    batch: number('batch', 1),
    lr: number('lr', 0, false),
    seed: number('seed', 0),
    accuracy: values.accuracy === undefined ? (values.steps === undefined ? 0.98 : 0) : number('accuracy', 0, false),
    out: values.out,
    help: values.help,
  };
}

/** What the model takes each digit for, and the share that is right. */
function examine(model: nn.Module, digits: Digits): { truth: number[]; predicted: number[]; accuracy: number } {
  const truth: number[] = [];
  const predicted: number[] = [];
  model.eval();
  inferenceMode(() => {
    for (const [images, labels] of new utils.data.DataLoader(digits, { batchSize: 500 })) {
      predicted.push(...((model.forward(images) as Tensor).argmax(1).tolist() as number[]));
      truth.push(...(labels.tolist() as number[]));
    }
  });
  model.train();
  const right = truth.filter((label, i) => predicted[i] === label).length;
  return { truth, predicted, accuracy: right / truth.length };
}

/** The options, or the end: after --help, and where they are wrong. */
function optionsOrExit(): ReturnType<typeof readOptions> {
  try {
    const read = readOptions();
    if (!read.help) return read;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const options = optionsOrExit();

// ---- data, model, optimizer -----------------------------------------------------------------------------------------------

manualSeed(options.seed);
const { train, test } = readDigits();
const loader = new utils.data.DataLoader(train, { batchSize: options.batch, shuffle: true, dropLast: true });
const model = network();
const lossFn = new nn.CrossEntropyLoss();
const optimizer = new optim.Adam(model.parameters());
const totalSteps = Math.min(options.epochs * loader.length, options.steps);
const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, { maxLr: options.lr, totalSteps });

const parameters = [...model.parameters()].reduce((sum, p) => sum + p.numel(), 0);
console.log(
  `Handwritten digits: ${train.length.toLocaleString('en')} to learn from, ${test.length.toLocaleString('en')} kept back.\n` +
    `A network of ${parameters.toLocaleString('en')} parameters, on ${getNumThreads()} threads.\n`,
);

// ---- training ---------------------------------------------------------------------------------------------------------------

let stopped = false;
process.once('SIGINT', () => (stopped = true)); // a second Ctrl-C ends the process at once

const progress = new Progress(totalSteps, Math.ceil(totalSteps / loader.length));
const losses: number[] = [];
const accuracies: number[] = [];
const times: number[] = []; // of the losses, in seconds since 1970, as TensorBoard counts
for (let epoch = 1; losses.length < totalSteps && !stopped; epoch++) {
  for (const [images, labels] of loader) {
    optimizer.zeroGrad();
    const loss = lossFn.forward(model.forward(varied(images)) as Tensor, labels);
    loss.backward();
    optimizer.step();
    scheduler.step();
    losses.push(loss.item());
    times.push(Date.now() / 1000);
    progress.step(epoch, losses.at(-1)!, labels.shape[0]!);
    await otherEvents(); // Ctrl-C among them
    if (stopped || losses.length === totalSteps) break;
  }
  if (stopped) break;
  accuracies.push(examine(model, test).accuracy);
  progress.epoch(epoch, accuracies.at(-1)!);
}
progress.stop();
if (stopped) {
  console.log('\nStopped. Nothing was written.');
  process.exit(130);
}

// ---- what it has learnt -----------------------------------------------------------------------------------------------------

const { truth, predicted, accuracy } = examine(model, test);
console.log(`\n${percent(accuracy)} of the digits kept back are read right, after ${progress.seconds.toFixed(1)} s.\n`);
console.log(confusionTable(truth, predicted));

const image = (i: number): Tensor => test.get(i)[0];
const show = (title: string, indices: number[]): void => {
  if (indices.length === 0) return;
  const caption = (i: number): string =>
    truth[i] === predicted[i] ? `${truth[i]}` : `${truth[i]}, taken for ${predicted[i]}`;
  console.log(`\n${title}\n${drawDigits(indices.map(image), indices.map(caption))}`);
};
const wrong = truth.flatMap((label, i) => (predicted[i] === label ? [] : [i]));
const right = [0, 2, 4, 6, 8].map((digit) => truth.findIndex((label, i) => label === digit && predicted[i] === digit));
show(
  'Read right:',
  right.filter((i) => i >= 0),
);
// Spread over the digits, which lie in order.
show(
  'Mistaken:',
  wrong.filter((_, i) => i % Math.ceil(wrong.length / 5) === 0),
);

// ---- kept, and taken up again -------------------------------------------------------------------------------------------------

const folder = resolve(options.out);
mkdirSync(folder, { recursive: true });
const weights = join(folder, 'digits.safetensors');
const picture = join(folder, 'loss.svg');
save(model.stateDict(), weights);
drawCurve(picture, losses, accuracies, loader.length);
const events = join(folder, 'runs', new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
const writer = new utils.tensorboard.SummaryWriter(events);
losses.forEach((loss, i) => writer.addScalar('loss/train', loss, i + 1, times[i]));
accuracies.forEach((share, i) => {
  const step = Math.min((i + 1) * loader.length, losses.length);
  writer.addScalar('accuracy/test', share, step, times[step - 1]);
});
writer.addGraph(model, test.tensors[0].narrow(0, 0, 1));
writer.close();

const again = network();
again.loadStateDict(load(weights));
const reloaded = examine(again, test).accuracy;
const shown = (file: string): string => (relative('', file).startsWith('..') ? file : relative('', file));
console.log(`\nThe model is in ${shown(weights)}; loaded again, it reads ${percent(reloaded)}.`);
console.log(
  `The losses are drawn in ${shown(picture)}; tensorboard --logdir ${shown(join(folder, 'runs'))} shows them, too.`,
);

if (reloaded !== accuracy) {
  console.error(`\nThe model loaded again differs: ${percent(reloaded)} instead of ${percent(accuracy)}.`);
  process.exitCode = 1;
} else if (accuracy < options.accuracy) {
  console.error(`\nToo few: ${percent(options.accuracy)} were asked for.`);
  process.exitCode = 1;
}
