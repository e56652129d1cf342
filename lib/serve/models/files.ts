/**
 * Models from files, for repositories and for workers, which can't be sent a module but can make it themselves.
 *
 * A module file is an ES module whose default export makes the model. It gets the library, so that it needs to find no package
 * from where it lies: `export default ({ nn }) => new nn.Linear(784, 10);`. It may also export `inputs`, `outputs`, and
 * `example(tenfold)`. Weights are a safetensors file. An ONNX model needs no more than itself.
 */
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TenfoldError, show } from '../../errors.js';
import * as tenfold from '../../index.js';
import { Module } from '../../nn/module.js';
import type { SharedTensor } from '../../tensor/shared.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { TensorSpec, Values } from '../values.js';
import { isPlan, type ModelLike } from './runner.js';

/** What the files hold. */
export interface FileModel {
  readonly model: ModelLike;
  readonly inputs?: readonly TensorSpec[];
  readonly outputs?: readonly TensorSpec[];
  readonly example?: Values | Tensor | readonly Tensor[];
}

/** A module's parameters and buffers, which threads share, by key. */
export type SharedState = Readonly<Record<string, SharedTensor>>;

/** A module file's exports. */
interface Exports {
  default?: unknown;
  inputs?: readonly TensorSpec[];
  outputs?: readonly TensorSpec[];
  example?: (library: typeof tenfold) => Values | Tensor | readonly Tensor[];
}

const refuse = (file: string, what: string, cause?: unknown): never => {
  throw new TenfoldError('state', `the model file '${file}' ${what}`, cause === undefined ? {} : { cause });
};

/**
 * Modules are kept by their address, so it is another one after each change. The import of it stands in a module of its own,
 * for what rewrites imports (bundlers, test runners) takes the address for a path, and leaves `data:` alone.
 */
async function importAnew(file: string): Promise<Exports> {
  const address = `${pathToFileURL(file).href}?changed=${statSync(file).mtimeMs}`;
  const source = `export * as file from ${JSON.stringify(address)};`;
  const { file: exports } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as { file: Exports };
  return exports;
}

/** Makes the model of a file, with its weights. TenfoldError 'state' for what is no model. */
export async function buildModel(file: string, weights: string | null): Promise<FileModel> {
  if (extname(file) === '.onnx') return { model: tenfold.onnx.load(file) };
  let exports: Exports;
  try {
    exports = await importAnew(file);
  } catch (cause) {
    return refuse(file, `can't be imported: ${(cause as Error).message}`, cause);
  }
  const make = exports.default;
  if (typeof make !== 'function') return refuse(file, `must export a function by default, got ${show(make)}`);
  const model = (await (make as (library: typeof tenfold) => unknown)(tenfold)) as ModelLike;
  if (!(model instanceof Module) && typeof model !== 'function')
    return refuse(file, `must make an nn.Module or a function, got ${show(model)}`);
  if (weights !== null) {
    if (!(model instanceof Module)) return refuse(file, `makes a function, which weights can't be loaded into`);
    model.loadStateDict(tenfold.load(weights));
  }
  const { inputs, outputs, example } = exports;
  if (example !== undefined && typeof example !== 'function')
    return refuse(file, `exports an example that is ${show(example)}; expected a function (tenfold) => tensors`);
  return {
    model,
    ...(inputs && { inputs }),
    ...(outputs && { outputs }),
    ...(example && { example: example(tenfold) }),
  };
}

/** Moves a module's parameters and buffers into memory that threads share. Nothing for a function or a plan. */
export const shareParameters = (model: ModelLike): SharedState =>
  !(model instanceof Module) || isPlan(model) ? {} : model.toShared();

/** Gives a module, made by the same file, the parameters and buffers that another thread shares. */
export function adoptParameters(model: ModelLike, shared: SharedState): void {
  if (!(model instanceof Module) || isPlan(model)) return;
  try {
    model.fromShared(shared);
  } catch (cause) {
    throw new TenfoldError('state', `the model file made another module the second time: ${(cause as Error).message}`, {
      cause,
    });
  }
}
