/** Losses of classes: negative log-likelihood, cross entropy, margins between classes. */
import { TenfoldError } from '../../errors.js';
import { Code, isFloatCode } from '../../dtype.js';
import { checkInterval } from '../../launch/check.js';
import { run } from '../../launch/run.js';
import { kernel } from '../../native/launch.js';
import { broadcastShapes, formatShape, sameShape, type Shape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { d, defineOp, type OpDef } from '../../op/define.js';
import { cat, stack, where } from '../../ops/index.js';
import { arange, fullLike, tensor } from '../../ops/creation.js';
import { logsigmoid } from './activation.js';
import { reduceLoss, type Reduction } from './loss.js';

const REDUCTIONS = ['none', 'mean', 'sum'];

/** [n, classes, d1, …] as rows of classes: [n · d1 · …, classes]. One row for [classes]. */
function asRows(x: Tensor): Tensor {
  const dims = x.shape.length;
  if (dims <= 1) return x.reshape([1, -1]);
  if (dims === 2) return x;
  const order = [0, ...Array.from({ length: dims - 2 }, (_, i) => i + 2), 1];
  return x.permute(order).reshape([-1, x.shape[1]!]);
}
/** Shape of the target that belongs to an input: without the dim of the classes. */
const targetShape = (input: Shape): Shape => (input.length <= 1 ? [] : [input[0]!, ...input.slice(2)]);

/** Refuses what is no list of classes for this input, before anything is computed. */
function checkClasses(call: string, input: Tensor, target: Tensor, probabilities: boolean): void {
  const { shape } = input;
  if (!isFloatCode(input.code))
    throw new TenfoldError('dtype', `${call}: input must be floating-point, got ${input.dtype}`);
  if (shape.length === 0)
    throw new TenfoldError('shape', `${call}: input must be [classes] or [n, classes, …], got a 0-dim tensor`);
  const want = targetShape(shape);
  const orProbabilities = probabilities ? `, or probabilities of shape ${formatShape(shape)}` : '';
  if (target.code !== Code.i64 && target.code !== Code.u8) {
    throw new TenfoldError(
      'dtype',
      `${call}: target must hold classes as int64, got ${target.dtype} of shape ${formatShape(target.shape)}; use target.long() or { dtype: 'int64' }${orProbabilities}`,
    );
  }
  if (!sameShape(target.shape, want)) {
    throw new TenfoldError(
      'shape',
      `${call}: target has shape ${formatShape(target.shape)}, expected ${formatShape(want)} for input ${formatShape(shape)}${orProbabilities}`,
    );
  }
}
function checkWeight(call: string, weight: Tensor | null, classes: number, input?: Tensor): void {
  if (weight !== null && input !== undefined && weight.code !== input.code)
    throw new TenfoldError('dtype', `${call}: weight must be ${input.dtype} as the input is, got ${weight.dtype}`);
  if (weight !== null && (weight.shape.length !== 1 || weight.count !== classes)) {
    throw new TenfoldError(
      'shape',
      `${call}: weight must have one element for each of ${classes} classes, got shape ${formatShape(weight.shape)}`,
    );
  }
}
/** Refuses classes that don't exist; `ignore` is let through. */
function checkRange(call: string, target: Tensor, classes: number, ignore: number): void {
  const refusal = (found: number, row: number): Error =>
    new RangeError(
      `${call}: class ${found} in row ${row} is out of range for ${classes} classes (0 to ${classes - 1})`,
    );
  checkInterval(target, 0, classes - 1, refusal, { except: ignore });
}

// ---- negative log-likelihood -----------------------------------------------------------------------------------------

/** Weight of each row: of its class, 0 where the class is ignored. */
function rowWeights(target: Tensor, weight: Tensor | null, ignore: number, like: Tensor): Tensor {
  const counts = target.ne(ignore);
  const rows =
    weight === null ? counts.to(like.dtype) : where(counts, weight.indexSelect(0, inRange(target, ignore)), 0);
  return rows;
}
const inRange = (target: Tensor, ignore: number): Tensor => where(target.eq(ignore), 0, target);

const nllRows = defineOp(
  'nllRows(Tensor input, Tensor target, Tensor? weight, int ignoreIndex, string reduction)',
  (): OpDef => ({
    forward(x: Tensor, target: Tensor, weight: Tensor | null, ignore: number, reduction: Reduction) {
      const picked = x.gather(1, inRange(target, ignore).unsqueeze(1)).squeeze(1);
      const rows = rowWeights(target, weight, ignore, x);
      const losses = where(target.eq(ignore), 0, picked.mul(rows).neg());
      return reduction === 'mean' ? losses.sum().div(rows.sum()) : reduceLoss(losses, reduction);
    },
    backward: {
      input: d('target', 'weight', (grad, target, weight, call) => {
        let rows = rowWeights(target, weight, call.ignoreIndex, grad).neg();
        // Where all are ignored, the sum is 0; what is ignored has no gradient even then.
        if (call.reduction === 'mean') rows = where(target.ne(call.ignoreIndex), rows.div(rows.sum().neg()), 0);
        const at = inRange(target, call.ignoreIndex).unsqueeze(1);
        return Tensor.zeros(call.input.shape, grad.code).scatterAdd(1, at, rows.mul(grad).unsqueeze(1));
      }),
    },
    gradName: 'NllLossBackward0',
  }),
);
/**
 * Mean of −input[class] · weight[class] over the rows; the mean counts weights. input are log-probabilities [n, classes, d1, …] or
 * [classes], target classes [n, d1, …]. Rows of class ignoreIndex don't count. See torch.nn.functional.nll_loss.
 */
export const nllLoss = defineOp(
  "nllLoss(Tensor input, Tensor target, Tensor? weight=null, *, int ignoreIndex=-100, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, weight: Tensor | null, ignoreIndex: number, reduction: Reduction) {
      checkClasses('nllLoss', input, target, false);
      const rows = asRows(input);
      const classes = target.long();
      checkWeight('nllLoss', weight, rows.shape[1]!, input);
      checkRange('nllLoss', classes, rows.shape[1]!, ignoreIndex);
      const loss = nllRows(rows, classes.reshape([-1]), weight, ignoreIndex, reduction);
      return reduction === 'none' ? loss.view([...target.shape]) : loss;
    },
    composite: true,
  }),
);

