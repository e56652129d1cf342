/** Losses as modules. `reduction` says what becomes of the losses of the elements: 'mean', 'sum' or 'none'. */
import { TenfoldError, checkOptions, show } from '../../errors.js';
import { formatShape, numelOf } from '../../tensor/shape.js';
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/index.js';
import type { Reduction } from '../functional/loss.js';
import { Module } from '../module.js';
import { guard } from '../parts.js';
import { float, tuple } from '../print.js';
import { PairwiseDistance } from './distance.js';
import { Linear } from './linear.js';

const mseLossCall = signature("MSELoss(*, 'none'|'mean'|'sum' reduction='mean')");
/** Mean of (input − target)². See torch.nn.MSELoss. */
export class MSELoss extends Module {
  readonly reduction: Reduction;
  constructor(...args: Arguments<typeof mseLossCall.schema>) {
    super();
    const [reduction] = mseLossCall.read(args);
    this.reduction = reduction;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { reduction } = this;
    return F.mseLoss(input, target, { reduction });
  }
}

const l1LossCall = signature("L1Loss(*, 'none'|'mean'|'sum' reduction='mean')");
/** Mean of |input − target|. See torch.nn.L1Loss. */
export class L1Loss extends Module {
  readonly reduction: Reduction;
  constructor(...args: Arguments<typeof l1LossCall.schema>) {
    super();
    const [reduction] = l1LossCall.read(args);
    this.reduction = reduction;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { reduction } = this;
    return F.l1Loss(input, target, { reduction });
  }
}

const smoothL1LossCall = signature("SmoothL1Loss(*, float beta=1, 'none'|'mean'|'sum' reduction='mean')");
/** Quadratic below beta, linear above. See torch.nn.SmoothL1Loss. */
export class SmoothL1Loss extends Module {
  readonly reduction: Reduction;
  readonly beta: number;
  constructor(...args: Arguments<typeof smoothL1LossCall.schema>) {
    super();
    const [beta, reduction] = smoothL1LossCall.read(args);
    this.reduction = reduction;
    this.beta = beta;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { beta, reduction } = this;
    return F.smoothL1Loss(input, target, { beta, reduction });
  }
}

const huberLossCall = signature("HuberLoss('none'|'mean'|'sum' reduction='mean', float delta=1)");
/** Quadratic up to delta, linear beyond. See torch.nn.HuberLoss. */
export class HuberLoss extends Module {
  readonly reduction: Reduction;
  readonly delta: number;
  constructor(...args: Arguments<typeof huberLossCall.schema>) {
    super();
    const [reduction, delta] = huberLossCall.read(args);
    this.reduction = reduction;
    this.delta = delta;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { delta, reduction } = this;
    return F.huberLoss(input, target, { delta, reduction });
  }
}

