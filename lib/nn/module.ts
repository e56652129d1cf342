/**
 * Module: a tree of parameters, buffers and other modules, with a forward. What a module consists of is found among its
 * own properties: a Parameter is a parameter, a Module a child, a tensor a buffer once it is registered.
 *
 * State-dict keys are property names; built-in modules spell them as PyTorch does (`stateName`), so that checkpoints
 * travel both ways.
 */
import {
  TenfoldError,
  checkDevice,
  checkOptions,
  didYouMean,
  isDevice,
  isMap,
  isPlainObject,
  isSet,
  show,
} from '../errors.js';
import { DTYPES, codeOf, isFloatCode, type DType } from '../dtype.js';
import { leafMeta } from '../autograd/meta.js';
import { mode } from '../autograd/mode.js';
import { compile, type CompileOptions, type Compiled } from '../compile/index.js';
import { noteModule } from '../native/launch.js';
import { capture } from '../tensor/capture.js';
import { adopt, shareAll, type SharedTensor } from '../tensor/shared.js';
import { sameShape, formatShape } from '../tensor/shape.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import {
  ModuleHooks,
  type BackwardHook,
  type BackwardPreHook,
  type ForwardHook,
  type ForwardPreHook,
  type HookHandle,
  type HookOptions,
} from './hooks.js';
import { Parameter } from './parameter.js';
import { copyGuards, guardPart, isGuarded, isPart, kindOfValue } from './parts.js';
import { notePartClass, warnOfPrivateParts } from './privateParts.js';
import { isLazy, lazyLike } from './uninitialized.js';

/** Tensors by state-dict key. */
export type StateDict = Record<string, Tensor>;

// Beside the modules, not on them: every name but those of the methods is free for what a subclass consists of.
const hooksOfModule = new WeakMap<Module, ModuleHooks>();
/** The recorded forward of modules that were compiled. */
const compiledForward = new WeakMap<Module, Compiled<(...args: unknown[]) => unknown>>();
/** Registered buffers: property, and whether the state dict holds it. */
const buffersOfModule = new WeakMap<Module, Map<string, boolean>>();

// Behind an accessor, so that a recording hears who asks.
export const TRAINING: unique symbol = Symbol('training');

/** Base class of all networks and layers. See torch.nn.Module. */
export class Module {
  /** @internal */
  [TRAINING] = true;
  constructor() {
    noteModule(this);
    notePartClass(new.target);
  }
  /** Whether the module trains (dropout drops, batch norm averages) or evaluates; set by train() and eval(). */
  get training(): boolean {
    if (capture !== null) capture.mode(this, this[TRAINING]);
    return this[TRAINING];
  }
  set training(value: boolean) {
    this[TRAINING] = value;
  }

  /** What the module computes. Every subclass has its own; call it as `module.forward(x)`. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a module takes and returns what it likes
  forward(..._args: any[]): any {
    throw new TenfoldError('value', `${this.constructor.name}.forward: this module has no forward of its own`);
  }

  /** Key of a property in state dicts. Built-in modules translate to PyTorch's spelling. */
  static stateName(property: string): string {
    return property;
  }
  /** Whether a state dict may lack a key, which then keeps its value: older files don't have all. @internal */
  static stateMayLack(_key: string): boolean {
    return false;
  }

  // ---- registering ---------------------------------------------------------------------------------------------------

  /** Adds a parameter, or null for one that this module does without; the same as assigning a property. */
  registerParameter(name: string, parameter: Parameter | null): void {
    if (parameter !== null && !(parameter instanceof Parameter)) {
      throw new TypeError(
        `registerParameter: '${name}' must be a Parameter or null, got ${show(parameter)}; wrap it in new nn.Parameter(…)`,
      );
    }
    define(this, 'registerParameter', name, parameter);
    guardPart(this, name, 'parameter');
  }
  /**
   * Adds a tensor that is state but not trained, such as a running mean. It moves with `to()`; where `persistent`, the
   * state dict holds it.
   */
  registerBuffer(name: string, tensor: Tensor | null, persistent: boolean | { persistent?: boolean } = true): void {
    if (tensor !== null && !(tensor instanceof Tensor)) {
      throw new TypeError(`registerBuffer: '${name}' must be a tensor or null, got ${show(tensor)}`);
    }
    if (tensor instanceof Parameter)
      throw new TypeError(`registerBuffer: '${name}' is a Parameter; use registerParameter`);
    define(this, 'registerBuffer', name, tensor);
    guardPart(this, name, 'buffer');
    let buffers = buffersOfModule.get(this);
    if (buffers === undefined) buffersOfModule.set(this, (buffers = new Map()));
    buffers.set(name, typeof persistent === 'object' ? (persistent.persistent ?? true) : persistent);
  }
  /** Adds a child, or null for one that this module does without; the same as assigning a property. */
  registerModule(name: string, module: Module | null): void {
    if (module !== null && !(module instanceof Module)) {
      throw new TypeError(`registerModule: '${name}' must be a module or null, got ${show(module)}`);
    }
    define(this, 'registerModule', name, module);
    guardPart(this, name, 'module');
  }
  /** PyTorch's other name of registerModule. */
  addModule(name: string, module: Module | null): void {
    this.registerModule(name, module);
  }

