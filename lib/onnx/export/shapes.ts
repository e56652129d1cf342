/** Shapes: views, joins, slices, lookups, and reductions. */
import { TenfoldError } from '../../errors.js';
import { Size, TO_END, rankOf, sameSize, sizesOf, type Arg, type Graph, type Int, type Value } from './graph.js';
import { axesOf, axisOf, listOf, translations, type Args, type Emit, type Table } from './translation.js';

const sourceOf = (a: Args): Arg => (a.self ?? a.input) as Arg;

/** To the result's shape: dims that stay are copied, one open dim is what is left, others are computed. */
export const reshape: Emit = (g, a, [out]) => reshaped(g, sourceOf(a), sizesOf(out!));
export function reshaped(
  g: Graph,
  x: Arg,
  to: readonly Int[],
  from: readonly Int[] = sizesOf(x),
  name = g.of(x),
): string {
  if (to.includes(0)) throw new TenfoldError('shape', 'onnx.export: a tensor without elements is reshaped');
  const sizes: Int[] = to.map((n, d) => (n instanceof Size && d < from.length && sameSize(n, from[d]!) ? 0 : n));
  const open = sizes.findIndex((n) => n instanceof Size);
  if (open >= 0 && sizes.filter((n) => n instanceof Size).length === 1) sizes[open] = -1;
  return g.node('Reshape', [name, g.ints(sizes)]);
}

const permuted = (g: Graph, x: Arg, perm: readonly number[]): string => g.node('Transpose', [g.of(x)], { perm });
const swapped = (g: Graph, x: Arg, p: number, q: number): string => {
  const perm = Array.from({ length: rankOf(x) }, (_, d) => d);
  [perm[p], perm[q]] = [perm[q]!, perm[p]!];
  return permuted(g, x, perm);
};

/** Broadcast to the result's shape; dims that are there already say 1. */
const expand: Emit = (g, a, [out]) => {
  const x = sourceOf(a);
  const from = sizesOf(x);
  const to = sizesOf(out!);
  const sizes = to.map((n, d) => {
    const own = from[d - (to.length - from.length)];
    return own !== undefined && sameSize(own, n) ? 1 : n;
  });
  return g.node('Expand', [g.of(x), g.ints(sizes)]);
};

export function sliced(g: Graph, name: string, axis: number, start: Int, end: Int, step: Int = 1): string {
  return g.node('Slice', [name, g.ints([start]), g.ints([end]), g.ints([axis]), g.ints([step])]);
}
const added = (a: Int, b: Int): Int => {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const values = (x: Int): readonly number[] | null => (x instanceof Size ? x.values : null);
  const n = (values(a) ?? values(b))!.length;
  return new Size(
    Array.from({ length: n }, (_, i) => (values(a)?.[i] ?? (a as number)) + (values(b)?.[i] ?? (b as number))),
  );
};
/** Elements from start on, so many; to the end where they are all that is left. */
const narrowed = (g: Graph, x: Arg, dim: number, start: Int, length: Int): string => {
  const axis = axisOf(dim, rankOf(x));
  const end = added(start, length);
  return sliced(g, g.of(x), axis, start, sameSize(end, sizesOf(x)[axis]!) ? TO_END : end);
};
const sliceOp: Emit = (g, a) => {
  const x = sourceOf(a);
  const axis = axisOf(a.dim, rankOf(x));
  const size = sizesOf(x)[axis]!;
  const beyond = (end: Int | null): boolean =>
    end === null || sameSize(end, size) || (typeof end === 'number' && typeof size === 'number' && end >= size);
  return sliced(g, g.of(x), axis, a.start ?? 0, beyond(a.end) ? TO_END : a.end, a.step);
};

/** One element of a dim, the dim gone. */
const selected = (g: Graph, x: Arg, dim: number, index: number): string =>
  g.node('Gather', [g.of(x), g.number(index, 'int64')], { axis: axisOf(dim, rankOf(x)) });

const split: Emit = (g, a, outs) => {
  const x = sourceOf(a);
  const axis = axisOf(a.dim ?? 0, rankOf(x));
  return g.several('Split', [g.of(x), g.ints(outs.map((out) => sizesOf(out)[axis]!))], { axis }, outs.length);
};

