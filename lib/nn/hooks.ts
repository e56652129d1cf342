/**
 * Hooks of modules. A module without hooks pays nothing: the first one puts a `forward` of its own on the instance, which
 * the last one to go takes away again.
 */
import { TenfoldError, isPlainObject, show } from '../errors.js';
import { Node, type BackwardRule } from '../autograd/graph.js';
import { edgeOf } from '../autograd/engine.js';
import { mode } from '../autograd/mode.js';
import { isFloatCode } from '../dtype.js';
import { NamedTensors, mapNamed } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';
import type { Module } from './module.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- a module takes and returns what it likes */
/**
 * Called before forward; what it returns, if anything, replaces the arguments (a list, or the one argument). With `withKwargs` it is
 * called with the trailing options object beside the rest, and returns [args, kwargs].
 */
export type ForwardPreHook = (module: any, args: any[], kwargs?: any) => any;
/**
 * Called after forward; what it returns, if anything, replaces the result. With `withKwargs` it is called with
 * (module, args, kwargs, output).
 */
export type ForwardHook = (module: any, args: any[], output: any, ...rest: any[]) => any;
/* eslint-enable @typescript-eslint/no-explicit-any */
/** Called with the gradients of the result before the module's backward; a returned list replaces them. */
export type BackwardPreHook = (module: Module, gradOutput: (Tensor | null)[]) => (Tensor | null)[] | void;
/** Called with the gradients of arguments and result after the module's backward; a returned list replaces the former. */
export type BackwardHook = (
  module: Module,
  gradInput: (Tensor | null)[],
  gradOutput: (Tensor | null)[],
) => (Tensor | null)[] | Tensor | void;

/** How a hook is called. */
export interface HookOptions {
  /** Before those that are there. */
  prepend?: boolean;
  /** With the trailing options object of the call ({} where there is none) as an argument of its own. */
  withKwargs?: boolean;
  /** Of a forward hook: also where forward throws, with null as the output. */
  alwaysCall?: boolean;
}

/** Takes back a registration. */
export interface HookHandle {
  remove(): void;
}

type Forward = (...args: unknown[]) => unknown;
let nextId = 1;

/** The hooks of one module, and the forward that calls them. */
export class ModuleHooks {
  readonly forwardPre = new Map<number, ForwardPreHook>();
  readonly forward = new Map<number, ForwardHook>();
  readonly backwardPre = new Map<number, BackwardPreHook>();
  readonly backward = new Map<number, BackwardHook>();
  /** The forward that the module had as a property of its own, if it had one. */
  private own: PropertyDescriptor | undefined;
  private installed = false;
  /** Hooks that are called in another way than the plain one, by their ids. */
  private readonly options = new Map<number, HookOptions>();

  constructor(private readonly module: Module) {}

  add(
    name: 'forwardPre' | 'forward' | 'backwardPre' | 'backward',
    hook: unknown,
    call: string,
    options: HookOptions,
  ): HookHandle {
    const kind = this[name] as Map<number, unknown>;
    if (typeof hook !== 'function') throw new TypeError(`${call}: expected a function, got ${show(hook)}`);
    for (const [key, value] of Object.entries(options) as [string, unknown][])
      if (typeof value !== 'boolean') throw new TypeError(`${call}: '${key}' must be a boolean, got ${show(value)}`);
    const id = nextId++;
    if (options.withKwargs || options.alwaysCall) this.options.set(id, options);
    if (options.prepend) {
      const rest = [...kind];
      kind.clear();
      kind.set(id, hook);
      for (const [key, value] of rest) kind.set(key, value);
    } else kind.set(id, hook);
    this.install();
    return {
      remove: () => {
        kind.delete(id);
        this.options.delete(id);
        if (this.isEmpty) this.uninstall();
      },
    };
  }

  /** Takes back a forward pre-hook of which no handle is at hand, as on a copy of a module. */
  removeForwardPre(hook: ForwardPreHook): void {
    for (const [id, known] of this.forwardPre) if (known === hook) this.forwardPre.delete(id);
    if (this.isEmpty) this.uninstall();
  }

