/** The paths of the Open Inference Protocol and of its extensions, each with what answers it. */
import { ServeError, badRequest } from './errors.js';
import { readBody } from './http/body.js';
import { eventsOf, notGenerating, readGenerate } from './generation/text.js';
import { json, type Incoming, type Outgoing } from './http/exchange.js';
import type { LoadedModel } from './models/definition.js';
import { metricsPage } from './metrics/prometheus.js';
import { statisticsOf } from './metrics/stats.js';
import { STATUS_PAGE, STATUS_PAGE_HEADERS } from './page/html.js';
import { statusOf } from './page/status.js';
import { isObject, own, parseJson } from './protocol/json.js';
import { readRequest } from './protocol/request.js';
import { selectOutputs, writeResponse } from './protocol/response.js';
import { traceIdOf } from './trace.js';
import type { LogEntry } from './options.js';
import type { Service } from './service.js';

/** A request on its way through. */
export interface Visit {
  readonly incoming: Incoming;
  readonly service: Service;
  readonly query: URLSearchParams;
  /** performance.now() of its arrival. */
  readonly begun: number;
  /** What the log has of it. */
  readonly notes: Partial<LogEntry>;
  /** Counts a failure, once the request's model is known. */
  ended?: (status: number) => void;
}

/** What answers a path, by method. */
export type Route = Record<string, () => Outgoing | Promise<Outgoing>>;

export const EXTENSIONS = [
  'binary_tensor_data',
  'binary_tensor_data_output',
  'classification',
  'generate',
  'model_configuration',
  'model_repository',
  'model_repository(unload_dependents)',
  'schedule_policy',
  'statistics',
] as const;

/** The route of a path; null where there is none. */
export function routeOf(path: string, visit: Visit): Route | null {
  const parts = segments(path);
  if (parts === null) return null;
  const [first, second, third, ...rest] = parts;
  if (first !== 'v2') return second === undefined ? ownRoute(first, visit.service) : null;
  if (second === undefined) return { GET: () => json(serverMetadata(visit.service)) };
  if (second === 'health' && rest.length === 0) return healthRoute(third, visit.service);
  if (second === 'models') return modelRoute(third, rest, visit);
  if (second === 'repository') return repositoryRoute(third, rest, visit);
  return null;
}

/** The status page, its data, and the metrics, unless they are switched off. */
function ownRoute(name: string | undefined, service: Service): Route | null {
  const { statusPage = true, metrics = true } = service.options;
  if (name === undefined && statusPage)
    return { GET: () => ({ status: 200, headers: { ...STATUS_PAGE_HEADERS }, body: [Buffer.from(STATUS_PAGE)] }) };
  if (name === 'status.json' && statusPage) return { GET: () => json(statusOf(service)) };
  if (name !== 'metrics' || !metrics) return null;
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
  const page = (): string => metricsPage(service.registry.loaded, service.loop);
  return { GET: () => ({ status: 200, headers: { ...headers }, body: [Buffer.from(page())] }) };
}

function segments(path: string): string[] | null {
  try {
    return path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return null;
  }
}

function healthRoute(which: string | undefined, service: Service): Route | null {
  if (which === 'live') return { GET: () => json({ live: true }) };
  if (which !== 'ready') return null;
  return { GET: () => json({ ready: service.ready }, service.ready ? 200 : 503) };
}

export const serverMetadata = (service: Service): object => ({
  name: service.options.name ?? 'tenfold',
  version: VERSION,
  extensions: EXTENSIONS,
});
/** Of the protocol's implementation here; what else runs is nobody's business. */
const VERSION = '1';

// ---- models --------------------------------------------------------------------------------------------------------

