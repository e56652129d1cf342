/**
 * The published types, written so that an editor can show them: tsc's declarations say `Op<"sum(Tensor self, …)">` and
 * `...args: Arguments<…>`, which is exact and unreadable; here each becomes the signatures that its schema stands for, with
 * names, defaults, the text of the op's comment and an interface for the arguments by name, and Tensor's methods are written
 * out. The schemas stay the only statement of a call. Source maps lead from each of these to the op's block.
 *
 *   forms.ts       a schema's signatures
 *   parameters.ts  what parameters mean that mean the same everywhere
 *   text.ts        comments, signatures and interfaces as text
 *   modules.ts     declaration files as modules; what of them users reach
 *   maps.ts        source maps of edited files
 */
import { posix } from 'node:path';
import ts from 'typescript';
import { readNotation } from '../../lib/op/notation.js';
import { formsOf, optionKeys, type Context, type FormParameter } from './forms.js';
import { MappedText, readMap, writeMap, type Edit, type SourcePlace } from './maps.js';
import { publicNames, readModule, type Module } from './modules.js';
import { describeParameter } from './parameters.js';
import { comment, commentOf, optionsInterface, resultInterface, signatures, summary, type Comment } from './text.js';

/** An op of a declaration file: the schemas behind a constant, its comment, where it comes from. */
export interface DeclaredOp {
  /** Its name in the file. */
  local: string;
  module: Module;
  schemas: string[];
  doc: Comment;
  from: SourcePlace | null;
}

const TENSOR = 'tensor/tensor.d.ts';
const SCHEMA = 'op/schema.d.ts';
const ENTRIES = ['index.d.ts'];

/** Where the types that kinds mention are declared. */
const HOMES: Record<string, string> = {
  Tensor: TENSOR,
  DType: 'dtype.d.ts',
  Scalar: SCHEMA,
  Generator: 'random/generator.d.ts',
  Index: 'ops/indexing.d.ts',
};

/** The declarations of a library, file by file, as tsc wrote them and as they are published. */
export class Declarations {
  readonly modules = new Map<string, Module>();
  private readonly texts = new Map<string, MappedText>();
  private readonly kinds = new Map<string, string>();
  /** Ops that users reach, by file and name. */
  readonly ops = new Map<string, DeclaredOp>();

  /** `files`: texts of .d.ts and .d.ts.map files by path. */
  constructor(private readonly files: ReadonlyMap<string, string>) {
    for (const [path, text] of files) {
      if (!path.endsWith('.d.ts')) continue;
      this.modules.set(path, readModule(path, text));
      const map = files.get(`${path}.map`);
      this.texts.set(path, new MappedText(text, map === undefined ? [] : readMap(map)));
    }
    this.readKinds();
    for (const entry of ENTRIES)
      for (const { path, local } of publicNames(this.modules, entry)) {
        const op = this.opOf(this.modules.get(path)!, local);
        if (op) this.ops.set(`${path}:${local}`, op);
      }
    this.completeAliases();
  }

  private readKinds(): void {
    const { source } = this.modules.get(SCHEMA)!;
    const kinds = source.statements.find((s) => ts.isInterfaceDeclaration(s) && s.name.text === 'Kinds');
    for (const m of (kinds as ts.InterfaceDeclaration).members) {
      const { name, type } = m as ts.PropertySignature;
      this.kinds.set((name as ts.StringLiteral | ts.Identifier).text, type!.getText(source));
    }
  }

  /** The op that a constant holds, if it holds one. */
  private opOf(module: Module, local: string): DeclaredOp | null {
    const constant = module.constants.get(local);
    if (!constant?.declaration.type) return null;
    const schemas = this.schemasOf(module, constant.declaration.type);
    if (schemas === null) return null;
    const at = constant.declaration.name.getStart(module.source);
    return {
      local,
      module,
      schemas,
      doc: commentOf(constant.statement, module.source),
      from: this.texts.get(module.path)!.origin(at),
    };
  }

