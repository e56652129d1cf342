/**
 * What a prebuild needs from outside, fetched once into build/cache by the ordinary clients (apt, npm, pip): packages of this
 * system, Debian packages unpacked into a folder (another release's or another architecture's, without changing anything of
 * this machine's apt), npm packages, Python wheels.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync } from 'node:fs';
import { rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { SetupError, aptInstall, aptPrefix, onPath, root } from '../setup.mjs';

const cache = join(root, 'build', 'cache');

/** Runs a command and returns what it prints; a failure shows what it said. */
export function output(command, args, { env = {}, cwd = root } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  if (result.status !== 0) {
    const why = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
    throw new SetupError(`\`${command} ${args.join(' ')}\` failed:\n${why}`);
  }
  return result.stdout;
}

/** Fills a folder of the cache by `fill(folder)` unless that was done before; returns it. Half of one is never left. */
function cached(name, fill) {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  fill(partial);
  renameSync(partial, folder);
  return folder;
}

// ---- this system's packages -------------------------------------------------------------------------------------------

/** Sees to commands, or programs by their paths, by installing the Debian packages that hold them: `{ command: package }`. */
export function ensureCommands(wanted) {
  const there = (command) => (command.startsWith('/') ? existsSync(command) : onPath(command));
  const missing = () => Object.entries(wanted).flatMap(([command, name]) => (there(command) ? [] : [name]));
  const packages = [...new Set(missing())];
  if (packages.length === 0) return;
  const prefix = aptPrefix();
  if (prefix !== null) {
    console.log(`prebuilds: installing ${packages.join(' ')}`);
    aptInstall(prefix, packages);
  }
  if (missing().length === 0) return;
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  throw new SetupError(
    `commands are missing: ${Object.keys(wanted)
      .filter((command) => !there(command))
      .join(', ')}\n` +
      `Install them on a Debian machine with:\n  ${sudo}apt-get install -y --no-install-recommends ${packages.join(' ')}`,
  );
}

// ---- Debian packages, unpacked ----------------------------------------------------------------------------------------

/** The Debian mirror that this machine's own apt uses. */
function debianMirror() {
  if (process.env.TENFOLD_DEBIAN_MIRROR) return process.env.TENFOLD_DEBIAN_MIRROR;
  const targets = output('apt-get', ['indextargets', '--format', '$(IDENTIFIER) $(LABEL) $(REPO_URI)']);
  const mirror = /^Packages Debian (\S+)$/m.exec(targets)?.[1];
  if (mirror) return mirror;
  throw new SetupError(
    "this machine's apt knows no Debian mirror. Run `apt-get update`, or, where it isn't Debian, set TENFOLD_DEBIAN_MIRROR",
  );
}

export const thisDebian = () => /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];

