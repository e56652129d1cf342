/**
 * Activation checkpointing: the tensors that backward needs of a part of the network aren't kept, the part is run again
 * in backward. Memory for time. Namespace `utils.checkpoint`.
 *
 * It stands on savedTensorsHooks. Under them each saved tensor of the first run is replaced by its number; the first number
 * that backward asks for runs the function again, under hooks that keep its saved tensors, the same ones in the same order,
 * by their numbers. The graph is the first run's; that of the second is never walked.
 */
import { TenfoldError, checkOptions, didYouMean, isPlainObject, show } from '../errors.js';
import { DTYPES } from '../dtype.js';
import { Node, unpack, type BackwardRule } from '../autograd/graph.js';
import { checkEnded, enableGrad, mode } from '../autograd/mode.js';
import { packSaved, runningBackward, underHooks, withSaved, type SavedTensorsHooks } from '../autograd/saved.js';
import { defaultGenerator } from '../random/generator.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import type { Storage } from '../tensor/storage.js';
import { NamedTensors, mapNamed } from '../tensor/namedTensors.js';
import { Tensor } from '../tensor/tensor.js';

/** Options of checkpoint and checkpointSequential. */
export interface CheckpointOptions {
  /** Run again from the state that the default generator had in forward, so that dropout drops the same elements. */
  preserveRngState?: boolean;
  /** Only false, PyTorch's recommendation. */
  useReentrant?: false;
  /** 'default' compares shapes and dtypes of what the two runs save; 'none' doesn't. */
  determinismCheck?: 'default' | 'none';
  /** End the second run when all that backward needs is there, instead of running the rest for nothing. */
  earlyStop?: boolean;
}
type Settings = Required<Omit<CheckpointOptions, 'useReentrant'>>;
const OPTIONS = ['preserveRngState', 'useReentrant', 'determinismCheck', 'earlyStop'];

/** What can be checkpointed: a function, or a module, whose forward is called. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a function takes and returns what it likes
type Part<A extends any[], R> = ((...args: A) => R) | { forward(...args: A): R };

/**
 * Calls `fn` (a function or a module) with `args` and returns what it returns. What ops in it save for backward isn't
 * kept: backward calls `fn` again when it needs it. The gradients are those without checkpoint, also of parameters and
 * other tensors that fn takes from its surroundings, by autograd.grad, for higher derivatives, and where checkpoints stand
 * inside checkpoints. Arguments are anything, and tensors in lists and plain objects among them. A last one that is a
 * plain object with names of options is the options; another one is fn's.
 *
 *     const y = utils.checkpoint.checkpoint(block, x);
 *     const z = utils.checkpoint.checkpoint((a, b) => a.matmul(b).gelu(), x, y, { preserveRngState: false });
 *
 * - fn must do the same both times. Random numbers are those of the first call where they come from the default generator;
 *   what it changes is changed twice, but for the running statistics and power iterations of nn's layers, which count a batch
 *   once (in PyTorch twice).
 * - `earlyStop` (the default) ends the second call by an exception that passes through fn when its last tensor is saved.
 *   Without it, a second call that saves more than the first is an error too.
 * - Under noGrad it is a plain call.
 *
 * TenfoldError 'graph' in backward where an argument or a parameter has been changed in place since, or where the second
 * call saves another number of tensors, other shapes or dtypes (`determinismCheck: 'none'` doesn't look at those two);
 * 'value' for `useReentrant: true`, PyTorch's older form, which does less; TypeError for an async fn.
 * See torch.utils.checkpoint.checkpoint.
 */
export function checkpoint<A extends unknown[], R>(
  fn: Part<A, R>,
  ...args: [...args: A, options: CheckpointOptions]
): R;
export function checkpoint<A extends unknown[], R>(fn: Part<A, R>, ...args: A): R;
export function checkpoint(fn: Part<unknown[], unknown>, ...rest: unknown[]): unknown {
  const call = 'checkpoint';
  const last = rest.at(-1);
  const given = isOptions(call, last);
  const options = readOptions(call, given ? last : {});
  return run(call, partOf(call, fn), given ? rest.slice(0, -1) : rest, options);
}

