/**
 * Watches a module compute: every call of an op on tensors that depend on the inputs or the weights is written down. Calls
 * that the table of translations knows are one record each, other composites are seen through to their parts.
 */
import { TenfoldError } from '../../errors.js';
import { DTYPES, type DType } from '../../dtype.js';
import { sameShape } from '../../tensor/shape.js';
import type { Storage } from '../../tensor/storage.js';
import { asList } from '../../autograd/gradients.js';
import { Tensor } from '../../tensor/tensor.js';
import { watched, type OpRecord, type Watcher } from '../../op/define.js';

/** A tensor that depends on inputs or weights. */
export interface Known {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}
/** One call: arguments in the order of the parameters' names, tensors as Known or, where they are constants, as they are. */
export interface Call {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly args: readonly unknown[];
  readonly outputs: readonly Known[];
}

export const isKnown = (x: unknown): x is Known => typeof x === 'object' && x !== null && 'id' in x && 'dtype' in x;

/** Whether a call is translated as a whole. */
export type Accepts = (name: string, args: Readonly<Record<string, unknown>>) => boolean;

export class Trace implements Watcher {
  readonly calls: Call[] = [];
  /** Ops without a translation that are no composites. */
  readonly missing = new Set<string>();
  private readonly known = new Map<Tensor, Known>();
  private readonly byStorage = new Map<Storage, Tensor[]>();
  private count = 0;

  constructor(private readonly accepts: Accepts) {}

  /** Makes a tensor known: an input, a weight, a result. */
  add(t: Tensor): Known {
    const found = this.known.get(t);
    if (found !== undefined) return found;
    const value = { id: this.count++, shape: [...t.shape], dtype: DTYPES[t.code]! };
    this.set(t, value);
    return value;
  }
  private set(t: Tensor, value: Known): void {
    this.known.set(t, value);
    const list = this.byStorage.get(t.storage);
    if (list === undefined) this.byStorage.set(t.storage, [t]);
    else if (!list.includes(t)) list.push(t);
  }

  /** What is known of a tensor, also of another object over the same elements; null for a constant. */
  find(t: Tensor): Known | null {
    const own = this.known.get(t);
    if (own !== undefined) return own;
    const others = this.byStorage.get(t.storage);
    if (others === undefined) return null;
    const same = others.find(
      (o) =>
        this.known.has(o) &&
        o.offset === t.offset &&
        sameShape(o.shape, t.shape) &&
        o.strides.every((s, d) => s === t.strides[d]),
    );
    if (same !== undefined) return this.known.get(same)!;
    throw new TenfoldError('value', `onnx.export: a tensor of shape [${t.shape}] shows memory that was changed in place, or a view that no op made`); // prettier-ignore
  }

  private depends(args: readonly unknown[]): boolean {
    return args.some((x) => (x instanceof Tensor ? this.find(x) !== null : Array.isArray(x) && this.depends(x)));
  }
  private coded(x: unknown): unknown {
    if (x instanceof Tensor) return this.find(x) ?? x;
    return Array.isArray(x) ? x.map((one) => this.coded(one)) : x;
  }

  /** Writes a call down; results that are operands themselves are no new values. */
  record(name: string, parameters: readonly string[], args: readonly unknown[], out: unknown): void {
    const coded = args.map((x) => this.coded(x));
    const results = asList(out).filter((t): t is Tensor => t instanceof Tensor);
    if (results.length === 0 || results.every((t) => this.known.has(t))) return;
    this.calls.push({ name, parameters, args: coded, outputs: results.map((t) => this.add(t)) });
  }

  run(op: OpRecord, args: unknown[]): unknown {
    op.ready();
    if (!this.depends(args)) return op.run(args);
    const { name, params } = op.sig;
    const names = params.map((p) => p.name);
    const named = Object.fromEntries(names.map((key, i) => [key, args[i]]));
    if (this.accepts(name, named)) {
      const out = op.run(args);
      this.record(name, names, args, out);
      return out;
    }
    if (name.endsWith('_')) return this.write(op, args);
    if (op.kind === 'composite') return watched(this, () => op.compose(args));
    this.missing.add(name);
    const out = op.run(args);
    this.record(name, names, args, out);
    return out;
  }

  /** A change in place is the op's result, under the tensor's name from then on. */
  inplace(op: OpRecord, args: unknown[]): Tensor {
    const self = args[0] as Tensor;
    if (!this.depends(args)) return op.callInplace(args);
    const result = this.run(op, args) as Tensor;
    this.rebind(self, result);
    return self;
  }
  private write(op: OpRecord, args: unknown[]): unknown {
    const self = args[0] as Tensor;
    if (op.sig.name !== 'copy_') {
      this.missing.add(op.sig.name);
      return op.run(args);
    }
    const source = watched(this, () => (args[1] as Tensor).to(self.dtype).expand([...self.shape]));
    this.rebind(self, source);
    return self;
  }
  private rebind(self: Tensor, result: Tensor): void {
    if (self.base !== null) this.missing.add('changes of views in place');
    const value = watched(this, () => result.to(self.dtype));
    const found = this.find(value);
    for (const other of this.byStorage.get(self.storage) ?? []) this.known.delete(other);
    self.detach().copy_(value);
    if (found === null) this.byStorage.delete(self.storage);
    else this.set(self, found);
  }
}
