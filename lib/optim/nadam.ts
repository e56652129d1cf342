/** NAdam. */
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  checkBetas,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of NAdam, each of which a group may set for itself. */
export interface NAdamOptions {
  lr: number;
  /** Decay of the running averages of the gradient and of its size. */
  betas: [number, number];
  eps: number;
  weightDecay: number;
  momentumDecay: number;
}

const SPEC: OptionSpec = {
  defaults: { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, momentumDecay: 4e-3 },
  positional: 5,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkBetas(call, o.betas);
    checkNumber(call, 'eps', o.eps);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkNumber(call, 'momentumDecay', o.momentumDecay);
  },
};

const RULE: StepRule = { ...stepRule('nadamStep', ['exp_avg', 'exp_avg_sq']), muProduct: true };

/**
 * Adam with Nesterov momentum ([torch.optim.NAdam](https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html),
 * [Dozat, 2016](https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ)).
 */
export class NAdam extends FusedOptimizer<NAdamOptions> {
  constructor(
    params: Params<NAdamOptions>,
    ...args: OptionArgs<
      [lr: number, betas: [number, number], eps: number, weightDecay: number, momentumDecay: number],
      Partial<NAdamOptions>
    >
  ) {
    super(params, SPEC, args);
  }
  protected override rule(): StepRule {
    return RULE;
  }
  protected override scalars(group: ParamGroup<NAdamOptions>): number[] {
    return [group.betas[0], group.betas[1], group.eps, group.momentumDecay];
  }
}
