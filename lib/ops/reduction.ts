/** Reductions: sum, mean, extrema and their like over all elements or some dims. */
import { TenfoldError, show } from '../errors.js';
import { COMPUTE, Code, DTYPES, codeOf, isFloatCode, type DType } from '../dtype.js';
import { frame, kernel, launch, launchRaw, type Kernel } from '../native/launch.js';
import { SCALAR_SHAPE, numelOf, wrapDim, wrapDims, type Shape } from '../tensor/shape.js';
import { Tensor, addressOf } from '../tensor/tensor.js';
import { d, defineOp, overload, type OpDef } from '../op/define.js';
import { maximum, minimum, where } from './arithmetic.js';
import { cat } from './joining.js';

type Dims = number | readonly number[] | null;

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
  var: kernel('var'),
  std: kernel('std'),
  logsumexp: kernel('logsumexp'),
  norm: kernel('norm'),
  sumAbs: kernel('sumAbs'),
  sumPow: kernel('sumPow'),
  maxAbs: kernel('maxAbs'),
  minAbs: kernel('minAbs'),
  cumsum: kernel('cumsum'),
  cumprod: kernel('cumprod'),
  logcumsumexp: kernel('logcumsumexp'),
  cummax: kernel('cummax'),
  cummin: kernel('cummin'),
};

/** A dense tensor seen as [outer, reduce, inner]. */
interface Block {
  source: Tensor;
  outer: number;
  reduce: number;
  inner: number;
}

/** Shape after a reduction over sorted dims. */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): readonly number[] {
  if (dims.length === shape.length && !keepdim) return SCALAR_SHAPE;
  const out: number[] = [];
  let next = 0; // dims are sorted
  for (let i = 0; i < shape.length; i++) {
    if (next < dims.length && dims[next] === i) {
      next++;
      if (keepdim) out.push(1);
    } else out.push(shape[i]!);
  }
  return out;
}

/**
 * Brings the reduced dims together. Dims that lie behind each other in a dense tensor need no copy; else the tensor is
 * copied with the reduced dims last.
 */
export function asBlock(x: Tensor, dims: readonly number[]): Block {
  const { shape } = x;
  const n = shape.length;
  if (dims.length === n) return { source: x.dense ? x : x.rawClone(), outer: 1, reduce: x.count, inner: 1 };
  let adjacent = true;
  for (let i = 1; i < dims.length && adjacent; i++) adjacent = between(shape, dims[i - 1]!, dims[i]!);
  if (adjacent) {
    const block: Block = { source: x.dense ? x : x.rawClone(), outer: 1, reduce: 1, inner: 1 };
    const first = dims.length > 0 ? dims[0]! : n;
    const last = dims.length > 0 ? dims[dims.length - 1]! : n - 1;
    for (let i = 0; i < first; i++) block.outer *= shape[i]!;
    for (let i = 0; i < dims.length; i++) block.reduce *= shape[dims[i]!]!;
    for (let i = last + 1; i < n; i++) block.inner *= shape[i]!;
    return block;
  }
  const kept = shape.map((_, i) => i).filter((i) => !dims.includes(i));
  const source = x.stridedView(
    [...kept, ...dims].map((i) => shape[i]!),
    [...kept, ...dims].map((i) => x.strides[i]!),
    x.offset,
  );
  return {
    source: source.rawClone(),
    outer: numelOf(kept.map((i) => shape[i]!)),
    reduce: numelOf(dims.map((i) => shape[i]!)),
    inner: 1,
  };
}
// Whether only dims of size 1 lie between two dims.
function between(shape: Shape, a: number, b: number): boolean {
  for (let i = a + 1; i < b; i++) if (shape[i] !== 1) return false;
  return true;
}

