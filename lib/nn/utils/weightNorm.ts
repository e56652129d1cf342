/** Weight normalization. */
import { noGrad } from '../../autograd/mode.js';
import { signature, type Arguments } from '../../op/schema.js';
import type { Tensor } from '../../tensor/tensor.js';
import { wrapDim } from '../../tensor/shape.js';
import type { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import {
  Reparameterization,
  needReparameterization,
  ownMemory,
  refuseTwice,
  takeParameter,
} from './reparameterization.js';

const PARTS = ['_g', '_v'];

/** g · v / ‖v‖. */
class WeightNorm extends Reparameterization {
  constructor(
    property: string,
    key: string,
    private readonly dim: number | null,
  ) {
    super(property, key);
  }
  override compute(module: Module): Tensor {
    const v = this.part(module, '_v');
    return v.mul(this.part(module, '_g').div(normExcept(v, this.dim)));
  }
  apply(module: Module, weight: Parameter): void {
    const g = noGrad(() => ownMemory(normExcept(weight, this.dim)));
    this.begin(module, { _g: new Parameter(g), _v: new Parameter(weight.data) }, () => this.compute(module));
  }
  remove(module: Module): void {
    this.end(module, PARTS, noGrad(() => this.compute(module))); // prettier-ignore
  }
}

/** Norm over all dims but one, which are kept with size 1; over all of them, 0-dim, where dim is null. */
export function normExcept(v: Tensor, dim: number | null): Tensor {
  if (dim === null) return v.norm(2);
  const rows = v.transpose(0, dim);
  const sizes = rows.shape.map((size, i) => (i === 0 ? size : 1));
  return rows.reshape([rows.shape[0]!, -1]).norm(2, 1).view(sizes).transpose(0, dim);
}

const apply = signature("weightNorm(string name='weight', int? dim=0)");
/**
 * Splits a parameter into length and direction: `weight` becomes `weight_g · weight_v / ‖weight_v‖`, computed before every
 * forward, and `weight_g` and `weight_v` are trained instead. The length is one number for each index along `dim`, or one
 * for all where `dim` is null. Returns the module. Make the optimizer afterwards: its parameters are others. See
 * torch.nn.utils.weight_norm ([Salimans and Kingma, 2016](https://arxiv.org/abs/1602.07868)).
 *
 * ```ts
 * const layer = nn.utils.weightNorm(new nn.Linear(20, 40));
 * layer.getParameter('weight_g').shape; // [40, 1]
 * ```
 * @throws TenfoldError 'value' where the module has no such parameter, or it is normalized already.
 */
export function weightNorm<M extends Module>(module: M, ...args: Arguments<typeof apply.schema>): M {
  const [name, given] = apply.read(args);
  refuseTwice('weightNorm', WeightNorm, module, name);
  const { property, key, weight } = takeParameter('weightNorm', module, name, PARTS);
  // -1 is PyTorch's other word for null.
  const dim = given === null || given === -1 ? null : wrapDim('weightNorm', given, weight.shape.length);
  new WeightNorm(property, key, dim).apply(module, weight);
  return module;
}

const remove = signature("removeWeightNorm(string name='weight')");
/** Undoes weightNorm: the weight is one parameter again. Returns the module. See torch.nn.utils.remove_weight_norm. */
export function removeWeightNorm<M extends Module>(module: M, ...args: Arguments<typeof remove.schema>): M {
  const [name] = remove.read(args);
  needReparameterization('removeWeightNorm', 'weightNorm', WeightNorm, module, name).remove(module);
  return module;
}
