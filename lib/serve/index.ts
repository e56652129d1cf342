/**
 * tenfold/serve: models behind the Open Inference Protocol. A subpath of its own, which the library doesn't load.
 *
 *   server.ts, handler.ts   a server, or a listener for one that is there
 *   service.ts, routes.ts   what a path is answered with
 *   protocol/               requests and answers, in JSON and in bytes
 *   http/                   bodies, access, node:http and fetch
 *   batching/               the queue before a model
 *   models/                 what can be served, and by what it is computed
 *   generation/             tokens one after the other, with a key/value cache, and texts piece by piece
 *   metrics/, page/         what is counted, and the status page
 *   grpc/                   the protocol over gRPC
 */
export { serve, type ServeOptions, type ServerHandle } from './server.js';
export { handler, type Handler } from './handler.js';
export { Batcher, type BatchingOptions, type InferOptions, type Padding, type Trimming } from './batching/batcher.js';
export { TokenGenerator, type LanguageModel, type TokenGeneratorOptions } from './generation/generator.js';
export { KeyValueCache } from './generation/cache.js';
export type { SamplingOptions } from './generation/sampling.js';
export type { GenerateFunction, GenerateRequest } from './generation/text.js';
export { ServeError } from './errors.js';
export { Strings, type TensorSpec, type Value, type Values } from './values.js';
export type { HandlerOptions, Limits, LogEntry } from './options.js';
export type { ModelDefinition, ModelOptions } from './models/definition.js';
export type { ModelFunction, ModelLike, Outcome, RunContext } from './models/runner.js';
