/** What a profile hears while it runs: a tree of what happened on JavaScript's thread, and what happened beside it. */
import { kernelOf, traceEnd, traceStart } from '../native/launch.js';
import { setTimer, timed, timer, type TimedKind, type Timer } from '../native/timer.js';
import { DTYPES, SIZE } from '../dtype.js';
import { TenfoldError } from '../errors.js';
import { setWatcher, watched, type OpRecord, type Watcher } from '../op/define.js';
import { Tensor } from '../tensor/tensor.js';

/** One thing that happened. */
export interface ProfileEvent {
  /** `op`: a call; `backward`: a rule of the backward pass; `plan`: a replay; `range`: recordFunction; `kernel`; `thread`. */
  readonly kind: TimedKind | 'thread';
  readonly name: string;
  /** Milliseconds since the profile began. */
  readonly start: number;
  readonly duration: number;
  /** Milliseconds without what it called; kernels count as its own. */
  readonly self: number;
  /** Bytes of the tensors that its own kernels were given. */
  readonly bytes: number;
  /** 0 is JavaScript's, 1 and on the pool's; negative ones run plans beside JavaScript. */
  readonly thread: number;
  /** How many others it is within. */
  readonly depth: number;
}

interface Open {
  readonly kind: TimedKind;
  readonly name: string;
  readonly start: number;
  inner: number;
  bytes: number;
}

/** Bytes of what a launch was given: tensors, lists of them, storages. */
function bytesOf(operands: readonly unknown[]): number {
  let sum = 0;
  for (const x of operands) {
    if (x instanceof Tensor) sum += x.count * SIZE[x.code]!;
    else if (Array.isArray(x)) sum += bytesOf(x);
    else if (typeof x === 'object' && x !== null && 'operands' in x) sum += bytesOf(x.operands as unknown[]);
    else if (typeof x === 'object' && x !== null && 'nbytes' in x) sum += x.nbytes as number;
  }
  return sum;
}

export class Recorder implements Timer, Watcher {
  readonly events: ProfileEvent[] = [];
  private readonly open: Open[] = [];
  private readonly begun = performance.now();
  /** The native clock when the profile began, in nanoseconds. */
  private readonly clock: number;
  private launchedAt = 0;
  private readonly outer: Watcher | null;

  constructor() {
    if (timer !== null) throw new TenfoldError('state', 'profile: a profile is running already; they can’t be nested');
    this.clock = traceStart();
    this.outer = setWatcher(this);
    setTimer(this);
  }

  /** Ends the recording; milliseconds that it took. */
  finish(): number {
    const took = this.now();
    while (this.open.length > 0) this.end();
    setTimer(null);
    setWatcher(this.outer);
    const spans = traceEnd(this.clock);
    for (let i = 0; i < spans.length; i += 3) this.add('thread', 'pool', spans[i]!, spans[i + 1]!, spans[i + 2]!);
    this.events.sort((a, b) => a.start - b.start || b.duration - a.duration);
    return took;
  }

  private now(): number {
    return performance.now() - this.begun;
  }

  // ---- JavaScript's thread ----------------------------------------------------------------------------------------------

  begin(kind: TimedKind, name: string): void {
    this.open.push({ kind, name, start: this.now(), inner: 0, bytes: 0 });
  }
  end(): void {
    const { kind, name, start, inner, bytes } = this.open.pop()!;
    const duration = this.now() - start;
    const outer = this.open.at(-1);
    if (outer !== undefined) outer.inner += duration;
    this.events.push({
      kind,
      name,
      start,
      duration,
      self: duration - inner,
      bytes,
      thread: 0,
      depth: this.open.length,
    });
  }

  launchBegins(): void {
    this.launchedAt = this.now();
  }
  launchEnds(id: number, operands: readonly unknown[]): void {
    const { name, code } = kernelOf(id);
    this.kernel(`${name} (${DTYPES[code]!})`, this.launchedAt, this.now() - this.launchedAt, bytesOf(operands));
  }
  kernels(names: readonly string[], bytes: readonly number[], milliseconds: ArrayLike<number>): void {
    let start = this.now();
    for (let i = 0; i < names.length; i++) start -= milliseconds[i]!;
    for (let i = 0; i < names.length; i++) {
      this.kernel(names[i]!, start, milliseconds[i]!, bytes[i]!);
      start += milliseconds[i]!;
    }
  }
  private kernel(name: string, start: number, duration: number, bytes: number): void {
    const outer = this.open.at(-1);
    if (outer !== undefined) outer.bytes += bytes;
    const depth = this.open.length;
    this.events.push({ kind: 'kernel', name, start, duration, self: duration, bytes, thread: 0, depth });
  }

  // ---- other threads ------------------------------------------------------------------------------------------------------

  private readonly lanes: number[] = [];
  beside(name: string, begin: number, end: number): void {
    let lane = this.lanes.findIndex((until) => until <= begin);
    if (lane < 0) lane = this.lanes.length;
    this.lanes[lane] = end;
    this.add('plan', name, begin, end, -1 - lane);
  }
  private add(kind: 'plan' | 'thread', name: string, begin: number, end: number, thread: number): void {
    const start = (begin - this.clock) / 1e6;
    const duration = (end - begin) / 1e6;
    this.events.push({ kind, name, start, duration, self: duration, bytes: 0, thread, depth: 0 });
  }

  // ---- ops ------------------------------------------------------------------------------------------------------------------

  // A composite's steps are shown as its own inner calls; what other ops call within their kernels' preparation is theirs.
  run(op: OpRecord, args: unknown[]): unknown {
    return timed(this, 'op', op.sig.name, () =>
      op.kind === 'composite' ? watched(this, () => op.compose(args)) : op.run(args),
    );
  }
  inplace(op: OpRecord, args: unknown[]): Tensor {
    return timed(this, 'op', `${op.sig.name}_`, () => op.runInplace(args));
  }
}
