/**
 * Zip archives, as PyTorch and NumPy write them: entries stored or deflated, zip64 where something is large. They are read
 * by their central directory, because PyTorch leaves sizes out of local headers. Everything in it is checked before it is
 * believed: entries lie inside the file, don't overlap, have names of their own and the checksum that they say. See
 * APPNOTE.TXT of PKWARE, version 6.3.
 */
import { show } from '../errors.js';
import { crc32 } from './checksum.js';
import { take, utf8, type Input, type Reading } from './reading.js';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
/** The longest comment behind the end record. */
const MAX_COMMENT = 0xffff;
/** Entries of one archive: a checkpoint has one for each storage. */
const MAX_ENTRIES = 1_000_000;
const MAX_NAME = 4096;
/** What deflate can make of a byte, and the ends of a stream. */
const DEFLATE_RATIO = 1032;
const DEFLATE_SLACK = 64;
const [STORED, DEFLATED] = [0, 8];

/** An entry of an archive. */
export interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes of content. */
  readonly size: number;
  /** Where its local header begins. */
  readonly header: number;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A 64-bit size, refused where no number holds it. */
function big(v: DataView, at: number, { refuse }: Input): number {
  const value = v.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return refuse(`its zip directory has a size of ${value} bytes`);
  return Number(value);
}

/** Where the central directory is, and how many entries it has. */
function* findDirectory(input: Input): Reading<{ at: number; length: number; count: number }> {
  const { size, refuse } = input;
  const tailAt = Math.max(0, size - END_BYTES - MAX_COMMENT);
  // Nearly always without a comment; the 64 KB in front are read only where there is one.
  for (const from of [Math.max(0, size - END_BYTES), tailAt]) {
    const tail = yield* take(from, size - from);
    const v = view(tail);
    for (let i = tail.length - END_BYTES; i >= 0; i--) {
      if (v.getUint32(i, true) !== END || v.getUint16(i + 20, true) !== tail.length - i - END_BYTES) continue;
      const found = {
        count: v.getUint16(i + 10, true),
        length: v.getUint32(i + 12, true),
        at: v.getUint32(i + 16, true),
      };
      if (v.getUint16(i + 4, true) !== 0 || v.getUint16(i + 8, true) !== found.count)
        return refuse('it is a part of a zip archive in several files');
      return checkDirectory(yield* find64(input, from + i, found), input);
    }
  }
  return refuse('it is a zip archive without an end; truncated');
}

interface Directory {
  at: number;
  length: number;
  count: number;
  /** Where the records behind the directory begin. */
  end: number;
}

/** The zip64 records in front of an end record, which count where there are any. */
function* find64(input: Input, endAt: number, found: Omit<Directory, 'end'>): Reading<Directory> {
  const { refuse } = input;
  const plain = { ...found, end: endAt };
  if (endAt < LOCATOR_BYTES) return plain;
  const locator = view(yield* take(endAt - LOCATOR_BYTES, LOCATOR_BYTES));
  if (locator.getUint32(0, true) !== LOCATOR64) return plain;
  const at = big(locator, 8, input);
  if (at > endAt - LOCATOR_BYTES - END64_BYTES) return refuse('its zip64 end record lies outside');
  const record = view(yield* take(at, END64_BYTES));
  if (record.getUint32(0, true) !== END64) return refuse('its zip64 end record is none');
  const full = { count: big(record, 32, input), length: big(record, 40, input), at: big(record, 48, input), end: at };
  const agree = (small: number, none: number, large: number): boolean => small === none || small === large;
  if (
    !agree(found.count, 0xffff, full.count) ||
    !agree(found.length, 0xffffffff, full.length) ||
    !agree(found.at, 0xffffffff, full.at)
  )
    return refuse('its two zip end records differ');
  return full;
}

function checkDirectory({ at, length, count, end }: Directory, { refuse }: Input): Omit<Directory, 'end'> {
  if (at + length !== end)
    return refuse(`its zip directory should lie in bytes ${at} to ${at + length}, before ${end}`);
  if (count > MAX_ENTRIES) return refuse(`it has ${count} zip entries; ${MAX_ENTRIES} are the most`);
  if (count * CENTRAL_BYTES > length) return refuse(`its zip directory of ${length} bytes can't hold ${count} entries`);
  return { at, length, count };
}

