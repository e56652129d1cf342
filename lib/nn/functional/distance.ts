/** Distances, similarities, and what is measured with them. */
import { TenfoldError, renamed, show } from '../../errors.js';
import { getDefaultDtype } from '../../dtype.js';
import { broadcastShapes, formatShape } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';
import { floatOnly } from '../../op/reduce.js';
import { cdist, triuIndices } from '../../ops/index.js';
import { reduceLoss, type Reduction } from './loss.js';

/** Norm of x1 − x2 + eps over the last dim. See torch.nn.functional.pairwise_distance. */
export const pairwiseDistance = defineOp(
  'pairwiseDistance(Tensor x1, Tensor x2, float p=2, float eps=1e-6, bool keepdim=false)',
  (): OpDef => ({
    forward(x1: Tensor, x2: Tensor, p: number, eps: number, keepdim: boolean) {
      broadcastShapes('pairwiseDistance', x1.shape, x2.shape);
      const difference = x1.sub(x2);
      // eps is a float: integers become floats.
      return (difference.isFloatingPoint() ? difference : difference.to(getDefaultDtype()))
        .add(eps)
        .norm(p, -1, keepdim);
    },
    composite: true,
  }),
);
/**
 * p-norm distances of all pairs of rows of [n, d]: a vector of n (n − 1) / 2, of row 0 to those behind it first. float32 or
 * float64. See torch.nn.functional.pdist.
 */
export const pdist = defineOp('pdist(Tensor input, float p=2)', (): OpDef => ({
  forward(x: Tensor, p: number) {
    if (x.shape.length !== 2)
      throw new TenfoldError('shape', `pdist: expected rows [n, d], got shape ${formatShape(x.shape)}`);
    if (!(p >= 0)) throw new TenfoldError('value', `pdist: p must not be negative, got ${p}`);
    floatOnly('pdist', x);
    const n = x.shape[0]!;
    const [row, column] = triuIndices(n, n, 1).unbind() as [Tensor, Tensor];
    return cdist(x, x, p, { computeMode: 'donot_use_mm_for_euclid_dist' })
      .reshape([-1])
      .indexSelect(0, row.mul(n).add(column));
  },
  composite: true,
}));
/** Cosine of the angle between x1 and x2 along dim; lengths below eps count as eps. See torch.nn.functional.cosine_similarity. */
export const cosineSimilarity = defineOp(
  'cosineSimilarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-8)',
  (): OpDef => ({
    forward(x1: Tensor, x2: Tensor, dim: number, eps: number) {
      broadcastShapes('cosineSimilarity', x1.shape, x2.shape);
      const code = x1.isFloatingPoint() ? x1.dtype : x2.isFloatingPoint() ? x2.dtype : null;
      if (code === null)
        throw new TenfoldError(
          'dtype',
          `cosineSimilarity: needs a floating-point dtype, got ${x1.dtype} and ${x2.dtype}`,
        );
      const [a, b] = broadcast(x1.to(code), x2.to(code));
      const unit = (x: Tensor): Tensor => x.div(x.norm(2, dim, true).clamp({ min: eps }));
      return unit(a).mul(unit(b)).sum(dim);
    },
    composite: true,
  }),
);
function broadcast(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const shape = [...broadcastShapes('cosineSimilarity', a.shape, b.shape)];
  return [a.expand(shape), b.expand(shape)];
}

/** x over its norm along dim, which counts at least eps. See torch.nn.functional.normalize. */
export const normalize = defineOp('normalize(Tensor input, float p=2, int[] dim=1, float eps=1e-12)', (): OpDef => ({
  forward: (x: Tensor, p: number, dim: number | number[], eps: number) =>
    x.div(x.norm(p, dim, true).clamp({ min: eps })),
  composite: true,
}));

/**
 * Mean of max(0, d(anchor, positive) − d(anchor, negative) + margin), where `swap` takes d(positive, negative) if it is
 * smaller. See torch.nn.functional.triplet_margin_loss.
 */
export const tripletMarginLoss = defineOp(
  "tripletMarginLoss(Tensor anchor, Tensor positive, Tensor negative, float margin=1, float p=2, float eps=1e-6, bool swap=false, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(
      a: Tensor,
      pos: Tensor,
      neg: Tensor,
      margin: number,
      p: number,
      eps: number,
      swap: boolean,
      reduction: Reduction,
    ) {
      checkMargin('tripletMarginLoss', margin);
      if (a.shape.length !== pos.shape.length || a.shape.length !== neg.shape.length) {
        const shapes = [a, pos, neg].map((t) => formatShape(t.shape)).join(', ');
        throw new TenfoldError(
          'shape',
          `tripletMarginLoss: anchor, positive and negative must have as many dims as each other, got ${shapes}`,
        );
      }
      const distance = (x1: Tensor, x2: Tensor): Tensor => pairwiseDistance(x1, x2, p, eps);
      return reduceLoss(tripletLoss(distance, a, pos, neg, margin, swap), reduction);
    },
    composite: true,
  }),
);

/** A measure of how far apart two tensors are. */
export type Distance = (x1: Tensor, x2: Tensor) => Tensor;

function checkMargin(call: string, margin: number): void {
  if (!(margin > 0)) throw new TenfoldError('value', `${call}: margin must be greater than 0, got ${margin}`);
}
/** By how much less than `margin` the negative is farther off than the positive; `swap`: from the nearer of the other two. */
function tripletLoss(distance: Distance, a: Tensor, pos: Tensor, neg: Tensor, margin: number, swap: boolean): Tensor {
  const near = distance(a, pos);
  let far = distance(a, neg);
  if (swap) far = far.minimum(distance(pos, neg));
  return near.sub(far).add(margin).clamp({ min: 0 });
}

/** Options of tripletMarginWithDistanceLoss. */
export interface TripletMarginOptions {
  distanceFunction?: Distance | null;
  margin?: number;
  swap?: boolean;
  reduction?: Reduction;
}
/**
 * tripletMarginLoss with a distance of one's own, pairwiseDistance where none is given. See
 * torch.nn.functional.triplet_margin_with_distance_loss.
 */
export const tripletMarginWithDistanceLoss: (
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options?: TripletMarginOptions,
) => Tensor = defineOp(
  "tripletMarginWithDistanceLoss(Tensor anchor, Tensor positive, Tensor negative, *, any distanceFunction=null, float margin=1, bool swap=false, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(
      a: Tensor,
      pos: Tensor,
      neg: Tensor,
      distanceFunction: unknown,
      margin: number,
      swap: boolean,
      reduction: Reduction,
    ) {
      checkMargin('tripletMarginWithDistanceLoss', margin);
      const given =
        distanceFunction ??
        ((x1: Tensor, x2: Tensor) => renamed('tripletMarginWithDistanceLoss', () => pairwiseDistance(x1, x2)));
      if (typeof given !== 'function') {
        throw new TypeError(
          `tripletMarginWithDistanceLoss: 'distanceFunction' must be a function of two tensors, got ${show(given)}`,
        );
      }
      return reduceLoss(tripletLoss(given as Distance, a, pos, neg, margin, swap), reduction);
    },
    composite: true,
  }),
);
