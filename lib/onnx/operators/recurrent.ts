/** Recurrent layers, with all that ONNX lets be chosen: activations, directions, clipping, peepholes, lengths. */
import { TenfoldError } from '../../errors.js';
import * as F from '../../nn/functional/index.js';
import { stack, where } from '../../ops/index.js';
import { arange, zeros, zerosLike } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import { operators, table } from '../signature.js';

type Activation = (x: Tensor) => Tensor;
type Maker = (alpha: number | undefined, beta: number | undefined) => Activation;
/** Activations by name, in small letters as the comparison asks for, with the defaults of their parameters. */
const ACTIVATIONS: Record<string, Maker> = {
  relu: () => (x) => x.relu(),
  tanh: () => (x) => x.tanh(),
  sigmoid: () => (x) => x.sigmoid(),
  affine:
    (alpha = 1, beta = 0) =>
    (x) =>
      x.mul(alpha).add(beta),
  leakyrelu:
    (alpha = 0.01) =>
    (x) =>
      F.leakyRelu(x, alpha),
  thresholdedrelu:
    (alpha = 1) =>
    (x) =>
      F.threshold(x, alpha, 0),
  scaledtanh:
    (alpha = 1, beta = 1) =>
    (x) =>
      x.mul(beta).tanh().mul(alpha),
  hardsigmoid:
    (alpha = 0.2, beta = 0.5) =>
    (x) =>
      x.mul(alpha).add(beta).clamp(0, 1),
  elu:
    (alpha = 1) =>
    (x) =>
      F.elu(x, alpha),
  softsign: () => (x) => F.softsign(x),
  softplus: () => (x) => F.softplus(x),
};
/** How many parameters each takes of the lists activation_alpha and activation_beta. */
const TAKES: Record<string, readonly [alpha: number, beta: number]> = {
  affine: [1, 1],
  leakyrelu: [1, 0],
  thresholdedrelu: [1, 0],
  scaledtanh: [1, 1],
  hardsigmoid: [1, 1],
  elu: [1, 0],
};

interface Common {
  hidden_size: number | null;
  direction: string;
  layout: number;
  clip: number | null;
  activations: readonly string[] | null;
  activation_alpha: readonly number[] | null;
  activation_beta: readonly number[] | null;
}

/** The activations of each direction. */
function activationsOf(call: string, a: Common, directions: number, usual: readonly string[]): Activation[][] {
  const names = a.activations ?? Array.from({ length: directions }, () => usual).flat();
  if (names.length !== directions * usual.length)
    throw new TenfoldError('value', `${call}: ${names.length} activations for ${directions} directions`);
  const alpha = [...(a.activation_alpha ?? [])];
  const beta = [...(a.activation_beta ?? [])];
  const made = names.map((name) => {
    const key = name.toLowerCase();
    const make = ACTIVATIONS[key];
    if (make === undefined) throw new TenfoldError('value', `${call}: unknown activation '${name}'`);
    const [p, q] = TAKES[key] ?? [0, 0];
    return make(p ? alpha.shift() : undefined, q ? beta.shift() : undefined);
  });
  return Array.from({ length: directions }, (_, d) => made.slice(d * usual.length, (d + 1) * usual.length));
}

/** The state after one step: x_t W^T + bias is given as `input`. States are [hidden] or, for LSTM, [hidden, cell]. */
type Cell = (input: Tensor, state: Tensor[], direction: number) => Tensor[];
interface Layer {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly bias: Tensor | null;
  readonly lengths: Tensor | null;
  readonly initial: readonly Tensor[];
  readonly cell: Cell;
}

