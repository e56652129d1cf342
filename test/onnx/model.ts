/** Models for tests, written by hand: nodes as lines, `y = Op(a, b) attribute=value`. */
import type { DType, Tensor } from '../../lib/index.js';
import { MODEL, type AttributeMessage, type FunctionMessage, type GraphMessage, type ModelMessage, type NodeMessage, type TensorMessage, type ValueMessage } from '../../lib/onnx/messages.js'; // prettier-ignore
import { elementOf, tensorMessage } from '../../lib/onnx/tensors.js';
import { encode } from '../../lib/onnx/wire.js';

type AttributeValue = number | string | readonly number[] | Tensor | GraphMessage | { reference: string; type: number };

const attribute = (name: string, value: AttributeValue): AttributeMessage => {
  if (typeof value === 'number')
    return Number.isInteger(value) ? { name, type: 2, i: value } : { name, type: 1, f: value };
  if (typeof value === 'string') return { name, type: 3, s: Buffer.from(value) };
  if (Array.isArray(value)) return { name, type: 7, ints: [...(value as number[])] };
  if ('reference' in (value as object)) return { name, ...(value as { reference: string; type: number }) };
  if ('isTensor' in (value as object)) return { name, type: 4, t: tensorMessage(value as Tensor, '') };
  return { name, type: 5, g: value as GraphMessage };
};

/** `a, b = domain:Op(x, , y)`, with attributes. */
export function node(line: string, attributes: Record<string, AttributeValue> = {}): NodeMessage {
  const [, outputs, domain, opType, inputs] = /^(.*?) = (?:([\w.]+):)?(\w+)\((.*)\)$/.exec(line)!;
  const names = (text: string): string[] => (text === '' ? [] : text.split(',').map((name) => name.trim()));
  return {
    inputs: names(inputs!),
    outputs: names(outputs!),
    opType: opType!,
    domain: domain ?? '',
    attributes: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  };
}

/** An input or output: `x: float32[n, 3]`. */
export function value(text: string): ValueMessage {
  const [, name, dtype, dims] = /^(.+?)(?:: (\w+)(?:\[(.*)\])?)?$/.exec(text)!;
  if (dtype === undefined) return { name: name! };
  const list = dims === undefined ? undefined : dims === '' ? [] : dims.split(',').map((d) => d.trim());
  const shape = list && { dims: list.map((d) => (/^\d+$/.test(d) ? { value: Number(d) } : { parameter: d })) };
  return { name: name!, type: { tensor: { elementType: elementOf(dtype as DType), ...(shape && { shape }) } } };
}

export interface Parts {
  nodes: NodeMessage[];
  inputs?: string[];
  outputs: string[];
  weights?: Record<string, Tensor>;
  tensors?: TensorMessage[];
  opset?: number;
  irVersion?: number;
  functions?: FunctionMessage[];
  opsets?: { domain: string; version: number }[];
}
export const graph = ({ nodes, inputs = [], outputs, weights = {}, tensors = [] }: Parts): GraphMessage => ({
  name: 'g',
  nodes,
  initializers: [...Object.entries(weights).map(([name, t]) => tensorMessage(t, name)), ...tensors],
  inputs: inputs.map(value),
  outputs: outputs.map(value),
});
export function model(parts: Parts): Uint8Array {
  const { opset = 18, irVersion = 8, functions, opsets = [] } = parts;
  const message: ModelMessage = {
    irVersion,
    opsets: [{ domain: '', version: opset }, ...opsets],
    graph: graph(parts),
    ...(functions && { functions }),
  };
  return Buffer.concat(encode(MODEL, message as Record<string, unknown>));
}
