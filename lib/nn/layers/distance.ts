/** Distances as modules. */
import { type Tensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import * as F from '../functional/distance.js';
import { Module } from '../module.js';

const cosineSimilarity = signature('CosineSimilarity(int dim=1, float eps=1e-8)');
/** Cosine of the angle between two tensors along dim. See torch.nn.CosineSimilarity. */
export class CosineSimilarity extends Module {
  readonly dim: number;
  readonly eps: number;
  constructor(...args: Arguments<typeof cosineSimilarity.schema>) {
    super();
    [this.dim, this.eps] = cosineSimilarity.read(args);
  }
  override forward(x1: Tensor, x2: Tensor): Tensor {
    return F.cosineSimilarity(x1, x2, this.dim, this.eps);
  }
}

const pairwiseDistance = signature('PairwiseDistance(float p=2, float eps=1e-6, bool keepdim=false)');
/** Norm of the difference of two tensors along the last dim. See torch.nn.PairwiseDistance. */
export class PairwiseDistance extends Module {
  readonly norm: number;
  readonly eps: number;
  readonly keepdim: boolean;
  constructor(...args: Arguments<typeof pairwiseDistance.schema>) {
    super();
    [this.norm, this.eps, this.keepdim] = pairwiseDistance.read(args);
  }
  override forward(x1: Tensor, x2: Tensor): Tensor {
    return F.pairwiseDistance(x1, x2, this.norm, this.eps, this.keepdim);
  }
}
