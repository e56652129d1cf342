/**
 * defineOp: an op is one block. Its schema gives types, parsing and messages; `forward` computes; `backward` has one
 * formula per input, written with public ops, so that second derivatives come free.
 *
 *   /** Elementwise product; shapes broadcast. *\/
 *   export const mul = defineOp('mul[_](Tensor self, Tensor|Scalar other)', (): OpDef => ({
 *     forward: (self: Tensor, other: Operand, into?: Tensor) => binary(K, 'mul', self, other, To.same, into),
 *     backward: {
 *       self: d('other', (grad, other) => grad.mul(other)),
 *       other: d('self', (grad, self) => grad.mul(self)),
 *     },
 *   }));
 *
 * - `d(...names, formula)`: what the formula gets besides the gradient: saved inputs by name, or 'result' ('result1', …
 *   for further outputs), then, if it has one more parameter, the call: an object with every argument by name, tensors
 *   as { shape, dtype }. Formulas don't undo broadcasting, cast, or accumulate: the engine does.
 * - An op in place (`[_]`) gets self as one more argument, `into`: its forward may write the result there, where that is as
 *   good (`fitting` in inplace.ts); another result is copied into self.
 * - `backward: all([names], formula)`: one function for all inputs at once, where a kernel computes them together.
 * - An op has `backward`, or is `composite` (forward is written with public ops and autograd runs through them), or says
 *   `differentiable: false`.
 * - The block is a function with the return type written out, so that the type of an op is its schema alone: Tensor's
 *   methods are typed by the ops, and the ops' bodies use Tensor's methods.
 */
import { naming, rename, renamed } from '../errors.js';
import { DTYPES, isFloatCode } from '../dtype.js';
import { mode } from '../autograd/mode.js';
import { Node, unpack, type BackwardRule, type Edge } from '../autograd/graph.js';
import { edgeOf } from '../autograd/engine.js';
import { gradFnOf } from '../autograd/meta.js';
import { activeHooks, packSaved } from '../autograd/saved.js';
import { NamedTensors, namedTensors } from '../tensor/namedTensors.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { checkInplace, checkLeaf, checkResult, rebaseHistory, writeInto } from './inplace.js';
import { parseArguments, parseSchema, type Op, type Renamed, type Signature } from './schema.js';

export type { Op } from './schema.js';

/** An op with its record, as defineOp makes it. */
export type AnyOp = Op & { op: OpRecord };

