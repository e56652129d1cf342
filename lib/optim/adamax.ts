/** Adamax. */
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  checkBetas,
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of Adamax, each of which a group may set for itself. */
export interface AdamaxOptions {
  lr: number;
  /** Decay of the running averages of the gradient and of its size. */
  betas: [number, number];
  eps: number;
  weightDecay: number;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false },
  positional: 4,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkBetas(call, o.betas);
    checkNumber(call, 'eps', o.eps);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

const RULE = stepRule('adamaxStep', ['exp_avg', 'exp_inf']);

/**
 * Adam with the infinity norm ([torch.optim.Adamax](https://pytorch.org/docs/stable/generated/torch.optim.Adamax.html),
 * [Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980), section 7).
 */
export class Adamax extends FusedOptimizer<AdamaxOptions> {
  constructor(
    params: Params<AdamaxOptions>,
    ...args: OptionArgs<[lr: number, betas: [number, number], eps: number, weightDecay: number], Partial<AdamaxOptions>>
  ) {
    super(params, SPEC, args);
  }
  protected override rule(): StepRule {
    return RULE;
  }
  protected override scalars(group: ParamGroup<AdamaxOptions>): number[] {
    return [group.betas[0], group.betas[1], group.eps];
  }
}
