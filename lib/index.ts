// For the compilers of those who use the types: `Disposable`, which ES2022 has not.
/// <reference lib="esnext.disposable" preserve="true" />
/** Tenfold: tensors, autograd and neural networks for Node.js, with PyTorch's semantics and names. */
export * from './ops/index.js';
export * from './ops/creation.js';
export { Tensor, type BackwardOptions, type Nested } from './tensor/tensor.js';
export type { Shape } from './tensor/shape.js';
export type { TypedArray } from './tensor/elements.js';
export type { Op, Scalar } from './op/schema.js';
import './tensor/equality.js';
export { setPrintOptions, setPrintoptions, type PrintOptions } from './tensor/format.js';
export { getDefaultDtype, setDefaultDtype, type DType } from './dtype.js';
export { TenfoldError, type ErrorCode } from './errors.js';
export { getNumThreads, setNumThreads } from './native/launch.js';
export {
  noGrad,
  enableGrad,
  isGradEnabled,
  setGradEnabled,
  inferenceMode,
  isInferenceModeEnabled,
} from './autograd/mode.js';
export * as autograd from './autograd/index.js';
export * as nn from './nn/index.js';
// What torch has at its top with the arguments of torch.nn.functional.
export {
  adaptiveAvgPool1d, avgPool1d, bilinear, celu, channelShuffle, conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d,
  convTranspose3d, cosineSimilarity, groupNorm, hardshrink, layerNorm, maxPool1d, maxPool2d, maxPool3d, pairwiseDistance, pdist,
  pixelShuffle, pixelUnshuffle, prelu, rmsNorm, selu, threshold,
} from './nn/functional/index.js'; // prettier-ignore
export { nativeBatchNorm, nativeGroupNorm, nativeLayerNorm } from './nn/functional/nativeNorms.js';
export { gridSampler, gridSampler2d, gridSampler3d } from './nn/functional/upsample.js';
export { detectAnomaly } from './autograd/mode.js';
export { Generator, defaultGenerator } from './random/generator.js';
export { keep, memoryScope, tidy, MemoryScope } from './tensor/scope.js';
export { cachedBytes, emptyCache } from './tensor/storage.js';
export * as fft from './fft.js';
export { fromShared, type SharedTensor } from './tensor/shared.js';
export * as linalg from './linalg.js';
export * as special from './special.js';
export * as onnx from './onnx/index.js';
export * as distributions from './distributions/index.js';
export * as func from './func.js';
export { vmap } from './vmap/vmap.js';
export {
  autocast,
  getAutocastDtype,
  isAutocastCpuEnabled,
  isAutocastEnabled,
  setAutocastDtype,
  type AutocastOptions,
} from './autocast.js';
export * as random from './randomState.js';
export { config, version, type Configuration } from './config.js';
export * as __config__ from './config.js';
export * as masked from './ops/masked.js';
export * as signal from './signal.js';
export { compile, explain, Plan, AsyncOptions, type Compiled, type CompileOptions, type Explanation, type PlanLaunch } from './compile/index.js'; // prettier-ignore
export * as metrics from './metrics/index.js';
export {
  profile,
  recordFunction,
  Profile,
  type ProfileEvent,
  type ProfileRow,
  type TableOptions,
} from './profile/index.js';
export * as optim from './optim/index.js';
export * as transforms from './transforms/index.js';
export * as utils from './utils/index.js';
export {
  save,
  saveAsync,
  load,
  loadAsync,
  loadMetadata,
  toBytes,
  type FormatName,
  type Loadable,
  type LoadOptions,
  type SaveOptions,
} from './serialization/index.js';
