/** Reading and writing at indices, sorting, and what depends on values. */
import { TenfoldError } from '../../errors.js';
import { arange } from '../../ops/creation.js';
import { unique as uniqueOf, where } from '../../ops/index.js';
import type { Tensor } from '../../tensor/tensor.js';
import { Integers, numberOf, numbersOf } from '../integers.js';
import { operator, operators, table } from '../signature.js';
import { wrapAxis } from './shape.js';

const product = (list: readonly number[]): number => list.reduce((n, m) => n * m, 1);
/** Indices counted from the end where negative, as int64. */
const wrapped = (index: Tensor, n: number): Tensor => {
  const i = index.to('int64');
  return where(i.lt(0), i.add(n), i);
};

function gather(x: Tensor, index: Tensor, axis: number): Tensor {
  const dim = wrapAxis('Gather', axis, x.ndim);
  const rows = x.indexSelect(dim, wrapped(index, x.shape[dim]!).reshape([index.count]));
  return rows.reshape([...x.shape.slice(0, dim), ...index.shape, ...x.shape.slice(dim + 1)]);
}

/** Index tuples (the last dim of `index`) as places in the dims that they index, flattened. */
function flatPlaces(index: Tensor, dims: readonly number[]): Tensor {
  let flat: Tensor | null = null;
  dims.forEach((n, k) => {
    const i = wrapped(index.select(-1, k), n);
    if (i.count > 0 && (numberOf(i.amin()) < 0 || numberOf(i.amax()) >= n))
      throw new RangeError(`index out of range of a dim of ${n}`);
    flat = flat === null ? i : flat.mul(n).add(i);
  });
  return flat ?? index.select(-1, 0);
}

function gatherND(x: Tensor, index: Tensor, batchDims: number): Tensor {
  const k = index.shape.at(-1)!;
  const batch = x.shape.slice(0, batchDims);
  const dims = x.shape.slice(batchDims, batchDims + k);
  const rest = x.shape.slice(batchDims + k);
  const size = product(dims);
  const b = product(batch);
  let flat = flatPlaces(index, dims).reshape([b, product(index.shape.slice(batchDims, -1))]);
  flat = flat.add(arange(b).mul(size).unsqueeze(1));
  const rows = x.reshape([b * size, product(rest)]).indexSelect(0, flat.reshape([flat.count]));
  return rows.reshape([...index.shape.slice(0, -1), ...rest]);
}

const REDUCTIONS: Record<string, 'sum' | 'prod' | 'amax' | 'amin'> = {
  add: 'sum',
  mul: 'prod',
  max: 'amax',
  min: 'amin',
};
function scattered(x: Tensor, dim: number, index: Tensor, updates: Tensor, reduction: string): Tensor {
  if (reduction === 'none') return x.scatter(dim, index, updates);
  const reduce = REDUCTIONS[reduction];
  if (reduce === undefined) throw new TenfoldError('value', `unknown reduction '${reduction}'`);
  return x.scatterReduce(dim, index, updates, reduce);
}
const scatterElements = (
  a: { axis: number; reduction?: string },
  x: Tensor,
  index: Tensor,
  updates: Tensor,
): Tensor => {
  const dim = wrapAxis('ScatterElements', a.axis, x.ndim);
  return scattered(x, dim, wrapped(index, x.shape[dim]!), updates, a.reduction ?? 'none');
};

function scatterND(x: Tensor, index: Tensor, updates: Tensor, reduction: string): Tensor {
  const k = index.shape.at(-1)!;
  const dims = x.shape.slice(0, k);
  const width = product(x.shape.slice(k));
  const flat = flatPlaces(index, dims).reshape([product(index.shape.slice(0, -1)), 1]);
  const rows = x.reshape([product(dims), width]);
  const count = flat.shape[0]!;
  return scattered(rows, 0, flat.expand(count, width), updates.reshape([count, width]), reduction).reshape([
    ...x.shape,
  ]);
}

function oneHot(index: Tensor, depth: number, values: Tensor, axis: number): Tensor {
  const dim = wrapAxis('OneHot', axis, index.ndim + 1);
  const i = wrapped(index, depth).unsqueeze(dim);
  const classes = arange(depth).reshape(i.shape.map((_, d) => (d === dim ? depth : 1)));
  return where(i.eq(classes), values.select(0, 1), values.select(0, 0));
}