/**
 * Runs `functions` (a list of functions and modules, or a Sequential) one after the other in `segments` parts of equal
 * length, all but the last one checkpointed: only the tensors between them are kept. Options and errors are those of
 * checkpoint. RangeError for `segments` below 1 or above the number of functions. See torch.utils.checkpoint.checkpoint_sequential.
 */
export function checkpointSequential<R = Tensor>(
  functions: Iterable<Part<never[], unknown>>,
  segments: number,
  input: unknown,
  options: CheckpointOptions = {},
): R {
  const call = 'checkpointSequential';
  const given: unknown = functions;
  if (typeof given !== 'object' || given === null || !(Symbol.iterator in given))
    throw new TypeError(`${call}: expected a list of functions or a Sequential, got ${show(given)}`);
  const parts = [...functions].map((f) => partOf(call, f));
  if (!Number.isInteger(segments) || segments < 1 || segments > parts.length)
    throw new RangeError(
      `${call}: 'segments' must be from 1 to the number of functions, ${parts.length}; got ${show(segments)}`,
    );
  checkOptions(call, options, OPTIONS);
  const settings = readOptions(call, options);
  const length = Math.floor(parts.length / segments);
  const chain = (list: readonly Callable[]) => (first: unknown) =>
    list.reduce((x, { body, fn }) => checkEnded(call, fn, body(x)), first);
  let x = input;
  for (let i = 0; i < segments - 1; i++) {
    const list = parts.slice(i * length, (i + 1) * length);
    const body = chain(list) as Callable['body'];
    x = run(call, { body, fn: body }, [x], settings);
  }
  return chain(parts.slice((segments - 1) * length))(x) as R;
}

interface Callable {
  body: (...args: unknown[]) => unknown;
  fn: unknown;
}

function partOf(call: string, fn: unknown): Callable {
  const { forward } = Object(fn) as { forward?: unknown };
  if (typeof fn === 'object' && typeof forward === 'function')
    return { fn: forward, body: (...args) => (fn as { forward: Callable['body'] }).forward(...args) };
  if (typeof fn !== 'function') throw new TypeError(`${call}: expected a function or a module, got ${show(fn)}`);
  return { fn, body: fn as Callable['body'] };
}

/** Whether the last argument is options: an object with one of their names, which then may have no others. */
function isOptions(call: string, last: unknown): last is CheckpointOptions {
  if (!isPlainObject(last)) return false;
  const keys = Object.keys(last);
  if (!keys.some((key) => OPTIONS.includes(key) || didYouMean(key, OPTIONS) !== '')) return false;
  checkOptions(call, last, OPTIONS);
  return true;
}

function readOptions(call: string, options: CheckpointOptions): Settings {
  const { preserveRngState = true, earlyStop = true, determinismCheck = 'default' } = options;
  const useReentrant: unknown = options.useReentrant ?? false;
  for (const [name, value] of Object.entries({ preserveRngState, earlyStop, useReentrant })) {
    if (typeof value !== 'boolean') throw new TypeError(`${call}: '${name}' must be a boolean, got ${show(value)}`);
  }
  if (useReentrant === true) {
    throw new TenfoldError(
      'value',
      `${call}: useReentrant: true is not supported; without it the gradients are the same, and autograd.grad, captured parameters and nested arguments work too`,
    );
  }
  if (!['default', 'none'].includes(determinismCheck))
    throw new TypeError(`${call}: 'determinismCheck' must be 'default' or 'none', got ${show(determinismCheck)}`);
  return { preserveRngState, earlyStop, determinismCheck };
}

function run(call: string, part: Callable, args: unknown[], options: Settings): unknown {
  if (!mode.grad) return checkEnded(call, part.fn, part.body(...args));
  return checkEnded(call, part.fn, new Frame(call, part.body, args, options).first(args));
}

