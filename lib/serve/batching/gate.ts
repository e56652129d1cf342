/**
 * One limit for all models: how many batches compute at the same time. Who waits gets a place in the order of asking, one
 * batch a place, so that a model with a long queue doesn't keep the others from computing.
 */
import { show } from '../../errors.js';

export class Gate {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  constructor(readonly limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new RangeError(`maxConcurrency must be an integer from 1, got ${show(limit)}`);
  }
  /** Calls `enter` as soon as there is a place, which `leave` gives back. */
  ask(enter: () => void): void {
    if (this.running >= this.limit) this.waiting.push(enter);
    else {
      this.running++;
      enter();
    }
  }
  leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.running--;
    else next();
  }
}
