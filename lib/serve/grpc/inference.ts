/** ModelInfer: a request's tensors from their messages, and the answer's into theirs. */
import { Code, DTYPES } from '../../dtype.js';
import { badRequest } from '../errors.js';
import { withoutRecording } from '../models/recording.js';
import type { LoadedModel } from '../models/definition.js';
import { fromBytes, fromJson, toBytes } from '../protocol/elements.js';
import { ElementCounter, gather, readHead, readOutputs, type TensorLimits } from '../protocol/request.js';
import { selectOutputs, type SentOutput } from '../protocol/response.js';
import { Strings, datatypeOf, dtypeOf, record, type Value, type Values } from '../values.js';
import type { Message } from './wire.js';

/** Where the elements of a datatype are in a message; halves have no place but the raw one. */
const CONTENTS: readonly string[] = ['fp32', 'fp64', 'int64', 'int', 'uint', 'bool', 'int', 'int'];

/** Parameters as plain values. */
export function parametersOf(message: unknown): Record<string, unknown> {
  const entries = [...(message as Map<string, Message | null>)].map(([name, choice]): [string, unknown] => {
    const set =
      choice === null
        ? undefined
        : Object.values(choice).find((value) => value !== '' && value !== 0 && value !== false);
    // What is set to its default can't be told from what is not set: all of them are its default.
    return [name, set ?? false];
  });
  return record(entries);
}

export interface GrpcRequest {
  readonly id: string;
  readonly inputs: Values;
  readonly parameters: Record<string, unknown>;
  /** Whether its tensors came as raw bytes; then the answer's go so. */
  readonly raw: boolean;
  readonly outputs: ReturnType<typeof readOutputs>;
}

export function readInferMessage(message: Message, model: LoadedModel, limits: TensorLimits): GrpcRequest {
  const inputs = message.inputs as Message[];
  const pieces = message.raw_input_contents as Uint8Array[];
  const raw = pieces.length > 0;
  if (inputs.length > limits.maxTensors)
    throw badRequest(`inputs has ${inputs.length} entries, at most ${limits.maxTensors} are allowed`);
  if (raw && pieces.length !== inputs.length)
    throw badRequest(`${inputs.length} inputs, and raw contents of ${pieces.length}: all or none must have them`);
  const counter = new ElementCounter(limits.maxElements);
  const entries = inputs.map((input, i): readonly [string, Value] => {
    const head = { name: input.name, datatype: input.datatype, shape: input.shape };
    const { name, code, shape } = readHead(head, model.inputs, counter);
    const where = `input '${name}'`;
    if (parametersOf(input.parameters).shared_memory_region !== undefined)
      throw badRequest(`${where}: there is no shared memory here`);
    return [name, raw ? fromBytes(pieces[i]!, shape, code, where) : fromContents(input, shape, code, where)];
  });
  const outputs = (message.outputs as Message[]).map(({ name, parameters }) => ({
    name,
    parameters: parametersOf(parameters),
  }));
  return {
    id: message.id as string,
    inputs: gather(entries, model.inputs),
    parameters: parametersOf(message.parameters),
    raw: raw || inputs.length === 0,
    outputs: readOutputs(outputs, model.outputs, limits, true),
  };
}

function fromContents(input: Message, shape: readonly number[], code: Code | 'string', where: string): Value {
  const contents = (input.contents ?? {}) as Record<string, unknown[]>;
  if (code === 'string') {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const strings = (contents.bytes ?? []).map((bytes) => {
      try {
        return decoder.decode(bytes as Uint8Array);
      } catch {
        throw badRequest(`${where}: a string is not UTF-8`);
      }
    });
    return fromJson(strings, shape, code, where);
  }
  const place = CONTENTS[code];
  if (place === undefined) throw badRequest(`${where}: ${DTYPES[code]} must come as raw contents`);
  return fromJson(contents[place] ?? [], shape, code, where);
}

/** The answer to a request, from its outputs. */
export function inferAnswer(model: LoadedModel, request: GrpcRequest, outputs: Values): Message {
  const sent = selectOutputs(outputs, { outputs: request.outputs, binary: true }, model.labels);
  // Halves have no other place.
  const raw = request.raw || sent.some(({ value }) => !(value instanceof Strings) && value.code >= Code.f16);
  return {
    model_name: model.name,
    model_version: model.version,
    id: request.id,
    outputs: sent.map((output) => outputMessage(output, raw)),
    raw_output_contents: raw ? sent.map(({ value }) => toBytes(value)) : [],
  };
}

function outputMessage({ name, value }: SentOutput, raw: boolean): Message {
  const message = { name, datatype: datatypeOf(dtypeOf(value)), shape: value.shape };
  if (raw) return message;
  if (value instanceof Strings) return { ...message, contents: { bytes: value.data.map((s) => Buffer.from(s)) } };
  const elements = withoutRecording(() => value.toTypedArray());
  return { ...message, contents: { [CONTENTS[value.code]!]: elements } };
}
