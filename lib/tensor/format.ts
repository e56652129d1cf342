/**
 * Printing, digit for digit as PyTorch prints (torch/_tensor_str.py): one format for all elements, chosen from the
 * finite non-zero ones; lines of 80 columns; `...` beyond 1,000 elements.
 */
import { checkOptions, show } from '../errors.js';
import { Code, DTYPES, getDefaultDtype, isFloatCode } from '../dtype.js';
import { readElement } from './elements.js';
import { storageBuffer, type Tensor } from './tensor.js';

/** How tensors print. */
export interface PrintOptions {
  /** Digits behind the point, 0 to 100; 4. */
  precision: number;
  /** More elements than this are summarised; 1000. Infinity: none are. */
  threshold: number;
  /** Elements shown at each end of a summarised dim; 3. */
  edgeitems: number;
  /** Columns of a line; 80. */
  linewidth: number;
  /** Scientific notation: null lets the values decide. */
  sciMode: boolean | null;
}
const DEFAULTS: PrintOptions = { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sciMode: null };
const PROFILES = {
  default: DEFAULTS,
  short: { ...DEFAULTS, precision: 2, edgeitems: 2 },
  full: { ...DEFAULTS, threshold: Infinity },
} satisfies Record<string, PrintOptions>;
const options: PrintOptions = { ...DEFAULTS };

/** Least and largest value of the numbers among the options; `endless`: Infinity is one too. */
const BOUNDS = {
  precision: { min: 0, max: 100, endless: false },
  threshold: { min: 0, max: Infinity, endless: true },
  edgeitems: { min: 1, max: Infinity, endless: false },
  linewidth: { min: 0, max: Infinity, endless: true },
} as const;

/**
 * Sets how tensors print. A profile comes first: 'default', 'short' (2 digits, 2 elements at each end) or 'full' (every
 * element); what isn't given, or null, stays as it is, but for `sciMode`, which every call sets anew. See
 * torch.set_printoptions.
 *
 * ```ts
 * setPrintoptions({ precision: 2 });
 * console.log(tensor([1.12345])); // tensor([1.12])
 * setPrintoptions({ profile: 'default' });
 * ```
 * @throws TypeError or RangeError where a value is none that could be; then nothing has changed.
 */
export function setPrintoptions(
  given: { [K in keyof PrintOptions]?: PrintOptions[K] | null } & { profile?: keyof typeof PROFILES | null } = {},
): void {
  const call = 'setPrintoptions';
  checkOptions(call, given, [...Object.keys(DEFAULTS), 'profile']);
  const { profile = null, sciMode = null } = given;
  if (profile !== null && !Object.hasOwn(PROFILES, profile))
    throw new TypeError(`${call}: profile must be 'default', 'short' or 'full', got ${show(profile)}`);
  const next: PrintOptions = { ...(profile === null ? options : PROFILES[profile]), sciMode };
  if (sciMode !== null && typeof sciMode !== 'boolean')
    throw new TypeError(`${call}: sciMode must be a boolean or null, got ${show(sciMode)}`);
  for (const name of Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'number') throw new TypeError(`${call}: ${name} must be a number, got ${show(value)}`);
    const { min, max, endless } = BOUNDS[name];
    if (!(Number.isInteger(value) || (endless && value === Infinity)) || value < min || value > max) {
      const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new RangeError(
        `${call}: ${name} must be an integer ${range}${endless ? ', or Infinity' : ''}, got ${value}`,
      );
    }
    next[name] = value;
  }
  Object.assign(options, next);
}
/** Another spelling of setPrintoptions. */
export const setPrintOptions = setPrintoptions;

type Element = number | bigint | boolean;

/** A number rounded half to even where it lies exactly between two, as C's printf does and JavaScript's toFixed doesn't. */
function halfEven(x: number, digits: number, print: (x: number, digits: number) => string): string {
  const near = print(x, digits);
  const more = print(x, Math.min(digits + 25, 100));
  const [mantissa, exponent = ''] = more.split('e') as [string, string?];
  const point = mantissa.indexOf('.');
  const cut = point + 1 + digits;
  if (!/^50*$/.test(mantissa.slice(cut))) return near;
  const kept = mantissa.slice(0, digits === 0 ? point : cut);
  return Number(kept.at(-1)) % 2 === 0 ? kept + (exponent && `e${exponent}`) : near;
}
const fixed = (x: number, digits: number): string => {
  const text = halfEven(x, digits, (v, n) => (Math.abs(v) < 1e21 ? v.toFixed(n) : bigFixed(v, n)));
  return Object.is(x, -0) && !text.startsWith('-') ? `-${text}` : text;
};
const bigFixed = (x: number, digits: number): string =>
  BigInt(x).toString() + (digits > 0 ? '.' + '0'.repeat(digits) : '');
const scientific = (x: number, digits: number): string => {
  const text = halfEven(x, digits, (v, n) => v.toExponential(n)).replace(/e([+-])(\d)$/, 'e$10$2');
  return Object.is(x, -0) && !text.startsWith('-') ? `-${text}` : text;
};

