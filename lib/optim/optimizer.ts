/**
 * Optimizer: parameter groups, state and checkpoints, as torch.optim.Optimizer has them. What a step computes is in the
 * files beside this one; how a step is launched, in fused.ts.
 */
import { TenfoldError, checkOptions, didYouMean, isMap, isSet, naming, show } from '../errors.js';
import { DTYPES, isFloatCode } from '../dtype.js';
import { mode, recordingOn } from '../autograd/mode.js';
import { fillElements } from '../tensor/copy.js';
import { sameShape } from '../tensor/shape.js';
import { timed, timer } from '../native/timer.js';
import { capture } from '../tensor/capture.js';
import { Tensor } from '../tensor/tensor.js';

/** Parameters that share options. Options are live: `group.lr = 0.01` counts from the next step on. */
export type ParamGroup<O extends object = AnyOptions> = O & {
  params: Tensor[];
  /** Learning rate that schedulers start from; they set it. */
  initialLr?: number;
};
export type OptionValues = Record<string, unknown>;
/** Options of an optimizer that isn't known more closely. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an interface fits a record of any, not one of unknown
export type AnyOptions = Record<string, any>;

/** Parameters to optimize: a list (or any iterable) of tensors, or a list of groups with options of their own. */
export type Params<O extends object> =
  Iterable<Tensor> | Iterable<[name: string, parameter: Tensor]> | Iterable<GroupInit<O>>;
/** A group as a user gives it. */
export type GroupInit<O extends object> = {
  params: Tensor | Iterable<Tensor> | Iterable<[name: string, parameter: Tensor]>;
  initialLr?: number;
} & Partial<O>;

/** What an optimizer remembers for a parameter, by PyTorch's names (`exp_avg`, `momentum_buffer`, …). */
export type ParamState = Record<string, unknown>;

/** An optimizer's checkpoint, laid out and named as PyTorch's, so that it travels both ways. */
export interface OptimizerStateDict {
  /** By the parameters' places. loadStateDict() also takes a Map, which load() makes of PyTorch's integers. */
  state: Record<string, ParamState>;
  param_groups: ({ params: number[] } & Record<string, unknown>)[];
}

/** Arguments by position in PyTorch's order, or by name in one trailing object. */
export type OptionArgs<P extends unknown[], O> = P extends [infer H, ...infer R]
  ? [a?: H | O | null, ...OptionArgs<R, O>]
  : [options?: O];

/** What an optimizer accepts: names in PyTorch's order, defaults, and what each value must be. */
export interface OptionSpec {
  readonly defaults: OptionValues;
  /** How many of them go by position. */
  readonly positional: number;
  readonly check: (call: string, values: OptionValues) => void;
}

/** Options of PyTorch's that say how a step is computed there; here it is one pass anyway. */
const MEANINGLESS = ['foreach', 'fused', 'capturable', 'differentiable'];
/** Options without those that mean nothing here; what they would ask for and isn't here is refused. */
function meaningful(call: string, options: object): object {
  const rest: OptionValues = { ...options };
  for (const name of MEANINGLESS) {
    const value = rest[name];
    if (typeof value !== 'boolean' && value !== undefined && value !== null)
      throw new TypeError(`${call}: ${name} must be a boolean or null, got ${show(value)}`);
    if (value === true && name === 'differentiable')
      throw new TenfoldError('value', `${call}: steps can't be differentiated here; leave differentiable out`);
    delete rest[name];
  }
  return rest;
}

/** Options from a constructor's arguments: positional first, then one object. */
export function readOptions(call: string, spec: OptionSpec, args: readonly unknown[]): OptionValues {
  const names = Object.keys(spec.defaults);
  const values: OptionValues = {};
  let given = args;
  const last = args.at(-1);
  if (typeof last === 'object' && last !== null && !Array.isArray(last)) {
    checkOptions(call, last, [...names, ...MEANINGLESS]);
    Object.assign(values, meaningful(call, last));
    given = args.slice(0, -1);
  }
  if (given.length > spec.positional) {
    throw new TypeError(
      `${call}: takes at most ${spec.positional} options by position (${names.slice(0, spec.positional).join(', ')}), got ${given.length}`,
    );
  }
  given.forEach((value, i) => {
    const name = names[i]!;
    if (value === undefined || value === null) return;
    if (values[name] !== undefined) throw new TypeError(`${call}: '${name}' is given twice, by position and by name`);
    values[name] = value;
  });
  for (const name of names) values[name] ??= spec.defaults[name];
  return values;
}

