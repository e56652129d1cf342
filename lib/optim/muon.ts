/** Muon. */
import { TenfoldError, show } from '../errors.js';
import { formatShape } from '../tensor/shape.js';
import { type Tensor } from '../tensor/tensor.js';
import { ComposedOptimizer, stateLike, wide } from './composed.js';
import {
  checkBoolean,
  checkNumber,
  type GroupInit,
  type OptionArgs,
  type OptionSpec,
  type ParamGroup,
  type ParamState,
  type Params,
} from './optimizer.js';

/** How a matrix's shape changes the learning rate: √max(1, rows / columns), 0.2 √max(rows, columns), √(rows / columns). */
export type AdjustLr = 'original' | 'match_rms_adamw' | 'spectral_unclamped';

/** Options of Muon, each of which a group may set for itself. */
export interface MuonOptions {
  lr: number;
  /** Share of the parameter that each step takes away, times lr. */
  weightDecay: number;
  momentum: number;
  nesterov: boolean;
  /** a, b, c of the iteration X ← aX + (bA + cA²)X, A = X Xᵀ. */
  nsCoefficients: readonly [number, number, number];
  eps: number;
  /** Rounds of that iteration. */
  nsSteps: number;
  /** null stands for 'original'. */
  adjustLrFn: AdjustLr | null;
}

const ADJUST: Record<AdjustLr, (rows: number, columns: number) => number> = {
  original: (m, n) => Math.sqrt(Math.max(1, m / n)),
  match_rms_adamw: (m, n) => 0.2 * Math.sqrt(Math.max(m, n)),
  spectral_unclamped: (m, n) => Math.sqrt(m / n),
};

const SPEC: OptionSpec = {
  defaults: {
    lr: 1e-3,
    weightDecay: 0.1,
    momentum: 0.95,
    nesterov: true,
    nsCoefficients: [3.4445, -4.775, 2.0315],
    eps: 1e-7,
    nsSteps: 5,
    adjustLrFn: null,
  },
  positional: 8,
  check(call, o) {
    for (const name of ['lr', 'weightDecay', 'momentum', 'eps']) checkNumber(call, name, o[name]);
    checkBoolean(call, 'nesterov', o.nesterov);
    const list = o.nsCoefficients;
    if (!Array.isArray(list) || list.length !== 3 || !list.every((x) => typeof x === 'number'))
      throw new TypeError(`${call}: nsCoefficients must be three numbers, got ${show(list)}`);
    checkNumber(call, 'nsSteps', o.nsSteps, 0, 100);
    if (!Number.isInteger(o.nsSteps))
      throw new TypeError(`${call}: nsSteps must be an integer, got ${show(o.nsSteps)}`);
    if (o.adjustLrFn !== null && !Object.hasOwn(ADJUST, o.adjustLrFn as string))
      throw new TenfoldError('value', `${call}: adjustLrFn must be one of ${Object.keys(ADJUST).join(', ')}, got ${show(o.adjustLrFn)}`); // prettier-ignore
  },
};

/** Nearly the orthogonal factor of a matrix's polar form, by Newton and Schulz in bfloat16. */
function orthogonalized(matrix: Tensor, [a, b, c]: readonly number[], steps: number, eps: number): Tensor {
  const tall = matrix.shape[0]! > matrix.shape[1]!;
  const given = matrix.to('bfloat16');
  let x = tall ? given.t() : given;
  x = x.div(x.norm().clamp(eps));
  for (let i = 0; i < steps; i++) {
    const gram = x.matmul(x.t());
    const update = gram.addmm(gram, gram, { beta: b, alpha: c });
    x = x.addmm(update, x, { beta: a });
  }
  return tall ? x.t() : x;
}

/**
 * Momentum whose steps are made orthogonal, for matrices of hidden layers; give biases, embeddings and the like to AdamW
 * ([torch.optim.Muon](https://pytorch.org/docs/stable/generated/torch.optim.Muon.html),
 * [Jordan and others, 2024](https://kellerjordan.github.io/posts/muon/)).
 *
 * ```ts
 * const hidden = new nn.Linear(16, 16);
 * const optimizer = new optim.Muon([hidden.weight], { lr: 0.02 });
 * ```
 * @throws TenfoldError 'shape' for a parameter that is no matrix.
 */
export class Muon extends ComposedOptimizer<MuonOptions> {
  protected override readonly shapedStates = ['momentum_buffer'];
  constructor(
    params: Params<MuonOptions>,
    ...args: OptionArgs<
      [lr: number, weightDecay: number, momentum: number, nesterov: boolean, nsCoefficients: readonly [number, number, number], eps: number, nsSteps: number, adjustLrFn: AdjustLr],
      Partial<MuonOptions>
    > // prettier-ignore
  ) {
    super(params, SPEC, args);
  }
  override addParamGroup(group: GroupInit<MuonOptions>): void {
    super.addParamGroup(group);
    const wrong = this.paramGroups.at(-1)!.params.find((p) => p.shape.length !== 2);
    if (wrong === undefined) return;
    this.paramGroups.pop();
    throw new TenfoldError('shape', `Muon: parameters must be matrices, got one of shape ${formatShape(wrong.shape)}`);
  }
  protected override initialize(_: ParamGroup<MuonOptions>, p: Tensor, state: ParamState): void {
    state.momentum_buffer ??= stateLike(p, 0);
  }
  protected override stepOne(group: ParamGroup<MuonOptions>, p: Tensor, grad: Tensor, state: ParamState): void {
    const { lr, weightDecay, momentum, nesterov, nsCoefficients, nsSteps, eps, adjustLrFn } = group;
    const buffer = state.momentum_buffer as Tensor;
    const average = wide(buffer).lerp(grad, 1 - momentum);
    const update = orthogonalized(nesterov ? grad.lerp(average, momentum) : average, nsCoefficients, nsSteps, eps);
    const rate = lr * ADJUST[adjustLrFn ?? 'original'](...(p.shape as unknown as [number, number]));
    buffer.copy_(average);
    p.copy_(wide(p).mul(1 - lr * weightDecay).add(update.to(grad.dtype), { alpha: -rate })); // prettier-ignore
  }
}
