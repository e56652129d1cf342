/**
 * The rooms of docs/architecture.md, held to: imports run one way in lib/ and in native/, every op has its doc line and its
 * test, files are named after what they hold.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as tf from '../lib/index.js';
import { declaration, kernel, kernelNames } from '../lib/native/launch.js';
import { registry } from '../lib/op/define.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function filesUnder(folder: string, pattern: RegExp): string[] {
  const found = readdirSync(join(root, folder), { recursive: true })
    .map((f) => posix.join(folder, String(f).replaceAll('\\', '/')))
    .filter((f) => pattern.test(f))
    .sort();
  expect(found.length, `no file of ${folder}/ matches ${pattern}`).toBeGreaterThan(0);
  return found;
}
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const parse = (file: string): ts.SourceFile => ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);

/** Arrows that go up, each with its reason. */
type Exceptions = Record<string, string>;

/** Those of `arrows` ([from, to], files) that lead from a lower room to a higher one and are no exception. */
function upward(arrows: [string, string][], rooms: string[][], exceptions: Exceptions): string[] {
  const rank = (file: string): number => {
    const at = rooms.findIndex((room) => room.some((prefix) => file === prefix || file.startsWith(`${prefix}/`)));
    expect(at, `${file} is in no room: add it to the list`).toBeGreaterThanOrEqual(0);
    return at;
  };
  return arrows
    .filter(([from, to]) => rank(from) < rank(to))
    .map(([from, to]) => `${from} -> ${to}`)
    .filter((arrow) => !(arrow in exceptions));
}

