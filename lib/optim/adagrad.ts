/** Adagrad. */
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of Adagrad, each of which a group may set for itself. */
export interface AdagradOptions {
  lr: number;
  lrDecay: number;
  weightDecay: number;
  /** What the sum of squares starts from. */
  initialAccumulatorValue: number;
  eps: number;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10, maximize: false },
  positional: 5,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkNumber(call, 'lrDecay', o.lrDecay);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkNumber(call, 'initialAccumulatorValue', o.initialAccumulatorValue);
    checkNumber(call, 'eps', o.eps);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

const RULE = stepRule('adagradStep', ['sum']);

/**
 * Adagrad ([torch.optim.Adagrad](https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html),
 * [Duchi, Hazan and Singer, 2011](https://jmlr.org/papers/v12/duchi11a.html)).
 */
export class Adagrad extends FusedOptimizer<AdagradOptions> {
  constructor(
    params: Params<AdagradOptions>,
    ...args: OptionArgs<
      [lr: number, lrDecay: number, weightDecay: number, initialAccumulatorValue: number, eps: number],
      Partial<AdagradOptions>
    >
  ) {
    super(params, SPEC, args);
  }
  protected override rule(): StepRule {
    return RULE;
  }
  protected override scalars(group: ParamGroup<AdagradOptions>): number[] {
    return [group.lrDecay, group.eps];
  }
  protected override initialValue(_state: string, group: ParamGroup<AdagradOptions>): number {
    return group.initialAccumulatorValue;
  }
}