/** Y [steps, directions, batch, hidden] and the last states [directions, batch, hidden]. */
function unroll(a: Common, { x, w, bias, lengths, initial, cell }: Layer): Tensor[] {
  const steps = x.shape[0]!;
  const batch = x.shape[1]!;
  const directions = w.shape[0]!;
  const outputs: Tensor[] = [];
  const finals: Tensor[][] = [];
  // Which samples have a step t: [steps, batch, 1].
  const alive =
    lengths === null
      ? null
      : arange(steps)
          .reshape(steps, 1, 1)
          .lt(lengths.to('int64').reshape(1, batch, 1));
  for (let d = 0; d < directions; d++) {
    const backwards = a.direction === 'reverse' || d === 1;
    // One product for all steps.
    const inputs = F.linear(x, w.select(0, d), bias === null ? null : bias.select(0, d));
    let state = initial.map((s) => s.select(0, d));
    const list: Tensor[] = [];
    for (let i = 0; i < steps; i++) {
      const t = backwards ? steps - 1 - i : i;
      const next = cell(inputs.select(0, t), state, d);
      if (alive === null) {
        state = next;
        list.push(next[0]!);
      } else {
        const on = alive.select(0, t);
        state = next.map((s, k) => where(on, s, state[k]!));
        list.push(where(on, next[0]!, zerosLike(next[0]!)));
      }
    }
    if (backwards) list.reverse();
    outputs.push(stack(list));
    finals.push(state);
  }
  const y = stack(outputs, 1);
  const last = initial.map((_, k) => stack(finals.map((state) => state[k]!)));
  // With layout 1 the batch comes first.
  return a.layout ? [y.permute(2, 0, 1, 3), ...last.map((s) => s.transpose(0, 1))] : [y, ...last];
}

/** What all three layers do before their cells differ. */
function prepared(
  call: string,
  a: Common,
  x: Tensor,
  w: Tensor,
  r: Tensor,
  states: readonly (Tensor | null)[],
): { x: Tensor; initial: Tensor[]; hidden: number } {
  const hidden = r.shape[2]!;
  const directions = w.shape[0]!;
  if ((a.hidden_size !== null && a.hidden_size !== hidden) || directions !== (a.direction === 'bidirectional' ? 2 : 1))
    throw new TenfoldError(
      'shape',
      `${call}: weights of shape [${r.shape}], direction '${a.direction}', hidden_size ${a.hidden_size}`,
    );
  const first = a.layout ? x.transpose(0, 1) : x;
  const initial = states.map((s) =>
    s === null ? zeros([directions, first.shape[1]!, hidden], { dtype: x.dtype }) : a.layout ? s.transpose(0, 1) : s,
  );
  return { x: first, initial, hidden };
}
const clipped = (a: Common, x: Tensor): Tensor => (a.clip === null ? x : x.clamp(-a.clip, a.clip));
/** The bias of the input and that of the state, summed: b is [directions, 2 × gates × hidden]. */
const halves = (b: Tensor | null): (Tensor | null)[] => (b === null ? [null, null] : b.chunk(2, 1));

function rnn(
  a: Common,
  x: Tensor,
  w: Tensor,
  r: Tensor,
  b: Tensor | null,
  lengths: Tensor | null,
  h: Tensor | null,
): Tensor[] {
  const p = prepared('RNN', a, x, w, r, [h]);
  const f = activationsOf('RNN', a, w.shape[0]!, ['Tanh']);
  const [wb, rb] = halves(b);
  const cell: Cell = (input, [hidden], d) => [f[d]![0]!(clipped(a, input.add(F.linear(hidden!, r.select(0, d)))))];
  return unroll(a, { ...p, w, bias: wb === null ? null : wb!.add(rb!), lengths, cell });
}

