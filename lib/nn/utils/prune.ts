/**
 * Pruning: parameters with parts set to 0 by a mask, as torch.nn.utils.prune. The parameter becomes `weight_orig` and the buffer
 * `weight_mask`, PyTorch's names; before every forward their product is put where it was.
 *
 * An amount is a number of elements (or channels) where it is an integer, else a part of them: 0.3. Of all of them, say so by their
 * number: JavaScript's 1.0 is the integer 1.
 */
import { TenfoldError, rename, show } from '../../errors.js';
import { isFloatCode } from '../../dtype.js';
import { noGrad } from '../../autograd/mode.js';
import { cat } from '../../ops/joining.js';
import { rand } from '../../ops/random.js';
import { matrixNorm } from '../../ops/linalg.js';
import { vectorNorm } from '../../ops/norm.js';
import { formatShape, sameShape, wrapDim } from '../../tensor/shape.js';
import { halfToEven } from '../../tensor/rounding.js';
import { Tensor } from '../../tensor/tensor.js';
import { Module, findHooks } from '../module.js';
import { type Parameter } from '../parameter.js';
import { Reparameterization, findReparameterization, ownMemory, takeParameter } from './reparameterization.js';

/** What of a tensor a method may take away: single elements, whole channels, or anything. */
export type PruningType = 'unstructured' | 'structured' | 'global';
type Members = Record<string, unknown>;
const members = (module: Module): Members => module as unknown as Members;

// ---- methods -----------------------------------------------------------------------------------------------------------

/** Base of pruning methods: a subclass says which part of a tensor goes. See torch.nn.utils.prune.BasePruningMethod. */
export abstract class BasePruningMethod {
  abstract readonly pruningType: PruningType;
  /** For structured methods: the dim of channels. */
  readonly dim: number = -1;
  /** The new mask, of 1 and 0, from the tensor (or scores of its elements) and the mask so far. */
  abstract computeMask(t: Tensor, defaultMask: Tensor): Tensor;
  /** t with its pruned elements 0; by the scores, where given. */
  prune(t: Tensor, defaultMask: Tensor | null = null, importanceScores: Tensor | null = null): Tensor {
    checkScores('prune', t, importanceScores);
    return t.mul(this.computeMask(importanceScores ?? t, defaultMask ?? onesLike(t)));
  }
  /** Prunes a parameter of a module, further where it is pruned already; returns the module. */
  apply<M extends Module>(module: M, name: string, importanceScores: Tensor | null = null): M {
    applyTo(this, module, name, importanceScores);
    return module;
  }
}
/** Several methods for one tensor: each acts on what the ones before have left. See torch.nn.utils.prune.PruningContainer. */
export class PruningContainer extends BasePruningMethod {
  readonly pruningType = 'global';
  readonly methods: BasePruningMethod[] = [];
  constructor(...methods: BasePruningMethod[]) {
    super();
    for (const method of methods) this.addPruningMethod(method);
  }
  get length(): number {
    return this.methods.length;
  }
  addPruningMethod(method: BasePruningMethod): void {
    checkMethod('addPruningMethod', method);
    this.methods.push(method);
  }
  override computeMask(t: Tensor, mask: Tensor): Tensor {
    const method = this.methods.at(-1);
    if (method === undefined) return mask;
    return noGrad(() => continued(method, t.detach(), mask));
  }
}
/** The mask after one more method, which sees only what the mask has left. */
function continued(method: BasePruningMethod, t: Tensor, mask: Tensor): Tensor {
  if (method.pruningType === 'global') return method.computeMask(t, mask);
  const out = mask.to(t.dtype, { copy: true }).contiguous();
  if (method.pruningType === 'unstructured') {
    const left = mask.eq(1);
    return out.maskedScatter(left, method.computeMask(t.maskedSelect(left), mask.maskedSelect(left)).to(t.dtype));
  }
  const dim = wrapDim('prune', method.dim, t.shape.length);
  const others = t.shape.map((_, i) => i).filter((i) => i !== dim);
  const kept = mask.sum(others).ne(0).nonzero().squeeze(1);
  const part = method.computeMask(t.indexSelect(dim, kept), mask.indexSelect(dim, kept));
  return out.indexCopy(dim, kept, part.to(t.dtype));
}

