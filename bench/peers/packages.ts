/**
 * Libraries from npm that Tenfold is measured beside. They are large and no part of this project's set-up: a peer runs
 * where its packages are found, beside this project's own or in the folder that TENFOLD_BENCH_MODULES names.
 */
import { createRequire } from 'node:module';
import { resolve, sep } from 'node:path';

export const PACKAGES = {
  tfjs: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
  onnxruntime: ['onnxruntime-node', 'onnx-proto'],
} as const;

const folder = process.env.TENFOLD_BENCH_MODULES;
const require = createRequire(folder ? resolve(folder) + sep : import.meta.url);

/** Loads a package; its type is the caller's to say. */
export const load = (name: string): unknown => require(name);

export function found(peer: keyof typeof PACKAGES): boolean {
  try {
    for (const name of PACKAGES[peer]) require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/**
 * What brings the packages of all these peers at once: npm takes unsaved ones away again when it installs others. What
 * runs needs none of their install scripts, of which one downloads parts for graphics processors.
 */
export const INSTALL = [
  'npm install --no-save --ignore-scripts',
  ...(folder ? [`--prefix ${folder}`] : []),
  ...Object.values(PACKAGES).flat(),
].join(' ');
