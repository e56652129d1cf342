/** A request and its answer, whatever brings them: node:http, or the Request and Response of fetch. */
import { ServeError, type RefusalStatus } from '../errors.js';

export interface Incoming {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  /** A header's value, by its name in small letters. */
  header(name: string): string | undefined;
  /** Null where there is none. */
  readonly body: AsyncIterable<Uint8Array> | null;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export interface Outgoing {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** All of it, or a stream of events. */
  readonly body: readonly Uint8Array[] | AsyncIterable<Uint8Array>;
}

export const isStream = (body: Outgoing['body']): body is AsyncIterable<Uint8Array> => !Array.isArray(body);

const JSON_HEADERS = { 'content-type': 'application/json' };

export const json = (value: unknown, status = 200, headers: Record<string, string> = {}): Outgoing => ({
  status,
  headers: { ...JSON_HEADERS, ...headers },
  body: [Buffer.from(JSON.stringify(value))],
});

/** The answer to a request that failed, as the protocol has it. `tell`: also what the server's user didn't write. */
export function failure(error: unknown, tell: boolean): Outgoing {
  const { status, message, headers } = asServeError(error, tell);
  return json({ error: message }, status, { ...headers });
}

/** Any error as one with a status: a model's own failure is a 500, and what it says is told only where that is asked for. */
export function asServeError(error: unknown, tell: boolean): ServeError {
  if (error instanceof ServeError) return error;
  if (error instanceof Error && error.name === 'AbortError') return new ServeError(499, 'the client has gone');
  const detail = error instanceof Error ? error.message : String(error);
  return new ServeError(500, tell ? `the model failed: ${detail}` : 'the model failed', { cause: error });
}

/** Statuses of ours that clients and proxies don't know by their number. */
export const REASONS: Partial<Record<RefusalStatus, string>> = { 499: 'Client Closed Request' };
