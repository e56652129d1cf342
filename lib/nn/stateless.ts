/** Calls of modules with other tensors in the place of their parameters: torch.func.functional_call and its kin. */
import { TenfoldError, checkOptions, didYouMean, show } from '../errors.js';
import { checkEnded } from '../autograd/mode.js';
import { stack } from '../ops/index.js';
import { Tensor, checkIsTensor } from '../tensor/tensor.js';
import { Module, type StateDict } from './module.js';
import type { Parameter } from './parameter.js';

type Members = Record<string, unknown>;
/** Tensors by state-dict key. */
export type TensorDict = Record<string, Tensor> | ReadonlyMap<string, Tensor>;
/** Options of functionalCall. */
export interface FunctionalCallOptions {
  /** Whether a tensor stands in all places that share the parameter of its key (tied weights). */
  tieWeights?: boolean;
  /** Whether the keys must be all of the module's, and no others. */
  strict?: boolean;
}

interface Place {
  key: string;
  module: Module;
  property: string;
  value: Tensor;
}
/** Every place of a parameter or buffer, those of modules and parameters that occur twice included. */
function placesOf(module: Module, prefix = '', out: Place[] = []): Place[] {
  const { stateName } = module.constructor as typeof Module;
  const own = new Set<unknown>([...module.parameters(false), ...module.buffers(false)]);
  const members = module as unknown as Members;
  for (const property of Object.keys(module)) {
    const value = members[property];
    const key = prefix + stateName(property);
    if (value instanceof Module) placesOf(value, `${key}.`, out);
    else if (own.has(value)) out.push({ key, module, property, value: value as Tensor });
  }
  return out;
}
const put = (module: Module, property: string, value: Tensor): void => {
  Object.defineProperty(module, property, { value, enumerable: true, configurable: true, writable: true });
};

function readTensors(call: string, given: unknown): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  for (const part of Array.isArray(given) ? (given as unknown[]) : [given]) {
    if (typeof part !== 'object' || part === null || part instanceof Tensor)
      throw new TypeError(`${call}: expected an object of tensors by key, or a list of them, got ${show(part)}`);
    for (const [key, value] of part instanceof Map ? (part as Map<string, unknown>) : Object.entries(part)) {
      checkIsTensor(call, key, value);
      if (out.has(key)) throw new TenfoldError('value', `${call}: the key '${key}' is given twice`);
      out.set(key, value);
    }
  }
  return out;
}
/** Which tensor stands in which place. */
function replacements(
  call: string,
  places: readonly Place[],
  given: Map<string, Tensor>,
  tie: boolean,
  strict: boolean,
): Map<Place, Tensor> {
  const byKey = new Map(places.map((p) => [p.key, p]));
  const unknown = [...given.keys()].find((key) => !byKey.has(key));
  if (unknown !== undefined)
    throw new TenfoldError('state', `${call}: the module has no parameter or buffer '${unknown}'${didYouMean(unknown, byKey.keys())}`); // prettier-ignore
  const out = new Map<Place, Tensor>();
  for (const [key, tensor] of given) {
    const place = byKey.get(key)!;
    for (const other of tie ? places.filter((p) => p.value === place.value) : [place]) {
      const before = out.get(other);
      if (before !== undefined && before !== tensor)
        throw new TenfoldError('value', `${call}: '${key}' is tied to another key that is given with another tensor; give one of them, or tieWeights: false`); // prettier-ignore
      out.set(other, tensor);
    }
  }
  const missing = strict ? places.find((p) => !out.has(p)) : undefined;
  if (missing !== undefined) throw new TenfoldError('state', `${call}: strict, and '${missing.key}' is not given`);
  return out;
}

/**
 * What `module.forward(...args)` gives with these tensors, by state-dict key, in the place of its parameters and buffers, which come
 * back afterwards. Gradients flow to the tensors given. `args` is a list, or the one argument; `kwargs` are options by name, handed
 * to forward as its last argument. A buffer that forward replaces is replaced in the object given. A key that the module doesn't have
 * is refused (PyTorch: only with `strict`). The forward must not be asynchronous. See torch.func.functional_call.
 *
 * ```ts
 * const layer = new nn.Linear(2, 1);
 * func.functionalCall(layer, { weight: tensor([[3, 4]]), bias: tensor([0]) }, tensor([1, 1])); // tensor([7.])
 * ```
 * @throws TenfoldError 'state' for keys that don't fit the module.
 */
