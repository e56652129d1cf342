/**
 * The room in which tensors become addresses. A launch takes tensors and numbers, in the order in which the kernel declares
 * them; it writes the frame and holds every operand until the kernel has ended. Nobody else takes an address: an address in a
 * variable keeps nothing alive, and optimised code lets the garbage collector have a tensor after its last use.
 *
 * To launch a kernel: `run(KERNEL[code]!, rows, n, x, weight, out, eps)`. To declare one: declaration.ts.
 */
import { Tensor } from '../tensor/tensor.js';
import { TenfoldError } from '../errors.js';
import { frame, launch } from '../native/launch.js';
import { checkStorage, type Storage } from '../tensor/storage.js';
import type { AddressTable } from './table.js';
import { watching } from './watch.js';

/** What has an address, or takes the place of one that is left out. */
export type Memory = Tensor | Storage | null;
/** What a launch is given for a place of the frame, or for a list of places. */
export type Argument = number | boolean | Memory | readonly number[] | AddressTable;

/** Address of a tensor's first element; refuses freed and detached memory. Good until its next allocation only. */
export const addressOf = (t: Tensor): number => Tensor.addressOf(t);

function isList(x: object): x is readonly number[] {
  return Array.isArray(x);
}

/** Runs the kernel of this id. */
export function run(id: number, ...args: Argument[]): void {
  frame[0] = id;
  let at = 1;
  for (let i = 0; i < args.length; i++) {
    const x = args[i]!;
    if (typeof x === 'number') frame[at++] = x;
    else if (x === null) frame[at++] = 0;
    else if (typeof x === 'boolean') frame[at++] = x ? 1 : 0;
    else if ('offset' in x) frame[at++] = addressOf(x);
    else if (isList(x)) for (let k = 0; k < x.length; k++) frame[at++] = x[k]!;
    else {
      const storage = 'columns' in x ? x.storage : x;
      if (storage.guarded) checkStorage(storage);
      frame[at++] = storage.address;
    }
  }
  if (at > frame.length)
    throw new TenfoldError('shape', `a launch of ${at} numbers: a frame has ${frame.length} places`);
  if (watching !== null) watching.run(id, args);
  launch(args);
}
