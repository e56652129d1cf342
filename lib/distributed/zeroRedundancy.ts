/**
 * ZeroRedundancyOptimizer: each rank keeps an optimizer's state for its share of the parameters, steps those, and gives them to the others
 * (Rajbhandari et al. 2020, ZeRO stage 1).
 */
import { TenfoldError, checkOptions, show } from '../errors.js';
import { Optimizer, type AnyOptions, type GroupInit, type OptimizerStateDict, type OptionSpec, type Params } from '../optim/optimizer.js'; // prettier-ignore
import type { Tensor } from '../tensor/tensor.js';
import { broadcast } from './collectives.js';
import { groupHere } from './groups.js';
import { allGatherObject } from './objects.js';
import type { ProcessGroup } from './types.js';

const CALL = 'ZeroRedundancyOptimizer';

/** Any optimizer's class. */
export type OptimizerClass = new (params: Params<AnyOptions>, options: AnyOptions) => Optimizer;

/** Options beside those of the optimizer within. */
export interface ZeroRedundancyOptions {
  optimizerClass: OptimizerClass;
  /** All ranks where not given. */
  processGroup?: ProcessGroup | null;
}

/**
 * An optimizer whose state is divided among the ranks, so that each has a share of its memory; after `step` all have the same
 * parameters, those that the optimizer within would have made. Gradients must be the same on all ranks, as DistributedDataParallel
 * makes them. All ranks make it of the same parameters.
 *
 *     const optimizer = new ZeroRedundancyOptimizer(model.parameters(), { optimizerClass: optim.Adam, lr: 0.01 });
 *
 * `paramGroups` are live, as ever, so schedulers work. A checkpoint needs `consolidateStateDict` on all ranks first.
 * @throws TenfoldError 'distributed' where there is no process group. See torch.distributed.optim.ZeroRedundancyOptimizer.
 */
export class ZeroRedundancyOptimizer extends Optimizer {
  declare private readonly inner: Optimizer;
  declare private readonly group: ProcessGroup;
  /** Whose each parameter is. */
  declare private readonly owner: Map<Tensor, number>;
  declare private whole: OptimizerStateDict | null;

  constructor(params: Params<AnyOptions>, options: ZeroRedundancyOptions & AnyOptions) {
    if (typeof options !== 'object' || options === null)
      throw new TypeError(`${CALL}: expected options with optimizerClass, got ${show(options)}`);
    const { optimizerClass, processGroup = null, ...rest } = options;
    if (typeof optimizerClass !== 'function' || !(optimizerClass.prototype instanceof Optimizer))
      throw new TypeError(`${CALL}: optimizerClass must be an optimizer's class, got ${show(optimizerClass)}`);
    const group = groupHere(CALL, processGroup);
    if (group === null) throw new TenfoldError('distributed', `${CALL}: this process isn't in the group`);
    const iterable = typeof params === 'object' && params !== null && Symbol.iterator in params;
    const list = (iterable ? [...(params as Iterable<unknown>)] : params) as Params<AnyOptions>;
    const inner = new optimizerClass(list, rest);
    super(inner.paramGroups.map((g) => ({ params: g.params })) as Params<AnyOptions>, nothing, []);
    this.inner = inner;
    this.group = group;
    this.owner = new Map();
    this.whole = null;
    // The same groups and the same state: what schedulers set, and what a checkpoint holds, is there once.
    Object.assign(this, { defaults: inner.defaults, state: inner.state, paramGroups: inner.paramGroups });
    for (const g of this.paramGroups) this.share(g.params);
  }

  override addParamGroup(group: GroupInit<AnyOptions>): void {
    if (this.inner === undefined) return super.addParamGroup(group); // while it is made
    this.inner.addParamGroup(group);
    this.share(this.paramGroups.at(-1)!.params);
  }
  /** Gives each parameter, the largest first, to the rank that has least. */
  private share(params: readonly Tensor[]): void {
    const loads = new Array<number>(this.group.size()).fill(0);
    for (const [p, rank] of this.owner) loads[rank]! += p.count;
    for (const p of [...params].sort((a, b) => b.count - a.count)) {
      const least = loads.indexOf(Math.min(...loads));
      this.owner.set(p, least);
      loads[least]! += p.count;
    }
  }

  protected override update(): void {
    const own = this.group.rank();
    const all = this.paramGroups.map((g) => g.params);
    this.whole = null;
    try {
      this.paramGroups.forEach((g, i) => (g.params = all[i]!.filter((p) => this.owner.get(p) === own)));
      this.inner.step();
    } finally {
      this.paramGroups.forEach((g, i) => (g.params = all[i]!));
    }
    const works = [...this.owner]
      .filter(([p]) => p.count > 0)
      .map(([p, rank]) => broadcast(p.detach(), { groupSrc: rank, group: this.group, asyncOp: true })!);
    for (const work of works) work.wait();
  }

  /** Gathers all ranks' state on rank `to` of the group, where stateDict() then gives it. All ranks call it. */
  consolidateStateDict(to = 0): void {
    if (!Number.isInteger(to) || to < 0 || to >= this.group.size())
      throw new RangeError(
        `${CALL}.consolidateStateDict: to must be a rank below ${this.group.size()}, got ${show(to)}`,
      );
    const own = super.stateDict();
    const parts = Array.from({ length: this.group.size() }, () => null as OptimizerStateDict['state'] | null);
    allGatherObject(parts, own.state, { group: this.group });
    this.whole = this.group.rank() === to ? { ...own, state: Object.assign({}, ...parts) as OptimizerStateDict['state'] } : null; // prettier-ignore
  }
  /** The whole checkpoint, on the rank that consolidateStateDict gathered it on since the last step. */
  override stateDict(): OptimizerStateDict {
    if (this.whole === null)
      throw new TenfoldError(
        'state',
        `${CALL}.stateDict: this rank has a share of the state; call consolidateStateDict(to) on all ranks behind the last step, and this on rank 'to'`,
      );
    return this.whole;
  }
  /** Live options are the optimizer's within, which checks them at its own step. */
  protected override checkGroup(): void {
    return;
  }
  /** Goes on from a whole checkpoint, of which each rank keeps its share. */
  override loadStateDict(stateDict: OptimizerStateDict): void {
    this.inner.loadStateDict(stateDict);
    for (const p of [...this.state.keys()]) if (this.owner.get(p) !== this.group.rank()) this.state.delete(p);
    this.whole = null;
  }
}

/** The base class's own options: none, the optimizer within checks them. */
const nothing: OptionSpec = { defaults: {}, positional: 0, check: (call, values) => checkOptions(call, values, []) };
