/** Where the loader runs, as one object, so that its tests can give it another platform, C library or folder. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, machine } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { glibcVersion, libcOfProcess, type Libc } from './libc.js';

/** What the loader knows of where it runs. */
export interface Host {
  platform: string;
  arch: string;
  node: string;
  /** The package's folder. */
  root: string;
  /** TENFOLD_BINARY. */
  binary: string | undefined;
  libc(): Libc | null;
  glibcVersion(): string | undefined;
  /** The processor's architecture as the system calls it; not Node's own where Node is translated or of 32 bits. */
  machine(): string;
  load(file: string): unknown;
}

const require = createRequire(import.meta.url);

/** This process. */
export const here: Host = {
  platform: process.platform,
  arch: process.arch,
  node: process.version,
  // This module is lib/native/load.ts, or a part of dist/cjs/index.js: two folders below the package's.
  root: join(dirname(fileURLToPath(import.meta.url)), '..', '..'),
  binary: process.env.TENFOLD_BINARY,
  libc: libcOfProcess,
  glibcVersion,
  // Rosetta hides the processor from uname, but not its name.
  machine: () => (process.platform === 'darwin' && cpus()[0]?.model.startsWith('Apple') ? 'arm64' : machine()),
  load: require,
};

/** What there is in prebuilds/: `['linux-x64', ['tenfold.glibc.node', 'tenfold.musl.node']], …`. */
export function prebuilds(root: string): [folder: string, files: string[]][] {
  const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
  const folder = join(root, 'prebuilds');
  return list(folder).flatMap((platform): [string, string[]][] => {
    const files = list(join(folder, platform)).filter((file) => file.endsWith('.node'));
    return files.length > 0 ? [[platform, files]] : [];
  });
}
