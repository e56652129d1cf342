/**
 * Automatic mixed precision, as torch.autocast: inside, products and convolutions compute in bfloat16 (or float16), losses and what
 * needs digits in float32, all else in the dtypes that it is given. float64 is left alone.
 */
import { TenfoldError, checkDevice, checkOptions, show } from './errors.js';
import { Code, isFloatCode, type DType } from './dtype.js';
import { checkEnded } from './autograd/mode.js';
import { setWatcher, watched, type OpRecord, type Watcher } from './op/define.js';
import { Tensor } from './tensor/tensor.js';

/** Ops that compute in the lower dtype, by their names here; what PyTorch 2.15 casts on the processor. */
const LOWER = new Set([
  'addbmm', 'addmm', 'baddbmm', 'bmm', 'chainMatmul', 'conv1d', 'conv2d', 'conv3d', 'convTranspose1d', 'convTranspose2d',
  'convTranspose3d', 'einsum', 'inner', 'linear', 'matmul', 'matrixPower', 'mm', 'multiDot', 'prelu',
  'scaledDotProductAttention', 'tensordot', 'vecdot',
]); // prettier-ignore
/** Ops that compute in float32. */
const FULL = new Set([
  'adaptiveAvgPool3d', 'adaptiveMaxPool3d', 'avgPool3d', 'binaryCrossEntropy', 'binaryCrossEntropyWithLogits', 'cdist', 'cholesky',
  'choleskyInverse', 'choleskySolve', 'cond', 'cosineEmbeddingLoss', 'crossEntropy', 'ctcLoss', 'eigh', 'eigvalsh', 'gridSample',
  'gridSampler', 'gridSampler2d', 'gridSampler3d', 'hfft', 'hfft2', 'hfftn', 'hingeEmbeddingLoss', 'householderProduct', 'huberLoss',
  'inv', 'inverse', 'irfft', 'irfft2', 'irfftn', 'klDiv', 'l1Loss', 'lstsq', 'luSolve', 'marginRankingLoss', 'matrixRank',
  'maxPool3d', 'maxUnpool1d', 'maxUnpool2d', 'maxUnpool3d', 'mseLoss', 'multiMarginLoss', 'multilabelMarginLoss', 'nanquantile', 'nllLoss', 'orgqr',
  'ormqr', 'pinverse', 'poissonNllLoss', 'prod', 'qr', 'quantile', 'smoothL1Loss', 'softMarginLoss', 'solve', 'stft', 'svd',
  'svdvals', 'tensorinv', 'tensorsolve', 'trace', 'tripletMarginLoss',
]); // prettier-ignore
/** Ops that take the widest dtype among their tensors: that is what they do anyway, but for this one. */
const WIDEST = new Set(['indexCopy']);

const CODES: Record<string, Code> = { bfloat16: Code.bf16, float16: Code.f16 };

/** What casts; `outer` sees the calls afterwards. */
class Casting implements Watcher {
  constructor(
    readonly dtype: 'bfloat16' | 'float16',
    readonly outer: Watcher | null,
  ) {}
  run(op: OpRecord, args: unknown[]): unknown {
    const { name } = op.sig;
    const target = LOWER.has(name)
      ? this.dtype
      : FULL.has(name)
        ? 'float32'
        : WIDEST.has(name)
          ? widest(op, args)
          : null;
    if (target !== null) return watched(this.outer, () => op.run(cast(op, args, target)));
    if (op.kind === 'composite' && this.outer === null) return watched(this, () => op.compose(args));
    return watched(this.outer, () => op.run(args));
  }
  inplace(op: OpRecord, args: unknown[]): Tensor {
    return watched(this.outer, () => op.runInplace(args));
  }
}
const eligible = (t: unknown): t is Tensor => t instanceof Tensor && isFloatCode(t.code) && t.code !== Code.f64;
function widest(op: OpRecord, args: readonly unknown[]): DType | null {
  const codes = op.tensorParams.flatMap((p) => args[p]).filter(eligible).map((t) => t.dtype); // prettier-ignore
  return new Set(codes).size > 1 ? 'float32' : null;
}
function cast(op: OpRecord, args: readonly unknown[], dtype: DType): unknown[] {
  const one = (x: unknown): unknown => (eligible(x) && x.dtype !== dtype ? x.to(dtype) : x);
  const out = [...args];
  for (const p of op.tensorParams) out[p] = Array.isArray(out[p]) ? (out[p] as unknown[]).map(one) : one(out[p]);
  return out;
}

/** The state of autocasting; the mode is the thread's. */
const state: { active: Casting | null; dtype: 'bfloat16' | 'float16' } = { active: null, dtype: 'bfloat16' };

/** Options of autocast. */
export interface AutocastOptions {
  /** The lower dtype; bfloat16 unless setAutocastDtype said otherwise. */
  dtype?: 'bfloat16' | 'float16' | null;
  /** false switches casting off inside. */
  enabled?: boolean;
  /** Accepted; casts of weights aren't kept. */
  cacheEnabled?: boolean | null;
}

