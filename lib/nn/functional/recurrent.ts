/**
 * The steps of a recurrent layer in one direction, by kernels that hold the gates in cache (native/kernels/recurrent.cc), and
 * the steps made of ops that they stand for: the formula of second derivatives, and what packed sequences, projections and
 * half types go through.
 */
import { Code } from '../../dtype.js';
import { mode } from '../../autograd/mode.js';
import { run } from '../../launch/run.js';
import { kernel } from '../../native/launch.js';
import { cat, stack } from '../../ops/index.js';
import { all, defineOp, type OpDef } from '../../op/define.js';
import { throughFormula } from '../../op/formula.js';
import { Tensor } from '../../tensor/tensor.js';
import { linear } from './linear.js';

/** Hidden state of one direction of one layer: [h], or [h, c] of an LSTM; each [n, size]. */
export type State = Tensor[];
/** One step: what the input gives (products and biases), the weights of the hidden state, the state before. */
type Step = (input: Tensor, weight: Tensor, bias: Tensor | null, state: State) => State;

const rnnStep =
  (nonlinearity: 'tanh' | 'relu'): Step =>
  (input, weight, bias, [h]) => {
    const sum = input.add(linear(h!, weight, bias));
    return [nonlinearity === 'tanh' ? sum.tanh() : sum.relu()];
  };
const lstmStep: Step = (input, weight, bias, [h, c]) => {
  const [i, f, g, o] = input.add(linear(h!, weight, bias)).chunk(4, 1) as [Tensor, Tensor, Tensor, Tensor];
  const cell = f.sigmoid().mul(c!).add(i.sigmoid().mul(g.tanh())); // prettier-ignore
  return [o.sigmoid().mul(cell.tanh()), cell];
};
const gruStep: Step = (input, weight, bias, [h]) => {
  const [ri, zi, ni] = input.chunk(3, 1) as [Tensor, Tensor, Tensor];
  const [rh, zh, nh] = linear(h!, weight, bias).chunk(3, 1) as [Tensor, Tensor, Tensor];
  const r = ri.add(rh).sigmoid();
  const z = zi.add(zh).sigmoid();
  const n = ni.add(r.mul(nh)).tanh();
  return [h!.sub(n).mul(z).add(n)];
};

/** A kind of recurrent cell. */
export interface CellKind {
  /** As native/kernels/recurrent.cc numbers them. */
  readonly code: number;
  readonly gates: number;
  /** States: 2 for an LSTM. */
  readonly states: number;
  /** How many times hiddenSize numbers of a step its backward pass wants beside the result. */
  readonly kept: number;
  readonly step: Step;
}
/** Cells by name. */
export const CELLS = {
  tanh: { code: 0, gates: 1, states: 1, kept: 0, step: rnnStep('tanh') },
  relu: { code: 1, gates: 1, states: 1, kept: 0, step: rnnStep('relu') },
  lstm: { code: 2, gates: 4, states: 2, kept: 4, step: lstmStep },
  gru: { code: 3, gates: 3, states: 1, kept: 4, step: gruStep },
} as const satisfies Record<string, CellKind>;
const KINDS: readonly CellKind[] = Object.values(CELLS);

const RECURRENT = kernel('recurrent');
const RECURRENT_BACKWARD = kernel('recurrentBackward');

/** What recurrentSteps computes, made of ops: all results [steps, n, h] and, of an LSTM, all cells. */
function stepByStep(
  cell: CellKind,
  reverse: boolean,
  [input, weight, bias, h0, c0]: readonly (Tensor | null)[],
): Tensor[] {
  const steps = input!.unbind(0);
  const results: State[] = new Array<State>(steps.length);
  let state: State = c0 === null ? [h0!] : [h0!, c0!];
  for (let i = 0; i < steps.length; i++) {
    const t = reverse ? steps.length - 1 - i : i;
    state = cell.step(steps[t]!, weight!, bias ?? null, state);
    results[t] = state;
  }
  return state.map((_, k) => stack(results.map((s) => s[k]!), 0)); // prettier-ignore
}

