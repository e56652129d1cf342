/** ONNX's messages (onnx.proto), as far as they matter for running and writing a model: one table each, and its type. */
import type { Kind, Span, Table } from './wire.js';

type FieldText = [string, Kind | (() => Table)] | [string, Kind | (() => Table), 'repeated'];

/** A table from lines `number: [name, kind, repeated?]`. */
const table = (message: string, fields: Record<number, FieldText>): Table => ({
  message,
  fields: Object.fromEntries(
    Object.entries(fields).map(([number, [name, kind, repeated]]) => [
      number,
      { name: name as string, kind: kind as Kind, repeated: repeated !== undefined },
    ]),
  ),
});

const ENTRY = table('StringStringEntryProto', { 1: ['key', 'string'], 2: ['value', 'string'] });
const OPSET = table('OperatorSetIdProto', { 1: ['domain', 'string'], 2: ['version', 'int'] });

export const TENSOR = table('TensorProto', {
  1: ['dims', 'int', 'repeated'],
  2: ['dataType', 'int'],
  4: ['floatData', 'span'],
  5: ['int32Data', 'span'],
  6: ['stringData', 'bytes', 'repeated'],
  7: ['int64Data', 'span'],
  8: ['name', 'string'],
  9: ['rawData', 'span'],
  10: ['doubleData', 'span'],
  11: ['uint64Data', 'span'],
  13: ['externalData', ENTRY, 'repeated'],
  14: ['dataLocation', 'int'],
});
export interface TensorMessage {
  dims?: number[];
  dataType?: number;
  name?: string;
  floatData?: Span[];
  floatDataUnpacked?: number[];
  int32Data?: Span[];
  int32DataUnpacked?: (number | bigint)[];
  int64Data?: Span[];
  int64DataUnpacked?: (number | bigint)[];
  doubleData?: Span[];
  doubleDataUnpacked?: number[];
  uint64Data?: Span[];
  stringData?: Uint8Array[];
  /** When a message is written: the bytes. */
  rawData?: Span[] | Uint8Array;
  externalData?: { key?: string; value?: string }[];
  dataLocation?: number;
}

const SPARSE = table('SparseTensorProto', {
  1: ['values', TENSOR],
  2: ['indices', TENSOR],
  3: ['dims', 'int', 'repeated'],
});
export interface SparseMessage {
  values?: TensorMessage;
  indices?: TensorMessage;
  dims?: number[];
}

const DIMENSION = table('Dimension', { 1: ['value', 'int'], 2: ['parameter', 'string'] });
const SHAPE = table('TensorShapeProto', { 1: ['dims', DIMENSION, 'repeated'] });
const TENSOR_TYPE = table('TypeProto.Tensor', { 1: ['elementType', 'int'], 2: ['shape', SHAPE] });
const ELEMENT = table('TypeProto.Sequence', { 1: ['element', () => TYPE] });
const MAP = table('TypeProto.Map', { 1: ['keyType', 'int'] });
const TYPE: Table = table('TypeProto', {
  1: ['tensor', TENSOR_TYPE],
  4: ['sequence', ELEMENT],
  5: ['map', MAP],
  8: ['sparse', TENSOR_TYPE],
  9: ['optional', ELEMENT],
});
export interface TensorTypeMessage {
  elementType?: number;
  shape?: { dims?: { value?: number; parameter?: string }[] };
}
export interface TypeMessage {
  tensor?: TensorTypeMessage;
  sequence?: { element?: TypeMessage };
  map?: object;
  sparse?: TensorTypeMessage;
  optional?: { element?: TypeMessage };
}

const VALUE = table('ValueInfoProto', { 1: ['name', 'string'], 2: ['type', TYPE] });
export interface ValueMessage {
  name?: string;
  type?: TypeMessage;
}

