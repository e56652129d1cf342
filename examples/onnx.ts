/**
 * `npm run example onnx`: a classifier in ONNX is imported, its last layer learns something new, and it is written back.
 *
 * A network first learns to read digits and is exported; that file stands for one that comes from elsewhere. Digits in dark on
 * light, which it has never seen, it can't read. Imported, with all but its last layer frozen, it learns them. The result is
 * exported again, and ONNX Runtime, where it is installed (`npm install onnxruntime-node`), gives the same outputs.
 */
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceMode, manualSeed, nn, onnx, optim, utils, type Tensor } from 'tenfold';
import { readDigits, type Digits } from './mnist/digits.js';

/** What is called of onnxruntime-node, an optional package. */
interface OnnxRuntime {
  InferenceSession: {
    create(file: string): Promise<{ run(feeds: object): Promise<Record<string, { data: Float32Array }>> }>;
  };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

/** One pass over the digits, as they are or with dark and light exchanged. */
function train(model: nn.Module, parameters: Tensor[], digits: Digits, dark: boolean, lr: number): void {
  const optimizer = new optim.Adam(parameters, { lr });
  for (const [images, labels] of new utils.data.DataLoader(digits, { batchSize: 100, shuffle: true })) {
    optimizer.zeroGrad();
    nn.functional.crossEntropy(model.forward(dark ? images.neg().add(1) : images) as Tensor, labels).backward();
    optimizer.step();
  }
}
function accuracy(model: nn.Module, images: Tensor, labels: Tensor): number {
  const guess = inferenceMode(() => (model.forward(images) as Tensor).argmax(1));
  return guess.eq(labels).float().mean().item<number>();
}
const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** The greatest difference between the module's outputs and ONNX Runtime's for a file; null where it isn't installed. */
async function beside(file: string, model: nn.Module, images: Tensor): Promise<number | null> {
  let ort: OnnxRuntime;
  try {
    ort = createRequire(import.meta.url)('onnxruntime-node') as OnnxRuntime;
  } catch {
    return null;
  }
  const session = await ort.InferenceSession.create(file);
  const image = new ort.Tensor('float32', images.toTypedArray() as Float32Array, images.shape);
  const { data } = (await session.run({ image }))['scores']!;
  const own = inferenceMode(() => model.forward(images) as Tensor).toTypedArray() as Float32Array;
  return data.reduce((most, x, i) => Math.max(most, Math.abs(x - own[i]!)), 0);
}

manualSeed(0);
const folder = mkdtempSync(join(tmpdir(), 'tenfold-onnx-'));
try {
  const { train: digits, test } = readDigits();
  const [images, labels] = test.tensors as [Tensor, Tensor];
  const names = {
    inputNames: ['image'],
    outputNames: ['scores'],
    dynamicAxes: { image: { 0: 'n' }, scores: { 0: 'n' } },
  };

  const network = new nn.Sequential(
    new nn.Conv2d(1, 16, 5, { stride: 2 }), new nn.ReLU(), new nn.Conv2d(16, 32, 3, { stride: 2 }), new nn.BatchNorm2d(32),
    new nn.ReLU(), new nn.Flatten(), new nn.Linear(32 * 25, 64), new nn.ReLU(), new nn.Linear(64, 10),
  ); // prettier-ignore
  train(network, network.parameters(), digits, false, 3e-3);
  const classifier = join(folder, 'classifier.onnx');
  onnx.export(network, images.narrow(0, 0, 2), classifier, names);

  const model = onnx.load(classifier);
  const dark = images.neg().add(1);
  console.log(`imported: ${model.inputs.map(({ name, shape }) => `${name} [${shape!.map((n) => n ?? 'n')}]`)}, ${model.parameters().length} parameters`); // prettier-ignore
  console.log(
    `light on dark: ${percent(accuracy(model, images, labels))}, dark on light: ${percent(accuracy(model, dark, labels))}`,
  );

  const last = model.namedParameters().filter(([name]) => name.startsWith('8.'));
  model.requiresGrad_(false);
  for (const [, parameter] of last) parameter.requiresGrad_();
  for (let epoch = 0; epoch < 3; epoch++) train(model, last.map(([, p]) => p), digits, true, 3e-2); // prettier-ignore
  const after = accuracy(model, dark, labels);
  console.log(`${last.map(([name]) => name).join(' and ')} trained: dark on light: ${percent(after)}`);

  const tuned = join(folder, 'tuned.onnx');
  onnx.export(model, images.narrow(0, 0, 2), tuned, names);
  const difference = await beside(tuned, model, dark.narrow(0, 0, 100));
  if (difference === null)
    console.log('ONNX Runtime is not installed (npm install onnxruntime-node): nothing to compare with');
  else console.log(`ONNX Runtime's scores differ by at most ${difference.toExponential(1)}`);
  if (difference !== null && !(difference < 1e-3)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
