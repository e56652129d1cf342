/** Modules that hold other modules or parameters. Their items are their own properties: `net[0]`, `heads.left`. */
import { TenfoldError, checkIterable, isPlainObject, show } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

type Items<T> = Record<string, T>;

function checkEntry(call: string, pair: unknown): void {
  if (!Array.isArray(pair) || pair.length !== 2)
    throw new TypeError(`${call}: entries must be [name, value], got ${show(pair)}`);
}
function place(call: string, index: number, size: number): number {
  const at = index < 0 ? index + size : index;
  if (!Number.isInteger(index) || at < 0 || at >= size) {
    throw new RangeError(`${call}: index ${show(index)} is out of range for ${size} items`);
  }
  return at;
}

/**
 * Modules one after the other: each gets what the one before gave. Named by position, or by the keys of one object. See
 * torch.nn.Sequential.
 *
 * ```ts
 * const net = new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 1));
 * const named = new nn.Sequential({ hidden: new nn.Linear(2, 8), act: new nn.ReLU() });
 * net[0]; // Linear(inFeatures=2, outFeatures=8, bias=true)
 * ```
 */
export class Sequential extends Module {
  [index: number]: Module;
  constructor(...modules: Module[] | [Record<string, Module>]) {
    super();
    const [first] = modules;
    if (modules.length === 1 && isPlainObject(first)) {
      for (const [name, module] of Object.entries(first)) this.registerModule(name, checkModule('Sequential', module));
    } else modules.forEach((module, i) => this.registerModule(String(i), checkModule('Sequential', module)));
  }
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the first module takes and the last one gives
  override forward(input: any): any {
    let x: unknown = input;
    for (const module of this) x = module.forward(x);
    return x;
  }
  /** Number of modules. */
  get length(): number {
    return this.items().length;
  }
  private items(): Module[] {
    return Object.values(this as unknown as Items<unknown>).filter((m) => m instanceof Module);
  }
  /** The module at a position; negative ones count from the end. */
  at(index: number): Module {
    const items = this.items();
    return items[place('Sequential.at', index, items.length)]!;
  }
  /** Adds a module at the end. */
  append(module: Module): this {
    this.registerModule(String(this.length), checkModule('Sequential.append', module));
    return this;
  }
  /** Adds the modules of a list or of another Sequential at the end. */
  extend(modules: Iterable<Module>): this {
    for (const module of [...modules]) this.append(module);
    return this;
  }
  [Symbol.iterator](): Iterator<Module> {
    return this.items()[Symbol.iterator]();
  }
}

function checkModule(call: string, module: unknown): Module {
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  return module;
}

/** Modules in a list, for a forward that picks them itself. See torch.nn.ModuleList. */
export class ModuleList<T extends Module = Module> extends Module {
  [index: number]: T;
  constructor(modules: Iterable<T> = []) {
    super();
    this.extend(modules);
  }
  private items(): T[] {
    return Object.values(this as unknown as Items<unknown>).filter((m): m is T => m instanceof Module);
  }
  /** Number of modules. */
  get length(): number {
    return this.items().length;
  }
  /** The module at a position; negative ones count from the end. */
  at(index: number): T {
    const items = this.items();
    return items[place('ModuleList.at', index, items.length)]!;
  }
  /** Adds a module at the end. */
  append(module: T): this {
    this.registerModule(String(this.length), checkModule('ModuleList.append', module));
    return this;
  }
  /** Adds a module before the one at `index`. */
  insert(index: number, module: T): this {
    checkModule('ModuleList.insert', module);
    const items = this.items();
    items.splice(index, 0, module);
    items.forEach((m, i) => this.registerModule(String(i), m));
    return this;
  }
  /** Adds the modules of a list at the end. */
  extend(modules: Iterable<T>): this {
    checkIterable('ModuleList', 'a list of modules', modules);
    for (const module of [...modules]) this.append(module);
    return this;
  }
  [Symbol.iterator](): Iterator<T> {
    return this.items()[Symbol.iterator]();
  }
  /** As PyTorch's: equal neighbours once, with their number. */
  override toString(): string {
    const texts = this.items().map(String);
    if (texts.length === 0) return `${this.constructor.name}()`;
    const lines: string[] = [];
    for (let start = 0, end = 0; start < texts.length; start = end) {
      while (end < texts.length && texts[end] === texts[start]) end++;
      const text = texts[start]!.replaceAll('\n', '\n  ');
      lines.push(end - start === 1 ? `(${start}): ${text}` : `(${start}-${end - 1}): ${end - start} x ${text}`);
    }
    return `${this.constructor.name}(\n  ${lines.join('\n  ')}\n)`;
  }
}

