/**
 * Nested checkpoints: a file holds named tensors, so an object like an optimizer's state dict is split into its tensors,
 * named by their path ('state.0.exp_avg'), and its structure, as JSON in the file's metadata. A flat record of tensors,
 * such as a module's state dict, has no structure to keep, and is a plain safetensors file.
 *
 * In the structure, {"$tensor": name} stands for a tensor, {"$array": name} for a typed array, {"$bigint": "12"},
 * {"$number": "NaN"} and {"$object": {…}} for what JSON has no way to write.
 */
import { TenfoldError, isMap, isPlainObject, show } from '../errors.js';
import { Code, codeOfArray } from '../dtype.js';
import { fromTypedArray } from '../ops/creation.js';
import { Tensor } from '../tensor/tensor.js';
import type { Refuse } from './reading.js';
import { METADATA } from './safetensors.js';

/** Key of the structure in the metadata. */
export const STRUCTURE = 'tenfold.structure';
/** Deeper than any checkpoint, and shallow enough for the stack. */
export const MAX_DEPTH = 200;

/** What can be saved. */
export type Saveable =
  | Tensor
  | ArrayBufferView
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly Saveable[]
  | { readonly [key: string]: Saveable };

export const isPlain = isPlainObject;

/** Tensors by name, and the structure around them: null where they are a flat record. */
export function takeApart(value: unknown): { tensors: Map<string, Tensor>; structure: string | null } {
  if (isMap(value)) value = Object.fromEntries(value as Map<string, unknown>);
  if (!isPlain(value))
    throw new TypeError(`save: expected an object with tensors, such as a state dict, got ${show(value)}`);
  const tensors = new Map<string, Tensor>();
  const entries = Object.entries(value);
  if (entries.every(([, v]) => v instanceof Tensor)) {
    for (const [name, t] of entries) add(tensors, name, t as Tensor);
    return { tensors, structure: null };
  }
  return { tensors, structure: JSON.stringify(pack(value, '', tensors, 0)) };
}

function add(tensors: Map<string, Tensor>, name: string, t: Tensor): string {
  // Two paths can make one name: { 'a.b': x, a: { b: y } }.
  let unique = name;
  for (let i = 2; tensors.has(unique) || unique === METADATA; i++) unique = `${name}#${i}`;
  if (unique !== name && name === METADATA)
    throw new TypeError(`save: a tensor can't be called ${METADATA}; the format uses that name`);
  tensors.set(unique, t);
  return unique;
}

function pack(value: unknown, path: string, tensors: Map<string, Tensor>, depth: number): unknown {
  if (depth > MAX_DEPTH)
    throw new TenfoldError(
      'value',
      `save: ${path.slice(0, 60)}… is nested deeper than ${MAX_DEPTH} levels, or in itself`,
    );
  const inner = (v: unknown, key: string | number): unknown =>
    pack(v, path === '' ? String(key) : `${path}.${key}`, tensors, depth + 1);
  if (value instanceof Tensor) return { $tensor: add(tensors, path, value) };
  if (ArrayBuffer.isView(value) && codeOfArray(value) !== null)
    return { $array: add(tensors, path, fromTypedArray(value)) };
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { $number: '-0' };
    return Number.isFinite(value) ? value : { $number: String(value) };
  }
  if (Array.isArray(value)) return value.map(inner);
  if (isMap(value)) value = Object.fromEntries(value as Map<string, unknown>);
  if (!isPlain(value))
    throw new TypeError(
      `save: ${path || 'the value'} is ${show(value)}, which can't be saved; tensors, typed arrays, numbers, strings, lists and plain objects can`,
    );
  const packed = Object.fromEntries(
    Object.entries(value).flatMap(([k, v]) => (v === undefined ? [] : [[k, inner(v, k)]])),
  );
  return Object.keys(packed).some((k) => k.startsWith('$')) ? { $object: packed } : packed;
}

/** Puts tensors back into their structure. */
export function putTogether(tensors: Map<string, Tensor>, structure: string | undefined, refuse: Refuse): unknown {
  if (structure === undefined) return Object.fromEntries(tensors);
  let packed: unknown;
  try {
    packed = JSON.parse(structure);
  } catch (error) {
    return refuse(`its structure is no JSON: ${(error as Error).message}`);
  }
  const used = new Set<string>();
  const value = unpack(packed, tensors, used, refuse, 0);
  for (const name of tensors.keys()) if (!used.has(name)) refuse(`its structure has no place for tensor ${show(name)}`);
  return value;
}

function unpack(
  packed: unknown,
  tensors: Map<string, Tensor>,
  used: Set<string>,
  refuse: Refuse,
  depth: number,
): unknown {
  if (depth > 2 * MAX_DEPTH) return refuse(`its structure is nested deeper than ${MAX_DEPTH} levels`);
  if (typeof packed !== 'object' || packed === null) return packed;
  const inner = (v: unknown): unknown => unpack(v, tensors, used, refuse, depth + 1);
  if (Array.isArray(packed)) return packed.map(inner);
  const entries = Object.entries(packed);
  const [kind, content] = entries[0] ?? ['', null];
  if (!kind.startsWith('$')) return Object.fromEntries(entries.map(([k, v]) => [k, inner(v)]));
  switch (kind) {
    case '$tensor':
    case '$array': {
      const t = tensors.get(content as string);
      if (t === undefined) return refuse(`its structure names a tensor ${show(content)}, which isn't there`);
      used.add(content as string);
      return kind === '$tensor' || t.code === Code.bool || t.code >= Code.f16 ? t : t.toTypedArray();
    }
    case '$bigint':
      if (typeof content === 'string' && /^-?\d{1,1000}$/.test(content)) return BigInt(content);
      break;
    case '$number':
      if (['NaN', 'Infinity', '-Infinity', '-0'].includes(content as string)) return Number(content);
      break;
    case '$object':
      if (isPlain(content)) return Object.fromEntries(Object.entries(content).map(([k, v]) => [k, inner(v)]));
  }
  return refuse(`its structure has an entry ${show(kind)} with ${show(content)}, which means nothing here`);
}
