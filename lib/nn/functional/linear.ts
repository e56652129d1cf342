/** Linear maps. */
import { TenfoldError } from '../../errors.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { cat } from '../../ops/joining.js';
import { product } from '../../ops/matrix.js';

/** input [m, k] @ weightᵀ [k, n] + bias [n] in one product: the bias is where the accumulation ends. */
const affine = defineOp('affine(Tensor input, Tensor weight, Tensor bias)', (): OpDef => ({
  forward: (input: Tensor, weight: Tensor, bias: Tensor) => product('linear', input, weight.t(), bias.contiguous()),
  backward: {
    input: d('weight', (grad, weight) => grad.mm(weight)),
    weight: d('input', (grad, input) => grad.t().mm(input)),
    bias: d((grad) => grad),
  },
  gradName: 'AddmmBackward0',
}));

/**
 * input [..., in] @ weightᵀ + bias, for weight [out, in] and bias [out]. A weight [in] gives one number for each row. See
 * torch.nn.functional.linear.
 */
export const linear = defineOp('linear(Tensor input, Tensor weight, Tensor? bias=null)', (): OpDef => ({
  forward(input: Tensor, weight: Tensor, bias: Tensor | null) {
    const { shape } = input;
    const inFeatures = weight.shape.at(-1);
    if (weight.shape.length < 1 || weight.shape.length > 2) {
      throw new TenfoldError('shape', `linear: weight must be [out, in] or [in], got ${formatShape(weight.shape)}`);
    }
    if (shape.length === 0 || shape.at(-1) !== inFeatures) {
      throw new TenfoldError(
        'shape',
        `linear: input ${formatShape(shape)} doesn't end in the ${inFeatures} features of weight ${formatShape(weight.shape)}`,
      );
    }
    for (const t of [weight, bias]) {
      if (t !== null && t.code !== input.code) {
        throw new TenfoldError(
          'dtype',
          `linear: input, weight and bias must have one dtype, got ${input.dtype} and ${t.dtype}`,
        );
      }
    }
    if (weight.shape.length === 1) {
      const out = input.matmul(weight);
      return bias === null ? out : out.add(bias);
    }
    const outFeatures = weight.shape[0]!;
    if (bias === null) return shape.length === 2 ? input.mm(weight.t()) : input.matmul(weight.t());
    if (bias.shape.length !== 1 || bias.shape[0] !== outFeatures) {
      if (bias.shape.length <= 1 && (bias.count === 1 || bias.shape.length === 0))
        return input.matmul(weight.t()).add(bias);
      throw new TenfoldError('shape', `linear: bias must be [${outFeatures}], got ${formatShape(bias.shape)}`);
    }
    if (shape.length === 2) return affine(input, weight, bias);
    const rows = shape.slice(0, -1);
    return affine(input.reshape([numelOf(rows), inFeatures!]), weight, bias).view([...rows, outFeatures]);
  },
  composite: true,
}));

/** Elements of an intermediate that is made slice by slice. */
const SLICE = 2 ** 20;
/** f(begin, count) of so many of `size` items at a time that `each` elements for one of them don't grow beyond a slice. */
function inSlices(size: number, each: number, f: (begin: number, count: number) => Tensor, dim: number): Tensor {
  const step = Math.max(1, Math.floor(SLICE / Math.max(each, 1)));
  if (step >= size) return f(0, size);
  const slices: Tensor[] = [];
  for (let at = 0; at < size; at += step) slices.push(f(at, Math.min(step, size - at)));
  return cat(slices, dim);
}
// Each is the other's derivative. What lies between two products, [n, out, in], is made in slices and not kept.
/** x1[n]ᵀ weight[o] x2[n] → [n, out], for weight [out, in1, in2]. */
const trilinear = defineOp('trilinear(Tensor x1, Tensor x2, Tensor weight)', (): OpDef => ({
  forward(x1: Tensor, x2: Tensor, weight: Tensor) {
    const [n, in1, in2] = [x1.shape[0]!, x1.shape[1]!, x2.shape[1]!];
    const slice = (begin: number, count: number): Tensor => {
      const turned = weight
        .narrow(0, begin, count)
        .permute(1, 0, 2)
        .reshape([in1, count * in2]);
      const half = x1.mm(turned).view(n, count, in2).mul_(x2.unsqueeze(1));
      const sums = half.sum(2, { dtype: x1.dtype });
      half.dispose();
      return sums;
    };
    return inSlices(weight.shape[0]!, n * in2, slice, 1);
  },
  backward: {
    x1: d('x2', 'weight', (grad, x2, weight) => trilinear(grad, x2, weight.permute(1, 0, 2))),
    x2: d('x1', 'weight', (grad, x1, weight) => trilinear(grad, x1, weight.permute(2, 0, 1))),
    weight: d('x1', 'x2', (grad, x1, x2) => trilinearWeight(grad, x1, x2)),
  },
}));
/** Σ over n of grad[n, o] x1[n, i] x2[n, j] → [out, in1, in2]. */
const trilinearWeight = defineOp('trilinearWeight(Tensor grad, Tensor x1, Tensor x2)', (): OpDef => ({
  forward(grad: Tensor, x1: Tensor, x2: Tensor) {
    const [n, in1, in2] = [x1.shape[0]!, x1.shape[1]!, x2.shape[1]!];
    const slice = (begin: number, count: number): Tensor => {
      const pairs = grad.narrow(1, begin, count).unsqueeze(2).mul(x1.unsqueeze(1));
      const sums = pairs
        .view(n, count * in1)
        .t()
        .mm(x2)
        .view(count, in1, in2);
      pairs.dispose();
      return sums;
    };
    return inSlices(grad.shape[1]!, n * in1, slice, 0);
  },
  backward: {
    grad: d('x1', 'x2', (gradWeight, x1, x2) => trilinear(x1, x2, gradWeight)),
    x1: d('grad', 'x2', (gradWeight, grad, x2) => trilinear(grad, x2, gradWeight.permute(1, 0, 2))),
    x2: d('grad', 'x1', (gradWeight, grad, x1) => trilinear(grad, x1, gradWeight.permute(2, 0, 1))),
  },
}));

/** out[..., o] = x1ᵀ weight[o] x2 + bias[o], for weight [out, in1, in2]. See torch.nn.functional.bilinear. */
export const bilinear = defineOp(
  'bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=null)',
  (): OpDef => ({
    forward(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | null) {
      const [out, in1, in2] = weight.shape as unknown as [number, number, number];
      const rows = x1.shape.slice(0, -1);
      if (
        weight.shape.length !== 3 ||
        x1.shape.at(-1) !== in1 ||
        x2.shape.at(-1) !== in2 ||
        rows.join() !== x2.shape.slice(0, -1).join()
      ) {
        throw new TenfoldError(
          'shape',
          `bilinear: inputs ${formatShape(x1.shape)} and ${formatShape(x2.shape)} don't fit weight ${formatShape(weight.shape)} ([out, in1, in2])`,
        );
      }
      if (bias !== null && bias.shape.join() !== String(out)) {
        throw new TenfoldError('shape', `bilinear: bias must be [${out}], got ${formatShape(bias.shape)}`);
      }
      const n = numelOf(rows);
      const y = trilinear(x1.reshape([n, in1]), x2.reshape([n, in2]), weight);
      return (bias === null ? y : y.add(bias)).view([...rows, out]);
    },
    composite: true,
  }),
);
