/**
 * The one way across the border: numbers written into a frame whose address the addon knows, then one call without
 * arguments (10 ns, where passing three typed arrays costs 98). Every kernel runs through here, so capture, profiling
 * and tracing need to know this place only.
 */
import type { Code } from '../dtype.js';
import { TenfoldError, type ErrorCode } from '../errors.js';
import { loadAddon, type NativePlan } from './load.js';
import { onTimer, timer } from './timer.js';

export type { NativePlan };

const addon = loadAddon();

/** Arguments of the next launch; frame[0] is the kernel's id. Layouts: native/loops/elementwise.h and each kernel. */
export const frame = new Float64Array(512);
addon.setFrame(frame);

const ids = new Map<string, Int32Array>();
const entries = addon.kernels().split(';').slice(0, -1);
entries.forEach((entry, id) => {
  const [name, code] = entry.split(',') as [string, string];
  let byDtype = ids.get(name);
  if (!byDtype) ids.set(name, (byDtype = new Int32Array(10).fill(-1)));
  byDtype[Number(code)] = id;
});

/** A kernel's ids by the code of the dtype it computes in, -1 where it doesn't exist for a dtype. */
export type Kernel = Int32Array;

/** Kernel of a name; a missing name is an error at load, not at the first call. */
export function kernel(name: string): Kernel {
  const found = ids.get(name);
  if (!found) throw new TenfoldError('native', `tenfold: the native library has no kernel '${name}'; rebuild it`);
  return found;
}

/** Names of all kernels, for tests. */
export const kernelNames = (): string[] => [...ids.keys()];

/** The kernel with an id: its name, and the code of the dtype it computes in. */
export function kernelOf(id: number): { name: string; code: Code } {
  const [name, code] = entries[id]!.split(',') as [string, string];
  return { name, code: Number(code) };
}

/** What a kernel's frame consists of (lib/launch/declaration.ts); null for an elementwise kernel. */
export const declaration = (id: number): string | null => addon.declaration(id);
const places = addon.elementwiseFrame();
/** Places of the elementwise driver's frame, and what stands for the kinds of its operands; see native/loops/elementwise.h. */
export const AT_NDIM = places[0]!;
export const AT_NUMEL = places[1]!;
export const AT_OPERANDS = places[2]!;
export const AT_OPERAND = places[3]!;
export const AT_PARAMS = places[4]!;
export const AT_SIZES = places[5]!;
export const AT_STRIDES = places[6]!;
export const MAX_DIMS = places[7]!;
export const MEMORY = places[8]!;
export const ONE_ELEMENT = places[9]!;
export const IMMEDIATE = places[10]!;
export const MAX_INPUTS = places[11]!;

let before: (() => void) | null = null;
/** Whether anybody has something to do before or after launches. */
let attended = false;
/** What happens right before every launch, when only what is passed to it is sure to live; for lib/launch/stress.ts. */
export function beforeLaunch(act: (() => void) | null): void {
  before = act;
  attended = before !== null || timer !== null;
}
onTimer(() => (attended = before !== null || timer !== null));

/** Number of launches so far. */
export let launches = 0;

/**
 * Runs the kernel whose arguments stand in the frame. What is passed lives until the kernel has ended (V8 keeps the arguments
 * of a call into C++ on the stack): pass what owns the memory whose addresses are in the frame.
 */
export function launch(a?: unknown, b?: unknown, c?: unknown): void {
  launches++;
  if (attended) {
    attendedLaunch(a, b, c);
    return;
  }
  try {
    addon.launch(a, b, c);
  } catch (error) {
    throw translate(error as Error & { code?: string });
  }
}

function attendedLaunch(a: unknown, b: unknown, c: unknown): void {
  if (before !== null) before();
  const by = timer;
  const id = frame[0]!;
  if (by !== null) by.launchBegins();
  try {
    addon.launch(a, b, c);
  } catch (error) {
    throw translate(error as Error & { code?: string });
  } finally {
    if (by !== null) by.launchEnds(id, [a, b, c]);
  }
}

function translate(error: Error & { code?: string }): Error {
  const { code, message } = error;
  if (code === 'RangeError') return new RangeError(message);
  if (code === 'TypeError') return new TypeError(message);
  if (code === 'ZeroDivision') return new TenfoldError('value', message);
  return new TenfoldError((code ?? 'native') as ErrorCode, message);
}

/** Plans (native/node/plan.cc), and the modules that are alive. */
export const { planCreate, planRun, planTime, planAsync, traceStart, traceEnd, noteModule, livingModules } = addon;
/** dtypes of an elementwise kernel's result and inputs; null for another kernel. */
export function tileTypes(id: number): { output: Code; inputs: readonly Code[] } | null {
  let types = tiles.get(id);
  if (types === undefined) {
    const list = addon.tileTypes(id);
    types = list === null ? null : { output: list[0]!, inputs: list.slice(1) };
    tiles.set(id, types);
  }
  return types;
}
const tiles = new Map<number, { output: Code; inputs: readonly Code[] } | null>();

export const address = addon.address;
export const adviseHuge = addon.adviseHuge;
export const { watch, unwatch, collected, entropy, alone } = addon;

/** Threads that kernels may use, the calling one included. */
export function getNumThreads(): number {
  try {
    return addon.getNumThreads();
  } catch (error) {
    throw translate(error as Error & { code?: string });
  }
}
/**
 * Sets how many threads kernels may use, the calling one included. Starts as the processors that the affinity mask and
 * the container's limits allow, or as TENFOLD_NUM_THREADS.
 */
export function setNumThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1 || n > 1024) {
    throw new RangeError(`setNumThreads: expected an integer from 1 to 1024, got ${n}`);
  }
  addon.setNumThreads(n);
}
/** What the native library is: instruction set in use, matrix-product library, Node-API version. */
export const nativeInfo = (): { target: string; napi: number; blas: string } => addon.info();