describe('lib/', () => {
  // From the ground up: a room may use those before it. Those of one line know each other.
  const ROOMS = [
    ['lib/errors.ts', 'lib/dtype.ts'],
    ['lib/native'],
    // A tensor has a node of the graph, and a node has tensors. A launch takes tensors, which are copied by launches.
    ['lib/tensor', 'lib/autograd', 'lib/launch'],
    ['lib/random'],
    ['lib/compile'],
    ['lib/op'],
    ['lib/ops', 'lib/profile'],
    ['lib/nn/functional'],
    ['lib/nn'],
    ['lib/distributions', 'lib/metrics', 'lib/onnx', 'lib/optim', 'lib/serialization', 'lib/transforms', 'lib/utils'],
    ['lib/vmap'],
    [
      'lib/autocast.ts',
      'lib/config.ts',
      'lib/randomState.ts',
      'lib/fft.ts',
      'lib/func.ts',
      'lib/index.ts',
      'lib/linalg.ts',
      'lib/signal.ts',
      'lib/special.ts',
    ],
    // Subpaths of the package: they use the library, which doesn't know them.
    ['lib/serve', 'lib/distributed'],
  ];
  const EXCEPTIONS: Exceptions = {};

  /** What is loaded at run time: types leave no import behind. */
  function valueImports(file: string): string[] {
    return parse(file).statements.flatMap((s) => {
      if (!ts.isImportDeclaration(s) && !ts.isExportDeclaration(s)) return [];
      const target = s.moduleSpecifier;
      if (!target || !ts.isStringLiteral(target) || !target.text.startsWith('.')) return [];
      const clause = ts.isImportDeclaration(s) ? s.importClause : s;
      if (clause?.isTypeOnly) return [];
      const named = ts.isImportDeclaration(s) ? s.importClause?.namedBindings : s.exportClause;
      const defaults = ts.isImportDeclaration(s) && s.importClause?.name;
      if (!defaults && named && (ts.isNamedImports(named) || ts.isNamedExports(named))) {
        if (named.elements.length > 0 && named.elements.every((e) => e.isTypeOnly)) return [];
      }
      return [posix.join(posix.dirname(file), target.text).replace(/\.js$/, '.ts')];
    });
  }

  const files = filesUnder('lib', /\.ts$/);

  it('imports run one way', () => {
    const arrows = files.flatMap((from) => valueImports(from).map((to): [string, string] => [from, to]));
    expect(arrows.length).toBeGreaterThan(files.length);
    expect(upward(arrows, ROOMS, EXCEPTIONS)).toEqual([]);
  });

  it('only lib/launch takes addresses and launches', () => {
    const uses = (file: string, pattern: RegExp): boolean => pattern.test(read(file));
    const outside = files.filter((file) => !file.startsWith('lib/launch/') && !file.startsWith('lib/native/'));
    // A storage knows its address, and dataPtr() tells users theirs.
    // A plan binds memory to the frames of launches that were recorded.
    const PLANS = ['entry', 'plan', 'recording', 'signature'].map((name) => `lib/compile/${name}.ts`);
    const KNOWING = [...PLANS, 'lib/tensor/storage.ts', 'lib/tensor/tensor.ts'];
    const LAUNCHING = /import \{[^}]*\b(frame|launch)\b[^}]*\} from '[./]*native\/launch\.js'/;
    expect(outside.filter((file) => uses(file, LAUNCHING))).toEqual([]);
    const inMemory = (file: string): boolean =>
      uses(file, /\baddressOf\b/) || (uses(file, /\.address\b(?!\()/) && !file.startsWith('lib/distributed/')); // networks'
    expect(outside.filter(inMemory)).toEqual(KNOWING);
    expect(files.filter((file) => uses(file, LAUNCHING)).length).toBeGreaterThan(1);
  });

  it('every kernel but the elementwise ones declares its frame', () => {
    for (const name of kernelNames()) {
      for (const id of kernel(name)) if (id >= 0) expect(declaration(id), name).not.toBe('?');
    }
  });

  it('only lib/native speaks to the addon', () => {
    const loaders = files.filter((file) => /createRequire|process\.dlopen|\.node['"`]/.test(read(file)));
    // The launcher looks where a program's tsx is, and loads nothing.
    const NONE = ['lib/distributed/launcher/ranks.ts'];
    expect(loaders.filter((file) => !file.startsWith('lib/native/'))).toEqual(NONE);
    expect(loaders).not.toEqual([]);
  });
});

describe('native/', () => {
  const ROOMS = [
    ['native/dtype.h', 'native/kernel.h', 'native/workspace.h', 'native/workspace.cc', 'native/simd', 'native/threads'],
    ['native/loops'],
    ['native/gemm'],
    // A chain is a kernel, and looks others up.
    ['native/random', 'native/kernels', 'native/plan'],
    ['native/node', 'native/test', 'native/distributed'],
  ];
  const EXCEPTIONS: Exceptions = {};
  const files = filesUnder('native', /\.(cc|h)$/);
  const includes = (file: string): string[] =>
    [...read(file).matchAll(/^\s*#include\s+["<]([^">]+)[">]/gm)].map((m) => m[1]!);

  it('includes run one way', () => {
    const arrows = files.flatMap((from) =>
      includes(from).flatMap((path): [string, string][] => {
        const to = [posix.join('native', path), posix.join(posix.dirname(from), path)].find((f) => files.includes(f));
        return to ? [[from, to]] : [];
      }),
    );
    expect(arrows.length).toBeGreaterThan(files.length);
    expect(upward(arrows, ROOMS, EXCEPTIONS)).toEqual([]);
  });

  it('only native/node and the addon of native/distributed know Node', () => {
    const knowing = files.filter((file) =>
      includes(file).some((path) => /napi|node_api|^node\.h$|^v8|^uv\.h$/.test(path)),
    );
    expect(knowing.length).toBeGreaterThan(0);
    expect(knowing.filter((file) => !file.startsWith('native/node/'))).toEqual(['native/distributed/addon.cc']);
  });
});

/** Ops that still have no test of their own. The list only ever gets shorter. */
const AWAITING = new Set<string>([]);
/** Whether users can call an op; the others are steps of these, and held by their tests. */
const isPublic = (name: string): boolean =>
  [tf, tf.nn.functional, tf.Tensor.prototype].some((owner) => name in (owner as object));

describe('ops', () => {
  const names = [...new Set([...registry.values()].map((op) => op.sig.name))];

  /** The exported constants that hold an op, by file: what `defineOp` or `overload` made, also through a local function. */
  const blocks = filesUnder('lib', /^lib\/(ops|nn\/functional)\/.*\.ts$/).flatMap((file) => {
    const source = parse(file);
    return source.statements.flatMap((s) => {
      if (!ts.isVariableStatement(s)) return [];
      const made = s.declarationList.declarations.filter((d) =>
        /\b(defineOp|overload)\b/.test(d.initializer?.getText(source) ?? ''),
      );
      const exported = s.modifiers?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword);
      if (made.length === 0 || !exported) return [];
      return [{ at: `${file}: ${made[0]!.name.getText(source)}`, doc: ts.getJSDocCommentsAndTags(s).length > 0 }];
    });
  });

  it('have a doc comment', () => {
    expect(blocks.length).toBeGreaterThan(100);
    expect(blocks.filter((b) => !b.doc).map((b) => b.at)).toEqual([]);
  });

  it('have a test: a row of recorded samples, or a call in test/', () => {
    const camel = (name: string): string => name.replace(/_(.)/g, (_, c: string) => c.toUpperCase());
    const rows = new Set(
      filesUnder('test/fixtures/operators', /\.json\.gz$/).map((f) =>
        camel(posix.basename(f, '.json.gz').split('.').at(-1)!),
      ),
    );
    const tests = filesUnder('test', /\.test\.ts$/)
      .map(read)
      .join('\n');
    const called = (name: string): boolean =>
      further.has(name) || new RegExp(`\\b${name}\\(|['"\`]${name}['"\`]`).test(tests);
    const further = new Set(
      (JSON.parse(read('test/fixtures/further.json')) as { rows: [string][] }).rows.map(([n]) =>
        camel(n.split('.').at(-1)!),
      ),
    );
    // Ops that only others call, and by whose tests they are held.
    const INNER: Record<string, string> = { toCopy: 'to', matmulBatched: 'matmul', copy: 'clone' };
    // A backward that is an op itself is differentiated by the second derivatives of the op that it belongs to.
    const base = (name: string): string => INNER[name] ?? name.replace(/_$/, '').replace(/Backward$/, '');
    const tested = (name: string): boolean => rows.has(base(name)) || called(name) || called(base(name));
    expect(names.filter((name) => isPublic(name) && !tested(name) && !AWAITING.has(name))).toEqual([]);
  });
});

it('files are named after what they hold', () => {
  const folders = ['lib', 'native', 'test', 'bench', 'examples', 'scripts'].filter((f) => existsSync(join(root, f)));
  const all = folders.flatMap((folder) => filesUnder(folder, /\.(ts|mjs|js|cc|h|py)$/));
  expect(all.filter((f) => /(^|[/_.-])(utils?|helpers?|misc|common)[._-]/i.test(posix.basename(f)))).toEqual([]);
});
