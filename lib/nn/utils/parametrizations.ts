/** Weights of fixed length, of spectral norm 1, or orthogonal, as torch.nn.utils.parametrizations. */
import { TenfoldError, show } from '../../errors.js';
import { noGrad } from '../../autograd/mode.js';
import { signature, type Arguments } from '../../op/schema.js';
import { formatShape, sameShape, wrapDim, type Shape } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { cat } from '../../ops/joining.js';
import { matrixExp } from '../../ops/matrixFunctions.js';
import { geqrf, householderProduct } from '../../ops/orthogonal.js';
import { randn } from '../../ops/random.js';
import { solve } from '../../ops/solving.js';
import { normalize } from '../functional/index.js';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../layers/convolution.js';
import { Module } from '../module.js';
import { registerParametrization } from './parametrize.js';
import { normExcept } from './weightNorm.js';

/** The tensor of a module that is to be parametrized. */
function tensorOf(call: string, module: Module, name: string): Tensor {
  if (!(module instanceof Module)) throw new TypeError(`${call}: expected a module, got ${show(module)}`);
  const { stateName } = module.constructor as typeof Module;
  const members = module as unknown as Record<string, unknown>;
  const property = [name, ...Object.keys(module).filter((p) => stateName(p) === name)].find((p) => members[p] instanceof Tensor); // prettier-ignore
  if (property === undefined)
    throw new TenfoldError('value', `${call}: ${module.constructor.name} has no parameter or buffer '${name}'`);
  return members[property] as Tensor;
}

// ---- lengths -----------------------------------------------------------------------------------------------------------

class WeightNorm extends Module {
  constructor(private readonly dim: number | null) {
    super();
  }
  override forward(g: Tensor, v: Tensor): Tensor {
    return v.mul(g.div(normExcept(v, this.dim)));
  }
  rightInverse(weight: Tensor): Tensor[] {
    return [normExcept(weight, this.dim), weight];
  }
}
const length = signature("weightNorm(string name='weight', int? dim=0)");
/**
 * Splits a parameter into lengths along `dim` (`original0`; one for all where dim is null) and directions (`original1`). Returns the
 * module. See torch.nn.utils.parametrizations.weight_norm.
 */
export function weightNorm<M extends Module>(module: M, ...args: Arguments<typeof length.schema>): M {
  const [name, dim] = length.read(args);
  const weight = tensorOf('weightNorm', module, name);
  const at = dim === null || dim === -1 ? null : wrapDim('weightNorm', dim, weight.shape.length);
  return registerParametrization(module, name, new WeightNorm(at), { unsafe: true });
}

// ---- spectral norm -----------------------------------------------------------------------------------------------------

class SpectralNorm extends Module {
  _u: Tensor | null = null;
  _v: Tensor | null = null;
  constructor(
    weight: Tensor,
    private readonly iterations: number,
    private readonly dim: number,
    private readonly eps: number,
  ) {
    super();
    if (weight.shape.length < 2) return;
    noGrad(() => {
      const matrix = this.matrix(weight.detach());
      const [u, v] = matrix.shape.map((n) => Tensor.raw([n], weight.code).normal_(0, 1)) as [Tensor, Tensor];
      this.registerBuffer('_u', this.unit(u));
      this.registerBuffer('_v', this.unit(v));
      // A start that a single round per forward can go on from.
      this.iterate(matrix, 15);
    });
  }
  private unit(vector: Tensor): Tensor {
    return normalize(vector, { dim: 0, eps: this.eps });
  }
  private matrix(weight: Tensor): Tensor {
    return weight.movedim(this.dim, 0).flatten(1);
  }
  private iterate(matrix: Tensor, rounds: number): void {
    noGrad(() => {
      for (let i = 0; i < rounds; i++) {
        this._u!.copy_(this.unit(matrix.mv(this._v!)));
        this._v!.copy_(this.unit(matrix.t().mv(this._u!)));
      }
    });
  }
  override forward(weight: Tensor): Tensor {
    if (weight.shape.length === 1) return this.unit(weight);
    const matrix = this.matrix(weight);
    if (this.training) this.iterate(matrix.detach(), this.iterations);
    // Copies, for the next forward changes u and v, and a graph may still need them.
    return weight.div(this._u!.clone().dot(matrix.mv(this._v!.clone())));
  }
  rightInverse(value: Tensor): Tensor {
    return value;
  }
}
const spectral = signature(
  "spectralNorm(string name='weight', int nPowerIterations=1, float eps=1e-12, int? dim=null)",
);
/**
 * Divides a parameter by its largest singular value, as a matrix of `dim` by all other dims, which a power iteration estimates: a
 * round at each reading in training mode. `dim` is 0, for transposed convolutions 1. Returns the module. See
 * torch.nn.utils.parametrizations.spectral_norm.
 */
