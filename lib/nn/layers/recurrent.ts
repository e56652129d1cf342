/** Recurrent layers and their cells. */
import { TenfoldError, show } from '../../errors.js';
import type { DType } from '../../dtype.js';
import { formatShape } from '../../tensor/shape.js';
import { Tensor, checkIsTensor } from '../../tensor/tensor.js';
import { cat, stack } from '../../ops/index.js';
import { signature, type Arguments } from '../../op/schema.js';
import { dropout } from '../functional/dropout.js';
import { linear } from '../functional/linear.js';
import { CELLS, runPackedSteps, runSteps, type CellKind, type Direction, type State } from '../functional/recurrent.js';
import { uniform_ } from '../init.js';
import { PackedSequence, checkPacked } from '../utils/rnn.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { guard } from '../parts.js';
import { float } from '../print.js';

/** PyTorch's key of a weight's property: weightIhL0Reverse is weight_ih_l0_reverse. */
const snake = (property: string): string =>
  /^(weight|bias)(Ih|Hh|Hr)/.test(property) ? property.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) : property;

function drawAll(module: Module, hiddenSize: number): void {
  const bound = hiddenSize > 0 ? 1 / Math.sqrt(hiddenSize) : 0;
  for (const p of module.parameters()) uniform_(p, -bound, bound);
}

interface RecurrentOptions {
  cell: CellKind;
  inputSize: number;
  hiddenSize: number;
  numLayers: number;
  bias: boolean;
  batchFirst: boolean;
  dropout: number;
  bidirectional: boolean;
  projSize: number;
  dtype: DType | null;
}

