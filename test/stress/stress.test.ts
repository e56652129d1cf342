/** Bounded forms of what `npm run stress` does whole, and threads that collect at once; each in a process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ENV, FLAGS } from './how.mjs';

/** Runs a script of this folder; what it printed. */
function run(script: string, flags: readonly string[], args: readonly string[], env: object): string {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, '--import', 'tsx', file, ...args], {
    encoding: 'utf8',
    env: { ...process.env, TENFOLD_CHECK: '', TENFOLD_NUM_THREADS: '1', ...env },
  });
  // The last line is the case that ended the process.
  expect(status, `${stdout}${stderr.split('\r').at(-1)} ${signal ?? ''}`).toBe(0);
  return stdout;
}

describe('with a collection before every launch, and freed memory overwritten', () => {
  it(
    'programs, layers and every 200th sample of the operators give what they gave before',
    { timeout: 300_000 },
    () => {
      const said = run('run.ts', FLAGS, ['--share', '1/200', '--stressed', '3'], ENV);
      expect(said).toMatch(/^\d{2,} cases, \d+ that refuse, 0 faults\n$/);
    },
  );
});

describe('threads that ask V8 for collections at once', () => {
  it('compute what each does alone', { timeout: 120_000 }, () => {
    expect(run('workers.ts', [], ['4'], {})).toMatch(/^4 threads, \d+ rounds\n$/);
  });
});
