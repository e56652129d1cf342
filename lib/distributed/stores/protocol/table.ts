/** Keys and values with PyTorch's operations on them: what a server holds, and what HashStore and FileStore are made of. */

const EMPTY = Buffer.alloc(0);

/** A value that ADD finds under its key is no number. */
export class NotANumberError extends Error {}

export class Table {
  private readonly values = new Map<string, Buffer>();
  private readonly queues = new Map<string, Buffer[]>();

  get size(): number {
    return this.values.size;
  }
  keys(): string[] {
    return [...this.values.keys()];
  }
  get(key: string): Buffer | undefined {
    return this.values.get(key);
  }
  set(key: string, value: Uint8Array): void {
    this.values.set(key, Buffer.from(value));
  }
  append(key: string, value: Uint8Array): void {
    this.set(key, Buffer.concat([this.values.get(key) ?? EMPTY, value]));
  }
  delete(key: string): boolean {
    return this.values.delete(key);
  }

  /** Adds to the decimal number under a key, 0 where there is none; wraps around at 64 bits. */
  add(key: string, amount: bigint): bigint {
    const text = this.values.get(key)?.toString('latin1') ?? '0';
    const digits = /^\s*[+-]?\d+/.exec(text)?.[0];
    if (digits === undefined) throw new NotANumberError(`the value of '${key}' is no number`);
    const sum = BigInt.asIntN(64, BigInt(digits.trim().replace(/^\+/, '')) + amount);
    this.values.set(key, Buffer.from(String(sum)));
    return sum;
  }

  /**
   * Sets `desired` where the value is `expected`, or where there is none and `expected` is empty. Returns what is there then; for
   * a key that isn't there PyTorch's store says `expected`, and so does this one.
   */
  compareSet(key: string, expected: Uint8Array, desired: Uint8Array): Buffer {
    const present = this.values.get(key);
    if (present === undefined && expected.length > 0) return Buffer.from(expected);
    if (present !== undefined && !present.equals(expected)) return present;
    this.set(key, desired);
    return this.values.get(key)!;
  }

  push(key: string, value: Uint8Array): void {
    const queue = this.queues.get(key);
    if (queue === undefined) this.queues.set(key, [Buffer.from(value)]);
    else queue.push(Buffer.from(value));
  }
  /** How many values a queue has. */
  length(key: string): number {
    return this.queues.get(key)?.length ?? 0;
  }
  pop(key: string): Buffer | undefined {
    const queue = this.queues.get(key);
    const value = queue?.shift();
    if (queue?.length === 0) this.queues.delete(key);
    return value;
  }

  /** Whether there is a value, or something in a queue, under a key. */
  has(key: string): boolean {
    return this.values.has(key) || this.queues.has(key);
  }
}
