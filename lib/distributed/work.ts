/** A call of a group that is under way: what `asyncOp` returns, and what blocking calls wait for. */
import { TenfoldError, show } from '../errors.js';
import type { DistributedAddon, NativeGroup, NativeJob } from '../native/distributed.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Loan } from './memory.js';
import type { Work } from './types.js';

/** Longer than any call takes. */
const FOREVER = 2 ** 30;

/** What a work consists of. */
export interface Parts {
  call: string;
  addon: DistributedAddon;
  group: NativeGroup;
  job: NativeJob;
  loan: Loan;
  /** A message: it has no thread of its own, whoever waits does its work. */
  message: boolean;
  /** Group ranks to global ranks. */
  ranks: readonly number[];
  /** Is told when it is over. */
  ended: (work: GroupWork) => void;
}

export class GroupWork implements Work {
  private settled = false;
  private failed: Error | null = null;
  private source = -1;
  private promise: Promise<Tensor[]> | null = null;

  constructor(private readonly parts: Parts) {}

  wait(timeout: number | null = null): boolean {
    const { call, addon, job } = this.parts;
    if (timeout !== null && !(typeof timeout === 'number' && timeout > 0))
      throw new RangeError(`wait: timeout must be a positive number of milliseconds or null, got ${show(timeout)}`);
    if (!this.settled) {
      while (!addon.wait(job, Math.min(timeout ?? FOREVER, FOREVER))) {
        if (timeout !== null)
          throw new TenfoldError('distributed', `wait: ${call} isn't done after ${timeout} ms; it goes on`);
      }
      this.settle();
    }
    if (this.failed !== null) throw this.failed;
    return true;
  }

  isCompleted(): boolean {
    const { addon, job } = this.parts;
    if (!this.settled && addon.isDone(job)) this.settle();
    return this.settled;
  }

  isSuccess(): boolean {
    return this.isCompleted() && this.failed === null;
  }

  exception(): Error | null {
    return this.isCompleted() ? this.failed : null;
  }

  sourceRank(): number {
    return this.isCompleted() && this.source >= 0 ? this.parts.ranks[this.source]! : -1;
  }

  result(): Tensor[] {
    return this.parts.loan.written.slice();
  }

  getFuture(): Promise<Tensor[]> {
    return (this.promise ??= new Promise((resolve, reject) => {
      const { addon, group, job, message } = this.parts;
      const answer = (): void => {
        if (!this.settled) this.settle();
        if (this.failed !== null) reject(this.failed);
        else resolve(this.result());
      };
      if (this.settled) answer();
      else addon.notify(group, job, answer, message);
    }));
  }

  then<A = void, B = never>(
    onfulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.getFuture()
      .then(() => undefined)
      .then(onfulfilled, onrejected);
  }

  /** Looks after its own end, though nobody may wait for it: the tensors are to be let go then. */
  watch(): void {
    this.getFuture().catch(() => undefined); // who waits is told, and so is the group's next call
  }

  private settle(): void {
    const { addon, job, loan, ended } = this.parts;
    this.settled = true;
    const message = addon.errorOf(job);
    this.source = addon.sourceOf(job);
    addon.release(job);
    if (message !== '') this.failed = new TenfoldError('distributed', message);
    try {
      loan.end(this.failed === null);
    } catch (error) {
      this.failed ??= error as Error;
    }
    ended(this);
  }
}
