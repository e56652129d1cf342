/**
 * What an op of several results gives: `{ values, indices }`, an object that also is `[values, indices]` to whoever takes it
 * apart, as PyTorch's named tuples are. It is no array, whose methods would stand in the way of `values` and `entries`.
 */
import type { Tensor } from './tensor.js';

/** Results with names. By name, by position (`r[0]`), and one after the other (`const [values, indices] = r`). */
export abstract class NamedTensors implements Iterable<Tensor> {
  /** How many there are. */
  abstract readonly length: number;
  abstract [Symbol.iterator](): Iterator<Tensor>;
}

type Kind = new (results: readonly unknown[]) => NamedTensors;
const kinds = new Map<string, Kind>();

/** The class of results of these names; one for each list of names, so that all of its objects have one shape. */
export function namedTensors(names: readonly string[]): Kind {
  const key = names.join();
  let kind = kinds.get(key);
  if (kind === undefined) kinds.set(key, (kind = makeKind(names)));
  return kind;
}

function makeKind(names: readonly string[]): Kind {
  const { length } = names;
  const [first, second, third] = names as [string, string, string?];
  class Results extends NamedTensors {
    constructor(results: readonly unknown[]) {
      super();
      const own = this as unknown as Record<string, unknown>;
      // Each store has one name, so that V8 knows where it goes; a loop of them took 300 ns.
      own[first] = results[0];
      own[second] = results[1];
      if (third !== undefined) own[third] = results[2];
      for (let i = 3; i < length; i++) own[names[i]!] = results[i];
    }
    get length(): number {
      return length;
    }
    *[Symbol.iterator](): Iterator<Tensor> {
      for (let i = 0; i < length; i++) yield (this as unknown as Record<string, Tensor>)[names[i]!]!;
    }
  }
  // What console.log says before the names.
  Object.defineProperty(Results, 'name', { value: 'NamedTensors' });
  names.forEach((name, i) =>
    Object.defineProperty(Results.prototype, i, {
      get(this: Record<string, unknown>) {
        return this[name];
      },
    }),
  );
  return Results;
}

/** Results of the same names, with something else for each. */
export const mapNamed = (results: NamedTensors, by: (t: Tensor) => unknown): NamedTensors =>
  new (results.constructor as Kind)([...results].map(by));
