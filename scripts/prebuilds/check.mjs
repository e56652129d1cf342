/**
 * Looks at a linked addon before it may go into the package. A .node can be linked with symbols missing, which then fails
 * at a user's `require`; here it fails the build.
 *
 *   node scripts/prebuilds/check.mjs prebuilds/linux-x64/tenfold.glibc.node …
 */
import { statSync } from 'node:fs';
import { basename, dirname, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SetupError, guarded, root } from '../setup.mjs';
import { muslLoader, output } from './fetch.mjs';

/** The newest glibc that a prebuilt binary may ask for: what Node's own binaries ask for. */
export const GLIBC_FLOOR = '2.28';
const MOST_BYTES = 8e6;

const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const isNodeApi = (symbol) => /^(napi|node_api)_\w+$/.test(symbol);

const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true });
const unique = (list) => [...new Set(list)];

// ---- what each format says --------------------------------------------------------------------------------------------

/** Each reader returns { needed, exported, floor, problems }: libraries, symbols, the least libc, what is wrong. */
const READERS = { linux: readElf, win32: readPe, darwin: readMachO };

/** System libraries that every glibc Linux that runs Node has. */
const GLIBC_LIBRARIES = /^(libc|libm|libdl|libpthread|librt|libgcc_s)\.so\.\d+$|^ld-linux-[\w-]+\.so\.\d+$/;
const MUSL_LIBRARIES = /^libc\.(so|musl-\w+\.so\.1)$/;

/** What musl 1.2.3 defines: its symbols carry no versions, so they are looked up. */
function muslSymbols(arch) {
  const text = output('nm', ['--dynamic', '--defined-only', muslLoader(arch, 'bookworm')]);
  return new Set([...text.matchAll(/ (\w+)$/gm)].map((m) => m[1]));
}

