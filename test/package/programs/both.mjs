// `import` and `require` of the package in one process, in a worker too: one library, one state in each thread.
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import * as imported from 'tenfold';

const required = createRequire(import.meta.url)('tenfold');
assert.deepStrictEqual(Object.keys(required).sort(), Object.keys(imported).sort());
for (const name of Object.keys(imported)) assert.strictEqual(required[name], imported[name], name);

required.setDefaultDtype('float64');
assert.strictEqual(imported.tensor([1]).dtype, 'float64');
imported.manualSeed(7);
const first = required.rand([3]).tolist();
required.manualSeed(7);
assert.deepStrictEqual(imported.rand([3]).tolist(), first);
assert(imported.ones([2]) instanceof required.Tensor);
required.noGrad(() => assert(!imported.isGradEnabled()));

const inWorker = new Worker(
  `const { parentPort } = require('node:worker_threads');
   const tf = require('tenfold');
   parentPort.postMessage([tf.tensor([1]).dtype, tf.tensor([[1, 2]]).matmul(tf.tensor([[3], [4]])).item()]);`,
  { eval: true },
);
inWorker.once('message', (answer) => {
  assert.deepStrictEqual(answer, ['float32', 11]); // its own default dtype
  console.log('one library');
});