function gru(
  a: Common & { linear_before_reset: number },
  x: Tensor,
  w: Tensor,
  r: Tensor,
  b: Tensor | null,
  lengths: Tensor | null,
  h: Tensor | null,
): Tensor[] {
  const p = prepared('GRU', a, x, w, r, [h]);
  const acts = activationsOf('GRU', a, w.shape[0]!, ['Sigmoid', 'Tanh']);
  const [wb, rb] = halves(b);
  const n = p.hidden;
  const cell: Cell = (input, [hidden], d) => {
    const [f, g] = acts[d]! as [Activation, Activation];
    const rw = r.select(0, d);
    const rbias = rb?.select(0, d) ?? null;
    const part = (t: Tensor | null, from: number, count: number): Tensor | null =>
      t?.narrow(-1, from * n, count * n) ?? null;
    // Gates: update z, reset r.
    const gates = input.narrow(1, 0, 2 * n).add(F.linear(hidden!, rw.narrow(0, 0, 2 * n), part(rbias, 0, 2)));
    const [z, reset] = f(clipped(a, gates)).chunk(2, 1) as [Tensor, Tensor];
    const candidate = rw.narrow(0, 2 * n, n);
    const bias = part(rbias, 2, 1);
    const own = a.linear_before_reset
      ? reset.mul(F.linear(hidden!, candidate, bias))
      : F.linear(reset.mul(hidden!), candidate, bias);
    const fresh = g(clipped(a, input.narrow(1, 2 * n, n).add(own)));
    return [fresh.mul(z.neg().add(1)).add(z.mul(hidden!))];
  };
  return unroll(a, { ...p, w, bias: wb!, lengths, cell });
}

function lstm(
  a: Common & { input_forget: number },
  x: Tensor,
  w: Tensor,
  r: Tensor,
  b: Tensor | null,
  lengths: Tensor | null,
  h: Tensor | null,
  c: Tensor | null,
  peepholes: Tensor | null,
): Tensor[] {
  const p = prepared('LSTM', a, x, w, r, [h, c]);
  const acts = activationsOf('LSTM', a, w.shape[0]!, ['Sigmoid', 'Tanh', 'Tanh']);
  const [wb, rb] = halves(b);
  const cell: Cell = (input, [hidden, old], d) => {
    const [f, g, last] = acts[d]! as [Activation, Activation, Activation];
    const gates = input.add(F.linear(hidden!, r.select(0, d))).chunk(4, 1);
    const peep = peepholes?.select(0, d).chunk(3, 0) ?? null;
    const seen = (gate: number, of: Tensor, k: number): Tensor =>
      clipped(a, peep === null ? gates[gate]! : gates[gate]!.add(peep[k]!.mul(of)));
    const i = f(seen(0, old!, 0));
    const forget = a.input_forget ? i.neg().add(1) : f(seen(2, old!, 2));
    const next = forget.mul(old!).add(i.mul(g(clipped(a, gates[3]!))));
    const o = f(seen(1, next, 1));
    return [o.mul(last(next)), next];
  };
  return unroll(a, { ...p, w, bias: wb === null ? null : wb!.add(rb!), lengths, cell });
}

export const RECURRENT = table(
  operators(
    'RNN(Tensor X, Tensor W, Tensor R, Tensor? B, Tensor? sequence_lens, Tensor? initial_h; strings? activations, floats? activation_alpha, floats? activation_beta, float? clip, string direction=forward, int? hidden_size, int layout=0)',
    (a, x: Tensor, w: Tensor, r: Tensor, b: Tensor | null, lengths: Tensor | null, h: Tensor | null) =>
      rnn(a, x, w, r, b, lengths, h),
  ),
  operators(
    'GRU(Tensor X, Tensor W, Tensor R, Tensor? B, Tensor? sequence_lens, Tensor? initial_h; strings? activations, floats? activation_alpha, floats? activation_beta, float? clip, string direction=forward, int? hidden_size, int linear_before_reset=0, int layout=0)',
    (a, x: Tensor, w: Tensor, r: Tensor, b: Tensor | null, lengths: Tensor | null, h: Tensor | null) =>
      gru(a, x, w, r, b, lengths, h),
  ),
  operators(
    'LSTM(Tensor X, Tensor W, Tensor R, Tensor? B, Tensor? sequence_lens, Tensor? initial_h, Tensor? initial_c, Tensor? P; strings? activations, floats? activation_alpha, floats? activation_beta, float? clip, string direction=forward, int? hidden_size, int input_forget=0, int layout=0)',
    (
      a,
      x: Tensor,
      w: Tensor,
      r: Tensor,
      b: Tensor | null,
      lengths: Tensor | null,
      h: Tensor | null,
      c: Tensor | null,
      p: Tensor | null,
    ) => lstm(a, x, w, r, b, lengths, h, c, p),
  ),
);
