/**
 * PyTorch's samples of modules, made and called here: what differs, in words. The recordings are scripts/record/module_samples.py's.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import {
  camel, cotangent, decode, describe, describeCoded, difference, isCodedTensor, type Coded, type CodedTensor,
} from '../operators/format.js'; // prettier-ignore

interface Made {
  args: CodedValue[];
  named: Record<string, CodedValue>;
}
type CodedValue = Coded | { module: string; args: CodedValue[]; named: Record<string, CodedValue> } | { function: string } | { packed: Coded[] } | CodedValue[]; // prettier-ignore
type State = Record<string, CodedTensor | { uninitialized: true }>;
interface ModuleSample extends Made {
  dtype: tf.DType;
  training: boolean;
  text: string;
  initial: State;
  forward: Made;
  out: CodedValue;
  after: State;
  becomes?: string;
  grads?: (CodedTensor | null)[];
  parameterGrads?: Record<string, CodedTensor | null>;
  second?: (CodedTensor | null)[];
  through?: number[];
  inplace?: true;
}
interface ModuleError extends Made {
  dtype: tf.DType;
  training: boolean;
  forward?: Made;
  message: string;
}
export interface ModuleFile {
  module: string;
  torch: string;
  samples: ModuleSample[];
  errors: ModuleError[];
}
/** Where the answers are not PyTorch's, with the reason. */
export interface ModuleException {
  /** Factor on the tolerance. */
  slack?: number;
  reason: string;
}

export const recordedModules = (folder: string): string[] =>
  readdirSync(folder).filter((file) => file.endsWith('.json.gz')).map((file) => file.slice(0, -8)).sort(); // prettier-ignore
export const readModule = (folder: string, name: string): ModuleFile =>
  JSON.parse(gunzipSync(readFileSync(join(folder, `${name}.json.gz`))).toString()) as ModuleFile;

const { nn } = tf;
type Constructor = new (...args: unknown[]) => tf.nn.Module;
const constructorOf = (name: string): Constructor => {
  const found = (nn as unknown as Record<string, Constructor | undefined>)[name];
  if (found === undefined) throw new Error(`nn.${name} doesn't exist`);
  return found;
};

function value(c: CodedValue, leaves: Tensor[] | null): unknown {
  if (c === null || typeof c !== 'object') return c;
  if (Array.isArray(c)) return c.map((x) => value(x as CodedValue, leaves));
  if ('module' in c) return make(c.module, c);
  if ('function' in c) return (nn.functional as unknown as Record<string, unknown>)[camel(c.function)];
  if ('packed' in c) {
    const [data, ...rest] = c.packed.map((x) => decode(x, x === c.packed[0] ? leaves : null));
    return new nn.utils.rnn.PackedSequence(data as Tensor, ...(rest as [Tensor, Tensor | null, Tensor | null]));
  }
  const keys = Object.keys(c);
  const known = ['data', 'float', 'int', 'torch', 'slice', 'ellipsis'];
  if (!keys.some((k) => known.includes(k)))
    return Object.fromEntries(Object.entries(c as Record<string, CodedValue>).map(([k, v]) => [camel(k), value(v, leaves)])); // prettier-ignore
  return decode(c, leaves);
}
function listOf(made: Made, leaves: Tensor[] | null): unknown[] {
  const args = made.args.map((x) => value(x, leaves));
  const named = Object.entries(made.named).map(([k, v]) => [camel(k), value(v, leaves)]);
  return named.length > 0 ? [...args, Object.fromEntries(named)] : args;
}
const make = (name: string, made: Made): tf.nn.Module => new (constructorOf(name))(...listOf(made, null));

/** The module as PyTorch's was made, after manualSeed(0). */
function build(name: string, row: ModuleSample | ModuleError, more: Record<string, unknown> = {}): tf.nn.Module {
  const list = listOf(row, null);
  if (Object.keys(more).length > 0) {
    if (Object.keys(row.named).length > 0) Object.assign(list.at(-1) as object, more);
    else list.push(more);
  }
  tf.manualSeed(0);
  return new (constructorOf(name))(...list);
}

function tensorsOf(x: unknown): Tensor[] {
  if (x instanceof tf.Tensor) return [x];
  if (x instanceof nn.utils.rnn.PackedSequence) return [x.data];
  // A list, or an op's results with names.
  return typeof x === 'object' && x !== null && Symbol.iterator in x ? [...(x as Iterable<unknown>)].flatMap(tensorsOf) : []; // prettier-ignore
}
const codedTensors = (c: CodedValue): CodedTensor[] =>
  Array.isArray(c) ? c.flatMap((x) => codedTensors(x as CodedValue))
  : c !== null && typeof c === 'object' && 'packed' in c ? [c.packed[0] as CodedTensor]
  : isCodedTensor(c as Coded) ? [c as CodedTensor] : []; // prettier-ignore