/** Modules by name, for a forward that picks them itself. See torch.nn.ModuleDict. */
export class ModuleDict extends Module {
  constructor(modules: Record<string, Module> | Iterable<readonly [string, Module]> = {}) {
    super();
    this.update(modules);
  }
  private items(): [string, Module][] {
    return Object.entries(this as unknown as Items<unknown>).filter(
      (e): e is [string, Module] => e[1] instanceof Module,
    );
  }
  /** Number of modules. */
  get length(): number {
    return this.items().length;
  }
  /** The module of a name. */
  get(name: string): Module {
    const found = this.items().find(([key]) => key === name);
    if (!found) {
      throw new TenfoldError(
        'value',
        `ModuleDict.get: there is no module '${name}' (there are: ${this.keys().join(', ') || 'none'})`,
      );
    }
    return found[1];
  }
  /** Adds a module, or replaces the one of that name. */
  set(name: string, module: Module): this {
    this.registerModule(name, checkModule('ModuleDict.set', module));
    return this;
  }
  /** Whether there is a module of that name. */
  has(name: string): boolean {
    return this.keys().includes(name);
  }
  /** Takes a module out and returns it. */
  pop(name: string): Module {
    const module = this.get(name);
    delete (this as unknown as Items<unknown>)[name];
    return module;
  }
  /** Adds the modules of an object, or of a list of pairs. */
  update(modules: Record<string, Module> | Iterable<readonly [string, Module]>): this {
    if (typeof modules !== 'object' || modules === null) {
      throw new TypeError(`ModuleDict: expected an object of modules, got ${show(modules)}`);
    }
    const pairs = Symbol.iterator in modules ? modules : Object.entries(modules);
    for (const pair of [...pairs]) {
      checkEntry('ModuleDict', pair);
      this.set(pair[0], pair[1]);
    }
    return this;
  }
  keys(): string[] {
    return this.items().map(([name]) => name);
  }
  values(): Module[] {
    return this.items().map(([, module]) => module);
  }
  entries(): [string, Module][] {
    return this.items();
  }
  [Symbol.iterator](): Iterator<string> {
    return this.keys()[Symbol.iterator]();
  }
}

const asParameter = (call: string, value: unknown): Parameter => {
  if (value instanceof Parameter) return value;
  if (value instanceof Tensor) return new Parameter(value);
  throw new TypeError(`${call}: expected a Parameter or a tensor, got ${show(value)}`);
};
const describe = (p: Parameter): string =>
  `Parameter containing: [${p.dtype} of size ${p.shape.length === 0 ? '' : p.shape.join('x')}]`;

/** Parameters in a list; tensors become parameters. See torch.nn.ParameterList. */
export class ParameterList extends Module {
  [index: number]: Parameter;
  constructor(values: Iterable<Tensor> = []) {
    super();
    this.extend(values);
  }
  private items(): Parameter[] {
    return Object.values(this as unknown as Items<unknown>).filter((p) => p instanceof Parameter);
  }
  /** Number of parameters. */
  get length(): number {
    return this.items().length;
  }
  /** The parameter at a position; negative ones count from the end. */
  at(index: number): Parameter {
    const items = this.items();
    return items[place('ParameterList.at', index, items.length)]!;
  }
  /** Adds a parameter at the end. */
  append(value: Tensor): this {
    this.registerParameter(String(this.length), asParameter('ParameterList.append', value));
    return this;
  }
  /** Adds the parameters of a list at the end. */
  extend(values: Iterable<Tensor>): this {
    checkIterable('ParameterList', 'a list of parameters', values);
    for (const value of [...values]) this.append(value);
    return this;
  }
  [Symbol.iterator](): Iterator<Parameter> {
    return this.items()[Symbol.iterator]();
  }
  override extraRepr(): string {
    return this.items().map((p, i) => `  (${i}): ${describe(p)}`).join('\n'); // prettier-ignore
  }
  override toString(): string {
    return this.length === 0 ? 'ParameterList()' : `ParameterList(\n  ${this.extraRepr().replaceAll('\n', '\n  ')}\n)`;
  }
}

/** Parameters by name; tensors become parameters. See torch.nn.ParameterDict. */
export class ParameterDict extends Module {
  constructor(values: Record<string, Tensor> | Iterable<readonly [string, Tensor]> = {}) {
    super();
    this.update(values);
  }
  private items(): [string, Parameter][] {
    return Object.entries(this as unknown as Items<unknown>).filter(
      (e): e is [string, Parameter] => e[1] instanceof Parameter,
    );
  }
  /** Number of parameters. */
  get length(): number {
    return this.items().length;
  }
  /** The parameter of a name. */
  get(name: string): Parameter {
    const found = this.items().find(([key]) => key === name);
    if (!found) {
      throw new TenfoldError(
        'value',
        `ParameterDict.get: there is no parameter '${name}' (there are: ${this.keys().join(', ') || 'none'})`,
      );
    }
    return found[1];
  }
  /** Adds a parameter, or replaces the one of that name. */
  set(name: string, value: Tensor): this {
    this.registerParameter(name, asParameter('ParameterDict.set', value));
    return this;
  }
  /** Whether there is a parameter of that name. */
  has(name: string): boolean {
    return this.keys().includes(name);
  }
  /** Takes a parameter out and returns it. */
  pop(name: string): Parameter {
    const parameter = this.get(name);
    delete (this as unknown as Items<unknown>)[name];
    return parameter;
  }
  /** Adds the parameters of an object, or of a list of pairs. */
  update(values: Record<string, Tensor> | Iterable<readonly [string, Tensor]>): this {
    if (typeof values !== 'object' || (values as unknown) === null)
      throw new TypeError(`ParameterDict: expected an object of parameters, got ${show(values)}`);
    const pairs = Symbol.iterator in values ? values : Object.entries(values);
    for (const pair of [...pairs]) {
      checkEntry('ParameterDict', pair);
      this.set(pair[0], pair[1]);
    }
    return this;
  }
  keys(): string[] {
    return this.items().map(([name]) => name);
  }
  values(): Parameter[] {
    return this.items().map(([, parameter]) => parameter);
  }
  entries(): [string, Parameter][] {
    return this.items();
  }
  [Symbol.iterator](): Iterator<string> {
    return this.keys()[Symbol.iterator]();
  }
  override extraRepr(): string {
    return this.items().map(([name, p]) => `  (${name}): ${describe(p)}`).join('\n'); // prettier-ignore
  }
  override toString(): string {
    return this.length === 0 ? 'ParameterDict()' : `ParameterDict(\n  ${this.extraRepr().replaceAll('\n', '\n  ')}\n)`;
  }
}
