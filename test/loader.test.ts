/**
 * The loader of the native library: what it picks, and what it says where it can't. Platforms, C libraries and folders are
 * given to it; the files are real ones, made wrong as they go wrong in the field.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { TenfoldError } from '../lib/errors.js';
import { madeFor } from '../lib/native/binary.js';
import { here, type Host } from '../lib/native/host.js';
import { glibcVersion, libcOfProcess, libcOfProgram } from '../lib/native/libc.js';
import { loadAddon } from '../lib/native/load.js';

const built = join(dirname(fileURLToPath(import.meta.url)), '..', 'build', 'Release', 'tenfold.node');

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** An installed package with these files, each of its content. */
function packageWith(files: Record<string, string | Buffer> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'tenfold-package-'));
  folders.push(root);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  }
  return root;
}

/** A Linux machine with glibc, unless said otherwise; loading returns the file's path from the package on. */
const machine = (changes: Partial<Host>): Host => ({
  platform: 'linux',
  arch: 'x64',
  node: 'v20.17.0',
  root: packageWith(),
  binary: undefined,
  libc: () => 'glibc',
  glibcVersion: () => '2.36',
  machine: () => 'x86_64',
  load: (file) => file,
  ...changes,
});

/** What the loader takes on this machine. */
const picks = (host: Host): string => (loadAddon(host) as unknown as string).slice(host.root.length + 1);

function messageOf(changes: Partial<Host>): string {
  try {
    loadAddon(machine(changes));
  } catch (error) {
    expect(error).toBeInstanceOf(TenfoldError);
    expect((error as TenfoldError).code).toBe('native');
    return (error as Error).message;
  }
  throw new Error('the loader found something to load');
}

describe('picks', () => {
  const all = [
    'darwin-arm64/tenfold.node',
    'linux-arm64/tenfold.armv8.glibc.node',
    'linux-arm64/tenfold.armv8.musl.node',
    'linux-x64/tenfold.glibc.node',
    'linux-x64/tenfold.musl.node',
    'win32-x64/tenfold.node',
  ];
  const root = packageWith(Object.fromEntries(all.map((file) => [`prebuilds/${file}`, ''])));
  test.each([
    ['linux', 'x64', 'glibc', 'linux-x64/tenfold.glibc.node'],
    ['linux', 'x64', 'musl', 'linux-x64/tenfold.musl.node'],
    ['linux', 'arm64', 'glibc', 'linux-arm64/tenfold.armv8.glibc.node'],
    ['linux', 'arm64', 'musl', 'linux-arm64/tenfold.armv8.musl.node'],
    ['win32', 'x64', null, 'win32-x64/tenfold.node'],
    ['darwin', 'arm64', null, 'darwin-arm64/tenfold.node'],
  ] as const)('for %s %s %s', (platform, arch, libc, file) => {
    expect(picks(machine({ root, platform, arch, libc: () => libc }))).toBe(join('prebuilds', file));
  });

  test('one after the other where the C library is unknown', () => {
    const load = (file: string): unknown => {
      if (file.includes('glibc')) throw new Error('no');
      return file;
    };
    expect(picks(machine({ root, libc: () => null, load }))).toBe(join('prebuilds', 'linux-x64', 'tenfold.musl.node'));
  });

  test('what TENFOLD_BINARY names, and nothing else', () => {
    expect(loadAddon(machine({ root, binary: '/opt/tenfold.node' }))).toBe('/opt/tenfold.node');
    expect(messageOf({ root, binary: '/opt/tenfold.node', load: here.load })).toMatch(
      /Looked for {2}\/opt\/tenfold\.node, which TENFOLD_BINARY names[^]*What to do {2}There is no such file\./,
    );
  });

  test('the local build, in a checkout only', () => {
    const files = { 'build/Release/tenfold.node': '', 'prebuilds/linux-x64/tenfold.glibc.node': '' };
    const checkout = packageWith({ ...files, 'CMakeLists.txt': '' });
    expect(picks(machine({ root: checkout }))).toBe(join('build', 'Release', 'tenfold.node'));
    expect(picks(machine({ root: packageWith(files) }))).toBe(join('prebuilds', 'linux-x64', 'tenfold.glibc.node'));
  });
});