function compareState(what: string, module: tf.nn.Module, want: State, slack: number, exact = true): string | null {
  const state = module.stateDict({ keepVars: true });
  if (exact && Object.keys(state).join() !== Object.keys(want).join())
    return `${what} has keys [${Object.keys(state).join()}], not [${Object.keys(want).join()}]`;
  for (const [key, c] of Object.entries(want)) {
    const uninitialized = /^Uninitialized/.test(state[key]?.constructor.name ?? '');
    if ('uninitialized' in c) {
      if (!uninitialized) return `${what} ${key} is ${describe(state[key])}, not uninitialized`;
      continue;
    }
    const problem = uninitialized ? 'is uninitialized' : difference(state[key]?.detach(), c, slack);
    if (problem) return `${what} ${key} ${problem}`;
  }
  return null;
}

/** A gradient beside PyTorch's; where that has none, zeros say the same. */
function compareGrad(what: string, grad: Tensor | null | undefined, want: CodedTensor | null, slack: number) {
  const zero = !grad || Array.from(grad.detach().toTypedArray(), Number).every((x) => x === 0);
  const none = !want || (!grad && want.data.every((x) => Number(x) === 0));
  const problem = !none ? difference(grad ? grad.detach() : grad, want, slack) : zero ? null : 'is neither null nor zero'; // prettier-ignore
  return problem ? `${what} ${problem}` : null;
}

function textDifference(text: string, want: string): string {
  const lines = want.split('\n');
  const found = text.split('\n');
  const at = lines.findIndex((line, i) => line !== found[i]);
  return `prints '${found[at < 0 ? lines.length : at]?.trim()}', not '${lines[at]?.trim()}'`;
}

function checkSample(name: string, sample: ModuleSample, slack: number): string | null {
  const module = build(name, sample).to(sample.dtype).train(sample.training);
  // 1.0 and 1 are one number here; what is a float in Python prints as one.
  const [text, want] = [String(module), sample.text].map((t) => t.replaceAll(/(\d)\.0(?!\d)/g, '$1'));
  if (text !== want) return textDifference(text!, want!);
  const initial = compareState('initial', module, sample.initial, 1);
  if (initial) return initial;
  const copy = sample.becomes === undefined ? module.clone() : null;
  const inputs: Tensor[] = [];
  const args = listOf(sample.forward, inputs);
  tf.manualSeed(0);
  const out = module.forward(...args) as unknown;
  if (sample.becomes !== undefined && module.constructor.name !== sample.becomes)
    return `is a ${module.constructor.name}, not a ${sample.becomes}`;
  const outputs = tensorsOf(out);
  const wanted = codedTensors(sample.out);
  if (outputs.length !== wanted.length) return `result is ${describe(out)}`;
  for (const [k, c] of wanted.entries()) {
    const problem = difference(outputs[k], c, slack);
    if (problem) return `result ${k} ${problem}`;
    if (outputs[k]!.requiresGrad !== Boolean(c.grad)) return `result ${k}.requiresGrad is ${outputs[k]!.requiresGrad}`;
  }
  const after = compareState('after the call,', module, sample.after, slack, false);
  if (after) return after;
  if (copy !== null) {
    tf.manualSeed(0);
    const again = tensorsOf(copy.forward(...listOf(sample.forward, null)));
    const problem = again.map((t, k) => difference(t.detach(), wanted[k]!, slack)).find((p) => p !== null);
    if (problem) return `a copy's result ${problem}`;
  }
  return (
    checkGradients(module, sample, inputs, outputs, slack) ??
    (sample.inplace ? checkInplace(name, sample, slack) : null)
  );
}