export function spectralNorm<M extends Module>(module: M, ...args: Arguments<typeof spectral.schema>): M {
  const [name, iterations, eps, given] = spectral.read(args);
  const weight = tensorOf('spectralNorm', module, name);
  if (iterations < 1) throw new RangeError(`spectralNorm: nPowerIterations must be positive, got ${iterations}`);
  const transposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((kind) => module instanceof kind);
  const dim = wrapDim('spectralNorm', given ?? (transposed ? 1 : 0), weight.shape.length);
  return registerParametrization(module, name, new SpectralNorm(weight, iterations, dim, eps));
}

// ---- orthogonal matrices -------------------------------------------------------------------------------------------------

const MAPS = ['matrix_exp', 'cayley', 'householder'] as const;
/** How a free matrix becomes orthogonal. */
export type OrthogonalMap = (typeof MAPS)[number];

const identity = (n: number, like: Tensor): Tensor => Tensor.zeros([n, n], like.code).fillDiagonal_(1);
const diagonalOf = (x: Tensor): Tensor => x.diagonal(0, -2, -1);
function isOrthogonal(q: Tensor): boolean {
  const [n, k] = q.shape.slice(-2) as [number, number];
  const gap = q.mT.matmul(q).sub(identity(k, q)).abs();
  const epsilon = (q.dtype === 'float64' ? 2 ** -52 : 2 ** -23) * 10 * Math.max(n, k);
  return gap.le(epsilon).all().item<boolean>();
}
/** The orthogonal factor of a QR whose R has a positive diagonal. */
function madeOrthogonal(a: Tensor): Tensor {
  const { a: reflectors, tau } = geqrf(a) as unknown as { a: Tensor; tau: Tensor };
  return householderProduct(reflectors, tau).mul(diagonalOf(reflectors).sgn().unsqueeze(-2));
}
const tall = (x: Tensor): Tensor => (x.shape.at(-2)! < x.shape.at(-1)! ? x.mT : x);

