/**
 * The errors Tenfold throws: TypeError for a wrong kind of argument, RangeError for an index, dim or size out of range,
 * TenfoldError for the rest. Every message names the call, what it got, and what would do.
 */

/** What went wrong, for programs: stable across releases. */
export type ErrorCode =
  | 'shape' // shapes that don't fit each other
  | 'dtype' // a dtype that the call has no meaning for
  | 'graph' // a backward that can't run: no graph, freed graph, in-place change of a saved tensor
  | 'inplace' // an in-place change that autograd or memory layout forbids
  | 'freed' // use of a tensor after dispose() or after its scope ended
  | 'memory' // an allocation that can't be made
  | 'state' // a checkpoint that doesn't match its model, a file that is not what it should be
  | 'capture' // something that can't be recorded by compile()
  | 'native' // the native library: not found, not loadable
  | 'distributed' // other processes: a rank that is gone, a group that failed, a store that doesn't answer
  | 'value'; // anything else

/** Error of this library, with a stable `code`. */
export class TenfoldError extends Error {
  override readonly name: string = 'TenfoldError';
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The word of `known` that is nearest to `word`, as ", did you mean 'x'?", or nothing where none is near. */
export function didYouMean(word: string, known: Iterable<string>): string {
  let best = '';
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const k of known) {
    const d = editDistance(word.toLowerCase(), k.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [k, d];
  }
  return best ? `, did you mean '${best}'?` : '';
}

// Letters added, left out, changed, or swapped with the next one.
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const before = rows[i - 1]!;
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(before[j]! + 1, row[j - 1]! + 1, before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

const DEVICE = /^(cpu|cuda|mps|xpu|hpu|npu|meta|mtia|hip|xla|vulkan|privateuseone)(:\d+)?$/;
/** Whether a word is the name of a device, of PyTorch's. */
export const isDevice = (word: string): boolean => DEVICE.test(word);
/** Refuses a device other than the processor, the only one that there is. null and undefined stand for it. */
export function checkDevice(call: string, device: unknown): void {
  if (device === undefined || device === null || device === 'cpu' || device === 'cpu:0') return;
  if (typeof device !== 'string') throw new TypeError(`${call}: device must be 'cpu', got ${show(device)}`);
  throw new TenfoldError(
    'value',
    `${call}: device ${show(device)} doesn't exist here: Tenfold computes on the processor; leave it out, or say 'cpu'`,
  );
}

/**
 * Checks that `options` holds known keys only; a misspelled option is refused, never ignored. `shown` are those that the
 * message names, where not all of them are options.
 */
export function checkOptions(call: string, options: object, known: readonly string[], shown = known): void {
  if (typeof options !== 'object' || (options as object | null) === null)
    throw new TypeError(`${call}: options must be an object, got ${show(options)}`);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      // What has a dtype has a device in PyTorch, too.
      if (key === 'device' && known.includes('dtype')) {
        checkDevice(call, (options as { device?: unknown }).device);
        continue;
      }
      throw new TypeError(
        `${call}: unknown option '${key}'${didYouMean(key, shown) || ` (options: ${shown.join(', ') || 'none'})`}`,
      );
    }
  }
}

/** The name of a call at the beginning of a message: `matmul: `, `autograd.grad: `. */
const CALL = /^[\w.]+(?=: )/;
function retell(error: Error, message: string): Error {
  if (message === error.message) return error;
  // The trace begins with the message as it was.
  const { stack } = error;
  const at = stack?.indexOf(error.message) ?? -1;
  if (at >= 0) error.stack = stack!.slice(0, at) + message + stack!.slice(at + error.message.length);
  error.message = message;
  return error;
}

/**
 * An error from below that doesn't know which call it ends, with the name of the call that the user made: memory that is
 * gone is found where its address is taken, memory that can't be had and dims that are too many where it is asked for.
 */
