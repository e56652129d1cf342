/** Asking the JavaScript engine for a collection of its young generation. */
import { alone } from '../native/launch.js';

type Collect = (type: 'minor' | 'all') => void;

let collect: Collect | null | undefined;

/** Whether the process was started with a choice of its own about V8's helper threads. */
const usersChoice = (): boolean =>
  /single.threaded|parallel.scavenge/.test([...process.execArgv, process.env.NODE_OPTIONS].join(' '));

// V8's helper threads are left out: to wake them takes longer than what they would do, as few objects are alive here, and
// where another process has their core, they are waited for. The flag is the whole process's, and Node warns of changing
// flags of a running V8. This one is a byte that V8 reads once in each young collection, on the thread that collects, to decide
// how many tasks it starts (NumberOfScavengeTasks in heap/scavenger.cc): whatever another thread reads there, its collection is
// a right one, with helpers or without. Threads of ours that set it take turns. test/workers.test.ts stresses it.
function findCollect(): Collect | null {
  const { gc: given, Bun } = globalThis as { gc?: unknown; Bun?: { gc(wait: boolean): void } };
  // Bun's engine has one kind of collection; left alone it lets a synchronous loop have gigabytes.
  if (Bun) return () => Bun.gc(true);
  try {
    // Not imported above: node:v8 takes 1.6 ms to load, and a program that makes few tensors never gets here.
    const { setFlagsFromString } = process.getBuiltinModule('node:v8');
    const { runInNewContext } = process.getBuiltinModule('node:vm');
    // V8 gives its gc() to contexts that are made while this flag is set; the flag is taken back at once.
    let gc: ((o?: { type: 'minor' }) => void) | null = null;
    alone(() => {
      setFlagsFromString('--expose-gc');
      gc = runInNewContext('typeof gc === "function" ? gc : null') as typeof gc;
      if (given === undefined) setFlagsFromString('--no-expose-gc');
    });
    if (gc === null) return null;
    const collectNow = gc as (o?: { type: 'minor' }) => void;
    const withoutHelpers = (): void => setFlagsFromString('--no-parallel-scavenge');
    const withHelpers = (): void => setFlagsFromString('--parallel-scavenge');
    const minor = { type: 'minor' } as const;
    const chosen = usersChoice();
    return (type) => {
      if (type === 'all') return collectNow();
      if (chosen) return collectNow(minor);
      alone(withoutHelpers);
      collectNow(minor);
      alone(withHelpers);
    };
  } catch {
    return null; // the engine's own collections have to do
  }
}

/** Collects objects that died young. Returns the milliseconds that it took. */
export function collectYoung(): number {
  if (collect === undefined) collect = findCollect();
  if (collect === null) return 0;
  const start = performance.now();
  collect('minor');
  return performance.now() - start;
}
/** Collects everything: tens of milliseconds, where many megabytes have just been left. */
export function collectAll(): void {
  if (collect === undefined) collect = findCollect();
  if (collect !== null) collect('all');
}
