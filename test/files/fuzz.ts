/**
 * Mutated files, to be read or refused: no crash, no hang, memory in proportion to the file, and where a format has
 * checksums, nothing accepted that differs. The tests run some; as a program it runs as many as asked for and says what it
 * saw:
 *
 *     npm run fuzz:files -- --count 20000 --seed 1
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TenfoldError, load } from '../../lib/index.js';
import { encodeZip, readContent, readDirectory, type Entry } from '../../lib/serialization/zip.js';
import { readBytes } from '../../lib/serialization/source.js';
import { refusing, type Input } from '../../lib/serialization/reading.js';
import { describe } from './describe.js';

const SLOW_MS = 2000;
/** Beside 4 times the file: what a load takes in any case (a slab, the objects of a checkpoint). */
const SLACK_BYTES = 16 << 20;

/** mulberry32: the same files for a seed. */
export function random(seed: number): (below: number) => number {
  let a = seed >>> 0;
  return (below) => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
type Random = (below: number) => number;

const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
];

/** One change: bytes set, cut out, doubled, put in, moved; sizes made extreme. */
function mutateOnce(file: Buffer, r: Random): Buffer {
  if (file.length === 0) return Buffer.from([r(256)]);
  const at = r(file.length);
  const length = 1 + r(Math.min(64, file.length - at));
  switch (r(8)) {
    case 0:
    case 1: {
      const out = Buffer.from(file);
      for (let i = 0, n = 1 + r(4); i < n; i++) out[r(out.length)] = r(256);
      return out;
    }
    case 2:
      return file.subarray(0, at);
    case 3:
      return Buffer.concat([file.subarray(0, at), file.subarray(at + length)]);
    case 4:
      return Buffer.concat([file.subarray(0, at + length), file.subarray(at)]);
    case 5:
      return Buffer.concat([
        file.subarray(0, at),
        Buffer.from(Array.from({ length }, () => r(256))),
        file.subarray(at),
      ]);
    case 6: {
      const out = Buffer.from(file);
      out.copyWithin(r(file.length), at, at + length);
      return out;
    }
    default: {
      const out = Buffer.from(file);
      const width = [1, 2, 4, 8][r(4)]!;
      if (at + width > out.length) return out;
      let value = EXTREMES[r(EXTREMES.length)]!;
      for (let i = 0; i < width; i++, value >>= 8n) out[at + i] = Number(value & 255n);
      return out;
    }
  }
}
function mutate(file: Buffer, r: Random): Buffer {
  let out = file;
  for (let n = 1 + r(3); n > 0; n--) out = mutateOnce(out, r);
  return out;
}

/** Changes what is in an archive and makes its checksums right again, so that the readers behind the archive see it. */
function mutateInside(file: Buffer, r: Random): Buffer {
  const refuse = refusing('fuzz', 'the seed');
  const input: Input = { size: file.length, path: null, refuse, limits: { maxBytes: 2 ** 30, checksums: true } };
  const entries = [...readBytes(readDirectory(input), file, refuse).values()];
  const content = (entry: Entry): Uint8Array => readBytes(readContent(entry, input), file, refuse);
  const likely = entries.findIndex((e) => /\.pkl$|\.npy$/.test(e.name));
  const chosen = r(4) > 0 ? likely : r(entries.length);
  return Buffer.concat(
    encodeZip(
      entries.map((entry, i) => ({
        name: entry.name,
        pieces: [i === chosen ? mutate(Buffer.from(content(entry)), r) : content(entry)],
      })),
      64,
    ),
  );
}

interface Reader {
  readonly files: readonly string[];
  readonly mutate: (file: Buffer, r: Random) => Buffer;
  /** Whether damage always shows. */
  readonly checked: boolean;
}
export const READERS: Readonly<Record<string, Reader>> = {
  pt: { files: ['everything.pt', 'shared.pt', 'adam.pt'], mutate, checked: true },
  'pt with right checksums': {
    files: ['everything.pt', 'shared.pt', 'everything-protocol4.pt', 'everything-protocol5.pt'],
    mutate: mutateInside,
    checked: false,
  },
  'pt before 1.6': { files: ['everything-legacy.pt', 'old-shared-legacy.pt'], mutate, checked: false },
  npy: { files: ['f4.npy', 'fortran.npy', 'big.npy', 'version3.npy'], mutate, checked: false },
  npz: { files: ['stored.npz', 'deflated.npz'], mutate, checked: true },
  'npz with right checksums': { files: ['stored.npz'], mutate: mutateInside, checked: false },
  safetensors: { files: ['../python.safetensors'], mutate, checked: false },
};

/** What a run has seen. */
export interface Outcome {
  files: number;
  refused: number;
  slowestMs: number;
  /** The most memory, less 4 times the file's size. */
  mostBytes: number;
  faults: string[];
}

/** Reads `count` mutated files. Each fault names the seed that makes it again. */
export function fuzz(name: string, count: number, seed: number): Outcome {
  const reader = READERS[name]!;
  const folder = new URL('../fixtures/files/', import.meta.url);
  const files = reader.files.map((file) => readFileSync(new URL(file, folder)));
  const originals = files.map((file) => JSON.stringify(describe(load(file))));
  const outcome: Outcome = { files: 0, refused: 0, slowestMs: 0, mostBytes: 0, faults: [] };
  for (let i = 0; i < count; i++) {
    const r = random(seed * 1_000_003 + i);
    const which = r(files.length);
    const bad = reader.mutate(files[which]!, r);
    const fault = (what: string): number => outcome.faults.push(`${name}, seed ${seed}, file ${i}: ${what}`);
    const before = process.memoryUsage();
    const start = performance.now();
    let value: unknown;
    let refused = true;
    try {
      value = load<unknown>(bad);
      refused = false;
    } catch (error) {
      if (!(error instanceof TenfoldError)) fault(String((error as Error).stack));
    }
    const ms = performance.now() - start;
    const after = process.memoryUsage();
    const grown = after.arrayBuffers - before.arrayBuffers + Math.max(0, after.heapUsed - before.heapUsed);
    outcome.files++;
    outcome.refused += refused ? 1 : 0;
    outcome.slowestMs = Math.max(outcome.slowestMs, ms);
    outcome.mostBytes = Math.max(outcome.mostBytes, grown - 4 * bad.length);
    if (ms > SLOW_MS) fault(`took ${Math.round(ms)} ms`);
    if (grown > 4 * bad.length + SLACK_BYTES) fault(`${bad.length} bytes took ${grown} bytes of memory`);
    if (!refused && reader.checked && JSON.stringify(describe(value)) !== originals[which])
      fault('accepted, and differs');
  }
  return outcome;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name: string, value: number): number => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? value : Number(process.argv[at + 1]);
  };
  let failed = false;
  for (const name of Object.keys(READERS)) {
    const { files, refused, slowestMs, mostBytes, faults } = fuzz(name, option('count', 2000), option('seed', 1));
    console.log(
      `${name}: ${files} files, ${refused} refused, the slowest took ${slowestMs.toFixed(1)} ms, ` +
        `the most memory was 4 times the file and ${(mostBytes / 1024).toFixed(0)} KB, ${faults.length} faults`,
    );
    for (const fault of faults.slice(0, 5)) console.log(`  ${fault}`);
    failed ||= faults.length > 0;
  }
  process.exitCode = failed ? 1 : 0;
}
