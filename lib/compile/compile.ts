/**
 * compile: a function that runs once as it is for each kind of arguments, and from then on as the plan that was recorded of it,
 * without JavaScript. Namespace of torch.compile.
 */
import { checkOptions, show } from '../errors.js';
import { mode } from '../autograd/mode.js';
import { timed, timer } from '../native/timer.js';
import { capture } from '../tensor/capture.js';
import type { Tensor } from '../tensor/tensor.js';
import { Entry } from './entry.js';
import { connect, connectFirst, recordGradients, type Gradients } from './gradients.js';
import { Plan } from './explain.js';
import { Recording } from './recording.js';
import { Signature, flatten, replaced, type Flat } from './signature.js';
import { AsyncRunner, type AsyncOptions } from './async.js';

/** Options of compile. */
export interface CompileOptions {
  /** How many plans are kept; a call that none fits beyond that many runs uncompiled, and says so once. 8 without. */
  maxPlans?: number;
  /** Whether elementwise launches are fused. True without. */
  fuse?: boolean;
  /** How many calls of `.async` may run at the same time, each on a thread of its own. 1 without. */
  concurrency?: number;
}

/** What compile returns: the same function, recorded. */
export interface Compiled<F extends (...args: never[]) => unknown> {
  (...args: Parameters<F>): ReturnType<F>;
  /** The same on a thread beside JavaScript's: the event loop goes on. Arguments may be changed at once. */
  async(...args: [...Parameters<F>, ...([] | [AsyncOptions])]): Promise<ReturnType<F>>;
  /** What was recorded so far. */
  readonly plans: readonly Plan[];
}

/** A recorded call and what its gradients need. */
interface Known {
  readonly entry: Entry;
  readonly gradients: Gradients | null;
  readonly plan: Plan;
}

const sameLayout = (a: Tensor, b: Tensor): boolean => a.shape === b.shape && a.strides === b.strides;

class CompiledFunction {
  private readonly known: Known[] = [];
  private gaveUp = false;
  readonly name: string;
  private runner: AsyncRunner | null = null;

  constructor(
    private readonly fn: (...args: unknown[]) => unknown,
    private readonly options: Required<CompileOptions>,
  ) {
    this.name = fn.name === '' ? 'compiled function' : fn.name;
  }

  get plans(): readonly Plan[] {
    return this.known.map((k) => k.plan);
  }

  call(self: unknown, args: readonly unknown[]): unknown {
    if (capture !== null || mode.anomaly) return this.fn.apply(self, args as unknown[]);
    const flat = flatten(args);
    const known = this.find(flat);
    if (known !== null) return this.replay(known, flat);
    if (this.isFull(flat)) return this.fn.apply(self, args as unknown[]);
    return this.record(self, args, flat);
  }

  private find(flat: Flat): Known | null {
    const { known } = this;
    for (let i = 0; i < known.length; i++) {
      const { entry } = known[i]!;
      if (entry.signature.matches(flat) && entry.holds() && entry.isApart(flat)) return known[i]!;
    }
    return null;
  }

  private replay(known: Known, flat: Flat): unknown {
    if (timer === null) return this.replayNow(known, flat);
    return timed(timer, 'plan', `${this.name} (compiled)`, () => this.replayNow(known, flat));
  }

  private replayNow({ entry, gradients }: Known, flat: Flat): unknown {
    entry.calls++;
    const outputs = entry.newOutputs();
    if (gradients !== null) return connect(this.name, entry, gradients, flat, outputs);
    entry.execute(flat.tensors, entry.ownArena, 0, entry.program.steps.length, outputs);
    entry.leaveGradients();
    return entry.results(flat, outputs);
  }

  // PyTorch has the same limit: a function whose arguments never repeat would be recorded for ever.
  private isFull(flat: Flat): boolean {
    const { known, options } = this;
    for (let i = known.length - 1; i >= 0; i--) if (known[i]!.entry.isGone) known.splice(i, 1);
    if (known.length < options.maxPlans) return false;
    if (!this.gaveUp) {
      this.gaveUp = true;
      const difference = known.at(-1)!.entry.signature.difference(flat);
      process.emitWarning(
        `compile: ${this.name} has ${known.length} plans (maxPlans), and a call fits none: ${difference}. ` +
          'Such calls run uncompiled; give numbers that change as tensors, or raise maxPlans.',
        'TenfoldWarning',
      );
    }
    return true;
  }

