/** Averaged SGD. */
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

/** Options of ASGD, each of which a group may set for itself. */
export interface ASGDOptions {
  lr: number;
  /** How fast the parameters, and the step sizes, decay. */
  lambd: number;
  /** Power of the step sizes' decay. */
  alpha: number;
  /** The step at which averaging starts. */
  t0: number;
  weightDecay: number;
  /** Climb instead of descend. */
  maximize: boolean;
}

const SPEC: OptionSpec = {
  defaults: { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0, maximize: false },
  positional: 5,
  check(call, o) {
    checkNumber(call, 'lr', o.lr);
    for (const name of ['lambd', 'alpha', 't0']) checkNumber(call, name, o[name], -Infinity);
    checkNumber(call, 'weightDecay', o.weightDecay);
    checkBoolean(call, 'maximize', o.maximize);
  },
};

/** What is remembered; all but the average `ax` are float32 scalars, as in PyTorch. */
interface ASGDState extends ParamState {
  step: Tensor;
  /** Size of the next step, and weight of the next parameter in the average. */
  eta: Tensor;
  mu: Tensor;
  ax: Tensor;
}

/**
 * Averaged stochastic gradient descent ([torch.optim.ASGD](https://pytorch.org/docs/stable/generated/torch.optim.ASGD.html),
 * [Polyak and Juditsky, 1992](https://doi.org/10.1137/0330046)). The average of a parameter from step `t0` on is in its
 * state, as `ax`.
 *
 * ```ts
 * const average = optimizer.state.get(p)!.ax as Tensor;
 * ```
 */
export class ASGD extends ComposedOptimizer<ASGDOptions> {
  protected override readonly shapedStates = ['ax'];

  constructor(
    params: Params<ASGDOptions>,
    ...args: OptionArgs<
      [lr: number, lambd: number, alpha: number, t0: number, weightDecay: number],
      Partial<ASGDOptions>
    >
  ) {
    super(params, SPEC, args);
  }

  protected override initialize(group: ParamGroup<ASGDOptions>, p: Tensor, state: ParamState): void {
    counter(state, 'step', 0);
    counter(state, 'eta', group.lr);
    counter(state, 'mu', 1);
    state.ax ??= stateLike(p, 0);
  }

  protected override stepOne(group: ParamGroup<ASGDOptions>, p: Tensor, given: Tensor, state: ASGDState): void {
    const { lr, lambd, alpha, t0, weightDecay } = group;
    const step = numberIn(state.step) + 1;
    const eta = numberIn(state.eta);
    const before = wide(p);
    let grad = group.maximize ? given.neg() : given;
    if (weightDecay !== 0) grad = grad.add(before, { alpha: weightDecay });
    const after = before.mul(1 - lambd * eta).add_(grad, { alpha: -eta });
    const ax = wide(state.ax);
    state.ax.copy_(numberIn(state.mu) === 1 ? after : ax.add(after.sub(ax).mul(state.mu)));
    p.copy_(after);
    fillElements(state.step, step);
    fillElements(state.eta, lr / (1 + lambd * lr * step) ** alpha);
    fillElements(state.mu, 1 / Math.max(1, step - t0));
  }
}
const numberIn = (t: Tensor): number => t.item() as number;
