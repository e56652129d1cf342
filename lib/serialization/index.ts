/** Saving and loading of tensors: safetensors files. */
export { save, saveAsync, load, loadAsync, loadMetadata, type SaveOptions } from './file.js';
