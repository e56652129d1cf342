/**
 * Scopes of memory: what was made inside and neither returned nor kept is freed at the end. Nobody needs them — the
 * garbage collector frees everything — but memory comes back sooner, and to a pool that later tensors take it from.
 */
import { TenfoldError, isMap, isPromise, isSet, show } from '../errors.js';
import { recordScope, release, type Storage } from './storage.js';
import { Tensor } from './tensor.js';

/** Visits the tensors in a value: itself, arrays, plain objects, maps and sets of them. */
function eachTensor(value: unknown, visit: (t: Tensor) => void, depth = 0): void {
  if (value === null || typeof value !== 'object' || depth > 16) return;
  if (value instanceof Tensor) visit(value);
  else if (Array.isArray(value) || isSet(value)) for (const x of value) eachTensor(x, visit, depth + 1);
  else if (isMap(value)) for (const x of value.values()) eachTensor(x, visit, depth + 1);
  else if (!ArrayBuffer.isView(value)) for (const x of Object.values(value)) eachTensor(x, visit, depth + 1);
}

/** A running scope; ends at `end()`, or with the block that holds it by `using`. */
export class MemoryScope implements Disposable {
  private readonly made: Storage[] = [];
  constructor() {
    recordScope(this.made);
    open.push(this);
  }
  /** Takes a tensor (or all in a list or object) out of the scope; returns it. */
  keep<T>(value: T): T {
    eachTensor(value, (t) => (t.storage.kept = true));
    return value;
  }
  /** Frees what was made since the scope began and isn't kept. Calling it again does nothing. */
  end(): void {
    const at = open.indexOf(this);
    if (at < 0) return;
    open.splice(at, 1);
    recordScope(open.at(-1)?.made ?? null);
    const outer = open[at - 1];
    for (const storage of this.made) {
      if (storage.kept) {
        storage.kept = false;
        outer?.made.push(storage); // an outer scope decides
      } else release(storage);
    }
    this.made.length = 0;
  }
  [Symbol.dispose](): void {
    this.end();
  }
}
/** The running ones, outermost first. Those of two tasks with an await inside may end in any order. */
const open: MemoryScope[] = [];

/**
 * Begins a scope: `using scope = memoryScope();`. See MemoryScope. It counts what the thread makes, not what a task makes: where
 * an `await` stands inside, what other tasks made meanwhile is freed with it.
 */
export const memoryScope = (): MemoryScope => new MemoryScope();

/**
 * Runs fn and frees every tensor made inside that it doesn't return (alone, in a list or in an object) and that isn't
 * kept: by keep(), as a parameter, as a gradient, or as optimizer state. What a graph saved goes too, so backward() belongs
 * inside. Not for async functions.
 */
export function tidy<T>(fn: () => T): T {
  if (typeof fn !== 'function') throw new TypeError(`tidy: expected a function, got ${show(fn)}`);
  const scope = new MemoryScope();
  try {
    const result = fn();
    if (isPromise(result)) {
      result.catch(() => {});
      throw new TenfoldError(
        'value',
        'tidy: the function is async, and other tasks run at its awaits; await outside and put the synchronous parts inside',
      );
    }
    return scope.keep(result);
  } finally {
    scope.end();
  }
}

/** Keeps a tensor (or all in a list or object) beyond the running scope; returns it. */
export function keep<T>(value: T): T {
  eachTensor(value, (t) => (t.storage.kept = true));
  return value;
}
