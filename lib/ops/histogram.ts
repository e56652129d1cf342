/** Histograms with their edges, of numbers and of points; differences as derivatives of what samples show. */
import { TenfoldError, show } from '../errors.js';
import { Code } from '../dtype.js';
import { namedTensors } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';
import { formatShape, wrapDims } from '../tensor/shape.js';
import { defineOp, type OpDef } from '../op/define.js';
import { signature, type Arguments } from '../op/schema.js';
import { floatOnly } from '../op/reduce.js';
import { where } from './arithmetic.js';
import { linspace } from './creation.js';
import { cat } from './joining.js';
import { bincount, searchsorted } from './searching.js';

// ---- histograms ------------------------------------------------------------------------------------------------------

/** Edges of bins along one dim: as given, or as many equal ones as asked for, over the range or over the values. */
function edgesOf(call: string, values: Tensor, bins: number | Tensor, range: readonly number[] | null): Tensor {
  if (bins instanceof Tensor) {
    if (bins.shape.length !== 1 || bins.count < 2 || bins.code !== values.code) {
      throw new TenfoldError('shape', `${call}: bins must be at least two edges of ${values.dtype}, got ${bins.dtype} of ${formatShape(bins.shape)}`); // prettier-ignore
    }
    return bins.detach().clone();
  }
  if (!(Number.isInteger(bins) && bins > 0)) throw new RangeError(`${call}: bins must be positive, got ${show(bins)}`);
  const ends = range ?? (values.count === 0 ? [0, 1] : [values.min().item<number>(), values.max().item<number>()]);
  let [low, high] = ends as [number, number];
  if (!(Number.isFinite(low) && Number.isFinite(high)))
    throw new TenfoldError('value', `${call}: the range must be finite, got [${low}, ${high}]`);
  if (low > high) throw new TenfoldError('value', `${call}: the range must rise, got [${low}, ${high}]`);
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  return linspace(low, high, bins + 1, { dtype: values.dtype });
}
/** Bins of points [n, dims]; the last one has its upper edge in it. */
function count(points: Tensor, edges: readonly Tensor[], weight: Tensor | null, density: boolean): Tensor {
  const sizes = edges.map((e) => e.count - 1);
  let place = Tensor.zeros([points.shape[0]!], Code.i64);
  let inside = place.eq(0);
  edges.forEach((e, dim) => {
    const x = points.select(1, dim).contiguous();
    const bin = where(x.eq(e.at(-1)), sizes[dim]! - 1, searchsorted(e, x, { right: true }).sub(1));
    inside = inside.logicalAnd(bin.ge(0)).logicalAnd(bin.lt(sizes[dim]!)).logicalAnd(x.isnan().logicalNot());
    place = place.mul(sizes[dim]!).add(bin);
  });
  const total = sizes.reduce((a, b) => a * b, 1);
  const kept = inside.nonzero() as Tensor;
  const index = place.to('int64').indexSelect(0, kept.select(1, 0));
  const weights = weight === null ? null : weight.reshape([-1]).indexSelect(0, kept.select(1, 0));
  let out = bincount(index, weights, total).to(points.dtype).reshape(sizes);
  if (density) {
    out = out.div(out.sum());
    edges.forEach((e, dim) => {
      const widths = e.narrow(0, 1, sizes[dim]!).sub(e.narrow(0, 0, sizes[dim]!));
      out = out.div(widths.reshape(sizes.map((n, i) => (i === dim ? n : 1))));
    });
  }
  return out;
}
function checkWeight(call: string, weight: Tensor | null, like: Tensor, shape: readonly number[]): void {
  if (weight === null) return;
  if (weight.code !== like.code || weight.shape.join() !== shape.join())
    throw new TenfoldError('shape', `${call}: weight must be ${like.dtype} of ${formatShape(shape)}, got ${weight.dtype} of ${formatShape(weight.shape)}`); // prettier-ignore
}
/**
 * How many elements, or how much of their weights, lie in each bin, and the bins' edges. `bins` is their number, or a tensor of
 * rising edges; the range is that of the values where it is null. float32 or float64. With `density` the bins' areas sum to 1.
 * See torch.histogram.
 */
export const histogram = defineOp(
  'histogram(Tensor self, any bins=100, *, float[]? range=null, Tensor? weight=null, bool density=false) -> (hist, binEdges)',
  (): OpDef => ({
    forward(
      x: Tensor,
      bins: number | Tensor,
      range: readonly number[] | null,
      weight: Tensor | null,
      density: boolean,
    ) {
      floatOnly('histogram', x);
      if (range !== null && range.length !== 2)
        throw new TenfoldError('value', `histogram: range must be two numbers, got ${show(range)}`);
      if (range !== null && bins instanceof Tensor)
        throw new TenfoldError('value', 'histogram: give edges as bins, or a range, not both');
      checkWeight('histogram', weight, x, x.shape);
      const flat = x.detach().reshape([-1]);
      const edges = edgesOf('histogram', flat, bins, range);
      return [count(flat.unsqueeze(1), [edges], weight, density), edges];
    },
    differentiable: false,
  }),
);
const many = signature(
  'histogramdd(Tensor input, any bins, float[]? range=null, Tensor? weight=null, bool density=false)',
);
/** What histogramdd gives: the counts and a list of edges, by name, by position, and one after the other. */
export interface Histogram extends Iterable<Tensor | Tensor[]> {
  readonly hist: Tensor;
  readonly binEdges: Tensor[];
  readonly 0: Tensor;
  readonly 1: Tensor[];
  readonly length: 2;
}
const Results = namedTensors(['hist', 'binEdges']);
/**
 * histogram of points [..., n] in n dims: `bins` is a number of bins, a list of n numbers, or a list of n tensors of edges;
 * `range` is a list of 2n ends. Gives the counts [bins, bins, …] and a list of edges. See torch.histogramdd.
 */
