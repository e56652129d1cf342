/** Comments and declarations as text. */
import type ts from 'typescript';
import type { Form, OptionKey } from './forms.js';
import { describeResult } from './parameters.js';

/** A comment, taken apart: its text, what it says of parameters, and its other tags. */
export interface Comment {
  text: string;
  params: Map<string, string>;
  tags: string;
}

/** The comment before a declaration. */
export function commentOf(node: ts.Node, source: ts.SourceFile): Comment {
  const docs = (node as { jsDoc?: ts.JSDoc[] }).jsDoc;
  const raw = docs?.at(-1)?.getText(source) ?? '';
  const lines = raw
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  return takeApart(lines.join('\n').trim());
}

export function takeApart(comment: string): Comment {
  const at = comment.search(/^@/m);
  const text = at < 0 ? comment : comment.slice(0, at).trim();
  const params = new Map<string, string>();
  const others: string[] = [];
  for (const tag of at < 0 ? [] : comment.slice(at).split(/^(?=@)/m)) {
    const param = /^@param (\w+)\s+([\s\S]*)$/.exec(tag.trim());
    if (param) params.set(param[1]!, param[2]!.replace(/\s+/g, ' '));
    else others.push(tag.trim());
  }
  return { text, params, tags: others.join('\n') };
}

/** The first sentence. */
export const summary = (text: string): string => (/^[\s\S]*?\.(?=\s|$)/.exec(text)?.[0] ?? text).replace(/\s+/g, ' ');

/** A comment as it stands in a file. */
export function comment(lines: string, indent = ''): string {
  const all = lines.split('\n');
  if (all.length === 1) return `${indent}/** ${all[0]} */\n`;
  return `${indent}/**\n${all.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
}

const parameters = (form: Form): string =>
  form.params.map((p) => `${p.rest ? '...' : ''}${p.name}${p.optional ? '?' : ''}: ${p.type}`).join(', ');

/** The comment of a form: all that there is to say for the first one, the first sentence for the others. */
function formComment(doc: Comment, form: Form, first: boolean): string {
  if (!first) return summary(doc.text);
  const params = form.params.filter((p) => p.doc !== '').map((p) => `@param ${p.name} ${p.doc}`);
  return [doc.text, ...params, ...(doc.tags ? [doc.tags] : [])].filter(Boolean).join('\n');
}

/** Signatures one below the other; `offsets` says where each name stands. */
export function signatures(
  head: string,
  name: string,
  forms: readonly Form[],
  doc: Comment,
  indent: string,
): { text: string; offsets: number[] } {
  let text = '';
  const offsets: number[] = [];
  forms.forEach((form, i) => {
    const own = formComment(doc, form, i === 0);
    if (own !== '') text += comment(own, indent);
    text += `${indent}${head}`;
    offsets.push(text.length);
    text += `${name}(${parameters(form)})${form.returns === '' ? '' : `: ${form.returns}`};\n`;
  });
  return { text, offsets };
}

/** The interface of the arguments by name. */
export function optionsInterface(name: string, call: string, keys: readonly OptionKey[], indent: string): string {
  const inner = `${indent}    `;
  const members = keys.map((k) => (k.doc === '' ? '' : comment(k.doc, inner)) + `${inner}${k.name}?: ${k.type};\n`);
  return `${comment(`Arguments of ${call} by name.`, indent)}${indent}interface ${name} {\n${members.join('')}${indent}}\n`;
}

/** The interface of results with names. */
export function resultInterface(
  call: string,
  names: readonly string[],
  docs: ReadonlyMap<string, string>,
  indent: string,
): string {
  const inner = `${indent}    `;
  const members = names.map((n, i) => {
    const doc = docs.get(n) ?? describeResult(n);
    return comment(doc, inner) + `${inner}readonly ${n}: Tensor;\n${inner}readonly ${i}: Tensor;\n`;
  });
  const text = `What ${call} gives: by name, by position, and one after the other (\`const [${names.join(', ')}] = …\`).`;
  return `${comment(text, indent)}${indent}interface Result extends Iterable<Tensor> {\n${members.join('')}${inner}readonly length: ${names.length};\n${indent}}\n`;
}
