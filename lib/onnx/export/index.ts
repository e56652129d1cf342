/**
 * export: a module's computation as an ONNX model. It is run and watched; where dims are to stay open, it is run again at
 * other sizes, and what differs between the runs is computed from the open dims.
 */
import * as fs from 'node:fs';
import { dirname, basename, join } from 'node:path';
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { mode } from '../../autograd/mode.js';
import { Module } from '../../nn/module.js';
import { cat } from '../../ops/index.js';
import { watched } from '../../op/define.js';
import { NamedTensors } from '../../tensor/namedTensors.js';
import { Tensor } from '../../tensor/tensor.js';
import { MODEL, type ModelMessage, type ValueMessage } from '../messages.js';
import { elementOf } from '../tensors.js';
import { encode } from '../wire.js';
import { ELEMENTWISE } from './elementwise.js';
import { Graph, Size, isValue, type Value } from './graph.js';
import { INDICES } from './indices.js';
import { LAYERS } from './layers.js';
import { LOSSES } from './losses.js';
import { recurrent, watchingLayers } from './recurrent.js';
import { SHAPES } from './shapes.js';
import { Trace, isKnown, type Call, type Known } from './trace.js';
import type { Table } from './translation.js';

/** Options of onnx.export. */
export interface ExportOptions {
  /** Dims that stay open, by the name of an input: `{ input: { 0: 'batch' } }`, or `{ input: [0] }`. Equal names are equal sizes. */
  dynamicAxes?: Readonly<Record<string, Readonly<Record<number, string>> | readonly number[]>>;
  /** Version of the operators, from 17 to 22; 18 where not given. */
  opset?: number;
  /** Names of inputs and outputs; `input` and `output`, or `input0`, `input1`, …, where not given. */
  inputNames?: readonly string[];
  outputNames?: readonly string[];
}

const TABLE: Table = { ...ELEMENTWISE, ...SHAPES, ...INDICES, ...LAYERS, ...LOSSES };
const accepts = (name: string, args: Readonly<Record<string, unknown>>): boolean => {
  const entry = Object.hasOwn(TABLE, name) ? TABLE[name]! : null;
  return entry !== null && (entry.when === null || entry.when(args));
};
const OPSETS = [17, 22] as const;
/** IR version that came with an operator set. */
const irOf = (opset: number): number => (opset < 19 ? 8 : opset < 21 ? 9 : 10);

/** How often a module is run where dims are open: two sizes tell a number from a dim, the third says whether the guess was right. */
const RUNS = 3;
/** Factors of the n-th open dim in the runs, so that no two are confused. */
const FACTORS: readonly (readonly number[])[] = [[1, 2, 3], [1, 3, 5], [1, 5, 7], [1, 7, 2], [1, 4, 9], [1, 9, 4]]; // prettier-ignore

interface Run {
  readonly trace: Trace;
  readonly inputs: readonly Known[];
  readonly outputs: readonly (Known | Tensor)[];
  readonly state: readonly (readonly [name: string, value: Known, tensor: Tensor])[];
}

/** One run, watched. */
function runOnce(module: Module, inputs: readonly Tensor[]): Run {
  const trace = new Trace(accepts);
  const known = inputs.map((t) => trace.add(t));
  const state = [...module.namedParameters(), ...module.namedBuffers()].map(
    ([name, t]) => [name, trace.add(t), t] as const,
  );
  const out = watchingLayers(module, trace, () => watched(trace, () => module.forward(...inputs) as unknown));
  const flat = (x: unknown): Tensor[] => {
    if (x instanceof Tensor) return [x];
    if (Array.isArray(x) || x instanceof NamedTensors) return [...x].flatMap(flat);
    throw new TypeError(`onnx.export: forward gave ${show(x)}; tensors and lists of them can be outputs`);
  };
  const outputs = flat(out).map((t) => trace.find(t) ?? t);
  if (trace.missing.size > 0)
    throw new TenfoldError('value', `onnx.export: no ONNX form is known for ${[...trace.missing].sort().join(', ')}`);
  return { trace, inputs: known, outputs, state };
}

/** Names, and for each input the open dims by name. */
function readOptions(
  inputs: readonly Tensor[],
  options: ExportOptions,
): { names: string[]; open: Map<number, string>[]; opset: number } {
  checkOptions('onnx.export', options, ['dynamicAxes', 'opset', 'inputNames', 'outputNames']);
  const { opset = 18, dynamicAxes = {}, inputNames } = options;
  if (!Number.isInteger(opset) || opset < OPSETS[0] || opset > OPSETS[1])
    throw new RangeError(`onnx.export: opset must be from ${OPSETS[0]} to ${OPSETS[1]}, got ${show(opset)}`);
  const names = inputs.map((_, i) => inputNames?.[i] ?? (inputs.length === 1 ? 'input' : `input${i}`));
  if (inputNames !== undefined && (inputNames.length !== inputs.length || new Set(names).size < names.length))
    throw new TypeError(`onnx.export: inputNames must be ${inputs.length} different names, got ${show(inputNames)}`);
  const known = [...names, ...(options.outputNames ?? ['output'])];
  for (const name of Object.keys(dynamicAxes)) {
    if (!known.includes(name))
      throw new TypeError(`onnx.export: dynamicAxes names '${name}'; inputs are ${names.join(', ')}`);
  }
  const open = inputs.map((t, i) => {
    const axes = dynamicAxes[names[i]!] ?? {};
    const pairs: [number, string][] = Array.isArray(axes)
      ? (axes as number[]).map((axis) => [axis, `${names[i]}_dim_${axis}`])
      : Object.entries(axes as Record<string, string>).map(([axis, name]) => [Number(axis), name]);
    return new Map(
      pairs.map(([axis, name]) => {
        const at = axis < 0 ? axis + t.ndim : axis;
        if (!Number.isInteger(at) || at < 0 || at >= t.ndim)
          throw new RangeError(`onnx.export: dynamicAxes of '${names[i]}' names dim ${axis} of ${t.ndim}`);
        return [at, name] as const;
      }),
    );
  });
  return { names, open, opset };
}

