/** Matrix products. */
import { einsum } from '../../ops/index.js';
import { isFloatCode } from '../../dtype.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operator, table } from '../signature.js';

/** α A B + β C, A and B turned where asked for. */
function gemm(
  a: { alpha: number; beta: number; transA: number; transB: number },
  x: Tensor,
  y: Tensor,
  c: Tensor | null,
): Tensor {
  let out = (a.transA ? x.t() : x).matmul(a.transB ? y.t() : y);
  if (a.alpha !== 1) out = out.mul(a.alpha).to(x.dtype);
  if (c === null || a.beta === 0) return out;
  return out.add(a.beta === 1 ? c : c.mul(a.beta).to(x.dtype));
}

export const MATRIX = table(
  operator('MatMul(Tensor A, Tensor B)', (_, x: Tensor, y: Tensor) => x.matmul(y)),
  operator(
    'Gemm(Tensor A, Tensor B, Tensor? C; float alpha=1, float beta=1, int transA=0, int transB=0)',
    (a, x: Tensor, y: Tensor, c: Tensor | null) => gemm(a, x, y, c),
  ),
  operator('Einsum(Tensor* Inputs; string equation)', (a, ...xs: Tensor[]) => {
    const out = einsum(a.equation.replaceAll(' ', ''), xs);
    return isFloatCode(out.code) ? out : out.to(xs[0]!.dtype);
  }),
  operator('Det(Tensor X)', (_, x: Tensor) => x.det()),
);
