/**
 * The reducer of a DistributedDataParallel: takes gradients as backward hands them over, puts them into buckets, and sends each bucket on
 * its way while backward goes on. All ranks send the same buckets in the same order, whatever order their gradients come in.
 */
import { TenfoldError } from '../../errors.js';
import { queueCallback } from '../../autograd/engine.js';
import { leafMeta } from '../../autograd/meta.js';
import { noGrad } from '../../autograd/mode.js';
import { tensor } from '../../ops/creation.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Parameter } from '../parameter.js';
import { makeBucket, planBuckets, type Bucket, type Slot } from './buckets.js';
import type { Collectives, Pending, Ranks } from './collectives.js';
import { GradBucket, type CommFuture, type CommHook } from './commHooks.js';

export interface ReducerOptions {
  capBytes: number;
  /** Gradients are the buckets' own memory. */
  views: boolean;
  findUnused: boolean;
  staticGraph: boolean;
}

/** Where a parameter lies. */
interface Place {
  readonly bucket: number;
  readonly slot: Slot;
  readonly index: number;
}

export class Reducer {
  readonly buckets: Bucket[];
  private readonly places = new Map<Tensor, Place>();
  private readonly order: Slot[] = [];
  /** Of each bucket, how many gradients still have to come. */
  private missing: number[] = [];
  private ready = new Set<Tensor>();
  private nextBucket = 0;
  private inBackward = false;
  private futures: CommFuture[] = [];
  /** A forward was run whose backward exchanges gradients, and that hasn't done so. */
  private expecting = false;
  /** Parameters used in this iteration, here and (once summed) anywhere; null where nobody asks. */
  private used: Tensor | null = null;
  private usedWork: Pending | null = null;
  /** Under staticGraph: what the first iteration didn't use. */
  private neverUsed: ReadonlySet<Tensor> | null = null;
  /** Of them, what no rank used: it keeps the gradient that it had. */
  private nowhere = new Set<Slot>();
  private hook: CommHook | null = null;
  private hookState: unknown = null;
  /** What each bucket is divided by: the number of ranks, or of those that still have data. */
  divisor: number;

  constructor(
    parameters: readonly [string, Parameter][],
    private readonly all: Collectives,
    private readonly group: Ranks,
    private readonly options: ReducerOptions,
  ) {
    this.divisor = group.size();
    this.buckets = planBuckets(parameters, options.capBytes).map(makeBucket);
    this.buckets.forEach(({ slots }, bucket) => {
      for (const slot of slots) {
        this.places.set(slot.parameter, { bucket, slot, index: this.order.push(slot) - 1 });
        slot.parameter.registerPostAccumulateGradHook((leaf) => this.arrived(leaf));
      }
    });
  }
  setHook(state: unknown, hook: CommHook): void {
    if (this.hook !== null) throw new TenfoldError('value', 'registerCommHook: there is one already, and it stays');
    this.hook = hook;
    this.hookState = state;
  }
  /** Whether backward's parameters are looked for in the graph of the results. */
  get searches(): boolean {
    return this.options.findUnused || (this.options.staticGraph && this.neverUsed === null);
  }

  // ---- one iteration -----------------------------------------------------------------------------------------------------

  /** Before the backward of a forward. `reached`: the leaves of its graph, where `searches`. */
  prepare(reached: ReadonlySet<Tensor> | null): void {
    this.checkFinished();
    this.expecting = true;
    this.ready = new Set();
    this.futures = [];
    this.nextBucket = 0;
    this.missing = this.buckets.map(({ slots }) => slots.length);
    const { staticGraph } = this.options;
    if (reached !== null) {
      const unused = new Set(this.order.map((slot) => slot.parameter).filter((p) => !reached.has(p)));
      if (staticGraph) this.neverUsed = unused;
      const flags = this.order.map((slot) => (unused.has(slot.parameter) ? 0 : 1));
      this.used = tensor(flags, { dtype: 'int32' });
      this.skip(unused);
    } else if (this.neverUsed !== null) this.skip(this.neverUsed);
    // Of results without any parameter no backward tells the end.
    if (this.ready.size === this.order.length) this.finish();
  }
  private skip(unused: ReadonlySet<Tensor>): void {
    for (const { parameter } of this.order) if (unused.has(parameter)) this.mark(this.places.get(parameter)!);
    this.launch();
  }
  /** @throws TenfoldError 'distributed' where the backward before didn't reach all parameters. */
  checkFinished(): void {
    // A forward without a backward is nobody's fault; where all came and an exchange failed, the group says so.
    if (!this.expecting || this.ready.size === 0 || this.ready.size === this.order.length) return;
    const names = this.order.filter((slot) => !this.ready.has(slot.parameter)).map((slot) => `'${slot.name}'`);
    const some = names.length > 6 ? `${names.slice(0, 6).join(', ')}, … (${names.length})` : names.join(', ');
    throw new TenfoldError(
      'distributed',
      `DistributedDataParallel.forward: the backward before gave no gradient to ${some}, so that gradients were not exchanged. Use all parameters in the loss, or give { findUnusedParameters: true }`,
    );
  }

