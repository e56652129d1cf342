/** ONNX's conformance cases: those of the fixture (scripts/record/onnx_node.py), or of a folder as ONNX lays them out. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Tensor, onnx } from '../../lib/index.js';
import { OPTIONAL, SEQUENCE, TENSOR, type TensorMessage, type TypeMessage } from '../../lib/onnx/messages.js';
import { MODEL, type ModelMessage } from '../../lib/onnx/messages.js';
import { Payloads } from '../../lib/onnx/tensors.js';
import { Source, decode } from '../../lib/onnx/wire.js';

export interface Case {
  readonly name: string;
  readonly rtol: number;
  readonly atol: number;
  readonly model: Uint8Array;
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** The cases of a file that onnx_node.py wrote. */
export function packedCases(file: string): Case[] {
  const bytes = gunzipSync(readFileSync(file));
  const line = bytes.indexOf(10);
  const { cases } = JSON.parse(bytes.subarray(0, line).toString()) as {
    cases: { name: string; rtol: number; atol: number; inputs: number; sizes: number[] }[];
  };
  let at = line + 1;
  return cases.map(({ name, rtol, atol, inputs, sizes }) => {
    const [model, ...values] = sizes.map((size) => bytes.subarray(at, (at += size)));
    return { name, rtol, atol, model: model!, inputs: values.slice(0, inputs), outputs: values.slice(inputs) };
  });
}

/** The cases of a folder: NAME/model.onnx, NAME/test_data_set_0/input_0.pb, … */
export function folderCases(folder: string, index: readonly { name: string; rtol: number; atol: number }[]): Case[] {
  return index.map(({ name, rtol, atol }) => {
    const data = join(folder, name, 'test_data_set_0');
    const read = (kind: string): Uint8Array[] =>
      readdirSync(data)
        .filter((file) => file.startsWith(kind))
        .map((file) => Number(/\d+/.exec(file)![0]))
        .sort((a, b) => a - b)
        .map((i) => readFileSync(join(data, `${kind}_${i}.pb`)));
    return {
      name,
      rtol,
      atol,
      model: readFileSync(join(folder, name, 'model.onnx')),
      inputs: read('input'),
      outputs: read('output'),
    };
  });
}
type Value = Tensor | Value[] | null;
const refuse = (what: string): never => {
  throw new Error(what);
};

function read(bytes: Uint8Array, type: TypeMessage | undefined): Value {
  const source = new Source(bytes, bytes.length, refuse);
  const payloads = new Payloads(source, null);
  const sequence = (m: { tensors?: TensorMessage[]; sequences?: object[] }): Value[] =>
    (m.tensors ?? []).map((t) => payloads.tensor(t));
  if (type?.optional) {
    const m = decode(source, OPTIONAL) as { tensor?: TensorMessage; sequence?: object };
    return m.tensor ? payloads.tensor(m.tensor) : m.sequence ? sequence(m.sequence) : null;
  }
  if (type?.sequence) return sequence(decode(source, SEQUENCE));
  return payloads.tensor(decode(source, TENSOR) as TensorMessage);
}

/** Runs a case; what differs, in words, or null. */
export function runCase(one: Case): string | null {
  const model = onnx.load(one.model);
  const { graph } = decode(new Source(one.model, one.model.length, refuse), MODEL) as ModelMessage;
  const typeOf = new Map((graph!.inputs ?? []).map(({ name, type }) => [name, type]));
  const feeds = Object.fromEntries(
    one.inputs.map((bytes, i) => [model.inputs[i]!.name, read(bytes, typeOf.get(model.inputs[i]!.name))]),
  );
  const got = Object.values(model.run(feeds));
  for (const [i, bytes] of one.outputs.entries()) {
    const difference = compare(got[i] as Value, read(bytes, graph!.outputs![i]!.type), one);
    if (difference !== null) return `output ${i} ${difference}`;
  }
  return null;
}

function compare(got: Value, want: Value, tolerance: Case): string | null {
  if (Array.isArray(want)) {
    if (!Array.isArray(got) || got.length !== want.length) return `is not a list of ${want.length}`;
    return want.map((w, i) => compare(got[i]!, w, tolerance)).find((d) => d !== null) ?? null;
  }
  if (want === null) return got === null ? null : 'is not empty';
  if (!(got instanceof Tensor)) return 'is not a tensor';
  if (got.dtype !== want.dtype) return `is ${got.dtype}, not ${want.dtype}`;
  if (got.shape.join() !== want.shape.join()) return `has shape [${got.shape}], not [${want.shape}]`;
  const numbers = (t: Tensor): number[] =>
    Array.from(
      t
        .detach()
        .to(t.isFloatingPoint() ? 'float64' : 'int64')
        .toTypedArray() as ArrayLike<number | bigint>,
      Number,
    );
  const [a, b] = [numbers(got), numbers(want)];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x === y || (x !== x && y !== y)) continue;
    if (!(Math.abs(x - y) <= tolerance.atol + tolerance.rtol * Math.abs(y))) return `has ${x}, not ${y}, at ${i}`;
  }
  return null;
}
