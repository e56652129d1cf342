/** Reductions: sum, mean, extrema and their like over all elements or some dims. */
import { TenfoldError } from '../errors.js';
import { COMPUTE, Code, DTYPES, codeOf, isFloatCode, type DType } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel, type Kernel } from '../native/launch.js';
import { numelOf, wrapDim, wrapDims, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { overload } from '../op/overload.js';
import type { Overload } from '../op/schema.js';
import { asBlock, floatOnly, notEmpty, reduce, reducedShape, sumCode, withDims, type Dims } from '../op/reduce.js';
import { maximum, minimum } from './arithmetic.js';
import { cat } from './joining.js';

const K = {
  sum: kernel('sum'),
  mean: kernel('mean'),
  prod: kernel('prod'),
  amax: kernel('amax'),
  amin: kernel('amin'),
  max: kernel('max'),
  min: kernel('min'),
  argmax: kernel('argmax'),
  argmin: kernel('argmin'),
  any: kernel('any'),
  all: kernel('all'),
  countNonzero: kernel('countNonzero'),
  nansum: kernel('nansum'),
  logsumexp: kernel('logsumexp'),
};

/**
 * Sum of all elements, or over `dim`. Integers and bool give int64; `dtype` casts first. Adds in PyTorch's order, so
 * float32 results agree to the last digit. See torch.sum.
 */
export const sum = defineOp(
  'sum(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const code = sumCode(x, dtype, 'sum');
      const source = dtype !== null && x.code !== code && isFloatCode(x.code) && !isFloatCode(code) ? x.to(dtype) : x;
      const compute = isFloatCode(code) ? code : Code.i64;
      const out = reduce(K.sum, 'sum', source, wrapDims('sum', dim, x.shape.length), keepdim, compute, compute);
      return out.code === code ? out : out.to(DTYPES[code]!);
    },
    backward: {
      self: d((grad, call) => withDims(grad, call.self.shape, call.dim, call.keepdim).expand(call.self.shape)),
    },
  }),
);

/** Mean of all elements, or over `dim`; floating-point dtypes, or give `dtype`. See torch.mean. */
export const mean = defineOp(
  'mean(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const code = dtype === null ? x.code : codeOf('mean', dtype);
      if (!isFloatCode(code)) {
        throw new TenfoldError(
          'dtype',
          `mean: needs a floating-point dtype, got ${DTYPES[code]}; give { dtype: 'float32' }`,
        );
      }
      return reduce(K.mean, 'mean', x, wrapDims('mean', dim, x.shape.length), keepdim, code, code);
    },
    backward: {
      self: d((grad, call) => {
        const { shape } = call.self;
        const n = numelOf(wrapDims('mean', call.dim, shape.length).map((i: number) => shape[i]));
        return withDims(grad, shape, call.dim, call.keepdim).expand(shape).div(n);
      }),
    },
  }),
);

/** Product of all elements, or over one dim. Integers and bool give int64. See torch.prod. */
export const prod = defineOp(
  'prod(Tensor self, int? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, dim: number | null, keepdim: boolean, dtype: DType | null) {
      const code = sumCode(x, dtype, 'prod');
      const source = x.code !== code ? x.to(DTYPES[code]!) : x;
      const compute = isFloatCode(code) ? code : Code.i64;
      const out = reduce(K.prod, 'prod', source, wrapDims('prod', dim, x.shape.length), keepdim, compute, compute);
      return out.code === code ? out : out.to(DTYPES[code]!);
    },
    backward: {
      self: d('self', (grad, x, call) => {
        if (call.dim === null) return grad.mul(productOfOthers(x.reshape([x.numel()]), 0).reshape(x.shape));
        return withDims(grad, x.shape, call.dim, call.keepdim).mul(productOfOthers(x, call.dim));
      }),
    },
  }),
);
// For each element the product of all others along a dim, right where some are zero: prefix times suffix products.
function productOfOthers(x: Tensor, dim: number): Tensor {
  if (x.shape.length === 0) return x.detach().mul(0).add(1);
  const at = wrapDim('prod', dim, x.shape.length);
  const n = x.shape[at]!;
  if (n === 0) return x.clone();
  const one = x.narrow(at, 0, 1).mul(0).nanToNum(0, 0, 0).add(1);
  const before = n === 1 ? one : cat([one, x.narrow(at, 0, n - 1)], at);
  const behind = n === 1 ? one : cat([one, x.flip(at).narrow(at, 0, n - 1)], at);
  return before.cumprod(at).mul(behind.cumprod(at).flip(at));
}

