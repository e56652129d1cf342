/**
 * DistributedDataParallel: each process trains a copy of the model on its own part of the data; gradients are averaged while backward
 * runs (Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training").
 */
import { TenfoldError, checkDevice, show } from '../../errors.js';
import { nodesBelow } from '../../autograd/engine.js';
import { gradFnOf } from '../../autograd/meta.js';
import { checkEnded, mode, noGrad } from '../../autograd/mode.js';
import { tensorsIn } from '../../compile/gradients.js';
import { signature, type Arguments } from '../../op/schema.js';
import { cat } from '../../ops/joining.js';
import { tensor } from '../../ops/creation.js';
import { type Tensor } from '../../tensor/tensor.js';
import { Module } from '../module.js';
import type { Parameter } from '../parameter.js';
import { collectives, type Collectives, type Ranks } from './collectives.js';
import type { CommHook } from './commHooks.js';
import { Reducer } from './reducer.js';

const CALL = 'DistributedDataParallel';
const ddpCall = signature(
  'DistributedDataParallel(any deviceIds=null, any outputDevice=null, int dim=0, bool broadcastBuffers=true, bool initSync=true, any processGroup=null, float? bucketCapMb=null, bool findUnusedParameters=false, bool checkReduction=false, bool gradientAsBucketView=true, bool staticGraph=false)',
);
const MB = 1024 * 1024;

/** How ranks behave whose data ends before the others'. */
export interface JoinOptions {
  /** Gradients stay divided by the number of all ranks (true), or by that of those that still have data. */
  divideByInitialWorldSize?: boolean;
  /** false: as if it weren't there. */
  enable?: boolean;
  /** All ranks throw when the first one has no data left, in place of going on. */
  throwOnEarlyTermination?: boolean;
}

/** What is beside the modules, whose properties are parameters and children. */
interface State {
  readonly all: Collectives;
  readonly group: Ranks;
  readonly reducer: Reducer;
  readonly broadcastBuffers: boolean;
  /** Outside noSync. */
  sync: boolean;
  /** Buffers are exchanged before a forward whose predecessor exchanged gradients. */
  syncBuffers: boolean;
  joining: Required<JoinOptions> | null;
  /** Who had data when last all asked each other. */
  active: readonly number[];
}
const stateOf = new WeakMap<DistributedDataParallel, State>();

/**
 * A module whose gradients are averaged over all ranks of a process group. Every rank makes it of a module of the same parameters, in the
 * same order; those of rank 0 are given to all. `forward` is the module's; after `backward` all ranks have the same gradients, so the
 * same optimizer step keeps the copies equal. The loss is the mean over a rank's own batch; batches of one size on each rank give what
 * one process has on all of them together.
 *
 * - `broadcastBuffers`: buffers (running statistics) become rank 0's before each forward.
 * - `processGroup`: the default group where not given. `initSync: false`: parameters are equal already.
 * - `bucketCapMb`: gradients travel in pieces of so many megabytes (25; the first one 1).
 * - `findUnusedParameters`: the loss may leave parameters out; `staticGraph`: always the same ones.
 * - `gradientAsBucketView`: `.grad` is the memory that is exchanged (the default here; PyTorch's is false).
 * - `deviceIds`, `outputDevice`, `dim`, `checkReduction`: PyTorch's, for other devices; nothing but the processor is taken.
 *
 *     initProcessGroup('gloo');
 *     const model = new nn.parallel.DistributedDataParallel(new Net());
 *     lossFn.forward(model.forward(x), y).backward();
 *     optimizer.step();
 *
 * State-dict keys begin with `module.`, as in PyTorch. A forward that is compiled is fine (`model.module.compile()`); compile() of a whole
 * step refuses, because other processes take part in it.
 * @throws TenfoldError 'distributed' where ranks have different parameters: on all of them, naming the first.
 * See torch.nn.parallel.DistributedDataParallel.
 */
export class DistributedDataParallel<M extends Module = Module> extends Module {
  /** The module that is trained. */
  readonly module: M;

  constructor(module: M, ...args: Arguments<typeof ddpCall.schema>) {
    super();
    if (!(module instanceof Module)) throw new TypeError(`${CALL}: expected a module, got ${show(module)}`);
    const [deviceIds, outputDevice, , broadcastBuffers, initSync, processGroup, cap, findUnused, , views, staticGraph] = ddpCall.read(args); // prettier-ignore
    checkDevices(deviceIds);
    checkDevice(CALL, outputDevice);
    if (cap !== null && !(cap > 0)) throw new RangeError(`${CALL}: bucketCapMb must be positive, got ${cap}`);
    const trained = module.namedParameters().filter(([, p]) => p.requiresGrad);
    if (trained.length === 0)
      throw new TenfoldError('value', `${CALL}: no parameter of the module requires grad; use it as it is`);
    const all = collectives(CALL);
    const group = all.groupOf(CALL, processGroup);
    checkSame(module, all, group);
    this.module = module;
    const options = { capBytes: (cap ?? 25) * MB, views, findUnused, staticGraph };
    const reducer = new Reducer(trained, all, group, options);
    stateOf.set(this, {
      all,
      group,
      reducer,
      broadcastBuffers,
      sync: true,
      syncBuffers: true,
      joining: null,
      active: [],
    });
    if (initSync) shareFrom(0, [...module.parameters(), ...module.buffers()], all, group);
  }

