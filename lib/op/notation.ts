/**
 * The notation of schemas, read: names, kinds and defaults, nothing of tensors. schema.ts, which describes the notation, reads
 * calls by it; scripts/declarations writes the published types from it.
 */

/** The alternatives of a kind such as `int[]|'same'|'valid'`: words, without their quotes, and kinds. */
export function alternatives(kind: string): { words: string[]; kinds: string[] } {
  if (!kind.includes("'")) return { words: [], kinds: [kind] };
  const parts = kind.split('|');
  const words = parts.filter((p) => p.startsWith("'"));
  return { words: words.map((w) => w.slice(1, -1)), kinds: parts.filter((p) => !p.startsWith("'")) };
}

/** One parameter as it is written. */
export interface NotedParameter {
  readonly name: string;
  readonly kind: string;
  readonly nullable: boolean;
  readonly optional: boolean;
  readonly keywordOnly: boolean;
  readonly default: unknown;
}

/** A schema as it is written. */
export interface Notation {
  readonly name: string;
  readonly inplace: boolean;
  readonly params: readonly NotedParameter[];
  /** Names of several results; the kind of one that is no tensor; empty for a tensor. */
  readonly results: readonly string[];
  readonly result: string;
}

/** Reads a schema, parameters by `param`; a mistake in it is an error at load. */
export function readNotation<P extends NotedParameter = NotedParameter>(
  schema: string,
  param: (text: string, keywordOnly: boolean) => P = readParameter as (text: string, keywordOnly: boolean) => P,
): Notation & { readonly params: readonly P[] } {
  const match = /^(\w+)(\[_\])?\(([^)]*)\)(?: -> (.+))?$/.exec(schema);
  if (!match) throw new Error(`unreadable schema: ${schema}`);
  const params: P[] = [];
  let keywordOnly = false;
  for (const text of match[3]!.split(', ')) {
    if (text === '*') keywordOnly = true;
    else if (text !== '') params.push(param(text, keywordOnly));
  }
  const results = /^\((.*)\)$/.exec(match[4] ?? '');
  return {
    name: match[1]!,
    inplace: match[2] !== undefined,
    params,
    results: results ? results[1]!.split(', ') : [],
    result: results ? '' : (match[4] ?? ''),
  };
}

/** Reads one parameter: `int[]? dim=null`. */
export function readParameter(text: string, keywordOnly: boolean): NotedParameter {
  const p = /^(\S+?)(\?)? (\w+)(?:=(.+))?$/.exec(text);
  if (!p) throw new Error(`unreadable parameter '${text}'`);
  return {
    name: p[3]!,
    kind: p[1]!,
    nullable: p[2] === '?',
    optional: p[4] !== undefined,
    keywordOnly,
    default: p[4] === undefined ? undefined : readDefault(p[4]),
  };
}

function readDefault(text: string): unknown {
  if (/^'.*'$/.test(text)) return text.slice(1, -1);
  return JSON.parse(text === 'inf' ? '1e999' : text);
}
