/**
 * Tensors that several threads have: their memory is a SharedArrayBuffer, aligned to 64 bytes, and what is sent to another
 * thread is a plain object of that buffer and of shape, strides and dtype. Nothing is copied.
 *
 * Reading at the same time is safe. A write is seen by all threads, in no order but that of messages and Atomics: who reads
 * meanwhile may get some elements old and some new. So one thread writes while no other reads, or each accepts what it finds
 * (Hogwild). Versions and gradients are each thread's own: backward doesn't notice another thread's in-place change.
 */
import { TenfoldError, checkOptions, isSharedArrayBuffer, show } from '../errors.js';
import { DTYPES, SIZE, codeOf, type DType } from '../dtype.js';
import { checkSizes, formatShape, internStrides, isDense, layoutOf, liesWithin } from './shape.js';
import { bufferOf, checkStorage, sharedStorage } from './storage.js';
import { collectAll } from './collect.js';
import { Tensor } from './tensor.js';

/** A tensor on its way to another thread: what postMessage and workerData take. */
export interface SharedTensor {
  readonly memory: SharedArrayBuffer;
  /** Bytes before the first element. */
  readonly byteOffset: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];
}

/** Bytes from which a collection of garbage is asked for when they are replaced. */
const WORTH_COLLECTING = 1 << 20;

const KEYS = ['memory', 'byteOffset', 'dtype', 'shape', 'strides'];

/** What stands for a tensor in shared memory. */
export function sharedOf(t: Tensor): SharedTensor {
  const { storage, shape, strides, code } = t;
  if (storage.guarded) checkStorage(storage);
  const memory = bufferOf(storage) as SharedArrayBuffer;
  return { memory, byteOffset: t.byteStart(t.offset), dtype: DTYPES[code]!, shape: [...shape], strides: [...strides] };
}

/**
 * The tensor that another thread's `t.toShared()` stands for, over the same memory. It is a leaf that requires no grad.
 * @throws TypeError for what is no such object, RangeError where the shape leaves the memory.
 */
export function fromShared(shared: SharedTensor): Tensor {
  const call = 'fromShared';
  if (typeof shared !== 'object' || (shared as unknown) === null)
    throw new TypeError(`${call}: expected what t.toShared() gave, got ${show(shared)}`);
  checkOptions(call, shared, KEYS);
  const { memory, byteOffset, dtype, shape, strides } = shared;
  if (!isSharedArrayBuffer(memory))
    throw new TypeError(`${call}: memory must be a SharedArrayBuffer, got ${show(memory)}`);
  const code = codeOf(call, dtype);
  const sizes = checkSizes(call, shape);
  const { shape: size, count } = layoutOf(sizes);
  const whole = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(strides) || strides.length !== size.length || !strides.every(whole))
    throw new TypeError(`${call}: strides must be ${size.length} integers of at least 0, got ${show(strides)}`);
  if (!whole(byteOffset) || byteOffset > memory.byteLength)
    throw new RangeError(`${call}: byteOffset ${show(byteOffset)} is not within ${memory.byteLength} bytes`);
  const steps = internStrides(strides);
  const room = Math.floor((memory.byteLength - byteOffset) / SIZE[code]!);
  if (!liesWithin(size, steps, 0, room))
    throw new RangeError(
      `${call}: shape ${formatShape(size)} with strides [${strides}] leaves the ${memory.byteLength} bytes of the memory`,
    );
  return new Tensor(sharedStorage(memory, byteOffset), 0, size, steps, code, count, isDense(size, steps), null);
}

/** Moves tensors to shared memory. */
export function shareAll(tensors: readonly Tensor[]): void {
  let left = 0;
  for (const t of tensors) {
    if (!t.isShared()) left += t.storage.nbytes;
    t.shareMemory_();
  }
  if (left >= WORTH_COLLECTING) collectAll();
}

/**
 * Gives tensors the memory of others of the same names, shapes and dtypes; all is checked before the first is changed.
 * TenfoldError 'state' that names what doesn't fit.
 */
export function adopt(
  call: string,
  own: ReadonlyMap<string, Tensor>,
  shared: Readonly<Record<string, SharedTensor>>,
): void {
  const given = new Map(Object.entries(shared).map(([name, s]) => [name, fromShared(s)]));
  const problems = [...given.keys()].filter((name) => !own.has(name)).map((name) => `unexpected '${name}'`);
  for (const [name, t] of own) {
    const other = given.get(name);
    if (other === undefined) problems.push(`missing '${name}'`);
    else if (other.dtype !== t.dtype || formatShape(other.shape) !== formatShape(t.shape))
      problems.push(
        `'${name}' is ${other.dtype} ${formatShape(other.shape)}, the module's ${t.dtype} ${formatShape(t.shape)}`,
      );
  }
  if (problems.length > 0)
    throw new TenfoldError('state', `${call}: the shared tensors don't fit: ${problems.join('; ')}`);
  let left = 0;
  for (const [name, t] of own) {
    left += t.storage.nbytes;
    t.become(given.get(name)!);
  }
  // What was made to be replaced is old by now, in a thread that may not allocate again: eight had eight models.
  if (left >= WORTH_COLLECTING) collectAll();
}