  private arrived(leaf: Tensor): void {
    if (!this.expecting) return;
    const place = this.places.get(leaf)!;
    const { name } = place.slot;
    if (this.ready.has(leaf)) {
      const why = this.neverUsed?.has(leaf)
        ? 'staticGraph: the first iteration did not use it'
        : 'one forward is for one backward that reaches each parameter once';
      throw new TenfoldError('distributed', `DistributedDataParallel: '${name}' got a gradient twice or late (${why})`);
    }
    this.mark(place);
    this.inBackward = true;
    this.launch();
    this.inBackward = false;
  }
  /** A gradient is there, or will not come: it goes to its place, divided. */
  private mark({ bucket, slot }: Place): void {
    const { parameter, view } = slot;
    this.ready.add(parameter);
    this.missing[bucket]!--;
    const meta = leafMeta(parameter);
    noGrad(() => {
      if (meta.grad === null) return void view.zero_();
      if (meta.grad.storage !== view.storage) view.copy_(meta.grad);
      if (this.hook === null && this.divisor !== 1) view.mul_(1 / this.divisor);
    });
    // Its own memory is given back at once.
    if (meta.grad !== null && this.options.views) this.give(slot);
  }
  /** Sends buckets that are full, in order. */
  private launch(): void {
    while (this.nextBucket < this.buckets.length && this.missing[this.nextBucket] === 0) {
      const number = this.nextBucket++;
      const bucket = this.buckets[number]!;
      const last = number === this.buckets.length - 1;
      this.futures.push(this.begin(bucket, number, last));
      if (!last) continue;
      if (this.used !== null) this.usedWork = this.all.allReduce(this.used, this.group);
      if (this.inBackward) queueCallback(() => this.finish());
    }
  }
  private begin(bucket: Bucket, number: number, last: boolean): CommFuture {
    if (this.hook !== null) return this.hook(this.hookState, new GradBucket(bucket, number, last, this.group));
    const { memory } = bucket;
    const work = this.all.allReduce(memory, this.group);
    return { wait: () => (work.wait(), memory) };
  }

  /** Waits for all buckets and gives parameters their gradients. */
  private finish(): void {
    this.futures.forEach((future, i) => {
      const { memory } = this.buckets[i]!;
      const result = future.wait();
      if (result !== memory) noGrad(() => void memory.copy_(result));
    });
    this.usedWork?.wait();
    if (this.used !== null) {
      const uses = this.used.tolist() as number[];
      this.nowhere = new Set(this.order.filter((_, i) => uses[i] === 0));
    }
    for (const slot of this.order) if (!this.nowhere.has(slot)) this.give(slot);
    if (!this.options.staticGraph) this.nowhere.clear();
    this.used = null;
    this.usedWork = null;
    this.expecting = false;
  }
  private give({ parameter, view }: Slot): void {
    const meta = leafMeta(parameter);
    if (meta.grad !== null && meta.grad.storage === view.storage) return;
    if (this.options.views) {
      parameter.dropGrad(); // gives its memory back
      parameter.grad = view;
    } else if (meta.grad === null) parameter.grad = view.clone();
    else noGrad(() => void meta.grad!.copy_(view));
  }

  // ---- for ranks that have no data left ----------------------------------------------------------------------------------

  /** Takes part in the exchange of an iteration with gradients of 0. */
  shadow(): void {
    this.ready = new Set();
    this.futures = [];
    for (const { memory } of this.buckets) noGrad(() => void memory.zero_());
    const last = this.buckets.length - 1;
    this.buckets.forEach((bucket, i) => this.futures.push(this.begin(bucket, i, i === last)));
    if (this.searches)
      this.all
        .allReduce(
          tensor(
            this.order.map(() => 0),
            { dtype: 'int32' },
          ),
          this.group,
        )
        .wait();
    for (const future of this.futures) future.wait();
  }
}
