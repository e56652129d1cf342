/** Formats native/ with the clang-format whose output the tests hold it to. */
import { spawnSync } from 'node:child_process';
import { clangFormat, root } from './setup.mjs';
import { nativeSources } from './test.mjs';

const command = clangFormat();
if (command === null) {
  console.error('clang-format 14 is not installed (Debian: clang-format-14)');
  process.exit(1);
}
process.exit(spawnSync(command, ['-i', ...nativeSources()], { cwd: root, stdio: 'inherit' }).status ?? 1);