/** The kernel's gradients, in the order of recurrentSteps' inputs. */
function gradients(
  grads: readonly (Tensor | null)[],
  saved: Record<string, Tensor | null>,
  cell: CellKind,
  reverse: boolean,
  needs: readonly boolean[],
): (Tensor | null)[] {
  const { input, weight, bias, h0, c0, kept, result: y, result1: cells } = saved as Record<string, Tensor>;
  const [steps, n, h] = y!.shape as unknown as [number, number, number];
  const gradInput = Tensor.rawLike(input!, input!.code);
  const gradHidden = cell === CELLS.gru ? Tensor.rawLike(input!, input!.code) : null;
  const gradH0 = Tensor.rawLike(h0!, h0!.code);
  const gradC0 = c0 ? Tensor.rawLike(c0, c0.code) : null;
  run(
    RECURRENT_BACKWARD[y!.code]!, cell.code, cell.gates, cell.kept, reverse, steps, n, h,
    grads[0]!.rawDense(), c0 ? grads[1]!.rawDense() : null, weight!.rawDense(), h0!.rawDense(), c0 ? c0.rawDense() : null,
    y!, c0 ? cells! : null, kept ?? null, gradInput, gradHidden, gradH0, gradC0,
  ); // prettier-ignore
  const own = gradHidden ?? gradInput;
  const rows = cell.gates * h;
  let gradWeight: Tensor | null = null;
  if (needs[1]) {
    // What the hidden state of each step was multiplied with: h0 first, then every result but the last.
    const [first, from, to] = reverse ? [steps - 1, 0, 1] : [0, 1, 0];
    gradWeight = own.select(0, first).t().matmul(h0!);
    if (steps > 1) {
      const [later, before] = [own.narrow(0, from, steps - 1), y!.narrow(0, to, steps - 1)];
      gradWeight = gradWeight.add(
        later
          .reshape([-1, rows])
          .t()
          .matmul(before.reshape([-1, h])),
      );
    }
  }
  const gradBias = bias && needs[2] ? own.reshape([-1, rows]).sum(0) : null;
  return [gradInput, gradWeight, gradBias, gradH0, gradC0, null];
}

/**
 * All steps: input [steps, n, gates · h] (products and biases of the inputs), weight [gates · h, h], h0 [n, h]. With `keep` all
 * cells are there, else those of the last step only; `kept` is memory for what the backward pass wants of the gates.
 */
const recurrentSteps = defineOp(
  'recurrentSteps(Tensor input, Tensor weight, Tensor? bias, Tensor h0, Tensor? c0, Tensor? kept, int cell, bool reverse, bool keep) -> (output, cells)',
  (): OpDef => ({
    forward(
      input: Tensor,
      weight: Tensor,
      bias: Tensor | null,
      h0: Tensor,
      c0: Tensor | null,
      kept: Tensor | null,
      code: number,
      reverse: boolean,
      keep: boolean,
    ) {
      const cell = KINDS[code]!;
      const steps = input.shape[0]!;
      const [n, h] = h0.shape as unknown as [number, number];
      const y = Tensor.raw([steps, n, h], input.code);
      const cells = Tensor.raw(c0 === null ? [0] : keep ? [steps, n, h] : [n, h], input.code);
      run(
        RECURRENT[input.code]!, code, cell.gates, cell.kept, reverse, steps, n, h,
        input.rawDense(), weight.rawDense(), bias === null ? null : bias.rawDense(), h0.rawDense(), c0 === null ? null : c0.rawDense(),
        y, c0 === null ? null : cells, keep, kept,
      ); // prettier-ignore
      return [y, cells];
    },
    backward: all(
      ['input', 'weight', 'bias', 'h0', 'c0', 'kept', 'result', 'result1'],
      (grads: (Tensor | null)[], saved, call, needs) => {
        const cell = KINDS[call.cell as number]!;
        // A gradient that is itself recorded is made of ops.
        if (!mode.grad) return gradients(grads, saved, cell, call.reverse, needs);
        const inputs = [saved.input, saved.weight, saved.bias, saved.h0, saved.c0];
        return [...throughFormula(inputs, (given) => stepByStep(cell, call.reverse, given), grads), null];
      },
    ),
    gradName: 'RecurrentStepsBackward0',
  }),
);

