/** Lion. */
import { type Tensor } from '../tensor/tensor.js';
import { ComposedOptimizer, stateLike, wide } from './composed.js';
import {
  checkBetas,
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type ParamState,
  type Params,
} from './optimizer.js';

/** Options of Lion, each of which a group may set for itself. */
export interface LionOptions {
  lr: number;
  /** How much of the average the step's direction keeps, and how much the average keeps. */
  betas: readonly [number, number];
  /** Share of the parameter that each step takes away, times lr. */
  weightDecay: number;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0, maximize: false },
  positional: 3,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkBetas(call, o.betas);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

/**
 * Steps of one size, lr, along the sign of β₁m + (1 − β₁)g, with weight decay apart from the gradient. PyTorch has no Lion:
 * this is the paper's ([Chen and others, 2023](https://arxiv.org/abs/2302.06675), algorithm 2). Learning rates are three to ten
 * times smaller than AdamW's, weight decay as much larger.
 */
export class Lion extends ComposedOptimizer<LionOptions> {
  protected override readonly shapedStates = ['exp_avg'];
  constructor(
    params: Params<LionOptions>,
    ...args: OptionArgs<[lr: number, betas: readonly [number, number], weightDecay: number], Partial<LionOptions>>
  ) {
    super(params, SPEC, args);
  }
  protected override initialize(_: ParamGroup<LionOptions>, p: Tensor, state: ParamState): void {
    state.exp_avg ??= stateLike(p, 0);
  }
  protected override stepOne(group: ParamGroup<LionOptions>, p: Tensor, grad: Tensor, state: ParamState): void {
    const { lr, betas, weightDecay, maximize } = group;
    const average = state.exp_avg as Tensor;
    const g = maximize ? grad.neg() : grad;
    const m = wide(average);
    const direction = m.lerp(g, 1 - betas[0]).sign();
    average.copy_(m.lerp(g, 1 - betas[1]));
    p.copy_(wide(p).mul(1 - lr * weightDecay).add(direction, { alpha: -lr })); // prettier-ignore
  }
}