/** All entries by name, in the directory's order. */
export function* readDirectory(input: Input): Reading<Map<string, Entry>> {
  const { refuse } = input;
  const { at, length, count } = yield* findDirectory(input);
  const bytes = yield* take(at, length);
  const entries = new Map<string, Entry>();
  let next = 0;
  for (let i = 0; i < count; i++) {
    const read = readEntry(bytes, next, input);
    if (entries.has(read.entry.name)) return refuse(`it has the zip entry ${show(read.entry.name)} twice`);
    entries.set(read.entry.name, read.entry);
    next = read.next;
  }
  if (next !== length) return refuse(`its zip directory has ${length - next} bytes that belong to no entry`);
  checkPlaces([...entries.values()], at, input);
  return entries;
}

/** One record of the central directory, and where the next one begins. */
function readEntry(bytes: Uint8Array, at: number, input: Input): { entry: Entry; next: number } {
  const { refuse } = input;
  const v = view(bytes);
  if (at + CENTRAL_BYTES > bytes.length || v.getUint32(at, true) !== CENTRAL)
    return refuse('its zip directory is broken');
  const flags = v.getUint16(at + 8, true);
  const method = v.getUint16(at + 10, true);
  const nameEnd = at + CENTRAL_BYTES + v.getUint16(at + 28, true);
  const extraEnd = nameEnd + v.getUint16(at + 30, true);
  const next = extraEnd + v.getUint16(at + 32, true);
  if (next > bytes.length || nameEnd - at > MAX_NAME) return refuse('its zip directory is broken');
  const name = utf8(bytes.subarray(at + CENTRAL_BYTES, nameEnd));
  if (name === null) return refuse('a zip entry has a name that is no UTF-8');
  const where = `its zip entry ${show(name)}`;
  if (flags & 1) return refuse(`${where} is encrypted`);
  if (method !== STORED && method !== DEFLATED)
    return refuse(`${where} is packed by method ${method}; known are stored and deflated`);
  const sizes = [v.getUint32(at + 24, true), v.getUint32(at + 20, true), v.getUint32(at + 42, true)];
  readExtra64(bytes.subarray(nameEnd, extraEnd), sizes, where, input);
  const [size, packed, header] = sizes as [number, number, number];
  if (method === STORED && size !== packed)
    return refuse(`${where} is stored, and has the sizes ${packed} and ${size}`);
  if (size > packed * DEFLATE_RATIO + DEFLATE_SLACK) return refuse(`${where} can't unpack to ${size} bytes`);
  return { entry: { name, method, crc: v.getUint32(at + 16, true), packed, size, header }, next };
}

/** Replaces those of `sizes` that didn't fit 32 bits by what the zip64 field of an entry says. */
function readExtra64(extra: Uint8Array, sizes: number[], where: string, input: Input): void {
  const v = view(extra);
  const wide = sizes.flatMap((size, i) => (size === 0xffffffff ? [i] : []));
  for (let at = 0; wide.length > 0 && at + 4 <= extra.length;) {
    const length = v.getUint16(at + 2, true);
    if (at + 4 + length > extra.length) break;
    if (v.getUint16(at, true) === 1) {
      if (length < 8 * wide.length) break;
      wide.forEach((i, k) => (sizes[i] = big(v, at + 4 + 8 * k, input)));
      return;
    }
    at += 4 + length;
  }
  if (wide.length > 0) input.refuse(`${where} lacks its zip64 sizes`);
}

/** Refuses entries outside the file or on top of each other, and an archive that would unpack to more than is allowed. */
function checkPlaces(entries: Entry[], end: number, { refuse, limits }: Input): void {
  const order = entries.sort((a, b) => a.header - b.header);
  let unpacked = 0;
  order.forEach((entry, i) => {
    const next = order[i + 1]?.header ?? end;
    const least = LOCAL_BYTES + new TextEncoder().encode(entry.name).length + entry.packed;
    if (entry.header + least > next)
      refuse(
        i + 1 < order.length && next < end
          ? `its zip entries ${show(entry.name)} and ${show(order[i + 1]!.name)} overlap`
          : `its zip entry ${show(entry.name)} lies outside`,
      );
    if (entry.method === DEFLATED) unpacked += entry.size;
  });
  if (unpacked > limits.maxBytes)
    refuse(`it would unpack to ${unpacked} bytes, more than the ${limits.maxBytes} that maxBytes allows`);
}

