/** DataLoader with threads: order, seeds, errors, ends. Batches are those that one thread would make. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Generator, TenfoldError, type Tensor, empty, manualSeed, rand, utils } from '../../lib/index.js';
import { Counting } from './modules/stream.js';
import { Squares } from './modules/squares.js';

const { DataLoader } = utils.data;
const squares = new URL('modules/squares.ts', import.meta.url);
const stream = new URL('modules/stream.ts', import.meta.url);
const failing = new URL('modules/failing.ts', import.meta.url);
interface Batch {
  x: Tensor;
  worker: Tensor;
  random: Tensor;
  flag: Tensor;
}
const xs = (batches: Batch[]): unknown => batches.map((b) => b.x.tolist());
async function collect<B>(loader: AsyncIterable<B>): Promise<B[]> {
  const list: B[] = [];
  for await (const b of loader) list.push(b);
  return list;
}

describe('numWorkers', () => {
  it('makes the batches that one thread would make, in their order', async () => {
    const options = { batchSize: 4, shuffle: true };
    manualSeed(3);
    const one = [...new DataLoader(new Squares(), options)];
    // What is drawn here is the pass's seed and the order; samples draw in their workers.
    manualSeed(3);
    void [...new DataLoader(Array(23).fill(0), options)];
    const then = rand(1).item();
    for (const numWorkers of [2]) {
      const loader = new DataLoader(new Squares(), { ...options, numWorkers, module: squares });
      expect(loader.length).toBe(6);
      manualSeed(3);
      const sync = [...loader] as Batch[];
      expect(rand(1).item()).toBe(then);
      manualSeed(3);
      const later = (await collect(loader)) as Batch[];
      expect(xs(sync)).toEqual(xs(one as Batch[]));
      expect(xs(later)).toEqual(xs(one as Batch[]));
      expect(later[0]!.flag.dtype).toBe('bool');
      expect(later[0]!.x.dtype).toBe('float32');
      // Batch by batch, worker by worker.
      later.forEach((b, i) => expect(b.worker.tolist()).toEqual(Array(b.worker.numel()).fill(i % numWorkers)));
      expect(sync.map((b) => b.random.tolist())).toEqual(later.map((b) => b.random.tolist()));
    }
  }, 60_000);

  it('seeds each worker as PyTorch does: the pass draws a seed, a worker adds its id', () => {
    const generator = new Generator().manualSeed(11);
    const base = new Generator().manualSeed(11);
    const loader = new DataLoader(new Squares(), { batchSize: 4, numWorkers: 2, module: squares, generator });
    const batches = [...loader] as Batch[];
    const seed = empty([], { dtype: 'int64' }).random_({ generator: base }).itemBigInt();
    for (const id of [0, 1]) {
      manualSeed(seed + BigInt(id));
      rand(id + 1); // workerInitFn's
      const expected = batches
        .filter((_, i) => i % 2 === id)
        .map((b) => (rand(b.random.numel(), 1).tolist() as number[][]).flat());
      expect(batches.filter((_, i) => i % 2 === id).map((b) => (b.random.tolist() as number[][]).flat())).toEqual(
        expected,
      );
    }
  }, 30_000);

  it('single samples, a function that collates here, samples of an index', async () => {
    const single = new DataLoader(new Squares(), { batchSize: null, numWorkers: 2, module: squares });
    expect((await collect(single)).map((s) => ((s as Batch).x.tolist() as number[])[0])).toEqual([...Array(23).keys()]);
    const collateFn = (samples: { worker: number }[]): number => samples.length;
    const own = new DataLoader(new Squares(), {
      batchSize: 5,
      dropLast: true,
      numWorkers: 2,
      module: squares,
      collateFn,
    });
    expect([...own]).toEqual([5, 5, 5, 5]);
  }, 30_000);

  it('streams, divided by getWorkerInfo', async () => {
    const options = { batchSize: 2, module: stream };
    expect([...new DataLoader(new Counting(), { ...options, numWorkers: 1 })]).toEqual([
      '0+1',
      '2+3',
      '4+5',
      '6+7',
      '8+9',
      '10',
    ]);
    // Worker 0 has 0 2 4 6 8 10, worker 1 has 1 3 5 7 9.
    const two = ['0+2', '1+3', '4+6', '5+7', '8+10', '9'];
    expect([...new DataLoader(new Counting(), { ...options, numWorkers: 2 })]).toEqual(two);
    expect(await collect(new DataLoader(new Counting(), { ...options, numWorkers: 2 }))).toEqual(two);
    const dropping = new DataLoader(new Counting(), { ...options, numWorkers: 2, dropLast: true });
    expect(await collect(dropping)).toEqual(two.slice(0, 5));
    expect(utils.data.getWorkerInfo()).toBeNull();
  }, 60_000);

  it('persistentWorkers: several passes, also after one that was broken off', async () => {
    const loader = new DataLoader(new Squares(), {
      batchSize: 4,
      numWorkers: 2,
      module: squares,
      persistentWorkers: true,
    });
    const first = xs([...loader] as Batch[]);
    for (const _ of loader) break;
    for await (const _ of loader) break;
    expect(xs((await collect(loader)) as Batch[])).toEqual(first);
    expect(xs([...loader] as Batch[])).toEqual(first);
  }, 30_000);
});

describe('what goes wrong in a worker', () => {
  const broken = (sampler: number[], timeout = 0): utils.data.DataLoader<unknown, unknown> =>
    new DataLoader<unknown, unknown>(Array(8).fill(0), {
      batchSize: 1,
      sampler,
      numWorkers: 2,
      module: failing,
      timeout,
    });
  it('an error, with the stack of the worker', async () => {
    let error: unknown;
    try {
      void [...broken([0, 1, 5, 2])];
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(TenfoldError);
    expect((error as Error).message).toBe('DataLoader: worker 0 failed: RangeError: sample 5 is broken');
    expect((error as Error).stack).toMatch(/in worker 0: RangeError: sample 5 is broken\n.*failing\.ts/);
    const seen: unknown[] = [];
    await expect(
      (async () => {
        for await (const b of broken([0, 1, 5, 2])) seen.push((b as Tensor).tolist());
      })(),
    ).rejects.toThrow('sample 5 is broken');
    expect(seen).toEqual([[0], [1]]);
  }, 30_000);
  it('an exit', async () => {
    await expect(collect(broken([0, 6]))).rejects.toThrow('DataLoader: worker 1 failed: Error: it ended with code 3');
    expect(() => [...broken([0, 6])]).toThrow('it ended with code 3');
  }, 30_000);
  it('waiting for ever', async () => {
    expect(() => [...broken([7], 3)]).toThrow('no batch came from its workers in 3000 ms');
    await expect(collect(broken([7], 3))).rejects.toThrow('no batch came from its workers in 3000 ms');
  }, 30_000);
  it('a module that is not there, or exports nothing', async () => {
    const missing = (url: string) => new DataLoader([1, 2], { numWorkers: 1, module: url });
    expect(() => [...missing(new URL('modules/nothing.ts', import.meta.url).href)]).toThrow(
      'worker 0 failed: Error: Cannot find',
    );
    await expect(collect(missing('data:text/javascript,export const x = 1'))).rejects.toThrow(
      "must export a dataset, or a function that makes one, as 'dataset' or default",
    );
  }, 30_000);
  it.each<[string, object, string]>([
    ['a fraction', { numWorkers: 1.5 }, 'numWorkers must be an integer from 0, got 1.5'],
    ['no module', { numWorkers: 1 }, 'numWorkers needs the URL of the module that exports the dataset'],
    ['a relative path', { numWorkers: 1, module: './x.js' }, "got './x.js'"],
    ['a module for nobody', { module: squares }, 'give numWorkers too'],
    ['prefetchFactor', { prefetchFactor: 0 }, 'prefetchFactor must be a positive integer, got 0'],
    ['timeout', { numWorkers: 1, module: squares, timeout: -1 }, 'timeout must be a number of seconds from 0'],
    ['pinMemory', { pinMemory: true }, 'there is no device to pin memory for'],
  ])('%s is refused', (_, options, message) => {
    expect(() => new DataLoader([1, 2], options)).toThrow(message);
  });
});

it('a program ends when it has broken a pass off, also with workers that stay', async () => {
  const library = JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href);
  const code = `import { utils } from ${library};
    const data = Array(100).fill(0);
    for (const persistentWorkers of [false, true]) {
      const loader = new utils.data.DataLoader(data, { numWorkers: 2, module: ${JSON.stringify(squares.href)}, persistentWorkers, sampler: [1, 2, 3, 4] });
      for await (const b of loader) { console.log(b.x.tolist()[0][1]); break; }
    }`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', code],
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      timeout: 25_000,
    },
  );
  expect(stdout).toBe('1\n1\n');
}, 30_000);

describe('without workers', () => {
  it('asynchronous samples are asked for ahead, synchronous ones are not', async () => {
    let running = 0;
    let most = 0;
    const dataset = {
      length: 12,
      async get(i: number): Promise<number> {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        return i;
      },
    };
    const batches = await collect(new DataLoader(dataset, { batchSize: 2, prefetchFactor: 2 }));
    expect(batches.map((b) => b.tolist())).toEqual([0, 2, 4, 6, 8, 10].map((i) => [i, i + 1]));
    expect(most).toBe(6);
    let asked = 0;
    const plain = { length: 12, get: (i: number) => (asked++, i) };
    for await (const _ of new DataLoader(plain, { batchSize: 2 })) break;
    expect(asked).toBe(2);
  });
  it('an error among them is thrown in its turn', async () => {
    const dataset = {
      length: 6,
      get: (i: number) => (i === 3 ? Promise.reject(new Error('three')) : Promise.resolve(i)),
    };
    const seen: unknown[] = [];
    await expect(
      (async () => {
        for await (const b of new DataLoader(dataset, {})) seen.push(b.tolist());
      })(),
    ).rejects.toThrow('three');
    expect(seen).toEqual([[0], [1], [2]]);
  });
});
