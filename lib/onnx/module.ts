/** The module that an ONNX model becomes. */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { TenfoldError, didYouMean, show } from '../errors.js';
import type { DType } from '../dtype.js';
import { Module } from '../nn/module.js';
import { Parameter } from '../nn/parameter.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { Integers } from './integers.js';
import { MODEL, type ModelMessage, type TypeMessage, type ValueMessage } from './messages.js';
import { Planner, readOpsets, type Constant, type Plan } from './plan.js';
import { execute } from './run.js';
import type { Value } from './signature.js';
import { Payloads, dtypeOf, elementName } from './tensors.js';
import { Source, decode, type Refuse } from './wire.js';

/** An input or output of a model. */
export interface ValueInfo {
  readonly name: string;
  /** dtype of the tensor, or of a sequence's tensors; ONNX's own name of an element type that has none here. */
  readonly dtype: DType | string;
  /** Sizes, null for an open one; null where the model leaves the number of dims open, and for sequences. */
  readonly shape: readonly (number | null)[] | null;
  readonly kind: 'tensor' | 'sequence' | 'optional';
}

/** What goes in and comes out: a tensor, a list of tensors for a sequence, null for an empty optional. */
export type OnnxValue = Tensor | OnnxValue[] | null;

/** A model, read: what all copies of its module share. */
class Program {
  constructor(
    readonly inputs: readonly ValueInfo[],
    readonly outputs: readonly ValueInfo[],
    /** Inputs that have an initializer, and may be left out. */
    readonly presets: readonly ValueInfo[],
    readonly plan: Plan,
  ) {}
}

/**
 * Property of a weight: a mark before its name, so that it can't meet the module's own properties, and no dots, which
 * properties of modules must not have. `stateName` undoes it.
 */
const MARK = 'weight:';
const propertyOf = (key: string): string => MARK + key.replaceAll('%', '%25').replaceAll('.', '%2E');

/**
 * An ONNX model as a module, as `onnx.load` makes it. Its floating-point initializers, and those constants that are
 * tensors of more than one element, are its parameters, under their names in the model; those that an operator takes as
 * settings (a running mean, a clip's bounds) are buffers.
 */
export class OnnxModule extends Module {
  /** What the model takes, in the order of forward's arguments. */
  readonly inputs: readonly ValueInfo[];
  /** What the model gives, in the order of forward's results. */
  readonly outputs: readonly ValueInfo[];
  private readonly program: Program;

  /** Not for users: `onnx.load` makes these. @internal */
  constructor(program: unknown, weights: Iterable<Constant>) {
    super();
    if (!(program instanceof Program))
      throw new TypeError('OnnxModule: modules of this kind are made by onnx.load(file)');
    this.program = program;
    this.inputs = program.inputs;
    this.outputs = program.outputs;
    for (const { key, value, trained } of weights) {
      if (trained) this.registerParameter(propertyOf(key!), new Parameter(value));
      else this.registerBuffer(propertyOf(key!), value);
    }
  }

  static override stateName(property: string): string {
    return property.startsWith(MARK)
      ? property.slice(MARK.length).replaceAll('%2E', '.').replaceAll('%25', '%')
      : property;
  }

  /**
   * Runs the model on tensors in the order of `inputs`; optional ones, behind, may be left out or null. Gives the output, or
   * a list where the model has several. TypeError for a wrong kind or count, TenfoldError for a dtype or shape that the
   * model doesn't take; errors from inside name the node.
   */
  override forward(...args: OnnxValue[]): OnnxValue {
    const { inputs, presets, plan } = this.program;
    const all = [...inputs, ...presets];
    if (args.length > all.length || args.length < inputs.length)
      throw new TypeError(`onnx: the model takes ${countOf(inputs, presets)}, got ${args.length}; ${namesOf(all)}`);
    const values = all.map((info, i): Value | undefined => {
      const value = args[i];
      if (value === undefined || (value === null && i >= inputs.length)) return undefined;
      return checkInput(info, value);
    });
    const state = this as unknown as Record<string, Tensor>;
    const results = execute(plan, values, [], ({ key, value, integers }) =>
      key === null ? (integers ?? value) : state[propertyOf(key)]!,
    ).map(asGiven);
    return results.length === 1 ? results[0]! : results;
  }

  /**
   * Runs the model on tensors by name and gives its outputs by name: `run({ image })['label']`. Errors as forward's; a name that the
   * model doesn't have is a TypeError.
   */
  run(feeds: Readonly<Record<string, OnnxValue>>): Record<string, OnnxValue> {
    const { inputs, presets, outputs } = this.program;
    if (typeof feeds !== 'object' || feeds === null || feeds instanceof Tensor || Array.isArray(feeds))
      throw new TypeError(`onnx: run takes an object of tensors by name, got ${show(feeds)}; ${namesOf(inputs)}`);
    const all = [...inputs, ...presets];
    for (const name of Object.keys(feeds)) {
      if (!all.some((info) => info.name === name))
        throw new TypeError(
          `onnx: the model has no input '${name}'${didYouMean(
            name,
            all.map((info) => info.name),
          )}; ${namesOf(all)}`,
        );
    }
    const args = all.map(({ name, kind }, i) => {
      const value = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
      if (value === undefined && i < inputs.length && kind !== 'optional')
        throw new TypeError(`onnx: the input '${name}' is missing; ${namesOf(all)}`);
      return value ?? null;
    });
    const results = this.forward(...args);
    const list = outputs.length === 1 ? [results] : (results as OnnxValue[]);
    const named: Record<string, OnnxValue> = {};
    outputs.forEach(({ name }, i) =>
      Object.defineProperty(named, name, { value: list[i], enumerable: true, writable: true, configurable: true }),
    );
    return named;
  }

