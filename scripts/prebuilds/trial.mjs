/**
 * Tries a prebuilt binary on its own platform, or on what stands for it here (qemu, wine, another libc's loader): first the
 * native tests, which the same build made, then smoke.mjs by each Node.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, jobs, root } from '../setup.mjs';

/** Runs a program of the platform; its output, or a SetupError that shows it. `mayFail`: it says itself how it went. */
function runOn(runner, program, args, { env = {}, mayFail = false } = {}) {
  const [command, ...rest] = [...runner.command, program, ...args];
  const result = spawnSync(command, rest, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...runner.env, ...env },
    maxBuffer: 1 << 28,
  });
  if (result.status === 0 || (mayFail && result.status === 1)) return result.stdout;
  const end = result.signal
    ? `was ended by ${result.signal}`
    : (result.error?.message ?? `ended with ${result.status}`);
  throw new SetupError(`${runner.name}: ${program} ${end}\n${result.stdout}${result.stderr}`);
}

const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1);

/** Builds and runs the native tests; what to say of them. */
export function nativeTests(platform, folder) {
  const build = ['--build', join(folder, 'cmake'), '--target', 'native_tests', '--parallel', String(jobs())];
  if (spawnSync('cmake', build, { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0) {
    throw new SetupError("the native tests didn't build; the compiler's message is above");
  }
  const [runner] = platform.runners();
  const start = performance.now();
  const suffix = platform.system === 'win32' ? '.exe' : '';
  const text = runOn(runner, join(folder, 'cmake', `native_tests${suffix}`), []);
  return {
    runner: runner.name,
    tests: 'native tests',
    result: `${text.trim().split('\n').at(-1)} (${seconds(start)} s)`,
  };
}

/** Runs smoke.mjs by each Node of the platform; what to say of each. */
export function smokeTests(platform, binary, folder) {
  return platform.runners().map((runner) => {
    const start = performance.now();
    const report = join(folder, 'smoke.json'); // a file: under wine Node can't write to a pipe
    rmSync(report, { force: true });
    const script = join(root, 'scripts', 'prebuilds', 'smoke.mjs');
    const env = { TENFOLD_BINARY: binary, TENFOLD_TARGET: '' };
    const [program, ...args] = [...(runner.loader ?? []), runner.node, script, report];
    const text = runOn(runner, program, args, { env, mayFail: true });
    if (!existsSync(report)) throw new SetupError(`${runner.name}: smoke.mjs ended without a result\n${text}`);
    const { failed, passed, target } = JSON.parse(readFileSync(report, 'utf8'));
    if (failed.length > 0) throw new SetupError(`${runner.name}: smoke.mjs failed\n  ${failed.join('\n  ')}`);
    return { runner: runner.name, tests: 'smoke', result: `${passed} passed on ${target} (${seconds(start)} s)` };
  });
}
