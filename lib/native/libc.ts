/** Which C library this process runs on: a binary made for the other one doesn't load. */
import { closeSync, openSync, readSync } from 'node:fs';

export type Libc = 'glibc' | 'musl';

/**
 * The C library that a Linux program asks for, by the name of the dynamic linker that stands in it, or null where none
 * does. Linkers write that name into the first page. So this holds on every musl system, not on Alpine alone, and takes
 * 0.05 ms, where `process.report` takes 4 and more.
 */
export function libcOfProgram(file: string): Libc | null {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    const page = Buffer.alloc(4096);
    const text = page.toString('latin1', 0, readSync(fd, page, 0, page.length, 0));
    const linker = /\/ld-(musl|linux)[^/\0]*\0/.exec(text);
    return linker === null ? null : linker[1] === 'musl' ? 'musl' : 'glibc';
  } catch {
    return null;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
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
  // Nothing is found where Node was linked statically, or moved by patchelf, or may not be read.
  const named = libcOfProgram(process.execPath);
  if (named !== null) return named;
  const about = report();
  if (about?.header.glibcVersionRuntime) return 'glibc';
  return about?.sharedObjects?.some((file) => file.includes('/ld-musl')) ? 'musl' : null;
}

/** The version of glibc that runs here, where it is glibc. */
export const glibcVersion = (): string | undefined => report()?.header.glibcVersionRuntime;
