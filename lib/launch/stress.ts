/**
 * The launcher's stress mode (`TENFOLD_CHECK=stress`): right before each launch the garbage collector takes what it may, and
 * what it took is overwritten. A kernel that is given memory which nobody holds then computes garbage, or the process ends:
 * `npm run stress` runs all recorded operators and layers that way, after their code was optimised.
 */
import { collectYoung } from '../tensor/collect.js';
import { freeCollected, overwriteFreed } from '../tensor/storage.js';
import { beforeLaunch } from '../native/launch.js';

/** Launches from one collection of all generations to the next, where Node gives one (`--expose-gc`). */
const FULL = 256;

/** Starts it; what is returned ends the collections. Storages have memory of their own from then on. */
export function stress(): () => void {
  const { gc } = globalThis as { gc?: () => void };
  let count = 0;
  overwriteFreed();
  beforeLaunch(() => {
    if (gc !== undefined && ++count % FULL === 0) gc();
    else collectYoung();
    freeCollected();
  });
  return () => beforeLaunch(null);
}
