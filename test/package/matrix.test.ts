/**
 * The package on every runtime and package manager that it is meant for (`npm run test:package -- all`): pinned versions,
 * fetched once. Linux x64 with glibc; elsewhere CI runs published.test.ts on the system's own Node.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { emptyProject, everything, install, LEARNT, output, pack, platform } from './tarball.js';
import { tool, type Tool } from './tools.js';

const wanted = everything && platform === 'linux-x64';

let tarball: string;
let project: string;
beforeAll(async () => {
  if (!wanted) return;
  tarball = await pack();
  project = await install(tarball);
});

const NODES = ['node 20.17', 'node 20', 'node 22', 'node 24', 'node 26'] as const;
const runtimes: [name: Tool, ...args: string[]][] = [
  ...NODES.map((name): [Tool] => [name]),
  ['bun'],
  ['deno', 'run', '-A'],
];

describe.runIf(wanted).each(runtimes)('%s', (name, ...args) => {
  const program = async (...rest: string[]): Promise<string> => output(await tool(name), [...args, ...rest], project);

  test('import', async () => expect(await program('train.mjs')).toBe(LEARNT));
  test('require', async () => expect(await program('train.cjs')).toBe(LEARNT));
  test('both, and a worker', async () => expect(await program('both.mjs')).toBe('one library\n'));
  test('two workers', async () => expect(await program('workers.mjs')).toBe('two workers\n'));
  test('workers that are ended at work', async () =>
    expect(await program('workers.mjs', '--end')).toBe('two workers\n'));
  test('an exit at work', async () => expect(await program('exit.mjs', 'exit', project)).toBe('leaving\n'));
  test('bounded memory, in a worker too', async () => {
    interface Measured {
      grown: number;
      asked: boolean;
    }
    const { main, worker } = JSON.parse(await program('memory.mjs')) as { main: Measured; worker: Measured };
    expect(main.grown).toBeLessThan(100);
    expect(worker.grown).toBeLessThan(100);
    if (name.startsWith('node')) expect([main.asked, worker.asked]).toEqual([true, true]);
  });
});

/** How each installs a tarball, with nothing said about scripts; and with which program Node then runs. */
const managers: [name: Tool, node: Tool | null, add: string[], start?: string[]][] = [
  ['npm 10', 'node 20', ['install']],
  ['npm 12', 'node 26', ['install']],
  ['pnpm', 'node 24', ['add']],
  ['yarn 1', 'node 24', ['add']],
  ['yarn 4', 'node 24', ['add'], ['node']], // Plug'n'Play: packages stay in their archives, but for what has a .node in it
  ['bun', null, ['add']],
];

describe.runIf(wanted).each(managers)('installed by %s', (name, node, add, start) => {
  const manager = async (...args: string[]): Promise<string> => {
    const [command, ...first] = node === null ? [await tool(name)] : [await tool(node), await tool(name)];
    return output(command!, [...first, ...args], folder, { CI: '', YARN_ENABLE_IMMUTABLE_INSTALLS: 'false' });
  };
  let folder: string;
  beforeAll(async () => {
    folder = emptyProject();
    writeFileSync(join(folder, 'yarn.lock'), ''); // this folder is a project of its own
    await manager(...add, name === 'yarn 4' ? `tenfold@file:${tarball}` : tarball);
  });
  test.each(['train.mjs', 'train.cjs'])('%s', async (program) => {
    const node24 = await tool(node ?? 'node 24');
    const trained = await (start ? manager(...start, program) : output(node24, [program], folder));
    expect(trained).toBe(LEARNT);
  });
});
