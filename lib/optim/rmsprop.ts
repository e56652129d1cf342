/** RMSprop. */
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of RMSprop, each of which a group may set for itself. */
export interface RMSpropOptions {
  lr: number;
  /** Decay of the running average of the squared gradient. */
  alpha: number;
  eps: number;
  weightDecay: number;
  momentum: number;
  /** Divide by the standard deviation: the average gradient is taken away. */
  centered: boolean;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false },
  positional: 6,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkNumber(call, 'alpha', o.alpha);
    checkNumber(call, 'eps', o.eps);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkNumber(call, 'momentum', o.momentum);
    checkBoolean(call, 'centered', o.centered);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

const PLAIN = stepRule('rmspropStep', ['square_avg']);
const MOMENTUM = stepRule('rmspropMomentumStep', ['square_avg', 'momentum_buffer']);
const CENTERED = stepRule('rmspropCenteredStep', ['square_avg', 'grad_avg']);
const BOTH = stepRule('rmspropCenteredMomentumStep', ['square_avg', 'momentum_buffer', 'grad_avg']);

/**
 * RMSprop ([torch.optim.RMSprop](https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html),
 * [Hinton's lecture 6](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf);
 * centered: [Graves, 2013](https://arxiv.org/abs/1308.0850)).
 */
export class RMSprop extends FusedOptimizer<RMSpropOptions> {
  constructor(
    params: Params<RMSpropOptions>,
    ...args: OptionArgs<
      [lr: number, alpha: number, eps: number, weightDecay: number, momentum: number, centered: boolean],
      Partial<RMSpropOptions>
    >
  ) {
    super(params, SPEC, args);
  }
  protected override rule(group: ParamGroup<RMSpropOptions>): StepRule {
    if (group.momentum > 0) return group.centered ? BOTH : MOMENTUM;
    return group.centered ? CENTERED : PLAIN;
  }
  protected override scalars(group: ParamGroup<RMSpropOptions>): number[] {
    return [group.alpha, group.eps, group.momentum];
  }
}