// ---- cross entropy ---------------------------------------------------------------------------------------------------

const CROSS_ENTROPY = kernel('crossEntropy');
const CROSS_ENTROPY_BACKWARD = kernel('crossEntropyBackward');

const fusedBackward = defineOp(
  'crossEntropyBackward(Tensor grad, Tensor input, Tensor target, Tensor saved, int ignoreIndex, float labelSmoothing, string reduction)',
  (): OpDef => ({
    forward(
      grad: Tensor,
      x: Tensor,
      target: Tensor,
      saved: Tensor,
      ignore: number,
      smoothing: number,
      reduction: Reduction,
    ) {
      const out = Tensor.rawLike(x, x.code);
      const [rows, classes] = x.shape as unknown as [number, number];
      const how = REDUCTIONS.indexOf(reduction);
      const tensors = [grad.rawDense(), saved, out];
      run(CROSS_ENTROPY_BACKWARD[x.code]!, rows, classes, x.rawDense(), target, ignore, smoothing, how, ...tensors);
      return out;
    },
    backward: {
      grad: d('input', 'target', 'saved', (g, x, target, saved, call) => {
        const one = Tensor.zeros(call.grad.shape, x.code).add(1);
        const slope = fusedBackward(one, x, target, saved, call.ignoreIndex, call.labelSmoothing, call.reduction).mul(
          g,
        );
        return call.reduction === 'none' ? slope.sum(1) : slope.sum();
      }),
      // Each row of the gradient is its share of grad times softmax(x) − constants.
      input: d('grad', 'input', 'target', (g, grad, x, target, call) => {
        const counts = target.ne(call.ignoreIndex).to(x.dtype);
        const share = call.reduction === 'mean' ? counts.div(counts.sum().clampMin(1)) : counts;
        const y = x.softmax(1);
        const pulled = g.mul(grad.mul(share).unsqueeze(1));
        return y.mul(pulled.sub(pulled.mul(y).sum(1, true)));
      }),
    },
  }),
);
const fused = defineOp(
  'crossEntropyRows(Tensor input, Tensor target, int ignoreIndex, float labelSmoothing, string reduction) -> (loss, saved)',
  (): OpDef => ({
    forward(x: Tensor, target: Tensor, ignore: number, smoothing: number, reduction: Reduction) {
      const [rows, classes] = x.shape as unknown as [number, number];
      const loss = Tensor.raw(reduction === 'none' ? [rows] : [], x.code);
      // What backward reads of each row: the largest logit, and log Σ e^(x − largest).
      const saved = Tensor.raw([rows, 2], x.code);
      const how = REDUCTIONS.indexOf(reduction);
      const id = CROSS_ENTROPY[x.code]!;
      run(id, rows, classes, x.rawDense(), target, ignore, smoothing, how, loss, saved);
      return [loss, saved];
    },
    backward: {
      input: d('input', 'target', 'result1', (grads, x, target, saved, call) =>
        fusedBackward(grads[0], x, target, saved, call.ignoreIndex, call.labelSmoothing, call.reduction),
      ),
    },
    gradName: 'NllLossBackward0',
  }),
);

