/** Schedules epoch by epoch against torch.optim.lr_scheduler, their checkpoints, and what they refuse. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { TenfoldError, optim, zeros } from '../../lib/index.js';

const { lrScheduler: S } = optim;
interface Row {
  scheduler: string;
  options: Record<string, unknown>;
  rows: [lr: number, momentum: number][][];
}
const { schedules } = JSON.parse(readFileSync(new URL('../fixtures/optim.json', import.meta.url), 'utf8')) as {
  schedules: Row[];
};

// As scripts/record/optim.py.
const METRICS = [1, 0.9, 0.91, 0.92, 0.93, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3];
const twoGroups = (): optim.SGD =>
  new optim.SGD([{ params: [zeros(1)] }, { params: [zeros(1)], lr: 0.05 }], { lr: 0.2, momentum: 0.9 });
const NAMES: Record<string, string> = { T_max: 'TMax', T_0: 'T0', T_mult: 'TMult' };
const camel = (name: string): string => NAMES[name] ?? name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());

interface Schedule {
  step(x?: number): void;
  getLastLr(): number[];
  stateDict(): Record<string, unknown>;
  loadStateDict(s: object): void;
}
const COMPOSED: Record<string, (o: optim.Optimizer) => Schedule> = {
  LambdaLR: (o) => new S.LambdaLR(o, [(e) => 0.95 ** e, (e) => 1 / (1 + e)]),
  MultiplicativeLR: (o) => new S.MultiplicativeLR(o, (e) => (e % 2 ? 0.9 : 0.8)),
  SequentialLR: (o) =>
    new S.SequentialLR(o, [new S.ConstantLR(o, 0.1, 2), new S.ExponentialLR(o, 0.9), new S.StepLR(o, 2)], [3, 8]),
  ChainedScheduler: (o) => new S.ChainedScheduler([new S.ConstantLR(o, 0.1, 3), new S.ExponentialLR(o, 0.9)]),
};
function make(row: Row, optimizer: optim.Optimizer): Schedule {
  if (COMPOSED[row.scheduler]) return COMPOSED[row.scheduler]!(optimizer);
  const options = Object.fromEntries(Object.entries(row.options).map(([k, v]) => [camel(k), v]));
  const Class = (S as unknown as Record<string, new (o: optim.Optimizer, options: object) => Schedule>)[row.scheduler]!;
  return new Class(optimizer, options);
}
const advance = (row: Row, optimizer: optim.Optimizer, schedule: Schedule, t: number): void => {
  optimizer.step();
  if (row.scheduler === 'ReduceLROnPlateau') schedule.step(METRICS[t % METRICS.length]);
  else schedule.step();
};
function expectRow(optimizer: optim.Optimizer, want: Row['rows'][number], t: number): void {
  optimizer.paramGroups.forEach((group, g) => {
    const [lr, momentum] = want[g]!;
    // Math.cos and ** may differ from C's in the last place, and a schedule multiplies up to 19 of them.
    expect(
      Math.abs((group.lr as number) - lr),
      `lr of group ${g} at ${t}: ${group.lr}, recorded ${lr}`,
    ).toBeLessThanOrEqual(1e-14);
    expect(Math.abs((group.momentum as number) - momentum), `momentum of group ${g} at ${t}`).toBeLessThanOrEqual(
      1e-14,
    );
  });
}

describe.each(schedules.map((row) => [`${row.scheduler} ${JSON.stringify(row.options)}`, row] as const))(
  '%s',
  (_, row) => {
    it('gives the recorded rates', () => {
      const optimizer = twoGroups();
      const schedule = make(row, optimizer);
      row.rows.forEach((want, t) => {
        expectRow(optimizer, want, t);
        if (t < row.rows.length - 1) advance(row, optimizer, schedule, t);
      });
      expect(schedule.getLastLr()).toEqual(optimizer.paramGroups.map((g) => g.lr));
    });

    it('goes on from a checkpoint', () => {
      const half = 9;
      const first = twoGroups();
      const schedule = make(row, first);
      for (let t = 0; t < half; t++) advance(row, first, schedule, t);
      const saved = JSON.parse(JSON.stringify({ optimizer: first.stateDict(), schedule: schedule.stateDict() })) as {
        optimizer: optim.OptimizerStateDict;
        schedule: Record<string, unknown>;
      };
      const second = twoGroups();
      const resumed = make(row, second);
      second.loadStateDict({ ...saved.optimizer, state: {} });
      resumed.loadStateDict(saved.schedule);
      for (let t = half; t < row.rows.length; t++) {
        expectRow(second, row.rows[t]!, t);
        if (t < row.rows.length - 1) advance(row, second, resumed, t);
      }
    });
  },
);

it('covers every schedule', () => {
  const recorded = new Set(schedules.map((row) => row.scheduler));
  expect(Object.keys(S).filter((name) => !recorded.has(name))).toEqual(['LRScheduler']);
});

it('takes options by position and by name', () => {
  const lrs = [[3, 0.5], [{ stepSize: 3, gamma: 0.5 }], [3, { gamma: 0.5 }]].map((args) => {
    const optimizer = twoGroups();
    const schedule = new S.StepLR(optimizer, ...(args as [number, number]));
    for (let i = 0; i < 7; i++) {
      optimizer.step();
      schedule.step();
    }
    return schedule.getLastLr();
  });
  expect(lrs).toEqual([
    [0.05, 0.0125],
    [0.05, 0.0125],
    [0.05, 0.0125],
  ]);
});

it('sets a closed form at a given epoch', () => {
  const optimizer = twoGroups();
  const schedule = new S.CosineAnnealingLR(optimizer, 10);
  optimizer.step();
  schedule.step(5);
  expect(schedule.getLastLr()[0]).toBeCloseTo(0.1, 12);
});

it('moves beta1 of Adam', () => {
  const adam = new optim.Adam([zeros(1)]);
  const schedule = new S.OneCycleLR(adam, { maxLr: 0.1, totalSteps: 10 });
  expect(adam.paramGroups[0]!.betas).toEqual([0.95, 0.999]);
  adam.step();
  schedule.step();
  adam.step();
  schedule.step();
  expect(adam.paramGroups[0]!.betas[0]).toBeCloseTo(0.85, 12);
});

describe('refusals', () => {
  const o = twoGroups();
  const adam = new optim.Adam([zeros(1)]);
  it.each<[() => unknown, new (m: string) => Error, string]>([
    [() => new S.StepLR({} as optim.Optimizer, 3), TypeError, 'StepLR: expected an optimizer, got an object'],
    [
      () => new S.StepLR(o, { stepSzie: 3 } as never),
      TypeError,
      "StepLR: unknown option 'stepSzie', did you mean 'stepSize'?",
    ],
    [() => new S.StepLR(o), TypeError, "StepLR: missing option 'stepSize'"],
    [() => new S.StepLR(o, 0), RangeError, 'StepLR: stepSize must be a positive integer, got 0'],
    [() => new S.MultiStepLR(o, [1.5]), TypeError, 'MultiStepLR: milestones must be a list of epochs, got [1.5]'],
    [() => new S.ConstantLR(o, 2), RangeError, 'ConstantLR: factor must be from 0 to 1, got 2'],
    [
      () => new S.LambdaLR(o, [(e) => e]),
      TenfoldError as never,
      'LambdaLR: lrLambda has 1 values for 2 parameter groups',
    ],
    [() => new S.LambdaLR(o, 3 as never), TypeError, 'LambdaLR: lrLambda must be a function of the epoch, got 3'],
    [() => new S.OneCycleLR(o, { maxLr: 1 }), TypeError, 'OneCycleLR: give totalSteps, or epochs and stepsPerEpoch'],
    [
      () => new S.OneCycleLR(o, { maxLr: 1, totalSteps: 5, annealStrategy: 'cosine' as 'cos' }),
      TenfoldError as never,
      "OneCycleLR: annealStrategy must be 'cos' or 'linear', got 'cosine'",
    ],
    [
      () => new S.CyclicLR(new tf.optim.Adagrad([tf.ones(1).requiresGrad_()]), { baseLr: 0.1, maxLr: 1 }),
      TenfoldError as never,
      'CyclicLR: this optimizer has no momentum; give { cycleMomentum: false }',
    ],
    [
      () => new S.SequentialLR(o, [new S.StepLR(o, 2)], [1]),
      TenfoldError as never,
      'SequentialLR: 1 schedulers need 0 milestones, got 1',
    ],
    [
      () => new S.ChainedScheduler([new S.StepLR(o, 2), new S.StepLR(adam, 2)]),
      TenfoldError as never,
      'ChainedScheduler: scheduler 1 belongs to another optimizer',
    ],
    [() => new S.ReduceLROnPlateau(o, { factor: 1 }), RangeError, 'ReduceLROnPlateau: factor must be below 1, got 1'],
    [
      () => new S.ReduceLROnPlateau(o, { pateince: 1 } as object),
      TypeError,
      "ReduceLROnPlateau: unknown option 'pateince', did you mean 'patience'?",
    ],
    [() => new S.CosineAnnealingWarmRestarts(o, 2).step(-1), RangeError, 'epoch must be at least 0, got -1'],
  ] as never)('%s', (call, type, message) => {
    expect(call).toThrow(type);
    expect(call).toThrow(message);
  });
  it('resuming without initialLr', () => {
    expect(() => new S.StepLR(twoGroups(), { stepSize: 2, lastEpoch: 4 })).toThrow(
      'StepLR: group 0 has no initialLr to resume from',
    );
  });
  it('stepping past the end of one cycle', () => {
    const sgd = twoGroups();
    const schedule = new S.OneCycleLR(sgd, { maxLr: 1, totalSteps: 2 });
    sgd.step();
    schedule.step();
    schedule.step();
    expect(() => schedule.step()).toThrow('OneCycleLR.step: step 3 of a schedule of 2');
  });
});

describe('checkpoints', () => {
  const one = (): tf.optim.SGD => new tf.optim.SGD([tf.ones(2).requiresGrad_()], { lr: 0.1, momentum: 0.9 });
  const base = ['base_lrs', 'last_epoch', '_step_count', '_is_initial', '_get_lr_called_within_step', '_last_lr'];
  // The keys of PyTorch 2.15's state dicts.
  const KEYS: [string, (o: tf.optim.SGD) => tf.optim.lrScheduler.LRScheduler | tf.optim.lrScheduler.ReduceLROnPlateau, string[]][] = [
    ['StepLR', (o) => new S.StepLR(o, 2), ['step_size', 'gamma', ...base]],
    ['LambdaLR', (o) => new S.LambdaLR(o, (e) => 0.9 ** e), [...base, 'lr_lambdas']],
    ['MultiplicativeLR', (o) => new S.MultiplicativeLR(o, () => 0.9), [...base, 'lr_lambdas']],
    ['MultiStepLR', (o) => new S.MultiStepLR(o, [2, 2, 4]), ['milestones', 'gamma', ...base]],
    ['ConstantLR', (o) => new S.ConstantLR(o), ['factor', 'total_iters', ...base]],
    ['LinearLR', (o) => new S.LinearLR(o), ['start_factor', 'end_factor', 'total_iters', ...base]],
    ['ExponentialLR', (o) => new S.ExponentialLR(o, 0.9), ['gamma', ...base]],
    ['PolynomialLR', (o) => new S.PolynomialLR(o), ['total_iters', 'power', ...base]],
    ['CosineAnnealingLR', (o) => new S.CosineAnnealingLR(o, 5), ['T_max', 'eta_min', ...base]],
    ['CosineAnnealingWarmRestarts', (o) => new S.CosineAnnealingWarmRestarts(o, 5), ['T_0', 'T_i', 'T_mult', 'eta_min', 'T_cur', ...base]],
    ['CyclicLR', (o) => new S.CyclicLR(o, 0.01, 0.1), ['max_lrs', 'total_size', 'step_ratio', 'mode', 'gamma', 'scale_mode', 'cycle_momentum', 'use_beta1', 'base_momentums', 'max_momentums', '_scale_fn_custom', ...base]],
    ['OneCycleLR', (o) => new S.OneCycleLR(o, 0.1, { totalSteps: 10 }), ['total_steps', '_schedule_phases', '_anneal_func_type', 'cycle_momentum', 'use_beta1', ...base]],
    ['ReduceLROnPlateau', (o) => new S.ReduceLROnPlateau(o, 'min'), ['factor', 'default_min_lr', 'min_lrs', 'patience', 'cooldown', 'eps', 'last_epoch', '_last_lr', 'mode_worse', 'mode', 'threshold', 'threshold_mode', 'best', 'cooldown_counter', 'num_bad_epochs']],
    ['SequentialLR', (o) => new S.SequentialLR(o, [new S.ConstantLR(o), new S.StepLR(o, 2)], [2]), ['_milestones', 'last_epoch', '_last_lr', '_schedulers']],
    ['ChainedScheduler', (o) => new S.ChainedScheduler([new S.ConstantLR(o), new S.StepLR(o, 2)]), ['_last_lr', '_schedulers']],
  ]; // prettier-ignore
  it.each(KEYS)('%s has PyTorch’s keys, and goes on from them', (_, make, keys) => {
    const [first, second, third] = [one(), one(), one()];
    const a = make(first);
    expect(Object.keys(a.stateDict()).sort()).toEqual([...keys].sort());
    const step = (s: ReturnType<typeof make>): void => (s as { step(x?: number): void }).step(s instanceof S.ReduceLROnPlateau ? 1 : undefined); // prettier-ignore
    for (let i = 0; i < 3; i++) step(a);
    const b = make(second);
    b.loadStateDict(a.stateDict());
    const c = make(third);
    c.loadStateDict(JSON.parse(JSON.stringify(a.stateDict())) as Record<string, unknown>);
    for (const o of [second, third]) o.loadStateDict(first.stateDict());
    for (let i = 0; i < 4; i++) {
      for (const s of [a, b, c]) step(s);
      expect(b.getLastLr()).toEqual(a.getLastLr());
      expect(c.getLastLr()).toEqual(a.getLastLr());
      expect(second.paramGroups[0]!.lr).toBe(first.paramGroups[0]!.lr);
    }
    expect(() => b.loadStateDict({ lats_epoch: 1 })).toThrow(
      /unknown option 'lats_epoch'|expected the states of 2 schedulers/,
    );
  });
  it('count milestones by numbers in a file, by keys in JSON', () => {
    const state = new S.MultiStepLR(one(), [2, 2, 4]).stateDict();
    expect([...(state.milestones as Map<number, number>)]).toEqual([[2, 2], [4, 1]]); // prettier-ignore
    expect(JSON.stringify(state.milestones)).toBe('{"2":2,"4":1}');
  });
});

describe('SequentialLR with lastEpoch', () => {
  it('goes on where an uninterrupted schedule would be', () => {
    const make = (o: tf.optim.SGD, lastEpoch?: number): tf.optim.lrScheduler.SequentialLR =>
      new S.SequentialLR(o, [new S.LinearLR(o), new S.ExponentialLR(o, 0.9), new S.StepLR(o, 2)], [2, 5], lastEpoch === undefined ? {} : { lastEpoch }); // prettier-ignore
    const sgd = (): tf.optim.SGD => new tf.optim.SGD([tf.ones(1).requiresGrad_()], { lr: 1 });
    for (const at of [0, 1, 2, 4, 6]) {
      const whole = sgd();
      const schedule = make(whole);
      for (let i = 0; i <= at; i++) schedule.step();
      const resumed = sgd();
      const again = make(resumed); // sets initialLr, as a loaded optimizer has it
      expect(again.lastEpoch).toBe(0);
      const second = make(resumed, at);
      expect(second.lastEpoch).toBe(schedule.lastEpoch);
      for (let i = 0; i < 4; i++) {
        expect(second.getLastLr()).toEqual(schedule.getLastLr());
        expect(resumed.paramGroups[0]!.lr).toBe(whole.paramGroups[0]!.lr);
        schedule.step();
        second.step();
      }
    }
  });
});

describe('CyclicLR of an optimizer with betas', () => {
  it('moves the first of them', () => {
    const adam = new tf.optim.Adam([tf.ones(1).requiresGrad_()]);
    const schedule = new S.CyclicLR(adam, 0.1, 1, { stepSizeUp: 2 });
    expect(adam.paramGroups[0]!.betas).toEqual([0.9, 0.999]); // maxMomentum, where the rate is lowest
    schedule.step();
    expect((adam.paramGroups[0]!.betas as number[])[0]).toBeCloseTo(0.85, 12);
  });
});