/** A tensor that one run saved, and its version then. */
interface Saved {
  tensor: Tensor;
  version: number;
}

/** Thrown through fn when the second run has gone far enough. */
class EndOfRun extends Error {
  override readonly name = 'EndOfRun';
}

/** A checkpointed call: what it takes to run it again, and the tensors that its second runs gave. */
class Frame implements SavedTensorsHooks {
  private readonly inputs: Inputs;
  private readonly state: Uint8Array | null;
  /** Shape and dtype of each tensor that the first run saved. */
  private readonly saved: { shape: Shape; code: number }[] = [];
  /** Nodes of the first run that saved something, and those of what they saved; until it has ended. */
  private nodes: Node[] | null = [];
  /** Memory of the leaves that the graph ends in, and its version when fn last ended. */
  private readonly leaves = new Map<Storage, number>();
  /** Saved tensors by number, for each run of the engine; each is gone from here when backward has had it. */
  private readonly again = new WeakMap<object, (Saved | undefined)[]>();

  constructor(
    private readonly call: string,
    private readonly body: Callable['body'],
    args: unknown[],
    private readonly options: Settings,
  ) {
    this.inputs = new Inputs(args);
    this.state = options.preserveRngState ? defaultGenerator.snapshot() : null;
  }

  first(args: unknown[]): unknown {
    const result = underHooks(this, () => this.body(...args));
    this.findLeaves(this.nodes!);
    this.nodes = null;
    return result;
  }
  pack(x: Tensor, node: Node): number {
    this.nodes!.push(node);
    if (x.node !== null) this.nodes!.push(x.node);
    return this.saved.push({ shape: x.shape, code: x.code }) - 1;
  }
  /** The tensor of a number, for the running backward. */
  unpack(number: unknown): Tensor {
    const index = number as number;
    const backward = runningBackward()!;
    let list = this.again.get(backward);
    if (list?.[index] === undefined) this.again.set(backward, (list = this.second()));
    const { tensor, version } = list[index]!;
    list[index] = undefined;
    if (tensor.storage.version !== version) {
      throw this.error(
        `a ${about(tensor)} tensor that the function saved for backward is changed in place by a later step of it`,
      );
    }
    return tensor;
  }

  private second(): (Saved | undefined)[] {
    this.checkLeaves();
    const args = this.inputs.restored();
    const run = new SecondRun(this.saved, this.nodes === null, this.options, (message) => this.error(message));
    const before = this.state === null ? null : defaultGenerator.snapshot();
    if (this.state !== null) defaultGenerator.restore(this.state);
    const { again } = mode;
    mode.again = true;
    try {
      enableGrad(() => underHooks(run, () => void this.body(...args)));
    } catch (error) {
      if (!run.done) throw error;
    } finally {
      mode.again = again;
      if (before !== null) defaultGenerator.restore(before);
    }
    for (const storage of this.leaves.keys()) this.leaves.set(storage, storage.version);
    if (run.list.length < this.saved.length) {
      throw this.error(
        `the second run saved ${run.list.length} tensors, the first one ${this.saved.length}: the function must do the same both times`,
      );
    }
    return run.list;
  }

  /** Goes through the graph of the first run, down to leaves. */
  private findLeaves(nodes: Node[]): void {
    const seen = new Set(nodes);
    for (const node of seen) {
      if (node.id < this.inputs.node.id) continue; // was there before
      for (const edge of node.edges) {
        if (edge === null) continue;
        if (edge.node !== null) seen.add(edge.node);
        else this.leaves.set(edge.leaf!.storage, edge.leaf!.storage.version);
      }
    }
  }
  private checkLeaves(): void {
    for (const [storage, version] of this.leaves) {
      if (storage.version === version) continue;
      throw this.error(
        `a parameter that the function uses was changed in place after its forward: it is at version ${storage.version}, expected version ${version}`,
      );
    }
  }

