/**
 * A quick look at whether a binary computes, for the Node of any platform: numbers known from PyTorch, products and
 * convolutions against loops in JavaScript, each dtype, errors, threads, and a network that must learn.
 *
 *   TENFOLD_BINARY=prebuilds/…/tenfold.node node scripts/prebuilds/smoke.mjs [report.json]
 *
 * Needs dist/. The report has { passed, failed, target }; the exit code is 1 where something failed.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import * as tf from 'tenfold'; // this package, by its own name: dist/

const failed = [];
let passed = 0;

async function check(what, body) {
  try {
    await body();
    passed += 1;
  } catch (error) {
    failed.push(`${what}: ${error.stack ?? error}`);
  }
}

function close(actual, expected, tolerance = 1e-5) {
  const [a, b] = [actual, expected]
    .map((x) => (x instanceof tf.Tensor ? x.tolist() : x))
    .map((x) => [x].flat(Infinity));
  if (a.length !== b.length) throw new Error(`${a.length} numbers, not ${b.length}`);
  for (let i = 0; i < a.length; ++i) {
    const far = Math.abs(a[i] - b[i]) > tolerance * Math.max(1, Math.abs(b[i]));
    if (far || Number.isNaN(a[i]) !== Number.isNaN(b[i])) throw new Error(`[${i}] is ${a[i]}, not ${b[i]}`);
  }
}

/** C = A · B by the definition; a is m×k, b is k×n. */
function product(a, b, m, k, n) {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; ++i)
    for (let p = 0; p < k; ++p) for (let j = 0; j < n; ++j) c[i * n + j] += a[i * k + p] * b[p * n + j];
  return c;
}

/** A network with 64 hidden units learns exclusive-or of two signs; its last loss. */
function learn(steps) {
  tf.manualSeed(1);
  const model = new tf.nn.Sequential(new tf.nn.Linear(2, 64), new tf.nn.Tanh(), new tf.nn.Linear(64, 1));
  const optimizer = new tf.optim.Adam(model.parameters(), { lr: 0.02 });
  const x = tf.randn([256, 2]);
  const y = x.select(1, 0).mul(x.select(1, 1)).gt(0).to('float32').unsqueeze(1);
  let loss;
  for (let step = 0; step < steps; ++step) {
    optimizer.zeroGrad();
    loss = tf.nn.functional.binaryCrossEntropyWithLogits(model.forward(x), y);
    loss.backward();
    optimizer.step();
  }
  return loss.item();
}

async function main() {
  await check("PyTorch's random numbers", () => {
    tf.manualSeed(0);
    close(tf.randn([3]), [1.540996, -0.293429, -2.178789], 1e-6);
  });
  for (const dtype of ['float32', 'float64', 'int32', 'int64']) {
    for (const [m, k, n] of [
      [1, 1, 1],
      [3, 5, 7],
      [17, 33, 9],
      [70, 130, 65],
    ]) {
      await check(`matmul ${m}×${k}×${n}, ${dtype}`, () => {
        const a = Array.from({ length: m * k }, (_, i) => (i * 7919) % 11);
        const b = Array.from({ length: k * n }, (_, i) => ((i * 104729) % 13) - 6);
        const c = tf.tensor(a, { dtype }).reshape(m, k).matmul(tf.tensor(b, { dtype }).reshape(k, n));
        close(c, Array.from(product(a, b, m, k, n)));
      });
    }
  }
  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16']) {
    await check(`elementwise functions, ${dtype}`, () => {
      const x = tf.linspace(-3, 3, 37, { dtype: 'float64' });
      const tolerance = { float32: 1e-6, float64: 1e-14, float16: 4e-3, bfloat16: 3e-2 }[dtype];
      const numbers = x.to(dtype).tolist();
      for (const f of ['exp', 'sin', 'cos', 'tanh', 'atan', 'sinh', 'cosh', 'expm1'])
        close(x.to(dtype)[f](), numbers.map(Math[f]), tolerance);
      close(
        x.to(dtype).mul(2).add(1).div(3),
        numbers.map((v) => (2 * v + 1) / 3),
        tolerance,
      );
    });
  }
  await check('sums over strides', () => {
    const x = tf.arange(0, 24).reshape(2, 3, 4).transpose(0, 2);
    close(x.sum(1), [
      [12, 48],
      [15, 51],
      [18, 54],
      [21, 57],
    ]);
    close(x.to('float32').mean(), 11.5);
  });
  await check('convolution', () => {
    const x = tf.arange(0, 32).reshape(1, 2, 4, 4).to('float32');
    const w = tf.ones([1, 2, 3, 3]);
    close(tf.nn.functional.conv2d(x, w), [
      [
        [
          [234, 252],
          [306, 324],
        ],
      ],
    ]);
  });
  await check('sort, indices, conditions', () => {
    const x = tf.tensor([3, 1, NaN, 2]);
    close(x.sort().indices, [1, 3, 0, 2]);
    close(tf.where(x.gt(1.5), x, tf.zeros([4])), [3, 0, 0, 2]);
    close(x.indexSelect(0, tf.tensor([3, 0], { dtype: 'int64' })), [2, 3]);
  });
  await check('an error of native code arrives as one of JavaScript', () => {
    let error;
    try {
      tf.zeros([3]).indexSelect(0, tf.tensor([5], { dtype: 'int64' }));
    } catch (e) {
      error = e;
    }
    if (!/5/.test(error?.message ?? '')) throw new Error(`no error about index 5: ${error}`);
  });
  await check('threads agree with one thread', () => {
    const x = tf.randn([1 << 20]);
    const many = x.exp().sum().item();
    tf.setNumThreads(1);
    close(x.exp().sum().item(), many, 1e-12);
    tf.setNumThreads(2);
  });
  await check('a network learns', () => {
    const loss = learn(300);
    if (!(loss < 0.12)) throw new Error(`its loss is still ${loss}`);
  });
  await check('a worker computes the same', async () => {
    const worker = new Worker(new URL(import.meta.url), { stdout: true, stderr: true }); // under wine Node has none to share
    const [loss] = await new Promise((resolve, reject) => {
      worker.once('message', (message) => resolve([message]));
      worker.once('error', reject);
    });
    await worker.terminate();
    close(loss, learn(50), 1e-4);
  });
  const result = { passed, failed, target: createRequire(import.meta.url)(process.env.TENFOLD_BINARY).info().target };
  const report = process.argv[2];
  if (report) writeFileSync(report, JSON.stringify(result));
  else console.log(result);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

if (isMainThread) await main();
else parentPort.postMessage(learn(50));
