/**
 * A model as a user describes it, and as it is served: with the names, dtypes and shapes of inputs and outputs declared, taken
 * from an ONNX model, or found by computing an example.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { Module } from '../../nn/module.js';
import { Tensor } from '../../tensor/tensor.js';
import { Batcher } from '../batching/batcher.js';
import { BATCHING_OPTIONS, readBatching, type BatchingOptions } from '../batching/options.js';
import { Gate } from '../batching/gate.js';
import { GENERATE_PORTS, collecting, type GenerateFunction } from '../generation/text.js';
import { ModelStats } from '../metrics/stats.js';
import {
  Strings,
  datatypeOf,
  dtypeOf,
  readSpecs,
  record,
  type Port,
  type TensorSpec,
  type Value,
  type Values,
} from '../values.js';
import { buildModel, shareParameters, type FileModel } from './files.js';
import { checkModel, checkOutputs, localRunner, outputsOf, type ModelLike, type Runner } from './runner.js';
import { cat } from '../../ops/index.js';
import { withoutRecording } from './recording.js';
import { WorkerPool } from './workers.js';

/** A model with all that a server needs to know of it. */
export interface ModelOptions extends BatchingOptions {
  /** An nn.Module (set to eval()), a compiled plan, an ONNX model, or a function `(inputs, context) → outputs`. */
  model?: ModelLike;
  /**
   * Instead of `model`: answers a text piece by piece, for `/generate` and `/generate_stream`; see TokenGenerator. An async
   * generator `async function* ({ text, parameters, signal })`.
   */
  generate?: GenerateFunction;
  /** Instead of `model`: an ONNX file, or an ES module whose default export makes the model: `({ nn }) => new nn.Linear(784, 10)`. */
  file?: string | URL;
  /** A safetensors file with the state dict of what `file` makes. */
  weights?: string | URL;
  /**
   * Threads that compute the model, which needs a `file` then, as a module can't be sent to a thread. They share one copy of its
   * weights. 0, as it starts: the thread of the event loop computes.
   */
  workers?: number;
  /** Inputs in the order of forward's arguments. ONNX models have them; others need them, or an `example`. */
  inputs?: readonly TensorSpec[];
  /** Outputs in the order in which forward returns them. Results are checked against them. */
  outputs?: readonly TensorSpec[];
  /**
   * Inputs for one request, with one row. It is computed when the model is loaded, once alone and once doubled, which tells names,
   * dtypes and shapes of inputs and outputs where they are not declared, and warms the model up.
   */
  example?: Values | Tensor | readonly Tensor[];
  /** '1', as it starts. */
  version?: string | number;
  /** What it is, for the metadata: 'tenfold' or 'onnx', as it starts. */
  platform?: string;
  /** Names of classes by output, for clients that ask for the best k. */
  labels?: Readonly<Record<string, readonly string[]>>;
}
const MODEL_OPTIONS = [
  'model',
  'generate',
  'file',
  'weights',
  'workers',
  'inputs',
  'outputs',
  'example',
  'version',
  'platform',
  'labels',
];

/** A version of a model, ready to compute. */
export interface LoadedModel {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly batching: Required<BatchingOptions>;
  readonly batcher: Batcher;
  readonly stats: ModelStats;
  /** Where it answers piece by piece. */
  readonly generate: GenerateFunction | null;
}

/** Names of models and versions go into paths, labels and headers. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
export function checkName(call: string, what: string, name: unknown): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(
      `${call}: ${what} must be letters, digits, '_', '-' and '.', 1 to 128 of them, beginning with a letter or digit; got ${show(name)}`,
    );
  }
  return name;
}

/** What `models: { name: … }` may hold: all options, or only the model. */
export type ModelDefinition = ModelLike | ModelOptions;

/** Options of a definition, checked as far as that can be done without computing. */
export function readDefinition(name: string, definition: ModelDefinition): ModelOptions {
  checkName('serve', 'the name of a model', name);
  const call = `serve: model '${name}'`;
  const given = definition instanceof Module || typeof definition === 'function' ? { model: definition } : definition;
  const options = generating(call, given);
  checkOptions(call, options, [...MODEL_OPTIONS, ...BATCHING_OPTIONS]);
  checkOrigin(call, options);
  readBatching(call, batchingOf(options));
  if (options.inputs !== undefined) readSpecs(call, 'inputs', options.inputs);
  if (options.outputs !== undefined) readSpecs(call, 'outputs', options.outputs);
  checkName(call, 'version', String(options.version ?? '1'));
  return options;
}