  // ---- the tree ------------------------------------------------------------------------------------------------------

  /** Children with their names; a child that occurs twice is given once. */
  namedChildren(): [string, Module][] {
    const seen = new Set<Module>();
    const out: [string, Module][] = [];
    for (const [key, value] of entriesOf(this)) {
      if (value instanceof Module && !seen.has(value)) {
        seen.add(value);
        out.push([key, value]);
      }
    }
    return out;
  }
  /** The modules that this one consists of. */
  children(): Module[] {
    return this.namedChildren().map(([, m]) => m);
  }
  /** This module, its children, their children, …, each once, with dotted names. */
  namedModules(prefix = ''): [string, Module][] {
    const out: [string, Module][] = [];
    const seen = new Set<Module>();
    const visit = (module: Module, name: string): void => {
      if (seen.has(module)) return;
      seen.add(module);
      out.push([name, module]);
      for (const [key, child] of module.namedChildren()) visit(child, join(name, key));
    };
    visit(this, prefix);
    return out;
  }
  /** This module, its children, their children, …, each once. */
  modules(): Module[] {
    return this.namedModules().map(([, m]) => m);
  }
  /** The module of a dotted name: `getSubmodule('encoder.0')`. */
  getSubmodule(target: string): Module {
    const found = this.namedModules().find(([name]) => name === target);
    if (!found)
      throw noSuch(
        this,
        'getSubmodule',
        'module',
        target,
        this.namedModules().map(([name]) => name),
      );
    return found[1];
  }

  /** Parameters of this module and (`recurse`) of those inside, each once, with dotted names. */
  namedParameters(prefix = '', recurse = true): [string, Parameter][] {
    return collect(this, prefix, recurse, parametersOf);
  }
  /** Parameters of this module and (`recurse`) of those inside, each once: what an optimizer takes. */
  parameters(recurse = true): Parameter[] {
    return this.namedParameters('', recurse).map(([, p]) => p);
  }
  /** Buffers of this module and (`recurse`) of those inside, each once, with dotted names. */
  namedBuffers(prefix = '', recurse = true): [string, Tensor][] {
    return collect(this, prefix, recurse, buffersOf);
  }
  /** Buffers of this module and (`recurse`) of those inside, each once. */
  buffers(recurse = true): Tensor[] {
    return this.namedBuffers('', recurse).map(([, b]) => b);
  }
  /** The parameter of a dotted name. */
  getParameter(target: string): Parameter {
    const all = this.namedParameters();
    const found = all.find(([name]) => name === target);
    if (!found)
      throw noSuch(
        this,
        'getParameter',
        'parameter',
        target,
        all.map(([name]) => name),
      );
    return found[1];
  }
  /** The buffer of a dotted name. */
  getBuffer(target: string): Tensor {
    const all = this.namedBuffers();
    const found = all.find(([name]) => name === target);
    if (!found)
      throw noSuch(
        this,
        'getBuffer',
        'buffer',
        target,
        all.map(([name]) => name),
      );
    return found[1];
  }
  // ---- state ---------------------------------------------------------------------------------------------------------