/** The inputs with their open dims so many times as large: the elements over and over. */
function grown(inputs: readonly Tensor[], open: readonly Map<number, string>[], run: number): Tensor[] {
  const order = [...new Set(open.flatMap((axes) => [...axes.values()]))];
  if (order.length > FACTORS.length)
    throw new TenfoldError('value', `onnx.export: at most ${FACTORS.length} names of open dims, got ${order.length}`);
  return inputs.map((t, i) => {
    let out = t;
    for (const [axis, name] of open[i]!)
      out = cat(new Array<Tensor>(FACTORS[order.indexOf(name)]![run]!).fill(out), axis);
    return out;
  });
}

// ---- several runs as one -----------------------------------------------------------------------------------------------

const valueOf = (all: readonly Known[]): Value => ({
  id: all[0]!.id,
  dtype: all[0]!.dtype,
  shapes: all.map(({ shape }) => shape),
});

/** An argument of all runs: numbers that differ become sizes. */
function merged(all: readonly unknown[], call: string): unknown {
  const [first] = all;
  if (isKnown(first)) return valueOf(all as Known[]);
  if (Array.isArray(first)) {
    if (all.some((x) => !Array.isArray(x) || x.length !== first.length)) throw differs(call);
    return first.map((_, i) =>
      merged(
        all.map((x) => (x as unknown[])[i]),
        call,
      ),
    );
  }
  if (first instanceof Tensor) {
    if (all.some((x) => !(x instanceof Tensor) || !sameContent(x, first)))
      throw new TenfoldError('value', `onnx.export: a constant of ${call} depends on the open dims`);
    return first;
  }
  if (all.every((x) => Object.is(x, first))) return first;
  if (all.every((x) => Number.isInteger(x))) return new Size(all as number[]);
  throw differs(call);
}
const differs = (call: string): TenfoldError =>
  new TenfoldError('value', `onnx.export: ${call} is called differently as the open dims grow`);
const sameContent = (a: Tensor, b: Tensor): boolean =>
  a === b || (a.dtype === b.dtype && a.shape.join() === b.shape.join() && a.detach().equal(b.detach()));

/** Writes a call's nodes. */
function translate(g: Graph, calls: readonly Call[]): void {
  const [call] = calls as [Call];
  if (calls.some((c) => c.name !== call.name || c.outputs.length !== call.outputs.length)) throw differs(call.name);
  const args = call.parameters.map((_, i) => merged(calls.map((c) => c.args[i]), call.name)); // prettier-ignore
  const outputs = call.outputs.map((_, i) => valueOf(calls.map((c) => c.outputs[i]!)));
  g.operands = args.flat().filter(isValue);
  const emit = call.name.startsWith('nn.') ? recurrent : TABLE[call.name]!.emit;
  const names = emit(g, Object.fromEntries(call.parameters.map((name, i) => [name, args[i]])), outputs);
  const list = typeof names === 'string' ? [names] : names;
  outputs.forEach((value, i) => g.has(value) || g.bind(value, list[i]!));
}

function infoOf(name: string, value: Value | Tensor, axes: ReadonlyMap<number, string>): ValueMessage {
  const shapes = value instanceof Tensor ? [value.shape] : value.shapes;
  const dims = shapes[0]!.map((n, d) =>
    axes.has(d)
      ? { parameter: axes.get(d)! }
      : shapes.every((shape) => shape[d] === n)
        ? { value: n }
        : { parameter: `${name}_dim_${d}` },
  );
  return { name, type: { tensor: { elementType: elementOf(value.dtype), shape: { dims } } } };
}

