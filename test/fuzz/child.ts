/**
 * A process that makes calls and says which, before each: node --import tsx test/fuzz/child.ts SEED FROM COUNT, or a call as
 * JSON in place of SEED. Its lines are JSON: { at } before a call, { fault, call } for one that ends wrongly.
 */
import { writeSync } from 'node:fs';
import * as tf from '../../lib/index.js';
import { isTensor } from '../../lib/tensor/tensor.js';
import { exactBuffers } from '../../lib/tensor/storage.js';
import { Dice, makers } from './values.js';
import { draw, targets, textOf, type Call } from './targets.js';

const [what, from, count] = process.argv.slice(2) as [string, string, string];
if (process.env.TENFOLD_FUZZ_EXACT) exactBuffers();
const say = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`);
process.on('unhandledRejection', () => {});

/** JavaScript's own complaints, which no user should meet. */
const FOREIGN =
  /is not a function|is not iterable|is not a constructor|annot read propert|annot set propert|Invalid array length|Invalid typed array|annot convert|Maximum call stack|is not defined|must be of type|outside the bounds|annot access private|annot read private|annot mix BigInt|object null is not|ccessors|Invalid count value|toFixed|length of view|must be called on|Incompatible receiver|detached ArrayBuffer|annot destructure|annot use 'in'/;

function faultOf(error: unknown, call: Call, stage: string): string | null {
  if (!(error instanceof Error)) return `${stage}: throws what is no Error: ${String(error)}`;
  const { message } = error;
  if (message === 'thrown by the caller' || FOREIGN_CALLBACK.test(message)) return null;
  if (call.also === null) return null;
  if (
    error instanceof TypeError || error instanceof RangeError
      ? FOREIGN.test(message)
      : !(error instanceof tf.TenfoldError)
  )
    return `${stage}: JavaScript's own error: ${error.name}: ${message.split('\n')[0]}`;
  if (
    stage === 'call' &&
    !message.startsWith(call.name) &&
    !message.startsWith(call.also ?? call.name) &&
    !ALSO.some((f) => f(call.name, message))
  )
    return `call: an error that doesn't name it: ${message.split('\n')[0]}`;
  if (stage === 'backward' && error instanceof tf.TenfoldError && /^(graph|inplace|freed|memory)$/.test(error.code))
    return null;
  return stage === 'backward' ? `backward: refused: ${message.split('\n')[0]}` : null;
}
const FOREIGN_CALLBACK = /^this is the caller's/;
// In place, a function's error may name the method; a method's its receiver that is gone; an alias its original.
const ALSO: ((name: string, message: string) => boolean)[] = [
  (name, message) => message.startsWith(name.replace(/_$/, '')),
  (name, message) => message.startsWith(`${name}_`),
  (_, message) => /^tensor: a tensor's shape/.test(message),
  // With its path: autograd.functional.jvp.
  (name, message) => /^[\w.]+(?=: )/.exec(message)?.[0].endsWith(`.${name}`) === true,
];

function tensorsIn(value: unknown, into: tf.Tensor[] = []): tf.Tensor[] {
  if (isTensor(value)) into.push(value);
  else if (Array.isArray(value)) for (const x of value.slice(0, 20)) tensorsIn(x, into);
  return into;
}

function check(call: Call): string | null {
  const h = makers();
  let run: (tf_: typeof tf, h_: typeof h) => unknown;
  try {
    run = new Function('tf', 'h', textOf(call)) as typeof run;
  } catch (error) {
    return `the fuzzer's own: ${String(error)}`;
  }
  let result: unknown;
  const start = process.cpuUsage();
  const memory = process.memoryUsage.rss();
  let stage = 'call';
  let fault: string | null = null;
  try {
    result = run(tf, h);
    if (result instanceof Promise) result.catch(() => {});
    for (const t of tensorsIn(result)) {
      stage = 'reading';
      if (t.numel() < 1e4) String(t);
      stage = 'backward';
      if (t.requiresGrad && t.numel() < 1e6) t.sum().backward();
    }
  } catch (error) {
    fault = faultOf(error, call, call.then && stage === 'call' ? 'module' : stage);
  }
  // Processor time: other processes take their share of the clock. Modules draw their weights, up to 50 M numbers.
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  if (seconds > (call.then ? 10 : 2)) fault ??= `takes ${seconds.toFixed(1)} s`;
  const needed = tensorsIn(result).reduce((sum, t) => sum + t.numel() * t.elementSize(), 0);
  const grown = process.memoryUsage.rss() - memory - 3 * needed;
  if (grown > 512 << 20) fault ??= `takes ${grown >> 20} MB beyond its result`;
  return fault;
}

if (what.startsWith('{')) {
  const call = JSON.parse(what) as Call;
  say({ at: 0 });
  const fault = check(call);
  if (fault !== null) say({ fault, call });
} else {
  const all = targets();
  for (let i = Number(from); i < Number(from) + Number(count); i++) {
    const call = draw(all, new Dice(Math.imul(Number(what), 0x9e3779b1) + i));
    say({ at: i, call });
    const fault = check(call);
    if (fault !== null) say({ fault, call });
  }
}
say({ done: true });
process.exit(0);