  /**
   * Parameters and persistent buffers by key, keys spelt as PyTorch spells them. The tensors share the module's memory;
   * with `keepVars` they are the parameters themselves.
   */
  stateDict(options: { prefix?: string; keepVars?: boolean } = {}): StateDict {
    checkOptions('stateDict', options, ['prefix', 'keepVars']);
    const out: StateDict = {};
    for (const { key, tensor } of stateOf(this, options.prefix ?? ''))
      out[key] = options.keepVars || isLazy(tensor) ? tensor : tensor.detach();
    return out;
  }
  /**
   * Copies tensors into the parameters and buffers of the same keys; dtypes are cast. All is checked before anything is
   * changed. With `strict` (the default) the keys must match exactly; a batch norm's num_batches_tracked may be missing, which
   * files from before PyTorch 0.4.1 don't have. With `assign` the module takes the tensors themselves, dtype and all.
   * What a lazy module has not yet made takes its shape from the tensor.
   * @throws TenfoldError 'state' that names every missing and unexpected key and every shape that differs.
   */
  loadStateDict(
    stateDict: StateDict | ReadonlyMap<string, Tensor>,
    options: boolean | { strict?: boolean; assign?: boolean } = {},
    assign = false,
  ): { missingKeys: string[]; unexpectedKeys: string[] } {
    const call = `${this.constructor.name}.loadStateDict`;
    if (typeof stateDict !== 'object' || stateDict === null || stateDict instanceof Tensor) {
      throw new TypeError(`${call}: expected an object of tensors by key, got ${show(stateDict)}`);
    }
    if (typeof options === 'object') checkOptions('loadStateDict', options, ['strict', 'assign']);
    const strict = typeof options === 'boolean' ? options : (options.strict ?? true);
    const takes = typeof options === 'boolean' ? assign : (options.assign ?? assign);
    const given = isMap(stateDict)
      ? (stateDict as Map<string, unknown>)
      : new Map<string, unknown>(Object.entries(stateDict));
    const own = new Map([...stateOf(this, '')].map((entry) => [entry.key, entry]));
    const missingKeys = [...own.values()].filter((e) => !given.has(e.key) && !e.optional).map((e) => e.key);
    const unexpectedKeys = [...given.keys()].filter((key) => !own.has(key));
    const problems: string[] = [];
    if (strict && missingKeys.length > 0) problems.push(`missing ${quoted(missingKeys)}`);
    if (strict && unexpectedKeys.length > 0) {
      problems.push(`unexpected ${quoted(unexpectedKeys)}${didYouMean(unexpectedKeys[0]!, missingKeys)}`);
    }
    for (const [key, { tensor: target }] of own) {
      const value = given.get(key);
      if (value === undefined) continue;
      if (!(value instanceof Tensor)) problems.push(`'${key}' must be a tensor, got ${show(value)}`);
      else if (isLazy(value)) {
        if (!isLazy(target)) problems.push(`'${key}' is not initialized, and the module's is`);
      } else if (isLazy(target)) checkTensor(call, value);
      else if (!sameShape(value.shape, target.shape)) {
        problems.push(
          `'${key}' has shape ${formatShape(value.shape)} where the module's has ${formatShape(target.shape)}`,
        );
      } else checkTensor(call, value);
    }
    if (problems.length > 0)
      throw new TenfoldError('state', `${call}: the state dict doesn't fit: ${problems.join('; ')}`);
    withoutGrad(() => {
      for (const [key, { tensor: target, owner, property }] of own) {
        const value = given.get(key) as Tensor | undefined;
        if (value === undefined || isLazy(value)) continue;
        if (takes) (owner as unknown as Record<string, Tensor>)[property] = taken(value, target);
        else {
          if (isLazy(target)) target.materialize(value.shape);
          target.copy_(value);
        }
      }
    });
    return { missingKeys, unexpectedKeys };
  }

  // ---- sharing -------------------------------------------------------------------------------------------------------

  /**
   * Moves parameters and buffers into memory that other threads can have without a copy; returns the module. Gradients stay
   * each thread's own. See torch.nn.Module.share_memory, and docs/shared.md.
   */
  shareMemory(): this {
    shareAll([...this.parameters(), ...this.buffers()]);
    return this;
  }
  /** Shared parameters and persistent buffers by the state dict's keys, as plain objects for postMessage and workerData. */
  toShared(): Record<string, SharedTensor> {
    return Object.fromEntries([...stateOf(this, '')].map(({ key, tensor }) => [key, tensor.toShared()]));
  }
  /**
   * Uses the memory of another thread's module in place of its own: what `toShared()` gave there. Nothing is copied; the other
   * module must have the same keys, shapes and dtypes. Returns the module.
   * @throws TenfoldError 'state' that names every key that doesn't fit; nothing is changed then.
   */
  fromShared(shared: Readonly<Record<string, SharedTensor>>): this {
    const call = `${this.constructor.name}.fromShared`;
    if (typeof shared !== 'object' || (shared as unknown) === null)
      throw new TypeError(`${call}: expected what toShared() gave, got ${show(shared)}`);
    adopt(call, new Map([...stateOf(this, '')].map(({ key, tensor }) => [key, tensor])), shared);
    return this;
  }

