/** Gradients as values: grad, backward, jacobian, hessian, vjp, and checkpoint. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { fillElements } from '../tensor/copy.js';
import { Tensor, rootGradient } from '../tensor/tensor.js';
import { type FunctionContext, Function as AutogradFunction } from './function.js';
import { enableGrad } from './mode.js';
import { runBackward } from './engine.js';
import { defaultGenerator } from '../random/generator.js';

const asList = <T>(x: T | readonly T[]): readonly T[] => (Array.isArray(x) ? (x as readonly T[]) : [x as T]);
function checkTensors(call: string, name: string, list: readonly unknown[]): void {
  for (const t of list)
    if (!(t instanceof Tensor)) throw new TypeError(`${call}: '${name}' must be tensors, got ${show(t)}`);
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
  const given = o.gradOutputs === undefined || o.gradOutputs === null ? [] : asList(o.gradOutputs);
  for (const t of wanted) {
    if (!t.requiresGrad) throw new TenfoldError('graph', "autograd.grad: one of the inputs doesn't require grad");
  }
  const createGraph = o.createGraph ?? false;
  const grads = roots.map((r, i) => rootGradient('autograd.grad', r, given[i] ?? null));
  const results = runBackward(roots, grads, {
    retainGraph: o.retainGraph ?? createGraph,
    createGraph,
    inputs: wanted,
    accumulate: false,
  });
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

/** Backward of several tensors at once; see Tensor.backward. */
export function backward(
  tensors: Tensor | readonly Tensor[],
  gradTensors: Tensor | null | readonly (Tensor | null)[] = null,
  options: { retainGraph?: boolean; createGraph?: boolean; inputs?: Tensor[] } = {},
): void {
  checkOptions('autograd.backward', options, ['retainGraph', 'createGraph', 'inputs']);
  const roots = asList(tensors);
  const given = gradTensors === null ? [] : asList(gradTensors);
  const createGraph = options.createGraph ?? false;
  runBackward(
    roots,
    roots.map((r, i) => rootGradient('autograd.backward', r, given[i] ?? null)),
    {
      retainGraph: options.retainGraph ?? createGraph,
      createGraph,
      inputs: options.inputs ?? null,
      accumulate: options.inputs !== undefined,
    },
  );
}

type Fn = (...inputs: Tensor[]) => Tensor;

/**
 * Jacobian of a function of one or several tensors: for each input a tensor of shape [...output, ...input]; a single
 * tensor for a single input. See torch.autograd.functional.jacobian.
 */
export function jacobian(
  fn: Fn,
  inputs: Tensor | readonly Tensor[],
  options: { createGraph?: boolean } = {},
): Tensor | Tensor[] {
  checkOptions('autograd.jacobian', options, ['createGraph']);
  const createGraph = options.createGraph ?? false;
  return enableGrad(() => {
    const own = asList(inputs).map((t) =>
      createGraph && t.requiresGrad ? t.stridedView(t.shape, t.strides, t.offset) && t : t.detach().requiresGrad_(true),
    );
    const out = fn(...own);
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
    const results = rows.map((list, k) => stack(list).reshape([...out.shape, ...own[k]!.shape]));
    return Array.isArray(inputs) ? results : results[0]!;
  });
}
const stack = (list: readonly Tensor[]): Tensor => {
  const first = list[0]!;
  const out = Tensor.raw([list.length, ...first.shape], first.code);
  let result = out;
  list.forEach((t, i) => (result = (result.select(0, i).copy_(t), result)));
  return result;
};

/** Hessian of a scalar function: [...input, ...input]. See torch.autograd.functional.hessian. */
export function hessian(fn: Fn, input: Tensor): Tensor {
  const gradient = (x: Tensor): Tensor => grad(fn(x), x, { createGraph: true })[0]!;
  return enableGrad(() => jacobian((x) => gradient(x), input) as Tensor);
}

/** Value of fn and the product of v with its Jacobian, as [output, gradients]. See torch.autograd.functional.vjp. */
export function vjp(fn: Fn, inputs: Tensor | readonly Tensor[], v?: Tensor): [Tensor, Tensor | Tensor[]] {
  return enableGrad(() => {
    const own = asList(inputs).map((t) => t.detach().requiresGrad_(true));
    const out = fn(...own);
    const grads = grad(out, own, { gradOutputs: v ?? null, allowUnused: true }).map(
      (g, i) => g ?? Tensor.zeros(own[i]!.shape, own[i]!.code),
    );
    return [out.detach(), Array.isArray(inputs) ? grads : grads[0]!];
  });
}

/**
 * Runs fn without keeping its inner tensors, and runs it again in backward: less memory for one more forward. Random
 * numbers are the same in both runs. See torch.utils.checkpoint.checkpoint.
 */
export function checkpoint(fn: (...args: Tensor[]) => Tensor | Tensor[], ...args: Tensor[]): Tensor | Tensor[] {
  const state = defaultGenerator.getState();
  class Checkpoint extends AutogradFunction {
    static override forward(ctx: FunctionContext, ...inputs: Tensor[]): Tensor | Tensor[] {
      ctx.saveForBackward(...inputs);
      return fn(...inputs);
    }
    static override backward(ctx: FunctionContext, ...grads: Tensor[]): (Tensor | null)[] {
      const own = ctx.savedTensors.map((t) => {
        const copy = t.detach();
        return t.requiresGrad ? copy.requiresGrad_(true) : copy;
      });
      const now = defaultGenerator.getState();
      defaultGenerator.setState(state);
      let outputs: readonly Tensor[];
      try {
        outputs = enableGrad(() => asList(fn(...own)));
      } finally {
        defaultGenerator.setState(now);
      }
      // Full backward, so that parameters inside fn gather their gradients too.
      const live = outputs.map((o, i) => [o, grads[i]!] as const).filter(([o]) => o.requiresGrad);
      runBackward(
        live.map(([o]) => o),
        live.map(([, g]) => g),
        { retainGraph: false, createGraph: false, inputs: null, accumulate: false },
      );
      return own.map((t) => t.grad);
    }
  }
  return AutogradFunction.apply.call(Checkpoint, ...args) as Tensor | Tensor[];
}