  private record(self: unknown, args: readonly unknown[], flat: Flat): unknown {
    const signature = new Signature(flat);
    // The graph of a compiled call ends at its arguments: what they come from is joined to it by connect().
    // And each argument is a tensor of its own, so that one that the function also finds elsewhere is told from it.
    const inner = flat.tensors.map((t) => {
      const leaf = t.alias();
      leaf.leafGrad = t.requiresGrad;
      return leaf;
    });
    let at = 0;
    const given = replaced([...args], () => inner[at++]!) as unknown[];
    const recording = new Recording(this.name, [...inner], flat.tensors);
    const { result, gradients } = recording.run(() => {
      const made: unknown = this.fn.apply(self, given);
      if (made instanceof Promise) {
        made.catch(() => {});
        recording.refuse(this.name, 'the function is async; await outside, and compile the synchronous parts');
      }
      const resized = inner.findIndex(
        (t, i) => t.storage !== flat.tensors[i]!.storage || !sameLayout(t, flat.tensors[i]!),
      );
      if (resized >= 0)
        recording.refuse(this.name, `argument ${resized} was given other sizes in place (resize_, t_); do so outside`);
      return { result: made, gradients: recordGradients(recording, made, inner) };
    });
    if (!recording.isUnsettled) {
      for (const number of recording.pinned) signature.pin(number, flat.tensors[number]!);
      const split = gradients?.split ?? -1;
      const recorded = { recording, signature, inputs: inner, result, split, fusing: this.options.fuse };
      const entry = new Entry(this.name, { ...recorded, gradients: gradients?.results ?? [] });
      const plan = new Plan(this.name, entry);
      this.known.push({ entry, gradients, plan });
    }
    const own = gradients === null ? result : connectFirst(this.name, gradients, result, flat.tensors);
    return replaced(own, (t) => {
      const argument = inner.indexOf(t);
      if (argument >= 0) return flat.tensors[argument]!;
      // The graph behind a result was used up where the function ran backward itself.
      return gradients === null && t.node !== null ? t.detach() : t;
    });
  }

  async(self: unknown, args: readonly unknown[]): Promise<unknown> {
    this.runner ??= new AsyncRunner(this.name, this.options.concurrency);
    return this.runner.run(args, (dense, flat) => {
      let known = this.find(flat);
      if (known === null && !this.isFull(flat)) {
        this.record(self, dense, flat);
        known = this.find(flat);
      }
      return known === null ? { value: this.fn.apply(self, dense as unknown[]) } : { entry: known.entry };
    });
  }
}

const PLAIN: Required<CompileOptions> = { maxPlans: 8, fuse: true, concurrency: 1 };

/**
 * Returns a function that does what `fn` does, faster: for each kind of arguments (shapes, dtypes, whether they require grad)
 * the first call runs `fn` and records what it launches; later calls replay the record natively.
 */
export function compile<F extends (...args: never[]) => unknown>(fn: F, options: CompileOptions = {}): Compiled<F> {
  if (typeof fn !== 'function') throw new TypeError(`compile: expected a function, got ${show(fn)}`);
  checkOptions('compile', options, Object.keys(PLAIN));
  const all = { ...PLAIN, ...options };
  for (const name of ['maxPlans', 'concurrency'] as const) {
    if (!Number.isInteger(all[name]) || all[name] < 1)
      throw new RangeError(`compile: ${name} must be an integer of at least 1, got ${show(all[name])}`);
  }
  if (typeof all.fuse !== 'boolean') throw new TypeError(`compile: fuse must be a boolean, got ${show(all.fuse)}`);
  const inner = new CompiledFunction(fn as unknown as (...args: unknown[]) => unknown, all);
  const compiled = function (this: unknown, ...args: unknown[]): unknown {
    return inner.call(this, args);
  };
  Object.defineProperty(compiled, 'name', { value: inner.name });
  Object.defineProperty(compiled, 'plans', { get: () => inner.plans, enumerable: true });
  return Object.assign(compiled, {
    async(this: unknown, ...args: unknown[]): Promise<unknown> {
      return inner.async(this, args);
    },
  }) as unknown as Compiled<F>;
}
