/** Collation: samples into a batch. */
import { isPlainObject, renamed, show } from '../../errors.js';
import { codeOfArray } from '../../dtype.js';
import { fromTypedArray, tensor } from '../../ops/creation.js';
import { stack } from '../../ops/joining.js';
import { Tensor } from '../../tensor/tensor.js';

/** What defaultCollate makes of samples of a type. */
export type Collated<T> = T extends Tensor | number | bigint | boolean | ArrayBufferView
  ? Tensor
  : T extends string
    ? string[]
    : T extends readonly unknown[]
      ? { -readonly [K in keyof T]: Collated<T[K]> }
      : T extends object
        ? { [K in keyof T]: Collated<T[K]> }
        : unknown;

/** Rows of a tensor at these indices. */
export const stackRows = (t: Tensor, rows: readonly number[]): Tensor =>
  t.indexSelect(0, fromTypedArray(Int32Array.from(rows)));

/**
 * One batch of a list of samples: tensors and typed arrays are stacked along a new first dim; numbers become one tensor
 * of the default dtype, whatever their values; booleans become bool, bigints int64 (classes, say), strings a list; tuples and objects are collated entry by entry. See torch.utils.data.default_collate.
 */
export function defaultCollate<T>(samples: readonly T[]): Collated<T> {
  if (!Array.isArray(samples) || samples.length === 0)
    throw new TypeError(`defaultCollate: expected a list of at least one sample, got ${show(samples)}`);
  return renamed('defaultCollate', () => collate(samples)) as Collated<T>;
}

function collate(samples: readonly unknown[]): unknown {
  const first = samples[0];
  if (first instanceof Tensor) return stack(samples as Tensor[]);
  if (ArrayBuffer.isView(first) && codeOfArray(first) !== null) {
    return stack((samples as ArrayBufferView[]).map((x) => fromTypedArray(x)));
  }
  if (typeof first === 'number' || typeof first === 'bigint' || typeof first === 'boolean')
    return tensor(samples as number[]);
  if (typeof first === 'string') return [...samples];
  if (Array.isArray(first)) return collateLists(samples as unknown[][]);
  if (typeof first === 'object' && first !== null) return collateObjects(samples as Record<string, unknown>[]);
  throw new TypeError(
    `defaultCollate: samples must hold tensors, typed arrays, numbers, booleans, strings, lists or objects, got ${show(first)}; give the loader a collateFn`,
  );
}

function collateLists(samples: readonly unknown[][]): unknown[] {
  const { length } = samples[0]!;
  const other = samples.find((s) => s.length !== length);
  if (other)
    throw new TypeError(`defaultCollate: samples of ${length} and of ${other.length} entries can't be one batch`);
  return Array.from({ length }, (_, i) => collate(samples.map((s) => s[i])));
}

function collateObjects(samples: readonly Record<string, unknown>[]): Record<string, unknown> {
  const keys = Object.keys(samples[0]!);
  return Object.fromEntries(
    keys.map((key) => {
      const missing = samples.findIndex((s) => !(key in s));
      if (missing >= 0) throw new TypeError(`defaultCollate: sample ${missing} of the batch has no '${key}'`);
      return [key, collate(samples.map((s) => s[key]))];
    }),
  );
}

/** A sample by itself, for loaders without batches: typed arrays become tensors, the rest stays. */
export function defaultConvert(sample: unknown): unknown {
  if (ArrayBuffer.isView(sample) && codeOfArray(sample) !== null) return fromTypedArray(sample);
  if (Array.isArray(sample)) return sample.map(defaultConvert);
  if (isPlainObject(sample)) {
    return Object.fromEntries(Object.entries(sample).map(([k, v]) => [k, defaultConvert(v)]));
  }
  return sample;
}
