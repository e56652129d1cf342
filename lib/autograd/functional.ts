/** Gradients as values: grad, backward, jacobian, hessian, vjp. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { fillElements } from '../tensor/copy.js';
import { Tensor, runOptions, rootGradient, wantedInputs, type BackwardOptions } from '../tensor/tensor.js';
import { enableGrad } from './mode.js';
import { runBackward } from './engine.js';

const asList = <T>(x: T | readonly T[]): readonly T[] => (Array.isArray(x) ? (x as readonly T[]) : [x as T]);
function checkTensors(call: string, name: string, list: readonly unknown[]): void {
  for (const t of list)
    if (!(t instanceof Tensor)) throw new TypeError(`${call}: '${name}' must be tensors, got ${show(t)}`);
}
function checkFunction(call: string, fn: unknown): void {
  if (typeof fn !== 'function') throw new TypeError(`${call}: expected a function, got ${show(fn)}`);
}
/** Gradients that a run starts from, one per root where any are given; null stands for 1. */
function rootGradients(call: string, roots: readonly Tensor[], given: unknown): Tensor[] {
  const list = given === undefined || given === null ? null : asList(given as Tensor | null | (Tensor | null)[]);
  if (list !== null && list.length !== roots.length) {
    throw new TenfoldError('shape', `${call}: ${list.length} gradients were given for ${roots.length} outputs`);
  }
  return roots.map((root, i) => rootGradient(call, root, list?.[i] ?? null));
}

/** Options of grad(). */
export interface GradOptions {
  gradOutputs?: Tensor | null | readonly (Tensor | null)[];
  retainGraph?: boolean;
  createGraph?: boolean;
  allowUnused?: boolean;
}

/**
 * Gradients of the sum of outputs (each weighted by its gradOutputs) with respect to inputs, as a list; nothing is added
 * to `.grad`. An input that the outputs don't depend on is an error, or null under `allowUnused`. See torch.autograd.grad.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  gradOutputs?: GradOptions['gradOutputs'] | GradOptions,
  options: GradOptions = {},
): Tensor[] {
  const named =
    gradOutputs !== null &&
    typeof gradOutputs === 'object' &&
    !Array.isArray(gradOutputs) &&
    !(gradOutputs instanceof Tensor);
  const o: GradOptions = named
    ? (gradOutputs as GradOptions)
    : { ...options, gradOutputs: (gradOutputs as GradOptions['gradOutputs']) ?? options.gradOutputs };
  checkOptions('autograd.grad', o, ['gradOutputs', 'retainGraph', 'createGraph', 'allowUnused']);
  const roots = asList(outputs);
  const wanted = asList(inputs);
  checkTensors('autograd.grad', 'outputs', roots);
  checkTensors('autograd.grad', 'inputs', wanted);
  for (const t of wanted) {
    if (!t.requiresGrad) throw new TenfoldError('graph', "autograd.grad: one of the inputs doesn't require grad");
  }
  const run = runOptions('autograd.grad', o.createGraph, o.retainGraph, wanted, false);
  const results = runBackward(roots, rootGradients('autograd.grad', roots, o.gradOutputs), run);
  results.forEach((g, i) => {
    if (g === null && !o.allowUnused) {
      throw new TenfoldError(
        'graph',
        `autograd.grad: input ${i} was not used to compute the outputs; { allowUnused: true } gives null for it`,
      );
    }
  });
  return results as Tensor[];
}

/**
 * Backward of several tensors at once, with one gradient for each (null for 1, where a tensor has a single element). Options
 * and errors are those of Tensor.backward. See torch.autograd.backward.
 */
export function backward(
  tensors: Tensor | readonly Tensor[],
  gradTensors: Tensor | null | readonly (Tensor | null)[] = null,
  options: BackwardOptions = {},
): void {
  checkOptions('autograd.backward', options, ['retainGraph', 'createGraph', 'inputs']);
  const roots = asList(tensors);
  checkTensors('autograd.backward', 'tensors', roots);
  const inputs = wantedInputs('autograd.backward', options.inputs);
  const run = runOptions('autograd.backward', options.createGraph, options.retainGraph, inputs);
  runBackward(roots, rootGradients('autograd.backward', roots, gradTensors), run);
}