const squeeze: Emit = (g, a, [out]) => {
  const x = sourceOf(a);
  const sizes = sizesOf(x);
  const gone = axesOf(a.dim, sizes.length).filter((d) => sizes[d] === 1);
  return rankOf(out!) === sizes.length ? g.node('Identity', [g.of(x)]) : g.node('Squeeze', [g.of(x), g.ints(gone)]);
};

const flip: Emit = (g, a) => {
  const x = sourceOf(a);
  const axes = axesOf(a.dims, rankOf(x));
  const all = (n: number): string => g.ints(axes.map(() => n));
  return g.node('Slice', [g.of(x), all(-1), all(-TO_END), g.ints(axes), all(-1)]);
};

const roll: Emit = (g, a) => {
  const x = sourceOf(a);
  let name = g.of(x);
  axesOf(a.dims, rankOf(x)).forEach((axis, i) => {
    const shift = listOf(a.shifts)[i]!;
    if (shift !== 0)
      name = g.node('Concat', [sliced(g, name, axis, -shift, TO_END), sliced(g, name, axis, 0, -shift)], { axis });
  });
  return name;
};

/** A padding of the last dims, from the last one on, in the modes' names. */
const MODES: Record<string, string> = { constant: 'constant', reflect: 'reflect', replicate: 'edge', circular: 'wrap' };
const pad: Emit = (g, a, [out]) => {
  const x = sourceOf(a);
  const rank = rankOf(x);
  const amounts = listOf(a.pad);
  const pads = new Array<number>(2 * rank).fill(0);
  for (let i = 0; i < amounts.length / 2; i++) {
    pads[rank - 1 - i] = amounts[2 * i]!;
    pads[2 * rank - 1 - i] = amounts[2 * i + 1]!;
  }
  const value = a.mode === 'constant' ? g.number(a.value ?? 0, out!.dtype) : null;
  if (a.mode === 'circular' && g.opset < 19) return wrapped(g, x, amounts);
  return g.node('Pad', [g.of(x), g.ints(pads), value], { mode: MODES[a.mode]! });
};
/** Taken round, with slices: Pad has no such mode before version 19. */
function wrapped(g: Graph, x: Arg, amounts: readonly number[]): string {
  let name = g.of(x);
  for (let i = 0; i < amounts.length / 2; i++) {
    const axis = rankOf(x) - 1 - i;
    const [before, after] = [amounts[2 * i]!, amounts[2 * i + 1]!];
    const parts = [name];
    if (before > 0) parts.unshift(sliced(g, name, axis, -before, TO_END));
    if (after > 0) parts.push(sliced(g, name, axis, 0, after));
    if (parts.length > 1) name = g.node('Concat', parts, { axis });
    if (before < 0 || after < 0) name = sliced(g, name, axis, Math.max(0, -before), after < 0 ? after : TO_END);
  }
  return name;
}

// ---- reductions --------------------------------------------------------------------------------------------------------

/** Over dims, from version 18 on given as an input, before as an attribute; ReduceSum's always as an input. */
export function reduced(g: Graph, type: string, name: string, axes: readonly number[], keepdims: boolean): string {
  const attributes = { keepdims: keepdims ? 1 : 0 };
  if (g.opset >= 18 || type === 'ReduceSum') return g.node(type, [name, g.ints(axes)], attributes);
  return g.node(type, [name], { ...attributes, axes });
}
const reduction =
  (type: string): Emit =>
  (g, a, [out]) => {
    const x = sourceOf(a);
    const axes = axesOf(a.dim ?? null, rankOf(x));
    const dtype = out!.dtype === 'bool' ? 'uint8' : out!.dtype;
    const name =
      axes.length === 0
        ? g.node('Identity', [g.cast(x, dtype)])
        : reduced(g, type, g.cast(x, dtype), axes, a.keepdim ?? false);
    return dtype === out!.dtype ? name : g.convert(name, out!.dtype);
  };

