/**
 * The platforms that have prebuilt binaries: how each is built on a Debian x64 machine, and how its binary is tried there
 * by a Node of that platform. To add one, add an entry and, for another compiler, a file in cmake/platforms.
 *
 *   system, arch, libc     as in process.platform, process.arch; libc on Linux
 *   commands               what the build needs of this machine: { command: Debian package }
 *   options()              CMake's options, as NAME=value
 *   strip                  the strip command for its binaries
 *   runners()              ways to run a program of that platform: { name, command, env?, node? }. `command` goes before the
 *                          program's name; `node` is its Node. The native tests run by the first one.
 */
import { join } from 'node:path';
import { root } from '../setup.mjs';
import { debian, executable, npmPackage, thisDebian } from './fetch.mjs';

const OLD_DEBIAN = 'bullseye'; // glibc 2.31; what is linked is held to GLIBC_FLOOR by check.mjs
const RUNTIME = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1']; // what a Node needs of a system

/** Versions of the npm packages that carry Node's binaries. */
const NODES = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const nodePackage = (platform, major) => join(npmPackage(`node-${platform}`, NODES[major]), 'bin');
const linuxNode = (arch, major) => executable(nodePackage(`linux-${arch}`, major), 'node');

const toolchain = (name) => `CMAKE_TOOLCHAIN_FILE=${join(root, 'cmake', 'platforms', `${name}.cmake`)}`;

/** Highway's headers in a folder of their own: /usr/include beside them would bring this machine's libc into cross builds. */
const highway = () => `HWY_INCLUDE=${join(debian(thisDebian(), 'amd64', ['libhwy-dev']), 'usr', 'include')}`;

/** The libc to link against. */
const oldLibc = (arch) => debian(OLD_DEBIAN, arch, ['libc6-dev', 'libc6', 'linux-libc-dev', 'libgcc-s1']);

/** Runs a program with the loader and the libraries of an unpacked system, as in a container of it. */
function inside(system, loader, multiarch) {
  const libraries = ['lib', 'usr/lib'].map((folder) => join(system, folder, multiarch)).join(':');
  return [join(system, loader), '--library-path', libraries];
}

export const PLATFORMS = {
  'linux-x64': {
    ...{ system: 'linux', arch: 'x64', libc: 'glibc', strip: 'strip' },
    commands: { 'g++': 'g++', strip: 'binutils' },
    options: () => [
      toolchain('linux-x64'),
      highway(),
      `TENFOLD_SYSROOT=${oldLibc('amd64')}`,
      'TENFOLD_BLAS=openblas', // Debian: libopenblas-pthread-dev
    ],
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
    options: () => [toolchain('linux-arm64'), highway(), `TENFOLD_SYSROOT=${oldLibc('arm64')}`],
    runners() {
      const qemu = ['qemu-aarch64-static', '-L', debian(OLD_DEBIAN, 'arm64', RUNTIME)];
      return [20, 24].map((major) => ({
        name: `qemu, Debian 11's libraries, Node ${NODES[major]}`,
        command: qemu,
        node: linuxNode('arm64', major),
      }));
    },
  },
};