/** Layers of steps over a sequence, in one direction or both. */
abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;
  private readonly cell: CellKind;

  static override stateName(property: string): string {
    return snake(property);
  }

  constructor(o: RecurrentOptions) {
    super();
    const call = this.constructor.name;
    if (o.numLayers > 2 ** 16) throw new RangeError(`${call}: numLayers must be at most 65536, got ${o.numLayers}`);
    if (o.inputSize < 1 || o.hiddenSize < 1 || o.numLayers < 1) {
      throw new TenfoldError(
        'value',
        `${call}: inputSize, hiddenSize and numLayers must be positive, got ${o.inputSize}, ${o.hiddenSize}, ${o.numLayers}`,
      );
    }
    if (!(o.dropout >= 0 && o.dropout <= 1))
      throw new TenfoldError('value', `${call}: dropout must be between 0 and 1, got ${o.dropout}`);
    if (o.projSize < 0 || o.projSize >= o.hiddenSize) {
      throw new TenfoldError('value', `${call}: projSize must be below hiddenSize ${o.hiddenSize}, got ${o.projSize}`);
    }
    this.inputSize = o.inputSize;
    this.hiddenSize = o.hiddenSize;
    this.numLayers = o.numLayers;
    this.bias = o.bias;
    this.batchFirst = o.batchFirst;
    this.dropout = o.dropout;
    this.bidirectional = o.bidirectional;
    this.projSize = o.projSize;
    this.cell = o.cell;
    const rows = o.cell.gates * o.hiddenSize;
    const out = this.outSize;
    for (let layer = 0; layer < o.numLayers; layer++) {
      for (const suffix of this.suffixes(layer)) {
        const width = layer === 0 ? o.inputSize : out * this.directions;
        this.registerParameter(`weightIh${suffix}`, Parameter.empty([rows, width], o.dtype));
        this.registerParameter(`weightHh${suffix}`, Parameter.empty([rows, out], o.dtype));
        if (o.bias) {
          this.registerParameter(`biasIh${suffix}`, Parameter.empty([rows], o.dtype));
          this.registerParameter(`biasHh${suffix}`, Parameter.empty([rows], o.dtype));
        }
        if (o.projSize > 0)
          this.registerParameter(`weightHr${suffix}`, Parameter.empty([o.projSize, o.hiddenSize], o.dtype));
      }
    }
    this.resetParameters();
  }
  private get directions(): number {
    return this.bidirectional ? 2 : 1;
  }
  private get outSize(): number {
    return this.projSize > 0 ? this.projSize : this.hiddenSize;
  }
  private suffixes(layer: number): string[] {
    return this.bidirectional ? [`L${layer}`, `L${layer}Reverse`] : [`L${layer}`];
  }
  private weight(name: string): Parameter | null {
    return (this as unknown as Record<string, Parameter | undefined>)[name] ?? null;
  }
  /** Draws all weights anew. */
  resetParameters(): void {
    drawAll(this, this.hiddenSize);
  }
  /** The sequence [l, n, directions · size] and the last states [layers · directions, n, size]. */
  private run(input: Tensor, given: readonly (Tensor | null)[]): [Tensor, Tensor[]] {
    const call = this.constructor.name;
    checkIsTensor(call, 'input', input);
    const single = input.shape.length === 2;
    if (!single && input.shape.length !== 3) {
      throw new TenfoldError(
        'shape',
        `${call}: input must be [l, n, ${this.inputSize}] or [l, ${this.inputSize}], got ${formatShape(input.shape)}`,
      );
    }
    if (input.shape.at(-1) !== this.inputSize) {
      throw new TenfoldError('shape', `${call}: expected ${this.inputSize} features, got ${formatShape(input.shape)}`);
    }
    const swaps = this.batchFirst && !single;
    if (input.shape[swaps ? 1 : 0] === 0)
      throw new TenfoldError('shape', `${call}: a sequence has at least one step, got ${formatShape(input.shape)}`);
    this.checkDtype(input);
    const x = single ? input.unsqueeze(1) : swaps ? input.transpose(0, 1) : input;
    const n = x.shape[1]!;
    const sizes = [this.outSize, this.hiddenSize];
    const start = Array.from({ length: this.cell.states }, (_, s) =>
      this.startState(given[s] ?? null, s, sizes[s]!, n, single, x),
    );
    const [y, states] = this.layers(x, start, null);
    if (single) return [y.squeeze(1), states.map((s) => s.squeeze(1))];
    return [swaps ? y.transpose(0, 1) : y, states];
  }
  private checkDtype(input: Tensor): void {
    const { dtype } = this.weight('weightIhL0')!;
    if (input.dtype !== dtype)
      throw new TenfoldError(
        'dtype',
        `${this.constructor.name}: the input is ${input.dtype} and the weights are ${dtype}; use input.to('${dtype}'), or module.to('${input.dtype}')`,
      );
  }
  /** run or runPacked, as the input asks. */
  protected runAny(
    input: Tensor | PackedSequence,
    given: readonly (Tensor | null)[],
  ): [Tensor | PackedSequence, Tensor[]] {
    return input instanceof PackedSequence ? this.runPacked(input, given) : this.run(input, given);
  }
  /** As run, of a packed sequence; the states come and go in the sequences' own order. */
  private runPacked(input: PackedSequence, given: readonly (Tensor | null)[]): [PackedSequence, Tensor[]] {
    const call = this.constructor.name;
    const { data, sortedIndices, unsortedIndices } = input;
    const sizes = checkPacked(call, input);
    if (data.shape.length !== 2 || data.shape[1] !== this.inputSize)
      throw new TenfoldError(
        'shape',
        `${call}: a packed sequence's data must be [rows, ${this.inputSize}], got ${formatShape(data.shape)}`,
      );
    this.checkDtype(data);
    const inOrder = (s: Tensor, order: Tensor | null): Tensor => (order === null ? s : s.indexSelect(1, order));
    const widths = [this.outSize, this.hiddenSize];
    const start = Array.from({ length: this.cell.states }, (_, s) =>
      inOrder(this.startState(given[s] ?? null, s, widths[s]!, sizes[0]!, false, data), sortedIndices),
    );
    const [y, states] = this.layers(data, start, sizes);
    const packed = new PackedSequence(y, input.batchSizes, sortedIndices, unsortedIndices);
    return [packed, states.map((s) => inOrder(s, unsortedIndices))];
  }
  /** All layers over a sequence [l, n, size], or over packed rows [sum of sizes, size] of steps of these sizes. */
  private layers(sequence: Tensor, start: readonly Tensor[], sizes: readonly number[] | null): [Tensor, Tensor[]] {
    let x = sequence;
    const last: Tensor[][] = start.map(() => []);
    for (let layer = 0; layer < this.numLayers; layer++) {
      const results = this.suffixes(layer).map((suffix, direction) => {
        const at = layer * this.directions + direction;
        const states = start.map((s) => s.select(0, at));
        const d = this.direction(suffix, direction === 1);
        const run = sizes === null ? runSteps(x, states, d) : runPackedSteps(x, sizes, states, d);
        run[1].forEach((s, i) => last[i]!.push(s));
        return run[0];
      });
      x = results.length === 1 ? results[0]! : cat(results, -1);
      if (this.dropout > 0 && this.training && layer + 1 < this.numLayers) x = dropout(x, this.dropout, true);
    }
    return [x, last.map((list) => stack(list, 0))];
  }
  private startState(
    given: Tensor | null,
    which: number,
    size: number,
    n: number,
    single: boolean,
    like: Tensor,
  ): Tensor {
    const layers = this.numLayers * this.directions;
    if (given === null) return Tensor.zeros([layers, n, size], like.code);
    if (!(given instanceof Tensor))
      throw new TypeError(`${this.constructor.name}: the state must be a tensor, got ${show(given)}`);
    const want = single ? [layers, size] : [layers, n, size];
    if (given.shape.join() !== want.join()) {
      throw new TenfoldError(
        'shape',
        `${this.constructor.name}: ${which === 0 ? 'hidden state' : 'cell state'} must be ${formatShape(want)}, got ${formatShape(given.shape)}`,
      );
    }
    return single ? given.unsqueeze(1) : given;
  }
  private direction(suffix: string, reverse: boolean): Direction {
    return {
      cell: this.cell,
      reverse,
      weightIh: this.weight(`weightIh${suffix}`)!,
      weightHh: this.weight(`weightHh${suffix}`)!,
      biasIh: this.weight(`biasIh${suffix}`),
      biasHh: this.weight(`biasHh${suffix}`),
      project: this.weight(`weightHr${suffix}`),
    };
  }
  override extraRepr(): string {
    let s = `${this.inputSize}, ${this.hiddenSize}`;
    if (this.projSize !== 0) s += `, projSize=${this.projSize}`;
    if (this.numLayers !== 1) s += `, numLayers=${this.numLayers}`;
    if (!this.bias) s += ', bias=false';
    if (this.batchFirst) s += ', batchFirst=true';
    if (this.dropout !== 0) s += `, dropout=${float(this.dropout)}`;
    if (this.bidirectional) s += ', bidirectional=true';
    return s;
  }
}