/** Refuses what isn't a number of at least `min`, and below `below` where that is given. */
export function checkNumber(call: string, name: string, value: unknown, min = 0, below = Infinity): void {
  if (typeof value !== 'number' || (Number.isNaN(value) && min === -Infinity))
    throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
  if (!(value >= min && (value < below || below === Infinity))) {
    throw new RangeError(
      `${call}: ${name} must be at least ${min}${below === Infinity ? '' : ` and below ${below}`}, got ${value}`,
    );
  }
}
export function checkBetas(call: string, value: unknown): void {
  if (!Array.isArray(value) || value.length !== 2) {
    throw new TypeError(`${call}: betas must be a pair of numbers, got ${show(value)}`);
  }
  value.forEach((beta, i) => checkNumber(call, `betas[${i}]`, beta, 0, 1));
}
export function checkBoolean(call: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw new TypeError(`${call}: ${name} must be a boolean, got ${show(value)}`);
}

/** Parameters of a list that may be namedParameters(). */
function withoutNames<T>(list: readonly T[]): T[] {
  const isNamed = (x: unknown): boolean =>
    Array.isArray(x) && x.length === 2 && typeof x[0] === 'string' && x[1] instanceof Tensor;
  return list.map((x) => (isNamed(x) ? (x as unknown as [string, T])[1] : x));
}

/** Stands for an option without default. */
export const REQUIRED = Symbol('required');

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

/** Base of all optimizers. `O` are the options of a group. */
export abstract class Optimizer<O extends object = AnyOptions> {
  /** Groups of parameters with their options. */
  readonly paramGroups: ParamGroup<O>[] = [];
  /** What is remembered for each parameter. */
  readonly state = new Map<Tensor, ParamState>();
  /** Options of groups that don't say otherwise. */
  readonly defaults: O;
  /** Steps taken so far; schedulers look at it to see whether they run before the first one. */
  stepCount = 0;
  private readonly names: readonly string[];
  /** The groups' options as they were when they were checked last. */
  private readonly checked: unknown[][] = [];

  constructor(
    params: Params<O>,
    protected readonly spec: OptionSpec,
    args: readonly unknown[],
  ) {
    const call = new.target.name;
    if (params instanceof Tensor || typeof (params as Iterable<unknown> | null)?.[Symbol.iterator] !== 'function') {
      throw new TypeError(`${call}: params must be a list of tensors or of groups, got ${show(params)}`);
    }
    this.defaults = readOptions(call, spec, args) as O;
    this.names = Object.keys(this.defaults);
    const list = withoutNames([...(params as Iterable<Tensor | GroupInit<O>>)]);
    if (list.length === 0) throw new TenfoldError('value', `${call}: the list of parameters is empty`);
    const groups = list[0] instanceof Tensor ? [{ params: list } as unknown as GroupInit<O>] : (list as GroupInit<O>[]);
    for (const group of groups) this.addParamGroup(group);
  }

  /** Adds a group of parameters, as when layers are unfrozen in the course of training. */
  addParamGroup(group: GroupInit<O>): void {
    const call = this.constructor.name;
    if (typeof group !== 'object' || group === null || group instanceof Tensor || !('params' in group)) {
      throw new TypeError(`${call}: a parameter group must be an object with 'params', got ${show(group)}`);
    }
    const { names } = this;
    checkOptions(call, group, [...names, 'params', 'initialLr', ...MEANINGLESS]);
    meaningful(call, group);
    const { params } = group;
    if (isSet(params)) throw new TypeError(`${call}: parameters need an order; use a list instead of a Set`);
    const list = params instanceof Tensor ? [params] : withoutNames<Tensor>([...params] as Tensor[]);
    for (const p of list) this.checkParam(call, p);
    const used = new Set(this.paramGroups.flatMap((g) => g.params));
    for (const p of list) {
      if (used.has(p)) {
        throw new TenfoldError('value', `${call}: a parameter of shape [${p.shape}] appears more than once`);
      }
      used.add(p);
    }
    const values: OptionValues = {};
    for (const name of names) {
      const value = (group as OptionValues)[name] ?? (this.defaults as OptionValues)[name];
      if (value === REQUIRED)
        throw new TypeError(`${call}: '${name}' is required: new ${call}(params, { ${name}: … })`);
      values[name] = Array.isArray(value) ? [...(value as unknown[])] : value;
    }
    this.spec.check(call, values);
    if (group.initialLr !== undefined) values.initialLr = group.initialLr;
    this.paramGroups.push({ params: list, ...values } as ParamGroup<O>);
  }