const onesLike = (t: Tensor): Tensor => Tensor.zeros(t.shape, t.code).fill_(1);
function checkMethod(call: string, method: unknown): asserts method is BasePruningMethod {
  if (!(method instanceof BasePruningMethod))
    throw new TypeError(`${call}: expected a pruning method, got ${show(method)}`);
}
function checkScores(call: string, t: Tensor, scores: Tensor | null): void {
  if (scores === null) return;
  if (!(scores instanceof Tensor))
    throw new TypeError(`${call}: importanceScores must be a tensor or null, got ${show(scores)}`);
  if (!sameShape(scores.shape, t.shape))
    throw new TenfoldError('shape', `${call}: importanceScores must have the tensor's shape ${formatShape(t.shape)}, got ${formatShape(scores.shape)}`); // prettier-ignore
}
function checkAmount(call: string, amount: unknown): asserts amount is number {
  if (typeof amount !== 'number') throw new TypeError(`${call}: amount must be a number, got ${show(amount)}`);
  if (!(amount >= 0 && (Number.isInteger(amount) || amount <= 1)))
    throw new RangeError(`${call}: amount must be a number of elements, or a part of them from 0 to 1, got ${amount}`);
}
/** Number of those to take away, of `size`; halves to the even one, as Python rounds. */
function countOf(call: string, amount: number, size: number): number {
  if (Number.isInteger(amount)) {
    if (amount > size) throw new RangeError(`${call}: amount ${amount} is more than the ${size} that there are`);
    return amount;
  }
  return halfToEven(amount * size);
}
/** The mask without the elements at flat places. */
function without(mask: Tensor, places: Tensor): Tensor {
  return mask
    .reshape([-1])
    .indexFill(0, places, 0)
    .view([...mask.shape]);
}
/** The mask with 0 for all channels along `dim` but those that are kept. */
function channels(mask: Tensor, dim: number, kept: Tensor): Tensor {
  const shape = mask.shape.map((size, i) => (i === dim ? size : 1));
  return mask.mul(kept.to(mask.dtype).view(shape));
}
function channelDim(call: string, t: Tensor, dim: number): number {
  if (t.shape.length < 2)
    throw new TenfoldError('shape', `${call}: channels are pruned of tensors of at least two dims, got ${formatShape(t.shape)}`); // prettier-ignore
  return wrapDim(call, dim, t.shape.length);
}

/** Takes nothing away. See torch.nn.utils.prune.Identity. */
export class Identity extends BasePruningMethod {
  readonly pruningType = 'unstructured';
  override computeMask(_: Tensor, mask: Tensor): Tensor {
    return mask;
  }
}
/** Takes random elements away. See torch.nn.utils.prune.RandomUnstructured. */
export class RandomUnstructured extends BasePruningMethod {
  readonly pruningType = 'unstructured';
  constructor(readonly amount: number) {
    super();
    checkAmount('RandomUnstructured', amount);
  }
  override computeMask(t: Tensor, mask: Tensor): Tensor {
    const count = countOf('RandomUnstructured', this.amount, t.count);
    return count === 0 ? mask.clone() : without(mask, rand(t.shape, { dtype: t.dtype }).reshape([-1]).topk(count).indices); // prettier-ignore
  }
}
/** Takes the elements of least magnitude away. See torch.nn.utils.prune.L1Unstructured. */
export class L1Unstructured extends BasePruningMethod {
  readonly pruningType = 'unstructured';
  constructor(readonly amount: number) {
    super();
    checkAmount('L1Unstructured', amount);
  }
  override computeMask(t: Tensor, mask: Tensor): Tensor {
    const count = countOf('L1Unstructured', this.amount, t.count);
    return count === 0 ? mask.clone() : without(mask, t.abs().reshape([-1]).topk(count, { largest: false }).indices);
  }
}
/** Takes random channels along `dim` away. See torch.nn.utils.prune.RandomStructured. */
export class RandomStructured extends BasePruningMethod {
  readonly pruningType = 'structured';
  constructor(
    readonly amount: number,
    override readonly dim = -1,
  ) {
    super();
    checkAmount('RandomStructured', amount);
  }
  override computeMask(t: Tensor, mask: Tensor): Tensor {
    const dim = channelDim('RandomStructured', t, this.dim);
    const size = t.shape[dim]!;
    const count = countOf('RandomStructured', this.amount, size);
    if (count === 0) return mask;
    const draws = rand([size]);
    return channels(mask, dim, draws.gt(draws.kthvalue(count).values));
  }
}
/** Takes the channels along `dim` of least n-norm away; n as vectorNorm's ord, or 'fro', 'nuc'. See torch.nn.utils.prune.LnStructured. */
export class LnStructured extends BasePruningMethod {
  readonly pruningType = 'structured';
  constructor(
    readonly amount: number,
    readonly n: number | 'fro' | 'nuc',
    override readonly dim = -1,
  ) {
    super();
    checkAmount('LnStructured', amount);
    if (typeof n !== 'number' && n !== 'fro' && n !== 'nuc')
      throw new TypeError(`LnStructured: n must be a number, 'fro' or 'nuc', got ${show(n)}`);
  }
  override computeMask(t: Tensor, mask: Tensor): Tensor {
    const dim = channelDim('LnStructured', t, this.dim);
    const size = t.shape[dim]!;
    const count = countOf('LnStructured', this.amount, size);
    if (count === 0) return mask;
    const others = t.shape.map((_, i) => i).filter((i) => i !== dim);
    const matrix = others.length === 2 ? others : [-2, -1];
    const norms =
      this.n === 'nuc' ? matrixNorm(t, 'nuc', matrix) : vectorNorm(t, this.n === 'fro' ? 2 : this.n, others);
    const kept = Tensor.zeros([size], mask.code).indexFill(0, norms.topk(size - count).indices, 1);
    return channels(mask, dim, kept);
  }
}
/** Takes away what a mask says. See torch.nn.utils.prune.CustomFromMask. */
export class CustomFromMask extends BasePruningMethod {
  readonly pruningType = 'global';
  constructor(readonly mask: Tensor) {
    super();
    if (!(mask instanceof Tensor)) throw new TypeError(`CustomFromMask: mask must be a tensor, got ${show(mask)}`);
  }
  override computeMask(_: Tensor, mask: Tensor): Tensor {
    if (!sameShape(mask.shape, this.mask.shape))
      throw new TenfoldError('shape', `CustomFromMask: mask must be ${formatShape(mask.shape)}, got ${formatShape(this.mask.shape)}`); // prettier-ignore
    return mask.mul(this.mask.to(mask.dtype));
  }
}