type Fn = (...inputs: Tensor[]) => Tensor;

/**
 * Jacobian of a function of one or several tensors: for each input a tensor of shape [...output, ...input]; a single
 * tensor for a single input. See torch.autograd.functional.jacobian.
 */
export function jacobian(fn: Fn, inputs: Tensor, options?: { createGraph?: boolean }): Tensor;
export function jacobian(fn: Fn, inputs: readonly Tensor[], options?: { createGraph?: boolean }): Tensor[];
export function jacobian(
  fn: Fn,
  inputs: Tensor | readonly Tensor[],
  options: { createGraph?: boolean } = {},
): Tensor | Tensor[] {
  checkOptions('autograd.jacobian', options, ['createGraph']);
  checkFunction('autograd.jacobian', fn);
  checkTensors('autograd.jacobian', 'inputs', asList(inputs));
  const createGraph = options.createGraph ?? false;
  return enableGrad(() => {
    const own = asList(inputs).map((t) => (createGraph && t.requiresGrad ? t : t.detach().requiresGrad_(true)));
    const out = fn(...own);
    if (!(out instanceof Tensor))
      throw new TypeError(`autograd.jacobian: the function must return a tensor, got ${show(out)}`);
    const rows = own.map((): Tensor[] => []);
    for (let i = 0; i < out.numel(); i++) {
      const one = Tensor.zeros(out.shape, out.code);
      const flat = one.view(-1).narrow(0, i, 1);
      fillElements(flat, 1);
      const g = out.requiresGrad
        ? (runBackward([out], [one], {
            retainGraph: true,
            createGraph,
            inputs: own,
            accumulate: false,
          }) as (Tensor | null)[])
        : own.map(() => null);
      g.forEach((x, k) => rows[k]!.push(x ?? Tensor.zeros(own[k]!.shape, own[k]!.code)));
    }
    const results = rows.map((list, k) => {
      const { shape, code } = own[k]!;
      const whole = [...out.shape, ...shape];
      return list.length === 0 ? Tensor.zeros(whole, code) : stack(list).reshape(whole);
    });
    return Array.isArray(inputs) ? results : results[0]!;
  });
}
/** Rows in one tensor, by recorded copies; ops/joining.ts can't be imported here. */
const stack = (list: readonly Tensor[]): Tensor => {
  const first = list[0]!;
  const out = Tensor.raw([list.length, ...first.shape], first.code);
  list.forEach((t, i) => out.select(0, i).copy_(t));
  return out;
};

/** Hessian of a scalar function: [...input, ...input]. See torch.autograd.functional.hessian. */
export function hessian(fn: Fn, input: Tensor): Tensor {
  checkFunction('autograd.hessian', fn);
  const gradient = (x: Tensor): Tensor => grad(fn(x), x, { createGraph: true })[0]!;
  return enableGrad(() => jacobian((x) => gradient(x), input));
}

/** Value of fn and the product of v with its Jacobian, as [output, gradients]. See torch.autograd.functional.vjp. */
export function vjp(fn: Fn, inputs: Tensor, v?: Tensor): [Tensor, Tensor];
export function vjp(fn: Fn, inputs: readonly Tensor[], v?: Tensor): [Tensor, Tensor[]];
export function vjp(fn: Fn, inputs: Tensor | readonly Tensor[], v?: Tensor): [Tensor, Tensor | Tensor[]] {
  checkFunction('autograd.vjp', fn);
  checkTensors('autograd.vjp', 'inputs', asList(inputs));
  return enableGrad(() => {
    const own = asList(inputs).map((t) => t.detach().requiresGrad_(true));
    const out = fn(...own);
    if (!(out instanceof Tensor))
      throw new TypeError(`autograd.vjp: the function must return a tensor, got ${show(out)}`);
    const grads = grad(out, own, { gradOutputs: v ?? null, allowUnused: true }).map(
      (g, i) => g ?? Tensor.zeros(own[i]!.shape, own[i]!.code),
    );
    return [out.detach(), Array.isArray(inputs) ? grads : grads[0]!];
  });
}
