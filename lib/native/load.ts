/**
 * Finds the native library and loads it. In order of precedence: the file that TENFOLD_BINARY names; in a checkout, what
 * was built there; the file in prebuilds/ for this platform, architecture and C library. If that one fails, nothing else
 * is tried in its place: a library that doesn't load is a fault that its user wants to know of (failure.ts says which).
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TenfoldError } from '../errors.js';
import { explain, type Failure } from './failure.js';
import { here, type Host } from './host.js';
import { type Libc } from './libc.js';

/** What tenfold.node exports; see native/node/addon.cc. */
/** A plan, as the addon holds it. */
export interface NativePlan {
  readonly plan: unique symbol;
}

export interface Addon {
  /** Every kernel as `name,dtype code;`; the place in the list is its id. */
  kernels(): string;
  /** What the frame of the kernel with this id consists of (lib/launch/declaration.ts); null for an elementwise one. */
  declaration(id: number): string | null;
  /** The places of the elementwise driver's frame, in the order of native/node/addon.cc. */
  elementwiseFrame(): number[];
  /** 53 random bits from the system. */
  entropy(): number;
  /** The memory that launch() reads its arguments from. */
  setFrame(frame: Float64Array): void;
  /** Runs the kernel whose id is in frame[0]. What is passed lives until it has ended, and is not looked at. */
  launch(...held: unknown[]): void;
  /** A plan of frames, which begin at `starts`; `frames` must be kept by the caller. */
  planCreate(frames: Float64Array, starts: Int32Array): NativePlan;
  /** Runs launches `begin` to `end`. */
  planRun(plan: NativePlan, begin: number, end: number): void;
  /** Runs all launches and writes how many nanoseconds each took. */
  planTime(plan: NativePlan, nanoseconds: Float64Array, begin: number, end: number): void;
  /** Runs all launches on one of `threads` threads beside JavaScript's; stops where cancelled[0] isn't 0. */
  planAsync(
    plan: NativePlan,
    cancelled: Float64Array,
    threads: number,
    done: (error: Error | undefined, began: number, ended: number) => void,
  ): void;
  /** The pool's threads note what they do from now on; the clock in nanoseconds. */
  traceStart(): number;
  /** Begin, end and thread of each share of a section since then. */
  traceEnd(since: number): Float64Array;
  /** dtype codes of an elementwise kernel's result and of its inputs; null for another kernel. */
  tileTypes(id: number): number[] | null;
  /** Takes note of a module, without keeping it alive. */
  noteModule(module: object): void;
  /** Those noted that are alive. */
  livingModules(): object[];
  /** Address of the first byte of a buffer that doesn't move. */
  address(bytes: ArrayBufferLike | Uint8Array): number;
  /** Asks for huge pages for this memory, where the system has them. */
  adviseHuge(address: number, bytes: number): void;
  /** Watches whether the garbage collector takes an object; the slot under which collected() names it then. */
  watch(object: object): number;
  /** Ends that. */
  unwatch(slot: number): void;
  /** Writes the slots of watched objects that are gone, each once and the youngest first; returns how many. */
  collected(slots: Int32Array): number;
  /** Calls a function while no other thread of this process is in one that came here. */
  alone(fn: () => void): void;
  setNumThreads(n: number): void;
  getNumThreads(): number;
  info(): { target: string; napi: number; blas: string };
}

/** Whether a file's tags, as prebuildify writes them (`tenfold.armv8.glibc.node`), are for this C library and processor. */
function fits(file: string, libc: Libc | null): boolean {
  return file.split('.').every((tag) => {
    if (tag === 'glibc' || tag === 'musl') return libc === null || tag === libc;
    return !/^armv\d$/.test(tag) || tag === 'armv8';
  });
}

/** The files to try: one, or where the C library can't be told that for each. */
function candidates({ platform, arch, root, binary, libc }: Host): string[] {
  if (binary) return [resolve(binary)];
  if (existsSync(join(root, 'CMakeLists.txt'))) {
    const built = ['Release', 'Debug'].map((kind) => join(root, 'build', kind, 'tenfold.node')).find(existsSync);
    if (built !== undefined) return [built];
  }
  const folder = join(root, 'prebuilds', `${platform}-${arch}`);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith('.node'));
  const wanted = platform === 'linux' ? libc() : null;
  return files.filter((file) => fits(file, wanted)).map((file) => join(folder, file));
}

/** Loads the native library; a TenfoldError that says all there is to know where none can be loaded. */
export function loadAddon(host: Host = here): Addon {
  const failures: Failure[] = [];
  for (const file of candidates(host)) {
    try {
      return host.load(file) as Addon;
    } catch (error) {
      failures.push({ file, error: error as Error });
    }
  }
  throw new TenfoldError('native', explain(host, failures), failures[0] && { cause: failures[0].error });
}
