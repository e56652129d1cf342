/**
 * Tries a prebuilt binary on its own platform, or on what stands for it here (qemu, wine, another libc's loader): smoke.mjs by
 * each Node, every operator against PyTorch's answers by the first, and the native tests, which the same build made.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, jobs, root } from '../setup.mjs';
import { TIES, bundleOperators } from './operators.mjs';

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

/** Runs a script by one of the platform's Nodes; what it reports as { passed, failed, … }, or a SetupError that says why. */
function runScript(runner, binary, folder, name, script, args = []) {
  const report = join(folder, `${name}.json`); // a file: under wine Node can't write to a pipe
  rmSync(report, { force: true });
  const env = { TENFOLD_BINARY: binary, TENFOLD_TARGET: '' };
  const [program, ...rest] = [...(runner.loader ?? []), runner.node, script, report, ...args];
  const text = runOn(runner, program, rest, { env, mayFail: true });
  if (!existsSync(report)) throw new SetupError(`${runner.name}: ${name} ended without a result\n${text}`);
  const outcome = JSON.parse(readFileSync(report, 'utf8'));
  const { failed, passed } = outcome;
  if (failed.length > 0) throw new SetupError(`${runner.name}: ${name} failed\n  ${failed.join('\n  ')}`);
  if (passed === 0) throw new SetupError(`${runner.name}: ${name} ran nothing`);
  return outcome;
}

/** Runs smoke.mjs by each Node of the platform; what to say of each. */
export function smokeTests(platform, binary, folder) {
  const script = join(root, 'scripts', 'prebuilds', 'smoke.mjs');
  return platform.runners().map((runner) => {
    const start = performance.now();
    const { passed, target } = runScript(runner, binary, folder, 'smoke', script);
    return { runner: runner.name, tests: 'smoke', result: `${passed} passed on ${target} (${seconds(start)} s)` };
  });
}

/** Runs test/operators by the platform's first Node; what to say of it. */
export function operatorTests(platform, binary, folder) {
  const [runner] = platform.runners();
  const start = performance.now();
  const leaveOut = platform.ties ? TIES : [];
  const { passed } = runScript(runner, binary, folder, 'operators', bundleOperators(), leaveOut);
  const without = leaveOut.length > 0 ? `, ${leaveOut.length} left out (ties)` : '';
  return { runner: runner.name, tests: 'operators', result: `${passed} passed${without} (${seconds(start)} s)` };
}
