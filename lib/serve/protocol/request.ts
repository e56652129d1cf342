/** An inference request, read: the JSON of the Open Inference Protocol, with the tensors that follow it as bytes. */
import { SIZE, type Code } from '../../dtype.js';
import { show } from '../../errors.js';
import { badRequest } from '../errors.js';
import { codeOfDatatype, fits, record, type Port, type Value, type Values } from '../values.js';
import { fromBytes, fromJson } from './elements.js';
import { isObject, own, parseJson } from './json.js';

/** What a request may hold at most. */
export interface TensorLimits {
  /** Inputs, and requested outputs, of a request. */
  maxTensors: number;
  /** Elements of all inputs together. */
  maxElements: number;
}

/** An output that the client asked for. */
export interface RequestedOutput {
  readonly name: string;
  /** As bytes behind the JSON, or as JSON. */
  readonly binary: boolean;
  /** The k best of each row instead of the values: Triton's classification extension. 0: no. */
  readonly classes: number;
}

export interface InferRequest {
  readonly id: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly inputs: Values;
  /** Null: all of them. */
  readonly outputs: readonly RequestedOutput[] | null;
  /** For outputs that say nothing of their own. */
  readonly binary: boolean;
}

/** What an input says of itself, before its elements are looked at. */
export interface InputHead {
  readonly name: string;
  readonly code: Code | 'string';
  readonly shape: readonly number[];
}

const isSize = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0;
const list = (value: unknown, what: string, limit: number): readonly unknown[] => {
  if (!Array.isArray(value)) throw badRequest(`${what} must be a list, got ${show(value)}`);
  if (value.length > limit) throw badRequest(`${what} has ${value.length} entries, at most ${limit} are allowed`);
  return value;
};

/** Counts elements of a request's inputs, before any memory is taken for them. */
export class ElementCounter {
  private left: number;
  constructor(private readonly limit: number) {
    this.left = limit;
  }
  take(shape: readonly number[], where: string): number {
    let count = shape.includes(0) ? 0 : 1;
    for (const size of shape) {
      count *= size;
      if (count > this.left) {
        throw badRequest(`${where}: shape [${shape.join(', ')}] is more than the ${this.limit} elements of a request`);
      }
    }
    this.left -= count;
    return count;
  }
}

