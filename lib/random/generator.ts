/**
 * Generators of random numbers: PyTorch's CPU generator, value for value. The state is a small ArrayBuffer that the
 * kernels of native/random draw from; this file makes, seeds, saves and loads it.
 */
import { Code } from '../dtype.js';
import { TenfoldError, isBytes, show } from '../errors.js';
import { run } from '../launch/run.js';
import { entropy, kernel } from '../native/launch.js';
import { wrapMemory, type Storage } from '../tensor/storage.js';

// GeneratorState of native/random/generator.h: what stands at which byte.
const STATE_BYTES = 2536;
const AT = { mt: 0, next: 2496, left: 2500, seed: 2504, normal: 2512, seeded: 2520, hasNormal: 2524 } as const;
const AT_FLOAT = { normal: 2528, hasNormal: 2532 } as const;
const MT_WORDS = 624;

// PyTorch's saved state (CPUGeneratorImplState): the same facts, with every word of mt19937 in 64 bits.
const SAVED_BYTES = 5056;
const SAVED = { seed: 0, left: 8, seeded: 12, next: 16, mt: 24, normal: 5024, hasNormal: 5040 } as const;
const SAVED_FLOAT = { normal: 5048, hasNormal: 5052 } as const;

/** Seed of a generator that nobody seeded: PyTorch's. */
const DEFAULT_SEED = 67280421310721;

const LITTLE_ENDIAN = true;
const seedKernel = kernel('mtSeed');

/** A 64-bit integer as kernels take it: its high and its low half, unsigned; negative ones as two's complement. */
export function halves(value: bigint): [high: number, low: number] {
  const bits = BigInt.asUintN(64, value);
  return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
}

/** Whether a value is a generator, made by its class. */
export let isGenerator: (x: unknown) => x is Generator;

/**
 * A source of random numbers, which gives for a seed the very numbers that PyTorch gives on CPU
 * ([torch.Generator](https://pytorch.org/docs/stable/generated/torch.Generator.html)). Functions that draw take one as
 * `generator`, and use `defaultGenerator` without.
 *
 * ```ts
 * const g = new Generator().manualSeed(42);
 * g.initialSeed(); // 42
 * const saved = g.getState();
 * g.setState(saved); // draws the same numbers again
 * ```
 */
export class Generator {
  readonly device = 'cpu';
  // Private, as kernels write wherever it says.
  readonly #memory = new DataView(new ArrayBuffer(STATE_BYTES));
  readonly #state = wrapMemory(this.#memory);

  /** @throws TypeError for a device other than 'cpu'. */
  constructor(device: 'cpu' = 'cpu') {
    if (device !== 'cpu') throw new TypeError(`Generator: expected device 'cpu', got ${show(device)}`);
    this.manualSeed(DEFAULT_SEED);
  }

  /** The state, which every kernel that draws takes first. @internal */
  get state(): Storage {
    return this.#state;
  }
  static {
    isGenerator = (x): x is Generator => typeof x === 'object' && x !== null && #memory in x;
  }

  /**
   * Starts the sequence of `seed`, an integer from -2^63 to 2^64 - 1; a negative one stands for 2^64 more, as in
   * PyTorch. mt19937 starts from its low 32 bits.
   * @throws TypeError for what isn't an integer, RangeError for one out of range.
   */
  manualSeed(seed: number | bigint): this {
    if (typeof seed !== 'bigint' && !Number.isInteger(seed)) {
      throw new TypeError(`manualSeed: expected an integer, got ${show(seed)}`);
    }
    const value = BigInt(seed);
    if (value < -(1n << 63n) || value >= 1n << 64n) {
      throw new RangeError(`manualSeed: expected an integer from -2^63 to 2^64 - 1, got ${seed}`);
    }
    run(seedKernel[Code.i64]!, this.state, ...halves(value));
    return this;
  }

  /** Seeds it from the system's source of randomness and returns the seed, of 53 bits. */
  seed(): number {
    const seed = entropy();
    this.manualSeed(seed);
    return seed;
  }

  /** The seed that the sequence began with; a bigint from 2^53 on, where a number isn't exact. */
  initialSeed(): number | bigint {
    const seed = this.#memory.getBigUint64(AT.seed, LITTLE_ENDIAN);
    return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
  }

