/** Spectral normalization. */
import { mode, noGrad } from '../../autograd/mode.js';
import { signature, type Arguments } from '../../op/schema.js';
import { Tensor } from '../../tensor/tensor.js';
import { normalize } from '../functional/index.js';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../layers/convolution.js';
import { wrapDim } from '../../tensor/shape.js';
import type { Module } from '../module.js';
import type { Parameter } from '../parameter.js';
import {
  Reparameterization,
  needReparameterization,
  ownMemory,
  refuseTwice,
  takeParameter,
} from './reparameterization.js';

const PARTS = ['_orig', '_u', '_v'];

/** W / σ, where σ is the largest singular value, from a running power iteration: u and v are its singular vectors. */
class SpectralNorm extends Reparameterization {
  constructor(
    property: string,
    key: string,
    private readonly dim: number,
    private readonly iterations: number,
    private readonly eps: number,
  ) {
    super(property, key);
  }
  /** The weight as a matrix, `dim` by all others. */
  private matrix(weight: Tensor): Tensor {
    const rest = weight.shape.map((_, i) => i).filter((i) => i !== this.dim);
    return weight.permute([this.dim, ...rest]).reshape([weight.shape[this.dim]!, -1]);
  }
  private unit(vector: Tensor): Tensor {
    return normalize(vector, { dim: 0, eps: this.eps });
  }
  override compute(module: Module, iterate = module.training && !mode.again): Tensor {
    const weight = this.part(module, '_orig');
    const matrix = this.matrix(weight);
    const u = this.part(module, '_u');
    const v = this.part(module, '_v');
    if (iterate) {
      noGrad(() => {
        for (let i = 0; i < this.iterations; i++) {
          v.copy_(this.unit(matrix.t().mv(u)));
          u.copy_(this.unit(matrix.mv(v)));
        }
      });
    }
    // Copies, for the next forward changes u and v, and a graph may still need them.
    return weight.div(u.clone().dot(matrix.mv(v.clone())));
  }
  apply(module: Module, weight: Parameter): void {
    const start = (size: number): Tensor => {
      const drawn = Tensor.raw([size], weight.code);
      return noGrad(() => ownMemory(this.unit(drawn.normal_(0, 1))));
    };
    const [rows, columns] = this.matrix(weight.data).shape as unknown as [number, number];
    const u = start(rows);
    const v = start(columns);
    this.begin(module, { _orig: weight, _u: u, _v: v }, () => weight.data);
  }
  remove(module: Module): void {
    this.end(module, PARTS, noGrad(() => this.compute(module, false))); // prettier-ignore
  }
}

const apply = signature("spectralNorm(string name='weight', int nPowerIterations=1, float eps=1e-12, int? dim=null)");
/**
 * Divides a parameter by its largest singular value, as a matrix of `dim` by all other dims: `weight` becomes
 * `weight_orig / σ`, computed before every forward. σ is estimated by a power iteration that goes on from forward to forward
 * in training, and stands still in evaluation; its vectors are the buffers `weight_u` and `weight_v`. `dim` is 0, for
 * transposed convolutions 1, where not given. Returns the module. See torch.nn.utils.spectral_norm
 * ([Miyato and others, 2018](https://arxiv.org/abs/1802.05957)).
 *
 * ```ts
 * const layer = nn.utils.spectralNorm(new nn.Linear(20, 40));
 * layer.getBuffer('weight_u').shape; // [40]
 * ```
 * @throws TenfoldError 'value' where the module has no such parameter, or it is normalized already.
 */
export function spectralNorm<M extends Module>(module: M, ...args: Arguments<typeof apply.schema>): M {
  const [name, iterations, eps, given] = apply.read(args);
  if (iterations < 1) throw new RangeError(`spectralNorm: nPowerIterations must be positive, got ${iterations}`);
  refuseTwice('spectralNorm', SpectralNorm, module, name);
  const { property, key, weight } = takeParameter('spectralNorm', module, name, PARTS);
  const transposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((kind) => module instanceof kind);
  const dim = wrapDim('spectralNorm', given ?? (transposed ? 1 : 0), weight.shape.length);
  new SpectralNorm(property, key, dim, iterations, eps).apply(module, weight);
  return module;
}

const remove = signature("removeSpectralNorm(string name='weight')");
/** Undoes spectralNorm: the weight, divided, is a parameter again. Returns the module. See torch.nn.utils.remove_spectral_norm. */
export function removeSpectralNorm<M extends Module>(module: M, ...args: Arguments<typeof remove.schema>): M {
  const [name] = remove.read(args);
  needReparameterization('removeSpectralNorm', 'spectralNorm', SpectralNorm, module, name).remove(module);
  return module;
}
