/** Running reductions along a dim: sums, products, extrema. */
import { TenfoldError, renamed } from '../errors.js';
import { COMPUTE, Code, DTYPES, isFloatCode, type DType } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel, type Kernel } from '../native/launch.js';
import { numelOf, wrapDim } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../op/define.js';
import { floatOnly, sumCode } from '../op/reduce.js';
import { where } from './arithmetic.js';
import { cat } from './joining.js';

const K = {
  cumsum: kernel('cumsum'),
  cumprod: kernel('cumprod'),
  logcumsumexp: kernel('logcumsumexp'),
  cummax: kernel('cummax'),
  cummin: kernel('cummin'),
};

function scan(k: Kernel, call: string, x: Tensor, dim: number, index: Tensor | null = null): Tensor {
  const at = wrapDim(call, dim, x.shape.length);
  // Integers that have no kernel go through int64: sums and products of it end in the same bits.
  const own = COMPUTE[x.code]!;
  const compute = k[own]! < 0 && !isFloatCode(own) ? Code.i64 : own;
  const id = k[compute]!;
  if (id < 0) throw new TenfoldError('dtype', `${call}: not defined for ${x.dtype}`);
  const source = x.code === compute ? x.rawDense() : x.to(DTYPES[compute]!).contiguous();
  const out = Tensor.raw(x.shape, compute);
  const n = x.shape.length === 0 ? 1 : x.shape[at]!;
  run(id, numelOf(x.shape.slice(0, at)), n, numelOf(x.shape.slice(at + 1)), source, out, index);
  return compute === x.code ? out : out.to(x.dtype);
}
const running = (name: 'cumsum' | 'cumprod', backward: OpDef['backward']): (() => OpDef) => {
  return (): OpDef => ({
    forward(x: Tensor, dim: number, dtype: DType | null, into?: Tensor) {
      const code = into !== undefined && dtype === null ? x.code : sumCode(x, dtype, name);
      if (code === Code.bool) throw new TenfoldError('dtype', `${name}: not defined for bool`);
      return scan(K[name], name, x.code === code ? x : x.to(DTYPES[code]!), dim);
    },
    backward: backward!,
    sameDtype: true,
  });
};
const reversedCumsum = (x: Tensor, dim: number): Tensor =>
  x.shape.length === 0 ? x : x.flip(dim).cumsum(dim).flip(dim);

/** Running sum along a dim. Integers give int64, in place their own dtype; bool only the former. See torch.cumsum. */
export const cumsum = defineOp(
  'cumsum[_](Tensor self, int dim, *, dtype? dtype=null)',
  running('cumsum', { self: d((grad, call) => reversedCumsum(grad, call.dim)) }),
);
/** Running product along a dim. Integers give int64, in place their own dtype; bool only the former. See torch.cumprod. */
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
      return [scan(K[name], name, x, dim, indices), indices];
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

/**
 * Differences of neighbours along a dim, n times over; of bools, whether they differ. `prepend` and `append` are joined
 * on first. See torch.diff.
 */
export const diff = defineOp(
  'diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=null, Tensor? append=null)',
  (): OpDef => ({
    forward(self: Tensor, n: number, dim: number, prepend: Tensor | null, append: Tensor | null) {
      if (self.shape.length === 0) throw new TenfoldError('shape', 'diff: needs at least one dim, got a 0-dim tensor');
      if (n < 0) throw new RangeError(`diff: n must not be negative, got ${n}`);
      const at = wrapDim('diff', dim, self.shape.length);
      if (n === 0) return self.clone();
      const parts = [prepend, self, append].filter((t) => t !== null);
      let x = parts.length === 1 ? self : renamed('diff', () => cat(parts, at));
      for (let i = Math.min(n, x.shape[at]!); i > 0; i--) {
        const count = x.shape[at]! - 1;
        const [next, before] = [x.narrow(at, 1, count), x.narrow(at, 0, count)];
        x = x.code === Code.bool ? next.logicalXor(before) : next.sub(before);
      }
      return x;
    },
    composite: true,
  }),
);
