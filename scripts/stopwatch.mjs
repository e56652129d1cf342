/**
 * What an installation costs, in figures: `npm run build && npm run prebuilds -- all`, then
 *
 *   node scripts/stopwatch.mjs                 of the working tree
 *   node scripts/stopwatch.mjs tenfold.tgz     of a tarball
 *
 * Each binary with its size (on disk, and as gzip packs it), the least libc it runs on, and the bytes that an installation
 * would have with no other; then, for this machine, the seconds of `npm install` in an empty folder, and the milliseconds
 * from `import` or `require` to the first tensor. Medians, each trial in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { inspect } from './prebuilds/check.mjs';
import { SetupError, guarded, root } from './setup.mjs';

const INSTALLS = 5;
const IMPORTS = 21;

const TO_FIRST_TENSOR = {
  import: "const t = performance.now(); const tf = await import('tenfold');",
  require: "const t = performance.now(); const tf = require('tenfold');",
};

function output(command, args, cwd) {
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', shell });
  if (status !== 0) throw new SetupError(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout.trim();
}

const folder = mkdtempSync(join(tmpdir(), 'tenfold-stopwatch-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
const trials = (count, trial) => median(Array.from({ length: count }, (_, i) => trial(i)));
const MB = (bytes) => (bytes / 1e6).toFixed(1);

function filesUnder(path) {
  return readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}
const bytesOf = (files) => files.reduce((sum, file) => sum + statSync(file).size, 0);

/** Installs in an empty folder of this number; the seconds that it took. */
function install(tarball, number) {
  const project = join(folder, String(number));
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{}');
  const start = performance.now();
  output('npm', ['install', tarball, '--no-audit', '--no-fund'], project);
  return (performance.now() - start) / 1000;
}

function toFirstTensor(way) {
  const program = `${TO_FIRST_TENSOR[way]} tf.tensor([1, 2]); console.log(performance.now() - t);`;
  const type = way === 'import' ? 'module' : 'commonjs';
  return Number(output(process.execPath, [`--input-type=${type}`, '-e', program], join(folder, '0')));
}

function print(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) console.log(`| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`);
}

guarded(() => {
  const given = process.argv[2];
  const pack = ['pack', root, '--ignore-scripts', '--loglevel=error', '--pack-destination', folder];
  const tarball = given ? resolve(given) : join(folder, output('npm', pack, root));
  const seconds = trials(INSTALLS, (i) => install(tarball, i));
  const installed = join(folder, '0', 'node_modules', 'tenfold');
  const all = filesUnder(installed);
  const binaries = all.filter((file) => file.endsWith('.node'));
  const rest = bytesOf(all) - bytesOf(binaries);

  print([
    ['file', 'MB', 'packed', 'needs', 'MB on disk with no other'],
    ['---', '---', '---', '---', '---'],
    ...binaries.map((file) => {
      const { bytes, floor } = inspect(file);
      const packed = gzipSync(readFileSync(file), { level: 9 }).length;
      const name = file.slice(join(installed, 'prebuilds').length + 1);
      return [name, MB(bytes), MB(packed), floor, MB(bytes + rest)];
    }),
    ['JavaScript, types, sources', MB(rest), '', '', ''],
  ]);
  console.log(`\ntarball             ${MB(statSync(tarball).size)} MB; installed ${MB(bytesOf(all))} MB`);
  console.log(`npm install         ${seconds.toFixed(1)} s in an empty folder (median of ${INSTALLS})`);
  for (const way of Object.keys(TO_FIRST_TENSOR)) {
    const times = `${trials(IMPORTS, () => toFirstTensor(way)).toFixed(1)} ms`;
    console.log(`${way.padEnd(20)}${times} to the first tensor (median of ${IMPORTS}; Node ${process.version})`);
  }
});