/** A generating model has a function for /infer too, and declares the extension's names. */
function generating(call: string, options: ModelOptions): ModelOptions {
  const generate: unknown = (options as Partial<ModelOptions> | null)?.generate;
  if (generate === undefined) return options;
  if (typeof generate !== 'function')
    throw new TypeError(`${call}: generate must be a function, got ${show(generate)}`);
  if (options.model !== undefined || options.file !== undefined)
    throw new TypeError(`${call}: generate stands instead of a model and a file`);
  return { maxBatchSize: 1, ...options, ...GENERATE_PORTS, model: collecting(options.generate!) };
}

function checkOrigin(call: string, { model, file, weights, workers = 0 }: ModelOptions): void {
  if (file === undefined) {
    checkModel(call, model);
    if (weights !== undefined) throw new TypeError(`${call}: weights belong to a file; a model has its own`);
  } else if (model !== undefined) throw new TypeError(`${call}: model and file are both given`);
  for (const [name, path] of Object.entries({ file, weights })) {
    if (path !== undefined && !(path instanceof URL) && (typeof path !== 'string' || path === ''))
      throw new TypeError(`${call}: ${name} must be a path or a URL, got ${show(path)}`);
  }
  if (!Number.isSafeInteger(workers) || workers < 0 || workers > 1024)
    throw new RangeError(`${call}: workers must be an integer from 0 to 1024, got ${show(workers)}`);
  if (workers > 0 && file === undefined) {
    throw new TypeError(
      `${call}: workers need a file, which each of them makes the model from; a model can't be sent to them`,
    );
  }
}

function batchingOf(options: ModelOptions): BatchingOptions {
  return Object.fromEntries(
    BATCHING_OPTIONS.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])),
  ) as BatchingOptions;
}

/** Specs that a module has of itself, as onnx.load's have. */
function ownSpecs(call: string, model: ModelLike, which: 'inputs' | 'outputs'): readonly TensorSpec[] | undefined {
  if (!(model instanceof Module)) return undefined;
  const specs = (model as unknown as Record<string, unknown>)[which];
  const isSpec = (s: unknown): boolean => typeof s === 'object' && s !== null && 'name' in s && 'shape' in s;
  if (!Array.isArray(specs) || specs.length === 0 || !specs.every(isSpec)) return undefined;
  return (specs as TensorSpec[]).map(({ name, dtype, shape }) => {
    if (Array.isArray(shape)) return { name, dtype, shape };
    throw new TenfoldError('value', `${call}: its own ${which} leave the dims of '${name}' open; declare ${which}`);
  });
}

/** Texts of one model that /infer collects at the same time. */
const MAX_TEXTS = 256;

/** A model with what computes it and what it takes and gives, as far as that is known. */
interface Built {
  readonly model: ModelLike;
  readonly runner: Runner;
  readonly ports: { inputs: readonly Port[]; outputs: readonly Port[] };
  readonly example: ModelOptions['example'];
  readonly platform: string;
}

async function build(call: string, options: ModelOptions): Promise<Built> {
  const path = (of: string | URL): string => (of instanceof URL ? fileURLToPath(of) : resolve(of));
  const { file, workers = 0 } = options;
  const weights = options.weights === undefined ? null : path(options.weights);
  const made: FileModel = file === undefined ? { model: options.model! } : await buildModel(path(file), weights);
  const { model } = made;
  if (model instanceof Module) model.eval();
  const find = (which: 'inputs' | 'outputs'): readonly Port[] => {
    const specs = options[which] ?? made[which] ?? ownSpecs(call, model, which);
    return specs === undefined ? [] : readSpecs(call, which, specs);
  };
  const ports = { inputs: find('inputs'), outputs: find('outputs') };
  const runner =
    workers === 0
      ? { ...localRunner(model, ports), ...(options.generate && { concurrency: MAX_TEXTS }) }
      : await WorkerPool.start({ file: path(file!), weights, shared: shareParameters(model), ...ports }, workers);
  const onnx = ownSpecs(call, model, 'inputs') !== undefined;
  return {
    model,
    runner,
    ports,
    example: options.example ?? made.example,
    platform: options.platform ?? (onnx ? 'onnx' : 'tenfold'),
  };
}

/**
 * Makes a model ready. Where it isn't said, batches have up to 32 rows if the first size of all inputs and outputs is open.
 */
export async function loadModel(name: string, options: ModelOptions, gate: Gate): Promise<LoadedModel> {
  const call = `serve: model '${name}'`;
  const built = await build(call, options);
  try {
    return await finish(call, name, options, built, gate);
  } catch (error) {
    await built.runner.close();
    throw error;
  }
}

