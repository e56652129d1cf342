/**
 * Tensors of a module computed from others, as torch.nn.utils.parametrize: whoever reads `module.weight` gets what a chain of
 * modules makes of the tensors that are trained instead. Those stand under `module.parametrizations`, by PyTorch's names, so that
 * state dicts travel both ways.
 *
 * A parametrized module gets a class of its own (ParametrizedLinear, under Linear), whose accessors compute; copies of the module
 * have it too.
 */
import { TenfoldError, checkOptions, didYouMean, show } from '../../errors.js';
import { checkEnded, noGrad } from '../../autograd/mode.js';
import { sameShape, formatShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { ModuleDict, ModuleList } from '../containers.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { ownMemory } from './reparameterization.js';

type Members = Record<string, unknown>;
/** A module that computes a tensor, and perhaps, the other way round, what to compute it from. */
export type Parametrization = Module & { rightInverse?(value: Tensor): Tensor | Tensor[] };
/** A module with parametrized tensors. */
export type Parametrized = Module & { parametrizations: ModuleDict };

const members = (module: Module): Members => module as unknown as Members;
const describe = (t: Tensor): string => `${t.dtype} ${formatShape(t.shape)}`;

// ---- caching -----------------------------------------------------------------------------------------------------------

/** What was computed inside `cached`, by list; null outside. */
let cache: Map<ParametrizationList, Tensor> | null = null;
let depth = 0;
/**
 * Runs `fn`; inside, every parametrized tensor is computed once, at its first reading. Returns what `fn` returns, which must not be
 * asynchronous. See torch.nn.utils.parametrize.cached.
 */
export function cached<T>(fn: () => T): T {
  if (typeof fn !== 'function') throw new TypeError(`cached: expected a function, got ${show(fn)}`);
  depth++;
  cache ??= new Map();
  try {
    return checkEnded('cached', fn, fn());
  } finally {
    if (--depth === 0) cache = null;
  }
}

// ---- the chain ---------------------------------------------------------------------------------------------------------

/**
 * The parametrizations of one tensor in the order of their application, and what they are applied to: `original`, or
 * `original0`, `original1`, … where the first one takes several tensors. See torch.nn.utils.parametrize.ParametrizationList.
 */
export class ParametrizationList extends ModuleList<Parametrization> {
  declare original?: Tensor;
  unsafe: boolean;
  constructor(parametrizations: readonly Parametrization[], original: Tensor, unsafe = false) {
    super(parametrizations);
    if (!(original instanceof Tensor))
      throw new TypeError(`ParametrizationList: original must be a tensor, got ${show(original)}`);
    let value = original.detach() as Tensor | Tensor[];
    for (const p of [...parametrizations].reverse()) {
      if (typeof p.rightInverse !== 'function') continue;
      if (Array.isArray(value)) throw new TenfoldError('value', 'registerParametrization: only the first parametrization may take several tensors'); // prettier-ignore
      const given: Tensor = value;
      value = noGrad((): Tensor | Tensor[] => p.rightInverse!(given));
      if (!(value instanceof Tensor) && !(Array.isArray(value) && value.every((t) => t instanceof Tensor)))
        throw new TypeError(`registerParametrization: rightInverse must return a tensor or a list of them, got ${show(value)}`); // prettier-ignore
    }
    this.unsafe = unsafe;
    if (Array.isArray(value)) {
      value.forEach((t, i) => {
        const own = ownMemory(t);
        if (original instanceof Parameter)
          this.registerParameter(`original${i}`, new Parameter(own, original.leafGrad));
        else this.registerBuffer(`original${i}`, own);
      });
    } else {
      if (!unsafe && value.code !== original.code)
        throw new TenfoldError('dtype', `registerParametrization: rightInverse gives ${value.dtype} for a ${original.dtype} tensor; set unsafe: true if that is meant`); // prettier-ignore
      // The parameter stays the same object, which an optimizer may have.
      if (value.storage !== original.storage) fill(original, value);
      if (original instanceof Parameter) this.registerParameter('original', original);
      else this.registerBuffer('original', original);
    }
  }
  /** Number of originals where they are numbered, else 0. */
  get several(): number {
    return Object.keys(this).filter((key) => /^original\d+$/.test(key)).length;
  }
  /** What is trained, in order. */
  get originals(): Tensor[] {
    const list = members(this);
    return this.several === 0
      ? [list.original as Tensor]
      : Array.from({ length: this.several }, (_, i) => list[`original${i}`] as Tensor);
  }
  private get chain(): Parametrization[] {
    return this.children() as Parametrization[];
  }
  override forward(): Tensor {
    const [first, ...rest] = this.chain;
    const start = first!.forward(...this.originals) as Tensor;
    return rest.reduce((value, p) => p.forward(value) as Tensor, start);
  }
  /** Sets the originals so that forward gives `value`, as far as the parametrizations' right inverses know. */
  rightInverse(value: Tensor): void {
    noGrad(() => {
      let now: Tensor | Tensor[] = value;
      for (const p of this.chain.reverse()) {
        if (typeof p.rightInverse !== 'function')
          throw new TenfoldError('value', `parametrize: ${p.constructor.name} has no rightInverse, so the tensor can't be assigned`); // prettier-ignore
        now = p.rightInverse(now as Tensor);
      }
      const list = Array.isArray(now) ? now : [now];
      const { originals } = this;
      if (list.length !== originals.length || list.some((t, i) => !sameShape(t.shape, originals[i]!.shape)))
        throw new TenfoldError('shape', `parametrize: rightInverse gives ${list.map(describe).join(', ')} for ${originals.map(describe).join(', ')}`); // prettier-ignore
      originals.forEach((t, i) => fill(t, list[i]!.to(t.dtype)));
    });
  }
}
/** Other memory, and perhaps sizes, for a tensor that others may hold. */
function fill(t: Tensor, value: Tensor): void {
  if (t instanceof Parameter) t.data = ownMemory(value);
  else t.become(ownMemory(value));
}

// ---- modules -----------------------------------------------------------------------------------------------------------

/** Classes made here, and the class that each stands for. */
const classes = new WeakMap<object, typeof Module>();

function chainOf(module: Module, key: string): ParametrizationList {
  return (members(module).parametrizations as ModuleDict).get(key) as ParametrizationList;
}
function injectClass(module: Module): void {
  const Base = module.constructor as typeof Module;
  const Own = class extends Base {};
  Object.defineProperty(Own, 'name', { value: `Parametrized${Base.name}` });
  classes.set(Own, Base);
  Object.setPrototypeOf(module, Own.prototype as object);
}
function injectAccessor(module: Module, property: string, key: string): void {
  Object.defineProperty(Object.getPrototypeOf(module), property, {
    configurable: true,
    enumerable: false,
    get(this: Module): Tensor {
      const list = chainOf(this, key);
      if (cache === null) return list.forward();
      const known = cache.get(list);
      if (known !== undefined) return known;
      const value = list.forward();
      cache.set(list, value);
      return value;
    },
    set(this: Module, value: Tensor) {
      if (!(value instanceof Tensor))
        throw new TypeError(`parametrize: '${property}' is parametrized and must be a tensor, got ${show(value)}`);
      cache?.delete(chainOf(this, key));
      chainOf(this, key).rightInverse(value);
    },
  });
}
/** The property and PyTorch's name of a tensor, which either may be given. */
function names(call: string, module: unknown, name: string): { property: string; key: string } {
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  const { stateName } = module.constructor as typeof Module;
  const own = new Set<unknown>([...module.parameters(false), ...module.buffers(false)]);
  const property = Object.keys(module).find(
    (p) => own.has(members(module)[p]) && (p === name || stateName(p) === name),
  );
  if (property !== undefined) return { property, key: stateName(property) };
  const known = [...module.namedParameters('', false), ...module.namedBuffers('', false)].map(([key]) => key);
  throw new TenfoldError('value', `${call}: ${module.constructor.name} has no parameter or buffer '${name}'${didYouMean(name, known)}`); // prettier-ignore
}
/** The key under which a tensor is parametrized, or null. */
function parametrizedKey(module: Module, name: string): string | null {
  const all = members(module).parametrizations;
  if (!(all instanceof ModuleDict)) return null;
  const { stateName } = module.constructor as typeof Module;
  return [name, stateName(name)].find((key) => all.has(key)) ?? null;
}
function checkGiven(p: unknown): asserts p is Parametrization {
  if (!(p instanceof Module)) throw new TypeError(`registerParametrization: expected a module, got ${show(p)}`);
}
function checkSame(what: string, got: unknown, want: Tensor): void {
  if (!(got instanceof Tensor))
    throw new TypeError(`registerParametrization: ${what} must return a tensor, got ${show(got)}`);
  if (got.code !== want.code || !sameShape(got.shape, want.shape))
    throw new TenfoldError('shape', `registerParametrization: ${what} makes ${describe(got)} of ${describe(want)}; set unsafe: true if that is meant`); // prettier-ignore
}

/**
 * From now on the tensor `tensorName` of the module (its property, or PyTorch's name) is what `parametrization.forward` makes of the
 * parameter or buffer that it was, which stands under `module.parametrizations` from now on; further parametrizations of the tensor
 * are applied to what the ones before make. Where the parametrization has a `rightInverse(value)`, the tensor can be assigned, and
 * begins with what that gives (several tensors: then `forward` takes several). With `unsafe` neither shape nor dtype are compared.
 * Returns the module. See torch.nn.utils.parametrize.register_parametrization.
 *
 * ```ts
 * class Symmetric extends nn.Module {
 *   forward(x: Tensor) {
 *     return x.triu().add(x.triu(1).mT);
 *   }
 * }
 * const layer = new nn.Linear(3, 3);
 * nn.utils.parametrize.registerParametrization(layer, 'weight', new Symmetric());
 * layer.weight.equal(layer.weight.mT); // true
 * ```
 * @throws TenfoldError 'value' where there is no such tensor, 'shape' or 'dtype' where the parametrization changes them.
 */
export function registerParametrization<M extends Module>(
  module: M,
  tensorName: string,
  parametrization: Parametrization,
  options: { unsafe?: boolean } = {},
): M {
  const call = 'registerParametrization';
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  checkGiven(parametrization);
  checkOptions(call, options, ['unsafe']);
  const unsafe = options.unsafe ?? false;
  const known = parametrizedKey(module, tensorName);
  if (known !== null) {
    const list = chainOf(module, known);
    if (!unsafe) {
      const before = noGrad(() => list.forward());
      checkSame(`${parametrization.constructor.name}.forward`, noGrad(() => parametrization.forward(before) as unknown), before); // prettier-ignore
    }
    list.append(parametrization);
    list.unsafe ||= unsafe;
    return module;
  }
  const { property, key } = names(call, module, tensorName);
  const original = members(module)[property] as Tensor;
  const persistent = original.detach().clone();
  const list = new ParametrizationList([parametrization], original, unsafe);
  if (!unsafe) {
    try {
      checkSame(`${parametrization.constructor.name}.forward`, noGrad(() => list.forward() as unknown), persistent); // prettier-ignore
    } catch (error) {
      fill(original, persistent);
      throw error;
    }
  }
  delete members(module)[property];
  if (!isParametrized(module)) {
    injectClass(module);
    module.registerModule('parametrizations', new ModuleDict());
  }
  (members(module).parametrizations as ModuleDict).set(key, list);
  injectAccessor(module, property, key);
  return module;
}

/** Whether a module has parametrized tensors, or one of that name. See torch.nn.utils.parametrize.is_parametrized. */
export function isParametrized(module: Module, tensorName: string | null = null): module is Parametrized {
  if (!(module instanceof Module)) throw new TypeError(`isParametrized: expected a module, got ${show(module)}`);
  const all = members(module).parametrizations;
  if (!classes.has(module.constructor) || !(all instanceof ModuleDict)) return false;
  return tensorName === null ? all.length > 0 : parametrizedKey(module, tensorName) !== null;
}

/** The class that a module had before it was parametrized. See torch.nn.utils.parametrize.type_before_parametrizations. */
export function typeBeforeParametrizations(module: Module): typeof Module {
  if (!(module instanceof Module))
    throw new TypeError(`typeBeforeParametrizations: expected a module, got ${show(module)}`);
  return classes.get(module.constructor) ?? (module.constructor as typeof Module);
}

/**
 * Takes the parametrizations of a tensor off. The parameter is again the module's: with its parametrized value, or with
 * `leaveParametrized: false` as it was trained. Returns the module. See torch.nn.utils.parametrize.remove_parametrizations.
 */
export function removeParametrizations<M extends Module>(
  module: M,
  tensorName: string,
  leaveParametrized: boolean | { leaveParametrized?: boolean } = true,
): M {
  const call = 'removeParametrizations';
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  if (typeof leaveParametrized === 'object') checkOptions(call, leaveParametrized, ['leaveParametrized']);
  const leave =
    typeof leaveParametrized === 'object' ? (leaveParametrized.leaveParametrized ?? true) : leaveParametrized;
  const key = isParametrized(module) ? parametrizedKey(module, tensorName) : null;
  if (key === null)
    throw new TenfoldError('value', `${call}: '${tensorName}' of ${module.constructor.name} is not parametrized`);
  const list = chainOf(module, key);
  if (list.several > 0 && !leave)
    throw new TenfoldError('value', `${call}: '${tensorName}' is computed of ${list.several} tensors, none of which could stand for it; leave it parametrized`); // prettier-ignore
  const value = leave ? ownMemory(noGrad(() => list.forward())) : null;
  const [first] = list.originals as [Tensor];
  const trained = first instanceof Parameter;
  let tensor = first;
  if (list.several > 0) tensor = trained ? new Parameter(value!, first.leafGrad) : value!;
  else if (value !== null) fill(first, value);
  const prototype = Object.getPrototypeOf(module) as Members;
  const property = Object.keys(Object.getOwnPropertyDescriptors(prototype)).find(
    (p) => p === key || (module.constructor as typeof Module).stateName(p) === key,
  )!;
  const all = members(module).parametrizations as ModuleDict;
  all.pop(key);
  if (all.length === 0) {
    delete members(module).parametrizations;
    Object.setPrototypeOf(module, classes.get(module.constructor)!.prototype as object);
  } else withoutAccessor(module, property);
  if (trained) module.registerParameter(property, tensor as Parameter);
  else module.registerBuffer(property, tensor);
  return module;
}
/** The class without one of its accessors; copies of the module keep the one that they have. */
function withoutAccessor(module: Module, property: string): void {
  const accessors = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(module) as Members);
  Object.setPrototypeOf(module, classes.get(module.constructor)!.prototype as object);
  injectClass(module);
  for (const [name, descriptor] of Object.entries(accessors))
    if (name !== property && name !== 'constructor')
      Object.defineProperty(Object.getPrototypeOf(module), name, descriptor);
}

/**
 * Gives a module the parametrizations of another, with copies of what they are applied to: of all tensors, or of one. Returns it. See
 * torch.nn.utils.parametrize.transfer_parametrizations_and_params.
 */
export function transferParametrizationsAndParams<M extends Module>(
  fromModule: Module,
  toModule: M,
  tensorName: string | null = null,
): M {
  const call = 'transferParametrizationsAndParams';
  if (!(toModule instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(toModule)}`);
  if (!isParametrized(fromModule))
    throw new TenfoldError('value', `${call}: ${show(fromModule)} has no parametrizations`);
  const all = members(fromModule).parametrizations as ModuleDict;
  const keys = tensorName === null ? all.keys() : [parametrizedKey(fromModule, tensorName)];
  for (const key of keys) {
    if (key === null) throw new TenfoldError('value', `${call}: '${tensorName}' is not parametrized`);
    const list = chainOf(fromModule, key);
    for (const p of list.children()) registerParametrization(toModule, key, p.clone(), { unsafe: true });
    const target = chainOf(toModule, key);
    target.originals.forEach((t, i) => fill(t, list.originals[i]!));
  }
  return toModule;
}
