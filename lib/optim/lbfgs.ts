/** Limited-memory BFGS, with a line search where asked. */
import { TenfoldError, show } from '../errors.js';
import { mode, recordingOn } from '../autograd/mode.js';
import { keep } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import { Optimizer, checkNumber, type OptionArgs, type OptionSpec, type ParamState } from './optimizer.js';
import { dot, strongWolfe } from './strongWolfe.js';

/** Options of LBFGS. */
export interface LBFGSOptions {
  lr: number;
  /** Iterations per step. */
  maxIter: number;
  /** Evaluations of the closure per step; 1.25 times maxIter where not given. */
  maxEval: number | null;
  /** The largest gradient, and the smallest change, at which a step ends. */
  toleranceGrad: number;
  toleranceChange: number;
  /** Pairs of changes remembered. */
  historySize: number;
  lineSearchFn: 'strong_wolfe' | null;
}

const SPEC: OptionSpec = {
  defaults: {
    lr: 1,
    maxIter: 20,
    maxEval: null,
    toleranceGrad: 1e-7,
    toleranceChange: 1e-9,
    historySize: 100,
    lineSearchFn: null,
  },
  positional: 7,
  check(call, o) {
    for (const name of ['lr', 'maxIter', 'toleranceGrad', 'toleranceChange', 'historySize'])
      checkNumber(call, name, o[name]);
    if (o.maxEval !== null) checkNumber(call, 'maxEval', o.maxEval);
    if (o.lineSearchFn !== null && o.lineSearchFn !== 'strong_wolfe') {
      throw new TenfoldError(
        'value',
        `${call}: lineSearchFn must be 'strong_wolfe' or null, got ${show(o.lineSearchFn)}`,
      );
    }
  },
};

/** What is remembered, on the first parameter as in PyTorch. All tensors are flat, over all parameters. */
interface History extends ParamState {
  func_evals: number;
  n_iter: number;
  d: Tensor;
  t: number;
  old_dirs: Tensor[];
  old_stps: Tensor[];
  ro: number[];
  H_diag: number;
  prev_flat_grad: Tensor | null;
  prev_loss: number;
}

/**
 * L-BFGS ([torch.optim.LBFGS](https://pytorch.org/docs/stable/generated/torch.optim.LBFGS.html)), for small problems and
 * full batches. `step` needs a closure that clears the gradients, computes the loss and its gradients, and returns it.
 *
 * ```ts
 * const optimizer = new optim.LBFGS([x], { lineSearchFn: 'strong_wolfe' });
 * optimizer.step(() => {
 *   optimizer.zeroGrad();
 *   const loss = f(x);
 *   loss.backward();
 *   return loss;
 * });
 * ```
 */
export class LBFGS extends Optimizer<LBFGSOptions> {
  constructor(
    params: Iterable<Tensor>,
    ...args: OptionArgs<
      [
        lr: number,
        maxIter: number,
        maxEval: number | null,
        toleranceGrad: number,
        toleranceChange: number,
        historySize: number,
        lineSearchFn: 'strong_wolfe' | null,
      ],
      Partial<LBFGSOptions>
    >
  ) {
    super(params, SPEC, args);
    if (this.paramGroups.length !== 1)
      throw new TenfoldError('value', "LBFGS: groups of parameters aren't possible; give one list");
  }

  private get params(): Tensor[] {
    return this.paramGroups[0]!.params;
  }
  private flatGrad(): Tensor {
    const size = this.params.reduce((n, p) => n + p.count, 0);
    const flat = Tensor.zeros([size], this.params[0]!.code);
    let at = 0;
    for (const p of this.params) {
      if (p.meta?.grad) part(flat, at, p).rawCopy(p.meta.grad);
      at += p.count;
    }
    return flat;
  }
  /** params += t · direction. */
  private move(t: number, direction: Tensor): void {
    let at = 0;
    for (const p of this.params) {
      p.add_(part(direction, at, p), { alpha: t });
      at += p.count;
    }
  }

  override step(): null;
  override step<T>(closure: () => T): T;
  override step<T>(closure?: () => T): T | null {
    if (typeof closure !== 'function')
      throw new TypeError(`LBFGS.step: needs a closure that computes the loss and its gradients, got ${show(closure)}`);
    this.checkGroup(0);
    const before = mode.grad;
    mode.grad = false;
    try {
      return this.iterate(() => recordingOn(closure));
    } finally {
      mode.grad = before;
      this.stepCount++;
      // The history is made by operators: a tidy() around the step would free it with the rest.
      keep([...this.state.values()]);
    }
  }
  protected override update(): void {}

