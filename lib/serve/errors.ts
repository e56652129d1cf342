/** What a client is told: a message and the HTTP status that goes with it (gRPC's codes are derived from it, grpc/). */

/** HTTP statuses that the server answers with where it doesn't answer with a result. */
export type RefusalStatus =
  400 | 401 | 403 | 404 | 405 | 408 | 409 | 411 | 413 | 415 | 429 | 431 | 499 | 500 | 501 | 503;

/**
 * An answer that is no result. A model may throw it too: then its message and status reach the client as they are, where any
 * other error is a 500.
 *
 * ```ts
 * if (text.length > 10_000) throw new ServeError(413, 'a text may have 10,000 letters');
 * ```
 */
export class ServeError extends Error {
  override readonly name: string = 'ServeError';
  /** Headers that belong to the answer, such as Retry-After. */
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    readonly status: RefusalStatus,
    message: string,
    options: ErrorOptions & { headers?: Record<string, string> } = {},
  ) {
    super(message, options);
    this.headers = options.headers ?? {};
  }
}

/** Something in a request that is not as it should be. */
export const badRequest = (message: string): ServeError => new ServeError(400, message);

/** The server has more to do than it can: the client may come again after some seconds. */
export const overloaded = (message: string, seconds: number): ServeError =>
  new ServeError(503, message, { headers: { 'retry-after': String(Math.max(1, Math.min(60, Math.ceil(seconds)))) } });