function readElf(file, { arch, libc }) {
  const problems = [];
  const libcSymbols = libc === 'musl' ? muslSymbols(arch) : null;
  const text = output('readelf', ['--wide', '--dynamic', '--dyn-syms', '--program-headers', file], {
    env: { LC_ALL: 'C' },
  });
  const needed = [...text.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((m) => m[1]);
  const symbols = [...text.matchAll(/^ *\d+: \w+ +\w+ +\w+ +(\w+) +\w+ +(\w+) (\S+)/gm)].map(
    ([, bind, section, name]) => {
      const [symbol, version = ''] = name.split(/@+/);
      return { symbol, version, local: bind === 'LOCAL', weak: bind === 'WEAK', undefined: section === 'UND' };
    },
  );
  const wanted = symbols.filter((s) => s.undefined && !isNodeApi(s.symbol));

  const allowed = libc === 'musl' ? MUSL_LIBRARIES : GLIBC_LIBRARIES;
  for (const library of needed) if (!allowed.test(library)) problems.push(`needs ${library}`);
  for (const { symbol, version, weak } of wanted) {
    const known = libcSymbols ? libcSymbols.has(symbol) : /^(GLIBC|GCC)_[\d.]+$/.test(version);
    if (!known && !weak) problems.push(`${symbol}${version && `@${version}`} is neither Node's nor libc's`);
  }
  const versions = wanted.flatMap((s) => /^GLIBC_([\d.]+)$/.exec(s.version)?.[1] ?? []).sort(byVersion);
  const floor = versions.at(-1);
  if (floor && byVersion(floor, GLIBC_FLOOR) > 0) {
    const newer = wanted.filter(
      (s) => byVersion(s.version, `GLIBC_${GLIBC_FLOOR}`) > 0 && s.version.startsWith('GLIBC_'),
    );
    problems.push(
      `needs glibc ${floor} for ${newer.map((s) => s.symbol).join(', ')}; at most ${GLIBC_FLOOR} is allowed`,
    );
  }
  const stack = /GNU_STACK.* (R?W?E?) +(?:0x)?\w+$/m.exec(text);
  if (!stack || stack[1].includes('E')) problems.push('has an executable stack');
  if (/TEXTREL/.test(text)) problems.push('has relocations in its code');
  if (/\((RPATH|RUNPATH)\)/.test(text)) problems.push('has a library search path');
  const exported = symbols.filter((s) => !s.undefined && !s.local).map((s) => s.symbol);
  return { needed, exported, floor: libc === 'musl' ? 'musl' : `glibc ${floor}`, problems };
}

/** DLLs that Windows 10 has: the C runtime is the universal one. */
const WINDOWS_LIBRARIES = /^(kernel32|ntdll|advapi32|msvcrt|ucrtbase|api-ms-win-[\w-]+|node)\.(dll|exe)$/i;

function readPe(file) {
  const problems = [];
  const text = output('objdump', ['--private-headers', file], { env: { LC_ALL: 'C' } });
  const needed = [...text.matchAll(/DLL Name: (\S+)/g)].map((m) => m[1]);
  for (const library of needed) if (!WINDOWS_LIBRARIES.test(library)) problems.push(`needs ${library}`);
  const imports = /DLL Name: node\.exe\n([^]*?)(\n\n|$)/i.exec(text)?.[1] ?? '';
  for (const [, name] of imports.matchAll(/^\s+\w+\s+(?:\d+|<none>)?\s*(?:\w{4}\s+)?(\w+)$/gm)) {
    if (!isNodeApi(name)) problems.push(`wants ${name} of Node, which is not Node-API`);
  }
  for (const flag of ['DYNAMIC_BASE', 'NX_COMPAT', 'HIGH_ENTROPY_VA']) {
    if (!text.includes(flag)) problems.push(`is linked without ${flag}`);
  }
  const names = /\[Ordinal\/Name Pointer\] Table[^\n]*\n([^]*?)\n\n/.exec(text)?.[1] ?? '';
  const exported = [...names.matchAll(/\[ *\d+\].* (\w+)$/gm)].map((m) => m[1]);
  return { needed, exported, floor: 'Windows 10', problems };
}

const MACOS_LIBRARIES =
  /^\/(usr\/lib\/lib(System|c\+\+|c\+\+abi)\.|System\/Library\/Frameworks\/Accelerate\.framework\/)/;

/** Runs on a Mac only: otool and nm are Apple's. */
function readMachO(file) {
  const problems = [];
  const needed = [...output('otool', ['-L', file]).matchAll(/^\t(\S+) \(/gm)]
    .map((m) => m[1])
    .filter((library) => basename(library) !== basename(file));
  for (const library of needed) if (!MACOS_LIBRARIES.test(library)) problems.push(`needs ${library}`);
  const exported = [...output('nm', ['-gU', file]).matchAll(/ _(\w+)$/gm)].map((m) => m[1]);
  const floor = /minos ([\d.]+)/.exec(output('otool', ['-l', file]))?.[1];
  return { needed: needed.map((path) => basename(path)), exported, floor: `macOS ${floor}`, problems };
}

// ---- verdict ----------------------------------------------------------------------------------------------------------

/** Reads one file of prebuilds/, whose path says what it is for: { file, bytes, floor, needed, problems }. */
export function inspect(file) {
  const [system, arch] = basename(dirname(file)).split('-');
  const libc = /\.(glibc|musl)\.node$/.exec(file)?.[1];
  if (!Object.hasOwn(READERS, system)) throw new SetupError(`${file} lies in no folder such as linux-x64`);
  const bytes = statSync(file).size;
  const { needed, exported, floor, problems } = READERS[system](file, { arch, libc });
  if (bytes > MOST_BYTES) problems.push(`is ${bytes} bytes, more than ${MOST_BYTES}`);
  for (const name of ENTRY_POINTS) if (!exported.includes(name)) problems.push(`doesn't export ${name}`);
  const others = exported.filter((name) => !ENTRY_POINTS.includes(name));
  if (others.length > 0)
    problems.push(`also exports ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}`);
  return { file, bytes, floor, needed, problems: unique(problems) };
}

/** Prints the rows as a table, then what is wrong; throws where something is. */
export function report(rows) {
  const table = [
    ['file', 'bytes', 'needs', 'libraries'],
    ...rows.map((r) => [
      relative(root, r.file).split(sep).join('/'),
      String(r.bytes),
      r.floor,
      unique(r.needed.map((name) => name.replace(/^api-ms-win-crt-.*/, 'ucrt'))).join(' '),
    ]),
  ];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
  const wrong = rows.flatMap((r) => r.problems.map((p) => `  ${relative(root, r.file)} ${p}`));
  if (wrong.length > 0) throw new SetupError(`not fit for the package:\n${wrong.join('\n')}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  guarded(() => {
    const files = process.argv.slice(2);
    if (files.length === 0) throw new SetupError('check.mjs: which files? e.g. prebuilds/linux-x64/tenfold.glibc.node');
    report(files.map((file) => inspect(file)));
  });
}
