/** What PyTorch keeps in torch.autograd.graph: hooks around the tensors that the graph saves. Namespace `autograd.graph`. */
import { show } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkEnded } from './mode.js';
import { HookScope, RefusalScope, underHooks, type SavedTensorsHooks } from './saved.js';

export type { Node } from './graph.js';

/**
 * Runs `fn`; where ops in it save a tensor for backward, the graph keeps what `pack(tensor)` returns, anything at all, and
 * backward takes the tensor that `unpack` makes of it. Without a function it returns a scope for `using`. `unpack` is
 * called once for each saved tensor when backward comes to its node. Of nested hooks the innermost run alone. In `pack`
 * nothing is recorded. Changes in place of what was saved aren't noticed any more: that is the hooks' business.
 * TypeError for an async function and where `unpack` returns no tensor, TenfoldError 'graph' where `pack` changes its tensor.
 * See torch.autograd.graph.saved_tensors_hooks.
 *
 *     // What is saved as float32 in half the memory, with 8 bits of its 24:
 *     const pack = (t) => (t.dtype === 'float32' ? t.to('bfloat16') : t);
 *     const unpack = (t) => (t.dtype === 'bfloat16' ? t.to('float32') : t);
 *     const y = autograd.graph.savedTensorsHooks(pack, unpack, () => model.forward(x));
 */
export function savedTensorsHooks<P>(pack: (tensor: Tensor) => P, unpack: (packed: P) => Tensor): Disposable;
export function savedTensorsHooks<P, T>(pack: (tensor: Tensor) => P, unpack: (packed: P) => Tensor, fn: () => T): T;
export function savedTensorsHooks<P, T>(
  pack: (tensor: Tensor) => P,
  unpack: (packed: P) => Tensor,
  fn?: () => T,
): T | Disposable {
  const call = 'savedTensorsHooks';
  for (const [name, hook] of Object.entries({ pack, unpack })) {
    if (typeof hook !== 'function') throw new TypeError(`${call}: '${name}' must be a function, got ${show(hook)}`);
  }
  const hooks: SavedTensorsHooks = { pack: (tensor) => pack(tensor), unpack: (packed) => unpack(packed as P) };
  if (fn === undefined) return new HookScope(hooks);
  checkFunction(call, fn);
  return checkEnded(call, fn, underHooks(hooks, fn));
}

/**
 * Runs `fn`, in which savedTensorsHooks (and so checkpoint) throws a TenfoldError with this message; throws it at once
 * where hooks run already. For what can't work with them. Without a function it returns a scope for `using`.
 * See torch.autograd.graph.disable_saved_tensors_hooks.
 */
export function disableSavedTensorsHooks(errorMessage: string): Disposable;
export function disableSavedTensorsHooks<T>(errorMessage: string, fn: () => T): T;
export function disableSavedTensorsHooks<T>(errorMessage: string, fn?: () => T): T | Disposable {
  const call = 'disableSavedTensorsHooks';
  if (typeof errorMessage !== 'string')
    throw new TypeError(`${call}: 'errorMessage' must be a string, got ${show(errorMessage)}`);
  if (fn === undefined) return new RefusalScope(errorMessage);
  checkFunction(call, fn);
  const scope = new RefusalScope(errorMessage);
  let result: T;
  try {
    result = fn();
  } finally {
    scope[Symbol.dispose]();
  }
  return checkEnded(call, fn, result);
}

function checkFunction(call: string, fn: unknown): void {
  if (typeof fn !== 'function') throw new TypeError(`${call}: expected a function, got ${show(fn)}`);
}
