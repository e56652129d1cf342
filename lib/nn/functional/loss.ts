/**
 * Losses of values: differences, probabilities, margins. Losses of classes are in classification.ts. To add one with a
 * kernel: lines in native/kernels/loss.cc, a block here, a row in the tests.
 */
import { TenfoldError } from '../../errors.js';
import { getDefaultDtype, isFloatCode, type Code } from '../../dtype.js';
import { checkInterval } from '../../launch/check.js';
import { kernel, type Kernel } from '../../native/launch.js';
import { broadcastShapes, formatShape, numelOf, sameShape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { elementwise, promote } from '../../op/elementwise.js';
import type { Scalar } from '../../op/schema.js';
import { fullLike } from '../../ops/creation.js';
import { where } from '../../ops/index.js';
import { logsigmoid } from './activation.js';

/** What becomes of the losses of the elements. */
export type Reduction = 'none' | 'mean' | 'sum';

/** Mean, sum, or the losses as they are. */
export function reduceLoss(loss: Tensor, reduction: Reduction): Tensor {
  return reduction === 'none' ? loss : reduction === 'sum' ? loss.sum() : loss.mean();
}
function needSameShape(call: string, input: Tensor, target: Tensor): void {
  if (!sameShape(input.shape, target.shape)) {
    throw new TenfoldError(
      'shape',
      `${call}: target ${formatShape(target.shape)} must have the shape of input ${formatShape(input.shape)}`,
    );
  }
}
const warned = new Set<string>();
// Broadcasting in a loss is rarely meant; PyTorch warns too.
function warnOfBroadcast(call: string, input: Tensor, target: Tensor): void {
  if (sameShape(input.shape, target.shape) || warned.has(call)) return;
  warned.add(call);
  process.emitWarning(
    `${call}: target ${formatShape(target.shape)} and input ${formatShape(input.shape)} differ in shape and are broadcast; is that meant?`,
    'TenfoldWarning',
  );
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a call's arguments by name
type Call = any;
/** Factor by which each element's derivative goes into the loss. */
const share = (call: Call): number =>
  call.reduction === 'mean' ? 1 / numelOf(broadcastShapes('loss', call.input.shape, call.target.shape)) : 1;

type Derivative = (grad: Tensor, input: Tensor, target: Tensor, factor: number, scalar: number) => Tensor;

/**
 * An op for factor · grad · f′(input − target), where f is even or not far from it: `curve` is factor-free f″, left out
 * where f is made of straight lines.
 */
function derivative(name: string, curve?: (difference: Tensor, scalar: number) => Tensor): Derivative {
  const k = kernel(name);
  const second = (g: Tensor, grad: Tensor, x: Tensor, y: Tensor, call: Call): Tensor =>
    curve
      ? g
          .mul(grad)
          .mul(curve(x.sub(y), call.scalar))
          .mul(call.factor)
      : g.mul(0);
  const op = defineOp(`${name}(Tensor grad, Tensor input, Tensor target, float factor, float scalar)`, (): OpDef => ({
    forward: (grad: Tensor, x: Tensor, y: Tensor, factor: number, scalar: number) =>
      elementwise(k, name, [grad, x, y], promote(x, y), promote(x, y), [factor, scalar]),
    backward: {
      grad: d('input', 'target', (g, x, y, call) => op(g, x, y, call.factor, call.scalar)),
      input: d('grad', 'input', 'target', (g, grad, x, y, call) => second(g, grad, x, y, call)),
      target: d('grad', 'input', 'target', (g, grad, x, y, call) => second(g, grad, x, y, call).neg()),
    },
  })) as unknown as Derivative;
  return op;
}

/** Block of a loss of input − target with a kernel for its value and one for its derivative. */
function differenceLoss(
  name: string,
  k: Kernel,
  backward: Derivative,
  scalarOf: (call: Call) => number,
  codeOf: (input: Tensor, target: Tensor) => Code = promote,
): OpDef {
  const slope = (grad: Tensor, x: Tensor, y: Tensor, call: Call): Tensor =>
    backward(grad, x, y, share(call), scalarOf(call));
  return {
    forward(input: Tensor, target: Tensor, ...rest: unknown[]) {
      const reduction = rest.find((r) => typeof r === 'string') as Reduction;
      const scalar = rest.find((r) => typeof r === 'number') as number | undefined;
      warnOfBroadcast(name, input, target);
      const losses = elementwise(k, name, [input, target], promote(input, target), codeOf(input, target), [
        scalar ?? 0,
      ]);
      return reduceLoss(losses, reduction);
    },
    backward: {
      input: d('input', 'target', (grad, x, y, call) => slope(grad, x, y, call)),
      target: d('input', 'target', (grad, x, y, call) => slope(grad, x, y, call).neg()),
    },
  };
}

const MSE = kernel('mseLoss');
const mseLossBackward = derivative('mseLossBackward', (x) => where(x.isnan(), x, 1));
/** Mean of (input − target)². See torch.nn.functional.mse_loss. */
export const mseLoss = defineOp(
  "mseLoss(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => {
    // The kernel's factor holds the 2.
    const twice: Derivative = (grad, x, y, factor, scalar) => mseLossBackward(grad, x, y, 2 * factor, scalar);
    return differenceLoss('mseLoss', MSE, twice, () => 0);
  },
);

/** Mean of |input − target|. See torch.nn.functional.l1_loss. */
export const l1Loss = defineOp(
  "l1Loss(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, reduction: Reduction) {
      warnOfBroadcast('l1Loss', input, target);
      broadcastShapes('l1Loss', input.shape, target.shape);
      return reduceLoss(absoluteDifference(input, target), reduction);
    },
    composite: true,
  }),
);
const L1 = kernel('l1Loss');
const l1LossBackward = derivative('l1LossBackward');
const absoluteDifference = defineOp(
  "absoluteDifference(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='none')",
  (): OpDef => ({
    ...differenceLoss('l1Loss', L1, l1LossBackward, () => 0),
    gradName: 'AbsBackward0',
  }),
);

