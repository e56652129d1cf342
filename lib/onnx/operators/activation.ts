/** Activation functions, softmax and dropout. */
import { Code } from '../../dtype.js';
import * as F from '../../nn/functional/index.js';
import { full, zerosLike } from '../../ops/creation.js';
import { where } from '../../ops/index.js';
import { manualSeeded } from './random.js';
import type { Tensor } from '../../tensor/tensor.js';
import { numberOf } from '../integers.js';
import { operator, operators, table, type Operator } from '../signature.js';

const plain = (name: string, f: (x: Tensor) => Tensor): Operator =>
  operator(`${name}(Tensor X)`, (_, x: Tensor) => f(x));

/** γ (x for x > 0, else α (eˣ − 1)), where the exponent never overflows. */
const scaledElu = (x: Tensor, alpha: number, gamma = 1): Tensor =>
  where(x.gt(0), x, x.clampMax(0).expm1().mul(alpha)).mul(gamma);

/**
 * A function of rows. From version 13 on along `axis`; before, the dims from `axis` on are one (and the default is 1).
 */
function alongAxis(
  a: { opset: number; axis: number | null },
  x: Tensor,
  f: (x: Tensor, dim: number) => Tensor,
): Tensor {
  const axis = a.axis ?? (a.opset >= 13 ? -1 : 1);
  if (a.opset >= 13) return f(x, axis);
  const at = axis < 0 ? axis + x.ndim : axis;
  const rows = x.shape.slice(0, at).reduce((n, m) => n * m, 1);
  return f(x.reshape([rows, rows === 0 ? 0 : x.count / rows]), 1).reshape([...x.shape]);
}

/**
 * Softmax; of halves in the steps that ONNX defines it by, each rounded. In float32 it would be more exact, and differ from other
 * implementations.
 */
export function softmax(x: Tensor, dim: number): Tensor {
  if (x.code !== Code.f16 && x.code !== Code.bf16) return x.softmax(dim);
  const e = x.sub(x.amax(dim, true)).exp();
  return e.div(e.sum(dim, true));
}

/** x σ(α x). */
const swish = (x: Tensor, alpha: number): Tensor => x.mul(alpha === 1 ? x.sigmoid() : x.mul(alpha).sigmoid());

export const ACTIVATION = table(
  plain('Relu', (x) => x.relu()),
  plain('Sigmoid', (x) => x.sigmoid()),
  plain('Tanh', (x) => x.tanh()),
  plain('Softplus', (x) => F.softplus(x)),
  plain('Softsign', (x) => F.softsign(x)),
  plain('Mish', (x) => F.mish(x)),
  plain('HardSwish', (x) => F.hardswish(x)),
  operator('LeakyRelu(Tensor X; float alpha=0.01)', (a, x: Tensor) => F.leakyRelu(x, a.alpha)),
  operator('PRelu(Tensor X, Tensor slope)', (_, x: Tensor, slope: Tensor) => where(x.lt(0), x.mul(slope), x)),
  operator('Elu(Tensor X; float alpha=1)', (a, x: Tensor) => scaledElu(x, a.alpha)),
  operator('Celu(Tensor X; float alpha=1)', (a, x: Tensor) => scaledElu(x.div(a.alpha), 1, a.alpha)),
  operator('Selu(Tensor X; float alpha=1.6732632, float gamma=1.050701)', (a, x: Tensor) =>
    scaledElu(x, a.alpha, a.gamma),
  ),
  operator('Gelu(Tensor X; string approximate=none)', (a, x: Tensor) =>
    F.gelu(x, { approximate: a.approximate as 'none' | 'tanh' }),
  ),
  operator('HardSigmoid(Tensor X; float alpha=0.2, float beta=0.5)', (a, x: Tensor) =>
    x.mul(a.alpha).add(a.beta).clamp(0, 1),
  ),
  operator('Shrink(Tensor input; float bias=0, float lambd=0.5)', (a, x: Tensor) =>
    where(x.lt(-a.lambd), x.add(a.bias), where(x.gt(a.lambd), x.sub(a.bias), zerosLike(x))).to(x.dtype),
  ),
  operator('ThresholdedRelu(Tensor X; float alpha=1)', (a, x: Tensor) => F.threshold(x, a.alpha, 0)),
  operator('Swish(Tensor X; float alpha=1)', (a, x: Tensor) => swish(x, a.alpha)),
  operator('SwiGLU(Tensor A, Tensor B; float alpha=1)', (a, x: Tensor, y: Tensor) => swish(x, a.alpha).mul(y)),
  operator('Softmax(Tensor input; int? axis)', (a, x: Tensor) => alongAxis(a, x, softmax)),
  operator('LogSoftmax(Tensor input; int? axis)', (a, x: Tensor) => alongAxis(a, x, (y, dim) => y.logSoftmax(dim))),
  operator('Hardmax(Tensor input; int? axis)', (a, x: Tensor) =>
    alongAxis(a, x, (y, dim) => zerosLike(y).scatter(dim, y.argmax(dim, true), 1)),
  ),
  operators(
    'Dropout(Tensor data, setting? ratio, setting? training_mode; float? ratio, int? seed)',
    (a, x: Tensor, ratio: Tensor | null, training: Tensor | null) => {
      const p = ratio === null ? (a.ratio ?? 0.5) : numberOf(ratio);
      const drops = training !== null && numberOf(training) !== 0 && p > 0;
      if (!drops) return [x, full([...x.shape], true, { dtype: a.opset < 10 ? x.dtype : 'bool' })];
      // The mask of what stays.
      const mask = manualSeeded(a.seed, (generator) => full([...x.shape], 1 - p).bernoulli({ generator }));
      return [p >= 1 ? zerosLike(x) : x.mul(mask.div(1 - p).to(x.dtype)), mask.to('bool')];
    },
  ),
);
