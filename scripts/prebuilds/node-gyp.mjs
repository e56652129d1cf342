#!/usr/bin/env node
/**
 * Stands in for node-gyp when prebuildify runs: CMake, driven by cmake-js, builds instead, so CMakeLists.txt remains the only
 * list of sources, and neither Python nor Node's headers are needed. prebuildify runs it in a platform's build folder and
 * takes what it leaves in build/Release there. TENFOLD_CMAKE holds CMake's options as a JSON list.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, jobs, root, run } from '../setup.mjs';

const folder = process.cwd();
const cmake = join(folder, 'cmake');
const definitions = [
  ...JSON.parse(process.env.TENFOLD_CMAKE ?? '[]'),
  'TENFOLD_PORTABLE=ON',
  'TENFOLD_TESTS=ON',
  `TENFOLD_OUT=${join(folder, 'build', 'Release')}`,
];

// CMake keeps the first answer to many questions, the compiler's name first of all: other options, another start.
const stamp = join(folder, 'options.json');
const options = JSON.stringify(definitions, null, 1);
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== options) rmSync(cmake, { recursive: true, force: true });
writeFileSync(stamp, options);

const cmakeJs = (command, ...args) =>
  run(process.execPath, [
    ...[bin('cmake-js'), command, '--directory', root, '--out', cmake, '--log-level', 'warn'],
    ...['--arch', process.env.PREBUILD_ARCH ?? process.arch, '--config', 'Release'],
    ...args,
  ]);
const built =
  cmakeJs('configure', ...definitions.map((d) => `--CD${d}`)) &&
  cmakeJs('build', '--target', 'tenfold', '--parallel', String(jobs()));
process.exit(built ? 0 : 1);