const rnn = signature(
  "RNN(int inputSize, int hiddenSize, int numLayers=1, 'tanh'|'relu' nonlinearity='tanh', bool bias=true, bool batchFirst=false, float dropout=0, bool bidirectional=false, *, dtype? dtype=null)",
);
/**
 * h = tanh(W x + U h + b) over a sequence [l, n, inputSize] ([n, l, …] with `batchFirst`) or a packed one; returns it and the last h. See
 * torch.nn.RNN.
 */
export class RNN extends Recurrent {
  readonly nonlinearity: string;
  constructor(...args: Arguments<typeof rnn.schema>) {
    const [inputSize, hiddenSize, numLayers, nonlinearity, bias, batchFirst, dropout, bidirectional, dtype] =
      rnn.read(args);
    const cell = CELLS[nonlinearity];
    const sizes = { inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, dtype };
    super({ cell, projSize: 0, ...sizes });
    this.nonlinearity = nonlinearity;
  }
  override forward(input: Tensor, h0?: Tensor | null): [Tensor, Tensor];
  override forward(input: PackedSequence, h0?: Tensor | null): [PackedSequence, Tensor];
  override forward(input: Tensor | PackedSequence, h0: Tensor | null = null): [Tensor | PackedSequence, Tensor] {
    const [y, [h]] = this.runAny(input, [h0]);
    return [y, h!];
  }
}