  private schemasOf(module: Module, type: ts.TypeNode): string[] | null {
    const name = ts.isImportTypeNode(type)
      ? (type.qualifier as ts.Identifier | undefined)?.text
      : ts.isTypeReferenceNode(type) && ts.isIdentifier(type.typeName)
        ? type.typeName.text
        : null;
    const args = (type as ts.TypeReferenceNode).typeArguments ?? [];
    if (name === 'Op') return args.length === 1 ? literals(args[0]!) : null;
    if (name !== 'Overload') return null;
    const own = literals(args[0]!)[0]!;
    return args.slice(1).flatMap((arg) => {
      const query = (arg as ts.TypeQueryNode).exprName as ts.Identifier;
      const imported = module.imports.get(query.text);
      const home = imported ? this.modules.get(imported.path)! : module;
      const found = home.constants.get(imported?.name ?? query.text);
      const inner = found?.declaration.type && this.schemasOf(home, found.declaration.type);
      if (!inner) throw new Error(`${module.path}: no schema behind ${query.text}`);
      return inner.map((schema) => schema.replace(/^\w+/, own));
    });
  }

  /** "abs by another name" says little where it is read alone: the text of abs goes with it. */
  private completeAliases(): void {
    const byName = new Map([...this.ops.values()].map((op) => [op.local, op]));
    for (const op of this.ops.values()) {
      const first = /^(\w+) by another name/.exec(op.doc.text)?.[1];
      const target = first === undefined ? undefined : byName.get(first);
      if (target) {
        op.doc.text = `${op.doc.text}\n\n${target.doc.text}`;
        for (const [key, text] of target.doc.params) if (!op.doc.params.has(key)) op.doc.params.set(key, text);
      }
    }
  }

  private context(doc: Comment, options: string, result: string, more: Partial<Context> = {}): Context {
    return { kinds: this.kinds, docs: doc.params, options, result, method: false, inplace: false, ...more };
  }

  /** All files as they are published. */
  written(): Map<string, string> {
    const out = new Map(this.files);
    for (const [path, module] of this.modules) {
      const edits = [...this.opEdits(module), ...this.callEdits(module)];
      if (path === TENSOR) edits.push(this.methodsEdit(module));
      edits.push(...this.overloadEdits(module, edits));
      if (edits.length === 0) continue;
      edits.push(...this.importEdit(module, edits));
      const edited = this.texts.get(path)!.edited(edits);
      out.set(path, edited.text);
      out.set(`${path}.map`, writeMap(posix.basename(path), edited.segments));
    }
    return out;
  }

  // ---- ops -----------------------------------------------------------------------------------------------------------

  private opEdits(module: Module): Edit[] {
    return [...this.ops.values()].filter((op) => op.module === module).map((op) => this.opEdit(op));
  }

