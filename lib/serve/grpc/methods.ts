/** What each method of GRPCInferenceService answers; the same service as the paths of HTTP are. */
import { ServeError } from '../errors.js';
import type { LoadedModel } from '../models/definition.js';
import { statisticsOf } from '../metrics/stats.js';
import { controlModel, modelConfig, modelMetadata, scheduling, serverMetadata, withTrace } from '../routes.js';
import type { Service } from '../service.js';
import { inferAnswer, parametersOf, readInferMessage } from './inference.js';
import { CONFIG_TYPES, type Method } from './messages.js';
import type { Message } from './wire.js';

/** A call on its way. */
export interface Call {
  readonly service: Service;
  readonly signal: AbortSignal;
  readonly traceparent: string | undefined;
}

const text = (value: unknown): string => value as string;

export async function infer(message: Message, { service, signal, traceparent }: Call): Promise<Message> {
  const begun = performance.now();
  const model = service.registry.find(text(message.model_name), text(message.model_version));
  const ended = (status: number): void => model.stats.ended(status, performance.now() - begun);
  try {
    if (service.closing) throw new ServeError(503, 'the server ends');
    const request = readInferMessage(message, model, service.limits);
    const outputs = await model.batcher.infer(request.inputs, {
      signal,
      ...scheduling(request.parameters),
      parameters: withTrace(request.parameters, traceparent),
    });
    const answer = inferAnswer(model, request, outputs);
    ended(200);
    return answer;
  } catch (error) {
    ended(error instanceof ServeError ? error.status : signal.aborted ? 499 : 500);
    throw error;
  }
}

function modelReady({ registry }: Service, name: string, version: string): boolean {
  try {
    registry.find(name, version);
    return true;
  } catch (error) {
    if (error instanceof ServeError && error.status === 503) return false;
    throw error;
  }
}

/** Triton's configuration with the numbers that its types have there. */
function configMessage(model: LoadedModel): Message {
  const config = modelConfig(model) as Message;
  const numbered = (ports: unknown): object[] =>
    (ports as { data_type: string }[]).map((port) => ({
      ...port,
      data_type: CONFIG_TYPES.indexOf(port.data_type.slice('TYPE_'.length)),
    }));
  return { ...config, input: numbered(config.input), output: numbered(config.output) };
}

/** The methods with one request and one answer. */
export const ANSWERS: Record<
  Exclude<Method, 'ModelStreamInfer'>,
  (message: Message, call: Call) => Message | Promise<Message>
> = {
  ServerLive: () => ({ live: true }),
  ServerReady: (_, { service }) => ({ ready: service.ready }),
  ModelReady: ({ name, version }, { service }) => ({ ready: modelReady(service, text(name), text(version)) }),
  ServerMetadata: (_, { service }) => serverMetadata(service) as Message,
  ModelMetadata: ({ name, version }, { service: { registry } }) =>
    modelMetadata(registry.find(text(name), text(version)), registry.versions(text(name))) as Message,
  ModelInfer: infer,
  ModelConfig: ({ name, version }, { service }) => ({
    config: configMessage(service.registry.find(text(name), text(version))),
  }),
  ModelStatistics: ({ name, version }, { service: { registry } }) => {
    const models = text(name) === '' ? registry.loaded : [registry.find(text(name), text(version))];
    return { model_stats: models.map((m) => statisticsOf(m.name, m.version, m.stats)) };
  },
  RepositoryIndex: ({ ready }, { service }) => ({ models: service.registry.index(ready as boolean) }),
  RepositoryModelLoad: async ({ model_name, parameters }, { service }) => {
    await controlModel(service, text(model_name), 'load', parametersOf(parameters));
    return {};
  },
  RepositoryModelUnload: async ({ model_name, parameters }, { service }) => {
    await controlModel(service, text(model_name), 'unload', parametersOf(parameters));
    return {};
  },
};
