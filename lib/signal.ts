/** Signals, as torch.signal. */
export * as windows from './ops/windows.js';
