/** What a process says to its store thread, and what that answers. */
import type { MessagePort } from 'node:worker_threads';

/** How a store begins. */
export interface Opening {
  readonly host: string;
  readonly port: number;
  readonly worldSize: number | null;
  readonly isMaster: boolean;
  readonly timeout: number;
  readonly waitForWorkers: boolean;
  readonly multiTenant: boolean;
  readonly masterListenFd: number | null;
}

/** A call on an open store; keys as the server sees them. `timeout`: for an answer, or for keys to come. */
export type Order =
  | { readonly op: 'open'; readonly opening: Opening }
  | { readonly op: 'close' }
  | { readonly op: 'send'; readonly request: Uint8Array }
  | { readonly op: 'bytes' | 'byte' | 'int64' | 'keys'; readonly request: Uint8Array; readonly timeout: number }
  | { readonly op: 'values'; readonly request: Uint8Array; readonly count: number; readonly timeout: number }
  | { readonly op: 'pop'; readonly request: Uint8Array; readonly timeout: number }
  | { readonly op: 'wait'; readonly request: Uint8Array; readonly timeout: number }
  /** Waits on a connection of its own; where `then` is given, asks for that value behind it. */
  | {
      readonly op: 'waitBeside';
      readonly request: Uint8Array;
      readonly then: Uint8Array | null;
      readonly timeout: number;
    };

export interface ToThread {
  readonly id: number;
  readonly store: number;
  readonly order: Order;
}
export type FromThread =
  | { readonly id: number; readonly value: unknown }
  /** `text` follows the name of the call. */
  | { readonly id: number; readonly error: string };

/** What the thread begins with. */
export interface ThreadTask {
  readonly port: MessagePort;
  /** Raised with each answer, for a caller that waits. */
  readonly signal: Int32Array;
}