  /** The same hooks for a copy of the module. */
  copyTo(module: Module): ModuleHooks | null {
    if (this.isEmpty) return null;
    const copy = new ModuleHooks(module);
    for (const kind of ['forwardPre', 'forward', 'backwardPre', 'backward'] as const) {
      for (const [id, hook] of this[kind]) (copy[kind] as Map<number, unknown>).set(id, hook);
      for (const [id, options] of this.options) copy.options.set(id, options);
    }
    copy.install();
    return copy;
  }

  /** The forward that the module has as a property of its own, hooks aside; undefined where it is a method. */
  get ownForward(): PropertyDescriptor | undefined {
    return this.installed ? this.own : Object.getOwnPropertyDescriptor(this.module, 'forward');
  }
  private get isEmpty(): boolean {
    return this.forwardPre.size + this.forward.size + this.backwardPre.size + this.backward.size === 0;
  }

  private install(): void {
    if (this.installed) return;
    const { module } = this;
    this.own = Object.getOwnPropertyDescriptor(module, 'forward');
    const forward = module.forward as Forward;
    const value = (...args: unknown[]): unknown => this.call(forward, args);
    Object.defineProperty(module, 'forward', { value, configurable: true, writable: true, enumerable: false });
    this.installed = true;
  }
  private uninstall(): void {
    if (!this.installed) return;
    if (this.own) Object.defineProperty(this.module, 'forward', this.own);
    else delete (this.module as { forward?: unknown }).forward;
    this.installed = false;
  }

  private call(forward: Forward, given: unknown[]): unknown {
    const { module } = this;
    let args = given;
    for (const [id, hook] of [...this.forwardPre]) args = this.before(id, hook, args);
    const backward =
      mode.grad && this.backward.size + this.backwardPre.size > 0 ? new BackwardPass(this, module) : null;
    if (backward !== null) args = backward.enter(args);
    const called = new Set<number>();
    try {
      let output = forward.apply(module, args);
      for (const [id, hook] of [...this.forward]) {
        called.add(id);
        const replaced = this.after(id, hook, args, output);
        if (replaced !== undefined && replaced !== null) output = replaced;
      }
      return backward === null ? output : backward.leave(output);
    } catch (error) {
      this.afterFailure(args, called);
      throw error;
    }
  }
  private before(id: number, hook: ForwardPreHook, args: unknown[]): unknown[] {
    if (!this.options.get(id)?.withKwargs) {
      const replaced = hook(this.module, args) as unknown;
      if (replaced === undefined || replaced === null) return args;
      return Array.isArray(replaced) ? (replaced as unknown[]) : [replaced];
    }
    const replaced = hook(this.module, ...apart(args)) as unknown;
    if (replaced === undefined || replaced === null) return args;
    if (!Array.isArray(replaced) || replaced.length !== 2 || !Array.isArray(replaced[0]) || !isPlainObject(replaced[1]))
      throw new TypeError(
        `registerForwardPreHook: with withKwargs a hook must return [args, kwargs] or nothing, got ${show(replaced)}`,
      );
    const [list, kwargs] = replaced as [unknown[], object];
    return Object.keys(kwargs).length > 0 ? [...list, kwargs] : list;
  }
  private after(id: number, hook: ForwardHook, args: unknown[], output: unknown): unknown {
    if (!this.options.get(id)?.withKwargs) return hook(this.module, args, output) as unknown;
    return hook(this.module, ...apart(args), output) as unknown;
  }
  /** Forward, or a hook behind it, has thrown: those that are always called are, and what they throw is only said. */
  private afterFailure(args: unknown[], called: ReadonlySet<number>): void {
    for (const [id, hook] of [...this.forward]) {
      if (called.has(id) || !this.options.get(id)?.alwaysCall) continue;
      try {
        this.after(id, hook, args, null);
      } catch (error) {
        process.emitWarning(
          `${this.module.constructor.name}: a forward hook with alwaysCall threw after forward had: ${String(error)}`,
          'TenfoldWarning',
        );
      }
    }
  }
}
/** The arguments without their trailing options object, and it. */
function apart(args: unknown[]): [unknown[], object] {
  const last = args.at(-1);
  return isPlainObject(last) ? [args.slice(0, -1), { ...last }] : [args, {}];
}