  /** The module's forward. Where gradients are recorded, the next backward exchanges them. */
  override forward(...args: Parameters<M['forward']>): ReturnType<M['forward']> {
    const state = stateOf.get(this)!;
    const recording = mode.grad;
    if (recording && state.sync) state.reducer.checkFinished();
    const from = state.joining === null ? 0 : this.announce(state, recording && state.sync);
    if (state.syncBuffers) shareBuffers(this.module, state, from);
    const output = this.module.forward(...(args as unknown[])) as ReturnType<M['forward']>;
    state.syncBuffers = recording && state.sync;
    if (state.syncBuffers) state.reducer.prepare(state.reducer.searches ? leavesOf(output) : null);
    return output;
  }

  /**
   * Runs `fn`, in which gradients are added up on this rank and not exchanged; the first backward of a forward behind it exchanges the
   * sums. Without a function it returns a scope for `using`. Forwards must be inside. See
   * torch.nn.parallel.DistributedDataParallel.no_sync.
   *
   *     model.noSync(() => loss(model.forward(first)).backward());
   *     loss(model.forward(second)).backward();
   */
  noSync(): Disposable;
  noSync<T>(fn: () => T): T;
  noSync<T>(fn?: () => T): T | Disposable {
    const state = stateOf.get(this)!;
    const before = state.sync;
    const end = (): void => void (state.sync = before);
    if (fn !== undefined && typeof fn !== 'function')
      throw new TypeError(`${CALL}.noSync: expected a function, got ${show(fn)}`);
    state.sync = false;
    if (fn === undefined) return { [Symbol.dispose]: end };
    try {
      return checkEnded(`${CALL}.noSync`, fn, fn());
    } finally {
      end();
    }
  }

  /**
   * What is done with each bucket of gradients in place of a mean over all ranks, such as bf16CompressHook, which halves the bytes. Once,
   * before the first backward. `state` is given to each call. See DistributedDataParallel.register_comm_hook.
   */
  registerCommHook<S>(state: S, hook: CommHook<S>): void {
    if (typeof hook !== 'function') throw new TypeError(`registerCommHook: expected a function, got ${show(hook)}`);
    stateOf.get(this)!.reducer.setHook(state, hook as CommHook);
  }

  /**
   * Runs a training loop in which ranks may have different numbers of batches. Who has none left takes part in the others' exchanges with
   * zeros until all are done; then all have the parameters of a rank that was there to the end. All ranks call it; `fn` may be
   * async. See torch.nn.parallel.DistributedDataParallel.join.
   */
  join<T>(fn: () => T, options: JoinOptions = {}): T {
    const state = stateOf.get(this)!;
    const joining = readJoin(options);
    if (typeof fn !== 'function') throw new TypeError(`${CALL}.join: expected a function, got ${show(fn)}`);
    if (!joining.enable) return fn();
    if (state.joining !== null) throw new TenfoldError('value', `${CALL}.join: it runs already`);
    state.joining = joining;
    state.active = [];
    const leave = (): void => {
      state.joining = null;
      state.reducer.divisor = state.group.size();
    };
    let result: T;
    try {
      result = fn();
      if (!(result instanceof Promise)) this.outlast(state);
    } catch (error) {
      leave();
      throw error;
    }
    if (!(result instanceof Promise)) {
      leave();
      return result;
    }
    const whole = async (): Promise<unknown> => {
      try {
        const value: unknown = await result;
        this.outlast(state);
        return value;
      } finally {
        leave();
      }
    };
    return whole() as T;
  }

  /** Tells all ranks that this one has a batch, and whether it exchanges gradients; the rank whose buffers count. */
  private announce(state: State, syncs: boolean): number {
    const there = countThere(state, true, syncs);
    const left = there.active.length;
    state.active = there.active;
    if (left < state.group.size() && state.joining!.throwOnEarlyTermination) throw earlyEnd(left, state.group);
    if (!state.joining!.divideByInitialWorldSize) state.reducer.divisor = left;
    return there.active[0]!;
  }
  /** Without data: does what the others do until none has any. */
  private outlast(state: State): void {
    const { all, group, reducer, joining } = state;
    for (;;) {
      const { active, syncs } = countThere(state, false, false);
      if (active.length === 0) break;
      if (joining!.throwOnEarlyTermination) throw earlyEnd(active.length, group);
      state.active = active;
      if (state.syncBuffers) shareBuffers(this.module, state, active[0]!);
      if (syncs) reducer.shadow();
      state.syncBuffers = syncs;
    }
    // Who was there to the end has made all steps.
    shareFrom(state.active[0] ?? 0, [...this.module.parameters(), ...this.module.buffers()], all, group);
  }
}

