/** Random tensors. A seed gives the same numbers each time; other implementations give others for it. */
import { getDefaultDtype, type DType } from '../../dtype.js';
import { empty } from '../../ops/creation.js';
import { Generator } from '../../random/generator.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, table } from '../signature.js';
import { dtypeFor } from '../tensors.js';

/** Calls f with a generator of the seed that a node gives; with none, so that the library's own is taken, otherwise. */
export function manualSeeded(seed: number | null, f: (generator: Generator | null) => Tensor): Tensor {
  if (seed === null) return f(null);
  const generator = new Generator();
  // A seed is a float in ONNX.
  generator.manualSeed(BigInt.asUintN(32, BigInt(Math.trunc(seed * 65536))));
  return f(generator);
}

interface Draw {
  seed: number | null;
}
const normal = (a: Draw & { mean: number; scale: number }, shape: readonly number[], dtype: DType): Tensor =>
  manualSeeded(a.seed, (generator) => empty([...shape], { dtype }).normal_(a.mean, a.scale, { generator }));
const uniform = (a: Draw & { low: number; high: number }, shape: readonly number[], dtype: DType): Tensor =>
  manualSeeded(a.seed, (generator) => empty([...shape], { dtype }).uniform_(a.low, a.high, { generator }));
const dtypeOr = (dtype: number | null, like: Tensor): DType =>
  dtype === null ? (like.isFloatingPoint() ? like.dtype : getDefaultDtype()) : dtypeFor('RandomNormal', dtype);

export const RANDOM = table(
  operator('RandomNormal(; ints shape, int dtype=1, float? seed, float scale=1, float mean=0)', (a) =>
    normal(a, a.shape, dtypeFor('RandomNormal', a.dtype)),
  ),
  operator('RandomNormalLike(Tensor input; int? dtype, float? seed, float scale=1, float mean=0)', (a, x: Tensor) =>
    normal(a, x.shape, dtypeOr(a.dtype, x)),
  ),
  operator('RandomUniform(; ints shape, int dtype=1, float? seed, float high=1, float low=0)', (a) =>
    uniform(a, a.shape, dtypeFor('RandomUniform', a.dtype)),
  ),
  operator('RandomUniformLike(Tensor input; int? dtype, float? seed, float high=1, float low=0)', (a, x: Tensor) =>
    uniform(a, x.shape, dtypeOr(a.dtype, x)),
  ),
  operator('Bernoulli(Tensor input; int? dtype, float? seed)', (a, x: Tensor) =>
    manualSeeded(a.seed, (generator) => x.bernoulli({ generator })).to(
      a.dtype === null ? x.dtype : dtypeFor('Bernoulli', a.dtype),
    ),
  ),
  operator('Multinomial(Tensor input; int dtype=6, float? seed, int sample_size=1)', (a, x: Tensor) =>
    manualSeeded(a.seed, (generator) => x.softmax(-1).multinomial(a.sample_size, true, { generator })).to(
      dtypeFor('Multinomial', a.dtype),
    ),
  ),
);
