/** Writing at indices, and sorting. */
import { Code } from '../../dtype.js';
import { Tensor } from '../../tensor/tensor.js';
import { sizesOf, rankOf, type Arg, type Int } from './graph.js';
import { staticSize } from './shapes.js';
import { axisOf, isTensorLike, translations, type Args, type Emit, type Table } from './translation.js';

/** Values of the index's shape: ONNX takes no more of them than there are indices. */
const fits = (a: Args): boolean =>
  (a.reduce === null || a.reduce === undefined) && (!isTensorLike(a.src) || (a.src as Tensor).shape.join() === (a.index as Tensor).shape.join()); // prettier-ignore
const scatter =
  (reduction: string): Emit =>
  (g, a, [out]) => {
    const [self, index] = [a.self as Arg, a.index as Arg];
    const src = isTensorLike(a.src)
      ? g.cast(a.src, out!.dtype)
      : g.node('Expand', [g.number(a.src, out!.dtype), g.ints(sizesOf(index))]);
    const inputs = [g.cast(self, out!.dtype), g.of(index), src];
    return g.node('ScatterElements', inputs, { axis: axisOf(a.dim, rankOf(self)), reduction });
  };

/** The first k of what is sorted, and where they were. */
const sorted =
  (count: (a: Args, n: Int) => Int, largest: (a: Args) => boolean): Emit =>
  (g, a) => {
    const self = a.self as Arg;
    const axis = axisOf(a.dim, rankOf(self));
    const k = g.ints([count(a, sizesOf(self)[axis]!)]);
    return g.several('TopK', [g.of(self), k], { axis, largest: largest(a) ? 1 : 0 }, 2);
  };

/** Values put where their maxima came from, in planes of zeros. */
const unpool: Emit = (g, a, [out]) => {
  const sizes = sizesOf(out!);
  const k = (a.size as number[]).length;
  const plane = sizes.slice(-k).reduce<number>((p, n) => p * staticSize(n, 'unpooling'), 1);
  const lead = sizes.slice(0, -k);
  const flat = (x: Arg, name: string): string =>
    g.node('Reshape', [
      name,
      g.ints([
        ...sizesOf(x)
          .slice(0, -k)
          .map(() => 0),
        -1,
      ]),
    ]);
  const [values, places] = [a.input as Arg, a.places as Arg];
  const zero = Tensor.zeros([1], out!.dtype === 'float64' ? Code.f64 : Code.f32);
  const zeros = g.convert(g.node('ConstantOfShape', [g.ints([...lead, plane])], { value: zero }), out!.dtype);
  const inputs = [zeros, flat(places, g.cast(places, 'int64')), flat(values, g.of(values))];
  return g.node('Reshape', [g.node('ScatterElements', inputs, { axis: lead.length }), g.ints([...lead.map(() => 0), ...sizes.slice(-k)])]); // prettier-ignore
};

export const INDICES: Table = translations({
  scatter: [fits, scatter('none')],
  scatterAdd: [fits, scatter('add')],
  topk: sorted((a) => a.k as number, (a) => a.largest as boolean), // prettier-ignore
  sort: sorted((_, n) => n, (a) => a.descending as boolean), // prettier-ignore
  planeUnpool: unpool,
});
