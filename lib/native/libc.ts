/** Which C library this process runs on: a binary made for the other one doesn't load. */
import { closeSync, openSync, readSync } from 'node:fs';

export type Libc = 'glibc' | 'musl';

const PT_INTERP = 3;

/**
 * The C library that a Linux program asks for, by the name of its dynamic linker, or null where it names none. So this holds
 * on every musl system, not on Alpine alone, and takes 0.05 ms, where `process.report` takes 4 and more.
 */
export function libcOfProgram(file: string): Libc | null {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    const linker = linkerOf(fd);
    return linker === null ? null : linker.includes('/ld-musl-') ? 'musl' : 'glibc';
  } catch {
    return null;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The interpreter that an ELF file of 64 bits, little-endian, asks for: what every processor with a prebuilt file has. */
function linkerOf(fd: number): string | null {
  const read = (at: number, bytes: number): Buffer => {
    const into = Buffer.alloc(bytes);
    return into.subarray(0, readSync(fd, into, 0, bytes, at));
  };
  const header = read(0, 64);
  if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return null;
  const size = header.readUInt16LE(54);
  const segments = read(Number(header.readBigUInt64LE(32)), size * header.readUInt16LE(56));
  for (let at = 0; at < segments.length; at += size) {
    if (segments.readUInt32LE(at) !== PT_INTERP) continue;
    return read(Number(segments.readBigUInt64LE(at + 8)), Number(segments.readBigUInt64LE(at + 32))).toString('latin1');
  }
  return null;
}

interface Report {
  header: { glibcVersionRuntime?: string };
  sharedObjects?: string[];
}

/** Node's report on itself, without the part that asks name servers; null where there is no such thing (Deno). */
function report(): Report | null {
  const reporter = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined;
  try {
    if (reporter) reporter.excludeNetwork = true;
    return (reporter?.getReport() as unknown as Report | undefined) ?? null;
  } catch {
    return null;
  }
}

/** This process's C library; null where that can't be told. */
export function libcOfProcess(): Libc | null {
  if (process.platform !== 'linux') return null;
  // Nothing is found where Node was linked statically, was started through its linker, or may not be read.
  const named = libcOfProgram(process.execPath);
  if (named !== null) return named;
  const about = report();
  if (about?.header.glibcVersionRuntime) return 'glibc';
  return about?.sharedObjects?.some((file) => file.includes('/ld-musl')) ? 'musl' : null;
}

/** The version of glibc that runs here, where it is glibc. */
export const glibcVersion = (): string | undefined => report()?.header.glibcVersionRuntime;
