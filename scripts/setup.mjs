/**
 * Makes a fresh clone ready: system packages, npm packages, the native library, dist/. It depends on nothing but Node, so
 * that `npm start` and `npm test` can begin with it, and looks before it acts: with nothing to do it takes a fraction of a
 * second.
 *
 *   node scripts/setup.mjs           everything that running needs
 *   node scripts/setup.mjs --tests   and what the tests need: native_tests, clang-format
 *
 * What is up to date is told by content: npm's own record of what it installed against package-lock.json, and a hash of
 * the sources beside what was built from them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(root, ...parts);

/** A failure that the user can act on; printed without a stack. */
export class SetupError extends Error {}

const say = (line) => console.log(`tenfold: ${line}`);

// ---- processes --------------------------------------------------------------------------------------------------------

/** Runs a command in the foreground; true where it exits with 0. */
export function run(command, args, { env = {}, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: quiet ? 'ignore' : 'inherit',
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (result.signal) process.kill(process.pid, result.signal);
  return result.status === 0;
}

/** The script behind a command of an npm package, to be run by this same Node: no shell, no PATH. */
export function bin(name, command = name) {
  const manifest = JSON.parse(readFileSync(at('node_modules', name, 'package.json'), 'utf8'));
  const file = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[command];
  return at('node_modules', name, file);
}

/** Whether one of these commands is on the PATH. */
export function onPath(...commands) {
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return commands.some((c) => folders.some((folder) => suffixes.some((s) => existsSync(join(folder, c + s)))));
}

// ---- system packages --------------------------------------------------------------------------------------------------

const prefixes = [
  '/usr',
  '/usr/local',
  '/opt/homebrew',
  '/opt/local',
  ...(process.env.CMAKE_PREFIX_PATH ?? '').split(delimiter),
];
const header = (file) => prefixes.some((p) => p && existsSync(join(p, 'include', file)));

/** What the build needs from the system: how to see that it is there, and its package in Debian and elsewhere. */
const SYSTEM = [
  { what: 'CMake 3.22 or newer', apt: 'cmake', brew: 'cmake', found: () => onPath('cmake') },
  {
    what: 'a C++20 compiler',
    apt: 'g++',
    brew: 'llvm',
    found: () => process.platform === 'win32' || onPath('g++', 'clang++', 'c++') || Boolean(process.env.CXX),
  },
  {
    what: 'make or Ninja',
    apt: 'make',
    brew: 'ninja',
    found: () => process.platform === 'win32' || onPath('ninja', 'make'),
  },
  { what: "Google Highway's headers", apt: 'libhwy-dev', brew: 'highway', found: () => header('hwy/highway.h') },
  {
    what: "OpenBLAS's static library",
    apt: 'libopenblas-pthread-dev',
    found: () =>
      process.platform !== 'linux' ||
      process.arch !== 'x64' ||
      ['/usr/lib/x86_64-linux-gnu/openblas-pthread', '/usr/lib64', '/usr/lib', '/usr/local/lib'].some((folder) =>
        existsSync(join(folder, 'libopenblas.a')),
      ),
    without: 'all matrix products are our own',
  },
  {
    what: 'Gloo',
    apt: 'libgloo-dev',
    found: () => process.platform !== 'linux' || header('gloo/context.h'),
    without: 'tenfold/distributed is not built',
  },
  {
    what: 'clang-format 14',
    apt: 'clang-format-14',
    found: () => onPath('clang-format-14') || clangFormat() !== null,
    without: 'the formatting of native/ will not be checked',
    forTests: true,
  },
];

/** The clang-format of the one version whose output native/ is held to, or null: versions differ in what they print. */
export function clangFormat() {
  for (const command of ['clang-format-14', 'clang-format']) {
    const { stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    if (/version 14\./.test(stdout ?? '')) return command;
  }
  return null;
}

/** How apt-get can be run here: a command prefix, or null. Never hangs at a password prompt that nobody sees. */
export function aptPrefix() {
  if (process.platform !== 'linux' || !onPath('apt-get')) return null;
  if (process.getuid() === 0) return [];
  if (!onPath('sudo')) return null;
  if (run('sudo', ['-n', 'true'], { quiet: true })) return ['sudo', '-n'];
  return process.stdin.isTTY && process.stdout.isTTY && !process.env.CI ? ['sudo'] : null;
}

/** Installs packages of this system's own; true where that worked. */
export function aptInstall(prefix, packages) {
  const aptGet = (...args) => {
    const [command, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    return run(command, rest);
  };
  const install = () => aptGet('install', '-y', '--no-install-recommends', ...packages);
  // A fresh image has no package lists, and an old one has stale ones: a failure is worth one `update`.
  return install() || (aptGet('update') && install());
}

function ensureSystem(tests) {
  const lacking = () => SYSTEM.filter((s) => (tests || !s.forTests) && !s.found());
  let missing = lacking();
  if (missing.length === 0) return;
  const prefix = aptPrefix();
  if (prefix !== null) {
    // What is optional must not take down what is needed: it may not exist in this release.
    for (const group of [missing.filter((s) => !s.without), ...missing.filter((s) => s.without).map((s) => [s])]) {
      if (group.length === 0) continue;
      const packages = group.map((s) => s.apt);
      say(`installing ${packages.join(' ')}${prefix.length ? ' (sudo apt-get)' : ''}`);
      aptInstall(prefix, packages);
    }
    missing = lacking();
  }
  for (const s of missing.filter((m) => m.without)) say(`without ${s.what} (Debian: ${s.apt}), ${s.without}`);
  const needed = missing.filter((m) => !m.without);
  if (needed.length === 0) return;
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  throw new SetupError(
    `the native library can't be built here yet. Missing:\n${needed.map((s) => `  - ${s.what}`).join('\n')}\n` +
      'Install it, then run the same command again:\n' +
      `  Debian, Ubuntu   ${sudo}apt-get update && ${sudo}apt-get install -y ${missing.map((s) => s.apt).join(' ')}\n` +
      `  macOS            brew install ${needed.map((s) => s.brew).join(' ')}\n` +
      '  Elsewhere        CMake >= 3.22, a C++20 compiler, make or ninja, Google Highway >= 1.0.3 (headers)',
  );
}

// ---- npm packages -----------------------------------------------------------------------------------------------------

const json = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
};

/** Whether a package of the lock file belongs on this machine. */
function meantForHere({ os, cpu, libc }) {
  const allows = (list, mine) => !list || (list.includes(mine) && !list.includes(`!${mine}`));
  const glibc = process.platform === 'linux' && Boolean(process.report?.getReport().header.glibcVersionRuntime);
  return (
    allows(os, process.platform) && allows(cpu, process.arch) && (!libc || libc.includes(glibc ? 'glibc' : 'musl'))
  );
}

/** The first package that npm's record of node_modules hasn't as the lock file wants it, or null. */
function npmDifference() {
  const want = json(at('package-lock.json'))?.packages ?? {};
  const have = json(at('node_modules', '.package-lock.json'))?.packages ?? {};
  for (const [path, entry] of Object.entries(want)) {
    if (path === '' || entry.link) continue;
    const installed = have[path];
    if (!installed) {
      // Which optional ones fit is npm's to say; it leaves out what doesn't.
      if (!entry.optional) return path;
    } else if (
      installed.integrity !== entry.integrity ||
      !meantForHere(entry) || // node_modules came from another machine
      !existsSync(at(path, 'package.json'))
    ) {
      return path;
    }
  }
  return null;
}

export function ensureNpm() {
  if (npmDifference() === null) return;
  if (existsSync(at('node_modules')) && lstatSync(at('node_modules')).isSymbolicLink()) {
    throw new SetupError(
      'node_modules is a link, and lacks packages of package-lock.json: install them where it points',
    );
  }
  say('installing npm packages');
  // No package's install script is needed: esbuild and rollup come as optional packages, one for each platform.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const cli = process.env.npm_execpath;
  const ok = cli?.endsWith('npm-cli.js') ? run(process.execPath, [cli, ...args]) : run('npm', args);
  if (!ok) throw new SetupError('`npm ci` failed; its message is above');
  const lacking = npmDifference();
  if (lacking !== null)
    throw new SetupError(`after \`npm ci\`, ${lacking} is still missing: was npm told to omit packages?`);
}

// ---- builds -----------------------------------------------------------------------------------------------------------

function filesUnder(path) {
  const stat = lstatSync(at(path), { throwIfNoEntry: false });
  if (!stat) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(at(path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** A hash of the contents of files and folders, and of whatever else the result depends on. */
function hashOf(paths, ...rest) {
  const hash = createHash('sha256').update(JSON.stringify(rest));
  for (const file of paths.flatMap(filesUnder)) hash.update(`\0${file}\0`).update(readFileSync(at(file)));
  return hash.digest('hex');
}

/** Builds unless `outputs` are there and were built from just these inputs. */
function ensureBuilt(name, { inputs, outputs, build }) {
  const stamp = at('build', 'stamps', name);
  const fresh = outputs.every((f) => existsSync(at(f))) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs;
  if (fresh) return;
  build();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, inputs);
}

/** Compile jobs: one per core, as far as memory allows (a kernel source takes up to 1.5 GB). */
export const jobs = () => Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 1.5e9)));

const packageVersion = (name) => json(at('node_modules', name, 'package.json'))?.version;

/** What kernels are compiled for, as options of CMake: every instruction set beside the baseline (cmake/targets.cmake) … */
const ALL_SETS = ['-DTENFOLD_TARGETS=avx512;avx2', '-DTENFOLD_BASELINE=x86-64-v2'];
const only = (set, baseline) => [`-DTENFOLD_TARGETS=${set}`, `-DTENFOLD_BASELINE=${baseline}`];

/** … or the best that this processor has, alone, which is all that running needs: a third of the compiler's time. */
function ownSet() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return ALL_SETS;
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].split(' '));
  if (['avx512f', 'avx512dq', 'avx512cd', 'avx512bw', 'avx512vl'].every((f) => flags.has(f)))
    return only('avx512', 'x86-64-v4');
  const avx2 = ['avx2', 'fma', 'bmi1', 'bmi2', 'f16c', 'movbe', 'abm'].every((f) => flags.has(f));
  return avx2 ? only('avx2', 'x86-64-v3') : only('none', 'x86-64-v2');
}