  // ---- modes and conversions -----------------------------------------------------------------------------------------

  /** Sets training mode here and in all modules inside; returns the module. */
  train(training = true): this {
    if (typeof training !== 'boolean') throw new TypeError(`train: expected a boolean, got ${show(training)}`);
    for (const m of this.modules()) m.training = training;
    return this;
  }
  /** Sets evaluation mode; the same as train(false). */
  eval(): this {
    return this.train(false);
  }
  /** Forgets the gradients of all parameters, or with `setToNone: false` zeroes them. */
  zeroGrad(options: boolean | { setToNone?: boolean } = {}): void {
    if (typeof options === 'object') checkOptions('zeroGrad', options, ['setToNone']);
    const drop = typeof options === 'boolean' ? options : (options.setToNone ?? true);
    for (const p of this.parameters()) {
      if (drop) p.dropGrad();
      else if (p.meta?.grad) withoutGrad(() => p.meta!.grad!.detach().zero_());
    }
  }
  /** Sets whether the parameters require gradients; returns the module. */
  requiresGrad_(requiresGrad = true): this {
    for (const p of this.parameters()) p.requiresGrad_(requiresGrad);
    return this;
  }
  /** Calls `fn` with every module inside, children first, then with this one; returns it. */
  apply(fn: (module: Module) => void): this {
    if (typeof fn !== 'function') throw new TypeError(`apply: expected a function, got ${show(fn)}`);
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }
  /** Converts floating-point parameters and buffers to a floating-point dtype, in place; returns the module. */
  to(dtype: DType | 'cpu' | Tensor | { dtype?: DType | null; device?: string | null; nonBlocking?: boolean }): this;
  to(device: string, dtype?: DType | null): this;
  to(dtype: string | Tensor | { dtype?: DType | null; device?: string | null }, behind?: DType | null): this {
    if (typeof dtype === 'string' && isDevice(dtype)) {
      checkDevice('to', dtype);
      return behind === undefined || behind === null ? this : this.to(behind);
    }
    if (behind !== undefined)
      throw new TypeError(`to: takes a dtype, or a device and a dtype, got ${show(behind)} behind ${show(dtype)}`);
    if (dtype instanceof Tensor) return this.to(dtype.dtype);
    if (typeof dtype === 'object' && dtype !== null) {
      checkOptions('to', dtype, ['dtype', 'nonBlocking']);
      return dtype.dtype === undefined || dtype.dtype === null ? this : this.to(dtype.dtype);
    }
    const code = codeOf('to', dtype);
    if (!isFloatCode(code))
      throw new TenfoldError('dtype', `to: a module's dtype must be a floating-point one, got ${show(dtype)}`);
    const convert = (t: Tensor): Tensor => {
      if (isLazy(t)) return lazyLike(t, DTYPES[code]!);
      const out = Tensor.raw(t.shape, code, true);
      out.rawCopy(t);
      return out;
    };
    const changes = (t: Tensor): boolean => isFloatCode(t.code) && t.code !== code;
    for (const p of this.parameters()) {
      if (!changes(p)) continue;
      const grad = p.meta?.grad ?? null;
      if (isLazy(p)) p.become(convert(p));
      else p.data = convert(p);
      if (grad !== null) leafMeta(p).grad = convert(grad);
    }
    for (const m of this.modules()) {
      for (const [, b, , property] of buffersOf(m))
        if (changes(b)) (m as unknown as Record<string, Tensor>)[property] = convert(b);
    }
    return this;
  }
  /** The module itself, which is in the processor's memory already. */
  cpu(): this {
    return this;
  }
  /** Not here: says so. @throws TenfoldError 'value'. */
  cuda(device: string | number | null = 'cuda'): this {
    void device;
    checkDevice('cuda', 'cuda');
    return this;
  }
  /** As float32. */
  float(): this {
    return this.to('float32');
  }
  /** As float64. */
  double(): this {
    return this.to('float64');
  }
  /** As float16. */
  half(): this {
    return this.to('float16');
  }
  /** As bfloat16. */
  bfloat16(): this {
    return this.to('bfloat16');
  }
  /** The dtype, converted as `to` does. */
  type(dtype: DType): this {
    return this.to(dtype);
  }

