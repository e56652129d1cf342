/** Adadelta. */
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of Adadelta, each of which a group may set for itself. */
export interface AdadeltaOptions {
  lr: number;
  /** Decay of the running averages. */
  rho: number;
  eps: number;
  weightDecay: number;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false },
  positional: 4,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkNumber(call, 'rho', o.rho);
    if ((o.rho as number) > 1) throw new RangeError(`${call}: rho must be from 0 to 1, got ${String(o.rho)}`);
    checkNumber(call, 'eps', o.eps);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

const RULE = stepRule('adadeltaStep', ['square_avg', 'acc_delta']);

/**
 * Adadelta ([torch.optim.Adadelta](https://pytorch.org/docs/stable/generated/torch.optim.Adadelta.html),
 * [Zeiler, 2012](https://arxiv.org/abs/1212.5701)).
 */
export class Adadelta extends FusedOptimizer<AdadeltaOptions> {
  constructor(
    params: Params<AdadeltaOptions>,
    ...args: OptionArgs<[lr: number, rho: number, eps: number, weightDecay: number], Partial<AdadeltaOptions>>
  ) {
    super(params, SPEC, args);
  }
  protected override rule(): StepRule {
    return RULE;
  }
  protected override scalars(group: ParamGroup<AdadeltaOptions>): number[] {
    return [group.rho, group.eps];
  }
}
