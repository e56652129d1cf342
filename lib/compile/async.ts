/**
 * Calls beside JavaScript: a plan runs on a thread of its own, one of `concurrency`, while the event loop goes on. Arguments are
 * copied when the call is made, so they may be changed at once; parameters and buffers are read where they are, so until the
 * promise has settled an in-place change of them is an error.
 */
import { TenfoldError, checkOptions, naming, show } from '../errors.js';
import { mode } from '../autograd/mode.js';
import { planAsync } from '../native/launch.js';
import { timer } from '../native/timer.js';
import { allocateOwn, hold, letGo } from '../tensor/storage.js';
import type { Entry } from './entry.js';
import { explained, Instance } from './plan.js';
import { flatten, replaced, type Flat } from './signature.js';

/** Options of one asynchronous call. */
export class AsyncOptions {
  /** Ends the waiting: a call that hasn't begun never runs, one that has stops after the launch that is running. */
  readonly signal: AbortSignal | null;
  constructor(options: { signal?: AbortSignal | null } = {}) {
    checkOptions('AsyncOptions', options, ['signal']);
    const { signal = null } = options;
    if (signal !== null && typeof signal.addEventListener !== 'function')
      throw new TypeError(`AsyncOptions: signal must be an AbortSignal, got ${show(signal)}`);
    this.signal = signal;
  }
}

/** Finds (or records) the entry for arguments; a value where the call had to run at once. */
export type Find = (args: readonly unknown[], flat: Flat) => { entry: Entry } | { value: unknown };

interface Waiting {
  entry: Entry;
  flat: Flat;
  signal: AbortSignal | null;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

const aborted = (signal: AbortSignal): unknown =>
  signal.reason ?? new DOMException('This operation was aborted', 'AbortError');

/** Calls of all functions that run now: each is to have a thread. */
let atWork = 0;

export class AsyncRunner {
  private readonly queue: Waiting[] = [];
  private running = 0;
  private readonly idle = new WeakMap<Entry, Instance[]>();

  constructor(
    private readonly call: string,
    private readonly concurrency: number,
  ) {}

  run(args: readonly unknown[], find: Find): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const last = args.at(-1);
      const signal = last instanceof AsyncOptions ? last.signal : null;
      if (signal?.aborted) throw aborted(signal);
      const given = last instanceof AsyncOptions ? args.slice(0, -1) : args;
      const before = mode.grad;
      mode.grad = false;
      try {
        const flat = flatten(given);
        const copies = flat.tensors.map((t) => t.rawClone());
        let at = 0;
        const dense = given.map((x) => replaced(x, () => copies[at++]!));
        const copied: Flat = { tensors: copies, rest: flat.rest };
        const found = find(dense, copied);
        if ('value' in found) resolve(found.value);
        else this.enqueue({ entry: checked(this.call, found.entry), flat: copied, signal, resolve, reject });
      } finally {
        mode.grad = before;
      }
    });
  }

  private enqueue(waiting: Waiting): void {
    const { signal } = waiting;
    this.queue.push(waiting);
    signal?.addEventListener('abort', () => {
      const at = this.queue.indexOf(waiting);
      if (at < 0) return;
      this.queue.splice(at, 1);
      waiting.reject(aborted(signal));
    });
    this.next();
  }

  private next(): void {
    while (this.running < this.concurrency && this.queue.length > 0) this.start(this.queue.shift()!);
  }

  private start({ entry, flat, signal, resolve, reject }: Waiting): void {
    const instance = this.instanceOf(entry);
    const outputs = entry.newOutputs();
    try {
      if (!entry.holds()) throw new TenfoldError('capture', 'what the function uses was changed while the call waited');
      entry.bind(instance, flat.tensors, outputs);
    } catch (error) {
      reject(naming(this.call, error));
      return;
    }
    const { cancel } = instance;
    cancel[0] = 0;
    const stop = (): void => void (cancel[0] = 1);
    signal?.addEventListener('abort', stop);
    const held = entry.outside.map((o) => o.storage);
    for (const storage of held) hold(storage);
    this.running++;
    atWork++;
    planAsync(instance.native, cancel, atWork, (error, began, ended) => {
      this.running--;
      atWork--;
      timer?.beside(`${this.call} (compiled)`, began, ended);
      signal?.removeEventListener('abort', stop);
      for (const storage of held) letGo(storage);
      this.idle.get(entry)!.push(instance);
      this.next();
      if (signal?.aborted) reject(aborted(signal));
      else if (error !== undefined) reject(explained(this.call, error, entry.program.steps));
      else {
        entry.calls++;
        resolve(entry.results(flat, outputs));
      }
    });
  }

  private instanceOf(entry: Entry): Instance {
    let list = this.idle.get(entry);
    if (list === undefined) this.idle.set(entry, (list = []));
    const free = list.pop();
    if (free !== undefined) return free;
    const instance = new Instance(entry.program, entry.arena);
    entry.bindFixed(instance);
    instance.useArena(entry.arena.bytes === 0 ? null : allocateOwn(entry.arena.bytes));
    return instance;
  }
}

/** Refuses what can't run beside JavaScript: what changes memory that others see, random numbers included. */
function checked(call: string, entry: Entry): Entry {
  const changed = entry.written.find((m) => m.origin !== 'inside' && m.origin !== 'input');
  if (changed !== undefined || entry.isStep || entry.program.effects.length > 0) {
    throw new TenfoldError(
      'capture',
      `${call}.async: the function changes tensors from outside (parameters, running statistics, the generator of random ` +
        'numbers) while JavaScript might use them; call it synchronously, or in eval() mode under noGrad',
    );
  }
  return entry;
}
