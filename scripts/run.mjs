/**
 * The commands of package.json: sets the project up as far as that is still to be done (setup.mjs), then runs the task.
 * Depends on nothing but Node, as a fresh clone has nothing else.
 *
 *   node scripts/run.mjs start [--epochs N …]    examples/mnist.ts
 *   node scripts/run.mjs notebook 003            examples/notebooks/003.ts
 *   node scripts/run.mjs bench [filter …]        bench/run.ts
 *   node scripts/run.mjs bench:serving [--kinds …]   bench/serving/run.ts: MiniLM behind servers of several kinds
 *   node scripts/run.mjs fuzz [--seed N …]       test/fuzz/run.ts: calls of everything with arguments of every kind
 *   node scripts/run.mjs stress [filter …]       test/stress/run.ts: a collection before every launch
 *   node scripts/run.mjs example NAME […]        examples/NAME.ts
 *   node scripts/run.mjs test [step …]           every check, or those named (test.mjs)
 *   node scripts/run.mjs package [all]           the package as published; all: on every Node, manager and processor
 *   node scripts/run.mjs build                   set-up only
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, guarded, root, setup } from './setup.mjs';
import { runSteps, testPackage } from './test.mjs';
import { ENV, FLAGS } from '../test/stress/how.mjs';

/** Runs a TypeScript file with the compiled library, as a user of the package would. */
function runTypeScript(file, args, flags = [], env = {}) {
  const child = spawn(process.execPath, [...flags, '--import', 'tsx', join(root, file), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  // The terminal sends Ctrl-C to both: the script ends itself, and this process reports how.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.on('exit', (code, signal) =>
    process.exit(code ?? 128 + ({ SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[signal] ?? 0)),
  );
}

function runNamed(folder, runnable, args) {
  const names = readdirSync(join(root, folder)).flatMap((file) => (runnable.test(file) ? [file.slice(0, -3)] : []));
  const [name, ...rest] = args;
  if (!names.includes(name)) throw new SetupError(`which of ${folder}/? One of ${names.join(', ')}`);
  setup();
  runTypeScript(`${folder}/${name}.ts`, rest);
}

const tasks = {
  start(args) {
    setup();
    runTypeScript('examples/mnist.ts', args);
  },
  notebook: (args) => runNamed('examples/notebooks', /^\d+\.ts$/, args),
  example: (args) => runNamed('examples', /\.ts$/, args),
  bench(args) {
    setup();
    runTypeScript('bench/run.ts', args);
  },
  'bench:serving'(args) {
    setup();
    runTypeScript('bench/serving/run.ts', args);
  },
  fuzz(args) {
    setup();
    runTypeScript('test/fuzz/run.ts', args);
  },
  stress(args) {
    setup();
    runTypeScript('test/stress/run.ts', args, FLAGS, ENV);
  },
  test(args) {
    setup({ tests: true });
    process.exit(runSteps(args));
  },
  package(args) {
    setup({ all: true });
    process.exit(testPackage(args) ? 0 : 1);
  },
  build: () => setup({ all: true }),
};

const [name, ...args] = process.argv.slice(2);
guarded(() => {
  if (!Object.hasOwn(tasks, name ?? ''))
    throw new SetupError(`run.mjs: what to run? One of ${Object.keys(tasks).join(', ')}`);
  tasks[name](args);
});
