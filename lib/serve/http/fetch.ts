/** Requests and answers of fetch: Hono, Deno, Bun, and whatever else speaks them. */
import { REASONS, isStream, type Incoming, type Outgoing } from './exchange.js';

export function incomingOfRequest(request: Request, prefix: string): Incoming {
  const { pathname, search } = new URL(request.url);
  return {
    method: request.method,
    url: (pathname.startsWith(prefix) ? pathname.slice(prefix.length) || '/' : pathname) + search,
    header: (name) => request.headers.get(name) ?? (name === 'host' ? new URL(request.url).host : undefined),
    body: request.body === null ? null : (request.body as unknown as AsyncIterable<Uint8Array>),
    signal: request.signal,
  };
}

export function responseOf(outgoing: Outgoing): Response {
  const { status, headers, body } = outgoing;
  const statusText = (REASONS as Record<number, string | undefined>)[status] ?? '';
  if (status === 204) return new Response(null, { status, headers });
  if (!isStream(body)) return new Response(new Uint8Array(Buffer.concat(body)), { status, headers, statusText });
  const iterator = body[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  return new Response(stream, { status, headers, statusText });
}
