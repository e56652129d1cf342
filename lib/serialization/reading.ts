/**
 * How a codec reads: as a generator that asks for bytes, and is given them. So a codec does no I/O of its own and is one
 * piece of code for files and buffers, with and without holding the event loop; whoever drives it knows where bytes come
 * from (source.ts).
 */
import { TenfoldError } from '../errors.js';

/** What a codec asks for: `bytes` filled from position `at`, or `size` bytes out of deflated `data`. */
export type Request =
  | { readonly kind: 'read'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'inflate'; readonly data: Uint8Array; readonly size: number };

/** A codec at work: yields requests, gets the bytes of each, and returns what it has decoded. */
export type Reading<T> = Generator<Request, T, Uint8Array>;

/** Raises the error of a file that isn't what it should be. */
export type Refuse = (what: string) => never;

/** What a codec knows of a file, and what the user allows. */
export interface Input {
  readonly size: number;
  /** The name of the file for messages and for what stands beside it; null for bytes. */
  readonly path: string | null;
  readonly refuse: Refuse;
  readonly limits: Limits;
}

/** Bounds that the user can set. */
export interface Limits {
  /** Bytes that deflated entries of a file may unpack to. */
  readonly maxBytes: number;
  /** Whether checksums are compared. */
  readonly checksums: boolean;
}

/** `length` bytes from position `at`, which the caller has checked to be inside the file. */
export function* take(at: number, length: number): Reading<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  if (length > 0) yield { kind: 'read', at, bytes };
  return bytes;
}

/** The error of a file in `call`; `name` as messages show it. */
export const refusing =
  (call: string, name: string): Refuse =>
  (what) => {
    throw new TenfoldError('state', `${call}: ${name} can't be read: ${what}`);
  };

/** Text of bytes that must be UTF-8; null where they aren't. */
export function utf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