// Elements that equal the extremum share its gradient equally, as amax and amin do in PyTorch.
const shared = (grad: Tensor, x: Tensor, y: Tensor, dim: Dims, keepdim: boolean, nanToo = false): Tensor => {
  const top = withDims(y, x.shape, dim, keepdim);
  // amax's is empty where the extremum is NaN, so its gradient is NaN; max's holds the NaN: as in PyTorch.
  const mask = nanToo ? x.eq(top).logicalOr(x.isnan().logicalAnd(top.isnan())) : x.eq(top);
  const count = mask.sum(wrapDims('amax', dim, x.shape.length), true);
  return withDims(grad, x.shape, dim, keepdim).div(count).mul(mask);
};
const extreme = (name: 'amax' | 'amin'): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: Dims, keepdim: boolean) {
      const dims = wrapDims(name, dim, x.shape.length);
      notEmpty(name, x, dims);
      return reduceKept(K[name], name, x, dims, keepdim);
    },
    backward: { self: d('self', 'result', (grad, x, y, call) => shared(grad, x, y, call.dim, call.keepdim)) },
  });
};
/** A reduction that gives elements of the input: small integers are computed in int32 and come back as they were. */
function reduceKept(
  k: Kernel,
  call: string,
  x: Tensor,
  dims: readonly number[],
  keepdim: boolean,
  index: Tensor | null = null,
): Tensor {
  const compute = COMPUTE[x.code]!;
  const out = reduce(k, call, x, dims, keepdim, compute, compute, [], index);
  return compute === x.code ? out : out.to(x.dtype);
}
/** Largest element, over all or some dims; equal ones share the gradient. NaN wins. See torch.amax. */
export const amax = defineOp('amax(Tensor self, int[]? dim=null, bool keepdim=false)', extreme('amax'));
/** Smallest element, over all or some dims; equal ones share the gradient. NaN wins. See torch.amin. */
export const amin = defineOp('amin(Tensor self, int[]? dim=null, bool keepdim=false)', extreme('amin'));

const extremeAll = (name: 'amax' | 'amin', call: string, gradName: string): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor) {
      const dims = wrapDims(call, null, x.shape.length);
      notEmpty(call, x, dims);
      return reduceKept(K[name], call, x, dims, false);
    },
    backward: { self: d('self', 'result', (grad, x, y) => shared(grad, x, y, null, false, true)) },
    gradName,
  });
};
const extremeDim = (name: 'max' | 'min'): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: number, keepdim: boolean) {
      const dims = wrapDims(name, dim, x.shape.length);
      notEmpty(name, x, dims);
      const indices = Tensor.raw(reducedShape(x.shape, dims, keepdim), Code.i64);
      return [reduceKept(K[name], name, x, dims, keepdim, indices), indices];
    },
    backward: {
      self: d('result1', (grads, indices, call) =>
        valuesAt(grads[0], call.self.shape, call.dim, indices, call.keepdim),
      ),
    },
  });
};
/** Gradient of elements picked by an index along a dim: zeros of the input's shape with the gradient at the index. */
function valuesAt(grad: Tensor, shape: Shape, dim: number, indices: Tensor, keepdim: boolean): Tensor {
  if (shape.length === 0) return grad;
  const at = wrapDim('backward', dim, shape.length);
  const g = keepdim ? grad : grad.unsqueeze(at);
  const i = keepdim ? indices : indices.unsqueeze(at);
  return Tensor.zeros(shape, grad.code).scatter(at, i, g);
}
const maxAll = defineOp('max(Tensor self)', extremeAll('amax', 'max', 'MaxBackward1'));
const minAll = defineOp('min(Tensor self)', extremeAll('amin', 'min', 'MinBackward1'));
const maxDim = defineOp('max(Tensor self, int dim, bool keepdim=false) -> (values, indices)', extremeDim('max'));
const minDim = defineOp('min(Tensor self, int dim, bool keepdim=false) -> (values, indices)', extremeDim('min'));
/**
 * max(t): the largest element. max(t, dim): { values, indices } along a dim, the first index among equals. max(a, b):
 * elementwise. NaN wins. See torch.max.
 */
export const max: Overload<'max', typeof maxAll, typeof maxDim, typeof maximum> = overload(
  'max',
  maxAll,
  maxDim,
  maximum,
);
/** As max, for the smallest. See torch.min. */
export const min: Overload<'min', typeof minAll, typeof minDim, typeof minimum> = overload(
  'min',
  minAll,
  minDim,
  minimum,
);

/** Smallest and largest, over all elements or one dim. See torch.aminmax. */
export const aminmax = defineOp(
  'aminmax(Tensor self, *, int? dim=null, bool keepdim=false) -> (min, max)',
  (): OpDef => ({
    forward(x: Tensor, dim: number | null, keepdim: boolean) {
      notEmpty('aminmax', x, wrapDims('aminmax', dim, x.shape.length));
      return [x.amin(dim, keepdim), x.amax(dim, keepdim)];
    },
    composite: true,
  }),
);

