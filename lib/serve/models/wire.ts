/** What a model's threads say to each other: tensors as bytes, which are handed over and not copied again. */
import { Strings, record, type Value, type Values } from '../values.js';
import { Tensor } from '../../tensor/tensor.js';
import { toBytes } from '../protocol/elements.js';
import type { Port } from '../values.js';
import type { SharedState } from './files.js';

/** A tensor or strings on the way to another thread. */
export type Packed =
  | { readonly name: string; readonly code: number; readonly shape: readonly number[]; readonly bytes: ArrayBuffer }
  | { readonly name: string; readonly strings: readonly string[]; readonly shape: readonly number[] };

/** How a worker is to begin. */
export interface WorkerTask {
  readonly file: string;
  readonly weights: string | null;
  readonly shared: SharedState;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** What a batch's function gets of its requests. */
export type Requests = readonly { readonly rows: number; readonly parameters: Readonly<Record<string, unknown>> }[];

export type ToWorker =
  | { readonly kind: 'run'; readonly id: number; readonly inputs: readonly Packed[]; readonly requests: Requests }
  | { readonly kind: 'abort'; readonly id: number };

/** An error as it travels: a ServeError keeps its status. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly status: number | null;
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly outputs: readonly Packed[] }
  | { readonly kind: 'failed'; readonly id: number | null; readonly error: SentError };

export function pack(values: Values): { packed: Packed[]; transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = [];
  const packed = Object.entries(values).map(([name, value]): Packed => {
    if (value instanceof Strings) return { name, strings: value.data, shape: value.shape };
    // A copy of its own: a tensor's memory has neighbours, or others who look at it.
    const bytes = new ArrayBuffer(value.count * value.elementSize());
    new Uint8Array(bytes).set(toBytes(value));
    transfer.push(bytes);
    return { name, code: value.code, shape: value.shape, bytes };
  });
  return { packed, transfer };
}

export const unpack = (packed: readonly Packed[]): Values =>
  record(
    packed.map((p): readonly [string, Value] => [
      p.name,
      'strings' in p ? new Strings(p.strings, p.shape) : Tensor.wrap(new Uint8Array(p.bytes), p.shape, p.code),
    ]),
  );
