/**
 * autograd.functional against torch.autograd.functional: values, nesting, what goes on through createGraph, and every
 * refusal. Recorded by scripts/record/functional.py, which describes the rows.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { autograd, ones, tensor, type Tensor } from '../../lib/index.js';
import { camel, decode, difference, isCodedTensor, type Coded } from '../operators/format.js';

const { functional } = autograd;
const f64 = (...values: number[]): Tensor => tensor(values, { dtype: 'float64' });

type Result = Tensor | Result[];
type AnyFunction = (...inputs: Tensor[]) => Result;
const FUNCTIONS: Record<string, AnyFunction> = {
  expRows: (x) => x.exp().sum(1),
  cubes: (x) => x.pow(3),
  identity: (x) => x,
  listOfOne: (x) => [x.sin()],
  bothHalves: (x) => [x.narrow(0, 0, 2).sin(), x.narrow(0, 2, x.length - 2).mul(x.narrow(0, 0, 1))],
  partConstant: (x) => [x.mul(x), ones(2, { dtype: 'float64' })],
  constant: () => ones(2, { dtype: 'float64' }),
  constantElement: () => ones([], { dtype: 'float64' }),
  product: (x, y) => x.mul(y),
  matrixProduct: (x, y) => x.matmul(y).tanh(),
  several: (x, y) => [x.mul(y.sum()), y.sin(), x.sum().mul(2)],
  firstOnly: (x) => x.mul(x),
  wider: (x, y) => x.double().mul(y.sin()),
  linear: (x, y) => x.mul(2).add(y.mul(3)),
  linearSum: (x, y) => x.mul(2).add(y.mul(3)).sum(),
  sumOfCubes: (x) => x.pow(3).sum(),
  oneElement: (x) => x.pow(3).sum().reshape(1, 1),
  squares: (x, y) => x.mul(2).mul(x).add(y.mul(3).mul(y)).sum(),
  mixed: (x, y) => x.pow(2).sum().mul(y.prod()).add(x.mul(y).sin().sum()),
  firstCubes: (x) => x.pow(3).sum(),
  softmax: (x, y) => x.matmul(y).logSoftmax(1).select(1, 1).mean().neg(),
};

interface Row {
  call: 'jacobian' | 'hessian' | 'vjp' | 'jvp' | 'vhp' | 'hvp';
  function: string;
  inputs: Coded;
  v?: Coded;
  options: string[];
  result?: Coded;
  through?: (Coded | null)[] | null;
  error?: string;
}
const file = new URL('../fixtures/functional.json.gz', import.meta.url);
const { rows } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as { rows: Row[] };

/** PyTorch's messages, and what Tenfold says instead. */
const STRICT = ", which strict: true doesn't allow";
const MESSAGES: [RegExp, string][] = [
  [/^Entry (\d) in v has invalid size: should be torch.Size\((.*)\) but got torch.Size\((.*)\)/, 'v[$1] has shape $3, … $1 has $2'],
  [/^v has invalid size: should be torch.Size\((.*)\) but got torch.Size\((.*)\)/, 'v has shape $2, … 0 has $1'],
  [/^The given v should contain a single Tensor/, 'v has 2 tensors for 1 …s'],
  [/^v is a tuple of invalid length: should be (\d) but got (\d)/, 'v has $2 tensors for $1 …s'],
  [/^The vector v can only be None if/, 'v can be left out only where the … is one tensor of one element'],
  [/^Output (\d) of the user-provided function does not require gradients/, `output $1 of the function doesn't require grad${STRICT}`],
  [/^Output (\d) of the user-provided function is independent of input (\d)/, `… $1 is independent of input $2${STRICT}`],
  [/^The output of the user-provided function is independent of input (\d)/, `the output of the function is independent of input $1${STRICT}`],
  // The number is that of the output there.
  [/^The jacobian of the user-provided function is independent of input \d.* create_graph=True/, `the derivative … is constant${STRICT}`],
  [/^While computing the hessian, .* input (\d) is independent/, `the … input $1…${STRICT}`],
  [/^The function given to \w+ should return a single Tensor/, 'the function must return a single tensor, got a list of 1'],
  [/^The Tensor returned by the function given to \w+ should contain a single/, 'the function must return a single element, got a tensor of shape [2]'],
]; // prettier-ignore