describe('says', () => {
  const two = { 'prebuilds/linux-x64/tenfold.glibc.node': '', 'prebuilds/darwin-arm64/tenfold.node': '' };

  test('that the files were dropped', () => {
    const root = packageWith();
    expect(messageOf({ root })).toBe(
      [
        'tenfold: its native library could not be loaded.',
        '  Looked for  a library for linux-x64 with glibc (Node v20.17.0)',
        `  Found       nothing in ${join(root, 'prebuilds')}`,
        `  What to do  ${join(root, 'prebuilds')} is missing or empty. Either the installation dropped it: Install the ` +
          'package again, for this very system: `npm install tenfold`. Or the package was bundled into another file, or ' +
          'copied without it: tell the bundler to leave it alone (esbuild: --external:tenfold, webpack: externals, Next.js: ' +
          'serverExternalPackages), and deploy node_modules/tenfold whole.',
      ].join('\n'),
    );
  });

  test('that a checkout is not built', () => {
    expect(messageOf({ root: packageWith({ 'CMakeLists.txt': '' }) })).toContain('`npm run build` builds it');
  });

  test('that the platform is not supported', () => {
    const message = messageOf({ root: packageWith(two), platform: 'sunos', machine: () => 'i86pc' });
    expect(message).toContain('Looked for  a library for sunos-x64 (Node v20.17.0)');
    expect(message).toContain('Found       darwin-arm64/tenfold.node, linux-x64/tenfold.glibc.node in ');
    expect(message).toContain('What to do  sunos-x64 is not supported.');
  });

  test('that Node is for another architecture than the machine', () => {
    const message = messageOf({ root: packageWith(two), platform: 'darwin', machine: () => 'arm64' });
    expect(message).toContain(
      'This is a Node for x64 on a machine whose processor is arm64: install Node for darwin-arm64.',
    );
    expect(messageOf({ root: packageWith(two), arch: 'ia32' })).toContain('install Node for linux-x64');
  });

  test('that there is none for this C library', () => {
    const message = messageOf({ root: packageWith(two), libc: () => 'musl' });
    expect(message).toContain('a library for linux-x64 with musl');
    expect(message).toContain('What to do  There is none for musl.');
  });

  test('that a file is no library', () => {
    const root = packageWith({
      'prebuilds/linux-x64/tenfold.glibc.node': 'version https://git-lfs.github.com/spec/v1\n',
    });
    const message = messageOf({ root, load: here.load });
    expect(message).toContain(`Tried       ${join(root, 'prebuilds', 'linux-x64', 'tenfold.glibc.node')}`);
    expect(message).toContain('It is no native library (43 bytes)');
  });

  test.runIf(process.platform === 'linux' && process.arch === 'x64')('that a file is for another processor', () => {
    const other = readFileSync(built);
    other.writeUInt16LE(183, 18); // e_machine of the ELF header: AArch64
    const root = packageWith({ 'prebuilds/linux-x64/tenfold.glibc.node': other });
    expect(messageOf({ root, load: here.load })).toContain('It was made for linux-arm64, and this Node is linux-x64.');
  });

  test.runIf(glibcVersion())('that glibc is too old', () => {
    // A version that no glibc has yet, in place of one that the file asks for.
    const newer = readFileSync(built);
    const wanted = /GLIBC_2\.(\d+)\0/.exec(newer.toString('latin1'))!;
    newer.write('9', wanted.index + 'GLIBC_'.length, 'latin1');
    const root = packageWith({ [`prebuilds/linux-${process.arch}/tenfold.glibc.node`]: newer });
    const message = messageOf({ root, arch: process.arch, load: here.load, glibcVersion });
    expect(message).toContain(`version \`GLIBC_9.${wanted[1]!}' not found`);
    expect(message).toContain(`This system's glibc is ${glibcVersion()!}; the library needs 9.${wanted[1]!}.`);
  });

  // Messages as other systems word them; the files are whole.
  const failing = (message: string, code?: string): string => {
    const root = packageWith();
    const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
    mkdirSync(folder, { recursive: true });
    copyFileSync(built, join(folder, 'tenfold.node'));
    const load = (file: string): never => {
      throw Object.assign(new Error(message.replace('FILE', file)), { code });
    };
    return messageOf({ root, platform: process.platform, arch: process.arch, load });
  };
  test.each([
    ['a folder that may not hold programs', 'FILE: failed to map segment from shared object', 'mounted noexec'],
    ['musl under glibc', 'libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory', 'another C library'],
    ['glibc under musl', 'Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by FILE)', 'another C library'],
    ['a missing system library', 'libgcc_s.so.1: cannot open shared object file: No such file or directory', 'libgcc_s.so.1 is missing'],
    ['one missing on musl', 'Error loading shared library libstdc++.so.6: No such file or directory (needed by FILE)', 'libstdc++.so.6 is missing'],
    ['a C++ runtime that is too old', "/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by FILE)", 'GLIBCXX_3.4.30'],
    ['a Node that is too old', 'FILE: undefined symbol: node_api_symbol_for', 'has no node_api_symbol_for'],
  ])('what is wrong: %s', (_, thrown, said) => {
    const message = failing(thrown);
    expect(message).toContain(thrown.replace('FILE: ', '').slice(0, 30));
    expect(message).toContain(said);
  }); // prettier-ignore

  test('that the processor is too old', () => {
    const message = failing('this processor lacks instructions that tenfold needs', 'UnsupportedProcessor');
    expect(message).toContain('No binary for older processors exists.');
  });
});

