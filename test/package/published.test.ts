/** The package as npm publishes it: what is in it, who can import it, and that it works installed, with nothing run. */
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { beforeAll, describe, expect, test } from 'vitest';
import { install, LEARNT, output, pack, platform, run } from './tarball.js';

let tarball: string;
let project: string;
let installed: string;
beforeAll(async () => {
  tarball = await pack();
  project = await install(tarball);
  installed = join(project, 'node_modules', 'tenfold');
});

const node = (...args: string[]): Promise<string> => output(process.execPath, args, project);
const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile()
      ? [
          join(entry.parentPath, entry.name)
            .slice(folder.length + 1)
            .replaceAll('\\', '/'),
        ]
      : [],
  );

describe('holds', () => {
  interface Manifest {
    scripts?: Record<string, string>;
    dependencies?: unknown;
    gypfile: boolean;
  }

  test('what a user needs, and nothing that would start a build', () => {
    const files = filesUnder(installed);
    const kinds = new Set(files.map((file) => file.replace(/\/.*/, '/')));
    expect([...kinds].sort()).toEqual(
      [
        'LICENSE',
        'README.md',
        'THIRD_PARTY_LICENSES.md',
        'dist/',
        'lib/',
        'native/',
        'package.json',
        'prebuilds/',
      ].sort(),
    );
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
    expect(manifest.gypfile).toBe(false);
    expect(manifest.dependencies).toBeUndefined();
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(Object.keys(manifest.scripts ?? {}).filter((name) => atInstall.includes(name))).toEqual([]);
    expect(files.filter((file) => file.startsWith(`prebuilds/${platform}/`))).not.toEqual([]);
  });

  test('every source that a source map points to', () => {
    const maps = filesUnder(join(installed, 'dist')).filter((file) => file.endsWith('.map'));
    expect(maps).toContain('cjs/index.js.map');
    for (const map of maps) {
      const file = join(installed, 'dist', map);
      const { sources } = JSON.parse(readFileSync(file, 'utf8')) as { sources: string[] };
      expect(sources.filter((source) => !existsSync(join(file, '..', source)))).toEqual([]);
    }
  });

  // 8.1 are the library with its three instruction sets, 3.2 the sources that maps point to, 2.2 those maps, 1.8 declarations that an
  // editor can show; as tsc writes them they would be 0.8.
  test('at most 18.5 MB for one platform', () => {
    const bytes = (folder: string, skip: RegExp): number =>
      filesUnder(folder).reduce((sum, file) => sum + (skip.test(file) ? 0 : statSync(join(folder, file)).size), 0);
    const own = readdirSync(join(installed, 'prebuilds', platform));
    const largest = Math.max(...own.map((file) => statSync(join(installed, 'prebuilds', platform, file)).size));
    expect(bytes(installed, /^prebuilds\//) + largest).toBeLessThan(18.5e6);
  });
});

describe('linters find nothing:', () => {
  test('publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  test('are the types wrong?', async () => {
    const { types, problems } = (await checkPackage(
      createPackageFromTarballData(new Uint8Array(readFileSync(tarball))),
    )) as { types: unknown; problems: object[] };
    expect(types).not.toBe(false);
    expect(problems).toEqual([]);
  });
});

describe("a user's TypeScript compiles", () => {
  // Nothing is assumed of a user's project: no @types/node, ES2022, and declarations are checked too.
  test.each([
    ['node16, as a module', 'user.mts', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    ['node16, as CommonJS', 'user.cts', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    ['bundler', 'user.ts', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  ])('%s', (_, file, module, moduleResolution) => {
    copyFileSync(join(project, 'types.ts'), join(project, file));
    const options: ts.CompilerOptions = {
      module,
      moduleResolution,
      target: ts.ScriptTarget.ES2022,
      strict: true,
      noEmit: true,
      types: [],
      skipLibCheck: false,
    };
    const found = ts.getPreEmitDiagnostics(ts.createProgram([join(project, file)], options));
    expect(found.map((d) => ts.formatDiagnostic(d, ts.createCompilerHost(options)))).toEqual([]);
  });
});

describe('trains, installed without network and scripts,', () => {
  test('by import', async () => expect(await node('train.mjs')).toBe(LEARNT));
  test('by require', async () => expect(await node('train.cjs')).toBe(LEARNT));
  test('by both at once, as one library, in a worker too', async () =>
    expect(await node('both.mjs')).toBe('one library\n'));
  test('eight threads have one model of 90 MB between them', async () => {
    expect(Number(await node('shared.mjs'))).toBeLessThan(90 + 8 * 25);
  });
  test('in two workers beside the main thread', async () => expect(await node('workers.mjs')).toBe('two workers\n'));
  test('and again after its workers were ended at work', async () =>
    expect(await node('workers.mjs', '--end')).toBe('two workers\n'));
  test('with stack traces that lead to the source', async () => {
    const { stderr } = await run(
      process.execPath,
      ['--enable-source-maps', '-e', "require('tenfold').zeros([2]).reshape(3)"],
      project,
    );
    expect(stderr).toMatch(/node_modules[\\/]tenfold[\\/]lib[\\/]ops[\\/]view\.ts:\d+/);
  });
});

describe('leaves without a crash, with work in flight:', () => {
  test.each([
    ['end', 0, null],
    ['exit', 0, null],
    ['throw', 1, null],
    ['kill', null, 'SIGTERM'],
  ] as const)('%s', async (way, status, signal) => {
    const outcome = await run(process.execPath, ['exit.mjs', way, project], project);
    expect(outcome).toMatchObject({ status, signal, stdout: 'leaving\n' });
  });
});

test('says so where an optional file was dropped', async () => {
  const folder = await install(tarball);
  const prebuilds = join(folder, 'node_modules', 'tenfold', 'prebuilds');
  renameSync(prebuilds, `${prebuilds}-gone`);
  for (const program of ['train.mjs', 'train.cjs']) {
    const { status, stderr } = await run(process.execPath, [program], folder);
    expect(status).toBe(1);
    expect(stderr).toContain('tenfold: its native library could not be loaded');
    expect(stderr).toContain(`Found       nothing in ${prebuilds}`);
  }
});