/** Runs a reduction; `compute` is the dtype the kernel works in, `outCode` that of the result. */
export function reduce(
  k: Kernel,
  call: string,
  x: Tensor,
  dims: readonly number[],
  keepdim: boolean,
  compute: Code,
  outCode: Code,
  params: readonly number[] = [],
  index: Tensor | null = null,
): Tensor {
  const id = k[COMPUTE[compute]!]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${DTYPES[compute]}`);
  const kernelOut = outCode === Code.f16 || outCode === Code.bf16 ? Code.f32 : outCode;
  const block = asBlock(x, dims);
  const out = Tensor.raw(reducedShape(x.shape, dims, keepdim), kernelOut);
  frame[0] = id;
  frame[1] = block.outer;
  frame[2] = block.reduce;
  frame[3] = block.inner;
  frame[4] = addressOf(block.source);
  frame[5] = block.source.code;
  frame[6] = addressOf(out);
  frame[7] = index === null ? 0 : addressOf(index);
  for (let i = 0; i < params.length; i++) frame[8 + i] = params[i]!;
  launch();
  return kernelOut === outCode ? out : out.to(DTYPES[outCode]!);
}

/** A reduced tensor's gradient with its dims back, so that it broadcasts to the input. */
export function withDims(grad: Tensor, shape: Shape, dim: Dims, keepdim: boolean): Tensor {
  if (keepdim || shape.length === 0) return grad;
  let out = grad;
  for (const i of wrapDims('backward', dim, shape.length)) out = out.unsqueeze(i);
  return out;
}

const sumCode = (x: Tensor, dtype: DType | null, call: string): Code =>
  dtype !== null ? codeOf(call, dtype) : isFloatCode(x.code) ? x.code : Code.i64;

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

const floatOnly = (call: string, x: Tensor): void => {
  if (!isFloatCode(x.code)) throw new TenfoldError('dtype', `${call}: needs a floating-point dtype, got ${x.dtype}`);
};
const notEmpty = (call: string, x: Tensor, dims: readonly number[]): void => {
  if (dims.some((i) => x.shape[i] === 0)) {
    throw new RangeError(
      `${call}: nothing to reduce: shape [${x.shape}] has size 0 at a reduced dim, and no identity exists`,
    );
  }
};

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

/** Values with the names PyTorch's named tuples have. */
export const named = <N extends string>(names: readonly N[], tensors: Tensor[]): Tensor[] & Record<N, Tensor> =>
  Object.assign(tensors, Object.fromEntries(names.map((n, i) => [n, tensors[i]!])) as Record<N, Tensor>);

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
      return named(['values', 'indices'], [reduceKept(K[name], name, x, dims, keepdim, indices), indices]);
    },
    backward: {
      self: d('result1', (grads, indices, call) =>
        valuesAt(grads[0], call.self.shape, call.dim, indices, call.keepdim),
      ),
    },
  });
};
/** Gradient of elements picked by an index along a dim: zeros of the input's shape with the gradient at the index. */
export function valuesAt(grad: Tensor, shape: Shape, dim: number, indices: Tensor, keepdim: boolean): Tensor {
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
/** Result of a reduction that also says where. */
export type ValuesAndIndices = Tensor[] & { values: Tensor; indices: Tensor };
/** Calls that max and min take. */
export interface Extremum {
  (input: Tensor): Tensor;
  (input: Tensor, other: Tensor): Tensor;
  (input: Tensor, dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesAndIndices;
  (input: Tensor, options: { dim: number; keepdim?: boolean }): ValuesAndIndices;
  (input: Tensor, options: { other: Tensor }): Tensor;
}
/** Methods that have several forms; the ops' schemas type the others. */
export interface OverloadedMethods {
  max(): Tensor;
  max(other: Tensor): Tensor;
  max(dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesAndIndices;
  max(options: { dim: number; keepdim?: boolean }): ValuesAndIndices;
  min(): Tensor;
  min(other: Tensor): Tensor;
  min(dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesAndIndices;
  min(options: { dim: number; keepdim?: boolean }): ValuesAndIndices;
}
/**
 * max(t): the largest element. max(t, dim): { values, indices } along a dim, the first index among equals. max(a, b):
 * elementwise. NaN wins. See torch.max.
 */
export const max: Extremum = overload('max', maxAll, maxDim, maximum);
/** As max, for the smallest. See torch.min. */
export const min: Extremum = overload('min', minAll, minDim, minimum);

/** Smallest and largest, over all elements or one dim. See torch.aminmax. */
export const aminmax = defineOp(
  'aminmax(Tensor self, *, int? dim=null, bool keepdim=false) -> (min, max)',
  (): OpDef => ({
    forward(x: Tensor, dim: number | null, keepdim: boolean) {
      notEmpty('aminmax', x, wrapDims('aminmax', dim, x.shape.length));
      const both = [x.amin(dim, keepdim), x.amax(dim, keepdim)];
      return named(['min', 'max'], x.shape.length === 0 && keepdim ? both.map((t) => t.reshape([1])) : both);
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
      launchRaw(id, b.outer, b.reduce, b.inner, addressOf(b.source), b.source.code, addressOf(indices), 0);
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
      const dims = wrapDims(name, dim, x.shape.length);
      const b = asBlock(source, dims);
      const out = Tensor.raw(reducedShape(x.shape, dims, keepdim), Code.bool);
      launchRaw(id, b.outer, b.reduce, b.inner, addressOf(b.source), Code.bool, addressOf(out), 0);
      return x.code === Code.u8 ? out.to('uint8') : out; // uint8 stays uint8, as in PyTorch
    },
    differentiable: false,
  });
};
/** Whether any element is not zero, over all or one dim. See torch.any. */
export const any = defineOp('any(Tensor self, int? dim=null, bool keepdim=false)', logical('any'));
/** Whether all elements are not zero, over all or one dim. See torch.all. */
export const all = defineOp('all(Tensor self, int? dim=null, bool keepdim=false)', logical('all'));

/** Number of elements that are not zero. See torch.count_nonzero. */
export const countNonzero = defineOp('countNonzero(Tensor self, int[]? dim=null)', (): OpDef => ({
  forward(x: Tensor, dim: Dims) {
    const source = x.code === Code.bool ? x : x.to('bool');
    const dims = wrapDims('countNonzero', dim, x.shape.length);
    const b = asBlock(source, dims);
    const out = Tensor.raw(reducedShape(x.shape, dims, false), Code.i64);
    launchRaw(
      K.countNonzero[Code.bool]!,
      b.outer,
      b.reduce,
      b.inner,
      addressOf(b.source),
      Code.bool,
      addressOf(out),
      0,
    );
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

interface Spread {
  dims: readonly number[];
  correction: number;
}
function spread(call: string, x: Tensor, dim: Dims, unbiased: boolean, correction: number | null): Spread {
  floatOnly(call, x);
  return { dims: wrapDims(call, dim, x.shape.length), correction: correction ?? (unbiased ? 1 : 0) };
}
const varianceBackward = (grad: Tensor, x: Tensor, dim: Dims, keepdim: boolean, correction: number): Tensor => {
  const dims = wrapDims('var', dim, x.shape.length);
  const n = numelOf(dims.map((i) => x.shape[i]!));
  const g = withDims(grad, x.shape, dim, keepdim);
  return g.mul(2 / Math.max(n - correction, 0)).mul(x.sub(x.mean(dims, true)));
};
const correctionOf = (call: { correction: number | null; unbiased: boolean }): number =>
  call.correction ?? (call.unbiased ? 1 : 0);

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
    forward(x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null) {
      const s = spread('var', x, dim, unbiased, correction);
      return reduce(K.var, 'var', x, s.dims, keepdim, x.code, x.code, [s.correction]);
    },
    backward: {
      self: d('self', (grad, x, call) => varianceBackward(grad, x, call.dim, call.keepdim, correctionOf(call))),
    },
  }),
);

/** Standard deviation; as var. See torch.std. */
const stdDims = defineOp(
  'std(Tensor self, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null)',
  (): OpDef => ({
    forward(x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null) {
      const s = spread('std', x, dim, unbiased, correction);
      return reduce(K.std, 'std', x, s.dims, keepdim, x.code, x.code, [s.correction]);
    },
    backward: {
      self: d('self', 'result', (grad, x, y, call) =>
        varianceBackward(where(y.eq(0), 0, grad.div(y.mul(2))), x, call.dim, call.keepdim, correctionOf(call)),
      ),
    },
  }),
);
type Unbiased = (input: Tensor, unbiased: boolean) => Tensor;
/**
 * Variance of all elements or over dims, with n − correction (1 unless unbiased is false) in the denominator; also
 * var(t, unbiased). See torch.var.
 */
const variance: typeof varDims & Unbiased = Object.assign(
  overload<(...args: unknown[]) => Tensor>('var', varDims, varUnbiased),
  {
    schema: varDims.schema,
  },
) as never;
export { variance as var };
/** Standard deviation; as var. See torch.std. */
export const std: typeof stdDims & Unbiased = Object.assign(
  overload<(...args: unknown[]) => Tensor>('std', stdDims, stdUnbiased),
  {
    schema: stdDims.schema,
  },
) as never;
/** Variance and mean. See torch.var_mean. */
const varMeanDims = defineOp(
  'varMean(Tensor input, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null) -> (var, mean)',
  (): OpDef => ({
    forward: (x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null) =>
      named(['var', 'mean'], [variance(x, dim, unbiased, keepdim, { correction }), x.mean(dim, keepdim)]),
    composite: true,
  }),
);
/** Standard deviation and mean. See torch.std_mean. */
const stdMeanDims = defineOp(
  'stdMean(Tensor input, int[]? dim=null, bool unbiased=true, bool keepdim=false, *, float? correction=null) -> (std, mean)',
  (): OpDef => ({
    forward: (x: Tensor, dim: Dims, unbiased: boolean, keepdim: boolean, correction: number | null) =>
      named(['std', 'mean'], [x.std(dim, unbiased, keepdim, { correction }), x.mean(dim, keepdim)]),
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
export const varMean: typeof varMeanDims & ((input: Tensor, unbiased: boolean) => ReturnType<typeof varMeanDims>) =
  overload('varMean', varMeanDims, varMeanUnbiased);
/** Standard deviation and mean; also stdMean(t, unbiased). See torch.std_mean. */
export const stdMean: typeof stdMeanDims & ((input: Tensor, unbiased: boolean) => ReturnType<typeof stdMeanDims>) =
  overload('stdMean', stdMeanDims, stdMeanUnbiased);

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

/**
 * Vector norm over all elements or dims: ord 2 (Euclidean), 1, ±Infinity, 0 (number of non-zeros), or any p. See
 * torch.linalg.vector_norm.
 */
export const vectorNorm = defineOp(
  'vectorNorm(Tensor input, float ord=2, int[]? dim=null, bool keepdim=false, *, dtype? dtype=null)',
  (): OpDef => ({
    forward(x: Tensor, ord: number, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const source = dtype === null ? x : x.to(dtype);
      floatOnly('vectorNorm', source);
      const dims = wrapDims('vectorNorm', dim, x.shape.length);
      const run = (k: Kernel, params: number[] = []): Tensor =>
        reduce(k, 'vectorNorm', source, dims, keepdim, source.code, source.code, params);
      if (ord === 2) return run(K.norm);
      if (ord === 1) return run(K.sumAbs);
      if (ord === Infinity || ord === -Infinity) {
        notEmpty('vectorNorm', x, dims);
        return run(ord > 0 ? K.maxAbs : K.minAbs);
      }
      if (ord === 0) return source.ne(0).sum(dims, keepdim).to(source.dtype);
      return run(K.sumPow, [ord]).pow(1 / ord);
    },
    backward: {
      input: d('input', 'result', (grad, x, y, call) => normBackward(grad, x, y, call.ord, call.dim, call.keepdim)),
    },
    gradName: 'LinalgVectorNormBackward0',
  }),
);
function normBackward(grad: Tensor, x: Tensor, y: Tensor, p: number, dim: Dims, keepdim: boolean): Tensor {
  const g = withDims(grad, x.shape, dim, keepdim);
  const n = withDims(y, x.shape, dim, keepdim);
  if (p === 0) return x.mul(0);
  if (p === 1) return g.mul(x.sign());
  if (p === 2) return where(n.eq(0), 0, x.mul(g.div(n)));
  if (Math.abs(p) === Infinity) {
    const mask = x.abs().eq(n).logicalOr(x.isnan().logicalAnd(n.isnan()));
    return x
      .sign()
      .mul(mask)
      .mul(g.div(mask.sum(wrapDims('norm', dim, x.shape.length), true)));
  }
  const scale = g.div(n.pow(p - 1));
  if (p < 1)
    return where(
      x.eq(0).logicalOr(n.eq(0)),
      0,
      x
        .sign()
        .mul(x.abs().pow(p - 1))
        .mul(scale),
    );
  if (p < 2)
    return where(
      n.eq(0),
      0,
      x
        .sign()
        .mul(x.abs().pow(p - 1))
        .mul(scale),
    );
  return where(n.eq(0), 0, x.mul(x.abs().pow(p - 2)).mul(scale));
}
/**
 * Norm of all elements or over dims; p is a number, 'fro' (2), Infinity or -Infinity ('nuc' is in linalg). See
 * torch.norm.
 */
export const norm = defineOp(
  "norm(Tensor self, any p='fro', int[]? dim=null, bool keepdim=false, dtype? dtype=null)",
  (): OpDef => ({
    forward(x: Tensor, p: unknown, dim: Dims, keepdim: boolean, dtype: DType | null) {
      const ord = p === 'fro' || p === null ? 2 : p === 'inf' ? Infinity : p === '-inf' ? -Infinity : p;
      if (p === 'nuc')
        throw new TenfoldError('value', "norm: the nuclear norm ('nuc') needs singular values, which aren't there yet");
      if (typeof ord !== 'number') throw new TypeError(`norm: p must be a number or 'fro', got ${show(p)}`);
      return vectorNorm(x, ord, dim, keepdim, { dtype });
    },
    backward: {
      self: d('self', 'result', (grad, x, y, call) => {
        const p =
          call.p === 'fro' || call.p === null
            ? 2
            : call.p === 'inf'
              ? Infinity
              : call.p === '-inf'
                ? -Infinity
                : call.p;
        return normBackward(grad, x, y, p, call.dim, call.keepdim);
      }),
    },
    gradName: 'NormBackward1',
  }),
);

// ---- running reductions --------------------------------------------------------------------------------------------

function scan(k: Kernel, call: string, x: Tensor, dim: number, index: Tensor | null = null): Tensor {
  const at = wrapDim(call, dim, x.shape.length);
  const id = k[COMPUTE[x.code]!]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${x.dtype}`);
  const compute = COMPUTE[x.code]!;
  const source = x.code === compute ? (x.dense ? x : x.rawClone()) : x.to(DTYPES[compute]!).contiguous();
  const out = Tensor.raw(x.shape, compute);
  const n = x.shape.length === 0 ? 1 : x.shape[at]!;
  launchRaw(
    id,
    numelOf(x.shape.slice(0, at)),
    n,
    numelOf(x.shape.slice(at + 1)),
    addressOf(source),
    addressOf(out),
    index === null ? 0 : addressOf(index),
  );
  return compute === x.code ? out : out.to(x.dtype);
}
const running = (name: 'cumsum' | 'cumprod', backward: OpDef['backward']): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: number, dtype: DType | null) {
      const code = sumCode(x, dtype, name);
      return scan(K[name], name, x.code === code ? x : x.to(DTYPES[code]!), dim);
    },
    backward: backward!,
  });
};
const reversedCumsum = (x: Tensor, dim: number): Tensor =>
  x.shape.length === 0 ? x : x.flip(dim).cumsum(dim).flip(dim);