// ---- modules -----------------------------------------------------------------------------------------------------------

/** A pruned parameter: mask · original before every forward. */
class Pruned extends Reparameterization {
  constructor(
    property: string,
    key: string,
    readonly method: BasePruningMethod,
  ) {
    super(property, key);
  }
  override compute(module: Module): Tensor {
    const original = this.part(module, '_orig');
    return this.part(module, '_mask').to(original.dtype).mul(original);
  }
  start(module: Module, original: Parameter, mask: Tensor): void {
    this.begin(module, { _orig: original, _mask: mask }, () => this.compute(module));
  }
  /** A further method on the same hook. */
  with(method: BasePruningMethod): PruningContainer {
    return this.method instanceof PruningContainer
      ? new PruningContainer(...this.method.methods, method)
      : new PruningContainer(this.method, method);
  }
  /** Puts the parameter back, with zeros where it was pruned. */
  finish(module: Module): void {
    const original = this.part(module, '_orig') as Parameter;
    const value = noGrad(() => this.compute(module));
    this.end(module, ['_orig', '_mask'], value);
    original.data = ownMemory(value);
    delete members(module)[this.property];
    module.registerParameter(this.property, original);
  }
}
function applyTo(method: BasePruningMethod, module: Module, name: string, scores: Tensor | null): void {
  if (!(module instanceof Module)) throw new TypeError(`prune: expected a module, got ${show(module)}`);
  checkMethod('prune', method);
  const known = findReparameterization(Pruned, module, name);
  if (known !== null) {
    const original = members(module)[`${known.key}_orig`] as Tensor;
    const mask = members(module)[`${known.key}_mask`] as Tensor;
    checkScores('prune', original, scores);
    const whole = known.with(method);
    const next = whole.computeMask(scores ?? known.compute(module).detach(), mask.clone());
    findHooks(module)!.removeForwardPre(known.hook);
    const again = new Pruned(known.property, known.key, whole);
    noGrad(() => mask.copy_(next));
    again.resume(module);
    return;
  }
  const { property, key, weight } = takeParameter('prune', module, name, ['_orig', '_mask']);
  checkScores('prune', weight, scores);
  if (!isFloatCode(weight.code)) throw new TenfoldError('dtype', `prune: '${name}' must be floating-point`);
  const mask = noGrad(() => method.computeMask((scores ?? weight).detach(), onesLike(weight)));
  new Pruned(property, key, method).start(module, weight, ownMemory(mask));
}

/** Prunes by a method; errors name the function that the user called. */
function pruneBy<M extends Module>(
  call: string,
  module: M,
  name: string,
  method: () => BasePruningMethod,
  scores: Tensor | null = null,
): M {
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  try {
    return method().apply(module, name, scores);
  } catch (error) {
    if (error instanceof TypeError) throw new TypeError(error.message.replace(/^\w+(?=: )/, call), { cause: error });
    throw rename(call, error);
  }
}

