/**
 * Makes the prebuilt binaries of the package, each with one command, on a Debian 12 machine (x64):
 *
 *   npm run prebuilds -- linux-x64 win32-x64     these
 *   npm run prebuilds -- all                     all that can be made here; those for macOS need a Mac
 *   npm run prebuilds -- linux-x64 --no-tests    without running it
 *
 * A binary goes to prebuilds/<system>-<arch>/. What the build needs and the machine lacks is fetched (prebuilds/fetch.mjs);
 * what comes out is looked at (check.mjs), then run by a Node of its platform (trial.mjs).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, bin, buildLibrary, ensureNpm, guarded, root, run } from './setup.mjs';
import { inspect, report } from './prebuilds/check.mjs';
import { ensureCommands } from './prebuilds/fetch.mjs';
import { PLATFORMS, obstacle } from './prebuilds/platforms.mjs';
import { nativeTests, operatorTests, smokeTests } from './prebuilds/trial.mjs';

/** Builds one platform's addon in `folder` by prebuildify; the file in prebuilds/. */
function build({ system, arch, libc, strip, options }, folder) {
  mkdirSync(folder, { recursive: true });
  const args = [
    ...['--napi', '--name', 'tenfold', '--cwd', folder, '--out', root],
    ...['--platform', system, '--arch', arch, '--strip', '--strip-bin', strip],
    ...(libc ? ['--tag-libc', libc] : []),
    ...['--node-gyp', join(root, 'scripts', 'prebuilds', 'node-gyp.mjs')],
  ];
  const env = { TENFOLD_CMAKE: JSON.stringify(options()) };
  if (!run(process.execPath, [bin('prebuildify'), ...args], { env })) {
    throw new SetupError(`the build for ${system}-${arch} failed; the compiler's message is above`);
  }
  return join(root, 'prebuilds', `${system}-${arch}`, libc ? `tenfold.${libc}.node` : 'tenfold.node');
}

/** One platform from end to end: build, check, trial. */
function make(name, { tests }) {
  const platform = PLATFORMS[name];
  console.log(`\n== ${name}`);
  ensureCommands({ cmake: 'cmake', make: 'make', ...platform.commands });
  const folder = join(root, 'build', 'prebuilds', name);
  const file = build(platform, folder);
  report([inspect(file)]);
  if (!tests) return file;
  const say = (trials) => trials.map(({ runner, tests: what, result }) => console.log(`${what}: ${result}; ${runner}`));
  say(smokeTests(platform, file, folder));
  say([operatorTests(platform, file, folder)]);
  say([nativeTests(platform, folder)]);
  return file;
}

guarded(() => {
  const args = process.argv.slice(2);
  const options = args.filter((arg) => arg.startsWith('-'));
  const names = args.includes('all') ? Object.keys(PLATFORMS) : args.filter((arg) => !arg.startsWith('-'));
  const unknown = [...options.filter((o) => o !== '--no-tests'), ...names.filter((n) => !Object.hasOwn(PLATFORMS, n))];
  if (unknown.length > 0 || names.length === 0) {
    const known = `${Object.keys(PLATFORMS).join(', ')}, or all; --no-tests`;
    throw new SetupError(
      `prebuilds: ${unknown.length > 0 ? `what is ${unknown.join(' ')}?` : 'which platform?'} One of ${known}`,
    );
  }
  const all = args.includes('all');
  for (const why of names.map(obstacle).filter(Boolean)) {
    if (!all) throw new SetupError(`prebuilds: ${why}`);
    console.log(`prebuilds: left out: ${why}`);
  }
  ensureNpm();
  const tests = !options.includes('--no-tests');
  if (tests) buildLibrary();
  const made = names.filter((name) => obstacle(name) === null).map((name) => make(name, { tests }));
  console.log('');
  report(made.map((file) => inspect(file)));
});
