/** Eigenvalues and eigenvectors of symmetric matrices (native/kernels/eigh.cc), and functions of them. */
import { TenfoldError } from '../errors.js';
import { Code } from '../dtype.js';
import { checkZero } from '../launch/check.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { numelOf } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { checkSquare, idFor, whichMatrix } from './solving.js';

const EIGH = kernel('eigh');

/** [values, vectors] of the triangle that `uplo` names; vectors are empty where none are wanted. No graph. */
function decompose(call: string, a: Tensor, uplo: string, vectors: boolean): [Tensor, Tensor] {
  checkSquare(call, a);
  const letter = uplo.toUpperCase();
  const batch = a.shape.slice(0, -2);
  const n = a.shape.at(-1)!;
  const dense = a.rawDense();
  const values = Tensor.raw([...batch, n], a.code);
  const found = Tensor.raw(vectors ? a.shape : [0], a.code);
  if (values.count === 0) return [values, found];
  const trouble = Tensor.raw(batch, Code.i64);
  run(
    idFor(EIGH, a), numelOf(batch), n, Number(letter === 'U'), Number(vectors), dense, values,
    found, trouble,
  ); // prettier-ignore
  checkZero(trouble, (kind, item) => {
    const what = kind === 1 ? 'has NaN or infinities in it' : "has eigenvalues that weren't found in time";
    return new TenfoldError('value', `${call}: ${whichMatrix(a, item)} ${what}`);
  });
  return [values, found];
}

/** A gradient as that of a symmetric matrix. */
const symmetric = (x: Tensor): Tensor => x.add(x.mT).mul(0.5);

/**
 * Eigenvalues [..., n], rising, and orthonormal eigenvectors (columns of [..., n, n]) of symmetric matrices, float32 or
 * float64, of which only the triangle that UPLO names is read. NaN and infinities are refused.
 *
 * Vectors are unique up to their signs where all values differ; their gradients are finite only there. eigvalsh is faster
 * where only the values are wanted. See torch.linalg.eigh.
 */
export const eigh = defineOp("eigh(Tensor A, 'L'|'U'|'l'|'u' UPLO='L') -> (eigenvalues, eigenvectors)", (): OpDef => ({
  forward: (a: Tensor, uplo: string) => decompose('eigh', a, uplo, true),
  backward: {
    A: d('result', 'result1', ([gradL, gradV]: [Tensor, Tensor], l: Tensor, v: Tensor) => {
      const gaps = l.unsqueeze(-2).sub(l.unsqueeze(-1));
      const off = Tensor.zeros(l.shape, l.code).add(1).diagEmbed();
      const turned = v.mT.matmul(gradV).div(gaps.add(off)).mul(off.neg().add(1));
      return symmetric(v.matmul(turned.add(gradL.diagEmbed())).matmul(v.mT));
    }),
  },
  gradName: 'LinalgEighBackward0',
}));

/** Eigenvalues [..., n], rising, of symmetric matrices; see eigh. See torch.linalg.eigvalsh. */
export const eigvalsh = defineOp("eigvalsh(Tensor A, 'L'|'U'|'l'|'u' UPLO='L')", (): OpDef => ({
  forward: (a: Tensor, uplo: string) => decompose('eigvalsh', a, uplo, false)[0],
  backward: {
    A: d('A', (grad: Tensor, a: Tensor, call: { UPLO: 'L' | 'U' }) => {
      const v = eigh(a, call.UPLO).eigenvectors;
      return v.mul(grad.unsqueeze(-2)).matmul(v.mT);
    }),
  },
  gradName: 'LinalgEighBackward0',
}));

/**
 * The symmetric positive definite X of X X = A, for symmetric positive definite matrices [..., n, n], float32 or float64,
 * of which only the lower triangle is read; NaN of others. See torch.linalg.matrix_sqrth.
 */
export const matrixSqrth = defineOp('matrixSqrth(Tensor A)', (): OpDef => ({
  forward(a: Tensor) {
    const [l, v] = decompose('matrixSqrth', a, 'L', true);
    return v.mul(l.sqrt().unsqueeze(-2)).matmul(v.mT);
  },
  backward: {
    A: d('A', (grad: Tensor, a: Tensor) => {
      const { eigenvalues, eigenvectors: v } = eigh(a);
      const roots = eigenvalues.sqrt();
      const sums = roots.unsqueeze(-1).add(roots.unsqueeze(-2));
      return symmetric(v.matmul(v.mT.matmul(grad).matmul(v).div(sums)).matmul(v.mT));
    }),
  },
  gradName: 'LinalgMatrixSqrthBackward0',
}));