  private opEdit(op: DeclaredOp): Edit {
    const { local, module, schemas, doc, from } = op;
    const { statement } = module.constants.get(local)!;
    const exported = statement.modifiers?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword) ? 'export ' : '';
    const name = readNotation(schemas[0]!).name;
    const ctx = this.context(doc, `${local}.Options`, `${local}.Result`);
    const forms = distinct(schemas.flatMap((schema) => formsOf(schema, ctx)));
    const { text, offsets } = signatures(`${exported}declare function `, local, forms, doc, '');
    const members = this.interfacesOf(name, schemas, ctx, '    ');
    const space = members === '' ? '' : `${exported}declare namespace ${local} {\n${members}}\n`;
    return {
      start: startOf(statement, module.source),
      end: statement.end + 1,
      text: text + space,
      anchors: from === null ? [] : offsets.map((offset) => ({ offset, from })),
    };
  }

  private interfacesOf(call: string, schemas: readonly string[], ctx: Context, indent: string): string {
    const keys = new Map(schemas.flatMap((s) => optionKeys(s, ctx)).map((k) => [k.name, k]));
    const results = schemas.map((s) => readNotation(s).results).find((r) => r.length > 0);
    const options = keys.size === 0 ? '' : optionsInterface('Options', call, [...keys.values()], indent);
    return options + (results === undefined ? '' : resultInterface(call, results, ctx.docs, indent));
  }

  // ---- methods -------------------------------------------------------------------------------------------------------

  /** Tensor's methods, written out where `interface Tensor extends Methods<…>` stands. */
  private methodsEdit(module: Module): Edit {
    const statement = module.source.statements.find((s) => ts.isInterfaceDeclaration(s) && s.name.text === 'Tensor')!;
    let text = 'export interface Tensor {\n';
    const anchors: { offset: number; from: SourcePlace }[] = [];
    const add = (
      op: { name: string; op: DeclaredOp },
      name: string,
      schemas: readonly string[],
      doc: Comment,
      inplace: boolean,
    ): void => {
      const options = `ops.${op.name}.Options`;
      const ctx = this.context(op.op.doc, options, `ops.${op.name}.Result`, { method: true, inplace });
      const forms = distinct(schemas.flatMap((schema) => formsOf(schema, ctx)));
      const written = signatures('', name, forms, doc, '    ');
      const from = this.fromHere(op.op);
      if (from) for (const offset of written.offsets) anchors.push({ offset: text.length + offset, from });
      text += written.text;
    };
    for (const op of this.methodOps()) {
      const own = op.op.schemas.filter((s) => readNotation(s).params[0]?.name === 'self');
      const name = readNotation(own[0]!).name;
      // A method that is a step of its own in place, such as zero_, gives the tensor itself.
      add(op, name, own, op.op.doc, name.endsWith('_'));
      const written = own.filter((s) => readNotation(s).inplace);
      if (written.length > 0) {
        const doc = {
          ...op.op.doc,
          text: `${name}(), written into this tensor, which it returns. ${summary(op.op.doc.text)}`,
        };
        add(op, `${name}_`, written, doc, true);
      }
    }
    return { start: statement.getStart(module.source), end: statement.end, text: `${text}}`, anchors };
  }

  /** The ops that methods come from, with their public names. */
  private methodOps(): { name: string; op: DeclaredOp }[] {
    return publicNames(this.modules, 'ops/index.d.ts').flatMap(({ name, path, local }) => {
      const op = this.ops.get(`${path}:${local}`);
      const isMethod = op?.schemas.some((s) => readNotation(s).params[0]?.name === 'self');
      return op && isMethod ? [{ name, op }] : [];
    });
  }

  /** An op's place as the map of tensor.d.ts says it. */
  private fromHere({ from, module }: DeclaredOp): SourcePlace | null {
    if (from === null) return null;
    // (Not posix.relative, which would begin at the working folder.)
    const source = posix.join('..', posix.dirname(module.path), from.source);
    return { ...from, source };
  }

  // ---- calls that are no ops: constructors, functions ------------------------------------------------------------------

  private callEdits(module: Module): Edit[] {
    const edits: Edit[] = [];
    const visit = (node: ts.Node): void => {
      if (isCall(node)) {
        const schema = this.argumentsOf(module, node);
        const tuples = schema === null ? this.tuplesOf(module, node) : null;
        if (schema !== null) edits.push(...this.callEdit(module, node, schema));
        else if (tuples !== null) edits.push(this.tuplesEdit(module, node, tuples));
      } else ts.forEachChild(node, visit);
    };
    visit(module.source);
    return edits;
  }

  /** The schema of `...args: Arguments<typeof x.schema>`, also through an alias of that type. */
  private argumentsOf(module: Module, call: Call): string | null {
    const last = call.parameters.at(-1);
    if (!last?.dotDotDotToken || !last.type) return null;
    const find = (type: ts.TypeNode): string | null => {
      if (!ts.isTypeReferenceNode(type) || !ts.isIdentifier(type.typeName)) return null;
      const given = type.typeArguments?.[0];
      if (type.typeName.text === 'Arguments') return this.schemaQueried(module, given!) ?? literals(given!)[0] ?? null;
      const alias = aliasOf(module, type.typeName.text);
      if (alias?.typeParameters)
        return given && isArguments(alias.type)
          ? (this.schemaQueried(module, given) ?? literals(given)[0] ?? null)
          : null;
      return alias ? find(alias.type) : null;
    };
    return find(last.type);
  }

  /** The tuples of `...args: Sizes`, where that is an alias of tuples with names. */
  private tuplesOf(module: Module, call: Call): FormParameter[][] | null {
    const last = call.parameters.at(-1);
    const type = last?.dotDotDotToken ? last.type : undefined;
    if (!type || !ts.isTypeReferenceNode(type) || !ts.isIdentifier(type.typeName)) return null;
    const byOptions = this.optionForms(module, type);
    if (byOptions !== null) return byOptions;
    const alias = aliasOf(module, type.typeName.text);
    if (!alias || alias.typeParameters) return null;
    if (ts.isTypeReferenceNode(alias.type)) return this.optionForms(module, alias.type);
    const tuples = ts.isUnionTypeNode(alias.type) ? alias.type.types : [alias.type];
    const read = tuples.map((tuple) => {
      if (!ts.isTupleTypeNode(tuple) || !tuple.elements.every(ts.isNamedTupleMember)) return null;
      const rest = tuple.elements.findIndex((e) => (e as ts.NamedTupleMember).dotDotDotToken);
      // Sizes one by one, then options: no signature can say that.
      if (rest >= 0 && rest < tuple.elements.length - 1) return [];
      return tuple.elements.map((e): FormParameter => {
        const { name, type, questionToken, dotDotDotToken } = e as ts.NamedTupleMember;
        const own = {
          name: name.text,
          kind: 'any',
          nullable: false,
          optional: false,
          keywordOnly: false,
          default: undefined,
        };
        return {
          name: name.text,
          type: type.getText(module.source),
          optional: questionToken !== undefined,
          rest: dotDotDotToken !== undefined,
          doc: describeParameter(own, ''),
        };
      });
    });
    return read.every((r) => r !== null) ? read.filter((r) => r.length > 0) : null;
  }
  /** What optimizers and schedulers take, OptionArgs and ScheduleArgs: options in one object, or by position. */
  private optionForms(module: Module, type: ts.TypeReferenceNode): FormParameter[][] | null {
    const { source } = module;
    const kind = (type.typeName as ts.Identifier).text;
    const [first, second] = type.typeArguments ?? [];
    if ((kind !== 'OptionArgs' && kind !== 'ScheduleArgs') || !first || !second) return null;
    const whole =
      kind === 'OptionArgs' ? second.getText(source) : `${first.getText(source)} & ${this.commonOptions(module)}`;
    const param = (name: string, text: string, optional: boolean): FormParameter => {
      const own = { name, kind: 'any', nullable: false, optional: false, keywordOnly: false, default: undefined };
      return { name, type: text, optional, rest: false, doc: describeParameter(own, kind) };
    };
    const options = param('options', whole, kind === 'OptionArgs');
    if (kind === 'OptionArgs') {
      const members = (first as ts.TupleTypeNode).elements.map((e) => e as ts.NamedTupleMember);
      return [[options], members.map((m) => param(m.name.text, m.type.getText(source), true)).concat(options)];
    }
    if (!ts.isTypeLiteralNode(first)) return [[options]];
    const members = first.members.map((m) => m as ts.PropertySignature);
    const byPosition = members.map((m) =>
      param(m.name.getText(source), m.type!.getText(source), m.questionToken !== undefined),
    );
    return [[options], [...byPosition, param('lastEpoch', 'number', true)]];
  }
  /** What every scheduler takes besides its own options: the members of Common, beside ScheduleArgs. */
  private commonOptions(module: Module): string {
    const { source } = this.modules.get(module.imports.get('ScheduleArgs')!.path)!;
    const common = source.statements.find(
      (s): s is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(s) && s.name.text === 'Common',
    )!;
    return `{ ${common.members.map((member) => member.getFullText(source).trim()).join(' ')} }`;
  }
  private schemaQueried(module: Module, type: ts.TypeNode): string | null {
    if (!ts.isTypeQueryNode(type) || !ts.isQualifiedName(type.exprName)) return null;
    const constant = module.constants.get((type.exprName.left as ts.Identifier).text);
    const literal = constant?.declaration.type;
    if (!literal || !ts.isTypeLiteralNode(literal)) return null;
    const schema = literal.members.find((m) => (m.name as ts.Identifier).text === 'schema') as ts.PropertySignature;
    return literals(schema.type!)[0] ?? null;
  }

  private callEdit(module: Module, call: Call, schema: string): Edit[] {
    const { source } = module;
    const holder = ts.isClassDeclaration(call.parent) ? call.parent : null;
    const space = holder ? holder.name!.text : call.name!.getText(source);
    const isConstructor = ts.isConstructorDeclaration(call);
    const own = commentOf(call, source);
    const doc = isConstructor && own.text === '' ? commentOf(call.parent, source) : own;
    const name = isConstructor ? 'constructor' : call.name!.getText(source);
    const title = isConstructor || !holder ? 'Options' : `${name[0]!.toUpperCase()}${name.slice(1)}Options`;
    const ctx = this.context(doc, `${space}.${title}`, '');
    const before = call.parameters.slice(0, -1).map((p) => ({
      name: p.name.getText(source),
      type: p.type!.getText(source),
      optional: p.questionToken !== undefined,
      rest: false,
      doc: doc.params.get(p.name.getText(source)) ?? '',
    }));
    const returns = call.type?.getText(source) ?? '';
    const forms = formsOf(schema, ctx).map((f) => ({ params: [...before, ...f.params], returns }));
    const indent = holder ? '    ' : '';
    const start = startOf(call, source);
    const head = source.text.slice(call.getStart(source), call.name?.getStart(source) ?? call.getStart(source));
    const generics = call.typeParameters ? `<${call.typeParameters.map((t) => t.getText(source)).join(', ')}>` : '';
    const { text, offsets } = signatures(head, name + generics, forms, doc, indent);
    const from = this.texts.get(module.path)!.origin((call.name ?? call).getStart(source));
    const edit: Edit = {
      start,
      end: call.end + 1,
      text,
      anchors: from === null ? [] : offsets.map((offset) => ({ offset, from })),
    };
    const keys = optionKeys(schema, ctx);
    if (keys.length === 0) return [edit];
    const spaceText = `${isExported(holder ?? call) ? 'export ' : ''}declare namespace ${space} {\n${optionsInterface(title, isConstructor ? space : name, keys, '    ')}}\n`;
    if (!holder) return [{ ...edit, text: edit.text + spaceText }];
    return [edit, { start: holder.end + 1, end: holder.end + 1, text: spaceText }];
  }

  /** One signature for each tuple, and the one that says all of them, for whom it concerns, as the last. */
  private tuplesEdit(module: Module, call: Call, tuples: readonly FormParameter[][]): Edit {
    const { source } = module;
    const own = call.getText(source);
    const name = call.name?.getText(source) ?? 'constructor';
    const head = own.slice(0, own.indexOf(name));
    const returns = call.type?.getText(source) ?? '';
    const before = call.parameters.slice(0, -1).map((p): FormParameter => ({
      name: p.name.getText(source),
      type: p.type!.getText(source),
      optional: false,
      rest: false,
      doc: '',
    }));
    const said = commentOf(call, source);
    const doc = said.text === '' && ts.isConstructorDeclaration(call) ? commentOf(call.parent, source) : said;
    const forms = tuples.map((params) => ({ params: [...before, ...params], returns }));
    const indent = ts.isFunctionDeclaration(call) ? '' : '    ';
    const { text, offsets } = signatures(head, name, forms, doc, indent);
    const from = this.texts.get(module.path)!.origin((call.name ?? call).getStart(source));
    // A class has no need of it: its forms are all there are.
    const whole = ts.isConstructorDeclaration(call) ? '' : `${comment(summary(doc.text), indent)}${indent}${own}\n`;
    return {
      start: startOf(call, source),
      end: call.end + 1,
      text: text + whole,
      anchors:
        from === null
          ? []
          : [
              ...offsets,
              ...(whole === '' ? [] : [text.length + whole.length - own.length - 1 + own.indexOf(name)]),
            ].map((offset) => ({ offset, from })),
    };
  }

  // ---- overloads -----------------------------------------------------------------------------------------------------

  /** Overloads without a comment get the first sentence of one that has it: an editor shows each on its own. */
  private overloadEdits(module: Module, taken: readonly Edit[]): Edit[] {
    const { source } = module;
    const edits: Edit[] = [];
    const complete = (nodes: readonly ts.Node[]): void => {
      const byName = new Map<string, ts.Node[]>();
      for (const node of nodes) {
        const { name } = node as { name?: ts.Node };
        if (name === undefined || !isOverloadable(node)) continue;
        const key = name.getText(source);
        byName.set(key, [...(byName.get(key) ?? []), node]);
      }
      for (const group of byName.values()) {
        const first = group.map((node) => commentOf(node, source).text).find((t) => t !== '');
        if (group.length < 2 || first === undefined) continue;
        for (const node of group) {
          const at = startOf(node, source);
          if (commentOf(node, source).text !== '' || taken.some((e) => e.start <= at && at < e.end)) continue;
          const indent = /^ */.exec(source.text.slice(at))![0];
          edits.push({ start: at, end: at, text: comment(summary(first), indent) });
        }
      }
    };
    const construct = (holder: ts.ClassDeclaration): void => {
      const doc = commentOf(holder, source);
      for (const node of holder.members.filter(ts.isConstructorDeclaration)) {
        const at = startOf(node, source);
        if (doc.text === '' || commentOf(node, source).text !== '' || taken.some((e) => e.start <= at && at < e.end))
          continue;
        edits.push({ start: at, end: at, text: comment(doc.text, '    ') });
      }
    };
    complete(source.statements);
    for (const s of source.statements) {
      if (ts.isClassDeclaration(s)) construct(s);
      if (ts.isClassDeclaration(s) || ts.isInterfaceDeclaration(s)) complete(s.members);
      if (ts.isModuleDeclaration(s) && s.body && ts.isModuleBlock(s.body))
        for (const inner of s.body.statements) if (ts.isInterfaceDeclaration(inner)) complete(inner.members);
    }
    return edits;
  }

  // ---- imports -------------------------------------------------------------------------------------------------------

  /** Imports of what the new texts mention and the file has not. */
  private importEdit(module: Module, edits: readonly Edit[]): Edit[] {
    const text = edits
      .map((e) => e.text)
      .join('\n')
      .replace(/\/\*\*[\s\S]*?\*\//g, '');
    const declared = new Set<string>(module.imports.keys());
    for (const s of module.source.statements) {
      const { name } = s as unknown as { name?: ts.Identifier };
      if (name) declared.add(name.text);
    }
    const wanted = Object.keys(HOMES).filter(
      (name) => !declared.has(name) && HOMES[name] !== module.path && new RegExp(`\\b${name}\\b`).test(text),
    );
    const lines = wanted.map((name) => {
      const path = posix.relative(posix.dirname(module.path), HOMES[name]!).replace(/\.d\.ts$/, '.js');
      return `import type { ${name} } from '${path.startsWith('.') ? path : `./${path}`}';\n`;
    });
    const last = module.source.statements.findLast((s) => ts.isImportDeclaration(s));
    const at = last === undefined ? 0 : last.end + 1;
    return lines.length === 0 ? [] : [{ start: at, end: at, text: lines.join('') }];
  }
}

