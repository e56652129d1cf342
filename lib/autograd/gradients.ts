/** Gradients of tensors: grad, backward. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { NamedTensors } from '../tensor/namedTensors.js';
import { Tensor, runOptions, rootGradient, wantedInputs, type BackwardOptions } from '../tensor/tensor.js';
import { runBackward } from './engine.js';

export const asList = <T>(x: T | readonly T[] | NamedTensors): readonly T[] =>
  Array.isArray(x) ? (x as readonly T[]) : x instanceof NamedTensors ? ([...x] as T[]) : [x as T];
export function checkTensors(call: string, name: string, list: readonly unknown[]): void {
  for (const t of list)
    if (!(t instanceof Tensor)) throw new TypeError(`${call}: '${name}' must be tensors, got ${show(t)}`);
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