function modelRoute(name: string | undefined, rest: readonly string[], visit: Visit): Route | null {
  const { registry } = visit.service;
  if (name === undefined) return { GET: () => json({ models: registry.names }) };
  if (name === 'stats' && rest.length === 0) return { GET: () => json(statistics(registry.loaded)) };
  const versioned = rest[0] === 'versions' && rest[1] !== undefined;
  const version = versioned ? rest[1] : undefined;
  const [action, ...more] = versioned ? rest.slice(2) : rest;
  if (more.length > 0) return null;
  const model = (): LoadedModel => registry.find(name, version);
  switch (action) {
    case undefined:
      return { GET: () => json(modelMetadata(model(), registry.versions(name))) };
    case 'ready':
      return { GET: () => modelReady(name, model) };
    case 'config':
      return { GET: () => json(modelConfig(model())) };
    case 'stats':
      return { GET: () => json(statistics(version ? [model()] : [model(), ...registry.versions(name).slice(0, -1)])) };
    case 'infer':
      return { POST: () => infer(model(), visit) };
    case 'generate':
      return { POST: () => generate(model(), visit, false) };
    case 'generate_stream':
      return { POST: () => generate(model(), visit, true) };
    default:
      return null;
  }
}

const statistics = (models: readonly LoadedModel[]): object => ({
  model_stats: models.map(({ name, version, stats }) => statisticsOf(name, version, stats)),
});

function modelReady(name: string, model: () => LoadedModel): Outgoing {
  try {
    model();
    return json({ name, ready: true });
  } catch (error) {
    if (!(error instanceof ServeError) || error.status !== 503) throw error;
    return json({ name, ready: false, error: error.message }, 503);
  }
}

export const modelMetadata = (model: LoadedModel, versions: readonly LoadedModel[]): object => ({
  name: model.name,
  versions: versions.map(({ version }) => version),
  platform: model.platform,
  inputs: model.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
  outputs: model.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
});

/** Triton's model configuration, as far as there is something to say. Times in microseconds there. */
export function modelConfig({ name, platform, inputs, outputs, batching }: LoadedModel): object {
  const { maxBatchSize, maxQueueDelay, preferredBatchSizes, priorityLevels, defaultPriority } = batching;
  const batched = maxBatchSize > 1;
  const port = ({ name, datatype, shape }: LoadedModel['inputs'][number]): object => ({
    name,
    data_type: `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`,
    dims: batched ? shape.slice(1) : shape,
  });
  return {
    name,
    platform,
    backend: 'tenfold',
    max_batch_size: batched ? maxBatchSize : 0,
    input: inputs.map(port),
    output: outputs.map(port),
    ...(batched && {
      dynamic_batching: {
        preferred_batch_size: preferredBatchSizes,
        max_queue_delay_microseconds: Math.round(maxQueueDelay * 1000),
        priority_levels: priorityLevels === 1 ? 0 : priorityLevels,
        default_priority_level: priorityLevels === 1 ? 0 : defaultPriority,
        default_queue_policy: {
          max_queue_size: batching.maxQueueSize,
          default_timeout_microseconds: Number.isFinite(batching.timeout) ? Math.round(batching.timeout * 1000) : 0,
        },
      },
    }),
  };
}

// ---- inference -----------------------------------------------------------------------------------------------------

/** A header that counts bytes. */
function headerLengthOf(incoming: Incoming): number | null {
  const text = incoming.header('inference-header-content-length');
  if (text === undefined) return null;
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`Inference-Header-Content-Length must be a number, got '${text}'`);
  return Number(text);
}

async function infer(model: LoadedModel, visit: Visit): Promise<Outgoing> {
  const { incoming, service, notes, begun } = visit;
  notes.model = model.name;
  notes.version = model.version;
  visit.ended = (status) => model.stats.ended(status, performance.now() - begun);
  if (service.closing) throw new ServeError(503, 'the server ends', { headers: { 'retry-after': '1' } });
  const headerLength = headerLengthOf(incoming);
  const request = readRequest(await readBody(incoming, service.limits), headerLength, model, service.limits);
  if (request.id !== undefined) notes.id = request.id;
  const outputs = await model.batcher.infer(request.inputs, {
    signal: incoming.signal,
    ...scheduling(request.parameters),
    parameters: withTrace(request.parameters, incoming.header('traceparent')),
  });
  const sent = selectOutputs(outputs, request, model.labels);
  const { pieces, headerLength: length } = writeResponse(model, request.id, sent);
  visit.ended(200);
  return {
    status: 200,
    headers:
      length === null
        ? { 'content-type': 'application/json' }
        : { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(length) },
    body: pieces,
  };
}