function checkGradients(
  module: tf.nn.Module,
  sample: ModuleSample,
  inputs: Tensor[],
  outputs: Tensor[],
  slack: number,
): string | null {
  if (!sample.grads) return null;
  const parameters = Object.fromEntries(module.namedParameters());
  const names = Object.keys(sample.parameterGrads!);
  if (Object.keys(parameters).join() !== names.join()) return `has parameters [${Object.keys(parameters).join()}]`;
  const leaves = [...inputs, ...names.map((key) => parameters[key]!)];
  const roots = outputs.filter((t) => t.requiresGrad);
  const second = sample.second !== undefined;
  const cots = roots.map((t, k) => cotangent(t.shape, t.dtype, k));
  const grads = tf.autograd.grad(roots, leaves, cots, { allowUnused: true, createGraph: second });
  for (const [i, c] of sample.grads.entries()) {
    const problem = compareGrad(`gradient of input ${i}`, grads[i], c, slack);
    if (problem) return problem;
  }
  for (const [i, key] of names.entries()) {
    const problem = compareGrad(`gradient of ${key}`, grads[inputs.length + i], sample.parameterGrads![key]!, slack);
    if (problem) return problem;
  }
  if (!second) return null;
  const through = sample.through!.map((i) => grads[i]!).filter((g) => g.requiresGrad);
  // Of a linear module PyTorch differentiates the gradient all the same: zeros.
  if (through.length === 0)
    return sample.second!.every((c) => c === null || c.data.every((x) => Number(x) === 0)) ? null : 'gradients have no graph'; // prettier-ignore
  const again = tf.autograd.grad(
    through,
    leaves,
    through.map((g) => cotangent(g.shape, g.dtype, sample.through!.findIndex((i) => grads[i] === g))),
    { allowUnused: true },
  ); // prettier-ignore
  for (const [i, c] of sample.second!.entries()) {
    const problem = compareGrad(`second gradient ${i}`, again[i], c, slack);
    if (problem) return problem;
  }
  return null;
}

function checkInplace(name: string, sample: ModuleSample, slack: number): string | null {
  const module = build(name, sample, { inplace: true }).to(sample.dtype);
  const [x, ...rest] = listOf(sample.forward, null) as [Tensor, ...unknown[]];
  tf.manualSeed(0);
  const out = module.forward(x, ...rest) as unknown;
  if (out !== x) return 'in place gives another tensor';
  const problem = difference(x, { ...(sample.out as CodedTensor) }, slack);
  return problem ? `in place ${problem}` : null;
}

const message = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
const callOf = (made: Made): string =>
  [...made.args.map((x) => describeValue(x)), ...Object.entries(made.named).map(([k, v]) => `${camel(k)}: ${describeValue(v)}`)].join(', '); // prettier-ignore
function describeValue(c: CodedValue): string {
  if (c !== null && typeof c === 'object' && !Array.isArray(c)) {
    if ('module' in c) return `${c.module}(${callOf(c)})`;
    if ('function' in c) return c.function;
    if ('packed' in c) return 'a packed sequence';
  }
  return describeCoded(c as Coded);
}

/** Samples whose result, state, text or gradients differ. */
export function sampleProblems(file: ModuleFile, slack = 1): string[] {
  const problems: string[] = [];
  for (const [i, sample] of file.samples.entries()) {
    let problem: string | null;
    try {
      problem = checkSample(file.module, sample, slack);
    } catch (error) {
      problem = `throws ${message(error)}`;
    }
    if (problem)
      problems.push(
        `#${i} ${sample.dtype} ${sample.training ? 'training' : 'evaluation'}: ${problem}\n     of ${file.module}(${callOf(sample)}) of ${callOf(sample.forward)}`,
      );
  }
  return problems;
}

/** A module, and the function that it calls: CrossEntropyLoss, crossEntropy. */
const namesOf = (name: string): string[] => [name, name[0]!.toLowerCase() + name.slice(1).replace(/Loss$/, '')];

/** What PyTorch refuses and isn't refused here, or not as errors are. */
export function refusalProblems(file: ModuleFile): string[] {
  const problems: string[] = [];
  for (const [i, row] of file.errors.entries()) {
    let problem: string | null = 'is not refused';
    try {
      const module = build(file.module, row);
      if (row.forward) module.forward(...listOf(row.forward, null));
    } catch (error) {
      const kind = error instanceof TypeError || error instanceof RangeError || error instanceof tf.TenfoldError;
      problem = !kind
        ? `wrong kind of error: ${message(error)}`
        : namesOf(file.module).some((name) => (error as Error).message.toLowerCase().includes(name.toLowerCase())) ? null : `the message doesn't name the module: ${message(error)}`; // prettier-ignore
    }
    if (problem)
      problems.push(
        `error ${i}: ${problem}\n     of ${file.module}(${callOf(row)})${row.forward ? ` of ${callOf(row.forward)}` : ''}\n     PyTorch: ${row.message}`,
      );
  }
  return problems;
}
