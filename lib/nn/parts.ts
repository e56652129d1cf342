/**
 * What a module consists of, behind accessors: a value put over a parameter, a buffer or a child would leave `parameters()` and
 * `stateDict()` without a word, so it is refused. A layer puts its own there when it is made (`guard`), what stands in a subclass's
 * fields follows when it is first looked at. The accessors of a name are the same functions for all modules, so that modules made
 * alike keep one hidden class: reading a weight costs what it cost as a plain property.
 */
import { show } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';
import type { Module } from './module.js';
import { Parameter } from './parameter.js';

export type Kind = 'parameter' | 'buffer' | 'module';
type Members = Record<string | symbol, unknown>;

const kindsOf = new WeakMap<object, Map<string, Kind>>();
interface Accessor {
  readonly slot: symbol;
  readonly descriptor: PropertyDescriptor;
}
const accessors = new Map<string, Accessor>();
function accessorOf(property: string): Accessor {
  let found = accessors.get(property);
  if (found === undefined) {
    const slot = Symbol(property);
    const descriptor: PropertyDescriptor = {
      get(this: Members): unknown {
        return this[slot];
      },
      set(this: Members, value: unknown): void {
        assign(this, property, slot, value);
      },
      enumerable: true,
      configurable: true,
    };
    accessors.set(property, (found = { slot, descriptor }));
  }
  return found;
}

const isModule = (x: unknown): boolean => typeof x === 'object' && x !== null && isPart.module(x);
/** Told by module.ts, which imports this file. */
export const isPart = { module: (_: object): boolean => false };

/** The kind of a value that makes its property a part of the module, or null. */
export const kindOfValue = (value: unknown): Kind | null =>
  value instanceof Parameter ? 'parameter' : isModule(value) ? 'module' : null;

const DO: Record<Kind, string> = {
  parameter: 'a Parameter (new nn.Parameter(…)), or null; copy_() within noGrad() changes its values',
  buffer: 'a tensor, or null',
  module: 'a module, or null',
};
function assign(module: Members, property: string, slot: symbol, value: unknown): void {
  const kinds = kindsOf.get(module);
  const kind = kinds?.get(property);
  // A class's prototype, or an object made from a module: no module.
  if (kinds === undefined || kind === undefined) {
    Object.defineProperty(module, property, { value, enumerable: true, configurable: true, writable: true });
    return;
  }
  const next = kindOfValue(value);
  const fits = value === null || value === undefined || next !== null || (kind === 'buffer' && value instanceof Tensor);
  // A child over a parameter is refused, as PyTorch refuses it; a Parameter over anything is one from then on.
  if (!fits || (next === 'module' && kind === 'parameter'))
    throw new TypeError(
      `${module.constructor.name}.${property}: it is a ${kind}, which takes ${DO[kind]}; got ${show(value)}. delete module.${property} takes it out`,
    );
  if (next !== null && next !== kind) kinds.set(property, next);
  module[slot] = value ?? null;
}

/** Puts a property, whatever holds it now, behind the accessor of its name. */
export function guardPart(module: Module, property: string, kind: Kind): void {
  const members = module as unknown as Members;
  const { slot, descriptor } = accessorOf(property);
  const value = members[property];
  Object.defineProperty(module, slot, { value: value ?? null, enumerable: false, configurable: true, writable: true });
  Object.defineProperty(module, property, descriptor);
  let kinds = kindsOf.get(module);
  if (kinds === undefined) kindsOf.set(module, (kinds = new Map()));
  kinds.set(property, kind);
}
/** A layer's parameters and children, null among them, at the end of its constructor. */
export function guard(module: Module, ...properties: string[]): void {
  for (const property of properties)
    guardPart(module, property, kindOfValue((module as unknown as Members)[property]) ?? 'parameter');
}
/** Whether a property stands behind its accessor now: `delete` takes it away. */
export const isGuarded = (module: Module, property: string): boolean =>
  Object.getOwnPropertyDescriptor(module, property)?.get === accessors.get(property)?.descriptor.get &&
  accessors.has(property);
/** The same guards for a copy of the module. */
export function copyGuards(from: Module, to: Module): void {
  for (const [property, kind] of kindsOf.get(from) ?? [])
    if (isGuarded(from, property) && Object.hasOwn(to, property)) guardPart(to, property, kind);
}