  /**
   * A copy that shares nothing with this module but functions: parameters and buffers have their own memory, and what
   * occurs twice (tied weights) occurs twice in the copy. See copy.deepcopy.
   */
  clone(): this {
    return copyModule(this, new Map()) as this;
  }

  // ---- compiling -----------------------------------------------------------------------------------------------------

  /**
   * From now on `forward` is recorded once for each kind of arguments and replayed natively (see compile), also where this module
   * is a part of another. Returns the module. See torch.nn.Module.compile.
   */
  compile(options: CompileOptions = {}): this {
    const compiled = compile(this.forward.bind(this), options);
    Object.defineProperty(this, 'forward', { value: compiled, configurable: true, writable: true, enumerable: false });
    compiledForward.set(this, compiled);
    return this;
  }
  /**
   * `forward` on a thread beside JavaScript's, without gradients: the event loop goes on. The arguments may be changed at once;
   * parameters may not until the promise has settled. Compiles the module's forward where compile() hasn't. TenfoldError
   * 'capture' for a forward that changes tensors (batch norm in training mode, dropout) or looks at values.
   */
  forwardAsync(...args: Parameters<this['forward']>): Promise<ReturnType<this['forward']>> {
    let compiled = compiledForward.get(this);
    if (compiled === undefined)
      compiledForward.set(this, (compiled = compile((...x) => this.forward(...x) as unknown)));
    return compiled.async(...args) as Promise<ReturnType<this['forward']>>;
  }

  // ---- hooks ---------------------------------------------------------------------------------------------------------

  /**
   * Calls `hook(module, args)` before every forward; what it returns replaces the arguments. With `withKwargs` it is
   * `hook(module, args, kwargs)`, kwargs being the trailing options object, and returns [args, kwargs].
   */
  registerForwardPreHook(hook: ForwardPreHook, options: Omit<HookOptions, 'alwaysCall'> = {}): HookHandle {
    checkOptions('registerForwardPreHook', options, ['prepend', 'withKwargs']);
    return hooksOf(this).add('forwardPre', hook, 'registerForwardPreHook', options);
  }
  /**
   * Calls `hook(module, args, output)` after every forward; what it returns replaces the output. With `withKwargs` it is
   * `hook(module, args, kwargs, output)`; with `alwaysCall` it is called, with null as the output, where forward throws, too.
   */
  registerForwardHook(hook: ForwardHook, options: HookOptions = {}): HookHandle {
    checkOptions('registerForwardHook', options, ['prepend', 'withKwargs', 'alwaysCall']);
    return hooksOf(this).add('forward', hook, 'registerForwardHook', options);
  }
  /** Calls `hook(module, gradInput, gradOutput)` when the gradients of the arguments are known; a returned list replaces them. */
  registerFullBackwardHook(hook: BackwardHook, options: { prepend?: boolean } = {}): HookHandle {
    checkOptions('registerFullBackwardHook', options, ['prepend']);
    return hooksOf(this).add('backward', hook, 'registerFullBackwardHook', options);
  }
  /** Calls `hook(module, gradOutput)` before the module's backward; a returned list replaces the gradients. */
  registerFullBackwardPreHook(hook: BackwardPreHook, options: { prepend?: boolean } = {}): HookHandle {
    checkOptions('registerFullBackwardPreHook', options, ['prepend']);
    return hooksOf(this).add('backwardPre', hook, 'registerFullBackwardPreHook', options);
  }

  // ---- printing ------------------------------------------------------------------------------------------------------

