/**
 * A run's events as the tests write them, at one moment in time. Run as a program it writes them into a folder, for
 * scripts/record/event_files.py to read with TensorBoard: `node --import tsx test/tensorboard/written.ts FOLDER`.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Tensor, arange, linspace, nn, tensor, utils, zeros } from '../../lib/index.js';

/** Sets Date.now to a moment; returns what sets it back. */
function stopTime(): () => void {
  const now = Date.now;
  Date.now = () => 1_700_000_000_500;
  return () => (Date.now = now);
}

class Net extends nn.Module {
  body = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU());
  head = new nn.Linear(8, 2);
  override forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x).mul(2));
  }
}

export function writeRun(folder: string): void {
  const goOn = stopTime();
  try {
    const writer = new utils.tensorboard.SummaryWriter(join(folder, 'run'), { maxQueue: 3 });
    for (let step = 0; step < 5; step++) writer.addScalar('loss/train', tensor(1 / (step + 1)), step, 100 + step);
    writer.addScalar('big', -2.5, 2 ** 40);
    writer.addScalars('two', { a: 1, b: 2 }, 3);
    writer.addHistogram('values', linspace(-1, 1, 101), 1);
    writer.addHistogram('ten bins', [0, 1, 1, 2, 10], 1, 10);
    writer.addHistogram('ends', new Float32Array([0.5, 1.5, 1.7]), null, [0, 1, 2, 3]);
    writer.addText('note', 'Grüße, **bold**', 4);
    writer.addGraph(new Net(), zeros(1, 4));
    writer.addHparams({ lr: 0.1, optimizer: 'adam', amsgrad: true, none: null }, { accuracy: 0.9 }, { runName: 'hp' });
    writer.close();
    // Beside the others: how small zlib packs differs between versions of Node, and with it the bytes.
    const images = new utils.tensorboard.SummaryWriter(join(folder, 'images'));
    images.addImage('grey', linspace(0, 1, 12).reshape(1, 3, 4), 2);
    images.addImage('colour', arange(24).to('uint8').reshape(2, 4, 3), 2, null, 'HWC');
    images.addImages('nine', zeros(9, 3, 2, 2).add(0.5), 2);
    images.close();
    const resumed = new utils.tensorboard.SummaryWriter(join(folder, 'run'), {
      purgeStep: 3,
      filenameSuffix: '.resumed',
    });
    resumed.addScalar('loss/train', 9, 3);
    resumed.close();
  } finally {
    goOn();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeRun(process.argv[2]!);
