/** vmap: a function of one sample, for a batch of them. */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { checkEnded } from '../autograd/mode.js';
import { stack, cat } from '../ops/joining.js';
import { defaultGenerator } from '../random/generator.js';
import { wrapDim } from '../tensor/shape.js';
import { NamedTensors, mapNamed } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';
import { Level, Unbatchable, currentLevel } from './batching.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- the function is the user's */
type AnyFunction = (...args: any[]) => any;
/** Which dim of an argument counts samples: a number for all tensors in it, null for none, or as the argument is nested. */
export type InDims = number | null | readonly any[] | Readonly<Record<string, any>>;
/* eslint-enable @typescript-eslint/no-explicit-any */
/** Options of vmap. */
export interface VmapOptions {
  inDims?: InDims;
  /** Where samples go in results: a number, or a list for a list of results. */
  outDims?: number | readonly number[];
  /** What random numbers are inside: refused, one draw for each sample, or the same for all. */
  randomness?: 'error' | 'different' | 'same';
  /** At most so many samples at once. */
  chunkSize?: number | null;
}
const RANDOMNESS = ['error', 'different', 'same'];

interface Leaf {
  tensor: Tensor;
  dim: number;
}
/** The argument with every tensor that has samples replaced by what `fn` makes of it. */
function mapped(value: unknown, dims: unknown, where: string, fn: (leaf: Leaf) => unknown): unknown {
  if (value instanceof Tensor) {
    if (dims === null || dims === undefined) return value;
    if (typeof dims !== 'number' || !Number.isInteger(dims))
      throw new TypeError(`vmap: inDims of ${where} must be an integer or null, got ${show(dims)}`);
    if (value.shape.length === 0)
      throw new RangeError(`vmap: inDims says ${dims} for ${where}, which is a 0-dim tensor; null stands for what all samples share`); // prettier-ignore
    return fn({ tensor: value, dim: wrapDim('vmap', dims, value.shape.length) });
  }
  const inner = (key: string | number): unknown => {
    if (dims === null || typeof dims !== 'object') return dims;
    const own = dims as Record<string | number, unknown>;
    if (!Object.hasOwn(own, key)) throw new TenfoldError('value', `vmap: inDims has nothing for ${where}[${key}]`);
    return own[key];
  };
  if (Array.isArray(value)) return value.map((v, i) => mapped(v, inner(i), `${where}[${i}]`, fn));
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, mapped(v, inner(k), `${where}.${k}`, fn)]));
  if (typeof dims === 'number')
    throw new TypeError(`vmap: inDims says ${dims} for ${where}, which is no tensor but ${show(value)}; null stands for what all samples share`); // prettier-ignore
  return value;
}
/** Every argument through `fn`. */
function mapArguments(args: readonly unknown[], inDims: InDims, fn: (leaf: Leaf) => unknown): unknown[] {
  if (Array.isArray(inDims) && inDims.length !== args.length)
    throw new TenfoldError('value', `vmap: inDims has ${inDims.length} entries for ${args.length} arguments`);
  return args.map((a, i) => mapped(a, Array.isArray(inDims) ? inDims[i] : inDims, `argument ${i}`, fn));
}
function batchSize(args: readonly unknown[], inDims: InDims): number {
  let size: number | null = null;
  mapArguments(args, inDims, ({ tensor, dim }) => {
    const own = tensor.shape[dim]!;
    if (size !== null && size !== own)
      throw new TenfoldError('shape', `vmap: arguments have ${size} and ${own} samples; the dims that inDims names must be of one size`); // prettier-ignore
    size = own;
    return tensor;
  });
  if (size === null) throw new TenfoldError('value', 'vmap: no argument has samples; inDims must name a dim of one');
  return size;
}

/** Results, nested as the function returned them, with `fn` for every tensor. */
function mapResults(
  value: unknown,
  outDims: number | readonly number[],
  fn: (t: Tensor, dim: number) => Tensor,
): unknown {
  let at = 0;
  const list = Array.isArray(value) || value instanceof NamedTensors ? [...(value as Iterable<unknown>)] : null;
  const count = list === null ? null : list.length;
  if (typeof outDims !== 'number' && count !== outDims.length)
    throw new TenfoldError('value', `vmap: outDims has ${outDims.length} entries for ${count === null ? 'one result' : `${count} results`}`); // prettier-ignore
  const visit = (v: unknown, dim: number): unknown => {
    if (v instanceof Tensor) return fn(v, dim);
    if (Array.isArray(v)) return v.map((x) => visit(x, dim));
    if (v instanceof NamedTensors) return mapNamed(v, (t) => visit(t, dim));
    if (typeof v === 'object' && v !== null && Object.getPrototypeOf(v) === Object.prototype)
      return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, visit(x, dim)]));
    throw new TypeError(`vmap: the function must return tensors, got ${show(v)}`);
  };
  if (typeof outDims === 'number') return visit(value, outDims);
  return list!.map((v) => visit(v, outDims[at++]!));
}
const placed = (full: Tensor, dim: number): Tensor => full.movedim(0, wrapDim('vmap', dim, full.shape.length));

