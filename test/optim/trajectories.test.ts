/** Every optimizer step by step against PyTorch's parameters, and its state dict against PyTorch's. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Tensor, noGrad, optim, tensor, type DType } from '../../lib/index.js';
import type { OptimizerStateDict } from '../../lib/optim/index.js';
import { nativeInfo } from '../../lib/native/launch.js';

interface Recorded {
  dtype: DType;
  shape: number[];
  data: (number | string)[];
}
interface Trajectory {
  optimizer: string;
  options: Record<string, unknown>;
  /** Where given, each parameter is a group with these options. */
  groups?: Record<string, unknown>[];
  dtype: DType;
  steps: Recorded[][];
  checkpoint: number;
  state_dict: {
    state: Record<string, Record<string, Recorded | number | null>>;
    param_groups: Record<string, unknown>[];
  };
}
const { trajectories } = JSON.parse(readFileSync(new URL('../fixtures/optim.json', import.meta.url), 'utf8')) as {
  trajectories: Trajectory[];
};

const SHAPES = [[3, 7], [5]];
/** The formula of scripts/record/optim.py. */
function fill(seed: number, shape: number[], dtype: DType): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, (_, i) => ((seed * 7919 + i * 104729) % 2003) / 1001 - 1);
  return tensor(values, { dtype }).reshape(shape);
}
const camel = (o: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(o).map(([k, v]) => [k.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()), v]));

type Make = new (params: unknown[], options: Record<string, unknown>) => optim.Optimizer;
const make = (t: Trajectory, params: Tensor[], options: Record<string, unknown> = t.options): optim.Optimizer =>
  new (optim as unknown as Record<string, Make>)[t.optimizer]!(
    t.groups ? params.map((p, i) => ({ params: [p], ...camel(t.groups![i]!) })) : params,
    camel(options),
  );

// With FMA the rounding is PyTorch's but for pow(); without, an operation may differ in the last place, and a step is a
// sum of few.
const exact = nativeInfo().target !== 'sse4';
function close(got: Tensor, want: Recorded, ulps: number): void {
  expect(got.shape).toEqual(want.shape);
  expect(got.dtype).toBe(want.dtype);
  const epsilon = want.dtype === 'float64' ? 2 ** -52 : 2 ** -23;
  const values = (got.dense ? got : got.contiguous()).tolist();
  (values instanceof Array ? (values.flat(9) as number[]) : [values as number]).forEach((v, i) => {
    const w = Number(want.data[i]);
    if (Math.abs(v - w) > ulps * epsilon * Math.max(Math.abs(w), 2 ** -6))
      expect.fail(`element ${i}: ${v}, recorded ${w}`);
  });
}

const title = (t: Trajectory): string =>
  [t.optimizer, JSON.stringify(t.options), t.groups && JSON.stringify(t.groups), t.dtype].filter(Boolean).join(' ');

describe.each(trajectories.map((t) => [title(t), t] as const))('%s', (_, t) => {
  // PyTorch 2.15's averages are differences times a weight (lerp), ours two products: another last digit, which a few steps
  // multiply. ASGD adds with public ops, which round a product before the sum.
  const averaging = ['ASGD', 'NAdam', 'Adam', 'AdamW', 'Adamax', 'RAdam', 'RMSprop'].includes(t.optimizer);
  const ulps = exact && !averaging ? (t.dtype === 'float64' ? 4 : 1) : exact ? 8 : 64;
  const start = (): Tensor[] => SHAPES.map((s, i) => fill(i + 1, s, t.dtype).requiresGrad_());
  const grads = (params: Tensor[], step: number): void =>
    params.forEach((p, i) => (p.grad = i === 1 && step === 2 ? null : fill(100 + 10 * step + i, SHAPES[i]!, t.dtype)));

  it('follows PyTorch', () => {
    const params = start();
    const optimizer = make(t, params);
    t.steps.forEach((want, step) => {
      grads(params, step);
      const versions = params.map((p) => p.version);
      optimizer.step();
      params.forEach((p, i) => {
        close(p, want[i]!, ulps);
        expect(p.version - versions[i]!).toBe(i === 1 && step === 2 ? 0 : 1);
      });
    });
  });

  it('goes on from a checkpoint, in tensors that need copies', () => {
    const params = start();
    const optimizer = make(t, params);
    const half = t.steps.length / 2;
    for (let step = 0; step < half; step++) {
      grads(params, step);
      optimizer.step();
    }
    // The same values, transposed in memory; gradients too.
    const turned = (p: Tensor): Tensor => (p.shape.length === 2 ? p.detach().t().clone().t() : p.detach().clone());
    const others = params.map((p) => turned(p).requiresGrad_());
    const resumed = make(t, others, { ...t.options, lr: 123 });
    resumed.loadStateDict(optimizer.stateDict());
    for (let step = half; step < t.steps.length; step++) {
      grads(others, step);
      noGrad(() => others.forEach((p) => p.grad && (p.grad = turned(p.grad))));
      resumed.step();
      others.forEach((p, i) => close(p, t.steps[step]![i]!, ulps));
    }
  });

  it('has its state dict', () => {
    const params = start();
    const optimizer = make(t, params);
    for (let step = 0; step < t.checkpoint; step++) {
      grads(params, step);
      optimizer.step();
    }
    const { state, param_groups } = optimizer.stateDict();
    for (const [id, values] of Object.entries(t.state_dict.state)) {
      for (const [name, want] of Object.entries(values)) {
        if (want === null) continue; // SGD without momentum: PyTorch keeps an empty buffer
        const got = state[id]![name];
        if (typeof want === 'number') expect(typeof got === 'number' ? got : (got as Tensor).item()).toBe(want);
        else close(got as Tensor, want, ulps);
      }
    }
    param_groups.forEach((group, g) => {
      for (const [name, value] of Object.entries(group))
        expect(value, name).toEqual(t.state_dict.param_groups[g]![name]);
    });
  });

  it('goes on from a checkpoint of PyTorch', () => {
    const tensors = (v: unknown): unknown =>
      v !== null && typeof v === 'object' && 'data' in v ? restored(v as Recorded) : v;
    const restored = (r: Recorded): Tensor => tensor(r.data.map(Number), { dtype: r.dtype }).reshape(r.shape);
    const saved: OptimizerStateDict = {
      state: Object.fromEntries(
        Object.entries(t.state_dict.state).map(([id, s]) => [
          id,
          Object.fromEntries(Object.entries(s).map(([k, v]) => [k, tensors(v)])),
        ]),
      ),
      param_groups: t.state_dict.param_groups as OptimizerStateDict['param_groups'],
    };
    const params = t.steps[t.checkpoint - 1]!.map((r) => restored(r).requiresGrad_());
    const optimizer = make(t, params, { lr: 7 });
    optimizer.loadStateDict(saved);
    for (let step = t.checkpoint; step < t.steps.length; step++) {
      grads(params, step);
      optimizer.step();
      params.forEach((p, i) => close(p, t.steps[step]![i]!, ulps));
    }
  });
});
