/** The package's tarball as npm makes it, and folders in which it is installed, as users do that. */
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { libcOfProcess } from '../../lib/native/libc.js';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const programs = join(root, 'test', 'package', 'programs');

/** Node's name for this platform, as prebuilds/ has it. */
export const platform = `${process.platform}-${process.arch}`;

/** Whether all there is to test is to be tested, which takes minutes (`npm run test:package -- all`). */
export const everything = process.env.TENFOLD_PACKAGE === 'all';

/** What programs/network.cjs answers, on every processor, and PyTorch for the same network and seed. */
export const LEARNT = '0,1,1,0 0.0004\n';

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

/** Runs a program to its end; asynchronous, because vitest's processes have to answer each other meanwhile. */
export function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const shell = process.platform === 'win32' && command === 'npm';
  const child = spawn(command, args, { cwd, env: { ...cleanEnv, ...env }, shell, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (printed[stream] += text));
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status, signal) => resolve({ status, signal, ...printed }));
  });
}

/** The same, of a command that must succeed; what it printed. */
export async function output(command: string, args: string[], cwd: string, env?: NodeJS.ProcessEnv): Promise<string> {
  const { status, signal, stdout, stderr } = await run(command, args, cwd, env);
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} ended with ${signal ?? status}:\n${stdout}\n${stderr}`);
}

/** Whether this process may cut programs off the network (root on Linux). */
export const canCutNetwork = process.platform === 'linux' && spawnSync('unshare', ['-n', 'true']).status === 0;

/** The same command without a network, where that can be had. */
export const offline = (command: string, args: string[]): [string, string[]] =>
  canCutNetwork ? ['unshare', ['-n', command, ...args]] : [command, args];

/** Folders of this file's tests, which go when they are done. */
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenfold-installed-'));
  folders.push(folder);
  return folder;
}

/**
 * `npm pack` of the working tree, with the binary of build/Release standing for this platform's where prebuilds/ has none.
 * Returns the path of the tarball; TENFOLD_TARBALL names one that is there (release.yml tests what it publishes).
 */
export async function pack(): Promise<string> {
  if (process.env.TENFOLD_TARBALL) return resolve(process.env.TENFOLD_TARBALL);
  const stage = join(root, 'build', 'package');
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  for (const file of ['package.json', 'README.md', 'LICENSE', ...files]) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(stage, file), { recursive: true });
  }
  const folder = join(stage, 'prebuilds', platform);
  const libc = libcOfProcess();
  const mine = existsSync(folder) && readdirSync(folder).some((file) => libc === null || file.includes(libc));
  if (!mine) {
    mkdirSync(folder, { recursive: true });
    const name = libc === null ? 'tenfold.node' : `tenfold.${libc}.node`;
    copyFileSync(join(root, 'build', 'Release', 'tenfold.node'), join(folder, name));
    // As prebuilt ones are; where there is no strip, it stays some 1 MB larger.
    if (process.platform === 'linux') spawnSync('strip', ['--strip-unneeded', join(folder, name)]);
  }
  const name = await output('npm', ['pack', '--ignore-scripts', '--loglevel=error'], stage);
  return join(stage, name.trim());
}

/** An empty project with the programs of programs/, so that they import the package as its users do. */
export function emptyProject(): string {
  const folder = freshFolder();
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  cpSync(programs, folder, { recursive: true });
  return folder;
}

/** Installs the tarball in an empty project: no network, no scripts. */
export async function install(tarball: string): Promise<string> {
  const folder = emptyProject();
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--offline'];
  await output(...offline('npm', ['install', tarball, ...flags]), folder);
  return folder;
}
