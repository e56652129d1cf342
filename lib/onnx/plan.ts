/**
 * A graph made ready to run: names become slots, attributes values, functions and subgraphs plans of their own. All of it is
 * checked here, so that a model that can't run is refused when it is loaded, with everything that is wrong with its
 * operators in one error.
 */
import { didYouMean, show } from '../errors.js';
import { isFloatCode } from '../dtype.js';
import { fromTypedArray } from '../ops/creation.js';
import type { Tensor } from '../tensor/tensor.js';
import { Integers } from './integers.js';
import type { AttributeMessage, FunctionMessage, GraphMessage, NodeMessage, OpsetMessage } from './messages.js';
import { OPERATORS } from './operators/index.js';
import { operators, type AttributeKind, type InputSpec, type Operator, type Value } from './signature.js';
import type { Payloads } from './tensors.js';

/**
 * The operator sets that the table covers, by domain: those from 7 on, and of older ones what has not changed since (what has
 * needs attributes or inputs that the table doesn't have, and is refused for them).
 */
export const OPSETS: Readonly<Record<string, readonly [oldest: number, newest: number]>> = { '': [1, 28] };
/** The most nodes of a model, functions written out at each call. */
const MOST_NODES = 100_000;
/** The most that functions and subgraphs may be nested. */
const DEEPEST = 64;

/** A weight or a constant of the graph. */
export interface Constant {
  /** Its key in the state dict; null for a constant that is not in it. */
  key: string | null;
  value: Tensor;
  /** The same as plain numbers, where it is such. */
  readonly integers: Integers | null;
  /** Whether something reads it as a tensor that training may change. */
  trained: boolean;
}

/** One node, ready to run. */
export interface Step {
  readonly operator: Operator;
  /** Attributes and Context, as the body takes them. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Subgraphs among the attributes. */
  readonly graphs: readonly (readonly [name: string, plan: Plan])[];
  /** Slots; -1 for an input that is left out. */
  readonly inputs: readonly number[];
  readonly kinds: readonly InputSpec['kind'][];
  /** Slots; -1 for an output that nobody takes. */
  readonly outputs: readonly number[];
  /** Slots that nothing reads after this step. */
  readonly last: readonly number[];
  /** How errors name it. */
  readonly label: string;
}

export interface Plan {
  readonly slots: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** What it reads of the graph around it: slot there, slot here. */
  readonly captures: readonly (readonly [outer: number, inner: number])[];
  readonly constants: readonly (readonly [slot: number, constant: Constant])[];
  readonly steps: readonly Step[];
}

/** A call of a function of the model. */
const CALL = operators('Call(value* inputs; graph body)', ({ body }, ...inputs: Value[]) => body(...inputs));

/** The names of a graph and what stands behind them. */
class Scope {
  readonly slots = new Map<string, number>();
  readonly constants = new Map<number, Constant>();
  readonly captures: [number, number][] = [];
  readonly captured = new Set<string>();
  count = 0;
  constructor(readonly outer: Scope | null) {}

  define(name: string): number {
    this.slots.set(name, this.count);
    return this.count++;
  }
  /** Slot of a name, here or in a graph around this one. */
  find(name: string): number | undefined {
    const own = this.slots.get(name);
    if (own !== undefined) return own;
    const outer = this.outer?.find(name);
    if (outer === undefined) return undefined;
    const slot = this.define(name);
    this.captured.add(name);
    this.captures.push([outer, slot]);
    const constant = this.outer!.constants.get(outer);
    if (constant) this.constants.set(slot, constant);
    return slot;
  }
}

/** Where a node stands: operator sets, attributes of the call that a function was written for, depth. */
interface Setting {
  readonly opsets: ReadonlyMap<string, number>;
  readonly call: ReadonlyMap<string, AttributeMessage> | null;
  readonly path: string;
  readonly depth: number;
}

const functionKey = (domain: string | undefined, name: string, overload: string | undefined): string =>
  JSON.stringify([domain ?? '', name, overload ?? '']);

export class Planner {
  /** Weights by key. */
  readonly weights = new Map<string, Constant>();
  private readonly functions = new Map<string, FunctionMessage>();
  private readonly missing = new Map<string, number>();
  private readonly problems: string[] = [];
  private nodes = 0;

  constructor(
    private readonly payloads: Payloads,
    private readonly opsets: ReadonlyMap<string, number>,
    functions: readonly FunctionMessage[],
  ) {
    for (const f of functions) this.functions.set(functionKey(f.domain, f.name ?? '', f.overload), f);
  }

  private refuse(what: string): never {
    return this.payloads.refuse(what);
  }

