/**
 * Steps as one launch per group (native/kernels/optimizer.cc): addresses and sizes of all parameters in a table, the
 * options in the frame. A step of two small parameters costs about a microsecond that way.
 *
 * A new optimizer: a Rule and a line in native/kernels/optimizer.cc, a subclass here that names its kernel, its states in
 * the kernel's order, and its scalars as the kernel declares them.
 */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES } from '../dtype.js';
import { run } from '../launch/run.js';
import { AddressTable } from '../launch/table.js';
import { kernel, type Kernel } from '../native/launch.js';
import { capture } from '../tensor/capture.js';
import { fillElements } from '../tensor/copy.js';
import { checkWritable } from '../tensor/storage.js';
import { Tensor } from '../tensor/tensor.js';
import { Optimizer, type ParamGroup, type ParamState } from './optimizer.js';

// Columns of the table; see native/kernels/optimizer.cc.
const ROW = 16;
const enum Column {
  elements,
  param,
  grad,
  states,
  step = 6,
  muProduct = 7,
}
/** Where the numbers that may change from step to step begin in a frame: lr, weightDecay, maximize, the rule's own. */
const LIVE = 3;
/** What a group's step runs. */
export interface StepRule {
  readonly kernel: Kernel;
  /** States with the parameter's shape, by PyTorch's names, in the order in which the kernel takes them. */
  readonly states: readonly string[];
  /** 'count': a float32 that the kernel raises. 'fresh': whether the state is empty yet. 'none': the kernel needs neither. */
  readonly step: 'count' | 'fresh' | 'none';
  readonly muProduct?: true;
}

export function stepRule(name: string, states: readonly string[], step: StepRule['step'] = 'count'): StepRule {
  return { kernel: kernel(name), states, step };
}

/** A group's rows, ready to launch. */
interface Table {
  rows: AddressTable;
  count: number;
  /** Parameters in the order of the rows, whose version rises. */
  params: Tensor[];
  /** What is to be done after the launch. */
  copies: (() => void)[];
}

interface FusedOptions {
  lr: number;
  weightDecay: number;
  maximize?: boolean;
}

/** An optimizer whose step is one kernel. */
export abstract class FusedOptimizer<O extends FusedOptions> extends Optimizer<O> {
  // By group and then float32, float64; kept between steps.
  private readonly tables: [Table | null, Table | null][] = [];

  protected abstract rule(group: ParamGroup<O>): StepRule;
  /** The rule's own scalars, in the kernel's order. */
  protected abstract scalars(group: ParamGroup<O>): readonly (number | boolean)[];
  /** What a state starts from. */
  protected initialValue(_state: string, _group: ParamGroup<O>): number {
    return 0;
  }

  protected update(): void {
    const { paramGroups } = this;
    // All groups are checked and written down before the first is changed.
    for (let g = 0; g < paramGroups.length; g++) this.prepare(g);
    for (let g = 0; g < paramGroups.length; g++) {
      const tables = this.tables[g]!;
      if (tables[0] !== null && tables[0].count > 0) this.launch(paramGroups[g]!, Code.f32, tables[0]);
      if (tables[1] !== null && tables[1].count > 0) this.launch(paramGroups[g]!, Code.f64, tables[1]);
    }
  }

  private launch(group: ParamGroup<O>, code: Code, table: Table): void {
    const { count, rows } = table;
    if (capture !== null) capture.live((frame) => frame.set(this.numbers(group), LIVE));
    const maximize = group.maximize === true;
    const id = this.rule(group).kernel[code]!;
    run(id, count, rows, group.lr, group.weightDecay, maximize, ...this.scalars(group));
    rows.clear();
    for (let i = 0; i < count; i++) table.params[i]!.storage.version++;
    if (table.copies.length > 0) {
      for (const copy of table.copies) copy();
      table.copies = [];
    }
  }

  /** What a recording reads anew at each replay. */
  private numbers(group: ParamGroup<O>): number[] {
    this.checkGroup(this.paramGroups.indexOf(group));
    const { lr, weightDecay, maximize } = group;
    return [lr, weightDecay, maximize === true, ...this.scalars(group)].map(Number);
  }