/**
 * Mean of −log softmax(input)[class] over the rows. input are logits [n, classes, d1, …] or [classes]; target are classes
 * [n, d1, …] as int64, or probabilities of input's shape. `weight` weighs the classes, rows of class `ignoreIndex` don't
 * count, `labelSmoothing` gives that share of the target to all classes alike. See torch.nn.functional.cross_entropy.
 * @throws TenfoldError 'shape' or 'dtype' where the target fits neither form, RangeError for a class that doesn't exist.
 */
export const crossEntropy = defineOp(
  "crossEntropy(Tensor input, Tensor target, Tensor? weight=null, *, int ignoreIndex=-100, 'none'|'mean'|'sum' reduction='mean', float labelSmoothing=0)",
  (): OpDef => ({
    forward(
      input: Tensor,
      target: Tensor,
      weight: Tensor | null,
      ignoreIndex: number,
      reduction: Reduction,
      labelSmoothing: number,
    ) {
      if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
        throw new TenfoldError('value', `crossEntropy: labelSmoothing must be between 0 and 1, got ${labelSmoothing}`);
      }
      if (isFloatCode(target.code) && sameShape(input.shape, target.shape) && input.shape.length > 0) {
        if (ignoreIndex >= 0)
          throw new TenfoldError(
            'value',
            `crossEntropy: ignoreIndex ${ignoreIndex} goes with classes as target, and this one holds probabilities`,
          );
        return ofProbabilities(input, target, weight, reduction, labelSmoothing);
      }
      checkClasses('crossEntropy', input, target, true);
      const rows = asRows(input);
      const classes = rows.shape[1]!;
      checkWeight('crossEntropy', weight, classes, input);
      const list = target.long().reshape([-1]).contiguous();
      let loss: Tensor;
      if (weight === null && classes > 0) {
        const half = rows.code > Code.f64;
        loss = fused(half ? rows.float() : rows, list, ignoreIndex, labelSmoothing, reduction)[0]!;
        if (half) loss = loss.to(rows.dtype);
      } else loss = weighted(rows, list, weight, ignoreIndex, reduction, labelSmoothing);
      return reduction === 'none' ? loss.view([...target.shape]) : loss;
    },
    composite: true,
  }),
);

/** Cross entropy with class weights. */
function weighted(
  x: Tensor,
  target: Tensor,
  weight: Tensor | null,
  ignore: number,
  reduction: Reduction,
  smoothing: number,
): Tensor {
  const classes = x.shape[1]!;
  checkRange('crossEntropy', target, classes, ignore);
  const logs = x.logSoftmax(1);
  const loss = nllRows(logs, target, weight, ignore, reduction);
  if (smoothing === 0) return loss;
  const spread = (weight === null ? logs : logs.mul(weight)).sum(1).neg();
  const counted = where(target.eq(ignore), 0, spread);
  const smooth =
    reduction === 'mean'
      ? counted.sum().div(rowWeights(target, weight, ignore, x).sum())
      : reduceLoss(counted, reduction);
  return loss.mul(1 - smoothing).add(smooth.mul(smoothing / classes));
}

/** Cross entropy with a distribution over the classes as target. */
function ofProbabilities(
  input: Tensor,
  target: Tensor,
  weight: Tensor | null,
  reduction: Reduction,
  smoothing: number,
): Tensor {
  const dim = input.shape.length === 1 ? 0 : 1;
  const classes = input.shape[dim]!;
  checkWeight('crossEntropy', weight, classes);
  const wanted = smoothing > 0 ? target.mul(1 - smoothing).add(smoothing / classes) : target;
  let loss = input.logSoftmax(dim).mul(wanted);
  if (weight !== null)
    loss = loss.mul(dim === 0 ? weight : weight.view([1, -1, ...new Array<number>(input.shape.length - 2).fill(1)]));
  if (reduction === 'none') return loss.sum(dim).neg();
  const sum = loss.sum().neg();
  return reduction === 'sum' ? sum : sum.div(input.count / classes);
}