const ATTRIBUTE: Table = table('AttributeProto', {
  1: ['name', 'string'],
  2: ['f', 'float'],
  3: ['i', 'int'],
  4: ['s', 'bytes'],
  5: ['t', TENSOR],
  6: ['g', () => GRAPH],
  7: ['floats', 'float', 'repeated'],
  8: ['ints', 'int', 'repeated'],
  9: ['strings', 'bytes', 'repeated'],
  14: ['tp', TYPE],
  20: ['type', 'int'],
  21: ['reference', 'string'],
  22: ['sparse', SPARSE],
});
export interface AttributeMessage {
  name?: string;
  type?: number;
  /** In a function: the name of the caller's attribute that stands here. */
  reference?: string;
  f?: number;
  i?: number | bigint;
  s?: Uint8Array;
  t?: TensorMessage;
  g?: GraphMessage;
  tp?: TypeMessage;
  sparse?: SparseMessage;
  floats?: number[];
  ints?: (number | bigint)[];
  strings?: Uint8Array[];
}

const NODE = table('NodeProto', {
  1: ['inputs', 'string', 'repeated'],
  2: ['outputs', 'string', 'repeated'],
  3: ['name', 'string'],
  4: ['opType', 'string'],
  5: ['attributes', ATTRIBUTE, 'repeated'],
  7: ['domain', 'string'],
  8: ['overload', 'string'],
});
export interface NodeMessage {
  inputs?: string[];
  outputs?: string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attributes?: AttributeMessage[];
}

const GRAPH: Table = table('GraphProto', {
  1: ['nodes', NODE, 'repeated'],
  2: ['name', 'string'],
  5: ['initializers', TENSOR, 'repeated'],
  11: ['inputs', VALUE, 'repeated'],
  12: ['outputs', VALUE, 'repeated'],
  15: ['sparseInitializers', SPARSE, 'repeated'],
});
export interface GraphMessage {
  name?: string;
  nodes?: NodeMessage[];
  initializers?: TensorMessage[];
  sparseInitializers?: SparseMessage[];
  inputs?: ValueMessage[];
  outputs?: ValueMessage[];
}

const FUNCTION = table('FunctionProto', {
  1: ['name', 'string'],
  4: ['inputs', 'string', 'repeated'],
  5: ['outputs', 'string', 'repeated'],
  6: ['attributes', 'string', 'repeated'],
  7: ['nodes', NODE, 'repeated'],
  9: ['opsets', OPSET, 'repeated'],
  10: ['domain', 'string'],
  11: ['defaults', ATTRIBUTE, 'repeated'],
  13: ['overload', 'string'],
});
export interface FunctionMessage {
  name?: string;
  domain?: string;
  overload?: string;
  inputs?: string[];
  outputs?: string[];
  attributes?: string[];
  defaults?: AttributeMessage[];
  nodes?: NodeMessage[];
  opsets?: OpsetMessage[];
}
export interface OpsetMessage {
  domain?: string;
  version?: number;
}

export const MODEL = table('ModelProto', {
  1: ['irVersion', 'int'],
  2: ['producerName', 'string'],
  3: ['producerVersion', 'string'],
  7: ['graph', GRAPH],
  8: ['opsets', OPSET, 'repeated'],
  14: ['metadata', ENTRY, 'repeated'],
  25: ['functions', FUNCTION, 'repeated'],
});
export interface ModelMessage {
  irVersion?: number;
  producerName?: string;
  producerVersion?: string;
  opsets?: OpsetMessage[];
  graph?: GraphMessage;
  functions?: FunctionMessage[];
  metadata?: { key?: string; value?: string }[];
}

/** Sequences and optionals, as ONNX's test data has them. */
export const SEQUENCE = table('SequenceProto', {
  1: ['name', 'string'],
  2: ['elementType', 'int'],
  3: ['tensors', TENSOR, 'repeated'],
  5: ['sequences', () => SEQUENCE, 'repeated'],
});
export const OPTIONAL = table('OptionalProto', {
  1: ['name', 'string'],
  2: ['elementType', 'int'],
  3: ['tensor', TENSOR],
  5: ['sequence', SEQUENCE],
});