/** A text for a pattern's `…`, and for nothing else. */
const wildcard = (text: string): RegExp =>
  new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '[^:]*')}$`);

function expectedError(row: Row): RegExp {
  const [pattern, text] = MESSAGES.find(([python]) => python.test(row.error!))!;
  return wildcard(`autograd.functional.${row.call}: ${pattern.exec(row.error!)![0].replace(pattern, text)}`);
}

const flat = (x: unknown): Tensor[] => (Array.isArray(x) ? x.flatMap(flat) : [x as Tensor]);

/** What differs from the recorded nesting, or null. */
function differs(actual: unknown, expected: Coded, grad: boolean): string | null {
  if (isCodedTensor(expected)) {
    const problem = difference(actual, expected);
    if (problem) return problem;
    const { requiresGrad } = actual as Tensor;
    return requiresGrad === (expected.grad ?? false) && (grad || !requiresGrad)
      ? null
      : `requiresGrad: ${requiresGrad}`;
  }
  const list = expected as Coded[];
  if (!Array.isArray(actual) || actual.length !== list.length) return `is no list of ${list.length}`;
  return list.map((c, i) => differs(actual[i], c, grad)).find((problem) => problem !== null) ?? null;
}

function run(row: Row): { result: unknown; sources: Tensor[] } {
  const options = Object.fromEntries(row.options.map((key) => [camel(key), true]));
  const recording = row.options.includes('create_graph');
  const [inputs, v] = [decode(row.inputs, null), row.v === undefined ? undefined : decode(row.v, null)];
  const sources = [...flat(inputs), ...(v === undefined ? [] : flat(v))];
  if (recording) for (const t of sources) t.requiresGrad_();
  const call = functional[row.call] as unknown as (...args: unknown[]) => unknown;
  const own = ['jacobian', 'hessian'].includes(row.call) ? [] : [v];
  return { result: call(FUNCTIONS[row.function]!, inputs, ...own, options), sources };
}

const weighted = (x: Tensor): Tensor => x.mul(tf.arange(1, x.numel() + 1, { dtype: x.dtype }).reshape(x.shape)).sum();

describe('as PyTorch', () => {
  const named = rows.map((row, i) => [`${i} ${row.call} of ${row.function} ${row.options.join(' ')}`, row] as const);
  it.each(named)('%s', (_, row) => {
    if (row.error !== undefined) {
      expect(() => run(row)).toThrow(expectedError(row));
      return;
    }
    const { result, sources } = run(row);
    const recording = row.options.includes('create_graph');
    expect(differs(result, row.result!, recording)).toBe(null);
    if (!recording) return;
    const roots = flat(result).filter((x) => x.requiresGrad);
    expect(roots.length > 0).toBe(row.through !== null);
    if (!row.through) return;
    const total = roots.map((x) => weighted(x).double()).reduce((a, b) => a.add(b));
    const gradients = autograd.grad(total, sources, { allowUnused: true });
    row.through.forEach((coded, i) => {
      const zero = !gradients[i] || gradients[i].eq(0).all().item();
      // Third derivatives in float32: four times the tolerance of a single op.
      expect(coded ? difference(gradients[i], coded as never, 4) : zero ? null : 'is neither null nor zero').toBe(null);
    });
  });
});

describe('calls', () => {
  const cubes = (x: Tensor): Tensor => x.pow(3);
  const mixed = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum();

  it('v may stand among the options', () => {
    const [, product] = functional.vjp(cubes, f64(1, 2), { v: f64(1, 10) });
    expect(product.tolist()).toEqual([3, 120]);
    const call = (): unknown => functional.jvp((x) => [x, x.detach()], f64(1), { v: f64(1), strict: true });
    expect(call).toThrow("autograd.functional.jvp: output 1 of the function doesn't require grad");
  });
  it('one tensor as two inputs is two inputs', () => {
    const x = f64(1, 2);
    const parts = functional.jacobian((a, b) => a.mul(b.mul(b)), [x, x]);
    expect(parts.map((t) => t.diagonal().tolist())).toEqual([[1, 4], [2, 8]]); // prettier-ignore
  });
  it('the argument is differentiated, not the tensor of the same name outside', () => {
    const x = f64(3).requiresGrad_();
    expect(functional.jacobian((y) => y.mul(x), x, { createGraph: true }).tolist()).toEqual([[3]]);
    expect(functional.hessian((y) => y.mul(y).mul(x).sum(), x, { createGraph: true }).tolist()).toEqual([[6]]);
  });
  it('neither inputs nor their gradients are touched', () => {
    const x = f64(1, 2).requiresGrad_();
    functional.hvp((y) => y.pow(3).sum(), x, f64(1, 1));
    expect([x.grad, x.isLeaf, x.version]).toEqual([null, true, 0]);
  });
  it('noGrad outside changes nothing', () => {
    const results = tf.noGrad(() => [
      functional.jacobian(cubes, f64(2)),
      functional.vhp((x) => x.pow(3).sum(), f64(2), f64(1))[1],
      functional.jvp(cubes, f64(2), f64(1))[1],
      functional.hvp((x) => x.pow(3).sum(), f64(2), f64(1), { createGraph: true })[1],
    ]);
    expect(results.map((t) => t.item())).toEqual([12, 12, 12, 12]);
    expect(tf.isGradEnabled()).toBe(true);
  });
  it('an output without elements, an input without elements, an output of integers', () => {
    const none = functional.jacobian((x) => x.mul(2), tf.zeros(0, 3), { createGraph: true });
    expect(none.shape).toEqual([0, 3, 0, 3]);
    expect(functional.jacobian((x) => x.sum(), tf.zeros(0)).shape).toEqual([0]);
    const [outputs, products] = functional.jvp((x) => [x.mul(x), x.argmax()], f64(1, 3), f64(1, 1));
    expect([outputs[1]!.dtype, ...products.map((t) => t.tolist())]).toEqual(['int64', [2, 6], 0]);
  });
  it('types follow the nesting', () => {
    const [value, [byX, byY]] = functional.vhp(mixed, [f64(1), f64(2)], [f64(1), f64(1)]);
    const corner: Tensor = functional.hessian(mixed, [f64(1), f64(2)])[0][1];
    const rows: Tensor[] = functional.jacobian((x) => [x, x.neg()], f64(1));
    expect([value, byX, byY, corner, ...rows].map((t) => t.item())).toEqual([2, 1, 1, 1, 1, -1]);
  });
  it('autograd.jacobian, hessian and vjp are the same functions', () => {
    expect([autograd.jacobian, autograd.hessian, autograd.vjp]).toEqual([
      functional.jacobian,
      functional.hessian,
      functional.vjp,
    ]);
  });

  const call = functional as unknown as Record<string, (...args: unknown[]) => unknown>;
  const REFUSED: [run: () => unknown, kind: string, message: string][] = [
    [() => call.jacobian!(cubes, f64(1), { vectorize: true }), 'value', "jacobian: vectorize: true needs batched gradients, which Tenfold doesn't have; without it the result is the same, row by row"],
    [() => call.jacobian!(cubes, f64(1), { strategy: 'forward-mode' }), 'value', "jacobian: strategy must be 'reverse-mode', got 'forward-mode': Tenfold differentiates in reverse mode only"],
    [() => call.hessian!(cubes, f64(1), { outerJacobianStrategy: 'fast' }), 'value', "hessian: outerJacobianStrategy must be 'reverse-mode', got 'fast'"],
    [() => call.hessian!(cubes, f64(1), { vectorize: 1 }), 'TypeError', 'hessian: vectorize must be a boolean, got 1'],
    [() => call.vhp!(cubes, f64(1), null, { strict: 'no' }), 'TypeError', "vhp: strict must be a boolean, got 'no'"],
    [() => call.jacobian!(cubes, f64(1), true), 'TypeError', 'jacobian: options must be an object, got true'],
    [() => call.vjp!(cubes, f64(1), { createGrpah: true }), 'TypeError', "vjp: unknown option 'createGrpah', did you mean 'createGraph'?"],
    [() => call.jvp!(cubes, f64(1), 3), 'TypeError', "jvp: 'v' must be tensors, got 3"],
    [() => call.hvp!(cubes, [f64(1), 3]), 'TypeError', "hvp: 'inputs' must be tensors, got 3"],
    [() => call.hvp!(cubes, tensor([1], { dtype: 'int64' })), 'dtype', 'hvp: only floating-point tensors can require grad, this one is int64'],
    [() => call.vhp!(() => 3, f64(1)), 'TypeError', 'vhp: the function must return a tensor or a list of tensors, got 3'],
    [() => call.jvp!(() => [f64(1), null], f64(1)), 'TypeError', 'jvp: the function must return a tensor or a list of tensors, got [a Tensor of shape [1], null]'],
    [() => call.vhp!((x: Tensor) => x.mul(x).sum(), f64(1), null, { strict: true, createGraph: true }), 'graph', "vhp: the Hessian with respect to input 0 is constant, which strict: true doesn't allow"],
    [() => call.hvp!((x: Tensor) => x.mul(x).sum(), f64(1), null, { strict: true, createGraph: true }), 'graph', "hvp: the Hessian of input 0 is constant, which strict: true doesn't allow"],
    [() => call.jvp!((x: Tensor) => x.mul(2), f64(1), null, { strict: true, createGraph: true }), 'graph', "jvp: the derivative of output 0 is constant, which strict: true doesn't allow"],
    [() => call.vjp!((x: Tensor) => x.mul(2), f64(1), null, { strict: true, createGraph: true }), 'graph', "vjp: the derivative with respect to input 0 is constant, which strict: true doesn't allow"],
    [() => call.vhp!((x: Tensor, y: Tensor) => x.pow(3).sum().add(y.sum()), [f64(1), f64(1)], [f64(1), f64(1)], { strict: true }), 'graph', "vhp: the gradient with respect to input 1 is constant, which strict: true doesn't allow"],
  ]; // prettier-ignore
  it.each(REFUSED.map((row) => [row[2], row] as const))('refused: %s', (_, [run, kind, message]) => {
    let error: unknown;
    try {
      run();
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(Error);
    const { code, name } = error as tf.TenfoldError;
    expect([code ?? name, (error as Error).message]).toEqual([kind, `autograd.functional.${message}`]);
  });
});