// ---- margins ---------------------------------------------------------------------------------------------------------

/**
 * Mean over classes of max(0, margin − x[target] + x[class])^p, the target's own left out; input [n, classes] or [classes]. See
 * torch.nn.functional.multi_margin_loss.
 */
export const multiMarginLoss = defineOp(
  "multiMarginLoss(Tensor input, Tensor target, float p=1, float margin=1, Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, p: number, margin: number, weight: Tensor | null, reduction: Reduction) {
      if (p !== 1 && p !== 2) throw new TenfoldError('value', `multiMarginLoss: p must be 1 or 2, got ${p}`);
      const x = input.shape.length < 2 ? input.reshape([1, -1]) : input;
      const classes = x.shape[1]!;
      const list = target.reshape([-1]);
      if (x.shape.length !== 2 || list.count !== x.shape[0] || target.shape.length > 1) {
        throw new TenfoldError(
          'shape',
          `multiMarginLoss: target ${formatShape(target.shape)} doesn't fit input ${formatShape(input.shape)}`,
        );
      }
      checkClasses('multiMarginLoss', x, list, false);
      checkWeight('multiMarginLoss', weight, classes);
      checkRange('multiMarginLoss', list, classes, NaN);
      const at = list.long().unsqueeze(1);
      const own = x.gather(1, at);
      let over = x.sub(own).add(margin).clamp({ min: 0 });
      if (p === 2) over = over.square();
      if (weight !== null) over = over.mul(weight.indexSelect(0, list.long()).unsqueeze(1));
      const isOwn = Tensor.zeros(x.shape, Code.bool).scatter(1, at, true);
      const losses = where(isOwn, 0, over).sum(1).div(classes);
      return input.shape.length < 2 && reduction === 'none' && target.shape.length === 0
        ? losses.squeeze(0)
        : reduceLoss(losses, reduction);
    },
    composite: true,
  }),
);

/**
 * Mean over classes of the margins max(0, 1 − x[target] + x[class]) between each target and each class that is none, divided
 * by the number of classes. input is [n, classes] or [classes], target int64 of that shape: classes up to the first −1. See
 * torch.nn.functional.multilabel_margin_loss.
 */
export const multilabelMarginLoss = defineOp(
  "multilabelMarginLoss(Tensor input, Tensor target, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, reduction: Reduction) {
      if (!isFloatCode(input.code))
        throw new TenfoldError('dtype', `multilabelMarginLoss: input must be floating-point, got ${input.dtype}`);
      if (target.code !== Code.i64) {
        throw new TenfoldError(
          'dtype',
          `multilabelMarginLoss: target must hold classes as int64, got ${target.dtype}; use target.long()`,
        );
      }
      const x = input.shape.length === 0 ? input.reshape([1]) : input;
      const labels = target.shape.length === 0 ? target.reshape([1]) : target;
      const classes = x.shape.at(-1)!;
      if (x.shape.length > 2 || classes === 0 || !sameShape(x.shape, labels.shape)) {
        throw new TenfoldError(
          'shape',
          `multilabelMarginLoss: expected input [n, classes] or [classes] and a target of its shape, got ${formatShape(input.shape)} and ${formatShape(target.shape)}`,
        );
      }
      checkRange('multilabelMarginLoss', labels, classes, -1);
      const counts = labels.ge(0).long().cumprod(-1);
      const at = labels.clamp({ min: 0 });
      const isTarget = Tensor.zeros(x.shape, Code.i64).scatterAdd(-1, at, counts).gt(0);
      // [n, targets, classes]; targets stand in front, so there are as many as the row that has most of them.
      const most = x.count === 0 ? 0 : Number(counts.sum(-1).amax().item());
      const targets = (t: Tensor): Tensor => t.narrow(-1, 0, most).unsqueeze(-1);
      const over = x
        .unsqueeze(-2)
        .sub(targets(x.gather(-1, at)))
        .add(1)
        .relu();
      const compared = targets(counts.gt(0)).logicalAnd(isTarget.logicalNot().unsqueeze(-2));
      return reduceLoss(where(compared, over, 0).sum([-2, -1]).div(classes), reduction);
    },
    composite: true,
  }),
);

/**
 * Mean over classes of −(y log σ(x) + (1 − y) log σ(−x)), the binary cross entropy of each class's logit; weight has one factor
 * for each class. See torch.nn.functional.multilabel_soft_margin_loss.
 */