class Formatter {
  private width = 1;
  private sci = false;
  private integral = true;
  constructor(
    values: readonly Element[],
    private readonly float: boolean,
  ) {
    if (!float) {
      for (const v of values) this.width = Math.max(this.width, String(v).length);
      return;
    }
    const { precision } = options;
    let min = Infinity;
    let max = 0;
    const finite: number[] = [];
    for (const v of values as number[]) {
      if (!Number.isFinite(v) || v === 0) continue;
      finite.push(v);
      if (!Number.isInteger(v)) this.integral = false;
      min = Math.min(min, Math.abs(v));
      max = Math.max(max, Math.abs(v));
    }
    if (finite.length === 0) return; // whatever sciMode says
    this.sci = options.sciMode ?? (max / min > 1000 || max > 1e8 || (!this.integral && min < 1e-4));
    const widest = (print: (v: number) => string): number => Math.max(...finiteLengths(finite, print));
    if (this.sci)
      this.width = Math.max(
        1,
        widest((v) => scientific(v, precision)),
      );
    else if (this.integral)
      this.width = Math.max(
        1,
        widest((v) => `${fixed(v, 0)}.`),
      );
    else
      this.width = Math.max(
        1,
        widest((v) => fixed(v, precision)),
      );
  }
  get elementWidth(): number {
    return this.width;
  }
  print(value: Element): string {
    let text: string;
    if (!this.float) text = String(value);
    else {
      const x = value as number;
      if (!Number.isFinite(x)) text = Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
      else if (this.sci) text = scientific(x, options.precision);
      else if (this.integral) text = `${fixed(x, 0)}.`;
      else text = fixed(x, options.precision);
    }
    return text.padStart(this.width);
  }
}
function* finiteLengths(values: readonly number[], print: (v: number) => string): Iterable<number> {
  for (const v of values) yield print(v).length;
}

function readAt(t: Tensor, element: number): Element {
  if (t.code === Code.i64) return new BigInt64Array(storageBuffer(t), t.byteStart(element), 1)[0]!;
  return readElement(t, element);
}

/** Indices of a dim that are shown; null marks the gap. */
function shownIndices(size: number, summarize: boolean): (number | null)[] {
  const edge = options.edgeitems;
  if (!summarize || size <= 2 * edge) return Array.from({ length: size }, (_, i) => i);
  const ends = Array.from({ length: edge }, (_, i) => i);
  return [...ends, null, ...ends.map((i) => size - edge + i)];
}

function shownElements(t: Tensor, summarize: boolean, dim = 0, offset = t.offset, out: Element[] = []): Element[] {
  if (dim === t.shape.length) out.push(readAt(t, offset));
  else {
    for (const i of shownIndices(t.shape[dim]!, summarize)) {
      if (i !== null) shownElements(t, summarize, dim + 1, offset + i * t.strides[dim]!, out);
    }
  }
  return out;
}

function body(t: Tensor, indent: number, summarize: boolean, f: Formatter, dim = 0, offset = t.offset): string {
  if (dim === t.shape.length) return f.print(readAt(t, offset));
  const step = t.strides[dim]!;
  const indices = shownIndices(t.shape[dim]!, summarize);
  const pad = ' '.repeat(indent + 1);
  if (dim === t.shape.length - 1) {
    const perLine = Math.max(1, Math.floor((options.linewidth - indent) / (f.elementWidth + 2)));
    const items = indices.map((i) => (i === null ? ' ...' : f.print(readAt(t, offset + i * step))));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(', '));
    return `[${lines.join(`,\n${pad}`)}]`;
  }
  const parts = indices.map((i) =>
    i === null ? '...' : body(t, indent + 1, summarize, f, dim + 1, offset + i * step),
  );
  return `[${parts.join(`,${'\n'.repeat(t.shape.length - dim - 1)}${pad}`)}]`;
}

/** The text of a tensor; `prefix` stands before the elements and sets their indent. */
export function formatTensor(t: Tensor, prefix = 'tensor('): string {
  const suffixes: string[] = [];
  const dtype = DTYPES[t.code]!;
  let text: string;
  if (t.count === 0) {
    if (t.shape.length !== 1) suffixes.push(`size=(${t.shape.join(', ')})`);
    if (dtype !== getDefaultDtype()) suffixes.push(`dtype=${dtype}`);
    text = '[]';
  } else {
    if (dtype !== getDefaultDtype() && dtype !== 'int64' && dtype !== 'bool') suffixes.push(`dtype=${dtype}`);
    const summarize = t.count > options.threshold;
    const formatter = new Formatter(shownElements(t, summarize), isFloatCode(t.code));
    text = body(t, prefix.length, summarize, formatter);
  }
  const { gradFn } = t;
  if (gradFn !== null) suffixes.push(`gradFn=<${gradFn.name}>`);
  else if (t.requiresGrad) suffixes.push('requiresGrad=true');
  let out = prefix + text;
  let lineLength = out.length - (out.lastIndexOf('\n') + 1) + 1;
  for (const suffix of suffixes) {
    if (lineLength + suffix.length + 2 > options.linewidth) {
      out += `,\n${' '.repeat(prefix.length)}${suffix}`;
      lineLength = prefix.length + suffix.length;
    } else {
      out += `, ${suffix}`;
      lineLength += suffix.length + 2;
    }
  }
  return `${out})`;
}
