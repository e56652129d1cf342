/** Second derivatives of fused ops: through the formula of public ops that the fused kernel stands for. */
import { mode } from '../autograd/mode.js';
import { grad } from '../autograd/gradients.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Gradients of `formula(inputs)` for the inputs, given those of its results. Partial ones: each input counts as itself, also
 * where one was made of another. null where an input is missing or needs none.
 */
export function throughFormula(
  inputs: readonly (Tensor | null)[],
  formula: (inputs: (Tensor | null)[]) => Tensor[],
  grads: readonly (Tensor | null)[],
): (Tensor | null)[] {
  const createGraph = mode.grad;
  mode.grad = true;
  try {
    // A node of its own before each input: what lies behind it isn't followed.
    const own = inputs.map((t) => (t === null ? null : t.requiresGrad ? t.view([...t.shape]) : t));
    const wanted = own.filter((t): t is Tensor => t !== null && t.requiresGrad);
    if (wanted.length === 0) return inputs.map(() => null);
    const results = formula(own);
    const roots = results.flatMap((r, i) => (r.requiresGrad && grads[i] ? [i] : []));
    const found = grad(
      roots.map((i) => results[i]!),
      wanted,
      { gradOutputs: roots.map((i) => grads[i]!), createGraph, allowUnused: true },
    );
    return own.map((t) => (t === null || !t.requiresGrad ? null : (found[wanted.indexOf(t)] ?? null)));
  } finally {
    mode.grad = createGraph;
  }
}