function readOptions(deviceType: unknown, options: AutocastOptions | string | null): Casting | null {
  if (typeof deviceType !== 'string')
    throw new TypeError(`autocast: deviceType must be 'cpu', got ${show(deviceType)}`);
  checkDevice('autocast', deviceType);
  const given: AutocastOptions = typeof options === 'string' ? { dtype: options as 'bfloat16' } : (options ?? {});
  checkOptions('autocast', given, ['dtype', 'enabled', 'cacheEnabled']);
  const { enabled = true, cacheEnabled = null } = given;
  for (const [name, value] of Object.entries({ enabled, cacheEnabled }))
    if (typeof value !== 'boolean' && !(name === 'cacheEnabled' && value === null))
      throw new TypeError(`autocast: ${name} must be a boolean, got ${show(value)}`);
  const dtype = given.dtype ?? state.dtype;
  checkDtype('autocast', dtype);
  return enabled ? new Casting(dtype, null) : null;
}
function checkDtype(call: string, dtype: unknown): asserts dtype is 'bfloat16' | 'float16' {
  if (typeof dtype !== 'string' || !Object.hasOwn(CODES, dtype))
    throw new TenfoldError('dtype', `${call}: dtype must be 'bfloat16' or 'float16', got ${show(dtype)}`);
}

/** A block of autocasting, to be held with `using`. */
class AutocastScope implements Disposable {
  private readonly before = state.active;
  private readonly outer: Watcher | null;
  constructor(casting: Casting | null) {
    // Whoever watched from outside goes on watching, behind the casts.
    this.outer = setWatcher(null);
    const seen = this.outer instanceof Casting ? this.outer.outer : this.outer;
    const next = casting === null ? null : new Casting(casting.dtype, seen);
    setWatcher(next ?? seen);
    state.active = next;
  }
  [Symbol.dispose](): void {
    setWatcher(this.outer);
    state.active = this.before;
  }
}

/**
 * Runs `fn` with automatic mixed precision, or without a function returns a scope for `using _ = autocast('cpu')`. Inside,
 * these compute in the lower dtype, whatever floats they are given but float64: `matmul`, `mm`, `bmm`, `addmm`, `addbmm`, `baddbmm`,
 * `linear`, all convolutions, `scaledDotProductAttention`, `einsum`, `tensordot`, `inner`, `multiDot`, `chainMatmul`,
 * `matrixPower`, `vecdot`, `prelu`. These in float32: losses, `prod`, `trace`, `cdist`, quantiles, poolings of volumes, `gridSample`,
 * decompositions, `fft`. Parameters keep their dtype and gradients theirs. Call backward outside. `fn` must not be asynchronous. See
 * torch.autocast.
 *
 * ```ts
 * const layer = new nn.Linear(4, 2);
 * autocast('cpu', { dtype: 'bfloat16' }, () => layer.forward(ones(1, 4)).dtype); // 'bfloat16'
 * ```
 */
export function autocast(deviceType: 'cpu', options?: AutocastOptions | 'bfloat16' | 'float16' | null): Disposable;
export function autocast<T>(deviceType: 'cpu', fn: () => T): T;
export function autocast<T>(
  deviceType: 'cpu',
  options: AutocastOptions | 'bfloat16' | 'float16' | null,
  fn: () => T,
): T;
export function autocast<T>(
  deviceType: 'cpu',
  options: AutocastOptions | string | (() => T) | null = null,
  fn?: () => T,
): T | Disposable {
  const body = typeof options === 'function' ? options : fn;
  const casting = readOptions(deviceType, typeof options === 'function' ? null : options);
  if (body === undefined) return new AutocastScope(casting);
  if (typeof body !== 'function') throw new TypeError(`autocast: expected a function, got ${show(body)}`);
  const scope = new AutocastScope(casting);
  try {
    return checkEnded('autocast', body, body());
  } finally {
    scope[Symbol.dispose]();
  }
}
/** Whether autocast is on. See torch.is_autocast_enabled. */
export function isAutocastEnabled(deviceType: 'cpu' = 'cpu'): boolean {
  checkDevice('isAutocastEnabled', deviceType);
  return state.active !== null;
}
/** isAutocastEnabled under its older name. See torch.is_autocast_cpu_enabled. */
export const isAutocastCpuEnabled = (): boolean => state.active !== null;
/** The lower dtype: that of the running autocast, or of the next. See torch.get_autocast_dtype. */
export function getAutocastDtype(deviceType: 'cpu' = 'cpu'): 'bfloat16' | 'float16' {
  checkDevice('getAutocastDtype', deviceType);
  return state.active?.dtype ?? state.dtype;
}
/** Sets the lower dtype for calls of autocast that name none. See torch.set_autocast_dtype. */
export function setAutocastDtype(deviceType: 'cpu', dtype: 'bfloat16' | 'float16'): void {
  checkDevice('setAutocastDtype', deviceType);
  checkDtype('setAutocastDtype', dtype);
  state.dtype = dtype;
}