const lstm = signature(
  'LSTM(int inputSize, int hiddenSize, int numLayers=1, bool bias=true, bool batchFirst=false, float dropout=0, bool bidirectional=false, int projSize=0, *, dtype? dtype=null)',
);
type LstmState = readonly [Tensor, Tensor];
/** The two states of an LSTM. A tensor is iterable, so it would be taken apart into two where a pair is due. */
function checkPair(call: string, state: unknown): readonly (Tensor | null)[] {
  if (state === null || state === undefined) return [null, null];
  if (!Array.isArray(state) || state.length !== 2 || !state.every((s) => s === null || s instanceof Tensor))
    throw new TypeError(`${call}: the state must be a list of two tensors, [h, c], got ${show(state)}`);
  return state as (Tensor | null)[];
}

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997) over a sequence [l, n, inputSize] ([n, l, …] with `batchFirst`);
 * returns it and the last [h, c]. See torch.nn.LSTM.
 */
export class LSTM extends Recurrent {
  constructor(...args: Arguments<typeof lstm.schema>) {
    const [inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, projSize, dtype] =
      lstm.read(args);
    const sizes = { inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, projSize, dtype };
    super({ cell: CELLS.lstm, ...sizes });
  }
  override forward(input: Tensor, state?: LstmState | null): [Tensor, [Tensor, Tensor]];
  override forward(input: PackedSequence, state?: LstmState | null): [PackedSequence, [Tensor, Tensor]];
  override forward(
    input: Tensor | PackedSequence,
    state: LstmState | null = null,
  ): [Tensor | PackedSequence, [Tensor, Tensor]] {
    const [y, [h, c]] = this.runAny(input, checkPair('LSTM', state));
    return [y, [h!, c!]];
  }
}

const gru = signature(
  'GRU(int inputSize, int hiddenSize, int numLayers=1, bool bias=true, bool batchFirst=false, float dropout=0, bool bidirectional=false, *, dtype? dtype=null)',
);
/**
 * Gated recurrent units (Cho et al. 2014) over a sequence [l, n, inputSize] ([n, l, …] with `batchFirst`) or a packed one; returns it and the
 * last h. See torch.nn.GRU.
 */
export class GRU extends Recurrent {
  constructor(...args: Arguments<typeof gru.schema>) {
    const [inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, dtype] = gru.read(args);
    const sizes = { inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, dtype };
    super({ cell: CELLS.gru, projSize: 0, ...sizes });
  }
  override forward(input: Tensor, h0?: Tensor | null): [Tensor, Tensor];
  override forward(input: PackedSequence, h0?: Tensor | null): [PackedSequence, Tensor];
  override forward(input: Tensor | PackedSequence, h0: Tensor | null = null): [Tensor | PackedSequence, Tensor] {
    const [y, [h]] = this.runAny(input, [h0]);
    return [y, h!];
  }
}

