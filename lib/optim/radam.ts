/** RAdam. */
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  checkBetas,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of RAdam, each of which a group may set for itself. */
export interface RAdamOptions {
  lr: number;
  /** Decay of the running averages of the gradient and of its size. */
  betas: [number, number];
  eps: number;
  weightDecay: number;
}

const SPEC: OptionSpec = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 },
  positional: 4,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkBetas(call, o.betas);
    checkNumber(call, 'eps', o.eps);
    checkNumber(call, 'weightDecay', o.weightDecay);
  },
};

const RULE = stepRule('radamStep', ['exp_avg', 'exp_avg_sq']);

/**
 * Rectified Adam ([torch.optim.RAdam](https://pytorch.org/docs/stable/generated/torch.optim.RAdam.html),
 * [Liu and others, 2019](https://arxiv.org/abs/1908.03265)).
 */
export class RAdam extends FusedOptimizer<RAdamOptions> {
  constructor(
    params: Params<RAdamOptions>,
    ...args: OptionArgs<[lr: number, betas: [number, number], eps: number, weightDecay: number], Partial<RAdamOptions>>
  ) {
    super(params, SPEC, args);
  }
  protected override rule(): StepRule {
    return RULE;
  }
  protected override scalars(group: ParamGroup<RAdamOptions>): number[] {
    return [group.betas[0], group.betas[1], group.eps];
  }
}