type Grads = (Tensor | null)[];

/**
 * Two nodes around one call of a module: the outer one sees the gradients of the result, the inner one those of the
 * arguments.
 */
class BackwardPass {
  private gradOutput: Grads = [];
  private arguments = 0;
  private hasInputs = false;
  constructor(
    private readonly hooks: ModuleHooks,
    private readonly module: Module,
  ) {}

  enter(args: unknown[]): unknown[] {
    this.arguments = args.length;
    const tensors = args.filter((a): a is Tensor => a instanceof Tensor && isFloatCode(a.code));
    if (!tensors.some((t) => t.requiresGrad)) return args;
    this.hasInputs = true;
    const at = args.flatMap((a, i) => (tensors.includes(a as Tensor) ? [i] : []));
    const passed = through('BackwardHookFunctionBackward', tensors, (grads) => {
      const gradInput = args.map((): Tensor | null => null);
      at.forEach((i, nr) => (gradInput[i] = grads[nr]!));
      const replaced = this.callHooks(gradInput);
      return at.map((i) => replaced[i]!);
    });
    const out = [...args];
    at.forEach((i, nr) => (out[i] = passed[nr]!));
    return out;
  }

  leave(output: unknown): unknown {
    const list =
      Array.isArray(output) || output instanceof NamedTensors ? [...(output as Iterable<unknown>)] : [output];
    const tensors = list.filter((t): t is Tensor => t instanceof Tensor && isFloatCode(t.code));
    if (!tensors.some((t) => t.requiresGrad)) return output;
    const passed = through('BackwardHookFunctionBackward', tensors, (grads) => {
      let gradOutput = grads;
      for (const hook of [...this.hooks.backwardPre.values()]) gradOutput = hook(this.module, gradOutput) ?? gradOutput;
      this.gradOutput = gradOutput;
      if (!this.hasInputs) this.callHooks(new Array<Tensor | null>(this.arguments).fill(null));
      return gradOutput;
    });
    let nr = 0;
    const replaced = list.map((t) => (tensors.includes(t as Tensor) ? passed[nr++] : t));
    if (output instanceof NamedTensors) return mapNamed(output, (t) => replaced[list.indexOf(t)]);
    return Array.isArray(output) ? replaced : replaced[0];
  }

  private callHooks(gradInput: Grads): Grads {
    for (const hook of [...this.hooks.backward.values()]) {
      const result = hook(this.module, gradInput, this.gradOutput);
      if (result === undefined || result === null) continue;
      const list: Grads = Array.isArray(result) ? result : [result];
      for (const g of list) {
        if (g !== null && g !== undefined && !(g instanceof Tensor))
          throw new TypeError(`registerFullBackwardHook: a hook must return tensors or nothing, got ${show(g)}`);
      }
      if (list.length !== gradInput.length) {
        throw new TenfoldError(
          'graph',
          `registerFullBackwardHook: a hook returned ${list.length} gradients for ${gradInput.length} arguments`,
        );
      }
      gradInput = list;
    }
    return gradInput;
  }
}

// Names of a named result's parts ({ values, indices }), pointed at what stands in their places now.
/** The same tensors behind one node, whose gradients go through `fn`. */
function through(gradName: string, tensors: readonly Tensor[], fn: (grads: Grads) => Grads): Tensor[] {
  const rule: BackwardRule = { gradName, escapes: true, backward: (_node, grads) => fn(grads) };
  const node = new Node(rule, tensors.map(edgeOf));
  node.saved = [];
  node.outputs = tensors.map((t) => ({ shape: t.shape, code: t.code }));
  return tensors.map((t, nr) => t.opaqueView(node, nr));
}