const position = (name: 'argmax' | 'argmin'): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: number | null, keepdim: boolean) {
      const dims = wrapDims(name, dim, x.shape.length);
      notEmpty(name, x, dims);
      const shape = reducedShape(x.shape, dims, keepdim);
      const indices = Tensor.raw(shape, Code.i64);
      const id = K[name][COMPUTE[x.code]!]!;
      const b = asBlock(x, dims);
      run(id, b.outer, b.reduce, b.inner, b.source, b.source.code, indices, null);
      return indices;
    },
    differentiable: false,
  });
};
/** Position of the largest element, of all or along a dim, as int64; the first among equals. See torch.argmax. */
export const argmax = defineOp('argmax(Tensor self, int? dim=null, bool keepdim=false)', position('argmax'));
/** Position of the smallest element, of all or along a dim, as int64. See torch.argmin. */
export const argmin = defineOp('argmin(Tensor self, int? dim=null, bool keepdim=false)', position('argmin'));

const logical = (name: 'any' | 'all'): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: Dims, keepdim: boolean) {
      const source = x.code === Code.bool ? x : x.to('bool');
      const id = K[name][Code.bool]!;
      // Unlike sum's, an empty list of dims here means none of them.
      const none = Array.isArray(dim) && dim.length === 0;
      const dims = none ? [] : wrapDims(name, dim, x.shape.length);
      const b = asBlock(source, dims);
      const out = Tensor.raw(reducedShape(x.shape, dims, keepdim), Code.bool);
      run(id, b.outer, b.reduce, b.inner, b.source, Code.bool, out, null);
      return x.code === Code.u8 ? out.to('uint8') : out; // uint8 stays uint8, as in PyTorch
    },
    differentiable: false,
  });
};
/** Whether any element is not zero, over all or some dims. See torch.any. */
export const any = defineOp('any(Tensor self, int[]? dim=null, bool keepdim=false)', logical('any'));
/** Whether all elements are not zero, over all or some dims. See torch.all. */
export const all = defineOp('all(Tensor self, int[]? dim=null, bool keepdim=false)', logical('all'));

/** Number of elements that are not zero. See torch.count_nonzero. */
export const countNonzero = defineOp('countNonzero(Tensor self, int[]? dim=null)', (): OpDef => ({
  forward(x: Tensor, dim: Dims) {
    const source = x.code === Code.bool ? x : x.to('bool');
    const dims = wrapDims('countNonzero', dim, x.shape.length);
    const b = asBlock(source, dims);
    const out = Tensor.raw(reducedShape(x.shape, dims, false), Code.i64);
    run(K.countNonzero[Code.bool]!, b.outer, b.reduce, b.inner, b.source, Code.bool, out, null);
    return out;
  },
  differentiable: false,
}));

/** Sum that takes NaN for 0. See torch.nansum. */
export const nansum = defineOp(
  'nansum(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null) {
      if (!isFloatCode(x.code)) return x.sum(dim, keepdim, { dtype });
      const code = dtype === null ? x.code : codeOf('nansum', dtype);
      return reduce(K.nansum, 'nansum', x, wrapDims('nansum', dim, x.shape.length), keepdim, code, code);
    },
    backward: {
      self: d('self', (grad, x, call) =>
        withDims(grad, x.shape, call.dim, call.keepdim).expand(x.shape).mul(x.isnan().logicalNot()),
      ),
    },
  }),
);
/** Mean of the elements that are not NaN. See torch.nanmean. */
export const nanmean = defineOp(
  'nanmean(Tensor self, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, dim: Dims, keepdim: boolean, dtype: DType | null) {
      floatOnly('nanmean', x);
      return x.nansum(dim, keepdim, { dtype }).div(x.detach().isnan().logicalNot().sum(dim, keepdim));
    },
    composite: true,
  }),
);

/** log Σ eˣ over dims, without overflow. See torch.logsumexp. */
export const logsumexp = defineOp('logsumexp(Tensor self, int[] dim, bool keepdim=false)', (): OpDef => ({
  forward(x: Tensor, dim: Dims, keepdim: boolean) {
    const source = isFloatCode(x.code) ? x : x.to('float32');
    return reduce(
      K.logsumexp,
      'logsumexp',
      source,
      wrapDims('logsumexp', dim, x.shape.length),
      keepdim,
      source.code,
      source.code,
    );
  },
  backward: {
    self: d('self', 'result', (grad, x, y, call) =>
      withDims(grad, x.shape, call.dim, call.keepdim).mul(x.sub(withDims(y, x.shape, call.dim, call.keepdim)).exp()),
    ),
  },
}));
