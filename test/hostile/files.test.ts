/** Files in real folders, with real processes: what a save that is killed, meets others or meets what is no file leaves behind. */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { full, load, save, saveAsync, tensor, type Tensor } from '../../lib/index.js';

const root = fs.mkdtempSync(join(tmpdir(), 'tenfold-files-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
let folder = root;
beforeEach(() => (folder = fs.mkdtempSync(join(root, 'case-'))));
const at = (name: string): string => join(folder, name);
const valueOf = (path: string): number => (load(path) as { w: Tensor }).w.flatten()[Symbol.iterator]().next().value.item(); // prettier-ignore
const source = fileURLToPath(new URL('../../lib/index.ts', import.meta.url));

describe('what is at the path', () => {
  const value = { w: tensor([1]) };
  it('stays where it is no regular file', async () => {
    fs.symlinkSync(at('nothing'), at('dangling'));
    fs.mkdirSync(at('folder'));
    const made = spawnSync('mkfifo', [at('fifo')]);
    for (const [name, why] of [
      ['dangling', 'it is a link that leads nowhere'],
      ['folder', 'it is a folder'],
      ...(made.status === 0 ? [['fifo', 'it is no regular file']] : []),
    ] as const) {
      const path = at(name!);
      const before = fs.lstatSync(path).mode;
      expect(() => save(value, path)).toThrow(`save: could not write '${path}': ${why}`);
      await expect(saveAsync(value, path)).rejects.toThrow(`saveAsync: could not write '${path}': ${why}`);
      expect(fs.lstatSync(path).mode).toBe(before);
    }
    if (fs.existsSync('/dev/null')) expect(() => save(value, '/dev/null')).toThrow('it is no regular file');
    expect(fs.readdirSync(folder).filter((f) => f.endsWith('.tmp'))).toEqual([]);
  });
  it('stays where it may not be written, and keeps its permissions where it may', () => {
    save(value, at('a'));
    fs.chmodSync(at('a'), 0o444);
    expect(() => save({ w: tensor([2]) }, at('a'))).toThrow('the file there may not be written');
    expect(valueOf(at('a'))).toBe(1);
    fs.chmodSync(at('a'), 0o640);
    save({ w: tensor([2]) }, at('a'));
    expect([valueOf(at('a')), fs.statSync(at('a')).mode & 0o777]).toEqual([2, 0o640]);
  });
  it('is written through a link', () => {
    save(value, at('a'));
    fs.symlinkSync(at('a'), at('link'));
    save({ w: tensor([2]) }, at('link'));
    expect([fs.lstatSync(at('link')).isSymbolicLink(), valueOf(at('a'))]).toEqual([true, 2]);
  });
  it('metadata is an object of strings, whatever its keys', () => {
    for (const metadata of ['abc', ['a'], new Map([['a', 'b']]), 5] as never[])
      expect(() => save(value, at('a'), { metadata })).toThrow('save: metadata must be an object of strings');
    const metadata = JSON.parse('{"__proto__": "kept"}') as Record<string, string>;
    save(value, at('a'), { metadata });
    expect(fs.readFileSync(at('a'), 'latin1')).toContain('"__proto__":"kept"');
  });
});

it('of overlapping saves the one called last stays', async () => {
  for (let round = 0; round < 10; round++) {
    const large = saveAsync({ w: full([1 << 20], 1) }, at('a'));
    const small = saveAsync({ w: full([1], 2) }, at('a'));
    await Promise.all([large, small]);
    expect(valueOf(at('a'))).toBe(2);
    const third = saveAsync({ w: full([1 << 20], 3) }, at('a'));
    save({ w: full([1], 4) }, at('a'));
    await third;
    expect(valueOf(at('a'))).toBe(4);
  }
  expect(fs.readdirSync(folder)).toEqual(['a']);
});

it('saves that are killed leave a whole file, and what they leave beside it is removed by the next', async () => {
  save({ w: full([4], 0) }, at('a'));
  const program = `import { full, save } from ${JSON.stringify(source)};
    process.stdout.write('ready');
    for (let i = 1; ; i++) save({ w: full([1 << 20], i) }, ${JSON.stringify(at('a'))});`;
  for (let kill = 0; kill < 6; kill++) {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((ready) => child.stdout.once('data', ready));
    await new Promise((later) => setTimeout(later, 5 + 13 * kill));
    child.kill('SIGKILL');
    await new Promise((gone) => child.once('close', gone));
    const { w } = load(at('a')) as { w: Tensor };
    expect(w.eq(w.flatten().select(0, 0)).all().item<boolean>()).toBe(true);
    expect(fs.readdirSync(folder).length).toBeLessThanOrEqual(2);
  }
  save({ w: full([4], 0) }, at('a'));
  expect(fs.readdirSync(folder)).toEqual(['a']);
});

it('a full disk leaves the old file whole and nothing beside it', () => {
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status !== 0)
    return console.log('skipped: no tmpfs can be mounted here');
  try {
    save({ w: full([4], 1) }, at('a'));
    expect(() => save({ w: full([1 << 20], 2) }, at('a'))).toThrow(/^save: could not write .*ENOSPC/);
    expect([valueOf(at('a')), fs.readdirSync(folder)]).toEqual([1, ['a']]);
  } finally {
    spawnSync('umount', [folder]);
  }
});
