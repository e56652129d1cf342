/** The call forms of a schema, as TypeScript writes them: one signature for each way to pass the options. */
import { alternatives, readNotation, type Notation, type NotedParameter } from '../../lib/op/notation.js';
import { describeParameter } from './parameters.js';

/** A parameter of a form. */
export interface FormParameter {
  name: string;
  type: string;
  optional: boolean;
  rest: boolean;
  doc: string;
}
export interface Form {
  params: FormParameter[];
  returns: string;
}
export interface OptionKey {
  name: string;
  type: string;
  doc: string;
}

/** What a writer of forms must know. */
export interface Context {
  /** Types of kinds, as the interface Kinds in lib/op/schema.ts has them. */
  kinds: ReadonlyMap<string, string>;
  /** Texts of parameters that the op's comment says. */
  docs: ReadonlyMap<string, string>;
  /** Name of the interface of the options, and of that of several results. */
  options: string;
  result: string;
  /** As a method: without the first parameter. */
  method: boolean;
  /** As a method that writes into the tensor. */
  inplace: boolean;
}

const RESERVED = new Set(['var', 'in', 'with', 'function', 'default', 'delete', 'new']);
const parameterName = (name: string): string => (RESERVED.has(name) ? `${name}_` : name);

function typeOf(p: NotedParameter, { kinds }: Pick<Context, 'kinds'>): string {
  const found = kinds.get(p.kind);
  const parts = found === undefined ? alternativesOf(p.kind, kinds) : [found];
  const wrapped = parts.length > 0 && p.nullable ? [...parts.map(inUnion), 'null'] : parts;
  return wrapped.join(' | ');
}
const inUnion = (type: string): string => (type.includes('=>') ? `(${type})` : type);
function alternativesOf(kind: string, kinds: ReadonlyMap<string, string>): string[] {
  const { words, kinds: others } = alternatives(kind);
  return [
    ...others.map((k) => {
      const type = kinds.get(k);
      if (type === undefined) throw new Error(`kind '${k}' is not in Kinds`);
      return inUnion(type);
    }),
    ...words.map((w) => `'${w}'`),
  ];
}

/** A default as the text says it; nothing where there is none to tell. */
function defaultText(p: NotedParameter): string {
  if (!p.optional || p.default === null) return '';
  return ` Default: ${typeof p.default === 'string' ? `'${p.default}'` : Array.isArray(p.default) ? JSON.stringify(p.default) : String(p.default)}.`;
}
const docOf = (p: NotedParameter, call: string, docs: ReadonlyMap<string, string>): string =>
  ((docs.get(p.name) ?? describeParameter(p, call)) + defaultText(p)).trim();

/** The keys of the options object. */
export function optionKeys(schema: string, ctx: Pick<Context, 'kinds' | 'docs'>): OptionKey[] {
  const { name, params } = readNotation(schema);
  const keys = params
    .filter((p) => p.optional)
    .map((p) => ({ name: p.name, type: `${typeOf(p, ctx)} | undefined`, doc: docOf(p, name, ctx.docs) }));
  if (params.some((p) => p.name === 'dtype' && p.optional))
    keys.push({
      name: 'device',
      type: "'cpu' | null | undefined",
      doc: "The one device that there is; for scripts that name it. Default: 'cpu'.",
    });
  return keys;
}

function returnsOf(notation: Notation, ctx: Context): string {
  if (ctx.inplace) return 'this';
  if (notation.results.length > 0) return ctx.result;
  if (notation.result === 'bool') return 'boolean';
  return notation.result === '' ? 'Tensor' : notation.result;
}

/** The signatures that a schema stands for: all by position, then with the options further and further in front. */
export function formsOf(schema: string, ctx: Context): Form[] {
  const notation = readNotation(schema);
  const params = ctx.method || ctx.inplace ? notation.params.slice(1) : notation.params;
  const positional = params.filter((p) => !p.keywordOnly);
  const required = positional.filter((p) => !p.optional);
  const optional = positional.filter((p) => p.optional);
  if (positional.slice(0, required.length).some((p) => p.optional))
    throw new Error(`${schema}: what can be left out must stand behind what can't`);
  const returns = returnsOf(notation, ctx);
  const hasOptions = params.some((p) => p.optional);
  const self = notation.params[0];
  const write = (p: NotedParameter, optionalHere: boolean): FormParameter => ({
    // A function's first argument is PyTorch's `input`.
    name: p === self && p.name === 'self' ? 'input' : parameterName(p.name),
    type: typeOf(p, ctx),
    optional: optionalHere,
    rest: false,
    doc: docOf(p, notation.name, ctx.docs),
  });
  const options = (isOptional: boolean): FormParameter => ({
    name: 'options',
    type: ctx.options,
    optional: isOptional,
    rest: false,
    doc: 'Arguments by name.',
  });
  const variadic = required.find((p) => p.kind === 'int...');
  if (variadic) {
    const before = required.filter((p) => p !== variadic).map((p) => write(p, false));
    const sizes = { name: variadic.name, optional: false, doc: docOf(variadic, notation.name, ctx.docs) };
    return [
      { params: [...before, { ...sizes, type: 'number[]', rest: true }], returns },
      { params: [...before, { ...sizes, type: 'readonly number[]', rest: false }], returns },
    ];
  }
  const first = required.map((p) => write(p, false));
  const keywords = params.some((p) => p.keywordOnly);
  const forms: Form[] = [
    {
      params: [...first, ...optional.map((p) => write(p, true)), ...(keywords ? [options(true)] : [])],
      returns,
    },
  ];
  if (hasOptions) {
    for (let n = 0; n < optional.length; n++)
      forms.push({
        params: [
          ...first,
          ...optional.slice(0, n).map((p) => ({ ...write(p, false), type: `${typeOf(p, ctx)} | undefined` })),
          options(false),
        ],
        returns,
      });
  }
  return forms;
}
