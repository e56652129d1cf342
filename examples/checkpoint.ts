/**
 * `npm run example checkpoint`: a PyTorch checkpoint is opened, goes on learning, and is written back for PyTorch.
 *
 * `checkpoint/digits.pt` was written by PyTorch 2.15 (scripts/record/checkpoint_example.py): a small network that has learnt the
 * digits 0 to 4, with its Adam. Here it first proves that it reads them as it did there. Then its classifier learns the other five,
 * with the rest frozen; then all of it, Adam going on where PyTorch stopped. The result is a .pt file again:
 *
 *   python3 -c "import torch; print(torch.load('out/digits.pt')['accuracy'])"
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inferenceMode, load, manualSeed, nn, optim, save, utils, type Tensor } from 'tenfold';
import { readDigits, type Digits } from './mnist/digits.js';

/** What the script that made the checkpoint put into it. */
interface Checkpoint {
  epoch: number;
  model: Record<string, Tensor>;
  optimizer: Parameters<optim.Adam['loadStateDict']>[0];
  accuracy: number;
}

/** The network of the script, with PyTorch's names for its parts. */
class Network extends nn.Module {
  readonly features = new nn.Sequential(
    new nn.Conv2d(1, 8, 5, { stride: 2 }), new nn.BatchNorm2d(8), new nn.ReLU(),
    new nn.Conv2d(8, 16, 3, { stride: 2 }), new nn.ReLU(), new nn.Flatten(),
  ); // prettier-ignore
  readonly classifier = new nn.Sequential(new nn.Linear(400, 32), new nn.ReLU(), new nn.Linear(32, 10));
  override forward(images: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(images) as Tensor) as Tensor;
  }
}

function accuracy(model: Network, [images, labels]: readonly [Tensor, Tensor]): number {
  model.eval();
  const right = inferenceMode(() => model.forward(images).argmax(1).eq(labels).float().mean());
  model.train();
  return right.item<number>();
}
function learn(model: Network, optimizer: optim.Optimizer, digits: Digits, epochs: number): void {
  const loader = new utils.data.DataLoader(digits, { batchSize: 100, shuffle: true });
  for (let epoch = 0; epoch < epochs; epoch++)
    for (const [images, labels] of loader) {
      optimizer.zeroGrad();
      nn.functional.crossEntropy(model.forward(images), labels).backward();
      optimizer.step();
    }
}
const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

manualSeed(0);
const { train, test } = readDigits();
const [images, labels] = test.tensors;
const known = labels.lt(5);
const first = [images.index(known), labels.index(known)] as const;

const checkpoint = load<Checkpoint>(fileURLToPath(new URL('./checkpoint/digits.pt', import.meta.url)));
const model = new Network();
model.loadStateDict(checkpoint.model);
const parts = Object.keys(checkpoint.model).length;
console.log(`PyTorch's checkpoint after epoch ${checkpoint.epoch}: ${parts} tensors of the model, Adam's state`);
console.log(
  `read of 0 to 4: ${percent(accuracy(model, first))}, of all digits: ${percent(accuracy(model, test.tensors))}`,
);

model.features.requiresGrad_(false);
learn(model, new optim.Adam(model.classifier.parameters(), { lr: 3e-3 }), train, 2);
console.log(`its classifier trained: ${percent(accuracy(model, test.tensors))}`);

model.features.requiresGrad_();
const adam = new optim.Adam(model.parameters());
adam.loadStateDict(checkpoint.optimizer); // step counts, moments and the learning rate are PyTorch's
learn(model, adam, train, 3);
const after = accuracy(model, test.tensors);
console.log(`all of it trained, Adam going on: ${percent(after)}`);

mkdirSync('out', { recursive: true });
save('out/digits.pt', {
  epoch: checkpoint.epoch + 5,
  model: model.stateDict(),
  optimizer: adam.stateDict(),
  accuracy: after,
});
const again = new Network();
again.loadStateDict(load<Checkpoint>('out/digits.pt').model);
console.log(`written to out/digits.pt; read again: ${percent(accuracy(again, test.tensors))}`);
if (!(after > 0.9)) process.exitCode = 1;