export const multilabelSoftMarginLoss = defineOp(
  "multilabelSoftMarginLoss(Tensor input, Tensor target, Tensor? weight=null, *, 'none'|'mean'|'sum' reduction='mean')",
  (): OpDef => ({
    forward(input: Tensor, target: Tensor, weight: Tensor | null, reduction: Reduction) {
      if (!isFloatCode(input.code))
        throw new TenfoldError('dtype', `multilabelSoftMarginLoss: input must be floating-point, got ${input.dtype}`);
      if (input.shape.length === 0)
        throw new TenfoldError('shape', 'multilabelSoftMarginLoss: input must be [..., classes], got a 0-dim tensor');
      broadcastShapes('multilabelSoftMarginLoss', input.shape, target.shape);
      const losses = target
        .mul(logsigmoid(input))
        .add(target.neg().add(1).mul(logsigmoid(input.neg())))
        .neg();
      const weighted = weight === null ? losses : losses.mul(weight);
      return reduceLoss(weighted.sum(-1).div(input.shape.at(-1)!), reduction);
    },
    composite: true,
  }),
);

// ---- sequences -------------------------------------------------------------------------------------------------------

const lengthsOf = (call: string, name: string, x: unknown): number[] => {
  const list = x instanceof Tensor ? (x.shape.length === 0 ? [Number(x.item())] : (x.tolist() as number[])) : x;
  if (!Array.isArray(list) || !list.every((n) => Number.isInteger(Number(n)) && Number(n) >= 0)) {
    throw new TypeError(`${call}: '${name}' must be lengths, as an integer tensor or a list`);
  }
  return list.map(Number);
};
/** Stands for log 0 where differences of it must stay finite. */
const NEVER = -1e30;

/**
 * Connectionist temporal classification (Graves et al. 2006): −log of the probability that logProbs [t, n, classes] (or
 * [t, classes]) spell the targets with blanks and repeats, which are [n, s] or all of them behind each other. 'mean' divides
 * each by its target's length. See torch.nn.functional.ctc_loss.
 */
export const ctcLoss = defineOp(
  "ctcLoss(Tensor logProbs, Tensor targets, any inputLengths, any targetLengths, int blank=0, 'none'|'mean'|'sum' reduction='mean', bool zeroInfinity=false)",
  (): OpDef => ({
    forward(
      logProbs: Tensor,
      targets: Tensor,
      inputLengths: unknown,
      targetLengths: unknown,
      blank: number,
      reduction: Reduction,
      zeroInfinity: boolean,
    ) {
      const single = logProbs.shape.length === 2;
      const logs = single ? logProbs.unsqueeze(1) : logProbs;
      if (logs.shape.length !== 3)
        throw new TenfoldError(
          'shape',
          `ctcLoss: logProbs must be [t, n, classes], got ${formatShape(logProbs.shape)}`,
        );
      const [steps, n, classes] = logs.shape as unknown as [number, number, number];
      const times = lengthsOf('ctcLoss', 'inputLengths', inputLengths);
      const sizes = lengthsOf('ctcLoss', 'targetLengths', targetLengths);
      if (times.length !== n || sizes.length !== n) {
        throw new TenfoldError(
          'shape',
          `ctcLoss: ${times.length} inputLengths and ${sizes.length} targetLengths for a batch of ${n}`,
        );
      }
      if (times.some((t) => t > steps))
        throw new RangeError(`ctcLoss: an input length of ${Math.max(...times)} for ${steps} steps`);
      if (blank < 0 || blank >= classes) throw new RangeError(`ctcLoss: blank ${blank} is none of ${classes} classes`);
      if (steps === 0)
        throw new TenfoldError('shape', `ctcLoss: logProbs has no time steps, got ${formatShape(logProbs.shape)}`);
      const words = splitTargets(targets, sizes, classes);
      // A sample without steps spells the empty word for certain, and no other one; its log-probabilities take no part.
      const idle = times.map((t) => t === 0);
      const spelt = words.map((word, i) => (idle[i] ? [] : word));
      let loss = spell(logs, spelt, times.map((t) => Math.max(t, 1)), blank, zeroInfinity); // prettier-ignore
      if (idle.includes(true)) {
        const certain = sizes.map((size) => (size === 0 || zeroInfinity ? 0 : Infinity));
        loss = where(tensor(idle), tensor(certain, { dtype: loss.dtype }), loss);
      }
      if (reduction === 'mean')
        loss = loss.div(tensor(sizes.map((s) => Math.max(s, 1)), { dtype: loss.dtype })).mean(); // prettier-ignore
      else if (reduction === 'sum') loss = loss.sum();
      return single && reduction === 'none' ? loss.squeeze(0) : loss;
    },
    composite: true,
  }),
);

