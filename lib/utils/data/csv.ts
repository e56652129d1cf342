/**
 * Numbers of CSV files. A file is read in pieces and parsed byte by byte into doubles; text is made of what isn't a plain number
 * only (quoted fields, categories, missing values).
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { TenfoldError, didYouMean, show } from '../../errors.js';

/** Options of CsvDataset and CsvStream. */
export interface CsvOptions {
  /** Whether the first record names the columns (default true). Without names, columns are named '0', '1', … */
  header?: boolean;
  /** One character between fields (default ','). */
  delimiter?: string;
  /** The columns to read, by name or number, in the order of the result (default: all but the target). */
  columns?: readonly (string | number)[] | null;
  /** The column that is to be predicted, by name or number; samples are then pairs (default none). */
  target?: string | number | null;
  /** Value of a missing field: an empty one, or NA, NaN, null, None, ?. Without it, a missing field is an error. */
  missing?: number | null;
  /** Columns of words, by name: their words, whose places in the list are the numbers read. */
  categories?: Readonly<Record<string, readonly string[]>> | null;
}
/** Their names. */
export const CSV_OPTIONS = ['header', 'delimiter', 'columns', 'target', 'missing', 'categories'] as const;

const QUOTE = 34;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const TAB = 9;
const [ZERO, NINE, DOT, MINUS, PLUS, UPPER_E, LOWER_E] = [48, 57, 46, 45, 43, 69, 101] as const;
const PIECE = 1 << 20;
/** A record beyond this is taken for a quote that nobody closed. */
const LONGEST_RECORD = 1 << 26;
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '?']);
const POWERS = Float64Array.from({ length: 23 }, (_, i) => 10 ** i);
/** A number of so many digits is exact in a double, and so is its product with, or quotient by, a power of ten up to 22. */
const EXACT_DIGITS = 15;

/** Where the columns that are read stand. */
interface Layout {
  readonly names: readonly string[];
  /** For each column of the file: its place in a row of the result, -1 for none. */
  readonly slots: Int32Array;
  /** Values of a row: the columns, then the target where there is one. */
  readonly width: number;
  readonly words: readonly (ReadonlyMap<string, number> | null)[];
}

/** Reads records of numbers from one file; the names of its options were checked. */
export class CsvReader {
  readonly #options: CsvOptions;
  readonly #delimiter: number;
  readonly #layout: Layout;
  /** Bytes before the first record: the header, and a byte order mark. */
  readonly #start: number;