  private checkParam(call: string, p: unknown): void {
    if (!(p instanceof Tensor)) throw new TypeError(`${call}: parameters must be tensors, got ${show(p)}`);
    if (!p.isLeaf && !p.retainsGrad) {
      throw new TenfoldError(
        'value',
        `${call}: can't optimize a tensor of shape [${p.shape}] that an op made; give the leaf, or detach() it`,
      );
    }
    if (!isFloatCode(p.code)) throw new TenfoldError('dtype', `${call}: can't optimize a ${DTYPES[p.code]} tensor`);
  }

  /**
   * Takes one step from the gradients. A `closure` that computes the loss and its gradients again is run first, with
   * recording on; its result is returned.
   */
  step(): null;
  step<T>(closure: () => T): T;
  step<T>(closure?: (() => T) | null): T | null {
    if (closure !== undefined && closure !== null && typeof closure !== 'function') {
      throw new TypeError(`${this.constructor.name}.step: expected a function, got ${show(closure)}`);
    }
    const loss = closure ? recordingOn(closure) : null;
    for (let g = 0; g < this.paramGroups.length; g++) this.checkGroup(g);
    const before = mode.grad;
    mode.grad = false;
    try {
      if (timer === null) this.update();
      else timed(timer, 'op', `${this.constructor.name}.step`, () => this.update());
    } catch (error) {
      throw naming(`${this.constructor.name}.step`, error);
    } finally {
      mode.grad = before;
    }
    this.stepCount++;
    return loss;
  }

  /** Refuses what a live option can't be (`group.lr = NaN`), before it reaches the weights. */
  protected checkGroup(g: number): void {
    const group = this.paramGroups[g]! as OptionValues;
    const { names } = this;
    const checked = (this.checked[g] ??= []);
    let same = checked.length > 0;
    for (let i = 0; i < names.length; i++) {
      const value = group[names[i]!];
      if (value !== checked[i] || typeof value === 'object') same = false;
    }
    if (same) return;
    this.spec.check(`${this.constructor.name}.step`, group);
    for (let i = 0; i < names.length; i++) checked[i] = group[names[i]!];
  }

  /** Changes the parameters. Runs without recording. */
  protected abstract update(): void;

  /** Forgets the gradients, or sets them to zero with `setToNone: false`, which keeps their memory. */
  zeroGrad(options: boolean | { setToNone?: boolean } = true): void {
    if (typeof options === 'object') checkOptions('zeroGrad', options, ['setToNone']);
    const setToNone = typeof options === 'boolean' ? options : (options.setToNone ?? true);
    for (const group of this.paramGroups) {
      const { params } = group;
      for (let i = 0; i < params.length; i++) {
        const p = params[i]!;
        const grad = p.meta === null ? null : p.meta.grad;
        if (capture !== null && setToNone) capture.gradient(p, 'drop');
        if (grad === null) continue;
        if (setToNone) p.dropGrad();
        else if (grad.requiresGrad) {
          p.grad = Tensor.zeros(grad.shape, grad.code);
        } else {
          fillElements(grad, 0);
          grad.storage.version++;
        }
      }
    }
  }

  /** The checkpoint: state by the parameters' places, and the groups. Its tensors are the optimizer's own, not copies. */
  stateDict(): OptimizerStateDict {
    const place = new Map<Tensor, number>();
    const param_groups = this.paramGroups.map((group) => {
      const { params, ...options } = group as { params: Tensor[] } & OptionValues;
      for (const p of params) if (!place.has(p)) place.set(p, place.size);
      const packed: OptionValues = {};
      for (const [name, value] of Object.entries(options))
        packed[snake(name)] = Array.isArray(value) ? [...(value as unknown[])] : value;
      return { ...packed, params: params.map((p) => place.get(p)!) };
    });
    const state: Record<string, ParamState> = {};
    for (const [p, values] of this.state) {
      const at = place.get(p);
      if (at !== undefined) state[at] = { ...values };
    }
    return { state, param_groups };
  }