  private prepare(g: number): void {
    const group = this.paramGroups[g]!;
    const rule = this.rule(group);
    const tables = (this.tables[g] ??= [null, null]);
    for (const table of tables) {
      if (table === null) continue;
      table.count = 0;
      table.copies = [];
    }
    const { params } = group;
    for (let i = 0; i < params.length; i++) {
      const p = params[i]!;
      if (capture !== null) capture.gradient(p, 'read');
      const grad = p.meta === null ? null : p.meta.grad;
      if (grad === null) continue;
      if (p.storage.readers > 0) checkWritable(`${this.constructor.name}.step`, p.storage);
      const code = p.code === Code.f64 ? Code.f64 : Code.f32;
      let table = tables[code];
      if (!table || table.rows.rows < params.length) table = this.grow(tables, code, params.length);
      this.writeRow(table, group, rule, p, grad);
    }
  }

  private grow(tables: [Table | null, Table | null], code: 0 | 1, rows: number): Table {
    const bigger: Table = { rows: new AddressTable(rows, ROW), count: 0, params: [], copies: [] };
    const old = tables[code];
    if (old) {
      bigger.rows.takeOver(old.rows);
      Object.assign(bigger, { count: old.count, params: old.params, copies: old.copies });
    }
    return (tables[code] = bigger);
  }

  private writeRow(table: Table, group: ParamGroup<O>, rule: StepRule, p: Tensor, grad: Tensor): void {
    const { rows } = table;
    const at = ROW * table.count;
    const { states } = rule;
    let state = this.state.get(p);
    let fresh = 0;
    if (state === undefined) this.state.set(p, (state = {}));
    const plain = p.dense && p.code <= Code.f64;
    for (let k = 0; k < states.length; k++) {
      const name = states[k]!;
      let s = state[name] as Tensor | undefined | null;
      if (s === undefined || s === null) {
        fresh = 1;
        if (capture !== null) capture.unsettled(); // it is made in the first step only
        s = Tensor.raw(p.shape, p.code, true);
        if (rule.step === 'fresh') {
          // Holds nothing until the launch has filled it.
          const filled = s;
          const kept = state;
          table.copies.push(() => (kept[name] = filled));
        } else fillElements((state[name] = s), this.initialValue(name, group));
      }
      if (!(s instanceof Tensor) || s.count !== p.count || s.code !== p.code || !s.dense) this.badState(p, name, s);
      rows.set(at + Column.states + k, plain || p.code <= Code.f64 ? s : widened(table, s));
    }
    if (rule.step === 'count') {
      rows.set(at + Column.step, counter(state, 'step', 0));
      if (rule.muProduct) rows.set(at + Column.muProduct, counter(state, 'mu_product', 1));
    } else rows.numbers[at + Column.step] = fresh;
    rows.numbers[at + Column.elements] = p.count;
    rows.set(at + Column.param, plain ? p : widened(table, p));
    rows.set(at + Column.grad, grad.dense && grad.code === p.code && plain ? grad : readable(grad));
    table.params[table.count++] = p;
  }

  private badState(p: Tensor, name: string, s: unknown): never {
    const got =
      s instanceof Tensor
        ? `a ${DTYPES[s.code]} tensor of shape [${s.shape}]${s.dense ? '' : ' that is not contiguous'}`
        : typeof s;
    throw new TenfoldError(
      'state',
      `${this.constructor.name}.step: the state ${name} of a ${p.dtype} parameter of shape [${p.shape}] is ${got}`,
    );
  }
}

/** A float32 that lives as long as the state. */
export function counter(state: ParamState, name: string, start: number): Tensor {
  let value = state[name];
  if (!(value instanceof Tensor && value.code === Code.f32 && value.count === 1)) {
    // A checkpoint may hold a plain number, or a tensor of another dtype.
    if (capture !== null) capture.unsettled();
    const from = value instanceof Tensor ? value.item() : typeof value === 'number' ? value : start;
    value = Tensor.raw([], Code.f32, true);
    fillElements(value as Tensor, from);
    state[name] = value;
  }
  return value as Tensor;
}

const wideCode = (t: Tensor): Code => (t.code === Code.f64 ? Code.f64 : Code.f32);

/** A dense copy to read, float32 for halves. */
function readable(t: Tensor): Tensor {
  const wide = Tensor.raw(t.shape, wideCode(t));
  wide.rawCopy(t);
  return wide;
}
/** The same, which goes back into `t` after the launch. */
function widened(table: Table, t: Tensor): Tensor {
  const wide = readable(t);
  table.copies.push(() => t.rawCopy(wide));
  return wide;
}
