/**
 * One rank of two. Trains models with DistributedDataParallel, the joint batch on one process beside them where that must be the same,
 * and tells what came out: weights, differences, errors.
 */
import * as tf from '../../../lib/index.js';
import * as dist from '../../../lib/distributed/index.js';
import type { Tensor } from '../../../lib/index.js';

const { nn, optim } = tf;
const { DistributedDataParallel } = nn.parallel;
const F = nn.functional;
const world = Number(process.env.WORLD_SIZE);
const rank = Number(process.env.RANK);
const tell = (what: unknown): void => console.log(JSON.stringify(what));
dist.initProcessGroup('gloo', process.env.MEETING!, { rank, worldSize: world, timeout: 60_000 });

class Net extends nn.Module {
  encoder = new nn.TransformerEncoderLayer(8, 2, 16, { dropout: 0, batchFirst: true });
  head = new nn.Linear(8, 3);
  override forward(x: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(x).mean(1));
  }
}
const mlp = (): tf.nn.Module => new nn.Sequential(new nn.Linear(6, 16), new nn.ReLU(), new nn.Linear(16, 3));
const cnn = (): tf.nn.Module =>
  new nn.Sequential(
    new nn.Conv2d(1, 4, 3),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(36, 3),
  );
const sgd = (lr: number) => (model: tf.nn.Module) => new optim.SGD(model.parameters(), { lr, momentum: 0.9 });
const MODELS = {
  mlp: { make: mlp, shape: [6], optimizer: sgd(0.1) },
  cnn: { make: cnn, shape: [1, 8, 8], optimizer: sgd(0.05) },
  // Not Adam: a bias of keys has no gradient but noise, of which Adam makes steps.
  transformer: { make: () => new Net(), shape: [5, 8], optimizer: sgd(0.1) },
};
const STEPS = 20;
const BATCH = 8;

type Step = (model: tf.nn.Module, x: Tensor, y: Tensor, step: number) => void;
const plain: Step = (model, x, y) => void F.crossEntropy(model.forward(x) as Tensor, y).backward();
const mine = (t: Tensor): Tensor => t.narrow(0, rank * BATCH, BATCH);

interface Training {
  steps?: number;
  wrap?: (model: tf.nn.Module) => tf.nn.Module;
  part?: (t: Tensor) => Tensor;
  step?: Step;
}
/** Trains a model on a rank's part of each batch; all numbers of its state. */
function train(
  name: keyof typeof MODELS,
  { steps = STEPS, wrap = (m) => new DistributedDataParallel(m), part = mine, step = plain }: Training = {},
): number[] {
  // prettier-ignore
  const { make, shape, optimizer } = MODELS[name];
  tf.manualSeed(1);
  const inner = make();
  const model = wrap(inner);
  const opt = optimizer(model);
  tf.manualSeed(2);
  for (let i = 0; i < steps; i++) {
    const x = tf.randn([BATCH * world, ...shape]);
    const y = tf.randint(0, 3, [BATCH * world]);
    opt.zeroGrad();
    step(model, part(x), part(y), i);
    opt.step();
  }
  const own = model === inner ? inner : (model as dist.DistributedDataParallel).module;
  return Object.values(own.stateDict()).flatMap((t) => t.double().reshape([-1]).tolist() as number[]);
}
const joint = (name: keyof typeof MODELS, training: Training = {}): number[] =>
  train(name, { wrap: (m) => m, part: (t) => t, ...training });
const farthest = (a: number[], b: number[]): number =>
  a.length === b.length ? Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) : Infinity;
const messageOf = (run: () => unknown): string => {
  try {
    return `nothing was thrown, but ${String(run())} returned`;
  } catch (error) {
    return (error as Error).message;
  }
};
/** Whether all ranks have the same bits. */
function same(numbers: number[]): boolean {
  const all: (number[] | null)[] = [null, null];
  dist.allGatherObject(all, numbers);
  return all.every((other) => other!.every((x, i) => Object.is(x, numbers[i])));
}

