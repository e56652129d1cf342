/** Stochastic gradient descent. */
import { TenfoldError } from '../errors.js';
import { FusedOptimizer, stepRule, type StepRule } from './fused.js';
import {
  REQUIRED,
  checkBoolean,
  checkNumber,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type Params,
} from './optimizer.js';

/** Options of SGD, each of which a group may set for itself. */
export interface SGDOptions {
  /** Learning rate; required. */
  lr: number;
  momentum: number;
  /** How much of the gradient the momentum leaves out. */
  dampening: number;
  /** L2 penalty. */
  weightDecay: number;
  nesterov: boolean;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: REQUIRED, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false },
  positional: 5,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    checkNumber(call, 'momentum', o.momentum);
    checkNumber(call, 'dampening', o.dampening, -Infinity);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkBoolean(call, 'nesterov', o.nesterov);
    checkBoolean(call, 'maximize', o.maximize);
    if (o.nesterov === true && (o.momentum === 0 || o.dampening !== 0)) {
      throw new TenfoldError(
        'value',
        `${call}: nesterov needs a momentum and no dampening, got ${String(o.momentum)} and ${String(o.dampening)}`,
      );
    }
  },
};

const PLAIN = stepRule('sgdStep', [], 'none');
const MOMENTUM = stepRule('sgdMomentumStep', ['momentum_buffer'], 'fresh');

/**
 * Stochastic gradient descent, with momentum where asked
 * ([torch.optim.SGD](https://pytorch.org/docs/stable/generated/torch.optim.SGD.html)).
 *
 * ```ts
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
 * optimizer.zeroGrad();
 * lossOf(model.forward(input), target).backward();
 * optimizer.step();
 * ```
 */
export class SGD extends FusedOptimizer<SGDOptions> {
  constructor(
    params: Params<SGDOptions>,
    ...args: OptionArgs<
      [lr: number, momentum: number, dampening: number, weightDecay: number, nesterov: boolean],
      Partial<SGDOptions>
    >
  ) {
    super(params, SPEC, args);
  }
  protected override rule(group: ParamGroup<SGDOptions>): StepRule {
    return group.momentum === 0 ? PLAIN : MOMENTUM;
  }
  protected override scalars(group: ParamGroup<SGDOptions>): (number | boolean)[] {
    return [group.momentum, group.dampening, group.nesterov];
  }
}
