/**
 * Compiles lib/ into dist/, as it is published. setup.mjs runs it where lib/ has changed.
 *
 *   dist/cjs/index.js     the library in one CommonJS file: 119 modules take 75 ms to import, one takes 32
 *   dist/cjs/…/*.d.ts     its types, by modules
 *   dist/esm/index.js     what `import` gets: the same names, taken from there
 *
 * So a process has one copy of the library's state, whichever way and however often it is loaded. (The other way about,
 * `require` of an ES module, needs a flag in Node 20.17.) docs/architecture.md, "The package", has the measurements.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { bin, root, run } from './setup.mjs';

const write = (file, text) => writeFileSync(join(root, 'dist', file), text);

/**
 * One file, not minified, for stack traces and profiles are read; its map points to lib/, which is published too. Returns
 * the names that it exports. Rollup is behind this and not esbuild, which would rename classes (`class _Tensor`), and users
 * see those names.
 */
async function bundle() {
  const { output } = await build({
    configFile: false,
    root,
    logLevel: 'warn',
    plugins: [{ name: 'import.meta', resolveImportMeta: () => "require('node:url').pathToFileURL(__filename).href" }],
    build: {
      ssr: 'lib/index.ts',
      outDir: 'dist/cjs',
      emptyOutDir: false,
      target: 'es2022',
      minify: false,
      sourcemap: true,
      rollupOptions: {
        output: {
          format: 'cjs',
          entryFileNames: 'index.js',
          sourcemapExcludeSources: true,
          // Only Node's own modules are left outside: they need no wrapper that tells ES modules from others.
          interop: 'esModule',
          externalLiveBindings: false,
          generatedCode: 'es2015',
        },
      },
    },
  });
  return output[0].exports.sort();
}

/** What `import` gets. `names`: of all exports; one of them is `var`, so each has a binding of another name. */
function writeModule(names) {
  mkdirSync(join(root, 'dist', 'esm'));
  // Node looks for the names of a CommonJS file that is imported by reading all of it, which takes as long as running it.
  // It doesn't look through this one.
  write('esm/library.cjs', "const library = require('../cjs/index.js');\nmodule.exports = { ...library };\n");
  write(
    'esm/index.js',
    "import library from './library.cjs';\n" +
      `const { ${names.map((name) => `${name}: $${name}`).join(', ')} } = library;\n` +
      `export { ${names.map((name) => `$${name} as ${name}`).join(', ')} };\n`,
  );
  write('esm/index.d.ts', "export * from '../cjs/index.js';\n");
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
if (!run(process.execPath, [bin('typescript', 'tsc'), '-p', 'tsconfig.build.json'])) process.exit(1); // tsc has said why
writeModule(await bundle());
write('cjs/package.json', '{ "type": "commonjs" }\n');
