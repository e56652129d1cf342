/** tenfold-run: what ranks are told, what becomes of their output, and what happens when one fails or a signal comes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { HELP, readLaunchOptions } from '../../lib/distributed/launcher/options.js';
import { TCPStore } from '../../lib/distributed/stores/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tenfold-run-'));
afterAll(() => rmSync(folder, { recursive: true }));
const program = (name: string, code: string): string => {
  const file = join(folder, name);
  writeFileSync(file, code);
  return file;
};

interface Ended {
  code: number | null;
  out: string[];
  err: string;
}
function start(args: string[]): { child: ChildProcess; ended: Promise<Ended>; said(text: string): Promise<void> } {
  const command = join(root, 'lib/distributed/launcher/command.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=tenfold-source', command, ...args], {
    cwd: root,
    env: { ...process.env, TENFOLD_NUM_THREADS: '', OMP_NUM_THREADS: '' },
  });
  let [out, err] = ['', ''];
  let heard = (): void => {};
  child.stdout.on('data', (piece: Buffer) => ((out += piece.toString()), heard()));
  child.stderr.on('data', (piece: Buffer) => ((err += piece.toString()), heard()));
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code) => resolve({ code, out: out.split('\n').slice(0, -1).sort(), err })),
  );
  const said = (text: string): Promise<void> =>
    new Promise((resolve) => (heard = () => void (out.includes(text) && resolve())));
  return { child, ended, said };
}
const run = (...args: string[]): Promise<Ended> => start(args).ended;

describe('tenfold-run', () => {
  it('tells ranks who they are, and puts their number before each line', async () => {
    const file = program(
      'who.mjs',
      `const e = process.env;
      console.log(e.RANK, e.LOCAL_RANK, e.WORLD_SIZE, e.LOCAL_WORLD_SIZE, e.MASTER_ADDR, e.TENFOLD_NUM_THREADS >= 1,
        e.TORCHELASTIC_USE_AGENT_STORE, process.argv.slice(2).join());
      process.stdout.write('no end of line');`,
    );
    const { code, out, err } = await run('-n', '2', file, '-n', '3');
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toEqual([
      '[0] 0 0 2 2 127.0.0.1 true True -n,3',
      '[0] no end of line',
      '[1] 1 1 2 2 127.0.0.1 true True -n,3',
      '[1] no end of line',
    ]);
  });

  it('ends all ranks when one fails, and says which', async () => {
    const file = program(
      'fails.mjs',
      `process.on('SIGTERM', () => (console.log('cleaned up'), process.exit(0)));
      if (process.env.RANK === '1') setTimeout(() => process.exit(7), 200);
      else setTimeout(() => {}, 60000);`,
    );
    const { code, out, err } = await run('--nproc_per_node=3', file);
    expect([code, out, err]).toEqual([7, ['[0] cleaned up', '[2] cleaned up'], 'tenfold-run: rank 1 ended with code 7; all ranks have ended\n']); // prettier-ignore
  });

  it('kills who doesn’t end by itself, and starts all again as often as it may', async () => {
    const file = program(
      'again.mjs',
      `process.on('SIGTERM', () => {});
      const { RANK, MASTER_PORT, TORCHELASTIC_RESTART_COUNT: count } = process.env;
      console.log('attempt', count);
      if (count === '0' && RANK === '0') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);
      else if (count === '0') setTimeout(() => {}, 60000);`,
    );
    const { code, out, err } = await run('-n', '2', '--max-restarts', '1', '--grace', '0.2', file);
    expect(code).toBe(0);
    expect(out).toEqual(['[0] attempt 0', '[0] attempt 1', '[1] attempt 0', '[1] attempt 1']);
    expect(err).toBe('tenfold-run: rank 0 was ended by SIGKILL; all ranks begin again (1 restart left)\n');
  });

  it('passes signals on: ranks may end cleanly', async () => {
    const file = program(
      'signals.mjs',
      `let first = true;
      process.on('SIGUSR2', () => console.log('usr2'));
      process.on('SIGTERM', () => { console.log(first ? 'saved' : 'twice'); first = false; setTimeout(() => process.exit(0), 100); });
      console.log('ready');
      setTimeout(() => {}, 60000);`,
    );
    const { child, ended, said } = start(['-n', '1', file]);
    await said('[0] ready');
    child.kill('SIGUSR2');
    await said('[0] usr2');
    child.kill('SIGTERM');
    const { code, out, err } = await ended;
    expect([code, out, err]).toEqual([143, ['[0] ready', '[0] saved', '[0] usr2'], 'tenfold-run: got SIGTERM; all ranks have ended\n']); // prettier-ignore
  });

  it('two machines: ranks count on, and one’s failure ends the other’s', async () => {
    const free = new TCPStore('127.0.0.1', 0, { isMaster: true });
    const { port } = free;
    free.close();
    const file = program(
      'machines.mjs',
      `const { RANK, WORLD_SIZE, GROUP_RANK, MASTER_PORT, TORCHELASTIC_RESTART_COUNT: count } = process.env;
      console.log(RANK, WORLD_SIZE, GROUP_RANK, count);
      if (count === '0') setTimeout(() => process.exit(RANK === '1' ? 3 : 0), RANK === '1' ? 300 : 60000);`,
    );
    const machine = (rank: string): Promise<Ended> =>
      run('--nnodes', '2', '--node-rank', rank, '--rdzv', `127.0.0.1:${port}`, '--max-restarts', '1', file);
    const [first, second] = await Promise.all([machine('0'), machine('1')]);
    expect([first.code, first.out]).toEqual([0, ['[0] 0 2 0 0', '[0] 0 2 0 1']]);
    expect([second.code, second.out]).toEqual([0, ['[1] 1 2 1 0', '[1] 1 2 1 1']]);
    for (const { err } of [first, second]) expect(err).toContain('rank 1 ended with code 3; all ranks begin again');
  });

  it('runs TypeScript and other commands', async () => {
    const typed = program(
      'typed.ts',
      `const rank: string = process.env.RANK!;\nconsole.log('typed', rank satisfies string);`,
    );
    expect((await run(typed)).out).toEqual(['[0] typed 0']);
    expect((await run('--no-node', '--no-prefix', 'sh', '-c', 'echo $RANK of $WORLD_SIZE')).out).toEqual(['0 of 1']);
    const failed = await run('--no-node', 'no-such-command');
    expect([failed.code, failed.err]).toEqual([127, expect.stringContaining('rank 0 could not be started')]);
  });
}, 60_000);

describe('its arguments', () => {
  it('are torchrun’s', () => {
    expect(readLaunchOptions(['--help'])).toBeNull();
    expect(HELP.length).toBeGreaterThan(100);
    expect(readLaunchOptions(['--nproc-per-node', '4', '--rdzv-endpoint=n0:1234', '--nnodes=2', '--node_rank', '1', 'a.mjs', '--x'])).toEqual({ ranksHere: 4, machines: 2, machine: 1, rendezvous: { host: 'n0', port: 1234 }, maxRestarts: 0, threads: null, graceMs: 10_000, prefix: true, node: true, program: 'a.mjs', args: ['--x'] }); // prettier-ignore
    expect(readLaunchOptions(['--nnodes', '2', '--node-rank', '0', '--rdzv', '[::1]', 'a'])!.rendezvous).toEqual({ host: '::1', port: 29500 }); // prettier-ignore
  });
  it.each([
    [[], 'which program?'],
    [['-n'], '-n needs a value'],
    [['-n', '0', 'a'], "--nproc-per-node must be a whole number from 1, got '0'"],
    [['--nproc', '2', 'a'], "unknown option '--nproc'"],
    [['--nnodes', '2', 'a'], 'several machines need --node-rank and --rdzv too'],
    [['--nnodes', '2', '--node-rank', '2', '--rdzv', 'h', 'a'], '--node-rank must be below --nnodes (2), got 2'],
    [['--nnodes', '2', '--node-rank', '1', '--rdzv', 'h:99999', 'a'], "--rdzv must be HOST:PORT, got 'h:99999'"],
    [['--grace', 'x', 'a'], "--grace must be a number of seconds, got 'x'"],
  ])('%j: %s', (args, message) => {
    expect(() => readLaunchOptions(args)).toThrow(message);
  });
});