  /** The plan of the model's graph; `inputs` in the order of the names. */
  main(graph: GraphMessage, inputs: readonly string[]): Plan {
    const scope = new Scope(null);
    const plan = this.graph(graph, scope, inputs, { opsets: this.opsets, call: null, path: '', depth: 0 });
    const lines = [...this.missing].map(([name, count]) => `${name}${count > 1 ? ` (${count} nodes)` : ''}`);
    if (lines.length > 0)
      this.refuse(
        `it uses operators that are not implemented: ${lines.sort().join(', ')}; docs/onnx.md lists those that are`,
      );
    if (this.problems.length > 0) this.refuse(this.problems.slice(0, 8).join('; '));
    return plan;
  }

  private graph(graph: GraphMessage, scope: Scope, inputs: readonly string[], setting: Setting): Plan {
    const slots = inputs.map((name) => {
      if (scope.slots.has(name)) this.refuse(`the input ${show(name)} stands twice`);
      return scope.define(name);
    });
    const constants: [number, Constant][] = [];
    const add = (name: string, t: Tensor): void => {
      if (scope.slots.has(name) && !inputs.includes(name)) this.refuse(`the initializer ${show(name)} stands twice`);
      // An input with an initializer may be left out.
      const constant = this.constant(t, `${setting.path}${name}`, isFloatCode(t.code));
      const slot = scope.slots.get(name) ?? scope.define(name);
      scope.constants.set(slot, constant);
      constants.push([slot, constant]);
    };
    for (const message of graph.initializers ?? []) add(message.name ?? '', this.payloads.tensor(message));
    for (const message of graph.sparseInitializers ?? [])
      add(message.values?.name ?? '', this.payloads.sparse(message));
    const steps = this.steps(graph.nodes ?? [], scope, constants, setting);
    const outputs = (graph.outputs ?? []).map(({ name }) => this.output(name ?? '', scope));
    return this.finish(scope, slots, outputs, constants, steps);
  }

  private finish(
    scope: Scope,
    inputs: number[],
    outputs: number[],
    constants: [number, Constant][],
    steps: Step[],
  ): Plan {
    markLast(steps, new Set(outputs));
    for (const slot of outputs) {
      const constant = scope.constants.get(slot);
      if (constant) constant.trained = true;
    }
    return { slots: scope.count, inputs, outputs, captures: scope.captures, constants, steps };
  }

  private output(name: string, scope: Scope): number {
    return scope.find(name) ?? this.refuse(`the output ${show(name)} is computed by no node`);
  }

  /** A constant, under a key of its own in the state dict where it is a weight. */
  private constant(value: Tensor, name: string, weight: boolean): Constant {
    let key = name;
    for (let i = 1; weight && this.weights.has(key); i++) key = `${name}.${i}`;
    const constant = { key: weight ? key : null, value, integers: Integers.of(value), trained: false };
    if (weight) this.weights.set(key, constant);
    return constant;
  }

  private steps(
    nodes: readonly NodeMessage[],
    scope: Scope,
    constants: [number, Constant][],
    setting: Setting,
  ): Step[] {
    if (setting.depth > DEEPEST) this.refuse(`functions or subgraphs are nested deeper than ${DEEPEST}`);
    const steps: Step[] = [];
    for (const node of nodes) {
      if (++this.nodes > MOST_NODES) this.refuse(`it has more than ${MOST_NODES} nodes`);
      const inputs = (node.inputs ?? []).map((name) => {
        if (name === '') return -1;
        return (
          scope.find(name) ?? this.refuse(`${labelOf(node)} reads ${show(name)}, which nothing before it computes`)
        );
      });
      const type = node.opType ?? '';
      const domain = domainOf(node.domain);
      const own = this.functions.get(functionKey(node.domain, type, node.overload));
      if (type === 'Constant' && domain === '' && own === undefined) {
        this.constantNode(node, scope, constants, setting);
        continue;
      }
      const operator = own === undefined ? this.lookUp(domain, type) : CALL;
      const made =
        operator === undefined
          ? null
          : own === undefined
            ? this.prepare(node, operator, scope, setting)
            : { attributes: {}, graphs: [['body', this.functionBody(own, node, setting)] as const] };
      const outputs = this.defineOutputs(node, scope);
      if (operator === undefined || made === null) continue;
      const kinds = this.kinds(node, operator, inputs);
      while (inputs.length < kinds.length) inputs.push(-1);
      inputs.forEach((slot, i) => {
        const constant = scope.constants.get(slot);
        if (constant && (kinds[i] === 'Tensor' || kinds[i] === 'value')) constant.trained = true;
      });
      const context = {
        opset: setting.opsets.get(domain) ?? 0,
        outputs: outputs.length,
        wants: outputs.map((slot) => slot >= 0),
      };
      const attributes = { ...made.attributes, ...context };
      steps.push({ operator, attributes, graphs: made.graphs, inputs, kinds, outputs, last: [], label: labelOf(node) });
    }
    return steps;
  }