async function generate(model: LoadedModel, visit: Visit, streamed: boolean): Promise<Outgoing> {
  const { incoming, service, notes, begun } = visit;
  const { name, version } = model;
  Object.assign(notes, { model: name, version });
  let counted = false;
  const ended = (status: number): void => {
    if (!counted) model.stats.ended(status, performance.now() - begun);
    counted = true;
  };
  visit.ended = ended;
  if (model.generate === null) throw notGenerating(name);
  if (service.closing) throw new ServeError(503, 'the server ends', { headers: { 'retry-after': '1' } });
  const request = readGenerate(parseJson(await readBody(incoming, service.limits)));
  const { signal } = incoming;
  const parameters = withTrace(request.parameters, incoming.header('traceparent'));
  const pieces = model.generate({ text: request.text, parameters, signal });
  if (streamed) {
    const body = await eventsOf(pieces, model, ended, service.options.exposeErrors ?? false);
    return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
  }
  let text = '';
  for await (const piece of pieces) text += piece;
  ended(200);
  return json({ model_name: name, model_version: version, text_output: text });
}

/** The protocol's priority (0: the model's own), and its timeout, in microseconds there. */
export function scheduling(parameters: Readonly<Record<string, unknown>>): { timeout?: number; priority?: number } {
  const number = (name: string): number => {
    const value = own(parameters, name) ?? 0;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw badRequest(`parameter ${name} must be an integer from 0, got ${String(value)}`);
  };
  const timeout = Math.min(number('timeout') / 1000, 2 ** 31 - 1);
  const priority = number('priority');
  return { ...(timeout > 0 && { timeout }), ...(priority > 0 && { priority }) };
}

/** Parameters for the model's function; `traceparent` where the request belongs to a trace. */
export const withTrace = (
  parameters: Readonly<Record<string, unknown>>,
  traceparent: string | undefined,
): Readonly<Record<string, unknown>> => (traceIdOf(traceparent) === null ? parameters : { ...parameters, traceparent });

// ---- the repository ------------------------------------------------------------------------------------------------

function repositoryRoute(first: string | undefined, rest: readonly string[], visit: Visit): Route | null {
  const { service } = visit;
  if (first === 'index' && rest.length === 0) {
    const index = async (): Promise<Outgoing> => {
      const body = await bodyObject(visit);
      return json(service.registry.index(own(body, 'ready') === true));
    };
    return { POST: index, GET: () => json(service.registry.index(false)) };
  }
  const [name, action, ...more] = rest;
  if (first !== 'models' || name === undefined || more.length > 0) return null;
  if (action !== 'load' && action !== 'unload') return null;
  return {
    POST: async () => {
      const body = await bodyObject(visit);
      await controlModel(service, name, action, own(body, 'parameters'));
      return json({});
    },
  };
}

/** Loads or unloads a model for a client that may. */
export async function controlModel(
  service: Service,
  name: string,
  action: 'load' | 'unload',
  parameters: unknown,
): Promise<void> {
  if (!service.options.modelControl)
    throw new ServeError(
      403,
      'models are not loaded and unloaded over the protocol here; the option modelControl allows it',
    );
  // What Triton takes with a load: a configuration, or files. Here they come from the repository alone.
  const given = isObject(parameters) ? Object.keys(parameters).filter((key) => key !== 'unload_dependents') : [];
  if (given.length > 0) throw badRequest(`${action} takes no parameter '${given[0]}' here`);
  try {
    if (action === 'unload') service.source.unload(name);
    else await service.source.load(name);
  } catch (error) {
    if (error instanceof ServeError) throw error;
    throw new ServeError(400, `the model can't be loaded: ${(error as Error).message}`, { cause: error });
  }
}

async function bodyObject({ incoming, service }: Visit): Promise<object> {
  const bytes = await readBody(incoming, {
    ...service.limits,
    maxBodyBytes: Math.min(service.limits.maxBodyBytes, 1 << 16),
  });
  if (bytes.length === 0) return {};
  const value = parseJson(bytes);
  if (!isObject(value)) throw badRequest('the body must be a JSON object');
  return value;
}