/** Mean of squared differences, over n − correction. */
function variance(g: Graph, a: Args, dtype: Value['dtype'], keepdims: boolean): string {
  const x = sourceOf(a);
  const axes = axesOf(a.dim ?? null, rankOf(x));
  const n = axes.reduce((p, d) => p * staticSize(sizesOf(x)[d]!, 'var'), 1);
  const correction = a.correction ?? (a.unbiased === false ? 0 : 1);
  const centered = g.node('Sub', [g.of(x), reduced(g, 'ReduceMean', g.of(x), axes, true)]);
  const mean = reduced(g, 'ReduceMean', g.node('Mul', [centered, centered]), axes, keepdims);
  return correction === 0 ? mean : g.node('Mul', [mean, g.number(n / Math.max(0, n - correction), dtype)]);
}
export function staticSize(n: Int, what: string): number {
  if (n instanceof Size) throw new TenfoldError('value', `onnx.export: ${what} over an open dim`);
  return n;
}

/** (Σ |x|ᵖ)^(1/p), or the greatest |x|. */
export function normOf(
  g: Graph,
  name: string,
  p: number,
  axes: readonly number[],
  keepdims: boolean,
  dtype: Value['dtype'],
): string {
  if (p === 2) return reduced(g, 'ReduceL2', name, axes, keepdims);
  if (p === 1) return reduced(g, 'ReduceL1', name, axes, keepdims);
  const size = g.node('Abs', [name]);
  if (p === Infinity) return reduced(g, 'ReduceMax', size, axes, keepdims);
  if (p === -Infinity) return reduced(g, 'ReduceMin', size, axes, keepdims);
  const sum = reduced(g, 'ReduceSum', g.node('Pow', [size, g.number(p, dtype)]), axes, keepdims);
  return g.node('Pow', [sum, g.number(1 / p, dtype)]);
}
const norm =
  (key: 'p' | 'ord'): Emit =>
  (g, a, [out]) => {
    const x = (a.A ?? sourceOf(a)) as Arg;
    const p = a[key] === 'fro' || a[key] === null ? 2 : (a[key] as number);
    return normOf(g, g.cast(x, out!.dtype), p, axesOf(a.dim ?? null, rankOf(x)), a.keepdim ?? false, out!.dtype);
  };

const arg =
  (type: 'ArgMax' | 'ArgMin'): Emit =>
  (g, a) => {
    const x = sourceOf(a);
    if (a.dim === null) return g.node(type, [g.node('Reshape', [g.of(x), g.ints([-1])])], { axis: 0, keepdims: 0 });
    return g.node(type, [g.of(x)], { axis: axisOf(a.dim, rankOf(x)), keepdims: a.keepdim ? 1 : 0 });
  };
/** Values and their places along a dim; of all elements, the value. */
const extreme =
  (values: string, places: 'ArgMax' | 'ArgMin'): Emit =>
  (g, a, outs) => {
    if (outs.length < 2) return reduction(values)(g, a, outs);
    return [reduction(values)(g, a, outs) as string, arg(places)(g, a, outs) as string];
  };
/** Whether all, or any, are true: as the least or greatest of 0 and 1. */
const truth =
  (type: 'ReduceMin' | 'ReduceMax'): Emit =>
  (g, a) => {
    const x = sourceOf(a);
    const bits = g.convert(g.cast(x, 'bool'), 'int32');
    return g.convert(reduced(g, type, bits, axesOf(a.dim ?? null, rankOf(x)), a.keepdim ?? false), 'bool');
  };
const softmax =
  (type: string): Emit =>
  (g, a, [out]) =>
    g.node(type, [g.cast(sourceOf(a), out!.dtype)], { axis: axisOf(a.dim, rankOf(out!)) });
const hasDim = (a: Args): boolean => a.dim !== null && a.dim !== undefined;