  private error(message: string): TenfoldError {
    return new TenfoldError('graph', `${this.call}: ${message}`);
  }
}

/** Hooks that keep what a second run saves. */
class SecondRun implements SavedTensorsHooks {
  readonly list: Saved[] = [];
  /** Whether it was ended early, by an exception. */
  done = false;
  constructor(
    private readonly first: readonly { shape: Shape; code: number }[],
    /** Whether the first run has ended. It hasn't where a function differentiates within itself. */
    private readonly firstEnded: boolean,
    private readonly options: Settings,
    private readonly error: (message: string) => TenfoldError,
  ) {}

  pack(x: Tensor): Tensor {
    if (this.done) throw new EndOfRun(); // fn has caught the first one
    const { list, first } = this;
    if (list.length === first.length) {
      if (!this.firstEnded) return x;
      throw this.error(`the second run saved more than the ${first.length} tensors that the first one saved`);
    }
    this.compare(list.length, x);
    const tensor = x.leafGrad ? x : x.alias(); // outside the graph
    list.push({ tensor, version: x.storage.version });
    this.done = this.options.earlyStop && list.length === first.length;
    if (this.done) throw new EndOfRun();
    return tensor;
  }
  unpack(x: unknown): Tensor {
    return x as Tensor;
  }

  private compare(index: number, x: Tensor): void {
    const { shape, code } = this.first[index]!;
    if (this.options.determinismCheck === 'none' || (sameShape(shape, x.shape) && code === x.code)) return;
    throw this.error(
      `saved tensor ${index} is ${about(x)} in the second run, ${about({ shape, dtype: DTYPES[code]! })} in the first: the function must do the same both times`,
    );
  }
}

const about = ({ shape, dtype }: { shape: Shape; dtype: string }): string => `${formatShape(shape)} ${dtype}`;

/** Stands in the arguments for a tensor, which a node has. */
class Place {
  constructor(readonly index: number) {}
}

/**
 * The arguments of a call. Their tensors are saved as those of a node, so that their versions are checked, and hooks that
 * run outside (those of a checkpoint around this one) have them like all others.
 */
class Inputs {
  private readonly args: unknown[];
  readonly node = new Node(INPUTS, []);

  constructor(args: unknown[]) {
    const saved: unknown[] = [];
    this.args = replaced(args, (x) => {
      if (!(x instanceof Tensor)) return x;
      return new Place(saved.push(x, x.storage.version) / 2 - 1);
    }) as unknown[];
    this.node.saved = saved;
    packSaved(this.node);
  }

  restored(): unknown[] {
    const { node } = this;
    const tensors = withSaved(node, () => node.saved!.flatMap((_, i) => (i % 2 === 0 ? [unpack(node, i)] : [])));
    return replaced(this.args, (x) => (x instanceof Place ? tensors[x.index] : x)) as unknown[];
  }
}
const INPUTS: BackwardRule = { gradName: 'checkpoint', escapes: true, backward: () => [] };

/**
 * A value with others in place of some that it holds, in lists and plain objects of it at any depth. What holds nothing to
 * replace stays the same object.
 */
function replaced(value: unknown, by: (x: unknown) => unknown, path: readonly object[] = []): unknown {
  const other = by(value);
  if (other !== value) return other;
  if (!(Array.isArray(value) || isPlainObject(value) || value instanceof NamedTensors) || path.includes(value))
    return value;
  if (!Object.values(value).some((x) => typeof x === 'object')) return value;
  const inner = [...path, value];
  const parts = Object.entries(value).map(([key, x]) => [key, replaced(x, by, inner), x] as const);
  if (parts.every(([, x, before]) => x === before)) return value;
  if (value instanceof NamedTensors) return mapNamed(value, (x) => replaced(x, by, inner));
  const copy: object = Array.isArray(value) ? [] : {};
  return Object.assign(copy, Object.fromEntries(parts));
}
