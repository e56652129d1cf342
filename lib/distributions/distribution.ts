/** What all distributions share: shapes, checks, and the names of what they answer. */
import { TenfoldError, show } from '../errors.js';
import { noGrad } from '../autograd/mode.js';
import { broadcastTensors } from '../ops/index.js';
import { tensor, zeros } from '../ops/creation.js';
import { randn } from '../ops/random.js';
import { checkSizes, formatShape, type Shape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { Constraint } from './constraints.js';

/** A parameter: a tensor, or a number. */
export type Parameter = Tensor | number;
let validates = true;

/**
 * A distribution of values of `eventShape`, of which there are as many as `batchShape` says, each with parameters of its own. See
 * torch.distributions.Distribution.
 */
export abstract class Distribution {
  readonly batchShape: Shape;
  readonly eventShape: Shape;
  protected readonly validateArgs: boolean;
  /** Whether rsample gives derivatives for the parameters. */
  get hasRsample(): boolean {
    return false;
  }
  constructor(batchShape: Shape, eventShape: Shape, validateArgs: boolean | null) {
    this.batchShape = batchShape;
    this.eventShape = eventShape;
    this.validateArgs = validateArgs ?? validates;
  }
  /** Whether distributions check their parameters and values from now on, where they aren't told. */
  static setDefaultValidateArgs(value: boolean): void {
    if (typeof value !== 'boolean')
      throw new TypeError(`setDefaultValidateArgs: expected a boolean, got ${show(value)}`);
    validates = value;
  }
  /** Which values it can give. */
  abstract get support(): Constraint;
  /** Logarithm of the probability or density of values [..., *batchShape, *eventShape]. */
  abstract logProb(value: Tensor): Tensor;
  /** Expectations. */
  get mean(): Tensor {
    return this.missing('mean');
  }
  /** The likeliest values. */
  get mode(): Tensor {
    return this.missing('mode');
  }
  /** Variances. */
  get variance(): Tensor {
    return this.missing('variance');
  }
  /** Standard deviations. */
  get stddev(): Tensor {
    return this.variance.sqrt();
  }
  /** Values of shape [*sampleShape, *batchShape, *eventShape], without derivatives. */
  sample(sampleShape: readonly number[] = []): Tensor {
    return noGrad(() => this.rsample(sampleShape)).detach();
  }
  /** Values as sample gives them, with derivatives for the parameters. */
  rsample(_sampleShape: readonly number[] = []): Tensor {
    return this.missing('rsample');
  }
  /** Entropies in nats. */
  entropy(): Tensor {
    return this.missing('entropy');
  }
  /** e to the power of the entropy. */
  perplexity(): Tensor {
    return this.entropy().exp();
  }
  /** Probabilities of values up to these. */
  cdf(_value: Tensor): Tensor {
    return this.missing('cdf');
  }
  /** The inverse of cdf. */
  icdf(_value: Tensor): Tensor {
    return this.missing('icdf');
  }
  /** All values of a distribution of finitely many, along the first dim; `expand` repeats them for the batch. */
  enumerateSupport(_expand = true): Tensor {
    return this.missing('enumerateSupport');
  }
  /** The same for a larger batch: parameters are expanded, not copied. */
  expand(batchShape: readonly number[]): this {
    checkSizes(`${this.constructor.name}.expand`, batchShape);
    const out = Object.create(Object.getPrototypeOf(this) as object) as Record<string, unknown>;
    const lead = this.batchShape.length;
    for (const [key, value] of Object.entries(this)) {
      if (value instanceof Tensor) out[key] = value.expand([...batchShape, ...value.shape.slice(lead)]);
      else out[key] = value instanceof Distribution ? value.expand([...batchShape, ...value.batchShape.slice(lead)]) : (value as unknown); // prettier-ignore
    }
    out['batchShape'] = [...batchShape];
    return out as unknown as this;
  }
  toString(): string {
    const parts = Object.entries(this).flatMap(([k, v]) =>
      v instanceof Tensor ? [`${k}: ${v.numel() === 1 ? String(v.item()) : `tensor of [${v.shape}]`}`] : [],
    );
    return `${this.constructor.name}(${parts.join(', ')})`;
  }

  /** [*sampleShape, *batchShape, *eventShape]. */
  protected extended(sampleShape: readonly number[]): number[] {
    return [...checkSizes(`${this.constructor.name}.sample`, sampleShape), ...this.batchShape, ...this.eventShape];
  }
  protected missing(what: string): never {
    throw new TenfoldError('value', `${this.constructor.name}: ${what} isn't defined for this distribution`);
  }
  /** Refuses parameters outside their constraints. */
  protected checkParameters(parameters: Record<string, readonly [Tensor, Constraint]>): void {
    if (!this.validateArgs) return;
    for (const [name, [value, constraint]] of Object.entries(parameters)) {
      if (noGrad(() => constraint.check(value).all().item<boolean>())) continue;
      throw new TenfoldError('value', `${this.constructor.name}: ${name} must be ${constraint.name}, got ${String(value)}`); // prettier-ignore
    }
  }
  /** Refuses values that don't broadcast, or lie outside the support. */
  protected checkValue(value: unknown, call = 'logProb'): asserts value is Tensor {
    const name = `${this.constructor.name}.${call}`;
    if (!(value instanceof Tensor)) throw new TypeError(`${name}: value must be a tensor, got ${show(value)}`);
    if (!this.validateArgs) return;
    const own = [...this.batchShape, ...this.eventShape];
    const fits = (a: number | undefined, b: number | undefined): boolean => a === undefined || b === undefined || a === b || a === 1 || b === 1; // prettier-ignore
    const events = this.eventShape.length;
    const wrong = own.some((_, i) => {
      const [a, b] = [own.at(-1 - i), value.shape.at(-1 - i)];
      return i < events ? a !== b : !fits(a, b);
    });
    if (wrong)
      throw new TenfoldError('shape', `${name}: value ${formatShape(value.shape)} doesn't fit batch and event ${formatShape(own)}`); // prettier-ignore
    const { support } = this;
    if (!noGrad(() => support.check(value).all().item<boolean>()))
      throw new TenfoldError('value', `${name}: value must be ${support.name}, got ${String(value)}`);
  }
}

/** Parameters as tensors of one shape; numbers take the tensors' dtype. */
export function broadcastAll(call: string, ...values: unknown[]): Tensor[] {
  for (const v of values)
    if (typeof v !== 'number' && !(v instanceof Tensor))
      throw new TypeError(`${call}: parameters must be tensors or numbers, got ${show(v)}`);
  const given = values.find((v): v is Tensor => v instanceof Tensor);
  const dtype = given?.isFloatingPoint() ? given.dtype : null;
  const tensors = values.map((v) => (v instanceof Tensor ? v : tensor(v as number, { dtype })));
  return tensors.length === 1 ? tensors : broadcastTensors(...tensors);
}
/** PyTorch's standard normal draw. */
export const standardNormal = (shape: readonly number[], like: Tensor): Tensor =>
  randn([...shape], { dtype: like.dtype });
/** Memory for draws in place. */
export const drawn = (shape: readonly number[], like: Tensor): Tensor => zeros([...shape], { dtype: like.dtype });

/** Sum over the last dims. */
export function sumRightmost(x: Tensor, dims: number): Tensor {
  return dims === 0 ? x : x.sum(Array.from({ length: dims }, (_, i) => -1 - i));
}
/** eps and the least normal number of a tensor's dtype. */
export const finfo = (x: Tensor): { eps: number; tiny: number } =>
  x.dtype === 'float64' ? { eps: 2 ** -52, tiny: 2 ** -1022 } : { eps: 2 ** -23, tiny: 2 ** -126 };
/** Probabilities away from 0 and 1 by the dtype's epsilon. */
export function clampProbs(probs: Tensor): Tensor {
  const { eps } = finfo(probs);
  return probs.clamp(eps, 1 - eps);
}