  override extraRepr(): string {
    const line = (list: readonly ValueInfo[]): string =>
      list
        .map(
          ({ name, dtype, shape }) => `${name}: ${dtype}${shape ? `[${shape.map((n) => n ?? '?').join(', ')}]` : ''}`,
        )
        .join(', ');
    return `${line(this.inputs)} -> ${line(this.outputs)}`;
  }
}

const namesOf = (list: readonly ValueInfo[]): string => `inputs: ${list.map(({ name }) => name).join(', ') || 'none'}`;
const countOf = (inputs: readonly ValueInfo[], presets: readonly ValueInfo[]): string =>
  `${presets.length > 0 ? `${inputs.length} to ${inputs.length + presets.length}` : inputs.length} inputs`;
const asGiven = (value: Value): OnnxValue =>
  value instanceof Integers ? value.tensor : Array.isArray(value) ? value.map(asGiven) : value;

function checkInput(info: ValueInfo, value: OnnxValue): OnnxValue {
  const { name, kind, dtype, shape } = info;
  if (kind === 'optional' && value === null) return value;
  if (kind !== 'tensor' && Array.isArray(value)) {
    for (const one of value) checkInput({ ...info, kind: 'tensor' }, one);
    return value;
  }
  if (!(value instanceof Tensor) || kind === 'sequence')
    throw new TypeError(
      `onnx: the input '${name}' must be a ${kind === 'sequence' ? 'list of tensors' : 'tensor'}, got ${show(value)}`,
    );
  checkTensor('onnx', value);
  if (value.dtype !== dtype)
    throw new TenfoldError(
      'dtype',
      `onnx: the input '${name}' must be ${dtype}, got ${value.dtype}; use .to('${dtype}')`,
    );
  if (shape && (shape.length !== value.ndim || shape.some((n, d) => n !== null && n !== value.shape[d])))
    throw new TenfoldError(
      'shape',
      `onnx: the input '${name}' must have the shape [${shape.map((n) => n ?? 'any').join(', ')}], got ${formatShape(value.shape)}`,
    );
  return value;
}

// ---- loading -------------------------------------------------------------------------------------------------------

function infoOf({ name = '', type }: ValueMessage): ValueInfo {
  const unwrap = (t: TypeMessage | undefined): TypeMessage | undefined =>
    t?.optional ? unwrap(t.optional.element) : t?.sequence ? unwrap(t.sequence.element) : t;
  const tensor = unwrap(type)?.tensor;
  const dims = type?.tensor?.shape ? (type.tensor.shape.dims ?? []) : null;
  const shape = dims?.map(({ value, parameter }) =>
    parameter !== undefined || value === undefined || value < 0 ? null : value,
  );
  return {
    name,
    dtype: dtypeOf(tensor?.elementType) ?? elementName(tensor?.elementType),
    shape: shape ?? null,
    kind: type?.optional ? 'optional' : type?.sequence ? 'sequence' : 'tensor',
  };
}

function build(source: Source, folder: string | null): OnnxModule {
  const { refuse } = source;
  const model = decode(source, MODEL) as ModelMessage;
  const { graph } = model;
  if (graph === undefined || model.opsets === undefined) return refuse('it is no ONNX model');
  if (!((model.irVersion ?? 0) >= 3)) refuse(`it has the IR version ${model.irVersion ?? 0}; from 3 on are known`);
  const payloads = new Payloads(source, folder);
  try {
    const given = new Set((graph.initializers ?? []).map(({ name }) => name ?? ''));
    for (const { values } of graph.sparseInitializers ?? []) given.add(values?.name ?? '');
    const infos = (graph.inputs ?? []).map(infoOf);
    const inputs = infos.filter(({ name }) => !given.has(name));
    const presets = infos.filter(({ name }) => given.has(name));
    const outputs = (graph.outputs ?? []).map(infoOf);
    const planner = new Planner(payloads, readOpsets(model.opsets, refuse), model.functions ?? []);
    const names = [...inputs, ...presets].map(({ name }) => name);
    const plan = planner.main(graph, names);
    return new OnnxModule(new Program(inputs, outputs, presets, plan), planner.weights.values());
  } finally {
    payloads.close();
  }
}

/**
 * Reads an ONNX model, from a file or from its bytes, as a module that runs it and trains it: IR version 3 and later, the
 * operators of docs/onnx.md in their versions 7 to 28, weights in files beside it (those of the model's own folder). All of it
 * is checked first: TenfoldError 'state' says what is wrong with a file, with all operators that are missing in one
 * list. See onnx.load, and InferenceSession of ONNX Runtime.
 *
 * ```ts
 * const model = onnx.load('classifier.onnx');
 * const { logits } = model.run({ image });
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
 * ```
 */
export function load(file: string | Uint8Array | ArrayBuffer): OnnxModule {
  const refusing =
    (what: string): Refuse =>
    (why) => {
      throw new TenfoldError('state', `onnx.load: ${what} can't be read: ${why}`);
    };
  if (file instanceof ArrayBuffer || ArrayBuffer.isView(file)) {
    const bytes =
      file instanceof ArrayBuffer
        ? new Uint8Array(file)
        : new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
    return build(new Source(bytes, bytes.length, refusing('the model')), null);
  }
  if (typeof file !== 'string' || file === '')
    throw new TypeError(`onnx.load: expected a path or the bytes of a model, got ${show(file)}`);
  const refuse = refusing(`'${file}'`);
  let handle: number;
  try {
    handle = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  } catch (error) {
    return refuse((error as Error).message);
  }
  try {
    const stat = fs.fstatSync(handle);
    if (!stat.isFile()) refuse('it is not a file');
    return build(new Source(handle, stat.size, refuse), dirname(file));
  } finally {
    fs.closeSync(handle);
  }
}
