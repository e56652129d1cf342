/**
 * Models that answer piece by piece: Triton's generate extension
 * (https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_generate.html), whole or as
 * server-sent events.
 */
import { show } from '../../errors.js';
import { type ServeError, badRequest } from '../errors.js';
import { asServeError } from '../http/exchange.js';
import { isObject, own } from '../protocol/json.js';
import type { ModelFunction } from '../models/runner.js';
import { Strings, type TensorSpec } from '../values.js';

/** What a generating model gets. */
export interface GenerateRequest {
  readonly text: string;
  /** The request's parameters, as they came: check them. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}
/** A model that answers a text piece by piece: an async generator, or what else can be iterated. */
export type GenerateFunction = (request: GenerateRequest) => AsyncIterable<string>;

export const GENERATE_PORTS: { inputs: readonly TensorSpec[]; outputs: readonly TensorSpec[] } = {
  inputs: [{ name: 'text_input', dtype: 'string', shape: [1] }],
  outputs: [{ name: 'text_output', dtype: 'string', shape: [1] }],
};

/** The same model for /infer: all pieces, when there are all. */
export const collecting =
  (generate: GenerateFunction): ModelFunction =>
  async ({ text_input: input }, { signal, requests }) => {
    const text = (input as Strings).data[0]!;
    let all = '';
    for await (const piece of generate({ text, parameters: requests[0]?.parameters ?? {}, signal })) all += piece;
    return new Strings([all]);
  };

/** A request's text and parameters: in `parameters`, or beside the text, as Triton has them. */
export function readGenerate(body: unknown): Omit<GenerateRequest, 'signal'> {
  if (!isObject(body)) throw badRequest(`a request must be a JSON object, got ${show(body)}`);
  const text = own(body, 'text_input');
  if (typeof text !== 'string') throw badRequest(`text_input must be a string, got ${show(text)}`);
  const { text_input: _, id: __, parameters = {}, ...beside } = body;
  if (!isObject(parameters)) throw badRequest(`parameters must be an object, got ${show(parameters)}`);
  return { text, parameters: { ...beside, ...parameters } };
}

/**
 * Pieces as server-sent events. The first is waited for, so that a request that is refused has its status; what fails later is an
 * event with an error.
 */
export async function eventsOf(
  pieces: AsyncIterable<string>,
  model: { name: string; version: string },
  ended: (status: number) => void,
  tell: boolean,
): Promise<AsyncIterable<Uint8Array>> {
  const iterator = pieces[Symbol.asyncIterator]();
  const event = (data: object): Uint8Array => Buffer.from(`data: ${JSON.stringify(data)}\n\n`);
  let next = await iterator.next();
  return (async function* () {
    try {
      while (next.done !== true) {
        yield event({ model_name: model.name, model_version: model.version, text_output: next.value });
        next = await iterator.next();
      }
      ended(200);
    } catch (error) {
      const { status, message } = asServeError(error, tell);
      ended(status);
      yield event({ error: message });
    } finally {
      await iterator.return?.();
    }
  })();
}

export const notGenerating = (name: string): ServeError =>
  badRequest(`model '${name}' doesn't generate; ask it by infer`);