  /**
   * Goes on from a checkpoint of this library or of PyTorch: copies the state, cast to each parameter's dtype, and takes
   * over the groups' options. TenfoldError 'state' where it doesn't fit; then nothing has changed.
   */
  loadStateDict(stateDict: OptimizerStateDict): void {
    const call = `${this.constructor.name}.loadStateDict`;
    const groups = stateDict?.param_groups;
    if (!Array.isArray(groups) || typeof stateDict.state !== 'object' || stateDict.state === null) {
      throw new TenfoldError('state', `${call}: expected { state, param_groups }, got ${show(stateDict)}`);
    }
    if (groups.length !== this.paramGroups.length) {
      throw new TenfoldError(
        'state',
        `${call}: ${groups.length} parameter groups for an optimizer that has ${this.paramGroups.length}`,
      );
    }
    const paramOf = new Map<string, Tensor>();
    const options = groups.map((saved, g) => {
      const { params } = this.paramGroups[g]!;
      if (!Array.isArray(saved.params) || saved.params.length !== params.length) {
        throw new TenfoldError(
          'state',
          `${call}: group ${g} has ${show(saved.params)} as parameters, the optimizer has ${params.length}`,
        );
      }
      saved.params.forEach((id, i) => paramOf.set(String(id), params[i]!));
      const values: OptionValues = {};
      for (const [name, value] of Object.entries(saved)) {
        if (name !== 'params') values[camel(name)] = Array.isArray(value) ? [...(value as unknown[])] : value;
      }
      for (const name of Object.keys(this.defaults)) {
        if (values[name] === undefined) values[name] = (this.paramGroups[g] as OptionValues)[name];
      }
      this.spec.check(call, values);
      return values;
    });
    const state = new Map<Tensor, ParamState>();
    // PyTorch's files have it under integers, which load() gives as a Map.
    const saved: Iterable<[unknown, unknown]> = isMap(stateDict.state)
      ? (stateDict.state as Map<unknown, unknown>)
      : Object.entries(stateDict.state);
    for (const [key, values] of saved) {
      const id = String(key);
      const param = paramOf.get(id);
      if (param === undefined) {
        throw new TenfoldError(
          'state',
          `${call}: state for parameter ${id}, which is in no group${didYouMean(id, paramOf.keys())}`,
        );
      }
      state.set(param, copyState(call, `state[${id}]`, param, values));
    }
    this.state.clear();
    for (const [param, values] of state) this.state.set(param, values);
    options.forEach((values, g) => Object.assign(this.paramGroups[g]!, values));
  }

  /** The groups and their options, as PyTorch prints them. */
  toString(): string {
    const groups = this.paramGroups.map((group, i) => {
      const lines = Object.entries(group as OptionValues)
        .filter(([name]) => name !== 'params')
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `    ${name}: ${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}\n`);
      return `\nParameter Group ${i}\n${lines.join('')}`;
    });
    return `${this.constructor.name} (${groups.join('')})`;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

// Scalars for a whole parameter keep their dtype; every other floating-point tensor takes the parameter's.
const COUNTERS = ['step', 'mu_product', 'eta', 'mu'];

function copyState(call: string, where: string, param: Tensor, values: unknown): ParamState {
  if (typeof values !== 'object' || values === null)
    throw new TenfoldError('state', `${call}: ${where} is ${show(values)}`);
  const copy: ParamState = {};
  for (const [name, value] of Object.entries(values)) {
    if (!(value instanceof Tensor)) {
      copy[name] = structuredValue(param, value);
      continue;
    }
    const counter = COUNTERS.includes(name);
    if (
      counter
        ? value.count !== 1
        : value.shape.length > 0 && !sameShape(value.shape, param.shape) && !FREE_SHAPES.includes(name)
    ) {
      throw new TenfoldError(
        'state',
        `${call}: ${where}.${name} has shape [${value.shape}], its parameter [${param.shape}]`,
      );
    }
    copy[name] = ownCopy(value, counter || !isFloatCode(value.code) ? value.code : param.code);
  }
  return copy;
}
// LBFGS keeps one state for all parameters, flat.
const FREE_SHAPES = ['d', 'prev_flat_grad'];

// Lists inside a state (LBFGS's history), copied with their tensors.
function structuredValue(param: Tensor, value: unknown): unknown {
  if (value instanceof Tensor) return ownCopy(value, isFloatCode(value.code) ? param.code : value.code);
  return Array.isArray(value) ? value.map((v) => structuredValue(param, v)) : value;
}

function ownCopy(t: Tensor, code: number): Tensor {
  const copy = Tensor.raw(t.shape, code, true);
  copy.rawCopy(t);
  return copy;
}
