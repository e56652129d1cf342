/** The published declarations, for tests: made anew where lib/ has changed, as an installed package in build/declarations. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** A project that has the package installed. */
export const project = join(root, 'build', 'declarations');
/** The package's declarations there. */
export const declarations = join(project, 'node_modules', 'tenfold', 'dist', 'cjs');

function fingerprint(): string {
  const hash = createHash('sha256').update(ts.version);
  for (const folder of ['lib', 'scripts/declarations']) {
    for (const file of readdirSync(join(root, folder), { recursive: true }).map(String).sort())
      if (file.endsWith('.ts')) hash.update(file).update(readFileSync(join(root, folder, file)));
  }
  return hash.digest('hex');
}

/** Makes them. */
export async function build(): Promise<void> {
  const stamp = join(project, 'stamp');
  const wanted = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // Under another name until whole: tests run side by side.
  const fresh = join(root, 'build', `declarations-${process.pid}`);
  const folder = join(fresh, 'node_modules', 'tenfold', 'dist', 'cjs');
  const node = async (...args: string[]): Promise<void> => {
    try {
      await promisify(execFile)(process.execPath, args, { cwd: root });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
    }
  };
  await node(join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', folder);
  await node('--import', 'tsx', join('scripts', 'declarations', 'write.ts'), folder);
  const { name, typesVersions } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  const entry = (path: string): object => ({ types: `./dist/cjs/${path}.d.ts`, default: `./dist/cjs/${path}.js` });
  const manifest = {
    name,
    typesVersions,
    types: './dist/cjs/index.d.ts',
    exports: { '.': entry('index'), './serve': entry('serve/index') },
  };
  writeFileSync(join(folder, '..', '..', 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
  writeFileSync(join(fresh, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(fresh, 'stamp'), wanted);
  rmSync(project, { recursive: true, force: true });
  mkdirSync(dirname(project), { recursive: true });
  renameSync(fresh, project);
}

/** The settings that a user's strictest project may have. */
export const STRICTEST: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  verbatimModuleSyntax: true,
  noEmit: true,
  types: [],
  skipLibCheck: true,
};

/** What the compiler says of programs, by name, each in a file of its own. */
export function check(programs: Record<string, string>, options = STRICTEST): Map<string, string[]> {
  const texts = new Map(Object.entries(programs).map(([name, text]) => [join(project, `${name}.ts`), text]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => texts.has(file) || fileExists(file);
  host.readFile = (file) => texts.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = texts.get(file);
    return text === undefined
      ? getSourceFile.call(host, file, version, ...rest)
      : ts.createSourceFile(file, text, version);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  const found = new Map<string, string[]>();
  for (const [name] of Object.entries(programs)) {
    const source = program.getSourceFile(join(project, `${name}.ts`))!;
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    found.set(
      name,
      diagnostics.map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n')),
    );
  }
  return found;
}