const nllLossCall = signature(
  "NLLLoss(Tensor? weight=null, *, int ignoreIndex=-100, 'none'|'mean'|'sum' reduction='mean')",
);
/** Negative log-likelihood of classes; input are log-probabilities [n, classes, …]. See torch.nn.NLLLoss. */
export class NLLLoss extends Module {
  readonly reduction: Reduction;
  readonly ignoreIndex: number;
  declare weight: Tensor | null;
  constructor(...args: Arguments<typeof nllLossCall.schema>) {
    super();
    const [weight, ignoreIndex, reduction] = nllLossCall.read(args);
    this.reduction = reduction;
    this.ignoreIndex = ignoreIndex;
    this.registerBuffer('weight', weight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { ignoreIndex, reduction, weight } = this;
    return F.nllLoss(input, target, { ignoreIndex, reduction, weight });
  }
}

const crossEntropyLossCall = signature(
  "CrossEntropyLoss(Tensor? weight=null, *, int ignoreIndex=-100, float labelSmoothing=0, 'none'|'mean'|'sum' reduction='mean')",
);
/** Cross entropy of logits [n, classes, …] and classes, or probabilities. See torch.nn.CrossEntropyLoss. */
export class CrossEntropyLoss extends Module {
  readonly reduction: Reduction;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  declare weight: Tensor | null;
  constructor(...args: Arguments<typeof crossEntropyLossCall.schema>) {
    super();
    const [weight, ignoreIndex, labelSmoothing, reduction] = crossEntropyLossCall.read(args);
    this.reduction = reduction;
    this.ignoreIndex = ignoreIndex;
    this.labelSmoothing = labelSmoothing;
    this.registerBuffer('weight', weight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { ignoreIndex, labelSmoothing, reduction, weight } = this;
    return F.crossEntropy(input, target, { ignoreIndex, labelSmoothing, reduction, weight });
  }
}

const linearCrossEntropyLossCall = signature(
  "LinearCrossEntropyLoss(int inFeatures, int numClasses, *, int[] outFeatures=[], bool bias=false, dtype? dtype=null, 'none'|'mean'|'sum' reduction='mean', Tensor? weight=null, int? ignoreIndex=null, float labelSmoothing=0, any? options=null)",
);
/** How PyTorch cuts the rows of LinearCrossEntropyLoss into parts; taken, checked, and not needed for the result. */
export interface LinearCrossEntropyOptions {
  allowRetainGraph?: boolean;
  batchChunkSize?: number | null;
  /** 'auto', 'aspect_ratio' or 'aspect_ratio:n'. */
  chunkingMethod?: string | null;
  accPolicy?: 'accurate' | 'compact' | 'auto';
  accDtype?: string | null;
}
function checkChunks(options: unknown): LinearCrossEntropyOptions | null {
  if (options === null) return null;
  const call = 'LinearCrossEntropyLoss';
  const known = ['allowRetainGraph', 'batchChunkSize', 'chunkingMethod', 'accPolicy', 'accDtype'];
  checkOptions(call, options as object, known);
  const { batchChunkSize: size = null, chunkingMethod: method = 'auto', accPolicy = 'auto' } = options as LinearCrossEntropyOptions; // prettier-ignore
  if (size !== null && !(Number.isInteger(size) && size > 0))
    throw new RangeError(`${call}: batchChunkSize must be a positive integer, got ${show(size)}`);
  if (method !== null && !/^(auto|aspect_ratio(:[1-9]\d*)?)$/.test(method))
    throw new TenfoldError('value', `${call}: chunkingMethod must be 'auto', 'aspect_ratio' or 'aspect_ratio:n', got ${show(method)}`); // prettier-ignore
  if (!['accurate', 'compact', 'auto'].includes(accPolicy))
    throw new TenfoldError('value', `${call}: accPolicy must be 'accurate', 'compact' or 'auto', got ${show(accPolicy)}`); // prettier-ignore
  return Object.freeze({ ...(options as LinearCrossEntropyOptions) });
}
/** As PyTorch prints them, those not given included. */
function printed(o: LinearCrossEntropyOptions): string {
  const word = (x: string | number | null): string => (typeof x === 'string' ? `'${x}'` : String(x));
  const { allowRetainGraph = false, batchChunkSize = null, chunkingMethod = 'auto', accPolicy = 'auto', accDtype = null } = o; // prettier-ignore
  return `LinearCrossEntropyOptions(allowRetainGraph=${allowRetainGraph}, batchChunkSize=${batchChunkSize}, chunkingMethod=${word(chunkingMethod)}, accPolicy='${accPolicy}', accDtype=${accDtype})`;
}
let wholeIsSaid = false;

/**
 * A Linear(inFeatures, numClasses · outFeatures) and the cross entropy of what it gives: input [n, inFeatures], classes
 * [n, …outFeatures] or probabilities. `options` say how PyTorch computes it in parts of the rows, for less memory; here it is
 * computed as a whole, with the same result, which is said once. See torch.nn.LinearCrossEntropyLoss.
 */
export class LinearCrossEntropyLoss extends Module {
  declare weight: Tensor | null;
  readonly reduction: Reduction;
  readonly numClasses: number;
  readonly outFeatures: readonly number[];
  readonly ignoreIndex: number | null;
  readonly labelSmoothing: number;
  linear: Linear;
  readonly options: LinearCrossEntropyOptions | null;
  constructor(...args: Arguments<typeof linearCrossEntropyLossCall.schema>) {
    super();
    const [inFeatures, numClasses, out, bias, dtype, reduction, weight, ignoreIndex, labelSmoothing, options] = linearCrossEntropyLossCall.read(args); // prettier-ignore
    const call = 'LinearCrossEntropyLoss';
    if (weight !== null && (weight.shape.length !== 1 || weight.shape[0] !== numClasses))
      throw new TenfoldError('shape', `${call}: weight must be [${numClasses}], got ${formatShape(weight.shape)}`);
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
      throw new TenfoldError('value', `${call}: labelSmoothing must be between 0 and 1, got ${labelSmoothing}`);
    this.registerBuffer('weight', weight);
    this.reduction = reduction;
    this.numClasses = numClasses;
    this.outFeatures = Object.freeze(typeof out === 'number' ? [out] : [...out]);
    this.ignoreIndex = ignoreIndex;
    this.labelSmoothing = labelSmoothing;
    this.linear = new Linear(inFeatures, numelOf([numClasses, ...this.outFeatures]), { bias, dtype });
    guard(this, 'linear');
    this.options = checkChunks(options);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { linear, numClasses, outFeatures, weight, reduction, ignoreIndex, labelSmoothing, options } = this;
    if (options !== null && !wholeIsSaid) {
      wholeIsSaid = true;
      process.emitWarning('LinearCrossEntropyLoss: computed as a whole; options don’t save memory here', 'TenfoldWarning'); // prettier-ignore
    }
    return F.linearCrossEntropy(input, linear.weight.reshape([numClasses, ...outFeatures, linear.inFeatures]), target, {
      linearBias: linear.bias?.reshape([numClasses, ...outFeatures]) ?? null,
      weight,
      reduction,
      ignoreIndex,
      labelSmoothing,
    });
  }
  override extraRepr(): string {
    const { linear, numClasses, outFeatures, reduction, ignoreIndex, labelSmoothing, options } = this;
    return `inFeatures=${linear.inFeatures}, numClasses=${numClasses}, outFeatures=${tuple(outFeatures)}, bias=${linear.bias !== null}, reduction=${reduction}, ignoreIndex=${ignoreIndex}, labelSmoothing=${float(labelSmoothing)}, options=${options === null ? 'null' : printed(options)}`;
  }
}

const bceLossCall = signature("BCELoss(Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean')");
/** Binary cross entropy of probabilities. See torch.nn.BCELoss. */
export class BCELoss extends Module {
  readonly reduction: Reduction;
  declare weight: Tensor | null;
  constructor(...args: Arguments<typeof bceLossCall.schema>) {
    super();
    const [weight, reduction] = bceLossCall.read(args);
    this.reduction = reduction;
    this.registerBuffer('weight', weight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight } = this;
    return F.binaryCrossEntropy(input, target, { reduction, weight });
  }
}

const bceWithLogitsLossCall = signature(
  "BCEWithLogitsLoss(Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean', Tensor? posWeight=null)",
);
/** Binary cross entropy of logits; posWeight weighs the positive class. See torch.nn.BCEWithLogitsLoss. */
export class BCEWithLogitsLoss extends Module {
  readonly reduction: Reduction;
  declare weight: Tensor | null;
  declare posWeight: Tensor | null;
  constructor(...args: Arguments<typeof bceWithLogitsLossCall.schema>) {
    super();
    const [weight, reduction, posWeight] = bceWithLogitsLossCall.read(args);
    this.reduction = reduction;
    this.registerBuffer('weight', weight);
    this.registerBuffer('posWeight', posWeight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight, posWeight } = this;
    return F.binaryCrossEntropyWithLogits(input, target, { reduction, weight, posWeight });
  }
}

const klDivLossCall = signature("KLDivLoss(*, bool logTarget=false, 'none'|'batchmean'|'mean'|'sum' reduction='mean')");
/** Kullback-Leibler divergence of target from input, a log-probability. See torch.nn.KLDivLoss. */
export class KLDivLoss extends Module {
  readonly reduction: Reduction | 'batchmean';
  readonly logTarget: boolean;
  constructor(...args: Arguments<typeof klDivLossCall.schema>) {
    super();
    const [logTarget, reduction] = klDivLossCall.read(args);
    this.reduction = reduction;
    this.logTarget = logTarget;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { logTarget, reduction } = this;
    return F.klDiv(input, target, { logTarget, reduction });
  }
}

const poissonNllLossCall = signature(
  "PoissonNLLLoss(bool logInput=true, bool full=false, *, float eps=1e-8, 'none'|'mean'|'sum' reduction='mean')",
);
/** Negative log-likelihood of Poisson counts. See torch.nn.PoissonNLLLoss. */
export class PoissonNLLLoss extends Module {
  readonly reduction: Reduction;
  readonly logInput: boolean;
  readonly full: boolean;
  readonly eps: number;
  constructor(...args: Arguments<typeof poissonNllLossCall.schema>) {
    super();
    const [logInput, full, eps, reduction] = poissonNllLossCall.read(args);
    this.reduction = reduction;
    this.logInput = logInput;
    this.full = full;
    this.eps = eps;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { logInput, full, eps, reduction } = this;
    return F.poissonNllLoss(input, target, { logInput, full, eps, reduction });
  }
}

const gaussianNllLossCall = signature(
  "GaussianNLLLoss(*, bool full=false, float eps=1e-6, 'none'|'mean'|'sum' reduction='mean')",
);
/** Negative log-likelihood of a normal distribution. See torch.nn.GaussianNLLLoss. */
export class GaussianNLLLoss extends Module {
  readonly reduction: Reduction;
  readonly full: boolean;
  readonly eps: number;
  constructor(...args: Arguments<typeof gaussianNllLossCall.schema>) {
    super();
    const [full, eps, reduction] = gaussianNllLossCall.read(args);
    this.reduction = reduction;
    this.full = full;
    this.eps = eps;
  }
  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    const { full, eps, reduction } = this;
    return F.gaussianNllLoss(input, target, variance, { full, eps, reduction });
  }
}

const cosineEmbeddingLossCall = signature(
  "CosineEmbeddingLoss(float margin=0, *, 'none'|'mean'|'sum' reduction='mean')",
);
/** Draws vectors together where target is 1, apart where it is −1. See torch.nn.CosineEmbeddingLoss. */
export class CosineEmbeddingLoss extends Module {
  readonly reduction: Reduction;
  readonly margin: number;
  constructor(...args: Arguments<typeof cosineEmbeddingLossCall.schema>) {
    super();
    const [margin, reduction] = cosineEmbeddingLossCall.read(args);
    this.reduction = reduction;
    this.margin = margin;
  }
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.cosineEmbeddingLoss(input1, input2, target, { margin, reduction });
  }
}

