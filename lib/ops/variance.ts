/** Variance and standard deviation. */
import { kernel } from '../native/launch.js';
import { numelOf, wrapDims } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { overload } from '../op/overload.js';
import type { Overload } from '../op/schema.js';
import { floatOnly, reduce, withDims, type Dims } from '../op/reduce.js';
import { where } from './arithmetic.js';

const K = {
  var: kernel('var'),
  std: kernel('std'),
};

const correctionOf = (call: { correction: number | null; unbiased: boolean }): number =>
  call.correction ?? (call.unbiased ? 1 : 0);
/** The forward of var and std. */
const spread =
  (call: 'var' | 'std') =>
  (x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null): Tensor => {
    floatOnly(call, x);
    const dims = wrapDims(call, dim, x.shape.length);
    return reduce(K[call], call, x, dims, keepdim, x.code, x.code, [correctionOf({ correction, unbiased })]);
  };
const varianceBackward = (grad: Tensor, x: Tensor, dim: Dims, keepdim: boolean, correction: number): Tensor => {
  const dims = wrapDims('var', dim, x.shape.length);
  const n = numelOf(dims.map((i) => x.shape[i]!));
  const g = withDims(grad, x.shape, dim, keepdim);
  return g.mul(2 / Math.max(n - correction, 0)).mul(x.sub(x.mean(dims, true)));
};

const varUnbiased = defineOp('var(Tensor self, bool unbiased)', (): OpDef => ({
  forward: (x: Tensor, unbiased: boolean) => varDims(x, null, unbiased),
  composite: true,
}));
const stdUnbiased = defineOp('std(Tensor self, bool unbiased)', (): OpDef => ({
  forward: (x: Tensor, unbiased: boolean) => stdDims(x, null, unbiased),
  composite: true,
}));
/** Variance of all elements or over dims, with n − correction (1 unless unbiased is false) in the denominator. See torch.var. */
const varDims = defineOp(
  'var(Tensor self, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null)',
  (): OpDef => ({
    forward: spread('var'),
    backward: {
      self: d('self', (grad, x, call) => varianceBackward(grad, x, call.dim, call.keepdim, correctionOf(call))),
    },
  }),
);

/** Standard deviation; as var. See torch.std. */
const stdDims = defineOp(
  'std(Tensor self, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null)',
  (): OpDef => ({
    forward: spread('std'),
    backward: {
      self: d('self', 'result', (grad, x, y, call) =>
        varianceBackward(where(y.eq(0), 0, grad.div(y.mul(2))), x, call.dim, call.keepdim, correctionOf(call)),
      ),
    },
  }),
);
/**
 * Variance of all elements or over dims, with n − correction (1 unless unbiased is false) in the denominator; also
 * var(t, unbiased). See torch.var.
 */
const variance: Overload<'var', typeof varDims, typeof varUnbiased> = overload('var', varDims, varUnbiased);
export { variance as var };
/** Standard deviation; as var. See torch.std. */
export const std: Overload<'std', typeof stdDims, typeof stdUnbiased> = overload('std', stdDims, stdUnbiased);
/** Variance and mean. See torch.var_mean. */
const varMeanDims = defineOp(
  'varMean(Tensor input, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null) -> (var, mean)',
  (): OpDef => ({
    forward: (x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null) => [
      variance(x, dim, unbiased, keepdim, { correction }),
      x.mean(dim, keepdim),
    ],
    composite: true,
  }),
);
/** Standard deviation and mean. See torch.std_mean. */
const stdMeanDims = defineOp(
  'stdMean(Tensor input, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null) -> (std, mean)',
  (): OpDef => ({
    forward: (x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null) => [
      x.std(dim, unbiased, keepdim, { correction }),
      x.mean(dim, keepdim),
    ],
    composite: true,
  }),
);

const varMeanUnbiased = defineOp('varMean(Tensor input, bool unbiased) -> (var, mean)', (): OpDef => ({
  forward: (x: Tensor, unbiased: boolean) => varMeanDims(x, null, unbiased),
  composite: true,
}));
const stdMeanUnbiased = defineOp('stdMean(Tensor input, bool unbiased) -> (std, mean)', (): OpDef => ({
  forward: (x: Tensor, unbiased: boolean) => stdMeanDims(x, null, unbiased),
  composite: true,
}));
/** Variance and mean; also varMean(t, unbiased). See torch.var_mean. */
export const varMean: Overload<'varMean', typeof varMeanDims, typeof varMeanUnbiased> = overload(
  'varMean',
  varMeanDims,
  varMeanUnbiased,
);
/** Standard deviation and mean; also stdMean(t, unbiased). See torch.std_mean. */
export const stdMean: Overload<'stdMean', typeof stdMeanDims, typeof stdMeanUnbiased> = overload(
  'stdMean',
  stdMeanDims,
  stdMeanUnbiased,
);
