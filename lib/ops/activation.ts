/** Activations that PyTorch has at its top level and as methods; the others are in lib/nn/functional/activation.ts. */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES, isFloatCode, type DType } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel, type Kernel } from '../native/launch.js';
import { wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, zeroGradient, type OpDef } from '../op/define.js';
import { To, elementwise, unary } from '../op/elementwise.js';

const RELU = kernel('relu');
const RELU_BACKWARD = kernel('reluBackward');
/** grad where the result of relu (or its input) is positive, in one pass. */
const reluBackward = defineOp('reluBackward(Tensor grad, Tensor result)', (): OpDef => ({
  forward: (grad: Tensor, y: Tensor) => elementwise(RELU_BACKWARD, 'reluBackward', [grad, y], y.code),
  backward: { grad: d('result', (g, y) => reluBackward(g, y)), result: zeroGradient },
}));
/** max(x, 0); the derivative at 0 is 0. See torch.relu. */
export const relu = defineOp('relu[_](Tensor self)', (): OpDef => ({
  forward: (x: Tensor, into?: Tensor) => unary(RELU, 'relu', x, To.same, undefined, into),
  backward: { self: d('result', (grad, y) => reluBackward(grad, y)) },
}));

// ---- softmax ---------------------------------------------------------------------------------------------------------

const SOFTMAX = kernel('softmax');
const SOFTMAX_BACKWARD = kernel('softmaxBackward');
const LOG_SOFTMAX = kernel('logSoftmax');
const LOG_SOFTMAX_BACKWARD = kernel('logSoftmaxBackward');

/** Dense tensors with `dim` last, as the row kernels take them. */
const lastDim = (x: Tensor, dim: number): Tensor => {
  const moved = dim === x.shape.length - 1 || x.shape.length === 0 ? x : x.transpose(dim, -1);
  return moved.rawDense();
};
/** Runs a kernel over the rows along `dim`: numbers of rows and columns, the inputs, the output. */
function alongRows(k: Kernel, call: string, dim: number, inputs: readonly Tensor[]): Tensor {
  const [x] = inputs as [Tensor];
  const code = x.code === Code.f16 || x.code === Code.bf16 ? Code.f32 : x.code;
  const id = k[code]!;
  if (id < 0 || !isFloatCode(code))
    throw new TenfoldError('dtype', `${call}: needs a floating-point dtype, got ${x.dtype}; give { dtype: 'float32' }`);
  const at = wrapDim(call, dim, x.shape.length);
  const rows = inputs.map((t) => lastDim(t.code === code ? t : t.to(DTYPES[code]!), at));
  const n = x.shape.length === 0 ? 1 : x.shape[at]!;
  const out = Tensor.raw(rows[0]!.shape, code);
  if (out.count > 0) run(id, out.count / n, n, ...rows, out);
  const back = at === x.shape.length - 1 || x.shape.length === 0 ? out : out.transpose(at, -1).rawClone();
  return back.code === x.code ? back : back.to(x.dtype);
}

/** y (grad − Σ grad y) along dim. */
const softmaxBackward = defineOp('softmaxBackward(Tensor grad, Tensor result, int dim)', (): OpDef => ({
  forward: (grad: Tensor, y: Tensor, dim: number) => alongRows(SOFTMAX_BACKWARD, 'softmaxBackward', dim, [grad, y]),
  backward: {
    grad: d('result', (g, y, call) => softmaxBackward(g, y, call.dim)),
    result: d('grad', 'result', (g, grad, y, call) =>
      g.mul(grad.sub(grad.mul(y).sum(call.dim, true))).sub(grad.mul(g.mul(y).sum(call.dim, true))),
    ),
  },
}));
/** eˣ over its sum along dim; `dtype` casts first. See torch.softmax. */
export const softmax = defineOp('softmax(Tensor self, int dim, dtype? dtype=null)', (): OpDef => ({
  forward: (x: Tensor, dim: number, dtype: DType | null) =>
    alongRows(SOFTMAX, 'softmax', dim, [dtype === null ? x : x.to(dtype)]),
  backward: { self: d('result', (grad, y, call) => softmaxBackward(grad, y, call.dim)) },
}));

/** grad − eʸ Σ grad along dim. */
const logSoftmaxBackward = defineOp('logSoftmaxBackward(Tensor grad, Tensor result, int dim)', (): OpDef => ({
  forward: (grad: Tensor, y: Tensor, dim: number) =>
    alongRows(LOG_SOFTMAX_BACKWARD, 'logSoftmaxBackward', dim, [grad, y]),
  backward: {
    grad: d('result', (g, y, call) => g.sub(g.mul(y.exp()).sum(call.dim, true))),
    result: d('grad', 'result', (g, grad, y, call) => g.mul(y.exp()).mul(grad.sum(call.dim, true)).neg()),
  },
}));
/** log(softmax(x)), safe for large x; `dtype` casts first. See torch.log_softmax. */
export const logSoftmax = defineOp('logSoftmax(Tensor self, int dim, dtype? dtype=null)', (): OpDef => ({
  forward: (x: Tensor, dim: number, dtype: DType | null) =>
    alongRows(LOG_SOFTMAX, 'logSoftmax', dim, [dtype === null ? x : x.to(dtype)]),
  backward: { self: d('result', (grad, y, call) => logSoftmaxBackward(grad, y, call.dim)) },
}));