const SMOOTH_L1 = kernel('smoothL1Loss');
const smoothL1LossBackward = derivative('smoothL1LossBackward', (x, beta) =>
  where(x.abs().lt(beta), 1 / beta, x.mul(0)),
);
const smoothL1 = defineOp(
  "smoothL1(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='mean', float beta=1)",
  (): OpDef => ({
    ...differenceLoss('smoothL1Loss', SMOOTH_L1, smoothL1LossBackward, (call) => call.beta),
    gradName: 'SmoothL1LossBackward0',
  }),
);
/** Quadratic below beta, linear above: mean of 0.5 x² / beta, or |x| − 0.5 beta. See torch.nn.functional.smooth_l1_loss. */
export const smoothL1Loss = defineOp(
  "smoothL1Loss(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='mean', float beta=1)",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, reduction: Reduction, beta: number) {
      if (!(beta >= 0)) throw new TenfoldError('value', `smoothL1Loss: beta must not be negative, got ${beta}`);
      return beta === 0 ? l1Loss(input, target, { reduction }) : smoothL1(input, target, { reduction, beta });
    },
    composite: true,
  }),
);

const HUBER = kernel('huberLoss');
const huberLossBackward = derivative('huberLossBackward', (x, delta) => where(x.abs().le(delta), 1, x.mul(0)));
/** Quadratic up to delta, linear beyond: mean of 0.5 x², or delta (|x| − 0.5 delta). See torch.nn.functional.huber_loss. */
export const huberLoss = defineOp(
  "huberLoss(Tensor input, Tensor target, 'none'|'mean'|'sum' reduction='mean', float delta=1)",
  (): OpDef => {
    // PyTorch's one loss whose dtype is the input's, whatever the target's.
    const codeOf = (input: Tensor, target: Tensor): Code => {
      if (isFloatCode(target.code) && !isFloatCode(input.code))
        throw new TenfoldError(
          'dtype',
          `huberLoss: a ${target.dtype} target needs a floating-point input, got ${input.dtype}`,
        );
      return input.code;
    };
    const block = differenceLoss('huberLoss', HUBER, huberLossBackward, (call) => call.delta, codeOf);
    return {
      ...block,
      forward(input: Tensor, target: Tensor, reduction: Reduction, delta: number) {
        if (!(delta > 0)) throw new TenfoldError('value', `huberLoss: delta must be positive, got ${delta}`);
        return block.forward(input, target, reduction, delta) as Tensor;
      },
    };
  },
);

// ---- probabilities ---------------------------------------------------------------------------------------------------