type Call = ts.ConstructorDeclaration | ts.MethodDeclaration | ts.FunctionDeclaration;
const isCall = (node: ts.Node): node is Call =>
  ts.isConstructorDeclaration(node) || ts.isMethodDeclaration(node) || ts.isFunctionDeclaration(node);
const isExported = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) && ts.getModifiers(node)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword) === true;

const isOverloadable = (node: ts.Node): boolean =>
  ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isMethodSignature(node);
const aliasOf = (module: Module, name: string): ts.TypeAliasDeclaration | undefined =>
  module.source.statements.find(
    (s): s is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(s) && s.name.text === name,
  );
const isArguments = (type: ts.TypeNode): boolean =>
  ts.isTypeReferenceNode(type) && ts.isIdentifier(type.typeName) && type.typeName.text === 'Arguments';

/** The start of the line that a node's comment begins in. */
function startOf(node: ts.Node, source: ts.SourceFile): number {
  const start = (node as { jsDoc?: ts.JSDoc[] }).jsDoc?.at(-1)?.pos ?? node.getStart(source);
  return source.text.lastIndexOf('\n', start - 1) + 1;
}
function literals(type: ts.TypeNode): string[] {
  return ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal) ? [type.literal.text] : [];
}
function distinct<T>(forms: readonly T[]): T[] {
  const seen = new Set<string>();
  return forms.filter((f) => {
    const key = JSON.stringify(f);
    return !seen.has(key) && seen.add(key);
  });
}
