/**
 * What a plan was recorded for: the arguments' shapes, dtypes and layouts, everything else among them by value, the switches of
 * autograd, and the parameters, modules and gradients that the function found. A call that differs is recorded anew.
 */
import { DTYPES, SIZE, defaultFloat, type Code } from '../dtype.js';
import { isPlainObject, show } from '../errors.js';
import { mode } from '../autograd/mode.js';
import { NamedTensors, mapNamed } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';
import { overlap, type Storage } from '../tensor/storage.js';
import type { Shape } from '../tensor/shape.js';

/** Arguments, taken apart: the tensors in them, and all else in order. */
export interface Flat {
  readonly tensors: Tensor[];
  readonly rest: unknown[];
}

const OPEN = Symbol('[');
const TENSOR = Symbol('tensor');

/** Takes arguments apart: tensors, also within lists and plain objects. */
export function flatten(args: readonly unknown[]): Flat {
  const flat: Flat = { tensors: [], rest: [] };
  for (let i = 0; i < args.length; i++) visit(args[i], flat);
  return flat;
}
function visit(x: unknown, { tensors, rest }: Flat): void {
  if (x instanceof Tensor) {
    tensors.push(x);
    rest.push(TENSOR);
  } else if (Array.isArray(x)) {
    rest.push(OPEN, x.length);
    for (const y of x) visit(y, { tensors, rest });
  } else if (isPlain(x)) {
    const keys = Object.keys(x);
    rest.push(OPEN, keys.length);
    for (const key of keys) {
      rest.push(key);
      visit(x[key], { tensors, rest });
    }
  } else rest.push(x);
}
/** An object whose properties are looked at: a plain one, or an op's results with names. */
export const isPlain = (x: unknown): x is Record<string, unknown> => isPlainObject(x) || x instanceof NamedTensors;

/** A value like `x`, with something else for each leaf: what is no list and no plain object. In the order of `flatten`. */
export function mapLeaves(x: unknown, by: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(x)) return x.map((y) => mapLeaves(y, by));
  if (x instanceof NamedTensors) return mapNamed(x, (y) => mapLeaves(y, by));
  if (isPlain(x)) return Object.fromEntries(Object.entries(x).map(([k, y]) => [k, mapLeaves(y, by)]));
  return by(x);
}
/** A value like `x`, with something else for each tensor. */
export const replaced = (x: unknown, by: (t: Tensor) => unknown): unknown =>
  mapLeaves(x, (leaf) => (leaf instanceof Tensor ? by(leaf) : leaf));

interface TensorGuard {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly dense: boolean;
  readonly code: Code;
  readonly requiresGrad: boolean;
  /** The first argument that shows the same memory, and how many bytes later this one begins. */
  readonly shares: number;
  readonly later: number;
  /** The memory that it must show, where the function uses that anyway. */
  pinned: Storage | null;
}

/** Address of the first element. */
const placeOf = (t: Tensor): number => t.storage.address + t.offset * SIZE[t.code]!;

const sameList = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

/** The part of a signature that a call's arguments and switches decide. */
export class Signature {
  readonly guards: readonly TensorGuard[];
  private readonly rest: readonly unknown[];
  private readonly grad = mode.grad;
  private readonly float = defaultFloat();
  constructor({ tensors, rest }: Flat) {
    this.rest = rest.slice();
    this.guards = tensors.map((t): TensorGuard => {
      const shares = tensors.findIndex((o) => overlap(o.storage, t.storage));
      const { shape, strides, dense, code } = t;
      const requiresGrad = mode.grad && t.requiresGrad;
      return {
        shape,
        strides,
        dense,
        code,
        requiresGrad,
        shares,
        later: placeOf(t) - placeOf(tensors[shares]!),
        pinned: null,
      };
    });
  }

  /** From now on only a call with this very memory fits. */
  pin(number: number, tensor: Tensor): void {
    this.guards[number]!.pinned = tensor.storage;
  }

  matches({ tensors, rest }: Flat): boolean {
    const { guards } = this;
    if (tensors.length !== guards.length || rest.length !== this.rest.length) return false;
    if (mode.grad !== this.grad || defaultFloat() !== this.float) return false;
    for (let i = 0; i < guards.length; i++) {
      const g = guards[i]!;
      const t = tensors[i]!;
      if (t.code !== g.code || (t.shape !== g.shape && !sameList(t.shape, g.shape)) || t.dense !== g.dense)
        return false;
      if (!g.dense && !sameList(t.strides, g.strides)) return false;
      if (this.grad && t.requiresGrad !== g.requiresGrad) return false;
      if (!sharesAs(tensors, i, g) || (g.pinned !== null && g.pinned !== t.storage)) return false;
    }
    for (let i = 0; i < rest.length; i++) if (!Object.is(rest[i], this.rest[i])) return false;
    return true;
  }

  /** What of a call is different, in words. */
  difference({ tensors, rest }: Flat): string {
    const { guards } = this;
    if (tensors.length !== guards.length) return `${tensors.length} tensors instead of ${guards.length}`;
    for (let i = 0; i < guards.length; i++) {
      const g = guards[i]!;
      const t = tensors[i]!;
      if (!sameList(t.shape, g.shape)) return `tensor ${i} has shape [${t.shape}] instead of [${g.shape}]`;
      if (t.code !== g.code) return `tensor ${i} is ${t.dtype} instead of ${DTYPES[g.code]!}`;
      if (!sameList(t.strides, g.strides)) return `tensor ${i} has strides [${t.strides}] instead of [${g.strides}]`;
      if (this.grad && t.requiresGrad !== g.requiresGrad)
        return `tensor ${i} ${t.requiresGrad ? 'requires' : "doesn't require"} grad`;
      if (g.pinned !== null && g.pinned !== t.storage) return `tensor ${i} was one that the function uses anyway`;
      if (!sharesAs(tensors, i, g)) return `tensor ${i} shares memory with other arguments than before`;
    }
    const at = rest.findIndex((x, i) => !Object.is(x, this.rest[i]));
    if (at >= 0) return `${show(rest[at])} instead of ${show(this.rest[at])}`;
    if (mode.grad !== this.grad) return `gradients are ${mode.grad ? '' : 'not '}recorded`;
    return defaultFloat() !== this.float ? 'another default dtype' : 'what the function uses besides its arguments';
  }
}

function sharesAs(tensors: readonly Tensor[], i: number, { shares, later }: TensorGuard): boolean {
  const t = tensors[i]!;
  const first = tensors[shares]!;
  if (shares !== i) return overlap(first.storage, t.storage) && placeOf(t) - placeOf(first) === later;
  for (let k = 0; k < i; k++) if (overlap(tensors[k]!.storage, t.storage)) return false;
  return true;
}

/** Memory that was there before the call and is at a fixed place. */
export interface OutsideGuard {
  readonly storage: Storage;
  readonly address: number;
}
