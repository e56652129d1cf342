/** Saving and loading of tensors: safetensors, PyTorch's checkpoints, NumPy's arrays. */
export { save, saveAsync, toBytes, type SaveOptions } from './file.js';
export { load, loadAsync, loadMetadata, type LoadOptions, type Loadable } from './load.js';
export type { FormatName } from './formats.js';
