/** Linear maps. */
import { TenfoldError } from '../../errors.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
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
      const n = rows.reduce((a, b) => a * b, 1);
      // [n, in1] @ [in1, out · in2], then weighted by x2 and summed over in2.
      const half = x1.reshape([n, in1]).mm(weight.permute(1, 0, 2).reshape([in1, out * in2])).view(n, out, in2); // prettier-ignore
      const y = half.mul(x2.reshape([n, 1, in2])).sum(2, { dtype: x1.dtype });
      return (bias === null ? y : y.add(bias)).view([...rows, out]);
    },
    composite: true,
  }),
);