const marginRankingLossCall = signature("MarginRankingLoss(float margin=0, *, 'none'|'mean'|'sum' reduction='mean')");
/** Which of two inputs ranks higher: target 1 or −1. See torch.nn.MarginRankingLoss. */
export class MarginRankingLoss extends Module {
  readonly reduction: Reduction;
  readonly margin: number;
  constructor(...args: Arguments<typeof marginRankingLossCall.schema>) {
    super();
    const [margin, reduction] = marginRankingLossCall.read(args);
    this.reduction = reduction;
    this.margin = margin;
  }
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.marginRankingLoss(input1, input2, target, { margin, reduction });
  }
}

const hingeEmbeddingLossCall = signature("HingeEmbeddingLoss(float margin=1, *, 'none'|'mean'|'sum' reduction='mean')");
/** input where target is 1, max(0, margin − input) where it is −1. See torch.nn.HingeEmbeddingLoss. */
export class HingeEmbeddingLoss extends Module {
  readonly reduction: Reduction;
  readonly margin: number;
  constructor(...args: Arguments<typeof hingeEmbeddingLossCall.schema>) {
    super();
    const [margin, reduction] = hingeEmbeddingLossCall.read(args);
    this.reduction = reduction;
    this.margin = margin;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { margin, reduction } = this;
    return F.hingeEmbeddingLoss(input, target, { margin, reduction });
  }
}