/** A derivative formula and the names of what it reads. */
export interface Formula {
  readonly saves: readonly string[];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly fn: (...args: any[]) => Tensor | (Tensor | null)[] | null;
  readonly joint: boolean;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- a saved value is a tensor, or the number that stood in its place */
type T = any;
export function d(fn: (grad: T, call: T) => T): Formula;
export function d(a: string, fn: (grad: T, a: T, call: T) => T): Formula;
export function d(a: string, b: string, fn: (grad: T, a: T, b: T, call: T) => T): Formula;
export function d(a: string, b: string, c: string, fn: (grad: T, a: T, b: T, c: T, call: T) => T): Formula;
export function d(
  a: string,
  b: string,
  c: string,
  e: string,
  fn: (grad: T, a: T, b: T, c: T, e: T, call: T) => T,
): Formula;
/** A derivative: names of what to save, then the formula. For an op with several outputs `grad` is their list. */
export function d(...parts: unknown[]): Formula {
  return { saves: parts.slice(0, -1) as string[], fn: parts.at(-1) as Formula['fn'], joint: false };
}

/**
 * All derivatives by one function: `(grad, saved, call, needs) => gradients`, in the order of the tensor inputs; `saved`
 * has the saved values by name, `needs[i]` says whether input i's gradient is wanted.
 */
export function all(
  saves: string[],
  fn: (grad: T, saved: Record<string, T>, call: T, needs: readonly boolean[]) => T[],
): Formula {
  return { saves, fn, joint: true };
}

/** The derivative of what doesn't change with its input, but in jumps: 0, also where the gradient is infinite. */
export const zeroGradient: Formula = d((grad: Tensor) => Tensor.zeros(grad.shape, grad.code));

/** An op's block. */
export interface OpDef {
  forward: (...args: any[]) => any;
  backward?: Record<string, Formula> | Formula;
  differentiable?: false;
  composite?: true;
  /** In place, only into a tensor of the result's own dtype, not of another that could hold it. */
  sameDtype?: true;
  /** In place, the tensor turns into the view of itself that forward gives, and nothing is written: t_. */
  turns?: true;
  /** Name of the node as it prints; the op's name with a capital and Backward0 where not given. */
  gradName?: string;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

/** What sees every call of an op while `watched` runs: an exporter. Calls that it makes itself it doesn't see. */
export interface Watcher {
  /** Stands for the call, arguments in the order of the schema; gives its result. */
  run(op: OpRecord, args: unknown[]): unknown;
  /** Stands for a call that writes into its first argument. */
  inplace(op: OpRecord, args: unknown[]): Tensor;
}
let watcher: Watcher | null = null;
/** From now on every call of an op is shown to `by`, or to nobody; the watcher before. */
export function setWatcher(by: Watcher | null): Watcher | null {
  const before = watcher;
  watcher = by;
  return before;
}
/** Runs `fn` with every call of an op shown to `by`; to nobody, where that is null. */
export function watched<T>(by: Watcher | null, fn: () => T): T {
  const before = watcher;
  watcher = by;
  try {
    return fn();
  } finally {
    watcher = before;
  }
}

/** What an op gives that has a derivative. */
type Outputs = Tensor | Tensor[] | NamedTensors;

/** forward, its list of results as an object with the names that the schema says. */
function withNames(forward: OpDef['forward'], names: readonly string[]): OpDef['forward'] {
  const Results = namedTensors(names);
  return (...args) => {
    const out: unknown = forward(...args);
    return out instanceof NamedTensors ? out : new Results(out as Tensor[]);
  };
}

/** An op at work: its signature, forward and rule. */
export class OpRecord implements BackwardRule {
  readonly sig: Signature;
  readonly escapes = false;
  private def: OpDef | null = null;
  /** Positions of the parameters that can hold tensors. */
  readonly tensorParams: readonly number[];
  readonly hasList: boolean;
  private readonly selfOnly: boolean;
  /** Whether the op itself writes into its first argument: normal_. */
  private readonly writes: boolean;
  /** Position of the option `inplace`, with which a function writes into its first argument; -1 where there is none. */
  private readonly inplaceAt: number;
  private readonly defaults: readonly unknown[];
  /** Position of the parameter `call`, by which an op that is part of others is told whose name errors get; else -1. */
  private readonly callAt: number;
  // Filled from the block at first use.
  forward!: OpDef['forward'];
  kind!: 'formulas' | 'composite' | 'none';
  gradName!: string;
  private sameDtype = false;
  private turns = false;
  private formulas: (Formula | null)[] = [];
  private joint: Formula | null = null;
  /** Everything that any formula saves: its parameter (or -1 - output), and the inputs whose gradient needs it. */
  private saved: { name: string; param: number; for: number[] }[] = [];
  private slots: number[][] = [];
  private keepsArgs = false;

  constructor(
    schema: string,
    private readonly block: () => OpDef,
  ) {
    this.sig = parseSchema(schema);
    const tensorKinds = ['Tensor', 'Tensor[]', 'Tensor|Scalar'];
    const { params } = this.sig;
    this.tensorParams = params.flatMap((p, i) => (tensorKinds.includes(p.kind) ? [i] : []));
    this.hasList = params.some((p) => p.kind === 'Tensor[]');
    this.writes = this.sig.name.endsWith('_');
    this.defaults = params.map((p) => p.default);
    this.callAt = params.findIndex((p) => p.name === 'call');
    this.inplaceAt = params.findIndex((p) => p.name === 'inplace');
    this.selfOnly = params[0]?.kind === 'Tensor' && params.slice(1).every((p) => p.optional);
  }

