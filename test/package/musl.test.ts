/**
 * The package on a musl system that is not Alpine: a Node that is linked with musl, from a Python wheel, started by musl's own
 * linker, on this machine. There is no /etc/alpine-release, by which others tell musl. Needs `npm run prebuilds --
 * linux-x64-musl`, which fetches all that.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { everything, install, LEARNT, output, pack, platform, root } from './tarball.js';

const binary = join(root, 'prebuilds', 'linux-x64', 'tenfold.musl.node');

/** scripts/prebuilds/platforms.mjs, as far as it is used here. */
interface Platforms {
  PLATFORMS: Record<'linux-x64-musl', { runners(): { command: string[]; loader: string[]; node: string }[] }>;
}

describe.runIf(everything && platform === 'linux-x64' && existsSync(binary))('a Node with musl', () => {
  let project: string;
  let command: string[];
  beforeAll(async () => {
    project = await install(await pack());
    const script = join(root, 'scripts', 'prebuilds', 'platforms.mjs');
    const { PLATFORMS } = (await import(script)) as Platforms;
    const [runner] = PLATFORMS['linux-x64-musl'].runners();
    command = [...runner!.command, ...runner!.loader, runner!.node];
  });
  const node = (...args: string[]): Promise<string> => output(command[0]!, [...command.slice(1), ...args], project);

  test('loads the binary for musl', async () => {
    const loaded = await node(
      '-p',
      "require('tenfold'); Object.keys(require.cache).filter((f) => f.endsWith('.node'))",
    );
    expect(loaded).toContain('tenfold.musl.node');
  });
  test.each(['train.mjs', 'train.cjs'])('%s', async (program) => expect(await node(program)).toBe(LEARNT));
  test('both, and a worker', async () => expect(await node('both.mjs')).toBe('one library\n'));
  test('two workers', async () => expect(await node('workers.mjs')).toBe('two workers\n'));
});
