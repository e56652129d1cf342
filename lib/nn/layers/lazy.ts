/**
 * Layers that take the size of their input from the first one: until then their parameters are uninitialized, from then on they
 * are the plain layer, class and all. See torch.nn.modules.lazy.
 *
 * ```ts
 * const net = new nn.Sequential(new nn.LazyLinear(8), new nn.ReLU(), new nn.LazyLinear(1));
 * net.forward(randn(4, 5)); // now Linear(5, 8) and Linear(8, 1); only now give their parameters to an optimizer
 * ```
 */
import { TenfoldError } from '../../errors.js';
import { formatShape } from '../../tensor/shape.js';
import { Code, type DType } from '../../dtype.js';
import { Tensor, checkIsTensor } from '../../tensor/tensor.js';
import { signature, type Arguments } from '../../op/schema.js';
import { type Module } from '../module.js';
import { UninitializedBuffer, UninitializedParameter, isLazy } from '../uninitialized.js';
import {
  Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
} from './convolution.js'; // prettier-ignore
import { Linear } from './linear.js';
import {
  BATCH_DEFAULTS, BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, readNormOptions,
  type NormSettings, type PositionalNorm,
} from './normalization.js'; // prettier-ignore

type Writable<T> = { -readonly [K in keyof T]: T[K] };
/* eslint-disable @typescript-eslint/no-explicit-any -- what TypeScript asks of a class that others are made from */
type Plain = abstract new (...args: any[]) => Module & { resetParameters(): void };

/** Whether a module has parameters or buffers of its own that wait for their shape. */
const waits = (module: Module): boolean =>
  [...module.namedParameters('', false), ...module.namedBuffers('', false)].some(([, t]) => isLazy(t));

/** What a lazy layer has beside the methods of its layer. */
interface LazyMethods {
  /** Whether the parameters wait for the first input. */
  hasUninitializedParams(): boolean;
  /** Takes the sizes of an input and draws the parameters: what the first forward does. */
  initializeParameters(input: Tensor): void;
}
/** The class of the lazy form of a layer, named so that declarations can say it. */
type LazyClass<P extends Plain> = P & (abstract new (...args: any[]) => LazyMethods);

