/**
 * Gradients have memory of their own: what a user does in place to one of them changes no other, nor an argument, a result or
 * the gradient that backward was given. Asked of every operator, by PyTorch's samples, and of the ways into `.grad`.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { autograd, nn, ones, tensor, type Tensor } from '../../lib/index.js';
import { waysOf } from '../operators/calls.js';
import { EXCEPTIONS } from '../operators/exceptions.js';
import { cotangent, readOperator, recordedOperators, type OperatorFile, type Sample } from '../operators/format.js';

const leaf = (...values: number[]): Tensor => tensor(values, { dtype: 'float64', requiresGrad: true });
const tensorsIn = (value: unknown): Tensor[] =>
  value instanceof tf.Tensor ? [value] : Array.isArray(value) ? value.flatMap(tensorsIn) : [];

/** Who shares memory with whom, in words, or null. */
function shared(
  own: Record<string, readonly (Tensor | null)[]>,
  others: Record<string, readonly Tensor[]>,
): string | null {
  const seen = new Map<object, string>();
  for (const [what, list] of Object.entries(others)) list.forEach((t, i) => seen.set(t.storage, `${what} ${i}`));
  for (const [what, list] of Object.entries(own)) {
    for (const [i, t] of list.entries()) {
      if (t === null) continue;
      const other = seen.get(t.storage);
      if (other !== undefined) return `${what} ${i} is in the memory of ${other}`;
      seen.set(t.storage, `${what} ${i}`);
    }
  }
  return null;
}

/** How the gradients of a sample share memory, by each way to ask for them. */
function check(file: OperatorFile, sample: Sample): string | null {
  const way = waysOf(file, sample).find((w) => w.form !== 'inplace');
  if (way === undefined || !sample.grads || sample.random) return null;
  const call = (): { leaves: Tensor[]; outputs: Tensor[]; given: Tensor[]; args: Tensor[] } => {
    const leaves: Tensor[] = [];
    const { result, args, named } = way.run(sample, leaves);
    const list = result instanceof tf.Tensor ? [result] : [...(result as Iterable<Tensor>)];
    const outputs = list.filter((t) => t instanceof tf.Tensor && t.requiresGrad);
    const given = outputs.map((t, k) => cotangent(t.shape, t.dtype, k));
    return { leaves, outputs, given, args: tensorsIn([args, Object.values(named)]) };
  };
  for (const createGraph of [false, true]) {
    const { leaves, outputs, given, args } = call();
    if (outputs.length === 0) return null;
    autograd.backward(outputs, given, { createGraph });
    const accumulated = shared({ grad: leaves.map((x) => x.grad) }, { output: outputs, given, argument: args });
    if (accumulated !== null) return `createGraph ${createGraph}: ${accumulated}`;
    const again = call();
    const captured = autograd.grad(again.outputs, again.leaves, again.given, { createGraph, allowUnused: true });
    const returned = shared(
      { 'grad()': captured },
      { output: again.outputs, given: again.given, argument: again.args },
    );
    if (returned !== null) return `createGraph ${createGraph}: ${returned}`;
  }
  return null;
}

describe('no gradient of an operator is in memory that somebody else sees', () => {
  const files = recordedOperators().map(readOperator);
  it('whoever asks, with a graph and without', () => {
    const found = files.flatMap((file) => {
      const skip = EXCEPTIONS[file.op]?.skip ?? {};
      const samples = file.samples.filter(
        (sample, i) => !(i in skip) && JSON.stringify(sample.args).includes('"float64"'),
      );
      const problems = new Set(samples.map((sample) => check(file, sample)).filter((problem) => problem !== null));
      return [...problems].map((problem) => `${file.op}: ${problem}`);
    });
    expect(found).toEqual([]);
  });
});

describe('.grad', () => {
  it('of two leaves that one gradient reaches, under createGraph: 6 and 4 after a second loss of the first', () => {
    const [a, b] = [ones(1).requiresGrad_(), ones(1).requiresGrad_()];
    a.add(b).pow(2).sum().backward({ createGraph: true });
    a.pow(2).sum().backward();
    expect([a.grad!.item(), b.grad!.item()]).toEqual([6, 4]);
  });
  it('is still there for the second leaf where large memory is given back', () => {
    const [a, b] = [ones(50_000).requiresGrad_(), ones(50_000).requiresGrad_()];
    a.add(b).pow(2).sum().backward();
    expect([a.grad!.sum().item(), b.grad!.sum().item()]).toEqual([200_000, 200_000]);
  });
  it('clipping after createGraph clips each once', () => {
    const [a, b] = [leaf(1), leaf(1)];
    a.add(b).mul(3).sum().backward({ createGraph: true });
    nn.utils.clipGradNorm_([a, b], 1);
    expect(Math.hypot(a.grad!.item(), b.grad!.item())).toBeCloseTo(1, 5);
  });
  it.each([false, true])('is not the tensor that a leaf’s backward was given, createGraph %s', (createGraph) => {
    const [x, g] = [leaf(1, 2), tensor([3, 4], { dtype: 'float64' })];
    x.backward(g, { createGraph });
    tf.noGrad(() => x.grad!.mul_(0));
    expect(g.tolist()).toEqual([3, 4]);
  });
  it.each([false, true])('is not what a hook returned or kept, createGraph %s', (createGraph) => {
    const [x, own] = [leaf(1, 2), tensor([5, 6], { dtype: 'float64' })];
    let seen: Tensor | null = null;
    x.registerHook((g) => void (seen = g));
    x.registerHook(() => own);
    x.mul(2).sum().backward(null, { createGraph });
    tf.noGrad(() => x.grad!.zero_());
    expect(own.tolist()).toEqual([5, 6]);
    expect(seen!.tolist()).toEqual([2, 2]);
  });
  it('kept by retainGrad is not the leaf’s', () => {
    const x = leaf(1, 2);
    const y = x.view(2);
    y.retainGrad();
    y.mul(2).sum().backward(null, { createGraph: true });
    tf.noGrad(() => y.grad!.zero_());
    expect(x.grad!.tolist()).toEqual([2, 2]);
  });
});
