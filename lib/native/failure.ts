/**
 * What to tell somebody whose native library didn't load: what was looked for, what was found, how each candidate failed,
 * what that means and what to do. Nothing here runs where all is well.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { madeFor } from './binary.js';
import { prebuilds, type Host } from './host.js';

/** A file that was tried, and what loading it threw. */
export interface Failure {
  file: string;
  error: Error & { code?: string };
}

/** Node's words for what systems call their processors. */
const ARCHITECTURES: Record<string, string> = {
  x86_64: 'x64',
  amd64: 'x64',
  aarch64: 'arm64',
  arm64: 'arm64',
  i686: 'ia32',
};

const REINSTALL = 'Install the package again, for this very system: `npm install tenfold`.';
const FROM_SOURCE =
  'Building from a clone of the repository may work (`npm run build`); TENFOLD_BINARY=/path/to/tenfold.node then names the file to load.';

/** What a loader's message means. The first pattern that matches is it. */
const MEANINGS: [pattern: RegExp, advice: (match: RegExpMatchArray, host: Host) => string][] = [
  [
    /version [`'](GLIBC_)([\d.]+)' not found/,
    ([, , wanted], host) =>
      `This system's glibc is ${host.glibcVersion() ?? 'older'}; the library needs ${wanted!}. ` +
      `Use a newer system or container image. ${FROM_SOURCE}`,
  ],
  [
    /version [`']((?:GLIBCXX|CXXABI|GCC)_[\d.]+)' not found/,
    ([, wanted]) => `The library was built for a newer C++ runtime (${wanted!}) than this system has. ${FROM_SOURCE}`,
  ],
  [
    /undefined symbol: (napi_\w+|node_api_\w+)|(napi_\w+|node_api_\w+): symbol not found/,
    (match, host) =>
      `Node ${host.node} has no ${(match[1] ?? match[2])!}: a newer Node is needed, see "engines" in package.json.`,
  ],
  [
    /failed to map segment|cannot enable executable stack|code signature|library load disallowed/i,
    () =>
      'The system refuses to run code from this file: is its folder mounted noexec, or is a security policy in the way? ' +
      'A copy elsewhere can be named by TENFOLD_BINARY.',
  ],
  [
    /(?:^|[\s:(])((?:lib|ld-)[\w.+-]+\.so[\d.]*)(?:: cannot open shared object file|: invalid ELF header| \(needed by)|Error loading shared library ((?:lib|ld-)[^\s:]+)/,
    (match, host) => {
      const library = (match[1] ?? match[2])!;
      if (library.startsWith('ld-') || /^libc\.(so|musl)/.test(library))
        return `The file was made for another C library than this system's (${host.libc() ?? 'unknown'}). ${REINSTALL}`;
      return `The system library ${library} is missing: it comes with Debian's libgcc-s1 and libstdc++6, Alpine's libgcc and libstdc++.`;
    },
  ],
];

/** What is wrong with a file that was there to be loaded. */
function faultOf({ file, error }: Failure, host: Host): string {
  if (!existsSync(file)) return 'There is no such file.';
  if (statSync(file).isDirectory()) return 'That is a folder: name the file tenfold.node in it.';
  const made = madeFor(file);
  if (made === null)
    return `It is no native library (${statSync(file).size} bytes): was it cut short, or replaced by a Git LFS pointer? ${REINSTALL}`;
  if (made.platform !== host.platform || made.arch !== host.arch) {
    return `It was made for ${made.platform}-${made.arch}, and this Node is ${host.platform}-${host.arch}. ${REINSTALL}`;
  }
  // Such a processor runs no build of this library; the error has said why.
  if (error.code === 'UnsupportedProcessor') return 'No binary for older processors exists.';
  if (error.code === 'UnsupportedTarget') return 'Name one of those, or unset TENFOLD_TARGET: the best is chosen then.';
  for (const [pattern, advice] of MEANINGS) {
    const match = pattern.exec(error.message);
    if (match) return advice(match, host);
  }
  return REINSTALL;
}

/** Why there was no file to try. */
function nothingToTry(host: Host, found: [string, string[]][]): string {
  const { platform, arch, root } = host;
  if (existsSync(join(root, 'CMakeLists.txt'))) return 'In a checkout, `npm run build` builds it.';
  if (found.length === 0) {
    return (
      `${join(root, 'prebuilds')} is missing or empty. Either the installation dropped it: ${REINSTALL} ` +
      'Or the package was bundled into another file, or copied without it: tell the bundler to leave it alone ' +
      '(esbuild: --external:tenfold, webpack: externals, Next.js: serverExternalPackages), and deploy node_modules/tenfold whole.'
    );
  }
  const real = ARCHITECTURES[host.machine().toLowerCase()] ?? host.machine();
  if (found.some(([folder]) => folder === `${platform}-${arch}`)) {
    return `There is none for ${host.libc() ?? 'this C library'}. ${FROM_SOURCE}`;
  }
  if (real !== arch && found.some(([folder]) => folder === `${platform}-${real}`)) {
    return `This is a Node for ${arch} on a machine whose processor is ${real}: install Node for ${platform}-${real}.`;
  }
  return `${platform}-${arch} is not supported. ${FROM_SOURCE}`;
}

/** The message. `failures`: the candidates, in the order in which they were tried. */
export function explain(host: Host, failures: Failure[]): string {
  const { platform, arch, node, root, binary } = host;
  const libc = platform === 'linux' ? ` with ${host.libc() ?? 'an unknown C library'}` : '';
  const found = prebuilds(root);
  const lines = [
    'tenfold: its native library could not be loaded.',
    `  Looked for  ${binary ? `${binary}, which TENFOLD_BINARY names` : `a library for ${platform}-${arch}${libc}`} (Node ${node})`,
  ];
  if (!binary) {
    const files = found.flatMap(([folder, names]) => names.map((name) => `${folder}/${name}`)).join(', ');
    lines.push(`  Found       ${files || 'nothing'} in ${join(root, 'prebuilds')}`);
  }
  for (const failure of failures) {
    lines.push(`  Tried       ${failure.file}`);
    lines.push(`              ${failure.error.message.split('\n')[0]!.replace(`${failure.file}: `, '')}`);
    lines.push(`  What to do  ${faultOf(failure, host)}`);
  }
  if (failures.length === 0) lines.push(`  What to do  ${nothingToTry(host, found)}`);
  return lines.join('\n');
}