  /** What stands between the parentheses when the module prints; lines, where there are several. */
  extraRepr(): string {
    return '';
  }
  /** The tree, as PyTorch prints it. */
  toString(): string {
    const extra = this.extraRepr();
    const lines = extra === '' ? [] : extra.split('\n');
    const children = [...entriesOf(this)].filter((e): e is [string, Module, string] => e[1] instanceof Module);
    for (const [key, child] of children) lines.push(`(${key}): ${child.toString().replaceAll('\n', '\n  ')}`);
    const name = this.constructor.name;
    if (lines.length === 0) return `${name}()`;
    if (lines.length === 1 && children.length === 0) return `${name}(${extra})`;
    return `${name}(\n  ${lines.join('\n  ')}\n)`;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** Own properties with their state-dict keys, in the order of their first assignment. */
function* entriesOf(module: Module): Iterable<[key: string, value: unknown, property: string]> {
  warnOfPrivateParts(module.constructor);
  const { stateName } = module.constructor as typeof Module;
  for (const property of Object.keys(module)) {
    const value = (module as unknown as Record<string, unknown>)[property];
    if (Array.isArray(value) && !warned.has(module.constructor)) warnOfArray(module, property, value);
    const kind = kindOfValue(value);
    if (kind !== null && !isGuarded(module, property)) guardPart(module, property, kind);
    yield [stateName(property), value, property];
  }
}
isPart.module = (x) => x instanceof Module;

function* parametersOf(module: Module): Iterable<[key: string, parameter: Parameter, property: string]> {
  for (const [key, value, property] of entriesOf(module)) if (value instanceof Parameter) yield [key, value, property];
}
function* buffersOf(module: Module): Iterable<[key: string, tensor: Tensor, persistent: boolean, property: string]> {
  const buffers = buffersOfModule.get(module);
  if (buffers === undefined) return;
  for (const [key, value, property] of entriesOf(module)) {
    const persistent = buffers.get(property);
    if (persistent !== undefined && value instanceof Tensor && !(value instanceof Parameter))
      yield [key, value, persistent, property];
  }
}
interface StateEntry {
  key: string;
  tensor: Tensor;
  owner: Module;
  property: string;
  /** Whether older state dicts lack it. */
  optional: boolean;
}
/** Every place that the state dict covers, modules that occur twice included. */
function* stateOf(module: Module, prefix: string): Iterable<StateEntry> {
  const { stateMayLack } = module.constructor as typeof Module;
  for (const [key, tensor, property] of parametersOf(module))
    yield { key: prefix + key, tensor, owner: module, property, optional: stateMayLack(key) };
  for (const [key, tensor, persistent, property] of buffersOf(module))
    if (persistent) yield { key: prefix + key, tensor, owner: module, property, optional: stateMayLack(key) };
  for (const [key, value] of entriesOf(module)) if (value instanceof Module) yield* stateOf(value, `${prefix}${key}.`);
}
function noSuch(module: Module, call: string, kind: string, target: string, known: string[]): TenfoldError {
  return new TenfoldError(
    'value',
    `${call}: ${module.constructor.name} has no ${kind} '${target}'${didYouMean(target, known)}`,
  );
}

function collect<T>(
  module: Module,
  prefix: string,
  recurse: boolean,
  own: (m: Module) => Iterable<readonly [string, T, ...unknown[]]>,
): [string, T][] {
  const seen = new Set<T>();
  const out: [string, T][] = [];
  for (const [name, part] of recurse ? module.namedModules(prefix) : [[prefix, module] as const]) {
    for (const [key, value] of own(part)) {
      if (seen.has(value)) continue;
      seen.add(value);
      out.push([join(name, key), value]);
    }
  }
  return out;
}

function define(module: Module, call: string, name: string, value: unknown): void {
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`${call}: the name must be a non-empty string, got ${show(name)}`);
  if (name.includes('.')) throw new TenfoldError('value', `${call}: the name '${name}' must not contain a dot`);
  if (name in module && !Object.hasOwn(module, name)) {
    throw new TenfoldError(
      'value',
      `${call}: '${name}' is a method of ${module.constructor.name}; choose another name`,
    );
  }
  const members = module as unknown as Record<string, unknown>;
  const old = kindOfValue(members[name]);
  if (value !== null && old !== null && old !== kindOfValue(value)) {
    throw new TenfoldError(
      'value',
      `${call}: ${module.constructor.name} has a ${old} '${name}' already; choose another name`,
    );
  }
  // Past the accessor of what stood there, which may be of another kind; registering puts the new kind's there.
  Object.defineProperty(module, name, { value, enumerable: true, configurable: true, writable: true });
}
/** A state dict's tensor as a module takes it itself: in a parameter's place it is one, and trains where that did. */
function taken(value: Tensor, target: Tensor): Tensor {
  if (!(target instanceof Parameter)) return value;
  return value instanceof Parameter ? value.requiresGrad_(target.leafGrad) : new Parameter(value, target.leafGrad);
}

/** The hooks of a module, if it ever had one. */
export const findHooks = (module: Module): ModuleHooks | undefined => hooksOfModule.get(module);
function hooksOf(module: Module): ModuleHooks {
  let hooks = hooksOfModule.get(module);
  if (hooks === undefined) hooksOfModule.set(module, (hooks = new ModuleHooks(module)));
  return hooks;
}

const join = (prefix: string, key: string): string => (prefix === '' ? key : `${prefix}.${key}`);
const quoted = (keys: readonly string[]): string =>
  `${keys.length === 1 ? 'key' : 'keys'} ${keys.map((k) => `'${k}'`).join(', ')}`;

function withoutGrad(fn: () => void): void {
  const before = mode.grad;
  mode.grad = false;
  try {
    fn();
  } finally {
    mode.grad = before;
  }
}

// A plain array hides its modules from parameters(), as a plain list does in PyTorch: once per class, say so.
const warned = new Set<unknown>();
function warnOfArray(module: Module, property: string, value: readonly unknown[]): void {
  if (!value.some((x) => x instanceof Module || x instanceof Parameter)) return;
  warned.add(module.constructor);
  const kind = value[0] instanceof Parameter ? 'ParameterList' : 'ModuleList';
  process.emitWarning(
    `${module.constructor.name}.${property} is a plain array: parameters() and stateDict() don't look inside; use new nn.${kind}(…)`,
    'TenfoldWarning',
  );
}

/** Deep copy of a module's properties; `copies` has what was met before. */
function copyModule(module: Module, copies: Map<object, unknown>): Module {
  const known = copies.get(module);
  if (known !== undefined) return known as Module;
  const hooked = hooksOfModule.get(module);
  const own = hooked ? hooked.ownForward : Object.getOwnPropertyDescriptor(module, 'forward');
  if (typeof own?.value === 'function' && !Object.hasOwn(own.value as object, 'prototype')) {
    throw new TenfoldError(
      'value',
      `clone: ${module.constructor.name}.forward is an arrow function or bound, and would compute with the original's weights; make it a method`,
    );
  }
  const copy = Object.create(Object.getPrototypeOf(module) as object) as Module;
  copies.set(module, copy);
  copy[TRAINING] = module[TRAINING];
  noteModule(copy);
  for (const property of Object.keys(module)) {
    (copy as unknown as Record<string, unknown>)[property] = copyValue(
      (module as unknown as Record<string, unknown>)[property],
      copies,
    );
  }
  copyGuards(module, copy);
  const buffers = buffersOfModule.get(module);
  if (buffers !== undefined) buffersOfModule.set(copy, new Map(buffers));
  const hooks = hooksOfModule.get(module)?.copyTo(copy);
  if (hooks) hooksOfModule.set(copy, hooks);
  return copy;
}

function copyValue(value: unknown, copies: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (value instanceof Module) return copyModule(value, copies);
  let copy: unknown = value;
  if (isLazy(value)) {
    copies.set(value, (copy = lazyLike(value)));
    return copy;
  }
  if (value instanceof Tensor) {
    if (!value.isLeaf) {
      throw new TenfoldError(
        'graph',
        `clone: a module's ${DTYPES[value.code]} tensor of shape ${formatShape(value.shape)} is part of a graph; detach() it`,
      );
    }
    const own = Tensor.raw(value.shape, value.code, true);
    own.rawCopy(value);
    copy = value instanceof Parameter ? new Parameter(own, value.leafGrad) : own.requiresGrad_(value.leafGrad);
    copies.set(value, copy);
    if (value.meta?.grad) (copy as Tensor).grad = value.meta.grad.rawClone();
    return copy;
  }
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    copies.set(value, list);
    for (const x of value) list.push(copyValue(x, copies));
    return list;
  }
  if (isMap(value)) copy = new Map([...value].map(([k, v]) => [k, copyValue(v, copies)]));
  else if (isSet(value)) copy = new Set([...value].map((v) => copyValue(v, copies)));
  else if (isPlainObject(value)) {
    const object: Record<string, unknown> = {};
    copies.set(value, object);
    for (const [k, v] of Object.entries(value)) object[k] = copyValue(v, copies);
    return object;
  }
  copies.set(value, copy);
  return copy;
}