describe.runIf(process.platform === 'linux')('the C library', () => {
  test('of this process', () => {
    const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    expect(libcOfProcess()).toBe(report.header.glibcVersionRuntime ? 'glibc' : 'musl');
  });

  test("of a program, by its dynamic linker's name", () => {
    /** An ELF header, one segment at its end, and far behind, as patchelf leaves it, the name that it points to. */
    const program = (linker: string): string => {
      const elf = Buffer.alloc(9000);
      elf.write('\x7fELF\x02\x01', 'latin1');
      elf.writeBigUInt64LE(64n, 32);
      elf.writeUInt16LE(56, 54);
      elf.writeUInt16LE(1, 56);
      elf.writeUInt32LE(linker === '' ? 1 : 3, 64);
      elf.writeBigUInt64LE(8192n, 72);
      elf.writeBigUInt64LE(BigInt(linker.length + 1), 96);
      elf.write(linker, 8192);
      return join(packageWith({ program: elf }), 'program');
    };
    expect(libcOfProgram(process.execPath)).toBe(libcOfProcess());
    expect(libcOfProgram(program('/lib/ld-musl-x86_64.so.1'))).toBe('musl');
    expect(libcOfProgram(program('/lib64/ld-linux-x86-64.so.2'))).toBe('glibc');
    expect(libcOfProgram(program('/nix/store/x-glibc-2.38/lib/ld-linux-aarch64.so.1'))).toBe('glibc');
    expect(libcOfProgram(program(''))).toBeNull();
    expect(libcOfProgram('/no/such/program')).toBeNull();
    expect(libcOfProgram(join(packageWith({ short: '\x7fELF' }), 'short'))).toBeNull();
  });
});

test('what a file was made for', () => {
  expect(madeFor(process.execPath)).toEqual({ platform: process.platform, arch: process.arch });
  const pe = Buffer.alloc(512);
  pe.write('MZ');
  pe.writeUInt32LE(128, 0x3c);
  pe.write('PE', 128);
  pe.writeUInt16LE(0x8664, 132);
  const mach = Buffer.alloc(512);
  mach.writeUInt32LE(0xfeedfacf);
  mach.writeUInt32LE(0x0100000c, 4);
  const folder = packageWith({ pe, mach, text: 'text' });
  expect(madeFor(join(folder, 'pe'))).toEqual({ platform: 'win32', arch: 'x64' });
  expect(madeFor(join(folder, 'mach'))).toEqual({ platform: 'darwin', arch: 'arm64' });
  expect(madeFor(join(folder, 'text'))).toBeNull();
});

test('a library that is loaded twice is one library', () => {
  const first = loadAddon(machine({ binary: built, load: createRequire(import.meta.url) }));
  expect(loadAddon(machine({ binary: built, load: createRequire(import.meta.url) }))).toBe(first);
});

test('an instruction set that there is not', () => {
  const { status, stderr } = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', built], {
    env: { ...process.env, TENFOLD_TARGET: 'avx9' },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/TENFOLD_TARGET is 'avx9'; this processor and this binary have \w+/);
});