/** Name, datatype and shape of an input, checked against the model's ports. */
export function readHead(
  head: { name: unknown; datatype: unknown; shape: unknown },
  ports: readonly Port[],
  counter: ElementCounter,
): InputHead {
  const { name, datatype, shape } = head;
  if (typeof name !== 'string') throw badRequest(`an input's name must be a string, got ${show(name)}`);
  const where = `input ${show(name)}`;
  const port = ports.find((p) => p.name === name);
  if (port === undefined) {
    throw badRequest(`${where} is none of the model's: ${ports.map((p) => `'${p.name}'`).join(', ')}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw badRequest(`${where}: shape must be a list of sizes from 0, got ${show(shape)}`);
  if (datatype === 'BYTES' && port.dtype !== 'string')
    throw badRequest(`${where}: the model takes ${port.datatype}, not strings (BYTES)`);
  const code = codeOfDatatype(datatype, where);
  if (datatype !== port.datatype)
    throw badRequest(`${where}: datatype ${String(datatype)} where the model takes ${port.datatype}`);
  if (!fits(shape as number[], port))
    throw badRequest(`${where}: shape [${shape.join(', ')}] where the model takes [${port.shape.join(', ')}]`);
  counter.take(shape as number[], where);
  return { name, code, shape: shape as number[] };
}

/** Refuses inputs that are too many or too few. */
export function gather(entries: readonly (readonly [string, Value])[], ports: readonly Port[]): Values {
  const inputs = record(entries);
  const given = Object.keys(inputs);
  if (given.length < entries.length) throw badRequest('an input is given twice');
  const missing = ports.find(({ name }) => inputs[name] === undefined);
  if (missing !== undefined) throw badRequest(`input '${missing.name}' is missing`);
  return inputs;
}

/**
 * A request's body. `headerLength`: the bytes of JSON, behind which the tensors' bytes come; null where all is JSON, 0 where all
 * are the bytes of the model's only input.
 */
export function readRequest(
  body: Uint8Array,
  headerLength: number | null,
  ports: { inputs: readonly Port[]; outputs: readonly Port[] },
  limits: TensorLimits,
): InferRequest {
  if (headerLength === 0) return rawRequest(body, ports.inputs, limits);
  if (headerLength !== null && headerLength > body.length) {
    throw badRequest(`Inference-Header-Content-Length is ${headerLength}, the body has ${body.length} bytes`);
  }
  const json = parseJson(headerLength === null ? body : body.subarray(0, headerLength));
  if (!isObject(json)) throw badRequest(`a request must be a JSON object, got ${show(json)}`);
  const id = own(json, 'id');
  if (id !== undefined && typeof id !== 'string') throw badRequest(`id must be a string, got ${show(id)}`);
  const parameters = readParameters(own(json, 'parameters'), 'the request');
  const binary = own(parameters, 'binary_data_output') === true;
  const rest = { bytes: headerLength === null ? null : body.subarray(headerLength) };
  const counter = new ElementCounter(limits.maxElements);
  const entries = list(own(json, 'inputs'), 'inputs', limits.maxTensors).map((input) =>
    readInput(input, ports.inputs, counter, rest),
  );
  if (rest.bytes !== null && rest.bytes.length > 0)
    throw badRequest(`${rest.bytes.length} bytes of the body belong to no input`);
  return {
    id,
    parameters,
    inputs: gather(entries, ports.inputs),
    outputs: readOutputs(own(json, 'outputs'), ports.outputs, limits, binary),
    binary,
  };
}

function readInput(
  input: unknown,
  ports: readonly Port[],
  counter: ElementCounter,
  rest: { bytes: Uint8Array | null },
): readonly [string, Value] {
  if (!isObject(input)) throw badRequest(`an input must be an object, got ${show(input)}`);
  const { name, code, shape } = readHead(
    { name: own(input, 'name'), datatype: own(input, 'datatype'), shape: own(input, 'shape') },
    ports,
    counter,
  );
  const where = `input '${name}'`;
  const parameters = readParameters(own(input, 'parameters'), where);
  if (own(parameters, 'shared_memory_region') !== undefined)
    throw badRequest(`${where}: there is no shared memory here`);
  const size = own(parameters, 'binary_data_size');
  const data = own(input, 'data');
  if (size === undefined) {
    if (data === undefined) throw badRequest(`${where} has neither data nor binary_data_size`);
    return [name, fromJson(data, shape, code, where)];
  }
  if (data !== undefined) throw badRequest(`${where} has both data and binary_data_size`);
  if (!isSize(size)) throw badRequest(`${where}: binary_data_size must be an integer from 0, got ${show(size)}`);
  if (rest.bytes === null)
    throw badRequest(`${where} has binary_data_size, but the request no header Inference-Header-Content-Length`);
  if (size > rest.bytes.length)
    throw badRequest(`${where}: binary_data_size is ${size}, of the body ${rest.bytes.length} bytes are left`);
  const bytes = rest.bytes.subarray(0, size);
  rest.bytes = rest.bytes.subarray(size);
  return [name, fromBytes(bytes, shape, code, where)];
}

/** The parameters of a request or of one of its tensors: strings, numbers, booleans. */
export function readParameters(value: unknown, where: string): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw badRequest(`${where}: parameters must be an object, got ${show(value)}`);
  return record(Object.entries(value));
}

/** The outputs asked for; null where none are named. */
export function readOutputs(
  value: unknown,
  ports: readonly Port[],
  limits: TensorLimits,
  binary: boolean,
): readonly RequestedOutput[] | null {
  if (value === undefined || value === null) return null;
  const names = new Set<string>();
  const outputs = list(value, 'outputs', limits.maxTensors).map((output) => {
    if (!isObject(output)) throw badRequest(`an output must be an object, got ${show(output)}`);
    const name = own(output, 'name');
    if (typeof name !== 'string') throw badRequest(`an output's name must be a string, got ${show(name)}`);
    if (ports.length > 0 && !ports.some((p) => p.name === name)) {
      throw badRequest(`output ${show(name)} is none of the model's: ${ports.map((p) => `'${p.name}'`).join(', ')}`);
    }
    if (names.has(name)) throw badRequest(`output ${show(name)} is asked for twice`);
    names.add(name);
    const parameters = readParameters(own(output, 'parameters'), `output '${name}'`);
    if (own(parameters, 'shared_memory_region') !== undefined)
      throw badRequest(`output '${name}': there is no shared memory here`);
    const classes = own(parameters, 'classification') ?? 0;
    if (!isSize(classes)) {
      throw badRequest(`output '${name}': classification must be an integer from 0, got ${show(classes)}`);
    }
    const choice = own(parameters, 'binary_data');
    return { name, binary: choice === undefined ? binary : choice === true, classes };
  });
  return outputs.length === 0 ? null : outputs;
}

// All of the body is one tensor; an open size follows from its length, the batch's is 1.
function rawRequest(body: Uint8Array, ports: readonly Port[], limits: TensorLimits): InferRequest {
  const [port] = ports;
  if (port === undefined || ports.length > 1)
    throw badRequest('a body that is all tensor needs a model with one input');
  const code = codeOfDatatype(port.datatype, `input '${port.name}'`);
  const shape = [...port.shape];
  if (code === 'string') shape.fill(1);
  else {
    const open = shape.lastIndexOf(-1);
    shape.forEach((size, i) => size === -1 && i !== open && (shape[i] = 1));
    const known = shape.reduce((n, size, i) => (i === open ? n : n * size), SIZE[code]!);
    if (open >= 0) shape[open] = known === 0 ? 0 : Math.floor(body.length / known);
  }
  const where = `input '${port.name}'`;
  new ElementCounter(limits.maxElements).take(shape, where);
  const value =
    code === 'string' ? fromBytes(withLength(body), shape, code, where) : fromBytes(body, shape, code, where);
  return { id: undefined, parameters: {}, inputs: record([[port.name, value]]), outputs: null, binary: true };
}
function withLength(text: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(4 + text.length);
  bytes.writeUInt32LE(text.length);
  bytes.set(text, 4);
  return bytes;
}
