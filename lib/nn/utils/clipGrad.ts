/** Limits on gradients. */
import { TenfoldError, checkIterable, renamed, show } from '../../errors.js';
import { mode } from '../../autograd/mode.js';
import { checkInterval } from '../../launch/check.js';
import { signature, type Arguments } from '../../op/schema.js';
import { Tensor, isTensor } from '../../tensor/tensor.js';
import { tensor } from '../../ops/creation.js';
import { stack } from '../../ops/joining.js';
import { vectorNorm } from '../../ops/norm.js';

/** Tensors, or one. */
type TensorsOrOne = Tensor | Iterable<Tensor>;
/** Arguments behind the first ones, which a schema can't type. */
type Rest<S extends string> = Arguments<S>;

function listOf(call: string, name: string, given: unknown): Tensor[] {
  if (!(given instanceof Tensor)) checkIterable(call, 'a tensor or a list of tensors', given);
  const list: unknown[] = given instanceof Tensor ? [given] : [...(given as Iterable<unknown>)];
  for (const t of list) if (!isTensor(t)) throw new TypeError(`${call}: ${name} must be tensors, got ${show(t)}`);
  return list as Tensor[];
}
// `.meta` and not `.grad`: reading that tells the engine that somebody else holds the gradient's memory.
const gradsOf = (call: string, parameters: unknown): Tensor[] =>
  listOf(call, 'parameters', parameters).flatMap((p) => p.meta?.grad ?? []);

function checkLimit(call: string, name: string, value: number): void {
  if (Number.isNaN(value)) throw new TypeError(`${call}: ${name} must be a number, got NaN`);
}
function orderOf(call: string, normType: unknown): number {
  const order = normType === 'inf' ? Infinity : normType;
  if (typeof order !== 'number' || Number.isNaN(order))
    throw new TypeError(`${call}: normType must be a number or 'inf', got ${show(normType)}`);
  return order;
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

// The norm of the tensors' norms, each of which is summed in float32 for half types.
function totalNorm(call: string, tensors: readonly Tensor[], normType: unknown, errorIfNonfinite: boolean): Tensor {
  const order = orderOf(call, normType);
  if (tensors.length === 0) return tensor(0);
  const total = withoutGrad(() =>
    renamed(call, () => vectorNorm(stack(tensors.map((g) => vectorNorm(g, order))), order)),
  );
  if (errorIfNonfinite) {
    const refusal = (norm: number): Error =>
      new TenfoldError(
        'value',
        `${call}: the gradients' norm is ${norm}; nothing was changed. Without errorIfNonfinite they are scaled by it`,
      );
    checkInterval(total, -Number.MAX_VALUE, Number.MAX_VALUE, refusal, { finite: true });
  }
  return total;
}
function scale(grads: readonly Tensor[], maxNorm: number, total: Tensor): void {
  withoutGrad(() => {
    const factor = total.add(1e-6).reciprocal().mul(maxNorm).clamp({ max: 1 });
    for (const g of grads) g.mul_(factor);
  });
}

const totalNormCall = signature('getTotalNorm(float normType=2, bool errorIfNonfinite=false, bool? foreach=null)');
/** Norm of all tensors' elements taken together; a 0-dim tensor. See torch.nn.utils.get_total_norm. */
export function getTotalNorm(tensors: TensorsOrOne, ...args: Rest<typeof totalNormCall.schema>): Tensor {
  const [normType, errorIfNonfinite] = totalNormCall.read(args);
  return totalNorm('getTotalNorm', listOf('getTotalNorm', 'tensors', tensors), normType, errorIfNonfinite);
}

const clipNormCall = signature(
  'clipGradNorm_(float maxNorm, any normType=2, bool errorIfNonfinite=false, bool? foreach=null)',
);
/**
 * Scales the gradients of all parameters so that their norm, taken together, is at most maxNorm; returns the norm before.
 * `foreach` is accepted and means nothing here. See torch.nn.utils.clip_grad_norm_.
 * @throws TenfoldError 'value' where the norm is not finite, if errorIfNonfinite; the gradients then stay as they are.
 */
export function clipGradNorm_(parameters: TensorsOrOne, ...args: Rest<typeof clipNormCall.schema>): Tensor {
  const [maxNorm, normType, errorIfNonfinite] = clipNormCall.read(args);
  checkLimit('clipGradNorm_', 'maxNorm', maxNorm);
  const grads = gradsOf('clipGradNorm_', parameters);
  const total = totalNorm('clipGradNorm_', grads, normType, errorIfNonfinite);
  scale(grads, maxNorm, total);
  return total;
}

const withNormCall = signature('clipGradsWithNorm_(float maxNorm, Tensor totalNorm, bool? foreach=null)');
/** clipGradNorm_ with a norm that is known already. See torch.nn.utils.clip_grads_with_norm_. */
export function clipGradsWithNorm_(parameters: TensorsOrOne, ...args: Rest<typeof withNormCall.schema>): void {
  const [maxNorm, total] = withNormCall.read(args);
  checkLimit('clipGradsWithNorm_', 'maxNorm', maxNorm);
  const grads = gradsOf('clipGradsWithNorm_', parameters);
  renamed('clipGradsWithNorm_', () => scale(grads, maxNorm, total));
}

const clipValueCall = signature('clipGradValue_(float clipValue, bool? foreach=null)');
/** Limits every element of the gradients to ±clipValue. See torch.nn.utils.clip_grad_value_. */
export function clipGradValue_(parameters: TensorsOrOne, ...args: Rest<typeof clipValueCall.schema>): void {
  const [clipValue] = clipValueCall.read(args);
  checkLimit('clipGradValue_', 'clipValue', clipValue);
  withoutGrad(() => {
    for (const g of gradsOf('clipGradValue_', parameters)) g.clamp_(-clipValue, clipValue);
  });
}
