/**
 * Recorded operators and layers with gradients, under the launcher's stress mode: `npm run stress -- [filter …] [--share 1/8]`.
 * Each sample runs until its code is optimised, and then a few times with a collection before every launch. Each run must
 * give, bit for bit, what the first one gave.
 *
 * Held against the fault that it was made for (addresses of an interpolation's tables, taken before the launch): the small
 * U-Net ends the process after 300 runs, after 30 its code is not optimised yet.
 */
import { parseArgs } from 'node:util';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { stress } from '../../lib/launch/stress.js';
import { waysOf } from '../operators/calls.js';
import {
  cotangent,
  isCodedTensor,
  readFixture,
  readOperator,
  recordedOperators,
  type Sample,
} from '../operators/format.js';

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    share: { type: 'string', default: '1/1' },
    warm: { type: 'string', default: '300' },
    stressed: { type: 'string', default: '8' },
  },
});
/** One of every `step` cases is run, beginning with the `first`. */
const [first, step] = options.share.split('/').map(Number) as [number, number];
const [warm, stressed] = [Number(options.warm), Number(options.stressed)];

/** A name, and what runs it and gives all that it computed. */
interface Case {
  name: string;
  run(): Tensor[];
}

function tensorsOf(x: unknown): Tensor[] {
  if (x instanceof tf.Tensor) return [x];
  return Array.isArray(x) ? x.flatMap(tensorsOf) : [];
}

/** Results, and gradients of all leaves where there are any. */
function withGradients(results: Tensor[], leaves: readonly Tensor[]): Tensor[] {
  const roots = results.filter((t) => t.requiresGrad);
  if (roots.length > 0) {
    tf.autograd.backward(
      roots,
      roots.map((t, k) => cotangent(t.shape, t.dtype, k)),
    );
  }
  return [...results, ...leaves.flatMap((leaf) => (leaf.grad === null ? [] : [leaf.grad]))];
}

function* operators(): Iterable<Case> {
  for (const op of recordedOperators()) {
    const file = readOperator(op);
    for (const [i, sample] of file.samples.entries()) {
      for (const way of waysOf(file, sample)) {
        if (!way.name.endsWith('(named)')) continue;
        yield { name: `${way.name} ${i}`, run: () => runSample(way, sample) };
      }
    }
  }
}
function runSample(way: ReturnType<typeof waysOf>[number], sample: Sample): Tensor[] {
  const leaves: Tensor[] = [];
  const graded = sample.grads !== undefined && way.form !== 'inplace' && isCodedTensor(sample.args[0]);
  const { result, args } = way.run(sample, graded ? leaves : null);
  return withGradients([...tensorsOf(result), ...(way.form === 'inplace' ? tensorsOf(args) : [])], leaves);
}

interface Row {
  js: string;
  inputs: number[][];
  extra: number[][];
}
function* layers(): Iterable<Case> {
  const rows = readFixture<{ layers: Row[] }>('layers.json').layers;
  for (const { js, inputs, extra } of rows) {
    const layer = new Function('nn', `return ${js}`)(tf.nn) as tf.nn.Module;
    const before = Object.fromEntries(Object.entries(layer.stateDict()).map(([k, v]) => [k, v.clone()]));
    yield {
      name: js,
      run() {
        layer.loadStateDict(before);
        const given = inputs.map((shape) => tf.randn(shape).requiresGrad_());
        const leaves = [...given, ...layer.parameters()];
        for (const leaf of leaves) leaf.grad = null;
        const results = tensorsOf(layer.forward(...given, ...extra.map((shape) => tf.randn(shape))));
        const all = withGradients(results, leaves).map((t) => t.detach().clone());
        const parameters = [...layer.parameters()];
        if (parameters.length > 0) new tf.optim.Adam(parameters).step();
        return [...all, ...parameters];
      },
    };
  }
}

/** What a user's program found: tables of an interpolation, collected between their making and the launch. */
function* programs(): Iterable<Case> {
  const F = tf.nn.functional;
  const x = tf.randn(1, 1, 5, 5);
  yield { name: 'interpolate', run: () => [F.interpolate(x, { size: [9, 7], mode: 'bilinear' })] };
  yield { name: 'reflection', run: () => [F.pad(x, [2, 1, 1, 2], { mode: 'reflect' })] };
  const big = tf.tensor([1n, 2n, 3n], { dtype: 'int64' });
  yield { name: 'a number beyond 2^53', run: () => [big.add(2n ** 60n), tf.where(big.gt(1n), big, 2n ** 61n + 1n)] };
  const net = new tf.nn.Sequential(
    new tf.nn.Conv2d(1, 4, 3, { padding: 1 }),
    new tf.nn.BatchNorm2d(4),
    new tf.nn.ReLU(),
    new tf.nn.MaxPool2d(2),
    new tf.nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }),
    new tf.nn.Conv2d(4, 1, 3, { padding: 1 }),
  );
  const image = tf.randn(2, 1, 8, 8);
  yield {
    name: 'a small U-Net',
    run() {
      for (const p of net.parameters()) p.grad = null;
      return withGradients([net.forward(image) as Tensor], [...net.parameters()]);
    },
  };
}

function bytesOf(tensors: readonly Tensor[]): Buffer {
  return Buffer.concat(
    tensors.map((t) => {
      const { buffer, byteOffset, byteLength } = t.detach().contiguous().toTypedArray();
      return Buffer.from(buffer, byteOffset, byteLength);
    }),
  );
}

/** What a case gives; null where it refuses its arguments, which is the tests' business. */
function answer(one: Case): Buffer | null {
  tf.manualSeed(5);
  try {
    return bytesOf(one.run());
  } catch (error) {
    if (!(error instanceof tf.TenfoldError || error instanceof RangeError || error instanceof TypeError)) throw error;
    return null;
  }
}

let seen = 0;
let refused = 0;
const faults: string[] = [];
function* cases(): Iterable<Case> {
  let i = 0;
  for (const source of [programs, layers, operators]) {
    for (const one of source()) {
      if (filters.length > 0 && !filters.some((f) => one.name.includes(f))) continue;
      // Programs are few and always run.
      if (source === programs || i++ % step === first - 1) yield one;
    }
  }
}
for (const one of cases()) {
  const want = answer(one);
  if (want === null) {
    refused++;
    continue;
  }
  seen++;
  // A case that ends the process is named by what was printed last.
  process.stderr.write(`\r\x1b[K${one.name}`);
  for (let i = 0; i < warm; i++) one.run();
  const end = stress();
  let bad = 0;
  for (let i = 0; i < stressed; i++) if (!answer(one)?.equals(want)) bad++;
  end();
  if (bad > 0) faults.push(`${one.name}: ${bad} of ${stressed} runs gave something else`);
}
process.stderr.write('\r\x1b[K');
for (const fault of faults) console.log(fault);
console.log(`${seen} cases, ${refused} that refuse, ${faults.length} faults`);
process.exit(faults.length > 0 || seen === 0 ? 1 : 0);