/** Where an entry's bytes begin, by its local header. */
export function* contentAt(entry: Entry, input: Input): Reading<number> {
  const { refuse, size } = input;
  const where = `its zip entry ${show(entry.name)}`;
  const name = new TextEncoder().encode(entry.name);
  const local = yield* take(entry.header, LOCAL_BYTES + name.length);
  const v = view(local);
  const named = local.subarray(LOCAL_BYTES).every((byte, i) => byte === name[i]);
  if (v.getUint32(0, true) !== LOCAL || v.getUint16(26, true) !== name.length || !named)
    return refuse(`${where} isn't where the directory says`);
  if (v.getUint16(8, true) !== entry.method || v.getUint16(6, true) & 1)
    return refuse(`${where} has two headers that differ`);
  const at = entry.header + local.length + v.getUint16(28, true);
  if (at + entry.packed > size) return refuse(`${where} lies outside`);
  return at;
}

const checksum = (pieces: readonly Uint8Array[]): number => pieces.reduce((crc, piece) => crc32(piece, crc), 0);

/** Refuses content, in pieces, that has not the checksum of its entry. */
export function checkContent(entry: Entry, pieces: readonly Uint8Array[], { refuse, limits }: Input): void {
  if (limits.checksums && checksum(pieces) !== entry.crc)
    refuse(
      `its zip entry ${show(entry.name)} is damaged: its checksum is another one ` +
        '(for files written with torch.serialization.set_crc32_options(False), load with { checksums: false })',
    );
}

/** Reads an entry's content into `bytes`, which has its size; `at` from contentAt. Deflated ones come as new bytes. */
export function* readContent(entry: Entry, input: Input, into: Uint8Array | null = null): Reading<Uint8Array> {
  const at = yield* contentAt(entry, input);
  let content: Uint8Array;
  if (entry.method === STORED) {
    content = into ?? new Uint8Array(entry.size);
    if (entry.size > 0) yield { kind: 'read', at, bytes: content };
  } else content = yield { kind: 'inflate', data: yield* take(at, entry.packed), size: entry.size };
  if (content.length !== entry.size)
    return input.refuse(`its zip entry ${show(entry.name)} unpacks to other than the ${entry.size} bytes it should`);
  checkContent(entry, [content], input);
  if (into !== null && content !== into) into.set(content);
  return content;
}

/** The first bytes of an entry, at most `length` of them, without looking at the rest. */
export function* readStart(entry: Entry, length: number, input: Input): Reading<Uint8Array> {
  const at = yield* contentAt(entry, input);
  const head = yield* take(at, Math.min(length, entry.packed));
  if (entry.method === STORED) return head;
  return yield { kind: 'inflate', data: head, size: -1 };
}

// ---- writing -------------------------------------------------------------------------------------------------------

/** What stands in an archive under a name. */
export interface Content {
  readonly name: string;
  readonly pieces: readonly Uint8Array[];
}

const MAX32 = 0xffffffff;
/** Tag of PyTorch's padding fields. */
const PADDING = 0x4246;
/** 1 January 1980: files of the same content are the same. */
const DATE = 0x21;

/** An archive of stored entries, in pieces; content begins at multiples of `alignment`, as memory maps want it. */
export function encodeZip(entries: readonly Content[], alignment: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, pieces: content } of entries) {
    const size = content.reduce((sum, piece) => sum + piece.length, 0);
    const record = { name: new TextEncoder().encode(name), crc: checksum(content), size, at };
    const header = localHeader(record, alignment);
    directory.push(centralRecord(record));
    pieces.push(header, ...content);
    at += header.length + size;
  }
  pieces.push(
    ...directory,
    endRecords(
      entries.length,
      directory.reduce((sum, r) => sum + r.length, 0),
      at,
    ),
  );
  return pieces;
}

interface RecordOf {
  readonly name: Uint8Array;
  readonly crc: number;
  readonly size: number;
  readonly at: number;
}