const earlyEnd = (left: number, group: Ranks): TenfoldError =>
  new TenfoldError('distributed', `${CALL}.join: ${group.size() - left} of ${group.size()} ranks have no data left`);

function readJoin(options: JoinOptions): Required<JoinOptions> {
  const known = { divideByInitialWorldSize: true, enable: true, throwOnEarlyTermination: false };
  for (const [key, value] of Object.entries(options)) {
    if (!(key in known))
      throw new TypeError(`${CALL}.join: unknown option '${key}' (options: ${Object.keys(known).join(', ')})`);
    if (typeof value !== 'boolean') throw new TypeError(`${CALL}.join: ${key} must be a boolean, got ${show(value)}`);
  }
  return { ...known, ...options };
}

/** Who still has data, by rank, and whether they exchange gradients now. */
function countThere(state: State, here: boolean, syncs: boolean): { active: number[]; syncs: boolean } {
  const { all, group } = state;
  const size = group.size();
  const counts = new Array<number>(size + 1).fill(0);
  if (here) counts[group.rank()] = 1;
  if (syncs) counts[size] = 1;
  const sum = tensor(counts, { dtype: 'int32' });
  all.allReduce(sum, group).wait();
  const totals = sum.tolist() as number[];
  const active = Array.from({ length: size }, (_, i) => i).filter((i) => totals[i] !== 0);
  return { active, syncs: totals[size]! > 0 };
}

function checkDevices(ids: unknown): void {
  if (ids === null) return;
  if (!Array.isArray(ids)) throw new TypeError(`${CALL}: deviceIds must be null or a list, got ${show(ids)}`);
  for (const id of ids) checkDevice(CALL, typeof id === 'number' ? `cuda:${id}` : id);
}

/** Refuses, on all ranks, a module that isn't the same on all. */
function checkSame(module: Module, all: Collectives, group: Ranks): void {
  const describe = (kind: string, list: readonly [string, Tensor][]): string[] =>
    list.map(
      ([name, t]) =>
        `${kind} '${name}', ${t.dtype} of shape [${t.shape}]${kind === 'parameter' && !t.requiresGrad ? ', frozen' : ''}`,
    );
  const own = [
    ...describe('parameter', module.namedParameters() as [string, Parameter][]),
    ...describe('buffer', module.namedBuffers()),
  ];
  const said = all.exchange(own, group);
  const first = said[0]!;
  said.forEach((list, rank) => {
    const at = Array.from({ length: Math.max(first.length, list.length) }, (_, i) => i).find((i) => first[i] !== list[i]); // prettier-ignore
    if (at === undefined) return;
    const none = 'nothing more';
    throw new TenfoldError(
      'distributed',
      `${CALL}: ranks have different modules: at place ${at} rank 0 has ${first[at] ?? none}, rank ${rank} ${list[at] ?? none}`,
    );
  });
}

/** Gives all ranks what one of them has. */
function shareFrom(rank: number, tensors: readonly Tensor[], all: Collectives, group: Ranks): void {
  const works = tensors.filter((t) => t.count > 0).map((t) => all.broadcast(t.detach(), rank, group));
  for (const work of works) work.wait();
}

/** The same for buffers, before each forward: those of one dtype travel together. */
function shareBuffers(module: Module, state: State, from: number): void {
  if (!state.broadcastBuffers) return;
  const byDtype = new Map<number, Tensor[]>();
  for (const b of module.buffers()) {
    if (b.count > 0) byDtype.set(b.code, [...(byDtype.get(b.code) ?? []), b]);
  }
  noGrad(() => {
    for (const buffers of byDtype.values()) {
      const whole = cat(buffers.map((b) => b.detach().reshape([-1])));
      state.all.broadcast(whole, from, state.group).wait();
      if (state.group.rank() === from) continue;
      let at = 0;
      for (const b of buffers) {
        b.detach().copy_(whole.narrow(0, at, b.count).view([...b.shape]));
        at += b.count;
      }
    }
  });
}

/** The leaves to which a result's backward may lead. */
function leavesOf(output: unknown): ReadonlySet<Tensor> {
  const leaves = new Set<Tensor>();
  const roots = tensorsIn(output);
  for (const t of roots) if (gradFnOf(t) === null) leaves.add(t);
  for (const node of nodesBelow(roots)) for (const e of node.edges) if (e?.leaf) leaves.add(e.leaf);
  return leaves;
}
