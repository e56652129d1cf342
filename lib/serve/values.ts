/**
 * What goes into a model and comes out: tensors by name, and strings. Names of datatypes in the Open Inference Protocol
 * (https://github.com/kserve/open-inference-protocol), signatures, and the check of values against them.
 */
import { DTYPES, type Code, codeOf, type DType } from '../dtype.js';
import { TenfoldError, checkOptions, show } from '../errors.js';
import { Tensor, storageBuffer } from '../tensor/tensor.js';
import { badRequest } from './errors.js';

/** Strings in the shape of a tensor, row by row: what the protocol calls BYTES. */
export class Strings {
  readonly shape: readonly number[];
  readonly data: readonly string[];
  /** RangeError where the shape doesn't hold the strings. */
  constructor(data: readonly string[], shape: readonly number[] = [data.length]) {
    if (!Array.isArray(data) || !data.every((s) => typeof s === 'string'))
      throw new TypeError(`Strings: expected a list of strings, got ${show(data)}`);
    if (shape.reduce((n, size) => n * size, 1) !== data.length)
      throw new RangeError(`Strings: shape [${shape.join(', ')}] doesn't hold ${data.length} strings`);
    this.data = data;
    this.shape = shape;
  }
}

/** One input or output. */
export type Value = Tensor | Strings;
/** Inputs or outputs by name. */
export type Values = Record<string, Value>;

/** Name, element type and shape of an input or output. -1 (or null) is a size that is open; the first is the batch's. */
export interface TensorSpec {
  name: string;
  dtype: DType | 'string';
  shape: readonly (number | null)[];
}

/** A spec that has been checked: open sizes are -1. */
export interface Port {
  readonly name: string;
  readonly dtype: DType | 'string';
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** The protocol's name of each dtype, by code. */
export const DATATYPES = ['FP32', 'FP64', 'INT64', 'INT32', 'UINT8', 'BOOL', 'INT8', 'INT16', 'FP16', 'BF16'] as const;
/** Datatypes of the protocol that no dtype of ours has. */
const FOREIGN = ['UINT16', 'UINT32', 'UINT64'];

const CODES = new Map<string, Code>(DATATYPES.map((name, code) => [name, code as Code]));

/** Code of a datatype's name; 'string' for BYTES. A 400 where we have none. */
export function codeOfDatatype(datatype: unknown, where: string): Code | 'string' {
  if (datatype === 'BYTES') return 'string';
  const code = CODES.get(datatype as string);
  if (code !== undefined) return code;
  const reason = FOREIGN.includes(datatype as string) ? 'has no tensor here' : 'is none of the protocol';
  throw badRequest(`${where}: datatype ${show(datatype)} ${reason}; known are ${DATATYPES.join(', ')} and BYTES`);
}

export const datatypeOf = (dtype: DType | 'string'): string =>
  dtype === 'string' ? 'BYTES' : DATATYPES[codeOf('serve', dtype)]!;

export const dtypeOf = (value: Value): DType | 'string' => (value instanceof Tensor ? value.dtype : 'string');

/** The ports that a user's list of specs describes; `call` and `what` ('inputs') are for messages. */
export function readSpecs(call: string, what: string, specs: unknown): Port[] {
  if (!Array.isArray(specs) || specs.length === 0)
    throw new TypeError(`${call}: ${what} must be a list of { name, dtype, shape }, got ${show(specs)}`);
  const names = new Set<string>();
  return specs.map((spec: unknown, i) => {
    checkOptions(`${call}: ${what}[${i}]`, spec as object, ['name', 'dtype', 'shape']);
    const { name, dtype, shape } = spec as Partial<TensorSpec>;
    if (typeof name !== 'string' || name === '')
      throw new TypeError(`${call}: ${what}[${i}].name must be a non-empty string, got ${show(name)}`);
    if (names.has(name)) throw new TenfoldError('value', `${call}: ${what} has '${name}' twice`);
    names.add(name);
    const known = dtype === 'string' ? dtype : DTYPES[codeOf(`${call}: ${what}[${i}]`, dtype)]!;
    if (!Array.isArray(shape) || !shape.every(isSpecSize))
      throw new TypeError(
        `${call}: ${what}[${i}].shape must be a list of sizes, -1 for an open one; got ${show(shape)}`,
      );
    const sizes = (shape as (number | null)[]).map((size) => size ?? -1);
    return { name, dtype: known, datatype: datatypeOf(known), shape: sizes };
  });
}
const isSpecSize = (v: unknown): boolean => v === null || (Number.isSafeInteger(v) && (v as number) >= -1);

/** Whether a shape is one of those that a port takes. */
export const fits = (shape: readonly number[], port: Port): boolean =>
  shape.length === port.shape.length && port.shape.every((size, i) => size === -1 || size === shape[i]);

/** A tensor of these bytes, copied: they may start anywhere. */
export function tensorOfBytes(bytes: Uint8Array, shape: readonly number[], code: Code): Tensor {
  const t = Tensor.raw(shape, code);
  new Uint8Array(storageBuffer(t), t.byteStart(t.offset), bytes.length).set(bytes);
  return t;
}

/** An object without a prototype from entries: names come from outside, and may be '__proto__'. */
export function record<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) object[key] = value;
  return object;
}
