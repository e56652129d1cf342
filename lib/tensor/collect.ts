/** Asking V8 for a collection of its young generation. */

type Collect = (options: { type: 'minor' }) => void;

let collect: Collect | null | undefined;

// V8 gives its gc() to contexts that are made while this flag is set; the flag is taken back at once. Where there is no
// such function (Bun, Deno), V8's own collections have to do.
function findCollect(): Collect | null {
  const given = (globalThis as { gc?: Collect }).gc;
  if (given) return given;
  try {
    // Not imported above: node:v8 takes 1.6 ms to load, and a program that makes few tensors never gets here.
    const { setFlagsFromString } = process.getBuiltinModule('node:v8');
    const { runInNewContext } = process.getBuiltinModule('node:vm');
    setFlagsFromString('--expose-gc');
    const found: unknown = runInNewContext('typeof gc === "function" ? gc : null');
    setFlagsFromString('--no-expose-gc');
    return found as Collect | null;
  } catch {
    return null;
  }
}

/**
 * Collects objects that died young. Returns the milliseconds that it took. There is so little to do that V8's helper
 * threads cost more than they do (137 µs against 80 in a loop of additions), so they are left out of it.
 */
export function collectYoung(): number {
  if (collect === undefined) collect = findCollect();
  if (collect === null) return 0;
  const start = performance.now();
  setFlagsFromString('--no-parallel-scavenge');
  collect({ type: 'minor' });
  setFlagsFromString('--parallel-scavenge');
  return performance.now() - start;
}