  private iterate<T>(closure: () => T): T {
    const group = this.paramGroups[0]!;
    const { lr, maxIter, toleranceGrad, toleranceChange } = group;
    const maxEval = group.maxEval ?? Math.floor((maxIter * 5) / 4);
    const state = this.history();
    const evaluate = (): { value: T; loss: number } => {
      const value = closure();
      return { value, loss: numberOf(value) };
    };
    const first = evaluate();
    let { loss } = first;
    let evals = 1;
    state.func_evals++;
    let grad = this.flatGrad();
    if (largest(grad) <= toleranceGrad) return first.value;

    for (let iteration = 1; iteration <= maxIter; iteration++) {
      state.n_iter++;
      this.direction(state, grad, group.historySize);
      state.prev_flat_grad = grad.clone();
      state.prev_loss = loss;
      const d = state.d;
      state.t = state.n_iter === 1 ? Math.min(1, 1 / numberOf(grad.abs().sum())) * lr : lr;
      const slope = dot(grad, d);
      if (slope > -toleranceChange) break;

      let used = 0;
      let optimal = false;
      if (group.lineSearchFn !== null) {
        const start = this.params.map((p) => p.clone());
        const probe = (t: number): { loss: number; grad: Tensor } => {
          this.move(t, d);
          const value = evaluate().loss;
          const at = this.flatGrad();
          this.params.forEach((p, i) => p.copy_(start[i]!));
          return { loss: value, grad: at };
        };
        const found = strongWolfe(probe, state.t, d, { loss, grad }, slope);
        ({ loss, grad, evals: used } = found);
        state.t = found.t;
        this.move(state.t, d);
        optimal = largest(grad) <= toleranceGrad;
      } else {
        this.move(state.t, d);
        if (iteration !== maxIter) {
          // Not after the last iteration: in a stochastic setting the value would be thrown away.
          ({ loss } = evaluate());
          grad = this.flatGrad();
          optimal = largest(grad) <= toleranceGrad;
          used = 1;
        }
      }
      evals += used;
      state.func_evals += used;
      if (evals >= maxEval || optimal) break;
      if (
        iteration < maxIter &&
        (largest(d.mul(state.t)) <= toleranceChange || Math.abs(loss - state.prev_loss) < toleranceChange)
      )
        break;
    }
    return first.value;
  }

  private history(): History {
    const first = this.params[0]!;
    let state = this.state.get(first) as History | undefined;
    if (!state)
      this.state.set(first, (state = { func_evals: 0, n_iter: 0, prev_flat_grad: null } as unknown as History));
    else if (state.prev_flat_grad !== null) {
      // PyTorch's checkpoints hold tensors where numbers do here.
      Object.assign(state, { t: numberOf(state.t), H_diag: numberOf(state.H_diag), ro: state.ro.map(numberOf) });
    }
    return state;
  }

  /** The next direction: minus the gradient, times the approximate inverse Hessian that the history stands for. */
  private direction(state: History, grad: Tensor, historySize: number): void {
    if (state.prev_flat_grad === null || state.n_iter === 1) {
      Object.assign(state, { d: grad.neg(), old_dirs: [], old_stps: [], ro: [], H_diag: 1 });
      return;
    }
    const { old_dirs: dirs, old_stps: steps, ro } = state;
    const y = grad.sub(state.prev_flat_grad);
    const s = state.d.mul(state.t);
    const ys = dot(y, s);
    if (ys > 1e-10) {
      if (dirs.length === historySize) {
        dirs.shift();
        steps.shift();
        ro.shift();
      }
      dirs.push(y);
      steps.push(s);
      ro.push(1 / ys);
      state.H_diag = ys / dot(y, y);
    }
    // The two loops of Nocedal and Wright, algorithm 7.4.
    const q = grad.neg();
    const al: number[] = [];
    for (let i = dirs.length - 1; i >= 0; i--) {
      al[i] = dot(steps[i]!, q) * ro[i]!;
      q.add_(dirs[i]!, { alpha: -al[i]! });
    }
    const r = q.mul(state.H_diag);
    for (let i = 0; i < dirs.length; i++) {
      const be = dot(dirs[i]!, r) * ro[i]!;
      r.add_(steps[i]!, { alpha: al[i]! - be });
    }
    state.d = r;
  }
}

/** The part of a flat tensor that is p's, in its shape. */
const part = (flat: Tensor, at: number, p: Tensor): Tensor => flat.narrow(0, at, p.count).view([...p.shape]);
const largest = (t: Tensor): number => numberOf(t.abs().max());
function numberOf(x: unknown): number {
  const value = x instanceof Tensor ? x.item() : x;
  if (typeof value !== 'number')
    throw new TypeError(
      `LBFGS.step: the closure must return the loss, a tensor of one element or a number; got ${show(x)}`,
    );
  return value;
}