function splitTargets(targets: Tensor, sizes: readonly number[], classes: number): number[][] {
  let words: number[][];
  const longest = Math.max(0, ...sizes);
  if (targets.shape.length === 2 && targets.shape[0] === sizes.length && targets.shape[1]! >= longest) {
    words = (targets.tolist() as number[][]).map((row, i) => row.slice(0, sizes[i]).map(Number));
  } else {
    const flat = targets.reshape([-1]).tolist() as number[];
    const total = sizes.reduce((a, b) => a + b, 0);
    if (targets.shape.length !== 1 || flat.length < total) {
      throw new TenfoldError(
        'shape',
        `ctcLoss: targets ${formatShape(targets.shape)} don't hold the ${total} labels of targetLengths`,
      );
    }
    let at = 0;
    words = sizes.map((s) => flat.slice(at, (at += s)).map(Number));
  }
  const bad = words.flat().find((c) => !(c >= 0 && c < classes));
  if (bad !== undefined) throw new RangeError(`ctcLoss: label ${bad} is none of ${classes} classes`);
  return words;
}

/**
 * −log probability of each word: the forward recursion over label positions, blanks between them. A word that is longer than
 * its steps has none: ∞ with a gradient of NaN, as in PyTorch, or 0 with one of 0.
 */
function spell(
  logs: Tensor,
  words: readonly number[][],
  times: readonly number[],
  blank: number,
  zeroInfinity: boolean,
): Tensor {
  const [steps, n] = logs.shape as unknown as [number, number];
  const width = 2 * Math.max(0, ...words.map((w) => w.length)) + 1;
  const labels = words.map((w) =>
    Array.from({ length: width }, (_, i) => (i % 2 === 1 && i >> 1 < w.length ? w[i >> 1]! : blank)),
  );
  // A label may follow the one before the last blank unless it is the same: that needs the blank.
  const skips = tensor(labels.map((l) => l.map((c, i) => i >= 2 && c !== blank && c !== l[i - 2]))); // prettier-ignore
  const at = tensor(labels, { dtype: 'int64' }).unsqueeze(0).expand([steps, n, width]);
  const emitted = logs.gather(2, at);
  const starts = tensor(labels.map((_, i) => Array.from({ length: width }, (_, s) => s < Math.min(2, 2 * words[i]!.length + 1)))); // prettier-ignore
  const never = fullLike(emitted.select(0, 0).detach(), NEVER);
  const shifted = (x: Tensor, by: number): Tensor =>
    cat([never.narrow(1, 0, Math.min(by, width)), x.narrow(1, 0, Math.max(width - by, 0))], 1);
  let alpha = where(starts, emitted.select(0, 0), never);
  for (let t = 1; t < steps; t++) {
    const reached = stack([alpha, shifted(alpha, 1), where(skips, shifted(alpha, 2), never)], 0).logsumexp(0);
    const running = tensor(times.map((end) => [t < end])); // prettier-ignore
    alpha = where(running, reached.add(emitted.select(0, t)).clamp({ min: NEVER }), alpha);
  }
  const last = tensor(words.map((w) => [2 * w.length]), { dtype: 'int64' }); // prettier-ignore
  const before = tensor(words.map((w) => [Math.max(2 * w.length - 1, 0)]), { dtype: 'int64' }); // prettier-ignore
  const isEmpty = tensor(words.map((w) => [w.length === 0])); // prettier-ignore
  const ends = cat([alpha.gather(1, last), where(isEmpty, NEVER, alpha.gather(1, before))], 1);
  // PyTorch's gradient takes logProbs for a result of logSoftmax: it has the sum of probabilities' share, too.
  const step = arange(steps).unsqueeze(1);
  const probabilities = where(step.lt(tensor(times, { dtype: 'int64' })), logs.exp().sum(2), 0).sum(0); // prettier-ignore
  const share = probabilities.sub(probabilities.detach()); // 0
  const loss = ends.logsumexp(1).neg();
  const impossible = loss.gt(-NEVER / 10);
  // −log share² has that value and that gradient; the others' share must not be 0 there, for 0 · NaN is NaN.
  const instead = zeroInfinity ? 0 : where(impossible, share, 1).square().log().neg();
  return where(impossible, instead, loss.add(share));
}
