/** Tensors and modules that worker threads share: one memory, found again without a copy. */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  compile,
  fromShared,
  fromTypedArray,
  nn,
  noGrad,
  ones,
  randn,
  tensor,
  zeros,
  type Tensor,
} from '../lib/index.js';

const LIBRARY = new URL('../lib/index.ts', import.meta.url).href;

/** Runs a function's body in a worker, which has the library as `tf` and what it was sent as `data`; what it answers. */
function inWorker(body: string, data: unknown): Promise<unknown> {
  const source = `
    const { parentPort, workerData: data } = require('node:worker_threads');
    import('tsx/esm/api')
      .then(({ register }) => (register(), import(${JSON.stringify(LIBRARY)})))
      .then((tf) => parentPort.postMessage((() => { ${body} })()));`;
  const worker = new Worker(source, { eval: true, workerData: data });
  return new Promise((resolve, reject) => {
    worker.once('message', (m) => void worker.terminate().then(() => resolve(m)));
    worker.once('error', reject);
  });
}

describe('tensors', () => {
  it('move to shared memory, aligned, and all that show the same memory with them', () => {
    const x = tensor([[1, 2, 3], [4, 5, 6]]); // prettier-ignore
    const row = x.select(0, 1);
    expect(x.isShared()).toBe(false);
    expect(x.shareMemory_()).toBe(x);
    expect([x.isShared(), row.isShared()]).toEqual([true, true]);
    expect(x.dataPtr() % 64).toBe(0);
    row.fill_(0);
    expect(x.tolist()).toEqual([[1, 2, 3], [0, 0, 0]]); // prettier-ignore
    const before = x.dataPtr();
    expect(x.shareMemory_().dataPtr()).toBe(before);
  });
  it('are made again from what stands for them, views included', () => {
    const x = randn(4, 6);
    const view = x.t().narrow(0, 1, 3);
    const shared = view.toShared();
    expect(shared.memory).toBeInstanceOf(SharedArrayBuffer);
    const y = fromShared(structuredClone(shared));
    expect([y.shape, y.stride(), y.dtype]).toEqual([view.shape, view.stride(), 'float32']);
    expect(y.tolist()).toEqual(view.tolist());
    noGrad(() => x.fill_(7));
    expect(y.tolist()).toEqual(view.tolist());
    for (const dtype of ['float64', 'int64', 'bool', 'bfloat16'] as const) {
      const t = ones([3], { dtype });
      expect(fromShared(t.toShared()).tolist()).toEqual(t.tolist());
    }
    expect(fromShared(zeros(0, 3).toShared()).shape).toEqual([0, 3]);
    expect(fromShared(tensor(5).toShared()).item()).toBe(5);
  });
  it('keep their graph and their gradients', () => {
    const w = randn(3).requiresGrad_(true);
    const loss = w.square().sum();
    w.shareMemory_();
    loss.backward();
    expect(w.grad!.tolist()).toEqual(w.detach().mul(2).tolist());
  });
  it('leave the array that they were made over', () => {
    const array = new Float32Array([1, 2]);
    const x = fromTypedArray(array).shareMemory_();
    x.fill_(3);
    expect([...array]).toEqual([1, 2]);
  });
  it('of a compiled function are noticed', () => {
    const w = ones(3);
    const f = compile((x: Tensor) => x.mul(w));
    for (let i = 0; i < 2; i++) noGrad(() => f(ones(3)));
    w.shareMemory_();
    w.fill_(4);
    expect(noGrad(() => f(ones(3))).tolist()).toEqual([4, 4, 4]);
  });
  it('refuse what stands for no tensor', () => {
    const good = ones(2, 3).toShared();
    const bad =
      (change: object): (() => Tensor) =>
      () =>
        fromShared({ ...good, ...change });
    expect(bad({ memory: new ArrayBuffer(64) })).toThrow(/memory must be a SharedArrayBuffer/);
    expect(bad({ shape: [200, 3] })).toThrow(RangeError);
    expect(bad({ strides: [-3, 1] })).toThrow(/strides must be 2 integers of at least 0/);
    expect(bad({ strides: [1e6, 1] })).toThrow(/leaves the \d+ bytes/);
    expect(bad({ byteOffset: 1e9 })).toThrow(/byteOffset 1000000000 is not within/);
    expect(bad({ byteOffset: 0.5 })).toThrow(RangeError);
    expect(bad({ dtype: 'float31' })).toThrow(/float31/);
    expect(bad({ size: 3 })).toThrow(/unknown option 'size'/);
    // @ts-expect-error a number is no object
    expect(() => fromShared(3)).toThrow(TypeError);
    const gone = ones(3);
    gone.dispose();
    expect(() => gone.shareMemory_()).toThrow(/freed/);
  });
});

describe('modules', () => {
  const make = (): nn.Module => new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 2));
  it('use the memory of another one', () => {
    const [a, b] = [make(), make()];
    expect(a.shareMemory()).toBe(a);
    for (const t of [...a.parameters(), ...a.buffers()]) expect(t.isShared()).toBe(true);
    expect(b.fromShared(structuredClone(a.toShared()))).toBe(b);
    for (const m of [a, b]) m.eval();
    const x = randn(5, 3);
    expect(b.forward(x)).toEqual(a.forward(x));
    noGrad(() => a.parameters()[0]!.fill_(1));
    expect(b.parameters()[0]!.tolist()).toEqual(a.parameters()[0]!.tolist());
  });
  it('refuse what doesn’t fit, and change nothing then', () => {
    const m = make();
    const before = m.parameters().map((p) => p.dataPtr());
    const shared = make().toShared();
    const { '0.bias': _, ...without } = shared;
    expect(() => m.fromShared(without)).toThrow(/Sequential.fromShared: .*missing '0.bias'/);
    expect(() => m.fromShared({ ...shared, extra: shared['0.bias']! })).toThrow(/unexpected 'extra'/);
    expect(() => m.fromShared({ ...shared, '0.bias': ones(5).toShared() })).toThrow(/'0.bias' is float32 \[5\], the module's float32 \[4\]/); // prettier-ignore
    expect(m.parameters().map((p) => p.dataPtr())).toEqual(before);
  });
});

describe('worker threads', () => {
  it('see what is written, and write what is seen', async () => {
    const x = tensor([1, 2, 3]);
    const module = new nn.Linear(3, 2);
    const answer = await inWorker(
      `const x = tf.fromShared(data.x);
       const m = new tf.nn.Linear(3, 2).fromShared(data.module);
       const seen = x.tolist();
       x.add_(10);
       return [seen, tf.noGrad(() => m.forward(x).tolist())];`,
      { x: x.toShared(), module: module.toShared() },
    );
    expect(x.tolist()).toEqual([11, 12, 13]);
    expect(answer).toEqual([[1, 2, 3], noGrad(() => module.forward(x).tolist())]);
  });
});
