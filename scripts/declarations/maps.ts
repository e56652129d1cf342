/** Source maps of declaration files whose text is edited: positions behind an edit move, those in it are given anew. */

/** A place in a generated file that comes from a place in a source. Lines and columns from 0. */
export interface Segment {
  line: number;
  column: number;
  source: string;
  sourceLine: number;
  sourceColumn: number;
}

/** A piece of text that is replaced; `anchors` say where places in the new text come from. */
export interface Edit {
  start: number;
  end: number;
  text: string;
  anchors?: { offset: number; from: SourcePlace }[];
}
export interface SourcePlace {
  source: string;
  line: number;
  column: number;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function decode(mappings: string): number[][][] {
  return mappings.split(';').map((line) =>
    line === ''
      ? []
      : line.split(',').map((text) => {
          const numbers: number[] = [];
          let value = 0;
          let shift = 0;
          for (const c of text) {
            const digit = DIGITS.indexOf(c);
            value += (digit & 31) << shift;
            if (digit & 32) shift += 5;
            else {
              numbers.push(value & 1 ? -(value >> 1) : value >> 1);
              value = shift = 0;
            }
          }
          return numbers;
        }),
  );
}
function encode(n: number): string {
  let rest = n < 0 ? (-n << 1) | 1 : n << 1;
  let out = '';
  do {
    const digit = rest & 31;
    rest >>= 5;
    out += DIGITS[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return out;
}

/** The segments of a source map, as TypeScript writes it. */
export function readMap(json: string): Segment[] {
  const { mappings, sources } = JSON.parse(json) as { mappings: string; sources: string[] };
  let [source, sourceLine, sourceColumn] = [0, 0, 0];
  return decode(mappings).flatMap((segments, line) => {
    let column = 0;
    return segments.map(([c, s, l, k]) => {
      column += c!;
      source += s!;
      sourceLine += l!;
      sourceColumn += k!;
      return { line, column, source: sources[source]!, sourceLine, sourceColumn };
    });
  });
}

/** A source map of these segments. */
export function writeMap(file: string, segments: readonly Segment[]): string {
  const sources = [...new Set(segments.map((s) => s.source))];
  const sorted = segments.toSorted((a, b) => a.line - b.line || a.column - b.column);
  let mappings = '';
  let before = { line: 0, column: 0, source: 0, sourceLine: 0, sourceColumn: 0 };
  for (const s of sorted) {
    const source = sources.indexOf(s.source);
    if (s.line > before.line) mappings += ';'.repeat(s.line - before.line);
    else if (mappings !== '' && !mappings.endsWith(';')) mappings += ',';
    const column = s.line > before.line ? 0 : before.column;
    mappings +=
      encode(s.column - column) +
      encode(source - before.source) +
      encode(s.sourceLine - before.sourceLine) +
      encode(s.sourceColumn - before.sourceColumn);
    before = { ...s, source };
  }
  return JSON.stringify({ version: 3, file, sourceRoot: '', sources, names: [], mappings });
}

const lineStarts = (text: string): number[] => [0, ...[...text.matchAll(/\n/g)].map((m) => m.index + 1)];

/** The line and column of an offset. */
function placeAt(starts: readonly number[], offset: number): { line: number; column: number } {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle;
  }
  return { line: low, column: offset - starts[low]! };
}

/** A declaration file with its map. */
export class MappedText {
  private readonly starts: number[];
  constructor(
    readonly text: string,
    readonly segments: readonly Segment[],
  ) {
    this.starts = lineStarts(text);
  }

  /** Where what stands at an offset comes from: the nearest segment at or before it. */
  origin(offset: number): SourcePlace | null {
    const { line, column } = placeAt(this.starts, offset);
    let best: Segment | null = null;
    for (const s of this.segments) {
      if (s.line === line && s.column <= column && (best === null || s.column > best.column)) best = s;
    }
    return best && { source: best.source, line: best.sourceLine, column: best.sourceColumn };
  }

  /** The text with edits made, which don't overlap. */
  edited(edits: readonly Edit[]): MappedText {
    const sorted = edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
    let text = '';
    let at = 0;
    const moved: { offset: number; segment: Segment }[] = [];
    const placed: { offset: number; from: SourcePlace }[] = [];
    const own = this.segments
      .map((segment) => ({ offset: this.starts[segment.line]! + segment.column, segment }))
      .toSorted((a, b) => a.offset - b.offset);
    let next = 0;
    const keepUntil = (end: number): void => {
      for (; next < own.length && own[next]!.offset < end; next++) {
        if (own[next]!.offset >= at)
          moved.push({ offset: text.length + own[next]!.offset - at, segment: own[next]!.segment });
      }
      text += this.text.slice(at, end);
      at = end;
    };
    for (const edit of sorted) {
      if (edit.start < at) throw new Error(`edits overlap at ${edit.start}: ${edit.text.slice(0, 80)}`);
      keepUntil(edit.start);
      for (const { offset, from } of edit.anchors ?? []) placed.push({ offset: text.length + offset, from });
      text += edit.text;
      at = edit.end;
    }
    keepUntil(this.text.length);
    const starts = lineStarts(text);
    return new MappedText(text, [
      ...moved.map(({ offset, segment }) => ({ ...segment, ...placeAt(starts, offset) })),
      ...placed.map(({ offset, from }) => ({
        ...placeAt(starts, offset),
        source: from.source,
        sourceLine: from.line,
        sourceColumn: from.column,
      })),
    ]);
  }
}
