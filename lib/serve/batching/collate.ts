/** Several requests' inputs as one batch, and a batch's outputs as each request's. */
import { DTYPES } from '../../dtype.js';
import { TenfoldError } from '../../errors.js';
import { withoutRecording } from '../models/recording.js';
import { cat } from '../../ops/index.js';
import { full } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Strings, record, type Value, type Values } from '../values.js';

/** How inputs of unequal lengths become equal: along `dim` (1, …), filled with `value`. */
export interface Padding {
  dim: number;
  value?: number;
}
/** How an output is cut back to a request's own length: along `dim`, to the length of an input along its padded dim. */
export interface Trimming {
  dim: number;
  like: string;
}

/** Key under which requests can share a batch. */
export function batchKey(inputs: Values, padding: Readonly<Record<string, Padding>>): string {
  return Object.keys(inputs)
    .sort()
    .map((name) => {
      const value = inputs[name]!;
      const open = Object.hasOwn(padding, name) ? padding[name]!.dim : 0;
      const sizes = value.shape.map((size, i) => (i === 0 || i === open ? '*' : size));
      return `${name}:${value instanceof Strings ? 'string' : value.dtype}[${sizes.join()}]`;
    })
    .join(';');
}

/** The inputs of a batch: each request's rows after the one before's. */
export function collate(requests: readonly Values[], padding: Readonly<Record<string, Padding>>): Values {
  const first = requests[0]!;
  if (requests.length === 1) return first;
  return withoutRecording(() =>
    record(
      Object.keys(first).map((name) => {
        const parts = requests.map((inputs) => inputs[name]!);
        return [name, joined(parts, Object.hasOwn(padding, name) ? padding[name] : undefined)] as const;
      }),
    ),
  );
}

function joined(parts: readonly Value[], padding: Padding | undefined): Value {
  const first = parts[0]!;
  if (first instanceof Strings) {
    const data = parts.flatMap((part) => (part as Strings).data);
    return new Strings(data, [parts.reduce((n, part) => n + part.shape[0]!, 0), ...first.shape.slice(1)]);
  }
  const tensors = parts as readonly Tensor[];
  if (padding === undefined) return cat(tensors, 0);
  const { dim, value = 0 } = padding;
  const length = Math.max(...tensors.map((t) => t.shape[dim]!));
  if (tensors.every((t) => t.shape[dim] === length)) return cat(tensors, 0);
  const rows = tensors.reduce((n, t) => n + t.shape[0]!, 0);
  const shape = first.shape.map((size, i) => (i === 0 ? rows : i === dim ? length : size));
  const out = full(shape, value, { dtype: DTYPES[first.code]! });
  let row = 0;
  for (const t of tensors) {
    out.narrow(0, row, t.shape[0]!).narrow(dim, 0, t.shape[dim]!).copy_(t);
    row += t.shape[0]!;
  }
  return out;
}

/** Each request's part of a batch's outputs: views, but for strings. */
export function divide(
  outputs: Values,
  requests: readonly { readonly inputs: Values; readonly rows: number }[],
  padding: Readonly<Record<string, Padding>>,
  trimming: Readonly<Record<string, Trimming>>,
): Values[] {
  const total = requests.reduce((n, { rows }) => n + rows, 0);
  for (const [name, { shape }] of Object.entries(outputs)) {
    if (shape[0] !== total) {
      throw new TenfoldError(
        'shape',
        `output '${name}' has shape [${shape.join(', ')}] for a batch of ${total} rows: its first size must be the batch's`,
      );
    }
  }
  let row = 0;
  return requests.map(({ inputs, rows }) => {
    const from = row;
    row += rows;
    return record(
      Object.entries(outputs).map(([name, value]) => {
        const part = rowsOf(value, from, rows);
        const trim = Object.hasOwn(trimming, name) ? trimming[name] : undefined;
        if (trim === undefined || part instanceof Strings) return [name, part] as const;
        const length = inputs[trim.like]!.shape[padding[trim.like]!.dim]!;
        return [name, part.narrow(trim.dim, 0, length)] as const;
      }),
    );
  });
}

function rowsOf(value: Value, from: number, rows: number): Value {
  if (!(value instanceof Strings)) return value.narrow(0, from, rows);
  const each = value.data.length / value.shape[0]!;
  return new Strings(value.data.slice(from * each, (from + rows) * each), [rows, ...value.shape.slice(1)]);
}