/** Absolute links inside an unpacked system lead out of it; made relative, they stay. */
function makeLinksRelative(system) {
  for (const entry of readdirSync(system, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(entry.parentPath ?? entry.path, entry.name);
    const target = readlinkSync(link);
    if (!target.startsWith('/')) continue;
    unlinkSync(link);
    symlinkSync(relative(dirname(link), join(system, target)), link);
  }
}

/**
 * Debian packages of a release, for an architecture (amd64, arm64), unpacked into a folder that is named after the first.
 * apt runs with a configuration of its own: its signatures are checked, and this machine's package lists aren't touched.
 */
export function debian(suite, arch, packages) {
  return cached(join('debian', `${suite}-${arch}-${packages[0]}`), (folder) => {
    console.log(`prebuilds: fetching ${packages.join(' ')} (${arch}, Debian ${suite})`);
    const apt = join(folder, 'apt');
    for (const sub of ['lists/partial', 'archives/partial']) mkdirSync(join(apt, sub), { recursive: true });
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
    writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${keyring}] ${debianMirror()} ${suite} main\n`);
    writeFileSync(join(apt, 'status'), '');
    writeFileSync(
      join(apt, 'apt.conf'),
      [
        `Dir::Etc::sourcelist "${apt}/sources.list"`,
        'Dir::Etc::sourceparts "-"',
        `Dir::State::status "${apt}/status"`,
        `Dir::State::lists "${apt}/lists"`,
        `Dir::Cache "${apt}"`,
        `APT::Architecture "${arch}"`,
        `APT::Architectures "${arch}"`,
        'APT::Sandbox::User "root"',
      ].join(';\n') + ';\n',
    );
    const env = { APT_CONFIG: join(apt, 'apt.conf') };
    output('apt-get', ['update'], { env });
    output('apt-get', ['download', ...packages], { env, cwd: apt });
    for (const deb of readdirSync(apt).filter((name) => name.endsWith('.deb'))) {
      output('dpkg-deb', ['--extract', join(apt, deb), folder]);
    }
    rmSync(apt, { recursive: true });
    makeLinksRelative(folder);
  });
}

/** musl's C library, which is its loader too, for x64 or arm64, of a Debian release: bookworm has 1.2.3, trixie 1.2.5. */
export function muslLoader(arch, suite) {
  const [debianArch, machine] = { x64: ['amd64', 'x86_64'], arm64: ['arm64', 'aarch64'] }[arch];
  const system = debian(suite, debianArch, ['musl']);
  const [found] = ['lib', 'usr/lib']
    .map((folder) => join(system, folder, `ld-musl-${machine}.so.1`))
    .filter(existsSync);
  return found;
}

// ---- npm packages and Python wheels -----------------------------------------------------------------------------------

/** An npm package, unpacked. */
export function npmPackage(name, version) {
  const folder = cached(join('npm', `${name}-${version}`), (into) => {
    console.log(`prebuilds: fetching ${name} ${version} from npm`);
    output('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', into]);
    output('tar', ['-xzf', readdirSync(into).find((file) => file.endsWith('.tgz'))], { cwd: into });
  });
  return join(folder, 'package');
}

/** A Python wheel for a platform, unpacked. wheels.txt says which version, and the hashes that pip holds it to. */
export function wheel(name, platform) {
  const requirement = readFileSync(join(root, 'scripts', 'prebuilds', 'wheels.txt'), 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${name}==`));
  const [nameAndVersion] = requirement.split(' ');
  return cached(join('wheels', `${nameAndVersion}-${platform}`), (into) => {
    console.log(`prebuilds: fetching ${nameAndVersion} (${platform}) with pip`);
    ensureCommands({ pip3: 'python3-pip' });
    writeFileSync(join(into, 'requirements.txt'), requirement);
    const choice = ['--require-hashes', '--only-binary=:all:', '--no-deps', '--platform', platform];
    output('pip3', ['download', '--quiet', ...choice, '-r', join(into, 'requirements.txt'), '-d', into]);
    const file = readdirSync(into).find((entry) => entry.endsWith('.whl'));
    output('python3', ['-m', 'zipfile', '-e', join(into, file), into]);
    rmSync(join(into, file));
  });
}

/** A folder with Zig's compilers for a target, such as x86_64-linux-musl: programs that a build system can call. */
export function zigTools(target) {
  const zig = executable(wheel('ziglang', 'manylinux2010_x86_64'), 'ziglang', 'zig');
  return cached(join('zig', target), (into) => {
    for (const [name, command] of [
      ['cc', `cc -target ${target}`],
      ['c++', `c++ -target ${target}`],
      ['dlltool', 'dlltool'],
    ]) {
      const keep = `ZIG_GLOBAL_CACHE_DIR='${join(cache, 'zig', 'cache')}'`;
      const script = `#!/bin/sh\nexport ${keep} ZIG_LOCAL_CACHE_DIR="$ZIG_GLOBAL_CACHE_DIR"\nexec '${zig}' ${command} "$@"\n`;
      writeFileSync(join(into, name), script, { mode: 0o755 });
    }
  });
}

/** A program inside a fetched folder; zip archives don't keep the permission to run it. */
export function executable(...path) {
  const file = join(...path);
  chmodSync(file, 0o755);
  return file;
}