/** The first k of the elements sorted; of equal ones the first. */
function topK(a: { axis: number; largest: number }, x: Tensor, k: number): Tensor[] {
  const dim = wrapAxis('TopK', a.axis, x.ndim);
  if (!(k >= 0 && k <= x.shape[dim]!)) throw new RangeError(`TopK: ${k} of ${x.shape[dim]} elements`);
  const { values, indices } = x.sort(dim, a.largest !== 0, { stable: true });
  return [values.narrow(dim, 0, k), indices.narrow(dim, 0, k)];
}

/** Distinct elements (or slices) with the place of their first occurrence, where each went, and counts. */
function unique(x: Tensor, axis: number | null, sorted: boolean): Tensor[] {
  const dim = axis === null ? null : wrapAxis('Unique', axis, x.ndim);
  const flat = dim === null ? x.reshape([x.count]) : x;
  let [values, inverse, counts] = uniqueOf(flat, { returnInverse: true, returnCounts: true, dim: dim ?? 0 }) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const n = counts.shape[0]!;
  const places = numbersOf(inverse);
  const first = new Array<number>(n).fill(-1);
  places.forEach((group, i) => first[group]! < 0 && (first[group] = i));
  if (!sorted) {
    const order = first.map((_, i) => i).sort((p, q) => first[p]! - first[q]!);
    const rank = order.reduce((list, group, i) => ((list[group] = i), list), new Array<number>(n).fill(0));
    const index = new Integers(order).tensor;
    values = values.indexSelect(dim ?? 0, index);
    counts = counts.indexSelect(0, index);
    inverse = new Integers(places.map((group) => rank[group]!)).tensor;
    first.sort((p, q) => p - q);
  }
  return [values, new Integers(first).tensor, inverse.reshape([inverse.count]), counts];
}

export const GATHERING = table(
  operator(
    'Gather(Tensor data, Tensor indices; int axis=0)',
    (a, x: Tensor, index: Tensor) => gather(x, index, a.axis),
    (a, x, index) => {
      if (x.scalar || (a.axis !== 0 && a.axis !== -1)) return null;
      const n = x.values.length;
      const places = index.values.map((i) => (i < 0 ? i + n : i));
      return places.every((i) => i >= 0 && i < n)
        ? new Integers(
            places.map((i) => x.values[i]!),
            index.scalar,
          )
        : null;
    },
  ),
  operator('GatherElements(Tensor data, Tensor indices; int axis=0)', (a, x: Tensor, index: Tensor) => {
    const dim = wrapAxis('GatherElements', a.axis, x.ndim);
    return x.gather(dim, wrapped(index, x.shape[dim]!));
  }),
  operator('GatherND(Tensor data, Tensor indices; int batch_dims=0)', (a, x: Tensor, index: Tensor) =>
    gatherND(x, index, a.batch_dims),
  ),
  operator(
    'ScatterElements(Tensor data, Tensor indices, Tensor updates; int axis=0, string reduction=none)',
    (a, x: Tensor, index: Tensor, updates: Tensor) => scatterElements(a, x, index, updates),
  ),
  operator(
    'Scatter(Tensor data, Tensor indices, Tensor updates; int axis=0)',
    (a, x: Tensor, index: Tensor, updates: Tensor) => scatterElements(a, x, index, updates),
  ),
  operator(
    'ScatterND(Tensor data, Tensor indices, Tensor updates; string reduction=none)',
    (a, x: Tensor, index: Tensor, updates: Tensor) => scatterND(x, index, updates, a.reduction),
  ),
  operator(
    'OneHot(Tensor indices, ints depth, Tensor values; int axis=-1)',
    (a, index: Tensor, depth: number[], values: Tensor) => oneHot(index, depth[0]!, values, a.axis),
  ),
  operator('NonZero(Tensor X)', (_, x: Tensor) => x.nonzero().t()),
  operator('Compress(Tensor input, Tensor condition; int? axis)', (a, x: Tensor, condition: Tensor) => {
    const flat = a.axis === null ? x.reshape([x.count]) : x;
    const chosen = numbersOf(condition).flatMap((yes, i) => (yes ? [i] : []));
    return flat.indexSelect(a.axis ?? 0, new Integers(chosen).tensor);
  }),
  operators(
    'TopK(Tensor X, ints? K; int axis=-1, int largest=1, int sorted=1, int? k)',
    (a, x: Tensor, k: number[] | null) => topK(a, x, k?.[0] ?? a.k ?? 1),
  ),
  operators('Unique(Tensor X; int? axis, int sorted=1)', (a, x: Tensor) => unique(x, a.axis, a.sorted !== 0)),
);