const BCE = kernel('binaryCrossEntropy');
const BCE_BACKWARD = kernel('binaryCrossEntropyBackward');
const bceBackward = defineOp(
  'binaryCrossEntropyBackward(Tensor grad, Tensor input, Tensor target, float factor)',
  (): OpDef => ({
    forward: (grad: Tensor, x: Tensor, y: Tensor, factor: number) =>
      elementwise(BCE_BACKWARD, 'binaryCrossEntropy', [grad, x, y], x.code, x.code, [factor]),
    backward: {
      grad: d('input', 'target', (g, x, y, call) => bceBackward(g, x, y, call.factor)),
      // d/dx (x − y) / (x (1 − x)) = (x² − 2xy + y) / (x (1 − x))²
      input: d('grad', 'input', 'target', (g, grad, x, y, call) => {
        const spread = x.mul(x.neg().add(1)).clamp({ min: 1e-12 });
        return g
          .mul(grad)
          .mul(x.square().sub(x.mul(y).mul(2)).add(y))
          .div(spread.square())
          .mul(call.factor);
      }),
      target: d('grad', 'input', (g, grad, x, call) => {
        const spread = x.mul(x.neg().add(1)).clamp({ min: 1e-12 });
        return g.mul(grad).div(spread).mul(-call.factor);
      }),
    },
  }),
);
const plainBce = defineOp('binaryCrossEntropyPlain(Tensor input, Tensor target, string reduction)', (): OpDef => ({
  forward: (x: Tensor, y: Tensor, reduction: Reduction) =>
    reduceLoss(elementwise(BCE, 'binaryCrossEntropy', [x, y], x.code), reduction),
  backward: {
    input: d('input', 'target', (grad, x, y, call) => bceBackward(grad, x, y, share(call))),
    target: d('input', (grad, x, call) =>
      grad
        .mul(
          x
            .neg()
            .log1p()
            .clamp({ min: -100 })
            .sub(x.log().clamp({ min: -100 })),
        )
        .mul(share(call)),
    ),
  },
  gradName: 'BinaryCrossEntropyBackward0',
}));
/**
 * Mean of −(y log x + (1 − y) log(1 − x)) for probabilities x; logarithms end at −100. See
 * torch.nn.functional.binary_cross_entropy.
 */
export const binaryCrossEntropy = defineOp(
  "binaryCrossEntropy(Tensor input, Tensor target, Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, weight: Tensor | null, reduction: Reduction) {
      needSameShape('binaryCrossEntropy', input, target);
      needOneDtype('binaryCrossEntropy', input, target);
      checkInterval(input, 0, 1, notProbabilities);
      if (weight === null) return plainBce(input, target, reduction);
      return reduceLoss(plainBce(input, target, 'none').mul(weight), reduction);
    },
    composite: true,
  }),
);
const notProbabilities = (): Error =>
  new TenfoldError(
    'value',
    'binaryCrossEntropy: input must hold probabilities between 0 and 1; for logits use binaryCrossEntropyWithLogits',
  );
function needOneDtype(call: string, input: Tensor, target: Tensor): void {
  if (!input.isFloatingPoint() || input.code !== target.code) {
    throw new TenfoldError(
      'dtype',
      `${call}: input and target must have one floating-point dtype, got ${input.dtype} and ${target.dtype}; cast the target with .to('${input.dtype}')`,
    );
  }
}

const LOGITS = kernel('binaryCrossEntropyWithLogits');
const LOGITS_BACKWARD = kernel('binaryCrossEntropyWithLogitsBackward');
const LOGITS_WEIGHTED = kernel('binaryCrossEntropyWithLogitsPosWeight');
const LOGITS_WEIGHTED_BACKWARD = kernel('binaryCrossEntropyWithLogitsPosWeightBackward');
const logitsBackward = defineOp(
  'binaryCrossEntropyWithLogitsBackward(Tensor grad, Tensor input, Tensor target, Tensor? posWeight, float factor)',
  (): OpDef => ({
    forward: (grad: Tensor, x: Tensor, y: Tensor, posWeight: Tensor | null, factor: number) =>
      posWeight === null
        ? elementwise(LOGITS_BACKWARD, 'binaryCrossEntropyWithLogits', [grad, x, y], x.code, x.code, [factor])
        : elementwise(
            LOGITS_WEIGHTED_BACKWARD,
            'binaryCrossEntropyWithLogits',
            [grad, x, y, posWeight],
            x.code,
            x.code,
            [factor],
          ),
    backward: {
      grad: d('input', 'target', 'posWeight', (g, x, y, w, call) => logitsBackward(g, x, y, w, call.factor)),
      input: d('grad', 'input', 'target', 'posWeight', (g, grad, x, y, w, call) => {
        const s = x.sigmoid();
        const bend = s.mul(s.neg().add(1));
        const weighted = w === null ? bend : bend.mul(y.mul(w.sub(1)).add(1));
        return g.mul(grad).mul(weighted).mul(call.factor);
      }),
      target: d(
        'grad',
        'input',
        'posWeight',
        (g, grad, x, w, call) =>
        g.mul(grad).mul(call.factor).mul(w === null ? x.mul(0).sub(1) : w.sub(1).mul(x.sigmoid()).sub(w)), // prettier-ignore
      ),
      posWeight: d('grad', 'input', 'target', (g, grad, x, y, call) =>
        g.mul(grad).mul(y).mul(x.sigmoid().sub(1)).mul(call.factor),
      ),
    },
  }),
);
const plainLogits = defineOp(
  'binaryCrossEntropyWithLogitsPlain(Tensor input, Tensor target, Tensor? posWeight, string reduction)',
  (): OpDef => ({
    forward: (x: Tensor, y: Tensor, posWeight: Tensor | null, reduction: Reduction) =>
      reduceLoss(
        posWeight === null
          ? elementwise(LOGITS, 'binaryCrossEntropyWithLogits', [x, y], x.code)
          : elementwise(LOGITS_WEIGHTED, 'binaryCrossEntropyWithLogits', [x, y, posWeight], x.code),
        reduction,
      ),
    backward: {
      input: d('input', 'target', 'posWeight', (grad, x, y, w, call) => logitsBackward(grad, x, y, w, share(call))),
      // −x, and with a weight w of the positive class (w − 1) log(1 + e⁻ˣ) more.
      target: d('input', 'posWeight', (grad, x, w, call) => {
        const slope = w === null ? x.neg() : w.sub(1).mul(logsigmoid(x).neg()).sub(x);
        return grad.mul(slope).mul(share(call));
      }),
      posWeight: d('input', 'target', (grad, x, y, call) => grad.mul(y).mul(logsigmoid(x).neg()).mul(share(call))),
    },
    gradName: 'BinaryCrossEntropyWithLogitsBackward0',
  }),
);
/**
 * binaryCrossEntropy of sigmoid(input), safe for large logits; posWeight weighs the positive class. See
 * torch.nn.functional.binary_cross_entropy_with_logits.
 */
