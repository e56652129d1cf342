/** Dropout. The numbers drawn are PyTorch's for a seed. Without `training` (or with p 0) the input passes. */
import { TenfoldError } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { defineOp, type OpDef } from '../../op/define.js';

function checkProbability(call: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new TenfoldError('value', `${call}: p must be between 0 and 1, got ${p}`);
}
/** 1 / (1 − p) where kept, 0 where dropped. */
function scaledMask(like: Tensor, shape: readonly number[], p: number): Tensor {
  const mask = Tensor.raw(shape, like.code);
  return p === 1 ? mask.zero_() : mask.bernoulli_(1 - p).div_(1 - p);
}

/** Elements are set to 0 with probability p, the others scaled by 1 / (1 − p). See torch.nn.functional.dropout. */
export const dropout = defineOp(
  'dropout(Tensor input, float p=0.5, bool training=true, bool inplace=false)',
  (): OpDef => ({
    forward(x: Tensor, p: number, training: boolean) {
      checkProbability('dropout', p);
      return !training || p === 0 || x.count === 0 ? x : x.mul(scaledMask(x, x.shape, p));
    },
    composite: true,
  }),
);

/** Shape of a mask that drops whole channels. */
function channelShape(call: string, x: Tensor, dims: readonly number[]): number[] {
  if (!dims.includes(x.shape.length)) {
    throw new TenfoldError(
      'shape',
      `${call}: expected an input of ${dims.join(' or ')} dims, got ${formatShape(x.shape)}`,
    );
  }
  // Without a batch dim the channels come first.
  const batched = x.shape.length === Math.max(...dims) || dims.length === 1;
  return x.shape.map((size, i) => (i < (batched ? 2 : 1) ? size : 1));
}
const channelDropout = (call: string, dims: readonly number[]) => (): OpDef => ({
  forward(x: Tensor, p: number, training: boolean) {
    checkProbability(call, p);
    const shape = channelShape(call, x, dims);
    return !training || p === 0 || x.count === 0 ? x : x.mul(scaledMask(x, shape, p));
  },
  composite: true,
});
/** dropout of whole channels of [n, c, l] or [c, l]. See torch.nn.functional.dropout1d. */
export const dropout1d = defineOp(
  'dropout1d(Tensor input, float p=0.5, bool training=true, bool inplace=false)',
  channelDropout('dropout1d', [2, 3]),
);
/** dropout of whole channels of [n, c, h, w]; three dims are [n, c, l], as in PyTorch. See torch.nn.functional.dropout2d. */
export const dropout2d = defineOp(
  'dropout2d(Tensor input, float p=0.5, bool training=true, bool inplace=false)',
  (): OpDef => ({
    forward(x: Tensor, p: number, training: boolean) {
      checkProbability('dropout2d', p);
      if (x.shape.length < 2)
        throw new TenfoldError('shape', `dropout2d: expected an input of at least 2 dims, got ${formatShape(x.shape)}`);
      const shape = x.shape.map((size, i) => (i < 2 ? size : 1));
      return !training || p === 0 || x.count === 0 ? x : x.mul(scaledMask(x, shape, p));
    },
    composite: true,
  }),
);
/** dropout of whole channels of [n, c, d, h, w] or [c, d, h, w]. See torch.nn.functional.dropout3d. */
export const dropout3d = defineOp(
  'dropout3d(Tensor input, float p=0.5, bool training=true, bool inplace=false)',
  channelDropout('dropout3d', [4, 5]),
);

const ALPHA = 1.7580993408473766;
/** Dropout that keeps mean and variance behind selu: dropped elements become selu's lower limit. See torch.nn.functional.alpha_dropout. */
const alpha = (call: string, whole: boolean) => (): OpDef => ({
  forward(x: Tensor, p: number, training: boolean) {
    checkProbability(call, p);
    if (!training || p === 0 || x.count === 0) return x;
    const shape = whole ? x.shape.map((size, i) => (i < 2 ? size : 1)) : x.shape;
    const mask = Tensor.raw(shape, x.code);
    if (p === 1) return x.mul(mask.zero_());
    mask.bernoulli_(1 - p);
    const a = 1 / Math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p));
    const b = mask.add(-1).mul_(ALPHA * a).add_(ALPHA * a * p); // prettier-ignore
    return x.mul(mask.mul_(a)).add(b);
  },
  composite: true,
});
/** Dropout that keeps mean and variance behind selu. See torch.nn.functional.alpha_dropout. */
export const alphaDropout = defineOp(
  'alphaDropout(Tensor input, float p=0.5, bool training=false, bool inplace=false)',
  alpha('alphaDropout', false),
);
/** alphaDropout of whole channels. See torch.nn.functional.feature_alpha_dropout. */
export const featureAlphaDropout = defineOp(
  'featureAlphaDropout(Tensor input, float p=0.5, bool training=false, bool inplace=false)',
  alpha('featureAlphaDropout', true),
);
