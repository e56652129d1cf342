/**
 * Steps written with public ops, one parameter after the other: for optimizers of small problems, where a kernel of their
 * own (fused.ts) would gain little.
 */
import { TenfoldError } from '../errors.js';
import { Code, DTYPES } from '../dtype.js';
import { fillElements } from '../tensor/copy.js';
import { sameShape } from '../tensor/shape.js';
import { Tensor, checkTensor } from '../tensor/tensor.js';
import { Optimizer, type ParamGroup, type ParamState } from './optimizer.js';

/** An optimizer whose step is a function of one parameter and its gradient. */
export abstract class ComposedOptimizer<O extends object> extends Optimizer<O> {
  /** States with the parameter's shape, by PyTorch's names. */
  protected abstract readonly shapedStates: readonly string[];
  /** Fills in what `state` lacks. */
  protected abstract initialize(group: ParamGroup<O>, p: Tensor, state: ParamState): void;
  /** Changes the parameter, by one copy_, and its state. `grad` has the dtype in which the step computes. */
  protected abstract stepOne(group: ParamGroup<O>, p: Tensor, grad: Tensor, state: ParamState): void;

  protected update(): void {
    const todo = this.paramGroups.flatMap((group) =>
      // `.meta` and not `.grad`: reading that tells the engine that somebody else holds the gradient's memory.
      group.params.flatMap((p) => (p.meta?.grad ? [{ group, p, grad: p.meta.grad }] : [])),
    );
    // All are checked before the first is changed.
    for (const { p, grad } of todo) this.checkOne(p, grad);
    for (const { group, p, grad } of todo) {
      let state = this.state.get(p);
      if (state === undefined) this.state.set(p, (state = {}));
      this.initialize(group, p, state);
      this.stepOne(group, p, wide(grad), state);
    }
  }

  private checkOne(p: Tensor, grad: Tensor): void {
    const call = `${this.constructor.name}.step`;
    checkTensor(call, p);
    checkTensor(call, grad);
    const state = this.state.get(p);
    if (state === undefined) return;
    for (const name of this.shapedStates) {
      const s = state[name];
      if (s === undefined || s === null) continue;
      if (!(s instanceof Tensor) || !sameShape(s.shape, p.shape) || s.code !== p.code) {
        throw new TenfoldError(
          'state',
          `${call}: the state ${name} of a ${p.dtype} parameter of shape [${p.shape}] is ` +
            (s instanceof Tensor ? `a ${DTYPES[s.code]} tensor of shape [${s.shape}]` : typeof s),
        );
      }
      checkTensor(call, s);
    }
  }
}

/** Halves as float32, in which steps compute; other tensors as they are. */
export const wide = (t: Tensor): Tensor => (t.code <= Code.f64 ? t : t.to('float32'));

/** A state of the parameter's shape and dtype, in memory that outlives a scope. */
export function stateLike(p: Tensor, value: number): Tensor {
  const s = Tensor.raw(p.shape, p.code, true);
  fillElements(s, value);
  return s;
}