const softMarginLossCall = signature("SoftMarginLoss(*, 'none'|'mean'|'sum' reduction='mean')");
/** log(1 + e^(−target · input)), target 1 or −1. See torch.nn.SoftMarginLoss. */
export class SoftMarginLoss extends Module {
  readonly reduction: Reduction;
  constructor(...args: Arguments<typeof softMarginLossCall.schema>) {
    super();
    const [reduction] = softMarginLossCall.read(args);
    this.reduction = reduction;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { reduction } = this;
    return F.softMarginLoss(input, target, { reduction });
  }
}

const tripletMarginLossCall = signature(
  "TripletMarginLoss(float margin=1, float p=2, float eps=1e-6, bool swap=false, *, 'none'|'mean'|'sum' reduction='mean')",
);
/** max(0, d(anchor, positive) − d(anchor, negative) + margin). See torch.nn.TripletMarginLoss. */
export class TripletMarginLoss extends Module {
  readonly reduction: Reduction;
  readonly margin: number;
  readonly p: number;
  readonly eps: number;
  readonly swap: boolean;
  constructor(...args: Arguments<typeof tripletMarginLossCall.schema>) {
    super();
    const [margin, p, eps, swap, reduction] = tripletMarginLossCall.read(args);
    this.reduction = reduction;
    this.margin = margin;
    this.p = p;
    this.eps = eps;
    this.swap = swap;
  }
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { margin, p, eps, swap, reduction } = this;
    return F.tripletMarginLoss(anchor, positive, negative, { margin, p, eps, swap, reduction });
  }
}

/** Options of TripletMarginWithDistanceLoss; the distance may be a module of two inputs. */
export interface TripletMarginLossOptions extends Omit<F.TripletMarginOptions, 'distanceFunction'> {
  distanceFunction?: F.Distance | Module | null;
}
const tripletMarginWithDistanceLossCall = signature(
  "TripletMarginWithDistanceLoss(*, any distanceFunction=null, float margin=1, bool swap=false, 'none'|'mean'|'sum' reduction='mean')",
);
/**
 * TripletMarginLoss with a distance of one's own: a function, or a module, which becomes a child; PairwiseDistance where none
 * is given. See torch.nn.TripletMarginWithDistanceLoss.
 */
