/**
 * Compiles lib/ into dist/, as it is published. setup.mjs runs it where lib/ has changed.
 *
 *   dist/cjs/index.js     the library in CommonJS: what it exports
 *   dist/cjs/core.js      tensors, ops, autograd: one file, for 119 modules take 75 ms to import
 *   dist/cjs/nn.js …      the namespaces of LATER, read when a program first takes something from them
 *   dist/cjs/serialization.js   load, save, …: read when one of them is first called
 *   dist/cjs/…/*.d.ts     its types, by modules: tsc's, which declarations/ makes readable
 *   dist/cjs/serve.js     a subpath of SUBPATHS, `tenfold/serve`: read by those who import it
 *   dist/include/         Node-API's headers, for those who build the native part of tenfold/distributed
 *   dist/esm/index.js     what `import` gets: the same names, taken from there; so for each subpath
 *
 * So a process has one copy of the library's state, whichever way and however often it is loaded. (The other way about,
 * `require` of an ES module, needs a flag in Node 20.17.) docs/architecture.md, "The package", has the measurements.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { build } from 'vite';
import { bin, root, run } from './setup.mjs';

const write = (file, text) => writeFileSync(join(root, 'dist', file), text);

/**
 * Namespaces whose code is read at their first use: half of the library is behind them, and V8 takes 8 ms to look through
 * it, whether it is used or not.
 */
const LATER = ['distributions', 'func', 'metrics', 'nn', 'onnx', 'optim', 'transforms', 'utils'];

/** The module of such a name: a file, or a folder's index. */
const moduleOf = (name) => (existsSync(join(root, 'lib', `${name}.ts`)) ? name : `${name}/index`);

/** Parts of the package that are imported by a name of their own, `tenfold/serve`. The library doesn't load them. */
const SUBPATHS = ['serve', 'distributed'];

/** Files of their own: what threads of `serve` and of DataLoader begin with, and the command. */
const ENTRIES = {
  'serve-worker': 'serve/models/worker.ts',
  'serve-command': 'serve/command.ts',
  'distributed-command': 'distributed/command.ts',
  'data-worker': 'utils/data/workerThread.ts',
  'store-thread': 'distributed/stores/thread.ts',
  'run-command': 'distributed/launcher/command.ts',
};

/** What threads and commands need that do without the library: they begin in a few milliseconds. */
const LIGHT = {
  'store-protocol': /^distributed\/stores\/protocol\//,
  'run-command': /^distributed\/launcher\/(?!environment)/,
};

/** Rooms of which index.ts exports functions by name (and nothing else); they too are read at their first use. */
const LATER_FUNCTIONS = ['serialization'];

/** Files beside index.js and core.js. */
const PARTS = [...LATER, ...LATER_FUNCTIONS, ...SUBPATHS];

/** Stands in index.js for `export * as nn from './nn/index.js'`. */
const NAMESPACE = `
function namespace(load, names) {
  const space = Object.create(null, { [Symbol.toStringTag]: { value: 'Module' } });
  const fill = () => {
    const loaded = load();
    for (const name of names) Object.defineProperty(space, name, { value: loaded[name], enumerable: true });
    return Object.freeze(space);
  };
  for (const name of names) {
    Object.defineProperty(space, name, { get: () => fill()[name], enumerable: true, configurable: true });
  }
  return space;
}
`;

/** Stands in index.js for `export { load, … } from './serialization/index.js'`. */
const FUNCTION = `
function later(name, load) {
  const call = (...args) => load()[name](...args);
  return Object.defineProperty(call, 'name', { value: name });
}
`;

const readLater = {
  name: 'namespaces of LATER',
  enforce: 'pre',
  // A subpath that wants all of the library takes it as others do, from index.js, which has the namespaces.
  resolveId(source, importer) {
    const inSubpath =
      importer !== undefined && SUBPATHS.some((name) => importer.startsWith(join(root, 'lib', name) + sep));
    const isLibrary = inSubpath && resolve(dirname(importer), source) === join(root, 'lib', 'index.js');
    return isLibrary ? { id: './index.js', external: true } : null;
  },
  transform(code, id) {
    if (id !== join(root, 'lib', 'index.ts')) return null;
    for (const name of LATER) {
      const line = `export * as ${name} from './${moduleOf(name)}.js';\n`;
      if (!code.includes(line)) throw new Error(`lib/index.ts lacks the line ${line}`);
      code = code.replace(line, '');
    }
    for (const name of LATER_FUNCTIONS) {
      const line = new RegExp(`export \\{[^}]*\\} from './${name}/index.js';\n`);
      if (!line.test(code)) throw new Error(`lib/index.ts lacks an export { … } from './${name}/index.js'`);
      code = code.replace(line, '');
    }
    return { code, map: null };
  },
  generateBundle(_, chunks) {
    const exported = LATER.map((name) => {
      const names = JSON.stringify(chunks[`${name}.js`].exports);
      return `exports.${name} = namespace(() => require('./${name}.js'), ${names});\n`;
    });
    const functions = LATER_FUNCTIONS.flatMap((room) => chunks[`${room}.js`].exports.map((name) => ({ name, room })));
    for (const { name, room } of functions)
      exported.push(`exports.${name} = later('${name}', () => require('./${room}.js'));\n`);
    const index = chunks['index.js'];
    index.code += NAMESPACE + FUNCTION + exported.join('');
    index.exports.push(...LATER, ...functions.map(({ name }) => name));
  },
};