/** Builds one target of CMakeLists.txt, with `sets` or more of the instruction sets; all targets share the kernels. */
function buildNative(target, output, sets) {
  const inputs = (compiled) =>
    hashOf(
      ['CMakeLists.txt', 'cmake', 'native'],
      ['cmake-js', 'node-api-headers', 'node-addon-api'].map(packageVersion),
      [root, process.platform, process.arch, process.env.CXX, process.env.CXXFLAGS, compiled],
    );
  const stamp = at('build', 'stamps', target);
  const whole = inputs(ALL_SETS);
  const hasAll = existsSync(stamp) && readFileSync(stamp, 'utf8') === whole;
  ensureBuilt(target, {
    inputs: hasAll ? whole : inputs(sets),
    outputs: [output],
    build() {
      const compiled = hasAll ? ALL_SETS : sets;
      say(`building ${output} (${jobs()} jobs; minutes the first time)`);
      const cache = at('build', 'cmake', 'CMakeCache.txt');
      // CMake refuses a build folder that was made elsewhere, as after a move or a copy.
      if (existsSync(cache) && !readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)) {
        rmSync(dirname(cache), { recursive: true });
      }
      const cmakeJs = (command, ...args) =>
        run(process.execPath, [bin('cmake-js'), command, '--log-level', 'warn', '--out', 'build/cmake', ...args]);
      const done =
        cmakeJs('configure', '--CDTENFOLD_TESTS=ON', ...compiled.map((option) => option.replace('-D', '--CD'))) &&
        cmakeJs('build', '--target', target, '--parallel', String(jobs()));
      if (!done) throw new SetupError(`${output} didn't build; the compiler's message is above`);
    },
  });
}