/** One step of a recurrent layer. */
abstract class Cell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  weightIh: Parameter;
  weightHh: Parameter;
  biasIh: Parameter | null;
  biasHh: Parameter | null;
  static override stateName(property: string): string {
    return snake(property);
  }
  constructor(gates: number, inputSize: number, hiddenSize: number, bias: boolean, dtype: DType | null) {
    super();
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.weightIh = Parameter.empty([gates * hiddenSize, inputSize], dtype);
    this.weightHh = Parameter.empty([gates * hiddenSize, hiddenSize], dtype);
    this.biasIh = bias ? Parameter.empty([gates * hiddenSize], dtype) : null;
    this.biasHh = bias ? Parameter.empty([gates * hiddenSize], dtype) : null;
    guard(this, 'weightIh', 'weightHh', 'biasIh', 'biasHh');
    this.resetParameters();
  }
  /** Draws all weights anew. */
  resetParameters(): void {
    drawAll(this, this.hiddenSize);
  }
  protected one(cell: CellKind, input: Tensor, given: readonly (Tensor | null)[]): State {
    checkIsTensor(this.constructor.name, 'input', input);
    const single = input.shape.length === 1;
    const x = single ? input.unsqueeze(0) : input;
    if (x.shape.length !== 2 || x.shape[1] !== this.inputSize) {
      throw new TenfoldError(
        'shape',
        `${this.constructor.name}: input must be [n, ${this.inputSize}] or [${this.inputSize}], got ${formatShape(input.shape)}`,
      );
    }
    const state = given.map((s) => {
      if (s === null) return Tensor.zeros([x.shape[0]!, this.hiddenSize], x.code);
      const batch = single ? s.unsqueeze(0) : s;
      if (batch.shape.length !== 2 || batch.shape[0] !== x.shape[0] || batch.shape[1] !== this.hiddenSize) {
        throw new TenfoldError(
          'shape',
          `${this.constructor.name}: state ${formatShape(s.shape)} doesn't fit input ${formatShape(input.shape)}`,
        );
      }
      return batch;
    });
    const next = cell.step(linear(x, this.weightIh, this.biasIh), this.weightHh, this.biasHh, state);
    return single ? next.map((s) => s.squeeze(0)) : next;
  }
  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.biasIh === null ? ', bias=false' : ''}`;
  }
}

const rnnCell = signature(
  "RNNCell(int inputSize, int hiddenSize, bool bias=true, 'tanh'|'relu' nonlinearity='tanh', *, dtype? dtype=null)",
);
/** One step of RNN: input [n, inputSize], h [n, hiddenSize] → h. See torch.nn.RNNCell. */
export class RNNCell extends Cell {
  readonly nonlinearity: 'tanh' | 'relu';
  constructor(...args: Arguments<typeof rnnCell.schema>) {
    const [inputSize, hiddenSize, bias, nonlinearity, dtype] = rnnCell.read(args);
    super(1, inputSize, hiddenSize, bias, dtype);
    this.nonlinearity = nonlinearity;
  }
  override forward(input: Tensor, h: Tensor | null = null): Tensor {
    return this.one(CELLS[this.nonlinearity], input, [h])[0]!;
  }
  override extraRepr(): string {
    return super.extraRepr() + (this.nonlinearity === 'tanh' ? '' : `, nonlinearity=${this.nonlinearity}`);
  }
}
const cell = signature('Cell(int inputSize, int hiddenSize, bool bias=true, *, dtype? dtype=null)');
/** One step of LSTM: input [n, inputSize], [h, c] each [n, hiddenSize] → [h, c]. See torch.nn.LSTMCell. */
export class LSTMCell extends Cell {
  constructor(...args: Arguments<typeof cell.schema>) {
    const [inputSize, hiddenSize, bias, dtype] = cell.read(args, new.target.name);
    super(4, inputSize, hiddenSize, bias, dtype);
  }
  override forward(input: Tensor, state: readonly [Tensor, Tensor] | null = null): [Tensor, Tensor] {
    return this.one(CELLS.lstm, input, checkPair('LSTMCell', state)) as [Tensor, Tensor];
  }
}
/** One step of GRU: input [n, inputSize], h [n, hiddenSize] → h. See torch.nn.GRUCell. */
export class GRUCell extends Cell {
  constructor(...args: Arguments<typeof cell.schema>) {
    const [inputSize, hiddenSize, bias, dtype] = cell.read(args, new.target.name);
    super(3, inputSize, hiddenSize, bias, dtype);
  }
  override forward(input: Tensor, h: Tensor | null = null): Tensor {
    return this.one(CELLS.gru, input, [h])[0]!;
  }
}
