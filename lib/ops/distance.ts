/** Distances of all pairs of rows: cdist. By native/kernels/distance.cc, which keeps no differences, or by a product. */
import { TenfoldError } from '../errors.js';
import { Code, isFloatCode } from '../dtype.js';
import { run } from '../launch/run.js';
import { kernel } from '../native/launch.js';
import { broadcastShapes, broadcastStrides, formatShape, numelOf, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { all, defineOp, type OpDef } from '../op/define.js';
import { throughFormula } from '../op/formula.js';
import { where } from './arithmetic.js';
import { cat } from './joining.js';

const K = { cdist: kernel('cdist'), cdistBackward: kernel('cdistBackward') };

const batchOf = (t: Tensor): Shape => t.shape.slice(0, -2);

// ---- by differences --------------------------------------------------------------------------------------------------

/** What the kernels read of a batch, behind all else. */
function batchFrame(batch: Shape, x1: Tensor, x2: Tensor): [number, number, Shape, number[], number[]] {
  const steps = (x: Tensor): number[] => broadcastStrides(batchOf(x), x.strides.slice(0, -2), batch);
  return [numelOf(batch), batch.length, batch, steps(x1), steps(x2)];
}

/** Distances [..., n, m] from differences, in float32 or float64; 0 where rows have no columns. */
const byDifferences = defineOp('cdistForward(Tensor x1, Tensor x2, float p)', (): OpDef => ({
  forward(x1: Tensor, x2: Tensor, p: number) {
    const batch = broadcastShapes('cdist', batchOf(x1), batchOf(x2));
    const [n, width, m] = [x1.shape.at(-2)!, x1.shape.at(-1)!, x2.shape.at(-2)!];
    if (width === 0) return Tensor.zeros([...batch, n, m], x1.code);
    const out = Tensor.raw([...batch, n, m], x1.code);
    if (out.count === 0) return out;
    const [a, b] = [x1.rawDense(), x2.rawDense()];
    run(K.cdist[x1.code]!, n, m, width, p, a, b, out, ...batchFrame(batch, a, b));
    return out;
  },
  // The distance is the same seen from x2: so is its gradient.
  backward: all(['x1', 'x2', 'result'], (grad, { x1, x2, result }, { p }, needs) => [
    needs[0] ? cdistBackward(grad, x1, x2, result, p) : null,
    needs[1] ? cdistBackward(grad.mT, x2, x1, result.mT, p) : null,
  ]),
  gradName: 'CdistBackward0',
}));

/** Pairs [..., n, m] as the kernel takes them: by any strides, but items of a batch lie behind each other. */
const pairs = (t: Tensor): Tensor => (t.shape.length === 2 || t.dense || t.mT.dense ? t : t.rawClone());
const placeOf = (t: Tensor): [Tensor, number, number] => [t, t.strides.at(-2)!, t.strides.at(-1)!];

/** The gradient of x1, [..., n, width] before broadcasting is undone; `distances` are those of x1 and x2. */
const cdistBackward = defineOp(
  'cdistBackward(Tensor grad, Tensor x1, Tensor x2, Tensor distances, float p)',
  (): OpDef => ({
    forward(grad: Tensor, x1: Tensor, x2: Tensor, distances: Tensor, p: number) {
      const shape = [...batchOf(grad), ...x1.shape.slice(-2)];
      const [n, m] = grad.shape.slice(-2) as [number, number];
      if (p === 0 || m === 0 || numelOf(shape) === 0) return Tensor.zeros(shape, x1.code);
      const out = Tensor.raw(shape, x1.code);
      const [a, b] = [x1.rawDense(), x2.rawDense()];
      const [distance, pull] = [placeOf(pairs(distances)), placeOf(pairs(grad))];
      const id = K.cdistBackward[x1.code]!;
      run(id, n, m, x1.shape.at(-1)!, p, a, b, ...distance, ...pull, out, ...batchFrame(batchOf(grad), a, b));
      return out;
    },
    backward: all(['grad', 'x1', 'x2'], (gradX1, { grad, x1, x2 }, { p }) => {
      if (p === 0) return [null, null, null, null]; // a constant
      const [g, a, b] = throughFormula([grad, x1, x2], ([g, a, b]) => [gradientOfRows(g!, a!, b!, p)], [gradX1]);
      return [g!, a!, b!, null]; // distances are functions of the rows, which the formula takes into account
    }),
  }),
);

/** cdistBackward as a formula, with differences [..., n, m, width]. */
function gradientOfRows(grad: Tensor, x1: Tensor, x2: Tensor, p: number): Tensor {
  const t = x1.unsqueeze(-2).sub(x2.unsqueeze(-3));
  const share = shareOfColumns(t, p);
  return grad.unsqueeze(-1).mul(share).sum(-2);
}
/** The derivatives of the norms of differences [..., width]; 0 at those that are all 0, and at 0 where p < 2. */
function shareOfColumns(t: Tensor, p: number): Tensor {
  if (p === 1) return t.sign();
  const size = t.abs();
  if (p === Infinity) return where(size.eq(size.amax(-1, true)), t.sign(), 0);
  if (p === 2) {
    const squares = t.square().sum(-1, true);
    const none = squares.eq(0);
    return where(none, 0, t.div(where(none, 1, squares).sqrt()));
  }
  const equal = t.eq(0); // where powers have infinite derivatives if p < 2, and derivatives of 0 if p > 2
  const base = where(equal, 1, size);
  const powers = where(equal, 0, base.pow(p)).sum(-1, true);
  const distance = where(powers.eq(0), 1, powers).pow(1 / p);
  return where(equal, 0, t.sign().mul(base.div(distance).pow(p - 1)));
}

// ---- by a product ----------------------------------------------------------------------------------------------------

/**
 * Euclidean distances by one product, |a - b|² = |a|² + |b|² - 2 a·b: several times as fast, but where rows are much nearer
 * to each other than to 0 digits are lost.
 */
const byProduct = defineOp('euclideanDist(Tensor x1, Tensor x2)', (): OpDef => ({
  forward(x1: Tensor, x2: Tensor) {
    const squares = (x: Tensor): Tensor => x.square().sum(-1, true);
    const ones = (x: Tensor): Tensor => Tensor.zeros([...x.shape.slice(0, -1), 1], x.code).fill_(1);
    const left = cat([x1.mul(-2), squares(x1), ones(x1)], -1);
    const right = cat([x2, ones(x2), squares(x2)], -1);
    return left.matmul(right.mT).clampMin_(0).sqrt_();
  },
  backward: all(['x1', 'x2', 'result'], (grad, { x1, x2, result }, _, needs) => {
    const none = result.eq(0); // where the gradient is 0
    const ratio = where(none, 0, grad.div(where(none, 1, result)));
    return [
      needs[0] ? x1.mul(ratio.sum(-1, true)).sub(ratio.matmul(x2)) : null,
      needs[1] ? x2.mul(ratio.sum(-2).unsqueeze(-1)).sub(ratio.mT.matmul(x1)) : null,
    ];
  }),
}));

// ---- the function ----------------------------------------------------------------------------------------------------

const BY_PRODUCT = {
  use_mm_for_euclid_dist_if_necessary: (n: number, m: number): boolean => n > 25 || m > 25,
  use_mm_for_euclid_dist: () => true,
  donot_use_mm_for_euclid_dist: () => false,
};

/**
 * p-norm distances of all pairs of rows: [..., n, d], [..., m, d] → [..., n, m]; p from 0 (how many columns differ) to
 * Infinity (the greatest difference). Floats of one dtype; memory is that of inputs and output, but for second derivatives.
 *
 * computeMode says when p = 2 goes by a matrix product, which is faster and less exact for rows that are near each other:
 * 'use_mm_for_euclid_dist_if_necessary' where n > 25 or m > 25, 'use_mm_for_euclid_dist' always,
 * 'donot_use_mm_for_euclid_dist' never. A distance of 0 has a gradient of 0. See torch.cdist.
 */
export const cdist = defineOp(
  "cdist(Tensor x1, Tensor x2, float p=2, 'use_mm_for_euclid_dist_if_necessary'|'use_mm_for_euclid_dist'|'donot_use_mm_for_euclid_dist' computeMode='use_mm_for_euclid_dist_if_necessary')",
  (): OpDef => ({
    forward(x1: Tensor, x2: Tensor, p: number, computeMode: keyof typeof BY_PRODUCT): Tensor {
      check(x1, x2, p);
      const useProduct = BY_PRODUCT[computeMode];
      if (x1.code !== Code.f32 && x1.code !== Code.f64) {
        return cdist(x1.float(), x2.float(), p, computeMode).to(x1.dtype);
      }
      const empty = x1.count === 0 || x2.count === 0;
      const product = p === 2 && !empty && useProduct(x1.shape.at(-2)!, x2.shape.at(-2)!);
      return product ? byProduct(x1, x2) : byDifferences(x1, x2, p);
    },
    composite: true,
  }),
);

function check(x1: Tensor, x2: Tensor, p: number): void {
  const shapes = `${formatShape(x1.shape)} and ${formatShape(x2.shape)}`;
  if (x1.shape.length < 2 || x2.shape.length < 2)
    throw new TenfoldError('shape', `cdist: both inputs need at least 2 dims, got ${shapes}`);
  if (x1.shape.at(-1) !== x2.shape.at(-1))
    throw new TenfoldError('shape', `cdist: rows must have as many columns in both inputs, got ${shapes}`);
  if (!isFloatCode(x1.code) || x1.code !== x2.code) {
    throw new TenfoldError('dtype', `cdist: needs floats of one dtype, got ${x1.dtype} and ${x2.dtype}`);
  }
  if (!(p >= 0)) throw new RangeError(`cdist: p must be 0 or more, got ${p}`);
}
