/** Processes in surroundings that no one planned for: an error or a result, never a crash. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const source = fileURLToPath(new URL('../../lib/index.ts', import.meta.url));
function run(
  program: string,
  env: Record<string, string> = {},
  ...flags: string[]
): { status: number | null; out: string } {
  const text = `import * as tf from ${JSON.stringify(source)};\n${program}`;
  const { status, stdout } = spawnSync(
    process.execPath,
    [...flags, '--import', 'tsx', '--input-type=module', '-e', text],
    { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8' },
  );
  return { status, out: stdout.trim() };
}

it.each(['0', '-1', 'abc', '100000', '2.5', ' '])('TENFOLD_NUM_THREADS=%j is an error that says so', (value) => {
  const program = `
    for (const f of [() => tf.getNumThreads(), () => tf.ones(1 << 20).add(1).sum().item()]) {
      try { f(); console.log('fine'); } catch (e) { console.log(e.message); }
    }`;
  const { status, out } = run(program, { TENFOLD_NUM_THREADS: value });
  expect(status).toBe(0);
  expect(out.split('\n')[0]).toBe(`TENFOLD_NUM_THREADS must be an integer from 1 to 256, got '${value}'`);
});

it.each(['--jitless', '--single-threaded', '--stack-size=200', '--max-old-space-size=64'])('trains with %s', (flag) => {
  const program = `
    tf.manualSeed(0);
    const model = new tf.nn.Sequential(new tf.nn.Linear(4, 16), new tf.nn.ReLU(), new tf.nn.Linear(16, 1));
    const optimizer = new tf.optim.Adam(model.parameters(), { lr: 0.01 });
    const x = tf.randn(64, 4), y = x.sum(1, true);
    let loss;
    for (let i = 0; i < 100; i++) {
      optimizer.zeroGrad();
      loss = tf.nn.functional.mseLoss(model.forward(x), y);
      loss.backward();
      optimizer.step();
    }
    console.log(loss.item().toFixed(3));`;
  const plain = run(program);
  expect(run(program, {}, flag)).toEqual(plain);
  expect(plain.status).toBe(0);
});
