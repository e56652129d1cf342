/**
 * Runners compute a batch. Here is the one of this thread: a module, a compiled plan, an ONNX model or a function becomes
 * `run(inputs) → outputs`. models/workers.ts has the one that computes on other threads.
 */
import { TenfoldError, show } from '../../errors.js';
import { Module } from '../../nn/module.js';
import { Tensor } from '../../tensor/tensor.js';
import { Strings, record, type Port, type Value, type Values } from '../values.js';
import { withoutRecording } from './recording.js';

/** What a model's function gets beside its inputs. */
export interface RunContext {
  /** Aborted where nobody waits for the batch any more. */
  readonly signal: AbortSignal;
  /** The requests of the batch, in the order of their rows, with the `parameters` that each came with. */
  readonly requests: readonly { readonly rows: number; readonly parameters: Readonly<Record<string, unknown>> }[];
}

/** What a model may return: outputs by name, or a tensor or list of them in the order of the declared outputs. */
export type Outcome = Values | Value | readonly Value[];

/** A function that is a model. It gets the inputs of a whole batch by name. */
export type ModelFunction = (inputs: Values, context: RunContext) => Outcome | Promise<Outcome>;

/** What `compile` returns, as far as a server uses it: called with tensors in the order of the declared inputs. */
export interface PlanLike {
  (...args: never[]): unknown;
  async(...args: never[]): Promise<unknown>;
}

/** What can be served. */
export type ModelLike = Module | PlanLike | ModelFunction;

/** Computes batches. */
export interface Runner {
  run(inputs: Values, context: RunContext): Promise<Values>;
  /** How many batches it computes at the same time. */
  readonly concurrency: number;
  close(): Promise<void>;
}

/** A model of onnx.load, or any module that is called with inputs by name. */
interface NamedModule {
  run(inputs: Record<string, Tensor>): unknown;
}
const isNamed = (model: object): model is NamedModule => typeof (model as Partial<NamedModule>).run === 'function';
export const isPlan = (model: unknown): model is PlanLike =>
  typeof model === 'function' && typeof (model as Partial<PlanLike>).async === 'function';

/** Refuses what can't be a model. */
export function checkModel(call: string, model: unknown): asserts model is ModelLike {
  if (model instanceof Module || typeof model === 'function') return;
  throw new TypeError(`${call}: a model must be an nn.Module, a compiled plan or a function, got ${show(model)}`);
}

/** Runs a model on this thread. `ports` name its outputs where it returns a list, and order its inputs. */
export function localRunner(model: ModelLike, ports: { inputs: readonly Port[]; outputs: readonly Port[] }): Runner {
  const positional = (inputs: Values): Value[] => {
    if (ports.inputs.length > 0) return ports.inputs.map(({ name }) => inputs[name]!);
    return Object.values(inputs);
  };
  const call = (inputs: Values, context: RunContext): unknown => {
    if (isPlan(model)) return model.async(...(positional(inputs) as never[]));
    if (typeof model === 'function') return (model as ModelFunction)(inputs, context);
    return isNamed(model) ? model.run(inputs as Record<string, Tensor>) : model.forward(...positional(inputs));
  };
  const names = ports.outputs.map(({ name }) => name);
  return {
    concurrency: 1,
    async run(inputs, context) {
      return outputsOf(await withoutRecording(() => call(inputs, context)), names);
    },
    async close() {},
  };
}

/** What a model returned, by name: the declared names in their order, else 'output', or 'output0', 'output1', … */
export function outputsOf(outcome: unknown, names: readonly string[]): Values {
  if (outcome instanceof Tensor || outcome instanceof Strings) return record([[names[0] ?? 'output', outcome]]);
  if (Array.isArray(outcome)) {
    outcome.forEach((value, i) => checkValue(`output ${i}`, value));
    return record((outcome as Value[]).map((value, i) => [names[i] ?? `output${i}`, value]));
  }
  if (typeof outcome !== 'object' || outcome === null)
    throw new TypeError(`the model returned ${show(outcome)}; expected tensors by name, a tensor, or a list of them`);
  const entries = Object.entries(outcome);
  for (const [name, value] of entries) checkValue(`output '${name}'`, value);
  return record(entries as [string, Value][]);
}

function checkValue(which: string, value: unknown): void {
  if (!(value instanceof Tensor || value instanceof Strings))
    throw new TypeError(`the model's ${which} is ${show(value)}; expected a tensor or Strings`);
}

/** Refuses outputs that are not those declared. */
export function checkOutputs(outputs: Values, ports: readonly Port[]): void {
  for (const { name, dtype, shape } of ports) {
    const value = outputs[name];
    if (value === undefined) {
      const got = Object.keys(outputs).join(', ');
      throw new TenfoldError('value', `the model returned no output '${name}' (its outputs: ${got || 'none'})`);
    }
    const own = value instanceof Strings ? 'string' : value.dtype;
    const same = value.shape.length === shape.length && shape.every((size, i) => size < 0 || size === value.shape[i]);
    if (own !== dtype || !same) {
      throw new TenfoldError(
        'value',
        `the model's output '${name}' is ${own} of shape [${value.shape.join(', ')}], declared as ${dtype} of [${shape.join(', ')}]`,
      );
    }
  }
}