  /** Reads the block; later calls do nothing. */
  ready(): OpDef {
    if (this.def !== null) return this.def;
    const def = this.block();
    const { name, params, results } = this.sig;
    this.forward = results.length === 0 ? def.forward : withNames(def.forward, results);
    this.gradName = def.gradName ?? `${name[0]!.toUpperCase()}${name.slice(1).replace(/_$/, '')}Backward0`;
    this.sameDtype = def.sameDtype === true;
    this.turns = def.turns === true;
    this.kind = def.backward ? 'formulas' : def.composite ? 'composite' : 'none';
    if (this.kind === 'none' && def.differentiable !== false) {
      throw new Error(`op ${name}: give it a backward, composite: true, or differentiable: false`);
    }
    if (def.backward) {
      const backward = def.backward;
      if ('joint' in backward && typeof backward.fn === 'function') this.joint = backward as Formula;
      else this.formulas = this.tensorParams.map((p) => (backward as Record<string, Formula>)[params[p]!.name] ?? null);
      for (const key of this.joint ? [] : Object.keys(backward)) {
        if (!this.tensorParams.some((p) => params[p]!.name === key))
          throw new Error(`op ${name}: no tensor input '${key}'`);
      }
      const paramOf = (save: string): number => {
        // An input may be called result, as in tanhBackward(grad, result); then that is meant.
        const at = params.findIndex((p) => p.name === save);
        if (at >= 0) return at;
        const result = /^result(\d?)$/.exec(save);
        if (!result) throw new Error(`op ${name}: a formula saves '${save}', which is no input (nor result)`);
        return -1 - Number(result[1] || 0);
      };
      const list = this.joint ? this.tensorParams.map(() => this.joint!) : this.formulas;
      // Inputs in their order, then outputs: as PyTorch saves them, which hooks see.
      const names = [...new Set(list.flatMap((f) => f?.saves ?? []))];
      const place = ({ param }: { param: number }): number => (param < 0 ? params.length - param : param);
      this.saved = names
        .map((save) => {
          const inputs = list.flatMap((f, input) => (f?.saves.includes(save) ? [input] : []));
          return { name: save, param: paramOf(save), for: inputs };
        })
        .sort((a, b) => place(a) - place(b));
      this.slots = list.map((f) => (f?.saves ?? []).map((save) => 2 * this.saved.findIndex((s) => s.name === save)));
      this.keepsArgs = this.joint !== null || this.formulas.some((f) => f !== null && f.fn.length > f.saves.length + 1);
    }
    return (this.def = def);
  }

  /** A call with arguments as the user gave them. */
  call(args: readonly unknown[]): unknown {
    if (this.def === null) this.ready();
    const parsed = parseArguments(this.sig, args);
    const { inplaceAt } = this;
    if (inplaceAt < 0 || parsed[inplaceAt] !== true) return this.run(parsed);
    parsed[inplaceAt] = false;
    return this.callInplace(parsed);
  }

  /** A call of f(self) or f(self, other) whose arguments need no parsing. */
  callQuick(self: Tensor, other: unknown): unknown {
    if (this.def === null) this.ready();
    const args = this.defaults.slice();
    args[0] = self;
    if (other !== undefined) args[1] = other;
    try {
      return this.run(args);
    } catch (error) {
      throw naming(this.sig.name, error);
    }
  }

  get quickUnary(): boolean {
    return this.selfOnly;
  }

  /** A call with arguments in the order of the schema. */
  run(args: unknown[]): unknown {
    if (watcher !== null) return this.show(watcher, args);
    if (this.kind === 'composite') return this.compose(args);
    if (this.kind === 'none') return this.writes ? this.overwrite(args) : this.compute(args);
    if (!mode.grad || !this.anyNeedsGrad(args)) return this.compute(args);
    const out = this.compute(args);
    const node = this.record(args, out as Outputs);
    if (activeHooks !== null) packSaved(node);
    return out;
  }

  private show(by: Watcher, args: unknown[]): unknown {
    return watched(null, () => by.run(this, args));
  }

  /** A composite's forward: what a watcher that takes no notice of the composite itself runs in its place. */
  compose(args: unknown[]): unknown {
    try {
      return this.forward(...args);
    } catch (error) {
      // The steps' names are nothing that the user has called.
      throw rename(this.sig.name, naming(this.sig.name, error));
    }
  }

  private overwrite(args: unknown[]): unknown {
    const self = args[0] as Tensor;
    checkInplace(this.sig.name, self, mode.grad);
    this.compute(args);
    self.storage.version++;
    if (mode.grad) this.forget(self);
    return self;
  }