/** The file that a module of lib/ goes to; what the files take from each other stays out of index.js. */
function fileOf(id) {
  const path = relative(join(root, 'lib'), id);
  if (path === 'index.ts') return 'index';
  const entry = Object.keys(ENTRIES).find((name) => path === join(...ENTRIES[name].split('/')));
  if (entry) return entry;
  const light = Object.keys(LIGHT).find((name) => LIGHT[name].test(path.replaceAll(sep, '/')));
  if (light) return light;
  return PARTS.find((name) => path === `${name}.ts` || path.startsWith(name + sep)) ?? 'core';
}

/**
 * Not minified, for stack traces and profiles are read; the maps point to lib/, which is published too. Returns the names
 * that the library and each subpath export. Rollup is behind this and not esbuild, which would rename classes (`class _Tensor`), and users
 * see those names.
 */
async function bundle() {
  const { output } = await build({
    configFile: false,
    root,
    logLevel: 'warn',
    plugins: [
      readLater,
      { name: 'import.meta', resolveImportMeta: () => "require('node:url').pathToFileURL(__filename).href" },
    ],
    build: {
      ssr: true,
      outDir: 'dist/cjs',
      emptyOutDir: false,
      target: 'es2022',
      minify: false,
      sourcemap: true,
      rollupOptions: {
        input: {
          index: join(root, 'lib/index.ts'),
          ...Object.fromEntries(PARTS.map((name) => [name, join(root, 'lib', `${moduleOf(name)}.ts`)])),
          ...Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(root, 'lib', file)])),
        },
        output: {
          format: 'cjs',
          entryFileNames: '[name].js',
          chunkFileNames: '[name].js',
          manualChunks: fileOf,
          minifyInternalExports: false,
          hoistTransitiveImports: false,
          sourcemapExcludeSources: true,
          // Only Node's own modules are left outside: they need no wrapper that tells ES modules from others.
          interop: 'esModule',
          externalLiveBindings: false,
          generatedCode: 'es2015',
        },
      },
    },
  });
  const exportsOf = (name) => output.find((chunk) => chunk.fileName === `${name}.js`).exports.sort();
  return Object.fromEntries(['index', ...SUBPATHS].map((name) => [name, exportsOf(name)]));
}

/**
 * What `import` gets of a file of dist/cjs. `names`: of all its exports; one of them is `var`, so each has a binding of another
 * name. `types`: where its declarations are.
 */
function writeModule(file, names, types) {
  // Node looks for the names of a CommonJS file that is imported by reading all of it, which takes as long as running it.
  // It doesn't look through this one.
  const wrapper = file === 'index' ? 'library' : file;
  write(`esm/${wrapper}.cjs`, `const library = require('../cjs/${file}.js');\nmodule.exports = { ...library };\n`);
  write(
    `esm/${file}.js`,
    `import library from './${wrapper}.cjs';\n` +
      `const { ${names.map((name) => `${name}: $${name}`).join(', ')} } = library;\n` +
      `export { ${names.map((name) => `$${name} as ${name}`).join(', ')} };\n`,
  );
  write(`esm/${file}.d.ts`, `export * from '../cjs/${types}.js';\n`);
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
if (!run(process.execPath, [bin('typescript', 'tsc'), '-p', 'tsconfig.build.json'])) process.exit(1); // tsc has said why
// Its declarations, as an editor can show them.
const readable = ['--import', 'tsx', join('scripts', 'declarations', 'write.ts'), join('dist', 'cjs')];
if (!run(process.execPath, readable)) process.exit(1);
const names = await bundle();
mkdirSync(join(root, 'dist', 'esm'));
writeModule('index', names.index, 'index');
for (const name of SUBPATHS) writeModule(name, names[name], `${name}/index`);
write(
  'tenfold.cjs',
  "#!/usr/bin/env node\nrequire(process.argv[2] === 'build-distributed' ? './cjs/distributed-command.js' : './cjs/serve-command.js');\n",
);
write('tenfold-run.cjs', "#!/usr/bin/env node\nrequire('./cjs/run-command.js');\n");
mkdirSync(join(root, 'dist', 'include'));
for (const folder of ['node_modules/node-api-headers/include', 'node_modules/node-addon-api']) {
  const headers = readdirSync(join(root, folder)).filter((file) => /^(?!.*deprecated).*\.h$/.test(file));
  for (const file of headers) copyFileSync(join(root, folder, file), join(root, 'dist', 'include', file));
}
write('cjs/package.json', '{ "type": "commonjs" }\n');