export function naming(call: string, error: unknown): unknown {
  // `instanceof` takes a proxy of a tensor, and what is made of Tensor's prototype, for one; asking for a brand everywhere
  // made an addition of two numbers slower by a fifth.
  if (error instanceof TypeError && /^Cannot read private member/.test(error.message))
    return new TypeError(`${call}: expected tensors, got an object that only looks like one: a proxy, or one made of Tensor's prototype`); // prettier-ignore
  if (!(error instanceof TenfoldError || error instanceof RangeError)) return error;
  const found = /^(?:\w+: )?((?:tensor used|out of memory|no memory for|tensors have at most).*)$/.exec(error.message);
  if (found !== null) return retell(error, `${call}: ${found[1]!}`);
  return CALL.test(error.message) ? error : retell(error, `${call}: ${error.message}`);
}

/** Another op's error under the name of the call that the user made. What a function of the user's threw stays as it is. */
export function rename(call: string, error: unknown): unknown {
  if (!(error instanceof Error) || !CALL.test(error.message)) return error;
  if (!(error instanceof TenfoldError || error instanceof RangeError || error instanceof TypeError)) return error;
  return retell(
    error,
    error.message.replace(CALL, () => call),
  );
}
/** Runs a call of another op; its errors get this one's name. */
export function renamed<T>(call: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw rename(call, naming(call, error));
  }
}

/** How tensors of this copy of the library are told from another one's; set by tensor.ts, which imports this file. */
export const ownTensors = { are: (_: unknown): boolean => false };

/** A value as an error message shows it: short, with its kind. */
export function show(value: unknown, depth = 0): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return `'${value.length > 40 ? value.slice(0, 40) + '…' : value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `a function`;
  if (Array.isArray(value)) {
    return value.length <= 8 && depth < 8
      ? `[${value.map((v) => show(v, depth + 1)).join(', ')}]`
      : `an array of ${value.length} elements`;
  }
  if (typeof value === 'object') return showObject(value);
  return String(value);
}

function showObject(value: object): string {
  try {
    // Generators have a nameless constructor, but a tag.
    const kind = value.constructor?.name || Object.prototype.toString.call(value).slice(8, -1);
    if (kind === 'Object') return 'an object';
    const { shape, isTensor } = value as { shape?: unknown; isTensor?: unknown };
    if (!Array.isArray(shape)) return `a ${kind}`;
    const copy = isTensor === true && !ownTensors.are(value) ? ' of another copy of tenfold' : '';
    return `a ${kind}${copy} of shape [${shape}]${copy && '; import and require, or two versions, are mixed: its toTypedArray() and shape travel'}`;
  } catch {
    return "an object that can't be read: a proxy, or one made from a class's prototype";
  }
}

/** Refuses more arguments than a call has parameters, in what has no schema: `checkCount('eye_', arguments, 1)`. */
export function checkCount(call: string, given: ArrayLike<unknown>, most: number): void {
  if (given.length > most)
    throw new TypeError(`${call}: takes at most ${most} argument${most === 1 ? '' : 's'}, got ${given.length}`);
}

/**
 * Whether a value is an object literal or one without a prototype, of whatever realm: in a vm's context, as under Jest, literals
 * have another Object.prototype, which is known by having no prototype and by its constructor's name.
 */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null;
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && prototype.constructor?.name === 'Object';
}
const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);
/** Whether a value is a Map, a Set, a Promise of whatever realm. */
export const isMap = (value: unknown): value is Map<unknown, unknown> =>
  value instanceof Map || kindOf(value) === 'Map';
export const isSet = (value: unknown): value is Set<unknown> => value instanceof Set || kindOf(value) === 'Set';
export const isPromise = (value: unknown): value is Promise<unknown> =>
  value instanceof Promise || kindOf(value) === 'Promise';
/** Whether a value is a Uint8Array, an ArrayBuffer or a SharedArrayBuffer of whatever realm. */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array || (ArrayBuffer.isView(value) && kindOf(value) === 'Uint8Array');
export const isArrayBuffer = (value: unknown): value is ArrayBuffer =>
  value instanceof ArrayBuffer || kindOf(value) === 'ArrayBuffer';
export const isSharedArrayBuffer = (value: unknown): value is SharedArrayBuffer =>
  value instanceof SharedArrayBuffer || kindOf(value) === 'SharedArrayBuffer';

/** Refuses what is no list or other iterable of `what`; a string is one of letters, and refused too. */
export function checkIterable(call: string, what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value))
    throw new TypeError(`${call}: expected ${what}, got ${show(value)}`);
}