  // What an op without derivative wrote depends on nothing that was there before: a node that sends back zeros.
  private forget(self: Tensor): void {
    const edge = edgeOf(self);
    if (edge === null) return;
    const node = new Node(this, [edge]);
    node.saved = [];
    rebaseHistory(self, node);
  }

  private compute(args: unknown[]): unknown {
    const before = mode.grad;
    mode.grad = false;
    try {
      switch (args.length) {
        case 1:
          return this.forward(args[0]);
        case 2:
          return this.forward(args[0], args[1]);
        case 3:
          return this.forward(args[0], args[1], args[2]);
        default:
          return this.forward(...args);
      }
    } catch (error) {
      const name = this.callAt < 0 ? this.sig.name : (args[this.callAt] as string);
      throw rename(name, naming(name, error));
    } finally {
      mode.grad = before;
    }
  }

  private anyNeedsGrad(args: readonly unknown[]): boolean {
    const { tensorParams } = this;
    for (let i = 0; i < tensorParams.length; i++) {
      const value = args[tensorParams[i]!];
      if (value instanceof Tensor) {
        if ((value.leafGrad || value.node !== null || value.base !== null) && value.requiresGrad) return true;
      } else if (Array.isArray(value) && value.some((t) => t instanceof Tensor && t.requiresGrad)) return true;
    }
    return false;
  }

  /** Leaves a node behind the outputs of a call. `self`: what stands for the first argument where it was overwritten. */
  record(args: unknown[], out: Outputs, self?: Tensor): Node | null {
    const edges = this.edges(args);
    if (edges === null) return null;
    const node = new Node(this, edges);
    if (!(out instanceof Tensor)) {
      const list = [...out];
      if (!list.some((t) => isFloatCode(t.code))) return null;
      for (const t of list) if (t.base !== null) t.standAlone(args);
      node.outputs = list.map((t) => ({ shape: t.shape, code: t.code }));
      list.forEach((t, nr) => isFloatCode(t.code) && t.setNode(node, nr));
    } else {
      if (!isFloatCode(out.code)) return null;
      if (self === undefined) {
        if (out.base !== null) out.standAlone(args);
        out.setNode(node, 0);
      }
    }
    this.save(node, edges, args, out, self);
    return node;
  }

  private edges(args: readonly unknown[]): (Edge | null)[] | null {
    const { tensorParams, formulas, joint } = this;
    const edges: (Edge | null)[] = [];
    let any = false;
    for (let i = 0; i < tensorParams.length; i++) {
      const value = args[tensorParams[i]!];
      const differentiable = joint !== null || formulas[i] !== null;
      if (value instanceof Tensor) {
        const edge = differentiable && isFloatCode(value.code) ? edgeOf(value) : null;
        if (edge !== null) any = true;
        edges.push(edge);
      } else if (Array.isArray(value)) {
        for (const t of value as Tensor[]) {
          const edge = differentiable ? edgeOf(t) : null;
          if (edge !== null) any = true;
          edges.push(edge);
        }
      } else edges.push(null);
    }
    return any ? edges : null;
  }

  private save(node: Node, edges: readonly (Edge | null)[], args: unknown[], out: Outputs, self?: Tensor): void {
    const { saved } = this;
    const list = new Array<unknown>(2 * saved.length);
    for (let i = 0; i < saved.length; i++) {
      const s = saved[i]!;
      let value: unknown = null;
      if (this.hasList || this.joint !== null || s.for.some((input) => edges[input] !== null)) {
        if (s.param < 0) value = out instanceof Tensor ? out : (out as Tensor[])[-1 - s.param];
        else value = s.param === 0 && self !== undefined ? self : args[s.param];
      }
      list[2 * i] = value;
      list[2 * i + 1] = value instanceof Tensor ? value.storage.version : -1;
    }
    node.saved = list;
    if (this.keepsArgs) {
      node.args = args.map((v) =>
        v instanceof Tensor ? about(v) : Array.isArray(v) ? v.map((t) => (t instanceof Tensor ? about(t) : t)) : v,
      );
    }
  }