/** The addon of tenfold/distributed, where Gloo is. What doesn't build leaves the rest as good as it is. */
function buildDistributed() {
  const output = 'build/Release/tenfold_distributed.node';
  if (process.platform !== 'linux' || !header('gloo/context.h')) return;
  const headers = ['node-api-headers/include', 'node-addon-api'].map((folder) => at('node_modules', folder));
  ensureBuilt('tenfold_distributed', {
    inputs: hashOf(
      ['native/distributed', 'native/dtype.h'],
      ['node-api-headers', 'node-addon-api'].map(packageVersion),
      [root, process.arch, process.env.CXX, process.env.CXXFLAGS],
    ),
    outputs: [output],
    build() {
      say(`building ${output}`);
      const folder = at('build', 'distributed');
      rmSync(folder, { recursive: true, force: true });
      const options = [`-DNODE_API_INCLUDE=${headers.join(';')}`, `-DTENFOLD_OUT=${at('build', 'Release')}`];
      const built =
        run('cmake', ['-S', 'native/distributed', '-B', folder, '--log-level=WARNING', ...options]) &&
        run('cmake', ['--build', folder, '--parallel', String(jobs())]);
      if (!built) say(`${output} didn't build (see above): tenfold/distributed can't be used`);
    },
  });
}

/** lib/ into dist/, where that is to be done. */
export function buildLibrary() {
  ensureBuilt('dist', {
    inputs: hashOf(
      ['lib', 'tsconfig.json', 'tsconfig.build.json', 'scripts/library.mjs', 'scripts/declarations'],
      ['typescript', 'vite', 'rollup'].map(packageVersion),
    ),
    outputs: ['dist/cjs/index.js', 'dist/cjs/index.d.ts', 'dist/esm/index.js'],
    build() {
      say('compiling TypeScript');
      // A process of its own: its tools come with npm, which this file can do without.
      if (!run(process.execPath, ['scripts/library.mjs'])) throw new SetupError("lib/ didn't compile: see above");
    },
  });
}

/** Does what is to be done. `tests`: also for the tests; `all`: every instruction set, as they are. Throws SetupError. */
export function setup({ tests = false, all = tests } = {}) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new SetupError(`Node 20 or newer is needed; this is ${process.version}`);
  ensureSystem(tests);
  ensureNpm();
  const sets = all ? ALL_SETS : ownSet();
  buildNative('tenfold', 'build/Release/tenfold.node', sets);
  if (tests) buildNative('native_tests', 'build/cmake/native_tests', sets);
  buildDistributed();
  buildLibrary();
}

/** Runs `main` and turns a SetupError into a message and exit code 1. */
export function guarded(main) {
  try {
    return main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`tenfold: ${error.message}`);
    process.exit(1);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  guarded(() => setup({ tests: process.argv.includes('--tests') }));
}
