/** What a newcomer meets first: set-up where nothing is installed and nothing can be, and commands that don't exist. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function script(args: string[], env: Record<string, string> = {}): { status: number | null; stderr: string } {
  const options = { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } } as const;
  return spawnSync(process.execPath, args, options);
}

it('without tools, and no way to install them, says which are missing and how to get them', () => {
  const nothing = mkdtempSync(join(tmpdir(), 'tenfold-path-'));
  const { status, stderr } = script(['scripts/setup.mjs'], { PATH: nothing, CXX: '' });
  expect(status).toBe(1);
  expect(stderr).toContain('- CMake 3.22 or newer');
  expect(stderr).toContain('- a C++20 compiler');
  expect(stderr).toMatch(/Debian, Ubuntu {3}(sudo )?apt-get update && .*apt-get install -y cmake g\+\+ make/);
  expect(stderr).not.toContain('    at '); // no stack
});

it.runIf(process.platform === 'linux')(
  'installs what is missing by apt, with fresh lists where the first try fails',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'tenfold-path-'));
    const command = (name: string, body: string): void =>
      writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    for (const name of ['env', 'true']) symlinkSync(`/usr/bin/${name}`, join(folder, name));
    command('sudo', '[ "$1" = -n ] && shift; exec "$@"');
    const log = join(folder, 'log');
    command('apt-get', `echo "$DEBIAN_FRONTEND $*" >> ${log}; exit 1`);
    expect(script(['scripts/setup.mjs'], { PATH: folder, CXX: '' }).status).toBe(1);
    const calls = readFileSync(log, 'utf8').trim().split('\n');
    expect(calls.filter((c) => c.includes(' cmake '))).toHaveLength(1); // no second install, for the update failed too
    expect(calls[0]).toMatch(/^noninteractive install -y --no-install-recommends cmake g\+\+ make/);
    expect(calls[1]).toBe('noninteractive update');
  },
);

it('an unknown command or notebook is answered with those there are', () => {
  expect(script(['scripts/run.mjs', 'strat'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('One of start, notebook, example, bench, ') as string,
  });
  expect(script(['scripts/run.mjs', 'notebook', '7'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('One of 000, 001, 002, 003, 004') as string,
  });
});