export function histogramdd(...args: Arguments<typeof many.schema>): Histogram {
  const [input, given, range, weight, density] = many.read(args);
  floatOnly('histogramdd', input);
  const dims = input.shape.at(-1);
  if (dims === undefined || input.shape.length < 2)
    throw new TenfoldError('shape', `histogramdd: input must be points [..., n], got ${formatShape(input.shape)}`);
  const bins = (Array.isArray(given) ? given : Array.from({ length: dims }, () => given)) as (number | Tensor)[];
  if (bins.length !== dims)
    throw new TenfoldError('value', `histogramdd: bins must be a number or ${dims} of them, got ${show(given)}`);
  if (range !== null && range.length !== 2 * dims)
    throw new TenfoldError('value', `histogramdd: range must have ${2 * dims} numbers, got ${show(range)}`);
  checkWeight('histogramdd', weight, input, input.shape.slice(0, -1));
  const points = input.detach().reshape([-1, dims]);
  const edges = bins.map((b, i) => edgesOf('histogramdd', points.select(1, i), b, range === null ? null : range.slice(2 * i, 2 * i + 2))); // prettier-ignore
  const hist = count(points, edges, weight, density);
  return new Results([hist, edges]) as unknown as Histogram;
}

// ---- derivatives of samples ------------------------------------------------------------------------------------------

/** Derivative along one dim from samples that are `spacing` apart, or lie at its places. */
function derivative(x: Tensor, dim: number, spacing: number | Tensor, order: number): Tensor {
  const n = x.shape[dim]!;
  const at = (start: number, length: number): Tensor => x.narrow(dim, start, length);
  const column = (t: Tensor): Tensor => t.reshape(x.shape.map((_, i) => (i === dim ? t.count : 1)));
  const steps = spacing instanceof Tensor ? spacing.narrow(0, 1, n - 1).sub(spacing.narrow(0, 0, n - 1)) : null;
  const step = (i: number): Tensor | number => (steps === null ? (spacing as number) : steps.at(i));
  let middle: Tensor;
  if (steps === null)
    middle = at(2, n - 2)
      .sub(at(0, n - 2))
      .div(2 * (spacing as number));
  else {
    const [h, k] = [column(steps.narrow(0, 0, n - 2)), column(steps.narrow(0, 1, n - 2))];
    const a = k.div(h.mul(h.add(k))).neg();
    const b = k.sub(h).div(h.mul(k));
    const c = h.div(k.mul(h.add(k)));
    middle = a
      .mul(at(0, n - 2))
      .add(b.mul(at(1, n - 2)))
      .add(c.mul(at(2, n - 2)));
  }
  const edge = (first: boolean): Tensor => {
    const [near, next, far] = first ? [0, 1, 2] : [n - 1, n - 2, n - 3];
    const sign = first ? 1 : -1;
    if (order === 1)
      return at(next, 1)
        .sub(at(near, 1))
        .mul(sign)
        .div(step(first ? 0 : -1));
    const [h, k] = (first ? [step(0), step(1)] : [step(-1), step(-2)]).map((s) => (s instanceof Tensor ? s.item<number>() : s)) as [number, number]; // prettier-ignore
    const a = (-(2 * h + k) / (h * (h + k))) * sign;
    const b = ((h + k) / (h * k)) * sign;
    const c = (-h / (k * (h + k))) * sign;
    return at(near, 1).mul(a).add(at(next, 1).mul(b)).add(at(far, 1).mul(c));
  };
  return cat([edge(true), middle, edge(false)], dim);
}
const slopes = signature('gradient(Tensor input, *, any spacing=1, int[]? dim=null, int edgeOrder=1)');
/**
 * Derivatives of a function from its samples, one tensor for each of `dim` (all dims where null): central differences inside,
 * one-sided ones at the edges, of first or second order (`edgeOrder`). `spacing` is the distance of samples, a list of one for
 * each dim, or a list of tensors with the places of the samples. See torch.gradient.
 */
export function gradient(...args: Arguments<typeof slopes.schema>): Tensor[] {
  const [input, spacing, given, order] = slopes.read(args);
  const dims = given === null ? input.shape.map((_, i) => i) : [given].flat().map((dim) => wrapDims('gradient', dim, input.shape.length)[0]!); // prettier-ignore
  if (order !== 1 && order !== 2) throw new RangeError(`gradient: edgeOrder must be 1 or 2, got ${order}`);
  if (new Set(dims).size !== dims.length)
    throw new TenfoldError('value', `gradient: every dim may be named once, got ${show(given)}`);
  const each = (Array.isArray(spacing) ? spacing : dims.map(() => spacing)) as (number | Tensor)[];
  if (each.length !== dims.length || !each.every((s) => typeof s === 'number' || s instanceof Tensor))
    throw new TenfoldError('value', `gradient: spacing must be a number or one for each of ${dims.length} dims, got ${show(spacing)}`); // prettier-ignore
  const x = input.isFloatingPoint() ? input : input.float();
  return dims.map((dim, i) => {
    const s = each[i]!;
    if (x.shape[dim]! < order + 1)
      throw new TenfoldError('shape', `gradient: dim ${dim} needs at least ${order + 1} samples, got ${formatShape(x.shape)}`); // prettier-ignore
    if (s instanceof Tensor && (s.shape.length !== 1 || s.count !== x.shape[dim]))
      throw new TenfoldError('shape', `gradient: dim ${dim} needs ${x.shape[dim]} places as spacing, got ${formatShape(s.shape)}`); // prettier-ignore
    return derivative(x, dim, s, order);
  });
}
