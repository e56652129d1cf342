/** Finds and loads the native addon. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TenfoldError } from '../errors.js';

/** What tenfold.node exports; see native/node/addon.cc. */
export interface Addon {
  /** Every kernel as [name, dtype code, elementwise]; the index is its id. */
  kernels(): [string, number, boolean][];
  /** The memory that launch() reads its arguments from. */
  setFrame(frame: Float64Array): void;
  /** Runs the kernel whose id is in frame[0]. */
  launch(): void;
  /** Address of the first byte of a buffer that doesn't move. */
  address(bytes: ArrayBufferLike | Uint8Array): number;
  /** Asks for huge pages for this memory, where the system has them. */
  adviseHuge(address: number, bytes: number): void;
  /** Watches whether the garbage collector takes an object; the slot under which collected() names it then. */
  watch(object: object): number;
  /** Ends that. */
  unwatch(slot: number): void;
  /** Writes the slots of watched objects that are gone, each once; returns how many. */
  collected(slots: Int32Array): number;
  setNumThreads(n: number): void;
  getNumThreads(): number;
  info(): { target: string; napi: number };
}

function candidates(): string[] {
  const override = process.env.TENFOLD_BINARY;
  if (override) return [override];
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  return [join(root, 'build', 'Release', 'tenfold.node'), join(root, 'build', 'Debug', 'tenfold.node')];
}

export function loadAddon(): Addon {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const file of candidates()) {
    if (!existsSync(file)) {
      tried.push(`  ${file}: not there`);
      continue;
    }
    try {
      return require(file) as Addon;
    } catch (error) {
      tried.push(`  ${file}: ${(error as Error).message}`);
    }
  }
  throw new TenfoldError(
    'native',
    `tenfold: no native library for ${process.platform}-${process.arch} could be loaded (Node ${process.version}).\n` +
      `Tried:\n${tried.join('\n')}\n` +
      `In a checkout, \`npm test\` or \`npm start\` builds it; TENFOLD_BINARY=/path/to/tenfold.node names one to load.`,
  );
}