  /** Whether the formulas that will run save the first input, so that an in-place call must keep its old value. */
  savesSelf(args: readonly unknown[]): boolean {
    const edges = this.edges(args);
    return (
      edges !== null &&
      this.saved.some((s) => s.param === 0 && (this.joint !== null || s.for.some((i) => edges[i] !== null)))
    );
  }

  backward(node: Node, grads: (Tensor | null)[], needs: readonly boolean[]): (Tensor | null)[] {
    const grad: unknown =
      node.outputs === null ? grads[0] : node.outputs.map((o, i) => grads[i] ?? Tensor.zeros(o.shape, o.code));
    if (this.kind === 'none') return [Tensor.zeros((grad as Tensor).shape, (grad as Tensor).code)];
    const call = node.args === null ? null : this.describe(node.args);
    if (this.joint !== null) {
      const saved: Record<string, unknown> = {};
      this.saved.forEach((s, i) => (saved[s.name] = unpack(node, 2 * i)));
      return this.joint.fn(grad, saved, call, needs) as (Tensor | null)[];
    }
    const { formulas, slots } = this;
    const results: (Tensor | null)[] = [];
    for (let i = 0; i < formulas.length; i++) {
      const formula = formulas[i]!;
      const isList = this.hasList && this.sig.params[this.tensorParams[i]!]!.kind === 'Tensor[]';
      const wanted = isList ? needs.some((n) => n) : needs[i];
      if (!wanted || formula === null) {
        results.push(null);
        continue;
      }
      const s = slots[i]!;
      let value: Tensor | (Tensor | null)[] | null;
      if (s.length === 0) value = formula.fn(grad, call);
      else if (s.length === 1) value = formula.fn(grad, unpack(node, s[0]!), call);
      else if (s.length === 2) value = formula.fn(grad, unpack(node, s[0]!), unpack(node, s[1]!), call);
      else value = formula.fn(grad, ...s.map((at) => unpack(node, at)), call);
      if (isList) results.push(...(value as (Tensor | null)[]));
      else results.push(value as Tensor | null);
    }
    return results;
  }

  private describe(args: readonly unknown[]): Record<string, unknown> {
    const call: Record<string, unknown> = {};
    this.sig.params.forEach((p, i) => (call[p.name] = args[i]));
    return call;
  }

  /** The in-place call: the same op, its result written into `self`. */
  callInplace(args: readonly unknown[]): Tensor {
    this.ready();
    const call = `${this.sig.name}_`;
    return this.runInplace(parseArguments(this.sig, args, call));
  }
  /** The same with arguments in the order of the schema. */
  runInplace(parsed: unknown[]): Tensor {
    const call = `${this.sig.name}_`;
    if (watcher !== null) {
      const by = watcher;
      return watched(null, () => by.inplace(this, parsed));
    }
    if (this.turns) return this.turn(call, parsed);
    const self = parsed[0] as Tensor;
    const recording = mode.grad && this.kind !== 'none' && this.anyNeedsGrad(parsed);
    checkInplace(call, self, mode.grad);
    if (recording) checkTensor(call, self);
    if (recording) this.copyAliases(parsed, self);
    const old = recording && this.kind === 'formulas' && this.savesSelf(parsed) ? valueOf(self) : undefined;
    if (this.kind === 'composite') {
      // What the steps save of self must outlast the change.
      if (recording) parsed[0] = valueOf(self);
      return renamed(call, () => {
        const result = this.forward(...parsed) as Tensor;
        checkResult(call, self, result.shape, result.code, this.sameDtype);
        return self.copy_(result);
      });
    }
    const before = mode.grad;
    mode.grad = false;
    try {
      writeInto(call, self, this.forward, parsed, this.sameDtype);
    } catch (error) {
      throw rename(call, naming(call, error));
    } finally {
      mode.grad = before;
    }
    self.storage.version++;
    if (this.kind === 'none' && mode.grad) this.forget(self);
    if (recording) {
      const node = this.record(parsed, self, old ?? self);
      if (node !== null) {
        if (old === undefined) this.resave(node, self);
        rebaseHistory(self, node);
        if (activeHooks !== null) packSaved(node);
      }
    }
    return self;
  }