export function functionalCall<M extends Module>(
  module: M,
  parametersAndBuffers: TensorDict | readonly TensorDict[],
  args: unknown = null,
  kwargs: Record<string, unknown> | null = null,
  options: FunctionalCallOptions = {},
): ReturnType<M['forward']> {
  const call = 'functionalCall';
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  checkOptions(call, options, ['tieWeights', 'strict']);
  const given = readTensors(call, parametersAndBuffers);
  const places = placesOf(module);
  const swaps = replacements(call, places, given, options.tieWeights ?? true, options.strict ?? false);
  const list = args === null || args === undefined ? [] : Array.isArray(args) ? (args as unknown[]) : [args];
  if (kwargs !== null && (typeof kwargs !== 'object' || kwargs instanceof Tensor))
    throw new TypeError(`${call}: kwargs must be an object of options, got ${show(kwargs)}`);
  const before = [...swaps.keys()].map((p) => [p, Object.getOwnPropertyDescriptor(p.module, p.property)!] as const);
  try {
    for (const [p, tensor] of swaps) put(p.module, p.property, tensor);
    const out = module.forward(...(list as never[]), ...((kwargs === null ? [] : [kwargs]) as never[])) as ReturnType<M['forward']>; // prettier-ignore
    checkEnded(call, module.forward, out);
    writeBack(parametersAndBuffers, swaps);
    return out;
  } finally {
    for (const [p, descriptor] of before) Object.defineProperty(p.module, p.property, descriptor);
  }
}
/** What forward has put in a place goes into the object that the place's tensor came from. */
function writeBack(given: TensorDict | readonly TensorDict[], swaps: Map<Place, Tensor>): void {
  for (const [{ key, module, property }, tensor] of swaps) {
    const now = (module as unknown as Members)[property];
    if (now === tensor || !(now instanceof Tensor)) continue;
    for (const part of Array.isArray(given) ? (given as TensorDict[]) : [given as TensorDict]) {
      if (part instanceof Map) {
        if (part.has(key)) (part as Map<string, Tensor>).set(key, now);
      } else if (Object.hasOwn(part, key)) (part as Record<string, Tensor>)[key] = now;
    }
  }
}

/**
 * [parameters, buffers] of several modules of one kind, each stacked along a new first dim, by key: for vmap over an ensemble. The
 * parameters require grad as the modules' do. See torch.func.stack_module_state.
 */
export function stackModuleState(models: readonly Module[]): [params: StateDict, buffers: StateDict] {
  const call = 'stackModuleState';
  if (!Array.isArray(models) || models.length === 0)
    throw new TypeError(`${call}: expected a list of modules, got ${show(models)}`);
  models.forEach((m) => {
    if (!(m instanceof Module)) throw new TypeError(`${call}: expected a list of modules, got ${show(m)} in it`);
  });
  const list = models as readonly Module[];
  if (list.some((m) => m.training !== list[0]!.training || m.constructor !== list[0]!.constructor))
    throw new TenfoldError('value', `${call}: the modules must be of one class, and all in training mode or none`);
  const stacked = (of: (m: Module) => [string, Tensor][], grad: boolean): StateDict => {
    const all = list.map((m) => new Map(of(m)));
    return Object.fromEntries(
      [...all[0]!.keys()].map((key) => {
        const parts = all.map((m) => m.get(key));
        if (parts.some((t) => t === undefined))
          throw new TenfoldError('state', `${call}: '${key}' is not in all of the modules`);
        const tensors = parts as Tensor[];
        const requires = grad && tensors[0]!.requiresGrad;
        if (grad && tensors.some((t) => t.requiresGrad !== requires))
          throw new TenfoldError('value', `${call}: '${key}' requires grad in some of the modules only`);
        const out = stack(tensors.map((t) => t.detach()));
        return [key, requires ? out.requiresGrad_() : out];
      }),
    );
  };
  return [stacked((m) => m.namedParameters() as [string, Parameter][], true), stacked((m) => m.namedBuffers(), false)];
}