function localHeader({ name, crc, size, at }: RecordOf, alignment: number): Uint8Array {
  const wide = size >= MAX32 ? 20 : 0;
  const bare = LOCAL_BYTES + name.length + wide;
  const padding = 4 + ((alignment - ((at + bare + 4) % alignment)) % alignment);
  const bytes = new Uint8Array(bare + padding);
  const v = view(bytes);
  v.setUint32(0, LOCAL, true);
  v.setUint16(4, wide ? 45 : 20, true);
  v.setUint16(6, 0x800, true); // the name is UTF-8
  v.setUint16(12, DATE, true);
  v.setUint32(14, crc, true);
  v.setUint32(18, wide ? MAX32 : size, true);
  v.setUint32(22, wide ? MAX32 : size, true);
  v.setUint16(26, name.length, true);
  v.setUint16(28, wide + padding, true);
  bytes.set(name, LOCAL_BYTES);
  let extra = LOCAL_BYTES + name.length;
  if (wide) {
    v.setUint16(extra, 1, true);
    v.setUint16(extra + 2, 16, true);
    v.setBigUint64(extra + 4, BigInt(size), true);
    v.setBigUint64(extra + 12, BigInt(size), true);
    extra += wide;
  }
  v.setUint16(extra, PADDING, true);
  v.setUint16(extra + 2, padding - 4, true);
  return bytes;
}

function centralRecord({ name, crc, size, at }: RecordOf): Uint8Array {
  const wide = [...(size >= MAX32 ? [size, size] : []), ...(at >= MAX32 ? [at] : [])];
  const extra = wide.length > 0 ? 4 + 8 * wide.length : 0;
  const bytes = new Uint8Array(CENTRAL_BYTES + name.length + extra);
  const v = view(bytes);
  v.setUint32(0, CENTRAL, true);
  v.setUint16(4, extra ? 45 : 20, true);
  v.setUint16(6, extra ? 45 : 20, true);
  v.setUint16(8, 0x800, true);
  v.setUint16(14, DATE, true);
  v.setUint32(16, crc, true);
  v.setUint32(20, Math.min(size, MAX32), true);
  v.setUint32(24, Math.min(size, MAX32), true);
  v.setUint16(28, name.length, true);
  v.setUint16(30, extra, true);
  v.setUint32(42, Math.min(at, MAX32), true);
  bytes.set(name, CENTRAL_BYTES);
  if (extra) {
    v.setUint16(CENTRAL_BYTES + name.length, 1, true);
    v.setUint16(CENTRAL_BYTES + name.length + 2, extra - 4, true);
    wide.forEach((value, i) => v.setBigUint64(CENTRAL_BYTES + name.length + 4 + 8 * i, BigInt(value), true));
  }
  return bytes;
}

/** The end record, with the zip64 ones before it where something doesn't fit. */
function endRecords(count: number, length: number, at: number): Uint8Array {
  const wide = count >= 0xffff || length >= MAX32 || at >= MAX32;
  const bytes = new Uint8Array(END_BYTES + (wide ? END64_BYTES + LOCATOR_BYTES : 0));
  const v = view(bytes);
  if (wide) {
    v.setUint32(0, END64, true);
    v.setBigUint64(4, BigInt(END64_BYTES - 12), true);
    v.setUint16(12, 45, true);
    v.setUint16(14, 45, true);
    v.setBigUint64(24, BigInt(count), true);
    v.setBigUint64(32, BigInt(count), true);
    v.setBigUint64(40, BigInt(length), true);
    v.setBigUint64(48, BigInt(at), true);
    v.setUint32(END64_BYTES, LOCATOR64, true);
    v.setBigUint64(END64_BYTES + 8, BigInt(at + length), true);
    v.setUint32(END64_BYTES + 16, 1, true);
  }
  const end = bytes.length - END_BYTES;
  v.setUint32(end, END, true);
  v.setUint16(end + 8, Math.min(count, 0xffff), true);
  v.setUint16(end + 10, Math.min(count, 0xffff), true);
  v.setUint32(end + 12, Math.min(length, MAX32), true);
  v.setUint32(end + 16, Math.min(at, MAX32), true);
  return bytes;
}
