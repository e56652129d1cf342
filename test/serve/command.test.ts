/** `npx tenfold serve`: arguments, and a process that serves until it is told to end. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { ask } from './client.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = (args: string[], env = {}): ReturnType<typeof spawn> =>
  spawn(process.execPath, ['--conditions=tenfold-source', '--import', 'tsx', 'lib/serve/command.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
  });
const ended = (child: ReturnType<typeof spawn>): Promise<[number | null, string | null, string]> =>
  new Promise((resolve) => {
    let text = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (piece: Buffer) => (text += piece.toString()));
    child.on('close', (code, signal) => resolve([code, signal, text]));
  });

it('serves a folder until SIGTERM', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenfold-command-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'm', '1'), { recursive: true });
  copyFileSync(join(root, 'test/serve/models/affine.mjs'), join(folder, 'm/1/model.mjs'));
  writeFileSync(join(folder, 'token'), 'secret\n');
  const child = run(['serve', folder, '--port', '0', '--log', '--token-file', join(folder, 'token')]);
  const end = ended(child);
  const url = await new Promise<string>((resolve) => {
    child.stderr!.on('data', (text: Buffer) => {
      const found = /at (http:\S+)/.exec(text.toString());
      if (found) resolve(found[1]!);
    });
  });
  expect((await ask({ url }, '/v2/models/m')).status).toBe(401);
  const headers = { authorization: 'Bearer secret' };
  expect((await ask({ url }, '/v2/models/m', { headers })).json.name).toBe('m');
  child.kill('SIGTERM');
  const [, signal, text] = await end;
  expect(signal).toBe('SIGTERM');
  expect(text).toMatch(/^\{"time":.*"path":"\/v2\/models\/m","status":200/m);
});

it.each([
  [['--help'], 0, 'Usage: tenfold serve FOLDER'],
  [[], 2, "tenfold: what to do? 'tenfold serve FOLDER' or 'tenfold build-distributed'; got ''"],
  [['serve'], 2, "tenfold: 'tenfold serve' takes one folder"],
  [['serve', 'x', '--prt', '1'], 2, "tenfold: Unknown option '--prt'"],
  [['serve', 'x', '--port', 'y'], 2, "tenfold: --port must be a number, got 'y'"],
  [['serve', '/nowhere/x'], 1, "tenfold: serve: the model repository '/nowhere/x' can't be read"],
])('%o', async (args, code, text) => {
  const [status, , said] = await ended(run(args));
  expect([status, said]).toEqual([code, expect.stringContaining(text)]);
});
