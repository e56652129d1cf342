/** The state of the default generator, as torch.random. */
import { checkOptions, show } from './errors.js';
import { checkEnded } from './autograd/mode.js';
import { defaultGenerator } from './random/generator.js';

export { getRngState, initialSeed, manualSeed, seed, setRngState } from './ops/random.js';

/** Options of forkRng. */
export interface ForkOptions {
  /** false: the numbers drawn inside count. */
  enabled?: boolean;
}
class Fork implements Disposable {
  private readonly state: Uint8Array | null;
  constructor(enabled: boolean) {
    this.state = enabled ? defaultGenerator.getState() : null;
  }
  [Symbol.dispose](): void {
    if (this.state !== null) defaultGenerator.setState(this.state);
  }
}
/**
 * Runs `fn`, after which the default generator goes on as if nothing had been drawn; without a function returns a scope for
 * `using _ = random.forkRng()`. Must not be asynchronous. See torch.random.fork_rng.
 *
 * ```ts
 * manualSeed(0);
 * random.forkRng(() => rand(1000));
 * rand(1); // tensor([0.4963]), the first number of seed 0
 * ```
 */
export function forkRng(options?: ForkOptions): Disposable;
export function forkRng<T>(fn: () => T, options?: ForkOptions): T;
export function forkRng<T>(fn?: (() => T) | ForkOptions, options: ForkOptions = {}): T | Disposable {
  const given = typeof fn === 'object' && fn !== null ? fn : options;
  checkOptions('forkRng', given, ['enabled']);
  const { enabled = true } = given;
  if (typeof enabled !== 'boolean') throw new TypeError(`forkRng: enabled must be a boolean, got ${show(enabled)}`);
  const fork = new Fork(enabled);
  if (typeof fn === 'object' || fn === undefined) return fork;
  if (typeof fn !== 'function') throw new TypeError(`forkRng: expected a function, got ${show(fn)}`);
  try {
    return checkEnded('forkRng', fn, fn());
  } finally {
    fork[Symbol.dispose]();
  }
}
