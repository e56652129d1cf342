/** onnx.export: every layer beside ONNX Runtime's numbers (recorded by scripts/record/onnx_export.py), and what is refused. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { nn, onnx, Tensor } from '../../lib/index.js';
import { MODEL, type ModelMessage } from '../../lib/onnx/messages.js';
import { Source, decode } from '../../lib/onnx/wire.js';
import { ROWS, grownInputs, make } from './layers.js';

interface Recorded {
  js: string;
  open: boolean;
  outputs: { shape: number[]; data: number[] }[];
}
const { rows } = JSON.parse(
  gunzipSync(readFileSync(new URL('../fixtures/onnx_export.json.gz', import.meta.url))).toString(),
) as { rows: Recorded[] };
const flat = (x: unknown): Tensor[] => (x instanceof Tensor ? [x] : [...(x as Iterable<unknown>)].flatMap(flat));
const folder = mkdtempSync(join(tmpdir(), 'tenfold-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

function expectNumbers(got: Tensor[], want: Recorded['outputs']): void {
  expect(got.map((t) => [...t.shape])).toEqual(want.map(({ shape }) => shape));
  got.forEach((t, k) => {
    const numbers = t.detach().double().reshape([t.numel()]).tolist() as number[];
    want[k]!.data.forEach((x, i) =>
      expect(Math.abs(numbers[i]! - x)).toBeLessThanOrEqual(2e-5 * Math.max(1, Math.abs(x))),
    );
  });
}
const messageOf = (bytes: Uint8Array): ModelMessage =>
  decode(new Source(bytes, bytes.length, (what) => { throw new Error(what); }), MODEL) as ModelMessage; // prettier-ignore

describe('layers, exported, give the same numbers in ONNX Runtime, in onnx.load and as modules', () => {
  let at = 0;
  for (const row of ROWS) {
    for (const open of row[2] ? [false, true] : [false]) {
      const recorded = rows[at++]!;
      it(`${row[0]}${open ? ', open dims' : ''}`, () => {
        expect([recorded.js, recorded.open]).toEqual([row[0], open]);
        const { module, inputs } = make(row);
        const bytes = onnx.export(module, inputs, null, open ? { dynamicAxes: row[2]! } : {});
        const given = open ? grownInputs(row, inputs) : inputs;
        expectNumbers(flat(onnx.load(bytes).forward(...given)), recorded.outputs);
        module.eval();
        expectNumbers(
          flat(tf.noGrad(() => module.forward(...given.map((t) => t.clone())) as unknown)),
          recorded.outputs,
        );
      });
    }
  }
  it('and no row is missing', () => expect(at).toBe(rows.length));
});

class Function2 extends nn.Module {
  constructor(private readonly fn: (...xs: Tensor[]) => unknown) {
    super();
  }
  override forward(...xs: Tensor[]): unknown {
    return this.fn(...xs);
  }
}
const round = (fn: (...xs: Tensor[]) => unknown, inputs: Tensor[], options = {}): Tensor[] =>
  flat(onnx.load(onnx.export(new Function2(fn), inputs, null, options)).forward(...inputs));

describe('onnx.export', () => {
  it('keeps the names of parameters and buffers, once for tied ones', () => {
    class Tied extends nn.Module {
      embed = new nn.Embedding(6, 4);
      norm = new nn.BatchNorm1d(4);
      override forward(x: Tensor): Tensor {
        return nn.functional.linear(this.norm.forward(this.embed.forward(x)) as Tensor, this.embed.weight);
      }
    }
    const module = new Tied();
    const model = onnx.load(onnx.export(module, tf.randint(6, [3]), null));
    expect(model.namedParameters().map(([name]) => name).sort()).toEqual(['embed.weight', 'norm.bias', 'norm.weight']); // prettier-ignore
    expect(model.namedBuffers().map(([name]) => name)).toEqual(['norm.running_mean', 'norm.running_var']);
    const keys = Object.keys(module.stateDict()).filter((key) => key !== 'norm.num_batches_tracked');
    expect(Object.keys(model.stateDict()).sort()).toEqual(keys.sort());
  });

  it('leaves modes, gradients and inputs as they were', () => {
    const module = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU(true), new nn.Dropout(0.5));
    module.children()[2]!.eval();
    const x = tf.randn(2, 3);
    const before = x.clone();
    onnx.export(module, x, null);
    expect(module.modules().map((m) => m.training)).toEqual([true, true, true, false]);
    expect(tf.isGradEnabled()).toBe(true);
    expect(x.equal(before)).toBe(true);
  });

  it('writes changes in place as new values', () => {
    const x = tf.randn(2, 3);
    const [y] = round((t) => t.clone().add_(1).mul_(t).relu_(), [x]);
    expect(tf.allclose(y!, x.add(1).mul(x).relu())).toBe(true);
  });

  it('writes comparisons, casts, reductions, slices and joins', () => {
    const x = tf.randn(4, 6);
    const n = tf.randint(9, [4, 6]);
    const cases: ((a: Tensor, b: Tensor) => unknown)[] = [
      (a, b) => a.add(b).sub(2).mul(b).div(3),
      (a, b) => tf.where(a.gt(0.5).logicalAnd(b.lt(5)), a, b),
      (_, b) =>
        b
          .div(2, { roundingMode: 'floor' })
          .remainder(3)
          .add(b.div(4, { roundingMode: 'trunc' })),
      (a) => a.div(0.3, { roundingMode: 'floor' }).add(a.remainder(0.7)),
      (a) => [a.max(1).values, a.min(0).indices, a.argmax(), a.sum(), a.mean(1, true), a.std(0), a.prod(1)],
      (a) => a.index(tf.slice(1, 3), tf.slice(null, null, 2)),
      (a) =>
        tf
          .cat([a.slice(1, 0, 2), a.narrow(1, 4, 2), a.flip(1)], 1)
          .unsqueeze(0)
          .squeeze(0)
          .t(),
      (a, b) => a.gather(1, b.remainder(6)).indexSelect(0, tf.tensor([2, 0], { dtype: 'int64' })),
      (a) => [a.eq(a).all(), a.ne(a).any(1), a.clamp(-0.5, 0.5), a.maskedFill(a.lt(0), -7)],
      (a) => a.unflatten(1, [2, 3]).permute(2, 0, 1).flatten(1).split(5, 1),
      (a) => [...a.topk(2, 1, false), ...a.sort(0, true), a.scatter(1, a.argmin(1, true), 3)],
      (a, b) => a.scatterAdd(1, b.remainder(6), a),
      (a) => a.repeat(2, 1).roll(1, 0).tril().logsumexp(1),
      (a) => a.abs().pow(1.5).rsqrt().log1p().norm(),
      (a) => [a.expand(2, 4, 6), a.double().cumsum(1), a.long().bitwiseNot === undefined ? a : a.long()],
    ];
    for (const fn of cases) {
      const want = flat(fn(x, n));
      round(fn as (...xs: Tensor[]) => unknown, [x, n]).forEach((y, i) => {
        expect(y.dtype, String(fn)).toBe(want[i]!.dtype);
        expect(tf.allclose(y.double(), want[i]!.double(), { rtol: 1e-5, atol: 1e-6 }), String(fn)).toBe(true);
      });
    }
  });

  it('computes sizes from open dims', () => {
    const fn = (x: Tensor): Tensor => {
      const [n, l, e] = x.shape as [number, number, number];
      return x
        .reshape(n * l, 2, e / 2)
        .add(1)
        .reshape(n, l * e)
        .slice(1, 0, l)
        .expand(2, n, l);
    };
    const x = tf.randn(2, 3, 4);
    const model = onnx.load(onnx.export(new Function2(fn), x, null, { dynamicAxes: { input: { 0: 'n', 1: 'l' } } }));
    expect(model.inputs).toEqual([{ name: 'input', dtype: 'float32', shape: [null, null, 4], kind: 'tensor' }]);
    const other = tf.randn(5, 7, 4);
    expect((model.forward(other) as Tensor).equal(fn(other))).toBe(true);
  });

  it('takes names, lists of axes and operator sets, and writes a whole file or none', () => {
    const file = join(folder, 'linear.onnx');
    const module = new nn.Linear(3, 2);
    onnx.export(module, [tf.randn(4, 3)], file, {
      inputNames: ['x'],
      outputNames: ['y'],
      dynamicAxes: { x: [0] },
      opset: 17,
    });
    const model = onnx.load(file);
    const x = tf.randn(9, 3);
    expect((model.run({ x })['y'] as Tensor).equal(module.forward(x))).toBe(true);
    expect(messageOf(onnx.export(module, tf.randn(4, 3), null, { opset: 21 })).opsets).toEqual([
      { domain: '', version: 21 },
    ]);
    expect(() => onnx.export(module, tf.randn(4, 3), join(folder, 'no', 'such.onnx'))).toThrow(
      /onnx\.export: could not write .*ENOENT/,
    );
    expect(readdirSync(folder)).toEqual(['linear.onnx']);
    expect(existsSync(file)).toBe(true);
  });

  it('says what it can’t write', () => {
    const x = tf.randn(2, 3);
    expect(() => round((t) => t.digamma().add(t.erfinv()), [x])).toThrow(/no ONNX form is known for digamma, erfinv/);
    expect(() => round((t) => [t, { y: t }], [x])).toThrow(/onnx\.export: forward gave an object/);
    expect(() =>
      round((t) => (t.shape[0]! > 3 ? t.add(1) : t.sub(1)), [x], { dynamicAxes: { input: { 0: 'n' } } }),
    ).toThrow(/called differently as the open dims grow/);
    expect(() => round((t) => t.mul(tf.ones(t.shape[0]!, 1)), [x], { dynamicAxes: { input: { 0: 'n' } } })).toThrow(
      /a constant of mul depends on the open dims/,
    );
    expect(() => onnx.export({} as nn.Module, x, null)).toThrow(/onnx\.export: expected a module, got an object/);
    const module = new nn.Linear(3, 2);
    expect(() => onnx.export(module, 3 as never, null)).toThrow(
      /expected a tensor or a list of tensors as inputs, got 3/,
    );
    expect(() => onnx.export(module, x, 7 as never)).toThrow(/expected a path or null, got 7/);
    expect(() => onnx.export(module, x, null, { opset: 9 })).toThrow(/opset must be from 17 to 22, got 9/);
    expect(() => onnx.export(module, x, null, { opsets: 18 } as never)).toThrow(
      /unknown option 'opsets', did you mean 'opset'/,
    );
    expect(() => onnx.export(module, x, null, { dynamicAxes: { x: [0] } })).toThrow(
      /dynamicAxes names 'x'; inputs are input/,
    );
    expect(() => onnx.export(module, x, null, { dynamicAxes: { input: [2] } })).toThrow(/names dim 2 of 2/);
    expect(() => onnx.export(module, x, null, { inputNames: ['a', 'b'] })).toThrow(
      /inputNames must be 1 different names/,
    );
  });
});
