/** Adam and AdamW. */
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

/** Options of Adam and AdamW, each of which a group may set for itself. */
export interface AdamOptions {
  lr: number;
  /** Decay of the running averages of the gradient and of its square. */
  betas: [number, number];
  /** Added to the denominator. */
  eps: number;
  weightDecay: number;
  /** Divide by the largest average of the square so far: https://openreview.net/forum?id=ryQu7f-RZ. */
  amsgrad: boolean;
  /** Climb instead of descend. */
  maximize: boolean;
}
type Args = OptionArgs<
  [lr: number, betas: [number, number], eps: number, weightDecay: number, amsgrad: boolean],
  Partial<AdamOptions>
>;

const spec = (weightDecay: number): OptionSpec => ({
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay, amsgrad: false, maximize: false },
  positional: 5,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkBetas(call, o.betas);
    checkNumber(call, 'eps', o.eps);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkBoolean(call, 'amsgrad', o.amsgrad);
    checkBoolean(call, 'maximize', o.maximize);
  },
});
const ADAM = spec(0);
const ADAMW = spec(1e-2);

const PLAIN = stepRule('adamStep', ['exp_avg', 'exp_avg_sq']);
const AMSGRAD = stepRule('adamAmsgradStep', ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq']);

abstract class AdamStep extends FusedOptimizer<AdamOptions> {
  protected abstract readonly decoupled: boolean;
  protected override rule(group: ParamGroup<AdamOptions>): StepRule {
    return group.amsgrad ? AMSGRAD : PLAIN;
  }
  protected override scalars(group: ParamGroup<AdamOptions>): (number | boolean)[] {
    const { betas } = group;
    return [betas[0], betas[1], group.eps, this.decoupled];
  }
}

/**
 * Adam ([torch.optim.Adam](https://pytorch.org/docs/stable/generated/torch.optim.Adam.html),
 * [Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980)). `weightDecay` is an L2 penalty; AdamW has the decoupled one.
 *
 * ```ts
 * const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3, betas: [0.9, 0.999] });
 * ```
 */
export class Adam extends AdamStep {
  protected override get decoupled(): boolean {
    return false;
  }
  constructor(params: Params<AdamOptions>, ...args: Args) {
    super(params, ADAM, args);
  }
}

/**
 * Adam with decoupled weight decay ([torch.optim.AdamW](https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html),
 * [Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)).
 */
export class AdamW extends AdamStep {
  protected override get decoupled(): boolean {
    return true;
  }
  constructor(params: Params<AdamOptions>, ...args: Args) {
    super(params, ADAMW, args);
  }
}