  private defineOutputs(node: NodeMessage, scope: Scope): number[] {
    return (node.outputs ?? []).map((name) => {
      if (name === '') return -1;
      if (scope.slots.has(name) && !scope.captured.has(name))
        this.refuse(`${show(name)} is computed twice, at last by ${labelOf(node)}`);
      if (scope.captured.has(name))
        this.refuse(`${labelOf(node)} computes ${show(name)}, which was read from the graph around it`);
      return scope.define(name);
    });
  }

  private lookUp(domain: string, type: string): Operator | undefined {
    const operator = domain === '' ? OPERATORS.get(type) : undefined;
    if (operator === undefined) {
      const name = domain === '' ? type : `${domain}.${type}`;
      this.missing.set(name, (this.missing.get(name) ?? 0) + 1);
    }
    return operator;
  }

  /** The kind of each input; counts are checked. */
  private kinds(node: NodeMessage, { name, inputs: specs }: Operator, inputs: readonly number[]): InputSpec['kind'][] {
    const variadic = specs.at(-1)?.variadic === true;
    if (inputs.length > specs.length && !variadic)
      this.problems.push(`${labelOf(node)} has ${inputs.length} inputs, ${name} takes ${specs.length}`);
    specs.forEach((spec, i) => {
      if (!spec.optional && (inputs[i] ?? -1) < 0)
        this.problems.push(`${labelOf(node)} lacks the input '${spec.name}'`);
    });
    const fixed = variadic ? specs.length - 1 : specs.length;
    return Array.from(
      { length: Math.max(fixed, inputs.length) },
      (_, i) => (specs[i] ?? specs.at(-1))?.kind ?? 'Tensor',
    );
  }

  // ---- attributes ----------------------------------------------------------------------------------------------------

  /** The attributes of a node; those of a function's node may stand for the call's. */
  private given(node: NodeMessage, setting: Setting): Map<string, AttributeMessage> {
    const given = new Map<string, AttributeMessage>();
    for (const attribute of node.attributes ?? []) {
      const name = attribute.name ?? '';
      if (!attribute.reference) given.set(name, attribute);
      else {
        const meant = setting.call?.get(attribute.reference);
        if (meant !== undefined) given.set(name, { ...meant, name });
      }
    }
    return given;
  }

  private prepare(
    node: NodeMessage,
    operator: Operator,
    scope: Scope,
    setting: Setting,
  ): { attributes: Record<string, unknown>; graphs: (readonly [string, Plan])[] } {
    const given = this.given(node, setting);
    const attributes: Record<string, unknown> = {};
    const graphs: (readonly [string, Plan])[] = [];
    for (const [name, message] of given) {
      const spec = operator.attributes.get(name);
      if (spec === undefined) {
        // Left over from before opset 7, without a meaning since.
        if (name !== 'consumed_inputs')
          this.problems.push(
            `${labelOf(node)} has the attribute '${name}', which ${operator.name} doesn't have${didYouMean(name, operator.attributes.keys())}`,
          );
      } else if (spec.kind === 'graph') {
        const graph = message.g ?? this.refuse(`the attribute '${name}' of ${labelOf(node)} is no graph`);
        const inner = new Scope(scope);
        const inputs = (graph.inputs ?? []).map((input) => input.name ?? '');
        graphs.push([name, this.graph(graph, inner, inputs, { ...setting, depth: setting.depth + 1 })]);
        attributes[name] = null;
      } else attributes[name] = this.attribute(node, message, spec.kind);
    }
    for (const [name, spec] of operator.attributes) {
      if (name in attributes) continue;
      if (spec.required) this.problems.push(`${labelOf(node)} lacks the attribute '${name}'`);
      attributes[name] = spec.default;
    }
    return { attributes, graphs };
  }

  private attribute(node: NodeMessage, message: AttributeMessage, kind: AttributeKind): unknown {
    const expected = TYPES[kind];
    if (message.type !== undefined && message.type !== 0 && message.type !== expected)
      this.refuse(`the attribute '${message.name}' of ${labelOf(node)} is not of type ${kind}`);
    switch (kind) {
      case 'int':
        return Number(message.i ?? 0);
      case 'float':
        return message.f ?? 0;
      case 'string':
        return message.s === undefined ? '' : text(message.s);
      case 'ints':
        return (message.ints ?? []).map(Number);
      case 'floats':
        return message.floats ?? [];
      case 'strings':
        return (message.strings ?? []).map(text);
      case 'tensor':
        return this.payloads.tensor(message.t ?? {});
      case 'type':
        return null;
      default:
        return this.refuse(`the attribute '${message.name}' of ${labelOf(node)} can't be read`);
    }
  }

