/** Limits on gradients. */
import { TenfoldError, checkIterable, checkOptions, show } from '../../errors.js';
import { mode } from '../../autograd/mode.js';
import { Tensor } from '../../tensor/tensor.js';
import { tensor } from '../../ops/creation.js';

function gradsOf(call: string, parameters: Tensor | Iterable<Tensor>): Tensor[] {
  checkIterable(call, 'a tensor or a list of tensors', parameters);
  const list = parameters instanceof Tensor ? [parameters] : [...parameters];
  for (const p of list)
    if (!(p instanceof Tensor)) throw new TypeError(`${call}: parameters must be tensors, got ${show(p)}`);
  // `.meta` and not `.grad`: reading that tells the engine that somebody else holds the gradient's memory.
  return list.flatMap((p) => p.meta?.grad ?? []);
}
function checkLimit(call: string, name: string, value: unknown): void {
  if (typeof value !== 'number' || Number.isNaN(value))
    throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
}
function withoutGrad<T>(fn: () => T): T {
  const before = mode.grad;
  mode.grad = false;
  try {
    return fn();
  } finally {
    mode.grad = before;
  }
}

/** Norm of all tensors' elements taken together; a 0-dim tensor. See torch.nn.utils.get_total_norm. */
export function getTotalNorm(tensors: Iterable<Tensor>, normType = 2): Tensor {
  const list = [...tensors];
  if (list.length === 0) return tensor(0);
  return withoutGrad(() => {
    if (normType === Infinity) return list.map((g) => g.abs().amax()).reduce((a, b) => a.maximum(b.to(a.dtype)));
    if (normType === 2) return list.map((g) => g.square().sum()).reduce((a, b) => a.add(b)).sqrt(); // prettier-ignore
    return list.map((g) => g.abs().pow(normType).sum()).reduce((a, b) => a.add(b)).pow(1 / normType); // prettier-ignore
  });
}

/**
 * Scales the gradients of all parameters so that their norm, taken together, is at most maxNorm; returns the norm before. See
 * torch.nn.utils.clip_grad_norm_.
 * @throws TenfoldError 'value' where the norm is not finite, if errorIfNonfinite.
 */
export function clipGradNorm_(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: number | { normType?: number; errorIfNonfinite?: boolean } = {},
): Tensor {
  if (typeof options === 'object') checkOptions('clipGradNorm_', options, ['normType', 'errorIfNonfinite']);
  const { normType = 2, errorIfNonfinite = false } = typeof options === 'number' ? { normType: options } : options;
  checkLimit('clipGradNorm_', 'maxNorm', maxNorm);
  const grads = gradsOf('clipGradNorm_', parameters);
  const total = getTotalNorm(grads, normType);
  if (errorIfNonfinite && !Number.isFinite(Number(total.item()))) {
    throw new TenfoldError('value', `clipGradNorm_: the gradients' norm is ${String(total.item())}`);
  }
  withoutGrad(() => {
    const factor = total.add(1e-6).reciprocal().mul(maxNorm).clamp({ max: 1 });
    for (const g of grads) g.mul_(factor);
  });
  return total;
}

/** Limits every element of the gradients to ±clipValue. See torch.nn.utils.clip_grad_value_. */
export function clipGradValue_(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  checkLimit('clipGradValue_', 'clipValue', clipValue);
  withoutGrad(() => {
    for (const g of gradsOf('clipGradValue_', parameters)) g.clamp_(-clipValue, clipValue);
  });
}
