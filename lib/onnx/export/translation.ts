/** What a translation is: how a call of an op is written with ONNX's operators. */
import type { DType } from '../../dtype.js';
import { Tensor } from '../../tensor/tensor.js';
import { type Arg, type Graph, type Value } from './graph.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the arguments by name, of the kinds that the op's schema says
export type Args = any;
/** Writes a call's nodes; gives the names of its outputs. */
export type Emit = (g: Graph, args: Args, outputs: readonly Value[]) => string | readonly string[];
export interface Translation {
  readonly emit: Emit;
  /** Which calls it is for (arguments as the op got them); others are seen through to their parts, or refused. */
  readonly when: ((args: Args) => boolean) | null;
}
export type Table = Record<string, Translation>;

/** Translations of one kind; those with a condition as [when, emit]. */
export const translations = (
  list: Record<string, Emit | readonly [when: (args: Args) => boolean, emit: Emit]>,
): Table =>
  Object.fromEntries(
    Object.entries(list).map(([name, entry]) => [
      name,
      typeof entry === 'function' ? { emit: entry, when: null } : { when: entry[0], emit: entry[1] },
    ]),
  );

/** An operand of the result's dtype: a value, a constant, or a number. */
export function operand(g: Graph, x: Arg | number | boolean | bigint, dtype: DType): string {
  if (x === undefined || x === null)
    throw new Error('onnx.export: a translation reads an argument that its op has not');
  return typeof x === 'object' ? g.cast(x, dtype) : g.number(x, dtype);
}
/** A list of integers from what an op takes as one: a number, or a list; the number for each of n dims. */
export const listOf = (x: number | readonly number[], n = 1): number[] =>
  typeof x === 'number'
    ? new Array<number>(n).fill(x)
    : x.length === 1 && n > 1
      ? new Array<number>(n).fill(x[0]!)
      : [...x];
export const axisOf = (dim: number, rank: number): number => (dim < 0 ? dim + rank : dim);
/** Dims that an op takes as null, a number or a list. */
export const axesOf = (dim: number | readonly number[] | null, rank: number): number[] =>
  dim === null || (typeof dim !== 'number' && dim.length === 0)
    ? Array.from({ length: rank }, (_, d) => d)
    : listOf(dim).map((d) => axisOf(d, rank));
export const isTensorLike = (x: unknown): x is Arg => x instanceof Tensor || (typeof x === 'object' && x !== null && 'shapes' in x); // prettier-ignore
