/** What a native library was made for, as its first bytes say; for messages about one that doesn't load. */
import { closeSync, openSync, readSync } from 'node:fs';

const ELF_MACHINES: Record<number, string> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' };
const PE_MACHINES: Record<number, string> = { 0x14c: 'ia32', 0x8664: 'x64', 0xaa64: 'arm64' };
const MACH_CPUS: Record<number, string> = { 0x01000007: 'x64', 0x0100000c: 'arm64' };

/** `{ platform: 'linux', arch: 'arm64' }`, with Node's words; null for a file that is no native library. */
export function madeFor(file: string): { platform: string; arch: string } | null {
  const head = Buffer.alloc(4096);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  if (head.toString('latin1', 0, 4) === '\x7fELF') {
    return { platform: 'linux', arch: ELF_MACHINES[head.readUInt16LE(18)] ?? 'another processor' };
  }
  if (head.readUInt32LE(0) === 0xfeedfacf) {
    return { platform: 'darwin', arch: MACH_CPUS[head.readUInt32LE(4)] ?? 'another processor' };
  }
  const pe = head.readUInt32LE(0x3c); // where the PE header is, behind the stub for DOS
  if (head.toString('latin1', 0, 2) === 'MZ' && pe + 6 <= head.length && head.readUInt32LE(pe) === 0x4550) {
    return { platform: 'win32', arch: PE_MACHINES[head.readUInt16LE(pe + 4)] ?? 'another processor' };
  }
  return null;
}