  private turn(call: string, args: unknown[]): Tensor {
    const self = args[0] as Tensor;
    const before = mode.grad;
    if (before) checkLeaf(call, self);
    // What another op made is recorded inside noGrad, too: its gradient has the shape that it had.
    mode.grad = !self.leafGrad;
    try {
      return self.turnInto(renamed(call, () => this.run(args) as Tensor));
    } finally {
      mode.grad = before;
    }
  }

  // What is saved of operands that are self, or show a part of it, is their value before the change.
  private copyAliases(args: unknown[], self: Tensor): void {
    for (const at of this.tensorParams) {
      const value = args[at];
      if (at > 0 && value instanceof Tensor && value.storage === self.storage) args[at] = valueOf(value);
    }
  }

  // 'result' was saved as self, whose version has just been raised: take the new one.
  private resave(node: Node, self: Tensor): void {
    const list = node.saved!;
    for (let i = 0; i < list.length; i += 2) if (list[i] === self) list[i + 1] = self.storage.version;
  }
}

// A tensor's value before an in-place op changes it, at its place in the graph: formulas differentiate through it.
function valueOf(self: Tensor): Tensor {
  const copy = self.rawClone();
  const node = gradFnOf(self);
  if (node !== null) copy.setNode(node, self.nr);
  return copy;
}

const about = (t: Tensor): object => ({
  shape: t.shape,
  strides: t.strides,
  offset: t.offset,
  dtype: DTYPES[t.code]!,
  code: t.code,
});

/** All ops by schema, for tests and for tools that read graphs. */
export const registry = new Map<string, OpRecord>();

/** Makes an op from its schema and its block, and the methods of Tensor that the schema asks for. */
export function defineOp<S extends string>(schema: S, block: () => OpDef): Op<S> {
  const op = new OpRecord(schema, block);
  registry.set(schema, op);
  return published(schema, op);
}

function published<S extends string>(schema: S, op: OpRecord): Op<S> {
  if (op.sig.params[0]?.name === 'self') addMethods(op);
  return Object.assign((...args: unknown[]) => op.call(args), { schema, op }) as unknown as Op<S>;
}

/** An op under a second name, which its methods and errors then have: the same block behind the renamed schema. */
export function alias<N extends string, S extends string>(name: N, op: Op<S>): Op<Renamed<S, N>> {
  const first = (op as unknown as AnyOp).op;
  const schema = op.schema.replace(/^\w+/, name) as Renamed<S, N>;
  const block = (): OpDef => {
    const def = first.ready();
    const forward: OpDef['forward'] = (...args) => renamed(name, () => def.forward(...args) as Tensor);
    return { ...def, forward, gradName: first.gradName };
  };
  return published(schema, new OpRecord(schema, block));
}

// [self, ...rest] without the iterator that a spread goes through (50 ns).
function behind(self: Tensor, rest: readonly unknown[]): unknown[] {
  const args: unknown[] = [self];
  for (let i = 0; i < rest.length; i++) args.push(rest[i]);
  return args;
}

/** An op with arguments already in the order of its schema, checked and complete: for ops that end in another op. */
export const direct =
  (op: Op): ((...args: unknown[]) => Tensor) =>
  (...args) => {
    const record = (op as AnyOp).op;
    record.ready();
    return record.run(args) as Tensor;
  };

function addMethods(op: OpRecord): void {
  const { name, inplace, params } = op.sig;
  const prototype = Tensor.prototype as unknown as Record<string, unknown>;
  const other = params[1];
  if (other?.kind === 'Tensor|Scalar' && !other.optional && params.slice(2).every((p) => p.optional)) {
    prototype[name] = function (this: Tensor, x: unknown, ...rest: unknown[]) {
      if (rest.length === 0 && (x instanceof Tensor || typeof x === 'number')) return op.callQuick(this, x);
      return op.call([this, x, ...rest]);
    };
  } else if (op.quickUnary) {
    prototype[name] = function (this: Tensor, ...rest: unknown[]) {
      return rest.length === 0 ? op.callQuick(this, undefined) : op.call(behind(this, rest));
    };
  } else {
    prototype[name] = function (this: Tensor, ...rest: unknown[]) {
      return op.call(behind(this, rest));
    };
  }
  if (inplace) {
    prototype[`${name}_`] = function (this: Tensor, ...rest: unknown[]) {
      return op.callInplace(behind(this, rest));
    };
  }
}
