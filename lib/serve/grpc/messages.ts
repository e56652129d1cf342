/**
 * The messages of the protocol's GRPCInferenceService, as tables: numbers and types are the protocol's
 * (https://github.com/kserve/open-inference-protocol, specification/protocol/open_inference_grpc.proto, and Triton's extensions of
 * it).
 */
import type { Field, Table } from './wire.js';

const field = (no: number, kind: Field['kind']): Field => ({ no, kind });
const list = (no: number, kind: Field['kind']): Field => ({ no, kind, many: 'list' });
const map = (no: number, kind: Field['kind']): Field => ({ no, kind, many: 'map' });

const Empty: Table = {};
/** One of these is set. */
const Parameter: Table = {
  bool: field(1, 'bool'),
  int64: field(2, 'int64'),
  string: field(3, 'string'),
  double: field(4, 'double'),
  uint64: field(5, 'uint64'),
};
const Contents: Table = {
  bool: list(1, 'bool'),
  int: list(2, 'int32'),
  int64: list(3, 'int64'),
  uint: list(4, 'uint32'),
  uint64: list(5, 'uint64'),
  fp32: list(6, 'float'),
  fp64: list(7, 'double'),
  bytes: list(8, 'bytes'),
};
const Tensor: Table = {
  name: field(1, 'string'),
  datatype: field(2, 'string'),
  shape: list(3, 'int64'),
  parameters: map(4, Parameter),
  contents: field(5, Contents),
};
const RequestedOutput: Table = { name: field(1, 'string'), parameters: map(2, Parameter) };
const Named: Table = { name: field(1, 'string'), version: field(2, 'string') };
const TensorMetadata: Table = { name: field(1, 'string'), datatype: field(2, 'string'), shape: list(3, 'int64') };

const InferRequest: Table = {
  model_name: field(1, 'string'),
  model_version: field(2, 'string'),
  id: field(3, 'string'),
  parameters: map(4, Parameter),
  inputs: list(5, Tensor),
  outputs: list(6, RequestedOutput),
  raw_input_contents: list(7, 'bytes'),
};
const InferResponse: Table = {
  model_name: field(1, 'string'),
  model_version: field(2, 'string'),
  id: field(3, 'string'),
  parameters: map(4, Parameter),
  outputs: list(5, Tensor),
  raw_output_contents: list(6, 'bytes'),
};

const Duration: Table = { count: field(1, 'uint64'), ns: field(2, 'uint64') };
const InferStatistics: Table = {
  success: field(1, Duration),
  fail: field(2, Duration),
  queue: field(3, Duration),
  compute_input: field(4, Duration),
  compute_infer: field(5, Duration),
  compute_output: field(6, Duration),
  cache_hit: field(7, Duration),
  cache_miss: field(8, Duration),
};
const BatchStatistics: Table = {
  batch_size: field(1, 'uint64'),
  compute_input: field(2, Duration),
  compute_infer: field(3, Duration),
  compute_output: field(4, Duration),
};
const ModelStatistics: Table = {
  name: field(1, 'string'),
  version: field(2, 'string'),
  last_inference: field(3, 'uint64'),
  inference_count: field(4, 'uint64'),
  execution_count: field(5, 'uint64'),
  inference_stats: field(6, InferStatistics),
  batch_stats: list(7, BatchStatistics),
};

const QueuePolicy: Table = { default_timeout_microseconds: field(2, 'uint64'), max_queue_size: field(4, 'uint32') };
const DynamicBatching: Table = {
  preferred_batch_size: list(1, 'int32'),
  max_queue_delay_microseconds: field(2, 'uint64'),
  priority_levels: field(4, 'uint64'),
  default_priority_level: field(5, 'uint64'),
  default_queue_policy: field(6, QueuePolicy),
};
const ModelConfig: Table = {
  name: field(1, 'string'),
  platform: field(2, 'string'),
  max_batch_size: field(4, 'int32'),
  input: list(5, { name: field(1, 'string'), data_type: field(2, 'int32'), dims: list(4, 'int64') }),
  output: list(6, { name: field(1, 'string'), data_type: field(2, 'int32'), dims: list(3, 'int64') }),
  dynamic_batching: field(11, DynamicBatching),
  backend: field(17, 'string'),
};
/** Numbers of TYPE_… in a model's configuration, by their place. */
export const CONFIG_TYPES = 'INVALID BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING BF16'.split(' '); // prettier-ignore

const IndexEntry: Table = {
  name: field(1, 'string'),
  version: field(2, 'string'),
  state: field(3, 'string'),
  reason: field(4, 'string'),
};
const RepositoryParameter: Table = {
  bool: field(1, 'bool'),
  int64: field(2, 'int64'),
  string: field(3, 'string'),
  bytes: field(4, 'bytes'),
};
const RepositoryModel: Table = { model_name: field(2, 'string'), parameters: map(3, RepositoryParameter) };

/** Request and answer of each method. */
export const METHODS = {
  ServerLive: [Empty, { live: field(1, 'bool') }],
  ServerReady: [Empty, { ready: field(1, 'bool') }],
  ModelReady: [Named, { ready: field(1, 'bool') }],
  ServerMetadata: [Empty, { name: field(1, 'string'), version: field(2, 'string'), extensions: list(3, 'string') }],
  ModelMetadata: [
    Named,
    {
      name: field(1, 'string'),
      versions: list(2, 'string'),
      platform: field(3, 'string'),
      inputs: list(4, TensorMetadata),
      outputs: list(5, TensorMetadata),
    },
  ],
  ModelInfer: [InferRequest, InferResponse],
  ModelStreamInfer: [InferRequest, { error_message: field(1, 'string'), infer_response: field(2, InferResponse) }],
  ModelConfig: [Named, { config: field(1, ModelConfig) }],
  ModelStatistics: [Named, { model_stats: list(1, ModelStatistics) }],
  RepositoryIndex: [{ ready: field(2, 'bool') }, { models: list(1, IndexEntry) }],
  RepositoryModelLoad: [RepositoryModel, Empty],
  RepositoryModelUnload: [RepositoryModel, Empty],
} as const satisfies Record<string, readonly [Table, Table]>;
export type Method = keyof typeof METHODS;
