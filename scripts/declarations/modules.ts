/** Declaration files as modules: what each declares, and what of it a user can reach. */
import { posix } from 'node:path';
import ts from 'typescript';

/** A declaration file. Paths are relative to the folder of all of them. */
export interface Module {
  path: string;
  source: ts.SourceFile;
  /** Where names that are imported come from. */
  imports: Map<string, { path: string; name: string }>;
  constants: Map<string, { statement: ts.VariableStatement; declaration: ts.VariableDeclaration }>;
}

const pathOf = (from: string, specifier: ts.Expression | undefined): string =>
  posix.join(posix.dirname(from), (specifier as ts.StringLiteral).text).replace(/\.js$/, '.d.ts');

export function readModule(path: string, text: string): Module {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const module: Module = { path, source, imports: new Map(), constants: new Map() };
  for (const s of source.statements) {
    if (ts.isImportDeclaration(s) && ts.isStringLiteral(s.moduleSpecifier) && s.moduleSpecifier.text.startsWith('.')) {
      const named = s.importClause?.namedBindings;
      if (named && ts.isNamedImports(named)) {
        for (const e of named.elements)
          module.imports.set(e.name.text, {
            path: pathOf(path, s.moduleSpecifier),
            name: (e.propertyName ?? e.name).text,
          });
      } else if (named) module.imports.set(named.name.text, { path: pathOf(path, s.moduleSpecifier), name: '*' });
    } else if (ts.isVariableStatement(s)) {
      for (const declaration of s.declarationList.declarations)
        module.constants.set((declaration.name as ts.Identifier).text, { statement: s, declaration });
    }
  }
  return module;
}

/** A name that users can reach. */
export interface PublicName {
  /** As users write it: `nn.functional.relu`. */
  name: string;
  path: string;
  /** Its name in that file. */
  local: string;
}

/** All names that users reach from a file, through namespaces too. */
export function publicNames(modules: ReadonlyMap<string, Module>, entry: string): PublicName[] {
  const known = new Map<string, PublicName[]>();
  const namesOf = (path: string): PublicName[] => {
    const found = known.get(path);
    if (found) return found;
    const names: PublicName[] = [];
    known.set(path, names); // for files that import each other
    const module = modules.get(path);
    if (module) for (const s of module.source.statements) names.push(...exportsOf(module, s, namesOf));
    return names;
  };
  return namesOf(entry);
}

function exportsOf(module: Module, s: ts.Statement, namesOf: (path: string) => PublicName[]): PublicName[] {
  if (!ts.isExportDeclaration(s)) {
    if (!ts.canHaveModifiers(s) || !ts.getModifiers(s)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword)) return [];
    const { name } = s as unknown as { name?: ts.Identifier };
    const names = ts.isVariableStatement(s)
      ? s.declarationList.declarations.map((d) => (d.name as ts.Identifier).text)
      : [name?.text ?? 'default'];
    return names.map((local) => ({ name: local, path: module.path, local }));
  }
  const from = s.moduleSpecifier ? pathOf(module.path, s.moduleSpecifier) : null;
  const under = (path: string, prefix: string): PublicName[] =>
    namesOf(path).map((one) => ({ ...one, name: `${prefix}.${one.name}` }));
  if (!s.exportClause) return namesOf(from!);
  if (ts.isNamespaceExport(s.exportClause)) return under(from!, s.exportClause.name.text);
  return s.exportClause.elements.flatMap((e) => {
    const local = (e.propertyName ?? e.name).text;
    const imported = module.imports.get(local);
    const [path, wanted] = from === null ? [imported?.path, imported?.name] : [from, local];
    if (path === undefined) return [{ name: e.name.text, path: module.path, local }];
    if (wanted === '*') return under(path, e.name.text);
    return namesOf(path)
      .filter((one) => one.name === wanted || one.name.startsWith(`${wanted}.`))
      .map((one) => ({ ...one, name: e.name.text + one.name.slice(wanted!.length) }));
  });
}