export const binaryCrossEntropyWithLogits = defineOp(
  "binaryCrossEntropyWithLogits(Tensor input, Tensor target, Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean', Tensor? posWeight=null)",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, weight: Tensor | null, reduction: Reduction, posWeight: Tensor | null) {
      needSameShape('binaryCrossEntropyWithLogits', input, target);
      const t = target.isFloatingPoint() ? target : target.to(input.dtype);
      if (posWeight !== null) broadcastShapes('binaryCrossEntropyWithLogits', input.shape, posWeight.shape);
      if (weight === null) return plainLogits(input, t, posWeight, reduction);
      return reduceLoss(plainLogits(input, t, posWeight, 'none').mul(weight), reduction);
    },
    composite: true,
  }),
);

/** Mean of target (log target − input), for input a log-probability. See torch.nn.functional.kl_div. */
export const klDiv = defineOp(
  "klDiv(Tensor input, Tensor target, *, 'none'|'batchmean'|'mean'|'sum' reduction='mean', bool logTarget=false)",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, reduction: Reduction | 'batchmean', logTarget: boolean) {
      broadcastShapes('klDiv', input.shape, target.shape);
      const loss = logTarget ? target.exp().mul(target.sub(input)) : target.xlogy(target).sub(target.mul(input));
      if (reduction === 'batchmean') return input.shape.length === 0 ? loss.sum() : loss.sum().div(input.shape[0]!);
      return reduceLoss(loss, reduction);
    },
    composite: true,
  }),
);

/** Negative log-likelihood of Poisson counts; input is the rate, or its logarithm. See torch.nn.functional.poisson_nll_loss. */
export const poissonNllLoss = defineOp(
  "poissonNllLoss(Tensor input, Tensor target, bool logInput=true, bool full=false, *, float eps=1e-8, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, logInput: boolean, full: boolean, eps: number, reduction: Reduction) {
      broadcastShapes('poissonNllLoss', input.shape, target.shape);
      let loss = logInput ? input.exp().sub(target.mul(input)) : input.sub(target.mul(input.add(eps).log()));
      if (full) {
        // Stirling's approximation of log(target!) where target is above 1.
        const stirling = target.mul(target.log()).sub(target).add(target.mul(2 * Math.PI).log().mul(0.5)); // prettier-ignore
        loss = loss.add(where(target.le(1), 0, stirling));
      }
      return reduceLoss(loss, reduction);
    },
    composite: true,
  }),
);