/** Running sum along a dim. Integers give int64. See torch.cumsum. */
export const cumsum = defineOp(
  'cumsum[_](Tensor self, int dim, *, dtype? dtype=null)',
  running('cumsum', { self: d((grad, call) => reversedCumsum(grad, call.dim)) }),
);
/** Running product along a dim. Integers give int64. See torch.cumprod. */
export const cumprod = defineOp(
  'cumprod[_](Tensor self, int dim, *, dtype? dtype=null)',
  running('cumprod', { self: d('self', 'result', (grad, x, y, call) => cumprodBackward(grad, x, y, call.dim)) }),
);
// d y_k / d x_i is the product of x_j for j <= k, j != i: y_k / x_i where x_i is not 0. Where zeros exist, the products
// are formed without dividing, one element at a time.
function cumprodBackward(grad: Tensor, x: Tensor, y: Tensor, dim: number): Tensor {
  if (x.shape.length === 0 || x.numel() === 0) return grad;
  const zeros = x.detach().eq(0).any().item<boolean>();
  if (!zeros && !x.requiresGrad) return reversedCumsum(grad.mul(y), dim).div(x);
  const at = wrapDim('cumprod', dim, x.shape.length);
  const n = x.shape[at]!;
  const parts: Tensor[] = [];
  let before: Tensor | null = null; // product of x_j for j < i
  for (let i = 0; i < n; i++) {
    const ones = x.narrow(at, i, 1).mul(0).add(1);
    const rest = i + 1 < n ? cat([ones, x.narrow(at, i + 1, n - i - 1)], at).cumprod(at) : ones;
    const part: Tensor = rest.mul(grad.narrow(at, i, n - i)).sum(at, true);
    parts.push(before === null ? part : part.mul(before));
    before = before === null ? x.narrow(at, i, 1) : before.mul(x.narrow(at, i, 1));
  }
  return cat(parts, at);
}
/** Running log Σ eˣ along a dim. See torch.logcumsumexp. */
export const logcumsumexp = defineOp('logcumsumexp(Tensor self, int dim)', (): OpDef => ({
  forward(x: Tensor, dim: number) {
    floatOnly('logcumsumexp', x);
    return scan(K.logcumsumexp, 'logcumsumexp', x, dim);
  },
  backward: {
    // Positive and negative gradients apart, in logarithms, so that nothing overflows.
    self: d('self', 'result', (grad, x, y, call) => {
      const empty = y.eq(-Infinity); // no term yet: nothing to differentiate
      const part = (g: Tensor): Tensor => {
        const there = g.gt(0).logicalAnd(empty.logicalNot());
        const log = where(
          there,
          where(there, g, 1)
            .log()
            .sub(where(there, y, 0)),
          -Infinity,
        );
        const sums = x.shape.length === 0 ? log : log.flip(call.dim).logcumsumexp(call.dim).flip(call.dim);
        return sums.add(x).exp();
      };
      return part(grad).sub(part(grad.neg()));
    }),
  },
}));
const runningExtreme = (name: 'cummax' | 'cummin'): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: number) {
      const indices = Tensor.raw(x.shape, Code.i64);
      return named(['values', 'indices'], [scan(K[name], name, x, dim, indices), indices]);
    },
    backward: {
      self: d('result1', (grads, indices, call) =>
        call.self.shape.length === 0
          ? grads[0]
          : Tensor.zeros(call.self.shape, grads[0].code).scatterAdd(
              wrapDim(name, call.dim, call.self.shape.length),
              indices,
              grads[0],
            ),
      ),
    },
  });
};
/** Running maximum along a dim, and its index. See torch.cummax. */
export const cummax = defineOp('cummax(Tensor self, int dim) -> (values, indices)', runningExtreme('cummax'));
/** Running minimum along a dim, and its index. See torch.cummin. */
export const cummin = defineOp('cummin(Tensor self, int dim) -> (values, indices)', runningExtreme('cummin'));
