/** Every argument of a call has a text, every public op a first sentence and PyTorch's name. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import * as tf from '../../lib/index.js';
import { registry } from '../../lib/op/define.js';
import { readNotation, type Notation } from '../../lib/op/notation.js';
import { describeParameter } from '../../scripts/declarations/parameters.js';
import { build, declarations, root } from './declarations.js';

const sources = readdirSync(join(root, 'lib'), { recursive: true })
  .map(String)
  .filter((f) => f.endsWith('.ts'))
  .map((f) => readFileSync(join(root, 'lib', f), 'utf8'));
/** What blocks say themselves: `@param name …`. */
const said = new Set(sources.flatMap((text) => [...text.matchAll(/@param (\w+) \S/g)].map((m) => m[1]!)));
const namespaces = [tf, tf.nn.functional, tf.linalg, tf.special, tf.Tensor.prototype];
const isPublic = (name: string): boolean => namespaces.some((owner) => name in (owner as object));

/** Schemas of public ops, and of constructors and functions, which are written `signature("…")`. */
const calls: Notation[] = [
  ...[...registry.keys()].map((schema) => readNotation(schema)).filter(({ name }) => isPublic(name)),
  ...sources.flatMap((text) =>
    [...text.matchAll(/\bsignature\(\s*(["'])((?:(?!\1).)*)\1,?\s*\)/g)].map((m) => readNotation(m[2]!)),
  ),
];

describe('documentation', () => {
  it('has a text for every argument', () => {
    expect(calls.length).toBeGreaterThan(600);
    const missing = calls.flatMap(({ name, params }) =>
      params.filter((p) => describeParameter(p, name) === '' && !said.has(p.name)).map((p) => `${name}(${p.name})`),
    );
    expect(missing).toEqual([]);
  });
  it('is made of sentences', () => {
    const all = calls.flatMap(({ name, params }) => params.map((p) => describeParameter(p, name)));
    expect(all.filter((text) => text !== '' && !/^([A-Z0-9'−_]|dtype|int64|eps).*\.$/.test(text))).toEqual([]);
  });
});

describe('declarations and schemas', () => {
  let text = '';
  beforeAll(async () => {
    await build();
    const files = readdirSync(declarations, { recursive: true }).map(String);
    text = files
      .filter((f) => f.endsWith('.d.ts'))
      .map((f) => readFileSync(join(declarations, f), 'utf8'))
      .join('\n');
  }, 600_000);
  const functions = [...registry.values()].filter(({ sig }) => [tf, tf.nn.functional].some((ns) => sig.name in ns));

  it('have the same parameters, in one order', () => {
    expect(functions.length).toBeGreaterThan(450);
    const differing = functions.filter(({ sig }) => {
      const names = sig.params
        .filter((p) => !p.keywordOnly)
        .map((p, i) => (p.name === 'self' && i === 0 ? 'input' : p.name));
      const written = names.map((name) => `(?:\\.\\.\\.)?${name === 'var' ? 'var_' : name}\\??: [^;]*?`);
      // `var` is exported under that name, and declared under another one.
      const name = sig.name === 'var' ? 'variance' : sig.name;
      return !new RegExp(`function \\w*${name}\\w*\\(${written.join(', ')}[,)]`, 'i').test(text) && names.length > 0;
    });
    // A step of index assignment under its name, and one whose type is written by hand for its distance function.
    const own = ['indexPut', 'tripletMarginWithDistanceLoss'];
    expect(differing.flatMap(({ sig }) => (own.includes(sig.name) ? [] : [sig.schema]))).toEqual([]);
  });
});