class Orthogonal extends Module {
  base: Tensor | null = null;
  constructor(
    private readonly shape: Shape,
    private readonly map: OrthogonalMap,
    private readonly trivialization: boolean,
  ) {
    super();
    if (trivialization) this.registerBuffer('base', null);
  }
  private square(x: Tensor, n: number, k: number): Tensor {
    const lower = x.tril();
    const whole = n === k ? lower : cat([lower, Tensor.zeros([...x.shape.slice(0, -1), n - k], x.code)], -1);
    const skew = whole.sub(whole.mT);
    if (this.map === 'matrix_exp') return matrixExp(skew);
    const eye = identity(n, x);
    return solve(eye.add(skew, { alpha: -0.5 }), eye.add(skew, { alpha: 0.5 }));
  }
  override forward(given: Tensor): Tensor {
    const x = tall(given);
    const [n, k] = x.shape.slice(-2) as [number, number];
    let q: Tensor;
    if (this.map === 'householder') {
      const reflectors = x.tril(-1);
      const tau = reflectors.square().sum(-2).add(1).reciprocal().mul(2);
      q = householderProduct(reflectors, tau).mul(diagonalOf(x).detach().trunc().unsqueeze(-2));
    } else q = this.square(x, n, k).narrow(-1, 0, k);
    if (this.base !== null) q = this.base.matmul(q);
    return x === given ? q : q.mT;
  }
  rightInverse(given: Tensor): Tensor {
    if (!sameShape(given.shape, this.shape))
      throw new TenfoldError('shape', `orthogonal: expected a matrix of shape ${formatShape(this.shape)}, got ${formatShape(given.shape)}`); // prettier-ignore
    return noGrad(() => (this.trivialization ? this.rebase(given) : this.reflectors(given)));
  }
  private reflectors(given: Tensor): Tensor {
    if (this.map !== 'householder')
      throw new TenfoldError(
        'value',
        `orthogonal: with '${this.map}' and no trivialization a matrix can't be assigned`,
      );
    const x = tall(given);
    const { a, tau } = geqrf(x) as unknown as { a: Tensor; tau: Tensor };
    const own = a.clone();
    // A diagonal of 1 and -1.
    const signs = diagonalOf(own).sign();
    diagonalOf(own).copy_(signs.mul(tau.eq(0).to(own.dtype).mul(-2).add(1)));
    return x === given ? own : own.mT;
  }
  /** Makes the nearest orthogonal matrix the one to start from; what stands for no change is returned. */
  private rebase(given: Tensor): Tensor {
    const x = tall(given);
    const [n, k] = x.shape.slice(-2) as [number, number];
    let q = x;
    if (n !== k) q = madeOrthogonal(cat([x, randn([...x.shape.slice(0, -2), n, n - k], { dtype: x.dtype })], -1));
    else q = isOrthogonal(x) ? x.clone() : madeOrthogonal(x);
    if (this.base === null) {
      this.base = q;
      this.registerBuffer('base', q);
    } else this.base.copy_(q);
    const start = Tensor.zeros(given.shape, given.code);
    diagonalOf(start).fill_(-1);
    return start;
  }
}
const orthogonality = signature(
  "orthogonal(string name='weight', string? orthogonalMap=null, *, bool useTrivialization=true)",
);
/**
 * Keeps matrices [..., m, n] orthogonal: their columns, or rows where there are more columns, are orthonormal. `orthogonalMap`:
 * 'matrix_exp' (square ones), 'cayley' or 'householder' (others) of the matrix that is trained; with `useTrivialization` times the
 * orthogonal matrix that was assigned last, so that any can be. Returns the module. See
 * torch.nn.utils.parametrizations.orthogonal.
 */
export function orthogonal<M extends Module>(module: M, ...args: Arguments<typeof orthogonality.schema>): M {
  const [name, map, trivialization] = orthogonality.read(args);
  const weight = tensorOf('orthogonal', module, name);
  if (weight.shape.length < 2)
    throw new TenfoldError('shape', `orthogonal: needs matrices [..., m, n], got ${formatShape(weight.shape)}`);
  const chosen = map ?? (weight.shape.at(-1) === weight.shape.at(-2) ? 'matrix_exp' : 'householder');
  if (!(MAPS as readonly string[]).includes(chosen))
    throw new TenfoldError('value', `orthogonal: orthogonalMap must be one of ${MAPS.join(', ')}, got ${show(map)}`);
  const parametrization = new Orthogonal(weight.shape, chosen as OrthogonalMap, trivialization);
  if (!trivialization && chosen !== 'householder') hideInverse(parametrization);
  return registerParametrization(module, name, parametrization, { unsafe: true });
}
/** Without a way back the parameter stays as it was. */
function hideInverse(p: Orthogonal): void {
  Object.defineProperty(p, 'rightInverse', { value: undefined, configurable: true });
}
