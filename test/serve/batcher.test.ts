/** Batcher: which requests share a batch and when, what is refused, cancelled, padded, and in what order. */
import { describe, expect, it } from 'vitest';
import { nn, ones, tensor, zeros, type Tensor } from '../../lib/index.js';
import { Batcher, ServeError, Strings, type BatchingOptions, type Values } from '../../lib/serve/index.js';
import { Gate } from '../../lib/serve/batching/gate.js';

const row = (...values: number[]): Values => ({ x: tensor([values]) });
const rows = (n: number): Values => ({ x: zeros(n, 1) });

/** A batcher whose batches end when the test says so, and what each was made of. */
function held(options: BatchingOptions): {
  batcher: Batcher;
  batches: number[][];
  /** Ends the batch that is being computed; waits until it is there. */
  finish(): Promise<void>;
} {
  const batches: number[][] = [];
  const waiting: (() => void)[] = [];
  const arrived: (() => void)[] = [];
  const model = async ({ x }: Values): Promise<Values> => {
    batches.push(Array.from((x as Tensor).select(1, 0).toTypedArray() as Float32Array));
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      arrived.shift()?.();
    });
    return { y: x! };
  };
  const finish = async (): Promise<void> => {
    if (waiting.length === 0) await new Promise<void>((resolve) => arrived.push(resolve));
    waiting.shift()!();
  };
  return { batcher: new Batcher(model, options), batches, finish };
}