/** All samples at once, by the rules of ops. */
function together(func: AnyFunction, args: readonly unknown[], size: number, o: Required<VmapOptions>): unknown {
  const level = new Level(size, currentLevel());
  const given = mapArguments(args, o.inDims, ({ tensor, dim }) => level.wrap(tensor.movedim(dim, 0)));
  const result = level.inside(() => checkEnded('vmap', func, func(...given) as unknown));
  return mapResults(result, o.outDims, (t, dim) => placed(level.expanded(t), dim));
}
/** Sample by sample. */
function oneByOne(func: AnyFunction, args: readonly unknown[], size: number, o: Required<VmapOptions>): unknown {
  if (size === 0) throw new TenfoldError('shape', 'vmap: of no samples the function can’t be run');
  const state = o.randomness === 'same' ? defaultGenerator.getState() : null;
  const parts: Tensor[][] = [];
  let shape: unknown;
  for (let i = 0; i < size; i++) {
    if (state !== null) defaultGenerator.setState(state);
    const given = mapArguments(args, o.inDims, ({ tensor, dim }) => tensor.select(dim, i));
    const own: Tensor[] = [];
    shape = mapResults(checkEnded('vmap', func, func(...given) as unknown), o.outDims, (t) => (own.push(t), t));
    parts.push(own);
  }
  let at = 0;
  return mapResults(shape, o.outDims, (_, dim) => {
    const k = at++;
    return placed(stack(parts.map((p) => p[k]!)), dim);
  });
}

function run(func: AnyFunction, args: readonly unknown[], size: number, o: Required<VmapOptions>): unknown {
  if (o.randomness !== 'error') return oneByOne(func, args, size, o);
  const state = defaultGenerator.getState();
  const refuseRandom = (): void => {
    if (Buffer.compare(defaultGenerator.getState(), state) === 0) return;
    defaultGenerator.setState(state);
    throw new TenfoldError('value', "vmap: random numbers were drawn inside; say randomness: 'different' or 'same'");
  };
  try {
    const out = together(func, args, size, o);
    refuseRandom();
    return out;
  } catch (error) {
    const freed = error instanceof TenfoldError && error.code === 'freed';
    if (!(error instanceof Unbatchable) && !freed) throw error;
  }
  const out = oneByOne(func, args, size, o);
  refuseRandom();
  return out;
}
function inChunks(func: AnyFunction, args: readonly unknown[], size: number, o: Required<VmapOptions>): unknown {
  const parts: Tensor[][] = [];
  let shape: unknown;
  for (let start = 0; start < size; start += o.chunkSize!) {
    const length = Math.min(o.chunkSize!, size - start);
    const given = mapArguments(args, o.inDims, ({ tensor, dim }) => tensor.narrow(dim, start, length));
    const own: Tensor[] = [];
    shape = mapResults(run(func, given, length, o), o.outDims, (t) => (own.push(t), t));
    parts.push(own);
  }
  let at = 0;
  return mapResults(shape, o.outDims, (t, dim) => {
    const k = at++;
    return cat(parts.map((p) => p[k]!), wrapDim('vmap', dim, t.shape.length)); // prettier-ignore
  });
}

function readOptions(inDims: InDims | VmapOptions, options: VmapOptions): Required<VmapOptions> {
  const keys = ['inDims', 'outDims', 'randomness', 'chunkSize'];
  const named = typeof inDims === 'object' && inDims !== null && !Array.isArray(inDims) && Object.keys(inDims).some((k) => keys.includes(k)); // prettier-ignore
  const given = named ? (inDims as VmapOptions) : { inDims: inDims as InDims, ...options };
  checkOptions('vmap', given, keys);
  const o = { inDims: 0, outDims: 0, randomness: 'error', chunkSize: null, ...given } as Required<VmapOptions>;
  if (typeof o.inDims !== 'number' && (typeof o.inDims !== 'object' || o.inDims === null))
    throw new TypeError(`vmap: inDims must be a number or a list, got ${show(o.inDims)}`);
  const outs: readonly unknown[] = typeof o.outDims === 'number' ? [o.outDims] : o.outDims;
  if (!Array.isArray(outs) || !outs.every((d) => Number.isInteger(d)))
    throw new TypeError(`vmap: outDims must be an integer or a list of integers, got ${show(o.outDims)}`);
  if (!RANDOMNESS.includes(o.randomness))
    throw new TenfoldError('value', `vmap: randomness must be one of ${RANDOMNESS.join(', ')}, got ${show(o.randomness)}`); // prettier-ignore
  if (o.chunkSize !== null && (!Number.isInteger(o.chunkSize) || o.chunkSize < 1))
    throw new RangeError(`vmap: chunkSize must be a positive integer or null, got ${show(o.chunkSize)}`);
  return o;
}
/**
 * A function of batches from a function of one sample: `inDims` says which dim of each argument counts samples (0), `outDims` where
 * they go in results (0). Arguments and results may be nested in lists and objects. Inside, a sample has a shape but no values that
 * could be read: `item()` is refused.
 *
 * Elementwise ops, reductions, products, shapes, softmax, normalizations, convolutions, poolings, embeddings and attention run once
 * for all samples; other ops sample by sample, stacked again; and a function that asks autograd for what only real tensors
 * have (jacrev, hessian; not grad) is run sample by sample as a whole, after a first attempt, as is one with `randomness` other than
 * 'error'. So results are the same, memory and time may not be. See torch.func.vmap.
 *
 * ```ts
 * const dots = func.vmap((x: Tensor, y: Tensor) => x.dot(y));
 * dots(ones(3, 2), ones(3, 2)); // tensor([2., 2., 2.])
 * ```
 */
export function vmap(func: AnyFunction, inDims: InDims | VmapOptions = 0, options: VmapOptions = {}): AnyFunction {
  if (typeof func !== 'function') throw new TypeError(`vmap: expected a function, got ${show(func)}`);
  const o = readOptions(inDims, options);
  return (...args: unknown[]): unknown => {
    const size = batchSize(args, o.inDims);
    return o.chunkSize !== null && o.chunkSize < size ? inChunks(func, args, size, o) : run(func, args, size, o);
  };
}
