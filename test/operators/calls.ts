/** The ways in which Tenfold lets one write a recorded call; all of them must give the recorded answer. */
import * as tf from '../../lib/index.js';
import type { Tensor } from '../../lib/index.js';
import { camel, decode, isCodedTensor, type Call, type Form, type OperatorFile, type Sample } from './format.js';

type AnyFunction = (...args: unknown[]) => unknown;

/** Where Python's name cannot be: `x[...]` is `x.index(...)`. */
const RENAMED: Record<string, string> = { __getitem__: 'index' };
/** PyTorch also takes the one list that these have as separate numbers. */
const VARIADIC = new Set([
  'reshape',
  'view',
  'permute',
  'expand',
  'repeat',
  'tile',
  'flip',
  'zeros',
  'ones',
  'empty',
  'randn',
]);

/** The operator's own name in Tenfold, without namespace. */
export function shortName(op: string): string {
  return camel(RENAMED[op] ?? op.split('.').at(-1)!);
}
/** `nn.functional.max_pool2d` -> `nn.functional.maxPool2d`, `Tensor.add_`: how a form is written in pending.ts. */
export function spelling(op: string, form: Form): string {
  const name = shortName(op);
  if (form === 'function') return [...op.split('.').slice(0, -1), name].join('.');
  return `Tensor.${name}${form === 'inplace' && !name.endsWith('_') ? '_' : ''}`;
}

/** What Tenfold has under that spelling, or undefined. */
export function lookUp(path: string): unknown {
  if (path.startsWith('Tensor.')) {
    const key = path.slice('Tensor.'.length);
    return key in tf.Tensor.prototype ? key : undefined;
  }
  return path.split('.').reduce<unknown>((o, key) => (o as Record<string, unknown> | undefined)?.[key], tf);
}
export const exists = (path: string): boolean => lookUp(path) !== undefined;

/** One way to make a call: a name for messages, and a function of the decoded arguments. */
export interface Way {
  name: string;
  form: Form;
  call(args: unknown[], named: Record<string, unknown>): unknown;
  run(sample: Call, leaves: Tensor[] | null): { result: unknown; args: unknown[]; named: Record<string, unknown> };
}

function invoke(path: string, form: Form, args: unknown[]): unknown {
  if (form === 'function') return (lookUp(path) as AnyFunction)(...args);
  const [self, ...rest] = args as [Record<string, unknown>, ...unknown[]];
  const key = lookUp(path) as string;
  return form === 'property' ? self[key] : (self[key] as AnyFunction)(...rest);
}

function way(
  op: string,
  form: Form,
  style: string,
  arrange: (args: unknown[], named: Record<string, unknown>) => unknown[],
): Way {
  const path = spelling(op, form);
  const call: Way['call'] = (args, named) => invoke(path, form, arrange(args, named));
  return {
    name: `${path}(${style})`,
    form,
    call,
    run(sample, leaves) {
      const args = sample.args.map((a) => decode(a, leaves));
      const named = Object.fromEntries(Object.entries(sample.named).map(([k, v]) => [k, decode(v, leaves)]));
      return { result: call(args, named), args, named };
    },
  };
}

const options = (named: Record<string, unknown>): unknown[] =>
  Object.keys(named).length === 0 ? [] : [Object.fromEntries(Object.entries(named).map(([k, v]) => [camel(k), v]))];

/** Optional arguments by position where PyTorch has an order for them, the rest by name. */
function inOrder(order: NonNullable<Sample['order']>) {
  return (args: unknown[], named: Record<string, unknown>): unknown[] => {
    const rest = { ...named };
    const placed = order.map((entry) => {
      if (typeof entry !== 'string') return decode(entry.default, null);
      delete rest[entry];
      return named[entry];
    });
    return [...args, ...placed, ...options(rest)];
  };
}

/** Every way to write this sample, of the forms that exist. */
export function waysOf(file: OperatorFile, sample: Call & { order?: Sample['order']; inplace?: true }): Way[] {
  const { op } = file;
  const out: Way[] = [];
  for (const form of file.forms) {
    if (!exists(spelling(op, form))) continue;
    if (form === 'inplace' && !sample.inplace && file.forms.length > 1) continue;
    if (form !== 'function' && !isCodedTensor(sample.args[0])) continue;
    const self = op === 'where' && form === 'method'; // x.where(condition, other)
    if (self && (sample.args.length < 3 || !isCodedTensor(sample.args[1]))) continue;
    const swap = (args: unknown[]): unknown[] => (self ? [args[1], args[0], ...args.slice(2)] : args);
    out.push(way(op, form, 'named', (args, named) => [...swap(args), ...options(named)]));
    if (sample.order?.length) out.push(way(op, form, 'positional', inOrder(sample.order)));
    const last = sample.args.at(-1);
    const onlyList = sample.args.length === (form === 'function' ? 1 : 2) && Array.isArray(last) && last.length > 0;
    if (VARIADIC.has(op) && onlyList) {
      out.push(
        way(op, form, 'variadic', (args, named) => [
          ...args.slice(0, -1),
          ...(args.at(-1) as unknown[]),
          ...options(named),
        ]),
      );
    }
  }
  return out;
}
