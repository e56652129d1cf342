/**
 * JSON as the protocol's clients write it. Python's json and rapidjson write NaN and Infinity as bare words, and int64 as
 * digits beyond what a double holds; JSON.parse refuses the first and rounds the second. A text that may have either goes
 * through a parser of our own (some 10 times slower), all others through JSON.parse.
 */
import { badRequest } from '../errors.js';

const UNUSUAL = /NaN|Infinity|[[,:\s]-?\d{16,}\s*[,\]}]/;
/** More than any request has; the recursion stays far from the stack's end. */
const MAX_DEPTH = 64;

/**
 * The value of a JSON text. Integers beyond 2^53 are bigints. Objects may have an own key '__proto__'; it is a key like
 * others, and who reads them asks for own keys only. A 400 for what is no JSON.
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('the JSON is not UTF-8');
  }
  if (UNUSUAL.test(text)) return new Parser(text).parse();
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest(`not JSON: ${(error as Error).message}`);
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const WORDS: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
];

class Parser {
  private at = 0;
  constructor(private readonly text: string) {}

  parse(): unknown {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) this.fail();
    return value;
  }

  private fail(): never {
    const found = this.text.slice(this.at, this.at + 12);
    throw badRequest(`not JSON: ${found === '' ? 'it ends' : `unexpected '${found}'`} at position ${this.at}`);
  }
  private space(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.at++;
    }
  }
  /** Whether the next token is this character, which is then passed. */
  private passes(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw badRequest(`the JSON is nested deeper than ${MAX_DEPTH} levels`);
    if (this.passes('[')) return this.array(depth);
    if (this.passes('{')) return this.object(depth);
    if (this.text[this.at] === '"') return this.string();
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return value;
    }
    return this.number();
  }
  private array(depth: number): unknown[] {
    const list: unknown[] = [];
    if (this.passes(']')) return list;
    do list.push(this.value(depth + 1));
    while (this.passes(','));
    if (!this.passes(']')) this.fail();
    return list;
  }
  private object(depth: number): Record<string, unknown> {
    const object = Object.create(null) as Record<string, unknown>;
    if (this.passes('}')) return object;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail();
      const key = this.string();
      if (!this.passes(':')) this.fail();
      object[key] = this.value(depth + 1);
    } while (this.passes(','));
    if (!this.passes('}')) this.fail();
    return object;
  }
  private string(): string {
    const from = this.at++;
    for (;;) {
      const end = this.text.indexOf('"', this.at);
      if (end < 0) this.fail();
      let backslashes = 0;
      while (this.text[end - 1 - backslashes] === '\\') backslashes++;
      this.at = end + 1;
      if (backslashes % 2 === 1) continue;
      try {
        return JSON.parse(this.text.slice(from, this.at)) as string;
      } catch {
        this.at = from;
        this.fail();
      }
    }
  }
  private number(): number | bigint {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text);
    if (found === null) this.fail();
    this.at = NUMBER.lastIndex;
    const value = Number(found[0]);
    const integral = found[1] === undefined && found[2] === undefined;
    return integral && !Number.isSafeInteger(value) && found[0].length < 40 ? BigInt(found[0]) : value;
  }
}

/** An own property; undefined where there is none, whatever the prototype has. */
export const own = (object: object, key: string): unknown =>
  Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
