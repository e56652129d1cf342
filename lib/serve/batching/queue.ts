/** Requests that wait for a batch: by priority, within one by age. */
import type { Values } from '../values.js';

/** A request in the queue. */
export interface Waiting {
  readonly inputs: Values;
  /** Rows along the batch's dim. */
  readonly rows: number;
  /** Requests with the same key can share a batch: dtypes and sizes of everything but rows and padded dims. */
  readonly key: string;
  readonly priority: number;
  /** performance.now() of its arrival. */
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  resolve(outputs: Values): void;
  reject(error: unknown): void;
  /** Ends the timer and the listener that belong to the wait. */
  settle(): void;
}

export class Queue {
  private readonly levels: Waiting[][];
  size = 0;
  constructor(levels: number) {
    this.levels = Array.from({ length: levels }, () => []);
  }
  push(item: Waiting): void {
    this.levels[item.priority - 1]!.push(item);
    this.size++;
  }
  /** Takes one out; false where it isn't waiting any more. */
  remove(item: Waiting): boolean {
    const level = this.levels[item.priority - 1]!;
    const at = level.indexOf(item);
    if (at < 0) return false;
    level.splice(at, 1);
    this.size--;
    return true;
  }
  /** The next one's turn: the oldest of the highest priority. */
  head(): Waiting | undefined {
    for (const level of this.levels) if (level.length > 0) return level[0];
    return undefined;
  }
  /**
   * Those that can go together with the head, in their order, up to `limit` rows. One that doesn't fit ends the batch, so that
   * large requests are not passed by small ones for ever.
   */
  companions(limit: number): Waiting[] {
    const head = this.head();
    const found: Waiting[] = [];
    let rows = 0;
    for (const level of this.levels) {
      for (const item of level) {
        if (item.key !== head!.key) continue;
        if (rows + item.rows > limit) return found;
        found.push(item);
        rows += item.rows;
      }
    }
    return found;
  }
  /** Takes all out. */
  clear(): Waiting[] {
    const all = this.levels.flat();
    for (const level of this.levels) level.length = 0;
    this.size = 0;
    return all;
  }
}
