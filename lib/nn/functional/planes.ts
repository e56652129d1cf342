/** Planes, which are the last dims of a tensor: reading and writing them at places, and running kernels on them. */
import { TenfoldError } from '../../errors.js';
import { COMPUTE, Code, DTYPES, isFloatCode } from '../../dtype.js';
import { run } from '../../launch/run.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { numelOf, type Shape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { spatial } from './windows.js';

type Ints = readonly number[];

const PLANE_SCATTER = kernel('planeScatter');
const PLANE_UNPOOL = kernel('planeUnpool');
const PLANE_GATHER = kernel('planeGather');

/** A tensor as kernels read it: dense, and of the dtype they compute in. */
export function computed(call: string, k: Kernel, x: Tensor): { t: Tensor; id: number } {
  const code = isFloatCode(x.code) ? COMPUTE[x.code]! : Code.i64;
  const id = k[code]!;
  if (id < 0 || x.code === Code.bool) throw new TenfoldError('dtype', `${call}: not defined for ${x.dtype}`);
  return { t: x.code !== code ? x.to(DTYPES[code]!) : x.rawDense(), id };
}
export const back = (t: Tensor, like: Tensor): Tensor => (t.code === like.code ? t : t.to(like.dtype));
/** Places of maxima are int32 where values are float32, which halves what training keeps. */
export const placesCode = (values: Tensor): Code => (values.code === Code.f32 ? Code.i32 : Code.i64);

/** Leading dims and the last `n` ones replaced by `size`. */
export const resized = (shape: Shape, size: Ints): number[] => [...shape.slice(0, shape.length - size.length), ...size];
export const planesOf = (shape: Shape, n: number): number => numelOf(shape.slice(0, shape.length - n));

/** Planes of `from` may share planes of `places`, which then has a channel dim of 1. */
function runIndexed(
  call: string,
  k: Kernel,
  from: Tensor,
  places: Tensor,
  n: number,
  few: number,
  many: number,
  shape: Shape,
): Tensor {
  const { t, id } = computed(call, k, from);
  const shared = planesOf(shape, n) / planesOf(places.shape, n);
  const at = places.rawDense();
  // Values for planes without an element: none of their places can be right.
  if (many === 0 && at.count > 0) throw new RangeError(`${call}: index out of range for a plane of 0 elements`);
  const out = Tensor.raw(shape, t.code);
  if (out.count > 0) {
    run(id, planesOf(shape, n), few, many, t, at, at.code === Code.i64, shared, out);
  }
  return back(out, from);
}
/** Elements of planes, the last n dims, at places in them. */
export const planeGather = defineOp('planeGather(Tensor input, Tensor places, int n)', (): OpDef => ({
  forward(input: Tensor, places: Tensor, n: number) {
    const [few, many] = [numelOf(spatial(places.shape, n)), numelOf(spatial(input.shape, n))];
    return runIndexed(
      'planeGather',
      PLANE_GATHER,
      input,
      places,
      n,
      few,
      many,
      resized(input.shape, spatial(places.shape, n)),
    );
  },
  backward: {
    input: d('places', (grad, places, c) => planeScatter(grad, places, spatial(c.input.shape, c.n))),
  },
}));
/** Planes of `size` that are 0 but for what is added at places. */
export const planeScatter = defineOp('planeScatter(Tensor input, Tensor places, int[] size)', (): OpDef => ({
  forward(input: Tensor, places: Tensor, size: Ints) {
    const n = size.length;
    const few = numelOf(spatial(places.shape, n));
    return runIndexed('planeScatter', PLANE_SCATTER, input, places, n, few, numelOf(size), resized(input.shape, size));
  },
  backward: { input: d('places', (grad, places, c) => planeGather(grad, places, c.size.length)) },
}));
/** Planes of `size` that are 0 but for the last value that is put at each place. */
export const planeUnpool = defineOp('planeUnpool(Tensor input, Tensor places, int[] size)', (): OpDef => ({
  forward(input: Tensor, places: Tensor, size: Ints) {
    const n = size.length;
    const few = numelOf(spatial(places.shape, n));
    return runIndexed('maxUnpool', PLANE_UNPOOL, input, places, n, few, numelOf(size), resized(input.shape, size));
  },
  backward: { input: d('places', (grad, places, c) => planeGather(grad, places, c.size.length)) },
  gradName: 'MaxUnpool2DBackward0',
}));
