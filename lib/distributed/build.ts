/**
 * `npx tenfold build-distributed`: builds the native part of tenfold/distributed where the package is installed, with the Gloo of
 * this system. It needs CMake and a C++20 compiler; Node-API's headers come with the package.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DISTRIBUTED_BINARY, distributedFolder, loadDistributed } from '../native/distributed.js';
import { here } from '../native/host.js';

const HELP = `Usage: tenfold build-distributed [--out FOLDER]

Builds the native part of tenfold/distributed (${DISTRIBUTED_BINARY}) with this system's Gloo. Debian, Ubuntu:
  apt-get install -y libgloo-dev cmake g++ make

  --out FOLDER   where it goes, if not into the package; TENFOLD_DISTRIBUTED_BINARY must name the file then
  --help         this text`;

/** A failure that the user can act on. */
class BuildError extends Error {}

/** Folders with node_api.h and napi.h: those that are published, or a clone's. */
function headers(root: string): string[] {
  const published = join(root, 'dist', 'include');
  if (existsSync(published)) return [published];
  const modules = join(root, 'node_modules');
  return [join(modules, 'node-api-headers', 'include'), join(modules, 'node-addon-api')];
}

function cmake(...args: string[]): void {
  const { error, status } = spawnSync('cmake', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw new BuildError(`cmake isn't there (${error.message}): apt-get install -y cmake g++ make`);
  if (status !== 0) {
    throw new BuildError(
      'the build failed, its messages are above. If CMake found no Gloo: apt-get install -y libgloo-dev; if it found no compiler: g++',
    );
  }
}

/** Builds it into `folder`; the file. */
function build(folder: string): string {
  const { root, platform, arch } = here;
  if (platform !== 'linux') throw new BuildError(`tenfold/distributed runs on Linux only; this is ${platform}-${arch}`);
  const scratch = mkdtempSync(join(tmpdir(), 'tenfold-build-'));
  try {
    const includes = headers(root);
    cmake(
      ...['-S', join(root, 'native', 'distributed'), '-B', scratch, '--log-level=WARNING'],
      ...[`-DNODE_API_INCLUDE=${includes.join(';')}`, `-DTENFOLD_OUT=${folder}`],
    );
    cmake('--build', scratch, '--parallel', String(availableParallelism()));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return join(folder, DISTRIBUTED_BINARY);
}

/** Runs the command; its exit code. */
export function buildDistributed(args: readonly string[]): number {
  try {
    const { values } = parseArgs({ args: [...args], options: { out: { type: 'string' }, help: { type: 'boolean' } } });
    if (values.help) {
      process.stdout.write(HELP + '\n');
      return 0;
    }
    const file = build(values.out === undefined ? distributedFolder(here.root) : resolve(values.out));
    loadDistributed({ ...here }, file); // says what is wrong where it doesn't load
    process.stdout.write(`tenfold: built ${file}\n`);
    if (dirname(file) !== distributedFolder(here.root))
      process.stdout.write(`tenfold: it is loaded where TENFOLD_DISTRIBUTED_BINARY=${file} is set\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`tenfold: ${(error as Error).message}\n`);
    return 1;
  }
}
