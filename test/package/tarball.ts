/** The package's tarball as npm makes it, and folders in which it is installed, as users do that. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { libcOfProcess } from '../../lib/native/libc.js';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const programs = join(root, 'test', 'package', 'programs');

/** Node's name for this platform, as prebuilds/ has it. */
export const platform = `${process.platform}-${process.arch}`;

/** Environment of the programs: without what npm and vitest leave in theirs. */
export const cleanEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|VITE|NODE_|TENFOLD_|INIT_CWD)/i.test(name)),
) as NodeJS.ProcessEnv;

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Outcome {
  const shell = process.platform === 'win32' && command === 'npm';
  return spawnSync(command, args, { cwd, env: { ...cleanEnv, ...env }, encoding: 'utf8', shell });
}

/** The same, of a command that must succeed; what it printed. */
export function output(command: string, args: string[], cwd: string, env?: NodeJS.ProcessEnv): string {
  const { status, signal, stdout, stderr } = run(command, args, cwd, env);
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? status}:\n${stdout}\n${stderr}`);
}

/** Whether this process may cut programs off the network (root on Linux). */
export const canCutNetwork = process.platform === 'linux' && run('unshare', ['-n', 'true'], root).status === 0;

/** The same command without a network, where that can be had. */
export const offline = (command: string, args: string[]): [string, string[]] =>
  canCutNetwork ? ['unshare', ['-n', command, ...args]] : [command, args];

export const freshFolder = (): string => mkdtempSync(join(tmpdir(), 'tenfold-installed-'));

/**
 * `npm pack` of the working tree, with the binary of build/Release standing for this platform's where prebuilds/ has none.
 * Returns the path of the tarball.
 */
export function pack(): string {
  const stage = join(root, 'build', 'package');
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const file of ['package.json', 'README.md', 'LICENSE', 'THIRD_PARTY_LICENSES.md', 'dist', 'lib', 'prebuilds']) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(stage, file), { recursive: true });
  }
  const folder = join(stage, 'prebuilds', platform);
  const libc = libcOfProcess();
  const mine = existsSync(folder) && readdirSync(folder).some((file) => libc === null || file.includes(libc));
  if (!mine) {
    mkdirSync(folder, { recursive: true });
    const name = libc === null ? 'tenfold.node' : `tenfold.${libc}.node`;
    copyFileSync(join(root, 'build', 'Release', 'tenfold.node'), join(folder, name));
  }
  const name = output('npm', ['pack', '--ignore-scripts', '--loglevel=error'], stage).trim();
  return join(stage, name);
}

/** An empty project with the programs of programs/, so that they import the package as its users do. */
export function emptyProject(): string {
  const folder = freshFolder();
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  cpSync(programs, folder, { recursive: true });
  return folder;
}

/** Installs the tarball in an empty project: no network, no scripts. */
export function install(tarball: string): string {
  const folder = emptyProject();
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--offline'];
  output(...offline('npm', ['install', tarball, ...flags]), folder);
  return folder;
}
