/**
 * Python's values as JavaScript's: dicts as objects (or Maps, see below), lists and tuples as arrays, sets as Sets. What is
 * one object in the pickle is one object here. Goes without recursion, for the pickle says how deep it is.
 */
import { PyDict, PySet, PyTuple } from './pickle.js';
import type { Refuse } from './reading.js';

/** Deeper than Python's own pickler goes. */
const MAX_DEPTH = 500;

/** A container under way: its children, and those that are done. */
interface Frame {
  readonly source: object;
  readonly children: readonly unknown[];
  readonly done: unknown[];
  /** Levels below it. */
  height: number;
}
/** What became of a container; null while it is under way. */
type Finished = { readonly value: unknown; readonly height: number } | null;

/** `leaf` makes a value of everything that is no container. */
export function toPlain(root: unknown, refuse: Refuse, leaf: (value: unknown) => unknown): unknown {
  const finished = new Map<unknown, Finished>();
  const frames: Frame[] = [];
  const out: unknown[] = [];
  const enter = (value: unknown, into: unknown[]): void => {
    const children = childrenOf(value);
    if (children === null) {
      into.push(leaf(value));
      return;
    }
    const before = finished.get(value);
    if (before === null) refuse('it holds a container that contains itself');
    if (before) {
      into.push(before.value);
      raise(before.height);
      return;
    }
    finished.set(value, null);
    frames.push({ source: value as object, children, done: [], height: 0 });
    if (frames.length > MAX_DEPTH) refuse(`it is nested deeper than ${MAX_DEPTH} levels`);
  };
  const raise = (height: number): void => {
    const frame = frames.at(-1);
    if (frame === undefined) return;
    frame.height = Math.max(frame.height, height + 1);
    if (frames.length + frame.height > MAX_DEPTH) refuse(`it is nested deeper than ${MAX_DEPTH} levels`);
  };
  enter(root, out);
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    if (frame.done.length < frame.children.length) {
      enter(frame.children[frame.done.length], frame.done);
      continue;
    }
    const value = finish(frame);
    finished.set(frame.source, { value, height: frame.height });
    frames.pop();
    (frames.at(-1)?.done ?? out).push(value);
    raise(frame.height);
  }
  return out[0];
}

function childrenOf(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value as unknown[];
  if (value instanceof PyTuple || value instanceof PySet) return value.items;
  return value instanceof PyDict ? [...value.entries.values()] : null;
}

function finish({ source, done }: Frame): unknown {
  if (source instanceof PySet) return new Set(done);
  if (!(source instanceof PyDict)) return done;
  return dictOf([...source.entries.keys()].map((key, i): [unknown, unknown] => [key, done[i]]));
}

/**
 * A plain object, where JavaScript gives its keys back as they are: all of them strings, and none that it takes for an index
 * behind one that it would put in front of. A Map else.
 */
export function dictOf(entries: readonly (readonly [unknown, unknown])[]): unknown {
  let last = -1;
  let names = false;
  for (const [key] of entries) {
    if (typeof key !== 'string') return new Map(entries);
    if (!isIndex(key)) names = true;
    else {
      if (names || Number(key) < last) return new Map(entries);
      last = Number(key);
    }
  }
  return Object.fromEntries(entries);
}

/** Whether objects sort a key as a number. */
const isIndex = (key: string): boolean => /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;