/** Until all that can happen without time has happened. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('batches', () => {
  it('take what arrived in the same turn, and then what came meanwhile', async () => {
    const { batcher, batches, finish } = held({ maxBatchSize: 4 });
    const first = [0, 1].map((i) => batcher.infer(row(i)));
    await settled();
    const later = [2, 3, 4, 5, 6].map((i) => batcher.infer(row(i)));
    for (let i = 0; i < 3; i++) await finish();
    const results = await Promise.all([...first, ...later]);
    expect(batches).toEqual([[0, 1], [2, 3, 4, 5], [6]]); // prettier-ignore
    expect(results.map(({ y }) => (y as Tensor).item())).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('give each request its own rows back', async () => {
    const linear = new nn.Linear(1, 2);
    const batcher = new Batcher(({ x }: Values) => linear.forward(x as Tensor), { maxBatchSize: 8 });
    const inputs = [tensor([[1], [2]]), tensor([[3]]), tensor([[4], [5], [6]])];
    const outputs = await Promise.all(inputs.map((x) => batcher.infer({ x })));
    outputs.forEach(({ output }, i) => {
      expect((output as Tensor).tolist()).toEqual(linear.forward(inputs[i]!).tolist());
      expect((output as Tensor).requiresGrad).toBe(false);
    });
    expect(linear.forward(inputs[0]!).requiresGrad).toBe(true);
  });

  it('of strings too', async () => {
    const batches: number[] = [];
    const model = ({ s }: Values): Strings => {
      batches.push((s as Strings).data.length);
      return new Strings(
        (s as Strings).data.map((text) => text + '!'),
        s!.shape,
      );
    };
    const batcher = new Batcher(model, { maxBatchSize: 4 });
    const ask = async (...texts: string[]): Promise<unknown> =>
      ((await batcher.infer({ s: new Strings(texts, [texts.length / 2, 2]) })).output as Strings).data;
    expect(await Promise.all([ask('a', 'b'), ask('c', 'd', 'e', 'f')])).toEqual([
      ['a!', 'b!'],
      ['c!', 'd!', 'e!', 'f!'],
    ]);
    expect(batches).toEqual([6]);
  });

  it('are of one shape and dtype', async () => {
    const shapes: string[] = [];
    const batcher = new Batcher(
      ({ x }: Values) => {
        shapes.push(`${(x as Tensor).dtype} ${x!.shape.join('x')}`);
        return x as Tensor;
      },
      { maxBatchSize: 8 },
    );
    const kinds = [zeros(1, 2), zeros(1, 3), zeros(1, 2), zeros(1, 2, { dtype: 'int64' })];
    await Promise.all(kinds.map((x) => batcher.infer({ x })));
    expect(shapes).toEqual(['float32 2x2', 'float32 1x3', 'int64 1x2']);
  });

  it('wait for the delay, and no longer than for a full batch', async () => {
    const sizes: number[] = [];
    const model = ({ x }: Values): Tensor => {
      sizes.push(x!.shape[0]!);
      return x as Tensor;
    };
    const batcher = new Batcher(model, { maxBatchSize: 3, maxQueueDelay: 30 });
    const begun = performance.now();
    const first = batcher.infer(rows(1));
    await settled();
    await Promise.all([first, batcher.infer(rows(1))]);
    expect(performance.now() - begun).toBeGreaterThan(25);
    expect(sizes).toEqual([2]);
    const endless = new Batcher(model, { maxBatchSize: 3, maxQueueDelay: 1e8 });
    const two = [endless.infer(rows(1)), endless.infer(rows(1))];
    await settled();
    await Promise.all([...two, endless.infer(rows(1))]);
    expect(sizes).toEqual([2, 3]);
    const preferring = new Batcher(model, { maxBatchSize: 8, maxQueueDelay: 1e8, preferredBatchSizes: [2, 4] });
    await Promise.all([1, 1, 1, 1].map((n) => preferring.infer(rows(n))));
    expect(sizes).toEqual([2, 3, 4]);
  });

  it('have a preferred size where they can', async () => {
    const { batcher, batches, finish } = held({ maxBatchSize: 8, preferredBatchSizes: [2, 4] });
    const first = batcher.infer(row(0));
    await settled();
    const others = [1, 2, 3, 4, 5].map((i) => batcher.infer(row(i)));
    for (let i = 0; i < 3; i++) await finish();
    await Promise.all([first, ...others]);
    expect(batches).toEqual([[0], [1, 2, 3, 4], [5]]); // prettier-ignore
  });

  it('of a model that doesn’t batch are single requests, as they came', async () => {
    const shapes: (readonly number[])[] = [];
    const batcher = new Batcher(({ x }: Values) => {
      shapes.push(x!.shape);
      return x as Tensor;
    });
    await Promise.all([batcher.infer({ x: zeros(5, 2) }), batcher.infer({ x: tensor(3) })]);
    expect(shapes).toEqual([[5, 2], []]);
  });
});

describe('padding', () => {
  it('makes unequal lengths equal, and outputs are cut back', async () => {
    const seen: unknown[] = [];
    const batcher = new Batcher(
      ({ ids, mask }: Values) => {
        seen.push([(ids as Tensor).tolist(), (mask as Tensor).tolist()]);
        return { states: (ids as Tensor).mul(2), sum: (ids as Tensor).mul(mask as Tensor).sum(1) };
      },
      {
        maxBatchSize: 4,
        padding: { ids: { dim: 1, value: 9 }, mask: { dim: 1 } },
        trimming: { states: { dim: 1, like: 'ids' } },
      },
    );
    const ask = async (...ids: number[]): Promise<unknown> => {
      const { states, sum } = await batcher.infer({
        ids: tensor([ids], { dtype: 'int64' }),
        mask: ones(1, ids.length, { dtype: 'int64' }),
      });
      return [(states as Tensor).tolist(), (sum as Tensor).item()];
    };
    expect(await Promise.all([ask(1), ask(2, 3, 4)])).toEqual([
      [[[2]], 1],
      [[[4, 6, 8]], 9],
    ]);
    expect(seen).toEqual([[[[1, 9, 9], [2, 3, 4]], [[1, 0, 0], [1, 1, 1]]]]); // prettier-ignore
  });
});

describe('refused:', () => {
  it('one more than the queue holds, at once', async () => {
    const { batcher, finish } = held({ maxBatchSize: 2, maxQueueSize: 2 });
    const first = batcher.infer(row(0));
    await settled();
    const waiting = [batcher.infer(row(1)), batcher.infer(row(2))];
    const error = await batcher.infer(row(3)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ServeError);
    expect(error).toMatchObject({ status: 503, message: 'the queue is full: 2 requests wait' });
    expect((error as ServeError).headers['retry-after']).toMatch(/^\d+$/);
    await finish();
    await finish();
    await Promise.all([first, ...waiting]);
  });

  it('what waits longer than its time, which is not computed then', async () => {
    const { batcher, batches, finish } = held({ timeout: 20 });
    const first = batcher.infer(row(0));
    await settled();
    await expect(batcher.infer(row(1))).rejects.toThrow('the request waited longer than its 20 ms');
    await expect(batcher.infer(row(2), { timeout: 5 })).rejects.toThrow('the request waited longer than its 5 ms');
    await finish();
    await first;
    expect(batches).toEqual([[0]]);
  });

  it('what is aborted while it waits, or before', async () => {
    const { batcher, batches, finish } = held({ maxBatchSize: 4 });
    const first = batcher.infer(row(0));
    await settled();
    const controller = new AbortController();
    const second = batcher.infer(row(1), { signal: controller.signal });
    const third = batcher.infer(row(2));
    controller.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    await expect(batcher.infer(row(3), { signal: controller.signal })).rejects.toThrow('gone');
    await finish();
    await finish();
    await Promise.all([first, third]);
    expect(batches).toEqual([[0], [2]]);
  });

  it('rows that no batch has, and values that are no tensors', async () => {
    const batcher = new Batcher(({ x }: Values) => x as Tensor, { maxBatchSize: 2 });
    await expect(batcher.infer(rows(3))).rejects.toThrow('a request must have 1 to 2 rows, got 3');
    await expect(batcher.infer(rows(0))).rejects.toThrow('a request must have 1 to 2 rows, got 0');
    await expect(batcher.infer({ x: tensor(1) })).rejects.toThrow("input 'x' has no dim for a batch");
    await expect(batcher.infer({ x: 3 } as never)).rejects.toThrow("input 'x' must be a tensor or Strings, got 3");
    await expect(batcher.infer(zeros(1) as never)).rejects.toThrow('Batcher.infer: expected tensors by name');
    await expect(batcher.infer(rows(1), { timeouts: 3 } as never)).rejects.toThrow("unknown option 'timeouts'");
  });

  const WRONG: [object, string][] = [
    [{ maxBatchSize: 0 }, 'Batcher: maxBatchSize must be an integer from 1, got 0'],
    [{ maxBatchsize: 2 }, "Batcher: unknown option 'maxBatchsize', did you mean 'maxBatchSize'?"],
    [{ maxQueueDelay: Infinity }, 'Batcher: maxQueueDelay must be finite'],
    [{ timeout: '1' }, "Batcher: timeout must be a number, got '1'"],
    [{ maxBatchSize: 2, preferredBatchSizes: [3] }, 'Batcher: a preferred batch size must be an integer from 1 to 2, got 3'], // prettier-ignore
    [{ priorityLevels: 2, defaultPriority: 3 }, 'Batcher: defaultPriority must be an integer from 1 to 2, got 3'],
    [{ maxBatchSize: 2, padding: { x: { dim: 0 } } }, 'Batcher: padding.x.dim must be an integer from 1, got 0'],
    [{ padding: { x: { dim: 1 } } }, 'Batcher: padding needs a maxBatchSize above 1'],
    [{ trimming: { y: { dim: 1, like: 'x' } } }, "Batcher: trimming.y.like must be an input of padding, got 'x'"],
  ];
  it.each(WRONG)('options %o', (options, message) => {
    expect(() => new Batcher(() => ({}), options)).toThrow(message);
  });
});

it('a higher priority goes first, the rest in their order', async () => {
  const { batcher, batches, finish } = held({ priorityLevels: 3 });
  const all = [batcher.infer(row(0))];
  await settled();
  for (const [value, priority] of [
    [1, 3],
    [2, undefined],
    [3, 1],
    [4, 2],
  ] as const)
    // prettier-ignore
    all.push(batcher.infer(row(value), priority === undefined ? {} : { priority }));
  for (let i = 0; i < 5; i++) await finish();
  await Promise.all(all);
  expect(batches.flat()).toEqual([0, 3, 2, 4, 1]);
  await expect(batcher.infer(row(0), { priority: 4 })).rejects.toThrow(
    'priority must be an integer from 1 to 3, got 4',
  );
});

it('a failure is the failure of its own batch only', async () => {
  let calls = 0;
  const model = ({ x }: Values): Tensor => {
    if (calls++ === 0) throw new Error('broken');
    return x as Tensor;
  };
  const batcher = new Batcher(model, { maxBatchSize: 2 });
  const both = [batcher.infer(row(1)), batcher.infer(row(2))];
  for (const one of both) await expect(one).rejects.toThrow('broken');
  expect(((await batcher.infer(row(3))).output as Tensor).item()).toBe(3);
});

it('a model hears when nobody waits for its batch any more', async () => {
  let seen: AbortSignal | undefined;
  let parameters: unknown;
  const model = async (
    _: Values,
    context: { signal: AbortSignal; requests: readonly { parameters: object }[] },
  ): Promise<Values> => {
    seen = context.signal;
    parameters = context.requests.map((request) => request.parameters);
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    throw new Error('stopped');
  };
  const batcher = new Batcher(model, { maxBatchSize: 2 });
  const controllers = [new AbortController(), new AbortController()];
  const both = controllers.map(({ signal }, i) => batcher.infer(row(i), { signal, parameters: { i } }));
  await settled();
  controllers[0]!.abort();
  expect(seen!.aborted).toBe(false);
  controllers[1]!.abort();
  for (const one of both) await expect(one).rejects.toThrow('stopped');
  expect(seen!.aborted).toBe(true);
  expect(parameters).toEqual([{ i: 0 }, { i: 1 }]);
});

it('models that share a gate take turns', async () => {
  const order: string[] = [];
  const gate = new Gate(1);
  const make = (name: string): Batcher =>
    new Batcher(
      async ({ x }: Values) => {
        order.push(name);
        await settled();
        return x as Tensor;
      },
      {},
      { gate },
    );
  const [a, b] = [make('a'), make('b')];
  await Promise.all([...[1, 2, 3, 4].map((i) => a.infer(row(i))), ...[1, 2].map((i) => b.infer(row(i)))]);
  expect(order.join('')).toBe('ababaa');
});

describe('close', () => {
  it('computes what waits and takes no more', async () => {
    const { batcher, batches, finish } = held({ maxBatchSize: 2, maxQueueDelay: 1e8 });
    const one = batcher.infer(row(1));
    const closed = batcher.close();
    await expect(batcher.infer(row(2))).rejects.toThrow('the model is being unloaded');
    await finish();
    await Promise.all([one, closed]);
    expect(batches).toEqual([[1]]);
  });
  it('refuses what still waits at the deadline', async () => {
    const { batcher } = held({});
    const running = batcher.infer(row(1));
    await settled();
    const waiting = batcher.infer(row(2));
    await Promise.all([batcher.close({ deadline: 10 }), expect(waiting).rejects.toThrow('the server ends')]);
    void running;
  });
});
