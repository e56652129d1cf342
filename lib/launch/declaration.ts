/**
 * What a kernel's frame consists of, as its row in the C++ table declares it: one string, read when somebody asks.
 *
 * The places of a frame, in its order, separated by commas:
 *
 *     rows                 an integer, or a flag
 *     eps: f64             any number
 *     sizes[dims]          as many integers as the place `dims` says; also [3], [2*dims]
 *     in x[rows*n]         an address that is read from; `out y` is written to, `inout z` both
 *     in? weight[n]        … that may be left out: null in a launch, 0 in the frame
 *     out places: i64      … of memory of another dtype than the kernel's; also f32|i64, and `any`
 *     in x: strided        … whose elements lie where strides among the other places say; else it is dense
 *     inout state: bytes   … of a storage, not of a tensor
 *     (in i: i64, size)[k] these places, k times over
 *     inout table(elements, inout param[elements])[rows]
 *                          an address of a table in memory, with these places in each of its rows (table.ts)
 *
 * The number in brackets behind an address is how many elements there are at least, as a product of integers and of other
 * places; the name of a list stands for the product of its numbers.
 */
import type { Code } from '../dtype.js';
import { TenfoldError } from '../errors.js';
import { declaration } from '../native/launch.js';

/** What a kernel does with memory. */
export const enum Access {
  none,
  read,
  write,
  both,
}

/** One place, or the places of one list. */
export interface Slot {
  readonly name: string;
  readonly access: Access;
  readonly optional: boolean;
  /** The factors of the number in brackets; null where there is none. */
  readonly count: readonly (string | number)[] | null;
  /** The dtypes that memory may have; null for the kernel's own. */
  readonly codes: readonly Code[] | null;
  readonly strided: boolean;
  /** Whether memory is a storage. */
  readonly bytes: boolean;
  /** Whether a number may be any. */
  readonly real: boolean;
  /** The places that are repeated, or of a table's row. */
  readonly group: readonly Slot[] | null;
}

const ACCESS: Record<string, Access> = { in: Access.read, out: Access.write, inout: Access.both };
const SLOT = /^(?:(in|out|inout)(\?)? )?(\w+)(?:\[([\w*]+)\])?(?:: ([\w|]+)( strided)?)?$/;
/** dtypes in C++, by code (native/dtype.h). */
const SHORT = ['f32', 'f64', 'i64', 'i32', 'u8', 'b8', 'i8', 'i16', 'f16', 'bf16'];
const ANY: readonly Code[] = SHORT.map((_, code) => code);

const GROUP = /^(?:(in|out|inout) (\w+))?\((.*)\)\[([\w*]+)\]$/;
const factors = (text: string): (string | number)[] => text.split('*').map((f) => (/^\d+$/.test(f) ? Number(f) : f));

function groupOf(text: string): Slot | null {
  const found = GROUP.exec(text);
  if (found === null) return null;
  const [, access, name, inner, count] = found;
  return {
    name: name ?? '',
    access: access === undefined ? Access.none : ACCESS[access]!,
    optional: false,
    count: factors(count!),
    codes: null,
    strided: false,
    bytes: false,
    real: false,
    group: read(inner!),
  };
}

function slotOf(text: string, whole: string): Slot {
  const group = groupOf(text);
  if (group !== null) return group;
  const found = SLOT.exec(text);
  if (found === null) throw new TenfoldError('native', `a kernel declares '${text}', which is no place, in '${whole}'`);
  const [, access, optional, name, count, type, alsoStrided] = found;
  const strided = alsoStrided !== undefined || type === 'strided';
  const named = type === undefined || type === 'strided' || type === 'bytes' ? null : type;
  const codes = named === null ? null : named === 'any' ? ANY : named.split('|').map((t) => SHORT.indexOf(t) as Code);
  if (codes?.includes(-1 as Code)) throw new TenfoldError('native', `a kernel declares an unknown dtype in '${text}'`);
  return {
    name: name!,
    access: access === undefined ? Access.none : ACCESS[access]!,
    optional: optional !== undefined,
    count: count === undefined ? null : factors(count),
    codes: access === undefined ? null : codes,
    strided,
    bytes: type === 'bytes',
    real: access === undefined && type === 'f64',
    group: null,
  };
}

/** Splits at commas that are in no parentheses. */
const read = (text: string): Slot[] => text.split(/, (?![^(]*\))/).map((part) => slotOf(part, text));

const parsed = new Map<string, readonly Slot[]>();
/** The slots of a declaration. */
export function slotsOf(text: string): readonly Slot[] {
  let slots = parsed.get(text);
  if (slots === undefined) {
    slots = text === '' ? [] : read(text);
    parsed.set(text, slots);
  }
  return slots;
}

/** The slots of the kernel with an id; null for an elementwise one, whose frame is the driver's. */
export function slotsOfKernel(id: number): readonly Slot[] | null {
  const text = declaration(id);
  return text === null ? null : slotsOf(text);
}