/** Negative log-likelihood of a normal distribution of mean input and variance var. See torch.nn.functional.gaussian_nll_loss. */
export const gaussianNllLoss = defineOp(
  "gaussianNllLoss(Tensor input, Tensor target, Tensor|Scalar var, bool full=false, float eps=1e-6, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(
      input: Tensor,
      target: Tensor,
      variance: Tensor | Scalar,
      full: boolean,
      eps: number,
      reduction: Reduction,
    ) {
      if (!(eps > 0)) throw new TenfoldError('value', `gaussianNllLoss: eps must be positive, got ${eps}`);
      let v = variance instanceof Tensor ? variance : fullLike(input, Number(variance));
      if (!sameShape(v.shape, input.shape)) {
        if (sameShape(v.shape, input.shape.slice(0, -1))) v = v.unsqueeze(-1);
        else if (
          v.shape.length !== input.shape.length ||
          v.shape.reduce((sum, size, i) => (size === input.shape[i] ? sum : sum + size), 0) !== 1
        ) {
          throw new TenfoldError(
            'shape',
            `gaussianNllLoss: var ${formatShape(v.shape)} doesn't fit input ${formatShape(input.shape)}`,
          );
        }
      }
      checkInterval(v, 0, Infinity, () => new TenfoldError('value', 'gaussianNllLoss: var has negative elements'));
      // Limited from below without a gradient through the limit.
      v = v.add(v.detach().clamp({ min: eps }).sub(v.detach()));
      let loss = v.log().add(input.sub(target).square().div(v)).mul(0.5);
      if (full) loss = loss.add(0.5 * Math.log(2 * Math.PI));
      return reduceLoss(loss, reduction);
    },
    composite: true,
  }),
);

/** Integers as the default float dtype: what a margin makes of them. */
const asFloat = (x: Tensor): Tensor => (x.isFloatingPoint() ? x : x.to(getDefaultDtype()));

// ---- margins ---------------------------------------------------------------------------------------------------------

/** Mean of max(0, −target (input1 − input2) + margin): which of two ranks higher. See torch.nn.functional.margin_ranking_loss. */
export const marginRankingLoss = defineOp(
  "marginRankingLoss(Tensor input1, Tensor input2, Tensor target, float margin=0, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input1: Tensor, input2: Tensor, target: Tensor, margin: number, reduction: Reduction) {
      if (input1.shape.length !== input2.shape.length || input1.shape.length !== target.shape.length) {
        throw new TenfoldError(
          'shape',
          `marginRankingLoss: input1, input2 and target must have as many dims as each other, got ${[input1, input2, target].map((t) => formatShape(t.shape)).join(', ')}`,
        );
      }
      return reduceLoss(
        asFloat(target.neg().mul(input1.sub(input2)))
          .add(margin)
          .clamp({ min: 0 }),
        reduction,
      );
    },
    composite: true,
  }),
);

/** input where target is 1, max(0, margin − input) where it is −1. See torch.nn.functional.hinge_embedding_loss. */
export const hingeEmbeddingLoss = defineOp(
  "hingeEmbeddingLoss(Tensor input, Tensor target, float margin=1, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, margin: number, reduction: Reduction) {
      const hinge = input.neg().add(margin).clamp({ min: 0 });
      const loss = where(target.ne(1), hinge, 0).add(where(target.ne(-1), input, 0));
      return reduceLoss(loss, reduction);
    },
    composite: true,
  }),
);

/** Mean of log(1 + e^(−target · input)), target 1 or −1. See torch.nn.functional.soft_margin_loss. */
export const softMarginLoss = defineOp(
  "softMarginLoss(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, reduction: Reduction) {
      needSameShape('softMarginLoss', input, target);
      return reduceLoss(logsigmoid(input.mul(target)).neg(), reduction);
    },
    composite: true,
  }),
);

/** 1 − cos where target is 1, max(0, cos − margin) where it is −1. See torch.nn.functional.cosine_embedding_loss. */
export const cosineEmbeddingLoss = defineOp(
  "cosineEmbeddingLoss(Tensor input1, Tensor input2, Tensor target, float margin=0, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input1: Tensor, input2: Tensor, target: Tensor, margin: number, reduction: Reduction) {
      const n = target.shape.length;
      if (n > 1 || input1.shape.length !== n + 1 || input2.shape.length !== n + 1) {
        throw new TenfoldError(
          'shape',
          `cosineEmbeddingLoss: expected inputs [n, d] and target [n], or inputs [d] and a 0-dim target, got ${[input1, input2, target].map((t) => formatShape(t.shape)).join(', ')}`,
        );
      }
      const EPS = 1e-12;
      const dot = input1.mul(input2).sum(-1);
      const lengths = input1.square().sum(-1).add(EPS).mul(input2.square().sum(-1).add(EPS)).sqrt();
      const cos = dot.div(lengths);
      const near = where(target.eq(1), cos.neg().add(1), 0);
      const far = where(target.eq(-1), cos.sub(margin).clamp({ min: 0 }), 0);
      return reduceLoss(near.add(far), reduction);
    },
    composite: true,
  }),
);