/** One direction of one layer; see runDirection of lib/nn/layers/recurrent.ts. */
export interface Direction {
  readonly cell: CellKind;
  readonly reverse: boolean;
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor | null;
  readonly biasHh: Tensor | null;
  /** Of an LSTM with projections: [projSize, hiddenSize]. */
  readonly project: Tensor | null;
}

/** All steps over x [steps, n, size] from a state: the results [steps, n, size] and the last state. */
export function runSteps(x: Tensor, start: State, d: Direction): [Tensor, State] {
  const { cell, reverse, weightHh, biasHh, project } = d;
  // The input's share of all steps is one product.
  const input = linear(x, d.weightIh, d.biasIh);
  const steps = x.shape[0]!;
  if (project === null && (x.code === Code.f32 || x.code === Code.f64) && input.count > 0) {
    const [h0, c0 = null] = start;
    const keep = mode.grad && [input, weightHh, biasHh, h0!, c0].some((t) => t?.requiresGrad);
    const kept = keep && cell.kept > 0 ? Tensor.raw([steps, x.shape[1]!, cell.kept * h0!.shape[1]!], x.code) : null;
    const [y, cells] = recurrentSteps(
      input, weightHh, biasHh, h0!, c0, kept, cell.code, reverse, keep,
    ) as unknown as Tensor[]; // prettier-ignore
    const last = reverse ? 0 : steps - 1;
    const state = [y!.select(0, last)];
    if (c0 !== null) state.push(keep ? cells!.select(0, last) : cells!);
    return [y!, state];
  }
  const inputs = input.unbind(0);
  const outputs = new Array<Tensor>(steps);
  let state = start;
  for (let i = 0; i < steps; i++) {
    const t = reverse ? steps - 1 - i : i;
    state = cell.step(inputs[t]!, weightHh, biasHh, state);
    if (project !== null) state = [linear(state[0]!, project), ...state.slice(1)];
    outputs[t] = state[0]!;
  }
  return [stack(outputs, 0), state];
}

/**
 * The same over packed rows, of which step t has sizes[t]: every step takes as many rows of the state as have it. Forwards, those
 * that end leave the state, and are the last ones; backwards, they join it with what they start from.
 */
export function runPackedSteps(x: Tensor, sizes: readonly number[], start: State, d: Direction): [Tensor, State] {
  const { cell, reverse, weightHh, biasHh, project } = d;
  if (sizes.every((n) => n === sizes[0])) {
    const [y, state] = runSteps(x.unflatten(0, [sizes.length, sizes[0]!]), start, d);
    return [y.flatten(0, 1), state];
  }
  const inputs = linear(x, d.weightIh, d.biasIh).split(sizes);
  const outputs = new Array<Tensor>(sizes.length);
  const ended: State[] = [];
  let rows = reverse ? sizes.at(-1)! : sizes[0]!;
  let state = start.map((s) => s.narrow(0, 0, rows));
  for (let i = 0; i < sizes.length; i++) {
    const t = reverse ? sizes.length - 1 - i : i;
    const n = sizes[t]!;
    if (n > rows) state = state.map((s, k) => cat([s, start[k]!.narrow(0, rows, n - rows)], 0));
    else if (n < rows) {
      ended.unshift(state.map((s) => s.narrow(0, n, rows - n)));
      state = state.map((s) => s.narrow(0, 0, n));
    }
    rows = n;
    state = cell.step(inputs[t]!, weightHh, biasHh, state);
    if (project !== null) state = [linear(state[0]!, project), ...state.slice(1)];
    outputs[t] = state[0]!;
  }
  return [cat(outputs, 0), ended.length === 0 ? state : state.map((s, k) => cat([s, ...ended.map((e) => e[k]!)], 0))];
}