  constructor(
    private readonly call: string,
    private readonly path: string,
    options: CsvOptions,
    /** Bytes read at a time. */
    private readonly piece = PIECE,
  ) {
    if (typeof path !== 'string') throw new TypeError(`${call}: path must be a string, got ${show(path)}`);
    const { delimiter = ',', missing = null, header = true } = options;
    if (typeof delimiter !== 'string' || delimiter.length !== 1 || /["\r\n\d.+-]/.test(delimiter) || delimiter > '~')
      throw new TypeError(
        `${call}: delimiter must be one character, such as ',', ';' or '\\t', got ${show(delimiter)}`,
      );
    if (typeof header !== 'boolean') throw new TypeError(`${call}: header must be a boolean, got ${show(header)}`);
    if (missing !== null && typeof missing !== 'number')
      throw new TypeError(`${call}: missing must be a number, got ${show(missing)}`);
    this.#options = options;
    this.#delimiter = delimiter.charCodeAt(0);
    const { fields, start, end } = this.first();
    this.#layout = this.layoutOf(header ? fields : fields.map((_, i) => String(i)));
    this.#start = header ? end : start;
  }
  /** Names of the columns of the result, the target's last where there is one. */
  get columns(): string[] {
    const { names, slots, width } = this.#layout;
    const found = new Array<string>(width);
    slots.forEach((slot, i) => slot >= 0 && (found[slot] = names[i]!));
    return found;
  }
  get width(): number {
    return this.#layout.width;
  }

  /**
   * The file's rows, block after block: `values` holds `rows` times `width` numbers, and is used again for the next block.
   *
   * @throws TenfoldError 'state' for what is no number, naming record and column.
   */
  *blocks(): Generator<{ values: Float64Array; rows: number }> {
    const file = this.open();
    try {
      let bytes = new Uint8Array(this.piece);
      let [have, position, done, records] = [0, this.#start, false, this.#options.header === false ? 0 : 1];
      while (!done) {
        if (have === bytes.length - 1) bytes = grown(bytes);
        const read = this.read(file, bytes.subarray(have, -1), position);
        [done, position, have] = [read === 0, position + read, have + read];
        bytes[have] = 0; // where numbers end, if nothing else says so
        const block = this.parse(bytes, have, done, records);
        if (block.rows > 0) yield block;
        records += block.records;
        if (block.used === 0 && have >= LONGEST_RECORD)
          throw new TenfoldError('state', `${this.call}: ${this.path}: record ${records + 1} doesn't end; a quote that nobody closed?`); // prettier-ignore
        bytes.copyWithin(0, block.used, have);
        have -= block.used;
      }
    } finally {
      closeSync(file);
    }
  }

  private open(): number {
    try {
      return openSync(this.path, 'r');
    } catch (cause) {
      throw this.unreadable(cause);
    }
  }
  private read(file: number, to: Uint8Array, position: number): number {
    try {
      return readSync(file, to, 0, to.length, position);
    } catch (cause) {
      throw this.unreadable(cause);
    }
  }
  private unreadable(cause: unknown): TenfoldError {
    return new TenfoldError('state', `${this.call}: can't read ${show(this.path)}: ${(cause as Error).message}`, {
      cause,
    });
  }
  /** Fields of the first record, where it begins and where it ends. */
  private first(): { fields: string[]; start: number; end: number } {
    const file = this.open();
    try {
      let bytes = new Uint8Array(this.piece);
      for (let have = 0; ;) {
        const read = this.read(file, bytes.subarray(have), have);
        have += read;
        const end = endOfRecord(bytes, 0, have, this.#delimiter);
        if (end < 0 && read > 0 && have < LONGEST_RECORD) {
          if (have === bytes.length) bytes = grown(bytes);
          continue;
        }
        const mark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
        const whole = end < 0 ? have : end;
        if (whole === mark) throw new TenfoldError('state', `${this.call}: ${this.path} is empty`);
        return { fields: this.fieldsOf(bytes.subarray(mark, whole)), start: mark, end: whole };
      }
    } finally {
      closeSync(file);
    }
  }
  private fieldsOf(record: Uint8Array): string[] {
    const fields: string[] = [];
    for (let at = 0; at <= record.length;) {
      const end = endOfField(record, at, record.length, this.#delimiter);
      fields.push(textOf(record, at, end));
      if (end >= record.length || record[end] !== this.#delimiter) break;
      at = end + 1;
    }
    return fields;
  }
  private layoutOf(names: readonly string[]): Layout {
    const { columns = null, target = null, categories = null } = this.#options;
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined)
      throw new TenfoldError('state', `${this.call}: ${this.path} has two columns ${show(twice)}`);
    const indexOf = (which: string | number): number => {
      const at = typeof which === 'number' ? which : names.indexOf(which);
      if (!Number.isInteger(at) || at < 0 || at >= names.length)
        throw new TenfoldError('value', `${this.call}: ${this.path} has no column ${show(which)}${typeof which === 'string' ? didYouMean(which, names) : ''}; it has ${names.length}: ${names.slice(0, 12).join(', ')}`); // prettier-ignore
      return at;
    };
    const last = target === null ? -1 : indexOf(target);
    const wanted = columns === null ? [...names.keys()].filter((i) => i !== last) : columns.map(indexOf);
    if (new Set(wanted).size !== wanted.length || wanted.includes(last))
      throw new TenfoldError('value', `${this.call}: a column is asked for twice: ${wanted.concat(last).map((i) => names[i]).join(', ')}`); // prettier-ignore
    const slots = new Int32Array(names.length).fill(-1);
    [...wanted, ...(last < 0 ? [] : [last])].forEach((column, slot) => (slots[column] = slot));
    for (const [name, words] of Object.entries(categories ?? {})) {
      indexOf(name);
      if (!Array.isArray(words) || !words.every((w) => typeof w === 'string'))
        throw new TypeError(`${this.call}: categories.${name} must be a list of words, got ${show(words)}`);
    }
    const words = names.map((name) => {
      const list = categories && Object.hasOwn(categories, name) ? categories[name]! : null;
      return list && new Map(list.map((word, i) => [word, i]));
    });
    return { names, slots, width: wanted.length + (last < 0 ? 0 : 1), words };
  }

  private out = new Float64Array(1 << 14);
  /** Parses whole records; `used` bytes are done with. */
  private parse(
    bytes: Uint8Array,
    end: number,
    last: boolean,
    before: number,
  ): { values: Float64Array; rows: number; used: number; records: number } {
    const { slots, width } = this.#layout;
    const [delimiter, columns] = [this.#delimiter, slots.length];
    let [at, rows, used, records] = [0, 0, 0, 0];
    // Records are whole up to the last newline, but for newlines within quotes, which the slow way notices.
    while (at < end) {
      if (bytes[at] === NEWLINE || bytes[at] === RETURN) {
        if (bytes[at] === RETURN && at + 1 >= end && !last) break;
        at += bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? 2 : 1; // an empty line
        [used, records] = [at, records + 1];
        continue;
      }
      if ((rows + 1) * width > this.out.length) {
        const larger = new Float64Array(this.out.length * 2);
        larger.set(this.out);
        this.out = larger;
      }
      const next = this.record(bytes, at, end, last, rows * width, before + records, columns, delimiter);
      if (next < 0) break;
      at = used = next;
      rows++;
      records++;
    }
    return { values: this.out, rows, used, records };
  }
  /** Parses one record to `to` of the output; where the next one begins, or -1 where this one isn't whole. */
  private record(
    bytes: Uint8Array,
    from: number,
    end: number,
    last: boolean,
    to: number,
    number: number,
    columns: number,
    delimiter: number,
  ): number {
    const { slots } = this.#layout;
    const { out } = this;
    let at = from;
    for (let column = 0; column < columns; column++) {
      const slot = slots[column]!;
      let stop = -1;
      if (slot >= 0 && bytes[at] !== QUOTE) {
        stop = plainNumber(bytes, at, end, out, to + slot);
        const next = stop < end ? bytes[stop]! : -1;
        if (stop === at || (next === -1 ? !last : next !== delimiter && next !== NEWLINE && next !== RETURN)) stop = -1;
      }
      if (stop < 0) {
        stop = endOfField(bytes, at, end, delimiter);
        if (stop < 0) stop = last ? end : -1;
        if (stop < 0 || (stop === end && !last)) return -1;
        if (slot >= 0) out[to + slot] = this.slow(textOf(bytes, at, stop), column, number);
      }
      const ends = stop >= end || bytes[stop] !== delimiter;
      if (ends !== (column === columns - 1)) return this.miscounted(bytes, from, end, last, number);
      at = stop + 1;
    }
    if (at - 1 >= end) return last ? end : -1;
    if (bytes[at - 1] === RETURN) {
      if (at >= end) return last ? end : -1;
      if (bytes[at] === NEWLINE) at++;
    }
    return at;
  }
  private slow(text: string, column: number, record: number): number {
    const words = this.#layout.words[column];
    if (words) {
      const found = words.get(text);
      if (found !== undefined) return found;
    }
    const word = text.trim();
    if (MISSING.has(word.toLowerCase())) {
      const { missing = null } = this.#options;
      if (missing !== null) return missing;
      this.refuse(record, column, `is missing; option 'missing' gives such fields a value`);
    }
    if (words) this.refuse(record, column, `is ${show(text)}, which is none of its categories`);
    if (/^[+-]?inf(inity)?$/i.test(word)) return word.startsWith('-') ? -Infinity : Infinity;
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : NaN;
    if (Number.isNaN(value))
      this.refuse(record, column, `is ${show(text)}, no number; option 'categories' reads words`);
    return value;
  }
  private refuse(record: number, column: number, what: string): never {
    throw new TenfoldError('state', `${this.call}: ${this.path}, record ${record + 1}: column ${show(this.#layout.names[column])} ${what}`); // prettier-ignore
  }
  /** Refuses a record of too many or too few fields, once it is whole. */
  private miscounted(bytes: Uint8Array, from: number, end: number, last: boolean, record: number): -1 {
    const stop = endOfRecord(bytes, from, end, this.#delimiter);
    if (stop < 0 && !last) return -1;
    const fields = this.fieldsOf(bytes.subarray(from, stop < 0 ? end : stop)).length;
    throw new TenfoldError('state', `${this.call}: ${this.path}, record ${record + 1} has ${fields} fields, and the first has ${this.#layout.names.length}`); // prettier-ignore
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2);
  larger.set(bytes);
  return larger;
}
/** Where a field ends: at a delimiter, at the end of its record, or -1 where that isn't there yet. */
function endOfField(bytes: Uint8Array, from: number, end: number, delimiter: number): number {
  let at = from;
  if (bytes[at] === QUOTE) {
    for (at++; ; at++) {
      if (at >= end) return -1;
      if (bytes[at] !== QUOTE) continue;
      if (bytes[at + 1] !== QUOTE || at + 1 >= end) break;
      at++;
    }
  }
  while (at < end && bytes[at] !== delimiter && bytes[at] !== NEWLINE && bytes[at] !== RETURN) at++;
  return at;
}
/** Where the record behind this one begins; -1 where this one isn't whole. */
function endOfRecord(bytes: Uint8Array, from: number, end: number, delimiter: number): number {
  let at = from;
  for (;;) {
    at = endOfField(bytes, at, end, delimiter);
    if (at < 0 || at >= end) return -1;
    if (bytes[at] === NEWLINE) return at + 1;
    if (bytes[at] === RETURN) return bytes[at + 1] === NEWLINE ? at + 2 : at + 1;
    at++;
  }
}
/** A field's text, its quotes undone. */
function textOf(bytes: Uint8Array, from: number, end: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).toString('utf8');
  const quoted = /^"([^]*)"\s*$/.exec(text);
  return quoted ? quoted[1]!.replaceAll('""', '"') : text.replace(/\r?\n$/, '');
}

/**
 * Reads a plain decimal number, blanks around it, into out[to], and says where it ends; `from` where there is none that is exact this
 * way, which is Clinger's (1990): integers of 15 digits and powers of ten up to 22 are doubles, so one operation rounds once.
 */
function plainNumber(bytes: Uint8Array, from: number, end: number, out: Float64Array, to: number): number {
  let at = from;
  let c = bytes[at]!;
  while (c === SPACE || c === TAB) c = bytes[++at]!;
  const negative = c === MINUS;
  if (negative || c === PLUS) c = bytes[++at]!;
  const first = at;
  let digit = c - ZERO;
  let small = 0; // up to nine digits, as a small integer: a third of the time
  let mantissa = -1;
  let point = -1;
  for (;;) {
    if (digit >= 0 && digit <= 9) {
      if (mantissa >= 0) mantissa = mantissa * 10 + digit;
      else if (at - first < 9) small = (small * 10 + digit) | 0;
      else mantissa = small * 10 + digit;
    } else if (digit === DOT - ZERO && point < 0) point = at;
    else break;
    digit = bytes[++at]! - ZERO;
  }
  if (at > end) return from;
  const digits = at - first - (point < 0 ? 0 : 1);
  if (digits === 0 || digits > EXACT_DIGITS) return from;
  let exponent = point < 0 ? 0 : point + 1 - at;
  c = digit + ZERO;
  if (c === LOWER_E || c === UPPER_E) {
    c = bytes[++at]!;
    const down = c === MINUS;
    if (down || c === PLUS) c = bytes[++at]!;
    const begin = at;
    let power = 0;
    for (; c >= ZERO && c <= NINE && at - begin < 4; c = bytes[++at]!) power = power * 10 + (c - ZERO);
    if (at === begin || at > end) return from;
    exponent += down ? -power : power;
  }
  if (exponent < -22 || exponent > 22) return from;
  const whole = mantissa >= 0 ? mantissa : small;
  const value = exponent < 0 ? whole / POWERS[-exponent]! : whole * POWERS[exponent]!;
  out[to] = negative ? -value : value;
  while (c === SPACE || c === TAB) c = bytes[++at]!;
  return at <= end ? at : from;
}
