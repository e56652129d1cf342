/** The answer to an inference request: JSON, and the tensors behind it that were asked for as bytes. */
import { DTYPES } from '../../dtype.js';
import { show } from '../../errors.js';
import { badRequest } from '../errors.js';
import { withoutRecording } from '../models/recording.js';
import { Strings, datatypeOf, dtypeOf, type Value, type Values } from '../values.js';
import { toBytes, toJson } from './elements.js';
import type { InferRequest } from './request.js';

/** An output as it is sent. */
export interface SentOutput {
  readonly name: string;
  readonly value: Value;
  readonly binary: boolean;
}

/** Outputs in the order asked for, classified where that was asked. `labels`: names of classes, by output. */
export function selectOutputs(
  outputs: Values,
  request: Pick<InferRequest, 'outputs' | 'binary'>,
  labels: Readonly<Record<string, readonly string[]>> = {},
): SentOutput[] {
  if (request.outputs === null)
    return Object.entries(outputs).map(([name, value]) => ({ name, value, binary: request.binary }));
  return request.outputs.map(({ name, binary, classes }) => {
    const value = outputs[name];
    if (value === undefined)
      throw badRequest(`output ${show(name)} is none of the model's: ${Object.keys(outputs).join(', ')}`);
    return {
      name,
      binary,
      value: classes > 0 ? classify(name, value, classes, Object.hasOwn(labels, name) ? labels[name]! : []) : value,
    };
  });
}

// Triton's classification extension: the k greatest of the last dim, each as "value:index" or "value:index:label".
function classify(name: string, value: Value, classes: number, labels: readonly string[]): Strings {
  if (value instanceof Strings || value.shape.length === 0)
    throw badRequest(`output '${name}': classification needs numbers with a dim of classes`);
  const size = value.shape.at(-1)!;
  const k = Math.min(classes, size);
  const [best, indices] = withoutRecording(() => value.to(DTYPES[1]!).topk(k, -1));
  const at = indices!.toTypedArray();
  const texts = Array.from(best!.toTypedArray() as Float64Array, (x, i) => {
    const label = labels[Number(at[i])];
    return `${x.toFixed(6)}:${at[i]}${label === undefined ? '' : `:${label}`}`;
  });
  return new Strings(texts, [...value.shape.slice(0, -1), k]);
}

/** A body in pieces, and the length of its JSON where bytes follow. */
export interface Encoded {
  readonly pieces: readonly Uint8Array[];
  readonly headerLength: number | null;
}

export function writeResponse(
  model: { name: string; version: string },
  id: string | undefined,
  outputs: readonly SentOutput[],
): Encoded {
  const behind: Uint8Array[] = [];
  const texts = outputs.map(({ name, value, binary }) => {
    const head = `"name":${JSON.stringify(name)},"datatype":"${datatypeOf(dtypeOf(value))}","shape":[${value.shape.join()}]`;
    if (!binary) return `{${head},"data":${toJson(value)}}`;
    const bytes = toBytes(value);
    behind.push(bytes);
    return `{${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const json = Buffer.from(
    `{"model_name":${JSON.stringify(model.name)},"model_version":${JSON.stringify(model.version)},` +
      (id === undefined ? '' : `"id":${JSON.stringify(id)},`) +
      `"outputs":[${texts.join()}]}`,
  );
  const binary = outputs.some((output) => output.binary);
  return { pieces: [json, ...behind], headerLength: binary ? json.length : null };
}
