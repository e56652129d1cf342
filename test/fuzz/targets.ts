/** What is called: every function, method and class that users can reach. */
import * as tf from '../../lib/index.js';
import { parseSchema, type Signature } from '../../lib/op/schema.js';
import { Arguments, type Dice } from './values.js';

/** One call as source text: `callee(...args)`, with what is done to its result. */
export interface Call {
  /** The name that an error must begin with. */
  name: string;
  /** The name in the schema of what has several; null for what is no call of users', of which any error will do. */
  also?: string | null;
  callee: string;
  args: string[];
  /** Text of what is called on the result `y`, if anything. */
  then: string;
}
interface Target {
  name: string;
  callee: string;
  kind: 'function' | 'method' | 'module';
  signature: Signature | null;
}

// What ends the process, waits, writes files or changes what all calls share.
const LEFT_OUT =
  /^(save|saveAsync|load\w*|setNumThreads|setDefaultDtype|setGradEnabled|setPrint[oO]ptions|detectAnomaly|memoryScope|MemoryScope|inferenceMode|useDeterministic\w*|emptyCache|seed|setFlushDenormal|export|isTensor|SummaryWriter)$/;
/** What is reachable but not meant for users: only that it does no harm is asked. */
const INTERNAL =
  /^(alias|become|byteStart|copy|denseFor|dropGrad|opaqueView|rawClone|rawCopy|rawDense|setNode|standAlone|stridedView|turnInto|sliceOp|whereMethod|checkPacked|toJSON)$/;
const alsoOf = ({ name, signature }: { name: string; signature: Signature | null }): string | null =>
  INTERNAL.test(name) ? null : (signature?.name ?? name);
const isClass = (f: unknown): boolean =>
  typeof f === 'function' && /^class\b/.test(Function.prototype.toString.call(f));

function signatureOf(f: unknown): Signature | null {
  const { schema } = f as { schema?: unknown };
  return typeof schema === 'string' ? parseSchema(schema) : null;
}

/** All of them, in a fixed order. */
export function targets(): Target[] {
  const found: Target[] = [];
  const visit = (path: string, space: object, depth: number): void => {
    for (const name of Object.keys(space).sort()) {
      const value = (space as Record<string, unknown>)[name];
      const callee = `${path}.${name}`;
      if (LEFT_OUT.test(name) || value === null) continue;
      if (typeof value === 'object' && depth < 3 && Object.getPrototypeOf(value) === null)
        visit(callee, value, depth + 1);
      if (typeof value !== 'function') continue;
      if (!isClass(value)) found.push({ name, callee, kind: 'function', signature: signatureOf(value) });
      else found.push({ name, callee: `new ${callee}`, kind: 'module', signature: null });
    }
  };
  visit('tf', tf, 0);
  const functions = new Map(found.map((t) => [t.name, t.signature]));
  for (const name of Object.getOwnPropertyNames(tf.Tensor.prototype).sort()) {
    const { value } = Object.getOwnPropertyDescriptor(tf.Tensor.prototype, name)!;
    if (typeof value !== 'function' || name === 'constructor' || LEFT_OUT.test(name)) continue;
    const signature = functions.get(name) ?? functions.get(name.replace(/_$/, '')) ?? null;
    found.push({ name, callee: `.${name}`, kind: 'method', signature });
  }
  return found;
}

function listFor(signature: Signature, from: number, dice: Dice, values: Arguments): string[] {
  const args: string[] = [];
  const params = signature.params.slice(from);
  const positional = params.filter((p) => !p.keywordOnly);
  const required = positional.filter((p) => !p.optional).length;
  const given = dice.chance(0.5) ? required : required + dice.below(positional.length - required + 1);
  positional.slice(0, given).forEach((p) => args.push(values.forParameter(p)));
  const rest = params.filter((p) => p.keywordOnly || positional.indexOf(p) >= given);
  const named = rest.filter((p) => p.optional && dice.chance(0.25)).map((p) => `${p.name}: ${values.forParameter(p)}`);
  if (named.length > 0) args.push(`{ ${named.join(', ')} }`);
  if (dice.chance(0.02)) args.push(values.wrong());
  return args;
}

/** A call of one of them. */
export function draw(all: readonly Target[], dice: Dice): Call {
  const target = dice.pick(all);
  const values = new Arguments(dice);
  const { name, signature } = target;
  const also = alsoOf(target);
  const free = (): string[] => Array.from({ length: dice.below(5) }, () => values.any());
  if (target.kind === 'method') {
    const args = signature === null ? free() : listFor(signature, 1, dice, values);
    return { name, also, callee: `(${values.tensor()})${target.callee}`, args, then: '' };
  }
  if (target.kind === 'function') {
    return {
      name,
      also,
      callee: target.callee,
      args: signature === null ? free() : listFor(signature, 0, dice, values),
      then: '',
    };
  }
  const size = (): string => (dice.chance(0.85) ? String(dice.pick([1, 1, 2, 2, 3, 4])) : values.any());
  const args = Array.from({ length: dice.below(5) }, size);
  const then = dice.chance(0.8) ? `y.forward?.(${Array.from({ length: 1 + dice.below(3) }, () => values.any()).join(', ')})` : ''; // prettier-ignore
  return { name, callee: target.callee, args, then };
}

/** The text of a call. */
export const textOf = ({ callee, args, then }: Call): string =>
  `const y = ${callee}(${args.join(', ')});${then ? ` const z = ${then}; return z;` : ' return y;'}`;
