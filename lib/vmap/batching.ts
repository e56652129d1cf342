/**
 * What stands for a sample while vmap runs a function: a tensor of the sample's shape without memory of its own, behind which is
 * the tensor of all samples, [size, ...shape]. Ops that are called with one go to its level, which finds a rule (rules.ts) or goes
 * sample by sample; everything else refuses it.
 */
import { TenfoldError } from '../errors.js';
import { watched, type OpRecord, type Watcher } from '../op/define.js';
import { stack } from '../ops/joining.js';
import { NamedTensors, mapNamed } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';
import { ruleOf } from './rules.js';

/** Thrown where a stand-in comes to what only real tensors can do: vmap then runs the function sample by sample. */
export class Unbatchable extends Error {}

const fulls = new WeakMap<Tensor, { full: Tensor; level: Level }>();
let current: Level | null = null;
/** The innermost vmap that is running, or null. */
export const currentLevel = (): Level | null => current;

const allOf = (sample: Tensor): Tensor => fulls.get(sample)!.full;
const levelOf = (sample: Tensor): Level => fulls.get(sample)!.level;
function refuse(call: string): never {
  throw new TenfoldError('value', `vmap: ${call} would read one sample's values; inside vmap there are none to be read (where() chooses by values)`); // prettier-ignore
}

/** A stand-in for a sample. */
class Sample extends Tensor {
  override get requiresGrad(): boolean {
    return watched(levelOf(this).outer, () => allOf(this).requiresGrad);
  }
  override set requiresGrad(value: boolean) {
    this.requiresGrad_(value);
  }
  override requiresGrad_(requiresGrad = true): this {
    watched(levelOf(this).outer, () => allOf(this).requiresGrad_(requiresGrad));
    return this;
  }
  override detach(): Tensor {
    return levelOf(this).wrap(watched(levelOf(this).outer, () => allOf(this).detach()));
  }
  override get data(): Tensor {
    return this.detach();
  }
  override item(): never {
    refuse('item()');
  }
  override itemBigInt(): never {
    refuse('itemBigInt()');
  }
  override tolist(): never {
    refuse('tolist()');
  }
  override toTypedArray(): never {
    refuse('toTypedArray()');
  }
  override asTypedArray(): never {
    refuse('asTypedArray()');
  }
  override toString(): string {
    return `a sample [${this.shape}] of ${levelOf(this).size}`;
  }
}

const unbatchable = { get: (): never => { throw new Unbatchable(); }, configurable: true, enumerable: false }; // prettier-ignore

function within<T>(level: Level | null, fn: () => T): T {
  const before = current;
  current = level;
  try {
    return fn();
  } finally {
    current = before;
  }
}

/** One vmap at work. */
export class Level implements Watcher {
  constructor(
    readonly size: number,
    /** The vmap around this one. */
    readonly outer: Level | null,
  ) {}
  /** A stand-in for the samples along the first dim. */
  wrap(full: Tensor): Tensor {
    const shape = full.shape.slice(1);
    const one = Tensor.raw([shape.includes(0) ? 0 : 1], full.code);
    const sample = one.stridedView(shape, new Array<number>(shape.length).fill(0), 0).alias();
    one.dispose();
    Object.setPrototypeOf(sample, Sample.prototype);
    // The engine asks for this first: it must not take the stand-in for a tensor without a graph.
    Object.defineProperty(sample, 'node', unbatchable);
    fulls.set(sample, { full, level: this });
    return sample;
  }
  /** All samples behind a stand-in of this level; null for another tensor. */
  fullOf(x: unknown): Tensor | null {
    const found = x instanceof Tensor ? fulls.get(x) : undefined;
    return found?.level === this ? found.full : null;
  }
  /** All samples, of what is the same for all of them too. */
  expanded(x: Tensor): Tensor {
    return this.fullOf(x) ?? this.outside(() => x.unsqueeze(0).expand([this.size, ...x.shape]));
  }
  /** Runs what works on whole batches: calls go to the vmap around this one, if there is one. */
  outside<T>(fn: () => T): T {
    return within(this.outer, () => watched(this.outer, fn));
  }
  /** Runs what works on samples. */
  inside<T>(fn: () => T): T {
    return within(this, () => watched(this, fn));
  }

  run(op: OpRecord, args: unknown[]): unknown {
    const any = args.some((a) => (Array.isArray(a) ? a.some((x) => this.fullOf(x) !== null) : this.fullOf(a) !== null));
    if (!any) return this.outside(() => op.run(args));
    if (op.sig.name.endsWith('_')) return this.overwrite(op, args);
    const rule = ruleOf(op);
    if (rule !== null) {
      const found = rule(this, op, args);
      if (found !== null) return found;
    }
    if (op.kind === 'composite') {
      try {
        return this.inside(() => op.compose(args));
      } catch (error) {
        // Its steps wanted real tensors, or the call is wrong: then it is also for a single sample.
        if (!(error instanceof Unbatchable) && !(error instanceof TenfoldError)) throw error;
        if (error instanceof TenfoldError && error.message.startsWith('vmap: ')) throw error;
      }
    }
    return this.oneByOne(op, args);
  }
  inplace(op: OpRecord, args: unknown[]): Tensor {
    const self = args[0] as Tensor;
    const full = this.fullOf(self);
    const others = args.slice(1).some((a) => this.fullOf(a) !== null);
    if (full === null) {
      if (others) throw new TenfoldError('inplace', `${op.sig.name}_: vmap can't write samples into a tensor that all of them share; clone() and expand it first`); // prettier-ignore
      return this.outside(() => op.runInplace(args));
    }
    const result = this.run(op, args) as Tensor;
    this.outside(() => full.copy_(this.fullOf(result)!));
    return self;
  }
  /** An op that writes into its first argument. */
  private overwrite(op: OpRecord, args: unknown[]): unknown {
    if (this.fullOf(args[0]) === null)
      throw new TenfoldError('inplace', `${op.sig.name}: vmap can't write samples into a tensor that all of them share; clone() and expand it first`); // prettier-ignore
    for (let i = 0; i < this.size; i++) this.outside(() => op.run(this.argsOf(args, i)));
    return args[0];
  }
  private argsOf(args: readonly unknown[], i: number): unknown[] {
    const one = (x: unknown): unknown => this.fullOf(x)?.select(0, i) ?? x;
    return args.map((a) => (Array.isArray(a) ? a.map(one) : one(a)));
  }
  private oneByOne(op: OpRecord, args: unknown[]): unknown {
    if (this.size === 0) throw new Unbatchable();
    const results = this.outside(() => Array.from({ length: this.size }, (_, i) => op.run(this.argsOf(args, i))));
    const first = results[0];
    const joined = (list: unknown[]): Tensor => this.wrap(this.outside(() => stack(list as Tensor[])));
    if (first instanceof Tensor) return joined(results);
    if (!Array.isArray(first) && !(first instanceof NamedTensors))
      throw new TenfoldError('value', `vmap: ${op.sig.name} gives ${typeof first}, one for each sample; inside vmap results must be tensors`); // prettier-ignore
    const lists = results.map((r) => [...(r as Iterable<Tensor>)]);
    const part = (k: number): Tensor => joined(lists.map((list) => list[k]));
    if (Array.isArray(first)) return first.map((_, k) => part(k));
    let at = 0;
    return mapNamed(first, () => part(at++));
  }
}
