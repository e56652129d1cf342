/** Counts of n-grams of numbers; ONNX's operators on strings have no dtype here. */
import { TenfoldError } from '../../errors.js';
import { fromTypedArray } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { numbersOf } from '../integers.js';
import { operator, table } from '../signature.js';

interface TfIdf {
  mode: string;
  min_gram_length: number;
  max_gram_length: number;
  max_skip_count: number;
  ngram_counts: readonly number[];
  ngram_indexes: readonly number[];
  pool_int64s: readonly number[] | null;
  weights: readonly number[] | null;
}

/** The n-grams of the pool that count, and where. */
function poolOf(a: TfIdf): Map<string, number> {
  const pool = a.pool_int64s;
  if (pool === null) throw new TenfoldError('dtype', 'TfIdfVectorizer: a pool of strings has no dtype here');
  const grams = new Map<string, number>();
  let which = 0;
  a.ngram_counts.forEach((start, k) => {
    const n = k + 1;
    for (let at = start; at + n <= (a.ngram_counts[n] ?? pool.length); at += n, which++) {
      if (n >= a.min_gram_length && n <= a.max_gram_length) grams.set(pool.slice(at, at + n).join(), which);
    }
  });
  return grams;
}

function tfIdf(a: TfIdf, x: Tensor): Tensor {
  const grams = poolOf(a);
  const width = Math.max(...a.ngram_indexes) + 1;
  const rows = x.ndim > 1 ? x.shape[0]! : 1;
  const length = x.ndim > 1 ? x.shape[1]! : x.count;
  const numbers = numbersOf(x);
  const counts = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    const row = numbers.slice(r * length, (r + 1) * length);
    for (let n = a.min_gram_length; n <= a.max_gram_length; n++) {
      // A gram of one has nothing to skip between.
      for (let skip = 0; skip <= (n === 1 ? 0 : a.max_skip_count); skip++) {
        for (let at = 0; at + (n - 1) * (skip + 1) < length; at++) {
          const gram = Array.from({ length: n }, (_, i) => row[at + i * (skip + 1)]).join();
          const which = grams.get(gram);
          if (which !== undefined) counts[r * width + a.ngram_indexes[which]!]!++;
        }
      }
    }
  }
  if (a.mode !== 'TF') {
    const weight = new Float32Array(width).fill(1);
    a.weights?.forEach((w, i) => (weight[a.ngram_indexes[i]!] = w));
    counts.forEach((count, i) => (counts[i] = (a.mode === 'IDF' ? Math.min(count, 1) : count) * weight[i % width]!));
  }
  return fromTypedArray(counts, x.ndim > 1 ? [rows, width] : [width]);
}

export const TEXT = table(
  operator(
    'TfIdfVectorizer(Tensor X; string mode, int min_gram_length, int max_gram_length, int max_skip_count, ints ngram_counts, ints ngram_indexes, ints? pool_int64s, strings? pool_strings, floats? weights)',
    (a, x: Tensor) => tfIdf(a, x),
  ),
);
