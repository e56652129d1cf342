/**
 * Every check of the project, in the order in which they say most for the least time. `npm test` runs all and goes on after
 * a failure; `npm test -- types lint` runs those named. run.mjs has set the project up before.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bin, clangFormat, jobs, root } from './setup.mjs';

function run(command, args, env = {}) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (signal === 'SIGINT') process.exit(130);
  return status === 0;
}
const node = (...args) => run(process.execPath, args);
const tool = (name, command, ...args) => node(bin(name, command), ...args);

export function nativeSources() {
  return readdirSync(join(root, 'native'), { recursive: true })
    .filter((f) => /\.(cc|h)$/.test(f))
    .map((f) => join('native', f));
}

function clangFormatted() {
  const command = clangFormat();
  if (command === null) {
    console.log('skipped: clang-format 14 is not installed');
    return true;
  }
  return run(command, ['--dry-run', '-Werror', ...nativeSources()]);
}

/** The native tests once more, with the address and undefined-behaviour sanitizers. */
function sanitized() {
  const folder = join('build', 'sanitize');
  const options = ['-DTENFOLD_TESTS=ON', '-DTENFOLD_SANITIZE=address,undefined', '-DCMAKE_BUILD_TYPE=Release'];
  return (
    run('cmake', ['-S', '.', '-B', folder, '--log-level=WARNING', ...options]) &&
    run('cmake', ['--build', folder, '--target', 'native_tests', '--parallel', String(jobs())]) &&
    run(join(root, folder, 'native_tests'), [], { UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1' })
  );
}

/** The pool, plans and the threads that run them, with the thread sanitizer. */
function raceFree() {
  const folder = join('build', 'threads');
  const options = [
    '-DTENFOLD_TESTS=ON',
    '-DTENFOLD_SANITIZE=thread',
    '-DTENFOLD_TARGETS=none',
    '-DCMAKE_BUILD_TYPE=Release',
  ];
  return (
    run('cmake', ['-S', '.', '-B', folder, '--log-level=WARNING', ...options]) &&
    run('cmake', ['--build', folder, '--target', 'thread_tests', '--parallel', String(jobs())]) &&
    run(join(root, folder, 'thread_tests'), [], { TSAN_OPTIONS: 'halt_on_error=1' })
  );
}

/** Each instruction set that this processor has, the one that is used by default left out. */
function otherTargets() {
  if (process.arch !== 'x64' || process.platform !== 'linux') return [];
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].split(' ') ?? [];
  return flags.includes('avx512bw') ? ['avx2', 'sse4'] : flags.includes('avx2') ? ['sse4'] : [];
}

const vitest = (...args) => tool('vitest', 'vitest', 'run', ...args);

/** The package as it is published. `all` among the arguments: on everything that it is to run on, which takes minutes. */
export function testPackage(args = []) {
  const rest = args.filter((arg) => arg !== 'all');
  const env = rest.length < args.length ? { TENFOLD_PACKAGE: 'all' } : {};
  return run(process.execPath, [bin('vitest'), 'run', '--config', 'test/package/vitest.config.ts', ...rest], env);
}

const example = (file, ...args) => node('--import', 'tsx', join('examples', file), ...args);

/** [name, what it checks, check] */
const STEPS = [
  ['types', 'tsc over lib, tests, examples and benchmarks', () => tool('typescript', 'tsc', '--noEmit')],
  ['lint', 'eslint', () => tool('eslint', 'eslint', '.', '--max-warnings=0')],
  [
    'format',
    'prettier and clang-format',
    () => [tool('prettier', 'prettier', '--check', '.'), clangFormatted()].every(Boolean),
  ],
  [
    'native',
    'kernels and threads, without Node',
    () => run('ctest', ['--test-dir', 'build/cmake', '--output-on-failure']),
  ],
  ['sanitize', 'the same under ASan and UBSan', sanitized],
  ['threads', 'the pool and plans under ThreadSanitizer', raceFree],
  ['vitest', 'everything that tests/ has, on the best instruction set', () => vitest()],
  ...otherTargets().map((target) => [
    target,
    `operators on ${target}`,
    () => run(process.execPath, [bin('vitest'), 'run', 'test/operators', 'test/ops'], { TENFOLD_TARGET: target }),
  ]),
  [
    'fuzz',
    'calls with arguments of every kind, in child processes: none ends the process, hangs or takes memory',
    () => node('--import', 'tsx', 'test/fuzz/run.ts', '--crashes', '--calls', '12000', '--seconds', '100'),
  ],
  ['package', 'the tarball: linted, installed without a network, imported and required', () => testPackage()],
  [
    'example',
    'a few steps of npm start and of a GPT; a PyTorch checkpoint goes on learning',
    () =>
      [
        example('mnist.ts', '--steps', '20', '--out', 'build/smoke'),
        example('gpt.ts', '--steps', '20', '--tokens', '20'),
        example('checkpoint.ts'),
      ].every(Boolean),
  ],
];

/** Runs the steps with these names, all where none is given; the exit code. */
export function runSteps(names) {
  const unknown = names.filter((name) => !STEPS.some(([step]) => step === name));
  if (unknown.length > 0) {
    console.error(`No such step: ${unknown.join(', ')}. Steps:`);
    for (const [step, what] of STEPS) console.error(`  ${step.padEnd(10)}${what}`);
    return 1;
  }
  const results = [];
  for (const [step, what, check] of STEPS) {
    if (names.length > 0 && !names.includes(step)) continue;
    console.log(`\n== ${step}: ${what}`);
    const start = performance.now();
    results.push({ step, ok: check(), seconds: (performance.now() - start) / 1000 });
  }
  console.log('');
  for (const { step, ok, seconds } of results)
    console.log(`${ok ? 'ok  ' : 'FAIL'} ${step.padEnd(10)}${seconds.toFixed(1).padStart(8)} s`);
  const failed = results.filter((r) => !r.ok).length;
  console.log(`checks: ${results.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