async function finish(
  call: string,
  name: string,
  options: ModelOptions,
  { model, runner: inner, ports: known, example, platform }: Built,
  gate: Gate,
): Promise<LoadedModel> {
  const ports = { ...known };
  if (example !== undefined) {
    const values = exampleValues(call, example, ports.inputs);
    if (ports.inputs.length === 0) ports.inputs = portsOf(values, null);
    await warmUp(call, inner, values, ports, options);
  }
  if (ports.inputs.length === 0) {
    throw new TypeError(`${call} needs inputs: [{ name, dtype, shape }] or an example, as its inputs can't be known`);
  }
  const openFirst = [...ports.inputs, ...ports.outputs].every(({ shape }) => shape[0] === -1);
  const batching = {
    ...batchingOf(options),
    maxBatchSize: options.maxBatchSize ?? (openFirst && ports.outputs.length > 0 ? 32 : 1),
  };
  if (batching.maxBatchSize > 1 && !openFirst) {
    throw new TenfoldError(
      'value',
      `${call}: maxBatchSize ${batching.maxBatchSize} needs inputs and outputs whose first size is open (-1)`,
    );
  }
  const stats = new ModelStats();
  const runner: Runner = {
    concurrency: inner.concurrency,
    close: () => inner.close(),
    async run(inputs, context) {
      const outputs = await inner.run(inputs, context);
      checkOutputs(outputs, ports.outputs);
      return outputs;
    },
  };
  // A text takes as long as it takes, and its tokens are computed by whoever makes them: it holds no place of the others.
  const places = options.generate === undefined ? gate : new Gate(inner.concurrency);
  const batcher = new Batcher(model, batching, { gate: places, runner, onBatch: (report) => stats.batch(report) });
  return {
    name,
    version: String(options.version ?? '1'),
    platform,
    ...ports,
    labels: options.labels ?? {},
    batching: batcher.options,
    batcher,
    stats,
    generate: options.generate ?? null,
  };
}

function exampleValues(call: string, example: NonNullable<ModelOptions['example']>, inputs: readonly Port[]): Values {
  const isValue = (x: unknown): x is Value => x instanceof Tensor || x instanceof Strings;
  if (isValue(example)) return exampleValues(call, [example as Tensor], inputs);
  if (Array.isArray(example)) {
    const list = example as readonly Tensor[];
    const entries = list.map((t, i) => [inputs[i]?.name ?? (list.length === 1 ? 'input' : `input${i}`), t] as const);
    return exampleValues(call, record(entries), inputs);
  }
  if (typeof example !== 'object' || (example as object | null) === null || !Object.values(example).every(isValue))
    throw new TypeError(
      `${call}: example must be a tensor, a list of tensors, or tensors by name; got ${show(example)}`,
    );
  return example as Values;
}

// Sizes that differ between one row and two are open; of the inputs, the first.
function portsOf(values: Values, doubled: Values | null): Port[] {
  return Object.entries(values).map(([name, value]) => {
    const other = doubled?.[name]?.shape;
    const shape = value.shape.map((size, i) => ((other === undefined ? i === 0 : other[i] !== size) ? -1 : size));
    return { name, dtype: dtypeOf(value), datatype: datatypeOf(dtypeOf(value)), shape };
  });
}

const twice = (value: Value): Value =>
  value instanceof Strings
    ? new Strings([...value.data, ...value.data], [value.shape[0]! * 2, ...value.shape.slice(1)])
    : withoutRecording(() => cat([value, value], 0));

async function warmUp(
  call: string,
  runner: Runner,
  example: Values,
  ports: { inputs: readonly Port[]; outputs: readonly Port[] },
  options: ModelOptions,
): Promise<void> {
  const { signal } = new AbortController();
  const names = ports.outputs.map((p) => p.name);
  const run = async (inputs: Values, rows: number): Promise<Values> =>
    outputsOf(await runner.run(inputs, { signal, requests: [{ rows, parameters: {} }] }), names);
  try {
    const outputs = await run(example, 1);
    const open = ports.inputs.every(({ shape }) => shape[0] === -1) && options.maxBatchSize !== 1;
    const doubled = open
      ? await run(record(Object.entries(example).map(([name, value]) => [name, twice(value)])), 2)
      : outputs;
    if (ports.outputs.length === 0) ports.outputs = portsOf(outputs, doubled);
    checkOutputs(outputs, ports.outputs);
  } catch (cause) {
    throw new TenfoldError('value', `${call} can't compute its example: ${(cause as Error).message}`, { cause });
  }
}