/** Adds a mask of ones, by which nothing is pruned. See torch.nn.utils.prune.identity. */
export function identity<M extends Module>(module: M, name: string): M {
  return pruneBy('identity', module, name, () => new Identity());
}
/** Prunes random elements. See torch.nn.utils.prune.random_unstructured. */
export function randomUnstructured<M extends Module>(module: M, name: string, amount: number): M {
  return pruneBy('randomUnstructured', module, name, () => new RandomUnstructured(amount));
}
/**
 * Prunes the elements of least magnitude, or of least score. See torch.nn.utils.prune.l1_unstructured.
 *
 * ```ts
 * const layer = nn.utils.prune.l1Unstructured(new nn.Linear(2, 2), 'weight', 0.5);
 * layer.getBuffer('weight_mask').sum(); // tensor(2.)
 * ```
 */
export function l1Unstructured<M extends Module>(
  module: M,
  name: string,
  amount: number,
  importanceScores: Tensor | null = null,
): M {
  return pruneBy('l1Unstructured', module, name, () => new L1Unstructured(amount), importanceScores);
}
/** Prunes random channels along `dim`. See torch.nn.utils.prune.random_structured. */
export function randomStructured<M extends Module>(module: M, name: string, amount: number, dim: number): M {
  return pruneBy('randomStructured', module, name, () => new RandomStructured(amount, dim));
}
/** Prunes the channels along `dim` of least n-norm. See torch.nn.utils.prune.ln_structured. */
export function lnStructured<M extends Module>(
  module: M,
  name: string,
  amount: number,
  n: number | 'fro' | 'nuc',
  dim: number,
  importanceScores: Tensor | null = null,
): M {
  return pruneBy('lnStructured', module, name, () => new LnStructured(amount, n, dim), importanceScores);
}
/** Prunes what a mask of the parameter's shape says. See torch.nn.utils.prune.custom_from_mask. */
export function customFromMask<M extends Module>(module: M, name: string, mask: Tensor): M {
  return pruneBy('customFromMask', module, name, () => new CustomFromMask(mask));
}
/**
 * Prunes several parameters, [module, name] pairs, as if they were one: a method of single elements, such as L1Unstructured, made
 * with `options.amount`. `importanceScores` are pairs of a parameter's pair and its scores. See
 * torch.nn.utils.prune.global_unstructured.
 */
export function globalUnstructured(
  parameters: readonly (readonly [module: Module, name: string])[],
  pruningMethod: new (amount: number) => BasePruningMethod,
  options: { amount: number; importanceScores?: readonly (readonly [readonly [Module, string], Tensor])[] },
): void {
  const call = 'globalUnstructured';
  if (!Array.isArray(parameters) || parameters.length === 0)
    throw new TypeError(`${call}: expected a list of [module, name] pairs, got ${show(parameters)}`);
  const method = new pruningMethod(options.amount);
  if (method.pruningType !== 'unstructured')
    throw new TypeError(`${call}: the method must be one of single elements, got ${pruningMethod.name}`);
  const scoresOf = (module: Module, name: string): Tensor | undefined =>
    options.importanceScores?.find(([[m, n]]) => m === module && n === name)?.[1];
  const parts = (parameters as [Module, string][]).map(([module, name]) => {
    const known = findReparameterization(Pruned, module, name);
    if (known !== null) {
      const now = known.compute(module).detach();
      return { module, name, now, mask: members(module)[`${known.key}_mask`] as Tensor };
    }
    const { weight } = takeParameter(call, module, name, ['_orig', '_mask']);
    return { module, name, now: weight.detach(), mask: onesLike(weight) };
  });
  const flat = (of: (p: (typeof parts)[number]) => Tensor): Tensor => cat(parts.map((p) => of(p).reshape([-1])));
  const mask = new PruningContainer(method).computeMask(flat((p) => scoresOf(p.module, p.name) ?? p.now), flat((p) => p.mask)); // prettier-ignore
  let at = 0;
  for (const { module, name, now } of parts) {
    customFromMask(module, name, mask.narrow(0, at, now.count).view([...now.shape]));
    at += now.count;
  }
}
/** Ends pruning: the parameter is the module's again, with zeros where it was pruned. See torch.nn.utils.prune.remove. */
export function remove<M extends Module>(module: M, name: string): M {
  if (!(module instanceof Module)) throw new TypeError(`remove: expected a module, got ${show(module)}`);
  const known = findReparameterization(Pruned, module, name);
  if (known === null) throw new TenfoldError('value', `remove: '${name}' of ${module.constructor.name} is not pruned`);
  known.finish(module);
  return module;
}
/** Whether anything of a module, or of those inside, is pruned. See torch.nn.utils.prune.is_pruned. */
export function isPruned(module: Module): boolean {
  if (!(module instanceof Module)) throw new TypeError(`isPruned: expected a module, got ${show(module)}`);
  return module.modules().some((m) => Object.keys(m).some((p) => p.endsWith('_mask') && findReparameterization(Pruned, m, p.slice(0, -5)) !== null)); // prettier-ignore
}
