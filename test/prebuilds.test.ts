/** The check after linking (scripts/prebuilds/check.mjs) lets a fit addon through, and refuses each of the unfit ones. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(mkdtempSync(join(tmpdir(), 'tenfold-check-')), 'linux-x64');
mkdirSync(folder);

const ENTRY_POINTS = `
  int napi_register_module_v1(void* env, void* exports) { return napi_create_object(env, exports); }
  int node_api_module_get_api_version_v1(void) { return 8; }`;

/** Links C as an addon and checks it. */
function check(code: string, ...flags: string[]): { status: number | null; stderr: string } {
  const source = join(folder, 'addon.c');
  const file = join(folder, 'tenfold.glibc.node');
  writeFileSync(source, `int napi_create_object(void*, void*);\n${ENTRY_POINTS}\n${code}`);
  const cc = spawnSync('cc', ['-shared', '-fPIC', '-o', file, source, ...flags], { encoding: 'utf8' });
  expect(cc.stderr.replace(/.*executable stack.*\n?/g, '')).toBe('');
  const script = join(root, 'scripts', 'prebuilds', 'check.mjs');
  return spawnSync(process.execPath, [script, file], { encoding: 'utf8' });
}

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('a prebuilt binary', () => {
  it('passes with symbols of Node and libc only', () => {
    expect(check('')).toMatchObject({ status: 0, stderr: '' });
  });
  it.each([
    ['wants a symbol that nobody has', 'int lost(void); static int f(void) { return lost(); } int (*p)(void) __attribute__((visibility("hidden"))) = f;', [], /lost is neither Node's nor libc's/], // prettier-ignore
    ['exports more than the entry points', 'int mine(void) { return 1; }', [], /also exports mine/],
    ['has an executable stack', '', ['-Wl,-z,execstack'], /has an executable stack/],
    ['has a library search path', '', ['-Wl,-rpath,/opt'], /has a library search path/],
    ['is too large', 'static char big[9000000] __attribute__((used)) = {1};', [], /is 9\d{6} bytes, more than 8000000/],
    ['needs a library that a system may lack', '', ['-Wl,--no-as-needed', '-l:libcrypt.so.1'], /needs libcrypt\.so\.1/],
    [
      'needs a newer glibc',
      'double later(double) __attribute__((visibility("hidden"))); __asm__(".symver pow, pow@GLIBC_2.29"); double pow(double, double); double later(double x) { return pow(x, x); }',
      ['-lm'],
      /needs glibc 2\.29 for pow; at most 2\.28 is allowed/,
    ],
  ])('that %s is refused', (_, code, flags, message) => {
    const { status, stderr } = check(code, ...flags);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });
});
