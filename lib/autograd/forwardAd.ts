/**
 * Forward derivatives under the names of torch.autograd.forward_ad. They rest on backward passes: a tangent is read off by two, since
 * the gradient for weights u is linear in u and its own gradient for u is J · v. So a level's function is recorded as for a backward,
 * and every `unpackDual` costs about two to three times what the function costs, not the one more forward of true dual numbers. Inside
 * noGrad nothing is recorded, and tangents are lost.
 */
import { TenfoldError, show } from '../errors.js';
import { isFloatCode } from '../dtype.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { grad as gradientsOf } from './gradients.js';
import { checkEnded, enableGrad } from './mode.js';

interface Dual {
  leaf: Tensor;
  tangent: Tensor;
  /** Whether the primal or the tangent stood in a graph, into which derivatives shall lead. */
  recorded: boolean;
}
/** What makeDual has made at the level that is open; null outside. */
let level: Dual[] | null = null;

/** [primal, tangent] of a dual tensor; the tangent is null for what depends on none. */
export type UnpackedDualTensor = [primal: Tensor, tangent: Tensor | null] & { primal: Tensor; tangent: Tensor | null };

/** Opens a level; there is one at most. See torch.autograd.forward_ad.enter_dual_level. */
export function enterDualLevel(): number {
  if (level !== null)
    throw new TenfoldError('value', 'enterDualLevel: a level is open already, and there are no nested ones');
  level = [];
  return 0;
}
/** Closes the level: its tangents are gone. See torch.autograd.forward_ad.exit_dual_level. */
export function exitDualLevel(): void {
  if (level === null) throw new TenfoldError('value', 'exitDualLevel: no level is open');
  level = null;
}
/**
 * Runs `fn` in a level of its own, or without a function returns a scope for `using _ = autograd.forwardAd.dualLevel()`. `fn` must
 * not be asynchronous. See torch.autograd.forward_ad.dual_level.
 *
 * ```ts
 * const { dualLevel, makeDual, unpackDual } = autograd.forwardAd;
 * dualLevel(() => {
 *   const x = makeDual(tensor([2]), tensor([1]));
 *   return unpackDual(x.pow(3)).tangent; // tensor([12.])
 * });
 * ```
 */
export function dualLevel(): Disposable;
export function dualLevel<T>(fn: () => T): T;
export function dualLevel<T>(fn?: () => T): T | Disposable {
  if (fn !== undefined && typeof fn !== 'function')
    throw new TypeError(`dualLevel: expected a function, got ${show(fn)}`);
  enterDualLevel();
  const own = level;
  const close = (): void => {
    if (level === own) level = null;
  };
  if (fn === undefined) return { [Symbol.dispose]: close };
  try {
    return checkEnded('dualLevel', fn, fn());
  } finally {
    close();
  }
}

function open(call: string): Dual[] {
  if (level === null) throw new TenfoldError('value', `${call}: no level is open; call it inside dualLevel(() => …)`);
  return level;
}
/**
 * A tensor that stands for `tensor` and carries `tangent`, of its shape and dtype, along: what is computed from it does too. See
 * torch.autograd.forward_ad.make_dual.
 */
export function makeDual(tensor: Tensor, tangent: Tensor): Tensor {
  const duals = open('makeDual');
  for (const [name, t] of Object.entries({ tensor, tangent })) {
    if (!(t instanceof Tensor)) throw new TypeError(`makeDual: ${name} must be a tensor, got ${show(t)}`);
    if (!isFloatCode(t.code))
      throw new TenfoldError('dtype', `makeDual: ${name} must be floating-point, got ${t.dtype}`);
  }
  if (!sameShape(tensor.shape, tangent.shape) || tensor.code !== tangent.code)
    throw new TenfoldError('shape', `makeDual: tangent must be ${tensor.dtype} ${formatShape(tensor.shape)}, got ${tangent.dtype} ${formatShape(tangent.shape)}`); // prettier-ignore
  const recorded = tensor.requiresGrad || tangent.requiresGrad;
  const leaf = enableGrad(() =>
    tensor.requiresGrad ? tensor.view([...tensor.shape]) : tensor.detach().requiresGrad_(),
  );
  duals.push({ leaf, tangent, recorded });
  return leaf;
}

/** The sum of J · tangent over all duals; null where the tensor depends on none. */
function tangentOf(tensor: Tensor, duals: readonly Dual[]): Tensor | null {
  if (!tensor.requiresGrad || duals.length === 0) return null;
  return enableGrad(() => {
    const u = Tensor.zeros(tensor.shape, tensor.code).requiresGrad_();
    const leaves = duals.map((d) => d.leaf);
    const options = { gradOutputs: [u], createGraph: true, retainGraph: true, allowUnused: true };
    const found = gradientsOf([tensor], leaves, options);
    if (found.every((g) => g === null)) return null;
    // What doesn't depend on u has a gradient of 0.
    const linear = found.flatMap((g, i) => (g !== null && g.requiresGrad ? [{ g, tangent: duals[i]!.tangent }] : []));
    if (linear.length === 0) return Tensor.zeros(tensor.shape, tensor.code);
    const recorded = duals.some((d) => d.recorded);
    const [tangent] = gradientsOf(linear.map((l) => l.g), [u], {
      gradOutputs: linear.map((l) => l.tangent), createGraph: recorded, retainGraph: true, allowUnused: true,
    }); // prettier-ignore
    return tangent ?? Tensor.zeros(tensor.shape, tensor.code);
  });
}
/** [primal, tangent] of a tensor: J · v, where it was computed from what makeDual gave. See torch.autograd.forward_ad.unpack_dual. */
export function unpackDual(tensor: Tensor): UnpackedDualTensor {
  const duals = open('unpackDual');
  if (!(tensor instanceof Tensor)) throw new TypeError(`unpackDual: expected a tensor, got ${show(tensor)}`);
  const own = duals.find((d) => d.leaf === tensor);
  const tangent = own?.tangent ?? tangentOf(tensor, duals);
  const primal = duals.some((d) => d.recorded) ? tensor : tensor.detach();
  return Object.assign([primal, tangent], { primal, tangent }) as UnpackedDualTensor;
}
