/**
 * Weights computed from other parameters before every forward, as PyTorch's weight_norm and spectral_norm do it: a forward
 * pre-hook puts the weight where the parameter was. The parts are registered under PyTorch's names (`weight_g`), so that
 * state dicts travel both ways.
 */
import { TenfoldError, didYouMean, show } from '../../errors.js';
import { Tensor, checkTensor } from '../../tensor/tensor.js';
import type { ForwardPreHook } from '../hooks.js';
import { Module, findHooks } from '../module.js';
import { Parameter } from '../parameter.js';

type Members = Record<string, unknown>;

/** What one weight of a module is computed from. It belongs to copies of the module too, and so holds no tensors. */
export abstract class Reparameterization {
  constructor(
    /** The weight: the property, and PyTorch's name of it. */
    readonly property: string,
    readonly key: string,
  ) {}
  /** The weight, before a forward. */
  abstract compute(module: Module): Tensor;

  readonly hook: ForwardPreHook = (module: Module) => {
    this.put(module, this.compute(module));
  };

  /** The part of the module that PyTorch names after the weight: `part(module, '_g')`. */
  protected part(module: Module, suffix: string): Tensor {
    return (module as unknown as Members)[this.key + suffix] as Tensor;
  }
  /**
   * Puts a tensor where the parameter was. It is no state of the module, and may be part of a graph: copies of the module
   * and state dicts pass over it.
   */
  protected put(module: Module, value: Tensor): void {
    Object.defineProperty(module, this.property, { value, enumerable: false, configurable: true, writable: true });
  }
  /** Begins: `parts` are registered, the parameter gives way to `weight`. */
  protected begin(module: Module, parts: Record<string, Tensor>, weight: () => Tensor): void {
    delete (module as unknown as Members)[this.property];
    for (const [suffix, part] of Object.entries(parts)) {
      if (part instanceof Parameter) module.registerParameter(this.key + suffix, part);
      else module.registerBuffer(this.key + suffix, part);
    }
    this.put(module, weight());
    this.attach(module);
  }
  /** Goes on with the parts of another one of the same weight, whose hook is gone. */
  resume(module: Module): void {
    this.put(module, this.compute(module));
    this.attach(module);
  }
  private attach(module: Module): void {
    module.registerForwardPreHook(this.hook);
    reparameterizations.set(this.hook, this);
  }
  /** Ends: the weight is a parameter again, the last one, as in PyTorch. */
  end(module: Module, suffixes: readonly string[], weight: Tensor): void {
    const members = module as unknown as Members;
    for (const suffix of suffixes) delete members[this.key + suffix];
    delete members[this.property];
    members[this.property] = new Parameter(ownMemory(weight));
    findHooks(module)!.removeForwardPre(this.hook);
  }
}
const reparameterizations = new WeakMap<ForwardPreHook, Reparameterization>();

type Kind<T> = abstract new (...args: never[]) => T;
/** The one of a kind that stands for a weight of the module, which PyTorch or the property names. */
export function findReparameterization<T extends Reparameterization>(
  kind: Kind<T>,
  module: Module,
  name: string,
): T | null {
  for (const hook of findHooks(module)?.forwardPre.values() ?? []) {
    const found = reparameterizations.get(hook);
    if (found instanceof kind && (found.property === name || found.key === name)) return found;
  }
  return null;
}
/** The same; an error where `by` was not applied. */
export function needReparameterization<T extends Reparameterization>(
  call: string,
  by: string,
  kind: Kind<T>,
  module: Module,
  name: string,
): T {
  checkModule(call, module);
  const found = findReparameterization(kind, module, name);
  if (found !== null) return found;
  throw new TenfoldError('value', `${call}: ${by} was not applied to '${name}' of ${module.constructor.name}`);
}
/** An error where there is one of this kind. */
export function refuseTwice(call: string, kind: Kind<Reparameterization>, module: Module, name: string): void {
  checkModule(call, module);
  if (findReparameterization(kind, module, name) !== null)
    throw new TenfoldError('value', `${call}: '${name}' of ${module.constructor.name} has it already`);
}

/** The parameter of a name, which may be PyTorch's, and its names; refuses one that can't be had apart. */
export function takeParameter(
  call: string,
  module: Module,
  name: string,
  suffixes: readonly string[],
): { property: string; key: string; weight: Parameter } {
  checkModule(call, module);
  const { stateName } = module.constructor as typeof Module;
  const own = module.namedParameters('', false).map(([key]) => key);
  const members = module as unknown as Members;
  const property = Object.keys(module).find(
    (p) => members[p] instanceof Parameter && (p === name || stateName(p) === name),
  );
  if (property === undefined)
    throw new TenfoldError(
      'value',
      `${call}: ${module.constructor.name} has no parameter '${name}'${didYouMean(name, own)}`,
    );
  const key = stateName(property);
  const taken = suffixes.find((suffix) => key + suffix in module);
  if (taken !== undefined)
    throw new TenfoldError('value', `${call}: ${module.constructor.name} has a '${key}${taken}' already`);
  const weight = members[property] as Parameter;
  checkTensor(call, weight);
  if (weight.shape.length === 0)
    throw new TenfoldError('shape', `${call}: '${name}' must have at least one dim, got a 0-dim parameter`);
  return { property, key, weight };
}

function checkModule(call: string, module: unknown): asserts module is Module {
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
}

/** A copy outside the graph, in memory that outlives a scope. */
export function ownMemory(t: Tensor): Tensor {
  const own = Tensor.raw(t.shape, t.code, true);
  own.rawCopy(t);
  return own;
}