function build(
  runs: readonly Run[],
  names: readonly string[],
  open: readonly Map<number, string>[],
  opset: number,
  options: ExportOptions,
): ModelMessage {
  const [first] = runs as [Run];
  const { calls } = first.trace;
  if (runs.some((run) => run.trace.calls.length !== calls.length)) throw differs('forward');
  const g = new Graph(opset);
  const inputs = first.inputs.map((_, i) => valueOf(runs.map((run) => run.inputs[i]!)));
  inputs.forEach((value, i) => {
    g.bind(value, names[i]!);
    g.inputs.push(value);
  });
  for (const [name, value, t] of first.state) {
    const free = g.fresh(name);
    g.bind(value, free);
    g.state(t, free);
  }
  calls.forEach((_, i) => translate(g, runs.map((run) => run.trace.calls[i]!))); // prettier-ignore
  const outputs = first.outputs.map((one, i) => {
    const name = g.fresh(options.outputNames?.[i] ?? (first.outputs.length === 1 ? 'output' : `output${i}`));
    const value = one instanceof Tensor ? one : valueOf(runs.map((run) => run.outputs[i] as Known));
    g.nodes.push({ inputs: [g.of(value)], outputs: [name], name, opType: 'Identity' });
    return infoOf(name, value, namesOfDims(name, options));
  });
  return {
    irVersion: irOf(opset),
    producerName: 'tenfold',
    opsets: [{ domain: '', version: opset }],
    graph: {
      name: 'main',
      nodes: g.nodes,
      initializers: g.used(),
      inputs: inputs.map((value, i) => infoOf(names[i]!, value, open[i]!)),
      outputs,
    },
  };
}
function namesOfDims(name: string, { dynamicAxes }: ExportOptions): Map<number, string> {
  const axes = dynamicAxes?.[name] ?? {};
  return new Map(
    Array.isArray(axes) ? [] : Object.entries(axes as Record<string, string>).map(([d, n]) => [Number(d), n]),
  );
}

// ---- the call ----------------------------------------------------------------------------------------------------------

/** Evaluates, without gradients, with every module in evaluation mode; all is as before afterwards. */
function evaluating<T>(module: Module, fn: () => T): T {
  const modules = module.modules();
  const training = modules.map((m) => m.training);
  const before = mode.grad;
  mode.grad = false;
  for (const m of modules) m.training = false;
  try {
    return fn();
  } finally {
    mode.grad = before;
    modules.forEach((m, i) => (m.training = training[i]!));
  }
}

function bytesOf(model: ModelMessage): Uint8Array[] {
  const pieces = encode(MODEL, model as Record<string, unknown>);
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (size >= 2 ** 31)
    throw new TenfoldError('value', `onnx.export: the model has ${size} bytes, ONNX files hold less than 2 GB`);
  return pieces;
}

/** Beside its target, and renamed over it when it is complete. */
function write(file: string, pieces: readonly Uint8Array[]): void {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.${crypto.randomUUID().slice(-12)}.tmp`);
  try {
    const handle = fs.openSync(temporary, 'wx');
    try {
      for (const piece of pieces) for (let at = 0; at < piece.length;) at += fs.writeSync(handle, piece, at);
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
    fs.renameSync(temporary, file);
  } catch (cause) {
    fs.rmSync(temporary, { force: true });
    throw new TenfoldError('state', `onnx.export: could not write '${file}': ${(cause as Error).message}`, { cause });
  }
}

/**
 * Writes what `module.forward(...inputs)` computes as an ONNX model that ONNX Runtime and others run: parameters and buffers
 * as initializers under their names, the module in evaluation mode. With `file` null the model's bytes are returned. Dims are
 * those of the inputs, unless `dynamicAxes` names them; what the module decides by looking at values in JavaScript is written as it
 * was decided. TypeError and RangeError for wrong arguments; TenfoldError 'value' where an op has no ONNX form, or depends on open
 * dims in a way that can't be told. See torch.onnx.export.
 *
 * ```ts
 * onnx.export(model, [randn(1, 3, 224, 224)], 'model.onnx', { dynamicAxes: { input: { 0: 'batch' } } });
 * ```
 */
export function exportModule(
  module: Module,
  inputs: Tensor | readonly Tensor[],
  file: null,
  options?: ExportOptions,
): Uint8Array;
export function exportModule(
  module: Module,
  inputs: Tensor | readonly Tensor[],
  file: string,
  options?: ExportOptions,
): void;
export function exportModule(
  module: Module,
  inputs: Tensor | readonly Tensor[],
  file: string | null,
  options: ExportOptions = {},
): Uint8Array | void {
  if (!(module instanceof Module)) throw new TypeError(`onnx.export: expected a module, got ${show(module)}`);
  const list = inputs instanceof Tensor ? [inputs] : inputs;
  if (!Array.isArray(list) || !list.every((t) => t instanceof Tensor))
    throw new TypeError(`onnx.export: expected a tensor or a list of tensors as inputs, got ${show(inputs)}`);
  if (file !== null && (typeof file !== 'string' || file === ''))
    throw new TypeError(`onnx.export: expected a path or null, got ${show(file)}`);
  const { names, open, opset } = readOptions(list as Tensor[], options);
  const count = open.some((axes) => axes.size > 0) ? RUNS : 1;
  // Inputs of their own: what the module does to them in place is not the caller's.
  const copies = (list as Tensor[]).map((t) => t.detach().clone());
  const runs = evaluating(module, () =>
    Array.from({ length: count }, (_, run) => runOnce(module, grown(copies, open, run))),
  );
  const pieces = bytesOf(build(runs, names, open, opset, options));
  if (file === null) return Buffer.concat(pieces);
  write(file, pieces);
}
