/** weightNorm and spectralNorm against PyTorch: test/fixtures/weight_norms.json, by scripts/record/weight_norms.py. */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { camel, decodeTensor, difference, readFixture, type CodedTensor } from '../operators/format.js';

type State = Record<string, CodedTensor>;
interface Row {
  js: string;
  call: string;
  options: Record<string, unknown>;
  dtype: tf.DType;
  start: State;
  state: State;
  steps: {
    training: boolean;
    input: CodedTensor;
    out: CodedTensor;
    weight: CodedTensor;
    grads: State;
    buffers: State;
  }[];
  removed: State;
}
const { rows } = readFixture<{ rows: Row[] }>('weight_norms.json');
const { nn } = tf;
const { weightNorm, removeWeightNorm, spectralNorm, removeSpectralNorm } = nn.utils;

const tensors = (state: State): tf.nn.StateDict =>
  Object.fromEntries(Object.entries(state).map(([key, t]) => [key, decodeTensor(t, false)]));
function expectState(actual: Iterable<[string, Tensor]>, want: State): void {
  const got = [...actual];
  expect(got.map(([key]) => key)).toEqual(Object.keys(want));
  for (const [key, t] of got) expect(difference(t.contiguous(), want[key]!), key).toBeNull();
}
type Utils = Record<string, (module: tf.nn.Module, options: object) => tf.nn.Module>;

describe.each(rows.map((row) => [`${row.call} ${row.js} ${JSON.stringify(row.options)} ${row.dtype}`, row] as const))(
  '%s',
  (_, row) => {
    const utils = nn.utils as unknown as Utils;
    const name = (row.options.name as string | undefined) ?? 'weight';
    const make = (): tf.nn.Module => {
      const module = (new Function('nn', `return ${row.js}`) as (n: unknown) => tf.nn.Module)(nn).to(row.dtype);
      module.loadStateDict(tensors(row.start));
      return module;
    };
    const apply = (module: tf.nn.Module): tf.nn.Module =>
      utils[camel(row.call)]!(module, Object.fromEntries(Object.entries(row.options).map(([k, v]) => [camel(k), v])));
    const forward = (module: tf.nn.Module, x: Tensor): Tensor => {
      const out = module.forward(x) as Tensor | Tensor[];
      return Array.isArray(out) ? out[0]! : out;
    };

    it('computes and trains as in PyTorch', () => {
      let module = make();
      tf.manualSeed(5);
      expect(apply(module)).toBe(module);
      expectState(Object.entries(module.stateDict()), row.state);
      row.steps.forEach((step, i) => {
        if (i === 2) module = module.clone();
        module.train(step.training).zeroGrad();
        const out = forward(module, decodeTensor(step.input, false));
        expect(difference(out, step.out)).toBeNull();
        out.square().sum().backward();
        expectState(module.namedParameters().map(([key, p]) => [key, p.grad!] as const as [string, Tensor]), step.grads); // prettier-ignore
        expectState(module.namedBuffers(), step.buffers);
        const members = module as unknown as Record<string, Tensor>;
        const property = camel(name);
        expect(difference(members[property]!.contiguous(), step.weight)).toBeNull();
        tf.noGrad(() => module.parameters().forEach((p) => p.sub_(p.grad!, { alpha: 0.05 })));
      });
      utils[camel(`remove_${row.call}`)]!(module, { name });
      expectState(Object.entries(module.stateDict()), row.removed);
      expect(Object.hasOwn(module, 'forward')).toBe(false);
      expect(module.parameters().every((p) => p instanceof nn.Parameter && p.requiresGrad)).toBe(true);
    });

    it('loads PyTorch’s state dict', () => {
      const module = apply(make());
      module.loadStateDict(tensors(row.state));
      module.train(row.steps[0]!.training);
      expect(difference(forward(module, decodeTensor(row.steps[0]!.input, false)), row.steps[0]!.out)).toBeNull();
    });
  },
);

describe('both', () => {
  it.each([
    ['weightNorm', weightNorm, removeWeightNorm],
    ['spectralNorm', spectralNorm, removeSpectralNorm],
  ] as const)('%s refuses, and changes nothing', (call, apply, remove) => {
    const layer = new nn.Linear(2, 2);
    const Remove = remove.name;
    const state = (): string => JSON.stringify(Object.entries(layer.stateDict()).map(([k, t]) => [k, t.tolist()]));
    const before = state();
    expect(() => apply(layer, 'weigth')).toThrow(`${call}: Linear has no parameter 'weigth', did you mean 'weight'?`);
    expect(() => apply(new nn.Linear(2, 2, false), 'bias')).toThrow(`${call}: Linear has no parameter 'bias'`);
    expect(() => apply(tf.zeros(2) as never)).toThrow(`${call}: expected a module, got a Tensor of shape [2]`);
    expect(() => apply(layer, { dim: 2 })).toThrow(`${call}: dim 2 is out of range`);
    expect(() => apply(layer, { dim: 2 })).toThrow(RangeError);
    expect(() => apply(layer, { dimm: 0 } as never)).toThrow(`${call}: unknown option 'dimm', did you mean 'dim'?`);
    expect(() => remove(layer)).toThrow(`${Remove}: ${call} was not applied to 'weight' of Linear`);
    expect(state()).toBe(before);
    apply(layer);
    const after = state();
    expect(() => apply(layer)).toThrow(`${call}: 'weight' of Linear has it already`);
    expect(() => weightNorm(spectralNorm(new nn.Linear(2, 2)))).toThrow("weightNorm: Linear has no parameter 'weight'");
    expect(() => remove(layer, 'bias')).toThrow(`${Remove}: ${call} was not applied to 'bias' of Linear`);
    expect(state()).toBe(after);
  });

  it('spectralNorm needs an iteration', () => {
    expect(() => spectralNorm(new nn.Linear(2, 2), { nPowerIterations: 0 })).toThrow(
      'spectralNorm: nPowerIterations must be positive, got 0',
    );
  });

  it('go back through two forwards, and live through scopes', () => {
    for (const layer of [weightNorm(new nn.Linear(2, 3)), spectralNorm(new nn.Linear(2, 3))]) {
      layer.forward(tf.ones(1, 2)).sub(layer.forward(tf.zeros(1, 2))).sum().backward(); // prettier-ignore
      for (let i = 0; i < 3; i++) tf.tidy(() => layer.forward(tf.ones(1, 2)).sum().backward());
      expect(layer.parameters().every((p) => p.grad !== null)).toBe(true);
    }
  });

  it('print the module as before', () => {
    const layer = weightNorm(new nn.Linear(2, 3));
    expect(String(layer)).toBe('Linear(inFeatures=2, outFeatures=3, bias=true)');
  });
});