  /** A Constant node: a weight where it is a floating-point tensor of more than one element, else a constant. */
  private constantNode(node: NodeMessage, scope: Scope, constants: [number, Constant][], setting: Setting): void {
    const value = this.constantValue(node, setting);
    const name = node.outputs?.[0] ?? '';
    const [slot] = this.defineOutputs(node, scope);
    if (slot === undefined || slot < 0) return;
    const constant = this.constant(value, `${setting.path}${name}`, isFloatCode(value.code) && value.count > 1);
    scope.constants.set(slot, constant);
    constants.push([slot, constant]);
  }

  private constantValue(node: NodeMessage, setting: Setting): Tensor {
    const given = [...this.given(node, setting).values()];
    const [message] = given;
    if (message === undefined || given.length > 1) return this.refuse(`${labelOf(node)} must have one attribute`);
    const list = (name: string): number => (name.endsWith('s') ? 1 : 0);
    const { name = '' } = message;
    switch (name) {
      case 'value':
        return this.payloads.tensor(message.t ?? {});
      case 'sparse_value':
        return this.payloads.sparse(message.sparse ?? {});
      case 'value_int':
      case 'value_ints': {
        const values = list(name) ? (message.ints ?? []) : [message.i ?? 0];
        return wrap(BigInt64Array.from(values, BigInt), list(name));
      }
      case 'value_float':
      case 'value_floats':
        return wrap(Float32Array.from(list(name) ? (message.floats ?? []) : [message.f ?? 0]), list(name));
      default:
        return this.refuse(`${labelOf(node)} has the value '${name}', which has no dtype here`);
    }
  }

  // ---- functions of the model ----------------------------------------------------------------------------------------

  private functionBody(f: FunctionMessage, node: NodeMessage, setting: Setting): Plan {
    const given = this.given(node, setting);
    for (const preset of f.defaults ?? []) if (!given.has(preset.name ?? '')) given.set(preset.name ?? '', preset);
    const scope = new Scope(null);
    const inputs = (f.inputs ?? []).map((name) => scope.define(name));
    if ((node.inputs ?? []).length > inputs.length)
      this.refuse(`${labelOf(node)} has ${node.inputs!.length} inputs, the function takes ${inputs.length}`);
    const constants: [number, Constant][] = [];
    const path = `${setting.path}${node.name || node.outputs?.[0] || f.name}.`;
    const opsets = f.opsets === undefined ? setting.opsets : readOpsets(f.opsets, this.payloads.refuse);
    const steps = this.steps(f.nodes ?? [], scope, constants, { opsets, call: given, path, depth: setting.depth + 1 });
    const outputs = (f.outputs ?? []).map((name) => this.output(name, scope));
    return this.finish(scope, inputs, outputs, constants, steps);
  }
}

const TYPES: Record<AttributeKind, number> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  type: 13,
};

/** Operator sets by domain; versions that the table doesn't cover are refused. */
export function readOpsets(list: readonly OpsetMessage[], refuse: (what: string) => never): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version = 0 } of list) {
    const name = domainOf(domain);
    const known = OPSETS[name];
    if (known && !(version >= known[0] && version <= known[1]))
      refuse(`it is written for version ${version} of the operators, known are ${known[0]} to ${known[1]}`);
    opsets.set(name, version);
  }
  return opsets;
}

const domainOf = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const labelOf = (node: NodeMessage): string => `${node.opType} ${show(node.name || node.outputs?.[0] || '')}`;

/** Notes in each step which values nothing reads later, so that they can be let go. */
function markLast(steps: Step[], kept: Set<number>): void {
  const read = new Set(kept);
  for (const step of steps.toReversed()) {
    const graphs = step.graphs.flatMap(([, plan]) => plan.captures.map(([outer]) => outer));
    const last = [...new Set([...step.inputs, ...graphs])].filter((slot) => slot >= 0 && !read.has(slot));
    for (const slot of last) read.add(slot);
    (step as { last: readonly number[] }).last = last;
  }
}

/** A tensor of no dim, or of one. */
const wrap = (array: BigInt64Array | Float32Array, dims: number): Tensor =>
  fromTypedArray(array, dims === 0 ? [] : [array.length]);