export class TripletMarginWithDistanceLoss extends Module {
  static override stateName(property: string): string {
    return property === 'distanceFunction' ? 'distance_function' : property;
  }
  readonly distanceFunction: F.Distance | Module;
  readonly margin: number;
  readonly swap: boolean;
  readonly reduction: Reduction;
  constructor(options: TripletMarginLossOptions = {}) {
    super();
    const [distance, margin, swap, reduction] = tripletMarginWithDistanceLossCall.read([options]);
    if (distance !== null && typeof distance !== 'function' && !(distance instanceof Module)) {
      throw new TypeError(
        `TripletMarginWithDistanceLoss: 'distanceFunction' must be a function or a module, got ${show(distance)}`,
      );
    }
    this.distanceFunction = (distance as F.Distance | Module | null) ?? new PairwiseDistance();
    this.margin = margin;
    this.swap = swap;
    this.reduction = reduction;
  }
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const { distanceFunction: given, margin, swap, reduction } = this;
    const distanceFunction = given instanceof Module ? (a: Tensor, b: Tensor) => given.forward(a, b) as Tensor : given;
    return F.tripletMarginWithDistanceLoss(anchor, positive, negative, { distanceFunction, margin, swap, reduction });
  }
}

const multiMarginLossCall = signature(
  "MultiMarginLoss(float p=1, float margin=1, Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean')",
);
/** Margins between the target class and the others. See torch.nn.MultiMarginLoss. */
export class MultiMarginLoss extends Module {
  readonly reduction: Reduction;
  readonly p: number;
  readonly margin: number;
  declare weight: Tensor | null;
  constructor(...args: Arguments<typeof multiMarginLossCall.schema>) {
    super();
    const [p, margin, weight, reduction] = multiMarginLossCall.read(args);
    this.reduction = reduction;
    this.p = p;
    this.margin = margin;
    this.registerBuffer('weight', weight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { p, margin, reduction, weight } = this;
    return F.multiMarginLoss(input, target, { p, margin, reduction, weight });
  }
}

const multiLabelMarginLossCall = signature("MultiLabelMarginLoss(*, 'none'|'mean'|'sum' reduction='mean')");
/** Margins between several target classes and the others. See torch.nn.MultiLabelMarginLoss. */
export class MultiLabelMarginLoss extends Module {
  readonly reduction: Reduction;
  constructor(...args: Arguments<typeof multiLabelMarginLossCall.schema>) {
    super();
    const [reduction] = multiLabelMarginLossCall.read(args);
    this.reduction = reduction;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { reduction } = this;
    return F.multilabelMarginLoss(input, target, { reduction });
  }
}

const multiLabelSoftMarginLossCall = signature(
  "MultiLabelSoftMarginLoss(Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean')",
);
/** Binary cross entropy of each class's logit, their mean over the classes. See torch.nn.MultiLabelSoftMarginLoss. */
export class MultiLabelSoftMarginLoss extends Module {
  readonly reduction: Reduction;
  declare weight: Tensor | null;
  constructor(...args: Arguments<typeof multiLabelSoftMarginLossCall.schema>) {
    super();
    const [weight, reduction] = multiLabelSoftMarginLossCall.read(args);
    this.reduction = reduction;
    this.registerBuffer('weight', weight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    const { weight, reduction } = this;
    return F.multilabelSoftMarginLoss(input, target, { weight, reduction });
  }
}

const ctcLossCall = signature("CTCLoss(int blank=0, 'none'|'mean'|'sum' reduction='mean', bool zeroInfinity=false)");
/** Connectionist temporal classification; see nn.functional.ctcLoss. See torch.nn.CTCLoss. */
export class CTCLoss extends Module {
  readonly reduction: Reduction;
  readonly blank: number;
  readonly zeroInfinity: boolean;
  constructor(...args: Arguments<typeof ctcLossCall.schema>) {
    super();
    const [blank, reduction, zeroInfinity] = ctcLossCall.read(args);
    this.reduction = reduction;
    this.blank = blank;
    this.zeroInfinity = zeroInfinity;
  }
  override forward(
    logProbs: Tensor,
    targets: Tensor,
    inputLengths: Tensor | readonly number[],
    targetLengths: Tensor | readonly number[],
  ): Tensor {
    const { blank, zeroInfinity, reduction } = this;
    return F.ctcLoss(logProbs, targets, inputLengths, targetLengths, { blank, zeroInfinity, reduction });
  }
}