/** The lazy form of a layer. `size` gives its parameters the shapes that an input asks for, and writes down its size. */
function lazy<P extends Plain>(Layer: P, size: (module: InstanceType<P>, input: Tensor) => void): LazyClass<P> {
  abstract class Lazy extends Layer {
    /** Whether the parameters wait for the first input. */
    hasUninitializedParams(): boolean {
      return waits(this);
    }
    /** Draws the parameters anew, where there are any. */
    override resetParameters(): void {
      if (!waits(this)) super.resetParameters();
    }
    /** Takes the sizes of an input and draws the parameters: what the first forward does. */
    initializeParameters(input: Tensor): void {
      checkIsTensor(this.constructor.name, 'input', input);
      const drawn = waits(this);
      size(this as InstanceType<P>, input);
      if (drawn) this.resetParameters();
    }
    override forward(...args: any[]): any {
      this.initializeParameters(args[0] as Tensor);
      // A class derived from the lazy one stays what it is.
      const { prototype } = this.constructor as { prototype: object };
      if (Object.getPrototypeOf(prototype) === Lazy.prototype) Object.setPrototypeOf(this, Layer.prototype as object);
      return super.forward(...args) as unknown;
    }
  }
  return Lazy as unknown as LazyClass<P>;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

const materialize = (t: Tensor | null | undefined, shape: readonly number[]): void => {
  if (isLazy(t)) t.materialize(shape);
};

// ---- linear ----------------------------------------------------------------------------------------------------------

const linear = signature('LazyLinear(int outFeatures, bool bias=true, *, dtype? dtype=null)');
const LinearBase = lazy(Linear, (module: Writable<Linear>, input) => {
  if (!isLazy(module.weight))
    module.inFeatures = module.weight.shape[1]!; // a state dict was loaded
  else {
    if (input.shape.length === 0)
      throw new TenfoldError('shape', 'LazyLinear: input must be [..., features], got a 0-dim tensor');
    module.inFeatures = input.shape.at(-1)!;
    materialize(module.weight, [module.outFeatures, module.inFeatures]);
  }
  materialize(module.bias, [module.outFeatures]);
});
/** A Linear whose inFeatures is the last size of its first input. See torch.nn.LazyLinear. */
export class LazyLinear extends LinearBase {
  constructor(...args: Arguments<typeof linear.schema>) {
    const [outFeatures, bias, dtype] = linear.read(args);
    super(0, 0, { bias: false, dtype });
    (this as Writable<Linear>).outFeatures = outFeatures;
    this.weight = new UninitializedParameter({ dtype });
    if (bias) this.bias = new UninitializedParameter({ dtype });
  }
}

// ---- convolutions ----------------------------------------------------------------------------------------------------

type AnyConv = Writable<
  Pick<Conv1d, 'weight' | 'bias' | 'inChannels' | 'outChannels' | 'groups' | 'kernelSize'> & {
    constructor: { name: string };
  }
>;
/** Weight [out, in / groups, …], of a transposed convolution [in, out / groups, …]. */
const sizeOfConv =
  (dims: number, transposed: boolean) =>
  (module: AnyConv, input: Tensor): void => {
    const call = module.constructor.name;
    const { groups, outChannels, kernelSize } = module;
    if (isLazy(module.weight)) {
      const given = input.shape.length;
      if (given !== dims + 1 && given !== dims + 2)
        throw new TenfoldError(
          'shape',
          `${call}: expected an input of ${dims + 1} dims, or ${dims + 2} with a batch, got ${formatShape(input.shape)}`,
        );
      const channels = input.shape[given - dims - 1]!;
      if (channels % groups !== 0)
        throw new TenfoldError('value', `${call}: ${channels} channels in can't form ${groups} groups`);
      module.inChannels = channels;
      const planes = transposed ? [channels, outChannels / groups] : [outChannels, channels / groups];
      materialize(module.weight, [...planes, ...kernelSize]);
    } else module.inChannels = transposed ? module.weight.shape[0]! : module.weight.shape[1]! * groups;
    materialize(module.bias, [outChannels]);
  };
function beginConv(module: AnyConv, outChannels: number, bias: boolean, dtype: DType | null): void {
  if (outChannels % module.groups !== 0)
    throw new TenfoldError(
      'value',
      `${module.constructor.name}: ${outChannels} channels out can't form ${module.groups} groups`,
    );
  module.outChannels = outChannels;
  module.weight = new UninitializedParameter({ dtype });
  if (bias) module.bias = new UninitializedParameter({ dtype });
}

const conv = signature(
  "LazyConv(int outChannels, int[] kernelSize, int[] stride=1, int[]|'same'|'valid' padding=0, int[] dilation=1, int groups=1, bool bias=true, 'zeros'|'reflect'|'replicate'|'circular' paddingMode='zeros', *, dtype? dtype=null)",
);
type ConvArguments = Arguments<typeof conv.schema>;
const convTranspose = signature(
  "LazyConvTranspose(int outChannels, int[] kernelSize, int[] stride=1, int[] padding=0, int[] outputPadding=0, int groups=1, bool bias=true, int[] dilation=1, 'zeros' paddingMode='zeros', *, dtype? dtype=null)",
);
type ConvTransposeArguments = Arguments<typeof convTranspose.schema>;

const Conv1dBase = lazy(Conv1d, sizeOfConv(1, false));
/** A Conv1d whose inChannels are those of its first input. See torch.nn.LazyConv1d. */
export class LazyConv1d extends Conv1dBase {
  constructor(...args: ConvArguments) {
    const [outChannels, kernelSize, stride, padding, dilation, groups, bias, paddingMode, dtype] = conv.read(args, 'LazyConv1d'); // prettier-ignore
    super(0, 0, kernelSize, { stride, padding, dilation, groups, bias: false, paddingMode, dtype });
    beginConv(this, outChannels, bias, dtype);
  }
}
const Conv2dBase = lazy(Conv2d, sizeOfConv(2, false));
/** A Conv2d whose inChannels are those of its first input. See torch.nn.LazyConv2d. */
export class LazyConv2d extends Conv2dBase {
  constructor(...args: ConvArguments) {
    const [outChannels, kernelSize, stride, padding, dilation, groups, bias, paddingMode, dtype] = conv.read(args, 'LazyConv2d'); // prettier-ignore
    super(0, 0, kernelSize, { stride, padding, dilation, groups, bias: false, paddingMode, dtype });
    beginConv(this, outChannels, bias, dtype);
  }
}
const Conv3dBase = lazy(Conv3d, sizeOfConv(3, false));
/** A Conv3d whose inChannels are those of its first input. See torch.nn.LazyConv3d. */
export class LazyConv3d extends Conv3dBase {
  constructor(...args: ConvArguments) {
    const [outChannels, kernelSize, stride, padding, dilation, groups, bias, paddingMode, dtype] = conv.read(args, 'LazyConv3d'); // prettier-ignore
    super(0, 0, kernelSize, { stride, padding, dilation, groups, bias: false, paddingMode, dtype });
    beginConv(this, outChannels, bias, dtype);
  }
}
const ConvTranspose1dBase = lazy(ConvTranspose1d, sizeOfConv(1, true));
/** A ConvTranspose1d whose inChannels are those of its first input. See torch.nn.LazyConvTranspose1d. */
export class LazyConvTranspose1d extends ConvTranspose1dBase {
  constructor(...args: ConvTransposeArguments) {
    const [outChannels, kernelSize, stride, padding, outputPadding, groups, bias, dilation, paddingMode, dtype] = convTranspose.read(args, 'LazyConvTranspose1d'); // prettier-ignore
    super(0, 0, kernelSize, { stride, padding, outputPadding, groups, bias: false, dilation, paddingMode, dtype });
    beginConv(this, outChannels, bias, dtype);
  }
}
const ConvTranspose2dBase = lazy(ConvTranspose2d, sizeOfConv(2, true));
/** A ConvTranspose2d whose inChannels are those of its first input. See torch.nn.LazyConvTranspose2d. */
export class LazyConvTranspose2d extends ConvTranspose2dBase {
  constructor(...args: ConvTransposeArguments) {
    const [outChannels, kernelSize, stride, padding, outputPadding, groups, bias, dilation, paddingMode, dtype] = convTranspose.read(args, 'LazyConvTranspose2d'); // prettier-ignore
    super(0, 0, kernelSize, { stride, padding, outputPadding, groups, bias: false, dilation, paddingMode, dtype });
    beginConv(this, outChannels, bias, dtype);
  }
}
const ConvTranspose3dBase = lazy(ConvTranspose3d, sizeOfConv(3, true));
/** A ConvTranspose3d whose inChannels are those of its first input. See torch.nn.LazyConvTranspose3d. */
export class LazyConvTranspose3d extends ConvTranspose3dBase {
  constructor(...args: ConvTransposeArguments) {
    const [outChannels, kernelSize, stride, padding, outputPadding, groups, bias, dilation, paddingMode, dtype] = convTranspose.read(args, 'LazyConvTranspose3d'); // prettier-ignore
    super(0, 0, kernelSize, { stride, padding, outputPadding, groups, bias: false, dilation, paddingMode, dtype });
    beginConv(this, outChannels, bias, dtype);
  }
}

// ---- normalization ---------------------------------------------------------------------------------------------------

type AnyNorm = Writable<
  Pick<
    BatchNorm1d,
    | 'weight'
    | 'bias'
    | 'runningMean'
    | 'runningVar'
    | 'numBatchesTracked'
    | 'numFeatures'
    | 'affine'
    | 'trackRunningStats'
  >
>;
/** `dims` of an input without a batch, where there may be one; null where there is always one. */
const sizeOfNorm =
  (unbatched: number | null) =>
  (module: AnyNorm, input: Tensor): void => {
    const state = [module.weight, module.bias, module.runningMean, module.runningVar];
    const known = state.find((t) => t !== null && !isLazy(t));
    if (known) module.numFeatures = known.shape[0]!;
    else if (state.some(isLazy)) {
      const channels = input.shape[input.shape.length === unbatched ? 0 : 1];
      if (channels === undefined)
        throw new TenfoldError(
          'shape',
          `${module.constructor.name}: input must be [n, c, …], got ${formatShape(input.shape)}`,
        );
      module.numFeatures = channels;
    }
    for (const t of state) materialize(t, [module.numFeatures]);
  };
const WITHOUT = { affine: false, trackRunningStats: false, bias: false };
function beginNorm(module: AnyNorm, o: NormSettings): void {
  const { affine, bias, trackRunningStats, dtype } = o;
  module.affine = affine;
  module.trackRunningStats = trackRunningStats;
  if (affine) module.weight = new UninitializedParameter({ dtype });
  if (affine && bias) module.bias = new UninitializedParameter({ dtype });
  if (!trackRunningStats) return;
  module.runningMean = new UninitializedBuffer({ dtype });
  module.runningVar = new UninitializedBuffer({ dtype });
  module.numBatchesTracked = Tensor.zeros([], Code.i64);
}

const BatchNorm1dBase = lazy(BatchNorm1d, sizeOfNorm(null));
/** A BatchNorm1d whose numFeatures are the channels of its first input. See torch.nn.LazyBatchNorm1d. */
export class LazyBatchNorm1d extends BatchNorm1dBase {
  constructor(...options: PositionalNorm) {
    const o = readNormOptions('LazyBatchNorm1d', BATCH_DEFAULTS, options);
    super(0, { ...o, ...WITHOUT });
    beginNorm(this, o);
  }
}
const BatchNorm2dBase = lazy(BatchNorm2d, sizeOfNorm(null));
/** A BatchNorm2d whose numFeatures are the channels of its first input. See torch.nn.LazyBatchNorm2d. */
export class LazyBatchNorm2d extends BatchNorm2dBase {
  constructor(...options: PositionalNorm) {
    const o = readNormOptions('LazyBatchNorm2d', BATCH_DEFAULTS, options);
    super(0, { ...o, ...WITHOUT });
    beginNorm(this, o);
  }
}
const BatchNorm3dBase = lazy(BatchNorm3d, sizeOfNorm(null));
/** A BatchNorm3d whose numFeatures are the channels of its first input. See torch.nn.LazyBatchNorm3d. */
export class LazyBatchNorm3d extends BatchNorm3dBase {
  constructor(...options: PositionalNorm) {
    const o = readNormOptions('LazyBatchNorm3d', BATCH_DEFAULTS, options);
    super(0, { ...o, ...WITHOUT });
    beginNorm(this, o);
  }
}
const InstanceNorm1dBase = lazy(InstanceNorm1d, sizeOfNorm(2));
/** An InstanceNorm1d whose numFeatures are the channels of its first input; affine and tracking by default. See torch.nn.LazyInstanceNorm1d. */
export class LazyInstanceNorm1d extends InstanceNorm1dBase {
  constructor(...options: PositionalNorm) {
    const o = readNormOptions('LazyInstanceNorm1d', BATCH_DEFAULTS, options);
    super(0, { ...o, ...WITHOUT });
    beginNorm(this, o);
  }
}
const InstanceNorm2dBase = lazy(InstanceNorm2d, sizeOfNorm(3));
/** An InstanceNorm2d whose numFeatures are the channels of its first input; affine and tracking by default. See torch.nn.LazyInstanceNorm2d. */
export class LazyInstanceNorm2d extends InstanceNorm2dBase {
  constructor(...options: PositionalNorm) {
    const o = readNormOptions('LazyInstanceNorm2d', BATCH_DEFAULTS, options);
    super(0, { ...o, ...WITHOUT });
    beginNorm(this, o);
  }
}
const InstanceNorm3dBase = lazy(InstanceNorm3d, sizeOfNorm(4));
/** An InstanceNorm3d whose numFeatures are the channels of its first input; affine and tracking by default. See torch.nn.LazyInstanceNorm3d. */
export class LazyInstanceNorm3d extends InstanceNorm3dBase {
  constructor(...options: PositionalNorm) {
    const o = readNormOptions('LazyInstanceNorm3d', BATCH_DEFAULTS, options);
    super(0, { ...o, ...WITHOUT });
    beginNorm(this, o);
  }
}
