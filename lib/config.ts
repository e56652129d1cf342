/** What this library is and what it runs on, as torch.__config__ and torch.version. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { here } from './native/host.js';
import { getNumThreads, nativeInfo } from './native/launch.js';

/** The library's version, and the PyTorch whose answers it gives. See torch.version. */
export const version: { readonly tenfold: string; readonly pytorch: string; toString(): string } = {
  get tenfold(): string {
    return (JSON.parse(readFileSync(join(here.root, 'package.json'), 'utf8')) as { version: string }).version;
  },
  pytorch: '2.15',
  toString(): string {
    return this.tenfold;
  },
};

/** What config() tells. */
export interface Configuration {
  version: string;
  /** The PyTorch whose names and answers these are. */
  pytorch: string;
  /** Instruction set of the kernels that run here: 'avx512', 'avx2', 'sse4', 'neon', … */
  instructionSet: string;
  /** Who computes matrix products. */
  blas: string;
  /** Threads that kernels use; see setNumThreads. */
  threads: number;
  node: string;
  platform: string;
  arch: string;
}
/** What this library runs on. See show() for the same in words. */
export function config(): Configuration {
  const { target, blas } = nativeInfo();
  const { node, platform, arch } = here;
  return { version: version.tenfold, pytorch: version.pytorch, instructionSet: target, blas, threads: getNumThreads(), node, platform, arch }; // prettier-ignore
}
/** config() in lines, for reports of faults. See torch.__config__.show. */
export function show(): string {
  const c = config();
  return `Tenfold ${c.version} (PyTorch ${c.pytorch}'s names and answers):\n  - Node ${c.node} on ${c.platform}-${c.arch}\n  - kernels for ${c.instructionSet}\n  - matrix products: ${c.blas}\n`;
}
/** How many threads compute, in a line. See torch.__config__.parallel_info. */
export function parallelInfo(): string {
  return `threads of one operation: ${getNumThreads()}\n`;
}