const SCENARIOS: Record<string, () => unknown> = {
  models() {
    return Object.fromEntries(
      (Object.keys(MODELS) as (keyof typeof MODELS)[]).map((name) => {
        const weights = train(name);
        // Running statistics are each rank's own until the next forward.
        return [
          name,
          {
            weights,
            same: name === 'cnn' || same(weights),
            joint: name === 'cnn' ? 0 : farthest(weights, joint(name)),
          },
        ];
      }),
    );
  },
  buckets() {
    // Many buckets, and gradients of their own: the same numbers.
    const base = train('mlp');
    const small = (m: tf.nn.Module) => new DistributedDataParallel(m, { bucketCapMb: 1e-4 });
    const own = (m: tf.nn.Module) => new DistributedDataParallel(m, { gradientAsBucketView: false });
    return [farthest(base, train('mlp', { wrap: small })), farthest(base, train('mlp', { wrap: own }))];
  },
  accumulation() {
    // Two halves of each part, the first without an exchange.
    const halves: Step = (model, x, y) => {
      const ddp = model as dist.DistributedDataParallel;
      const [a, b] = [x.narrow(0, 0, BATCH / 2), x.narrow(0, BATCH / 2, BATCH / 2)];
      const [c, d] = [y.narrow(0, 0, BATCH / 2), y.narrow(0, BATCH / 2, BATCH / 2)];
      const half = (u: Tensor, v: Tensor): void =>
        void F.crossEntropy(ddp.forward(u) as Tensor, v)
          .div(2)
          .backward();
      ddp.noSync(() => half(a, c));
      half(b, d);
    };
    const weights = train('mlp', { step: halves });
    return { same: same(weights), joint: farthest(weights, joint('mlp')) };
  },
  hooks() {
    const base = train('mlp');
    const hooked = (hook: dist.CommHook) =>
      train('mlp', {
        wrap: (m) => {
          const ddp = new DistributedDataParallel(m);
          ddp.registerCommHook(null, hook);
          return ddp;
        },
      });
    const kinds = { allreduce: dist.allreduceHook, bf16: dist.bf16CompressHook, fp16: dist.fp16CompressHook };
    return Object.fromEntries(
      Object.entries(kinds).map(([name, hook]) => {
        const weights = hooked(hook as dist.CommHook);
        return [name, { same: same(weights), distance: farthest(weights, base) }];
      }),
    );
  },
  unused() {
    class Two extends nn.Module {
      a = new nn.Linear(3, 2);
      b = new nn.Linear(3, 2);
      c = new nn.Linear(3, 2);
      override forward(x: Tensor, which: number): Tensor {
        return which === 0 ? this.a.forward(x) : this.b.forward(x);
      }
    }
    tf.manualSeed(1);
    const ddp = new DistributedDataParallel(new Two(), { findUnusedParameters: true });
    const x = tf.ones([2, 3]).mul(rank + 1);
    // Rank 0 uses a, rank 1 b, none c.
    ddp.forward(x, rank).sum().backward();
    const { a, b, c } = ddp.module;
    const found = [a, b, c].map((layer) => (layer.weight.grad === null ? null : (layer.weight.grad.tolist() as number[][])[0])); // prettier-ignore
    const strict = new DistributedDataParallel(new Two());
    strict.forward(x, 0).sum().backward();
    const still = new DistributedDataParallel(new Two(), { staticGraph: true });
    for (let i = 0; i < 3; i++) still.forward(x, 0).sum().backward();
    const grads = [still.module.a, still.module.b].map((layer) => (layer.weight.grad === null ? null : (layer.weight.grad.tolist() as number[][])[0])); // prettier-ignore
    return { found, strict: messageOf(() => strict.forward(x, 0)), static: grads };
  },
  join() {
    // Rank 0 has two batches, rank 1 five.
    tf.manualSeed(1);
    const ddp = new DistributedDataParallel(mlp());
    const opt = new optim.SGD(ddp.parameters(), { lr: 0.1 });
    const counts: number[] = [];
    const epoch = (batches: number): void => {
      for (let i = 0; i < batches; i++) {
        opt.zeroGrad();
        (ddp.forward(tf.ones([2, 6]).mul(i + rank + 1)) as Tensor).square().mean().backward();
        opt.step();
        counts.push(i);
      }
    };
    ddp.join(() => epoch(rank === 0 ? 2 : 5));
    const weights = ddp.parameters().flatMap((p) => p.reshape([-1]).tolist() as number[]);
    const batches = counts.length;
    const early = messageOf(() => ddp.join(() => epoch(rank === 0 ? 1 : 3), { throwOnEarlyTermination: true }));
    return { counts: batches, same: same(weights), early };
  },
  refusals() {
    const different = messageOf(() => new DistributedDataParallel(new nn.Linear(3, 2 + rank)));
    const frozen = new nn.Linear(2, 2).requiresGrad_(false);
    const ddp = new DistributedDataParallel(new nn.Linear(2, 2));
    const step = tf.compile((x: Tensor) => {
      const loss = ddp.forward(x).sum();
      loss.backward();
      return loss;
    });
    const whole = messageOf(() => step(tf.ones([1, 2])));
    const inner = new DistributedDataParallel(mlp());
    const reference = new DistributedDataParallel(mlp());
    reference.loadStateDict(inner.stateDict());
    inner.module.compile();
    for (let i = 0; i < 3; i++) {
      for (const m of [inner, reference]) {
        m.zeroGrad();
        (m.forward(tf.ones([2, 6]).mul(rank + i)) as Tensor).square().mean().backward();
      }
    }
    const grads = (m: tf.nn.Module): number[] => m.parameters().flatMap((p) => p.grad!.reshape([-1]).tolist() as number[]); // prettier-ignore
    return {
      different,
      frozen: messageOf(() => new DistributedDataParallel(frozen)),
      option: messageOf(() => new DistributedDataParallel(new nn.Linear(1, 1), { findUnused: true } as never)),
      device: messageOf(() => new DistributedDataParallel(new nn.Linear(1, 1), { deviceIds: [0] })),
      whole,
      compiled: farthest(grads(inner), grads(reference)),
      keys: Object.keys(ddp.stateDict()),
    };
  },
  syncBatchNorm() {
    const convert = (m: tf.nn.Module): tf.nn.Module =>
      new DistributedDataParallel(nn.SyncBatchNorm.convertSyncBatchnorm(m));
    const weights = train('cnn', { wrap: convert });
    // Batches of different sizes, one of them empty, and the gradient of the input.
    const x = tf.randn([5, 2, 3]).mul(3).add(1);
    const y = tf.randn([5, 2, 3]);
    const norm = nn.SyncBatchNorm.convertSyncBatchnorm(new nn.BatchNorm1d(2));
    const gradOf = (layer: tf.nn.Module, from: number, count: number): Tensor => {
      const input = x.narrow(0, from, count).clone().requiresGrad_();
      (layer.forward(input) as Tensor)
        .mul(y.narrow(0, from, count))
        .sum()
        .backward();
      return input.grad!;
    };
    const [from, count] = rank === 0 ? [0, 3] : [3, 2];
    const own = gradOf(norm, from!, count!);
    const plainNorm = new nn.BatchNorm1d(2);
    const wanted = gradOf(plainNorm, 0, 5).narrow(0, from!, count!);
    const lone = gradOf(norm, 0, rank === 0 ? 5 : 0);
    const far = (a: Tensor, b: Tensor): number => (a.numel() === 0 ? 0 : (a.sub(b).abs().max().item() as number));
    return {
      same: same(weights),
      joint: farthest(weights, joint('cnn')),
      gradient: far(own, wanted),
      empty: far(lone, gradOf(plainNorm, 0, 5).narrow(0, 0, lone.shape[0]!)),
      running: far(norm.runningVar!, plainNorm.runningVar!),
      printed: String(norm),
    };
  },
  clip() {
    // Gradients are the joint batch's, so their norm is.
    const normOf = (training: Training, run: typeof train): { norms: number[]; weights: number[] } => {
      const norms: number[] = [];
      const weights = run('mlp', {
        ...training,
        steps: 5,
        step: (model, x, y, i) => {
          plain(model, x, y, i);
          norms.push(nn.utils.clipGradNorm_(model.parameters(), 0.1).item() as number);
        },
      });
      return { norms, weights };
    };
    const [ours, one] = [normOf({}, train), normOf({}, joint)];
    return { norms: farthest(ours.norms, one.norms), weights: farthest(ours.weights, one.weights), first: ours.norms[0], same: same(ours.norms) }; // prettier-ignore
  },
  zero() {
    const options = { lr: 0.01, weightDecay: 0.1 };
    const run = (
      make: (p: tf.nn.Parameter[]) => tf.optim.Optimizer,
    ): { model: tf.nn.Module; opt: tf.optim.Optimizer } => {
      tf.manualSeed(1);
      const model = new DistributedDataParallel(mlp());
      const opt = make(model.parameters());
      const schedule = new optim.lrScheduler.StepLR(opt, 2, 0.5);
      for (let i = 0; i < 6; i++) {
        opt.zeroGrad();
        (model.forward(tf.ones([2, 6]).mul(i + rank)) as Tensor).square().mean().backward();
        opt.step();
        schedule.step();
      }
      return { model, opt };
    };
    const numbers = (m: tf.nn.Module): number[] => m.parameters().flatMap((p) => p.reshape([-1]).tolist() as number[]);
    const whole = run((p) => new optim.AdamW(p, options));
    const shared = run(
      (p) => new dist.ZeroRedundancyOptimizer(p, { optimizerClass: optim.AdamW as never, ...options }),
    );
    const zero = shared.opt as dist.ZeroRedundancyOptimizer;
    const held = zero.state.size;
    const before = messageOf(() => zero.stateDict());
    zero.consolidateStateDict(0);
    const state = rank === 0 ? zero.stateDict() : null;
    const sent = [state];
    dist.broadcastObjectList(sent, 0);
    const again = new dist.ZeroRedundancyOptimizer(shared.model.parameters(), {
      optimizerClass: optim.AdamW as never,
      lr: 1,
    });
    again.loadStateDict(sent[0]!);
    const plain = new optim.AdamW(whole.model.parameters(), { lr: 1 });
    plain.loadStateDict(sent[0]!);
    for (const [opt, m] of [
      [again, shared.model],
      [plain, whole.model],
    ] as const) {
      // prettier-ignore
      m.zeroGrad();
      (m.forward(tf.ones([2, 6])) as Tensor).square().mean().backward();
      opt.step();
    }
    return {
      same: same(numbers(shared.model)),
      distance: farthest(numbers(whole.model), numbers(shared.model)),
      held,
      before,
      states: Object.keys(sent[0]!.state).sort(),
      lr: zero.paramGroups[0]!.lr as number,
      wrong: messageOf(
        () => new dist.ZeroRedundancyOptimizer(whole.model.parameters(), { optimizerClass: 'Adam' as never }),
      ),
      option: messageOf(
        () =>
          new dist.ZeroRedundancyOptimizer(whole.model.parameters(), { optimizerClass: optim.SGD as never, lrr: 1 }),
      ),
    };
  },
  sampler() {
    const sampler = new tf.utils.data.DistributedSampler({ length: 5 }, { shuffle: false });
    return [sampler.numReplicas, sampler.rank, [...sampler]];
  },
};

for (const [name, run] of Object.entries(SCENARIOS)) {
  const wanted = process.env.SCENARIOS;
  if (wanted !== undefined && !wanted.split(',').includes(name)) continue;
  try {
    tell([name, run()]);
  } catch (error) {
    tell([name, { failed: (error as Error).stack }]);
  }
}
tell(['last', null]);
dist.destroyProcessGroup();