export const SHAPES: Table = translations({
  reshape,
  view: reshape,
  reshapeAs: reshape,
  viewAs: reshape,
  flatten: reshape,
  unflatten: reshape,
  ravel: reshape,
  squeeze,
  unsqueeze: (g, a, [out]) => g.node('Unsqueeze', [g.of(sourceOf(a)), g.ints([axisOf(a.dim, rankOf(out!))])]),
  permute: (g, a) => permuted(g, sourceOf(a), axesOf(a.dims, rankOf(sourceOf(a)))),
  transpose: (g, a) =>
    swapped(g, sourceOf(a), axisOf(a.dim0, rankOf(sourceOf(a))), axisOf(a.dim1, rankOf(sourceOf(a)))),
  swapaxes: (g, a) =>
    swapped(g, sourceOf(a), axisOf(a.axis0, rankOf(sourceOf(a))), axisOf(a.axis1, rankOf(sourceOf(a)))),
  t: (g, a) => (rankOf(sourceOf(a)) < 2 ? g.node('Identity', [g.of(sourceOf(a))]) : swapped(g, sourceOf(a), 0, 1)),
  expand,
  expandAs: expand,
  broadcastTo: expand,
  repeat: (g, a) => {
    const x = sourceOf(a);
    const more = listOf(a.repeats).length - rankOf(x);
    const name = more > 0 ? g.node('Unsqueeze', [g.of(x), g.ints(Array.from({ length: more }, (_, d) => d))]) : g.of(x);
    return g.node('Tile', [name, g.ints(listOf(a.repeats))]);
  },
  cat: (g, a, [out]) => g.node('Concat', (a.tensors as Arg[]).filter((t) => !(rankOf(t) === 1 && sizesOf(t)[0] === 0)).map((t) => g.cast(t, out!.dtype)), { axis: axisOf(a.dim, rankOf(out!)) }), // prettier-ignore
  stack: (g, a, [out]) => {
    const axis = axisOf(a.dim, rankOf(out!));
    return g.node('Concat', (a.tensors as Arg[]).map((t) => g.node('Unsqueeze', [g.cast(t, out!.dtype), g.ints([axis])])), { axis }); // prettier-ignore
  },
  split,
  splitWithSizes: split,
  splitSizes: split,
  chunk: split,
  unbind: (g, a, outs) => outs.map((_, i) => selected(g, sourceOf(a), a.dim, i)),
  select: (g, a) => selected(g, sourceOf(a), a.dim, a.index),
  slice: sliceOp,
  narrow: (g, a) => narrowed(g, sourceOf(a), a.dim, a.start, a.length),
  flip,
  roll: [(a) => axesOf(a.dims, 99).length < 99, roll],
  pad: [(a) => listOf(a.pad).length <= 2 * a.input.ndim, pad],
  constantPad: (g, a, outs) => pad(g, { input: a.input, pad: a.amounts, mode: 'constant', value: a.value }, outs),
  tril: (g, a) => g.node('Trilu', [g.of(sourceOf(a)), g.number(a.diagonal, 'int64')], { upper: 0 }),
  triu: (g, a) => g.node('Trilu', [g.of(sourceOf(a)), g.number(a.diagonal, 'int64')], { upper: 1 }),
  gather: (g, a) =>
    g.node('GatherElements', [g.of(sourceOf(a)), g.of(a.index as Arg)], { axis: axisOf(a.dim, rankOf(sourceOf(a))) }),
  indexSelect: (g, a) =>
    g.node('Gather', [g.of(sourceOf(a)), g.of(a.index as Arg)], { axis: axisOf(a.dim, rankOf(sourceOf(a))) }),

  sum: reduction('ReduceSum'),
  mean: reduction('ReduceMean'),
  prod: reduction('ReduceProd'),
  amax: reduction('ReduceMax'),
  amin: reduction('ReduceMin'),
  logsumexp: reduction('ReduceLogSumExp'),
  max: extreme('ReduceMax', 'ArgMax'),
  min: extreme('ReduceMin', 'ArgMin'),
  argmax: arg('ArgMax'),
  argmin: arg('ArgMin'),
  all: truth('ReduceMin'),
  any: truth('ReduceMax'),
  var: (g, a, [out]) => variance(g, a, out!.dtype, a.keepdim ?? false),
  std: (g, a, [out]) => g.node('Sqrt', [variance(g, a, out!.dtype, a.keepdim ?? false)]),
  norm: [(a) => (a.A === undefined && typeof a.p !== 'string') || a.p === 'fro', norm('p')],
  vectorNorm: norm('ord'),
  softmax: [hasDim, softmax('Softmax')],
  logSoftmax: [hasDim, softmax('LogSoftmax')],
  cumsum: (g, a, [out]) => g.node('CumSum', [g.cast(sourceOf(a), out!.dtype), g.number(a.dim, 'int64')]),
});