  /** The state as the 5056 bytes of `torch.Generator.get_state()`, so that it travels to PyTorch and back. */
  getState(): Uint8Array<ArrayBuffer> {
    const from = this.#memory;
    const bytes = new Uint8Array(SAVED_BYTES);
    const to = new DataView(bytes.buffer);
    to.setBigUint64(SAVED.seed, from.getBigUint64(AT.seed, LITTLE_ENDIAN), LITTLE_ENDIAN);
    to.setInt32(SAVED.left, from.getInt32(AT.left, LITTLE_ENDIAN), LITTLE_ENDIAN);
    to.setInt32(SAVED.seeded, from.getInt32(AT.seeded, LITTLE_ENDIAN), LITTLE_ENDIAN);
    to.setUint32(SAVED.next, from.getUint32(AT.next, LITTLE_ENDIAN), LITTLE_ENDIAN);
    for (let i = 0; i < MT_WORDS; i++) {
      to.setUint32(SAVED.mt + 8 * i, from.getUint32(AT.mt + 4 * i, LITTLE_ENDIAN), LITTLE_ENDIAN);
    }
    if (from.getUint32(AT.hasNormal, LITTLE_ENDIAN)) {
      to.setFloat64(SAVED.normal, from.getFloat64(AT.normal, LITTLE_ENDIAN), LITTLE_ENDIAN);
      to.setInt32(SAVED.hasNormal, 1, LITTLE_ENDIAN);
    }
    if (from.getUint32(AT_FLOAT.hasNormal, LITTLE_ENDIAN)) {
      to.setFloat32(SAVED_FLOAT.normal, from.getFloat32(AT_FLOAT.normal, LITTLE_ENDIAN), LITTLE_ENDIAN);
      to.setUint8(SAVED_FLOAT.hasNormal, 1);
    }
    return bytes;
  }

  /** The state as it lies in memory, for `restore` in the same process. @internal */
  snapshot(): Uint8Array {
    return new Uint8Array(this.#memory.buffer.slice(0));
  }
  /** Goes on from a snapshot. @internal */
  restore(state: Uint8Array): void {
    new Uint8Array(this.#memory.buffer).set(state);
  }

  /**
   * Goes on from a state that `getState()` or `torch.Generator.get_state()` gave.
   * @throws TypeError for anything but 5056 bytes, TenfoldError 'state' for bytes that are no state.
   */
  setState(state: Uint8Array): this {
    if (!isBytes(state) || state.length !== SAVED_BYTES) {
      const got = isBytes(state) ? `${state.length} bytes` : show(state);
      throw new TypeError(`setState: expected the ${SAVED_BYTES} bytes of a saved generator, got ${got}`);
    }
    const from = new DataView(state.buffer, state.byteOffset, SAVED_BYTES);
    const left = from.getInt32(SAVED.left, LITTLE_ENDIAN);
    const next = from.getUint32(SAVED.next, LITTLE_ENDIAN);
    // left - 1 words are handed out from next on, before mt19937 makes new ones.
    if (from.getInt32(SAVED.seeded, LITTLE_ENDIAN) !== 1 || left < 1 || next + left - 1 > MT_WORDS) {
      throw new TenfoldError('state', `setState: these bytes are no state of mt19937 (left ${left}, next ${next})`);
    }
    const to = this.#memory;
    to.setBigUint64(AT.seed, from.getBigUint64(SAVED.seed, LITTLE_ENDIAN), LITTLE_ENDIAN);
    to.setInt32(AT.left, left, LITTLE_ENDIAN);
    to.setUint32(AT.seeded, 1, LITTLE_ENDIAN);
    to.setUint32(AT.next, next, LITTLE_ENDIAN);
    for (let i = 0; i < MT_WORDS; i++) {
      to.setUint32(AT.mt + 4 * i, from.getUint32(SAVED.mt + 8 * i, LITTLE_ENDIAN), LITTLE_ENDIAN);
    }
    to.setFloat64(AT.normal, from.getFloat64(SAVED.normal, LITTLE_ENDIAN), LITTLE_ENDIAN);
    to.setUint32(AT.hasNormal, from.getInt32(SAVED.hasNormal, LITTLE_ENDIAN) ? 1 : 0, LITTLE_ENDIAN);
    to.setFloat32(AT_FLOAT.normal, from.getFloat32(SAVED_FLOAT.normal, LITTLE_ENDIAN), LITTLE_ENDIAN);
    to.setUint32(AT_FLOAT.hasNormal, from.getUint8(SAVED_FLOAT.hasNormal) ? 1 : 0, LITTLE_ENDIAN);
    return this;
  }
}

/** Generator of every call that isn't given one; `manualSeed` seeds it. Seeded at random when the library loads. */
export const defaultGenerator = new Generator();
defaultGenerator.seed();
