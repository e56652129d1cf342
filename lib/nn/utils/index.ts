/** Helpers around parameters and their gradients, as torch.nn.utils. */
export { clipGradNorm_, clipGradsWithNorm_, clipGradValue_, getTotalNorm } from './clipGrad.js';
export { parametersToVector, vectorToParameters } from './convertParameters.js';
export { removeSpectralNorm, spectralNorm } from './spectralNorm.js';
export { removeWeightNorm, weightNorm } from './weightNorm.js';
export * as rnn from './rnn.js';
export * as stateless from './stateless.js';
export * as parametrize from './parametrize.js';
export * as parametrizations from './parametrizations.js';
export * as prune from './prune.js';
