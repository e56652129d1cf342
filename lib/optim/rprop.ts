/** Rprop. */
import { show } from '../errors.js';
import { where } from '../ops/index.js';
import { fillElements } from '../tensor/copy.js';
import type { Tensor } from '../tensor/tensor.js';
import { ComposedOptimizer, stateLike, wide } from './composed.js';
import { counter } from './fused.js';
import {
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
  type ParamState,
} from './optimizer.js';

/** Options of Rprop, each of which a group may set for itself. */
export interface RpropOptions {
  /** What every element's step size starts from. */
  lr: number;
  /** Factors of a step size after the gradient's sign has changed, and after it hasn't. */
  etas: [number, number];
  /** The smallest and the largest step size. */
  stepSizes: [number, number];
  /** Climb instead of descend. */
  maximize: boolean;
}

function checkPair(call: string, name: string, value: unknown): asserts value is [number, number] {
  if (!Array.isArray(value) || value.length !== 2)
    throw new TypeError(`${call}: ${name} must be a pair of numbers, got ${show(value)}`);
  value.forEach((x, i) => checkNumber(call, `${name}[${i}]`, x, -Infinity));
}

const SPEC: OptionSpec = {
  defaults: { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], maximize: false },
  positional: 3,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkPair(call, 'etas', o.etas);
    const [minus, plus] = o.etas;
    if (!(minus > 0 && minus < 1 && plus > 1))
      throw new RangeError(`${call}: etas must be one number between 0 and 1 and one above 1, got ${show(o.etas)}`);
    checkPair(call, 'stepSizes', o.stepSizes);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

/** What is remembered: `step` is a tensor of one element, as in PyTorch. */
interface RpropState extends ParamState {
  step: Tensor;
  prev: Tensor;
  step_size: Tensor;
}

/**
 * Resilient backpropagation ([torch.optim.Rprop](https://pytorch.org/docs/stable/generated/torch.optim.Rprop.html),
 * [Riedmiller and Braun, 1993](https://doi.org/10.1109/ICNN.1993.298623)), for full batches: only the signs of the
 * gradients count. An element's step grows while its gradient keeps its sign; where the sign changes, the step shrinks and
 * the element waits for once.
 */
export class Rprop extends ComposedOptimizer<RpropOptions> {
  protected override readonly shapedStates = ['prev', 'step_size'];

  constructor(
    params: Params<RpropOptions>,
    ...args: OptionArgs<[lr: number, etas: [number, number], stepSizes: [number, number]], Partial<RpropOptions>>
  ) {
    super(params, SPEC, args);
  }

  protected override initialize(group: ParamGroup<RpropOptions>, p: Tensor, state: ParamState): void {
    counter(state, 'step', 0);
    state.prev ??= stateLike(p, 0);
    state.step_size ??= stateLike(p, group.lr);
  }

  protected override stepOne(group: ParamGroup<RpropOptions>, p: Tensor, given: Tensor, state: RpropState): void {
    const [etaMinus, etaPlus] = group.etas;
    let grad = group.maximize ? given.neg() : given;
    const product = grad.mul(wide(state.prev));
    const turned = product.lt(0);
    // Neither above nor below 0: a product of 0 keeps the step, NaN stays NaN.
    const factor = where(product.gt(0), etaPlus, where(turned, etaMinus, where(product.eq(0), 1, product)));
    const size = wide(state.step_size).mul(factor).clamp(group.stepSizes[0], group.stepSizes[1]);
    grad = where(turned, 0, grad);
    p.copy_(wide(p).addcmul(grad.sign(), size, { value: -1 }));
    state.prev.copy_(grad);
    state.step_size.copy_(size);
    fillElements(state.step, Number(state.step.item()) + 1);
  }
}
