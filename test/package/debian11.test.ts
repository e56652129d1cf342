/**
 * The package in Debian 11, the oldest system that it is held to here (glibc 2.31): a minimal one by debootstrap, entered by
 * chroot, with nothing in it but Node's own binary, the installed package and the programs. Needs root, debootstrap, and a
 * mirror the first time. The binary must be a portable one: `npm run prebuilds -- linux-x64`.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { everything, install, LEARNT, output, pack, platform, root, run } from './tarball.js';
import { tool } from './tools.js';

const portable = join(root, 'prebuilds', 'linux-x64', 'tenfold.glibc.node');
const canEnter =
  everything &&
  platform === 'linux-x64' &&
  process.getuid?.() === 0 &&
  spawnSync('debootstrap', ['--version']).status === 0;

const system = join(root, 'build', 'package-tools', 'debian11');

describe.runIf(canEnter)('in Debian 11', () => {
  const inside = (...command: string[]): ReturnType<typeof run> =>
    run('chroot', [system, '/usr/bin/env', '-C', '/project', ...command], root);

  beforeAll(async () => {
    if (!existsSync(join(system, 'bin', 'sh'))) {
      rmSync(system, { recursive: true, force: true });
      // Node 26 needs libatomic.so.1, which Debian's smallest system hasn't; the library doesn't.
      await output('debootstrap', ['--variant=minbase', '--include=libatomic1', 'bullseye', system], root);
    }
    rmSync(join(system, 'project'), { recursive: true, force: true });
    cpSync(await install(await pack()), join(system, 'project'), { recursive: true });
    mkdirSync(join(system, 'node'), { recursive: true });
    for (const name of ['node 20.17', 'node 26'] as const) {
      copyFileSync(await tool(name), join(system, 'node', name.replace(' ', '')));
    }
    copyFileSync(join(root, 'build', 'Release', 'tenfold.node'), join(system, 'project', 'local.node'));
  });

  describe.runIf(existsSync(portable)).each(['/node/node20.17', '/node/node26'])('%s', (node) => {
    test.each(['train.mjs', 'train.cjs'])('%s', async (program) =>
      expect(await inside(node, program)).toMatchObject({ status: 0, stdout: LEARNT, stderr: '' }),
    );
    test('workers', async () =>
      expect(await inside(node, 'workers.mjs')).toMatchObject({ status: 0, stdout: 'two workers\n' }));
  });

  test('a binary that was made for a newer system says so', async () => {
    const asked = spawnSync('readelf', ['-V', join(system, 'project', 'local.node')], { encoding: 'utf8' }).stdout;
    if (!/GLIBC_2\.3[2-9]/.test(asked)) return; // made on an old system itself
    const { status, stderr } = await inside('TENFOLD_BINARY=/project/local.node', '/node/node26', 'train.mjs');
    expect(status).toBe(1);
    expect(stderr).toMatch(/Tried {7}\/project\/local\.node\n.*version `GLIBC_2\.3\d' not found/);
    expect(stderr).toMatch(/What to do {2}This system's glibc is 2\.31; the library needs 2\.3\d\./);
  });
});
